package driver_test

import (
	"database/sql"
	"sync"
	"testing"

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
