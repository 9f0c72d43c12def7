package store

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/segment"
	"github.com/kalamgo/kalam/engine/types"
)

// Packing makes segments of rows: step by step, each of which reads some adjacent rows
// of one user, as a snapshot has them, and puts segments in the place of the pairs and
// older segments that held them, in one write. Between the two others go on writing;
// what they changed meanwhile is found by comparing the pairs again, while commits of
// the table wait, and stays as pairs over the new segments. So packing changes no
// row, locks none and is in conflict with nobody.

// The sizes of segments and of the steps of packing.
const (
	// SegmentRows is how many rows a segment has at most.
	SegmentRows = 16 << 10

	segmentBytes = 16 << 20 // of its rows, about
	hugeRow      = segmentBytes / 4
	// pageBytes is about how long the blocks are of a column that has several: short
	// to read where one of its values is wanted.
	pageBytes = 8 << 10
)

// PackOptions say what is worth packing.
type PackOptions struct {
	// MinRows is how many pairs between segments are made a segment.
	MinRows int
	// MaxShadow is which part of a segment's rows may be covered by pairs, in percent,
	// before it is packed anew.
	MaxShadow int
	// Age is how long ago half of the pairs must have been written; 0: at any time.
	Age time.Duration
}

// Packed tells what packing did.
type Packed struct {
	Segments int // made
	Replaced int // older ones
	Rows     int64
	Bytes    int64 // of the segments made
	Young    int64 // rows that were left since they are not of PackOptions.Age
	Passed   int64 // rows of users who have few

	start, end []byte // of the keys of pairs that were packed
}

// Pack packs some rows of t, from a key on in the order of all users' keys; nil: from
// the first. It returns where to go on, nil at the end. The caller sees to it that t is
// not changed or dropped meanwhile.
func (db *DB) Pack(ctx context.Context, t *schema.Table, from []byte, o PackOptions, done *Packed) (next []byte, err error) {
	if db.readOnly {
		return nil, sqlerr.ReadOnly.New("The database is open for reading only")
	}
	mu := lockIn(&db.segments.packing, t.StorageID())
	mu.Lock()
	defer mu.Unlock()
	tx, err := db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	p := packer{db: db, tx: tx, r: tx.AllUsers(t).relation, o: o, done: done, most: db.segments.rows}
	p.l = p.r.l
	if !p.r.packs() {
		return nil, nil
	}
	if next, err = p.step(ctx, from); next == nil && err == nil {
		db.segments.passed(t.StorageID(), done.Passed)
	}
	return next, p.l.corrupt(err)
}

// packer is the state of a step.
type packer struct {
	db   *DB
	tx   *Tx
	r    *relation
	l    *layout
	o    PackOptions
	done *Packed
	most int // rows of a segment; a step reads those of two

	start, end []byte       // what is packed, end exclusive
	old        []*packedRun // what lies there
	seen       pairList     // as the snapshot has them
	new        []*packedRun
	blocks     [][][]byte // of the new ones' columns
	batch      kv.Batch
	rows       rowDecoder

	young, aged int64 // pairs that are not, or are, of the age
}

// pairList are pairs in key order.
type pairList struct {
	buf  []byte
	ends []int // of key and value, in turn
}

func (p *pairList) add(key, value []byte) {
	p.buf = append(p.buf, key...)
	p.ends = append(p.ends, len(p.buf))
	p.buf = append(p.buf, value...)
	p.ends = append(p.ends, len(p.buf))
}

func (p *pairList) len() int { return len(p.ends) / 2 }

func (p *pairList) key(i int) []byte {
	start := 0
	if i > 0 {
		start = p.ends[2*i-1]
	}
	return p.buf[start:p.ends[2*i]]
}

func (p *pairList) value(i int) []byte { return p.buf[p.ends[2*i]:p.ends[2*i+1]] }

