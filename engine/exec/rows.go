package exec

import (
	"slices"

	"github.com/kalamgo/kalam/engine/types"
)

const (
	refBits    = 10 // bits of a row reference that number the row in its chunk
	chunkRows  = 1 << refBits
	chunkBytes = 1 << 28 // a chunk takes no more rows: offsets are 32 bits
)

// rows keeps copies of rows, column by column, for access by reference: the
// number of a row's chunk << refBits | its number in the chunk.
type rows struct {
	types  []types.Type
	chunks []*types.Batch
	n      int
	maxRow int    // upper bound of the bytes of a row's strings
	closed int64  // memory of all chunks but the last
	nulls  []bool // columns that have NULLs
	views  []view // of the columns that were gathered
}

// view is the numbers of a column by chunk, of the first n rows: what one row after the
// other is read from is two steps away, not five.
type view struct {
	n      int
	ints   [][]int64
	uints  [][]uint64
	floats [][]float64
}

func newRows(ts []types.Type) *rows {
	return &rows{types: ts, nulls: make([]bool, len(ts)), views: make([]view, len(ts))}
}

// append copies b's rows and appends their references to refs.
func (r *rows) append(b *types.Batch, refs []uint32) []uint32 {
	r.maxRow = max(r.maxRow, maxRowBytes(b))
	return r.appendSome(b, 0, b.Len, refs)
}

// appendSome is append of b's rows [from, end); maxRow is the caller's to keep.
func (r *rows) appendSome(b *types.Batch, from, end int, refs []uint32) []uint32 {
	for from < end {
		c := r.last(end - from)
		to := min(end, from+chunkRows-c.Len)
		for i, v := range c.Columns {
			appendRange(v, b.Columns[i], from, to)
			r.nulls[i] = r.nulls[i] || v.Valid != nil
		}
		for range to - from {
			refs = append(refs, uint32((len(r.chunks)-1)<<refBits|c.Len))
			c.Len++
		}
		r.n += to - from
		from = to
	}
	return refs
}

// last returns the chunk that takes the next of n more rows.
func (r *rows) last(n int) *types.Batch {
	if k := len(r.chunks); k > 0 {
		c := r.chunks[k-1]
		size := batchBytes(c)
		if c.Len < chunkRows && size < chunkBytes {
			return c
		}
		r.closed += size
	}
	c := &types.Batch{Columns: make([]*types.Vector, len(r.types))}
	for i, t := range r.types {
		c.Columns[i] = types.NewVector(t, min(n, chunkRows))
	}
	r.chunks = append(r.chunks, c)
	return c
}

// bytes returns the memory that the rows take.
func (r *rows) bytes() int64 {
	if len(r.chunks) == 0 {
		return 0
	}
	return r.closed + batchBytes(r.chunks[len(r.chunks)-1])
}

// clear drops all rows.
func (r *rows) clear() {
	*r = rows{types: r.types, nulls: r.nulls, views: r.views}
	clear(r.nulls)
	clear(r.views)
}

// at returns the chunk that has a row and its place in it.
func (r *rows) at(ref uint32) (*types.Batch, int) {
	return r.chunks[ref>>refBits], int(ref & (chunkRows - 1))
}

// noRow is the reference of no row: its values are NULL.
const noRow = 1<<32 - 1

// gather empties dst and fills it with column c of the rows that refs list;
// gaps says that there may be noRow among them.
func (r *rows) gather(dst *types.Vector, c int, refs []uint32, gaps bool) {
	dst.Reset(r.types[c])
	gaps = gaps || r.nulls[c]
	switch dst.Type.Physical() {
	case types.PhysInt64:
		dst.Int64s = gatherRows(r.view(c).ints, dst.Int64s, refs, gaps)
	case types.PhysUint64:
		dst.Uint64s = gatherRows(r.view(c).uints, dst.Uint64s, refs, gaps)
	case types.PhysFloat64:
		dst.Float64s = gatherRows(r.view(c).floats, dst.Float64s, refs, gaps)
	case types.PhysBytes:
		for _, i := range refs {
			if i != noRow {
				dst.Data = append(dst.Data, r.chunks[i>>refBits].Columns[c].BytesAt(int(i&rowMask))...)
			}
			dst.Offsets = append(dst.Offsets, int32(len(dst.Data)))
		}
	}
	dst.SetLen(len(refs))
	if gaps && dst.Type.Kind != types.Null {
		r.gatherNulls(dst, c, refs)
	}
}

