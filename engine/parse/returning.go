package parse

import (
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"
)

// Returning is the clause RETURNING of INSERT, REPLACE, UPDATE and DELETE, which
// MySQL's grammar lacks: a select list over the rows that were written.
type Returning struct {
	List *sqlparser.SelectExprs
	SQL  string // the text of the list
}

// returning finds the clause in a piece. The statement before it and its list
// are parsed one after the other.
type returning struct {
	writes     bool // the statement is one that may have the clause
	at, end    int  // of the word RETURNING in the whole text; 0: there is none
	stray      int  // of a token that ends a select list in a query; 0: there is none
	parameters int  // positional ones before it
}

// find looks at token t of p, which comes after last.
func (r *returning) find(p *piece, t, last token) {
	if p.open > 0 {
		return
	}
	switch t.typ {
	case sqlparser.INSERT, sqlparser.REPLACE, sqlparser.UPDATE, sqlparser.DELETE:
		// UPDATE also stands in FOR UPDATE and ON DUPLICATE KEY UPDATE.
		r.writes = r.writes || p.tokens == 1 || last.typ == ')' || last.typ == sqlparser.EXPLAIN || last.typ == sqlparser.DESCRIBE ||
			last.typ == sqlparser.DESC || last.typ == sqlparser.ANALYZE
	case sqlparser.RETURNING:
		if r.writes && r.at == 0 && p.tokens > 3 && !wantsName[last.typ] {
			r.at, r.end, r.parameters = t.from, t.to, p.positional
			p.replace(t, t, "select")
		}
	case sqlparser.FROM, sqlparser.WHERE, sqlparser.GROUP, sqlparser.HAVING, sqlparser.ORDER, sqlparser.LIMIT, sqlparser.UNION,
		sqlparser.INTO, sqlparser.FOR, sqlparser.LOCK, sqlparser.WINDOW, sqlparser.DISTINCT:
		if r.at > 0 && r.stray == 0 {
			r.stray = t.from
		}
	}
}

// wantsName are tokens that a column named returning may come after.
var wantsName = map[int]bool{
	'.': true, ',': true, '=': true, '+': true, '-': true, '*': true, '/': true, '<': true, '>': true,
	sqlparser.SET: true, sqlparser.SELECT: true, sqlparser.WHERE: true, sqlparser.BY: true, sqlparser.AS: true,
	sqlparser.AND: true, sqlparser.OR: true, sqlparser.NOT: true, sqlparser.INTO: true,
	sqlparser.FROM: true, sqlparser.TABLE: true, sqlparser.ON: true,
}

// cut shortens the edited text of p to the statement without the clause, and
// returns where the clause begins in it, 0 if there is none.
func (r *returning) cut(p *piece, text *string) int {
	if r.at == 0 {
		return 0
	}
	grown := 0
	for _, e := range p.edits {
		if e.from < r.at {
			grown += len(e.text) - (e.to - e.from)
		}
	}
	at := r.at - p.start + grown
	*text = (*text)[:at]
	return at
}

// parse parses the clause, which begins at a place of p's edited text.
func (r *returning) parse(sql string, p *piece, at int) (*Returning, error) {
	if r.stray > 0 {
		return nil, syntaxError(sql, r.stray)
	}
	ast, err := p.parse(sql, p.edited(sql)[at:], at)
	if err != nil {
		return nil, err
	}
	s, ok := ast.(*sqlparser.Select)
	if !ok {
		return nil, syntaxError(sql, r.at)
	}
	if r.parameters > 0 {
		_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
			if a, ok := n.(*sqlparser.Argument); ok && p.names == nil {
				if i, err := strconv.Atoi(strings.TrimPrefix(a.Name, "v")); err == nil {
					a.Name = "v" + strconv.Itoa(i+r.parameters)
				}
			}
			return true, nil
		}, s)
	}
	return &Returning{List: s.SelectExprs, SQL: sql[r.end:p.end]}, nil
}
