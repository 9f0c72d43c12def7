package types

import (
	"encoding/binary"
	"hash/maphash"
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

var hashSeed = maphash.MakeSeed()

// HashVec combines a hash of each value of v into seeds, which has v.Len()
// entries: hashing a row's columns one after the other gives the row's hash.
// Values that Compare finds equal have equal hashes. Hashes hold within the process only.
func HashVec(v *Vector, seeds []uint64) {
	switch v.Type.Physical() {
	case PhysInt64:
		hashIntegers(v, v.Int64s, seeds)
		return
	case PhysUint64:
		hashIntegers(v, v.Uint64s, seeds)
		return
	}
	asIs := v.Type.Kind != Decimal && v.Type.Kind != JSON && !v.Type.LossyKey()
	var buf []byte
	for i := range seeds {
		var h uint64
		switch {
		case v.IsNull(i):
		case v.Type.IsFloat():
			h = mix(normalBits(v.Float64s[i]) ^ notNull)
		case asIs:
			h = maphash.Bytes(hashSeed, v.BytesAt(i))
		default:
			buf = appendWeight(buf[:0], v.Type, v.BytesAt(i))
			h = maphash.Bytes(hashSeed, buf)
		}
		seeds[i] = combine(seeds[i], h)
	}
}

// notNull keeps 0 from having NULL's hash.
const notNull = 1 << 63

func hashIntegers[T int64 | uint64](v *Vector, xs []T, seeds []uint64) {
	xs = xs[:len(seeds)]
	for i := range seeds {
		var h uint64
		if !v.IsNull(i) {
			h = uint64(xs[i]) ^ notNull
		}
		seeds[i] = combine(seeds[i], h)
	}
}

// combine adds a column's hash to a row's; the multiplier is 2^64 divided by the golden ratio.
func combine(seed, h uint64) uint64 { return mix(seed*0x9e3779b97f4a7c15 + h) }

// mix is the finalizer of MurmurHash3 by Austin Appleby (public domain).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
