package plan

import (
	"math/bits"

	"github.com/kalamgo/kalam/engine/expr"
)

const (
	// maxSearched is the most inputs of which all ways to join them are looked at, if
	// those are no more than maxPairs pairs of sets.
	maxSearched = 12
	maxPairs    = 60_000
)

// inputs is a set of a joinGroup's leaves, a bit for each.
type inputs uint16

func (s inputs) only() int { return bits.TrailingZeros16(uint16(s)) }

func (s inputs) single() bool { return s&(s-1) == 0 }

// joinGroup is joins that may be done in many orders. Inner joins may in all;
// the right sides of others are joined to any set of leaves that has those whose
// columns their conditions read: A ⋈ (B ⟕ C) = (A ⋈ B) ⟕ C, and semi and anti
// joins are filters. The cheapest tree is found by dynamic programming over the
// sets of leaves, bushy trees among them.
type joinGroup struct {
	b      *builder
	leaves []*leaf
	on     []expr.Expr // of the inner joins
	ties   []tie
	loose  []expr.Expr // conditions that read one leaf at most
	rows   []float64   // by set of leaves
	best   []joinChoice
	near   []inputs // by set of leaves: those that conditions tie to it
	whole  []bool   // by set of leaves: conditions tie all of it together
	// lookups has the cost of a look-up of a left row, by leaf and left leaves
	// that it is tied to; negative: there is none.
	lookups map[[2]inputs]float64
	byIndex map[[2]int]*phys // semiByIndex by left and right leaf
}

// tie is the conditions that read just a set of leaves.
type tie struct {
	leaves inputs
	conds  []expr.Expr
	share  float64
	equals [][2]inputs // what the sides of equalities among them read
}

// joinChoice is how a set of leaves is joined.
type joinChoice struct {
	left, right inputs // none: the set cannot be joined
	untied      int    // joins without condition
	cost        float64
	alt         *phys // semiByIndex's, where that is best
	rows        *phys // order and fixed columns of what it yields
}

// anyOrder are rows in no known order.
var anyOrder = phys{fixed: colSet{}}

// newJoinGroup collects what may be joined in another order than l's; nil if
// that is too much.
func (b *builder) newJoinGroup(l *joinRel, need colSet) *joinGroup {
	g := &joinGroup{b: b, lookups: map[[2]inputs]float64{}, byIndex: map[[2]int]*phys{}}
	if !g.add(l) {
		return nil
	}
	all := g.on
	for _, lf := range g.leaves {
		all = append(all[:len(all):len(all)], lf.on...)
	}
	owner := map[int]int{}
	for i, lf := range g.leaves {
		*lf = leaf{rel: lf.rel, kind: lf.kind, on: lf.on, needs: lf.needs, cols: yields(lf.rel), need: colSet{}}
		for c := range need.with(all...) {
			if lf.cols[c] {
				lf.need[c] = true
			}
		}
		lf.p = b.lowerInput(lf.rel, lf.need, hint{})
		for c := range lf.cols {
			owner[c] = i
		}
	}
	leavesOf := func(e expr.Expr) (s inputs) {
		for c := range columnsOf(e) {
			s |= 1 << owner[c]
		}
		return s
	}
	for i, lf := range g.leaves {
		before := lf.needs
		lf.needs = 0
		for _, e := range lf.on {
			lf.needs |= leavesOf(e) &^ (1 << i)
		}
		if lf.needs == 0 {
			lf.needs = before // tied to nothing, it stays after what was on its left
		}
	}
next:
	for _, e := range g.on {
		s := leavesOf(e)
		if s.single() {
			g.loose = append(g.loose, e)
			continue
		}
		for k := range g.ties {
			if g.ties[k].leaves == s {
				g.ties[k].conds = append(g.ties[k].conds, e)
				continue next
			}
		}
		g.ties = append(g.ties, tie{leaves: s, conds: []expr.Expr{e}})
	}
	for k := range g.ties {
		t := &g.ties[k]
		t.share, t.equals = g.share(t), equalities(t.conds, leavesOf)
	}
	for _, lf := range g.leaves {
		lf.equals, lf.share = equalities(lf.on, leavesOf), g.b.selectivity(lf.on)
	}
	g.connect()
	if len(g.leaves) > fewSearched && g.pairs() > maxPairs {
		return nil
	}
	return g
}

