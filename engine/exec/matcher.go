package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// candidates finds for a batch of left rows the right rows that may match.
type candidates interface {
	// pairs appends up to n further pairs, by left row, to left and right; none
	// at the end. Rows for which skip is true need no more of them. undecided is
	// the first left row of which there may be more pairs.
	pairs(left []int32, right []uint32, n int, skip []bool) (_ []int32, _ []uint32, undecided int)
}

// matcher makes a join's output, in the order of the left rows, from candidate
// pairs. All joins share it.
type matcher struct {
	kind plan.JoinKind
	on   *expr.Evaluator // nil: every candidate matches

	left    *types.Batch
	right   *rows
	from    candidates
	matched []bool // left rows that have a match
	last    bool   // no further right rows come for this left batch
	ended   bool
	decided int // left rows before are done with (Left)
	max     int // pairs at a time

	l, ol, bl []int32 // left rows of the candidates, of the output; a buffer
	r, or, br []uint32
	sel       []int32
	pair      *types.Batch
	out       *types.Batch
}

func newMatcher(env *expr.Env, kind plan.JoinKind, on expr.Expr, left, right []types.Type) (*matcher, error) {
	m := &matcher{kind: kind, ended: true}
	both := append(append([]types.Type(nil), left...), right...)
	m.pair, m.out = emptyBatch(both), emptyBatch(both)
	if m.leftOnly() {
		m.out = emptyBatch(left)
	}
	if on == nil {
		return m, nil
	}
	var err error
	m.on, err = expr.NewEvaluator(env, on)
	return m, err
}

// leftOnly reports whether the output is left rows, each at most once.
func (m *matcher) leftOnly() bool { return m.kind == plan.Semi || m.kind == plan.Anti }

// begin starts with a batch of left rows. matched has a flag for each, false
// unless right rows came before; last says that none come after.
func (m *matcher) begin(left *types.Batch, right *rows, from candidates, matched []bool, last bool) {
	m.left, m.right, m.from, m.matched, m.last = left, right, from, matched, last
	m.ended, m.decided = false, 0
	m.max = rowsPerBatch(maxRowBytes(left) + right.maxRow)
}

// next returns the next output for the left batch; an empty batch means that
// it is done with.
func (m *matcher) next(ctx context.Context) (*types.Batch, error) {
	for !m.ended {
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		var skip []bool
		if m.leftOnly() {
			skip = m.matched
		}
		var undecided int
		m.l, m.r, undecided = m.from.pairs(m.l[:0], m.r[:0], m.max, skip)
		if len(m.l) == 0 {
			m.ended, undecided = true, m.left.Len
		}
		if err := m.match(); err != nil {
			return nil, err
		}
		if m.leftOnly() {
			if !m.ended || !m.last {
				continue
			}
			return m.leftRows(), nil
		}
		m.ol, m.or = m.l, m.r
		if m.kind == plan.Left {
			m.addUnmatched(undecided)
		}
		if len(m.ol) > 0 {
			return m.output(), nil
		}
	}
	m.out.Reset()
	return m.out, nil
}

// match keeps those of the candidates in l and r that match.
func (m *matcher) match() error {
	if m.on != nil && len(m.l) > 0 {
		m.gather(m.pair, m.l, m.r, false)
		var err error
		if m.sel, err = m.on.Select(m.pair, m.sel[:0]); err != nil {
			return err
		}
		for k, i := range m.sel {
			m.l[k], m.r[k] = m.l[i], m.r[i]
		}
		m.l, m.r = m.l[:len(m.sel)], m.r[:len(m.sel)]
	}
	for _, i := range m.l {
		m.matched[i] = true
	}
	return nil
}

// addUnmatched makes ol and or the matches with, in their places, the left rows
// before undecided that have none.
func (m *matcher) addUnmatched(undecided int) {
	if !m.last {
		return
	}
	m.ol, m.or = m.bl[:0], m.br[:0]
	pass := func(to int) {
		for ; m.decided < to; m.decided++ {
			if !m.matched[m.decided] {
				m.ol, m.or = append(m.ol, int32(m.decided)), append(m.or, noRow)
			}
		}
	}
	for k, i := range m.l {
		pass(int(i))
		m.ol, m.or = append(m.ol, i), append(m.or, m.r[k])
	}
	pass(undecided)
	m.bl, m.br = m.ol, m.or
}

