package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// FuzzBuild plans any SQL that parses: it must not panic, and only return
// errors of this package's kinds.
func FuzzBuild(f *testing.F) {
	tables, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		f.Fatal(err)
	}
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "\n\n") {
			sql, _, _ := strings.Cut(block, "\n----")
			f.Add(sql)
		}
	}
	f.Add("WITH a AS (SELECT 0) (SELECT 0)")
	c := newCatalog(f, string(tables))
	f.Fuzz(func(t *testing.T, sql string) {
		list, err := parse.Parse(sql) // for what Vitess's parser panics at
		if err != nil || len(list) != 1 {
			return
		}
		p, err := Build(context.Background(), list[0].AST, Options{Catalog: c, Namespace: "app", SQL: sql,
			Params: []types.Type{types.Int64Type, types.Int64Type}})
		if err != nil {
			if sqlerr.As(err) == nil || errors.Is(err, sqlerr.Internal) {
				t.Errorf("%s: %v", sql, err)
			}
			return
		}
		checkTypes(t, sql, p.Root)
		Explain(p)
	})
}

// checkTypes verifies that the operators' shapes fit.
func checkTypes(t *testing.T, sql string, n Node) {
	t.Helper()
	n.Types()
	for _, in := range n.Inputs() {
		checkTypes(t, sql, in)
	}
	if u, ok := n.(*Union); ok {
		for _, part := range u.All[1:] {
			if fmt.Sprint(part.Types()) != fmt.Sprint(u.All[0].Types()) {
				t.Errorf("%s: parts of a union have types %v and %v", sql, u.All[0].Types(), part.Types())
			}
		}
	}
}

// wideJoin is a chain of n tables joined by equalities in WHERE.
func wideJoin(n int) string {
	var names, conds []string
	for i := range n {
		names = append(names, fmt.Sprintf("users u%d", i))
		if i > 0 {
			conds = append(conds, fmt.Sprintf("u%d.age = u%d.id", i, (i*7)%i))
		}
	}
	return "select * from " + strings.Join(names, ", ") + " where u0.id = 5 and " + strings.Join(conds, " and ")
}

func TestWideJoinIsPlannedFast(t *testing.T) {
	tables, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	c := newCatalog(t, string(tables))
	stmt, err := parser.Parse(wideJoin(64))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	p, err := Build(context.Background(), stmt, Options{Catalog: c, Namespace: "app"})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	t.Logf("planned in %v", took)
	if took > 2*time.Second {
		t.Errorf("planning a join of 64 tables took %v", took)
	}
	for _, line := range Explain(p) {
		if strings.Contains(line, "LoopJoin") {
			t.Errorf("cross product: %s", line)
		}
	}
}

func BenchmarkWideJoin(b *testing.B) {
	tables, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		b.Fatal(err)
	}
	c := newCatalog(b, string(tables))
	for _, n := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			stmt, err := parser.Parse(wideJoin(max(n, 2)))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Build(context.Background(), stmt, Options{Catalog: c, Namespace: "app"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
