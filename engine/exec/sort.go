package exec

import (
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// sortOp orders rows: it sorts references to rows in memory, and when those do
// not fit writes them as sorted runs to a file, which it merges. Rows that are
// equal by the keys keep their order.
type sortOp struct {
	input Operator
	keys  *expr.Evaluator
	order *rowOrder
	width int // columns of the input; computed keys follow
	env   *expr.Env
	limit expr.Expr

	rows *rows
	refs []sortRef
	mem  account
	file spillFile
	runs []spillStream

	keep    int64  // how many rows are wanted
	cut     uint64 // rows with a greater prefix are not, when trimmed
	trimmed bool
	top     *topFilter // of scans below, or nil
	scratch []sortRef
	newRefs []uint32
	next    int // of refs, when all is in memory
	left    int64
	merge   *merger
	out     *types.Batch
	none    *types.Batch
}

// sortRef is a row with the beginning of its first key as a number: where two
// rows' differ, they order the rows.
type sortRef struct {
	prefix uint64
	row    uint32
}

// rowOrder compares rows by columns.
type rowOrder struct {
	columns []int
	desc    []bool
	types   []types.Type
}

func buildSort(n *plan.Sort, rt *Runtime) (Operator, error) {
	ts := slices.Clone(n.Input.Types())
	s := &sortOp{width: len(ts), env: rt.Env, limit: n.Limit, mem: rt.account(),
		file: rt.spillFile(), order: &rowOrder{}}
	var computed []expr.Expr
	for _, k := range n.Keys {
		if c, ok := k.Expr.(*expr.Column); ok {
			s.order.columns = append(s.order.columns, c.Index)
		} else {
			s.order.columns = append(s.order.columns, len(ts))
			ts = append(ts, k.Expr.Type())
			computed = append(computed, k.Expr)
		}
		s.order.desc = append(s.order.desc, k.Desc)
		s.order.types = append(s.order.types, k.Expr.Type())
	}
	s.top = newTopFilter(n, s.order, rt)
	var err error
	if s.input, err = Build(n.Input, rt); err != nil {
		return nil, err
	}
	s.rows, s.out, s.none = newRows(ts), emptyBatch(ts), emptyBatch(ts[:s.width])
	s.keys, err = expr.NewEvaluator(rt.Env, computed...)
	return s, err
}

func (s *sortOp) Open(ctx context.Context) (err error) {
	s.next, s.trimmed = 0, false
	s.top.clear()
	if s.keep, err = rowCount(s.env, s.limit, noLimit); err != nil || s.keep == 0 {
		s.left = 0
		return err
	}
	s.left = s.keep
	if err := s.input.Open(ctx); err != nil {
		return err
	}
	if err := each(ctx, s.input, func(b *types.Batch) error { return s.add(ctx, b) }); err != nil {
		return err
	}
	if err := s.input.Close(); err != nil {
		return err
	}
	if len(s.runs) == 0 {
		return s.sort(ctx)
	}
	if err := s.writeRun(ctx); err != nil {
		return err
	}
	return s.startMerge(ctx)
}

// add takes rows of the input.
func (s *sortOp) add(ctx context.Context, b *types.Batch) error {
	wide := b
	if len(s.rows.types) > s.width {
		cols, err := s.keys.Eval(b)
		if err != nil {
			return err
		}
		wide = &types.Batch{Columns: append(slices.Clone(b.Columns[:s.width]), cols...), Len: b.Len}
	}
	prefixes := s.order.prefixes(wide)
	if s.trimmed {
		wide, prefixes = s.dropBeyondCut(wide, prefixes)
		if wide.Len == 0 {
			return nil
		}
	}
	s.newRefs = s.rows.append(wide, s.newRefs[:0])
	for i, row := range s.newRefs {
		s.refs = append(s.refs, sortRef{prefixes[i], row})
	}
	s.mem.set(s.rows.bytes() + int64(cap(s.refs)+cap(s.scratch))*16)
	// Of many more rows than are wanted the best are kept.
	if s.keep < topRows && int64(len(s.refs)) >= 2*s.keep+4*types.BatchRows {
		return s.trim(ctx)
	}
	if s.mem.full() {
		return s.writeRun(ctx)
	}
	return nil
}

// topRows is the greatest LIMIT for which rows beyond it are dropped early.
const topRows = 1 << 16

// dropBeyondCut drops the rows that come after the last one that is wanted.
func (s *sortOp) dropBeyondCut(b *types.Batch, prefixes []uint64) (*types.Batch, []uint64) {
	var sel []int32
	kept := prefixes[:0]
	for i, p := range prefixes {
		if p <= s.cut {
			sel, kept = append(sel, int32(i)), append(kept, p)
		}
	}
	if len(sel) == b.Len {
		return b, prefixes
	}
	s.out.Gather(b, sel)
	return s.out, kept
}

// trim keeps the rows that are wanted of those so far.
func (s *sortOp) trim(ctx context.Context) error {
	if err := s.sort(ctx); err != nil {
		return err
	}
	best := newRows(s.rows.types)
	refs := make([]sortRef, 0, 2*s.keep+4*types.BatchRows)
	for from := 0; from < int(s.keep); {
		n := min(int(s.keep)-from, rowsPerBatch(s.rows.maxRow))
		s.gather(s.out, s.refs[from:from+n], len(s.rows.types))
		s.newRefs = best.append(s.out, s.newRefs[:0])
		for i, row := range s.newRefs {
			refs = append(refs, sortRef{s.refs[from+i].prefix, row})
		}
		from += n
	}
	s.rows, s.refs = best, refs
	s.cut, s.trimmed = refs[s.keep-1].prefix, true
	s.top.set(s.cut)
	s.mem.set(s.rows.bytes() + int64(cap(s.refs)+cap(s.scratch))*16)
	return nil
}

// gather fills dst with the first columns of rows.
func (s *sortOp) gather(dst *types.Batch, refs []sortRef, columns int) {
	s.newRefs = s.newRefs[:0]
	for _, r := range refs {
		s.newRefs = append(s.newRefs, r.row)
	}
	for c := range columns {
		s.rows.gather(dst.Columns[c], c, s.newRefs, false)
	}
	dst.Len = len(refs)
}

// sortRun is how many rows are sorted at once, between looks at the context.
const sortRun = 1 << 14

// sort orders refs: it sorts pieces and merges them, pair by pair.
func (s *sortOp) sort(ctx context.Context) error {
	compare := s.order.comparer(s.rows)
	for from := 0; from < len(s.refs); from += sortRun {
		if err := interrupted(ctx); err != nil {
			return err
		}
		slices.SortFunc(s.refs[from:min(from+sortRun, len(s.refs))], compare)
	}
	for size := sortRun; size < len(s.refs); size *= 2 {
		s.scratch = slices.Grow(s.scratch[:0], len(s.refs))[:len(s.refs)]
		for from := 0; from < len(s.refs); from += 2 * size {
			mid, to := min(from+size, len(s.refs)), min(from+2*size, len(s.refs))
			if err := mergeRefs(ctx, s.scratch[from:to], s.refs[from:mid], s.refs[mid:to], compare); err != nil {
				return err
			}
		}
		s.refs, s.scratch = s.scratch, s.refs
	}
	return nil
}

// mergeRefs fills dst with the references of a and b, which are sorted.
func mergeRefs(ctx context.Context, dst, a, b []sortRef, compare func(a, b sortRef) int) error {
	if len(b) == 0 || compare(a[len(a)-1], b[0]) <= 0 {
		copy(dst[copy(dst, a):], b)
		return nil
	}
	for k := range dst {
		if k%checkEvery == 0 {
			if err := interrupted(ctx); err != nil {
				return err
			}
		}
		if len(b) == 0 || len(a) > 0 && compare(a[0], b[0]) <= 0 {
			dst[k], a = a[0], a[1:]
		} else {
			dst[k], b = b[0], b[1:]
		}
	}
	return nil
}

// writeRun sorts the rows in memory and writes them to the file.
func (s *sortOp) writeRun(ctx context.Context) error {
	if len(s.refs) == 0 {
		return nil
	}
	if err := s.sort(ctx); err != nil {
		return err
	}
	var run spillStream
	step := rowsPerBatch(s.rows.maxRow)
	total := int(min(int64(len(s.refs)), s.keep))
	for from := 0; from < total; from += step {
		if err := interrupted(ctx); err != nil {
			return err
		}
		s.gather(s.out, s.refs[from:min(from+step, total)], len(s.rows.types))
		if err := s.file.write(&run, s.out); err != nil {
			return err
		}
	}
	s.runs = append(s.runs, run)
	s.rows.clear()
	s.refs, s.scratch, s.trimmed = s.refs[:0], nil, false
	s.top.clear()
	s.mem.set(int64(cap(s.refs)) * 16)
	return nil
}

// mergeFanIn is how many runs are merged at a time.
const mergeFanIn = 32

// startMerge begins to merge the runs, after making them fewer and larger while
// there are too many.
func (s *sortOp) startMerge(ctx context.Context) error {
	s.refs = nil
	s.mem.set(0)
	for len(s.runs) > mergeFanIn {
		var larger []spillStream
		for runs := range slices.Chunk(s.runs, mergeFanIn) {
			run, err := s.mergeRuns(ctx, runs)
			if err != nil {
				return err
			}
			larger = append(larger, run)
		}
		s.runs = larger
	}
	var err error
	s.merge, err = s.newMerger(ctx, s.runs)
	return err
}

// mergeRuns writes the rows of runs as one.
func (s *sortOp) mergeRuns(ctx context.Context, runs []spillStream) (run spillStream, err error) {
	m, err := s.newMerger(ctx, runs)
	if err != nil {
		return run, err
	}
	return run, each(ctx, m, func(b *types.Batch) error { return s.file.write(&run, b) })
}

func (s *sortOp) Next(ctx context.Context) (*types.Batch, error) {
	if err := interrupted(ctx); err != nil {
		return nil, err
	}
	if s.left == 0 {
		return s.none, nil
	}
	if s.merge != nil {
		b, err := s.merge.Next(ctx)
		if err != nil {
			return nil, err
		}
		n := min(int64(b.Len), s.left)
		s.left -= n
		out := b.Slice(0, int(n))
		return &types.Batch{Columns: out.Columns[:s.width], Len: out.Len}, nil
	}
	n := int(min(s.left, int64(len(s.refs)-s.next), int64(rowsPerBatch(s.rows.maxRow))))
	if n == 0 {
		return s.none, nil
	}
	s.gather(s.out, s.refs[s.next:s.next+n], s.width)
	s.next += n
	s.left -= int64(n)
	return &types.Batch{Columns: s.out.Columns[:s.width], Len: n}, nil
}

func (s *sortOp) Close() error {
	s.rows.clear()
	s.refs, s.scratch, s.runs, s.merge = nil, nil, nil, nil
	s.next, s.left = 0, 0
	s.mem.set(0)
	return closeAll(s.input, &s.file)
}

// comparer returns the order of references to rows of r.
func (o *rowOrder) comparer(r *rows) func(a, b sortRef) int {
	// A number's prefix is the number, but that the least one has NULL's.
	whole := o.types[0].Physical() != types.PhysBytes
	null := uint64(0)
	if o.desc[0] {
		null = ^null
	}
	return func(a, b sortRef) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		first := 0
		if whole && a.prefix != null {
			first = 1
		}
		if first < len(o.columns) {
			x, i := r.at(a.row)
			y, j := r.at(b.row)
			if c := o.compare(x, i, y, j, first); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.row, b.row)
	}
}