// pack packs what was chosen, or as much of it as a step takes, and returns where to
// go on.
func (p *packer) pack(ctx context.Context) ([]byte, error) {
	var groups []*group
	rd := &rowReader{Reader: p.tx, db: p.db, l: p.l, snap: p.tx.snap.Snapshot, blocks: p.tx.snap.Snapshot, runs: p.tx.runs(p.l.t.StorageID())}
	m := rd.merge(kv.Range{Start: p.start, End: p.end, NoCache: true})
	defer m.close()
	// The pairs are noted as the merge passes them.
	m.pairs = &notedScanner{m.scan(), &p.seen}
	g := newGroup(p.l)
	total, size := 0, 0
read:
	for {
		st, err := m.next(ctx, 2*p.most-total-g.rows.Len)
		if err != nil {
			return nil, err
		}
		if st.from == st.to {
			break
		}
		for st.from < st.to {
			n := min(st.to-st.from, p.most-g.rows.Len)
			huge, err := g.add(ctx, p, st, n)
			if err != nil {
				return nil, err
			}
			if huge >= 0 {
				p.end = bytes.Clone(st.chunk.Key(huge))
				if total == 0 && g.rows.Len == 0 {
					return append(p.end, 0), nil // it stays as it is
				}
				break read
			}
			st.from += n
			if g.rows.Len < p.most && g.bytes < segmentBytes {
				continue
			}
			total, size = total+g.rows.Len, size+g.bytes
			groups, g = append(groups, g), newGroup(p.l)
			if total >= 2*p.most || size >= 2*segmentBytes {
				p.end = append(append(appendPrefix(nil, p.l.t.StorageID(), rowsIndex, nil), groups[len(groups)-1].last()...), 0)
				break read
			}
		}
	}
	if g.rows.Len > 0 {
		groups = append(groups, g)
	}
	if p.o.Age > 0 && p.young > p.aged {
		p.done.Young += p.young
		return p.end, nil
	}
	groups = p.even(groups)
	if err := p.encode(ctx, groups, rd); err != nil {
		return nil, err
	}
	if err := p.commit(ctx); err != nil {
		return nil, err
	}
	return p.end, nil
}

// even lets the last two groups have about as many rows, where the last has few.
func (p *packer) even(groups []*group) []*group {
	n := len(groups)
	if n < 2 || groups[n-1].rows.Len >= p.most/2 || groups[n-2].rows.Len < p.most {
		return groups
	}
	a, b := groups[n-2], groups[n-1]
	half := (a.rows.Len + b.rows.Len) / 2
	first, second := newGroup(p.l), newGroup(p.l)
	first.take(a, 0, half)
	second.take(a, half, a.rows.Len)
	second.take(b, 0, b.rows.Len)
	return append(groups[:n-2:n-2], first, second)
}

// notedScanner notes what a scanner returns.
type notedScanner struct {
	kv.Scanner
	to *pairList
}

// Next implements kv.Scanner.
func (s *notedScanner) Next(ctx context.Context) (*kv.Chunk, error) {
	c, err := s.Scanner.Next(ctx)
	if err == nil {
		for i := range c.Len() {
			s.to.add(c.Key(i), c.Value(i))
		}
	}
	return c, err
}

// group is the rows of a segment to be made.
type group struct {
	columns []int        // ordinals of those that segments have
	rows    *types.Batch // those
	updated *types.Vector
	keys    *types.Vector // user and elements of the rows' keys
	bytes   int
	decode  projection
}

func newGroup(l *layout) *group {
	g := &group{columns: packedColumns(l), updated: types.NewVector(updatedType, SegmentRows), keys: types.NewVector(types.BytesType, SegmentRows)}
	g.rows = types.NewBatch(typesOf(l.t, g.columns))
	return g
}

// packedColumns returns the ordinals of the columns that segments have.
func packedColumns(l *layout) (columns []int) {
	for i := range l.t.Columns {
		if !l.t.Columns[i].Virtual {
			columns = append(columns, i)
		}
	}
	return columns
}

func (g *group) first() []byte { return g.keys.BytesAt(0) }

func (g *group) last() []byte { return g.keys.BytesAt(g.keys.Len() - 1) }

// take appends rows of another group.
func (g *group) take(from *group, start, end int) {
	for i, v := range g.rows.Columns {
		v.AppendRange(from.rows.Columns[i], start, end, false)
	}
	g.updated.AppendRange(from.updated, start, end, false)
	g.keys.AppendRange(from.keys, start, end, false)
	g.rows.Len += end - start
}

