package engine

import (
	"context"
	"testing"

	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

// TestDropUserAfterCrash lets the process end when some of a dropped user's rows are
// removed.
func TestDropUserAfterCrash(t *testing.T) {
	t.Parallel()
	db, err := store.New(mem.Open(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := open(context.Background(), Config{InMemory: true}, db)
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, e, SessionConfig{})
	run(t, s, "CREATE USER TABLE t (id INT PRIMARY KEY); CREATE USER TABLE more (id INT PRIMARY KEY); CREATE USER ann, bob")
	for _, u := range []string{"ann", "bob"} {
		runAs(t, s, u, "INSERT INTO t VALUES (1), (2); INSERT INTO more VALUES (1)")
	}
	e.jobs.Stop() // so that the job only waits
	_, err = s.Exec(t.Context(), "DROP USER ann CASCADE", nil)
	if err != nil && sqlerr.As(err).Kind != sqlerr.Closed {
		t.Fatal(err)
	}
	wantText(t, as(t, s, "ann", "SELECT COUNT(*) FROM t"), "2;")
	_, err = s.Exec(t.Context(), "CREATE USER ann", nil) // who would lose rows to the job
	wantKind(t, err, sqlerr.CannotUser)
	wantText(t, query(t, s, "SELECT state FROM system.jobs"), "queued;")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	table, err := e.catalog.Table(t.Context(), "default", "t")
	if err != nil {
		t.Fatal(err)
	}
	n, err := tx.ForgetUser(t.Context(), table, "ann", 1)
	if err == nil {
		err = jobs.Advance(t.Context(), tx, 1, n)
	}
	if err == nil {
		err = tx.Commit(t.Context(), store.NoSync, nil)
	}
	tx.Close()
	if n == 0 || err != nil {
		t.Fatal(n, err)
	}

	if e, err = open(context.Background(), Config{InMemory: true}, db); err != nil {
		t.Fatal(err)
	}
	s = newSession(t, e, SessionConfig{})
	awaitJobs(t, s)
	wantText(t, as(t, s, "ann", "SELECT COUNT(*) FROM t"), "0;")
	wantText(t, as(t, s, "bob", "SELECT COUNT(*) FROM t"), "2;")
	wantText(t, query(t, s, "SELECT name FROM system.users"), "bob;")
	wantText(t, query(t, s, "SELECT state, result FROM system.jobs"), "completed|3 rows removed;")
	run(t, s, "CREATE USER ann")
	closeEngine(t, e)
}

// TestDropUserOfAnyName forgets users whose ids are no texts.
func TestDropUserOfAnyName(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE USER TABLE t (id INT PRIMARY KEY)")
		for _, u := range users {
			runAs(t, s, u, "INSERT INTO t VALUES (1)")
		}
		for i, u := range users {
			run(t, s, "DROP USER IF EXISTS ? CASCADE", Arg{Type: types.TextType, Value: types.NewString(u)})
			for k, other := range users {
				want := "1;"
				if k <= i {
					want = "0;"
				}
				wantText(t, as(t, s, other, "SELECT COUNT(*) FROM t"), want)
			}
		}
		run(t, s, "DROP USER IF EXISTS X'FF00' CASCADE")
		wantText(t, query(t, s, `SELECT parameters FROM system.jobs ORDER BY id DESC LIMIT 1`), `{"user_hex": "ff00"};`)
	})
}

// TestRolesOfSessions changes a user's role while sessions are open.
func TestRolesOfSessions(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		owner := newSession(t, e, SessionConfig{})
		run(t, owner, "CREATE USER ann ROLE service")
		ann := newSession(t, e, SessionConfig{User: "ann"})
		may := func(want bool) {
			t.Helper()
			_, err := ann.Query(WithUser(t.Context(), "customer"), "SELECT 1", nil)
			if (err == nil) != want {
				t.Errorf("ann acts as a customer: %v", err)
			}
			if err != nil {
				wantKind(t, err, sqlerr.AccessDenied)
			}
		}
		may(true)
		run(t, owner, "ALTER USER ann ROLE user")
		may(false)
		run(t, owner, "ALTER USER ann ROLE dba")
		may(true)
		run(t, owner, "DROP USER ann")
		may(false)
	})
}

func TestDamagedRole(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	inMeta(t, e, func(tx *store.Tx) error {
		return sqlmeta.Users.Insert(t.Context(), tx, &sqlmeta.User{ID: "x", Name: "x", Role: "emperor"})
	})
	s := newSession(t, e, SessionConfig{User: "x"})
	_, err := s.Query(WithUser(t.Context(), "y"), "SELECT 1", nil)
	wantKind(t, err, sqlerr.Corrupt)
}