// compare orders row i of x and row j of y by the columns from first on.
func (o *rowOrder) compare(x *types.Batch, i int, y *types.Batch, j, first int) int {
	for k := first; k < len(o.columns); k++ {
		c := o.columns[k]
		d := types.CompareVec(x.Columns[c], i, y.Columns[c], j)
		if d != 0 {
			if o.desc[k] {
				return -d
			}
			return d
		}
	}
	return 0
}

// prefixes returns the prefixes of b's rows.
func (o *rowOrder) prefixes(b *types.Batch) []uint64 {
	return appendPrefixes(make([]uint64, 0, b.Len), b.Columns[o.columns[0]], b.Len, o.types[0], o.desc[0])
}

// appendPrefixes appends the prefixes that n rows have by a first key of type t to an
// empty slice.
func appendPrefixes(out []uint64, v *types.Vector, n int, t types.Type, desc bool) []uint64 {
	out = slices.Grow(out, n)[:n]
	switch t.Physical() {
	case types.PhysInt64:
		for i, x := range v.Int64s[:n] {
			out[i] = uint64(x) ^ 1<<63
		}
	case types.PhysUint64:
		copy(out, v.Uint64s[:n])
	case types.PhysFloat64:
		for i, x := range v.Float64s[:n] {
			u := math.Float64bits(x + 0) // no negative zero
			out[i] = u ^ (uint64(int64(u)>>63) | 1<<63)
		}
	case types.PhysBytes:
		if !bytesOrder(t) {
			clear(out)
			break
		}
		for i := range out {
			out[i] = bytesPrefix(v.BytesAt(i))
		}
	default:
		clear(out)
	}
	if v.Valid != nil || v.Type.Kind == types.Null {
		for i := range out {
			if v.IsNull(i) {
				out[i] = 0
			}
		}
	}
	if desc {
		for i := range out {
			out[i] = ^out[i]
		}
	}
	return out
}

// bytesOrder reports whether values of a type held as bytes are ordered as their
// bytes are.
func bytesOrder(t types.Type) bool {
	return t.IsString() && !t.LossyKey() || t.Kind == types.UUID
}

func bytesPrefix(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}
