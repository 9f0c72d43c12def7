package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Runner runs the subqueries of one execution; it is the expr.Runner of the
// execution's Env.
type Runner struct {
	rt  *Runtime
	all map[*expr.Subquery]*subquery
}

// NewRunner returns a Runner for subqueries of the plan that rt runs. Close it
// after the plan's operators.
func NewRunner(rt *Runtime) *Runner {
	return &Runner{rt: rt}
}

// subquery is a subquery's operators, and what is known of its results.
type subquery struct {
	*expr.Subquery
	env *expr.Env
	op  Operator

	// Results by outer values and left value; a few thousand at most.
	known map[string]types.Value
	key   []byte
	outer []*types.Vector // of one value each, for key

	// set has the values of an IN that does not depend on the row.
	set     *keyTable
	setSize account
	hasNull bool
	state   setState
	batch   keyBatch
}

type setState uint8

const (
	setUnknown setState = iota
	setLoaded
	setTooLarge // for memory: the query is run for each row
)

// maxKnown is how many results of a correlated subquery are kept.
const maxKnown = 4096

// RunSubquery implements expr.Runner.
func (r *Runner) RunSubquery(ctx context.Context, q *expr.Subquery, outer []types.Value, left types.Value) (types.Value, error) {
	s, err := r.subquery(q)
	if err != nil {
		return types.Value{}, err
	}
	if q.Kind == expr.In && len(q.Args) == 0 && s.state == setUnknown {
		s.env.Outer = outer
		if err := s.loadSet(ctx); err != nil {
			return types.Value{}, err
		}
	}
	if s.state == setLoaded {
		return s.member(left), nil
	}
	key := s.knownKey(outer, left)
	if v, ok := s.known[string(key)]; ok {
		return v, nil
	}
	s.env.Outer = outer
	v, err := s.run(ctx, left)
	if err != nil {
		return v, err
	}
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	s.known[string(key)] = v
	return v, nil
}

func (r *Runner) subquery(q *expr.Subquery) (*subquery, error) {
	if s := r.all[q]; s != nil {
		return s, nil
	}
	p, ok := q.Plan.(*plan.Plan)
	if !ok {
		return nil, sqlerr.Internal.New("a subquery has no plan")
	}
	env := *r.rt.Env
	env.Runner = r
	rt := *r.rt
	rt.Env, rt.mem = &env, r.rt.memory()
	op, err := Build(p.Root, &rt)
	if err != nil {
		return nil, err
	}
	s := &subquery{Subquery: q, env: &env, op: op, known: map[string]types.Value{}, setSize: account{memory: rt.mem}}
	for _, e := range q.Args {
		s.outer = append(s.outer, types.NewVector(e.Type(), 1))
	}
	if q.Kind == expr.In {
		s.outer = append(s.outer, types.NewVector(q.Left.Type(), 1))
	}
	if r.all == nil {
		r.all = map[*expr.Subquery]*subquery{}
	}
	r.all[q] = s
	return s, nil
}

// knownKey returns what a result depends on.
func (s *subquery) knownKey(outer []types.Value, left types.Value) []byte {
	s.key = s.key[:0]
	for i, v := range s.outer {
		v.Reset(v.Type)
		if i < len(outer) {
			v.AppendValue(outer[i])
		} else {
			v.AppendValue(left)
		}
		s.key = types.AppendGroupKey(s.key, v, 0)
	}
	return s.key
}

// run computes the result for the current outer values.
func (s *subquery) run(ctx context.Context, left types.Value) (v types.Value, err error) {
	defer func() {
		if e := s.op.Close(); err == nil {
			err = e
		}
	}()
	if err := s.op.Open(ctx); err != nil {
		return v, err
	}
	switch s.Kind {
	case expr.Exists:
		b, err := s.op.Next(ctx)
		if err != nil {
			return v, err
		}
		return types.NewBool(b.Len > 0), nil
	case expr.Scalar:
		return s.runScalar(ctx)
	}
	return s.runIn(ctx, left)
}

func (s *subquery) runScalar(ctx context.Context) (v types.Value, err error) {
	n := 0
	err = each(ctx, s.op, func(b *types.Batch) error {
		if n += b.Len; n > 1 {
			return sqlerr.SubqueryNo1Row.New("Subquery returns more than 1 row")
		}
		v = b.Columns[0].Value(0).Clone()
		return nil
	})
	return v, err
}

// runIn looks for left among the rows.
func (s *subquery) runIn(ctx context.Context, left types.Value) (types.Value, error) {
	null := false
	t := s.Left.Type()
	for {
		if err := interrupted(ctx); err != nil {
			return types.Value{}, err
		}
		b, err := s.op.Next(ctx)
		if err != nil {
			return types.Value{}, err
		}
		if b.Len == 0 {
			break
		}
		if left.IsNull() {
			return types.Value{}, nil
		}
		v := b.Columns[0]
		for i := range b.Len {
			if v.IsNull(i) {
				null = true
			} else if types.Compare(t, left, v.Value(i)) == 0 {
				return types.NewBool(true), nil
			}
		}
	}
	if null {
		return types.Value{}, nil
	}
	return types.NewBool(false), nil
}

// loadSet reads the values of an IN.
func (s *subquery) loadSet(ctx context.Context) (err error) {
	defer func() {
		if e := s.op.Close(); err == nil {
			err = e
		}
	}()
	if err := s.op.Open(ctx); err != nil {
		return err
	}
	s.set = newKeyTable([]types.Type{s.Left.Type()})
	for {
		if err := interrupted(ctx); err != nil {
			return err
		}
		b, err := s.op.Next(ctx)
		if err != nil {
			return err
		}
		if b.Len == 0 {
			s.state = setLoaded
			return nil
		}
		s.batch.read(b.Columns[:1], b.Len)
		for i := range b.Len {
			if s.batch.nulls[i] {
				s.hasNull = true
			} else if s.set.find(&s.batch, i) < 0 {
				s.set.add(&s.batch, i)
			}
		}
		if s.setSize.set(s.set.bytes()); s.setSize.full() {
			s.set = nil
			s.setSize.set(0)
			s.state = setTooLarge
			return nil
		}
	}
}

// member tells whether left is in the set.
func (s *subquery) member(left types.Value) types.Value {
	if s.set.len() == 0 && !s.hasNull {
		return types.NewBool(false)
	}
	if left.IsNull() {
		return types.Value{}
	}
	v := s.outer[0]
	v.Reset(v.Type)
	v.AppendValue(left)
	s.batch.read(s.outer[:1], 1)
	switch {
	case s.set.find(&s.batch, 0) >= 0:
		return types.NewBool(true)
	case s.hasNull:
		return types.Value{}
	}
	return types.NewBool(false)
}

// Close closes the subqueries' operators; it is idempotent.
func (r *Runner) Close() error {
	var first error
	for _, s := range r.all {
		s.setSize.set(0)
		if err := s.op.Close(); first == nil {
			first = err
		}
	}
	clear(r.all)
	return first
}
