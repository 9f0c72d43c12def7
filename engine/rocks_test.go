//go:build cgo

package engine

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func init() {
	databases["rocks"] = func(t testing.TB) *Engine {
		return openPath(t, Config{Path: t.TempDir() + "/db", Create: true, LockWait: time.Second})
	}
}

func openPath(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEngine(t, e) })
	return e
}

func TestReopen(t *testing.T) {
	t.Parallel()
	cfg := Config{Path: t.TempDir() + "/db"}
	_, err := Open(t.Context(), cfg)
	wantKind(t, err, sqlerr.NoSuchDatabase)
	cfg.Create = true
	e := openPath(t, cfg)
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE, KEY k (n, id))")
	run(t, s, "CREATE DATABASE o; CREATE TABLE o.u (a INT)")
	run(t, s, "INSERT INTO t (n) VALUES (1), (2), (3)")
	run(t, s, "BEGIN; INSERT INTO t (n) VALUES (4)") // never committed
	before := query(t, s, "SHOW CREATE TABLE t")
	_, err = Open(t.Context(), cfg)
	wantKind(t, err, sqlerr.DatabaseInUse)
	closeEngine(t, e)

	cfg.Create = false
	e = openPath(t, cfg)
	s = newSession(t, e, SessionConfig{})
	wantText(t, query(t, s, "SHOW CREATE TABLE t"), before)
	wantText(t, query(t, s, "SELECT * FROM t"), "1|1;2|2;3|3;")
	wantText(t, query(t, s, "SHOW TABLES FROM o"), "u;")
	run(t, s, "INSERT INTO t (n) VALUES (5)")
	if got := query(t, s, "SELECT id > 3, n FROM t WHERE n = 5"); got != "1|5;" {
		t.Error(got)
	}
	run(t, s, "DROP TABLE o.u; CREATE TABLE o.u (b INT)")
	wantText(t, query(t, s, "SELECT * FROM o.u"), "")
	closeEngine(t, e)

	cfg.ReadOnly = true
	e = openPath(t, cfg)
	s = newSession(t, e, SessionConfig{})
	wantText(t, query(t, s, "SELECT COUNT(*) FROM t"), "4;")
	_, err = s.Exec(t.Context(), "DELETE FROM t", nil)
	wantKind(t, err, sqlerr.ReadOnly)
}

// TestStatisticsPersist checks that statistics are there after a restart, also
// of a database that is read only then.
func TestStatisticsPersist(t *testing.T) {
	t.Parallel()
	cfg := Config{Path: t.TempDir() + "/db", Create: true}
	for _, readOnly := range []bool{false, false, true} {
		cfg.ReadOnly = readOnly
		e, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := newSession(t, e, SessionConfig{})
		if cfg.Create {
			numbers(t, s, "t", 100)
			run(t, s, "ANALYZE TABLE t UPDATE HISTOGRAM ON id WITH 5 BUCKETS; ANALYZE TABLE t DROP HISTOGRAM ON n")
		}
		st := statistics(t, e, "t")
		if st == nil || st.Rows != 100 || len(st.Columns[1].Bounds)+len(st.Columns[1].Common) == 0 || st.Columns[2].Known() {
			t.Errorf("read only %v: %+v", readOnly, st)
		}
		closeEngine(t, e)
		cfg.Create = false
	}
}

// TestStreamsAreNotLogged looks at the bytes that inserts add to the log.
func TestStreamsAreNotLogged(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/db"
	s := newSession(t, openPath(t, Config{Path: path, Create: true}), SessionConfig{})
	run(t, s, "CREATE STREAM TABLE s (k INT, v VARCHAR(1000), KEY (k)) WITH (TTL_SECONDS=3600, MAX_BUFFER=100); CREATE USER TABLE u (v VARCHAR(1000))")
	logged := func() (bytes int64) {
		t.Helper()
		logs, err := filepath.Glob(path + "/*.log")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range logs {
			info, err := os.Stat(l)
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		return bytes
	}
	grows := func(n int, sql string) int64 {
		t.Helper()
		before := logged()
		for range n {
			run(t, s, sql)
		}
		return logged() - before
	}
	const n = 300
	if got := grows(n, "INSERT INTO u VALUES (REPEAT('x', 1000))"); got < n*1000 {
		t.Errorf("%d bytes are logged of %d rows", got, n)
	}
	if got := grows(n, "INSERT INTO s VALUES (1, REPEAT('x', 1000))"); got > 1000 {
		t.Errorf("%d bytes are logged of %d events", got, n)
	}
	wantText(t, query(t, s, "SELECT COUNT(*) FROM s"), "100;")
	// With others' rows in a transaction they are, so that it stays whole.
	if got := grows(1, "BEGIN; INSERT INTO s VALUES (2, REPEAT('y', 1000)); INSERT INTO u VALUES ('z'); COMMIT"); got < 1000 {
		t.Errorf("%d bytes are logged of a transaction with others' rows", got)
	}
}
