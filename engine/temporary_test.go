package engine

import (
	"errors"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// withTemporary makes a session's temporary table with three rows, an index and a
// sequence, beside another of the catalogue.
func withTemporary(t *testing.T, e *Engine, cfg SessionConfig) (*Session, *schema.Table) {
	t.Helper()
	s := newSession(t, e, cfg)
	run(t, s, "CREATE TABLE IF NOT EXISTS stays (id INT AUTO_INCREMENT PRIMARY KEY); INSERT INTO stays VALUES (NULL)")
	run(t, s, "CREATE TEMPORARY TABLE tmp (id INT AUTO_INCREMENT PRIMARY KEY, n INT, KEY (n)); INSERT INTO tmp (n) VALUES (1), (2), (3)")
	return s, s.temporary("default", "tmp")
}

// TestTemporaryEnds looks for what is left of temporary tables once they are gone.
func TestTemporaryEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *Session) error{
		"close": (*Session).Close,
		"reset": (*Session).Reset,
		"drop":  func(s *Session) error { _, err := s.Exec(t.Context(), "DROP TABLE tmp", nil); return err },
		"reset in a transaction": func(s *Session) error {
			run(t, s, "BEGIN; INSERT INTO tmp (n) VALUES (4)")
			return s.Reset()
		},
		"drop in a transaction": func(s *Session) error {
			run(t, s, "BEGIN; INSERT INTO tmp (n) VALUES (4); DROP TEMPORARY TABLE tmp; COMMIT")
			return nil
		},
		"drop in a transaction that is rolled back": func(s *Session) error {
			run(t, s, "BEGIN; INSERT INTO tmp (n) VALUES (4); DROP TEMPORARY TABLE tmp; ROLLBACK")
			return nil
		},
		"a crash": func(s *Session) error { return s.engine.catalog.Sweep(t.Context()) }, // as opening does
	} {
		t.Run(name, func(t *testing.T) {
			e := openMem(t, Config{})
			s, tmp := withTemporary(t, e, SessionConfig{})
			stays, err := e.catalog.Table(t.Context(), "default", "stays")
			if err != nil {
				t.Fatal(err)
			}
			if list := strays(t, e, stays.ID); list != nil {
				t.Errorf("while it is there, tables %v are taken for leftovers", list)
			}
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			if n := stored(t, e, tmp, true); n != 0 {
				t.Errorf("%d rows are left", n)
			}
			if list := strays(t, e, stays.ID); list != nil {
				t.Errorf("keys of tables %v are left", list)
			}
		})
	}
}

// TestTemporaryOfReset sees that a session that a pool gives to the next one has none.
func TestTemporaryOfReset(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s, _ := withTemporary(t, e, SessionConfig{})
	const sql = "SELECT COUNT(*) FROM tmp"
	if got := query(t, s, sql); got != "3;" {
		t.Errorf("%s rows", got)
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Query(t.Context(), sql, nil); !errors.Is(err, sqlerr.NoSuchTable) {
		t.Errorf("after Reset: %v", err)
	}
	run(t, s, "CREATE TEMPORARY TABLE tmp (a INT)")
	if got := query(t, s, sql); got != "0;" {
		t.Errorf("%s rows in a new one", got)
	}
	run(t, s, "DROP TABLE tmp; CREATE TABLE tmp (b INT); INSERT INTO tmp VALUES (1)")
	if got := query(t, s, sql); got != "1;" {
		t.Errorf("%s rows in the catalogue's table", got)
	}
}

// TestTemporaryOfUsers runs statements of several users in one session.
func TestTemporaryOfUsers(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s, _ := withTemporary(t, e, SessionConfig{})
	run(t, s, "CREATE USER 'ann' ROLE dba")
	_, err := s.Query(WithUser(t.Context(), "ann"), "SELECT * FROM tmp", nil)
	if !errors.Is(err, sqlerr.NoSuchTable) {
		t.Errorf("ann reads another's: %v", err)
	}
	runAs(t, s, "ann", "CREATE TEMPORARY TABLE tmp AS SELECT 'hers' AS a")
	if got := as(t, s, "ann", "SELECT * FROM tmp"); got != "hers;" {
		t.Errorf("ann has %s", got)
	}
	if got := query(t, s, "SELECT COUNT(*) FROM tmp"); got != "3;" {
		t.Errorf("the owner has %s rows", got)
	}
	if _, err := s.Exec(WithUser(t.Context(), "bob"), "CREATE TEMPORARY TABLE tmp (a INT)", nil); err == nil {
		t.Error("bob, who may make no tables, made one")
	}
}

// TestCheckWithTemporary checks a database while a session has a temporary table.
func TestCheckWithTemporary(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s, _ := withTemporary(t, e, SessionConfig{})
	if got := query(t, s, "CHECK DATABASE"); got != "default.stays|check|status|OK;" {
		t.Errorf("CHECK DATABASE: %s", got)
	}
	if got := query(t, s, "SELECT COUNT(*), SUM(n) FROM tmp"); got != "3|6;" {
		t.Errorf("then it has %s", got)
	}
}

// TestCreateAsFails sees that nothing is left of a CREATE TABLE whose query fails.
func TestCreateAsFails(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2), (1)")
	d, err := e.catalog.Table(t.Context(), "default", "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"CREATE TABLE n (PRIMARY KEY (a)) SELECT a FROM t", "CREATE TEMPORARY TABLE n (UNIQUE (a)) SELECT a FROM t",
		"CREATE TABLE n (a TINYINT) SELECT a * 1000 AS a FROM t", "CREATE TABLE n SELECT a FROM t WHERE a = (SELECT a FROM t)",
	} {
		if _, err := s.Exec(t.Context(), sql, nil); err == nil {
			t.Errorf("%s does not fail", sql)
		}
		if list := strays(t, e, d.ID); list != nil {
			t.Errorf("%s leaves keys of tables %v", sql, list)
		}
	}
	if got := query(t, s, "SHOW TABLES"); got != "t;" {
		t.Errorf("tables: %s", got)
	}
}
