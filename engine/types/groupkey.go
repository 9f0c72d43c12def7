package types

import (
	"encoding/binary"
)

// A group key's value starts with one of these. What follows is of fixed width
// for numbers; bytes have their length before them, so that keys of several
// values can stand one after the other.
const (
	groupNull  = 0
	groupValue = 1
)

// AppendGroupKey appends an encoding of value i of v: two values of one type
// have the same encoding when, and only when, Compare finds them equal. The
// encodings of a row's values can be appended to one another. They are not ordered.
func AppendGroupKey(dst []byte, v *Vector, i int) []byte {
	if v.IsNull(i) {
		return append(dst, groupNull)
	}
	dst = append(dst, groupValue)
	switch v.Type.Physical() {
	case PhysInt64:
		return binary.LittleEndian.AppendUint64(dst, uint64(v.Int64s[i]))
	case PhysUint64:
		return binary.LittleEndian.AppendUint64(dst, v.Uint64s[i])
	case PhysFloat64:
		return binary.LittleEndian.AppendUint64(dst, normalBits(v.Float64s[i]))
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendWeight(dst, v.Type, v.BytesAt(i))
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// AppendGroupKeys appends the keys of cols' first n rows, one after the other, and the end
// of each to ends: AppendGroupKey of each column.
func AppendGroupKeys(dst []byte, ends []int, cols []*Vector, n int) ([]byte, []int) {
	var buf [8]Physical
	same := buf[:0] // columns without NULLs whose values are the same where their bytes are; else PhysNull
	for _, v := range cols {
		p := v.Type.Physical()
		if v.Valid != nil || p == PhysFloat64 || p == PhysBytes && !v.Type.plain() {
			p = PhysNull
		}
		same = append(same, p)
	}
	for i := range n {
		for c, v := range cols {
			switch same[c] {
			case PhysBytes:
				b := v.BytesAt(i)
				dst = append(binary.LittleEndian.AppendUint32(append(dst, groupValue), uint32(len(b))), b...)
			case PhysInt64:
				dst = binary.LittleEndian.AppendUint64(append(dst, groupValue), uint64(v.Int64s[i]))
			default:
				dst = AppendGroupKey(dst, v, i)
			}
		}
		ends = append(ends, len(dst))
	}
	return dst, ends
}

// plain reports whether bytes that are held are the same for equal values only.
func (t Type) plain() bool {
	_, weighed := t.Collator()
	return t.Kind != Decimal && t.Kind != JSON && !weighed
}

// appendWeight appends bytes that are the same for equal values of a PhysBytes type.
func appendWeight(dst []byte, t Type, b []byte) []byte {
	switch {
	case t.Kind == Decimal:
		neg, integer, fraction := splitDecimal(b)
		if neg {
			dst = append(dst, '-')
		}
		dst = append(append(dst, integer...), '.')
		return append(dst, fraction...)
	case t.Kind == JSON:
		return appendJSONWeight(dst, b)
	}
	c, ok := t.Collator()
	if !ok {
		return append(dst, b...)
	}
	return append(dst, c.AppendWeight(nil, b)...)
}
