//go:build cgo

package rocks

import (
	"testing"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestScattered has keys in more than one table until they are compacted.
func TestScattered(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, Config{Path: t.TempDir(), Create: true})
	c := db.(kv.Compacter)
	check := func(what string, want bool) {
		t.Helper()
		bytes, total := c.Scattered(kv.Data)
		if bytes > 0 != want || bytes > total/2 {
			t.Errorf("%s: %d of %d bytes", what, bytes, total)
		}
	}
	check("nothing", false)
	for i := range 3 {
		kvtest.Write(t, db, func(w *kv.Batch) {
			for k := i; k < 300; k += 3 {
				w.Put(kv.Data, key(k), nil)
			}
		})
		if i == 2 {
			break // in memory
		}
		flush(t, db)
		check("written", i > 0)
	}
	if err := c.Compact(t.Context(), kv.Data, nil, nil); err != nil {
		t.Fatal(err)
	}
	check("compacted", false)
	snap := kvtest.Snapshot(t, db)
	defer snap.Release()
	if n := len(kvtest.Pairs(t, snap, kv.Data, kv.Range{})); n != 300 {
		t.Errorf("%d keys", n)
	}
}
