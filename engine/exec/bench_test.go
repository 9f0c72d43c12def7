package exec

import (
	"context"
	"testing"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// repeated yields a batch some times.
type repeated struct {
	b       *types.Batch
	n, left int
}

func (r *repeated) Open(context.Context) error { r.left = r.n; return nil }
func (r *repeated) Close() error               { return nil }

func (r *repeated) Next(context.Context) (*types.Batch, error) {
	if r.left == 0 {
		return &types.Batch{}, nil
	}
	r.left--
	return r.b, nil
}

// BenchmarkOperators runs operators over 1M rows of (key of 1,000, number).
func BenchmarkOperators(b *testing.B) {
	ts := []types.Type{intT, intT}
	batch := types.NewBatch(ts)
	for k := range types.BatchRows {
		batch.AppendRow([]types.Value{i(int64(k * 7919 % 1000)), i(int64(k))})
	}
	in := relation{t: ts}.node()
	agg := func(f expr.AggFunc) *expr.Aggregate {
		a, err := expr.NewAggregate(f, []expr.Expr{col(1, intT)}, false)
		if err != nil {
			b.Fatal(err)
		}
		return a
	}
	key := []expr.Expr{col(0, intT)}
	window := func(f expr.AggFunc, fr *expr.Frame) *plan.Window {
		a := agg(f)
		return &plan.Window{Input: in, Order: []plan.SortKey{{Expr: col(1, intT)}}, Funcs: []*expr.Window{
			{Func: f, Args: a.Args, T: a.T, Order: []plan.SortKey{{Expr: col(1, intT)}}, Frame: fr}}}
	}
	moving := &expr.Frame{Rows: true, Start: expr.Bound{Kind: expr.Preceding, Offset: literal(1000)}, End: expr.Bound{Kind: expr.CurrentRow}}
	for name, n := range map[string]plan.Node{
		"sum":     &plan.Aggregate{Input: in, Aggs: []*expr.Aggregate{agg(expr.Sum)}},
		"group":   &plan.Aggregate{Input: in, GroupBy: key, Aggs: []*expr.Aggregate{agg(expr.Sum), agg(expr.Count)}},
		"sort":    &plan.Sort{Input: in, Keys: []plan.SortKey{{Expr: col(1, intT)}}},
		"top10":   &plan.Sort{Input: in, Keys: []plan.SortKey{{Expr: col(1, intT)}}, Limit: lit(i(10), intT)},
		"running": window(expr.Sum, &expr.Frame{Rows: true, End: expr.Bound{Kind: expr.CurrentRow}}),
		"moving":  window(expr.Max, moving),
	} {
		b.Run(name, func(b *testing.B) {
			benchOperator(b, n, func(op Operator) { replaceInputs(op, &repeated{b: batch, n: 1 << 10}) })
		})
	}
}

// counting yields n rows of (k/same, k), for k from 0.
type counting struct {
	n, same, at int
	out         *types.Batch
}

func (c *counting) Open(context.Context) error { c.at = 0; return nil }
func (c *counting) Close() error               { return nil }

func (c *counting) Next(context.Context) (*types.Batch, error) {
	c.out.Reset()
	for ; c.at < c.n && c.out.Len < types.BatchRows; c.at++ {
		c.out.Columns[0].AppendInt(int64(c.at / c.same))
		c.out.Columns[1].AppendInt(int64(c.at))
		c.out.Len++
	}
	return c.out, nil
}

// BenchmarkJoins joins 1M rows, four of each key, with 250,000 of one key each.
func BenchmarkJoins(b *testing.B) {
	in := relation{t: []types.Type{intT, intT}}.node()
	key := []*expr.Column{col(0, intT)}
	many := &counting{n: 1 << 20, same: 4, out: emptyBatch(in.T)}
	one := &counting{n: 1 << 18, same: 1, out: emptyBatch(in.T)}
	b.Run("merge", func(b *testing.B) {
		benchOperator(b, &plan.MergeJoin{Kind: plan.Inner, Left: in, Right: in, LeftKeys: key, RightKeys: key, Desc: []bool{false}},
			func(op Operator) { op.(*mergeJoin).left, op.(*mergeJoin).right = many, one })
	})
	b.Run("hash", func(b *testing.B) {
		keys := []expr.Expr{key[0]}
		benchOperator(b, &plan.HashJoin{Kind: plan.Inner, Left: in, Right: in, LeftKeys: keys, RightKeys: keys},
			func(op Operator) { op.(*hashJoin).left, op.(*hashJoin).right = many, one })
	})
}

// benchOperator times a plan's operator, of which prepare sets the inputs.
func benchOperator(b *testing.B, n plan.Node, prepare func(Operator)) {
	op, err := Build(n, &Runtime{Env: &expr.Env{Context: b.Context()}, TempDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	prepare(op)
	for b.Loop() {
		if err := op.Open(b.Context()); err != nil {
			b.Fatal(err)
		}
		for {
			out, err := op.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if out.Len == 0 {
				break
			}
		}
		if err := op.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<20), "ns/row")
}
