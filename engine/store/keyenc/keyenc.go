// Package keyenc encodes values as bytes whose order is the values' order, so
// that an ordered key-value store keeps rows and index entries sorted.
//
// A key is a sequence of elements, one for each column: a byte 0 for NULL, or
// a byte 1 and the value. No element is a prefix of another, so that keys
// compare column by column and every prefix of whole elements bounds a range.
//
//	integers, temporals,   8 bytes, big endian, the sign bit flipped
//	DECIMAL to 18 digits
//	unsigned, BIT,         8 bytes, big endian
//	ENUM, SET
//	FLOAT, DOUBLE          8 bytes: IEEE 754 with the sign bit flipped, or all
//	                       bits when negative; -0 is 0, NaN sorts last
//	longer DECIMAL         see AppendDecimal
//	UUID                   16 bytes
//	binary, text           the bytes, 0 written as 0 0xff, ended by 0 1; text of
//	                       another collation than the default one is replaced
//	                       by its weight string and can't be decoded
//
// The default collation is utf8mb4_bin taken as plain bytes order, without
// padding: 'a' and 'a ' differ, as they do under utf8mb4_0900_bin. The other
// collations don't pad either, which is how Vitess's evalengine compares, so
// that a filter and an index lookup agree.
//
// A descending element is an ascending one with all its bits flipped.
//
// The escaping of bytes is that of FoundationDB's tuple layer with a second
// terminator byte, which makes the encoding prefix-free.
package keyenc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// ErrMalformed is returned when a key cannot have been made by this package
// for the type asked for.
var ErrMalformed = errors.New("malformed key")

const (
	null  = 0
	value = 1

	escape  = 0x00
	escaped = 0xff // after escape: a zero byte
	end     = 0x01 // after escape: no more bytes

	signBit = 1 << 63
)

// Append appends the element of v, a value of t in its physical form or NULL.
// JSON has no order that keys could have and is refused (sqlerr.NotSupported).
func Append(dst []byte, t types.Type, v types.Value) ([]byte, error) {
	if v.IsNull() {
		return append(dst, null), nil
	}
	if v.Physical() != t.Physical() {
		return dst, sqlerr.Internal.New("key value in another physical form than its column's")
	}
	dst = append(dst, value)
	switch v.Physical() {
	case types.PhysInt64:
		return appendInt(dst, v.Int()), nil
	case types.PhysUint64:
		return binary.BigEndian.AppendUint64(dst, v.Uint()), nil
	case types.PhysFloat64:
		return appendFloat(dst, v.Float()), nil
	default:
		return appendData(dst, t, v.Bytes())
	}
}

// AppendFrom appends the element of value i of v; it is Append without the
// detour through a Value.
func AppendFrom(dst []byte, v *types.Vector, i int) ([]byte, error) {
	if v.IsNull(i) {
		return append(dst, null), nil
	}
	dst = append(dst, value)
	switch v.Type.Physical() {
	case types.PhysInt64:
		return appendInt(dst, v.Int64s[i]), nil
	case types.PhysUint64:
		return binary.BigEndian.AppendUint64(dst, v.Uint64s[i]), nil
	case types.PhysFloat64:
		return appendFloat(dst, v.Float64s[i]), nil
	default:
		return appendData(dst, v.Type, v.BytesAt(i))
	}
}

func appendInt(dst []byte, x int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(x)^signBit)
}

func appendFloat(dst []byte, x float64) []byte {
	switch {
	case x == 0:
		x = 0 // -0 too
	case math.IsNaN(x):
		x = math.NaN()
	}
	b := math.Float64bits(x)
	if b&signBit != 0 {
		b = ^b
	} else {
		b |= signBit
	}
	return binary.BigEndian.AppendUint64(dst, b)
}

func appendData(dst []byte, t types.Type, b []byte) ([]byte, error) {
	switch {
	case t.Kind == types.JSON:
		return dst, sqlerr.Unsupported("JSON in a key")
	case t.Kind == types.UUID:
		if len(b) != 16 {
			return dst, sqlerr.Internal.New("UUID of %d bytes in a key", len(b))
		}
		return append(dst, b...), nil
	case t.Kind == types.Decimal:
		return AppendDecimal(dst, b)
	case t.LossyKey():
		c, ok := t.Collator()
		if !ok {
			return dst, sqlerr.Unsupported("collation %d in a key", t.Collation)
		}
		return escapeTail(c.AppendWeight(dst, b), len(dst)), nil
	default:
		return AppendBytes(dst, b), nil
	}
}

// AppendBytes appends b escaped and terminated, without the byte that tells
// values from NULL.
func AppendBytes(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, escape)
		if i < 0 {
			break
		}
		dst = append(dst, b[:i]...)
		dst = append(dst, escape, escaped)
		b = b[i+1:]
	}
	dst = append(dst, b...)
	return append(dst, escape, end)
}

// escapeTail does in place what AppendBytes would do with dst[start:].
func escapeTail(dst []byte, start int) []byte {
	from := len(dst)
	for range bytes.Count(dst[start:], []byte{escape}) {
		dst = append(dst, 0)
	}
	for to := len(dst); to > from; {
		from--
		to--
		dst[to] = dst[from]
		if dst[from] == escape {
			dst[to] = escaped
			to--
			dst[to] = escape
		}
	}
	return append(dst, escape, end)
}

