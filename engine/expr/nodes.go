package expr

import (
	"fmt"
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/types"
)

// CompareOp is a comparison operator as SQL spells it.
type CompareOp string

// The comparison operators.
const (
	EQ         CompareOp = "="
	NE         CompareOp = "!="
	LT         CompareOp = "<"
	LE         CompareOp = "<="
	GT         CompareOp = ">"
	GE         CompareOp = ">="
	NullSafeEQ CompareOp = "<=>"
)

// Flip returns the operator with its operands exchanged: a op b is b op.Flip() a.
func (op CompareOp) Flip() CompareOp {
	switch op {
	case LT:
		return GT
	case LE:
		return GE
	case GT:
		return LT
	case GE:
		return LE
	}
	return op
}

// Compare compares its operands in the type CompareType tells. The operands are
// as they were written: no conversion node stands over them.
type Compare struct {
	Op   CompareOp
	L, R Expr
	// Collation is the one that strings compare under.
	Collation collations.ID
}

// And is true when all of its operands are. Operands after one that is false
// are not evaluated for that row.
type And struct{ Args []Expr }

// Or is true when one of its operands is.
type Or struct{ Args []Expr }

// Xor is true when exactly one of its operands is.
type Xor struct{ L, R Expr }

// Not is three-valued negation.
type Not struct{ Arg Expr }

// IsTest is what an IS asks.
type IsTest string

// The tests of IS.
const (
	IsNull     IsTest = "is null"
	IsNotNull  IsTest = "is not null"
	IsTrue     IsTest = "is true"
	IsNotTrue  IsTest = "is not true"
	IsFalse    IsTest = "is false"
	IsNotFalse IsTest = "is not false"
)

// Is is never NULL itself.
type Is struct {
	Test IsTest
	Arg  Expr
}

// InList is expr IN (list). NOT IN is Not of it.
type InList struct {
	Expr      Expr
	List      []Expr
	Collation collations.ID
}

// Like is expr LIKE pattern ESCAPE escape. NOT LIKE is Not of it.
type Like struct {
	Expr, Pattern Expr
	Escape        rune
	Collation     collations.ID
}

// ArithOp is an arithmetic operator as SQL spells it.
type ArithOp string

// The arithmetic operators.
const (
	Add    ArithOp = "+"
	Sub    ArithOp = "-"
	Mul    ArithOp = "*"
	Div    ArithOp = "/"
	IntDiv ArithOp = "div"
	Mod    ArithOp = "%"
)

// Arith computes in the type T; operands of other types convert first.
type Arith struct {
	Op   ArithOp
	L, R Expr
	T    types.Type
	// exact is T with the further digits that a division has among other
	// arithmetic: MySQL rounds to T what leaves the arithmetic, so that 1/3*3 is 1.
	exact types.Type
}

// Neg is -arg.
type Neg struct {
	Arg Expr
	T   types.Type
}

// When is an arm of a Case.
type When struct{ Cond, Then Expr }

// Case is CASE WHEN … THEN … ELSE … END. CASE x WHEN y and IF bind to it too.
type Case struct {
	Whens []When
	Else  Expr // nil: NULL
	T     types.Type
}

// Coalesce is its first operand that is not NULL.
type Coalesce struct {
	Args []Expr
	T    types.Type
}

// Cast converts as MySQL does by itself: for comparison, arithmetic, UNION.
// What cannot be converted is NULL (temporals) or 0 with a warning (numbers).
// CAST and CONVERT are Calls, for they convert by rules of their own; COLLATE is
// a Cast with Explicit set.
type Cast struct {
	Arg      Expr
	T        types.Type
	Explicit bool // the collation was asked for
	Written  bool // it is CAST or CONVERT
	Compared bool // text that is no date is 0000-00-00
}

// Call is any other function or operator. Native ones are computed here; the
// others by Vitess's evalengine, a row at a time.
type Call struct {
	Name string
	Args []Expr
	T    types.Type
	// NotNull says that the result is never NULL.
	NotNull bool
	derived *derivation    // the text's collation, where the arguments do not tell
	native  *native        // nil: evaluated by evalengine
	tmpl    sqlparser.Expr // of evalengine: the syntax tree with Offset i for Args[i]
	cache   *programCache  // of evalengine: the compiled form, shared by all executions
}

// Type returns the column's type.
func (e *Column) Type() types.Type { return e.T }

// Type returns the value's type.
func (e *Outer) Type() types.Type { return e.T }

// Type returns the parameter's type.
func (e *Param) Type() types.Type { return e.T }

// Type returns the constant's type.
func (e *Literal) Type() types.Type { return e.T }

