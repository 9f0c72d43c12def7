package expr

import (
	"slices"

	"vitess.io/vitess/go/mysql/collations"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// MySQL's limits of DECIMAL, and the digits that division adds to the scale.
const (
	maxPrecision   = 65
	maxScale       = 30
	divScaleDigits = 4
)

// decimalType returns DECIMAL(precision, scale) within MySQL's limits.
func decimalType(precision, scale int) types.Type {
	scale = min(scale, maxScale)
	return types.DecimalType(min(max(precision, scale, 1), maxPrecision), scale)
}

// digits returns the precision and scale that hold every value of a numeric or
// temporal type as a decimal.
func digits(t types.Type) (precision, scale int) {
	switch t.Kind {
	case types.Null:
		return 1, 0
	case types.TinyInt:
		return 3, 0
	case types.SmallInt:
		return 5, 0
	case types.MediumInt:
		return 8, 0
	case types.Int:
		return 10, 0
	case types.BigInt:
		if t.Unsigned {
			return 20, 0
		}
		return 19, 0
	case types.Bit:
		return 20, 0
	case types.Year:
		return 4, 0
	case types.Date:
		return 8, 0
	case types.Time:
		return 7 + t.Scale, t.Scale
	case types.DateTime, types.Timestamp:
		return 14 + t.Scale, t.Scale
	case types.Decimal:
		return t.Size, t.Scale
	}
	return maxPrecision, maxScale
}

// digitsOf is digits of e's type, or fewer where e is an integer literal.
func digitsOf(e Expr) (precision, scale int) {
	l, ok := e.(*Literal)
	if !ok || !l.T.IsInteger() || l.Value.IsNull() {
		return digits(numericType(e))
	}
	u := l.Value.Uint()
	if !l.T.Unsigned {
		u = magnitude(l.Value.Int())
	}
	for precision = 1; u >= 10; u /= 10 {
		precision++
	}
	return precision, 0
}

// magnitude is |v|, of math.MinInt64 too.
func magnitude(v int64) uint64 {
	if v < 0 {
		return uint64(-v)
	}
	return uint64(v)
}

// numericType returns the type of e where a number is wanted.
func numericType(e Expr) types.Type {
	t := e.Type()
	switch {
	case t.Kind == types.Null:
		return types.Int64Type
	case t.IsInteger():
		if t.Unsigned {
			return types.Uint64Type
		}
		return types.Int64Type
	case t.Kind == types.Bit, t.Kind == types.Year:
		return types.Uint64Type
	case t.Kind == types.Decimal:
		return t
	case t.IsTemporal():
		if t.Scale > 0 {
			return decimalType(digits(t))
		}
		return types.Int64Type
	}
	if l, ok := e.(*Literal); ok && l.Hex {
		return types.Uint64Type
	}
	if t.HasPlaces() {
		return types.DoubleWithPlaces(t.Scale)
	}
	return types.Float64Type
}

// commonPlaces returns the type of a DOUBLE that is computed of values of two types: it shows as many
// digits after the point as one of them, and more, where both have a certain number.
func commonPlaces(a, b types.Type, more int) types.Type {
	places := 0
	for _, t := range []types.Type{a, b} {
		switch {
		case t.HasPlaces(), t.Kind == types.Decimal:
			places = max(places, t.Scale)
		case !t.IsNumeric() || t.IsFloat():
			return types.Float64Type
		}
	}
	return types.DoubleWithPlaces(places + more)
}

// arithType returns the type of l op r by MySQL's rules.
func arithType(op ArithOp, l, r Expr) types.Type {
	lt, rt := numericType(l), numericType(r)
	unsigned := lt.Unsigned || rt.Unsigned
	if op == IntDiv {
		return integerType(unsigned)
	}
	if lt.IsFloat() || rt.IsFloat() {
		more := 0
		if op == Div {
			more = divScaleDigits
		}
		return commonPlaces(lt, rt, more)
	}
	lp, ls := digitsOf(l)
	rp, rs := digitsOf(r)
	if op == Div {
		return decimalType(lp+rs+divScaleDigits, ls+divScaleDigits)
	}
	if lt.Kind != types.Decimal && rt.Kind != types.Decimal {
		if op == Mod {
			unsigned = lt.Unsigned
		}
		return integerType(unsigned)
	}
	scale := max(ls, rs)
	switch op {
	case Mul:
		return decimalType(lp+rp, ls+rs)
	case Mod:
		return decimalType(max(lp-ls, rp-rs)+scale, scale)
	default:
		return decimalType(max(lp-ls, rp-rs)+scale+1, scale)
	}
}

// exactType returns the type of a's value before it is rounded to a.T. Division
// has digits in groups of nine, as MySQL's decimals do.
func exactType(a *Arith) types.Type {
	if a.T.Kind != types.Decimal {
		return a.T
	}
	_, ls := digitsOf(a.L)
	_, rs := digitsOf(a.R)
	var scale int
	switch a.Op {
	case Div:
		scale = quotientScale(ls, rs)
	case Mul:
		scale = ls + rs
	default:
		scale = max(ls, rs)
	}
	scale = min(max(scale, a.T.Scale), maxScale)
	return decimalType(a.T.Size-a.T.Scale+scale, scale)
}

// quotientScale returns the digits that MySQL computes of a quotient, those
// after are cut off; the result's type then has it rounded to fewer.
func quotientScale(ls, rs int) int {
	lg, rg := nines(ls), nines(rs)
	return nines(lg + rg + max(0, divScaleDigits-(lg-ls)-(rg-rs)))
}

// nines rounds up to a multiple of nine.
func nines(n int) int { return (n + 8) / 9 * 9 }

// exact returns e unrounded, for use within arithmetic. Comparisons see rounded
// values.
func exact(e Expr) Expr {
	if e.Type().Kind != types.Decimal {
		return e
	}
	switch e := e.(type) {
	case *Column:
		if e.Exact != nil {
			return e.Exact
		}
	case *Literal:
		if e.exact != nil {
			return e.exact
		}
	case *Arith:
		if e.exact.Kind == types.Decimal && e.exact != e.T {
			n := *e
			n.T = e.exact
			return &n
		}
	case *Neg:
		if t := negType(e.Arg); t.Kind == types.Decimal && t != e.T {
			return &Neg{e.Arg, t}
		}
	case *Aggregate:
		return exactAggregate(e)
	case *Coalesce:
		list := exactAll(e.Args)
		if t := commonTypeOf(list); t.Scale > e.T.Scale {
			return &Coalesce{list, t}
		}
	case *Case:
		list := exactAll(e.results())
		if t := commonTypeOf(list); t.Scale > e.T.Scale {
			return e.withResults(list, t)
		}
	}
	return e
}

// Exact returns e unrounded, as what arithmetic around it sees; e itself where it is not
// rounded.
func Exact(e Expr) Expr { return exact(e) }

func exactAll(list []Expr) []Expr {
	out := make([]Expr, len(list))
	for i, e := range list {
		out[i] = exact(e)
	}
	return out
}

// precise returns list, whose values become ones of type t, unrounded where that has
// more digits than their own types.
func precise(list []Expr, t types.Type) []Expr {
	out := slices.Clone(list)
	for i, e := range list {
		if t.Kind == types.Decimal && e.Type().Scale < t.Scale {
			out[i] = exact(e)
		}
	}
	return out
}

// withResults returns e with other results, of type t.
func (e *Case) withResults(list []Expr, t types.Type) *Case {
	n := &Case{Whens: make([]When, len(e.Whens)), T: t}
	for i, w := range e.Whens {
		n.Whens[i] = When{w.Cond, list[i]}
	}
	if e.Else != nil {
		n.Else = list[len(e.Whens)]
	}
	return n
}

// exactAggregate returns a, a decimal, with all the digits that MySQL computes of it.
func exactAggregate(a *Aggregate) Expr {
	n := *a
	scale := a.T.Scale
	switch {
	case a.Func == Avg:
		scale = quotientScale(scaleOf(a.Args[0].Type()), 0)
	case a.Grouped:
	case a.Func == Sum:
		scale = scaleOf(a.Args[0].Type())
	case a.Func == Min || a.Func == Max:
		n.Args = []Expr{exact(a.Args[0])}
		n.T = n.Args[0].Type()
		return &n
	}
	if scale = min(scale, maxScale); scale <= a.T.Scale {
		return a
	}
	n.T = decimalType(a.T.Size-a.T.Scale+scale, scale)
	return &n
}

func integerType(unsigned bool) types.Type {
	if unsigned {
		return types.Uint64Type
	}
	return types.Int64Type
}

// negType returns the type of -e: integers are signed.
func negType(e Expr) types.Type {
	t := numericType(e)
	if l, ok := e.(*Literal); ok && t == types.Uint64Type && l.T.IsInteger() && l.Value.Uint() > 1<<63 {
		return decimalType(20, 0)
	}
	if t == types.Uint64Type {
		return types.Int64Type
	}
	t.Unsigned = false
	return t
}

// CommonType is the type of a column that takes both types' values (UNION,
// CASE, COALESCE), by MySQL 8's rules for aggregating types.
func CommonType(a, b types.Type) types.Type {
	switch {
	case a == b || b.Kind == types.Null:
		return a
	case a.Kind == types.Null:
		return b
	case a.IsNumeric() && b.IsNumeric():
		return commonNumber(a, b)
	case a.IsTemporal() && b.IsTemporal():
		t := a
		if a.Kind != b.Kind {
			t.Kind = types.DateTime
		}
		t.Scale = max(a.Scale, b.Scale)
		return t
	case a.IsSpatial() && b.IsSpatial():
		if a.Size = -1; a.Kind != b.Kind {
			a.Kind = types.Geometry
		}
		return a
	case a.IsString() && b.IsString():
		return commonString(a, b)
	case a.IsBinary() || b.IsBinary():
		return types.BytesType
	case a.Kind == types.JSON || b.Kind == types.JSON:
		return types.Type{Kind: types.LongText, Size: -1, Collation: types.DefaultCollation}
	}
	t := types.TextType
	t.Collation = mergeCollations(a, b)
	return t
}

func commonNumber(a, b types.Type) types.Type {
	if a.IsFloat() || b.IsFloat() {
		return commonPlaces(a, b, 0)
	}
	if a.Kind == types.Decimal || b.Kind == types.Decimal {
		return commonDecimal(a, b)
	}
	a, b = plainInteger(a), plainInteger(b)
	if a.Unsigned == b.Unsigned {
		a.Kind, a.Size = max(a.Kind, b.Kind), -1
		return a
	}
	if b.Unsigned {
		a, b = b, a
	}
	if a.Kind == types.BigInt {
		return types.DecimalType(20, 0)
	}
	// A signed type one size up holds a's values.
	b.Kind, b.Size = max(a.Kind+1, b.Kind), -1
	return b
}

// plainInteger returns the integer type that stands for BIT and YEAR among others.
func plainInteger(t types.Type) types.Type {
	switch t.Kind {
	case types.Bit:
		return types.Int64Type
	case types.Year:
		return types.Type{Kind: types.Int, Size: -1, Collation: collations.CollationBinaryID}
	}
	return t
}

func commonDecimal(a, b types.Type) types.Type {
	ap, as := digits(a)
	bp, bs := digits(b)
	scale := max(as, bs)
	return decimalType(max(ap-as, bp-bs)+scale, scale)
}

// stringRank orders the string kinds by the length that they hold.
func stringRank(k types.Kind) types.Kind {
	if k >= types.Geometry {
		k = types.LongBlob
	}
	if k >= types.Binary {
		return k - types.Binary
	}
	return k - types.Char
}

func commonString(a, b types.Type) types.Type {
	rank := max(stringRank(a.Kind), stringRank(b.Kind), types.VarChar-types.Char)
	t := types.Type{Kind: types.Char + rank, Size: -1, Collation: mergeCollations(a, b)}
	if a.IsBinary() || b.IsBinary() {
		t.Kind = types.Binary + rank
	}
	if t.Kind == types.VarChar || t.Kind == types.VarBinary {
		if a.Size >= 0 && b.Size >= 0 {
			t.Size = max(a.Size, b.Size)
		}
	}
	return t
}

// mergeCollations returns the collation of text of two types none of which is
// explicit: bytes' wins over text's, a _bin collation over others.
func mergeCollations(a, b types.Type) collations.ID {
	switch {
	case a.IsBinary() || b.IsBinary():
		return collations.CollationBinaryID
	case !hasCollation(a) && !hasCollation(b):
		return types.DefaultCollation
	case !hasCollation(a):
		return b.Collation
	case !hasCollation(b) || a.Collation == b.Collation:
		return a.Collation
	}
	return types.DefaultCollation
}

// hasCollation reports whether t is text of some form.
func hasCollation(t types.Type) bool {
	return t.IsText() || t.Kind == types.Enum || t.Kind == types.Set
}

// CompareType is the type in which values of two types compare by MySQL's
// rules. NullType: the comparison is NULL. Signed and unsigned BIGINT compare as
// DECIMAL(20,0), exactly.
func CompareType(a, b types.Type) types.Type {
	switch {
	case a.Kind == types.Null || b.Kind == types.Null:
		return types.NullType
	case a.Kind == types.JSON || b.Kind == types.JSON:
		return types.JSONType
	case a.Kind == types.UUID || b.Kind == types.UUID:
		return types.Type{Kind: types.UUID, Size: -1, Collation: collations.CollationBinaryID}
	case a.IsTemporal() || b.IsTemporal():
		return compareTemporal(a, b)
	case a.IsNumeric() && b.IsNumeric():
		return compareNumber(a, b)
	case a.IsNumeric() || b.IsNumeric():
		return types.Float64Type
	case a.IsBinary() || b.IsBinary():
		return types.BytesType
	}
	t := types.TextType
	t.Collation = mergeCollations(a, b)
	return t
}

func compareTemporal(a, b types.Type) types.Type {
	if !a.IsTemporal() {
		a, b = b, a
	}
	if b.IsTemporal() {
		t := a
		t.Scale = max(a.Scale, b.Scale)
		if a.Kind != b.Kind {
			t.Kind, t.Scale = types.DateTime, 6
		}
		return t
	}
	switch {
	case b.IsFloat():
		return types.Float64Type
	case b.IsNumeric():
		p, s := digits(a)
		return compareNumber(decimalType(p, s), b)
	case a.Kind == types.Time:
		return types.Type{Kind: types.Time, Scale: 6, Size: -1, Collation: a.Collation}
	}
	return types.Type{Kind: types.DateTime, Scale: 6, Size: -1, Collation: a.Collation}
}

func compareNumber(a, b types.Type) types.Type {
	switch {
	case a.IsFloat() || b.IsFloat():
		return types.Float64Type
	case a.Kind == types.Decimal || b.Kind == types.Decimal:
		return commonDecimal(a, b)
	}
	ap, bp := a.Physical(), b.Physical()
	switch {
	case ap == bp && ap == types.PhysInt64:
		return types.Int64Type
	case ap == bp:
		return types.Uint64Type
	case ap == types.PhysUint64 && a.Kind < types.BigInt, bp == types.PhysUint64 && b.Kind < types.BigInt:
		return types.Int64Type
	}
	return types.DecimalType(20, 0)
}

// NewAggregate returns an aggregate with its result type; COUNT without
// arguments is COUNT(*).
func NewAggregate(f AggFunc, args []Expr, distinct bool) (*Aggregate, error) {
	agg := &Aggregate{Func: f, Args: args, Distinct: distinct, T: types.Int64Type}
	if f == Count {
		return agg, nil
	}
	want := 1
	switch f {
	case JSONObjectAgg:
		want = 2
	case GroupConcat, Grouping:
		want = max(1, len(args))
	}
	if len(args) != want {
		return nil, wrongParamCount(string(f))
	}
	t := args[0].Type()
	switch f {
	case Min, Max, BitAnd, BitOr, BitXor, StdPop, StdSamp, VarPop, VarSamp, Sum, Avg:
		if err := noSpatial(string(f), args...); err != nil {
			return nil, err
		}
	}
	switch f {
	case Min, Max:
		if agg.T = t; t.Kind == types.Enum || t.Kind == types.Set {
			agg.T = types.TextType // they compare by name here
			agg.T.Collation = t.Collation
			agg.Args = []Expr{CastTo(args[0], agg.T)}
		}
	case AnyValue:
		agg.T = t
	case BitAnd, BitOr, BitXor:
		if t.IsBinary() {
			return nil, sqlerr.Unsupported("%s of binary strings", construct(string(f)))
		}
		agg.T = types.Uint64Type
	case StdPop, StdSamp, VarPop, VarSamp:
		agg.T = types.Float64Type
	case JSONArrayAgg, JSONObjectAgg:
		agg.T = types.JSONType
	case Grouping:
	case GroupConcat:
		agg.T = concatType(args)
		agg.Separator = ","
	case Sum, Avg:
		n := numericType(args[0])
		if n.IsFloat() {
			more := 0
			if f == Avg {
				more = divScaleDigits
			}
			agg.T = commonPlaces(n, n, more)
			break
		}
		p, s := digits(t)
		if f == Sum {
			agg.T = decimalType(p+22, s)
		} else {
			agg.T = decimalType(p+divScaleDigits, s+divScaleDigits)
		}
	default:
		return nil, sqlerr.Unsupported("%s", construct(string(f)))
	}
	return agg, nil
}

// concatType returns the type of texts of args one after the other.
func concatType(args []Expr) types.Type {
	t := types.Type{Kind: types.Text, Size: -1, Collation: types.DefaultCollation}
	first := true
	for _, a := range args {
		switch at := a.Type(); {
		case at.IsBinary():
			return types.Type{Kind: types.Blob, Size: -1, Collation: at.Collation}
		case !hasCollation(at):
		case first:
			t.Collation, first = at.Collation, false
		default:
			t.Collation = mergeCollations(t, at)
		}
	}
	return t
}

// pow10 holds the powers of ten that an int64 has.
var pow10 = func() (p [types.MaxScaledDigits + 1]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()
