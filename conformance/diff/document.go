package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// documents are JSON texts that functions are given.
var documents = []string{
	`'{"a": 1, "b": [1, 2, {"c": "x"}], "d": null}'`, `'[1, "a", true, null, {"a": [3]}]'`, `'{}'`, `'[]'`, `'"text"'`, `'12'`,
	`'{"a": {"b": {"c": [10, 20]}}, "é": "ü"}'`, `'[[1, 2], [3, [4]]]'`, `'{"a": "1", "c": 2, "b": -5}'`,
}

var paths = []string{`'$.a'`, `'$'`, `'$.b[1]'`, `'$[0]'`, `'$[1]'`, `'$.b[2].c'`, `'$.a.b'`, `'$.nothing'`, `'$.a.b.c[1]'`, `'$[3][0]'`}

// document returns a query of JSON of a table's rows.
func (g *generator) document() query {
	t := g.tables[g.below(len(g.tables))]
	var s scope
	for i, c := range t.columns {
		if !strings.Contains(t.definitions[i], "BINARY") { // bytes are base64 in documents, but in MariaDB's
			s.columns = append(s.columns, c)
		}
	}
	one := func(list ...string) string { return pick(g.choices, list...) }
	path := func() string { return pick(g.choices, paths...) }
	value := func() string {
		if g.chance(40) {
			return one("1", "'a'", "NULL", "'x\"y'", "2", "'é'")
		}
		return g.leaf(pick(g.choices, integer, text), s)
	}
	var doc func(depth int) string
	doc = func(depth int) string {
		if depth <= 0 || g.chance(35) {
			return pick(g.choices, documents...)
		}
		d := doc(depth - 1)
		switch g.below(8) {
		case 0:
			return fmt.Sprintf("JSON_OBJECT('a', %s, 'b', %s)", value(), value())
		case 1:
			return fmt.Sprintf("JSON_ARRAY(%s, %s)", value(), value())
		case 2:
			return fmt.Sprintf("%s(%s, %s, %s)", one("JSON_SET", "JSON_INSERT", "JSON_REPLACE"), d, path(), value())
		case 3:
			return fmt.Sprintf("JSON_REMOVE(%s, %s)", d, one(`'$.a'`, `'$.b[1]'`, `'$[1]'`, `'$.a.b'`, `'$[5]'`)) // [0] of what is no array is that in MySQL
		case 4:
			return fmt.Sprintf("JSON_ARRAY_APPEND(%s, '$', %s)", d, value()) // of no value it is NULL in MariaDB
		case 5:
			return fmt.Sprintf("%s(%s, %s)", one("JSON_MERGE_PATCH", "JSON_MERGE_PRESERVE"), d, doc(depth-1))
		case 6:
			return fmt.Sprintf("JSON_EXTRACT(%s, %s)", d, path())
		}
		return fmt.Sprintf("JSON_ARRAY_INSERT(%s, %s, %s)", d, one(`'$[0]'`, `'$[1]'`, `'$.b[1]'`, `'$.a[0]'`), value())
	}
	d := doc(3)
	e := d
	switch g.below(12) {
	case 1:
		e = fmt.Sprintf("JSON_VALID(%s)", d)
	case 2:
		e = fmt.Sprintf("JSON_LENGTH(%s)", d)
	case 3:
		e = fmt.Sprintf("JSON_DEPTH(%s)", d)
	case 4:
		e = fmt.Sprintf("JSON_TYPE(%s)", d)
	case 5:
		e = fmt.Sprintf("JSON_CONTAINS(%s, %s)", d, doc(1))
	case 6:
		e = fmt.Sprintf("JSON_CONTAINS_PATH(%s, %s, %s, %s)", d, one("'one'", "'all'"), path(), path())
	case 7:
		e = fmt.Sprintf("JSON_UNQUOTE(JSON_EXTRACT(%s, %s))", d, path())
	case 8:
		e = fmt.Sprintf("JSON_CONTAINS(JSON_KEYS(%s), '\"a\"')", d) // their order differs
	case 9:
		e = fmt.Sprintf("JSON_QUOTE(%s)", g.leaf(text, s))
	case 10:
		e = fmt.Sprintf("JSON_LENGTH(%s, %s)", d, path())
	case 11:
		if g.chance(50) {
			return query{sql: fmt.Sprintf("SELECT JSON_LENGTH(JSON_ARRAYAGG(%s)) AS a0, JSON_LENGTH(JSON_OBJECTAGG(id, %s)) AS a1 FROM %s", g.leaf(integer, s), value(), t.name), json: true}
		}
		e = fmt.Sprintf("JSON_OVERLAPS(%s, %s)", d, doc(1))
	}
	return query{sql: fmt.Sprintf("SELECT id, %s AS a0 FROM %s ORDER BY id", e, t.name), ordered: true, json: true}
}

// sameDocuments reports whether two answers agree when texts are read as JSON, where
// they are.
func sameDocuments(a, b answer) bool {
	if a.err != nil || b.err != nil {
		return a.err != nil && b.err != nil
	}
	if len(a.rows) != len(b.rows) {
		return false
	}
	for i, row := range a.rows {
		for k, v := range row {
			if k >= len(b.rows[i]) || v != b.rows[i][k] && !sameDocument(v, b.rows[i][k]) {
				return false
			}
		}
	}
	return true
}

func sameDocument(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
