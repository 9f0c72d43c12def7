package main

import (
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childVariable); dsn != "" {
		os.Exit(child(dsn))
	}
	os.Exit(m.Run())
}

// TestCrash is a short run; make crash is a long one.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, sync := range []string{"full", "normal", "off"} {
		t.Run(sync, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			c := config{rounds: 7, seed: uint64(len(sync)), dir: t.TempDir(), sync: sync}
			failed, err := c.run(&out)
			if err != nil || failed > 0 {
				t.Errorf("%v\n%s", err, out.String())
			}
			t.Log(out.String())
		})
	}
}
