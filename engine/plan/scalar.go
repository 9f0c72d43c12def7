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
	var above []*extendRel // over the group, the outermost first
	rel := clone(q.rel)
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
		above, rel = append(above, x), x.in
	}
	group, grouped := rel.(*groupRel)
	if grouped {
		if len(group.groupBy) > 0 || anyOuter(group.exprs()) {
			return nil
		}
		rel = group.in
	}
	inner, conds, ok := decorrelate(rel, sub.Args)
	if !ok {
		return nil
	}
	s := &scalarRel{sub: sub}
	keys := b.joinKeys(s, conds, yields(inner))
	if len(keys) == 0 {
		return nil
	}
	// The joined rows need a column that is not NULL in any: a key, which matched.
	right, cols := b.extend(inner, keys)
	if grouped {
		right = &groupRel{in: right, groupBy: refs(b, unique(cols)), groupCols: unique(cols), aggs: group.aggs, aggCols: group.aggCols}
	} else if !oneRowEach(inner, cols) {
		return nil
	}
	n := 0
	for i, c := range s.on {
		if eq, ok := c.(*expr.Compare); ok && eq.R == nil {
			s.on[i] = &expr.Compare{Op: expr.EQ, L: eq.L, R: b.ref(cols[n]), Collation: eq.Collation}
			n++
		}
	}
	for _, x := range slices.Backward(above) {
		right = &extendRel{in: right, values: x.values, cols: x.cols}
	}
	for c := range yields(right) {
		b.cols[c].null = true
	}
	b.joined++
	s.in, s.right, s.value = in, b.unnest(right), b.ref(q.out[0].col)
	b.joined--
	if grouped {
		if none := b.ofNoRows(q.out[0].col, above, group); none != nil {
			missing := &expr.Is{Test: expr.IsNull, Arg: b.ref(cols[0])}
			s.value = &expr.Case{Whens: []expr.When{{Cond: missing, Then: none}}, Else: s.value, T: sub.T}
		}
	}
	s.col = b.newColumn(sub.String(), sub.T, true)
	return s
}

// joinKeys splits conditions of a query on enclosing columns into s.on and the
// expressions over the query's own columns that are to equal something there;
// none where a condition is another one. Those equalities lack their right side.
func (b *builder) joinKeys(s *scalarRel, conds []expr.Expr, own colSet) []expr.Expr {
	var keys []expr.Expr
	for _, c := range conds {
		if !uses(c, own) {
			s.on = append(s.on, c)
			continue
		}
		eq, ok := c.(*expr.Compare)
		if !ok || eq.Op != expr.EQ {
			return nil
		}
		outer, inner := eq.L, eq.R
		if uses(outer, own) {
			outer, inner = inner, outer
		}
		if uses(outer, own) || !own.contains(columnsOf(inner)) || expr.HasSubquery(c) {
			return nil
		}
		t := expr.CompareType(outer.Type(), inner.Type())
		if t.Kind == types.Null || t.Kind == types.JSON || t.IsText() && t.Collation != eq.Collation {
			return nil
		}
		if !sameKeys(outer.Type(), inner.Type()) {
			// Keys that are equal under the comparison are to be one group.
			outer, inner = expr.CastTo(outer, t), expr.CastTo(inner, t)
		}
		s.on = append(s.on, &expr.Compare{Op: expr.EQ, L: outer, Collation: eq.Collation})
		keys = append(keys, inner)
	}
	return keys
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
	joined = b.compute(joined, need, l.col, l.value)
	if perRow.cost < joined.cost {
		return perRow
	}
	return joined
}

// scalarPerRow runs the subquery for each row: for each combination of values of
// what it takes from the row, as far as those are remembered.
func (b *builder) scalarPerRow(l *scalarRel, need colSet, h hint) *phys {
	in := b.lower(l.in, need.with(l.sub.Args...), h)
	calls := 1.0
	for _, a := range l.sub.Args {
		calls *= max(b.values(a), 1)
	}
	calls = min(calls, in.rows)
	q := l.sub.Plan.(*query)
	out := b.compute(in, need, l.col, l.sub)
	b.joined++
	b.queryPlan(q)
	b.joined--
	out.cost += in.rows*probeCost + calls*(q.cost+runCost)
	return out
}

// compute adds the column col, of value e, to those of need.
func (b *builder) compute(in *phys, need colSet, col int, e expr.Expr) *phys {
	out := *in
	n := &Project{Input: in.node}
	out.node, out.cols = n, nil
	for i, c := range in.cols {
		if need[c] {
			ref := b.ref(c)
			ref.Index = i
			n.Exprs = append(n.Exprs, ref)
			out.cols = append(out.cols, c)
		}
	}
	n.Exprs = append(n.Exprs, b.expr(e, in))
	out.cols = append(out.cols, col)
	out.cost += in.rows * 0.1
	return &out
}
