//go:build cgo

package rocks

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

var _ kv.Checkpointer = (*DB)(nil)

// Checkpoint implements kv.Checkpointer. Memtables are flushed first, so that it
// has what was written without log, too.
func (db *DB) Checkpoint(ctx context.Context, dir string) (name string, err error) {
	if err := kv.Cancelled(ctx); err != nil {
		return "", err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	switch {
	case db.closed:
		return "", errClosed()
	case db.cfg.InMemory:
		return "", sqlerr.Unsupported("a checkpoint of a database in memory")
	case db.cfg.ReadOnly:
		return "", errReadOnly()
	}
	id, err := os.ReadFile(filepath.Join(db.cfg.Path, "IDENTITY"))
	if err != nil {
		return "", db.failure(err.Error())
	}
	c, err := db.db.NewCheckpoint()
	if err != nil {
		return "", db.failure(err.Error())
	}
	defer c.Destroy()
	const always = 0 // log size from which on memtables are flushed
	if err := c.CreateCheckpoint(dir, always); err != nil {
		return "", db.failure(err.Error())
	}
	return strings.TrimSpace(string(id)), nil
}
