package parse

import (
	"cmp"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"
)

// The grammar has one set operator, UNION, and forgets the parentheses around a
// query. So the others are spelled with a marker, which no statement can have of
// its own: A EXCEPT B as A UNION VALUES ::except UNION B. INTERSECT, which binds
// tighter, gets parentheses around its operands. A query in parentheses that has
// an ORDER BY or LIMIT within and outside of them, or that follows WITH, is spelled as a
// UNION with a marker alone.

// SetOp is the operator of a sqlparser.Union.
type SetOp string

// The set operators.
const (
	Union     SetOp = "union"
	Intersect SetOp = "intersect"
	Except    SetOp = "except"
	// Whole is no operator: the Union is its left side, in parentheses.
	Whole SetOp = "whole"
)

func (op SetOp) marker() string { return "values ::" + string(op) }

// SetOperation returns the operator of u and its left operand; the right one is
// u.Right, and it is DISTINCT as u.Distinct says.
func SetOperation(u *sqlparser.Union) (SetOp, sqlparser.TableStatement) {
	if op := marked(u); op == Whole {
		return op, u.Left
	}
	if left, ok := u.Left.(*sqlparser.Union); ok {
		if op := marked(left); op == Intersect || op == Except {
			return op, left.Left
		}
	}
	return Union, u.Left
}

// IsSetOp reports whether a token as it is written is a set operator that the
// grammar does not know.
func IsSetOp(word string) bool {
	return strings.EqualFold(word, string(Intersect)) || strings.EqualFold(word, string(Except))
}

// marked returns the operator that u's right side is the marker of, or "".
func marked(u *sqlparser.Union) SetOp {
	if v, ok := u.Right.(*sqlparser.ValuesStatement); ok {
		return SetOp(v.ListArg)
	}
	return ""
}

// setOps follows the set operations of a statement, a body for each parenthesis
// that is open.
type setOps struct {
	bodies []body
	closed bool // the last token closed a query in parentheses that has an ORDER BY or LIMIT
	ended  bool // the last token closed a query in parentheses that follows WITH
}

// body is what stands between two parentheses.
type body struct {
	inner   bool // it may be a query in parentheses
	within  bool // it follows the tables of a WITH
	start   bool // a query in parentheses may begin here
	with    bool // there is a WITH
	ordered bool // there is an ORDER BY or LIMIT
	operand int  // where the operand after UNION or EXCEPT begins, or 0
	opened  bool // a parenthesis was put there
}

// add takes note of token t; recent are those before it.
func (s *setOps) add(p *piece, sql string, t token, recent [2]token) {
	if len(s.bodies) == 0 {
		s.bodies = append(s.bodies, body{start: true})
	}
	b, last, closed := &s.bodies[len(s.bodies)-1], recent[0], s.closed
	if s.ended && t.typ != sqlparser.UNION && t.typ != sqlparser.ORDER && t.typ != sqlparser.LIMIT && !t.is(sql, string(Except)) && !t.is(sql, string(Intersect)) {
		s.whole(p, last.to)
	}
	start := b.start
	s.closed, s.ended, b.start = false, false, false
	switch t.typ {
	case '(':
		within := b.with && last.typ == ')'
		s.bodies = append(s.bodies, body{inner: start || within, within: within, start: last.typ != sqlparser.GROUP_CONCAT})
	case ')':
		if len(s.bodies) == 1 {
			return
		}
		b.end(p, t.from)
		s.closed, s.ended = b.inner && (b.ordered || closed), b.within
		s.bodies = s.bodies[:len(s.bodies)-1]
	case sqlparser.WITH:
		b.with = true
	case sqlparser.ORDER, sqlparser.LIMIT:
		if last.typ == sqlparser.FOR { // USE INDEX FOR ORDER BY
			return
		}
		if closed {
			p.edits = append(p.edits, edit{t.from, t.from, "union " + Whole.marker() + " "})
		}
		b.end(p, t.from)
		b.ordered = true
	case sqlparser.INTO, sqlparser.FOR, sqlparser.LOCK:
		if last.typ != sqlparser.INDEX && last.typ != sqlparser.KEY {
			b.end(p, t.from)
		}
	case sqlparser.DUPLICATE, sqlparser.CHECK, sqlparser.CASCADED, sqlparser.LOCAL:
		b.end(p, last.from)
	case sqlparser.ALL, sqlparser.DISTINCT:
		if start && b.operand == last.to {
			b.operand = t.to
		}
		b.start = start
	case sqlparser.UNION:
		b.end(p, t.from)
		b.operand, b.start = t.to, true
	case sqlparser.ID:
		if last.typ == '.' {
			return
		}
		switch {
		case t.is(sql, string(Except)):
			b.end(p, t.from)
			b.operand = t.to
			p.replace(t, t, "union "+Except.marker()+" union")
		case t.is(sql, string(Intersect)):
			if b.operand > 0 && !b.opened {
				p.edits = append(p.edits, edit{b.operand, b.operand, "("})
				b.opened = true
			}
			p.replace(t, t, "union "+Intersect.marker()+" union")
		default:
			return
		}
		b.start = true
	}
}

// whole spells the query in parentheses that ends at a place in another way: the grammar
// loses what follows WITH and is nothing else.
func (s *setOps) whole(p *piece, at int) {
	p.edits = append(p.edits, edit{at, at, " union " + Whole.marker()})
}

// finish ends what is open at the statement's end.
func (s *setOps) finish(p *piece, end int) {
	if s.ended {
		s.whole(p, end)
	}
	for i := range s.bodies {
		s.bodies[i].end(p, end)
	}
	sortEdits(p.edits)
}

func (b *body) end(p *piece, at int) {
	if b.opened {
		p.edits = append(p.edits, edit{at, at, ")"})
		b.opened = false
	}
}

// sortEdits puts edits in the order of the text, what is put between tokens
// before what takes the place of the next one.
func sortEdits(edits []edit) {
	slices.SortStableFunc(edits, func(a, b edit) int {
		if c := cmp.Compare(a.from, b.from); c != 0 {
			return c
		}
		return cmp.Compare(a.to, b.to)
	})
}
