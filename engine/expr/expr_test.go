package expr

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func mustParse(t testing.TB, text string) sqlparser.Expr {
	t.Helper()
	e, err := parseExpr(text)
	if err != nil {
		t.Fatalf("parse %q: %v", text, err)
	}
	return e
}

func parseExpr(text string) (sqlparser.Expr, error) {
	stmt, err := vitess().Parser().Parse("select " + text)
	if err != nil {
		return nil, err
	}
	sel, ok := stmt.(*sqlparser.Select)
	if !ok || len(sel.SelectExprs.Exprs) != 1 {
		return nil, fmt.Errorf("not one expression")
	}
	a, ok := sel.SelectExprs.Exprs[0].(*sqlparser.AliasedExpr)
	if !ok {
		return nil, fmt.Errorf("not an expression")
	}
	return a.Expr, nil
}

func testEnv() *Env {
	return &Env{
		Context: context.Background(), Database: "default", User: "alice", ConnID: 7,
		Now: time.Date(2026, 2, 3, 4, 5, 6, 789000000, time.UTC), Zone: time.UTC,
		LastInsertID: 42, RowCount: 3, FoundRows: 5,
	}
}

// typeText prints a type with its parameters.
func typeText(t types.Type) string {
	s := strings.ToLower(typeName(t))
	switch {
	case t.Kind == types.Decimal:
		s += fmt.Sprintf("(%d,%d)", t.Size, t.Scale)
	case t.IsTemporal() && t.Scale > 0:
		s += fmt.Sprintf("(%d)", t.Scale)
	case t.Size >= 0:
		s += fmt.Sprintf("(%d)", t.Size)
	}
	if t.Unsigned {
		s += " unsigned"
	}
	if t.IsText() && t.Collation != types.DefaultCollation {
		s += " " + vitess().CollationEnv().LookupName(t.Collation)
	}
	return s
}

func valueText(v types.Value, t types.Type) string {
	if v.IsNull() {
		return "NULL"
	}
	if t.IsBinary() {
		return fmt.Sprintf("x'%X'", v.Bytes())
	}
	return string(types.AppendText(nil, t, v))
}

// evalText binds and evaluates an expression, with and without folding, and
// prints its type and value or error.
func evalText(text string) string {
	e, err := parseExpr(text)
	if err != nil {
		return "syntax: " + err.Error()
	}
	b := &Binder{}
	bound, err := b.bind(e)
	if err != nil {
		return "bind: " + errText(err)
	}
	folded := Fold(bound)
	v1, err1 := EvalConst(testEnv(), bound)
	v2, err2 := EvalConst(testEnv(), folded)
	if err1 != nil || err2 != nil {
		if errText(err1) != errText(err2) {
			return fmt.Sprintf("folding changes the error: %v, %v", err1, err2)
		}
		return "eval: " + errText(err1)
	}
	t := bound.Type()
	s := valueText(v1, t)
	if Deterministic(bound) {
		if f := valueText(v2, folded.Type()); f != s || folded.Type() != t {
			return fmt.Sprintf("folding changes the value: %s, %s", s, f)
		}
	}
	return typeText(t) + " " + s
}

func errText(err error) string {
	if err == nil {
		return "none"
	}
	if e := sqlerr.As(err); e != nil {
		return e.Error()
	}
	return "not an sqlerr: " + err.Error()
}

// TestGolden evaluates the expressions of testdata/*.golden, one a line, each
// followed by a line with its type and value.
func TestGolden(t *testing.T) {
	for _, file := range []string{"arithmetic", "compare", "functions", "time", "json", "errors", "types"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			path := "testdata/" + file + ".golden"
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			var text string
			changed := false
			for s := bufio.NewScanner(strings.NewReader(string(data))); s.Scan(); {
				line := s.Text()
				switch {
				case strings.HasPrefix(line, "  "):
					continue
				case line == "" || strings.HasPrefix(line, "#"):
					out.WriteString(line + "\n")
				default:
					text = line
					out.WriteString(text + "\n  " + evalText(text) + "\n")
				}
			}
			changed = out.String() != string(data)
			if *update && changed {
				if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if changed {
				want := strings.Split(string(data), "\n")
				for i, line := range strings.Split(out.String(), "\n") {
					if i >= len(want) || want[i] != line {
						prev := ""
						if i > 0 {
							prev = want[i-1]
						}
						t.Errorf("line %d %s\n got %s\nwant %s", i+1, prev, line, append(want, "")[min(i, len(want))])
						break
					}
				}
			}
		})
	}
}
