package service

import (
	"context"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// alterTable runs ALTER TABLE, CREATE INDEX and DROP INDEX, as far as they add
// and drop indexes and change the table's name or comment.
func (c *Catalog) alterTable(ctx context.Context, s Scope, n *sqlparser.AlterTable) error {
	at, err := s.name(n.Table)
	if err != nil {
		return err
	}
	return c.change(ctx, s.Durability, c.altered(ctx, s, at, n), func(tx *store.Tx) ([]*schema.Table, error) {
		r, err := sqlmeta.TableByName(ctx, tx, at.namespace, at.table)
		if err != nil {
			return nil, err
		}
		old, err := sqlmeta.CurrentSchema(ctx, tx, r)
		if err != nil {
			return nil, err
		}
		d := &definition{Table: copyOf(old), primary: true, collation: types.DefaultCollation}
		for _, o := range n.AlterOptions {
			if err := d.alter(ctx, s, tx, o); err != nil {
				return nil, err
			}
		}
		if err := d.foreignKeyIndexes(d.added); err != nil {
			return nil, err
		}
		if err := d.addKeys(); err != nil {
			return nil, err
		}
		f := family{tx, s, d.Table}
		touched, err := f.follow(ctx, old)
		if err != nil {
			return nil, err
		}
		if err := d.addConstraints(d.added); err != nil {
			return nil, err
		}
		if err := keepCheckColumns(old, d.Table); err != nil {
			return nil, err
		}
		if err := f.checkDefinitions(ctx, old); err != nil {
			return nil, err
		}
		if err := s.checkRows(ctx, tx, d.Table, newlyEnforced(old, d.Table)); err != nil {
			return nil, err
		}
		r.Namespace, r.Name = d.Namespace, d.Name
		if err := newVersion(ctx, tx, s, r, d.Table); err != nil {
			return nil, err
		}
		// The entries are written last: they are outside of the transaction.
		for i := range d.Indexes {
			if ix := &d.Indexes[i]; ix.ID >= old.NextIndexID {
				if err := c.build(ctx, old, ix); err != nil {
					return nil, err
				}
			}
		}
		if err := f.checkReferences(ctx, newForeignKeys(old, d.Table)); err != nil {
			return nil, err
		}
		return append(touched, old, d.Table), nil
	})
}

// checkAlter refuses what cannot be altered.
func checkAlter(n *sqlparser.AlterTable) error {
	if n.PartitionSpec != nil || n.PartitionOption != nil {
		return sqlerr.Unsupported("PARTITION BY")
	}
	for _, o := range n.AlterOptions {
		if err := checkAlterOption(o); err != nil {
			return err
		}
	}
	return nil
}

func checkAlterOption(o sqlparser.AlterOption) error {
	switch o := o.(type) {
	case *sqlparser.AddIndexDefinition:
		if o.IndexDefinition.Info.Type == sqlparser.IndexTypePrimary {
			return sqlerr.Unsupported("ALTER TABLE ADD PRIMARY KEY")
		}
		return nil
	case *sqlparser.DropKey:
		if o.Type != sqlparser.NormalKeyType && o.Type != sqlparser.CheckKeyType && o.Type != sqlparser.ConstraintType && o.Type != sqlparser.ForeignKeyType {
			return sqlerr.Unsupported("ALTER TABLE %s", strings.ToUpper(sqlparser.String(o)))
		}
		return nil
	case *sqlparser.AddConstraintDefinition:
		return nil
	case *sqlparser.AlterCheck, *sqlparser.RenameTableName, *sqlparser.RenameIndex, *sqlparser.AlterIndex, sqlparser.AlgorithmValue, *sqlparser.LockOption:
		return nil
	case sqlparser.TableOptions:
		for _, t := range o {
			if !strings.EqualFold(t.Name, "comment") {
				return sqlerr.Unsupported("ALTER TABLE %s=", strings.ToUpper(t.Name))
			}
		}
		return nil
	}
	return sqlerr.Unsupported("ALTER TABLE %s", sqlparser.String(o))
}

// alter takes one option over in the definition.
func (d *definition) alter(ctx context.Context, s Scope, tx *store.Tx, o sqlparser.AlterOption) error {
	switch o := o.(type) {
	case *sqlparser.AddIndexDefinition:
		k, err := d.indexKey(o.IndexDefinition)
		if err != nil {
			return err
		}
		d.keys = append(d.keys, k)
	case *sqlparser.AddConstraintDefinition:
		d.added = append(d.added, o.ConstraintDefinition)
	case *sqlparser.AlterCheck:
		c := d.Check(o.Name.String())
		if c == nil {
			return errNoCheck(o.Name.String())
		}
		c.NotEnforced = !o.Enforced
	case *sqlparser.DropKey:
		switch o.Type {
		case sqlparser.CheckKeyType:
			return d.dropCheck(o.Name.String())
		case sqlparser.ForeignKeyType:
			return d.dropForeignKey(o.Name.String())
		case sqlparser.ConstraintType:
			return d.dropConstraint(ctx, s, tx, o.Name)
		}
		ix := d.Index(o.Name.String())
		if ix == nil {
			return sqlerr.CantDropKey.New("Can't DROP '%s'; check that column/key exists", o.Name.String())
		}
		if err := store.DropIndex(ctx, tx, d.Table, ix); err != nil {
			return err
		}
		id := ix.ID
		d.Indexes = slices.DeleteFunc(d.Indexes, func(x schema.Index) bool { return x.ID == id })
	case *sqlparser.RenameIndex:
		ix := d.Index(o.OldName.String())
		if ix == nil {
			return sqlerr.KeyNotFound.New("Key '%s' doesn't exist in table '%s'", o.OldName.String(), d.Name)
		}
		name := o.NewName.String()
		if err := checkName(name, sqlerr.WrongNameForIndex, "index"); err != nil {
			return err
		}
		if other := d.Index(name); other != nil && other != ix {
			return errDupKeyName(name)
		}
		ix.Name = name
	case *sqlparser.AlterIndex:
		ix := d.Index(o.Name.String())
		if ix == nil {
			if o.Name.EqualString("PRIMARY") && !d.HasRowID() {
				return errPrimaryInvisible()
			}
			return sqlerr.KeyNotFound.New("Key '%s' doesn't exist in table '%s'", o.Name.String(), d.Name)
		}
		ix.Invisible = o.Invisible
	case *sqlparser.RenameTableName:
		to, err := s.name(o.Table)
		if err != nil {
			return err
		}
		if err := checkName(to.table, sqlerr.WrongTableName, "table"); err != nil {
			return err
		}
		if _, err := sqlmeta.NamespaceByName(ctx, tx, to.namespace); err != nil {
			return err
		}
		d.Namespace, d.Name = to.namespace, to.table
	case sqlparser.TableOptions:
		return d.options(o)
	}
	return nil
}

// build writes the entries of a new index.
func (c *Catalog) build(ctx context.Context, t *schema.Table, ix *schema.Index) error {
	conflict, err := store.BuildIndex(ctx, c.db, t, ix)
	if err != nil || conflict == nil {
		return err
	}
	return tables.Duplicate(t, ix, func(column int) types.Value { return conflict.Existing[column] })
}
