package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Definition is what DefineView finds out of a view's query.
type Definition struct {
	Select  string          // the query as schema.View keeps it
	Columns []schema.Column // of its result
	Tables  []*schema.Table // that it reads, those of views in it too
}

// DefineView gives names meaning in a query that is to be a view's, for good:
// tables get their namespaces, * becomes columns, and columns get names.
func DefineView(ctx context.Context, sel sqlparser.TableStatement, o Options) (*Definition, error) {
	if err := sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		if f, ok := n.(*sqlparser.FrameClause); ok && f.Unit == parse.FrameGroups {
			return false, sqlerr.Unsupported("GROUPS frames in views")
		}
		return true, nil
	}, sel); err != nil {
		return nil, err
	}
	sel = sqlparser.Clone(sel)
	b := &builder{ctx: ctx, o: o, named: leftmost(sel), def: &definition{
		stars: map[*sqlparser.StarExpr][]sqlparser.SelectExpr{}, tables: map[*sqlparser.AliasedTableExpr]string{},
		names: map[*sqlparser.ColName]sqlparser.TableName{}}}
	q, err := b.query(sel, &frame{})
	if err != nil {
		return nil, err
	}
	d := &Definition{Tables: b.tables, Columns: b.described(q)}
	b.def.write(sel, b.named, q.out)
	d.Select = sqlparser.String(sel)
	// What is kept has to mean the same again.
	again, err := parseView(d.Select)
	if err == nil && sqlparser.String(again) != d.Select {
		err = fmt.Errorf("it reads differently")
	}
	if err != nil {
		return nil, sqlerr.Internal.Wrap(err, "a view's query cannot be kept as text: %s", d.Select)
	}
	return d, nil
}

// ViewColumns returns the columns that a view has now.
func ViewColumns(ctx context.Context, v *schema.Table, o Options) ([]schema.Column, error) {
	b := &builder{ctx: ctx, o: o}
	fr, err := b.view(v, v.Name)
	if err != nil {
		return nil, err
	}
	q := &query{}
	for _, c := range fr.visible {
		q.out = append(q.out, output{c.name, c.id})
	}
	return b.described(q), nil
}

// QueryColumns returns the columns of a query, as a table made of its rows has them.
func QueryColumns(ctx context.Context, q sqlparser.TableStatement, o Options) (cols []schema.Column, err error) {
	b := &builder{ctx: ctx, o: o, named: leftmost(q)}
	bound, err := b.query(q, &frame{})
	if err != nil {
		return nil, err
	}
	cols = b.described(bound)
	for i, o := range bound.out {
		// What is computed and never NULL has a default in MySQL.
		c := &cols[i]
		if t := c.Type; b.cols[o.col].rel == nil && c.NotNull && (t.IsNumeric() || t.IsString()) && t.Kind != types.Enum {
			c.Default = string(types.AppendSQL(nil, t, types.Zero(t)))
			if t.IsFloat() {
				c.Default = string(types.AppendText(nil, t, types.Zero(t)))
			}
		}
	}
	return cols, nil
}

// described returns a query's columns; those that are a table's have their defaults.
func (b *builder) described(q *query) []schema.Column {
	cols := make([]schema.Column, len(q.out))
	for i, o := range q.out {
		c := &b.cols[o.col]
		cols[i] = schema.Column{Name: o.name, Type: c.t, NotNull: !c.null}
		if c.rel != nil {
			of := &c.rel.table.Columns[o.col-c.rel.first]
			cols[i].Default, cols[i].OnUpdate, cols[i].Comment = of.Default, of.OnUpdate, of.Comment
		}
	}
	return cols
}

// definition collects, while a view's query is bound, what its names mean.
type definition struct {
	stars  map[*sqlparser.StarExpr][]sqlparser.SelectExpr
	tables map[*sqlparser.AliasedTableExpr]string     // their namespaces
	names  map[*sqlparser.ColName]sqlparser.TableName // of columns, which have none
}

