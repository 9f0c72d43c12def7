package store

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// Insert implements Table.
func (r *relation) Insert(ctx context.Context, rows *types.Batch) (*Conflict, error) {
	return r.replace(ctx, nil, rows)
}

// Update implements Table.
func (r *relation) Update(ctx context.Context, old, new *types.Batch) (*Conflict, error) {
	return r.replace(ctx, old, new)
}

// Delete implements Table.
func (r *relation) Delete(ctx context.Context, rows *types.Batch) error {
	return r.remove(ctx, rows, r.l.t.Options.RetentionHours > 0)
}

// remove removes rows, or with keep sets them aside.
func (r *relation) remove(ctx context.Context, rows *types.Batch, keep bool) error {
	_, err := r.replace(ctx, rows, nil)
	if err != nil || !keep {
		return err
	}
	now := time.Now().UnixMicro()
	var row []byte
	return r.eachDeleted(ctx, rows, func(i int, key []byte) error {
		if row, err = r.l.appendRow(row[:0], rows, i, now); err == nil {
			r.tx.Put(r.space, key, row)
		}
		return err
	})
}

// Restore brings deleted rows, as read in this transaction, back: in order up to
// the first of which another row has a key, as Table.Insert does.
func (r *relation) Restore(ctx context.Context, rows *types.Batch) (*Conflict, error) {
	conflict, err := r.Insert(ctx, rows)
	if err != nil {
		return nil, err
	}
	if conflict != nil {
		rows = rows.Slice(0, conflict.Row)
	}
	return conflict, r.eachDeleted(ctx, rows, func(_ int, key []byte) error {
		r.tx.Delete(r.space, key)
		return nil
	})
}

// eachDeleted calls f with the keys that rows have as deleted ones, locked.
func (r *relation) eachDeleted(ctx context.Context, rows *types.Batch, f func(i int, key []byte) error) error {
	prefix := appendPrefix(nil, r.l.t.StorageID(), deletedRows, r.user)
	var key []byte
	for i := range rows.Len {
		var err error
		if key, _, err = r.l.primary.appendKey(append(key[:0], prefix...), rows, i); err != nil {
			return err
		}
		if err := r.lock(ctx, key, LockExclusive, true); err != nil {
			return err
		}
		if err := f(i, key); err != nil {
			return err
		}
	}
	return nil
}

// change is what happens to the rows of one window of a batch.
type change struct {
	r        *relation
	old, new []rowKeys
	tail     *tail // that new rows are appended to, or nil
}

// rowKeys are the keys of a row and its index entries: the primary key's
// first, then the secondary indexes' in order.
type rowKeys struct {
	keys  [][]byte
	whole []bool // the key may be held by one row only
	pk    []byte // the primary key's elements, part of keys[0]
}

// replace makes new rows of old ones, in order up to the first conflict. Without
// old ones it inserts, without new ones it deletes.
func (r *relation) replace(ctx context.Context, old, new *types.Batch) (*Conflict, error) {
	var n int
	if old != nil {
		n = old.Len
	} else {
		n = new.Len
	}
	now := time.Now().UnixMicro()
	for from := 0; from < n; {
		c := change{r: r}
		to := min(from+r.window, n)
		conflict, err := c.apply(ctx, old, new, from, to, now)
		if conflict != nil || err != nil {
			r.window = firstGroup
			return conflict, r.l.corrupt(err)
		}
		if err := r.tx.relieve(ctx); err != nil {
			return nil, err
		}
		from, r.window = to, min(2*r.window, types.BatchRows)
	}
	return nil, nil
}

// apply changes rows from to to.
func (c *change) apply(ctx context.Context, old, new *types.Batch, from, to int, now int64) (*Conflict, error) {
	r := c.r
	r.tx.wroteRows(r.l)
	var err error
	if c.old, err = c.encode(&r.tx.oldKeys, old, from, to); err != nil {
		return nil, err
	}
	if c.new, err = c.encode(&r.tx.newKeys, new, from, to); err != nil {
		return nil, err
	}
	if err := c.lock(ctx); err != nil {
		return nil, err
	}
	if c.tail, err = c.appends(ctx, new, from, to); err != nil {
		return nil, err
	}
	n, conflict, err := c.check(ctx, to-from)
	if err != nil {
		return nil, err
	}
	if err := c.write(ctx, new, from, n, now); err != nil {
		return nil, err
	}
	if new != nil {
		if err := r.raise(ctx, new, from, from+n); err != nil {
			return nil, err
		}
	}
	if conflict == nil {
		return nil, nil
	}
	conflict.Row = from + n
	conflict.Existing, err = r.existing(ctx, conflict.Index, c.new[n])
	return conflict, err
}

// keyRoom is memory for the keys of rows.
type keyRoom struct {
	buf   []byte
	ends  []int
	whole []bool
	keys  [][]byte
	rows  []rowKeys
}

