package expr

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// WindowScope is a Scope that may allow window functions.
type WindowScope interface {
	// Window returns what an OVER clause says, named windows in place, and the
	// window's name for errors; nil where no window function may stand.
	Window(over *sqlparser.OverClause) (spec *sqlparser.WindowSpecification, name string, err error)
	// WindowKeys returns the scope of a window's PARTITION BY or ORDER BY.
	WindowKeys(clause string) Scope
}

// UnnamedWindow is what errors call a window without a name.
const UnnamedWindow = "<unnamed window>"

// window binds a call with an OVER clause.
func (b *Binder) window(n sqlparser.WindowFunc) (Expr, error) {
	misuse := sqlerr.WindowFuncMisuse.New("You cannot use the window function '%s' in this context.'", n.WindowFuncName())
	s, ok := b.Scope.(WindowScope)
	if !ok {
		return nil, misuse
	}
	spec, name, err := s.Window(n.GetOverClause())
	if err != nil {
		return nil, err
	}
	if spec == nil {
		return nil, misuse
	}
	w, err := b.windowFunc(n)
	if err != nil {
		return nil, err
	}
	for _, a := range w.Args {
		if HasWindow(a) {
			return nil, misuse
		}
	}
	return w, b.over(w, spec, name, s)
}

// windowFunc binds the function and its arguments.
func (b *Binder) windowFunc(n sqlparser.WindowFunc) (*Window, error) {
	w := &Window{}
	switch n := n.(type) {
	case *sqlparser.ArgumentLessWindowExpr:
		w.Func, w.T = AggFunc(n.WindowFuncName()), types.Uint64Type
		if w.Func == PercentRank || w.Func == CumeDist {
			w.T = types.Float64Type
		}
		return w, nil
	case *sqlparser.NtileExpr:
		w.Func, w.T = Ntile, types.Uint64Type
		return w, b.windowNumber(w, n.N)
	case *sqlparser.LagLeadExpr:
		return w, b.lagLead(w, n)
	case *sqlparser.FirstOrLastValueExpr:
		w.Func = AggFunc(n.WindowFuncName())
		return w, b.windowValue(w, n.Expr, n.NullTreatmentClause)
	case *sqlparser.NTHValueExpr:
		w.Func = NthValue
		if c := n.FromFirstLastClause; c != nil && c.Type != sqlparser.FromFirstType {
			return nil, sqlerr.Unsupported("FROM LAST")
		}
		if err := b.windowValue(w, n.Expr, n.NullTreatmentClause); err != nil {
			return nil, err
		}
		return w, b.windowNumber(w, n.N)
	case sqlparser.AggrFunc:
		f, ok := aggregateFunc(n)
		if !ok {
			break
		}
		if d, ok := n.(sqlparser.DistinctableAggr); ok && d.IsDistinct() {
			return nil, sqlerr.Unsupported("%s(DISTINCT ...) OVER", strings.ToUpper(string(f)))
		}
		args, err := b.list(n.GetArgs())
		if err != nil {
			return nil, err
		}
		agg, err := NewAggregate(f, args, false)
		if err != nil {
			return nil, err
		}
		w.Func, w.Args, w.T, w.Null = f, args, agg.T, agg.Nullable()
		return w, nil
	}
	return nil, sqlerr.Unsupported("%s OVER", construct(n.WindowFuncName()))
}

func (b *Binder) lagLead(w *Window, n *sqlparser.LagLeadExpr) error {
	w.Func = AggFunc(n.WindowFuncName())
	if err := b.windowValue(w, n.Expr, n.NullTreatmentClause); err != nil {
		return err
	}
	w.N = intLiteral(1)
	if n.N != nil {
		if err := b.windowNumber(w, n.N); err != nil {
			return err
		}
	}
	if n.Default == nil {
		return nil
	}
	other, err := b.bind(n.Default)
	if err != nil {
		return err
	}
	w.Args = append(w.Args, other)
	w.Null = anyNullable(w.Args)
	w.T = commonTypeOf(w.Args)
	for i, a := range w.Args {
		w.Args[i] = CastTo(a, w.T)
	}
	return nil
}

