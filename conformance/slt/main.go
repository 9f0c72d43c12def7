// Command slt runs sqllogictest files.
//
//	go run ./conformance/slt [flags] FILE-or-DIR…
//
// Each file gets a database of its own. The first failures are shown in full;
// the last line counts records: "N passed, N failed". The exit status is 1
// when a record failed, 2 when something could not be run at all.
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
	"strings"
	"time"

	"github.com/kalamgo/kalam/conformance/slt/logictest"
	_ "github.com/kalamgo/kalam/driver"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

func main() {
	driver := flag.String("driver", "kalam", "database/sql driver")
	dsn := flag.String("dsn", ":memory:", "data source name; {dir} stands for a new directory for each file")
	engine := flag.String("engine", "mysql", "name that skipif and onlyif compare with")
	failures := flag.Int("failures", 10, "failed records to show in full")
	skip := flag.String("skip", "", "file that lists records to leave out, a FILE:LINE and the reason on each line")
	timeout := flag.Duration("timeout", time.Minute, "most time for one record")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: slt [flags] FILE-or-DIR…")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	list, err := readSkips(*skip)
	if err != nil {
		fatal(err)
	}
	if *engine == "mysql" {
		known, err := parseSkips("mysql.skips", mysqlSkips)
		if err != nil {
			fatal(err)
		}
		list = append(list, known...)
	}
	files, err := testFiles(flag.Args())
	if err != nil {
		fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	shown := newProgress(os.Stderr)
	runner := &logictest.Runner{
		Engine:   *engine,
		Open:     opener(*driver, *dsn),
		NoAnswer: noAnswer,
		Skip:     list.skip,
		Timeout:  *timeout,
		Failures: *failures,
		Progress: shown.show,
	}
	os.Exit(run(ctx, os.Stdout, runner, files, shown))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "slt:", err)
	os.Exit(2)
}

// run returns the exit status.
func run(ctx context.Context, out io.Writer, runner *logictest.Runner, files []string, shown *progress) int {
	var total logictest.Result
	broken := false
	for _, name := range files {
		begin := time.Now()
		result, err := runFile(ctx, runner, name)
		shown.clear()
		fmt.Fprintf(out, "%s: %d passed, %d failed, %d skipped, %.1f s\n",
			name, result.Passed, result.Failed, result.Skipped, time.Since(begin).Seconds())
		for _, f := range result.Failures {
			fmt.Fprintln(out, f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "slt:", err)
			broken = true
		}
		total.Passed += result.Passed
		total.Failed += result.Failed
		runner.Failures -= len(result.Failures)
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", total.Passed, total.Failed)
	switch {
	case broken:
		return 2
	case total.Failed > 0:
		return 1
	}
	return 0
}

func runFile(ctx context.Context, runner *logictest.Runner, name string) (logictest.Result, error) {
	f, err := os.Open(name)
	if err != nil {
		return logictest.Result{}, err
	}
	defer f.Close()
	return runner.Run(ctx, name, f)
}

// testFiles returns the files named, and the .test files below directories.
func testFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(arg, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".test") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, fmt.Errorf("no .test files below %s", arg)
		}
	}
	return files, nil
}

// opener makes a database for each file.
func opener(driver, dsn string) func(context.Context) (*sql.Conn, func() error, error) {
	return func(ctx context.Context) (_ *sql.Conn, _ func() error, err error) {
		dir := ""
		if strings.Contains(dsn, "{dir}") {
			if dir, err = os.MkdirTemp("", "slt"); err != nil {
				return nil, nil, err
			}
		}
		db, err := sql.Open(driver, strings.ReplaceAll(dsn, "{dir}", dir))
		if err != nil {
			return nil, nil, errors.Join(err, os.RemoveAll(dir))
		}
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, nil, errors.Join(err, db.Close(), os.RemoveAll(dir))
		}
		return conn, func() error {
			return errors.Join(conn.Close(), db.Close(), os.RemoveAll(dir))
		}, nil
	}
}

// noAnswer tells errors about Kalam from errors about the statement.
func noAnswer(err error) bool {
	return errors.Is(err, sqlerr.Internal) || errors.Is(err, sqlerr.NotSupported)
}
