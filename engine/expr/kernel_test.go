package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/collations/colldata"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/types"
)

// columnTypes are the operand types that kernels are tested with.
var columnTypes = []types.Type{
	{Kind: types.TinyInt, Size: -1}, {Kind: types.Int, Size: -1}, types.Int64Type, types.Uint64Type, types.Float64Type,
	types.DecimalType(5, 0), types.DecimalType(10, 2), types.DecimalType(18, 6), types.DecimalType(30, 5),
	types.TextType, types.BytesType, temporalType(types.Date, 0), temporalType(types.DateTime, 0), temporalType(types.DateTime, 3),
	temporalType(types.Time, 0),
}

// randomValue returns a value of t, small ones and extremes more often.
func randomValue(r *rand.Rand, t types.Type) types.Value {
	small := r.IntN(4) != 0
	switch {
	case r.IntN(6) == 0:
		return types.Value{}
	case t.Kind == types.TinyInt:
		return types.NewInt(int64(int8(r.Uint64())))
	case t.Kind == types.Date:
		return types.NewInt(types.PackDate(1970+r.IntN(100), 1+r.IntN(12), 1+r.IntN(28)))
	case t.Kind == types.DateTime:
		us := 0
		if t.Scale == 3 {
			us = r.IntN(1000) * 1000
		}
		return types.NewInt(types.PackDateTime(1970+r.IntN(2), 1+r.IntN(2), 1+r.IntN(3), r.IntN(24), r.IntN(60), r.IntN(60), us))
	case t.Kind == types.Time:
		return types.NewInt((r.Int64N(200*3600) - 100*3600) * microsPerSecond)
	case t.Kind == types.Int:
		if small {
			return types.NewInt(r.Int64N(20) - 10)
		}
		return types.NewInt(int64(int32(r.Uint64())))
	case t.Kind == types.Decimal && t.Physical() == types.PhysInt64:
		limit := pow10[t.Size]
		if small {
			limit = min(limit, 10*pow10[t.Scale])
		}
		return types.NewInt(r.Int64N(2*limit-1) - limit + 1)
	case t.Kind == types.Decimal:
		n := r.Int64N(1e12) - 5e11
		return types.NewBytes(types.AppendText(nil, types.DecimalType(18, t.Scale), types.NewInt(n)))
	case t.Physical() == types.PhysInt64:
		if small {
			return types.NewInt(r.Int64N(20) - 10)
		}
		return types.NewInt([]int64{math.MinInt64, math.MaxInt64, int64(r.Uint64()), 1 << 32}[r.IntN(4)])
	case t.Physical() == types.PhysUint64:
		if small {
			return types.NewUint(r.Uint64N(20))
		}
		return types.NewUint([]uint64{math.MaxUint64, 1 << 63, r.Uint64()}[r.IntN(3)])
	case t.Physical() == types.PhysFloat64:
		if small {
			return types.NewFloat(float64(r.IntN(20)-10) / 4)
		}
		return types.NewFloat((r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(30))))
	}
	return types.NewString([]string{"", "a", "b", "ab", "1", "2", "-3.5", "10", "zz", "é"}[r.IntN(10)])
}

func randomBatch(r *rand.Rand, ts []types.Type, rows int) *types.Batch {
	b := types.NewBatch(ts)
	for range rows {
		row := make([]types.Value, len(ts))
		for i, t := range ts {
			row[i] = randomValue(r, t)
		}
		b.AppendRow(row)
	}
	return b
}

// viaEvalengine returns e's top node evaluated by evalengine, with e's type.
func viaEvalengine(t *testing.T, e Expr, tmpl sqlparser.Expr) Expr {
	t.Helper()
	args := e.Children()
	c, err := newCall("test", args, tmpl)
	if err != nil {
		t.Fatal(err)
	}
	n := *c.(*Call)
	n.T = e.Type()
	return &n
}

func offset(i int) sqlparser.Expr { return &sqlparser.Offset{V: i} }

// outcome is the value of each row evaluated alone, or "error".
func outcome(t *testing.T, e Expr, b *types.Batch) []string {
	t.Helper()
	out := make([]string, b.Len)
	for i := range b.Len {
		one := &types.Batch{Len: 1}
		for _, c := range b.Columns {
			v := types.NewVector(c.Type, 1)
			v.AppendFrom(c, i)
			one.Columns = append(one.Columns, v)
		}
		ev, err := NewEvaluator(testEnv(), e)
		if err != nil {
			out[i] = "error"
			continue
		}
		v, err := ev.Eval(one)
		if err != nil {
			out[i] = "error"
			continue
		}
		out[i] = valueText(v[0].Value(0), e.Type())
	}
	return out
}

