package expr

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// ValuesScope is a Scope that knows VALUES(c), the new row's column in
// INSERT … ON DUPLICATE KEY UPDATE.
type ValuesScope interface {
	ResolveValues(name *sqlparser.ColName) (Expr, error)
}

// VariableScope is a Scope that knows variables, @@x and @x.
type VariableScope interface {
	ResolveVariable(v *sqlparser.Variable) (Expr, error)
}

// Bind gives names and types to e and folds what is constant in it. Errors:
// sqlerr.UnknownColumn, UnknownFunction, WrongParamCount, NotSupported,
// InvalidGroupFunc, OperandColumns, and what the Scope returns.
func (b *Binder) Bind(e sqlparser.Expr) (_ Expr, err error) {
	defer recoverInternal(&err)
	bound, err := b.bind(e)
	if err != nil {
		return nil, err
	}
	return Fold(bound), nil
}

func (b *Binder) bind(e sqlparser.Expr) (Expr, error) {
	switch n := e.(type) {
	case *sqlparser.ColName:
		if b.Scope == nil {
			return nil, sqlerr.UnknownColumn.New("Unknown column '%s' in 'field list'", sqlparser.String(n))
		}
		return b.Scope.Resolve(n)
	case *sqlparser.Argument:
		return b.param(n)
	case *sqlparser.Literal:
		return bindLiteral(n)
	case sqlparser.BoolVal:
		return &Literal{Value: types.NewBool(bool(n)), T: types.BoolType}, nil
	case *sqlparser.NullVal:
		return &Literal{T: types.NullType}, nil
	case *sqlparser.AndExpr:
		list, err := b.list(flatten(n, nil, func(e sqlparser.Expr) (l, r sqlparser.Expr) {
			if a, ok := e.(*sqlparser.AndExpr); ok {
				return a.Left, a.Right
			}
			return nil, nil
		}))
		return &And{list}, err
	case *sqlparser.OrExpr:
		list, err := b.list(flatten(n, nil, func(e sqlparser.Expr) (l, r sqlparser.Expr) {
			if o, ok := e.(*sqlparser.OrExpr); ok {
				return o.Left, o.Right
			}
			return nil, nil
		}))
		return &Or{list}, err
	case *sqlparser.XorExpr:
		l, r, err := b.pair(n.Left, n.Right)
		return &Xor{l, r}, err
	case *sqlparser.NotExpr:
		arg, err := b.bind(n.Expr)
		return &Not{arg}, err
	case *sqlparser.ComparisonExpr:
		return b.comparison(n)
	case *sqlparser.BetweenExpr:
		return b.between(n)
	case *sqlparser.IsExpr:
		arg, err := b.bind(n.Left)
		return &Is{isTests[n.Right], arg}, err
	case *sqlparser.BinaryExpr:
		return b.binary(n)
	case *sqlparser.UnaryExpr:
		return b.unary(n)
	case *sqlparser.CaseExpr:
		return b.caseExpr(n)
	case *sqlparser.Subquery:
		return b.one(n)
	case *sqlparser.ExistsExpr:
		s, err := b.subquery(Exists, n.Subquery, nil)
		if err != nil {
			return nil, err
		}
		return s, nil
	case *sqlparser.CollateExpr:
		return b.collate(n)
	case *sqlparser.IntroducerExpr:
		return b.introducer(n)
	case *sqlparser.CastExpr:
		if n.Array {
			return nil, notSupported(n)
		}
		return b.cast(n, n.Expr, n.Type)
	case *sqlparser.ConvertExpr:
		return b.cast(n, n.Expr, n.Type)
	case *sqlparser.Variable:
		if s, ok := b.Scope.(VariableScope); ok {
			return s.ResolveVariable(n)
		}
		if n.Scope == sqlparser.VariableScope {
			return newNative("@"+n.Name.String(), userVariable(n.Name.Lowered()), nil)
		}
	case sqlparser.ValTuple:
		if len(n) == 1 {
			return b.bind(n[0])
		}
		return nil, operandColumns(1)
	case sqlparser.AggrFunc:
		return b.aggregate(n)
	case sqlparser.WindowFunc:
		return b.window(n)
	case sqlparser.Callable:
		return b.call(n)
	case *sqlparser.LockingFunc:
		name, args := lockingCall(n)
		return b.nativeCall(name, args...)
	}
	return nil, notSupported(e)
}