// Type returns the function's result type.
func (e *Aggregate) Type() types.Type { return e.T }

// Type returns the query's column's type, or BoolType.
func (e *Subquery) Type() types.Type { return e.T }

// Type returns BoolType.
func (e *Compare) Type() types.Type { return types.BoolType }

// Type returns BoolType.
func (e *And) Type() types.Type { return types.BoolType }

// Type returns BoolType.
func (e *Or) Type() types.Type { return types.BoolType }

// Type returns BoolType.
func (e *Xor) Type() types.Type { return types.BoolType }

// Type returns BoolType.
func (e *Not) Type() types.Type { return types.BoolType }

// Type returns BoolType.
func (e *Is) Type() types.Type { return types.BoolType }

// Type returns BoolType.
func (e *InList) Type() types.Type { return types.BoolType }

// Type returns BoolType.
func (e *Like) Type() types.Type { return types.BoolType }

// Type returns the result's type.
func (e *Arith) Type() types.Type { return e.T }

// Type returns the result's type.
func (e *Neg) Type() types.Type { return e.T }

// Type returns the type that all results convert to.
func (e *Case) Type() types.Type { return e.T }

// Type returns the type that all operands convert to.
func (e *Coalesce) Type() types.Type { return e.T }

// Type returns the type converted to.
func (e *Cast) Type() types.Type { return e.T }

// Type returns the result's type.
func (e *Call) Type() types.Type { return e.T }

// Nullable reports whether the column has NULLs.
func (e *Column) Nullable() bool { return e.Null }

// Nullable reports whether the value may be NULL.
func (e *Outer) Nullable() bool { return e.Null }

// Nullable is always true: any execution may give NULL.
func (e *Param) Nullable() bool { return true }

// Nullable reports whether the constant is NULL.
func (e *Literal) Nullable() bool { return e.Value.IsNull() }

// Nullable is true but for the functions that have a value of no rows.
func (e *Aggregate) Nullable() bool {
	switch e.Func {
	case Count, BitAnd, BitOr, BitXor, Grouping:
		return false
	}
	return true
}

// Nullable is true but for EXISTS.
func (e *Subquery) Nullable() bool { return e.Kind != Exists }

// Nullable reports whether an operand may be NULL.
func (e *Compare) Nullable() bool { return e.Op != NullSafeEQ && anyNullable(e.Children()) }

// Nullable reports whether an operand may be NULL.
func (e *And) Nullable() bool { return anyNullable(e.Args) }

// Nullable reports whether an operand may be NULL.
func (e *Or) Nullable() bool { return anyNullable(e.Args) }

// Nullable reports whether an operand may be NULL.
func (e *Xor) Nullable() bool { return anyNullable(e.Children()) }

// Nullable reports whether the operand may be NULL.
func (e *Not) Nullable() bool { return e.Arg.Nullable() }

// Nullable is always false.
func (e *Is) Nullable() bool { return false }

// Nullable reports whether an operand may be NULL.
func (e *InList) Nullable() bool { return anyNullable(e.Children()) }

// Nullable reports whether an operand may be NULL.
func (e *Like) Nullable() bool { return anyNullable(e.Children()) }

// Nullable reports whether an operand may be NULL or zero be divided by.
func (e *Arith) Nullable() bool {
	return e.Op == Div || e.Op == IntDiv || e.Op == Mod || anyNullable(e.Children())
}

// Nullable reports whether the operand may be NULL.
func (e *Neg) Nullable() bool { return e.Arg.Nullable() }

// Nullable reports whether a result may be NULL.
func (e *Case) Nullable() bool {
	if e.Else == nil || e.Else.Nullable() {
		return true
	}
	for _, w := range e.Whens {
		if w.Then.Nullable() {
			return true
		}
	}
	return false
}

// Nullable reports whether all operands may be NULL.
func (e *Coalesce) Nullable() bool {
	for _, a := range e.Args {
		if !a.Nullable() {
			return false
		}
	}
	return true
}

// Nullable reports whether the operand may be NULL or fail to convert.
func (e *Cast) Nullable() bool {
	return e.Arg.Nullable() || e.T.IsText() && e.Arg.Type().IsBinary() || e.T.IsTemporal() || e.T.Kind == types.UUID || e.T.Kind == types.JSON
}

// Nullable reports whether the function may return NULL.
func (e *Call) Nullable() bool { return !e.NotNull }

func anyNullable(list []Expr) bool {
	for _, e := range list {
		if e.Nullable() {
			return true
		}
	}
	return false
}

