package main

import (
	"bytes"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/conformance/tpch/suite"
)

var update = flag.Bool("update", false, "rewrite testdata/sums.txt")

// TestAnswers runs the queries at a small scale and checks the answers by the
// checksums in testdata/sums.txt, and by the published answers where those are.
func TestAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	ctx := context.Background()
	dir := t.TempDir()
	o := options{scale: 0.01, dir: filepath.Join(dir, "tpch.kdb"), timeout: time.Minute, answers: dir}
	o.queries, _ = numbers("")
	db, err := sql.Open("kalam", o.dsn(o.dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := load(ctx, db, o.scale, io.Discard, os.Stderr); err != nil {
		t.Fatal(err)
	}
	corpus := os.Getenv("KALAM_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "..", "shared")
	}
	var sums bytes.Buffer
	for _, n := range o.queries {
		got, err := suite.Answer(ctx, db, n)
		if err != nil {
			t.Fatalf("query %d: %v", n, err)
		}
		text := got.String()
		fmt.Fprintf(&sums, "q%02d: %d rows, checksum %08x\n", n, len(got.Rows), crc32.ChecksumIEEE([]byte(text)))
		name := fmt.Sprintf("q%02d.csv", n)
		if want, err := suite.Read(filepath.Join(corpus, "tpch", "answers", "sf0.01", name)); err == nil {
			if err := suite.Compare(got, want); err != nil {
				t.Errorf("query %d: %v", n, err)
			}
		}
		if n == 3 {
			text = strings.Replace(text, "|0\n", "|1\n", 1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	golden := filepath.Join("testdata", "sums.txt")
	if *update {
		if err := os.WriteFile(golden, sums.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || sums.String() != string(want) {
		t.Errorf("%v; the answers are\n%s\nnot\n%s", err, sums.String(), want)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// The command on the same database, with a wrong answer to one query.
	var out bytes.Buffer
	failed, err := run(ctx, o, &out, os.Stderr)
	if err != nil || failed != 1 || !strings.HasSuffix(out.String(), "21 passed, 1 failed\n") ||
		!strings.Contains(out.String(), "FAILED: row 1, o_shippriority") {
		t.Errorf("%d failed, error %v\n%s", failed, err, out.String())
	}
}

func TestNumbers(t *testing.T) {
	for list, want := range map[string]string{"": "22", "3": "[3]", "1,4-6": "[1 4 5 6]"} {
		got, err := numbers(list)
		if text := fmt.Sprint(got); err != nil || text != want && fmt.Sprint(len(got)) != want {
			t.Errorf("numbers(%q) = %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"0", "23", "a", "3-1", "1,", "-"} {
		if got, err := numbers(list); err == nil {
			t.Errorf("numbers(%q) = %v", list, got)
		}
	}
}