// encode makes the keys of rows from to to, which are good until room is used again.
func (c *change) encode(room *keyRoom, rows *types.Batch, from, to int) ([]rowKeys, error) {
	if rows == nil {
		return nil, nil
	}
	l := c.r.l
	per := 1 + len(l.secondary)
	buf, ends, whole := slices.Grow(room.buf[:0], 32*per*(to-from)), room.ends[:0], room.whole[:0]
	for i := from; i < to; i++ {
		for d := range per {
			var w bool
			var err error
			buf = appendPrefix(buf, l.t.StorageID(), l.def(d).id, c.r.user)
			if buf, w, err = l.def(d).appendKey(buf, rows, i); err != nil {
				return nil, l.inKey(err, l.def(d))
			}
			ends, whole = append(ends, len(buf)), append(whole, w)
		}
	}
	keys, all := room.keys[:0], room.rows[:0]
	start := 0
	for _, end := range ends {
		keys, start = append(keys, buf[start:end:end]), end
	}
	for i := range to - from {
		k := keys[i*per : (i+1)*per : (i+1)*per]
		all = append(all, rowKeys{keys: k, whole: whole[i*per : (i+1)*per], pk: k[0][prefixLen(c.r.user):]})
	}
	*room = keyRoom{buf, ends, whole, keys, all}
	return all, nil
}

// def returns the primary key's definition for 0, else that of the
// secondary index before it.
func (l *layout) def(d int) *keyDef {
	if d == 0 {
		return &l.primary
	}
	return &l.secondary[d-1]
}

// index returns what stands for def(d) in a Conflict.
func (l *layout) index(d int) *schema.Index { return l.def(d).ix }

// moved reports whether key d of row i changes.
func (c *change) moved(i, d int) bool {
	return c.old == nil || c.new == nil || !bytes.Equal(c.old[i].keys[d], c.new[i].keys[d])
}

