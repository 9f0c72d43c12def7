package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// The logs of changes. A commit that changes rows of a table that has a log writes
// the changes there in the same atomic write, as keys of kv.Stream,
//
//	logTable (4) | storage id (4) | number of the commit (8) | chunk (4)
//	  -> time of the commit (8, in each chunk) | changes
//
// which is where short-lived data lies; those of stream tables are no more durable
// than the rows. Keys of kv.Meta tell from where on a log has everything:
//
//	metaLog | storage id (4) | headerLow   -> the last commit that it lacks (8)
//	metaLog | storage id (4) | headerGap   -> a later one that was too large for it (8)
//	metaLog                                -> commits that may have been numbered are below (8)
//
// Commits are numbered as they begin, over all tables. Numbers are never given
// twice, also where the commits that had them are lost with the process.
const (
	logTable  = 0
	headerLow = 0
	headerGap = 1

	// seqStep is for how many commits numbers are reserved at once.
	seqStep = 1 << 16
)

// defaultLogBytes is what a log takes when nothing else is said.
const defaultLogBytes = 64 << 20

// logs are the logs that there are.
type logs struct {
	bytes int64 // what each may take
	mu    sync.Mutex
	all   map[uint32]*tableLog
	safe  uint64 // numbers below it are not given again after a crash
}

// tableLog is what is known of a log.
type tableLog struct {
	bytes int64
	most  int64  // bytes that it may take; 0: as many as others
	last  uint64 // the last commit in it, or the one before the first
}

// room is how many bytes t may take.
func (l *logs) room(t *tableLog) int64 {
	if t.most > 0 {
		return t.most
	}
	return l.bytes
}

// limit is how large the changes of one commit may be to be logged.
func (l *logs) limit(storage uint32) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.all[storage]; t != nil {
		return int(l.room(t) / 2)
	}
	return 0
}

func logPrefix(storage uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 0, 20), logTable), storage)
}

func logKey(storage uint32, seq uint64, chunk uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(logPrefix(storage), seq), chunk)
}

// lastChunk marks the number of a commit's last chunk.
const lastChunk = 1 << 31

// cutLogKey returns the number of the commit.
func cutLogKey(key []byte) (seq uint64, ok bool) {
	if len(key) != 20 {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[8:]), true
}

func logHeader(storage uint32, which byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{metaLog}, storage), which)
}

func errLog() error { return sqlerr.Corrupt.New("The log of changes is damaged") }

// loadLogs finds the logs when the database is opened.
func (db *DB) loadLogs(ctx context.Context) error {
	l := &db.logs
	l.all = map[uint32]*tableLog{}
	snap, err := db.kv.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Release()
	err = eachPair(ctx, snap, kv.Meta, []byte{metaLog}, func(key, value []byte) error {
		if len(value) != 8 || len(key) != 1 && len(key) != 6 {
			return errLog()
		}
		n := binary.BigEndian.Uint64(value)
		if len(key) == 1 {
			l.safe = n
			return nil
		}
		storage := binary.BigEndian.Uint32(key[1:])
		t := l.all[storage]
		if t == nil {
			t = &tableLog{}
			l.all[storage] = t
		}
		t.last = max(t.last, n)
		return nil
	})
	if err != nil {
		return err
	}
	for storage, t := range l.all {
		err := eachPair(ctx, snap, kv.Stream, logPrefix(storage), func(key, value []byte) error {
			seq, ok := cutLogKey(key)
			if !ok {
				return errLog()
			}
			t.last = max(t.last, seq)
			t.bytes += int64(len(value))
			return nil
		})
		if err != nil {
			return err
		}
		l.safe = max(l.safe, t.last)
	}
	return nil
}

// Logs returns the storage ids of the tables that have a log.
func (db *DB) Logs() []uint32 {
	db.logs.mu.Lock()
	defer db.logs.mu.Unlock()
	list := make([]uint32, 0, len(db.logs.all))
	for storage := range db.logs.all {
		list = append(list, storage)
	}
	return list
}

// LastSeq returns a number that is at least that of any commit in a log, or lost: the
// next ones are above it.
func (db *DB) LastSeq() uint64 {
	db.logs.mu.Lock()
	defer db.logs.mu.Unlock()
	return db.logs.safe
}

