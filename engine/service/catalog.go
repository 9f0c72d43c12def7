// Package service keeps the catalogue: namespaces and tables, and the statements
// that change them.
package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/txn"
)

// Catalog is the definitions of a database's namespaces and tables, kept in
// memory once read. It may be used from several goroutines at once.
type Catalog struct {
	db   *store.DB
	txns *txn.Manager

	// version rises with every change that may make plans out of date. It is
	// stored under mu only.
	version atomic.Uint64

	mu     sync.RWMutex // held exclusively while a change is committed
	tables map[name]*schema.Table
	// changed is the version that made a table's definition what it is, for
	// those that changed since the database was opened.
	changed map[uint32]uint64
	sizes   map[uint32]*size // of the tables that were used
	// onChange is told of tables of which much has changed since their
	// statistics were gathered; nil: nobody wants to know.
	onChange func(*schema.Table)
	// children are the tables with foreign keys to a table, for those asked for
	// since the last change.
	children map[name][]*schema.Table
}

type name struct{ namespace, table string }

var _ plan.Catalog = (*Catalog)(nil)

// New returns the catalogue of a database.
func New(db *store.DB, txns *txn.Manager) *Catalog {
	return &Catalog{
		db: db, txns: txns,
		tables:  map[name]*schema.Table{},
		changed: map[uint32]uint64{}, children: map[name][]*schema.Table{},
		sizes: map[uint32]*size{},
	}
}

// Sweep removes what a crash left half made. It is called before the catalogue
// is used.
func (c *Catalog) Sweep(ctx context.Context) error {
	return store.Sweep(ctx, c.db, func(tx *store.Tx, storage, index uint32) (bool, error) {
		t, err := withStorage(ctx, tx, storage)
		if err != nil || t == nil || index == 0 {
			return t != nil, err
		}
		return indexByID(t, index) != nil, nil
	})
}

// withStorage returns the table whose keys begin with a storage number, or nil.
func withStorage(ctx context.Context, tx *store.Tx, storage uint32) (found *schema.Table, err error) {
	err = sqlmeta.Tables.ScanAll(ctx, tx, func(r *sqlmeta.Table) error {
		t, err := sqlmeta.CurrentSchema(ctx, tx, r)
		if err == nil && t.StorageID() == storage {
			found = t
		}
		return err
	})
	return found, err
}

// Version returns a number that is another one after every change.
func (c *Catalog) Version() uint64 { return c.version.Load() }

// While calls f, such as to take a snapshot, if the catalogue is at version v,
// and keeps it there meanwhile. It reports whether it was.
func (c *Catalog) While(v uint64, f func() error) (bool, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.version.Load() != v {
		return false, nil
	}
	return true, f()
}

// ChangedSince reports whether t's definition is newer than version v.
func (c *Catalog) ChangedSince(t *schema.Table, v uint64) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.changed[t.ID] > v
}

// Table implements plan.Catalog.
func (c *Catalog) Table(ctx context.Context, namespace, table string) (*schema.Table, error) {
	if tables.IsSystem(namespace) {
		if t := tables.System(namespace, table); t != nil {
			return t, nil
		}
		return nil, noSuchTable(namespace, table)
	}
	if foreign(namespace) {
		return nil, sqlerr.Unsupported("the database %s", namespace)
	}
	n := name{namespace, table}
	c.mu.RLock()
	t := c.tables[n]
	c.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	// No change may come between reading the definition and keeping it.
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tables[n]; t != nil {
		return t, nil
	}
	tx, err := c.db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	if _, err := sqlmeta.NamespaceByName(ctx, tx, namespace); err != nil {
		return nil, err
	}
	r, err := sqlmeta.TableByName(ctx, tx, namespace, table)
	if err != nil {
		return nil, err
	}
	if t, err = sqlmeta.CurrentSchema(ctx, tx, r); err != nil {
		return nil, err
	}
	if c.sizes[t.ID] == nil {
		if c.sizes[t.ID], err = newSize(ctx, tx, t); err != nil {
			return nil, err
		}
	}
	c.tables[n] = t
	return t, nil
}

// foreign reports whether a namespace is one that MySQL has and Kalam does not:
// no other can have the name.
func foreign(namespace string) bool {
	switch strings.ToLower(namespace) {
	case "mysql", "performance_schema", "sys":
		return true
	}
	return false
}

func noSuchTable(namespace, table string) error {
	q := namespace + "." + table
	return sqlerr.NoSuchTable.New("Table '%s' doesn't exist", q).On(q)
}

// CheckNamespace returns sqlerr.BadDatabase when there is no such namespace.
func (c *Catalog) CheckNamespace(ctx context.Context, namespace string) error {
	if tables.IsSystem(namespace) {
		return nil
	}
	if foreign(namespace) {
		return sqlerr.Unsupported("the database %s", namespace)
	}
	return c.read(func(tx *store.Tx) error {
		_, err := sqlmeta.NamespaceByName(ctx, tx, namespace)
		return err
	})
}

