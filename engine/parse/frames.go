package parse

import (
	"vitess.io/vitess/go/vt/sqlparser"
)

// FrameGroups is the unit of window frames that count groups of equal rows, which the
// grammar lacks.
const FrameGroups sqlparser.FrameUnitType = 16

// frames finds the window frames of a piece, to tell those of unit GROUPS, which the
// grammar reads as RANGE.
type frames struct {
	groups []bool // of each frame: is it one of GROUPS?
	any    bool
	at     int // of the first GROUPS in the whole text
}

// beginsFrame are the tokens that may come after a frame's unit.
var beginsFrame = map[int]bool{
	sqlparser.BETWEEN: true, sqlparser.UNBOUNDED: true, sqlparser.CURRENT: true, sqlparser.INTERVAL: true,
	sqlparser.INTEGRAL: true, sqlparser.DECIMAL: true, sqlparser.FLOAT: true, sqlparser.VALUE_ARG: true, sqlparser.AT_ID: true,
}

// endsName are tokens after which the word groups is a name.
var endsName = map[int]bool{
	'.': true, ',': true, '(': true, sqlparser.BY: true, sqlparser.AS: true, sqlparser.SELECT: true, sqlparser.WHERE: true,
	sqlparser.AND: true, sqlparser.OR: true, sqlparser.NOT: true, sqlparser.ON: true, sqlparser.HAVING: true,
}

// add takes note of token t; recent are those before it, the last one first.
func (f *frames) add(p *piece, sql string, t token, recent [2]token) {
	unit, before := recent[0], recent[1].typ
	if p.open == 0 || !beginsFrame[t.typ] {
		return
	}
	switch {
	case unit.typ == sqlparser.ROWS || unit.typ == sqlparser.RANGE:
		f.groups = append(f.groups, false)
	case unit.is(sql, "groups") && !endsName[before]:
		if !f.any {
			f.at = unit.from
		}
		f.groups, f.any = append(f.groups, true), true
		p.replace(unit, unit, "range")
	}
}

// assign gives the frames of ast their unit. It returns false if they are not those that
// were found.
func (f *frames) assign(ast sqlparser.Statement) bool {
	if !f.any {
		return true
	}
	next := 0
	buf := sqlparser.NewTrackedBuffer(func(buf *sqlparser.TrackedBuffer, n sqlparser.SQLNode) {
		if c, ok := n.(*sqlparser.FrameClause); ok { // nodes are written in the order of the text
			if next < len(f.groups) && f.groups[next] {
				defer func() { c.Unit = FrameGroups }()
			}
			next++
		}
		n.Format(buf)
	})
	buf.Myprintf("%v", ast)
	return next == len(f.groups)
}
