package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// workload is one thing to time.
type workload struct {
	name string
	// ops is how many operations a round has; 0: as many as its time allows.
	ops int
	// goroutines work at a time; peers that differ only then have no part in others.
	goroutines int
	// long is how many times the usual a round takes; 0: once.
	long time.Duration
	// setup is called once for each peer, and before for each of its rounds;
	// neither is timed, and each may be nil.
	setup, before func(p *peer) error
	// run does the operations numbered from to from+n-1. No number is asked for
	// twice of a peer, except that those with ops begin at 0 in each round.
	run func(p *peer, from, n int) error
	// check returns what has to be equal for all databases. It is called before
	// anything is timed; it may be nil.
	check func(p *peer) (string, error)
	// reply is what the driver without a database answers, and raw the same work
	// done with RocksDB alone. Floors take part where these are given.
	reply *reply
	raw   func(r *raw, from, n int) error
	// size is of workloads that are not timed: how many bytes something takes.
	// It replaces run.
	size func(p *peer) (bytes float64, err error)
}

// theme is workloads that use the same databases.
type theme struct {
	name string
	// scaled themes are done for each number of rows.
	scaled bool
	// waits: its time is that of disks, so that only the clock's tells anything.
	waits bool
	work  func(n sizes, rows int) []workload
}

// sizes say how much is done.
type sizes struct {
	rows    []int         // of the table that is read: as many times
	bulk    int           // rows of a bulk load
	deletes int           // rows that are deleted
	ycsb    int           // records of YCSB
	scale   float64       // TPC-H's
	houses  int           // of TPC-C, at most
	open    []int         // rows of databases that are opened
	round   time.Duration // what a round of operations takes, about
	rounds  int
	cpu     bool           // take times of the processor, not of the clock
	build   bool           // programs, to see their size
	peers   *regexp.Regexp // who takes part; nil: all
}

// wall is the time of day's clock.
func wall() time.Duration { return time.Since(start) }

var start = time.Now()

// processor is the time that all threads of the process have used: steadier on
// a busy machine, but blind to waiting.
func processor() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return wall()
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

var (
	fullSizes = sizes{
		rows: []int{100_000, 1_000_000}, bulk: 1_000_000, deletes: 2000, ycsb: 100_000, scale: 0.1, houses: 8, open: []int{0, 1_000_000},
		round: 300 * time.Millisecond, rounds: 5, build: true,
	}
	quickSizes = sizes{
		rows: []int{5_000, 50_000}, bulk: 10_000, deletes: 100, ycsb: 5_000, scale: 0.01, open: []int{0, 50_000},
		round: 20 * time.Millisecond, rounds: 3,
	}
)

var themes = []theme{
	{name: "Reads", scaled: true, work: reads},
	{name: "Writes", waits: true, work: writes},
	{name: "YCSB", waits: true, work: ycsb},
	{name: "Bulk load", work: bulks},
	{name: "TPC-C, 1 warehouse", waits: true, work: transactions(1)},
	{name: "TPC-C, 8 warehouses", waits: true, work: transactions(8)},
	{name: "TPC-H", work: tpch},
	{name: "Files", work: files},
}

// bench does the work that is chosen, of one theme after the other, each with
// new databases in a directory below dir.
func bench(n sizes, chosen *regexp.Regexp, dir string, progress io.Writer) (r *report, err error) {
	dir, err = os.MkdirTemp(dir, "kalam-bench")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r = newReport(n)
	for _, t := range themes {
		for i, rows := range n.rows {
			if i > 0 && !t.scaled {
				break
			}
			work := slices.DeleteFunc(t.work(n, rows), func(w workload) bool { return !chosen.MatchString(t.name + ": " + w.name) })
			if len(work) == 0 {
				continue
			}
			s := section{Theme: t.name, CPUTime: n.cpu && !t.waits}
			if t.scaled {
				s.Rows = rows
			}
			if err := s.measure(work, n, filepath.Join(dir, fmt.Sprintf("%s-%d", t.name, i)), progress); err != nil {
				return nil, err
			}
			r.Sections = append(r.Sections, s)
		}
	}
	return r, nil
}

