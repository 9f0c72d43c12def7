package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// recursive yields the seed's rows, then those of the steps, round by round.
type recursive struct {
	plan  *plan.Recursive
	env   *expr.Env
	parts []Operator // the seed, then the steps

	at        int  // the part that runs
	open      bool // it is open
	ended     bool
	rounds    int64
	last, now *queue // the rows that the last round added, and this one
	rows      int64
	seen      *seenRows // with Distinct
	out       *types.Batch
}

func buildRecursive(n *plan.Recursive, rt *Runtime) (Operator, error) {
	r := &recursive{plan: n, env: rt.Env, last: newQueue(n.T, rt), now: newQueue(n.T, rt), out: emptyBatch(n.T)}
	if n.Distinct {
		r.seen = newSeenRows(n.T, rt)
	}
	inner := rt.withWork(n.ID, func() batchSource { return r.last.source() })
	for _, p := range n.Inputs() {
		op, err := Build(p, inner)
		if err != nil {
			return nil, err
		}
		r.parts = append(r.parts, op)
	}
	return r, nil
}

func (r *recursive) Open(context.Context) error {
	r.at, r.open, r.ended, r.rounds, r.rows = 0, false, false, 0, 0
	return nil
}

func (r *recursive) Next(ctx context.Context) (*types.Batch, error) {
	for !r.ended {
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		b, err := r.step(ctx)
		if err != nil {
			return nil, err
		}
		if b.Len > 0 {
			return b, r.now.add(b)
		}
	}
	r.out.Reset()
	return r.out, nil
}

// step returns the next rows, or none when there may be more.
func (r *recursive) step(ctx context.Context) (*types.Batch, error) {
	if r.at == len(r.parts) {
		return r.endRound(ctx)
	}
	part := r.parts[r.at]
	if !r.open {
		if err := part.Open(ctx); err != nil {
			return nil, err
		}
		r.open = true
	}
	b, err := part.Next(ctx)
	if err != nil {
		return nil, err
	}
	if b.Len == 0 {
		r.at, r.open = r.at+1, false
		if r.rounds == 0 { // the seed is a round of its own
			r.at = len(r.parts)
		}
		return b, part.Close()
	}
	if r.at > 0 {
		if b, err = r.convert(b); err != nil {
			return nil, err
		}
	}
	if r.seen != nil {
		return r.seen.filter(b)
	}
	return b, nil
}

// convert makes a step's values ones of the columns.
func (r *recursive) convert(b *types.Batch) (*types.Batch, error) {
	out := &types.Batch{Columns: make([]*types.Vector, len(b.Columns)), Len: b.Len}
	for i, v := range b.Columns {
		if types.AssignNeedsNothing(r.plan.T[i], v.Type) {
			out.Columns[i] = v
			continue
		}
		to := types.Target{Type: r.plan.T[i], Column: r.plan.Columns[i], Row: int(r.rows) + 1, Zone: r.env.Zone, Now: r.env.Now}
		out.Columns[i] = types.NewVector(to.Type, b.Len)
		if _, err := types.AssignVector(&to, v, out.Columns[i]); err != nil {
			return nil, err
		}
	}
	r.rows += int64(b.Len)
	return out, nil
}

// endRound returns the rows that could not be decided on before, at the end none
// and begins the next round if this one added rows.
func (r *recursive) endRound(ctx context.Context) (*types.Batch, error) {
	if r.seen != nil {
		if b, err := r.seen.rest(ctx); err != nil || b.Len > 0 {
			return b, err
		}
	}
	r.out.Reset()
	if r.ended = r.now.empty(); r.ended {
		return r.out, nil
	}
	limit := r.env.MaxRecursion
	if limit == 0 {
		limit = expr.DefaultMaxRecursion
	}
	r.at = 1
	if r.rounds++; r.rounds > max(limit, 0) {
		return nil, sqlerr.RecursionTooDeep.New("Recursive query aborted after %d iterations. Try increasing @@cte_max_recursion_depth to a larger value.", r.rounds)
	}
	r.last, r.now = r.now, r.last
	return r.out, r.now.clear()
}

func (r *recursive) Close() error {
	r.ended = true
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	for _, p := range r.parts {
		note(p.Close())
	}
	note(r.last.clear())
	note(r.now.clear())
	if r.seen != nil {
		note(r.seen.clear())
	}
	return first
}

// queue keeps rows in their order: in memory, or in a file when there is none
// left.
type queue struct {
	rows   *rows
	mem    account
	file   spillFile
	stream spillStream
}

func newQueue(ts []types.Type, rt *Runtime) *queue {
	return &queue{rows: newRows(ts), mem: rt.account(), file: rt.spillFile()}
}

// add copies b's rows.
func (q *queue) add(b *types.Batch) error {
	if q.stream.rows > 0 {
		return q.file.write(&q.stream, b)
	}
	q.rows.append(b, nil)
	if q.mem.set(q.rows.bytes()); !q.mem.full() {
		return nil
	}
	for _, c := range q.rows.chunks {
		if err := q.file.write(&q.stream, c); err != nil {
			return err
		}
	}
	q.rows.clear()
	q.mem.set(0)
	return nil
}

func (q *queue) count() int64 { return int64(q.rows.n) + q.stream.rows }

func (q *queue) empty() bool { return q.count() == 0 }

// source reads the rows; none may be added meanwhile.
func (q *queue) source() batchSource {
	if q.stream.rows > 0 {
		return q.file.source(&q.stream, q.rows.types)
	}
	return &chunkSource{rows: q.rows}
}

func (q *queue) clear() error {
	q.rows.clear()
	q.mem.set(0)
	q.stream = spillStream{}
	return q.file.Close()
}

// chunkSource yields rows chunk by chunk.
type chunkSource struct {
	rows *rows
	next int
}

func (s *chunkSource) Next(context.Context) (*types.Batch, error) {
	if s.next == len(s.rows.chunks) {
		return emptyBatch(s.rows.types), nil
	}
	s.next++
	return s.rows.chunks[s.next-1], nil
}
