package expr

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// bindOver binds an expression whose :v1 is column 0, text.
func bindOver(t *testing.T, text string) Expr {
	t.Helper()
	e, err := (&Binder{Params: []types.Type{types.TextType}}).bind(mustParse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	col := &Column{Index: 0, Name: "c", T: types.TextType, Null: true}
	var replace func(e Expr) Expr
	replace = func(e Expr) Expr {
		if _, ok := e.(*Param); ok {
			return col
		}
		list := make([]Expr, len(e.Children()))
		for i, c := range e.Children() {
			list[i] = replace(c)
		}
		if len(list) == 0 {
			return e
		}
		return e.WithChildren(list)
	}
	return replace(e)
}

// TestCancelWithinBatch cancels the evaluation of one batch that takes seconds.
func TestCancelWithinBatch(t *testing.T) {
	t.Parallel()
	b := types.NewBatch([]types.Type{types.TextType})
	for range 1024 {
		b.AppendRow([]types.Value{types.NewString(strings.Repeat("ab", 50_000))})
	}
	for _, text := range []string{
		"length(:v1) > 0 and sha2(repeat(:v1, 20), 512) = ''",
		"length(replace(repeat(:v1, 20), 'a', 'xyz'))",
		":v1 collate utf8mb4_0900_ai_ci like '%a%a%a%z%'",
		"upper(trim(repeat(:v1, 20)))",
		":v1 collate utf8mb4_0900_ai_ci < upper(:v1)",
		"sleep(length(:v1))",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			env := testEnv()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			env.Context = ctx
			ev, err := NewEvaluator(env, bindOver(t, text))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = ev.Eval(b)
			if !errors.Is(err, sqlerr.Interrupted) {
				t.Fatalf("error %v after %v, want %v", err, time.Since(start), sqlerr.Interrupted)
			}
			// 50 ms are promised; other tests run beside this one.
			if d := time.Since(start); d > time.Second {
				t.Errorf("stopped after %v", d)
			}
		})
	}
}

// TestTooLong finds the warning of a call whose text is too long, and only there.
func TestTooLong(t *testing.T) {
	t.Parallel()
	for text, warned := range map[string]bool{
		"repeat('a', 1000000000)":             true,
		"length(repeat('a', 1000000000))":     true,
		"space(1e9)":                          true,
		"rpad('a', 1000000000, 'b')":          true,
		"concat_ws(space(60000000), 1, 2, 3)": true,
		"cast('a' as binary(2000000000))":     true,
		"repeat('a', null)":                   false,
		"repeat('a', -1)":                     false,
		"rpad(null, 1000000000, 'b')":         false,
		"concat('a', null)":                   false,
		"replace('a', '', space(60000000))":   false,
		"concat_ws(',', 'a')":                 false,
		"make_set(1, 'a')":                    false,
	} {
		e, err := (&Binder{}).bind(mustParse(t, text))
		if err != nil {
			t.Fatal(err)
		}
		env := testEnv()
		var got []error
		env.Warn = func(err error) { got = append(got, err) }
		if _, err := EvalConst(env, e); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if len(got) > 0 != warned || warned && !errors.Is(got[0], sqlerr.PacketOverflow) {
			t.Errorf("%s: warnings %v, want one: %v", text, got, warned)
		}
	}
}

// TestRoom has a batch's results not fit in memory.
func TestRoom(t *testing.T) {
	t.Parallel()
	env := testEnv()
	ev, err := NewEvaluator(env, &Param{Index: 0, T: types.TextType})
	if err != nil {
		t.Fatal(err)
	}
	env.Params = []types.Value{types.NewBytes(make([]byte, 2<<20))}
	_, err = ev.Eval(&types.Batch{Len: 1024})
	if !errors.Is(err, sqlerr.OutOfMemory) {
		t.Errorf("2 GiB of results: error %v, want %v", err, sqlerr.OutOfMemory)
	}
}
