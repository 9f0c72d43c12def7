package expr

import (
	"maps"
	"math"
	"slices"

	"github.com/kalamgo/kalam/engine/types"
)

// Truth values, ordered so that AND is the smaller and OR the larger of two.
const (
	isFalse byte = iota
	isUnknown
	isTrue
)

// truth yields the truth values of an operand: a number that is not zero is
// true; text is by the number that it starts with.
type truth struct {
	arg *operand
	out []byte
}

// newTruth compiles e as a condition.
func newTruth(ev *Evaluator, e Expr) (*truth, error) {
	switch e.Type().Physical() {
	case types.PhysBytes:
		e = CastTo(e, types.Float64Type)
	}
	arg, err := ev.operand(e)
	if err != nil {
		return nil, err
	}
	return &truth{arg: arg}, nil
}

// eval returns in.Len truth values, its own until the next call.
func (k *truth) eval(in *types.Batch) ([]byte, error) {
	v, err := k.arg.eval(in)
	if err != nil {
		return nil, err
	}
	k.out = sized(k.out, in.Len)
	if k.arg.konst {
		one := [1]byte{}
		truthOf(one[:], v)
		for i := range k.out {
			k.out[i] = one[0]
		}
		return k.out, nil
	}
	truthOf(k.out, v)
	return k.out, nil
}

func truthOf(out []byte, v *types.Vector) {
	switch v.Type.Physical() {
	case types.PhysInt64:
		nonZero(out, v.Int64s)
	case types.PhysUint64:
		nonZero(out, v.Uint64s)
	case types.PhysFloat64:
		for i, x := range v.Float64s[:len(out)] {
			out[i] = byte(bit(x != 0)) * isTrue
		}
	default:
		for i := range out {
			out[i] = isUnknown
		}
		return
	}
	if v.Valid != nil {
		for i := range out {
			if v.Valid[i>>3]&(1<<(i&7)) == 0 {
				out[i] = isUnknown
			}
		}
	}
}

// nonZero has no branches, which would be mispredicted.
func nonZero[T int64 | uint64](out []byte, v []T) {
	v = v[:len(out)]
	for i, x := range v {
		out[i] = byte((uint64(x)|-uint64(x))>>63) * isTrue
	}
}

// bools makes the result the truth values t as 0, 1 and NULL.
func (s *scratch) bools(t []byte) *types.Vector {
	dst := s.ints(types.BoolType, len(t))
	unknown := byte(0)
	for i, x := range t {
		dst[i] = int64(x >> 1)
		unknown |= x & 1
	}
	if unknown != 0 {
		bits := s.bitmap(len(t))
		for i, x := range t {
			bits[i>>3] &^= (x & 1) << (i & 7)
		}
	}
	return &s.vec
}

// conjunction evaluates an AND, or an OR, arm by arm. An arm that is costly or
// may fail sees only the rows that those before it left undecided, and so do
// others where those are few.
type conjunction struct {
	arms  []arm
	or    bool
	where bool // for a filter: rows that are not true are decided
	state []byte
	rows  []int32
}

type arm struct {
	truth *truth
	sub   *subset
	cheap bool // to be evaluated for all rows first
}

func newConjunction(ev *Evaluator, args []Expr, where bool) (*conjunction, error) {
	if where {
		args = numbersFirst(args)
	}
	return newJunction(ev, args, false, where)
}

// numbersFirst puts comparisons of numbers first: they cost little and cannot fail.
func numbersFirst(args []Expr) []Expr {
	number := func(e Expr) bool {
		switch e.(type) {
		case *Column, *Literal, *Param:
			return e.Type().Physical() != types.PhysBytes
		}
		return false
	}
	var first, then []Expr
	for _, e := range args {
		if c, ok := e.(*Compare); ok && number(c.L) && number(c.R) {
			first = append(first, e)
		} else {
			then = append(then, e)
		}
	}
	return append(first, then...)
}

