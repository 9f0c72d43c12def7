//go:build cgo

package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestIndexesBuiltWhilePacking has writers and PACK TABLE go on, one right after the
// other, while indexes are built and dropped: all come to an end.
func TestIndexesBuiltWhilePacking(t *testing.T) {
	t.Parallel()
	const rows = 20_000 // two segments
	e := databases["rocks"](t)
	s := newSession(t, e, SessionConfig{LockWait: 10 * time.Minute})
	fillRows(t, s, rows)
	var stop atomic.Bool
	var others sync.WaitGroup
	loop := func(f func(s *Session) error) {
		s := newSession(t, e, SessionConfig{LockWait: 10 * time.Minute})
		others.Go(func() {
			for !stop.Load() {
				if err := f(s); err != nil && !errors.Is(err, sqlerr.WriteConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	for w := range 2 {
		r := rand.New(rand.NewPCG(uint64(w), 0))
		loop(func(s *Session) error {
			_, err := s.Exec(t.Context(), fmt.Sprintf([]string{
				"UPDATE t SET a = a + 1, b = CONCAT('changed ', id) WHERE id = %d",
				"DELETE FROM t WHERE id = %d",
				"REPLACE INTO t (id, a, b) VALUES (%[1]d, %[1]d, 'new')",
			}[r.IntN(3)], 1+r.IntN(rows)), nil)
			return err
		})
	}
	loop(func(s *Session) error {
		query(t, s, "PACK TABLE t")
		return nil
	})
	for range 3 {
		run(t, s, "CREATE INDEX i ON t (a, b)")
		wantText(t, query(t, s, "SELECT COUNT(*) FROM t FORCE INDEX (i) WHERE a < 0"), "0;")
		run(t, s, "DROP INDEX i ON t; CREATE INDEX j ON t (b, a); DROP INDEX j ON t")
	}
	run(t, s, "CREATE INDEX i ON t (a, b)")
	stop.Store(true)
	others.Wait()
	wantText(t, query(t, s, "CHECK TABLE t EXTENDED"), "default.t|check|status|OK;")
}

// TestPackedSpaceIsGivenBack: rows that are packed no longer take space as rows.
func TestPackedSpaceIsGivenBack(t *testing.T) {
	t.Parallel()
	cfg := Config{Path: t.TempDir() + "/db", Create: true}
	e := openPath(t, cfg)
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, h CHAR(32), n INT) WITH (PACK='off')")
	run(t, s, "SET cte_max_recursion_depth = 1000000")
	run(t, s, "INSERT INTO t SELECT n, MD5(n DIV 4), n % 10 FROM (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 40000) SELECT n FROM r) AS x")
	closeEngine(t, e) // what was written goes from the log to a table file
	e = openPath(t, cfg)
	s = newSession(t, e, SessionConfig{})
	tables := func() (bytes int64) {
		files, err := filepath.Glob(filepath.Join(cfg.Path, "*.sst"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				bytes += info.Size()
			}
		}
		return bytes
	}
	before := tables()
	query(t, s, "PACK TABLE t")
	for range 1000 { // files that are not needed are deleted in the background
		if tables() < before/2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if after := tables(); after >= before/2 {
		t.Errorf("table files have %d bytes, before %d", after, before)
	}
	wantText(t, query(t, s, "SELECT COUNT(*), SUM(n), MAX(h) = MD5(3330) OR MAX(h) > 'f' FROM t"), "40000|180000|1;")
	// Cancelling it leaves nothing amiss.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	run(t, s, "UPDATE t SET n = n + 1")
	if _, err := s.Exec(ctx, "PACK TABLE t", nil); err == nil {
		t.Error("PACK TABLE with a cancelled context")
	}
	query(t, s, "PACK TABLE t")
	wantText(t, query(t, s, "SELECT COUNT(*), SUM(n) FROM t"), "40000|220000;")
}
