//go:build cgo

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
)

func TestSalvage(t *testing.T) {
	t.Parallel()
	const rows = 8000
	whole := filepath.Join(t.TempDir(), "whole")
	e := openPath(t, Config{Path: whole, Create: true})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(100), UNIQUE KEY u (b), KEY k (a)) WITH (PACK='off'); CREATE DATABASE other; CREATE TABLE other.small (a INT); INSERT INTO other.small VALUES (7)")
	for from := 0; from < rows; from += 1000 {
		var list []string
		for i := from; i < from+1000; i++ {
			list = append(list, fmt.Sprintf("(%d, %d, 'row %d %x')", i, i%100, i, uint64(i)*0x9e3779b97f4a7c15))
		}
		run(t, s, "INSERT INTO t VALUES "+strings.Join(list, ", "))
		if from == 2000 || from == 4000 {
			// A backup puts what is in memory into table files. So one has 3000 rows, one
			// 2000, and the log 3000.
			query(t, s, "BACKUP DATABASE TO '"+filepath.Join(t.TempDir(), "backup")+"'")
		}
	}
	closeEngine(t, e)

	largest := func(dir, pattern string) string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		best, size := "", int64(-1)
		for _, f := range files {
			if info, err := os.Stat(f); err == nil && info.Size() > size {
				best, size = f, info.Size()
			}
		}
		return best
	}
	change := func(path string, f func([]byte) []byte) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, f(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		damage   func(dir string)
		least    int64 // rows saved
		reported bool
	}{
		"nothing": {func(string) {}, rows + 1, false},
		"a block": {func(dir string) {
			change(largest(dir, "*.sst"), func(b []byte) []byte { b[len(b)/3] ^= 0x40; return b })
		}, rows / 2, true},
		"CURRENT is missing": {func(dir string) { os.Remove(filepath.Join(dir, "CURRENT")) }, rows + 1, true},
		"the manifest is cut": {func(dir string) {
			change(largest(dir, "MANIFEST-*"), func(b []byte) []byte { return b[:len(b)/2] })
		}, rows / 2, true},
		"a table file is missing": {func(dir string) { os.Remove(largest(dir, "*.sst")) }, rows / 2, true},
		"the log is cut": {func(dir string) {
			change(largest(dir, "*.log"), func(b []byte) []byte { return b[:len(b)*2/3] })
		}, rows / 2, false},
		"the log has a hole": {func(dir string) {
			change(largest(dir, "*.log"), func(b []byte) []byte {
				if len(b) > 300 {
					clear(b[len(b)/3 : len(b)/3+200])
				}
				return b
			})
		}, rows / 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			damaged, out := filepath.Join(dir, "damaged"), filepath.Join(dir, "out")
			if err := os.CopyFS(damaged, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			c.damage(damaged)
			var reports []string
			saved, err := Salvage(t.Context(), damaged, out, func(what string) { reports = append(reports, what) })
			if err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(reports, "\n"))
			}
			t.Log(saved, len(reports))
			if saved.Rows < c.least || c.reported && len(reports) == 0 {
				t.Errorf("%+v, %d reports: %s", saved, len(reports), strings.Join(reports, "\n"))
			}
			s := newSession(t, openPath(t, Config{Path: out}), SessionConfig{})
			if saved.Rows > 1 {
				bad := query(t, s, "SELECT COUNT(*) FROM t WHERE a <> id % 100 OR b NOT LIKE CONCAT('row ', id, ' %')")
				if bad != "0;" {
					t.Errorf("%s rows are wrong", bad)
				}
			}
			if got := query(t, s, "CHECK DATABASE EXTENDED"); strings.Contains(got, "error") {
				t.Error(got)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// TestSalvageOldDefinition salvages a database whose newest definitions are lost, and the
// rows are not.
func TestSalvageOldDefinition(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openDir(t, filepath.Join(dir, "db"))
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1)")
	d, err := e.catalog.Table(t.Context(), "default", "t")
	if err != nil {
		t.Fatal(err)
	}
	old := d.Version
	run(t, s, "CREATE INDEX a ON t (a); ALTER TABLE t ADD COLUMN b INT DEFAULT 3; INSERT INTO t VALUES (2, 2, 2)")
	tx, err := e.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	r, err := sqlmeta.Tables.Get(t.Context(), tx, d.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.SchemaVersion = old
	if err := sqlmeta.Tables.Update(t.Context(), tx, r); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context(), store.Sync, nil); err != nil {
		t.Fatal(err)
	}
	tx.Close()
	closeEngine(t, e)
	var reports []string
	saved, err := Salvage(t.Context(), filepath.Join(dir, "db"), filepath.Join(dir, "out"), func(what string) { reports = append(reports, what) })
	if err != nil || saved.Rows != 2 || !strings.Contains(strings.Join(reports, "\n"), "rows are of version") {
		t.Errorf("%+v, %v, %q", saved, err, reports)
	}
	s = newSession(t, openPath(t, Config{Path: filepath.Join(dir, "out")}), SessionConfig{})
	wantText(t, query(t, s, "SELECT * FROM t ORDER BY id"), "1|1;2|2;")
	wantText(t, query(t, s, "CHECK DATABASE EXTENDED"), "default.t|check|status|OK;")
	run(t, s, "INSERT INTO t VALUES (3, 3); ALTER TABLE t ADD KEY (a)")
	wantText(t, query(t, s, "SELECT id FROM t WHERE a >= 2 ORDER BY a"), "2;3;")
}

// TestSalvageOfAll salvages what is no row.
func TestSalvageOfAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openDir(t, filepath.Join(dir, "db"))
	makeAll(t, newSession(t, e, SessionConfig{}))
	want := lookAtAll(t, newSession(t, e, SessionConfig{}))
	closeEngine(t, e)
	if _, err := Salvage(t.Context(), filepath.Join(dir, "db"), filepath.Join(dir, "out"), func(what string) { t.Error(what) }); err != nil {
		t.Fatal(err)
	}
	s := newSession(t, openPath(t, Config{Path: filepath.Join(dir, "out")}), SessionConfig{})
	wantText(t, lookAtAll(t, s), want)
	tryTopic(t, s)
}
