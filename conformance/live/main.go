// Command live tests live queries against a model.
//
//	go run ./conformance/live [-seconds N] [-seed N]
//
// Random transactions run beside random live queries, whose readers are slow, leave and
// come back. What each reader made of the changes it got is compared with what its query
// has at every commit: in rounds in which transactions commit one after the other, with
// what these saw in the tables; in rounds in which they commit at the same time, with the
// changes of a reader of all rows, which in turn are compared with what each transaction
// wrote. In other rounds the process that writes is killed again and again, and readers go
// on after what they got last. The last line counts: "N passed, N failed". The exit status
// is 1 when something failed, 2 when something could not be run at all.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/kalamgo/kalam"
)

func main() {
	if path := os.Getenv(childVariable); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, "live: child:", err)
			os.Exit(2)
		}
		return
	}
	seconds := flag.Int("seconds", 30, "how long to test, about")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the random transactions")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("seed %d\n", *seed)
	t := &tally{out: os.Stdout}
	for n, begin := uint64(0), time.Now(); ctx.Err() == nil && time.Since(begin) < time.Duration(*seconds)*time.Second; n++ {
		if err := round(ctx, t, n, rand.New(rand.NewPCG(*seed, n)), 3*time.Second); err != nil {
			fmt.Fprintln(os.Stderr, "live:", err)
			os.Exit(2)
		}
	}
	fmt.Printf("%d passed, %d failed\n", t.passed, t.failed)
	if t.failed > 0 {
		os.Exit(1)
	}
}

// tally counts checks.
type tally struct {
	out            io.Writer
	passed, failed int
}

func (t *tally) check(what string, err error) {
	if err == nil {
		t.passed++
		return
	}
	t.failed++
	fmt.Fprintf(t.out, "FAIL %s: %v\n", what, err)
}

// round runs round n, which is of one of three kinds.
func round(ctx context.Context, t *tally, n uint64, rnd *rand.Rand, length time.Duration) error {
	dir, err := os.MkdirTemp("", "kalam-live-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "db")
	switch n % 3 {
	case 0:
		return together(ctx, t, path, rnd, length, true)
	case 1:
		return together(ctx, t, path, rnd, length, false)
	}
	return killed(ctx, t, path, rnd, length)
}

func open(path string) (*sql.DB, error) {
	db, err := sql.Open("kalam", "file:"+path+"?sync=normal")
	if err != nil {
		return nil, err
	}
	for _, s := range tables {
		if _, err := db.Exec(s); err != nil {
			db.Close()
			return nil, err
		}
	}
	return db, nil
}

// together runs writers and readers in this process.
func together(ctx context.Context, t *tally, path string, rnd *rand.Rand, length time.Duration, serial bool) (err error) {
	db, err := open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	w := &writers{db: db, serial: serial, history: map[int64]map[string]contents{}}

	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	var readers []*reader
	var running sync.WaitGroup
	var mu sync.Mutex
	var trouble []error
	start := func(r *reader) error {
		sub, err := r.begin(reading, 0)
		if err != nil {
			return err
		}
		mu.Lock()
		readers = append(readers, r)
		mu.Unlock()
		running.Go(func() {
			if err := r.run(reading, sub); err != nil {
				mu.Lock()
				trouble = append(trouble, err)
				mu.Unlock()
			}
		})
		return nil
	}
	newRnd := func() *rand.Rand { return rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64())) }

	// Those that have everything, from the beginning on.
	all := map[string]*reader{}
	for _, name := range []string{"m", "uann", "ubob"} {
		r := &reader{db: db, watch: newWatch(rnd, 0, name[:1], name[1:]), rnd: newRnd(), steady: true}
		if err := start(r); err != nil {
			return err
		}
		all[name] = r
	}
	clock, err := newClock(reading, db)
	if err != nil {
		return err
	}
	running.Go(clock.run)

	writing, stopWriting := context.WithTimeout(ctx, length)
	defer stopWriting()
	var writers sync.WaitGroup
	for range 4 {
		rnd := newRnd()
		writers.Go(func() {
			if err := w.run(writing, rnd); err != nil {
				mu.Lock()
				trouble = append(trouble, err)
				mu.Unlock()
			}
		})
	}
	for i := 0; writing.Err() == nil; i++ {
		if i < 40 {
			table := []string{"m", "m", "u"}[rnd.IntN(3)]
			user := ""
			if table == "u" {
				user = users[rnd.IntN(len(users))]
			}
			if err := start(&reader{db: db, watch: newWatch(rnd, rnd.IntN(9), table, user), rnd: newRnd()}); err != nil {
				return err
			}
		}
		time.Sleep(length / 60)
	}
	writers.Wait()

	final := map[string]contents{}
	for name := range all {
		if final[name], err = readAll(kalam.WithUser(ctx, name[1:]), db, name[:1]); err != nil {
			return err
		}
	}
	what := "commits at the same time"
	if serial {
		what = "commits one after the other"
	}
	if serial {
		t.check(what+", the clock", clock.settled(ctx, w.commits.Load()))
	}
	for _, r := range readers {
		t.check(what+", at the end", r.settled(ctx, final[r.watch.table+r.watch.user]))
	}
	stopReading()
	running.Wait()
	for _, err := range trouble {
		t.check(what, err)
	}
	lines := map[string]timeline{}
	if serial {
		for name := range all {
			line, err := clock.timeline(w, name)
			t.check(what+", the clock", err)
			lines[name] = line
		}
	} else {
		for name, r := range all {
			line, err := timelineOf(r.sessions[0])
			t.check(what+", the reader of all", err)
			lines[name] = line
		}
	}
	t.check(what+", transactions", w.checkAtomic(all["m"].sessions[0]))
	sessions, resumed, gone := 0, 0, 0
	for _, r := range readers {
		sessions, resumed, gone = sessions+len(r.sessions), resumed+r.resumed, gone+r.gone
		for i, s := range r.sessions {
			t.check(what, s.check(lines[r.watch.table+r.watch.user], i == len(r.sessions)-1))
		}
	}
	fmt.Fprintf(t.out, "%s: %d commits, %d live queries begun, %d times gone on, %d times too late\n", what, w.commits.Load(), sessions, resumed, gone)
	return nil
}

