package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// Costs in units of a row read by the primary key.
const (
	probeCost = 0.3  // of looking a row up in a hash table
	buildCost = 0.5  // of putting one there
	pairCost  = 0.1  // of a pair of rows in a loop join
	fetchCost = 10.0 // of looking a row up by a whole unique key
	seekCost  = 20.0 // of looking up the rows that share a part of a key
	mergeCost = 0.25 // of a row of a merge join
	yieldCost = 0.1  // of a row that a join yields
)

// packedFetch is the part of fetchCost that a packed row costs.
const packedFetch = 0.5

// filterCost is of looking up in the filter that a hash join has for its other side's
// scans whether a row has a match.
const filterCost = 0.02

// hashCost is the cost of a hash join, if matched is how many pairs match: what a scan
// leaves out costs little.
func hashCost(kind JoinKind, left, right, matched float64) float64 {
	probe, build := left, right
	if left*fewShare < right {
		build = min(right, matched+right*filterCost)
	}
	if kind == Inner || kind == Semi {
		probe = min(left, matched+left*filterCost)
	}
	return probe*probeCost + build*buildCost
}

// fewShare is how many times as many right rows as left ones there have to be for the left
// to be read first.
const fewShare = 4

// equiPair is an equality of a left and a right expression.
type equiPair struct {
	cond        int // its number among the join's conditions
	left, right expr.Expr
	cmp         *expr.Compare
}

// join2 joins left with right in the cheapest way: by an index of right, by a
// hash table, else by trying all pairs. With keep the left side stays left.
func (b *builder) join2(kind JoinKind, left *phys, right *leaf, on []expr.Expr, keep bool) *phys {
	leftCols := colSet{}
	leftCols.add(left.cols)
	pairs := equiPairs(on, leftCols, right.cols)
	rows := left.rows * right.p.rows * b.selectivity(on)
	switch kind {
	case Left:
		rows = max(rows, left.rows)
	case Semi:
		rows = min(rows, left.rows)
	case Anti:
		rows = left.rows * otherShare
	}
	// Few rows may turn out to be many: a loop is for joins without equality.
	best := b.hashJoin(kind, left, right.p, on, pairs, keep)
	if p := b.mergeJoin(kind, left, right.p, on, pairs, keep); p != nil && p.cost < best.cost {
		best = p
	}
	if len(pairs) > 0 {
		if t, ok := right.rel.(*tableRel); ok {
			if p := b.indexJoin(kind, left, t, right.need, on, pairs); p != nil && p.cost < best.cost {
				best = p
			}
		}
	}
	best.rows = rows
	return b.note(best)
}

// equiPairs returns the equalities in on between the two sides.
func equiPairs(on []expr.Expr, left, right colSet) []equiPair {
	var pairs []equiPair
	within := func(e expr.Expr, s colSet) bool {
		cols := columnsOf(e)
		return len(cols) > 0 && s.contains(cols) && expr.Deterministic(e)
	}
	for i, c := range on {
		eq, ok := c.(*expr.Compare)
		if !ok || eq.Op != expr.EQ {
			continue
		}
		switch {
		case within(eq.L, left) && within(eq.R, right):
			pairs = append(pairs, equiPair{i, collated(eq.L, eq), collated(eq.R, eq), eq})
		case within(eq.R, left) && within(eq.L, right):
			pairs = append(pairs, equiPair{i, collated(eq.R, eq), collated(eq.L, eq), eq})
		}
	}
	return pairs
}

// collated returns e, an operand of a comparison, as text of the comparison's collation,
// if it is text of another.
func collated(e expr.Expr, eq *expr.Compare) expr.Expr {
	t := e.Type()
	if !eq.L.Type().IsText() || !eq.R.Type().IsText() || t.Collation == eq.Collation {
		return e
	}
	t.Collation = eq.Collation
	return expr.CastTo(e, t)
}

// hashable reports whether the sides of a pair can be compared by hash under
// the collation that the comparison has.
func (p *equiPair) hashable() bool {
	t := expr.CompareType(p.left.Type(), p.right.Type())
	if t.Kind == types.Null || t.Kind == types.JSON {
		return false
	}
	return !t.IsString() || t.Collation == p.cmp.Collation
}

// others returns the conditions that pairs don't stand for.
func others(on []expr.Expr, done map[int]bool) []expr.Expr {
	var rest []expr.Expr
	for i, e := range on {
		if !done[i] {
			rest = append(rest, e)
		}
	}
	return rest
}

