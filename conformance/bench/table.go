package main

import (
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/marcboeker/go-duckdb"
)

// The table that reads are of, and what bulk loads fill: rows of some 100 bytes.
const columns = "a INT NOT NULL, b INT NOT NULL, k INT NOT NULL, x DOUBLE NOT NULL, s VARCHAR(100) NOT NULL"

var errMissing = errors.New("a row is missing")

// row returns the row with an id: a has 10 values, b 1,000, k a million, each
// in as many rows as any other, and none in the order of ids.
func row(id int) []any {
	text := append(make([]byte, 0, 90), "row "...)
	text = strconv.AppendInt(text, int64(100_000_000+id), 10)
	text = append(text, " of a table, with text that makes it as wide as tables are: "...)
	text = strconv.AppendInt(text, int64(10_000+id*31%9973), 10)
	return []any{id, id * 7 % 10, id * 389 % 1000, id * 611_953 % 1_000_000, float64(id*13%1000) / 8, string(text)}
}

// rowReply is what a driver answers that has a row.
func rowReply(rows int) *reply {
	r := &reply{rows: rows}
	for _, v := range row(1) {
		if n, ok := v.(int); ok {
			v = int64(n)
		}
		r.row = append(r.row, v)
	}
	return r
}

// createTable makes an empty table of such rows.
func (p *peer) createTable(name, options string) error {
	key := "BIGINT PRIMARY KEY"
	if p.dialect == sqlite {
		key = "INTEGER PRIMARY KEY" // its rowid, the fastest that it has
	}
	return p.exec("DROP TABLE IF EXISTS "+name, "CREATE TABLE "+name+" (id "+key+", "+columns+")"+options)
}

func (p *peer) packs() bool { return p.name == kalamName }

// state is how the table t is.
type state uint8

const (
	empty state = iota
	fresh
	packed
	updated // after it was packed
)

func (s state) String() string { return [...]string{"empty", "fresh", "packed", "5 % updated"}[s] }

// reach brings the table to a later state. Databases that do not pack have the
// same table when it is packed as before.
func (p *peer) reach(want state, rows int) error {
	for ; p.state < want; p.state++ {
		if err := errors.Join(p.step(p.state+1, rows), p.settle()); err != nil {
			return err
		}
	}
	if p.state > want {
		return fmt.Errorf("the table is %s already", p.state)
	}
	return nil
}

func (p *peer) step(to state, rows int) error {
	switch {
	case p.noop != nil:
		return nil
	case p.raw != nil:
		if to == fresh {
			return p.raw.fill(rows, row)
		}
		return nil
	}
	switch to {
	case fresh:
		options := ""
		if p.packs() {
			options = " WITH (PACK='off')" // until it is told to
		}
		if err := p.createTable("t", options); err != nil {
			return err
		}
		if err := p.fill("t", rows, row); err != nil {
			return err
		}
		return p.exec("CREATE INDEX t_k ON t (k)")
	case packed:
		if p.packs() {
			return p.exec("PACK TABLE t")
		}
	case updated:
		return p.exec("UPDATE t SET x = x + 1, s = 'updated' WHERE id % 20 = 7")
	}
	return nil
}

// query reads all rows of a query into variables, as a program does.
func (p *peer) query(want int, into []any, text string, args ...any) error {
	rows, err := p.db.Query(text, args...)
	return readRows(rows, err, want, into)
}

// readRows reads rows that have to be as many as wanted, if that is not -1.
func readRows(rows *sql.Rows, err error, want int, into []any) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return err
		}
	}
	if want >= 0 && n != want && rows.Err() == nil {
		return fmt.Errorf("%d rows, not %d", n, want)
	}
	return rows.Err()
}

// rowVars are variables for the columns of t.
func rowVars() []any {
	var id, a, b, k int64
	var x float64
	var s string
	return []any{&id, &a, &b, &k, &x, &s}
}

// shortVars are variables for two of its numbers and the text.
func shortVars() []any {
	var m, n int64
	var s string
	return []any{&m, &n, &s}
}

func floatVars(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = new(float64)
	}
	return list
}

// answer returns a result as text in which values look alike whatever types a
// driver has for them.
func (p *peer) answer(query string, args ...any) (string, error) {
	table, err := p.table(query, args...)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, row := range table {
		b.WriteString(strings.Join(row, "|") + "\n")
	}
	return b.String(), nil
}

func (p *peer) table(query string, args ...any) (table [][]string, err error) {
	rows, err := p.db.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = plain(v)
		}
		table = append(table, row)
	}
	return table, rows.Err()
}

// plain writes a value: numbers without zeros at the end, times of day 0 as
// dates, NULL as nothing.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case time.Time:
		return strings.TrimSuffix(v.Format(time.DateTime), " 00:00:00")
	case float32:
		return strconv.FormatFloat(float64(v), 'f', -1, 32)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []byte:
		return plainText(string(v))
	case string:
		return plainText(v)
	case *big.Int:
		return v.String()
	case duckdb.Decimal:
		return plainText(v.String())
	}
	return fmt.Sprint(v)
}

// plainText drops the zeros of decimals, which come as text.
func plainText(s string) string {
	whole, fraction, found := strings.Cut(s, ".")
	if !found || strings.Trim(fraction, "0123456789") != "" || strings.Trim(whole, "-0123456789") != "" {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
