package exec

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// measured is a table whose rows have one of keys keys each, and values of all kinds that
// are added up.
func measured(n, keys int) *memTable {
	dec, wide := types.DecimalType(10, 2), types.DecimalType(30, 3)
	m := &memTable{schema: &schema.Table{Namespace: "n", Name: "t", Kind: schema.Shared, PrimaryKey: []int{0}}}
	for k, t := range []types.Type{intT, textT, dec, wide, types.Uint64Type, intT} {
		m.schema.Columns = append(m.schema.Columns, schema.Column{ID: uint32(k + 1), Name: fmt.Sprintf("c%d", k), Type: t, NotNull: k == 0})
	}
	rng := rand.New(rand.NewPCG(uint64(n), uint64(keys)))
	for k := range n {
		row := []types.Value{i(int64(k)), s(fmt.Sprint("key ", rng.IntN(keys))), i(rng.Int64N(2000) - 1000),
			s(fmt.Sprintf("%d%018d.%03d", 1+rng.IntN(9), rng.Int64N(1e18), rng.IntN(1000))), types.NewUint(rng.Uint64()), i(rng.Int64N(int64(keys)))}
		if rng.IntN(5) == 0 {
			row[1+rng.IntN(5)] = null
		}
		m.rows = append(m.rows, row)
	}
	return m
}

func (m *memTable) aggregate(t *testing.T, by ...expr.Expr) *plan.Aggregate {
	t.Helper()
	c := func(k int) expr.Expr { return col(k, m.schema.Columns[k].Type) }
	n := &plan.Aggregate{GroupBy: by, Aggs: []*expr.Aggregate{aggregateOf(t, expr.Count, false)}}
	for k := range m.schema.Columns {
		n.Aggs = append(n.Aggs, aggregateOf(t, expr.Count, false, c(k)), aggregateOf(t, expr.Min, false, c(k)), aggregateOf(t, expr.Max, false, c(k)))
		if k != 1 {
			n.Aggs = append(n.Aggs, aggregateOf(t, expr.Sum, false, c(k)), aggregateOf(t, expr.Avg, false, c(k)))
		}
	}
	for _, f := range []expr.AggFunc{expr.BitAnd, expr.BitOr, expr.BitXor} {
		n.Aggs = append(n.Aggs, aggregateOf(t, f, false, c(4)))
	}
	scan := &plan.Scan{Table: m.schema, Columns: []int{0, 1, 2, 3, 4, 5}}
	n.Input = &plan.Filter{Input: scan, Cond: compare(expr.GT, c(0), lit(i(2), intT))}
	return n
}

// TestParallelAggregate groups rows in parts and one after the other: the groups are the
// same, in the same order.
func TestParallelAggregate(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ rows, keys int }{{0, 1}, {3, 1}, {4, 2}, {5000, 7}, {9000, 3000}} {
		m := measured(size.rows, size.keys)
		for _, by := range [][]expr.Expr{nil, {col(5, intT)}, {col(1, textT), col(5, intT)}} {
			n := m.aggregate(t, by...)
			rt := runtime(t, 0)
			m.use(t, rt)
			want := run(t, rt, n)
			n.Parallel = true
			for _, workers := range []int{1, 2, 5} {
				for _, limit := range []int64{0, 4 << 20, 1} { // in parts; in parts, perhaps; not
					rt := runtime(t, limit)
					m.use(t, rt)
					rt.Workers = workers
					op, err := Build(n, rt)
					if err != nil {
						t.Fatal(err)
					}
					for range 2 {
						got := rowsOf(t, op)
						if limit == 0 {
							wantRows(t, got, want...)
						} else { // groups that did not fit come later
							wantRows(t, sorted(got), sorted(want)...)
						}
					}
				}
			}
		}
	}
}

// TestParallelWarnings has parts that warn, that fail, and that are interrupted.
func TestParallelWarnings(t *testing.T) {
	t.Parallel()
	m := measured(3000, 5)
	n := m.aggregate(t)
	arg := expr.CastTo(col(1, textT), intT) // warns of each text
	n.Aggs = append(n.Aggs, aggregateOf(t, expr.Sum, false, arg))
	warn := func(workers int) (list []string) {
		rt := runtime(t, 0)
		m.use(t, rt)
		rt.Workers = workers
		rt.Env.Warn = func(err error) { list = append(list, err.Error()) }
		run(t, rt, n)
		return list
	}
	want := warn(0)
	n.Parallel = true
	if got := warn(3); len(want) < 1000 || !slices.Equal(got, want) {
		t.Errorf("%d warnings, not the %d of rows one after the other", len(got), len(want))
	}

	failing := errors.New("failed")
	build := func() Operator {
		rt := runtime(t, 0)
		m.use(t, rt)
		rt.Workers = 3
		op, err := Build(n, rt)
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
	for _, part := range []int{0, 1, 2} {
		op := build()
		a := op.(*parallelAggregate).parts[part].aggregate
		a.input = &failingInput{a.input, failing}
		for range 2 {
			if err := op.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := op.Next(t.Context()); err != failing {
				t.Errorf("part %d: %v", part, err)
			}
			if err := op.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}

	op := build()
	defer op.Close()
	if err := op.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := op.Next(ctx)
	wantKind(t, err, sqlerr.Interrupted)
}

// failingInput fails after some rows.
type failingInput struct {
	Operator
	err error
}

func (f *failingInput) Next(ctx context.Context) (*types.Batch, error) {
	if b, err := f.Operator.Next(ctx); err != nil || b.Len == 0 {
		return b, err
	}
	return nil, f.err
}
