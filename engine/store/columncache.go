package store

import (
	"context"
	"errors"
	"math"
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
// as they take no more than a budget. Blocks come first: decoded columns have the room
// that is left. Where not all fit, a column takes the place of those only that were not
// used since it was wanted before, so that of what scans read again and again a part
// stays, instead of all being pushed out before it is read next. Hits cost no lock.
type columnCache struct {
	budget int64
	now    atomic.Int64 // the time: how often a column was not there

	mu     sync.Mutex
	bytes  int64
	blocks clock // and images, whose columns take reading pairs too
	copies clock // decoded columns
}

// cacheSlot is where a column is kept.
type cacheSlot struct {
	column atomic.Pointer[cachedColumn] // nil: it is not
	wanted atomic.Int64                 // when last; 0: never
}

// cachedColumn is a column of a segment. It may be read after it was dropped from the
// cache.
type cachedColumn struct {
	run   *packedRun
	slot  int // in run.cached
	bytes int64
	in    *clock // nil: none
	place int    // there

	// One of them.
	block  *segment.Block
	vector *types.Vector
	image  *image

	at uint64 // of an image, or its column: see packedRun.still

	read atomic.Int64 // values of block, but for few at a time
}

func (x *cachedColumn) home() *cacheSlot { return &x.run.cached[x.slot] }

// get returns what is kept in a slot of a segment, or nil.
func (c *columnCache) get(p *packedRun, slot int) *cachedColumn {
	s := &p.cached[slot]
	x := s.column.Load()
	if x != nil {
		if now := c.now.Load(); s.wanted.Load() != now {
			s.wanted.Store(now)
		}
	}
	return x
}

// add keeps a column that was not there, if there is room for it.
func (c *columnCache) add(x *cachedColumn) {
	if c.reserve(x, &c.blocks) {
		c.publish(x)
	}
}

// reserve makes room for a column that was not there, in one of c's clocks, and reports
// whether it could.
func (c *columnCache) reserve(x *cachedColumn, in *clock) bool {
	now := c.now.Add(1)
	return c.makeRoom(x, in, now, max(1, x.home().wanted.Swap(now)))
}

// makeRoom is reserve for a column that was wanted before since some time.
func (c *columnCache) makeRoom(x *cachedColumn, in *clock, now, since int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := x.home().column.Load(); old != nil {
		if old.at == x.at {
			return false // somebody was faster
		}
		c.drop(old)
	}
	if x.bytes > c.budget/4 {
		return false
	}
	for c.bytes+x.bytes > c.budget {
		var old *cachedColumn
		if in == &c.blocks {
			if old = c.copies.idle(math.MaxInt64); old == nil {
				old = c.blocks.idle(since)
			}
		} else if old = c.copies.idle(since); old == nil {
			old = c.blocks.idle(now - blockWorth*(now-since))
		}
		if old == nil {
			return false
		}
		c.drop(old)
	}
	c.bytes += x.bytes
	x.in, x.place = in, len(in.columns)
	in.columns = append(in.columns, x)
	return true
}

// blockWorth is how many times as long as a decoded column was not wanted a block is to
// have been unused to leave it its place: to read and open it is so much more work.
const blockWorth = 64

// publish puts a column where it is found, if its room was not given away.
func (c *columnCache) publish(x *cachedColumn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.in == nil {
		return
	}
	if old := x.home().column.Swap(x); old != nil {
		c.drop(old)
	}
}

// drop takes a column out.
func (c *columnCache) drop(x *cachedColumn) {
	if x.in == nil {
		return
	}
	x.home().column.CompareAndSwap(x, nil) // unless it is not published, or there is a newer one
	c.bytes -= x.bytes
	list := x.in.columns
	last := list[len(list)-1]
	list[x.place], last.place = last, x.place
	list[len(list)-1] = nil
	x.in.columns, x.in = list[:len(list)-1], nil
}

// forget drops what is kept of segments that are no more.
func (c *columnCache) forget(runs []*packedRun) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range runs {
		for i := range r.cached {
			if x := r.cached[i].column.Load(); x != nil {
				c.drop(x)
			}
		}
	}
}

