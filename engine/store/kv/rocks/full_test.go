//go:build cgo

package rocks

import (
	"crypto/rand"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestDiskFull fills a small file system. What was written before stays, and
// the database works again once there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=16m"); err != nil {
		t.Skip("no right to mount a file system")
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })

	cfg := Config{Path: filepath.Join(disk, "db"), Create: true}
	db := mustOpen(t, cfg)
	random := make([]byte, 100_000)
	write := func(db kv.DB, i int) error {
		rand.Read(random) // cannot be compressed, nor has it anything of the others
		var b kv.Batch
		b.Put(kv.Data, key(i), random)
		return db.Write(t.Context(), &b, kv.Sync)
	}
	written := 0
	var err error
	for err = write(db, 0); err == nil && written < 1000; err = write(db, written) {
		written++
	}
	if !errors.Is(err, sqlerr.DiskFull) {
		t.Fatalf("got %v", err)
	}
	check := func(db kv.DB) {
		t.Helper()
		snap := kvtest.Snapshot(t, db)
		defer snap.Release()
		if n := len(kvtest.Pairs(t, snap, kv.Data, kv.Range{KeysOnly: true})); n != written {
			t.Errorf("%d pairs of %d", n, written)
		}
	}
	check(db)
	if err := write(db, written); !errors.Is(err, sqlerr.DiskFull) {
		t.Errorf("written without room: %v", err)
	}
	resize := func(size string) {
		t.Helper()
		if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
	// The same process writes again, soon after there is room.
	resize("48m")
	begin := time.Now()
	for err = write(db, written); err != nil; err = write(db, written) {
		if !errors.Is(err, sqlerr.DiskFull) || time.Since(begin) > 30*time.Second {
			t.Fatalf("with room again: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Log("writes work again after", time.Since(begin))
	written++
	check(db)
	for err = write(db, written); err == nil && written < 1000; err = write(db, written) {
		written++
	}
	if !errors.Is(err, sqlerr.DiskFull) {
		t.Fatalf("got %v", err)
	}
	check(db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(cfg); !errors.Is(err, sqlerr.DiskFull) {
		t.Errorf("opened without room: %v", err)
	}
	readOnly := mustOpen(t, Config{Path: cfg.Path, ReadOnly: true})
	check(readOnly)
	readOnly.Close()

	resize("128m")
	db = mustOpen(t, cfg)
	check(db)
	if err := write(db, written); err != nil {
		t.Error(err)
	}
	db.Close()
}
