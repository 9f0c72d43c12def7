package expr

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/decimal"
	"vitess.io/vitess/go/mysql/fastparse"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// CastTo returns e converted to t as MySQL converts by itself: e where it has
// that type already, a literal where e is one that converts without a warning.
func CastTo(e Expr, t types.Type) Expr {
	from := e.Type()
	if from == t || t.Kind == types.Null {
		return e
	}
	c := &Cast{Arg: e, T: t}
	if _, ok := e.(*Literal); ok {
		return Fold(c)
	}
	return c
}

// Comparand returns e as t, the type of a comparison. Text that is no date is 0000-00-00
// there, before all dates, where elsewhere it is NULL.
func Comparand(e Expr, t types.Type) Expr {
	from := e.Type()
	if _, ok := e.(*Literal); !ok && from.IsString() && t.IsTemporal() && t.Kind != types.Time {
		return &Cast{Arg: e, T: t, Compared: true}
	}
	return CastTo(e, t)
}

// SameForm reports whether values of from are held as values of to are, so that
// converting them is nothing.
func SameForm(from, to types.Type) bool {
	switch {
	case from.Physical() != to.Physical():
		return false
	case from.IsBinary() && to.IsText():
		return to.Collation == collations.CollationBinaryID // else it is looked at
	case from.Kind == types.Decimal || to.Kind == types.Decimal:
		return from.Kind == to.Kind && from.Scale == to.Scale
	case from.IsTemporal() || to.IsTemporal():
		if from.Kind == types.Date && to.IsTemporal() {
			return to.Kind != types.Time
		}
		sameKind := from.Kind == to.Kind || isDateTime(from) && isDateTime(to)
		return sameKind && from.Scale <= to.Scale
	case to.Kind == types.Float:
		return from.Kind == types.Float
	case from.Kind == types.Enum || from.Kind == types.Set:
		return !to.IsString()
	case from.Kind == types.UUID || to.Kind == types.UUID:
		return from.Kind == to.Kind
	case to.Kind == types.JSON:
		return from.Kind == types.JSON
	}
	return true
}

func isDateTime(t types.Type) bool { return t.Kind == types.DateTime || t.Kind == types.Timestamp }

// hasDate reports whether values of t are dates, with or without a time.
func hasDate(t types.Type) bool { return t.Kind == types.Date || isDateTime(t) }

func (e *Cast) compile(ev *Evaluator) (kernel, error) {
	from := e.Arg.Type()
	if from.Kind == types.Null {
		return &nullKernel{t: e.T}, nil
	}
	arg, err := ev.operand(e.Arg)
	if err != nil {
		return nil, err
	}
	b := castBase{e: e, ev: ev, arg: arg}
	switch {
	case SameForm(from, e.T):
		return &aliasKernel{b}, nil
	case e.T.IsFloat() && from.Physical() != types.PhysBytes && !from.IsTemporal():
		return &toFloatKernel{b}, nil
	case e.T.Kind == types.Decimal && e.T.Physical() == types.PhysInt64 && from.Physical() == types.PhysInt64 &&
		!from.IsTemporal() && from.Scale <= e.T.Scale:
		return &scaleUpKernel{b}, nil
	}
	convert := converter(from, e.T)
	if e.Compared {
		convert = toComparedDate
	}
	if convert == nil {
		return nil, sqlerr.Unsupported("conversion of %s to %s", typeName(from), typeName(e.T))
	}
	return &convertKernel{castBase: b, convert: convert}, nil
}

type castBase struct {
	scratch
	e   *Cast
	ev  *Evaluator
	arg *operand
}

// aliasKernel changes a vector's type only.
type aliasKernel struct{ castBase }

func (k *aliasKernel) eval(in *types.Batch) (*types.Vector, error) {
	v, err := k.arg.eval(in)
	if err != nil {
		return nil, err
	}
	k.vec = *v
	k.vec.Type = k.e.T
	return &k.vec, nil
}

// toFloatKernel converts numbers that are held as integers or floats.
type toFloatKernel struct{ castBase }

