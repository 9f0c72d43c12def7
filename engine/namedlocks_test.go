package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// lockValue returns what a query of one value gives.
func lockValue(s *Session, sql string) (string, error) {
	rows, err := s.Query(context.Background(), sql, nil)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	b, err := rows.Next(context.Background())
	if err != nil {
		return "", err
	}
	return valueText(b.Columns[0], 0), nil
}

// TestNamedLocksWait has sessions wait for locks that others give back in all ways.
func TestNamedLocksWait(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	for name, giveBack := range map[string]func(*Session) error{
		"release": func(s *Session) error { _, err := s.Exec(t.Context(), "DO RELEASE_LOCK('L')", nil); return err },
		"all":     func(s *Session) error { _, err := s.Exec(t.Context(), "DO RELEASE_ALL_LOCKS()", nil); return err },
		"reset":   (*Session).Reset,
		"close":   (*Session).Close,
	} {
		holder, waiter := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
		if got, err := lockValue(holder, "SELECT GET_LOCK('l', 0)"); got != "1" || err != nil {
			t.Fatal(name, got, err)
		}
		if got, err := lockValue(waiter, "SELECT GET_LOCK('L', 0.01)"); got != "0" || err != nil {
			t.Fatal(name, got, err)
		}
		type answer struct {
			got string
			err error
		}
		done := make(chan answer)
		go func() {
			got, err := lockValue(waiter, "SELECT GET_LOCK('l', -1)")
			done <- answer{got, err}
		}()
		select {
		case a := <-done:
			t.Fatal(name, "had the lock too early", a)
		case <-time.After(20 * time.Millisecond):
		}
		if err := giveBack(holder); err != nil {
			t.Fatal(name, err)
		}
		if a := <-done; a.got != "1" || a.err != nil {
			t.Fatal(name, a)
		}
		if err := waiter.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNamedLocksDeadlock has two sessions want each other's lock: the second to ask is told.
func TestNamedLocksDeadlock(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	a, b := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	for s, sql := range map[*Session]string{a: "DO GET_LOCK('a', 0)", b: "DO GET_LOCK('b', 0)"} {
		if _, err := s.Exec(t.Context(), sql, nil); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() {
		_, err := a.Exec(context.Background(), "DO GET_LOCK('b', 30)", nil)
		done <- err
	}()
	for {
		e.named.mu.Lock()
		waiting := len(e.named.waits) == 1
		e.named.mu.Unlock()
		if waiting {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := b.Exec(t.Context(), "DO GET_LOCK('a', 30)", nil); !errors.Is(err, sqlerr.UserLockDeadlock) {
		t.Error("not told of the deadlock:", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	// One that is cancelled waits no longer.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c := newSession(t, e, SessionConfig{})
	if _, err := c.Exec(ctx, "DO GET_LOCK('a', 30)", nil); !errors.Is(err, sqlerr.Interrupted) {
		t.Error("not interrupted:", err)
	}
	if len(e.named.waits) > 0 {
		t.Error("it waits still")
	}
}
