package store

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

// TestColumnCache scans columns again and again of which not all fit.
func TestColumnCache(t *testing.T) {
	t.Parallel()
	const segments, rows = 40, types.BatchRows
	store := &countingDB{DB: mem.Open()}
	db, err := New(store, Config{SegmentRows: rows})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tab := people(schema.Shared)
	tab.Indexes = nil
	tx := begin(t, db)
	b := types.NewBatch(tab.Types())
	r := rand.New(rand.NewPCG(1, 2))
	for i := range segments * rows {
		b.AppendRow(mRow{types.NewInt(int64(i)), types.NewString(fmt.Sprint("mail", i)), types.NewInt(r.Int64N(1 << 16)), types.NewString("n"), types.NewFloat(r.Float64())})
	}
	mustInsert(t, tx.Rows(tab, ""), b)
	commit(t, tx)
	tx.Close()
	packTable(t, db, tab, PackOptions{MinRows: 1})
	cache, runs := &db.segments.cache, db.segments.current()[tab.StorageID()]
	equal(t, "segments", len(runs), segments)
	cache.forget(runs)

	const age, weight = 2, 4
	// read returns how many blocks it read.
	read := func(ordinal int) int {
		before := store.gets.Load()
		tx := begin(t, db)
		defer tx.Close()
		n := 0
		s := tx.Rows(tab, "").Scan(ScanRequest{Columns: []int{ordinal}})
		defer s.Close()
		for b := types.NewBatch(tab.Types()[ordinal : ordinal+1]); ; n += b.Len {
			if err := s.Next(ctx, b); err != nil {
				t.Fatal(err)
			}
			if b.Len == 0 {
				break
			}
		}
		equal(t, "rows", n, segments*rows)
		if cache.bytes > cache.budget {
			t.Errorf("the cache has %d bytes of %d", cache.bytes, cache.budget)
		}
		return int(store.gets.Load() - before)
	}
	// kept returns the decoded columns that are kept.
	kept := func(ordinal int) map[*cachedColumn]bool {
		all := map[*cachedColumn]bool{}
		for _, p := range runs {
			if x := p.cached[p.columns()+p.rec.Find(tab.Columns[ordinal].ID)].column.Load(); x != nil {
				all[x] = true
			}
		}
		return all
	}

	// Blocks of eight bytes a value: one half fits, and stays.
	block := int64(8*rows + 500)
	cache.budget = segments / 2 * block
	for range 3 {
		read(weight)
	}
	for range 3 {
		if n := read(weight); n > segments/2 {
			t.Errorf("a scan read %d of %d blocks", n, segments)
		}
	}
	equal(t, "decoded columns", len(kept(weight)), 0)
	// Others take the place of what is used no more.
	for range 4 {
		read(age)
	}
	equal(t, "blocks read", read(age), 0)

	// All of its blocks fit, and of what is decoded a part, which stays, once the others are
	// unused for long.
	for range 2 * blockWorth {
		read(age)
	}
	before := kept(age)
	if n := len(before); n < segments/6 || n > segments/3 {
		t.Errorf("%d of %d columns are decoded", n, segments)
	}
	for range 3 {
		equal(t, "blocks read", read(age), 0)
		equal(t, "decoded columns", kept(age), before)
	}
	// They make room for blocks.
	for range 3 {
		read(weight)
	}
	equal(t, "decoded columns", len(kept(age)), 0)
}
