package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestIndexesUnderTransactions adds and drops indexes while transactions have older
// snapshots: they go on, read what they read before, and write.
func TestIndexesUnderTransactions(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
			s, old, reader := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
			run(t, s, "DROP TABLE IF EXISTS c, t")
			run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, KEY b (b))")
			run(t, s, "CREATE TABLE c (t INT, FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE)")
			for i := range 50 {
				run(t, s, fmt.Sprintf("INSERT INTO t VALUES (%d, %d, %d)", i, i%5, i%7))
			}
			run(t, s, "INSERT INTO c VALUES (1), (6), (7), (20), (21)")
			by := "SELECT COUNT(*), SUM(id) FROM t WHERE a = 3"
			for _, one := range []*Session{old, reader} {
				run(t, one, "SET TRANSACTION ISOLATION LEVEL "+level)
				run(t, one, "BEGIN")
				wantText(t, query(t, one, by), "10|255;")
				wantText(t, query(t, one, "SELECT COUNT(*) FROM t WHERE b = 2"), "7;")
			}
			run(t, s, "CREATE INDEX a ON t (a)")
			run(t, s, "ALTER TABLE t DROP KEY b, ADD KEY ba (b, a)")
			run(t, s, "CREATE INDEX tt ON c (t)")
			if level == "REPEATABLE READ" { // else it would be refused in the end
				run(t, s, "UPDATE t SET a = 3 WHERE id = 0")
				run(t, s, "INSERT INTO t VALUES (100, 3, 2)")
			}
			if got := query(t, s, "EXPLAIN "+by); !strings.Contains(got, "using a") {
				t.Errorf("a new transaction does not use the index: %s", got)
			}
			for range 2 {
				for _, one := range []*Session{old, reader} {
					wantText(t, query(t, one, by), "10|255;")
					wantText(t, query(t, one, "SELECT COUNT(*) FROM t WHERE b = 2"), "7;")
					wantText(t, query(t, one, "SELECT COUNT(*) FROM t x JOIN t y ON x.a = y.a AND x.b = y.b"), "80;")
					wantText(t, query(t, one, "SELECT COUNT(*) FROM c JOIN t ON c.t = t.id WHERE t.a = 1"), "3;")
				}
			}
			_, err := old.Query(t.Context(), "SELECT * FROM t FORCE INDEX (a)", nil)
			wantKind(t, err, sqlerr.KeyNotFound)
			run(t, old, "UPDATE t SET a = 9, b = 9 WHERE a = 4")
			run(t, old, "INSERT INTO t VALUES (200, 9, 9)")
			run(t, old, "DELETE FROM t WHERE id IN (1, 20)") // and what references them
			wantText(t, query(t, old, "SELECT COUNT(*), SUM(id) FROM t WHERE a = 9"), "11|465;")
			run(t, reader, "COMMIT")
			_, err = old.Exec(t.Context(), "COMMIT", nil)
			if level == "SERIALIZABLE" { // an index that it has read is gone
				wantKind(t, err, sqlerr.WriteConflict)
			} else if err != nil {
				t.Fatal(err)
			} else {
				wantText(t, query(t, s, "SELECT COUNT(*), SUM(id) FROM t FORCE INDEX (a) WHERE a = 9"), "11|465;")
				wantText(t, query(t, s, "SELECT t FROM c ORDER BY t"), "6;7;21;")
			}
			wantText(t, query(t, s, "CHECK TABLE t, c EXTENDED"), "default.t|check|status|OK;default.c|check|status|OK;")

			// Other changes are not for older snapshots.
			for _, change := range []string{"ADD UNIQUE KEY u (id, b)", "ADD COLUMN x INT", "ADD KEY f ((a + 1))", "RENAME INDEX ba TO bb", "FORCE"} {
				run(t, old, "BEGIN")
				query(t, old, by)
				run(t, s, "ALTER TABLE t "+change)
				_, err := old.Query(t.Context(), by, nil)
				wantKind(t, err, sqlerr.TableDefChanged)
				run(t, old, "ROLLBACK")
			}
		}
	})
}
