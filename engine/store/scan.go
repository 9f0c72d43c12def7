package store

import (
	"bytes"
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// scanner reads a table's rows: it turns the pairs of a kv scan, or of a
// batched lookup, into batches.
type scanner struct {
	l       *layout
	index   *schema.Index
	deleted bool // rows that are soft-deleted
	space   kv.Space
	view    *view
	ownView view
	packed  *rowReader // nil: all rows are pairs of their own
	spare   *openRun   // for it
	key     *keyDef
	prefix  []byte // of the keys read
	rowsAt  []byte // prefix of the rows' keys, for fetching
	users   bool   // keys have a user after the prefix
	types   []types.Type
	wanted  []int // ordinals
	columns projection

	spans   []span // those not begun, in reading order
	room    []span // where they lie
	lookups bool   // spans are single whole keys
	group   int    // how many rows to look up next
	rng     kv.Range
	pairs   kv.Scanner
	merged  bool     // rows may be packed
	merge   *merge   // instead of pairs then
	skip    *skipper // of it
	filter  *filtering
	chunk   *kv.Chunk
	next    int    // in chunk
	floor   []byte // see relation; of entries, whose rows' keys it is about
	limit   int    // rows still wanted, when limited
	limited bool
	done    bool
	err     error

	keys, values [][]byte // the pairs at hand; keys without prefix
	buf          []byte

	places []place // of the values at hand, see gather
	found  []types.Value
}

// firstGroup is how many rows the first batched lookup takes; each next one
// takes twice as many, as long as rows are not large.
const firstGroup = 16

func (r *relation) Scan(req ScanRequest) Scanner { return r.scan(req) }

func (r *relation) scan(req ScanRequest) *scanner {
	s, _ := req.Reuse.(*scanner)
	if s == nil || !s.renew(r, req) {
		s = &scanner{l: r.l, index: req.Index, deleted: req.Deleted, types: typesOf(r.l.t, req.Columns), wanted: req.Columns}
	}
	s.space, s.users, s.group = r.space, r.allUsers, firstGroup
	s.limit, s.limited = req.Limit, req.Limit > 0
	if s.err = s.open(r, req); s.err != nil {
		s.done = true
	}
	return s
}

// renew makes a closed scan ready for another request. It reports false if that is one
// of another kind.
func (s *scanner) renew(r *relation, req ScanRequest) bool {
	if s.err != errScanClosed || s.l != r.l || s.index != req.Index || s.deleted != req.Deleted || !slices.Equal(s.wanted, req.Columns) {
		return false
	}
	*s = scanner{
		spare: s.packed.spare(),
		l:     s.l, index: s.index, deleted: s.deleted, types: s.types, wanted: s.wanted, key: s.key, columns: s.columns,
		prefix: s.prefix[:0], rowsAt: s.rowsAt[:0], room: s.room[:0], keys: s.keys[:0], values: s.values[:0], buf: s.buf[:0],
		places: s.places[:0], found: s.found[:0],
	}
	return true
}

func (s *scanner) open(r *relation, req ScanRequest) (err error) {
	if (req.Deleted || r.allUsers) && req.Index != nil || r.allUsers && req.Ranges != nil {
		return sqlerr.Internal.New("scan of deleted rows or all users through an index or ranges")
	}
	if s.key == nil {
		if s.key, err = r.l.key(req.Index); err != nil {
			return err
		}
		s.columns = r.l.newProjection(s.key, req.Columns, r.tx.db.values)
		s.columns.row.deleted = req.Deleted
	}
	id := s.key.id
	if req.Deleted {
		id = deletedRows
	}
	s.prefix = appendPrefix(slices.Grow(s.prefix, prefixLen(r.user)), r.l.t.StorageID(), id, r.user)
	if s.columns.fetch {
		s.rowsAt = appendPrefix(slices.Grow(s.rowsAt, prefixLen(r.user)), r.l.t.StorageID(), rowsIndex, r.user)
	}
	s.filter = newFiltering(req.Filter, s.types)
	if err := s.setRanges(req); err != nil {
		return err
	}
	if r.floor != nil {
		s.raise(r.floor)
	}
	s.rng = kv.Range{Reverse: req.Reverse, KeysOnly: s.columns.keysOnly() && !s.filtered()}
	if s.view, err = r.tx.newView(&s.ownView); err != nil {
		return err
	}
	if !req.Deleted {
		if s.packed = r.rowReader(s.view); s.packed != nil {
			s.packed.unused, s.spare = s.spare, nil
		}
	}
	if s.merged = s.packed != nil && req.Index == nil && !s.lookups; s.merged {
		s.skip = r.l.newSkipper(&req)
	}
	s.within(req.Part)
	return nil
}

// setRanges encodes the request's ranges.
func (s *scanner) setRanges(req ScanRequest) error {
	ranges := req.Ranges
	if ranges == nil {
		ranges = []KeyRange{{}}
	}
	s.lookups = true
	s.spans = slices.Grow(s.room, len(ranges))
	for i := range ranges {
		sp, whole, err := s.key.span(s.prefix, &ranges[i])
		if err != nil {
			return err
		}
		s.lookups = s.lookups && whole
		if whole || bytes.Compare(sp.start, sp.end) < 0 {
			s.spans = append(s.spans, sp)
		}
	}
	s.room = s.spans
	for i := range s.spans {
		if sp := &s.spans[i]; !s.lookups && sp.end == nil {
			sp.end = edge(sp.start, true)
		}
	}
	if req.Reverse {
		slices.Reverse(s.spans)
	}
	return nil
}

// raise leaves out the rows whose key elements are less than floor.
func (s *scanner) raise(floor []byte) {
	if s.key.ix != nil {
		s.floor = floor
		return
	}
	s.beginAt(append(bytes.Clone(s.prefix), floor...))
	s.done = s.done || s.lookups && len(s.spans) == 0
}

// beginAt leaves out the keys before low.
func (s *scanner) beginAt(low []byte) {
	s.spans = slices.DeleteFunc(s.spans, func(sp span) bool {
		if s.lookups {
			return bytes.Compare(sp.start, low) < 0
		}
		return bytes.Compare(sp.end, low) <= 0
	})
	for i := range s.spans {
		if bytes.Compare(s.spans[i].start, low) < 0 {
			s.spans[i].start = low
		}
	}
}

// filtered reports whether entries' values are needed to tell whether they
// are in the ranges.
func (s *scanner) filtered() bool {
	return s.floor != nil && s.key.unique || slices.ContainsFunc(s.spans, func(sp span) bool { return sp.low != nil })
}

// maxPicks is from how many stretches of rows a batch may be picked: who wants few rows
// should not wait for many.
const maxPicks = 16

// Next implements Scanner.
func (s *scanner) Next(ctx context.Context, b *types.Batch) error { return s.read(ctx, b, nil) }

// read is Next that also appends the rows' users to users, where keys have them.
func (s *scanner) read(ctx context.Context, b *types.Batch, users *types.Vector) error {
	b.Len = 0
	for i, t := range s.types {
		b.Columns[i].Reset(t)
	}
	if s.err != nil {
		return s.err
	}
	rows := types.BatchRows
	if s.filter != nil {
		rows /= 2 // not ever fewer to pick the last ones from
	}
	for size, picks := 0, 0; !s.done && b.Len < rows && size < types.BatchBytes; picks++ {
		if s.filter != nil && b.Len > 0 && picks >= maxPicks {
			break
		}
		n, err := s.fill(ctx, b, users, types.BatchRows-b.Len, types.BatchBytes-size)
		if err != nil {
			s.err = s.l.corrupt(err)
			s.release()
			b.Len = 0
			return s.err
		}
		size += n
	}
	if s.done {
		s.release()
	}
	return nil
}

// fill appends up to rows rows of about so many bytes to b and returns how
// many bytes they took.
func (s *scanner) fill(ctx context.Context, b *types.Batch, users *types.Vector, rows, size int) (int, error) {
	if s.filter != nil {
		return s.fillFiltered(ctx, b, rows, size)
	}
	return s.fillAll(ctx, b, users, rows, size)
}

// fillAll is fill without the filter; packed rows may be left to it.
func (s *scanner) fillAll(ctx context.Context, b *types.Batch, users *types.Vector, rows, size int) (int, error) {
	s.keys, s.values = s.keys[:0], s.values[:0]
	var err error
	switch {
	case s.lookups && s.key.ix == nil && s.packed != nil:
		return s.lookUpPacked(ctx, b, rows)
	case s.lookups:
		size, err = s.lookUp(ctx, rows)
	case s.merged:
		if s.limited {
			rows = min(rows, s.limit)
		}
		var st stretch
		if st, err = s.advanceMerged(ctx, rows); err == nil && st.run != nil {
			if s.filter != nil && !s.rng.Reverse {
				s.filter.packed = st
				return 0, nil
			}
			return s.fillPacked(ctx, b, users, st)
		}
		size = s.take(st)
	default:
		if s.columns.fetch {
			rows = min(rows, s.group)
		}
		size, err = s.advance(ctx, rows, size)
	}
	if err != nil || len(s.keys) == 0 {
		return size, err
	}
	if s.users {
		if err := s.cutUsers(users); err != nil {
			return 0, err
		}
	}
	if s.columns.fetch && s.packed != nil {
		keys, err := s.rowKeys()
		if err != nil {
			return 0, err
		}
		n, err := s.fillFound(ctx, b, keys, true)
		return size + n, err
	}
	if s.columns.fetch {
		n, err := s.fetch(ctx)
		if err != nil {
			return 0, err
		}
		s.regroup(n)
		size += n
	}
	if err := s.columns.decode(s.keys, s.values, b.Columns); err != nil {
		return 0, err
	}
	s.count(b, len(s.keys))
	return size, nil
}

// count notes n rows more in b.
func (s *scanner) count(b *types.Batch, n int) {
	b.Len += n
	if s.limited {
		if s.limit -= n; s.limit <= 0 {
			s.done = true
		}
	}
}

// advanceMerged returns the next rows of the spans, packed or not.
func (s *scanner) advanceMerged(ctx context.Context, rows int) (stretch, error) {
	for {
		if s.merge == nil {
			if len(s.spans) == 0 {
				s.done = true
				return stretch{}, nil
			}
			s.rng.Start, s.rng.End = s.spans[0].start, s.spans[0].end
			s.merge = s.packed.merge(s.rng)
			// Who wants few rows should not have all segments looked at.
			s.merge.skip, s.merge.columns = s.skip, !s.limited
		}
		st, err := s.merge.next(ctx, rows)
		if err != nil || st.from < st.to {
			return st, err
		}
		s.merge.close()
		s.merge, s.spans = nil, s.spans[1:]
	}
}

// take puts pairs at hand, and returns their bytes.
func (s *scanner) take(st stretch) (size int) {
	for i := st.from; i < st.to; i++ {
		k, v := st.chunk.Key(i), st.chunk.Value(i)
		size += len(k) + len(v)
		s.keys, s.values = append(s.keys, k[len(s.prefix):]), append(s.values, v)
	}
	return size
}

// fillPacked appends rows of a segment to b.
func (s *scanner) fillPacked(ctx context.Context, b *types.Batch, users *types.Vector, st stretch) (size int, err error) {
	n := st.to - st.from
	if size, err = s.appendPacked(ctx, b, st.run, st.from, st.to); err != nil {
		return 0, err
	}
	if s.users && users != nil {
		user, _, err := keyenc.CutBytes(nil, st.prefix[prefixBytes:])
		if err != nil {
			return 0, err
		}
		for range n {
			users.AppendBytes(user)
		}
	}
	s.count(b, n)
	return size + 1, nil
}

// advance takes the next pairs of the kv scan.
func (s *scanner) advance(ctx context.Context, rows, size int) (int, error) {
	for s.chunk == nil || s.next == s.chunk.Len() {
		if s.pairs == nil {
			if len(s.spans) == 0 {
				s.done = true
				return 0, nil
			}
			s.begin()
		}
		var err error
		if s.chunk, err = s.pairs.Next(ctx); err != nil {
			return 0, err
		}
		if s.next = 0; s.chunk.Len() == 0 {
			s.pairs.Close()
			s.pairs, s.chunk, s.spans = nil, nil, s.spans[1:]
		}
	}
	n, used := len(s.prefix), 0
	sp := &s.spans[0]
	for ; s.next < s.chunk.Len() && len(s.keys) < rows && used < size; s.next++ {
		k, v := s.chunk.Key(s.next), s.chunk.Value(s.next)
		if sp.low != nil {
			in, err := s.contains(sp, k[n:], v)
			if err != nil {
				return 0, err
			}
			if !in {
				continue
			}
		}
		if s.floor != nil {
			gone, err := s.gone(k[n:], v)
			if err != nil {
				return 0, err
			}
			if gone {
				continue
			}
		}
		used += len(k) + len(v)
		s.keys, s.values = append(s.keys, k[n:]), append(s.values, v)
	}
	return used, nil
}

// gone reports whether an entry's row is below the floor.
func (s *scanner) gone(key, value []byte) (bool, error) {
	row, err := s.l.appendRowKey(s.buf[:0], s.key, key, value)
	s.buf = row
	return bytes.Compare(row, s.floor) < 0, err
}

// begin starts to scan the next spans, the first of which is spans[0] from then on:
// all at once if that can be.
func (s *scanner) begin() {
	if r := s.view.ranges(); r != nil && len(s.spans) > 1 && !s.limited && !s.rng.Reverse && s.apart() {
		bounds := make([][]byte, 0, 2*len(s.spans))
		for i := range s.spans {
			bounds = append(bounds, s.spans[i].start, s.spans[i].end)
		}
		s.spans = s.spans[:1]
		s.pairs = r.ScanRanges(s.space, bounds, s.rng.KeysOnly)
		return
	}
	s.rng.Start, s.rng.End = s.spans[0].start, s.spans[0].end
	if s.rng.Limit = 0; s.limited && s.spans[0].low == nil && s.floor == nil {
		s.rng.Limit = s.limit
	}
	s.pairs = s.view.Scan(s.space, s.rng)
}

// apart reports whether all that is in the spans is wanted, and they ascend and do not
// meet.
func (s *scanner) apart() bool {
	for i := range s.spans {
		sp := &s.spans[i]
		if sp.low != nil || bytes.Compare(sp.start, sp.end) >= 0 || i > 0 && bytes.Compare(s.spans[i-1].end, sp.start) > 0 {
			return false
		}
	}
	return true
}

// contains reports whether an entry's elements, with those that its value
// holds, are in sp.
func (s *scanner) contains(sp *span, key, value []byte) (bool, error) {
	full, err := s.key.appendElements(append(s.buf[:0], s.prefix...), &s.l.primary, key, value)
	s.buf = full
	return bytes.Compare(full, sp.low) >= 0 && bytes.Compare(full, sp.high) < 0, err
}

// appendElements appends all elements of an entry of a unique index.
func (d *keyDef) appendElements(dst []byte, primary *keyDef, key, value []byte) ([]byte, error) {
	dst = append(dst, key...)
	rest := key
	for i := range d.own {
		var err error
		if rest, err = d.parts[i].skip(rest); err != nil {
			return dst, err
		}
	}
	if len(rest) > 0 {
		return dst, nil // an entry with a NULL has them all
	}
	for i, p := range d.pk {
		rest, err := primary.parts[i].skip(value)
		if err != nil {
			return dst, err
		}
		if p >= d.own {
			dst = append(dst, value[:len(value)-len(rest)]...)
		}
		value = rest
	}
	return dst, nil
}

// appendPacked appends rows of a segment to b's columns.
func (s *scanner) appendPacked(ctx context.Context, b *types.Batch, o *openRun, from, to int) (size int, err error) {
	for i, c := range s.wanted {
		v := b.Columns[i]
		before := len(v.Data)
		if err := o.appendColumn(ctx, v, c, from, to, s.rng.Reverse); err != nil {
			return 0, err
		}
		size += 8*(to-from) + len(v.Data) - before
	}
	return size, nil
}

// cutUsers takes the users off the keys at hand.
func (s *scanner) cutUsers(users *types.Vector) error {
	for i, k := range s.keys {
		user, rest, err := keyenc.CutBytes(s.buf[:0], k)
		if err != nil {
			return err
		}
		s.buf = user
		users.AppendBytes(user)
		s.keys[i] = rest
	}
	return nil
}

func (s *scanner) release() {
	if s.pairs != nil {
		s.pairs.Close()
		s.pairs = nil
	}
	if s.merge != nil {
		s.merge.close()
		s.merge = nil
	}
	if s.view != nil {
		s.view.release()
		s.view = nil
	}
	// They keep blocks that the cache may have given up.
	clear(s.places[:cap(s.places)])
	clear(s.found[:cap(s.found)])
	s.chunk, s.spans, s.done = nil, nil, true
}

// Close implements Scanner.
func (s *scanner) Close() error {
	s.release()
	if s.err == nil {
		s.err = errScanClosed
	}
	return nil
}

var errScanClosed = sqlerr.Closed.New("scan is closed")
