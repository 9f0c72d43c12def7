package plan

import (
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/stats"
	"github.com/kalamgo/kalam/engine/types"
)

// statistics returns a table's statistics, the same for the whole statement.
func (b *builder) statistics(t *schema.Table) *stats.Table {
	s, ok := b.stats[t]
	if !ok {
		s = b.o.Catalog.Statistics(t)
		if b.stats == nil {
			b.stats = map[*schema.Table]*stats.Table{}
		}
		b.stats[t] = s
	}
	return s
}

// columnStats returns what is known of a column's values, or nil.
func (b *builder) columnStats(t *schema.Table, c int) *stats.Column {
	s := b.statistics(t)
	if s == nil {
		return nil
	}
	col := &t.Columns[c]
	cs := s.Columns[col.ID]
	if cs == nil || cs.Type.Kind != col.Type.Kind || cs.Type.Physical() != col.Type.Physical() ||
		cs.Type.Scale != col.Type.Scale || cs.Type.Collation != col.Type.Collation {
		return nil // it was changed since
	}
	return cs
}

// statsOf is columnStats by the column's number.
func (b *builder) statsOf(id int) *stats.Column {
	c := &b.cols[id]
	if c.rel == nil {
		return nil
	}
	return b.columnStats(c.rel.table, id-c.rel.first)
}

// constant returns the value of e as one of type t, where it is known before
// the plan runs.
func constant(e expr.Expr, t types.Type) (types.Value, bool) {
	l, ok := expr.Fold(expr.CastTo(e, t)).(*expr.Literal)
	if !ok || l.Value.IsNull() || l.Value.Physical() != t.Physical() {
		return types.Value{}, false
	}
	return l.Value, true
}

// spanShare estimates the share of rows whose value of a column lies in v.
func (b *builder) spanShare(id int, v *interval) float64 {
	s := b.statsOf(id)
	t := b.cols[id].t
	if v.isPoint() {
		switch x, ok := constant(v.low, t); {
		case v.null && s != nil:
			return s.Nulls
		case s == nil:
			return pointShare
		case ok:
			return max(s.Equal(x), b.one(id))
		}
		return s.Average()
	}
	from, to, known := 0.0, 1.0, s != nil && s.Known()
	if known {
		to -= s.Nulls
	}
	edge := func(e expr.Expr, after bool) float64 {
		x, ok := constant(e, t)
		if !ok || !known {
			known = false
			return 0
		}
		if after {
			return s.Less(x) + s.Equal(x)
		}
		return s.Less(x)
	}
	if v.low != nil {
		from = edge(v.low, v.lowEx)
	}
	if v.high != nil {
		to = edge(v.high, !v.highEx)
	}
	switch {
	case known:
		return min(max(to-from, b.one(id)), 1)
	case v.low != nil && v.high != nil:
		return betweenShare
	}
	return rangeShare
}

// one is the share of a single row of a column's table.
func (b *builder) one(id int) float64 { return 1 / b.tableRows(b.cols[id].rel.table) }

// intervalShare estimates the share of rows whose value of a column lies in one
// of list, which do not overlap.
func (b *builder) intervalShare(id int, list []interval) float64 {
	if b.statsOf(id) != nil {
		s := 0.0
		for i := range list {
			s += b.spanShare(id, &list[i])
		}
		return min(s, 1)
	}
	s := 0.0
	for i := range list {
		s += b.spanShare(id, &list[i])
	}
	return min(s, 0.9)
}

// knownShare is share by statistics: false where they do not tell.
func (b *builder) knownShare(cond expr.Expr) (float64, bool) {
	id := -1
	for c := range columnsOf(cond) {
		if id >= 0 {
			return 0, false
		}
		id = c
	}
	if id < 0 {
		return 0, false
	}
	s := b.statsOf(id)
	if s == nil {
		return 0, false
	}
	if is, ok := cond.(*expr.Is); ok && isColumn(is.Arg, id) {
		switch is.Test {
		case expr.IsNull:
			return s.Nulls, true
		case expr.IsNotNull:
			return 1 - s.Nulls, true
		}
	}
	if v, ok := intervalsOf(cond, id, b.cols[id].t); ok && v.exact {
		return b.intervalShare(id, v.list), true
	}
	return b.tried(cond, id, s)
}

// tried evaluates a condition on one column over the values that are known of it.
func (b *builder) tried(cond expr.Expr, id int, s *stats.Column) (float64, bool) {
	if !s.Known() || !expr.Deterministic(cond) || expr.HasSubquery(cond) || hasUnknown(cond) {
		return 0, false
	}
	in := types.NewBatch([]types.Type{b.cols[id].t})
	for i := range s.Common {
		in.Columns[0].AppendValue(s.Common[i].Value.Value)
	}
	for _, v := range s.Bounds {
		in.Columns[0].AppendValue(v)
	}
	if s.Nulls > 0 {
		in.Columns[0].AppendNull()
	}
	in.Len = in.Columns[0].Len()
	env := &expr.Env{Context: b.ctx, Zone: b.o.Zone, Warn: func(error) {}}
	pass, err := expr.NewEvaluator(env, expr.MapColumns(cond, func(int) int { return 0 }))
	if err != nil {
		return 0, false
	}
	sel, err := pass.Select(in, nil)
	if err != nil {
		return 0, false
	}
	rest := 1 - s.Nulls
	for i := range s.Common {
		rest -= s.Common[i].Share
	}
	share, bounds := 0.0, 0
	for _, i := range sel {
		switch k := int(i); {
		case k < len(s.Common):
			share += s.Common[k].Share
		case k < len(s.Common)+len(s.Bounds):
			bounds++
		default:
			share += s.Nulls
		}
	}
	if n := len(s.Bounds); n > 0 {
		// None of n may still be some of all.
		share += max(rest, 0) * max(float64(bounds), 0.5) / float64(n)
	}
	return min(max(share, b.one(id)), 1), true
}

// hasUnknown reports whether e has values that are known only when it runs.
func hasUnknown(e expr.Expr) bool {
	found := false
	expr.Walk(e, func(e expr.Expr) bool {
		switch e.(type) {
		case *expr.Param, *expr.Outer, *expr.Aggregate, *expr.Window:
			found = true
		}
		return !found
	})
	return found
}
