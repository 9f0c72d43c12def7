package plan

import (
	"context"
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Watch says which rows of a table a live query has, and what it shows of them.
// Expressions are over the columns of Read.
type Watch struct {
	Table *schema.Table
	Read  []int // ordinals of columns, see schema.Table.At
	// Equal are columns that have a single value in all rows of the query; Filter is
	// what else they have to meet, or nil.
	Equal  []Equality
	Filter expr.Expr
	Exprs  []expr.Expr
	// Bases are the ids of the columns that virtual ones among those are computed from.
	Bases []uint32
}

// Equality is a column and the value, constant for an execution, that it has to have.
type Equality struct {
	Column int // ordinal
	Value  expr.Expr
	Null   bool // a NULL value stands for NULL
}

// Watches reports whether the query reads the table's column of an id, or computes a column
// from it.
func (w *Watch) Watches(id uint32) bool {
	for _, c := range w.Read {
		if c < len(w.Table.Columns) && w.Table.Columns[c].ID == id {
			return true
		}
	}
	for _, e := range w.Equal {
		if w.Table.Columns[e.Column].ID == id {
			return true
		}
	}
	return slices.Contains(w.Bases, id)
}

// basedOn notes what a column is computed from, if it is virtual.
func (w *Watch) basedOn(column int) error {
	if column >= len(w.Table.Columns) || !w.Table.Columns[column].Virtual {
		return nil
	}
	e, err := parse.ParseExpr(w.Table.Columns[column].Generated)
	if err != nil {
		return err
	}
	return sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		name, ok := n.(*sqlparser.ColName)
		if !ok {
			return true, nil
		}
		c := w.Table.Column(name.Name.String())
		if c < 0 || slices.Contains(w.Bases, w.Table.Columns[c].ID) {
			return true, nil
		}
		w.Bases = append(w.Bases, w.Table.Columns[c].ID)
		return true, w.basedOn(c)
	}, e)
}

// BuildWatch plans a live query: a SELECT of one table without anything that
// relates rows to one another. The Plan is that of its rows as they are, with last
// of the last so many only, in the order of the primary key.
func BuildWatch(ctx context.Context, stmt sqlparser.Statement, last sqlparser.Expr, o Options) (*Plan, error) {
	sel, err := watchable(stmt)
	if err != nil {
		return nil, err
	}
	if len(o.Locking) > 0 {
		return nil, notLive("FOR UPDATE and FOR SHARE")
	}
	b := &builder{ctx: ctx, o: o, named: sel}
	w, err := b.watch(sel)
	if err == nil {
		err = b.err
	}
	if err != nil {
		return nil, err
	}
	if last != nil {
		sel = sqlparser.Clone(sel)
		sel.Limit = &sqlparser.Limit{Rowcount: last}
		// A select item may have the name of a column of the key.
		from := sel.From[0].(*sqlparser.AliasedTableExpr)
		of, _ := from.Expr.(sqlparser.TableName)
		if from.As.NotEmpty() {
			of = sqlparser.TableName{Name: from.As}
		}
		key, _ := w.Table.Key(nil)
		for _, k := range key {
			direction := sqlparser.DescOrder
			if k.Desc {
				direction = sqlparser.AscOrder
			}
			sel.OrderBy = append(sel.OrderBy, &sqlparser.Order{Expr: sqlparser.NewColNameWithQualifier(w.Table.Columns[k.Column].Name, of), Direction: direction})
		}
	}
	p, err := Build(ctx, sel, o)
	if err != nil {
		return nil, err
	}
	p.Watch = w
	return p, nil
}

func notLive(what string) error { return sqlerr.Unsupported("%s in a live query", what) }

