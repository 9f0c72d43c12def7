package store

import (
	"context"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// buildBytes is about how much a build writes at once.
const buildBytes = 4 << 20

// Rebuild writes the rows of old, and their index entries, anew as those of t,
// whose Storage is another. Deleted rows come last. Nobody may write to the table
// meanwhile. It is written piece by piece and without waiting for the disk, and
// counts from tx's commit on; when an error or a conflict, of two rows with one
// unique key, is returned, it is removed again.
func Rebuild(ctx context.Context, tx *Tx, old, t *schema.Table, convert Converter) (*Conflict, error) {
	b := build{db: tx.db, from: tx.db.layout(old), to: newLayout(t), convert: convert, pending: []pending{{t.StorageID(), wholeTable}}}
	for d := range 1 + len(b.to.secondary) {
		b.defs = append(b.defs, *b.to.def(d))
	}
	conflict, err := b.do(ctx, tx)
	if conflict == nil && err == nil {
		tx.gone = append(tx.gone, old.StorageID())
	}
	return conflict, err
}

// Converter makes rows of a table's new definition of those of the old one. users
// has the user of each, where the table has users.
type Converter func(rows *types.Batch, users *types.Vector, deleted bool) (*types.Batch, error)

// build is what Rebuild and IndexBuild have in common.
type build struct {
	db       *DB
	from, to *layout
	defs     []keyDef  // what is written: rows, and entries
	pending  []pending // as which it is written
	convert  Converter // of Rebuild
	batch    kv.Batch
	row      []byte
}

func (b *build) do(ctx context.Context, tx *Tx) (*Conflict, error) {
	if b.db.readOnly {
		return nil, errReadOnly()
	}
	if err := b.begin(ctx); err != nil {
		return nil, err
	}
	conflict, err := b.run(ctx)
	if conflict != nil || err != nil {
		if e := b.discard(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
		return conflict, err
	}
	b.count(tx)
	return nil, nil
}

// count makes what was built count from tx's commit on.
func (b *build) count(tx *Tx) {
	for _, p := range b.pending {
		tx.Delete(kv.Meta, pendingKey(p.table, p.index))
	}
}

// begin notes what is being built.
func (b *build) begin(ctx context.Context) error {
	b.batch.Reset()
	for _, p := range b.pending {
		p.discard(&b.batch, spaceOf(b.to.t))
		b.batch.Put(kv.Meta, pendingKey(p.table, p.index), nil)
	}
	return b.flush(ctx)
}

// discard removes what was built.
func (b *build) discard(ctx context.Context) error {
	b.batch.Reset()
	for _, p := range b.pending {
		p.discard(&b.batch, spaceOf(b.to.t))
	}
	return b.flush(ctx)
}

func (b *build) flush(ctx context.Context) error {
	if b.batch.Len() == 0 && b.batch.Err() == nil {
		return nil
	}
	err := b.db.write(ctx, &b.batch, kv.NoSync)
	b.batch.Reset()
	return err
}

func (b *build) run(ctx context.Context) (*Conflict, error) {
	tx, err := b.db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	for _, deleted := range []bool{false, true} {
		s := b.scanner(tx, deleted)
		conflict, err := b.eachScanned(ctx, s, func(rows *types.Batch, updated, users *types.Vector) (*Conflict, error) {
			rows, err := b.convert(rows, users, deleted)
			switch {
			case err != nil:
				return nil, err
			case deleted:
				return nil, b.addDeleted(ctx, rows, updated, users)
			}
			return b.add(ctx, rows, updated, users)
		})
		s.Close()
		if conflict != nil || err != nil {
			return conflict, err
		}
	}
	return nil, b.flush(ctx)
}

// scanner reads the live or the deleted rows, and when they were changed.
func (b *build) scanner(tx *Tx, deleted bool) *UsersScanner {
	return tx.AllUsers(b.from.t).Scan(ScanRequest{Columns: append(b.from.allColumns(), len(b.from.types)), Deleted: deleted})
}

// eachScanned calls f with what a scanner returns until it fails.
func (b *build) eachScanned(ctx context.Context, s *UsersScanner, f func(rows *types.Batch, updated, users *types.Vector) (*Conflict, error)) (*Conflict, error) {
	n := len(b.from.types)
	in, users := types.NewBatch(s.s.types), types.NewVector(types.BytesType, types.BatchRows)
	for {
		if err := s.Next(ctx, in, users); err != nil || in.Len == 0 {
			return nil, err
		}
		conflict, err := f(&types.Batch{Columns: in.Columns[:n], Len: in.Len}, in.Columns[n], users)
		if conflict != nil && users.Len() > 0 {
			conflict.User = string(users.BytesAt(conflict.Row))
		}
		if conflict != nil || err != nil {
			return conflict, err
		}
	}
}

// addDeleted writes deleted rows, whose keys others may have.
func (b *build) addDeleted(ctx context.Context, rows *types.Batch, updated, users *types.Vector) error {
	var key []byte
	for i := range rows.Len {
		var err error
		if key, _, err = b.to.primary.appendKey(b.prefix(key, deletedRows, users, i), rows, i); err != nil {
			return b.to.inKey(err, &b.to.primary)
		}
		if b.row, err = b.to.appendRow(b.row[:0], rows, i, microseconds(updated, i)); err != nil {
			return err
		}
		b.batch.Put(spaceOf(b.to.t), key, b.row)
	}
	if len(b.batch.Bytes()) >= buildBytes {
		return b.flush(ctx)
	}
	return nil
}

// prefix returns what the keys of row i begin with in an index, in the place of
// dst.
func (b *build) prefix(dst []byte, index uint32, users *types.Vector, i int) []byte {
	dst = appendPrefix(dst[:0], b.to.t.StorageID(), index, nil)
	if users.Len() > 0 {
		dst = keyenc.AppendBytes(dst, users.BytesAt(i))
	}
	return dst
}

// microseconds returns value i of the system column of the time of change, as
// rows have it.
func microseconds(updated *types.Vector, i int) int64 {
	return types.PackedToTime(updated.Int64s[i], time.UTC).UnixMicro()
}

// held is a key that a row of a batch has for itself.
type held struct{ row, def int }

// add writes the entries of rows.
func (b *build) add(ctx context.Context, rows *types.Batch, updated, users *types.Vector) (*Conflict, error) {
	unique := map[string]held{}
	var key, pk []byte
	for i := range rows.Len {
		for d := range b.defs {
			def := &b.defs[d]
			key = b.prefix(key, def.id, users, i)
			var whole bool
			var err error
			if key, whole, err = def.appendKey(key, rows, i); err != nil {
				return nil, b.to.inKey(err, def)
			}
			if whole {
				if _, ok := unique[string(key)]; ok {
					return duplicate(def, rows, i), nil
				}
				unique[string(key)] = held{i, d}
			}
			if def.ix == nil {
				if b.row, err = b.to.appendRow(b.row[:0], rows, i, microseconds(updated, i)); err != nil {
					return nil, err
				}
				b.batch.Put(spaceOf(b.to.t), key, b.row)
				continue
			}
			if pk, _, err = b.to.primary.appendKey(pk[:0], rows, i); err != nil {
				return nil, err
			}
			b.batch.Put(spaceOf(b.to.t), key, def.entry(pk))
		}
	}
	if len(unique) > 0 {
		if conflict, err := b.checkWritten(ctx, rows, unique); conflict != nil || err != nil {
			return conflict, err
		}
	}
	if len(unique) > 0 || len(b.batch.Bytes()) >= buildBytes {
		return nil, b.flush(ctx)
	}
	return nil, nil
}

// checkWritten looks for unique keys among those written for earlier rows.
func (b *build) checkWritten(ctx context.Context, rows *types.Batch, unique map[string]held) (*Conflict, error) {
	snap, err := b.db.kv.Snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	keys := make([][]byte, 0, len(unique))
	for k := range unique {
		keys = append(keys, []byte(k))
	}
	values := make([][]byte, len(keys))
	if err := snap.MultiGet(ctx, spaceOf(b.to.t), keys, values); err != nil {
		return nil, err
	}
	first := held{row: rows.Len}
	for i, v := range values {
		if h := unique[string(keys[i])]; v != nil && (h.row < first.row || h.row == first.row && h.def < first.def) {
			first = h
		}
	}
	if first.row < rows.Len {
		return duplicate(&b.defs[first.def], rows, first.row), nil
	}
	return nil, nil
}

func duplicate(d *keyDef, rows *types.Batch, i int) *Conflict {
	row := rows.Row(i, nil)
	for c := range row {
		row[c] = row[c].Clone()
	}
	return &Conflict{Row: i, Index: d.ix, Existing: row}
}

// SaveSequence lets the numbers that a column is given, in a user's rows where the
// table has users, go on after last. Nobody may have used them yet.
func SaveSequence(tx *Tx, t *schema.Table, user string, column int, last uint64) {
	key := appendNumber(sequencePrefix(t.ID, t.Columns[column].ID, tx.relation(t, user).user), last)
	tx.Put(kv.Meta, key, appendNumber(nil, t.AutoIncrementStart))
}
