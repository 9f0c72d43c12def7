package exec

import (
	"context"
	"iter"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// mergeJoin is a sort-merge join of inputs that come sorted. It keeps those right
// rows that have the keys of the current left rows: what it takes does not depend
// on the inputs' sizes. The rows of one key that do not fit into memory are in a
// file, which is read for each part of a left batch that has the key.
type mergeJoin struct {
	left, right         Operator
	rightTypes          []types.Type
	leftKeys, rightKeys []int
	desc                []bool
	m                   *matcher
	mem                 account
	file                spillFile

	lb   *types.Batch // left rows, of which those before li are done with
	li   int
	rb   *types.Batch // right rows, those before ri are; empty at the end
	ri   int
	wide int // the most bytes of a right row so far

	kept    *rows
	refs    []uint32 // of kept
	group   int      // of refs, where the last key's begin
	large   spillStream
	key     *types.Batch // a right row of the key that large has rows of; empty: none
	rest    batchSource  // what a part has not met of large, or nil
	part    *types.Batch // left rows that are being joined
	cand    mergeCandidates
	matched []bool
}

func buildMergeJoin(n *plan.MergeJoin, rt *Runtime) (Operator, error) {
	left, right, err := buildTwo(n.Left, n.Right, rt)
	if err != nil {
		return nil, err
	}
	rightTypes := n.Right.Types()
	j := &mergeJoin{left: left, right: right, rightTypes: rightTypes, leftKeys: positions(n.LeftKeys), rightKeys: positions(n.RightKeys),
		desc: n.Desc, mem: rt.account(), file: rt.spillFile(), kept: newRows(rightTypes), key: emptyBatch(rightTypes)}
	j.m, err = newMatcher(rt.Env, n.Kind, n.On, n.Left.Types(), rightTypes)
	j.cand.one = j.m.leftOnly() && n.On == nil
	return j, err
}

func positions(cols []*expr.Column) []int {
	at := make([]int, len(cols))
	for i, c := range cols {
		at[i] = c.Index
	}
	return at
}

func (j *mergeJoin) Open(ctx context.Context) error {
	if err := j.left.Open(ctx); err != nil {
		return err
	}
	if err := j.right.Open(ctx); err != nil {
		return err
	}
	j.lb, j.li, j.wide = nil, 0, 0
	j.forget()
	return j.readRight(ctx)
}

// forget drops all right rows that are kept.
func (j *mergeJoin) forget() {
	j.kept.clear()
	j.kept.maxRow = j.wide
	j.refs, j.group = j.refs[:0], 0
	j.mem.set(0)
}

func (j *mergeJoin) readRight(ctx context.Context) (err error) {
	if err := interrupted(ctx); err != nil {
		return err
	}
	if j.rb, err = j.right.Next(ctx); err != nil {
		return err
	}
	j.ri, j.wide = 0, max(j.wide, maxRowBytes(j.rb))
	j.kept.maxRow = j.wide
	return nil
}

func (j *mergeJoin) Next(ctx context.Context) (*types.Batch, error) {
	for {
		out, err := j.m.next(ctx)
		if err != nil || out.Len > 0 {
			return out, err
		}
		if j.rest != nil {
			if err := j.pass(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if j.lb == nil || j.li == j.lb.Len {
			if j.over() {
				return out, nil
			}
			if j.lb, err = j.left.Next(ctx); err != nil {
				return nil, err
			}
			if j.li = 0; j.lb.Len == 0 {
				return out, nil
			}
		}
		if err := j.take(ctx); err != nil {
			return nil, err
		}
	}
}

// over reports whether no left row that is still to come can be of use.
func (j *mergeJoin) over() bool {
	return j.rb.Len == 0 && len(j.refs) == 0 && j.key.Len == 0 && (j.m.kind == plan.Inner || j.m.kind == plan.Semi)
}

// take begins with a part of the left batch: with as many rows as there is memory
// for the right rows of their keys.
func (j *mergeJoin) take(ctx context.Context) error {
	from := j.li
	if j.key.Len > 0 {
		if j.compare(j.lb, from, j.key, 0) == 0 {
			return j.takeLarge(ctx)
		}
		j.key.Reset()
		j.large = spillStream{}
		j.file.rewind()
	}
	j.keepLast(from)
	spans := j.cand.spans[:0]
	var span [2]int32 // of the last key
	known := len(j.refs) > 0
	if known {
		span = [2]int32{0, int32(len(j.refs))}
	}
	at := from // of the last key's left rows
	for ; j.li < j.lb.Len; j.li++ {
		if j.nullKey(j.li) {
			spans = append(spans, [2]int32{})
			continue
		}
		if !known || at != j.li && j.compareLeft(at, j.li) != 0 {
			if j.mem.full() && j.li > from {
				break
			}
			j.group = len(j.refs)
			full, err := j.readGroup(ctx, j.li)
			if err != nil {
				return err
			}
			if full {
				if j.li > from {
					break
				}
				return j.takeLarge(ctx)
			}
			span = [2]int32{int32(j.group), int32(len(j.refs))}
		}
		known, at = true, j.li
		spans = append(spans, span)
	}
	j.cand.spans = spans
	j.setPart(from)
	j.meet(true)
	return nil
}

// keepLast drops what is kept but the last key's right rows, if that is the key
// of left row i.
func (j *mergeJoin) keepLast(i int) {
	if j.group == len(j.refs) {
		j.forget()
		return
	}
	first := j.refs[j.group]
	b, k := j.kept.at(first)
	switch {
	case j.compare(j.lb, i, b, k) != 0:
		j.forget()
	case j.group > 0:
		chunks := j.kept.chunks
		j.forget()
		for c, from := range since(chunks, first) {
			j.refs = j.kept.appendSome(c, from, c.Len, j.refs)
		}
		j.mem.set(j.bytes())
	}
}

// since yields the chunks that have the rows from first on, and from which row.
func since(chunks []*types.Batch, first uint32) iter.Seq2[*types.Batch, int] {
	return func(yield func(*types.Batch, int) bool) {
		from := int(first & (chunkRows - 1))
		for _, c := range chunks[first>>refBits:] {
			if !yield(c, from) {
				return
			}
			from = 0
		}
	}
}

func (j *mergeJoin) bytes() int64 { return j.kept.bytes() + int64(cap(j.refs))*4 }

// readGroup keeps the right rows with the key of left row i. When there is no
// memory for them they go into the file, and full is true.
func (j *mergeJoin) readGroup(ctx context.Context, i int) (full bool, err error) {
	for j.rb.Len > 0 {
		for j.ri < j.rb.Len && j.compare(j.lb, i, j.rb, j.ri) > 0 {
			j.ri++
		}
		first := j.ri
		for j.ri < j.rb.Len && j.compare(j.lb, i, j.rb, j.ri) == 0 {
			j.ri++
		}
		if first < j.ri {
			j.refs = j.kept.appendSome(j.rb, first, j.ri, j.refs)
			if j.mem.set(j.bytes()); j.mem.full() {
				return true, j.spill(ctx, i)
			}
		}
		if j.ri < j.rb.Len {
			return false, nil
		}
		if err := j.readRight(ctx); err != nil {
			return false, err
		}
	}
	return false, nil
}

// spill writes the last key's right rows, those of left row i, to the file.
func (j *mergeJoin) spill(ctx context.Context, i int) error {
	for c, from := range since(j.kept.chunks, j.refs[j.group]) {
		if err := j.file.write(&j.large, c.Slice(from, c.Len)); err != nil {
			return err
		}
	}
	b, k := j.kept.at(j.refs[j.group])
	j.key.Reset()
	j.key.AppendFrom(b, k)
	j.refs = j.refs[:j.group]
	for j.rb.Len > 0 {
		first := j.ri
		for j.ri < j.rb.Len && j.compare(j.lb, i, j.rb, j.ri) == 0 {
			j.ri++
		}
		if first < j.ri {
			if err := j.file.write(&j.large, j.rb.Slice(first, j.ri)); err != nil {
				return err
			}
		}
		if j.ri < j.rb.Len {
			return nil
		}
		if err := j.readRight(ctx); err != nil {
			return err
		}
	}
	return nil
}

// takeLarge begins with the left rows that have the key whose right rows are in
// the file.
func (j *mergeJoin) takeLarge(ctx context.Context) error {
	from := j.li
	for j.li < j.lb.Len && j.compare(j.lb, j.li, j.key, 0) == 0 {
		j.li++
	}
	j.setPart(from)
	j.rest = j.file.source(&j.large, j.rightTypes)
	return j.pass(ctx)
}

// pass lets the part meet as many further rows of large as fit into memory.
func (j *mergeJoin) pass(ctx context.Context) error {
	j.forget()
	for {
		if err := interrupted(ctx); err != nil {
			return err
		}
		b, err := j.rest.Next(ctx)
		if err != nil {
			return err
		}
		if b.Len == 0 {
			j.rest = nil
			break
		}
		j.refs = j.kept.append(b, j.refs)
		if j.mem.set(j.bytes()); j.mem.full() {
			break
		}
	}
	spans := j.cand.spans[:0]
	for range j.part.Len {
		spans = append(spans, [2]int32{0, int32(len(j.refs))})
	}
	j.cand.spans = spans
	j.group = len(j.refs) // they are large's
	j.meet(j.rest == nil)
	return nil
}

// setPart makes the left rows from up to li those that are joined.
func (j *mergeJoin) setPart(from int) {
	j.part = j.lb
	if from > 0 || j.li < j.lb.Len {
		j.part = j.lb.Slice(from, j.li)
	}
	j.matched = append(j.matched[:0], make([]bool, j.part.Len)...)
}

// meet lets the part meet what is kept; last: and nothing else.
func (j *mergeJoin) meet(last bool) {
	j.cand.refs, j.cand.row, j.cand.at = j.refs, 0, 0
	j.m.begin(j.part, j.kept, &j.cand, j.matched, last)
}

// nullKey reports whether a key of a left row is NULL.
func (j *mergeJoin) nullKey(i int) bool {
	for _, c := range j.leftKeys {
		if j.lb.Columns[c].IsNull(i) {
			return true
		}
	}
	return false
}

// compare orders left row i of l and right row k of r by their keys.
func (j *mergeJoin) compare(l *types.Batch, i int, r *types.Batch, k int) int {
	for n, c := range j.leftKeys {
		if d := types.CompareVec(l.Columns[c], i, r.Columns[j.rightKeys[n]], k); d != 0 {
			if j.desc[n] {
				return -d
			}
			return d
		}
	}
	return 0
}

// compareLeft compares two rows of the left batch by their keys.
func (j *mergeJoin) compareLeft(i, k int) int {
	for _, c := range j.leftKeys {
		if d := types.CompareVec(j.lb.Columns[c], i, j.lb.Columns[c], k); d != 0 {
			return d
		}
	}
	return 0
}

func (j *mergeJoin) Close() error {
	j.wide = 0
	j.forget()
	j.refs, j.lb, j.rb, j.rest, j.part = nil, nil, nil, nil, nil
	j.large = spillStream{}
	j.key.Reset()
	j.m.ended = true
	return closeAll(j.left, j.right, &j.file)
}

// mergeCandidates are, for each left row, a span of refs.
type mergeCandidates struct {
	refs    []uint32
	spans   [][2]int32
	row, at int
	one     bool // a left row needs one pair only
}

func (c *mergeCandidates) pairs(left []int32, right []uint32, n int, skip []bool) ([]int32, []uint32, int) {
	for ; c.row < len(c.spans); c.row, c.at = c.row+1, 0 {
		s := c.spans[c.row]
		for int32(c.at) < s[1]-s[0] && (skip == nil || !skip[c.row]) {
			if len(left) == n {
				return left, right, c.row
			}
			left, right = append(left, int32(c.row)), append(right, c.refs[int(s[0])+c.at])
			if c.at++; c.one {
				break
			}
		}
	}
	return left, right, len(c.spans)
}
