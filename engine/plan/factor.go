package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
)

// factored takes out of each OR among conds what all of its arms have in
// common: (a AND b) OR (a AND c) is a AND (b OR c).
func factored(conds []expr.Expr) []expr.Expr {
	var out []expr.Expr
	for _, c := range conds {
		or, ok := c.(*expr.Or)
		if !ok {
			out = append(out, c)
			continue
		}
		common, rest := factorOr(or)
		out = append(append(out, common...), rest...)
	}
	return out
}

// factorOr returns the conditions that all arms have, and what is left of the
// OR, if anything.
func factorOr(or *expr.Or) (common, rest []expr.Expr) {
	arms := make([][]expr.Expr, len(or.Args))
	for i, a := range or.Args {
		arms[i] = expr.Conjuncts(a)
	}
	for _, c := range arms[0] {
		if !expr.Deterministic(c) {
			continue
		}
		same := func(e expr.Expr) bool { return expr.Equal(c, e) }
		if slices.ContainsFunc(common, same) {
			continue
		}
		if !slices.ContainsFunc(arms[1:], func(arm []expr.Expr) bool { return !slices.ContainsFunc(arm, same) }) {
			common = append(common, c)
		}
	}
	if len(common) == 0 {
		return nil, []expr.Expr{or}
	}
	left := make([]expr.Expr, len(arms))
	for i, arm := range arms {
		own := slices.DeleteFunc(slices.Clone(arm), func(e expr.Expr) bool {
			return slices.ContainsFunc(common, func(c expr.Expr) bool { return expr.Equal(c, e) })
		})
		if len(own) == 0 {
			return common, nil // this arm is the common part, which implies the OR
		}
		left[i] = expr.Conjunction(own...)
	}
	return common, []expr.Expr{&expr.Or{Args: left}}
}

// implied returns a condition on cols alone that follows from an OR whose every
// arm says something of them; nil where one does not.
func implied(cond expr.Expr, cols colSet) expr.Expr {
	or, ok := cond.(*expr.Or)
	if !ok {
		return nil
	}
	arms := make([]expr.Expr, len(or.Args))
	for i, a := range or.Args {
		own, _ := split(expr.Conjuncts(a), func(e expr.Expr) bool {
			return expr.Deterministic(e) && !expr.HasSubquery(e) && !expr.IsConst(e) && cols.contains(columnsOf(e))
		})
		if len(own) == 0 {
			return nil
		}
		arms[i] = expr.Conjunction(own...)
	}
	return &expr.Or{Args: arms}
}
