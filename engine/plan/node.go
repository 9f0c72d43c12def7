// Package plan turns parsed statements into physical plans:
//
//	statement ─ bind ─> logical plan ─ rules ─> logical plan ─ lower ─> Plan
//
// Binding (select.go, from.go, scope.go, group.go, union.go, dml.go) gives the
// names meaning, by MySQL's rules, and makes a tree of relational operators
// (logical.go). The rules each do one thing to that tree: semijoin.go unnests
// subqueries, infer.go spreads constants over equal columns, factor.go takes ORs
// apart, pushdown.go moves conditions to the tables. Lowering (lower.go) chooses operators by cost: the
// index and ranges of a scan (access.go, interval.go), the order and kinds of
// joins (joinsearch.go, joinorder.go, join.go); it prunes columns and leaves out sorts of rows
// that come in order.
//
// A Plan is immutable: it is cached and run by many connections at once.
// EXPLAIN prints the same plan that exec runs.
package plan

import (
	"context"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/stats"
	"github.com/kalamgo/kalam/engine/types"
)

// Catalog is what the planner asks about tables.
type Catalog interface {
	// Table returns a table's definition; sqlerr.NoSuchTable, sqlerr.BadDatabase.
	Table(ctx context.Context, namespace, name string) (*schema.Table, error)
	// Children returns the tables with foreign keys to t, t itself included.
	Children(ctx context.Context, t *schema.Table) ([]*schema.Table, error)
	// Rows estimates a table's number of rows.
	Rows(t *schema.Table) int64
	// Packed estimates the share of a table's rows that are packed: scans read those
	// many times as fast.
	Packed(t *schema.Table) float64
	// Statistics returns what is known of a table's contents, or nil.
	Statistics(t *schema.Table) *stats.Table
}

// Plan is a planned SELECT, INSERT, REPLACE, UPDATE or DELETE.
type Plan struct {
	Root    Node
	Columns []ResultColumn  // of a query or RETURNING; nil for statements without rows
	Tables  []*schema.Table // all that it reads or writes, subqueries' too
	Writes  *schema.Table   // the table that it changes, or nil
	Tied    []*schema.Table // further ones that it changes, or that foreign keys make it change or look at
	Locks   []*schema.Table // those in which it locks rows
	Access  []Access        // what it needs to be allowed
	Defined bool            // some of it to others than who runs it
	Params  int             // number of parameters
	Costs   map[Node]Cost   // what is expected of the operators, subqueries' too
	Watch   *Watch          // of a live query, else nil
	Counts  bool            // it tells how many rows there were without LIMIT
}

// ResultColumn describes a column of a query's result.
type ResultColumn struct {
	Name     string // the alias, or the expression's text
	Table    string // the table it comes from, or ""
	Type     types.Type
	Nullable bool
}

// Node is an operator of a plan; its output is batches of Types columns.
type Node interface {
	Inputs() []Node
	Types() []types.Type
}

// Range bounds an index's leading columns; the expressions are constant for an
// execution (literals, parameters, outer values). Bounds are values of any type:
// exec converts them to the column's and narrows or empties the range where
// that loses something.
type Range struct {
	Low, High                   []expr.Expr // fewer than the index's columns: a prefix
	LowExclusive, HighExclusive bool
	// NullOK says for which columns a bound may be NULL and stand for it (IS NULL,
	// <=>); nil: none. Elsewhere a bound that is NULL empties the range, and where
	// only High or only Low bounds a column, its NULLs are not in the range.
	NullOK []bool
}

// Scan reads a table through an index.
type Scan struct {
	Table   *schema.Table
	Alias   string
	Index   *schema.Index // nil: the primary key
	Which   Which         // others than Live: only with the primary key
	Ranges  []Range       // nil: everything. Ranges may overlap and be in any order; exec sorts and merges them.
	Columns []int         // ordinals read, see schema.Table.At: the output columns
	Stored  int           // the last so many Columns are TIMESTAMPs in UTC, not the session's zone; set by exec.WithStored only
	Filter  expr.Expr     // over the output, or nil
	Skip    []ColumnRange // what Filter says of columns, where that is ranges; with the primary key only
	Reverse bool
	Limit   expr.Expr // rows that suffice after Filter, or nil
	Rows    float64   // estimate after Filter
	// Ahead is in how many parts the rows may be read, some of them before they are asked
	// for; 0: as they are asked for.
	Ahead int
}

