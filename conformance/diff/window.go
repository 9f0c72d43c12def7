package main

import (
	"fmt"
	"strings"
)

// windowed returns a SELECT with window functions.
func (g *generator) windowed(from, where string, s scope) (query, []column) {
	var list selectList
	var all []string
	for _, c := range s.columns {
		all = append(all, c.sql+pick(g.choices, "", " DESC"))
	}
	for range 1 + g.below(2) {
		c := s.columns[g.below(len(s.columns))]
		list.add(c.sql, c.k)
	}
	for range 1 + g.below(2) {
		over := ""
		if g.chance(60) {
			over = "PARTITION BY " + s.columns[g.below(len(s.columns))].sql + " "
		}
		c := s.columns[g.below(len(s.columns))]
		full := over + "ORDER BY " + strings.Join(all, ", ")
		switch g.below(9) {
		case 6:
			list.add(fmt.Sprintf("ROUND(%s() OVER (%sORDER BY %s%s), 8)", pick(g.choices, "PERCENT_RANK", "CUME_DIST"), over, c.sql, pick(g.choices, "", " DESC")), double)
		case 7:
			if numbers := append(of(s.columns, integer), of(s.columns, decimal)...); len(numbers) > 0 {
				k, value := g.framed(numbers[g.below(len(numbers))], c)
				order := numbers[g.below(len(numbers))]
				if order.k == integer && !strings.HasSuffix(order.sql, "id") {
					order.sql = "CAST(" + order.sql + " AS SIGNED)" // MariaDB fails below 0 UNSIGNED
				}
				list.add(fmt.Sprintf("%s OVER (%sORDER BY %s%s RANGE %s)", value, over, order.sql, pick(g.choices, "", " DESC"), g.frame()), k)
			}
		case 8:
			k, value := g.framed(c, c)
			if g.chance(25) {
				list.add(fmt.Sprintf("%s OVER (%sORDER BY %s GROUPS %s)", value, over, s.columns[g.below(len(s.columns))].sql, g.frame()), k)
				break
			}
			list.add(fmt.Sprintf("%s OVER (%s ROWS %s)", value, full, g.frame()), k)
		case 0:
			list.add("ROW_NUMBER() OVER ("+full+")", integer)
		case 1:
			list.add(fmt.Sprintf("%s() OVER (%sORDER BY %s)", pick(g.choices, "RANK", "DENSE_RANK"), over, c.sql), integer)
		case 2:
			list.add(fmt.Sprintf("%s(%s, %d) OVER (%s)", pick(g.choices, "LAG", "LEAD"), c.sql, g.below(3), full), c.k)
		case 3:
			list.add(fmt.Sprintf("%s(%s) OVER (%s ROWS BETWEEN %d PRECEDING AND %d FOLLOWING)",
				pick(g.choices, "COUNT", "MAX", "MIN", "FIRST_VALUE", "LAST_VALUE"), c.sql, full, g.below(4), g.below(3)), c.k)
		case 4:
			if sums := append(of(s.columns, integer), of(s.columns, decimal)...); len(sums) > 0 {
				list.add(fmt.Sprintf("SUM(%s) OVER (%s)", sums[g.below(len(sums))].sql, pick(g.choices, full, over+"ORDER BY "+c.sql, over)), decimal)
			}
		case 5:
			list.add(fmt.Sprintf("NTILE(%d) OVER (%s)", 1+g.below(4), full), integer)
		}
	}
	return query{sql: "SELECT " + strings.Join(list.items, ", ") + " FROM " + from + clause(" WHERE ", where)}, list.columns
}

// frame returns the bounds of a frame, in rows, groups or by numbers.
func (g *generator) frame() string {
	n := func() int { return g.below(4) }
	switch g.below(6) {
	case 1:
		return fmt.Sprintf("BETWEEN %d PRECEDING AND %d FOLLOWING", n(), n())
	case 2:
		return fmt.Sprintf("BETWEEN UNBOUNDED PRECEDING AND %d FOLLOWING", n())
	case 3:
		return fmt.Sprintf("BETWEEN %d FOLLOWING AND UNBOUNDED FOLLOWING", n())
	case 4:
		return fmt.Sprintf("BETWEEN %d PRECEDING AND %d PRECEDING", 2+n(), n())
	case 5:
		return "BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"
	}
	return fmt.Sprintf("%d PRECEDING", n())
}

// framed returns a function over a frame whose value does not depend on the order of
// equal rows, of a number or any column, and what it gives.
func (g *generator) framed(number, c column) (kind, string) {
	if number.k == integer || number.k == decimal {
		switch g.below(3) {
		case 1:
			return decimal, fmt.Sprintf("%s(%s)", pick(g.choices, "SUM", "AVG"), number.sql)
		case 2:
			if number.k == integer {
				return integer, fmt.Sprintf("%s(%s)", pick(g.choices, "BIT_OR", "BIT_AND", "BIT_XOR"), number.sql)
			}
		}
	}
	if g.chance(50) {
		return integer, "COUNT(" + c.sql + ")"
	}
	return c.k, fmt.Sprintf("%s(%s)", pick(g.choices, "MAX", "MIN"), c.sql)
}
