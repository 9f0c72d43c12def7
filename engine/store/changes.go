package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// TableChanges are what a commit changed in the rows of one table, or a part of
// that: each row once, in the order of keys. They are immutable, and may be
// shared by goroutines.
type TableChanges struct {
	Seq     uint64 // the commit's number
	Storage uint32 // the table's, see schema.Table.StorageID
	Bytes   int    // about what the rows take
	Part    bool   // more of the same commit follows
	// Rows are the changed rows; nil: they are too large to be held in memory, and
	// to be read from the log, unless they are lost.
	Rows []RowChange
	Lost bool // they are larger than the log may be
}

// RowChange is a row before and after a commit.
type RowChange struct {
	key      []byte // the user, in tables that have them, and the key's elements
	old, new []byte // nil: there was, or is, no row
}

const (
	// heldBytes is how large the changes of a table may be to be handed on in memory.
	heldBytes = 1 << 20
	// chunkBytes is about how large the log's values are.
	chunkBytes = 128 << 10
	// lookAhead is how many old rows are looked up at once.
	lookAhead = 512
)

// Capture finds out what the transaction, which is about to be committed as number
// seq, changes in the rows of some tables, and has the commit write that to their
// logs. Commit must follow.
func (tx *Tx) Capture(ctx context.Context, seq uint64, tables []uint32) ([]TableChanges, error) {
	if tx.buffer.Spilled() {
		if err := tx.change().Spill(ctx); err != nil {
			return nil, err
		}
	}
	var list []TableChanges
	for _, id := range tables {
		if slices.Contains(tx.gone, id) {
			continue // the end of the table's rows is no change of them
		}
		if err := tx.unload(ctx, id); err != nil {
			return nil, err
		}
		c := capture{tx: tx, out: TableChanges{Seq: seq, Storage: id}, limit: tx.db.logs.limit(id)}
		if err := c.run(ctx); err != nil {
			return nil, err
		}
		if c.out.Bytes > 0 {
			list = append(list, c.out)
		}
	}
	if len(list) > 0 {
		tx.logged, tx.reserved = list, tx.db.logs.reserve(tx, seq)
	}
	return list, nil
}

// capture collects the changes of one table.
type capture struct {
	tx    *Tx
	out   TableChanges
	limit int
	held  bool // out.Rows is given up

	keys [][]byte // whole, of changes whose old rows are looked up next
	news [][]byte // nil: deleted

	space  kv.Space
	prefix int // of keys
	chunk  []byte
	chunks uint32
	lost   bool // the log would become too large
}

func (c *capture) run(ctx context.Context) error {
	start := appendPrefix(nil, c.out.Storage, schema.PrimaryIndexID, nil)
	end := edge(start, true)
	c.prefix = len(start)
	for _, c.space = range []kv.Space{kv.Data, kv.Stream} {
		err := c.tx.buffer.Removed(c.space, start, end, func(from, to []byte) error { return c.removed(ctx, from, to) })
		if err != nil {
			return err
		}
		// The log goes into the buffer, too: what is walked through stays as it is.
		changes := c.tx.buffer.Freeze()
		err = changes.Changed(ctx, c.space, start, end, func(key, value []byte, deleted bool) error {
			if deleted || isGone(value) {
				return c.add(ctx, key, nil)
			}
			return c.add(ctx, key, append([]byte{}, value...))
		})
		if err == nil {
			err = c.flush(ctx)
		}
		changes.Release()
		if err != nil {
			return err
		}
	}
	return c.end()
}

// removed adds the rows of a range that was deleted as a whole, but for those that
// have been written again.
func (c *capture) removed(ctx context.Context, start, end []byte) error {
	old, err := c.old()
	if err != nil {
		return err
	}
	sc := old.Scan(c.space, kv.Range{Start: start, End: end})
	defer sc.Close()
	for !c.lost {
		chunk, err := sc.Next(ctx)
		if err != nil || chunk.Len() == 0 {
			return err
		}
		for i := range chunk.Len() {
			if !c.tx.buffer.Has(c.space, chunk.Key(i)) {
				c.put(RowChange{key: bytes.Clone(chunk.Key(i)[c.prefix:]), old: bytes.Clone(chunk.Value(i))})
			}
		}
	}
	return nil
}

