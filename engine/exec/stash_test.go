package exec

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// TestStash keeps the first row of each key, with and without memory.
func TestStash(t *testing.T) {
	t.Parallel()
	ts := []types.Type{intT, textT}
	for _, limit := range []int64{0, 1} {
		rt := runtime(t, limit)
		keyed, all := NewStash(ts, []int{0}, rt), NewStash(ts, nil, rt)
		var want []string
		n := 0
		for round := range 3 {
			b := types.NewBatch(ts)
			for k := range int64(3000) {
				b.AppendRow([]types.Value{i(k), s(string(rune('a' + round)))})
				if round == 0 {
					want = append(want, rowText(b, int(k)))
				}
			}
			b.AppendRow([]types.Value{null, s("none")})
			n += b.Len
			for _, sp := range []*Stash{keyed, all} {
				if err := sp.Add(b); err != nil {
					t.Fatal(err)
				}
			}
		}
		for k, sp := range []*Stash{keyed, all} {
			if err := sp.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 2 { // it can be read again
				op, err := Build(&plan.Work{Name: "w", ID: 7, T: ts}, rt.WithStash(7, sp))
				if err != nil {
					t.Fatal(err)
				}
				if err := op.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				got := rowsOf(t, op)
				if err := op.Close(); err != nil {
					t.Fatal(err)
				}
				if k == 1 {
					if len(got) != n {
						t.Errorf("%d rows, want %d", len(got), n)
					}
					continue
				}
				slices.Sort(got)
				slices.Sort(want)
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("with %d bytes (-want +got)\n%s", limit, d)
				}
			}
			if err := sp.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if rt.memory().used != 0 {
			t.Errorf("%d bytes are still counted", rt.memory().used)
		}
	}
}
