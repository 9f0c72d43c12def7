// Package kv is the ordered key-value contract that Kalam's tables rest on.
//
// It promises only what RocksDB and a distributed store such as TiKV can both
// do: ordered keys, snapshots, batched scans and one atomic write. kv/rocks
// implements it over RocksDB, kv/mem in memory for tests.
package kv

import (
	"context"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Space is one of the key spaces of a database. Keys of different spaces never
// meet; spaces differ in how their data is kept.
type Space uint8

const (
	Meta   Space = iota // system tables, catalogue, sequences
	Data                // rows and indexes of user and shared tables
	Stream              // rows of stream tables: short-lived
	NumSpaces
)

// String returns the space's name, which is also its column family's.
func (s Space) String() string { return [...]string{"meta", "data", "stream"}[s] }

// DB is an open store. All methods may be called from several goroutines at
// once; after Close they return sqlerr.Closed.
type DB interface {
	// Snapshot returns a view of everything written so far. The caller
	// releases it.
	Snapshot() (Snapshot, error)

	// Write applies all of b or nothing, in order. With Sync it returns once
	// the batch is on stable storage; concurrent calls share the sync.
	Write(ctx context.Context, b *Batch, d Durability) error

	// Sync returns once all that was written before with Sync or NoSync is on stable
	// storage; concurrent calls share the work.
	Sync() error

	// Ingest writes all that source yields, or nothing: however much it is, it
	// does not lie in memory together. It returns once that is on stable storage.
	// dir is where temporary files may be made, on the database's file system.
	// publish, unless it is nil, calls what it is given, which is the moment at which
	// all is there, and returns its error.
	Ingest(ctx context.Context, dir string, source Source, publish func(func() error) error) error

	// Stats returns the store's figures for system tables and tests.
	Stats() Stats

	// Close releases everything. Snapshots and scanners must be released
	// before; with the build tag invariants, Close panics when one is not.
	// Close is idempotent.
	Close() error
}

// Durability is what a Write waits for.
type Durability uint8

const (
	Sync   Durability = iota // on stable storage: survives power loss
	NoSync                   // handed to the operating system: survives the process
	NoLog                    // in memory only until flushed: may be lost with the process
)

// Stats are figures of a store; -1 where the store does not know.
type Stats struct {
	DiskBytes   int64 // files on disk
	MemoryBytes int64 // block cache and write buffers in use
	LogBytes    int64 // write-ahead log
	Snapshots   int64 // unreleased
	Scanners    int64 // unclosed
}

// Reader reads keys as of one moment.
type Reader interface {
	// Get returns the value of key and whether it is there. The value belongs
	// to the caller. A missing key is no error.
	Get(ctx context.Context, s Space, key []byte) (value []byte, ok bool, err error)

	// MultiGet looks up keys, in any order, and sets values[i] to key i's
	// value, nil when it is not there (a present empty value is non-nil).
	// values has the length of keys and belongs to the caller, with what is in it.
	MultiGet(ctx context.Context, s Space, keys, values [][]byte) error

	// Scan returns the keys of r in order (descending when r.Reverse). Errors
	// are returned by the scanner.
	Scan(s Space, r Range) Scanner
}

// Range is a set of adjacent keys and how to read it. Scan copies its bounds.
type Range struct {
	Start   []byte // first key, inclusive; nil: from the beginning
	End     []byte // exclusive; nil: to the end
	Reverse bool
	// Limit stops after this many keys, 0: no limit. It also sizes the first
	// chunk, so that a short scan does not pay for a long one.
	Limit int
	// KeysOnly leaves values out of the chunks.
	KeysOnly bool
	// NoCache keeps a scan that reads much from driving out what is cached.
	NoCache bool
}

// RangeReader is a Reader that is quick with many short ranges.
type RangeReader interface {
	Reader
	// ScanRanges returns the keys of ranges that ascend and are apart, in order: as
	// one scan after the other would. bounds has each range's start and end.
	ScanRanges(s Space, bounds [][]byte, keysOnly bool) Scanner
}

// Scanner returns the pairs of a range in chunks. It is used by one goroutine.
type Scanner interface {
	// Next returns the next pairs; an empty chunk means the end, again and
	// again. The chunk and what it refers to are valid until the next call of
	// Next or Close. Once ctx has ended it returns Cancelled(ctx).
	Next(ctx context.Context) (*Chunk, error)
	// Close releases the scanner. It is idempotent.
	Close() error
}

// Snapshot is a Reader of one moment. It may be used from several goroutines.
type Snapshot interface {
	Reader
	// Release gives the snapshot back. It is idempotent; scanners must be
	// closed before.
	Release()
}

// Writer collects changes. Keys and values are copied.
type Writer interface {
	Put(s Space, key, value []byte)
	Delete(s Space, key []byte)
	// DeleteRange deletes the keys from start, inclusive, to end, exclusive;
	// none when end is not after start. There is no open end. It is for many
	// keys: until it is compacted away, reads of its space pay for it.
	DeleteRange(s Space, start, end []byte)
}

// ReadWriter reads its own changes over a snapshot: what a statement works on.
type ReadWriter interface {
	Reader
	Writer
}

// Cancelled returns sqlerr.Interrupted, which wraps ctx's error, once ctx has
// ended, and nil before.
func Cancelled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return sqlerr.Interrupted.Wrap(err, "Query execution was interrupted")
	}
	return nil
}

