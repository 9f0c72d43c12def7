package plan

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// from binds a FROM clause: the cross join of its items.
func (b *builder) from(list []sqlparser.TableExpr, f *frame) (*from, error) {
	var all *from
	for _, te := range list {
		var before *from
		if all != nil && looksBack(te) {
			before = all
		}
		fr, err := b.tableExpr(te, f, before)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = fr
			continue
		}
		rel := fr.rel // with all's rows, if it has looked back at them
		if before == nil {
			rel = &joinRel{kind: Inner, left: all.rel, right: fr.rel}
		}
		if all, err = together(all, fr); err != nil {
			return nil, err
		}
		all.rel = rel
	}
	if all == nil {
		all = &from{rel: oneRow()}
	}
	return all, nil
}

// oneRow is FROM dual.
func oneRow() *valuesRel { return &valuesRel{rows: [][]expr.Expr{{}}} }

// together brings the columns of two parts of a FROM into scope.
func together(l, r *from) (*from, error) {
	for _, s := range r.sources {
		for _, o := range l.sources {
			if s.alias == o.alias && s.namespace == o.namespace {
				return nil, sqlerr.NonUniqTable.New("Not unique table/alias: '%s'", s.alias)
			}
		}
	}
	return &from{
		sources: append(l.sources[:len(l.sources):len(l.sources)], r.sources...),
		visible: append(l.visible[:len(l.visible):len(l.visible)], r.visible...),
	}, nil
}

// tableExpr binds an item of FROM. What is returned has the rows of before, the
// tables before it, with its own, unless before is nil.
func (b *builder) tableExpr(te sqlparser.TableExpr, f *frame, before *from) (*from, error) {
	if b.depth++; b.depth > maxDepth {
		return nil, sqlerr.Unsupported("joins nested more than %d deep", maxDepth)
	}
	defer func() { b.depth-- }()
	if dependent(te) {
		return b.follow(te, before, before, f, Inner)
	}
	if j, ok := te.(*sqlparser.JoinTableExpr); ok && looksBack(j) {
		return b.join(j, f, before)
	}
	var fr *from
	var err error
	switch te := te.(type) {
	case *sqlparser.AliasedTableExpr:
		fr, err = b.aliased(te, f)
	case *sqlparser.ParenTableExpr:
		fr, err = b.from(te.Exprs, f)
	case *sqlparser.JoinTableExpr:
		fr, err = b.join(te, f, nil)
	default:
		err = sqlerr.Unsupported("%T in FROM", te)
	}
	if err == nil && before != nil {
		fr.rel = &joinRel{kind: Inner, left: before.rel, right: fr.rel}
	}
	return fr, err
}

func (b *builder) aliased(te *sqlparser.AliasedTableExpr, f *frame) (*from, error) {
	if len(te.Partitions) > 0 {
		return nil, sqlerr.Unsupported("PARTITION")
	}
	switch t := te.Expr.(type) {
	case sqlparser.TableName:
		if t.Qualifier.IsEmpty() && t.Name.String() == "dual" {
			return &from{rel: oneRow()}, nil
		}
		if fr, err := b.cte(t, te.As.String(), f); fr != nil || err != nil {
			return fr, err
		}
		table, err := b.table(t)
		if err != nil {
			return nil, err
		}
		if !b.naming {
			if err := b.need(table, rights.Select); err != nil {
				return nil, err
			}
		}
		if b.def != nil {
			b.def.tables[te] = table.Namespace
		}
		alias := te.As.String()
		if alias == "" {
			alias = table.Name
		}
		if err := b.checkRead(table); err != nil {
			return nil, err
		}
		if te.As.IsEmpty() && table.Kind == schema.System {
			alias = t.Name.String() // in capitals or not
		}
		if table.Kind == schema.Viewed {
			for _, h := range te.Hints {
				for _, name := range h.Indexes {
					return nil, sqlerr.KeyNotFound.New("Key '%s' doesn't exist in table '%s'", name.String(), table.Name)
				}
			}
			return b.view(table, alias)
		}
		fr, rel := b.scanOf(table, alias)
		list, err := indexedExprs(table, rel.first)
		if err != nil {
			return nil, err
		}
		b.generated = append(b.generated, list...)
		rel.hint, err = newIndexHint(table, te.Hints)
		return fr, err
	case *sqlparser.DerivedTable:
		return b.derived(t, te, f)
	}
	return nil, sqlerr.Unsupported("%T in FROM", te.Expr)
}

