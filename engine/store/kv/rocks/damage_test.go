//go:build cgo

package rocks

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/linxGnu/grocksdb"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

func key(i int) []byte   { return fmt.Appendf(nil, "%06d", i) }
func value(i int) []byte { return fmt.Appendf(nil, "value %d %x", i, i*2654435761) }

func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, d := range []kv.Durability{kv.Sync, kv.NoSync, kv.NoLog, kv.Sync} {
		db := mustOpen(t, Config{Path: dir, Create: true})
		snap := kvtest.Snapshot(t, db)
		if got := kvtest.Pairs(t, snap, kv.Stream, kv.Range{}); len(got) != i {
			t.Errorf("opened with %v", got)
		}
		snap.Release()
		var b kv.Batch
		b.Put(kv.Stream, key(i), value(i))
		if err := db.Write(t.Context(), &b, d); err != nil {
			t.Fatal(err)
		}
		st := db.Stats()
		if st.DiskBytes <= 0 || st.MemoryBytes <= 0 || d != kv.NoLog && st.LogBytes <= 0 {
			t.Errorf("%+v", st)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Logs of times when nothing was written do not pile up.
func TestReopenUnwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 5 {
		if err := mustOpen(t, Config{Path: dir, Create: true}).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if logs, err := filepath.Glob(filepath.Join(dir, "*.log")); err != nil || len(logs) > 1 {
		t.Errorf("logs %v, %v", logs, err)
	}
}

// An interrupted creation left some families only, or not even a CURRENT.
func TestReopenUnfinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "MANIFEST-000001"), "")
	writeFile(t, filepath.Join(dir, "000001.dbtmp"), "")
	mustOpen(t, Config{Path: dir, Create: true}).Close()

	dir = t.TempDir()
	o := grocksdb.NewDefaultOptions()
	defer o.Destroy()
	o.SetCreateIfMissing(true)
	db, err := grocksdb.OpenDb(o, dir)
	if err != nil {
		t.Fatal(err)
	}
	h, err := db.CreateColumnFamily(o, "meta")
	if err != nil {
		t.Fatal(err)
	}
	h.Destroy()
	db.Close()
	mustOpen(t, Config{Path: dir}).Close()
}

// read returns the first error of reading all of the data family in three
// ways, and checks what it reads.
func read(t *testing.T, db kv.DB) error {
	t.Helper()
	snap, err := db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Release()
	var errs []error
	for i := range 2000 {
		v, ok, err := snap.Get(t.Context(), kv.Data, key(i))
		if err == nil && (!ok || !bytes.Equal(v, value(i))) {
			t.Fatalf("Get(%s) = %q, %v", key(i), v, ok)
		}
		errs = append(errs, err)
		values := make([][]byte, 1)
		err = snap.MultiGet(t.Context(), kv.Data, [][]byte{key(i)}, values)
		if err == nil && !bytes.Equal(values[0], value(i)) {
			t.Fatalf("MultiGet(%s) = %q", key(i), values[0])
		}
		errs = append(errs, err)
	}
	sc := snap.Scan(kv.Data, kv.Range{})
	defer sc.Close()
	for i := 0; ; {
		c, err := sc.Next(t.Context())
		if err != nil {
			if _, again := sc.Next(t.Context()); again == nil {
				t.Error("a failed scan goes on")
			}
			errs = append(errs, err)
			break
		}
		if c.Len() == 0 {
			if i != 2000 {
				t.Fatalf("a scan ends after %d pairs", i)
			}
			break
		}
		for j := range c.Len() {
			if !bytes.Equal(c.Key(j), key(i)) || !bytes.Equal(c.Value(j), value(i)) {
				t.Fatalf("scan has %q: %q", c.Key(j), c.Value(j))
			}
			i++
		}
	}
	return errors.Join(errs...)
}

