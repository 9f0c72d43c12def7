package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// as returns what a query gives a user.
func as(t *testing.T, s *Session, user, sql string, args ...Arg) string {
	t.Helper()
	rows, err := s.Query(WithUser(t.Context(), user), sql, args)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	return rest(t, rows)
}

// runAs runs a statement as a user.
func runAs(t *testing.T, s *Session, user, sql string) {
	t.Helper()
	if _, err := s.Exec(WithUser(t.Context(), user), sql, nil); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// users are ids that an encoding could mix up.
var users = []string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x00b", "ab", "a\xff", "\xff", "\xff\xff", "ä", "a\u0308", "А", "A",
	strings.Repeat("x", 64<<10), strings.Repeat("x", 64<<10) + "y", "a'; DROP TABLE t; --", "a\x01", "a\x00\xff"}

// TestUserIDs gives users with all kinds of ids rows under the same keys.
func TestUserIDs(t *testing.T) {
	t.Parallel()
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t, open(t), SessionConfig{})
			run(t, s, "CREATE USER TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, k INT UNIQUE, who INT, KEY (who)) WITH (DELETED_RETENTION_HOURS=1)")
			for i, u := range users {
				runAs(t, s, u, fmt.Sprintf("INSERT INTO t (k, who) VALUES (1, %d), (2, %d), (3, %d)", i, i, i))
				runAs(t, s, u, "DELETE FROM t WHERE k = 3")
			}
			for i, u := range users {
				want := fmt.Sprintf("1|1|%d|0;2|2|%d|0;3|3|%d|1;", i, i, i)
				if got := as(t, s, u, "SELECT id, k, who, _deleted FROM t ORDER BY id"); got != want {
					t.Errorf("%.20q sees %q, want %q", u, got, want)
				}
				if got := as(t, s, u, fmt.Sprintf("SELECT COUNT(*) FROM t WHERE who <> %d OR k > 2", i)); got != "0;" {
					t.Errorf("%.20q sees %s of others", u, got)
				}
			}
			// What one removes is nobody else's.
			n, err := s.engine.RemoveUser(t.Context(), "a\x00")
			if n != 3 || err != nil {
				t.Errorf("%d rows removed, %v", n, err)
			}
			runAs(t, s, "\xff", "TRUNCATE TABLE t")
			for _, u := range users {
				want := "3;"
				if u == "a\x00" || u == "\xff" {
					want = "0;"
				}
				if got := as(t, s, u, "SELECT COUNT(_deleted) FROM t"); got != want {
					t.Errorf("%.20q has %q rows, want %s", u, got, want)
				}
			}
			if got := query(t, s, "CHECK TABLE t EXTENDED"); got != "default.t|check|status|OK;" {
				t.Error(got)
			}
		})
	}
}