// table finds a table by name and notes its use.
func (b *builder) table(name sqlparser.TableName) (*schema.Table, error) {
	namespace := name.Qualifier.String()
	if namespace == "" {
		namespace = b.o.Namespace
	}
	if namespace == "" {
		return nil, sqlerr.NoDatabase.New("No database selected")
	}
	t, err := b.lookup(namespace, name.Name.String())
	if err != nil {
		return nil, err
	}
	for _, known := range b.tables {
		if known == t {
			return t, nil
		}
	}
	b.tables = append(b.tables, t)
	return t, nil
}

func (b *builder) lookup(namespace, name string) (*schema.Table, error) {
	if b.o.Temporary != nil && b.inside == nil && len(b.views) == 0 {
		if t := b.o.Temporary(namespace, name); t != nil {
			if b.def != nil {
				return nil, sqlerr.ViewOfTemporary.New("View's SELECT refers to a temporary table '%s'", name).On(t.QualifiedName())
			}
			return t, nil
		}
	}
	return b.o.Catalog.Table(b.ctx, namespace, name)
}

// scanOf brings a table into scope.
func (b *builder) scanOf(t *schema.Table, alias string) (*from, *tableRel) {
	rel := &tableRel{table: t, alias: alias, first: len(b.cols)}
	src := &source{namespace: t.Namespace, alias: alias, rel: rel}
	if b.reads == nil {
		b.reads = map[uint32]int{}
	}
	b.reads[t.ID]++
	for i := range t.Columns {
		c := &t.Columns[i]
		b.cols = append(b.cols, column{namespace: t.Namespace, table: alias, name: c.Name,
			t: c.Type, null: !c.NotNull, rel: rel})
		src.cols = append(src.cols, &sourceColumn{name: c.Name, id: rel.first + i, hidden: c.Hidden})
	}
	return &from{rel: rel, sources: []*source{src}, visible: src.cols}, rel
}

func (b *builder) derived(t *sqlparser.DerivedTable, te *sqlparser.AliasedTableExpr, f *frame) (*from, error) {
	alias := te.As.String()
	if alias == "" {
		return nil, sqlerr.DerivedNeedsAlias.New("Every derived table must have its own alias")
	}
	q, err := b.apart(func() (*query, error) { return b.query(t.Select, f) })
	if err != nil {
		return nil, err
	}
	return b.derivedFrom(q, alias, te.Columns)
}

// apart binds a derived table, whose rows are read before any is written.
func (b *builder) apart(bind func() (*query, error)) (*query, error) {
	deep := b.inExpr
	b.inExpr = 0
	defer func() { b.inExpr = deep }()
	return bind()
}

// derivedFrom brings a query's columns into scope, named names if those are given.
func (b *builder) derivedFrom(q *query, alias string, names sqlparser.Columns) (*from, error) {
	if n := len(names); n > 0 && n != len(q.out) {
		return nil, sqlerr.ViewColumnCount.New("In definition of view, derived table or common table expression, SELECT list and column names list have different column counts")
	}
	q.rel = unordered(q.rel) // a derived table's rows have no order
	var exact map[int]int
	if q.merged {
		exact = b.exactly(q, q.exprs)
	}
	src := &source{alias: alias}
	for i, o := range q.out {
		name := o.name
		if len(names) > 0 {
			name = names[i].String()
		}
		for _, c := range src.cols {
			if strings.EqualFold(c.name, name) {
				return nil, sqlerr.DupFieldName.New("Duplicate column name '%s'", name).In(name)
			}
		}
		src.cols = append(src.cols, &sourceColumn{name: name, id: o.col, exact: exact[o.col]})
	}
	return &from{rel: q.rel, sources: []*source{src}, visible: src.cols}, nil
}

