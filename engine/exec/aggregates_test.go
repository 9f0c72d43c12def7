package exec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// TestMoreAggregates groups by the functions that keep values, with memory and
// without, by hash and in order.
func TestMoreAggregates(t *testing.T) {
	t.Parallel()
	in := randomRelation(rand.New(rand.NewPCG(45, 46)), 6000, 900)
	concat := aggregateOf(t, expr.GroupConcat, false, col(1, textT))
	concat.Order = []expr.SortKey{{Expr: col(2, intT), Desc: true}, {Expr: col(1, textT)}}
	distinct := aggregateOf(t, expr.GroupConcat, true, col(1, textT))
	distinct.Order, distinct.Separator = []expr.SortKey{{Expr: col(1, textT)}}, "-"
	array := aggregateOf(t, expr.JSONArrayAgg, false, col(2, intT))
	object := aggregateOf(t, expr.JSONObjectAgg, false, &expr.Coalesce{Args: []expr.Expr{col(1, textT), lit(s("none"), textT)}, T: textT}, col(0, intT))
	n := &plan.Aggregate{Input: in.node(), GroupBy: []expr.Expr{col(0, intT)}, Aggs: []*expr.Aggregate{concat, distinct, array, object,
		aggregateOf(t, expr.BitXor, false, col(2, intT)), aggregateOf(t, expr.StdSamp, false, col(2, intT)), aggregateOf(t, expr.AnyValue, false, col(2, intT))}}
	want := sorted(run(t, runtime(t, 0), n))
	for _, limit := range []int64{50 << 10, 1} {
		wantRows(t, sorted(run(t, runtime(t, limit), n)), want...)
	}
	n.Input, n.Ordered = &plan.Sort{Input: in.node(), Keys: []plan.SortKey{{Expr: col(0, intT)}}}, true
	wantRows(t, sorted(run(t, runtime(t, 0), n)), want...)
}

// TestGroupConcatBound compares GROUP_CONCAT of far more than its limit, of
// which it keeps a part, with all of it cut.
func TestGroupConcatBound(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(47, 48))
	in := relation{t: []types.Type{intT, textT}}
	for k := range 5000 {
		in.rows = append(in.rows, []types.Value{i(rng.Int64N(300)), s(fmt.Sprint("é", k))})
	}
	for _, order := range [][]expr.SortKey{nil, {{Expr: col(0, intT)}}, {{Expr: col(0, intT), Desc: true}}} {
		a := aggregateOf(t, expr.GroupConcat, false, col(1, textT))
		a.Order = order
		rows := slices.Clone(in.rows)
		if order != nil {
			slices.SortStableFunc(rows, func(x, y []types.Value) int {
				d := types.Compare(intT, x[0], y[0])
				if order[0].Desc {
					d = -d
				}
				return d
			})
		}
		var all []string
		for _, row := range rows {
			all = append(all, string(row[1].Bytes()))
		}
		for _, limit := range []int{1, 4, 99, 1024} {
			want := strings.ToValidUTF8(strings.Join(all, ",")[:limit], "")
			rt := runtime(t, 0)
			rt.Env.GroupConcatMaxLen = uint64(limit)
			warnings := 0
			rt.Env.Warn = func(error) { warnings++ }
			wantRows(t, run(t, rt, &plan.Aggregate{Input: in.node(), Aggs: []*expr.Aggregate{a}}), want)
			if warnings != 2 { // of two runs
				t.Errorf("limit %d: %d warnings", limit, warnings)
			}
		}
	}
}

func TestRollup(t *testing.T) {
	t.Parallel()
	in := relation{[]types.Type{intT, textT}, [][]types.Value{{i(1), s("a")}, {i(2), null}}}
	n := &plan.Rollup{Input: in.node(), Keys: []*expr.Column{col(0, intT), col(1, textT)}}
	wantRows(t, run(t, runtime(t, 0), n), "1|a|1|a|0", "2|NULL|2|NULL|0", "1|a|1|NULL|1", "2|NULL|2|NULL|1", "1|a|NULL|NULL|2", "2|NULL|NULL|NULL|2")
	n.Input = relation{t: in.t}.node()
	wantRows(t, run(t, runtime(t, 0), n))
}
