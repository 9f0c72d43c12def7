package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// onEach runs a test on every kind of database.
func onEach(t *testing.T, f func(t *testing.T, e *Engine)) {
	t.Parallel()
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, open(t))
		})
	}
}

func intArg(n int64) Arg { return Arg{Type: types.Int64Type, Value: types.NewInt(n)} }

func textArg(s string) Arg { return Arg{Type: types.TextType, Value: types.NewString(s)} }

func named(name string, a Arg) Arg { a.Name = name; return a }

func wantKind(t testing.TB, err error, kind *sqlerr.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got error %v, want %v", err, kind)
	}
}

func wantText(t testing.TB, got, want string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

// numbers makes a table with ids from 1 to n.
func numbers(t testing.TB, s *Session, table string, n int) {
	t.Helper()
	run(t, s, "CREATE TABLE "+table+" (id INT PRIMARY KEY, n INT NOT NULL)")
	for from := 1; from <= n; from += 1000 {
		var list []string
		for i := from; i <= min(n, from+999); i++ {
			list = append(list, fmt.Sprintf("(%d,%d)", i, i%10))
		}
		run(t, s, "INSERT INTO "+table+" VALUES "+strings.Join(list, ","))
	}
}

func TestStatementIsAtomic(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, u INT UNIQUE, n INT NOT NULL)")
		var list []string
		for i := range 1000 {
			n := "1"
			if i == 499 {
				n = "NULL"
			}
			list = append(list, fmt.Sprintf("(%d,%d,%s)", i, i, n))
		}
		insert := "INSERT INTO t VALUES " + strings.Join(list, ",")
		_, err := s.Exec(t.Context(), insert, nil)
		wantKind(t, err, sqlerr.ColumnNotNull)
		wantText(t, query(t, s, "SELECT COUNT(*) FROM t"), "0;")

		run(t, s, strings.ReplaceAll(insert, "NULL", "2"))
		_, err = s.Exec(t.Context(), "UPDATE t SET u = u - IF(id = 500, 1, 1000)", nil)
		if err == nil {
			_, err = s.Exec(t.Context(), "UPDATE t SET u = IF(id = 500, -1000, u)", nil)
		}
		wantKind(t, err, sqlerr.DupEntry)
		wantText(t, query(t, s, "SELECT COUNT(*), MIN(id), MAX(id) FROM t"), "1000|0|999;")
	})
}

// Autocommit statements of many goroutines all succeed, and none is lost.
func TestCounter(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		const goroutines, rounds = 64, 8
		setup := newSession(t, e, SessionConfig{})
		run(t, setup, "CREATE TABLE c (id INT PRIMARY KEY, n INT)")
		run(t, setup, "INSERT INTO c VALUES (1, 0), (2, 0)")
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				s, err := e.NewSession(SessionConfig{Durability: NoSync, LockWait: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				for range rounds {
					sql := "UPDATE c SET n = n + 1 WHERE id = 1"
					if g%2 == 1 {
						sql = "UPDATE c SET n = n + 1 ORDER BY id DESC" // both rows, in the other order
					}
					if r, err := s.Exec(context.Background(), sql, nil); err != nil || int(r.RowsAffected) != 1+g%2 {
						t.Error(r, err)
						return
					}
				}
			})
		}
		wg.Wait()
		wantText(t, query(t, setup, "SELECT n FROM c ORDER BY id"),
			fmt.Sprintf("%d;%d;", goroutines*rounds, goroutines*rounds/2))
	})
}

func TestDeadlockEndsTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		ctx := t.Context()
		a, b := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
		numbers(t, a, "t", 2)
		run(t, a, "BEGIN; UPDATE t SET n = 100 WHERE id = 1")
		run(t, b, "BEGIN; UPDATE t SET n = 200 WHERE id = 2")
		errs := make(chan error)
		go func() {
			_, err := a.Exec(ctx, "UPDATE t SET n = 100 WHERE id = 2", nil)
			errs <- err
		}()
		_, errB := b.Exec(ctx, "UPDATE t SET n = 200 WHERE id = 1", nil)
		errA := <-errs
		victim, other := a, b
		if errors.Is(errB, sqlerr.LockDeadlock) {
			victim, other, errA, errB = b, a, errB, errA
		}
		wantKind(t, errA, sqlerr.LockDeadlock)
		if errB != nil {
			t.Fatal(errB)
		}
		// What follows in the victim's transaction must not run on its own.
		_, err := victim.Exec(ctx, "UPDATE t SET n = 0", nil)
		wantKind(t, err, sqlerr.LockDeadlock)
		wantKind(t, victim.Commit(ctx), sqlerr.LockDeadlock)
		if err := other.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if got := query(t, victim, "SELECT n FROM t"); got != "100;100;" && got != "200;200;" {
			t.Error(got)
		}
	})
}

func TestPlanCache(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	s, other := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	numbers(t, s, "t", 10)
	const sql = "SELECT id FROM t WHERE n = ?"
	hitsBefore := func() uint64 { h, _, _ := e.plans.stats(); return h }
	wantText(t, query(t, s, sql, intArg(3)), "3;")
	n := hitsBefore()
	wantText(t, query(t, other, sql, intArg(4)), "4;")
	if hitsBefore() != n+1 {
		t.Error("the plan is not shared between sessions")
	}
	wantText(t, query(t, s, sql, textArg("5")), "5;")
	if hitsBefore() != n+1 {
		t.Error("a plan is used for parameters of another type")
	}
	// A plan must not outlive the index that it uses, nor ignore a new table.
	run(t, s, "CREATE INDEX n ON t (n)")
	wantText(t, query(t, s, sql, intArg(3)), "3;")
	run(t, s, "DROP INDEX n ON t")
	wantText(t, query(t, s, sql, intArg(3)), "3;")
	st, err := s.Prepare(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	run(t, other, "DROP TABLE t")
	run(t, other, "CREATE TABLE t (n INT, id VARCHAR(5))")
	run(t, other, "INSERT INTO t VALUES (3, 'three')")
	rows, err := st.Query(t.Context(), []Arg{intArg(3)})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, rest(t, rows), "three;")
	rows.Close()
	run(t, s, "CREATE DATABASE o; CREATE TABLE o.t (id INT, n INT); USE o")
	wantText(t, query(t, s, sql, intArg(3)), "")
	wantText(t, query(t, other, sql, intArg(3)), "three;")
}

