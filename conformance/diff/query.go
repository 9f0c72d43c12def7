package main

import (
	"fmt"
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
}

// query returns a random SELECT.
func (g *generator) query() query {
	g.ctes, g.aliases, g.deepest = nil, 0, 2
	with := ""
	if g.chance(15) {
		with = g.with()
	}
	if g.chance(12) {
		return g.setOperation(with)
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
			list = append(list, fmt.Sprintf("%s AS (SELECT 1 AS a0, CAST('x' AS CHAR(10)) AS a1 UNION ALL SELECT a0 + %d, CONCAT(a1, 'y') FROM %s WHERE a0 < %d)",
				name, 1+g.below(3), name, g.below(9)))
			g.ctes = append(g.ctes, relation{name, []column{{"a0", integer}, {"a1", text}}})
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
	sql := g.subquery(ks, scope{})
	for range 1 + g.below(3) {
		sql += " " + pick(g.choices, "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL") + " " + g.subquery(ks, scope{})
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
		r, columns := g.relation()
		switch {
		case i == 0:
			sql = r
		case g.chance(8):
			sql += " CROSS JOIN " + r
		case i == n-1 && g.chance(10):
			sql += ", " + r // binds less tightly than JOIN, and so is the last
		default:
			sql += pick(g.choices, " JOIN ", " LEFT JOIN ", " RIGHT JOIN ") + r + " ON " + g.joinCondition(s.columns, columns)
		}
		s.columns = append(s.columns, columns...)
	}
	return sql, s
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

// grouped returns a SELECT with GROUP BY.
func (g *generator) grouped(from, where string, s scope) (query, []column) {
	var items, keys []string
	var columns []column
	add := func(sql string, k kind) {
		name := fmt.Sprintf("a%d", len(items))
		items = append(items, sql+" AS "+name)
		columns = append(columns, column{name, k})
	}
	for range g.below(3) {
		key := s.columns[g.below(len(s.columns))]
		keys = append(keys, key.sql)
		add(key.sql, key.k)
	}
	for range 1 + g.below(3) {
		sql, k := g.aggregate(s)
		add(sql, k)
	}
	q := query{sql: "SELECT " + strings.Join(items, ", ") + " FROM " + from + clause(" WHERE ", where)}
	if keys != nil {
		q.sql += " GROUP BY " + strings.Join(keys, ", ")
	}
	if g.chance(25) {
		sql, k := g.aggregate(s)
		q.sql += fmt.Sprintf(" HAVING %s %s %s", sql, pick(g.choices, ">", "<", "<=", "="), literal(g.choices, k))
	}
	return q, columns
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
			// The id makes the order complete, as far as it can be seen.
			return "GROUP_CONCAT(" + distinct + arg + " ORDER BY " + arg + " SEPARATOR '|')", text
		}
		return "COUNT(" + distinct + arg + ")", integer
	case 5:
		if k == integer {
			return pick(g.choices, "BIT_AND", "BIT_OR", "BIT_XOR") + "(" + arg + ")", integer
		}
	}
	return "COUNT(*)", integer
}

// windowed returns a SELECT with window functions.
func (g *generator) windowed(from, where string, s scope) (query, []column) {
	var items, all []string
	var columns []column
	add := func(sql string, k kind) {
		name := fmt.Sprintf("a%d", len(items))
		items = append(items, sql+" AS "+name)
		columns = append(columns, column{name, k})
	}
	for _, c := range s.columns {
		all = append(all, c.sql+pick(g.choices, "", " DESC"))
	}
	for range 1 + g.below(2) {
		c := s.columns[g.below(len(s.columns))]
		add(c.sql, c.k)
	}
	for range 1 + g.below(2) {
		over := ""
		if g.chance(60) {
			over = "PARTITION BY " + s.columns[g.below(len(s.columns))].sql + " "
		}
		c := s.columns[g.below(len(s.columns))]
		full := over + "ORDER BY " + strings.Join(all, ", ")
		switch g.below(6) {
		case 0:
			add("ROW_NUMBER() OVER ("+full+")", integer)
		case 1:
			add(fmt.Sprintf("%s() OVER (%sORDER BY %s)", pick(g.choices, "RANK", "DENSE_RANK"), over, c.sql), integer)
		case 2:
			add(fmt.Sprintf("%s(%s, %d) OVER (%s)", pick(g.choices, "LAG", "LEAD"), c.sql, g.below(3), full), c.k)
		case 3:
			add(fmt.Sprintf("%s(%s) OVER (%s ROWS BETWEEN %d PRECEDING AND %d FOLLOWING)",
				pick(g.choices, "COUNT", "MAX", "MIN", "FIRST_VALUE", "LAST_VALUE"), c.sql, full, g.below(4), g.below(3)), c.k)
		case 4:
			if sums := append(of(s.columns, integer), of(s.columns, decimal)...); len(sums) > 0 {
				add(fmt.Sprintf("SUM(%s) OVER (%s)", sums[g.below(len(sums))].sql, pick(g.choices, full, over+"ORDER BY "+c.sql, over)), decimal)
			}
		case 5:
			add(fmt.Sprintf("NTILE(%d) OVER (%s)", 1+g.below(4), full), integer)
		}
	}
	return query{sql: "SELECT " + strings.Join(items, ", ") + " FROM " + from + clause(" WHERE ", where)}, columns
}

// change returns a random INSERT, UPDATE or DELETE.
func (g *generator) change() string {
	g.ctes, g.aliases, g.deepest = nil, 0, 1
	t := g.tables[g.below(len(g.tables))]
	s := scope{columns: t.qualified()}
	switch g.below(4) {
	case 0:
		c := t.columns[1+g.below(len(t.columns)-1)]
		return fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", t.name, c.sql, g.value(c.k, s, 2), g.condition(s, 1))
	case 1:
		return fmt.Sprintf("DELETE FROM %s WHERE %s ORDER BY id LIMIT %d", t.name, g.condition(s, 1), 1+g.below(4))
	case 2:
		from := g.tables[g.below(len(g.tables))]
		names, values := []string{"id"}, []string{fmt.Sprintf("%s.id + %d", from.name, 100*(1+g.below(1000)))}
		verb := pick(g.choices, "INSERT", "REPLACE", "INSERT IGNORE")
		for i, c := range t.columns[1:] {
			v := g.value(c.k, scope{columns: from.qualified()}, 1)
			if verb == "INSERT IGNORE" && c.k >= date && strings.Contains(t.definitions[i+1], "NOT NULL") {
				// MariaDB's functions take the zero date, which would come of NULL, for NULL.
				v = literal(g.choices, c.k)
			}
			names, values = append(names, c.sql), append(values, v)
		}
		return fmt.Sprintf("%s INTO %s (%s) SELECT %s FROM %s ORDER BY %s.id LIMIT %d", verb, t.name,
			strings.Join(names, ", "), strings.Join(values, ", "), from.name, from.name, 5+g.below(10))
	}
	values := []string{fmt.Sprint(1 + g.below(70))}
	for _, c := range t.columns[1:] {
		values = append(values, g.leaf(c.k, scope{}))
	}
	c := t.columns[1+g.below(len(t.columns)-1)]
	return fmt.Sprintf("INSERT INTO %s VALUES (%s) ON DUPLICATE KEY UPDATE %s = %s", t.name, strings.Join(values, ", "), c.sql, g.value(c.k, s, 1))
}
