package kv

import (
	"bytes"
	"context"
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Overlay is a buffer of changes over a snapshot: a ReadWriter that reads what
// it wrote. It is used by one goroutine, but a scanner got from it may be used
// by another: it reads the buffer as it was when Scan was called.
type Overlay struct {
	base   Reader
	spaces [NumSpaces]buffer
	size   int
	block  []byte // where keys and values are copied to
	undos  []undo // of the changes since the first Mark
	marked bool   // there was a Mark, so that changes are to be undone

	under *spilled // nil: nothing is spilled
	spill spillTo
	err   error // why the changes cannot be read or written any more
}

// buffer holds one space's changes: the entries written, over the ranges
// deleted, over the snapshot. Its trees are copied on write, a copy is O(1).
type buffer struct {
	entries btree.Map[string, []byte] // nil value: deleted
	ranges  btree.Map[string, string] // start to end; apart from one another
}

// Mark is a state of an Overlay to go back to.
type Mark struct {
	undos, size int
	empty       bool // there were no changes
}

// undo takes back one change of a tree.
type undo struct {
	space    Space
	ofRanges bool // else of entries
	had      bool // the key was there, with old
	key      string
	old      []byte
}

var _ ReadWriter = (*Overlay)(nil)

// NewOverlay returns an empty Overlay over base, which stays the caller's.
func NewOverlay(base Reader) *Overlay { return &Overlay{base: base} }

// Rebase makes base what the buffer lies over. Scanners that are open keep to
// the old one, which must outlive them.
func (o *Overlay) Rebase(base Reader) { o.base = base }

// Empty reports whether there is no change.
func (o *Overlay) Empty() bool {
	if o.Spilled() {
		return false
	}
	for s := range o.spaces {
		if !o.spaces[s].empty() {
			return false
		}
	}
	return true
}

// entryCost is what an entry takes beside its bytes.
const entryCost = 64

// undoCost is what a record of what to undo takes.
const undoCost = 72

// Size returns about how many bytes of memory the changes take.
func (o *Overlay) Size() int { return o.size + undoCost*len(o.undos) }

// Fail makes the changes count as lost: only Reset takes them back.
func (o *Overlay) Fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// Err returns why the changes are lost, nil when they are not.
func (o *Overlay) Err() error { return o.err }

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
	k := text(p[:len(key)])
	old, replaced := b.entries.Set(k, value)
	o.log(undo{space: s, key: k, old: old, had: replaced})
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
	if o.Spilled() && o.err == nil {
		o.err = sqlerr.Internal.New("a range is deleted among changes that were spilled")
	}
	b := &o.spaces[s]
	from, to := string(start), string(end)
	for _, k := range keysWithin(&b.entries, from, to) {
		v, _ := b.entries.Delete(k)
		o.log(undo{space: s, key: k, old: v, had: true})
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
		o.log(undo{space: s, ofRanges: true, key: k, old: raw(e), had: true})
		o.size -= len(k) + len(e) + entryCost
	}
	b.ranges.Set(from, to) // from is no key: if it was, the loop took it out
	o.log(undo{space: s, ofRanges: true, key: from})
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

// log notes how to undo a change.
func (o *Overlay) log(u undo) {
	if o.marked {
		o.undos = append(o.undos, u)
	}
}

// Mark returns the present state. From now on changes can be undone, which
// takes memory for each, until Forget.
func (o *Overlay) Mark() Mark {
	if o.Empty() {
		return Mark{empty: true} // Reset goes back to it
	}
	o.marked = true
	return Mark{undos: o.spill.logged + len(o.undos), size: o.size}
}

// RollbackTo undoes the changes made since m, which stays usable; marks made
// since are void.
func (o *Overlay) RollbackTo(m Mark) {
	if m.empty {
		o.Reset()
		return
	}
	first := m.undos - o.spill.logged
	for n := len(o.undos) - 1; n >= max(first, 0); n-- {
		u := &o.undos[n]
		b := &o.spaces[u.space]
		switch {
		case u.ofRanges && u.had:
			b.ranges.Set(u.key, text(u.old))
		case u.ofRanges:
			b.ranges.Delete(u.key)
		case u.had:
			b.entries.Set(u.key, u.old)
		default:
			b.entries.Delete(u.key)
		}
	}
	clear(o.undos[max(first, 0):])
	o.undos, o.size = o.undos[:max(first, 0)], m.size
	if first >= 0 {
		return
	}
	o.size = 0
	if err := o.undoSpilled(m.undos); err != nil && o.err == nil {
		o.err = err
	}
}

// Forget makes all marks void.
func (o *Overlay) Forget() {
	clear(o.undos)
	o.undos, o.marked = o.undos[:0], false
	o.forgetSpilled()
}

// Reset undoes all changes and makes all marks void.
func (o *Overlay) Reset() {
	o.dropSpilled()
	*o = Overlay{base: o.base, spill: o.spill}
}

// Freeze returns an Overlay of its own with the present state, to be given back
// with Release. It is O(1), but makes later changes dearer.
func (o *Overlay) Freeze() *Overlay {
	frozen := &Overlay{base: o.base, size: o.size, under: o.under, err: o.err}
	if o.under != nil {
		o.under.refs.Add(1)
	}
	for s := range o.spaces {
		frozen.spaces[s] = o.spaces[s].copy()
	}
	return frozen
}

// Batch returns the changes as a new batch.
func (o *Overlay) Batch() *Batch {
	b := new(Batch)
	o.AppendTo(b, nil)
	return b
}

// AppendTo adds the changes to b: for each space the ranges deleted, then the
// last write of each key, in key order. settle, if not nil, returns what becomes of
// a value that is put, nil for a key that is deleted instead.
func (o *Overlay) AppendTo(b *Batch, settle func(s Space, key, value []byte) []byte) {
	b.grow(BatchHeader + o.size)
	for i := range o.spaces {
		s := Space(i)
		o.spaces[s].ranges.Scan(func(start, end string) bool {
			b.DeleteRange(s, raw(start), raw(end))
			return true
		})
		o.spaces[s].entries.Scan(func(key string, value []byte) bool {
			if value != nil && settle != nil {
				value = settle(s, raw(key), value)
			}
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
// DeleteRange took back out of the buffer: Ranges has them. It stops when f
// returns false. f must neither change nor keep key.
func (o *Overlay) Keys(f func(s Space, key []byte) bool) {
	more := true
	for i := range o.spaces {
		o.spaces[i].entries.Scan(func(key string, _ []byte) bool {
			more = more && f(Space(i), raw(key))
			return more
		})
	}
}

// Len returns the number of keys put or deleted.
func (o *Overlay) Len() int {
	n := 0
	for i := range o.spaces {
		n += o.spaces[i].entries.Len()
	}
	return n
}

// HasRanges reports whether ranges of keys were deleted.
func (o *Overlay) HasRanges(s Space) bool { return o.spaces[s].ranges.Len() > 0 }

// InRange reports whether key was deleted in a range, and may have been put again.
func (o *Overlay) InRange(s Space, key []byte) bool {
	_, end, ok := floor(&o.spaces[s].ranges, text(key))
	return ok && end > text(key)
}

// Touches reports whether a key of r was changed.
func (o *Overlay) Touches(s Space, r Range) bool { return o.spaces[s].touches(r) }

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

// Within calls f for each key put or deleted, as the range of it alone, and each
// range deleted from start to end, cut to that. What f gets is its own.
func (o *Overlay) Within(s Space, start, end []byte, f func(start, end []byte)) {
	b := &o.spaces[s]
	from, to := string(start), string(end)
	b.entries.Ascend(from, func(key string, _ []byte) bool {
		if key >= to {
			return false
		}
		k := append(append(make([]byte, 0, len(key)+1), key...), 0)
		f(k[:len(key):len(key)], k)
		return true
	})
	if k, e, ok := floor(&b.ranges, from); ok && k < from && e > from {
		f([]byte(from), []byte(min(e, to)))
	}
	b.ranges.Ascend(from, func(k, e string) bool {
		if k >= to {
			return false
		}
		f([]byte(k), []byte(min(e, to)))
		return true
	})
}

// Get returns key's value as the buffer, else the snapshot, has it.
func (o *Overlay) Get(ctx context.Context, s Space, key []byte) ([]byte, bool, error) {
	if v, known := o.spaces[s].get(key); known {
		return bytes.Clone(v), v != nil, o.err
	}
	if o.err != nil {
		return nil, false, o.err
	}
	return o.lower().Get(ctx, s, key)
}

// MultiGet looks up in the buffer what it has and the rest, at once, in the
// snapshot.
func (o *Overlay) MultiGet(ctx context.Context, s Space, keys, values [][]byte) error {
	if o.err != nil {
		return o.err
	}
	b, lower := &o.spaces[s], o.lower()
	first := 0 // the first key that the buffer knows
	for first < len(keys) {
		if _, known := b.get(keys[first]); known {
			break
		}
		first++
	}
	if first == len(keys) {
		return lower.MultiGet(ctx, s, keys, values)
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
	if err := lower.MultiGet(ctx, s, rest, found); err != nil {
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
	if o.err != nil {
		return failed{o.err}
	}
	lower := o.lower()
	if !b.touches(r) {
		return lower.Scan(s, r)
	}
	return newMergeScanner(lower, b.copy(), s, r)
}

// failed is a scan of changes that are lost.
type failed struct{ err error }

func (f failed) Next(context.Context) (*Chunk, error) { return nil, f.err }

func (f failed) Close() error { return nil }

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
