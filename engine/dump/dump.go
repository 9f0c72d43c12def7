// Package dump prints databases, and what one user has in them, as SQL text.
//
// Texts are of one moment. What a user has in user and stream tables is printed
// as INSERTs of whoever loads the text, or of EXECUTE AS USER where a text has
// several users' rows. Rows are printed as SELECT * and the names of invisible
// columns show them: without those that were deleted and can be restored, and
// events without their times, so that they are as young as the load.
package dump

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Options say what to print.
type Options struct {
	Namespaces []string // empty: all
	NoSchema   bool     // leave out the definitions
	NoRows     bool     // leave out the rows
}

// insertBytes is about how long a printed INSERT is.
const insertBytes = 256 << 10

// someUsers is how many users of a table are looked up at a time.
const someUsers = 1000

// dumper prints into a buffer, whose first error stays.
type dumper struct {
	s   *engine.Session
	out *bufio.Writer
	Options
	// one tells that the rows of the session's user are all there is to print.
	one  bool
	used string // the namespace of the rows of one that were printed last; "": none were
}

// Database prints namespaces, with all users' rows; where none are given, all, together with
// the recorded users, their passwords' hashes and what is granted, if the session's user is a dba. It selects other namespaces
// and begins a transaction in the session, which Session.Reset undoes. Errors, besides w's:
// sqlerr.BadDatabase, sqlerr.AccessDenied where the session's user may not act as others.
func Database(ctx context.Context, s *engine.Session, w io.Writer, o Options) error {
	d := dumper{s: s, out: bufio.NewWriter(w), Options: o}
	if err := d.dump(ctx); err != nil {
		return err
	}
	return d.out.Flush()
}

// User prints the rows that a user has in the user and stream tables of
// namespaces, of all where none is given. The text has no definitions and no name of
// the user: who loads it gets the rows. Of the session the same is true as for Database.
// Errors, besides those: sqlerr.CannotUser where user has no rows and is the name of a
// user with another id.
func User(ctx context.Context, s *engine.Session, w io.Writer, user string, namespaces ...string) error {
	d := dumper{s: s, out: bufio.NewWriter(w), Options: Options{Namespaces: namespaces, NoSchema: true}, one: true}
	ids, err := d.column(ctx, "SELECT id FROM system.users WHERE name = "+quoteUser(user)+" AND id <> name", 0)
	if err != nil {
		return err
	}
	if err := d.dump(engine.WithUser(ctx, user)); err != nil {
		return err
	}
	if d.used == "" && len(ids) > 0 {
		return sqlerr.CannotUser.New("There are no rows of '%s', the name of the user whose id is '%s': rows are exported by id", user, ids[0]).On("system.users")
	}
	return d.out.Flush()
}

func (d *dumper) print(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

func (d *dumper) dump(ctx context.Context) error {
	if _, err := d.s.Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", nil); err != nil {
		return err
	}
	var users, grants, locations []string
	if len(d.Namespaces) == 0 {
		var err error
		if !d.NoSchema {
			if users, grants, err = d.s.UserDefinitions(ctx); err != nil {
				return err
			}
			if locations, err = d.locations(ctx); err != nil {
				return err
			}
		}
		all, err := d.column(ctx, "SHOW DATABASES", 0)
		if err != nil {
			return err
		}
		d.Namespaces = slices.DeleteFunc(all, func(n string) bool { return n == "system" || n == "information_schema" })
	}
	d.print("-- Kalam dump\n\n/*!40101 SET NAMES utf8mb4 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n" +
		"/*!40014 SET FOREIGN_KEY_CHECKS=0 */;\n/*!40014 SET UNIQUE_CHECKS=0 */;\n/*!40101 SET SQL_MODE='STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO' */;\n")
	d.own(slices.Concat(users, locations))
	for _, n := range d.Namespaces {
		if err := d.namespace(ctx, n); err != nil {
			return err
		}
	}
	// Sources of topics may be in other namespaces.
	for _, n := range d.Namespaces {
		if d.NoSchema {
			break
		}
		topics, err := d.s.TopicDefinitions(ctx, n)
		if err != nil {
			return err
		}
		d.own(topics)
	}
	d.own(grants)
	d.print("\n-- End of dump\n")
	return nil
}

// own prints statements for Kalam alone, in comments that only Kalam reads. There is a statement
// before each, as clients send no comments by themselves.
func (d *dumper) own(statements []string) {
	if len(statements) > 0 {
		d.print("\n")
	}
	for _, sql := range statements {
		if strings.Contains(sql, "*/") { // it would end the comment for others: let them complain
			d.print("%s;\n", sql)
		} else {
			d.print("DO 0 /*K! ; %s */;\n", sql)
		}
	}
}

