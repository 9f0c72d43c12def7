package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/types"
)

// merger yields the rows of sorted runs in order, by a binary heap of the runs'
// next rows.
type merger struct {
	order *rowOrder
	heap  []*mergeRun
	out   *types.Batch
}

// mergeRun is a run and its next row.
type mergeRun struct {
	source *streamSource
	batch  *types.Batch
	row    int
	number int // rows of lower runs came first
}

func (s *sortOp) newMerger(ctx context.Context, runs []spillStream) (*merger, error) {
	m := &merger{order: s.order, out: emptyBatch(s.rows.types)}
	for i := range runs {
		r := &mergeRun{source: s.file.source(&runs[i], s.rows.types), number: i}
		var err error
		if r.batch, err = r.source.Next(ctx); err != nil {
			return nil, err
		}
		if r.batch.Len > 0 {
			m.heap = append(m.heap, r)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

// Next returns the next rows, an empty batch at the end.
func (m *merger) Next(ctx context.Context) (*types.Batch, error) {
	m.out.Reset()
	for size := 0; len(m.heap) > 0 && m.out.Len < types.BatchRows && size < types.BatchBytes; {
		r := m.heap[0]
		m.out.AppendFrom(r.batch, r.row)
		size = 0
		for _, v := range m.out.Columns {
			size += len(v.Data)
		}
		if r.row++; r.row == r.batch.Len {
			var err error
			if r.batch, err = r.source.Next(ctx); err != nil {
				return nil, err
			}
			r.row = 0
			if r.batch.Len == 0 {
				n := len(m.heap) - 1
				m.heap[0], m.heap = m.heap[n], m.heap[:n]
			}
		}
		if len(m.heap) > 0 {
			m.down(0)
		}
	}
	return m.out, nil
}

// down restores the heap's order from i.
func (m *merger) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(m.heap); c++ {
			if m.less(m.heap[c], m.heap[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

func (m *merger) less(a, b *mergeRun) bool {
	if c := m.order.compare(a.batch, a.row, b.batch, b.row, 0); c != 0 {
		return c < 0
	}
	return a.number < b.number
}
