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
			rt := &Runtime{Env: &expr.Env{Context: b.Context()}, TempDir: b.TempDir()}
			op, err := Build(n, rt)
			if err != nil {
				b.Fatal(err)
			}
			replaceInputs(op, &repeated{b: batch, n: 1 << 10})
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
		})
	}
}
