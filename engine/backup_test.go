//go:build cgo

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestBackupOfEverything backs up and restores all kinds of things that a database
// can have, the whole database and one namespace.
func TestBackupOfEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openDir(t, filepath.Join(dir, "db"))
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE DATABASE shop; USE shop; CREATE TABLE kind (id INT PRIMARY KEY, name VARCHAR(20) UNIQUE);"+
		"CREATE TABLE goods (id INT AUTO_INCREMENT PRIMARY KEY, kind INT, price INT, CHECK (price > 0), FOREIGN KEY (kind) REFERENCES kind (id) ON DELETE CASCADE);"+
		"CREATE TABLE log (what VARCHAR(40));"+
		"CREATE TRIGGER logged AFTER INSERT ON goods FOR EACH ROW INSERT INTO log VALUES (CONCAT('new ', NEW.id));"+
		"CREATE VIEW dear AS SELECT id, price FROM goods WHERE price > 10 WITH CHECK OPTION;"+
		"INSERT INTO kind VALUES (1, 'food'), (2, 'drink'); INSERT INTO goods (kind, price) VALUES (1, 5), (2, 15), (2, 25)")
	// These write all rows anew, under another number.
	run(t, s, "ALTER TABLE goods MODIFY price DECIMAL(9,2); ALTER TABLE log ADD PRIMARY KEY (what)")
	whole, alone := filepath.Join(dir, "whole"), filepath.Join(dir, "alone")
	query(t, s, "BACKUP DATABASE TO '"+whole+"'")
	query(t, s, "BACKUP DATABASE shop TO '"+alone+"'")
	look := func(t *testing.T, s *Session) string {
		t.Helper()
		return query(t, s, "SELECT * FROM goods ORDER BY id") + query(t, s, "SELECT * FROM log ORDER BY what") + query(t, s, "SELECT * FROM dear ORDER BY id") +
			query(t, s, "SHOW CREATE TABLE goods") + query(t, s, "SHOW TRIGGERS") + query(t, s, "SHOW CREATE VIEW dear") + query(t, s, "CHECK DATABASE EXTENDED")
	}
	want := look(t, s)
	if n := strings.Count(want, "|check|status|OK;"); n != 3 || strings.Contains(want, "|check|error|") {
		t.Error(want)
	}
	works := func(t *testing.T, s *Session) {
		t.Helper()
		if got := look(t, s); got != want {
			t.Error(cmp.Diff(want, got))
		}
		run(t, s, "INSERT INTO goods (kind, price) VALUES (1, 11)")
		if got := query(t, s, "SELECT * FROM log WHERE what = 'new 4'"); got != "new 4;" {
			t.Errorf("the trigger: %s", got)
		}
		_, err := s.Exec(t.Context(), "INSERT INTO goods (kind, price) VALUES (7, 1)", nil)
		wantKind(t, err, sqlerr.NoReferencedRow)
		_, err = s.Exec(t.Context(), "INSERT INTO dear VALUES (9, 1)", nil)
		wantKind(t, err, sqlerr.ViewCheckFailed)
		_, err = s.Exec(t.Context(), "UPDATE goods SET price = -1", nil)
		wantKind(t, err, sqlerr.CheckViolated)
		run(t, s, "DELETE FROM kind WHERE id = 2")
		if got := query(t, s, "SELECT id FROM goods ORDER BY id") + query(t, s, "SELECT id FROM dear"); got != "1;4;4;" {
			t.Errorf("cascaded: %s", got)
		}
	}
	for _, sql := range []string{
		"RESTORE DATABASE FROM '" + whole + "'", "RESTORE DATABASE shop FROM '" + whole + "'",
		"RESTORE DATABASE FROM '" + alone + "'", "RESTORE DATABASE shop FROM '" + alone + "'",
	} {
		query(t, s, sql)
		works(t, s)
	}
	for _, from := range []string{whole, alone} {
		to := from + "-made"
		if err := RestoreTo(t.Context(), from, to, RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		made := newSession(t, openDir(t, to), SessionConfig{})
		run(t, made, "USE shop")
		works(t, made)
	}
}

