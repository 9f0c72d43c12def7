package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

// The seven system tables, each scanned whole: what sqlmeta keeps is what SQL shows.

func TestScanAllUsers(t *testing.T) {
	scanAll(t, sqlmeta.Users, "SELECT id, name, role, email FROM system.users", "a|ann|user|NULL;b|bob|dba|b@x;",
		sqlmeta.User{ID: "a", Name: "ann", Role: "user"}, sqlmeta.User{ID: "b", Name: "bob", Role: "dba", Email: "b@x"})
}

func TestScanAllNamespaces(t *testing.T) {
	scanAll(t, sqlmeta.Namespaces, "SELECT id, name, description, options FROM system.namespaces WHERE name <> 'default'", `70|x|NULL|NULL;71|a|first|{"k": "v"};`,
		sqlmeta.Namespace{ID: 70, Name: "x"}, sqlmeta.Namespace{ID: 71, Name: "a", Description: "first", Options: map[string]string{"k": "v"}})
}

func TestScanAllTables(t *testing.T) {
	scanAll(t, sqlmeta.Tables, "SELECT id, namespace, name, kind, schema_version, storage_id, comment FROM system.tables", "7|n|t|user|2|cold|c;256|n|a|shared|1|NULL|NULL;",
		sqlmeta.Table{ID: 7, Namespace: "n", Name: "t", Kind: schema.User, SchemaVersion: 2, StorageID: "cold", Comment: "c"},
		sqlmeta.Table{ID: 256, Namespace: "n", Name: "a", Kind: schema.Shared, SchemaVersion: 1})
}

func TestScanAllTableSchemas(t *testing.T) {
	scanAll(t, sqlmeta.TableSchemas, "SELECT table_id, version, `schema`->>'$.Name' FROM system.table_schemas", "7|1|t;7|2|u;",
		sqlmeta.TableSchema{TableID: 7, Version: 1, Schema: &schema.Table{Name: "t"}}, sqlmeta.TableSchema{TableID: 7, Version: 2, Schema: &schema.Table{Name: "u"}})
}

func TestScanAllStorageLocations(t *testing.T) {
	scanAll(t, sqlmeta.StorageLocations, "SELECT id, name, kind, uri, tables FROM system.storage_locations", "a|A|filesystem|/a|0;b|B|filesystem|/b|0;",
		sqlmeta.StorageLocation{ID: "a", Name: "A", Kind: "filesystem", URI: "/a"}, sqlmeta.StorageLocation{ID: "b", Name: "B", Kind: "filesystem", URI: "/b"})
}

func TestScanAllLiveQueries(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY)")
		wantText(t, query(t, s, "SELECT COUNT(*) FROM system.live_queries"), "0;")
		var open []*Rows
		for _, user := range []string{"ann", "bob"} {
			rows, err := newSession(t, e, SessionConfig{User: user}).Query(t.Context(), "SUBSCRIBE TO SELECT id FROM t", nil)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, rows)
		}
		wantText(t, query(t, s, "SELECT user, namespace, `table`, changes FROM system.live_queries ORDER BY user"), "ann|default|t|0;bob|default|t|0;")
		wantText(t, as(t, s, "ann", "SELECT user FROM system.live_queries"), "ann;")
		for _, rows := range open {
			rows.Close()
		}
		wantText(t, query(t, s, "SELECT COUNT(*) FROM system.live_queries"), "0;")
	})
}

func TestScanAllJobs(t *testing.T) {
	scanAll(t, sqlmeta.Jobs, "SELECT id, kind, state, attempts, result, error, trace FROM system.jobs", "1|k|completed|1|r|NULL|t;2|k|failed|3|NULL|e|NULL;",
		sqlmeta.Job{ID: 1, Kind: "k", State: sqlmeta.JobCompleted, Attempts: 1, Result: "r", Trace: "t"},
		sqlmeta.Job{ID: 2, Kind: "k", State: sqlmeta.JobFailed, Attempts: 3, Error: "e"})
}

