package exec

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// closure is the pairs of nodes of which the second is reached from the first.
func closure(edges relation, distinct bool) *plan.Recursive {
	step := &plan.Project{
		Input: &plan.HashJoin{Kind: plan.Inner, Left: &plan.Work{Name: "c", ID: 1, T: edges.t}, Right: edges.node(),
			LeftKeys: []expr.Expr{col(1, intT)}, RightKeys: []expr.Expr{col(0, intT)}},
		Exprs: []expr.Expr{col(0, intT), col(3, intT)},
	}
	return &plan.Recursive{Name: "c", ID: 1, Seed: edges.node(), Steps: []plan.Node{step}, Distinct: distinct,
		Columns: []string{"a", "b"}, T: edges.t}
}

// TestRecursionSpills walks a graph with and without memory.
func TestRecursionSpills(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	edges := relation{t: []types.Type{intT, intT}}
	for range 260 {
		edges.rows = append(edges.rows, []types.Value{i(rng.Int64N(150)), i(rng.Int64N(150))})
	}
	want := run(t, runtime(t, 0), closure(edges, true))
	slices.Sort(want)
	if len(want) < 5000 || len(slices.Compact(slices.Clone(want))) != len(want) {
		t.Fatalf("%d rows, or some twice", len(want))
	}
	for _, limit := range []int64{1, 1 << 16, 1 << 19} {
		rt := runtime(t, limit)
		got := run(t, rt, closure(edges, true))
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("with %d bytes (-want +got)\n%s", limit, d)
		}
		if rt.memory().used != 0 {
			t.Errorf("%d bytes are still counted", rt.memory().used)
		}
	}
}

func TestRecursionEnds(t *testing.T) {
	t.Parallel()
	edges := relation{t: []types.Type{intT, intT}, rows: [][]types.Value{{i(1), i(2)}, {i(2), i(1)}}}
	rt := runtime(t, 0)
	op, err := Build(closure(edges, false), rt)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may be opened again
		ctx, cancel := context.WithCancel(t.Context())
		if err := op.Open(ctx); err != nil {
			t.Fatal(err)
		}
		rows := 0
		err := each(ctx, op, func(b *types.Batch) error { rows += b.Len; return nil })
		if !errors.Is(err, sqlerr.RecursionTooDeep) || rows != 2*(expr.DefaultMaxRecursion+1) {
			t.Errorf("%d rows, then %v", rows, err)
		}
		if err := op.Close(); err != nil {
			t.Fatal(err)
		}
		if err := op.Open(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := op.Next(ctx); !errors.Is(err, sqlerr.Interrupted) {
			t.Errorf("cancelled: %v", err)
		}
		if err := op.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
