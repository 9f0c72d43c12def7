package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"maps"
	"math"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// Problem is something that a check found wrong with a table.
type Problem struct {
	Index string // "PRIMARY" for rows
	User  string // whose row or entry it is, in user and stream tables
	Key   []byte // elements of the row's or entry's key; nil: it is about no single one
	Text  string
}

// String tells the problem with where it is.
func (p Problem) String() string {
	s := p.Text
	if p.Key != nil {
		s += fmt.Sprintf(", key %s of %s", hex.EncodeToString(p.Key), p.Index)
	}
	if p.User != "" {
		s += fmt.Sprintf(", user %q", p.User)
	}
	return s
}

// CheckOptions say how much Check does.
type CheckOptions struct {
	// Quick compares numbers of rows and entries only.
	Quick bool
	// Extended compares each row with its entries and each entry with its row,
	// also when their checksums agree.
	Extended bool
	// Rows is called with the rows that could be decoded, if it is not nil.
	Rows func(rows *types.Batch) error
	// Report is called with each problem.
	Report func(Problem)
}

// Check looks for everything that can be wrong with t as tx sees it, in bounded
// memory. Problems are reported; the error is that of reading.
//
// Rows and the entries of each index are read once and their checksums
// compared. Only where they differ are rows and entries looked up one by one.
func Check(ctx context.Context, tx *Tx, t *schema.Table, o CheckOptions) (rows int64, err error) {
	c := checker{tx: tx, r: tx.AllUsers(t).relation, o: o, seed: maphash.MakeSeed()}
	c.l = c.r.l
	c.want = make([]fingerprint, len(c.l.secondary))
	if err := c.segments(ctx); err != nil {
		return 0, c.l.corrupt(err)
	}
	if err := c.rows(ctx); err != nil {
		return c.count, c.l.corrupt(err)
	}
	for d := range c.l.secondary {
		if err := c.index(ctx, d); err != nil {
			return c.count, c.l.corrupt(err)
		}
	}
	return c.count, c.l.corrupt(c.leftovers(ctx))
}

// checker is the state of Check.
type checker struct {
	tx    *Tx
	r     *relation
	l     *layout
	o     CheckOptions
	seed  maphash.Seed
	count int64         // of rows
	want  []fingerprint // the entries that rows should have, by index

	user    []byte   // encoded; whose rows are read
	highest []uint64 // value of each counted column in the user's rows
}

// fingerprint tells sets of pairs apart, whatever their order.
type fingerprint struct {
	n   int64
	sum uint64
}

func (f *fingerprint) add(seed maphash.Seed, key, value []byte) {
	var h maphash.Hash
	h.SetSeed(seed)
	maphash.WriteComparable(&h, len(key))
	h.Write(key)
	h.Write(value)
	f.n++
	f.sum += h.Sum64()
}

func (c *checker) report(index string, user, key []byte, format string, args ...any) {
	p := Problem{Index: index, Key: bytes.Clone(key), Text: fmt.Sprintf(format, args...)}
	p.setUser(user)
	c.o.Report(p)
}

// rows reads all rows.
func (c *checker) rows(ctx context.Context) error {
	err := c.r.eachRow(ctx, schema.PrimaryIndexID, rowVisitor{
		good: func(g *rowGroup) error {
			c.count += int64(g.rows.Len)
			if c.o.Quick {
				for d := range c.want {
					c.want[d].n += int64(g.rows.Len)
				}
				return nil
			}
			return c.group(ctx, g)
		},
		bad: func(user, key, _ []byte, why error) error {
			c.count++
			c.report("PRIMARY", user, key, "Row can't be read: %v", why)
			return nil
		},
	})
	if err != nil {
		return err
	}
	if !c.o.Quick {
		if err := c.checkSequences(ctx); err != nil {
			return err
		}
	}
	return c.r.eachRow(ctx, deletedRows, rowVisitor{
		good: func(*rowGroup) error { return nil },
		bad: func(user, key, _ []byte, why error) error {
			c.report("PRIMARY", user, key, "Deleted row can't be read: %v", why)
			return nil
		},
	})
}

