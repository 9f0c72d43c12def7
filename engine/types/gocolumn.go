package types

import (
	"math"
	"time"
	"unsafe"
)

// sharedText is how many bytes texts have on average, at most, that are copied together.
const sharedText = 128

// GoColumn sets dst[0], dst[stride], … to what Go returns for values [from, to) of v.
// It makes their memory in few pieces: those values, and bytes that are no text, which
// are shared with v, stay as they are as long as v does.
func GoColumn(v *Vector, from, to int, loc *time.Location, dst []any, stride int) {
	switch v.Type.Physical() {
	case PhysInt64:
		if k := v.Type.Kind; k == Date || k == DateTime || k == Timestamp || k == Decimal || k == Time {
			break
		}
		boxed(v, from, append([]int64(nil), v.Int64s[from:to]...), dst, stride)
		return
	case PhysUint64:
		if k := v.Type.Kind; k == Bit || k == Enum || k == Set {
			break
		}
		ints := make([]int64, to-from)
		for i, x := range v.Uint64s[from:to] {
			ints[i] = int64(x)
		}
		boxed(v, from, ints, dst, stride)
		for i, x := range v.Uint64s[from:to] {
			if x > math.MaxInt64 && !v.IsNull(from+i) {
				dst[i*stride] = x
			}
		}
		return
	case PhysFloat64:
		if v.Type.Kind == Float {
			break
		}
		boxed(v, from, append([]float64(nil), v.Float64s[from:to]...), dst, stride)
		return
	case PhysBytes:
		start, end := v.Offsets[from], v.Offsets[to]
		if v.Type.IsBinary() || v.Type.Kind == JSON || v.Type.Kind == UUID || int(end-start) > sharedText*(to-from) {
			break
		}
		all := string(v.Data[start:end])
		texts := make([]string, to-from)
		for i := range texts {
			texts[i] = all[v.Offsets[from+i]-start : v.Offsets[from+i+1]-start]
		}
		boxed(v, from, texts, dst, stride)
		return
	}
	for i := from; i < to; i++ {
		dst[(i-from)*stride] = Go(v.Type, v.Value(i), loc)
	}
}

// boxed makes interface values that point to the values of a slice, which must not
// change any more: the conversion would allocate each of them. NULLs of v become nil.
func boxed[T int64 | float64 | string](v *Vector, from int, values []T, dst []any, stride int) {
	var zero T
	kind := any(zero)
	word := *(*[2]unsafe.Pointer)(unsafe.Pointer(&kind))
	for i := range values {
		word[1] = unsafe.Pointer(&values[i])
		dst[i*stride] = *(*any)(unsafe.Pointer(&word))
	}
	if v.Valid == nil {
		return
	}
	for i := range values {
		if v.IsNull(from + i) {
			dst[i*stride] = nil
		}
	}
}