// measure does work with all peers that take part in it.
func (s *section) measure(work []workload, n sizes, dir string, progress io.Writer) (err error) {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	all := slices.DeleteFunc(peers(), func(p *peer) bool { return n.peers != nil && !n.peers.MatchString(p.name) })
	for _, p := range all {
		if err := p.open(p.pathIn(dir)); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	defer func() {
		for _, p := range all {
			err = errors.Join(err, p.close())
		}
		err = errors.Join(err, os.RemoveAll(dir))
		debug.FreeOSMemory()
	}()
	clock := wall
	if s.CPUTime {
		clock = processor
	}
	for _, w := range work {
		var with []*runner
		for _, p := range all {
			if p.takesPart(s, w) {
				with = append(with, &runner{p: p, w: w, clock: clock})
			}
		}
		begin := time.Now()
		if err := w.take(with, n); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		fmt.Fprintf(progress, "%s: %s (%.1f s)\n", s.Theme, w.name, time.Since(begin).Seconds())
		s.add(w, with)
	}
	return nil
}

// take has the runners do w: checks, then rounds, in which each has its turn.
func (w workload) take(with []*runner, n sizes) error {
	for _, r := range with {
		if w.setup != nil {
			if err := w.setup(r.p); err != nil {
				return fmt.Errorf("%s: %w", r.p.name, err)
			}
		}
	}
	rounds := n.rounds
	if w.size != nil {
		rounds = 1
	}
	for round := range rounds {
		for i := range with {
			r := with[(i+round)%len(with)] // nobody is always first
			if r.spent > patience {
				continue
			}
			if err := r.round(n.round*max(1, w.long), round == 0); err != nil {
				return fmt.Errorf("%s: %w", r.p.name, err)
			}
		}
		if round == 0 {
			if err := w.compare(with); err != nil {
				return err
			}
		}
	}
	return nil
}

// patience is after which a peer has no further rounds of a workload.
const patience = 30 * time.Second

// compare has all databases give the same answer.
func (w workload) compare(with []*runner) error {
	if w.check == nil {
		return nil
	}
	first, want := "", ""
	for _, r := range with {
		if r.p.floor {
			continue
		}
		got, err := w.check(r.p)
		if err != nil {
			return fmt.Errorf("%s: %w", r.p.name, err)
		}
		if first == "" {
			first, want = r.p.name, got
		} else if got != want {
			return fmt.Errorf("answers differ:\n%s:\n%.2000s\n%s:\n%.2000s", first, want, r.p.name, got)
		}
	}
	return nil
}

// runner does a workload with a peer.
type runner struct {
	p     *peer
	w     workload
	clock func() time.Duration
	n     int // operations of a round
	next  int
	spent time.Duration
	took  []float64 // ns for an operation, or a size
}

// round does operations for about some time. The first round finds out how many
// that are; of those with a number it is a round as any other.
func (r *runner) round(about time.Duration, first bool) error {
	if r.w.size != nil {
		bytes, err := r.w.size(r.p)
		r.took = append(r.took, bytes)
		return err
	}
	if r.w.ops > 0 {
		r.n, r.next = r.w.ops, 0
		ns, err := r.time()
		r.took = append(r.took, ns/float64(r.n))
		return err
	}
	if first {
		r.n = 1
		for {
			ns, err := r.time()
			if err != nil {
				return err
			}
			if ns >= float64(about)/4 || r.n >= 1<<20 {
				r.n = max(1, int(float64(r.n)*float64(about)/max(ns, 1)))
				break
			}
			// Not too far at once: what is cold is slower than what follows.
			r.n = max(r.n+1, int(float64(r.n)*min(8, float64(about)/max(ns, 1))))
		}
	}
	ns, err := r.time()
	r.took = append(r.took, ns/float64(r.n))
	// What was cold, or disturbed, when it was tried out has too short rounds.
	r.n = max(1, int(float64(r.n)*min(8, float64(about)/ns)))
	return err
}

func (r *runner) time() (ns float64, err error) {
	if r.w.before != nil {
		if err := r.w.before(r.p); err != nil {
			return 0, err
		}
	}
	if r.p.noop != nil {
		r.p.noop.Store(r.w.reply)
	}
	wallBegin, begin := time.Now(), r.clock()
	if r.p.raw != nil {
		err = r.w.raw(r.p.raw, r.next, r.n)
	} else {
		err = r.w.run(r.p, r.next, r.n)
	}
	r.next += r.n
	r.spent += time.Since(wallBegin)
	return max(1, float64((r.clock() - begin).Nanoseconds())), err
}

// together does the operations numbered from to from+n-1 in some goroutines.
func together(goroutines, from, n int, do func(i int) error) error {
	if goroutines == 1 {
		for i := range n {
			if err := do(from + i); err != nil {
				return err
			}
		}
		return nil
	}
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make([]error, goroutines)
	for g := range goroutines {
		group.Go(func() {
			for failed[g] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				failed[g] = do(from + i)
			}
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}
