package plan

import (
	"fmt"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// union binds a UNION: each part's columns are converted to the types that all
// parts have in common, and named as the first part's.
func (b *builder) union(u *sqlparser.Union, f *frame) (*query, error) {
	switch {
	case u.Into != nil:
		return nil, sqlerr.Unsupported("SELECT … INTO")
	case u.Lock != sqlparser.NoLock:
		return nil, sqlerr.Unsupported("FOR UPDATE and FOR SHARE with UNION")
	}
	parts, err := b.unionParts(u, f)
	if err != nil {
		return nil, err
	}
	first := parts[0]
	rel := &unionRel{}
	var items []item
	for i, o := range first.out {
		t, null := b.cols[o.col].t, b.cols[o.col].null
		for _, p := range parts[1:] {
			c := &b.cols[p.out[i].col]
			t, null = expr.CommonType(t, c.t), null || c.null
		}
		id := b.newColumn(o.name, t, null)
		rel.cols = append(rel.cols, id)
		items = append(items, item{b.ref(id), o.name})
	}
	for _, p := range parts {
		casts := make([]expr.Expr, len(p.out))
		for i, o := range p.out {
			casts[i] = expr.CastTo(b.ref(o.col), b.cols[rel.cols[i]].t)
		}
		part, ids := b.extend(p.rel, casts)
		rel.parts = append(rel.parts, unionPart{part, ids})
	}
	src := &source{}
	for i, o := range first.out {
		src.cols = append(src.cols, &sourceColumn{name: o.name, id: rel.cols[i]})
	}
	order, err := b.orderBy(u.OrderBy, &scope{b: b, frame: f, from: &from{visible: src.cols},
		clause: "order clause", items: items})
	if err != nil {
		return nil, err
	}
	var in logical = rel
	if u.Distinct {
		in = &distinctRel{in: rel, cols: rel.cols}
	}
	return b.finish(in, items, order, false, u.Limit, f)
}

// unionParts binds the parts of u; those of a UNION ALL at its left are u's own.
func (b *builder) unionParts(u *sqlparser.Union, f *frame) ([]*query, error) {
	// Long chains lean to the left: walk down instead of recursing.
	chain := []*sqlparser.Union{u}
	for {
		l, ok := chain[len(chain)-1].Left.(*sqlparser.Union)
		if !ok || l.Distinct != u.Distinct || len(l.OrderBy) > 0 || l.Limit != nil || l.With != nil || l.Into != nil || l.Lock != sqlparser.NoLock {
			break
		}
		chain = append(chain, l)
	}
	stmts := []sqlparser.TableStatement{chain[len(chain)-1].Left}
	for i := len(chain) - 1; i >= 0; i-- {
		stmts = append(stmts, chain[i].Right)
	}
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
	rel := b.valuesRel(rows, len(v.Rows[0]))
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
func (b *builder) valuesRel(rows [][]expr.Expr, n int) *valuesRel {
	rel := &valuesRel{rows: rows}
	for k := range n {
		t, null := rows[0][k].Type(), rows[0][k].Nullable()
		for _, row := range rows[1:] {
			t, null = expr.CommonType(t, row[k].Type()), null || row[k].Nullable()
		}
		for _, row := range rows {
			row[k] = expr.CastTo(row[k], t)
		}
		rel.cols = append(rel.cols, b.newColumn(fmt.Sprintf("column_%d", k), t, null))
	}
	return rel
}

func wrongRow(i int) error {
	return sqlerr.WrongColumnCount.New("Column count doesn't match value count at row %d", i+1)
}
