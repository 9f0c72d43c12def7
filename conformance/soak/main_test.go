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
