package segment

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/kalamgo/kalam/engine/types"
)

// Record tells of a run of rows whose columns are kept as blocks: one each, or several where
// one would be long to read for a single value.
type Record struct {
	Version uint32 // of the schema, under which the rows were written
	Rows    int
	// Last is the elements of the last row's key; the first row's are those that the
	// record is kept under.
	Last    []byte
	Columns []Column // by ID, ascending
}

// Column tells of a column's block, or blocks.
type Column struct {
	ID    uint32
	Kept  byte           // how rows keep the column, 0: they don't
	Phys  types.Physical // the block's
	Nulls int
	Size  int // bytes of the block, or blocks
	// Page is how many rows each of its blocks has, but the last, which may have fewer; 0:
	// there is one block.
	Page int
	// Min and Max bound the values that are not NULL, as bytes or numbers are ordered.
	// NULL: they are not known, or there are no such values.
	Min, Max types.Value
}

// maxBound is how many bytes of a value of bytes bounds have.
const maxBound = 32

// Bounds returns what Column.Min and Max are for v's values.
func Bounds(v *types.Vector) (least, most types.Value) {
	least, most = extremes(v)
	if least.Physical() != types.PhysBytes {
		return least, most
	}
	least = types.NewBytes(bytes.Clone(least.Bytes()[:min(len(least.Bytes()), maxBound)]))
	high := most.Bytes()
	if len(high) <= maxBound {
		return least, types.NewBytes(bytes.Clone(high))
	}
	// What follows all that begin so is a bound as well.
	high = bytes.Clone(high[:maxBound])
	for n := len(high) - 1; n >= 0; n-- {
		if high[n]++; high[n] != 0 {
			return least, types.NewBytes(high[:n+1])
		}
	}
	return types.Value{}, types.Value{}
}

// extremes returns the least and the greatest value of v, NULLs when it has none, or is
// not in order.
func extremes(v *types.Vector) (least, most types.Value) {
	switch v.Type.Physical() {
	case types.PhysInt64:
		if lo, hi, ok := ends(v, v.Int64s); ok {
			return types.NewInt(lo), types.NewInt(hi)
		}
	case types.PhysUint64:
		if lo, hi, ok := ends(v, v.Uint64s); ok {
			return types.NewUint(lo), types.NewUint(hi)
		}
	case types.PhysFloat64:
		if lo, hi, ok := ends(v, v.Float64s); ok && !math.IsNaN(lo) && !math.IsNaN(hi) {
			return types.NewFloat(lo), types.NewFloat(hi)
		}
	case types.PhysBytes:
		var lo, hi []byte
		found := false
		for i := range v.Len() {
			if v.IsNull(i) {
				continue
			}
			switch x := v.BytesAt(i); {
			case !found:
				lo, hi, found = x, x, true
			case bytes.Compare(x, lo) < 0:
				lo = x
			case bytes.Compare(hi, x) < 0:
				hi = x
			}
		}
		if found {
			return types.NewBytes(lo), types.NewBytes(hi)
		}
	}
	return types.Value{}, types.Value{}
}

// ends returns the least and the greatest of v's numbers; false when all are NULL.
// Where one is NaN, so are both.
func ends[T int64 | uint64 | float64](v *types.Vector, numbers []T) (least, most T, ok bool) {
	if v.Valid == nil && v.Len() > 0 {
		least, most = numbers[0], numbers[0]
		for _, x := range numbers[:v.Len()] {
			least, most = min(least, x), max(most, x)
		}
		return least, most, true
	}
	for i := range v.Len() {
		switch {
		case v.IsNull(i):
		case !ok:
			least, most, ok = numbers[i], numbers[i], true
		default:
			least, most = min(least, numbers[i]), max(most, numbers[i])
		}
	}
	return least, most, ok
}

