package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// Durability is what a commit waits for.
type Durability = kv.Durability

// The durabilities, see kv.Durability.
const (
	Sync   = kv.Sync
	NoSync = kv.NoSync
	NoLog  = kv.NoLog
)

// Stats are figures of a database's storage.
type Stats = kv.Stats

// Config says what to open and how.
type Config struct {
	Path     string // a directory
	InMemory bool   // keep everything in memory; Path is not used
	ReadOnly bool   // refuse writes with sqlerr.ReadOnly
	Create   bool   // make a database where there is none

	// Budgets in bytes, 0 or less: a default.
	CacheBytes       int64 // block cache
	WriteBufferBytes int64 // all write buffers together
	MaxWALBytes      int64 // write-ahead log, about
	SegmentBytes     int64 // columns of segments in memory; as CacheBytes, if that is given

	SegmentRows int // rows that a segment has at most; 0: SegmentRows

	// TempDir is where temporary files may be made, on the database's file system;
	// "": there are none.
	TempDir string

	// ChangeBytes is about what a transaction's changes may take before they go to
	// temporary files; 0: a default.
	ChangeBytes int64
	// LogBytes is about what the log of a table's changes may take; 0: a default.
	LogBytes int64
}

// DB is an open database. It may be used from several goroutines at once.
type DB struct {
	kv        kv.DB
	readOnly  bool
	values    Values
	sequences sequences
	logs      logs
	commits   commits
	tempDir   string
	spillAt   int // bytes of changes
	// spill opens a temporary store for a transaction; nil: changes stay in memory.
	spill func() (db kv.DB, close func(), err error)

	written atomic.Uint64 // how often it was written, see snapshot
	latest  latest

	mu      sync.Mutex
	layouts map[uint32]*layout // the one used last of each table

	segments segments
	salvaged func(what string) // what is told what is lost; nil: no database that is salvaged
}

// Keys of kv.Meta begin with a byte that says whose they are.
const (
	metaFormat   = 0 // the database's format
	_            = 1 // package sqlmeta's records
	metaSequence = 2 // see sequence
	metaPending  = 3 // see pending
	metaLog      = 4 // see logs
	metaSegments = 8 // see directory
	metaUnlogged = 9 // see segments.unlogged
)

// The database's format: magic and a number that rises when an older Kalam
// could not read what a newer one wrote.
//
//	1  the first
//	2  indexes with descending parts and prefixes, rows of several schema versions
//	3  segments
//	4  rows whose ends take a byte
//	5  columns of segments in several blocks
//	6  compressed texts in segments
const (
	magic         = "kalam database\n"
	formatVersion = 6
)

// Open opens the database that cfg describes, or makes it.
// Its errors are NoSuchDatabase, NotADatabase, NewerFormat, DatabaseInUse,
// CantOpen and Corrupt.
func Open(cfg Config) (*DB, error) {
	store, err := open(cfg)
	if err != nil {
		return nil, err
	}
	db, err := New(store, cfg)
	if err != nil {
		store.Close()
		return nil, err
	}
	return db, nil
}

// New returns the database kept in store, which becomes the DB's unless an
// error is returned. Of cfg it uses ReadOnly.
func New(store kv.DB, cfg Config) (*DB, error) {
	db := &DB{kv: store, readOnly: cfg.ReadOnly, values: zeroValues{}, tempDir: cfg.TempDir,
		spillAt: cmp.Or(int(cfg.ChangeBytes), defaultSpill), layouts: map[uint32]*layout{}, sequences: sequences{most: keptSequences}}
	db.logs.bytes = cmp.Or(cfg.LogBytes, defaultLogBytes)
	if cfg.TempDir != "" {
		db.spill = spillIn(cfg.TempDir)
	}
	db.segments.rows = cmp.Or(cfg.SegmentRows, SegmentRows)
	db.segments.page = max(1, pageBytes*db.segments.rows/SegmentRows)
	db.segments.ingest = ingestBytes * db.segments.rows / SegmentRows
	db.segments.appendFrom = appendFrom
	db.segments.cache.budget = cmp.Or(max(cfg.SegmentBytes, 0), max(cfg.CacheBytes, 0), defaultSegmentBytes)
	if err := db.checkFormat(context.Background()); err != nil {
		return db, err
	}
	if err := db.loadLogs(context.Background()); err != nil {
		return db, err
	}
	return db, db.loadSegments(context.Background())
}

// defaultSegmentBytes is what columns of segments may take in memory.
const defaultSegmentBytes = 64 << 20

// checkFormat reads the format, and writes it to an empty database.
func (db *DB) checkFormat(ctx context.Context) error {
	snap, err := db.kv.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Release()
	key := []byte{metaFormat}
	v, ok, err := snap.Get(ctx, kv.Meta, key)
	switch {
	case err != nil:
		return err
	case ok:
		if len(v) != len(magic)+4 || string(v[:len(magic)]) != magic {
			return sqlerr.NotADatabase.New("not a Kalam database")
		}
		if n := binary.BigEndian.Uint32(v[len(magic):]); n > formatVersion {
			return sqlerr.NewerFormat.New("the database has format %d; this Kalam reads up to %d", n, formatVersion)
		} else if n < formatVersion && !db.readOnly {
			return db.writeFormat(ctx)
		}
		return nil
	}
	for s := range kv.NumSpaces {
		sc := snap.Scan(s, kv.Range{Limit: 1, KeysOnly: true})
		c, err := sc.Next(ctx)
		found := err == nil && c.Len() > 0
		sc.Close()
		if err != nil {
			return err
		}
		if found {
			return sqlerr.NotADatabase.New("not a Kalam database")
		}
	}
	if db.readOnly {
		return nil
	}
	return db.writeFormat(ctx)
}

func (db *DB) writeFormat(ctx context.Context) error {
	var b kv.Batch
	b.Put(kv.Meta, []byte{metaFormat}, binary.BigEndian.AppendUint32([]byte(magic), formatVersion))
	return db.write(ctx, &b, kv.Sync)
}

// Stats returns the figures of the storage.
func (db *DB) Stats() Stats {
	st := db.kv.Stats()
	db.latest.mu.Lock()
	defer db.latest.mu.Unlock()
	if s := db.latest.snap; s != nil && s.refs.Load() == 1 {
		st.Snapshots-- // nobody's
	}
	return st
}

// Close closes the storage. Transactions and scanners must be closed before.
func (db *DB) Close() error {
	db.latest.mu.Lock()
	db.latest.replace(nil)
	db.latest.mu.Unlock()
	return db.kv.Close()
}

// layout returns t's layout.
func (db *DB) layout(t *schema.Table) *layout {
	db.mu.Lock()
	defer db.mu.Unlock()
	if l := db.layouts[t.ID]; l != nil && l.t == t {
		return l
	}
	l := newLayout(t)
	db.layouts[t.ID] = l
	return l
}

func (db *DB) forget(table uint32) {
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.layouts, table)
}
