package expr

import (
	"unicode/utf8"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

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
	list := exactAll([]Expr{e, low, high})
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
		if len(items) > 1 { // else it is =
			left, items = exact(left), exactAll(items)
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
