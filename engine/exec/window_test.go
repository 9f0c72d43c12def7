package exec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// windowTypes are the columns of the windows' tests: partition, order, integer,
// text, double.
var windowTypes = []types.Type{intT, intT, intT, textT, types.Float64Type}

// windowRelation returns rows of some partitions, in no order.
func windowRelation(rng *rand.Rand, n, partitions, keys int) relation {
	in := relation{t: windowTypes}
	for range n {
		row := []types.Value{i(rng.Int64N(int64(partitions))), i(rng.Int64N(int64(keys))), i(rng.Int64N(2000) - 1000),
			s(strings.Repeat("x", rng.IntN(9)) + strconv.Itoa(rng.IntN(100))), f(float64(rng.IntN(64)) / 4)}
		for c := range row {
			if rng.IntN(12) == 0 {
				row[c] = null
			}
		}
		in.rows = append(in.rows, row)
	}
	return in
}

func literal(n int) expr.Expr { return lit(i(int64(n)), intT) }

// randomFrame returns a frame over the order key; nil at times.
func randomFrame(rng *rand.Rand, desc bool) *expr.Frame {
	if rng.IntN(8) == 0 {
		return nil
	}
	unit := rng.IntN(3)
	fr := &expr.Frame{Rows: unit == 0, Groups: unit == 1}
	key := col(1, intT)
	far := []int{3, 40, 900}[rng.IntN(3)]
	for {
		for _, b := range []*expr.Bound{&fr.Start, &fr.End} {
			*b = expr.Bound{Kind: expr.BoundKind(rng.IntN(5))}
			if b.Kind != expr.Preceding && b.Kind != expr.Following {
				continue
			}
			b.Offset = literal(rng.IntN(far))
			if fr.Rows || fr.Groups {
				continue
			}
			op := expr.Add
			if (b.Kind == expr.Preceding) != desc {
				op = expr.Sub
			}
			fr.Key, b.Limit = key, &expr.Arith{Op: op, L: key, R: b.Offset, T: intT}
		}
		if fr.Start.Kind <= fr.End.Kind && fr.Start.Kind != expr.UnboundedFollowing && fr.End.Kind != expr.UnboundedPreceding {
			return fr
		}
	}
}

// naiveFrame returns the rows of part, in order, that are in row r's frame, by
// what a frame is defined to be.
func naiveFrame(fr *expr.Frame, desc bool, part [][]types.Value, r int) (rows [][]types.Value) {
	distance := func(b expr.Bound) int64 {
		n := int64(0)
		if b.Offset != nil {
			n = b.Offset.(*expr.Literal).Value.Int()
		}
		if b.Kind == expr.Preceding {
			n = -n
		}
		return n
	}
	groups := make([]int64, len(part)) // the number of each row's group of peers
	for i := 1; i < len(part) && fr != nil && fr.Groups; i++ {
		groups[i] = groups[i-1]
		if types.Compare(intT, part[i-1][1], part[i][1]) != 0 {
			groups[i]++
		}
	}
	// after tells how far row k comes after row r.
	within := func(k int, b expr.Bound, sign int64) bool {
		if b.Kind == expr.UnboundedPreceding || b.Kind == expr.UnboundedFollowing {
			return true
		}
		if fr.Rows {
			return (int64(k-r)-distance(b))*sign >= 0
		}
		if fr.Groups {
			return (groups[k]-groups[r]-distance(b))*sign >= 0
		}
		x, y := part[k][1], part[r][1]
		if x.IsNull() || y.IsNull() {
			d := int64(types.Compare(intT, x, y))
			if desc {
				d = -d
			}
			return d*sign >= 0
		}
		d := x.Int() - y.Int()
		if desc {
			d = -d
		}
		return (d-distance(b))*sign >= 0
	}
	for k := range part {
		if fr == nil || within(k, fr.Start, 1) && within(k, fr.End, -1) {
			rows = append(rows, part[k])
		}
	}
	return rows
}

