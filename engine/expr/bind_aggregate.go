package expr

import (
	"strconv"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// aggregateFunc returns which aggregate function n calls; false where none of
// them.
func aggregateFunc(n sqlparser.AggrFunc) (f AggFunc, ok bool) {
	switch n.(type) {
	case *sqlparser.CountStar, *sqlparser.Count:
		return Count, true
	case *sqlparser.Sum:
		return Sum, true
	case *sqlparser.Avg:
		return Avg, true
	case *sqlparser.Min:
		return Min, true
	case *sqlparser.Max:
		return Max, true
	case *sqlparser.BitAnd:
		return BitAnd, true
	case *sqlparser.BitOr:
		return BitOr, true
	case *sqlparser.BitXor:
		return BitXor, true
	case *sqlparser.Std, *sqlparser.StdDev, *sqlparser.StdPop:
		return StdPop, true
	case *sqlparser.StdSamp:
		return StdSamp, true
	case *sqlparser.Variance, *sqlparser.VarPop:
		return VarPop, true
	case *sqlparser.VarSamp:
		return VarSamp, true
	case *sqlparser.GroupConcatExpr:
		return GroupConcat, true
	case *sqlparser.JSONArrayAgg:
		return JSONArrayAgg, true
	case *sqlparser.JSONObjectAgg:
		return JSONObjectAgg, true
	case *sqlparser.AnyValue:
		return AnyValue, true
	}
	return "", false
}

// aggregate binds an aggregate function.
func (b *Binder) aggregate(n sqlparser.AggrFunc) (Expr, error) {
	f, ok := aggregateFunc(n)
	if !ok {
		return nil, sqlerr.Unsupported("%s", construct(n.AggrName()))
	}
	if w, ok := n.(sqlparser.WindowFunc); ok && w.GetOverClause() != nil {
		return b.window(w)
	}
	bind := func() (*Aggregate, error) { return b.aggregateCall(f, n) }
	if b.Scope == nil {
		return NoAggregates{}.Aggregate(bind)
	}
	return b.Scope.Aggregate(bind)
}

func (b *Binder) aggregateCall(f AggFunc, n sqlparser.AggrFunc) (*Aggregate, error) {
	var args []Expr
	if _, star := n.(*sqlparser.CountStar); !star {
		var err error
		if args, err = b.list(n.GetArgs()); err != nil {
			return nil, err
		}
	}
	if f != AnyValue {
		if err := noAggregates(args); err != nil {
			return nil, err
		}
	}
	d, _ := n.(sqlparser.DistinctableAggr)
	agg, err := NewAggregate(f, args, d != nil && d.IsDistinct())
	if err != nil {
		return nil, err
	}
	if gc, ok := n.(*sqlparser.GroupConcatExpr); ok {
		return b.groupConcat(gc, agg)
	}
	if (f == Sum || f == Avg) && !agg.Distinct {
		agg.Args = []Expr{exact(agg.Args[0])} // the result is rounded
	}
	return agg, nil
}

func noAggregates(list []Expr) error {
	for _, e := range list {
		if HasWindow(e) {
			return sqlerr.WindowFuncMisuse.New("You cannot use the window function '%s' in this context.'", windowName(e))
		}
		if HasAggregate(e) {
			return sqlerr.InvalidGroupFunc.New("Invalid use of group function")
		}
	}
	return nil
}

// windowName returns the name of a window function in e.
func windowName(e Expr) (name AggFunc) {
	Walk(e, func(e Expr) bool {
		if w, ok := e.(*Window); ok {
			name = w.Func
		}
		return name == ""
	})
	return name
}

// groupConcat binds GROUP_CONCAT's own clauses.
func (b *Binder) groupConcat(n *sqlparser.GroupConcatExpr, agg *Aggregate) (*Aggregate, error) {
	if n.Limit != nil {
		return nil, sqlerr.Unsupported("LIMIT in GROUP_CONCAT()")
	}
	agg.Distinct = n.Distinct
	if n.Separator != "" {
		// The grammar hands on the literal, in quotes.
		_, agg.Separator = (&sqlparser.Parser{}).NewStringTokenizer(n.Separator).Scan()
	}
	for _, o := range n.OrderBy {
		e, err := b.concatKey(o.Expr, agg.Args)
		if err != nil {
			return nil, err
		}
		if !IsConst(e) || contains(e, isOuter) { // an outer query's aggregate may be over several values
			agg.Order = append(agg.Order, SortKey{e, o.Direction == sqlparser.DescOrder})
		}
	}
	return agg, nil
}

func isOuter(e Expr) bool {
	_, ok := e.(*Outer)
	return ok
}

// concatKey binds an ORDER BY item of GROUP_CONCAT; a number stands for one of
// its arguments.
func (b *Binder) concatKey(n sqlparser.Expr, args []Expr) (Expr, error) {
	if l, ok := n.(*sqlparser.Literal); ok && l.Type == sqlparser.IntVal {
		at, err := strconv.Atoi(l.Val)
		if err != nil || at < 1 || at > len(args) {
			return nil, sqlerr.UnknownColumn.New("Unknown column '%s' in 'order clause'", l.Val)
		}
		return args[at-1], nil
	}
	e, err := b.bind(n)
	if err != nil {
		return nil, err
	}
	return e, noAggregates([]Expr{e})
}

// grouping binds GROUPING(…).
func (b *Binder) grouping(n *sqlparser.FuncExpr) (Expr, error) {
	const most = 64 // bits of the result
	if len(n.Exprs) == 0 || len(n.Exprs) > most {
		return nil, wrongParamCount("grouping")
	}
	if b.Scope == nil {
		return nil, InvalidGroupFunc()
	}
	return b.Scope.Aggregate(func() (*Aggregate, error) {
		args, err := b.list(n.Exprs)
		if err != nil {
			return nil, err
		}
		return &Aggregate{Func: Grouping, Args: args, T: types.Int64Type}, noAggregates(args)
	})
}
