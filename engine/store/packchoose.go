package store

import (
	"bytes"
	"context"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// passedPairs are those that a step looks at, about, to find what it packs.
const passedPairs = 1 << 18

// step finds what to pack next, and packs it.
func (p *packer) step(ctx context.Context, from []byte) ([]byte, error) {
	table := p.l.t.StorageID()
	prefix := appendPrefix(nil, table, rowsIndex, nil)
	start, end := prefix, edge(prefix, true)
	if from != nil {
		start = from
	}
	for most := p.done.Passed + passedPairs; ; {
		user, first, err := p.nextUser(ctx, start, end, most)
		if err != nil || first == nil {
			return nil, err
		}
		if p.done.Passed >= most {
			return first, nil
		}
		userEnd := edge(user, true)
		ok, err := p.choose(ctx, first, userEnd)
		if err != nil {
			return nil, err
		}
		if ok {
			return p.pack(ctx)
		}
		start = userEnd
	}
}

// nextUser returns the first key from start on that a row has, or a segment covers, of a
// user who has a segment or pairs enough for one, and what the keys of that user begin
// with. All others are passed in one scan. Once most of their pairs are, it returns the
// next user.
func (p *packer) nextUser(ctx context.Context, start, end []byte, most int64) (user, first []byte, err error) {
	var run []byte // where the next segment begins
	if runs := overlapping(p.tx.runs(p.l.t.StorageID()), start, end); len(runs) > 0 {
		if run = runs[0].from; bytes.Compare(run, start) < 0 {
			run = start
		}
	}
	sc := p.tx.Scan(kv.Data, kv.Range{Start: start, End: end, KeysOnly: true, NoCache: true})
	defer sc.Close()
	for n := 0; ; {
		c, err := sc.Next(ctx)
		if err != nil {
			return nil, nil, err
		}
		for i := range c.Len() {
			key := c.Key(i)
			if run != nil && bytes.Compare(run, key) <= 0 {
				return p.userOf(run, user, first)
			}
			if first == nil || !bytes.HasPrefix(key, user) {
				p.done.Passed += int64(n)
				n = 0
				if user, first, err = p.userOf(bytes.Clone(key), nil, nil); err != nil {
					return nil, nil, err
				}
			}
			if n++; n >= p.o.MinRows || p.done.Passed >= most {
				return user, first, nil
			}
		}
		switch {
		case c.Len() > 0:
		case run != nil:
			return p.userOf(run, user, first)
		default:
			p.done.Passed += int64(n)
			return nil, nil, nil
		}
	}
}

// userOf returns what the keys of key's user begin with, and key; or user and first, if
// the user is the same.
func (p *packer) userOf(key, user, first []byte) (_, _ []byte, err error) {
	if first != nil && bytes.HasPrefix(key, user) {
		return user, first, nil
	}
	u, _, err := p.r.cutUser(key[prefixBytes:])
	if err != nil {
		return nil, nil, err
	}
	return key[:prefixBytes+len(u)], key, nil
}

// choose finds the next range of a user's rows that is worth packing: gaps between
// segments, and segments under many pairs, that follow one another.
func (p *packer) choose(ctx context.Context, start, end []byte) (bool, error) {
	p.start, p.end = nil, nil
	runs := overlapping(p.tx.runs(p.l.t.StorageID()), start, end)
	rows := 0
	small := func(r *packedRun) bool { return r.rec.Rows < p.most/4 }
	take := func(from, to []byte, n int) {
		if p.start == nil {
			p.start = from
		}
		p.end, rows = to, rows+n
	}
	at := start
	for i := 0; rows < 2*p.most; i++ {
		gapEnd := end
		if i < len(runs) {
			if gapEnd = runs[i].from; runs[i].rec == nil {
				return false, errSegment
			}
		}
		n := 0
		if bytes.Compare(at, gapEnd) < 0 {
			var err error
			if n, err = p.count(ctx, at, gapEnd, 2*p.most); err != nil {
				return false, err
			}
		}
		// A small segment takes up the rows beside it.
		beside := i < len(runs) && small(runs[i]) || p.start != nil
		if n >= p.o.MinRows || beside && n > p.o.MinRows/8 {
			take(at, gapEnd, n)
		} else if p.start != nil && n > 0 {
			break
		}
		if i == len(runs) {
			break
		}
		after := append(bytes.Clone(runs[i].to), 0)
		if bytes.Compare(at, runs[i].from) > 0 {
			at = after // begun in the middle: it was packed
			continue
		}
		most := runs[i].rec.Rows * p.o.MaxShadow / 100
		n, err := p.count(ctx, runs[i].from, after, most+1)
		if err != nil {
			return false, err
		}
		again := n > most || small(runs[i]) && p.start != nil
		if !again && small(runs[i]) {
			if again = i+1 < len(runs) && small(runs[i+1]); !again {
				next := end
				if i+1 < len(runs) {
					next = runs[i+1].from
				}
				gap, err := p.count(ctx, after, next, p.o.MinRows/8+1)
				if err != nil {
					return false, err
				}
				again = gap > p.o.MinRows/8
			}
		}
		if again {
			take(runs[i].from, after, n+runs[i].rec.Rows)
		} else if p.start != nil {
			break
		}
		at = after
	}
	return p.start != nil, nil
}

// count returns how many pairs there are, limit at most.
func (p *packer) count(ctx context.Context, start, end []byte, limit int) (int, error) {
	sc := p.tx.Scan(kv.Data, kv.Range{Start: start, End: end, KeysOnly: true, NoCache: true})
	defer sc.Close()
	for n := 0; ; {
		c, err := sc.Next(ctx)
		if err != nil || c.Len() == 0 || n >= limit {
			return min(n, limit), err
		}
		n += c.Len()
	}
}
