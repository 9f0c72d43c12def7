//go:build cgo

package rocks

// #include "native.h"
import "C"

import (
	"bytes"
	"context"
	"sync"
	"unsafe"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// snapshot is a kv.Snapshot.
type snapshot struct {
	db    *DB
	mu    sync.RWMutex // held for reading by calls that run
	freed bool
	c     C.kalam_snapshot
}

// Snapshot implements kv.DB.
func (db *DB) Snapshot() (kv.Snapshot, error) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return nil, errClosed()
	}
	s := &snapshot{db: db, c: C.kalam_snapshot_open(db.c)}
	db.tracker.Add(s) // it isn't closed: db.mu is held
	return s, nil
}

// Scanner implements kv.Handle.
func (s *snapshot) Scanner() bool { return false }

// Free implements kv.Handle.
func (s *snapshot) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.freed {
		s.freed = true
		C.kalam_snapshot_free(s.db.c, s.c)
	}
}

// Release implements kv.Snapshot.
func (s *snapshot) Release() {
	s.Free()
	s.db.tracker.Remove(s) // after Free: DB.Close waits for it
}

// errFreed is returned by a snapshot or scanner after it was given back.
var errFreed = sqlerr.Closed.New("the snapshot is released, or its database closed")

// Get implements kv.Reader.
func (s *snapshot) Get(ctx context.Context, sp kv.Space, key []byte) ([]byte, bool, error) {
	if err := kv.Cancelled(ctx); err != nil {
		return nil, false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.freed {
		return nil, false, errFreed
	}
	var (
		buf [getBytes]byte
		v   C.kalam_value
	)
	found := C.kalam_get(s.db.c, s.c, s.db.families[sp], chars(key), C.size_t(len(key)), chars(buf[:]), getBytes, &v)
	switch {
	case v.err != nil:
		return nil, false, s.db.failure(takeError(v.err))
	case !bool(found):
		return nil, false, nil
	}
	if v.pinned == nil {
		return bytes.Clone(buf[:v.len]), true, nil
	}
	value := bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(v.data)), int(v.len)))
	C.rocksdb_pinnableslice_destroy(v.pinned)
	return value, true, nil
}

// getBytes is how long values are that Get has in one call.
const getBytes = 1024

// multiGetKeys is how many keys are looked up in one call: several of
// RocksDB's own batches of 32, and few enough that a cancellation is seen.
const multiGetKeys = 256

// MultiGet implements kv.Reader.
func (s *snapshot) MultiGet(ctx context.Context, sp kv.Space, keys, values [][]byte) error {
	if len(keys) == 1 { // less work for RocksDB, too
		var err error
		values[0], _, err = s.Get(ctx, sp, keys[0])
		return err
	}
	var packed []byte
	lens := make([]int64, 0, min(len(keys), multiGetKeys))
	for len(keys) > 0 {
		if err := kv.Cancelled(ctx); err != nil {
			return err
		}
		n := min(len(keys), multiGetKeys)
		packed, lens = packed[:0], lens[:0]
		sorted := true
		for i, k := range keys[:n] {
			packed = append(packed, k...)
			lens = append(lens, int64(len(k)))
			sorted = sorted && (i == 0 || bytes.Compare(keys[i-1], k) <= 0)
		}
		if err := s.multiGet(sp, packed, lens, sorted, values); err != nil {
			return err
		}
		keys, values = keys[n:], values[n:]
	}
	return nil
}

// multiGet looks up the keys in packed, whose lengths are lens.
func (s *snapshot) multiGet(sp kv.Space, packed []byte, lens []int64, sorted bool, values [][]byte) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.freed {
		return errFreed
	}
	var (
		total  C.size_t
		status *C.char
	)
	v := C.kalam_multi_get(s.db.c, s.c, s.db.families[sp], C.size_t(len(lens)), chars(packed),
		(*C.int64_t)(unsafe.SliceData(lens)), C.bool(sorted), &total, &status)
	if status != nil {
		return s.db.failure(takeError(status))
	}
	found := make([]byte, total)
	C.kalam_multi_take(v, chars(found))
	for i, n := range lens {
		values[i] = nil
		if n >= 0 {
			values[i], found = found[:n:n], found[n:]
		}
	}
	return nil
}

// Scan implements kv.Reader.
func (s *snapshot) Scan(sp kv.Space, r kv.Range) kv.Scanner {
	limit := -1
	if r.Limit > 0 {
		limit = r.Limit
	}
	var flags C.int
	if r.Reverse {
		flags |= C.kalam_reverse
	}
	if r.KeysOnly {
		flags |= C.kalam_keys_only
	}
	if r.NoCache {
		flags |= C.kalam_no_cache
	}
	startLen, endLen := len(r.Start), len(r.End)
	if r.Start == nil {
		startLen = -1
	}
	if r.End == nil {
		endLen = -1
	}
	return s.scan(sp, limit, flags, func() *C.kalam_scan {
		if r.End != nil && bytes.Compare(r.Start, r.End) >= 0 {
			return nil // RocksDB expects bounds in order
		}
		return C.kalam_scan_open(s.db.c, s.c, s.db.families[sp], chars(r.Start), C.ptrdiff_t(startLen),
			chars(r.End), C.ptrdiff_t(endLen), flags, skippable)
	})
}

// ScanRanges implements kv.RangeReader.
func (s *snapshot) ScanRanges(sp kv.Space, bounds [][]byte, keysOnly bool) kv.Scanner {
	var flags C.int
	if keysOnly {
		flags |= C.kalam_keys_only
	}
	return s.scan(sp, -1, flags, func() *C.kalam_scan {
		if len(bounds) == 0 {
			return nil
		}
		var keys []byte
		pos := make([]uint32, 1, len(bounds)+1)
		for _, b := range bounds {
			keys = append(keys, b...)
			pos = append(pos, uint32(len(keys)))
		}
		return C.kalam_scan_ranges(s.db.c, s.c, s.db.families[sp], chars(keys), (*C.uint32_t)(unsafe.SliceData(pos)),
			C.size_t(len(bounds)/2), flags, skippable)
	})
}

// scan returns the scanner of what open begins, nil: nothing. limit is how many
// pairs are wanted, -1: all.
func (s *snapshot) scan(sp kv.Space, limit int, flags C.int, open func() *C.kalam_scan) *scanner {
	sc := &scanner{snap: s, family: s.db.families[sp], left: limit, rows: firstRows}
	if limit > 0 {
		sc.rows = min(limit, firstRows)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	sc.mu.Lock() // once the tracker has it, it may be freed
	defer sc.mu.Unlock()
	if s.freed {
		sc.err = errFreed
		return sc
	}
	if !s.db.tracker.Add(sc) {
		sc.err = errClosed()
		return sc
	}
	if flags&C.kalam_no_cache == 0 {
		sc.cached = s.db.cfg.CacheBytes / 2
	}
	sc.c = open()
	return sc
}
