package kalam_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kalamgo/kalam"
)

func open(t testing.TB, statements ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// Read-modify-write by many goroutines loses nothing at the levels that promise it.
func TestRetryTx(t *testing.T) {
	t.Parallel()
	for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelSerializable} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			db := open(t, "CREATE TABLE c (id INT PRIMARY KEY, n INT)", "INSERT INTO c VALUES (1, 0)")
			const goroutines, rounds = 8, 20
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for range rounds {
						err := kalam.RetryTx(t.Context(), db, &sql.TxOptions{Isolation: level}, func(tx *sql.Tx) error {
							var n int
							if err := tx.QueryRow("SELECT n FROM c WHERE id = 1").Scan(&n); err != nil {
								return err
							}
							_, err := tx.Exec("UPDATE c SET n = ? WHERE id = 1", n+1)
							return err
						})
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			var n int
			if err := db.QueryRow("SELECT n FROM c").Scan(&n); err != nil || n != goroutines*rounds {
				t.Errorf("n is %d, want %d; %v", n, goroutines*rounds, err)
			}
		})
	}
}

func TestRetryTxReturns(t *testing.T) {
	t.Parallel()
	db := open(t, "CREATE TABLE c (id INT PRIMARY KEY)")
	runs := 0
	run := func(ctx context.Context, err error) error {
		runs = 0
		return kalam.RetryTx(ctx, db, nil, func(tx *sql.Tx) error {
			runs++
			if _, err := tx.Exec("INSERT INTO c VALUES (1)"); err != nil {
				return err
			}
			return err
		})
	}
	own := errors.New("own")
	if err := run(t.Context(), own); err != own || runs != 1 {
		t.Errorf("%d runs, %v", runs, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	again := fmt.Errorf("mine: %w", kalam.ErrDeadlock)
	if err := run(ctx, again); runs < 2 || errors.Is(err, kalam.ErrDuplicateEntry) {
		t.Errorf("%d runs, %v", runs, err)
	}
	func() {
		defer func() { recover() }()
		kalam.RetryTx(t.Context(), db, nil, func(tx *sql.Tx) error {
			if _, err := tx.Exec("INSERT INTO c VALUES (2)"); err != nil {
				t.Error(err)
			}
			panic("f panics")
		})
	}()
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM c").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows stayed; %v", n, err)
	}
	if err := run(t.Context(), nil); err != nil || runs != 1 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

func ExampleRetryTx() {
	db, err := sql.Open("kalam", ":memory:")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	_, err = db.Exec("CREATE TABLE accounts (id INT PRIMARY KEY, balance INT); INSERT INTO accounts VALUES (1, 100), (2, 0)")
	if err != nil {
		panic(err)
	}
	err = kalam.RetryTx(context.Background(), db, nil, func(tx *sql.Tx) error {
		var balance int
		if err := tx.QueryRow("SELECT balance FROM accounts WHERE id = 1").Scan(&balance); err != nil {
			return err
		}
		if balance < 30 {
			return errors.New("too little")
		}
		_, err := tx.Exec("UPDATE accounts SET balance = balance + IF(id = 1, -30, 30)")
		return err
	})
	var rest int
	fmt.Println(err, db.QueryRow("SELECT balance FROM accounts WHERE id = 1").Scan(&rest), rest)
	// Output: <nil> <nil> 70
}
