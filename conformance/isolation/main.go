// Command isolation tests what transactions promise one another.
//
//	go run ./conformance/isolation [-txns N] [-seconds N] [-seed N]
//
// It plays Hermitage's anomalies at each isolation level and prints which occur.
// Then it runs random concurrent transactions at each level, and again while
// indexes are built and columns added, and checks their histories for what the
// level forbids (see package history). The last line counts: "N passed, N
// failed". The exit status is 1 when something failed, 2 when something could not
// be run at all.
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
	"strings"
	"time"

	"github.com/kalamgo/kalam"
	"github.com/kalamgo/kalam/conformance/isolation/history"
)

type config struct {
	txns, workers int
	limit         time.Duration
	seed          uint64
	dsn           string
	progress      io.Writer // nil: none
}

func main() {
	var cfg config
	seconds := flag.Int("seconds", 0, "most seconds for each of the eight histories; 0: no limit")
	flag.IntVar(&cfg.txns, "txns", 4000, "transactions of each history")
	flag.IntVar(&cfg.workers, "workers", 10, "transactions at a time")
	flag.Uint64Var(&cfg.seed, "seed", uint64(time.Now().UnixNano()), "of the random transactions")
	flag.StringVar(&cfg.dsn, "dsn", ":memory:", "data source name of an empty database")
	flag.Parse()
	cfg.limit = time.Duration(*seconds) * time.Second
	if *seconds > 0 && !given("txns") {
		cfg.txns = 1 << 30
	}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		cfg.progress = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, os.Stdout, cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "isolation:", err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

func given(name string) (is bool) {
	flag.Visit(func(f *flag.Flag) { is = is || f.Name == name })
	return is
}

// expected are the anomalies that each level prevents; the others occur.
var expected = map[sql.IsolationLevel][]string{
	sql.LevelReadUncommitted: {"G0", "G1a", "G1b", "G1c", "OTV"},
	sql.LevelReadCommitted:   {"G0", "G1a", "G1b", "G1c", "OTV"},
	sql.LevelRepeatableRead:  {"G0", "G1a", "G1b", "G1c", "OTV", "PMP", "P4", "G-single"},
	sql.LevelSerializable:    {"G0", "G1a", "G1b", "G1c", "OTV", "PMP", "P4", "G-single", "G2-item", "G2"},
}

// forbids are the levels by what their histories may not have.
var forbids = map[sql.IsolationLevel]history.Level{
	sql.LevelReadUncommitted: history.ReadCommitted,
	sql.LevelReadCommitted:   history.ReadCommitted,
	sql.LevelRepeatableRead:  history.Snapshot,
	sql.LevelSerializable:    history.Serializable,
}

// run returns how many checks failed.
func run(ctx context.Context, out io.Writer, cfg config) (failed int, err error) {
	db, err := sql.Open("kalam", cfg.dsn)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	passed := 0
	lines, err := table(ctx, db)
	for _, l := range lines {
		fmt.Fprintln(out, l)
	}
	if err != nil {
		return 0, err
	}
	for i, level := range levels {
		cells := strings.Fields(lines[i+1])
		cells = cells[len(cells)-len(anomalies):]
		for k, a := range anomalies {
			if prevented := cells[k] == "-"; prevented != contains(expected[level], a.name) {
				fmt.Fprintf(out, "FAIL %v: %s %s\n", level, a.name, cells[k])
				failed++
			} else {
				passed++
			}
		}
	}
	fmt.Fprintf(out, "\nseed %d\n", cfg.seed)
	for _, define := range []bool{false, true} {
		for i, level := range levels {
			name := strings.ToUpper(level.String())
			if define {
				name += " while the table is altered"
			}
			w := &workload{db: db, level: level, seed: cfg.seed + uint64(i), workers: cfg.workers, txns: cfg.txns, limit: cfg.limit, define: define}
			if cfg.progress != nil {
				w.shown = func(n int) { fmt.Fprintf(cfg.progress, "\r%s: %d transactions", name, n) }
			}
			begin := time.Now()
			txns, final, err := w.run(ctx)
			if cfg.progress != nil {
				fmt.Fprint(cfg.progress, "\r\033[K")
			}
			if err != nil {
				return failed, fmt.Errorf("%s: %w", name, err)
			}
			ok := report(out, name, forbids[level], txns, final, time.Since(begin), w.defined)
			if ok {
				passed++
			} else {
				failed++
			}
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	return failed, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// report checks a history and prints what it is; false when there is in it what the
// level forbids.
func report(out io.Writer, name string, level history.Level, txns []history.Txn, final map[int][]int, took time.Duration, defined int) bool {
	committed := 0
	for i := range txns {
		if txns[i].Committed {
			committed++
		}
	}
	var bad, permitted []string
	for _, f := range history.Check(txns, final) {
		if level.Forbids(f.Anomaly) {
			bad = append(bad, fmt.Sprintf("     %s: %s\n", f.Anomaly, f.Text))
		} else if !contains(permitted, string(f.Anomaly)) {
			permitted = append(permitted, string(f.Anomaly))
		}
	}
	verdict := "ok  "
	if len(bad) > 0 {
		verdict = "FAIL"
	}
	fmt.Fprintf(out, "%s %s: %d transactions, %d committed, %.1f s", verdict, name, len(txns), committed, took.Seconds())
	if defined > 0 {
		fmt.Fprintf(out, ", %d times altered", defined)
	}
	if len(permitted) > 0 {
		fmt.Fprintf(out, "; it may have, and has, %s", strings.Join(permitted, ", "))
	}
	fmt.Fprintln(out)
	fmt.Fprint(out, strings.Join(bad, ""))
	return len(bad) == 0
}

// retryable reports whether err is of a transaction that may be run again.
func retryable(err error) bool { return errors.Is(err, kalam.ErrRetryable) }
