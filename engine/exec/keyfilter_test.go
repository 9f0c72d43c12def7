package exec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

func TestKeyFilter(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(51, 52))
	for _, c := range []struct {
		name string
		key  func() int64
		not  int // of a hundred other integers, how many may pass
	}{
		{"near", func() int64 { return rng.Int64N(5000) - 2500 }, 0},
		{"far", func() int64 { return int64(rng.Uint64()) }, 12},
		{"ends", func() int64 { return []int64{math.MinInt64, math.MaxInt64, 0}[rng.IntN(3)] }, 12},
	} {
		for _, n := range []int{0, 1, 3, 700} {
			var f keyFilter
			for range 2 { // the second time in used memory
				set := map[int64]bool{}
				var keys []int64
				for range n {
					k := c.key()
					keys, set[k] = append(keys, k), true
				}
				f.set(keys)
				v := types.NewVector(intT, 0)
				var want []int32
				for k := range set {
					want = append(want, int32(v.Len()))
					v.AppendInt(k)
				}
				others := 0
				for range 5000 {
					if k := c.key(); !set[k] {
						v.AppendInt(k)
						others++
					}
				}
				v.AppendInt(math.MinInt64 + 1)
				v.AppendNull()
				var sel []int32
				for i := range v.Len() {
					sel = append(sel, int32(i))
				}
				got := f.pick(v, sel)
				if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
					t.Fatalf("%s, %d keys: rows %v pass, want %v first", c.name, n, got, want)
				}
				if wrong := len(got) - len(want); wrong*100 > c.not*(others+1) {
					t.Errorf("%s, %d keys: %d of %d others pass", c.name, n, wrong, others)
				}
				if slices.Contains(got, int32(v.Len()-1)) {
					t.Errorf("%s, %d keys: NULL passes", c.name, n)
				}
			}
		}
	}
}

