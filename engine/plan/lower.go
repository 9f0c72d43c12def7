package plan

import (
	"maps"
	"math"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// phys is a physical operator with what the planner knows of its output.
type phys struct {
	node  Node
	cols  []int // numbers of the columns, by position
	rows  float64
	cost  float64    // in units of one row read from the primary key
	order []orderCol // the rows' order, or nothing
	fixed colSet     // columns with one value in all rows
}

// hint says what would be of use to whoever reads the rows.
type hint struct {
	order []orderCol
	group bool      // any order that has equal rows of order's columns together
	rows  float64   // rows wanted; 0: all
	limit expr.Expr // the same exactly, for a reader that wants no others; or nil
}

func (p *phys) position(col int) int { return slices.Index(p.cols, col) }

// satisfies reports whether the rows come in the order of keys.
func (p *phys) satisfies(keys []orderCol) bool { return inOrder(p.order, p.fixed, keys) }

// inOrder reports whether rows in the given order, fixed columns having one
// value only, are in the order of keys.
func inOrder(order []orderCol, fixed colSet, keys []orderCol) bool {
	seen := colSet{}
	for _, k := range keys {
		if fixed[k.col] || seen[k.col] {
			continue
		}
		for len(order) > 0 && fixed[order[0].col] {
			order = order[1:]
		}
		if len(order) == 0 || order[0] != k {
			return false
		}
		seen[k.col] = true
		order = order[1:]
	}
	return true
}

// together reports whether rows equal in cols come one after another.
func (p *phys) together(cols []int) bool {
	want := colSet{}
	for _, c := range cols {
		if !p.fixed[c] {
			want[c] = true
		}
	}
	for _, o := range p.order {
		if len(want) == 0 {
			break
		}
		if p.fixed[o.col] {
			continue
		}
		if !want[o.col] {
			return false
		}
		delete(want, o.col)
	}
	return len(want) == 0
}

// expr turns an expression over column numbers into one over p's rows, its
// subqueries planned.
func (b *builder) expr(e expr.Expr, p *phys) expr.Expr {
	return expr.Rewrite(e, func(e expr.Expr) (expr.Expr, bool) {
		switch e := e.(type) {
		case *expr.Column:
			at := p.position(e.Index)
			if at < 0 {
				b.fail("column %s is not in the input", e.Name)
				return e, true
			}
			n := *e
			n.Index = at
			return &n, true
		case *expr.Subquery:
			q, ok := e.Plan.(*query)
			if !ok {
				return nil, false
			}
			n := *e
			n.Plan = b.queryPlan(q)
			n.Args = b.exprs(e.Args, p)
			n.Left = b.exprs(e.Left, p)
			return &n, true
		}
		return nil, false
	})
}

func (b *builder) exprs(list []expr.Expr, p *phys) []expr.Expr {
	if list == nil {
		return nil
	}
	out := make([]expr.Expr, len(list))
	for i, e := range list {
		out[i] = b.expr(e, p)
	}
	return out
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = sqlerr.Internal.New("planner: "+format, args...)
	}
}

// root lowers a bound query: its result has the columns ids, in this order.
func (b *builder) root(rel logical, ids []int) *phys {
	need := colSet{}
	need.add(ids)
	rel = b.unnest(rel)
	b.infer(rel)
	p := b.lower(b.push(rel, nil), need, hint{})
	b.readAhead(p.node, false)
	if len(ids) == 0 {
		return p // EXISTS wants rows alone
	}
	return b.project(p, ids)
}

// project returns p's rows with the columns ids only, in this order.
func (b *builder) project(p *phys, ids []int) *phys {
	if slices.Equal(p.cols, ids) {
		return p
	}
	exprs := make([]expr.Expr, len(ids))
	n := &Project{Input: p.node}
	inner, composed := p.node.(*Project)
	if composed {
		n.Input = inner.Input
	}
	for i, id := range ids {
		at := p.position(id)
		switch {
		case at < 0:
			b.fail("column %s is not in the input", b.cols[id].text())
			exprs[i] = intLiteral(0)
		case composed:
			exprs[i] = inner.Exprs[at]
		default:
			exprs[i] = b.expr(b.ref(id), p)
		}
	}
	n.Exprs = exprs
	out := *p
	out.node, out.cols = n, ids
	return b.note(&out)
}

// lowerInput is lower for an input of a join: texts that only the input's own conditions
// read are left out, which the join would copy.
func (b *builder) lowerInput(l logical, need colSet, h hint) *phys {
	p := b.lower(l, need, h)
	var keep []int
	texts := false
	for _, c := range p.cols {
		if need[c] {
			keep = append(keep, c)
		} else if b.cols[c].t.Physical() == types.PhysBytes {
			texts = true
		}
	}
	if !texts {
		return p
	}
	return b.project(p, keep)
}

// lower turns a logical operator into a physical one that yields at least the
// columns of need.
func (b *builder) lower(l logical, need colSet, h hint) *phys {
	return b.note(b.lowerNode(l, need, h))
}