// name notes that a column's name means e, if that is a column of fr.
func (d *definition) name(n *sqlparser.ColName, e expr.Expr, fr *from) {
	c, ok := e.(*expr.Column)
	if !ok || fr == nil || !n.Qualifier.IsEmpty() {
		return
	}
	for _, src := range fr.sources {
		for _, col := range src.cols {
			if col.id == c.Index && n.Name.EqualString(col.name) {
				d.names[n] = src.tableName(fr)
				return
			}
		}
	}
}

// tableName returns what tells src's columns from those of fr's other sources.
func (src *source) tableName(fr *from) sqlparser.TableName {
	name := sqlparser.NewTableName(src.alias)
	if slices.ContainsFunc(fr.sources, func(o *source) bool { return o != src && o.alias == src.alias }) {
		name.Qualifier = sqlparser.NewIdentifierCS(src.namespace)
	}
	return name
}

// star notes which columns * stands for.
func (d *definition) star(se *sqlparser.StarExpr, cols []*sourceColumn, fr *from) {
	var list []sqlparser.SelectExpr
	for _, c := range cols {
		if c.hidden {
			continue
		}
		var of sqlparser.TableName
		for _, src := range fr.sources {
			if slices.Contains(src.cols, c) {
				of = src.tableName(fr)
				break
			}
		}
		list = append(list, &sqlparser.AliasedExpr{Expr: sqlparser.NewColNameWithQualifier(c.name, of)})
	}
	d.stars[se] = list
}

// write puts what was noted into the query. The columns of named, the select
// whose columns are the query's, get the names of out.
func (d *definition) write(query sqlparser.SQLNode, named *sqlparser.Select, out []output) {
	// Names first: they are of the text as it was.
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		s, ok := n.(*sqlparser.Select)
		if !ok {
			return true, nil
		}
		for _, e := range s.SelectExprs.Exprs {
			if e, ok := e.(*sqlparser.AliasedExpr); ok && s != named && e.As.IsEmpty() {
				if _, plain := e.Expr.(*sqlparser.ColName); !plain {
					e.As = sqlparser.NewIdentifierCI(itemName(e, ""))
				}
			}
		}
		return true, nil
	}, query)
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *sqlparser.Select:
			var list []sqlparser.SelectExpr
			for _, e := range n.SelectExprs.Exprs {
				if star, ok := e.(*sqlparser.StarExpr); ok && d.stars[star] != nil {
					list = append(list, d.stars[star]...)
				} else {
					list = append(list, e)
				}
			}
			if n == named && len(list) == len(out) {
				for i, e := range list {
					e.(*sqlparser.AliasedExpr).As = sqlparser.NewIdentifierCI(out[i].name)
				}
			}
			n.SelectExprs.Exprs = list
		case *sqlparser.ColName:
			if of, ok := d.names[n]; ok {
				n.Qualifier = of
			}
		case *sqlparser.AliasedTableExpr:
			if namespace, ok := d.tables[n]; ok {
				t := n.Expr.(sqlparser.TableName)
				t.Qualifier = sqlparser.NewIdentifierCS(namespace)
				n.Expr = t
			}
		}
		return true, nil
	}, query)
}

// parseView parses the query of a view's definition.
func parseView(text string) (sqlparser.TableStatement, error) {
	list, err := parse.Parse(text)
	if err != nil {
		return nil, err
	}
	s, ok := list[0].AST.(sqlparser.TableStatement)
	if !ok {
		return nil, sqlerr.Internal.New("a view's query is %T", list[0].AST)
	}
	return s, nil
}

