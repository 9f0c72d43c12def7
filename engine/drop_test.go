package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/txn"
)

// inMeta calls f in a transaction, which is committed.
func inMeta(t *testing.T, e *Engine, f func(tx *store.Tx) error) {
	t.Helper()
	tx := e.txns.Begin(txn.Options{})
	defer tx.Rollback()
	err := tx.Start()
	if err == nil {
		err = f(tx.Store())
	}
	if err == nil {
		err = tx.Commit(t.Context(), store.NoSync)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// strays returns the numbers of tables that have keys and are not known.
func strays(t *testing.T, e *Engine, known ...uint32) (list []uint32) {
	t.Helper()
	set := map[uint32]bool{}
	for _, id := range known {
		set[id] = true
	}
	inMeta(t, e, func(tx *store.Tx) error {
		return store.Strays(t.Context(), tx, set, func(id uint32) error {
			if !slices.Contains(list, id) { // keys of rows and of sequences
				list = append(list, id)
			}
			return nil
		})
	})
	return list
}

// awaitWaiting waits until so many transactions wait for locks.
func awaitWaiting(t *testing.T, e *Engine, n int) {
	t.Helper()
	for begin := time.Now(); e.txns.Waiting() != n; time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%d transactions wait, want %d", e.txns.Waiting(), n)
		}
	}
}

// awaitJobs waits until no job waits or runs.
func awaitJobs(t *testing.T, s *Session) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		left := query(t, s, "SELECT id, kind, `table`, state, error FROM system.jobs WHERE state IN ('queued', 'running')")
		if left == "" {
			return
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("jobs do not end: %s", left)
		}
	}
}

// fill makes a table that has all that a table can have.
func fillTable(t *testing.T, s *Session) {
	t.Helper()
	run(t, s, "CREATE TABLE p (id INT PRIMARY KEY)")
	run(t, s, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT, u VARCHAR(20), KEY (n), UNIQUE KEY (u), "+
		"CONSTRAINT positive CHECK (n > 0), CONSTRAINT parent FOREIGN KEY (n) REFERENCES p (id))")
	run(t, s, "INSERT INTO p VALUES (1), (2)")
	run(t, s, "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.u = COALESCE(NEW.u, 'x')")
	run(t, s, "INSERT INTO t (n, u) VALUES (1, 'a'), (2, 'b'), (NULL, NULL)")
	run(t, s, "ALTER TABLE t ADD COLUMN more INT, FORCE") // rows under another number
	run(t, s, "ANALYZE TABLE t")
}

// TestDropTableCleansBothLayers checks that nothing stays of a dropped table, neither
// in the system tables nor in the store.
func TestDropTableCleansBothLayers(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		before := strays(t, e)
		run(t, s, "CREATE TABLE neighbour (id INT AUTO_INCREMENT PRIMARY KEY); INSERT INTO neighbour VALUES (NULL)")
		fillTable(t, s)
		def, err := e.catalog.Table(t.Context(), DefaultNamespace, "t")
		if err != nil {
			t.Fatal(err)
		}
		run(t, s, "DROP TABLE t, p")
		// Names are free at once.
		run(t, s, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT, CONSTRAINT positive CHECK (n > 0)); INSERT INTO t (n) VALUES (5)")
		wantText(t, query(t, s, "SELECT * FROM t"), "1|5;")
		run(t, s, "DROP TABLE t")
		awaitJobs(t, s)
		wantText(t, query(t, s, "SELECT kind, state, `table`, attempts, error, result FROM system.jobs WHERE kind = 'drop_table' ORDER BY `table`, id"),
			strings.ReplaceAll("drop_table|completed|p|1|NULL|R;drop_table|completed|t|1|NULL|R;drop_table|completed|t|1|NULL|R;", "R", "rows, indexes and counters removed"))
		neighbour, err := e.catalog.Table(t.Context(), DefaultNamespace, "neighbour")
		if err != nil {
			t.Fatal(err)
		}
		if left := strays(t, e, neighbour.ID); len(left) > len(before) {
			t.Errorf("there are keys of tables %v", left)
		}
		inMeta(t, e, func(tx *store.Tx) error {
			ctx := t.Context()
			_, err1 := sqlmeta.Tables.Get(ctx, tx, def.ID)
			_, err2 := sqlmeta.FindName(ctx, tx, sqlmeta.NameKey{Namespace: DefaultNamespace, Kind: sqlmeta.CheckName, Name: "positive"})
			_, err3 := sqlmeta.FindName(ctx, tx, sqlmeta.NameKey{Namespace: DefaultNamespace, Kind: sqlmeta.TriggerName, Name: "tr"})
			_, err4 := sqlmeta.FindName(ctx, tx, sqlmeta.NameKey{Namespace: DefaultNamespace, Kind: sqlmeta.ForeignKeyName, Name: "parent"})
			for _, err := range []error{err1, err2, err3, err4} {
				wantKind(t, err, sqlerr.NoSuchRecord)
			}
			if st, err := sqlmeta.Statistics(ctx, tx, def.ID); st != nil || err != nil {
				t.Errorf("statistics: %v, %v", st, err)
			}
			err := sqlmeta.ReferencesTo(ctx, tx, DefaultNamespace, "p", func(child uint32) error { return fmt.Errorf("table %d references p", child) })
			if err != nil {
				t.Error(err)
			}
			return sqlmeta.TableSchemas.ScanAll(ctx, tx, func(r *sqlmeta.TableSchema) error {
				if r.TableID != neighbour.ID {
					t.Errorf("a schema of table %d", r.TableID)
				}
				return nil
			})
		})
		wantText(t, query(t, s, "CHECK DATABASE"), "default.neighbour|check|status|OK;")
	})
}

