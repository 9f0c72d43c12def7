//go:build cgo

package engine

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// lastColumn is that of each row of a result.
var lastColumn = regexp.MustCompile(`\|[^|;]*;`)

// TestParallelAggregates groups rows in parts in several sessions, while rows are
// changed, and in a transaction that has changes of its own.
func TestParallelAggregates(t *testing.T) {
	t.Parallel()
	e := databases["rocks"](t)
	s := newSession(t, e, SessionConfig{})
	numbers(t, s, "n", 400)
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, k INT, d DECIMAL(10,2), f DOUBLE, s VARCHAR(20)) WITH (PACK='off')")
	run(t, s, "INSERT INTO t SELECT a.id * 400 + b.id, NULLIF((a.id * 31 + b.id) % 97, 5), a.id - b.id / 7, b.id, CONCAT('text ', b.id % 11) FROM n a, n b")
	queries := []string{
		"SELECT COUNT(*), SUM(id), AVG(d), MIN(s), MAX(f) FROM t",
		"SELECT k, COUNT(k), SUM(d), STDDEV_POP(f) > 0, MAX(s), BIT_XOR(id) FROM t GROUP BY k",
		"SELECT s, k, SUM(d * (1 - 0.5)), MIN(id) FROM t WHERE id % 3 = 0 AND s <> 'text 4' GROUP BY s, k HAVING COUNT(*) > 1",
		"SELECT COUNT(*), SUM(f) FROM t WHERE id BETWEEN 70000 AND 150000 AND k > 40",
		"SELECT COUNT(*), MAX(id) FROM t WHERE f < 0",
	}
	compare := func(s *Session, want bool) {
		t.Helper()
		for _, q := range queries {
			plan := query(t, s, "EXPLAIN "+q)
			if strings.Contains(plan, "parallel") != want && !strings.Contains(q, "id BETWEEN") {
				t.Errorf("%s: %s", q, plan)
			}
			// With the first a group is not put together.
			whole := strings.Replace(q, " FROM", ", ANY_VALUE(1) FROM", 1)
			run(t, s, "BEGIN")
			got, serial := query(t, s, q), query(t, s, whole)
			run(t, s, "ROLLBACK")
			wantText(t, got, lastColumn.ReplaceAllString(serial, ";"))
		}
	}
	compare(s, true) // of rows that are pairs
	run(t, s, "PACK TABLE t")
	compare(s, true)
	run(t, s, "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE") // notes what it reads
	compare(s, true)
	run(t, s, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
	run(t, s, "UPDATE t SET d = d + 1, k = 96 WHERE id % 1000 = 7; DELETE FROM t WHERE id BETWEEN 99000 AND 99100; INSERT INTO t SELECT -id, 1, 2, 3, 'new' FROM n")

	var others sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	w := newSession(t, e, SessionConfig{})
	others.Go(func() {
		for ctx.Err() == nil {
			if _, err := w.Exec(t.Context(), "UPDATE t SET d = d + 0.25 WHERE id BETWEEN 50000 AND 50010", nil); err != nil && !errors.Is(err, sqlerr.WriteConflict) {
				t.Error(err)
				return
			}
		}
	})
	var readers sync.WaitGroup
	for range 3 {
		r := newSession(t, e, SessionConfig{})
		readers.Go(func() { compare(r, true) })
	}
	readers.Wait()
	stop()
	others.Wait()

	run(t, s, "BEGIN; UPDATE t SET k = 3 WHERE id % 5000 = 0; INSERT INTO t VALUES (1000000, 7, 8, 9, 'mine')")
	wantText(t, query(t, s, "SELECT COUNT(*), MAX(id), MAX(k) FROM t WHERE f >= 0"), lastColumn.ReplaceAllString(query(t, s, "SELECT COUNT(*), MAX(id), MAX(k), ANY_VALUE(1) FROM t WHERE f >= 0"), ";"))
	run(t, s, "ROLLBACK")

	ran := query(t, s, "EXPLAIN ANALYZE SELECT k, SUM(d) FROM t GROUP BY k")
	if !strings.Contains(ran, "parallel") || !strings.Contains(ran, "actual rows=97") {
		t.Error(ran)
	}
}
