package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sort"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// openRun is a segment that is being read, by one goroutine.
type openRun struct {
	*packedRun
	r *rowReader
	l *layout

	columns []packedColumn  // by place in the record; not all are open
	keys    []*packedColumn // of the primary key's parts
	// numbers is how many of them, from the first on, are integers that can be compared as
	// such, after their signs are added to have them in the order of keys.
	numbers int
	signs   []uint64
	key     []byte

	image         *image // nil: the rows are the segment's
	mergedColumns map[int]*types.Vector

	shape    *rowShape
	rows     *types.Batch // rows from, inclusive, to to, exclusive, see row
	updated  *types.Vector
	from, to int
}

// column returns a column by its id, nil when the segment has none.
func (o *openRun) column(ctx context.Context, id uint32, t types.Type) (*packedColumn, error) {
	if o.rec == nil {
		return nil, errSegment
	}
	n := o.rec.Find(id)
	if n < 0 {
		return nil, nil
	}
	if o.columns == nil {
		o.columns = make([]packedColumn, len(o.rec.Columns))
	}
	c := &o.columns[n]
	if c.cachedColumn != nil {
		return c, nil
	}
	x, err := o.r.db.column(ctx, o.r.blocks, o.packedRun, n, t)
	if err != nil {
		return nil, err
	}
	c.cachedColumn, c.t = x, t
	return c, nil
}

// own is column for one that all segments have.
func (o *openRun) own(ctx context.Context, id uint32, t types.Type) (*packedColumn, error) {
	c, err := o.column(ctx, id, t)
	if c == nil && err == nil {
		err = errSegment
	}
	return c, err
}

// updatedType is the type of updatedColumn's values: microseconds since 1970.
var updatedType = types.Int64Type

// openKeys makes find and keyAt work.
func (o *openRun) openKeys(ctx context.Context) error {
	if o.keys != nil {
		return nil
	}
	parts := o.l.primary.parts
	keys := make([]*packedColumn, len(parts))
	for i, p := range parts {
		var err error
		if o.image != nil {
			var v *types.Vector
			v, err = o.merged(ctx, p.Column)
			keys[i] = &packedColumn{cachedColumn: &cachedColumn{vector: v}}
		} else {
			keys[i], err = o.own(ctx, o.l.t.Columns[p.Column].ID, p.t)
		}
		if err != nil {
			return err
		}
	}
	o.useKeys(keys)
	return nil
}

// useKeys has the columns of the key's parts looked at.
func (o *openRun) useKeys(keys []*packedColumn) {
	o.keys = keys
	for i, p := range o.l.primary.parts {
		phys := p.t.Physical()
		if p.Desc || !integral(phys) || keys[i].hasNulls() {
			break
		}
		o.numbers++
		sign := uint64(0)
		if phys == types.PhysInt64 {
			sign = 1 << 63
		}
		o.signs = append(o.signs, sign)
	}
}

func integral(p types.Physical) bool { return p == types.PhysInt64 || p == types.PhysUint64 }

// keyAt returns the elements of row i's key, valid until the next call. openKeys
// comes before.
func (o *openRun) keyAt(i int) ([]byte, error) {
	o.key = o.key[:0]
	for n, c := range o.keys {
		var err error
		if o.key, err = o.l.primary.parts[n].appendValue(o.key, c.value(i)); err != nil {
			return nil, err
		}
	}
	return o.key, nil
}

// find returns the first row whose key has elements that are not less, and whether
// it has those. openKeys comes before.
func (o *openRun) find(elements []byte) (i int, found bool, err error) {
	return o.search(elements, 0, o.count())
}

// seek is find among rows lo, inclusive, to hi, exclusive, for what is likely lo, or near.
func (o *openRun) seek(elements []byte, lo, hi int) (i int, found bool, err error) {
	for step := 0; lo+step < hi; step = 2*step + 1 {
		if o.numbers == len(o.keys) && (step > 0 || o.numbers == 1) {
			break // search is as fast
		}
		k, err := o.keyAt(lo + step)
		if err != nil {
			return 0, false, err
		}
		if c := bytes.Compare(k, elements); c >= 0 && step == 0 {
			return lo, c == 0, nil
		} else if c >= 0 {
			hi = lo + step + 1
			break
		}
		lo += step + 1
	}
	return o.search(elements, lo, hi)
}

