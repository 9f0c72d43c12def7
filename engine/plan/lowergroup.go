package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
)

func (b *builder) lowerGroup(l *groupRel, need colSet) *phys {
	down := colSet{}.with(l.groupBy...)
	var aggs []*expr.Aggregate
	var aggCols []int
	for i, a := range l.aggs {
		if need[l.aggCols[i]] {
			aggs, aggCols = append(aggs, a), append(aggCols, l.aggCols[i])
			down = down.with(a)
		}
	}
	var h hint
	if plainColumns(l.groupBy) && len(l.groupBy) > 0 {
		h = hint{order: ascending(l.groupCols), group: true}
	}
	if col, ok := extreme(l); ok && len(aggs) == 1 {
		h = hint{order: []orderCol{{col, aggs[0].Func == expr.Max}}, rows: 1, limit: intLiteral(1)}
	}
	in := b.lower(l.in, down, h)
	n := &Aggregate{Input: in.node, GroupBy: b.exprs(l.groupBy, in)}
	n.Ordered = len(l.groupBy) > 0 && plainColumns(l.groupBy) && in.together(l.groupCols)
	for _, a := range aggs {
		n.Aggs = append(n.Aggs, b.expr(a, in).(*expr.Aggregate))
	}
	n.compose()
	n.Parallel = b.parallel(n)
	out := &phys{node: n, cols: slices.Concat(l.groupCols, aggCols), rows: 1, cost: in.cost + in.rows*0.5}
	if len(l.groupBy) > 0 {
		out.rows = b.groups(l.groupBy, in.rows)
	}
	if n.Ordered {
		out.cost -= in.rows * 0.3
		out.order, out.fixed = prefixWithin(in.order, l.groupCols, in.fixed), in.fixed
	}
	return out
}

// parallel reports whether an aggregate's rows are to be grouped in parts.
func (b *builder) parallel(n *Aggregate) bool {
	for _, a := range n.Aggs {
		switch a.Func {
		case expr.Count, expr.Sum, expr.Avg, expr.Min, expr.Max, expr.BitAnd, expr.BitOr, expr.BitXor,
			expr.StdPop, expr.StdSamp, expr.VarPop, expr.VarSamp:
		default:
			return false
		}
		if a.Distinct || !all(a.Args, safe) {
			return false
		}
	}
	if n.Ordered || !all(n.GroupBy, safe) {
		return false
	}
	for in := n.Input; ; {
		switch x := in.(type) {
		case *Filter:
			if in = x.Input; !safe(x.Cond) {
				return false
			}
		case *Project:
			if in = x.Input; !all(x.Exprs, safe) {
				return false
			}
		case *Scan:
			return b.divisible(x)
		default:
			return false
		}
	}
}

func all(list []expr.Expr, ok func(expr.Expr) bool) bool {
	return !slices.ContainsFunc(list, func(e expr.Expr) bool { return !ok(e) })
}

// compose has n compute what a Project below it does, where that is nothing twice.
func (n *Aggregate) compose() {
	p, ok := n.Input.(*Project)
	if !ok {
		return
	}
	all := slices.Clone(n.GroupBy)
	for _, a := range n.Aggs {
		all = append(all, a)
	}
	uses := make([]int, len(p.Exprs))
	for _, e := range all {
		expr.Walk(e, func(e expr.Expr) bool {
			if c, ok := e.(*expr.Column); ok {
				uses[c.Index]++
			}
			return true
		})
	}
	for i, e := range p.Exprs {
		if _, ok := e.(*expr.Column); !ok && (uses[i] > 1 || !expr.Deterministic(e) || expr.HasSubquery(e)) {
			return
		}
	}
	over := func(e expr.Expr) expr.Expr {
		return expr.Rewrite(e, func(e expr.Expr) (expr.Expr, bool) {
			if c, ok := e.(*expr.Column); ok {
				return p.Exprs[c.Index], true
			}
			return nil, false
		})
	}
	for i, e := range n.GroupBy {
		n.GroupBy[i] = over(e)
	}
	for i, a := range n.Aggs {
		n.Aggs[i] = over(a).(*expr.Aggregate)
	}
	n.Input = p.Input
}

func (b *builder) lowerRollup(l *rollupRel, need colSet) *phys {
	down := need.with()
	for _, c := range append([]int{l.level}, l.cols...) {
		delete(down, c)
	}
	down.add(l.keys)
	in := b.lower(l.in, down, hint{})
	n := &Rollup{Input: in.node}
	for _, k := range l.keys {
		n.Keys = append(n.Keys, b.expr(b.ref(k), in).(*expr.Column))
	}
	levels := float64(len(l.keys) + 1)
	return &phys{node: n, cols: append(slices.Concat(in.cols, l.cols), l.level),
		rows: in.rows * levels, cost: in.cost + in.rows*levels*0.1}
}

// extreme returns the column whose least or greatest value is all that l is
// asked for: the first row in that column's order has it.
func extreme(l *groupRel) (col int, ok bool) {
	if len(l.groupBy) > 0 || len(l.aggs) != 1 || l.aggs[0].Func != expr.Min && l.aggs[0].Func != expr.Max {
		return 0, false
	}
	c, ok := l.aggs[0].Args[0].(*expr.Column)
	if !ok || c.T.Members != nil { // ENUM and SET have another order in indexes
		return 0, false
	}
	return c.Index, true
}

func (b *builder) lowerDistinct(l *distinctRel, h hint) *phys {
	need := colSet{}
	need.add(l.cols)
	var cols []int
	for _, c := range l.cols {
		if !slices.Contains(cols, c) {
			cols = append(cols, c)
		}
	}
	if len(h.order) == 0 {
		h = hint{order: ascending(cols), group: true}
	}
	h.rows, h.limit = 0, nil
	in := b.project(b.lower(l.in, need, h), cols)
	out := *in
	refs, own := make([]expr.Expr, len(cols)), make([]expr.Expr, len(cols))
	for i, c := range cols {
		own[i] = b.ref(c)
		refs[i] = b.expr(own[i], in)
	}
	out.rows = b.groups(own, in.rows)
	if in.together(cols) && len(in.order) > 0 {
		out.node = &Aggregate{Input: in.node, GroupBy: refs, Ordered: true}
		return &out
	}
	out.node, out.order = &Distinct{Input: in.node}, nil
	out.cost += in.rows * 0.5
	return &out
}
