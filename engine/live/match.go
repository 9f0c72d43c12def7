package live

import (
	"bytes"
	"slices"

	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/types"
)

// index finds the subscriptions that rows may be for. Those that want the same columns
// to have single values, and the rows of a user, are found by these values: what a row
// costs depends on how many such sets of columns there are, not on how many
// subscriptions.
type index struct {
	shapes []*shape
	never  map[*Subscription]bool // those that no row can be for
}

// shape is the subscriptions that want the same columns to have single values.
type shape struct {
	users   bool  // rows have users
	columns []int // ordinals, ascending
	buckets map[string]*bucket
	key     []byte // memory
	other   []byte
}

// bucket is the subscriptions that want the same values.
type bucket struct {
	subs []*Subscription
}

// hit is a changed row that a subscription has, or had, by what the index knows.
type hit struct {
	row      int32
	old, new bool
}

func (x *index) add(s *Subscription) {
	if s.never {
		if x.never == nil {
			x.never = map[*Subscription]bool{}
		}
		x.never[s] = true
		return
	}
	at := slices.IndexFunc(x.shapes, func(h *shape) bool { return h.users == s.shape.users && slices.Equal(h.columns, s.shape.columns) })
	if at < 0 {
		h := s.shape
		h.buckets = map[string]*bucket{}
		x.shapes = append(x.shapes, &h)
		at = len(x.shapes) - 1
	}
	h := x.shapes[at]
	b := h.buckets[s.key]
	if b == nil {
		b = &bucket{}
		h.buckets[s.key] = b
	}
	s.bucket, s.place = b, len(b.subs)
	b.subs = append(b.subs, s)
}

func (x *index) remove(s *Subscription) {
	b := s.bucket
	if b == nil {
		delete(x.never, s)
		return
	}
	last := b.subs[len(b.subs)-1]
	b.subs[s.place], last.place = last, s.place
	b.subs[len(b.subs)-1] = nil
	b.subs = b.subs[:len(b.subs)-1]
	if s.bucket = nil; len(b.subs) > 0 {
		return
	}
	for i, h := range x.shapes {
		if h.buckets[s.key] != b {
			continue
		}
		if delete(h.buckets, s.key); len(h.buckets) == 0 {
			x.shapes = slices.Delete(x.shapes, i, i+1)
		}
		return
	}
}

func (x *index) each(f func(*Subscription)) {
	for _, h := range x.shapes {
		for _, b := range h.buckets {
			for _, s := range b.subs {
				f(s)
			}
		}
	}
	for s := range x.never {
		f(s)
	}
}

// match adds rows to the hits of the subscriptions that they may be for, and appends
// these to touched.
func (x *index) match(rows *store.ChangedRows, touched []*Subscription) []*Subscription {
	for _, h := range x.shapes {
		at := positions(rows.Columns, h.columns)
		for i := range rows.Len {
			var old, new *bucket
			h.key, h.other = h.key[:0], h.other[:0]
			if o := rows.OldAt[i]; o >= 0 {
				h.key = h.appendKey(h.key, rows, rows.Old, i, int(o), at)
				old = h.buckets[string(h.key)]
			}
			if n := rows.NewAt[i]; n >= 0 {
				h.other = h.appendKey(h.other, rows, rows.New, i, int(n), at)
				if rows.OldAt[i] >= 0 && bytes.Equal(h.key, h.other) {
					new = old
				} else {
					new = h.buckets[string(h.other)]
				}
			}
			if old != nil {
				touched = old.hit(hit{int32(i), true, new == old}, touched)
			}
			if new != nil && new != old {
				touched = new.hit(hit{int32(i), false, true}, touched)
			}
		}
	}
	return touched
}

func (b *bucket) hit(x hit, touched []*Subscription) []*Subscription {
	for _, s := range b.subs {
		if len(s.hits) == 0 {
			touched = append(touched, s)
		}
		s.hits = append(s.hits, x)
	}
	return touched
}

// appendKey appends what rows of a subscription all have: of row i of rows, which is
// row n of b. at are the places of the shape's columns.
func (h *shape) appendKey(dst []byte, rows *store.ChangedRows, b *types.Batch, i, n int, at []int) []byte {
	if h.users {
		dst = append(dst, rows.Users[i]...)
	}
	for _, c := range at {
		// What cannot be in a key was not made a part of the shape.
		dst, _ = keyenc.AppendFrom(dst, b.Columns[c], n)
	}
	return dst
}

// positions returns where the columns of some ordinals are among all, ascending.
func positions(all, some []int) []int {
	at := make([]int, len(some))
	for i, c := range some {
		at[i], _ = slices.BinarySearch(all, c)
	}
	return at
}
