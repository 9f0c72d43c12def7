package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// The encodings of payloads.
const (
	plain  byte = iota
	packed      // integers
	delta       // integers
	runs        // numbers
	dict
	single // floats
	scaled // floats
)

// maxDict is how many different values a dictionary has at most.
const maxDict = 1 << 12

// padding follows packed bits.
const padding = 8

// appendIntegers appends values as integers, unsigned or signed, in the encoding that
// takes the least. nested tells that runs and dictionaries are no choice.
func appendIntegers(dst []byte, values []uint64, signed, nested bool) []byte {
	if len(values) == 0 {
		return append(dst, plain)
	}
	s := measure(values, signed)
	best, size := plain, 8*len(values)
	choose := func(encoding byte, n int) {
		if n < size {
			best, size = encoding, n
		}
	}
	choose(packed, 9+packedSize(len(values), s.width))
	choose(delta, 17+packedSize(len(values)-1, s.deltaWidth))
	if nested {
		return appendEncoded(dst, values, s, best, nil)
	}
	// Both parts of runs and the codes of dictionaries are estimated as packed.
	if s.runs <= len(values)/4 {
		choose(runs, 3+2*9+packedSize(s.runs, s.width)+packedSize(s.runs, bits.Len(uint(len(values)))))
	}
	var d *dictionary
	if s.width > 8 && size > len(values) {
		if d = newDictionary(values, len(values)/4); d != nil {
			choose(dict, 3+2*9+packedSize(len(d.values), s.width)+packedSize(len(values), bits.Len(uint(len(d.values)-1))))
		}
	}
	return appendEncoded(dst, values, s, best, d)
}

func appendEncoded(dst []byte, values []uint64, s measures, encoding byte, d *dictionary) []byte {
	dst = append(dst, encoding)
	switch encoding {
	case plain:
		for _, v := range values {
			dst = binary.LittleEndian.AppendUint64(dst, v)
		}
	case packed:
		dst = binary.LittleEndian.AppendUint64(dst, s.least)
		dst = append(dst, byte(s.width))
		dst = appendPacked(dst, len(values), s.width, func(i int) uint64 { return values[i] - s.least })
	case delta:
		dst = binary.LittleEndian.AppendUint64(dst, values[0])
		dst = binary.LittleEndian.AppendUint64(dst, s.leastDelta)
		dst = append(dst, byte(s.deltaWidth))
		dst = appendPacked(dst, len(values)-1, s.deltaWidth, func(i int) uint64 { return values[i+1] - values[i] - s.leastDelta })
	case runs:
		of, lengths := make([]uint64, 0, s.runs), make([]uint64, 0, s.runs)
		for i, v := range values {
			if i == 0 || v != values[i-1] {
				of, lengths = append(of, v), append(lengths, 0)
			}
			lengths[len(lengths)-1]++
		}
		dst = binary.AppendUvarint(dst, uint64(len(of)))
		dst = appendIntegers(dst, of, s.signed, true)
		dst = appendIntegers(dst, lengths, false, true)
	case dict:
		dst = binary.AppendUvarint(dst, uint64(len(d.values)))
		dst = appendIntegers(dst, d.values, s.signed, true)
		dst = appendIntegers(dst, d.codes, false, true)
	}
	return dst
}

// measures are what the size of encodings depends on.
type measures struct {
	signed            bool
	least             uint64
	width             int // bits of value-least
	leastDelta        uint64
	deltaWidth        int
	runs              int
	most, mostOfDelta uint64
}

func measure(values []uint64, signed bool) measures {
	// Flipping the sign bit makes signed values ascend as unsigned ones.
	flip := uint64(0)
	if signed {
		flip = 1 << 63
	}
	const sign = uint64(1) << 63
	least, most := values[0]^flip, values[0]^flip
	leastDelta, mostDelta := ^uint64(0), uint64(0) // with the sign flipped
	runs, last := 1, values[0]
	for _, v := range values[1:] {
		u, d := v^flip, (v-last)^sign
		least, most = min(least, u), max(most, u)
		leastDelta, mostDelta = min(leastDelta, d), max(mostDelta, d)
		if v != last {
			runs++
		}
		last = v
	}
	m := measures{signed: signed, least: least ^ flip, width: bits.Len64(most - least), runs: runs}
	if len(values) > 1 {
		m.leastDelta, m.deltaWidth = leastDelta^sign, bits.Len64(mostDelta-leastDelta)
	}
	return m
}

// dictionary is the different values in the order of their bits, and which of them
// each value is.
type dictionary struct{ values, codes []uint64 }

// newDictionary returns nil when there are more than limit different values.
func newDictionary(values []uint64, limit int) *dictionary {
	limit = min(limit, maxDict)
	seen := make(map[uint64]uint64, min(limit, 256))
	for _, v := range values {
		if _, ok := seen[v]; !ok {
			if len(seen) >= limit {
				return nil
			}
			seen[v] = 0
		}
	}
	d := &dictionary{make([]uint64, 0, len(seen)), make([]uint64, len(values))}
	for v := range seen {
		d.values = append(d.values, v)
	}
	slices.Sort(d.values)
	for i, v := range d.values {
		seen[v] = uint64(i)
	}
	for i, v := range values {
		d.codes[i] = seen[v]
	}
	return d
}

// packedSize returns the bytes that n values of width bits take.
func packedSize(n, width int) int { return (n*width+7)/8 + padding }

// wide is the width from which on a value may not lie in the eight bytes at its first
// bit: such are kept in 64 bits.
const wide = 57

func appendPacked(dst []byte, n, width int, value func(int) uint64) []byte {
	if width >= wide {
		for i := range n {
			dst = binary.LittleEndian.AppendUint64(dst, value(i))
		}
		return dst
	}
	start := len(dst)
	dst = append(dst, make([]byte, packedSize(n, width))...)
	out := dst[start:]
	for i := range n {
		bit := i * width
		at := out[bit>>3:]
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)|value(i)<<(bit&7))
	}
	return dst
}

// reader takes a block apart. After it failed, all that it returns is zero.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.failed, r.rest = true, nil
		return nil
	}
	p := r.rest[:n:n]
	r.rest = r.rest[n:]
	return p
}

func (r *reader) byte() byte {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if p := r.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if p := r.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

// number reads a uvarint that is limit at most.
func (r *reader) number(limit uint64) int {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > limit {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return int(v)
}
