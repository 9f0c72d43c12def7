package plan

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/kalamgo/kalam/engine/expr"
)

// Cost is what the planner expects of an operator together with its inputs.
type Cost struct {
	Rows float64 // that it yields
	Cost float64 // in units of a row read by the primary key
}

// Actual is what an operator did.
type Actual struct {
	Rows    int64         // yielded, in all loops
	Loops   int64         // how often it was started
	Time    time.Duration // with that of its inputs
	Memory  int64         // bytes held at most
	Spilled int64         // bytes written to temporary files
	Skipped int64         // segments of a table whose rows the filter would not let pass
	held    int64
}

// Hold notes that so many bytes more, or less, are held.
func (a *Actual) Hold(n int64) {
	a.held += n
	a.Memory = max(a.Memory, a.held)
}

// Join adds what the same operator did at the same time in another goroutine, and empties
// that.
func (a *Actual) Join(of *Actual) {
	a.Rows += of.Rows
	a.Time = max(a.Time, of.Time)
	a.Memory += of.Memory
	a.Spilled += of.Spilled
	a.Skipped += of.Skipped
	*of = Actual{}
}

// shownNode is an operator, or a subquery of one, as EXPLAIN shows it.
type shownNode struct {
	text string
	node Node // nil: a subquery
	in   []*shownNode
}

// show makes the tree of what there is to show: below an operator its inputs,
// then the subqueries of its expressions.
func show(n Node) *shownNode {
	text, exprs := describe(n)
	s := &shownNode{text: text, node: n}
	for _, in := range n.Inputs() {
		s.in = append(s.in, show(in))
	}
	s.subqueries(exprs, map[any]bool{})
	return s
}

// subqueries adds those in exprs that are not shown yet: an operator's bounds
// and filter may share one.
func (s *shownNode) subqueries(exprs []expr.Expr, shown map[any]bool) {
	for _, e := range exprs {
		if e == nil {
			continue
		}
		expr.Walk(e, func(e expr.Expr) bool {
			if q, ok := e.(*expr.Subquery); ok && !shown[q.Plan] {
				shown[q.Plan] = true
				s.in = append(s.in, showSubquery(q))
			}
			return true
		})
	}
}

func showSubquery(q *expr.Subquery) *shownNode {
	kind := [...]string{expr.Scalar: "scalar", expr.Exists: "exists", expr.In: "in", expr.Any: "any", expr.All: "all"}[q.Kind]
	text := "Subquery " + kind
	if len(q.Args) > 0 {
		text += " of " + list(q.Args)
	}
	s := &shownNode{text: text}
	if p, ok := q.Plan.(*Plan); ok {
		s.in = append(s.in, show(p.Root))
	}
	return s
}

// Explain prints a plan, a line for each operator, inputs indented below it.
func Explain(p *Plan) []string {
	return lines(show(p.Root), func(*shownNode) string { return "" })
}

// ExplainTree is Explain with what the planner expects and, where actual is not
// nil, what the operators did.
func ExplainTree(p *Plan, actual map[Node]*Actual) []string {
	return lines(show(p.Root), func(s *shownNode) string {
		if s.node == nil {
			return ""
		}
		var text string
		if c, ok := p.Costs[s.node]; ok {
			text = fmt.Sprintf(" (cost≈%s rows≈%s)", figure(c.Cost), figure(c.Rows))
		}
		if actual == nil {
			return text
		}
		a := actual[s.node]
		switch {
		case a == nil: // looked up in by the operator above
			return text
		case a.Loops == 0:
			return text + " (never run)"
		}
		text += fmt.Sprintf(" (actual rows=%d loops=%d time=%.3f ms", a.Rows, a.Loops, ms(a.Time))
		if a.Memory > 0 {
			text += " memory=" + size(a.Memory)
		}
		if a.Spilled > 0 {
			text += " spilled=" + size(a.Spilled)
		}
		if a.Skipped > 0 {
			text += fmt.Sprintf(" segments skipped=%d", a.Skipped)
		}
		return text + ")"
	})
}

func lines(root *shownNode, after func(*shownNode) string) []string {
	var list []string
	var add func(s *shownNode, depth int)
	add = func(s *shownNode, depth int) {
		list = append(list, strings.Repeat("  ", depth)+s.text+after(s))
		for _, in := range s.in {
			add(in, depth+1)
		}
	}
	add(root, 0)
	return list
}

// figure writes an estimate with a few digits.
func figure(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "?"
	case x < 10:
		return fmt.Sprintf("%.1f", x)
	case x < 1e15:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1e", x)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func size(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// shownJSON is a shownNode in JSON.
type shownJSON struct {
	Operator string       `json:"operator"`
	Text     string       `json:"text"`
	Table    string       `json:"table,omitempty"`
	Index    string       `json:"index,omitempty"`
	Rows     *float64     `json:"estimated_rows,omitempty"`
	Cost     *float64     `json:"estimated_cost,omitempty"`
	Inputs   []*shownJSON `json:"inputs,omitempty"`
}

// ExplainJSON is the tree of ExplainTree in JSON, as it is expected.
func ExplainJSON(p *Plan) (string, error) {
	finite := func(x float64) *float64 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		x = math.Round(x*100) / 100
		return &x
	}
	var build func(s *shownNode) *shownJSON
	build = func(s *shownNode) *shownJSON {
		kind, _, _ := strings.Cut(s.text, " ")
		j := &shownJSON{Operator: kind, Text: s.text}
		if n, ok := s.node.(*Scan); ok {
			j.Table, j.Index = n.Table.QualifiedName(), "PRIMARY"
			if n.Index != nil {
				j.Index = n.Index.Name
			}
		}
		if s.node != nil {
			if c, ok := p.Costs[s.node]; ok {
				j.Rows, j.Cost = finite(c.Rows), finite(c.Cost)
			}
		}
		for _, in := range s.in {
			j.Inputs = append(j.Inputs, build(in))
		}
		return j
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(map[string]any{"query_plan": build(show(p.Root))}); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
