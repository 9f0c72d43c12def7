package plan

import (
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Rules are what rows written to a table have to satisfy.
type Rules struct {
	Checks []Check // those that are enforced
	// Triggers run for the rows that a statement changes; foreign keys' actions
	// run none.
	Triggers []*Trigger
	// Parents are the table's foreign keys, Children those of any table to it.
	Parents, Children []*ForeignKey
}

// ForeignKey is a foreign key between two tables.
type ForeignKey struct {
	*schema.ForeignKey
	Child   *schema.Table
	Parent  *schema.Table // nil: it is not there
	Own     []int         // the child's columns
	To      []int         // the parent's columns
	ByOwn   *schema.Index // of the child, led by Own; nil: the primary key
	ByTo    *schema.Index // of the parent, led by To; nil: the primary key
	OfChild *Rules        // where an action changes the child's rows, else nil
}

// ToItself reports whether rows reference rows of the same table.
func (f *ForeignKey) ToItself() bool { return f.Parent != nil && f.Parent.ID == f.Child.ID }

// Check is a CHECK constraint.
type Check struct {
	Name string
	// Violated is true of the table's rows that do not satisfy it.
	Violated expr.Expr
}

// rulesOf returns what rows of t have to satisfy.
func (b *builder) rulesOf(t *schema.Table) (Rules, error) {
	r, err := b.ruled(t)
	if err != nil {
		return Rules{}, err
	}
	return *r, nil
}

// ruled is rulesOf for tables that may have been met before: foreign keys may
// lead back to them.
func (b *builder) ruled(t *schema.Table) (*Rules, error) {
	if r := b.rules[t.ID]; r != nil {
		return r, nil
	}
	r := &Rules{}
	if b.rules == nil {
		b.rules = map[uint32]*Rules{}
	}
	b.rules[t.ID] = r
	if err := b.checks(r, t); err != nil {
		return nil, err
	}
	if b.o.NoForeignKeys {
		return r, nil
	}
	return r, b.foreignKeys(r, t)
}

func (b *builder) checks(r *Rules, t *schema.Table) error {
	for i := range t.Checks {
		c := &t.Checks[i]
		if c.NotEnforced {
			continue
		}
		violated, err := BindCheck(t, c)
		if err != nil {
			return err
		}
		r.Checks = append(r.Checks, Check{c.Name, violated})
	}
	return nil
}

// BindCheck binds a CHECK constraint over t's whole rows: the result is true of
// those that violate it, which one that it is unknown of does not.
func BindCheck(t *schema.Table, c *schema.Check) (expr.Expr, error) {
	e, err := parse.ParseExpr(c.Expr)
	if err != nil {
		return nil, sqlerr.Internal.Wrap(err, "check constraint '%s' cannot be parsed", c.Name)
	}
	cond, err := BindRow(t, e)
	if err != nil {
		return nil, err
	}
	return &expr.Is{Test: expr.IsFalse, Arg: cond}, nil
}

// BindRow binds an expression over t's whole rows: columns stand for
// themselves. It may have no subqueries.
func BindRow(t *schema.Table, e sqlparser.Expr) (expr.Expr, error) {
	return (&expr.Binder{Scope: rowOf{t: t}}).Bind(e)
}

// rowOf is the scope of expressions over a table's rows.
type rowOf struct {
	t *schema.Table
	expr.NoAggregates
}

// Subquery implements expr.Scope.
func (rowOf) Subquery(expr.SubqueryKind, sqlparser.TableStatement, []expr.Expr) (*expr.Subquery, error) {
	return nil, sqlerr.Unsupported("a subquery here")
}

// Resolve implements expr.Scope.
func (s rowOf) Resolve(name *sqlparser.ColName) (expr.Expr, error) {
	q := name.Qualifier
	c := s.t.Column(name.Name.String())
	if c < 0 || s.t.Columns[c].Hidden && !s.t.Columns[c].Invisible || q.Name.String() != "" && q.Name.String() != s.t.Name ||
		q.Qualifier.String() != "" && q.Qualifier.String() != s.t.Namespace {
		return nil, sqlerr.UnknownColumn.New("Unknown column '%s' in 'field list'", nameText(name)).On(s.t.QualifiedName()).In(name.Name.String())
	}
	col := &s.t.Columns[c]
	return &expr.Column{Index: c, Name: s.t.Name + "." + col.Name, T: col.Type, Null: !col.NotNull}, nil
}

// columnsNamed returns the names of columns in e.
func columnsNamed(e sqlparser.Expr) (names []string) {
	sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		if c, ok := n.(*sqlparser.ColName); ok {
			names = append(names, c.Name.String())
		}
		return true, nil
	}, e)
	return names
}
