package exec

import (
	"math"

	"vitess.io/vitess/go/mysql/decimal"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// place tells how a value that was converted to a column's type lies to the
// value itself, which may be between two of the column's or outside of them.
type place uint8

const (
	exact   place = iota // equal
	floor                // the column's greatest value below it
	ceiling              // the column's least value above it
	over                 // it is above all of the column's: there is no converted value
	under                // it is below all
	nowhere              // it equals none and has no order among them
)

// bound converts the values of an expression to a column's type.
type bound struct {
	expr  expr.Expr  // as given, or cast to the type in which it is compared
	from  types.Type // expr's
	to    types.Type // the column's
	exact bool       // it is compared as types.ExactNumber has it
}

// newBound returns the bound that e is for a column of type to.
func newBound(e expr.Expr, to types.Type) (bound, error) {
	from := e.Type()
	b := bound{expr: e, from: from, to: to, exact: expr.ExactBound(e, to)}
	if from.Kind == types.Null || from == to {
		return b, nil
	}
	cmp := expr.CompareType(to, from)
	ok := false
	switch {
	case to.IsInteger(), to.IsFloat(), to.Kind == types.Decimal, to.Kind == types.Bit, to.Kind == types.Year:
		ok = from.IsNumeric() || from.IsString()
		if !from.IsNumeric() && !b.exact {
			b.expr = expr.CastTo(e, types.Float64Type)
		}
	case to.IsText():
		ok = from.IsText() && cmp.Collation == to.Collation
	case to.IsBinary():
		ok = from.IsString()
	case to.Kind == types.Enum:
		ok = from.IsString() || from.IsNumeric()
	case to.Kind == types.Set:
		ok = from.IsNumeric()
	case to.Kind == types.UUID:
		ok = true
		b.expr = expr.CastTo(e, cmp)
	case to.Kind == types.Time:
		ok = cmp.Kind == types.Time
		b.expr = expr.CastTo(e, cmp)
	case to.IsTemporal():
		ok = cmp.IsTemporal() && cmp.Kind != types.Time || to.Kind == types.Date && cmp.IsNumeric()
		if !dateLike(from) && cmp.IsTemporal() {
			b.expr = expr.DateBound(e, cmp)
		}
	}
	if !ok {
		return b, sqlerr.Internal.New("a value of type %v cannot bound an index on %v", from.Kind, to.Kind)
	}
	b.from = b.expr.Type()
	return b, nil
}

func dateLike(t types.Type) bool { return t.IsTemporal() && t.Kind != types.Time }

// eval returns the expression's value for the current execution.
func (b *bound) eval(env *expr.Env) (types.Value, error) {
	switch e := b.expr.(type) {
	case *expr.Param:
		return env.Params[e.Index], nil
	case *expr.Outer:
		return env.Outer[e.Index], nil
	}
	return expr.EvalConst(env, b.expr)
}

// convert returns a value of b.from, not NULL, in the column's type.
func (b *bound) convert(v types.Value) (types.Value, place) {
	to, from := b.to, b.from
	if b.exact {
		from, v = types.ExactNumber(from, v, to)
	}
	switch {
	case to.Kind == types.Enum && !from.IsNumeric():
		return enumMember(v, to)
	case to.IsInteger(), to.Kind == types.Bit, to.Kind == types.Year, to.Kind == types.Enum, to.Kind == types.Set:
		return toInteger(v, from, to)
	case to.Kind == types.Decimal:
		return toDecimal(v, from, to)
	case to.IsFloat():
		return toFloat(v, from, to)
	case dateLike(to) && !from.IsTemporal():
		return numberToDate(v, from)
	case to.IsTemporal():
		return toTemporal(v, to)
	}
	return v, exact
}

// toInteger converts a number to a type held as an integer.
func toInteger(v types.Value, from, to types.Type) (types.Value, place) {
	lo, hi := integerRange(to)
	switch v.Physical() {
	case types.PhysInt64:
		if from.Kind == types.Decimal {
			break
		}
		switch x := v.Int(); {
		case x < lo:
			return v, under
		case x > 0 && uint64(x) > hi:
			return v, over
		}
		return integerValue(v.Uint(), to), exact
	case types.PhysUint64:
		if v.Uint() > hi {
			return v, over
		}
		return integerValue(v.Uint(), to), exact
	}
	d := numberValue(v, from)
	w := d.Truncate(0)
	p := placed(w, d)
	switch {
	case w.Cmp(decimal.NewFromInt(lo)) < 0, w.Sign() == 0 && d.Sign() < 0 && lo == 0:
		return v, under
	case w.Cmp(decimal.NewFromUint(hi)) > 0:
		return v, over
	}
	if u, ok := w.Uint64(); ok {
		return integerValue(u, to), p
	}
	i, _ := w.Int64()
	return integerValue(uint64(i), to), p
}

// placed returns the place of d once truncated to w.
func placed(w, d decimal.Decimal) place {
	return [...]place{floor, exact, ceiling}[w.Cmp(d)+1]
}

func integerValue(bits uint64, t types.Type) types.Value {
	if t.Physical() == types.PhysUint64 {
		return types.NewUint(bits)
	}
	return types.NewInt(int64(bits))
}

// integerRange returns the least and the greatest value of a type held as an
// integer.
func integerRange(t types.Type) (lo int64, hi uint64) {
	switch {
	case t.IsInteger():
		return t.IntegerRange()
	case t.Physical() == types.PhysUint64:
		return 0, math.MaxUint64
	}
	return math.MinInt64, math.MaxInt64
}

// numberValue returns a number as a decimal; a float as the shortest decimal
// that reads as it.
func numberValue(v types.Value, t types.Type) decimal.Decimal {
	switch v.Physical() {
	case types.PhysInt64:
		if t.Kind == types.Decimal {
			return decimal.New(v.Int(), int32(-t.Scale))
		}
		return decimal.NewFromInt(v.Int())
	case types.PhysUint64:
		return decimal.NewFromUint(v.Uint())
	case types.PhysFloat64:
		return decimal.NewFromFloat(v.Float())
	}
	d, _ := decimal.NewFromMySQL(v.Bytes())
	return d
}

// toDecimal converts a number to a DECIMAL.
func toDecimal(v types.Value, from, to types.Type) (types.Value, place) {
	d := numberValue(v, from)
	limit := decimal.New(1, int32(to.Size-to.Scale))
	switch {
	case d.Cmp(limit) >= 0:
		return v, over
	case d.Cmp(limit.Neg()) <= 0:
		return v, under
	}
	w := d.Truncate(int32(to.Scale))
	p := placed(w, d)
	if to.Physical() == types.PhysInt64 {
		i, _ := w.Mul(decimal.New(1, int32(to.Scale))).Int64()
		return types.NewInt(i), p
	}
	text := w.FormatMySQL(int32(to.Scale))
	if w.Sign() == 0 && text[0] == '-' {
		text = text[1:]
	}
	return types.NewBytes(text), p
}

// toFloat converts a number to FLOAT or DOUBLE; it is compared as a double.
func toFloat(v types.Value, from, to types.Type) (types.Value, place) {
	var f float64
	switch v.Physical() {
	case types.PhysFloat64:
		f = v.Float()
	default:
		f, _ = numberValue(v, from).Float64()
	}
	if to.Kind == types.Double {
		return types.NewFloat(f), exact
	}
	single := float64(float32(f))
	switch {
	case math.IsInf(single, 1):
		return v, over
	case math.IsInf(single, -1):
		return v, under
	case single < f:
		return types.NewFloat(single), floor
	case single > f:
		return types.NewFloat(single), ceiling
	}
	return types.NewFloat(f), exact
}

// The bits of a packed datetime below the day, and below the second.
const (
	timeBits     = 41
	fractionBits = 24
)

// toTemporal cuts a packed value of a comparable type to a column's precision.
func toTemporal(v types.Value, to types.Type) (types.Value, place) {
	x := v.Int()
	cut := x
	unit := int64(math.Pow10(6 - max(0, to.Scale)))
	switch to.Kind {
	case types.Date:
		cut = x >> timeBits << timeBits
	case types.Time:
		cut = x - (x%unit+unit)%unit
	default:
		cut = x - x&(1<<fractionBits-1)%unit
	}
	if cut == x {
		return v, exact
	}
	return types.NewInt(cut), floor
}

// numberToDate converts a number of the form YYYYMMDD to the DATE that prints
// so, or the last one that prints as a smaller number.
func numberToDate(v types.Value, from types.Type) (types.Value, place) {
	d := numberValue(v, from)
	if d.Sign() < 0 {
		return v, under
	}
	w := d.Truncate(0)
	n, ok := w.Int64()
	if !ok || n > 9999_12_31 {
		return v, over
	}
	p := placed(w, d)
	year, month, day := n/10000, n/100%100, n%100
	if month > 12 {
		month, day, p = 12, 31, floor
	}
	if day > 31 {
		day, p = 31, floor
	}
	return types.NewInt(((year*13+month)<<5 | day) << timeBits), p
}

// enumMember returns the index of the ENUM member that equals a text.
func enumMember(v types.Value, to types.Type) (types.Value, place) {
	text := to
	text.Kind, text.Members = types.VarChar, nil
	if to.Members != nil {
		for i, name := range to.Members.Names {
			if types.Compare(text, types.NewString(name), v) == 0 {
				return types.NewUint(uint64(i + 1)), exact
			}
		}
	}
	if len(v.Bytes()) == 0 {
		return types.NewUint(0), exact // the value for errors shows as ''
	}
	return v, nowhere
}

// Point returns the values of columns, of t, that equal some expressions, in the
// columns' types. It reports false when no row can have them.
func Point(env *expr.Env, t *schema.Table, list []plan.Equality) (values []types.Value, ok bool, err error) {
	for _, e := range list {
		b, err := newBound(e.Value, t.Columns[e.Column].Type)
		if err != nil {
			return nil, false, err
		}
		v, p, err := b.place(env, e.Null)
		if err != nil || p != exact {
			return nil, false, err
		}
		values = append(values, v)
	}
	return values, true, nil
}
