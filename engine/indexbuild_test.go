package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// fillRows makes table t with rows that have ids from 1 to n.
func fillRows(t *testing.T, s *Session, n int) {
	t.Helper()
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, a INT NOT NULL, b VARCHAR(50), KEY other (b))")
	run(t, s, "SET cte_max_recursion_depth = 1000000")
	run(t, s, fmt.Sprintf("INSERT INTO t SELECT n, n, CONCAT('row ', n) FROM (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < %d) SELECT n FROM r) AS x", n))
}

// TestIndexesBuiltWhileWriting has writers go on while indexes are built: no
// statement fails because of it, and all rows are in the indexes.
func TestIndexesBuiltWhileWriting(t *testing.T) {
	t.Parallel()
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rows = 8000
			e := open(t)
			s := newSession(t, e, SessionConfig{LockWait: time.Minute})
			fillRows(t, s, rows)
			var stop atomic.Bool
			var commits atomic.Int64
			var writers sync.WaitGroup
			for w := range 3 {
				s := newSession(t, e, SessionConfig{LockWait: time.Minute})
				r := rand.New(rand.NewPCG(uint64(w), 0))
				writers.Go(func() {
					for i := 0; !stop.Load(); i++ {
						id := 1 + r.IntN(rows)
						statements := []string{fmt.Sprintf([]string{
							"UPDATE t SET a = a + 1000000, b = CONCAT('changed ', id) WHERE id = %d",
							"DELETE FROM t WHERE id = %d",
							"REPLACE INTO t (id, a, b) VALUES (%[1]d, %[1]d, 'new')",
						}[r.IntN(3)], id)}
						if i%4 == 0 {
							statements = []string{"BEGIN", statements[0], fmt.Sprintf("REPLACE INTO t (id, a, b) VALUES (%[1]d, %[1]d, NULL)", rows+1+w*1000+r.IntN(1000)), "COMMIT"}
						}
						for _, sql := range statements {
							_, err := s.Exec(context.Background(), sql, nil)
							if errors.Is(err, sqlerr.WriteConflict) { // of one writer with another
								s.Exec(context.Background(), "ROLLBACK", nil)
								break
							}
							if err != nil {
								t.Errorf("%s: %v", sql, err)
								s.Close()
								return
							}
						}
						commits.Add(1)
					}
				})
			}
			long := newSession(t, e, SessionConfig{})
			for _, sql := range []string{
				"CREATE INDEX ax ON t (a)",
				"ALTER TABLE t ADD UNIQUE KEY u (id, b(3)), ADD KEY v (b DESC, a)",
				"ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 5, ADD KEY ca (c, a), DROP KEY ax",
				"CREATE INDEX e ON t ((a + id))",
			} {
				// The statement can't end before a transaction that wrote the table, and this
				// one does not end before the writers have got on.
				run(t, long, "BEGIN")
				run(t, long, "REPLACE INTO t (id, a, b) VALUES (0, 0, 'long')")
				done := make(chan error, 1)
				go func() {
					_, err := s.Exec(context.Background(), sql, nil)
					done <- err
				}()
				for before := commits.Load(); commits.Load() < before+50 && !t.Failed(); {
					time.Sleep(time.Millisecond)
				}
				run(t, long, "COMMIT")
				if err := <-done; err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			stop.Store(true)
			writers.Wait()
			wantText(t, query(t, s, "CHECK TABLE t EXTENDED"), "default.t|check|status|OK;")
			wantText(t, query(t, s, "CHECK DATABASE"), "default.t|check|status|OK;")
		})
	}
}

// TestIndexBuildFindsDuplicates has writers make and remove duplicates while a
// unique index is built. Either there is the index, and no duplicate ever after, or
// nothing is left of it.
func TestIndexBuildFindsDuplicates(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	fillRows(t, s, 5000)
	var stop atomic.Bool
	var writer sync.WaitGroup
	w := newSession(t, e, SessionConfig{})
	defer writer.Wait()
	defer stop.Store(true)
	writer.Go(func() {
		for i := 0; !stop.Load(); i++ {
			if _, err := w.Exec(context.Background(), fmt.Sprintf("UPDATE t SET a = IF(a = id, id %% 5000 + 1, id) WHERE id = %d", 1+i*7919%5000), nil); err != nil && !errors.Is(err, sqlerr.DupEntry) {
				t.Error(err)
				return
			}
			if i%50 == 49 {
				if _, err := w.Exec(context.Background(), "UPDATE t SET a = id", nil); err != nil && !errors.Is(err, sqlerr.DupEntry) {
					t.Error(err)
					return
				}
				time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			}
		}
	})
	built, refused := 0, 0
	for range 60 {
		_, err := s.Exec(t.Context(), "CREATE UNIQUE INDEX u ON t (a)", nil)
		switch {
		case err == nil:
			built++
			wantText(t, query(t, s, "CHECK TABLE t EXTENDED"), "default.t|check|status|OK;")
			run(t, s, "DROP INDEX u ON t")
		case errors.Is(err, sqlerr.DupEntry):
			refused++
			if got := query(t, s, "SHOW CREATE TABLE t"); strings.Contains(got, "`u`") {
				t.Fatal(got)
			}
		default:
			t.Fatal(err)
		}
	}
	t.Logf("%d times built, %d times refused", built, refused)
	stop.Store(true)
	writer.Wait()
	wantText(t, query(t, s, "CHECK DATABASE"), "default.t|check|status|OK;")
}

