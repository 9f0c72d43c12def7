package exec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func aggregateOf(t *testing.T, f expr.AggFunc, distinct bool, args ...expr.Expr) *expr.Aggregate {
	t.Helper()
	a, err := expr.NewAggregate(f, args, distinct)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAggregate(t *testing.T) {
	t.Parallel()
	dec := types.DecimalType(10, 2)
	wide := types.DecimalType(30, 3)
	in := relation{
		[]types.Type{intT, textT, dec, types.Float64Type, wide, types.Uint64Type},
		[][]types.Value{
			{i(1), s("b"), i(150), f(0.5), s("12345678901234567890.125"), types.NewUint(math.MaxUint64)},
			{i(1), s("a"), i(-275), f(1.5), s("-0.125"), types.NewUint(math.MaxUint64)},
			{null, s("c"), null, null, null, types.NewUint(1)},
			{i(2), null, i(100), f(2), s("1.000"), types.NewUint(2)},
			{null, s("c"), i(1), f(-1), s("0.001"), null},
			{i(1), s("b"), i(150), f(0.5), null, types.NewUint(5)},
		},
	}
	aggs := func(k int) []*expr.Aggregate {
		c := col(k, in.t[k])
		list := []*expr.Aggregate{aggregateOf(t, expr.Count, false), aggregateOf(t, expr.Count, false, c), aggregateOf(t, expr.Count, true, c),
			aggregateOf(t, expr.Min, false, c), aggregateOf(t, expr.Max, false, c)}
		if k != 1 {
			list = append(list, aggregateOf(t, expr.Sum, false, c), aggregateOf(t, expr.Avg, false, c), aggregateOf(t, expr.Sum, true, c))
		}
		return list
	}
	for _, c := range []struct {
		k    int
		want []string
	}{
		{1, []string{"1|3|3|2|a|b", "NULL|2|2|1|c|c", "2|1|0|0|NULL|NULL"}},
		{2, []string{"1|3|3|2|-2.75|1.50|0.25|0.083333|-1.25", "NULL|2|1|1|0.01|0.01|0.01|0.010000|0.01", "2|1|1|1|1.00|1.00|1.00|1.000000|1.00"}},
		{3, []string{"1|3|3|2|0.5|1.5|2.5|0.8333333333333334|2", "NULL|2|1|1|-1|-1|-1|-1|-1", "2|1|1|1|2|2|2|2|2"}},
		{4, []string{"1|3|2|2|-0.125|12345678901234567890.125|12345678901234567890.000|6172839450617283945.0000000|12345678901234567890.000",
			"NULL|2|1|1|0.001|0.001|0.001|0.0010000|0.001", "2|1|1|1|1.000|1.000|1.000|1.0000000|1.000"}},
		{5, []string{"1|3|3|2|5|18446744073709551615|36893488147419103235|12297829382473034411.6667|18446744073709551620",
			"NULL|2|1|1|1|1|1|1.0000|1", "2|1|1|1|2|2|2|2.0000|2"}},
	} {
		for _, limit := range []int64{0, 1} {
			got := run(t, runtime(t, limit), &plan.Aggregate{Input: in.node(), GroupBy: []expr.Expr{col(0, intT)}, Aggs: aggs(c.k)})
			wantRows(t, got, c.want...)
		}
	}
	all := []*expr.Aggregate{aggregateOf(t, expr.Count, false), aggregateOf(t, expr.Sum, false, col(0, intT)), aggregateOf(t, expr.Max, false, col(1, textT))}
	wantRows(t, run(t, runtime(t, 0), &plan.Aggregate{Input: in.node(), Aggs: all}), "6|5|c")
	wantRows(t, run(t, runtime(t, 0), &plan.Aggregate{Input: relation{t: in.t}.node(), Aggs: all}), "0|NULL|NULL")
	wantRows(t, run(t, runtime(t, 0), &plan.Aggregate{Input: relation{t: in.t}.node(), GroupBy: []expr.Expr{col(0, intT)}, Aggs: all}))
}

// TestAggregateSpills groups many keys with and without memory, and sorted
// input by the ordered operator: all have the same groups.
func TestAggregateSpills(t *testing.T) {
	t.Parallel()
	in := randomRelation(rand.New(rand.NewPCG(5, 6)), 20000, 4000)
	for _, by := range [][]expr.Expr{{col(0, intT)}, {col(1, textT), col(0, intT)}} {
		aggs := []*expr.Aggregate{aggregateOf(t, expr.Count, false), aggregateOf(t, expr.Sum, false, col(2, intT)),
			aggregateOf(t, expr.Count, true, col(1, textT)), aggregateOf(t, expr.Max, false, col(1, textT)),
			aggregateOf(t, expr.Count, true, col(0, intT), col(1, textT))}
		n := &plan.Aggregate{Input: in.node(), GroupBy: by, Aggs: aggs}
		want := sorted(run(t, runtime(t, 0), n))
		for _, limit := range []int64{1 << 20, 100 << 10, 1} {
			wantRows(t, sorted(run(t, runtime(t, limit), n)), want...)
		}
		keys := make([]plan.SortKey, len(by))
		for k, e := range by {
			keys[k].Expr = e
		}
		order := &plan.Sort{Input: in.node(), Keys: keys}
		for _, limit := range []int64{0, 1} {
			got := run(t, runtime(t, limit), &plan.Aggregate{Input: order, GroupBy: by, Aggs: aggs, Ordered: true})
			wantRows(t, sorted(got), want...)
		}
	}
}

// TestSumOfProducts sums products of decimals that are short in some batches and not in
// others, with and without memory.
func TestSumOfProducts(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 10))
	dec, product := types.DecimalType(15, 2), types.DecimalType(30, 4)
	for _, long := range []int{0, 1, 50} { // long rows of a thousand
		in := relation{t: []types.Type{intT, dec, dec}}
		sums, counts := map[int64]*big.Int{}, map[int64]int64{}
		for k := range 6000 {
			g, x, y := rng.Int64N(1000), rng.Int64N(2e7)-1e7, rng.Int64N(200)
			if k > 2000 && rng.IntN(1000) < long {
				x, y = rng.Int64N(1e15), rng.Int64N(1e15)
			}
			row := []types.Value{i(g), i(x), i(y)}
			if sums[g] == nil {
				sums[g] = new(big.Int)
			}
			if rng.IntN(5) == 0 {
				row[1+rng.IntN(2)] = null
			} else {
				sums[g].Add(sums[g], new(big.Int).Mul(big.NewInt(x), big.NewInt(y)))
				counts[g]++
			}
			in.rows = append(in.rows, row)
		}
		var want []string
		for g, sum := range sums {
			if counts[g] == 0 {
				want = append(want, fmt.Sprintf("%d|NULL|NULL", g))
				continue
			}
			avg := new(big.Rat).SetFrac(sum, big.NewInt(counts[g]*1e4))
			want = append(want, fmt.Sprintf("%d|%s|%s", g, new(big.Rat).SetFrac(sum, big.NewInt(1e4)).FloatString(4), avg.FloatString(8)))
		}
		arg := &expr.Arith{Op: expr.Mul, L: col(1, dec), R: col(2, dec), T: product}
		n := &plan.Aggregate{Input: in.node(), GroupBy: []expr.Expr{col(0, intT)},
			Aggs: []*expr.Aggregate{aggregateOf(t, expr.Sum, false, arg), aggregateOf(t, expr.Avg, false, arg)}}
		for _, limit := range []int64{0, 1} {
			wantRows(t, sorted(run(t, runtime(t, limit), n)), sorted(want)...)
		}
		n.Input, n.Ordered = &plan.Sort{Input: in.node(), Keys: []plan.SortKey{{Expr: col(0, intT)}}}, true
		wantRows(t, sorted(run(t, runtime(t, 0), n)), sorted(want)...)
	}
}