// joined describes the rows of a join of left and right, and both's columns,
// which its condition is over.
func joined(kind JoinKind, left, right *phys) (out, both *phys) {
	both = &phys{cols: slices.Concat(left.cols, right.cols)}
	out = &phys{cols: both.cols, fixed: left.fixed}
	switch {
	case kind.leftOnly():
		out.cols = left.cols
	case kind == Inner:
		out.fixed = colSet{}
		for _, s := range []colSet{left.fixed, right.fixed} {
			for c := range s {
				out.fixed[c] = true
			}
		}
	}
	return out, both
}

// condition lowers conds over the rows of p; nil of none.
func (b *builder) condition(conds []expr.Expr, p *phys) expr.Expr {
	if len(conds) == 0 {
		return nil
	}
	return b.expr(expr.Conjunction(cheapFirst(conds)...), p)
}

func (b *builder) loopJoin(kind JoinKind, left, right *phys, on []expr.Expr) *phys {
	out, both := joined(kind, left, right)
	out.node = &LoopJoin{Kind: kind, Left: left.node, Right: right.node, On: b.condition(on, both)}
	out.cost = left.cost + right.cost + left.rows*right.rows*pairCost + right.rows*buildCost
	return out
}

func (b *builder) hashJoin(kind JoinKind, left, right *phys, on []expr.Expr, pairs []equiPair, keep bool) *phys {
	swap := kind == Inner && !keep && left.rows < right.rows
	if swap {
		left, right = right, left
	}
	done := map[int]bool{}
	n := &HashJoin{Kind: kind, Left: left.node, Right: right.node}
	for i := range pairs {
		p := &pairs[i]
		if !p.hashable() {
			continue
		}
		l, r := p.left, p.right
		if swap {
			l, r = r, l
		}
		n.LeftKeys = append(n.LeftKeys, b.expr(l, left))
		n.RightKeys = append(n.RightKeys, b.expr(r, right))
		done[p.cond] = true
	}
	if len(done) == 0 {
		return b.loopJoin(kind, left, right, on)
	}
	out, both := joined(kind, left, right)
	n.On = b.condition(others(on, done), both)
	out.node = n
	matched := left.rows * right.rows * b.selectivity(on)
	out.cost = left.cost + right.cost + hashCost(kind, left.rows, right.rows, matched)
	if n.LeftFirst = left.rows*fewShare < right.rows; n.LeftFirst {
		out.cost -= b.spared(right, min(1, matched/right.rows+filterCost))
	}
	return out
}

// spared returns how much of p's cost a filter of its scan spares, which passes a part
// of the rows: that of computing and grouping the others.
func (b *builder) spared(p *phys, part float64) float64 {
	n := p.node
	for {
		switch x := n.(type) {
		case *Project:
			n = x.Input
		case *Aggregate:
			n = x.Input
		case *Scan:
			return (p.cost - b.costs[n].Cost) * (1 - part)
		default:
			return 0
		}
	}
}

// mergeKeys returns the pairs by which rows that come in the left and the right
// order can be merged, in the keys' order.
func mergeKeys(left, right *phys, pairs []equiPair) (keys []*equiPair, desc []bool) {
	var rightOrder []orderCol
	for _, o := range left.order {
		if left.fixed[o.col] {
			continue
		}
		at := slices.IndexFunc(pairs, func(p equiPair) bool { return isColumn(p.left, o.col) && p.mergeable() })
		if at < 0 {
			break
		}
		rightOrder = append(rightOrder, orderCol{pairs[at].right.(*expr.Column).Index, o.desc})
		if !inOrder(right.order, right.fixed, rightOrder) {
			break
		}
		keys, desc = append(keys, &pairs[at]), append(desc, o.desc)
	}
	return keys, desc
}

// mergeable reports whether the pair's sides are columns that are compared in the
// order in which their values come.
func (p *equiPair) mergeable() bool {
	l, ok := p.left.(*expr.Column)
	r, rok := p.right.(*expr.Column)
	if !ok || !rok || !p.hashable() || l.T.Members != nil || r.T.Members != nil {
		return false
	}
	switch {
	case l.T.IsInteger() && r.T.IsInteger():
		return l.T.Physical() == r.T.Physical()
	case l.T.IsText() && r.T.IsText():
		return l.T.Kind == r.T.Kind && l.T.Collation == r.T.Collation
	}
	return l.T == r.T && l.T.Physical() != types.PhysFloat64
}

