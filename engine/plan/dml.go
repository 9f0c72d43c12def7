package plan

import (
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// assignments binds SET's list; the values are over the rows of in.
func (b *builder) assignments(list sqlparser.UpdateExprs, to *target, s expr.Scope, in *phys) ([]Assignment, error) {
	var set []Assignment
	for _, u := range list {
		q := u.Name.Qualifier
		if !q.IsEmpty() && !to.from.sources[0].named(q) {
			return nil, sqlerr.UnknownColumn.New("Unknown column '%s' in 'field list'", nameText(u.Name)).In(u.Name.Name.String())
		}
		c, err := to.writable(u.Name.Name)
		if err != nil {
			return nil, err
		}
		generated, err := generatedValue(to.rel.table, c, u.Expr)
		if err != nil {
			return nil, err
		}
		if generated {
			continue
		}
		e, err := b.withDefaults(u.Expr, to, c)
		if err != nil {
			return nil, err
		}
		bound, err := (&expr.Binder{Scope: s, Params: b.o.Params, ZeroDates: b.o.ZeroDates}).Bind(e)
		if err != nil {
			return nil, err
		}
		set = append(set, Assignment{Column: c, Value: b.expr(expr.ForColumn(to.written(bound), to.rel.table.Columns[c].Type), in)})
	}
	return set, nil
}

// affected plans the rows that an UPDATE or DELETE changes: all columns.
func (b *builder) affected(to *target, where *sqlparser.Where, order sqlparser.OrderBy, limit *sqlparser.Limit) (Node, *phys, error) {
	fr, rel, f := to.from, to.rel, &frame{}
	var conds []expr.Expr
	var err error
	if where != nil {
		conds, err = b.conditions(where.Expr, &scope{b: b, frame: f, from: fr, clause: "where clause"})
		if err != nil {
			return nil, nil, err
		}
	}
	items, err := b.orderBy(order, &scope{b: b, frame: f, from: fr, clause: "order clause"})
	if err != nil {
		return nil, nil, err
	}
	if limit != nil && limit.Offset != nil {
		return nil, nil, sqlerr.Syntax.New("LIMIT of UPDATE and DELETE takes no offset")
	}
	q, err := b.finish(filtered(to.rows, conds), nil, items, false, limit, f)
	if err != nil {
		return nil, nil, err
	}
	in := &phys{}
	for i := range rel.table.Columns {
		in.cols = append(in.cols, rel.first+i)
	}
	return b.root(q.rel, in.cols).node, in, nil
}

func (b *builder) update(s *sqlparser.Update) (*Plan, error) {
	if err := b.define(s.With, &frame{}); err != nil {
		return nil, err
	}
	if !oneTable(s.TableExprs) {
		return b.multiUpdate(s)
	}
	needs := readsRows(rights.Update, append(valuesOf(s.Exprs), s.Where, s.OrderBy)...)
	to, err := b.target(s.TableExprs[0], "UPDATE", b.returns(needs))
	if err == nil {
		err = noEvents(to.rel.table)
	}
	if err != nil {
		return nil, err
	}
	defer b.forbid(to.rel.table)()
	n := &Update{Table: to.rel.table, Ignore: bool(s.Ignore)}
	input, in, err := b.affected(to, s.Where, s.OrderBy, s.Limit)
	if err == nil {
		err = to.noDeleted("UPDATE")
	}
	if err != nil {
		return nil, err
	}
	n.Input, n.Check = input, b.viewCheck(to)
	if n.Rules, err = b.rulesOf(n.Table); err != nil {
		return nil, err
	}
	n.Set, err = b.assignments(s.Exprs, to, &scope{b: b, frame: &frame{}, from: to.from, clause: "field list", written: true}, in)
	if err != nil {
		return nil, err
	}
	p := &Plan{Root: n, Writes: n.Table}
	if n.Returning, p.Columns, err = b.returning(to); err != nil {
		return nil, err
	}
	return b.spooled(p, &n.Input), nil
}

// oneTable reports whether a statement names a table alone.
func oneTable(list sqlparser.TableExprs) bool {
	te, ok := list[0].(*sqlparser.AliasedTableExpr)
	if ok {
		_, ok = te.Expr.(sqlparser.TableName)
	}
	return ok && len(list) == 1
}

func (b *builder) delete(s *sqlparser.Delete) (*Plan, error) {
	if err := b.define(s.With, &frame{}); err != nil {
		return nil, err
	}
	switch {
	case len(s.Partitions) > 0:
		return nil, sqlerr.Unsupported("PARTITION")
	case b.o.Restores && (len(s.Targets) > 0 || !oneTable(s.TableExprs) || bool(s.Ignore)):
		return nil, sqlerr.Unsupported("UNDELETE with IGNORE or several tables")
	case len(s.Targets) > 1 || !oneTable(s.TableExprs):
		return b.multiDelete(s)
	}
	to, err := b.target(s.TableExprs[0], "DELETE", b.returns(readsRows(rights.Delete, s.Where, s.OrderBy)))
	if err != nil {
		return nil, err
	}
	for _, target := range s.Targets {
		if !to.from.sources[0].named(target) {
			return nil, sqlerr.UnknownMultiTable.New("Unknown table '%s' in MULTI DELETE", target.Name.String())
		}
	}
	defer b.forbid(to.rel.table)()
	if b.o.Restores {
		return b.restore(s, to)
	}
	n := &Delete{Table: to.rel.table, Ignore: bool(s.Ignore)}
	if n.Input, _, err = b.affected(to, s.Where, s.OrderBy, s.Limit); err == nil {
		err = to.noDeleted("DELETE")
	}
	if err != nil {
		return nil, err
	}
	if n.Rules, err = b.rulesOf(n.Table); err != nil {
		return nil, err
	}
	p := &Plan{Root: n, Writes: n.Table}
	if n.Returning, p.Columns, err = b.returning(to); err != nil {
		return nil, err
	}
	return b.spooled(p, &n.Input), nil
}
