package exec

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// keyFilter tells which integers may be a join's keys: a hash join has the scans below
// its left side leave out rows that would match nothing (sideways information passing).
// It is a bitmap of the keys from the least to the greatest, or of hashes where they are
// far apart.
type keyFilter struct {
	on     bool // else all integers may be
	hashed bool
	min    int64
	bits   []uint64 // the last is 0, but for hashes
}

const (
	maxSpan      = 64 // bits for each key of a bitmap from the least to the greatest
	hashSpan     = 16 // of one of hashes
	maxKeyFilter = 1 << 26
)

// set makes a filter of keys; it is off if they are too many.
func (f *keyFilter) set(keys []int64) {
	*f = keyFilter{on: len(keys) <= maxKeyFilter/hashSpan, bits: f.bits[:0]}
	if !f.on {
		return
	}
	if len(keys) == 0 {
		f.bits = append(f.bits, 0)
		return
	}
	f.min = slices.Min(keys)
	span := uint64(slices.Max(keys)) - uint64(f.min)
	if span < uint64(maxSpan*len(keys)+64*64) && span < maxKeyFilter {
		f.bits = slices.Grow(f.bits, int(span>>6)+2)[:span>>6+2]
		clear(f.bits)
		for _, x := range keys {
			u := uint64(x) - uint64(f.min)
			f.bits[u>>6] |= 1 << (u & 63)
		}
		return
	}
	size := 64
	for size < hashSpan*len(keys) {
		size *= 2
	}
	f.hashed = true
	f.bits = slices.Grow(f.bits, size>>6)[:size>>6]
	clear(f.bits)
	for _, x := range keys {
		h := hashInt(x) & uint64(size-1)
		f.bits[h>>6] |= 1 << (h & 63)
	}
}

func (f *keyFilter) bytes() int64 { return int64(cap(f.bits)) * 8 }

// clear turns the filter off.
func (f *keyFilter) clear() { *f = keyFilter{} }

func (f *keyFilter) active() bool { return f.on }

// pick keeps those of the rows in sel whose integer in v may be a key.
func (f *keyFilter) pick(v *types.Vector, sel []int32) []int32 {
	if v.Type.Physical() == types.PhysUint64 {
		return pickKeys(f, v.Uint64s, v, sel)
	}
	return pickKeys(f, v.Int64s, v, sel)
}

func pickKeys[T int64 | uint64](f *keyFilter, values []T, v *types.Vector, sel []int32) []int32 {
	k, bits, last := 0, f.bits, uint64(len(f.bits)-1)
	if f.hashed {
		mask := uint64(len(bits)*64 - 1)
		for _, i := range sel {
			h := hashInt(int64(values[i])) & mask
			sel[k] = i
			k += int(bits[h>>6] >> (h & 63) & 1)
		}
	} else {
		for _, i := range sel {
			u := uint64(values[i]) - uint64(f.min)
			sel[k] = i
			k += int(bits[min(u>>6, last)] >> (u & 63) & 1)
		}
	}
	sel = sel[:k]
	if v.Valid != nil {
		sel = slices.DeleteFunc(sel, func(i int32) bool { return v.IsNull(int(i)) })
	}
	return sel
}

// joinFilter is a key of a hash join with a filter that scans have.
type joinFilter struct {
	keyFilter
	key int
}

// joinFilters makes filters of one side's keys of a join for the other side, which is to
// be built: for the keys that are columns which scans read there.
func joinFilters(other plan.Node, keys, comparable []expr.Expr, rt *Runtime) []*joinFilter {
	var list []*joinFilter
	for i, e := range keys {
		c, ok := e.(*expr.Column)
		if !ok || !integerPhysical(comparable[i].Type()) || !expr.SameForm(c.T, comparable[i].Type()) {
			continue
		}
		if f := (&joinFilter{key: i}); rt.filterScans(other, c.Index, &f.keyFilter) {
			list = append(list, f)
		}
	}
	return list
}

// setFilters makes filters of the keys of rows; it returns their bytes.
func setFilters(filters []*joinFilter, rows *rows, eval *expr.Evaluator) (size int64, err error) {
	keys := make([][]int64, len(filters))
	for _, chunk := range rows.chunks {
		cols, err := eval.Eval(chunk)
		if err != nil {
			return 0, err
		}
		for i, f := range filters {
			keys[i] = appendInts(keys[i], cols[f.key], chunk.Len)
		}
	}
	for i, f := range filters {
		f.set(keys[i])
		size += f.bytes()
	}
	return size, nil
}

// filterLeft has the scans of the left side leave out rows without a match in the table.
func (j *hashJoin) filterLeft() error {
	if len(j.leftFilters) == 0 {
		return nil
	}
	var size int64
	if j.table.keys.integer {
		f := j.leftFilters[0]
		f.set(j.table.keys.ints)
		size = f.bytes()
	} else {
		var err error
		if size, err = setFilters(j.leftFilters, j.table.rows, j.rightKeys); err != nil {
			return err
		}
	}
	j.mem.set(j.table.bytes() + size)
	return nil
}

