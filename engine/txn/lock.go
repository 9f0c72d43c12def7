package txn

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
)

// Mode is what a lock keeps others from.
type Mode = store.LockMode

// The modes, see store.LockMode.
const (
	Shared    = store.LockShared
	Exclusive = store.LockExclusive
)

// lockTable has the locks that are held or waited for, and the keys that were
// committed recently. Waiters are served in order. Locks are held to the end of
// their transaction (strict two-phase locking), on which the search for
// deadlocks relies.
//
// Keys stand here by a hash of 64 bits: two that share one would share a lock,
// which makes a transaction wait in vain but never lets one through.
type lockTable struct {
	seed   maphash.Seed
	shards [64]shard
	closed chan struct{} // closed when nobody is to wait any more
	// wholes counts the marks of tables that were written as a whole.
	wholes atomic.Int64
	// graph guards Tx.waiting, and waiting, how many transactions have one. It is taken
	// before a shard's mutex, never after.
	graph   sync.Mutex
	waiting int
}

type shard struct {
	mu    sync.Mutex
	locks map[uint64]lock
	// marks has the number of the last commit that wrote a key, as long as there
	// are transactions that don't see that commit.
	marks map[uint64]uint64
}

// lock is a key's lock. Nearly all have one holder and nobody who waits, and
// take no memory but their place in the map.
type lock struct {
	mode  Mode
	owner *Tx    // the only holder; nil: see crowd
	crowd *crowd // of a lock that is, or was, contended for
}

// crowd is who has a lock and who wants it, guarded by the shard's mutex.
type crowd struct {
	mode    Mode // of all holders
	holders []*Tx
	queue   []*waiter
}

// waiter is a request that has to wait.
type waiter struct {
	tx    *Tx
	key   uint64
	crowd *crowd
	mode  Mode
	done  bool          // granted or given up; guarded by the shard's mutex
	ready chan struct{} // closed when granted
}

func newLockTable() *lockTable {
	t := &lockTable{seed: maphash.MakeSeed(), closed: make(chan struct{})}
	for i := range t.shards {
		t.shards[i].locks = map[uint64]lock{}
		t.shards[i].marks = map[uint64]uint64{}
	}
	return t
}

func (t *lockTable) hash(key []byte) uint64 { return maphash.Bytes(t.seed, key) }

// hashOf returns the hash of the key of a table's, or part's, lock.
func (t *lockTable) hashOf(l *tableLock) uint64 {
	if l.part != 0 {
		return l.part
	}
	return t.hash(tableKey(l.id))
}

func (t *lockTable) shard(key uint64) *shard { return &t.shards[key%uint64(len(t.shards))] }

// acquire gets tx the lock of key; without wait only if it is to be had at once.
// Errors: sqlerr.LockNoWait, LockWaitTimeout, LockDeadlock, Interrupted, Closed.
func (t *lockTable) acquire(ctx context.Context, tx *Tx, key uint64, mode Mode, wait bool, limit time.Duration) error {
	sh := t.shard(key)
	sh.mu.Lock()
	l, known := sh.locks[key]
	switch {
	case !known:
		sh.locks[key] = lock{mode: mode, owner: tx}
		tx.held = append(tx.held, key)
		sh.mu.Unlock()
		return nil
	case l.owner == tx:
		if mode > l.mode {
			sh.locks[key] = lock{mode: mode, owner: tx}
		}
		sh.mu.Unlock()
		return nil
	}
	c := l.crowd
	if c == nil {
		c = &crowd{mode: l.mode, holders: []*Tx{l.owner}}
		sh.locks[key] = lock{crowd: c}
	}
	held := slices.Contains(c.holders, tx)
	switch {
	case held && (mode != Exclusive || c.mode == Exclusive):
	case held && len(c.holders) == 1:
		c.mode = Exclusive
	case !held && len(c.queue) == 0 && c.admits(mode):
		c.grant(tx, key, mode)
	case !wait:
		sh.mu.Unlock()
		return sqlerr.LockNoWait.New("Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set.")
	default:
		w := &waiter{tx: tx, key: key, crowd: c, mode: mode, ready: make(chan struct{})}
		if held { // all others wait for its upgrade anyway
			c.queue = slices.Insert(c.queue, 0, w)
		} else {
			c.queue = append(c.queue, w)
		}
		sh.mu.Unlock()
		return t.wait(ctx, w, limit)
	}
	sh.mu.Unlock()
	return nil
}

// admits reports whether a lock of mode goes together with the holders'.
func (c *crowd) admits(mode Mode) bool {
	return len(c.holders) == 0 || mode != Exclusive && c.mode != Exclusive
}

// grant makes tx a holder. Only tx's own goroutine, or one that it waits for,
// calls it.
func (c *crowd) grant(tx *Tx, key uint64, mode Mode) {
	c.mode = mode
	if !slices.Contains(c.holders, tx) {
		c.holders = append(c.holders, tx)
		tx.held = append(tx.held, key)
	}
}

// serve grants the lock of key to those at the head of the queue who can have
// it, and forgets it when nobody has or wants it.
func (sh *shard) serve(key uint64, c *crowd) {
	for len(c.queue) > 0 {
		w := c.queue[0]
		upgrade := len(c.holders) == 1 && c.holders[0] == w.tx
		if !upgrade && !c.admits(w.mode) {
			break
		}
		c.queue = c.queue[1:]
		c.grant(w.tx, key, w.mode)
		w.done = true
		close(w.ready)
	}
	if len(c.holders) == 0 && len(c.queue) == 0 {
		delete(sh.locks, key)
	}
}

