package segment

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/klauspost/compress/s2"

	"github.com/kalamgo/kalam/engine/types"
)

// Block is a block that is open for reading: its values are read where they are
// encoded, any of them at about the same cost; bytes that were compressed are not any more. It may
// be read by several goroutines.
type Block struct {
	phys    types.Physical
	nulls   byte
	coded   bool         // bytes: numbers are their places in values
	letters bool         // then: those are of one byte each
	floats  byte         // how floats are made of numbers, or of singles: single, scaled or plain, their bits
	values  types.Vector // of bytes: all of them, or a dictionary's
	valid   []byte       // nil: no NULLs, or nothing else
	numbers integers
	scale   float64 // of scaled floats
	singles []byte  // 4 bytes each
	rows    int
	size    int
	total   int // bytes: of all values together
}

// Open opens a block, which it keeps, and which must have rows values of a physical form.
func Open(block []byte, phys types.Physical, rows int) (*Block, error) {
	b := new(Block)
	if err := b.Open(block, phys, rows); err != nil {
		return nil, err
	}
	return b, nil
}

// Open makes b, which is empty, what the function Open returns.
func (b *Block) Open(block []byte, phys types.Physical, rows int) error {
	body, ok := cutChecksum(block)
	if !ok {
		return ErrMalformed
	}
	r := reader{rest: body}
	format := r.byte()
	if format == 0 || format > blockFormat || r.byte() != byte(phys) || r.number(MaxRows) != rows || r.failed {
		return ErrMalformed
	}
	b.phys, b.rows, b.size = phys, rows, len(block)+int(unsafe.Sizeof(Block{}))
	switch b.nulls = r.byte(); b.nulls {
	case noNulls:
	case someNulls:
		b.valid = r.take((rows + 7) / 8)
	case allNulls:
		if len(r.rest) > 0 || r.failed {
			return ErrMalformed
		}
		return nil
	default:
		return ErrMalformed
	}
	switch phys {
	case types.PhysInt64, types.PhysUint64:
		b.numbers = r.integers(rows, false)
	case types.PhysFloat64:
		b.openFloats(&r)
	case types.PhysBytes:
		b.openStrings(&r, format)
	default:
		return ErrMalformed
	}
	if r.failed || len(r.rest) > 0 {
		return ErrMalformed
	}
	b.size += b.numbers.made + 4*cap(b.values.Offsets)
	return nil
}

func (b *Block) openFloats(r *reader) {
	switch b.floats = r.peek(); b.floats {
	case single:
		r.byte()
		b.singles = r.take(4 * b.rows)
	case scaled:
		r.byte()
		digits := r.byte()
		if digits > maxDigits {
			r.failed = true
			return
		}
		b.scale = powers[digits]
		b.numbers = r.integers(b.rows, false)
	default:
		b.floats = plain
		b.numbers = r.integers(b.rows, false)
	}
}

func (b *Block) openStrings(r *reader, format byte) {
	n := b.rows
	switch r.byte() {
	case plain:
	case dict:
		b.coded = true
		n = r.number(uint64(min(n, maxDict)))
	default:
		r.failed = true
	}
	b.values.Type = types.BytesType
	var compressed int
	b.values.Offsets, b.values.Data, compressed = r.strings(n, format)
	b.values.SetLen(n)
	if compressed > 0 {
		if b.size += len(b.values.Data); b.valid == nil && !b.coded {
			b.size -= compressed // nothing refers to the block
		}
	}
	if !b.coded {
		b.values.Valid, b.total = b.valid, len(b.values.Data)
		return
	}
	b.numbers = r.integers(b.rows, false)
	if r.failed || !b.numbers.below(uint64(n)) {
		r.failed = true
		return
	}
	b.letters = true
	for i, end := range b.values.Offsets {
		b.letters = b.letters && int(end) == i
	}
	b.numbers.each(func(c uint64) { b.total += int(b.values.Offsets[c+1] - b.values.Offsets[c]) })
	r.failed = b.total > MaxBytes
}

