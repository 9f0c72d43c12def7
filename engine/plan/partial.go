package plan

import (
	"maps"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/types"
)

// partialGain is how much of the cost aggregating before a join must leave at
// most: the numbers of groups are estimates.
const partialGain = 0.9

// partialGroup returns the same groups as l, made in two steps where that costs
// less: the rows of one input of a join are grouped by what the join and the
// groups ask of them, and what the join makes of those is put together (eager
// aggregation: Yan and Larson, 1995). It returns nil where that cannot be had.
func (b *builder) partialGroup(l *groupRel, need colSet, whole *phys) *phys {
	if l.parted || len(l.groupBy) == 0 {
		return nil // of no rows there would be no sum, but a count
	}
	rels, on, outer := sides(l)
	if len(rels) < 2 || !deterministic(on) || slices.ContainsFunc(slices.Concat(on, l.groupBy, exprsOf(l.aggs)), expr.HasSubquery) {
		return nil
	}
	above := colSet{}.with(slices.Concat(on, l.groupBy)...)
	args := colSet{}.with(exprsOf(l.aggs)...)
	// The input of which grouping leaves out the most rows: each that is tried costs
	// the search for another order of the joins.
	best, saved := -1, 0.0
	var bestKeys []int
	for i, rel := range rels {
		cols := yields(rel)
		if !cols.contains(args) || outer && i == 0 {
			continue
		}
		keys := b.groupKeys(cols, above)
		if len(keys) == 0 {
			continue
		}
		read := colSet{}
		read.add(keys)
		rows := b.lower(rel, read, hint{}).rows
		if groups := b.groups(b.refs(keys), rows); groups <= rows/2 && rows-groups > saved {
			best, saved, bestKeys = i, rows-groups, keys
		}
	}
	if best < 0 {
		return nil
	}
	two := b.inTwo(l, rels[best], bestKeys, outer)
	if two == nil {
		return nil
	}
	if rels[best] = two.part; outer {
		two.whole.in = &joinRel{kind: Left, left: rels[0], right: two.part, on: on}
	} else {
		two.whole.in = joinAll(rels, on)
	}
	if p := b.lower(two.rel, need, hint{}); p.cost < whole.cost*partialGain {
		return p
	}
	return nil
}

// sides returns the inputs of the join below l and its conditions: of inner joins all, of an
// outer one its two, if its aggregates are of columns alone, which a row without a match
// adds nothing to.
func sides(l *groupRel) (rels []logical, on []expr.Expr, outer bool) {
	j, ok := l.in.(*joinRel)
	if !ok || j.kind != Left || j.straight {
		flatten(l.in, &rels, &on)
		return rels, on, false
	}
	for _, a := range l.aggs {
		if len(a.Args) == 0 || slices.ContainsFunc(a.Args, func(e expr.Expr) bool { _, ok := e.(*expr.Column); return !ok }) {
			return nil, nil, false
		}
	}
	return []logical{j.left, j.right}, j.on, true
}

// groupKeys returns those columns of cols that are read above; none if groups by
// them might lose something: values that are equal must be alike.
func (b *builder) groupKeys(cols, above colSet) []int {
	var keys []int
	for _, c := range slices.Sorted(maps.Keys(cols)) {
		if !above[c] {
			continue
		}
		if t := b.cols[c].t; t.LossyKey() || t.Kind == types.JSON || t.IsFloat() {
			return nil
		}
		keys = append(keys, c)
	}
	return keys
}

// twoGroups is a grouping in two steps.
type twoGroups struct {
	part, whole *groupRel
	rel         logical // of whole, with the columns that the one step has
}

// inTwo makes l's groups of rows of rel that are grouped by keys before; nil if an
// aggregate cannot be put together from parts. outer tells that a group may have no part.
func (b *builder) inTwo(l *groupRel, rel logical, keys []int, outer bool) *twoGroups {
	part := &groupRel{in: rel, groupBy: b.refs(keys), groupCols: keys, parted: true}
	whole := &groupRel{groupBy: l.groupBy, groupCols: l.groupCols, parted: true}
	final := &extendRel{in: whole, cols: l.aggCols}
	for _, a := range l.aggs {
		if a.Distinct {
			return nil
		}
		again := a.Func
		switch a.Func {
		case expr.Count:
			again = expr.Sum
		case expr.Sum:
			if a.T.IsFloat() || a.Args[0].Type().Scale > a.T.Scale {
				return nil // other digits in another order, or rounded in between
			}
		case expr.Min, expr.Max:
			if a.T.LossyKey() {
				return nil
			}
		default:
			return nil
		}
		p := b.newColumn(a.String(), a.T, a.Func != expr.Count)
		part.aggs, part.aggCols = append(part.aggs, a), append(part.aggCols, p)
		sum, err := expr.NewAggregate(again, []expr.Expr{b.ref(p)}, false)
		if err != nil {
			return nil
		}
		w := b.newColumn(sum.String(), sum.T, true)
		whole.aggs, whole.aggCols = append(whole.aggs, sum), append(whole.aggCols, w)
		value := expr.CastTo(b.ref(w), a.T)
		if outer && a.Func == expr.Count {
			value = &expr.Coalesce{Args: []expr.Expr{value, intLiteral(0)}, T: a.T}
		}
		final.values = append(final.values, value)
	}
	return &twoGroups{part: part, whole: whole, rel: final}
}

// joinAll joins rels by the conditions on; the order is the planner's to choose.
func joinAll(rels []logical, on []expr.Expr) logical {
	l := rels[0]
	for i, r := range rels[1:] {
		j := &joinRel{kind: Inner, left: l, right: r}
		if i == len(rels)-2 {
			j.on = on
		}
		l = j
	}
	return l
}
