package main

import "fmt"

// function returns a function of MySQL's that yields a kind, over values of any;
// none of them fails, whatever the values.
func (g *generator) function(k kind, v func(kind) string) string {
	n := func(most int) int { return g.below(most + 1) }
	one := func(list ...string) string { return pick(g.choices, list...) }
	switch k {
	case integer:
		switch g.below(13) {
		case 0:
			return fmt.Sprintf("%s(%s)", one("CHAR_LENGTH", "ASCII", "BIT_LENGTH", "ORD"), v(text))
		case 1:
			return fmt.Sprintf("LOCATE(%s, %s)", v(text), v(text))
		case 2:
			return fmt.Sprintf("STRCMP(%s, %s)", v(text), v(text))
		case 3:
			return fmt.Sprintf("FIELD(%s, %s, %s)", v(text), v(text), v(text))
		case 4:
			return fmt.Sprintf("FIND_IN_SET(%s, 'a,b,ab,,10')", v(text))
		case 5:
			return fmt.Sprintf("DATEDIFF(%s, %s)", v(date), v(datetime))
		case 6:
			return fmt.Sprintf("TIMESTAMPDIFF(%s, %s, %s)", one("DAY", "SECOND", "MINUTE", "HOUR", "WEEK", "MONTH", "QUARTER", "YEAR"), v(datetime), v(datetime))
		case 7:
			return fmt.Sprintf("%s(%s)", one("HOUR", "MINUTE", "SECOND"), v(datetime))
		case 8:
			return fmt.Sprintf("%s(%s)", one("DAYOFYEAR", "WEEKDAY", "QUARTER", "WEEKOFYEAR", "TO_DAYS"), v(date))
		case 9:
			return fmt.Sprintf("EXTRACT(%s FROM %s)", one("YEAR_MONTH", "DAY_HOUR", "DAY_MINUTE", "HOUR_SECOND", "WEEK"), v(datetime))
		case 10:
			return fmt.Sprintf("WEEK(%s, %d)", v(date), n(7))
		case 11:
			return fmt.Sprintf("INTERVAL(%s, 0, 5, 10)", v(integer))
		}
		return fmt.Sprintf("%s(%s, %s)", one("GREATEST", "LEAST"), v(integer), v(integer))
	case decimal:
		switch g.below(6) {
		case 0:
			return fmt.Sprintf("%s(%s)", one("FLOOR", "CEILING", "ABS", "-"), v(decimal))
		case 1:
			return fmt.Sprintf("%s(%s, %d)", one("TRUNCATE", "ROUND"), v(decimal), n(3)-1)
		case 2:
			return fmt.Sprintf("(%s %% %s)", v(decimal), v(decimal))
		case 3:
			return fmt.Sprintf("CAST(%s AS DECIMAL(20,3))", v(integer))
		case 4:
			return fmt.Sprintf("(%s + %s)", v(decimal), v(integer))
		}
		return fmt.Sprintf("%s(%s, %s)", one("GREATEST", "LEAST"), v(decimal), v(decimal))
	case double:
		switch g.below(4) {
		case 0:
			return fmt.Sprintf("(%s + %s)", v(double), v(pick(g.choices, integer, decimal)))
		case 1:
			return fmt.Sprintf("(%s / %s)", v(double), v(double))
		case 2:
			return fmt.Sprintf("%s(%s)", one("ABS", "FLOOR", "CEILING", "-"), v(double))
		}
		return fmt.Sprintf("SQRT(%s)", v(integer))
	case text:
		switch g.below(16) {
		case 0:
			return fmt.Sprintf("REPLACE(%s, 'a', %s)", v(text), v(text))
		case 1:
			return fmt.Sprintf("%s(%s, %d)", one("LEFT", "RIGHT", "REPEAT"), v(text), n(3))
		case 2:
			return fmt.Sprintf("INSERT(%s, %d, %d, %s)", v(text), n(3), n(2), v(text))
		case 3:
			return fmt.Sprintf("SUBSTRING_INDEX(%s, '%s', %s)", v(text), one("b", " ", "a"), one("1", "-1", "2", "0"))
		case 4:
			return fmt.Sprintf("CONCAT_WS('-', %s, %s, %s)", v(text), v(text), v(text))
		case 5:
			return fmt.Sprintf("%s(%s)", one("HEX", "QUOTE", "LTRIM", "RTRIM", "MD5"), v(text))
		case 6:
			return fmt.Sprintf("ELT(%s, %s, %s)", v(integer), v(text), v(text))
		case 7:
			return fmt.Sprintf("TRIM(%s 'a' FROM %s)", one("BOTH", "LEADING", "TRAILING"), v(text))
		case 8:
			return fmt.Sprintf("DATE_FORMAT(%s, '%s')", v(datetime), one("%Y-%m", "%W %D %M", "%H:%i:%s %p", "%j %U %u %V %v %X %x", "%a %b %e %c %y %h %k %l %r %T %w %%"))
		case 9:
			return fmt.Sprintf("CONCAT(%s)", v(pick(g.choices, integer, decimal, date, datetime, clock)))
		case 10:
			return fmt.Sprintf("%s(%s, %s)", one("GREATEST", "LEAST"), v(text), v(text))
		case 11:
			return fmt.Sprintf("%s(%s)", one("DAYNAME", "MONTHNAME"), v(date))
		case 12:
			return fmt.Sprintf("CONV(%s, 10, %s)", v(integer), one("16", "2", "36", "-8"))
		case 13:
			return fmt.Sprintf("SUBSTRING(%s, %s)", v(text), one("1", "2", "-1", "-2", "0", v(integer)))
		case 14:
			return fmt.Sprintf("SUBSTRING(%s, %s, %s)", v(text), one("1", "2", "-1", "-3"), one("1", "2", "0", "-1", v(integer)))
		}
		return fmt.Sprintf("RPAD(%s, %d, %s)", v(text), n(6), one("'xy'", "'b '", "'é'")) // "" is NULL in MariaDB
	case date:
		switch g.below(4) {
		case 0:
			return fmt.Sprintf("LAST_DAY(%s)", v(datetime))
		case 1:
			return fmt.Sprintf("CAST(%s AS DATE)", v(datetime))
		case 2:
			return fmt.Sprintf("MAKEDATE(%d, %s)", 2019+n(3), v(integer))
		}
		return fmt.Sprintf("(%s - INTERVAL %s %s)", v(date), v(integer), one("DAY", "WEEK", "MONTH", "QUARTER", "YEAR"))
	case datetime:
		switch g.below(5) {
		case 0:
			return fmt.Sprintf("CAST(%s AS DATETIME)", v(date))
		case 1:
			return fmt.Sprintf("(%s - INTERVAL %s %s)", v(datetime), v(integer), one("SECOND", "WEEK", "MONTH", "YEAR"))
		case 2:
			return fmt.Sprintf("(%s + INTERVAL '%s' %s)", v(datetime), one("1 2", "-1 2", "3:4"), one("DAY_HOUR", "YEAR_MONTH", "HOUR_MINUTE"))
		case 3:
			return fmt.Sprintf("TIMESTAMP(%s, %s)", v(date), v(clock))
		}
		return fmt.Sprintf("%s(%s, %s)", one("GREATEST", "LEAST"), v(datetime), v(datetime))
	}
	switch g.below(5) {
	case 0:
		return fmt.Sprintf("TIME(%s)", v(datetime))
	case 1:
		return fmt.Sprintf("SEC_TO_TIME(%s)", v(integer))
	case 2:
		return fmt.Sprintf("TIMEDIFF(%s, %s)", v(datetime), v(datetime))
	case 3:
		return fmt.Sprintf("%s(%s, %s)", one("ADDTIME", "SUBTIME"), v(clock), v(clock))
	}
	return fmt.Sprintf("MAKETIME(%s, %d, %d)", v(integer), n(60), n(59))
}