// note keeps what is expected of p's operator.
func (b *builder) note(p *phys) *phys {
	if b.costs == nil {
		b.costs = map[Node]Cost{}
	}
	b.costs[p.node] = Cost{Rows: p.rows, Cost: p.cost}
	return p
}

func (b *builder) lowerNode(l logical, need colSet, h hint) *phys {
	switch l := l.(type) {
	case *tableRel:
		return b.scan(l, need, h)
	case *valuesRel:
		return b.lowerValues(l, need)
	case *filterRel:
		return b.lowerFilter(l, need, h)
	case *joinRel:
		return b.lowerJoin(l, need, h)
	case *extendRel:
		return b.lowerExtend(l, need, h)
	case *groupRel:
		whole := b.lowerGroup(l, need)
		if p := b.partialGroup(l, need, whole); p != nil {
			return p
		}
		return whole
	case *windowRel:
		return b.lowerWindow(l, need)
	case *rollupRel:
		return b.lowerRollup(l, need)
	case *distinctRel:
		return b.lowerDistinct(l, h)
	case *sortRel:
		return b.lowerSort(l, need, h)
	case *limitRel:
		return b.lowerLimit(l, need)
	case *unionRel:
		return b.lowerUnion(l, need)
	case *repeatRel:
		return b.lowerRepeat(l, need, h)
	case *scalarRel:
		return b.lowerScalar(l, need, h)
	case *lateralRel:
		return b.lowerLateral(l, need, h)
	case *jsonTableRel:
		return b.lowerJSONTable(l, need, h)
	case *recursiveRel:
		return b.lowerRecursive(l)
	case *workRel:
		return b.lowerWork(l)
	case *lockRel:
		return b.lowerLock(l, need, h)
	}
	b.fail("no operator for %T", l)
	return b.empty(need)
}

// empty yields no rows of the columns of need.
func (b *builder) empty(need colSet) *phys {
	p := &phys{cols: sorted(need), fixed: need}
	v := &Values{}
	for _, c := range p.cols {
		v.T = append(v.T, b.cols[c].t)
	}
	p.node = v
	return p
}

func sorted(s colSet) []int {
	list := make([]int, 0, len(s))
	for c := range s {
		list = append(list, c)
	}
	slices.Sort(list)
	return list
}

func (b *builder) lowerValues(l *valuesRel, need colSet) *phys {
	p := &phys{rows: float64(len(l.rows)), cost: float64(len(l.rows))}
	v := &Values{Rows: make([][]expr.Expr, len(l.rows))}
	none := &phys{}
	for k, c := range l.cols {
		if !need[c] {
			continue
		}
		p.cols = append(p.cols, c)
		v.T = append(v.T, b.cols[c].t)
		for i, row := range l.rows {
			v.Rows[i] = append(v.Rows[i], b.expr(row[k], none))
		}
	}
	p.node = v.finish()
	return p
}

func (b *builder) lowerFilter(l *filterRel, need colSet, h hint) *phys {
	for _, c := range l.conds {
		if neverTrue(c) {
			return b.empty(need)
		}
	}
	h.limit, h.rows = nil, 0
	in := b.lower(l.in, need.with(l.conds...), h)
	return b.filter(in, l.conds)
}

// filter keeps in's rows for which conds hold; those that are always true go.
func (b *builder) filter(in *phys, conds []expr.Expr) *phys {
	conds, _ = split(conds, func(e expr.Expr) bool { return !alwaysTrue(e) })
	if len(conds) == 0 {
		return in
	}
	out := *in
	out.node = &Filter{Input: in.node, Cond: b.expr(expr.Conjunction(cheapFirst(conds)...), in)}
	out.rows *= b.selectivity(conds)
	out.cost += in.rows * 0.2
	return b.note(&out)
}

// cheapFirst puts conditions with subqueries last.
func cheapFirst(conds []expr.Expr) []expr.Expr {
	cheap, dear := split(conds, func(e expr.Expr) bool { return !expr.HasSubquery(e) })
	return append(cheap, dear...)
}

func neverTrue(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	return ok && (l.Value.IsNull() || isZero(l))
}

func alwaysTrue(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	return ok && l.T.IsInteger() && !l.Value.IsNull() && !isZero(l)
}

func isZero(l *expr.Literal) bool { return l.T.IsInteger() && l.Value.Uint() == 0 }

func (b *builder) lowerExtend(l *extendRel, need colSet, h hint) *phys {
	computed := map[int]expr.Expr{}
	down := need
	for i, c := range l.cols {
		if need[c] {
			computed[c] = l.values[i]
			down = down.with(l.values[i])
		}
	}
	down = down.with()
	for _, c := range l.cols {
		delete(down, c)
	}
	stands := map[int]int{} // the computed columns that generated ones have the values of
	for i, k := range h.order {
		e := computed[k.col]
		if e == nil {
			continue
		}
		col, ok := b.columnFor(e)
		if !ok {
			h = hint{}
			break
		}
		h.order = slices.Clone(h.order)
		h.order[i].col, stands[col] = col, k.col
	}
	in := b.lower(l.in, down, h)
	if len(computed) == 0 {
		return in
	}
	var cols []int
	var values []expr.Expr
	for _, c := range l.cols {
		if e := computed[c]; e != nil {
			cols, values = append(cols, c), append(values, e)
		}
	}
	out := b.compute(in, need, cols, values)
	if len(stands) > 0 {
		out.order, out.fixed = slices.Clone(in.order), maps.Clone(in.fixed)
		for i, o := range out.order {
			if c, ok := stands[o.col]; ok {
				out.order[i].col = c
				if in.fixed[o.col] {
					out.fixed[c] = true
				}
			}
		}
	}
	return out
}

