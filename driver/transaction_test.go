package driver_test

import (
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func TestTransactions(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "INSERT INTO t VALUES (1)")
	if n := one[int](t, tx, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("own write unseen")
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Errorf("uncommitted write seen")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("commit lost")
	}
	tx, err = db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, "DELETE FROM t")
	_, err = tx.Exec("INSERT INTO t VALUES (2), (2)")
	wantKind(t, err, sqlerr.DupEntry)
	if n := one[int](t, tx, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Errorf("half a statement stayed: %d rows", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM t"); n != 1 {
		t.Errorf("rollback kept a delete")
	}
}

func TestTxOptions(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE t (a INT PRIMARY KEY)")
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	wantKind(t, err, sqlerr.ReadOnly)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	for _, level := range []sql.IsolationLevel{sql.LevelWriteCommitted, sql.LevelLinearizable} {
		if tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level}); err == nil {
			tx.Rollback()
			t.Errorf("isolation level %v was taken", level)
		}
	}
	tx, err = db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSnapshot})
	if err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, tx, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Fatal("rows in an empty table")
	}
	exec(t, db, "INSERT INTO t VALUES (1)")
	if n := one[int](t, tx, "SELECT COUNT(*) FROM t"); n != 0 {
		t.Error("a snapshot moved")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE c (id INT PRIMARY KEY, n INT)", "INSERT INTO c VALUES (1, 0)")
	const workers, rounds = 16, 20
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				if _, err := db.Exec("UPDATE c SET n = n + 1 WHERE id = 1"); err != nil {
					t.Error(err)
					return
				}
				var n int
				if err := db.QueryRow("SELECT n FROM c WHERE id = 1").Scan(&n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := one[int](t, db, "SELECT n FROM c"); n != workers*rounds {
		t.Errorf("n is %d, want %d", n, workers*rounds)
	}
}

// A statement by itself never fails because of others, and loses no update, also
// where the session's transactions are serializable.
func TestCountersNeverFail(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"REPEATABLE READ", "SERIALIZABLE"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			db := memory(t, "CREATE TABLE counters (id INT PRIMARY KEY, n INT)", "INSERT INTO counters VALUES (1, 0), (2, 0)")
			const goroutines, rounds = 64, 5
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					conn, err := db.Conn(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					_, err = conn.ExecContext(t.Context(), "SET SESSION TRANSACTION ISOLATION LEVEL "+level)
					for i := 0; i < rounds && err == nil; i++ {
						_, err = conn.ExecContext(t.Context(), "UPDATE counters SET n = n + 1")
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for id := 1; id <= 2; id++ {
				if n := one[int](t, db, "SELECT n FROM counters WHERE id = ?", id); n != goroutines*rounds {
					t.Errorf("counter %d is %d, want %d", id, n, goroutines*rounds)
				}
			}
		})
	}
}

