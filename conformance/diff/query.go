package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// relation is what FROM can name.
type relation struct {
	name    string
	columns []column
}

// query is a random query.
type query struct {
	sql string
	// ordered tells that the order of its rows is given.
	ordered bool
	// head is what stands before the condition where, of a query without
	// aggregates, windows, DISTINCT and LIMIT; "" if it has some.
	head, where string
	// json tells that texts are compared as JSON.
	json bool
}

// same reports whether two answers to the query agree.
func (q query) same(a, b answer) bool {
	return same(a, b, q.ordered) || q.json && sameDocuments(a, b) || picksOne.MatchString(q.sql) && same(a.folded(), b.folded(), q.ordered)
}

// picksOne are clauses that leave one of texts which their collation takes for equal: any.
var picksOne = regexp.MustCompile(`GROUP BY|DISTINCT|UNION|INTERSECT|EXCEPT|MIN\(|MAX\(|LIMIT|OVER \(|GROUP_CONCAT`)

// query returns a random SELECT.
func (g *generator) query() query {
	g.ctes, g.aliases, g.deepest = nil, 0, 2
	with := ""
	if g.chance(15) {
		with = g.with()
	}
	switch {
	case g.chance(12):
		return g.setOperation(with)
	case g.chance(8):
		return g.expressions()
	case g.chance(5):
		return g.document()
	}
	q, _ := g.selection(scope{}, true)
	q.sql, q.head = with+q.sql, with+q.head
	return q
}

// with returns a WITH clause and brings its tables into scope.
func (g *generator) with() string {
	var list []string
	for range 1 + g.below(2) {
		name := fmt.Sprintf("w%d", len(g.ctes))
		if g.chance(25) {
			list = append(list, fmt.Sprintf("%s AS (SELECT 1 AS a0, IF(TRUE, 'x', 'xxxxxxxxxxxx') AS a1 UNION ALL SELECT a0 + %d, CONCAT(a1, 'y') FROM %s WHERE a0 < %d)",
				name, 1+g.below(3), name, g.below(9)))
			g.ctes = append(g.ctes, relation{name, []column{{"a0", integer}, {"a1", text}}})
			continue
		}
		if g.chance(15) {
			// What can be reached from some rows.
			t := g.tables[g.below(len(g.tables))]
			c, to := t.columns[g.below(len(t.columns))], pick(g.choices, of(t.columns, integer)...)
			list = append(list, fmt.Sprintf("%s AS (SELECT id AS a0, %s AS a1, %s AS a2 FROM %s WHERE %s UNION SELECT y.id, y.%s, y.%s FROM %s AS y JOIN %s ON y.%s = %s.a1)",
				name, to.sql, c.sql, t.name, g.condition(scope{columns: t.qualified()}, 1), to.sql, c.sql, t.name, name,
				pick(g.choices, "id", to.sql), name))
			g.ctes = append(g.ctes, relation{name, []column{{"a0", integer}, {"a1", integer}, {"a2", c.k}}})
			continue
		}
		q, columns := g.selection(scope{}, false)
		list = append(list, name+" AS ("+q.sql+")")
		g.ctes = append(g.ctes, relation{name, columns})
	}
	return "WITH RECURSIVE " + strings.Join(list, ", ") + " "
}

// setOperation returns queries joined by UNION, INTERSECT and EXCEPT.
func (g *generator) setOperation(with string) query {
	ks := []kind{kind(g.below(int(kinds)))}
	for range g.below(2) {
		ks = append(ks, kind(g.below(int(kinds))))
	}
	operator := func() string {
		return " " + pick(g.choices, "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL") + " "
	}
	sql := g.subquery(ks, scope{})
	for range 1 + g.below(3) {
		operand := g.subquery(ks, scope{})
		if g.chance(20) {
			operand = "(" + operand + operator() + g.subquery(ks, scope{}) + ")"
		}
		sql += operator() + operand
	}
	if g.chance(40) {
		return query{sql: fmt.Sprintf("%s%s ORDER BY %s LIMIT %d", with, sql, ordinals(len(ks)), 1+g.below(20)), ordered: true}
	}
	return query{sql: with + sql}
}

// ordinals returns 1, 2, … n.
func ordinals(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i + 1)
	}
	return strings.Join(list, ", ")
}

