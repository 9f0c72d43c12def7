package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/segment"
	"github.com/kalamgo/kalam/engine/types"
)

// TestSearchKeys looks for keys, beginnings of keys and what is longer than keys among rows
// of segments, with keys of one column and of several, which are numbers or not.
func TestSearchKeys(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	kinds := []types.Type{types.Int64Type, types.Uint64Type, types.TextType}
	for round := range 2000 {
		tab := &schema.Table{ID: 1, Namespace: "test", Name: "keys", Kind: schema.Shared}
		for i := range 1 + r.IntN(3) {
			c := schema.Column{ID: uint32(i + 1), Name: fmt.Sprint("c", i), Type: kinds[min(r.IntN(5)/2, 2)], NotNull: true}
			tab.Columns = append(tab.Columns, c)
			tab.PrimaryKey = append(tab.PrimaryKey, i)
		}
		l := newLayout(tab)
		value := func(t types.Type) types.Value {
			x := r.Int64() - r.Int64()
			if round%2 == 0 {
				x %= 4
			}
			switch t.Physical() {
			case types.PhysInt64:
				return types.NewInt(x)
			case types.PhysUint64:
				return types.NewUint(uint64(x))
			}
			return types.NewString(fmt.Sprint(x % 5))
		}
		type row struct {
			key    []byte
			values []types.Value
		}
		random := func() (w row) {
			for _, p := range l.primary.parts {
				v := value(p.t)
				w.values = append(w.values, v)
				var err error
				if w.key, err = p.appendValue(w.key, v); err != nil {
					t.Fatal(err)
				}
			}
			return w
		}
		rows := make([]row, 1+r.IntN(60))
		for i := range rows {
			rows[i] = random()
		}
		compare := func(a, b row) int { return bytes.Compare(a.key, b.key) }
		slices.SortFunc(rows, compare)
		rows = slices.CompactFunc(rows, func(a, b row) bool { return compare(a, b) == 0 })

		o := openRun{l: l}
		var keys []*packedColumn
		for i, p := range l.primary.parts {
			v := types.NewVector(p.t, len(rows))
			for _, w := range rows {
				v.AppendValue(w.values[i])
			}
			block, err := segment.Open(segment.Append(nil, v), p.t.Physical(), len(rows))
			if err != nil {
				t.Fatal(err)
			}
			c := &packedColumn{cachedColumn: &cachedColumn{vector: v}}
			switch n := r.IntN(3); {
			case n == 0:
				c.cachedColumn = &cachedColumn{block: block}
			case n == 1 && p.t.Physical() == types.PhysBytes:
				c.cachedColumn, c.page = nil, int32(1+r.IntN(len(rows)))
				for from := 0; from < len(rows); from += int(c.page) {
					part := v.Slice(from, min(from+int(c.page), len(rows)))
					if block, err = segment.Open(segment.Append(nil, part), p.t.Physical(), part.Len()); err != nil {
						t.Fatal(err)
					}
					c.pages = append(c.pages, &cachedColumn{block: block})
				}
			}
			keys = append(keys, c)
		}
		o.useKeys(keys)
		lo := r.IntN(len(rows))
		hi := lo + r.IntN(len(rows)-lo+1)
		for i := range 20 {
			w := random().key
			if i%2 == 0 {
				w = rows[r.IntN(len(rows))].key
			}
			switch r.IntN(4) {
			case 0:
				w = w[:r.IntN(len(w)+1)]
			case 1:
				w = append(bytes.Clone(w), byte(r.IntN(2)*255))
			}
			wantI, wantFound := slices.BinarySearchFunc(rows[lo:hi], w, func(a row, w []byte) int { return bytes.Compare(a.key, w) })
			for name, search := range map[string]func(context.Context, []byte, int, int) (int, bool, error){"search": o.search, "seek": o.seek} {
				got, found, err := search(ctx, w, lo, hi)
				if err != nil || got != lo+wantI || found != wantFound {
					t.Fatalf("%s of %x from %d to %d: %d, %v, %v; want %d, %v", name, w, lo, hi, got, found, err, lo+wantI, wantFound)
				}
			}
		}
	}
}
