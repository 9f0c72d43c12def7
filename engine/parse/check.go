package parse

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"
)

// columnChecks takes the CHECKs out of the definitions of columns, where the
// grammar reads next to none, and puts them where tables have theirs.
type columnChecks struct {
	before [3]token // the last one first
	depth  int
	// Of the CHECK that is read: where it begins and ends so far.
	state    checkState
	level    int // how many parentheses are open around it
	from, to int
	moved    []string // of the column, or all of an ALTER TABLE
}

type checkState uint8

const (
	noCheck    checkState = iota
	checkOpens            // CHECK was read
	checkBody             // inside of its parentheses
	checkEnds             // after them
	checkNot              // after NOT, which ENFORCED or NULL may follow
)

// moveChecks takes note of token t.
func (p *piece) moveChecks(sql string, t token) {
	if p.verb != sqlparser.CREATE && p.verb != sqlparser.ALTER {
		return
	}
	c := &p.checks
	switch c.state {
	case checkOpens:
		c.state = noCheck
		if t.typ == '(' {
			c.state = checkBody
		}
	case checkBody:
		if t.typ == ')' && c.depth == c.level+1 {
			c.state, c.to = checkEnds, t.to
		}
	case checkEnds, checkNot:
		switch {
		case t.is(sql, "enforced"):
			c.to = t.to
			p.takeCheck(sql)
		case t.typ == sqlparser.NOT && c.state == checkEnds:
			c.state = checkNot
		default:
			p.takeCheck(sql)
		}
	}
	if t.typ == sqlparser.CHECK && (c.depth == 1 || c.depth == 0 && p.verb == sqlparser.ALTER) {
		p.beginCheck(t)
	}
	switch t.typ {
	case '(':
		c.depth++
	case ')', ',':
		if p.verb == sqlparser.CREATE && c.depth == 1 {
			p.putChecks(t.from, ", ")
		}
		if t.typ == ')' {
			c.depth--
		}
	}
	c.before = [3]token{t, c.before[0], c.before[1]}
}

// beginCheck looks at CHECK, token t, when it is a column's.
func (p *piece) beginCheck(t token) {
	c := &p.checks
	start, at := t, 0
	for n, b := range c.before[:2] {
		if b.typ == sqlparser.CONSTRAINT {
			start, at = b, n+1
		}
	}
	switch c.before[at].typ {
	case '(', ',', sqlparser.ADD, sqlparser.DROP, sqlparser.ALTER:
		return // the table's
	}
	c.state, c.level, c.from = checkOpens, c.depth, start.from
}

// takeCheck ends the CHECK that is read.
func (p *piece) takeCheck(sql string) {
	c := &p.checks
	c.state = noCheck
	first := slices.IndexFunc(p.edits, func(e edit) bool { return e.from >= c.from })
	if first < 0 {
		first = len(p.edits)
	}
	last := first
	for last < len(p.edits) && p.edits[last].to <= c.to {
		last++
	}
	inner := piece{start: c.from, end: c.to, edits: p.edits[first:last]}
	if first == last {
		inner.edits = nil
	}
	c.moved = append(c.moved, inner.edited(sql))
	p.edits = slices.Replace(p.edits, first, last, edit{from: c.from, to: c.to})
}

// putChecks puts what was taken at a place, each after a word.
func (p *piece) putChecks(at int, word string) {
	text := ""
	for _, m := range p.checks.moved {
		text += word + m
	}
	if p.checks.moved = nil; text != "" {
		p.edits = append(p.edits, edit{at, at, text})
	}
}

// endChecks is called at the end of the text.
func (p *piece) endChecks(sql string) {
	if p.checks.state >= checkEnds {
		p.takeCheck(sql)
	}
	if p.verb == sqlparser.ALTER {
		p.putChecks(p.checks.before[0].to, ", add ")
	}
}
