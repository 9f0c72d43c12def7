package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// Checkpoint makes a directory, which must not exist and be on the database's
// file system, with a copy of the database to be read. name tells the database
// from others.
func (db *DB) Checkpoint(ctx context.Context, dir string) (name string, err error) {
	c, ok := db.kv.(kv.Checkpointer)
	if !ok {
		return "", sqlerr.Unsupported("a checkpoint of a database in memory")
	}
	return c.Checkpoint(ctx, dir)
}

// copyBytes is about how much a copy writes at once.
const copyBytes = 4 << 20

// CopyTable copies all that is kept of t, as from sees it, to another database,
// where it becomes the table with the given id, whose Storage is 0. Entries of
// indexes that t does not have, such as one being built, are left out. It counts
// there once a commit, in which Adopt was called, puts the table into the catalogue.
// step, if not nil, is called with the bytes copied. When it fails, Abandon removes
// what it copied.
func CopyTable(ctx context.Context, from *Tx, t *schema.Table, to *DB, id uint32, step func(bytes int64)) error {
	var b kv.Batch
	b.Put(kv.Meta, pendingKey(id, wholeTable), nil)
	flush := func() error {
		n := len(b.Bytes())
		err := to.write(ctx, &b, kv.NoSync)
		b.Reset()
		if err == nil && step != nil {
			step(int64(n))
		}
		return err
	}
	runs, err := from.whole(ctx, t)
	if err != nil {
		return err
	}
	// move copies the keys that begin with prefix, which has the table's id at at.
	move := func(s kv.Space, prefix []byte, at int) error {
		end := edge(prefix, true)
		sc := from.Scan(s, kv.Range{Start: prefix, End: end, NoCache: true})
		defer sc.Close()
		var key []byte
		for {
			c, err := sc.Next(ctx)
			if err != nil {
				return err
			}
			for i := range c.Len() {
				if s == kv.Data && isRow(c.Key(i)) && isGone(c.Value(i)) && find(runs, c.Key(i)) == nil {
					continue // of a segment that is lost
				}
				key = append(key[:0], c.Key(i)...)
				binary.BigEndian.PutUint32(key[at:], id)
				b.Put(s, key, c.Value(i))
			}
			if c.Len() == 0 || len(b.Bytes()) >= copyBytes {
				if err := flush(); err != nil || c.Len() == 0 {
					return err
				}
			}
		}
	}
	kept := []uint32{schema.PrimaryIndexID, deletedRows, setAside}
	for _, d := range newLayout(t).secondary {
		kept = append(kept, d.id)
	}
	for _, index := range kept {
		if err := move(spaceOf(t), appendPrefix(nil, t.StorageID(), index, nil), 0); err != nil {
			return err
		}
	}
	if err := move(kv.Meta, sequencePrefix(t.ID, 0, nil)[:1+4], 1); err != nil || len(runs) == 0 {
		return err
	}
	for _, r := range runs {
		err := r.eachBlock(r.table, func(n, k int, key []byte) error {
			block, ok, err := from.Get(ctx, kv.Data, key)
			if err != nil {
				return err
			}
			if !ok {
				return from.db.layout(t).corrupt(errSegment)
			}
			if b.Put(kv.Data, r.blockKey(id, r.rec.Columns[n].ID, k), block); len(b.Bytes()) >= copyBytes {
				return flush()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	copied := make([]*packedRun, len(runs))
	for i, r := range runs {
		value := r.rec.Append(nil)
		copied[i] = newPackedRun(id, r.elements(), r.rec, 0)
		copied[i].size += len(copied[i].recordKey()) + len(value)
		b.Put(kv.Meta, copied[i].recordKey(), value)
	}
	return to.segments.change(flush, func(dir directory) { dir.set(id, copied) })
}

// whole returns the segments of a table. Of a database that is salvaged those that can't
// be read are left out, and told of; those whose records are lost are there again.
func (tx *Tx) whole(ctx context.Context, t *schema.Table) ([]*packedRun, error) {
	runs := tx.runs(t.StorageID())
	l := tx.db.layout(t)
	if tx.db.salvaged == nil {
		if slices.ContainsFunc(runs, func(r *packedRun) bool { return r.rec == nil }) {
			return nil, l.corrupt(errSegment)
		}
		return runs, nil
	}
	whole, err := tx.AllUsers(t).relation.lostRuns(ctx)
	if err != nil {
		return nil, l.corrupt(err)
	}
	for _, p := range whole {
		tx.db.salvaged(fmt.Sprintf("table %s: the record of a segment of %d rows was lost", t.QualifiedName(), p.rec.Rows))
	}
	for _, r := range runs {
		if r.rec == nil && find(whole, r.from) != nil {
			continue
		}
		why, err := checkRun(ctx, tx, l, r)
		if err != nil {
			return nil, err
		}
		if why == "" {
			whole = append(whole, r)
		} else {
			tx.db.salvaged(fmt.Sprintf("table %s: %s", t.QualifiedName(), why))
		}
	}
	slices.SortFunc(whole, func(a, b *packedRun) int { return bytes.Compare(a.from, b.from) })
	return whole, nil
}

// RowsVersion returns the greatest schema version that a table's rows were written under.
func RowsVersion(ctx context.Context, tx *Tx, t *schema.Table) (newest uint32, err error) {
	for _, index := range []uint32{rowsIndex, deletedRows} {
		err := eachPair(ctx, tx, spaceOf(t), appendPrefix(nil, t.StorageID(), index, nil), func(_, row []byte) error {
			if len(row) > 1 && endWidth(row[0]) > 0 {
				if v, _ := binary.Uvarint(row[1:]); v < math.MaxUint32 {
					newest = max(newest, uint32(v))
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	for _, r := range tx.runs(t.StorageID()) {
		if r.rec != nil {
			newest = max(newest, r.rec.Version)
		}
	}
	return newest, nil
}

// Provisional makes what is kept of a table go when the database is opened the next time,
// from tx's commit on, unless it is adopted until then.
func Provisional(tx *Tx, id uint32) { tx.Put(kv.Meta, pendingKey(id, wholeTable), nil) }

// Adopt makes a table that CopyTable copied, or a provisional one, stay, with tx's commit.
func Adopt(tx *Tx, id uint32) { tx.Delete(kv.Meta, pendingKey(id, wholeTable)) }

// Abandon removes what CopyTable copied, and what is kept of a provisional table.
func Abandon(ctx context.Context, db *DB, id uint32) error {
	db.forget(id)
	var b kv.Batch
	p := pending{id, wholeTable}
	p.discard(&b, kv.Data, kv.Stream)
	return db.writeDiscarded(ctx, &b, p)
}