// TestAlterOfAllUsers changes a table of which users have rows.
func TestAlterOfAllUsers(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	run(t, s, "CREATE USER TABLE t (a VARCHAR(20), b INT) WITH (DELETED_RETENTION_HOURS=1)")
	for _, u := range []string{"alice", "bob", "carol"} {
		runAs(t, s, u, "INSERT INTO t VALUES ('1', 1), ('2', 2), ('3', 3)")
	}
	runAs(t, s, "bob", "DELETE FROM t WHERE b < 3")
	before := as(t, s, "bob", "SELECT _updated FROM t")
	run(t, s, "ALTER TABLE t ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY FIRST")
	for user, want := range map[string]string{"alice": "1|1|0;2|2|0;3|3|0;", "bob": "1|3|0;2|1|1;3|2|1;", "dave": ""} {
		if got := as(t, s, user, "SELECT id, a, _deleted FROM t ORDER BY id"); got != want {
			t.Errorf("%s has %q, want %q", user, got, want)
		}
	}
	if after := as(t, s, "bob", "SELECT _updated FROM t"); after != before {
		t.Errorf("the row was changed at %s, then at %s", before, after)
	}
	runAs(t, s, "bob", "INSERT INTO t (a) VALUES ('new')")
	if got := as(t, s, "bob", "SELECT id FROM t WHERE a = 'new'"); got != "4;" {
		t.Errorf("bob's next number is %s", got)
	}
	if got := query(t, s, "CHECK TABLE t EXTENDED"); got != "default.t|check|status|OK;" {
		t.Error(got)
	}
	runAs(t, s, "carol", "INSERT INTO t (a) VALUES ('secret'), ('secret')")
	for _, sql := range []string{
		"ALTER TABLE t ADD UNIQUE (a)", "CREATE UNIQUE INDEX i ON t (a)", "ALTER TABLE t MODIFY a INT", "ALTER TABLE t MODIFY a VARCHAR(2)",
		"ALTER TABLE t MODIFY a DATE", "ALTER TABLE t MODIFY a JSON", "ALTER TABLE t MODIFY a ENUM('1')", "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a), MODIFY id INT",
		"ALTER TABLE t ADD COLUMN g INT AS (a + 1) STORED",
	} {
		_, err := s.Exec(t.Context(), sql, nil)
		if err == nil || strings.Contains(fmt.Sprint(err), "secret") || strings.Contains(fmt.Sprint(err), "'new'") {
			t.Errorf("%s: %v", sql, err)
		}
		var e *sqlerr.Error
		if errors.As(err, &e) && e.Cause != nil && strings.Contains(fmt.Sprint(e.Cause), "secret") {
			t.Errorf("%s: the cause is %v", sql, e.Cause)
		}
	}
}

// TestStreamExpires waits until events are gone, which nobody removes.
func TestStreamExpires(t *testing.T) {
	t.Parallel()
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			s := newSession(t, e, SessionConfig{})
			run(t, s, "CREATE STREAM TABLE s (k INT, v INT, KEY (k)) WITH (TTL_SECONDS=2)")
			runAs(t, s, "u", "INSERT INTO s VALUES (1, 10), (2, 20)")
			if got := as(t, s, "u", "SELECT v FROM s"); got != "10;20;" {
				t.Fatal(got)
			}
			time.Sleep(1200 * time.Millisecond)
			runAs(t, s, "u", "INSERT INTO s VALUES (1, 11), (2, 21)")
			time.Sleep(1200 * time.Millisecond)
			for _, sql := range []string{
				"SELECT v FROM s", "SELECT v FROM s ORDER BY _time DESC, v", "SELECT v FROM s FORCE INDEX (k) WHERE k > 0",
				"SELECT v FROM s WHERE _time > '2000-01-01'", "SELECT v FROM s WHERE _time BETWEEN '2000-01-01' AND '2100-01-01' ORDER BY k LIMIT 5",
				"SELECT y.v FROM s x JOIN s y USING (k) ORDER BY y.v", "SELECT v FROM s FORCE INDEX (k) ORDER BY k LIMIT 2",
			} {
				if got := as(t, s, "u", sql); got != "11;21;" && got != "21;11;" {
					t.Errorf("%s gives %s", sql, got)
				}
			}
			if got := as(t, s, "u", "SELECT v FROM s WHERE k = 1"); got != "11;" {
				t.Errorf("k = 1 gives %s", got)
			}
			if got := as(t, s, "u", "SELECT COUNT(*) FROM s"); got != "2;" {
				t.Errorf("there are %s", got)
			}
			d, err := e.catalog.Table(t.Context(), "default", "s")
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{"events of 1 users removed", "events of 0 users removed"} {
				if got, err := e.catalog.EvictEvents(t.Context(), d, time.Now()); got != want || err != nil {
					t.Errorf("eviction %d: %q, %v", i, got, err)
				}
			}
			if got := as(t, s, "u", "SELECT v FROM s ORDER BY v"); got != "11;21;" {
				t.Errorf("after the eviction there are %s", got)
			}
			if _, err := e.catalog.EvictEvents(t.Context(), d, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if n := stored(t, e, d, false); n != 0 {
				t.Errorf("%d events are left", n)
			}
			if got := query(t, s, "CHECK TABLE s EXTENDED"); got != "default.s|check|status|OK;" {
				t.Error(got)
			}
		})
	}
}