// column returns a column of a query, whose values are texts.
func (d *dumper) column(ctx context.Context, sql string, n int) (list []string, err error) {
	rows, err := d.s.Query(ctx, sql, nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for {
		b, err := rows.Next(ctx)
		if err != nil || b.Len == 0 {
			return list, err
		}
		for i := range b.Len {
			list = append(list, string(b.Columns[n].BytesAt(i)))
		}
	}
}

func (d *dumper) namespace(ctx context.Context, namespace string) error {
	name := quoteName(namespace)
	if _, err := d.s.Exec(ctx, "USE "+name, nil); err != nil {
		return err
	}
	if !d.NoSchema {
		if err := d.definition(ctx, namespace); err != nil {
			return err
		}
	}
	if !d.one {
		d.print("USE %s;\n", name)
	}
	list, err := d.s.Definitions(ctx, namespace)
	if err != nil {
		return err
	}
	var views []string
	for _, t := range list {
		switch {
		case t.Kind == schema.Viewed:
			views = append(views, t.Name)
		case d.one && t.Kind == schema.Shared:
		default:
			if err := d.table(ctx, t); err != nil {
				return err
			}
		}
	}
	if d.NoSchema {
		return nil
	}
	if err := d.triggers(ctx); err != nil {
		return err
	}
	return d.views(ctx, views)
}

// definition prints what makes a namespace.
func (d *dumper) definition(ctx context.Context, namespace string) error {
	text, err := d.column(ctx, `SELECT CONCAT('/*!40100 DEFAULT CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name, ' */')
		FROM information_schema.schemata WHERE schema_name = `+quoteUser(namespace), 0)
	if err != nil {
		return err
	}
	d.print("\nCREATE DATABASE IF NOT EXISTS %s %s;\n", quoteName(namespace), text[0])
	set, err := d.column(ctx, `SELECT CONCAT('UPDATE system.namespaces SET description = ', QUOTE(description), ', options = ', QUOTE(options), ' WHERE name = ', QUOTE(name))
		FROM system.namespaces WHERE name = `+quoteUser(namespace)+" AND (description IS NOT NULL OR JSON_LENGTH(JSON_REMOVE(options, '$.collation')) > 0)", 0)
	if err == nil {
		d.own(set)
	}
	return err
}

// locations returns what makes the storage locations, where the session's user sees them.
func (d *dumper) locations(ctx context.Context) ([]string, error) {
	list, err := d.column(ctx, `SELECT CONCAT('INSERT INTO system.storage_locations (id, name, kind, uri, description, options) SELECT ',
		CONCAT_WS(', ', QUOTE(id), QUOTE(name), QUOTE(kind), QUOTE(uri), QUOTE(description), QUOTE(options)),
		' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM system.storage_locations WHERE id = ', QUOTE(id), ')') FROM system.storage_locations`, 0)
	if errors.Is(err, sqlerr.AccessDenied) {
		err = nil
	}
	return list, err
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

func (d *dumper) table(ctx context.Context, t *schema.Table) error {
	name := quoteName(t.Name)
	if !d.NoSchema {
		texts, err := d.column(ctx, "SHOW CREATE TABLE "+name, 1)
		if err != nil {
			return err
		}
		d.print("\nDROP TABLE IF EXISTS %s;\n%s;\n", name, texts[0])
	}
	if d.NoRows {
		return nil
	}
	if d.one || t.Kind == schema.Shared {
		return d.rows(ctx, t, nil)
	}
	for after := (*string)(nil); ; {
		users, err := d.s.TableUsers(ctx, t, after, someUsers)
		if err != nil || len(users) == 0 {
			return err
		}
		for i := range users {
			if err := d.rows(ctx, t, &users[i]); err != nil {
				return err
			}
		}
		after = &users[len(users)-1]
	}
}

// rows prints the rows of a user, nil: of the session's, or of a shared table.
func (d *dumper) rows(ctx context.Context, t *schema.Table, user *string) error {
	var columns []string
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Generated == "" && (!c.Hidden || c.Invisible) {
			columns = append(columns, quoteName(c.Name))
		}
	}
	name, list := quoteName(t.Name), strings.Join(columns, ",")
	query, insert, end := "SELECT "+list+" FROM "+name, "INSERT INTO "+name+" ("+list+") VALUES\n", ";\n"
	if user != nil {
		as := "EXECUTE AS USER " + quoteUser(*user) + " ("
		query, insert, end = as+query+")", as+insert, ");\n"
	}
	rows, err := d.s.Query(ctx, query, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	var buf []byte
	for {
		b, err := rows.Next(ctx)
		if err != nil {
			return err
		}
		for i := range b.Len {
			if d.one && d.used != t.Namespace {
				d.used = t.Namespace
				d.print("USE %s;\n", quoteName(t.Namespace))
			}
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
			if _, err := d.out.Write(append(buf, end...)); err != nil {
				return err
			}
			buf = buf[:0]
		}
		if b.Len == 0 {
			return nil
		}
	}
}

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// quoteUser prints a user as a literal: a text where that is readable.
func quoteUser(s string) string {
	for _, r := range s {
		if r < ' ' || r > '~' || r == '\'' || r == '\\' {
			return fmt.Sprintf("X'%X'", s)
		}
	}
	return "'" + s + "'"
}
