package rocks

import "sync"

// group lets those who wait for stable storage share a sync: while one is under way,
// those that come wait for the next, which the first of them makes.
//
// RocksDB would do the same for writes that are synced. But its writers wait in C, where
// each keeps a thread, and what they write shows only after the sync.
type group struct {
	mu        sync.Mutex
	now, next *groupSync // under way or done; the one that those who come wait for
}

type groupSync struct {
	done chan struct{}
	err  error
}

// sync returns once a call of sync, which all callers of the group have, has begun after
// it and returned.
func (g *group) sync(sync func() error) error {
	g.mu.Lock()
	if s := g.next; s != nil {
		g.mu.Unlock()
		<-s.done
		return s.err
	}
	s, before := &groupSync{done: make(chan struct{})}, g.now
	g.next = s
	g.mu.Unlock()
	if before != nil {
		<-before.done
	}
	g.mu.Lock()
	g.now, g.next = s, nil
	g.mu.Unlock()
	s.err = sync()
	close(s.done)
	return s.err
}