// reserve lets tx, which commits as number seq, reserve further numbers where that
// is needed. It returns the bound.
func (l *logs) reserve(tx *Tx, seq uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq < l.safe {
		return l.safe
	}
	bound := (seq/seqStep + 2) * seqStep
	tx.Put(kv.Meta, []byte{metaLog}, binary.BigEndian.AppendUint64(nil, bound))
	return bound
}

// committed notes what tx has added to logs.
func (l *logs) committed(tx *Tx) {
	if tx.logged == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.safe = max(l.safe, tx.reserved)
	for i := range tx.logged {
		c := &tx.logged[i]
		if t := l.all[c.Storage]; t != nil {
			t.last = max(t.last, c.Seq)
			if !c.Lost {
				t.bytes += int64(c.Bytes)
			}
		}
	}
	tx.logged = nil
}

// StartLog begins to log the changes of a table, if it has no log: those of commits
// after a number that next returns, which no commit has, so that nobody can mean to go
// on after it who knew the table before. Commits on the table must not be under way. It
// returns that number, or the last commit in the log.
func (db *DB) StartLog(ctx context.Context, storage uint32, next func() uint64) (last uint64, err error) {
	db.logs.mu.Lock()
	defer db.logs.mu.Unlock()
	if t := db.logs.all[storage]; t != nil {
		return t.last, nil
	}
	var b kv.Batch
	seq := next()
	b.Put(kv.Meta, logHeader(storage, headerLow), binary.BigEndian.AppendUint64(nil, seq))
	if err := db.write(ctx, &b, kv.NoSync); err != nil {
		return 0, err
	}
	db.logs.all[storage] = &tableLog{last: seq}
	return seq, nil
}

// LogBytes is how many bytes a log may take when nothing else is said.
func (db *DB) LogBytes() int64 { return db.logs.bytes }

// LimitLog sets about how many bytes a table's log may take; 0: as many as others.
func (db *DB) LimitLog(storage uint32, most int64) {
	db.logs.mu.Lock()
	defer db.logs.mu.Unlock()
	if t := db.logs.all[storage]; t != nil {
		t.most = most
	}
}

// StopLog removes a table's log. Commits on the table must not be under way.
func (db *DB) StopLog(ctx context.Context, storage uint32) error {
	db.logs.mu.Lock()
	defer db.logs.mu.Unlock()
	if db.logs.all[storage] == nil {
		return nil
	}
	var b kv.Batch
	p := logPrefix(storage)
	b.DeleteRange(kv.Stream, p, edge(p, true))
	b.Delete(kv.Meta, logHeader(storage, headerLow))
	b.Delete(kv.Meta, logHeader(storage, headerGap))
	if err := db.write(ctx, &b, kv.NoSync); err != nil {
		return err
	}
	delete(db.logs.all, storage)
	return nil
}

