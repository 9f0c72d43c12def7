// Package txn runs transactions: snapshots, row and table locks, and detection
// of conflicts between them.
//
// Transactions have snapshot isolation. A transaction reads one snapshot and its
// own writes; before it writes a key it locks it, waiting for another
// transaction that holds the lock, and fails with sqlerr.WriteConflict when the
// key was committed after its snapshot (first committer wins: no update is
// lost). See Berenson et al., "A Critique of ANSI SQL Isolation Levels", 1995.
package txn

import (
	"container/list"
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
)

// DefaultLockWait is how long a lock is waited for, MySQL's
// innodb_lock_wait_timeout.
const DefaultLockWait = 50 * time.Second

// Manager makes the transactions of a database. It may be used from several
// goroutines at once.
type Manager struct {
	db    *store.DB
	locks *lockTable

	mu      sync.Mutex
	commits uint64     // the number of the last commit
	live    *list.List // of *Tx that may write, by Tx.start
	marks   []marked   // about by number
}

// marked are the locks whose keys a commit wrote, kept as long as there are
// transactions whose snapshot is older.
type marked struct {
	commit uint64
	locks  []*lock
}

// New returns a manager; lockWait 0 stands for DefaultLockWait.
func New(db *store.DB, lockWait time.Duration) *Manager {
	if lockWait == 0 {
		lockWait = DefaultLockWait
	}
	return &Manager{db: db, locks: newLockTable(lockWait), live: list.New()}
}

// Close ends all waits for locks, and those to come, with sqlerr.Closed. It is called
// once.
func (m *Manager) Close() { close(m.locks.closed) }

// Tx is a transaction. It is used by one goroutine. It has no snapshot until
// Start, so that locks can be had before.
type Tx struct {
	m        *Manager
	readOnly bool
	store    *store.Tx     // nil until Start
	start    uint64        // Manager.commits just before the snapshot
	place    *list.Element // in Manager.live, nil when read-only
	held     []*lock
	waiting  *waiter // guarded by lockTable.graph
	valueKey []byte
}

var _ store.Locker = (*Tx)(nil)

// Begin makes a transaction; it must be ended with Commit or Rollback. A
// read-only one costs little, and refuses writes with sqlerr.ReadOnly.
func (m *Manager) Begin(readOnly bool) *Tx { return &Tx{m: m, readOnly: readOnly} }

// Started reports whether the transaction has its snapshot.
func (tx *Tx) Started() bool { return tx.store != nil }

// ReadOnly reports whether the transaction refuses writes.
func (tx *Tx) ReadOnly() bool { return tx.readOnly }

// Store returns what the transaction reads and writes, nil before Start.
func (tx *Tx) Store() *store.Tx { return tx.store }

// Start takes the snapshot unless there is one.
func (tx *Tx) Start() error {
	if tx.store != nil {
		return nil
	}
	tx.enter()
	st, err := tx.m.db.Begin()
	if err != nil {
		tx.leave()
		return err
	}
	st.SetLocker(tx)
	tx.store = st
	return nil
}

// Refresh takes a new snapshot, the first one if there is none. What was written
// stays.
func (tx *Tx) Refresh() error {
	if tx.store == nil {
		return tx.Start()
	}
	tx.leave()
	tx.enter()
	return tx.store.Refresh()
}

// enter makes the transaction live: commits from now on matter to it.
func (tx *Tx) enter() {
	if tx.readOnly {
		return
	}
	m := tx.m
	m.mu.Lock()
	tx.start = m.commits
	tx.place = m.live.PushBack(tx)
	m.mu.Unlock()
}

// leave ends what enter began and forgets the commits that mattered to no
// other transaction.
func (tx *Tx) leave() {
	if tx.place == nil {
		return
	}
	m := tx.m
	m.mu.Lock()
	m.live.Remove(tx.place)
	tx.place = nil
	oldest := m.commits
	if e := m.live.Front(); e != nil {
		oldest = e.Value.(*Tx).start
	}
	n := 0
	for n < len(m.marks) && m.marks[n].commit <= oldest {
		n++
	}
	seen := m.marks[:n:n]
	m.marks = m.marks[n:]
	m.mu.Unlock()
	for _, s := range seen {
		unmark(s.locks, s.commit)
	}
}

