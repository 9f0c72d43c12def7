package segment

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"unsafe"

	"github.com/klauspost/compress/s2"

	"github.com/kalamgo/kalam/engine/types"
)

// How a block's NULLs are told.
const (
	noNulls byte = iota
	someNulls
	allNulls
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksumBytes is the length of the checksum at the end of blocks and records.
const checksumBytes = 4

func appendChecksum(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// cutChecksum returns b without its checksum, and whether that is right.
func cutChecksum(b []byte) ([]byte, bool) {
	n := len(b) - checksumBytes
	if n < 0 || crc32.Checksum(b[:n], castagnoli) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, false
	}
	return b[:n], true
}

// Append appends the block of v's values, which are MaxRows and MaxBytes at most.
func Append(dst []byte, v *types.Vector) []byte {
	dst, _ = appendBlock(dst, v, newStringDictionary(v))
	return dst
}

// AppendPages appends v's values as one block or, where they are bytes that would make one of
// more than two pages, as several of about page bytes, before they are compressed. It
// returns how many rows each of those has but the last, 0: it is one block; and where in dst
// blocks end.
func AppendPages(dst []byte, v *types.Vector, page int) (to []byte, rows int, ends []int) {
	start, n := len(dst), v.Len()
	if v.Type.Physical() != types.PhysBytes || n == 0 {
		dst = Append(dst, v)
		return dst, 0, []int{len(dst)}
	}
	d := newStringDictionary(v)
	size := int(v.Offsets[n] - v.Offsets[0]) // at least, but for a dictionary
	if d != nil || size <= 2*page {
		var saved int
		dst, saved = appendBlock(dst, v, d)
		if size = len(dst) - start + saved; size <= 2*page {
			return dst, 0, []int{len(dst)}
		}
		dst = dst[:start]
	}
	rows = max(1, n*page/size)
	for from := 0; from < n; from += rows {
		part := v.Slice(from, min(from+rows, n))
		if d != nil {
			dst = Append(dst, part)
		} else {
			dst, _ = appendBlock(dst, part, nil)
		}
		ends = append(ends, len(dst))
	}
	return dst, rows, ends
}

// appendBlock appends the block of v's values, of bytes with their dictionary, if there is one. It
// returns how much longer the block would be were nothing compressed.
func appendBlock(dst []byte, v *types.Vector, d *stringDictionary) (to []byte, saved int) {
	start, n := len(dst), v.Len()
	phys := v.Type.Physical()
	dst = append(dst, blockFormat, byte(phys))
	dst = binary.AppendUvarint(dst, uint64(n))
	nulls := Nulls(v)
	switch {
	case nulls == n:
		return appendChecksum(append(dst, allNulls), start), 0
	case nulls > 0:
		dst = append(append(dst, someNulls), v.Valid[:(n+7)/8]...)
	default:
		dst = append(dst, noNulls)
	}
	switch phys {
	case types.PhysInt64:
		dst = appendIntegers(dst, filled(bitsOf(v.Int64s[:n]), v, nulls), true, false)
	case types.PhysUint64:
		dst = appendIntegers(dst, filled(v.Uint64s[:n], v, nulls), false, false)
	case types.PhysFloat64:
		dst = appendFloats(dst, filled(bitsOf(v.Float64s[:n]), v, nulls))
	case types.PhysBytes:
		dst, saved = appendStrings(dst, v, d)
	}
	return appendChecksum(dst, start), saved
}

// Nulls returns the number of NULLs in v.
func Nulls(v *types.Vector) int {
	if v.Type.Kind == types.Null {
		return v.Len()
	}
	nulls := 0
	for i := range v.Len() {
		if v.IsNull(i) {
			nulls++
		}
	}
	return nulls
}

// bitsOf sees numbers as their 64 bits.
func bitsOf[T int64 | uint64 | float64](v []T) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(v))), cap(v))[:len(v)]
}

// filled returns values with, for NULLs, what lets them take the least: the value
// before, or the first one.
func filled(values []uint64, v *types.Vector, nulls int) []uint64 {
	if nulls == 0 {
		return values
	}
	values = slices.Clone(values)
	var last uint64
	for i := range values {
		if !v.IsNull(i) {
			last = values[i]
			break
		}
	}
	for i := range values {
		if v.IsNull(i) {
			values[i] = last
		}
		last = values[i]
	}
	return values
}

// maxDigits is how many digits after the point scaled floats have.
const maxDigits = 6