// Namespaces returns the names of all namespaces in order.
func (c *Catalog) Namespaces(ctx context.Context) ([]string, error) {
	list := []string{tables.SystemNamespace, tables.InformationSchema}
	err := c.read(func(tx *store.Tx) error {
		return sqlmeta.Namespaces.ScanAll(ctx, tx, func(n *sqlmeta.Namespace) error {
			list = append(list, n.Name)
			return nil
		})
	})
	slices.Sort(list)
	return list, err
}

// TableNames returns the names of a namespace's tables in order.
func (c *Catalog) TableNames(ctx context.Context, namespace string) ([]string, error) {
	if tables.IsSystem(namespace) {
		return tables.SystemNames(namespace), nil
	}
	var list []string
	err := c.read(func(tx *store.Tx) error {
		records, err := tablesIn(ctx, tx, namespace)
		for _, r := range records {
			list = append(list, r.Name)
		}
		return err
	})
	return list, err
}

// tablesIn returns the records of a namespace's tables, by name.
func tablesIn(ctx context.Context, tx *store.Tx, namespace string) ([]*sqlmeta.Table, error) {
	if _, err := sqlmeta.NamespaceByName(ctx, tx, namespace); err != nil {
		return nil, err
	}
	var list []*sqlmeta.Table
	err := sqlmeta.TablesIn(ctx, tx, namespace, func(r *sqlmeta.Table) error {
		list = append(list, r)
		return nil
	})
	return list, err
}

// Created returns when a table was made, in UTC; zero when it is not stored.
func (c *Catalog) Created(ctx context.Context, t *schema.Table) (time.Time, error) {
	var at time.Time
	if t.Kind == schema.System {
		return at, nil
	}
	err := c.read(func(tx *store.Tx) error {
		r, err := sqlmeta.Tables.Get(ctx, tx, t.ID)
		if err == nil {
			at = r.Created
		}
		return err
	})
	return at, err
}

func (c *Catalog) read(f func(*store.Tx) error) error {
	tx, err := c.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Close()
	return f(tx)
}

// change changes the catalogue, and data with it, in one commit.
//
// stake returns the tables whose writers must be kept away; it is asked again
// once they are. apply makes the changes and returns the definitions that are
// out of date and those that are new.
func (c *Catalog) change(ctx context.Context, s Scope,
	stake func() ([]*schema.Table, error), apply func(*store.Tx) ([]*schema.Table, error)) error {
	tx := c.txns.Begin(txn.Options{TableWait: s.LockWait})
	defer tx.Rollback()
	if err := c.lock(ctx, tx, stake); err != nil {
		return err
	}
	if err := tx.Start(); err != nil {
		return err
	}
	touched, err := apply(tx.Store())
	if err != nil {
		return err
	}
	if tx.Store().Empty() {
		return nil
	}
	if _, err := sqlmeta.BumpCatalogVersion(ctx, tx.Store()); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := tx.Commit(ctx, s.Durability); err != nil {
		return err
	}
	clear(c.children)
	v := c.version.Add(1)
	for _, t := range touched {
		delete(c.tables, name{t.Namespace, t.Name})
		delete(c.sizes, t.ID)
		c.changed[t.ID] = v
	}
	return nil
}

// lock locks the tables that stake returns and those that foreign keys tie to
// them, then the catalogue. In a deadlock with writers it gives way and begins again.
func (c *Catalog) lock(ctx context.Context, tx *txn.Tx, stake func() ([]*schema.Table, error)) error {
	stakes := func() ([]*schema.Table, error) {
		list, err := stake()
		for _, t := range list {
			if err != nil {
				break
			}
			var more []*schema.Table
			more, err = c.tied(ctx, t)
			list = append(list, more...)
		}
		return slices.CompactFunc(slices.SortedFunc(slices.Values(list), byID), func(a, b *schema.Table) bool { return a.ID == b.ID }), err
	}
	for {
		ok, err := lockOnce(ctx, tx, stakes)
		if ok || err != nil && !errors.Is(err, sqlerr.LockDeadlock) {
			return err
		}
		tx.ReleaseLocks()
	}
}

// lockOnce reports whether what it has locked is what stakes returns.
func lockOnce(ctx context.Context, tx *txn.Tx, stakes func() ([]*schema.Table, error)) (bool, error) {
	list, err := stakes()
	if err != nil {
		return false, err
	}
	for _, t := range list {
		if err := tx.LockTable(ctx, t.ID, txn.Exclusive); err != nil {
			return false, err
		}
		if t.Storage == 0 {
			continue
		}
		// Locks of rows are by the number in their keys.
		if err := tx.LockTable(ctx, t.Storage, txn.Exclusive); err != nil {
			return false, err
		}
	}
	if err := tx.LockTable(ctx, catalogLock, txn.Exclusive); err != nil {
		return false, err
	}
	now, err := stakes()
	if err != nil {
		return false, err
	}
	same := len(now) == len(list)
	for _, t := range now {
		same = same && slices.ContainsFunc(list, func(x *schema.Table) bool { return x.ID == t.ID })
	}
	return same, nil
}

func byID(a, b *schema.Table) int { return cmp.Compare(a.ID, b.ID) }

// catalogLock is the table number that stands for the whole catalogue.
const catalogLock = 0

func noTables() ([]*schema.Table, error) { return nil, nil }
