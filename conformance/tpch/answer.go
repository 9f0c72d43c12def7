package main

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

//go:embed queries
var queries embed.FS

func queryText(n int) string {
	text, err := queries.ReadFile(fmt.Sprintf("queries/q%02d.sql", n))
	if err != nil {
		panic(err) // they are embedded
	}
	return string(text)
}

// table is a query's rows; NULL is "".
type table struct {
	columns []string
	rows    [][]string
}

// String writes t as readAnswer reads it.
func (t *table) String() string {
	var s strings.Builder
	for _, row := range append([][]string{t.columns}, t.rows...) {
		s.WriteString(strings.Join(row, "|") + "\n")
	}
	return s.String()
}

// answer runs a query.
func answer(ctx context.Context, db *sql.DB, n int) (*table, error) {
	rows, err := db.QueryContext(ctx, queryText(n))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t := &table{}
	if t.columns, err = rows.Columns(); err != nil {
		return nil, err
	}
	values := make([]sql.NullString, len(t.columns))
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
		t.rows = append(t.rows, row)
	}
	return t, rows.Err()
}

// readAnswer reads a file of rows with | between values, names in the first.
func readAnswer(name string) (*table, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	t := &table{columns: strings.Split(lines[0], "|")}
	for _, line := range lines[1:] {
		row := strings.Split(line, "|")
		if len(row) != len(t.columns) {
			return nil, fmt.Errorf("%s has %d values in a row of %d", name, len(row), len(t.columns))
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// averages are the columns of quotients, which agree to 1 %: clause 2.1.3.5.
var averages = regexp.MustCompile(`^(avg_.*|mkt_share|promo_revenue)$`)

// compare reports the first difference. Integers and texts have to be the same,
// money to the cent.
func compare(got, want *table) error {
	if len(got.columns) != len(want.columns) {
		return fmt.Errorf("%d columns, not %d", len(got.columns), len(want.columns))
	}
	if len(got.rows) != len(want.rows) {
		return fmt.Errorf("%d rows, not %d", len(got.rows), len(want.rows))
	}
	for i, row := range got.rows {
		for k, v := range row {
			if !same(v, want.rows[i][k], averages.MatchString(want.columns[k])) {
				return fmt.Errorf("row %d, %s: %q, not %q", i+1, want.columns[k], v, want.rows[i][k])
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
