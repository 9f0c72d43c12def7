package exec

import (
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// topFilter has the scans below a sort with LIMIT leave out rows that come after as many
// others as are wanted: the wide columns of most rows are not read then.
type topFilter struct {
	on       bool
	cut      uint64 // the greatest prefix of the first key that is wanted
	t        types.Type
	desc     bool
	prefixes []uint64
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
		f.on, f.cut = true, cut
	}
}

// clear turns the filter off.
func (f *topFilter) clear() {
	if f != nil {
		f.on = false
	}
}

func (f *topFilter) active() bool { return f.on }

func (f *topFilter) pick(v *types.Vector, sel []int32) []int32 {
	f.prefixes = appendPrefixes(f.prefixes[:0], v, v.Len(), f.t, f.desc)
	k := 0
	for _, i := range sel {
		if f.prefixes[i] <= f.cut {
			sel[k] = i
			k++
		}
	}
	return sel[:k]
}
