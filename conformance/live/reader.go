package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/kalamgo/kalam"
)

// reader reads a live query, and begins it again now and then.
type reader struct {
	db     *sql.DB
	watch  *watch
	rnd    *rand.Rand
	steady bool // it never ends, and is quick

	mu       sync.Mutex
	sessions []*session // the last one is read
	resumed  int
	gone     int // times that it had to begin afresh
}

// begin subscribes; from 0: afresh.
func (r *reader) begin(ctx context.Context, from uint64) (*kalam.Subscription, error) {
	opts := []kalam.SubscribeOption{kalam.WithOld()}
	if from > 0 {
		opts = append(opts, kalam.FromSeq(from))
	}
	if r.steady {
		opts = append(opts, kalam.Buffer(1<<20))
	} else if r.rnd.IntN(2) == 0 {
		opts = append(opts, kalam.Buffer(1+r.rnd.IntN(8)))
	}
	sub, err := kalam.Subscribe(kalam.WithUser(ctx, r.watch.user), r.db, r.watch.query(), r.watch.args, opts...)
	if err == nil && from == 0 {
		r.mu.Lock()
		r.sessions = append(r.sessions, &session{watch: r.watch, first: sub.Seq(), initial: contents{}})
		r.mu.Unlock()
	}
	return sub, err
}

// run reads until ctx ends. sub is what begin returned.
func (r *reader) run(ctx context.Context, sub *kalam.Subscription) error {
	defer func() { sub.Close() }()
	for {
		stay := 1 + r.rnd.IntN(200)
		for ev, err := range sub.Events() {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, kalam.ErrSubscriberSlow) || errors.Is(err, kalam.ErrChangesGone) {
				r.mu.Lock()
				r.gone++
				r.mu.Unlock()
				break
			}
			if err == nil {
				err = r.take(ev)
			}
			if err != nil {
				return err
			}
			if r.steady {
				continue
			}
			if r.rnd.IntN(20) == 0 {
				time.Sleep(time.Duration(r.rnd.IntN(int(4 * time.Millisecond))))
			}
			if stay--; stay == 0 {
				break
			}
		}
		sub.Close()
		if ctx.Err() != nil {
			return nil
		}
		var err error
		if sub, err = r.again(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// again goes on, or begins afresh.
func (r *reader) again(ctx context.Context) (*kalam.Subscription, error) {
	if r.rnd.IntN(5) > 0 {
		r.mu.Lock()
		from, ok := r.sessions[len(r.sessions)-1].rewind()
		r.mu.Unlock()
		if ok {
			sub, err := r.begin(ctx, from)
			if err == nil {
				r.resumed++
			}
			if !errors.Is(err, kalam.ErrChangesGone) {
				return sub, err
			}
			r.mu.Lock()
			r.gone++
			r.mu.Unlock()
		}
	}
	return r.begin(ctx, 0)
}

// take notes an event.
func (r *reader) take(ev kalam.Event) error {
	e, err := parseEvent(ev)
	if err != nil {
		return fmt.Errorf("%s: %w", r.watch.name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions[len(r.sessions)-1].add(e)
}

func parseEvent(ev kalam.Event) (event, error) {
	read := func(values []any) (row, error) {
		var r row
		var shown string
		one := kalam.Event{Columns: ev.Columns, Values: values}
		if err := one.Scan(&r.ID, &r.Room, &r.V, &r.S, &shown); err != nil {
			return r, err
		}
		if want := fmt.Sprint(r.ID+1, strings.ToUpper(r.S)); shown != strings.ReplaceAll(want, " ", "") {
			return r, fmt.Errorf("%v comes with %q", r, shown)
		}
		return r, nil
	}
	e := event{Seq: ev.Seq, Kind: string(ev.Change)}
	var err error
	if e.Row, err = read(ev.Values); err == nil && ev.Old != nil {
		var old row
		if old, err = read(ev.Old); err == nil {
			e.Old = &old
		}
	}
	return e, err
}

// settled waits until the reader has what its query has at the end.
func (r *reader) settled(ctx context.Context, want contents) error {
	want = r.watch.of(want)
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		r.mu.Lock()
		now, err := r.sessions[len(r.sessions)-1].now()
		r.mu.Unlock()
		if err != nil {
			return err
		}
		d := now.diff(want)
		if d == "" {
			return nil
		}
		if time.Since(begin) > 30*time.Second || ctx.Err() != nil {
			return fmt.Errorf("%s: it does not arrive at the end: %s", r.watch.name, d)
		}
	}
}