func (k *toFloatKernel) eval(in *types.Batch) (*types.Vector, error) {
	v, err := k.arg.eval(in)
	if err != nil {
		return nil, err
	}
	n := in.Len
	dst := k.floats(k.e.T, n)
	switch v.Type.Physical() {
	case types.PhysFloat64:
		for i, x := range v.Float64s[:n] {
			dst[i] = float64(float32(x))
		}
	case types.PhysUint64:
		for i, x := range v.Uint64s[:n] {
			dst[i] = float64(x)
		}
	default:
		by := 1.0
		if v.Type.Kind == types.Decimal {
			by = float64(pow10[v.Type.Scale])
		}
		for i, x := range v.Int64s[:n] {
			if dst[i] = float64(x) / by; by > 1 && magnitude(x) > 1<<53 {
				dst[i], _ = decimalAt(v, i).Float64() // rounded once
			}
		}
	}
	k.alsoValid(n, v, false)
	return &k.vec, nil
}

// scaleUpKernel converts integers and scaled decimals to scaled decimals of no
// smaller scale.
type scaleUpKernel struct{ castBase }

func (k *scaleUpKernel) eval(in *types.Batch) (*types.Vector, error) {
	v, err := k.arg.eval(in)
	if err != nil {
		return nil, err
	}
	n := in.Len
	dst := k.ints(k.e.T, n)
	scale := max(v.Type.Scale, 0)
	by := pow10[k.e.T.Scale-scale]
	limit := pow10[k.e.T.Size] / by
	k.alsoValid(n, v, false)
	for i, x := range v.Int64s[:n] {
		dst[i] = x * by
		if (x >= limit || x <= -limit) && !k.vec.IsNull(i) {
			dst[i] = pow10[k.e.T.Size] - 1
			if x < 0 {
				dst[i] = -dst[i]
			}
			k.ev.warn(sqlerr.OutOfRange.New("Out of range value for DECIMAL"))
		}
	}
	return &k.vec, nil
}

// convertKernel converts value by value.
type convertKernel struct {
	castBase
	convert conversion
}

// conversion appends value i of src to dst, converted, or NULL. It returns the
// warning that is due.
type conversion func(env *Env, dst, src *types.Vector, i int) (warning error)

func (k *convertKernel) eval(in *types.Batch) (*types.Vector, error) {
	v, err := k.arg.eval(in)
	if err != nil {
		return nil, err
	}
	k.vec.Reset(k.e.T)
	for i := range in.Len {
		if v.IsNull(i) {
			k.vec.AppendNull()
			continue
		}
		if w := k.convert(k.ev.env, &k.vec, v, i); w != nil {
			k.ev.warn(w)
		}
	}
	return &k.vec, nil
}

// converter returns the conversion, nil if there is none.
func converter(from, to types.Type) conversion {
	switch {
	case from.IsBinary() && to.IsText():
		return toUTF8
	case to.IsString():
		return func(_ *Env, dst, src *types.Vector, i int) error {
			dst.Data = types.AppendText(dst.Data, src.Type, src.Value(i))
			dst.AppendBytes(nil)
			return nil
		}
	case to.IsTemporal():
		return toTemporal
	case to.Kind == types.UUID && from.IsString():
		return toUUID
	case to.IsFloat():
		return toFloat
	case to.Kind == types.Decimal:
		return toDecimal
	case to.IsNumeric():
		return toInteger
	}
	return nil
}

// toUTF8 converts bytes that are no UTF-8 to NULL.
func toUTF8(_ *Env, dst, src *types.Vector, i int) error {
	b := src.BytesAt(i)
	if !utf8.Valid(b) {
		dst.AppendNull()
		return sqlerr.InvalidCharacters.New("Invalid utf8mb4 character string: '%X'", b[:min(len(b), 6)])
	}
	dst.AppendBytes(b)
	return nil
}

// toUUID reads a UUID with or without hyphens; other text is NULL.
func toUUID(_ *Env, dst, src *types.Vector, i int) error {
	var u [16]byte
	text := bytes.ReplaceAll(src.BytesAt(i), []byte("-"), nil)
	if len(text) == 32 {
		if _, err := hex.Decode(u[:], text); err == nil {
			dst.AppendBytes(u[:])
			return nil
		}
	}
	dst.AppendNull()
	return nil
}

// decimalAt returns number i of v, which is not NULL.
func decimalAt(v *types.Vector, i int) decimal.Decimal {
	switch v.Type.Physical() {
	case types.PhysInt64:
		x := v.Int64s[i]
		switch {
		case v.Type.Kind == types.Decimal:
			return decimal.New(x, -int32(v.Type.Scale))
		case v.Type.IsTemporal():
			n, us := temporalNumber(x, v.Type)
			if us == 0 {
				return decimal.NewFromInt(n)
			}
			return decimal.NewFromInt(n).Add(decimal.New(us, -6))
		}
		return decimal.NewFromInt(x)
	case types.PhysUint64:
		return decimal.NewFromUint(v.Uint64s[i])
	case types.PhysFloat64:
		return decimal.NewFromFloatMySQL(v.Float64s[i])
	}
	// A prefix that is no number is 0.
	d, _ := decimal.NewFromMySQL(v.BytesAt(i))
	if !d.IsInitialized() {
		return decimal.Zero
	}
	return d
}

