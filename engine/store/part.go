package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// Parts implements Table.
func (r *relation) Parts(req ScanRequest, n int) ([]Part, error) {
	s := r.scan(req)
	cuts, err := s.cuts(r.tx, n)
	if e := s.Close(); err == nil {
		err = e
	}
	if err != nil || len(cuts) == 0 {
		return nil, err
	}
	parts := make([]Part, len(cuts)+1)
	for i, c := range cuts {
		parts[i].To, parts[i+1].From = c, c
	}
	return parts, nil
}

// within leaves to a scan its part of the rows.
func (s *scanner) within(p Part) {
	if p.From != nil {
		s.beginAt(p.From)
	}
	if to := p.To; to != nil {
		s.spans = slices.DeleteFunc(s.spans, func(sp span) bool { return bytes.Compare(to, sp.start) <= 0 })
		if last := len(s.spans) - 1; last >= 0 && bytes.Compare(to, s.spans[last].end) < 0 {
			s.spans[last].end = to
		}
	}
	s.done = s.done || (p.From != nil || p.To != nil) && len(s.spans) == 0
}

// cuts returns up to parts-1 ascending keys that divide the rows into parts; none where
// one reader has to have all: of changes of the transaction, of one that notes what it
// reads, or entries of an index.
// The parts have about as many segments each, or where there are none, about as many keys
// if those of the ends differ as numbers do.
func (s *scanner) cuts(tx *Tx, parts int) ([][]byte, error) {
	if s.err != nil || s.done || tx.reads != nil || s.lookups || s.key.ix != nil || s.rng.Reverse || s.view.tx != nil || len(s.spans) == 0 {
		return nil, nil
	}
	start, end := s.spans[0].start, s.spans[len(s.spans)-1].end
	var cuts [][]byte
	if s.packed != nil {
		if runs := overlapping(s.packed.runs, start, end); len(runs) > 0 {
			parts = min(parts, len(runs))
			for i := 1; i < parts; i++ {
				cuts = append(cuts, runs[i*len(runs)/parts].from)
			}
			return cuts, nil
		}
	}
	var ends [2][]byte
	for i := range ends {
		sc := s.view.Scan(s.space, kv.Range{Start: start, End: end, Reverse: i > 0, Limit: 1, KeysOnly: true})
		c, err := sc.Next(context.Background())
		if err == nil && c.Len() > 0 {
			ends[i] = bytes.Clone(c.Key(0))
		}
		sc.Close()
		if err != nil || ends[i] == nil {
			return nil, err
		}
	}
	n := 0
	for n < len(ends[0]) && n < len(ends[1]) && ends[0][n] == ends[1][n] {
		n++
	}
	var low, high [8]byte
	copy(low[:], ends[0][n:])
	copy(high[:], ends[1][n:])
	from := binary.BigEndian.Uint64(low[:])
	step := (binary.BigEndian.Uint64(high[:]) - from) / uint64(parts)
	for i := 1; i < parts && step > 0; i++ {
		cuts = append(cuts, binary.BigEndian.AppendUint64(ends[0][:n:n], from+uint64(i)*step))
	}
	return cuts, nil
}
