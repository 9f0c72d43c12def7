package store

import (
	"context"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// DropTable removes all that is kept of t, for all users, at a cost that does
// not depend on its size.
func DropTable(ctx context.Context, tx *Tx, t *schema.Table) error {
	p := appendPrefix(nil, t.ID, 0, nil)[:prefixBytes/2]
	tx.DeleteRange(spaceOf(t), p, edge(p, true))
	q := sequencePrefix(t.ID, 0, nil)[:1+4]
	tx.DeleteRange(kv.Meta, q, edge(q, true))
	tx.db.forget(t.ID)
	return kv.Cancelled(ctx)
}

// TruncateTable removes t's rows, for all users, and lets its sequences begin
// at 1 again. It costs the same whatever the table's size.
func TruncateTable(ctx context.Context, tx *Tx, t *schema.Table) error {
	err := DropTable(ctx, tx, t)
	for _, c := range tx.db.layout(t).counted {
		tx.Put(kv.Meta, sequencePrefix(t.ID, t.Columns[c].ID, nil), appendNumber(nil, t.AutoIncrementStart))
	}
	return err
}

// DropIndex removes the entries of t's index ix, for all users.
func DropIndex(ctx context.Context, tx *Tx, t *schema.Table, ix *schema.Index) error {
	p := tx.db.indexPrefix(t, ix)
	tx.DeleteRange(spaceOf(t), p, edge(p, true))
	return kv.Cancelled(ctx)
}

func (db *DB) indexPrefix(t *schema.Table, ix *schema.Index) []byte {
	d := db.layout(t).newKeyDef(ix)
	return appendPrefix(nil, t.ID, d.id, nil)
}

// buildBytes is about how much an index build writes at once.
const buildBytes = 4 << 20

// BuildIndex writes the entries of ix, which t need not have yet, for all
// committed rows of all users, in bounded memory: it writes to the database as
// it goes, without waiting for the disk. Nobody may write to the table
// meanwhile. The entries count once a later, durable commit makes the index
// part of the table; when an error is returned they are removed again, and
// what a crash left behind is removed by Sweep.
//
// When ix is unique and two rows of a user share a key, the second is returned
// as a conflict's Existing, and the entries are removed too.
func BuildIndex(ctx context.Context, db *DB, t *schema.Table, ix *schema.Index) (*Conflict, error) {
	if db.readOnly {
		return nil, sqlerr.ReadOnly.New("The database is open for reading only")
	}
	b := indexBuild{db: db, l: db.layout(t), space: spaceOf(t)}
	b.def = b.l.newKeyDef(ix)
	if err := b.clear(ctx); err != nil {
		return nil, err
	}
	conflict, err := b.run(ctx)
	if conflict != nil || err != nil {
		b.batch.Reset()
		b.pending().discard(&b.batch, b.space)
		if e := b.flush(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
	}
	return conflict, err
}

// indexBuild is the state of BuildIndex.
type indexBuild struct {
	db    *DB
	l     *layout
	def   keyDef
	space kv.Space
	batch kv.Batch
}

func (b *indexBuild) pending() pending { return pending{b.l.t.ID, b.def.id} }

// clear notes that the index is being built.
func (b *indexBuild) clear(ctx context.Context) error {
	b.batch.Reset()
	b.pending().discard(&b.batch, b.space)
	b.batch.Put(kv.Meta, pendingKey(b.l.t.ID, b.def.id), nil)
	return b.flush(ctx)
}

func (b *indexBuild) flush(ctx context.Context) error {
	err := b.db.kv.Write(ctx, &b.batch, kv.NoSync)
	b.batch.Reset()
	return err
}

func (b *indexBuild) run(ctx context.Context) (*Conflict, error) {
	tx, err := b.db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Close()
	s := tx.AllUsers(b.l.t).Scan(ScanRequest{Columns: b.l.allColumns()})
	defer s.Close()
	rows, users := types.NewBatch(b.l.types), types.NewVector(types.BytesType, types.BatchRows)
	for {
		if err := s.Next(ctx, rows, users); err != nil {
			return nil, err
		}
		if rows.Len == 0 {
			return nil, b.flush(ctx)
		}
		if conflict, err := b.add(ctx, rows, users); conflict != nil || err != nil {
			if conflict != nil && users.Len() > 0 {
				conflict.User = string(users.BytesAt(conflict.Row))
			}
			return conflict, err
		}
	}
}

// add writes the entries of rows.
func (b *indexBuild) add(ctx context.Context, rows *types.Batch, users *types.Vector) (*Conflict, error) {
	unique := map[string]int{} // to the row
	var key, pk []byte
	for i := range rows.Len {
		key = appendPrefix(key[:0], b.l.t.ID, b.def.id, nil)
		if users.Len() > 0 {
			key = keyenc.AppendBytes(key, users.BytesAt(i))
		}
		var whole bool
		var err error
		if key, whole, err = b.def.appendKey(key, rows, i); err != nil {
			return nil, b.l.inKey(err, &b.def)
		}
		if pk, _, err = b.l.primary.appendKey(pk[:0], rows, i); err != nil {
			return nil, err
		}
		if whole {
			if _, ok := unique[string(key)]; ok {
				return b.duplicate(rows, i), nil
			}
			unique[string(key)] = i
		}
		b.batch.Put(b.space, key, b.def.entry(pk))
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
func (b *indexBuild) checkWritten(ctx context.Context, rows *types.Batch, unique map[string]int) (*Conflict, error) {
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
	if err := snap.MultiGet(ctx, b.space, keys, values); err != nil {
		return nil, err
	}
	first := rows.Len
	for i, v := range values {
		if v != nil {
			first = min(first, unique[string(keys[i])])
		}
	}
	if first < rows.Len {
		return b.duplicate(rows, first), nil
	}
	return nil, nil
}

func (b *indexBuild) duplicate(rows *types.Batch, i int) *Conflict {
	row := rows.Row(i, nil)
	for c := range row {
		row[c] = row[c].Clone()
	}
	return &Conflict{Row: i, Index: b.def.ix, Existing: row}
}

// eachPair calls f with every pair whose key begins with prefix, until f fails.
func eachPair(ctx context.Context, rd kv.Reader, s kv.Space, prefix []byte, f func(key, value []byte) error) error {
	end, _ := keyenc.AppendSuccessor(nil, prefix)
	sc := rd.Scan(s, kv.Range{Start: prefix, End: end})
	defer sc.Close()
	for {
		c, err := sc.Next(ctx)
		if err != nil || c.Len() == 0 {
			return err
		}
		for i := range c.Len() {
			if err := f(c.Key(i), c.Value(i)); err != nil {
				return err
			}
		}
	}
}
