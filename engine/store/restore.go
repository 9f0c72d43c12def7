package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/segment"
	"github.com/kalamgo/kalam/engine/types"
)

// RestoreSegments writes anew the records of segments whose own are lost or damaged:
// the blocks tell all that is in them. It reports those segments. Nobody may change
// or pack t meanwhile.
func (db *DB) RestoreSegments(ctx context.Context, t *schema.Table, report func(Problem)) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Close()
	r := tx.AllUsers(t).relation
	lost, err := r.lostRuns(ctx)
	if err != nil || len(lost) == 0 {
		return r.l.corrupt(err)
	}
	table := t.StorageID()
	var b kv.Batch
	var damaged []*packedRun
	for _, p := range lost {
		b.Put(kv.Meta, p.recordKey(), p.rec.Append(nil))
		damaged = append(damaged, overlapping(tx.snap.dir[table], p.from, append(bytes.Clone(p.from), 0))...)
		problem := Problem{Index: "PRIMARY", Key: bytes.Clone(p.elements()), Text: fmt.Sprintf("Segment of %d rows has its record again", p.rec.Rows)}
		if user, elements, err := r.cutUser(p.elements()); err == nil {
			problem.Key = bytes.Clone(elements)
			problem.setUser(user)
		}
		report(problem)
	}
	return db.segments.change(func() error { return db.write(ctx, &b, Sync) },
		func(d directory) { d.replace(table, damaged, lost) })
}

// lostRuns returns the segments of which there are all blocks, but no record that can
// be read, in key order.
func (r *relation) lostRuns(ctx context.Context) ([]*packedRun, error) {
	if !r.packs() {
		return nil, nil
	}
	table := r.l.t.StorageID()
	runs := r.tx.runs(table)
	known := map[string]bool{}
	for _, p := range runs {
		if p.rec != nil {
			known[string(p.elements())] = true
		}
	}
	var lost []*packedRun
	var at []byte // the elements that columns are of
	var columns []lostColumn
	restore := func() error {
		if len(columns) == 0 {
			return nil
		}
		p, err := r.restored(ctx, at, columns)
		columns = columns[:0]
		if err != nil || p == nil {
			return err
		}
		end := append(bytes.Clone(p.to), 0)
		for _, o := range slices.Concat(overlapping(runs, p.from, end), overlapping(lost, p.from, end)) {
			if o.rec != nil {
				return nil // it was replaced
			}
		}
		lost = append(lost, p)
		return nil
	}
	prefix := appendPrefix(nil, table, segmentBlocks, nil)
	err := r.eachChunk(ctx, prefix, false, func(chunk *kv.Chunk) error {
		for i := range chunk.Len() {
			elements, id, ok := r.cutBlockKey(chunk.Key(i))
			if !ok || known[string(elements)] {
				continue
			}
			if !bytes.Equal(elements, at) {
				if err := restore(); err != nil {
					return err
				}
				at = bytes.Clone(elements)
			}
			if n := len(columns); n > 0 && columns[n-1].id == id {
				columns[n-1].blocks++
			} else {
				columns = append(columns, lostColumn{id, 1})
			}
		}
		return nil
	})
	if err == nil {
		err = restore()
	}
	return lost, err
}

// lostColumn is a column of a segment without record, and how many blocks of it there are.
type lostColumn struct {
	id     uint32
	blocks int
}

// cutBlockKey returns what the key of a block has of the first row's, and the column.
func (r *relation) cutBlockKey(key []byte) (elements []byte, column uint32, ok bool) {
	if len(key) < prefixBytes {
		return nil, 0, false
	}
	_, rest, err := r.cutUser(key[prefixBytes:])
	for i := range r.l.primary.parts {
		if err == nil {
			rest, err = r.l.primary.parts[i].skip(rest)
		}
	}
	if err != nil || len(rest) < 4 {
		return nil, 0, false
	}
	return key[prefixBytes : len(key)-len(rest)], binary.BigEndian.Uint32(rest), true
}

// restored makes a segment of the blocks of some columns, by ascending ids; nil where they
// are not all that it had, or damaged.
func (r *relation) restored(ctx context.Context, elements []byte, columns []lostColumn) (*packedRun, error) {
	rec := &segment.Record{Version: r.l.t.Version, Last: elements}
	probe := newPackedRun(r.l.t.StorageID(), elements, nil, 0)
	newest := uint32(0)
	for _, lost := range columns {
		c := segment.Column{ID: lost.id}
		var v *types.Vector
		for k := range lost.blocks {
			bytes, ok, err := r.tx.snap.Get(ctx, kv.Data, probe.blockKey(probe.table, lost.id, k))
			if err != nil {
				return nil, err
			}
			phys, rows, err := segment.Head(bytes)
			if !ok || err != nil || rows == 0 {
				return nil, nil
			}
			block, err := segment.Open(bytes, phys, rows)
			switch {
			case err != nil:
				return nil, nil
			case k == 0:
				c.Phys, v = phys, types.NewVector(typeOfForm(phys), rows)
				if lost.blocks > 1 {
					c.Page = rows
				}
			case phys != c.Phys || phys != types.PhysBytes || rows > c.Page || rows < c.Page && k < lost.blocks-1:
				return nil, nil
			}
			block.Append(v, 0, rows, false)
			c.Size += len(bytes)
		}
		if rec.Rows != 0 && v.Len() != rec.Rows {
			return nil, nil
		}
		rec.Rows = v.Len()
		c.Nulls = segment.Nulls(v)
		c.Min, c.Max = segment.Bounds(v)
		if n := slices.IndexFunc(r.l.stored, func(s storedColumn) bool { return s.id == lost.id }); n >= 0 {
			c.Kept = r.l.stored[n].kept
		}
		if lost.id != updatedColumn {
			newest = lost.id
		}
		rec.Columns = append(rec.Columns, c)
	}
	// Columns that were added later have higher ids.
	for i := range r.l.t.Columns {
		c := &r.l.t.Columns[i]
		n := rec.Find(c.ID)
		if n < 0 && c.ID < newest && !c.Virtual || n >= 0 && rec.Columns[n].Phys != c.Type.Physical() {
			return nil, nil
		}
	}
	if rec.Find(updatedColumn) < 0 {
		return nil, nil
	}
	p := newPackedRun(probe.table, elements, rec, 0)
	o := (&rowReader{Reader: r.tx, db: r.tx.db, l: r.l, snap: r.tx.snap.Snapshot, blocks: r.tx.snap.Snapshot}).open(p)
	n, err := o.userLen()
	if err != nil || o.openKeys(ctx) != nil {
		return nil, nil
	}
	last, err := o.keyAt(ctx, rec.Rows-1)
	if err != nil {
		return nil, nil
	}
	rec.Last = append(bytes.Clone(elements[:n]), last...)
	p = newPackedRun(probe.table, elements, rec, len(p.recordKey())+len(rec.Append(nil)))
	why, err := checkRun(ctx, r.tx, r.l, p)
	if err != nil || why != "" {
		return nil, err
	}
	return p, nil
}
