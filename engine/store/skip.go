package store

import (
	"slices"
	"sort"

	"github.com/kalamgo/kalam/engine/types"
)

// skipper tells which segments have no row that a scan wants, by what their records
// say of columns. Pairs over such a segment are read all the same.
type skipper struct {
	columns []skippedBy
	skipped *int64 // see ScanRequest
}

// skippedBy is the values of a column that are wanted.
type skippedBy struct {
	id     uint32
	t      types.Type
	ranges []KeyRange
}

// newSkipper returns nil when a scan wants all rows.
func (l *layout) newSkipper(req *ScanRequest) *skipper {
	if len(req.Only) == 0 {
		return nil
	}
	s := &skipper{skipped: req.Skipped}
	for _, c := range req.Only {
		col := &l.t.Columns[c.Column]
		s.columns = append(s.columns, skippedBy{col.ID, col.Type, c.Ranges})
	}
	return s
}

// skips reports whether a segment has none of the rows, and counts it.
func (s *skipper) skips(p *packedRun) bool {
	lacks := s.lacks(p)
	if lacks && s.skipped != nil {
		*s.skipped++
	}
	return lacks
}

// lacks reports whether a segment has none of the rows.
func (s *skipper) lacks(p *packedRun) bool {
	return s != nil && p.rec != nil && slices.ContainsFunc(s.columns, func(c skippedBy) bool { return c.lacks(p) })
}

// lacks reports whether the segment has none of the values.
func (c *skippedBy) lacks(p *packedRun) bool {
	n := p.rec.Find(c.id)
	if n < 0 || p.rec.Columns[n].Phys != c.t.Physical() {
		return false
	}
	col := &p.rec.Columns[n]
	if col.Nulls > 0 && c.meet(types.Value{}, types.Value{}) {
		return false
	}
	switch {
	case col.Nulls == p.rec.Rows:
		return true
	case col.Min.IsNull() || col.Max.IsNull():
		return false
	}
	return !c.meet(col.Min, col.Max)
}

// meet reports whether a range has values from min to max.
func (c *skippedBy) meet(min, max types.Value) bool {
	compare := func(bound []types.Value, v types.Value) int { return types.Compare(c.t, bound[0], v) }
	// The first range that does not end before min.
	i := sort.Search(len(c.ranges), func(i int) bool {
		r := &c.ranges[i]
		if len(r.High) == 0 {
			return true
		}
		n := compare(r.High, min)
		return n > 0 || n == 0 && !r.HighExclusive
	})
	if i == len(c.ranges) {
		return false
	}
	r := &c.ranges[i]
	if len(r.Low) == 0 {
		return true
	}
	n := compare(r.Low, max)
	return n < 0 || n == 0 && !r.LowExclusive
}
