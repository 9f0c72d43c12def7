//go:build cgo

package store

import (
	"os"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/rocks"
)

// spillIn returns what opens temporary stores in dir.
func spillIn(dir string) func() (kv.DB, func(), error) {
	return func() (kv.DB, func(), error) {
		path, err := os.MkdirTemp(dir, "txn-")
		if err != nil {
			return nil, nil, sqlerr.StorageIO.Wrap(err, "Can't make a temporary directory: %v", err)
		}
		remove := func() { os.RemoveAll(path) }
		db, err := rocks.Open(rocks.Config{Path: path, Create: true, Scratch: true, CacheBytes: 8 << 20, WriteBufferBytes: 32 << 20})
		if err != nil {
			remove()
			return nil, nil, err
		}
		return db, remove, nil
	}
}

func open(cfg Config) (kv.DB, error) {
	return rocks.Open(rocks.Config{
		Path:             cfg.Path,
		InMemory:         cfg.InMemory,
		ReadOnly:         cfg.ReadOnly,
		Create:           cfg.Create,
		CacheBytes:       uint64(max(cfg.CacheBytes, 0)),
		WriteBufferBytes: uint64(max(cfg.WriteBufferBytes, 0)),
		MaxWALBytes:      uint64(max(cfg.MaxWALBytes, 0)),
	})
}