// TestKernelsAgree compares arithmetic and comparison kernels with evalengine
// over random rows, column with column and column with constant, row by row and
// as whole batches.
func TestKernelsAgree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	check := func(e Expr, tmpl sqlparser.Expr, b *types.Batch) {
		want := outcome(t, viaEvalengine(t, e, tmpl), b)
		got := outcome(t, e, b)
		failing := false
		for i := range got {
			if got[i] == "error" {
				failing = true
			}
			if got[i] != want[i] && !closeFloats(e, got[i], want[i]) {
				var row []string
				for _, c := range b.Columns {
					row = append(row, typeText(c.Type)+" "+valueText(c.Value(i), c.Type))
				}
				t.Errorf("%s of %s over %v: %s, evalengine %s", e, typeText(e.Type()), row, got[i], want[i])
				return
			}
		}
		ev, err := NewEvaluator(testEnv(), e)
		if err != nil {
			return // a constant that does not convert
		}
		for range 2 { // the second time over used scratch
			v, err := ev.Eval(b)
			if (err != nil) != failing {
				t.Errorf("%s: the batch's error is %v", e, err)
			}
			if err != nil {
				return
			}
			for i := range got {
				if s := valueText(v[0].Value(i), e.Type()); s != got[i] {
					t.Errorf("%s: row %d is %s in the batch, %s alone", e, i, s, got[i])
					return
				}
			}
		}
		ev.Short(0)
		ev.roots = nil
		v, err := ev.Eval(b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if s := valueText(v[0].Value(i), v[0].Type); s != got[i] {
				t.Errorf("%s: row %d is %s in short form, %s else", e, i, s, got[i])
				return
			}
		}
	}
	const rows = 24
	for _, lt := range columnTypes {
		for _, rt := range columnTypes {
			b := randomBatch(r, []types.Type{lt, rt}, rows)
			l := &Column{Index: 0, Name: "l", T: lt, Null: true}
			col := &Column{Index: 1, Name: "r", T: rt, Null: true}
			lit := &Literal{Value: b.Columns[1].Value(0).Clone(), T: rt}
			for _, pair := range [][2]Expr{{l, col}, {l, lit}, {lit, l}} {
				for vop, op := range arithOps {
					if skipArith(op, pair[0].Type(), pair[1].Type()) {
						continue
					}
					e := &Arith{Op: op, L: pair[0], R: pair[1], T: arithType(op, pair[0], pair[1])}
					check(e, &sqlparser.BinaryExpr{Operator: vop, Left: offset(0), Right: offset(1)}, b)
				}
				if skipCompare(pair[0].Type(), pair[1].Type()) {
					continue
				}
				for vop, op := range compareOps {
					e := &Compare{Op: op, L: pair[0], R: pair[1], Collation: mustCollate(t, pair[0], pair[1])}
					check(e, &sqlparser.ComparisonExpr{Operator: vop, Left: offset(0), Right: offset(1)}, b)
				}
			}
		}
	}
}

// TestShort evaluates products and sums of decimals whose batches are short, or not.
func TestShort(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 12))
	dec := types.DecimalType(15, 2)
	arith := func(op ArithOp, l, r Expr) Expr { return &Arith{Op: op, L: l, R: r, T: arithType(op, l, r)} }
	price, share := &Column{Index: 0, Name: "p", T: dec, Null: true}, &Column{Index: 1, Name: "s", T: dec, Null: true}
	one := &Literal{Value: types.NewInt(1), T: types.Int64Type}
	product := arith(Mul, price, arith(Sub, one, share))
	short, long := 0, 0
	for _, e := range []Expr{product, arith(Mul, product, arith(Add, share, one)), arith(Sub, product, arith(Mul, share, one)), arith(Add, price, product)} {
		for digits := 1; digits <= 15; digits++ {
			b := types.NewBatch([]types.Type{dec, dec})
			for range 50 {
				row := []types.Value{types.NewInt(r.Int64N(2*pow10[digits]) - pow10[digits]), types.NewInt(r.Int64N(2*pow10[digits]) - pow10[digits])}
				if r.IntN(8) == 0 {
					row[r.IntN(2)] = types.Value{}
				}
				b.AppendRow(row)
			}
			want := outcome(t, e, b)
			ev, err := NewEvaluator(testEnv(), e)
			if err != nil {
				t.Fatal(err)
			}
			ev.Short(0)
			for range 2 {
				v, err := ev.Eval(b)
				if err != nil {
					t.Fatal(err)
				}
				if v[0].Type.Physical() == types.PhysInt64 {
					short++
				} else {
					long++
				}
				for i := range want {
					if got := valueText(v[0].Value(i), v[0].Type); got != want[i] {
						t.Fatalf("%s of %d digits: row %d is %s, alone %s", e, digits, i, got, want[i])
					}
				}
			}
		}
	}
	if short == 0 || long == 0 {
		t.Errorf("%d batches were short, %d not", short, long)
	}
}

// skipArith tells where evalengine departs from MySQL 8.
func skipArith(op ArithOp, l, r types.Type) bool {
	switch {
	case op == IntDiv || op == Mod:
		// DIV's sign by operand; temporals; text operands as decimals.
		return l.Unsigned || r.Unsigned || !isExact(l) || !isExact(r)
	case op == Mul && (l.Unsigned || r.Unsigned):
		return true // it misses overflows
	case l.IsTemporal() || r.IsTemporal():
		return true
	}
	return false
}

