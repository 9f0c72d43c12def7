// Command bench compares Kalam with SQLite (mattn/go-sqlite3 and
// modernc.org/sqlite), DuckDB and go-mysql-server's engine in memory, over
// database/sql, and with two floors: RocksDB alone, and a driver that does
// nothing.
//
//	cd conformance/bench && go run . [-quick] [-run REGEXP] [-rows N,…] [-json FILE] [-html FILE] [-markdown FILE]
//
// All run in one process, in turns, and commit durably. Before anything is
// timed their answers must be equal. A ratio is the peer's time by Kalam's:
// above 1 Kalam is faster.
//
// With -live it measures live queries instead, which the others do not have: from commit
// to event, writes per second with and without them, and memory.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	isChild, err := child()
	if !isChild {
		err = command()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func command() (err error) {
	n := fullSizes
	quick := flag.Bool("quick", false, "less of everything: some two minutes")
	only := flag.String("run", "", "`regexp` of the work to do")
	with := flag.String("peers", "", "`regexp` of the peers, such as Kalam; default: all")
	rows := flag.String("rows", "", "rows of the table that is read, such as `100000,1000000` to see how times grow")
	open := flag.String("open", "", "rows of the databases that are opened, such as `0,10000000`: that has 1 GB")
	bulk := flag.Int("bulk", 0, "`rows` of a bulk load")
	scale := flag.Float64("sf", 0, "TPC-H's scale `factor`")
	houses := flag.Int("houses", 0, "TPC-C's `warehouses`: those with more are left out")
	rounds := flag.Int("rounds", 0, "`number` of rounds that medians are of")
	cpu := flag.Bool("cpu", false, "compare times of the processor, all threads', except where disks are waited for: for busy machines")
	dir := flag.String("dir", "", "`directory` for the databases (default: the system's temporary one)")
	jsonFile := flag.String("json", "", "`file` to write the figures to as JSON")
	htmlFile := flag.String("html", "", "`file` to write a page with plots to")
	markdownFile := flag.String("markdown", "", "`file` to write tables to, between its two marks if it has them, such as ../../docs/performance.md")
	read := flag.String("read", "", "`files` of JSON, with commas between, to show together; nothing is measured")
	profile := flag.String("cpuprofile", "", "`file` for a CPU profile")
	live := flag.Bool("live", false, "measure live queries")
	flag.Parse()
	if *live {
		return liveCommand(*quick, *dir, *jsonFile)
	}
	if *quick {
		n = quickSizes
	}
	n.cpu = *cpu
	set(&n.bulk, *bulk)
	set(&n.houses, *houses)
	set(&n.scale, *scale)
	set(&n.rounds, *rounds)
	if *rows != "" {
		if n.rows, err = numbers(*rows, 1000); err != nil {
			return fmt.Errorf("-rows: %w", err)
		}
	}
	if *open != "" {
		if n.open, err = numbers(*open, 0); err != nil {
			return fmt.Errorf("-open: %w", err)
		}
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if *with != "" {
		if n.peers, err = regexp.Compile(*with); err != nil {
			return err
		}
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	r := &report{}
	if *read != "" {
		if err := r.read(strings.Split(*read, ",")); err != nil {
			return err
		}
	} else if r, err = bench(n, chosen, *dir, os.Stderr); err != nil {
		return err
	}
	return errors.Join(r.print(os.Stdout),
		writeFile(*jsonFile, r.writeJSON), writeFile(*htmlFile, r.html), updateFile(*markdownFile, r.markdown))
}

func set[T comparable](to *T, value T) {
	var zero T
	if value != zero {
		*to = value
	}
}

func numbers(list string, least int) (all []int, err error) {
	for _, item := range strings.Split(list, ",") {
		n, err := strconv.Atoi(item)
		if err != nil || n < least {
			return nil, fmt.Errorf("%q is no number of at least %d", item, least)
		}
		all = append(all, n)
	}
	return all, nil
}

// writeFile writes a file that has a name.
func writeFile(name string, write func(io.Writer) error) (err error) {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}

// Marks are between which a document has the tables of a run.
const (
	beginMark = "<!-- bench: begin -->\n"
	endMark   = "<!-- bench: end -->\n"
)

// updateFile writes a file, or what is between its marks.
func updateFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	before, rest, begins := strings.Cut(string(old), beginMark)
	_, after, ends := strings.Cut(rest, endMark)
	return writeFile(name, func(out io.Writer) error {
		if !begins || !ends {
			return write(out)
		}
		io.WriteString(out, before+beginMark+"\n")
		if err := write(out); err != nil {
			return err
		}
		_, err := io.WriteString(out, "\n"+endMark+after)
		return err
	})
}
