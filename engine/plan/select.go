package plan

import (
	"slices"
	"strconv"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// item is a column of a select list.
type item struct {
	expr expr.Expr
	name string
}

// orderItem is an ORDER BY item.
type orderItem struct {
	expr expr.Expr
	desc bool
}

func (b *builder) refuseSelect(s *sqlparser.Select) error {
	switch {
	case s.Into != nil:
		return sqlerr.Unsupported("SELECT … INTO")
	case s.SQLCalcFoundRows && s != b.named:
		return sqlerr.WrongPlacement.New("Incorrect usage/placement of 'SQL_CALC_FOUND_ROWS'")
	}
	return nil
}

// selectQuery binds a SELECT: FROM, WHERE, GROUP BY, HAVING, the select list,
// DISTINCT, ORDER BY, LIMIT, as operators in this order. What the select list
// computes and nothing before it needs comes last of all, for the rows that LIMIT leaves.
func (b *builder) selectQuery(s *sqlparser.Select, f *frame) (*query, error) {
	if err := b.refuseSelect(s); err != nil {
		return nil, err
	}
	fr, err := b.from(s.From, f)
	if err != nil {
		return nil, err
	}
	if s.StraightJoinHint {
		makeStraight(fr.rel)
	}
	if s.GroupBy != nil && s.GroupBy.WithRollup {
		b.tellApart(fr)
	}
	rel := fr.rel
	if s.Where != nil {
		conds, err := b.conditions(s.Where.Expr, &scope{b: b, frame: f, from: fr, clause: "where clause"})
		if err != nil {
			return nil, err
		}
		rel = filtered(rel, conds)
	}
	if rel, err = b.locking(rel, s.Lock, fr); err != nil {
		return nil, err
	}
	lock, _ := rel.(*lockRel)
	if lock != nil && s.SQLCalcFoundRows {
		return nil, sqlerr.Unsupported("SQL_CALC_FOUND_ROWS with FOR UPDATE and FOR SHARE")
	}
	windows, err := newWindowNames(s.Windows)
	if err != nil {
		return nil, err
	}
	grouped := s.GroupBy != nil && len(s.GroupBy.Exprs) > 0
	list := &scope{b: b, frame: f, from: fr, clause: "field list", aggregates: true, grouped: grouped, windows: windows}
	items, err := b.selectList(s, fr, list)
	if err != nil {
		return nil, err
	}
	if err := b.checkWindows(s.Windows, list); err != nil {
		return nil, err
	}
	g := &grouping{b: b, from: yields(fr.rel)}
	if grouped {
		g.rollup = s.GroupBy.WithRollup
		if g.by, err = b.groupBy(s.GroupBy.Exprs, fr, f, items); err != nil {
			return nil, err
		}
	}
	after := &scope{b: b, frame: f, from: fr, clause: "having clause", aggregates: true, grouped: grouped, aliases: aliasesHaving,
		items: items, groupBy: g.by}
	var having []expr.Expr
	if s.Having != nil {
		after.inAggs = aggregateNames(s.Having.Expr)
		if having, err = b.conditions(s.Having.Expr, after); err != nil {
			return nil, err
		}
	}
	sorted := &scope{b: b, frame: f, from: fr, clause: "order clause", aggregates: true, grouped: grouped, aliases: aliasesAfter,
		items: items, windows: windows}
	order, err := b.orderBy(s.OrderBy, sorted)
	if err != nil {
		return nil, err
	}
	g.aggregated = list.aggregated || after.aggregated || sorted.aggregated
	if rel, err = g.apply(rel, items, having, order); err != nil {
		return nil, err
	}
	rel = filtered(rel, having)
	if len(order) == 0 && !s.Distinct {
		order = g.rollupOrder()
	}
	if len(order) == 0 && !s.Distinct && g.rel == nil {
		for _, o := range fr.order {
			order = append(order, orderItem{b.ref(o.col), o.desc})
		}
	}
	plain := g.rel == nil && !s.Distinct
	var exprs []expr.Expr
	for _, it := range items {
		plain = plain && !expr.HasWindow(it.expr)
		exprs = append(exprs, it.expr)
	}
	rel = b.windows(rel, items, order)
	q, err := b.finish(rel, items, order, s.Distinct, s.Limit, f)
	if err == nil && g.rel == nil {
		q.from, q.distinct = fr, s.Distinct
		if plain {
			q.exprs, q.merged = exprs, s.Limit == nil
		}
	}
	if err == nil && lock != nil {
		q.rel = lockLate(q.rel, lock)
	}
	return q, err
}

// filtered returns rel's rows for which conds hold.
func filtered(rel logical, conds []expr.Expr) logical {
	if len(conds) == 0 {
		return rel
	}
	return &filterRel{in: rel, conds: conds}
}

// makeStraight has the joins of a FROM done as written.
func makeStraight(rel logical) {
	if j, ok := rel.(*joinRel); ok {
		j.straight = true
		makeStraight(j.left)
		makeStraight(j.right)
	}
}

// finish puts the select list, DISTINCT, ORDER BY and LIMIT on top of rel.
func (b *builder) finish(rel logical, items []item, order []orderItem, distinct bool, limit *sqlparser.Limit, f *frame) (*query, error) {
	exprs := make([]expr.Expr, len(items))
	for i := range items {
		exprs[i] = items[i].expr
	}
	order = slices.DeleteFunc(order, func(o orderItem) bool { return expr.IsConst(o.expr) && !expr.HasSubquery(o.expr) })
	var ids []int
	if distinct {
		var err error
		if rel, ids, err = b.distinct(rel, exprs, order); err != nil {
			return nil, err
		}
	}
	keys := make([]expr.Expr, 0, len(order))
	for _, o := range order {
		keys = append(keys, o.expr)
	}
	rel, keyCols := b.extend(rel, keys)
	var by []orderCol
	for i, o := range order {
		by = append(by, orderCol{keyCols[i], o.desc})
	}
	if len(by) > 0 {
		rel = &sortRel{in: rel, keys: by}
	}
	rel, err := b.limit(rel, limit, f)
	if err != nil {
		return nil, err
	}
	if !distinct {
		for i, e := range exprs {
			for k, key := range keys {
				if expr.Equal(e, key) && expr.Deterministic(e) {
					exprs[i] = b.ref(keyCols[k])
				}
			}
		}
		rel, ids = b.extend(rel, exprs)
	}
	q := &query{rel: rel}
	for i, it := range items {
		q.out = append(q.out, output{name: it.name, col: ids[i]})
	}
	return q, nil
}

// distinct drops rows of rel that repeat in list, and returns the columns of list. What
// the rows are ordered by becomes expressions over those columns.
func (b *builder) distinct(rel logical, list []expr.Expr, order []orderItem) (logical, []int, error) {
	rel, ids := b.extend(rel, list)
	kept := colSet{}
	kept.add(ids)
	group := &groupRel{in: rel, groupBy: refs(b, unique(ids)), groupCols: unique(ids)}
	for i := range order {
		e := expr.Rewrite(order[i].expr, func(e expr.Expr) (expr.Expr, bool) {
			if at := slices.IndexFunc(list, func(x expr.Expr) bool { return expr.Equal(x, e) }); at >= 0 {
				return b.ref(ids[at]), true
			}
			if r := b.rounding(e); r != nil && slices.Contains(ids, r.Index) {
				return expr.CastTo(r, e.Type()), true
			}
			return nil, false
		})
		for c := range columnsOf(e) {
			if kept[c] {
				continue
			}
			if b.o.PartialGroupBy { // the order of any of the rows that are alike
				whole := order[i].expr
				col := b.newColumn(whole.String(), whole.Type(), whole.Nullable())
				group.aggs = append(group.aggs, &expr.Aggregate{Func: expr.AnyValue, Args: []expr.Expr{whole}, T: whole.Type()})
				group.aggCols = append(group.aggCols, col)
				e = b.ref(col)
				break
			}
			return nil, nil, sqlerr.OrderNotSelected.New("Expression #%d of ORDER BY clause is not in SELECT list, references column '%s' which is not in SELECT list; this is incompatible with DISTINCT", i+1, b.cols[c].qualified())
		}
		order[i].expr = e
	}
	if len(group.aggs) > 0 {
		return group, ids, nil
	}
	return &distinctRel{in: rel, cols: ids}, ids, nil
}

// limit puts a LIMIT clause, which may be nil, on top of rel.
func (b *builder) limit(rel logical, l *sqlparser.Limit, f *frame) (logical, error) {
	if l == nil {
		return rel, nil
	}
	r := &limitRel{in: rel}
	s := &scope{b: b, frame: &frame{}, clause: "limit clause"}
	for _, part := range []struct {
		e  sqlparser.Expr
		to *expr.Expr
	}{{l.Rowcount, &r.count}, {l.Offset, &r.offset}} {
		if part.e == nil {
			continue
		}
		e, err := b.bind(part.e, s)
		if err != nil {
			return nil, err
		}
		switch x := e.(type) {
		case *expr.Param:
		case *expr.Literal:
			if !x.T.IsInteger() || !x.T.Unsigned && x.Value.Int() < 0 {
				return nil, sqlerr.Syntax.New("LIMIT and OFFSET take unsigned integers")
			}
		default:
			return nil, sqlerr.Syntax.New("LIMIT and OFFSET take unsigned integers")
		}
		*part.to = expr.CastTo(e, types.Uint64Type)
		if l, ok := e.(*expr.Literal); ok {
			*part.to = &expr.Literal{Value: types.NewUint(l.Value.Uint()), T: types.Uint64Type}
		}
	}
	return r, nil
}

// counted has the LIMIT of a query, below what its select list computes last, count
// all rows.
func counted(rel logical) logical {
	switch r := rel.(type) {
	case *extendRel:
		r.in = counted(r.in)
	case *limitRel:
		r.counts = true
	default:
		return &limitRel{in: rel, counts: true}
	}
	return rel
}

// selectList binds a select list, * replaced by columns.
func (b *builder) selectList(sel *sqlparser.Select, fr *from, s *scope) ([]item, error) {
	var texts []string
	if sel == b.named && b.o.SQL != "" {
		texts = itemTexts(b.o.SQL)
	}
	return b.items(sel.SelectExprs.Exprs, texts, fr, s)
}

// items binds a select list, whose items are written as texts, or in ways that
// are not known.
func (b *builder) items(list []sqlparser.SelectExpr, texts []string, fr *from, s *scope) ([]item, error) {
	if len(texts) != len(list) {
		texts = make([]string, len(list))
	}
	var items []item
	for i, se := range list {
		switch se := se.(type) {
		case *sqlparser.StarExpr:
			stars, err := b.star(se, fr)
			if err != nil {
				return nil, err
			}
			items = append(items, stars...)
		case *sqlparser.AliasedExpr:
			e, err := b.bind(se.Expr, s)
			if err != nil {
				return nil, err
			}
			items = append(items, item{e, itemName(se, texts[i])})
		default:
			return nil, sqlerr.Unsupported("%s", sqlparser.String(se))
		}
	}
	return items, nil
}

func (b *builder) star(se *sqlparser.StarExpr, fr *from) ([]item, error) {
	cols := fr.visible
	if !se.TableName.IsEmpty() {
		cols = nil
		known := false
		for _, src := range fr.sources {
			if src.named(se.TableName) {
				known = true
				cols = append(cols, src.cols...)
			}
		}
		if !known {
			return nil, sqlerr.UnknownTable.New("Unknown table '%s'", sqlparser.String(se.TableName))
		}
	} else if len(fr.sources) == 0 {
		return nil, sqlerr.NoTablesUsed.New("No tables used")
	}
	if b.def != nil {
		b.def.star(se, cols, fr)
	}
	var items []item
	for _, c := range cols {
		if !c.hidden {
			items = append(items, item{b.ref(c.id), c.name})
		}
	}
	return items, nil
}

// itemName is the result column's name: the alias, the column's name, or the
// expression's text, which may be unknown, "".
func itemName(se *sqlparser.AliasedExpr, text string) string {
	if !se.As.IsEmpty() {
		return se.As.String()
	}
	switch e := se.Expr.(type) {
	case *sqlparser.ColName:
		return e.Name.String()
	case *sqlparser.Literal:
		if e.Type == sqlparser.StrVal {
			return e.Val
		}
	}
	if text != "" {
		return text
	}
	return sqlparser.String(se.Expr)
}

// groupBy binds GROUP BY's expressions: ordinals, columns, aliases.
func (b *builder) groupBy(list []sqlparser.Expr, fr *from, f *frame, items []item) ([]expr.Expr, error) {
	s := &scope{b: b, frame: f, from: fr, clause: "group statement", aliases: aliasesAfter, items: items}
	var by []expr.Expr
	for _, ge := range list {
		e, err := ordinal(ge, items, "group statement")
		if e == nil && err == nil {
			e, err = b.bind(ge, s)
		}
		if err != nil {
			return nil, err
		}
		if expr.HasWindow(e) {
			return nil, sqlerr.WindowAliasMisuse.New("You cannot use the alias '%s' of an expression containing a window function in this context.'", sqlparser.String(ge))
		}
		if expr.HasAggregate(e) {
			return nil, sqlerr.WrongGroupField.New("Can't group on '%s'", sqlparser.String(ge))
		}
		by = append(by, e)
	}
	return by, nil
}

// ordinal returns the select list's expression that an integer literal stands
// for; nil for other expressions.
func ordinal(e sqlparser.Expr, items []item, clause string) (expr.Expr, error) {
	l, ok := e.(*sqlparser.Literal)
	if !ok || l.Type != sqlparser.IntVal {
		return nil, nil
	}
	n, err := strconv.Atoi(l.Val)
	if err != nil || n < 1 || n > len(items) {
		return nil, sqlerr.UnknownColumn.New("Unknown column '%s' in '%s'", l.Val, clause)
	}
	return items[n-1].expr, nil
}

// orderBy binds ORDER BY's items: ordinals, aliases, then expressions.
func (b *builder) orderBy(list sqlparser.OrderBy, s *scope) ([]orderItem, error) {
	var order []orderItem
	for _, o := range list {
		e, err := ordinal(o.Expr, s.items, s.clause)
		if name, ok := o.Expr.(*sqlparser.ColName); ok {
			e, err = s.alias(name)
		}
		if e == nil && err == nil {
			e, err = b.bind(o.Expr, s)
		}
		if err != nil {
			return nil, err
		}
		order = append(order, orderItem{e, o.Direction == sqlparser.DescOrder})
	}
	return order, nil
}
