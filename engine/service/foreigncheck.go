package service

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// checkDefinitions finds out whether the foreign keys of t, and those of others
// to it, fit the tables as they are now. old is what t was, or nil.
func (f family) checkDefinitions(ctx context.Context, old *schema.Table) error {
	if err := checkActions(f.t); err != nil {
		return err
	}
	for i := range f.t.ForeignKeys {
		fk := &f.t.ForeignKeys[i]
		parent, err := f.parent(ctx, f.t, fk)
		if err != nil {
			return err
		}
		if parent == nil {
			known := old != nil && old.ForeignKey(fk.Name) != nil
			if !f.s.NoForeignKeys && !known {
				return sqlerr.ForeignNoTable.New("Failed to open the referenced table '%s'", fk.Table).For(fk.Name)
			}
			continue
		}
		if err := checkForeignKey(f.t, parent, fk); err != nil {
			return f.dueTo(err, old, f.t, fk)
		}
	}
	list, err := children(ctx, f.tx, f.t.Namespace, f.t.Name)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.ID == f.t.ID {
			continue
		}
		child, err := sqlmeta.CurrentSchema(ctx, f.tx, r)
		if err != nil {
			return err
		}
		for i := range child.ForeignKeys {
			fk := &child.ForeignKeys[i]
			if !fk.To(f.t.Namespace, f.t.Name) {
				continue
			}
			if err := checkForeignKey(child, f.t, fk); err != nil {
				return f.dueTo(err, old, child, fk)
			}
		}
	}
	return nil
}

// dueTo says what a change of old into f.t does wrong that breaks a foreign key
// of child to it, or of its own, by a column.
func (f family) dueTo(err error, old, child *schema.Table, fk *schema.ForeignKey) error {
	e := sqlerr.As(err)
	if old == nil || e == nil {
		return err
	}
	own := child.ID == f.t.ID
	if own && old.ForeignKey(fk.Name) == nil {
		return err // it is new
	}
	switch e.Kind {
	case sqlerr.ForeignNoIndex:
		dropped := "PRIMARY"
		for i := range old.Indexes {
			if ix := &old.Indexes[i]; f.t.Index(ix.Name) == nil {
				dropped = ix.Name
			}
		}
		return sqlerr.DropIndexForeign.New("Cannot drop index '%s': needed in a foreign key constraint", dropped).For(fk.Name)
	case sqlerr.ForeignNoColumn:
		return sqlerr.ForeignDropParent.New("Cannot drop column '%s': needed in a foreign key constraint '%s' of table '%s'",
			e.Column, fk.Name, child.Name).In(e.Column).For(fk.Name)
	case sqlerr.ForeignIncompatible:
		if own {
			return sqlerr.ForeignChangeColumn.New("Cannot change column '%s': used in a foreign key constraint '%s'", e.Column, fk.Name).In(e.Column).For(fk.Name)
		}
		column := e.Column
		if n := slices.Index(fk.Columns, column); n >= 0 {
			column = fk.Referenced[n]
		}
		return sqlerr.ForeignChangeParent.New("Cannot change column '%s': used in a foreign key constraint '%s' of table '%s'",
			column, fk.Name, child.Name).In(column).For(fk.Name)
	}
	return err
}

// checkForeignKey finds out whether a foreign key of child fits the table that
// it references.
func checkForeignKey(child, parent *schema.Table, fk *schema.ForeignKey) error {
	if child.Kind != parent.Kind || child.Kind == schema.Stream {
		return sqlerr.Unsupported("FOREIGN KEY of a %s table to a %s table", child.Kind, parent.Kind)
	}
	own, missing := child.Ordinals(fk.Columns)
	if missing != "" {
		return sqlerr.ForeignDropColumn.New("Cannot drop column '%s': needed in a foreign key constraint '%s'", missing, fk.Name).In(missing).For(fk.Name)
	}
	referenced, missing := parent.Ordinals(fk.Referenced)
	if missing != "" {
		return sqlerr.ForeignNoColumn.New("Failed to add the foreign key constraint. Missing column '%s' for constraint '%s' in the referenced table '%s'",
			missing, fk.Name, fk.Table).In(missing).For(fk.Name)
	}
	for i := range own {
		a, b := &child.Columns[own[i]], &parent.Columns[referenced[i]]
		if !sameKeys(a.Type, b.Type) {
			return sqlerr.ForeignIncompatible.New("Referencing column '%s' and referenced column '%s' in foreign key constraint '%s' are incompatible.",
				a.Name, b.Name, fk.Name).In(a.Name).For(fk.Name)
		}
	}
	if _, ok := parent.KeyOf(referenced); !ok {
		return sqlerr.ForeignNoIndex.New("Failed to add the foreign key constraint. Missing index for constraint '%s' in the referenced table '%s'",
			fk.Name, fk.Table).For(fk.Name)
	}
	if _, ok := child.KeyOf(own); !ok {
		return sqlerr.ForeignNoIndex.New("Failed to add the foreign key constraint. Missing index for constraint '%s' in the foreign table '%s'",
			fk.Name, child.Name).For(fk.Name)
	}
	return nil
}

