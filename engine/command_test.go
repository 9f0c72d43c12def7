package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// A change of a table waits for the transactions that wrote to it, and they
// for it.
func TestDDLWaitsForWriters(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{LockWait: 50 * time.Millisecond})
	a, b := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	numbers(t, a, "t", 3)
	run(t, a, "CREATE DATABASE d; CREATE TABLE d.x (id INT)")
	run(t, a, "BEGIN; DELETE FROM t WHERE id = 1; INSERT INTO d.x VALUES (1)")
	for _, sql := range []string{"DROP TABLE t", "TRUNCATE t", "CREATE INDEX n ON t (n)", "RENAME TABLE t TO u", "DROP DATABASE d"} {
		_, err := b.Exec(t.Context(), sql, nil)
		wantKind(t, err, sqlerr.LockWaitTimeout)
	}
	run(t, b, "CREATE TABLE u (a INT)") // another table is free
	run(t, a, "COMMIT")
	run(t, b, "DROP TABLE t")
	_, err := a.Exec(t.Context(), "INSERT INTO t VALUES (1, 1)", nil)
	wantKind(t, err, sqlerr.NoSuchTable)
}

// A table made anew under an old name is another table to transactions that
// saw the old one.
func TestTableReplacedInTransaction(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	a, b := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	numbers(t, a, "t", 3)
	run(t, a, "CREATE TABLE other (a INT)")
	run(t, a, "BEGIN")
	wantText(t, query(t, a, "SELECT COUNT(*) FROM t"), "3;")
	run(t, b, "DROP TABLE t")
	run(t, b, "CREATE TABLE t (x INT)")
	_, err := a.Query(t.Context(), "SELECT COUNT(*) FROM t", nil)
	wantKind(t, err, sqlerr.TableDefChanged)
	_, err = a.Exec(t.Context(), "INSERT INTO t VALUES (1)", nil)
	wantKind(t, err, sqlerr.TableDefChanged)
	run(t, a, "INSERT INTO other VALUES (1)")
	run(t, a, "COMMIT; INSERT INTO t VALUES (1)")
	wantText(t, query(t, a, "SELECT * FROM t"), "1;")
}

func TestPanicsAreErrors(t *testing.T) {
	t.Parallel()
	f := func() (err error) {
		defer recovered("SELECT 1", &err)
		var m map[string]int
		m["x"] = 1
		return nil
	}
	err := f()
	wantKind(t, err, sqlerr.Internal)
	if !strings.Contains(err.Error(), "SELECT 1") || !strings.Contains(errors.Unwrap(err).Error(), "command_test.go") {
		t.Errorf("%v\n%v", err, errors.Unwrap(err))
	}
}

func TestCancelledStatements(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, sql := range []string{"SELECT 1", "CREATE TABLE t (a INT)", "SHOW TABLES", "BEGIN"} {
		_, err := s.Exec(ctx, sql, nil)
		wantKind(t, err, sqlerr.Interrupted)
	}
	wantText(t, query(t, s, "SHOW TABLES"), "")
	if s.InTransaction() {
		t.Error("a cancelled BEGIN began")
	}
}
