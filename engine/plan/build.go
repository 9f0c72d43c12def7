package plan

import (
	"context"
	"slices"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/stats"
	"github.com/kalamgo/kalam/engine/types"
)

// Options are what a statement is planned in.
type Options struct {
	Catalog   Catalog
	Namespace string         // of table names without one; "": none is selected
	Params    []types.Type   // types of the parameters :v1, :v2, …
	Zone      *time.Location // of the session
	SQL       string         // the statement's text, for column names; "": not had
	// Temporary returns the session's own table of a name, or nil, which comes before the
	// catalogue's where a statement names it, but not within views and triggers. nil:
	// there are none.
	Temporary func(namespace, name string) *schema.Table
	// PartialGroupBy lets a grouped query select columns that the groups do not
	// determine, of which it gets any value: sql_mode without ONLY_FULL_GROUP_BY.
	PartialGroupBy bool
	// ZeroDates are those that constants may say.
	ZeroDates types.ZeroDates
	// ColumnType returns the type that a DECLARE in a trigger names.
	ColumnType func(*sqlparser.ColumnType) (types.Type, error)
	// NoForeignKeys leaves foreign keys alone: foreign_key_checks is off.
	NoForeignKeys bool
	// AssumedRows is how many rows tables are taken to have at least; 0: as counted.
	AssumedRows int64
	Locking     []parse.Locking // of the statement
	// Returning is the RETURNING clause of a statement that writes, or nil.
	Returning *parse.Returning
	Load      *parse.LoadData // what LOAD DATA says
	Restores  bool            // a DELETE stands for UNDELETE
	Arguments bool            // an INSERT of many rows of arguments: Params are of columns
	// Allowed returns an error where the statement may not do what it needs to;
	// nil: everything is allowed.
	Allowed func(Access) error
	// SystemWrites returns an error unless statements with the needs may write a
	// system table; nil: none may.
	SystemWrites func(t *schema.Table, needs rights.Set) error
}

// Build plans a SELECT, UNION, VALUES, INSERT, REPLACE, UPDATE or DELETE.
// The statement is not changed. Errors: sqlerr.NotSupported, and MySQL's for
// names and clauses that make no sense.
func Build(ctx context.Context, stmt sqlparser.Statement, o Options) (*Plan, error) {
	b := &builder{ctx: ctx, o: o, named: leftmost(stmt)}
	p, err := b.statement(stmt)
	if err == nil {
		err = b.err
	}
	if err != nil {
		return nil, err
	}
	if err := b.triggers(p); err != nil {
		return nil, err
	}
	for _, t := range b.tied {
		if t != p.Writes {
			p.Tied = append(p.Tied, t)
		}
	}
	for _, w := range writes(p.Root) {
		if err := b.cascades(w); err != nil {
			return nil, err
		}
	}
	p.Access, p.Defined = b.access, slices.ContainsFunc(b.access, func(a Access) bool { return a.As != nil })
	p.Tables, p.Locks, p.Params, p.Costs = append(b.tables, b.tied...), b.locks, len(o.Params), b.costs
	return p, nil
}

// builder plans one statement.
type builder struct {
	ctx    context.Context
	o      Options
	named  *sqlparser.Select // its columns are named as in o.SQL; or nil
	cols   []column
	tables []*schema.Table
	rules  map[uint32]*Rules // of the tables that are written
	locks  []*schema.Table
	tied   []*schema.Table // that rules and triggers are about
	inside *nesting        // of a trigger's statement, else nil
	access []Access
	as     *string // whose rights count, see Access
	naming bool    // a table is bound that is written
	depth  int
	reads  map[uint32]int // how often each table is named in a FROM or written
	// forbidden are tables that subqueries of expressions may not read; inExpr is
	// how deep in such the query being bound is, since the last derived table.
	forbidden []*schema.Table
	inExpr    int
	ctes      []*cte // in scope, inner ones last
	bound     int    // queries bound so far
	block     int    // how deep in queries the one being bound is
	joined    int    // how many subqueries that may be joins the one being planned is in
	err       error  // a defect found while lowering
	stats     map[*schema.Table]*stats.Table
	costs     map[Node]Cost
	rounded   map[int]int // by columns of quotients unrounded, those which have them rounded

	generated []generatedExpr // of the tables in scope
	views     []*schema.Table // whose queries are being bound, the innermost last
	def       *definition     // of the view that is defined, or nil
}

