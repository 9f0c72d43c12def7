package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/kalamgo/kalam/conformance/tpch/dbgen"
	"github.com/kalamgo/kalam/conformance/tpch/suite"
)

// load makes the tables and fills them, unless that was done.
func load(ctx context.Context, db *sql.DB, factor float64, out io.Writer, log *os.File) error {
	scale, err := dbgen.NewScale(factor)
	if err != nil {
		return err
	}
	// A table made at the end tells that everything is there.
	var last bool
	if db.QueryRowContext(ctx, "SELECT orders = ? FROM loaded", scale.Orders()).Scan(&last) == nil {
		if last {
			return analyze(ctx, db, out)
		}
		return fmt.Errorf("the database holds other data than that of scale factor %v", factor)
	}
	if _, err := db.ExecContext(ctx, suite.Schema); err != nil {
		return err
	}
	begin := time.Now()
	l := newLoader(ctx, db)
	bar := newBar(log, scale.Units())
	err = dbgen.Rows(scale, dbgen.DuckDB, l.add, bar.step)
	bar.clear()
	if e := l.finish(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	took := time.Since(begin)
	if _, err := db.ExecContext(ctx, "CREATE TABLE loaded (orders BIGINT PRIMARY KEY); INSERT INTO loaded VALUES (?)", scale.Orders()); err != nil {
		return err
	}
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
	writers       = 2
)

// loader adds rows to tables, many in a statement and many statements in a
// transaction, while the next rows are made.
type loader struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	db     *sql.DB
	tables map[string]*batch
	full   chan *batch
	writes sync.WaitGroup
	rows   int64
}

// batch is rows that are to be added to a table.
type batch struct {
	table string
	width int
	args  []any
}

func newLoader(ctx context.Context, db *sql.DB) *loader {
	l := &loader{db: db, tables: map[string]*batch{}, full: make(chan *batch, writers)}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	for range writers {
		l.writes.Go(func() {
			w := &writer{ctx: l.ctx, db: db, full: map[string]*sql.Stmt{}}
			if err := w.run(l.full); err != nil {
				l.cancel(err)
			}
		})
	}
	return l
}

func (l *loader) add(table string, row []any) error {
	b := l.tables[table]
	if b == nil {
		b = &batch{table: table, width: len(row), args: make([]any, 0, statementRows*len(row))}
		l.tables[table] = b
	}
	b.args = append(b.args, row...)
	l.rows++
	if len(b.args) < cap(b.args) {
		return nil
	}
	delete(l.tables, table)
	return l.send(b)
}

func (l *loader) send(b *batch) error {
	select {
	case l.full <- b:
		return nil
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}

// finish adds what is left.
func (l *loader) finish() error {
	for _, b := range l.tables {
		if err := l.send(b); err != nil {
			break
		}
	}
	close(l.full)
	l.writes.Wait()
	err := context.Cause(l.ctx)
	l.cancel(nil)
	return err
}

// writer adds batches in transactions.
type writer struct {
	ctx  context.Context
	db   *sql.DB
	tx   *sql.Tx
	inTx int
	full map[string]*sql.Stmt // adds statementRows to a table, in the transaction
}

func insertText(table string, width, rows int) string {
	row := "(?" + strings.Repeat(", ?", width-1) + ")"
	return "INSERT INTO " + table + " VALUES " + row + strings.Repeat(", "+row, rows-1)
}

func (w *writer) run(batches <-chan *batch) error {
	for b := range batches {
		if err := w.add(b); err != nil {
			return errors.Join(fmt.Errorf("loading %s: %w", b.table, err), w.end((*sql.Tx).Rollback))
		}
	}
	return w.end((*sql.Tx).Commit)
}

func (w *writer) add(b *batch) (err error) {
	if w.tx == nil {
		if w.tx, err = w.db.BeginTx(w.ctx, nil); err != nil {
			return err
		}
	}
	n := len(b.args) / b.width
	if n < statementRows {
		_, err = w.tx.ExecContext(w.ctx, insertText(b.table, b.width, n), b.args...)
	} else {
		if w.full[b.table] == nil {
			if w.full[b.table], err = w.tx.PrepareContext(w.ctx, insertText(b.table, b.width, n)); err != nil {
				return err
			}
		}
		_, err = w.full[b.table].ExecContext(w.ctx, b.args...)
	}
	if err != nil {
		return err
	}
	if w.inTx += n; w.inTx < commitRows {
		return nil
	}
	return w.end((*sql.Tx).Commit)
}

// end ends the transaction, if there is one.
func (w *writer) end(how func(*sql.Tx) error) error {
	if w.tx == nil {
		return nil
	}
	err := how(w.tx)
	w.tx, w.inTx = nil, 0
	clear(w.full)
	return err
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
