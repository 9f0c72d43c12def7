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
