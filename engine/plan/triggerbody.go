package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// compiler makes steps of a body.
type compiler struct {
	b     *builder
	t     *schema.Table
	def   *schema.Trigger
	in    *nesting // nil: statements are looked at but not planned
	types []types.Type
	names []string // of the variables in scope, "" for the columns
	scope int      // where the variables of the innermost block begin

	labels     []label
	made       int // labels
	conditions []parse.DeclareCondition
	declared   int         // where the conditions of the innermost block begin
	handlers   *[]*Handler // of the innermost block
}

type label struct {
	name string
	id   int
	loop bool
}

// label makes a label. Its end is at the end of what it is of.
func (c *compiler) label(name string, loop bool) int {
	c.made++
	c.labels = append(c.labels, label{name, c.made, loop})
	return c.made
}

func (c *compiler) leave(s *parse.Leave) (Step, error) {
	for i := len(c.labels) - 1; i >= 0; i-- {
		if l := c.labels[i]; s.Label != "" && strings.EqualFold(l.name, s.Label) && (l.loop || !s.Iterate) {
			return &Leave{l.id, s.Iterate}, nil
		}
	}
	word := "LEAVE"
	if s.Iterate {
		word = "ITERATE"
	}
	return nil, sqlerr.NoLabel.New("%s with no matching label: %s", word, s.Label)
}

func newCompiler(b *builder, t *schema.Table, def *schema.Trigger, in *nesting) *compiler {
	c := &compiler{b: b, t: t, def: def, in: in}
	for range 2 {
		c.types = append(c.types, t.Types()...)
	}
	c.names = make([]string, len(c.types))
	c.scope = len(c.types)
	return c
}

func (c *compiler) compile(s any) (Step, error) {
	switch s := s.(type) {
	case *parse.Block:
		return c.block(s)
	case *parse.Declare:
		return c.declare(s)
	case *parse.Assign:
		l, err := c.target(s)
		if err != nil {
			return nil, err
		}
		l.Value, err = c.expr(s.Value)
		return l, err
	case *parse.If:
		return c.ifs(s)
	case *parse.Loop:
		return c.loop(s)
	case *parse.Leave:
		return c.leave(s)
	case *parse.DeclareCondition:
		return Steps(nil), c.declareCondition(s)
	case *parse.DeclareHandler:
		return Steps(nil), c.handler(s)
	case *parse.Signal:
		state, err := c.signalled(s)
		if err != nil {
			return nil, err
		}
		r := &Raise{Again: s.Again, State: state}
		if s.Message != nil {
			if r.Message, err = c.expr(s.Message); err != nil {
				return nil, err
			}
		}
		if s.Number != nil {
			r.Number, err = c.expr(s.Number)
		}
		return r, err
	case *parse.Diagnostics:
		return c.diagnostics(s)
	case *parse.SQL:
		return c.sql(s)
	}
	return nil, sqlerr.Internal.New("no way to compile a %T", s)
}

func (c *compiler) diagnostics(s *parse.Diagnostics) (Step, error) {
	d := &Diagnose{Stacked: s.Stacked}
	if s.Condition != nil {
		n, err := c.expr(s.Condition)
		if err != nil {
			return nil, err
		}
		d.Condition = expr.CastTo(n, types.Int64Type)
	}
	for i := range s.Items {
		l, err := c.target(&s.Items[i].To)
		if err != nil {
			return nil, err
		}
		d.Into, d.Items = append(d.Into, *l), append(d.Items, s.Items[i].What)
	}
	return d, nil
}

func (c *compiler) loop(s *parse.Loop) (Step, error) {
	n := &While{Until: s.Until}
	if s.Cond != nil {
		cond, err := c.expr(s.Cond)
		if err != nil {
			return nil, err
		}
		n.Cond = &expr.Is{Test: expr.IsTrue, Arg: cond}
	}
	n.Label = c.label(s.Label, true)
	var err error
	n.Body, err = c.block(s.Body)
	c.labels = c.labels[:len(c.labels)-1]
	return n, err
}

