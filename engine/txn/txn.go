// Package txn runs transactions: snapshots, row and table locks, and detection
// of conflicts between them.
//
// Transactions have snapshot isolation. A transaction reads one snapshot and its
// own writes; before it writes a key it locks it, waiting for another
// transaction that holds the lock, and fails with sqlerr.WriteConflict when the
// key was committed after its snapshot (first committer wins: no update is
// lost). See Berenson et al., "A Critique of ANSI SQL Isolation Levels", 1995.
//
// A serializable transaction also notes what it reads, and commits only if no
// other has written any of it since its snapshot: see commit.go.
package txn

import (
	"container/list"
	"context"
	"encoding/binary"
	"errors"
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
	wait  time.Duration

	mu      sync.Mutex
	commits uint64     // the number of the last commit
	live    *list.List // of *Tx that may write, by Tx.start
	marks   []marked   // about by number
	marked  int        // keys in marks
	// log has the commits that are under way, and those that a serializable
	// transaction may have to compare its reads with, in the order they began.
	log      []*commit
	logBytes int // of those that have ended
	tracking int // serializable transactions that are live
	feed     feed
}

// marked are the keys that a commit wrote or relied on, kept as long as there are
// transactions whose snapshot is older.
type marked struct {
	commit uint64
	keys   []uint64
	whole  []uint64 // of tables that were written as a whole
	tables []uint64 // of all tables that were written
}

// New returns a manager; lockWait 0 stands for DefaultLockWait.
func New(db *store.DB, lockWait time.Duration) *Manager {
	if lockWait == 0 {
		lockWait = DefaultLockWait
	}
	return &Manager{db: db, locks: newLockTable(), wait: lockWait, live: list.New()}
}

// Close ends all waits for locks, and those to come, with sqlerr.Closed. It is called
// once.
func (m *Manager) Close() { close(m.locks.closed) }

// Options say how a transaction runs.
type Options struct {
	// ReadOnly transactions cost little, and refuse writes and locks with
	// sqlerr.ReadOnly.
	ReadOnly bool
	// Serializable transactions note what they read.
	Serializable bool
	// Spill lets what is written go to temporary files when it is much; no ranges
	// may be deleted then.
	Spill bool
	// Silent transactions do not change what tables have for their users, but how it is
	// kept, or remove what nobody sees any more: they are not captured.
	Silent bool
	// LockWait is how long to wait for a row's lock, TableWait for a table's; 0:
	// the manager's.
	LockWait, TableWait time.Duration
	// Under is another transaction of the same owner, or nil, whose locks of tables this
	// one has as well.
	Under *Tx
}

// Tx is a transaction. It is used by one goroutine. It has no snapshot until
// Start, so that locks can be had before.
type Tx struct {
	m        *Manager
	opts     Options
	store    *store.Tx // nil until Start, then room
	room     store.Tx
	start    uint64        // Manager.commits just before the snapshot
	place    *list.Element // in Manager.live, nil when read-only
	held     []uint64      // locks
	tables   []tableLock
	waiting  *waiter // guarded by lockTable.graph
	valueKey []byte
}

// tableLock is the lock of a table, or of a user's part of it, and what the
// transaction has locked in it.
type tableLock struct {
	id     uint32
	part   uint64 // the hash of its key; 0: the whole table
	parted bool   // of a whole table: rows are locked in parts of it
	locked bool
	mode   Mode // Exclusive: rows need no locks
	rows   int
}

// Row locks are given up for that of their table, in a user table of the user's
// part, when there are very many: from escalateAt rows on if nobody else is
// writing it, from mustEscalateAt on after waiting for those who are.
const (
	escalateAt     = 1 << 14
	mustEscalateAt = 1 << 20
)

var _ store.Locker = (*Tx)(nil)

// Begin makes a transaction; it must be ended with Commit or Rollback.
func (m *Manager) Begin(o Options) *Tx {
	tx := &Tx{m: m}
	tx.Renew(o)
	return tx
}

// Renew makes of a read-only transaction that has ended another one.
func (tx *Tx) Renew(o Options) {
	m := tx.m
	if o.LockWait == 0 {
		o.LockWait = m.wait
	}
	if o.TableWait == 0 {
		o.TableWait = m.wait
	}
	*tx = Tx{m: m, opts: o}
}

// Waiting returns how many transactions wait for locks.
func (m *Manager) Waiting() int {
	m.locks.graph.Lock()
	defer m.locks.graph.Unlock()
	return m.locks.waiting
}

// View calls f with a snapshot.
func (m *Manager) View(f func(*store.Tx) error) error {
	tx := m.Begin(Options{ReadOnly: true})
	defer tx.Rollback()
	if err := tx.Start(); err != nil {
		return err
	}
	return f(tx.Store())
}

