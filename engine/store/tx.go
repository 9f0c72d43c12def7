package store

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// Tx is a transaction's reads and writes: a snapshot, and a buffer of changes
// over it that Commit writes at once. It is used by one goroutine.
//
// A Tx is a kv.ReadWriter, so that package sqlmeta's records change together
// with tables' rows. It resolves no conflicts between transactions: its Locker,
// asked for the keys that tables write, does.
type Tx struct {
	db      *DB
	snap    *snapshot // nil: closed
	buffer  kv.Overlay
	views   []*view // that read buffer: they get a copy before it changes
	locker  Locker
	reads   *Reads                 // nil: not tracked
	tables  []uint32               // written, of a transaction that may spill
	touched map[*sequence]struct{} // whose values this transaction uses
	lockKey []byte
	spillAt int // bytes of changes; 0: never
}

var _ kv.ReadWriter = (*Tx)(nil)

// Mark is a state of a transaction's buffer to go back to.
type Mark = kv.Mark

// snapshot is a kv.Snapshot that its transaction and open scanners share.
type snapshot struct {
	kv.Snapshot
	refs atomic.Int32
}

func (s *snapshot) release() {
	if s.refs.Add(-1) == 0 {
		s.Snapshot.Release()
	}
}

// view is what a transaction sees at one moment, for as long as it is needed:
// also after the transaction went on or was closed.
type view struct {
	kv.Reader
	snap *snapshot
	tx   *Tx // that has it among its views, or nil
}

func (v *view) release() {
	if o, frozen := v.Reader.(*kv.Overlay); frozen && v.tx == nil {
		o.Release()
	}
	if v.tx != nil {
		v.tx.views = slices.DeleteFunc(v.tx.views, func(w *view) bool { return w == v })
	}
	v.snap.release()
}

// Begin starts a transaction on all that was committed so far.
func (db *DB) Begin() (*Tx, error) {
	tx := &Tx{db: db}
	if err := tx.takeSnapshot(); err != nil {
		return nil, err
	}
	tx.rebase()
	return tx, nil
}

// base is what lies under the buffer.
func (tx *Tx) base() kv.Reader {
	if tx.reads != nil {
		return &tracked{tx.snap, tx.reads}
	}
	return tx.snap
}

func (tx *Tx) rebase() { tx.buffer.Rebase(tx.base()) }

func (tx *Tx) takeSnapshot() error {
	s, err := tx.db.kv.Snapshot()
	if err != nil {
		return err
	}
	tx.snap = &snapshot{Snapshot: s}
	tx.snap.refs.Store(1)
	return nil
}

// newView returns the state of this moment; the caller releases it.
func (tx *Tx) newView() (*view, error) {
	if tx.snap == nil {
		return nil, errClosed
	}
	v := &view{Reader: tx.base(), snap: tx.snap}
	if !tx.buffer.Empty() {
		v.Reader, v.tx = &tx.buffer, tx
		tx.views = append(tx.views, v)
	}
	tx.snap.refs.Add(1)
	return v, nil
}

// change returns the buffer to be changed.
func (tx *Tx) change() *kv.Overlay {
	if len(tx.views) > 0 {
		for _, v := range tx.views {
			v.Reader, v.tx = tx.buffer.Freeze(), nil
		}
		clear(tx.views)
		tx.views = tx.views[:0]
	}
	return &tx.buffer
}

// SetLocker sets whom to ask before keys are written; nil: nobody.
func (tx *Tx) SetLocker(l Locker) { tx.locker = l }

// lock asks for a key of a table.
func (tx *Tx) lock(ctx context.Context, s kv.Space, key []byte, mode LockMode, wait bool) error {
	if tx.locker == nil {
		return nil
	}
	tx.lockKey = append(append(tx.lockKey[:0], byte(s)), key...)
	return tx.locker.LockKey(ctx, tx.lockKey, mode, wait)
}

// Get implements kv.Reader.
func (tx *Tx) Get(ctx context.Context, s kv.Space, key []byte) ([]byte, bool, error) {
	return tx.buffer.Get(ctx, s, key)
}

// MultiGet implements kv.Reader.
func (tx *Tx) MultiGet(ctx context.Context, s kv.Space, keys, values [][]byte) error {
	return tx.buffer.MultiGet(ctx, s, keys, values)
}

// Scan implements kv.Reader. The scanner must be closed before the transaction.
func (tx *Tx) Scan(s kv.Space, r kv.Range) kv.Scanner { return tx.buffer.Scan(s, r) }

// Put implements kv.Writer.
func (tx *Tx) Put(s kv.Space, key, value []byte) { tx.change().Put(s, key, value) }

