package service

import (
	"context"
	"errors"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
)

// foreignKeys takes the foreign keys out of a list of constraints.
func foreignKeys(list []*sqlparser.ConstraintDefinition) []*sqlparser.ConstraintDefinition {
	var out []*sqlparser.ConstraintDefinition
	for _, c := range list {
		if _, ok := c.Details.(*sqlparser.ForeignKeyDefinition); ok {
			out = append(out, c)
		}
	}
	return out
}

// columnReferences returns the foreign keys that columns' REFERENCES are.
func columnReferences(columns []*sqlparser.ColumnDefinition) []*sqlparser.ConstraintDefinition {
	var out []*sqlparser.ConstraintDefinition
	for _, c := range columns {
		if c.Type.Options != nil && c.Type.Options.Reference != nil {
			out = append(out, &sqlparser.ConstraintDefinition{Details: &sqlparser.ForeignKeyDefinition{
				Source: sqlparser.Columns{c.Name}, ReferenceDefinition: c.Type.Options.Reference,
			}})
		}
	}
	return out
}

// foreignKeyIndexes adds the indexes that foreign keys need on their own
// columns, where there is none. The keys of the definition are not named yet.
func (d *definition) foreignKeyIndexes(list []*sqlparser.ConstraintDefinition) error {
	for _, c := range foreignKeys(list) {
		def := c.Details.(*sqlparser.ForeignKeyDefinition)
		k := key{}
		for _, name := range def.Source {
			i := d.Column(name.String())
			if i < 0 || d.Columns[i].Hidden {
				return sqlerr.KeyColumnMissing.New("Key column '%s' doesn't exist in table", name.String()).In(name.String())
			}
			if slices.Contains(k.Columns, i) {
				return sqlerr.DupFieldName.New("Duplicate column name '%s'", name.String()).In(name.String())
			}
			if _, err := d.keyPart(i, nil); err != nil {
				return err
			}
			k.Columns = append(k.Columns, i)
		}
		_, there := d.KeyOf(k.Columns)
		there = there || slices.ContainsFunc(d.keys, func(x key) bool {
			return schema.Leads(x.Own(), k.Columns)
		})
		if there {
			continue
		}
		if k.Name = c.Name.String(); k.Name == "" {
			k.Name = def.IndexName.String()
		}
		d.keys = append(d.keys, k)
	}
	return nil
}

// addForeignKey adds a foreign key; one without name gets one after the
// table's.
func (d *definition) addForeignKey(name string, def *sqlparser.ForeignKeyDefinition) error {
	if name == "" {
		name = d.generatedName("_ibfk_", func(yield func(string)) {
			for _, f := range d.ForeignKeys {
				yield(f.Name)
			}
		})
	} else if err := checkName(name, sqlerr.WrongNameForIndex, "constraint"); err != nil {
		return err
	}
	if d.ForeignKey(name) != nil {
		return sqlerr.ForeignDupName.New("Duplicate foreign key constraint name '%s'", name).For(name)
	}
	r := def.ReferenceDefinition
	f := schema.ForeignKey{Name: name, Namespace: r.ReferencedTable.Qualifier.String(), Table: r.ReferencedTable.Name.String()}
	if f.Namespace == "" {
		f.Namespace = d.Namespace
	}
	switch {
	case len(def.Source) != len(r.ReferencedColumns):
		return sqlerr.WrongForeignKey.New("Incorrect foreign key definition for '%s': Key reference and table reference don't match", name).For(name)
	case r.Match == sqlparser.Full || r.Match == sqlparser.Partial:
		return sqlerr.Unsupported("MATCH FULL and PARTIAL")
	case f.Namespace == tables.SystemNamespace:
		return sqlerr.CommandDenied.New("Access denied to database '%s'", f.Namespace)
	}
	for i := range def.Source {
		c := &d.Columns[d.Column(def.Source[i].String())]
		f.Columns = append(f.Columns, c.Name)
		f.Referenced = append(f.Referenced, r.ReferencedColumns[i].String())
	}
	var err error
	if f.OnDelete, err = d.action(r.OnDelete, &f); err != nil {
		return err
	}
	if f.OnUpdate, err = d.action(r.OnUpdate, &f); err != nil {
		return err
	}
	d.ForeignKeys = append(d.ForeignKeys, f)
	return nil
}

