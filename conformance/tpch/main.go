// Command tpch runs the 22 queries of TPC-H and checks their answers.
//
//	go run ./conformance/tpch [-sf 0.01] [flags]
//
// It makes the data that DuckDB's generator makes, loads it, runs the queries,
// which are adapted from the specification's, and compares the answers with
// those that DuckDB publishes for that scale factor, in
// $KALAM_CORPUS/tpch/answers (by default below ../shared). Each query's time is
// shown; the last line counts: "22 passed, 0 failed". The exit status is 1 when
// a query failed, 2 when something could not be run at all. The times are
// derived from TPC-H and cannot be compared with published results.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/kalamgo/kalam/conformance/tpch/suite"
	_ "github.com/kalamgo/kalam/driver"
)

func main() {
	var o options
	flag.Float64Var(&o.scale, "sf", 0.01, "scale factor: a whole number, or thousandths")
	flag.StringVar(&o.dir, "dir", "", "directory of the database, used as it is if it is loaded already (default: a new one, removed at the end)")
	flag.BoolVar(&o.keep, "keep", false, "leave the database there")
	flag.StringVar(&o.memLimit, "mem_limit", "", "memory of a query in MB, or such as 64KB (default: the driver's)")
	flag.IntVar(&o.cache, "cache_mb", 0, "memory of the block cache in MB (default: the driver's)")
	queries := flag.String("queries", "", "queries to run, such as 1,5-7 (default: all)")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "most time for a query")
	flag.BoolVar(&o.explain, "explain", false, "show each query's plan as it ran")
	flag.StringVar(&o.profiles, "profiles", "", "directory for CPU profiles of loading and of each query (go tool pprof)")
	flag.Parse()
	corpus := os.Getenv("KALAM_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "shared")
	}
	o.answers = filepath.Join(corpus, "tpch", "answers", "sf"+strconv.FormatFloat(o.scale, 'f', -1, 64))
	var err error
	if o.queries, err = numbers(*queries); err != nil || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "tpch:", errors.Join(err, errors.New("usage: tpch [flags]")))
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, o, os.Stdout, os.Stderr)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "tpch:", err)
		os.Exit(2)
	case failed > 0:
		os.Exit(1)
	}
}

// numbers reads a list of queries; all of an empty one.
func numbers(list string) ([]int, error) {
	if list == "" {
		list = "1-22"
	}
	var all []int
	for _, item := range strings.Split(list, ",") {
		from, to, isRange := strings.Cut(item, "-")
		if !isRange {
			to = from
		}
		a, err := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err != nil || err2 != nil || a < 1 || b > 22 || a > b {
			return nil, fmt.Errorf("-queries %s: give numbers from 1 to 22", list)
		}
		for ; a <= b; a++ {
			all = append(all, a)
		}
	}
	return all, nil
}

type options struct {
	scale    float64
	dir      string
	keep     bool
	memLimit string
	cache    int
	queries  []int
	timeout  time.Duration
	explain  bool
	profiles string
	answers  string // directory of the answers
}

// run returns how many queries failed.
func run(ctx context.Context, o options, out io.Writer, log *os.File) (failed int, err error) {
	if _, err := os.Stat(o.answers); err != nil {
		return 0, fmt.Errorf("no answers for scale factor %v: %w (KALAM_CORPUS names the folder that holds tpch)", o.scale, err)
	}
	path := o.dir
	if path == "" {
		dir, err := os.MkdirTemp("", "kalam-tpch-")
		if err != nil {
			return 0, err
		}
		path = filepath.Join(dir, "tpch.kdb")
		if o.keep {
			fmt.Fprintln(out, "database:", path)
		} else {
			defer os.RemoveAll(dir)
		}
	} else if _, err := os.Stat(path); err != nil && !o.keep {
		defer os.RemoveAll(path)
	}
	db, err := sql.Open("kalam", o.dsn(path))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := o.profile("load", func() error { return load(ctx, db, o.scale, out, log) }); err != nil {
		return 0, err
	}
	debug.FreeOSMemory() // of the generator
	resetPeak()
	passed := 0
	for _, n := range o.queries {
		begin := time.Now()
		err := o.profile(fmt.Sprintf("q%02d", n), func() error { return o.query(ctx, db, n) })
		took := time.Since(begin)
		if ctx.Err() != nil {
			return failed, ctx.Err()
		}
		verdict := "ok"
		if err != nil {
			failed++
			verdict = "FAILED: " + err.Error()
		} else {
			passed++
		}
		fmt.Fprintf(out, "q%02d %9.3f s  %s\n", n, took.Seconds(), verdict)
		if o.explain {
			if err := o.showPlan(ctx, db, n, out); err != nil {
				fmt.Fprintln(out, "    no plan:", err)
			}
		}
	}
	if peak := peakMB(); peak > 0 {
		fmt.Fprintf(out, "the process held up to %d MB while the queries ran\n", peak)
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	return failed, nil
}

func (o options) dsn(path string) string {
	dsn := "file:" + path + "?sync=normal"
	if o.memLimit != "" {
		dsn += "&mem_limit=" + o.memLimit
	}
	if o.cache > 0 {
		dsn += "&cache_mb=" + strconv.Itoa(o.cache)
	}
	return dsn
}

// profile runs a step and writes what it spent its time on, if that is wanted.
func (o options) profile(step string, run func() error) (err error) {
	if o.profiles == "" {
		return run()
	}
	if err := os.MkdirAll(o.profiles, 0o777); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(o.profiles, step+".pprof"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return run()
}

// query runs a query and checks its answer.
func (o options) query(ctx context.Context, db *sql.DB, n int) error {
	want, err := suite.Read(filepath.Join(o.answers, fmt.Sprintf("q%02d.csv", n)))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	got, err := suite.Answer(ctx, db, n)
	if err != nil {
		return err
	}
	return suite.Compare(got, want)
}

func (o options) showPlan(ctx context.Context, db *sql.DB, n int, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	rows, err := db.QueryContext(ctx, "EXPLAIN ANALYZE "+suite.Query(n))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		fmt.Fprintln(out, "    "+strings.ReplaceAll(line, "\n", "\n    "))
	}
	return rows.Err()
}