// wait waits until w is granted.
func (t *lockTable) wait(ctx context.Context, w *waiter, limit time.Duration) error {
	if t.deadlock(w) {
		return t.giveUp(w, sqlerr.LockDeadlock.New("Deadlock found when trying to get lock; try restarting transaction"))
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.ready:
		t.waited(w)
		return nil
	case <-ctx.Done():
		return t.giveUp(w, sqlerr.Interrupted.Wrap(ctx.Err(), "Query execution was interrupted"))
	case <-t.closed:
		return t.giveUp(w, sqlerr.Closed.New("the database is closed"))
	case <-timer.C:
		return t.giveUp(w, sqlerr.LockWaitTimeout.New("Lock wait timeout exceeded; try restarting transaction"))
	}
}

// giveUp ends a wait with err. A lock that was granted just now stays held.
func (t *lockTable) giveUp(w *waiter, err error) error {
	t.waited(w)
	sh := t.shard(w.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !w.done {
		w.done = true
		w.crowd.queue = slices.DeleteFunc(w.crowd.queue, func(x *waiter) bool { return x == w })
		sh.serve(w.key, w.crowd)
	}
	return err
}

func (t *lockTable) waited(w *waiter) {
	t.graph.Lock()
	w.tx.waiting = nil
	t.waiting--
	t.graph.Unlock()
}

// deadlock notes that w waits and reports whether it waits, through others, for
// its own transaction. Whoever closes a cycle notes its wait last and finds it.
func (t *lockTable) deadlock(w *waiter) bool {
	t.graph.Lock()
	defer t.graph.Unlock()
	w.tx.waiting = w
	t.waiting++
	s := search{t: t, root: w.tx, seen: map[*Tx]bool{}}
	s.follow(w)
	for len(s.next) > 0 && !s.found {
		tx := s.next[len(s.next)-1]
		s.next = s.next[:len(s.next)-1]
		if tx.waiting != nil {
			s.follow(tx.waiting)
		}
	}
	return s.found
}

// search finds out for whom a transaction waits through others.
type search struct {
	t     *lockTable
	root  *Tx // who is looked for
	seen  map[*Tx]bool
	next  []*Tx // seen, but not followed
	found bool
}

// meet notes that someone waits for tx, and tells whether that is news.
func (s *search) meet(tx *Tx) bool {
	s.found = s.found || tx == s.root
	if s.seen[tx] {
		return false
	}
	s.seen[tx] = true
	return true
}

// follow meets those whom w waits for: who is before it in the queue, and the
// holders, unless all of them and w want to share the lock. All are met here, since one
// in the queue need not have noted its wait yet.
func (s *search) follow(w *waiter) {
	sh := s.t.shard(w.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if w.done {
		return
	}
	n := slices.Index(w.crowd.queue, w)
	for w.mode == Shared && n > 0 && w.crowd.queue[n-1].mode == Shared {
		n--
	}
	for _, q := range w.crowd.queue[:n] {
		s.meet(q.tx) // who waits for others that are met here, too
	}
	if n == 0 && w.mode == Shared && w.crowd.mode == Shared {
		return
	}
	for _, tx := range w.crowd.holders {
		if tx == w.tx && n == 0 {
			continue // an upgrade waits for the others; those before it wait for it, too
		}
		if s.meet(tx) {
			s.next = append(s.next, tx)
		}
	}
}

// release gives back the locks of tx but for the first keep.
func (t *lockTable) release(tx *Tx, keep int) {
	for _, key := range tx.held[keep:] {
		sh := t.shard(key)
		sh.mu.Lock()
		if l := sh.locks[key]; l.crowd == nil {
			delete(sh.locks, key)
		} else {
			l.crowd.holders = slices.DeleteFunc(l.crowd.holders, func(x *Tx) bool { return x == tx })
			sh.serve(key, l.crowd)
		}
		sh.mu.Unlock()
	}
	if keep == 0 && cap(tx.held) > 1024 {
		tx.held = nil
	}
	tx.held = tx.held[:keep]
}

// newer reports whether a commit after number since wrote key.
func (t *lockTable) newer(key, since uint64) bool {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.marks[key] > since
}

// mark notes what a commit wrote.
func (t *lockTable) mark(mk marked) {
	t.wholes.Add(int64(len(mk.whole)))
	for _, keys := range [][]uint64{mk.keys, mk.whole} {
		for _, key := range keys {
			sh := t.shard(key)
			sh.mu.Lock()
			sh.marks[key] = max(sh.marks[key], mk.commit)
			sh.mu.Unlock()
		}
	}
}

// unmark forgets what a commit wrote that every transaction sees.
func (t *lockTable) unmark(mk marked) {
	for _, keys := range [][]uint64{mk.keys, mk.whole} {
		for _, key := range keys {
			sh := t.shard(key)
			sh.mu.Lock()
			if sh.marks[key] == mk.commit {
				delete(sh.marks, key)
			}
			sh.mu.Unlock()
		}
	}
	t.wholes.Add(-int64(len(mk.whole)))
}

// size returns the number of locks and marks in memory.
func (t *lockTable) size() int {
	n := 0
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += len(t.shards[i].locks) + len(t.shards[i].marks)
		t.shards[i].mu.Unlock()
	}
	return n
}
