// Command packages loads the machine's Debian package index into a Kalam
// database and answers questions about it: real data, some sixty thousand
// packages with some hundred thousand dependencies where apt's lists are there.
//
//	go run ./examples/packages [-index FILE] [-limit N] [-db PATH] [-package NAME]
//
// Without -index it reads apt's lists, or where there are none dpkg's status
// file, which holds the installed packages alone.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	_ "github.com/kalamgo/kalam/driver"
)

// config is what the flags say.
type config struct {
	indexes []string // files to read; none: the machine's
	limit   int      // of packages; 0: all
	db      string   // path; "": a temporary database
	about   string   // the package to ask about
	lookups int      // single lookups to time
	since   func(time.Time) time.Duration
	bar     io.Writer // where a progress bar is drawn; nil: nowhere
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("packages: ")
	cfg := config{lookups: 20000, since: time.Since}
	flag.Func("index", "a Packages `file` of a Debian archive, also compressed; may be given again (default: the machine's own)", func(name string) error {
		cfg.indexes = append(cfg.indexes, name)
		return nil
	})
	flag.IntVar(&cfg.limit, "limit", 0, "load at most this many packages")
	flag.StringVar(&cfg.db, "db", "", "`path` of the database to make and keep (default: a temporary one)")
	flag.StringVar(&cfg.about, "package", "openssl", "`name` of the package to ask about")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	if isTerminal(os.Stderr) {
		cfg.bar = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, cfg); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, cfg config) (err error) {
	if len(cfg.indexes) == 0 {
		if cfg.indexes, err = machineIndexes(); err != nil {
			return err
		}
	}
	path := cfg.db
	if path == "" {
		dir, err := os.MkdirTemp("", "packages")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path = filepath.Join(dir, "packages.kdb")
	}
	s := &steps{out: out, bar: cfg.bar, since: cfg.since}

	s.begin("read")
	packages, err := readIndexes(ctx, cfg.indexes, cfg.limit, s.progress)
	if err != nil {
		return err
	}
	s.done("packages read", len(packages))

	db, err := sql.Open("kalam", path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := load(ctx, db, packages, s); err != nil {
		return err
	}
	if err := lookUp(ctx, db, packages, cfg.lookups, s); err != nil {
		return err
	}
	for _, q := range questions(cfg.about) {
		if err := q.ask(ctx, db, s); err != nil {
			return fmt.Errorf("%s: %w", q.title, err)
		}
	}
	if cfg.db != "" {
		fmt.Fprintf(out, "\nThe database is in %s.\n", cfg.db)
	}
	return nil
}
