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
	reads  *store.Reads  // of a serializable transaction
	done   chan struct{} // closed at its end
}

// manyKeys is from how many keys on a commit is noted for whole tables.
const manyKeys = 1 << 17

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
	c, before := tx.beginCommit()
	if c == nil {
		return true, sqlerr.WriteConflict.New("What the transaction has read was changed by another; try restarting transaction")
	}
	for _, b := range before {
		<-b.done
	}
	err = tx.store.Commit(ctx, d)
	tx.endCommit(c, err == nil)
	return false, err
}

// beginCommit gives the commit its place in the order, and returns those that
// have to end first. It returns nil when there is no place for it.
func (tx *Tx) beginCommit() (c *commit, before []*commit) {
	c = &commit{writes: tx.store.Writes(), done: make(chan struct{})}
	if tx.tracks() {
		c.reads = tx.store.Reads()
	}
	m := tx.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.log {
		if c.reads != nil && (o.number == 0 || o.number > tx.start) && o.writes.Touch(c.reads) {
			return nil, nil
		}
		if o.number == 0 && o.reads != nil && c.writes.Touch(o.reads) {
			before = append(before, o)
		}
	}
	m.log = append(m.log, c)
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
	if !ok || m.tracking == 0 {
		m.log = slices.DeleteFunc(m.log, func(o *commit) bool { return o == c })
	}
	others := m.live.Len() > 1
	m.mu.Unlock()
	close(c.done)
	if !ok || !others {
		return
	}
	mk := marked{commit: c.number, keys: slices.Clone(tx.refs)}
	if n, counted := c.writes.Len(); counted && n < manyKeys {
		c.writes.Keys(func(key []byte) { mk.keys = append(mk.keys, m.locks.hash(key)) })
	} else {
		for _, t := range tx.tables {
			mk.keys = append(mk.keys, m.locks.hash(tableKey(t.id)))
		}
		mk.tables = len(tx.tables)
		m.locks.wholes.Add(int64(mk.tables))
	}
	if len(mk.keys) == 0 {
		return
	}
	m.locks.mark(mk.keys, c.number)
	m.mu.Lock()
	m.marks = append(m.marks, mk)
	m.mu.Unlock()
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
	m.log = slices.DeleteFunc(m.log, func(c *commit) bool { return c.number != 0 && c.number <= oldest })
}
