package store

import (
	"context"
	"encoding/binary"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/types"
)

// Tied is a Table whose rows foreign keys tie to those of others. A foreign key
// holds between transactions because those who add a reference to values hold
// them locked together with others, those who remove the values have them
// locked alone, and either looks at the latest state once it has its lock.
type Tied interface {
	Table

	// LockValues locks values that rows have, or may have, in some columns, as
	// AppendValues gives them. An error is the Locker's.
	LockValues(ctx context.Context, columns []int, values []byte, alone bool) error

	// Latest returns the table as of this moment, with what other transactions
	// committed since the snapshot, for reading. The caller calls release.
	Latest() (t Table, release func(), err error)
}

// AppendValues appends what row i of rows has in columns, in a form that is the same
// for values that are equal in a key. null tells that one of them is NULL.
func AppendValues(dst []byte, rows *types.Batch, columns []int, i int) (_ []byte, null bool, err error) {
	for _, c := range columns {
		if rows.Columns[c].IsNull(i) {
			return dst, true, nil
		}
		if dst, err = keyenc.AppendFrom(dst, rows.Columns[c], i); err != nil {
			return dst, false, err
		}
	}
	return dst, false, nil
}

// LockValues implements Tied.
func (r *relation) LockValues(ctx context.Context, columns []int, values []byte, alone bool) error {
	if r.tx.locker == nil {
		return nil
	}
	key := binary.BigEndian.AppendUint32(r.tx.lockKey[:0], r.l.t.ID)
	for _, c := range columns {
		key = binary.BigEndian.AppendUint32(key, r.l.t.Columns[c].ID)
	}
	key = append(append(key, r.user...), values...)
	r.tx.lockKey = key
	return r.tx.locker.LockValues(ctx, key, alone)
}

// Latest implements Tied.
func (r *relation) Latest() (Table, func(), error) {
	if r.tx.snap == nil {
		return nil, nil, errClosed
	}
	if r.tx.locker == nil || r.tx.locker.Latest() {
		return r, func() {}, nil
	}
	tx, err := r.tx.Latest()
	if err != nil {
		return nil, nil, err
	}
	return tx.relationOf(r), tx.Close, nil
}

// Latest returns a transaction for reading, which has what this one wrote over
// all that was committed by now.
func (tx *Tx) Latest() (*Tx, error) {
	if tx.snap == nil {
		return nil, errClosed
	}
	now := &Tx{db: tx.db}
	if err := now.takeSnapshot(); err != nil {
		return nil, err
	}
	now.buffer = *tx.buffer.Freeze()
	now.buffer.Rebase(now.snap)
	return now, nil
}

// Rows returns a table's rows as a user has them.
func (tx *Tx) Rows(t *schema.Table, user string) Tied {
	switch t.Kind {
	case schema.User:
		return tx.User(t, user)
	case schema.Stream:
		return tx.Stream(t, user)
	}
	return tx.Shared(t)
}
