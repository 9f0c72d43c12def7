package store

import (
	"context"
	"encoding/binary"

	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// What is too large for one commit is written to the database piece by piece
// and counts once a commit makes it part of the catalogue. Until then a key of
// kv.Meta,
//
//	metaPending | table (4) | index (4)
//
// tells of it, so that a crash leaves nothing behind for good: Sweep removes it.
// The index is one as in keys, or wholeTable.
const wholeTable = 0xffffffff

func pendingKey(table, index uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{metaPending}, table), index)
}

// pending is something that is, or was, being written.
type pending struct{ table, index uint32 }

func listPending(ctx context.Context, rd kv.Reader) (list []pending, err error) {
	err = eachPair(ctx, rd, kv.Meta, []byte{metaPending}, func(key, _ []byte) error {
		if len(key) != len(pendingKey(0, 0)) {
			return keyenc.ErrMalformed
		}
		list = append(list, pending{binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint32(key[5:])})
		return nil
	})
	return list, err
}

// keys returns the prefix of all keys of p.
func (p pending) keys() []byte {
	prefix := appendPrefix(nil, p.table, p.index, nil)
	if p.index == wholeTable {
		return prefix[:prefixBytes/2]
	}
	return prefix
}

// discard adds to b the removal of p, which is in one of the spaces.
func (p pending) discard(b *kv.Batch, spaces ...kv.Space) {
	prefix := p.keys()
	for _, s := range spaces {
		b.DeleteRange(s, prefix, edge(prefix, true))
	}
	if p.index == wholeTable {
		for _, q := range [][]byte{sequencePrefix(p.table, 0, nil)[:1+4], recordPrefix(p.table)} {
			b.DeleteRange(kv.Meta, q, edge(q, true))
		}
	}
	b.Delete(kv.Meta, pendingKey(p.table, p.index))
}

// writeDiscarded writes b, in which list was discarded.
func (db *DB) writeDiscarded(ctx context.Context, b *kv.Batch, list ...pending) error {
	return db.segments.change(func() error { return db.write(ctx, b, kv.NoSync) }, func(dir directory) {
		for _, p := range list {
			if p.index == wholeTable {
				delete(dir, p.table)
			}
		}
	})
}

// Sweep removes what was being written when the database was closed last. It is
// called before anybody else writes. used reports whether the catalogue has a
// table, and, unless index is 0, the index in it.
func Sweep(ctx context.Context, db *DB, used func(tx *Tx, table, index uint32) (bool, error)) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Close()
	list, err := listPending(ctx, tx)
	if err != nil || len(list) == 0 {
		return err
	}
	var b kv.Batch
	var discarded []pending
	for _, p := range list {
		index := p.index &^ repeatable
		if p.index == wholeTable {
			index = 0
		}
		ok, err := used(tx, p.table, index)
		switch {
		case err != nil:
			return err
		case ok:
			b.Delete(kv.Meta, pendingKey(p.table, p.index))
		default:
			p.discard(&b, kv.Data, kv.Stream)
			discarded = append(discarded, p)
		}
	}
	return db.writeDiscarded(ctx, &b, discarded...)
}
