package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/segment"
	"github.com/kalamgo/kalam/engine/types"
)

// errSegment is the complaint about a segment that can't be read.
var errSegment = errors.New("damaged segment")

// columnCache keeps columns of segments, as their blocks have them and decoded, as long
// as they take no more than a budget: by CLOCK, so that a hit costs no lock.
type columnCache struct {
	budget int64

	mu   sync.Mutex
	used int64
	ring []*cachedColumn
	hand int
}

// cachedColumn is a column of a segment. It may be read after it was dropped from the
// cache.
type cachedColumn struct {
	run   *packedRun
	slot  int // in run.cached
	bytes int64
	used  atomic.Bool // since the hand passed

	// One of them.
	block  *segment.Block
	vector *types.Vector
	image  *image

	at uint64 // of an image, or its column: see packedRun.still

	read atomic.Int64 // values of block, but for few at a time
}

// add puts a column into the cache, unless it is too large for that; without evict, only
// where there is room.
func (c *columnCache) add(x *cachedColumn, evict bool) {
	if x.bytes > c.budget/4 {
		return
	}
	x.used.Store(evict)
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := x.run.cached[x.slot].Load(); old != nil {
		if old.at == x.at {
			return // somebody was faster
		}
		old.used.Store(false)
	}
	if !evict && c.used+x.bytes > c.budget {
		return
	}
	for c.used+x.bytes > c.budget && len(c.ring) > 0 {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		old := c.ring[c.hand]
		if old.used.Swap(false) {
			c.hand++
			continue
		}
		old.run.cached[old.slot].CompareAndSwap(old, nil) // unless there is a newer one
		c.used -= old.bytes
		last := len(c.ring) - 1
		c.ring[c.hand] = c.ring[last]
		c.ring[last] = nil
		c.ring = c.ring[:last]
	}
	x.run.cached[x.slot].Store(x)
	c.ring = append(c.ring, x)
	c.used += x.bytes
}

// forget drops what the cache has of segments that are no more.
func (c *columnCache) forget(runs []*packedRun) {
	for _, r := range runs {
		for i := range r.cached {
			if x := r.cached[i].Load(); x != nil {
				x.used.Store(false)
			}
		}
	}
}

// get returns what is cached in a slot, or nil.
func (p *packedRun) get(slot int) *cachedColumn {
	x := p.cached[slot].Load()
	if x != nil && !x.used.Load() {
		x.used.Store(true)
	}
	return x
}

// vectorBytes returns about how much memory a vector takes.
func vectorBytes(v *types.Vector) int64 {
	return int64(8*(cap(v.Int64s)+cap(v.Uint64s)+cap(v.Float64s)) + 4*cap(v.Offsets) + cap(v.Data) + cap(v.Valid) + 128)
}

// column returns column n of a segment, whose values are of the physical form of t,
// for reading. rd is a snapshot that has the segment.
func (db *DB) column(ctx context.Context, rd kv.Reader, p *packedRun, n int, t types.Type) (*cachedColumn, error) {
	c := &p.rec.Columns[n]
	if c.Phys != t.Physical() {
		return nil, errSegment
	}
	// Decoded columns are behind the blocks.
	for _, slot := range [...]int{p.columns() + n, n} {
		if x := p.get(slot); x != nil {
			return x, nil
		}
	}
	bytes, ok, err := rd.Get(ctx, kv.Data, p.blockKey(p.table, c.ID))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errSegment
	}
	x, err := openColumn(p, n, bytes)
	if err != nil {
		return nil, errSegment
	}
	db.segments.cache.add(x, true)
	return x, nil
}

// openColumn opens the block of column n.
func openColumn(p *packedRun, n int, bytes []byte) (*cachedColumn, error) {
	block, err := segment.Open(bytes, p.rec.Columns[n].Phys, p.rec.Rows)
	if err != nil {
		return nil, err
	}
	return &cachedColumn{run: p, slot: n, bytes: int64(block.Bytes()), block: block}, nil
}

// offer has the cache take the block of a column that was just made, if there is room.
func (c *columnCache) offer(p *packedRun, n int, bytes []byte) {
	if x, err := openColumn(p, n, slices.Clone(bytes)); err == nil {
		c.add(x, false)
	}
}

// decoded returns x decoded.
func (db *DB) decoded(x *cachedColumn, t types.Type) *cachedColumn {
	slot := x.run.columns() + x.slot
	if d := x.run.get(slot); d != nil {
		return d
	}
	v := types.NewVector(t, x.block.Rows())
	x.block.Append(v, 0, x.block.Rows(), false)
	d := &cachedColumn{run: x.run, slot: slot, bytes: vectorBytes(v), vector: v}
	db.segments.cache.add(d, true)
	return d
}

// packedColumn is a column of a segment that is being read, by one goroutine.
type packedColumn struct {
	*cachedColumn
	t    types.Type
	read int // values that block.read does not count
}

// append appends values from, inclusive, to to, exclusive, to v; backwards from the last.
func (c *packedColumn) append(db *DB, v *types.Vector, from, to int, backwards bool) {
	if c.block != nil {
		c.count(db, to-from)
	}
	if c.block != nil {
		c.block.Append(v, from, to, backwards)
	} else {
		v.AppendRange(c.vector, from, to, backwards)
	}
}

// count notes that n values of the block are read. It is decoded when so many were read as
// it has: once is no more work than decoding it.
func (c *packedColumn) count(db *DB, n int) {
	if c.read += n; c.read < types.BatchRows || c.block.Ready() {
		return
	}
	if c.cachedColumn.read.Add(int64(c.read)) > int64(c.block.Rows()) {
		c.cachedColumn = db.decoded(c.cachedColumn, c.t)
	}
	c.read = 0
}

// value returns value i.
func (c *packedColumn) value(i int) types.Value {
	if c.block != nil {
		return c.block.Value(i)
	}
	return c.vector.Value(i)
}

// integer returns the 64 bits of integer i.
func (c *packedColumn) integer(i int) uint64 {
	switch {
	case c.block != nil:
		return c.block.Integer(i)
	case len(c.vector.Int64s) > 0:
		return uint64(c.vector.Int64s[i])
	}
	return c.vector.Uint64s[i]
}

func (c *packedColumn) hasNulls() bool {
	if c.block != nil {
		return c.block.HasNulls()
	}
	return c.vector.Valid != nil
}
