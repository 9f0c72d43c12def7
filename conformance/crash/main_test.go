package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childVariable); dsn != "" {
		os.Exit(child(dsn))
	}
	if file := os.Getenv(examineVariable); file != "" {
		os.Exit(examine(file))
	}
	if dsn := os.Getenv(serialVariable); dsn != "" {
		if err := serial(dsn); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestCrash is a short run; make crash is a long one.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, run := range []config{
		{rounds: 5, sync: "full", faults: noFaults},
		{rounds: 4, sync: "normal", faults: noFaults},
		{rounds: 3, sync: "off", faults: noFaults},
		{rounds: 3, sync: "full", faults: powerFaults},
		{rounds: 2, sync: "normal", faults: powerFaults},
		{rounds: 3, sync: "full", faults: errorFaults},
		{rounds: 6, sync: "full", faults: damageFaults, spareTables: true},
	} {
		t.Run(run.sync+" "+run.faults, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("gcc"); err != nil && (run.faults == powerFaults || run.faults == errorFaults) {
				t.Skip("no C compiler for the shim")
			}
			var out strings.Builder
			c := run
			c.seed, c.dir = uint64(len(run.sync+run.faults)), t.TempDir()
			failed, err := c.run(&out)
			if err != nil || failed > 0 {
				t.Errorf("%v\n%s", err, out.String())
			}
			t.Log(out.String())
		})
	}
}
