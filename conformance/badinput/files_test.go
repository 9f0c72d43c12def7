package badinput

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/rocks"
)

// tryOpen returns the error of opening the database and reading its tables.
func tryOpen(dsn string) error {
	db, err := sql.Open("kalam", dsn)
	if err != nil {
		return err
	}
	return errors.Join(db.Ping(), db.Close())
}

// filled makes a database of two tables at path and returns their contents.
func filled(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("kalam", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		"CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20), UNIQUE KEY (b))",
		"INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, NULL)",
		"CREATE TABLE u (c TEXT)",
		"INSERT INTO u VALUES ('text')",
	} {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	want := contents(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return want
}

// same fails the test unless the database opens, has the contents, and takes
// writes.
func same(t *testing.T, path, want string) {
	t.Helper()
	db, err := sql.Open("kalam", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if diff := cmp.Diff(want, contents(t, db)); diff != "" {
		t.Errorf("opened again, the tables differ:\n%s", diff)
	}
	if _, err := db.Exec("CREATE TABLE later (a INT); INSERT INTO later VALUES (1); DROP TABLE later"); err != nil {
		t.Error(err)
	}
}

// files returns the names and contents of all files below dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestPaths opens what is no database. Nothing there is touched.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		options    string
		want       error
	}{
		{"a file", "file", "", sqlerr.CantOpen},
		{"a file, to read", "file", "?readonly=true", sqlerr.CantOpen},
		{"below a file", "file/db", "", sqlerr.CantOpen},
		{"a folder of other things", "folder", "", kalam.ErrNotADatabase},
		{"a folder of other things, to read", "folder", "?readonly=true", kalam.ErrNotADatabase},
		{"nothing, create=false", "nothing", "?create=false", kalam.ErrNoSuchDatabase},
		{"nothing, to read", "nothing", "?readonly=true", kalam.ErrNoSuchDatabase},
		{"below nothing", "nothing/at/all", "", sqlerr.CantOpen},
		{"an option that is none", "db", "?colour=red", sqlerr.BadDSN},
		{"an option with a wrong value", "db", "?sync=maybe", sqlerr.BadDSN},
		{"an option twice", "db", "?sync=off&sync=full", sqlerr.BadDSN},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "file"), "not a database")
			if err := os.Mkdir(filepath.Join(dir, "folder"), 0o777); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "folder", "notes"), "mine")
			before := files(t, dir)
			err := tryOpen("file:" + filepath.Join(dir, c.path) + c.options)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(before, files(t, dir)); diff != "" {
				t.Errorf("the files were changed:\n%s", diff)
			}
		})
	}
}

