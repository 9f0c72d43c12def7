package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
)

// describe returns an operator's line and its expressions.
func describe(n Node) (string, []expr.Expr) {
	switch n := n.(type) {
	case *Scan:
		exprs := []expr.Expr{n.Filter}
		for _, r := range n.Ranges {
			exprs = append(append(exprs, r.Low...), r.High...)
		}
		return scanText(n), exprs
	case *Values:
		var all []expr.Expr
		for _, row := range n.Rows {
			all = append(all, row...)
		}
		return fmt.Sprintf("Values %d rows of %d columns", len(n.Rows), len(n.T)), all
	case *Filter:
		return "Filter " + n.Cond.String(), []expr.Expr{n.Cond}
	case *Project:
		return "Project " + list(n.Exprs), n.Exprs
	case *HashJoin:
		text, exprs := keyJoinText("HashJoin", n.Kind, n.LeftKeys, n.RightKeys, n.On)
		if n.LeftFirst {
			text += ", left rows first"
		}
		return text, exprs
	case *MergeJoin:
		return keyJoinText("MergeJoin", n.Kind, exprsOf(n.LeftKeys), exprsOf(n.RightKeys), n.On)
	case *IndexJoin:
		text := fmt.Sprintf("IndexJoin %s by %s", n.Kind, list(n.Keys))
		return text + optional(", and ", n.On), append([]expr.Expr{n.On}, n.Keys...)
	case *LoopJoin:
		return fmt.Sprintf("LoopJoin %s", n.Kind) + optional(" on ", n.On), []expr.Expr{n.On}
	case *Lateral:
		text := fmt.Sprintf("Lateral %s of %s", n.Kind, list(n.Args)) + optional(" on ", n.On)
		return text, append([]expr.Expr{n.On}, n.Args...)
	case *Aggregate:
		return aggregateText(n), aggregateExprs(n)
	case *Rollup:
		return "Rollup " + list(exprsOf(n.Keys)), nil
	case *Window:
		funcs := exprsOf(n.Funcs)
		return "Window " + list(funcs), funcs
	case *Sort:
		keys := make([]string, len(n.Keys))
		exprs := make([]expr.Expr, len(n.Keys))
		for i, k := range n.Keys {
			keys[i], exprs[i] = k.Expr.String(), k.Expr
			if k.Desc {
				keys[i] += " desc"
			}
		}
		return "Sort (" + strings.Join(keys, ", ") + ")" + optional(", limit ", n.Limit), exprs
	case *Limit:
		text := "Limit" + optional(" ", n.Count) + optional(" offset ", n.Offset)
		if n.Counts {
			text += ", counts all rows"
		}
		return text, nil
	case *Distinct:
		return "Distinct", nil
	case *Arguments:
		return fmt.Sprintf("Arguments, %d columns", len(n.T)), nil
	case *File:
		return fmt.Sprintf("File '%s', %d fields", n.Path, len(n.T)), nil
	case *Lock:
		return n.text(), nil
	case *Union:
		return "Union", nil
	case *Recursive:
		if n.Distinct {
			return "Recursive " + n.Name + ", distinct", nil
		}
		return "Recursive " + n.Name, nil
	case *Work:
		return "Work " + n.Name, nil
	case *JSONTable:
		text := "JSON table of " + n.Doc.String()
		if n.Outer {
			text += ", left"
		}
		return text, []expr.Expr{n.Doc}
	case *Spooled:
		return "Spool", nil
	case *Repeat:
		return "Repeat " + n.Times.String(), []expr.Expr{n.Times}
	case *Insert:
		return insertText(n)
	case *Update:
		text := "Update " + n.Table.QualifiedName()
		if n.Ignore {
			text += ", ignore"
		}
		set, exprs := assignmentsText(n.Table, n.Set)
		text, exprs = checkText(text+", set "+set, exprs, n.Check)
		return returningText(text, exprs, n.Returning)
	case *Restore:
		return returningText("Undelete "+n.Table.QualifiedName(), nil, n.Returning)
	case *Delete:
		return returningText("Delete "+n.Table.QualifiedName(), nil, n.Returning)
	}
	return fmt.Sprintf("%T", n), nil
}

func keyJoinText(name string, kind JoinKind, left, right []expr.Expr, on expr.Expr) (string, []expr.Expr) {
	pairs := make([]string, len(left))
	for i := range pairs {
		pairs[i] = left[i].String() + " = " + right[i].String()
	}
	text := fmt.Sprintf("%s %s on (%s)", name, kind, strings.Join(pairs, ", "))
	return text + optional(", and ", on), slices.Concat([]expr.Expr{on}, left, right)
}

func optional(before string, e expr.Expr) string {
	if e == nil {
		return ""
	}
	return before + e.String()
}

func list(exprs []expr.Expr) string {
	s := make([]string, len(exprs))
	for i, e := range exprs {
		s[i] = e.String()
	}
	return "(" + strings.Join(s, ", ") + ")"
}

