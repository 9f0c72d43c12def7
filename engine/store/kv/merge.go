package kv

import (
	"bytes"
	"context"
	"sort"

	"github.com/tidwall/btree"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Chunks of a merged scan end at about this many pairs or bytes.
const (
	mergeRows  = 1024
	mergeBytes = 1 << 20
)

// mergeScanner lays a buffer over a snapshot's scan. Stretches of the snapshot
// that no change touches are copied at once, or passed on as they come.
type mergeScanner struct {
	reader  Reader
	space   Space
	rng     Range
	left    int // pairs still wanted, -1: no limit
	closed  bool
	scan    Scanner
	chunk   *Chunk // the snapshot's, read up to at; nil: not read yet
	at      int
	done    bool // the snapshot's scan has ended
	changes buffer
	entries cursor[[]byte] // at the next change
	ranges  cursor[string] // at the next deleted range that is not yet passed
	out     Chunk
}

func newMergeScanner(reader Reader, changes buffer, s Space, r Range) *mergeScanner {
	r.Start, r.End = bytes.Clone(r.Start), bytes.Clone(r.End)
	m := &mergeScanner{reader: reader, space: s, rng: r, left: r.Limit, changes: changes}
	if r.Limit == 0 {
		m.left = -1
	}
	m.rng.Limit = 0 // pairs of the snapshot may be hidden
	m.scan = reader.Scan(s, m.rng)
	m.entries.start(&m.changes.entries, r)
	// A deleted range may reach into r from where r ends as well as from where
	// it starts.
	if r.Reverse {
		r.Start = nil
	} else {
		r.End = nil
		if k, _, ok := floor(&m.changes.ranges, text(r.Start)); ok {
			r.Start = raw(k)
		}
	}
	m.ranges.start(&m.changes.ranges, r)
	return m
}

func (m *mergeScanner) Close() error {
	m.closed = true
	return m.scan.Close()
}

func (m *mergeScanner) Next(ctx context.Context) (*Chunk, error) {
	if m.closed {
		return nil, sqlerr.Closed.New("the scan is closed")
	}
	if err := Cancelled(ctx); err != nil {
		return nil, err
	}
	m.out.Reset()
	for m.left != 0 && m.out.Len() < mergeRows && len(m.out.Buf) < mergeBytes {
		if !m.done && (m.chunk == nil || m.at == m.chunk.Len()) {
			if m.out.Len() > 0 {
				return &m.out, nil
			}
			var err error
			if m.chunk, err = m.scan.Next(ctx); err != nil {
				return nil, err
			}
			m.at, m.done = 0, m.chunk.Len() == 0
		}
		if m.done {
			if !m.entries.ok {
				break
			}
			m.takeEntry()
			continue
		}
		key := m.chunk.Key(m.at)
		for m.ranges.ok && m.passed(key) {
			m.ranges.next()
		}
		// The buffer's entries lie over its ranges, so they come first.
		if m.entries.ok {
			if c := m.compare(m.entries.key, key); c <= 0 {
				if c == 0 {
					m.at++
				}
				m.takeEntry()
				continue
			}
		}
		if m.ranges.ok && m.reached(key) {
			if err := m.skipHidden(); err != nil {
				return nil, err
			}
			continue
		}
		from, to := m.at, m.untouched()
		if m.left > 0 {
			to = min(to, from+m.left)
		}
		m.at = to
		m.take(to - from)
		if to-from == m.chunk.Len() && m.out.Len() == 0 {
			return m.chunk, nil
		}
		m.out.appendRun(m.chunk, from, to)
	}
	return &m.out, nil
}

// take counts n pairs as returned.
func (m *mergeScanner) take(n int) {
	if m.left > 0 {
		m.left -= n
	}
}

// takeEntry returns the next change, if it is a put, and moves on.
func (m *mergeScanner) takeEntry() {
	if v := m.entries.value; v != nil {
		if m.rng.KeysOnly {
			v = nil
		}
		m.out.Append(raw(m.entries.key), v)
		m.take(1)
	}
	m.entries.next()
}

// untouched returns the end of the chunk's pairs from at on that come before
// the next change.
func (m *mergeScanner) untouched() int {
	n := m.chunk.Len() - m.at
	return m.at + sort.Search(n, func(i int) bool {
		key := m.chunk.Key(m.at + i)
		return m.entries.ok && m.compare(m.entries.key, key) <= 0 || m.ranges.ok && m.reached(key)
	})
}

// skipHidden moves past the pairs in the present deleted range. When they fill
// much of the chunk, the snapshot is read anew behind the range.
func (m *mergeScanner) skipHidden() error {
	n := m.chunk.Len() - m.at
	m.at += sort.Search(n, func(i int) bool { return m.passed(m.chunk.Key(m.at + i)) })
	if m.at < m.chunk.Len() || n < m.chunk.Len()/2 {
		return nil
	}
	if m.rng.Reverse {
		m.rng.End = raw(m.ranges.key)
	} else {
		m.rng.Start = raw(m.ranges.value)
	}
	if err := m.scan.Close(); err != nil {
		return err
	}
	m.scan, m.chunk = m.reader.Scan(m.space, m.rng), nil
	return nil
}

// compare orders keys as the scan goes.
func (m *mergeScanner) compare(a string, b []byte) int {
	c := bytes.Compare(raw(a), b)
	if m.rng.Reverse {
		return -c
	}
	return c
}

// reached reports whether key lies in or behind the next deleted range, passed
// whether it lies behind it.
func (m *mergeScanner) reached(key []byte) bool {
	if m.rng.Reverse {
		return text(key) < m.ranges.value
	}
	return text(key) >= m.ranges.key
}

func (m *mergeScanner) passed(key []byte) bool {
	if m.rng.Reverse {
		return text(key) < m.ranges.key
	}
	return text(key) >= m.ranges.value
}

// cursor walks a tree through the keys of a range, in its direction.
type cursor[V any] struct {
	it    btree.MapIter[string, V]
	rng   Range
	key   string
	value V
	ok    bool
}

func (c *cursor[V]) start(m *btree.Map[string, V], r Range) {
	c.it, c.rng = m.Iter(), r
	switch {
	case !r.Reverse:
		c.set(c.it.Seek(text(r.Start)))
	case r.End != nil && c.it.Seek(text(r.End)):
		c.set(c.it.Prev())
	default:
		c.set(c.it.Last())
	}
}

func (c *cursor[V]) next() {
	if c.rng.Reverse {
		c.set(c.it.Prev())
	} else {
		c.set(c.it.Next())
	}
}

func (c *cursor[V]) set(ok bool) {
	if c.ok = ok; ok {
		c.key, c.value = c.it.Key(), c.it.Value()
		if c.rng.Reverse {
			c.ok = c.key >= text(c.rng.Start)
		} else {
			c.ok = c.rng.End == nil || c.key < text(c.rng.End)
		}
	}
}

// appendRun adds pairs from to up to but not including to of src.
func (c *Chunk) appendRun(src *Chunk, from, to int) {
	if from == to {
		return
	}
	if len(c.Pos) == 0 {
		c.Pos = append(c.Pos, 0)
	}
	start := src.Pos[2*from]
	shift := uint32(len(c.Buf)) - start
	c.Buf = append(c.Buf, src.Buf[start:src.Pos[2*to]]...)
	for _, p := range src.Pos[2*from+1 : 2*to+1] {
		c.Pos = append(c.Pos, p+shift)
	}
}