// naiveAggregate computes a function of a column's values.
func naiveAggregate(fn expr.AggFunc, rows [][]types.Value, c int) string {
	var list []types.Value
	for _, row := range rows {
		if !row[c].IsNull() {
			list = append(list, row[c])
		}
	}
	t := windowTypes[c]
	order := func(a, b types.Value) int { return types.Compare(t, a, b) }
	text := func(v types.Value) string { return string(types.AppendText(nil, t, v)) }
	if fn == expr.Count {
		return strconv.Itoa(len(list))
	}
	if fn == expr.BitXor {
		var x uint64
		for _, v := range list {
			x ^= uint64(v.Int())
		}
		return strconv.FormatUint(x, 10)
	}
	if fn == expr.JSONArrayAgg {
		var parts []string
		for _, row := range rows {
			parts = append(parts, string(types.AppendJSON(nil, t, row[c])))
		}
		if parts == nil {
			return "NULL"
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if len(list) == 0 {
		return "NULL"
	}
	switch fn {
	case expr.Min:
		return text(slices.MinFunc(list, order))
	case expr.Max:
		return text(slices.MaxFunc(list, order))
	}
	var sum, squares float64
	for _, v := range list {
		x := v.Float()
		if t == intT {
			x = float64(v.Int())
		}
		sum += x
		squares += x * x
	}
	n := float64(len(list))
	if fn == expr.VarPop {
		return fmt.Sprintf("%.6f", math.Abs(squares/n-sum*sum/n/n))
	}
	return string(types.AppendText(nil, types.Float64Type, f(sum)))
}

// naiveWindow returns the values of w for the rows of a partition.
func naiveWindow(w *expr.Window, desc bool, part [][]types.Value) []string {
	same := func(a, b int) bool { return types.Equal(intT, part[a][1], part[b][1]) }
	out := make([]string, len(part))
	for r := range part {
		first, last, groups := r, r, 1
		for first > 0 && same(first-1, r) {
			first--
		}
		for last+1 < len(part) && same(last+1, r) {
			last++
		}
		for k := 1; k <= r; k++ {
			if !same(k, k-1) {
				groups++
			}
		}
		cell := func(row [][]types.Value, at int) string {
			if at < 0 || at >= len(row) || row[at][2].IsNull() {
				return "NULL"
			}
			return strconv.FormatInt(row[at][2].Int(), 10)
		}
		n := 1
		if w.N != nil {
			n = int(w.N.(*expr.Literal).Value.Int())
		}
		switch w.Func {
		case expr.RowNumber:
			out[r] = strconv.Itoa(r + 1)
		case expr.Rank:
			out[r] = strconv.Itoa(first + 1)
		case expr.DenseRank:
			out[r] = strconv.Itoa(groups)
		case expr.PercentRank:
			out[r] = string(types.AppendText(nil, types.Float64Type, f(float64(first)/float64(max(1, len(part)-1)))))
		case expr.CumeDist:
			out[r] = string(types.AppendText(nil, types.Float64Type, f(float64(last+1)/float64(len(part)))))
		case expr.Ntile:
			// Bucket b has rows from the sum of the sizes of those before.
			for b, from := 0, 0; from <= r; b++ {
				size := len(part) / n
				if b < len(part)%n {
					size++
				}
				from += size
				out[r] = strconv.Itoa(b + 1)
			}
		case expr.Lag:
			out[r] = cell(part, r-n)
		case expr.Lead:
			out[r] = cell(part, r+n)
			if r+n >= len(part) {
				out[r] = strconv.Itoa(-5)
			}
		case expr.FirstValue:
			out[r] = cell(naiveFrame(w.Frame, desc, part, r), 0)
		case expr.LastValue:
			rows := naiveFrame(w.Frame, desc, part, r)
			out[r] = cell(rows, len(rows)-1)
		case expr.NthValue:
			out[r] = cell(naiveFrame(w.Frame, desc, part, r), n-1)
		default:
			out[r] = naiveAggregate(w.Func, naiveFrame(w.Frame, desc, part, r), w.Args[0].(*expr.Column).Index)
		}
	}
	return out
}

// randomWindow returns a function over a random frame.
func randomWindow(t *testing.T, rng *rand.Rand, order []expr.SortKey) *expr.Window {
	t.Helper()
	w := &expr.Window{Partition: []expr.Expr{col(0, intT)}, Order: order, Null: true, T: intT}
	desc := order[0].Desc
	value := []expr.Expr{col(2, intT)}
	aggregates := []struct {
		f expr.AggFunc
		c int
	}{{expr.Count, 2}, {expr.Sum, 2}, {expr.Sum, 4}, {expr.Min, 2}, {expr.Max, 4}, {expr.Max, 3}, {expr.Min, 3}, {expr.BitXor, 2}, {expr.VarPop, 4}, {expr.JSONArrayAgg, 2}}
	switch k := rng.IntN(21); k {
	case 0, 1, 2, 3, 4:
		w.Func = []expr.AggFunc{expr.RowNumber, expr.Rank, expr.DenseRank, expr.PercentRank, expr.CumeDist}[k]
		if w.T = types.Uint64Type; k > 2 {
			w.T = types.Float64Type
		}
	case 5:
		w.Func, w.N, w.T = expr.Ntile, literal(1+rng.IntN(50)), types.Uint64Type
	case 6:
		w.Func, w.N, w.Args = expr.Lag, literal(rng.IntN(500)), value
	case 7:
		w.Func, w.N, w.Args = expr.Lead, literal(rng.IntN(5)), append(value, literal(-5))
	case 8, 9, 10:
		w.Func, w.Args, w.Frame = []expr.AggFunc{expr.FirstValue, expr.LastValue, expr.NthValue}[k-8], value, randomFrame(rng, desc)
		if k == 10 {
			w.N = literal(1 + rng.IntN(30))
		}
	default:
		a := aggregates[k-11]
		agg := aggregateOf(t, a.f, false, col(a.c, windowTypes[a.c]))
		w.Func, w.Args, w.T, w.Frame = a.f, agg.Args, agg.T, randomFrame(rng, desc)
	}
	return w
}

// TestWindow compares random functions over random frames with what their
// definitions give, with memory and without.
func TestWindow(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(41, 42))
	for round := range 60 {
		n := []int{0, 1, 40, 300, 1500}[rng.IntN(5)]
		in := windowRelation(rng, n, 1+rng.IntN(4), []int{2, 30, 5000}[rng.IntN(3)])
		desc := rng.IntN(2) == 0
		order := []expr.SortKey{{Expr: col(1, intT), Desc: desc}}
		node := &plan.Window{Partition: []*expr.Column{col(0, intT)}, Order: order,
			Input: &plan.Sort{Input: in.node(), Keys: append([]expr.SortKey{{Expr: col(0, intT)}}, order...)}}
		for range 3 {
			node.Funcs = append(node.Funcs, randomWindow(t, rng, order))
		}
		rows := slices.Clone(in.rows)
		slices.SortStableFunc(rows, func(a, b []types.Value) int {
			if d := types.Compare(intT, a[0], b[0]); d != 0 {
				return d
			}
			if d := types.Compare(intT, a[1], b[1]); !desc {
				return d
			} else {
				return -d
			}
		})
		var want []string
		for from := 0; from < len(rows); {
			to := from + 1
			for to < len(rows) && types.Equal(intT, rows[from][0], rows[to][0]) {
				to++
			}
			part := rows[from:to]
			var cells [3][]string
			for k, w := range node.Funcs {
				cells[k] = naiveWindow(w, desc, part)
			}
			for r := range part {
				want = append(want, cells[0][r]+"|"+cells[1][r]+"|"+cells[2][r])
			}
			from = to
		}
		for _, limit := range []int64{0, 1} {
			got := run(t, runtime(t, limit), node)
			if len(got) != len(want) {
				t.Fatalf("round %d: %d rows, want %d", round, len(got), len(want))
			}
			for r := range got {
				cells := strings.Split(got[r], "|")[len(windowTypes):]
				for k, w := range node.Funcs {
					if x, err := strconv.ParseFloat(cells[k], 64); w.Func == expr.VarPop && err == nil {
						cells[k] = fmt.Sprintf("%.6f", math.Abs(x))
					}
				}
				if g := strings.Join(cells, "|"); g != want[r] {
					t.Fatalf("round %d, limit %d, row %d: %s, want %s\n%v", round, limit, r, g, want[r], node.Funcs)
				}
			}
		}
	}
}

// TestWindowSpills has a partition that takes many chunks on disk.
func TestWindowSpills(t *testing.T) {
	t.Parallel()
	in := windowRelation(rand.New(rand.NewPCG(43, 44)), 30000, 1, 1000000)
	order := []expr.SortKey{{Expr: col(1, intT)}}
	sum := aggregateOf(t, expr.Sum, false, col(2, intT))
	far := &expr.Frame{Rows: true, Start: expr.Bound{Kind: expr.Preceding, Offset: literal(9000)},
		End: expr.Bound{Kind: expr.Following, Offset: literal(7000)}}
	node := &plan.Window{Order: order, Input: &plan.Sort{Input: in.node(), Keys: order}, Funcs: []*expr.Window{
		{Func: expr.Sum, Args: sum.Args, T: sum.T, Order: order, Frame: far},
		{Func: expr.Max, Args: []expr.Expr{col(3, textT)}, T: textT, Order: order, Frame: far},
		{Func: expr.Lag, Args: []expr.Expr{col(2, intT)}, N: literal(12000), T: intT, Order: order},
		{Func: expr.CumeDist, T: types.Float64Type, Order: order},
	}}
	want := run(t, runtime(t, 0), node)
	for _, limit := range []int64{200 << 10, 1} {
		wantRows(t, run(t, runtime(t, limit), node), want...)
	}
}