// CutBytes reads what AppendBytes wrote at the start of key, appends it to dst
// and returns what follows.
func CutBytes(dst, key []byte) (b, rest []byte, err error) {
	for {
		i := bytes.IndexByte(key, escape)
		if i < 0 || i+1 >= len(key) {
			return dst, nil, ErrMalformed
		}
		dst = append(dst, key[:i]...)
		switch key[i+1] {
		case end:
			return dst, key[i+2:], nil
		case escaped:
			dst = append(dst, 0)
		default:
			return dst, nil, ErrMalformed
		}
		key = key[i+2:]
	}
}

// Decode appends the value of the element at the start of key to v and returns
// what follows. v's type must not be lossy.
func Decode(key []byte, v *types.Vector) (rest []byte, err error) {
	if len(key) == 0 || key[0] > value {
		return nil, ErrMalformed
	}
	if key[0] == null {
		v.AppendNull()
		return key[1:], nil
	}
	key = key[1:]
	phys := v.Type.Physical()
	if phys == types.PhysBytes {
		return decodeData(key, v)
	}
	if len(key) < 8 {
		return nil, ErrMalformed
	}
	x := binary.BigEndian.Uint64(key)
	switch phys {
	case types.PhysInt64:
		v.AppendInt(int64(x ^ signBit))
	case types.PhysUint64:
		v.AppendUint(x)
	case types.PhysFloat64:
		if x&signBit != 0 {
			x &^= signBit
		} else {
			x = ^x
		}
		v.AppendFloat(math.Float64frombits(x))
	default:
		return nil, ErrMalformed
	}
	return key[8:], nil
}

func decodeData(key []byte, v *types.Vector) ([]byte, error) {
	switch v.Type.Kind {
	case types.UUID:
		if len(key) < 16 {
			return nil, ErrMalformed
		}
		v.AppendBytes(key[:16])
		return key[16:], nil
	case types.Decimal:
		var buf [96]byte
		text, rest, err := CutDecimal(buf[:0], key, v.Type.Scale)
		if err != nil {
			return nil, err
		}
		v.AppendBytes(text)
		return rest, nil
	}
	// Without zero bytes, which is nearly always, no copy is needed.
	if i := bytes.IndexByte(key, escape); i >= 0 && i+1 < len(key) && key[i+1] == end {
		v.AppendBytes(key[:i])
		return key[i+2:], nil
	}
	var buf [256]byte
	b, rest, err := CutBytes(buf[:0], key)
	if err != nil {
		return nil, err
	}
	v.AppendBytes(b)
	return rest, nil
}

// Skip returns what follows the element of a t at the start of key.
func Skip(key []byte, t types.Type) (rest []byte, err error) { return skip(key, t, 0) }

// SkipDesc is Skip of a descending element.
func SkipDesc(key []byte, t types.Type) (rest []byte, err error) { return skip(key, t, 0xff) }

// skip is Skip of an element whose bits in flip are flipped.
func skip(key []byte, t types.Type, flip byte) (rest []byte, err error) {
	if len(key) == 0 || key[0]^flip > value {
		return nil, ErrMalformed
	}
	isNull := key[0]^flip == null
	key = key[1:]
	if isNull {
		return key, nil
	}
	width := 8
	switch {
	case t.Kind == types.UUID:
		width = 16
	case t.Kind == types.Decimal && t.Physical() == types.PhysBytes:
		return skipDecimal(key, flip)
	case t.Physical() == types.PhysBytes:
		return skipBytes(key, flip)
	}
	if len(key) < width {
		return nil, ErrMalformed
	}
	return key[width:], nil
}

func skipBytes(key []byte, flip byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(key, escape^flip)
		if i < 0 || i+1 >= len(key) {
			return nil, ErrMalformed
		}
		last := key[i+1] == end^flip
		key = key[i+2:]
		if last {
			return key, nil
		}
	}
}

// Flip turns ascending elements into descending ones, and back, in place.
func Flip(elements []byte) {
	for i := range elements {
		elements[i] = ^elements[i]
	}
}

// DecodeDesc is Decode of a descending element.
func DecodeDesc(key []byte, v *types.Vector) (rest []byte, err error) {
	if rest, err = SkipDesc(key, v.Type); err != nil {
		return nil, err
	}
	var buf [64]byte
	element := append(buf[:0], key[:len(key)-len(rest)]...)
	Flip(element)
	if _, err := Decode(element, v); err != nil {
		return nil, err
	}
	return rest, nil
}

// AppendSuccessor appends the first key after all that begin with prefix. A
// prefix of nothing but 0xff has none: it appends nothing and returns false.
func AppendSuccessor(dst, prefix []byte) ([]byte, bool) {
	n := len(prefix)
	for n > 0 && prefix[n-1] == 0xff {
		n--
	}
	if n == 0 {
		return dst, false
	}
	dst = append(dst, prefix[:n]...)
	dst[len(dst)-1]++
	return dst, true
}
