package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"iter"
	"slices"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
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
	next, stop := iter.Pull2(iter.Seq2[[]any, error](rows))
	defer stop()
	zone := c.session.Zone()
	n := 0
	r, err := c.session.ExecRows(ctx, query, func() ([]engine.Arg, error) {
		row, err, ok := next()
		if err != nil || !ok {
			return nil, err
		}
		n++
		c.params = slices.Grow(c.params[:0], max(len(row), 1))
		for _, x := range row {
			v, err := plainValue(x)
			if err != nil {
				return nil, sqlerr.WrongArguments.Wrap(err, "Row %d: %v", n, err)
			}
			t, value, err := types.FromGo(v, zone)
			if err != nil {
				return nil, err
			}
			c.params = append(c.params, engine.Arg{Type: t, Value: value})
		}
		return c.params, nil
	})
	clear(c.params)
	if err != nil {
		return nil, c.check(err)
	}
	return result{r}, nil
}
