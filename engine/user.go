package engine

import (
	"context"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
)

type userKey struct{}

// WithUser returns a context in which calls of any session are the given user's:
// they see that user's rows of user and stream tables. Every string is a user,
// the empty one, too.
func WithUser(ctx context.Context, user string) context.Context {
	return context.WithValue(ctx, userKey{}, user)
}

// UserOf returns the user that WithUser gave to a context.
func UserOf(ctx context.Context) (user string, ok bool) {
	user, ok = ctx.Value(userKey{}).(string)
	return user, ok
}

// become makes the session's user the one that a call is for. The user of a
// transaction stays what it was when the transaction began.
func (s *Session) become(ctx context.Context) error {
	user, given := UserOf(ctx)
	if s.tx != nil {
		if given && user != s.user {
			return sqlerr.OtherUser.New("The transaction is another user's; its user is fixed when it begins")
		}
		return nil
	}
	if !given {
		user = s.cfg.User
	}
	if err := s.engine.mayActAs(ctx, s.cfg.User, user); err != nil {
		return err
	}
	if user != s.user {
		if s.user == s.cfg.User {
			s.own = s.settings
		}
		s.settings = s.own
		s.engine.named.releaseAll(s.id)
		s.unlockTables()
		s.forget()
		s.user = user
	}
	return nil
}

// forget drops what statements of one user left for those after them. What SET and USE
// said stays, if the session's own user said it: that is how all its statements run.
func (s *Session) forget() {
	s.userVariables, s.prepared = nil, nil
	s.lastInsertID, s.rowCount, s.foundRows, s.warnings, s.lastError = 0, 0, 0, nil, nil
}

// executeAs runs a statement as another user.
func (s *Session) executeAs(ctx context.Context, n *parse.ExecuteAs, args arguments) (Result, *resultSet, error) {
	user := n.User
	if n.Parameter {
		t, v := args.types[0], args.values[0]
		if v.IsNull() || !t.IsString() {
			return Result{}, nil, sqlerr.WrongArguments.New("The user of EXECUTE AS USER is no string")
		}
		user = string(v.Bytes())
	}
	if err := s.engine.mayActAs(ctx, s.user, user); err != nil {
		return Result{}, nil, err
	}
	var inner arguments
	for _, i := range n.Arguments {
		inner.types, inner.values = append(inner.types, args.types[i]), append(inner.values, args.values[i])
	}
	self := s.user
	s.user = user
	defer func() { s.user = self }()
	r, set, err := s.run(ctx, n.Statement, inner)
	return r, set, at(err, n.Statement)
}

// checkAs finds out whether a statement can run as another user: what changes
// the session, a transaction or the catalogue cannot.
func checkAs(n *parse.ExecuteAs) error {
	switch ast := n.Statement.AST.(type) {
	case *sqlparser.ExplainStmt, *sqlparser.TruncateTable, *parse.Subscribe:
	default:
		if !planned(ast) || n.Statement.Into != nil {
			return sqlerr.Unsupported("%s in EXECUTE AS USER", statementName(n.Statement.SQL)).At(n.Statement.Offset + 1)
		}
	}
	return nil
}

// RemoveUser removes what is kept of a user in all user and stream tables, for
// good: no backup is changed, but everything else that has a row of the user. It
// returns how many rows it removed.
func (e *Engine) RemoveUser(ctx context.Context, user string) (rows int64, err error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.leave()
	if e.cfg.ReadOnly {
		return 0, sqlerr.ReadOnly.New("The database is open for reading only")
	}
	err = e.catalog.RemoveUser(ctx, user, func(_ *store.Tx, n int64) error {
		rows += n
		return nil
	})
	return rows, err
}
