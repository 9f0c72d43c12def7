package plan

import (
	"math"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
)

// Without statistics on values, these shares of rows are assumed to pass.
const (
	rangeShare   = 0.3 // a comparison that bounds one side
	betweenShare = 0.1 // both sides
	prefixShare  = 0.05
	nullShare    = 0.1
	otherShare   = 0.5
)

// minRows is the least number of rows that a table is taken to have: plans are
// kept while tables grow.
const minRows = 100

func (b *builder) tableRows(t *schema.Table) float64 {
	return max(float64(b.o.Catalog.Rows(t)), minRows)
}

// keyValues estimates how many different values the first k columns of a key of
// n columns have.
func keyValues(rows float64, k, n int, unique bool) float64 {
	if unique {
		return math.Pow(rows, float64(k)/float64(n))
	}
	return min(rows, math.Sqrt(rows)*math.Pow(4, float64(k-1)))
}

// columnValues estimates how many different values a table's column has.
func columnValues(t *schema.Table, c int, rows float64) float64 {
	if len(t.PrimaryKey) == 1 && t.PrimaryKey[0] == c {
		return rows
	}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.Unique && len(ix.Columns) == 1 && ix.Columns[0] == c {
			return rows
		}
	}
	return keyValues(rows, 1, 2, false)
}

// values estimates how many different values e has.
func (b *builder) values(e expr.Expr) float64 {
	if c, ok := e.(*expr.Column); ok {
		if rel := b.cols[c.Index].rel; rel != nil {
			return columnValues(rel.table, c.Index-rel.first, b.tableRows(rel.table))
		}
	}
	return 10
}

// groups estimates how many groups n expressions make of rows.
func groups(n int, rows float64) float64 {
	return max(1, min(rows, math.Sqrt(rows)*math.Pow(4, float64(n-1))))
}

// selectivity estimates the share of rows for which all conds hold.
func (b *builder) selectivity(conds []expr.Expr) float64 {
	s := 1.0
	for _, c := range conds {
		s *= b.share(c)
	}
	return s
}

func (b *builder) share(cond expr.Expr) float64 {
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
		return 0.1
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
