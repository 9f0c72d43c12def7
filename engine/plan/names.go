package plan

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
)

// leftmost returns the SELECT that names a query's columns, or nil.
func leftmost(s sqlparser.Statement) *sqlparser.Select {
	for {
		switch q := s.(type) {
		case *sqlparser.Select:
			return q
		case *sqlparser.Union:
			s = q.Left
		default:
			return nil
		}
	}
}

// itemTexts returns the texts of the items of the first select list in sql, those
// in a WITH clause left out, as they are written there.
func itemTexts(sql string) []string {
	t := parse.Tokenizer(sql)
	typ := scanToken(t)
	for {
		switch typ {
		case 0, sqlparser.LEX_ERROR:
			return nil
		case sqlparser.SELECT:
			return splitItems(t, sql)
		case sqlparser.WITH:
			typ = skipWith(t)
		default:
			typ = scanToken(t)
		}
	}
}

// skipWith reads the queries of a WITH clause from behind WITH, and returns the token
// after them.
func skipWith(t *sqlparser.Tokenizer) int {
	typ := scanToken(t)
	if typ == '(' { // of a table's options
		return typ
	}
	for {
		for typ != sqlparser.AS {
			if typ == 0 || typ == sqlparser.LEX_ERROR {
				return typ
			}
			typ = scanToken(t)
		}
		for depth := 0; ; {
			switch typ = scanToken(t); typ {
			case 0, sqlparser.LEX_ERROR:
				return typ
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				break
			}
		}
		if typ = scanToken(t); typ != ',' {
			return typ
		}
	}
}

// scanToken returns the next token that is no comment.
func scanToken(t *sqlparser.Tokenizer) int {
	for {
		if typ, _ := t.Scan(); typ != sqlparser.COMMENT {
			return typ
		}
	}
}

// listTexts returns the texts of the items of a select list.
func listTexts(list string) []string {
	return splitItems(parse.Tokenizer(list), list)
}

// splitItems reads a select list from behind SELECT to its end.
func splitItems(t *sqlparser.Tokenizer, sql string) []string {
	var items []string
	start, end := t.Pos, t.Pos // of the item so far
	depth := 0
	for {
		from := min(t.Pos, len(sql))
		typ, _ := t.Scan()
		at := min(t.Pos, len(sql))
		switch typ {
		case sqlparser.LEX_ERROR:
			return nil
		case sqlparser.COMMENT:
			if strings.TrimSpace(sql[start:end]) == "" {
				start, end = at, at
			}
			continue
		case sqlparser.DISTINCT, sqlparser.DISTINCTROW, sqlparser.ALL, sqlparser.SQL_CACHE, sqlparser.SQL_NO_CACHE,
			sqlparser.STRAIGHT_JOIN, sqlparser.HIGH_PRIORITY, sqlparser.SQL_BIG_RESULT, sqlparser.SQL_SMALL_RESULT,
			sqlparser.SQL_BUFFER_RESULT, sqlparser.SQL_CALC_FOUND_ROWS:
			if depth == 0 && strings.TrimSpace(sql[start:end]) == "" {
				start, end = at, at
				continue
			}
		case sqlparser.ID:
			if parse.IsSetOp(strings.TrimSpace(sql[from:at])) {
				typ = sqlparser.UNION
			}
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth < 0 || depth == 0 && endsItem(typ) {
			items = append(items, strings.TrimSpace(sql[start:end]))
			if typ != ',' {
				return items
			}
			start, end = at, at
			continue
		}
		end = at
	}
}

// endsItem reports whether a token outside of parentheses ends a select item.
func endsItem(typ int) bool {
	switch typ {
	case 0, ',', ';', sqlparser.FROM, sqlparser.INTO, sqlparser.WHERE, sqlparser.GROUP, sqlparser.HAVING,
		sqlparser.ORDER, sqlparser.LIMIT, sqlparser.UNION, sqlparser.FOR, sqlparser.LOCK, sqlparser.WINDOW:
		return true
	}
	return false
}
