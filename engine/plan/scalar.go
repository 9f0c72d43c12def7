package plan

import (
	"math"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/types"
)

// scalarRel adds the value of a correlated scalar subquery to its input's rows,
// in one of two ways that lowering compares: by running the query for each row,
// or as a left join with the query's rows for all values of what it takes from
// the row, which a row matches once at most.
type scalarRel struct {
	in  logical
	sub *expr.Subquery
	col int // of the value

	right logical
	on    []expr.Expr
	value expr.Expr // over the joined row
}

func (r *scalarRel) columns(s colSet)   { r.in.columns(s); s[r.col] = true }
func (r *scalarRel) inputs() []*logical { return []*logical{&r.in, &r.right} }
func (r *scalarRel) exprs() []expr.Expr {
	return append(r.sub.Args[:len(r.sub.Args):len(r.sub.Args)], r.on...)
}

// runCost is that of starting a subquery's operators.
const runCost = 10

// maxJoined bounds how deep in one another subqueries are planned in both ways.
const maxJoined = 4

// scalars replaces the correlated scalar subqueries in list that can be joins by
// columns, which a relation above in adds.
func (b *builder) scalars(in logical, list []expr.Expr) (logical, []expr.Expr) {
	out := slices.Clone(list)
	for i, e := range list {
		out[i] = expr.Rewrite(e, func(e expr.Expr) (expr.Expr, bool) {
			sub, ok := e.(*expr.Subquery)
			if !ok {
				return nil, false
			}
			q, _ := sub.Plan.(*query)
			if q != nil && q.scalar > 0 && len(q.out) == 1 && yields(in)[q.scalar] {
				return b.ref(q.scalar), true
			}
			s := b.scalarJoin(in, sub)
			if s == nil {
				return sub, true
			}
			in, q.scalar = s, s.col
			return b.ref(s.col), true
		})
	}
	return in, out
}

// scalarJoin returns the relation that adds a subquery's value to in; nil where
// that is no join.
func (b *builder) scalarJoin(in logical, sub *expr.Subquery) *scalarRel {
	q, ok := sub.Plan.(*query)
	if !ok || q.plan != nil || sub.Kind != expr.Scalar || len(sub.Args) == 0 || len(q.out) != 1 || b.joined >= maxJoined {
		return nil
	}
	constant := true
	for _, a := range sub.Args {
		if expr.HasSubquery(a) || !expr.Deterministic(a) {
			return nil
		}
		constant = constant && expr.IsConst(a)
	}
	if constant {
		return nil // one value for all rows
	}
	k := b.byKeys(q.rel, sub.Args)
	if k == nil || k.group != nil && len(k.group.groupBy) > 0 || k.group == nil && !oneRowEach(k.inner, k.keys) {
		return nil
	}
	s := &scalarRel{sub: sub, on: k.on}
	right := b.perKey(k)
	for c := range yields(right) {
		b.cols[c].null = true
	}
	b.joined++
	s.in, s.right, s.value = in, b.unnest(right), b.ref(q.out[0].col)
	b.joined--
	if k.group != nil {
		s.value = b.orOfNoRows(q.out[0].col, k)
	}
	s.col = b.newColumnOf(sub)
	b.cols[s.col].null = true
	return s
}

// keyed is a query of an enclosing row's values, taken apart: the rows of inner for
// which on holds, grouped, and what is computed of that.
type keyed struct {
	inner logical
	keys  []int        // columns of inner that on wants equal to something
	on    []expr.Expr  // over the enclosing row and keys
	group *groupRel    // nil: none
	above []*extendRel // over the group, the outermost first
}

// byKeys takes a query apart that reads the enclosing row, args, in equalities only;
// nil if it is none. Its order is lost.
func (b *builder) byKeys(rel logical, args []expr.Expr) *keyed {
	k := &keyed{}
	rel = clone(rel)
	for {
		if s, ok := rel.(*sortRel); ok {
			rel = s.in
			continue
		}
		x, ok := rel.(*extendRel)
		if !ok {
			break
		}
		if anyOuter(x.values) {
			return nil
		}
		k.above, rel = append(k.above, x), x.in
	}
	if group, ok := rel.(*groupRel); ok {
		if anyOuter(group.exprs()) {
			return nil
		}
		k.group, rel = group, group.in
	}
	inner, conds, ok := decorrelate(rel, args)
	if !ok {
		return nil
	}
	keys, on := joinKeys(conds, yields(inner))
	if len(keys) == 0 {
		return nil
	}
	// The joined rows need a column that is not NULL in any: a key, which matched.
	k.inner, k.keys = b.extend(inner, keys)
	k.on = b.completed(on, k.keys)
	return k
}