func TestCacheBounds(t *testing.T) {
	t.Parallel()
	c := newCache[int, string](3, 100)
	for i := range 4 {
		c.put(i, "x", 10)
	}
	if _, ok := c.get(0); ok {
		t.Error("there are too many entries")
	}
	c.get(1)
	c.put(5, "x", 10)
	if _, ok := c.get(2); ok {
		t.Error("the entry used last long ago is not the first to go")
	}
	if _, ok := c.get(1); !ok {
		t.Error("an entry used lately is gone")
	}
	c.put(6, "x", 13)
	if _, ok := c.get(6); ok {
		t.Error("a large entry is kept")
	}
	c = newCache[int, string](1000, 100)
	for i := range 100 {
		c.put(i, "x", 9)
	}
	if _, _, n := c.stats(); n != 11 {
		t.Errorf("%d entries of 9 bytes are in 100", n)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	wantText(t, query(t, s, "SELECT ? + 1, ?", intArg(4), textArg("x")), "5|x;")
	wantText(t, query(t, s, "SELECT :b, :a, :b", named("a", intArg(1)), named("b", intArg(2))), "2|1|2;")
	rows, err := s.Query(t.Context(), "SELECT ?; SELECT ?", []Arg{intArg(1), intArg(2)})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	wantText(t, rest(t, rows), "1;")
	if ok, err := rows.NextResultSet(t.Context()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	wantText(t, rest(t, rows), "2;")
	for _, tt := range []struct {
		sql  string
		args []Arg
	}{
		{"SELECT ?", nil},
		{"SELECT ?", []Arg{intArg(1), intArg(2)}},
		{"SELECT 1", []Arg{intArg(1)}},
		{"SELECT ?", []Arg{named("a", intArg(1))}},
		{"SELECT :a", []Arg{intArg(1)}},
		{"SELECT :a", nil},
		{"SELECT :a", []Arg{named("a", intArg(1)), named("b", intArg(1))}},
	} {
		_, err := s.Query(t.Context(), tt.sql, tt.args)
		wantKind(t, err, sqlerr.WrongArguments)
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL)")
	for _, tt := range []struct {
		sql  string
		n    int
		kind *sqlerr.Kind
	}{
		{"SELECT * FROM t WHERE id = ? AND n > ?", 2, nil},
		{"SELECT * FROM t WHERE id = :id", -1, nil},
		{"INSERT INTO t VALUES (?, ?), (?, ?)", 4, nil},
		{"SELECT * FROM t LIMIT ?", 1, nil},
		{"CREATE TABLE u (a INT); INSERT INTO u VALUES (?); SELECT a FROM u", 1, nil},
		{"SELECT * FROM u", 0, sqlerr.NoSuchTable},
		{"SELECT x FROM t", 0, sqlerr.UnknownColumn},
		{"SELECT nonsense(id) FROM t", 0, sqlerr.UnknownFunction},
		{"SELECT 1; SELEC", 0, sqlerr.Syntax},
		{"SELECT 1; HELP 'SELECT'", 0, sqlerr.NotSupported},
		{"CREATE TABLE v (a VECTOR(3))", 0, sqlerr.NotSupported},
		{"SET nonsense = 1", 0, sqlerr.UnknownSysVar},
		{"SHOW TABLES LIKE ?", 0, sqlerr.Syntax},
		{"", 0, sqlerr.EmptyQuery},
	} {
		st, err := s.Prepare(t.Context(), tt.sql)
		if tt.kind != nil {
			wantKind(t, err, tt.kind)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		if st.NumInput() != tt.n {
			t.Errorf("%s has %d parameters, want %d", tt.sql, st.NumInput(), tt.n)
		}
		st.Close()
		_, err = st.Exec(t.Context(), nil)
		wantKind(t, err, sqlerr.Closed)
	}
	_, err := s.Prepare(t.Context(), "SELECT 1;\n SELECT x FROM t")
	if e := sqlerr.As(err); e == nil || e.Kind != sqlerr.UnknownColumn || e.Position != 0 && e.Position < 11 {
		t.Error(err)
	}
}

// Rows show the state as of their start while the session goes on.
func TestOpenRows(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		ctx := t.Context()
		s := newSession(t, e, SessionConfig{})
		numbers(t, s, "t", 5000)
		count := func(rows *Rows) int { return strings.Count(rest(t, rows), ";") }
		open := func() *Rows {
			rows, err := s.Query(ctx, "SELECT id FROM t", nil)
			if err != nil {
				t.Fatal(err)
			}
			return rows
		}
		before := open()
		run(t, s, "DELETE FROM t WHERE id > 4000")
		run(t, s, "BEGIN; DELETE FROM t WHERE id > 3000")
		inside := open()
		again := open()
		run(t, s, "DELETE FROM t")
		after := open()
		if n := count(again); n != 3000 {
			t.Errorf("rows opened before a DELETE have %d rows", n)
		}
		run(t, s, "ROLLBACK")
		if n := count(inside); n != 3000 {
			t.Errorf("rows of the transaction have %d rows after it", n)
		}
		if n := count(after); n != 0 {
			t.Errorf("rows after DELETE: %d", n)
		}
		if n := count(before); n != 5000 {
			t.Errorf("rows opened before the transaction have %d rows", n)
		}
		for _, r := range []*Rows{before, inside, again, after} {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		wantText(t, query(t, s, "SELECT COUNT(*) FROM t"), "4000;")
		if len(s.open) != 0 {
			t.Errorf("%d rows are open", len(s.open))
		}
	})
}

func TestCancel(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{})
		numbers(t, s, "t", 3000)
		for _, sql := range []string{
			"SELECT COUNT(*) FROM t a, t b, t c WHERE a.n + b.n + c.n = 1000",
			"SELECT a.id FROM t a, t b ORDER BY a.n + b.n, b.id",
			"DELETE FROM t WHERE id IN (SELECT n FROM (SELECT a.id + b.id + c.id AS n FROM t a, t b, t c) d)",
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
			_, err := s.Exec(ctx, sql, nil)
			late, _ := ctx.Deadline()
			wait := time.Since(late)
			cancel()
			if errors.Is(err, sqlerr.NotSupported) {
				t.Logf("%s: %v", sql, err)
				continue
			}
			wantKind(t, err, sqlerr.Interrupted)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap the context's error", err)
			}
			if wait > 500*time.Millisecond { // the machine is shared
				t.Errorf("%s ended %v after its context", sql, wait)
			}
			wantText(t, query(t, s, "SELECT COUNT(*) FROM t"), "3000;")
		}
	})
}

