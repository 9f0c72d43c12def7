package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sort"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
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

	image        *image // nil: the rows are the segment's
	imageColumns map[int]*imageColumn

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
	if len(o.columns) == 0 {
		n := len(o.rec.Columns)
		o.columns = slices.Grow(o.columns, n)[:n]
	}
	c := &o.columns[n]
	if c.cachedColumn != nil || c.page > 0 {
		return c, nil
	}
	if o.rec.Columns[n].Phys != t.Physical() {
		return nil, errSegment
	}
	if page := o.rec.Columns[n].Page; page > 0 {
		c.n, c.page = int32(n), int32(page)
		return c, nil
	}
	x, err := o.r.db.column(ctx, o.r.blocks, o.packedRun, n)
	if err != nil {
		return nil, err
	}
	c.cachedColumn = x
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
	if len(o.keys) > 0 {
		return nil
	}
	parts := o.l.primary.parts
	keys := slices.Grow(o.keys, len(parts))[:len(parts)]
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
func (o *openRun) keyAt(ctx context.Context, i int) ([]byte, error) {
	o.key = o.key[:0]
	for n, c := range o.keys {
		p, err := o.place(ctx, c, i)
		if err != nil {
			return nil, err
		}
		if o.key, err = o.l.primary.parts[n].appendValue(o.key, p.value()); err != nil {
			return nil, err
		}
	}
	return o.key, nil
}

// find returns the first row whose key has elements that are not less, and whether
// it has those. openKeys comes before.
func (o *openRun) find(ctx context.Context, elements []byte) (i int, found bool, err error) {
	return o.search(ctx, elements, 0, o.count())
}

// seek is find among rows lo, inclusive, to hi, exclusive, for what is likely lo, or near.
func (o *openRun) seek(ctx context.Context, elements []byte, lo, hi int) (i int, found bool, err error) {
	for step := 0; lo+step < hi; step = 2*step + 1 {
		if o.numbers == len(o.keys) && (step > 0 || o.numbers == 1) {
			break // search is as fast
		}
		k, err := o.keyAt(ctx, lo+step)
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
	return o.search(ctx, elements, lo, hi)
}

// search is find among rows lo, inclusive, to hi, exclusive.
func (o *openRun) search(ctx context.Context, elements []byte, lo, hi int) (i int, found bool, err error) {
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
		k, err := o.keyAt(ctx, middle)
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
		return o.appendImage(ctx, v, ordinal, from, to, backwards)
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
		return o.appendValues(ctx, src, v, from, to, backwards)
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

// placeIn is place in a column by its ordinal; it has no cachedColumn where the segment's image is read,
// or its values are not kept.
func (o *openRun) placeIn(ctx context.Context, ordinal, i int) (place, error) {
	if o.image != nil || ordinal >= len(o.l.types) {
		return place{}, nil
	}
	col := &o.l.t.Columns[ordinal]
	c, err := o.column(ctx, col.ID, col.Type)
	if c == nil || err != nil {
		return place{}, err
	}
	if c.page == 0 && c.block != nil {
		c.count(o.r.db, 1, col.Type)
	}
	return o.place(ctx, c, i)
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
			err = o.appendValues(ctx, c, v, from, to, false)
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
