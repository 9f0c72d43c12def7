package engine

import (
	"context"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// TestDefinitionsGiveWay has statements that define tables and writers wait for one
// another: who closes the circle gives way.
func TestDefinitionsGiveWay(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	start := func(one *Session, sql string, waiting int) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := one.Exec(context.Background(), sql, nil)
			done <- err
		}()
		awaitWaiting(t, e, waiting)
		return done
	}
	ended := func(done chan error, want *sqlerr.Kind) {
		t.Helper()
		select {
		case err := <-done:
			if want != nil {
				wantKind(t, err, want)
			} else if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it waits still")
		}
	}
	// The statement has a, and comes to b, whose writer waits for a: it begins again.
	first, second, definer := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY)")
	run(t, first, "BEGIN; INSERT INTO a VALUES (1)")
	run(t, second, "BEGIN; INSERT INTO b VALUES (1)")
	dropped := start(definer, "DROP TABLE a, b", 1)
	inserted := start(second, "INSERT INTO a VALUES (2)", 2)
	run(t, first, "COMMIT")
	ended(inserted, nil)
	run(t, second, "COMMIT")
	ended(dropped, nil)
	// The writer comes last: its transaction is rolled back.
	run(t, s, "CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY)")
	run(t, second, "BEGIN; INSERT INTO b VALUES (1)")
	dropped = start(definer, "DROP TABLE a, b", 1)
	_, err := second.Exec(t.Context(), "INSERT INTO a VALUES (2)", nil)
	wantKind(t, err, sqlerr.LockDeadlock)
	ended(dropped, nil)
}
