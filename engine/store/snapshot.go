package store

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// snapshot is a kv.Snapshot that transactions and open scanners share, with the
// directory of segments of its moment.
type snapshot struct {
	kv.Snapshot
	dir     directory
	refs    atomic.Int32
	written uint64 // DB.written before it was taken
}

func (s *snapshot) release() {
	if s.refs.Add(-1) == 0 {
		s.Snapshot.Release()
	}
}

// latest is the snapshot taken last, as long as nothing was written since: those who
// begin meanwhile share it. It must go with the next write, or RocksDB would keep what
// is overwritten.
type latest struct {
	mu   sync.Mutex
	snap *snapshot // has a reference of its own; or nil
}

// snapshot returns what was written so far.
func (db *DB) snapshot() (*snapshot, error) {
	// The snapshot and the directory are of one moment.
	db.segments.mu.RLock()
	defer db.segments.mu.RUnlock()
	written := db.written.Load()
	db.latest.mu.Lock()
	defer db.latest.mu.Unlock()
	if s := db.latest.snap; s != nil && s.written == written {
		s.refs.Add(1)
		return s, nil
	}
	taken, err := db.kv.Snapshot()
	if err != nil {
		return nil, err
	}
	s := &snapshot{Snapshot: taken, dir: db.segments.dir, written: written}
	s.refs.Store(2)
	db.latest.replace(s)
	return s, nil
}

// replace keeps s in place of what there was. The caller holds mu.
func (l *latest) replace(s *snapshot) {
	if l.snap != nil {
		l.snap.release()
	}
	l.snap = s
}

// wrote is called after every write, before it is acknowledged.
func (db *DB) wrote() {
	db.written.Add(1)
	db.latest.mu.Lock()
	db.latest.replace(nil)
	db.latest.mu.Unlock()
}

// write is kv.DB's Write.
func (db *DB) write(ctx context.Context, b *kv.Batch, d Durability) error {
	defer db.wrote()
	return db.kv.Write(ctx, b, d)
}

// ingest is kv.DB's Ingest.
func (db *DB) ingest(ctx context.Context, source kv.Source, publish func(func() error) error) error {
	defer db.wrote()
	return db.kv.Ingest(ctx, db.tempDir, source, publish)
}
