//go:build cgo

package rocks

// #include "native.h"
import "C"

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linxGnu/grocksdb"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// DB is a kv.DB over RocksDB.
type DB struct {
	cfg      Config
	db       *grocksdb.DB
	c        *C.rocksdb_t
	cache    *grocksdb.Cache
	handles  []*grocksdb.ColumnFamilyHandle // by family number
	families [kv.NumSpaces]*C.rocksdb_column_family_handle_t
	writing  [kv.NoLog + 1]*grocksdb.WriteOptions
	tracker  kv.Tracker
	freeing  sync.WaitGroup // what is freed, or noted, in the background
	release  []func()       // gives back what opening took, last first

	mu     sync.RWMutex // held for reading by calls that run
	closed bool

	noting    sync.Mutex // see noteManifest
	noted     string     // the manifest whose length is noted
	notedSize int64
	opened    time.Time
	noteDue   atomic.Int64 // nanoseconds since opened

	tables   int   // files when it was opened
	group    group // of syncs
	resuming sync.Mutex
	resumed  atomic.Uint64 // how often writes were made to work again
}

var _ kv.DB = (*DB)(nil)

// memoryPath is where a database in memory lies in its own environment.
const memoryPath = "/memory"

// Open opens the database that cfg describes. Errors are sqlerr.CantOpen,
// NoSuchDatabase, NotADatabase, DatabaseInUse (by this or another process;
// processes that all open it for reading only can share it), Corrupt and
// DiskFull.
//
// A write-ahead log whose end was torn by a crash is read up to there. When
// writes follow the damage they would be lost: that is Corrupt.
func Open(cfg Config) (kv.DB, error) {
	cfg.setDefaults()
	db := &DB{cfg: cfg, opened: time.Now()}
	if err := db.open(); err != nil {
		db.free()
		return nil, err
	}
	if db.keepsNote() {
		db.noteManifest()
	}
	return db, nil
}

func (db *DB) name() string {
	if db.cfg.InMemory {
		return ":memory:"
	}
	return db.cfg.Path
}

// own has f called, in reverse order, when db is closed.
func (db *DB) own(f func()) { db.release = append(db.release, f) }

func (db *DB) free() {
	for _, f := range slices.Backward(db.release) {
		f()
	}
	db.release = nil
}

func (db *DB) open() error {
	path, logDir := memoryPath, ""
	if !db.cfg.InMemory {
		path = db.cfg.Path
		if err := db.takePath(); err != nil {
			return err
		}
		if db.cfg.ReadOnly {
			// RocksDB keeps its info log also when it only reads.
			dir, err := os.MkdirTemp("", "kalam-log-")
			if err != nil {
				return db.openFailure(err.Error())
			}
			logDir = dir
			db.own(func() { os.RemoveAll(dir) })
		}
	}

	db.cache = newCache(db.cfg.CacheBytes)
	db.own(db.cache.Destroy)
	names := []string{"default"}
	options := []*grocksdb.Options{db.familyOptions(kv.Meta)}
	for s := range kv.NumSpaces {
		names = append(names, s.String())
		options = append(options, db.familyOptions(s))
	}
	for _, o := range options {
		db.own(o.Destroy)
	}

	if db.cfg.Repair {
		if err := grocksdb.RepairDb(path, options[0]); err != nil {
			return db.openFailure(err.Error())
		}
	}
	if db.keepsNote() {
		db.own(func() { // once RocksDB is closed
			if db.c != nil {
				db.noteManifest()
			}
		})
	}
	open := func() error { return db.openNative(path, logDir, names, options) }
	err := error(nil)
	if db.cfg.Salvage && !db.cfg.Repair {
		err = db.openMending(open)
	} else {
		err = open()
	}
	if err != nil {
		return db.openFailure(err.Error())
	}
	if db.handles[0].ID() != 0 {
		return errForeign(db.cfg.Path, "its column families are numbered otherwise")
	}
	for s := range kv.NumSpaces {
		h := db.handles[s+1]
		if h.ID() != s.Family() && !db.cfg.Salvage { // a repair may number them anew
			return errForeign(db.cfg.Path, "its column families are numbered otherwise")
		}
		db.families[s] = nativeFamily(h)
	}

	for d := range db.writing {
		o := grocksdb.NewDefaultWriteOptions()
		db.own(o.Destroy)
		o.SetSync(kv.Durability(d) == kv.Sync && !db.cfg.InMemory)
		o.DisableWAL(kv.Durability(d) == kv.NoLog || db.cfg.InMemory)
		db.writing[d] = o
	}
	return nil
}

