package main

import (
	"fmt"
	"strings"
)

// generator makes statements on a database.
type generator struct {
	*choices
	tables  []*table
	aliases int
	ctes    []relation // in scope
	deepest int        // levels of subqueries left
}

// scope is the columns that can be named; outer are those of enclosing queries.
type scope struct {
	columns []column
	outer   []column
}

// all returns the columns that a condition may name, the nearest first.
func (s scope) all() []column { return append(s.columns[:len(s.columns):len(s.columns)], s.outer...) }

// of returns the columns of a kind.
func of(columns []column, k kind) []column {
	var list []column
	for _, c := range columns {
		if c.k == k {
			list = append(list, c)
		}
	}
	return list
}

// value returns an expression of a kind.
func (g *generator) value(k kind, s scope, depth int) string {
	if depth <= 0 || g.chance(55) {
		return g.leaf(k, s)
	}
	if g.deepest > 0 && g.chance(6) {
		return g.scalarSubquery(k, s)
	}
	v := func(k kind) string { return g.value(k, s, depth-1) }
	switch g.below(6) {
	case 4, 5:
		return g.function(k, v)
	case 1:
		return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", g.condition(s, depth-1), v(k), v(k))
	case 2:
		return fmt.Sprintf("%s(%s, %s)", pick(g.choices, "COALESCE", "IFNULL", "NULLIF"), v(k), v(k))
	case 3:
		return fmt.Sprintf("IF(%s, %s, %s)", g.condition(s, depth-1), v(k), v(k))
	}
	switch k {
	case integer:
		switch g.below(7) {
		case 0:
			return fmt.Sprintf("(%s %s %s)", v(k), pick(g.choices, "+", "*"), v(k))
		case 1:
			return fmt.Sprintf("ABS(%s)", v(k))
		case 2:
			return fmt.Sprintf("LENGTH(%s)", v(text))
		case 3:
			return fmt.Sprintf("(%s %s %s)", v(k), pick(g.choices, "DIV", "%"), v(k))
		case 4:
			return fmt.Sprintf("%s(%s)", pick(g.choices, "YEAR", "MONTH", "DAYOFWEEK", "TO_DAYS"), v(date))
		case 5:
			return fmt.Sprintf("(%s)", g.condition(s, depth-1))
		}
		return fmt.Sprintf("SIGN(%s)", v(decimal))
	case decimal:
		switch g.below(3) {
		case 0:
			return fmt.Sprintf("(%s %s %s)", v(k), pick(g.choices, "+", "-", "*"), v(k))
		case 1:
			return fmt.Sprintf("ROUND(%s, 1)", v(k))
		}
		return fmt.Sprintf("(%s / %s)", v(integer), v(integer))
	case double:
		return fmt.Sprintf("(%s %s %s)", v(k), pick(g.choices, "+", "-", "*"), v(k))
	case text:
		switch g.below(4) {
		case 0:
			return fmt.Sprintf("CONCAT(%s, %s)", v(k), v(k))
		case 1:
			return fmt.Sprintf("%s(%s)", pick(g.choices, "UPPER", "LOWER", "TRIM", "REVERSE"), v(k))
		case 2:
			return fmt.Sprintf("SUBSTRING(%s, %d, 2)", v(k), 1+g.below(3))
		}
		return fmt.Sprintf("LPAD(%s, 4, 'x')", v(k))
	case clock:
		return fmt.Sprintf("%s(%s, %s)", pick(g.choices, "ADDTIME", "SUBTIME"), v(k), v(k))
	case date:
		return fmt.Sprintf("(%s + INTERVAL %d %s)", v(k), g.below(40), pick(g.choices, "DAY", "MONTH", "YEAR"))
	}
	return fmt.Sprintf("(%s + INTERVAL %d %s)", v(k), g.below(100), pick(g.choices, "HOUR", "MINUTE", "DAY"))
}

// leaf returns a column or a constant of a kind.
func (g *generator) leaf(k kind, s scope) string {
	columns := of(s.columns, k)
	if len(s.outer) > 0 && g.chance(25) {
		columns = of(s.outer, k)
	}
	if len(columns) > 0 && !g.chance(25) {
		return columns[g.below(len(columns))].sql
	}
	return literal(g.choices, k)
}