// TestBackupOfMemory backs up databases in memory, and restores to one.
func TestBackupOfMemory(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		dir := t.TempDir()
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY (a)); INSERT INTO t VALUES (1, 2), (2, 1); ALTER TABLE t MODIFY a BIGINT")
		query(t, s, "BACKUP DATABASE TO '"+filepath.Join(dir, "b")+"'")
		run(t, s, "DROP TABLE t")
		query(t, s, "RESTORE DATABASE FROM '"+filepath.Join(dir, "b")+"'")
		if got := query(t, s, "SELECT * FROM t ORDER BY a") + query(t, s, "CHECK TABLE t EXTENDED"); got != "2|1;1|2;default.t|check|status|OK;" {
			t.Error(got)
		}
	})
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

// TestRestoreKeepsGrants restores tables, which have other numbers then.
func TestRestoreKeepsGrants(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openDir(t, dir+"/db")
	defer closeEngine(t, e)
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE NAMESPACE shop; CREATE NAMESPACE later; CREATE USER ann; CREATE TABLE shop.a (id INT PRIMARY KEY); CREATE TABLE shop.b (id INT PRIMARY KEY)")
	query(t, s, "BACKUP DATABASE TO '"+dir+"/backup'")
	run(t, s, "CREATE TABLE shop.c (id INT PRIMARY KEY); CREATE TABLE later.d (id INT PRIMARY KEY); DROP NAMESPACE later CASCADE; CREATE NAMESPACE other")
	run(t, s, "GRANT INSERT ON shop.a TO ann; GRANT UPDATE ON shop.c TO ann; GRANT DELETE ON other.* TO ROLE user; GRANT DELETE ON shop.* TO ann")
	query(t, s, "RESTORE DATABASE FROM '"+dir+"/backup'")
	wantText(t, query(t, s, "SHOW GRANTS FOR ann"), "GRANT USAGE ON *.* TO `ann`@`%`;GRANT DELETE ON `shop`.* TO `ann`@`%`;GRANT INSERT ON `shop`.`a` TO `ann`@`%`;")
	ann := newSession(t, e, SessionConfig{User: "ann"})
	run(t, ann, "INSERT INTO shop.a VALUES (1)")
	_, err := ann.Exec(t.Context(), "INSERT INTO shop.b VALUES (1)", nil)
	wantKind(t, err, sqlerr.AccessDenied)
}

// makeAll makes users, grants, topics and packed rows.
func makeAll(t *testing.T, s *Session) {
	t.Helper()
	run(t, s, "CREATE DATABASE shop; CREATE TABLE shop.goods (id INT PRIMARY KEY, a INT, KEY (a)); CREATE USER TABLE shop.notes (id INT PRIMARY KEY); CREATE TABLE plain (id INT PRIMARY KEY);"+
		"CREATE USER ann IDENTIFIED BY 'secret' ROLE service EMAIL 'ann@mail'; CREATE USER bob; GRANT DELETE ON shop.goods TO bob; GRANT UPDATE ON *.* TO ROLE service;"+
		"CREATE TOPIC shop.news WITH (RETENTION_HOURS = 5, RETENTION_MB = 3); ALTER TOPIC shop.news ADD SOURCE shop.goods ON INSERT|DELETE WHERE a > 1 WITH (PAYLOAD = 'diff');"+
		"INSERT INTO shop.goods VALUES (1, 1), (2, 2), (3, 3)")
	if got := query(t, s, "PACK TABLE shop.goods"); !strings.Contains(got, "1 segments made of 3 rows") {
		t.Fatal(got)
	}
	run(t, s, "DELETE FROM shop.goods WHERE id = 1; UPDATE shop.goods SET a = 7 WHERE id = 2")
	runAs(t, s, "bob", "INSERT INTO shop.notes VALUES (7)")
}