// stored counts all users' rows, live or deleted.
func stored(t *testing.T, e *Engine, d *schema.Table, deleted bool) int {
	t.Helper()
	tx, err := e.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	n := 0
	for {
		some, err := tx.AllUsers(d).Has(context.Background(), deleted)
		if err != nil {
			t.Fatal(err)
		}
		if !some {
			return n
		}
		n++
		if _, err := tx.AllUsers(d).PurgeDeleted(context.Background(), time.Now().Add(time.Hour), 1); err != nil || !deleted {
			return n
		}
	}
}

// TestPurge removes deleted rows once their time is over.
func TestPurge(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE USER TABLE u (id INT PRIMARY KEY) WITH (DELETED_RETENTION_HOURS=2)")
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY) WITH (DELETED_RETENTION_HOURS=3)")
	run(t, s, "INSERT INTO t VALUES (1), (2); DELETE FROM t")
	for _, user := range []string{"a", "b"} {
		runAs(t, s, user, "INSERT INTO u VALUES (1), (2), (3); DELETE FROM u WHERE id < 3")
	}
	purge := func(hours int) (left string) {
		t.Helper()
		for _, name := range []string{"u", "t"} {
			d, err := e.catalog.Table(t.Context(), "default", name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.catalog.PurgeDeleted(t.Context(), d, time.Now().Add(time.Duration(hours)*time.Hour)); err != nil {
				t.Fatal(err)
			}
			left += fmt.Sprintf("%s %d ", name, stored(t, e, d, true))
		}
		return left
	}
	for hours, want := range map[int]string{1: "u 4 t 2 "} {
		if got := purge(hours); got != want {
			t.Errorf("after %d hours: %s, want %s", hours, got, want)
		}
	}
	runAs(t, s, "b", "UNDELETE FROM u WHERE id = 1")
	if got := purge(2); got != "u 0 t 2 " {
		t.Errorf("after 2 hours: %s", got)
	}
	if got := as(t, s, "b", "SELECT id FROM u"); got != "1;3;" {
		t.Errorf("b has %s", got)
	}
	if got := purge(4); got != "u 0 t 0 " {
		t.Errorf("after 4 hours: %s", got)
	}
}

// TestDueJobs finds the tables that have something to remove.
func TestDueJobs(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY) WITH (DELETED_RETENTION_HOURS=2); CREATE TABLE plain (id INT PRIMARY KEY)")
	run(t, s, "CREATE STREAM TABLE s (id INT) WITH (TTL_SECONDS=5); CREATE STREAM TABLE m (id INT) WITH (MAX_BUFFER=5); CREATE VIEW v AS SELECT 1")
	now := time.Now()
	due := func(after time.Duration) (text string) {
		for _, j := range e.catalog.DueJobs(t.Context(), now.Add(after)) {
			text += j.Kind + " " + j.Table + ";"
		}
		return text
	}
	if got := due(0); got != "" {
		t.Errorf("with nothing there: %s", got)
	}
	run(t, s, "INSERT INTO t VALUES (1); DELETE FROM t; INSERT INTO s VALUES (1); INSERT INTO m VALUES (1); INSERT INTO plain VALUES (1); DELETE FROM plain")
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "purge_deleted t;evict_events s;"}, {time.Second, ""}, {2 * time.Minute, "evict_events s;"}, {2 * time.Hour, "purge_deleted t;evict_events s;"}} {
		if got := due(c.after); got != c.want {
			t.Errorf("after %v: %q, want %q", c.after, got, c.want)
		}
	}
}

