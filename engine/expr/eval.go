package expr

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Evaluator evaluates expressions over batches in one execution. It owns the
// vectors that it returns and is used by one goroutine.
type Evaluator struct {
	env   *Env
	exprs []Expr
	roots []*operand
	out   []*types.Vector
	full  []*types.Vector // constants repeated for every row
	sel   *conjunction    // for Select
	// shorts are the expressions that Short was called for.
	shorts []bool
	epoch  uint64 // counts calls: constants over outer values hold for one
	run    uint64 // Env.Run for which exprs are compiled
	fixed  bool   // they are the same in every run
	work   int    // bytes since step looked at the context
	// failed is the first warning that is an error, for a write in strict mode.
	failed error
}

// kernel computes an expression's values.
type kernel interface {
	// eval returns a vector of in.Len values that is the kernel's until its next
	// eval, or one of in's columns.
	eval(in *types.Batch) (*types.Vector, error)
}

// NewEvaluator prepares expressions for env's execution. They are compiled when
// they are first evaluated, as values or as a condition.
func NewEvaluator(env *Env, exprs ...Expr) (*Evaluator, error) {
	for _, e := range exprs {
		if HasAggregate(e) || HasWindow(e) {
			return nil, sqlerr.Internal.New("an aggregate or window function in %s was not planned", e)
		}
	}
	return &Evaluator{env: env, exprs: exprs, run: env.Run, fixed: !slices.ContainsFunc(exprs, readsEnv)}, nil
}

// Eval returns a vector of in.Len values for each expression. They are valid
// until the next call and may be in's own columns.
func (ev *Evaluator) Eval(in *types.Batch) (_ []*types.Vector, err error) {
	defer recoverInternal(&err)
	if err := ev.begin(); err != nil {
		return nil, err
	}
	if ev.roots == nil {
		if ev.roots, err = ev.operands(ev.exprs); err != nil {
			return nil, err
		}
		ev.out = make([]*types.Vector, len(ev.exprs))
		for i, short := range ev.shorts {
			if short {
				ev.roots[i].short()
			}
		}
	}
	if in.Len == 0 {
		for i, e := range ev.exprs {
			ev.out[i] = types.NewVector(e.Type(), 0)
		}
		return ev.out, nil
	}
	for i, o := range ev.roots {
		v, err := o.eval(in)
		if err != nil {
			return nil, err
		}
		if o.konst {
			if v, err = ev.repeat(i, v, in.Len); err != nil {
				return nil, err
			}
		}
		ev.out[i] = v
	}
	return ev.out, ev.failed
}

// Select appends to sel the numbers of the rows for which the only expression
// is true, in ascending order.
func (ev *Evaluator) Select(in *types.Batch, sel []int32) (_ []int32, err error) {
	defer recoverInternal(&err)
	if err := ev.begin(); err != nil {
		return nil, err
	}
	if in.Len == 0 {
		return sel, nil
	}
	if ev.sel == nil {
		c, err := newConjunction(ev, Conjuncts(ev.exprs[0]), true)
		if err != nil {
			return nil, err
		}
		ev.sel = c
	}
	state, err := ev.sel.run(in)
	if err != nil {
		return nil, err
	}
	for i, s := range state {
		if s == isTrue {
			sel = append(sel, int32(i))
		}
	}
	return sel, ev.failed
}

func (ev *Evaluator) begin() error {
	ev.epoch++
	ev.failed = nil
	if ev.run != ev.env.Run {
		if ev.run = ev.env.Run; !ev.fixed {
			ev.roots, ev.sel, ev.full = nil, nil, nil
		}
	}
	return ev.interrupted()
}

// repeat returns constant v as a vector of n values.
func (ev *Evaluator) repeat(i int, v *types.Vector, n int) (*types.Vector, error) {
	if n == 1 {
		return v, nil
	}
	if err := room(v, len(v.Data)*(n-1)); err != nil {
		return nil, err
	}
	if ev.full == nil {
		ev.full = make([]*types.Vector, len(ev.roots))
	}
	f := ev.full[i]
	if f == nil {
		f = types.NewVector(v.Type, n)
		ev.full[i] = f
	}
	f.Reset(v.Type)
	for range n {
		f.AppendFrom(v, 0)
	}
	return f, nil
}

// EvalConst returns the value of an expression without columns.
func EvalConst(env *Env, e Expr) (types.Value, error) {
	switch e := e.(type) {
	case *Literal:
		return e.Value, nil
	case *Param:
		return pick(env.Params, e.Index, e)
	case *Outer:
		return pick(env.Outer, e.Index, e)
	}
	ev, err := NewEvaluator(env, e)
	if err != nil {
		return types.Value{}, err
	}
	out, err := ev.Eval(&types.Batch{Len: 1})
	if err != nil {
		return types.Value{}, err
	}
	return out[0].Value(0).Clone(), nil
}

// operand is an expression as a kernel sees it: constants have a vector of one
// value, whatever the batch's length.
type operand struct {
	kernel kernel
	konst  bool
	// perEpoch says that a constant holds for one Eval only: it depends on
	// Env.Outer, which changes when a subquery runs again.
	perEpoch bool
	ev       *Evaluator
	epoch    uint64
	value    *types.Vector
	t        types.Type
	ints     []int64 // the constant repeated
	floats   []float64
}