// strings reads n values of bytes: where they begin and the last ends, and the bytes, with
// what comes after unless they are compressed, so that Vector.AppendCoded may read beyond values. It
// returns how many bytes those that are took.
func (r *reader) strings(n int, format byte) (offsets []int32, data []byte, compressed int) {
	total := r.number(MaxBytes)
	lengths := r.integers(n, false)
	if format >= compressedFormat {
		compressed = int(r.uint32())
	}
	if r.failed {
		return nil, nil, 0
	}
	offsets, at := make([]int32, 1, n+1), uint64(0)
	lengths.each(func(k uint64) {
		if k > uint64(total)-at {
			r.failed = true
			k = 0
		}
		at += k
		offsets = append(offsets, int32(at))
	})
	r.failed = r.failed || at != uint64(total)
	if compressed == 0 {
		data = r.rest
		r.take(total)
		return offsets, data, 0
	}
	packed := r.take(compressed)
	if size, err := s2.DecodedLen(packed); r.failed || err != nil || size != total {
		r.failed = true
		return nil, nil, 0
	}
	data, err := s2.Decode(make([]byte, total), packed)
	r.failed = err != nil
	return offsets, data, compressed
}

// Rows returns the number of values.
func (b *Block) Rows() int { return b.rows }

// Bytes returns about how much memory the block takes.
func (b *Block) Bytes() int { return b.size }

// Ready reports whether values are read as fast as if they were decoded.
func (b *Block) Ready() bool {
	return b.nulls == allNulls || b.phys == types.PhysBytes && !b.coded
}

// DecodedBytes returns about how much memory the values take decoded.
func (b *Block) DecodedBytes() int {
	const vector = int(unsafe.Sizeof(types.Vector{}))
	if b.phys == types.PhysBytes {
		return vector + len(b.valid) + 4*(b.rows+1) + b.total
	}
	return vector + len(b.valid) + 8*b.rows
}

// Decoded returns all values, as a vector of type t, whose physical form is the block's.
func (b *Block) Decoded(t types.Type) *types.Vector {
	v := types.NewVector(t, b.rows)
	v.Data = make([]byte, 0, b.total)
	b.Append(v, 0, b.rows, false)
	return v
}

// IsNull reports whether value i is NULL.
func (b *Block) IsNull(i int) bool {
	return b.nulls == allNulls || b.valid != nil && b.valid[i>>3]&(1<<(i&7)) == 0
}

// HasNulls reports whether any value is NULL.
func (b *Block) HasNulls() bool { return b.nulls != noNulls }

// Integer returns the 64 bits of value i of a block of integers. What they are of a NULL
// has no meaning.
func (b *Block) Integer(i int) uint64 {
	if b.nulls == allNulls {
		return 0
	}
	return b.numbers.at(i)
}

// Value returns value i; its bytes are shared with the block.
func (b *Block) Value(i int) types.Value {
	if b.IsNull(i) {
		return types.Value{}
	}
	switch b.phys {
	case types.PhysInt64:
		return types.NewInt(int64(b.numbers.at(i)))
	case types.PhysUint64:
		return types.NewUint(b.numbers.at(i))
	case types.PhysFloat64:
		return types.NewFloat(b.float(i))
	}
	if b.coded {
		i = int(b.numbers.at(i))
	}
	return types.NewBytes(b.values.BytesAt(i))
}

func (b *Block) float(i int) float64 {
	switch b.floats {
	case single:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b.singles[4*i:])))
	case scaled:
		return float64(int64(b.numbers.at(i))) / b.scale
	}
	return math.Float64frombits(b.numbers.at(i))
}

// Append appends values from, inclusive, to to, exclusive, to v, whose physical form is
// the block's; backwards from the last on.
func (b *Block) Append(v *types.Vector, from, to int, backwards bool) {
	if from >= to {
		return
	}
	if b.phys == types.PhysBytes && !b.coded && b.nulls != allNulls {
		if to-from == 1 && !b.IsNull(from) {
			v.AppendBytes(b.values.BytesAt(from))
			return
		}
		v.AppendRange(&b.values, from, to, backwards)
		return
	}
	if b.nulls == allNulls {
		for range to - from {
			v.AppendNull()
		}
		return
	}
	if backwards {
		for i := to - 1; i >= from; i-- {
			b.Append(v, i, i+1, false)
		}
		return
	}
	switch b.phys {
	case types.PhysInt64:
		v.Int64s = unbits[int64](b.numbers.append(bitsOf(v.Int64s), from, to))
	case types.PhysUint64:
		v.Uint64s = b.numbers.append(v.Uint64s, from, to)
	case types.PhysFloat64:
		b.appendFloats(v, from, to)
	case types.PhysBytes:
		b.appendCoded(v, from, to)
		return
	}
	v.Appended(b.valid, from, to)
}

