package store

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

func TestSequences(t *testing.T) {
	t.Parallel()
	store := mem.Open()
	open := func() *DB {
		db, err := New(store, Config{})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	people := people(schema.User)
	people.AutoIncrementStart = 10
	next := func(tx *Tx, u string, n int) uint64 {
		t.Helper()
		id, err := tx.NextID(ctx, people, u, n)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	db := open()
	tx, other := begin(t, db), begin(t, db)
	equal(t, "start", next(tx, "u", 3), uint64(10))
	equal(t, "shared by transactions", next(other, "u", 1), uint64(13))
	equal(t, "of another user", next(tx, "v", 1), uint64(10))
	mustInsert(t, tx.User(people, "u"), batch(people, []any{12, nil, nil, nil, nil}, []any{50, nil, nil, nil, nil}))
	equal(t, "raised", next(other, "u", 1), uint64(51))
	if c, err := tx.User(people, "u").Update(ctx, batch(people, []any{12, nil, nil, nil, nil}),
		batch(people, []any{60, nil, nil, nil, nil})); c != nil || err != nil {
		t.Fatal(c, err)
	}
	equal(t, "raised by an update", next(other, "u", 1), uint64(61))

	// Values of rows that are gone stay given out, in whichever order commits come.
	mustInsert(t, other.User(people, "u"), batch(people, []any{61, nil, nil, nil, nil}))
	commit(t, other)
	commit(t, tx)
	tx.User(people, "u").Delete(ctx, batch(people, []any{61, nil, nil, nil, nil}, []any{60, nil, nil, nil, nil}))
	commit(t, tx)
	other.Close()
	tx.Close()
	db = open()
	tx = begin(t, db)
	equal(t, "reopened", next(tx, "u", 1), uint64(62))

	// Only what was committed counts; rows alone do too.
	db = open()
	tx = begin(t, db)
	p, err := db.layout(people), error(nil)
	prefix := sequencePrefix(people.ID, people.Columns[p.counted[0]].ID, tx.relation(people, "u").user)
	tx.DeleteRange(kv.Meta, prefix, edge(prefix, true))
	commit(t, tx)
	equal(t, "without what was saved", next(tx, "u", 1), uint64(51))

	// TRUNCATE starts anew, with its commit.
	if err = tx.User(people, "u").DeleteAll(ctx); err != nil {
		t.Fatal(err)
	}
	tx.releaseSequences() // as if the value had been another transaction's
	commit(t, tx)
	equal(t, "truncated", next(tx, "u", 1), uint64(1))
	tx.releaseSequences()
	if err = TruncateTable(ctx, tx, people); err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
	equal(t, "truncated for all", []uint64{next(tx, "u", 1), next(tx, "new", 1)}, []uint64{1, 1})
	shared := *people
	shared.Kind, shared.ID = schema.Shared, people.ID+1
	for _, want := range []uint64{10, 1} {
		id, err := tx.NextID(ctx, &shared, "", 1)
		if id != want || err != nil {
			t.Errorf("shared: %d, %v, want %d", id, err, want)
		}
		tx.releaseSequences()
		if err = TruncateTable(ctx, tx, &shared); err != nil {
			t.Fatal(err)
		}
		commit(t, tx)
	}

	// Another AUTO_INCREMENT option raises a sequence, also one that was saved.
	mustInsert(t, tx.User(people, "u"), batch(people, []any{1, nil, nil, nil, nil}))
	commit(t, tx)
	people.AutoIncrementStart = 200
	equal(t, "altered", next(tx, "u", 1), uint64(200))
	tx.Close()
	db = open()
	tx = begin(t, db)
	equal(t, "altered, reopened", next(tx, "u", 1), uint64(200))
	mustInsert(t, tx.User(people, "u"), batch(people, []any{200, nil, nil, nil, nil}))
	commit(t, tx)
	tx.User(people, "u").Delete(ctx, batch(people, []any{200, nil, nil, nil, nil}))
	commit(t, tx)
	tx = begin(t, open())
	equal(t, "once", next(tx, "u", 1), uint64(201))

	people.AutoIncrementStart = 0
	next(tx, "v", math.MaxInt64)
	equal(t, "second half", next(tx, "v", math.MaxInt64), uint64(1<<63))
	if _, err := tx.NextID(ctx, people, "v", 2); !errors.Is(err, sqlerr.AutoIncExhausted) {
		t.Errorf("at the end: %v", err)
	}
}

func TestNextIDIsNeverGivenTwice(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	db := newDB(t)
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				tx, err := db.Begin()
				if err != nil {
					t.Error(err)
					return
				}
				first, err := tx.NextID(ctx, people, "", 3)
				if err != nil {
					t.Error(err)
				}
				for i := range uint64(3) {
					c, err := tx.Shared(people).Insert(ctx, batch(people, []any{int(first + i), nil, nil, nil, nil}))
					if c != nil || err != nil {
						t.Error(c, err)
					}
				}
				if err := tx.Commit(ctx, Sync, nil); err != nil {
					t.Error(err)
				}
				tx.Close()
				mu.Lock()
				for i := range uint64(3) {
					if seen[first+i] {
						t.Errorf("%d was given twice", first+i)
					}
					seen[first+i] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	saved := 0
	tx := begin(t, db)
	if err := eachPair(ctx, tx, kv.Meta, []byte{metaSequence}, func(_, _ []byte) error { saved++; return nil }); err != nil {
		t.Fatal(err)
	}
	if saved == 0 || saved > 8 {
		t.Errorf("%d saved values", saved)
	}
}

func TestRowIDBesideAutoIncrement(t *testing.T) {
	t.Parallel()
	tab := &schema.Table{ID: 1000, Namespace: "test", Name: "t", Kind: schema.Shared, Version: 1,
		Columns: []schema.Column{
			{ID: 1, Name: "n", Type: types.Int64Type, AutoIncrement: true},
			{ID: 2, Name: schema.RowIDColumn, Type: types.Uint64Type, NotNull: true, Hidden: true}},
		PrimaryKey: []int{1}, Indexes: []schema.Index{{ID: 1, Name: "n", Columns: []int{0}}}}
	tx := begin(t, newDB(t))
	mustInsert(t, tx.Shared(tab), batch(tab, []any{-7, 1}, []any{100, 2}))
	n, err := tx.NextID(ctx, tab, "", 1)
	id, err2 := tx.NextRowID(ctx, tab, "", 1)
	if n != 101 || id != 3 || err != nil || err2 != nil {
		t.Errorf("got %d, %d, %v, %v", n, id, err, err2)
	}
}

// TestManySequences has more users than sequences are kept in memory.
func TestManySequences(t *testing.T) {
	t.Parallel()
	for _, kind := range []schema.TableKind{schema.User, schema.Stream} {
		db, err := New(mem.Open(), Config{})
		if err != nil {
			t.Fatal(err)
		}
		const most, users = 50, 500
		db.sequences.most = most
		people := people(kind)
		if kind == schema.Stream {
			people = events()
		}
		held := begin(t, db)
		first, err := held.NextID(ctx, people, "held", 1)
		if err != nil {
			t.Fatal(err)
		}
		last := make([]uint64, users)
		for round := range 2 {
			for u := range users {
				tx := begin(t, db)
				id, err := tx.NextID(ctx, people, fmt.Sprint(u), 1)
				if err != nil {
					t.Fatal(err)
				}
				if id <= last[u] || kind == schema.User && id != uint64(round+1) {
					t.Fatalf("%s: user %d is given %d after %d", kind, u, id, last[u])
				}
				last[u] = id
				if kind == schema.User {
					mustInsert(t, tx.User(people, fmt.Sprint(u)), batch(people, []any{int(id), nil, nil, nil, nil}))
				}
				commit(t, tx)
				tx.Close()
			}
		}
		if n := len(db.sequences.all); n > most+1 {
			t.Errorf("%s: %d sequences are in memory", kind, n)
		}
		if id, err := held.NextID(ctx, people, "held", 1); id != first+1 || err != nil {
			t.Errorf("%s: %d after %d, %v", kind, id, first, err)
		}
		held.Close()
	}
}