func TestDamagedTable(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	filled(t, whole)
	table := filepath.Base(only(t, whole, "*.sst"))
	content, err := os.ReadFile(filepath.Join(whole, table))
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string][]byte{"empty": {}, "missing": nil}
	for _, n := range []int{1, 100, len(content) / 2, len(content) - 1} {
		damaged[fmt.Sprint("cut to ", n)] = content[:n]
		flipped := bytes.Clone(content)
		flipped[n] ^= 0x10
		damaged[fmt.Sprint("flipped at ", n)] = flipped
	}
	for name, content := range damaged {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, table), string(content))
			if content == nil {
				remove(t, filepath.Join(dir, table))
			}
			db, err := Open(Config{Path: dir})
			if err == nil {
				err = read(t, db)
				db.Close()
			}
			if !errors.Is(err, sqlerr.Corrupt) {
				t.Errorf("got %v", err)
			}
			// Nothing else is lost: with the table restored all is there.
			writeFile(t, filepath.Join(dir, table), string(must(os.ReadFile(filepath.Join(whole, table)))))
			if err := read(t, mustOpen(t, Config{Path: dir})); err != nil {
				t.Errorf("restored: %v", err)
			}
		})
	}
}

func must(p []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return p
}

// TestDamagedLog damages a log of ten writes at many places. The writes before
// the damage are there; it is refused when others follow.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	const writes = 10
	whole := t.TempDir()
	db := mustOpen(t, Config{Path: whole, Create: true})
	for i := range writes {
		kvtest.Write(t, db, func(b *kv.Batch) {
			b.Put(kv.Data, key(i), bytes.Repeat(value(i), 300)) // more than a block in all
			b.Put(kv.Meta, key(i), nil)
		})
	}
	db.Close()
	log := filepath.Base(only(t, whole, "*.log"))
	content := must(os.ReadFile(filepath.Join(whole, log)))

	type damage struct {
		name    string
		content []byte
		corrupt bool
		keeps   int // writes
	}
	size := len(content) / writes
	tests := []damage{{"whole", content, false, writes}, {"empty", nil, false, 0}}
	for _, n := range []int{1, 6, 7, size / 2, size * 3 / 2, len(content) - size/2, len(content) - 1} {
		tests = append(tests, damage{fmt.Sprint("cut to ", n), content[:n], false, min(n/size, writes-1)})
	}
	for _, n := range []int{20, len(content) / 2, len(content) - 2*size} {
		flipped := bytes.Clone(content)
		flipped[n] ^= 0x10
		tests = append(tests, damage{fmt.Sprint("flipped at ", n), flipped, true, 0})
		zeroed := bytes.Clone(content)
		clear(zeroed[n : n+100])
		tests = append(tests, damage{fmt.Sprint("zeroed at ", n), zeroed, true, 0})
	}
	for _, n := range []int{len(content) - 100, len(content) - 2000} {
		torn := bytes.Clone(content)
		torn[n] ^= 0x10
		tests = append(tests, damage{fmt.Sprint("torn at ", n), torn, false, writes - 1})
		zeroed := append(bytes.Clone(content[:n]), make([]byte, 50_000)...)
		tests = append(tests, damage{fmt.Sprint("zeros from ", n), zeroed, false, writes - 1})
	}
	for _, test := range tests {
		for _, readOnly := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, " ", readOnly), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(dir, log), string(test.content))
				db, err := Open(Config{Path: dir, ReadOnly: readOnly})
				if test.corrupt {
					if !errors.Is(err, sqlerr.Corrupt) {
						t.Errorf("got %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				snap := kvtest.Snapshot(t, db)
				defer snap.Release()
				data := kvtest.Pairs(t, snap, kv.Data, kv.Range{})
				meta := kvtest.Pairs(t, snap, kv.Meta, kv.Range{})
				if len(data) != test.keeps || len(meta) != test.keeps {
					t.Errorf("%d and %d of the writes, want %d", len(data), len(meta), test.keeps)
				}
			})
		}
	}
}

// TestRecoveryInterrupted has a torn log still there beside the one that a
// recovery from it began.
func TestRecoveryInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	filled(t, dir)
	torn := only(t, dir, "*.log")
	content := must(os.ReadFile(torn))
	content = append(content, content[:len(content)-1]...) // as if a write more
	writeFile(t, torn, string(content))
	for i := range 3 {
		db := mustOpen(t, Config{Path: dir})
		if err := read(t, db); err != nil {
			t.Error(err)
		}
		snap := kvtest.Snapshot(t, db)
		if got := kvtest.Pairs(t, snap, kv.Meta, kv.Range{}); len(got) != 1+i {
			t.Errorf("got %v", got)
		}
		snap.Release()
		kvtest.Write(t, db, func(b *kv.Batch) { b.Put(kv.Meta, key(i), nil) })
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			writeFile(t, torn, string(content))
		}
	}
}