// from returns a FROM clause of up to so many tables and their columns in scope.
func (g *generator) from(s scope, most int) (string, scope) {
	sql := ""
	n := 1 + g.below(most)
	for i := range n {
		if i > 0 && g.deepest > 0 && g.chance(5) {
			lateral, columns := g.lateral(s)
			sql += lateral
			s.columns = append(s.columns, columns...)
			continue
		}
		r, columns := g.relation()
		switch {
		case i == 0:
			sql = r
		case g.chance(8):
			sql += " CROSS JOIN " + r
		case i == n-1 && g.chance(10):
			sql += ", " + r // binds less tightly than JOIN, and so is the last
		case n == 2 && g.chance(10) && strings.HasPrefix(r, "t") && strings.HasPrefix(sql, "t"):
			sql += pick(g.choices, " JOIN ", " LEFT JOIN ", " RIGHT JOIN ") + r + " USING (id)"
		default:
			sql += pick(g.choices, " JOIN ", " LEFT JOIN ", " RIGHT JOIN ") + r + " ON " + g.joinCondition(s.columns, columns)
		}
		s.columns = append(s.columns, columns...)
	}
	return sql, s
}

// lateral returns the join of a derived table that reads columns of s, and its columns.
func (g *generator) lateral(s scope) (string, []column) {
	g.deepest--
	defer func() { g.deepest++ }()
	g.aliases++
	alias := fmt.Sprintf("x%d", g.aliases)
	q, columns := g.selection(scope{outer: s.columns}, false)
	for i, c := range columns {
		columns[i].sql = alias + "." + c.sql
	}
	return fmt.Sprintf("%s JOIN LATERAL (%s) AS %s ON %s", pick(g.choices, "", " LEFT"), q.sql, alias,
		pick(g.choices, "TRUE", g.joinCondition(s.columns, columns))), columns
}

// joinCondition mostly compares columns of both sides.
func (g *generator) joinCondition(left, right []column) string {
	both := scope{columns: append(slices.Clone(left), right...)}
	var on []string
	for range 1 + g.below(2) {
		r := right[g.below(len(right))]
		if l := of(left, r.k); len(l) > 0 {
			on = append(on, fmt.Sprintf("%s %s %s", l[g.below(len(l))].sql, pick(g.choices, "=", "=", "<"), r.sql))
		}
	}
	if len(on) == 1 && g.chance(15) {
		on[0] = strings.Replace(on[0], " = ", " <=> ", 1)
	}
	if on == nil || g.chance(20) {
		on = append(on, g.condition(both, 1))
	}
	return strings.Join(on, " AND ")
}

// relation returns a table, a common table expression or a derived table with an
// alias, and its columns.
func (g *generator) relation() (string, []column) {
	g.aliases++
	alias := fmt.Sprintf("x%d", g.aliases)
	named := func(columns []column) []column {
		list := make([]column, len(columns))
		for i, c := range columns {
			list[i] = column{alias + "." + c.sql, c.k}
		}
		return list
	}
	switch {
	case len(g.ctes) > 0 && g.chance(50):
		r := g.ctes[g.below(len(g.ctes))]
		return r.name + " AS " + alias, named(r.columns)
	case g.deepest > 0 && g.chance(15):
		g.deepest--
		q, columns := g.selection(scope{}, false)
		g.deepest++
		return "(" + q.sql + ") AS " + alias, named(columns)
	}
	t := g.tables[g.below(len(g.tables))]
	return t.name + " AS " + alias, named(t.columns)
}