// search is find among rows lo, inclusive, to hi, exclusive.
func (o *openRun) search(elements []byte, lo, hi int) (i int, found bool, err error) {
	const size = 9 // of a number
	rest := elements
	for n := 0; n < o.numbers && len(rest) >= size && rest[0] == 1; n++ {
		lo, hi = o.narrow(n, binary.BigEndian.Uint64(rest[1:]), lo, hi)
		if rest = rest[size:]; lo == hi || len(rest) == 0 {
			return lo, lo < hi && n == len(o.keys)-1, nil
		}
	}
	for lo < hi {
		middle := lo + (hi-lo)/2
		k, err := o.keyAt(middle)
		if err != nil {
			return 0, false, err
		}
		c := bytes.Compare(k, elements)
		if c >= 0 {
			hi, found = middle, c == 0
		} else {
			lo = middle + 1
		}
	}
	return lo, found, nil
}

// narrow returns those of the rows lo to hi, which agree in the key's numbers before n,
// that have x there. If none has, both are the first row that has more.
func (o *openRun) narrow(n int, x uint64, lo, hi int) (int, int) {
	lo, found := o.searchNumber(n, x, lo, hi)
	switch {
	case !found:
		return lo, lo
	case n == len(o.keys)-1:
		return lo, lo + 1
	}
	at := func(i int) uint64 { return o.keys[n].integer(i) ^ o.signs[n] }
	if at(hi-1) == x {
		return lo, hi
	}
	for step := 1; lo+step < hi; step *= 2 {
		if at(lo+step) > x {
			hi = lo + step
		}
	}
	return lo, lo + sort.Search(hi-lo, func(i int) bool { return at(lo+i) > x })
}

// searchNumber returns the first of the rows lo to hi whose key's number n is not less than
// x, which is in the order of keys, and whether it is x. It looks first where that is if the
// numbers are spread evenly, as those of most keys are, and then around.
func (o *openRun) searchNumber(n int, x uint64, lo, hi int) (int, bool) {
	at := func(i int) uint64 { return o.keys[n].integer(i) ^ o.signs[n] }
	if lo >= hi {
		return lo, false
	}
	first, last := at(lo), at(hi-1)
	switch {
	case x <= first:
		return lo, x == first
	case x > last:
		return hi, false
	}
	// From here on the number before lo is less, that at hi is not.
	i := lo + int(float64(x-first)/float64(last-first)*float64(hi-1-lo))
	lo, hi = lo+1, hi-1
	i = max(lo, min(i, hi))
	for step := 1; lo < hi; step *= 2 {
		if at(i) < x {
			lo = i + 1
			i += step
		} else {
			hi = i
			i -= step
		}
		if i < lo || i >= hi {
			break
		}
	}
	i = lo + sort.Search(hi-lo, func(i int) bool { return at(lo+i) >= x })
	return i, at(i) == x
}

// userLen returns how many of the bytes after table and index are the user's.
func (o *openRun) userLen() (int, error) {
	if o.l.t.Kind == schema.Shared {
		return 0, nil
	}
	e := o.elements()
	_, rest, err := keyenc.CutBytes(nil, e)
	return len(e) - len(rest), err
}

// appendColumn appends to v the values that rows from, inclusive, to to, exclusive,
// have in a column, which may be a system column; backwards from the last.
func (o *openRun) appendColumn(ctx context.Context, v *types.Vector, ordinal, from, to int, backwards bool) error {
	if o.image != nil {
		m, err := o.merged(ctx, ordinal)
		if err == nil {
			v.AppendRange(m, from, to, backwards)
		}
		return err
	}
	if ordinal >= len(o.l.types) {
		return o.appendSystem(ctx, v, ordinal, from, to, backwards)
	}
	col := &o.l.t.Columns[ordinal]
	src, err := o.column(ctx, col.ID, col.Type)
	if err != nil {
		return err
	}
	switch {
	case src != nil:
		src.append(o.r.db, v, from, to, backwards)
		return nil
	case col.Generated != "":
		return o.generate(ctx, v, ordinal, from, to, backwards)
	}
	x, err := o.r.db.values.Initial(o.l.t, ordinal)
	if err != nil {
		return err
	}
	for range to - from {
		v.AppendValue(x)
	}
	return nil
}