// ColumnRange is the values of a column that a filter lets pass, as ranges of it:
// packed rows that are known to have none of them need not be read.
type ColumnRange struct {
	Column int
	Ranges []Range
}

// Values yields rows of expressions; one row without columns is FROM dual.
type Values struct {
	Rows [][]expr.Expr // values of the columns' forms
	T    []types.Type
	// Params has, row by row, the numbers of the parameters that all values are;
	// nil: some are others.
	Params []int32
}

// Filter keeps the rows for which Cond is true.
type Filter struct {
	Input Node
	Cond  expr.Expr
}

// Project computes a column for each of Exprs.
type Project struct {
	Input Node
	Exprs []expr.Expr
}

// JoinKind is the kind of a join.
type JoinKind string

// The kinds of joins. Inner and Left yield left columns, then right ones (NULL
// for Left without match); Semi and Anti yield left columns only.
const (
	Inner JoinKind = "inner"
	Left  JoinKind = "left"
	Semi  JoinKind = "semi"
	Anti  JoinKind = "anti"
)

// HashJoin builds a table of Right by RightKeys and probes it with Left's rows.
// Keys pair up, converted to comparable types. Keys that are NULL match nothing.
type HashJoin struct {
	Kind                JoinKind
	Left, Right         Node
	LeftKeys, RightKeys []expr.Expr // over the left and the right row
	On                  expr.Expr   // further condition over left and right columns, or nil
	// LeftFirst says that few left rows are expected beside the right ones: if they are
	// read first, scans can leave out right rows that match none.
	LeftFirst bool
}

// MergeJoin reads Left and Right, which both come in the order of the keys, side
// by side. Keys pair up and are of one type; those that are NULL match nothing.
// Its rows come in the order of the left keys.
type MergeJoin struct {
	Kind                JoinKind
	Left, Right         Node
	LeftKeys, RightKeys []*expr.Column
	Desc                []bool    // keys that come in descending order
	On                  expr.Expr // further condition over left and right columns, or nil
}

// IndexJoin looks up Right's rows by keys from Left's rows, a batch at a time.
type IndexJoin struct {
	Kind  JoinKind
	Left  Node
	Right *Scan       // Ranges unused
	Keys  []expr.Expr // over the left row, for the leading columns of Right's index
	On    expr.Expr
}

// LoopJoin pairs each left row with each right row.
type LoopJoin struct {
	Kind        JoinKind
	Left, Right Node
	On          expr.Expr
}

// Aggregate groups rows; its output is the groups' columns, then the
// aggregates'. Without GroupBy there is one group even of no rows.
type Aggregate struct {
	Input   Node
	GroupBy []expr.Expr
	Aggs    []*expr.Aggregate // Args over the input
	Ordered bool              // the input comes sorted by GroupBy
	// Parallel tells that the rows are many and come from one scan, whose parts may be
	// grouped at the same time.
	Parallel bool
}

// Rollup yields each row of Input once for every level from 0 to the number of
// Keys: Input's columns, the keys with as many of the last ones NULL, the level.
type Rollup struct {
	Input Node
	Keys  []*expr.Column
}

// Window computes window functions over rows that come sorted by Partition and
// Order; its output is Input's columns, then a column for each function. All of
// Funcs have this partition and order.
type Window struct {
	Input     Node
	Partition []*expr.Column
	Order     []SortKey // of columns
	Funcs     []*expr.Window
}

// SortKey is an ORDER BY item over the input.
type SortKey = expr.SortKey

// Sort orders rows. With Limit it need only keep that many.
type Sort struct {
	Input Node
	Keys  []SortKey
	Limit expr.Expr // offset included; or nil
}

// Limit passes on Count rows after Offset.
type Limit struct {
	Input         Node
	Count, Offset expr.Expr // nil: all, none
	// Counts has the whole input read and its rows counted: SQL_CALC_FOUND_ROWS.
	Counts bool
}

// Distinct drops repeated rows.
type Distinct struct{ Input Node }

