package txn

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
)

// Commits that change captured tables are numbered when they begin, and handed on
// in the order of their numbers as soon as they, and all before them, are visible.
// Two that wrote the same row cannot be under way together, so that order is one in
// which they could have run one after the other.

// feed is the captured tables and the commits on them.
type feed struct {
	hand     func([]store.TableChanges)
	captured map[uint32]bool          // by storage id
	paused   map[uint32]chan struct{} // closed when commits go on
	seq      uint64                   // the last number given
	order    []*commit                // numbered and not handed on, in order
	held     int                      // bytes of the changes that have to wait in order
}

// heldBytes is what the changes of commits may take that wait for another to be handed on.
const heldBytes = 64 << 20

// Feed makes hand get the changes of each commit on captured tables, numbered from
// after seq on. It is called with locks held and has to be quick. Feed is called
// before the manager is used.
func (m *Manager) Feed(seq uint64, hand func([]store.TableChanges)) {
	m.feed = feed{hand: hand, seq: seq, captured: map[uint32]bool{}, paused: map[uint32]chan struct{}{}}
}

// NextSeq returns a number that no commit has: those from now on are above it.
func (m *Manager) NextSeq() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feed.seq++
	return m.feed.seq
}

// Capture says whether commits on a table are captured from now on. No commit on it
// may be under way.
func (m *Manager) Capture(storage uint32, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if on {
		m.feed.captured[storage] = true
	} else {
		delete(m.feed.captured, storage)
	}
}

// Between calls f at a moment when no commit on a table is under way, and lets none
// begin until f returns. It reports false while a commit is under way that takes long:
// Settle waits for that.
func (m *Manager) Between(ctx context.Context, storage uint32, f func() error) (ok bool, err error) {
	m.mu.Lock()
	for again := m.feed.paused[storage]; again != nil; again = m.feed.paused[storage] {
		if err := m.await(ctx, again); err != nil {
			return false, err
		}
	}
	if m.underWay(storage, true) != nil {
		m.mu.Unlock()
		return false, nil
	}
	again := make(chan struct{})
	m.feed.paused[storage] = again
	defer func() {
		m.mu.Lock()
		delete(m.feed.paused, storage)
		m.mu.Unlock()
		close(again)
	}()
	for c := m.underWay(storage, false); c != nil; c = m.underWay(storage, false) {
		if err := m.await(ctx, c.done); err != nil {
			return false, err
		}
	}
	m.mu.Unlock()
	return true, f()
}

// Settle waits while commits on a table are under way that take long.
func (m *Manager) Settle(ctx context.Context, storage uint32) error {
	m.mu.Lock()
	for c := m.underWay(storage, true); c != nil; c = m.underWay(storage, true) {
		if err := m.await(ctx, c.done); err != nil {
			return err
		}
	}
	m.mu.Unlock()
	return nil
}

// await gives up m.mu until done is closed. When ctx ends before, it fails and
// leaves m.mu given up.
func (m *Manager) await(ctx context.Context, done <-chan struct{}) error {
	m.mu.Unlock()
	select {
	case <-done:
		m.mu.Lock()
		return nil
	case <-ctx.Done():
		return sqlerr.Interrupted.Wrap(ctx.Err(), "Query execution was interrupted")
	}
}

// underWay returns a commit on a table that is not through, or nil.
func (m *Manager) underWay(storage uint32, large bool) *commit {
	for _, c := range m.log {
		if c.number == 0 && (c.large || !large) && slices.Contains(c.tables, storage) {
			return c
		}
	}
	return nil
}

// admit waits while commits on tables that tx has written are paused. The caller holds
// m.mu.
func (m *Manager) admit(tx *Tx) {
	for {
		var again chan struct{}
		for _, t := range tx.store.Written() {
			if again = m.feed.paused[t]; again != nil {
				break
			}
		}
		if again == nil {
			return
		}
		m.mu.Unlock()
		<-again
		m.mu.Lock()
	}
}

// capture numbers a commit that changes captured tables.
func (m *Manager) capture(tx *Tx, c *commit) {
	if len(m.feed.captured) == 0 || tx.opts.Silent {
		return
	}
	for _, t := range c.tables {
		if m.feed.captured[t] {
			c.captured = append(c.captured, t)
		}
	}
	if c.captured != nil {
		m.feed.seq++
		c.seq = m.feed.seq
		m.feed.order = append(m.feed.order, c)
	}
}

// Through returns a number up to which all commits are visible, and in their tables' logs.
func (m *Manager) Through() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.feed.order) > 0 {
		return m.feed.order[0].seq - 1
	}
	return m.feed.seq
}

// handOn hands on the commits that nothing before them holds up any more; c has just ended.
func (m *Manager) handOn(c *commit) {
	n := 0
	for n < len(m.feed.order) && m.feed.order[n].number != 0 {
		if c := m.feed.order[n]; len(c.changes) > 0 {
			m.feed.held -= c.held
			m.feed.hand(c.changes)
			c.changes = nil
		}
		n++
	}
	m.feed.order = slices.Delete(m.feed.order, 0, n)
	for i := range c.changes { // it has to wait
		w := &c.changes[i]
		switch {
		case w.Rows == nil:
		case m.feed.held+w.Bytes > heldBytes:
			w.Rows = nil // they are read from the log
		default:
			c.held += w.Bytes
			m.feed.held += w.Bytes
		}
	}
}
