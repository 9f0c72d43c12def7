package expr

import (
	"math"
	"math/bits"
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func (e *Arith) compile(ev *Evaluator) (kernel, error) {
	l, r := ev.known(e.L), ev.known(e.R)
	if l.Type().Kind == types.Null || r.Type().Kind == types.Null {
		return &nullKernel{t: e.T}, nil
	}
	lt, rt := numericType(l), numericType(r)
	base := arithBase{ev: ev, e: e}
	switch {
	case e.T.IsFloat():
		return base.over(l, r, types.Float64Type, types.Float64Type, func(b arithBase) kernel { return &floatArith{arithBase: b} })
	case e.T.IsInteger() && lt.IsInteger() && rt.IsInteger():
		return base.over(l, r, lt, rt, func(b arithBase) kernel {
			switch {
			case !lt.Unsigned && !rt.Unsigned && !e.T.Unsigned:
				return &intArith{b}
			case lt.Unsigned && rt.Unsigned:
				return &uintArith{b}
			}
			return &mixedArith{b}
		})
	}
	ld, rd := asDecimal(l), asDecimal(r)
	if e.T.Kind == types.Decimal && fitsScaled(e, ld, rd) {
		if e.Op != Mul && e.Op != Div {
			ld, rd = e.T, e.T
		}
		return base.over(l, r, ld, rd, func(b arithBase) kernel { return &scaledArith{b} })
	}
	// Integers and decimals need no conversion.
	if isExact(l.Type()) {
		ld = l.Type()
	}
	if isExact(r.Type()) {
		rd = r.Type()
	}
	return base.over(l, r, ld, rd, newDecimalArith)
}

// fitsScaled reports whether scaled integers do for e with operands of types l
// and r: no operand, result or dividend has more than 18 digits, and the result
// needs no rounding but a division's.
func fitsScaled(e *Arith, l, r types.Type) bool {
	for _, t := range []types.Type{e.T, l, r} {
		if t.Physical() != types.PhysInt64 {
			return false
		}
	}
	switch e.Op {
	case Mul:
		return e.T.Scale == l.Scale+r.Scale && l.Size+r.Size <= types.MaxScaledDigits
	case Div:
		return e.T.Scale >= l.Scale && l.Size-l.Scale+e.T.Scale+r.Scale <= types.MaxScaledDigits
	}
	return e.T.Scale >= l.Scale && e.T.Scale >= r.Scale
}

// asDecimal returns the decimal type that holds e's values: those of a float are
// kept to MySQL's largest scale.
func asDecimal(e Expr) types.Type { return decimalType(digitsOf(e)) }

// arithBase is what the arithmetic kernels share.
type arithBase struct {
	scratch
	ev   *Evaluator
	e    *Arith
	l, r *operand
}

// over compiles the operands, converted to lt and rt.
func (k arithBase) over(l, r Expr, lt, rt types.Type, make func(arithBase) kernel) (kernel, error) {
	return compileBinary(k.ev, castNumber(l, lt), castNumber(r, rt), func(l, r *operand) kernel {
		k.l, k.r = l, r
		return make(k)
	})
}

// castNumber is CastTo that takes a hexadecimal literal for a number.
func castNumber(e Expr, t types.Type) Expr {
	if l, ok := e.(*Literal); ok && l.Hex {
		e = hexLiteral(l)
	}
	return CastTo(e, t)
}

// hexLiteral returns the number that a hexadecimal literal is, by its last 8 bytes.
func hexLiteral(l *Literal) *Literal {
	b := l.Value.Bytes()
	var n uint64
	for _, c := range b[max(0, len(b)-8):] {
		n = n<<8 | uint64(c)
	}
	return &Literal{Value: types.NewUint(n), T: types.Uint64Type}
}

// ForColumn returns a value as a column of type t takes it: a hexadecimal literal
// of up to 8 bytes is a number for a numeric column, and a quotient is not rounded before.
func ForColumn(e Expr, t types.Type) Expr {
	if l, ok := e.(*Literal); ok && l.Hex && t.IsNumeric() && len(l.Value.Bytes()) <= 8 {
		return hexLiteral(l)
	}
	if t.Kind == types.Decimal || t.IsFloat() {
		return exact(e)
	}
	return e
}

// outOfRange is MySQL's error for a result that its type does not hold.
func (k *arithBase) outOfRange() error { return outOfRange(k.e.T, k.e) }

func outOfRange(t types.Type, e Expr) error {
	name := "BIGINT"
	switch {
	case t.IsFloat():
		name = "DOUBLE"
	case t.Kind == types.Decimal:
		name = "DECIMAL"
	case t.Unsigned:
		name = "BIGINT UNSIGNED"
	}
	s := e.String()
	if !strings.HasPrefix(s, "(") {
		s = "(" + s + ")"
	}
	return sqlerr.DataOutOfRange.New("%s value is out of range in '%s'", name, s)
}

// byZero is what a division by zero comes to: NULL with a warning, or an error.
func (k *arithBase) byZero(i, n int) error {
	if err := k.ev.divisionByZero(); err != nil {
		return err
	}
	k.setNull(i, n)
	return nil
}

// divisionByZero warns of one, or returns it.
func (ev *Evaluator) divisionByZero() error {
	if ev.env.QuietDivision {
		return nil
	}
	err := sqlerr.DivisionByZero.New("Division by 0")
	if ev.env.Strict {
		return err
	}
	ev.warn(err)
	return nil
}

// warn passes a warning on, or notes it as the error that it is in strict mode.
func (ev *Evaluator) warn(err error) {
	if e := sqlerr.As(err); ev.env.Strict && e != nil {
		switch e.Kind {
		case sqlerr.TruncatedWrongVal, sqlerr.OutOfRange, sqlerr.DatetimeOverflow, sqlerr.PacketOverflow, sqlerr.WrongValueForType:
			if ev.failed == nil {
				ev.failed = err
			}
			return
		}
	}
	if ev.env.Warn != nil {
		ev.env.Warn(err)
	}
}

// intArith computes with signed integers.
type intArith struct{ arithBase }

func (k *intArith) eval(in *types.Batch) (*types.Vector, error) {
	n := in.Len
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	dst := k.ints(k.e.T, n)
	a, b := k.l.spread(l, n), k.r.spread(r, n)
	k.bothValid(n, l, r, k.l.konst, k.r.konst)
	var odd int64 // negative: some sum overflowed
	switch k.e.Op {
	case Add:
		for i, x := range a {
			y := b[i]
			s := x + y
			dst[i] = s
			odd |= (x ^ s) & (y ^ s)
		}
	case Sub:
		for i, x := range a {
			y := b[i]
			s := x - y
			dst[i] = s
			odd |= (x ^ y) & (x ^ s)
		}
	case Mul:
		for i, x := range a {
			y := b[i]
			dst[i] = x * y
			if uint64(x+math.MaxInt32+1)|uint64(y+math.MaxInt32+1) > math.MaxUint32 {
				odd = -1
			}
		}
	default:
		return k.divide(dst, a, b)
	}
	if odd < 0 {
		for i, x := range a {
			if !k.vec.IsNull(i) && overflows(k.e.Op, x, b[i]) {
				return nil, k.outOfRange()
			}
		}
	}
	return &k.vec, nil
}

func overflows(op ArithOp, x, y int64) bool {
	switch op {
	case Add:
		s := x + y
		return (x^s)&(y^s) < 0
	case Sub:
		return (x^y)&(x^(x-y)) < 0
	}
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	if (x < 0) != (y < 0) {
		return hi != 0 || lo > 1<<63
	}
	return hi != 0 || lo >= 1<<63
}

// divide is DIV and %.
func (k *intArith) divide(dst, a, b []int64) (*types.Vector, error) {
	for i, x := range a {
		y := b[i]
		dst[i] = 0
		switch {
		case k.vec.IsNull(i):
		case y == 0:
			if err := k.byZero(i, len(a)); err != nil {
				return nil, err
			}
		case k.e.Op == Mod && y != -1:
			dst[i] = x % y
		case k.e.Op == Mod:
		case x == math.MinInt64 && y == -1:
			return nil, k.outOfRange()
		default:
			dst[i] = x / y
		}
	}
	return &k.vec, nil
}

// uintArith computes with unsigned integers.
type uintArith struct{ arithBase }

func (k *uintArith) eval(in *types.Batch) (*types.Vector, error) {
	n := in.Len
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	dst := k.uints(k.e.T, n)
	k.bothValid(n, l, r, k.l.konst, k.r.konst)
	for i := range dst {
		if k.vec.IsNull(i) {
			continue
		}
		x, y := l.Uint64s[k.l.at(i)], r.Uint64s[k.r.at(i)]
		var over uint64
		switch k.e.Op {
		case Add:
			dst[i], over = bits.Add64(x, y, 0)
		case Sub:
			dst[i], over = bits.Sub64(x, y, 0)
		case Mul:
			over, dst[i] = bits.Mul64(x, y)
		default:
			if y == 0 {
				if err := k.byZero(i, n); err != nil {
					return nil, err
				}
				continue
			}
			if k.e.Op == Mod {
				dst[i] = x % y
			} else {
				dst[i] = x / y
			}
		}
		if over != 0 {
			return nil, k.outOfRange()
		}
	}
	return &k.vec, nil
}

// mixedArith computes with a signed and an unsigned integer, by sign and magnitude.
type mixedArith struct{ arithBase }

func (k *mixedArith) eval(in *types.Batch) (*types.Vector, error) {
	n := in.Len
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	var us []uint64
	var is []int64
	if k.e.T.Unsigned {
		us = k.uints(k.e.T, n)
	} else {
		is = k.ints(k.e.T, n)
	}
	k.bothValid(n, l, r, k.l.konst, k.r.konst)
	for i := range n {
		if k.vec.IsNull(i) {
			continue
		}
		xn, x := signed(l, k.l.at(i))
		yn, y := signed(r, k.r.at(i))
		if y == 0 && (k.e.Op == IntDiv || k.e.Op == Mod) {
			if err := k.byZero(i, n); err != nil {
				return nil, err
			}
			continue
		}
		neg, m, ok := signedArith(k.e.Op, xn, x, yn, y)
		neg = neg && m != 0
		switch {
		case !ok, us != nil && neg, us == nil && !neg && m >= 1<<63, us == nil && m > 1<<63:
			return nil, k.outOfRange()
		case us != nil:
			us[i] = m
		case neg:
			is[i] = -int64(m)
		default:
			is[i] = int64(m)
		}
	}
	return &k.vec, nil
}

// signed returns integer i of v as sign and magnitude.
func signed(v *types.Vector, i int) (negative bool, magnitude_ uint64) {
	if v.Type.Physical() == types.PhysUint64 {
		return false, v.Uint64s[i]
	}
	x := v.Int64s[i]
	return x < 0, magnitude(x)
}

// signedArith computes with signs and magnitudes; ok is false when the result's
// magnitude is over 64 bits. y is not 0 for IntDiv and Mod.
func signedArith(op ArithOp, xn bool, x uint64, yn bool, y uint64) (negative bool, m uint64, ok bool) {
	switch op {
	case Sub:
		yn = !yn
		fallthrough
	case Add:
		if xn == yn {
			m, c := bits.Add64(x, y, 0)
			return xn, m, c == 0
		}
		if x >= y {
			return xn, x - y, true
		}
		return yn, y - x, true
	case Mul:
		hi, lo := bits.Mul64(x, y)
		return xn != yn, lo, hi == 0
	case IntDiv:
		return xn != yn, x / y, true
	default:
		return xn, x % y, true
	}
}

// elementwise sets dst to a + b, a - b or a * b; other operators it leaves to
// its caller and returns false.
func elementwise[T int64 | float64](op ArithOp, dst, a, b []T) bool {
	b = b[:len(a)]
	switch op {
	case Add:
		for i, x := range a {
			dst[i] = x + b[i]
		}
	case Sub:
		for i, x := range a {
			dst[i] = x - b[i]
		}
	case Mul:
		for i, x := range a {
			dst[i] = x * b[i]
		}
	default:
		return false
	}
	return true
}

// floatArith computes with floats.
type floatArith struct{ arithBase }

func (k *floatArith) eval(in *types.Batch) (*types.Vector, error) {
	n := in.Len
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	dst := k.floats(k.e.T, n)
	a, b := k.l.spreadFloats(l, n), k.r.spreadFloats(r, n)
	k.bothValid(n, l, r, k.l.konst, k.r.konst)
	if !elementwise(k.e.Op, dst, a, b) {
		for i, x := range a {
			y := b[i]
			switch {
			case y == 0:
				dst[i] = 0
				if !k.vec.IsNull(i) {
					if err := k.byZero(i, n); err != nil {
						return nil, err
					}
				}
			case k.e.Op == Mod:
				dst[i] = math.Mod(x, y)
			default:
				dst[i] = x / y
			}
		}
	}
	for i, x := range dst {
		if x-x != 0 && !k.vec.IsNull(i) {
			return nil, k.outOfRange()
		}
	}
	return &k.vec, nil
}

// scaledArith computes with decimals held as scaled integers, where no result
// can have more than 18 digits.
type scaledArith struct{ arithBase }

func (k *scaledArith) eval(in *types.Batch) (*types.Vector, error) {
	n := in.Len
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	dst := k.ints(k.e.T, n)
	a, b := k.l.spread(l, n), k.r.spread(r, n)
	k.bothValid(n, l, r, k.l.konst, k.r.konst)
	if !elementwise(k.e.Op, dst, a, b) {
		ls, rs, scale := scaleOf(k.l.t), scaleOf(k.r.t), scaleOf(k.e.T)
		round := scale < quotientScale(ls, rs)
		for i, x := range a {
			y := b[i]
			dst[i] = 0
			switch {
			case k.vec.IsNull(i):
			case y == 0:
				if err := k.byZero(i, n); err != nil {
					return nil, err
				}
			case k.e.Op == Mod:
				dst[i] = x % y
			default:
				dst[i], _ = divide128(x, scale-ls+rs, y, round)
			}
		}
	}
	return &k.vec, nil
}

func (e *Neg) compile(ev *Evaluator) (kernel, error) {
	arg := castNumber(ev.known(e.Arg), numericType(e.Arg))
	if arg.Type().Kind == types.Null {
		return &nullKernel{t: e.T}, nil
	}
	if e.T.Kind == types.Decimal {
		arg = CastTo(arg, e.T)
	}
	o, err := ev.operand(arg)
	if err != nil {
		return nil, err
	}
	return &negKernel{e: e, arg: o}, nil
}

type negKernel struct {
	scratch
	e   *Neg
	arg *operand
}

func (k *negKernel) eval(in *types.Batch) (*types.Vector, error) {
	v, err := k.arg.eval(in)
	if err != nil {
		return nil, err
	}
	n := in.Len
	switch {
	case v.Type.Physical() == types.PhysBytes:
		k.vec.Reset(k.e.T)
		for i := range n {
			if v.IsNull(i) {
				k.vec.AppendNull()
			} else {
				appendDecimal(&k.vec, decimalAt(v, i).Neg())
			}
		}
		return &k.vec, nil
	case v.Type.Physical() == types.PhysFloat64:
		dst := k.floats(k.e.T, n)
		for i, x := range v.Float64s[:n] {
			dst[i] = -x
		}
	case v.Type.Physical() == types.PhysUint64:
		dst := k.ints(k.e.T, n)
		for i, x := range v.Uint64s[:n] {
			if x > 1<<63 && !v.IsNull(i) {
				return nil, outOfRange(k.e.T, k.e)
			}
			dst[i] = -int64(x)
		}
	default:
		dst := k.ints(k.e.T, n)
		for i, x := range v.Int64s[:n] {
			if x == math.MinInt64 && !v.IsNull(i) {
				return nil, outOfRange(k.e.T, k.e)
			}
			dst[i] = -x
		}
	}
	k.alsoValid(n, v, false)
	return &k.vec, nil
}
