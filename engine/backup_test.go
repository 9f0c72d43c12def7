//go:build cgo

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func openDir(t testing.TB, path string) *Engine {
	t.Helper()
	return openPath(t, Config{Path: path, Create: true, WriteBufferBytes: 1 << 20})
}

func TestBackupRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openDir(t, filepath.Join(dir, "db"))
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE DATABASE shop; CREATE TABLE shop.goods (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), UNIQUE KEY n (name), KEY r (name, id))")
	run(t, s, "INSERT INTO shop.goods (name) VALUES ('salt'), ('bread'); CREATE TABLE keep (a INT); INSERT INTO keep VALUES (1)")
	run(t, s, "CREATE VIEW shop.names AS SELECT name FROM shop.goods")
	to := filepath.Join(dir, "backup")
	first := query(t, s, "BACKUP DATABASE TO '"+to+"'")
	run(t, s, "INSERT INTO shop.goods (name) VALUES ('wine'); DELETE FROM keep; CREATE DATABASE late; CREATE TABLE late.t (a INT)")
	second := query(t, s, "BACKUP DATABASE TO '"+to+"'")
	if !strings.HasPrefix(first, "1|") || !strings.HasPrefix(second, "2|") {
		t.Errorf("%s %s", first, second)
	}
	if got := query(t, s, "VERIFY BACKUP '"+to+"'"); strings.Count(got, "|OK;") != 2 {
		t.Error(got)
	}

	// One namespace, of an older backup.
	run(t, s, "DROP TABLE shop.goods; DROP VIEW shop.names; CREATE TABLE shop.other (a INT)")
	if got := query(t, s, "RESTORE DATABASE shop FROM '"+to+"' BACKUP 1"); got != "shop|2;" {
		t.Error(got)
	}
	for sql, want := range map[string]string{
		"SELECT id, name FROM shop.goods ORDER BY id":                    "1|salt;2|bread;",
		"SELECT id FROM shop.goods FORCE INDEX (n) WHERE name = 'bread'": "2;",
		"SHOW TABLES FROM shop":                                          "goods;names;",
		"SELECT name FROM shop.names ORDER BY name":                      "bread;salt;",
		"SELECT COUNT(*) FROM keep":                                      "0;",
		"SHOW TABLES FROM late":                                          "t;",
	} {
		if got := query(t, s, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	if r := run(t, s, "INSERT INTO shop.goods (name) VALUES ('oil')"); r.LastInsertID != 3 {
		t.Errorf("the sequence goes on with %d", r.LastInsertID)
	}

	// All of it: what is not in the backup goes.
	if got := query(t, s, "RESTORE DATABASE FROM '"+to+"' BACKUP 1"); got != "default|1;shop|2;" {
		t.Error(got)
	}
	if got := query(t, s, "SHOW DATABASES") + query(t, s, "SELECT * FROM keep"); !strings.Contains(got, "default;") || !strings.HasSuffix(got, ";1;") || strings.Contains(got, "late") {
		t.Error(got)
	}
	if got := query(t, s, "CHECK DATABASE EXTENDED"); strings.Count(got, "|status|OK;") != 2 || strings.Count(got, ";") != 2 {
		t.Error(got)
	}
	// A backup of one namespace restores that one.
	alone := filepath.Join(dir, "alone")
	query(t, s, "BACKUP DATABASE shop TO '"+alone+"'")
	run(t, s, "DROP DATABASE shop; INSERT INTO keep VALUES (2)")
	if got := query(t, s, "RESTORE DATABASE FROM '"+alone+"'"); got != "shop|2;" {
		t.Error(got)
	}
	if got := query(t, s, "SELECT COUNT(*) FROM keep") + query(t, s, "SELECT COUNT(*) FROM shop.goods"); got != "2;2;" {
		t.Error(got)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "db", "kalam-tmp")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestBackupErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openDir(t, filepath.Join(dir, "db"))
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
	to := filepath.Join(dir, "b")
	query(t, s, "BACKUP DATABASE TO '"+to+"'")
	for sql, want := range map[string]*sqlerr.Kind{
		"BACKUP DATABASE nowhere TO '" + filepath.Join(dir, "c") + "'": sqlerr.BadDatabase,
		"BACKUP DATABASE TO '" + filepath.Join(dir, "db") + "'":        sqlerr.NotABackup,
		"BACKUP DATABASE TO '" + filepath.Join(dir, "x/y") + "'":       sqlerr.StorageIO,
		"RESTORE DATABASE FROM '" + filepath.Join(dir, "z") + "'":      sqlerr.NotABackup,
		"RESTORE DATABASE nowhere FROM '" + to + "'":                   sqlerr.BadDatabase,
		"RESTORE DATABASE FROM '" + to + "' BACKUP 7":                  sqlerr.NotABackup,
		"VERIFY BACKUP '" + dir + "'":                                  sqlerr.NotABackup,
	} {
		if _, err := s.Exec(t.Context(), sql, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Backup(ctx, to, BackupOptions{}); !errors.Is(err, sqlerr.Interrupted) {
		t.Error(err)
	}
	// A damaged backup changes nothing.
	files, err := filepath.Glob(filepath.Join(to, "files", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 0 {
			text[len(text)/2] ^= 8
		}
		if err := os.WriteFile(f, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Exec(t.Context(), "RESTORE DATABASE FROM '"+to+"'", nil); !errors.Is(err, sqlerr.Corrupt) {
		t.Error(err)
	}
	if got := query(t, s, "VERIFY BACKUP '"+to+"'"); !strings.Contains(got, "has another checksum") {
		t.Error(got)
	}
	if got := query(t, s, "SELECT * FROM t"); got != "1;" {
		t.Error(got)
	}
	if err := RestoreTo(t.Context(), to, filepath.Join(dir, "new"), RestoreOptions{}); !errors.Is(err, sqlerr.Corrupt) {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 3 { // db, b, c
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestBackupWhileWriting takes backups while money moves: each has all of it.
func TestBackupWhileWriting(t *testing.T) {
	t.Parallel()
	for _, d := range []Durability{Sync, NoLog} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e := openDir(t, filepath.Join(dir, "db"))
			s := newSession(t, e, SessionConfig{Durability: d})
			run(t, s, "CREATE TABLE a (id INT PRIMARY KEY, n INT, KEY (n)); INSERT INTO a VALUES (1, 500), (2, 500)")
			stop := make(chan struct{})
			var writers sync.WaitGroup
			for w := range 2 {
				writers.Go(func() {
					s, err := e.NewSession(SessionConfig{Durability: d})
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Close()
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						sql := fmt.Sprintf("UPDATE a SET n = n + IF(id = 1, %d, %d)", 1-2*w, 2*w-1)
						if _, err := s.Exec(context.Background(), sql, nil); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			to := filepath.Join(dir, "b")
			for n := 1; n <= 3; n++ {
				namespace := ""
				if n == 2 {
					namespace = "default"
				}
				if _, err := e.Backup(t.Context(), to, BackupOptions{Namespace: namespace}); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			writers.Wait()
			for n := 1; n <= 3; n++ {
				path := filepath.Join(dir, fmt.Sprint("r", n))
				var last BackupProgress
				if err := RestoreTo(t.Context(), to, path, RestoreOptions{Number: n, Progress: func(p BackupProgress) { last = p }}); err != nil {
					t.Fatal(err)
				}
				if last.Total == 0 || last.Done != last.Total {
					t.Errorf("progress %+v", last)
				}
				s := newSession(t, openDir(t, path), SessionConfig{})
				if got := query(t, s, "SELECT SUM(n), COUNT(*) FROM a"); got != "1000|2;" {
					t.Errorf("backup %d: %s", n, got)
				}
				if got := query(t, s, "CHECK DATABASE EXTENDED"); got != "default.a|check|status|OK;" {
					t.Errorf("backup %d: %s", n, got)
				}
			}
		})
	}
}

func TestRestoreToReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, to := filepath.Join(dir, "db"), filepath.Join(dir, "b")
	e := openDir(t, path)
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
	query(t, s, "BACKUP DATABASE TO '"+to+"'")
	run(t, s, "INSERT INTO t VALUES (2)")
	restore := func(replace bool) error {
		return RestoreTo(t.Context(), to, path, RestoreOptions{Replace: replace})
	}
	if err := restore(false); !errors.Is(err, sqlerr.CantOpen) {
		t.Error(err)
	}
	if err := restore(true); !errors.Is(err, sqlerr.DatabaseInUse) {
		t.Error(err)
	}
	closeEngine(t, e)
	if err := restore(true); err != nil {
		t.Fatal(err)
	}
	s = newSession(t, openDir(t, path), SessionConfig{})
	if got := query(t, s, "SELECT * FROM t"); got != "1;" {
		t.Error(got)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("left: %v, %v", list, err)
	}
}
