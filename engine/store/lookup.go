package store

import (
	"context"

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
	size, err := s.fillFound(ctx, b, keys, false)
	s.regroup(size)
	return size, err
}

// fillFound appends the rows that have keys to b, in that order. all tells that
// none may lack.
func (s *scanner) fillFound(ctx context.Context, b *types.Batch, keys [][]byte, all bool) (size int, err error) {
	found, err := s.packed.lookUp(ctx, keys)
	if err != nil {
		return 0, err
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
			n, err := s.appendPacked(ctx, b, f.run, f.at, f.at+1)
			if err != nil {
				return 0, err
			}
			size += n
			rows++
			i++
		case all:
			return 0, errOrphan
		default:
			i++
		}
	}
	s.count(b, rows)
	return size, nil
}
