package expr

import (
	"bytes"

	"vitess.io/vitess/go/mysql/collations"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func (e *Compare) compile(ev *Evaluator) (kernel, error) {
	l, r := ev.known(e.L), ev.known(e.R)
	if l.Type().Kind == types.Null || r.Type().Kind == types.Null {
		return compileNullCompare(ev, e.Op, l, r)
	}
	if isInteger64(l) && isInteger64(r) && l.Type().Physical() != r.Type().Physical() {
		return compileBinary(ev, l, r, func(l, r *operand) kernel {
			return &mixedCompare{op: e.Op, l: l, r: r}
		})
	}
	l, r = asComparand(l, r), asComparand(r, l)
	t := comparedAs(l, r, e.Collation)
	if t.Kind == types.Decimal {
		l, r = temporalToNumber(l), temporalToNumber(r)
	}
	if t.Kind == types.Decimal && isExact(l.Type()) && isExact(r.Type()) && t.Physical() == types.PhysBytes {
		return compileBinary(ev, l, r, func(l, r *operand) kernel { return &exactCompare{op: e.Op, l: l, r: r} })
	}
	lc, err := forCompare(l, r, t)
	if err != nil {
		return nil, err
	}
	rc, err := forCompare(r, l, t)
	if err != nil {
		return nil, err
	}
	return compileBinary(ev, lc, rc, func(l, r *operand) kernel {
		switch t.Physical() {
		case types.PhysInt64:
			return &compareNumbers[int64]{op: e.Op, l: l, r: r, values: int64s}
		case types.PhysUint64:
			return &compareNumbers[uint64]{op: e.Op, l: l, r: r, values: uint64s}
		case types.PhysFloat64:
			return &compareNumbers[float64]{op: e.Op, l: l, r: r, values: float64s}
		default:
			return &compareBytes{ev: ev, op: e.Op, l: l, r: r, cmp: comparator(t), exact: isBytewise(t)}
		}
	})
}

func int64s(v *types.Vector) []int64     { return v.Int64s }
func uint64s(v *types.Vector) []uint64   { return v.Uint64s }
func float64s(v *types.Vector) []float64 { return v.Float64s }

func compileBinary(ev *Evaluator, l, r Expr, make func(l, r *operand) kernel) (kernel, error) {
	lo, err := ev.operand(l)
	if err != nil {
		return nil, err
	}
	ro, err := ev.operand(r)
	if err != nil {
		return nil, err
	}
	return make(lo, ro), nil
}

// known returns a parameter's value as a literal, so that its own digits, not
// its type's, decide how decimals are held.
func (ev *Evaluator) known(e Expr) Expr {
	p, ok := e.(*Param)
	if !ok || p.Index >= len(ev.env.Params) {
		return e
	}
	v := ev.env.Params[p.Index]
	switch v.Physical() {
	case types.PhysNull:
		return &Literal{T: types.NullType}
	case p.T.Physical():
	default:
		return e // evaluating it reports the mistake
	}
	return &Literal{Value: v, T: p.T, ZeroDates: ev.env.ZeroDates}
}

// isInteger64 reports whether e is an integer or BIT.
func isInteger64(e Expr) bool {
	t := e.Type()
	return t.IsInteger() || t.Kind == types.Bit || t.Kind == types.Year
}

// comparedAs is CompareType of two expressions: it knows literals' digits and
// the collation.
func comparedAs(l, r Expr, coll collations.ID) types.Type {
	t := CompareType(l.Type(), r.Type())
	switch {
	case t.Kind == types.Decimal:
		lp, ls := digitsOf(l)
		rp, rs := digitsOf(r)
		scale := max(ls, rs)
		return decimalType(max(lp-ls, rp-rs)+scale, scale)
	}
	return collated(t, coll)
}

// asComparand returns a literal as what it is in a comparison with other: a
// hexadecimal one as a number with numbers, text and a float as an exact number with
// columns that are exact, a number that reads as a date as one with datetimes.
func asComparand(e, other Expr) Expr {
	l, ok := e.(*Literal)
	if !ok || l.Value.IsNull() {
		return e
	}
	switch t := other.Type(); {
	case l.Hex && t.IsNumeric():
		return hexLiteral(l)
	case exactWith(l.T, t) && !IsConst(other):
		n, v := types.ExactNumber(l.T, l.Value, t)
		return &Literal{Value: v, T: n}
	case isDateTime(t) && l.T.IsInteger():
		at := temporalType(types.DateTime, 0)
		if v, ok := numberToTemporal(int64(l.Value.Uint()), 0, at); ok {
			return &Literal{Value: types.NewInt(v), T: at}
		}
	}
	return e
}

// exactWith reports whether constants of type t compare with columns of type
// column as types.ExactNumber has them.
func exactWith(t, column types.Type) bool {
	return t.IsString() && (column.IsInteger() || column.Kind == types.Decimal) ||
		t.IsFloat() && (isExact(column) && column.Kind != types.Year)
}

// ExactBound reports whether e, a constant, is compared with a column of type t as
// types.ExactNumber has it; others of its type compare as doubles.
func ExactBound(e Expr, t types.Type) bool {
	switch e.(type) {
	case *Literal, *Param:
		return exactWith(e.Type(), t)
	}
	return false
}

// temporalToNumber returns e, a date or time as a number of its digits.
func temporalToNumber(e Expr) Expr {
	if t := e.Type(); t.IsTemporal() {
		return CastTo(e, decimalType(digits(t)))
	}
	return e
}

// forCompare converts e to t for a comparison with other. Unlike elsewhere a constant that
// is no date is an error, as in MySQL 8; 0000-00-00 is one, for where it was stored.
func forCompare(e, other Expr, t types.Type) (Expr, error) {
	l, ok := e.(*Literal)
	if !ok || !t.IsTemporal() || !e.Type().IsString() || l.Value.IsNull() {
		return Comparand(e, t), nil
	}
	v, ok := parseTemporal(l.Value.Bytes(), t)
	if !ok {
		v, ok = parseZeroDate(l.Value.Bytes(), t, l.ZeroDates|types.WholeZeroDate)
	}
	if !ok {
		return nil, sqlerr.WrongValue.New("Incorrect %s value: '%s'", typeName(other.Type()), l.Value.Bytes())
	}
	return &Literal{Value: types.NewInt(v), T: t}, nil
}

// DateBound returns e, which bounds a column that it is compared with as type t, a date
// or time, as that.
func DateBound(e Expr, t types.Type) Expr {
	if c, err := forCompare(e, e, t); err == nil {
		return c
	}
	return CastTo(e, t)
}

// checkDates fails where one of l and r is a constant text that is compared with
// dates and is none, so that the error does not depend on how rows are found.
func checkDates(l, r Expr) error {
	t := CompareType(l.Type(), r.Type())
	if !t.IsTemporal() {
		return nil
	}
	if _, err := forCompare(l, r, t); err != nil {
		return err
	}
	_, err := forCompare(r, l, t)
	return err
}

// isBytewise reports whether equal values of t have equal bytes.
func isBytewise(t types.Type) bool {
	return t.Kind != types.JSON && !t.LossyKey()
}

// comparator returns the order of values of t, which are held as bytes.
func comparator(t types.Type) func(a, b []byte) int {
	if c, ok := t.Collator(); ok {
		return c.Compare
	}
	if t.Kind == types.JSON {
		return func(a, b []byte) int { return types.Compare(t, types.NewBytes(a), types.NewBytes(b)) }
	}
	return bytes.Compare
}

// holds returns whether op holds for each of less, equal and greater.
func holds(op CompareOp) [3]int64 {
	switch op {
	case LT:
		return [3]int64{1, 0, 0}
	case LE:
		return [3]int64{1, 1, 0}
	case GT:
		return [3]int64{0, 0, 1}
	case GE:
		return [3]int64{0, 1, 1}
	case NE:
		return [3]int64{1, 0, 1}
	}
	return [3]int64{0, 1, 0}
}

// compareNumbers compares vectors of one physical type.
type compareNumbers[T int64 | uint64 | float64] struct {
	scratch
	op     CompareOp
	l, r   *operand
	values func(*types.Vector) []T
}

func (k *compareNumbers[T]) eval(in *types.Batch) (*types.Vector, error) {
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	n := in.Len
	dst := k.ints(types.BoolType, n)
	a, b := k.values(l), k.values(r)
	switch {
	case k.r.konst && !k.l.konst:
		compareConst(k.op, dst, a[:n], b[0])
	case k.l.konst && !k.r.konst:
		compareConst(k.op.Flip(), dst, b[:n], a[0])
	default:
		compareVectors(k.op, dst, a[:n], b[:n])
	}
	return k.finishCompare(k.op, n, l, r, k.l, k.r), nil
}

func both(in *types.Batch, l, r *operand) (lv, rv *types.Vector, err error) {
	if lv, err = l.eval(in); err != nil {
		return nil, nil, err
	}
	if rv, err = r.eval(in); err != nil {
		return nil, nil, err
	}
	return lv, rv, nil
}

// all sets vecs[i] to the vector of operands[i].
func all(in *types.Batch, operands []*operand, vecs []*types.Vector) (err error) {
	for i, o := range operands {
		if vecs[i], err = o.eval(in); err != nil {
			return err
		}
	}
	return nil
}

// finishCompare sets the NULLs of a comparison whose values are computed.
func (s *scratch) finishCompare(op CompareOp, n int, l, r *types.Vector, lo, ro *operand) *types.Vector {
	if op != NullSafeEQ {
		s.bothValid(n, l, r, lo.konst, ro.konst)
		return &s.vec
	}
	for i, dst := 0, s.vec.Int64s; i < n; i++ {
		ln, rn := l.IsNull(lo.at(i)), r.IsNull(ro.at(i))
		if ln && rn {
			dst[i] = 1
		} else if ln || rn {
			dst[i] = 0
		}
	}
	return &s.vec
}

func compareConst[T int64 | uint64 | float64](op CompareOp, dst []int64, a []T, c T) {
	dst = dst[:len(a)]
	switch op {
	case LT:
		for i, x := range a {
			dst[i] = bit(x < c)
		}
	case LE:
		for i, x := range a {
			dst[i] = bit(x <= c)
		}
	case GT:
		for i, x := range a {
			dst[i] = bit(x > c)
		}
	case GE:
		for i, x := range a {
			dst[i] = bit(x >= c)
		}
	case NE:
		for i, x := range a {
			dst[i] = bit(x != c)
		}
	default:
		for i, x := range a {
			dst[i] = bit(x == c)
		}
	}
}

func compareVectors[T int64 | uint64 | float64](op CompareOp, dst []int64, a, b []T) {
	dst, b = dst[:len(a)], b[:len(a)]
	switch op {
	case LT:
		for i, x := range a {
			dst[i] = bit(x < b[i])
		}
	case LE:
		for i, x := range a {
			dst[i] = bit(x <= b[i])
		}
	case GT:
		for i, x := range a {
			dst[i] = bit(x > b[i])
		}
	case GE:
		for i, x := range a {
			dst[i] = bit(x >= b[i])
		}
	case NE:
		for i, x := range a {
			dst[i] = bit(x != b[i])
		}
	default:
		for i, x := range a {
			dst[i] = bit(x == b[i])
		}
	}
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// compareBytes compares vectors of bytes.
type compareBytes struct {
	scratch
	ev    *Evaluator
	op    CompareOp
	l, r  *operand
	cmp   func(a, b []byte) int
	exact bool // equal values have equal bytes
}

func (k *compareBytes) eval(in *types.Batch) (*types.Vector, error) {
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	dst := k.ints(types.BoolType, in.Len)
	switch {
	case k.exact && (k.op == EQ || k.op == NullSafeEQ):
		for i := range dst {
			dst[i] = bit(bytes.Equal(l.BytesAt(k.l.at(i)), r.BytesAt(k.r.at(i))))
		}
	case k.exact && k.op == NE:
		for i := range dst {
			dst[i] = bit(!bytes.Equal(l.BytesAt(k.l.at(i)), r.BytesAt(k.r.at(i))))
		}
	default:
		want := holds(k.op)
		for i := range dst {
			a, b := l.BytesAt(k.l.at(i)), r.BytesAt(k.r.at(i))
			dst[i] = want[sign(k.cmp(a, b))+1]
			if err := k.ev.step(len(a) + len(b)); err != nil {
				return nil, err
			}
		}
	}
	return k.finishCompare(k.op, in.Len, l, r, k.l, k.r), nil
}

func sign(c int) int {
	switch {
	case c < 0:
		return -1
	case c > 0:
		return 1
	}
	return 0
}

// mixedCompare compares a signed with an unsigned integer.
type mixedCompare struct {
	scratch
	op   CompareOp
	l, r *operand
}

func (k *mixedCompare) eval(in *types.Batch) (*types.Vector, error) {
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	op, a, b := k.op, k.l, k.r
	av, bv := l, r
	if l.Type.Physical() == types.PhysUint64 {
		op, a, b, av, bv = op.Flip(), b, a, r, l
	}
	want := holds(op)
	dst := k.ints(types.BoolType, in.Len)
	for i := range dst {
		x, y := av.Int64s[a.at(i)], bv.Uint64s[b.at(i)]
		c := -1
		switch {
		case x >= 0 && uint64(x) > y:
			c = 1
		case x >= 0 && uint64(x) == y:
			c = 0
		}
		dst[i] = want[c+1]
	}
	return k.finishCompare(k.op, in.Len, l, r, k.l, k.r), nil
}

// compileNullCompare compiles a comparison with NULL.
func compileNullCompare(ev *Evaluator, op CompareOp, l, r Expr) (kernel, error) {
	if op != NullSafeEQ {
		return &nullKernel{t: types.BoolType}, nil
	}
	if l.Type().Kind == types.Null {
		l = r
	}
	return (&Is{IsNull, l}).compile(ev)
}

// yearConstant returns e, a constant of one or two digits that is compared with a YEAR
// column, as the year that the column would take it for.
func yearConstant(e, other Expr) Expr {
	if other.Type().Kind != types.Year || e.Type().Kind == types.Year {
		return e
	}
	switch other.(type) {
	case *Column, *Outer:
	default:
		return e
	}
	switch e.(type) {
	case *Literal, *Param:
	default:
		return e
	}
	if t := e.Type(); !t.IsInteger() && !t.IsText() {
		return e
	}
	return Fold(&Call{Name: "year", Args: []Expr{e}, T: types.Int64Type, native: yearOf})
}

// yearOf reads a number or text as a YEAR column does, if the column can.
var yearOf = &native{nulls: false, eval: func(c *nativeCall) (types.Value, error) {
	v := types.NewVector(c.types[0], 1)
	v.AppendValue(c.args[0])
	n := types.NewVector(types.Int64Type, 1)
	warning := toInteger(c.env, n, v, 0)
	year, err := types.Assign(&types.Target{Type: types.Type{Kind: types.Year, Size: -1}}, c.types[0], c.args[0])
	if err != nil || warning != nil {
		return n.Value(0), nil
	}
	return year, nil
}}
