package store

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

// TestPackUnlogged packs what was committed without log, and finds marks of rows that are
// gone where a crash took the segment that they were for.
func TestPackUnlogged(t *testing.T) {
	t.Parallel()
	tab := people(schema.Shared)
	store := mem.Open()
	db, err := New(store, Config{SegmentRows: 10})
	if err != nil {
		t.Fatal(err)
	}
	tx := begin(t, db)
	rows := batch(tab, []any{1, "ann", 30, "x", 1.5}, []any{2, "bob", nil, "y", nil})
	mustInsert(t, tx.Shared(tab), rows)
	if err := tx.Commit(ctx, NoLog, nil); err != nil {
		t.Fatal(err)
	}
	tx.Close()
	packTable(t, db, tab, PackOptions{MinRows: 1})
	// As after a crash: the segment is lost, a later mark is not.
	var b kv.Batch
	r := db.segments.dir[tab.ID][0]
	b.Delete(kv.Meta, r.recordKey())
	_ = r.eachBlock(r.table, func(_, _ int, key []byte) error {
		b.Delete(kv.Data, key)
		return nil
	})
	b.Put(kv.Data, r.from, gone)
	for _, id := range []uint32{1, 2 | repeatable, 3 | repeatable, 4} {
		p := appendPrefix(nil, tab.ID, id, nil)
		b.DeleteRange(kv.Data, p, edge(p, true))
	}
	if err := store.Write(ctx, &b, NoSync); err != nil {
		t.Fatal(err)
	}
	if db, err = New(store, Config{SegmentRows: 10}); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, db, tab); len(got) > 0 {
		t.Errorf("rows %q", got)
	}
	tx = begin(t, db)
	defer tx.Close()
	if some, err := tx.AllUsers(tab).Has(ctx, false); some || err != nil {
		t.Errorf("there are rows: %v, %v", some, err)
	}
	mustInsert(t, tx.Shared(tab), rows)
	commit(t, tx)
	if got := contents(t, db, tab); len(got) != 2 {
		t.Errorf("rows %q", got)
	}
	if got := check(t, db, tab, CheckOptions{}); got != "" {
		t.Error(got)
	}
}

// TestLoadAfterUnlogged checks that no segment of a load outlives commits without log,
// which it may lie beside, and how loads are undone and seen by index builds.
func TestLoadAfterUnlogged(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	load := func(db *DB, from int, d Durability, then func(*Tx)) {
		t.Helper()
		tx := begin(t, db)
		defer tx.Close()
		tx.SetLocker(alone{})
		var rows [][]any
		for i := range 100 {
			rows = append(rows, []any{from + i, fmt.Sprint(from + i), 1, nil, nil})
		}
		mustInsert(t, tx.Shared(people), batch(people, rows...))
		then(tx)
		if err := tx.Commit(ctx, d, nil); err != nil {
			t.Fatal(err)
		}
	}
	segments := func(db *DB) SegmentStats {
		t.Helper()
		tx := begin(t, db)
		defer tx.Close()
		st, err := tx.AllUsers(people).Segments(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if rows := scan(t, tx.Shared(people), ScanRequest{Columns: []int{0}}); int64(len(rows)) != st.Rows+st.Unpacked {
			t.Errorf("%d rows, not %d and %d", len(rows), st.Rows, st.Unpacked)
		}
		return st
	}
	db := newDB(t)
	db.segments.rows = 10
	w := db.watch(people)
	defer w.close()
	snap, _, err := w.next()
	if err != nil {
		t.Fatal(err)
	}
	snap.Close()
	load(db, 0, Sync, func(*Tx) {})
	if st := segments(db); st.Rows != 100 || st.Unpacked != 0 {
		t.Errorf("segments: %+v", st)
	}
	snap, changed, err := w.next()
	if err != nil {
		t.Fatal(err)
	}
	if len(changed) == 0 || !slices.ContainsFunc(changed, func(s span) bool {
		elements, _ := keyenc.Append(nil, types.Int64Type, types.NewInt(57))
		key := append(appendPrefix(nil, people.StorageID(), rowsIndex, nil), elements...)
		return bytes.Compare(s.start, key) <= 0 && bytes.Compare(key, s.end) < 0
	}) {
		t.Errorf("a watch noted %v", changed)
	}
	snap.Close()
	load(db, 1000, NoLog, func(*Tx) {})
	if st := segments(db); st.Rows != 200 || st.Unpacked != 0 || !db.segments.stray.Load() {
		t.Errorf("segments after a commit without log: %+v", st)
	}
	load(db, 2000, Sync, func(tx *Tx) {
		if len(tx.loaded) != 10 {
			t.Errorf("%d segments are loaded", len(tx.loaded))
		}
	})
	if st := segments(db); st.Rows != 200 || st.Unpacked != 100 {
		t.Errorf("segments of a commit with log after one without: %+v", st)
	}
	if len(db.segments.claims) != 0 {
		t.Errorf("claims are left: %v", db.segments.claims)
	}
}