// operand compiles e.
func (ev *Evaluator) operand(e Expr) (*operand, error) {
	k, err := e.compile(ev)
	if err != nil {
		return nil, err
	}
	o := &operand{kernel: k, konst: IsConst(e), ev: ev, t: e.Type()}
	if o.konst {
		o.perEpoch = contains(e, func(e Expr) bool {
			switch e.(type) {
			case *Outer, *Subquery:
				return true
			}
			return false
		})
	}
	return o, nil
}

// operands compiles list.
func (ev *Evaluator) operands(list []Expr) ([]*operand, error) {
	ops := make([]*operand, len(list))
	for i, e := range list {
		o, err := ev.operand(e)
		if err != nil {
			return nil, err
		}
		ops[i] = o
	}
	return ops, nil
}

var oneRow = &types.Batch{Len: 1}

// eval returns a vector of in.Len values, or of one if o is constant.
func (o *operand) eval(in *types.Batch) (*types.Vector, error) {
	if !o.konst {
		return o.kernel.eval(in)
	}
	if o.value != nil && (!o.perEpoch || o.epoch == o.ev.epoch) {
		return o.value, nil
	}
	v, err := o.kernel.eval(oneRow)
	if err != nil {
		return nil, err
	}
	o.value, o.epoch = v, o.ev.epoch
	return v, nil
}

// at returns the index of row i's value in o's vector.
func (o *operand) at(i int) int {
	if o.konst {
		return 0
	}
	return i
}

// scratch is a kernel's result vector with memory that is kept between batches.
type scratch struct {
	vec   types.Vector
	valid []byte
}

// ints makes the result n int64 values of type t, all valid, and returns them.
func (s *scratch) ints(t types.Type, n int) []int64 {
	s.start(t, n)
	s.vec.Int64s = sized(s.vec.Int64s, n)
	return s.vec.Int64s
}

// uints is like ints for uint64.
func (s *scratch) uints(t types.Type, n int) []uint64 {
	s.start(t, n)
	s.vec.Uint64s = sized(s.vec.Uint64s, n)
	return s.vec.Uint64s
}

// floats is like ints for float64.
func (s *scratch) floats(t types.Type, n int) []float64 {
	s.start(t, n)
	s.vec.Float64s = sized(s.vec.Float64s, n)
	return s.vec.Float64s
}

func (s *scratch) start(t types.Type, n int) {
	s.vec.Type, s.vec.Valid = t, nil
	s.vec.SetLen(n)
}

// bitmap makes the validity bitmap of n values one of its own, all valid.
func (s *scratch) bitmap(n int) []byte {
	s.valid = sized(s.valid, (n+7)/8)
	for i := range s.valid {
		s.valid[i] = 0xff
	}
	s.vec.Valid = s.valid
	return s.valid
}

// setNull makes value i of n NULL.
func (s *scratch) setNull(i, n int) {
	if s.vec.Valid == nil {
		s.bitmap(n)
	}
	s.vec.Valid[i>>3] &^= 1 << (i & 7)
}

// bothValid makes the bitmap of n values the AND of the operands'.
func (s *scratch) bothValid(n int, l, r *types.Vector, lc, rc bool) {
	s.alsoValid(n, l, lc)
	s.alsoValid(n, r, rc)
}

// alsoValid makes NULL whatever is NULL in v.
func (s *scratch) alsoValid(n int, v *types.Vector, konst bool) {
	if v.Type.Kind == types.Null || konst && v.IsNull(0) {
		clear(s.bitmap(n))
		return
	}
	if konst || v.Valid == nil {
		return
	}
	if s.vec.Valid == nil {
		s.valid = append(s.valid[:0], v.Valid[:(n+7)/8]...)
		s.vec.Valid = s.valid
		return
	}
	for i := range s.valid {
		s.valid[i] &= v.Valid[i]
	}
}

func sized[T any](s []T, n int) []T {
	return slices.Grow(s[:0], n)[:n]
}

// recoverInternal turns a panic into sqlerr.Internal: evalengine panics on some
// operands that it does not expect.
func recoverInternal(err *error) {
	if r := recover(); r != nil {
		*err = sqlerr.Internal.Wrap(fmt.Errorf("%v\n%s", r, debug.Stack()), "Expression evaluation failed: %v", r)
	}
}

// spread returns v's n values, a constant's n times.
func (o *operand) spread(v *types.Vector, n int) []int64 {
	if !o.konst {
		return v.Int64s[:n]
	}
	return repeated(&o.ints, v.Int64s[0], n)
}

// spreadFloats is spread for floats.
func (o *operand) spreadFloats(v *types.Vector, n int) []float64 {
	if !o.konst {
		return v.Float64s[:n]
	}
	return repeated(&o.floats, v.Float64s[0], n)
}

// repeated returns n times x, from buf if that is what it holds.
func repeated[T comparable](buf *[]T, x T, n int) []T {
	b := *buf
	if len(b) < n || n > 0 && b[0] != x {
		b = sized(b, n)
		for i := range b {
			b[i] = x
		}
		*buf = b
	}
	return b[:n]
}
