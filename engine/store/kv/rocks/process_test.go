//go:build cgo

package rocks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// With these environment variables the test binary is another process: it does
// the job with the database at the path, and prints how it went.
const (
	jobVariable  = "KALAM_TEST_JOB"
	pathVariable = "KALAM_TEST_PATH"
)

func TestMain(m *testing.M) {
	if job := os.Getenv(jobVariable); job != "" {
		if err := jobs[job](os.Getenv(pathVariable)); errors.Is(err, sqlerr.DatabaseInUse) {
			fmt.Println("in use")
		} else if err != nil {
			fmt.Println(err)
		}
		return
	}
	os.Exit(m.Run())
}

var jobs = map[string]func(path string) error{
	"open":      func(path string) error { return tryOpen(Config{Path: path}) },
	"open read": func(path string) error { return tryOpen(Config{Path: path, ReadOnly: true}) },
	"sync":      func(path string) error { return writeOn(path, kv.Sync) },
	"nosync":    func(path string) error { return writeOn(path, kv.NoSync) },
	"nolog":     func(path string) error { return writeOn(path, kv.NoLog) },
}

func tryOpen(cfg Config) error {
	db, err := Open(cfg)
	if err != nil {
		return err
	}
	fmt.Println("opened")
	return db.Close()
}

// writeOn writes to two families at once until it is killed, and prints the
// number of each write when it is done.
func writeOn(path string, d kv.Durability) error {
	db, err := Open(Config{Path: path, Create: true, WriteBufferBytes: 512 * kib})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		var b kv.Batch
		b.Put(kv.Data, key(i), make([]byte, 1000))
		b.Put(kv.Meta, key(i), nil)
		if err := db.Write(context.Background(), &b, d); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

func process(t *testing.T, job, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), jobVariable+"="+job, pathVariable+"="+path)
	return cmd
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	try := func(job, path string) string {
		out, err := process(t, job, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	dir := t.TempDir()
	filled(t, dir)
	for _, readOnly := range []bool{false, true} {
		db := mustOpen(t, Config{Path: dir, ReadOnly: readOnly})
		want := []string{"in use\n", "in use\n"}
		if readOnly {
			want[1] = "opened\n"
		}
		if diff := cmp.Diff(want, []string{try("open", dir), try("open read", dir)}); diff != "" {
			t.Errorf("read only %v: %s", readOnly, diff)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := try("open", dir); got != "opened\n" {
		t.Errorf("after Close: %s", got)
	}
}

// TestKilled kills a process that writes. What it had been told is written is
// there, but for what went to no log; and no write is there in part.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, job := range []string{"sync", "nosync", "nolog"} {
		t.Run(job, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := process(t, job, dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			acknowledged := 0
			for lines := bufio.NewScanner(out); lines.Scan(); acknowledged++ {
				if acknowledged == 3000 {
					cmd.Process.Kill() // its last lines are read still
				}
				if lines.Text() != fmt.Sprint(acknowledged) {
					t.Fatalf("write %d: %s", acknowledged, lines.Text())
				}
			}
			if err := cmd.Wait(); err == nil {
				t.Error("it ended by itself")
			}

			snap := kvtest.Snapshot(t, mustOpen(t, Config{Path: dir}))
			data := kvtest.Pairs(t, snap, kv.Data, kv.Range{KeysOnly: true})
			meta := kvtest.Pairs(t, snap, kv.Meta, kv.Range{KeysOnly: true})
			if diff := cmp.Diff(data, meta); diff != "" {
				t.Errorf("half a write: %s", diff)
			}
			if job != "nolog" && len(data) < acknowledged || len(data) == 0 {
				t.Errorf("%d of %d writes are there", len(data), acknowledged)
			}
			for i, p := range data {
				if p.Key != string(key(i)) {
					t.Fatalf("write %d is missing", i)
				}
			}
		})
	}
}