// add appends the first n rows of a stretch. huge is the first pair that is too large
// for a segment, before which it stopped; else -1.
func (g *group) add(ctx context.Context, p *packer, st stretch, n int) (huge int, err error) {
	if st.run != nil {
		if err := st.run.openKeys(ctx); err != nil {
			return -1, err
		}
		for i, c := range g.columns {
			if err := st.run.appendColumn(ctx, g.rows.Columns[i], c, st.from, st.from+n, false); err != nil {
				return -1, err
			}
		}
		updated, err := st.run.own(ctx, updatedColumn, updatedType)
		if err != nil {
			return -1, err
		}
		if err := st.run.appendValues(ctx, updated, g.updated, st.from, st.from+n, false); err != nil {
			return -1, err
		}
		for i := st.from; i < st.from+n; i++ {
			key, err := st.run.keyAt(ctx, i)
			if err != nil {
				return -1, err
			}
			g.keys.Data = append(g.keys.Data, st.prefix[prefixBytes:]...)
			g.keys.AppendBytes(key)
		}
		g.rows.Len += n
		g.bytes += n * st.run.size / st.run.rec.Rows
		return -1, nil
	}
	huge = -1
	var keys, values [][]byte
	for i := st.from; i < st.from+n; i++ {
		key, value := st.chunk.Key(i), st.chunk.Value(i)
		if len(value) > hugeRow {
			huge = i
			break
		}
		_, elements, err := p.r.cutUser(key[prefixBytes:])
		if err != nil {
			return -1, err
		}
		keys, values = append(keys, elements), append(values, value)
		updated, err := p.rows.updated(value)
		if err != nil {
			return -1, err
		}
		if updated > time.Now().Add(-p.o.Age).UnixMicro() {
			p.young++
		} else {
			p.aged++
		}
		g.updated.AppendInt(updated)
		g.keys.AppendBytes(key[prefixBytes:])
		g.bytes += len(value)
	}
	if g.decode.row.l == nil {
		g.decode = p.l.newProjection(&p.l.primary, g.columns, p.db.values)
	}
	before := g.rows.Len
	if err := g.decode.decode(keys, values, g.rows.Columns); err != nil {
		return -1, err
	}
	g.rows.Len += len(keys)
	// A row must be found under the key that its columns make.
	var own []byte
	whole := wholeRows(p.l, g.columns, g.rows)
	for i, k := range keys {
		if own, _, err = p.l.primary.appendKey(own[:0], whole, before+i); err != nil {
			return -1, err
		}
		if !bytes.Equal(own, k) {
			return -1, errRowKey
		}
	}
	return huge, nil
}

// wholeRows returns rows of some columns with columns by ordinal; the others lack.
func wholeRows(l *layout, columns []int, rows *types.Batch) *types.Batch {
	b := &types.Batch{Columns: make([]*types.Vector, len(l.types)), Len: rows.Len}
	for i, c := range columns {
		b.Columns[c] = rows.Columns[i]
	}
	return b
}

// encode makes the new segments, and what is left of old ones behind the end.
func (p *packer) encode(ctx context.Context, groups []*group, rd *rowReader) error {
	p.old = overlapping(p.tx.runs(p.l.t.StorageID()), p.start, p.end)
	for _, g := range groups {
		p.segment(g, g.first())
	}
	if len(p.old) == 0 {
		return nil
	}
	cut := p.old[len(p.old)-1]
	if bytes.Compare(cut.to, p.end) < 0 {
		return nil
	}
	o := rd.open(cut)
	if err := o.openKeys(ctx); err != nil {
		return err
	}
	n, err := o.userLen()
	if err != nil {
		return err
	}
	from, _, err := o.find(ctx, p.end[prefixBytes+n:])
	if err != nil {
		return err
	}
	g := newGroup(p.l)
	st := stretch{run: o, prefix: cut.from[:prefixBytes+n], from: from, to: cut.rec.Rows}
	if _, err := g.add(ctx, p, st, st.to-st.from); err != nil {
		return err
	}
	// It covers what cut does from the end on, and the pairs there stay.
	p.segment(g, p.end[prefixBytes:])
	p.new[len(p.new)-1].pairs.Store(cut.pairs.Load())
	return nil
}

// segment adds a segment, which covers keys from some on, to the batch.
func (p *packer) segment(g *group, from []byte) {
	run := makeRun(p.l, p.db.segments.page, g.columns, g.rows, g.updated, bytes.Clone(from), bytes.Clone(g.last()), nil)
	run.pairs.Store(noPairs) // see clear
	p.new, p.blocks = append(p.new, run.packedRun), append(p.blocks, run.blocks)
	// Keys of old segments may be the same: those are removed before.
	run.write(p.batch.Put)
	p.done.Segments++
	p.done.Rows += int64(run.rec.Rows)
	p.done.Bytes += int64(run.size)
}

// madeRun is a segment that is to be written.
type madeRun struct {
	*packedRun
	record []byte
	blocks [][]byte // as eachBlock has them
	room   []byte   // where blocks are
}

// makeRun makes a segment of rows, which have some columns, that covers what from and
// last say, as elements of keys with the user. Blocks go to the end of room, where they fit.
func makeRun(l *layout, page int, columns []int, rows *types.Batch, updated *types.Vector, from, last, room []byte) madeRun {
	rec := &segment.Record{Version: l.t.Version, Rows: rows.Len, Last: last}
	var blocks [][]byte
	column := func(id uint32, kept byte, v *types.Vector) {
		c := segment.Column{ID: id, Kept: kept, Phys: v.Type.Physical(), Nulls: segment.Nulls(v)}
		c.Min, c.Max = segment.Bounds(v)
		start := len(room)
		var ends []int
		room, c.Page, ends = segment.AppendPages(room, v, page)
		c.Size = len(room) - start
		for _, end := range ends {
			blocks = append(blocks, room[start:end:end])
			start = end
		}
		rec.Columns = append(rec.Columns, c)
	}
	order := slices.Clone(columns)
	slices.SortFunc(order, func(a, b int) int { return int(l.t.Columns[a].ID) - int(l.t.Columns[b].ID) })
	for _, c := range order {
		kept := absent
		if n := l.keptAt(c); n >= 0 {
			kept = l.stored[n].kept
		}
		column(l.t.Columns[c].ID, kept, rows.Columns[slices.Index(columns, c)])
	}
	column(updatedColumn, absent, updated)
	run := madeRun{newPackedRun(l.t.StorageID(), from, rec, 0), rec.Append(nil), blocks, room}
	run.size += len(run.recordKey()) + len(run.record)
	return run
}

