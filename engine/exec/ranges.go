package exec

import (
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// rangeSet is the ranges of a scan, to be evaluated for each run.
type rangeSet struct {
	key    keyColumns
	ranges []boundRange
	out    []store.KeyRange // what eval returned last
}

type boundRange struct {
	plan.Range
	low, high []bound
	point     bool          // high is as low, and left out
	values    []types.Value // of a point, the last time
}

// keyColumns are the elements of an index's key.
type keyColumns struct {
	parts    []schema.KeyColumn
	types    []types.Type
	nullable []bool
}

func newKeyColumns(t *schema.Table, ix *schema.Index) keyColumns {
	parts, _ := t.Key(ix)
	return keyOf(t, parts)
}

// keyOf returns a key of any columns.
func keyOf(t *schema.Table, parts []schema.KeyColumn) keyColumns {
	k := keyColumns{parts: parts}
	k.types, k.nullable = make([]types.Type, len(k.parts)), make([]bool, len(k.parts))
	for i, p := range k.parts {
		k.types[i] = t.Columns[p.Column].Type
		k.nullable[i] = !t.Columns[p.Column].NotNull && !slices.Contains(t.PrimaryKey, p.Column)
	}
	return k
}

// cut leaves of values what the key has of them. It reports whether the last
// one lost something.
func (k *keyColumns) cut(values []types.Value) (cut bool) {
	for i, v := range values {
		if cut = false; k.parts[i].Prefix > 0 && !v.IsNull() {
			b := types.Prefix(k.types[i], v.Bytes(), k.parts[i].Prefix)
			cut = true // also a value that is whole: longer ones begin with it
			values[i] = types.NewBytes(b)
		}
	}
	return cut
}

func newRangeSet(key keyColumns, ranges []plan.Range) (*rangeSet, error) {
	s := &rangeSet{key: key, ranges: make([]boundRange, len(ranges)), out: make([]store.KeyRange, 0, len(ranges))}
	for i, r := range ranges {
		b := &s.ranges[i]
		b.Range = r
		var err error
		if b.low, err = s.bounds(r.Low); err != nil {
			return nil, err
		}
		if b.point = !r.LowExclusive && !r.HighExclusive && slices.Equal(r.Low, r.High); b.point {
			continue
		}
		if b.high, err = s.bounds(r.High); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *rangeSet) bounds(list []expr.Expr) ([]bound, error) {
	bs := make([]bound, len(list))
	for i, e := range list {
		var err error
		if bs[i], err = newBound(e, s.key.types[i]); err != nil {
			return nil, err
		}
	}
	return bs, nil
}

// eval returns the ranges of this execution in key order, none overlapping. They are the
// set's until the next call.
func (s *rangeSet) eval(env *expr.Env) ([]store.KeyRange, error) {
	out := s.out[:0]
	for i := range s.ranges {
		r, ok, err := s.evalRange(env, &s.ranges[i])
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, r)
		}
	}
	return s.key.merge(out), nil
}

// evalRange returns false for an empty range.
func (s *rangeSet) evalRange(env *expr.Env, r *boundRange) (k store.KeyRange, ok bool, err error) {
	if r.point {
		return s.evalPoint(env, r)
	}
	nullOK := func(i int) bool { return i < len(r.NullOK) && r.NullOK[i] }
	k.LowExclusive, k.HighExclusive = r.LowExclusive, r.HighExclusive
low:
	for i := range r.low {
		v, p, err := r.low[i].place(env, nullOK(i))
		if err != nil {
			return k, false, err
		}
		switch p {
		case exact:
			k.Low = append(k.Low, v)
			continue
		case floor:
			k.Low, k.LowExclusive = append(k.Low, v), true
		case ceiling:
			k.Low, k.LowExclusive = append(k.Low, v), false
		case over: // than all that begin with what Low has so far
			if len(k.Low) == 0 {
				return k, false, nil
			}
			k.LowExclusive = true
		case under:
			k.LowExclusive = s.key.nullable[i]
			if k.LowExclusive {
				k.Low = append(k.Low, types.Value{})
			}
		default:
			return k, false, nil
		}
		break low
	}
high:
	for i := range r.high {
		v, p, err := r.high[i].place(env, nullOK(i))
		if err != nil {
			return k, false, err
		}
		switch p {
		case exact:
			k.High = append(k.High, v)
			continue
		case floor:
			k.High, k.HighExclusive = append(k.High, v), false
		case ceiling:
			k.High, k.HighExclusive = append(k.High, v), true
		case over:
			k.HighExclusive = false
		case under: // than all that begin with what High has so far
			if len(k.High) == 0 {
				return k, false, nil
			}
			k.HighExclusive = true
		default:
			return k, false, nil
		}
		break high
	}
	// NULLs come first: where only High bounds a column they have to be left out.
	if n := len(r.low); n < len(r.high) && n == len(k.Low) && !k.LowExclusive && s.key.nullable[n] && !nullOK(n) {
		k.Low, k.LowExclusive = append(k.Low, types.Value{}), true
	}
	s.key.toUTC(k.Low, env.Zone)
	s.key.toUTC(k.High, env.Zone)
	// Of values with one prefix, some may be in the range.
	if s.key.cut(k.Low) && len(k.Low) == len(r.low) {
		k.LowExclusive = false
	}
	if s.key.cut(k.High) && len(k.High) == len(r.high) {
		k.HighExclusive = false
	}
	if last := max(len(r.low), len(r.high)) - 1; last >= 0 && s.key.parts[last].Desc {
		k.Low, k.High = k.High, k.Low
		k.LowExclusive, k.HighExclusive = k.HighExclusive, k.LowExclusive
	}
	return k, true, nil
}

