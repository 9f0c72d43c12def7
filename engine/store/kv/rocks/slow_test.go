//go:build cgo

package rocks

import (
	"bytes"
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

// TestLongScan goes on with scans in which reading ahead and sparing the cache
// come together with cancelled calls, and closes some in the middle.
func TestLongScan(t *testing.T) {
	t.Parallel()
	const n = 20_000
	db := mustOpen(t, Config{InMemory: true, CacheBytes: 256 * kib, WriteBufferBytes: mib})
	value := bytes.Repeat([]byte("v"), 100)
	for from := 0; from < n; from += 1000 {
		kvtest.Write(t, db, func(b *kv.Batch) {
			for i := from; i < from+1000; i++ {
				b.Put(kv.Data, key(i), value[:i%100])
			}
		})
	}
	snap := kvtest.Snapshot(t, db)
	defer snap.Release()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range []kv.Range{{}, {Reverse: true}, {KeysOnly: true}, {Limit: n - 1}, {Start: key(17), End: key(n - 5)}, {NoCache: true}} {
		first, last := 0, n
		if r.Limit > 0 {
			last = r.Limit
		} else if r.End != nil {
			first, last = 17, n-5
		}
		sc := snap.Scan(kv.Data, r)
		i := first
		for calls := 0; ; calls++ {
			if calls%3 == 1 {
				if _, err := sc.Next(ended); !errors.Is(err, sqlerr.Interrupted) {
					t.Fatalf("got %v", err)
				}
			}
			c, err := sc.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.Len() == 0 {
				break
			}
			for k := range c.Len() {
				at := i
				if r.Reverse {
					at = n - 1 - i
				}
				want := value[:at%100]
				if r.KeysOnly {
					want = nil
				}
				if !bytes.Equal(c.Key(k), key(at)) || !bytes.Equal(c.Value(k), want) {
					t.Fatalf("%+v: pair %d is %q, %q", r, i, c.Key(k), c.Value(k))
				}
				i++
			}
		}
		if i != last {
			t.Errorf("%+v: got up to %d, not %d", r, i, last)
		}
		sc.Close()

		sc = snap.Scan(kv.Data, r)
		for range 5 {
			if _, err := sc.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sc.Close()
		if _, err := sc.Next(t.Context()); !errors.Is(err, sqlerr.Closed) {
			t.Errorf("after Close: %v", err)
		}
	}
}
