package plan

import (
	"math"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
)

// Without statistics on values, these shares of rows are assumed to pass.
const (
	rangeShare   = 0.3   // a comparison that bounds one side
	betweenShare = 0.005 // both sides, as PostgreSQL assumes: ranges that are asked for are small
	pointShare   = 0.01
	nullShare    = 0.1
	likeShare    = 0.1
	otherShare   = 0.5
)

// minRows is the least number of rows that a table without statistics is taken
// to have: plans are kept while tables grow.
const minRows = 100

func (b *builder) tableRows(t *schema.Table) float64 {
	least := float64(minRows)
	if b.statistics(t) != nil {
		least = 1
	}
	return max(float64(b.o.Catalog.Rows(t)), least, float64(b.o.AssumedRows))
}

// keyValues estimates how many different values the first k columns of an index
// have, among so many rows.
func (b *builder) keyValues(t *schema.Table, ix *schema.Index, k int, rows float64) float64 {
	_, all, unique := ownKey(t, ix)
	if unique && k == all {
		return rows
	}
	if s := b.statistics(t); s != nil {
		id := uint32(schema.PrimaryIndexID)
		if ix != nil {
			id = ix.ID
		}
		if p := s.Prefixes[id]; len(p) >= k {
			return min(max(p[k-1], 1), rows)
		}
	}
	return guessValues(rows, k, all, unique)
}

// guessValues is keyValues without statistics, of a key of n columns.
func guessValues(rows float64, k, n int, unique bool) float64 {
	if unique {
		return math.Pow(rows, float64(k)/float64(n))
	}
	return min(rows, math.Sqrt(rows)*math.Pow(4, float64(k-1)))
}

// isUnique reports whether e is a column that is a unique key of its table.
func (b *builder) isUnique(e expr.Expr) bool {
	c, ok := e.(*expr.Column)
	if !ok {
		return false
	}
	rel := b.cols[c.Index].rel
	return rel != nil && uniqueColumn(rel.table, c.Index-rel.first)
}

// uniqueColumn reports whether a column alone is a key, whose values differ.
func uniqueColumn(t *schema.Table, c int) bool {
	if len(t.PrimaryKey) == 1 && t.PrimaryKey[0] == c {
		return true
	}
	return slices.ContainsFunc(t.Indexes, func(ix schema.Index) bool {
		return ix.Unique && len(ix.Columns) == 1 && ix.Columns[0] == c
	})
}

// columnValues estimates how many different values a table's column has.
func (b *builder) columnValues(t *schema.Table, c int, rows float64) float64 {
	if uniqueColumn(t, c) {
		return rows
	}
	if s := b.columnStats(t, c); s != nil {
		return min(max(s.Distinct, 1), rows)
	}
	return guessValues(rows, 1, 2, false)
}

// unknownValues is how many different values an expression is taken to have.
const unknownValues = 10

// values estimates how many different values e has.
func (b *builder) values(e expr.Expr) float64 {
	if c, ok := e.(*expr.Column); ok {
		if rel := b.cols[c.Index].rel; rel != nil {
			return b.columnValues(rel.table, c.Index-rel.first, b.tableRows(rel.table))
		}
	}
	return unknownValues
}

// groups estimates how many groups expressions make of rows.
func (b *builder) groups(by []expr.Expr, rows float64) float64 {
	guess := max(1, min(rows, math.Sqrt(rows)*math.Pow(4, float64(len(by)-1))))
	n := 1.0
	for _, e := range by {
		known := false
		expr.Walk(e, func(e expr.Expr) bool {
			if c, ok := e.(*expr.Column); ok {
				known = known || b.statsOf(c.Index) != nil
			}
			return true
		})
		if b.isUnique(e) {
			return max(1, rows)
		}
		if !known {
			return guess
		}
		n *= b.values(e)
	}
	return max(1, min(n, rows))
}

// selectivity estimates the share of rows for which all conds hold.
func (b *builder) selectivity(conds []expr.Expr) float64 {
	s := 1.0
	spans := map[int]*interval{} // of columns, by their bounds together
	var order []int
	for _, c := range conds {
		id, v, ok := b.spanOf(c)
		if !ok {
			s *= b.share(c)
			continue
		}
		span := spans[id]
		if span == nil {
			span = &interval{}
			spans[id] = span
			order = append(order, id)
		}
		if v.low != nil {
			span.low, span.lowEx = v.low, v.lowEx
		}
		if v.high != nil {
			span.high, span.highEx = v.high, v.highEx
		}
	}
	for _, id := range order {
		s *= b.spanShare(id, spans[id])
	}
	return s
}

// spanOf returns a condition's bound of a column that there are statistics of.
func (b *builder) spanOf(cond expr.Expr) (int, interval, bool) {
	c, ok := cond.(*expr.Compare)
	if !ok {
		return 0, interval{}, false
	}
	for _, side := range []expr.Expr{c.L, c.R} {
		col, ok := side.(*expr.Column)
		if !ok || b.statsOf(col.Index) == nil {
			continue
		}
		if v, ok := compareIntervals(c, col.Index, b.cols[col.Index].t); ok && !v.list[0].isPoint() {
			return col.Index, v.list[0], true
		}
	}
	return 0, interval{}, false
}

// share estimates the share of rows for which cond holds.
func (b *builder) share(cond expr.Expr) float64 {
	if s, ok := b.knownShare(cond); ok {
		return s
	}
	switch c := cond.(type) {
	case *expr.Compare:
		switch c.Op {
		case expr.EQ, expr.NullSafeEQ:
			return 1 / max(b.valuesIf(c.L), b.valuesIf(c.R), 2)
		case expr.NE:
			return 0.9
		}
		return rangeShare
	case *expr.InList:
		return min(otherShare, float64(len(c.List))/max(b.valuesIf(c.Expr), 2))
	case *expr.Like:
		return likeShare
	case *expr.Is:
		if c.Test == expr.IsNull {
			return nullShare
		}
		return 1 - nullShare
	case *expr.And:
		return b.selectivity(c.Args)
	case *expr.Or:
		none := 1.0
		for _, a := range c.Args {
			none *= 1 - b.share(a)
		}
		return 1 - none
	case *expr.Not:
		return 1 - b.share(c.Arg)
	}
	return otherShare
}

// valuesIf is values of an expression with columns, 0 of a constant.
func (b *builder) valuesIf(e expr.Expr) float64 {
	if expr.IsConst(e) {
		return 0
	}
	return b.values(e)
}