func skipCompare(l, r types.Type) bool {
	return l.IsTemporal() != r.IsTemporal() || l.IsTemporal() && l.Kind != r.Kind
}

// closeFloats allows for the order of conversions among floats.
func closeFloats(e Expr, a, b string) bool {
	if !e.Type().IsFloat() {
		return false
	}
	var x, y float64
	if _, err := fmt.Sscan(a, &x); err != nil {
		return false
	}
	if _, err := fmt.Sscan(b, &y); err != nil {
		return false
	}
	return math.Abs(x-y) <= 1e-9*math.Max(math.Abs(x), math.Abs(y))
}

// TestInListAgrees compares IN with the OR of comparisons that it stands for.
func TestInListAgrees(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for _, lt := range columnTypes {
		for _, rt := range columnTypes {
			if skipCompare(lt, rt) {
				continue
			}
			b := randomBatch(r, []types.Type{lt, rt}, 40)
			left := &Column{Index: 0, Name: "l", T: lt, Null: true}
			var items []Expr
			or := &Or{}
			for i := range 6 {
				item := &Literal{Value: b.Columns[1].Value(i).Clone(), T: rt}
				if i == 0 {
					item = &Literal{Value: b.Columns[0].Value(7).Clone(), T: lt}
				}
				items = append(items, item)
				or.Args = append(or.Args, &Compare{Op: EQ, L: left, R: item, Collation: mustCollate(t, left, item)})
			}
			in, err := newInList(left, items)
			if err != nil {
				t.Fatal(err)
			}
			got, want := outcome(t, in, b), outcome(t, or, b)
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%s over %s: %s, want %s", in, valueText(b.Columns[0].Value(i), lt), got[i], want[i])
					break
				}
			}
		}
	}
}

// TestCastsAgree compares conversions to decimals with evalengine's CAST.
func TestCastsAgree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	to := []types.Type{
		types.DecimalType(30, 4), types.DecimalType(18, 2), types.DecimalType(40, 20), types.Float64Type, types.TextType,
	}
	for _, from := range columnTypes {
		if from.IsTemporal() || from.IsString() {
			continue
		}
		b := randomBatch(r, []types.Type{from}, 60)
		col := &Column{Index: 0, Name: "c", T: from, Null: true}
		for _, t2 := range to {
			if from == t2 || from.IsFloat() && t2.Kind == types.Decimal {
				continue // the second loses its fraction there
			}
			conv := &sqlparser.ConvertType{Type: "double"}
			switch {
			case t2.Kind == types.Decimal:
				conv = &sqlparser.ConvertType{Type: "decimal", Length: &t2.Size, Scale: &t2.Scale}
			case t2.IsText():
				conv = &sqlparser.ConvertType{Type: "char"}
			}
			e := CastTo(col, t2)
			got, want := outcome(t, e, b), outcome(t, viaEvalengine(t, e, &sqlparser.CastExpr{Expr: offset(0), Type: conv}), b)
			for i := range got {
				if got[i] != want[i] && got[i] != "error" && !closeFloats(e, got[i], want[i]) {
					t.Errorf("%s of %s as %s: %s, want %s", typeText(from), valueText(b.Columns[0].Value(i), from), typeText(t2), got[i], want[i])
					break
				}
			}
		}
	}
}

func mustCollate(t *testing.T, l, r Expr) collations.ID {
	t.Helper()
	id, err := collateForCompare("=", l, r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestLikeAgrees compares LIKE under bytes order with Vitess's matcher.
func TestLikeAgrees(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(13, 14))
	text := func(letters string, n int) string {
		all := []rune(letters)
		s := make([]rune, r.IntN(n))
		for i := range s {
			s[i] = all[r.IntN(len(all))]
		}
		return string(s)
	}
	coll := colldata.Lookup(types.TextType.Collation)
	for range 20_000 {
		s, p := text("aabé", 12), text("aabé%%%", 9)
		if r.IntN(4) == 0 {
			p = text("ab%_\\", 6)
		}
		ev, err := NewEvaluator(testEnv(), &Like{Expr: &Literal{Value: types.NewString(s), T: types.TextType},
			Pattern: &Literal{Value: types.NewString(p), T: types.TextType}, Escape: '\\', Collation: types.TextType.Collation})
		if err != nil {
			t.Fatal(err)
		}
		v, err := ev.Eval(&types.Batch{Len: 1})
		if err != nil {
			t.Fatal(err)
		}
		if want := coll.Wildcard([]byte(p), '_', '%', '\\').Match([]byte(s)); v[0].Int64s[0] != bit(want) {
			t.Fatalf("%q LIKE %q: %d, Vitess's %v", s, p, v[0].Int64s[0], want)
		}
	}
}