func (o *openRun) appendSystem(ctx context.Context, v *types.Vector, ordinal, from, to int, backwards bool) error {
	if o.l.t.At(ordinal).Name != schema.UpdatedColumn {
		for range to - from {
			v.AppendInt(0)
		}
		return nil
	}
	src, err := o.own(ctx, updatedColumn, updatedType)
	if err != nil {
		return err
	}
	for i := range to - from {
		at := from + i
		if backwards {
			at = to - 1 - i
		}
		v.AppendInt(types.TimeToPacked(time.UnixMicro(int64(src.integer(at))).UTC(), 6))
	}
	return nil
}

// generate computes a generated column.
func (o *openRun) generate(ctx context.Context, v *types.Vector, ordinal, from, to int, backwards bool) error {
	gen := o.r.generators[ordinal]
	if gen == nil {
		var err error
		if gen, err = o.r.db.values.Generator(o.l.t, ordinal); err != nil {
			return err
		}
		if o.r.generators == nil {
			o.r.generators = map[int]Generator{}
		}
		o.r.generators[ordinal] = gen
	}
	rows := types.NewBatch(typesOf(o.l.t, gen.Columns()))
	for i, c := range gen.Columns() {
		if err := o.appendColumn(ctx, rows.Columns[i], c, from, to, backwards); err != nil {
			return err
		}
	}
	rows.Len = to - from
	return gen.Append(rows, v)
}

// openRows makes row work for rows from, inclusive, to to, exclusive.
func (o *openRun) openRows(ctx context.Context, from, to int) error {
	if o.shape == nil {
		shape := &rowShape{}
		for _, c := range o.l.stored {
			if n := o.rec.Find(c.id); n >= 0 && o.rec.Columns[n].Kept != absent {
				shape.stored = append(shape.stored, c.keptIn(o.rec.Columns[n].Kept))
			}
		}
		shape.setHead(o.rec.Version)
		o.rows, o.updated = &types.Batch{Columns: make([]*types.Vector, len(o.l.types))}, types.NewVector(updatedType, 1)
		for _, c := range shape.stored {
			o.rows.Columns[c.ordinal] = types.NewVector(o.l.types[c.ordinal], 1)
		}
		o.shape = shape
	}
	o.from, o.to = 0, 0
	read := func(id uint32, v *types.Vector) error {
		c, err := o.own(ctx, id, v.Type)
		if err == nil {
			v.Reset(v.Type)
			c.append(o.r.db, v, from, to, false)
		}
		return err
	}
	for _, c := range o.shape.stored {
		if err := read(c.id, o.rows.Columns[c.ordinal]); err != nil {
			return err
		}
	}
	if err := read(updatedColumn, o.updated); err != nil {
		return err
	}
	o.from, o.to, o.rows.Len = from, to, to-from
	return nil
}

// row returns row i as it would be on its own.
func (o *openRun) row(ctx context.Context, i int) ([]byte, error) {
	if i < o.from || i >= o.to {
		if err := o.openRows(ctx, i, i+1); err != nil {
			return nil, err
		}
	}
	return o.l.appendRowAs(nil, o.shape, o.rows, i-o.from, o.updated.Int64s[i-o.from])
}

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

	lastImage *openRun

	opened map[*packedRun]*openRun // others that the look-up at work has read

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
		r.last = &openRun{packedRun: p, r: r, l: r.l}
	}
	return r.last
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

// lookUp finds the rows that have keys.
func (r *rowReader) lookUp(ctx context.Context, keys [][]byte) ([]foundRow, error) {
	found := make([]foundRow, len(keys))
	clear(r.opened)
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
	i, found, err := o.find(key[prefixBytes+n:])
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
		k, err := st.run.keyAt(i)
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
	wanted  []int    // those columns
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
		i, found, err := search(elements, m.from, m.to)
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
	i, _, err := m.run.find(key[len(m.prefix):])
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
