package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
)

// unnest turns conditions x IN (query), EXISTS (query) and their negations into
// semi and anti joins, wherever they stand as a whole condition of a filter. What
// a query takes from the enclosing row becomes part of the join's condition.
func (b *builder) unnest(l logical) logical {
	if f, ok := l.(*filterRel); ok {
		return b.unnestFilter(f)
	}
	for _, in := range l.inputs() {
		*in = b.unnest(*in)
	}
	switch l := l.(type) {
	case *lateralRel:
		return b.unnestLateral(l)
	case *extendRel:
		l.in, l.values = b.scalars(l.in, l.values)
	case *groupRel:
		l.in, l.groupBy = b.scalars(l.in, l.groupBy)
		var aggs []expr.Expr
		l.in, aggs = b.scalars(l.in, exprsOf(l.aggs))
		l.aggs = slices.Clone(l.aggs)
		for i, a := range aggs {
			l.aggs[i] = a.(*expr.Aggregate)
		}
	}
	return l
}

func (b *builder) unnestFilter(l *filterRel) logical {
	in := b.unnest(l.in)
	var rest []expr.Expr
	for _, c := range l.conds {
		kind, e := Semi, c
		if not, ok := c.(*expr.Not); ok {
			kind, e = Anti, not.Arg
		}
		sub, ok := e.(*expr.Subquery)
		if !ok {
			rest = append(rest, c)
			continue
		}
		if right, on, ok := b.semijoin(kind, sub); ok {
			in = &joinRel{kind: kind, left: in, right: b.unnest(right), on: on}
		} else {
			rest = append(rest, c)
		}
	}
	in, rest = b.scalars(in, rest)
	return filtered(in, rest)
}

// semijoin returns the right side and the condition of the join that a subquery
// is; false if it is none.
func (b *builder) semijoin(kind JoinKind, sub *expr.Subquery) (right logical, on []expr.Expr, ok bool) {
	q, ok := sub.Plan.(*query)
	if !ok || q.plan != nil {
		return nil, nil, false
	}
	right = clone(q.rel)
	switch sub.Kind {
	case expr.Exists:
		if len(sub.Args) == 0 {
			return nil, nil, false // one value for all rows
		}
		right = rowsOnly(right.(*limitRel).in)
	case expr.In:
		for i, l := range sub.Left {
			col := b.ref(q.out[i].col)
			if !expr.Deterministic(l) || !sameKeys(l.Type(), col.T) {
				return nil, nil, false
			}
			eq := &expr.Compare{Op: expr.EQ, L: l, R: col, Collation: col.T.Collation}
			if kind == Anti && (l.Nullable() || col.Null) {
				// A NULL on either side makes NOT IN unknown, where an anti join has
				// no match: a loop that knows, or a hash join by other columns.
				if len(sub.Args) == 0 || len(sub.Left) > 1 {
					return nil, nil, false
				}
				on = append(on, &expr.Is{Test: expr.IsNotFalse, Arg: eq})
				continue
			}
			on = append(on, eq)
		}
		if len(sub.Args) == 0 && !slices.ContainsFunc(sub.Left, func(e expr.Expr) bool { return !expr.IsConst(e) }) {
			return nil, nil, false // one value for all rows
		}
	default:
		return nil, nil, false
	}
	if len(sub.Args) == 0 {
		return right, on, true
	}
	inner, conds, ok := decorrelate(right, sub.Args)
	return inner, append(on, conds...), ok
}

// rowsOnly drops what does not change whether there are rows.
func rowsOnly(l logical) logical {
	for {
		switch r := l.(type) {
		case *extendRel:
			l = r.in
		case *windowRel:
			l = r.in
		case *sortRel:
			l = r.in
		case *distinctRel:
			l = r.in
		default:
			return l
		}
	}
}

// decorrelate takes the conditions that read enclosing columns, args, off a
// query, and returns them with those columns in place; false if the query reads
// them elsewhere than in the filters at its top.
func decorrelate(l logical, args []expr.Expr) (logical, []expr.Expr, bool) {
	switch l := l.(type) {
	case *sortRel:
		return decorrelate(l.in, args)
	case *extendRel:
		in, conds, ok := decorrelate(l.in, args)
		if !ok || anyOuter(l.values) {
			return nil, nil, false
		}
		return &extendRel{in: in, values: l.values, cols: l.cols}, conds, true
	case *filterRel:
		in, conds, ok := decorrelate(l.in, args)
		if !ok {
			return nil, nil, false
		}
		var own []expr.Expr
		for _, c := range l.conds {
			switch {
			case !anyOuter([]expr.Expr{c}):
				own = append(own, c)
			case !expr.Deterministic(c):
				return nil, nil, false
			default:
				conds = append(conds, inPlace(c, args))
			}
		}
		return filtered(in, own), conds, true
	}
	return l, nil, !readsOuter(l)
}

// inPlace replaces outer values by the expressions that they are values of.
func inPlace(e expr.Expr, args []expr.Expr) expr.Expr {
	return expr.Rewrite(e, func(e expr.Expr) (expr.Expr, bool) {
		if o, ok := e.(*expr.Outer); ok {
			return args[o.Index], true
		}
		return nil, false
	})
}

func anyOuter(list []expr.Expr) bool {
	found := false
	for _, e := range list {
		expr.Walk(e, func(e expr.Expr) bool {
			_, ok := e.(*expr.Outer)
			found = found || ok
			return !found
		})
	}
	return found
}

func exprsOf[E expr.Expr](list []E) []expr.Expr {
	out := make([]expr.Expr, len(list))
	for i, e := range list {
		out[i] = e
	}
	return out
}

// readsOuter reports whether any expression in l reads an enclosing query's row.
func readsOuter(l logical) bool {
	if anyOuter(l.exprs()) {
		return true
	}
	for _, in := range l.inputs() {
		if readsOuter(*in) {
			return true
		}
	}
	return false
}

// semiByIndex joins the distinct rows of a semi join's right side with the left
// table by an index of that; nil where there is no such index, or where a left
// row could match twice.
func (b *builder) semiByIndex(l *joinRel, need colSet) *phys {
	table, ok := l.left.(*tableRel)
	if !ok || l.kind != Semi {
		return nil
	}
	pairs := equiPairs(l.on, yields(l.left), yields(l.right))
	if len(pairs) == 0 || len(pairs) < len(l.on) {
		return nil
	}
	exprs := make([]expr.Expr, len(pairs))
	for i, p := range pairs {
		if !sameValues(p.left.Type(), p.right.Type()) {
			return nil
		}
		exprs[i] = p.right
	}
	right, cols := b.extend(l.right, exprs)
	on := make([]expr.Expr, len(pairs))
	for i, p := range pairs {
		on[i] = &expr.Compare{Op: expr.EQ, L: b.ref(cols[i]), R: p.left, Collation: p.cmp.Collation}
	}
	distinct := b.lower(&distinctRel{in: right, cols: cols}, nil, hint{})
	return b.indexJoin(Inner, distinct, table, need, on, equiPairs(on, yields(right), yields(table)))
}
