package engine

import (
	"context"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// scope returns what a statement that changes the catalogue runs in.
func (s *Session) scope() service.Scope {
	return service.Scope{
		Namespace: s.namespace, Durability: s.cfg.Durability, Now: time.Now().UTC(), User: s.user, Zone: s.zone,
		NoForeignKeys: s.noForeignKeys, ZeroDates: s.zeroDates(), Warn: s.warn, LockWait: s.tableWait, Locks: s.locks(),
	}
}

// writable returns an error when the session may not change anything.
func (s *Session) writable() error {
	if s.cfg.ReadOnly || s.defaults.ReadOnly || s.tx != nil && s.tx.ReadOnly() {
		return sqlerr.ReadOnly.New("Cannot execute statement in a READ ONLY transaction.")
	}
	return nil
}

// maintain runs CHECK TABLE, CHECK DATABASE, REPAIR TABLE, PACK TABLE and OPTIMIZE TABLE. As in MySQL, they commit an open
// transaction first.
func (s *Session) maintain(ctx context.Context, st *parse.Statement) (*resultSet, error) {
	var list []sqlparser.TableName
	var rest []service.Message
	var run func(sqlparser.TableName) ([]service.Message, error)
	op := "check"
	switch n := st.AST.(type) {
	case *parse.CheckTable:
		list = n.Tables
		o := store.CheckOptions{Quick: n.Quick, Extended: n.Extended}
		run = func(t sqlparser.TableName) ([]service.Message, error) {
			return s.engine.catalog.CheckTable(ctx, s.scope(), t, o)
		}
	case *parse.CheckDatabase:
		var err error
		if list, rest, err = s.engine.catalog.AllTables(ctx, n.Namespace, false); err != nil {
			return nil, err
		}
		o := store.CheckOptions{Quick: n.Quick, Extended: n.Extended}
		run = func(t sqlparser.TableName) ([]service.Message, error) {
			return s.engine.catalog.CheckTable(ctx, s.scope(), t, o)
		}
	case *parse.RepairTable:
		list, op = n.Tables, "repair"
		if err := s.writable(); err != nil {
			return nil, err
		}
		run = func(t sqlparser.TableName) ([]service.Message, error) {
			return s.engine.catalog.RepairTable(ctx, s.scope(), t)
		}
	case *parse.PackTable:
		if list, op = n.Tables, "pack"; n.Optimize {
			op = "optimize"
		}
		if err := s.writable(); err != nil {
			return nil, err
		}
		run = func(t sqlparser.TableName) ([]service.Message, error) {
			return s.engine.catalog.PackTable(ctx, s.scope(), t)
		}
	}
	if err := s.commit(ctx); err != nil {
		return nil, err
	}
	var rows [][]types.Value
	add := func(messages []service.Message) {
		for _, m := range messages {
			rows = append(rows, []types.Value{types.NewString(m.Table), types.NewString(op), types.NewString(m.Type), types.NewString(m.Text)})
		}
	}
	for _, t := range list {
		messages, err := run(t)
		if err != nil {
			return nil, err
		}
		add(messages)
	}
	add(rest)
	return s.listing(rows, textColumns("Table", "Op", "Msg_type", "Msg_text")...), nil
}
