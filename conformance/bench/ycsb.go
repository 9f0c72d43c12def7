package main

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
)

// mix is one of YCSB's core workloads: what is done of a hundred operations.
// The rest are reads, in D of the newest records.
type mix struct {
	name                          string
	update, insert, scan, rewrite int
	latest                        bool
}

var mixes = []mix{
	{name: "A: 50 % update", update: 50},
	{name: "B: 5 % update", update: 5},
	{name: "C: read only"},
	{name: "D: read the latest, 5 % insert", insert: 5, latest: true},
	{name: "E: short ranges, 5 % insert", insert: 5, scan: 95},
	{name: "F: 50 % read, then write", rewrite: 50},
}

const (
	ycsbFields     = 10
	ycsbGoroutines = 8
	ycsbScan       = 100 // rows at most
)

// ycsb is YCSB's mixes over records of a thousand bytes, from eight goroutines,
// written durably. Some keys are asked for more often than others, by Zipf's law.
func ycsb(n sizes, _ int) (list []workload) {
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.01, 1, uint64(n.ycsb-1))
	picks := make([]int, 1<<16)
	for i := range picks {
		picks[i] = int(zipf.Uint64())
	}
	for at, m := range mixes {
		first := n.ycsb + at*10_000_000 // of the keys that it inserts
		do := func(p *peer, from, count int) error {
			c, err := prepareYCSB(p.db)
			if err != nil {
				return err
			}
			defer c.close()
			return together(ycsbGoroutines, from, count, func(i int) error {
				pick := picks[i%len(picks)]
				key := scatter(pick) % n.ycsb
				kind := i * 37 % 100
				switch {
				case kind < m.update:
					return c.write(c.update, field(i), ycsbKey(key))
				case kind < m.update+m.insert:
					return c.write(c.insert, ycsbRecord(first+i)...)
				case kind < m.update+m.insert+m.scan:
					rows, err := c.scan.Query(ycsbKey(key), 1+i%ycsbScan)
					return readRows(rows, err, -1, stringVars())
				case kind < m.update+m.insert+m.scan+m.rewrite:
					if err := c.get(ycsbKey(key)); err != nil {
						return err
					}
					return c.write(c.update, field(i), ycsbKey(key))
				case m.latest:
					// Not all that is new is there yet, and not every number is a key.
					if err := c.get(ycsbKey(first + i - pick)); !errors.Is(err, sql.ErrNoRows) {
						return err
					}
					return nil
				}
				return c.get(ycsbKey(key))
			})
		}
		list = append(list, workload{
			name: "YCSB " + m.name, goroutines: ycsbGoroutines, long: 3, run: do,
			setup: func(p *peer) error { return p.createYCSB(n.ycsb) },
			check: func(p *peer) (string, error) {
				return p.answer("SELECT COUNT(*), MIN(ycsb_key), MIN(field1), MAX(field2) FROM usertable WHERE ycsb_key < ?", ycsbKey(n.ycsb))
			},
		})
	}
	return list
}

// scatter spreads the keys that are asked for often.
func scatter(i int) int { return int(uint32(i) * 2_654_435_761 >> 1) }

func ycsbKey(i int) string { return fmt.Sprintf("user%010d", i) }

func field(i int) string { return strings.Repeat(fmt.Sprintf("%010d", i), 10) }

func ycsbRecord(i int) []any {
	record := make([]any, 1+ycsbFields)
	record[0] = ycsbKey(i)
	for f := range ycsbFields {
		record[1+f] = field(i + f)
	}
	return record
}

func stringVars() []any {
	vars := make([]any, 1+ycsbFields)
	for i := range vars {
		vars[i] = new(string)
	}
	return vars
}

func (p *peer) createYCSB(records int) error {
	var fields strings.Builder
	for f := range ycsbFields {
		fmt.Fprintf(&fields, ", field%d VARCHAR(100)", f)
	}
	options := ""
	if p.dialect == sqlite {
		options = " WITHOUT ROWID"
	}
	if err := p.exec("DROP TABLE IF EXISTS usertable", "CREATE TABLE usertable (ycsb_key VARCHAR(30) PRIMARY KEY"+fields.String()+")"+options); err != nil {
		return err
	}
	return p.fill("usertable", records, ycsbRecord)
}

// client has the statements that YCSB needs.
type client struct{ read, update, insert, scan *sql.Stmt }

func prepareYCSB(db *sql.DB) (c *client, err error) {
	c = &client{}
	for _, s := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&c.read, "SELECT * FROM usertable WHERE ycsb_key = ?"},
		{&c.update, "UPDATE usertable SET field0 = ? WHERE ycsb_key = ?"},
		{&c.insert, insertText("usertable", 1+ycsbFields, 1)},
		{&c.scan, "SELECT * FROM usertable WHERE ycsb_key >= ? ORDER BY ycsb_key LIMIT ?"},
	} {
		if *s.stmt, err = db.Prepare(s.text); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

func (c *client) close() (err error) {
	for _, stmt := range []*sql.Stmt{c.read, c.update, c.insert, c.scan} {
		if stmt != nil {
			err = errors.Join(err, stmt.Close())
		}
	}
	return err
}

func (c *client) get(key string) error { return c.read.QueryRow(key).Scan(stringVars()...) }

func (c *client) write(stmt *sql.Stmt, args ...any) error {
	_, err := stmt.Exec(args...)
	return err
}