// Unique keys hold when many insert the same ones and some roll back.
func TestUniqueKeysUnderConcurrency(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE u (id INT AUTO_INCREMENT PRIMARY KEY, k INT, who INT, UNIQUE (k))")
	const workers, keys = 16, 20
	var mu sync.Mutex
	owner := map[int]int{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for k := range keys {
				tx, err := db.Begin()
				if err != nil {
					t.Error(err)
					return
				}
				_, err = tx.Exec("INSERT INTO u (k, who) VALUES (?, ?)", k, w)
				switch {
				case err == nil && (w+k)%3 == 0:
					err = tx.Rollback()
				case err == nil:
					if err = tx.Commit(); err == nil {
						mu.Lock()
						if other, taken := owner[k]; taken {
							t.Errorf("%d and %d both have key %d", other, w, k)
						}
						owner[k] = w
						mu.Unlock()
					}
				default:
					tx.Rollback()
				}
				if err != nil && !errors.Is(err, sqlerr.DupEntry) && !errors.Is(err, sqlerr.Retryable) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for k, w := range owner {
		if got := one[int](t, db, "SELECT who FROM u WHERE k = ?", k); got != w {
			t.Errorf("key %d belongs to %d, want %d", k, got, w)
		}
	}
	if n := one[int](t, db, "SELECT COUNT(*) FROM u"); n != len(owner) {
		t.Errorf("%d rows, want %d", n, len(owner))
	}
}

// Long transactions and open rows keep what they see, and keep nobody from writing.
func TestSnapshotsDoNotBlock(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE s (id INT PRIMARY KEY, n INT)", "INSERT INTO s SELECT n, 0 FROM (WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 900) SELECT n FROM r) AS d")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if n := one[int](t, tx, "SELECT SUM(n) FROM s"); n != 0 {
		t.Fatal(n)
	}
	rows, err := db.Query("SELECT n FROM s")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rows.Next()
	for range 20 {
		exec(t, db, "UPDATE s SET n = n + 1")
	}
	exec(t, db, "DELETE FROM s WHERE id > 10")
	seen := 1
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil || n != 0 {
			t.Fatal(n, err)
		}
		seen++
	}
	if err := rows.Err(); err != nil || seen != 900 {
		t.Errorf("%d rows: %v", seen, err)
	}
	if n := one[int](t, tx, "SELECT COUNT(*) FROM s WHERE n = 0"); n != 900 {
		t.Errorf("the snapshot has %d rows", n)
	}
	if n := one[int](t, db, "SELECT SUM(n) FROM s"); n != 200 {
		t.Errorf("the sum is %d", n)
	}
}

// Read-only transactions lock nothing: those who define tables do not wait for them.
func TestReadOnlyLocksNothing(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE r (id INT PRIMARY KEY)", "INSERT INTO r VALUES (1)")
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if n := one[int](t, tx, "SELECT COUNT(*) FROM r"); n != 1 {
		t.Fatal(n)
	}
	_, err = tx.Exec("SELECT * FROM r FOR SHARE")
	wantKind(t, err, sqlerr.ReadOnly)
	exec(t, db, "DELETE FROM r")
	exec(t, db, "RENAME TABLE r TO r2")
}

// Both errors of locks are known by kind, and as such that a program may run its
// transaction again after.
func TestLockErrors(t *testing.T) {
	t.Parallel()
	db := memory(t, "CREATE TABLE l (id INT PRIMARY KEY, n INT)", "INSERT INTO l VALUES (1, 0), (2, 0)")
	a, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Rollback()
	b, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Rollback()
	exec(t, a, "UPDATE l SET n = 1 WHERE id = 1")
	exec(t, b, "UPDATE l SET n = 2 WHERE id = 2")
	exec(t, b, "SET innodb_lock_wait_timeout = 1")
	begin := time.Now()
	_, err = b.Exec("UPDATE l SET n = 2 WHERE id = 1")
	wantKind(t, err, sqlerr.LockWaitTimeout)
	if waited := time.Since(begin); waited > 40*time.Second {
		t.Error("the open transaction waits as long as before the SET:", waited)
	}
	if !errors.Is(err, sqlerr.Retryable) {
		t.Error("a wait time-out is not retryable")
	}
	if n := one[int](t, b, "SELECT n FROM l WHERE id = 2"); n != 2 {
		t.Error("a wait time-out took back more than its statement")
	}
	waiting := make(chan error)
	go func() {
		_, err := a.Exec("UPDATE l SET n = 1 WHERE id = 2")
		waiting <- err
	}()
	// One of the two finds the deadlock, which one depends on who waits first.
	_, errB := b.Exec("UPDATE l SET n = 2 WHERE id = 1")
	if errB != nil {
		wantKind(t, errB, sqlerr.LockDeadlock)
		if !errors.Is(errB, sqlerr.Retryable) {
			t.Error("a deadlock is not retryable")
		}
	}
	if errB == nil {
		wantKind(t, <-waiting, sqlerr.LockDeadlock)
		return
	}
	if err := <-waiting; err != nil {
		t.Error("the victim was not rolled back:", err)
	}
}
