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

	"github.com/kalamgo/kalam/engine/jobs"
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
	jobs *jobs.Scheduler
	live LiveQueries
	// Of the change under way: queued tells that it has added jobs; checks are to pass
	// before it is committed, when no live query begins; gone are tables that are not
	// there any more afterwards, or kept under another number; kept are tables that
	// may be to keep changes for live queries from then on.
	queued     bool
	checks     []func() error
	gone, kept []*schema.Table
	// Pack is what of tables is packed in the background. It is changed before the
	// catalogue is used.
	Pack store.PackOptions

	// version rises with every change that may make plans out of date. It is
	// stored under mu only.
	version atomic.Uint64

	mu     sync.RWMutex // held exclusively while a change is committed
	tables map[name]*schema.Table
	// changed is the version that made a table's definition what it is, for
	// those that changed since the database was opened; but for indexes that came or
	// went, see young.go.
	changed map[uint32]uint64
	// young is the version since which a table has an index, youngest the last of
	// them all.
	young    map[uint32]map[uint32]uint64
	youngest atomic.Uint64
	sizes    map[uint32]*size // of the tables that were used
	// onChange is told of tables of which much has changed since their
	// statistics were gathered; nil: nobody wants to know.
	onChange  func(*schema.Table)
	retention retention
	people    people
	// children are the tables with foreign keys to a table, for those asked for
	// since the last change.
	children map[name][]*schema.Table
}

type name struct{ namespace, table string }

// LiveQueries are those that watch tables, whose definitions change.
type LiveQueries interface {
	// Drop and Alter return sqlerr.TableWatched when a table that is watched would be
	// dropped, or a column that is watched dropped or changed.
	Drop(t *schema.Table) error
	Alter(old, new *schema.Table) error
	// Gone ends the live queries of a table that was dropped or is kept under another
	// number now.
	Gone(t *schema.Table)
	// EndUser ends the live queries of a user who was dropped.
	EndUser(user string)
	// Keep sees to it that a table's changes are kept as its options say. Nobody writes the
	// table meanwhile.
	Keep(ctx context.Context, t *schema.Table) error
}

var _ plan.Catalog = (*Catalog)(nil)

// New returns the catalogue of a database. Its changes leave work to scheduler,
// which must not have been started yet.
func New(db *store.DB, txns *txn.Manager, scheduler *jobs.Scheduler, live LiveQueries) *Catalog {
	c := &Catalog{
		db: db, txns: txns, jobs: scheduler, live: live,
		tables:  map[name]*schema.Table{},
		changed: map[uint32]uint64{}, young: map[uint32]map[uint32]uint64{}, children: map[name][]*schema.Table{},
		sizes: map[uint32]*size{},
	}
	scheduler.Register(jobs.Kind{Name: dropTableJob, Required: true, Run: c.removeDropped})
	scheduler.Register(jobs.Kind{Name: forgetJob, Required: true, Run: c.removeRows})
	c.startRetention(scheduler)
	c.startPacking(scheduler)
	c.startCompaction(scheduler)
	return c
}

// Sweep removes what a crash left half made. It is called before the catalogue is
// used.
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

