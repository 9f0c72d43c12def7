package main

import (
	"context"
	"testing"
)

// TestTenancy runs all checks, with fewer random statements than the command.
func TestTenancy(t *testing.T) {
	t.Parallel()
	seed := uint64(1)
	for _, c := range checks(config{statements: 600, seed: seed}) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := c.run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTells shows that an attack that gets through is told.
func TestTells(t *testing.T) {
	t.Parallel()
	for _, l := range []line{
		{"", "SELECT 1 FROM nowhere"},                 // mallory's statement fails
		{"fails", "SELECT 1"},                         // or does not
		{"", "SELECT name FROM rooms WHERE id > 100"}, // the owner told mallory
	} {
		a := attack{"told", []line{{"owner", "INSERT INTO rooms SELECT 100 + id, title FROM notes"}, {"victim", "DO 0"}, l}}
		if err := a.run(context.Background()); err == nil {
			t.Errorf("%v goes unnoticed", l)
		}
	}
	a := attack{"told", []line{{"owner", "EXECUTE AS USER 'alice' (DELETE FROM notes WHERE id = 5)"}}}
	if err := a.run(context.Background()); err == nil {
		t.Error("a row that is gone goes unnoticed")
	}
}
