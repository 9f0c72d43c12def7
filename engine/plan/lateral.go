package plan

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Lateral yields each row of Left with those of Right, which runs anew for each of
// them with the values of Args.
type Lateral struct {
	Kind        JoinKind // Inner or Left
	Left, Right Node
	Args        []expr.Expr // over the left row: Right's outer values
	On          expr.Expr   // over left and right columns, or nil
}

// lateralRel joins its input with the rows of a query that reads the input's row:
// LATERAL. The query is run for each row, or it is a join with its rows for all
// values of what it reads, which lowering compares.
type lateralRel struct {
	kind JoinKind // Inner or Left
	in   logical
	q    *query
	args []expr.Expr // over in: the query's outer values
	on   []expr.Expr
	cols []int // of the query's result

	right  logical     // the query's rows for all values; nil: they are not had
	tied   []expr.Expr // what joins right
	values []expr.Expr // of cols, over the joined row
}

func (r *lateralRel) columns(s colSet) { r.in.columns(s); s.add(r.cols) }
func (r *lateralRel) inputs() []*logical {
	if r.right != nil {
		return []*logical{&r.in, &r.right}
	}
	return []*logical{&r.in}
}
func (r *lateralRel) exprs() []expr.Expr { return slices.Concat(r.args, r.on, r.tied) }

// dependent reports whether an item of FROM may read the rows of the tables before it.
func dependent(te sqlparser.TableExpr) bool {
	switch te := te.(type) {
	case *sqlparser.JSONTableExpr:
		return true
	case *sqlparser.AliasedTableExpr:
		d, ok := te.Expr.(*sqlparser.DerivedTable)
		return ok && d.Lateral
	}
	return false
}

// looksBack reports whether an item of FROM, or one that is joined to it in such a
// way that its rows are those of a cross join with the tables before, is dependent.
func looksBack(te sqlparser.TableExpr) bool {
	j, ok := te.(*sqlparser.JoinTableExpr)
	if !ok {
		return dependent(te)
	}
	if j.Join == sqlparser.RightJoinType || j.Join == sqlparser.NaturalRightJoinType {
		return false
	}
	return dependent(j.RightExpr) || looksBack(j.LeftExpr)
}

// follow binds a dependent item of FROM: its rows for each row of left, which may be
// nil. It may read the columns of the tables in known.
func (b *builder) follow(te sqlparser.TableExpr, left, known *from, f *frame, kind JoinKind) (*from, error) {
	in := logical(oneRow())
	if left != nil {
		in = left.rel
	}
	if jt, ok := te.(*sqlparser.JSONTableExpr); ok {
		return b.jsonTable(jt, in, known, f, kind == Left)
	}
	a := te.(*sqlparser.AliasedTableExpr)
	own := &frame{parent: &scope{b: b, frame: f, from: known, clause: "field list"}}
	fr, err := b.derived(a.Expr.(*sqlparser.DerivedTable), a, own)
	if err != nil {
		return nil, err
	}
	reach := yields(in)
	for _, e := range own.args {
		if !reach.contains(columnsOf(e)) {
			return nil, sqlerr.Unsupported("LATERAL that reads tables outside of its parentheses")
		}
	}
	l := &lateralRel{kind: kind, in: in, q: &query{rel: fr.rel}, args: own.args}
	src := fr.sources[0]
	fresh := len(own.args) > 0 && computedOfGroup(fr.rel)
	for _, c := range src.cols {
		c.exact = 0 // only these columns come out
		l.q.out = append(l.q.out, output{c.name, c.id})
		if fresh {
			of := &b.cols[c.id]
			c.id = b.newColumn(src.alias+"."+c.name, of.t, of.null)
			b.cols[c.id].strength = of.strength
		}
		l.cols = append(l.cols, c.id)
	}
	fr.rel = l
	return fr, nil
}

// computedOfGroup reports whether a query yields one row of a group of all its rows.
func computedOfGroup(l logical) bool {
	for {
		switch r := l.(type) {
		case *extendRel:
			l = r.in
		case *groupRel:
			return len(r.groupBy) == 0
		default:
			return false
		}
	}
}

