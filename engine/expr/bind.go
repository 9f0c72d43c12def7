package expr

import (
	"strconv"
	"strings"

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
		return bindLiteral(n, b.ZeroDates)
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

func (b *Binder) subquery(kind SubqueryKind, q *sqlparser.Subquery, left []Expr) (*Subquery, error) {
	if b.Scope == nil {
		return nil, sqlerr.Unsupported("a subquery here")
	}
	return b.Scope.Subquery(kind, q.Select, left)
}

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
	for _, e := range []*Expr{&l, &r} {
		if *e, err = bitOperand(*e); err != nil {
			return nil, err
		}
	}
	return newCall(n.Operator.ToString(), []Expr{l, r}, &sqlparser.BinaryExpr{
		Operator: n.Operator, Left: &sqlparser.Offset{V: 0}, Right: &sqlparser.Offset{V: 1},
	})
}

// bitOperand returns e as an operand of bits: an ENUM or SET as its number, a text as the
// integer that it begins with, a DECIMAL constant or UNSIGNED, of which only others are cut to
// BIGINT's range, as one without sign.
func bitOperand(e Expr) (Expr, error) {
	t := e.Type()
	switch _, constant := e.(*Literal); {
	case t.Kind == types.Enum || t.Kind == types.Set:
		return CastTo(e, types.Uint64Type), nil
	case t.Kind == types.Decimal && (constant || t.Unsigned):
		return newNative("cast", castDecimalUnsigned, []Expr{e})
	case t.IsText():
		return newNative("cast", castUnsigned, []Expr{e})
	}
	return e, nil
}

func newArith(op ArithOp, l, r Expr) *Arith {
	a := &Arith{Op: op, L: exact(l), R: exact(r), T: arithType(op, l, r)}
	a.exact = exactType(a)
	return a
}

func (b *Binder) unary(n *sqlparser.UnaryExpr) (Expr, error) {
	switch n.Operator {
	case sqlparser.UPlusOp, sqlparser.NStringOp: // N'text' has all characters, as every text here
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
		if arg, err = bitOperand(arg); err != nil {
			return nil, err
		}
		return newCall("~", []Expr{arg}, &sqlparser.UnaryExpr{Operator: n.Operator, Expr: &sqlparser.Offset{V: 0}})
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
			if cond, err = NewCompare(EQ, exact(base), exact(cond)); err != nil {
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
