package plan

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
)

// What a statement needs the right to do is noted where its names are given meaning,
// before anything of a table shows. Views, subqueries and what triggers and foreign
// keys do are bound in the same way, so nothing goes around it. It is in the plan,
// too, since a plan is run by others than who it was made for.

// Access is what a plan needs to be allowed.
type Access struct {
	Table *schema.Table
	Needs rights.Set
	// As is whose right it is: nil: of who runs the plan; else of the definer of a
	// view or trigger.
	As *string
}

// need notes that the statement does something with a table.
func (b *builder) need(t *schema.Table, needs rights.Set) error {
	for i := range b.access {
		if a := &b.access[i]; a.Table == t && sameUser(a.As, b.as) {
			if a.Needs.Has(needs) {
				return nil
			}
			needs |= a.Needs
			b.access = slices.Delete(b.access, i, i+1)
			break
		}
	}
	a := Access{t, needs, b.as}
	b.access = append(b.access, a)
	if b.o.Allowed == nil {
		return nil
	}
	return b.o.Allowed(a)
}

func sameUser(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// definer returns the user whose rights the query of a view has; nil: those of who
// asks.
func definer(v *schema.Table) *string {
	switch {
	case v.View.Security != "DEFINER":
		return nil
	case v.View.DefinerID == nil:
		return &owner
	}
	return v.View.DefinerID
}

// owner is the definer of views that were made before definers were noted.
var owner = "system"

// readsRows adds to what a statement needs that changes rows the right to read them,
// if it does.
func readsRows(needs rights.Set, reads ...sqlparser.SQLNode) rights.Set {
	for _, n := range reads {
		_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
			switch n.(type) {
			case *sqlparser.ColName:
				needs |= rights.Select
			case *sqlparser.Subquery, *sqlparser.ValuesFuncExpr: // which are seen to elsewhere, or new
				return false, nil
			}
			return true, nil
		}, n)
	}
	return needs
}

// returns adds what RETURNING needs.
func (b *builder) returns(needs rights.Set) rights.Set {
	if b.o.Returning != nil {
		needs |= rights.Select
	}
	return needs
}

// valuesOf returns the values of assignments.
func valuesOf(list []*sqlparser.UpdateExpr) []sqlparser.SQLNode {
	var values []sqlparser.SQLNode
	for _, u := range list {
		values = append(values, u.Expr)
	}
	return values
}

// cascades notes what foreign keys' actions do for a part of a plan.
func (b *builder) cascades(w write) error {
	return b.cascade(w.rules, slices.Contains(w.events, "DELETE"), slices.Contains(w.events, "UPDATE"), w.set, nil)
}

// cascade follows the actions for rows of a table that are deleted, or of which
// columns, nil: any, are updated.
func (b *builder) cascade(r *Rules, deletes, updates bool, set []int, seen []*Rules) error {
	if r == nil || slices.Contains(seen, r) {
		return nil
	}
	seen = append(slices.Clip(seen), r)
	for _, fk := range r.Children {
		removes := deletes && fk.OnDelete == schema.Cascade
		changes := deletes && !removes && !fk.OnDelete.Refuses()
		if updates && !fk.OnUpdate.Refuses() {
			changes = changes || set == nil || slices.ContainsFunc(fk.To, func(c int) bool { return slices.Contains(set, c) })
		}
		var needs rights.Set
		if removes {
			needs |= rights.Delete
		}
		if changes {
			needs |= rights.Update
		}
		if needs == 0 {
			continue
		}
		if err := b.need(fk.Child, needs); err != nil {
			return err
		}
		if err := b.cascade(fk.OfChild, removes, changes, fk.Own, seen); err != nil {
			return err
		}
	}
	return nil
}
