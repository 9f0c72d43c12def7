package main

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const table = "t"

// workload is one thing to time. Each call of run does ops operations.
type workload struct {
	name string
	ops  int
	// prepare makes what run needs, outside the time taken; it may be nil.
	prepare func(p *peer, round int) error
	run     func(p *peer, round int) error
	// answer returns what must be equal for all peers; it may be nil.
	answer func(p *peer) (string, error)
}

// sizes say how much is done.
type sizes struct {
	rows, points, ranges, durable, bulk, scans, rounds int
}

var (
	fullSizes  = sizes{rows: 200_000, points: 5000, ranges: 1000, durable: 300, bulk: 50_000, scans: 3, rounds: 5}
	quickSizes = sizes{rows: 20_000, points: 1000, ranges: 200, durable: 50, bulk: 5000, scans: 2, rounds: 3}
)

const rangeRows = 100

func workloads(n sizes) []workload {
	pointQuery := "SELECT n, s FROM " + table + " WHERE id = ?"
	rangeQuery := "SELECT id, n, x, s FROM " + table + " WHERE id BETWEEN ? AND ? ORDER BY id"
	newBulk := func(p *peer, _ int) error {
		if _, err := p.db.Exec("DROP TABLE IF EXISTS bulk"); err != nil {
			return err
		}
		return p.createTable("bulk")
	}
	bulkAnswer := func(p *peer) (string, error) {
		return answer(p, "SELECT COUNT(*), SUM(n), MAX(s) FROM bulk")
	}
	list := []workload{
		{
			name: "point SELECT, prepared", ops: n.points,
			run: func(p *peer, round int) error {
				stmt, err := p.db.Prepare(pointQuery)
				if err != nil {
					return err
				}
				defer stmt.Close()
				return points(n, round, func(id int) *sql.Row { return stmt.QueryRow(id) })
			},
			answer: func(p *peer) (string, error) { return answer(p, pointQuery, n.rows/3) },
		},
		{
			name: "point SELECT, text", ops: n.points,
			run: func(p *peer, round int) error {
				return points(n, round, func(id int) *sql.Row { return p.db.QueryRow(pointQuery, id) })
			},
		},
		{
			name: "range SELECT of 100 rows", ops: n.ranges,
			run: func(p *peer, round int) error { return ranges(p, rangeQuery, n, round) },
			answer: func(p *peer) (string, error) {
				return answer(p, rangeQuery, n.rows/2, n.rows/2+rangeRows-1)
			},
		},
		{
			name: "SUM over all rows", ops: n.scans * n.rows,
			run: func(p *peer, round int) error {
				for range n.scans {
					var sum float64
					if err := p.db.QueryRow("SELECT SUM(n) FROM " + table).Scan(&sum); err != nil {
						return err
					}
				}
				return nil
			},
			answer: func(p *peer) (string, error) {
				return answer(p, "SELECT SUM(n), COUNT(*), MIN(s), MAX(x) FROM "+table)
			},
		},
		{
			name: "INSERT, durable", ops: n.durable,
			prepare: func(p *peer, round int) error {
				if round > 0 {
					return nil
				}
				return p.createTable("durable")
			},
			run: func(p *peer, round int) error {
				stmt, err := p.db.Prepare("INSERT INTO durable VALUES (?, ?, ?, ?)")
				if err != nil {
					return err
				}
				defer stmt.Close()
				for i := range n.durable {
					if _, err := stmt.Exec(row(round*n.durable + i)...); err != nil {
						return err
					}
				}
				return nil
			},
			answer: func(p *peer) (string, error) { return answer(p, "SELECT COUNT(*), SUM(n), MAX(s) FROM durable") },
		},
		{
			name: "bulk INSERT, a row each", ops: n.bulk, prepare: newBulk, answer: bulkAnswer,
			run: func(p *peer, _ int) error { return bulk(p, "bulk", n.bulk, 1) },
		},
		{
			name: "bulk INSERT, 100 rows each", ops: n.bulk, prepare: newBulk, answer: bulkAnswer,
			run: func(p *peer, _ int) error { return bulk(p, "bulk", n.bulk, 100) },
		},
	}
	scan := func(name, query string) workload {
		return workload{
			name: name, ops: n.scans * n.rows,
			run: func(p *peer, _ int) error {
				for range n.scans {
					if err := drain(p, query); err != nil {
						return err
					}
				}
				return nil
			},
			answer: func(p *peer) (string, error) { return answer(p, query) },
		}
	}
	scans := []workload{
		scan("SUM of DOUBLE", "SELECT SUM(x) FROM "+table),
		scan("filter", "SELECT COUNT(*), SUM(n) FROM "+table+" WHERE n < 500 AND x >= 10"),
		scan("GROUP BY, 1000 groups", "SELECT x, COUNT(*), SUM(n) FROM "+table+" GROUP BY x ORDER BY x"),
		scan("full SELECT", "SELECT id, n, x, s FROM "+table),
	}
	list = append(list, scans...)
	// Those that read only again, with packed rows.
	for _, w := range slices.Concat(list[:4], scans) {
		w.name = "packed: " + w.name
		w.prepare = func(p *peer, round int) error {
			if p.pack == "" || round > 0 {
				return nil
			}
			_, err := p.db.Exec(p.pack)
			return err
		}
		list = append(list, w)
	}
	return list
}

