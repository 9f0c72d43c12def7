// Package mem is kv in memory, without C: for tests and for builds with
// CGO_ENABLED=0.
package mem

import (
	"bytes"
	"context"
	"sync"

	"github.com/tidwall/btree"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// space is the content of one key space. Values are never nil.
type space = btree.Map[string, []byte]

// DB is a kv.DB in memory.
type DB struct {
	mu      sync.Mutex
	closed  bool
	spaces  [kv.NumSpaces]*space // copied on write
	size    int64
	tracker kv.Tracker
}

// Open returns an empty DB.
func Open() *DB {
	db := new(DB)
	for s := range db.spaces {
		db.spaces[s] = new(space)
	}
	return db
}

func errClosed() error { return sqlerr.Closed.New("the database is closed") }

// Snapshot implements kv.DB.
func (db *DB) Snapshot() (kv.Snapshot, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, errClosed()
	}
	snap := &snapshot{db: db}
	for s := range db.spaces {
		snap.spaces[s] = db.spaces[s].Copy()
	}
	db.tracker.Add(snap)
	return snap, nil
}

// Sync implements kv.DB: there is nothing to do.
func (db *DB) Sync() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return errClosed()
	}
	return nil
}

// Write implements kv.DB; all durabilities are alike.
func (db *DB) Write(ctx context.Context, b *kv.Batch, _ kv.Durability) error {
	if err := kv.Cancelled(ctx); err != nil {
		return err
	}
	if err := b.Err(); err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return errClosed()
	}
	b.Each(func(op kv.Op, s kv.Space, key, value []byte) {
		switch op {
		case kv.OpPut:
			db.put(s, key, value)
		case kv.OpDelete:
			db.delete(s, string(key))
		case kv.OpDeleteRange:
			db.deleteRange(s, string(key), string(value))
		}
	})
	return nil
}

// Ingest implements kv.DB. Here it does lie in memory together.
func (db *DB) Ingest(ctx context.Context, _ string, source kv.Source, publish func(func() error) error) error {
	var b kv.Batch
	for {
		s, c, err := source(ctx)
		if err != nil {
			return err
		}
		if c.Len() == 0 {
			write := func() error { return db.Write(ctx, &b, kv.Sync) }
			if publish == nil {
				return write()
			}
			return publish(write)
		}
		for i := range c.Len() {
			if v := c.Value(i); v[0] == kv.TagDeleted {
				b.Delete(s, c.Key(i))
			} else {
				b.Put(s, c.Key(i), v[1:])
			}
		}
	}
}

func (db *DB) put(s kv.Space, key, value []byte) {
	old, replaced := db.spaces[s].Set(string(key), append([]byte{}, value...))
	db.size += int64(len(value) - len(old))
	if !replaced {
		db.size += int64(len(key))
	}
}

func (db *DB) delete(s kv.Space, key string) {
	if old, ok := db.spaces[s].Delete(key); ok {
		db.size -= int64(len(key) + len(old))
	}
}

func (db *DB) deleteRange(s kv.Space, start, end string) {
	var keys []string
	db.spaces[s].Ascend(start, func(k string, _ []byte) bool {
		if k >= end {
			return false
		}
		keys = append(keys, k)
		return true
	})
	for _, k := range keys {
		db.delete(s, k)
	}
}

// Stats implements kv.DB.
func (db *DB) Stats() kv.Stats {
	db.mu.Lock()
	size := db.size
	db.mu.Unlock()
	snapshots, scanners := db.tracker.Counts()
	return kv.Stats{DiskBytes: 0, MemoryBytes: size, LogBytes: 0, Snapshots: snapshots, Scanners: scanners}
}

// Close implements kv.DB. The content is gone.
func (db *DB) Close() error {
	db.mu.Lock()
	closed := db.closed
	db.closed = true
	clear(db.spaces[:])
	db.size = 0
	db.mu.Unlock()
	if closed {
		return nil
	}
	if leaks := db.tracker.Close(); leaks != "" {
		panic("kv/mem: Close with " + leaks)
	}
	return nil
}

// snapshot is a kv.Snapshot.
type snapshot struct {
	db     *DB
	mu     sync.RWMutex
	freed  bool
	spaces [kv.NumSpaces]*space
}

// errFreed is returned by a snapshot or scanner after it was given back.
func errFreed() error {
	return sqlerr.Closed.New("the snapshot is released, or its database closed")
}

// Scanner implements kv.Handle.
func (s *snapshot) Scanner() bool { return false }

// Free implements kv.Handle.
func (s *snapshot) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed = true
	clear(s.spaces[:])
}

// Release implements kv.Snapshot.
func (s *snapshot) Release() {
	s.Free()
	s.db.tracker.Remove(s)
}

