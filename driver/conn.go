package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Error is the type of Kalam's errors.
type Error = sqlerr.Error

// conn is a connection: one engine session.
type conn struct {
	session *engine.Session
	engine  *sharedEngine
	bad     atomic.Bool // the engine is closed, or failed beyond use
	params  []engine.Arg
	closed  bool
}

var (
	_ driver.Conn               = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

// check marks the connection as bad where err says so.
func (c *conn) check(err error) error {
	if err != nil && errors.Is(err, sqlerr.Closed) {
		c.bad.Store(true)
	}
	return err
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.session.Prepare(ctx, query)
	if err != nil {
		return nil, c.check(err)
	}
	return &stmt{conn: c, stmt: s}, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 1 {
		if many, ok := args[0].Value.(argumentRows); ok {
			return c.execRows(ctx, query, many)
		}
	}
	params, err := c.args(args)
	if err != nil {
		return nil, err
	}
	r, err := c.session.Exec(ctx, query, params)
	if err != nil {
		return nil, c.check(err)
	}
	return result{r}, nil
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	params, err := c.args(args)
	if err != nil {
		return nil, err
	}
	r, err := c.session.Query(ctx, query, params)
	if err != nil {
		return nil, c.check(err)
	}
	return newRows(ctx, c, r), nil
}

func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	level, err := isolation(sql.IsolationLevel(opts.Isolation))
	if err != nil {
		return nil, err
	}
	if err := c.session.Begin(ctx, engine.TxOptions{Isolation: level, ReadOnly: opts.ReadOnly}); err != nil {
		return nil, c.check(err)
	}
	return tx{c}, nil
}

func isolation(level sql.IsolationLevel) (engine.Isolation, error) {
	switch level {
	case sql.LevelDefault:
		return engine.Default, nil
	case sql.LevelReadUncommitted:
		return engine.ReadUncommitted, nil
	case sql.LevelReadCommitted:
		return engine.ReadCommitted, nil
	case sql.LevelRepeatableRead, sql.LevelSnapshot:
		return engine.RepeatableRead, nil
	case sql.LevelSerializable:
		return engine.Serializable, nil
	}
	return 0, sqlerr.Unsupported("ISOLATION LEVEL %s", level)
}

// Ping fails when the database is closed.
func (c *conn) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.engine.Closed() {
		c.bad.Store(true)
		return driver.ErrBadConn
	}
	return nil
}

// ResetSession runs before the connection is used again from the pool.
func (c *conn) ResetSession(context.Context) error {
	if c.bad.Load() {
		return driver.ErrBadConn
	}
	if err := c.session.Reset(); err != nil {
		return driver.ErrBadConn
	}
	return nil
}

// IsValid reports whether the pool may keep the connection.
func (c *conn) IsValid() bool { return !c.bad.Load() }

// Close ends the session, and the engine with its last holder.
func (c *conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return errors.Join(c.session.Close(), c.engine.release())
}

type tx struct{ conn *conn }

func (t tx) Commit() error   { return t.conn.check(t.conn.session.Commit(context.Background())) }
func (t tx) Rollback() error { return t.conn.check(t.conn.session.Rollback()) }

type result struct{ of engine.Result }

func (r result) LastInsertId() (int64, error) { return r.of.LastInsertID, nil }
func (r result) RowsAffected() (int64, error) { return r.of.RowsAffected, nil }
