package plan

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// foreignKeys adds the foreign keys from and to t.
func (b *builder) foreignKeys(r *Rules, t *schema.Table) error {
	for i := range t.ForeignKeys {
		def := &t.ForeignKeys[i]
		parent := t
		if !def.To(t.Namespace, t.Name) {
			var err error
			parent, err = b.o.Catalog.Table(b.ctx, def.Namespace, def.Table)
			if errors.Is(err, sqlerr.NoSuchTable) || errors.Is(err, sqlerr.BadDatabase) {
				parent = nil
			} else if err != nil {
				return err
			}
			b.tie(parent)
		}
		r.Parents = append(r.Parents, NewForeignKey(t, parent, def))
	}
	children, err := b.o.Catalog.Children(b.ctx, t)
	if err != nil {
		return err
	}
	for _, child := range children {
		b.tie(child)
		for i := range child.ForeignKeys {
			def := &child.ForeignKeys[i]
			if !def.To(t.Namespace, t.Name) {
				continue
			}
			fk := NewForeignKey(child, t, def)
			if !def.OnDelete.Refuses() || !def.OnUpdate.Refuses() {
				if fk.OfChild, err = b.ruled(child); err != nil {
					return err
				}
			}
			r.Children = append(r.Children, fk)
		}
	}
	slices.SortFunc(r.Children, func(x, y *ForeignKey) int {
		return cmp.Or(cmp.Compare(x.Child.Namespace, y.Child.Namespace), cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)))
	})
	return nil
}

// tie notes that the plan depends on a table, which may be nil.
func (b *builder) tie(t *schema.Table) {
	if t != nil && !slices.Contains(b.tied, t) {
		b.tied = append(b.tied, t)
	}
}

// NewForeignKey returns a foreign key of child to parent, which is nil when it
// is not there.
func NewForeignKey(child, parent *schema.Table, def *schema.ForeignKey) *ForeignKey {
	fk := &ForeignKey{ForeignKey: def, Child: child, Parent: parent}
	fk.Own, _ = child.Ordinals(def.Columns)
	fk.ByOwn, _ = child.KeyOf(fk.Own)
	if parent != nil {
		fk.To, _ = parent.Ordinals(def.Referenced)
		fk.ByTo, _ = parent.KeyOf(fk.To)
	}
	return fk
}

// ForeignKeyText prints a foreign key as MySQL's messages have it.
func ForeignKeyText(child *schema.Table, fk *schema.ForeignKey) string {
	return quoted(child.Namespace) + "." + quoted(child.Name) + ", " + ForeignKeySQL(child, fk)
}

// ForeignKeySQL prints a foreign key as SHOW CREATE TABLE does.
func ForeignKeySQL(child *schema.Table, fk *schema.ForeignKey) string {
	names := func(list []string) string {
		out := make([]string, len(list))
		for i, n := range list {
			out[i] = quoted(n)
		}
		return "(" + strings.Join(out, ",") + ")"
	}
	table := quoted(fk.Table)
	if fk.Namespace != child.Namespace {
		table = quoted(fk.Namespace) + "." + table
	}
	s := "CONSTRAINT " + quoted(fk.Name) + " FOREIGN KEY " + names(fk.Columns) + " REFERENCES " + table + " " + names(fk.Referenced)
	if fk.OnDelete != schema.NoAction {
		s += " ON DELETE " + string(fk.OnDelete)
	}
	if fk.OnUpdate != schema.NoAction {
		s += " ON UPDATE " + string(fk.OnUpdate)
	}
	return s
}

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
