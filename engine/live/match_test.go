package live

import (
	"fmt"
	"testing"

	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/types"
)

// changed returns a row whose only column, number 1, changes from old to new; 0: there was,
// or is, no row.
func changed(t *testing.T, old, new int64) *store.ChangedRows {
	t.Helper()
	rows := &store.ChangedRows{Seq: 1, Len: 1, Columns: []int{1}, OldAt: []int32{-1}, NewAt: []int32{-1},
		Old: &types.Batch{Columns: []*types.Vector{types.NewVector(types.Int64Type, 1)}},
		New: &types.Batch{Columns: []*types.Vector{types.NewVector(types.Int64Type, 1)}}}
	if old != 0 {
		rows.OldAt[0], rows.Old.Len = 0, 1
		rows.Old.Columns[0].AppendInt(old)
	}
	if new != 0 {
		rows.NewAt[0], rows.New.Len = 0, 1
		rows.New.Columns[0].AppendInt(new)
	}
	return rows
}

// TestIndex finds the subscriptions that rows are for among many, and forgets those that
// are removed.
func TestIndex(t *testing.T) {
	t.Parallel()
	var x index
	var subs []*Subscription
	for i := range int64(1000) {
		s := &Subscription{id: fmt.Sprint(i), shape: shape{columns: []int{1}}}
		key, err := keyenc.Append(nil, types.Int64Type, types.NewInt(i))
		if err != nil {
			t.Fatal(err)
		}
		s.key = string(key)
		subs = append(subs, s)
		x.add(s)
	}
	all := &Subscription{id: "all"}
	never := &Subscription{id: "never", never: true}
	x.add(all)
	x.add(never)
	for _, c := range []struct {
		old, new int64
		want     map[string]hit
	}{
		{0, 7, map[string]hit{"7": {0, false, true}, "all": {0, false, true}}},
		{7, 0, map[string]hit{"7": {0, true, false}, "all": {0, true, false}}},
		{7, 7, map[string]hit{"7": {0, true, true}, "all": {0, true, true}}},
		{7, 8, map[string]hit{"7": {0, true, false}, "8": {0, false, true}, "all": {0, true, true}}},
		{0, 5000, map[string]hit{"all": {0, false, true}}},
	} {
		got := map[string]hit{}
		for _, s := range x.match(changed(t, c.old, c.new), nil) {
			if len(s.hits) != 1 {
				t.Errorf("%d to %d: %s has hits %v", c.old, c.new, s.id, s.hits)
			}
			got[s.id] = s.hits[0]
			s.hits = s.hits[:0]
		}
		if len(got) != len(c.want) {
			t.Errorf("%d to %d: %v, want %v", c.old, c.new, got, c.want)
		}
		for id, h := range c.want {
			if got[id] != h {
				t.Errorf("%d to %d: %s has %v, want %v", c.old, c.new, id, got[id], h)
			}
		}
	}
	n := 0
	x.each(func(*Subscription) { n++ })
	if n != 1002 {
		t.Errorf("there are %d", n)
	}
	for _, s := range append(subs, all, never) {
		x.remove(s)
	}
	if len(x.shapes)+len(x.never) > 0 {
		t.Errorf("%d shapes are left", len(x.shapes))
	}
}
