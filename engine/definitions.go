package engine

import (
	"context"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Definitions returns the definitions of the tables and views of a namespace that the
// session's user may use, by name.
// Errors: sqlerr.BadDatabase.
func (s *Session) Definitions(ctx context.Context, namespace string) ([]*schema.Table, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.engine.leave()
	names, err := s.engine.catalog.TableNames(ctx, namespace)
	if err != nil {
		return nil, err
	}
	var list []*schema.Table
	for _, n := range names {
		t, err := s.engine.catalog.Table(ctx, namespace, n)
		if err != nil {
			return nil, err
		}
		seen, err := s.sees(ctx, t)
		if err != nil {
			return nil, err
		}
		if seen {
			list = append(list, t)
		}
	}
	return list, nil
}

// TableUsers returns up to limit users that have rows of a user or stream table, as
// the open transaction sees it, in order of their ids' bytes: those after one, nil for
// the first. Errors: sqlerr.AccessDenied where the session's user may not act as they.
func (s *Session) TableUsers(ctx context.Context, t *schema.Table, after *string, limit int) ([]string, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.engine.leave()
	if s.tx == nil {
		return nil, sqlerr.WrongArguments.New("users of a table are listed in a transaction")
	}
	if !s.tx.Started() {
		if err := s.startNow(s.tx); err != nil {
			return nil, err
		}
	}
	list, err := s.tx.Store().AllUsers(t).UsersAfter(ctx, after, limit)
	for _, u := range list {
		if err == nil {
			err = s.engine.mayActAs(ctx, s.user, u)
		}
	}
	return list, err
}