// leftRows returns the left batch's rows that a semi or anti join yields.
func (m *matcher) leftRows() *types.Batch {
	m.sel = m.sel[:0]
	for i, ok := range m.matched {
		if ok == (m.kind == plan.Semi) {
			m.sel = append(m.sel, int32(i))
		}
	}
	if len(m.sel) == m.left.Len {
		return m.left
	}
	m.out.Gather(m.left, m.sel)
	return m.out
}

func (m *matcher) output() *types.Batch {
	m.gather(m.out, m.ol, m.or, m.kind == plan.Left)
	return m.out
}

// gather fills dst with pairs of rows.
func (m *matcher) gather(dst *types.Batch, l []int32, r []uint32, gaps bool) {
	k := len(m.left.Columns)
	for c, v := range dst.Columns {
		if c < k {
			v.Gather(m.left.Columns[c], l)
		} else {
			m.right.gather(v, c-k, r, gaps)
		}
	}
	dst.Len = len(l)
}

// joinTable is right rows by key.
type joinTable struct {
	rows        *rows
	keys        *keyTable
	first, tail []uint32 // of a key's rows, by its number
	next        []uint32 // the following row of the same key, by row reference
	batch       keyBatch
	refs        []uint32
}

func newJoinTable(rowTypes, keyTypes []types.Type) *joinTable {
	return &joinTable{rows: newRows(rowTypes), keys: newKeyTable(keyTypes)}
}

func (t *joinTable) clear() {
	t.rows.clear()
	t.keys.clear()
	t.first, t.tail, t.next = nil, nil, nil
}

func (t *joinTable) bytes() int64 {
	return t.rows.bytes() + t.keys.bytes() + int64(cap(t.first)+cap(t.tail)+cap(t.next))*4
}

// add copies b's rows, whose keys are given. Those with NULL among them match
// nothing, but take their place.
func (t *joinTable) add(b *types.Batch, keys []*types.Vector) {
	t.batch.read(keys, b.Len)
	t.keys.fetch(&t.batch)
	t.refs = t.rows.append(b, t.refs[:0])
	for i, ref := range t.refs {
		if t.batch.nulls[i] {
			continue
		}
		for len(t.next) <= int(ref) {
			t.next = append(t.next, noRow)
		}
		if n := t.keys.find(&t.batch, i); n >= 0 {
			t.next[t.tail[n]] = ref
			t.tail[n] = ref
		} else {
			t.keys.add(&t.batch, i)
			t.first, t.tail = append(t.first, ref), append(t.tail, ref)
		}
	}
}

// hashCandidates are the rows of a joinTable that have left rows' keys.
type hashCandidates struct {
	table *joinTable
	keys  keyBatch
	n     int    // left rows
	row   int    // the current one
	ref   uint32 // its next candidate, noRow: not looked up yet
	// one says that a left row needs one pair only.
	one bool
}

// begin looks for n left rows' keys.
func (c *hashCandidates) begin(t *joinTable, keys []*types.Vector, n int) {
	c.keys.read(keys, n)
	t.keys.fetch(&c.keys)
	c.table, c.n, c.row, c.ref = t, n, 0, noRow
}

func (c *hashCandidates) pairs(left []int32, right []uint32, n int, skip []bool) ([]int32, []uint32, int) {
	for c.row < c.n {
		if c.ref == noRow && !c.keys.nulls[c.row] {
			if k := c.table.keys.find(&c.keys, c.row); k >= 0 {
				c.ref = c.table.first[k]
			}
		}
		for c.ref != noRow && (skip == nil || !skip[c.row]) {
			if len(left) == n {
				return left, right, c.row
			}
			left, right = append(left, int32(c.row)), append(right, c.ref)
			if c.ref = c.table.next[c.ref]; c.one {
				break
			}
		}
		c.row, c.ref = c.row+1, noRow
	}
	return left, right, c.n
}