func TestReadOnlySession(t *testing.T) {
	t.Parallel()
	e := openMem(t, Config{})
	_, err := e.NewSession(SessionConfig{Namespace: "nothing"})
	wantKind(t, err, sqlerr.BadDatabase)
	s := newSession(t, e, SessionConfig{ReadOnly: true})
	_, err = s.Exec(t.Context(), "CREATE TABLE t (a INT)", nil)
	wantKind(t, err, sqlerr.ReadOnly)
	w := newSession(t, e, SessionConfig{})
	run(t, w, "CREATE TABLE t (a INT)")
	_, err = s.Exec(t.Context(), "INSERT INTO t VALUES (1)", nil)
	wantKind(t, err, sqlerr.ReadOnly)
	wantText(t, query(t, s, "SELECT COUNT(*) FROM t"), "0;")
}

// Transfers between accounts leave the total as it is, in every snapshot.
func TestTransfers(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		const accounts, clients, transfers = 5, 8, 20
		setup := newSession(t, e, SessionConfig{})
		run(t, setup, "CREATE TABLE a (id INT PRIMARY KEY, n INT NOT NULL, KEY (n))")
		for i := range accounts {
			run(t, setup, "INSERT INTO a VALUES (?, 100)", intArg(int64(i)))
		}
		transfer := func(s *Session, level Isolation, from, to int64) error {
			ctx := context.Background()
			if err := s.Begin(ctx, TxOptions{Isolation: level}); err != nil {
				return err
			}
			for i, id := range []int64{from, to} {
				by := int64(2*i - 1)
				if _, err := s.Exec(ctx, "UPDATE a SET n = n + ? WHERE id = ?", []Arg{intArg(by), intArg(id)}); err != nil {
					s.Rollback()
					return err
				}
			}
			return s.Commit(ctx)
		}
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				s, err := e.NewSession(SessionConfig{Durability: NoSync, LockWait: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				level := []Isolation{RepeatableRead, ReadCommitted}[c%2]
				for i := range transfers {
					for {
						err := transfer(s, level, int64((c+i)%accounts), int64((c*3+i*7+1)%accounts))
						if err == nil {
							break
						}
						if e := sqlerr.As(err); e == nil || !e.Retryable() {
							t.Error(err)
							return
						}
					}
					if got := query(t, s, "SELECT SUM(n), COUNT(*) FROM a"); got != "500|5;" {
						t.Error(got)
						return
					}
				}
			})
		}
		wg.Wait()
		wantText(t, query(t, setup, "SELECT SUM(n), COUNT(*) FROM a FORCE INDEX (PRIMARY)"), "500|5;")
		wantText(t, query(t, setup, "SELECT SUM(n) FROM a WHERE n > -1000"), "500;")
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	run(t, s, "CREATE TABLE t (a INT); CREATE DATABASE o; SET time_zone = '+02:00', autocommit = 0; USE o")
	run(t, s, "INSERT INTO `default`.t VALUES (1)")
	if !s.InTransaction() || s.Zone().String() != "+02:00" {
		t.Error(s.InTransaction(), s.Zone())
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if s.InTransaction() || s.Zone() != time.UTC {
		t.Error(s.InTransaction(), s.Zone())
	}
	wantText(t, query(t, s, "SELECT COUNT(*), DATABASE(), @@autocommit FROM t"), "0|default|1;")
}

