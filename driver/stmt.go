package driver

import (
	"context"
	"database/sql/driver"

	"github.com/kalamgo/kalam/engine"
)

// stmt is a prepared statement of one connection.
type stmt struct {
	conn *conn
	stmt *engine.Stmt
}

var (
	_ driver.Stmt             = (*stmt)(nil)
	_ driver.StmtExecContext  = (*stmt)(nil)
	_ driver.StmtQueryContext = (*stmt)(nil)
)

func (s *stmt) Close() error  { return s.stmt.Close() }
func (s *stmt) NumInput() int { return s.stmt.NumInput() }

func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), named(args))
}

func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), named(args))
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	params, err := s.conn.args(args)
	if err != nil {
		return nil, err
	}
	r, err := s.stmt.Exec(ctx, params)
	if err != nil {
		return nil, s.conn.check(err)
	}
	return result{r}, nil
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	params, err := s.conn.args(args)
	if err != nil {
		return nil, err
	}
	r, err := s.stmt.Query(ctx, params)
	if err != nil {
		return nil, s.conn.check(err)
	}
	return newRows(ctx, s.conn, r), nil
}

func named(args []driver.Value) []driver.NamedValue {
	list := make([]driver.NamedValue, len(args))
	for i, v := range args {
		list[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return list
}
