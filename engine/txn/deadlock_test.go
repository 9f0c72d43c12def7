package txn

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestDeadlockBehindWaiter closes a circle behind one who is in the queue already but
// has not noted yet that it waits.
func TestDeadlockBehindWaiter(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, time.Minute)
	a, b, between := m.Begin(Options{}), m.Begin(Options{}), m.Begin(Options{})
	const one, two = 1, 2
	check(t, m.locks.acquire(ctx, a, one, Exclusive, true, time.Minute), nil)
	check(t, m.locks.acquire(ctx, b, two, Exclusive, true, time.Minute), nil)
	done := make(chan error)
	go func() { done <- m.locks.acquire(ctx, a, two, Exclusive, true, time.Minute) }()
	for waits := false; !waits; runtime.Gosched() {
		m.locks.graph.Lock()
		waits = a.waiting != nil
		m.locks.graph.Unlock()
	}
	sh := m.locks.shard(one)
	sh.mu.Lock()
	c := &crowd{mode: Exclusive, holders: []*Tx{a}}
	sh.locks[one] = lock{crowd: c}
	c.queue = append(c.queue, &waiter{tx: between, key: one, crowd: c, mode: Shared, ready: make(chan struct{})})
	sh.mu.Unlock()
	check(t, m.locks.acquire(ctx, b, one, Shared, true, 5*time.Second), sqlerr.LockDeadlock)
	b.Rollback()
	check(t, <-done, nil)
	a.Rollback()
	between.Rollback()
}

// TestDeadlockOfUpgrades has two who share a lock want it alone, of whom the first has not
// noted its wait yet when the second one looks.
func TestDeadlockOfUpgrades(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	m := newManager(t, time.Minute)
	a, b := m.Begin(Options{}), m.Begin(Options{})
	const key = 1
	check(t, m.locks.acquire(ctx, a, key, Shared, true, time.Minute), nil)
	check(t, m.locks.acquire(ctx, b, key, Shared, true, time.Minute), nil)
	sh := m.locks.shard(key)
	sh.mu.Lock()
	c := sh.locks[key].crowd
	first := &waiter{tx: a, key: key, crowd: c, mode: Exclusive, ready: make(chan struct{})}
	c.queue = append(c.queue, first)
	sh.mu.Unlock()
	done := make(chan error)
	go func() { done <- m.locks.acquire(ctx, b, key, Exclusive, true, time.Minute) }()
	for m.Waiting() == 0 {
		runtime.Gosched()
	}
	check(t, m.locks.wait(ctx, first, 5*time.Second), sqlerr.LockDeadlock)
	a.Rollback()
	check(t, <-done, nil)
	b.Rollback()
}

// TestDeadlocksAreFound has many transactions lock the same few keys in any order
// and mode. Nobody waits for long.
func TestDeadlocksAreFound(t *testing.T) {
	t.Parallel()
	const workers, rounds, keys = 12, 1500, 5
	m := newManager(t, 10*time.Second)
	var all sync.WaitGroup
	var mu sync.Mutex
	deadlocks := 0
	for w := range workers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 0))
			for range rounds {
				tx := m.Begin(Options{})
				for range 1 + r.IntN(4) {
					err := m.locks.acquire(t.Context(), tx, uint64(r.IntN(keys)), Mode(r.IntN(2)), true, 10*time.Second)
					if errors.Is(err, sqlerr.LockDeadlock) {
						mu.Lock()
						deadlocks++
						mu.Unlock()
						break
					}
					if err != nil {
						t.Error(err)
						tx.Rollback()
						return
					}
					if r.IntN(2) == 0 {
						runtime.Gosched()
					}
				}
				tx.Rollback()
			}
		})
	}
	all.Wait()
	t.Logf("%d deadlocks", deadlocks)
	if n := m.locks.size(); n > 0 {
		t.Errorf("%d locks are left", n)
	}
}
