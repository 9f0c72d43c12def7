//go:build cgo

package engine

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlmeta"
)

// TestCompactJob compacts a database whose rows are in several tables of the storage,
// while others read and write it.
func TestCompactJob(t *testing.T) {
	t.Parallel()
	cfg := Config{Path: filepath.Join(t.TempDir(), "db"), Create: true}
	for i := range 4 {
		e, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := newSession(t, e, SessionConfig{})
		if i == 0 {
			run(t, s, "CREATE USER TABLE t (id INT PRIMARY KEY, v VARCHAR(100))")
		}
		if i < 3 { // each time the log goes to a table of its own
			for u := range 200 {
				runAs(t, s, fmt.Sprint("u", u), fmt.Sprintf("INSERT INTO t VALUES (%d, '%s')", i, strings.Repeat("x", u%100)))
			}
			closeEngine(t, e)
			continue
		}
		if !e.db.Scattered() {
			t.Error("the rows are in one place")
		}
		u7 := newSession(t, e, SessionConfig{})
		runAs(t, u7, "u7", "BEGIN; DELETE FROM t WHERE id = 1")
		e.jobs.Submit(sqlmeta.Job{Kind: "compact"}, 0)
		for query(t, s, "SELECT id FROM system.jobs WHERE kind = 'compact'") == "" { // it gets its record soon
			time.Sleep(time.Millisecond)
		}
		awaitJobs(t, s)
		if e.db.Scattered() {
			t.Error("the rows are still in several places")
		}
		runAs(t, u7, "u7", "COMMIT")
		wantText(t, query(t, s, "SELECT state, attempts, result LIKE '% bytes of rows in one place each, after %' FROM system.jobs WHERE kind = 'compact'"), "completed|1|1;")
		for u := range 200 {
			want := "0,1,2;"
			if u == 7 {
				want = "0,2;"
			}
			wantText(t, as(t, s, fmt.Sprint("u", u), "SELECT GROUP_CONCAT(id ORDER BY id) FROM t"), want)
		}
		closeEngine(t, e)
	}
}
