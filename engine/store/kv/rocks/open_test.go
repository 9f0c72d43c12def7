//go:build cgo

package rocks

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/linxGnu/grocksdb"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
)

// TestNativePointers checks what nativeDB and the like rely on.
func TestNativePointers(t *testing.T) {
	t.Parallel()
	for _, v := range []any{grocksdb.DB{}, grocksdb.ColumnFamilyHandle{}, grocksdb.WriteOptions{}} {
		f := reflect.TypeOf(v).Field(0)
		if f.Name != "c" || f.Offset != 0 || f.Type.Kind() != reflect.Pointer ||
			!strings.Contains(f.Type.Elem().Name(), "_rocksdb_") {
			t.Errorf("%T starts with %s %s", v, f.Name, f.Type)
		}
	}
}

func writeFile(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		make func(t *testing.T, dir string) Config // dir is empty
		want error
	}{
		{"missing", func(_ *testing.T, dir string) Config {
			return Config{Path: filepath.Join(dir, "none")}
		}, sqlerr.NoSuchDatabase},
		{"missing, read only", func(_ *testing.T, dir string) Config {
			return Config{Path: filepath.Join(dir, "none"), ReadOnly: true, Create: true}
		}, sqlerr.NoSuchDatabase},
		{"empty directory", func(_ *testing.T, dir string) Config {
			return Config{Path: dir}
		}, sqlerr.NoSuchDatabase},
		{"missing parent", func(_ *testing.T, dir string) Config {
			return Config{Path: filepath.Join(dir, "none", "db"), Create: true}
		}, sqlerr.CantOpen},
		{"a file", func(t *testing.T, dir string) Config {
			writeFile(t, filepath.Join(dir, "file"), "text")
			return Config{Path: filepath.Join(dir, "file"), Create: true}
		}, sqlerr.CantOpen},
		{"below a file", func(t *testing.T, dir string) Config {
			writeFile(t, filepath.Join(dir, "file"), "text")
			return Config{Path: filepath.Join(dir, "file", "db"), Create: true}
		}, sqlerr.CantOpen},
		{"foreign files", func(t *testing.T, dir string) Config {
			writeFile(t, filepath.Join(dir, "letter.txt"), "text")
			return Config{Path: dir, Create: true}
		}, sqlerr.NotADatabase},
		{"foreign RocksDB", func(t *testing.T, dir string) Config {
			foreign(t, dir, "default", "other")
			return Config{Path: dir, Create: true}
		}, sqlerr.NotADatabase},
		{"foreign RocksDB with the default family", func(t *testing.T, dir string) Config {
			foreign(t, dir, "default")
			return Config{Path: dir, Create: true}
		}, sqlerr.NotADatabase},
		{"families in another order", func(t *testing.T, dir string) Config {
			foreign(t, dir, "default", "data", "meta", "stream")
			return Config{Path: dir, Create: true}
		}, sqlerr.NotADatabase},
		{"no CURRENT", func(t *testing.T, dir string) Config {
			filled(t, dir)
			remove(t, filepath.Join(dir, "CURRENT"))
			return Config{Path: dir, Create: true}
		}, sqlerr.Corrupt},
		{"no MANIFEST", func(t *testing.T, dir string) Config {
			filled(t, dir)
			remove(t, only(t, dir, "MANIFEST-*"))
			return Config{Path: dir, Create: true}
		}, sqlerr.Corrupt},
		{"broken CURRENT", func(t *testing.T, dir string) Config {
			filled(t, dir)
			writeFile(t, filepath.Join(dir, "CURRENT"), "garbage")
			return Config{Path: dir, Create: true}
		}, sqlerr.Corrupt},
		{"open already", func(t *testing.T, dir string) Config {
			mustOpen(t, Config{Path: dir, Create: true})
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(dir, link); err != nil {
				t.Fatal(err)
			}
			return Config{Path: link}
		}, sqlerr.DatabaseInUse},
		{"open already, read only", func(t *testing.T, dir string) Config {
			mustOpen(t, Config{Path: dir, Create: true})
			return Config{Path: dir, ReadOnly: true}
		}, sqlerr.DatabaseInUse},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := test.make(t, t.TempDir())
			for range 2 { // a failure leaves nothing locked
				db, err := Open(cfg)
				if !errors.Is(err, test.want) {
					t.Fatalf("got %v, want %v", err, test.want)
				}
				if db != nil {
					t.Error("a store besides the error")
				}
				if base := filepath.Base(cfg.Path); !strings.Contains(err.Error(), base) {
					t.Errorf("the message doesn't name %s: %v", base, err)
				}
			}
		})
	}
}