// windowValue binds the argument whose value in another row is the function's.
func (b *Binder) windowValue(w *Window, e sqlparser.Expr, nulls *sqlparser.NullTreatmentClause) error {
	if nulls != nil && nulls.Type == sqlparser.IgnoreNullsType {
		return sqlerr.Unsupported("IGNORE NULLS")
	}
	arg, err := b.bind(e)
	if err != nil {
		return err
	}
	w.Args, w.T, w.Null = []Expr{arg}, arg.Type(), true
	return nil
}

// windowNumber binds an argument that is the same for all rows.
func (b *Binder) windowNumber(w *Window, e sqlparser.Expr) error {
	n, err := b.bind(e)
	if err != nil {
		return err
	}
	switch l := n.(type) {
	case *Param:
	case *Literal:
		if !l.T.IsInteger() && !l.Value.IsNull() {
			return sqlerr.WrongArguments.New("Incorrect arguments to %s", w.Func)
		}
	default:
		return sqlerr.WrongArguments.New("Incorrect arguments to %s", w.Func)
	}
	w.N = n
	return nil
}

// framed reports whether a function is over a frame, not its partition.
func framed(f AggFunc) bool {
	switch f {
	case RowNumber, Rank, DenseRank, PercentRank, CumeDist, Ntile, Lag, Lead:
		return false
	}
	return true
}

// over binds a window's specification.
func (b *Binder) over(w *Window, spec *sqlparser.WindowSpecification, name string, s WindowScope) error {
	partition := &Binder{Scope: s.WindowKeys("window partition by"), Params: b.Params, ZeroDates: b.ZeroDates}
	order := &Binder{Scope: s.WindowKeys("window order by"), Params: b.Params, ZeroDates: b.ZeroDates}
	for _, p := range spec.PartitionClause {
		e, err := partition.windowKey(p, name)
		if err != nil {
			return err
		}
		if !IsConst(e) {
			w.Partition = append(w.Partition, e)
		}
	}
	for _, o := range spec.OrderClause {
		e, err := order.windowKey(o.Expr, name)
		if err != nil {
			return err
		}
		if !IsConst(e) {
			w.Order = append(w.Order, SortKey{e, o.Direction == sqlparser.DescOrder})
		}
	}
	f, err := order.frame(w, spec, name)
	if err == nil && framed(w.Func) {
		w.Frame = f
	}
	return err
}

func (b *Binder) windowKey(n sqlparser.Expr, name string) (Expr, error) {
	if l, ok := n.(*sqlparser.Literal); ok && l.Type == sqlparser.IntVal {
		return nil, sqlerr.WindowPosition.New("Window '%s': ORDER BY or PARTITION BY uses legacy position indication which is not supported, use expression.", name)
	}
	e, err := b.bind(n)
	if err != nil {
		return nil, err
	}
	if HasWindow(e) {
		return nil, sqlerr.NestedWindow.New("You cannot nest a window function in the specification of window '%s'.", name)
	}
	return e, nil
}

// frame binds a frame clause; without one it is all rows up to those equal in
// order to the current row, or all rows where there is no order.
func (b *Binder) frame(w *Window, spec *sqlparser.WindowSpecification, name string) (*Frame, error) {
	c := spec.FrameClause
	if c == nil {
		if len(w.Order) == 0 {
			return nil, nil
		}
		return &Frame{End: Bound{Kind: CurrentRow}}, nil
	}
	f := &Frame{Rows: c.Unit == sqlparser.FrameRowsType, Groups: c.Unit == parse.FrameGroups, End: Bound{Kind: CurrentRow}}
	f.Start.Kind = boundKinds[c.Start.Type]
	if c.End != nil {
		f.End.Kind = boundKinds[c.End.Type]
	}
	switch {
	case f.Start.Kind == UnboundedFollowing:
		return nil, sqlerr.FrameStart.New("Window '%s': frame start cannot be UNBOUNDED FOLLOWING.", name)
	case f.End.Kind == UnboundedPreceding:
		return nil, sqlerr.FrameEnd.New("Window '%s': frame end cannot be UNBOUNDED PRECEDING.", name)
	case f.Start.Kind > f.End.Kind:
		return nil, illegalFrame(name)
	}
	if err := b.bound(w, f, &f.Start, c.Start, spec, name); err != nil {
		return nil, err
	}
	if c.End != nil {
		if err := b.bound(w, f, &f.End, c.End, spec, name); err != nil {
			return nil, err
		}
	}
	f.convert(w)
	return f, nil
}