// old returns a reader of the rows before the transaction.
func (c *capture) old() (kv.Reader, error) {
	if c.space == kv.Data {
		return c.tx.before(c.out.Storage)
	}
	return c.tx.snap, nil
}

func (c *capture) add(ctx context.Context, key, value []byte) error {
	if c.lost {
		return nil
	}
	c.keys, c.news = append(c.keys, bytes.Clone(key)), append(c.news, value)
	if len(c.keys) < lookAhead {
		return nil
	}
	return c.flush(ctx)
}

// flush looks up the old rows of what was added.
func (c *capture) flush(ctx context.Context) error {
	if len(c.keys) == 0 {
		return nil
	}
	old, err := c.old()
	if err != nil {
		return err
	}
	olds := make([][]byte, len(c.keys))
	if err := old.MultiGet(ctx, c.space, c.keys, olds); err != nil {
		return err
	}
	for i, key := range c.keys {
		if olds[i] != nil || c.news[i] != nil {
			c.put(RowChange{key: key[c.prefix:], old: olds[i], new: c.news[i]})
		}
	}
	c.keys, c.news = c.keys[:0], c.news[:0]
	return nil
}

// put adds a change to what is handed on and to the log.
func (c *capture) put(r RowChange) {
	c.out.Bytes += len(r.key) + len(r.old) + len(r.new) + 16
	if c.held = c.held || c.out.Bytes > heldBytes; c.held {
		c.out.Rows = nil
	} else {
		c.out.Rows = append(c.out.Rows, r)
	}
	if c.lost {
		return
	}
	if len(c.chunk) >= chunkBytes {
		c.write(0)
	}
	if c.lost {
		return
	}
	if len(c.chunk) == 0 {
		c.chunk = binary.BigEndian.AppendUint64(c.chunk, uint64(time.Now().UnixMicro()))
	}
	c.chunk = r.append(c.chunk)
}

// write ends a chunk of the log; flag is lastChunk for the commit's last, or 0.
func (c *capture) write(flag uint32) {
	if c.lost = c.out.Bytes > c.limit; c.lost {
		return
	}
	c.tx.Put(kv.Stream, logKey(c.out.Storage, c.out.Seq, c.chunks|flag), c.chunk)
	c.chunks++
	c.chunk = c.chunk[:0]
}

// end completes the log of the commit. One that would be larger than logs may be
// leaves a gap instead: what was before it is gone.
func (c *capture) end() error {
	if len(c.chunk) > 0 {
		c.write(lastChunk)
	}
	if !c.lost {
		return nil
	}
	c.out.Rows, c.out.Lost = nil, true
	for n := range c.chunks {
		c.tx.Delete(kv.Stream, logKey(c.out.Storage, c.out.Seq, n))
	}
	c.tx.Put(kv.Meta, logHeader(c.out.Storage, headerGap), binary.BigEndian.AppendUint64(nil, c.out.Seq))
	return nil
}

// What a logged change has, in the byte that it begins with.
const (
	hasOld = 1 << iota
	hasNew
)

func (r *RowChange) append(dst []byte) []byte {
	var has byte
	if r.old != nil {
		has |= hasOld
	}
	if r.new != nil {
		has |= hasNew
	}
	dst = append(dst, has)
	for _, p := range [][]byte{r.key, r.old, r.new} {
		if p != nil {
			dst = binary.AppendUvarint(dst, uint64(len(p)))
			dst = append(dst, p...)
		}
	}
	return dst
}