// appendDecimal appends d rounded to dst's scale. It reports false, having
// appended the nearest value instead, when d has too many digits.
func appendDecimal(dst *types.Vector, d decimal.Decimal) bool {
	t := dst.Type
	scale := int32(t.Scale)
	d = d.Round(scale)
	in := d.Clamp(int32(t.Size-t.Scale), scale)
	ok := in.Equal(d)
	if t.Physical() == types.PhysInt64 {
		n, _ := in.Mul(decimal.New(1, scale)).Int64()
		dst.AppendInt(n)
		return ok
	}
	dst.AppendBytes(in.FormatMySQL(scale))
	return ok
}

func toDecimal(_ *Env, dst, src *types.Vector, i int) error {
	if t := src.Type; t.IsString() {
		d, warning := parseDecimal(src.BytesAt(i))
		if !appendDecimal(dst, d) {
			return sqlerr.OutOfRange.New("Out of range value for DECIMAL: '%s'", src.BytesAt(i))
		}
		return warning
	} else if t.Kind == types.JSON {
		f, warning := parseFloat(src, i)
		appendDecimal(dst, decimal.NewFromFloatMySQL(f))
		return warning
	}
	if isExact(src.Type) {
		if x, ok := unscaled(src, i); ok {
			if z, ok := rescale(x, dst.Type.Scale-scaleOf(src.Type)); ok && appendUnscaled(dst, z) {
				return nil
			}
		}
	}
	if !appendDecimal(dst, decimalAt(src, i)) {
		return sqlerr.OutOfRange.New("Out of range value for DECIMAL")
	}
	return nil
}

// parseDecimal reads the number that text begins with, 0 if it begins with none.
func parseDecimal(b []byte) (decimal.Decimal, error) {
	text := bytes.TrimLeft(b, " \t\n\r")
	end := numberLength(text)
	d, err := decimal.NewFromString(string(text[:end]))
	if err != nil {
		d = decimal.Zero
	}
	if err != nil || len(bytes.TrimRight(text[end:], " \t\n\r")) > 0 {
		return d, sqlerr.TruncatedWrongVal.New("Truncated incorrect DECIMAL value: '%s'", b)
	}
	return d, nil
}

// numberLength returns the length of the number that text begins with: a sign,
// digits with a point, and an exponent of two digits at most, which is more than
// a DECIMAL holds.
func numberLength(text []byte) int {
	digits := func(i int) int {
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i
	}
	sign := func(i int) int {
		if i < len(text) && (text[i] == '-' || text[i] == '+') {
			i++
		}
		return i
	}
	end := digits(sign(0))
	if end < len(text) && text[end] == '.' {
		end = digits(end + 1)
	}
	if end < len(text) && (text[end] == 'e' || text[end] == 'E') {
		start := sign(end + 1)
		if last := digits(start); last > start && last-start <= 2 {
			end = last
		}
	}
	return end
}

func toFloat(_ *Env, dst, src *types.Vector, i int) error {
	if t := src.Type; t.Physical() == types.PhysBytes && t.Kind != types.Decimal {
		f, warning := parseFloat(src, i)
		dst.AppendFloat(f)
		return warning
	}
	if src.Type.IsTemporal() {
		n, us := temporalNumber(src.Int64s[i], src.Type)
		dst.AppendFloat(float64(n) + float64(us)/microsPerSecond)
		return nil
	}
	f, _ := strconv.ParseFloat(string(src.BytesAt(i)), 64)
	dst.AppendFloat(f)
	return nil
}

// parseFloat reads the number that text begins with, 0 if it begins with none.
func parseFloat(src *types.Vector, i int) (float64, error) {
	b := src.BytesAt(i)
	if src.Type.Kind == types.JSON {
		b = bytes.Trim(b, `"`)
		switch string(b) {
		case "true":
			return 1, nil
		case "false":
			return 0, nil
		}
	}
	f, err := fastparse.ParseFloat64(string(b))
	if err == nil {
		return f, nil
	}
	return f, sqlerr.TruncatedWrongVal.New("Truncated incorrect DOUBLE value: '%s'", b)
}

