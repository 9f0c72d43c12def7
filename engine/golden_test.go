package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

var update = flag.Bool("update", false, "write what the statements give into testdata")

// databases are the ways to open the database that tests run on.
var databases = map[string]func(t testing.TB) *Engine{
	"mem": func(t testing.TB) *Engine { return openMem(t, Config{LockWait: time.Second}) },
	packed: func(t testing.TB) *Engine {
		return openStore(t, Config{LockWait: time.Second}, store.Config{SegmentRows: 3})
	},
}

// packed is the database all tables of which are packed after each statement.
const packed = "packed"

// packTables packs all tables that nobody has locked.
func packTables(t testing.TB, e *Engine) {
	t.Helper()
	list, _, err := e.catalog.AllTables(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range list {
		messages, err := e.catalog.PackTable(t.Context(), service.Scope{LockWait: time.Nanosecond}, table)
		if err != nil && !errors.Is(err, sqlerr.LockWaitTimeout) {
			t.Error(err)
		}
		for _, m := range messages {
			if strings.EqualFold(m.Type, "error") {
				t.Errorf("pack %s: %s", m.Table, m.Text)
			}
		}
	}
}

// openMem opens a database kept by kv/mem.
func openMem(t testing.TB, cfg Config) *Engine {
	t.Helper()
	return openStore(t, cfg, store.Config{LogBytes: cfg.LogBytes})
}

func openStore(t testing.TB, cfg Config, of store.Config) *Engine {
	t.Helper()
	db, err := store.New(mem.Open(), of)
	if err != nil {
		t.Fatal(err)
	}
	cfg.InMemory = true
	e, err := open(context.Background(), cfg, db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEngine(t, e) })
	return e
}

func closeEngine(t testing.TB, e *Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func newSession(t testing.TB, e *Engine, cfg SessionConfig) *Session {
	t.Helper()
	s, err := e.NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGolden runs the statements of testdata/*.test. A file is a sequence of
//
//	[session NAME:] or [user NAME:], the main session under WithUser
//	statements, on one or more lines
//	----
//	what they give
//	(an empty line)
//
// Lines that begin with # before a statement are comments.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatal("no files in testdata", err)
	}
	for _, file := range files {
		for name, open := range databases {
			if *update && name != "mem" {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(file), ".test")+"/"+name, func(t *testing.T) {
				t.Parallel()
				runGolden(t, file, open(t), name == packed)
			})
		}
	}
}

func runGolden(t *testing.T, file string, e *Engine, pack bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sessions := map[string]*Session{}
	var out strings.Builder
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	for i := 0; i < len(lines); {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			out.WriteString(lines[i] + "\n")
			i++
			continue
		}
		start, name, ctx := i, "main", context.Background()
		if strings.HasPrefix(lines[i], "session ") && strings.HasSuffix(lines[i], ":") {
			name = lines[i]
			i++
		}
		if user, ok := strings.CutPrefix(lines[i], "user "); ok && strings.HasSuffix(user, ":") {
			ctx = WithUser(ctx, strings.TrimSuffix(user, ":"))
			i++
		}
		var sql []string
		for ; i < len(lines) && lines[i] != "----"; i++ {
			sql = append(sql, lines[i])
		}
		for i++; i < len(lines) && lines[i] != ""; i++ {
		}
		if sessions[name] == nil {
			sessions[name] = newSession(t, e, SessionConfig{})
		}
		for _, l := range lines[start:] {
			if l == "----" {
				break
			}
			out.WriteString(l + "\n")
		}
		out.WriteString("----\n" + outcomeText(ctx, sessions[name], strings.Join(sql, "\n")))
		out.WriteString("\n")
		i++ // the empty line
		if pack {
			packTables(t, e)
		}
	}
	got := strings.TrimRight(out.String(), "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s: %s", file, d)
	}
}

// outcomeText runs statements and prints what they give.
func outcomeText(ctx context.Context, s *Session, sql string) string {
	if !hasRows(sql) {
		r, err := s.Exec(ctx, sql, nil)
		switch {
		case err != nil:
			return err.Error() + "\n"
		case r.LastInsertID != 0:
			return fmt.Sprintf("ok, %d rows, id %d\n", r.RowsAffected, r.LastInsertID)
		}
		return fmt.Sprintf("ok, %d rows\n", r.RowsAffected)
	}
	rows, err := s.Query(ctx, sql, nil)
	if err != nil {
		return err.Error() + "\n"
	}
	defer rows.Close()
	if rows.Columns() == nil {
		return "ok, no result\n"
	}
	var out strings.Builder
	for {
		text, err := setText(rows)
		out.WriteString(text)
		if err != nil {
			out.WriteString(err.Error() + "\n")
			break
		}
		if more, err := rows.NextResultSet(ctx); !more {
			if err != nil {
				out.WriteString(err.Error() + "\n")
			}
			break
		}
		out.WriteString("--\n")
	}
	return out.String()
}

// setText prints the rows of the current result set; empty lines are shown as
// such by a dot.
func setText(rows *Rows) (string, error) {
	var out strings.Builder
	columns := rows.Columns()
	for i, c := range columns {
		if i > 0 {
			out.WriteString(" | ")
		}
		out.WriteString(c.Name)
	}
	out.WriteString("\n")
	for {
		b, err := rows.Next(context.Background())
		if err != nil || b.Len == 0 {
			return strings.ReplaceAll(out.String(), "\n\n", "\n.\n"), err
		}
		for r := range b.Len {
			for i, c := range b.Columns {
				if i > 0 {
					out.WriteString(" | ")
				}
				out.WriteString(valueText(c, r))
			}
			out.WriteString("\n")
		}
	}
}

// valueText prints value i of a column.
func valueText(c *types.Vector, i int) string {
	if c.IsNull(i) {
		return "NULL"
	}
	return string(types.AppendText(nil, c.Type, c.Value(i)))
}

// withWrites finds the UPDATE or DELETE that WITH stands before.
var withWrites = regexp.MustCompile(`(?i)\)\s*(update|delete)\s`)

// executeAs finds what stands before a statement that runs as another user.
var executeAs = regexp.MustCompile(`(?i)^execute as user \S+ \(`)

func hasRows(sql string) bool {
	if as := executeAs.FindStringIndex(sql); as != nil {
		sql = sql[as[1]:]
	}
	word := strings.ToLower(strings.Fields(strings.TrimLeft(sql, "("))[0])
	switch word {
	case "with":
		return !withWrites.MatchString(sql)
	case "check", "pack", "optimize", "checksum":
		return true
	case "select", "show", "consume", "execute", "describe", "desc", "explain", "values", "table", "analyze":
		return true
	case "insert", "replace", "update", "delete", "undelete":
		return strings.Contains(strings.ToLower(sql), " returning ")
	}
	return false
}

// query returns the rows of a query as text, "|" between values and ";" after
// each row.
func query(t testing.TB, s *Session, sql string, args ...Arg) string {
	t.Helper()
	rows, err := s.Query(t.Context(), sql, args)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	return rest(t, rows)
}

// rest reads what is left of the current result set.
func rest(t testing.TB, rows *Rows) string {
	t.Helper()
	var out strings.Builder
	for {
		b, err := rows.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if b.Len == 0 {
			return out.String()
		}
		for r := range b.Len {
			for i, c := range b.Columns {
				if i > 0 {
					out.WriteByte('|')
				}
				out.WriteString(valueText(c, r))
			}
			out.WriteByte(';')
		}
	}
}

func run(t testing.TB, s *Session, sql string, args ...Arg) Result {
	t.Helper()
	r, err := s.Exec(t.Context(), sql, args)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return r
}