// Chunk holds some pairs of a scan in one buffer.
// Pair i's key is Buf[Pos[2i]:Pos[2i+1]], its value Buf[Pos[2i+1]:Pos[2i+2]]:
// keys and values lie one after another without gaps.
type Chunk struct {
	Buf []byte
	Pos []uint32 // 2*Len()+1 positions; empty when Len is 0
}

// Len returns the number of pairs.
func (c *Chunk) Len() int { return len(c.Pos) / 2 }

// Key returns pair i's key.
func (c *Chunk) Key(i int) []byte { return c.Buf[c.Pos[2*i]:c.Pos[2*i+1]:c.Pos[2*i+1]] }

// Value returns pair i's value.
func (c *Chunk) Value(i int) []byte { return c.Buf[c.Pos[2*i+1]:c.Pos[2*i+2]:c.Pos[2*i+2]] }

// Reset empties the chunk and keeps its memory.
func (c *Chunk) Reset() { c.Buf, c.Pos = c.Buf[:0], c.Pos[:0] }

// Append adds a pair.
func (c *Chunk) Append(key, value []byte) {
	if len(c.Pos) == 0 {
		c.Pos = append(c.Pos, 0)
	}
	c.Buf = append(c.Buf, key...)
	k := uint32(len(c.Buf))
	c.Buf = append(c.Buf, value...)
	c.Pos = append(c.Pos, k, uint32(len(c.Buf)))
}

// Compacter is a DB that frees the space of deleted pairs in its own time, or when it is
// asked to.
type Compacter interface {
	// Compact frees the space that is taken by what was deleted or overwritten in a
	// range, if no snapshot needs it. Others go on meanwhile. It returns early once ctx
	// has ended.
	// Without bounds it does so with a whole space, and leaves each of its keys in one
	// place.
	Compact(ctx context.Context, s Space, start, end []byte) error
	// Scattered returns how many bytes of a space are in other places than most, where
	// reads have to look, too; and how many there are in all.
	Scattered(s Space) (bytes, total int64)
}

// Checkpointer is a DB that can make a copy of itself at little cost.
type Checkpointer interface {
	// Checkpoint makes a directory, which must not exist, with a database that
	// has all that was written so far. It shares files with this one where it can,
	// so the directory must be on the same file system and may only be read.
	// Name is the database's, other than any other's.
	Checkpoint(ctx context.Context, dir string) (name string, err error)
}
