package store

import (
	"context"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// DropRows removes t's rows and index entries, for all users, at a cost that does
// not depend on their number.
func DropRows(ctx context.Context, tx *Tx, t *schema.Table) error {
	p := appendPrefix(nil, t.StorageID(), 0, nil)[:prefixBytes/2]
	tx.DeleteRange(spaceOf(t), p, edge(p, true))
	tx.wroteRows(tx.db.layout(t))
	if spaceOf(t) == kv.Data {
		tx.removeRuns(t.StorageID(), nil)
	}
	return kv.Cancelled(ctx)
}

// DropTable removes all that is kept of t, for all users, at a cost that does
// not depend on its size. Nobody has the table any more: its rows are not captured.
func DropTable(ctx context.Context, tx *Tx, t *schema.Table) error {
	tx.gone = append(tx.gone, t.StorageID())
	return removeAll(ctx, tx, t)
}

func removeAll(ctx context.Context, tx *Tx, t *schema.Table) error {
	if err := DropRows(ctx, tx, t); err != nil {
		return err
	}
	q := sequencePrefix(t.ID, 0, nil)[:1+4]
	tx.DeleteRange(kv.Meta, q, edge(q, true))
	tx.db.forget(t.ID)
	return kv.Cancelled(ctx)
}

// TruncateTable removes t's rows, for all users, and lets its sequences begin
// at 1 again. It costs the same whatever the table's size.
func TruncateTable(ctx context.Context, tx *Tx, t *schema.Table) error {
	err := removeAll(ctx, tx, t)
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
	return appendPrefix(nil, t.StorageID(), d.id, nil)
}

// eachPair calls f with every pair whose key begins with prefix, until f fails.
func eachPair(ctx context.Context, rd kv.Reader, s kv.Space, prefix []byte, f func(key, value []byte) error) error {
	end, _ := keyenc.AppendSuccessor(nil, prefix)
	return eachRange(ctx, rd, s, prefix, end, f)
}

// eachRange calls f with every pair from start, inclusive, to end, exclusive.
func eachRange(ctx context.Context, rd kv.Reader, s kv.Space, start, end []byte, f func(key, value []byte) error) error {
	sc := rd.Scan(s, kv.Range{Start: start, End: end})
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
