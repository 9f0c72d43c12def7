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
