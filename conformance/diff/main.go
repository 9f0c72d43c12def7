// Command diff runs random statements on random tables and compares answers:
//
//	go run ./conformance/diff [flags]
//
// Kalam must agree with itself when the tables have no indexes, when joins keep
// the order written, when memory is short, when rows are packed and when a query's rows are put
// together from those for which a condition is true, false and NULL (ternary
// logic partitioning: Rigger and Su, OOPSLA 2020); and with MariaDB, where that is
// installed. A query that gets different answers is reduced to a small one and
// shown with its tables. The last line is "N passed, N failed"; the exit status
// is 1 when something failed, 2 when it could not be run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	queries := flag.Int("queries", 2000, "queries to run")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "where the random choices begin")
	peers := flag.String("peer", "auto", "mariadb, none, or auto: mariadb if it is installed")
	failures := flag.Int("failures", 5, "failures to show before giving up")
	limit := flag.Duration("limit", 3*time.Second, "time for a statement; what takes longer is left out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &runner{out: os.Stdout, queries: *queries, seed: *seed, failures: *failures, limit: *limit, progress: os.Stderr}
	if *peers != "none" {
		fmt.Fprintln(os.Stderr, "starting MariaDB")
		m, err := startMariaDB(ctx, *limit)
		switch {
		case errors.Is(err, errNoMariaDB) && *peers == "auto":
			fmt.Fprintln(os.Stderr, "MariaDB is not installed (apt-get install mariadb-server): comparing Kalam with itself alone")
		case err != nil:
			fmt.Fprintln(os.Stderr, "diff:", err)
			os.Exit(2)
		default:
			defer m.close()
			r.mariadb = m
		}
	}
	if err := r.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "diff:", err)
		if r.mariadb != nil {
			r.mariadb.close()
		}
		os.Exit(2)
	}
	if r.failed > 0 {
		if r.mariadb != nil {
			r.mariadb.close()
		}
		os.Exit(1)
	}
}
