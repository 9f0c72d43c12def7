// Package suite is what TPC-H asks: its tables, its queries, and when answers
// are the same.
package suite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Queries is how many there are, with numbers from 1 on.
const Queries = 22

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

//go:embed queries
var queries embed.FS

// Query returns the text of a query, whose parameters are those of the
// specification's validation.
func Query(n int) string {
	text, err := queries.ReadFile(fmt.Sprintf("queries/q%02d.sql", n))
	if err != nil {
		panic(err) // they are embedded
	}
	return string(text)
}

// Table is a query's rows; NULL is "".
type Table struct {
	Columns []string
	Rows    [][]string
}

// String writes t as Read reads it.
func (t *Table) String() string {
	var s strings.Builder
	for _, row := range append([][]string{t.Columns}, t.Rows...) {
		s.WriteString(strings.Join(row, "|") + "\n")
	}
	return s.String()
}

// Answer runs a query.
func Answer(ctx context.Context, db *sql.DB, n int) (*Table, error) {
	rows, err := db.QueryContext(ctx, Query(n))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t := &Table{}
	if t.Columns, err = rows.Columns(); err != nil {
		return nil, err
	}
	values := make([]sql.NullString, len(t.Columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			// A DATE comes as a time.
			row[i] = strings.TrimSuffix(v.String, "T00:00:00Z")
		}
		t.Rows = append(t.Rows, row)
	}
	return t, rows.Err()
}

// Read reads a file of rows with | between values, names in the first.
func Read(name string) (*Table, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	t := &Table{Columns: strings.Split(lines[0], "|")}
	for _, line := range lines[1:] {
		row := strings.Split(line, "|")
		if len(row) != len(t.Columns) {
			return nil, fmt.Errorf("%s has %d values in a row of %d", name, len(row), len(t.Columns))
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// averages are the columns of quotients, which agree to 1 %: clause 2.1.3.5.
var averages = regexp.MustCompile(`^(avg_.*|mkt_share|promo_revenue)$`)

// Compare reports the first difference. Integers and texts have to be the same,
// money to the cent.
func Compare(got, want *Table) error {
	if len(got.Columns) != len(want.Columns) {
		return fmt.Errorf("%d columns, not %d", len(got.Columns), len(want.Columns))
	}
	if len(got.Rows) != len(want.Rows) {
		return fmt.Errorf("%d rows, not %d", len(got.Rows), len(want.Rows))
	}
	for i, row := range got.Rows {
		for k, v := range row {
			if !same(v, want.Rows[i][k], averages.MatchString(want.Columns[k])) {
				return fmt.Errorf("row %d, %s: %q, not %q", i+1, want.Columns[k], v, want.Rows[i][k])
			}
		}
	}
	return nil
}

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

func same(got, want string, average bool) bool {
	if got == want {
		return true
	}
	if !number.MatchString(got) || !number.MatchString(want) || !strings.Contains(got+want, ".") {
		return false
	}
	a, err := strconv.ParseFloat(got, 64)
	b, err2 := strconv.ParseFloat(want, 64)
	if err != nil || err2 != nil {
		return false
	}
	if average {
		return math.Abs(a-b) <= 0.01*math.Abs(b)
	}
	return math.Abs(a-b) < 0.01
}