// scanAll writes records through sqlmeta, and reads them by ScanAll and by SQL.
func scanAll[K, R any](t *testing.T, table *sqlmeta.Records[K, R], sql, want string, records ...R) {
	onEach(t, func(t *testing.T, e *Engine) {
		before, after := 0, 0
		count := func(n *int) func(tx *store.Tx) error {
			return func(tx *store.Tx) error {
				return table.ScanAll(t.Context(), tx, func(*R) error { *n++; return nil })
			}
		}
		inMeta(t, e, count(&before))
		inMeta(t, e, func(tx *store.Tx) error {
			for i := range records {
				if err := table.Insert(t.Context(), tx, &records[i]); err != nil {
					return err
				}
			}
			return nil
		})
		inMeta(t, e, count(&after))
		if after != before+len(records) {
			t.Errorf("%d records are scanned", after)
		}
		wantText(t, query(t, newSession(t, e, SessionConfig{}), sql), want)
	})
}

// TestHistory follows a table's definition.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	run(t, s, `CREATE NAMESPACE shop; CREATE TABLE h (id INT PRIMARY KEY, a INT);
		ALTER TABLE h ADD COLUMN b VARCHAR(20) NOT NULL DEFAULT 'x', DROP COLUMN a;
		ALTER TABLE h CHANGE b c VARCHAR(30), ADD UNIQUE KEY u (c);
		CREATE TRIGGER tr BEFORE INSERT ON h FOR EACH ROW SET NEW.c = 'y'; DROP TRIGGER tr;
		ALTER TABLE h SET (DELETED_RETENTION_HOURS=3); ALTER TABLE h COMMENT 'it''s';
		UPDATE system.tables SET options = '{}' WHERE name = 'h'; ALTER TABLE h ADD CONSTRAINT big CHECK (id > 0);
		RENAME TABLE h TO shop.i; ALTER TABLE shop.i MODIFY c VARCHAR(5), DROP KEY u`)
	rows, err := s.Query(t.Context(), "DESCRIBE TABLE shop.i HISTORY", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for _, line := range strings.Split(rest(t, rows), ";") {
		if f := strings.Split(line, "|"); len(f) == 4 {
			if f[1] == "NULL" {
				t.Errorf("version %s has no time", f[0])
			}
			got = append(got, f[0]+"|"+f[2]+"|"+f[3])
		}
	}
	want := []string{
		"1|2|CREATE",
		"2|2|DROP COLUMN `a`, ADD COLUMN `b` varchar(20) NOT NULL DEFAULT 'x'",
		"3|2|CHANGE COLUMN `b` `c` varchar(30) DEFAULT NULL, ADD UNIQUE KEY `u` (`c`)",
		"4|2|ADD TRIGGER `tr`", "5|2|DROP TRIGGER `tr`",
		"6|2|SET (DELETED_RETENTION_HOURS=3)", "7|2|COMMENT = 'it''s'", "8|2|SET (DELETED_RETENTION_HOURS=DEFAULT)",
		"9|2|ADD CONSTRAINT `big` CHECK (`id` > 0)", "10|2|RENAME TO `shop`.`i`",
	}
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			t.Errorf("version %d:\n%s\nwant\n%s", i+1, strings.Join(got, "\n"), w)
			break
		}
	}
	if last := got[len(got)-1]; !strings.HasPrefix(last, "11|2|CHANGE COLUMN `c` `c` varchar(5) DEFAULT NULL, DROP UNIQUE KEY `u` (`c`)") {
		t.Errorf("the last version is %s", last)
	}
	wantText(t, query(t, s, "DESC TABLE system.users HISTORY"), "")
	for _, sql := range []string{"DESCRIBE TABLE nothing HISTORY", "DESCRIBE TABLE h HISTORY now", "DESCRIBE TABLE HISTORY"} {
		if _, err := s.Query(t.Context(), sql, nil); err == nil {
			t.Errorf("%s succeeds", sql)
		}
	}
	run(t, s, "CREATE TABLE secret (id INT) WITH (ACCESS_LEVEL='PRIVATE')")
	_, err = s.Query(WithUser(t.Context(), "ann"), "DESCRIBE TABLE secret HISTORY", nil)
	wantKind(t, err, sqlerr.AccessDenied)
}

// TestRetryJob cancels a job and runs it again, through system.jobs.
func TestRetryJob(t *testing.T) {
	t.Parallel()
	db, err := store.New(mem.Open(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := open(context.Background(), Config{InMemory: true}, db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEngine(t, e) })
	began, fail := make(chan struct{}, 9), true
	e.jobs.Register(jobs.Kind{Name: "wait", Attempts: 1, Run: func(ctx context.Context, r *jobs.Run) error {
		r.Trace("waits")
		began <- struct{}{}
		if !fail {
			r.Result = "done"
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}})
	s := newSession(t, e, SessionConfig{})
	e.jobs.Submit(sqlmeta.Job{Kind: "wait"}, 0)
	<-began
	id := strings.TrimSuffix(query(t, s, "SELECT id FROM system.jobs WHERE kind = 'wait'"), ";")
	_, err = s.Exec(t.Context(), "UPDATE system.jobs SET state = 'queued' WHERE id = "+id, nil)
	wantKind(t, err, sqlerr.NoSuchJob) // it runs
	run(t, s, "UPDATE system.jobs SET state = 'cancelled' WHERE id = "+id)
	awaitJobs(t, s)
	wantText(t, query(t, s, "SELECT state, attempts, error, trace LIKE '%waits%' FROM system.jobs WHERE id = "+id), "cancelled|1|killed|1;")
	_, err = s.Exec(t.Context(), "UPDATE system.jobs SET state = 'cancelled' WHERE id = "+id, nil)
	if err != nil {
		t.Errorf("a cancelled job is set to what it is: %v", err) // no change
	}
	fail = false
	run(t, s, "UPDATE system.jobs SET state = 'queued' WHERE id = "+id)
	<-began
	awaitJobs(t, s)
	wantText(t, query(t, s, "SELECT state, attempts, result, error, finished_at >= started_at FROM system.jobs WHERE id = "+id), "completed|1|done|NULL|1;")
	_, err = s.Exec(t.Context(), "UPDATE system.jobs SET state = 'queued' WHERE id = "+id, nil)
	wantKind(t, err, sqlerr.NoSuchJob) // there is nothing to try again
}

// TestJobHistory keeps as many records of jobs as the database was opened with.
func TestJobHistory(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{JobHistory: 3, JobAge: time.Hour})
	s := newSession(t, e, SessionConfig{})
	for i := range 70 { // the history is trimmed after every 64th
		run(t, s, fmt.Sprintf("DROP USER IF EXISTS 'u%d' CASCADE", i))
	}
	awaitJobs(t, s)
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		if n := query(t, s, "SELECT COUNT(*) <= 9 FROM system.jobs"); n == "1;" {
			return
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("%s records are kept", query(t, s, "SELECT COUNT(*) FROM system.jobs"))
		}
	}
}

// TestSystemWritesAreAtomic changes several rows of which one cannot be.
func TestSystemWritesAreAtomic(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE USER a, b, c ROLE system")
		dba := newSession(t, e, SessionConfig{User: "d"})
		run(t, s, "CREATE USER d ROLE dba")
		_, err := dba.Exec(t.Context(), "UPDATE system.users SET email = 'x' WHERE id < 'd'", nil)
		wantKind(t, err, sqlerr.PrivilegeNeeded)
		_, err = dba.Exec(t.Context(), "DELETE FROM system.users", nil)
		wantKind(t, err, sqlerr.PrivilegeNeeded)
		wantText(t, query(t, s, "SELECT id, email FROM system.users"), "a|NULL;b|NULL;c|NULL;d|NULL;")
		ro := newSession(t, e, SessionConfig{ReadOnly: true})
		_, err = ro.Exec(t.Context(), "DELETE FROM system.users", nil)
		wantKind(t, err, sqlerr.ReadOnly)
	})
}

// TestSystemWritesConcurrently lets many sessions write users and tables at once.
func TestSystemWritesConcurrently(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY)")
		done := make(chan error)
		for i := range 4 {
			go func() {
				w, err := e.NewSession(SessionConfig{})
				for k := range 15 {
					if err != nil {
						break
					}
					_, err = w.Exec(context.Background(), fmt.Sprintf("INSERT INTO system.users (name) VALUES ('u%d-%d'); INSERT INTO t VALUES (%d); "+
						"UPDATE system.tables SET comment = 'c%d-%d' WHERE name = 't'", i, k, 100*i+k, i, k), nil)
				}
				done <- err
			}()
		}
		var failed error
		for range 4 {
			failed = errors.Join(failed, <-done)
		}
		if failed != nil {
			t.Fatal(failed)
		}
		wantText(t, query(t, s, "SELECT (SELECT COUNT(*) FROM system.users), (SELECT COUNT(*) FROM t)"), "60|60;")
	})
}
