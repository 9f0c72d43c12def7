package store

import (
	"context"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// buildBytes is about how much a build writes at once.
const buildBytes = 4 << 20

// BuildIndex writes the entries of t's index ix for all committed rows of all
// users, in bounded memory: it writes to the database as it goes, without waiting
// for the disk. Nobody may write to the table meanwhile. The entries count once a
// later, durable commit makes the index part of the table; when an error is
// returned they are removed again, and what a crash left behind is removed by Sweep.
//
// When ix is unique and two rows of a user share a key, the second is returned
// as a conflict's Existing, and the entries are removed too.
func BuildIndex(ctx context.Context, db *DB, t *schema.Table, ix *schema.Index) (*Conflict, error) {
	l := db.layout(t)
	b := build{db: db, from: l, to: l, defs: []keyDef{l.newKeyDef(ix)}}
	b.pending = pending{t.StorageID(), b.defs[0].id}
	return b.do(ctx)
}

// Rebuild writes the rows of old, and their index entries, anew as those of t,
// whose Storage is another: as BuildIndex does it. convert makes rows of t of
// rows of old.
func Rebuild(ctx context.Context, db *DB, old, t *schema.Table, convert func(*types.Batch) (*types.Batch, error)) (*Conflict, error) {
	b := build{db: db, from: db.layout(old), to: newLayout(t), convert: convert, pending: pending{t.StorageID(), wholeTable}}
	for d := range 1 + len(b.to.secondary) {
		b.defs = append(b.defs, *b.to.def(d))
	}
	return b.do(ctx)
}

// build is the state of BuildIndex and Rebuild.
type build struct {
	db       *DB
	from, to *layout
	defs     []keyDef // what is written: rows, and entries
	pending  pending  // as which it is written
	convert  func(*types.Batch) (*types.Batch, error)
	batch    kv.Batch
	row      []byte
}

func (b *build) do(ctx context.Context) (*Conflict, error) {
	if b.db.readOnly {
		return nil, sqlerr.ReadOnly.New("The database is open for reading only")
	}
	if err := b.begin(ctx); err != nil {
		return nil, err
	}
	conflict, err := b.run(ctx)
	if conflict != nil || err != nil {
		b.batch.Reset()
		b.pending.discard(&b.batch, spaceOf(b.to.t))
		if e := b.flush(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
	}
	return conflict, err
}

// begin notes what is being built.
func (b *build) begin(ctx context.Context) error {
	b.batch.Reset()
	b.pending.discard(&b.batch, spaceOf(b.to.t))
	b.batch.Put(kv.Meta, pendingKey(b.pending.table, b.pending.index), nil)
	return b.flush(ctx)
}

func (b *build) flush(ctx context.Context) error {
	err := b.db.kv.Write(ctx, &b.batch, kv.NoSync)
	b.batch.Reset()
	return err
}

func (b *build) run(ctx context.Context) (*Conflict, error) {
	tx, err := b.db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	s := tx.AllUsers(b.from.t).Scan(ScanRequest{Columns: b.from.allColumns()})
	defer s.Close()
	rows, users := types.NewBatch(b.from.types), types.NewVector(types.BytesType, types.BatchRows)
	for {
		if err := s.Next(ctx, rows, users); err != nil {
			return nil, err
		}
		if rows.Len == 0 {
			return nil, b.flush(ctx)
		}
		converted := rows
		if b.convert != nil {
			if converted, err = b.convert(rows); err != nil {
				return nil, err
			}
		}
		if conflict, err := b.add(ctx, converted, users); conflict != nil || err != nil {
			if conflict != nil && users.Len() > 0 {
				conflict.User = string(users.BytesAt(conflict.Row))
			}
			return conflict, err
		}
	}
}

// held is a key that a row of a batch has for itself.
type held struct{ row, def int }

// add writes the entries of rows.
func (b *build) add(ctx context.Context, rows *types.Batch, users *types.Vector) (*Conflict, error) {
	unique := map[string]held{}
	var key, pk []byte
	for i := range rows.Len {
		for d := range b.defs {
			def := &b.defs[d]
			key = appendPrefix(key[:0], b.to.t.StorageID(), def.id, nil)
			if users.Len() > 0 {
				key = keyenc.AppendBytes(key, users.BytesAt(i))
			}
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
				if b.row, err = b.to.appendRow(b.row[:0], rows, i, 0); err != nil {
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

// Count makes what was built of t, its index ix or with nil all of it, count from
// the commit on.
func Count(tx *Tx, t *schema.Table, ix *schema.Index) {
	p := pending{t.StorageID(), wholeTable}
	if ix != nil {
		p.index = tx.db.layout(t).newKeyDef(ix).id
	}
	tx.Delete(kv.Meta, pendingKey(p.table, p.index))
}

// SaveSequence lets the numbers that a shared table's column is given go on after
// last. Nobody may have used them yet.
func SaveSequence(tx *Tx, t *schema.Table, column int, last uint64) {
	key := appendNumber(sequencePrefix(t.ID, t.Columns[column].ID, nil), last)
	tx.Put(kv.Meta, key, appendNumber(nil, t.AutoIncrementStart))
}
