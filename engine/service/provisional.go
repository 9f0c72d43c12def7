package service

import (
	"context"
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// A provisional table has a number and can be written, but the catalogue does not know
// it. It is a session's temporary table, or one that is filled by the query of its CREATE
// TABLE before all can see it. Opening the database removes those that a crash left.

// Exists reports whether a table that n is to make is there: a note if n says IF NOT
// EXISTS, else an error.
func (c *Catalog) Exists(ctx context.Context, s Scope, n *parse.CreateTable) (there bool, err error) {
	at, err := s.name(n.Table)
	if err != nil {
		return false, err
	}
	err = c.read(func(tx *store.Tx) error {
		there, err = exists(ctx, s, tx, at, n)
		return err
	})
	return there, err
}

// Provisional makes a provisional table of a CREATE TABLE, whose query has the selected
// columns.
func (c *Catalog) Provisional(ctx context.Context, s Scope, n *parse.CreateTable, selected []schema.Column) (*schema.Table, error) {
	at, err := s.name(n.Table)
	if err == nil {
		err = c.CheckNamespace(ctx, at.namespace)
	}
	if err != nil {
		return nil, err
	}
	var t *schema.Table
	if n.OptLike != nil {
		t, err = c.copied(ctx, s, at, n)
	} else {
		t, err = c.defined(ctx, s, at, n, selected)
	}
	if err != nil {
		return nil, err
	}
	if err := checkProvisional(n.CreateTable, t.Kind, len(n.Options) > 0); err != nil {
		return nil, err
	}
	if t.Temporary = n.Temp; n.Temp {
		t.Options = schema.Options{} // of LIKE's table
	}
	err = c.changeRecords(ctx, s, func(tx *store.Tx) error {
		if t.ID, err = sqlmeta.NextTableID(ctx, tx); err != nil {
			return err
		}
		store.Provisional(tx, t.ID)
		return checkStorage(ctx, tx, t)
	})
	if err != nil {
		return nil, err
	}
	known := &size{table: t}
	known.told.Store(true) // nobody gathers statistics
	c.mu.Lock()
	c.sizes[t.ID] = known
	c.mu.Unlock()
	return t, nil
}

// checkProvisional refuses provisional tables with what only the catalogue's can have.
func checkProvisional(n *sqlparser.CreateTable, kind schema.TableKind, options bool) error {
	switch {
	case n.Temp && kind != schema.Shared:
		return sqlerr.Unsupported("CREATE TEMPORARY TABLE of a user or stream table")
	case n.Temp && options:
		return sqlerr.Unsupported("WITH of a temporary table")
	case n.Temp && n.TableSpec != nil && hasForeignKeys(n.TableSpec):
		return sqlerr.Unsupported("FOREIGN KEY of a temporary table")
	case n.Select != nil && kind != schema.Shared:
		return sqlerr.Unsupported("CREATE TABLE ... SELECT of a user or stream table")
	}
	return nil
}

func hasForeignKeys(spec *sqlparser.TableSpec) bool {
	return len(columnReferences(spec.Columns)) > 0 || slices.ContainsFunc(spec.Constraints, func(c *sqlparser.ConstraintDefinition) bool {
		_, is := c.Details.(*sqlparser.ForeignKeyDefinition)
		return is
	})
}

// Adopt puts a provisional table into the catalogue. It reports false if there is one of
// the name already, and n says IF NOT EXISTS.
func (c *Catalog) Adopt(ctx context.Context, s Scope, t *schema.Table, n *parse.CreateTable) (adopted bool, err error) {
	at := name{t.Namespace, t.Name}
	stake := func() ([]*schema.Table, error) { return c.created(ctx, at, n.TableSpec) }
	err = c.change(ctx, s, stake, func(tx *store.Tx) ([]*schema.Table, error) {
		if there, err := exists(ctx, s, tx, at, n); there || err != nil {
			return nil, err
		}
		adopted = true
		store.Adopt(tx, t.ID)
		return []*schema.Table{t}, c.record(ctx, s, tx, t)
	})
	if err != nil {
		return false, err
	}
	if adopted {
		c.mu.Lock()
		delete(c.sizes, t.ID) // it is counted when it is used
		c.mu.Unlock()
	}
	return adopted, nil
}

// Empty removes the rows of a provisional table.
func (c *Catalog) Empty(ctx context.Context, t *schema.Table) error {
	tx := c.txns.Begin(txn.Options{})
	defer tx.Rollback()
	if err := tx.Start(); err != nil {
		return err
	}
	if err := store.TruncateTable(ctx, tx.Store(), t); err != nil {
		return err
	}
	c.mu.Lock()
	c.sizes[t.ID].rows.Store(0)
	c.mu.Unlock()
	return tx.Commit(ctx, store.NoSync)
}

// Abandon removes a provisional table.
func (c *Catalog) Abandon(ctx context.Context, t *schema.Table) error {
	c.mu.Lock()
	delete(c.sizes, t.ID)
	c.mu.Unlock()
	return store.Abandon(ctx, c.db, t.ID)
}