// action reads what ON DELETE or ON UPDATE says.
func (d *definition) action(a sqlparser.ReferenceAction, f *schema.ForeignKey) (schema.Action, error) {
	switch a {
	case sqlparser.Restrict:
		return schema.Restrict, nil
	case sqlparser.Cascade:
		return schema.Cascade, nil
	case sqlparser.SetDefault:
		return "", sqlerr.CannotAddForeign.New("Cannot add foreign key constraint: SET DEFAULT is not supported").For(f.Name)
	case sqlparser.SetNull:
		for _, name := range f.Columns {
			if d.Columns[d.Column(name)].NotNull {
				return "", sqlerr.ForeignNotNull.New("Column '%s' cannot be NOT NULL: needed in a foreign key constraint '%s' SET NULL", name, f.Name).In(name).For(f.Name)
			}
		}
		return schema.SetNull, nil
	}
	return schema.NoAction, nil
}

// dropForeignKey removes a foreign key. Its index stays.
func (d *definition) dropForeignKey(name string) error {
	if d.ForeignKey(name) == nil {
		return sqlerr.CantDropKey.New("Can't DROP '%s'; check that column/key exists", name)
	}
	d.ForeignKeys = slices.DeleteFunc(d.ForeignKeys, func(f schema.ForeignKey) bool { return strings.EqualFold(f.Name, name) })
	return nil
}

// checkActions refuses CHECKs on columns that foreign keys' actions change.
func checkActions(t *schema.Table) error {
	for i := range t.ForeignKeys {
		f := &t.ForeignKeys[i]
		if (f.OnDelete.Refuses() || f.OnDelete == schema.Cascade) && f.OnUpdate.Refuses() {
			continue
		}
		for k := range t.Checks {
			c := &t.Checks[k]
			for _, column := range f.Columns {
				if checkUses(c, column) {
					return sqlerr.CheckForeignAction.New("Column '%s' cannot be used in a check constraint '%s': needed in a foreign key constraint '%s' referential action.",
						column, c.Name, f.Name).In(column).For(c.Name)
				}
			}
		}
	}
	return nil
}

