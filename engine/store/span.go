package store

import (
	"bytes"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/types"
)

// span is a KeyRange as keys.
type span struct {
	start, end []byte // end is exclusive
	// low and high bound the whole elements of a unique index's entries when
	// the range goes into the columns after the index's own, which entries
	// don't have in their keys; nil: start and end say all.
	low, high []byte
}

// span encodes a range. whole tells that it is one key that identifies a row,
// which is start; end is left out then.
func (d *keyDef) span(prefix []byte, r *KeyRange) (s span, whole bool, err error) {
	low, lowPart, err := d.bound(prefix, r.Low)
	if err != nil {
		return s, false, err
	}
	high, highPart := low, lowPart
	if point := len(r.Low) > 0 && len(r.Low) == len(r.High) && &r.Low[0] == &r.High[0]; !point {
		if high, highPart, err = d.bound(prefix, r.High); err != nil {
			return s, false, err
		}
	}
	if d.unique && !r.LowExclusive && !r.HighExclusive && len(r.Low) == d.own &&
		!slices.ContainsFunc(r.Low, types.Value.IsNull) && bytes.Equal(low, high) {
		return span{start: low}, true, nil
	}
	s.start, s.end = edge(low, r.LowExclusive && len(r.Low) > 0), edge(high, !r.HighExclusive || len(r.High) == 0)
	if lowPart != nil || highPart != nil {
		s.low, s.high = s.start, s.end
		if lowPart != nil {
			s.start = lowPart
		}
		if highPart != nil {
			s.end = edge(highPart, true)
		}
	}
	return s, false, nil
}

// bound appends a bound's elements to prefix. part is the bound cut off after
// a unique index's own columns when it goes beyond them, else nil.
func (d *keyDef) bound(prefix []byte, values []types.Value) (key, part []byte, err error) {
	if len(values) > len(d.parts) {
		return nil, nil, sqlerr.Internal.New("bound of %d values for a key of %d columns", len(values), len(d.parts))
	}
	key = append(make([]byte, 0, len(prefix)+16*len(values)+8), prefix...)
	for i, v := range values {
		if i == d.own && d.unique && !slices.ContainsFunc(values[:i], types.Value.IsNull) {
			part = bytes.Clone(key)
		}
		if key, err = d.parts[i].appendValue(key, v); err != nil {
			return nil, nil, err
		}
	}
	return key, part, nil
}

// edge returns key or, when after, the first key after all that begin with it.
func edge(key []byte, after bool) []byte {
	if !after {
		return key
	}
	// Prefixes begin with a table id below the highest: there is a successor.
	next, _ := keyenc.AppendSuccessor(nil, key)
	return next
}