// Append appends the record's bytes.
func (r *Record) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, recordFormat)
	dst = binary.AppendUvarint(dst, uint64(r.Version))
	dst = binary.AppendUvarint(dst, uint64(r.Rows))
	dst = appendSized(dst, r.Last)
	dst = binary.AppendUvarint(dst, uint64(len(r.Columns)))
	for i := range r.Columns {
		c := &r.Columns[i]
		dst = binary.AppendUvarint(dst, uint64(c.ID))
		dst = append(dst, c.Kept, byte(c.Phys))
		dst = binary.AppendUvarint(dst, uint64(c.Nulls))
		dst = binary.AppendUvarint(dst, uint64(c.Size))
		dst = binary.AppendUvarint(dst, uint64(c.Page))
		if c.Min.IsNull() || c.Max.IsNull() {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, 1)
		dst = appendValue(appendValue(dst, c.Min), c.Max)
	}
	return appendChecksum(dst, start)
}

func appendSized(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendValue(dst []byte, v types.Value) []byte {
	switch v.Physical() {
	case types.PhysInt64:
		return binary.LittleEndian.AppendUint64(dst, uint64(v.Int()))
	case types.PhysUint64:
		return binary.LittleEndian.AppendUint64(dst, v.Uint())
	case types.PhysFloat64:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float()))
	}
	return appendSized(dst, v.Bytes())
}

// ParseRecord reads what Record.Append wrote.
func ParseRecord(b []byte) (*Record, error) {
	body, ok := cutChecksum(b)
	if !ok {
		return nil, ErrMalformed
	}
	r := reader{rest: body}
	format := r.byte()
	if format == 0 || format > recordFormat {
		return nil, ErrMalformed
	}
	rec := &Record{Version: uint32(r.number(math.MaxUint32)), Rows: r.number(MaxRows)}
	rec.Last = r.sized()
	for range r.number(uint64(len(r.rest))) {
		if r.failed {
			break
		}
		c := Column{ID: uint32(r.number(math.MaxUint32)), Kept: r.byte(), Phys: types.Physical(r.byte())}
		c.Nulls, c.Size = r.number(uint64(rec.Rows)), r.number(math.MaxInt32)
		if format >= pagedFormat {
			c.Page = r.number(uint64(rec.Rows))
		}
		n := len(rec.Columns)
		r.failed = r.failed || c.Phys > types.PhysBytes || c.Page > 0 && c.Phys != types.PhysBytes || n > 0 && c.ID <= rec.Columns[n-1].ID
		switch r.byte() {
		case 0:
		case 1:
			c.Min, c.Max = r.value(c.Phys), r.value(c.Phys)
		default:
			r.failed = true
		}
		rec.Columns = append(rec.Columns, c)
	}
	if r.failed || len(r.rest) > 0 || rec.Rows == 0 || rec.Version == 0 {
		return nil, ErrMalformed
	}
	return rec, nil
}

func (r *reader) sized() []byte {
	return bytes.Clone(r.take(r.number(uint64(len(r.rest)))))
}

func (r *reader) value(p types.Physical) types.Value {
	switch p {
	case types.PhysInt64:
		return types.NewInt(int64(r.uint64()))
	case types.PhysUint64:
		return types.NewUint(r.uint64())
	case types.PhysFloat64:
		return types.NewFloat(math.Float64frombits(r.uint64()))
	case types.PhysBytes:
		return types.NewBytes(r.sized())
	}
	r.failed = true
	return types.Value{}
}

// Blocks returns how many blocks column n has.
func (r *Record) Blocks(n int) int {
	if page := r.Columns[n].Page; page > 0 {
		return (r.Rows + page - 1) / page
	}
	return 1
}

// BlockRows returns how many values block k of column n has.
func (r *Record) BlockRows(n, k int) int {
	if page := r.Columns[n].Page; page > 0 {
		return min(page, r.Rows-k*page)
	}
	return r.Rows
}

// Find returns which of Columns has an id, or -1.
func (r *Record) Find(id uint32) int {
	for i := range r.Columns {
		if r.Columns[i].ID == id {
			return i
		}
	}
	return -1
}
