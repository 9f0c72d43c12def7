package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// TestPlansAgree is a short run without MariaDB.
func TestPlansAgree(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := &runner{out: &out, queries: 400, seed: 20, failures: 3}
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.failed > 0 || r.passed < 300 {
		t.Error(out.String())
	}
}

// TestDifferencesAreFound compares with a peer that leaves out the last row of
// some answers.
func TestDifferencesAreFound(t *testing.T) {
	t.Parallel()
	full := answer{rows: [][]string{{"1", "a"}, {"1.50", null}, {"2020-01-01 00:00:00", "b"}}}
	other := answer{rows: [][]string{{"2020-01-01 00:00:00.000", "b"}, {"1", "a"}, {"1.5", null}}}
	if !same(full, other, false) || same(full, other, true) {
		t.Error("the order counts only where it is given")
	}
	for _, rows := range [][][]string{full.rows[:2], {full.rows[0], full.rows[1], full.rows[1]}, {{"1", "a"}, {"1.50", "x"}, full.rows[2]}} {
		if same(full, answer{rows: rows}, false) {
			t.Errorf("%v is not %v", rows, full.rows)
		}
	}
}

// TestRetold spells statements for MariaDB.
func TestRetold(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"SELECT (x.a % (x.b % 2)), 'a(% '", "SELECT (0 + x.a % (0 + x.b % 2)), 'a(% '"},
		{"SELECT GROUP_CONCAT(x.a ORDER BY x.b DESC, x.a SEPARATOR '|'), GROUP_CONCAT(x.a ORDER BY x.a SEPARATOR '|') ORDER BY x.a, x.b",
			"SELECT GROUP_CONCAT(x.a ORDER BY x.b IS NOT NULL DESC, x.b DESC, x.a SEPARATOR '|'), GROUP_CONCAT(x.a ORDER BY x.a SEPARATOR '|') ORDER BY x.a, x.b"},
	} {
		if got := retold(c[0]); got != c[1] {
			t.Error(got)
		}
	}
}

// TestReduce looks for the smallest notes with a 7 before a 9.
func TestReduce(t *testing.T) {
	t.Parallel()
	c := newChoices(1)
	for range 200 {
		c.below(10)
	}
	fails := func(notes []int) bool {
		at := slices.Index(notes, 7)
		return at >= 0 && slices.Contains(notes[at:], 9)
	}
	if !fails(c.notes) {
		t.Fatal("another seed is wanted")
	}
	if got := reduce(c.notes, 10000, fails); !slices.Equal(got, []int{7, 9}) {
		t.Error(got)
	}
}

// TestStatementsRepeat makes statements from notes again.
func TestStatementsRepeat(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		tables := newDatabase(newChoices(seed))
		c := newChoices(seed)
		first := (&generator{choices: c, tables: tables}).query().sql
		again := (&generator{choices: &choices{notes: c.notes}, tables: tables}).query().sql
		if first != again || !strings.Contains(first, "SELECT") {
			t.Errorf("%s\n%s", first, again)
		}
	}
}