// drain reads all rows of a query as a program does.
func drain(p *peer, query string) error {
	rows, err := p.db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	var ints [4]int64
	var float float64
	var text string
	into := []any{&ints[0], &ints[1], &float, &text}
	if len(columns) < 4 {
		into = []any{&float, &float, &float}[:len(columns)]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
	}
	return rows.Err()
}

// spread returns ids all over the table, other ones in each round.
func spread(i, round, rows int) int { return (i*7919 + round*104729) % rows }

func points(n sizes, round int, query func(id int) *sql.Row) error {
	for i := range n.points {
		id := spread(i, round, n.rows)
		var got int
		var s string
		if err := query(id).Scan(&got, &s); err != nil {
			return err
		}
		if want := row(id); got != want[1] || s != want[3] {
			return fmt.Errorf("row %d is %d, %q", id, got, s)
		}
	}
	return nil
}

func ranges(p *peer, query string, n sizes, round int) error {
	stmt, err := p.db.Prepare(query)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for i := range n.ranges {
		from := spread(i, round, n.rows-rangeRows)
		rows, err := stmt.Query(from, from+rangeRows-1)
		if err != nil {
			return err
		}
		count := 0
		for rows.Next() {
			var id, n int
			var x float64
			var s string
			if err := rows.Scan(&id, &n, &x, &s); err != nil {
				return errors.Join(err, rows.Close())
			}
			count++
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if count != rangeRows {
			return fmt.Errorf("%d rows from %d on", count, from)
		}
	}
	return nil
}

// bulk inserts n rows in one transaction, with rows of them in each statement,
// of which n is a multiple.
func bulk(p *peer, table string, n, rows int) error {
	tx, err := p.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	stmt, err := tx.Prepare("INSERT INTO " + table + " VALUES (?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?)", rows-1))
	if err != nil {
		return err
	}
	defer stmt.Close()
	args := make([]any, 0, 4*rows)
	for id := 0; id < n; id += rows {
		args = args[:0]
		for i := range rows {
			args = append(args, row(id+i)...)
		}
		if _, err := stmt.Exec(args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// answer returns a result as text in which numbers look alike whatever type a
// driver gives them.
func answer(p *peer, query string, args ...any) (string, error) {
	rows, err := p.db.Query(query, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var b strings.Builder
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		for _, v := range values {
			fmt.Fprintf(&b, "%s|", strings.TrimSuffix(v.String, ".0"))
		}
		b.WriteByte('\n')
	}
	return b.String(), rows.Err()
}