// watchable returns the SELECT of a live query; what is refused of it can be told
// without the tables.
func watchable(stmt sqlparser.Statement) (*sqlparser.Select, error) {
	s, ok := stmt.(*sqlparser.Select)
	if !ok {
		if _, union := stmt.(*sqlparser.Union); union {
			return nil, notLive("UNION")
		}
		return nil, sqlerr.Unsupported("a live query that is no SELECT")
	}
	switch {
	case s.Into != nil:
		return nil, notLive("SELECT … INTO")
	case s.SQLCalcFoundRows:
		return nil, notLive("SQL_CALC_FOUND_ROWS")
	case s.With != nil:
		return nil, notLive("WITH")
	case s.Distinct:
		return nil, notLive("DISTINCT")
	case s.GroupBy != nil && len(s.GroupBy.Exprs) > 0:
		return nil, notLive("GROUP BY")
	case s.Having != nil:
		return nil, notLive("HAVING")
	case len(s.Windows) > 0:
		return nil, notLive("WINDOW")
	case len(s.OrderBy) > 0:
		return nil, notLive("ORDER BY")
	case s.Limit != nil:
		return nil, notLive("LIMIT")
	case s.Lock != sqlparser.NoLock:
		return nil, notLive("FOR UPDATE and FOR SHARE")
	case len(s.From) != 1:
		return nil, notLive("a join")
	}
	switch te := s.From[0].(type) {
	case *sqlparser.JoinTableExpr:
		return nil, notLive("a join")
	case *sqlparser.AliasedTableExpr:
		if t, ok := te.Expr.(sqlparser.TableName); ok && !(t.Qualifier.IsEmpty() && t.Name.String() == "dual") {
			return s, nil
		}
	}
	return nil, sqlerr.Unsupported("a live query of something else than a table")
}

// watch binds a live query.
func (b *builder) watch(s *sqlparser.Select) (*Watch, error) {
	f := &frame{}
	if t, err := b.table(s.From[0].(*sqlparser.AliasedTableExpr).Expr.(sqlparser.TableName)); err != nil {
		return nil, err
	} else if t.Kind == schema.Viewed {
		return nil, sqlerr.Unsupported("a live query of a view")
	} else if t.Kind == schema.System {
		return nil, sqlerr.Unsupported("a live query of a system table")
	}
	fr, err := b.from(s.From, f)
	if err != nil {
		return nil, err
	}
	rel, ok := fr.rel.(*tableRel)
	if !ok {
		return nil, sqlerr.Internal.New("a live query of a %T", fr.rel)
	}
	var conds []expr.Expr
	if s.Where != nil {
		if conds, err = b.conditions(s.Where.Expr, &scope{b: b, frame: f, from: fr, clause: "where clause"}); err != nil {
			return nil, err
		}
	}
	windows, err := newWindowNames(nil)
	if err != nil {
		return nil, err
	}
	items, err := b.selectList(s, fr, &scope{b: b, frame: f, from: fr, clause: "field list", aggregates: true, windows: windows})
	if err != nil {
		return nil, err
	}
	w := &Watch{Table: rel.table}
	list := make([]expr.Expr, len(items))
	for i, it := range items {
		list[i] = it.expr
	}
	for _, e := range append(list[:len(list):len(list)], conds...) {
		switch {
		case expr.HasSubquery(e):
			return nil, notLive("a subquery")
		case expr.HasAggregate(e):
			return nil, notLive("an aggregate function")
		case expr.HasWindow(e):
			return nil, notLive("a window function")
		case !expr.Deterministic(e):
			return nil, notLive("the function " + expr.Impure(e))
		}
	}
	if rel.which != Live {
		return nil, notLive("_deleted")
	}
	rest := b.equalities(w, rel, conds)
	read := colSet{}.with(list...).with(rest...)
	p := &phys{}
	w.Read, p.cols = rel.reads(read)
	if len(rest) > 0 {
		w.Filter = b.expr(expr.Conjunction(rest...), p)
	}
	w.Exprs = b.exprs(list, p)
	for _, c := range w.Read {
		if err := w.basedOn(c); err != nil {
			return nil, err
		}
	}
	for _, e := range w.Equal {
		if err := w.basedOn(e.Column); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// equalities finds the columns that have a single value, and returns the conditions
// that are not implied by that.
func (b *builder) equalities(w *Watch, rel *tableRel, conds []expr.Expr) (rest []expr.Expr) {
	implied := map[int]bool{}
	for c := range rel.table.Columns {
		t := rel.table.Columns[c].Type
		if t.Kind == types.JSON || t.IsSpatial() || t.Kind == types.Timestamp {
			continue // they cannot be keys, or a local time may be two moments
		}
		v, used := boundColumn(conds, rel.first+c, t)
		if len(v.list) != 1 || !v.list[0].isPoint() {
			continue
		}
		w.Equal = append(w.Equal, Equality{Column: c, Value: v.list[0].low, Null: v.list[0].null})
		for i := range used {
			implied[i] = true
		}
	}
	for i, c := range conds {
		if !implied[i] {
			rest = append(rest, c)
		}
	}
	return rest
}