// TestDropTableAfterCrash drops a table in a process that ends before, or while, its
// rows are removed.
func TestDropTableAfterCrash(t *testing.T) {
	t.Parallel()
	for _, state := range []string{sqlmeta.JobQueued, sqlmeta.JobRunning} {
		db, err := store.New(mem.Open(), store.Config{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := open(context.Background(), Config{InMemory: true}, db)
		if err != nil {
			t.Fatal(err)
		}
		s := newSession(t, e, SessionConfig{})
		fillTable(t, s)
		e.jobs.Stop()
		run(t, s, "DROP TABLE t")
		inMeta(t, e, func(tx *store.Tx) error {
			return sqlmeta.JobsNotDone(t.Context(), tx, func(j *sqlmeta.Job) error {
				if j.State = state; state == sqlmeta.JobRunning {
					j.Attempts = 7
				}
				return sqlmeta.Jobs.Update(t.Context(), tx, j)
			})
		})
		p, err := e.catalog.Table(t.Context(), DefaultNamespace, "p")
		if err != nil {
			t.Fatal(err)
		}
		if len(strays(t, e, p.ID)) == 0 {
			t.Error("nothing is left to be removed")
		}
		// What is about to be removed is nothing wrong.
		wantText(t, query(t, s, "CHECK DATABASE"), "default.p|check|status|OK;")

		// The process ends without Close; another one opens the database.
		e, err = open(context.Background(), Config{InMemory: true}, db)
		if err != nil {
			t.Fatal(err)
		}
		s = newSession(t, e, SessionConfig{})
		awaitJobs(t, s)
		if left := strays(t, e, p.ID); len(left) > 0 {
			t.Errorf("there are keys of tables %v", left)
		}
		wantText(t, query(t, s, "SELECT state FROM system.jobs WHERE kind = 'drop_table'"), "completed;")
		closeEngine(t, e)
	}
}

func TestKillJob(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (a INT); DROP TABLE t")
	awaitJobs(t, s)
	for _, sql := range []string{"KILL JOB 1", "KILL JOB '1'", "KILL JOB 17"} {
		_, err := s.Exec(t.Context(), sql, nil)
		wantKind(t, err, sqlerr.NoSuchJob)
	}
	for _, sql := range []string{"KILL JOB", "KILL JOB x", "KILL JOB 1 2", "KILL JOB ?", "KILL JOB -1", "SHOW JOBS WHERE", "SHOW JOBS LIKE 'x'", "SHOW JOBS WHERE id = ?"} {
		_, err := s.Exec(t.Context(), sql, nil)
		wantKind(t, err, sqlerr.Syntax)
	}
	e.jobs.Submit(sqlmeta.Job{Kind: "analyze", Namespace: "default", Table: "x"}, time.Hour)
	wantText(t, query(t, s, "SHOW JOBS WHERE kind <> 'drop_table'"), "")
	if got := query(t, s, "SHOW JOBS"); !strings.HasPrefix(got, `1|drop_table|completed|default|t|{"kind": "shared"`) {
		t.Error(got)
	}
}
