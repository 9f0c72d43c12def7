package main

import (
	"fmt"
	"strings"
)

// kind is what the generator knows of an expression's type.
type kind int

const (
	integer kind = iota
	decimal
	double
	text
	date
	datetime
	clock
	kinds
)

// column is a column in scope: how it is written and what it holds.
type column struct {
	sql string
	k   kind
}

// table is a random table.
type table struct {
	name        string
	columns     []column // id, the primary key, first
	definitions []string // of the columns
	keys        []string // definitions of secondary indexes
	insert      string   // its rows, or ""
}

var columnTypes = [kinds][]string{
	integer:  {"INT", "BIGINT", "SMALLINT", "INT UNSIGNED"},
	decimal:  {"DECIMAL(8,2)", "DECIMAL(20,4)", "DECIMAL(30,6)"},
	double:   {"DOUBLE"},
	text:     {"VARCHAR(20)", "TEXT", "VARCHAR(20)", "VARCHAR(20)", "VARCHAR(20) COLLATE ci", "VARCHAR(20) COLLATE ci", "VARBINARY(20)"},
	date:     {"DATE"},
	datetime: {"DATETIME"},
	clock:    {"TIME"},
}

// newDatabase makes tables that have values in common, many NULLs and repeated
// values.
func newDatabase(c *choices) []*table {
	var tables []*table
	// Two would be an illegal mix.
	ci := pick(c, "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci", "utf8mb4_spanish_ci", "utf8mb4_german2_ci", "utf8mb4_swedish_ci")
	for i := range 2 + c.below(3) {
		t := &table{name: fmt.Sprintf("t%d", i), columns: []column{{"id", integer}}, definitions: []string{"id INT PRIMARY KEY"}}
		for j := range 2 + c.below(5) {
			k := kind(c.below(int(kinds)))
			name := fmt.Sprintf("c%d", j)
			definition := name + " " + strings.Replace(pick(c, columnTypes[k]...), "COLLATE ci", "COLLATE "+ci, 1)
			if c.chance(15) {
				definition += " NOT NULL"
			}
			t.columns = append(t.columns, column{name, k})
			t.definitions = append(t.definitions, definition)
		}
		t.addKeys(c)
		t.addRows(c)
		tables = append(tables, t)
	}
	return tables
}

// qualified returns the columns with the table's name.
func (t *table) qualified() []column {
	list := make([]column, len(t.columns))
	for i, c := range t.columns {
		list[i] = column{t.name + "." + c.sql, c.k}
	}
	return list
}

func (t *table) addKeys(c *choices) {
	for range c.below(4) {
		var parts []string
		seen := map[int]bool{}
		for range 1 + c.below(3) {
			i := c.below(len(t.columns))
			if seen[i] {
				continue
			}
			seen[i] = true
			part := t.columns[i].sql
			if strings.Contains(t.definitions[i], "TEXT") {
				part += "(2)"
			}
			if c.chance(20) {
				part += " DESC"
			}
			parts = append(parts, part)
		}
		t.keys = append(t.keys, "KEY ("+strings.Join(parts, ", ")+")")
	}
}

// create returns CREATE TABLE, with secondary indexes or without.
func (t *table) create(indexed bool) string {
	parts := t.definitions
	if indexed {
		parts = append(parts[:len(parts):len(parts)], t.keys...)
	}
	return fmt.Sprintf("CREATE TABLE %s (%s)", t.name, strings.Join(parts, ", "))
}

func (t *table) addRows(c *choices) {
	var rows []string
	for id := range pick(c, 8, 0, 1, 15, 40) {
		values := []string{fmt.Sprint(id + 1)}
		for i, col := range t.columns {
			if i == 0 {
				continue
			}
			v := literal(c, col.k)
			if strings.Contains(t.definitions[i], "UNSIGNED") {
				v = strings.TrimPrefix(v, "-")
			}
			if c.chance(18) && !strings.Contains(t.definitions[i], "NOT NULL") {
				v = "NULL"
			}
			values = append(values, v)
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	if rows != nil {
		t.insert = "INSERT INTO " + t.name + " VALUES " + strings.Join(rows, ", ")
	}
}

func smallInt(c *choices) int { return pick(c, 0, 1, 2, 3, 5, 7, -1, 10, 12, 100, -30) }

// literal returns a constant of a kind.
func literal(c *choices, k kind) string {
	switch k {
	case integer:
		return fmt.Sprint(smallInt(c))
	case decimal:
		return pick(c, "0.00", "1.50", "-0.25", "10.00", "2.00", "99.99", "7.00")
	case double:
		return pick(c, "0e0", "1.5e0", "-0.25e0", "2e0", "1e6", "10e0")
	case text:
		return pick(c, "'a'", "''", "'A'", "'ab'", "'b '", "'é'", "'zz'", "'10'", "'abc def'", "'Z'", "'a%'")
	case date:
		return pick(c, "DATE'2020-01-31'", "DATE'2020-02-29'", "DATE'1999-12-31'", "DATE'2021-07-01'", "DATE'2020-02-01'")
	}
	if k == clock {
		return pick(c, "TIME'12:30:00'", "TIME'00:00:00'", "TIME'-01:30:00'", "TIME'23:59:59'", "TIME'100:00:01'")
	}
	return pick(c, "TIMESTAMP'2020-01-31 00:00:00'", "TIMESTAMP'2020-02-29 23:59:59'", "TIMESTAMP'1999-12-31 12:30:00'", "TIMESTAMP'2021-07-01 06:00:01'")
}
