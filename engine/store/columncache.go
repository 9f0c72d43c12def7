package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/segment"
	"github.com/kalamgo/kalam/engine/types"
)

// errSegment is the complaint about a segment that can't be read.
var errSegment = errors.New("damaged segment")

// columnCache keeps decoded columns of segments, as long as they take no more than a
// budget: by CLOCK, so that a hit costs no lock.
type columnCache struct {
	budget int64

	mu   sync.Mutex
	used int64
	ring []*cachedColumn
	hand int
}

// cachedColumn is a column of a segment, or the encoded keys of its rows. It never
// changes, and may be read after it was dropped from the cache.
type cachedColumn struct {
	run    *packedRun
	slot   int // in run.cached
	bytes  int64
	used   atomic.Bool // since the hand passed
	vector *types.Vector
}

// add puts a column into the cache, unless it is too large for that.
func (c *columnCache) add(x *cachedColumn) {
	if x.bytes > c.budget/4 {
		return
	}
	x.used.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.run.cached[x.slot].Load() != nil {
		return // somebody was faster
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
		old.run.cached[old.slot].Store(nil)
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
func (p *packedRun) get(slot int) *types.Vector {
	x := p.cached[slot].Load()
	if x == nil {
		return nil
	}
	if !x.used.Load() {
		x.used.Store(true)
	}
	return x.vector
}

// vectorBytes returns about how much memory a vector takes.
func vectorBytes(v *types.Vector) int64 {
	return int64(8*(cap(v.Int64s)+cap(v.Uint64s)+cap(v.Float64s)) + 4*cap(v.Offsets) + cap(v.Data) + cap(v.Valid) + 128)
}

// column returns column n of a segment, whose values are of the physical form of t,
// for reading. rd is a snapshot that has the segment.
func (db *DB) column(ctx context.Context, rd kv.Reader, p *packedRun, n int, t types.Type) (*types.Vector, error) {
	if v := p.get(n); v != nil {
		return v, nil
	}
	c := &p.rec.Columns[n]
	if c.Phys != t.Physical() {
		return nil, errSegment
	}
	block, ok, err := rd.Get(ctx, kv.Data, p.blockKey(p.table, c.ID))
	if err != nil {
		return nil, err
	}
	v := &types.Vector{Type: t}
	if !ok || segment.Decode(block, v, p.rec.Rows) != nil {
		return nil, errSegment
	}
	db.segments.cache.add(&cachedColumn{run: p, slot: n, bytes: vectorBytes(v), vector: v})
	return v, nil
}