// TestJoinFilters runs hash joins over scans, whose filters leave out rows without a
// match, and compares them with the same joins over rows that are given.
func TestJoinFilters(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(53, 54))
	table := func(name string, n, keys int) (*schema.Table, relation) {
		def := &schema.Table{Namespace: "d", Name: name, PrimaryKey: []int{2},
			Columns: []schema.Column{{Name: "a", Type: intT}, {Name: "b", Type: textT}, {Name: "id", Type: intT, NotNull: true}}}
		return def, randomRelation(rng, n, keys)
	}
	wide := func(r relation) relation { // keys that are far apart
		w := relation{t: r.t}
		for _, row := range r.rows {
			row = slices.Clone(row)
			if !row[0].IsNull() {
				row[0] = i(row[0].Int() * 1e12)
			}
			w.rows = append(w.rows, row)
		}
		return w
	}
	large, many := table("large", 1500, 300)
	small, few := table("small", 20, 300)
	third, some := table("third", 200, 300)
	_, none := table("none", 0, 1)
	key := func(k int) []expr.Expr { return []expr.Expr{col(k, intT)} }
	// What the key's column comes through.
	shapes := []struct {
		name  string
		key   int
		over  func(in, other plan.Node) plan.Node
		reach bool
	}{
		{"scan", 0, func(in, _ plan.Node) plan.Node { return in }, true},
		{"project", 1, func(in, _ plan.Node) plan.Node {
			return &plan.Project{Input: in, Exprs: []expr.Expr{col(2, intT), col(0, intT), col(1, textT)}}
		}, true},
		{"filter", 0, func(in, _ plan.Node) plan.Node {
			return &plan.Filter{Input: in, Cond: compare(expr.GT, col(2, intT), lit(i(20), intT))}
		}, true},
		{"aggregate", 0, func(in, _ plan.Node) plan.Node {
			return &plan.Aggregate{Input: in, GroupBy: []expr.Expr{col(0, intT)}, Aggs: []*expr.Aggregate{
				aggregateOf(t, expr.Max, false, col(1, textT)), aggregateOf(t, expr.Count, false)}}
		}, true},
		{"sum of the key", 1, func(in, _ plan.Node) plan.Node {
			return &plan.Aggregate{Input: in, GroupBy: []expr.Expr{col(1, textT)}, Aggs: []*expr.Aggregate{aggregateOf(t, expr.Max, false, col(0, intT)),
				aggregateOf(t, expr.Count, false)}}
		}, false},
		{"limit", 0, func(in, _ plan.Node) plan.Node { return &plan.Limit{Input: in, Count: lit(i(40), intT)} }, false},
		{"top", 0, func(in, _ plan.Node) plan.Node {
			return &plan.Sort{Input: in, Keys: []plan.SortKey{{Expr: col(2, intT)}}, Limit: lit(i(1), intT)}
		}, false},
		{"left of a join", 0, func(in, other plan.Node) plan.Node {
			return &plan.HashJoin{Kind: plan.Left, Left: in, Right: other, LeftKeys: key(0), RightKeys: key(0)}
		}, true},
		{"right of a join", 3, func(in, other plan.Node) plan.Node {
			return &plan.HashJoin{Kind: plan.Inner, Left: other, Right: in, LeftKeys: key(0), RightKeys: key(0)}
		}, true},
		{"key of the other", 3, func(in, other plan.Node) plan.Node {
			return &plan.HashJoin{Kind: plan.Inner, Left: in, Right: other, LeftKeys: key(0), RightKeys: key(0)}
		}, true},
		{"right of a left join", 3, func(in, other plan.Node) plan.Node {
			return &plan.HashJoin{Kind: plan.Left, Left: other, Right: in, LeftKeys: key(0), RightKeys: key(0)}
		}, false},
	}
	for _, data := range []struct {
		name             string
		many, few, other relation
	}{
		{"near", many, few, some}, {"far", wide(many), wide(few), wide(some)}, {"none", many, none, some},
	} {
		for _, shape := range shapes {
			for _, kind := range joinKinds {
				for _, leftFirst := range []bool{false, true} {
					for _, limit := range []int64{0, 20 << 10, 1} {
						t.Run(fmt.Sprint(data.name, "/", shape.name, "/", kind, leftFirst, limit), func(t *testing.T) {
							t.Parallel()
							// The many rows are on the side that is filtered.
							join := func(in, one, other plan.Node) plan.Node {
								n := &plan.HashJoin{Kind: kind, Left: shape.over(in, other), Right: one, LeftKeys: key(shape.key), RightKeys: key(0)}
								if leftFirst {
									n.Left, n.Right, n.LeftKeys, n.RightKeys, n.LeftFirst = n.Right, n.Left, n.RightKeys, n.LeftKeys, true
								}
								return n
							}
							tables := map[string]*memTable{
								"large": {schema: large, rows: data.many.rows}, "small": {schema: small, rows: data.few.rows}, "third": {schema: third, rows: data.other.rows},
							}
							scan := func(def *schema.Table) plan.Node { return &plan.Scan{Table: def, Columns: []int{0, 1, 2}} }
							rt := runtime(t, limit)
							rt.Table = func(s *schema.Table) (store.Table, error) { return tables[s.Name], nil }
							got := sorted(run(t, rt, join(scan(large), scan(small), scan(third))))
							want := sorted(run(t, runtime(t, 0), join(data.many.node(), data.few.node(), data.other.node())))
							wantRows(t, got, want...)
							filters := shape.reach && (leftFirst || kind == plan.Inner || kind == plan.Semi)
							if shape.name == "key of the other" {
								filters = true // of the join within
							}
							for name, m := range tables {
								if m.opened != 0 {
									t.Errorf("%d scanners of %s were not closed", m.opened, name)
								}
								if name == "large" && len(m.asked) > 0 {
									if has := hasJoinFilter(m.asked[0]); has != filters {
										t.Errorf("%s has a filter: %v", name, has)
									}
								}
							}
						})
					}
				}
			}
		}
	}
}

// hasJoinFilter reports whether a scan was asked with a filter of a join.
func hasJoinFilter(req store.ScanRequest) bool {
	f, ok := req.Filter.(*scanFilter)
	return ok && slices.ContainsFunc(f.keys, func(k scanKey) bool {
		_, ok := k.filter.(*keyFilter)
		return ok
	})
}
