package store

import (
	"context"
	"encoding/binary"

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
// where it becomes the table with the given id. It counts there once a commit,
// in which Adopt was called, puts the table into the catalogue. step, if not nil, is
// called with the bytes copied. When it fails, Abandon removes what it copied.
func CopyTable(ctx context.Context, from *Tx, t *schema.Table, to *DB, id uint32, step func(bytes int64)) error {
	var b kv.Batch
	b.Put(kv.Meta, pendingKey(id, wholeTable), nil)
	flush := func() error {
		n := len(b.Bytes())
		err := to.kv.Write(ctx, &b, kv.NoSync)
		b.Reset()
		if err == nil && step != nil {
			step(int64(n))
		}
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
	if err := move(spaceOf(t), binary.BigEndian.AppendUint32(nil, t.ID), 0); err != nil {
		return err
	}
	return move(kv.Meta, sequencePrefix(t.ID, 0, nil)[:1+4], 1)
}

// Adopt makes a table that CopyTable copied stay, with tx's commit.
func Adopt(tx *Tx, id uint32) { tx.Delete(kv.Meta, pendingKey(id, wholeTable)) }

// Abandon removes what CopyTable copied.
func Abandon(ctx context.Context, db *DB, id uint32) error {
	var b kv.Batch
	pending{id, wholeTable}.discard(&b, kv.Data, kv.Stream)
	return db.kv.Write(ctx, &b, kv.NoSync)
}
