package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// namedLocks are the locks of GET_LOCK. A session holds them, whatever its
// transactions do, until it gives them back, is reset or ends.
type namedLocks struct {
	mu       sync.Mutex
	held     map[string]*namedLock // by name in lower case
	waits    map[uint64]string     // the lock that a session waits for
	released chan struct{}         // closed when a lock is given back
}

type namedLock struct {
	owner uint64 // the session's id
	count int64  // how often it was taken
}

func newNamedLocks() *namedLocks {
	return &namedLocks{held: map[string]*namedLock{}, waits: map[uint64]string{}, released: make(chan struct{})}
}

// get takes a lock, waiting so long for it, for ever if wait is negative. It reports
// false when it was not had in time. Errors: sqlerr.UserLockDeadlock, Interrupted.
func (l *namedLocks) get(ctx context.Context, session uint64, name string, wait time.Duration) (bool, error) {
	name = strings.ToLower(name)
	var late <-chan time.Time
	if wait >= 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		late = t.C
	}
	for {
		ok, released, err := l.try(session, name, wait != 0)
		if ok || err != nil || wait == 0 {
			return ok, err
		}
		select {
		case <-released:
		case <-late:
			l.stopWaiting(session)
			return false, nil
		case <-ctx.Done():
			l.stopWaiting(session)
			return false, interrupted(ctx)
		}
	}
}

// try takes a lock if it is free, or the session's already. If it is not the session
// waits, when it is to, for what is returned.
func (l *namedLocks) try(session uint64, name string, wait bool) (bool, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waits, session)
	h := l.held[name]
	switch {
	case h == nil:
		l.held[name] = &namedLock{session, 1}
		return true, nil, nil
	case h.owner == session:
		h.count++
		return true, nil, nil
	case !wait:
		return false, nil, nil
	}
	for next, ok := name, true; ok; next, ok = l.waits[l.held[next].owner] {
		// A lock that somebody waits for may have been given back just now.
		if l.held[next] == nil {
			break
		}
		if l.held[next].owner == session {
			return false, nil, sqlerr.UserLockDeadlock.New("Deadlock found when trying to get user-level lock; try rolling back transaction/releasing locks and restarting lock acquisition.")
		}
	}
	l.waits[session] = name
	return false, l.released, nil
}

func (l *namedLocks) stopWaiting(session uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waits, session)
}

// release gives a lock back once. It reports whether the session held it, and whether
// anybody did.
func (l *namedLocks) release(session uint64, name string) (ours, held bool) {
	name = strings.ToLower(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.held[name]
	if h == nil || h.owner != session {
		return false, h != nil
	}
	if h.count--; h.count == 0 {
		delete(l.held, name)
		l.wake()
	}
	return true, true
}

// releaseAll gives all of a session's locks back and returns how many times they were
// taken.
func (l *namedLocks) releaseAll(session uint64) (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, h := range l.held {
		if h.owner == session {
			n += h.count
			delete(l.held, name)
		}
	}
	if n > 0 {
		l.wake()
	}
	return n
}

func (l *namedLocks) wake() {
	close(l.released)
	l.released = make(chan struct{})
}

// owner returns the id of the session that holds a lock, 0 if it is free.
func (l *namedLocks) owner(name string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.held[strings.ToLower(name)]; h != nil {
		return h.owner
	}
	return 0
}

// sessionLocks are the named locks as a session has them; it implements expr.NamedLocks.
type sessionLocks struct{ s *Session }

func (l sessionLocks) Get(ctx context.Context, name string, wait time.Duration) (bool, error) {
	return l.s.engine.named.get(ctx, l.s.id, name, wait)
}

func (l sessionLocks) Release(name string) (ours, held bool) {
	return l.s.engine.named.release(l.s.id, name)
}

func (l sessionLocks) ReleaseAll() int64 { return l.s.engine.named.releaseAll(l.s.id) }

func (l sessionLocks) Owner(name string) uint64 { return l.s.engine.named.owner(name) }
