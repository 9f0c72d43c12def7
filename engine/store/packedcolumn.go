package store

import (
	"context"

	"github.com/kalamgo/kalam/engine/types"
)

// packedColumn is a column of a segment that is being read, by one goroutine. Short queries
// have one for each column of each segment that they meet: it is small.
type packedColumn struct {
	*cachedColumn       // nil: it has several blocks, pages of so many rows
	read          int32 // values that block.read does not count
	counted       bool  // enough of them were

	n, page int32           // n: in the segment's record
	first   int32           // of the pages that are at hand
	pages   []*cachedColumn // those
	one     [1]*cachedColumn
}

// openPages has pages first, inclusive, to end, exclusive, of a column at hand.
func (o *openRun) openPages(ctx context.Context, c *packedColumn, first, end int) error {
	had := int(c.first)
	if first >= had && end <= had+len(c.pages) {
		return nil
	}
	pages := c.one[:]
	if end-first > 1 {
		pages = make([]*cachedColumn, end-first)
	}
	for i := range pages {
		if k := first + i - had; k >= 0 && k < len(c.pages) {
			pages[i] = c.pages[k]
		} else {
			pages[i] = nil
		}
	}
	c.first, c.pages = int32(first), pages
	if err := o.r.db.readBlocks(ctx, o.r.blocks, o.packedRun, int(c.n), first, pages); err != nil {
		c.pages = nil
		return err
	}
	return nil
}

// appendValues appends to v values from, inclusive, to to, exclusive, of a column; backwards from
// the last.
func (o *openRun) appendValues(ctx context.Context, c *packedColumn, v *types.Vector, from, to int, backwards bool) error {
	if from >= to {
		return nil
	}
	if c.page == 0 {
		if c.block != nil {
			c.count(o.r.db, to-from, v.Type)
		}
		if c.block != nil {
			c.block.Append(v, from, to, backwards)
		} else {
			v.AppendRange(c.vector, from, to, backwards)
		}
		return nil
	}
	page := int(c.page)
	first, end := from/page, (to-1)/page+1
	if err := o.openPages(ctx, c, first, end); err != nil {
		return err
	}
	for i := range end - first {
		k := first + i
		if backwards {
			k = end - 1 - i
		}
		start := k * page
		c.pages[k-int(c.first)].block.Append(v, max(from-start, 0), min(to-start, page), backwards)
	}
	return nil
}

// count notes that n values of the block are read, as values of type t. It is decoded when so
// many were read as it has: once is no more work than decoding it.
func (c *packedColumn) count(db *DB, n int, t types.Type) {
	if c.read += int32(n); c.read < types.BatchRows || c.counted || c.block.Ready() {
		return
	}
	if c.cachedColumn.read.Add(int64(c.read)) > int64(c.block.Rows()) {
		c.cachedColumn, c.counted = db.decoded(c.cachedColumn, t), true
	}
	c.read = 0
}

// place is where a packed row has a value of a column: its number there.
type place struct {
	*cachedColumn
	at int
}

func (p place) value() types.Value {
	if p.block != nil {
		return p.block.Value(p.at)
	}
	return p.vector.Value(p.at)
}

// place returns where row i has its value.
func (o *openRun) place(ctx context.Context, c *packedColumn, i int) (place, error) {
	page := int(c.page)
	if page == 0 {
		return place{c.cachedColumn, i}, nil
	}
	k := i / page
	if err := o.openPages(ctx, c, k, k+1); err != nil {
		return place{}, err
	}
	return place{c.pages[k-int(c.first)], i - k*page}, nil
}

// integer returns the 64 bits of integer i. Columns of integers have one block.
func (c *packedColumn) integer(i int) uint64 {
	switch {
	case c.block != nil:
		return c.block.Integer(i)
	case len(c.vector.Int64s) > 0:
		return uint64(c.vector.Int64s[i])
	}
	return c.vector.Uint64s[i]
}

// hasNulls reports whether a column of one block has NULLs.
func (c *packedColumn) hasNulls() bool {
	if c.block != nil {
		return c.block.HasNulls()
	}
	return c.vector.Valid != nil
}