// equalities returns the leaves that both sides of the equalities among conds read.
func equalities(conds []expr.Expr, leavesOf func(expr.Expr) inputs) (list [][2]inputs) {
	for _, e := range conds {
		if eq, ok := e.(*expr.Compare); ok && eq.Op == expr.EQ {
			if l, r := leavesOf(eq.L), leavesOf(eq.R); l != 0 && r != 0 {
				list = append(list, [2]inputs{l, r})
			}
		}
	}
	return list
}

// fewSearched is of how many inputs maxPairs is never reached.
const fewSearched = 9

// connect finds which sets of leaves conditions tie together.
func (g *joinGroup) connect() {
	n := len(g.leaves)
	g.near, g.whole = make([]inputs, 1<<n), make([]bool, 1<<n)
	together := func(s inputs) {
		for rest := s; rest != 0; rest &= rest - 1 {
			g.near[rest&-rest] |= s
		}
	}
	for i := range g.ties {
		together(g.ties[i].leaves)
	}
	for i, lf := range g.leaves {
		if lf.kind != Inner {
			together(lf.needs | 1<<i)
		}
	}
	for s := inputs(1); s < 1<<n; s++ {
		first := s & -s
		if s != first {
			g.near[s] = g.near[first] | g.near[s&^first]
		}
		reached := first
		for next := reached; next != 0; {
			next = g.near[reached] & s &^ reached
			reached |= next
		}
		g.whole[s] = reached == s
	}
}

// splits calls f with the ways to make s of two sets; of a set that conditions tie
// together only with such.
func (g *joinGroup) splits(s inputs, f func(left, right inputs)) {
	for left := (s - 1) & s; left != 0; left = (left - 1) & s {
		if right := s &^ left; !g.whole[s] || g.whole[left] && g.whole[right] {
			f(left, right)
		}
	}
}

// pairs counts the splits of all sets, to some more than maxPairs.
func (g *joinGroup) pairs() int {
	n := 0
	for s := inputs(1); s < 1<<len(g.leaves) && n <= maxPairs; s++ {
		g.splits(s, func(_, _ inputs) { n++ })
	}
	return n
}

// add collects the leaves of l; false: they are too many.
func (g *joinGroup) add(l logical) bool {
	j, ok := l.(*joinRel)
	if !ok || j.straight || j.kind != Inner && !deterministic(j.on) {
		g.leaves = append(g.leaves, &leaf{rel: l, kind: Inner})
		return len(g.leaves) <= maxSearched
	}
	first := len(g.leaves)
	if !g.add(j.left) {
		return false
	}
	if j.kind == Inner {
		g.on = append(g.on, j.on...)
		return g.add(j.right)
	}
	var left inputs
	for i := first; i < len(g.leaves); i++ {
		left |= 1 << i
	}
	g.leaves = append(g.leaves, &leaf{rel: j.right, kind: j.kind, on: j.on, needs: left})
	return len(g.leaves) <= maxSearched
}

func deterministic(list []expr.Expr) bool {
	for _, e := range list {
		if !expr.Deterministic(e) {
			return false
		}
	}
	return true
}

