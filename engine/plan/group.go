package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// grouping turns a query's expressions into ones over its groups.
type grouping struct {
	b    *builder
	from colSet // the columns of FROM
	by   []expr.Expr
	// rollup has a row for each combination of values of by, without its last,
	// without its last two, … and without any.
	rollup bool
	// aggregated: the query has aggregate functions, be they folded away.
	aggregated bool

	rel *groupRel
	// With rollup: the columns of by, NULL where they are summed up, and the
	// column that tells how many are.
	rolled []int
	level  int
	det    colSet // columns that the groups determine
	err    error
}

// apply puts the aggregation on top of rel that items, having and order need,
// if any, and rewrites those to read its output. Every other column must be
// determined by the groups: MySQL's ONLY_FULL_GROUP_BY.
func (g *grouping) apply(rel logical, items []item, having []expr.Expr, order []orderItem) (logical, error) {
	grouped := g.aggregated || len(g.by) > 0
	check := func(e expr.Expr) {
		expr.Walk(e, func(e expr.Expr) bool {
			if a, ok := e.(*expr.Aggregate); ok {
				grouped = grouped || a.Func != expr.AnyValue
				if a.Func == expr.Grouping {
					g.grouping(a)
				}
				for _, arg := range a.Args {
					if expr.HasAggregate(arg) {
						g.err = sqlerr.InvalidGroupFunc.New("Invalid use of group function")
					}
				}
			}
			return true
		})
	}
	for _, it := range items {
		check(it.expr)
	}
	for _, e := range having {
		check(e)
	}
	for _, o := range order {
		check(o.expr)
	}
	if g.err != nil {
		return rel, g.err
	}
	if !grouped {
		for i := range items {
			items[i].expr = anyValues(items[i].expr)
		}
		for i := range having {
			having[i] = anyValues(having[i])
		}
		for i := range order {
			order[i].expr = anyValues(order[i].expr)
		}
		return rel, nil
	}
	g.rel = &groupRel{in: rel}
	if g.rollup {
		g.addRollup()
	} else {
		g.addGroups()
	}
	for i := range items {
		if k := slices.Index(g.by, items[i].expr); g.rollup && k >= 0 && !expr.IsConst(g.by[k]) {
			items[i].expr = g.b.ref(g.rolled[k]) // GROUP BY names this one
			continue
		}
		items[i].expr = g.replace(items[i].expr, i+1, "SELECT list")
	}
	for i := range having {
		having[i] = g.replace(having[i], i+1, "HAVING clause")
	}
	for i := range order {
		order[i].expr = g.replace(order[i].expr, i+1, "ORDER BY clause")
	}
	return g.rel, g.err
}

// addGroups makes the groups those of by.
func (g *grouping) addGroups() {
	for _, e := range g.by {
		if !expr.IsConst(e) || len(g.by) == 1 {
			g.addGroup(e)
		}
	}
	if len(g.rel.groupBy) == 0 && len(g.by) > 0 {
		g.addGroup(g.by[0]) // constants alone: still no row of no rows
	}
	g.det = determined(g.rel.in, g.rel.groupCols)
}

// addRollup makes the groups those of WITH ROLLUP: each row goes into one for
// every level.
func (g *grouping) addRollup() {
	r := &rollupRel{}
	r.in, r.keys = g.b.extend(g.rel.in, g.by)
	for _, e := range g.by {
		id := g.b.newColumnOf(e)
		g.b.cols[id].null = true
		g.rolled = append(g.rolled, id)
		g.addGroup(g.b.ref(id))
	}
	g.level = g.b.newColumn("rollup level", types.Int64Type, false)
	g.addGroup(g.b.ref(g.level))
	r.cols, r.level = g.rolled, g.level
	g.rel.in = r
}

// tellApart gives columns of derived tables that are one column the values of their own that
// WITH ROLLUP makes of them.
func (b *builder) tellApart(fr *from) {
	x := &extendRel{in: fr.rel}
	seen := colSet{}
	for _, src := range fr.sources {
		for _, c := range src.cols {
			if seen[c.id] {
				e := b.ref(c.id)
				c.id = b.newColumnOf(e)
				x.values, x.cols = append(x.values, e), append(x.cols, c.id)
			}
			seen.add([]int{c.id})
		}
	}
	if len(x.cols) > 0 {
		fr.rel = x
	}
}