// tied returns the tables that foreign keys of t lead to, or come from.
func (c *Catalog) tied(ctx context.Context, t *schema.Table) ([]*schema.Table, error) {
	list, err := c.Children(ctx, t)
	if err != nil {
		return nil, err
	}
	for i := range t.ForeignKeys {
		f := &t.ForeignKeys[i]
		p, err := c.Table(ctx, f.Namespace, f.Table)
		if missingTable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func missingTable(err error) bool {
	return errors.Is(err, sqlerr.NoSuchTable) || errors.Is(err, sqlerr.BadDatabase)
}

// Children implements plan.Catalog.
func (c *Catalog) Children(ctx context.Context, t *schema.Table) ([]*schema.Table, error) {
	if t.Kind == schema.System {
		return nil, nil
	}
	of := name{t.Namespace, t.Name}
	c.mu.RLock()
	list, known := c.children[of]
	version := c.version.Load()
	c.mu.RUnlock()
	if known {
		return slices.Clip(list), nil
	}
	var at []name
	err := c.read(func(tx *store.Tx) error {
		records, err := children(ctx, tx, t.Namespace, t.Name)
		for _, r := range records {
			at = append(at, name{r.Namespace, r.Name})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, n := range at {
		child, err := c.Table(ctx, n.namespace, n.table)
		if err != nil {
			return nil, err
		}
		list = append(list, child)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version.Load() == version {
		c.children[of] = list
	}
	return slices.Clip(list), nil
}

// children returns the records of the tables with foreign keys to a table.
func children(ctx context.Context, tx *store.Tx, namespace, table string) ([]*sqlmeta.Table, error) {
	var list []*sqlmeta.Table
	err := sqlmeta.ReferencesTo(ctx, tx, namespace, table, func(id uint32) error {
		r, err := sqlmeta.Tables.Get(ctx, tx, id)
		list = append(list, r)
		return err
	})
	return list, err
}

// family is the tables of a change that foreign keys tie together, as they will
// be.
type family struct {
	tx *store.Tx
	s  Scope
	t  *schema.Table
}

// parent returns the table that a foreign key of t references, nil if there is
// none.
func (f family) parent(ctx context.Context, t *schema.Table, fk *schema.ForeignKey) (*schema.Table, error) {
	if fk.To(f.t.Namespace, f.t.Name) {
		return f.t, nil
	}
	r, err := sqlmeta.TableByName(ctx, f.tx, fk.Namespace, fk.Table)
	if missingTable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return sqlmeta.CurrentSchema(ctx, f.tx, r)
}

// follow changes foreign keys as the columns that they name are renamed: those
// of t, and, in records of their own, those of others to it. old is what t was.
// It returns the definitions that are out of date and those that are new.
func (f family) follow(ctx context.Context, old *schema.Table) ([]*schema.Table, error) {
	for i := range f.t.ForeignKeys {
		fk := &f.t.ForeignKeys[i]
		if old.ForeignKey(fk.Name) != nil {
			fk.Columns = renamedColumns(old, f.t, fk.Columns)
			f.refer(old, fk)
		}
	}
	list, err := children(ctx, f.tx, old.Namespace, old.Name)
	if err != nil {
		return nil, err
	}
	var touched []*schema.Table
	for _, r := range list {
		if r.ID == f.t.ID {
			continue
		}
		before, err := sqlmeta.CurrentSchema(ctx, f.tx, r)
		if err != nil {
			return nil, err
		}
		child := copyOf(before)
		changed := false
		for i := range child.ForeignKeys {
			changed = f.refer(old, &child.ForeignKeys[i]) || changed
		}
		if !changed {
			continue
		}
		if err := newVersion(ctx, f.tx, f.s, r, child); err != nil {
			return nil, err
		}
		touched = append(touched, before, child)
	}
	return touched, nil
}

// refer makes a foreign key to what t was one to what it is.
func (f family) refer(old *schema.Table, fk *schema.ForeignKey) (changed bool) {
	if !fk.To(old.Namespace, old.Name) {
		return false
	}
	columns := renamedColumns(old, f.t, fk.Referenced)
	if slices.Equal(columns, fk.Referenced) && fk.To(f.t.Namespace, f.t.Name) {
		return false
	}
	fk.Namespace, fk.Table, fk.Referenced = f.t.Namespace, f.t.Name, columns
	return true
}

// renamedColumns returns what columns of old are called in t; one that is gone
// keeps its name.
func renamedColumns(old, t *schema.Table, names []string) []string {
	out := slices.Clone(names)
	for n, name := range names {
		if o := old.Column(name); o >= 0 {
			i := slices.IndexFunc(t.Columns, func(c schema.Column) bool { return c.ID == old.Columns[o].ID })
			if i >= 0 {
				out[n] = t.Columns[i].Name
			}
		}
	}
	return out
}

// altered is the stake of an ALTER TABLE: the table, and those that it is to
// reference.
func (c *Catalog) altered(ctx context.Context, s Scope, at name, n *sqlparser.AlterTable) func() ([]*schema.Table, error) {
	var list []*sqlparser.ConstraintDefinition
	for _, o := range n.AlterOptions {
		switch o := o.(type) {
		case *sqlparser.AddConstraintDefinition:
			list = append(list, o.ConstraintDefinition)
		case *sqlparser.AddColumns:
			list = append(list, columnReferences(o.Columns)...)
		}
	}
	return func() ([]*schema.Table, error) {
		t, err := c.base(ctx, at)
		if err != nil {
			return nil, err
		}
		return c.referenced(ctx, t.Namespace, []*schema.Table{t}, list)
	}
}

// referenced appends the tables that new foreign keys reference, as far as they
// are there.
func (c *Catalog) referenced(ctx context.Context, namespace string, tables []*schema.Table, list []*sqlparser.ConstraintDefinition) ([]*schema.Table, error) {
	for _, def := range foreignKeys(list) {
		to := def.Details.(*sqlparser.ForeignKeyDefinition).ReferenceDefinition.ReferencedTable
		n := name{to.Qualifier.String(), to.Name.String()}
		if n.namespace == "" {
			n.namespace = namespace
		}
		t, err := c.base(ctx, n)
		if missingTable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// created is the stake of a CREATE TABLE: the tables that it is to reference,
// and those that reference it already.
func (c *Catalog) created(ctx context.Context, at name, spec *sqlparser.TableSpec) ([]*schema.Table, error) {
	list, err := c.Children(ctx, &schema.Table{Namespace: at.namespace, Name: at.table})
	if err != nil || spec == nil {
		return list, err
	}
	if list, err = c.referenced(ctx, at.namespace, list, columnReferences(spec.Columns)); err != nil {
		return nil, err
	}
	return c.referenced(ctx, at.namespace, list, spec.Constraints)
}