// share estimates the share of combinations of rows for which a tie's
// conditions hold. Several equalities of two tables' columns are not independent
// where an index knows how many different values they have together.
func (g *joinGroup) share(t *tie) float64 {
	s := g.b.selectivity(t.conds)
	// Of an OR, what it says of one table's columns was asked of that already.
	for _, e := range t.conds {
		for rest := t.leaves; rest != 0; rest &= rest - 1 {
			if one := implied(e, g.leaves[rest.only()].cols); one != nil {
				s = min(1, s/max(g.b.share(one), s))
			}
		}
	}
	if bits.OnesCount16(uint16(t.leaves)) != 2 || len(t.conds) < 2 {
		return s
	}
	values := 0.0
	for rest := t.leaves; rest != 0; rest &= rest - 1 {
		r, ok := g.leaves[rest.only()].rel.(*tableRel)
		if !ok {
			continue
		}
		cols := colSet{}
		for _, e := range t.conds {
			if eq, ok := e.(*expr.Compare); ok && eq.Op == expr.EQ {
				for _, side := range []expr.Expr{eq.L, eq.R} {
					if c, ok := side.(*expr.Column); ok && g.b.cols[c.Index].rel == r {
						cols[c.Index] = true
					}
				}
			}
		}
		n, unique := g.b.together(r, cols)
		if unique {
			return max(s, 1/n)
		}
		values = max(values, n)
	}
	if values > 0 {
		s = max(s, 1/values)
	}
	return s
}

// together returns how many different values a table's columns have together,
// 0 if that is unknown, and whether they are a unique key.
func (b *builder) together(r *tableRel, cols colSet) (float64, bool) {
	rows := b.tableRows(r.table)
	for _, ix := range r.indexes() {
		own, all, unique := ownKey(r.table, ix)
		if len(cols) == 0 || len(own) < len(cols) {
			continue
		}
		covered := true
		for _, k := range own[:len(cols)] {
			covered = covered && cols[r.first+k.Column]
		}
		if covered {
			return b.keyValues(r.table, ix, len(cols), rows), unique && all == len(cols) && r.which == Live
		}
	}
	return 0, false
}

// search finds the cheapest way to join each set of leaves.
func (g *joinGroup) search() {
	n := len(g.leaves)
	g.rows, g.best = make([]float64, 1<<n), make([]joinChoice, 1<<n)
	for s := inputs(1); s < 1<<n; s++ {
		if !g.joinable(s) {
			continue
		}
		g.rows[s] = g.rowsOf(s)
		if s.single() {
			p := g.leaves[s.only()].p
			g.best[s] = joinChoice{left: s, cost: p.cost, rows: p}
			continue
		}
		g.splits(s, func(left, right inputs) { g.consider(s, left, right) })
	}
}

// joinable reports whether a set has all that its leaves' conditions read.
func (g *joinGroup) joinable(s inputs) bool {
	for rest := s; rest != 0; rest &= rest - 1 {
		if lf := g.leaves[rest.only()]; lf.kind != Inner && lf.needs&^s != 0 {
			return false
		}
	}
	return true
}

func (g *joinGroup) rowsOf(s inputs) float64 {
	rows := 1.0
	for rest := s; rest != 0; rest &= rest - 1 {
		lf := g.leaves[rest.only()]
		switch lf.kind {
		case Inner:
			rows *= lf.p.rows
		case Left:
			rows *= max(1, lf.p.rows*lf.share)
		case Semi:
			rows *= min(1, lf.p.rows*lf.share)
		case Anti:
			rows *= otherShare
		}
	}
	for i := range g.ties {
		if t := &g.ties[i]; t.leaves&^s == 0 {
			rows *= t.share
		}
	}
	return rows
}

