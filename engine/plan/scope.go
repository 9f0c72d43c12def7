package plan

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// source is a table or derived table in FROM.
type source struct {
	namespace, alias string // namespace "": a derived table
	cols             []*sourceColumn
	rel              *tableRel // of a table; else nil
}

// sourceColumn is a column of a source.
type sourceColumn struct {
	name   string
	id     int
	exact  int // the column that has the quotient unrounded which this one is; or 0
	hidden bool
}

// from is what FROM brings into scope.
type from struct {
	rel     logical
	sources []*source
	visible []*sourceColumn // by unqualified names, in the order of *
	order   []orderCol      // of a view's rows, where that is all of FROM
}

// frame holds the values that a subquery takes from the queries around it; its
// derived tables share it.
type frame struct {
	parent *scope // nil: of the statement itself
	args   []expr.Expr
	outers []expr.Expr
}

// outer returns the subquery's name for e, an expression in the parent scope.
func (f *frame) outer(e expr.Expr) expr.Expr {
	for i, a := range f.args {
		if expr.Equal(a, e) {
			return f.outers[i]
		}
	}
	o := &expr.Outer{Index: len(f.args), Name: e.String(), T: e.Type(), Null: e.Nullable(), Strength: expr.StrengthOf(e)}
	f.args = append(f.args, e)
	f.outers = append(f.outers, o)
	return o
}

// aliasUse says how select aliases are found.
type aliasUse uint8

const (
	noAliases    aliasUse = iota
	aliasesAfter          // what is no column (GROUP BY, expressions in ORDER BY)
	aliasesHaving
)

// scope resolves names in one clause of a query; it implements expr.Scope.
type scope struct {
	b          *builder
	frame      *frame
	from       *from
	clause     string // as error messages name it
	aggregates bool
	grouped    bool        // the query has GROUP BY
	aggregated bool        // an aggregate function was bound; it may have been folded away since
	windows    windowNames // nil: no window functions
	written    bool        // of values that a row is given: it has no system columns

	aliases aliasUse
	items   []item
	// Of HAVING: the GROUP BY expressions, and the names that stand inside
	// aggregate functions.
	groupBy []expr.Expr
	inAggs  map[*sqlparser.ColName]bool
}

// Aggregate implements expr.Scope. An aggregate of an enclosing query's columns alone
// belongs to that query.
func (s *scope) Aggregate(bind func() (*expr.Aggregate, error)) (expr.Expr, error) {
	var known []int // how many values each query around takes from the one around it
	for f := s.frame; f.parent != nil; f = f.parent.frame {
		known = append(known, len(f.args))
	}
	a, err := bind()
	if err != nil {
		return nil, err
	}
	return s.place(a, known)
}

// place returns what stands for a, whose arguments are over this query's columns and the
// outer ones that were taken since known.
func (s *scope) place(a *expr.Aggregate, known []int) (expr.Expr, error) {
	own, outer := false, false
	expr.Walk(a, func(e expr.Expr) bool {
		switch e.(type) {
		case *expr.Column:
			own = true
		case *expr.Outer:
			outer = true
		}
		return true
	})
	if outer && !own && a.Func != expr.AnyValue {
		f := s.frame
		above := inPlace(a, f.args).(*expr.Aggregate)
		f.args, f.outers = f.args[:known[0]], f.outers[:known[0]]
		e, err := f.parent.place(above, known[1:])
		if err != nil {
			return nil, err
		}
		return f.outer(e), nil
	}
	switch {
	case a.Func == expr.AnyValue && (!s.aggregates || outer && !own || expr.HasAggregate(a.Args[0]) || expr.HasWindow(a.Args[0])):
		return a.Args[0], nil
	case !s.aggregates:
		return nil, expr.InvalidGroupFunc()
	}
	a.Grouped, s.aggregated = s.grouped, s.aggregated || a.Func != expr.AnyValue
	return a, nil
}