// Union yields the rows of each input in turn (UNION ALL); the inputs have equal types.
type Union struct{ All []Node }

// Repeat yields each row as many times as Times, an integer over the row, tells.
type Repeat struct {
	Input Node
	Times expr.Expr
}

// JSONTable yields each row with the rows that JSON_TABLE makes of the document Doc:
// Input's columns, then those of Table.
type JSONTable struct {
	Input Node
	Doc   expr.Expr // of type JSON
	Table *JSONRows
	T     []types.Type // of Table's columns
	Outer bool         // a row of whose document none are made stays, with NULLs
}

// Recursive yields the rows of Seed, then, over and over, those of Steps, whose
// Work reads the rows that were added the last time, until none are. A step's
// values are converted to T as if they were stored.
type Recursive struct {
	Name     string // of the common table expression
	ID       int    // unique in the statement
	Seed     Node
	Steps    []Node
	Distinct bool     // rows that were there before are left out
	Columns  []string // their names
	T        []types.Type
}

// Spooled reads its input to the end, keeps its rows for each of the targets, and
// then runs those, one after the other.
type Spooled struct {
	Input   Node
	Targets []Spool
}

// Spool is a part of a Spooled.
type Spool struct {
	Columns []int // of the rows of the input, as Write's Work yields them
	// Key are those of Columns, by their place there, that tell rows apart: rows
	// alike in them are taken once, and those with NULL in them not at all. Without
	// it all rows are taken.
	Key   []int
	ID    int  // of the Work
	Write Node // an Insert, Update or Delete
}

// Work yields rows that were set aside: those that the last round of the
// Recursive with its ID added, or those of a Spool.
type Work struct {
	Name string
	ID   int
	T    []types.Type
}

// Assignment sets a column to an expression's value.
type Assignment struct {
	Column int // ordinal
	Value  expr.Expr
}

// Insert adds rows. Input's columns are the values for Columns, and then others that
// OnDuplicate reads.
type Insert struct {
	Table   *schema.Table
	Input   Node
	Columns []int // ordinals
	// Defaults has an expression for each of the table's columns that has a
	// default, nil elsewhere; constant or over no columns.
	Defaults []expr.Expr
	Rules    Rules
	Mode     InsertMode
	// OnDuplicate is evaluated over the existing row's columns followed by the
	// new row's (VALUES(c)) and what Input has after the values.
	OnDuplicate []Assignment
	Check       *ViewCheck
	Returning   []expr.Expr // over the row as it is afterwards
}

// ViewCheck is a WITH CHECK OPTION: rows for which Cond, over the table's
// columns, is not true cannot be written through the view.
type ViewCheck struct {
	View string // its qualified name
	Cond expr.Expr
}

// InsertMode says what happens to a row whose key is taken.
type InsertMode string

// The modes of Insert.
const (
	InsertPlain   InsertMode = "insert"
	InsertIgnore  InsertMode = "insert ignore"
	InsertReplace InsertMode = "replace"
	InsertUpdate  InsertMode = "insert on duplicate key update"
	// InsertUpdateIgnore updates, and leaves a row that cannot be updated as it is.
	InsertUpdateIgnore InsertMode = "insert ignore on duplicate key update"
)

// Updates reports whether rows whose keys are taken are updated.
func (m InsertMode) Updates() bool { return m == InsertUpdate || m == InsertUpdateIgnore }

// Ignores reports whether errors of rows become warnings.
func (m InsertMode) Ignores() bool { return m == InsertIgnore || m == InsertUpdateIgnore }

// Update changes rows. Input yields all of the table's columns; assignments see
// the values of those before them, as MySQL's do.
type Update struct {
	Table  *schema.Table
	Input  Node
	Set    []Assignment
	Rules  Rules
	Ignore bool
	Check  *ViewCheck

	Returning []expr.Expr // over the row as it is afterwards, changed or not
}

// Restore brings deleted rows back. Input yields all of the table's columns.
type Restore struct {
	Table     *schema.Table
	Input     Node
	Rules     Rules
	Returning []expr.Expr
}

// Delete removes rows. Input yields all of the table's columns.
type Delete struct {
	Table     *schema.Table
	Input     Node
	Rules     Rules
	Ignore    bool
	Returning []expr.Expr
}
