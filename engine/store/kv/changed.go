package kv

import (
	"context"
)

// Changed calls f, in order, for each key from start to end that was put or
// deleted, but not for those that a DeleteRange took back out of the buffer:
// Removed has them. What was spilled is read back; Spill must have come after the
// last change then. key and value are valid during the call.
func (o *Overlay) Changed(ctx context.Context, s Space, start, end []byte, f func(key, value []byte, deleted bool) error) (err error) {
	if o.err != nil {
		return o.err
	}
	if !o.Spilled() || s == Meta {
		o.spaces[s].entries.Ascend(text(start), func(key string, value []byte) bool {
			if key >= text(end) {
				return false
			}
			err = f(raw(key), value, value == nil)
			return err == nil
		})
		return err
	}
	sc := o.under.Scan(s, Range{Start: start, End: end, NoCache: true})
	defer sc.Close()
	for {
		c, err := sc.Next(ctx)
		if err != nil || c.Len() == 0 {
			return err
		}
		for i := range c.Len() {
			v := untagged(c.Value(i))
			if err := f(c.Key(i), v, v == nil); err != nil {
				return err
			}
		}
	}
}

// Removed calls f for the parts of start to end that were deleted as ranges, in
// order, until f fails.
func (o *Overlay) Removed(s Space, start, end []byte, f func(start, end []byte) error) (err error) {
	o.spaces[s].ranges.Scan(func(from, to string) bool {
		if from = max(from, text(start)); from < min(to, text(end)) {
			err = f(raw(from), raw(min(to, text(end))))
		}
		return err == nil
	})
	return err
}

// Has reports whether the tree has a change of key by itself, not by a range.
func (o *Overlay) Has(s Space, key []byte) bool {
	_, ok := o.spaces[s].entries.Get(text(key))
	return ok
}
