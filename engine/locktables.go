package engine

import (
	"cmp"
	"context"
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/txn"
)

// lockedTables are those of LOCK TABLES: others may not write them, and the session may
// use no others. Who reads needs no lock.
type lockedTables struct {
	tx    *txn.Tx // it has the locks; statements' transactions are under it
	names []lockedName
}

type lockedName struct {
	table *schema.Table
	write bool
}

// locks returns the transaction that has the locks of LOCK TABLES, or nil.
func (s *Session) locks() *txn.Tx {
	if s.locked == nil {
		return nil
	}
	return s.locked.tx
}

// lockTables runs LOCK TABLES, which ends the transaction and gives back the locks that
// the session has.
func (s *Session) lockTables(ctx context.Context, n *sqlparser.LockTables) error {
	if err := s.commit(ctx); err != nil {
		return err
	}
	s.unlockTables()
	all := &lockedTables{}
	for _, t := range n.Tables {
		if err := s.nameLocked(ctx, all, t); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all.names, func(a, b lockedName) int { return cmp.Compare(a.table.ID, b.table.ID) })
	all.tx = s.engine.txns.Begin(txn.Options{TableWait: s.tableWait})
	for _, l := range all.names {
		if err := all.tx.LockTable(ctx, l.table.ID, txn.Exclusive); err != nil {
			all.tx.Rollback()
			return err
		}
	}
	s.locked = all
	return nil
}

// nameLocked adds the tables that one of LOCK TABLES' names means.
func (s *Session) nameLocked(ctx context.Context, all *lockedTables, t *sqlparser.TableAndLockType) error {
	at, ok := t.Table.(*sqlparser.AliasedTableExpr)
	if !ok {
		return sqlerr.Unsupported("LOCK TABLES of %s", sqlparser.String(t.Table))
	}
	name, ok := at.Expr.(sqlparser.TableName)
	if !ok {
		return sqlerr.Unsupported("LOCK TABLES of %s", sqlparser.String(at.Expr))
	}
	if s.temporary(s.qualifier(name), name.Name.String()) != nil {
		return nil // nobody else has it
	}
	d, err := s.table(ctx, name, "")
	if err != nil {
		return err
	}
	write := t.Lock == sqlparser.Write || t.Lock == sqlparser.LowPriorityWrite
	switch d.Kind {
	case schema.System:
		return nil
	case schema.Viewed:
		return sqlerr.Unsupported("LOCK TABLES of a view")
	}
	needs := rights.Select
	if write {
		needs = rights.Insert | rights.Update | rights.Delete
	}
	if has, err := s.may(ctx, d, needs); err != nil {
		return err
	} else if !has {
		return rights.Denied(needs, s.user, d)
	}
	all.names = append(all.names, lockedName{d, write})
	return nil
}

// unlockTables gives back the locks of LOCK TABLES.
func (s *Session) unlockTables() {
	if s.locked != nil {
		s.locked.tx.Rollback()
		s.locked = nil
	}
}

// withinLocked returns an error where a plan uses tables that LOCK TABLES, if the session
// has run it, does not name, or writes one that is locked for reading. Triggers and
// foreign keys may go further.
func (s *Session) withinLocked(p *plan.Plan) error {
	if s.locked == nil {
		return nil
	}
	for _, t := range p.Tables {
		if t.Kind == schema.System || t.Kind == schema.Viewed || t.Temporary || slices.Contains(p.Tied, t) || t == s.making {
			continue
		}
		found, write := false, false
		for _, l := range s.locked.names {
			if l.table.ID == t.ID {
				found, write = true, write || l.write
			}
		}
		switch {
		case !found:
			return sqlerr.TableNotLocked.New("Table '%s' was not locked with LOCK TABLES", t.Name).On(t.QualifiedName())
		case !write && p.Writes != nil && t.ID == p.Writes.ID:
			return sqlerr.TableReadLocked.New("Table '%s' was locked with a READ lock and can't be updated", t.Name).On(t.QualifiedName())
		}
	}
	return nil
}