// perKey returns a query's rows for all values of its keys.
func (b *builder) perKey(k *keyed) logical {
	rel := k.inner
	if g := k.group; g != nil {
		keys := unique(k.keys)
		rel = &groupRel{in: rel, groupBy: append(refs(b, keys), g.groupBy...), groupCols: append(keys, g.groupCols...), aggs: g.aggs, aggCols: g.aggCols}
	}
	for _, x := range slices.Backward(k.above) {
		rel = &extendRel{in: rel, values: x.values, cols: x.cols}
	}
	return rel
}

// orOfNoRows returns the column col of a query's joined rows: where there are none,
// what the query gives of no rows.
func (b *builder) orOfNoRows(col int, k *keyed) expr.Expr {
	ref := b.ref(col)
	none := b.ofNoRows(col, k.above, k.group)
	if none == nil {
		return ref
	}
	missing := &expr.Is{Test: expr.IsNull, Arg: b.ref(k.keys[0])}
	return &expr.Case{Whens: []expr.When{{Cond: missing, Then: none}}, Else: ref, T: ref.T}
}

// joinKeys splits conditions of a query on enclosing columns into those of a join, on,
// and the expressions over the query's own columns that are to equal something
// there; no keys where a condition is another one. Those equalities lack their right
// side, for completed to add.
func joinKeys(conds []expr.Expr, own colSet) (keys, on []expr.Expr) {
	for _, c := range conds {
		if !uses(c, own) {
			on = append(on, c)
			continue
		}
		eq, ok := c.(*expr.Compare)
		if !ok || eq.Op != expr.EQ {
			return nil, nil
		}
		outer, inner := eq.L, eq.R
		if uses(outer, own) {
			outer, inner = inner, outer
		}
		if uses(outer, own) || !own.contains(columnsOf(inner)) || expr.HasSubquery(c) {
			return nil, nil
		}
		t := expr.CompareType(outer.Type(), inner.Type())
		if t.Kind == types.Null || t.Kind == types.JSON || t.IsString() && t.Collation != eq.Collation {
			return nil, nil
		}
		if !sameKeys(outer.Type(), inner.Type()) {
			// Keys that are equal under the comparison are to be one group.
			outer, inner = expr.Comparand(outer, t), expr.Comparand(inner, t)
		}
		on = append(on, &expr.Compare{Op: expr.EQ, L: outer, Collation: eq.Collation})
		keys = append(keys, inner)
	}
	return keys, on
}

// completed returns joinKeys' conditions with the columns of the keys.
func (b *builder) completed(on []expr.Expr, keys []int) []expr.Expr {
	n := 0
	for i, c := range on {
		if eq, ok := c.(*expr.Compare); ok && eq.R == nil {
			on[i] = &expr.Compare{Op: expr.EQ, L: eq.L, R: b.ref(keys[n]), Collation: eq.Collation}
			n++
		}
	}
	return on
}