func (b *Block) appendFloats(v *types.Vector, from, to int) {
	if b.floats == single {
		for i := from; i < to; i++ {
			v.Float64s = append(v.Float64s, b.float(i))
		}
		return
	}
	start := len(v.Float64s)
	v.Float64s = unbits[float64](b.numbers.append(bitsOf(v.Float64s), from, to))
	if b.floats == scaled {
		for i, x := range v.Float64s[start:] {
			v.Float64s[start+i] = float64(int64(math.Float64bits(x))) / b.scale
		}
	}
}

func (b *Block) appendCoded(v *types.Vector, from, to int) {
	if to-from == 1 && !b.IsNull(from) {
		v.AppendBytes(b.values.BytesAt(int(b.numbers.at(from))))
		return
	}
	var buf [64]uint64
	for from < to {
		codes := buf[:min(len(buf), to-from)]
		b.numbers.read(codes, from)
		switch {
		case b.valid == nil && b.letters:
			v.AppendLetters(b.values.Data, codes)
		case b.valid == nil:
			v.AppendCoded(&b.values, codes)
		default:
			for i, c := range codes {
				if b.IsNull(from + i) {
					v.AppendNull()
				} else {
					v.AppendBytes(b.values.BytesAt(int(c)))
				}
			}
		}
		from += len(codes)
	}
}

// unbits is bitsOf's inverse.
func unbits[T int64 | float64](v []uint64) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(v))), cap(v))[:len(v)]
}

// integers are integers as they are encoded, or as near to that as single values can be
// read from.
type integers struct {
	n     int
	as    access
	least uint64 // sequence: the first
	step  uint64
	width int
	bits  []byte
	list  []uint64
	ends  []uint32  // of the runs of values in list
	codes *integers // places in list
	made  int       // bytes that it takes beside the block
}

// access is how single integers are read.
type access byte

const (
	inSequence access = iota // least and so many steps
	inBits                   // width bits each, plus least
	inWords                  // 8 bytes each, plus least
	inRuns
	inDict
)

// at returns integer i.
func (x *integers) at(i int) uint64 {
	switch x.as {
	case inSequence:
		return x.least + uint64(i)*x.step
	case inBits:
		bit := i * x.width
		return binary.LittleEndian.Uint64(x.bits[bit>>3:])>>(bit&7)&(1<<x.width-1) + x.least
	case inWords:
		return binary.LittleEndian.Uint64(x.bits[8*i:]) + x.least
	case inRuns:
		return x.list[x.run(i)]
	default:
		return x.list[x.codes.at(i)]
	}
}

// run returns which run integer i is in.
func (x *integers) run(i int) int {
	n, _ := slices.BinarySearch(x.ends, uint32(i)+1)
	return n
}

// append appends integers from, inclusive, to to, exclusive.
func (x *integers) append(dst []uint64, from, to int) []uint64 {
	if to-from == 1 {
		return append(dst, x.at(from))
	}
	n := len(dst)
	dst = slices.Grow(dst, to-from)[:n+to-from]
	x.read(dst[n:], from)
	return dst
}

// read sets dst to the integers from one on.
func (x *integers) read(dst []uint64, from int) {
	switch x.as {
	case inSequence:
		v := x.least + uint64(from)*x.step
		for i := range dst {
			dst[i] = v
			v += x.step
		}
	case inBits:
		x.unpack(dst, from)
	case inWords:
		p := x.bits[8*from:]
		for i := range dst {
			dst[i] = binary.LittleEndian.Uint64(p[8*i:]) + x.least
		}
	case inRuns:
		for k, i := x.run(from), 0; i < len(dst); k++ {
			v := x.list[k]
			for end := min(int(x.ends[k])-from, len(dst)); i < end; i++ {
				dst[i] = v
			}
		}
	case inDict:
		x.codes.read(dst, from)
		for i, c := range dst {
			dst[i] = x.list[c]
		}
	}
}

