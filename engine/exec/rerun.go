package exec

import (
	"slices"

	"github.com/kalamgo/kalam/engine/plan"
)

// Rerunnable reports whether a plan's operators, once they are closed, may be opened
// for another execution: with what their Runtime and its Env, whose Run is another,
// have then. Such operators keep nothing of an execution but expressions' evaluators
// and empty batches.
func Rerunnable(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Scan, *plan.Filter, *plan.Project, *plan.Lock, *plan.Values:
	case *plan.Limit:
		if n.Counts {
			return false
		}
	case *plan.Insert, *plan.Update, *plan.Delete: // by what runs them, with Source
	default:
		return false
	}
	return !slices.ContainsFunc(n.Inputs(), func(in plan.Node) bool { return !Rerunnable(in) })
}

// idleSource is the operators of a part of a plan, which are closed.
type idleSource struct {
	node plan.Node
	op   Operator
}

// Source returns the operators of n, those that Keep was given if there are any.
func (rt *Runtime) Source(n plan.Node) (Operator, error) {
	if s := rt.idle; s.op != nil && s.node == n {
		rt.idle = idleSource{}
		return s.op, nil
	}
	return Build(n, rt)
}

// Keep gets the operators of n, which are closed, for the next execution.
func (rt *Runtime) Keep(n plan.Node, op Operator) {
	if rt.Rerun {
		rt.idle = idleSource{n, op}
	}
}
