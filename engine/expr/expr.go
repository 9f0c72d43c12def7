// Package expr holds scalar expressions: binding names and types to a parsed
// expression, and evaluating it over batches.
//
// A bound Expr is immutable and shared by all executions of a plan; what one
// execution needs is in its Env and Evaluators. Comparison, logic, arithmetic,
// conversion, CASE, IN and LIKE have kernels over vectors; every other function
// is evaluated row by row, by Vitess's evalengine, MySQL's semantics in Go, or
// natively where that lacks it.
package expr

import (
	"context"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Expr is a bound expression.
type Expr interface {
	Type() types.Type
	Nullable() bool
	// String prints the expression as SQL, for EXPLAIN.
	String() string
	// Children returns the operands, nil for leaves; the slice is not to be changed.
	Children() []Expr
	// WithChildren returns the expression over other operands of the same types.
	WithChildren([]Expr) Expr
	// compile returns what evaluates the expression in ev's execution. Each
	// occurrence of an expression in a tree gets a kernel of its own, for a
	// kernel owns the vector that it returns.
	compile(ev *Evaluator) (kernel, error)
}

// Scope gives meaning to the names in an expression.
type Scope interface {
	// Resolve returns the *Column (or *Outer) that a name stands for.
	// Errors: sqlerr.UnknownColumn, sqlerr.AmbiguousColumn.
	Resolve(name *sqlparser.ColName) (Expr, error)
	// Subquery plans a subquery of the expression. left is the row on the left of
	// an IN or quantified comparison, nil otherwise.
	Subquery(kind SubqueryKind, query sqlparser.TableStatement, left []Expr) (*Subquery, error)
	// Aggregate returns what stands for an aggregate function that bind binds: the
	// function, or the value that it has in the enclosing query to which it belongs.
	// Errors: sqlerr.InvalidGroupFunc where it may not stand.
	Aggregate(bind func() (*Aggregate, error)) (Expr, error)
}

// NoAggregates is part of a Scope in which no aggregate functions may stand.
type NoAggregates struct{}

// Aggregate implements Scope.
func (NoAggregates) Aggregate(bind func() (*Aggregate, error)) (Expr, error) {
	a, err := bind()
	switch {
	case err != nil:
		return nil, err
	case a.Func == AnyValue:
		return a.Args[0], nil
	}
	return nil, InvalidGroupFunc()
}

// InvalidGroupFunc is MySQL's error for an aggregate function where there may be none.
func InvalidGroupFunc() error {
	return sqlerr.InvalidGroupFunc.New("Invalid use of group function")
}

// Binder turns parsed expressions into bound ones.
type Binder struct {
	Scope  Scope
	Params []types.Type // types of the statement's parameters :v1, :v2, …
	Given  []Expr       // what parameters stand for, when they have no values; or nil
	// ZeroDates are those that constants may say.
	ZeroDates types.ZeroDates
}

// Column is column Index of the batch that the expression is evaluated over.
type Column struct {
	Index int
	Name  string // as EXPLAIN shows it: t.a
	T     types.Type
	Null  bool
	// Strength is that of the collation of what the column stands for.
	Strength Strength
	// Exact is the column that has the value unrounded, of a derived table's quotient, while
	// expressions are bound; or nil.
	Exact *Column
}

// Outer is a value of the enclosing query's current row: Env.Outer[Index].
type Outer struct {
	Index int
	Name  string
	T     types.Type
	Null  bool
	// Strength is that of the value's collation.
	Strength Strength
}

// Param is a parameter: Env.Params[Index].
type Param struct {
	Index int
	T     types.Type
}

// Literal is a constant.
type Literal struct {
	Value types.Value
	T     types.Type
	// Hex marks a hexadecimal or bit literal: binary text that is a number
	// among numbers.
	Hex bool
	// ZeroDates are those that it may say among dates.
	ZeroDates types.ZeroDates
	// coercibility is one more than that of the expression which this is the value of; 0:
	// it was written like that.
	coercibility int8
	// exact is the value unrounded, of a quotient; or nil.
	exact *Literal
}

// Aggregate stands for an aggregate function's value. It cannot be evaluated:
// the planner replaces it by a column of an aggregation's output.
type Aggregate struct {
	Func     AggFunc
	Args     []Expr // none: COUNT(*)
	Distinct bool
	// Of GROUP_CONCAT: the order of a group's values, and what stands between
	// them.
	Order     []SortKey
	Separator string
	// T is the result's type, by MySQL's rules for Func and Args.
	T types.Type
	// Grouped: the query has GROUP BY, for which MySQL keeps sums and extremes with
	// no more digits than T has.
	Grouped bool
}

// AggFunc is an aggregate function.
type AggFunc string

// The aggregate functions.
const (
	Count AggFunc = "count"
	Sum   AggFunc = "sum"
	Avg   AggFunc = "avg"
	Min   AggFunc = "min"
	Max   AggFunc = "max"

	BitAnd AggFunc = "bit_and"
	BitOr  AggFunc = "bit_or"
	BitXor AggFunc = "bit_xor"

	StdPop  AggFunc = "stddev_pop" // also STD and STDDEV
	StdSamp AggFunc = "stddev_samp"
	VarPop  AggFunc = "var_pop" // also VARIANCE
	VarSamp AggFunc = "var_samp"

	GroupConcat   AggFunc = "group_concat"
	JSONArrayAgg  AggFunc = "json_arrayagg"
	JSONObjectAgg AggFunc = "json_objectagg" // of a name and a value

	// AnyValue is a value of the group's; alone it makes no query a grouped one.
	AnyValue AggFunc = "any_value"
	// Grouping tells which of its arguments a row of WITH ROLLUP sums up. The
	// planner computes it: it is no function of a group's rows.
	Grouping AggFunc = "grouping"
)

// SortKey is something that rows are ordered by.
type SortKey struct {
	Expr Expr
	Desc bool
}

// SubqueryKind says what is asked of a subquery.
type SubqueryKind uint8

// The kinds of subqueries.
const (
	Scalar SubqueryKind = iota // its one value; NULL when it has no row
	Exists                     // whether it has a row
	In                         // whether the left row is among its rows, by three-valued logic
	Any                        // whether left compares with one of its values
	All                        // whether left compares with all of its values
)

// Subquery is a query inside an expression.
type Subquery struct {
	Kind SubqueryKind
	Plan any          // *plan.Plan; expressions never execute it themselves
	Left []Expr       // of In, Any and All, of the types of the query's columns
	Op   CompareOp    // of Any and All
	Row  []types.Type // of the query's columns
	// Column is the one of them that Scalar yields.
	Column int
	Args   []Expr // in the enclosing scope: the values of the query's Outer columns; none: the result is the same for every row
	T      types.Type
	// Strength is that of the collation of Scalar's text.
	Strength Strength
}

// Runner executes subqueries for an Env.
type Runner interface {
	// RunSubquery returns the subquery's value for outer, the values of q.Args,
	// and left, the values of q.Left. Results that do not depend on the row are
	// kept by the runner.
	RunSubquery(ctx context.Context, q *Subquery, outer, left []types.Value) (types.Value, error)
}

// DefaultGroupConcatMaxLen is MySQL's default of group_concat_max_len.
const DefaultGroupConcatMaxLen = 1024

// DefaultMaxRecursion is MySQL's default of cte_max_recursion_depth.
const DefaultMaxRecursion = 1000

// Env is what one execution of a statement evaluates in. It is used by one
// goroutine.
type Env struct {
	// Run tells executions apart that have the Env one after the other.
	Run      uint64
	Context  context.Context
	Params   []types.Value // of the types the statement was bound with
	Outer    []types.Value // the enclosing query's row, in a subquery
	Runner   Runner
	Now      time.Time // the statement's time
	Zone     *time.Location
	Database string
	User     string
	ConnID   uint64
	Node     int // the database's number in SNOWFLAKE_ID(), up to MaxNode
	// LastInsertID, RowCount and FoundRows are the session's.
	LastInsertID uint64
	RowCount     int64
	FoundRows    int64
	// GroupConcatMaxLen is the length in bytes that GROUP_CONCAT cuts its result
	// to; 0: DefaultGroupConcatMaxLen.
	GroupConcatMaxLen uint64
	// MaxRecursion is how many rounds a recursive query may take; 0:
	// DefaultMaxRecursion, less: none.
	MaxRecursion int64
	// Strict makes errors of division by zero and of values that are not wholly
	// numbers or dates, as writes want it.
	Strict bool
	// QuietDivision makes a division by zero NULL without a word.
	QuietDivision bool
	// ZeroDates are those that texts and numbers may say.
	ZeroDates types.ZeroDates
	// KeepZero lets AUTO_INCREMENT columns have a 0 that is given.
	KeepZero bool
	// Warn takes warnings; nil drops them.
	Warn func(error)
	// Locks are those of GET_LOCK.
	Locks NamedLocks
	// Variables are the @variables that triggers read and set.
	Variables UserVariables
	// SetLastInsertID is told LAST_INSERT_ID(expr); may be nil.
	SetLastInsertID func(uint64)
}