// Uses reports whether the database uses a table file, by its name.
func (db *DB) Uses(file string) bool {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return !db.closed && slices.ContainsFunc(db.db.GetLiveFilesMetaData(), func(f grocksdb.LiveFileMetadata) bool {
		return filepath.Base(f.Name) == file
	})
}

// takePath checks the database's directory and keeps others out of it.
func (db *DB) takePath() error {
	release, err := claim(db.cfg.Path)
	if err != nil {
		return err
	}
	db.own(release)
	if db.cfg.Salvage {
		files, err := os.ReadDir(db.cfg.Path)
		if err == nil {
			err = errors.Join(checkManifest(db.cfg.Path), checkLogs(db.cfg.Path, files))
		}
		if err != nil {
			db.cfg.Damaged(err)
		}
		return nil
	}
	exists, files, err := inspect(db.cfg.Path, db.cfg.Create && !db.cfg.ReadOnly)
	if err != nil {
		return err
	}
	lock, err := lockFile(db.cfg.Path, db.cfg.ReadOnly)
	if err != nil {
		return err
	}
	if lock != nil {
		db.own(func() { lock.Close() })
	}
	if !exists {
		return nil
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) == ".sst" {
			db.tables++
		}
	}
	if err := checkManifest(db.cfg.Path); err != nil {
		return err
	}
	if err := db.checkFamilies(files); err != nil {
		return err
	}
	if err := checkLogs(db.cfg.Path, files); err != nil || db.cfg.ReadOnly {
		return err
	}
	return removeEmptyLogs(db.cfg.Path, files)
}

// checkFamilies refuses a RocksDB database that isn't Kalam's. One that has
// only some of the families and no content was interrupted while being made.
func (db *DB) checkFamilies(files []fs.DirEntry) error {
	o := grocksdb.NewDefaultOptions()
	defer o.Destroy()
	names, err := grocksdb.ListColumnFamilies(o, db.cfg.Path)
	if err != nil {
		return db.openFailure(err.Error())
	}
	want := []string{"default"}
	for s := range kv.NumSpaces {
		want = append(want, s.String())
	}
	for _, name := range names {
		if !slices.Contains(want, name) {
			return errForeign(db.cfg.Path, "it has a column family "+name)
		}
	}
	if len(names) < len(want) && (hasContent(files) || db.cfg.ReadOnly) {
		return errForeign(db.cfg.Path, "it lacks column families")
	}
	return nil
}

func (db *DB) openNative(path, logDir string, names []string, options []*grocksdb.Options) (err error) {
	o, err := db.dbOptions(logDir)
	if err != nil {
		return err
	}
	if db.cfg.ReadOnly && !db.cfg.InMemory {
		db.db, db.handles, err = grocksdb.OpenDbForReadOnlyColumnFamilies(o, path, names, options, false)
	} else {
		db.db, db.handles, err = grocksdb.OpenDbColumnFamilies(o, path, names, options)
	}
	if err != nil {
		o.Destroy()
		return err
	}
	db.c = nativeDB(db.db)
	db.own(o.Destroy) // with it goes the environment
	db.own(db.db.Close)
	for _, h := range db.handles {
		db.own(h.Destroy)
	}
	return nil
}

