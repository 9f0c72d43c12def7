package exec

import (
	"context"
	"maps"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Stash keeps rows that a statement reads before it writes: in memory, or in a
// file when there is none left.
type Stash struct {
	rows  *queue
	key   []int  // of the rows: those alike in it are kept once
	dedup *dedup // over the key, then the row; nil without a key
	sel   []int32
	out   *types.Batch
}

// NewStash returns a Stash for rows of types ts. With a key, rows are kept that
// have no NULL in it, and of those alike in it the first.
func NewStash(ts []types.Type, key []int, rt *Runtime) *Stash {
	s := &Stash{rows: newQueue(ts, rt), key: key}
	if key == nil {
		return s
	}
	var all []types.Type
	for _, k := range key {
		all = append(all, ts[k])
	}
	all = append(all, ts...)
	s.dedup, s.out = newDedup(all, len(key), rt), emptyBatch(all)
	return s
}

// Add takes the rows of b.
func (s *Stash) Add(b *types.Batch) error {
	if s.dedup == nil {
		return s.rows.add(b)
	}
	keyed := &types.Batch{Len: b.Len}
	for _, k := range s.key {
		keyed.Columns = append(keyed.Columns, b.Columns[k])
	}
	keyed.Columns = append(keyed.Columns, b.Columns...)
	s.sel = s.sel[:0]
rows:
	for i := range b.Len {
		for _, v := range keyed.Columns[:len(s.key)] {
			if v.IsNull(i) {
				continue rows
			}
		}
		s.sel = append(s.sel, int32(i))
	}
	if len(s.sel) < b.Len {
		s.out.Gather(keyed, s.sel)
		keyed = s.out
	}
	sel, err := s.dedup.filter(keyed)
	if err != nil || len(sel) == 0 {
		return err
	}
	first := &types.Batch{Columns: make([]*types.Vector, len(keyed.Columns))}
	for i, v := range keyed.Columns {
		first.Columns[i] = types.NewVector(v.Type, len(sel))
	}
	first.Gather(keyed, sel)
	return s.rows.add(s.row(first))
}

// row leaves the key out.
func (s *Stash) row(b *types.Batch) *types.Batch {
	return &types.Batch{Columns: b.Columns[len(s.key):], Len: b.Len}
}

// Finish is called after the last Add.
func (s *Stash) Finish(ctx context.Context) error {
	if s.dedup == nil {
		return nil
	}
	for {
		if err := interrupted(ctx); err != nil {
			return err
		}
		b, err := s.dedup.rest(ctx)
		if err != nil || b.Len == 0 {
			return err
		}
		if err := s.rows.add(s.row(b)); err != nil {
			return err
		}
	}
}

// Close drops the rows.
func (s *Stash) Close() error {
	err := s.rows.clear()
	if s.dedup != nil {
		if e := s.dedup.reset(); err == nil {
			err = e
		}
	}
	return err
}

// WithStash returns rt for plans whose Work with an id yields the rows of s.
func (rt *Runtime) WithStash(id int, s *Stash) *Runtime { return rt.withWork(id, s.rows.source) }

func (rt *Runtime) withWork(id int, source func() batchSource) *Runtime {
	rt.memory() // is shared
	inner := *rt
	inner.works = maps.Clone(rt.works)
	if inner.works == nil {
		inner.works = map[int]func() batchSource{}
	}
	inner.works[id] = source
	return &inner
}

// work yields rows that the statement has set aside.
type work struct {
	source func() batchSource
	src    batchSource
	none   *types.Batch
}

func buildWork(n *plan.Work, rt *Runtime) (Operator, error) {
	source := rt.works[n.ID]
	if source == nil {
		return nil, sqlerr.Internal.New("no rows for %s", n.Name)
	}
	return &work{source: source, none: emptyBatch(n.T)}, nil
}

func (w *work) Open(context.Context) error {
	w.src = w.source()
	return nil
}

func (w *work) Next(ctx context.Context) (*types.Batch, error) {
	if w.src == nil {
		return w.none, nil
	}
	return w.src.Next(ctx)
}

func (w *work) Close() error {
	w.src = nil
	return nil
}
