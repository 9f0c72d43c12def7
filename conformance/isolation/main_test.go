package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"database/sql"
)

var update = flag.Bool("update", false, "write testdata/table.txt")

// TestTable compares which anomalies occur with what is known to.
func TestTable(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lines, err := table(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile("testdata/table.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("testdata/table.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

// TestHistories is a short run of the command.
func TestHistories(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	failed, err := run(t.Context(), &out, config{txns: 400, workers: 8, seed: 1, dsn: ":memory:"})
	if err != nil || failed > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
	if !strings.HasSuffix(out.String(), " passed, 0 failed\n") {
		t.Errorf("the last line is missing:\n%s", out.String())
	}
}
