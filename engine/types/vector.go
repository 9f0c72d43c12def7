package types

import "slices"

// BatchRows is the usual number of rows of a batch. A batch may have fewer, and
// ends early when its bytes reach BatchBytes.
const (
	BatchRows  = 1024
	BatchBytes = 4 << 20
)

// Vector is a column of a batch. Which buffer holds the values follows from
// Type.Physical. A NULL's slot in the buffer is there but its content has no meaning
// (bytes: an empty slot).
type Vector struct {
	Type Type
	// Valid is Arrow's validity bitmap: bit i&7 of byte i>>3 is set when value
	// i is not NULL. nil: no value is NULL.
	Valid    []byte
	Int64s   []int64
	Uint64s  []uint64
	Float64s []float64
	Offsets  []int32 // value i is Data[Offsets[i]:Offsets[i+1]]; empty when n is 0 and nothing was appended
	Data     []byte
	n        int
}

// NewVector returns an empty vector with room for rows values.
func NewVector(t Type, rows int) *Vector {
	v := &Vector{Type: t}
	switch t.Physical() {
	case PhysInt64:
		v.Int64s = make([]int64, 0, rows)
	case PhysUint64:
		v.Uint64s = make([]uint64, 0, rows)
	case PhysFloat64:
		v.Float64s = make([]float64, 0, rows)
	case PhysBytes:
		v.Offsets = make([]int32, 1, rows+1)
	}
	return v
}

// Len returns the number of values.
func (v *Vector) Len() int { return v.n }

// SetLen says that the caller filled the buffers with n values itself.
func (v *Vector) SetLen(n int) { v.n = n }

// Reset empties the vector, keeps its memory and sets its type.
func (v *Vector) Reset(t Type) {
	v.Type, v.n, v.Valid = t, 0, nil
	v.Int64s, v.Uint64s, v.Float64s = v.Int64s[:0], v.Uint64s[:0], v.Float64s[:0]
	v.Data = v.Data[:0]
	v.Offsets = v.Offsets[:0]
	if t.Physical() == PhysBytes {
		v.Offsets = append(v.Offsets, 0)
	}
}

// IsNull reports whether value i is NULL.
func (v *Vector) IsNull(i int) bool {
	if v.Type.Kind == Null {
		return true
	}
	return v.Valid != nil && v.Valid[i>>3]&(1<<(i&7)) == 0
}

// BytesAt returns value i of a PhysBytes vector, shared with it.
func (v *Vector) BytesAt(i int) []byte {
	a, b := v.Offsets[i], v.Offsets[i+1]
	return v.Data[a:b:b]
}

// Value returns value i; its bytes are shared with the vector.
func (v *Vector) Value(i int) Value {
	if v.IsNull(i) {
		return Value{}
	}
	switch v.Type.Physical() {
	case PhysInt64:
		return NewInt(v.Int64s[i])
	case PhysUint64:
		return NewUint(v.Uint64s[i])
	case PhysFloat64:
		return NewFloat(v.Float64s[i])
	default:
		return NewBytes(v.BytesAt(i))
	}
}

// AppendNull appends NULL.
func (v *Vector) AppendNull() {
	switch v.Type.Physical() {
	case PhysInt64:
		v.Int64s = append(v.Int64s, 0)
	case PhysUint64:
		v.Uint64s = append(v.Uint64s, 0)
	case PhysFloat64:
		v.Float64s = append(v.Float64s, 0)
	case PhysBytes:
		v.Offsets = append(v.Offsets, int32(len(v.Data)))
	case PhysNull:
		v.n++
		return
	}
	if v.Valid == nil {
		v.Valid = onesBitmap(v.n)
	}
	v.appendValidity(false)
	v.n++
}

// AppendInt appends to a PhysInt64 vector.
func (v *Vector) AppendInt(x int64) {
	v.Int64s = append(v.Int64s, x)
	v.appended()
}

// AppendUint appends to a PhysUint64 vector.
func (v *Vector) AppendUint(x uint64) {
	v.Uint64s = append(v.Uint64s, x)
	v.appended()
}

// AppendFloat appends to a PhysFloat64 vector.
func (v *Vector) AppendFloat(x float64) {
	v.Float64s = append(v.Float64s, x)
	v.appended()
}

// AppendBytes appends a copy of x to a PhysBytes vector.
func (v *Vector) AppendBytes(x []byte) {
	v.Data = append(v.Data, x...)
	v.Offsets = append(v.Offsets, int32(len(v.Data)))
	v.appended()
}

// AppendValue appends a value of the vector's physical form, or NULL.
func (v *Vector) AppendValue(x Value) {
	switch x.phys {
	case PhysNull:
		v.AppendNull()
	case PhysInt64:
		v.AppendInt(x.Int())
	case PhysUint64:
		v.AppendUint(x.Uint())
	case PhysFloat64:
		v.AppendFloat(x.Float())
	case PhysBytes:
		v.AppendBytes(x.data)
	}
}

// AppendFrom appends value i of src, a vector of the same physical form.
func (v *Vector) AppendFrom(src *Vector, i int) {
	if src.IsNull(i) {
		v.AppendNull()
		return
	}
	switch v.Type.Physical() {
	case PhysInt64:
		v.AppendInt(src.Int64s[i])
	case PhysUint64:
		v.AppendUint(src.Uint64s[i])
	case PhysFloat64:
		v.AppendFloat(src.Float64s[i])
	case PhysBytes:
		v.AppendBytes(src.BytesAt(i))
	}
}

func (v *Vector) appended() {
	if v.Valid != nil {
		v.appendValidity(true)
	}
	v.n++
}