// Update calls f and commits what it writes.
func (m *Manager) Update(ctx context.Context, d store.Durability, f func(*store.Tx) error) error {
	tx := m.Begin(Options{})
	defer tx.Rollback()
	if err := tx.Start(); err != nil {
		return err
	}
	if err := f(tx.Store()); err != nil {
		return err
	}
	return tx.Commit(ctx, d)
}

// SetLockWait changes Options.LockWait and TableWait; neither is 0.
func (tx *Tx) SetLockWait(rows, tables time.Duration) {
	tx.opts.LockWait, tx.opts.TableWait = rows, tables
}

// Started reports whether the transaction has its snapshot.
func (tx *Tx) Started() bool { return tx.store != nil }

// ReadOnly reports whether the transaction refuses writes.
func (tx *Tx) ReadOnly() bool { return tx.opts.ReadOnly }

// Store returns what the transaction reads and writes, nil before Start.
func (tx *Tx) Store() *store.Tx { return tx.store }

// Start takes the snapshot unless there is one.
func (tx *Tx) Start() error {
	if tx.store != nil {
		return nil
	}
	tx.enter()
	tx.room = store.Tx{}
	st := &tx.room
	if err := tx.m.db.BeginIn(st); err != nil {
		tx.leave()
		return err
	}
	st.SetLocker(tx)
	if tx.tracks() {
		st.Track()
	}
	if tx.opts.Spill {
		st.CanSpill()
	}
	tx.store = st
	return nil
}

// tracks reports whether what the transaction reads is noted. One that only
// reads sees a moment between commits anyway.
func (tx *Tx) tracks() bool { return tx.opts.Serializable && !tx.opts.ReadOnly }

// Refresh takes a new snapshot, the first one if there is none. What was written
// stays; nobody may rely any more on what was read.
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
	if tx.opts.ReadOnly {
		return
	}
	m := tx.m
	m.mu.Lock()
	tx.start = m.commits
	tx.place = m.live.PushBack(tx)
	if tx.tracks() {
		m.tracking++
	}
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
	if tx.tracks() {
		m.tracking--
		m.trimLog()
	}
	oldest := m.commits
	if e := m.live.Front(); e != nil {
		oldest = e.Value.(*Tx).start
	}
	n := 0
	for n < len(m.marks) && m.marks[n].commit <= oldest {
		m.marked -= len(m.marks[n].keys)
		n++
	}
	seen := m.marks[:n:n]
	m.marks = m.marks[n:]
	m.mu.Unlock()
	for _, s := range seen {
		m.locks.unmark(s)
	}
}

// LockKey implements store.Locker: it locks a key of a table, and fails when the
// key was committed after the snapshot. The lock is held then, too: with a new
// snapshot the transaction can go on.
func (tx *Tx) LockKey(ctx context.Context, key, user []byte, mode Mode, wait bool) error {
	if tx.opts.ReadOnly {
		return errReadOnly()
	}
	id := binary.BigEndian.Uint32(key[1:])
	t, err := tx.rowsOf(ctx, id, user)
	if err != nil {
		return err
	}
	h := tx.m.locks.hash(key)
	if t.mode != Exclusive {
		if err := tx.m.locks.acquire(ctx, tx, h, mode, wait, tx.opts.LockWait); err != nil {
			return err
		}
		if t.rows++; t.rows%escalateAt == 0 {
			if err := tx.escalate(ctx, t); err != nil {
				return err
			}
		}
	}
	if tx.place == nil { // no snapshot to be older than anything
		return nil
	}
	newer := tx.m.locks.newer(h, tx.start)
	if !newer && tx.m.locks.wholes.Load() > 0 {
		newer = tx.m.locks.newer(tx.m.locks.hash(tableKey(id)), tx.start) ||
			len(user) > 0 && tx.m.locks.newer(tx.m.locks.hash(partKey(id, user)), tx.start)
	}
	if newer {
		return sqlerr.WriteConflict.New("The row was changed by another transaction; try restarting transaction")
	}
	return nil
}

// rowsOf returns the lock under which rows of a table are locked: the table's own
// when it is no user's, or held alone, else that of the user's part.
func (tx *Tx) rowsOf(ctx context.Context, id uint32, user []byte) (*tableLock, error) {
	t := tx.table(id, 0)
	if !t.locked {
		if err := tx.LockTable(ctx, id, Shared); err != nil {
			return nil, err
		}
	}
	if len(user) == 0 || t.mode == Exclusive {
		return t, nil
	}
	t.parted = true
	h := tx.m.locks.hash(partKey(id, user))
	p := tx.table(id, h)
	if !p.locked {
		if err := tx.m.locks.acquire(ctx, tx, h, Shared, true, tx.opts.LockWait); err != nil {
			return nil, err
		}
		p.locked = true
	}
	return p, nil
}

