package kv

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// An Overlay with very many changes puts them into a DB of its own, which is
// temporary: the tree then has only what was changed since, over the spilled
// changes, over the snapshot. What the spilled part has of a key is tagged, since
// it may be that the key is deleted. The log of what to undo goes along, into the
// Meta space, whose own changes stay in memory.

// The tags that values of spilled changes, and of a Source, begin with.
const (
	TagDeleted = 0 // nothing follows
	TagPut     = 1 // the value follows
)

// Source yields changes of several spaces, one space after another, each key once
// and in order; values are tagged. An empty chunk is the end. The chunk is
// valid until the next call.
type Source func(ctx context.Context) (Space, *Chunk, error)

// spillStore is the temporary DB of an Overlay and those who read it.
type spillStore struct {
	db    DB
	close func()
	refs  atomic.Int32 // the overlay, and states that are read
}

func (s *spillStore) release() {
	if s.refs.Add(-1) == 0 {
		s.db.Close()
		s.close()
	}
}

// spilled is a state of the spilled changes.
type spilled struct {
	Snapshot
	store *spillStore
	refs  atomic.Int32
}

func (s *spilled) release() {
	if s != nil && s.refs.Add(-1) == 0 {
		s.Snapshot.Release()
		s.store.release()
	}
}

// spillTo is where an Overlay spills to, and what it has there.
type spillTo struct {
	open   func() (db DB, close func(), err error)
	store  *spillStore // nil: nothing is spilled
	logged int         // undo records
	first  [NumSpaces][]byte
	last   [NumSpaces][]byte // bounds of the keys
}

// SetSpill says how to open a temporary DB; close is called after DB.Close.
func (o *Overlay) SetSpill(open func() (db DB, close func(), err error)) { o.spill.open = open }

// CanSpill reports whether Spill gets memory back.
func (o *Overlay) CanSpill() bool {
	if o.spill.open == nil {
		return false
	}
	for s := range o.spaces {
		if o.spaces[s].ranges.Len() > 0 {
			return false
		}
	}
	return true
}

// Spilled reports whether changes have been spilled.
func (o *Overlay) Spilled() bool { return o.under != nil }

// spillBytes is about how large the batches are in which changes are spilled.
const spillBytes = 1 << 20

// Spill moves the changes to disk, but for those of Meta. When it fails, the
// Overlay can only be Reset.
func (o *Overlay) Spill(ctx context.Context) error {
	if !o.CanSpill() {
		return nil
	}
	if o.err == nil {
		o.err = o.spillAll(ctx)
	}
	return o.err
}

func (o *Overlay) spillAll(ctx context.Context) error {
	if o.spill.store == nil {
		db, close, err := o.spill.open()
		if err != nil {
			return err
		}
		o.spill.store = &spillStore{db: db, close: close}
		o.spill.store.refs.Store(1)
	}
	var b Batch
	flush := func(limit int) error {
		if len(b.Bytes()) <= limit {
			return nil
		}
		err := o.spill.store.db.Write(ctx, &b, NoLog)
		b.Reset()
		return err
	}
	if err := o.logUndos(ctx, &b, flush); err != nil {
		return err
	}
	var value []byte
	for i := range o.spaces {
		s := Space(i)
		if s == Meta {
			continue
		}
		var err error
		o.spaces[s].entries.Scan(func(key string, v []byte) bool {
			value = tagged(value[:0], v)
			b.Put(s, raw(key), value)
			if o.spill.first[s] == nil || key < text(o.spill.first[s]) {
				o.spill.first[s] = []byte(key)
			}
			if o.spill.last[s] == nil || key > text(o.spill.last[s]) {
				o.spill.last[s] = []byte(key)
			}
			err = flush(spillBytes)
			return err == nil
		})
		if err != nil {
			return err
		}
		o.spaces[s] = buffer{}
	}
	if err := flush(0); err != nil {
		return err
	}
	clear(o.undos)
	o.spill.logged += len(o.undos)
	o.undos, o.block = o.undos[:0], nil
	o.size = 0
	o.spaces[Meta].entries.Scan(func(key string, v []byte) bool {
		o.size += len(key) + len(v) + entryCost
		return true
	})
	return o.newUnder()
}