func TestInt128(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		var sum int128
		want := new(big.Int)
		n := 1 + rng.Int64N(9)
		for range n {
			if x := rng.Uint64() >> rng.IntN(64); rng.IntN(2) == 0 {
				sum.addUint(x)
				want.Add(want, new(big.Int).SetUint64(x))
			} else {
				sum.addInt(-int64(x >> 1))
				want.Sub(want, new(big.Int).SetUint64(x>>1))
			}
		}
		if got := string(sum.text(nil, 0)); got != want.String() {
			t.Fatalf("sum %s, want %s", got, want)
		}
		scaled := new(big.Int).Mul(want, big.NewInt(10000))
		twice := new(big.Int).Add(new(big.Int).Lsh(new(big.Int).Abs(scaled), 1), big.NewInt(n))
		avg := twice.Quo(twice, big.NewInt(2*n)) // rounded half away from zero
		if scaled.Sign() < 0 {
			avg.Neg(avg)
		}
		if got := string(sum.average(n, 4).text(nil, 0)); got != avg.String() {
			t.Fatalf("average of %s by %d: %s, want %s", want, n, got, avg)
		}
	}
	for _, c := range []struct {
		x     int64
		scale int
		want  string
	}{{0, 0, "0"}, {0, 2, "0.00"}, {-5, 2, "-0.05"}, {-1234, 2, "-12.34"}, {100, 2, "1.00"}} {
		var x int128
		x.addInt(c.x)
		if got := string(x.text(nil, c.scale)); got != c.want {
			t.Errorf("%d with scale %d: %s, want %s", c.x, c.scale, got, c.want)
		}
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	in := randomRelation(rand.New(rand.NewPCG(9, 10)), 35000, 300)
	in.t = append(in.t, types.Float64Type)
	for k, row := range in.rows {
		in.rows[k] = append(row, f(float64(k%7)-3))
	}
	negative := &expr.Arith{Op: expr.Sub, L: lit(i(0), intT), R: col(2, intT), T: intT}
	for _, keys := range [][]plan.SortKey{
		{{Expr: col(0, intT)}},
		{{Expr: col(0, intT), Desc: true}, {Expr: col(1, textT)}},
		{{Expr: col(1, textT), Desc: true}, {Expr: col(3, types.Float64Type)}},
		{{Expr: col(3, types.Float64Type)}, {Expr: negative}},
	} {
		rows := slices.Clone(in.rows)
		slices.SortStableFunc(rows, func(a, b []types.Value) int {
			for _, k := range keys {
				var d int
				if c, ok := k.Expr.(*expr.Column); ok {
					d = types.Compare(c.T, a[c.Index], b[c.Index])
				} else {
					d = int(b[2].Int() - a[2].Int())
				}
				if d != 0 {
					if k.Desc {
						return -d
					}
					return d
				}
			}
			return 0
		})
		want := run(t, runtime(t, 0), relation{in.t, rows}.node())
		for _, limit := range []int64{0, 1 << 20, 1} {
			wantRows(t, run(t, runtime(t, limit), &plan.Sort{Input: in.node(), Keys: keys}), want...)
			for _, n := range []int64{0, 1, 5000, 1 << 40} {
				top := &plan.Sort{Input: in.node(), Keys: keys, Limit: lit(i(n), intT)}
				wantRows(t, run(t, runtime(t, limit), top), want[:min(int64(len(want)), n)]...)
			}
		}
	}
	wantRows(t, run(t, runtime(t, 0), &plan.Sort{Input: relation{t: in.t}.node(), Keys: []plan.SortKey{{Expr: col(0, intT)}}}))
}

