package store

import (
	"bytes"
	"context"
	"encoding/binary"
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
	if err := r.setAsideRuns(ctx, report); err != nil {
		return r.l.corrupt(err)
	}
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
	value, ok, err := r.rows(tx).Get(ctx, r.space, append(r.prefix(&r.l.primary), key...))
	if err != nil || !ok {
		return err
	}
	r.moveAside(r.user, key, value)
	report(Problem{Index: "PRIMARY", User: user, Key: key,
		Text: "Row was set aside: another one has the same unique key; its bytes are " + hex.EncodeToString(value)})
	return nil
}

// setAsideRuns takes out the segments that can't be read. Their blocks are kept below
// the table, where DROP TABLE finds them.
func (r *relation) setAsideRuns(ctx context.Context, report func(Problem)) error {
	if !r.packs() {
		return nil
	}
	table := r.l.t.StorageID()
	runs := r.tx.runs(table)
	for i, p := range runs {
		why, err := checkRun(ctx, r.tx, r.l, p)
		if err != nil {
			return err
		}
		if why == "" {
			continue
		}
		problem := Problem{Index: "PRIMARY", Key: bytes.Clone(p.elements()), Text: "Segment was set aside: " + why}
		if user, elements, err := r.cutUser(p.elements()); err == nil {
			problem.Key = bytes.Clone(elements)
			problem.setUser(user)
		}
		r.tx.wroteRows(r.l)
		key := p.recordKey()
		r.tx.DeleteRange(kv.Meta, key, append(bytes.Clone(key), 0))
		// Rows that hid packed ones have nothing to hide any more, see settle.
		blocks := p.blockKey(table, 0, 0)
		blocks = blocks[:len(blocks)-4]
		err = eachPair(ctx, r.tx, kv.Data, blocks, func(key, value []byte) error {
			aside := bytes.Clone(key)
			binary.BigEndian.PutUint32(aside[4:], damagedBlocks)
			r.tx.Put(kv.Data, aside, value)
			r.tx.Delete(kv.Data, bytes.Clone(key))
			return nil
		})
		if err != nil {
			return err
		}
		end := append(bytes.Clone(p.to), 0)
		if p.rec == nil { // nobody knows how far it went
			end = edge(r.prefix(&r.l.primary), true)
			if i+1 < len(runs) {
				end = runs[i+1].from
			}
		}
		err = eachRange(ctx, r.tx, kv.Data, p.from, end, func(key, value []byte) error {
			if isGone(value) {
				r.tx.Delete(kv.Data, bytes.Clone(key))
			}
			return nil
		})
		if err != nil {
			return err
		}
		report(problem)
	}
	return nil
}

func (r *relation) moveAside(user, key, value []byte) {
	r.deleteRow(append(appendPrefix(nil, r.l.t.StorageID(), rowsIndex, user), key...))
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

// DropLeftovers removes entries of indexes that t does not have, and blocks that no
// segment has.
func DropLeftovers(ctx context.Context, tx *Tx, t *schema.Table) error {
	c := checker{tx: tx, r: tx.AllUsers(t).relation}
	c.l = c.r.l
	err := c.eachStrayBlock(ctx, func(key []byte) { tx.Delete(kv.Data, bytes.Clone(key)) })
	if err != nil {
		return c.l.corrupt(err)
	}
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
