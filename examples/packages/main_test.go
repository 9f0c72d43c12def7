package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// aSecond makes every step take a second, so that output can be compared.
func aSecond(time.Time) time.Duration { return time.Second }

func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := run(context.Background(), &out, config{
		indexes: []string{"testdata/Packages"},
		db:      filepath.Join(t.TempDir(), "packages.kdb"),
		about:   "libwind0",
		lookups: 100,
		since:   aSecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, _, _ := strings.Cut(out.String(), "\nThe database is in ")
	const golden = "testdata/output.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestReadIndexes(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile("testdata/Packages")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	gz := filepath.Join(dir, "a_Packages.gz")
	if err := os.WriteFile(gz, compressed.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	status := filepath.Join(dir, "status")
	if err := os.WriteFile(status, []byte(`Package: kept
Status: install ok installed
Version: 1

Package: removed
Status: deinstall ok config-files
Version: 1`), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		files []string
		limit int
		want  string
	}{
		{[]string{"testdata/Packages"}, 0, "harbour 2.1-3, libgust7 7.0-1, libtide1 1.4.10-1, libwind0 1:0.9~rc2-1, lighthouse 0.3, logbook 8.8-2+b1"},
		{[]string{"testdata/Packages"}, 2, "harbour 2.1-3, libgust7 7.0-1"},
		{[]string{gz, status}, 3, "harbour 2.1-3, kept 1, libgust7 7.0-1"},
		{[]string{status}, 0, "kept 1"},
	} {
		packages, err := readIndexes(context.Background(), c.files, c.limit, func(n, total int) {})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range packages {
			names = append(names, p.name+" "+p.version)
		}
		if diff := cmp.Diff(c.want, strings.Join(names, ", ")); diff != "" {
			t.Errorf("%v, limit %d:\n%s", c.files, c.limit, diff)
		}
	}
	for _, name := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "none.gz")} {
		if _, err := readIndexes(context.Background(), []string{name}, 0, nil); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func TestParseIndex(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/Packages")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []debPackage
	err = parseIndex(f, func(p debPackage) error { got = append(got, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	want := debPackage{
		name: "harbour", version: "2.1-3", arch: "amd64", section: "net", priority: "optional",
		summary: "berths and mooring", maintainer: "Ines Holm <ines@example.org>", installed: 4200, download: 1048576,
		dependencies: []dependency{
			{"Depends", 1, 1, "libtide1", ">= 1.4"},
			{"Depends", 2, 1, "libwind0", ""},
			{"Depends", 2, 2, "libbreeze0", ""},
			{"Depends", 3, 1, "logbook", "<< 9"},
			{"Recommends", 4, 1, "lighthouse", ""},
			{"Suggests", 5, 1, "chart-data", ""},
		},
	}
	if diff := cmp.Diff(want, got[0], cmp.AllowUnexported(debPackage{}, dependency{})); diff != "" {
		t.Error(diff)
	}
	if len(got) != 7 {
		t.Errorf("%d packages, want 7", len(got))
	}
}

// The orders are those of dpkg --compare-versions.
func TestCompareVersions(t *testing.T) {
	t.Parallel()
	ascending := []string{
		"0.9~rc2-1", "0.9~rc10-1", "0.9-1", "0.9-1+b1", "0.9a-1", "0.9+dfsg-1",
		"0.9.1-1~bpo12", "0.9.1-1", "0.10", "1.0-1-1", "1:0.1", "2:0",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := compareVersions(a, b); got != want {
				t.Errorf("compareVersions(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
	if compareVersions("1.02", "1.2") != 0 || compareVersions("0:1-0", "1") != 0 {
		t.Error("leading zeros, epoch 0 or revision 0 make a difference")
	}
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -123456: "-123,456", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s, want %s", n, got, want)
		}
	}
}