// expressions returns a query of all rows of a table whose expressions may fail: so
// that all plans evaluate them for the same rows, it has no conditions.
func (g *generator) expressions() query {
	t := g.tables[g.below(len(g.tables))]
	s := scope{columns: t.columns}
	// Of what becomes bits: Kalam cuts larger constants to BIGINT's range, MySQL to BIGINT UNSIGNED's.
	whole := func() string {
		return pick(g.choices, "1", "9223372036854775807", "18446744073709551615", "-1", "1.5", g.leaf(integer, s))
	}
	var number func(depth int) string
	number = func(depth int) string {
		if depth == 0 || g.chance(20) {
			if g.chance(40) {
				return pick(g.choices, "1", "9223372036854775807", "18446744073709551615", "-9223372036854775808", "4294967296", "-1",
					"99999999999999999999.99999", "0.000000001", "123456789012345678901234567890", "1.5")
			}
			return g.leaf(pick(g.choices, integer, integer, decimal), s)
		}
		a, b := number(depth-1), number(depth-1)
		switch g.below(8) {
		case 0:
			return fmt.Sprintf("(%s %s %s)", a, pick(g.choices, "+", "-", "*"), b)
		case 1:
			return fmt.Sprintf("(%s %s %s)", a, pick(g.choices, "DIV", "%", "/"), b)
		case 2:
			return fmt.Sprintf("(%s %s %s)", whole(), pick(g.choices, "&", "|", "^"), whole())
		case 3:
			return fmt.Sprintf("(%s %s %d)", whole(), pick(g.choices, "<<", ">>"), g.below(70))
		case 4:
			return fmt.Sprintf("CAST(%s AS %s)", a, pick(g.choices, "SIGNED", "UNSIGNED", "DECIMAL(30,5)", "DECIMAL(65,0)"))
		case 5:
			return pick(g.choices, "-("+a+")", "ABS("+a+")", "~"+whole(), "BIT_COUNT("+whole()+")")
		case 6:
			return fmt.Sprintf("%s(%s, %d)", pick(g.choices, "ROUND", "TRUNCATE"), a, g.below(8)-3)
		}
		return fmt.Sprintf("(%s %s %s)", a, pick(g.choices, "<", "=", ">=", "<=>"), b)
	}
	return query{sql: fmt.Sprintf("SELECT id, %s AS a0 FROM %s ORDER BY id", number(1+g.below(3)), t.name), ordered: true}
}
