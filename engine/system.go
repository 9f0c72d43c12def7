package engine

import (
	"context"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/txn"
)

// writeSystem runs an INSERT, UPDATE or DELETE of a system table. Like the statements
// that it stands for, it commits an open transaction first and is one of its own.
func (s *Session) writeSystem(ctx context.Context, st *parse.Statement, args arguments) (r Result, set *resultSet, err error) {
	if err := s.writable(); err != nil {
		return r, nil, err
	}
	if err := s.commit(ctx); err != nil {
		return r, nil, err
	}
	scope := s.scope()
	if scope.Role, err = s.role(ctx); err != nil {
		return r, nil, err
	}
	err = s.engine.catalog.WriteSystem(ctx, scope, func(tx *txn.Tx, write tables.Writer) error {
		p, _, err := s.plan(ctx, st, args)
		if err != nil {
			return err
		}
		if p.Columns != nil {
			set = s.returned(p.Columns)
		}
		if err := s.mayUse(ctx, p.Plan); err != nil {
			return err
		}
		if err := checkSystemSets(st, p.Plan); err != nil {
			return err
		}
		t := &transaction{Tx: tx}
		x := s.newExecutable(ctx, t, args)
		open := x.rt.Table
		x.rt.Table = func(d *schema.Table) (store.Table, error) {
			if d != p.Writes {
				return open(d)
			}
			return tables.OpenSystem(d, tx.Store(), tables.Access{Live: s.engine.live.List, Write: write})
		}
		res, err := s.applyIn(ctx, st, t, p.Plan, x, set)
		r.RowsAffected = res.Affected
		return err
	})
	if err != nil && set != nil {
		set.close()
		set = nil
	}
	return r, set, err
}

// checkSystemSets refuses columns that an UPDATE of a system table cannot set, and
// constants that they cannot have, whatever rows there are.
func checkSystemSets(st *parse.Statement, p *plan.Plan) error {
	u, ok := p.Root.(*plan.Update)
	if !ok {
		return nil
	}
	for _, a := range u.Set {
		if err := tables.MaySet(u.Table, a.Column); err != nil {
			return err
		}
	}
	if ast, ok := st.AST.(*sqlparser.Update); ok {
		for _, e := range ast.Exprs {
			if l, ok := e.Expr.(*sqlparser.Literal); ok && l.Type == sqlparser.StrVal {
				if err := service.CheckSystemValue(u.Table, e.Name.Name.String(), l.Val); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