func columnNames(t *schema.Table, cols []int) string {
	s := make([]string, len(cols))
	for i, c := range cols {
		s[i] = t.At(c).Name
	}
	return "(" + strings.Join(s, ", ") + ")"
}

func scanText(n *Scan) string {
	var s strings.Builder
	s.WriteString("Scan " + n.Table.QualifiedName())
	if n.Alias != n.Table.Name && n.Alias != "" {
		s.WriteString(" as " + n.Alias)
	}
	if n.Index == nil {
		s.WriteString(" using PRIMARY")
	} else {
		s.WriteString(" using " + n.Index.Name)
		if n.Table.Covers(n.Index, n.Columns) {
			s.WriteString(" (covering)")
		}
	}
	if n.Which != Live {
		s.WriteString(", " + string(n.Which))
	}
	if n.Ranges != nil {
		s.WriteString(", " + rangesText(n.Ranges))
	}
	s.WriteString(", columns " + columnNames(n.Table, n.Columns))
	s.WriteString(optional(", filter ", n.Filter))
	if n.Reverse {
		s.WriteString(", reverse")
	}
	s.WriteString(optional(", limit ", n.Limit))
	if n.Ahead > 0 {
		s.WriteString(", read ahead")
	}
	fmt.Fprintf(&s, ", rows≈%.0f", n.Rows)
	return s.String()
}

// shownRanges is how many ranges EXPLAIN spells out.
const shownRanges = 5

func rangesText(ranges []Range) string {
	s := make([]string, 0, shownRanges)
	for i := range ranges {
		if i == shownRanges {
			s = append(s, "…")
			break
		}
		s = append(s, rangeText(&ranges[i]))
	}
	if len(ranges) == 1 {
		return "range " + s[0]
	}
	return fmt.Sprintf("%d ranges ", len(ranges)) + strings.Join(s, " ")
}

func rangeText(r *Range) string {
	open, shut := "[", "]"
	if r.LowExclusive || len(r.Low) == 0 {
		open = "("
	}
	if r.HighExclusive || len(r.High) == 0 {
		shut = ")"
	}
	return open + edgeText(r.Low, "-∞") + ", " + edgeText(r.High, "∞") + shut
}

func edgeText(bounds []expr.Expr, none string) string {
	switch len(bounds) {
	case 0:
		return none
	case 1:
		return bounds[0].String()
	}
	return list(bounds)
}

func aggregateExprs(n *Aggregate) []expr.Expr {
	exprs := append([]expr.Expr(nil), n.GroupBy...)
	for _, a := range n.Aggs {
		exprs = append(exprs, a)
	}
	return exprs
}

func aggregateText(n *Aggregate) string {
	var parts []string
	if len(n.GroupBy) > 0 {
		parts = append(parts, "group by "+list(n.GroupBy))
	}
	if len(n.Aggs) > 0 {
		aggs := make([]string, len(n.Aggs))
		for i, a := range n.Aggs {
			aggs[i] = a.String()
		}
		parts = append(parts, "compute ("+strings.Join(aggs, ", ")+")")
	}
	if n.Ordered {
		parts = append(parts, "ordered")
	}
	if n.Parallel {
		parts = append(parts, "parallel")
	}
	return "Aggregate " + strings.Join(parts, ", ")
}

func insertText(n *Insert) (string, []expr.Expr) {
	verb := map[InsertMode]string{InsertPlain: "Insert", InsertIgnore: "Insert ignore",
		InsertReplace: "Replace", InsertUpdate: "Insert", InsertUpdateIgnore: "Insert ignore"}[n.Mode]
	text := verb + " " + n.Table.QualifiedName() + " " + columnNames(n.Table, n.Columns)
	var exprs []expr.Expr
	if n.Mode.Updates() {
		var set string
		set, exprs = assignmentsText(n.Table, n.OnDuplicate)
		text += ", on duplicate key update " + set
	}
	text, exprs = checkText(text, exprs, n.Check)
	return returningText(text, exprs, n.Returning)
}

// returningText appends a RETURNING clause, if there is one.
func returningText(text string, exprs, list []expr.Expr) (string, []expr.Expr) {
	if len(list) == 0 {
		return text, exprs
	}
	s := make([]string, len(list))
	for i, e := range list {
		s[i] = e.String()
	}
	return text + ", returning (" + strings.Join(s, ", ") + ")", append(exprs, list...)
}

// checkText appends a WITH CHECK OPTION, if there is one.
func checkText(text string, exprs []expr.Expr, c *ViewCheck) (string, []expr.Expr) {
	if c == nil {
		return text, exprs
	}
	return text + ", check " + c.Cond.String(), append(exprs, c.Cond)
}

func assignmentsText(t *schema.Table, set []Assignment) (string, []expr.Expr) {
	s := make([]string, len(set))
	exprs := make([]expr.Expr, len(set))
	for i, a := range set {
		s[i] = t.Columns[a.Column].Name + " = " + a.Value.String()
		exprs[i] = a.Value
	}
	return "(" + strings.Join(s, ", ") + ")", exprs
}
