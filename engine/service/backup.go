package service

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
)

// Export copies a namespace, or all for "", as it is at one moment, into an empty
// database. Numbers stay what they are.
func (c *Catalog) Export(ctx context.Context, to *store.DB, namespace string, step func(int64)) error {
	from, err := c.db.Begin()
	if err != nil {
		return err
	}
	defer from.Close()
	tx, err := to.Begin()
	if err != nil {
		return err
	}
	defer tx.Close()
	found := false
	err = sqlmeta.Namespaces.ScanAll(ctx, from, func(n *sqlmeta.Namespace) error {
		if namespace != "" && n.Name != namespace {
			return nil
		}
		found = true
		if err := sqlmeta.Namespaces.Insert(ctx, tx, n); err != nil {
			return err
		}
		records, err := tablesIn(ctx, from, n.Name)
		if err != nil {
			return err
		}
		for _, r := range records {
			t, err := sqlmeta.CurrentSchema(ctx, from, r)
			if err != nil {
				return err
			}
			if err := store.CopyTable(ctx, from, t, to, t.ID, step); err != nil {
				return err
			}
			if err := addTable(ctx, tx, r, copied(t, t.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !found && namespace != "" {
		return sqlerr.BadDatabase.New("Unknown database '%s'", namespace)
	}
	if err := sqlmeta.CopyCounters(ctx, from, tx); err != nil {
		return err
	}
	if err := sqlmeta.CopyTopics(ctx, from, tx, func(n string) bool { return namespace == "" || n == namespace }); err != nil {
		return err
	}
	if namespace == "" {
		if err := sqlmeta.CopyUsers(ctx, from, tx); err != nil {
			return err
		}
	}
	return tx.Commit(ctx, store.Sync, nil)
}

// addTable adds the records of a table that was copied.
func addTable(ctx context.Context, tx *store.Tx, r *sqlmeta.Table, t *schema.Table) error {
	store.Adopt(tx, t.ID)
	if err := sqlmeta.Tables.Insert(ctx, tx, r); err != nil {
		return err
	}
	if err := index(ctx, tx, nil, t); err != nil {
		return err
	}
	return sqlmeta.TableSchemas.Insert(ctx, tx, &sqlmeta.TableSchema{TableID: t.ID, Version: t.Version, Schema: t, Created: r.Updated})
}

// Restored tells what Import put in place of a namespace.
type Restored struct {
	Namespace string
	Tables    int
}

// Moved tells, within the commit of Import, what goes where.
type Moved struct {
	From, To *store.Tx
	// Tables are the new tables, by their numbers in the other database.
	Tables map[uint32]*schema.Table
	// Restored reports whether a namespace comes from the other database, Replaced whether what it
	// has here goes.
	Restored, Replaced func(namespace string) bool
}

// Import puts the namespaces of another database, or the one that is named, in
// the place of those here, all in one commit, which also is of what it does: until then, and
// when it fails, all is as it was. With all of them, namespaces that are not in the other
// database go, but for the default one, which is empty then.
func (c *Catalog) Import(ctx context.Context, s Scope, from *store.DB, namespace string, also func(Moved) error, step func(int64)) (list []Restored, err error) {
	src, err := from.Begin()
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var namespaces []*sqlmeta.Namespace
	var made []restored
	defer func() {
		if err != nil {
			for _, m := range made {
				store.Abandon(context.WithoutCancel(ctx), c.db, m.t.ID) // Sweep would, too
			}
		}
	}()
	err = sqlmeta.Namespaces.ScanAll(ctx, src, func(n *sqlmeta.Namespace) error {
		if namespace == "" || n.Name == namespace {
			namespaces = append(namespaces, n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if namespace != "" && len(namespaces) == 0 {
		return nil, sqlerr.BadDatabase.New("The backup has no database '%s'", namespace)
	}
	for _, n := range namespaces {
		records, err := tablesIn(ctx, src, n.Name)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			t, err := sqlmeta.CurrentSchema(ctx, src, r)
			if err != nil {
				return nil, err
			}
			id, err := c.newTableID(ctx, s)
			if err != nil {
				return nil, err
			}
			m := restored{r: r, t: copied(t, id), was: t.ID}
			m.r.ID = id
			made = append(made, m)
			if err := store.CopyTable(ctx, src, t, c.db, m.t.ID, step); err != nil {
				return nil, err
			}
		}
		list = append(list, Restored{n.Name, len(records)})
	}
	return list, c.replace(ctx, s, src, namespaces, made, namespace == "", also)
}

// restored is a table that was copied, under its new id.
type restored struct {
	r   *sqlmeta.Table
	t   *schema.Table
	was uint32 // its id in the other database
}

// copied returns the definition of what CopyTable made of a table.
func copied(t *schema.Table, id uint32) *schema.Table {
	c := copyOf(t)
	c.ID, c.Storage = id, 0
	return c
}

// newTableID gives out a table id that stays given out.
func (c *Catalog) newTableID(ctx context.Context, s Scope) (id uint32, err error) {
	err = c.change(ctx, s, noTables, func(tx *store.Tx) ([]*schema.Table, error) {
		id, err = sqlmeta.NextTableID(ctx, tx)
		return nil, err
	})
	return id, err
}

// replace puts tables that were copied in the place of those of their
// namespaces, and with all of those of other namespaces, too.
func (c *Catalog) replace(ctx context.Context, s Scope, src *store.Tx, namespaces []*sqlmeta.Namespace, made []restored, all bool, also func(Moved) error) error {
	named := func(name string) bool {
		return slices.ContainsFunc(namespaces, func(n *sqlmeta.Namespace) bool { return n.Name == name })
	}
	stake := func() ([]*schema.Table, error) {
		var list []*schema.Table
		names, _, err := c.AllTables(ctx, "", true)
		for _, n := range names {
			if err == nil && (all || named(n.Qualifier.String())) {
				var t *schema.Table
				t, err = c.Table(ctx, n.Qualifier.String(), n.Name.String())
				list = append(list, t)
			}
		}
		return list, err
	}
	return c.change(ctx, s, stake, func(tx *store.Tx) ([]*schema.Table, error) {
		var here []*sqlmeta.Namespace
		err := sqlmeta.Namespaces.ScanAll(ctx, tx, func(n *sqlmeta.Namespace) error {
			here = append(here, n)
			return nil
		})
		if err != nil {
			return nil, err
		}
		var touched []*schema.Table
		was := map[uint32]name{}
		for _, n := range here {
			if !all && !named(n.Name) {
				continue
			}
			records, err := tablesIn(ctx, tx, n.Name)
			if err != nil {
				return nil, err
			}
			for _, r := range records {
				t, err := c.drop(ctx, Scope{NoForeignKeys: true, restores: true}, tx, r, nil) // what comes instead may have rows that are referenced
				if err != nil {
					return nil, err
				}
				touched = append(touched, t)
				was[r.ID] = name{r.Namespace, r.Name}
			}
			if !named(n.Name) && n.Name != DefaultNamespace {
				if err := sqlmeta.Namespaces.Delete(ctx, tx, n.ID); err != nil {
					return nil, err
				}
				on := func(g *sqlmeta.Grant) bool { return g.Namespace == n.Name }
				if err := sqlmeta.RemoveGrants(ctx, tx, on); err != nil {
					return nil, err
				}
			}
		}
		for _, n := range namespaces {
			if slices.ContainsFunc(here, func(h *sqlmeta.Namespace) bool { return h.Name == n.Name }) {
				continue
			}
			if n.ID, err = sqlmeta.NextNamespaceID(ctx, tx); err != nil {
				return nil, err
			}
			if err := sqlmeta.Namespaces.Insert(ctx, tx, n); err != nil {
				return nil, err
			}
		}
		for _, m := range made {
			if err := addTable(ctx, tx, m.r, m.t); err != nil {
				return nil, err
			}
			touched, c.kept = append(touched, m.t), append(c.kept, m.t)
		}
		if err := moveGrants(ctx, tx, was, made); err != nil {
			return nil, err
		}
		moved := Moved{From: src, To: tx, Tables: map[uint32]*schema.Table{}, Restored: named,
			Replaced: func(n string) bool { return all || named(n) }}
		for _, m := range made {
			moved.Tables[m.was] = m.t
		}
		return touched, also(moved)
	})
}

// moveGrants gives the tables that were made what was granted on those of their names
// before.
func moveGrants(ctx context.Context, tx *store.Tx, was map[uint32]name, made []restored) error {
	var moved []sqlmeta.Grant
	err := sqlmeta.RemoveGrants(ctx, tx, func(g *sqlmeta.Grant) bool {
		n, ok := was[g.TableID]
		for _, m := range made {
			if ok && n == (name{m.t.Namespace, m.t.Name}) {
				to := *g
				to.TableID = m.t.ID
				moved = append(moved, to)
			}
		}
		return ok
	})
	for i := range moved {
		if err == nil {
			err = sqlmeta.PutGrant(ctx, tx, &moved[i])
		}
	}
	return err
}
