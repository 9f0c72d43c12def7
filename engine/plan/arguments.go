package plan

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Arguments yields rows of a statement's arguments, a column for each parameter.
type Arguments struct{ T []types.Type }

// Inputs returns nothing: the caller has the rows.
func (n *Arguments) Inputs() []Node { return nil }

// Types returns T.
func (n *Arguments) Types() []types.Type { return n.T }

// insertArguments plans INSERT … VALUES (…) for many rows of arguments.
func (b *builder) insertArguments(t *target, cols []int, rows sqlparser.Values) (Node, error) {
	if len(rows) != 1 {
		return nil, sqlerr.Unsupported("rows of arguments for VALUES of %d rows", len(rows))
	}
	if len(rows[0]) != len(cols) {
		return nil, wrongRow(0)
	}
	in := &phys{}
	binder := &expr.Binder{Scope: &scope{b: b, frame: &frame{}, clause: "field list"}, Params: b.o.Params, ZeroDates: b.o.ZeroDates}
	for _, t := range b.o.Params {
		id := b.newColumn("?", t, true)
		in.cols = append(in.cols, id)
		binder.Given = append(binder.Given, b.ref(id))
	}
	p := &Project{Input: &Arguments{T: slices.Clone(b.o.Params)}}
	seen := 0
	for k, e := range rows[0] {
		_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
			if _, ok := n.(*sqlparser.Argument); ok {
				seen++
			}
			return true, nil
		}, e)
		generated, err := generatedValue(t.rel.table, cols[k], e)
		if err != nil {
			return nil, err
		}
		if generated {
			e = &sqlparser.NullVal{}
		} else if e, err = b.withDefaults(e, t, cols[k]); err != nil {
			return nil, err
		}
		bound, err := binder.Bind(e)
		if err != nil {
			return nil, err
		}
		p.Exprs = append(p.Exprs, b.expr(expr.ForColumn(bound, t.rel.table.Columns[cols[k]].Type), in))
	}
	if seen != len(b.o.Params) {
		return nil, sqlerr.Unsupported("rows of arguments for parameters outside of VALUES")
	}
	return p, nil
}
