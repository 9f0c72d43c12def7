package exec

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/types"
)

// TestKeyTable numbers integers that are near to each other, far apart, or both, in turn,
// and compares with a map.
func TestKeyTable(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 200 {
		typ := types.Int64Type
		if round%2 == 1 {
			typ = types.Uint64Type
		}
		table := newKeyTable([]types.Type{typ})
		want := map[any]int32{}
		var base, span uint64
		denseOnce := false
		for range 1 + r.IntN(8) {
			if r.IntN(3) == 0 {
				base = []uint64{0, math.MaxUint64 - 40, math.MaxInt64 - 40, r.Uint64()}[r.IntN(4)]
			}
			span = 1 << r.IntN(13)
			if r.IntN(6) == 0 {
				span = math.MaxUint64
			}
			v := types.NewVector(typ, 0)
			for range 1 + r.IntN(500) {
				x := base + r.Uint64N(span)
				switch {
				case r.IntN(100) == 0:
					v.AppendNull()
				case round%2 == 1:
					v.AppendUint(x)
				default:
					v.AppendInt(int64(x))
				}
			}
			var k keyBatch
			k.readKeys([]*types.Vector{v}, v.Len())
			got, added := table.numbers(&k, v.Len(), nil, nil)
			var wantNumbers, wantAdded []int32
			for i := range v.Len() {
				key := any(nil)
				if !v.IsNull(i) {
					key = k.ints[i]
				}
				n, ok := want[key]
				if !ok {
					n = int32(len(want))
					want[key] = n
					wantAdded = append(wantAdded, int32(i))
				}
				wantNumbers = append(wantNumbers, n)
			}
			if d := cmp.Diff(wantNumbers, got); d != "" {
				t.Fatal(d)
			}
			if d := cmp.Diff(wantAdded, added); d != "" {
				t.Fatal(d)
			}
			k.hash()
			for i := range v.Len() {
				if n := table.find(&k, i); n != got[i] {
					t.Fatalf("found key %d, not %d", n, got[i])
				}
			}
			denseOnce = denseOnce || table.dense
			if len(table.slots) > 16*table.len()+64 {
				t.Fatalf("%d slots of %d keys", len(table.slots), table.len())
			}
		}
		if span <= 32 && table.len() <= 32 && !denseOnce {
			t.Errorf("few integers that are near to each other were hashed")
		}
	}
}