func newJunction(ev *Evaluator, args []Expr, or, where bool) (*conjunction, error) {
	c := &conjunction{or: or, where: where, arms: make([]arm, len(args))}
	for i, e := range args {
		t, err := newTruth(ev, e)
		if err != nil {
			return nil, err
		}
		c.arms[i] = arm{truth: t, cheap: cheap(e)}
		if i > 0 {
			c.arms[i].sub = newSubset(e)
		}
	}
	return c, nil
}

// run returns in.Len truth values, its own until the next call.
func (c *conjunction) run(in *types.Batch) ([]byte, error) {
	first, err := c.arms[0].truth.eval(in)
	if err != nil {
		return nil, err
	}
	c.state = append(c.state[:0], first...)
	few := false
	for i := 1; i < len(c.arms); i++ {
		a := &c.arms[i]
		if few = few || c.few(); a.cheap && !few {
			if t, err := a.truth.eval(in); err == nil {
				c.merge(t)
				continue
			}
			// The row that failed may be one that is decided already.
		}
		c.rows = c.undecided(c.rows[:0])
		if len(c.rows) == 0 {
			break
		}
		t, err := a.truth.eval(a.sub.of(in, c.rows))
		if err != nil {
			return nil, err
		}
		for j, row := range c.rows {
			if c.or {
				c.state[row] = max(c.state[row], t[j])
			} else {
				c.state[row] = min(c.state[row], t[j])
			}
		}
	}
	return c.state, nil
}

func (c *conjunction) merge(t []byte) {
	s := c.state[:len(t)]
	if c.or {
		for i, x := range t {
			s[i] = max(s[i], x)
		}
		return
	}
	for i, x := range t {
		s[i] = min(s[i], x)
	}
}

// few reports whether less than a quarter of the rows are undecided.
func (c *conjunction) few() bool {
	decided := isFalse
	if c.or {
		decided = isTrue
	}
	n := 0
	for _, s := range c.state {
		n += int(bit(s == decided))
	}
	return n > len(c.state)/4*3
}

func (c *conjunction) undecided(rows []int32) []int32 {
	decided := isFalse
	if c.or {
		decided = isTrue
	}
	for i, s := range c.state {
		if s != decided && !(c.where && s == isUnknown) {
			rows = append(rows, int32(i))
		}
	}
	return rows
}

// cheap reports whether e is made of nodes with kernels only, so that it costs
// less to evaluate e for all rows than to pick some.
func cheap(e Expr) bool {
	return !contains(e, func(e Expr) bool {
		switch e := e.(type) {
		case *Call, *Subquery:
			return true
		case *Arith:
			return e.Op == Div || e.Op == IntDiv || e.Op == Mod
		}
		return false
	})
}

// subset picks rows of batches, with the columns that an expression reads.
type subset struct {
	e     Expr
	used  []int // nil until rows are first picked
	vecs  []types.Vector
	batch types.Batch
}

func newSubset(e Expr) *subset { return &subset{e: e} }

// of returns the listed rows of in: in itself when they are all of it, else a
// batch that is s's until the next call.
func (s *subset) of(in *types.Batch, rows []int32) *types.Batch {
	if len(rows) == in.Len {
		return in
	}
	if s.used == nil {
		set := map[int]bool{}
		Columns(s.e, set)
		s.used = slices.AppendSeq(make([]int, 0, len(set)), maps.Keys(set))
		s.vecs = make([]types.Vector, len(s.used))
	}
	s.batch.Columns = sized(s.batch.Columns, len(in.Columns))
	for j, c := range s.used {
		s.vecs[j].Gather(in.Columns[c], rows)
		s.batch.Columns[c] = &s.vecs[j]
	}
	s.batch.Len = len(rows)
	return &s.batch
}

type junctionKernel struct {
	*conjunction
	scratch
}

func (k *junctionKernel) eval(in *types.Batch) (*types.Vector, error) {
	t, err := k.run(in)
	if err != nil {
		return nil, err
	}
	return k.bools(t), nil
}