// TrimLog removes commits from the beginning of a table's log that were before a
// time, and those that make it larger than it may be, up to number last.
func (db *DB) TrimLog(ctx context.Context, storage uint32, before time.Time, last uint64) error {
	db.logs.mu.Lock()
	t := db.logs.all[storage]
	var excess int64
	if t != nil && t.bytes > db.logs.room(t) {
		excess = t.bytes - db.logs.room(t)*3/4 // so that it need not be done soon again
	}
	db.logs.mu.Unlock()
	if t == nil {
		return nil
	}
	snap, err := db.kv.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Release()
	var removed int64
	var cut uint64 // the last commit to remove
	err = eachPair(ctx, snap, kv.Stream, logPrefix(storage), func(key, value []byte) error {
		seq, ok := cutLogKey(key)
		if !ok || len(value) < 8 {
			return errLog()
		}
		old := int64(binary.BigEndian.Uint64(value)) < before.UnixMicro()
		if seq != cut && (removed >= excess || seq > last) && !old {
			return errEnough
		}
		cut = seq
		removed += int64(len(value))
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if cut == 0 {
		return nil
	}
	var b kv.Batch
	b.DeleteRange(kv.Stream, logPrefix(storage), logKey(storage, cut+1, 0))
	b.Put(kv.Meta, logHeader(storage, headerLow), binary.BigEndian.AppendUint64(nil, cut))
	db.logs.mu.Lock()
	defer db.logs.mu.Unlock()
	if db.logs.all[storage] != t {
		return nil
	}
	if err := db.write(ctx, &b, kv.NoSync); err != nil {
		return err
	}
	t.bytes -= removed
	return nil
}

// LogFull reports whether a table's log is larger than it may be.
func (db *DB) LogFull(storage uint32) bool {
	db.logs.mu.Lock()
	defer db.logs.mu.Unlock()
	t := db.logs.all[storage]
	return t != nil && t.bytes > db.logs.room(t)
}

// LogReader reads a table's log as of one moment.
type LogReader struct {
	storage uint32
	snap    kv.Snapshot
	scan    kv.Scanner
	chunk   *kv.Chunk
	next    int
}

// ReadLog returns a reader of the commits on a table after number after, up to number
// last, all of which must be through. It leaves out the first skip parts of commit after + 1. Errors: sqlerr.ChangesGone when the log does not
// have all of them any more, or, with exact, when after is no commit on the table.
func (db *DB) ReadLog(ctx context.Context, storage uint32, after uint64, skip uint32, last uint64, exact bool) (*LogReader, error) {
	snap, err := db.kv.Snapshot()
	if err != nil {
		return nil, err
	}
	if err := checkLog(ctx, snap, storage, after, exact); err != nil {
		snap.Release()
		return nil, err
	}
	r := kv.Range{Start: logKey(storage, after+1, skip), End: logKey(storage, last+1, 0)}
	return &LogReader{storage: storage, snap: snap, scan: snap.Scan(kv.Stream, r)}, nil
}

// LogStart returns the last commit on a table that its log lacks; sqlerr.ChangesGone.
func (db *DB) LogStart(ctx context.Context, storage uint32) (uint64, error) {
	snap, err := db.kv.Snapshot()
	if err != nil {
		return 0, err
	}
	defer snap.Release()
	return logStart(ctx, snap, storage)
}

func logStart(ctx context.Context, snap kv.Reader, storage uint32) (low uint64, err error) {
	for _, which := range []byte{headerLow, headerGap} {
		v, ok, err := snap.Get(ctx, kv.Meta, logHeader(storage, which))
		switch {
		case err != nil:
			return 0, err
		case ok && len(v) != 8:
			return 0, errLog()
		case ok:
			low = max(low, binary.BigEndian.Uint64(v))
		case which == headerLow:
			return 0, sqlerr.ChangesGone.New("The table's changes are not kept: they are while, and for some time after, somebody subscribes to it")
		}
	}
	return low, nil
}

func checkLog(ctx context.Context, snap kv.Reader, storage uint32, after uint64, exact bool) error {
	low, err := logStart(ctx, snap, storage)
	if err != nil {
		return err
	}
	if after < low {
		return sqlerr.ChangesGone.New("The changes after %d are not kept any more, only those after %d; subscribe afresh", after, low)
	}
	if !exact || after == low {
		return nil
	}
	prefix := logKey(storage, after, 0)[:16]
	key, err := firstKey(ctx, snap, kv.Stream, prefix, edge(prefix, true))
	if err == nil && key == nil {
		err = sqlerr.ChangesGone.New("There is no change of number %d to continue after; subscribe afresh", after)
	}
	return err
}

// Next returns the next changes, those of one commit or a part of it, nil at the
// end.
func (r *LogReader) Next(ctx context.Context) (*TableChanges, error) {
	for r.chunk == nil || r.next == r.chunk.Len() {
		var err error
		if r.chunk, err = r.scan.Next(ctx); err != nil {
			return nil, err
		}
		if r.next = 0; r.chunk.Len() == 0 {
			r.chunk = nil
			return nil, nil
		}
	}
	seq, ok := cutLogKey(r.chunk.Key(r.next))
	value := bytes.Clone(r.chunk.Value(r.next))
	part := ok && binary.BigEndian.Uint32(r.chunk.Key(r.next)[16:])&lastChunk == 0
	r.next++
	if !ok || len(value) < 8 {
		return nil, errLog()
	}
	c := &TableChanges{Seq: seq, Storage: r.storage, Bytes: len(value), Part: part}
	for rest := value[8:]; len(rest) > 0; {
		var row RowChange
		if row, rest, ok = cutChange(rest); !ok {
			return nil, errLog()
		}
		c.Rows = append(c.Rows, row)
	}
	return c, nil
}

// Close releases the reader.
func (r *LogReader) Close() error {
	err := r.scan.Close()
	r.snap.Release()
	return err
}
