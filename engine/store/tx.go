package store

import (
	"context"
	"maps"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
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
	tables  []uint32               // written
	layouts map[uint32]*layout     // of written tables, by the number in keys
	touched map[*sequence]struct{} // whose values this transaction uses
	lockKey []byte
	shared  *SharedTableStore // of the table used last
	oldKeys keyRoom           // of the rows that are changed
	newKeys keyRoom
	spillAt int // bytes of changes; 0: never

	// See append.go.
	tail   *tail // nil: no rows are held back
	streak streak
	loaded []*packedRun // segments among the changes
	claims []uint32     // tables that are not packed meanwhile

	gone     []uint32       // storage ids under which nobody looks for rows any more
	logged   []TableChanges // by Capture
	reserved uint64         // see logs.reserve
}

var _ kv.ReadWriter = (*Tx)(nil)

// Mark is a state of a transaction's changes to go back to.
type Mark struct {
	buffer kv.Mark
	loaded []*packedRun
	tail   tailMark
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

// ranges returns the snapshot as a kv.RangeReader, if it is one and all that is
// seen; else nil.
func (v *view) ranges() kv.RangeReader {
	if v.Reader != kv.Reader(v.snap) {
		return nil
	}
	r, _ := v.snap.Snapshot.(kv.RangeReader)
	return r
}

// Begin starts a transaction on all that was committed so far.
func (db *DB) Begin() (*Tx, error) {
	tx := new(Tx)
	return tx, db.BeginIn(tx)
}

// BeginIn is Begin that makes the transaction of a zero Tx.
func (db *DB) BeginIn(tx *Tx) error {
	tx.db = db
	if err := tx.takeSnapshot(); err != nil {
		return err
	}
	tx.rebase()
	return nil
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
	s, err := tx.db.snapshot()
	if err == nil {
		tx.snap = s
	}
	return err
}

// newView returns the state of this moment, in v; the caller releases it.
func (tx *Tx) newView(v *view) (*view, error) {
	if tx.snap == nil {
		return nil, errClosed
	}
	if err := tx.settleTail(context.Background(), false); err != nil {
		return nil, err
	}
	*v = view{Reader: tx.base(), snap: tx.snap}
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

// lock asks for a key of the relation.
func (r *relation) lock(ctx context.Context, key []byte, mode LockMode, wait bool) error {
	tx := r.tx
	if tx.locker == nil {
		return nil
	}
	user := r.user
	if r.allUsers {
		_, rest, err := keyenc.CutBytes(nil, key[prefixBytes:])
		if err != nil {
			return r.l.corrupt(err)
		}
		user = key[prefixBytes : len(key)-len(rest)]
	}
	tx.lockKey = append(append(tx.lockKey[:0], byte(r.space)), key...)
	return tx.locker.LockKey(ctx, tx.lockKey, user, mode, wait)
}

// Get implements kv.Reader.
func (tx *Tx) Get(ctx context.Context, s kv.Space, key []byte) ([]byte, bool, error) {
	if err := tx.settleRows(ctx, s); err != nil {
		return nil, false, err
	}
	return tx.buffer.Get(ctx, s, key)
}

// settleRows sees to it that the buffer has what rows there are in a space.
func (tx *Tx) settleRows(ctx context.Context, s kv.Space) error {
	if s != kv.Data {
		return nil
	}
	return tx.settleTail(ctx, false)
}

// MultiGet implements kv.Reader.
func (tx *Tx) MultiGet(ctx context.Context, s kv.Space, keys, values [][]byte) error {
	if err := tx.settleRows(ctx, s); err != nil {
		return err
	}
	return tx.buffer.MultiGet(ctx, s, keys, values)
}

// Scan implements kv.Reader. The scanner must be closed before the transaction.
func (tx *Tx) Scan(s kv.Space, r kv.Range) kv.Scanner {
	if err := tx.settleRows(context.Background(), s); err != nil {
		tx.buffer.Fail(err)
	}
	return tx.buffer.Scan(s, r)
}

// Put implements kv.Writer.
func (tx *Tx) Put(s kv.Space, key, value []byte) { tx.change().Put(s, key, value) }

// Delete implements kv.Writer.
func (tx *Tx) Delete(s kv.Space, key []byte) { tx.change().Delete(s, key) }

// DeleteRange implements kv.Writer.
func (tx *Tx) DeleteRange(s kv.Space, start, end []byte) { tx.change().DeleteRange(s, start, end) }

// Mark returns the present state of the changes. It makes changes take more
// memory until Forget, or the end.
func (tx *Tx) Mark() Mark { return Mark{tx.buffer.Mark(), tx.loaded, tx.markTail()} }

// RollbackTo undoes the changes made since m, which stays usable; marks made
// since are void. What sequences gave out stays given out.
func (tx *Tx) RollbackTo(m Mark) {
	buffer := tx.change()
	buffer.RollbackTo(m.buffer)
	tx.loaded, tx.streak.n = m.loaded, 0
	if err := tx.restoreTail(m.tail); err != nil {
		buffer.Fail(err)
	}
}

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
	if !slices.Contains(tx.tables, table) {
		tx.tables = append(tx.tables, table)
	}
}

// Written returns the numbers in the keys of the tables whose rows were written,
// also where that was undone.
func (tx *Tx) Written() []uint32 { return tx.tables }

// wroteRows notes that the rows of a layout's table are written.
func (tx *Tx) wroteRows(l *layout) {
	tx.wrote(l.t.StorageID())
	if tx.layouts == nil {
		tx.layouts = map[uint32]*layout{}
	}
	tx.layouts[l.t.StorageID()] = l
}

// relieve spills the changes when they are many.
func (tx *Tx) relieve(ctx context.Context) error {
	if tx.spillAt == 0 || tx.buffer.Size() < tx.spillAt {
		return nil
	}
	return tx.change().Spill(ctx)
}

// Empty reports whether there is nothing to commit.
func (tx *Tx) Empty() bool { return tx.buffer.Empty() && (tx.tail == nil || tx.tail.rows.Len == 0) }

// Size returns about how many bytes the buffer takes.
func (tx *Tx) Size() int { return tx.buffer.Size() }

// Commit writes the changes, all or none, and empties the buffer. Changes of
// stream tables alone are not logged, whatever d says. The
// transaction still reads its snapshot afterwards: Refresh it, or Close it.
//
// applied, unless it is nil, may be called when all others see the changes, and those who
// change them again come after them on stable storage. That they are there themselves is
// what Commit goes on to wait for; if that fails, nobody knows.
func (tx *Tx) Commit(ctx context.Context, d Durability, applied func()) error {
	switch {
	case tx.snap == nil:
		return errClosed
	case tx.Empty():
		return nil
	case tx.db.readOnly:
		return errReadOnly()
	}
	if err := tx.Finish(ctx); err != nil {
		return err
	}
	if err := tx.settleLoaded(ctx, d); err != nil {
		return err
	}
	if err := tx.buffer.Err(); err != nil {
		return err
	}
	leave := tx.db.segments.enter(tx.tables)
	defer leave()
	dir, changes := tx.directory()
	rows := settle{dir, tx, map[uint32]int64{}, map[*packedRun]struct{}{}}
	defer rows.end()
	publish := func(write func() error) error {
		if !changes {
			return write()
		}
		return tx.db.segments.change(write, tx.follow)
	}
	var b kv.Batch
	var saved []savedSequence
	early := false
	if tx.Large() && (d != NoLog || tx.buffer.Spilled()) {
		if tx.buffer.Spilled() {
			if err := tx.buffer.Spill(ctx); err != nil {
				return err
			}
		}
		// The files are on stable storage at once; what they rely on is to be there before.
		if err := tx.db.kv.Sync(); err != nil {
			return err
		}
		saved = tx.db.sequences.save(tx, &b)
		source, done := tx.buffer.Source(&b)
		tx.db.commits.begin(tx)
		err := tx.db.ingest(ctx, rows.source(source), publish)
		tx.db.commits.end(tx)
		done()
		if err != nil {
			return err
		}
	} else {
		tx.buffer.AppendTo(&b, rows.value)
		saved = tx.db.sequences.save(tx, &b)
		if b.Only(kv.Stream) { // what is soon gone is not worth a log
			d = NoLog
		} else if d == NoLog {
			tx.db.segments.unlogged.Store(true)
		}
		early = d == Sync && applied != nil
		if early {
			d = NoSync
		}
		tx.db.commits.begin(tx)
		err := publish(func() error { return tx.db.write(ctx, &b, d) })
		tx.db.commits.end(tx)
		if err != nil {
			return err
		}
	}
	tx.db.sequences.saved(tx, saved)
	tx.db.logs.committed(tx)
	rows.done()
	tx.change().Reset()
	tx.tail = nil
	tx.unclaim()
	if early {
		applied()
		return tx.db.kv.Sync()
	}
	return nil
}

// ingestBytes is from how many bytes of changes on, segments among them, files of their own are
// less work than the log and the memtables.
const ingestBytes = 8 << 20

// Large reports whether a logged commit writes files, which become part of the database as a
// whole: the changes are spilled, or have segments and are many.
func (tx *Tx) Large() bool {
	return tx.buffer.Spilled() || len(tx.loaded) > 0 && tx.buffer.Size() >= tx.db.segments.ingest && tx.buffer.CanSpill()
}

// directory returns what segments there will be with the commit, and whether that is
// other than before.
func (tx *Tx) directory() (dir directory, changes bool) {
	dir = tx.db.segments.current()
	all := []byte{metaSegments}
	some := slices.ContainsFunc(tx.tables, func(table uint32) bool { return len(dir[table]) > 0 })
	if len(tx.loaded) == 0 && !(some && tx.buffer.Touches(kv.Meta, kv.Range{Start: all, End: edge(all, true)})) {
		return dir, false
	}
	dir = maps.Clone(dir)
	if dir == nil {
		dir = directory{}
	}
	tx.follow(dir)
	return dir, true
}

// settleLoaded sees to it that segments that the transaction has loaded do not outlive
// what it relies on: commits without log before it.
func (tx *Tx) settleLoaded(ctx context.Context, d Durability) error {
	s := &tx.db.segments
	switch {
	case len(tx.loaded) == 0:
		return nil
	case d == NoLog && !tx.buffer.Spilled():
		s.unlogged.Store(true)
		_, err := s.durability(ctx, tx.db)
		return err
	case s.unlogged.Load():
		for _, table := range tx.claims {
			if err := tx.unload(ctx, table); err != nil {
				return err
			}
		}
	}
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
	// What was free in one snapshot may not be so in another.
	if err := tx.settleTail(context.Background(), false); err != nil {
		return err
	}
	tx.tail = nil
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
		tx.releaseSequences()
	}
	return nil
}

// releaseSequences tells that the transaction uses the values of none.
func (tx *Tx) releaseSequences() {
	for q := range tx.touched {
		tx.db.sequences.release(q)
	}
	tx.touched = nil
}

// Close drops the buffer and gives the snapshot back as soon as no scanner of
// a table needs it: those go on, seeing what they saw. Close is idempotent.
func (tx *Tx) Close() {
	if tx.snap == nil {
		return
	}
	tx.releaseSequences()
	tx.change().Reset()
	tx.tail = nil
	tx.db.segments.cache.forget(tx.loaded)
	tx.unclaim()
	tx.buffer.Rebase(closedReader{})
	tx.snap.release()
	tx.snap = nil
}

func errReadOnly() error { return sqlerr.ReadOnly.New("The database is open for reading only") }

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