// rollupOrder is the order of MySQL's rows of WITH ROLLUP: each sum comes after
// what it sums up.
func (g *grouping) rollupOrder() []orderItem {
	var order []orderItem
	for i, c := range g.rolled {
		order = append(order, orderItem{expr: g.summed(i)}, orderItem{expr: g.b.ref(c)})
	}
	return order
}

// summed returns whether a row sums up by[i].
func (g *grouping) summed(i int) expr.Expr {
	return &expr.Compare{Op: expr.GE, L: g.b.ref(g.level), R: intLiteral(int64(len(g.by) - i))}
}

// grouping checks the arguments of GROUPING.
func (g *grouping) grouping(a *expr.Aggregate) {
	if !g.rollup {
		g.err = sqlerr.InvalidGroupFunc.New("Invalid use of group function")
		return
	}
	for i, arg := range a.Args {
		if g.groupOf(arg) < 0 && g.err == nil {
			g.err = sqlerr.NotGroupedBy.New("Argument #%d of GROUPING function is not in GROUP BY", i+1)
		}
	}
}

// groupingValue returns what computes GROUPING: a bit for each argument.
func (g *grouping) groupingValue(a *expr.Aggregate) expr.Expr {
	var bits expr.Expr
	for _, arg := range a.Args {
		bit := expr.CastTo(g.summed(g.groupOf(arg)), types.Int64Type)
		if bits == nil {
			bits = bit
			continue
		}
		twice := &expr.Arith{Op: expr.Mul, L: bits, R: intLiteral(2), T: types.Int64Type}
		bits = &expr.Arith{Op: expr.Add, L: twice, R: bit, T: types.Int64Type}
	}
	return bits
}

// groupOf returns the number of the GROUP BY expression that e is, or -1.
func (g *grouping) groupOf(e expr.Expr) int {
	return slices.IndexFunc(g.by, func(by expr.Expr) bool { return expr.Equal(by, e) })
}

// anyValues replaces ANY_VALUE by its argument, for a query without groups.
func anyValues(e expr.Expr) expr.Expr {
	return expr.Rewrite(e, func(e expr.Expr) (expr.Expr, bool) {
		if a, ok := e.(*expr.Aggregate); ok && a.Func == expr.AnyValue {
			return anyValues(a.Args[0]), true
		}
		return nil, false
	})
}

// addGroup adds a grouping expression and returns the number of its column.
func (g *grouping) addGroup(e expr.Expr) int {
	for i, known := range g.rel.groupBy {
		if expr.Equal(known, e) {
			return g.rel.groupCols[i]
		}
	}
	var id int
	if c, ok := e.(*expr.Column); ok {
		id = c.Index
	} else {
		id = g.b.newColumnOf(e)
	}
	g.rel.groupBy = append(g.rel.groupBy, e)
	g.rel.groupCols = append(g.rel.groupCols, id)
	return id
}

func (g *grouping) addAggregate(a *expr.Aggregate) int {
	for i, known := range g.rel.aggs {
		if expr.Equal(known, a) {
			return g.rel.aggCols[i]
		}
	}
	id := g.b.newColumnOf(a)
	g.rel.aggs = append(g.rel.aggs, a)
	g.rel.aggCols = append(g.rel.aggCols, id)
	return id
}

// replace rewrites e over the aggregation's output. at and clause say where e
// stands, for errors.
func (g *grouping) replace(e expr.Expr, at int, clause string) expr.Expr {
	return expr.Rewrite(e, func(e expr.Expr) (expr.Expr, bool) {
		if a, ok := e.(*expr.Aggregate); ok {
			if a.Func == expr.Grouping {
				return g.groupingValue(a), true
			}
			return g.b.ref(g.addAggregate(a)), true
		}
		if g.rollup {
			if i := g.groupOf(e); i >= 0 && !expr.IsConst(e) {
				return g.b.ref(g.rolled[i]), true
			}
		}
		for i, by := range g.rel.groupBy {
			if expr.Equal(by, e) && !expr.IsConst(e) {
				return g.b.ref(g.rel.groupCols[i]), true
			}
		}
		c, ok := e.(*expr.Column)
		if !ok {
			return nil, false
		}
		if r := g.b.rounding(c); r != nil && g.from[c.Index] && !g.det[c.Index] {
			return expr.CastTo(g.replace(r, at, clause), c.T), true // groups are of rounded values
		}
		if g.from[c.Index] && !g.det[c.Index] {
			return g.undetermined(c, at, clause), true
		}
		// Determined by the groups: as one more group column it splits none.
		return g.b.ref(g.addGroup(c)), true
	})
}

