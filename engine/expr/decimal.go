package expr

import (
	"cmp"
	"math"
	"math/bits"

	"vitess.io/vitess/go/mysql/decimal"

	"github.com/kalamgo/kalam/engine/types"
)

// isExact reports whether t is an integer, BIT, YEAR or a decimal.
func isExact(t types.Type) bool { return t.IsNumeric() && !t.IsFloat() }

// scaleOf returns the scale of an exact number's type.
func scaleOf(t types.Type) int {
	if t.Kind == types.Decimal {
		return t.Scale
	}
	return 0
}

// unscaled returns exact number i of v times 10 to its type's scale, if that is
// an int64.
func unscaled(v *types.Vector, i int) (int64, bool) {
	switch v.Type.Physical() {
	case types.PhysInt64:
		return v.Int64s[i], true
	case types.PhysUint64:
		u := v.Uint64s[i]
		return int64(u), u <= math.MaxInt64
	}
	b := v.BytesAt(i)
	if len(b) > types.MaxScaledDigits {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c >= '0' && c <= '9' {
			n = n*10 + int64(c-'0')
		}
	}
	if len(b) > 0 && b[0] == '-' {
		n = -n
	}
	return n, true
}

// rescale returns x times 10^by, if by is not negative and the result an int64.
func rescale(x int64, by int) (int64, bool) {
	if by == 0 {
		return x, true
	}
	if by < 0 || by >= len(pow10) || overflows(Mul, x, pow10[by]) {
		return 0, false
	}
	return x * pow10[by], true
}

// decimalArith computes with integers and decimals of any size: by integers
// where operands and result are short, else by Vitess's decimal package.
type decimalArith struct {
	arithBase
	// short has results of batches come as scaled integers where those do, see
	// Evaluator.Short.
	short bool
}

func newDecimalArith(b arithBase) kernel {
	b.l.short()
	b.r.short()
	return &decimalArith{arithBase: b}
}

// short lets the operand's decimals come in either form.
func (o *operand) short() {
	if k, ok := o.kernel.(*decimalArith); ok {
		k.short = k.e.Op != Div && k.e.T.Kind == types.Decimal && k.e.T.Scale <= types.MaxScaledDigits
	}
}

// Short lets the values of expression i, if they are decimals of more than 18 digits
// by their type, come as a vector of DECIMAL(18, s) with the type's scale s whenever
// all of a batch are that short.
func (ev *Evaluator) Short(i int) {
	if ev.shorts == nil {
		ev.shorts = make([]bool, len(ev.exprs))
	}
	ev.shorts[i] = true
}

// shortBits are bits of a magnitude that has no more than 18 digits.
const shortBits = 59

// bitsOf returns a number of bits such that no magnitude is over two to its power.
func bitsOf(values []int64) int {
	all := int64(0)
	for _, x := range values {
		all |= x ^ x>>63
	}
	return bits.Len64(uint64(all))
}

// evalShort computes a whole batch by integers; false: some value may be too long.
func (k *decimalArith) evalShort(l, r *types.Vector, n int) bool {
	if l.Type.Physical() != types.PhysInt64 || r.Type.Physical() != types.PhysInt64 {
		return false
	}
	scale := k.e.T.Scale
	a, b := k.l.spread(l, n), k.r.spread(r, n)
	by, rby := scale-scaleOf(k.l.t), scale-scaleOf(k.r.t)
	switch k.e.Op {
	case Mul:
		if by+rby != scale || bitsOf(a)+bitsOf(b) > shortBits {
			return false
		}
		elementwise(Mul, k.ints(types.DecimalType(types.MaxScaledDigits, scale), n), a, b)
	case Add, Sub:
		if min(by, rby) < 0 {
			return false
		}
		x, y := pow10[by], pow10[rby]
		if max(bitsOf(a)+bits.Len64(uint64(x)), bitsOf(b)+bits.Len64(uint64(y))) >= shortBits {
			return false
		}
		if k.e.Op == Sub {
			y = -y
		}
		dst := k.ints(types.DecimalType(types.MaxScaledDigits, scale), n)
		for i, v := range a {
			dst[i] = v*x + b[i]*y
		}
	default:
		return false
	}
	k.bothValid(n, l, r, k.l.konst, k.r.konst)
	return true
}

func (k *decimalArith) eval(in *types.Batch) (*types.Vector, error) {
	n := in.Len
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	if k.short && k.evalShort(l, r, n) {
		return &k.vec, nil
	}
	k.vec.Reset(k.e.T)
	divides := k.e.Op == Div || k.e.Op == IntDiv || k.e.Op == Mod
	for i := range n {
		li, ri := k.l.at(i), k.r.at(i)
		if l.IsNull(li) || r.IsNull(ri) {
			k.vec.AppendNull()
			continue
		}
		x, ok1 := unscaled(l, li)
		y, ok2 := unscaled(r, ri)
		if ok1 && ok2 && y != 0 {
			if z, ok := k.one(x, y); ok && appendUnscaled(&k.vec, z) {
				continue
			}
		}
		a, b := decimalAt(l, li), decimalAt(r, ri)
		if divides && b.IsZero() {
			if err := k.ev.divisionByZero(); err != nil {
				return nil, err
			}
			k.vec.AppendNull()
			continue
		}
		if !k.append(decimalOp(k.e.Op, a, b)) {
			return nil, k.outOfRange()
		}
	}
	return &k.vec, nil
}

