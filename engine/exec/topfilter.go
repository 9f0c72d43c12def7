package exec

import (
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// topFilter has the scans below a sort with LIMIT leave out rows that come after as many
// others as are wanted: the wide columns of most rows are not read then.
type topFilter struct {
	on   atomic.Bool
	cut  atomic.Uint64 // the greatest prefix of the first key that is wanted
	t    types.Type
	desc bool
}

// newTopFilter makes the filter of a sort and gives it to the scans of its input, which is
// to be built; nil where no scan has the first key.
func newTopFilter(n *plan.Sort, o *rowOrder, rt *Runtime) *topFilter {
	if n.Limit == nil || o.columns[0] >= len(n.Input.Types()) {
		return nil
	}
	f := &topFilter{t: o.types[0], desc: o.desc[0]}
	if !rt.filterScans(n.Input, o.columns[0], f) {
		return nil
	}
	return f
}

// set lets only rows pass whose prefix is cut or less.
func (f *topFilter) set(cut uint64) {
	if f != nil {
		f.cut.Store(cut)
		f.on.Store(true)
	}
}

// clear turns the filter off.
func (f *topFilter) clear() {
	if f != nil {
		f.on.Store(false)
	}
}

func (f *topFilter) active() bool { return f.on.Load() }

func (f *topFilter) pick(v *types.Vector, sel []int32) []int32 {
	var room [types.BatchRows]uint64
	prefixes, cut := appendPrefixes(room[:0], v, v.Len(), f.t, f.desc), f.cut.Load()
	k := 0
	for _, i := range sel {
		if prefixes[i] <= cut {
			sel[k] = i
			k++
		}
	}
	return sel[:k]
}