// newUnder takes the present state of the spilled changes.
func (o *Overlay) newUnder() error {
	snap, err := o.spill.store.db.Snapshot()
	if err != nil {
		return err
	}
	o.under.release()
	o.under = &spilled{Snapshot: snap, store: o.spill.store}
	o.under.refs.Store(1)
	o.spill.store.refs.Add(1)
	return nil
}

// tagged appends a change's value with its tag; nil: deleted.
func tagged(dst, value []byte) []byte {
	if value == nil {
		return append(dst, TagDeleted)
	}
	return append(append(dst, TagPut), value...)
}

// untagged returns a change's value, nil when the key is deleted.
func untagged(v []byte) []byte {
	if v[0] == TagDeleted {
		return nil
	}
	return v[1:len(v):len(v)]
}

// logUndos moves the log of what to undo. What a key had before is known of keys
// that the tree had; of the others the spilled part may have something.
func (o *Overlay) logUndos(ctx context.Context, b *Batch, flush func(int) error) error {
	const group = 1024
	for from := 0; from < len(o.undos); from += group {
		part := o.undos[from:min(from+group, len(o.undos))]
		for i := range NumSpaces {
			if err := o.lookUpOld(ctx, i, part); err != nil {
				return err
			}
		}
		var key [8]byte
		var rec []byte
		for i := range part {
			u := &part[i]
			binary.BigEndian.PutUint64(key[:], uint64(o.spill.logged+from+i))
			rec = append(rec[:0], byte(u.space), boolByte(u.had))
			rec = binary.AppendUvarint(rec, uint64(len(u.key)))
			rec = tagged(append(rec, u.key...), u.old)
			b.Put(Meta, key[:], rec)
			if err := flush(spillBytes); err != nil {
				return err
			}
		}
	}
	return nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// lookUpOld finds what the spilled part has of the keys in undos of one space that
// the tree did not have.
func (o *Overlay) lookUpOld(ctx context.Context, s Space, undos []undo) error {
	if o.under == nil || s == Meta {
		return nil
	}
	var keys [][]byte
	var at []int
	for i := range undos {
		u := &undos[i]
		if u.space == s && !u.had && o.spill.first[s] != nil && u.key >= text(o.spill.first[s]) && u.key <= text(o.spill.last[s]) {
			keys, at = append(keys, raw(u.key)), append(at, i)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	values := make([][]byte, len(keys))
	if err := o.under.MultiGet(ctx, s, keys, values); err != nil {
		return err
	}
	for i, v := range values {
		if v != nil {
			undos[at[i]].had, undos[at[i]].old = true, untagged(v)
		}
	}
	return nil
}

// undoSpilled goes back to undo record number to, which is spilled. The tree has
// nothing but Meta's changes then.
func (o *Overlay) undoSpilled(to int) error {
	ctx := context.Background()
	var b Batch
	var from, end [8]byte
	binary.BigEndian.PutUint64(from[:], uint64(to))
	binary.BigEndian.PutUint64(end[:], uint64(o.spill.logged))
	db := o.spill.store.db
	sc := o.under.Scan(Meta, Range{Start: from[:], End: end[:], Reverse: true})
	defer sc.Close()
	var value []byte
	for {
		c, err := sc.Next(ctx)
		if err != nil {
			return err
		}
		if c.Len() == 0 {
			break
		}
		for i := range c.Len() {
			rec := c.Value(i)
			s, had := Space(rec[0]), rec[1] == 1
			key, rest := sized(rec[2:])
			old := untagged(rest)
			switch {
			case s == Meta && had:
				o.spaces[s].entries.Set(string(key), bytes.Clone(old))
			case s == Meta:
				o.spaces[s].entries.Delete(string(key))
			case had:
				value = tagged(value[:0], old)
				b.Put(s, key, value)
			default:
				b.Delete(s, key)
			}
		}
		if err := db.Write(ctx, &b, NoLog); err != nil {
			return err
		}
		b.Reset()
	}
	b.DeleteRange(Meta, from[:], end[:])
	if err := db.Write(ctx, &b, NoLog); err != nil {
		return err
	}
	o.spill.logged = to
	return o.newUnder()
}

// forgetSpilled makes spilled undo records void.
func (o *Overlay) forgetSpilled() {
	if o.spill.logged == 0 {
		return
	}
	var b Batch
	var from, end [8]byte
	binary.BigEndian.PutUint64(end[:], uint64(o.spill.logged))
	b.DeleteRange(Meta, from[:], end[:])
	if err := o.spill.store.db.Write(context.Background(), &b, NoLog); err != nil && o.err == nil {
		o.err = err
	}
	o.spill.logged = 0
}

// dropSpilled gives up what was spilled.
func (o *Overlay) dropSpilled() {
	o.under.release()
	o.under = nil
	if o.spill.store != nil {
		o.spill.store.release()
	}
	o.spill = spillTo{open: o.spill.open}
}

// Release gives back what a frozen Overlay holds. It is not to be read any more.
func (o *Overlay) Release() {
	o.under.release()
	o.under = nil
}

// Source returns all changes: those of head, which may have puts and deletes of
// Meta only and wins over the Overlay's own, then the others, of which none may be spilled, or
// all are. There must be no deleted ranges, see CanSpill. The Overlay must not change until
// done is called.
func (o *Overlay) Source(head *Batch) (source Source, done func()) {
	meta := map[string][]byte{}
	add := func(key string, v []byte) bool {
		meta[key] = tagged(nil, v)
		return true
	}
	o.spaces[Meta].entries.Scan(add)
	head.Each(func(op Op, s Space, key, value []byte) {
		if op == OpPut {
			add(string(key), append([]byte{}, value...))
		} else {
			add(string(key), nil)
		}
	})
	var first Chunk
	keys := make([]string, 0, len(meta))
	for k := range meta {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		first.Append([]byte(k), meta[k])
	}
	s := Meta + 1
	var sc Scanner
	tree := treeSource{of: o}
	source = func(ctx context.Context) (Space, *Chunk, error) {
		if first.Len() > 0 {
			c := first
			first = Chunk{}
			return Meta, &c, nil
		}
		for ; s < NumSpaces; s++ {
			if o.under == nil {
				if c := tree.next(s); c.Len() > 0 {
					return s, c, nil
				}
				continue
			}
			if sc == nil {
				sc = o.under.Scan(s, Range{NoCache: true})
			}
			c, err := sc.Next(ctx)
			if err != nil || c.Len() > 0 {
				return s, c, err
			}
			sc.Close()
			sc = nil
		}
		return NumSpaces - 1, &Chunk{}, nil
	}
	return source, func() {
		if sc != nil {
			sc.Close()
		}
	}
}

// treeSource yields the changes of one space after another that are in the tree.
type treeSource struct {
	of    *Overlay
	space Space
	from  string // where the next chunk begins
	chunk Chunk
	value []byte
}

// next returns the next changes of a space, none at its end.
func (t *treeSource) next(s Space) *Chunk {
	if s != t.space {
		t.space, t.from = s, ""
	}
	t.chunk.Reset()
	var last string
	t.of.spaces[s].entries.Ascend(t.from, func(key string, v []byte) bool {
		t.value = tagged(t.value[:0], v)
		t.chunk.Append(raw(key), t.value)
		last = key
		return len(t.chunk.Buf) < spillBytes
	})
	t.from = last + "\x00"
	return &t.chunk
}

// lower returns what lies under the tree.
func (o *Overlay) lower() Reader {
	if o.under == nil {
		return o.base
	}
	return &spillReader{o.under, o.base}
}

// spillReader reads spilled changes over a snapshot.
type spillReader struct {
	changes, base Reader
}

// Get implements Reader.
func (r *spillReader) Get(ctx context.Context, s Space, key []byte) ([]byte, bool, error) {
	if s != Meta {
		v, ok, err := r.changes.Get(ctx, s, key)
		if err != nil {
			return nil, false, err
		}
		if ok {
			v = untagged(v)
			return v, v != nil, nil
		}
	}
	return r.base.Get(ctx, s, key)
}

// MultiGet implements Reader.
func (r *spillReader) MultiGet(ctx context.Context, s Space, keys, values [][]byte) error {
	if s == Meta {
		return r.base.MultiGet(ctx, s, keys, values)
	}
	if err := r.changes.MultiGet(ctx, s, keys, values); err != nil {
		return err
	}
	var rest [][]byte
	var at []int
	for i, v := range values {
		if v != nil {
			values[i] = untagged(v)
		} else {
			rest, at = append(rest, keys[i]), append(at, i)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	found := make([][]byte, len(rest))
	if err := r.base.MultiGet(ctx, s, rest, found); err != nil {
		return err
	}
	for i, v := range found {
		values[at[i]] = v
	}
	return nil
}

// Scan implements Reader.
func (r *spillReader) Scan(s Space, rng Range) Scanner {
	if s == Meta {
		return r.base.Scan(s, rng)
	}
	m := &spillScanner{reverse: rng.Reverse, keysOnly: rng.KeysOnly, left: rng.Limit}
	if rng.Limit == 0 {
		m.left = -1
	}
	rng.Limit = 0
	m.base.scan = r.base.Scan(s, rng)
	rng.KeysOnly = false
	m.changes.scan = r.changes.Scan(s, rng)
	return m
}

// input is a scanner with its chunk.
type input struct {
	scan  Scanner
	chunk *Chunk
	at    int
	done  bool
}

// fill reads on where the chunk has ended.
func (in *input) fill(ctx context.Context) (err error) {
	if !in.done && (in.chunk == nil || in.at == in.chunk.Len()) {
		in.chunk, err = in.scan.Next(ctx)
		if err == nil {
			in.at, in.done = 0, in.chunk.Len() == 0
		}
	}
	return err
}

// spillScanner lays spilled changes over a snapshot's scan.
type spillScanner struct {
	changes, base     input
	reverse, keysOnly bool
	left              int // pairs still wanted, -1: no limit
	closed            bool
	out               Chunk
}

// Next implements Scanner.
func (m *spillScanner) Next(ctx context.Context) (*Chunk, error) {
	if m.closed {
		return nil, sqlerr.Closed.New("the scan is closed")
	}
	m.out.Reset()
	for m.left != 0 && m.out.Len() < mergeRows && len(m.out.Buf) < mergeBytes {
		if err := m.changes.fill(ctx); err != nil {
			return nil, err
		}
		if err := m.base.fill(ctx); err != nil {
			return nil, err
		}
		if m.changes.done {
			if m.base.done {
				break
			}
			m.takeBase(m.base.chunk.Len())
			continue
		}
		key := m.changes.chunk.Key(m.changes.at)
		if !m.base.done {
			b := &m.base
			n := b.at + sort.Search(b.chunk.Len()-b.at, func(i int) bool { return m.compare(b.chunk.Key(b.at+i), key) >= 0 })
			if n > b.at {
				m.takeBase(n)
				continue
			}
			if bytes.Equal(b.chunk.Key(b.at), key) {
				b.at++
			}
		}
		if v := untagged(m.changes.chunk.Value(m.changes.at)); v != nil {
			if m.keysOnly {
				v = nil
			}
			m.out.Append(key, v)
			if m.left > 0 {
				m.left--
			}
		}
		m.changes.at++
	}
	return &m.out, nil
}

// takeBase takes the snapshot's pairs up to but not including to.
func (m *spillScanner) takeBase(to int) {
	b := &m.base
	if m.left > 0 {
		to = min(to, b.at+m.left)
		m.left -= to - b.at
	}
	m.out.appendRun(b.chunk, b.at, to)
	b.at = to
}

func (m *spillScanner) compare(a, b []byte) int {
	if m.reverse {
		return bytes.Compare(b, a)
	}
	return bytes.Compare(a, b)
}

// Close implements Scanner.
func (m *spillScanner) Close() error {
	m.closed = true
	err := m.changes.scan.Close()
	if e := m.base.scan.Close(); err == nil {
		err = e
	}
	return err
}
