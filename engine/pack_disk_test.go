//go:build cgo

package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
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
	s := newSession(t, e, SessionConfig{LockWait: time.Minute})
	fillRows(t, s, rows)
	var stop atomic.Bool
	var others sync.WaitGroup
	loop := func(f func(s *Session) error) {
		s := newSession(t, e, SessionConfig{LockWait: time.Minute})
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