// enterView returns a view's query, to be bound before leave is called: names
// that the statement defines mean nothing in it.
func (b *builder) enterView(v *schema.Table) (s sqlparser.TableStatement, leave func(), err error) {
	if slices.Contains(b.views, v) {
		return nil, nil, sqlerr.ViewRecursive.New("'%s' contains view recursion", v.QualifiedName()).On(v.QualifiedName())
	}
	if s, err = parseView(v.View.Select); err != nil {
		return nil, nil, sqlerr.Corrupt.Wrap(err, "the query of view '%s' cannot be read", v.QualifiedName()).On(v.QualifiedName())
	}
	ctes, def, as := b.ctes, b.def, b.as
	b.ctes, b.def, b.views = nil, nil, append(b.views, v)
	if d := definer(v); d != nil {
		b.as = d
	}
	return s, func() { b.ctes, b.def, b.as, b.views = ctes, def, as, b.views[:len(b.views)-1] }, nil
}

// view brings a view's columns into scope: its query becomes part of the one
// around it.
func (b *builder) view(v *schema.Table, alias string) (*from, error) {
	s, leave, err := b.enterView(v)
	if err != nil {
		return nil, err
	}
	defer leave()
	q, err := b.query(s, &frame{})
	if err != nil {
		return nil, invalidView(v, err)
	}
	order := orderOf(q.rel)
	fr, err := b.derivedFrom(q, alias, viewNames(v))
	if err != nil {
		return nil, invalidView(v, err)
	}
	fr.sources[0].namespace, fr.order = v.Namespace, order
	return fr, nil
}

func viewNames(v *schema.Table) sqlparser.Columns {
	names := make(sqlparser.Columns, len(v.Columns))
	for i := range v.Columns {
		names[i] = sqlparser.NewIdentifierCI(v.Columns[i].Name)
	}
	return names
}

// orderOf returns what a query's rows are sorted by.
func orderOf(l logical) []orderCol {
	switch l := l.(type) {
	case *sortRel:
		return l.keys
	case *extendRel:
		return orderOf(l.in)
	}
	return nil
}

// invalidView turns the error that a name of a view's query is no longer known
// into MySQL's for the view.
func invalidView(v *schema.Table, err error) error {
	e := sqlerr.As(err)
	if e == nil {
		return err
	}
	switch e.Kind {
	case sqlerr.NoSuchTable, sqlerr.BadDatabase, sqlerr.UnknownTable, sqlerr.UnknownColumn, sqlerr.UnknownFunction,
		sqlerr.ViewColumnCount, sqlerr.WrongColumnsInSet, sqlerr.KeyNotFound:
		return sqlerr.ViewInvalid.Wrap(err, "View '%s' references invalid table(s) or column(s) or function(s) or definer/invoker of view lack rights to use them",
			v.QualifiedName()).On(v.QualifiedName())
	}
	return err
}

// simpleView returns the query of a view that has one row for each that is kept
// of one table or view; nil for another.
func simpleView(v *schema.Table, s sqlparser.TableStatement) *sqlparser.Select {
	sel, ok := s.(*sqlparser.Select)
	if !ok || v.View.Algorithm == "TEMPTABLE" || sel.With != nil || sel.Distinct || sel.GroupBy != nil || sel.Having != nil ||
		sel.Limit != nil || len(sel.From) != 1 || sqlparser.ContainsAggregation(sel.SelectExprs) {
		return nil
	}
	if _, ok := sel.From[0].(*sqlparser.AliasedTableExpr); !ok {
		return nil
	}
	plain := true
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch n.(type) {
		case *sqlparser.Subquery, *sqlparser.OverClause:
			plain = false
		}
		return plain, nil
	}, sel.SelectExprs)
	if !plain {
		return nil
	}
	return sel
}

// Mergeable reports whether a view's query is neither grouped nor limited.
func Mergeable(v *schema.Table) bool {
	s, err := parseView(v.View.Select)
	sel, ok := s.(*sqlparser.Select)
	return err == nil && ok && !sel.Distinct && sel.GroupBy == nil && sel.Having == nil && sel.Limit == nil &&
		!sqlparser.ContainsAggregation(sel.SelectExprs)
}

// Updatable reports whether rows of a view can be updated and deleted.
func Updatable(ctx context.Context, v *schema.Table, o Options) bool {
	b := &builder{ctx: ctx, o: o}
	_, err := b.viewTarget(v, v.Name, "UPDATE", 0)
	return err == nil
}