// Resolve implements expr.Scope.
func (s *scope) Resolve(name *sqlparser.ColName) (expr.Expr, error) {
	e, err := s.lookup(name)
	if err == nil && e == nil {
		err = sqlerr.UnknownColumn.New("Unknown column '%s' in '%s'", nameText(name), s.clause).In(name.Name.String())
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// lookup returns nil where the name is unknown.
func (s *scope) lookup(name *sqlparser.ColName) (expr.Expr, error) {
	e, err := s.local(name)
	if e != nil && s.b.def != nil {
		s.b.def.name(name, e, s.from)
	}
	if e != nil || err != nil || s.frame.parent == nil {
		return e, err
	}
	if e, err = s.frame.parent.lookup(name); e == nil || err != nil {
		return nil, err
	}
	return s.frame.outer(e), nil
}

// local looks a name up in this query.
func (s *scope) local(name *sqlparser.ColName) (expr.Expr, error) {
	e, err := s.column(name)
	if err != nil {
		return nil, err
	}
	switch s.aliases {
	case aliasesAfter:
		if e == nil {
			return s.alias(name)
		}
	case aliasesHaving:
		e, err := s.having(name, e)
		if e != nil && expr.HasWindow(e) {
			err = sqlerr.WindowAliasMisuse.New("You cannot use the alias '%s' of an expression containing a window function in this context.'", nameText(name))
		}
		return e, err
	}
	return e, nil
}

// having decides what a name in HAVING means that FROM knows as e, or not (nil):
// a column only where grouped by, selected or in an aggregate.
func (s *scope) having(name *sqlparser.ColName, e expr.Expr) (expr.Expr, error) {
	if e != nil {
		if s.inAggs[name] {
			return e, nil
		}
		for _, g := range s.groupBy {
			if expr.Equal(g, e) {
				return e, nil
			}
		}
	}
	a, err := s.alias(name)
	if a != nil || err != nil || e == nil {
		return a, err
	}
	for _, it := range s.items {
		if expr.Equal(it.expr, e) {
			return e, nil
		}
	}
	return nil, nil
}

// column looks a name up in FROM.
func (s *scope) column(name *sqlparser.ColName) (expr.Expr, error) {
	if s.from == nil {
		return nil, nil
	}
	var found *sourceColumn
	add := func(c *sourceColumn) error {
		if !name.Name.EqualString(c.name) {
			return nil
		}
		if found != nil && found.id != c.id {
			return sqlerr.AmbiguousColumn.New("Column '%s' in %s is ambiguous", nameText(name), s.clause).In(c.name)
		}
		found = c
		return nil
	}
	if name.Qualifier.IsEmpty() {
		for _, c := range s.from.visible {
			if err := add(c); err != nil {
				return nil, err
			}
		}
	} else {
		for _, src := range s.from.sources {
			if !src.named(name.Qualifier) {
				continue
			}
			for _, c := range src.cols {
				if err := add(c); err != nil {
					return nil, err
				}
			}
		}
	}
	if found == nil {
		match := func(src *source) bool { return name.Qualifier.IsEmpty() || src.named(name.Qualifier) }
		if err := s.system(name.Name.String(), match, add); found == nil || err != nil {
			return nil, err
		}
	}
	c := s.b.ref(found.id)
	if found.exact > 0 {
		c.Exact = s.b.ref(found.exact)
	}
	return c, nil
}

func (src *source) named(t sqlparser.TableName) bool {
	return src.alias == t.Name.String() && (t.Qualifier.IsEmpty() || src.namespace == t.Qualifier.String())
}

// alias looks a name up among the select list's.
func (s *scope) alias(name *sqlparser.ColName) (expr.Expr, error) {
	if !name.Qualifier.IsEmpty() {
		return nil, nil
	}
	var found expr.Expr
	for _, it := range s.items {
		if !name.Name.EqualString(it.name) {
			continue
		}
		if found != nil && !expr.Equal(found, it.expr) {
			return nil, sqlerr.AmbiguousColumn.New("Column '%s' in %s is ambiguous", nameText(name), s.clause).In(it.name)
		}
		found = it.expr
	}
	return found, nil
}

// Subquery implements expr.Scope.
func (s *scope) Subquery(kind expr.SubqueryKind, stmt sqlparser.TableStatement, left []expr.Expr) (*expr.Subquery, error) {
	f := &frame{parent: s}
	s.b.inExpr++
	q, err := s.b.query(stmt, f)
	s.b.inExpr--
	if err != nil {
		return nil, err
	}
	sub := &expr.Subquery{Kind: kind, Plan: q, Left: left, T: types.BoolType}
	if kind == expr.Exists {
		q.rel = &limitRel{in: q.rel, count: intLiteral(1)}
		q.out = nil
		sub.Args = f.args
		return sub, nil
	}
	sub.Args = f.args
	if kind == expr.Scalar {
		for _, o := range q.out {
			sub.Row = append(sub.Row, s.b.cols[o.col].t)
		}
		sub.T, sub.Strength = sub.Row[0], s.b.cols[q.out[0].col].strength
		return sub, nil
	}
	if len(q.out) != len(left) {
		return nil, sqlerr.OperandColumns.New("Operand should contain %d column(s)", len(left))
	}
	sub.Left = make([]expr.Expr, len(left))
	cols := make([]expr.Expr, len(left))
	for i, l := range left {
		cols[i] = s.b.ref(q.out[i].col)
		t := cols[i].Type()
		c, err := expr.ComparedAs("=", l, cols[i])
		if err != nil {
			return nil, err
		}
		if !sameKeys(l.Type(), t) {
			if c.Kind != types.Null {
				t = c
			}
			l, cols[i] = expr.Comparand(l, t), expr.Comparand(cols[i], t)
		}
		sub.Left[i], sub.Row = l, append(sub.Row, t)
	}
	var ids []int
	q.rel, ids = s.b.extend(q.rel, cols)
	for i, id := range ids {
		q.out[i].col = id
	}
	return sub, nil
}

// sameKeys reports whether values of two types are equal just when they are
// held alike.
func sameKeys(a, b types.Type) bool {
	return a == b || a.IsInteger() && b.IsInteger() && a.Physical() == b.Physical() ||
		a.IsText() && b.IsText() && a.Collation == b.Collation
}

// aggregateNames returns the names inside e's aggregate functions, subqueries'
// names apart.
func aggregateNames(e sqlparser.Expr) map[*sqlparser.ColName]bool {
	names := map[*sqlparser.ColName]bool{}
	var collect func(n sqlparser.SQLNode, inside bool)
	collect = func(n sqlparser.SQLNode, inside bool) {
		_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
			switch n := n.(type) {
			case *sqlparser.ColName:
				if inside {
					names[n] = true
				}
			case sqlparser.AggrFunc:
				if !inside {
					collect(n, true)
					return false, nil
				}
			}
			return true, nil
		}, n)
	}
	collect(e, false)
	return names
}

// nameText is a column's name as error messages give it.
func nameText(n *sqlparser.ColName) string {
	parts := []string{n.Name.String()}
	if !n.Qualifier.Name.IsEmpty() {
		parts = append([]string{n.Qualifier.Name.String()}, parts...)
	}
	if !n.Qualifier.Qualifier.IsEmpty() {
		parts = append([]string{n.Qualifier.Qualifier.String()}, parts...)
	}
	return strings.Join(parts, ".")
}

func intLiteral(v int64) expr.Expr {
	return &expr.Literal{Value: types.NewInt(v), T: types.Int64Type}
}