// each calls f with all integers.
func (x *integers) each(f func(uint64)) {
	var buf [256]uint64
	for i := 0; i < x.n; i += len(buf) {
		part := buf[:min(len(buf), x.n-i)]
		x.read(part, i)
		for _, v := range part {
			f(v)
		}
	}
}

// below reports whether all integers are less than limit.
func (x *integers) below(limit uint64) bool {
	if x.as == inBits && x.least < limit && limit-x.least >= 1<<x.width {
		return true
	}
	ok := true
	x.each(func(v uint64) { ok = ok && v < limit })
	return ok
}

// integers opens n integers. nested tells that they are part of runs or a dictionary.
func (r *reader) integers(n int, nested bool) integers {
	x := integers{n: n}
	switch encoding := r.byte(); {
	case r.failed:
	case encoding == plain:
		x.as, x.bits = inWords, r.take(8*n)
	case encoding == packed:
		x.least = r.uint64()
		r.packed(&x, n)
	case encoding == delta && n > 0:
		first, step := r.uint64(), r.uint64()
		steps := integers{n: n - 1, least: step}
		r.packed(&steps, n-1)
		if steps.as == inSequence {
			x.least, x.step = first, step
			break
		}
		if r.failed {
			break
		}
		values := make([]uint64, n)
		values[0] = first
		steps.read(values[1:], 0)
		least, most := int64(0), int64(0) // beyond first
		for i := 1; i < n; i++ {
			values[i] += values[i-1]
			beyond := int64(values[i] - first)
			least, most = min(least, beyond), max(most, beyond)
		}
		x.pack(values, first+uint64(least), uint64(most-least))
		x.made = cap(x.bits)
	case encoding == runs && !nested:
		k := r.number(uint64(n))
		x.as, x.list = inRuns, r.list(k)
		at, lengths := 0, r.list(k)
		x.made = 12 * k
		for _, length := range lengths {
			if length > uint64(n-at) {
				r.failed = true
				break
			}
			at += int(length)
			x.ends = append(x.ends, uint32(at))
		}
		r.failed = r.failed || at < n
	case encoding == dict && !nested:
		k := r.number(maxDict)
		x.as, x.list = inDict, r.list(k)
		codes := r.integers(n, true)
		r.failed = r.failed || !codes.below(uint64(k))
		x.codes = &codes
		x.made = 8*k + int(unsafe.Sizeof(codes)) + codes.made
	default:
		r.failed = true
	}
	if r.failed {
		return integers{}
	}
	return x
}

// pack makes x values that are least and up to span more.
func (x *integers) pack(values []uint64, least, span uint64) {
	x.least, x.width = least, bits.Len64(span)
	x.bits = appendPacked(nil, len(values), x.width, func(i int) uint64 { return values[i] - least })
	switch {
	case x.width >= wide:
		x.as = inWords
	case x.width > 0:
		x.as = inBits
	}
}

// packed reads a width and n packed values, to which x.least is added.
func (r *reader) packed(x *integers, n int) {
	switch x.width = int(r.byte()); {
	case x.width > 64:
		r.failed = true
	case x.width >= wide:
		x.as, x.bits = inWords, r.take(8*n)
	default:
		x.bits = r.take(packedSize(n, x.width))
		if x.width > 0 {
			x.as = inBits
		}
	}
}

// list reads n integers that are part of runs or a dictionary.
func (r *reader) list(n int) []uint64 {
	x := r.integers(n, true)
	if r.failed {
		return nil
	}
	return x.append(nil, 0, n)
}

// peek returns the next byte, which stays.
func (r *reader) peek() byte {
	if len(r.rest) == 0 {
		r.failed = true
		return 0
	}
	return r.rest[0]
}