// Stored returns the tables that have rows of their own.
func (c *Catalog) Stored(ctx context.Context) (list []*schema.Table, err error) {
	err = c.eachStored(ctx, func(_ *store.Tx, t *schema.Table) error {
		list = append(list, t)
		return nil
	})
	return list, err
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

// History returns the versions of a table's definition that are kept, the first one
// first; none of a table that is not stored.
func (c *Catalog) History(ctx context.Context, t *schema.Table) (list []*sqlmeta.TableSchema, err error) {
	if t.Kind == schema.System {
		return nil, nil
	}
	id := sqlmeta.Bound{t.ID}
	err = c.read(func(tx *store.Tx) error {
		return sqlmeta.TableSchemas.Scan(ctx, tx, id, id, func(v *sqlmeta.TableSchema) error {
			list = append(list, v)
			return nil
		})
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
	tx := c.txns.Begin(txn.Options{TableWait: s.LockWait, Under: s.Locks})
	defer tx.Rollback()
	if err := c.lockDefinitions(ctx, tx, stake); err != nil {
		return err
	}
	if err := c.lockTables(ctx, tx, stake); err != nil {
		return err
	}
	return c.commitChange(ctx, tx, s, apply)
}

// commitChange is change in a transaction that has the locks.
func (c *Catalog) commitChange(ctx context.Context, tx *txn.Tx, s Scope, apply func(*store.Tx) ([]*schema.Table, error)) error {
	if err := tx.Start(); err != nil {
		return err
	}
	c.queued, c.checks, c.gone, c.kept = false, nil, nil, nil // the catalogue is locked
	touched, err := apply(tx.Store())
	if err != nil {
		return err
	}
	if tx.Store().Empty() {
		return nil
	}
	return c.publish(ctx, s, tx, touched)
}

// publish commits a change of the catalogue that makes definitions out of date.
func (c *Catalog) publish(ctx context.Context, s Scope, tx *txn.Tx, touched []*schema.Table) error {
	if _, err := sqlmeta.BumpCatalogVersion(ctx, tx.Store()); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	queued, gone, kept := c.queued, c.gone, c.kept
	for _, check := range c.checks {
		if err := check(); err != nil {
			return err
		}
	}
	if err := tx.Commit(ctx, s.Durability); err != nil {
		return err
	}
	if queued {
		defer c.jobs.Wake()
	}
	for _, t := range gone {
		c.live.Gone(t)
	}
	for _, t := range kept {
		if err := c.live.Keep(ctx, t); err != nil {
			s.Warn(err)
		}
	}
	clear(c.children)
	c.people.changed()
	v := c.version.Add(1)
	c.noteChanges(touched, v)
	return nil
}

// changeRecords changes records that no plan depends on, those of users and their
// kin, in one commit.
func (c *Catalog) changeRecords(ctx context.Context, s Scope, apply func(*store.Tx) error) error {
	tx := c.txns.Begin(txn.Options{TableWait: s.LockWait, Under: s.Locks})
	defer tx.Rollback()
	if err := tx.LockTable(ctx, catalogLock, txn.Exclusive); err != nil {
		return err
	}
	if err := tx.Start(); err != nil {
		return err
	}
	c.queued = false // the catalogue is locked
	if err := apply(tx.Store()); err != nil || tx.Store().Empty() {
		return err
	}
	return c.commitRecords(ctx, s, tx)
}

// commitRecords commits a change of records.
func (c *Catalog) commitRecords(ctx context.Context, s Scope, tx *txn.Tx) error {
	queued := c.queued
	if err := tx.Commit(ctx, s.Durability); err != nil {
		return err
	}
	c.people.changed()
	if queued {
		c.jobs.Wake()
	}
	return nil
}

// lockDefinitions keeps others from changing the tables that stake returns and
// those that foreign keys tie to them. Rows can still be written.
func (c *Catalog) lockDefinitions(ctx context.Context, tx *txn.Tx, stake func() ([]*schema.Table, error)) error {
	return c.lock(ctx, tx, stake, func(t *schema.Table) error { return tx.LockDefinition(ctx, t.ID) }, nil)
}

// lockTables locks the same tables as a whole, then the catalogue.
func (c *Catalog) lockTables(ctx context.Context, tx *txn.Tx, stake func() ([]*schema.Table, error)) error {
	return c.lock(ctx, tx, stake, func(t *schema.Table) error {
		err := tx.LockTable(ctx, t.ID, txn.Exclusive)
		if err == nil && t.Storage != 0 { // locks of rows are by the number in their keys
			err = tx.LockTable(ctx, t.Storage, txn.Exclusive)
		}
		return err
	}, func() error { return tx.LockTable(ctx, catalogLock, txn.Exclusive) })
}

// lock calls one for each table that stake returns and those that foreign keys tie to
// them, and then last, until it has got the locks of all that are concerned then. In a
// deadlock with writers it gives way and begins again.
func (c *Catalog) lock(ctx context.Context, tx *txn.Tx, stake func() ([]*schema.Table, error), one func(*schema.Table) error, last func() error) error {
	held := tx.Locks()
	for {
		ok, err := c.lockOnce(ctx, stake, one, last)
		if ok || err != nil && !errors.Is(err, sqlerr.LockDeadlock) {
			return err
		}
		tx.ReleaseLocks(held)
	}
}

// lockOnce reports whether what it has locked is what is concerned now.
func (c *Catalog) lockOnce(ctx context.Context, stake func() ([]*schema.Table, error), one func(*schema.Table) error, last func() error) (bool, error) {
	list, err := c.stakes(ctx, stake)
	if err != nil {
		return false, err
	}
	for _, t := range list {
		if err := one(t); err != nil {
			return false, err
		}
	}
	if last != nil {
		if err := last(); err != nil {
			return false, err
		}
	}
	now, err := c.stakes(ctx, stake)
	return slices.EqualFunc(now, list, func(a, b *schema.Table) bool { return a.ID == b.ID && a.Storage == b.Storage }), err
}

// stakes returns the tables that stake returns and those tied to them, by their ids.
func (c *Catalog) stakes(ctx context.Context, stake func() ([]*schema.Table, error)) ([]*schema.Table, error) {
	list, err := stake()
	for _, t := range list {
		if err != nil {
			return nil, err
		}
		var more []*schema.Table
		more, err = c.tied(ctx, t)
		list = append(list, more...)
	}
	slices.SortFunc(list, byID)
	return slices.CompactFunc(list, func(a, b *schema.Table) bool { return a.ID == b.ID }), err
}

func byID(a, b *schema.Table) int { return cmp.Compare(a.ID, b.ID) }

// catalogLock is the table number that stands for the whole catalogue.
const catalogLock = 0

func noTables() ([]*schema.Table, error) { return nil, nil }
