//go:build cgo

package rocks

import (
	"errors"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

func mustOpen(t testing.TB, cfg Config) kv.DB {
	t.Helper()
	db, err := Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestContract(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"disk":   {Create: true},
		"memory": {InMemory: true},
		"tiny":   {InMemory: true, CacheBytes: 64 * kib, WriteBufferBytes: 64 * kib}, // many small tables
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kvtest.Run(t, func(t *testing.T) kv.DB {
				cfg := cfg
				cfg.Path = t.TempDir()
				return mustOpen(t, cfg)
			})
		})
	}
}

func TestReadOnlyMemory(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, Config{InMemory: true, ReadOnly: true})
	if got := kvtest.Pairs(t, kvtest.Snapshot(t, db), kv.Data, kv.Range{}); got != nil {
		t.Errorf("got %v", got)
	}
	var b kv.Batch
	b.Delete(kv.Data, []byte("k"))
	if err := db.Write(t.Context(), &b, kv.Sync); !errors.Is(err, sqlerr.ReadOnly) {
		t.Errorf("Write: %v", err)
	}
}

func TestHugeValue(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a gigabyte")
	}
	kvtest.HugeValue(t, mustOpen(t, Config{Path: t.TempDir(), Create: true}), 100*mib)
}
