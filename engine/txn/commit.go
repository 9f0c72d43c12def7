package txn

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
)

// Serializable transactions that write are ordered by when their commits
// began. Each is checked then: if another that began to commit before it, and
// that its snapshot may not have, wrote what it read, it fails; else all that it
// read is as if read now. So no transaction depends on a later one, phantoms
// included, for ranges are compared with keys. What is committed also becomes
// visible in an order that keeps to this: a commit waits for one that read what
// it overwrites. Any snapshot is then a state between two transactions in that
// order, which is why those that only read need no check.
//
// This is backward validation; see Kung and Robinson, "On Optimistic Methods for
// Concurrency Control", 1981.

// commit is one that has begun.
type commit struct {
	number uint64 // 0: under way
	writes *store.Writes
	size   int           // bytes of writes, once it has ended
	reads  *store.Reads  // of a serializable transaction
	done   chan struct{} // closed at its end

	tables []uint32 // that it writes
	large  bool     // it takes long
	// Of one on captured tables: which these are, its place in their order, and
	// what it changes in them.
	captured []uint32
	seq      uint64
	changes  []store.TableChanges
	held     int // bytes of them, once it has to wait in the order
}

const (
	// manyKeys is from how many keys on a commit is noted for whole tables.
	manyKeys = 1 << 17
	// maxLog is how many commits are kept for serializable transactions to be compared
	// with, maxLogBytes about how much their writes take. When there are more, ranges of
	// keys stand for them.
	maxLog      = 1 << 12
	maxLogBytes = 8 << 20
	// maxMarks is how many marks there are of commits that not every transaction
	// sees. When there are more, whole tables stand for keys.
	maxMarks = 1 << 20
)

// Commit writes the changes, all or none, and ends the transaction, also when
// it fails. Commits of several transactions share one sync. One that cannot be
// put in a serial order with others is sqlerr.WriteConflict.
func (tx *Tx) Commit(ctx context.Context, d store.Durability) error {
	defer tx.Rollback()
	_, err := tx.TryCommit(ctx, d)
	return err
}

// TryCommit is Commit that leaves the transaction as it was, with again true, when
// it is in conflict with others: it can be rolled back to its begin and run with
// a new snapshot.
func (tx *Tx) TryCommit(ctx context.Context, d store.Durability) (again bool, err error) {
	if tx.store == nil || tx.store.Empty() {
		return false, nil
	}
	if err := tx.store.Finish(ctx); err != nil {
		return false, err
	}
	c, before := tx.beginCommit()
	if c == nil {
		return true, sqlerr.WriteConflict.New("What the transaction has read was changed by another; try restarting transaction")
	}
	for _, b := range before {
		<-b.done
	}
	if c.captured != nil {
		c.changes, err = tx.store.Capture(ctx, c.seq, c.captured)
	}
	ended := false
	end := func(ok bool) {
		if !ended {
			ended = true
			tx.endCommit(c, ok)
		}
	}
	if err == nil {
		err = tx.store.Commit(ctx, d, tx.early(c, end))
	}
	end(err == nil)
	return false, err
}

// early returns what ends a commit before it is on stable storage: who waits for its rows
// need not wait for that, too, since what they write comes there after it. (Early lock
// release; see Johnson et al., "Aether: A Scalable Approach to Logging", 2010. InnoDB
// does so.) Changes that are handed on to subscribers, and those of whole tables, are not
// ended early: it returns nil.
func (tx *Tx) early(c *commit, end func(ok bool)) func() {
	if c.captured != nil || slices.ContainsFunc(tx.tables, func(t tableLock) bool { return t.mode == Exclusive }) {
		return nil
	}
	return func() {
		end(true)
		tx.ReleaseLocks(0)
	}
}

// beginCommit gives the commit its place in the order, and returns those that
// have to end first. It returns nil when there is no place for it.
func (tx *Tx) beginCommit() (c *commit, before []*commit) {
	c = &commit{writes: tx.store.Writes(), done: make(chan struct{}), tables: tx.store.Written(), large: tx.store.Large()}
	if tx.tracks() {
		c.reads = tx.store.Reads()
	}
	m := tx.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.feed.paused) > 0 {
		m.admit(tx)
	}
	for _, o := range m.log {
		if c.reads != nil && (o.number == 0 || o.number > tx.start) && o.writes.Touch(c.reads) {
			return nil, nil
		}
		if o.number == 0 && o.reads != nil && c.writes.Touch(o.reads) {
			before = append(before, o)
		}
	}
	m.log = append(m.log, c)
	m.capture(tx, c)
	return c, before
}