// maxEarly is of how many left rows the right side is filtered by.
const maxEarly = 1 << 18

// readLeft reads left rows, and if those are all, has the scans of the right side leave
// out rows without a match. It returns the left rows, and whether there are none.
func (j *hashJoin) readLeft(ctx context.Context) (_ batchSource, none bool, err error) {
	rest := &lazy{op: j.left}
	for j.early.count() < maxEarly {
		b, err := rest.Next(ctx)
		if err != nil {
			return nil, false, err
		}
		if b.Len == 0 {
			if j.early.empty() {
				return rest, true, nil
			}
			if j.early.stream.rows == 0 {
				_, err = setFilters(j.rightFilters, j.early.rows, j.leftKeys)
			}
			return j.early.source(), false, err
		}
		if err := j.early.add(b); err != nil {
			return nil, false, err
		}
	}
	return &chained{j.early.source(), rest}, false, nil
}

// chained is the rows of a source, then those of another.
type chained struct{ first, then batchSource }

func (c *chained) Next(ctx context.Context) (*types.Batch, error) {
	if c.first != nil {
		b, err := c.first.Next(ctx)
		if err != nil || b.Len > 0 {
			return b, err
		}
		c.first = nil
	}
	return c.then.Next(ctx)
}

func (j *hashJoin) clearFilters() {
	for _, f := range j.leftFilters {
		f.clear()
	}
	for _, f := range j.rightFilters {
		f.clear()
	}
}

// appendInts appends n integers but NULLs.
func appendInts(dst []int64, v *types.Vector, n int) []int64 {
	for i := range n {
		switch {
		case v.IsNull(i):
		case v.Type.Physical() == types.PhysUint64:
			dst = append(dst, int64(v.Uint64s[i]))
		default:
			dst = append(dst, v.Int64s[i])
		}
	}
	return dst
}

// source is where a column comes from.
type source struct {
	scan   *plan.Scan
	column int // of its output
}

// sources appends the scans whose rows do not count unless they have a wanted value of a
// column, if those of n do not count without.
func sources(n plan.Node, column int, list []source) []source {
	switch n := n.(type) {
	case *plan.Scan:
		if n.Limit == nil && column < len(n.Columns)-n.Stored {
			list = append(list, source{n, column})
		}
	case *plan.Filter:
		if expr.Deterministic(n.Cond) {
			list = sources(n.Input, column, list)
		}
	case *plan.Project:
		if c, ok := n.Exprs[column].(*expr.Column); ok && !slices.ContainsFunc(n.Exprs, volatile) {
			list = sources(n.Input, c.Index, list)
		}
	case *plan.Sort:
		if n.Limit == nil {
			list = sources(n.Input, column, list)
		}
	case *plan.Distinct:
		list = sources(n.Input, column, list)
	case *plan.Aggregate:
		if column < len(n.GroupBy) {
			if c, ok := n.GroupBy[column].(*expr.Column); ok {
				list = sources(n.Input, c.Index, list)
			}
		}
	case *plan.HashJoin:
		list = joinSources(n.Kind, n.Left, n.Right, n.LeftKeys, n.RightKeys, column, list)
	case *plan.MergeJoin:
		list = joinSources(n.Kind, n.Left, n.Right, columnExprs(n.LeftKeys), columnExprs(n.RightKeys), column, list)
	case *plan.LoopJoin:
		list = joinSources(n.Kind, n.Left, n.Right, nil, nil, column, list)
	case *plan.IndexJoin:
		if column < len(n.Left.Types()) {
			list = sources(n.Left, column, list)
		}
	}
	return list
}

// joinSources is sources of a join: of both sides, where the column is a key.
func joinSources(kind plan.JoinKind, left, right plan.Node, lk, rk []expr.Expr, column int, list []source) []source {
	k := len(left.Types())
	if column >= k && kind != plan.Inner {
		return list
	}
	if column < k {
		list = sources(left, column, list)
	} else {
		list = sources(right, column-k, list)
	}
	if kind != plan.Inner && kind != plan.Semi {
		return list
	}
	for i := range lk {
		l, ok1 := lk[i].(*expr.Column)
		r, ok2 := rk[i].(*expr.Column)
		if !ok1 || !ok2 || l.T != r.T {
			continue
		}
		if l.Index == column {
			list = sources(right, r.Index, list)
		} else if r.Index+k == column {
			list = sources(left, l.Index, list)
		}
	}
	return list
}

func columnExprs(cols []*expr.Column) []expr.Expr {
	list := make([]expr.Expr, len(cols))
	for i, c := range cols {
		list[i] = c
	}
	return list
}

func volatile(e expr.Expr) bool { return !expr.Deterministic(e) }