// consider looks at the join of two parts of s.
func (g *joinGroup) consider(s, left, right inputs) {
	l := &g.best[left]
	if l.left == 0 {
		return
	}
	c := joinChoice{left: left, right: right, untied: l.untied}
	var lf *leaf
	if right.single() {
		lf = g.leaves[right.only()]
	}
	kind, tied, hashable, from := Inner, false, false, inputs(0)
	var rightCost float64
	var r *phys
	if lf != nil && lf.kind != Inner {
		if lf.needs&^left != 0 {
			return
		}
		kind, tied, hashable = lf.kind, len(lf.on) > 0, apart(lf.equals, right)
		from = lf.needs
		rightCost, r = lf.p.cost, lf.p
	} else {
		other := &g.best[right]
		if other.left == 0 {
			return
		}
		c.untied += other.untied
		rightCost, r = other.cost, other.rows
		for i := range g.ties {
			if t := &g.ties[i]; t.joins(left, right) {
				tied, hashable = true, hashable || apart(t.equals, right)
				from |= t.leaves & left
			}
		}
	}
	if !tied {
		c.untied++
	}
	best := &g.best[s]
	yield := g.rows[s] * yieldCost // what the join yields has to be dealt with, too
	if best.left != 0 && kind != Semi && lf == nil && best.untied <= c.untied && best.cost <= l.cost+rightCost+yield {
		return
	}
	leftRows, rightRows, matched := g.rows[left], g.rows[right], g.rows[s]
	if kind != Inner {
		rightRows = lf.p.rows
		matched = leftRows * rightRows * lf.share
	}
	c.cost, c.rows = l.cost+rightCost, &anyOrder
	if merged := g.merge(l.rows, r, lf, left, right); merged != nil {
		c.cost += (leftRows + rightRows) * mergeCost
		c.rows = merged
	} else if hashable {
		probe, build := leftRows, rightRows
		if kind == Inner && probe < build {
			probe, build = build, probe
		}
		c.cost += hashCost(kind, probe, build, matched)
	} else {
		c.cost += leftRows*rightRows*pairCost + rightRows*buildCost
	}
	if lf != nil && tied {
		if perRow := g.lookup(left, from, right.only()); perRow >= 0 && l.cost+leftRows*perRow < c.cost {
			c.cost, c.rows = l.cost+leftRows*perRow, l.rows
		}
	}
	if kind == Semi && left.single() {
		if p := g.semiByIndex(left.only(), right.only()); p != nil && p.cost < c.cost {
			c.cost, c.alt, c.rows = p.cost, p, p
		}
	}
	c.cost += yield
	if best.left == 0 || c.untied < best.untied || c.untied == best.untied && c.cost < best.cost {
		*best = c
	}
}

// joins reports whether the tie's conditions read both of two sets, and no others.
func (t *tie) joins(left, right inputs) bool {
	return t.leaves&^(left|right) == 0 && t.leaves&left != 0 && t.leaves&right != 0
}

// apart reports whether one side of an equality reads right only, and the other only
// others.
func apart(equals [][2]inputs, right inputs) bool {
	for _, e := range equals {
		if e[0]&^right == 0 && e[1]&right == 0 || e[1]&^right == 0 && e[0]&right == 0 {
			return true
		}
	}
	return false
}

// conditions returns those of the join of two sets, the right of which is leaf lf, if it
// is one.
func (g *joinGroup) conditions(lf *leaf, left, right inputs) (on []expr.Expr) {
	if lf != nil && lf.kind != Inner {
		return lf.on
	}
	for i := range g.ties {
		if t := &g.ties[i]; t.joins(left, right) {
			on = append(on, t.conds...)
		}
	}
	return on
}

// merge returns the order that a merge join of rows l and r has; nil if they do
// not come in the order of their equalities.
func (g *joinGroup) merge(l, r *phys, lf *leaf, left, right inputs) *phys {
	if len(l.order) == 0 || len(r.order) == 0 {
		return nil
	}
	on := g.conditions(lf, left, right)
	keys, desc := mergeKeys(l, r, equiPairs(on, g.columns(left), g.columns(right)))
	if len(keys) == 0 {
		return nil
	}
	out := &phys{fixed: colSet{}}
	for i, k := range keys {
		out.order = append(out.order, orderCol{k.left.(*expr.Column).Index, desc[i]})
	}
	return out
}

// columns returns the columns of a set of leaves.
func (g *joinGroup) columns(s inputs) colSet {
	cols := colSet{}
	for ; s != 0; s &= s - 1 {
		for c := range g.leaves[s.only()].cols {
			cols[c] = true
		}
	}
	return cols
}

