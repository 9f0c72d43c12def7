//go:build cgo

package engine

import (
	"fmt"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestRewrittenTableLocks locks very many rows of a table whose rows were written anew
// under another number, and of one whose were not: others wait for any row of it, those who
// have an older snapshot are in conflict, also when the changes were spilled.
func TestRewrittenTableLocks(t *testing.T) {
	t.Parallel()
	for _, rewritten := range []bool{false, true} {
		for _, spilled := range []bool{false, true} {
			t.Run(fmt.Sprintf("rewritten=%v,spilled=%v", rewritten, spilled), func(t *testing.T) {
				t.Parallel()
				e := openMem(t, Config{})
				if spilled {
					e = large(t, t.TempDir()+"/db")
				}
				s, other, old := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
				fillRows(t, s, 20_000)
				if rewritten {
					run(t, s, "ALTER TABLE t FORCE")
				}
				run(t, old, "BEGIN")
				query(t, old, "SELECT * FROM t WHERE id = 1")
				run(t, s, "BEGIN; UPDATE t SET a = a + 1 WHERE id > 10")
				run(t, other, "SET innodb_lock_wait_timeout = 1, lock_wait_timeout = 1")
				for _, id := range []int{5, 15, 30_000} { // the whole table is locked
					_, err := other.Exec(t.Context(), fmt.Sprintf("REPLACE INTO t VALUES (%d, 1, 'x')", id), nil)
					wantKind(t, err, sqlerr.LockWaitTimeout)
				}
				_, err := other.Query(t.Context(), "SELECT * FROM t WHERE id = 20 FOR UPDATE SKIP LOCKED", nil)
				wantKind(t, err, sqlerr.LockWaitTimeout) // the table's lock is no row's
				run(t, s, "UPDATE t SET a = a + 1 WHERE id = 3; COMMIT")
				_, err = old.Exec(t.Context(), "UPDATE t SET a = 0 WHERE id = 17", nil)
				wantKind(t, err, sqlerr.WriteConflict)
				run(t, old, "ROLLBACK")
				run(t, other, "UPDATE t SET a = -1 WHERE id = 17")
				wantText(t, query(t, s, "SELECT a FROM t WHERE id IN (1, 3, 17, 18)"), "1;4;-1;19;")
				wantText(t, query(t, s, "CHECK TABLE t EXTENDED"), "default.t|check|status|OK;")
			})
		}
	}
}

// TestTruncateIsNoLostDelete truncates a user's rows, which others with an older snapshot
// may then not write any more.
func TestTruncateIsNoLostDelete(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s, old, other := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{User: "bob"})
		run(t, s, "CREATE USER TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 1), (2, 2)")
		run(t, other, "INSERT INTO t VALUES (1, 7)")
		run(t, old, "BEGIN")
		query(t, old, "SELECT * FROM t")
		run(t, s, "TRUNCATE TABLE t")
		_, err := old.Exec(t.Context(), "UPDATE t SET n = 5 WHERE id = 1", nil)
		if e := sqlerr.As(err); e == nil || !e.Retryable() {
			t.Errorf("a removed row is changed: %v", err)
		}
		run(t, old, "ROLLBACK")
		wantText(t, query(t, s, "SELECT * FROM t"), "")
		wantText(t, query(t, other, "SELECT * FROM t"), "1|7;")
	})
}
