package main

import (
	"bytes"
	"io"
	"log"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var testSizes = sizes{rows: []int{1000, 2000}, bulk: 200, deletes: 10, ycsb: 100, scale: 0.01, open: []int{0, 100}, round: time.Millisecond, rounds: 2}

func TestMain(m *testing.M) {
	if isChild, err := child(); isChild {
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// TestBench does a little of everything: the answers of all peers must agree.
func TestBench(t *testing.T) {
	r, err := bench(testSizes, regexp.MustCompile(""), t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Sections {
		for _, res := range s.Results {
			for name, f := range res.Figures {
				if f.Value <= 0 {
					t.Errorf("%s: %s of %s is %f", s.Theme, res.Workload, name, f.Value)
				}
			}
		}
	}
	for _, write := range []func(io.Writer) error{r.print, r.markdown, r.html, r.writeJSON} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Sections {
			if !strings.Contains(out.String(), s.Theme) {
				t.Errorf("no %s in\n%s", s.Theme, &out)
			}
		}
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