// Write implements kv.DB.
func (db *DB) Write(ctx context.Context, b *kv.Batch, d kv.Durability) error {
	if err := kv.Cancelled(ctx); err != nil {
		return err
	}
	if err := b.Err(); err != nil {
		return err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	if err := db.writable(); err != nil {
		return err
	}
	rep := b.Bytes()
	if len(rep) == 0 {
		return nil
	}
	if d != kv.Sync || db.cfg.InMemory {
		return db.try(func() *C.char { return db.writeRep(rep, d) })
	}
	if err := db.try(func() *C.char { return db.writeRep(rep, kv.NoSync) }); err != nil {
		return err
	}
	return db.sync()
}

// Sync implements kv.DB.
func (db *DB) Sync() error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if err := db.writable(); err != nil || db.cfg.InMemory {
		return err
	}
	return db.sync()
}

func (db *DB) sync() error {
	return db.group.sync(func() error {
		return db.try(func() *C.char { return C.kalam_sync(db.c) })
	})
}

// try writes, or syncs, once more if that can help.
func (db *DB) try(write func() (status *C.char)) error {
	for attempt := 0; ; attempt++ {
		before := db.resumed.Load()
		status := write()
		if status == nil {
			db.wrote()
			return nil
		}
		err := db.failure(takeError(status))
		if attempt > 0 || !db.resume(before, err) {
			return err
		}
	}
}

// writeRep writes a batch's bytes.
func (db *DB) writeRep(rep []byte, d kv.Durability) *C.char {
	return C.kalam_write(db.c, nativeWriteOptions(db.writing[d]), chars(rep), C.size_t(len(rep)))
}

// resume lets writes work again after err, which RocksDB returns from then on,
// if what made it is gone: the disk has room again. It reports whether a write is
// to be made once more, which is as if it had not been made before: it was not
// acknowledged, and is the same.
func (db *DB) resume(before uint64, err error) bool {
	if !errors.Is(err, sqlerr.DiskFull) && !errors.Is(err, sqlerr.StorageIO) {
		return false
	}
	db.resuming.Lock()
	defer db.resuming.Unlock()
	if db.resumed.Load() != before {
		return true // another writer did it
	}
	if status := C.kalam_resume(db.c); status != nil {
		takeError(status) // RocksDB may be at it itself, as it is once a disk was full
		return false
	}
	db.resumed.Add(1)
	return true
}

// Stats implements kv.DB. In memory, DiskBytes counts the tables kept there.
func (db *DB) Stats() kv.Stats {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return kv.Stats{}
	}
	st := kv.Stats{MemoryBytes: int64(db.cache.GetUsage())}
	st.Snapshots, st.Scanners = db.tracker.Counts()
	for _, h := range db.handles {
		n, _ := db.db.GetIntPropertyCF("rocksdb.cur-size-all-mem-tables", h)
		st.MemoryBytes += int64(n)
		if db.cfg.InMemory {
			n, _ := db.db.GetIntPropertyCF("rocksdb.total-sst-files-size", h)
			st.DiskBytes += int64(n)
		}
	}
	if db.cfg.InMemory {
		return st
	}
	files, err := os.ReadDir(db.cfg.Path)
	if err != nil {
		st.DiskBytes, st.LogBytes = -1, -1
		return st
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue // removed meanwhile
		}
		st.DiskBytes += info.Size()
		if filepath.Ext(f.Name()) == ".log" {
			st.LogBytes += info.Size()
		}
	}
	return st
}

// Close implements kv.DB.
func (db *DB) Close() error {
	db.mu.Lock()
	closed := db.closed
	db.closed = true
	db.mu.Unlock()
	if closed {
		return nil
	}
	leaks := db.tracker.Close()
	db.freeing.Wait()
	db.free()
	if leaks != "" {
		panic("kv/rocks: Close with " + leaks)
	}
	return nil
}
