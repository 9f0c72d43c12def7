package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

func commit(t *testing.T, tx *Tx) {
	t.Helper()
	if err := tx.Commit(ctx, Sync, nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Refresh(); err != nil {
		t.Fatal(err)
	}
}

// awkward are user ids that an encoding could mix up.
var awkward = []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00\x01", "ab", "\xff", "\xff\xff"}

func TestUsersArePrivate(t *testing.T) {
	t.Parallel()
	people := people(schema.User)
	tx := begin(t, newDB(t))
	for i, u := range awkward {
		mustInsert(t, tx.User(people, u), batch(people, []any{1, "same", i, "n", nil}, []any{2, nil, i, nil, nil}))
	}
	check := func(gone string) {
		t.Helper()
		for i, u := range awkward {
			want, byAge, byNote := []string{fmt.Sprint("1 ", i), fmt.Sprint("2 ", i)}, []string{"2", "1"}, []string{"2", "1"}
			if u == gone {
				want, byAge, byNote = []string{}, []string{}, []string{}
			}
			tab := tx.User(people, u)
			equal(t, fmt.Sprintf("user %q", u), scan(t, tab, ScanRequest{Columns: []int{0, 2}}), want)
			equal(t, fmt.Sprintf("user %q by age", u), scan(t, tab, ScanRequest{Columns: []int{0}, Index: &people.Indexes[1]}), byAge)
			equal(t, fmt.Sprintf("user %q by note", u), scan(t, tab, ScanRequest{Columns: []int{0}, Index: &people.Indexes[2]}), byNote)
		}
	}
	check("none")
	commit(t, tx)
	var users []string
	if err := tx.AllUsers(people).Users(ctx, func(u string) error { users = append(users, u); return nil }); err != nil {
		t.Fatal(err)
	}
	equal(t, "users", users, awkward)

	s := tx.AllUsers(people).Scan(ScanRequest{Columns: []int{2}})
	defer s.Close()
	b, us := types.NewBatch([]types.Type{people.Columns[2].Type}), types.NewVector(types.BytesType, 0)
	if err := s.Next(ctx, b, us); err != nil || b.Len != 2*len(awkward) || us.Len() != b.Len {
		t.Fatalf("%d rows of %d users, %v", b.Len, us.Len(), err)
	}
	for i := range b.Len {
		if n := b.Columns[0].Int64s[i]; awkward[n] != string(us.BytesAt(i)) {
			t.Errorf("row of %q under %q", awkward[n], us.BytesAt(i))
		}
	}
	for _, u := range awkward {
		m := tx.Mark()
		if err := tx.User(people, u).DeleteAll(ctx); err != nil {
			t.Fatal(err)
		}
		check(u)
		tx.RollbackTo(m)
	}
}

func TestSoftDelete(t *testing.T) {
	t.Parallel()
	people := people(schema.User)
	tx := begin(t, newDB(t))
	tab := tx.User(people, "u")
	one := batch(people, []any{1, "a", 1, "n", 0.5})
	mustInsert(t, tab, one)
	if err := tab.remove(ctx, one, true); err != nil {
		t.Fatal(err)
	}
	equal(t, "live", scan(t, tab, ScanRequest{Columns: []int{0}}), []string{})
	equal(t, "live by email", scan(t, tab, ScanRequest{Index: &people.Indexes[0], Columns: []int{0}}), []string{})
	mustInsert(t, tab, batch(people, []any{1, "a", 2, nil, nil}))
	deleted := ScanRequest{Columns: []int{0, 1, 2, 3, 4}, Deleted: true}
	equal(t, "deleted", scan(t, tab, deleted), []string{`1 "a" 1 "n" 0.5`})
	if _, err := tab.purge(ctx, time.Now().Add(-time.Hour), 1); err != nil {
		t.Fatal(err)
	}
	equal(t, "deleted lately", scan(t, tab, deleted), []string{`1 "a" 1 "n" 0.5`})
	if _, err := tx.AllUsers(people).PurgeDeleted(ctx, time.Now().Add(time.Hour), 1); err != nil {
		t.Fatal(err)
	}
	equal(t, "purged", scan(t, tab, deleted), []string{})
	equal(t, "live", scan(t, tab, ScanRequest{Columns: []int{2}}), []string{"2"})
}

func events() *schema.Table {
	stamp := types.Type{Kind: types.Timestamp, Size: -1, Scale: 6}
	return &schema.Table{ID: 1001, Namespace: "test", Name: "events", Kind: schema.Stream, Version: 1,
		Columns: []schema.Column{
			{ID: 1, Name: "what", Type: types.TextType},
			{ID: 2, Name: schema.TimeColumn, Type: stamp, NotNull: true, Hidden: true},
			{ID: 3, Name: schema.RowIDColumn, Type: types.Uint64Type, NotNull: true, Hidden: true},
		}, PrimaryKey: []int{1, 2}}
}

func TestStream(t *testing.T) {
	t.Parallel()
	testStream(t, events())
	indexed := events()
	indexed.Indexes = []schema.Index{{ID: 1, Name: "what", Columns: []int{0}, Unique: true}}
	testStream(t, indexed)
}

func testStream(t *testing.T, events *schema.Table) {
	db := newDB(t)
	tx := begin(t, db)
	noon := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for _, u := range []string{"u", "v"} {
		tab := tx.Stream(events, u)
		b := batch(events)
		for m := range 5 {
			at, err := tab.l.eventTime(noon.Add(time.Duration(4-m) * time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			id, err := tx.NextID(ctx, events, u, 1)
			if err != nil {
				t.Fatal(err)
			}
			b.AppendRow([]types.Value{types.NewString(fmt.Sprint(m)), at, types.NewUint(id)})
		}
		mustInsert(t, tab, b)
	}
	what := func(u string) []string { return scan(t, tx.Stream(events, u), ScanRequest{Columns: []int{0}}) }
	equal(t, "by time", what("u"), []string{`"4"`, `"3"`, `"2"`, `"1"`, `"0"`})
	if err := tx.Stream(events, "u").EvictBefore(ctx, noon.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	equal(t, "evicted", what("u"), []string{`"2"`, `"1"`, `"0"`})
	if _, _, err := tx.AllUsers(events).EvictBefore(ctx, noon.Add(3*time.Minute+time.Microsecond), nil, 10); err != nil {
		t.Fatal(err)
	}
	equal(t, "evicted from all", append(what("u"), what("v")...), []string{`"0"`, `"0"`})
	for i := range events.Indexes {
		equal(t, "by index", scan(t, tx.Stream(events, "v"), ScanRequest{Index: &events.Indexes[i], Columns: []int{0, 1}}),
			scan(t, tx.Stream(events, "v"), ScanRequest{Columns: []int{0, 1}}))
	}
	tx.Writes().Keys(func(key []byte) {
		if kv.Space(key[0]) != kv.Stream {
			t.Errorf("wrote %x", key)
		}
	})
}

func TestDropAndTruncate(t *testing.T) {
	t.Parallel()
	people, neighbour := people(schema.User), people(schema.User)
	neighbour.ID++
	db := newDB(t)
	tx := begin(t, db)
	for _, tab := range []*schema.Table{people, neighbour} {
		for _, u := range []string{"u", "v"} {
			mustInsert(t, tx.User(tab, u), batch(tab, []any{1, "a", 1, "n", nil}))
		}
	}
	commit(t, tx)
	if err := DropTable(ctx, tx, people); err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
	left := map[uint32]int{}
	for s, prefix := range map[kv.Space][]byte{kv.Data: nil, kv.Meta: {metaSequence}} {
		err := eachPair(ctx, tx, s, prefix, func(key, _ []byte) error {
			left[binary.BigEndian.Uint32(key[len(prefix):])]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if left[people.ID] != 0 || left[neighbour.ID] != 2*5 {
		t.Errorf("left: %v", left)
	}
}

func TestBuildIndexes(t *testing.T) {
	t.Parallel()
	for _, kind := range []schema.TableKind{schema.Shared, schema.User} {
		full := people(kind)
		bare := *full
		bare.Indexes = nil
		db := newDB(t)
		tx := begin(t, db)
		users := []string{"u", "v"}
		store := func(t *schema.Table, u string) Table {
			if kind == schema.User {
				return tx.User(t, u)
			}
			return tx.Shared(t)
		}
		for n, u := range users {
			b := batch(&bare)
			for i := range 3000 {
				b.AppendRow([]types.Value{types.NewInt(int64(i + n*3000)), types.NewString(fmt.Sprint(n, "-", (i*7919)%3000)), types.NewInt(int64(i % 10)), {}, {}})
			}
			mustInsert(t, store(&bare, u), b)
		}
		commit(t, tx)
		for i := range full.Indexes {
			if c, err := BuildIndexes(ctx, tx, &bare, &full.Indexes[i]); c != nil || err != nil {
				t.Fatal(c, err)
			}
		}
		if err := tx.Refresh(); err != nil {
			t.Fatal(err)
		}
		for i := range full.Indexes {
			for _, u := range users {
				ix := &full.Indexes[i]
				got := scan(t, store(full, u), ScanRequest{Index: ix, Columns: []int{0, 1, 2, 3, 4}})
				want := scan(t, store(&bare, u), ScanRequest{Columns: []int{0, 1, 2, 3, 4}})
				slices.Sort(got)
				slices.Sort(want)
				equal(t, ix.Name, got, want)
			}
		}
		// A duplicate in another window of rows than the first.
		dup := schema.Index{ID: 9, Name: "dup", Columns: []int{1}, Unique: true}
		mustInsert(t, store(&bare, "v"), batch(&bare, []any{100000, "1-5", nil, nil, nil}))
		commit(t, tx)
		c, err := BuildIndexes(ctx, tx, &bare, &dup)
		if err != nil || c == nil || showRow(c.Existing[:2]) != `100000 "1-5"` {
			t.Fatalf("got %+v, %v", c, err)
		}
		if err := DropIndex(ctx, tx, full, &full.Indexes[1]); err != nil {
			t.Fatal(err)
		}
		commit(t, tx)
		for _, ix := range []*schema.Index{&dup, &full.Indexes[1]} {
			p := db.indexPrefix(full, ix)
			if k, err := firstKey(ctx, tx, kv.Data, p, edge(p, true)); k != nil || err != nil {
				t.Errorf("%s: left %x, %v", ix.Name, k, err)
			}
		}
	}
}

// TestScanIsOfItsMoment checks that scans don't see what is written later.
func TestScanIsOfItsMoment(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	for _, ix := range []*schema.Index{nil, &people.Indexes[0], &people.Indexes[1]} {
		tx := begin(t, newDB(t))
		tab := tx.Shared(people)
		mustInsert(t, tab, batch(people, []any{1, "a", 1, "x", 0.5}))
		commit(t, tx)
		two := batch(people, []any{2, "b", 2, "y", 1.5})
		mustInsert(t, tab, two)
		req := ScanRequest{Index: ix, Columns: []int{0, 4}}
		s := tab.Scan(req)
		mustInsert(t, tab, batch(people, []any{3, "c", 3, "z", 2.5}))
		if err := tab.Delete(ctx, two); err != nil {
			t.Fatal(err)
		}
		commit(t, tx)
		tx.Close()
		got, err := rows(s, typesOf(people, req.Columns))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "rows", got, []string{"1 0.5", "2 1.5"})
		if err := s.Next(ctx, types.NewBatch(typesOf(people, req.Columns))); !errors.Is(err, sqlerr.Closed) {
			t.Errorf("after Close: %v", err)
		}
		if n := tx.db.Stats(); n.Snapshots != 0 || n.Scanners != 0 {
			t.Errorf("unreleased: %+v", n)
		}
	}
}

func TestLargeRowsMakeSmallBatches(t *testing.T) {
	t.Parallel()
	tab := people(schema.Shared)
	tab.Indexes = tab.Indexes[1:2]
	tab.Indexes[0].Columns = []int{2}
	tx := begin(t, newDB(t))
	big := make([]byte, 1<<20)
	all := batch(tab)
	var points []KeyRange
	for i := range 40 {
		all.AppendRow([]types.Value{types.NewInt(int64(i)), types.NewBytes(big), types.NewInt(1), {}, {}})
		points = append(points, KeyRange{Low: values(i), High: values(i)})
	}
	mustInsert(t, tx.Shared(tab), all)
	commit(t, tx)
	for name, req := range map[string]ScanRequest{
		"scan":  {Columns: []int{1}},
		"index": {Columns: []int{1}, Index: &tab.Indexes[0]},
	} {
		s := tx.Shared(tab).Scan(req)
		b := types.NewBatch([]types.Type{types.TextType})
		n := 0
		for {
			if err := s.Next(ctx, b); err != nil {
				t.Fatal(err)
			}
			if b.Len == 0 {
				break
			}
			if n += b.Len; len(b.Columns[0].Data) > firstGroup<<20 {
				t.Errorf("%s: a batch of %d bytes", name, len(b.Columns[0].Data))
			}
		}
		if s.Close(); n != 40 {
			t.Errorf("%s: %d rows", name, n)
		}
	}
	equal(t, "points", len(scan(t, tx.Shared(tab), ScanRequest{Columns: []int{0}, Ranges: points})), 40)
}

type locks struct {
	keys   map[string]bool
	refuse error
}

func (l *locks) LockKey(_ context.Context, key, _ []byte, _ LockMode, _ bool) error {
	l.keys[string(key)] = true
	return l.refuse
}

func (l *locks) LockValues(_ context.Context, key []byte, alone bool) error { return l.refuse }

func (l *locks) LockAlone(context.Context, uint32, []byte, bool) (bool, error) { return false, nil }

func (l *locks) Latest() bool { return false }

// TestKeysAreLocked checks that every key a commit reports was asked for.
func TestKeysAreLocked(t *testing.T) {
	t.Parallel()
	people := people(schema.User)
	tx := begin(t, newDB(t))
	l := &locks{keys: map[string]bool{}}
	tx.SetLocker(l)
	tab := tx.User(people, "u")
	a, b := batch(people, []any{1, "a", 1, nil, nil}), batch(people, []any{2, "a", 1, nil, nil})
	mustInsert(t, tab, a)
	if c, err := tab.Update(ctx, a, b); c != nil || err != nil {
		t.Fatal(c, err)
	}
	if err := tab.Delete(ctx, b); err != nil {
		t.Fatal(err)
	}
	n := 0
	tx.Writes().Keys(func(key []byte) {
		if n++; !l.keys[string(key)] {
			t.Errorf("%x was not asked for", key)
		}
	})
	if n != 3 || len(l.keys) != 3 {
		t.Errorf("%d keys written, %d locked", n, len(l.keys))
	}
	l.refuse = sqlerr.WriteConflict.New("")
	m := tx.Size()
	if _, err := tab.Insert(ctx, a); !errors.Is(err, sqlerr.WriteConflict) || tx.Size() != m {
		t.Errorf("refused: %v, wrote %d bytes", err, tx.Size()-m)
	}
}

func TestClosedTx(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	tx := begin(t, newDB(t))
	tab := tx.Shared(people)
	mustInsert(t, tab, batch(people, []any{1, nil, nil, nil, nil}))
	if err := tx.Refresh(); err != nil || tx.Empty() {
		t.Errorf("Refresh with writes: %v, lost them: %v", err, tx.Empty())
	}
	tx.Close()
	tx.Close()
	_, insertErr := tab.Insert(ctx, batch(people, []any{2, nil, nil, nil, nil}))
	_, scanErr := rows(tab.Scan(ScanRequest{}), nil)
	for name, err := range map[string]error{"Insert": insertErr, "Scan": scanErr, "Commit": tx.Commit(ctx, Sync, nil), "Refresh": tx.Refresh()} {
		if !errors.Is(err, sqlerr.Closed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		key  []byte
		v    string
		want *sqlerr.Kind
	}{
		{"newer", []byte{metaFormat}, magic + "\x00\x00\x00\x07", sqlerr.NewerFormat},
		{"foreign value", []byte{metaFormat}, "something else", sqlerr.NotADatabase},
		{"foreign keys", []byte("key"), "", sqlerr.NotADatabase},
	} {
		store := mem.Open()
		var b kv.Batch
		b.Put(kv.Meta, test.key, []byte(test.v))
		if err := store.Write(ctx, &b, Sync); err != nil {
			t.Fatal(err)
		}
		if _, err := New(store, Config{}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	store := mem.Open()
	older := kv.Batch{}
	older.Put(kv.Meta, []byte{metaFormat}, []byte(magic+"\x00\x00\x00\x01"))
	if err := store.Write(ctx, &older, Sync); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := New(store, Config{}); err != nil {
			t.Error(err)
		}
	}
	if snap, _ := store.Snapshot(); snap != nil {
		if v, _, _ := snap.Get(ctx, kv.Meta, []byte{metaFormat}); string(v) != magic+"\x00\x00\x00\x06" {
			t.Errorf("the format became %q", v)
		}
		snap.Release()
	}
	db, err := New(store, Config{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	people := people(schema.Shared)
	tx := begin(t, db)
	mustInsert(t, tx.Shared(people), batch(people, []any{1, nil, nil, nil, nil}))
	if err := tx.Commit(ctx, Sync, nil); !errors.Is(err, sqlerr.ReadOnly) {
		t.Errorf("commit to a read-only database: %v", err)
	}
	if _, err := BuildIndexes(ctx, begin(t, db), people, &people.Indexes[0]); !errors.Is(err, sqlerr.ReadOnly) {
		t.Errorf("index build in a read-only database: %v", err)
	}
}

// TestDamage checks that changed bytes are errors with the table's name.
func TestDamage(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	for _, req := range []ScanRequest{
		{Columns: []int{0, 1, 2, 3, 4}},
		{Columns: []int{4}, Index: &people.Indexes[0]},
		{Columns: []int{4}, Index: &people.Indexes[1]},
		{Columns: []int{0}, Index: &people.Indexes[1]},
	} {
		db := newDB(t)
		tx := begin(t, db)
		mustInsert(t, tx.Shared(people), batch(people, []any{1, "a", 1, "n", nil}))
		d, err := db.layout(people).key(req.Index)
		if err != nil {
			t.Fatal(err)
		}
		p := tx.relation(people, "").prefix(d)
		key, err := firstKey(ctx, tx, kv.Data, p, edge(p, true))
		if err != nil {
			t.Fatal(err)
		}
		tx.Delete(kv.Data, key)
		tx.Put(kv.Data, key[:len(key)-1], []byte{0x77})
		_, err = rows(tx.Shared(people).Scan(req), typesOf(people, req.Columns))
		if e := sqlerr.As(err); e == nil || e.Kind != sqlerr.Corrupt || e.Table != "test.people" {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	tx := begin(t, newDB(t))
	tab := tx.Shared(people)
	mustInsert(t, tab, batch(people, []any{1, "a", nil, nil, nil}))
	commit(t, tx)
	over, cancel := context.WithCancel(ctx)
	cancel()
	one := []KeyRange{{Low: values(1), High: values(1)}}
	for name, req := range map[string]ScanRequest{"scan": {}, "lookup": {Ranges: one}, "index": {Index: &people.Indexes[0], Columns: []int{4}}} {
		s := tab.Scan(req)
		b := types.NewBatch(typesOf(people, req.Columns))
		if err := s.Next(over, b); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

// FuzzDamage puts any bytes where rows and entries are: scans give rows or say
// that the table is damaged.
func FuzzDamage(f *testing.F) {
	people := people(schema.Shared)
	db, err := New(mem.Open(), Config{})
	if err != nil {
		f.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := tx.Shared(people).Insert(ctx, batch(people, []any{1, "a", 1, "n", nil}, []any{2, nil, nil, nil, nil})); err != nil {
		f.Fatal(err)
	}
	l := db.layout(people)
	for d := range 1 + len(l.secondary) {
		p := tx.relation(people, "").prefix(l.def(d))
		if err := eachPair(ctx, tx, kv.Data, p, func(key, v []byte) error {
			f.Add(uint8(d), key[len(p):], v)
			return nil
		}); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, d uint8, key, v []byte) {
		def := l.def(int(d) % (1 + len(l.secondary)))
		m := tx.Mark()
		defer tx.RollbackTo(m)
		tx.Put(kv.Data, append(tx.relation(people, "").prefix(def), key...), v)
		for _, columns := range [][]int{nil, {0}, {1}, {0, 1, 2, 3, 4}} {
			for _, ranges := range [][]KeyRange{nil, {{Low: values("a", 0), High: values("b", 2)}}} {
				if ranges != nil && (def.ix == nil || def.ix.Name != "by_email") {
					continue
				}
				_, err := rows(tx.Shared(people).Scan(ScanRequest{Index: def.ix, Columns: columns, Ranges: ranges}), typesOf(people, columns))
				if e := sqlerr.As(err); err != nil && (e == nil || e.Kind != sqlerr.Corrupt || e.Table != "test.people") {
					t.Errorf("columns %v: %v", columns, err)
				}
			}
		}
	})
}
