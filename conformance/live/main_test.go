package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's binary be the child of rounds that kill it.
func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	os.Exit(m.Run())
}

// TestRounds is a short run of the command.
func TestRounds(t *testing.T) {
	t.Parallel()
	for n := range uint64(3) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			c := &tally{out: &out}
			if err := round(t.Context(), c, n, rand.New(rand.NewPCG(1, n)), time.Second); err != nil {
				t.Fatal(err)
			}
			if c.failed > 0 || c.passed == 0 {
				t.Errorf("%d passed, %d failed\n%s", c.passed, c.failed, out.String())
			}
		})
	}
}

// TestCheckFinds shows that a session with a defect does not pass.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	one, two := row{ID: 1, V: 1, S: "ab"}, row{ID: 1, V: 2, S: "ab"}
	insert, update := event{Seq: 5, Kind: "insert", Row: one}, event{Seq: 6, Kind: "update", Row: two, Old: &one}
	all := &watch{name: "all", has: func(row) bool { return true }}
	line := timeline{{4, contents{}}, {5, contents{1: one}}, {6, contents{1: two}}}
	made := func(events ...event) *session {
		return &session{watch: all, first: 4, initial: contents{}, events: events}
	}
	if err := made(insert, update).check(line, true); err != nil {
		t.Error(err)
	}
	for name, events := range map[string][]event{
		"lost at the end": {insert}, "lost": {update}, "twice": {insert, insert, update}, "too many": {insert, update, {Seq: 7, Kind: "delete", Row: two, Old: &two}},
		"wrong old row": {insert, {Seq: 6, Kind: "update", Row: two, Old: &two}}, "other row": {insert, {Seq: 6, Kind: "update", Row: row{ID: 1, V: 3}, Old: &one}},
	} {
		if made(events...).check(line, true) == nil {
			t.Errorf("%s: not found", name)
		}
	}
	w := &writers{txns: []*written{{versions: map[int64]bool{1: true}, left: contents{1: one}, committed: true}, {versions: map[int64]bool{2: true}, left: contents{1: two}}}}
	if err := w.checkAtomic(made(insert)); err != nil {
		t.Error(err)
	}
	if w.checkAtomic(made(insert, update)) == nil || w.checkAtomic(made()) == nil {
		t.Error("what was rolled back, or not delivered, is not found")
	}
}
