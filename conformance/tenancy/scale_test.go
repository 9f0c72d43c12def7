package main

import (
	"io"
	"strings"
	"testing"
)

// TestScale makes the table of figures of few users; what times they have is not
// tested here, only that goals are looked at.
func TestScale(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := scale{users: 1100, rows: 2, dir: t.TempDir(), progress: io.Discard}
	if _, err := s.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"     1,000 ", "     1,100 ", "opened again in ", "on disk: ", "size on disk against one shared table: ", "time of one user's row, ", " with 1,100 users against "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