// sameKeys reports whether values of the two types that are equal are so as
// keys: integers and decimals of one size, texts of one collation.
func sameKeys(a, b types.Type) bool {
	text := func(t types.Type) bool { return t.IsText() && t.Members == nil }
	if text(a) && text(b) {
		return a.Collation == b.Collation
	}
	if a.Kind == types.Binary || a.Kind == types.VarBinary {
		return b.Kind == types.Binary || b.Kind == types.VarBinary
	}
	if a.Kind != b.Kind || a.Unsigned != b.Unsigned {
		return false
	}
	switch a.Kind {
	case types.Decimal, types.Bit:
		return a.Size == b.Size && a.Scale == b.Scale
	case types.DateTime, types.Timestamp, types.Time:
		return a.Scale == b.Scale
	case types.Enum, types.Set:
		return slices.Equal(a.Members.Names, b.Members.Names)
	}
	return true
}

// newForeignKeys returns the foreign keys of t that old rows may violate.
func newForeignKeys(old, t *schema.Table) []*schema.ForeignKey {
	var list []*schema.ForeignKey
	for i := range t.ForeignKeys {
		if old.ForeignKey(t.ForeignKeys[i].Name) == nil {
			list = append(list, &t.ForeignKeys[i])
		}
	}
	return list
}

// checkReferences finds out whether the rows of t satisfy new foreign keys.
// Indexes that t gets are built.
func (f family) checkReferences(ctx context.Context, list []*schema.ForeignKey) error {
	if f.s.NoForeignKeys || len(list) == 0 {
		return nil
	}
	now, err := f.tx.Latest()
	if err != nil {
		return err
	}
	defer now.Close()
	for _, def := range list {
		parent, err := f.parent(ctx, f.t, def)
		if err != nil || parent == nil {
			return err
		}
		fk := plan.NewForeignKey(f.t, parent, def)
		check := func(user string) error {
			return tables.CheckReferences(ctx, now.Rows(f.t, user), now.Rows(parent, user), fk)
		}
		if f.t.Kind == schema.Shared {
			err = check("")
		} else {
			err = now.AllUsers(f.t).Users(ctx, check)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unreferenced refuses to drop or empty a table that tables other than itself
// and those in without have foreign keys to.
func unreferenced(ctx context.Context, tx *store.Tx, t *schema.Table, without func(*sqlmeta.Table) bool,
	refuse func(child *schema.Table, fk *schema.ForeignKey) error) error {
	list, err := children(ctx, tx, t.Namespace, t.Name)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.ID == t.ID || without(r) {
			continue
		}
		child, err := sqlmeta.CurrentSchema(ctx, tx, r)
		if err != nil {
			return err
		}
		for i := range child.ForeignKeys {
			if fk := &child.ForeignKeys[i]; fk.To(t.Namespace, t.Name) {
				return refuse(child, fk)
			}
		}
	}
	return nil
}

func errDropReferenced(t *schema.Table) func(*schema.Table, *schema.ForeignKey) error {
	return func(child *schema.Table, fk *schema.ForeignKey) error {
		return sqlerr.DropReferenced.New("Cannot drop table '%s' referenced by a foreign key constraint '%s' on table '%s'.",
			t.Name, fk.Name, child.Name).On(t.QualifiedName()).For(fk.Name)
	}
}

func errTruncateReferenced(child *schema.Table, fk *schema.ForeignKey) error {
	return sqlerr.TruncateReferenced.New("Cannot truncate a table referenced in a foreign key constraint (%s)",
		plan.ForeignKeyText(child, fk)).On(fk.Namespace + "." + fk.Table).For(fk.Name)
}
