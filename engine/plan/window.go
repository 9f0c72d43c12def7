package plan

import (
	"cmp"
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// windowNames are a query's named windows, by lower-case names, what they are
// based on in place.
type windowNames map[string]*sqlparser.WindowSpecification

// windowNames reads a WINDOW clause.
func newWindowNames(clauses sqlparser.NamedWindows) (windowNames, error) {
	defs := map[string]*sqlparser.WindowDefinition{}
	for _, c := range clauses {
		for _, d := range c.Windows {
			if defs[d.Name.Lowered()] != nil {
				return nil, sqlerr.DupWindow.New("Window '%s' is defined twice.", d.Name.String())
			}
			defs[d.Name.Lowered()] = d
		}
	}
	names := windowNames{}
	var resolve func(d *sqlparser.WindowDefinition, depth int) error
	resolve = func(d *sqlparser.WindowDefinition, depth int) error {
		name := d.Name.Lowered()
		if names[name] != nil {
			return nil
		}
		if depth > len(defs) {
			return sqlerr.WindowCycle.New("There is a circularity in the window dependency graph.")
		}
		if base := defs[d.WindowSpec.Name.Lowered()]; base != nil {
			if err := resolve(base, depth+1); err != nil {
				return err
			}
		}
		spec, err := names.inherit(d.WindowSpec, d.Name.String())
		names[name] = spec
		return err
	}
	for _, c := range clauses {
		for _, d := range c.Windows {
			if err := resolve(d, 1); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// inherit returns spec, of the window called name, with what it takes from the
// window that it is based on.
func (n windowNames) inherit(spec *sqlparser.WindowSpecification, name string) (*sqlparser.WindowSpecification, error) {
	if spec.Name.IsEmpty() {
		return spec, nil
	}
	base, err := n.find(spec.Name)
	if err != nil {
		return nil, err
	}
	switch {
	case len(spec.PartitionClause) > 0:
		return nil, sqlerr.WindowPartition.New("A window which depends on another cannot define partitioning.")
	case base.FrameClause != nil:
		return nil, sqlerr.WindowFrame.New("Window '%s' has a frame definition, so cannot be referenced by another window.", spec.Name.String())
	case len(spec.OrderClause) > 0 && len(base.OrderClause) > 0:
		return nil, sqlerr.WindowOrder.New("Window '%s' cannot inherit '%s' since both contain an ORDER BY clause.", name, spec.Name.String())
	}
	merged := &sqlparser.WindowSpecification{PartitionClause: base.PartitionClause, OrderClause: base.OrderClause, FrameClause: spec.FrameClause}
	if len(spec.OrderClause) > 0 {
		merged.OrderClause = spec.OrderClause
	}
	return merged, nil
}

func (n windowNames) find(name sqlparser.IdentifierCI) (*sqlparser.WindowSpecification, error) {
	if spec := n[name.Lowered()]; spec != nil {
		return spec, nil
	}
	return nil, sqlerr.NoSuchWindow.New("Window name '%s' is not defined.", name.String())
}

// Window implements expr.WindowScope.
func (s *scope) Window(over *sqlparser.OverClause) (*sqlparser.WindowSpecification, string, error) {
	if s.windows == nil {
		return nil, "", nil
	}
	if over.WindowSpec == nil {
		spec, err := s.windows.find(over.WindowName)
		return spec, over.WindowName.String(), err
	}
	spec, err := s.windows.inherit(over.WindowSpec, expr.UnnamedWindow)
	return spec, expr.UnnamedWindow, err
}

// WindowKeys implements expr.WindowScope.
func (s *scope) WindowKeys(clause string) expr.Scope {
	keys := *s
	keys.clause, keys.aliases = clause, noAliases
	return &keys
}

// checkWindows binds named windows, used or not: each has to make sense.
func (b *builder) checkWindows(clauses sqlparser.NamedWindows, s *scope) error {
	for _, c := range clauses {
		for _, d := range c.Windows {
			call := &sqlparser.CountStar{OverClause: &sqlparser.OverClause{WindowName: d.Name}}
			if _, err := b.bind(call, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// windows computes the window functions of items and order on top of rel: an
// operator for each partition and order, the ones with more keys first, so that
// others may do with the order of their rows.
func (b *builder) windows(rel logical, items []item, order []orderItem) logical {
	var all []*windowRel
	cols := map[*expr.Window]int{}
	collect := func(e expr.Expr) {
		expr.Walk(e, func(e expr.Expr) bool {
			w, ok := e.(*expr.Window)
			if ok {
				cols[w], all = b.addWindow(w, all)
			}
			return !ok
		})
	}
	for _, it := range items {
		collect(it.expr)
	}
	for _, o := range order {
		collect(o.expr)
	}
	slices.SortStableFunc(all, func(x, y *windowRel) int { return cmp.Compare(y.keyCount(), x.keyCount()) })
	for _, r := range all {
		first := r.funcs[0]
		keys := slices.Clone(first.Partition)
		for _, k := range first.Order {
			keys = append(keys, k.Expr)
		}
		var ids []int
		r.in, ids = b.extend(rel, keys)
		r.partition = ids[:len(first.Partition)]
		for i, k := range first.Order {
			r.order = append(r.order, orderCol{ids[len(first.Partition)+i], k.Desc})
		}
		rel = r
	}
	replace := func(e expr.Expr) expr.Expr {
		return expr.Rewrite(e, func(e expr.Expr) (expr.Expr, bool) {
			if w, ok := e.(*expr.Window); ok {
				return b.ref(cols[w]), true
			}
			return nil, false
		})
	}
	for i := range items {
		items[i].expr = replace(items[i].expr)
	}
	for i := range order {
		order[i].expr = replace(order[i].expr)
	}
	return rel
}

// addWindow adds w to the operator of all with its partition and order, and
// returns its column.
func (b *builder) addWindow(w *expr.Window, all []*windowRel) (int, []*windowRel) {
	at := slices.IndexFunc(all, func(r *windowRel) bool { return sameOrder(r.funcs[0], w) })
	if at < 0 {
		at = len(all)
		all = append(all, &windowRel{})
	}
	r := all[at]
	for i, known := range r.funcs {
		if expr.Equal(known, w) {
			return r.cols[i], all
		}
	}
	id := b.newColumnOf(w)
	r.funcs, r.cols = append(r.funcs, w), append(r.cols, id)
	return id, all
}

func sameOrder(a, b *expr.Window) bool {
	return slices.EqualFunc(a.Partition, b.Partition, expr.Equal) &&
		slices.EqualFunc(a.Order, b.Order, func(x, y expr.SortKey) bool { return x.Desc == y.Desc && expr.Equal(x.Expr, y.Expr) })
}

func (r *windowRel) keyCount() int { return len(r.funcs[0].Partition) + len(r.funcs[0].Order) }

func (b *builder) lowerWindow(l *windowRel, need colSet) *phys {
	down := need.with()
	for _, c := range l.cols {
		delete(down, c)
	}
	n := &Window{}
	out := &phys{}
	var funcs []*expr.Window
	for i, w := range l.funcs {
		if need[l.cols[i]] {
			funcs, out.cols = append(funcs, w), append(out.cols, l.cols[i])
			down = down.with(w)
		}
	}
	if len(funcs) == 0 {
		return b.lower(l.in, down, hint{})
	}
	down.add(l.partition)
	keys := slices.Concat(ascending(l.partition), l.order)
	for _, o := range l.order {
		down[o.col] = true
	}
	in := b.lowerSort(&sortRel{in: l.in, keys: keys}, down, hint{})
	for _, c := range l.partition {
		n.Partition = append(n.Partition, b.expr(b.ref(c), in).(*expr.Column))
	}
	for _, o := range l.order {
		n.Order = append(n.Order, expr.SortKey{Expr: b.expr(b.ref(o.col), in), Desc: o.desc})
	}
	for _, w := range funcs {
		n.Funcs = append(n.Funcs, b.expr(w, in).(*expr.Window))
	}
	n.Input = in.node
	out.node, out.cols = n, slices.Concat(in.cols, out.cols)
	out.rows, out.order, out.fixed = in.rows, in.order, in.fixed
	out.cost = in.cost + in.rows*0.5*float64(len(funcs))
	return out
}