// selection returns a SELECT and its columns, a0, a1 and so on. top tells that
// nothing is around it.
func (g *generator) selection(s scope, top bool) (query, []column) {
	from, s := g.from(s, 3)
	where := ""
	if g.chance(70) {
		where = g.condition(s, 3)
	}
	switch g.below(4) {
	case 2:
		return g.grouped(from, where, s)
	case 3:
		return g.windowed(from, where, s)
	}
	var items []string
	var columns []column
	for i := range 1 + g.below(4) {
		k := g.kindIn(s)
		items = append(items, fmt.Sprintf("%s AS a%d", g.value(k, s, 2), i))
		columns = append(columns, column{fmt.Sprintf("a%d", i), k})
	}
	q := query{where: where}
	q.head = "SELECT " + strings.Join(items, ", ") + " FROM " + from
	q.sql = q.head + clause(" WHERE ", where)
	distinct := g.chance(15)
	if distinct {
		q.sql = "SELECT DISTINCT" + strings.TrimPrefix(q.sql, "SELECT")
		q.head = ""
	}
	if g.chance(30) {
		q.sql += " ORDER BY " + g.order(len(items))
		q.ordered, q.head = true, ""
		if g.chance(60) {
			q.sql += fmt.Sprintf(" LIMIT %d", g.below(12))
			// MariaDB skips rows before it leaves out the repeated ones of constants.
			if g.chance(40) && !distinct {
				q.sql += fmt.Sprintf(" OFFSET %d", g.below(6))
			}
		}
	}
	if !top {
		q.ordered = false
	}
	return q, columns
}

func clause(word, what string) string {
	if what == "" {
		return ""
	}
	return word + what
}

// order returns an ORDER BY list of all n columns.
func (g *generator) order(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i+1) + pick(g.choices, "", " DESC")
	}
	return strings.Join(list, ", ")
}

func (g *generator) kindIn(s scope) kind {
	if len(s.columns) > 0 && g.chance(80) {
		return s.columns[g.below(len(s.columns))].k
	}
	return kind(g.below(int(kinds)))
}

// selectList is what a SELECT gives, each under a name.
type selectList struct {
	items   []string
	columns []column
}

func (l *selectList) add(sql string, k kind) {
	name := fmt.Sprintf("a%d", len(l.items))
	l.items = append(l.items, sql+" AS "+name)
	l.columns = append(l.columns, column{name, k})
}

// grouped returns a SELECT with GROUP BY.
func (g *generator) grouped(from, where string, s scope) (query, []column) {
	var list selectList
	var keys []string
	for range g.below(3) {
		key := s.columns[g.below(len(s.columns))]
		if slices.Contains(keys, key.sql) {
			continue
		}
		keys = append(keys, key.sql)
		list.add(key.sql, key.k)
	}
	aggregates := g.below(4)
	if keys == nil {
		aggregates = max(aggregates, 1)
	}
	for range aggregates {
		list.add(g.aggregate(s))
	}
	q := query{sql: "SELECT " + strings.Join(list.items, ", ") + " FROM " + from + clause(" WHERE ", where)}
	if keys != nil {
		q.sql += " GROUP BY " + strings.Join(keys, ", ")
		q.sql += pick(g.choices, "", "", "", " WITH ROLLUP")
	}
	if g.chance(25) {
		sql, k := g.aggregate(s)
		q.sql += fmt.Sprintf(" HAVING %s %s %s", sql, pick(g.choices, ">", "<", "<=", "="), literal(g.choices, k))
	}
	return q, list.columns
}

// aggregate returns an aggregate function's call, and what it gives. Sums of
// doubles depend on the order of the rows and are left out.
func (g *generator) aggregate(s scope) (string, kind) {
	k := g.kindIn(s)
	arg := g.value(k, scope{columns: s.columns}, 1)
	distinct := pick(g.choices, "", "", "DISTINCT ")
	switch g.below(6) {
	case 1:
		return pick(g.choices, "MIN", "MAX") + "(" + arg + ")", k
	case 2:
		if k == integer || k == decimal {
			return "SUM(" + distinct + arg + ")", decimal
		}
	case 3:
		if k == integer || k == decimal {
			return "AVG(" + distinct + arg + ")", decimal
		}
	case 4:
		if k == text {
			// What is shown makes the order complete, as far as it can be seen.
			order := arg + pick(g.choices, "", " DESC")
			if distinct == "" && g.chance(50) {
				order = s.columns[g.below(len(s.columns))].sql + pick(g.choices, "", " DESC") + ", " + order
			}
			return "GROUP_CONCAT(" + distinct + arg + " ORDER BY " + order + " SEPARATOR '|')", text
		}
		if distinct != "" && g.chance(30) {
			arg += ", " + s.columns[g.below(len(s.columns))].sql
		}
		return "COUNT(" + distinct + arg + ")", integer
	case 5:
		if k == integer {
			return pick(g.choices, "BIT_AND", "BIT_OR", "BIT_XOR") + "(" + arg + ")", integer
		}
	}
	return "COUNT(*)", integer
}