// Delete implements kv.Writer.
func (tx *Tx) Delete(s kv.Space, key []byte) { tx.change().Delete(s, key) }

// DeleteRange implements kv.Writer.
func (tx *Tx) DeleteRange(s kv.Space, start, end []byte) { tx.change().DeleteRange(s, start, end) }

// Mark returns the present state of the buffer. It makes changes take more
// memory until Forget, or the end.
func (tx *Tx) Mark() Mark { return tx.buffer.Mark() }

// RollbackTo undoes the changes made since m, which stays usable; marks made
// since are void. What sequences gave out stays given out.
func (tx *Tx) RollbackTo(m Mark) { tx.change().RollbackTo(m) }

// Forget makes all marks void.
func (tx *Tx) Forget() { tx.buffer.Forget() }

// CanSpill lets changes go to temporary files when they are many. They must not
// delete ranges then.
func (tx *Tx) CanSpill() {
	if tx.db.spill != nil {
		tx.spillAt = tx.db.spillAt
		tx.buffer.SetSpill(tx.db.spill)
	}
}

// defaultSpill is how many bytes of changes a transaction keeps in memory.
const defaultSpill = 32 << 20

// wrote notes that a table is written.
func (tx *Tx) wrote(table uint32) {
	if tx.spillAt > 0 && !slices.Contains(tx.tables, table) {
		tx.tables = append(tx.tables, table)
	}
}

// relieve spills the changes when they are many.
func (tx *Tx) relieve(ctx context.Context) error {
	if tx.spillAt == 0 || tx.buffer.Size() < tx.spillAt {
		return nil
	}
	return tx.change().Spill(ctx)
}

// Empty reports whether there is nothing to commit.
func (tx *Tx) Empty() bool { return tx.buffer.Empty() }

// Size returns about how many bytes the buffer takes.
func (tx *Tx) Size() int { return tx.buffer.Size() }

// Commit writes the changes, all or none, and empties the buffer. The
// transaction still reads its snapshot afterwards: Refresh it, or Close it.
func (tx *Tx) Commit(ctx context.Context, d Durability) error {
	switch {
	case tx.snap == nil:
		return errClosed
	case tx.buffer.Empty():
		return nil
	case tx.db.readOnly:
		return sqlerr.ReadOnly.New("The database is open for reading only")
	}
	if err := tx.buffer.Err(); err != nil {
		return err
	}
	var b kv.Batch
	var saved []savedSequence
	if tx.buffer.Spilled() {
		if err := tx.buffer.Spill(ctx); err != nil {
			return err
		}
		saved = tx.db.sequences.save(tx, &b)
		source, done := tx.buffer.Source(&b)
		err := tx.db.kv.Ingest(ctx, tx.db.tempDir, source)
		done()
		if err != nil {
			return err
		}
	} else {
		tx.buffer.AppendTo(&b)
		saved = tx.db.sequences.save(tx, &b)
		if err := tx.db.kv.Write(ctx, &b, d); err != nil {
			return err
		}
	}
	tx.db.sequences.saved(tx, saved)
	tx.change().Reset()
	return nil
}

// Refresh lets the transaction see what was committed by now, and forgets what
// it has read. What it wrote
// stays in its buffer, and must be of keys that nobody else may write. Its
// tables and open scanners stay usable, scanners as they were.
func (tx *Tx) Refresh() error {
	old := tx.snap
	if old == nil {
		return errClosed
	}
	if err := tx.takeSnapshot(); err != nil {
		return err
	}
	old.release()
	if tx.reads != nil {
		tx.reads = &Reads{}
	}
	tx.change()
	tx.rebase()
	if tx.buffer.Empty() {
		tx.touched = nil
	}
	return nil
}

// Close drops the buffer and gives the snapshot back as soon as no scanner of
// a table needs it: those go on, seeing what they saw. Close is idempotent.
func (tx *Tx) Close() {
	if tx.snap == nil {
		return
	}
	tx.change().Reset()
	tx.buffer.Rebase(closedReader{})
	tx.snap.release()
	tx.snap = nil
}

var errClosed = sqlerr.Closed.New("transaction is closed")

// closedReader is what a closed transaction reads.
type closedReader struct{}

func (closedReader) Get(context.Context, kv.Space, []byte) ([]byte, bool, error) {
	return nil, false, errClosed
}

func (closedReader) MultiGet(context.Context, kv.Space, [][]byte, [][]byte) error { return errClosed }

func (closedReader) Scan(kv.Space, kv.Range) kv.Scanner { return closedReader{} }

func (closedReader) Next(context.Context) (*kv.Chunk, error) { return nil, errClosed }

func (closedReader) Close() error { return nil }