func (v *Vector) appendValidity(valid bool) {
	if v.n&7 == 0 {
		v.Valid = append(v.Valid, 0)
	}
	if valid {
		v.Valid[v.n>>3] |= 1 << (v.n & 7)
	}
}

func onesBitmap(n int) []byte {
	b := make([]byte, (n+7)/8, (n+7)/8+16)
	for i := range b {
		b[i] = 0xff
	}
	if n&7 != 0 {
		b[n>>3] = 1<<(n&7) - 1
	}
	return b
}

// Batch is a set of rows, column by column; all columns have Len values.
// Columns may be shared between batches: who receives a batch reads it only.
type Batch struct {
	Columns []*Vector
	Len     int // also when there are no columns
}

// NewBatch returns an empty batch with a new vector for each type.
func NewBatch(ts []Type) *Batch {
	b := &Batch{Columns: make([]*Vector, len(ts))}
	for i, t := range ts {
		b.Columns[i] = NewVector(t, BatchRows)
	}
	return b
}

// Reset empties the batch and its vectors, which must not be shared.
func (b *Batch) Reset() {
	for _, c := range b.Columns {
		c.Reset(c.Type)
	}
	b.Len = 0
}

// Row appends row i's values to dst; bytes are shared with the batch.
func (b *Batch) Row(i int, dst []Value) []Value {
	for _, c := range b.Columns {
		dst = append(dst, c.Value(i))
	}
	return dst
}

// AppendRow appends a row of values of the columns' physical forms.
func (b *Batch) AppendRow(row []Value) {
	for i, v := range row {
		b.Columns[i].AppendValue(v)
	}
	b.Len++
}

// AppendFrom appends row i of src, whose columns have the same physical forms.
func (b *Batch) AppendFrom(src *Batch, i int) {
	for c, v := range b.Columns {
		v.AppendFrom(src.Columns[c], i)
	}
	b.Len++
}

// Gather empties b and fills it with the rows of src that sel lists.
func (b *Batch) Gather(src *Batch, sel []int32) {
	for c, v := range b.Columns {
		v.Gather(src.Columns[c], sel)
	}
	b.Len = len(sel)
}

// Gather empties v and fills it with the values of src that sel lists.
func (v *Vector) Gather(src *Vector, sel []int32) {
	v.Reset(src.Type)
	v.appendGathered(src, sel)
	if src.Valid != nil {
		v.Valid = make([]byte, (len(sel)+7)/8)
		for j, i := range sel {
			v.Valid[j>>3] |= (src.Valid[i>>3] >> (i & 7) & 1) << (j & 7)
		}
	}
}

// AppendSelected appends the values of src, a vector of the same physical form, that sel
// lists.
func (v *Vector) AppendSelected(src *Vector, sel []int32) {
	if v.Valid != nil || src.Valid != nil || v.Type.Kind == Null {
		for _, i := range sel {
			v.AppendFrom(src, int(i))
		}
		return
	}
	v.appendGathered(src, sel)
}

// AppendCoded appends those values of src, a vector of bytes without NULLs, whose places
// are in codes.
func (v *Vector) AppendCoded(src *Vector, codes []uint64) {
	gatherBytes(v, src, codes)
	v.Appended(nil, 0, len(codes))
}

// AppendLetters is AppendCoded where all that src has is values of one byte each.
func (v *Vector) AppendLetters(src []byte, codes []uint64) {
	n, at := len(v.Offsets), len(v.Data)
	v.Offsets = slices.Grow(v.Offsets, len(codes))[:n+len(codes)]
	v.Data = slices.Grow(v.Data, len(codes))[:at+len(codes)]
	ends, to := v.Offsets[n:][:len(codes)], v.Data[at:][:len(codes)]
	for k, c := range codes {
		to[k], ends[k] = src[c], int32(at+k+1)
	}
	v.Appended(nil, 0, len(codes))
}

// appendGathered appends the values of src that sel lists, as if none were NULL.
func (v *Vector) appendGathered(src *Vector, sel []int32) {
	switch v.Type.Physical() {
	case PhysInt64:
		v.Int64s = gather(v.Int64s, src.Int64s, sel)
	case PhysUint64:
		v.Uint64s = gather(v.Uint64s, src.Uint64s, sel)
	case PhysFloat64:
		v.Float64s = gather(v.Float64s, src.Float64s, sel)
	case PhysBytes:
		gatherBytes(v, src, sel)
	}
	v.n += len(sel)
}

func gatherBytes[T int32 | uint64](v, src *Vector, sel []T) {
	offsets, from := src.Offsets, src.Data
	n, at := len(v.Offsets), len(v.Data)
	v.Offsets = slices.Grow(v.Offsets, len(sel))[:n+len(sel)]
	ends, end := v.Offsets[n:][:len(sel)], at
	for k, i := range sel {
		end += int(offsets[i+1] - offsets[i])
		ends[k] = int32(end)
	}
	v.Data = slices.Grow(v.Data, end-at)[:end]
	// Short values are copied with what is behind them, which the next ones overwrite.
	const short = 16
	to := v.Data[:cap(v.Data)]
	for _, i := range sel {
		first, after := int(offsets[i]), int(offsets[i+1])
		if after-first <= short && first+short <= len(from) && at+short <= len(to) {
			*(*[short]byte)(to[at:]) = *(*[short]byte)(from[first:])
		} else {
			copy(to[at:], from[first:after])
		}
		at += after - first
	}
}

func gather[T any](dst, src []T, sel []int32) []T {
	n := len(dst)
	dst = slices.Grow(dst, len(sel))[:n+len(sel)]
	to := dst[n:][:len(sel)]
	for k, i := range sel {
		to[k] = src[i]
	}
	return dst
}
