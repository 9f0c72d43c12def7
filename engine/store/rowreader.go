package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// rowReader reads the rows of a table, packed or not, as pairs of their own. Other
// keys of the table it leaves to the reader below.
type rowReader struct {
	kv.Reader
	db     *DB
	l      *layout
	snap   kv.Reader // what lies under own changes
	blocks kv.Reader // that has the segments' blocks
	runs   []*packedRun
	last   *openRun // the one read last
	unused *openRun // what the first one is made of; may be nil

	lastImage *openRun

	opened map[*packedRun]*openRun // others that look-ups have read

	generators map[int]Generator // of generated columns, by ordinal
}

// rows returns a reader of the relation's rows as rd has them: rd, if that is the same.
func (r *relation) rows(rd kv.Reader) kv.Reader {
	if rr := r.rowReader(rd); rr != nil {
		return rr
	}
	return rd
}

// rowReader returns nil when all rows are pairs of their own, and no pair tells of a
// row that is gone.
func (r *relation) rowReader(rd kv.Reader) *rowReader {
	if !r.packs() || r.tx.snap == nil {
		return nil
	}
	if err := r.tx.settleTail(context.Background(), false); err != nil {
		r.tx.buffer.Fail(err)
	}
	p := r.prefix(&r.l.primary)
	end := edge(p, true)
	runs := r.tx.runs(r.l.t.StorageID())
	if len(r.user) > 0 {
		runs = overlapping(runs, p, end)
	}
	if len(r.unreadable) > 0 {
		runs = slices.DeleteFunc(slices.Clone(runs), func(p *packedRun) bool { return slices.Contains(r.unreadable, p) })
	}
	// What was spilled is no more in the buffer's tree.
	if len(runs) == 0 && len(r.unreadable) == 0 && !r.tx.db.segments.stray.Load() && !r.tx.buffer.Spilled() && !r.tx.buffer.Touches(r.space, kv.Range{Start: p, End: end}) {
		return nil
	}
	rr := &rowReader{Reader: rd, db: r.tx.db, l: r.l, snap: r.tx.snap.Snapshot, blocks: r.tx.snap.Snapshot, runs: runs}
	if len(r.tx.loaded) > 0 {
		rr.blocks = rd
	}
	return rr
}

// before returns a reader of a table's rows as they were before the transaction wrote
// them.
func (tx *Tx) before(table uint32) (kv.Reader, error) {
	runs, l := tx.snap.dir[table], tx.layouts[table]
	switch {
	case len(runs) == 0 && !tx.db.segments.stray.Load():
		return tx.snap, nil
	case l == nil:
		return nil, sqlerr.Internal.New("table number %d was written without its definition", table)
	}
	return &rowReader{Reader: tx.snap, db: tx.db, l: l, snap: tx.snap.Snapshot, blocks: tx.snap.Snapshot, runs: runs}, nil
}

// packs reports whether the table's rows may be in segments.
func (r *relation) packs() bool { return r.space == kv.Data }

// deleteRow removes a row, wherever it is.
func (r *relation) deleteRow(key []byte) {
	r.tx.wroteRows(r.l)
	if r.packs() {
		r.tx.Put(r.space, key, gone)
	} else {
		r.tx.Delete(r.space, key)
	}
}

var gone = []byte{rowGone}

// open returns a segment for reading.
func (r *rowReader) open(p *packedRun) *openRun {
	if r.last == nil || r.last.packedRun != p {
		if r.last, r.unused = r.unused, nil; r.last == nil {
			r.last = &openRun{}
		}
		r.last.packedRun, r.last.r, r.last.l = p, r, r.l
	}
	return r.last
}

// spare returns a segment that r, which is read no more, had open, without what it had;
// nil if there is none.
func (r *rowReader) spare() *openRun {
	if r == nil || r.last == nil {
		return nil
	}
	o := r.last
	clear(o.columns)
	clear(o.keys)
	*o = openRun{columns: o.columns[:0], keys: o.keys[:0], signs: o.signs[:0], key: o.key[:0]}
	return o
}

// isRow reports whether a key is one of a row.
func isRow(key []byte) bool {
	return len(key) >= prefixBytes && binary.BigEndian.Uint32(key[4:]) == rowsIndex
}

// foundRow is where a row was found: a pair's value, or a place in a segment.
type foundRow struct {
	pair []byte
	run  *openRun
	at   int
}

// mostOpen is how many segments stay open from one look-up to the next: what they have in
// memory the cache cannot give up.
const mostOpen = 128

// lookUp finds the rows that have keys.
func (r *rowReader) lookUp(ctx context.Context, keys [][]byte) ([]foundRow, error) {
	found := make([]foundRow, len(keys))
	if len(r.opened) > mostOpen {
		clear(r.opened)
	}
	// Only those that may be pairs are read.
	var pairs [][]byte
	var at []int
	for i, k := range keys {
		p := find(r.runs, k)
		bare := false
		if p != nil {
			var err error
			if bare, err = r.bare(ctx, p); err != nil {
				return nil, err
			}
		}
		var err error
		if v, ok := r.Reader.(*view); ok && p != nil && p.rec != nil && !bare && v.ranges() != nil {
			if still, ok := p.still(v.snap); ok && r.db.segments.cache.worth(p, still, 1) {
				if found[i], err = r.lookUpImage(ctx, p, still, k); err != nil {
					return nil, err
				}
				continue
			}
		}
		if !bare {
			pairs, at = append(pairs, k), append(at, i)
			continue
		}
		if found[i].run, found[i].at, err = r.locate(ctx, p, k); err != nil {
			return nil, err
		}
	}
	if len(pairs) == 0 {
		return found, nil
	}
	values := make([][]byte, len(pairs))
	if err := r.Reader.MultiGet(ctx, kv.Data, pairs, values); err != nil {
		return nil, err
	}
	for n, v := range values {
		f := &found[at[n]]
		switch {
		case v == nil:
			var err error
			if f.run, f.at, err = r.locate(ctx, find(r.runs, pairs[n]), pairs[n]); err != nil {
				return nil, err
			}
		case !isGone(v):
			f.pair = v
		}
	}
	return found, nil
}

