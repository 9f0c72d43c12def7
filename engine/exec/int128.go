package exec

import (
	"math/bits"
	"strconv"

	"vitess.io/vitess/go/mysql/decimal"

	"github.com/kalamgo/kalam/engine/types"
)

// divScaleDigits is how many digits AVG adds to the scale
// (div_precision_increment).
const divScaleDigits = 4

// int128 is a signed integer in two's complement.
type int128 struct {
	hi int64
	lo uint64
}

func (s *int128) addInt(x int64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, uint64(x), 0)
	s.hi += x>>63 + int64(carry)
}

// addInts adds numbers; most are far from what 64 bits can hold the sum of.
func (s *int128) addInts(values []int64) {
	const most = 1 << 12 // numbers of 51 bits have a sum of 63
	for len(values) > 0 {
		some := values[:min(len(values), most)]
		values = values[len(some):]
		sum, bits := int64(0), int64(0)
		for _, x := range some {
			sum += x
			bits |= x ^ x>>63
		}
		if bits < 1<<50 {
			s.addInt(sum)
			continue
		}
		for _, x := range some {
			s.addInt(x)
		}
	}
}

func (s *int128) addUint(x uint64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, x, 0)
	s.hi += int64(carry)
}

func (s *int128) add(x int128) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, x.lo, 0)
	s.hi += x.hi + int64(carry)
}

// abs returns the magnitude and whether the number is negative.
func (s int128) abs() (hi, lo uint64, negative bool) {
	if s.hi >= 0 {
		return uint64(s.hi), s.lo, false
	}
	lo, borrow := bits.Sub64(0, s.lo, 0)
	hi, _ = bits.Sub64(0, uint64(s.hi), borrow)
	return hi, lo, true
}

// average returns s * 10^digits / n, rounded half away from zero; digits is at
// most divScaleDigits, and s a sum of fewer than 2^50 64-bit numbers.
func (s int128) average(n int64, digits int) int128 {
	hi, lo, negative := s.abs()
	m := uint64(1)
	for range digits {
		m *= 10
	}
	carry, lo := bits.Mul64(lo, m)
	hi = hi*m + carry
	d := uint64(n)
	qhi := hi / d
	qlo, rem := bits.Div64(hi%d, lo, d)
	if rem >= d-rem {
		var c uint64
		qlo, c = bits.Add64(qlo, 1, 0)
		qhi += c
	}
	if negative {
		var borrow uint64
		qlo, borrow = bits.Sub64(0, qlo, 0)
		qhi, _ = bits.Sub64(0, qhi, borrow)
	}
	return int128{int64(qhi), qlo}
}

// text appends the number as DECIMAL text with scale digits after the point.
func (s int128) text(dst []byte, scale int) []byte {
	const chunk = 1e19
	hi, lo, negative := s.abs()
	if negative {
		dst = append(dst, '-')
	}
	var low [2]uint64 // chunks of 19 digits, the lowest first
	n := 0
	for hi > 0 || lo >= chunk {
		q := hi / chunk
		lo, low[n] = bits.Div64(hi%chunk, lo, chunk)
		hi = q
		n++
	}
	var buf [64]byte
	digits := strconv.AppendUint(buf[:0], lo, 10)
	for n--; n >= 0; n-- {
		digits = appendPadded(digits, low[n], 19)
	}
	if len(digits) <= scale {
		dst = append(dst, '0', '.')
		for range scale - len(digits) {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[len(digits)-scale:]...)
	}
	return dst
}

// appendPadded appends x with width digits.
func appendPadded(dst []byte, x uint64, width int) []byte {
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], x, 10)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendInt128 appends s, scaled by dst's scale, to a DECIMAL vector.
func appendInt128(dst *types.Vector, s int128) {
	if dst.Type.Physical() == types.PhysInt64 {
		dst.AppendInt(int64(s.lo))
		return
	}
	var buf [80]byte
	dst.AppendBytes(s.text(buf[:0], dst.Type.Scale))
}

// appendDecimal appends d, rounded to dst's scale, to a DECIMAL vector.
func appendDecimal(dst *types.Vector, d decimal.Decimal) {
	if scale := int32(dst.Type.Scale); dst.Type.Physical() == types.PhysInt64 {
		n, _ := d.Round(scale).Mul(decimal.New(1, scale)).Int64()
		dst.AppendInt(n)
		return
	}
	text := d.FormatMySQL(int32(dst.Type.Scale))
	if text[0] == '-' && decimalZero(text[1:]) {
		text = text[1:]
	}
	dst.AppendBytes(text)
}

func decimalZero(text []byte) bool {
	for _, c := range text {
		if c != '0' && c != '.' {
			return false
		}
	}
	return true
}
