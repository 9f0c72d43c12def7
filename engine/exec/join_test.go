package exec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

var joinKinds = []plan.JoinKind{plan.Inner, plan.Left, plan.Semi, plan.Anti}

// naiveJoin joins by the definition.
func naiveJoin(kind plan.JoinKind, left, right relation, match func(l, r []types.Value) bool) []string {
	var out []string
	text := func(ts []types.Type, row []types.Value) string {
		b := emptyBatch(ts)
		b.AppendRow(row)
		return rowText(b, 0)
	}
	for _, l := range left.rows {
		found := false
		for _, r := range right.rows {
			if !match(l, r) {
				continue
			}
			found = true
			if kind == plan.Inner || kind == plan.Left {
				out = append(out, text(left.t, l)+"|"+text(right.t, r))
			}
		}
		switch {
		case kind == plan.Left && !found:
			out = append(out, text(left.t, l)+"|"+text(right.t, make([]types.Value, len(right.t))))
		case kind == plan.Semi && found, kind == plan.Anti && !found:
			out = append(out, text(left.t, l))
		}
	}
	return out
}

func equal(t types.Type, a, b types.Value) bool {
	return !a.IsNull() && !b.IsNull() && types.Compare(t, a, b) == 0
}

// orderBy returns r's rows in the order of a column, NULL first.
func orderBy(r relation, key int, desc bool) relation {
	rows := slices.Clone(r.rows)
	slices.SortStableFunc(rows, func(x, y []types.Value) int {
		a, b := x[key], y[key]
		if desc {
			a, b = b, a
		}
		if a.IsNull() || b.IsNull() {
			switch {
			case a.IsNull() == b.IsNull():
				return 0
			case a.IsNull():
				return -1
			}
			return 1
		}
		return types.Compare(r.t[key], a, b)
	})
	return relation{r.t, rows}
}

// TestJoins compares every join, kind, condition and memory limit with the
// definition; the smallest limit makes hash joins divide down to single batches
// and then take passes.
func TestJoins(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	left, right := randomRelation(rng, 1500, 200), randomRelation(rng, 2500, 200)
	few := randomRelation(rng, 10, 5)
	skewed := randomRelation(rng, 1500, 1)
	empty := relation{t: left.t}
	on := compare(expr.LT, col(2, intT), col(5, intT))
	conds := []struct {
		name string
		on   expr.Expr
		more func(l, r []types.Value) bool
	}{
		{"equal", nil, func(l, r []types.Value) bool { return true }},
		{"on", on, func(l, r []types.Value) bool { return l[2].Int() < r[2].Int() }},
	}
	sides := []struct {
		name        string
		left, right relation
		key         int
	}{
		{"int", left, right, 0}, {"text", left, right, 1}, {"skewed", few, skewed, 0},
		{"no left", empty, right, 0}, {"no right", left, empty, 0},
	}
	for _, side := range sides {
		for _, c := range conds {
			for _, kind := range joinKinds {
				match := func(l, r []types.Value) bool {
					return equal(side.left.t[side.key], l[side.key], r[side.key]) && c.more(l, r)
				}
				want := naiveJoin(kind, side.left, side.right, match)
				for _, limit := range []int64{0, 64 << 10, 1} {
					name := fmt.Sprintf("%s/%s/%s/%d", side.name, c.name, kind, limit)
					t.Run("hash/"+name, func(t *testing.T) {
						want := want
						n := &plan.HashJoin{Kind: kind, Left: side.left.node(), Right: side.right.node(), On: c.on,
							LeftKeys:  []expr.Expr{col(side.key, side.left.t[side.key])},
							RightKeys: []expr.Expr{col(side.key, side.right.t[side.key])}}
						got := run(t, runtime(t, limit), n)
						if limit != 0 {
							got, want = sorted(got), sorted(want)
						}
						wantRows(t, got, want...)
					})
					t.Run("merge/"+name, func(t *testing.T) {
						key := side.left.t[side.key]
						desc := limit != 0
						n := &plan.MergeJoin{Kind: kind, Left: orderBy(side.left, side.key, desc).node(), Right: orderBy(side.right, side.key, desc).node(), On: c.on,
							LeftKeys: []*expr.Column{col(side.key, key)}, RightKeys: []*expr.Column{col(side.key, key)}, Desc: []bool{desc}}
						wantRows(t, sorted(run(t, runtime(t, limit), n)), sorted(want)...)
						if limit == 1 {
							return
						}
						keys := &plan.Project{Input: n, Exprs: []expr.Expr{col(side.key, key)}}
						order := &plan.Sort{Input: keys, Keys: []plan.SortKey{{Expr: col(0, key), Desc: desc}}}
						wantRows(t, run(t, runtime(t, limit), keys), run(t, runtime(t, 0), order)...)
					})
					if side.name == "int" || side.name == "text" {
						continue
					}
					t.Run("loop/"+name, func(t *testing.T) {
						want := want
						cond := compare(expr.EQ, col(side.key, side.left.t[side.key]), col(side.key+3, side.right.t[side.key]))
						if c.on != nil {
							cond = &expr.And{Args: []expr.Expr{cond, c.on}}
						}
						got := run(t, runtime(t, limit), &plan.LoopJoin{Kind: kind, Left: side.left.node(), Right: side.right.node(), On: cond})
						if limit != 0 {
							got, want = sorted(got), sorted(want)
						}
						wantRows(t, got, want...)
					})
				}
			}
		}
	}
}