// lock asks for the keys that are written or checked.
func (c *change) lock(ctx context.Context) error {
	if c.r.tx.locker == nil {
		return nil
	}
	for i := range max(len(c.old), len(c.new)) {
		for d := range 1 + len(c.r.l.secondary) {
			if d == 0 && c.r.appendOnly {
				continue
			}
			moved := c.moved(i, d)
			for n, rows := range [][]rowKeys{c.old, c.new} {
				// An entry whose key stays is written again when the row moves.
				if rows == nil || !rows[i].whole[d] || !moved && (n == 0 || d > 0 && !c.moved(i, 0)) {
					continue
				}
				if err := c.r.lock(ctx, rows[i].keys[d], LockExclusive, true); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// check returns how many of n rows can be changed, and the conflict that the
// next one has.
func (c *change) check(ctx context.Context, n int) (int, *Conflict, error) {
	if c.new == nil {
		return n, nil, nil
	}
	skip := c.r.appendOnly || c.tail != nil
	if !skip {
		free, err := c.probe(ctx)
		if err != nil {
			return 0, nil, err
		}
		skip = free
	}
	checked := func(i, d int) bool { return c.new[i].whole[d] && c.moved(i, d) && !(d == 0 && skip) }
	var keys [][]byte
	for i := range c.new {
		for d := range c.new[i].keys {
			if checked(i, d) {
				keys = append(keys, c.new[i].keys[d])
			}
		}
	}
	if len(keys) == 0 {
		return n, nil, nil
	}
	values := make([][]byte, len(keys))
	var rd kv.Reader = &c.r.tx.buffer // has all entries, but not the rows that are held back
	if !skip {
		rd = c.r.rows(c.r.tx)
	}
	if err := rd.MultiGet(ctx, c.r.space, keys, values); err != nil {
		return 0, nil, err
	}
	// What the rows before have taken and left.
	taken := make(map[string]bool)
	k := 0
	for i := range c.new {
		for d := range c.new[i].keys {
			if !checked(i, d) {
				continue
			}
			held, known := taken[string(keys[k])]
			if !known {
				held = values[k] != nil
			}
			if held {
				return i, &Conflict{Index: c.r.l.index(d)}, nil
			}
			k++
		}
		if n == 1 {
			break
		}
		for d := range c.new[i].keys {
			if c.old != nil && c.old[i].whole[d] && c.moved(i, d) {
				taken[string(c.old[i].keys[d])] = false
			}
			if checked(i, d) {
				taken[string(c.new[i].keys[d])] = true
			}
		}
	}
	return n, nil, nil
}

// probe finds out with one read whether all primary keys of rows to insert are
// free, when they ascend: appended rows, as a rule. Few rows aren't worth it.
func (c *change) probe(ctx context.Context) (free bool, err error) {
	const few = 8
	if c.old != nil || len(c.new) < few {
		return false, nil
	}
	for i := range c.new[1:] {
		if bytes.Compare(c.new[i].keys[0], c.new[i+1].keys[0]) >= 0 {
			return false, nil
		}
	}
	last := c.new[len(c.new)-1].keys[0]
	key, err := firstKey(ctx, c.r.rows(c.r.tx), c.r.space, c.new[0].keys[0], edge(last, true))
	return key == nil, err
}

// write changes the first n rows of the window.
func (c *change) write(ctx context.Context, new *types.Batch, from, n int, now int64) error {
	tx, space := c.r.tx, c.r.space
	var row []byte
	for i := range n {
		for d := range 1 + len(c.r.l.secondary) {
			moved := c.moved(i, d)
			switch {
			case c.old == nil || !moved:
			case d == 0:
				c.r.deleteRow(c.old[i].keys[d])
			default:
				tx.Delete(space, c.old[i].keys[d])
			}
			if c.new == nil {
				continue
			}
			if d == 0 && c.tail != nil {
				continue
			}
			if d == 0 {
				var err error
				if row, err = c.r.l.appendRow(slices.Grow(row[:0], 128), new, from+i, now); err != nil {
					return err
				}
				tx.Put(space, c.new[i].keys[0], row)
			} else if moved || c.r.l.def(d).unique && c.moved(i, 0) {
				tx.Put(space, c.new[i].keys[d], c.r.l.def(d).entry(c.new[i].pk))
			}
		}
	}
	if c.tail != nil && n > 0 {
		return c.tail.add(ctx, c, new, from, n, now)
	}
	return nil
}

// entry returns the value of an entry for the row with key elements pk.
func (d *keyDef) entry(pk []byte) []byte {
	if d.unique {
		return pk
	}
	return nil
}

// existing returns the row that holds a key of ix which row k would have.
func (r *relation) existing(ctx context.Context, ix *schema.Index, k rowKeys) ([]types.Value, error) {
	key := k.keys[0]
	if ix != nil {
		for d := range r.l.secondary {
			if r.l.secondary[d].ix == ix {
				key = k.keys[d+1]
			}
		}
		pk, ok, err := r.tx.Get(ctx, r.space, key)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errOrphan
		}
		key = append(r.prefix(&r.l.primary), pk...)
	}
	row, ok, err := r.rows(r.tx).Get(ctx, r.space, key)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errOrphan
	}
	p := r.l.newProjection(&r.l.primary, r.l.allColumns(), r.tx.db.values)
	b := &types.Batch{}
	for _, t := range r.l.types {
		b.Columns = append(b.Columns, types.NewVector(t, 1))
	}
	elems := key[prefixLen(r.user):]
	if err := p.decode([][]byte{elems}, [][]byte{row}, b.Columns); err != nil {
		return nil, err
	}
	return b.Row(0, nil), nil
}

// DeleteAll implements Table. Soft-deleted rows go too, and with the commit
// sequences begin at 1 again, unless the transaction used them.
func (r *relation) DeleteAll(ctx context.Context) error {
	r.tx.wroteRows(r.l)
	if err := r.leave(r.tx.tail); err != nil {
		return err
	}
	for d := range 1 + len(r.l.secondary) {
		r.deletePrefix(r.l.def(d).id)
	}
	r.deletePrefix(deletedRows)
	if r.packs() {
		r.tx.removeRuns(r.l.t.StorageID(), r.user)
	}
	r.restart()
	return kv.Cancelled(ctx)
}

func (r *relation) deletePrefix(index uint32) {
	p := appendPrefix(nil, r.l.t.StorageID(), index, r.user)
	r.tx.DeleteRange(r.space, p, edge(p, true))
}

// purge removes up to limit rows that were deleted before a time, and returns how
// many it removed.
func (r *relation) purge(ctx context.Context, before time.Time, limit int) (rows int64, err error) {
	v, err := r.tx.newView(new(view))
	if err != nil {
		return 0, err
	}
	defer v.release()
	prefix := appendPrefix(nil, r.l.t.StorageID(), deletedRows, r.user)
	sc := v.Scan(r.space, kv.Range{Start: prefix, End: edge(prefix, true)})
	defer sc.Close()
	for {
		c, err := sc.Next(ctx)
		if err != nil || c.Len() == 0 {
			return rows, err
		}
		for i := range c.Len() {
			updated, err := rowUpdated(c.Value(i))
			if err != nil {
				return rows, r.l.corrupt(err)
			}
			if updated >= before.UnixMicro() {
				continue
			}
			key := bytes.Clone(c.Key(i))
			if err := r.lock(ctx, key, LockExclusive, true); err != nil {
				return rows, err
			}
			r.tx.Delete(r.space, key)
			if rows++; rows == int64(limit) {
				return rows, nil
			}
		}
	}
}
