package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/types"
)

// TestAnswersDoNotDependOnIndexes compares numbers at the edges of what doubles and
// integers hold with constants of other types, with an index and without one.
func TestAnswersDoNotDependOnIndexes(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	values := []string{
		"0", "1", "-1", "12", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993",
		"9223372036854774784", "9223372036854775806", "9223372036854775807", "-9223372036854775807", "-9223372036854775808",
		"9223372036854775808", "9223372036854775809", "18446744073709551614", "18446744073709551615",
	}
	columns := []string{"b BIGINT", "u BIGINT UNSIGNED", "i INT", "d DECIMAL(20,0)", "e DECIMAL(22,2)", "f DOUBLE"}
	for _, table := range []string{"plain", "keyed"} {
		keys := ""
		if table == "keyed" {
			for _, c := range columns {
				keys += ", KEY (" + c[:1] + ", id)"
			}
		}
		run(t, s, "CREATE TABLE "+table+" (id INT PRIMARY KEY, "+strings.Join(columns, ", ")+keys+")")
		for i, v := range values {
			run(t, s, fmt.Sprintf("INSERT INTO %s (id) VALUES (%d)", table, i))
			for _, c := range columns {
				// What a column does not hold it is not given.
				s.Exec(context.Background(), fmt.Sprintf("UPDATE %s SET %s = %s WHERE id = %d", table, c[:1], v, i), nil)
			}
		}
	}
	var constants []string
	for _, v := range append(values, "18446744073709551616", "-9223372036854775809", "1e30", "1e400", "-1e400", "0.5", "9007199254740992.5",
		"9007199254740993.0", "-0.5", ".5e1") {
		constants = append(constants, v, "'"+v+"'", "' "+v+" '", "'+"+v+"'", "'"+v+".0'", "'"+v+".50'", "'"+v+"e0'", "'"+v+"abc'")
		if !strings.Contains(v, "e") {
			constants = append(constants, v+"e0")
		}
	}
	constants = append(constants, "''", "'abc'", "'9.007199254740993e15'", "'0.00000000000000000000000000000000000000001'",
		"'1"+strings.Repeat("0", 300)+"'", "CAST(9007199254740992e0 AS DOUBLE)", "CONCAT('9007199254740993', '')")
	for _, c := range columns {
		for _, op := range []string{"=", "<=>", "<", "<=", ">", ">=", "IN", "BETWEEN"} {
			for _, k := range constants {
				switch op {
				case "IN":
					k = "(" + k + ", 12)"
				case "BETWEEN":
					k += " AND '9223372036854775807.5'"
				}
				cond := fmt.Sprintf(" WHERE %s %s %s ", c[:1], op, k)
				answer := func(table string) string {
					rows, err := s.Query(t.Context(), "SELECT id FROM "+table+cond+"ORDER BY id", nil)
					if err != nil {
						return err.Error()
					}
					defer rows.Close()
					return rest(t, rows)
				}
				if got, want := answer("keyed"), answer("plain"); got != want {
					t.Errorf("%s: with an index %s, without %s", cond, got, want)
				}
			}
		}
	}
}

func TestTextBoundsIntegers(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	run(t, s, `CREATE TABLE s (i BIGINT PRIMARY KEY, k BIGINT, u BIGINT UNSIGNED, x BIGINT, d DECIMAL(20,1), INDEX (k), INDEX (u), INDEX (d))`)
	run(t, s, `INSERT INTO s VALUES (9007199254740993, 9007199254740993, 18446744073709551615, 9007199254740993, 9007199254740993.1)`)
	text := func(s string) Arg { return Arg{Type: types.TextType, Value: types.NewString(s)} }
	for _, column := range []string{"i", "k", "x"} {
		for arg, want := range map[string]string{
			"9007199254740993": "1;", "9007199254740992": "", " 9007199254740993": "1;", "9007199254740993.0": "1;",
			"9007199254740993.5": "", "9007199254740993x": "1;",
		} {
			for _, op := range []string{" = ?", " IN (?)", " <=> ?"} {
				if got := query(t, s, "SELECT 1 FROM s WHERE "+column+op, text(arg)); got != want {
					t.Errorf("%s%s, %q: %q, want %q", column, op, arg, got, want)
				}
			}
		}
	}
	for _, cond := range []string{
		"u = '18446744073709551615'", "u > '18446744073709551614'", "u < '18446744073709551616'",
		"d = '9007199254740993.1'", "d > '9007199254740993.09'", "x = 9007199254740993e0 + 1 OR k = '9007199254740993'",
	} {
		if got := query(t, s, "SELECT 1 FROM s WHERE "+cond); got != "1;" {
			t.Errorf("%s: %q", cond, got)
		}
	}
	if r := run(t, s, "UPDATE s SET x = 1 WHERE i = ?", text("9007199254740993")); r.RowsAffected != 1 {
		t.Errorf("updated %d", r.RowsAffected)
	}
	if r := run(t, s, "DELETE FROM s WHERE k IN (?)", text("9007199254740993")); r.RowsAffected != 1 {
		t.Errorf("deleted %d", r.RowsAffected)
	}
}

