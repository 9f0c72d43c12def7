package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

// TestPages has wide rows in a segment, and texts as keys: what is read for one row is short,
// and all rows are what they were.
func TestPages(t *testing.T) {
	t.Parallel()
	const count = 5000
	store := &countingDB{DB: mem.Open()}
	db, err := New(store, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tab := people(schema.Shared)
	tab.Columns[0].AutoIncrement, tab.Columns[1].NotNull = false, true
	tab.PrimaryKey, tab.Indexes = []int{1, 0}, nil // by email
	all := db.layout(tab).allColumns()
	r := rand.New(rand.NewPCG(3, 4))
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		return string(b)
	}
	email := func(i int) types.Value { return types.NewString(fmt.Sprintf("%06d %030d", i, i*i)) }
	b := types.NewBatch(tab.Types())
	for i := range count {
		row := mRow{types.NewInt(int64(i)), email(i), types.NewInt(int64(i % 7)), types.NewString(random(r.IntN(400))), {}}
		switch i % 50 {
		case 7:
			row[3] = types.Value{}
		case 8:
			row[3] = types.NewString(random(40 << 10)) // longer than a page
		}
		b.AppendRow(row)
	}
	tx := begin(t, db)
	mustInsert(t, tx.Rows(tab, ""), b)
	commit(t, tx)
	tx.Close()
	want := contents(t, db, tab)
	packTable(t, db, tab, PackOptions{MinRows: 1})
	runs := db.segments.current()[tab.StorageID()]
	equal(t, "segments", len(runs), 1)
	rec := runs[0].rec
	for _, ordinal := range []int{1, 3} {
		if n := rec.Blocks(rec.Find(tab.Columns[ordinal].ID)); n < 8 {
			t.Errorf("column %d has %d blocks", ordinal, n)
		}
	}
	equal(t, "blocks of numbers", rec.Blocks(rec.Find(tab.Columns[2].ID)), 1)
	checkSegments(t, db)

	for _, i := range []int{0, 1, 100, 2357, count - 1} {
		db.segments.cache.forget(runs)
		before := store.bytes.Load()
		tx := begin(t, db)
		key := []types.Value{email(i), types.NewInt(int64(i))}
		got, err := rows(tx.Rows(tab, "").Scan(ScanRequest{Columns: all, Ranges: []KeyRange{{Low: key, High: key}}}), tab.Types())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint("row ", i), got, want[i:i+1])
		if n := store.bytes.Load() - before; n > 8*pageBytes {
			t.Errorf("%d bytes of %d were read for row %d", n, runs[0].size, i)
		}
		tx.Close()
	}
	db.segments.cache.forget(runs)
	equal(t, "rows", contents(t, db, tab), want)
	tx = begin(t, db)
	defer tx.Close()
	got, err := rows(tx.Rows(tab, "").Scan(ScanRequest{Columns: all, Reverse: true}), tab.Types())
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(got)
	equal(t, "rows backwards", got, want)
}
