package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

// countingDB counts the scans and single reads of its snapshots.
type countingDB struct {
	kv.DB
	scans, gets, bytes atomic.Int64 // bytes: of values that were got
}

type countingSnapshot struct {
	kv.Snapshot
	db *countingDB
}

func (db *countingDB) Snapshot() (kv.Snapshot, error) {
	s, err := db.DB.Snapshot()
	return countingSnapshot{s, db}, err
}

func (s countingSnapshot) Scan(sp kv.Space, r kv.Range) kv.Scanner {
	s.db.scans.Add(1)
	return s.Snapshot.Scan(sp, r)
}

func (s countingSnapshot) Get(ctx context.Context, sp kv.Space, key []byte) ([]byte, bool, error) {
	s.db.gets.Add(1)
	v, ok, err := s.Snapshot.Get(ctx, sp, key)
	s.db.bytes.Add(int64(len(v)))
	return v, ok, err
}

func (s countingSnapshot) MultiGet(ctx context.Context, sp kv.Space, keys, values [][]byte) error {
	s.db.gets.Add(int64(len(keys)))
	err := s.Snapshot.MultiGet(ctx, sp, keys, values)
	for _, v := range values {
		s.db.bytes.Add(int64(len(v)))
	}
	return err
}

// TestPackPassesUsers has many users who have little among few who have much.
func TestPackPassesUsers(t *testing.T) {
	t.Parallel()
	store := &countingDB{DB: mem.Open()}
	db, err := New(store, Config{SegmentRows: 20})
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	db.OnWritten(func(uint32) { written++ })
	tab := people(schema.User)
	change := func(user string, from, n int, f func(*UserTableStore, *types.Batch)) {
		t.Helper()
		tx := begin(t, db)
		defer tx.Close()
		var rows [][]any
		for i := from; i < from+n; i++ {
			rows = append(rows, []any{i, fmt.Sprint(user, " ", i), i, "note", nil})
		}
		f(tx.User(tab, user), batch(tab, rows...))
		commit(t, tx)
	}
	insert := func(user string, from, n int) {
		t.Helper()
		change(user, from, n, func(s *UserTableStore, rows *types.Batch) { mustInsert(t, s, rows) })
	}
	const users = 1000
	for u := range users {
		insert(fmt.Sprintf("u%04d", u), 1, 3)
	}
	for _, u := range []string{"u0000", "u0500", "u0501", "u0999"} {
		insert(u, 4, 30)
	}
	before := tableRows(t, db, tab)
	o := PackOptions{MinRows: 10, MaxShadow: 25}
	store.scans.Store(0)
	if done := packTable(t, db, tab, o); done.Rows != 4*33 {
		t.Errorf("packed %+v", done)
	}
	if n := store.scans.Load(); n > 100 {
		t.Errorf("%d scans", n)
	}
	// A segment under many pairs is found, though its user has few.
	change("u0500", 1, 8, func(s *UserTableStore, rows *types.Batch) {
		if err := s.Delete(ctx, rows); err != nil {
			t.Fatal(err)
		}
	})
	store.scans.Store(0)
	if done := packTable(t, db, tab, o); done.Rows == 0 {
		t.Errorf("packed %+v under pairs", done)
	}
	if n := store.scans.Load(); n > 100 {
		t.Errorf("%d scans", n)
	}
	checkSegments(t, db)
	if after := tableRows(t, db, tab); after != before-8 {
		t.Errorf("%d rows, before %d", after, before)
	}
	// A pass takes as long as there are such users: the next is due when a part of
	// them has changed.
	written = 0
	for i := range 20 {
		insert(fmt.Sprintf("v%04d", i), 1, 20)
	}
	if written != 0 {
		t.Errorf("after %d rows, where %d were left: due %d times", 400, 3*users, written)
	}
	for i := range 20 {
		insert(fmt.Sprintf("w%04d", i), 1, 20)
	}
	if written != 1 {
		t.Errorf("after %d rows, where %d were left: due %d times", 800, 3*users, written)
	}
}

// tableRows returns how many rows all users have.
func tableRows(t *testing.T, db *DB, tab *schema.Table) (n int) {
	t.Helper()
	tx := begin(t, db)
	defer tx.Close()
	s := tx.AllUsers(tab).Scan(ScanRequest{})
	defer s.Close()
	b, users := &types.Batch{}, types.NewVector(types.BytesType, 0)
	for {
		if err := s.Next(ctx, b, users); err != nil {
			t.Fatal(err)
		}
		if b.Len == 0 {
			return n
		}
		n += b.Len
	}
}
