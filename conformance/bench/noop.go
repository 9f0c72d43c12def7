package main

import (
	"context"
	"database/sql/driver"
	"io"
	"sync/atomic"
)

// reply is what the driver without a database answers to every query.
type reply struct {
	row  []driver.Value
	rows int
}

// noopConnector connects to no database: what is left is the time that
// database/sql takes, which no driver can go below.
type noopConnector struct{ reply *atomic.Pointer[reply] }

func (c noopConnector) Connect(context.Context) (driver.Conn, error) { return noopConn{c.reply}, nil }
func (c noopConnector) Driver() driver.Driver                        { return noopDriver{} }

type noopDriver struct{}

func (noopDriver) Open(string) (driver.Conn, error) { return nil, driver.ErrBadConn }

type noopConn struct{ reply *atomic.Pointer[reply] }

func (c noopConn) Prepare(string) (driver.Stmt, error) { return noopStmt{c}, nil }
func (c noopConn) Close() error                        { return nil }
func (c noopConn) Begin() (driver.Tx, error)           { return c, nil }
func (c noopConn) Commit() error                       { return nil }
func (c noopConn) Rollback() error                     { return nil }

func (c noopConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &noopRows{reply: c.reply.Load()}, nil
}

func (c noopConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

type noopStmt struct{ noopConn }

func (s noopStmt) NumInput() int                              { return -1 }
func (s noopStmt) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }
func (s noopStmt) Query([]driver.Value) (driver.Rows, error) {
	return &noopRows{reply: s.reply.Load()}, nil
}

func (s noopStmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	return &noopRows{reply: s.reply.Load()}, nil
}

func (s noopStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

type noopRows struct {
	reply *reply
	done  int
}

func (r *noopRows) Columns() []string { return make([]string, len(r.reply.row)) }
func (r *noopRows) Close() error      { return nil }

func (r *noopRows) Next(into []driver.Value) error {
	if r.done == r.reply.rows {
		return io.EOF
	}
	r.done++
	copy(into, r.reply.row)
	return nil
}
