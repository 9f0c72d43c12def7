package plan

import "github.com/kalamgo/kalam/engine/expr"

// infer adds what follows from equalities: of a = b and a = 5, b = 5, so that
// each table is bounded by constants wherever one of those joined to it is.
func (b *builder) infer(l logical) {
	added := b.constants(b.inferIn(l))
	switch l := l.(type) {
	case *filterRel:
		l.conds = append(l.conds, added...)
	case *joinRel:
		if l.kind == Inner {
			l.on = append(l.on, added...)
		}
	}
}

// inferIn infers below l and returns the conditions that hold in all of its
// rows as far as filters and inner joins at its top say so.
func (b *builder) inferIn(l logical) []expr.Expr {
	switch l := l.(type) {
	case *filterRel:
		return append(b.inferIn(l.in), l.conds...)
	case *joinRel:
		switch l.kind {
		case Semi, Anti:
			b.infer(l.right)
			return b.inferIn(l.left)
		case Left:
			b.infer(l.left)
			b.infer(l.right)
			return nil
		}
		list := append(b.inferIn(l.left), b.inferIn(l.right)...)
		return append(list, l.on...)
	case *scalarRel:
		b.infer(l.right)
		return b.inferIn(l.in)
	case *lateralRel:
		if l.right != nil {
			b.infer(l.right)
		}
		return b.inferIn(l.in)
	default:
		for _, in := range l.inputs() {
			b.infer(*in)
		}
	}
	return nil
}

// constants returns the equalities with constants that follow from conds and
// are not among them.
func (b *builder) constants(conds []expr.Expr) []expr.Expr {
	peers := map[int][]int{}
	values := map[int]*expr.Compare{}
	var known []int
	for _, c := range conds {
		eq, ok := c.(*expr.Compare)
		if !ok || eq.Op != expr.EQ {
			continue
		}
		l, lok := eq.L.(*expr.Column)
		r, rok := eq.R.(*expr.Column)
		switch {
		case lok && rok:
			if sameValues(l.T, r.T) {
				peers[l.Index] = append(peers[l.Index], r.Index)
				peers[r.Index] = append(peers[r.Index], l.Index)
			}
		case lok && fixes(l, eq.R):
			values[l.Index] = eq
			known = append(known, l.Index)
		case rok && fixes(r, eq.L):
			values[r.Index] = &expr.Compare{Op: expr.EQ, L: eq.R, R: eq.L, Collation: eq.Collation}
			known = append(known, r.Index)
		}
	}
	var added []expr.Expr
	for len(known) > 0 {
		id := known[0]
		known = known[1:]
		for _, p := range peers[id] {
			if values[p] != nil {
				continue
			}
			eq := &expr.Compare{Op: expr.EQ, L: b.ref(p), R: values[id].R, Collation: values[id].Collation}
			values[p] = eq
			added = append(added, eq)
			known = append(known, p)
		}
	}
	return added
}

// fixes reports whether c = e gives c one value.
func fixes(c *expr.Column, e expr.Expr) bool {
	return expr.IsConst(e) && sameValues(c.T, e.Type())
}
