package engine

import (
	"context"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
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