// viewTarget finds what a statement writes that names a view.
func (b *builder) viewTarget(v *schema.Table, alias, statement string, needs rights.Set) (*target, error) {
	s, leave, err := b.enterView(v)
	if err != nil {
		return nil, err
	}
	defer leave()
	sel := simpleView(v, s)
	if sel == nil {
		return nil, b.notUpdatable(v, alias, s, statement)
	}
	if sel.Where != nil {
		needs = readsRows(needs, sel.Where)
	}
	in, err := b.target(sel.From[0], statement, needs)
	if e := sqlerr.As(err); e != nil && (e.Kind == sqlerr.NotUpdatable || e.Kind == sqlerr.NoTablesUsed || e.Kind == sqlerr.NotSupported) {
		return nil, b.notUpdatable(v, alias, s, statement)
	}
	if err != nil {
		return nil, invalidView(v, err)
	}
	t := &target{rel: in.rel, rows: in.rows, seen: in.seen, check: in.check, view: v, computed: maps.Clone(in.computed)}
	sc := &scope{b: b, frame: &frame{}, from: in.from, clause: "where clause"}
	if sel.Where != nil {
		conds, err := b.conditions(sel.Where.Expr, sc)
		if err != nil {
			return nil, invalidView(v, err)
		}
		t.rows = filtered(t.rows, slices.Clone(conds))
		for i := range conds {
			conds[i] = in.written(conds[i])
		}
		t.seen = append(t.seen[:len(t.seen):len(t.seen)], conds...)
		if v.View.Check == schema.Local {
			t.check = append(t.check[:len(t.check):len(t.check)], conds...)
		}
	}
	if v.View.Check == schema.Cascaded {
		t.check = t.seen
	}
	items, err := b.selectList(sel, in.from, sc)
	if err == nil && len(items) != len(v.Columns) {
		err = sqlerr.ViewColumnCount.New("the view has %d columns, its query %d", len(v.Columns), len(items))
	}
	if err != nil {
		return nil, invalidView(v, err)
	}
	src := &source{namespace: v.Namespace, alias: alias}
	for i, it := range items {
		c, plain := it.expr.(*expr.Column)
		if !plain {
			var ids []int
			t.rows, ids = b.extend(t.rows, []expr.Expr{it.expr})
			c = b.ref(ids[0])
			if t.computed == nil {
				t.computed = map[int]expr.Expr{}
			}
			t.computed[c.Index] = in.written(it.expr)
		}
		src.cols = append(src.cols, &sourceColumn{name: v.Columns[i].Name, id: c.Index})
	}
	t.from = &from{rel: t.rows, sources: []*source{src}, visible: src.cols}
	return t, nil
}

// notUpdatable is the error for a view that is more, or less, than rows of one table.
func (b *builder) notUpdatable(v *schema.Table, alias string, s sqlparser.TableStatement, statement string) error {
	if sel, ok := s.(*sqlparser.Select); ok && len(sel.From) > 0 && sel.GroupBy == nil && !sel.Distinct {
		_, join := sel.From[0].(*sqlparser.JoinTableExpr)
		if (join || len(sel.From) > 1) && !sqlparser.ContainsAggregation(sel.SelectExprs) {
			if statement == "DELETE" {
				return sqlerr.DeleteFromJoinView.New("Can not delete from join view '%s'", v.QualifiedName()).On(v.QualifiedName())
			}
			return sqlerr.Unsupported("%s of a view of several tables", statement)
		}
	}
	if statement == "INSERT" {
		return notInsertable(v, alias)
	}
	return sqlerr.NotUpdatable.New("The target table %s of the %s is not updatable", alias, strings.ToUpper(statement)).On(v.QualifiedName())
}

func notInsertable(v *schema.Table, alias string) error {
	return sqlerr.NotInsertable.New("The target table %s of the INSERT is not insertable-into", alias).On(v.QualifiedName())
}