// cutChange reads what RowChange.append wrote.
func cutChange(p []byte) (r RowChange, rest []byte, ok bool) {
	if len(p) == 0 || p[0] > hasOld|hasNew {
		return r, nil, false
	}
	has := p[0]
	p = p[1:]
	field := func() []byte {
		n, w := binary.Uvarint(p)
		if ok = w > 0 && n <= uint64(len(p)-w); !ok {
			return nil
		}
		f := p[w : w+int(n) : w+int(n)]
		p = p[w+int(n):]
		return f
	}
	if r.key = field(); ok && has&hasOld != 0 {
		r.old = field()
	}
	if ok && has&hasNew != 0 {
		r.new = field()
	}
	return r, p, ok
}

// ChangedRows are the rows of TableChanges, decoded. They are shared and not to be
// changed.
type ChangedRows struct {
	Seq   uint64
	Bytes int
	Len   int
	// Columns are the ordinals of the batches' columns, ascending.
	Columns []int
	// Users are the encoded users whose the rows are, nil in shared tables.
	Users    [][]byte
	Old, New *types.Batch
	// OldAt and NewAt tell where a row is in Old and New, -1 if it is not.
	OldAt, NewAt []int32
}

// ChangeDecoder decodes changed rows of a table as one definition of it has them. It
// is used by one goroutine.
type ChangeDecoder struct {
	l       *layout
	columns []int
	p       projection
	users   bool
}

// ChangeDecoder returns a decoder of some columns, ascending ordinals.
func (db *DB) ChangeDecoder(t *schema.Table, columns []int) *ChangeDecoder {
	l := newLayout(t) // its own: the table's may change meanwhile
	return &ChangeDecoder{l: l, columns: columns, p: l.newProjection(&l.primary, columns, db.values), users: t.Kind != schema.Shared}
}

// Decode decodes changes, which must have their rows. TIMESTAMPs are in UTC.
func (d *ChangeDecoder) Decode(c *TableChanges) (*ChangedRows, error) {
	n := len(c.Rows)
	ts := typesOf(d.l.t, d.columns)
	at := make([]int32, 2*n)
	out := &ChangedRows{Seq: c.Seq, Bytes: c.Bytes, Len: n, Columns: d.columns,
		Old: emptyBatch(ts, n), New: emptyBatch(ts, n), OldAt: at[:n], NewAt: at[n:]}
	if d.users {
		out.Users = make([][]byte, n)
	}
	var oldKeys, olds, newKeys, news [][]byte
	for i := range c.Rows {
		r := &c.Rows[i]
		key := r.key
		if d.users {
			_, rest, err := keyenc.CutBytes(nil, key)
			if err != nil {
				return nil, d.l.corrupt(err)
			}
			out.Users[i] = key[:len(key)-len(rest)]
			key = rest
		}
		out.OldAt[i], out.NewAt[i] = -1, -1
		if r.old != nil {
			out.OldAt[i] = int32(len(olds))
			oldKeys, olds = append(oldKeys, key), append(olds, r.old)
		}
		if r.new != nil {
			out.NewAt[i] = int32(len(news))
			newKeys, news = append(newKeys, key), append(news, r.new)
		}
	}
	if err := d.p.decode(oldKeys, olds, out.Old.Columns); err != nil {
		return nil, d.l.corrupt(err)
	}
	if err := d.p.decode(newKeys, news, out.New.Columns); err != nil {
		return nil, d.l.corrupt(err)
	}
	out.Old.Len, out.New.Len = len(olds), len(news)
	return out, nil
}

// EncodedUser returns a user as ChangedRows has it.
func EncodedUser(user string) []byte { return keyenc.AppendBytes(nil, []byte(user)) }

// DecodedUser returns the user that ChangedRows has as encoded.
func DecodedUser(encoded []byte) (string, error) {
	user, _, err := keyenc.CutBytes(nil, encoded)
	return string(user), err
}

func emptyBatch(ts []types.Type, rows int) *types.Batch {
	b := &types.Batch{Columns: make([]*types.Vector, len(ts))}
	for i, t := range ts {
		b.Columns[i] = types.NewVector(t, rows)
	}
	return b
}
