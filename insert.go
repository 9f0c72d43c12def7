package kalam

import (
	"context"
	"iter"

	"github.com/kalamgo/kalam/driver"
)

// Execer is a *sql.DB, *sql.Conn or *sql.Tx.
type Execer = driver.Execer

// InsertRows runs an INSERT or REPLACE once for each of many rows of arguments, and
// returns how many rows were inserted, and replaced. It is the fastest way of loading
// what a program has at hand: one statement, of which all rows are inserted or none.
//
//	rows := func(yield func([]any, error) bool) {
//		for _, n := range notes {
//			if !yield([]any{n.ID, n.Title}, nil) {
//				return
//			}
//		}
//	}
//	n, err := kalam.InsertRows(ctx, db, "INSERT INTO notes (id, title) VALUES (?, ?)", rows)
//
// The parameters are in one row of VALUES; expressions, IGNORE and ON DUPLICATE KEY UPDATE
// are as usual. Rows are taken by another goroutine while those before are inserted, some thousands
// ahead, so that there may be more of them than memory; a slice is done with when the next is asked for.
// InsertRows returns when the iterator has: one that waits for something is to see when ctx ends, and
// may be asked for a row more after a row was refused. An error that
// they yield ends the statement, and nothing is inserted. The values of a column are of
// one Go type, or nil; integers, floats, times and strings mix as far as nothing is
// lost, else the error is ErrWrongArguments. Errors beside those of INSERT: ErrRetryable ones
// also outside of a transaction, since the rows are had only once.
//
// The rows must not use on while they are taken, if it is a transaction or connection.
func InsertRows(ctx context.Context, on Execer, query string, rows iter.Seq2[[]any, error]) (int64, error) {
	return driver.InsertRows(ctx, on, query, rows)
}