// condition returns a condition over the columns of s.
func (g *generator) condition(s scope, depth int) string {
	if depth > 0 {
		switch g.below(8) {
		case 5:
			return fmt.Sprintf("(%s AND %s)", g.condition(s, depth-1), g.condition(s, depth-1))
		case 6:
			return fmt.Sprintf("(%s OR %s)", g.condition(s, depth-1), g.condition(s, depth-1))
		case 7:
			return fmt.Sprintf("NOT (%s)", g.condition(s, depth-1))
		}
	}
	k := kind(g.below(int(kinds)))
	if here := s.all(); len(here) > 0 && g.chance(85) {
		k = here[g.below(len(here))].k
	}
	v := func() string { return g.value(k, s, depth-1) }
	if g.deepest > 0 && g.chance(22) {
		return g.subqueryCondition(k, s, depth)
	}
	switch g.below(7) {
	case 1:
		return fmt.Sprintf("%s IS %sNULL", v(), pick(g.choices, "", "NOT "))
	case 2:
		list := []string{v()}
		for range g.below(4) {
			list = append(list, v())
		}
		return fmt.Sprintf("%s %sIN (%s)", v(), pick(g.choices, "", "NOT "), strings.Join(list, ", "))
	case 3:
		return fmt.Sprintf("%s %sBETWEEN %s AND %s", v(), pick(g.choices, "", "NOT "), v(), v())
	case 4:
		if k == text {
			return fmt.Sprintf("%s %sLIKE %s", v(), pick(g.choices, "", "NOT "), pick(g.choices, "'a%'", "'%b%'", "'_'", "'%'", "'A_%'"))
		}
	case 5:
		return fmt.Sprintf("%s <=> %s", v(), v())
	case 6:
		return fmt.Sprintf("(%s) IS %s", g.comparison(k, s, depth), pick(g.choices, "TRUE", "FALSE", "NOT TRUE", "UNKNOWN"))
	}
	return g.comparison(k, s, depth)
}

func (g *generator) comparison(k kind, s scope, depth int) string {
	op := pick(g.choices, "=", "<", ">", "<=", ">=", "<>", "=")
	switch {
	case k <= double && g.chance(20):
		other := kind(g.below(int(double) + 1))
		return fmt.Sprintf("%s %s %s", g.value(k, s, depth-1), op, g.value(other, s, depth-1))
	case (k == date || k == datetime) && g.chance(20):
		return fmt.Sprintf("%s %s %s", g.value(date, s, depth-1), op, g.value(datetime, s, depth-1))
	case k == text && g.chance(10):
		return fmt.Sprintf("%s %s %s COLLATE %s", g.value(k, s, depth-1), op, g.value(k, s, depth-1),
			pick(g.choices, "utf8mb4_general_ci", "utf8mb4_unicode_ci"))
	}
	return fmt.Sprintf("%s %s %s", g.value(k, s, depth-1), op, g.value(k, s, depth-1))
}

// subqueryCondition returns a condition with a subquery that may name columns
// of s.
func (g *generator) subqueryCondition(k kind, s scope, depth int) string {
	switch g.below(5) {
	case 0:
		return fmt.Sprintf("%s %sIN (%s)", g.value(k, s, depth-1), pick(g.choices, "", "NOT "), g.subquery([]kind{k}, s))
	case 1:
		return fmt.Sprintf("%sEXISTS (%s)", pick(g.choices, "", "NOT "), g.subquery([]kind{integer}, s))
	case 2:
		other := kind(g.below(int(kinds)))
		return fmt.Sprintf("(%s, %s) %sIN (%s)", g.value(k, s, depth-1), g.value(other, s, depth-1),
			pick(g.choices, "", "NOT "), g.subquery([]kind{k, other}, s))
	case 3:
		return fmt.Sprintf("%s %s %s (%s)", g.value(k, s, depth-1), pick(g.choices, "=", "<", ">=", "<>"),
			pick(g.choices, "ANY", "ALL"), g.subquery([]kind{k}, s))
	}
	return fmt.Sprintf("%s %s %s", g.value(k, s, depth-1), pick(g.choices, "=", "<", ">"), g.scalarSubquery(k, s))
}

// scalarSubquery returns a subquery of one row at most.
func (g *generator) scalarSubquery(k kind, s scope) string {
	g.deepest--
	defer func() { g.deepest++ }()
	from, inner := g.from(scope{outer: s.all()}, 1)
	where := ""
	if g.chance(80) {
		where = " WHERE " + g.condition(inner, 1)
	}
	arg := g.value(k, scope{columns: inner.columns}, 1)
	if k == integer && g.chance(40) {
		return fmt.Sprintf("(SELECT COUNT(%s) FROM %s%s)", pick(g.choices, "*", arg, "DISTINCT "+arg), from, where)
	}
	return fmt.Sprintf("(SELECT %s(%s) FROM %s%s)", pick(g.choices, "MAX", "MIN"), arg, from, where)
}

// subquery returns a query of columns of the kinds given.
func (g *generator) subquery(ks []kind, s scope) string {
	g.deepest--
	defer func() { g.deepest++ }()
	from, inner := g.from(scope{outer: s.all()}, 2)
	var exprs []string
	for _, k := range ks {
		exprs = append(exprs, g.value(k, inner, 1))
	}
	q := "SELECT " + strings.Join(exprs, ", ") + " FROM " + from
	if g.chance(75) {
		q += " WHERE " + g.condition(inner, 2)
	}
	return q
}
