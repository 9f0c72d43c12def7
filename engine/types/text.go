package types

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/bits"
	"strconv"
)

// AppendText appends MySQL's text of v, of type t: what a client sees, and what
// CAST(v AS CHAR) gives. BIT and binary values are their bytes, a FLOAT has six
// digits. NULL appends nothing.
func AppendText(dst []byte, t Type, v Value) []byte {
	switch v.phys {
	case PhysInt64:
		return appendInt64Text(dst, t, v.Int())
	case PhysUint64:
		switch t.Kind {
		case Bit:
			return appendBits(dst, v.bits, t.Size)
		case Enum:
			return append(dst, t.Members.name(v.bits)...)
		case Set:
			return t.Members.appendSet(dst, v.bits)
		}
		return strconv.AppendUint(dst, v.bits, 10)
	case PhysFloat64:
		if t.HasPlaces() {
			return strconv.AppendFloat(dst, v.Float(), 'f', t.Scale, 64)
		}
		if t.Kind == Float {
			return appendFloat(dst, v.Float())
		}
		return appendDouble(dst, v.Float())
	case PhysBytes:
		if t.Kind == UUID {
			return appendUUID(dst, v.data)
		}
		return append(dst, v.data...)
	}
	return dst
}

func appendInt64Text(dst []byte, t Type, x int64) []byte {
	switch t.Kind {
	case Decimal:
		return appendScaled(dst, x, t.Scale)
	case Date:
		return appendDate(dst, x)
	case DateTime, Timestamp:
		dst = append(appendDate(dst, x), ' ')
		_, _, _, h, mi, s, us := UnpackDateTime(x)
		return appendClock(dst, h, mi, s, us, t.Scale)
	case Time:
		if x < 0 {
			dst, x = append(dst, '-'), -x
		}
		s := int(x / 1_000_000)
		return appendClock(dst, s/3600, s/60%60, s%60, int(x%1_000_000), t.Scale)
	case Year:
		return appendPadded(dst, int(x), 4)
	}
	return strconv.AppendInt(dst, x, 10)
}

func appendDate(dst []byte, p int64) []byte {
	y, mo, d, _, _, _, _ := UnpackDateTime(p)
	dst = append(appendPadded(dst, y, 4), '-')
	dst = append(appendPadded(dst, mo, 2), '-')
	return appendPadded(dst, d, 2)
}

func appendClock(dst []byte, h, mi, s, us, fsp int) []byte {
	dst = append(appendPadded(dst, h, 2), ':')
	dst = append(appendPadded(dst, mi, 2), ':')
	dst = appendPadded(dst, s, 2)
	if fsp <= 0 {
		return dst
	}
	fsp = min(fsp, 6)
	return appendPadded(append(dst, '.'), us/int(pow10[6-fsp]), fsp)
}

// appendPadded appends n >= 0 with zeros before it up to width digits.
func appendPadded(dst []byte, n, width int) []byte {
	for w := width - 1; w > 0 && n < int(pow10[w]); w-- {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// appendScaled appends x / 10^scale with scale digits after the point.
func appendScaled(dst []byte, x int64, scale int) []byte {
	abs := uint64(x)
	if x < 0 {
		dst, abs = append(dst, '-'), -abs
	}
	if scale <= 0 {
		return strconv.AppendUint(dst, abs, 10)
	}
	dst = strconv.AppendUint(dst, abs/pow10[scale], 10)
	return appendPadded(append(dst, '.'), int(abs%pow10[scale]), scale)
}

// appendDouble appends the shortest text that reads as f, with an exponent from
// 1e15 on and below 1e-15, as MySQL's my_gcvt does.
func appendDouble(dst []byte, f float64) []byte {
	abs := f
	if f < 0 {
		abs = -f
	}
	if abs == 0 || abs >= 1e-15 && abs < 1e15 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if i := bytes.Index(dst[n:], []byte("e+")); i >= 0 {
		dst = append(dst[:n+i+1], dst[n+i+2:]...)
	}
	return dst
}

// appendFloat appends a FLOAT's text: its first six digits (C's FLT_DIG).
func appendFloat(dst []byte, f float64) []byte {
	var buf [24]byte
	six, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], f, 'e', 5, 32)), 64)
	if err != nil {
		six = f
	}
	return appendDouble(dst, six)
}

// appendBits appends the low n bits of x, big-endian, in as few bytes as n needs.
func appendBits(dst []byte, x uint64, n int) []byte {
	if n < 1 {
		n = max(bits.Len64(x), 1)
	}
	for i := (n + 7) / 8; i > 0; i-- {
		dst = append(dst, byte(x>>(8*(i-1))))
	}
	return dst
}

// name returns the name of an ENUM index, "" when it is 0 or too large.
func (m *Members) name(index uint64) string {
	if m == nil || index == 0 || index > uint64(len(m.Names)) {
		return ""
	}
	return m.Names[index-1]
}

// appendSet appends the names of a SET's bits with commas between.
func (m *Members) appendSet(dst []byte, set uint64) []byte {
	if m == nil {
		return dst
	}
	n := len(dst)
	for i, name := range m.Names {
		if set>>i&1 == 0 {
			continue
		}
		if len(dst) > n {
			dst = append(dst, ',')
		}
		dst = append(dst, name...)
	}
	return dst
}

// appendUUID appends 16 bytes in the form of RFC 9562; others in hex as they are.
func appendUUID(dst, b []byte) []byte {
	if len(b) != 16 {
		return hex.AppendEncode(dst, b)
	}
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

// Format returns v's text for messages and listings, "NULL" for NULL; bytes that
// are no UTF-8 are written as \xHH.
func Format(t Type, v Value) string {
	if v.IsNull() {
		return "NULL"
	}
	return printable(AppendText(nil, t, v), math.MaxInt)
}

// AppendSQL appends v, of type t, as a SQL literal that gives the value back
// when it is stored into a column of type t: numbers with all their digits,
// binary as X'…', BIT as b'…', other values quoted.
func AppendSQL(dst []byte, t Type, v Value) []byte {
	switch {
	case v.IsNull():
		return append(dst, "NULL"...)
	case t.Kind == Bit:
		dst = strconv.AppendUint(append(dst, "b'"...), v.bits, 2)
		return append(dst, '\'')
	case t.IsBinary():
		dst = append(dst, "X'"...)
		n := len(dst)
		dst = hex.AppendEncode(dst, v.data)
		return append(dst[:n], append(bytes.ToUpper(dst[n:]), '\'')...)
	case t.Kind == Float:
		return strconv.AppendFloat(dst, v.Float(), 'e', -1, 32)
	case t.Kind == Double:
		return strconv.AppendFloat(dst, v.Float(), 'e', -1, 64)
	case t.IsNumeric():
		return AppendText(dst, t, v)
	}
	return appendQuoted(dst, AppendText(nil, t, v))
}

// appendQuoted appends s in single quotes with MySQL's backslash escapes.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '\'')
	for _, c := range s {
		switch c {
		case 0:
			dst = append(dst, '\\', '0')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case 0x1a:
			dst = append(dst, '\\', 'Z')
		case '\'', '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '\'')
}
