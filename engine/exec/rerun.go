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
	case *plan.Scan, *plan.Filter, *plan.Project, *plan.Lock:
	case *plan.Limit:
		if n.Counts {
			return false
		}
	default:
		return false
	}
	return !slices.ContainsFunc(n.Inputs(), func(in plan.Node) bool { return !Rerunnable(in) })
}