// endCommit numbers the commit. A transaction that began before may have a
// snapshot without it and has to find the marks; one that begins afterwards
// sees it. The locks are still held.
func (tx *Tx) endCommit(c *commit, ok bool) {
	m := tx.m
	m.mu.Lock()
	m.commits++
	c.number = m.commits
	c.reads = nil
	if !ok {
		c.changes = nil
	}
	if c.seq > 0 {
		m.handOn(c)
	}
	if !ok || m.tracking == 0 {
		m.log = slices.DeleteFunc(m.log, func(o *commit) bool { return o == c })
	} else {
		c.size = c.writes.Size()
		if m.logBytes += c.size; m.logBytes > maxLogBytes || len(m.log) > maxLog {
			m.mergeLog()
		}
	}
	others := m.live.Len() > 1
	m.mu.Unlock()
	close(c.done)
	if !ok || !others {
		return
	}
	mk := marked{commit: c.number}
	for i := range tx.tables {
		if t := &tx.tables[i]; !t.parted || t.mode == Exclusive {
			mk.tables = append(mk.tables, m.locks.hashOf(t))
		}
	}
	if n, counted := c.writes.Len(); counted && n < manyKeys {
		c.writes.Keys(func(key []byte) { mk.keys = append(mk.keys, m.locks.hash(key)) })
		c.writes.Tables(func(id uint32, user []byte) { mk.whole = append(mk.whole, m.locks.hash(partKey(id, user))) })
	} else {
		mk.whole = mk.tables
	}
	if len(mk.keys)+len(mk.whole) == 0 {
		return
	}
	m.locks.mark(mk)
	m.mu.Lock()
	m.marks = append(m.marks, mk)
	if m.marked += len(mk.keys); m.marked > maxMarks {
		m.mergeMarks()
	}
	m.mu.Unlock()
}

// mergeLog makes one of the commits that have ended. Who began in their midst is
// compared with all of them, and may fail in vain. The caller holds m.mu.
func (m *Manager) mergeLog() {
	one := &commit{}
	var writes []*store.Writes
	m.log = slices.DeleteFunc(m.log, func(c *commit) bool {
		if c.number != 0 {
			one.number = max(one.number, c.number)
			writes = append(writes, c.writes)
		}
		return c.number != 0
	})
	one.writes = store.MergeWrites(writes)
	one.size = one.writes.Size()
	m.log = append(m.log, one)
	m.logBytes = one.size
}

// mergeMarks forgets marks of keys that were written again later. If that is not
// enough, whole tables stand for all. The caller holds m.mu.
func (m *Manager) mergeMarks() {
	m.marked = 0
	for i := range m.marks {
		mk := &m.marks[i]
		mk.keys = slices.DeleteFunc(mk.keys, func(key uint64) bool { return m.locks.newer(key, mk.commit) })
		mk.keys = slices.Clip(mk.keys)
		m.marked += len(mk.keys)
	}
	m.marks = slices.DeleteFunc(m.marks, func(mk marked) bool { return len(mk.keys)+len(mk.whole) == 0 })
	if m.marked <= maxMarks/2 {
		return
	}
	var all marked
	for _, mk := range m.marks {
		all.commit = max(all.commit, mk.commit)
		for _, t := range slices.Concat(mk.tables, mk.whole) {
			if !slices.Contains(all.whole, t) {
				all.whole = append(all.whole, t)
			}
		}
	}
	m.locks.mark(all)
	for _, mk := range m.marks {
		m.locks.unmark(mk)
	}
	m.marks, m.marked = []marked{all}, 0
}

// trimLog forgets the commits that no serializable transaction has to compare
// itself with. The caller holds m.mu.
func (m *Manager) trimLog() {
	if len(m.log) == 0 {
		return
	}
	oldest := m.commits
	if m.tracking > 0 {
		for e := m.live.Front(); e != nil; e = e.Next() {
			if tx := e.Value.(*Tx); tx.tracks() {
				oldest = tx.start
				break
			}
		}
	}
	m.logBytes = 0
	m.log = slices.DeleteFunc(m.log, func(c *commit) bool {
		gone := c.number != 0 && c.number <= oldest
		if !gone {
			m.logBytes += c.size
		}
		return gone
	})
}
