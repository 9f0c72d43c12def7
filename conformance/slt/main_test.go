package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/conformance/slt/logictest"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

var update = flag.Bool("update", false, "rewrite golden files")

func newRunner(dsn string) *logictest.Runner {
	return &logictest.Runner{Engine: "mysql", Open: opener("kalam", dsn), NoAnswer: noAnswer, Failures: 10}
}

// TestFailures compares the output for records of which many fail.
func TestFailures(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	files, err := testFiles([]string{"testdata"})
	if err != nil {
		t.Fatal(err)
	}
	if status := run(context.Background(), &out, newRunner("{dir}/db"), files, newProgress(os.Stderr)); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	got := regexp.MustCompile(`\d+\.\d s\n`).ReplaceAll(out.Bytes(), []byte("T s\n"))
	const golden = "testdata/output.golden"
	if *update {
		if err := os.WriteFile(golden, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestSkip(t *testing.T) {
	t.Parallel()
	list, err := readSkips("testdata/skips")
	if err != nil {
		t.Fatal(err)
	}
	runner := newRunner(":memory:")
	runner.Skip = list.skip
	var out bytes.Buffer
	if status := run(context.Background(), &out, runner, []string{"testdata/failing.test"}, newProgress(os.Stderr)); status != 0 {
		t.Errorf("status %d, want 0:\n%s", status, &out)
	}
	if !bytes.Contains(out.Bytes(), []byte(": 3 passed, 0 failed, 8 skipped")) {
		t.Errorf("the listed records were not skipped:\n%s", &out)
	}
}

func TestSkipListErrors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a.test:12", "a.test reason", "a.test:x reason"} {
		name := filepath.Join(t.TempDir(), "skips")
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := readSkips(name); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		sqlerr.Internal.New("a defect"):                       true,
		sqlerr.NotSupported.New("not yet"):                    true,
		sqlerr.NoSuchTable.New("Table 'default.x' not there"): false,
		errors.New("of something else"):                       false,
	} {
		if got := noAnswer(err); got != want {
			t.Errorf("noAnswer(%v) = %v", err, got)
		}
	}
}

// TestCorpus runs files of SQLite's corpus where they are at hand: below
// $KALAM_CORPUS, which holds the folder slt.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("KALAM_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	files := []string{"select1.test", "select2.test", "select3.test"}
	if testing.Short() {
		files = files[:1]
	}
	for _, name := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, "slt", name)
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				t.Skipf("%s is not there: set KALAM_CORPUS to the folder that holds slt", path)
			}
			var out bytes.Buffer
			if status := run(context.Background(), &out, newRunner(":memory:"), []string{path}, newProgress(os.Stderr)); status != 0 {
				t.Errorf("status %d:\n%s", status, &out)
			}
		})
	}
}