// lookAtAll shows what makeAll made.
func lookAtAll(t *testing.T, s *Session) (text string) {
	t.Helper()
	for _, sql := range []string{"SELECT * FROM shop.goods ORDER BY id", "SELECT id FROM shop.goods FORCE INDEX (a) WHERE a > 2 ORDER BY a", "SELECT name, role, email FROM system.users ORDER BY name",
		"SHOW GRANTS FOR bob", "SHOW GRANTS FOR ann", "SHOW TOPICS", "SHOW TABLES", "CHECK DATABASE EXTENDED"} {
		text += query(t, s, sql) + "\n"
	}
	return text + as(t, s, "bob", "SELECT * FROM shop.notes")
}

// tryTopic has a topic tell of a change.
func tryTopic(t *testing.T, s *Session) {
	t.Helper()
	run(t, s, "INSERT INTO shop.goods VALUES (9, 9), (10, 0)")
	list := mustConsume(t, s, "CONSUME FROM shop.news GROUP new")
	if len(list) != 1 || list[0].key != `{"id": 9}` {
		t.Errorf("messages %v", list)
	}
	run(t, s, "DELETE FROM shop.goods WHERE id >= 9")
}

// TestBackupOfUsersAndTopics backs up, and restores, users, grants, topics and segments,
// of databases on disk and in memory.
func TestBackupOfUsersAndTopics(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		dir := t.TempDir()
		s := newSession(t, e, SessionConfig{})
		makeAll(t, s)
		want := lookAtAll(t, s)
		whole, alone := filepath.Join(dir, "whole"), filepath.Join(dir, "alone")
		query(t, s, "BACKUP DATABASE TO '"+whole+"'")
		query(t, s, "BACKUP DATABASE shop TO '"+alone+"'")
		list := mustConsume(t, s, "CONSUME FROM shop.news GROUP g")
		run(t, s, fmt.Sprintf("ACK shop.news GROUP g UPTO OFFSET %d", list[0].offset))

		// A new database has all; its topics begin anew.
		if err := RestoreTo(t.Context(), whole, filepath.Join(dir, "made"), RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		made := openDir(t, filepath.Join(dir, "made"))
		two := newSession(t, made, SessionConfig{})
		wantText(t, lookAtAll(t, two), want)
		if one, err := made.NewSession(SessionConfig{User: "ann", Password: "secret"}); err != nil {
			t.Error(err)
		} else {
			one.Close()
		}
		_, err := made.NewSession(SessionConfig{User: "ann", Password: "wrong"})
		wantKind(t, err, sqlerr.SignInDenied)
		run(t, two, "INSERT INTO shop.goods VALUES (20, 20)")
		if list := mustConsume(t, two, "CONSUME FROM shop.news GROUP other FROM EARLIEST"); len(list) == 0 || list[len(list)-1].key != `{"id": 20}` {
			t.Errorf("messages %v", list)
		}

		// Here users stay what they are, and topics go with the tables.
		for i, sql := range []string{"RESTORE DATABASE shop FROM '" + alone + "'", "RESTORE DATABASE FROM '" + whole + "'", "RESTORE DATABASE FROM '" + alone + "'"} {
			run(t, s, "INSERT INTO shop.goods VALUES (30, 30); ALTER TOPIC shop.news DROP SOURCE shop.goods; CREATE TOPIC shop.late; ALTER TOPIC shop.late ADD SOURCE shop.goods")
			if i == 1 {
				run(t, s, "DROP TOPIC shop.news")
			}
			query(t, s, sql)
			wantText(t, lookAtAll(t, s), want)
			tryTopic(t, s)
			run(t, s, fmt.Sprintf("INSERT INTO shop.goods VALUES (%d, 40)", 40+i))
			got := mustConsume(t, s, "CONSUME FROM shop.news GROUP g")
			if len(got) == 0 || got[len(got)-1].key != fmt.Sprintf(`{"id": %d}`, 40+i) || got[0].offset <= list[0].offset {
				t.Errorf("group g: %v", got)
			}
			_, err := s.Exec(t.Context(), "DROP TABLE shop.goods", nil)
			wantKind(t, err, sqlerr.TableWatched)
			run(t, s, "DELETE FROM shop.goods WHERE id >= 30")
		}
		// A new database of a namespace has no users.
		if err := RestoreTo(t.Context(), alone, filepath.Join(dir, "one"), RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		one := newSession(t, openDir(t, filepath.Join(dir, "one")), SessionConfig{})
		tryTopic(t, one)
		wantText(t, query(t, one, "SELECT COUNT(*) FROM system.users"), "0;")
		if dbs := query(t, one, "SHOW TABLES FROM shop"); dbs != "goods;notes;" {
			t.Error(dbs)
		}
	})
}