// String returns the column's name.
func (e *Column) String() string { return e.Name }

// String returns the column's name.
func (e *Outer) String() string { return e.Name }

// String returns :v1, :v2, ….
func (e *Param) String() string { return fmt.Sprintf(":v%d", e.Index+1) }

// String returns the constant as SQL text.
func (e *Literal) String() string { return literalText(e) }

// String returns the call as SQL text.
func (e *Aggregate) String() string {
	if len(e.Args) == 0 {
		return string(e.Func) + "(*)"
	}
	distinct := ""
	if e.Distinct {
		distinct = "distinct "
	}
	s := string(e.Func) + "(" + distinct + join(e.Args, ", ")
	if len(e.Order) > 0 {
		s += " order by " + sortText(e.Order)
	}
	if e.Func == GroupConcat && e.Separator != "," {
		s += " separator " + literalText(&Literal{Value: types.NewString(e.Separator), T: types.TextType})
	}
	return s + ")"
}

func sortText(keys []SortKey) string {
	s := make([]string, len(keys))
	for i, k := range keys {
		s[i] = k.Expr.String()
		if k.Desc {
			s[i] += " desc"
		}
	}
	return strings.Join(s, ", ")
}

// String names the kind of subquery and what it is given.
func (e *Subquery) String() string {
	args := ""
	if len(e.Args) > 0 {
		args = " of " + join(e.Args, ", ")
	}
	switch e.Kind {
	case Exists:
		return "exists (subquery" + args + ")"
	case In:
		return rowText(e.Left) + " in (subquery" + args + ")"
	case Any:
		return rowText(e.Left) + " " + string(e.Op) + " any (subquery" + args + ")"
	case All:
		return rowText(e.Left) + " " + string(e.Op) + " all (subquery" + args + ")"
	default:
		if len(e.Row) > 1 {
			return fmt.Sprintf("(subquery%s).%d", args, e.Column+1)
		}
		return "(subquery" + args + ")"
	}
}

func rowText(list []Expr) string {
	if len(list) == 1 {
		return list[0].String()
	}
	return "(" + join(list, ", ") + ")"
}

func (e *Compare) String() string { return binaryText(e.L, string(e.Op), e.R) }
func (e *And) String() string     { return "(" + join(e.Args, " and ") + ")" }
func (e *Or) String() string      { return "(" + join(e.Args, " or ") + ")" }
func (e *Xor) String() string     { return binaryText(e.L, "xor", e.R) }
func (e *Not) String() string     { return "(not " + e.Arg.String() + ")" }
func (e *Is) String() string      { return "(" + e.Arg.String() + " " + string(e.Test) + ")" }
func (e *InList) String() string {
	return "(" + e.Expr.String() + " in (" + join(e.List, ", ") + "))"
}
func (e *Like) String() string {
	s := binaryText(e.Expr, "like", e.Pattern)
	if e.Escape != '\\' {
		s = fmt.Sprintf("%s escape '%c')", s[:len(s)-1], e.Escape)
	}
	return s
}
func (e *Arith) String() string { return binaryText(e.L, string(e.Op), e.R) }
func (e *Neg) String() string   { return "-(" + e.Arg.String() + ")" }
func (e *Case) String() string {
	var b strings.Builder
	b.WriteString("case")
	for _, w := range e.Whens {
		b.WriteString(" when " + w.Cond.String() + " then " + w.Then.String())
	}
	if e.Else != nil {
		b.WriteString(" else " + e.Else.String())
	}
	b.WriteString(" end")
	return b.String()
}
func (e *Coalesce) String() string { return "coalesce(" + join(e.Args, ", ") + ")" }

// String shows the operand alone: the conversion is not written in SQL.
func (e *Cast) String() string { return e.Arg.String() }

func binaryText(l Expr, op string, r Expr) string {
	return "(" + l.String() + " " + op + " " + r.String() + ")"
}

func join(list []Expr, sep string) string {
	s := make([]string, len(list))
	for i, e := range list {
		s[i] = e.String()
	}
	return strings.Join(s, sep)
}

func (e *Column) Children() []Expr  { return nil }
func (e *Outer) Children() []Expr   { return nil }
func (e *Param) Children() []Expr   { return nil }
func (e *Literal) Children() []Expr { return nil }

// Children returns Args, then the keys of Order.
func (e *Aggregate) Children() []Expr { return withExprs(e.Args, e.Order) }

// withExprs returns list and the expressions of keys.
func withExprs(list []Expr, keys []SortKey) []Expr {
	if len(keys) == 0 {
		return list
	}
	list = list[:len(list):len(list)]
	for _, k := range keys {
		list = append(list, k.Expr)
	}
	return list
}

