package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report is what a run found.
type report struct {
	Date     string    `json:"date"`
	Go       string    `json:"go"`
	CPU      string    `json:"cpu"`
	CPUs     int       `json:"cpus"`
	Load     string    `json:"load"` // the system's when it began, the mean of a minute
	Rounds   int       `json:"rounds"`
	Peers    []entrant `json:"peers"` // Kalam first
	Sections []section `json:"sections"`
}

// entrant is a peer as a report names it.
type entrant struct {
	Name    string   `json:"name"`
	Version string   `json:"version,omitempty"`
	Floor   bool     `json:"floor,omitempty"`
	Absent  []string `json:"absent,omitempty"` // from what, and why
}

// section is the results of a theme.
type section struct {
	Theme   string   `json:"theme"`
	CPUTime bool     `json:"cpu_time,omitempty"` // times are of the processor
	Rows    int      `json:"rows,omitempty"`     // of the table, if the theme has one
	Results []result `json:"results"`
}

// result is a workload's medians.
type result struct {
	Workload string            `json:"workload"`
	Bytes    bool              `json:"bytes,omitempty"` // figures are sizes, not times of an operation
	Figures  map[string]figure `json:"figures"`         // by peer; those who took no part are missing
}

// figure is a peer's median and what it is of Kalam's: above 1 Kalam is faster,
// or smaller.
type figure struct {
	Value float64 `json:"value"` // ns or bytes
	Ratio float64 `json:"ratio,omitempty"`
	Least float64 `json:"least"` // of all rounds
	Most  float64 `json:"most"`
}

func newReport(n sizes) *report {
	r := &report{
		Date: time.Now().UTC().Format("2006-01-02"), Go: runtime.Version(), CPU: cpuModel(), CPUs: runtime.NumCPU(),
		Load: load(), Rounds: n.rounds,
	}
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			versions[m.Path] = m.Version
		}
	}
	for _, p := range peers() {
		e := entrant{Name: p.name, Version: versions[p.pkg], Floor: p.floor}
		for _, name := range slices.Sorted(maps.Keys(p.absent)) {
			e.Absent = append(e.Absent, name+" ("+p.absent[name]+")")
		}
		if p.most > 0 {
			e.Absent = append(e.Absent, "tables of more than "+thousands(p.most)+" rows ("+slowWrites+")")
		}
		if p.many {
			e.Absent = append(e.Absent, "what a single goroutine does (it is then the same as go-sqlite3)")
		}
		r.Peers = append(r.Peers, e)
	}
	return r
}

// add notes what the runners of w found.
func (s *section) add(w workload, with []*runner) {
	res := result{Workload: w.name, Bytes: w.size != nil, Figures: map[string]figure{}}
	for _, r := range with {
		res.Figures[r.p.name] = figure{Value: median(r.took), Least: slices.Min(r.took), Most: slices.Max(r.took)}
	}
	if own, ok := res.Figures[kalamName]; ok && own.Value > 0 {
		for name, f := range res.Figures {
			f.Ratio = f.Value / own.Value
			res.Figures[name] = f
		}
	}
	s.Results = append(s.Results, res)
}

func (s section) title() string {
	title := s.Theme
	if s.Rows > 0 {
		title += ", " + thousands(s.Rows) + " rows"
	}
	if s.CPUTime {
		title += " (processor time)"
	}
	return title
}

// present returns the peers that a section has figures of.
func (r *report) present(s section) (list []entrant) {
	for _, p := range r.Peers {
		if slices.ContainsFunc(s.Results, func(res result) bool { _, ok := res.Figures[p.Name]; return ok }) {
			list = append(list, p)
		}
	}
	return list
}

// setting tells how the figures were made.
func (r *report) setting() string {
	return fmt.Sprintf("%s, %s, %d CPUs, %s; load %s; medians of %d rounds. A ratio is the other's figure by Kalam's: above 1 Kalam is faster, or smaller. Floors are what the work takes without a database.",
		r.Date, cmp.Or(r.CPU, runtime.GOARCH), r.CPUs, r.Go, r.Load, r.Rounds)
}

func (r *report) print(out io.Writer) error {
	fmt.Fprintln(out, r.setting())
	for _, s := range r.Sections {
		fmt.Fprintf(out, "\n%s\n", s.title())
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		wide := 0
		for _, res := range s.Results {
			wide = max(wide, len(res.Workload))
		}
		for i, line := range r.cells(s) {
			if i > 0 {
				fmt.Fprintf(w, "%-*s\t", wide, line[0])
			} else {
				fmt.Fprintf(w, "\t")
			}
			fmt.Fprintln(w, strings.Join(line[1:], "\t")+"\t")
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// markdown writes the tables as docs/performance.md has them.
func (r *report) markdown(out io.Writer) error {
	fmt.Fprintln(out, r.setting())
	for _, s := range r.Sections {
		fmt.Fprintf(out, "\n### %s\n\n", s.title())
		for i, line := range r.cells(s) {
			fmt.Fprintf(out, "| %s |\n", strings.Join(line, " | "))
			if i == 0 {
				fmt.Fprintln(out, "|---"+strings.Repeat("|--:", len(line)-1)+"|")
			}
		}
	}
	fmt.Fprintln(out)
	for _, p := range r.Peers {
		if len(p.Absent) > 0 {
			fmt.Fprintf(out, "%s has no part in %s.\n", p.Name, strings.Join(p.Absent, "; in "))
		}
	}
	return nil
}

// cells returns a section's table, with a line of names first.
func (r *report) cells(s section) [][]string {
	with := r.present(s)
	head := []string{"work"}
	for _, p := range with {
		head = append(head, p.Name)
	}
	table := [][]string{head}
	for _, res := range s.Results {
		line := []string{res.Workload}
		for _, p := range with {
			f, ok := res.Figures[p.Name]
			switch {
			case !ok:
				line = append(line, "")
			case p.Name == kalamName || f.Ratio == 0:
				line = append(line, res.text(f.Value))
			default:
				line = append(line, fmt.Sprintf("%s %s", res.text(f.Value), ratio(f.Ratio)))
			}
		}
		table = append(table, line)
	}
	return table
}

func (res result) text(value float64) string {
	if res.Bytes {
		return scaled(value, 1000, "B", "kB", "MB", "GB")
	}
	return shortTime(value)
}

func shortTime(ns float64) string { return scaled(ns, 1000, "ns", "µs", "ms", "s") }

// scaled writes a value with three digits in the unit that suits it.
func scaled(value, step float64, units ...string) string {
	i := 0
	for ; value >= step && i < len(units)-1; i++ {
		value /= step
	}
	digits := 2
	for limit := 10.0; value >= limit && digits > 0; limit *= 10 {
		digits--
	}
	return strconv.FormatFloat(value, 'f', digits, 64) + " " + units[i]
}

func ratio(r float64) string { return strings.TrimSuffix(scaled(r, 1e9, ""), " ") + "×" }

// thousands writes a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (r *report) writeJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// read adds the sections of files to r, which is like the first otherwise.
func (r *report) read(files []string) error {
	var sections []section
	for i, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var one report
		if err := json.Unmarshal(text, &one); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if i == 0 {
			*r = one
		}
		sections = append(sections, one.Sections...)
	}
	r.Sections = sections
	return nil
}

// load is the system's load average of the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // elsewhere it is not known
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