func TestDistinct(t *testing.T) {
	t.Parallel()
	in := randomRelation(rand.New(rand.NewPCG(11, 12)), 20000, 60)
	for k := range in.rows {
		in.rows[k][2] = i(int64(k % 5))
	}
	seen := map[string]bool{}
	var want []string
	for _, r := range run(t, runtime(t, 0), in.node()) {
		if !seen[r] {
			seen[r] = true
			want = append(want, r)
		}
	}
	wantRows(t, run(t, runtime(t, 0), &plan.Distinct{Input: in.node()}), want...)
	for _, limit := range []int64{100 << 10, 1} {
		wantRows(t, sorted(run(t, runtime(t, limit), &plan.Distinct{Input: in.node()})), sorted(want)...)
	}
}

func TestSimpleOperators(t *testing.T) {
	t.Parallel()
	in := relation{[]types.Type{intT, textT}, [][]types.Value{{i(1), s("a")}, {i(2), null}, {null, s("c")}, {i(4), s("d")}}}
	rt := runtime(t, 0)
	gt1 := compare(expr.GT, col(0, intT), lit(i(1), intT))
	wantRows(t, run(t, rt, &plan.Filter{Input: in.node(), Cond: gt1}), "2|NULL", "4|d")
	wantRows(t, run(t, rt, &plan.Project{Input: in.node(), Exprs: []expr.Expr{col(1, textT), lit(i(7), intT)}}), "a|7", "NULL|7", "c|7", "d|7")
	wantRows(t, run(t, rt, &plan.Project{Input: &plan.Values{Rows: [][]expr.Expr{{}}}, Exprs: []expr.Expr{lit(i(7), intT)}}), "7")
	for _, c := range []struct {
		count, offset expr.Expr
		want          []string
	}{
		{lit(i(2), intT), nil, []string{"1|a", "2|NULL"}},
		{lit(i(2), intT), lit(i(1), intT), []string{"2|NULL", "NULL|c"}},
		{nil, lit(i(3), intT), []string{"4|d"}},
		{lit(i(0), intT), nil, nil},
		{lit(types.NewUint(math.MaxUint64), types.Uint64Type), lit(i(9), intT), nil},
	} {
		wantRows(t, run(t, rt, &plan.Limit{Input: in.node(), Count: c.count, Offset: c.offset}), c.want...)
	}
	op, err := Build(&plan.Limit{Input: in.node(), Count: lit(i(-1), intT)}, rt)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, op.Open(t.Context()), sqlerr.WrongArguments)
	if err := op.Close(); err != nil {
		t.Error(err)
	}
	wantRows(t, run(t, rt, &plan.Union{All: []plan.Node{in.node(), relation{t: in.t}.node(), in.node()}}),
		"1|a", "2|NULL", "NULL|c", "4|d", "1|a", "2|NULL", "NULL|c", "4|d")
}