func (c *compiler) block(s *parse.Block) (Step, error) {
	names, scope, labels := slices.Clone(c.names), c.scope, c.labels
	conditions, declared, handlers := c.conditions, c.declared, c.handlers
	c.scope, c.declared = len(c.names), len(c.conditions)
	b := &Block{Label: c.label(s.Label, false)}
	c.handlers = &b.Handlers
	var steps Steps
	for _, x := range s.List {
		step, err := c.compile(x)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	for i := range c.names { // variables keep their places
		if i >= len(names) {
			c.names[i] = ""
		}
	}
	c.scope, c.labels, c.conditions, c.declared, c.handlers = scope, labels, conditions, declared, handlers
	if s.Label == "" && b.Handlers == nil {
		return steps, nil
	}
	b.Body = steps
	return b, nil
}

func (c *compiler) declareCondition(d *parse.DeclareCondition) error {
	for _, other := range c.conditions[c.declared:] {
		if strings.EqualFold(other.Name, d.Name) {
			return sqlerr.DupCondition.New("Duplicate condition: %s", d.Name)
		}
	}
	if d.Is.Number == 0 && d.Is.State == "" {
		return sqlerr.UndefinedCondition.New("Undefined CONDITION: %s", cmp.Or(d.Is.Name, d.Is.Class))
	}
	c.conditions = append(c.conditions, *d)
	return nil
}

// condition returns what a condition's name stands for.
func (c *compiler) condition(name string) (parse.Condition, error) {
	for i := len(c.conditions) - 1; i >= 0; i-- {
		if strings.EqualFold(c.conditions[i].Name, name) {
			return c.conditions[i].Is, nil
		}
	}
	return parse.Condition{}, sqlerr.UndefinedCondition.New("Undefined CONDITION: %s", name)
}

func (c *compiler) signalled(s *parse.Signal) (state string, err error) {
	if s.Name == "" {
		return s.State, nil // none: of RESIGNAL
	}
	is, err := c.condition(s.Name)
	if err == nil && is.State == "" {
		err = sqlerr.SignalNumber.New("SIGNAL/RESIGNAL can only use a CONDITION defined with SQLSTATE")
	}
	return is.State, err
}

func (c *compiler) handler(s *parse.DeclareHandler) error {
	h := &Handler{Continue: s.Continue}
	for _, is := range s.For {
		if is.Name != "" {
			var err error
			if is, err = c.condition(is.Name); err != nil {
				return err
			}
		}
		for _, other := range append(slices.Clone(*c.handlers), h) {
			if slices.Contains(other.For, is) {
				return sqlerr.DupHandler.New("Duplicate handler declared in the same block")
			}
		}
		h.For = append(h.For, is)
	}
	all := c.handlers
	var err error
	if h.Body, err = c.block(&parse.Block{List: []any{s.Body}}); err == nil {
		*all = append(*all, h)
	}
	return err
}

func (c *compiler) declare(d *parse.Declare) (Step, error) {
	t, err := c.b.o.ColumnType(d.Type)
	if err != nil {
		return nil, err
	}
	var value expr.Expr = &expr.Literal{T: types.NullType}
	if d.Default != nil {
		if value, err = c.expr(d.Default); err != nil {
			return nil, err
		}
	}
	var steps Steps
	for _, name := range d.Names {
		if slices.ContainsFunc(c.names[c.scope:], func(n string) bool { return strings.EqualFold(n, name) }) {
			return nil, sqlerr.DupVariable.New("Duplicate variable: %s", name)
		}
		steps = append(steps, &Let{Param: len(c.types), Name: name, T: t, Value: value})
		c.types, c.names = append(c.types, t), append(c.names, name)
	}
	return steps, nil
}

// variable returns the parameter that a variable is, or -1.
func (c *compiler) variable(name string) int {
	for i := len(c.names) - 1; i >= 0; i-- {
		if strings.EqualFold(c.names[i], name) && name != "" {
			return i
		}
	}
	return -1
}

// column returns the parameter that a column of OLD or NEW is.
func (c *compiler) column(row, name string) (int, error) {
	switch {
	case row == "OLD" && c.def.Event == "INSERT", row == "NEW" && c.def.Event == "DELETE":
		return 0, sqlerr.TriggerNoSuchRow.New("There is no %s row in on %s trigger", row, c.def.Event)
	}
	i := c.t.Column(name)
	if i < 0 || c.t.Columns[i].Hidden {
		return 0, sqlerr.UnknownColumn.New("Unknown column '%s' in '%s'", name, row).On(c.t.QualifiedName()).In(name)
	}
	if row == "NEW" {
		i += len(c.t.Columns)
	}
	return i, nil
}

func (c *compiler) target(a *parse.Assign) (*Let, error) {
	if a.Session {
		return &Let{Session: true, Name: a.Name}, nil
	}
	if !a.New {
		i := c.variable(a.Name)
		if i < 0 {
			return nil, sqlerr.UndeclaredVariable.New("Undeclared variable: %s", a.Name)
		}
		return &Let{Param: i, Name: a.Name, T: c.types[i]}, nil
	}
	i, err := c.column("NEW", a.Name)
	if err != nil {
		return nil, err
	}
	if !c.def.Before {
		return nil, sqlerr.TriggerCantChange.New("Updating of NEW row is not allowed in after trigger")
	}
	col := &c.t.Columns[i-len(c.t.Columns)]
	return &Let{Param: i, Column: col, Name: col.Name, T: col.Type}, nil
}

func (c *compiler) ifs(s *parse.If) (Step, error) {
	n := &If{}
	for i := range s.Conds {
		cond, err := c.expr(s.Conds[i])
		if err != nil {
			return nil, err
		}
		arm, err := c.block(s.Arms[i])
		if err != nil {
			return nil, err
		}
		n.Conds, n.Arms = append(n.Conds, &expr.Is{Test: expr.IsTrue, Arg: cond}), append(n.Arms, arm)
	}
	var err error
	switch {
	case s.Else != nil:
		n.Else, err = c.block(s.Else)
	case s.Case:
		n.Else = &Fail{sqlerr.CaseNotFound.New("Case not found for CASE statement")}
	}
	return n, err
}

// params returns a copy of n with parameters in the place of OLD's and NEW's
// columns and of variables.
func (c *compiler) params(n sqlparser.SQLNode) (sqlparser.SQLNode, error) {
	var failed error
	out := sqlparser.CopyOnRewrite(n, func(sqlparser.SQLNode, sqlparser.SQLNode) bool { return failed == nil }, func(cur *sqlparser.CopyOnWriteCursor) {
		name, ok := cur.Node().(*sqlparser.ColName)
		if !ok || failed != nil {
			return
		}
		at := -1
		switch q := strings.ToUpper(name.Qualifier.Name.String()); {
		case q == "" && !c.named(cur.Parent()):
			at = c.variable(name.Name.String())
		case (q == "NEW" || q == "OLD") && name.Qualifier.Qualifier.IsEmpty():
			at, failed = c.column(q, name.Name.String())
		}
		if at >= 0 && failed == nil {
			cur.Replace(sqlparser.NewTypedArgument("v"+strconv.Itoa(at+1), 0))
		}
	}, nil)
	return out, failed
}

// named reports whether a name below a node is that of a column for sure.
func (c *compiler) named(parent sqlparser.SQLNode) bool {
	switch parent.(type) {
	case *sqlparser.UpdateExpr, *sqlparser.ValuesFuncExpr:
		return true
	}
	return false
}

func (c *compiler) expr(e sqlparser.Expr) (expr.Expr, error) {
	out, err := c.params(e)
	if err != nil {
		return nil, err
	}
	b := c.sub()
	f := &frame{}
	if c.in == nil && hasSubquery(out) {
		return &expr.Literal{T: types.NullType}, nil // of tables that may come later
	}
	bound, err := (&expr.Binder{Scope: &scope{b: b, frame: f, from: &from{}, clause: "field list"}, Params: c.types}).Bind(out.(sqlparser.Expr))
	if err != nil {
		return nil, err
	}
	bound = b.expr(bound, &phys{})
	c.merge(b)
	return bound, b.err
}

func hasSubquery(n sqlparser.SQLNode) bool {
	found := false
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		_, sub := n.(*sqlparser.Subquery)
		found = found || sub
		return !found, nil
	}, n)
	return found
}