func (e *And) compile(ev *Evaluator) (kernel, error) { return compileJunction(ev, e.Args, false) }
func (e *Or) compile(ev *Evaluator) (kernel, error)  { return compileJunction(ev, e.Args, true) }

func compileJunction(ev *Evaluator, args []Expr, or bool) (kernel, error) {
	c, err := newJunction(ev, args, or, false)
	if err != nil {
		return nil, err
	}
	return &junctionKernel{conjunction: c}, nil
}

// truthKernel maps the truth values of one or two operands.
type truthKernel struct {
	scratch
	l, r *truth // r may be nil
	f    func(l, r byte) byte
}

func (k *truthKernel) eval(in *types.Batch) (*types.Vector, error) {
	l, err := k.l.eval(in)
	if err != nil {
		return nil, err
	}
	r := l
	if k.r != nil {
		if r, err = k.r.eval(in); err != nil {
			return nil, err
		}
	}
	for i := range l {
		l[i] = k.f(l[i], r[i])
	}
	return k.bools(l), nil
}

func compileTruth(ev *Evaluator, l, r Expr, f func(l, r byte) byte) (kernel, error) {
	k := &truthKernel{f: f}
	var err error
	if k.l, err = newTruth(ev, l); err != nil {
		return nil, err
	}
	if r != nil {
		if k.r, err = newTruth(ev, r); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (e *Not) compile(ev *Evaluator) (kernel, error) {
	return compileTruth(ev, e.Arg, nil, func(x, _ byte) byte { return isTrue - x })
}

func (e *Xor) compile(ev *Evaluator) (kernel, error) {
	return compileTruth(ev, e.L, e.R, func(x, y byte) byte {
		switch {
		case x == isUnknown || y == isUnknown:
			return isUnknown
		case x == y:
			return isFalse
		}
		return isTrue
	})
}

func (e *Is) compile(ev *Evaluator) (kernel, error) {
	var want byte
	negate := false
	switch e.Test {
	case IsNull, IsNotNull:
		arg, err := ev.operand(e.Arg)
		if err != nil {
			return nil, err
		}
		return &nullTest{arg: arg, not: e.Test == IsNotNull}, nil
	case IsTrue, IsNotTrue:
		want, negate = isTrue, e.Test == IsNotTrue
	default:
		want, negate = isFalse, e.Test == IsNotFalse
	}
	return compileTruth(ev, e.Arg, nil, func(x, _ byte) byte {
		if (x == want) != negate {
			return isTrue
		}
		return isFalse
	})
}

// nullTest is IS NULL and IS NOT NULL.
type nullTest struct {
	scratch
	arg *operand
	not bool
}

func (k *nullTest) eval(in *types.Batch) (*types.Vector, error) {
	v, err := k.arg.eval(in)
	if err != nil {
		return nil, err
	}
	dst := k.ints(types.BoolType, in.Len)
	for i := range dst {
		dst[i] = 0
		if v.IsNull(k.arg.at(i)) != k.not {
			dst[i] = 1
		}
	}
	return &k.vec, nil
}

// nullKernel is NULL of some type.
type nullKernel struct {
	scratch
	t types.Type
}

func (k *nullKernel) eval(in *types.Batch) (*types.Vector, error) {
	switch k.t.Physical() {
	case types.PhysInt64:
		k.ints(k.t, in.Len)
	case types.PhysUint64:
		k.uints(k.t, in.Len)
	case types.PhysFloat64:
		k.floats(k.t, in.Len)
	case types.PhysBytes:
		k.start(k.t, in.Len)
		k.vec.Offsets = sized(k.vec.Offsets, in.Len+1)
		clear(k.vec.Offsets)
	default:
		k.start(k.t, in.Len)
		return &k.vec, nil
	}
	clear(k.bitmap(in.Len))
	return &k.vec, nil
}

// isInf reports whether a float result is out of DOUBLE's range.
func isInf(f float64) bool { return math.IsInf(f, 0) || math.IsNaN(f) }
