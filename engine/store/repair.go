package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// SetAside takes the rows of t, of all users, that can't be read out of the
// table, and keeps them below it as they are, where DROP TABLE finds them. What
// it did is reported, with the whole row.
func SetAside(ctx context.Context, tx *Tx, t *schema.Table, report func(Problem)) error {
	r := tx.AllUsers(t).relation
	err := r.eachRow(ctx, schema.PrimaryIndexID, rowVisitor{
		good: func(*rowGroup) error { return nil },
		bad: func(user, key, value []byte, why error) error {
			r.moveAside(user, key, value)
			p := Problem{Index: "PRIMARY", Key: bytes.Clone(key),
				Text: fmt.Sprintf("Row was set aside: %v; its bytes are %s", why, hex.EncodeToString(value))}
			p.setUser(user)
			report(p)
			return nil
		},
	})
	return r.l.corrupt(err)
}

// SetAsideRow does what SetAside does with a row of the user whose key's columns
// are those of row, a whole row.
func SetAsideRow(ctx context.Context, tx *Tx, t *schema.Table, user string, row []types.Value, report func(Problem)) error {
	r := tx.relation(t, user)
	b := types.NewBatch(r.l.types)
	b.AppendRow(row)
	key, _, err := r.l.primary.appendKey(nil, b, 0)
	if err != nil {
		return err
	}
	value, ok, err := tx.Get(ctx, r.space, append(r.prefix(&r.l.primary), key...))
	if err != nil || !ok {
		return err
	}
	r.moveAside(r.user, key, value)
	report(Problem{Index: "PRIMARY", User: user, Key: key,
		Text: "Row was set aside: another one has the same unique key; its bytes are " + hex.EncodeToString(value)})
	return nil
}

func (r *relation) moveAside(user, key, value []byte) {
	r.tx.Delete(r.space, append(appendPrefix(nil, r.l.t.StorageID(), schema.PrimaryIndexID, user), key...))
	r.tx.Put(r.space, append(appendPrefix(nil, r.l.t.StorageID(), setAside, user), key...), value)
}

// RaiseSequences lets t's sequences go on after the values that rows have.
func RaiseSequences(ctx context.Context, tx *Tx, t *schema.Table) error {
	r := tx.AllUsers(t).relation
	if t.Kind == schema.Stream || len(r.l.counted) == 0 {
		return nil
	}
	var user []byte
	highest := make([]uint64, len(r.l.counted))
	put := func() {
		for n, c := range r.l.counted {
			if highest[n] > 0 {
				p := sequencePrefix(t.ID, t.Columns[c].ID, user)
				tx.Put(kv.Meta, appendNumber(p, highest[n]), appendNumber(nil, t.AutoIncrementStart))
			}
			highest[n] = 0
		}
	}
	err := r.eachRow(ctx, schema.PrimaryIndexID, rowVisitor{good: func(g *rowGroup) error {
		if !bytes.Equal(user, g.user) {
			put()
			user = append(user[:0], g.user...)
		}
		for n, c := range r.l.counted {
			for i := range g.rows.Len {
				highest[n] = max(highest[n], counted(g.rows.Columns[c], i))
			}
		}
		return nil
	}})
	put()
	return r.l.corrupt(err)
}

// DropLeftovers removes entries of indexes that t does not have.
func DropLeftovers(ctx context.Context, tx *Tx, t *schema.Table) error {
	c := checker{tx: tx, r: tx.AllUsers(t).relation}
	c.l = c.r.l
	return c.l.corrupt(c.eachLeftover(ctx, func(prefix []byte) {
		tx.DeleteRange(c.r.space, prefix, edge(prefix, true))
	}))
}

// setUser sets the user from a key's part.
func (p *Problem) setUser(encoded []byte) {
	if len(encoded) == 0 {
		return
	}
	if name, _, err := keyenc.CutBytes(nil, encoded); err == nil {
		p.User = string(name)
	}
}
