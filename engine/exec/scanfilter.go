package exec

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// scanFilter is a scan's filter, and those of joins and sorts above it, as the store takes it: it
// reads the columns that it needs, and then the others of the rows that pass.
type scanFilter struct {
	keys  []scanKey
	cond  *expr.Evaluator // or nil
	of    []int           // the columns that cond reads
	reads []int

	sub    *types.Batch // rows that cond is evaluated for
	passed []int32
}

// scanKey is a column of a scan with the filter that a join or a sort has for it.
type scanKey struct {
	column       int
	filter       columnFilter
	seen, passed int
}

// columnFilter tells which values of a column count.
type columnFilter interface {
	// active reports whether there are values that don't.
	active() bool
	// pick keeps those of the rows in sel whose value in v counts.
	pick(v *types.Vector, sel []int32) []int32
}

// filterScans gives a filter of a column of n, which is to be built, to the scans that the
// column comes from. It reports whether there are any.
func (rt *Runtime) filterScans(n plan.Node, column int, f columnFilter) bool {
	at := sources(n, column, nil)
	if len(at) > 0 && rt.keyFilters == nil {
		rt.keyFilters = map[*plan.Scan][]scanKey{}
	}
	for _, s := range at {
		rt.keyFilters[s.scan] = append(rt.keyFilters[s.scan], scanKey{column: s.column, filter: f})
	}
	return len(at) > 0
}

// enough is after how many rows a filter shows whether it is worth its while.
const enough = 4 * types.BatchRows

// worth reports whether the filter leaves out many rows.
func (k *scanKey) worth() bool {
	return k.filter.active() && (k.seen < enough || k.passed < k.seen-k.seen/8)
}

// newScanFilter returns nil when there is nothing to filter by.
func newScanFilter(ts []types.Type, keys []scanKey, cond expr.Expr, ev *expr.Evaluator) *scanFilter {
	if cond == nil && len(keys) == 0 {
		return nil
	}
	f := &scanFilter{keys: keys, cond: ev, sub: emptyBatch(ts)}
	if cond != nil {
		set := map[int]bool{}
		expr.Columns(cond, set)
		for c := range ts {
			if set[c] {
				f.of = append(f.of, c)
			}
		}
	}
	f.reads = slices.Clone(f.of)
	for _, k := range keys {
		if !slices.Contains(f.reads, k.column) {
			f.reads = append(f.reads, k.column)
		}
	}
	return f
}

// begin begins with a new scan.
func (f *scanFilter) begin() {
	for i := range f.keys {
		f.keys[i].seen, f.keys[i].passed = 0, 0
	}
}

// Reads implements store.RowFilter.
func (f *scanFilter) Reads() []int { return f.reads }

// Select implements store.RowFilter.
func (f *scanFilter) Select(b *types.Batch, sel []int32) ([]int32, error) {
	begin := len(sel)
	for i := range b.Len {
		sel = append(sel, int32(i))
	}
	rows := sel[begin:]
	for i := range f.keys {
		if k := &f.keys[i]; k.worth() {
			k.seen += len(rows)
			rows = k.filter.pick(b.Columns[k.column], rows)
			k.passed += len(rows)
		}
	}
	sel = sel[:begin+len(rows)]
	if f.cond == nil || len(rows) == 0 {
		return sel, nil
	}
	if len(rows) == b.Len {
		return f.cond.Select(b, sel[:begin])
	}
	for _, c := range f.of {
		f.sub.Columns[c].Gather(b.Columns[c], rows)
	}
	f.sub.Len = len(rows)
	var err error
	if f.passed, err = f.cond.Select(f.sub, f.passed[:0]); err != nil {
		return nil, err
	}
	for k, i := range f.passed {
		rows[k] = rows[i]
	}
	return sel[:begin+len(f.passed)], nil
}