// sub returns a builder for a statement of the body.
func (c *compiler) sub() *builder {
	o := c.b.o
	o.Namespace, o.Params, o.SQL = c.t.Namespace, slices.Clone(c.types), ""
	o.Locking, o.Returning = nil, nil
	return &builder{ctx: c.b.ctx, o: o, inside: c.in, as: &c.def.User} // who made the trigger
}

// merge takes over what a statement of the body depends on.
func (c *compiler) merge(b *builder) {
	for _, t := range b.tables {
		c.b.tie(t)
	}
	for _, t := range b.tied {
		c.b.tie(t)
	}
	c.b.access = append(c.b.access, b.access...)
}

func (c *compiler) sql(s *parse.SQL) (Step, error) {
	out, err := c.params(s.AST)
	if err != nil {
		return nil, err
	}
	r := &Run{}
	for i := range s.Into {
		l, err := c.target(&s.Into[i])
		if err != nil {
			return nil, err
		}
		r.Into = append(r.Into, *l)
	}
	if c.in == nil {
		return r, nil
	}
	b := c.sub()
	stmt := out.(sqlparser.Statement)
	b.named = leftmost(stmt)
	if r.Plan, err = b.statement(stmt); err == nil {
		err = b.err
	}
	if err != nil {
		return nil, err
	}
	for _, w := range writes(r.Plan.Root) {
		if slices.ContainsFunc(c.in.used, func(t *schema.Table) bool { return t.ID == w.table.ID }) {
			return &Fail{sqlerr.TriggerInUse.New("Can't update table '%s' in stored function/trigger because it is already used by statement which invoked this stored function/trigger.",
				w.table.Name).On(w.table.QualifiedName())}, nil
		}
	}
	if err := b.triggers(r.Plan); err != nil {
		return nil, err
	}
	for _, w := range writes(r.Plan.Root) {
		if err := b.cascades(w); err != nil {
			return nil, err
		}
	}
	c.merge(b)
	if r.Into != nil && len(r.Into) != len(r.Plan.Columns) {
		return nil, sqlerr.WrongColumnsInSet.New("The used SELECT statements have a different number of columns")
	}
	return r, nil
}
