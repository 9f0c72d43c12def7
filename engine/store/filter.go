package store

import (
	"context"

	"github.com/kalamgo/kalam/engine/types"
)

// filtering is what a scan with a RowFilter needs for it.
type filtering struct {
	RowFilter
	rows *types.Batch // that it picks from
	sel  []int32
	// packed are rows of a segment that were not read into rows; found are such of any.
	packed stretch
	found  []foundRow
}

func newFiltering(f RowFilter, ts []types.Type) *filtering {
	if f == nil {
		return nil
	}
	rows := &types.Batch{}
	for _, t := range ts {
		rows.Columns = append(rows.Columns, types.NewVector(t, 0))
	}
	return &filtering{RowFilter: f, rows: rows}
}

// fillFiltered is fill with a filter.
func (s *scanner) fillFiltered(ctx context.Context, b *types.Batch, rows, size int) (int, error) {
	f := s.filter
	f.rows.Reset()
	f.packed, f.found = stretch{}, nil
	size, err := s.fillAll(ctx, f.rows, nil, rows, size)
	if err != nil {
		return 0, err
	}
	switch {
	case f.packed.run != nil:
		return s.pick(ctx, b, f.packed)
	case f.found != nil:
		return s.pickFound(ctx, b, f.found)
	}
	if f.rows.Len == 0 {
		return size, nil
	}
	if f.sel, err = f.Select(f.rows, f.sel[:0]); err != nil {
		return 0, err
	}
	for c, v := range b.Columns {
		v.AppendSelected(f.rows.Columns[c], f.sel)
	}
	b.Len += len(f.sel)
	return size, nil
}

// pick appends those of a segment's rows to b that pass the filter.
func (s *scanner) pick(ctx context.Context, b *types.Batch, st stretch) (size int, err error) {
	f, n := s.filter, st.to-st.from
	f.rows.Len = n
	for _, i := range f.Reads() {
		if err := st.run.appendColumn(ctx, f.rows.Columns[i], s.wanted[i], st.from, st.to, false); err != nil {
			return 0, err
		}
	}
	if f.sel, err = f.Select(f.rows, f.sel[:0]); err != nil {
		return 0, err
	}
	for i, v := range b.Columns {
		from, before := f.rows.Columns[i], len(v.Data)
		if from.Len() < n && len(f.sel) > n/8 {
			if err := st.run.appendColumn(ctx, from, s.wanted[i], st.from, st.to, false); err != nil {
				return 0, err
			}
		}
		if from.Len() == n {
			v.AppendSelected(from, f.sel)
		} else if err := s.appendRuns(ctx, v, st, i); err != nil {
			return 0, err
		}
		size += 8*len(f.sel) + len(v.Data) - before
	}
	b.Len += len(f.sel)
	return size, nil
}

// pickFound is pick for rows that were looked up.
func (s *scanner) pickFound(ctx context.Context, b *types.Batch, found []foundRow) (size int, err error) {
	f, n := s.filter, len(found)
	f.rows.Len = n
	for _, i := range f.Reads() {
		x, err := s.gather(ctx, f.rows.Columns[i], i, found)
		if err != nil {
			return 0, err
		}
		size += x
	}
	if f.sel, err = f.Select(f.rows, f.sel[:0]); err != nil {
		return 0, err
	}
	picked := make([]foundRow, len(f.sel))
	for k, i := range f.sel {
		picked[k] = found[i]
	}
	for i, v := range b.Columns {
		if from := f.rows.Columns[i]; from.Len() == n {
			v.AppendSelected(from, f.sel)
			continue
		}
		x, err := s.gather(ctx, v, i, picked)
		if err != nil {
			return 0, err
		}
		size += x
	}
	b.Len += len(f.sel)
	s.regroup(size)
	return size, nil
}

// appendRuns appends the values that the rows picked have in column i: those of
// adjacent rows together.
func (s *scanner) appendRuns(ctx context.Context, v *types.Vector, st stretch, i int) error {
	sel := s.filter.sel
	for k := 0; k < len(sel); {
		first := k
		for k++; k < len(sel) && sel[k] == sel[k-1]+1; k++ {
		}
		from, to := st.from+int(sel[first]), st.from+int(sel[k-1])+1
		if err := st.run.appendColumn(ctx, v, s.wanted[i], from, to, false); err != nil {
			return err
		}
	}
	return nil
}

// Filtered returns the rows of s that f picks, for a Table whose own scans don't; f may
// be nil.
func Filtered(s Scanner, f RowFilter) Scanner {
	if f == nil {
		return s
	}
	return &filtered{Scanner: s, filter: f}
}

type filtered struct {
	Scanner
	filter RowFilter
	picked *types.Batch
	sel    []int32
}

// Next implements Scanner.
func (s *filtered) Next(ctx context.Context, b *types.Batch) (err error) {
	for {
		if err := s.Scanner.Next(ctx, b); err != nil || b.Len == 0 {
			return err
		}
		if s.sel, err = s.filter.Select(b, s.sel[:0]); err != nil {
			return err
		}
		if len(s.sel) == b.Len {
			return nil
		}
		if len(s.sel) == 0 {
			continue
		}
		if s.picked == nil {
			s.picked = &types.Batch{}
			for _, c := range b.Columns {
				s.picked.Columns = append(s.picked.Columns, types.NewVector(c.Type, 0))
			}
		}
		s.picked.Gather(b, s.sel)
		for i, c := range b.Columns {
			*c, *s.picked.Columns[i] = *s.picked.Columns[i], *c
		}
		b.Len = s.picked.Len
		return nil
	}
}
