package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/types"
)

// dumper prints a database as SQL text, as it is at one moment.
type dumper struct {
	s            *engine.Session
	out          *bufio.Writer
	schema, data bool
}

// insertBytes is about how long a printed INSERT is.
const insertBytes = 256 << 10

func (p *program) dump(ctx context.Context, args []string) error {
	f := p.flags("dump [flags] PATH [NAMESPACE…]")
	schemaOnly := f.Bool("schema-only", false, "leave out the rows")
	dataOnly := f.Bool("data-only", false, "leave out the definitions")
	if err := parse(f, args, 1, -1); err != nil {
		return err
	}
	return with(ctx, engine.Config{Path: f.Arg(0), ReadOnly: true}, func(_ *engine.Engine, s *engine.Session) error {
		d := dumper{s: s, out: bufio.NewWriter(p.out), schema: !*dataOnly, data: !*schemaOnly}
		if err := d.dump(ctx, f.Args()[1:]); err != nil {
			return err
		}
		return d.out.Flush()
	})
}

func (d *dumper) print(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

func (d *dumper) dump(ctx context.Context, namespaces []string) error {
	if _, err := d.s.Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", nil); err != nil {
		return err
	}
	if len(namespaces) == 0 {
		all, err := d.column(ctx, "SHOW DATABASES", 0)
		if err != nil {
			return err
		}
		namespaces = slices.DeleteFunc(all, func(n string) bool { return n == "system" || n == "information_schema" })
	}
	d.print("-- Kalam dump\n\n/*!40101 SET NAMES utf8mb4 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n" +
		"/*!40014 SET FOREIGN_KEY_CHECKS=0 */;\n/*!40014 SET UNIQUE_CHECKS=0 */;\n/*!40101 SET SQL_MODE='STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO' */;\n")
	for _, n := range namespaces {
		if err := d.namespace(ctx, n); err != nil {
			return err
		}
	}
	d.print("\n-- End of dump\n")
	return nil
}

// column returns a column of a query.
func (d *dumper) column(ctx context.Context, sql string, n int) (list []string, err error) {
	err = each(ctx, d.s, sql, func(row []*string) error {
		list = append(list, *row[n])
		return nil
	})
	return list, err
}

func (d *dumper) namespace(ctx context.Context, namespace string) error {
	name := quoteName(namespace)
	if _, err := d.s.Exec(ctx, "USE "+name, nil); err != nil {
		return err
	}
	if d.schema {
		d.print("\nCREATE DATABASE IF NOT EXISTS %s;\n", name)
	}
	d.print("USE %s;\n", name)
	var tables, views []string
	err := each(ctx, d.s, "SHOW FULL TABLES", func(row []*string) error {
		if *row[1] == "VIEW" {
			views = append(views, *row[0])
		} else {
			tables = append(tables, *row[0])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := d.table(ctx, t); err != nil {
			return err
		}
	}
	if d.schema {
		if err := d.triggers(ctx); err != nil {
			return err
		}
		return d.views(ctx, views)
	}
	return nil
}

// views prints views, each after those that its text names.
func (d *dumper) views(ctx context.Context, names []string) error {
	texts := map[string]string{}
	for _, v := range names {
		text, err := d.column(ctx, "SHOW CREATE VIEW "+quoteName(v), 1)
		if err != nil {
			return err
		}
		texts[v] = text[0]
	}
	for len(names) > 0 {
		free := slices.IndexFunc(names, func(v string) bool {
			return !slices.ContainsFunc(names, func(other string) bool {
				return other != v && strings.Contains(texts[v], other)
			})
		})
		v := names[max(free, 0)] // a column may have a view's name, too
		d.print("\nDROP VIEW IF EXISTS %s;\n%s;\n", quoteName(v), texts[v])
		names = slices.DeleteFunc(names, func(n string) bool { return n == v })
	}
	return nil
}

// triggers prints the namespace's triggers, after all of its rows. Those of a table
// go with it when it is dropped.
func (d *dumper) triggers(ctx context.Context) error {
	names, err := d.column(ctx, "SHOW TRIGGERS", 0)
	if err != nil {
		return err
	}
	for _, n := range names {
		texts, err := d.column(ctx, "SHOW CREATE TRIGGER "+quoteName(n), 2)
		if err != nil {
			return err
		}
		d.print("\nDELIMITER ;;\n%s;;\nDELIMITER ;\n", texts[0])
	}
	return nil
}

func (d *dumper) table(ctx context.Context, table string) error {
	name := quoteName(table)
	if d.schema {
		texts, err := d.column(ctx, "SHOW CREATE TABLE "+name, 1)
		if err != nil {
			return err
		}
		d.print("\nDROP TABLE IF EXISTS %s;\n%s;\n", name, texts[0])
	}
	if !d.data {
		return nil
	}
	var columns []string
	err := each(ctx, d.s, "SHOW COLUMNS FROM "+name, func(row []*string) error {
		if extra := *row[5]; !strings.Contains(extra, "VIRTUAL GENERATED") && !strings.Contains(extra, "STORED GENERATED") {
			columns = append(columns, quoteName(*row[0]))
		}
		return nil
	})
	if err != nil {
		return err
	}
	list := strings.Join(columns, ",")
	rows, err := d.s.Query(ctx, "SELECT "+list+" FROM "+name, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	insert := "INSERT INTO " + name + " (" + list + ") VALUES\n"
	var buf []byte
	for {
		b, err := rows.Next(ctx)
		if err != nil {
			return err
		}
		for i := range b.Len {
			if len(buf) == 0 {
				buf = append(buf, insert...)
			} else {
				buf = append(buf, ",\n"...)
			}
			buf = append(buf, '(')
			for c, v := range b.Columns {
				if c > 0 {
					buf = append(buf, ',')
				}
				buf = types.AppendSQL(buf, v.Type, v.Value(i))
			}
			buf = append(buf, ')')
		}
		if len(buf) >= insertBytes || b.Len == 0 && len(buf) > 0 {
			d.out.Write(append(buf, ";\n"...))
			buf = buf[:0]
		}
		if b.Len == 0 {
			return nil
		}
	}
}

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
