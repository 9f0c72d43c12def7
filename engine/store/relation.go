package store

import (
	"context"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// relation is a table's rows and index entries in a transaction: what the
// table stores have in common. They differ in the space and in whose rows
// they reach.
type relation struct {
	tx       *Tx
	l        *layout
	space    kv.Space
	user     []byte // encoded; empty: no user is in the keys, or all
	allUsers bool
	// appendOnly: keys are never used twice, so that nobody contends for them.
	appendOnly bool
	// window is how many rows to change at once. It is small after a conflict:
	// those who insert what there is of a batch come back with the rest.
	window int
}

// SharedTableStore is a Table with one set of rows for all users.
type SharedTableStore struct{ *relation }

// UserTableStore is a Table of one user's rows.
type UserTableStore struct{ *relation }

// StreamTableStore is a Table of one user's events. Their key begins with a
// time; it comes from a sequence, and is not checked for being taken.
type StreamTableStore struct{ *relation }

// AllUsersStore is the rows that all users have in a table.
type AllUsersStore struct{ relation *relation }

var (
	_ Table = (*SharedTableStore)(nil)
	_ Table = (*UserTableStore)(nil)
	_ Table = (*StreamTableStore)(nil)
)

// Shared returns a shared table's rows.
func (tx *Tx) Shared(t *schema.Table) *SharedTableStore {
	return &SharedTableStore{tx.relation(t, "")}
}

// User returns a user's rows of a user table.
func (tx *Tx) User(t *schema.Table, user string) *UserTableStore {
	return &UserTableStore{tx.relation(t, user)}
}

// Stream returns a user's events of a stream table.
func (tx *Tx) Stream(t *schema.Table, user string) *StreamTableStore {
	return &StreamTableStore{tx.relation(t, user)}
}

// AllUsers returns all users' rows of a table; a shared table has rows, but no
// users.
func (tx *Tx) AllUsers(t *schema.Table) *AllUsersStore {
	r := tx.relation(t, "")
	r.user, r.allUsers = nil, t.Kind != schema.Shared
	return &AllUsersStore{r}
}

func (tx *Tx) relation(t *schema.Table, user string) *relation {
	r := &relation{tx: tx, l: tx.db.layout(t), space: spaceOf(t),
		appendOnly: t.Kind == schema.Stream, window: types.BatchRows}
	if t.Kind != schema.Shared {
		r.user = keyenc.AppendBytes(nil, []byte(user))
	}
	return r
}

// relationOf returns r in another transaction.
func (tx *Tx) relationOf(r *relation) *relation {
	other := *r
	other.tx = tx
	return &other
}

func spaceOf(t *schema.Table) kv.Space {
	if t.Kind == schema.Stream {
		return kv.Stream
	}
	return kv.Data
}

// Schema implements Table.
func (r *relation) Schema() *schema.Table { return r.l.t }

// prefix returns what keys of d begin with.
func (r *relation) prefix(d *keyDef) []byte {
	return appendPrefix(make([]byte, 0, prefixLen(r.user)), r.l.t.StorageID(), d.id, r.user)
}

// EvictBefore removes the events whose time is before t: as a range, at no
// cost for each, unless there are index entries to remove with them.
func (s *StreamTableStore) EvictBefore(ctx context.Context, t time.Time) error {
	limit, err := s.l.eventTime(t)
	if err != nil {
		return err
	}
	old := KeyRange{High: []types.Value{limit}, HighExclusive: true}
	if len(s.l.secondary) > 0 {
		return s.deleteRange(ctx, old)
	}
	sp, _, err := s.l.primary.span(s.prefix(&s.l.primary), &old)
	if err == nil {
		s.tx.DeleteRange(s.space, sp.start, sp.end)
	}
	return err
}

// deleteRange removes the rows of a range of the primary key one by one.
func (r *relation) deleteRange(ctx context.Context, kr KeyRange) error {
	s := r.scan(ScanRequest{Ranges: []KeyRange{kr}, Columns: r.l.allColumns()})
	defer s.Close()
	b := types.NewBatch(r.l.types)
	for {
		if err := s.Next(ctx, b); err != nil || b.Len == 0 {
			return err
		}
		if err := r.Delete(ctx, b); err != nil {
			return err
		}
	}
}

// eventTime returns t in the form of the column that leads a stream's key.
func (l *layout) eventTime(t time.Time) (types.Value, error) {
	if k := l.primary.parts[0].t; k.Kind != types.Timestamp && k.Kind != types.DateTime {
		return types.Value{}, sqlerr.Internal.New("the key of stream table %s does not begin with a time", l.t.QualifiedName()).
			On(l.t.QualifiedName())
	}
	return types.NewInt(types.TimeToPacked(t.UTC(), 6)), nil
}

// Users calls f with every user that has rows, in order of their ids' bytes,
// until f fails. It reads one key a user.
func (s *AllUsersStore) Users(ctx context.Context, f func(user string) error) error {
	r := s.relation
	v, err := r.tx.newView()
	if err != nil {
		return err
	}
	defer v.release()
	if !r.allUsers {
		return nil
	}
	prefix := r.prefix(&r.l.primary)
	start, end := prefix, edge(prefix, true)
	for {
		key, err := firstKey(ctx, v, r.space, start, end)
		if err != nil || key == nil {
			return err
		}
		user, rest, err := keyenc.CutBytes(nil, key[len(prefix):])
		if err != nil {
			return r.l.corrupt(err)
		}
		if err := f(string(user)); err != nil {
			return err
		}
		start = edge(key[:len(key)-len(rest)], true)
	}
}

// PurgeDeleted removes the rows, of all users, that were soft-deleted before t.
func (s *AllUsersStore) PurgeDeleted(ctx context.Context, t time.Time) error {
	return s.relation.PurgeDeleted(ctx, t)
}

// EvictBefore removes a stream table's events, of all users, whose time is
// before t.
func (s *AllUsersStore) EvictBefore(ctx context.Context, t time.Time) error {
	return s.Users(ctx, func(user string) error {
		return s.relation.tx.Stream(s.relation.l.t, user).EvictBefore(ctx, t)
	})
}

// firstKey returns the first key from start to end, nil when there is none.
func firstKey(ctx context.Context, rd kv.Reader, s kv.Space, start, end []byte) ([]byte, error) {
	sc := rd.Scan(s, kv.Range{Start: start, End: end, Limit: 1, KeysOnly: true})
	defer sc.Close()
	c, err := sc.Next(ctx)
	if err != nil || c.Len() == 0 {
		return nil, err
	}
	return append([]byte(nil), c.Key(0)...), nil
}

// Scan returns the rows in order of users' ids and keys. Of req, Index and
// Ranges must be nil.
func (s *AllUsersStore) Scan(req ScanRequest) *UsersScanner {
	return &UsersScanner{s.relation.scan(req)}
}

// UsersScanner returns rows together with the users whose they are.
type UsersScanner struct{ s *scanner }

// Next is Scanner's Next that also fills users, a vector of types.BytesType,
// with each row's user, where the table has users.
func (s *UsersScanner) Next(ctx context.Context, b *types.Batch, users *types.Vector) error {
	users.Reset(types.BytesType)
	return s.s.read(ctx, b, users)
}

// Close releases the scanner; it is idempotent.
func (s *UsersScanner) Close() error { return s.s.Close() }
