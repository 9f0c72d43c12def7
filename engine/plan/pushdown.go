package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/types"
)

// push moves conditions as far down as their columns allow: through joins,
// projections, groupings and unions to the tables. A left join whose right rows
// a condition wants becomes an inner join. The result yields l's rows for which
// conds hold; l is used up.
func (b *builder) push(l logical, conds []expr.Expr) logical {
	switch l := l.(type) {
	case *tableRel:
		return pushTable(l, conds)
	case *filterRel:
		return b.push(l.in, slices.Concat(l.conds, conds))
	case *joinRel:
		return b.pushJoin(l, conds)
	case *extendRel:
		return b.pushExtend(l, conds)
	case *groupRel:
		return b.pushGroup(l, conds)
	case *distinctRel:
		down, stay := split(conds, func(e expr.Expr) bool { return expr.Deterministic(e) })
		l.in = b.push(l.in, down)
		return filtered(l, stay)
	case *sortRel:
		l.in = b.push(l.in, conds)
		return l
	case *lockRel:
		l.in = b.push(l.in, conds)
		return l
	case *windowRel:
		// Conditions on what partitions have in common leave them whole.
		whole := colSet{}
		for _, c := range l.partition {
			if t := b.cols[c].t; !t.LossyKey() && t.Kind != types.JSON { // equal values are alike
				whole[c] = true
			}
		}
		down, stay := split(conds, func(e expr.Expr) bool {
			return expr.Deterministic(e) && whole.contains(columnsOf(e)) && !expr.IsConst(e)
		})
		l.in = b.push(l.in, down)
		return filtered(l, stay)
	case *rollupRel:
		l.in = b.push(l.in, nil)
		return filtered(l, conds)
	case *limitRel:
		l.in = b.push(l.in, nil)
		return filtered(l, conds)
	case *unionRel:
		return b.pushUnion(l, conds)
	case *recursiveRel:
		for _, in := range l.inputs() {
			*in = b.push(*in, nil)
		}
		return filtered(l, conds)
	case *scalarRel:
		return b.pushScalar(l, conds)
	case *lateralRel:
		return b.pushLateral(l, conds)
	case *jsonTableRel:
		left := yields(l.in)
		down, stay := split(conds, func(e expr.Expr) bool {
			return expr.Deterministic(e) && left.contains(columnsOf(e))
		})
		l.in = b.push(l.in, down)
		return filtered(l, stay)
	case *repeatRel:
		down, stay := split(conds, expr.Deterministic)
		l.in = b.push(l.in, down)
		return filtered(l, stay)
	}
	return filtered(l, conds)
}

// split returns the conditions that pass and the others.
func split(conds []expr.Expr, pass func(expr.Expr) bool) (yes, no []expr.Expr) {
	for _, c := range conds {
		if pass(c) {
			yes = append(yes, c)
		} else {
			no = append(no, c)
		}
	}
	return yes, no
}

func pushTable(l *tableRel, conds []expr.Expr) logical {
	own, others := split(conds, func(e expr.Expr) bool {
		return !expr.IsConst(e) && expr.Deterministic(e)
	})
	l.conds = append(l.conds, own...)
	return filtered(l, others)
}

func (b *builder) pushJoin(l *joinRel, conds []expr.Expr) logical {
	left, right := yields(l.left), yields(l.right)
	if l.kind == Left {
		for _, c := range conds {
			if rejectsNull(c, right) {
				l.kind = Inner
				break
			}
		}
	}
	var toLeft, toRight, on, above []expr.Expr
	place := func(c expr.Expr, fromOn bool) {
		cols := columnsOf(c)
		inLeft, inRight := left.contains(cols), right.contains(cols)
		switch {
		case !expr.Deterministic(c):
			if fromOn {
				on = append(on, c)
			} else {
				above = append(above, c)
			}
		case (l.kind == Inner || l.kind == Semi) && inLeft, !fromOn && inLeft:
			toLeft = append(toLeft, c)
		case l.kind == Inner && inRight, fromOn && inRight:
			toRight = append(toRight, c)
		case l.kind == Inner, fromOn:
			on = append(on, c)
		default:
			above = append(above, c)
		}
	}
	for _, c := range l.on {
		place(c, true)
	}
	for _, c := range conds {
		place(c, false)
	}
	// A side is bounded by what an OR over both says of it, too.
	if l.kind == Inner || l.kind == Semi {
		for _, c := range on {
			if e := implied(c, left); e != nil {
				toLeft = append(toLeft, e)
			}
		}
	}
	for _, c := range on {
		if e := implied(c, right); e != nil {
			toRight = append(toRight, e)
		}
	}
	l.left, l.right, l.on = b.push(l.left, toLeft), b.push(l.right, toRight), on
	return filtered(l, above)
}

