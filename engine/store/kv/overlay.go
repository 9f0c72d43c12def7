package kv

import (
	"bytes"
	"context"
	"unsafe"

	"github.com/tidwall/btree"
)

// Overlay is a buffer of changes over a snapshot: a ReadWriter that reads what
// it wrote. It is used by one goroutine, but a scanner got from it may be used
// by another: it reads the buffer as it was when Scan was called.
type Overlay struct {
	base   Reader
	spaces [NumSpaces]buffer
	size   int
	block  []byte // where keys and values are copied to
}

// buffer holds one space's changes: the entries written, over the ranges
// deleted, over the snapshot. Its trees are copied on write, a copy is O(1).
type buffer struct {
	entries btree.Map[string, []byte] // nil value: deleted
	ranges  btree.Map[string, string] // start to end; apart from one another
}

// Mark is a state of an Overlay to go back to.
type Mark struct {
	spaces [NumSpaces]buffer
	size   int
}

var _ ReadWriter = (*Overlay)(nil)

// NewOverlay returns an empty Overlay over base, which stays the caller's.
func NewOverlay(base Reader) *Overlay { return &Overlay{base: base} }

// Rebase makes base what the buffer lies over. Scanners that are open keep to
// the old one, which must outlive them.
func (o *Overlay) Rebase(base Reader) { o.base = base }

// Empty reports whether there is no change.
func (o *Overlay) Empty() bool {
	for s := range o.spaces {
		if !o.spaces[s].empty() {
			return false
		}
	}
	return true
}

// entryCost is what an entry takes beside its bytes.
const entryCost = 64

// Size returns about how many bytes of memory the changes take.
func (o *Overlay) Size() int { return o.size }

// Put sets key's value.
func (o *Overlay) Put(s Space, key, value []byte) { o.set(s, key, value, false) }

// Delete removes key.
func (o *Overlay) Delete(s Space, key []byte) { o.set(s, key, nil, true) }

func (o *Overlay) set(s Space, key, value []byte, deleted bool) {
	b := &o.spaces[s]
	p := o.alloc(len(key) + len(value))
	copy(p[copy(p, key):], value)
	value = p[len(key):]
	if deleted {
		value = nil
	}
	old, replaced := b.entries.Set(text(p[:len(key)]), value)
	if replaced {
		o.size += len(value) - len(old)
	} else {
		o.size += len(p) + entryCost
	}
}

// DeleteRange removes the keys from start, inclusive, to end, exclusive.
func (o *Overlay) DeleteRange(s Space, start, end []byte) {
	if bytes.Compare(start, end) >= 0 {
		return
	}
	b := &o.spaces[s]
	from, to := string(start), string(end)
	for _, k := range keysWithin(&b.entries, from, to) {
		v, _ := b.entries.Delete(k)
		o.size -= len(k) + len(v) + entryCost
	}
	// Ranges that overlap or touch become one with this.
	if k, e, ok := floor(&b.ranges, from); ok && e >= from {
		from, to = k, max(to, e)
	}
	for {
		k, e, ok := ceiling(&b.ranges, from)
		if !ok || k > to {
			break
		}
		to = max(to, e)
		b.ranges.Delete(k)
		o.size -= len(k) + len(e) + entryCost
	}
	b.ranges.Set(from, to)
	o.size += len(from) + len(to) + entryCost
}

// alloc returns n bytes of the current block. Blocks grow, so that few changes
// take little and many take few allocations.
func (o *Overlay) alloc(n int) []byte {
	const smallest, largest = 256, 64 << 10
	if n > len(o.block) {
		size := min(max(smallest, o.size), largest)
		if n > size/4 {
			return make([]byte, n)
		}
		o.block = make([]byte, size)
	}
	p := o.block[:n:n]
	o.block = o.block[n:]
	return p
}

// Mark returns the present state. It is O(1).
func (o *Overlay) Mark() Mark {
	m := Mark{size: o.size}
	for s := range o.spaces {
		m.spaces[s] = o.spaces[s].copy()
	}
	return m
}

// RollbackTo undoes the changes made since m, which stays usable. It is O(1).
func (o *Overlay) RollbackTo(m Mark) {
	o.size = m.size
	for s := range o.spaces {
		o.spaces[s] = m.spaces[s].copy()
	}
}

// Reset undoes all changes.
func (o *Overlay) Reset() { o.RollbackTo(Mark{}) }

// Batch returns the changes as a new batch.
func (o *Overlay) Batch() *Batch {
	b := new(Batch)
	o.AppendTo(b)
	return b
}

// AppendTo adds the changes to b: for each space the ranges deleted, then the
// last write of each key, in key order.
func (o *Overlay) AppendTo(b *Batch) {
	for i := range o.spaces {
		s := Space(i)
		o.spaces[s].ranges.Scan(func(start, end string) bool {
			b.DeleteRange(s, raw(start), raw(end))
			return true
		})
		o.spaces[s].entries.Scan(func(key string, value []byte) bool {
			if value == nil {
				b.Delete(s, raw(key))
			} else {
				b.Put(s, raw(key), value)
			}
			return true
		})
	}
}

