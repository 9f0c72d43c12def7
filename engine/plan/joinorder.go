package plan

import (
	"github.com/kalamgo/kalam/engine/expr"
)

// leaf is an input of a group of inner joins.
type leaf struct {
	rel  logical
	cols colSet
	need colSet
	p    *phys
	// Of a joinGroup's:
	kind  JoinKind    // how it is joined, on the right unless Inner
	on    []expr.Expr // the condition unless Inner
	needs inputs      // the leaves that it reads
	// See tie.
	share  float64
	equals [][2]inputs
}

// joinCond is a condition of a group of inner joins.
type joinCond struct {
	e       expr.Expr
	leaves  []int // the leaves whose columns it reads
	missing int   // how many of those are not joined yet
}

// lowerJoin lowers joins in the order that is best; many at once in a good one.
func (b *builder) lowerJoin(l *joinRel, need colSet, h hint) *phys {
	if !l.straight {
		if g := b.newJoinGroup(l, need); g != nil && len(g.leaves) > 1 {
			return b.joinBest(g, h)
		}
	}
	if l.kind == Inner && !l.straight {
		return b.orderJoins(l, need, h)
	}
	h.limit, h.rows = nil, 0
	left := b.newLeaf(l.left, need, l.on)
	left.p = b.lowerInput(left.rel, left.need, within(h, left.cols))
	right := b.newLeaf(l.right, need, l.on)
	right.p = b.lowerInput(right.rel, right.need, hint{})
	best := b.join2(l.kind, left.p, right, l.on, true)
	if p := b.semiByIndex(l, left.need); p != nil && p.cost < best.cost {
		p.rows = best.rows
		return p
	}
	return best
}

// within returns h if its order is all of columns in cols.
func within(h hint, cols colSet) hint {
	for _, o := range h.order {
		if !cols[o.col] {
			return hint{}
		}
	}
	return h
}

// newLeaf returns an input of a join of which need is wanted and what on reads.
func (b *builder) newLeaf(rel logical, need colSet, on []expr.Expr) *leaf {
	lf := &leaf{rel: rel, cols: yields(rel), need: colSet{}}
	for c := range need.with(on...) {
		if lf.cols[c] {
			lf.need[c] = true
		}
	}
	return lf
}

// flatten collects the inputs and the conditions of nested inner joins.
func flatten(l logical, rels *[]logical, on *[]expr.Expr) {
	j, ok := l.(*joinRel)
	if !ok || j.kind != Inner || j.straight {
		*rels = append(*rels, l)
		return
	}
	flatten(j.left, rels, on)
	flatten(j.right, rels, on)
	*on = append(*on, j.on...)
}

// orderJoins joins greedily: it starts with the input of the fewest rows and
// goes on with the one whose join leaves the fewest, inputs that a condition
// ties to what is joined before others. It takes O(n²) steps for n inputs.
func (b *builder) orderJoins(l *joinRel, need colSet, h hint) *phys {
	var rels []logical
	var on []expr.Expr
	flatten(l, &rels, &on)
	h.limit, h.rows = nil, 0
	leaves := make([]*leaf, len(rels))
	owner := map[int]int{}
	for i, rel := range rels {
		leaves[i] = b.newLeaf(rel, need, on)
		leaves[i].p = b.lowerInput(rel, leaves[i].need, hint{})
		for c := range leaves[i].cols {
			owner[c] = i
		}
	}
	conds := make([]*joinCond, len(on))
	byLeaf := make([][]*joinCond, len(leaves))
	for k, e := range on {
		c := &joinCond{e: e}
		seen := map[int]bool{}
		for col := range columnsOf(e) {
			if i := owner[col]; !seen[i] {
				seen[i] = true
				c.leaves = append(c.leaves, i)
				byLeaf[i] = append(byLeaf[i], c)
			}
		}
		c.missing = len(c.leaves)
		conds[k] = c
	}
	first := 0
	for i, lf := range leaves {
		if lf.p.rows < leaves[first].p.rows {
			first = i
		}
	}
	done := make([]bool, len(leaves))
	take := func(i int) {
		done[i] = true
		for _, c := range byLeaf[i] {
			c.missing--
		}
	}
	if wh := within(h, leaves[first].cols); len(wh.order) > 0 {
		leaves[first].p = b.lowerInput(rels[first], leaves[first].need, wh)
	}
	cur := leaves[first].p
	take(first)
	for range len(leaves) - 1 {
		best, bestRows, bestTied := -1, 0.0, false
		for i, lf := range leaves {
			if done[i] {
				continue
			}
			rows, tied := cur.rows*lf.p.rows, false
			for _, c := range byLeaf[i] {
				if c.missing == 1 {
					rows *= b.share(c.e)
					tied = tied || len(c.leaves) > 1
				}
			}
			if best < 0 || tied && !bestTied || tied == bestTied && rows < bestRows {
				best, bestRows, bestTied = i, rows, tied
			}
		}
		var apply []expr.Expr
		for _, c := range byLeaf[best] {
			if c.missing == 1 {
				apply = append(apply, c.e)
			}
		}
		cur = b.join2(Inner, cur, leaves[best], apply, false)
		take(best)
	}
	// Conditions without columns, and those that no step was the last of.
	var loose []expr.Expr
	for _, c := range conds {
		if len(c.leaves) == 0 {
			loose = append(loose, c.e)
		}
	}
	return b.filter(cur, loose)
}