// group checks rows of one user and adds up the entries that they should have.
func (c *checker) group(ctx context.Context, g *rowGroup) error {
	if c.highest == nil || !bytes.Equal(c.user, g.user) {
		if err := c.checkSequences(ctx); err != nil {
			return err
		}
		c.user = append(c.user[:0], g.user...)
		c.highest = make([]uint64, len(c.l.counted))
	}
	for n, column := range c.l.counted {
		for i := range g.rows.Len {
			c.highest[n] = max(c.highest[n], counted(g.rows.Columns[column], i))
		}
	}
	for i := range c.l.t.Columns {
		col := &c.l.t.Columns[i]
		if !col.NotNull || g.rows.Columns[i].Valid == nil {
			continue
		}
		for n := range g.rows.Len {
			if g.rows.Columns[i].IsNull(n) {
				c.report("PRIMARY", g.user, g.keys[n], "Column '%s' is NULL", col.Name)
			}
		}
	}
	for n, row := range g.values {
		if why := c.l.checkShape(row); why != "" {
			c.report("PRIMARY", g.user, g.keys[n], "%s", why)
		}
	}
	if c.o.Rows != nil {
		if err := c.o.Rows(g.rows); err != nil {
			return err
		}
	}
	var key []byte
	for d := range c.l.secondary {
		def := &c.l.secondary[d]
		for n := range g.rows.Len {
			var err error
			if key, _, err = def.appendKey(append(key[:0], g.user...), g.rows, n); err != nil {
				return err
			}
			c.want[d].add(c.seed, key, def.entry(g.keys[n]))
		}
	}
	return nil
}

// checkShape returns what is wrong with a row that can be decoded.
func (l *layout) checkShape(row []byte) string {
	if len(row) == 0 || endWidth(row[0]) == 0 {
		return "Row is of an unknown format" // it has no columns that are read
	}
	version, _ := binary.Uvarint(row[1:])
	switch {
	case version > uint64(l.t.Version):
		return fmt.Sprintf("Row has schema version %d; the table has %d", version, l.t.Version)
	case version == 0 || version > math.MaxUint32:
		return fmt.Sprintf("Row has schema version %d", version)
	case version == uint64(l.t.Version) && !bytes.HasPrefix(row[1:], l.shape):
		return fmt.Sprintf("Row hasn't the columns of its schema version %d", version)
	}
	return ""
}