// bare reports whether no pairs are over a segment.
func (r *rowReader) bare(ctx context.Context, p *packedRun) (bool, error) {
	if v, ok := r.Reader.(*view); !ok || v.Reader != kv.Reader(v.snap) {
		return false, nil // there are own changes, or it is noted what is read
	}
	if p.pairs.Load() == unknownPairs {
		first, err := firstKey(ctx, r.snap, kv.Data, p.from, append(bytes.Clone(p.to), 0))
		if err != nil {
			return false, err
		}
		now := uint32(noPairs)
		if first != nil {
			now = somePairs
		}
		p.pairs.CompareAndSwap(unknownPairs, now) // unless a commit was faster
	}
	return p.pairs.Load() == noPairs, nil
}

// Get implements kv.Reader.
func (r *rowReader) Get(ctx context.Context, s kv.Space, key []byte) ([]byte, bool, error) {
	values := [][]byte{nil}
	err := r.MultiGet(ctx, s, [][]byte{key}, values)
	return values[0], values[0] != nil, err
}

// locate returns where a row is packed in a segment, if that is not nil; nil when it isn't.
func (r *rowReader) locate(ctx context.Context, p *packedRun, key []byte) (*openRun, int, error) {
	if p == nil {
		return nil, 0, nil
	}
	o := r.opened[p]
	if o == nil {
		if before := r.last; before != nil && before.packedRun != p {
			if r.opened == nil {
				r.opened = map[*packedRun]*openRun{}
			}
			r.opened[before.packedRun] = before
		}
		o = r.open(p)
	}
	r.last = o
	if err := o.openKeys(ctx); err != nil {
		return nil, 0, err
	}
	n, err := o.userLen()
	if err != nil {
		return nil, 0, err
	}
	i, found, err := o.find(ctx, key[prefixBytes+n:])
	if !found || err != nil {
		return nil, 0, err
	}
	return o, i, nil
}

// MultiGet implements kv.Reader. A packed row is returned as it would be on its own.
func (r *rowReader) MultiGet(ctx context.Context, s kv.Space, keys, values [][]byte) error {
	if err := r.Reader.MultiGet(ctx, s, keys, values); err != nil || s != kv.Data {
		return err
	}
	for i, k := range keys {
		if !isRow(k) {
			continue
		}
		if isGone(values[i]) {
			values[i] = nil
			continue
		}
		if values[i] != nil {
			continue
		}
		o, n, err := r.locate(ctx, find(r.runs, k), k)
		if err != nil {
			return err
		}
		if o == nil {
			continue
		}
		if values[i], err = o.row(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// Scan implements kv.Reader. The range is one of rows.
func (r *rowReader) Scan(s kv.Space, rng kv.Range) kv.Scanner {
	return &rowScanner{m: r.merge(rng), keysOnly: rng.KeysOnly, left: rng.Limit, limited: rng.Limit > 0}
}

// rowScanner is a kv.Scanner of rows, packed or not.
type rowScanner struct {
	m                 *merge
	keysOnly, limited bool
	left              int
	key               []byte
	out               kv.Chunk
}

// Close implements kv.Scanner.
func (s *rowScanner) Close() error { return s.m.close() }

// Next implements kv.Scanner.
func (s *rowScanner) Next(ctx context.Context) (*kv.Chunk, error) {
	s.out.Reset()
	rows := types.BatchRows
	if s.limited {
		rows = min(rows, s.left)
	}
	if rows == 0 {
		return &s.out, nil
	}
	st, err := s.m.next(ctx, rows)
	if err == nil && st.run != nil {
		err = st.run.openKeys(ctx)
		if err == nil && !s.keysOnly {
			err = st.run.openRows(ctx, st.from, st.to)
		}
	}
	if err != nil {
		return nil, err
	}
	for n := st.from; n < st.to; n++ {
		i := n
		if st.run == nil {
			v := st.chunk.Value(i)
			if s.keysOnly {
				v = nil
			}
			s.out.Append(st.chunk.Key(i), v)
			continue
		}
		if s.m.rng.Reverse {
			i = st.to - 1 - (n - st.from)
		}
		var v []byte
		if !s.keysOnly {
			if v, err = st.run.row(ctx, i); err != nil {
				return nil, err
			}
		}
		k, err := st.run.keyAt(ctx, i)
		if err != nil {
			return nil, err
		}
		s.key = append(append(s.key[:0], st.prefix...), k...)
		s.out.Append(s.key, v)
	}
	if s.limited {
		s.left -= st.to - st.from
	}
	return &s.out, nil
}