// TestIndexBuildWaitsForTransactions has a transaction that wrote the table stay open:
// others go on writing, and the index is there once it ends. Those who want to change
// the table's definition wait meanwhile, those of other tables don't.
func TestIndexBuildWaitsForTransactions(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s, long, other := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	fillRows(t, s, 100)
	run(t, long, "BEGIN")
	run(t, long, "UPDATE t SET a = 7 WHERE id = 1")
	done := make(chan error, 1)
	go func() {
		_, err := s.Exec(context.Background(), "CREATE INDEX i ON t (a)", nil)
		done <- err
	}()
	// It waits for at most a second at a time, and as long it doesn't.
	for i := range 30 {
		run(t, other, fmt.Sprintf("UPDATE t SET a = %d WHERE id = 2", i))
		time.Sleep(10 * time.Millisecond)
	}
	run(t, other, "CREATE TABLE u (x INT)")
	run(t, other, "ALTER TABLE u ADD KEY (x)")
	run(t, other, "SET lock_wait_timeout = 1")
	_, err := other.Exec(t.Context(), "ALTER TABLE t ADD COLUMN z INT", nil)
	wantKind(t, err, sqlerr.LockWaitTimeout)
	select {
	case err := <-done:
		t.Fatalf("the index is there before the transaction ended: %v", err)
	default:
	}
	run(t, long, "UPDATE t SET a = 8 WHERE id = 3")
	run(t, long, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantText(t, query(t, s, "SELECT id, a FROM t FORCE INDEX (i) WHERE a IN (7, 8, 29) ORDER BY id"), "1|7;2|29;3|8;7|7;8|8;29|29;")
	wantText(t, query(t, s, "CHECK TABLE t EXTENDED"), "default.t|check|status|OK;")

	// It gives up after lock_wait_timeout, or when it is interrupted, and leaves nothing.
	run(t, long, "BEGIN")
	run(t, long, "UPDATE t SET a = 7 WHERE id = 1")
	run(t, s, "SET lock_wait_timeout = 1")
	_, err = s.Exec(t.Context(), "CREATE INDEX j ON t (a)", nil)
	wantKind(t, err, sqlerr.LockWaitTimeout)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = s.Exec(ctx, "CREATE INDEX j ON t (a)", nil)
	wantKind(t, err, sqlerr.Interrupted)
	run(t, long, "ROLLBACK")
	wantText(t, query(t, s, "CHECK TABLE t EXTENDED"), "default.t|check|status|OK;")
	// With LOCK=SHARED, writers wait from the beginning.
	run(t, s, "ALTER TABLE t ADD KEY j (a), LOCK=SHARED")
	wantText(t, query(t, s, "CHECK DATABASE"), "default.t|check|status|OK;default.u|check|status|OK;")
}

// TestConstraintsAddedWhileWriting has writers go on while the rows of a table are looked at
// for constraints that are new; what they write counts.
func TestConstraintsAddedWhileWriting(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		long := SessionConfig{LockWait: time.Minute}
		s, first, other := newSession(t, e, long), newSession(t, e, long), newSession(t, e, long)
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, a INT, ts TIMESTAMP NULL)")
		for i := 1; i <= 2000; i += 500 {
			var rows []string
			for k := i; k < i+500; k++ {
				rows = append(rows, fmt.Sprintf("(%d, %d, '2024-01-01 00:00:00')", k, k))
			}
			run(t, s, "INSERT INTO t VALUES "+strings.Join(rows, ", "))
		}
		// alter runs ALTER TABLE, and meanwhile statements: a transaction that wrote the table keeps
		// it from ending before.
		alter := func(what string, statements ...string) error {
			run(t, first, "BEGIN")
			run(t, first, "UPDATE t SET a = a + 1 WHERE id = 1")
			done := make(chan error, 1)
			go func() {
				_, err := s.Exec(context.Background(), "ALTER TABLE t "+what, nil)
				done <- err
			}()
			for i := range 30 {
				run(t, other, fmt.Sprintf("UPDATE t SET a = a + 1 WHERE id = %d", 2+i))
			}
			for _, sql := range statements {
				run(t, other, sql)
			}
			run(t, first, "COMMIT")
			return <-done
		}
		for _, c := range []struct {
			what, bad, good string
			kind            *sqlerr.Kind
		}{
			{"ADD CONSTRAINT positive CHECK (a > 0)", "UPDATE t SET a = -1 WHERE id = 700", "UPDATE t SET a = 1 WHERE id = 700", sqlerr.CheckViolated},
			{"MODIFY a INT NOT NULL", "INSERT INTO t (id) VALUES (5000)", "DELETE FROM t WHERE id = 5000", sqlerr.BadNull},
			{"ADD CONSTRAINT young CHECK (ts > '2000-01-01'), ADD KEY ts (ts)", "REPLACE INTO t VALUES (1999, 1, '1999-12-31')", "REPLACE INTO t VALUES (1999, 1, '2001-01-01')", sqlerr.CheckViolated},
		} {
			wantKind(t, alter(c.what, c.bad), c.kind)
			// The bad row comes and goes before it is looked at, or makes the change fail.
			if err := alter(c.what, c.good, c.bad, c.good); err != nil {
				wantKind(t, err, c.kind)
				if err := alter(c.what); err != nil {
					t.Fatal(err)
				}
			}
			_, err := other.Exec(t.Context(), c.bad, nil)
			if err == nil {
				t.Errorf("%s: %s is taken", c.what, c.bad)
			}
			wantText(t, query(t, s, "CHECK TABLE t EXTENDED"), "default.t|check|status|OK;")
		}
		if got := query(t, s, "SELECT COUNT(*) FROM t FORCE INDEX (ts) WHERE ts < '2002-01-01'"); got != "1;" {
			t.Errorf("%s rows by the index", got)
		}
	})
}