// TestPermissions opens databases as a user who may not write them.
func TestPermissions(t *testing.T) {
	t.Parallel()
	user := 0
	if os.Getuid() == 0 {
		user = nobody // root may write everywhere
	}
	// Unlike t.TempDir, which only its owner can enter.
	dir, err := os.MkdirTemp("", "badinput")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "db")
	want := filled(t, path)
	for _, d := range []string{dir, path} {
		if err := os.Chmod(d, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	prefix := fmt.Sprintf("Error %d (%s): ", sqlerr.CantOpen.Number, sqlerr.CantOpen.State)
	for job, dsn := range map[string]string{"create": filepath.Join(dir, "new"), "read": path} {
		if got := process(t, job, dsn, user); !strings.HasPrefix(got, prefix) {
			t.Errorf("%s: %s", job, got)
		}
	}
	for _, d := range []string{dir, path} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	same(t, path, want)
}

func TestNewerFormat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	want := filled(t, path)
	raise := func(by uint32) {
		db, err := rocks.Open(rocks.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		snap, err := db.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Release()
		key := []byte{0}
		v, ok, err := snap.Get(t.Context(), kv.Meta, key)
		if err != nil || !ok {
			t.Fatal("no format:", err)
		}
		version := v[len(v)-4:]
		binary.BigEndian.PutUint32(version, binary.BigEndian.Uint32(version)+by)
		var b kv.Batch
		b.Put(kv.Meta, key, v)
		if err := db.Write(t.Context(), &b, kv.Sync); err != nil {
			t.Fatal(err)
		}
	}
	raise(1)
	for _, options := range []string{"", "?readonly=true"} {
		if err := tryOpen("file:" + path + options); !errors.Is(err, kalam.ErrNewerFormat) {
			t.Errorf("%q: got %v", options, err)
		}
	}
	raise(^uint32(0)) // down by 1
	same(t, path, want)
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	want := filled(t, path)
	db := open(t, path)
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	prefix := fmt.Sprintf("Error %d ", kalam.ErrDatabaseInUse.Number)
	for _, dsn := range []string{path, "file:" + path + "?readonly=true"} {
		if got := process(t, "read", dsn, 0); !strings.HasPrefix(got, prefix) {
			t.Errorf("%s: %s", dsn, got)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := process(t, "read", path, 0); got != "3 rows\n" {
		t.Errorf("once closed: %s", got)
	}
	same(t, path, want)
}

// TestTruncatedTable cuts the tables' files short. With the file as it was, all
// is there.
func TestTruncatedTable(t *testing.T) {
	t.Parallel()
	whole := filepath.Join(t.TempDir(), "db")
	want := filled(t, whole)
	same(t, whole, want) // opening writes to tables what the log holds
	tables, err := filepath.Glob(filepath.Join(whole, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, table := range tables {
		content, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 10, len(content) / 2, len(content) - 1} {
			// An open database moves its rows to other files: each try has its own.
			path := filepath.Join(t.TempDir(), "db")
			if err := os.CopyFS(path, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(path, filepath.Base(table))
			writeFile(t, name, string(content[:n]))
			if err := readAll(path); !errors.Is(err, kalam.ErrCorrupt) {
				t.Errorf("%s cut from %d to %d bytes: got %v", filepath.Base(name), len(content), n, err)
			}
			writeFile(t, name, string(content))
			same(t, path, want)
		}
	}
}

// readAll returns the error of opening a database and reading its tables.
func readAll(path string) error {
	db, err := sql.Open("kalam", path)
	if err != nil {
		return err
	}
	for _, table := range []string{"t", "u"} {
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	return db.Close()
}

// TestTruncatedLog cuts the write-ahead log of a process that ended without
// closing its database. What was written before the cut is there, in full.
func TestTruncatedLog(t *testing.T) {
	t.Parallel()
	whole := filepath.Join(t.TempDir(), "db")
	if got := process(t, "write", whole, 0); got != "written\n" {
		t.Fatal(got)
	}
	logs, err := filepath.Glob(filepath.Join(whole, "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	info, err := os.Stat(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	last := logRows
	for _, cut := range []int64{0, 1, 100, info.Size() / 4, info.Size() / 2} {
		path := filepath.Join(t.TempDir(), "db")
		if err := os.CopyFS(path, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(path, filepath.Base(logs[0])), info.Size()-cut); err != nil {
			t.Fatal(err)
		}
		got := rows(t, open(t, path), "SELECT id, text FROM log ORDER BY id")
		for i, row := range got {
			if row != fmt.Sprintf("%d|%s", i, logText(i)) {
				t.Errorf("cut by %d: row %d is %s", cut, i, row)
			}
		}
		if len(got) > last || cut == 0 && len(got) != logRows || cut == 1 && len(got) != logRows-1 {
			t.Errorf("cut by %d: %d of %d rows are there", cut, len(got), logRows)
		}
		last = len(got)
		// The rows that were cut off can be written anew.
		db := open(t, path)
		for i := len(got); i < logRows; i++ {
			if _, err := db.Exec("INSERT INTO log VALUES (?, ?)", i, logText(i)); err != nil {
				t.Errorf("cut by %d: %v", cut, err)
			}
		}
	}
}