var isTests = map[sqlparser.IsExprOperator]IsTest{
	sqlparser.IsNullOp: IsNull, sqlparser.IsNotNullOp: IsNotNull, sqlparser.IsTrueOp: IsTrue,
	sqlparser.IsNotTrueOp: IsNotTrue, sqlparser.IsFalseOp: IsFalse, sqlparser.IsNotFalseOp: IsNotFalse,
}

func notSupported(e sqlparser.SQLNode) error {
	if name := callName(e); functionsByName()[name] != nil {
		return sqlerr.Unsupported("%s", construct(name))
	}
	return sqlerr.Unsupported("%s", sqlparser.String(e))
}

// flatten appends the operands of a chain of one operator.
func flatten(e sqlparser.Expr, dst []sqlparser.Expr, split func(sqlparser.Expr) (l, r sqlparser.Expr)) []sqlparser.Expr {
	l, r := split(e)
	if l == nil {
		return append(dst, e)
	}
	return flatten(r, flatten(l, dst, split), split)
}

func (b *Binder) list(list []sqlparser.Expr) ([]Expr, error) {
	out := make([]Expr, len(list))
	for i, e := range list {
		x, err := b.bind(e)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

func (b *Binder) pair(l, r sqlparser.Expr) (Expr, Expr, error) {
	list, err := b.list([]sqlparser.Expr{l, r})
	if err != nil {
		return nil, nil, err
	}
	return list[0], list[1], nil
}

func (b *Binder) param(n *sqlparser.Argument) (Expr, error) {
	i, err := strconv.Atoi(strings.TrimPrefix(n.Name, "v"))
	if err != nil || i < 1 {
		return nil, notSupported(n)
	}
	if i > len(b.Params) {
		return nil, sqlerr.WrongArguments.New("no value is given for parameter %d", i)
	}
	if b.Given != nil {
		return b.Given[i-1], nil
	}
	return &Param{Index: i - 1, T: b.Params[i-1]}, nil
}

var compareOps = map[sqlparser.ComparisonExprOperator]CompareOp{
	sqlparser.EqualOp: EQ, sqlparser.NotEqualOp: NE, sqlparser.LessThanOp: LT, sqlparser.LessEqualOp: LE,
	sqlparser.GreaterThanOp: GT, sqlparser.GreaterEqualOp: GE, sqlparser.NullSafeEqualOp: NullSafeEQ,
}

func (b *Binder) comparison(n *sqlparser.ComparisonExpr) (Expr, error) {
	if n.Modifier != sqlparser.Missing {
		return b.quantified(n)
	}
	switch n.Operator {
	case sqlparser.InOp:
		return b.in(n)
	case sqlparser.NotInOp:
		e, err := b.in(n)
		return &Not{e}, err
	case sqlparser.LikeOp:
		return b.like(n)
	case sqlparser.NotLikeOp:
		e, err := b.like(n)
		return &Not{e}, err
	case sqlparser.RegexpOp, sqlparser.NotRegexpOp:
		return b.viaVitess("regexp", n)
	}
	return b.compare(compareOps[n.Operator], n.Left, n.Right)
}

// compare binds l op r; rows compare column by column.
func (b *Binder) compare(op CompareOp, l, r sqlparser.Expr) (Expr, error) {
	left, err := b.row(l)
	if err != nil {
		return nil, err
	}
	right, err := b.row(r)
	if err != nil {
		return nil, err
	}
	if len(left) != len(right) {
		return nil, operandColumns(len(left))
	}
	return compareRows(op, left, right)
}

// one binds a subquery of one column.
func (b *Binder) one(n *sqlparser.Subquery) (Expr, error) {
	row, err := b.row(n)
	if err != nil {
		return nil, err
	}
	if len(row) != 1 {
		return nil, operandColumns(1)
	}
	return row[0], nil
}

func operandColumns(n int) error {
	return sqlerr.OperandColumns.New("Operand should contain %d column(s)", n)
}

// row binds the values of a row: a tuple's, a subquery's columns, or one value.
func (b *Binder) row(e sqlparser.Expr) ([]Expr, error) {
	switch n := e.(type) {
	case sqlparser.ValTuple:
		var row []Expr
		for _, e := range n {
			part, err := b.row(e)
			if err != nil {
				return nil, err
			}
			row = append(row, part...)
		}
		return row, nil
	case *sqlparser.Subquery:
		q, err := b.subquery(Scalar, n, nil)
		if err != nil {
			return nil, err
		}
		row := make([]Expr, len(q.Row))
		for i := range row {
			c := *q
			c.Column, c.T = i, q.Row[i]
			row[i] = &c
		}
		return row, nil
	}
	one, err := b.bind(e)
	return []Expr{one}, err
}

func compareRows(op CompareOp, l, r []Expr) (Expr, error) {
	if len(l) == 1 {
		return NewCompare(op, l[0], r[0])
	}
	first := op
	switch op {
	case LE:
		first = LT
	case GE:
		first = GT
	}
	head, err := NewCompare(first, l[0], r[0])
	if err != nil {
		return nil, err
	}
	tail, err := compareRows(op, l[1:], r[1:])
	if err != nil {
		return nil, err
	}
	switch op {
	case EQ, NullSafeEQ:
		return Conjunction(head, tail), nil
	case NE:
		return disjunction(head, tail), nil
	}
	same, err := NewCompare(EQ, l[0], r[0])
	if err != nil {
		return nil, err
	}
	return disjunction(head, Conjunction(same, tail)), nil
}

// disjunction returns the OR of two conditions.
func disjunction(l, r Expr) Expr {
	if o, ok := r.(*Or); ok {
		return &Or{append([]Expr{l}, o.Args...)}
	}
	return &Or{[]Expr{l, r}}
}

// opNames are the operators that MySQL's messages spell otherwise.
var opNames = map[CompareOp]string{EQ: "=", NE: "<>", LT: "<", LE: "<=", GT: ">", GE: ">=", NullSafeEQ: "<=>"}

// NewCompare returns l op r. Errors: sqlerr.IllegalMix, WrongValue.
func NewCompare(op CompareOp, l, r Expr) (_ Expr, err error) {
	lt, rt := l.Type(), r.Type()
	if err := checkSpatial(op, l, r); err != nil {
		return nil, err
	}
	if (lt.Kind == types.JSON || rt.Kind == types.JSON) && lt.Kind != types.Null && rt.Kind != types.Null {
		if l, err = toJSON(l); err != nil {
			return nil, err
		}
		if r, err = toJSON(r); err != nil {
			return nil, err
		}
		return &Compare{Op: op, L: l, R: r}, nil
	}
	l, r = yearConstant(l, r), yearConstant(r, l)
	if err := checkDates(l, r); err != nil {
		return nil, err
	}
	t, err := ComparedAs(opNames[op], l, r)
	if err != nil {
		return nil, err
	}
	return &Compare{Op: op, L: l, R: r, Collation: t.Collation}, nil
}

func (b *Binder) between(n *sqlparser.BetweenExpr) (Expr, error) {
	list, err := b.list([]sqlparser.Expr{n.Left, n.From, n.To})
	if err != nil {
		return nil, err
	}
	and, err := newBetween(list[0], list[1], list[2])
	if err != nil || n.IsBetween {
		return and, err
	}
	return &Not{and}, nil
}

// newBetween returns e BETWEEN low AND high. All three compare as one type: texts are
// numbers where one is a number, and dates where one is a date.
func newBetween(e, low, high Expr) (Expr, error) {
	list := []Expr{e, low, high}
	if e.Type().IsString() {
		as := types.NullType
		for _, x := range list[1:] {
			switch t := x.Type(); {
			case t.IsNumeric():
				as = types.Float64Type
			case t.IsTemporal() && t.Kind != types.Time && !as.IsNumeric():
				as = dateTimeType
			}
		}
		for i, x := range list {
			if x.Type().IsString() && as.Kind != types.Null {
				list[i] = CastTo(x, as)
			}
		}
	}
	above, err := NewCompare(GE, list[0], list[1])
	if err != nil {
		return nil, err
	}
	below, err := NewCompare(LE, list[0], list[2])
	if err != nil {
		return nil, err
	}
	if a, ok := above.(*Compare); ok && list[0].Type().IsString() {
		id, err := collateForCompare("between", list...)
		if err != nil {
			return nil, err
		}
		a.Collation, below.(*Compare).Collation = id, id
	}
	return Conjunction(above, below), nil
}

// quantified binds ANY and ALL; = ANY and <> ALL are IN and NOT IN.
func (b *Binder) quantified(n *sqlparser.ComparisonExpr) (Expr, error) {
	q, ok := n.Right.(*sqlparser.Subquery)
	if !ok {
		return nil, notSupported(n)
	}
	left, err := b.row(n.Left)
	if err != nil {
		return nil, err
	}
	switch {
	case n.Operator == sqlparser.EqualOp && n.Modifier == sqlparser.Any:
		return b.quantify(In, EQ, q, left)
	case n.Operator == sqlparser.NotEqualOp && n.Modifier == sqlparser.All:
		e, err := b.quantify(In, EQ, q, left)
		return &Not{e}, err
	case len(left) > 1:
		return nil, operandColumns(1)
	case n.Modifier == sqlparser.Any:
		return b.quantify(Any, compareOps[n.Operator], q, left)
	}
	return b.quantify(All, compareOps[n.Operator], q, left)
}

func (b *Binder) quantify(kind SubqueryKind, op CompareOp, q *sqlparser.Subquery, left []Expr) (Expr, error) {
	s, err := b.subquery(kind, q, left)
	if err != nil {
		return nil, err
	}
	if kind != In {
		s.Op = op
	}
	for i, t := range s.Row[:min(len(left), len(s.Row))] {
		if err := checkSpatial(op, left[i], &Param{T: t}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (b *Binder) in(n *sqlparser.ComparisonExpr) (Expr, error) {
	switch list := n.Right.(type) {
	case *sqlparser.Subquery:
		left, err := b.row(n.Left)
		if err != nil {
			return nil, err
		}
		return b.quantify(In, EQ, list, left)
	case sqlparser.ValTuple:
		row, err := b.row(n.Left)
		if err != nil {
			return nil, err
		}
		if len(row) != 1 {
			return b.inRows(row, list)
		}
		left := row[0]
		items, err := b.list(list)
		if err != nil {
			return nil, err
		}
		return newInList(left, items)
	}
	return nil, notSupported(n)
}

func newInList(left Expr, items []Expr) (Expr, error) {
	for i, item := range items {
		if err := checkSpatial(EQ, left, item); err != nil {
			return nil, err
		}
		items[i] = yearConstant(item, left)
	}
	for _, item := range items {
		if left.Type().Kind != types.JSON && item.Type().Kind != types.JSON {
			continue
		}
		or := &Or{}
		for _, item := range items {
			e, err := NewCompare(EQ, left, item)
			if err != nil {
				return nil, err
			}
			or.Args = append(or.Args, e)
		}
		return or, nil
	}
	in := &InList{Expr: left, List: items, Collation: types.DefaultCollation}
	texts := []Expr{left}
	for _, item := range items {
		if err := checkDates(left, item); err != nil {
			return nil, err
		}
		if CompareType(left.Type(), item.Type()).IsString() {
			texts = append(texts, item)
		}
	}
	if len(texts) > 1 {
		id, err := collateForCompare("IN", texts...)
		if err != nil {
			return nil, err
		}
		in.Collation = id
	}
	return in, nil
}

// inRows is (a,b) IN ((1,2),…): a comparison with each row.
func (b *Binder) inRows(left []Expr, list sqlparser.ValTuple) (Expr, error) {
	or := &Or{}
	for _, e := range list {
		row, err := b.row(e)
		if err != nil {
			return nil, err
		}
		if len(row) != len(left) {
			return nil, operandColumns(len(left))
		}
		same, err := compareRows(EQ, left, row)
		if err != nil {
			return nil, err
		}
		or.Args = append(or.Args, same)
	}
	if len(or.Args) == 1 {
		return or.Args[0], nil
	}
	return or, nil
}

func (b *Binder) subquery(kind SubqueryKind, q *sqlparser.Subquery, left []Expr) (*Subquery, error) {
	if b.Scope == nil {
		return nil, sqlerr.Unsupported("a subquery here")
	}
	return b.Scope.Subquery(kind, q.Select, left)
}

func (b *Binder) like(n *sqlparser.ComparisonExpr) (Expr, error) {
	l, r, err := b.pair(n.Left, n.Right)
	if err != nil {
		return nil, err
	}
	id, err := collateForCompare("like", l, r)
	if err != nil {
		return nil, err
	}
	like := &Like{Expr: l, Pattern: r, Escape: '\\', Collation: id}
	if n.Escape != nil {
		lit, ok := n.Escape.(*sqlparser.Literal)
		if !ok || lit.Type != sqlparser.StrVal || utf8.RuneCountInString(lit.Val) > 1 {
			return nil, sqlerr.WrongArguments.New("Incorrect arguments to ESCAPE")
		}
		if like.Escape, _ = utf8.DecodeRuneInString(lit.Val); lit.Val == "" {
			like.Escape = noEscape
		}
	}
	return like, nil
}

// noEscape is a character that no text has, for ESCAPE ”.
const noEscape = utf8.MaxRune + 1

var arithOps = map[sqlparser.BinaryExprOperator]ArithOp{
	sqlparser.PlusOp: Add, sqlparser.MinusOp: Sub, sqlparser.MultOp: Mul,
	sqlparser.DivOp: Div, sqlparser.IntDivOp: IntDiv, sqlparser.ModOp: Mod,
}

func (b *Binder) binary(n *sqlparser.BinaryExpr) (Expr, error) {
	l, r, err := b.pair(n.Left, n.Right)
	if err != nil {
		return nil, err
	}
	if err := noSpatial(n.Operator.ToString(), l, r); err != nil {
		return nil, err
	}
	if op, ok := arithOps[n.Operator]; ok {
		return newArith(op, l, r), nil
	}
	return newCall(n.Operator.ToString(), []Expr{memberBits(l), memberBits(r)}, &sqlparser.BinaryExpr{
		Operator: n.Operator, Left: &sqlparser.Offset{V: 0}, Right: &sqlparser.Offset{V: 1},
	})
}

// memberBits returns e, an ENUM or SET as its number.
func memberBits(e Expr) Expr {
	if k := e.Type().Kind; k == types.Enum || k == types.Set {
		return CastTo(e, types.Uint64Type)
	}
	return e
}

func newArith(op ArithOp, l, r Expr) *Arith {
	a := &Arith{Op: op, L: exact(l), R: exact(r), T: arithType(op, l, r)}
	a.exact = exactType(a)
	return a
}

func (b *Binder) unary(n *sqlparser.UnaryExpr) (Expr, error) {
	switch n.Operator {
	case sqlparser.UPlusOp:
		return b.bind(n.Expr)
	case sqlparser.UMinusOp:
		arg, err := b.bind(n.Expr)
		if err != nil {
			return nil, err
		}
		if err := noSpatial("-", arg); err != nil {
			return nil, err
		}
		neg := &Neg{exact(arg), negType(arg)}
		if _, ok := arg.(*Literal); ok {
			return Fold(neg), nil
		}
		return neg, nil
	case sqlparser.BangOp:
		arg, err := b.bind(n.Expr)
		return &Not{arg}, err
	case sqlparser.TildaOp:
		arg, err := b.bind(n.Expr)
		if err != nil {
			return nil, err
		}
		if err := noSpatial("~", arg); err != nil {
			return nil, err
		}
		if l, ok := arg.(*Literal); arg.Type().IsBinary() && !(ok && l.Hex) {
			return newNative("~", complement, []Expr{arg})
		}
		return b.viaVitess("~", n)
	}
	return nil, notSupported(n)
}

func (b *Binder) caseExpr(n *sqlparser.CaseExpr) (Expr, error) {
	var base Expr
	var err error
	if n.Expr != nil {
		if base, err = b.bind(n.Expr); err != nil {
			return nil, err
		}
	}
	var whens []When
	for _, w := range n.Whens {
		cond, then, err := b.pair(w.Cond, w.Val)
		if err != nil {
			return nil, err
		}
		if base != nil {
			if cond, err = NewCompare(EQ, base, cond); err != nil {
				return nil, err
			}
		}
		whens = append(whens, When{cond, then})
	}
	var other Expr
	if n.Else != nil {
		if other, err = b.bind(n.Else); err != nil {
			return nil, err
		}
	}
	return newCase(whens, other), nil
}

// newCase returns a Case with the type that its results have together; other may be nil.
func newCase(whens []When, other Expr) *Case {
	c := &Case{Whens: whens, Else: other}
	list := c.results()
	t := commonTypeOf(list)
	return c.withResults(precise(list, t), t)
}

// commonTypeOf is CommonType of expressions: it knows literals' digits.
func commonTypeOf(list []Expr) types.Type {
	t := types.NullType
	for _, e := range list {
		t = CommonType(t, e.Type())
	}
	switch {
	case t.IsText():
		if d, err := collate("", list...); err == nil && d.strength < numeric {
			t.Collation = d.id
		}
		return t
	case t.Kind != types.Decimal:
		return t
	}
	whole, scale := 0, 0
	for _, e := range list {
		if e.Type().Kind != types.Null {
			p, s := digitsOf(e)
			whole, scale = max(whole, p-s), max(scale, s)
		}
	}
	return decimalType(whole+scale, scale)
}
