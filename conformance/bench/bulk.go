package main

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kalamgo/kalam"
)

// bulks load rows into an empty table, in one transaction; the time is a row's.
func bulks(n sizes, _ int) []workload {
	file := func(p *peer) string { return p.path + ".csv" }
	load := func(name string, run func(p *peer) error) workload {
		return workload{
			name: name, ops: n.bulk,
			before: func(p *peer) error {
				if p.raw != nil {
					return nil
				}
				return p.createTable("bulk", "")
			},
			run: func(p *peer, _, _ int) error { return run(p) },
			check: func(p *peer) (string, error) {
				return p.answer("SELECT COUNT(*), SUM(id), SUM(a), SUM(b), SUM(k), SUM(x), MIN(s), MAX(s) FROM bulk")
			},
		}
	}
	single := load("prepared, a row a statement", func(p *peer) error { return p.insertRows("bulk", n.bulk, 1, row) })
	many := load("prepared, 100 rows a statement; DuckDB: its appender", func(p *peer) error { return p.fill("bulk", n.bulk, row) })
	many.raw = func(r *raw, _, count int) error { return r.fill(count, row) }
	values := load("Go values: InsertRows, DuckDB's appender; SQLite: 100 rows a statement", func(p *peer) error { return p.loadValues("bulk", n.bulk) })
	from := load("a CSV file: LOAD DATA, COPY; SQLite: read and inserted", func(p *peer) error { return p.loadFile("bulk", file(p)) })
	from.setup = func(p *peer) error { return writeRows(file(p), n.bulk) }
	return []workload{single, many, values, from}
}

// loadValues adds rows in the way that a peer has for many that a program has at hand.
func (p *peer) loadValues(table string, n int) error {
	if p.name != kalamName {
		return p.fill(table, n, row)
	}
	rows := func(yield func([]any, error) bool) {
		for id := range n {
			if !yield(row(id), nil) {
				return
			}
		}
	}
	_, err := kalam.InsertRows(context.Background(), p.db, insertText(table, len(row(0)), 1), rows)
	return err
}

func writeRows(name string, n int) error {
	return writeFile(name, func(out io.Writer) error {
		w := csv.NewWriter(out)
		record := make([]string, 6)
		for id := range n {
			for i, v := range row(id) {
				record[i] = fmt.Sprint(v)
			}
			if err := w.Write(record); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	})
}

// loadFile adds the rows of a file with the statement that there is for it;
// SQLite has none for programs.
func (p *peer) loadFile(table, file string) error {
	switch p.dialect {
	case mysql:
		return p.exec(fmt.Sprintf("LOAD DATA INFILE '%s' INTO TABLE %s FIELDS TERMINATED BY ',' ENCLOSED BY '\"'", file, table))
	case duck:
		return p.exec(fmt.Sprintf("COPY %s FROM '%s' (FORMAT csv)", table, file))
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	tx, err := p.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	in := csv.NewReader(f)
	in.ReuseRecord = true
	var stmt *sql.Stmt
	var args []any
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return tx.Commit()
		}
		if err != nil {
			return err
		}
		if stmt == nil {
			args = make([]any, len(record))
			if stmt, err = tx.Prepare(insertText(table, len(record), 1)); err != nil {
				return err
			}
			defer stmt.Close()
		}
		for i, v := range record {
			args[i] = v // columns' types make numbers of texts
		}
		if _, err := stmt.Exec(args...); err != nil {
			return err
		}
	}
}
