//go:build cgo

package rocks

// #include "native.h"
import "C"

import (
	"context"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// Compact implements kv.Compacter.
func (db *DB) Compact(ctx context.Context, s kv.Space, start, end []byte) error {
	if err := kv.Cancelled(ctx); err != nil {
		return err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	if err := db.writable(); err != nil {
		return err
	}
	o := C.rocksdb_compactoptions_create()
	defer C.rocksdb_compactoptions_destroy(o)
	C.rocksdb_compactoptions_set_exclusive_manual_compaction(o, 0)
	// Ending one ends all that run, which is why it is only done when a statement or the
	// database comes to its end.
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		C.rocksdb_disable_manual_compaction(db.c)
		close(over)
	})
	C.rocksdb_compact_range_cf_opt(db.c, db.families[s], o, chars(start), C.size_t(len(start)), chars(end), C.size_t(len(end)))
	if !stop() {
		<-over
		C.rocksdb_enable_manual_compaction(db.c)
	}
	return kv.Cancelled(ctx)
}

// Scattered implements kv.Compacter: a read looks into each table of level 0, and into
// one of each other level.
func (db *DB) Scattered(s kv.Space) (bytes, total int64) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return 0, 0
	}
	most := int64(0)
	for _, l := range db.db.GetColumnFamilyMetadataCF(db.handles[s+1]).LevelMetas() {
		size := int64(l.Size())
		total += size
		if l.Level() > 0 {
			most = max(most, size)
			continue
		}
		for _, table := range l.SstMetas() {
			most = max(most, int64(table.Size()))
		}
	}
	return total - most, total
}
