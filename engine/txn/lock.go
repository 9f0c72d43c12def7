package txn

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Mode is what a lock keeps others from.
type Mode uint8

// The modes: Shared locks of one key go together, an Exclusive one is alone.
const (
	Shared Mode = iota
	Exclusive
)

// lockTable has the locks that are held or waited for, and those whose key was
// committed recently. Waiters are served in order. Locks are held to the end of
// their transaction (strict two-phase locking), on which the search for
// deadlocks relies.
type lockTable struct {
	seed    maphash.Seed
	shards  [64]shard
	timeout time.Duration
	closed  chan struct{} // closed when nobody is to wait any more

	// graph guards Tx.waiting. It is taken before a shard's mutex, never after.
	graph sync.Mutex
}

type shard struct {
	mu    sync.Mutex
	locks map[string]*lock
}

// lock is a key's lock, guarded by its shard's mutex.
type lock struct {
	shard   *shard
	key     string
	mode    Mode // of all holders
	holders []*Tx
	queue   []*waiter
	// committed is the number of the last commit that wrote the key, 0 when
	// every transaction sees that commit.
	committed uint64
	one       [1]*Tx // room for holders
}

// waiter is a request that has to wait.
type waiter struct {
	tx    *Tx
	lock  *lock
	mode  Mode
	done  bool          // granted or given up; guarded by the shard's mutex
	ready chan struct{} // closed when granted
}

func newLockTable(timeout time.Duration) *lockTable {
	t := &lockTable{seed: maphash.MakeSeed(), timeout: timeout, closed: make(chan struct{})}
	for i := range t.shards {
		t.shards[i].locks = map[string]*lock{}
	}
	return t
}

func (t *lockTable) shard(key []byte) *shard {
	return &t.shards[maphash.Bytes(t.seed, key)%uint64(len(t.shards))]
}

// acquire gets tx the lock of key and returns the number of the key's last
// commit. Errors: sqlerr.LockWaitTimeout, LockDeadlock, Interrupted, Closed.
func (t *lockTable) acquire(ctx context.Context, tx *Tx, key []byte, mode Mode) (committed uint64, err error) {
	sh := t.shard(key)
	sh.mu.Lock()
	l := sh.locks[string(key)]
	if l == nil {
		l = &lock{shard: sh, key: string(key)}
		l.holders = l.one[:0]
		sh.locks[l.key] = l
	}
	held := slices.Contains(l.holders, tx)
	switch {
	case held && (mode == Shared || l.mode == Exclusive):
	case held && len(l.holders) == 1:
		l.mode = Exclusive
	case !held && len(l.queue) == 0 && l.admits(mode):
		l.grant(tx, mode)
	default:
		w := &waiter{tx: tx, lock: l, mode: mode, ready: make(chan struct{})}
		if held { // all others wait for its upgrade anyway
			l.queue = slices.Insert(l.queue, 0, w)
		} else {
			l.queue = append(l.queue, w)
		}
		sh.mu.Unlock()
		if err := t.wait(ctx, w); err != nil {
			return 0, err
		}
		sh.mu.Lock()
	}
	committed = l.committed
	sh.mu.Unlock()
	return committed, nil
}

// admits reports whether a lock of mode goes together with the holders'.
func (l *lock) admits(mode Mode) bool {
	return len(l.holders) == 0 || mode == Shared && l.mode == Shared
}

// grant makes tx a holder. Only tx's own goroutine, or one that it waits for,
// calls it.
func (l *lock) grant(tx *Tx, mode Mode) {
	l.mode = mode
	if !slices.Contains(l.holders, tx) {
		l.holders = append(l.holders, tx)
		tx.held = append(tx.held, l)
	}
}

// serve grants the lock to those at the head of the queue who can have it.
func (l *lock) serve() {
	for len(l.queue) > 0 {
		w := l.queue[0]
		upgrade := len(l.holders) == 1 && l.holders[0] == w.tx
		if !upgrade && !l.admits(w.mode) {
			break
		}
		l.queue = l.queue[1:]
		l.grant(w.tx, w.mode)
		w.done = true
		close(w.ready)
	}
	l.drop()
}

// drop forgets the lock when nothing is known of it.
func (l *lock) drop() {
	if len(l.holders) == 0 && len(l.queue) == 0 && l.committed == 0 {
		delete(l.shard.locks, l.key)
	}
}

// wait waits until w is granted.
func (t *lockTable) wait(ctx context.Context, w *waiter) error {
	if t.deadlock(w) {
		return t.giveUp(w, sqlerr.LockDeadlock.New("Deadlock found when trying to get lock; try restarting transaction"))
	}
	timer := time.NewTimer(t.timeout)
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
	l := w.lock
	l.shard.mu.Lock()
	defer l.shard.mu.Unlock()
	if !w.done {
		w.done = true
		l.queue = slices.DeleteFunc(l.queue, func(x *waiter) bool { return x == w })
		l.serve()
	}
	return err
}

func (t *lockTable) waited(w *waiter) {
	t.graph.Lock()
	w.tx.waiting = nil
	t.graph.Unlock()
}

// deadlock notes that w waits and reports whether it waits, through others, for
// its own transaction. Whoever closes a cycle notes its wait last and finds it.
func (t *lockTable) deadlock(w *waiter) bool {
	t.graph.Lock()
	defer t.graph.Unlock()
	w.tx.waiting = w
	seen := map[*Tx]bool{}
	next := w.blockers(nil)
	for len(next) > 0 {
		tx := next[len(next)-1]
		next = next[:len(next)-1]
		if tx == w.tx {
			return true
		}
		if !seen[tx] {
			seen[tx] = true
			if tx.waiting != nil {
				next = tx.waiting.blockers(next)
			}
		}
	}
	return false
}

// blockers appends the transactions that w waits for directly: who is before it
// in the queue, and the holders when it is the first.
func (w *waiter) blockers(dst []*Tx) []*Tx {
	l := w.lock
	l.shard.mu.Lock()
	defer l.shard.mu.Unlock()
	if w.done {
		return dst
	}
	if i := slices.Index(l.queue, w); i > 0 {
		return append(dst, l.queue[i-1].tx)
	}
	for _, tx := range l.holders {
		if tx != w.tx {
			dst = append(dst, tx)
		}
	}
	return dst
}

// release gives back all locks of tx.
func (t *lockTable) release(tx *Tx) {
	for _, l := range tx.held {
		l.shard.mu.Lock()
		l.holders = slices.DeleteFunc(l.holders, func(x *Tx) bool { return x == tx })
		l.serve()
		l.shard.mu.Unlock()
	}
	clear(tx.held)
	tx.held = tx.held[:0]
}

// find returns the lock of a key, or nil.
func (t *lockTable) find(key []byte) *lock {
	sh := t.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.locks[string(key)]
}

// mark notes that the keys of locks were written by commit number n.
func mark(locks []*lock, n uint64) {
	for _, l := range locks {
		l.shard.mu.Lock()
		l.committed = n
		l.shard.mu.Unlock()
	}
}

// unmark forgets commit number n, which every transaction sees.
func unmark(locks []*lock, n uint64) {
	for _, l := range locks {
		l.shard.mu.Lock()
		if l.committed == n {
			l.committed = 0
			l.drop()
		}
		l.shard.mu.Unlock()
	}
}

// size returns the number of locks in memory.
func (t *lockTable) size() int {
	n := 0
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += len(t.shards[i].locks)
		t.shards[i].mu.Unlock()
	}
	return n
}