// in returns the content of a space once ctx and the snapshot are found to be
// alive.
func (s *snapshot) in(ctx context.Context, sp kv.Space) (*space, error) {
	if err := kv.Cancelled(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.freed {
		return nil, errFreed()
	}
	return s.spaces[sp], nil
}

// Get implements kv.Reader.
func (s *snapshot) Get(ctx context.Context, sp kv.Space, key []byte) ([]byte, bool, error) {
	m, err := s.in(ctx, sp)
	if err != nil {
		return nil, false, err
	}
	v, ok := m.Get(string(key))
	return bytes.Clone(v), ok, nil
}

// MultiGet implements kv.Reader.
func (s *snapshot) MultiGet(ctx context.Context, sp kv.Space, keys, values [][]byte) error {
	m, err := s.in(ctx, sp)
	if err != nil {
		return err
	}
	for i, k := range keys {
		v, _ := m.Get(string(k))
		values[i] = bytes.Clone(v)
	}
	return nil
}

// Scan implements kv.Reader.
func (s *snapshot) Scan(sp kv.Space, r kv.Range) kv.Scanner {
	sc := &scanner{rng: r, left: r.Limit, db: s.db}
	if r.Limit == 0 {
		sc.left = -1
	}
	sc.rng.Start, sc.rng.End = bytes.Clone(r.Start), bytes.Clone(r.End)
	sc.mu.Lock() // once the tracker has it, it may be freed
	defer sc.mu.Unlock()
	m, err := s.in(context.Background(), sp)
	if err != nil || !s.db.tracker.Add(sc) {
		sc.closed = true
		return sc
	}
	sc.it = m.Iter()
	sc.start()
	return sc
}

// A chunk has about this many pairs or bytes at most.
const (
	chunkRows  = 1024
	chunkBytes = 1 << 20
)

// scanner is a kv.Scanner.
type scanner struct {
	db     *DB
	rng    kv.Range
	left   int // pairs still wanted, -1: no limit
	it     btree.MapIter[string, []byte]
	ok     bool // it stands at a pair to return
	mu     sync.Mutex
	closed bool
	chunk  kv.Chunk
}

func (s *scanner) start() {
	switch {
	case !s.rng.Reverse:
		s.ok = s.it.Seek(string(s.rng.Start))
	case s.rng.End != nil && s.it.Seek(string(s.rng.End)):
		s.ok = s.it.Prev()
	default:
		s.ok = s.it.Last()
	}
}

// within reports whether the iterator stands inside of the range.
func (s *scanner) within() bool {
	if s.rng.Reverse {
		return s.ok && s.it.Key() >= string(s.rng.Start)
	}
	return s.ok && (s.rng.End == nil || s.it.Key() < string(s.rng.End))
}

// Next implements kv.Scanner.
func (s *scanner) Next(ctx context.Context) (*kv.Chunk, error) {
	if err := kv.Cancelled(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errFreed()
	}
	if kv.Invariants {
		clear(s.chunk.Buf) // who kept it notices
	}
	s.chunk.Reset()
	for s.left != 0 && s.chunk.Len() < chunkRows && len(s.chunk.Buf) < chunkBytes && s.within() {
		value := s.it.Value()
		if s.rng.KeysOnly {
			value = nil
		}
		s.chunk.Append([]byte(s.it.Key()), value)
		s.left = max(s.left-1, -1)
		if s.rng.Reverse {
			s.ok = s.it.Prev()
		} else {
			s.ok = s.it.Next()
		}
	}
	return &s.chunk, nil
}

// Scanner implements kv.Handle.
func (s *scanner) Scanner() bool { return true }

// Free implements kv.Handle.
func (s *scanner) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.it, s.chunk = btree.MapIter[string, []byte]{}, kv.Chunk{}
}

// Close implements kv.Scanner.
func (s *scanner) Close() error {
	s.Free()
	s.db.tracker.Remove(s)
	return nil
}

// ScanRanges implements kv.RangeReader.
func (s *snapshot) ScanRanges(sp kv.Space, bounds [][]byte, keysOnly bool) kv.Scanner {
	r := &ranges{}
	for i := 0; i < len(bounds); i += 2 {
		r.rest = append(r.rest, s.Scan(sp, kv.Range{Start: bounds[i], End: bounds[i+1], KeysOnly: keysOnly}))
	}
	return r
}

// ranges is a kv.Scanner of one scan after the other.
type ranges struct{ rest []kv.Scanner }

// Next implements kv.Scanner.
func (r *ranges) Next(ctx context.Context) (*kv.Chunk, error) {
	for len(r.rest) > 0 {
		if c, err := r.rest[0].Next(ctx); err != nil || c.Len() > 0 {
			return c, err
		}
		r.rest[0].Close()
		r.rest = r.rest[1:]
	}
	return &kv.Chunk{}, kv.Cancelled(ctx)
}

// Close implements kv.Scanner.
func (r *ranges) Close() error {
	for _, s := range r.rest {
		s.Close()
	}
	r.rest = nil
	return nil
}
