package kalam

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"
)

// Back-off of RetryTx: it begins with about retryFirst, doubles with each attempt
// and stays below retryLongest.
const (
	retryFirst    = time.Millisecond
	retryLongest  = 200 * time.Millisecond
	retryAttempts = 100
)

// RetryTx runs f in a transaction and commits it. When that fails for a reason
// that may have gone when it is run again (errors.Is(err, ErrRetryable): a
// deadlock, a lock that was not had in time, a row or a table that another
// transaction changed), it begins anew, after a pause of random length that grows
// with each attempt. So f may run several times: what it does beside the
// transaction must bear that.
//
// The transaction is rolled back when f fails or panics; f neither commits nor
// rolls back. RetryTx returns nil once a commit has succeeded, else the last
// error: one that is not for retrying, that of the hundredth attempt, or the last
// one before ctx ended.
//
//	err := kalam.RetryTx(ctx, db, nil, func(tx *sql.Tx) error {
//		_, err := tx.Exec("UPDATE accounts SET balance = balance - 10 WHERE id = 1")
//		…
//	})
func RetryTx(ctx context.Context, db *sql.DB, opts *sql.TxOptions, f func(*sql.Tx) error) error {
	pause := retryFirst
	for attempt := 1; ; attempt++ {
		err := tryTx(ctx, db, opts, f)
		if err == nil || attempt == retryAttempts || !errors.Is(err, ErrRetryable) {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		pause = min(2*pause, retryLongest)
	}
}

func tryTx(ctx context.Context, db *sql.DB, opts *sql.TxOptions, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
