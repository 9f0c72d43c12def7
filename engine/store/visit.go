package store

import (
	"bytes"
	"context"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// rowGroup are some rows of one user.
type rowGroup struct {
	r            *relation
	user         []byte // encoded
	keys, values [][]byte
	rows         *types.Batch
	columns      projection
	key          []byte
}

func newRowGroup(r *relation) *rowGroup {
	return &rowGroup{r: r, rows: types.NewBatch(r.l.types), columns: r.l.newProjection(&r.l.primary, r.l.allColumns(), r.tx.db.values)}
}

// decode fills the group.
func (g *rowGroup) decode(user []byte, keys, values [][]byte) error {
	g.user, g.keys, g.values = user, keys, values
	g.rows.Len = 0
	for i, t := range g.r.l.types {
		g.rows.Columns[i].Reset(t)
	}
	if err := g.columns.decode(keys, values, g.rows.Columns); err != nil {
		return err
	}
	g.rows.Len = len(keys)
	for n, k := range keys {
		var err error
		if g.key, _, err = g.r.l.primary.appendKey(g.key[:0], g.rows, n); err != nil {
			return err
		}
		if !bytes.Equal(g.key, k) {
			return errRowKey
		}
	}
	return nil
}

// rowVisitor takes a table's rows.
type rowVisitor struct {
	// good gets rows that could be decoded; the group is valid until it returns.
	good func(*rowGroup) error
	// bad, if not nil, gets a row that could not.
	bad func(user, key, value []byte, why error) error
}

// eachRow reads the rows kept under an index id, of all users.
func (r *relation) eachRow(ctx context.Context, index uint32, v rowVisitor) error {
	g := newRowGroup(r)
	one := newRowGroup(r)
	var user []byte
	var keys, values [][]byte
	flush := func() error {
		if len(keys) == 0 {
			return nil
		}
		err := g.decode(user, keys, values)
		if err == nil {
			err = v.good(g)
		} else {
			err = nil
			for n := range keys {
				why := one.decode(user, keys[n:n+1], values[n:n+1])
				switch {
				case why == nil:
					err = v.good(one)
				case v.bad != nil:
					err = v.bad(user, keys[n], values[n], why)
				}
				if err != nil {
					break
				}
			}
		}
		keys, values = keys[:0], values[:0]
		return err
	}
	prefix := appendPrefix(nil, r.l.t.StorageID(), index, nil)
	return r.eachChunk(ctx, prefix, true, func(c *kv.Chunk) error {
		user, keys, values = user[:0], keys[:0], values[:0]
		for i := range c.Len() {
			owner, key, err := r.cutUser(c.Key(i)[len(prefix):])
			if err != nil {
				if v.bad != nil {
					if err := v.bad(nil, c.Key(i)[len(prefix):], c.Value(i), err); err != nil {
						return err
					}
				}
				continue
			}
			if !bytes.Equal(owner, user) || len(keys) == types.BatchRows {
				if err := flush(); err != nil {
					return err
				}
				user = append(user[:0], owner...)
			}
			keys, values = append(keys, key), append(values, c.Value(i))
		}
		return flush()
	})
}

// eachEntry calls f with the entries kept under an index id, of all users,
// without what they have in common.
func (r *relation) eachEntry(ctx context.Context, index uint32, values bool, f func(key, value []byte) error) error {
	prefix := appendPrefix(nil, r.l.t.StorageID(), index, nil)
	return r.eachChunk(ctx, prefix, values, func(c *kv.Chunk) error {
		for i := range c.Len() {
			if err := f(c.Key(i)[len(prefix):], c.Value(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *relation) eachChunk(ctx context.Context, prefix []byte, values bool, f func(*kv.Chunk) error) error {
	rd := kv.Reader(r.tx)
	if isRow(prefix) {
		rd = r.rows(rd)
	}
	sc := rd.Scan(r.space, kv.Range{Start: prefix, End: edge(prefix, true), NoCache: true, KeysOnly: !values})
	defer sc.Close()
	for {
		c, err := sc.Next(ctx)
		if err != nil || c.Len() == 0 {
			return err
		}
		if err := f(c); err != nil {
			return err
		}
	}
}

// cutUser splits what follows a key's prefix into the encoded user, in tables
// that have users, and the elements.
func (r *relation) cutUser(key []byte) (user, elements []byte, err error) {
	if r.l.t.Kind == schema.Shared {
		return nil, key, nil
	}
	_, rest, err := keyenc.CutBytes(nil, key)
	if err != nil {
		return nil, nil, err
	}
	return key[:len(key)-len(rest)], rest, nil
}