// TestRemoveUser forgets a user with rows in several tables.
func TestRemoveUser(t *testing.T) {
	t.Parallel()
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			s := newSession(t, e, SessionConfig{})
			run(t, s, "CREATE USER TABLE p (id INT PRIMARY KEY AUTO_INCREMENT, k INT UNIQUE) WITH (DELETED_RETENTION_HOURS=1)")
			run(t, s, "CREATE USER TABLE c (id INT PRIMARY KEY, p INT REFERENCES p (id))")
			run(t, s, "CREATE STREAM TABLE s (k INT, KEY (k)) WITH (TTL_SECONDS=60)")
			run(t, s, "CREATE TABLE shared (id INT PRIMARY KEY)")
			for _, u := range []string{"a", "ab"} {
				runAs(t, s, u, "INSERT INTO p (k) VALUES (1), (2), (3); INSERT INTO c VALUES (1, 1); INSERT INTO s VALUES (1), (2); DELETE FROM p WHERE k = 3")
			}
			run(t, s, "INSERT INTO shared VALUES (1)")
			n, err := e.RemoveUser(t.Context(), "a")
			if n != 6 || err != nil {
				t.Errorf("%d rows removed, %v", n, err)
			}
			all := "SELECT (SELECT COUNT(_deleted) FROM p), (SELECT COUNT(*) FROM c), (SELECT COUNT(*) FROM s), (SELECT COUNT(*) FROM shared)"
			for user, want := range map[string]string{"a": "0|0|0|1;", "ab": "3|1|2|1;"} {
				if got := as(t, s, user, all); got != want {
					t.Errorf("%s has %s, want %s", user, got, want)
				}
			}
			runAs(t, s, "a", "INSERT INTO p (k) VALUES (1)")
			if got := as(t, s, "a", "SELECT id FROM p"); got != "1;" {
				t.Errorf("a begins again with number %s", got)
			}
			for _, table := range []string{"p", "c", "s"} {
				if got := query(t, s, "CHECK TABLE "+table+" EXTENDED"); got != "default."+table+"|check|status|OK;" {
					t.Error(got)
				}
			}
		})
	}
}

// TestSessionOfUsers checks that nothing that one user does to a session is there for the
// next, and that what its own user sets is there for all.
func TestSessionOfUsers(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE NAMESPACE shop; CREATE NAMESPACE other; USE shop; SET time_zone = '+01:00', mem_limit = 5000000")
	const state = "SELECT DATABASE(), @@time_zone, @@mem_limit, @@sql_select_limit, @@foreign_key_checks, @@timestamp = 7, @@transaction_isolation, @a, IS_FREE_LOCK('l')"
	const own = "shop|+01:00|5000000|18446744073709551615|1|0|REPEATABLE-READ|NULL|1;"
	wantText(t, as(t, s, "alice", state), own)
	runAs(t, s, "alice", "USE other")
	runAs(t, s, "alice", "SET time_zone = '+09:00', mem_limit = 9000000, sql_select_limit = 5, foreign_key_checks = 0, timestamp = 7, @a = 1")
	runAs(t, s, "alice", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	wantText(t, as(t, s, "alice", "SELECT GET_LOCK('l', 0)"), "1;")
	wantText(t, as(t, s, "alice", state), "other|+09:00|9000000|5|0|1|READ-COMMITTED|1|0;")
	wantText(t, as(t, s, "bob", state), own)
	wantText(t, query(t, s, state), own)
	run(t, s, "USE other")
	wantText(t, as(t, s, "alice", "SELECT DATABASE()"), "other;")
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	wantText(t, as(t, s, "alice", "SELECT DATABASE(), @@time_zone"), "default|UTC;")
}

// TestDropUserWaits checks that the end of a user takes what open transactions have written, too.
func TestDropUserWaits(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE USER TABLE notes (id INT PRIMARY KEY)")
		runAs(t, s, "bob", "INSERT INTO notes VALUES (1)")
		open := newSession(t, e, SessionConfig{User: "bob"})
		run(t, open, "BEGIN; INSERT INTO notes VALUES (2)")
		done := make(chan error, 1)
		go func() {
			_, err := s.Exec(t.Context(), "DROP USER IF EXISTS 'bob' CASCADE", nil)
			done <- err
		}()
		awaitWaiting(t, e, 1)
		other := newSession(t, e, SessionConfig{User: "ann"})
		run(t, other, "INSERT INTO notes VALUES (1)") // others go on
		run(t, open, "INSERT INTO notes VALUES (3); COMMIT")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		wantText(t, query(t, open, "SELECT COUNT(*) FROM notes"), "0;")
		wantText(t, query(t, other, "SELECT COUNT(*) FROM notes"), "1;")
	})
}
