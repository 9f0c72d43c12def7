package plan

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// A table's system columns come into being where a query names them: they are
// in no list of columns, and the ids of the table's own do without them.

// Which says which of a table's rows a scan reads.
type Which string

// The rows of a table. Deleted ones are those that were deleted and can be restored.
const (
	Live        Which = ""
	LiveDeleted Which = "live and deleted rows"
	Deleted     Which = "deleted rows"
)

// system returns the column that a name means as a system column of one of the
// sources, nil if it means none.
func (s *scope) system(name string, match func(*source) bool, add func(*sourceColumn) error) error {
	for _, src := range s.from.sources {
		if src.rel == nil || !match(src) {
			continue
		}
		c := src.rel.table.SystemColumn(name)
		if c < 0 {
			continue
		}
		if s.written {
			return sqlerr.Unsupported("the system column %s in SET, VALUES and RETURNING", src.rel.table.At(c).Name).In(name)
		}
		if err := add(s.b.systemColumn(src, c)); err != nil {
			return err
		}
	}
	return nil
}

// systemColumn returns the system column of a source with an ordinal.
func (b *builder) systemColumn(src *source, ordinal int) *sourceColumn {
	r := src.rel
	if r.system == nil {
		r.system = map[int]int{}
	}
	def := r.table.At(ordinal)
	id, known := r.system[ordinal]
	if !known {
		id = b.newColumn(def.Name, def.Type, false)
		b.cols[id].namespace, b.cols[id].table = src.namespace, src.alias
		r.system[ordinal] = id
	}
	if def.Name == schema.DeletedColumn && r.which == Live {
		r.which = LiveDeleted
	}
	return &sourceColumn{name: def.Name, id: id, hidden: true}
}

// reads returns the ordinals of the columns that are in a set, system columns
// after the table's own, and their ids.
func (r *tableRel) reads(set colSet) (ordinals, ids []int) {
	for c := range r.table.Columns {
		if set[r.first+c] {
			ordinals, ids = append(ordinals, c), append(ids, r.first+c)
		}
	}
	n := len(ordinals)
	for c, id := range r.system {
		if set[id] {
			ordinals = append(ordinals, c)
		}
	}
	slices.Sort(ordinals[n:])
	for _, c := range ordinals[n:] {
		ids = append(ids, r.system[c])
	}
	return ordinals, ids
}

// narrow leaves out the rows that a condition on _deleted keeps out anyway.
func (r *tableRel) narrow() Which {
	if r.which != LiveDeleted {
		return r.which
	}
	deleted := func(e expr.Expr) bool {
		c, ok := e.(*expr.Column)
		return ok && c.Index == r.system[r.table.SystemColumn(schema.DeletedColumn)]
	}
	for _, c := range r.conds {
		switch c := c.(type) {
		case *expr.Column:
			if deleted(c) {
				return Deleted
			}
		case *expr.Not:
			if deleted(c.Arg) {
				return Live
			}
		}
	}
	return r.which
}

// restore plans UNDELETE.
func (b *builder) restore(s *sqlparser.Delete, to *target) (*Plan, error) {
	n := &Restore{Table: to.rel.table}
	if n.Table.SystemColumn(schema.DeletedColumn) < 0 {
		return nil, sqlerr.Unsupported("UNDELETE of a %s table", n.Table.Kind).On(n.Table.QualifiedName())
	}
	to.rel.which = Deleted
	var err error
	if n.Input, _, err = b.affected(to, s.Where, s.OrderBy, s.Limit); err != nil {
		return nil, err
	}
	if n.Rules, err = b.rulesOf(n.Table); err != nil {
		return nil, err
	}
	p := &Plan{Root: n, Writes: n.Table}
	if n.Returning, p.Columns, err = b.returning(to); err != nil {
		return nil, err
	}
	return b.spooled(p, &n.Input), nil
}

// noDeleted refuses to change deleted rows.
func (t *target) noDeleted(statement string) error {
	if t.rel.which == LiveDeleted {
		return errDeleted(t.rel, statement)
	}
	return nil
}

func errDeleted(r *tableRel, statement string) error {
	return sqlerr.Unsupported("_deleted in %s: it concerns rows that are there, UNDELETE those that were deleted", statement).On(r.table.QualifiedName())
}

// noEvents refuses to change what has happened.
func noEvents(t *schema.Table) error {
	if t.Kind == schema.Stream {
		return sqlerr.Unsupported("UPDATE of a stream table, whose rows are events").On(t.QualifiedName())
	}
	return nil
}
