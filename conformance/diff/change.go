package main

import (
	"fmt"
	"strings"
)

// change returns a random INSERT, UPDATE or DELETE.
func (g *generator) change() string {
	g.ctes, g.aliases, g.deepest = nil, 0, 1
	t := g.tables[g.below(len(g.tables))]
	s := scope{columns: t.qualified()}
	switch g.below(8) {
	case 4, 5:
		return g.joinedChange(t)
	case 6:
		c := t.columns[1+g.below(len(t.columns)-1)]
		return fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s ORDER BY id%s LIMIT %d", t.name, c.sql, g.value(c.k, s, 1), g.condition(s, 1),
			pick(g.choices, "", " DESC"), 1+g.below(6))
	case 7:
		from := g.tables[g.below(len(g.tables))]
		inner := scope{} // under another name: that may be the same table
		for _, c := range from.columns {
			inner.columns = append(inner.columns, column{"s." + c.sql, c.k})
		}
		names, values := []string{"id"}, []string{"s.id"}
		for _, c := range t.columns[1:] {
			names, values = append(names, c.sql), append(values, g.value(c.k, inner, 1))
		}
		c := t.columns[1+g.below(len(t.columns)-1)]
		both := scope{columns: t.qualified()}
		set := g.value(c.k, both, 1)
		if g.chance(40) {
			set = "VALUES(" + c.sql + ")"
		}
		return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s AS s WHERE %s ORDER BY s.id LIMIT 10 ON DUPLICATE KEY UPDATE %s = %s", t.name,
			strings.Join(names, ", "), strings.Join(values, ", "), from.name, g.condition(inner, 1), c.sql, set)
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

// joinedChange returns an UPDATE or DELETE of rows of t that a join finds, by the other
// table's primary key so that one row at most says what to write.
func (g *generator) joinedChange(t *table) string {
	from := g.tables[g.below(len(g.tables))]
	named := func(alias string, t *table) []column {
		var list []column
		for _, c := range t.columns {
			list = append(list, column{alias + "." + c.sql, c.k})
		}
		return list
	}
	both := scope{columns: append(named("x", t), named("y", from)...)}
	keys := of(t.columns, integer)
	join := fmt.Sprintf("%s AS x %sJOIN %s AS y ON x.%s = y.id", t.name, pick(g.choices, "", "LEFT "), from.name, keys[g.below(len(keys))].sql)
	if g.chance(40) {
		return fmt.Sprintf("DELETE x FROM %s WHERE %s", join, g.condition(both, 2))
	}
	c := t.columns[1+g.below(len(t.columns)-1)]
	return fmt.Sprintf("UPDATE %s SET x.%s = %s WHERE %s", join, c.sql, g.value(c.k, both, 1), g.condition(both, 2))
}
