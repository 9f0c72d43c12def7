//go:build cgo

package rocks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestSlowScan reads the first of many keys, the rest of which are deleted,
// backwards: a step of some 100 ms.
func TestSlowScan(t *testing.T) {
	t.Parallel()
	const n = 50_000
	db := mustOpen(t, Config{InMemory: true})
	kvtest.Write(t, db, func(b *kv.Batch) {
		for i := range n {
			b.Put(kv.Data, key(i), nil)
		}
		for i := 1; i < n; i++ {
			b.Delete(kv.Data, key(i))
		}
	})
	snap := kvtest.Snapshot(t, db)

	start := time.Now()
	if got := kvtest.Pairs(t, snap, kv.Data, kv.Range{Reverse: true}); len(got) != 1 {
		t.Fatalf("got %v", got)
	}
	whole := time.Since(start)

	cancelled := func() kv.Scanner {
		t.Helper()
		sc := snap.Scan(kv.Data, kv.Range{Reverse: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := sc.Next(ctx); !errors.Is(err, sqlerr.Interrupted) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		return sc
	}
	start = time.Now()
	closed, resumed, abandoned := cancelled(), cancelled(), cancelled()
	if err := closed.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > whole*2 {
		t.Errorf("three scans cancelled and one closed in %v, one whole takes %v", took, whole)
	}
	c, err := resumed.Next(t.Context())
	if err != nil || c.Len() != 1 || string(c.Key(0)) != string(key(0)) {
		t.Errorf("resumed: %v", err)
	}
	if c, err := resumed.Next(t.Context()); err != nil || c.Len() != 0 {
		t.Errorf("at the end: %v", err)
	}
	resumed.Close()
	if kv.Invariants {
		abandoned.Close()
	}
	snap.Release()
	if err := db.Close(); err != nil { // waits for the scans that still run
		t.Error(err)
	}
	if _, err := abandoned.Next(t.Context()); !errors.Is(err, sqlerr.Closed) {
		t.Errorf("after Close: %v", err)
	}
}
