package store

import (
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// TestSweep has index builds, and a table, that were interrupted.
func TestSweep(t *testing.T) {
	t.Parallel()
	for _, adopted := range []bool{true, false} {
		table := people(schema.Shared)
		db := planted(t, table)
		var b kv.Batch
		for _, p := range []pending{{table.ID, 1}, {table.ID, 2 | repeatable}, {table.ID, 9 | repeatable}, {2000, wholeTable}} {
			b.Put(kv.Meta, pendingKey(p.table, p.index), nil)
			b.Put(kv.Data, append(p.keys(), 1, 2, 3, 4, 5), nil)
		}
		b.Put(kv.Meta, appendNumber(sequencePrefix(2000, 1, nil), 7), appendNumber(nil, 0))
		if err := db.write(ctx, &b, kv.Sync); err != nil {
			t.Fatal(err)
		}
		strays := func() (list []uint32) {
			tx := begin(t, db)
			err := Strays(ctx, tx, map[uint32]bool{table.ID: true}, func(n uint32) error { list = append(list, n); return nil })
			if err != nil {
				t.Fatal(err)
			}
			tx.Close()
			return list
		}
		equal(t, "strays while pending", len(strays()), 0)
		err := Sweep(ctx, db, func(tx *Tx, id, index uint32) (bool, error) {
			return adopted && id == table.ID && index == 2, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		count := func(id uint32) int { keys, _ := pairs(t, db, table, id); return len(keys) }
		want := 0
		if adopted {
			want = 4 // three rows' and ours
		}
		equal(t, "entries of a build that was adopted or not", count(2|repeatable), want)
		equal(t, "entries of no build", count(9|repeatable), 0)
		equal(t, "rows", count(0), 3)
		equal(t, "strays", len(strays()), 0)
		tx := begin(t, db)
		list, err := listPending(ctx, tx)
		if len(list) != 0 || err != nil {
			t.Errorf("still pending: %v, %v", list, err)
		}
	}
}