var powers = [maxDigits + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

// appendFloats appends floats, given as their bits.
func appendFloats(dst []byte, values []uint64) []byte {
	size := func(n int) bool { return n < 8*len(values) }
	if s := measure(values, false); s.runs <= len(values)/4 || s.width == 0 {
		return appendEncoded(dst, values, s, runs, nil)
	}
	if digits, ints := scale(values); ints != nil {
		return appendIntegers(append(dst, scaled, byte(digits)), ints, true, false)
	}
	if d := newDictionary(values, len(values)/4); d != nil && size(3+9*len(d.values)+2*len(values)) {
		return appendEncoded(dst, values, measures{}, dict, d)
	}
	if !slices.ContainsFunc(values, func(b uint64) bool {
		f := math.Float64frombits(b)
		return math.Float64bits(float64(float32(f))) != b
	}) {
		dst = append(dst, single)
		for _, b := range values {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(math.Float64frombits(b))))
		}
		return dst
	}
	return appendEncoded(dst, values, measures{}, plain, nil)
}

// scale returns floats as integers, times 10^digits; nil when they are not exactly
// that, or larger than what is sure to be.
func scale(values []uint64) (digits int, ints []uint64) {
	const most = 1 << 50
	ints = make([]uint64, len(values))
next:
	for digits = 0; digits <= maxDigits; digits++ {
		p := powers[digits]
		for i, b := range values {
			f := math.Float64frombits(b)
			x := math.Round(f * p)
			if !(math.Abs(x) < most) {
				return 0, nil
			}
			if math.Float64bits(x/p) != b { // -0 too
				continue next
			}
			ints[i] = uint64(int64(x))
		}
		return digits, ints
	}
	return 0, nil
}

// stringDictionary is the different values of bytes among many.
type stringDictionary struct {
	codes []uint64 // of all values
	first []int    // where each of the different ones is first
}

// newStringDictionary returns nil where v's values are not bytes, or mostly different.
func newStringDictionary(v *types.Vector) *stringDictionary {
	if v.Type.Physical() != types.PhysBytes {
		return nil
	}
	n := v.Len()
	d, seen := &stringDictionary{codes: make([]uint64, n)}, make(map[string]uint64, 64)
	limit := min(n/2, maxDict)
	for i := range n {
		if v.IsNull(i) {
			if i > 0 {
				d.codes[i] = d.codes[i-1]
			}
			continue
		}
		b := v.BytesAt(i)
		code, ok := seen[string(b)]
		if !ok {
			if len(seen) >= limit {
				return nil
			}
			code = uint64(len(seen))
			seen[string(b)] = code
			d.first = append(d.first, i)
		}
		d.codes[i] = code
	}
	return d
}

// appendStrings appends the values of bytes. It returns how much compressing them saved.
func appendStrings(dst []byte, v *types.Vector, d *stringDictionary) (to []byte, saved int) {
	if d == nil {
		return appendPlainStrings(append(dst, plain), v.Len(), v.BytesAt)
	}
	dst = append(dst, dict)
	dst = binary.AppendUvarint(dst, uint64(len(d.first)))
	dst, saved = appendPlainStrings(dst, len(d.first), func(i int) []byte { return v.BytesAt(d.first[i]) })
	return appendIntegers(dst, d.codes, false, false), saved
}

func appendPlainStrings(dst []byte, n int, value func(int) []byte) (to []byte, saved int) {
	lengths, total := make([]uint64, n), 0
	for i := range lengths {
		k := len(value(i))
		lengths[i] = uint64(k)
		total += k
	}
	dst = binary.AppendUvarint(dst, uint64(total))
	dst = appendIntegers(dst, lengths, false, false)
	dst = append(dst, 0, 0, 0, 0)
	start := len(dst)
	for i := range n {
		dst = append(dst, value(i)...)
	}
	return compress(dst, start)
}

// compress makes of the bytes from start on, behind four of zeros, what they are compressed, behind
// its length, if that saves an eighth.
func compress(dst []byte, start int) (to []byte, saved int) {
	bytes := dst[start:]
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(bytes)))
	packed := s2.Encode(dst[len(dst):cap(dst)], bytes)
	if len(packed) > len(bytes)-len(bytes)/8 || len(bytes) == 0 {
		return dst, 0
	}
	binary.LittleEndian.PutUint32(dst[start-4:], uint32(len(packed)))
	copy(dst[start:], packed)
	return dst[:start+len(packed)], len(bytes) - len(packed)
}

// Head returns the physical form and the number of a block's values.
func Head(block []byte) (types.Physical, int, error) {
	r := reader{rest: block}
	if format := r.byte(); format == 0 || format > blockFormat {
		return 0, 0, ErrMalformed
	}
	phys, rows := types.Physical(r.byte()), r.number(MaxRows)
	if r.failed || phys > types.PhysBytes {
		return 0, 0, ErrMalformed
	}
	return phys, rows, nil
}
