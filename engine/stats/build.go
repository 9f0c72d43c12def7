package stats

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

const (
	defaultBuckets = 100
	maxCommon      = 100
	maxValueBytes  = 256 // of a value that is kept
)

// Build computes a table's statistics from a sample: rows picked at random out
// of so many, with the columns of the given ordinals. buckets are those asked
// for, by column id.
func Build(t *schema.Table, ordinals []int, sample *types.Batch, rows int64, buckets map[uint32]int, now time.Time) *Table {
	s := &Table{Rows: rows, At: now, Columns: map[uint32]*Column{}, Prefixes: map[uint32][]float64{}}
	for i, o := range ordinals {
		id := t.Columns[o].ID
		s.Columns[id] = column(sample.Columns[i], sample.Len, float64(rows), buckets[id])
	}
	at := func(o int) *types.Vector {
		if i := slices.Index(ordinals, o); i >= 0 {
			return sample.Columns[i]
		}
		return nil
	}
	s.Prefixes[schema.PrimaryIndexID] = prefixes(at, t.PrimaryKey, sample.Len, float64(rows))
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		s.Prefixes[ix.ID] = prefixes(at, ix.Columns, sample.Len, float64(rows))
	}
	return s
}

// Sampled reports whether values of a type are worth sampling.
func Sampled(t types.Type) bool {
	switch t.Kind {
	case types.JSON, types.Null:
		return false
	}
	return true
}

// Append appends value i of v to a sample's column; a long one is cut, and
// keeps the column without histogram.
func Append(dst, v *types.Vector, i int) {
	if !v.IsNull(i) && v.Type.IsString() && len(v.BytesAt(i)) > maxValueBytes {
		dst.AppendBytes(v.BytesAt(i)[:maxValueBytes+1])
		return
	}
	dst.AppendFrom(v, i)
}

func column(v *types.Vector, n int, rows float64, buckets int) *Column {
	c := &Column{Type: v.Type, Buckets: buckets}
	order := make([]int32, 0, n)
	for i := range n {
		if !v.IsNull(i) {
			order = append(order, int32(i))
		}
	}
	if n == 0 {
		return c
	}
	c.Nulls = 1 - float64(len(order))/float64(n)
	type run struct{ from, n int }
	var runs []run
	once := 0
	long := false // a value is too long to be kept
	at := 0
	sortedRuns(v, order, func(r []int32) {
		runs = append(runs, run{at, len(r)})
		at += len(r)
		if len(r) == 1 {
			once++
		}
		if v.Type.Physical() == types.PhysBytes && len(v.BytesAt(int(r[0]))) > maxValueBytes {
			long = true
		}
	})
	c.Distinct = distinct(len(runs), once, len(order), rows*(1-c.Nulls))
	if buckets == NoHistogram || long || len(runs) == 0 {
		return c
	}
	// Values much more common than the average are kept one by one; all of them
	// where there are few.
	common := slices.Clone(runs)
	slices.SortStableFunc(common, func(a, b run) int { return cmp.Compare(b.n, a.n) })
	if len(common) > maxCommon {
		common = common[:maxCommon]
	}
	if len(runs) > maxCommon || once > 0 && len(order) < int(rows) {
		least := 1.25 * float64(len(order)) / c.Distinct
		for len(common) > 0 && (common[len(common)-1].n < 3 || float64(common[len(common)-1].n) < least) {
			common = common[:len(common)-1]
		}
	}
	taken := map[int]bool{} // runs, by where they begin
	for _, r := range common {
		taken[r.from] = true
		c.Common = append(c.Common, Common{value{v.Value(int(order[r.from])).Clone()}, float64(r.n) / float64(n)})
	}
	rest := make([]int32, 0, len(order))
	for _, r := range runs {
		if !taken[r.from] {
			rest = append(rest, order[r.from:r.from+r.n]...)
		}
	}
	if len(rest) == 0 {
		return c
	}
	if buckets == 0 {
		buckets = defaultBuckets
	}
	parts := min(buckets, max(len(rest)-1, 1))
	for i := range parts + 1 {
		c.Bounds = append(c.Bounds, v.Value(int(rest[i*(len(rest)-1)/parts])).Clone())
	}
	return c
}

// distinct estimates how many different values rows have of which a sample of n
// has so many, once of them in one row only: the estimator Duj1 of Haas and
// Stokes (1998).
func distinct(values, once, n int, rows float64) float64 {
	d, f, k := float64(values), float64(once), float64(n)
	if k >= rows || once == 0 {
		return d
	}
	return min(max(k*d/(k-f+f*k/rows), d), rows)
}

// prefixes estimates the numbers of different values of a key's first columns.
func prefixes(at func(int) *types.Vector, key []int, n int, rows float64) []float64 {
	keys := make([][]byte, n)
	hashes := make([]uint64, n)
	var counts []float64
	for _, o := range key {
		v := at(o)
		if v == nil {
			break
		}
		for i := range keys {
			keys[i] = types.AppendGroupKey(keys[i], v, i)
			hashes[i] = maphash.Bytes(seed, keys[i])
		}
		slices.Sort(hashes)
		values, once := 0, 0
		for from := 0; from < n; {
			to := from + 1
			for to < n && hashes[to] == hashes[from] {
				to++
			}
			if values++; to-from == 1 {
				once++
			}
			from = to
		}
		counts = append(counts, distinct(values, once, n, rows))
	}
	return counts
}

var seed = maphash.MakeSeed()