// exactly adds to a query of list the columns that have quotients unrounded, and returns them
// by those that have them rounded.
func (b *builder) exactly(q *query, list []expr.Expr) map[int]int {
	var exact []expr.Expr
	var of []int
	for i, e := range list {
		if x := expr.Exact(e); x != e && expr.Deterministic(e) {
			exact, of = append(exact, x), append(of, q.out[i].col)
		}
	}
	if exact == nil {
		return nil
	}
	by := map[int]int{}
	rel, ids := b.extend(q.rel, exact)
	q.rel = rel
	if b.rounded == nil {
		b.rounded = map[int]int{}
	}
	for i, id := range ids {
		by[of[i]], b.rounded[id] = id, of[i]
	}
	return by
}

// rounding returns the column that has a derived table's quotient rounded which e has
// unrounded; or nil.
func (b *builder) rounding(e expr.Expr) *expr.Column {
	if c, ok := e.(*expr.Column); ok {
		if id, ok := b.rounded[c.Index]; ok {
			return b.ref(id)
		}
	}
	return nil
}

// unordered drops a query's ORDER BY.
func unordered(l logical) logical {
	switch l := l.(type) {
	case *sortRel:
		return l.in
	case *extendRel:
		l.in = unordered(l.in)
	}
	return l
}

// join binds a join; before is as tableExpr's.
func (b *builder) join(te *sqlparser.JoinTableExpr, f *frame, before *from) (*from, error) {
	kind, natural, right := Inner, false, false
	switch te.Join {
	case sqlparser.LeftJoinType:
		kind = Left
	case sqlparser.RightJoinType:
		kind, right = Left, true
	case sqlparser.NaturalJoinType:
		natural = true
	case sqlparser.NaturalLeftJoinType:
		kind, natural = Left, true
	case sqlparser.NaturalRightJoinType:
		kind, natural, right = Left, true, true
	}
	l, err := b.tableExpr(te.LeftExpr, f, before)
	if err != nil {
		return nil, err
	}
	follows := dependent(te.RightExpr) && !right
	var r *from
	if follows {
		known := l
		if before != nil {
			if known, err = together(before, l); err != nil {
				return nil, err
			}
		}
		r, err = b.follow(te.RightExpr, l, known, f, kind)
	} else {
		r, err = b.tableExpr(te.RightExpr, f, nil)
	}
	if err != nil {
		return nil, err
	}
	fr, err := together(l, r)
	if err != nil {
		return nil, err
	}
	var on []expr.Expr
	var using []string
	if te.Condition != nil {
		if te.Condition.On != nil {
			s := &scope{b: b, frame: f, from: fr, clause: "on clause"}
			if on, err = b.conditions(te.Condition.On, s); err != nil {
				return nil, err
			}
		}
		for _, c := range te.Condition.Using {
			using = append(using, c.String())
		}
	}
	if right { // a left join of the sides exchanged, in the order of USING's columns too
		l, r = r, l
	}
	if natural {
		using = commonNames(l, r)
	}
	if len(using) > 0 {
		equal, err := b.using(fr, l, r, using, f)
		if err != nil {
			return nil, err
		}
		on = append(on, equal...)
	}
	if follows {
		fr.rel = followedOn(r.rel, kind, on)
	} else {
		fr.rel = &joinRel{kind: kind, left: l.rel, right: r.rel, on: on, straight: te.Join == sqlparser.StraightJoinType}
	}
	if kind == Left {
		for _, s := range r.sources {
			for _, c := range s.cols {
				b.cols[c.id].null = true
			}
		}
	}
	return fr, nil
}

// commonNames returns the names that columns of both sides have, in l's order.
func commonNames(l, r *from) []string {
	var names []string
	for _, c := range l.visible {
		for _, d := range r.visible {
			if !c.hidden && !d.hidden && strings.EqualFold(c.name, d.name) {
				names = append(names, c.name)
				break
			}
		}
	}
	return names
}