// maxDepth bounds how deep queries nest, so that no statement exhausts the stack;
// maxQueries bounds how many there are once WITH's are in their places.
const (
	maxDepth   = 200
	maxQueries = 5000
)

func (b *builder) statement(stmt sqlparser.Statement) (*Plan, error) {
	switch s := stmt.(type) {
	case *sqlparser.Insert:
		return b.insert(s)
	case *sqlparser.Update:
		return b.update(s)
	case *sqlparser.Delete:
		return b.delete(s)
	case *sqlparser.Load:
		return b.load(b.o.Load)
	case sqlparser.TableStatement:
		q, err := b.query(s, &frame{})
		if err != nil {
			return nil, err
		}
		counts := b.named != nil && b.named.SQLCalcFoundRows
		if counts {
			q.rel = counted(q.rel)
		}
		p := b.queryPlan(q)
		p.Counts = counts
		return p, nil
	}
	return nil, sqlerr.Unsupported("%s", sqlparser.ASTToStatementType(stmt).String())
}

// query is a bound query.
type query struct {
	rel  logical
	out  []output
	plan *Plan // once lowered
	cost float64
	rows float64
	// scalar is the column that has the query's value, where it became a join.
	scalar int
	// from is that of a SELECT whose rows have its columns still; else nil. With
	// distinct they may not be told apart.
	from     *from
	distinct bool
	// exprs are what the columns of out are, of a SELECT without groups, windows and DISTINCT;
	// else nil. MySQL merges it with the query around it if it has no LIMIT either.
	exprs  []expr.Expr
	merged bool
}

// output is a column of a query's result.
type output struct {
	name string
	col  int
}

// query binds a SELECT, UNION or VALUES. f gives the values of enclosing
// queries' columns.
func (b *builder) query(s sqlparser.TableStatement, f *frame) (*query, error) {
	if err := b.interrupted(); err != nil {
		return nil, err
	}
	if b.depth++; b.depth > maxDepth {
		return nil, sqlerr.Unsupported("queries nested more than %d deep", maxDepth)
	}
	defer func() { b.depth-- }()
	b.block++
	defer func() { b.block-- }()
	if b.bound++; b.bound > maxQueries {
		return nil, sqlerr.Unsupported("more than %d queries in a statement", maxQueries)
	}
	known := len(b.ctes)
	defer func() { b.ctes = b.ctes[:known] }()
	if err := b.define(withOf(s), f); err != nil {
		return nil, err
	}
	switch s := s.(type) {
	case *sqlparser.Select:
		return b.selectQuery(s, f)
	case *sqlparser.Union:
		return b.union(s, f)
	case *sqlparser.ValuesStatement:
		return b.valuesQuery(s, f)
	}
	return nil, sqlerr.Unsupported("%T as a query", s)
}

func (b *builder) interrupted() error {
	if err := b.ctx.Err(); err != nil {
		return sqlerr.Interrupted.Wrap(err, "Query execution was interrupted")
	}
	return nil
}

// queryPlan lowers a bound query. A query that occurs twice is lowered once.
func (b *builder) queryPlan(q *query) *Plan {
	if q.plan != nil {
		return q.plan
	}
	ids := make([]int, len(q.out))
	p := &Plan{Columns: make([]ResultColumn, len(q.out))}
	for i, o := range q.out {
		c := &b.cols[o.col]
		ids[i] = o.col
		p.Columns[i] = ResultColumn{Name: o.name, Table: c.table, Type: c.t, Nullable: c.null}
	}
	root := b.root(q.rel, ids)
	p.Root, q.cost, q.rows = root.node, root.cost, root.rows
	p.Tables = b.tables
	q.plan = p
	return p
}

// bind gives names and types to an expression.
func (b *builder) bind(e sqlparser.Expr, s *scope) (expr.Expr, error) {
	return (&expr.Binder{Scope: s, Params: b.o.Params, ZeroDates: b.o.ZeroDates}).Bind(e)
}

// conditions binds the conditions that e, which may be nil, is the AND of.
func (b *builder) conditions(e sqlparser.Expr, s *scope) ([]expr.Expr, error) {
	if e == nil {
		return nil, nil
	}
	bound, err := b.bind(e, s)
	if err != nil {
		return nil, err
	}
	return factored(expr.Conjuncts(bound)), nil
}
