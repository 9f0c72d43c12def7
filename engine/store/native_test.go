//go:build cgo

package store

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/rocks"
)

// nativeSetups keep databases in RocksDB.
func nativeSetups() []setup {
	var memory kv.DB
	return []setup{
		{name: "rocks in memory", keep: true, open: func(t *testing.T) kv.DB {
			if memory == nil {
				memory = openRocks(t, rocks.Config{InMemory: true})
				t.Cleanup(func() { memory.Close() })
			}
			return memory
		}},
		diskSetup("rocks on disk", false, rocks.Config{Create: true}),
		diskSetup("rocks, tiny buffers", false, rocks.Config{Create: true, WriteBufferBytes: 1 << 16, CacheBytes: 1 << 16, MaxWALBytes: 1 << 16}),
		diskSetup("rocks, restless", true, rocks.Config{Create: true}),
	}
}

func diskSetup(name string, restless bool, cfg rocks.Config) setup {
	return setup{name: name, restless: restless, open: func(t *testing.T) kv.DB {
		if cfg.Path == "" {
			cfg.Path = t.TempDir()
		}
		return openRocks(t, cfg)
	}}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	path := filepath.Join(t.TempDir(), "db")
	open := func(cfg Config) (*DB, error) {
		cfg.Path = path
		return Open(cfg)
	}
	if _, err := open(Config{}); !errors.Is(err, sqlerr.NoSuchDatabase) {
		t.Errorf("missing: %v", err)
	}
	db, err := open(Config{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(Config{}); !errors.Is(err, sqlerr.DatabaseInUse) {
		t.Errorf("second: %v", err)
	}
	tx := begin(t, db)
	mustInsert(t, tx.Shared(people), batch(people, []any{1, "a", 1, "n", 0.5}))
	commit(t, tx)
	tx.Close()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = open(Config{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	tx = begin(t, db)
	equal(t, "rows", scan(t, tx.Shared(people), ScanRequest{Columns: []int{0, 1, 2, 3, 4}}), []string{`1 "a" 1 "n" 0.5`})
	mustInsert(t, tx.Shared(people), batch(people, []any{2, nil, nil, nil, nil}))
	if err := tx.Commit(ctx, Sync, nil); !errors.Is(err, sqlerr.ReadOnly) {
		t.Errorf("write: %v", err)
	}
	tx.Close()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := db.Begin(); !errors.Is(err, sqlerr.Closed) {
		t.Errorf("Begin after Close: %v", err)
	}

	// What is newer is refused, and the database is let go.
	store := openRocks(t, rocks.Config{Path: path})
	var b kv.Batch
	b.Put(kv.Meta, []byte{metaFormat}, []byte(magic+"\x00\x00\x00\x63"))
	if err := store.Write(ctx, &b, Sync); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := open(Config{Create: true}); !errors.Is(err, sqlerr.NewerFormat) {
			t.Errorf("newer format: %v", err)
		}
	}
}

func openRocks(t *testing.T, cfg rocks.Config) kv.DB {
	t.Helper()
	db, err := rocks.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return db
}
