package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out, t.TempDir()+"/jobs.kdb", 200); err != nil {
		t.Fatal(err)
	}
	if want := "32 workers did 200 jobs, 200 of them exactly once\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