// TestCrossJoin pairs everything, in order.
func TestCrossJoin(t *testing.T) {
	t.Parallel()
	a := relation{[]types.Type{intT}, [][]types.Value{{i(1)}, {null}}}
	b := relation{[]types.Type{textT}, [][]types.Value{{s("x")}, {s("y")}}}
	wantRows(t, run(t, runtime(t, 0), &plan.LoopJoin{Kind: plan.Inner, Left: a.node(), Right: b.node()}),
		"1|x", "1|y", "NULL|x", "NULL|y")
	wantRows(t, run(t, runtime(t, 0), &plan.LoopJoin{Kind: plan.Semi, Left: a.node(), Right: b.node()}), "1", "NULL")
	wantRows(t, run(t, runtime(t, 0), &plan.LoopJoin{Kind: plan.Anti, Left: a.node(), Right: b.node()}))
}

// TestIndexJoin compares index joins with the definition; the output keeps the
// order of the left rows whatever the memory.
func TestIndexJoin(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	all, right := randomRelation(rng, 1300, 60), randomRelation(rng, 500, 60)
	def := &schema.Table{Namespace: "d", Name: "t", PrimaryKey: []int{2},
		Columns: []schema.Column{{Name: "a", Type: intT}, {Name: "b", Type: textT}, {Name: "id", Type: intT, NotNull: true}},
		Indexes: []schema.Index{{ID: 1, Name: "a", Columns: []int{0}}, {ID: 2, Name: "b", Columns: []int{1, 0}}}}
	on := compare(expr.LT, col(2, intT), col(4, intT))
	for _, key := range []int{0, 1} {
		for _, kind := range joinKinds {
			for _, cond := range []expr.Expr{nil, on} {
				for _, limit := range []int64{0, 20 << 10, 1} {
					t.Run(fmt.Sprint(key, kind, cond != nil, limit), func(t *testing.T) {
						t.Parallel()
						rt := runtime(t, limit)
						left := all
						if limit == 1 {
							left.rows = left.rows[:150]
						}
						m := &memTable{schema: def, rows: right.rows}
						m.use(t, rt)
						// The scan yields b and id, and only rows of an even id.
						even := compare(expr.EQ, &expr.Arith{Op: expr.Mod, L: col(1, intT), R: lit(i(2), intT), T: intT}, lit(i(0), intT))
						n := &plan.IndexJoin{Kind: kind, Left: left.node(), On: cond, Keys: []expr.Expr{col(key, all.t[key])},
							Right: &plan.Scan{Table: def, Index: &def.Indexes[key], Columns: []int{1, 2}, Filter: even}}
						narrow := relation{t: []types.Type{textT, intT}}
						var keys []types.Value
						for _, r := range right.rows {
							if r[2].Int()%2 == 0 {
								narrow.rows, keys = append(narrow.rows, r[1:]), append(keys, r[key])
							}
						}
						want := naiveJoin(kind, left, narrow, func(l, r []types.Value) bool {
							at := int(r[1].Int() / 2)
							return equal(left.t[key], l[key], keys[at]) && (cond == nil || l[2].Int() < r[1].Int())
						})
						got := run(t, rt, n)
						if key == 1 { // right rows come in the index's order
							got, want = sorted(got), sorted(want)
						}
						wantRows(t, got, want...)
					})
				}
			}
		}
	}
}

// TestIndexJoinConvertsKeys looks up keys of other types: only values that the
// column can have match.
func TestIndexJoinConvertsKeys(t *testing.T) {
	t.Parallel()
	tiny := types.Type{Kind: types.TinyInt, Size: -1, Collation: intT.Collation}
	def := &schema.Table{Namespace: "d", Name: "t", PrimaryKey: []int{0}, Columns: []schema.Column{{Name: "id", Type: tiny, NotNull: true}}}
	rt := runtime(t, 0)
	m := &memTable{schema: def, rows: [][]types.Value{{i(1)}, {i(2)}, {i(3)}}}
	m.use(t, rt)
	left := relation{[]types.Type{types.Float64Type}, [][]types.Value{{f(3)}, {f(1.5)}, {f(1e9)}, {null}, {f(-1)}, {f(1)}}}
	n := &plan.IndexJoin{Kind: plan.Inner, Left: left.node(), Keys: []expr.Expr{col(0, types.Float64Type)},
		Right: &plan.Scan{Table: def, Columns: []int{0}}}
	wantRows(t, run(t, rt, n), "3|3", "1|1")
}
