//go:build cgo && linux

package rocks

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/linxGnu/grocksdb"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestFiltersAreCached reads a key again and again whose table has a filter that is
// large beside the cache: after the first time, nothing is read of the file. It
// runs by itself, since it counts what the process reads.
func TestFiltersAreCached(t *testing.T) {
	db := mustOpen(t, Config{Path: t.TempDir(), Create: true, CacheBytes: 8 * mib})
	const keys = 600_000 // a filter of 750 kB
	key := func(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(2*i)) }
	for half := range 2 { // two tables of the same range, so that both are written anew
		for i := 0; i < keys; {
			kvtest.Write(t, db, func(w *kv.Batch) {
				for range 10_000 {
					if i%2 == half {
						w.Put(kv.Data, key(i), nil)
					}
					i++
				}
			})
		}
		flush(t, db)
	}
	own := db.(*DB)
	own.db.CompactRangeCF(own.handles[kv.Data+1], grocksdb.Range{}) // filters of new tables are in memory in any case
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Release()
	get := func() {
		t.Helper()
		if _, ok, err := snap.Get(t.Context(), kv.Data, key(keys/2)); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	get()
	const times = 100
	before := readBytes(t)
	for range times {
		get()
	}
	if n := readBytes(t) - before; n > times*10_000 {
		t.Errorf("%d bytes are read for each time that a key is", n/times)
	}
}

// readBytes returns how many bytes the process has read, by any system calls.
func readBytes(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(text), "rchar:")
	number, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
