package types

import (
	"math"
	"strconv"
)

// maxDigits bounds the digits that a number keeps; MySQL's DECIMAL has 65, and
// what stands after them only rounds.
const maxDigits = 160

// number is a decimal number as digits: 0.d[0]d[1]… times 10^point. d has no
// leading zero; zero has no digits. It is how values of all kinds become DECIMALs
// and integers with exact rounding.
type number struct {
	neg   bool
	d     [maxDigits]byte // '0' to '9'
	n     int
	point int
}

// parse reads the number that s starts with, after white space: sign,
// digits with a point, exponent. used is the length it took, 0 when there is none.
func (x *number) parse(s []byte) (used int) {
	*x = number{}
	i := 0
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		x.neg = s[i] == '-'
		i++
	}
	seen, dot := false, false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !dot {
			dot = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen = true
		switch {
		case c == '0' && x.n == 0:
			if dot {
				x.point--
			}
			continue
		case x.n < maxDigits:
			x.d[x.n] = c
			x.n++
		}
		if !dot {
			x.point++
		}
	}
	if !seen {
		return 0
	}
	if i+1 < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if s[j] == '-' || s[j] == '+' {
			j++
		}
		if j < len(s) && '0' <= s[j] && s[j] <= '9' {
			e := 0
			for k := j; k < len(s) && '0' <= s[k] && s[k] <= '9'; k++ {
				e = min(e*10+int(s[k]-'0'), 100_000)
				i = k + 1
			}
			if s[j-1] == '-' {
				e = -e
			}
			x.point += e
		}
	}
	if x.n == 0 {
		x.neg, x.point = false, 0
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// onlySpace reports whether s is white space.
func onlySpace(s []byte) bool {
	for _, c := range s {
		if !isSpace(c) {
			return false
		}
	}
	return true
}

// round rounds half away from zero to scale digits after the point.
func (x *number) round(scale int) {
	keep := x.point + scale
	if keep >= x.n {
		return
	}
	if keep < 0 {
		x.n, x.neg, x.point = 0, false, 0
		return
	}
	up := x.d[keep] >= '5'
	x.n = keep
	if up {
		for x.n > 0 && x.d[x.n-1] == '9' {
			x.n--
		}
		if x.n == 0 {
			x.d[0] = '1'
			x.n, x.point = 1, x.point+1
		} else {
			x.d[x.n-1]++
		}
	}
	if x.n == 0 {
		x.neg, x.point = false, 0
	}
}

// fits reports whether a rounded number has at most that many integer digits.
func (x *number) fits(integerDigits int) bool { return x.n == 0 || x.point <= integerDigits }

// digit returns the digit at a position counted from the first, zero around them.
func (x *number) digit(i int) byte {
	if i < 0 || i >= x.n {
		return '0'
	}
	return x.d[i]
}

// uint64 returns the absolute value of a number rounded to scale, times
// 10^scale; ok is false when that is no uint64.
func (x *number) uint64(scale int) (u uint64, ok bool) {
	if x.n == 0 {
		return 0, true
	}
	if x.point+scale > 20 {
		return math.MaxUint64, false
	}
	for i := range x.point + scale {
		c := uint64(x.digit(i) - '0')
		if u > (math.MaxUint64-c)/10 {
			return math.MaxUint64, false
		}
		u = u*10 + c
	}
	return u, true
}

// appendFixed appends a number rounded to scale with exactly scale digits after the point.
func (x *number) appendFixed(dst []byte, scale int) []byte {
	if x.neg && x.n > 0 {
		dst = append(dst, '-')
	}
	if x.n == 0 || x.point <= 0 {
		dst = append(dst, '0')
	}
	first := 0
	if x.n > 0 {
		for ; first < x.point; first++ {
			dst = append(dst, x.digit(first))
		}
		first = x.point
	}
	if scale <= 0 {
		return dst
	}
	dst = append(dst, '.')
	for i := range scale {
		dst = append(dst, x.digit(first+i))
	}
	return dst
}

// ExactNumber returns the number that a text or float stands for where it is
// compared with values of an exact type: a BIGINT where it is whole and one has
// it, else a DECIMAL with a digit after to's last one, which is not zero when more is cut
// off, so that the number keeps its place among to's values. Text stands for the number
// that it begins with, or 0. A float is exact among integers; among DECIMALs it
// is the shortest decimal that reads as it.
func ExactNumber(from Type, v Value, to Type) (Type, Value) {
	const most = 66 // integer digits, one more than DECIMAL has
	var x number
	switch f := 0.0; {
	case from.IsFloat():
		f = max(min(v.Float(), 1e100), -1e100)
		if to.Kind != Decimal && f == math.Trunc(f) {
			x.parse(strconv.AppendFloat(nil, f, 'f', 0, 64))
		} else {
			x.parse(strconv.AppendFloat(nil, f, 'e', -1, 64))
		}
	default:
		x.parse(v.data)
	}
	if x.n > 0 && x.point > most {
		x.d[0], x.n, x.point = '1', 1, most+1
	}
	scale := 1
	if to.Kind == Decimal {
		scale += to.Scale
	}
	x.cut(scale)
	if u, ok := x.uint64(0); ok && x.point >= x.n {
		switch {
		case x.neg && u <= 1<<63:
			return Int64Type, NewInt(-int64(u))
		case !x.neg && u <= math.MaxInt64:
			return Int64Type, NewInt(int64(u))
		case !x.neg:
			return Uint64Type, NewUint(u)
		}
	}
	return DecimalType(most+1+scale, scale), NewBytes(x.appendFixed(nil, scale))
}

// cut leaves scale digits after the point. Where digits other than zero are cut
// off, the last one left is not zero.
func (x *number) cut(scale int) {
	keep := x.point + scale
	if keep >= x.n {
		return
	}
	if keep <= 0 {
		x.d[0], x.n, x.point = '1', 1, 1-scale
		return
	}
	rest := false
	for _, c := range x.d[keep:x.n] {
		rest = rest || c != '0'
	}
	x.n = keep
	if rest && x.d[keep-1] == '0' {
		x.d[keep-1] = '1'
	}
	for x.n > 0 && x.d[x.n-1] == '0' {
		x.n--
	}
}

// appendNumber appends v, of type t, as the number that MySQL takes it for in a
// numeric context: temporals as 20260131235959.5, ENUM and SET as their index
// and bits, text and JSON as they stand.
func appendNumber(dst []byte, t Type, v Value) []byte {
	switch {
	case v.phys == PhysUint64:
		return strconv.AppendUint(dst, v.bits, 10)
	case v.phys == PhysFloat64 && t.Kind == Float:
		return strconv.AppendFloat(dst, v.Float(), 'e', -1, 32)
	case v.phys == PhysFloat64:
		return strconv.AppendFloat(dst, v.Float(), 'e', -1, 64)
	case t.IsTemporal() && v.phys == PhysInt64:
		n, us := temporalNumber(t, v.Int())
		if n < 0 || us < 0 {
			dst, n, us = append(dst, '-'), -n, -us
		}
		dst = strconv.AppendInt(dst, n, 10)
		if us != 0 {
			dst = appendPadded(append(dst, '.'), int(us), 6)
		}
		return dst
	}
	return AppendText(dst, t, v)
}

// temporalNumber returns a temporal value as MySQL's number, YYYYMMDD,
// YYYYMMDDhhmmss or hhmmss, and its microseconds; both are negative for a
// negative TIME.
func temporalNumber(t Type, p int64) (n, micros int64) {
	if t.Kind == Time {
		neg := p < 0
		if neg {
			p = -p
		}
		s := p / 1_000_000
		n, micros = s/3600*10000+s/60%60*100+s%60, p%1_000_000
		if neg {
			return -n, -micros
		}
		return n, micros
	}
	y, mo, d, h, mi, s, us := UnpackDateTime(p)
	n = int64(y*10000 + mo*100 + d)
	if t.Kind == Date {
		return n, 0
	}
	return n*1_000_000 + int64(h*10000+mi*100+s), int64(us)
}
