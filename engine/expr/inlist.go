package expr

import (
	"bytes"
	"slices"

	"github.com/kalamgo/kalam/engine/types"
)

// inKernel is IN over a list: the constants of the list that compare as the
// same type are in a set, the other items are compared one by one.
type inKernel struct {
	scratch
	sets  []*constSet
	items *conjunction // an OR, nil if there are no others
	null  bool         // the list has NULL
	state []byte
}

// constSet holds the constants that compare with the left operand as one type.
type constSet struct {
	left *operand

	t       types.Type
	ev      *Evaluator
	numbers map[uint64]struct{}
	floats  map[float64]struct{}
	strings map[string]struct{}
	few     [][]byte                   // strings, where they are few and bytewise
	weight  func(dst, b []byte) []byte // of collations that are not bytes order
	buf     []byte
}

func (e *InList) compile(ev *Evaluator) (kernel, error) {
	left := ev.known(e.Expr)
	if left.Type().Kind == types.Null {
		return &nullKernel{t: types.BoolType}, nil
	}
	k := &inKernel{}
	var others []Expr
	byType := map[types.Type]*constSet{}
	for _, item := range e.List {
		item = ev.known(item)
		if item.Type().Kind == types.Null {
			k.null = true
			continue
		}
		if l, ok := item.(*Literal); !ok || l.Value.IsNull() {
			others = append(others, &Compare{Op: EQ, L: left, R: item, Collation: e.Collation})
			continue
		}
		item = asComparand(item, left)
		t := comparedAs(left, item, e.Collation)
		if isExact(left.Type()) && isExact(item.Type()) {
			t = left.Type()
			item = exactly(item.(*Literal), t)
		}
		s := byType[t]
		if s == nil {
			o, err := ev.operand(castNumberOrText(left, t))
			if err != nil {
				return nil, err
			}
			s = &constSet{left: o, t: t, ev: ev}
			if c, ok := t.Collator(); ok {
				s.weight = c.AppendWeight
			}
			byType[t] = s
			k.sets = append(k.sets, s)
		}
		if item == nil {
			continue // equal to no value, unknown for NULL
		}
		c, err := forCompare(item, left, t)
		if err != nil {
			return nil, err
		}
		if err := s.add(c); err != nil {
			return nil, err
		}
	}
	if len(others) > 0 {
		c, err := newJunction(ev, others, true, false)
		if err != nil {
			return nil, err
		}
		k.items = c
	}
	return k, nil
}

// exactly returns an exact number as a literal of type t, nil if t does not have
// it: no value of t is equal to it.
func exactly(l *Literal, t types.Type) Expr {
	v := types.NewVector(l.T, 1)
	v.AppendValue(l.Value)
	out := types.NewVector(t, 1)
	d := decimalAt(v, 0)
	if t.Kind == types.Decimal {
		appendDecimal(out, d)
	} else {
		whole := d.Round(0)
		m, ok := whole.Abs().Uint64()
		if !ok {
			return nil
		}
		appendInteger(out, whole.Sign() < 0, m)
	}
	if !decimalAt(out, 0).Equal(d) {
		return nil
	}
	return &Literal{Value: out.Value(0), T: t}
}

// castNumberOrText converts a hexadecimal literal as t wants it.
func castNumberOrText(e Expr, t types.Type) Expr {
	if t.IsNumeric() {
		return castNumber(e, t)
	}
	return Comparand(e, t)
}

func (s *constSet) add(e Expr) error {
	v, err := EvalConst(s.ev.env, e)
	if err != nil {
		return err
	}
	switch v.Physical() {
	case types.PhysNull: // it converts to nothing that could be equal
	case types.PhysInt64, types.PhysUint64:
		if s.numbers == nil {
			s.numbers = map[uint64]struct{}{}
		}
		s.numbers[v.Uint()] = struct{}{}
	case types.PhysFloat64:
		if s.floats == nil {
			s.floats = map[float64]struct{}{}
		}
		s.floats[v.Float()] = struct{}{}
	case types.PhysBytes:
		if s.strings == nil {
			s.strings = map[string]struct{}{}
		}
		s.strings[string(s.key(v.Bytes()))] = struct{}{}
		s.few = nil
		if s.weight == nil && len(s.strings) <= maxFew {
			for b := range s.strings {
				s.few = append(s.few, []byte(b))
			}
		}
	}
	return nil
}

// maxFew is of how many strings it is quicker to look at all of them than to hash.
const maxFew = 8

func (s *constSet) key(b []byte) []byte {
	if s.weight == nil {
		return b
	}
	s.buf = s.weight(s.buf[:0], b)
	return s.buf
}

// has reports whether value i of v is in the set.
func (s *constSet) has(v *types.Vector, i int) bool {
	var ok bool
	switch v.Type.Physical() {
	case types.PhysInt64:
		_, ok = s.numbers[uint64(v.Int64s[i])]
	case types.PhysUint64:
		_, ok = s.numbers[v.Uint64s[i]]
	case types.PhysFloat64:
		_, ok = s.floats[v.Float64s[i]]
	case types.PhysBytes:
		b := v.BytesAt(i)
		if s.few != nil {
			return slices.ContainsFunc(s.few, func(x []byte) bool { return bytes.Equal(x, b) })
		}
		_, ok = s.strings[string(s.key(b))]
	}
	return ok
}

func (k *inKernel) eval(in *types.Batch) (*types.Vector, error) {
	k.state = sized(k.state, in.Len)
	start := isFalse
	if k.null {
		start = isUnknown
	}
	for i := range k.state {
		k.state[i] = start
	}
	for _, s := range k.sets {
		v, err := s.left.eval(in)
		if err != nil {
			return nil, err
		}
		for i, t := range k.state {
			if t == isTrue {
				continue
			}
			at := s.left.at(i)
			switch {
			case v.IsNull(at):
				k.state[i] = isUnknown
			case s.has(v, at):
				k.state[i] = isTrue
			}
		}
	}
	if k.items != nil {
		t, err := k.items.run(in)
		if err != nil {
			return nil, err
		}
		for i, x := range t {
			k.state[i] = max(k.state[i], x)
		}
	}
	return k.bools(k.state), nil
}
