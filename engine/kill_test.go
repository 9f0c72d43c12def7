package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// endless runs for as long as nobody stops it, and has rows from the start.
const endless = `WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 900)
	SELECT a.n FROM r a, r b, r c, r d, r e`

// TestKill ends statements from another session: one that computes, one whose
// rows are read, and a whole session.
func TestKill(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	victim, killer := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	running := func() {
		for killer.engine.processes()[0].sql == "" {
			time.Sleep(time.Millisecond)
		}
	}

	failed := make(chan error)
	go func() {
		_, err := victim.Exec(t.Context(), "SELECT COUNT(*) FROM ("+endless+") AS x", nil)
		failed <- err
	}()
	running()
	rows, err := killer.Query(t.Context(), "SHOW PROCESSLIST", nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := rows.Next(t.Context())
	if err != nil || b.Len != 2 || len([]rune(string(b.Columns[7].Value(0).Bytes()))) != 100 {
		t.Fatal("SHOW PROCESSLIST:", b, err)
	}
	rows.Close()
	run(t, killer, fmt.Sprintf("KILL QUERY %d", victim.id))
	wantKind(t, <-failed, sqlerr.Interrupted)

	rows, err = victim.Query(t.Context(), endless, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = rows.Next(t.Context()); err != nil || b.Len == 0 {
		t.Fatal(b, err)
	}
	run(t, killer, fmt.Sprintf("KILL QUERY %d", victim.id))
	for err == nil {
		_, err = rows.Next(t.Context())
	}
	wantKind(t, err, sqlerr.Interrupted)
	rows.Close()
	wantText(t, query(t, victim, "SELECT 1"), "1;")

	run(t, victim, "CREATE TABLE t (a INT PRIMARY KEY)")
	run(t, victim, "BEGIN; INSERT INTO t VALUES (1)")
	run(t, killer, fmt.Sprintf("KILL %d", victim.id))
	if _, err := victim.Exec(t.Context(), "COMMIT", nil); err == nil {
		t.Error("a killed session commits")
	}
	victim.Close()
	wantText(t, query(t, killer, "SELECT COUNT(*) FROM t"), "0;")
	run(t, killer, "INSERT INTO t VALUES (1)") // its locks are gone
}

// TestLockingReadStartsAgain has a locking read wait for a writer, and then start
// again with what that wrote, with a time limit and without.
func TestLockingReadStartsAgain(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	writer, reader := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	run(t, writer, "CREATE TABLE t (a INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 0)")
	for n, setting := range []string{"SET max_execution_time = 0", "SET max_execution_time = 100000"} {
		run(t, reader, setting)
		run(t, writer, "BEGIN; UPDATE t SET n = n + 1")
		got := make(chan string)
		go func() { got <- outcomeText(t.Context(), reader, "SELECT n FROM t WHERE a = 1 FOR UPDATE") }()
		time.Sleep(20 * time.Millisecond)
		run(t, writer, "COMMIT")
		if text, want := <-got, fmt.Sprintf("n\n%d\n", n+1); text != want {
			t.Errorf("%s: %q, want %q", setting, text, want)
		}
	}
}

// TestMaxExecutionTimeOfPlanning has the time end before a query is planned.
func TestMaxExecutionTimeOfPlanning(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (a INT)")
		s.maxTime = time.Nanosecond
		_, err := s.Query(t.Context(), "SELECT a FROM t", nil)
		wantKind(t, err, sqlerr.QueryTimeout)
	})
}