func unique(cols []int) []int {
	var list []int
	for _, c := range cols {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

func refs(b *builder, cols []int) []expr.Expr {
	list := make([]expr.Expr, len(cols))
	for i, c := range cols {
		list[i] = b.ref(c)
	}
	return list
}

// oneRowEach reports whether l, a table's rows, has one row at most for values of
// cols.
func oneRowEach(l logical, cols []int) bool {
	det := determined(l, cols)
	for {
		switch r := l.(type) {
		case *filterRel:
			l = r.in
		case *tableRel:
			return r.determinedBy(det)
		default:
			return false
		}
	}
}

// ofNoRows returns the value of column col, computed from a group, of no rows;
// nil if that is NULL.
func (b *builder) ofNoRows(col int, above []*extendRel, group *groupRel) expr.Expr {
	values := map[int]expr.Expr{}
	for i, a := range group.aggs {
		v := &expr.Literal{T: a.T}
		switch a.Func {
		case expr.Count, expr.BitOr, expr.BitXor:
			v.Value = types.NewInt(0)
			if a.T.Physical() == types.PhysUint64 {
				v.Value = types.NewUint(0)
			}
		case expr.BitAnd:
			v.Value = types.NewUint(math.MaxUint64)
		}
		values[group.aggCols[i]] = v
	}
	for _, x := range slices.Backward(above) {
		for i, c := range x.cols {
			values[c] = substitute(x.values[i], values)
		}
	}
	if l, ok := values[col].(*expr.Literal); ok && l.Value.IsNull() {
		return nil
	}
	return values[col]
}

// clone copies a tree of operators; the expressions are shared.
func clone(l logical) logical {
	var c logical
	switch l := l.(type) {
	case *tableRel:
		n := *l
		n.conds = slices.Clone(l.conds)
		return &n
	case *valuesRel:
		n := *l
		return &n
	case *workRel:
		n := *l
		return &n
	case *filterRel:
		c = &filterRel{l.in, slices.Clone(l.conds)}
	case *joinRel:
		n := *l
		n.on = slices.Clone(l.on)
		c = &n
	case *extendRel:
		n := *l
		c = &n
	case *groupRel:
		n := *l
		c = &n
	case *rollupRel:
		n := *l
		c = &n
	case *windowRel:
		n := *l
		c = &n
	case *distinctRel:
		n := *l
		c = &n
	case *sortRel:
		n := *l
		c = &n
	case *limitRel:
		n := *l
		c = &n
	case *lockRel:
		n := *l
		c = &n
	case *repeatRel:
		n := *l
		c = &n
	case *jsonTableRel:
		n := *l
		c = &n
	case *unionRel:
		n := *l
		n.parts = slices.Clone(l.parts)
		c = &n
	case *recursiveRel:
		n := *l
		n.steps = slices.Clone(l.steps)
		c = &n
	case *scalarRel:
		n := *l
		c = &n
	case *lateralRel:
		n := *l
		n.on = slices.Clone(l.on)
		c = &n
	}
	for _, in := range c.inputs() {
		*in = clone(*in)
	}
	return c
}

func (b *builder) pushScalar(l *scalarRel, conds []expr.Expr) logical {
	down, stay := split(conds, func(e expr.Expr) bool { return expr.Deterministic(e) && !uses(e, colSet{l.col: true}) })
	l.in, l.right = b.push(l.in, down), b.push(l.right, nil)
	return filtered(l, stay)
}

func (b *builder) lowerScalar(l *scalarRel, need colSet, h hint) *phys {
	need = need.with()
	wanted := need[l.col]
	delete(need, l.col)
	if !wanted {
		return b.lower(l.in, need, h)
	}
	if slices.ContainsFunc(h.order, func(o orderCol) bool { return o.col == l.col }) {
		h = hint{}
	}
	perRow := b.scalarPerRow(l, need, h)
	h.limit, h.rows = nil, 0
	left := b.newLeaf(l.in, need.with(l.value), l.on)
	left.p = b.lower(left.rel, left.need, h)
	right := b.newLeaf(l.right, need.with(l.value), l.on)
	right.p = b.lower(right.rel, right.need, hint{})
	joined := b.join2(Left, left.p, right, l.on, true)
	joined.rows = left.p.rows
	joined = b.compute(joined, need, []int{l.col}, []expr.Expr{l.value})
	if perRow.cost < joined.cost {
		return perRow
	}
	return joined
}

// valuesIn returns how many values there are in a column of n, at most: as many as an
// operator that the column comes from has rows.
func (b *builder) valuesIn(n Node, column int) float64 {
	rows := math.Inf(1)
	if c, ok := b.costs[n]; ok {
		rows = c.Rows
	}
	side := func(left, right Node) float64 {
		k := len(left.Types())
		if column < k {
			return min(rows, b.valuesIn(left, column))
		}
		if right == nil {
			return rows
		}
		return min(rows, b.valuesIn(right, column-k))
	}
	switch n := n.(type) {
	case *Filter:
		return min(rows, b.valuesIn(n.Input, column))
	case *Sort:
		return min(rows, b.valuesIn(n.Input, column))
	case *Project:
		if c, ok := n.Exprs[column].(*expr.Column); ok {
			return min(rows, b.valuesIn(n.Input, c.Index))
		}
	case *HashJoin:
		return side(n.Left, n.Right)
	case *MergeJoin:
		return side(n.Left, n.Right)
	case *LoopJoin:
		return side(n.Left, n.Right)
	case *IndexJoin:
		return side(n.Left, nil)
	}
	return rows
}

// scalarPerRow runs the subquery for each row: for each combination of values of
// what it takes from the row, as far as those are remembered.
func (b *builder) scalarPerRow(l *scalarRel, need colSet, h hint) *phys {
	in := b.lower(l.in, need.with(l.sub.Args...), h)
	calls := 1.0
	for _, a := range l.sub.Args {
		values := b.values(a)
		if c, ok := a.(*expr.Column); ok {
			values = min(values, b.valuesIn(in.node, in.position(c.Index)))
		}
		calls *= max(values, 1)
	}
	calls = min(calls, in.rows)
	q := l.sub.Plan.(*query)
	out := b.compute(in, need, []int{l.col}, []expr.Expr{l.sub})
	b.joined++
	b.queryPlan(q)
	b.joined--
	out.cost += in.rows*probeCost + calls*(q.cost+runCost)
	return out
}
