package main

import (
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// reads of the table t as rows are written, after Kalam has packed them, and
// after a twentieth of them was updated since.
func reads(_ sizes, rows int) (list []workload) {
	for s := fresh; s <= updated; s++ {
		work := append(points(rows), scans(rows)...)
		for i := range work {
			w := &work[i]
			warm := w.setup
			w.setup = func(p *peer) error {
				if err := p.reach(s, rows); err != nil || warm == nil {
					return err
				}
				return warm(p)
			}
			if s > fresh {
				// Floors know no states.
				w.raw, w.reply = nil, nil
			}
			w.name += ", " + s.String()
		}
		list = append(list, work...)
	}
	return list
}

const (
	rangeRows = 100
	inKeys    = 100
)

// spread returns ids all over the table.
func spread(i, rows int) int { return i * 7919 % rows }

func points(rows int) []workload {
	const byKey = "SELECT a, k, s FROM t WHERE id = ?"
	const byIndex = "SELECT id, a, s FROM t WHERE k = ?"
	const ranges = "SELECT id, a, b, k, x, s FROM t WHERE id BETWEEN ? AND ? ORDER BY id"
	inList := "SELECT id, a, s FROM t WHERE id IN (?" + strings.Repeat(", ?", inKeys-1) + ")"
	one := &reply{row: []driver.Value{int64(1), int64(2), row(1)[5]}, rows: 1}
	get := func(r *raw, from, count int) error {
		for i := range count {
			if err := r.get(spread(from+i, rows)); err != nil {
				return err
			}
		}
		return nil
	}
	point := func(query *sql.Row) error {
		var a, k int64
		var s string
		return query.Scan(&a, &k, &s)
	}
	keys := func(i int) []any {
		list := make([]any, inKeys)
		for k := range list {
			list[k] = spread(i*inKeys+k, rows)
		}
		return list
	}
	prepared := func(text string, goroutines int, do func(stmt *sql.Stmt, i int) error) func(p *peer, from, count int) error {
		return func(p *peer, from, count int) error {
			stmt, err := p.db.Prepare(text)
			if err != nil {
				return err
			}
			defer stmt.Close()
			return together(goroutines, from, count, func(i int) error { return do(stmt, i) })
		}
	}
	sample := func(text string, args func(i int) []any) func(p *peer) (string, error) {
		return func(p *peer) (string, error) {
			var all strings.Builder
			for i := range 5 {
				rows, err := p.answer(text, args(i*1_000_003)...)
				if err != nil {
					return "", err
				}
				all.WriteString(rows)
			}
			return all.String(), nil
		}
	}
	id := func(i int) []any { return []any{spread(i, rows)} }
	byID := func(stmt *sql.Stmt, i int) error { return point(stmt.QueryRow(spread(i, rows))) }
	indexed := func(i int) int { return row(spread(i, rows))[3].(int) }
	// warmed work is done a while before it is timed: what comes first must not be the one to
	// read the table from disk.
	warmed := func(w workload) workload {
		w.setup = func(p *peer) (err error) {
			const elsewhere, step = 1 << 30, 500
			begin := time.Now()
			for i := 0; i < rows/10 && time.Since(begin) < 2*time.Second && p.noop == nil && err == nil; i += step {
				if p.raw != nil {
					err = w.raw(p.raw, elsewhere+i, step)
				} else {
					err = w.run(p, elsewhere+i, step)
				}
			}
			return err
		}
		return w
	}
	return []workload{
		warmed(workload{
			name: "point SELECT, prepared", reply: one, raw: get, check: sample(byKey, id),
			run: prepared(byKey, 1, byID),
		}),
		{
			name: "point SELECT, prepared, 8 goroutines", reply: one, run: prepared(byKey, 8, byID),
			raw: func(r *raw, from, count int) error {
				return together(8, from, count, func(i int) error { return r.get(spread(i, rows)) })
			},
		},
		{
			name: "point SELECT, text", reply: one, raw: get,
			run: func(p *peer, from, count int) error {
				return together(1, from, count, func(i int) error { return point(p.db.QueryRow(byKey, spread(i, rows))) })
			},
		},
		warmed(workload{
			name:  "SELECT by secondary index",
			check: sample(byIndex+" ORDER BY id", func(i int) []any { return []any{indexed(i)} }),
			run: prepared(byIndex, 1, func(stmt *sql.Stmt, i int) error {
				rows, err := stmt.Query(indexed(i))
				return readRows(rows, err, -1, shortVars())
			}),
		}),
		{
			name: "SELECT of 100 keys with IN", reply: &reply{row: one.row, rows: inKeys}, check: sample(inList+" ORDER BY id", keys),
			run: prepared(inList, 1, func(stmt *sql.Stmt, i int) error {
				rows, err := stmt.Query(keys(i)...)
				return readRows(rows, err, -1, shortVars())
			}),
			raw: func(r *raw, from, count int) error { return get(r, from*inKeys, count*inKeys) },
		},
		{
			name: "range of 100 rows", reply: rowReply(rangeRows),
			check: sample(ranges, func(i int) []any { from := spread(i, rows-rangeRows); return []any{from, from + rangeRows - 1} }),
			run: prepared(ranges, 1, func(stmt *sql.Stmt, i int) error {
				from := spread(i, rows-rangeRows)
				rows, err := stmt.Query(from, from+rangeRows-1)
				return readRows(rows, err, rangeRows, rowVars())
			}),
			raw: func(r *raw, from, count int) error {
				return together(1, from, count, func(i int) error {
					return r.scan(spread(i, rows-rangeRows), rangeRows, func([]byte) {})
				})
			},
		},
	}
}

func scans(rows int) []workload {
	scan := func(name, query string, into func() []any) workload {
		return workload{
			name:  name,
			check: func(p *peer) (string, error) { return p.answer(query) },
			run: func(p *peer, from, count int) error {
				return together(1, from, count, func(int) error { return p.query(-1, into(), query) })
			},
		}
	}
	floats := func(count int) func() []any { return func() []any { return floatVars(count) } }
	sum := scan("SUM", "SELECT SUM(x) FROM t", floats(1))
	sum.raw = func(r *raw, _, count int) error {
		for range count {
			var total float64
			err := r.scan(0, rows, func(value []byte) {
				for range 3 {
					_, size := binary.Varint(value)
					value = value[size:]
				}
				total += math.Float64frombits(binary.LittleEndian.Uint64(value))
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	full := scan("full SELECT", "SELECT id, a, b, k, x, s FROM t", rowVars)
	full.check = func(p *peer) (string, error) {
		return p.answer("SELECT COUNT(*), SUM(id), SUM(a), SUM(b), SUM(k), SUM(x), MIN(s), MAX(s) FROM t")
	}
	full.reply = rowReply(rows)
	full.raw = func(r *raw, _, count int) error {
		for range count {
			if err := r.scan(0, rows, func([]byte) {}); err != nil {
				return err
			}
		}
		return nil
	}
	groups := func(name, by string) workload {
		w := scan(name, "SELECT "+by+", COUNT(*), SUM(x) FROM t GROUP BY "+by, floats(3))
		w.check = func(p *peer) (string, error) {
			return p.answer("SELECT " + by + ", COUNT(*), SUM(x) FROM t GROUP BY " + by + " ORDER BY " + by + " LIMIT 1000")
		}
		return w
	}
	order := "SELECT id, a, b, k, x, s FROM t ORDER BY x DESC, id LIMIT 100"
	return []workload{
		sum,
		scan("filter", "SELECT COUNT(*), SUM(k) FROM t WHERE b < 50 AND x >= 10", floats(2)),
		groups("GROUP BY, 10 groups", "a"),
		groups("GROUP BY, 1,000 groups", "b"),
		groups(fmt.Sprintf("GROUP BY, %s groups", thousands(min(rows, 1_000_000))), "k"),
		scan("ORDER BY, LIMIT 100", order, rowVars),
		full,
	}
}