var boundKinds = map[sqlparser.FramePointType]BoundKind{
	sqlparser.UnboundedPrecedingType: UnboundedPreceding, sqlparser.ExprPrecedingType: Preceding,
	sqlparser.CurrentRowType: CurrentRow, sqlparser.ExprFollowingType: Following,
	sqlparser.UnboundedFollowingType: UnboundedFollowing,
}

func illegalFrame(name string) error {
	return sqlerr.IllegalFrame.New("Window '%s': frame start or end is negative, NULL or of non-integral type", name)
}

// bound binds an end of a frame that is at a distance.
func (b *Binder) bound(w *Window, f *Frame, to *Bound, p *sqlparser.FramePoint, spec *sqlparser.WindowSpecification, name string) error {
	if p.Expr == nil {
		return nil
	}
	offset, err := b.bind(p.Expr)
	if err != nil {
		return err
	}
	offset = Fold(offset)
	to.Offset = offset
	interval := p.Unit != sqlparser.IntervalNone
	counted := f.Rows || f.Groups
	l, literal := offset.(*Literal)
	switch {
	case counted && interval:
		return sqlerr.RowsInterval.New("Window '%s': INTERVAL can only be used with RANGE frames.", name)
	case !IsConst(offset) || HasSubquery(offset):
		return sqlerr.FrameNotConstant.New("Window '%s' has a non-constant frame bound.", name)
	case counted && literal && !l.T.IsInteger(), literal && l.negative():
		return illegalFrame(name)
	case counted:
		return nil
	}
	if len(w.Order) != 1 || !w.Order[0].Expr.Type().IsNumeric() && !w.Order[0].Expr.Type().IsTemporal() {
		return sqlerr.RangeOrder.New("Window '%s' with RANGE N PRECEDING/FOLLOWING frame requires exactly one ORDER BY expression, of numeric or temporal type", name)
	}
	key := w.Order[0]
	minus := (to.Kind == Preceding) != key.Desc
	switch temporal := key.Expr.Type().IsTemporal(); {
	case temporal && !interval:
		return sqlerr.RangeNeedsInterval.New("Window '%s' with RANGE frame has ORDER BY expression of datetime type. Only INTERVAL bound value allowed.", name)
	case !temporal && interval:
		return sqlerr.RangeInterval.New("Window '%s' with RANGE frame has ORDER BY expression of numeric type, INTERVAL bound value not allowed.", name)
	case temporal:
		syntax := sqlparser.IntervalDateExprDateAdd
		if minus {
			syntax = sqlparser.IntervalDateExprDateSub
		}
		to.Limit, err = b.bind(&sqlparser.IntervalDateExpr{Syntax: syntax, Date: spec.OrderClause[0].Expr, Interval: p.Expr, Unit: p.Unit})
		return err
	}
	value := key.Expr
	if t := value.Type(); t.Kind == types.BigInt || t.Unsigned {
		value = CastTo(value, types.DecimalType(21, 0)) // beyond BIGINT lie bounds, too
	}
	op := Add
	if minus {
		op = Sub
	}
	to.Limit = newArith(op, value, offset)
	return nil
}

// negative reports whether a literal is below zero or NULL.
func (e *Literal) negative() bool {
	if e.Value.IsNull() {
		return true
	}
	switch e.T.Physical() {
	case types.PhysInt64:
		return e.Value.Int() < 0
	case types.PhysFloat64:
		return e.Value.Float() < 0
	case types.PhysBytes:
		return len(e.Value.Bytes()) > 0 && e.Value.Bytes()[0] == '-'
	}
	return false
}

// convert gives the frame's key and limits one type.
func (f *Frame) convert(w *Window) {
	limits := []*Bound{&f.Start, &f.End}
	for _, b := range limits {
		if b.Limit == nil {
			continue
		}
		if f.Key == nil {
			f.Key = w.Order[0].Expr
		}
		f.Key = CastTo(f.Key, CompareType(f.Key.Type(), b.Limit.Type()))
	}
	for _, b := range limits {
		if b.Limit != nil {
			b.Limit = CastTo(b.Limit, f.Key.Type())
		}
	}
}
