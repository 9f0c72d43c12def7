//go:build cgo

package store

import (
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/rocks"
)

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
