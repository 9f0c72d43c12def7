//go:build cgo

package rocks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestScanRanges compares scans of many ranges with one scan after the other, where
// there are stretches of deleted keys, and scans that outgrow their share of the cache.
func TestScanRanges(t *testing.T) {
	t.Parallel()
	const n = 50_000
	db := mustOpen(t, Config{InMemory: true, CacheBytes: 256 * kib, WriteBufferBytes: mib})
	rnd := rand.New(rand.NewPCG(1, 2))
	for from := 0; from < n; from += 5000 {
		kvtest.Write(t, db, func(b *kv.Batch) {
			for i := from; i < from+5000; i++ {
				b.Put(kv.Data, key(i), fmt.Appendf(nil, "value %d", i))
			}
		})
	}
	kvtest.Write(t, db, func(b *kv.Batch) {
		for i := 10_000; i < 30_000; i++ { // more than a scan passes over at once
			if i%7000 != 0 {
				b.Delete(kv.Data, key(i))
			}
		}
	})
	snap := kvtest.Snapshot(t, db)
	defer snap.Release()
	for round := range 60 {
		var at []int
		for range 2 + rnd.IntN(300) {
			at = append(at, rnd.IntN(n))
		}
		if round%3 == 0 { // near one another
			for i := range at {
				at[i] = at[i]%500 + round*500
			}
		}
		slices.Sort(at)
		at = slices.Compact(at)
		if len(at)%2 == 1 {
			at = at[1:]
		}
		var bounds [][]byte
		for i, k := range at {
			if i%2 == 1 && round%2 == 1 {
				k = min(k, at[i-1]+1+rnd.IntN(3)) // short ones
			}
			bounds = append(bounds, key(k))
		}
		keysOnly := round%5 == 0
		var want []string
		for i := 0; i < len(bounds); i += 2 {
			for _, p := range kvtest.Pairs(t, snap, kv.Data, kv.Range{Start: bounds[i], End: bounds[i+1], KeysOnly: keysOnly}) {
				want = append(want, fmt.Sprint(p))
			}
		}
		sc := snap.(kv.RangeReader).ScanRanges(kv.Data, bounds, keysOnly)
		var got []string
		for {
			c, err := sc.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.Len() == 0 {
				break
			}
			for i := range c.Len() {
				got = append(got, fmt.Sprint(kvtest.Pair{Key: string(c.Key(i)), Value: string(c.Value(i))}))
			}
		}
		sc.Close()
		if !slices.Equal(got, want) {
			t.Fatalf("round %d, %d ranges: got %d pairs, want %d", round, len(bounds)/2, len(got), len(want))
		}
	}
}