// followedOn puts a join's condition on what follow returned.
func followedOn(rel logical, kind JoinKind, on []expr.Expr) logical {
	on, _ = split(on, func(e expr.Expr) bool { return !alwaysTrue(e) })
	if kind == Inner || len(on) == 0 {
		return filtered(rel, on)
	}
	l, ok := rel.(*lateralRel)
	if j, isJSON := rel.(*jsonTableRel); isJSON {
		doc := &expr.Outer{Name: j.doc.String(), T: j.doc.Type(), Null: j.doc.Nullable()}
		l, ok = &lateralRel{kind: Left, in: j.in, args: []expr.Expr{j.doc}, cols: j.cols,
			q: &query{rel: &jsonTableRel{in: oneRow(), doc: doc, table: j.table, cols: j.cols}}}, true
		for _, c := range j.cols {
			l.q.out = append(l.q.out, output{col: c})
		}
	}
	if !ok {
		return filtered(rel, on)
	}
	l.on = on
	return l
}

// unnestLateral makes a lateral join a plain one where its query reads the row
// in conditions only; else it looks for a way to have the rows of all values.
func (b *builder) unnestLateral(l *lateralRel) logical {
	if len(l.args) == 0 {
		return &joinRel{kind: l.kind, left: l.in, right: b.unnest(l.q.rel), on: l.on}
	}
	for _, a := range l.args {
		if expr.HasSubquery(a) || !expr.Deterministic(a) {
			return l
		}
	}
	if l.q.plan != nil || b.joined >= maxJoined {
		return l
	}
	if !computedOfGroup(l.q.rel) {
		if right, on, ok := decorrelate(clone(l.q.rel), l.args); ok {
			return &joinRel{kind: l.kind, left: l.in, right: b.unnest(right), on: append(on, l.on...)}
		}
	}
	k := b.byKeys(l.q.rel, l.args)
	if k == nil || k.group == nil {
		return l
	}
	b.joined++
	right := b.unnest(b.perKey(k))
	b.joined--
	if len(k.group.groupBy) > 0 {
		return &joinRel{kind: l.kind, left: l.in, right: right, on: append(k.on, l.on...)}
	}
	for c := range yields(right) {
		b.cols[c].null = true
	}
	l.right, l.tied = right, k.on
	for _, o := range l.q.out {
		l.values = append(l.values, b.orOfNoRows(o.col, k))
	}
	return l
}

func (b *builder) pushLateral(l *lateralRel, conds []expr.Expr) logical {
	own := colSet{}
	own.add(l.cols)
	if l.kind == Left && slices.ContainsFunc(conds, func(c expr.Expr) bool { return rejectsNull(c, own) }) {
		l.kind = Inner
	}
	down, stay := split(conds, func(e expr.Expr) bool { return expr.Deterministic(e) && !uses(e, own) })
	l.in = b.push(l.in, down)
	if l.right != nil {
		l.right = b.push(l.right, nil)
	}
	return filtered(l, stay)
}

func (b *builder) lowerLateral(l *lateralRel, need colSet, h hint) *phys {
	h.limit, h.rows = nil, 0
	perRow := b.lateralPerRow(l, need, h)
	if l.right == nil {
		return perRow
	}
	all := need.with(l.values...).with(l.on...)
	left := b.newLeaf(l.in, all, l.tied)
	left.p = b.lower(left.rel, left.need, within(h, left.cols))
	right := b.newLeaf(l.right, all, l.tied)
	right.p = b.lower(right.rel, right.need, hint{})
	joined := b.join2(Left, left.p, right, l.tied, true)
	joined.rows = left.p.rows
	joined = b.compute(joined, need, l.cols, l.values)
	if len(l.on) == 0 && joined.cost < perRow.cost {
		return joined
	}
	return perRow
}

// lateralPerRow runs the query for each row.
func (b *builder) lateralPerRow(l *lateralRel, need colSet, h hint) *phys {
	left := b.newLeaf(l.in, need.with(l.args...), l.on)
	left.p = b.lower(left.rel, left.need, within(h, left.cols))
	b.joined++
	right := b.queryPlan(l.q)
	b.joined--
	in := left.p
	out, both := joined(l.kind, in, &phys{cols: l.cols})
	out.node = &Lateral{Kind: l.kind, Left: in.node, Right: right.Root, Args: b.exprs(l.args, in), On: b.condition(l.on, both)}
	out.rows, out.order = in.rows*l.q.rows*b.selectivity(l.on), in.order
	if l.kind == Left {
		out.rows = max(out.rows, in.rows)
	}
	out.cost = in.cost + in.rows*(l.q.cost+runCost)
	return out
}