const rowMask = chunkRows - 1

// view returns column c's numbers.
func (r *rows) view(c int) *view {
	v := &r.views[c]
	if v.n == r.n {
		return v
	}
	*v = view{n: r.n, ints: v.ints[:0], uints: v.uints[:0], floats: v.floats[:0]}
	for _, b := range r.chunks {
		switch from := b.Columns[c]; r.types[c].Physical() {
		case types.PhysInt64:
			v.ints = append(v.ints, from.Int64s)
		case types.PhysUint64:
			v.uints = append(v.uints, from.Uint64s)
		case types.PhysFloat64:
			v.floats = append(v.floats, from.Float64s)
		}
	}
	return v
}

// gatherRows is gather of numbers.
func gatherRows[T any](chunks [][]T, dst []T, refs []uint32, gaps bool) []T {
	dst = slices.Grow(dst[:0], len(refs))[:len(refs)]
	for k, i := range refs {
		if gaps && i == noRow {
			var none T
			dst[k] = none
			continue
		}
		dst[k] = chunks[i>>refBits][i&rowMask]
	}
	return dst
}

// gatherNulls marks the values of dst that are NULL.
func (r *rows) gatherNulls(dst *types.Vector, c int, refs []uint32) {
	for k, i := range refs {
		if i != noRow && !r.chunks[i>>refBits].Columns[c].IsNull(int(i&rowMask)) {
			continue
		}
		if dst.Valid == nil {
			dst.Valid = make([]byte, (len(refs)+7)/8)
			for j := range dst.Valid {
				dst.Valid[j] = 0xff
			}
			if n := len(refs) & 7; n != 0 {
				dst.Valid[len(dst.Valid)-1] = 1<<n - 1
			}
		}
		dst.Valid[k>>3] &^= 1 << (k & 7)
	}
}

// appendRange appends values [from, to) of src, of the same physical form.
func appendRange(dst, src *types.Vector, from, to int) {
	if src.Valid != nil || dst.Valid != nil || src.Type.Physical() != dst.Type.Physical() {
		for i := from; i < to; i++ {
			dst.AppendFrom(src, i)
		}
		return
	}
	switch dst.Type.Physical() {
	case types.PhysInt64:
		dst.Int64s = append(dst.Int64s, src.Int64s[from:to]...)
	case types.PhysUint64:
		dst.Uint64s = append(dst.Uint64s, src.Uint64s[from:to]...)
	case types.PhysFloat64:
		dst.Float64s = append(dst.Float64s, src.Float64s[from:to]...)
	case types.PhysBytes:
		first, base := src.Offsets[from], int32(len(dst.Data))
		dst.Data = append(dst.Data, src.Data[first:src.Offsets[to]]...)
		for _, o := range src.Offsets[from+1 : to+1] {
			dst.Offsets = append(dst.Offsets, o-first+base)
		}
	}
	dst.SetLen(dst.Len() + to - from)
}

// maxRowBytes returns an upper bound of the string bytes of b's largest row.
func maxRowBytes(b *types.Batch) int {
	n := 0
	for _, v := range b.Columns {
		if len(v.Data) <= 1<<12 {
			n += len(v.Data)
			continue
		}
		longest := 0
		for i := range b.Len {
			longest = max(longest, int(v.Offsets[i+1]-v.Offsets[i]))
		}
		n += longest
	}
	return n
}

// rowsPerBatch returns how many rows of at most maxRow string bytes make up a
// batch that is copied from rows.
func rowsPerBatch(maxRow int) int {
	const bound = 64 << 20
	return max(1, min(types.BatchRows, bound/max(maxRow, 1)))
}