func TestClose(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		ctx := t.Context()
		s := newSession(t, e, SessionConfig{})
		numbers(t, s, "t", 2000)
		rows, err := s.Query(ctx, "SELECT * FROM t", nil)
		if err != nil {
			t.Fatal(err)
		}
		run(t, s, "BEGIN; DELETE FROM t WHERE id = 1")
		running, waiting := make(chan error), make(chan error)
		go func() {
			other, err := e.NewSession(SessionConfig{})
			for err == nil {
				_, err = other.Exec(context.Background(), "SELECT COUNT(*) FROM t", nil)
			}
			running <- err
		}()
		go func() {
			other, err := e.NewSession(SessionConfig{})
			if err == nil {
				_, err = other.Exec(context.Background(), "UPDATE t SET n = 7 WHERE id = 1", nil)
			}
			waiting <- err
		}()
		time.Sleep(10 * time.Millisecond) // for it to wait for the lock; the test holds without, too
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		wantKind(t, <-running, sqlerr.Closed)
		wantKind(t, <-waiting, sqlerr.Closed)
		_, err = s.Exec(ctx, "SELECT 1", nil)
		wantKind(t, err, sqlerr.Closed)
		_, err = rows.Next(ctx)
		wantKind(t, err, sqlerr.Closed)
		_, err = e.NewSession(SessionConfig{})
		wantKind(t, err, sqlerr.Closed)
		for _, err := range []error{rows.Close(), s.Close(), s.Close(), e.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// What SHOW CREATE TABLE prints makes the same table.
func TestShowCreateRoundTrip(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	for i, spec := range []string{
		"(a INT)",
		"(a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(10) DEFAULT 'it''s \\\\ \\n x') AUTO_INCREMENT=50 COMMENT='a ''table'''",
		"(`we``ird` INT UNSIGNED NOT NULL DEFAULT 5, `select` CHAR(3) COLLATE utf8mb4_general_ci, UNIQUE (`select`, `we``ird`))",
		"(a DECIMAL(20,5) DEFAULT -1.50, b DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), c TIMESTAMP DEFAULT '2020-01-02 03:04:05', d BIT(9) DEFAULT b'10')",
		"(a ENUM('x','y,''z') NOT NULL DEFAULT 'x', b SET('p','q') DEFAULT 'p,q', c JSON DEFAULT (JSON_ARRAY(1, 'a')), d UUID, e BINARY(3) DEFAULT 'ab', f BOOL DEFAULT TRUE, g YEAR DEFAULT 2020, h TIME(2) DEFAULT '01:02:03.4', i DOUBLE DEFAULT 1e10, j VARBINARY(5) DEFAULT x'00ff')",
	} {
		a, b := fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)
		run(t, s, "CREATE TABLE "+a+" "+spec)
		text := strings.TrimSuffix(query(t, s, "SHOW CREATE TABLE "+a), ";")
		_, create, _ := strings.Cut(text, "|")
		run(t, s, strings.Replace(create, "`"+a+"`", "`"+b+"`", 1))
		again := strings.TrimSuffix(query(t, s, "SHOW CREATE TABLE "+b), ";")
		_, again, _ = strings.Cut(again, "|")
		wantText(t, strings.Replace(again, "`"+b+"`", "`"+a+"`", 1), create)
		run(t, s, "INSERT INTO "+b+" () VALUES ()")
		wantText(t, query(t, s, "SELECT COUNT(*) FROM "+b), "1;")
	}
}

func TestConcurrentDDL(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		setup := newSession(t, e, SessionConfig{Durability: NoSync})
		numbers(t, setup, "t", 200)
		done := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				s, err := e.NewSession(SessionConfig{Durability: NoSync, LockWait: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					got := query(t, s, "SELECT COUNT(*) FROM t WHERE n = 3")
					if got != "20;" {
						t.Errorf("an index that came or went hides rows: %s", got)
						return
					}
					run(t, s, "UPDATE t SET n = n WHERE id = ?", intArg(int64(i%200)))
				}
			})
		}
		for range 10 {
			run(t, setup, "CREATE INDEX n ON t (n)")
			run(t, setup, "DROP INDEX n ON t")
		}
		close(done)
		wg.Wait()
	})
}