// copyOpen copies the directory of an open database as it is at one moment: again, if files
// came or went meanwhile.
func copyOpen(t *testing.T, to, from string) {
	t.Helper()
	files := func() (list []string) {
		entries, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil && !e.IsDir() {
				list = append(list, fmt.Sprint(e.Name(), info.Size()))
			}
		}
		return list
	}
	for {
		before := files()
		err := os.CopyFS(to, os.DirFS(from))
		if err == nil && slices.Equal(before, files()) {
			return
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDropWithoutLog takes back a DROP TABLE that was committed without log, as a crash does:
// the table has its rows.
func TestDropWithoutLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openDir(t, filepath.Join(dir, "db"))
	s := newSession(t, e, SessionConfig{Durability: NoLog})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)")
	query(t, s, "BACKUP DATABASE TO '"+filepath.Join(dir, "backup")+"'") // what is in memory goes into files
	run(t, s, "DROP TABLE t")
	for query(t, s, "SELECT COUNT(*) FROM system.jobs WHERE state <> 'completed'") != "0;" {
		time.Sleep(time.Millisecond)
	}
	killed := filepath.Join(dir, "killed")
	copyOpen(t, killed, filepath.Join(dir, "db"))
	s = newSession(t, openDir(t, killed), SessionConfig{})
	if tables := query(t, s, "SHOW TABLES"); tables != "" {
		wantText(t, query(t, s, "SELECT COUNT(*) FROM t"), "3;")
	} else {
		t.Log("the DROP is not lost")
	}
}

// TestMixedDurability kills a database that sessions with and without log wrote: commits with
// log are there, and each of the others wholly or not at all.
func TestMixedDurability(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openDir(t, filepath.Join(dir, "db"))
	off, full := newSession(t, e, SessionConfig{Durability: NoLog}), newSession(t, e, SessionConfig{})
	run(t, full, "CREATE TABLE a (id INT PRIMARY KEY, n INT, KEY (n)); CREATE TABLE b (id INT PRIMARY KEY)")
	for i := range 200 {
		run(t, off, fmt.Sprintf("BEGIN; INSERT INTO a VALUES (%d, %d); INSERT INTO a VALUES (%d, %d); COMMIT", 2*i, i, 2*i+1, i))
		run(t, full, fmt.Sprintf("INSERT INTO b VALUES (%d)", i))
		if i == 100 {
			query(t, full, "BACKUP DATABASE TO '"+filepath.Join(dir, "backup")+"'") // what is in memory goes into files
		}
	}
	killed := filepath.Join(dir, "killed")
	copyOpen(t, killed, filepath.Join(dir, "db"))
	s := newSession(t, openDir(t, killed), SessionConfig{})
	wantText(t, query(t, s, "SELECT COUNT(*) FROM b"), "200;")
	wantText(t, query(t, s, "SELECT COUNT(*) >= 202, COUNT(*) - 2 * COUNT(DISTINCT n), MAX(c) FROM a JOIN (SELECT n AS m, COUNT(*) AS c FROM a GROUP BY n HAVING c <> 2 UNION ALL SELECT -1, 0) x ON TRUE"), "1|0|0;")
	wantText(t, query(t, s, "CHECK DATABASE EXTENDED"), "default.a|check|status|OK;default.b|check|status|OK;")
}