func TestSubqueries(t *testing.T) {
	t.Parallel()
	query := func(values ...types.Value) *plan.Plan {
		r := relation{t: []types.Type{intT}}
		for _, v := range values {
			r.rows = append(r.rows, []types.Value{v})
		}
		return &plan.Plan{Root: r.node()}
	}
	// correlated has the rows of values that are greater than the outer value.
	correlated := func(values ...types.Value) *plan.Plan {
		p := query(values...)
		p.Root = &plan.Filter{Input: p.Root, Cond: compare(expr.GT, col(0, intT), &expr.Outer{Index: 0, T: intT, Null: true})}
		return p
	}
	for _, limit := range []int64{0, 1} {
		for _, c := range []struct {
			name  string
			kind  expr.SubqueryKind
			plan  *plan.Plan
			outer types.Value // of a correlated one
			left  types.Value
			want  types.Value
		}{
			{"scalar", expr.Scalar, query(i(5)), null, null, i(5)},
			{"scalar none", expr.Scalar, query(), null, null, null},
			{"exists", expr.Exists, query(null), null, null, i(1)},
			{"not exists", expr.Exists, query(), null, null, i(0)},
			{"in", expr.In, query(i(1), null, i(2)), null, i(2), i(1)},
			{"in null", expr.In, query(i(1), null), null, i(2), null},
			{"not in", expr.In, query(i(1), i(3)), null, i(2), i(0)},
			{"null in", expr.In, query(i(1)), null, null, null},
			{"null in none", expr.In, query(), null, null, i(0)},
			{"correlated", expr.Scalar, correlated(i(1), i(5)), i(3), null, i(5)},
			{"correlated exists", expr.Exists, correlated(i(1), i(5)), i(5), null, i(0)},
			{"correlated in", expr.In, correlated(i(1), i(5), i(6)), i(1), i(6), i(1)},
			{"correlated not in", expr.In, correlated(i(1), i(5), i(6)), i(5), i(5), i(0)},
		} {
			rt := runtime(t, limit)
			r := NewRunner(rt)
			q := &expr.Subquery{Kind: c.kind, Plan: c.plan, T: intT}
			if c.kind == expr.In {
				q.Left = []expr.Expr{col(0, intT)}
			}
			var outer []types.Value
			if !c.outer.IsNull() {
				q.Args, outer = []expr.Expr{col(0, intT)}, []types.Value{c.outer}
			}
			for range 2 {
				got, err := r.RunSubquery(t.Context(), q, outer, []types.Value{c.left})
				if err != nil || types.Compare(intT, got, c.want) != 0 {
					t.Errorf("%s: %v %v, want %v", c.name, got, err, c.want)
				}
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		rt := runtime(t, limit)
		r := NewRunner(rt)
		_, err := r.RunSubquery(t.Context(), &expr.Subquery{Kind: expr.Scalar, Plan: query(i(1), i(2)), T: intT}, nil, nil)
		wantKind(t, err, sqlerr.SubqueryNo1Row)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// endless yields the same rows for ever.
type endless struct{ b *types.Batch }

func (e *endless) Open(context.Context) error                     { return nil }
func (e *endless) Next(ctx context.Context) (*types.Batch, error) { return e.b, nil }
func (e *endless) Close() error                                   { return nil }

// TestCancellation ends operators that would run for ever, or long.
func TestCancellation(t *testing.T) {
	t.Parallel()
	b := types.NewBatch([]types.Type{intT})
	rng := rand.New(rand.NewPCG(13, 14))
	for range types.BatchRows {
		b.AppendRow([]types.Value{i(rng.Int64())})
	}
	key := []expr.Expr{col(0, intT)}
	in := relation{t: []types.Type{intT}}.node()
	for name, n := range map[string]plan.Node{
		"sort":      &plan.Sort{Input: in, Keys: []plan.SortKey{{Expr: key[0]}}},
		"top":       &plan.Sort{Input: in, Keys: []plan.SortKey{{Expr: key[0]}}, Limit: lit(i(10), intT)},
		"aggregate": &plan.Aggregate{Input: in, GroupBy: key, Aggs: []*expr.Aggregate{aggregateOf(t, expr.Count, false)}},
		"ordered":   &plan.Aggregate{Input: in, Ordered: true, GroupBy: []expr.Expr{lit(i(1), intT)}, Aggs: []*expr.Aggregate{aggregateOf(t, expr.Count, false)}},
		"distinct":  &plan.Distinct{Input: in},
		"window":    &plan.Window{Input: in, Funcs: []*expr.Window{{Func: expr.RowNumber, T: types.Uint64Type}}},
		"filter":    &plan.Filter{Input: in, Cond: compare(expr.EQ, key[0], lit(i(0), intT))},
		"join":      &plan.HashJoin{Kind: plan.Anti, Left: in, Right: in, LeftKeys: key, RightKeys: key},
		"loop":      &plan.LoopJoin{Kind: plan.Inner, Left: in, Right: in},
	} {
		t.Run(name, func(t *testing.T) {
			rt := runtime(t, 1<<20)
			op, err := Build(n, rt)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			rt.Env.Context = ctx
			replaceInputs(op, &endless{b})
			var stopped time.Time
			time.AfterFunc(50*time.Millisecond, func() {
				stopped = time.Now()
				cancel()
			})
			err = op.Open(ctx)
			for err == nil {
				_, err = op.Next(ctx)
			}
			if took := time.Since(stopped); took > time.Second {
				t.Errorf("took %v to stop", took)
			}
			wantKind(t, err, sqlerr.Interrupted)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v does not wrap context.Canceled", err)
			}
			if err := op.Close(); err != nil {
				t.Error(err)
			}
			if used := rt.memory().used; used != 0 {
				t.Errorf("%d bytes are still counted after Close", used)
			}
		})
	}
}

func replaceInputs(op, in Operator) {
	switch op := op.(type) {
	case *window:
		op.input = in
	case *sortOp:
		op.input = in
	case *aggregate:
		op.input = in
	case *orderedAggregate:
		op.input = in
	case *distinct:
		op.input = in
	case *filter:
		op.Operator = in
	case *hashJoin:
		op.left, op.right = in, in
	case *loopJoin:
		op.left, op.right = in, in
	default:
		panic(fmt.Sprintf("%T", op))
	}
}
