//go:build cgo

package rocks

// #include "native.h"
import "C"

import (
	"context"
	"sync"
	"unsafe"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// A scan's chunks start small, for the many scans that want few rows, and grow.
const (
	firstRows  = 64
	mostRows   = 1024
	rowBytes   = 128 // a first guess
	leastBytes = 512
	mostBytes  = mib
	growFactor = 4
)

// skippable is how many deleted keys, which RocksDB keeps until they are
// compacted away, a scan passes over without looking at its context: some
// 10 ms. A scan that meets more goes on in the background.
const skippable = 4096

// buffers are what a chunk lies in.
type buffers struct {
	buf []byte
	pos []uint32
}

// spare has the buffers of scans that ended.
var spare = sync.Pool{New: func() any { return new(buffers) }}

// scanner is a kv.Scanner. Its chunk lies in Go's memory. While its caller works
// on a chunk of a long scan, the next is read.
type scanner struct {
	snap   *snapshot
	family *C.rocksdb_column_family_handle_t
	left   int    // pairs still wanted, -1: no limit
	rows   int    // of the next chunk
	cached uint64 // bytes that may still go to the block cache

	mu       sync.Mutex
	c        *C.kalam_scan // nil at the end
	err      error         // what Next returns from now on
	slow     bool          // read in the background
	running  chan struct{} // nil, or closed when the background read is done
	*buffers               // of the chunk, or of what is read in the background
	other    *buffers      // of the chunk while the next is read
	result   C.kalam_result
	chunk    kv.Chunk
}

// Next implements kv.Scanner.
func (s *scanner) Next(ctx context.Context) (*kv.Chunk, error) {
	if err := kv.Cancelled(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if kv.Invariants {
		clear(s.chunk.Buf) // who kept the last chunk notices
	}
	s.chunk.Reset()
	if s.running == nil { // else take what was begun
		if s.c == nil || s.left == 0 {
			return &s.chunk, nil
		}
		s.makeRoom()
	}
	for {
		if err := s.read(ctx); err != nil {
			return nil, err
		}
		if s.result.err != nil {
			return nil, s.fail(s.snap.db.failure(s.takeError()))
		}
		n := int(s.result.rows)
		if n > 0 {
			s.chunk.Pos = s.pos[:2*n+1]
			s.chunk.Buf = s.buf[:s.pos[2*n]]
		}
		if s.result.stuck {
			if err := s.resume(); err != nil {
				return nil, err
			}
		}
		if n > 0 || s.result.end {
			break
		}
		if need := int(s.result.need); need > 0 {
			s.buf = make([]byte, need)
		}
	}
	if s.left > 0 {
		s.left -= int(s.result.rows)
	}
	if s.result.end {
		s.free()
		return &s.chunk, nil
	}
	long := s.rows == mostRows
	s.rows = min(growFactor*s.rows, mostRows)
	if err := s.spareCache(); err != nil {
		return nil, err
	}
	if long && s.left != 0 {
		s.readAhead()
	}
	return &s.chunk, nil
}

// spareCache keeps a scan that has read much from driving out what is cached.
func (s *scanner) spareCache() error {
	n := uint64(len(s.chunk.Buf))
	if s.cached == 0 {
		return nil
	}
	if s.cached > n {
		s.cached -= n
		return nil
	}
	s.cached = 0
	return s.reopen(func(last *C.char, size C.size_t) {
		C.kalam_scan_uncache(s.c, s.snap.db.c, s.family, last, size)
	})
}

// readAhead begins to read the next chunk.
func (s *scanner) readAhead() {
	s.buffers, s.other = s.other, s.buffers
	s.makeRoom()
	s.begin()
}

// makeRoom readies the buffers for the next chunk.
func (s *scanner) makeRoom() {
	if s.buffers == nil {
		s.buffers = spare.Get().(*buffers)
	}
	if s.left > 0 {
		s.rows = min(s.rows, s.left)
	}
	if len(s.pos) < 2*s.rows+1 {
		s.pos = make([]uint32, 2*s.rows+1)
	}
	need, have := int(s.result.need), len(s.buf)
	switch {
	case have == 0:
		s.buf = make([]byte, max(rowBytes*s.rows, leastBytes))
	case have < mostBytes && (need > 0 || have < rowBytes*s.rows):
		s.buf = make([]byte, max(need, min(growFactor*have, mostBytes)))
	case need > have:
		s.buf = make([]byte, need)
	case have > 2*mostBytes && need <= mostBytes: // the last held a huge value
		s.buf = make([]byte, mostBytes)
	}
}

// read fills the buffers and the result. When ctx ends first, a background
// read goes on, and s.running tells of it.
func (s *scanner) read(ctx context.Context) error {
	if s.running == nil {
		if !s.slow {
			s.fill(s.c, s.rows, s.buffers)
			return nil
		}
		s.begin()
	}
	select {
	case <-s.running:
		s.running = nil
		return nil
	case <-ctx.Done():
		return kv.Cancelled(ctx)
	}
}

// begin starts a background read, which goes on with its buffers after Close.
func (s *scanner) begin() {
	done, c, rows, into := make(chan struct{}), s.c, s.rows, s.buffers
	s.running = done
	go func() {
		defer close(done)
		s.fill(c, rows, into)
	}()
}

func (s *scanner) fill(c *C.kalam_scan, rows int, b *buffers) {
	C.kalam_scan_next(c, C.size_t(rows), chars(b.buf), C.size_t(len(b.buf)), (*C.uint32_t)(unsafe.SliceData(b.pos)), &s.result)
}

// resume goes on in the background behind the chunk's last key.
func (s *scanner) resume() error {
	s.slow = true
	return s.reopen(func(last *C.char, size C.size_t) {
		C.kalam_scan_resume(s.c, s.snap.db.c, s.family, last, size)
	})
}

// reopen calls f, which goes on behind the chunk's last key.
func (s *scanner) reopen(f func(last *C.char, size C.size_t)) error {
	s.snap.mu.RLock()
	defer s.snap.mu.RUnlock()
	if s.snap.freed {
		return s.fail(errFreed)
	}
	var last []byte
	if n := s.chunk.Len(); n > 0 {
		last = s.chunk.Key(n - 1)
	}
	f(chars(last), C.size_t(len(last)))
	return nil
}

// fail ends the scan with err.
func (s *scanner) fail(err error) error {
	s.free()
	s.err = err
	return err
}

// takeError returns and forgets the result's error text.
func (s *scanner) takeError() string {
	text := takeError(s.result.err)
	s.result.err = nil
	return text
}

// free gives back the native part; nothing may be running.
func (s *scanner) free() {
	if s.c != nil {
		C.kalam_scan_free(s.c)
		s.c = nil
	}
}

// Scanner implements kv.Handle.
func (s *scanner) Scanner() bool { return true }

// Free implements kv.Handle.
func (s *scanner) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		<-s.running
		s.running = nil
		s.takeError()
	}
	s.free()
	if s.err == nil {
		s.err = errFreed
	}
}

// Close implements kv.Scanner. It doesn't wait for a background read.
func (s *scanner) Close() error {
	s.mu.Lock()
	if running, c := s.running, s.c; running != nil {
		s.running, s.c, s.buffers = nil, nil, nil
		s.snap.db.freeing.Go(func() {
			<-running
			s.takeError()
			C.kalam_scan_free(c)
		})
	}
	s.mu.Unlock()
	s.Free()
	s.giveBuffers()
	s.snap.db.tracker.Remove(s) // after Free: DB.Close waits for it
	return nil
}

// giveBuffers leaves the buffers to other scans. Free does not: it may run while
// the chunk is read.
func (s *scanner) giveBuffers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range []*buffers{s.buffers, s.other} {
		if b == nil {
			continue
		}
		if kv.Invariants {
			clear(b.buf) // who kept the last chunk notices
		}
		spare.Put(b)
	}
	s.buffers, s.other = nil, nil
}