func (b *builder) mergeJoin(kind JoinKind, left, right *phys, on []expr.Expr, pairs []equiPair, keep bool) *phys {
	keys, desc := mergeKeys(left, right, pairs)
	if len(keys) == 0 {
		return nil
	}
	swap := kind == Inner && !keep && left.rows < right.rows
	n := &MergeJoin{Kind: kind, Desc: desc}
	done := map[int]bool{}
	for _, p := range keys {
		n.LeftKeys = append(n.LeftKeys, b.expr(p.left, left).(*expr.Column))
		n.RightKeys = append(n.RightKeys, b.expr(p.right, right).(*expr.Column))
		done[p.cond] = true
	}
	if swap {
		left, right = right, left
		n.LeftKeys, n.RightKeys = n.RightKeys, n.LeftKeys
	}
	n.Left, n.Right = left.node, right.node
	out, both := joined(kind, left, right)
	n.On = b.condition(others(on, done), both)
	out.node = n
	for i, k := range n.LeftKeys {
		out.order = append(out.order, orderCol{left.cols[k.Index], desc[i]})
	}
	out.cost = left.cost + right.cost + (left.rows+right.rows)*mergeCost
	return out
}

// indexJoin looks up right's rows by the index of which the join's equalities,
// and equalities with constants, give the most columns; nil if none gives any.
func (b *builder) indexJoin(kind JoinKind, left *phys, right *tableRel, need colSet, on []expr.Expr, pairs []equiPair) *phys {
	var best *phys
	if right.which != Live {
		return nil
	}
	for _, ix := range right.indexes() {
		if p := b.indexJoinBy(kind, left, right, ix, need, on, pairs); p != nil && (best == nil || p.cost < best.cost) {
			best = p
		}
	}
	return best
}

// lookUp is how a table's rows are looked up by an index for each left row.
type lookUp struct {
	scan   *Scan
	rows   *phys       // the rows found
	keys   []expr.Expr // over columns of the left side
	rest   []expr.Expr // conditions of the join that the keys do not imply
	perRow float64     // cost of a left row
}

// lookupBy returns how right is looked up by an index; nil if it is not.
func (b *builder) lookupBy(right *tableRel, ix *schema.Index, need colSet, on []expr.Expr, pairs []equiPair) *lookUp {
	t := right.table
	own, all, unique := ownKey(t, ix)
	done, used := map[int]bool{}, map[int]bool{} // of on, of right.conds
	u := &lookUp{}
	tied := false
next:
	for _, part := range own {
		id, ct := right.first+part.Column, t.Columns[part.Column].Type
		for i := range pairs {
			p := &pairs[i]
			if !isColumn(p.right, id) {
				continue
			}
			if k, exact, ok := key(p.left, ct, p.cmp.Collation, true); ok {
				u.keys, tied = append(u.keys, k), true
				if exact {
					done[p.cond] = true
				}
				continue next
			}
		}
		v, implied := boundColumn(right.conds, id, ct)
		if len(v.list) != 1 || !v.points() || v.list[0].null {
			break
		}
		u.keys = append(u.keys, v.list[0].low)
		for i := range implied {
			used[i] = used[i] || part.Prefix == 0
		}
	}
	if !tied {
		return nil
	}
	rest := others(right.conds, used)
	read := need.with(rest...)
	n := &Scan{Table: t, Alias: right.alias, Index: ix}
	u.scan, u.rows, u.rest = n, &phys{node: n, fixed: colSet{}}, others(on, done)
	n.Columns, u.rows.cols = right.reads(read)
	n.Filter = b.condition(rest, u.rows)
	total := b.tableRows(t)
	matches := total / b.keyValues(t, ix, len(u.keys), total)
	n.Rows = matches * b.selectivity(rest)
	perRow := 1.0
	if ix != nil {
		perRow = lookupCost
		if t.Covers(ix, n.Columns) {
			perRow = coveringCost
		}
	}
	u.perRow = seekCost + matches*perRow
	if unique && len(u.keys) == all {
		u.perRow = fetchCost*(1-b.o.Catalog.Packed(t)*(1-packedFetch)) + matches*perRow
	}
	return u
}

func (b *builder) indexJoinBy(kind JoinKind, left *phys, right *tableRel, ix *schema.Index, need colSet, on []expr.Expr, pairs []equiPair) *phys {
	u := b.lookupBy(right, ix, need, on, pairs)
	if u == nil {
		return nil
	}
	out, both := joined(kind, left, u.rows)
	out.node = &IndexJoin{Kind: kind, Left: left.node, Right: u.scan, Keys: b.exprs(u.keys, left), On: b.condition(u.rest, both)}
	out.order = left.order
	out.cost = left.cost + left.rows*u.perRow
	return out
}
