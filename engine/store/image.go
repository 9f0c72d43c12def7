package store

import (
	"bytes"
	"context"
	"slices"
	"sort"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// image is the rows of a segment with the pairs over it, as snapshots have them until
// the next commit there: a scan that comes a second time makes it, and the next ones
// have nothing to merge. Its columns are cached as decoded ones are.
type image struct {
	at    uint64 // what packedRun.still was
	rows  int
	parts []imagePart
	pairs kv.Chunk // keys without what the segment's rows have in common
}

// imagePart is the pairs up to pair, exclusive, and after them rows from, inclusive, to to,
// exclusive, of the segment. They are the image's rows up to end, exclusive.
type imagePart struct{ from, to, pair, end int }

// still reports whether no commit changes pairs over the segment right now, and s sees all
// that did: as any snapshot does for which it returns the same number.
func (p *packedRun) still(s *snapshot) (at uint64, ok bool) {
	if p.writing.Load() > 0 {
		return 0, false
	}
	at = p.written.Load()
	return at, s.written >= at
}

// writes notes that a commit is about to change pairs over the segment.
func (p *packedRun) writes() {
	p.pairs.Store(somePairs)
	p.writing.Add(1)
}

// wrote notes that such a commit is over. written is DB.written since then.
func (p *packedRun) wrote(written uint64) {
	for {
		old := p.written.Load()
		if old >= written || p.written.CompareAndSwap(old, written) {
			break
		}
	}
	p.writing.Add(-1)
}

// imageSlot is where in p.cached the image is; merged columns follow.
func (p *packedRun) imageSlot() int { return 2 * p.columns() }

// An image is made when the reads of the segment since the last change of pairs over it,
// or since it was made before, are worth it: a scan, or so many look-ups.
const imageWorth = 256

// worth counts a read and reports whether it is to have an image as of at.
func (c *columnCache) worth(p *packedRun, at, weight uint64) bool {
	if x := c.get(p, p.imageSlot()); x != nil && x.at == at {
		return true
	}
	const bits = 16
	for {
		old := p.reads.Load()
		sum := uint64(0)
		if old>>bits == at&(1<<(64-bits)-1) {
			sum = old & (1<<bits - 1)
		}
		if sum >= imageWorth {
			return true
		}
		if p.reads.CompareAndSwap(old, at<<bits|(sum+weight)) {
			return false
		}
	}
}

// openImage opens the image of a segment, or the segment if there are no pairs over it.
func (r *rowReader) openImage(ctx context.Context, p *packedRun, at uint64) (*openRun, error) {
	img, err := r.image(ctx, p, at)
	switch {
	case err != nil:
		return nil, err
	case img.bare(p):
		return r.open(p), nil
	case r.lastImage == nil || r.lastImage.packedRun != p:
		r.lastImage = &openRun{packedRun: p, r: r, l: r.l, image: img}
	}
	return r.lastImage, nil
}

// count returns the number of rows.
func (o *openRun) count() int {
	if o.image != nil {
		return o.image.rows
	}
	return o.rec.Rows
}

// image returns the image of a segment as of at, which still returned for the snapshot.
func (r *rowReader) image(ctx context.Context, p *packedRun, at uint64) (*image, error) {
	if x := r.db.segments.cache.get(p, p.imageSlot()); x != nil && x.at == at {
		return x.image, nil
	}
	p.reads.Store(0)
	o := r.open(p)
	if err := o.openKeys(ctx); err != nil {
		return nil, err
	}
	n, err := o.userLen()
	if err != nil {
		return nil, err
	}
	img, row := &image{at: at}, 0
	part := func(to int) {
		img.rows += to - row
		img.parts = append(img.parts, imagePart{row, to, img.pairs.Len(), img.rows + img.pairs.Len()})
	}
	sc := r.Reader.Scan(kv.Data, kv.Range{Start: p.from, End: append(bytes.Clone(p.to), 0)})
	defer sc.Close()
	for {
		c, err := sc.Next(ctx)
		if err != nil {
			return nil, err
		}
		if c.Len() == 0 {
			break
		}
		for i := range c.Len() {
			elements := c.Key(i)[prefixBytes+n:]
			at, found, err := o.seek(ctx, elements, row, p.rec.Rows)
			if err != nil {
				return nil, err
			}
			if at > row {
				part(at)
			}
			if row = at; found {
				row++
			}
			if !isGone(c.Value(i)) {
				img.pairs.Append(elements, c.Value(i))
			}
		}
	}
	part(p.rec.Rows)
	img.rows += img.pairs.Len()
	if img.rows == p.rec.Rows && img.pairs.Len() == 0 {
		p.pairs.CompareAndSwap(unknownPairs, noPairs) // unless a commit was faster
	}
	bytes := int64(cap(img.pairs.Buf) + 4*cap(img.pairs.Pos) + 32*cap(img.parts) + 128)
	r.db.segments.cache.add(&cachedColumn{run: p, slot: p.imageSlot(), bytes: bytes, image: img, at: at})
	return img, nil
}

// bare reports whether there are no pairs.
func (m *image) bare(p *packedRun) bool { return m.pairs.Len() == 0 && m.rows == p.rec.Rows }

// imageColumn is a column of an image that is being read.
type imageColumn struct {
	vector *types.Vector // all of it, nil: not merged
	read   int           // rows that were read without
	pairs  *projection   // nil: not yet
}

// imageColumn returns a column of the image.
func (o *openRun) imageColumn(ordinal int) *imageColumn {
	c := o.imageColumns[ordinal]
	if c == nil {
		c = &imageColumn{}
		if o.imageColumns == nil {
			o.imageColumns = map[int]*imageColumn{}
		}
		o.imageColumns[ordinal] = c
	}
	return c
}

// merged returns all of a column of the image.
func (o *openRun) merged(ctx context.Context, ordinal int) (*types.Vector, error) {
	c := o.imageColumn(ordinal)
	if c.vector != nil {
		return c.vector, nil
	}
	slot, x := o.r.mergedColumn(o.packedRun, ordinal, o.image.at)
	if x != nil {
		return x.vector, nil // which the cache may give up
	}
	v := types.NewVector(o.l.t.At(ordinal).Type, o.image.rows)
	if err := o.merge(ctx, c, v, ordinal, 0, o.image.rows); err != nil {
		return nil, err
	}
	if slot >= 0 {
		o.r.db.segments.cache.add(&cachedColumn{run: o.packedRun, slot: slot, bytes: vectorBytes(v), vector: v, at: o.image.at})
	}
	c.vector = v
	return v, nil
}

// appendImage is appendColumn for an image. A column of which few rows are read, as those that
// a filter picks, is not merged as a whole.
func (o *openRun) appendImage(ctx context.Context, v *types.Vector, ordinal, from, to int, backwards bool) error {
	c := o.imageColumn(ordinal)
	if c.vector == nil && !backwards {
		if c.read += to - from; 8*c.read < o.image.rows {
			if _, x := o.r.mergedColumn(o.packedRun, ordinal, o.image.at); x == nil {
				return o.merge(ctx, c, v, ordinal, from, to)
			}
		}
	}
	m, err := o.merged(ctx, ordinal)
	if err == nil {
		v.AppendRange(m, from, to, backwards)
	}
	return err
}

// mergedColumn returns where in p.cached a column of the image is, -1 where it can't be,
// and the column as of at, if it is there.
func (r *rowReader) mergedColumn(p *packedRun, ordinal int, at uint64) (slot int, x *cachedColumn) {
	if ordinal >= len(r.l.types) {
		return -1, nil
	}
	n := p.rec.Find(r.l.t.Columns[ordinal].ID)
	if n < 0 || p.rec.Columns[n].Phys != r.l.types[ordinal].Physical() {
		return -1, nil
	}
	slot = p.imageSlot() + 1 + n
	if x = r.db.segments.cache.get(p, slot); x != nil && x.at != at {
		x = nil
	}
	return slot, x
}

// merge appends to v what the image's rows from, inclusive, to to, exclusive, have in a column.
func (o *openRun) merge(ctx context.Context, c *imageColumn, v *types.Vector, ordinal, from, to int) error {
	m, segment := o.image, o.r.open(o.packedRun)
	n := sort.Search(len(m.parts), func(n int) bool { return m.parts[n].end > from })
	for row := from; row < to; n++ {
		p := m.parts[n]
		first := p.end - (p.to - p.from) // row of the image that the segment's begin at
		if row < first {
			until := min(to, first)
			if err := o.appendPairs(c, v, ordinal, p.pair-(first-row), p.pair-(first-until)); err != nil {
				return err
			}
			row = until
		}
		if until := min(to, p.end); row < until {
			if err := segment.appendColumn(ctx, v, ordinal, p.from+row-first, p.from+until-first, false); err != nil {
				return err
			}
			row = until
		}
	}
	return nil
}

// appendPairs appends to v what the image's pairs from, inclusive, to to, exclusive, have in a column.
func (o *openRun) appendPairs(c *imageColumn, v *types.Vector, ordinal, from, to int) error {
	if c.pairs == nil {
		p := o.l.newProjection(&o.l.primary, []int{ordinal}, o.r.db.values)
		c.pairs = &p
	}
	keys, values := make([][]byte, to-from), make([][]byte, to-from)
	for i := range keys {
		keys[i], values[i] = o.image.pairs.Key(from+i), o.image.pairs.Value(from+i)
	}
	return c.pairs.decode(keys, values, []*types.Vector{v})
}

// begin begins with the pairs, but for those over segments of which that is known: that
// there are none, or from an image.
func (m *merge) begin(ctx context.Context) error {
	v, ok := m.r.Reader.(*view)
	if !ok || m.rng.Reverse || m.rng.End == nil || v.ranges() == nil || len(m.runs) > 1 && !m.columns {
		m.pairs = m.scan()
		return nil
	}
	var bounds [][]byte
	at := m.rng.Start
	upTo := func(end []byte) {
		if bytes.Compare(at, end) < 0 {
			bounds = append(bounds, at, end)
		}
	}
	if m.columns {
		m.images = make([]uint64, len(m.runs))
	}
	for i, p := range m.runs {
		known := p.pairs.Load() == noPairs
		if len(m.runs) == 1 && !known {
			var err error
			if known, err = m.r.bare(ctx, p); err != nil {
				return err
			}
		}
		if !known && m.columns && p.rec != nil && !m.skip.lacks(p) {
			still, ok := p.still(v.snap)
			if known = ok && m.imaged(p, still); known {
				m.images[i] = still + 1
			}
		}
		if known {
			upTo(p.from)
			at = append(bytes.Clone(p.to), 0)
		}
	}
	upTo(m.rng.End)
	switch len(bounds) {
	case 0:
		m.ended = true
	case 2:
		m.pairs = v.Scan(kv.Data, kv.Range{Start: bounds[0], End: bounds[1], NoCache: m.rng.NoCache})
	default:
		m.pairs = v.ranges().ScanRanges(kv.Data, bounds, false)
	}
	return nil
}

// imaged reports whether the image of a segment as of at serves: a scan of all of it
// makes it, others have to find it.
func (m *merge) imaged(p *packedRun, at uint64) bool {
	if bytes.Compare(m.rng.Start, p.from) <= 0 && bytes.Compare(p.to, m.rng.End) < 0 {
		return m.r.db.segments.cache.worth(p, at, imageWorth)
	}
	if x := m.r.db.segments.cache.get(p, p.imageSlot()); x == nil || x.at != at {
		return false
	}
	lacks := func(ordinal int) bool {
		_, x := m.r.mergedColumn(p, ordinal, at)
		return x == nil
	}
	return !slices.ContainsFunc(m.r.l.primary.parts, func(p part) bool { return lacks(p.Column) })
}

// pair returns the value of the pair with elements, nil when there is none.
func (m *image) pair(elements []byte) []byte {
	i := sort.Search(m.pairs.Len(), func(i int) bool { return bytes.Compare(m.pairs.Key(i), elements) >= 0 })
	if i < m.pairs.Len() && bytes.Equal(m.pairs.Key(i), elements) {
		return m.pairs.Value(i)
	}
	return nil
}

// hides reports whether row i of the segment is gone, or a pair is in its place.
func (m *image) hides(i int) bool {
	n := sort.Search(len(m.parts), func(n int) bool { return m.parts[n].to > i })
	return n == len(m.parts) || m.parts[n].from > i
}

// lookUpImage finds a row in the image of a segment.
func (r *rowReader) lookUpImage(ctx context.Context, p *packedRun, at uint64, key []byte) (f foundRow, err error) {
	img, err := r.image(ctx, p, at)
	if err != nil {
		return f, err
	}
	n, err := r.open(p).userLen()
	if err != nil {
		return f, err
	}
	if f.pair = img.pair(key[prefixBytes+n:]); f.pair != nil {
		return f, nil
	}
	if f.run, f.at, err = r.locate(ctx, p, key); f.run != nil && img.hides(f.at) {
		f.run = nil
	}
	return f, err
}
