package exec

import (
	"slices"
	"sort"

	"github.com/kalamgo/kalam/engine/types"
)

// windowRows keeps a partition's rows, numbered from 0, in chunks: in memory,
// and when that is full in a file, of which the chunks read last stay at hand.
type windowRows struct {
	types  []types.Type
	chunks []*windowChunk
	n      int
	mem    account
	file   spillFile
	keep   int   // chunks of the file that stay at hand
	loaded []int // these, the one read longest ago first
	last   int   // the chunk that was asked for last
	size   int64 // bytes of the closed chunks in memory
	args   []*types.Vector
	views  []*types.Vector // parts of columns, for args
}

// windowChunk is rows from first on.
type windowChunk struct {
	first  int
	n      int
	batch  *types.Batch // nil: not at hand
	stream spillStream
}

// append adds rows [from, to) of b.
func (r *windowRows) append(b *types.Batch, from, to int) error {
	for from < to {
		c, err := r.open()
		if err != nil {
			return err
		}
		k := min(to-from, types.BatchRows-c.n)
		for i, v := range c.batch.Columns {
			appendRange(v, b.Columns[i], from, from+k)
		}
		c.n += k
		c.batch.Len = c.n
		r.n += k
		from += k
	}
	return nil
}

// open returns the chunk that takes the next row.
func (r *windowRows) open() (*windowChunk, error) {
	if len(r.chunks) > 0 {
		c := r.chunks[len(r.chunks)-1]
		if c.n == 0 || c.n < types.BatchRows && (c.n%64 != 0 || batchBytes(c.batch) < types.BatchBytes) {
			return c, nil
		}
		r.size += batchBytes(c.batch)
		r.mem.set(r.size)
		if r.mem.full() {
			if err := r.spill(); err != nil {
				return nil, err
			}
		}
	}
	c := &windowChunk{first: r.n, batch: emptyBatch(r.types)}
	r.chunks = append(r.chunks, c)
	return c, nil
}

// spill writes the chunks in memory to the file.
func (r *windowRows) spill() error {
	for _, c := range r.chunks {
		if c.batch == nil {
			continue
		}
		if err := r.file.write(&c.stream, c.batch); err != nil {
			return err
		}
		c.batch = nil
	}
	r.size = 0
	r.mem.set(0)
	return nil
}

// at returns where row i is. The batch is valid until keep further chunks were
// asked for.
func (r *windowRows) at(i int) (*types.Batch, int, error) {
	c := r.chunks[r.last]
	if i < c.first || i >= c.first+c.n {
		r.last = sort.Search(len(r.chunks), func(k int) bool { return r.chunks[k].first > i }) - 1
		c = r.chunks[r.last]
		if at := slices.Index(r.loaded, r.last); at >= 0 {
			r.loaded = append(slices.Delete(r.loaded, at, at+1), r.last)
		}
	}
	if c.batch == nil {
		if err := r.load(c); err != nil {
			return nil, 0, err
		}
	}
	return c.batch, i - c.first, nil
}

// load reads a chunk from the file.
func (r *windowRows) load(c *windowChunk) error {
	var b *types.Batch
	if len(r.loaded) == r.keep {
		old := r.chunks[r.loaded[0]]
		b, old.batch = old.batch, nil
		r.loaded = r.loaded[:copy(r.loaded, r.loaded[1:])]
	} else {
		b = emptyBatch(r.types)
	}
	if err := r.file.read(&c.stream, 0, b); err != nil {
		return err
	}
	c.batch = b
	r.loaded = append(r.loaded, r.last)
	return nil
}

// compare orders rows i and j by columns.
func (r *windowRows) compare(o *rowOrder, i, j int) (int, error) {
	x, xi, err := r.at(i)
	if err != nil {
		return 0, err
	}
	y, yj, err := r.at(j)
	if err != nil {
		return 0, err
	}
	return o.compare(x, xi, y, yj, 0), nil
}

// compareColumns orders row i by column a and row j by column b, which have one
// type.
func (r *windowRows) compareColumns(i, a, j, b int) (int, error) {
	x, xi, err := r.at(i)
	if err != nil {
		return 0, err
	}
	y, yj, err := r.at(j)
	if err != nil {
		return 0, err
	}
	return types.CompareVec(x.Columns[a], xi, y.Columns[b], yj), nil
}

// each calls f with the columns cols of rows [from, to), piece by piece.
func (r *windowRows) each(cols []int, from, to int, f func(args []*types.Vector, n int) error) error {
	for len(r.views) < len(cols) {
		r.views = append(r.views, &types.Vector{})
	}
	args := r.args
	for from < to {
		b, at, err := r.at(from)
		if err != nil {
			return err
		}
		k := min(to-from, b.Len-at)
		args = args[:0]
		for i, c := range cols {
			v := b.Columns[c]
			if k < b.Len {
				v.SliceInto(r.views[i], at, at+k)
				v = r.views[i]
			}
			args = append(args, v)
		}
		r.args = args
		if err := f(args, k); err != nil {
			return err
		}
		from += k
	}
	return nil
}

// reset drops all rows; a first chunk's memory stays for the next partition.
func (r *windowRows) reset() error {
	if len(r.chunks) > 1 || len(r.chunks) == 1 && r.chunks[0].batch == nil {
		r.chunks = nil
	} else if len(r.chunks) == 1 {
		r.chunks[0].n = 0
		r.chunks[0].batch.Reset()
	}
	r.n, r.last, r.size = 0, 0, 0
	r.loaded = slices.Delete(r.loaded, 0, len(r.loaded))
	r.mem.set(0)
	return r.file.Close()
}