// undetermined returns any of a group's values of c, where the mode allows it.
func (g *grouping) undetermined(c *expr.Column, at int, clause string) expr.Expr {
	if g.b.o.PartialGroupBy {
		value := &expr.Aggregate{Func: expr.AnyValue, Args: []expr.Expr{c}, T: c.T}
		return g.b.ref(g.addAggregate(value))
	}
	if g.err != nil {
		return c
	}
	name := g.b.cols[c.Index].qualified()
	if len(g.by) == 0 {
		g.err = sqlerr.MixGroupFuncFields.New("In aggregated query without GROUP BY, expression #%d of %s contains nonaggregated column '%s'; this is incompatible with sql_mode=only_full_group_by", at, clause, name)
		return c
	}
	g.err = sqlerr.WrongFieldWithGrp.New("Expression #%d of %s is not in GROUP BY clause and contains nonaggregated column '%s' which is not functionally dependent on columns in GROUP BY clause; this is incompatible with sql_mode=only_full_group_by", at, clause, name)
	return c
}

// determined returns the columns of rel that have one value for each
// combination of values of cols: cols, what equalities tie to them or to
// constants, and the rows whose whole key is among those.
func determined(rel logical, cols []int) colSet {
	det := colSet{}
	det.add(cols)
	var equalities []*expr.Compare
	var tables []*tableRel
	var visit func(l logical)
	note := func(conds []expr.Expr) {
		for _, c := range conds {
			if eq, ok := c.(*expr.Compare); ok && eq.Op == expr.EQ {
				equalities = append(equalities, eq)
			}
		}
	}
	visit = func(l logical) {
		switch l := l.(type) {
		case *tableRel:
			tables = append(tables, l)
		case *filterRel:
			note(l.conds)
			visit(l.in)
		case *extendRel:
			visit(l.in)
		case *windowRel:
			visit(l.in)
		case *sortRel:
			visit(l.in)
		case *lockRel:
			visit(l.in)
		case *joinRel:
			visit(l.left)
			if l.kind == Inner {
				note(l.on)
			}
			if !l.kind.leftOnly() {
				visit(l.right)
			}
		}
	}
	visit(rel)
	for changed := true; changed; {
		changed = false
		add := func(c int) {
			if !det[c] {
				det[c], changed = true, true
			}
		}
		for _, eq := range equalities {
			for _, side := range [][2]expr.Expr{{eq.L, eq.R}, {eq.R, eq.L}} {
				c, ok := side[0].(*expr.Column)
				if ok && sameValues(c.T, side[1].Type()) && det.contains(columnsOf(side[1])) && expr.Deterministic(side[1]) {
					add(c.Index)
				}
			}
		}
		for _, t := range tables {
			if t.determinedBy(det) {
				for i := range t.table.Columns {
					add(t.first + i)
				}
				for _, id := range t.system {
					add(id)
				}
			}
		}
	}
	return det
}

// determinedBy reports whether a unique key without NULLs lies within det.
func (r *tableRel) determinedBy(det colSet) bool {
	within := func(key []int) bool {
		for _, c := range key {
			if !det[r.first+c] {
				return false
			}
		}
		return len(key) > 0
	}
	if r.which == LiveDeleted {
		return false
	}
	if within(r.table.PrimaryKey) {
		return true
	}
	for i := range r.table.Indexes {
		ix := &r.table.Indexes[i]
		if ix.Unique && within(ix.Columns) && notNull(r.table, ix.Columns) {
			return true
		}
	}
	return false
}
