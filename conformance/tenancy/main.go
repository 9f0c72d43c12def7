// Command tenancy tests that no user of a database can reach another one's rows.
//
//	go run ./conformance/tenancy [-statements N] [-seed N]
//	go run ./conformance/tenancy -users N [-rows N] [-dir DIR]
//
// The first form plays what a user could try (attacks.sql), in one database with
// others' rows and in one without: every answer, error, estimate and count must be
// the same in both. Then come ids that could be mixed up, and pools, transactions
// and prepared statements that users share; at last random statements of many
// users on one database, each of which must answer as on a database of the user's
// own. The last line counts: "N passed, N failed". The exit status is 1 when
// something failed, 2 when something could not be run at all.
//
// The second form loads rows for N users and prints what that takes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"
)

type config struct {
	statements int
	seed       uint64
	progress   io.Writer // nil: none
}

func main() {
	var cfg config
	var s scale
	flag.IntVar(&cfg.statements, "statements", 20000, "random statements")
	flag.Uint64Var(&cfg.seed, "seed", uint64(time.Now().UnixNano()), "of the random statements")
	flag.IntVar(&s.users, "users", 0, "print figures of a database with so many users, in place of the tests")
	flag.IntVar(&s.rows, "rows", 10, "rows of each user")
	flag.StringVar(&s.dir, "dir", "", "where the databases of -users are made; a temporary directory by default")
	flag.Parse()
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		cfg.progress = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var failed int
	var err error
	if s.users > 0 {
		s.progress = os.Stderr
		s.rest = untilRest
		failed, err = s.run(ctx, os.Stdout)
	} else {
		failed, err = run(ctx, os.Stdout, cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tenancy:", err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// check is one thing that must hold.
type check struct {
	name string
	run  func(context.Context) error
}

// checks lists all, the random statements last.
func checks(cfg config) (list []check) {
	for _, a := range attacks() {
		list = append(list, check{"attack: " + a.name, a.run})
	}
	list = append(list, idChecks...)
	list = slices.Concat(list, callChecks, liveChecks, rightsChecks)
	return append(list,
		check{"random statements, one after the other", func(ctx context.Context) error { return sequential(ctx, cfg.seed, cfg.statements) }},
		check{"random statements, users at the same time", func(ctx context.Context) error { return concurrent(ctx, cfg.seed, cfg.statements) }})
}

// run returns how many checks failed.
func run(ctx context.Context, out io.Writer, cfg config) (failed int, err error) {
	fmt.Fprintf(out, "seed %d\n", cfg.seed)
	list := checks(cfg)
	for i, c := range list {
		if cfg.progress != nil {
			fmt.Fprintf(cfg.progress, "\r%d of %d: %-60s\r", i, len(list), c.name)
		}
		err := c.run(ctx)
		if ctx.Err() != nil {
			return failed, errors.Join(ctx.Err(), err)
		}
		if err != nil {
			failed++
			fmt.Fprintf(out, "FAIL %s: %v\n", c.name, err)
		} else {
			fmt.Fprintf(out, "ok   %s\n", c.name)
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", len(list)-failed, failed)
	return failed, nil
}
