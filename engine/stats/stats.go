// Package stats describes what tables hold, for the planner: how many rows, and
// of each column the number of different values, the common ones, and how the
// others are spread.
package stats

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/kalamgo/kalam/engine/types"
)

// Table is the statistics of a table. It is immutable.
type Table struct {
	Rows int64
	At   time.Time // when they were gathered
	// Columns are by the columns' ids; a column may be without.
	Columns map[uint32]*Column
	// Prefixes are by the indexes' ids, schema.PrimaryIndexID for the primary
	// key: the numbers of different values of the first column, of the first two, …
	Prefixes map[uint32][]float64
}

// Column is the statistics of a column.
type Column struct {
	Type     types.Type
	Distinct float64 // different values, NULL apart
	Nulls    float64 // share of rows that are NULL
	// Common are the values that many rows have, the most common one first.
	Common []Common `json:",omitempty"`
	// Bounds divide the rows that are neither NULL nor Common, in order, into
	// parts of equal numbers. The first is the least value, the last the greatest.
	Bounds values `json:",omitempty"`
	// Buckets is how many parts were asked for: 0 leaves it to Kalam, and with
	// NoHistogram there are neither Common nor Bounds.
	Buckets int `json:",omitempty"`
}

// NoHistogram as Column.Buckets keeps a column without histogram.
const NoHistogram = -1

// Common is a value and the share of rows that have it.
type Common struct {
	Value value
	Share float64
}

// rest is the share of rows that are neither NULL nor common.
func (c *Column) rest() float64 {
	s := 1 - c.Nulls
	for i := range c.Common {
		s -= c.Common[i].Share
	}
	return max(s, 0)
}

// Known reports whether the statistics say how values are spread.
func (c *Column) Known() bool { return len(c.Common) > 0 || len(c.Bounds) > 0 }

// Average is the share of rows that a value has which nothing is known of.
func (c *Column) Average() float64 { return (1 - c.Nulls) / max(c.Distinct, 1) }

// Equal estimates the share of rows that have a value, not NULL.
func (c *Column) Equal(v types.Value) float64 {
	if !c.Known() {
		return c.Average()
	}
	for i := range c.Common {
		if types.Equal(c.Type, c.Common[i].Value.Value, v) {
			return c.Common[i].Share
		}
	}
	if n := len(c.Bounds); n == 0 || types.Compare(c.Type, v, c.Bounds[0]) < 0 || types.Compare(c.Type, v, c.Bounds[n-1]) > 0 {
		return 0
	}
	return c.rest() / max(c.Distinct-float64(len(c.Common)), 1)
}

// Less estimates the share of rows whose value, not NULL, is less than v.
func (c *Column) Less(v types.Value) float64 {
	s := 0.0
	for i := range c.Common {
		if types.Compare(c.Type, c.Common[i].Value.Value, v) < 0 {
			s += c.Common[i].Share
		}
	}
	n := len(c.Bounds)
	if n == 0 {
		return s
	}
	at := sort.Search(n, func(i int) bool { return types.Compare(c.Type, c.Bounds[i], v) >= 0 })
	switch {
	case at == 0:
		return s
	case at == n:
		return s + c.rest()
	}
	part := float64(at-1) + between(c.Bounds[at-1], c.Bounds[at], v)
	return s + c.rest()*part/float64(n-1)
}

// between tells how far v lies on the way from low to high, 0 to 1.
func between(low, high, v types.Value) float64 {
	var a, b, x float64
	switch v.Physical() {
	case types.PhysInt64:
		a, b, x = float64(low.Int()), float64(high.Int()), float64(v.Int())
	case types.PhysUint64:
		a, b, x = float64(low.Uint()), float64(high.Uint()), float64(v.Uint())
	case types.PhysFloat64:
		a, b, x = low.Float(), high.Float(), v.Float()
	case types.PhysBytes:
		l, h, w := low.Bytes(), high.Bytes(), v.Bytes()
		n := 0 // that all begin with
		for n < len(l) && n < len(h) && n < len(w) && l[n] == h[n] && l[n] == w[n] {
			n++
		}
		a, b, x = fraction(l[n:]), fraction(h[n:]), fraction(w[n:])
	}
	if d := (x - a) / (b - a); b > a && !math.IsNaN(d) {
		return min(max(d, 0), 1)
	}
	return 0.5
}

// fraction reads the first bytes as digits after a point.
func fraction(b []byte) float64 {
	f, unit := 0.0, 1.0
	for _, c := range b[:min(len(b), 6)] {
		unit /= 256
		f += float64(c) * unit
	}
	return f
}

// Changed reports whether plans made with old, which may be nil, may be bad ones
// with t.
func (t *Table) Changed(old *Table) bool {
	if old == nil || apart(float64(t.Rows), float64(old.Rows)) {
		return true
	}
	for id, c := range t.Columns {
		o := old.Columns[id]
		if o == nil || apart(c.Distinct, o.Distinct) || math.Abs(c.Nulls-o.Nulls) > 0.1 || c.Known() != o.Known() {
			return true
		}
		// Values outside of what was there before, such as new dates.
		if n, k := len(c.Bounds), len(o.Bounds); n > 0 && k > 0 && (o.Less(c.Bounds[n/2]) > 0.8 || o.Less(c.Bounds[n/2]) < 0.2) {
			return true
		}
	}
	return false
}

// apart reports whether two counts differ enough to choose other plans by.
func apart(a, b float64) bool {
	const few = 100
	a, b = max(a, few), max(b, few)
	return a > 2*b || b > 2*a
}

// Without returns t with a column's histogram dropped, and kept away.
func (t *Table) Without(column uint32) *Table {
	n := *t
	n.Columns = make(map[uint32]*Column, len(t.Columns))
	for id, c := range t.Columns {
		n.Columns[id] = c
	}
	if c := n.Columns[column]; c != nil {
		d := *c
		d.Common, d.Bounds, d.Buckets = nil, nil, NoHistogram
		n.Columns[column] = &d
	}
	return &n
}

// Buckets returns what was asked for of columns' histograms, by column id.
func (t *Table) Buckets() map[uint32]int {
	m := map[uint32]int{}
	if t != nil {
		for id, c := range t.Columns {
			if c.Buckets != 0 {
				m[id] = c.Buckets
			}
		}
	}
	return m
}

// sortedRuns calls f with each run of equal values of order, positions of v.
func sortedRuns(v *types.Vector, order []int32, f func(run []int32)) {
	slices.SortFunc(order, func(a, b int32) int { return types.CompareVec(v, int(a), v, int(b)) })
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && types.CompareVec(v, int(order[from]), v, int(order[to])) == 0 {
			to++
		}
		f(order[from:to])
		from = to
	}
}
