package tables

import (
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// check is a CHECK constraint in an execution.
type check struct {
	name     string
	violated *expr.Evaluator
}

func newChecks(env *expr.Env, list []plan.Check) ([]check, error) {
	var checks []check
	for _, c := range list {
		ev, err := expr.NewEvaluator(env, c.Violated)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check{c.Name, ev})
	}
	return checks, nil
}

// check returns the rows, in the session's zone, that satisfy the CHECK
// constraints: all of them, or with IGNORE those that do. keep lists them; nil:
// all.
func (w *writer) check(rows *types.Batch) (keep []int32, err error) {
	first, name := int32(rows.Len), "" // the first that violates one
	var out []bool                     // with IGNORE: rows to leave out
	for i := range w.checks {
		c := &w.checks[i]
		bad, err := c.violated.Select(rows, nil)
		if err != nil {
			return nil, err
		}
		if len(bad) == 0 {
			continue
		}
		if bad[0] < first {
			first, name = bad[0], c.name
		}
		if !w.ignore {
			continue
		}
		if out == nil {
			out = make([]bool, rows.Len)
		}
		for _, r := range bad {
			if !out[r] {
				out[r] = true
				w.warn(w.violated(c.name))
			}
		}
	}
	switch {
	case name == "":
		return nil, nil
	case !w.ignore:
		return nil, w.violated(name)
	}
	keep = make([]int32, 0, rows.Len)
	for r := range rows.Len {
		if !out[r] {
			keep = append(keep, int32(r))
		}
	}
	return keep, nil
}

func (w *writer) violated(name string) error {
	return sqlerr.CheckViolated.New("Check constraint '%s' is violated.", name).On(w.name()).For(name)
}

// pickBools returns the elements of list that sel lists.
func pickBools(list []bool, sel []int32) []bool {
	if len(list) == 0 {
		return list
	}
	out := make([]bool, len(sel))
	for i, r := range sel {
		out[i] = list[r]
	}
	return out
}