// table returns what the transaction has locked of a table, or a part of it. The
// pointer is good until the next call.
func (tx *Tx) table(id uint32, part uint64) *tableLock {
	for i := len(tx.tables) - 1; i >= 0; i-- {
		if t := &tx.tables[i]; t.id == id && t.part == part {
			return t
		}
	}
	tx.tables = append(tx.tables, tableLock{id: id, part: part})
	return &tx.tables[len(tx.tables)-1]
}

// escalate locks a whole table, or part, in which very many rows are locked, if
// that is possible at once or cannot be put off any longer.
func (tx *Tx) escalate(ctx context.Context, t *tableLock) error {
	if tx.opts.Under.has(t.id) {
		t.mode = Exclusive
		return nil
	}
	err := tx.m.locks.acquire(ctx, tx, tx.m.locks.hashOf(t), Exclusive, t.rows >= mustEscalateAt, tx.opts.LockWait)
	switch {
	case err == nil:
		t.mode = Exclusive
	case errors.Is(err, sqlerr.LockNoWait):
		err = nil
	}
	return err
}

// LockAlone implements store.Locker.
func (tx *Tx) LockAlone(ctx context.Context, table uint32, user []byte, try bool) (bool, error) {
	t, err := tx.rowsOf(ctx, table, user)
	if err == nil && try && t.mode != Exclusive {
		err = tx.escalate(ctx, t)
	}
	return err == nil && t.mode == Exclusive, err
}

// LockValues implements store.Locker.
func (tx *Tx) LockValues(ctx context.Context, key []byte, alone bool) error {
	if tx.opts.ReadOnly {
		return errReadOnly()
	}
	mode := Shared
	if alone {
		mode = Exclusive
	}
	tx.valueKey = append(append(tx.valueKey[:0], valueLocks), key...)
	return tx.m.locks.acquire(ctx, tx, tx.m.locks.hash(tx.valueKey), mode, true, tx.opts.LockWait)
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

// The first bytes of the keys of locks of tables, values and definitions; those of
// rows begin with a kv.Space.
const (
	tableLocks      = 0xff
	valueLocks      = 0xfe
	definitionLocks = 0xfd
)

func tableKey(id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(make([]byte, 0, 5), tableLocks), id)
}

// partKey is the key of a user's part of a table.
func partKey(id uint32, user []byte) []byte { return append(tableKey(id), user...) }

// LockTable locks a table against changes of its definition (Shared) or all
// other writers (Exclusive). The catalogue as a whole is table 0.
func (tx *Tx) LockTable(ctx context.Context, id uint32, mode Mode) error {
	if tx.opts.ReadOnly {
		return errReadOnly()
	}
	t := tx.table(id, 0)
	if t.locked && t.mode >= mode {
		return nil
	}
	var err error
	if !tx.opts.Under.has(id) {
		err = tx.m.locks.acquire(ctx, tx, tx.m.locks.hash(tableKey(id)), mode, true, tx.opts.TableWait)
	}
	if err == nil {
		t.locked, t.mode = true, max(t.mode, mode)
	}
	return err
}

// LockUser locks a user's part of a table, by the user's encoding, against all other
// writers.
func (tx *Tx) LockUser(ctx context.Context, id uint32, user []byte) error {
	if err := tx.LockTable(ctx, id, Shared); err != nil {
		return err
	}
	p, err := tx.rowsOf(ctx, id, user)
	if err != nil || p.mode == Exclusive {
		return err
	}
	err = tx.m.locks.acquire(ctx, tx, tx.m.locks.hashOf(p), Exclusive, true, tx.opts.TableWait)
	if err == nil {
		p.mode = Exclusive
	}
	return err
}

// has reports whether tx, which may be nil, has a table's lock alone.
func (tx *Tx) has(id uint32) bool {
	if tx == nil {
		return false
	}
	for i := range tx.tables {
		if t := &tx.tables[i]; t.id == id && t.part == 0 {
			return t.locked && t.mode == Exclusive
		}
	}
	return false
}

// LockDefinition keeps others from changing a table's definition, but not from
// writing to it.
func (tx *Tx) LockDefinition(ctx context.Context, id uint32) error {
	key := binary.BigEndian.AppendUint32([]byte{definitionLocks}, id)
	return tx.m.locks.acquire(ctx, tx, tx.m.locks.hash(key), Exclusive, true, tx.opts.TableWait)
}

// Locks returns how many locks are held.
func (tx *Tx) Locks() int { return len(tx.held) }

// ReleaseLocks gives back the locks had after the first keep, among which are none of
// tables or rows. What was written under them must be committed.
func (tx *Tx) ReleaseLocks(keep int) {
	tx.m.locks.release(tx, keep)
	tx.tables = tx.tables[:0]
}

// Rollback drops the changes and ends the transaction. It is idempotent.
func (tx *Tx) Rollback() {
	if tx.store != nil {
		tx.store.Close()
		tx.store = nil
	}
	tx.ReleaseLocks(0)
	tx.leave()
}
