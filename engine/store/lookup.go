package store

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/types"
)

// lookUp reads the next keys of s.spans in one batched read.
func (s *scanner) lookUp(ctx context.Context, rows int) (int, error) {
	n := min(s.group, rows, len(s.spans))
	group := s.spans[:n]
	s.spans = s.spans[n:]
	s.done = len(s.spans) == 0
	size := 0
	take := func(key, value []byte) {
		size += len(key) + len(value)
		s.keys, s.values = append(s.keys, key[len(s.prefix):]), append(s.values, value)
	}
	if n == 1 {
		v, ok, err := s.view.Get(ctx, s.space, group[0].start)
		if ok {
			take(group[0].start, v)
		}
		return size, err
	}
	keys := make([][]byte, n)
	for i := range group {
		keys[i] = group[i].start
	}
	values := make([][]byte, n)
	if err := s.view.MultiGet(ctx, s.space, keys, values); err != nil {
		return 0, err
	}
	for i, v := range values {
		if v != nil {
			take(keys[i], v)
		}
	}
	s.regroup(size)
	return size, nil
}

// regroup sets how many rows to read at once next, after some took size bytes.
func (s *scanner) regroup(size int) {
	if size > types.BatchBytes/4 {
		s.group = max(s.group/2, 1)
	} else {
		s.group = min(s.group*2, types.BatchRows)
	}
}

// rowKeys returns the keys of the rows of the entries at hand.
func (s *scanner) rowKeys() ([][]byte, error) {
	s.buf = s.buf[:0]
	ends := make([]int, 0, len(s.keys))
	for i, k := range s.keys {
		var err error
		if s.buf, err = s.l.appendRowKey(append(s.buf, s.rowsAt...), s.key, k, s.values[i]); err != nil {
			return nil, err
		}
		ends = append(ends, len(s.buf))
	}
	keys, start := make([][]byte, len(ends)), 0
	for i, end := range ends {
		keys[i], start = s.buf[start:end:end], end
	}
	return keys, nil
}

// fetch replaces the entries at hand by their rows' keys and values.
func (s *scanner) fetch(ctx context.Context) (int, error) {
	n, size := len(s.rowsAt), 0
	keys, err := s.rowKeys()
	if err != nil {
		return 0, err
	}
	values := make([][]byte, len(keys))
	if err := s.view.MultiGet(ctx, s.space, keys, values); err != nil {
		return 0, err
	}
	for i, v := range values {
		if v == nil {
			return 0, errOrphan
		}
		size += len(v)
		s.keys[i], s.values[i] = keys[i][n:], v
	}
	return size, nil
}

// lookUpPacked reads the next keys of s.spans, which are rows', packed or not.
func (s *scanner) lookUpPacked(ctx context.Context, b *types.Batch, rows int) (int, error) {
	n := min(s.group, rows, len(s.spans))
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = s.spans[i].start
	}
	s.spans = s.spans[n:]
	s.done = len(s.spans) == 0
	return s.fillFound(ctx, b, keys, false)
}

// fillFound appends the rows that have keys to b, in that order; if all are packed, they
// are left to the filter, if any. all tells that none may lack.
func (s *scanner) fillFound(ctx context.Context, b *types.Batch, keys [][]byte, all bool) (size int, err error) {
	found, err := s.packed.lookUp(ctx, keys)
	if err != nil {
		return 0, err
	}
	if s.filter != nil && !slices.ContainsFunc(found, func(f foundRow) bool { return f.run == nil }) {
		s.filter.found = found
		return 0, nil
	}
	rows, prefix := 0, len(s.rowsAt)
	if !all {
		prefix = len(s.prefix)
	}
	for i := 0; i < len(keys); {
		f := &found[i]
		switch {
		case f.pair != nil:
			s.keys, s.values = s.keys[:0], s.values[:0]
			for ; i < len(keys) && found[i].pair != nil; i++ {
				size += len(keys[i]) + len(found[i].pair)
				s.keys, s.values = append(s.keys, keys[i][prefix:]), append(s.values, found[i].pair)
			}
			if err := s.columns.decode(s.keys, s.values, b.Columns); err != nil {
				return 0, err
			}
			rows += len(s.keys)
		case f.run != nil:
			first := i
			for ; i < len(keys) && found[i].run != nil; i++ {
			}
			for c, v := range b.Columns {
				n, err := s.gather(ctx, v, c, found[first:i])
				if err != nil {
					return 0, err
				}
				size += n
			}
			rows += i - first
		case all:
			return 0, errOrphan
		default:
			i++
		}
	}
	s.count(b, rows)
	s.regroup(size)
	return size, nil
}

// gather appends the values of found, which are packed, in column i to v. It goes through them
// three times, to where they are, what they are and what they have, so that the
// memory of one row, which is anywhere, is not waited for before the next is asked for.
func (s *scanner) gather(ctx context.Context, v *types.Vector, i int, found []foundRow) (size int, err error) {
	if len(found) == 1 {
		return s.gatherSingly(ctx, v, i, found)
	}
	before := len(v.Data)
	s.places = s.places[:0]
	for k := range found {
		p, err := found[k].run.placeIn(ctx, s.wanted[i], found[k].at)
		if err != nil {
			return 0, err
		}
		if p.cachedColumn == nil {
			return s.gatherSingly(ctx, v, i, found)
		}
		s.places = append(s.places, p)
	}
	s.found = s.found[:0]
	for _, p := range s.places {
		s.found = append(s.found, p.value())
	}
	for _, x := range s.found {
		v.AppendValue(x)
	}
	return 8*len(found) + len(v.Data) - before, nil
}

// gatherSingly is gather for a single row, and for values that are not just read.
func (s *scanner) gatherSingly(ctx context.Context, v *types.Vector, i int, found []foundRow) (size int, err error) {
	before := len(v.Data)
	for k := range found {
		f := &found[k]
		if err := f.run.appendColumn(ctx, v, s.wanted[i], f.at, f.at+1, false); err != nil {
			return 0, err
		}
	}
	return 8*len(found) + len(v.Data) - before, nil
}
