//go:build !cgo

package store

import (
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

// spillIn returns nothing: there are no files.
func spillIn(string) func() (kv.DB, func(), error) { return nil }

// OpenSalvage is there with cgo only.
func OpenSalvage(dir, _ string, _ func(what string)) (*DB, error) {
	return nil, sqlerr.CantOpen.New("Can't open '%s': this program was built without cgo and has in-memory databases only", dir)
}

// open keeps databases in Go's memory: RocksDB needs cgo.
func open(cfg Config) (kv.DB, error) {
	if !cfg.InMemory {
		return nil, sqlerr.CantOpen.New("Can't open '%s': this program was built without cgo and has in-memory databases only", cfg.Path)
	}
	return mem.Open(), nil
}