// lookup is the cost, for each left row, of looking a leaf up by an index.
// from are those of the left leaves that the join's conditions read.
func (g *joinGroup) lookup(left, from inputs, right int) float64 {
	lf := g.leaves[right]
	r, ok := lf.rel.(*tableRel)
	if !ok {
		return -1
	}
	key := [2]inputs{1 << right, from}
	cost, known := g.lookups[key]
	if !known {
		cost = -1
		cols := colSet{}
		for rest := left; rest != 0; rest &= rest - 1 {
			if other := g.leaves[rest.only()]; other.kind == Inner || other.kind == Left {
				for c := range other.cols {
					cols[c] = true
				}
			}
		}
		on := g.conditions(lf, left, 1<<right)
		for _, ix := range r.indexes() {
			if u := g.b.lookupBy(r, ix, lf.need, on, equiPairs(on, cols, lf.cols)); u != nil && (cost < 0 || u.perRow < cost) {
				cost = u.perRow
			}
		}
		g.lookups[key] = cost
	}
	return cost
}

func (g *joinGroup) semiByIndex(left, right int) *phys {
	key := [2]int{left, right}
	p, known := g.byIndex[key]
	if !known {
		l, r := g.leaves[left], g.leaves[right]
		p = g.b.semiByIndex(&joinRel{kind: r.kind, left: l.rel, right: r.rel, on: r.on}, l.need)
		g.byIndex[key] = p
	}
	return p
}

// build makes the operators of the best way to join a set.
func (g *joinGroup) build(s inputs) *phys {
	b := g.b
	if s.single() {
		return g.leaves[s.only()].p
	}
	c := &g.best[s]
	var own []expr.Expr
	for i := range g.ties {
		if t := &g.ties[i]; t.leaves&^s == 0 && t.leaves&^c.left != 0 && t.leaves&^c.right != 0 {
			own = append(own, t.conds...)
		}
	}
	var p *phys
	if c.right.single() && g.leaves[c.right.only()].kind != Inner {
		lf := g.leaves[c.right.only()]
		if p = c.alt; p == nil {
			p = b.join2(lf.kind, g.build(c.left), lf, lf.on, true)
		}
	} else {
		left := g.build(c.left)
		right := g.leaves[c.right.only()]
		if !c.right.single() {
			right = &leaf{p: g.build(c.right), cols: colSet{}}
			right.cols.add(right.p.cols)
		}
		p, own = b.join2(Inner, left, right, own, false), nil
	}
	p = b.filter(p, own)
	out := *p
	out.rows = g.rows[s]
	return b.note(&out)
}

// stream returns the leaf whose order the rows of a set keep.
func (g *joinGroup) stream(s inputs) int {
	for !s.single() {
		c := &g.best[s]
		inner := !c.right.single() || g.leaves[c.right.only()].kind == Inner
		if inner && g.rows[c.left] < g.rows[c.right] && (!c.right.single() || g.lookupChosen(c)) {
			s = c.right
		} else {
			s = c.left
		}
	}
	return s.only()
}

// lookupChosen reports whether c's right side is not looked up by an index.
func (g *joinGroup) lookupChosen(c *joinChoice) bool {
	cost := g.best[c.left].cost + g.best[c.right].cost + g.rows[c.right]*probeCost + g.rows[c.left]*buildCost
	return c.cost >= cost
}

// joinBest lowers the joins of a group.
func (b *builder) joinBest(g *joinGroup, h hint) *phys {
	all := inputs(1)<<len(g.leaves) - 1
	g.search()
	h.limit, h.rows = nil, 0
	// Rows that come in the order wanted need no sort.
	first := g.leaves[g.stream(all)]
	if wh := within(h, first.cols); len(wh.order) > 0 {
		first.p = b.lowerInput(first.rel, first.need, wh)
	}
	return b.filter(g.build(all), g.loose)
}