func toInteger(_ *Env, dst, src *types.Vector, i int) error {
	var neg bool
	var m uint64
	var warning error
	switch {
	case src.Type.Physical() == types.PhysUint64:
		m = src.Uint64s[i]
	case src.Type.Physical() == types.PhysFloat64, src.Type.IsString(), src.Type.Kind == types.JSON:
		var f float64
		if src.Type.Physical() == types.PhysFloat64 {
			f = src.Float64s[i]
		} else {
			f, warning = parseFloat(src, i)
		}
		f = math.RoundToEven(f)
		if neg = f < 0; neg {
			f = -f
		}
		m = math.MaxUint64
		if f < math.MaxUint64 {
			m = uint64(f)
		}
	case src.Type.Kind == types.Decimal:
		d := decimalAt(src, i).Round(0)
		neg = d.Sign() < 0
		u, ok := d.Abs().Uint64()
		if m = u; !ok {
			m = math.MaxUint64
		}
	case src.Type.IsTemporal():
		n, _ := temporalNumber(roundTemporal(src.Int64s[i], src.Type, 0), src.Type)
		neg, m = n < 0, magnitude(n)
	default:
		neg, m = src.Int64s[i] < 0, magnitude(src.Int64s[i])
	}
	appendInteger(dst, neg, m)
	return warning
}

// appendInteger appends the integer, or the nearest that dst holds.
func appendInteger(dst *types.Vector, neg bool, m uint64) {
	switch {
	case dst.Type.Physical() == types.PhysUint64 && neg:
		dst.AppendUint(0)
	case dst.Type.Physical() == types.PhysUint64:
		dst.AppendUint(m)
	case neg:
		dst.AppendInt(-int64(min(m, 1<<63)))
	default:
		dst.AppendInt(int64(min(m, math.MaxInt64)))
	}
}

// toComparedDate converts text that is no date to 0000-00-00.
func toComparedDate(env *Env, dst, src *types.Vector, i int) error {
	v, ok, part := readTemporal(src.BytesAt(i), dst.Type)
	if !ok && !part {
		v, ok = parseZeroDate(src.BytesAt(i), dst.Type, env.ZeroDates)
	}
	dst.AppendInt(v)
	if !ok {
		return sqlerr.TruncatedWrongVal.New("Incorrect %s value: '%s'", typeName(dst.Type), src.BytesAt(i))
	}
	return nil
}

// toTemporal converts what is no date or time to NULL.
func toTemporal(env *Env, dst, src *types.Vector, i int) error {
	t := dst.Type
	if src.Type.IsTemporal() {
		v := temporalAs(src.Int64s[i], src.Type, t, env)
		if t.Kind != types.Time && !inRange(v) {
			dst.AppendNull()
			return sqlerr.DatetimeOverflow.New("Datetime function: datetime field overflow")
		}
		dst.AppendInt(v)
		return nil
	}
	var v int64
	var ok bool
	switch {
	case src.Type.IsString():
		var part bool
		if v, ok, part = readTemporal(src.BytesAt(i), t); part && !ok {
			dst.AppendInt(v)
			return sqlerr.TruncatedWrongVal.New("Truncated incorrect %s value: '%s'", strings.ToLower(typeName(t)), src.BytesAt(i))
		}
		if !ok {
			v, ok = parseZeroDate(src.BytesAt(i), t, env.ZeroDates)
		}
	case src.Type.IsNumeric():
		d := decimalAt(src, i)
		whole := d.Truncate(0)
		n, fits := whole.Int64()
		us, _ := d.Sub(whole).Mul(decimal.New(1, 6)).Round(0).Int64()
		v, ok = numberToTemporal(n, us, t)
		ok = ok && fits
		if !ok && fits && us == 0 && env.ZeroDates != 0 {
			v, ok = parseZeroDate(strconv.AppendInt(nil, n, 10), t, env.ZeroDates)
		}
		if ok && t.Kind != types.Date {
			v = roundTemporal(v, t, t.Scale)
		}
	default:
		v, ok = parseTemporal(bytes.Trim(types.AppendText(nil, src.Type, src.Value(i)), `"`), t)
	}
	if !ok {
		dst.AppendNull()
		return sqlerr.TruncatedWrongVal.New("Incorrect %s value: '%s'", typeName(t), types.AppendText(nil, src.Type, src.Value(i)))
	}
	dst.AppendInt(v)
	return nil
}
