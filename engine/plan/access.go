package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// access is a way to read a table's rows: an index, and the ranges of it that
// conditions leave.
type access struct {
	index  *schema.Index // nil: the primary key
	ranges []Range       // nil: all
	used   map[int]bool  // conditions that the ranges imply
	fixed  colSet        // columns with one value
	read   float64       // rows read, an estimate
	single bool          // at most one row
}

// indexes returns the indexes that may be used, the primary key, nil, first.
func (r *tableRel) indexes() []*schema.Index {
	var list []*schema.Index
	if r.which != Live {
		return append(list, nil) // deleted rows are in no other
	}
	if r.hint.allows(schema.PrimaryIndexID) {
		list = append(list, nil)
	}
	for i := range r.table.Indexes {
		if ix := &r.table.Indexes[i]; !ix.Invisible && r.hint.allows(ix.ID) {
			list = append(list, ix)
		}
	}
	if len(list) == 0 {
		list = append(list, nil) // USE INDEX ()
	}
	return list
}

// ownKey returns an index's own key columns that bounds can be given for, how
// many there are in all, and whether their values are unique.
func ownKey(t *schema.Table, ix *schema.Index) (key []schema.KeyColumn, all int, unique bool) {
	key, all = t.Key(ix)
	key = key[:all]
	for i, k := range key {
		// Prefixes of texts need not be in the texts' order, or equal when those
		// are: characters may weigh nothing.
		if k.Prefix > 0 && t.Columns[k.Column].Type.LossyKey() {
			key = key[:i]
			break
		}
	}
	return key, all, ix == nil || ix.Unique
}

// accessBy returns the best use of an index for conds; without ranges where
// they don't bound its first column.
func (b *builder) accessBy(r *tableRel, ix *schema.Index, conds []expr.Expr) access {
	best := b.prefixAccess(r, ix, conds)
	for i, c := range conds {
		or, ok := c.(*expr.Or)
		if !ok {
			continue
		}
		if a, ok := b.orAccess(r, ix, or, i); ok && a.read < best.read {
			best = a
		}
	}
	return best
}

// orAccess reads the ranges of each arm of an OR: (a, b) IN ((1, 2), (3, 4)).
func (b *builder) orAccess(r *tableRel, ix *schema.Index, or *expr.Or, at int) (access, bool) {
	all := access{index: ix, used: map[int]bool{}, fixed: colSet{}}
	exact := true
	for _, arm := range or.Args {
		conds := expr.Conjuncts(arm)
		a := b.prefixAccess(r, ix, conds)
		if a.ranges == nil || len(all.ranges)+len(a.ranges) > maxIntervals {
			return all, false
		}
		all.ranges = append(all.ranges, a.ranges...)
		all.read += a.read
		exact = exact && len(a.used) == len(conds)
	}
	if exact {
		all.used[at] = true
	}
	return all, true
}

// prefixAccess bounds an index's columns one after another, as long as each
// has single values only.
func (b *builder) prefixAccess(r *tableRel, ix *schema.Index, conds []expr.Expr) access {
	n := b.tableRows(r.table)
	a := access{index: ix, used: map[int]bool{}, fixed: colSet{}, read: n}
	own, all, unique := ownKey(r.table, ix)
	prefixes := []Range{{}}
	share := 1.0 // of the rows with one prefix
	apart := 1.0 // of the rows with any of the prefixes, were the columns independent
	depth := 0
	null, ranged := false, false
	for _, k := range own {
		id := r.first + k.Column
		v, used := boundColumn(conds, id, r.table.Columns[k.Column].Type)
		if len(v.list) == 0 || len(prefixes)*len(v.list) > maxIntervals {
			break
		}
		prefixes = product(prefixes, v.list, depth)
		for i := range used {
			if k.Prefix == 0 {
				a.used[i] = true
			}
		}
		depth++
		if !v.points() {
			share, ranged = b.intervalShare(id, v.list), true
			break
		}
		apart *= b.intervalShare(id, v.list)
		if len(v.list) == 1 {
			a.fixed[id] = true
		}
		null = null || v.list[0].null
	}
	if depth == 0 {
		return a
	}
	a.ranges = prefixes
	points := depth
	if ranged {
		points--
	}
	a.read = n * share
	if points > 0 {
		a.read = float64(len(prefixes)) * share * n / b.keyValues(r.table, ix, points, n)
		if b.columnStats(r.table, own[0].Column) != nil && !(unique && points == all) {
			if points == 1 {
				a.read = n * share * apart // some values are more common than others
			} else {
				a.read = max(a.read, n*share*apart)
			}
		}
	}
	a.read = min(a.read, n)
	a.single = unique && points == all && len(prefixes) == 1 && !null && r.which != LiveDeleted
	return a
}

// product adds a column, the one at depth, to ranges that have only points so far.
func product(prefixes []Range, list []interval, depth int) []Range {
	out := make([]Range, 0, len(prefixes)*len(list))
	for _, p := range prefixes {
		for i := range list {
			v := &list[i]
			r := Range{Low: p.Low[:depth:depth], High: p.High[:depth:depth], NullOK: p.NullOK}
			if v.low != nil {
				r.Low, r.LowExclusive = append(r.Low, v.low), v.lowEx
			}
			if v.high != nil {
				r.High, r.HighExclusive = append(r.High, v.high), v.highEx
			}
			if v.null {
				ok := make([]bool, depth+1)
				copy(ok, p.NullOK)
				ok[depth] = true
				r.NullOK = ok
			}
			out = append(out, r)
		}
	}
	return out
}

