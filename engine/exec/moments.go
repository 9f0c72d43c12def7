package exec

import (
	"math"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/types"
)

// moments is the VAR and STDDEV functions, by Welford's recurrence ("Note on a
// method for calculating corrected sums of squares and products", 1962), as
// MySQL has them.
type moments struct {
	sample, root bool
	groups       []moment
}

// moment is the count, mean and sum of squared differences from the mean.
type moment struct {
	n        int64
	mean, m2 float64
}

func (m *moments) grow(n int)   { m.groups = extend(m.groups, n) }
func (m *moments) drop(n int)   { m.groups = dropped(m.groups, n) }
func (m *moments) bytes() int64 { return int64(cap(m.groups)) * 24 }

func (m *moments) add(groups []int32, args []*types.Vector, n int) {
	arg := args[0]
	if arg.Type.Kind == types.Null {
		return
	}
	for i, x := range arg.Float64s[:n] {
		if arg.IsNull(i) {
			continue
		}
		g := &m.groups[group(groups, i)]
		g.n++
		d := x - g.mean
		g.mean += d / float64(g.n)
		g.m2 += d * (x - g.mean)
	}
}

func (m *moments) emit(dst *types.Vector, from, to int) {
	for _, g := range m.groups[from:to] {
		n := g.n
		if m.sample {
			n--
		}
		if n <= 0 {
			dst.AppendNull()
			continue
		}
		v := g.m2 / float64(n)
		if m.root {
			v = math.Sqrt(v)
		}
		dst.AppendFloat(v)
	}
}

// bitwise is BIT_AND, BIT_OR and BIT_XOR.
type bitwise struct {
	op   expr.AggFunc
	bits []uint64
}

func (b *bitwise) grow(n int) {
	from := len(b.bits)
	b.bits = extend(b.bits, n)
	for g := from; g < len(b.bits); g++ {
		b.clear(g)
	}
}

func (b *bitwise) clear(g int) {
	b.bits[g] = 0
	if b.op == expr.BitAnd {
		b.bits[g] = math.MaxUint64
	}
}

func (b *bitwise) drop(n int)   { b.bits = dropped(b.bits, n) }
func (b *bitwise) bytes() int64 { return int64(cap(b.bits)) * 8 }

func (b *bitwise) add(groups []int32, args []*types.Vector, n int) {
	arg := args[0]
	for i := range n {
		if !arg.IsNull(i) {
			b.combine(group(groups, i), arg.Value(i).Uint())
		}
	}
}

func (b *bitwise) combine(g int, x uint64) {
	switch b.op {
	case expr.BitAnd:
		b.bits[g] &= x
	case expr.BitOr:
		b.bits[g] |= x
	default:
		b.bits[g] ^= x
	}
}

func (b *bitwise) emit(dst *types.Vector, from, to int) {
	for _, x := range b.bits[from:to] {
		dst.AppendUint(x)
	}
}

// anyValue is ANY_VALUE: the first value, be it NULL.
type anyValue struct {
	values []types.Value
	seen   []bool
	size   int64
}

func (a *anyValue) grow(n int)   { a.values, a.seen = extend(a.values, n), extend(a.seen, n) }
func (a *anyValue) bytes() int64 { return int64(cap(a.values))*40 + int64(cap(a.seen)) + a.size }

func (a *anyValue) drop(n int) {
	for _, v := range a.values[:n] {
		a.size -= int64(len(v.Bytes()))
	}
	a.values, a.seen = dropped(a.values, n), dropped(a.seen, n)
}

func (a *anyValue) add(groups []int32, args []*types.Vector, n int) {
	for i := range n {
		if g := group(groups, i); !a.seen[g] {
			a.values[g], a.seen[g] = args[0].Value(i).Clone(), true
			a.size += int64(len(a.values[g].Bytes()))
		}
	}
}

func (a *anyValue) emit(dst *types.Vector, from, to int) {
	for _, v := range a.values[from:to] {
		dst.AppendValue(v)
	}
}
