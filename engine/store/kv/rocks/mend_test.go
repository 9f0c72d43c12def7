//go:build cgo

package rocks

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/linxGnu/grocksdb"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestMend opens databases for salvage one of whose table files is broken: the others are
// read, each at its level.
func TestMend(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	db := mustOpen(t, Config{Path: whole, Create: true})
	put := func(from, to, plus int) {
		kvtest.Write(t, db, func(b *kv.Batch) {
			for i := from; i < to; i++ {
				b.Put(kv.Data, key(i), value(i+plus))
			}
		})
	}
	put(0, 1000, 0)
	flush(t, db)
	put(900, 2000, 0) // not apart, so that a compaction makes one file of both
	flush(t, db)
	own := db.(*DB)
	own.db.CompactRangeCF(own.handles[kv.Data+1], grocksdb.Range{})
	put(500, 1500, 7)
	flush(t, db)
	put(1400, 1600, 8)
	var lowest, upper string
	for _, f := range own.db.GetLiveFilesMetaData() {
		if name := filepath.Base(f.Name); f.Level > 0 {
			lowest = name
		} else {
			upper = name
		}
	}
	db.Close()
	if lowest == "" || upper == "" {
		t.Fatalf("files %q, %q", lowest, upper)
	}
	change := func(name string, f func([]byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, f(text), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	cut := func(b []byte) []byte { return b[:len(b)*3/4] }
	footer := func(b []byte) []byte { b[len(b)-5] ^= 1; return b }
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage    []func(t *testing.T, dir string)
		lower, l0 bool // are there
		reported  int
	}{
		"nothing":         {nil, true, true, 0},
		"lower missing":   {[]func(*testing.T, string){remove(lowest)}, false, true, 1},
		"lower cut":       {[]func(*testing.T, string){change(lowest, cut)}, false, true, 1},
		"lower's footer":  {[]func(*testing.T, string){change(lowest, footer)}, false, true, 1},
		"upper missing":   {[]func(*testing.T, string){remove(upper)}, true, false, 1},
		"upper's footer":  {[]func(*testing.T, string){change(upper, footer)}, true, false, 1},
		"both missing":    {[]func(*testing.T, string){remove(upper), remove(lowest)}, false, false, 2},
		"no CURRENT":      {[]func(*testing.T, string){remove("CURRENT")}, true, true, 1},
		"CURRENT and one": {[]func(*testing.T, string){change("CURRENT", cut), remove(lowest)}, false, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "db")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			for _, f := range c.damage {
				f(t, dir)
			}
			if c.damage != nil {
				if _, err := Open(Config{Path: dir}); err == nil {
					t.Error("it opens")
				}
			}
			var reports []error
			db := mustOpen(t, Config{Path: dir, Salvage: true, Damaged: func(err error) { reports = append(reports, err) }})
			if len(reports) != c.reported {
				t.Errorf("reports: %v", reports)
			}
			snap := kvtest.Snapshot(t, db)
			defer snap.Release()
			for i := range 2000 {
				var want []byte
				switch {
				case i >= 1400 && i < 1600: // in the log
					want = value(i + 8)
				case c.l0 && i >= 500 && i < 1500:
					want = value(i + 7)
				case c.lower:
					want = value(i)
				}
				got, ok, err := snap.Get(t.Context(), kv.Data, key(i))
				if err != nil || ok != (want != nil) || !bytes.Equal(got, want) {
					t.Fatalf("key %d: %q, %v, want %q", i, got, err, want)
				}
			}
		})
	}
}

// FuzzPlaceOf reads manifests that are no manifests.
func FuzzPlaceOf(f *testing.F) {
	f.Add([]byte("\xc8\x01\x01\x06\x02\x07"))
	f.Add([]byte("\x67\x00\x07\x0a\x02ab\x02cd\x01\x02\x01"))
	f.Fuzz(func(t *testing.T, record []byte) {
		log := appendRecord(appendRecord(nil, nil), record)
		if got := records(log); len(got) != 2 || !bytes.Equal(got[1], record) {
			t.Fatalf("%d records of one of %d bytes", len(got), len(record))
		}
		placeOf(log, 7)
		placeOf(record, 7)
	})
}
