package plan

import (
	"fmt"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// union binds a set operation: each part's columns are converted to the types that
// all parts have in common, and named as the first part's.
func (b *builder) union(u *sqlparser.Union, f *frame) (*query, error) {
	switch {
	case u.Into != nil:
		return nil, sqlerr.Unsupported("SELECT … INTO")
	case u.Lock != sqlparser.NoLock:
		return nil, sqlerr.Unsupported("FOR UPDATE and FOR SHARE with UNION")
	}
	var rel logical
	var items []item
	op, left := parse.SetOperation(u)
	switch op {
	case parse.Whole:
		q, err := b.query(left, f)
		if err != nil {
			return nil, err
		}
		rel = q.rel
		for _, o := range q.out {
			items = append(items, item{b.ref(o.col), o.name})
		}
	case parse.Union:
		parts, err := b.parts(unionParts(u), f)
		if err != nil {
			return nil, err
		}
		all, err := b.unionAll("UNION", parts, nil)
		if err != nil {
			return nil, err
		}
		items = b.unionItems(all, parts[0])
		if rel = all; u.Distinct {
			rel = &distinctRel{in: all, cols: all.cols}
		}
	default:
		parts, err := b.parts([]sqlparser.TableStatement{left, u.Right}, f)
		if err != nil {
			return nil, err
		}
		if rel, items, err = b.compareSets(op, u.Distinct, parts); err != nil {
			return nil, err
		}
	}
	src := &source{}
	for _, it := range items {
		src.cols = append(src.cols, &sourceColumn{name: it.name, id: it.expr.(*expr.Column).Index})
	}
	order, err := b.orderBy(u.OrderBy, &scope{b: b, frame: f, from: &from{visible: src.cols},
		clause: "order clause", items: items})
	if err != nil {
		return nil, err
	}
	return b.finish(rel, items, order, false, u.Limit, f)
}

// unionParts returns the parts of a UNION; those of a UNION at its left that drops
// repeated rows where it does are its own.
func unionParts(u *sqlparser.Union) []sqlparser.TableStatement {
	// Long chains lean to the left: walk down instead of recursing.
	chain := []*sqlparser.Union{u}
	for {
		l, ok := chain[len(chain)-1].Left.(*sqlparser.Union)
		if !ok || l.Distinct != u.Distinct || len(l.OrderBy) > 0 || l.Limit != nil || l.With != nil || l.Into != nil || l.Lock != sqlparser.NoLock {
			break
		}
		if op, _ := parse.SetOperation(l); op != parse.Union {
			break
		}
		chain = append(chain, l)
	}
	stmts := []sqlparser.TableStatement{chain[len(chain)-1].Left}
	for i := len(chain) - 1; i >= 0; i-- {
		stmts = append(stmts, chain[i].Right)
	}
	return stmts
}

// parts binds the operands of a set operation.
func (b *builder) parts(stmts []sqlparser.TableStatement, f *frame) ([]*query, error) {
	parts := make([]*query, len(stmts))
	for i, s := range stmts {
		q, err := b.query(s, f)
		if err != nil {
			return nil, err
		}
		if i > 0 && len(q.out) != len(parts[0].out) {
			return nil, sqlerr.WrongColumnsInSet.New("The used SELECT statements have a different number of columns")
		}
		parts[i] = q
	}
	return parts, nil
}

// unionAll returns the rows of all parts, the columns of a query and one for each
// of marks, whose values are a part's.
func (b *builder) unionAll(op string, parts []*query, marks []mark) (*unionRel, error) {
	first := parts[0]
	rel := &unionRel{}
	values := make([]expr.Expr, len(parts))
	for i, o := range first.out {
		null := false
		for k, p := range parts {
			null = null || b.cols[p.out[i].col].null
			values[k] = b.ref(p.out[i].col)
		}
		t, strength, err := expr.SetType(op, values...)
		if err != nil {
			return nil, err
		}
		rel.cols = append(rel.cols, b.newColumn(o.name, t, null))
		b.cols[rel.cols[i]].strength = strength
	}
	for _, m := range marks {
		rel.cols = append(rel.cols, b.newColumn(m.name, types.Int64Type, true))
	}
	for i, p := range parts {
		casts := make([]expr.Expr, len(p.out))
		exact := b.exactly(p, p.exprs)
		for k, o := range p.out {
			from, t := o.col, b.cols[rel.cols[k]].t
			if id := exact[from]; id > 0 && (t.IsFloat() || t.Kind == types.Decimal && t.Scale > b.cols[from].t.Scale) {
				from = id // the column has the digits
			}
			casts[k] = expr.CastTo(b.ref(from), t)
		}
		for _, m := range marks {
			casts = append(casts, m.values[i])
		}
		part, ids := b.extend(p.rel, casts)
		rel.parts = append(rel.parts, unionPart{part, ids})
	}
	return rel, nil
}

// mark is a column that tells a union's parts apart.
type mark struct {
	name   string
	values []expr.Expr // of each part
}

// unionItems are the columns of a set operation, named as its first part's.
func (b *builder) unionItems(rel *unionRel, first *query) []item {
	items := make([]item, len(first.out))
	for i, o := range first.out {
		items[i] = item{b.ref(rel.cols[i]), o.name}
	}
	return items
}

// compareSets is INTERSECT or EXCEPT: the rows of both parts are grouped, and
// counted by part. Grouping takes equal rows together as DISTINCT does, NULLs too.
func (b *builder) compareSets(op parse.SetOp, distinct bool, parts []*query) (logical, []item, error) {
	one, null := intLiteral(1), &expr.Literal{T: types.Int64Type}
	name := "EXCEPT"
	if op == parse.Intersect {
		name = "INTERSECT"
	}
	rel, err := b.unionAll(name, parts, []mark{{"left", []expr.Expr{one, null}}, {"right", []expr.Expr{null, one}}})
	if err != nil {
		return nil, nil, err
	}
	items := b.unionItems(rel, parts[0])
	g := &groupRel{in: rel}
	for _, it := range items {
		g.groupBy = append(g.groupBy, it.expr)
		g.groupCols = append(g.groupCols, it.expr.(*expr.Column).Index)
	}
	var counts []expr.Expr
	for _, c := range rel.cols[len(items):] {
		agg := &expr.Aggregate{Func: expr.Count, Args: []expr.Expr{b.ref(c)}, T: types.Int64Type}
		id := b.newColumn(agg.String(), agg.T, false)
		g.aggs, g.aggCols, counts = append(g.aggs, agg), append(g.aggCols, id), append(counts, b.ref(id))
	}
	left, right := counts[0], counts[1]
	compare := func(op expr.CompareOp, l, r expr.Expr) expr.Expr { return &expr.Compare{Op: op, L: l, R: r} }
	switch zero := intLiteral(0); {
	case op == parse.Intersect && distinct:
		return filtered(g, []expr.Expr{compare(expr.GT, left, zero), compare(expr.GT, right, zero)}), items, nil
	case op == parse.Intersect:
		fewer := &expr.Case{Whens: []expr.When{{Cond: compare(expr.LT, left, right), Then: left}}, Else: right, T: types.Int64Type}
		return &repeatRel{in: g, times: fewer}, items, nil
	case distinct:
		return filtered(g, []expr.Expr{compare(expr.GT, left, zero), compare(expr.EQ, right, zero)}), items, nil
	default:
		return &repeatRel{in: g, times: &expr.Arith{Op: expr.Sub, L: left, R: right, T: types.Int64Type}}, items, nil
	}
}

// valuesQuery binds VALUES ROW(…), ….
func (b *builder) valuesQuery(v *sqlparser.ValuesStatement, f *frame) (*query, error) {
	if len(v.Rows) == 0 {
		return nil, sqlerr.Unsupported("VALUES of a list argument")
	}
	s := &scope{b: b, frame: f, clause: "field list"}
	rows := make([][]expr.Expr, len(v.Rows))
	for i, tuple := range v.Rows {
		if len(tuple) != len(v.Rows[0]) {
			return nil, wrongRow(i)
		}
		for _, e := range tuple {
			bound, err := b.bind(e, s)
			if err != nil {
				return nil, err
			}
			rows[i] = append(rows[i], bound)
		}
	}
	rel, err := b.valuesRel(rows, len(v.Rows[0]))
	if err != nil {
		return nil, err
	}
	var items []item
	src := &source{}
	for i, id := range rel.cols {
		items = append(items, item{b.ref(id), b.cols[id].name})
		src.cols = append(src.cols, &sourceColumn{name: items[i].name, id: id})
	}
	order, err := b.orderBy(v.Order, &scope{b: b, frame: f, from: &from{visible: src.cols},
		clause: "order clause", items: items})
	if err != nil {
		return nil, err
	}
	return b.finish(rel, items, order, false, v.Limit, f)
}

// valuesRel returns rows of n values, converted to the types they have in common.
// Errors: sqlerr.IllegalMix.
func (b *builder) valuesRel(rows [][]expr.Expr, n int) (*valuesRel, error) {
	rel := &valuesRel{rows: rows}
	for k := range n {
		null := false
		values := make([]expr.Expr, len(rows))
		for i, row := range rows {
			values[i], null = row[k], null || row[k].Nullable()
		}
		t, strength, err := expr.SetType("VALUES", values...)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			row[k] = expr.CastTo(row[k], t)
		}
		rel.cols = append(rel.cols, b.newColumn(fmt.Sprintf("column_%d", k), t, null))
		b.cols[rel.cols[k]].strength = strength
	}
	return rel, nil
}

func wrongRow(i int) error {
	return sqlerr.WrongColumnCount.New("Column count doesn't match value count at row %d", i+1)
}
