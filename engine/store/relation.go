package store

import (
	"bytes"
	"context"
	"errors"
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
	// floor is what the key elements of rows that are not gone yet are at least;
	// nil: there is no such bound.
	floor []byte
	// window is how many rows to change at once. It is small after a conflict:
	// those who insert what there is of a batch come back with the rest.
	window int
	// unreadable are segments that are left out of what is read.
	unreadable []*packedRun
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
	if s := tx.shared; s != nil && s.l.t == t {
		return s // statements of a transaction often are on one table
	}
	tx.shared = &SharedTableStore{tx.relation(t, "")}
	return tx.shared
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

// Since leaves out the events whose time is before t: they are not there any
// more, whether or not they were removed.
func (s *StreamTableStore) Since(t time.Time) error {
	bound, err := s.l.eventTime(t)
	if err == nil {
		s.floor, err = s.l.primary.parts[0].appendValue(nil, bound)
	}
	return err
}

// Insert adds events. The user's oldest go when there are more than the table
// keeps.
func (s *StreamTableStore) Insert(ctx context.Context, rows *types.Batch) (*Conflict, error) {
	conflict, err := s.relation.Insert(ctx, rows)
	if most := s.l.t.Options.MaxBuffer; err == nil && most > 0 {
		err = s.trim(ctx, int(most))
	}
	return conflict, err
}

// trim removes all events but the last ones.
func (s *StreamTableStore) trim(ctx context.Context, most int) error {
	key, _ := s.l.t.Key(nil)
	columns := make([]int, len(key))
	for i, k := range key {
		columns[i] = k.Column
	}
	sc := s.scan(ScanRequest{Columns: columns, Reverse: true, Limit: most + 1})
	defer sc.Close()
	b := types.NewBatch(typesOf(s.l.t, columns))
	for n := 0; ; {
		if err := sc.Next(ctx, b); err != nil || b.Len == 0 {
			return err
		}
		if n += b.Len; n > most {
			return s.deleteRange(ctx, KeyRange{High: b.Row(b.Len-1-(n-most-1), nil)})
		}
	}
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
	return s.firsts(ctx, nil, func(user string, _ []byte) error { return f(user) })
}

// UsersAfter returns up to limit users that have rows, in order of their ids' bytes:
// those after one, nil for the first.
func (s *AllUsersStore) UsersAfter(ctx context.Context, after *string, limit int) (list []string, err error) {
	err = s.firsts(ctx, after, func(user string, _ []byte) error {
		if list = append(list, user); len(list) == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, err
}

// firsts calls f with every user that has rows, those after one where that is
// given, and the elements of the first row's key.
func (s *AllUsersStore) firsts(ctx context.Context, after *string, f func(user string, key []byte) error) error {
	r := s.relation
	v, err := r.tx.newView(new(view))
	if err != nil {
		return err
	}
	defer v.release()
	if !r.allUsers {
		return nil
	}
	rows := r.rows(v)
	prefix := r.prefix(&r.l.primary)
	start, end := prefix, edge(prefix, true)
	if after != nil {
		start = edge(keyenc.AppendBytes(bytes.Clone(prefix), []byte(*after)), true)
	}
	for {
		key, err := firstKey(ctx, rows, r.space, start, end)
		if err != nil || key == nil {
			return err
		}
		user, rest, err := keyenc.CutBytes(nil, key[len(prefix):])
		if err != nil {
			return r.l.corrupt(err)
		}
		if err := f(string(user), rest); err != nil {
			return err
		}
		start = edge(key[:len(key)-len(rest)], true)
	}
}

// EvictBefore removes a stream table's events whose time is before t: those of
// up to limit users, beginning after one that an earlier call returned, nil for
// the first. It returns after whom to go on, nil at the end, and of how many users
// it removed events.
func (s *AllUsersStore) EvictBefore(ctx context.Context, t time.Time, after *string, limit int) (next *string, users int64, err error) {
	bound, err := s.relation.l.eventTime(t)
	if err != nil {
		return nil, 0, err
	}
	low, err := s.relation.l.primary.parts[0].appendValue(nil, bound)
	if err != nil {
		return nil, 0, err
	}
	err = s.firsts(ctx, after, func(user string, key []byte) error {
		if bytes.Compare(key, low) >= 0 {
			return nil
		}
		if err := s.relation.tx.Stream(s.relation.l.t, user).EvictBefore(ctx, t); err != nil {
			return err
		}
		if users++; users == int64(limit) {
			next = &user
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return next, users, err
}

// errEnough ends a loop.
var errEnough = errors.New("enough")

// PurgeDeleted removes for good up to limit rows that any user deleted before a
// time, and returns how many it removed.
func (s *AllUsersStore) PurgeDeleted(ctx context.Context, before time.Time, limit int) (int64, error) {
	return s.relation.purge(ctx, before, limit)
}

// Has reports whether there are rows, or with deleted any that can be restored.
func (s *AllUsersStore) Has(ctx context.Context, deleted bool) (bool, error) {
	r := s.relation
	rd, index := r.rows(r.tx), rowsIndex
	if deleted {
		rd, index = r.tx, deletedRows
	}
	p := appendPrefix(nil, r.l.t.StorageID(), index, nil)
	key, err := firstKey(ctx, rd, r.space, p, edge(p, true))
	return key != nil, err
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
