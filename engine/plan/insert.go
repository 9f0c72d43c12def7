package plan

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func (b *builder) insert(s *sqlparser.Insert) (*Plan, error) {
	if len(s.Partitions) > 0 {
		return nil, sqlerr.Unsupported("PARTITION")
	}
	needs := rights.Insert
	if s.Action == sqlparser.ReplaceAct {
		needs |= rights.Delete
	}
	if len(s.OnDup) > 0 {
		needs = readsRows(needs|rights.Update, valuesOf(s.OnDup)...)
	}
	to, err := b.target(s.Table, "INSERT", b.returns(needs))
	if err == nil {
		err = to.checkInsertable()
	}
	if err != nil {
		return nil, err
	}
	t := to.rel.table
	n := &Insert{Table: t, Mode: InsertPlain}
	if n.Columns, err = insertColumns(to, s); err != nil {
		return nil, err
	}
	n.Check = b.viewCheck(to)
	if n.Defaults, err = b.defaults(t); err != nil {
		return nil, err
	}
	if n.Rules, err = b.rulesOf(t); err != nil {
		return nil, err
	}
	var query *query
	switch rows := s.Rows.(type) {
	case sqlparser.Values:
		release := b.forbid(t)
		if b.o.Arguments {
			n.Input, err = b.insertArguments(to, n.Columns, rows)
		} else {
			n.Input, err = b.insertRows(to, n.Columns, rows)
		}
		release()
	case sqlparser.TableStatement:
		query, err = b.insertQuery(t, n.Columns, rows)
	default:
		err = sqlerr.Unsupported("INSERT of %T", rows)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case s.Action == sqlparser.ReplaceAct:
		n.Mode = InsertReplace
	case len(s.OnDup) > 0:
		if n.Mode = InsertUpdate; bool(s.Ignore) {
			n.Mode = InsertUpdateIgnore
		}
		release := b.forbid(t)
		n.OnDuplicate, err = b.onDuplicate(s, to, query)
		release()
	case bool(s.Ignore):
		n.Mode = InsertIgnore
	}
	if query != nil {
		n.Input = b.queryPlan(query).Root
	}
	if err == nil && t.Kind == schema.System && n.Mode != InsertPlain {
		err = sqlerr.Unsupported("IGNORE, REPLACE and ON DUPLICATE KEY UPDATE of system tables").On(t.QualifiedName())
	}
	if err != nil {
		return nil, err
	}
	p := &Plan{Root: n, Writes: t}
	if n.Returning, p.Columns, err = b.returning(to); err != nil {
		return nil, err
	}
	return b.spooled(p, &n.Input), nil
}

// generatedValue refuses a value for a generated column, which only DEFAULT may
// be given for. It reports whether column c is one.
func generatedValue(t *schema.Table, c int, e sqlparser.Expr) (bool, error) {
	col := &t.Columns[c]
	if col.Generated == "" {
		return false, nil
	}
	if d, ok := e.(*sqlparser.Default); ok && d.ColName == "" {
		return true, nil
	}
	return true, sqlerr.GeneratedValue.New("The value specified for generated column '%s' in table '%s' is not allowed.", col.Name, t.Name).
		On(t.QualifiedName()).In(col.Name)
}

// insertColumns returns the ordinals of the columns that are given values.
func insertColumns(t *target, s *sqlparser.Insert) ([]int, error) {
	var cols []int
	if len(s.Columns) == 0 {
		if rows, ok := s.Rows.(sqlparser.Values); ok && len(rows) > 0 && len(rows[0]) == 0 {
			return nil, nil // VALUES (): defaults only
		}
		for _, c := range t.columns() {
			if !c.hidden {
				cols = append(cols, t.ordinal(c))
			}
		}
		return cols, nil
	}
	taken := map[int]bool{}
	for _, name := range s.Columns {
		c, err := t.writable(name)
		if err != nil {
			return nil, err
		}
		if taken[c] {
			return nil, sqlerr.FieldSpecTwice.New("Column '%s' specified twice", name.String()).On(t.name()).In(name.String())
		}
		taken[c] = true
		cols = append(cols, c)
	}
	return cols, nil
}

