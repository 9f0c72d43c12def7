//go:build cgo

package rocks

import (
	"fmt"
	"testing"

	"github.com/linxGnu/grocksdb"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

const benchRows = 100_000

// benchDB returns a database of benchRows pairs of about 100 bytes, in tables.
func benchDB(b *testing.B) (*DB, kv.Snapshot) {
	db := mustOpen(b, Config{Path: b.TempDir(), Create: true})
	for i := 0; i < benchRows; {
		kvtest.Write(b, db, func(w *kv.Batch) {
			for range 1000 {
				w.Put(kv.Data, key(i), fmt.Appendf(nil, "%090d", i))
				i++
			}
		})
	}
	flush(b, db)
	snap, err := db.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(snap.Release)
	return db.(*DB), snap
}

func scanAll(b *testing.B, r kv.Reader, rng kv.Range) (rows int) {
	sc := r.Scan(kv.Data, rng)
	defer sc.Close()
	for {
		c, err := sc.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if c.Len() == 0 {
			return rows
		}
		for i := range c.Len() {
			if len(c.Key(i))+len(c.Value(i)) != 96 {
				b.Fatal(string(c.Key(i)))
			}
		}
		rows += c.Len()
	}
}

func BenchmarkScan(b *testing.B) {
	db, snap := benchDB(b)
	perRow := func(b *testing.B, rows int) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
	}
	b.Run("naive", func(b *testing.B) {
		ro := grocksdb.NewDefaultReadOptions()
		defer ro.Destroy()
		b.ReportAllocs()
		for b.Loop() {
			it := db.db.NewIteratorCF(ro, db.handles[kv.Data.Family()])
			rows := 0
			for it.SeekToFirst(); it.Valid(); it.Next() {
				if it.Key().Size()+it.Value().Size() != 96 {
					b.Fatal("size")
				}
				rows++
			}
			it.Close()
			if rows != benchRows {
				b.Fatal(rows)
			}
		}
		perRow(b, benchRows)
	})
	touched := kv.NewOverlay(snap)
	for i := 0; i < benchRows; i += 5000 {
		touched.Put(kv.Data, key(i), fmt.Appendf(nil, "%090d", i))
	}
	for _, run := range []struct {
		name string
		r    kv.Reader
		rng  kv.Range
		rows int
	}{
		{"chunks", snap, kv.Range{}, benchRows},
		{"reverse", snap, kv.Range{Reverse: true}, benchRows},
		{"overlay empty", kv.NewOverlay(snap), kv.Range{}, benchRows},
		{"overlay touched", touched, kv.Range{}, benchRows},
		{"100 rows", snap, kv.Range{Start: key(50_000), Limit: 100}, 100},
		{"1 row", snap, kv.Range{Start: key(50_000), Limit: 1}, 1},
	} {
		b.Run(run.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rows := scanAll(b, run.r, run.rng); rows != run.rows {
					b.Fatal(rows)
				}
			}
			perRow(b, run.rows)
		})
	}
}

func BenchmarkGet(b *testing.B) {
	_, snap := benchDB(b)
	const n = 256
	keys, values := make([][]byte, n), make([][]byte, n)
	perKey := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
	}
	for name, step := range map[string]int{"near": 1, "far": 389} {
		for i := range keys {
			keys[i] = key(i * step % benchRows)
		}
		b.Run(name+" single", func(b *testing.B) {
			for b.Loop() {
				for i, k := range keys {
					values[i], _, _ = snap.Get(b.Context(), kv.Data, k)
				}
			}
			perKey(b)
		})
		b.Run(name+" multi", func(b *testing.B) {
			for b.Loop() {
				if err := snap.MultiGet(b.Context(), kv.Data, keys, values); err != nil {
					b.Fatal(err)
				}
			}
			perKey(b)
		})
	}
	b.Run("missing", func(b *testing.B) {
		for b.Loop() {
			snap.Get(b.Context(), kv.Data, []byte("000017x"))
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	db, _ := benchDB(b)
	for b.Loop() {
		snap, err := db.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		snap.Release()
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, d := range []kv.Durability{kv.Sync, kv.NoSync, kv.NoLog} {
		b.Run([]string{"sync", "nosync", "nolog"}[d], func(b *testing.B) {
			db := mustOpen(b, Config{Path: b.TempDir(), Create: true})
			var batch kv.Batch
			for i := 0; b.Loop(); i++ {
				batch.Reset()
				batch.Put(kv.Data, key(i), value(i))
				if err := db.Write(b.Context(), &batch, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