// checkSequences compares the highest values of the user whose rows were read
// with what is saved of the sequences.
func (c *checker) checkSequences(ctx context.Context) error {
	if c.l.t.Kind == schema.Stream {
		return nil
	}
	for n, highest := range c.highest {
		column := &c.l.t.Columns[c.l.counted[n]]
		saved, prefix := uint64(0), sequencePrefix(c.l.t.ID, column.ID, c.user)
		err := eachPair(ctx, c.tx, kv.Meta, prefix, func(key, _ []byte) error {
			if v, err := number(key[len(prefix):]); err == nil {
				saved = max(saved, v)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if saved < highest {
			c.report("PRIMARY", c.user, nil, "The counter of column '%s' is %d; there is a row with %d", column.Name, saved, highest)
		}
	}
	return nil
}

// index reads the entries of an index and, where they are not those that rows
// should have, finds out which.
func (c *checker) index(ctx context.Context, d int) error {
	def := &c.l.secondary[d]
	var have fingerprint
	err := c.r.eachEntry(ctx, def.id, !c.o.Quick, func(key, value []byte) error {
		if c.o.Quick {
			have.n++
		} else {
			have.add(c.seed, key, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case c.o.Quick:
		if have.n != c.want[d].n {
			c.report(def.name(), nil, nil, "Index '%s' has %d entries, the table %d rows", def.name(), have.n, c.want[d].n)
		}
		return nil
	case have == c.want[d] && !c.o.Extended:
		return nil
	}
	if err := c.missingEntries(ctx, def); err != nil {
		return err
	}
	return c.wrongEntries(ctx, def)
}

// missingEntries looks up the entry of each row.
func (c *checker) missingEntries(ctx context.Context, def *keyDef) error {
	return c.r.eachRow(ctx, schema.PrimaryIndexID, rowVisitor{good: func(g *rowGroup) error {
		prefix := appendPrefix(nil, c.l.t.StorageID(), def.id, g.user)
		keys, whole := make([][]byte, g.rows.Len), make([]bool, g.rows.Len)
		for n := range keys {
			var err error
			if keys[n], whole[n], err = def.appendKey(bytes.Clone(prefix), g.rows, n); err != nil {
				return err
			}
		}
		values := make([][]byte, len(keys))
		if err := c.tx.MultiGet(ctx, c.r.space, keys, values); err != nil {
			return err
		}
		for n, v := range values {
			switch {
			case v == nil:
				c.report(def.name(), g.user, keys[n][len(prefix):], "Index '%s' lacks the entry of row %x", def.name(), g.keys[n])
			case bytes.Equal(v, def.entry(g.keys[n])):
			case !whole[n]:
				c.report(def.name(), g.user, keys[n][len(prefix):], "Index '%s' has a wrong value for row %x", def.name(), g.keys[n])
			default:
				same, err := c.hasEntry(ctx, def, g.user, v, keys[n])
				if err != nil {
					return err
				}
				if same {
					c.report(def.name(), g.user, keys[n][len(prefix):], "Duplicate entry: rows %x and %x have the same key", v, g.keys[n])
				} else {
					c.report(def.name(), g.user, keys[n][len(prefix):], "Index '%s' has a wrong value for row %x: %x", def.name(), g.keys[n], v)
				}
			}
		}
		return nil
	}})
}

// hasEntry reports whether the row with key elements pk is there and should
// have an entry with the key.
func (c *checker) hasEntry(ctx context.Context, def *keyDef, user, pk, key []byte) (bool, error) {
	at := append(appendPrefix(nil, c.l.t.StorageID(), c.l.primary.id, user), pk...)
	row, ok, err := c.r.rows(c.tx).Get(ctx, c.r.space, at)
	if err != nil || !ok {
		return false, err
	}
	g := newRowGroup(c.r)
	if g.decode(user, [][]byte{pk}, [][]byte{row}) != nil {
		return false, nil
	}
	own, _, err := def.appendKey(appendPrefix(nil, c.l.t.StorageID(), def.id, user), g.rows, 0)
	return err == nil && bytes.Equal(own, key), err
}

// wrongEntries looks up the row of each entry.
func (c *checker) wrongEntries(ctx context.Context, def *keyDef) error {
	at := prefixLen(nil)
	var entries, rows [][]byte // keys
	var users []int            // lengths of the encoded users
	flush := func() error {
		values := make([][]byte, len(rows))
		if err := c.r.rows(c.tx).MultiGet(ctx, c.r.space, rows, values); err != nil {
			return err
		}
		g := newRowGroup(c.r)
		for n, v := range values {
			user, elements := entries[n][at:at+users[n]], entries[n][at+users[n]:]
			pk := rows[n][at+users[n]:]
			if v == nil {
				c.report(def.name(), user, elements, "Index '%s' has an entry without row %x", def.name(), pk)
				continue
			}
			if g.decode(user, [][]byte{pk}, [][]byte{v}) != nil {
				continue // the row was reported
			}
			own, _, err := def.appendKey(bytes.Clone(entries[n][:at+users[n]]), g.rows, 0)
			if err != nil {
				return err
			}
			if !bytes.Equal(own, entries[n]) {
				c.report(def.name(), user, elements, "Index '%s' has an entry that row %x should not have", def.name(), pk)
			}
		}
		entries, rows, users = entries[:0], rows[:0], users[:0]
		return nil
	}
	prefix := appendPrefix(nil, c.l.t.StorageID(), def.id, nil)
	err := c.r.eachEntry(ctx, def.id, true, func(key, value []byte) error {
		user, elements, err := c.r.cutUser(key)
		if err != nil {
			c.report(def.name(), nil, key, "Index '%s' has an entry that can't be read", def.name())
			return nil
		}
		row := appendPrefix(nil, c.l.t.StorageID(), c.l.primary.id, user)
		if row, err = c.l.appendRowKey(row, def, elements, value); err != nil {
			c.report(def.name(), user, elements, "Index '%s' has an entry that can't be read", def.name())
			return nil
		}
		entries, rows, users = append(entries, append(bytes.Clone(prefix), key...)), append(rows, row), append(users, len(user))
		if len(rows) == types.BatchRows {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// leftovers looks for entries of indexes that the table does not have.
func (c *checker) leftovers(ctx context.Context) error {
	return c.eachLeftover(ctx, func(prefix []byte) {
		c.report("PRIMARY", nil, nil, "There are keys of number %#x, which no index of the table has", prefix[prefixBytes/2:])
	})
}

// eachLeftover calls f with what the keys of an index begin with that the table
// does not have. Those that are being built don't count.
func (c *checker) eachLeftover(ctx context.Context, f func(prefix []byte)) error {
	known := map[uint32]bool{rowsIndex: true, deletedRows: true, setAside: true, segmentBlocks: true, damagedBlocks: true}
	for d := range c.l.secondary {
		known[c.l.secondary[d].id] = true
	}
	underWay, err := listPending(ctx, c.tx)
	if err != nil {
		return err
	}
	for _, p := range underWay {
		known[p.index] = known[p.index] || p.table == c.l.t.StorageID()
	}
	start := binary.BigEndian.AppendUint32(nil, c.l.t.StorageID())
	end := edge(start, true)
	for {
		key, err := firstKey(ctx, c.tx, c.r.space, start, end)
		if err != nil || key == nil {
			return err
		}
		prefix := key[:min(len(key), prefixBytes)]
		if len(prefix) < prefixBytes || !known[binary.BigEndian.Uint32(prefix[prefixBytes/2:])] {
			f(prefix)
		}
		start = edge(prefix, true)
	}
}

// Strays calls f with the numbers of tables that have keys but are not known.
// It reads a key for each table.
func Strays(ctx context.Context, tx *Tx, known map[uint32]bool, f func(table uint32) error) error {
	underWay, err := listPending(ctx, tx)
	if err != nil {
		return err
	}
	known = maps.Clone(known)
	known[logTable] = true
	for _, p := range underWay {
		known[p.table] = true
	}
	find := func(s kv.Space, prefix []byte) error {
		start, end := prefix, []byte(nil)
		if len(prefix) > 0 {
			end = edge(prefix, true)
		}
		for {
			key, err := firstKey(ctx, tx, s, start, end)
			if err != nil || key == nil {
				return err
			}
			id := key[len(prefix):]
			if len(id) < prefixBytes/2 {
				return errRowKey
			}
			id = id[:prefixBytes/2]
			if n := binary.BigEndian.Uint32(id); !known[n] {
				if err := f(n); err != nil {
					return err
				}
			}
			if start = edge(key[:len(prefix)+len(id)], true); start == nil {
				return nil
			}
		}
	}
	for _, s := range []kv.Space{kv.Data, kv.Stream} {
		if err := find(s, nil); err != nil {
			return err
		}
	}
	if err := find(kv.Meta, []byte{metaSegments}); err != nil {
		return err
	}
	return find(kv.Meta, []byte{metaSequence})
}