// LockKey implements store.Locker: it locks a key of a table exclusively, and
// fails when the key was committed after the snapshot. The lock is held then,
// too: with a new snapshot the transaction can go on.
func (tx *Tx) LockKey(ctx context.Context, key []byte) error {
	if tx.readOnly {
		return errReadOnly()
	}
	committed, err := tx.m.locks.acquire(ctx, tx, key, Exclusive)
	if err == nil && committed > tx.start {
		err = sqlerr.WriteConflict.New("The row was changed by another transaction; try restarting transaction")
	}
	return err
}

// LockValues implements store.Locker.
func (tx *Tx) LockValues(ctx context.Context, key []byte, alone bool) error {
	if tx.readOnly {
		return errReadOnly()
	}
	mode := Shared
	if alone {
		mode = Exclusive
	}
	tx.valueKey = append(append(tx.valueKey[:0], valueLocks), key...)
	_, err := tx.m.locks.acquire(ctx, tx, tx.valueKey, mode)
	return err
}

// Latest implements store.Locker. A commit that is not counted yet holds its
// locks still.
func (tx *Tx) Latest() bool {
	tx.m.mu.Lock()
	defer tx.m.mu.Unlock()
	return tx.place != nil && tx.m.commits == tx.start
}

func errReadOnly() error {
	return sqlerr.ReadOnly.New("Cannot execute statement in a READ ONLY transaction.")
}

// The first bytes of the keys of table locks and of locks of values; those of
// rows begin with a kv.Space.
const (
	tableLocks = 0xff
	valueLocks = 0xfe
)

// LockTable locks a table against changes of its definition (Shared) or all
// other writers (Exclusive). The catalogue as a whole is table 0.
func (tx *Tx) LockTable(ctx context.Context, id uint32, mode Mode) error {
	if tx.readOnly {
		return errReadOnly()
	}
	key := binary.BigEndian.AppendUint32(append(make([]byte, 0, 5), tableLocks), id)
	_, err := tx.m.locks.acquire(ctx, tx, key, mode)
	return err
}

// ReleaseLocks gives back all locks. Nothing may have been written under them.
func (tx *Tx) ReleaseLocks() { tx.m.locks.release(tx) }

// Commit writes the changes, all or none, and ends the transaction, also when
// it fails. Commits of several transactions share one sync.
func (tx *Tx) Commit(ctx context.Context, d store.Durability) error {
	defer tx.Rollback()
	if tx.store == nil || tx.store.Empty() {
		return nil
	}
	written, known := tx.written()
	if err := tx.store.Commit(ctx, d); err != nil {
		return err
	}
	if !known {
		written = tx.held
	}
	tx.committed(written)
	return nil
}

// written returns the locks of the keys written, which is worth finding out
// only while there are other transactions.
func (tx *Tx) written() (locks []*lock, known bool) {
	tx.m.mu.Lock()
	alone := tx.m.live.Len() <= 1
	tx.m.mu.Unlock()
	if alone {
		return nil, false
	}
	tx.store.Keys(func(key []byte) {
		if l := tx.m.locks.find(key); l != nil {
			locks = append(locks, l)
		}
	})
	return locks, true
}

// committed numbers the commit. A transaction that began before may have a
// snapshot without it and has to find the marks; one that begins afterwards
// sees it. The locks are still held.
func (tx *Tx) committed(written []*lock) {
	m := tx.m
	m.mu.Lock()
	m.commits++
	n := m.commits
	others := m.live.Len() > 1
	m.mu.Unlock()
	if !others || len(written) == 0 {
		return
	}
	written = append([]*lock(nil), written...)
	mark(written, n)
	m.mu.Lock()
	m.marks = append(m.marks, marked{n, written})
	m.mu.Unlock()
}

// Rollback drops the changes and ends the transaction. It is idempotent.
func (tx *Tx) Rollback() {
	if tx.store != nil {
		tx.store.Close()
		tx.store = nil
	}
	tx.m.locks.release(tx)
	tx.leave()
}
