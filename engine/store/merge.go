package store

import (
	"bytes"
	"context"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// merge lays the pairs of a table's rows over its segments, in a range of keys.
type merge struct {
	r     *rowReader
	rng   kv.Range
	runs  []*packedRun // those to come, in reading order
	pairs kv.Scanner   // nil: not begun
	chunk *kv.Chunk    // nil: not read yet
	at    int
	ended bool // the pairs are

	skip    *skipper // nil: none
	columns bool     // rows of segments are read by appendColumn alone
	images  []uint64 // of runs: 0, or one more than packedRun.still was
	run     *openRun // being read
	prefix  []byte   // of its rows' keys
	// The rows of it that are still to come: all in reverse from the last.
	from, to int
}

// stretch is rows that follow one another: pairs from to to of a chunk, or rows of a
// segment, which a reverse scan has from the last. None: the end.
type stretch struct {
	chunk    *kv.Chunk
	run      *openRun
	prefix   []byte // of the keys of run's rows
	from, to int
}

// merge begins to read a range of rows.
func (r *rowReader) merge(rng kv.Range) *merge {
	m := &merge{r: r, rng: kv.Range{Start: bytes.Clone(rng.Start), End: bytes.Clone(rng.End), Reverse: rng.Reverse, NoCache: rng.NoCache}}
	m.runs = overlapping(r.runs, rng.Start, rng.End)
	return m
}

// scan begins to read the pairs. Some may hide rows, or be no rows: there is no limit,
// and values are needed.
func (m *merge) scan() kv.Scanner { return m.r.Reader.Scan(kv.Data, m.rng) }

func (m *merge) close() error {
	if m.pairs == nil {
		return nil
	}
	return m.pairs.Close()
}

// peek returns the next pair's key, nil at the end.
func (m *merge) peek(ctx context.Context) ([]byte, error) {
	if m.pairs == nil && !m.ended {
		if err := m.begin(ctx); err != nil {
			return nil, err
		}
	}
	for !m.ended && (m.chunk == nil || m.at == m.chunk.Len()) {
		var err error
		if m.chunk, err = m.pairs.Next(ctx); err != nil {
			return nil, err
		}
		m.at, m.ended = 0, m.chunk.Len() == 0
	}
	if m.ended {
		return nil, nil
	}
	return m.chunk.Key(m.at), nil
}

// before reports whether key a comes before b in the order of the scan.
func (m *merge) before(a, b []byte) bool {
	if m.rng.Reverse {
		return bytes.Compare(a, b) > 0
	}
	return bytes.Compare(a, b) < 0
}

// next returns the following rows, most at most, valid until the next call.
func (m *merge) next(ctx context.Context, most int) (stretch, error) {
	for {
		if err := kv.Cancelled(ctx); err != nil {
			return stretch{}, err
		}
		key, err := m.peek(ctx)
		if err != nil {
			return stretch{}, err
		}
		if m.run == nil && len(m.runs) > 0 && (key == nil || !m.before(key, m.first(0))) {
			if err := m.enter(ctx); err != nil {
				return stretch{}, err
			}
		}
		if m.run == nil {
			if key == nil {
				return stretch{}, nil
			}
			// Pairs up to the next segment.
			stop := func([]byte) bool { return false }
			if len(m.runs) > 0 {
				first := m.first(0)
				stop = func(k []byte) bool { return !m.before(k, first) }
			}
			if st := m.takePairs(most, stop); st.from < st.to {
				return st, nil
			}
			continue
		}
		if m.from == m.to {
			// What is left are pairs that the segment covers, if any.
			last := m.last()
			if key == nil || m.before(last, key) {
				m.run = nil
				continue
			}
			if st := m.takePairs(most, func(k []byte) bool { return m.before(last, k) }); st.from < st.to {
				return st, nil
			}
			continue
		}
		if key == nil || m.before(m.last(), key) {
			return m.takeRows(m.to-m.from, most), nil
		}
		// Rows before the pair.
		if err := m.run.openKeys(ctx); err != nil {
			return stretch{}, err
		}
		elements := key[len(m.prefix):]
		search := m.run.seek
		if m.rng.Reverse {
			search = m.run.search
		}
		i, found, err := search(ctx, elements, m.from, m.to)
		if err != nil {
			return stretch{}, err
		}
		switch {
		case m.rng.Reverse && found && i+1 < m.to:
			return m.takeRows(m.to-max(i+1, m.from), most), nil
		case m.rng.Reverse && !found && i < m.to:
			return m.takeRows(m.to-max(i, m.from), most), nil
		case m.rng.Reverse && found:
			m.to = max(m.from, min(m.to, i))
		case m.rng.Reverse:
		case i > m.from:
			return m.takeRows(min(i, m.to)-m.from, most), nil
		case found:
			m.from = max(m.from, i+1)
		}
		at := m.at
		m.at++
		if !isGone(m.chunk.Value(at)) {
			return stretch{chunk: m.chunk, from: at, to: at + 1}, nil
		}
	}
}

// first returns where the n-th of the segments to come begins in the scan's order.
func (m *merge) first(n int) []byte {
	if m.rng.Reverse {
		return m.runs[len(m.runs)-1-n].to
	}
	return m.runs[n].from
}

// last returns where the segment that is read ends in the scan's order.
func (m *merge) last() []byte {
	if m.rng.Reverse {
		return m.run.packedRun.from
	}
	return m.run.packedRun.to
}

// enter begins with the next segment.
func (m *merge) enter(ctx context.Context) error {
	p := m.runs[0]
	if m.rng.Reverse {
		p = m.runs[len(m.runs)-1]
		m.runs = m.runs[:len(m.runs)-1]
	} else {
		m.runs = m.runs[1:]
	}
	o := m.r.open(p)
	if p.rec == nil {
		return errSegment
	}
	n, err := o.userLen()
	if err != nil {
		return err
	}
	if len(m.images) > 0 {
		if at := m.images[0]; at > 0 {
			if o, err = m.r.openImage(ctx, p, at-1); err != nil {
				return err
			}
		}
		m.images = m.images[1:]
	}
	m.run, m.prefix = o, p.from[:prefixBytes+n]
	m.from, m.to = 0, o.count()
	if m.skip.skips(p) {
		m.to = 0
		return nil
	}
	if bytes.Compare(m.rng.Start, p.from) > 0 {
		if m.from, err = m.bound(ctx, m.rng.Start); err != nil {
			return err
		}
	}
	if m.rng.End != nil && bytes.Compare(m.rng.End, p.to) <= 0 {
		if m.to, err = m.bound(ctx, m.rng.End); err != nil {
			return err
		}
		m.to = max(m.from, m.to)
	}
	return nil
}

// bound returns the first row of the segment that is read whose key is not less.
func (m *merge) bound(ctx context.Context, key []byte) (int, error) {
	if err := m.run.openKeys(ctx); err != nil {
		return 0, err
	}
	i, _, err := m.run.find(ctx, key[len(m.prefix):])
	return i, err
}

// takeRows returns the next n rows of the segment that is read, most at most.
func (m *merge) takeRows(n, most int) stretch {
	n = min(n, most)
	st := stretch{run: m.run, prefix: m.prefix}
	if m.rng.Reverse {
		st.from, st.to = m.to-n, m.to
		m.to -= n
	} else {
		st.from, st.to = m.from, m.from+n
		m.from += n
	}
	return st
}

// takePairs returns the next pairs of rows, most at most and in the chunk, up to where
// stop says. They may be none, when what it passed were rows that are gone.
func (m *merge) takePairs(most int, stop func(key []byte) bool) stretch {
	st := stretch{chunk: m.chunk, from: m.at, to: m.at}
	for ; m.at < m.chunk.Len() && st.to-st.from < most && !stop(m.chunk.Key(m.at)); m.at++ {
		if !isGone(m.chunk.Value(m.at)) {
			st.to = m.at + 1
			continue
		}
		if st.from < st.to {
			break
		}
		st.from, st.to = m.at+1, m.at+1
	}
	return st
}
