package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/segment"
	"github.com/kalamgo/kalam/engine/types"
)

// segments reads all segments. Those that can't be read are left out of what is checked
// afterwards.
func (c *checker) segments(ctx context.Context) error {
	if !c.r.packs() {
		return nil
	}
	for _, r := range c.tx.runs(c.l.t.StorageID()) {
		why := ""
		if !c.o.Quick || r.rec == nil {
			var err error
			if why, err = checkRun(ctx, c.tx, c.l, r); err != nil {
				return err
			}
		}
		if why != "" {
			user, elements, err := c.r.cutUser(r.elements())
			if err != nil {
				user, elements = nil, r.elements()
			}
			c.report("PRIMARY", user, elements, "%s", why)
			c.r.unreadable = append(c.r.unreadable, r)
		}
	}
	if c.o.Quick || len(c.r.unreadable) > 0 {
		return nil
	}
	return c.eachStrayBlock(ctx, func(key []byte) {
		c.report("PRIMARY", nil, key[prefixBytes:], "There is a block that no segment has")
	})
}

// eachStrayBlock calls f with the key of each block that no segment has.
func (c *checker) eachStrayBlock(ctx context.Context, f func(key []byte)) error {
	if !c.r.packs() {
		return nil
	}
	known := map[string]bool{}
	for _, r := range c.tx.runs(c.l.t.StorageID()) {
		_ = r.eachBlock(r.table, func(_, _ int, key []byte) error {
			known[string(key)] = true
			return nil
		})
	}
	prefix := appendPrefix(nil, c.l.t.StorageID(), segmentBlocks, nil)
	return c.r.eachChunk(ctx, prefix, false, func(chunk *kv.Chunk) error {
		for i := range chunk.Len() {
			if k := chunk.Key(i); !known[string(k)] {
				f(k)
			}
		}
		return nil
	})
}

// checkRun returns what is wrong with a segment, "" when nothing is.
func checkRun(ctx context.Context, tx *Tx, l *layout, r *packedRun) (why string, err error) {
	if r.rec == nil {
		return "The record of a segment can't be read", nil
	}
	told := func(format string, args ...any) (string, error) {
		return fmt.Sprintf("Segment of %d rows can't be read: ", r.rec.Rows) + fmt.Sprintf(format, args...), nil
	}
	for i, c := range r.rec.Columns {
		v, size := types.NewVector(typeOfForm(c.Phys), r.rec.Rows), 0
		for k := range r.rec.Blocks(i) {
			block, ok, err := tx.snap.Get(ctx, kv.Data, r.blockKey(r.table, c.ID, k))
			switch {
			case err != nil && sqlerr.As(err) != nil && sqlerr.As(err).Kind == sqlerr.Corrupt:
				return told("column number %d: %v", c.ID, err)
			case err != nil:
				return "", err
			case !ok:
				return told("a block of column number %d is lost", c.ID)
			}
			b, err := segment.Open(block, c.Phys, r.rec.BlockRows(i, k))
			if err != nil {
				return told("a block of column number %d is damaged", c.ID)
			}
			b.Append(v, 0, b.Rows(), false)
			size += len(block)
		}
		if size != c.Size {
			return told("the blocks of column number %d are of another size than the record says", c.ID)
		}
		least, most := segment.Bounds(v)
		if segment.Nulls(v) != c.Nulls || !c.Min.IsNull() && !(sameValue(least, c.Min) && sameValue(most, c.Max)) {
			return told("its record is not right about column number %d", r.rec.Columns[i].ID)
		}
	}
	rd := &rowReader{Reader: tx, db: tx.db, l: l, snap: tx.snap.Snapshot, blocks: tx.snap.Snapshot, runs: []*packedRun{r}}
	o := rd.open(r)
	n, err := o.userLen()
	if err == nil {
		err = o.openKeys(ctx)
	}
	if err != nil {
		return told("%v", err)
	}
	last := bytes.Clone(r.from)
	for i := range r.rec.Rows {
		elements, err := o.keyAt(ctx, i)
		if err != nil {
			return told("%v", err)
		}
		k := append(bytes.Clone(r.from[:prefixBytes+n]), elements...)
		if c := bytes.Compare(last, k); c > 0 || c == 0 && i > 0 {
			return told("its rows are out of order")
		}
		last = k
	}
	if !bytes.Equal(last, r.to) {
		return told("its last row is another than the record says")
	}
	return "", nil
}

// typeOfForm returns a type whose values are of a physical form.
func typeOfForm(p types.Physical) types.Type {
	switch p {
	case types.PhysInt64:
		return types.Int64Type
	case types.PhysUint64:
		return types.Uint64Type
	case types.PhysFloat64:
		return types.Float64Type
	case types.PhysBytes:
		return types.BytesType
	}
	return types.NullType
}

// sameValue reports whether two values of one form are the same.
func sameValue(a, b types.Value) bool {
	if a.Physical() == types.PhysBytes && b.Physical() == types.PhysBytes {
		return bytes.Equal(a.Bytes(), b.Bytes())
	}
	return a.Physical() == b.Physical() && (a.Physical() == types.PhysFloat64 && a.Float() == b.Float() || a.Int() == b.Int())
}