// one computes with unscaled operands; the result is scaled as the type is. It
// reports false where some step is not within an int64.
func (k *decimalArith) one(x, y int64) (int64, bool) {
	ls, rs, scale := scaleOf(k.l.t), scaleOf(k.r.t), scaleOf(k.e.T)
	switch k.e.Op {
	case Mul:
		return x * y, scale == ls+rs && !overflows(Mul, x, y)
	case Div:
		return divide128(x, scale-ls+rs, y, scale < quotientScale(ls, rs))
	case Add, Sub, Mod:
		x, ok1 := rescale(x, scale-ls)
		y, ok2 := rescale(y, scale-rs)
		switch {
		case !ok1 || !ok2 || overflows(k.e.Op, x, y):
			return 0, false
		case k.e.Op == Add:
			return x + y, true
		case k.e.Op == Sub:
			return x - y, true
		}
		return x % y, true
	}
	return 0, false
}

// divide128 returns x * 10^digits / y, rounded half away from zero or cut off, if
// that is an int64.
func divide128(x int64, digits int, y int64, round bool) (int64, bool) {
	if digits < 0 || digits >= len(pow10) {
		return 0, false
	}
	d := magnitude(y)
	hi, lo := bits.Mul64(magnitude(x), uint64(pow10[digits]))
	if hi >= d {
		return 0, false
	}
	q, rem := bits.Div64(hi, lo, d)
	if round && rem >= d-rem {
		q++
	}
	if q > math.MaxInt64 {
		return 0, false
	}
	if (x < 0) != (y < 0) {
		return -int64(q), true
	}
	return int64(q), true
}

// appendUnscaled appends z, scaled as dst's decimal type is; it reports false,
// having done nothing, when the type needs another form or has fewer digits.
func appendUnscaled(dst *types.Vector, z int64) bool {
	t := dst.Type
	switch {
	case t.Kind != types.Decimal || t.Scale > types.MaxScaledDigits:
		return false
	case t.Size <= types.MaxScaledDigits && magnitude(z) >= uint64(pow10[t.Size]):
		return false
	case t.Physical() == types.PhysBytes:
		dst.Data = types.AppendText(dst.Data, t, types.NewInt(z))
		dst.AppendBytes(nil)
	default:
		dst.AppendInt(z)
	}
	return true
}

// decimalOp computes x op y; y is not zero where op divides.
func decimalOp(op ArithOp, x, y decimal.Decimal) decimal.Decimal {
	switch op {
	case Add:
		return x.Add(y)
	case Sub:
		return x.Sub(y)
	case Mul:
		return x.Mul(y)
	case Div:
		return x.Div(y, divScaleDigits)
	case IntDiv:
		q, _ := x.QuoRem(y, 0)
		return q
	}
	_, rem := x.QuoRem(y, 0)
	return rem
}

// append appends a result; it reports false when the type does not hold it.
func (k *decimalArith) append(d decimal.Decimal) bool {
	if k.e.T.Kind == types.Decimal {
		return appendDecimal(&k.vec, d)
	}
	if k.e.T.Unsigned {
		n, ok := d.Uint64()
		k.vec.AppendUint(n)
		return ok
	}
	n, ok := d.Int64()
	k.vec.AppendInt(n)
	return ok
}

// exactCompare compares exact numbers of different types.
type exactCompare struct {
	scratch
	op   CompareOp
	l, r *operand
}

func (k *exactCompare) eval(in *types.Batch) (*types.Vector, error) {
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	want := holds(k.op)
	dst := k.ints(types.BoolType, in.Len)
	ls, rs := scaleOf(k.l.t), scaleOf(k.r.t)
	for i := range dst {
		li, ri := k.l.at(i), k.r.at(i)
		dst[i] = 0
		if !l.IsNull(li) && !r.IsNull(ri) {
			dst[i] = want[compareExact(l, li, ls, r, ri, rs)+1]
		}
	}
	return k.finishCompare(k.op, in.Len, l, r, k.l, k.r), nil
}

// compareExact compares two exact numbers with their types' scales.
func compareExact(l *types.Vector, li, ls int, r *types.Vector, ri, rs int) int {
	x, ok1 := unscaled(l, li)
	y, ok2 := unscaled(r, ri)
	if ok1 && ok2 {
		scale := max(ls, rs)
		x, ok1 = rescale(x, scale-ls)
		y, ok2 = rescale(y, scale-rs)
		if ok1 && ok2 {
			return cmp.Compare(x, y)
		}
	}
	return decimalAt(l, li).Cmp(decimalAt(r, ri))
}
