package types

import (
	"bytes"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Target is a column that values are stored into, with what its error messages
// and conversions need.
type Target struct {
	Type      Type
	Column    string         // for messages
	Row       int            // for messages: the row's number in the statement, from 1
	Zone      *time.Location // the session's; nil is UTC
	Now       time.Time      // the statement's time, which gives a TIME stored as DATETIME its date; zero is the present
	ZeroDates ZeroDates
	// Ignore, when set, is told the errors that AssignVector meets and makes it go
	// on with the adjusted values, as INSERT IGNORE does; not those of spatial types,
	// which have none.
	Ignore func(*sqlerr.Error)
}

// AssignNeedsNothing reports whether every value of type from can be stored in a
// column of type to as it is.
func AssignNeedsNothing(to, from Type) bool {
	if to.IsSpatial() {
		return (to.Kind == Geometry || to.Kind == from.Kind) && from.IsSpatial() && (to.Size < 0 || to.Size == from.Size)
	}
	if to == from {
		return !to.HasPlaces() && to.Size >= 0 || !to.IsText() && !to.IsBinary() && to.Kind != Decimal
	}
	switch {
	case to.IsInteger() && from.IsInteger():
		return to.Unsigned == from.Unsigned && to.Kind >= from.Kind
	case to.Kind == Double && !to.Unsigned && !to.HasPlaces():
		return from.IsFloat()
	case to.Kind == Decimal && from.Kind == Decimal && !to.Unsigned && from.Size >= 0:
		return to.Scale == from.Scale && to.Size >= from.Size && to.Physical() == from.Physical()
	case to.Kind == from.Kind && (to.Kind == DateTime || to.Kind == Timestamp || to.Kind == Time):
		return to.Scale >= from.Scale
	case to.Kind == DateTime:
		return from.Kind == Date
	case to.Kind == VarChar && from.Kind == VarChar, to.Kind == VarBinary && from.Kind == VarBinary:
		return from.Size >= 0 && (to.Size < 0 || to.Size >= from.Size)
	}
	return false
}

// Assign converts v, of type from, to the column's type by the rules of MySQL's
// strict mode. Beside an error of a value that does not fit comes the value that
// MySQL stores under IGNORE: clamped, cut off or zero. NULL stays NULL. Bytes may be shared with v.
//
// Kinds of error: OutOfRange, DataTooLong, DataTruncated, IncorrectValue,
// TruncatedWrongVal, InvalidJSON, NoGeometry, WrongSRIDForColumn.
func Assign(to *Target, from Type, v Value) (Value, error) {
	if v.IsNull() {
		return v, nil
	}
	var err *sqlerr.Error
	switch t := to.Type; {
	case t.Kind == Null:
		return Value{}, nil
	case t.IsInteger():
		v, err = to.integer(from, v)
	case t.Kind == Decimal:
		v, err = to.decimal(from, v)
	case t.IsFloat():
		v, err = to.float(from, v)
	case t.Kind == Bit:
		v, err = to.bit(from, v)
	case t.IsText():
		v, err = to.text(from, v)
	case t.IsSpatial():
		v, err = to.spatial(from, v)
	case t.IsBinary():
		v, err = to.binary(from, v)
	case t.IsTemporal():
		v, err = to.temporal(from, v)
	case t.Kind == Year:
		v, err = to.year(from, v)
	case t.Kind == JSON:
		v, err = to.json(from, v)
	case t.Kind == Enum:
		v, err = to.enum(from, v)
	case t.Kind == Set:
		v, err = to.set(from, v)
	default:
		v, err = to.uuid(from, v)
	}
	if err != nil {
		return v, err
	}
	return v, nil
}

// AssignVector is Assign for a whole vector: dst is emptied and filled with
// src's values in the column's type. It stops at the first error and returns its
// row in src, counted from 0; to.Row is the number of src's first row.
func AssignVector(to *Target, src, dst *Vector) (row int, err error) {
	dst.Reset(to.Type)
	if to.Takes(src) {
		dst.copyFrom(src)
		return 0, nil
	}
	if to.unsigned(src, dst) {
		return 0, nil
	}
	at := *to
	plain := src.Type.IsString() && (to.Type.IsInteger() || to.Type.Kind == Double)
	for i := range src.Len() {
		if plain && !src.IsNull(i) {
			if v, ok := to.plainNumber(src.BytesAt(i)); ok {
				dst.AppendValue(v)
				continue
			}
		}
		at.Row = to.Row + i
		v, err := Assign(&at, src.Type, src.Value(i))
		if err != nil {
			e := sqlerr.As(err)
			if to.Ignore == nil || e == nil || !to.Type.HasZero() {
				return i, err
			}
			to.Ignore(e)
		}
		dst.AppendValue(v)
	}
	return 0, nil
}

// plainNumber reads a text of a sign, few digits and, for a DOUBLE, a point among them, which
// is exactly a number of the column; false: it is another text, or another number.
func (to *Target) plainNumber(s []byte) (Value, bool) {
	const most = 15 // digits, so that a float64 has all integers of so many
	neg := len(s) > 0 && s[0] == '-'
	if neg {
		s = s[1:]
	}
	var x uint64
	digits, point := 0, -1
	for i, c := range s {
		switch {
		case c >= '0' && c <= '9':
			x = x*10 + uint64(c-'0')
			digits++
		case c == '.' && point < 0 && to.Type.Kind == Double:
			point = i
		default:
			return Value{}, false
		}
	}
	if digits == 0 || digits > most || neg && x == 0 {
		return Value{}, false
	}
	if to.Type.IsInteger() {
		v, err := to.integerOf(neg, x)
		return v, err == nil
	}
	f := float64(x)
	if point >= 0 {
		f /= tens[len(s)-1-point] // of two numbers without an error: rounded once
	}
	if neg {
		f = -f
	}
	return NewFloat(f), !neg || !to.Type.Unsigned
}

// tens are powers of ten.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// copyFrom copies all of src, of the same physical form, into an empty vector.
func (v *Vector) copyFrom(src *Vector) {
	v.Int64s = append(v.Int64s, src.Int64s...)
	v.Uint64s = append(v.Uint64s, src.Uint64s...)
	v.Float64s = append(v.Float64s, src.Float64s...)
	if src.n > 0 && v.Type.Physical() == PhysBytes {
		v.Data = append(v.Data, src.bytes()...)
		for _, end := range src.Offsets[1 : src.n+1] {
			v.Offsets = append(v.Offsets, end-src.Offsets[0])
		}
	}
	v.Valid, v.n = bytes.Clone(src.Valid), src.n
}

// bytes returns the bytes of all values of a PhysBytes vector.
func (v *Vector) bytes() []byte {
	if v.n == 0 {
		return nil
	}
	return v.Data[v.Offsets[0]:v.Offsets[v.n]]
}

// Takes reports whether it is known at little cost that all of src's values are the
// column's as they are: Assign would change none, and refuse none.
func (to *Target) Takes(src *Vector) bool {
	t, from := to.Type, src.Type
	switch {
	case AssignNeedsNothing(t, from):
		return true
	case t.IsInteger() && from.IsInteger() && !t.Unsigned && !from.Unsigned:
		lo, hi := signedRange(t.Kind)
		for _, x := range src.Int64s {
			if x < lo || x > hi { // a NULL's slot may be out of range: the slow way then
				return false
			}
		}
		return true
	case t.IsInteger() && from.IsInteger() && t.Unsigned && from.Unsigned:
		hi := unsignedMax(t.Kind)
		for _, x := range src.Uint64s {
			if x > hi {
				return false
			}
		}
		return true
	case (t.Kind == VarChar || t.IsText() && t.Kind != Char) && from.IsString():
		if !utf8.Valid(src.bytes()) {
			return false
		}
		for i := range src.Len() {
			if !to.shortText(src.BytesAt(i)) {
				return false
			}
		}
		return true
	}
	return false
}

// unsigned assigns signed integers to unsigned ones when all fit. When one does not it
// leaves dst empty and reports false.
func (to *Target) unsigned(src, dst *Vector) bool {
	t, from := to.Type, src.Type
	if !t.IsInteger() || !from.IsInteger() || !t.Unsigned || from.Unsigned {
		return false
	}
	hi := unsignedMax(t.Kind)
	for _, x := range src.Int64s {
		if x < 0 || uint64(x) > hi {
			dst.Reset(t)
			return false
		}
		dst.Uint64s = append(dst.Uint64s, uint64(x))
	}
	dst.Valid, dst.n = bytes.Clone(src.Valid), src.n
	return true
}

// shortText reports whether s surely fits, and does not start within a character.
func (to *Target) shortText(s []byte) bool {
	if len(s) > 0 && !utf8.RuneStart(s[0]) {
		return false
	}
	if to.Type.Kind == VarChar {
		return to.Type.Size < 0 || len(s) <= to.Type.Size
	}
	return len(s) <= maxBytes(to.Type.Kind)
}

func (to *Target) zone() *time.Location {
	if to.Zone == nil {
		return time.UTC
	}
	return to.Zone
}

func (to *Target) outOfRange() *sqlerr.Error {
	return sqlerr.OutOfRange.New("Out of range value for column '%s' at row %d", to.Column, to.Row).In(to.Column)
}

func (to *Target) tooLong() *sqlerr.Error {
	return sqlerr.DataTooLong.New("Data too long for column '%s' at row %d", to.Column, to.Row).In(to.Column)
}

func (to *Target) truncated() *sqlerr.Error {
	return sqlerr.DataTruncated.New("Data truncated for column '%s' at row %d", to.Column, to.Row).In(to.Column)
}

// incorrect is the error of a value that is no what: "integer", "decimal", "date" ….
func (to *Target) incorrect(kind *sqlerr.Kind, what string, from Type, v Value) *sqlerr.Error {
	const most = 128 // characters of the value that the message shows
	s := AppendText(nil, from, v)
	shown := printable(s, most)
	return kind.New("Incorrect %s value: '%s' for column '%s' at row %d", what, shown, to.Column, to.Row).In(to.Column)
}

// printable returns up to most bytes of s, with bytes that are no UTF-8 as \xHH.
func printable(s []byte, most int) string {
	var out []byte
	for len(s) > 0 && len(out) < most {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 || r < 0x20 {
			out = fmt.Appendf(out, "\\x%02X", s[0])
			n = 1
		} else {
			out = append(out, s[:n]...)
		}
		s = s[n:]
	}
	return string(out)
}

func signedRange(k Kind) (lo, hi int64) {
	switch k {
	case TinyInt:
		return math.MinInt8, math.MaxInt8
	case SmallInt:
		return math.MinInt16, math.MaxInt16
	case MediumInt:
		return -1 << 23, 1<<23 - 1
	case Int:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

func unsignedMax(k Kind) uint64 {
	_, hi := signedRange(k)
	return uint64(hi)*2 + 1
}

// IntegerRange returns the least and the greatest value of an integer type.
func (t Type) IntegerRange() (least int64, greatest uint64) {
	if t.Unsigned {
		return 0, unsignedMax(t.Kind)
	}
	lo, hi := signedRange(t.Kind)
	return lo, uint64(hi)
}

// integer stores into TINYINT to BIGINT. Floats round half to even, all else
// half away from zero.
func (to *Target) integer(from Type, v Value) (Value, *sqlerr.Error) {
	switch {
	case v.phys == PhysInt64 && (from.IsInteger() || from.Kind == Year):
		x := v.Int()
		if x < 0 {
			return to.integerOf(true, -uint64(x))
		}
		return to.integerOf(false, uint64(x))
	case v.phys == PhysUint64:
		return to.integerOf(false, v.bits)
	case v.phys == PhysFloat64:
		f := math.RoundToEven(v.Float())
		abs := math.Abs(f)
		if !(abs < 1<<64) {
			w, _ := to.integerOf(f < 0, math.MaxUint64)
			return w, to.outOfRange()
		}
		return to.integerOf(f < 0, uint64(abs))
	}
	var x number
	bad := to.readNumber(&x, from, v, "integer", sqlerr.DataTruncated)
	x.round(0)
	u, ok := x.uint64(0)
	w, err := to.integerOf(x.neg, u)
	switch {
	case bad != nil:
		return w, bad
	case !ok:
		return w, to.outOfRange()
	}
	return w, err
}

// integerOf checks the range of a sign and an absolute value, and clamps.
func (to *Target) integerOf(neg bool, abs uint64) (Value, *sqlerr.Error) {
	if to.Type.Unsigned {
		hi := unsignedMax(to.Type.Kind)
		switch {
		case neg && abs > 0:
			return NewUint(0), to.outOfRange()
		case abs > hi:
			return NewUint(hi), to.outOfRange()
		}
		return NewUint(abs), nil
	}
	lo, hi := signedRange(to.Type.Kind)
	switch {
	case neg && abs > -uint64(lo):
		return NewInt(lo), to.outOfRange()
	case neg:
		return NewInt(-int64(abs)), nil
	case abs > uint64(hi):
		return NewInt(hi), to.outOfRange()
	}
	return NewInt(int64(abs)), nil
}

// readNumber reads v as a number. A text with something after its number is an
// error of kind trailing; one without a number is IncorrectValue.
func (to *Target) readNumber(x *number, from Type, v Value, what string, trailing *sqlerr.Kind) *sqlerr.Error {
	var buf [48]byte
	s := numberText(buf[:0], from, v)
	used := x.parse(s)
	switch {
	case used == 0:
		return to.incorrect(sqlerr.IncorrectValue, what, from, v)
	case onlySpace(s[used:]):
		return nil
	case trailing == sqlerr.DataTruncated:
		return to.truncated()
	}
	return to.incorrect(trailing, what, from, v)
}

func (to *Target) decimal(from Type, v Value) (Value, *sqlerr.Error) {
	t := to.Type
	size := t.Size
	if size < 0 {
		size = maxDecimalDigits
	}
	if t.Physical() == PhysInt64 && !t.Unsigned && from.IsInteger() && v.phys == PhysInt64 {
		limit := int64(pow10[t.Size-t.Scale])
		if x := v.Int(); x > -limit && x < limit {
			return NewInt(x * int64(pow10[t.Scale])), nil
		}
	}
	var x number
	err := to.readNumber(&x, from, v, "decimal", sqlerr.IncorrectValue)
	x.round(t.Scale)
	if !x.fits(size - t.Scale) {
		x.point, x.n = size-t.Scale, size
		for i := range x.n {
			x.d[i] = '9'
		}
		err = to.outOfRange()
	}
	if t.Unsigned && x.neg && x.n > 0 {
		x, err = number{}, to.outOfRange()
	}
	if t.Physical() == PhysInt64 {
		u, _ := x.uint64(t.Scale)
		if x.neg {
			return NewInt(-int64(u)), err
		}
		return NewInt(int64(u)), err
	}
	return NewBytes(x.appendFixed(nil, t.Scale)), err
}

func (to *Target) float(from Type, v Value) (Value, *sqlerr.Error) {
	var f float64
	var err *sqlerr.Error
	switch {
	case v.phys == PhysFloat64:
		f = v.Float()
	case v.phys == PhysInt64 && (from.IsInteger() || from.Kind == Year):
		f = float64(v.Int())
	case v.phys == PhysUint64:
		f = float64(v.bits)
	default:
		var bad bool
		if f, bad = floatOf(from, v); bad {
			err = to.truncated()
		}
	}
	if to.Type.HasPlaces() && !(to.Type.Unsigned && f < 0) {
		unit := math.Pow10(to.Type.Scale)
		most := math.Pow10(to.Type.Size-to.Type.Scale) - 1/unit
		whole := math.Floor(f)
		part := math.RoundToEven((f - whole) * unit) // MySQL rounds halves after the point to even
		if f = whole + part/unit; math.Abs(whole*unit) < 1<<53 {
			f = (whole*unit + part) / unit // the number nearest to the decimal
		}
		if math.Abs(f) > most {
			f, err = math.Copysign(most, f), to.outOfRange()
		}
	}
	switch {
	case f != f:
		f, err = 0, to.outOfRange()
	case to.Type.Unsigned && f < 0:
		f, err = 0, to.outOfRange()
	case to.Type.Kind == Float:
		if g := float32(f); math.IsInf(float64(g), 0) {
			f, err = math.Copysign(math.MaxFloat32, f), to.outOfRange()
		} else {
			f = float64(g)
		}
	case math.IsInf(f, 0):
		f, err = math.Copysign(math.MaxFloat64, f), to.outOfRange()
	}
	return NewFloat(f), err
}

// numberText returns the text that v is read from as a number, in buf or shared with v.
func numberText(buf []byte, from Type, v Value) []byte {
	switch {
	case v.phys != PhysBytes:
		return appendNumber(buf, from, v)
	case from.Kind == JSON && jsonTypeOf(v.data) == jsonBool:
		return append(buf, byte('0'+btoi(v.data[0] == 't')))
	case from.Kind == JSON && jsonTypeOf(v.data) == jsonString:
		return UnquoteJSON(v.data)
	}
	return v.data
}

// floatOf reads a value as a double; bad says that it is not wholly a number.
func floatOf(from Type, v Value) (f float64, bad bool) {
	var x number
	var buf [48]byte
	s := numberText(buf[:0], from, v)
	used := x.parse(s)
	if used == 0 {
		return 0, true
	}
	return parseDouble(s[:used]), !onlySpace(s[used:])
}
