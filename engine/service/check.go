package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
)

// Message is a row of what CHECK TABLE and REPAIR TABLE return.
type Message struct {
	Table, Type, Text string
}

// The types of messages.
const (
	msgError  = "error"
	msgNote   = "note"
	msgInfo   = "info"
	msgStatus = "status"
)

// maxProblems is how many problems of a table are told one by one.
const maxProblems = 200

// problems collects those of a table.
type problems struct {
	list []store.Problem
	more int
}

func (p *problems) add(one store.Problem) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, one)
	} else {
		p.more++
	}
}

func (p *problems) messages(table, kind string) []Message {
	var list []Message
	for _, one := range p.list {
		list = append(list, Message{table, kind, one.String()})
	}
	if p.more > 0 {
		list = append(list, Message{table, kind, fmt.Sprintf("There are %d more problems", p.more)})
	}
	return list
}

// CheckTable looks for everything that can be wrong with a table and returns
// what it found, a status last. The error is that of a check that could not be
// made, such as sqlerr.Interrupted.
func (c *Catalog) CheckTable(ctx context.Context, s Scope, table sqlparser.TableName, o store.CheckOptions) ([]Message, error) {
	n, t, failed := c.subject(ctx, s, table)
	if failed != nil {
		return failed, nil
	}
	var found problems
	err := c.check(ctx, t, o, &found)
	list := found.messages(n, msgError)
	if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.Corrupt {
		list, err = append(list, Message{n, msgError, e.Message}), nil
	}
	if err != nil {
		return nil, err
	}
	if len(list) == 0 && !o.Quick {
		if list, err = c.checkConstraints(ctx, s, n, t); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(list, func(m Message) bool { return m.Type == msgError }) {
		return append(list, Message{n, msgError, "Corrupt"}), nil
	}
	return append(list, Message{n, msgStatus, "OK"}), nil
}

// checkConstraints finds out whether a table's rows satisfy its CHECKs and foreign
// keys, which foreign_key_checks=0 may have let them not.
func (c *Catalog) checkConstraints(ctx context.Context, s Scope, n string, t *schema.Table) (list []Message, err error) {
	err = c.read(func(tx *store.Tx) error {
		r, err := sqlmeta.Tables.Get(ctx, tx, t.ID)
		if err != nil {
			return err
		}
		if t, err = sqlmeta.CurrentSchema(ctx, tx, r); err != nil {
			return err
		}
		// told makes a message of what is wrong with rows.
		told := func(err error) error {
			e := sqlerr.As(err)
			if e == nil || e.Kind != sqlerr.CheckViolated && e.Kind != sqlerr.NoReferencedRow {
				return err
			}
			list = append(list, Message{n, msgError, e.Message})
			return nil
		}
		for i := range t.Checks {
			if one := &t.Checks[i]; !one.NotEnforced {
				if err := told(s.checkRows(ctx, tx, t, []*schema.Check{one})); err != nil {
					return err
				}
			}
		}
		for i := range t.ForeignKeys {
			def := &t.ForeignKeys[i]
			r, err := sqlmeta.TableByName(ctx, tx, def.Namespace, def.Table)
			if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.NoSuchTable {
				list = append(list, Message{n, msgNote, e.Message})
				continue
			}
			if err != nil {
				return err
			}
			parent, err := sqlmeta.CurrentSchema(ctx, tx, r)
			if err != nil {
				return err
			}
			fk := plan.NewForeignKey(t, parent, def)
			check := func(user string) error {
				return told(tables.CheckReferences(ctx, tx.Rows(t, user), tx.Rows(parent, user), fk))
			}
			if t.Kind == schema.Shared {
				err = check("")
			} else {
				err = tx.AllUsers(t).Users(ctx, check)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// AllTables returns the tables of a namespace, with views if they are asked for. For
// "" it returns those of all, and messages about keys that belong to no table.
func (c *Catalog) AllTables(ctx context.Context, namespace string, views bool) (list []sqlparser.TableName, rest []Message, err error) {
	err = c.read(func(tx *store.Tx) error {
		if namespace != "" {
			if _, err := sqlmeta.NamespaceByName(ctx, tx, namespace); err != nil {
				return err
			}
		}
		ids := map[uint32]bool{}
		err := sqlmeta.Tables.ScanAll(ctx, tx, func(r *sqlmeta.Table) error {
			t, err := sqlmeta.CurrentSchema(ctx, tx, r)
			if err != nil {
				return err
			}
			ids[t.ID], ids[t.StorageID()] = true, true // sequences go by the former
			if (namespace == "" || r.Namespace == namespace) && (views || r.Kind != schema.Viewed) {
				list = append(list, sqlparser.TableName{Name: sqlparser.NewIdentifierCS(r.Name), Qualifier: sqlparser.NewIdentifierCS(r.Namespace)})
			}
			return nil
		})
		if err != nil || namespace != "" {
			return err
		}
		err = dropped(ctx, tx, func(t *schema.Table) { ids[t.ID], ids[t.StorageID()] = true, true })
		if err != nil {
			return err
		}
		return store.Strays(ctx, tx, ids, func(table uint32) error {
			rest = append(rest, Message{"", msgError, fmt.Sprintf("There are keys of table number %d, which does not exist", table)})
			return nil
		})
	})
	slices.SortFunc(list, func(a, b sqlparser.TableName) int {
		return cmp.Or(cmp.Compare(a.Qualifier.String(), b.Qualifier.String()), cmp.Compare(a.Name.String(), b.Name.String()))
	})
	return list, rest, err
}

// subject finds the table that a statement means. failed tells, as MySQL does,
// why there is none.
func (c *Catalog) subject(ctx context.Context, s Scope, table sqlparser.TableName) (n string, t *schema.Table, failed []Message) {
	at, err := s.source(table)
	n = at.namespace + "." + at.table
	if err == nil && tables.IsSystem(at.namespace) {
		return n, nil, []Message{{n, msgNote, "The storage engine for the table doesn't support this"}}
	}
	if err == nil {
		t, err = c.base(ctx, at)
	}
	if err != nil {
		text := err.Error()
		if e := sqlerr.As(err); e != nil {
			text = e.Message
		}
		return n, nil, []Message{{n, "Error", text}, {n, msgStatus, "Operation failed"}}
	}
	return n, t, nil
}

// check checks a table as it is now.
func (c *Catalog) check(ctx context.Context, t *schema.Table, o store.CheckOptions, found *problems) error {
	return c.read(func(tx *store.Tx) error {
		r, err := sqlmeta.Tables.Get(ctx, tx, t.ID)
		if err != nil {
			return err
		}
		// The definition may have changed meanwhile.
		if t, err = sqlmeta.CurrentSchema(ctx, tx, r); err != nil {
			return err
		}
		o.Report = found.add
		_, err = store.Check(ctx, tx, t, o)
		return err
	})
}

// RepairTable makes a table whole as far as it can be: rows that can't be read,
// or have a unique key twice, are set aside, indexes with wrong entries are built anew.
func (c *Catalog) RepairTable(ctx context.Context, s Scope, table sqlparser.TableName) ([]Message, error) {
	n, t, failed := c.subject(ctx, s, table)
	if failed != nil {
		return failed, nil
	}
	at := name{t.Namespace, t.Name}
	var before, done problems
	if err := c.check(ctx, t, store.CheckOptions{Extended: true}, &before); err != nil {
		return c.unrepaired(n, nil, err)
	}
	if len(before.list) == 0 {
		return []Message{{n, msgStatus, "OK"}}, nil
	}
	err := c.change(ctx, s, c.one(ctx, at), func(*store.Tx) ([]*schema.Table, error) {
		t, err := c.Table(ctx, at.namespace, at.table)
		if err == nil {
			err = c.db.RestoreSegments(ctx, t, done.add)
		}
		return nil, err
	})
	if err != nil {
		return c.unrepaired(n, nil, err)
	}
	err = c.change(ctx, s, c.one(ctx, at), func(tx *store.Tx) ([]*schema.Table, error) {
		t, err := c.Table(ctx, at.namespace, at.table)
		if err != nil {
			return nil, err
		}
		if err := store.SetAside(ctx, tx, t, done.add); err != nil {
			return nil, err
		}
		if err := store.RaiseSequences(ctx, tx, t); err != nil {
			return nil, err
		}
		return []*schema.Table{t}, store.DropLeftovers(ctx, tx, t)
	})
	if err == nil {
		err = c.rebuild(ctx, s, at, &before, &done)
	}
	if err != nil {
		return c.unrepaired(n, done.messages(n, msgInfo), err)
	}
	list := done.messages(n, msgInfo)
	var after problems
	if err := c.check(ctx, t, store.CheckOptions{}, &after); err != nil {
		return c.unrepaired(n, list, err)
	}
	if len(after.list) > 0 {
		list = append(list, after.messages(n, msgError)...)
		return append(list, Message{n, msgStatus, "Operation failed"}), nil
	}
	return append(list, Message{n, msgStatus, "OK"}), nil
}

func (c *Catalog) unrepaired(n string, list []Message, err error) ([]Message, error) {
	e := sqlerr.As(err)
	if e == nil || e.Kind != sqlerr.Corrupt {
		return nil, err
	}
	return append(list, Message{n, msgError, e.Message}, Message{n, msgStatus, "Operation failed"}), nil
}

// rebuild makes the indexes that problems are about anew, under new numbers, so
// that nobody sees one half made. Rows that have a unique key twice are set
// aside on the way.
func (c *Catalog) rebuild(ctx context.Context, s Scope, at name, found, done *problems) error {
	for {
		var twice *store.Conflict
		err := c.change(ctx, s, c.one(ctx, at), func(tx *store.Tx) ([]*schema.Table, error) {
			r, err := sqlmeta.TableByName(ctx, tx, at.namespace, at.table)
			if err != nil {
				return nil, err
			}
			old, err := sqlmeta.CurrentSchema(ctx, tx, r)
			if err != nil {
				return nil, err
			}
			t := copyOf(old)
			// Rows that were set aside leave entries of all indexes behind.
			all := found.more > 0 || len(done.list) > 0
			var built []string
			for i := range t.Indexes {
				ix := &t.Indexes[i]
				if !all && !slices.ContainsFunc(found.list, func(p store.Problem) bool { return p.Index == ix.Name }) {
					continue
				}
				if err := store.DropIndex(ctx, tx, old, &old.Indexes[i]); err != nil {
					return nil, err
				}
				ix.ID = t.NextIndexID
				t.NextIndexID++
				conflict, err := store.BuildIndexes(ctx, tx, old, ix)
				if err != nil {
					return nil, err
				}
				if conflict != nil {
					twice = conflict
					return []*schema.Table{old}, errTwice
				}
				built = append(built, ix.Name)
			}
			if built == nil {
				return nil, nil
			}
			for _, name := range built {
				done.add(store.Problem{Index: name, Text: fmt.Sprintf("Index '%s' was built anew", name)})
			}
			return []*schema.Table{old, t}, newVersion(ctx, tx, s, r, t)
		})
		if twice == nil {
			return err
		}
		err = c.change(ctx, s, c.one(ctx, at), func(tx *store.Tx) ([]*schema.Table, error) {
			t, err := c.Table(ctx, at.namespace, at.table)
			if err != nil {
				return nil, err
			}
			return []*schema.Table{t}, store.SetAsideRow(ctx, tx, t, twice.User, twice.Existing, done.add)
		})
		if err != nil {
			return err
		}
	}
}

// errTwice ends an attempt to build a unique index.
var errTwice = sqlerr.Internal.New("two rows have a unique key")
