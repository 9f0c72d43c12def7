package exec

import (
	"context"
	"io"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Build makes the operators of a query plan. They share rt, and what they keep
// is counted together against rt.MemoryBytes. Nothing is read before Open.
// Operators of joins yield rows in the order of the left input unless they
// spill (IndexJoin: always); Filter, Project, Limit and Union keep the order.
func Build(n plan.Node, rt *Runtime) (Operator, error) {
	if rt.Watch != nil {
		return buildWatched(n, rt)
	}
	return build(n, rt)
}

func build(n plan.Node, rt *Runtime) (Operator, error) {
	switch n := n.(type) {
	case *plan.Scan:
		return buildScan(n, rt)
	case *plan.Values:
		return buildValues(n, rt)
	case *plan.Filter:
		return buildFilter(n, rt)
	case *plan.Project:
		return buildProject(n, rt)
	case *plan.HashJoin:
		return buildHashJoin(n, rt)
	case *plan.MergeJoin:
		return buildMergeJoin(n, rt)
	case *plan.IndexJoin:
		return buildIndexJoin(n, rt)
	case *plan.LoopJoin:
		return buildLoopJoin(n, rt)
	case *plan.Lateral:
		return buildLateral(n, rt)
	case *plan.Aggregate:
		return buildAggregate(n, rt)
	case *plan.Window:
		return buildWindow(n, rt)
	case *plan.Rollup:
		return buildRollup(n, rt)
	case *plan.Sort:
		return buildSort(n, rt)
	case *plan.Limit:
		return buildLimit(n, rt)
	case *plan.Distinct:
		return buildDistinct(n, rt)
	case *plan.Recursive:
		return buildRecursive(n, rt)
	case *plan.Work:
		return buildWork(n, rt)
	case *plan.JSONTable:
		return buildJSONTable(n, rt)
	case *plan.Repeat:
		return buildRepeat(n, rt)
	case *plan.Union:
		return buildUnion(n, rt)
	case *plan.File:
		return buildFile(n, rt)
	case *plan.Arguments:
		return buildArguments(n, rt)
	case *plan.Lock:
		return buildLock(n, rt)
	}
	return nil, sqlerr.Internal.New("no operator for %T", n)
}

func buildTwo(l, r plan.Node, rt *Runtime) (left, right Operator, err error) {
	if left, err = Build(l, rt); err == nil {
		right, err = Build(r, rt)
	}
	return left, right, err
}

func exprTypes(list []expr.Expr) []types.Type {
	ts := make([]types.Type, len(list))
	for i, e := range list {
		ts[i] = e.Type()
	}
	return ts
}

// closeAll closes all and returns the first error.
func closeAll(all ...io.Closer) error {
	var first error
	for _, c := range all {
		if err := c.Close(); first == nil {
			first = err
		}
	}
	return first
}

// lazy opens an operator when its first batch is asked for.
type lazy struct {
	op     Operator
	opened bool
}

func (l *lazy) Next(ctx context.Context) (*types.Batch, error) {
	if !l.opened {
		if err := l.op.Open(ctx); err != nil {
			return nil, err
		}
		l.opened = true
	}
	return l.op.Next(ctx)
}
