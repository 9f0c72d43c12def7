package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// loopJoin pairs each left row with each right row. It keeps the right rows; when
// they do not fit into memory they are in a file, which is read for every batch
// of left rows.
type loopJoin struct {
	left, right Operator
	rightTypes  []types.Type
	m           *matcher
	rows        *rows
	cand        loopCandidates
	mem         account
	file        spillFile
	stream      spillStream // all right rows; empty when they are in rows

	batch   *types.Batch // left rows
	rest    batchSource  // right rows that batch has not met, or nil
	matched []bool
}

func buildLoopJoin(n *plan.LoopJoin, rt *Runtime) (Operator, error) {
	left, right, err := buildTwo(n.Left, n.Right, rt)
	if err != nil {
		return nil, err
	}
	j := &loopJoin{left: left, right: right, rightTypes: n.Right.Types(), rows: newRows(n.Right.Types()),
		mem: rt.account(), file: rt.spillFile()}
	j.m, err = newMatcher(rt.Env, n.Kind, n.On, n.Left.Types(), j.rightTypes)
	j.cand.one = j.m.leftOnly() && n.On == nil
	return j, err
}

func (j *loopJoin) Open(ctx context.Context) error {
	if err := j.right.Open(ctx); err != nil {
		return err
	}
	full, err := j.load(ctx, j.right)
	if err != nil {
		return err
	}
	if full {
		if err := j.spill(ctx); err != nil {
			return err
		}
	}
	if err := j.right.Close(); err != nil {
		return err
	}
	return j.left.Open(ctx)
}

// load fills rows from src and reports whether there may be more.
func (j *loopJoin) load(ctx context.Context, src batchSource) (more bool, err error) {
	j.rows.clear()
	j.cand.refs = j.cand.refs[:0]
	for {
		if err := interrupted(ctx); err != nil {
			return false, err
		}
		b, err := src.Next(ctx)
		if err != nil || b.Len == 0 {
			return false, err
		}
		j.cand.refs = j.rows.append(b, j.cand.refs)
		if j.mem.set(j.rows.bytes() + int64(cap(j.cand.refs))*4); j.mem.full() {
			return true, nil
		}
	}
}

// spill writes all right rows to the file.
func (j *loopJoin) spill(ctx context.Context) error {
	for _, c := range j.rows.chunks {
		if err := j.file.write(&j.stream, c); err != nil {
			return err
		}
	}
	return each(ctx, j.right, func(b *types.Batch) error { return j.file.write(&j.stream, b) })
}

func (j *loopJoin) Next(ctx context.Context) (*types.Batch, error) {
	for {
		out, err := j.m.next(ctx)
		if err != nil || out.Len > 0 {
			return out, err
		}
		if j.rest == nil {
			b, err := j.left.Next(ctx)
			if err != nil || b.Len == 0 {
				return out, err
			}
			j.batch = b
			j.matched = append(j.matched[:0], make([]bool, b.Len)...)
			if len(j.stream.at) > 0 {
				j.rest = j.file.source(&j.stream, j.rightTypes)
			}
		}
		if j.rest != nil {
			more, err := j.load(ctx, j.rest)
			if err != nil {
				return nil, err
			}
			if !more {
				j.rest = nil
			}
		}
		j.cand.n, j.cand.row, j.cand.at = j.batch.Len, 0, 0
		j.m.begin(j.batch, j.rows, &j.cand, j.matched, j.rest == nil)
	}
}

func (j *loopJoin) Close() error {
	j.rows.clear()
	j.cand.refs = nil
	j.mem.set(0)
	j.stream, j.rest, j.batch = spillStream{}, nil, nil
	j.m.ended = true
	return closeAll(j.left, j.right, &j.file)
}

// loopCandidates are all right rows for every left row.
type loopCandidates struct {
	refs       []uint32
	n, row, at int
	one        bool // a left row needs one pair only
}

func (c *loopCandidates) pairs(left []int32, right []uint32, n int, skip []bool) ([]int32, []uint32, int) {
	for ; c.row < c.n; c.row, c.at = c.row+1, 0 {
		for c.at < len(c.refs) && (skip == nil || !skip[c.row]) {
			if len(left) == n {
				return left, right, c.row
			}
			left, right = append(left, int32(c.row)), append(right, c.refs[c.at])
			if c.at++; c.one {
				break
			}
		}
	}
	return left, right, c.n
}
