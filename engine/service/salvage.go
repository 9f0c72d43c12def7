package service

import (
	"context"
	"fmt"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Salvage copies the tables of a damaged database, as far as they can be read, to an
// empty one. It reports tables that are lost, and returns how many were copied. Their
// indexes have yet to be repaired.
func Salvage(ctx context.Context, from, to *store.DB, report func(what string)) (tables int, err error) {
	src, err := from.Begin()
	if err != nil {
		return 0, err
	}
	defer src.Close()
	var records []*sqlmeta.Table
	err = sqlmeta.Tables.ScanAll(ctx, src, func(r *sqlmeta.Table) error {
		records = append(records, r)
		return nil
	})
	if err := lost(err, "the list of tables", report); err != nil {
		return 0, err
	}
	namespaces := map[string]bool{}
	for _, r := range records {
		err := salvageTable(ctx, src, to, r, namespaces, report)
		if err == nil {
			tables++
		} else if err := lost(err, "table "+r.Namespace+"."+r.Name, report); err != nil {
			return tables, err
		}
	}
	for _, rest := range []struct {
		what string
		copy func(tx *store.Tx) error
	}{
		{"the list of users and grants", func(tx *store.Tx) error { return sqlmeta.CopyUsers(ctx, src, tx) }},
		{"the list of topics", func(tx *store.Tx) error {
			return sqlmeta.CopyTopics(ctx, src, tx, func(string) bool { return true })
		}},
	} {
		if err := lost(commitTo(ctx, to, rest.copy), rest.what, report); err != nil {
			return tables, err
		}
	}
	return tables, commitTo(ctx, to, func(tx *store.Tx) error { return sqlmeta.CopyCounters(ctx, src, tx) })
}

// lost reports what can't be read, and returns errors of another kind.
func lost(err error, what string, report func(string)) error {
	e := sqlerr.As(err)
	if err == nil || e == nil || e.Kind == sqlerr.Interrupted || e.Kind == sqlerr.DiskFull || e.Kind == sqlerr.Closed {
		return err
	}
	report(fmt.Sprintf("%s is lost: %v", what, err))
	return nil
}

// salvageTable copies a table, and makes its namespace.
func salvageTable(ctx context.Context, src *store.Tx, to *store.DB, r *sqlmeta.Table, namespaces map[string]bool, report func(string)) error {
	t, err := sqlmeta.CurrentSchema(ctx, src, r)
	if err != nil {
		return err
	}
	if err := store.CopyTable(ctx, src, t, to, t.ID, nil); err != nil {
		return err
	}
	newest, err := store.RowsVersion(ctx, src, t)
	if err != nil {
		return err
	}
	t = copied(t, t.ID)
	if newest > t.Version { // columns that it does not know are left out
		report(fmt.Sprintf("table %s: the definition that is readable is of version %d, and rows are of version %d", t.QualifiedName(), t.Version, newest))
		t.Version = newest + 1
		r.SchemaVersion = t.Version
	}
	return commitTo(ctx, to, func(tx *store.Tx) error {
		if !namespaces[r.Namespace] {
			id := uint32(len(namespaces) + 1)
			n := &sqlmeta.Namespace{ID: id, Name: r.Namespace, Created: r.Created, Updated: time.Now().UTC()}
			if err := sqlmeta.Namespaces.Insert(ctx, tx, n); err != nil {
				return err
			}
			namespaces[r.Namespace] = true
		}
		return addTable(ctx, tx, r, t)
	})
}

func commitTo(ctx context.Context, to *store.DB, f func(*store.Tx) error) error {
	tx, err := to.Begin()
	if err != nil {
		return err
	}
	defer tx.Close()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit(ctx, store.Sync, nil)
}

// CountRows returns how many rows a table has, of all users.
func (c *Catalog) CountRows(ctx context.Context, table sqlparser.TableName) (n int64, err error) {
	t, err := c.Table(ctx, table.Qualifier.String(), table.Name.String())
	if err != nil || t.Kind == schema.Viewed {
		return 0, err
	}
	err = c.read(func(tx *store.Tx) error {
		sc := tx.AllUsers(t).Scan(store.ScanRequest{})
		defer sc.Close()
		b, users := types.NewBatch(nil), types.NewVector(types.BytesType, types.BatchRows)
		for {
			if err := sc.Next(ctx, b, users); err != nil || b.Len == 0 {
				return err
			}
			n += int64(b.Len)
		}
	})
	return n, err
}