// write puts the segment's pairs.
func (r *madeRun) write(put func(s kv.Space, key, value []byte)) {
	put(kv.Meta, r.recordKey(), r.record)
	rest := r.blocks
	_ = r.eachBlock(r.table, func(_, _ int, key []byte) error {
		put(kv.Data, key, rest[0])
		rest = rest[1:]
		return nil
	})
}

// commit puts the new segments in the place of pairs and old segments.
func (p *packer) commit(ctx context.Context) error {
	table := p.l.t.StorageID()
	lock := p.db.segments.lock(table)
	lock.Lock()
	defer lock.Unlock()
	now, err := p.db.Begin()
	if err != nil {
		return err
	}
	defer now.Close()
	if p.db.segments.isClaimed(table) || !slices.Equal(p.old, overlapping(now.snap.dir[table], p.start, p.end)) {
		return nil // somebody makes some, or removed them
	}
	var b kv.Batch
	if err := p.clear(ctx, now, &b); err != nil {
		return err
	}
	for _, o := range p.old {
		b.Delete(kv.Meta, o.recordKey())
		_ = o.eachBlock(table, func(_, _ int, key []byte) error {
			b.Delete(kv.Data, key)
			return nil
		})
	}
	b.Append(&p.batch)
	d, err := p.db.segments.durability(ctx, p.db)
	if err != nil {
		return err
	}
	p.done.Replaced += len(p.old)
	if p.seen.len() > 0 {
		if p.done.start == nil {
			p.done.start = p.start
		}
		p.done.end = p.end
	}
	err = p.db.segments.change(func() error { return p.db.write(ctx, &b, d) },
		func(d directory) { d.replace(table, p.old, p.new) })
	p.db.segments.cache.forget(p.old)
	if err != nil {
		return err
	}
	for i, r := range p.new {
		rest := p.blocks[i]
		for n := range r.columns() {
			for k := range r.rec.Blocks(n) {
				p.db.segments.cache.offer(r, n, k, rest[0])
				rest = rest[1:]
			}
		}
	}
	return nil
}

// hidden notes that there is a pair under a key, and reports whether a new segment
// covers it.
func (p *packer) hidden(key []byte) bool {
	r := find(p.new, key)
	if r != nil {
		r.pairs.Store(somePairs)
	}
	return r != nil
}

// clear removes the pairs that are packed now; those that are not as they were seen
// stay, over the segments.
func (p *packer) clear(ctx context.Context, now *Tx, b *kv.Batch) error {
	// Few are removed one by one.
	const few = 64
	whole := p.seen.len() > few
	if whole {
		b.DeleteRange(kv.Data, p.start, p.end)
	}
	n := 0
	// vanished takes the pair seen next: it was deleted meanwhile.
	vanished := func() {
		if k := p.seen.key(n); !isGone(p.seen.value(n)) && p.hidden(k) {
			b.Put(kv.Data, k, gone)
		}
		n++
	}
	// What was seen may go beyond the end.
	more := func() bool { return n < p.seen.len() && bytes.Compare(p.seen.key(n), p.end) < 0 }
	sc := now.Scan(kv.Data, kv.Range{Start: p.start, End: p.end, NoCache: true})
	defer sc.Close()
	for {
		c, err := sc.Next(ctx)
		if err != nil {
			return err
		}
		for i := range c.Len() {
			k, v := c.Key(i), c.Value(i)
			for more() && bytes.Compare(p.seen.key(n), k) < 0 {
				vanished()
			}
			same := more() && bytes.Equal(p.seen.key(n), k)
			packed := same && bytes.Equal(p.seen.value(n), v)
			if same {
				n++
			}
			switch {
			case packed && !whole:
				b.Delete(kv.Data, k)
			case packed:
			case isGone(v) && find(p.new, k) == nil:
				if !whole {
					b.Delete(kv.Data, k)
				}
			default:
				p.hidden(k)
				if whole {
					b.Put(kv.Data, k, v)
				}
			}
		}
		if c.Len() == 0 {
			for more() {
				vanished()
			}
			return nil
		}
	}
}
