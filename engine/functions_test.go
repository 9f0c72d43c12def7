package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

const functionsPage = "../docs/functions.md"

// TestFunctionsPage compares docs/functions.md with the list of functions and with what
// its examples give; -update writes it.
func TestFunctionsPage(t *testing.T) {
	t.Parallel()
	got := pageOfFunctions(t)
	if *update {
		if err := os.WriteFile(functionsPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(functionsPage)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s: %s", functionsPage, d)
	}
}

func pageOfFunctions(t *testing.T) string {
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	var b strings.Builder
	b.WriteString(`# Functions and operators

Every function and operator of MySQL 8.0 is here: what it gives, with examples and their values, or that it is refused with
error 1235. Those marked with a star are Kalam's own. The page is written by a test (` + "`go test ./engine -run TestFunctionsPage -update`" + `)
from engine/expr/functions.txt.
`)
	for _, group := range expr.Groups() {
		fmt.Fprintf(&b, "\n## %s\n\n", group)
		var refused, here []string
		for _, f := range expr.Functions() {
			switch {
			case f.Group != group:
			case f.Refused:
				refused = append(refused, "`"+f.Syntax+"`")
			default:
				star := ""
				if f.Own {
					star = "\\* "
				}
				here = append(here, fmt.Sprintf("- %s`%s`: %s%s\n", star, f.Syntax, f.Doc, examplesText(t, s, f)))
			}
		}
		b.WriteString(strings.Join(here, ""))
		if len(refused) > 0 {
			if len(here) > 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "Refused: %s\n", strings.Join(refused, ", "))
		}
	}
	return b.String()
}

func examplesText(t *testing.T, s *Session, f expr.Function) string {
	if f.Examples == "" {
		return ""
	}
	rows, err := s.Query(context.Background(), "SELECT "+f.Examples, nil)
	if err != nil {
		t.Errorf("%s: %v", f.Examples, err)
		return ""
	}
	defer rows.Close()
	batch, err := rows.Next(context.Background())
	if err != nil || batch.Len != 1 {
		t.Errorf("%s: %d rows, %v", f.Examples, batch.Len, err)
		return ""
	}
	var texts []string
	for i, c := range batch.Columns {
		texts = append(texts, fmt.Sprintf("`%s` → `%s`", rows.Columns()[i].Name, valueText(c, 0)))
	}
	return " " + strings.Join(texts, ", ") + "."
}

// TestFunctionsAreHereOrRefused calls every function with too many arguments, and
// those that are refused with as many as they have in MySQL.
func TestFunctionsAreHereOrRefused(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	call := func(name string, count int) error {
		args := strings.TrimSuffix(strings.Repeat("'1', ", count), ", ")
		rows, err := s.Query(context.Background(), "SELECT "+name+"("+args+")", nil)
		if err == nil {
			_, err = rows.Next(context.Background())
			rows.Close()
		}
		return err
	}
	for _, f := range expr.Functions() {
		low, high, counted := f.Arguments()
		if f.Name == "" || !counted {
			continue
		}
		switch {
		case f.Refused:
			err := call(f.Name, low)
			if !errors.Is(err, sqlerr.NotSupported) || !strings.Contains(err.Error(), strings.ToUpper(f.Name)) {
				t.Errorf("%s: %v; want that it is not supported", f.Syntax, err)
			}
		case high >= 0:
			if err := call(f.Name, high+1); !errors.Is(err, sqlerr.WrongParamCount) && !errors.Is(err, sqlerr.Syntax) {
				t.Errorf("%s with %d arguments: %v; want their count to be wrong", f.Syntax, high+1, err)
			}
		}
		if f.Examples == "" && !f.Refused && f.Name != "default" && f.Name != "values" && f.Name != "grouping" {
			t.Errorf("%s has no example", f.Syntax)
		}
	}
	if err := call("nosuch", 1); !errors.Is(err, sqlerr.UnknownFunction) {
		t.Errorf("a function that does not exist: %v", err)
	}
}