// TestJoinsDoNotDependOnIndexes: numbers join with text and floats as doubles,
// with an index and without one.
func TestJoinsDoNotDependOnIndexes(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	run(t, s, "CREATE TABLE l (id INT PRIMARY KEY, s VARCHAR(30), f DOUBLE)")
	run(t, s, "CREATE TABLE plain (id INT PRIMARY KEY, b BIGINT, i INT, d DECIMAL(20,0))")
	run(t, s, "CREATE TABLE keyed (id INT PRIMARY KEY, b BIGINT, i INT, d DECIMAL(20,0), KEY (b, id), KEY (i, id), KEY (d, id))")
	for i, v := range []string{"1", "12", "9007199254740991", "9007199254740992", "9007199254740993", "9223372036854775807"} {
		run(t, s, fmt.Sprintf("INSERT INTO l VALUES (%d, '%s', %se0)", i, v, v))
		for _, table := range []string{"plain", "keyed"} {
			run(t, s, fmt.Sprintf("INSERT INTO %s VALUES (%d, %s, %d, %s)", table, i, v, i, v))
		}
	}
	for _, on := range []string{"r.b = l.s", "r.b = l.f", "r.d = l.s", "r.d = l.f", "r.i = l.s", "r.i = l.f"} {
		for _, sql := range []string{
			"SELECT l.id, r.id FROM l JOIN %s r ON " + on + " ORDER BY 1, 2",
			"SELECT l.id, r.id FROM l LEFT JOIN %s r ON " + on + " AND r.id > 1 ORDER BY 1, 2",
			"SELECT id, (SELECT COUNT(*) FROM %s r WHERE " + on + ") FROM l ORDER BY 1",
			"SELECT id FROM l WHERE EXISTS (SELECT 1 FROM %s r WHERE " + on + ") ORDER BY 1",
		} {
			got, want := query(t, s, fmt.Sprintf(sql, "keyed")), query(t, s, fmt.Sprintf(sql, "plain"))
			if got != want {
				t.Errorf("%s: with an index %s, without %s", sql, got, want)
			}
		}
	}
}

// TestMixedKeys compares random queries on tables whose indexes have descending
// and prefix parts with those on a table without indexes.
func TestMixedKeys(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	r := rand.New(rand.NewPCG(5, 6))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	const columns = "(id INT PRIMARY KEY, a INT, b DECIMAL(8,2), t VARCHAR(20), x VARBINARY(9), c VARCHAR(9) COLLATE utf8mb4_0900_ai_ci, d DATE%s)"
	run(t, s, fmt.Sprintf("CREATE TABLE plain "+columns, ""))
	tables := []string{"plain"}
	for i := range 6 {
		keys := ""
		for range 1 + r.IntN(4) {
			var parts []string
			for _, c := range r.Perm(6)[:1+r.IntN(3)] {
				part := []string{"a", "b", "t", "x", "c", "d"}[c]
				if part != "a" && part != "b" && part != "d" {
					part += pick("", "(1)", "(2)")
				}
				parts = append(parts, part+pick("", " DESC"))
			}
			keys += ", KEY (" + strings.Join(parts, ", ") + ")"
		}
		name := fmt.Sprintf("keyed%d", i)
		run(t, s, "CREATE TABLE "+name+" "+fmt.Sprintf(columns, keys))
		tables = append(tables, name)
	}
	value := func(column string) string {
		switch column {
		case "a":
			return pick("0", "1", "2", "-1", "1.5", "'1'", "300000000000")
		case "b":
			return pick("0", "1.5", "-1.25", "2", "1.255")
		case "d":
			return pick("'2024-02-29'", "'2024-03-01'", "'2023-12-31'", "'2024-02-29 12:00:00'")
		case "x":
			return pick("''", "'a'", "'ab'", "'abc'", "0x00", "0xff", "0xff00")
		}
		return pick("''", "'a'", "'A'", "'ab'", "'äb'", "'abc'", "'aé'", "'aéx'", "'b'")
	}
	for i := range 120 {
		values := fmt.Sprint(i)
		for _, c := range []string{"a", "b", "t", "x", "c", "d"} {
			v := value(c)
			if r.IntN(5) == 0 || v == "300000000000" {
				v = "NULL"
			}
			values += ", " + v
		}
		for _, table := range tables {
			run(t, s, "INSERT INTO "+table+" VALUES ("+values+")")
		}
	}
	condition := func() string {
		c := pick("a", "b", "t", "x", "c", "d")
		switch r.IntN(7) {
		case 0:
			return c + pick(" IS NULL", " IS NOT NULL")
		case 1:
			return c + " IN (" + value(c) + ", " + value(c) + ")"
		case 2:
			return c + " BETWEEN " + value(c) + " AND " + value(c)
		case 3:
			return pick("t", "c") + " LIKE " + pick("'a%'", "'ab%'", "'äb%'")
		}
		return c + pick(" = ", " < ", " <= ", " > ", " >= ", " <=> ") + value(c)
	}
	for range 600 {
		cond := condition()
		for range r.IntN(3) {
			cond += pick(" AND ", " AND ", " OR ") + condition()
		}
		order := ""
		for range r.IntN(3) {
			order += pick("a", "b", "t", "x", "c", "d") + pick("", " DESC") + ", "
		}
		tail := " WHERE " + cond + " ORDER BY " + order + "id" + pick("", " DESC") + pick("", " LIMIT 3")
		want := query(t, s, "SELECT id FROM plain"+tail)
		for _, table := range tables[1:] {
			if got := query(t, s, "SELECT id FROM "+table+tail); got != want {
				t.Fatalf("%s: %s gives %s, plain %s\n%s", tail, table, got, want, query(t, s, "SHOW CREATE TABLE "+table))
			}
		}
		join := " p JOIN plain q ON p." + pick("t = q.t", "a = q.a", "x = q.x", "c = q.c", "d = q.d AND p.t = q.t") + " WHERE q.id < 20 ORDER BY p.id, q.id"
		want = query(t, s, "SELECT p.id, q.id FROM plain"+join)
		for _, table := range tables[1:3] {
			if got := query(t, s, "SELECT p.id, q.id FROM "+table+join); got != want {
				t.Fatalf("%s: %s gives %s, plain %s", join, table, got, want)
			}
		}
	}
}