// rejectsNull reports whether cond is not true when all of cols are NULL.
func rejectsNull(cond expr.Expr, cols colSet) bool {
	switch c := cond.(type) {
	case *expr.Compare:
		return c.Op != expr.NullSafeEQ && (strict(c.L, cols) || strict(c.R, cols))
	case *expr.Like:
		return strict(c.Expr, cols) || strict(c.Pattern, cols)
	case *expr.InList:
		return strict(c.Expr, cols)
	case *expr.Is:
		return c.Test == expr.IsNotNull && strict(c.Arg, cols)
	case *expr.Or:
		for _, a := range c.Args {
			if !rejectsNull(a, cols) {
				return false
			}
		}
		return true
	case *expr.And:
		return slices.ContainsFunc(c.Args, func(a expr.Expr) bool { return rejectsNull(a, cols) })
	case *expr.Not:
		switch c.Arg.(type) {
		case *expr.Compare, *expr.Like, *expr.InList:
			return rejectsNull(c.Arg, cols)
		}
	}
	return false
}

// strict reports whether e is NULL when all of cols are.
func strict(e expr.Expr, cols colSet) bool {
	switch e := e.(type) {
	case *expr.Column:
		return cols[e.Index]
	case *expr.Arith:
		return strict(e.L, cols) || strict(e.R, cols)
	case *expr.Neg:
		return strict(e.Arg, cols)
	case *expr.Cast:
		return strict(e.Arg, cols)
	}
	return false
}

func (b *builder) pushExtend(l *extendRel, conds []expr.Expr) logical {
	computed := map[int]expr.Expr{}
	barred := colSet{} // may not be computed twice
	for i, c := range l.cols {
		computed[c] = l.values[i]
		if !expr.Deterministic(l.values[i]) || expr.HasSubquery(l.values[i]) {
			barred[c] = true
		}
	}
	down, stay := split(conds, func(e expr.Expr) bool { return expr.Deterministic(e) && !uses(e, barred) })
	for i, e := range down {
		down[i] = substitute(e, computed)
	}
	l.in = b.push(l.in, down)
	return filtered(l, stay)
}

// substitute replaces columns by expressions.
func substitute(e expr.Expr, by map[int]expr.Expr) expr.Expr {
	r := expr.Rewrite(e, func(e expr.Expr) (expr.Expr, bool) {
		c, ok := e.(*expr.Column)
		if !ok {
			return nil, false
		}
		if r := by[c.Index]; r != nil {
			return r, true
		}
		return c, true
	})
	if r == e {
		return e
	}
	return expr.Fold(r)
}

// pushGroup moves conditions on the groups' columns below the grouping.
func (b *builder) pushGroup(l *groupRel, conds []expr.Expr) logical {
	groups := map[int]expr.Expr{}
	cols := colSet{}
	for i, c := range l.groupCols {
		if expr.Deterministic(l.groupBy[i]) && !expr.HasSubquery(l.groupBy[i]) {
			groups[c] = l.groupBy[i]
			cols[c] = true
		}
	}
	down, stay := split(conds, func(e expr.Expr) bool {
		return len(l.groupBy) > 0 && expr.Deterministic(e) && cols.contains(columnsOf(e))
	})
	for i, e := range down {
		down[i] = substitute(e, groups)
	}
	if c, ok := extreme(l); ok && b.cols[c].null {
		down = append(down, &expr.Is{Test: expr.IsNotNull, Arg: b.ref(c)})
	}
	l.in = b.push(l.in, down)
	return filtered(l, stay)
}

func (b *builder) pushUnion(l *unionRel, conds []expr.Expr) logical {
	down, stay := split(conds, expr.Deterministic)
	for i := range l.parts {
		p := &l.parts[i]
		by := map[int]expr.Expr{}
		for k, c := range l.cols {
			by[c] = b.ref(p.cols[k])
		}
		mine := make([]expr.Expr, len(down))
		for k, e := range down {
			mine[k] = substitute(e, by)
		}
		p.rel = b.push(p.rel, mine)
	}
	return filtered(l, stay)
}