// Costs of a row read, in units of one read in passing by the primary key.
const (
	coveringCost = 0.7  // from an index that has all that is wanted
	lookupCost   = 10.0 // from an index, then the row, which lies anywhere
	rangeCost    = 10.0 // of a range's start
	openCost     = 20.0 // of a scan's, beside its ranges'
	packedCost   = 0.05 // that is packed
)

// rowCost is the cost of a row of a table that is read in passing.
func (b *builder) rowCost(t *schema.Table) float64 {
	return 1 - b.o.Catalog.Packed(t)*(1-packedCost)
}

// scan reads a table in the cheapest way.
func (b *builder) scan(r *tableRel, need colSet, h hint) *phys {
	conds := cheapFirst(r.conds)
	matched := b.matched(conds)
	var best *phys
	for _, ix := range r.indexes() {
		a := b.accessBy(r, ix, matched)
		p := b.scanBy(r, &a, conds, need, h)
		if best == nil || scanCost(p, h) < scanCost(best, h) {
			best = p
		}
	}
	n := best.node.(*Scan)
	n.Ranges = b.planBounds(n.Ranges)
	if n.Index == nil && n.Filter != nil {
		n.Skip = columnRanges(r, n.Ranges != nil, conds)
	}
	return best
}

// columnRanges returns what conditions say of each of a table's columns. Values that
// are not in the order in which bytes or numbers are have no ranges, nor have local
// times, two of which may be the same. bounded tells that the primary key's first
// column has ranges anyway.
func columnRanges(r *tableRel, bounded bool, conds []expr.Expr) (list []ColumnRange) {
	conds = slices.DeleteFunc(slices.Clone(conds), expr.HasSubquery) // they would run twice
	for c := range r.table.Columns {
		t := r.table.Columns[c].Type
		if t.LossyKey() || t.Kind == types.Timestamp || t.Kind == types.Decimal && t.Physical() == types.PhysBytes ||
			bounded && len(r.table.PrimaryKey) > 0 && r.table.PrimaryKey[0] == c {
			continue
		}
		if v, _ := boundColumn(conds, r.first+c, t); len(v.list) > 0 {
			list = append(list, ColumnRange{c, product([]Range{{}}, v.list, 0)})
		}
	}
	return list
}

// planBounds returns ranges with the subqueries of their bounds planned, each
// once: a bound may be in many ranges.
func (b *builder) planBounds(ranges []Range) []Range {
	none := &phys{}
	planned := map[expr.Expr]expr.Expr{}
	plan := func(bounds []expr.Expr) []expr.Expr {
		for i, e := range bounds {
			if !expr.HasSubquery(e) {
				continue
			}
			if planned[e] == nil {
				planned[e] = b.expr(e, none)
			}
			bounds = slices.Clone(bounds)
			bounds[i] = planned[e]
		}
		return bounds
	}
	for i := range ranges {
		ranges[i].Low, ranges[i].High = plan(ranges[i].Low), plan(ranges[i].High)
	}
	return ranges
}

// scanCost is the cost of a scan and of the sort that it leaves to do.
func scanCost(p *phys, h hint) float64 {
	switch {
	case len(h.order) == 0:
		return p.cost
	case h.group:
		cols := make([]int, len(h.order))
		for i, o := range h.order {
			cols[i] = o.col
		}
		if p.together(cols) {
			return p.cost
		}
		return p.cost + p.rows*0.3
	case p.satisfies(h.order):
		return p.cost
	}
	return p.cost + sortCost(p.rows)
}

// scanBy makes the scan that an access is.
func (b *builder) scanBy(r *tableRel, a *access, conds []expr.Expr, need colSet, h hint) *phys {
	var rest []expr.Expr
	for i, c := range conds {
		if !a.used[i] {
			rest = append(rest, c)
		}
	}
	read := need.with(rest...)
	n := &Scan{Table: r.table, Alias: r.alias, Index: a.index, Ranges: a.ranges}
	p := &phys{node: n, fixed: a.fixed}
	n.Columns, p.cols = r.reads(read)
	n.Which = r.narrow()
	if len(rest) > 0 {
		n.Filter = b.expr(expr.Conjunction(rest...), p)
	}
	p.rows = min(b.tableRows(r.table)*b.selectivity(r.conds), a.read)
	if a.single {
		p.rows = min(p.rows, 1)
	}
	rowsRead := a.read
	key, _ := r.table.Key(a.index)
	if n.Which == LiveDeleted {
		key = nil // one comes after the other
	}
	for _, k := range key {
		if k.Prefix > 0 && !p.fixed[r.first+k.Column] {
			break // rows with one prefix are in any order
		}
		p.order = append(p.order, orderCol{r.first + k.Column, k.Desc})
	}
	if len(h.order) > 0 && !h.group && !p.satisfies(h.order) {
		reversed := make([]orderCol, len(p.order))
		for i, o := range p.order {
			reversed[i] = orderCol{o.col, !o.desc}
		}
		if inOrder(reversed, p.fixed, h.order) {
			p.order, n.Reverse = reversed, true
		}
	}
	if a.single {
		p.fixed = yields(r)
	}
	if h.rows > 0 && p.satisfies(h.order) {
		n.Limit = h.limit
		if p.rows > h.rows {
			rowsRead *= h.rows / p.rows
			p.rows = h.rows
		}
	}
	n.Rows = p.rows
	cost := lookupCost
	switch {
	case a.index == nil:
		cost = b.rowCost(r.table)
	case r.table.Covers(a.index, n.Columns):
		cost = coveringCost
	}
	p.cost = openCost + rangeCost*float64(max(1, len(a.ranges))) + rowsRead*cost
	return p
}
