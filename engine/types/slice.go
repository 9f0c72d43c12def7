package types

import "slices"

// Slice returns rows [from, to), which share b's memory: it is for reading, and
// holds as long as b does.
func (b *Batch) Slice(from, to int) *Batch {
	if from == 0 && to == b.Len {
		return b
	}
	s := &Batch{Columns: make([]*Vector, len(b.Columns)), Len: to - from}
	for i, c := range b.Columns {
		s.Columns[i] = c.Slice(from, to)
	}
	return s
}

// Slice returns values [from, to), which share v's memory but for the
// validity bitmap.
func (v *Vector) Slice(from, to int) *Vector {
	s := &Vector{}
	v.SliceInto(s, from, to)
	return s
}

// SliceInto makes s what Slice returns, with s's memory for the validity bitmap.
func (v *Vector) SliceInto(s *Vector, from, to int) {
	valid := s.Valid[:0]
	*s = Vector{Type: v.Type, n: to - from}
	switch v.Type.Physical() {
	case PhysInt64:
		s.Int64s = v.Int64s[from:to:to]
	case PhysUint64:
		s.Uint64s = v.Uint64s[from:to:to]
	case PhysFloat64:
		s.Float64s = v.Float64s[from:to:to]
	case PhysBytes:
		s.Offsets, s.Data = v.Offsets[from:to+1:to+1], v.Data
	}
	if v.Valid != nil {
		s.Valid = slices.Grow(valid, (s.n+7)/8)[:(s.n+7)/8]
		clear(s.Valid)
		for i := range s.n {
			j := from + i
			s.Valid[i>>3] |= (v.Valid[j>>3] >> (j & 7) & 1) << (i & 7)
		}
	}
}

// AppendRange appends values [from, to) of src, a vector of the same physical form;
// with backwards from the last on.
func (v *Vector) AppendRange(src *Vector, from, to int, backwards bool) {
	if backwards || src.Type.Kind == Null || v.Type.Kind == Null {
		for i := range to - from {
			at := from + i
			if backwards {
				at = to - 1 - i
			}
			v.AppendFrom(src, at)
		}
		return
	}
	switch v.Type.Physical() {
	case PhysInt64:
		v.Int64s = append(v.Int64s, src.Int64s[from:to]...)
	case PhysUint64:
		v.Uint64s = append(v.Uint64s, src.Uint64s[from:to]...)
	case PhysFloat64:
		v.Float64s = append(v.Float64s, src.Float64s[from:to]...)
	case PhysBytes:
		start := src.Offsets[from]
		shift := int32(len(v.Data)) - start
		v.Data = append(v.Data, src.Data[start:src.Offsets[to]]...)
		n := len(v.Offsets)
		v.Offsets = slices.Grow(v.Offsets, to-from)[:n+to-from]
		ends := v.Offsets[n:]
		for i, end := range src.Offsets[from+1 : to+1] {
			ends[i] = end + shift
		}
	}
	v.Appended(src.Valid, from, to)
}

// Appended says that the caller appended values from, inclusive, to to, exclusive, of
// others to the buffers itself. valid is the others' validity bitmap, nil: none is NULL.
func (v *Vector) Appended(valid []byte, from, to int) {
	if valid != nil && v.Valid == nil {
		v.Valid = onesBitmap(v.n)
	}
	if v.Valid == nil {
		v.n += to - from
		return
	}
	for i := from; i < to; i++ {
		v.appendValidity(valid == nil || valid[i>>3]&(1<<(i&7)) != 0)
		v.n++
	}
}
