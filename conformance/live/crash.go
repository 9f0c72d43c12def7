package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/kalamgo/kalam"
)

// childVariable has the path of the database of a child, which writes and reads until it
// is killed; without it the program is the parent.
const childVariable = "KALAM_LIVE_CHILD"

// order is what a child is to do, as JSON in its standard input.
type order struct {
	Seed     uint64
	Versions int64
	From     []uint64 // for each of the live queries; 0: afresh
}

// report is a line of a child's output.
type report struct {
	Watch int
	Begun bool   // the live query was begun, afresh or not
	First uint64 // after this change, then
	Event event
}

// crashWatches are the live queries of the children; the first has all rows of m.
func crashWatches(seed uint64) []*watch {
	rnd := rand.New(rand.NewPCG(seed, 1))
	list := []*watch{newWatch(rnd, 0, "m", "")}
	for i := range 12 {
		list = append(list, newWatch(rnd, i, "m", ""))
	}
	return append(list, newWatch(rnd, 0, "u", "ann"), newWatch(rnd, 1, "u", "ann"), newWatch(rnd, 0, "u", "bob"))
}

// child runs until it is killed.
func child(path string) error {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	db, err := open(path)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	send := func(r report) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(r) // a parent that is gone kills the child
	}
	fail := make(chan error, 100)
	ctx := context.Background()
	w := &writers{db: db}
	w.versions.Store(o.Versions)
	rnd := rand.New(rand.NewPCG(o.Seed, 2))
	for i, watch := range crashWatches(o.Seed / 1000) {
		r := &reader{db: db, watch: watch, rnd: rand.New(rand.NewPCG(o.Seed, uint64(i)))}
		sub, err := r.begin(ctx, o.From[i])
		if err != nil {
			return fmt.Errorf("%s from %d: %w", watch.name, o.From[i], err)
		}
		send(report{Watch: i, Begun: true, First: sub.Seq()})
		go func() {
			for ev, err := range sub.Events() {
				if err != nil {
					fail <- fmt.Errorf("%s: %w", watch.name, err)
					return
				}
				e, err := parseEvent(ev)
				if err != nil {
					fail <- err
					return
				}
				send(report{Watch: i, Event: e})
			}
		}()
	}
	for range 4 {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64()))
		go func() { fail <- w.run(ctx, rnd) }()
	}
	return <-fail
}

// killed has children write and read, kills them, and compares what readers got over all
// their lives.
func killed(ctx context.Context, t *tally, path string, rnd *rand.Rand, length time.Duration) error {
	const what = "killed"
	seed := rnd.Uint64N(1<<40) * 1000
	watches := crashWatches(seed / 1000)
	sessions := make([]*session, len(watches))
	db, err := open(path)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	lives, resumed := 0, 0
	for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil; lives++ {
		o := order{Seed: seed + uint64(lives), Versions: int64(lives+1) << 32, From: make([]uint64, len(watches))}
		for i, s := range sessions {
			if s != nil {
				if from, ok := s.rewind(); ok {
					o.From[i] = from
					resumed++
					continue
				}
			}
			sessions[i] = &session{watch: watches[i], initial: contents{}}
		}
		if err := life(ctx, path, o, sessions, time.Duration(100+rnd.IntN(500))*time.Millisecond); err != nil {
			t.check(what, err)
			return nil
		}
	}
	if db, err = open(path); err != nil {
		return err
	}
	defer func() { db.Close() }()
	final := map[string]contents{}
	for _, name := range []string{"m", "uann", "ubob"} {
		if final[name], err = readAll(kalam.WithUser(ctx, name[1:]), db, name[:1]); err != nil {
			return err
		}
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	for i, s := range sessions {
		r := &reader{db: db, watch: watches[i], rnd: rand.New(rand.NewPCG(seed, 7)), steady: true}
		from, ok := s.rewind()
		if ok {
			r.sessions = []*session{s}
		}
		sub, err := r.begin(reading, from)
		if err != nil {
			t.check(what, fmt.Errorf("%s from %d: %w", watches[i].name, from, err))
			continue
		}
		running.Go(func() { r.run(reading, sub) })
		t.check(what+", at the end", r.settled(ctx, final[r.watch.table+r.watch.user]))
		sessions[i] = r.sessions[0]
	}
	stop()
	running.Wait()
	line, err := timelineOf(sessions[0])
	t.check(what+", the reader of all", err)
	for i, s := range sessions {
		if watches[i].table == "m" && err == nil && s.first >= sessions[0].first {
			t.check(what, s.check(line, true))
		}
	}
	fmt.Fprintf(t.out, "%s: %d times, %d times gone on, %d changes of all rows\n", what, lives, resumed, len(sessions[0].events))
	return nil
}

// life runs a child, takes what it reports into the sessions, and kills it after a
// while.
func life(ctx context.Context, path string, o order, sessions []*session, length time.Duration) error {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := json.NewEncoder(in).Encode(o); err != nil {
		return err
	}
	time.AfterFunc(length, func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	var failed error
	for lines.Scan() {
		var r report
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			break // cut off
		}
		if s := sessions[r.Watch]; r.Begun && !s.began {
			s.first = r.First
		} else if !r.Begun && failed == nil {
			failed = sessions[r.Watch].add(r.Event)
		}
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code >= 0 && failed == nil {
		failed = errors.New("the child ended by itself")
	}
	return failed
}