// clock is columns that a hand passes, in search of one that can go.
type clock struct {
	columns []*cachedColumn
	hand    int
}

// idle returns a column that was not used since some time, or nil: it looks at a few.
func (k *clock) idle(since int64) *cachedColumn {
	const looks = 8
	for range min(looks, len(k.columns)) {
		if k.hand >= len(k.columns) {
			k.hand = 0
		}
		x := k.columns[k.hand]
		if x.home().wanted.Load() < since {
			return x
		}
		k.hand++
	}
	return nil
}

// vectorBytes returns about how much memory a vector takes.
func vectorBytes(v *types.Vector) int64 {
	return int64(8*(cap(v.Int64s)+cap(v.Uint64s)+cap(v.Float64s)) + 4*cap(v.Offsets) + cap(v.Data) + cap(v.Valid) + 128)
}

// column returns column n of a segment, which has one block, for reading. rd is a snapshot that
// has the segment.
func (db *DB) column(ctx context.Context, rd kv.Reader, p *packedRun, n int) (*cachedColumn, error) {
	// Who uses a decoded column uses its block too.
	block := db.segments.cache.get(p, n)
	if x := db.segments.cache.get(p, p.columns()+n); x != nil {
		return x, nil
	}
	if block != nil {
		return block, nil
	}
	var read [1]*cachedColumn
	err := db.readBlocks(ctx, rd, p, n, 0, read[:])
	return read[0], err
}

// readBlocks sets those of blocks that are nil to what they are of column n, from block first on.
func (db *DB) readBlocks(ctx context.Context, rd kv.Reader, p *packedRun, n, first int, blocks []*cachedColumn) error {
	var keys [][]byte
	var lacking []int
	for i := range blocks {
		if blocks[i] != nil {
			continue
		}
		if blocks[i] = db.segments.cache.get(p, p.blockSlot(n, first+i)); blocks[i] == nil {
			keys, lacking = append(keys, p.blockKey(p.table, p.rec.Columns[n].ID, first+i)), append(lacking, i)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	values := make([][]byte, len(keys))
	if err := rd.MultiGet(ctx, kv.Data, keys, values); err != nil {
		return err
	}
	for j, i := range lacking {
		if len(keys) > 1 {
			values[j] = slices.Clone(values[j]) // they share their memory
		}
		x, err := openBlock(p, n, first+i, values[j])
		if err != nil {
			return errSegment
		}
		db.segments.cache.add(x)
		blocks[i] = x
	}
	return nil
}

// openBlock opens block k of column n.
func openBlock(p *packedRun, n, k int, bytes []byte) (*cachedColumn, error) {
	var x struct { // side by side: they are read together
		cachedColumn
		opened segment.Block
	}
	if err := x.opened.Open(bytes, p.rec.Columns[n].Phys, p.rec.BlockRows(n, k)); err != nil {
		return nil, err
	}
	x.run, x.slot, x.bytes, x.block = p, p.blockSlot(n, k), int64(x.opened.Bytes()), &x.opened
	return &x.cachedColumn, nil
}

// offer has the cache take a block that was just made, if others leave room: nobody wanted it yet.
func (c *columnCache) offer(p *packedRun, n, k int, bytes []byte) {
	if x, err := openBlock(p, n, k, slices.Clone(bytes)); err == nil && c.makeRoom(x, &c.blocks, 0, 0) {
		c.publish(x)
	}
}

// decoded returns x decoded, if there is room for that, or x.
func (db *DB) decoded(x *cachedColumn, t types.Type) *cachedColumn {
	c, slot := &db.segments.cache, x.run.columns()+x.slot
	if d := c.get(x.run, slot); d != nil {
		return d
	}
	d := &cachedColumn{run: x.run, slot: slot, bytes: int64(x.block.DecodedBytes())}
	if !c.reserve(d, &c.copies) {
		return x
	}
	d.vector = x.block.Decoded(t)
	c.publish(d)
	return d
}