// Children returns Args, then Left.
func (e *Subquery) Children() []Expr {
	return append(e.Args[:len(e.Args):len(e.Args)], e.Left...)
}
func (e *Compare) Children() []Expr { return []Expr{e.L, e.R} }
func (e *And) Children() []Expr     { return e.Args }
func (e *Or) Children() []Expr      { return e.Args }
func (e *Xor) Children() []Expr     { return []Expr{e.L, e.R} }
func (e *Not) Children() []Expr     { return []Expr{e.Arg} }
func (e *Is) Children() []Expr      { return []Expr{e.Arg} }

// Children returns the left operand, then the list.
func (e *InList) Children() []Expr { return append([]Expr{e.Expr}, e.List...) }
func (e *Like) Children() []Expr   { return []Expr{e.Expr, e.Pattern} }
func (e *Arith) Children() []Expr  { return []Expr{e.L, e.R} }
func (e *Neg) Children() []Expr    { return []Expr{e.Arg} }

// Children returns each arm's condition and result, then Else if there is one.
func (e *Case) Children() []Expr {
	list := make([]Expr, 0, 2*len(e.Whens)+1)
	for _, w := range e.Whens {
		list = append(list, w.Cond, w.Then)
	}
	if e.Else != nil {
		list = append(list, e.Else)
	}
	return list
}
func (e *Coalesce) Children() []Expr { return e.Args }
func (e *Cast) Children() []Expr     { return []Expr{e.Arg} }
func (e *Call) Children() []Expr     { return e.Args }

func (e *Column) WithChildren([]Expr) Expr  { return e }
func (e *Outer) WithChildren([]Expr) Expr   { return e }
func (e *Param) WithChildren([]Expr) Expr   { return e }
func (e *Literal) WithChildren([]Expr) Expr { return e }
func (e *Aggregate) WithChildren(c []Expr) Expr {
	n := *e
	n.Args, n.Order = c[:len(e.Args):len(e.Args)], withKeys(e.Order, c[len(e.Args):])
	return &n
}

// withKeys returns keys over other expressions.
func withKeys(keys []SortKey, exprs []Expr) []SortKey {
	if len(keys) == 0 {
		return nil
	}
	out := make([]SortKey, len(keys))
	for i, k := range keys {
		out[i] = SortKey{exprs[i], k.Desc}
	}
	return out
}
func (e *Subquery) WithChildren(c []Expr) Expr {
	n := *e
	n.Args = c[:len(e.Args)]
	if e.Left != nil {
		n.Left = c[len(e.Args):]
	}
	return &n
}
func (e *Compare) WithChildren(c []Expr) Expr {
	return &Compare{Op: e.Op, L: c[0], R: c[1], Collation: e.Collation}
}
func (e *And) WithChildren(c []Expr) Expr { return &And{c} }
func (e *Or) WithChildren(c []Expr) Expr  { return &Or{c} }
func (e *Xor) WithChildren(c []Expr) Expr { return &Xor{c[0], c[1]} }
func (e *Not) WithChildren(c []Expr) Expr { return &Not{c[0]} }
func (e *Is) WithChildren(c []Expr) Expr  { return &Is{e.Test, c[0]} }
func (e *InList) WithChildren(c []Expr) Expr {
	return &InList{Expr: c[0], List: c[1:], Collation: e.Collation}
}
func (e *Like) WithChildren(c []Expr) Expr {
	return &Like{Expr: c[0], Pattern: c[1], Escape: e.Escape, Collation: e.Collation}
}
func (e *Arith) WithChildren(c []Expr) Expr { return &Arith{e.Op, c[0], c[1], e.T, e.exact} }
func (e *Neg) WithChildren(c []Expr) Expr   { return &Neg{c[0], e.T} }
func (e *Case) WithChildren(c []Expr) Expr {
	n := &Case{Whens: make([]When, len(e.Whens)), T: e.T}
	for i := range n.Whens {
		n.Whens[i] = When{c[2*i], c[2*i+1]}
	}
	if e.Else != nil {
		n.Else = c[len(c)-1]
	}
	return n
}
func (e *Coalesce) WithChildren(c []Expr) Expr { return &Coalesce{c, e.T} }
func (e *Cast) WithChildren(c []Expr) Expr {
	return &Cast{c[0], e.T, e.Explicit, e.Written, e.Compared}
}
func (e *Call) WithChildren(c []Expr) Expr {
	n := *e
	n.Args = c
	if e.cache != nil {
		n.cache = &programCache{}
	}
	return &n
}
