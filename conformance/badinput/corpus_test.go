package badinput

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

var update = flag.Bool("update", false, "rewrite the outcomes in testdata")

// statement is one of a corpus file.
type statement struct {
	text    string // as it stands in the file, arguments included
	sql     string
	args    []any
	outcome string // "ok", or an error's text
}

// query reports whether the statement gives rows.
func (s statement) query() bool {
	switch word, _, _ := strings.Cut(strings.TrimLeft(s.sql, "( \n"), " "); strings.ToUpper(word) {
	case "SELECT", "SHOW", "DESCRIBE", "EXPLAIN", "WITH", "VALUES", "TABLE":
		return true
	}
	return false
}

// parseCorpus reads the statements of a file. Lines that begin with # are
// comments; they come first in a block.
func parseCorpus(t testing.TB, data string) (list []statement) {
	t.Helper()
	for block := range strings.SplitSeq(data, "\n\n") {
		text, outcome, ok := strings.Cut(strings.Trim(block, "\n"), "\n----\n")
		if !ok {
			text = strings.TrimSuffix(text, "\n----")
		}
		s := statement{text: text, outcome: outcome}
		for {
			line, rest, _ := strings.Cut(text, "\n")
			if args, ok := strings.CutPrefix(line, "-- args: "); ok {
				s.args = parseArgs(t, args)
			} else if !strings.HasPrefix(line, "#") {
				break
			}
			text = rest
		}
		if s.sql = text; strings.HasPrefix(text, `"`) {
			var err error
			if s.sql, err = strconv.Unquote(text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if s.text != "" {
			list = append(list, s)
		}
	}
	return list
}

func parseArgs(t testing.TB, text string) (args []any) {
	t.Helper()
	for word := range strings.SplitSeq(text, ", ") {
		if word == "nil" {
			args = append(args, nil)
		} else if n, err := strconv.ParseInt(word, 0, 64); err == nil {
			args = append(args, n)
		} else if f, err := strconv.ParseFloat(word, 64); err == nil {
			args = append(args, f)
		} else if s, err := strconv.Unquote(word); err == nil {
			args = append(args, s)
		} else {
			t.Fatalf("argument %s: %v", word, err)
		}
	}
	return args
}

// queryer is a sql.DB or sql.Conn.
type queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// run runs the statement and reads all its rows.
func (s statement) run(ctx context.Context, db queryer) error {
	if !s.query() {
		_, err := db.ExecContext(ctx, s.sql, s.args...)
		return err
	}
	rows, err := db.QueryContext(ctx, s.sql, s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

func open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("kalam", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing %s: %v", dsn, err)
		}
	})
	return db
}

// contents returns the rows of all tables of the selected database as text.
func contents(t testing.TB, db *sql.DB) string {
	t.Helper()
	var out strings.Builder
	for _, row := range rows(t, db, "SHOW TABLES") {
		fmt.Fprintf(&out, "%s:\n%s\n", row, strings.Join(rows(t, db, "SELECT * FROM `"+row+"`"), "\n"))
	}
	return out.String()
}

// rows returns a query's rows, values joined by |.
func rows(t testing.TB, db *sql.DB, query string) (list []string) {
	t.Helper()
	rs, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rs.Close()
	columns, err := rs.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rs.Next() {
		if err := rs.Scan(into...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		texts := make([]string, len(values))
		for i, v := range values {
			if texts[i] = v.String; !v.Valid {
				texts[i] = "NULL"
			}
		}
		list = append(list, strings.Join(texts, "|"))
	}
	if err := rs.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return list
}

// checkTyped fails the test unless err is Kalam's and no defect of it.
func checkTyped(t testing.TB, what string, err error) {
	t.Helper()
	if e := sqlerr.As(err); e == nil {
		t.Errorf("%s: %T is no *kalam.Error: %v", what, err, err)
	} else if e.Kind == sqlerr.Internal {
		t.Errorf("%s: %v", what, err)
	}
}

// TestCorpus runs the statements of each file in a database of its own. One that
// fails changes nothing; and when the database is opened again, all is there.
func TestCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			list := parseCorpus(t, string(data))
			path := filepath.Join(t.TempDir(), "db")
			got := runCorpus(t, path, list)
			if *update {
				if err := os.WriteFile(name, got, 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(data), "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// runCorpus returns the file with the outcomes that the statements had.
func runCorpus(t *testing.T, path string, list []statement) []byte {
	db, err := sql.Open("kalam", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var file bytes.Buffer
	before := contents(t, db)
	for i, s := range list {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		err := s.run(ctx, db)
		cancel()
		after := contents(t, db)
		outcome := "ok"
		if err != nil {
			outcome = err.Error()
			checkTyped(t, s.text, err)
			checkPrepare(t, db, s, err)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("%s: failed, but changed the tables:\n%s", s.text, diff)
			}
		}
		before = after
		if i > 0 {
			file.WriteByte('\n')
		}
		fmt.Fprintf(&file, "%s\n----\n%s\n", s.text, outcome)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, contents(t, open(t, path))); diff != "" {
		t.Errorf("opened again, the tables differ:\n%s", diff)
	}
	return file.Bytes()
}

// checkPrepare shows that what can never run fails when it is prepared.
func checkPrepare(t *testing.T, db *sql.DB, s statement, err error) {
	t.Helper()
	if !errors.Is(err, kalam.ErrSyntax) && !errors.Is(err, kalam.ErrNotSupported) && !errors.Is(err, kalam.ErrUnknownColumn) {
		return
	}
	stmt, prepareErr := db.Prepare(s.sql)
	if prepareErr == nil {
		stmt.Close()
		t.Errorf("%s: can be prepared, but fails with %v", s.text, err)
	} else if prepareErr.Error() != err.Error() {
		t.Errorf("%s: prepared: %v\nrun: %v", s.text, prepareErr, err)
	}
}

// corpus returns the statements of all files.
func corpus(t testing.TB) (list []statement) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, parseCorpus(t, string(data))...)
	}
	return list
}

// TestCut prepares what is left of each statement when its end is missing.
func TestCut(t *testing.T) {
	t.Parallel()
	db := open(t, ":memory:")
	for _, s := range corpus(t) {
		step := 1 + len(s.sql)/100
		for n := 0; n < len(s.sql); n += step {
			prepare(t, db, s.sql[:n])
		}
	}
}

// prepare fails the test unless the text can be prepared, or is refused with an
// error that is no defect.
func prepare(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: panic: %v", text, p)
		}
	}()
	stmt, err := db.Prepare(text)
	if err != nil {
		checkTyped(t, text, err)
		return
	}
	if err := stmt.Close(); err != nil {
		t.Errorf("%s: %v", text, err)
	}
}

// FuzzStatement runs any text: it succeeds, or fails with an error of Kalam's
// that is no defect, and the connection stays usable.
func FuzzStatement(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s.sql)
	}
	db := open(f, ":memory:")
	f.Fuzz(func(t *testing.T, text string) {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), `CREATE DATABASE IF NOT EXISTS fuzz; USE fuzz; SET foreign_key_checks = 0; DROP TABLE IF EXISTS t;
			CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20)); SET foreign_key_checks = 1; INSERT INTO t VALUES (1, 'x'), (2, NULL)`)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // of the statement alone, for it may be endless
		defer cancel()
		s := statement{sql: text}
		if err := s.run(ctx, conn); err != nil && ctx.Err() == nil {
			checkTyped(t, text, err)
		}
		var n int
		err = conn.QueryRowContext(context.Background(), "SELECT 1 + 1").Scan(&n)
		if errors.Is(err, kalam.ErrClosed) && strings.Contains(strings.ToUpper(text), "KILL") {
			return // it ended its own connection
		}
		if err != nil || n != 2 {
			t.Errorf("after %s: %d, %v", text, n, err)
		}
	})
}
