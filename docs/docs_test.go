// Package docs has no code: its test runs the SQL of the pages here, so that
// what they say stays true.
package docs

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
)

var update = flag.Bool("update", false, "write what the examples print into the pages")

// TestExamples runs the ```sql blocks of each page in turn on one new database.
// A ```text block that follows a block shows what its statements print; where
// there is none they print what they like, but must not fail.
func TestExamples(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	for _, page := range pages {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			runPage(t, page)
		})
	}
}

func runPage(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	var out bytes.Buffer
	rest := string(text)
	for {
		before, after, found := strings.Cut(rest, "\n```sql\n")
		out.WriteString(before)
		if !found {
			break
		}
		block, after, closed := strings.Cut(after, "\n```\n")
		if !closed {
			t.Fatalf("%s: a block is not closed:\n%s", page, block)
		}
		out.WriteString("\n```sql\n" + block + "\n```\n")
		rest = after
		printed, failed := printStatements(t.Context(), db, conn, block, after)
		shown, isShown := strings.CutPrefix(after, "```text\n")
		if !isShown {
			if failed != nil {
				t.Errorf("%s: %v\n%s", page, failed, block)
			}
			continue
		}
		_, rest, closed = strings.Cut(shown, "```\n")
		if !closed {
			t.Fatalf("%s: a block is not closed:\n%s", page, shown)
		}
		out.WriteString("```text\n" + printed + "```\n")
	}
	if *update {
		if err := os.WriteFile(page, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(out.String(), "\n")); d != "" {
		t.Errorf("%s: %s", page, d)
	}
}

// printStatements runs statements, which end with a semicolon at the end of a
// line, and returns the tables and errors that they give, and the last error. Of a
// SUBSCRIBE, the first statement of a block, it prints what the others make it
// deliver: as many rows as are shown.
func printStatements(ctx context.Context, db *sql.DB, conn *sql.Conn, block, shown string) (string, error) {
	var parts []string
	var failed error
	if first, rest, found := strings.Cut(block+"\n", ";\n"); found && strings.HasPrefix(first, "SUBSCRIBE") {
		live, err := printLive(ctx, db, first, shown, func() error {
			_, err := printStatements(ctx, db, conn, rest, "")
			return err
		})
		if err == nil {
			return live, nil
		}
		parts, failed, block = append(parts, errorText(err)), err, rest
	}
	for _, statement := range strings.SplitAfter(block+"\n", ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		printed, err := printStatement(ctx, conn, statement)
		if err != nil {
			failed = err
			printed = errorText(err)
		}
		if printed != "" {
			parts = append(parts, printed)
		}
	}
	return strings.Join(parts, "\n"), failed
}

func errorText(err error) string {
	var e *kalam.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("ERROR %d (%s): %s\n", e.Kind.Number, e.Kind.State, e.Message)
	}
	return err.Error() + "\n"
}

// printLive returns what a live query delivers while others write.
func printLive(ctx context.Context, db *sql.DB, statement, shown string, others func() error) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	if err := others(); err != nil {
		return "", err
	}
	wanted := 1 << 20
	if *update {
		time.AfterFunc(500*time.Millisecond, cancel)
	} else if shown, ok := strings.CutPrefix(shown, "```text\n"); ok {
		shown, _, _ = strings.Cut(shown, "```")
		wanted = strings.Count(shown, "\n") - 2
	}
	table := [][]string{columns}
	for len(table) <= wanted && rows.Next() {
		row, err := scanRow(rows, len(columns))
		if err != nil {
			return "", err
		}
		table = append(table, row)
	}
	return layOut(table), nil
}

// scanRow returns a row's values as text.
func scanRow(rows *sql.Rows, n int) ([]string, error) {
	values := make([]sql.NullString, n)
	into := make([]any, n)
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	row := make([]string, n)
	for i, v := range values {
		row[i] = "NULL"
		if v.Valid {
			row[i] = v.String
		}
	}
	return row, nil
}

// printStatement returns a statement's rows as a table, "" when it has none.
func printStatement(ctx context.Context, conn *sql.Conn, statement string) (string, error) {
	rows, err := conn.QueryContext(ctx, statement)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || len(columns) == 0 {
		return "", err
	}
	table := [][]string{columns}
	for rows.Next() {
		row, err := scanRow(rows, len(columns))
		if err != nil {
			return "", err
		}
		table = append(table, row)
	}
	return layOut(table), rows.Err()
}

// layOut prints rows in aligned columns, a line under the first row.
func layOut(table [][]string) string {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(row []string) {
		var l strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&l, "%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	line(table[0])
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
	}
	line(rule)
	for _, row := range table[1:] {
		line(row)
	}
	return b.String()
}
