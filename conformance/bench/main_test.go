package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
)

// TestBench does a little of everything: the answers of all peers must agree.
func TestBench(t *testing.T) {
	r, err := bench(sizes{rows: 400, points: 20, ranges: 3, durable: 4, bulk: 200, scans: 1, rounds: 2}, regexp.MustCompile(""), t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range r.Results {
		for i, ns := range res.NsPerOp {
			if ns <= 0 {
				t.Errorf("%s of %s took %f ns", res.Workload, r.Peers[i], ns)
			}
		}
	}
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != len(r.Results)+3 {
		t.Errorf("%d lines:\n%s", lines, &out)
	}
}

// TestBenchLive measures a little: all that is delivered has to arrive.
func TestBenchLive(t *testing.T) {
	list, err := benchLive(liveSizes{[]int{0, 1, 20}, 30}, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printLive(&out, list); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 6 || list[2].Bytes <= 0 || list[0].Writes <= 0 {
		t.Errorf("%+v\n%s", list, &out)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{7, 1, 2}, 2}} {
		if got := median(c.list); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.list, got, c.want)
		}
	}
}