// foreign makes a RocksDB database with the families and something in it.
func foreign(t *testing.T, dir string, families ...string) {
	t.Helper()
	o := grocksdb.NewDefaultOptions()
	defer o.Destroy()
	o.SetCreateIfMissing(true)
	o.SetCreateIfMissingColumnFamilies(true)
	options := make([]*grocksdb.Options, len(families))
	for i := range options {
		options[i] = o
	}
	db, handles, err := grocksdb.OpenDbColumnFamilies(o, dir, families, options)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, h := range handles {
		defer h.Destroy()
	}
	w := grocksdb.NewDefaultWriteOptions()
	defer w.Destroy()
	if err := db.PutCF(w, handles[0], []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
}

// filled makes a database with an SST file and a log and closes it.
func filled(t testing.TB, dir string) {
	t.Helper()
	db := mustOpen(t, Config{Path: dir, Create: true})
	kvtest.Write(t, db, func(b *kv.Batch) {
		for i := range 2000 {
			b.Put(kv.Data, key(i), value(i))
		}
	})
	flush(t, db)
	kvtest.Write(t, db, func(b *kv.Batch) { b.Put(kv.Meta, []byte("in the log"), []byte("yes")) })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func flush(t testing.TB, db kv.DB) {
	t.Helper()
	o := grocksdb.NewDefaultFlushOptions()
	defer o.Destroy()
	o.SetWait(true)
	for _, h := range db.(*DB).handles[1:] {
		if err := db.(*DB).db.FlushCF(h, o); err != nil {
			t.Fatal(err)
		}
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// only returns the one file in dir that matches.
func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) != 1 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names[0]
}

// TestNoPermission opens as a user who may not: root may everything.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	done := make(chan error)
	go func() {
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // and not unlocked: the thread ends with its user
			if err := syscall.Setfsuid(65534); err != nil {
				done <- err
				return
			}
		}
		_, err := Open(Config{Path: filepath.Join(dir, "db"), Create: true})
		done <- err
	}()
	if err := <-done; !errors.Is(err, sqlerr.CantOpen) {
		t.Errorf("got %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	filled(t, dir)
	state := func() map[string]string {
		files := map[string]string{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			content, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			info, _ := e.Info()
			files[e.Name()] = info.ModTime().String() + string(content)
		}
		return files
	}
	before := state()
	db := mustOpen(t, Config{Path: dir, ReadOnly: true})
	snap := kvtest.Snapshot(t, db)
	if n := len(kvtest.Pairs(t, snap, kv.Data, kv.Range{})); n != 2000 {
		t.Errorf("%d pairs", n)
	}
	if _, ok, err := snap.Get(t.Context(), kv.Meta, []byte("in the log")); !ok || err != nil {
		t.Errorf("from the log: %v, %v", ok, err)
	}
	var b kv.Batch
	b.Put(kv.Data, []byte("k"), nil)
	if err := db.Write(t.Context(), &b, kv.Sync); !errors.Is(err, sqlerr.ReadOnly) {
		t.Errorf("Write: %v", err)
	}
	snap.Release()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, state()); diff != "" {
		t.Error(diff)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	db := &DB{cfg: Config{Path: "dir"}}
	for status, want := range map[string]*sqlerr.Kind{
		"IO error: No space left on device: While appending to file: /x/000012.log: No space left on device": sqlerr.DiskFull,
		"Corruption: block checksum mismatch: stored = 1, computed = 2":                                      sqlerr.Corrupt,
		"IO error: No such file or directory: While open a file for random read: /x/000012.sst: No such":     sqlerr.Corrupt,
		"IO error: While pread offset 0 len 100: /x/000012.sst: Input/output error":                          sqlerr.StorageIO,
		"Shutdown in progress: ": sqlerr.Closed,
		"Not implemented: Not supported operation in read only mode.": sqlerr.ReadOnly,
	} {
		if err := db.failure(status); !errors.Is(err, want) {
			t.Errorf("%s: %v", status, err)
		}
	}
	for status, want := range map[string]*sqlerr.Kind{
		"IO error: While lock file: dir/LOCK: Resource temporarily unavailable":                                   sqlerr.DatabaseInUse,
		"IO error: lock hold by current process, acquire time 1 acquiring thread 2: dir/LOCK: No locks available": sqlerr.DatabaseInUse,
		"IO error: while open a file for lock: dir/LOCK: Permission denied":                                       sqlerr.CantOpen,
		"Corruption: Sst file size mismatch":                                                                      sqlerr.Corrupt,
		"IO error: No space left on device: x":                                                                    sqlerr.DiskFull,
	} {
		if err := db.openFailure(status); !errors.Is(err, want) {
			t.Errorf("%s: %v", status, err)
		}
	}
}