// using returns the conditions of a join on equal names. In * the common columns
// come first, in l's order and with l's values, then what else is l's, then r's.
func (b *builder) using(fr, l, r *from, names []string, f *frame) (on []expr.Expr, err error) {
	common := map[*sourceColumn]bool{} // of both sides
	for _, name := range names {
		col := sqlparser.NewColName(name)
		for _, side := range []*from{l, r} {
			s := &scope{b: b, frame: &frame{}, from: side, clause: "from clause"}
			if _, err := s.Resolve(col); err != nil {
				return nil, err
			}
		}
		lc, rc := columnNamed(l, name), columnNamed(r, name)
		if lc == nil || rc == nil { // a system column
			return nil, sqlerr.Unsupported("USING (%s)", name)
		}
		equal, err := b.equal(lc, rc, f)
		if err != nil {
			return nil, err
		}
		on = append(on, equal)
		common[lc], common[rc] = true, true
	}
	var first, rest []*sourceColumn
	for _, c := range l.visible {
		if common[c] {
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	for _, c := range r.visible {
		if !common[c] {
			rest = append(rest, c)
		}
	}
	fr.visible = append(first, rest...)
	return on, nil
}

func visibleNamed(f *from, name string) *sourceColumn {
	for _, c := range f.visible {
		if strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

// columnNamed returns a column that can be named without its table, a visible one before
// those that a query has to name.
func columnNamed(f *from, name string) *sourceColumn {
	if c := visibleNamed(f, name); c != nil {
		return c
	}
	for _, s := range f.sources {
		for _, c := range s.cols {
			if strings.EqualFold(c.name, name) {
				return c
			}
		}
	}
	return nil
}

// equal binds l = r, so that the binder decides how the types compare.
func (b *builder) equal(l, r *sourceColumn, f *frame) (expr.Expr, error) {
	pair := &from{sources: []*source{
		{alias: "l", cols: []*sourceColumn{l}},
		{alias: "r", cols: []*sourceColumn{r}},
	}}
	name := func(side string, c *sourceColumn) *sqlparser.ColName {
		return sqlparser.NewColNameWithQualifier(c.name, sqlparser.NewTableName(side))
	}
	return b.bind(&sqlparser.ComparisonExpr{Operator: sqlparser.EqualOp, Left: name("l", l), Right: name("r", r)},
		&scope{b: b, frame: f, from: pair, clause: "from clause"})
}

// indexHint holds the indexes that USE, FORCE and IGNORE INDEX leave.
type indexHint struct {
	set     bool
	allowed map[uint32]bool // by id; schema.PrimaryIndexID for the primary key
}

func (h indexHint) allows(id uint32) bool { return !h.set || h.allowed[id] }

func newIndexHint(t *schema.Table, hints sqlparser.IndexHints) (indexHint, error) {
	h := indexHint{allowed: map[uint32]bool{}}
	ignored := map[uint32]bool{}
	for _, hint := range hints {
		if hint.ForType != sqlparser.NoForType {
			return h, sqlerr.Unsupported("an index hint FOR a clause")
		}
		set := h.allowed
		if hint.Type == sqlparser.IgnoreOp {
			set = ignored
		} else {
			h.set = true
		}
		for _, name := range hint.Indexes {
			id := uint32(schema.PrimaryIndexID)
			if !name.EqualString("primary") {
				ix := t.Index(name.String())
				if ix == nil || ix.Invisible {
					return h, sqlerr.KeyNotFound.New("Key '%s' doesn't exist in table '%s'", name.String(), t.Name)
				}
				id = ix.ID
			}
			set[id] = true
		}
	}
	if len(ignored) == 0 {
		return h, nil
	}
	if !h.set {
		h.set = true
		h.allowed[schema.PrimaryIndexID] = true
		for i := range t.Indexes {
			h.allowed[t.Indexes[i].ID] = true
		}
	}
	for id := range ignored {
		delete(h.allowed, id)
	}
	return h, nil
}
