package main

import (
	"strings"
	"testing"
	"time"
)

// TestSoak is a short run; make soak is a long one. It is not parallel: the
// figures are the whole process's.
func TestSoak(t *testing.T) {
	var out strings.Builder
	failed, err := soak(t.Context(), &out, t.TempDir(), 10*time.Second)
	if err != nil || failed > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}

// testLimit is the limit of TestLargeStatements, in MiB.
var testLimit int64 = defaultLimit

// TestLargeStatements writes more rows in one transaction than are kept in memory; make soak
// ARGS="-large 10000000" writes ten million. It is not parallel, as TestSoak.
func TestLargeStatements(t *testing.T) {
	var out strings.Builder
	failed, err := large(t.Context(), &out, t.TempDir(), 300_000, testLimit<<20)
	if err != nil || failed > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}