// compute adds the columns cols, of values exprs, to those of need.
func (b *builder) compute(in *phys, need colSet, cols []int, exprs []expr.Expr) *phys {
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
	for i, e := range exprs {
		n.Exprs = append(n.Exprs, b.expr(e, in))
		out.cols = append(out.cols, cols[i])
	}
	out.cost += in.rows * 0.1
	return &out
}

// prefixWithin returns the leading part of order whose columns are in cols or fixed.
func prefixWithin(order []orderCol, cols []int, fixed colSet) []orderCol {
	for i, o := range order {
		if !slices.Contains(cols, o.col) && !fixed[o.col] {
			return order[:i]
		}
	}
	return order
}

func plainColumns(list []expr.Expr) bool {
	return !slices.ContainsFunc(list, func(e expr.Expr) bool { _, ok := e.(*expr.Column); return !ok })
}

func ascending(cols []int) []orderCol {
	keys := make([]orderCol, len(cols))
	for i, c := range cols {
		keys[i].col = c
	}
	return keys
}

func (b *builder) lowerSort(l *sortRel, need colSet, h hint) *phys {
	if len(h.order) > 0 {
		return b.lower(l.in, need, h) // whoever reads the rows wants another order
	}
	down := need.with()
	for _, k := range l.keys {
		down[k.col] = true
	}
	in := b.lower(l.in, down, hint{order: l.keys, rows: h.rows, limit: h.limit})
	if in.satisfies(l.keys) {
		return in
	}
	n := &Sort{Input: in.node, Limit: h.limit}
	for _, k := range l.keys {
		if !in.fixed[k.col] {
			n.Keys = append(n.Keys, SortKey{Expr: b.expr(b.ref(k.col), in), Desc: k.desc})
		}
	}
	out := *in
	out.node, out.order = n, l.keys
	out.cost += sortCost(in.rows)
	return &out
}

func sortCost(rows float64) float64 { return rows * math.Log2(rows+2) * 0.1 }

// unknownLimit is what a LIMIT of a parameter is taken for.
const unknownLimit = 100

func (b *builder) lowerLimit(l *limitRel, need colSet) *phys {
	var h hint
	if l.count != nil && !l.counts {
		h.limit = total(l.count, l.offset)
		h.rows = unknownLimit
		if lit, ok := h.limit.(*expr.Literal); ok {
			h.rows = float64(lit.Value.Uint())
		}
		if h.limit == nil || h.rows == 0 {
			h.rows = 0
		}
	}
	in := b.lower(l.in, need, h)
	out := *in
	out.node = &Limit{Input: in.node, Count: l.count, Offset: l.offset, Counts: l.counts}
	if h.rows > 0 {
		out.rows = min(in.rows, h.rows)
	}
	return &out
}

// total returns count + offset; nil where that might overflow.
func total(count, offset expr.Expr) expr.Expr {
	if offset == nil {
		return count
	}
	c, cok := count.(*expr.Literal)
	o, ook := offset.(*expr.Literal)
	const safe = 1 << 62
	if cok && c.Value.Uint() > safe || ook && o.Value.Uint() > safe {
		return nil
	}
	if cok && ook {
		return &expr.Literal{Value: types.NewUint(c.Value.Uint() + o.Value.Uint()), T: types.Uint64Type}
	}
	return &expr.Arith{Op: expr.Add, L: count, R: offset, T: types.Uint64Type}
}

func (b *builder) lowerUnion(l *unionRel, need colSet) *phys {
	out := &phys{}
	n := &Union{}
	for k, c := range l.cols {
		if need[c] {
			out.cols = append(out.cols, l.cols[k])
		}
	}
	for _, part := range l.parts {
		var ids []int
		for k, c := range l.cols {
			if need[c] {
				ids = append(ids, part.cols[k])
			}
		}
		partNeed := colSet{}
		partNeed.add(ids)
		p := b.project(b.lower(part.rel, partNeed, hint{}), ids)
		n.All = append(n.All, p.node)
		out.rows += p.rows
		out.cost += p.cost
	}
	out.node = n
	return out
}

func (b *builder) lowerRepeat(l *repeatRel, need colSet, h hint) *phys {
	h.rows, h.limit = 0, nil
	in := b.lower(l.in, need.with(l.times), h)
	out := *in
	out.node = &Repeat{Input: in.node, Times: b.expr(l.times, in)}
	return &out
}