// defaults binds the columns' defaults.
func (b *builder) defaults(t *schema.Table) ([]expr.Expr, error) {
	list := make([]expr.Expr, len(t.Columns))
	for i := range t.Columns {
		if t.Columns[i].Default == "" {
			continue
		}
		e, err := parse.ParseExpr(t.Columns[i].Default)
		if err != nil {
			return nil, sqlerr.Internal.Wrap(err, "default of column '%s' cannot be parsed", t.Columns[i].Name)
		}
		if list[i], err = BindRow(t, e); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// withDefaults replaces DEFAULT, the default of column at (-1: there is none),
// and DEFAULT(c) in a value of t.
func (b *builder) withDefaults(e sqlparser.Expr, t *target, at int) (sqlparser.Expr, error) {
	switch e.(type) {
	case *sqlparser.Literal, *sqlparser.Argument, *sqlparser.NullVal:
		return e, nil
	}
	var failed error
	out := sqlparser.CopyOnRewrite(e, func(n, _ sqlparser.SQLNode) bool {
		_, sub := n.(*sqlparser.Subquery)
		return !sub
	}, func(c *sqlparser.CopyOnWriteCursor) {
		d, ok := c.Node().(*sqlparser.Default)
		if !ok || failed != nil {
			return
		}
		col := at
		if d.ColName != "" {
			if col, failed = t.writable(sqlparser.NewIdentifierCI(d.ColName)); failed != nil {
				return
			}
		}
		var v sqlparser.Expr
		if v, failed = b.defaultOf(t.rel.table, col); failed == nil {
			c.Replace(v)
		}
	}, nil)
	if failed != nil {
		return nil, failed
	}
	return out.(sqlparser.Expr), nil
}

func (b *builder) defaultOf(t *schema.Table, at int) (sqlparser.Expr, error) {
	if at < 0 {
		return nil, sqlerr.Unsupported("DEFAULT here")
	}
	c := &t.Columns[at]
	switch {
	case c.Default != "":
		e, err := parse.ParseExpr(c.Default)
		if err == nil && len(columnsNamed(e)) > 0 {
			err = sqlerr.Unsupported("DEFAULT of a column whose default depends on other columns")
		}
		return e, err
	case !c.NotNull && !c.NoDefault || c.AutoIncrement:
		return &sqlparser.NullVal{}, nil
	}
	return nil, sqlerr.NoDefault.New("Field '%s' doesn't have a default value", c.Name).On(t.QualifiedName()).In(c.Name)
}

// insertRows binds VALUES (…), …. Each value is to be converted to its column's
// type as if alone, so that rows whose types have none in common that keeps their
// values are in a Values node each.
func (b *builder) insertRows(t *target, cols []int, rows sqlparser.Values) (Node, error) {
	given := &givenScope{scope: &scope{b: b, frame: &frame{}, clause: "field list"}, target: t, cols: cols}
	binder := &expr.Binder{Scope: given, Params: b.o.Params, ZeroDates: b.o.ZeroDates}
	var parts []Node
	v := &Values{}
	none := &phys{}
	for i, tuple := range rows {
		if err := b.interrupted(); err != nil {
			return nil, err
		}
		if len(tuple) != len(cols) {
			return nil, wrongRow(i)
		}
		row := make([]expr.Expr, len(tuple))
		ts := make([]types.Type, len(tuple))
		alike := i > 0
		for k, e := range tuple {
			generated, err := generatedValue(t.rel.table, cols[k], e)
			if err != nil {
				return nil, err
			}
			if generated {
				e = &sqlparser.NullVal{} // the column is computed anyway
			}
			given.row = row[:k]
			e, err := b.withDefaults(e, t, cols[k])
			if err != nil {
				return nil, err
			}
			bound, err := binder.Bind(e)
			if err != nil {
				return nil, err
			}
			target := t.rel.table.Columns[cols[k]].Type
			row[k] = b.expr(expr.ForColumn(bound, target), none)
			if ts[k] = row[k].Type(); alike {
				ts[k], alike = rowsType(v.T[k], ts[k], target)
			}
		}
		if i > 0 && !alike {
			parts, v = append(parts, v.cast()), &Values{}
			for k := range row {
				ts[k] = row[k].Type()
			}
		}
		v.T, v.Rows = ts, append(v.Rows, row)
	}
	if parts = append(parts, v.cast()); len(parts) == 1 {
		return v, nil
	}
	return &Union{All: parts}, nil
}

// givenScope is the scope of a row of VALUES, which may name the columns that
// were given values before.
type givenScope struct {
	*scope
	target *target
	cols   []int
	row    []expr.Expr // their values
}

// Resolve implements expr.Scope.
func (s *givenScope) Resolve(name *sqlparser.ColName) (expr.Expr, error) {
	c, err := s.target.writable(name.Name)
	if q := name.Qualifier; err != nil || !q.IsEmpty() && !s.target.from.sources[0].named(q) {
		return s.scope.Resolve(name)
	}
	col := &s.target.rel.table.Columns[c]
	if at := slices.Index(s.cols, c); at >= 0 && at < len(s.row) {
		return expr.CastTo(s.row[at], col.Type), nil
	}
	if col.Default == "" {
		return &expr.Literal{T: col.Type}, nil
	}
	e, err := parse.ParseExpr(col.Default)
	if err != nil {
		return nil, sqlerr.Internal.Wrap(err, "default of column '%s' cannot be parsed", col.Name)
	}
	return s.b.bind(e, s.scope)
}

// cast converts the rows to T.
func (n *Values) cast() *Values {
	for _, row := range n.Rows {
		for k := range row {
			row[k] = expr.CastTo(row[k], n.T[k])
		}
	}
	return n.finish()
}

// finish gives all values their columns' forms: those of one statement may differ in
// type where the column's is common. It sets Params.
func (n *Values) finish() *Values {
	params := make([]int32, 0, len(n.Rows)*len(n.T))
	for _, row := range n.Rows {
		for k, e := range row {
			t := e.Type()
			if t.Physical() != n.T[k].Physical() && t.Kind != types.Null || t.Kind == types.Decimal && t.Scale != n.T[k].Scale {
				row[k] = expr.CastTo(e, n.T[k])
			}
			if p, ok := row[k].(*expr.Param); ok && params != nil {
				params = append(params, int32(p.Index))
			} else {
				params = nil
			}
		}
	}
	if len(params) > 0 {
		n.Params = params
	}
	return n
}

// rowsType returns a type that takes values of types t and u without changing
// what the target column gets; false if there is none.
func rowsType(t, u, target types.Type) (types.Type, bool) {
	if t == u {
		return t, true
	}
	common := expr.CommonType(t, u)
	switch {
	case t.Kind == types.Null, u.Kind == types.Null:
	case t.IsString() && u.IsString():
	case t.IsInteger() && u.IsInteger():
	case target.IsNumeric() && t.IsNumeric() && u.IsNumeric() && !common.IsFloat():
	case target.IsString():
		common = types.TextType // the common type would round or pad
	default:
		return t, false
	}
	return common, true
}

// insertQuery binds INSERT … SELECT's query.
func (b *builder) insertQuery(t *schema.Table, cols []int, s sqlparser.TableStatement) (*query, error) {
	for _, c := range cols {
		if _, err := generatedValue(t, c, nil); err != nil {
			return nil, err
		}
	}
	read := b.reads[t.ID]
	q, err := b.query(s, &frame{})
	if err != nil {
		return nil, err
	}
	if len(q.out) != len(cols) {
		return nil, wrongRow(0)
	}
	if b.reads[t.ID] > read { // MySQL keeps the rows in a temporary table, which has quotients rounded
		return q, nil
	}
	exact := b.exactly(q, q.exprs)
	for i, c := range cols {
		if id := exact[q.out[i].col]; id > 0 && (t.Columns[c].Type.Kind == types.Decimal || t.Columns[c].Type.IsFloat()) {
			q.out[i].col = id
		}
	}
	return q, nil
}

// rowScope is the scope of ON DUPLICATE KEY UPDATE: it knows VALUES(c), and the columns
// that INSERT … SELECT's query selects from.
type rowScope struct {
	*scope
	target *target
	first  int    // number of the new row's first column
	query  *query // nil: it is no SELECT
	in     *phys  // what the assignments read
}

// Resolve implements expr.Scope. A column of the query becomes one more that it yields.
func (s *rowScope) Resolve(name *sqlparser.ColName) (expr.Expr, error) {
	e, err := s.lookup(name)
	if err != nil || s.query == nil || s.query.from == nil {
		return s.scope.Resolve(name)
	}
	of, err := (&scope{b: s.b, frame: &frame{}, from: s.query.from, clause: s.clause}).column(name)
	switch {
	case err != nil:
		return nil, err
	case of == nil:
		return s.scope.Resolve(name)
	case e != nil:
		return nil, sqlerr.AmbiguousColumn.New("Column '%s' in %s is ambiguous", nameText(name), s.clause).In(name.Name.String())
	case s.query.distinct:
		return nil, sqlerr.Unsupported("columns of SELECT DISTINCT in ON DUPLICATE KEY UPDATE").In(name.Name.String())
	}
	if id := of.(*expr.Column).Index; !slices.Contains(s.in.cols, id) {
		s.in.cols = append(s.in.cols, id)
		s.query.out = append(s.query.out, output{name: name.Name.String(), col: id})
	}
	return of, nil
}

// ResolveValues implements expr.ValuesScope.
func (s *rowScope) ResolveValues(name *sqlparser.ColName) (expr.Expr, error) {
	c, err := s.target.writable(name.Name)
	if err != nil {
		return nil, err
	}
	return s.b.ref(s.first + c), nil
}

func (b *builder) onDuplicate(s *sqlparser.Insert, to *target, q *query) ([]Assignment, error) {
	t := to.rel.table
	first := len(b.cols)
	alias := "values"
	if s.RowAlias != nil {
		alias = s.RowAlias.TableName.String()
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		b.cols = append(b.cols, column{table: alias, name: c.Name, t: c.Type, null: !c.NotNull})
	}
	if s.RowAlias != nil {
		row := &source{alias: alias}
		for _, c := range to.columns() {
			row.cols = append(row.cols, &sourceColumn{name: c.name, id: first + to.ordinal(c), hidden: c.hidden})
		}
		if err := b.rowAlias(s, row, to); err != nil {
			return nil, err
		}
	}
	both := &phys{}
	for i := range t.Columns {
		both.cols = append(both.cols, to.rel.first+i)
	}
	for i := range t.Columns {
		both.cols = append(both.cols, first+i)
	}
	sc := &rowScope{&scope{b: b, frame: &frame{}, from: to.from, clause: "field list", written: true}, to, first, q, both}
	return b.assignments(sqlparser.UpdateExprs(s.OnDup), to, sc, both)
}

// rowAlias brings INSERT … AS alias (columns) into scope.
func (b *builder) rowAlias(s *sqlparser.Insert, alias *source, to *target) error {
	fr := to.from
	if alias.alias == fr.sources[0].alias {
		return sqlerr.NonUniqTable.New("Not unique table/alias: '%s'", alias.alias)
	}
	if n := len(s.RowAlias.Columns); n > 0 {
		targets, err := insertColumns(to, s)
		if err != nil {
			return err
		}
		if n != len(targets) {
			return sqlerr.ViewColumnCount.New("In definition of view, derived table or common table expression, SELECT list and column names list have different column counts")
		}
		cols := make([]*sourceColumn, n)
		for i, c := range targets {
			at := slices.IndexFunc(to.columns(), func(of *sourceColumn) bool { return to.ordinal(of) == c })
			cols[i] = &sourceColumn{name: s.RowAlias.Columns[i].String(), id: alias.cols[at].id}
		}
		alias.cols = cols
	}
	fr.sources = append(fr.sources, alias)
	for _, c := range alias.cols {
		if visibleNamed(fr, c.name) == nil {
			fr.visible = append(fr.visible[:len(fr.visible):len(fr.visible)], c)
		}
	}
	return nil
}
