package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"iter"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Execer is a *sql.DB, *sql.Conn or *sql.Tx.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// argumentRows is the one argument by which InsertRows hands its rows through
// database/sql.
type argumentRows iter.Seq2[[]any, error]

// InsertRows is kalam.InsertRows.
func InsertRows(ctx context.Context, on Execer, query string, rows iter.Seq2[[]any, error]) (int64, error) {
	r, err := on.ExecContext(ctx, query, argumentRows(rows))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// execRows runs an INSERT for many rows of arguments.
func (c *conn) execRows(ctx context.Context, query string, rows argumentRows) (driver.Result, error) {
	r, err := c.session.ExecRows(ctx, query, plainRows(rows))
	if err != nil {
		return nil, c.check(err)
	}
	return result{r}, nil
}

// plainRows yields rows with plain values in place of others.
func plainRows(rows argumentRows) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		var room []any
		n := 0
		for row, err := range rows {
			if n++; err == nil && !slices.ContainsFunc(row, notPlain) {
				if !yield(row, nil) {
					break
				}
				continue
			}
			room = append(room[:0], row...) // row is not ours
			for i, x := range room {
				if err != nil {
					break
				}
				if room[i], err = plainValue(x); err != nil {
					err = sqlerr.WrongArguments.Wrap(err, "Row %d: %v", n, err)
				}
			}
			if !yield(room, err) {
				break
			}
		}
		clear(room)
	}
}
