package plan

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// cte is a query named by WITH. Each use of the name is a derived table of its own.
type cte struct {
	def       *sqlparser.CommonTableExpr
	frame     *frame // of the query that WITH belongs to
	recursive bool   // it may refer to itself
	self      *self  // set while its own query is bound
}

func withOf(s sqlparser.TableStatement) *sqlparser.With {
	switch s := s.(type) {
	case *sqlparser.Select:
		return s.With
	case *sqlparser.Union:
		return s.With
	case *sqlparser.ValuesStatement:
		return s.With
	}
	return nil
}

// define brings a WITH clause, which may be nil, into scope.
func (b *builder) define(w *sqlparser.With, f *frame) error {
	if w == nil {
		return nil
	}
	first := len(b.ctes)
	for _, def := range w.CTEs {
		for _, other := range b.ctes[first:] {
			if other.def.ID.String() == def.ID.String() {
				return sqlerr.NonUniqTable.New("Not unique table/alias: '%s'", def.ID.String())
			}
		}
		b.ctes = append(b.ctes, &cte{def: def, frame: f, recursive: w.Recursive})
	}
	return nil
}

// cte binds the query that a table name stands for; nil if it stands for none.
func (b *builder) cte(name sqlparser.TableName, alias string, f *frame) (*from, error) {
	if !name.Qualifier.IsEmpty() {
		return nil, nil
	}
	for i, c := range slices.Backward(b.ctes) {
		if c.def.ID.String() != name.Name.String() {
			continue
		}
		if c.self != nil {
			return b.work(c.self, alias)
		}
		if c.frame != f {
			f = &frame{} // rows of queries between here and there mean nothing to it
		}
		// It sees the names defined before its own.
		all := b.ctes
		b.ctes = slices.Clone(all[:i])
		defer func() { b.ctes = all }()
		if alias == "" {
			alias = c.def.ID.String()
		}
		q, err := b.apart(func() (*query, error) { return b.cteQuery(c, f) })
		if err != nil {
			return nil, err
		}
		return b.derivedFrom(q, alias, c.def.Columns)
	}
	return nil, nil
}