// clockReader reads the clock's numbers.
type clockReader struct {
	sub *kalam.Subscription
	mu  sync.Mutex
	at  []tick
	err error
}

// tick is a commit and what the clock showed.
type tick struct {
	seq uint64
	n   int64
}

func newClock(ctx context.Context, db *sql.DB) (*clockReader, error) {
	sub, err := kalam.Subscribe(ctx, db, "SELECT n FROM clock", nil)
	return &clockReader{sub: sub}, err
}

func (c *clockReader) run() {
	for ev, err := range c.sub.Events() {
		if err != nil {
			if !errors.Is(err, kalam.ErrInterrupted) {
				c.err = err
			}
			return
		}
		c.mu.Lock()
		c.at = append(c.at, tick{ev.Seq, ev.Values[0].(int64)})
		c.mu.Unlock()
	}
}

// settled waits until the clock has counted all commits.
func (c *clockReader) settled(ctx context.Context, commits int64) error {
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		c.mu.Lock()
		n := int64(len(c.at)) - 1
		c.mu.Unlock()
		if n == commits {
			return nil
		}
		if time.Since(begin) > 30*time.Second || ctx.Err() != nil {
			return fmt.Errorf("it shows %d of %d commits", n, commits)
		}
	}
}

// timeline makes a table's timeline from what transactions saw.
func (c *clockReader) timeline(w *writers, name string) (timeline, error) {
	var line timeline
	now := contents{}
	for i, t := range c.at {
		if t.n != int64(i) || i > 0 && t.seq <= c.at[i-1].seq {
			return nil, fmt.Errorf("change %d of the clock is %d, numbered %d", i, t.n, t.seq)
		}
		if seen := w.history[t.n]; seen != nil && seen[name] != nil {
			now = seen[name] // else another user's transaction
		}
		line = append(line, moment{t.seq, now})
	}
	return line, c.err
}