// Keys calls f for each key put or deleted, in order, but not for those that a
// DeleteRange took back out of the buffer: Ranges has them.
// f must neither change nor keep key.
func (o *Overlay) Keys(f func(s Space, key []byte)) {
	for i := range o.spaces {
		o.spaces[i].entries.Scan(func(key string, _ []byte) bool {
			f(Space(i), raw(key))
			return true
		})
	}
}

// Ranges calls f for each range deleted, in order, those that overlapped as
// one. f must neither change nor keep start and end.
func (o *Overlay) Ranges(f func(s Space, start, end []byte)) {
	for i := range o.spaces {
		o.spaces[i].ranges.Scan(func(start, end string) bool {
			f(Space(i), raw(start), raw(end))
			return true
		})
	}
}

// Get returns key's value as the buffer, else the snapshot, has it.
func (o *Overlay) Get(ctx context.Context, s Space, key []byte) ([]byte, bool, error) {
	if v, known := o.spaces[s].get(key); known {
		return bytes.Clone(v), v != nil, nil
	}
	return o.base.Get(ctx, s, key)
}

// MultiGet looks up in the buffer what it has and the rest, at once, in the
// snapshot.
func (o *Overlay) MultiGet(ctx context.Context, s Space, keys, values [][]byte) error {
	b := &o.spaces[s]
	if b.empty() {
		return o.base.MultiGet(ctx, s, keys, values)
	}
	var rest [][]byte
	var at []int
	for i, key := range keys {
		if v, known := b.get(key); known {
			values[i] = bytes.Clone(v)
		} else {
			rest, at = append(rest, key), append(at, i)
		}
	}
	if len(rest) == 0 {
		return Cancelled(ctx)
	}
	found := make([][]byte, len(rest))
	if err := o.base.MultiGet(ctx, s, rest, found); err != nil {
		return err
	}
	for i, v := range found {
		values[at[i]] = v
	}
	return nil
}

// Scan returns the keys of r as they are now: later changes do not show.
func (o *Overlay) Scan(s Space, r Range) Scanner {
	b := &o.spaces[s]
	if !b.touches(r) {
		return o.base.Scan(s, r)
	}
	return newMergeScanner(o.base, b.copy(), s, r)
}

func (b *buffer) empty() bool { return b.entries.Len() == 0 && b.ranges.Len() == 0 }

func (b *buffer) copy() buffer {
	if b.empty() {
		return buffer{}
	}
	return buffer{*b.entries.Copy(), *b.ranges.Copy()}
}

// get returns what the buffer knows of key: a nil value that it is deleted.
func (b *buffer) get(key []byte) (value []byte, known bool) {
	if b.empty() {
		return nil, false
	}
	if v, ok := b.entries.Get(text(key)); ok {
		return v, true
	}
	_, end, ok := floor(&b.ranges, text(key))
	return nil, ok && end > text(key)
}

// touches reports whether a change lies in r.
func (b *buffer) touches(r Range) bool {
	if b.empty() {
		return false
	}
	within := func(k string, ok bool) bool { return ok && (r.End == nil || k < text(r.End)) }
	k, _, ok := ceiling(&b.entries, text(r.Start))
	if within(k, ok) {
		return true
	}
	k, _, ok = ceiling(&b.ranges, text(r.Start))
	if within(k, ok) {
		return true
	}
	_, end, ok := floor(&b.ranges, text(r.Start))
	return ok && end > text(r.Start)
}

// floor returns the last entry of m at or before key, ceiling the first at or
// after it.
func floor[V any](m *btree.Map[string, V], key string) (k string, v V, ok bool) {
	m.Descend(key, func(k1 string, v1 V) bool {
		k, v, ok = k1, v1, true
		return false
	})
	return k, v, ok
}

func ceiling[V any](m *btree.Map[string, V], key string) (k string, v V, ok bool) {
	m.Ascend(key, func(k1 string, v1 V) bool {
		k, v, ok = k1, v1, true
		return false
	})
	return k, v, ok
}

// keysWithin returns m's keys from start, inclusive, to end, exclusive.
func keysWithin[V any](m *btree.Map[string, V], start, end string) []string {
	var keys []string
	m.Ascend(start, func(k string, _ V) bool {
		if k >= end {
			return false
		}
		keys = append(keys, k)
		return true
	})
	return keys
}

// text and raw see a key as the other type without a copy. The bytes of keys
// in the trees never change; those of a key looked up aren't kept.
func text(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }
func raw(s string) []byte  { return unsafe.Slice(unsafe.StringData(s), len(s)) }
