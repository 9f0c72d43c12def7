// Command bench compares Kalam with SQLite, through mattn/go-sqlite3 and
// modernc.org/sqlite, on everyday work over database/sql.
//
//	cd conformance/bench && go run . [-quick] [-live] [-run REGEXP] [-rows N] [-json FILE]
//
// All run in one process, in turns, and commit durably. Before anything is
// timed their answers must be equal. A ratio is the peer's time by Kalam's:
// above 1 Kalam is faster.
//
// With -live it measures live queries instead, which the others do not have: from commit
// to event, writes per second with and without them, and memory.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	quick := flag.Bool("quick", false, "less of everything")
	jsonFile := flag.String("json", "", "`file` to write the figures to as JSON")
	only := flag.String("run", "", "`regexp` of the work to do")
	rows := flag.Int("rows", 0, "rows of the table; 0: as many as are usual")
	dir := flag.String("dir", "", "`directory` for the databases (default: the system's temporary one)")
	live := flag.Bool("live", false, "measure live queries")
	flag.Parse()
	if *live {
		n := fullLive
		if *quick {
			n = quickLive
		}
		list, err := benchLive(n, *dir, os.Stderr)
		if err == nil {
			err = printLive(os.Stdout, list)
		}
		if err == nil && *jsonFile != "" {
			err = writeJSON(*jsonFile, list)
		}
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	n := fullSizes
	if *quick {
		n = quickSizes
	}
	if *rows > 0 {
		n.rows = *rows
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal(err)
	}
	r, err := bench(n, chosen, *dir, os.Stderr)
	if err != nil {
		log.Fatal(err)
	}
	if err := r.print(os.Stdout); err != nil {
		log.Fatal(err)
	}
	if *jsonFile != "" {
		if err := writeJSON(*jsonFile, r); err != nil {
			log.Fatal(err)
		}
	}
}

func writeJSON(file string, figures any) error {
	data, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o666)
}

// report is what a run found.
type report struct {
	Go      string   `json:"go"`
	CPUs    int      `json:"cpus"`
	Rows    int      `json:"rows"`
	Rounds  int      `json:"rounds"`
	Peers   []string `json:"peers"` // Kalam first
	Results []result `json:"results"`
}

// result is a workload's medians.
type result struct {
	Workload string    `json:"workload"`
	NsPerOp  []float64 `json:"ns_per_op"` // as Peers
	Ratio    []float64 `json:"ratio"`     // each peer's time by Kalam's
}

// bench fills databases in a new directory below dir, compares answers and
// takes times of the work that is chosen.
func bench(n sizes, chosen *regexp.Regexp, dir string, progress io.Writer) (r report, err error) {
	dir, err = os.MkdirTemp(dir, "kalam-bench")
	if err != nil {
		return r, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	all := peers()
	for _, p := range all {
		fmt.Fprintf(progress, "%s: filling %d rows\n", p.name, n.rows)
		if err := p.open(dir); err != nil {
			return r, fmt.Errorf("%s: %w", p.name, err)
		}
		defer func() {
			if e := p.db.Close(); err == nil {
				err = e
			}
		}()
		if err := p.createTable(table); err != nil {
			return r, fmt.Errorf("%s: %w", p.name, err)
		}
		if err := bulk(p, table, n.rows, 100); err != nil {
			return r, fmt.Errorf("%s: %w", p.name, err)
		}
		r.Peers = append(r.Peers, p.name)
	}
	r.Go, r.CPUs, r.Rows, r.Rounds = runtime.Version(), runtime.NumCPU(), n.rows, n.rounds
	for _, w := range workloads(n) {
		if !chosen.MatchString(w.name) {
			continue
		}
		fmt.Fprintf(progress, "%s\n", w.name)
		res, err := measure(w, all, n.rounds)
		if err != nil {
			return r, fmt.Errorf("%s: %w", w.name, err)
		}
		r.Results = append(r.Results, res)
	}
	return r, nil
}

// measure warms up in round 0, compares the answers, and then takes times
// round by round, each peer in turn.
func measure(w workload, all []*peer, rounds int) (result, error) {
	times := make([][]float64, len(all))
	for round := range rounds + 1 {
		for i := range all {
			at := (i + round) % len(all) // nobody is always first
			p := all[at]
			if w.prepare != nil {
				if err := w.prepare(p, round); err != nil {
					return result{}, fmt.Errorf("%s: %w", p.name, err)
				}
			}
			begin := time.Now()
			if err := w.run(p, round); err != nil {
				return result{}, fmt.Errorf("%s: %w", p.name, err)
			}
			if round > 0 {
				times[at] = append(times[at], float64(time.Since(begin).Nanoseconds())/float64(w.ops))
			}
		}
		if round == 0 {
			if err := compare(w, all); err != nil {
				return result{}, err
			}
		}
	}
	res := result{Workload: w.name}
	for _, t := range times {
		res.NsPerOp = append(res.NsPerOp, median(t))
	}
	for _, t := range res.NsPerOp {
		res.Ratio = append(res.Ratio, t/res.NsPerOp[0])
	}
	return res, nil
}

func compare(w workload, all []*peer) error {
	if w.answer == nil {
		return nil
	}
	var want string
	for i, p := range all {
		got, err := w.answer(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if i == 0 {
			want = got
		} else if got != want {
			return fmt.Errorf("answers differ:\n%s: %s\n%s: %s", all[0].name, want, p.name, got)
		}
	}
	return nil
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

func (r report) print(out io.Writer) error {
	fmt.Fprintf(out, "%d rows, medians of %d rounds, %s, %d CPUs; a ratio is the peer's time by Kalam's\n\n", r.Rows, r.Rounds, r.Go, r.CPUs)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "work\t%s\t", r.Peers[0])
	for _, name := range r.Peers[1:] {
		fmt.Fprintf(w, "%s\tratio\t", name)
	}
	fmt.Fprintln(w)
	wide := 0
	for _, res := range r.Results {
		wide = max(wide, len(res.Workload))
	}
	for _, res := range r.Results {
		fmt.Fprintf(w, "%s\t%s\t", res.Workload+strings.Repeat(" ", wide-len(res.Workload)), duration(res.NsPerOp[0]))
		for i := 1; i < len(r.Peers); i++ {
			fmt.Fprintf(w, "%s\t%.2f\t", duration(res.NsPerOp[i]), res.Ratio[i])
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// duration writes the time of one operation.
func duration(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	}
	return fmt.Sprintf("%.1f ns", ns)
}
