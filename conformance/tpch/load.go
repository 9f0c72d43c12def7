package main

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/kalamgo/kalam/conformance/tpch/dbgen"
)

//go:embed schema.sql
var schema string

// load makes the tables and fills them, unless that was done.
func load(ctx context.Context, db *sql.DB, factor float64, out io.Writer, log *os.File) error {
	scale, err := dbgen.NewScale(factor)
	if err != nil {
		return err
	}
	// The last row of all tells that everything is there.
	var last bool
	if db.QueryRowContext(ctx, "SELECT COUNT(*) = ? FROM orders", scale.Orders()).Scan(&last) == nil {
		if last {
			return analyze(ctx, db, out)
		}
		return fmt.Errorf("the database holds other data than that of scale factor %v", factor)
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	begin := time.Now()
	l := &loader{ctx: ctx, db: db, tables: map[string]*batch{}}
	bar := newBar(log, scale.Units())
	if err := dbgen.Rows(scale, dbgen.DuckDB, l.add, bar.step); err != nil {
		return err
	}
	bar.clear()
	if err := l.finish(); err != nil {
		return err
	}
	took := time.Since(begin)
	fmt.Fprintf(out, "loaded %d rows in %.1f s, %.0f rows/s\n", l.rows, took.Seconds(), float64(l.rows)/took.Seconds())
	return analyze(ctx, db, out)
}

// analyze gathers statistics.
func analyze(ctx context.Context, db *sql.DB, out io.Writer) error {
	begin := time.Now()
	rows, err := db.QueryContext(ctx, "ANALYZE TABLE "+strings.Join(dbgen.Tables, ", "))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var table, op, kind, text string
		if err := rows.Scan(&table, &op, &kind, &text); err != nil {
			return err
		}
		if text != "OK" {
			return fmt.Errorf("analyzing %s: %s", table, text)
		}
	}
	fmt.Fprintf(out, "analyzed in %.1f s\n", time.Since(begin).Seconds())
	return rows.Err()
}

const (
	statementRows = 100
	commitRows    = 10_000
)

// loader adds rows to tables, many in a statement and many statements in a
// transaction.
type loader struct {
	ctx    context.Context
	db     *sql.DB
	tables map[string]*batch
	tx     *sql.Tx
	inTx   int
	rows   int64
}

// batch is the rows of a table that are to be added.
type batch struct {
	table string
	width int
	args  []any
	full  *sql.Stmt // adds statementRows
}

func insertText(table string, width, rows int) string {
	row := "(?" + strings.Repeat(", ?", width-1) + ")"
	return "INSERT INTO " + table + " VALUES " + row + strings.Repeat(", "+row, rows-1)
}

func (l *loader) add(table string, row []any) error {
	b := l.tables[table]
	if b == nil {
		b = &batch{table: table, width: len(row)}
		var err error
		if b.full, err = l.db.PrepareContext(l.ctx, insertText(table, b.width, statementRows)); err != nil {
			return err
		}
		l.tables[table] = b
	}
	b.args = append(b.args, row...)
	l.rows++
	if len(b.args) < statementRows*b.width {
		return nil
	}
	return l.flush(b)
}

func (l *loader) flush(b *batch) (err error) {
	if len(b.args) == 0 {
		return nil
	}
	if l.tx == nil {
		if l.tx, err = l.db.BeginTx(l.ctx, nil); err != nil {
			return err
		}
	}
	n := len(b.args) / b.width
	if n == statementRows {
		_, err = l.tx.StmtContext(l.ctx, b.full).ExecContext(l.ctx, b.args...)
	} else {
		_, err = l.tx.ExecContext(l.ctx, insertText(b.table, b.width, n), b.args...)
	}
	if err != nil {
		return fmt.Errorf("loading %s: %w", b.table, err)
	}
	b.args = b.args[:0]
	if l.inTx += n; l.inTx < commitRows {
		return nil
	}
	return l.commit()
}

func (l *loader) commit() error {
	if l.tx == nil {
		return nil
	}
	err := l.tx.Commit()
	l.tx, l.inTx = nil, 0
	return err
}

// finish adds what is left.
func (l *loader) finish() error {
	for _, table := range dbgen.Tables {
		b := l.tables[table]
		if b == nil {
			continue
		}
		if err := l.flush(b); err != nil {
			return err
		}
		if err := b.full.Close(); err != nil {
			return err
		}
	}
	return l.commit()
}

// bar shows how much is loaded: over itself on a terminal, else on a new line
// now and then.
type bar struct {
	out         *os.File
	terminal    bool
	interval    time.Duration
	last        time.Time
	done, total int64
}

func newBar(out *os.File, total int64) *bar {
	b := &bar{out: out, interval: 10 * time.Second, last: time.Now(), total: total}
	if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		b.terminal, b.interval = true, 100*time.Millisecond
	}
	return b
}

func (b *bar) step() {
	if b.done++; b.done%256 != 0 || time.Since(b.last) < b.interval {
		return
	}
	b.last = time.Now()
	const width = 40
	full := int(b.done * width / b.total)
	text := fmt.Sprintf("loading [%s%s] %3d %%", strings.Repeat("#", full), strings.Repeat(".", width-full), b.done*100/b.total)
	if b.terminal {
		fmt.Fprint(b.out, "\r"+text)
	} else {
		fmt.Fprintln(b.out, text)
	}
}

// clear makes room for other output.
func (b *bar) clear() {
	if b.terminal {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