// evalPoint is evalRange for a point. A value that no column's is equal to makes it
// empty.
func (s *rangeSet) evalPoint(env *expr.Env, r *boundRange) (k store.KeyRange, ok bool, err error) {
	r.values = slices.Grow(r.values[:0], len(r.low))[:len(r.low)]
	k.Low = r.values
	for i := range r.low {
		v, p, err := r.low[i].place(env, i < len(r.NullOK) && r.NullOK[i])
		if err != nil || p != exact {
			return k, false, err
		}
		k.Low[i] = v
	}
	s.key.toUTC(k.Low, env.Zone)
	s.key.cut(k.Low)
	k.High = k.Low
	return k, true, nil
}

// place evaluates a bound; one that is NULL is nowhere unless nullOK.
func (b *bound) place(env *expr.Env, nullOK bool) (types.Value, place, error) {
	v, err := b.eval(env)
	if err != nil {
		return v, nowhere, err
	}
	if v.IsNull() {
		if nullOK {
			return v, exact, nil
		}
		return v, nowhere, nil
	}
	v, p := b.convert(v)
	return v, p, nil
}

// toUTC converts the TIMESTAMP columns' values to what is stored.
func (k *keyColumns) toUTC(values []types.Value, zone *time.Location) {
	if zone == nil || zone == time.UTC {
		return
	}
	for i, v := range values {
		if k.types[i].Kind == types.Timestamp && !v.IsNull() {
			values[i] = types.NewInt(types.ConvertZone(v.Int(), zone, time.UTC))
		}
	}
}

// merge sorts ranges and joins those that overlap; empty ones vanish.
func (k *keyColumns) merge(ranges []store.KeyRange) []store.KeyRange {
	low := func(r *store.KeyRange) edge { return edge{r.Low, r.LowExclusive && len(r.Low) > 0} }
	high := func(r *store.KeyRange) edge { return edge{r.High, !r.HighExclusive || len(r.High) == 0} }
	ranges = slices.DeleteFunc(ranges, func(r store.KeyRange) bool { return k.compare(low(&r), high(&r)) >= 0 })
	if len(ranges) < 2 {
		return ranges
	}
	slices.SortFunc(ranges, func(a, b store.KeyRange) int { return k.compare(low(&a), low(&b)) })
	out := ranges[:1]
	for i := range ranges[1:] {
		r, last := ranges[i+1], &out[len(out)-1]
		switch {
		case k.compare(low(&r), high(last)) > 0:
			out = append(out, r)
		case k.compare(high(&r), high(last)) > 0:
			last.High, last.HighExclusive = r.High, r.HighExclusive
		}
	}
	return out
}

// edge is a place between keys: before or after all that begin with values.
type edge struct {
	values []types.Value
	after  bool
}

func (k *keyColumns) compare(a, b edge) int {
	for i := range min(len(a.values), len(b.values)) {
		if c := types.Compare(k.types[i], a.values[i], b.values[i]); c != 0 {
			if k.parts[i].Desc {
				return -c
			}
			return c
		}
	}
	switch {
	case len(a.values) < len(b.values):
		return side(a)
	case len(a.values) > len(b.values):
		return -side(b)
	}
	return side(a) - side(b)
}

func side(e edge) int {
	if e.after {
		return 1
	}
	return -1
}
