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
	all map[*plan.Plan]*subquery // copies of an expression share one
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

	// Results by outer values and, of IN, the left row; a few thousand at most.
	known map[string]result
	key   []byte
	outer []*types.Vector // of one value each, for key

	// Of an IN that does not depend on the row: its rows without NULL, and all of
	// them if they have several columns.
	set     *keyTable
	rows    [][]types.Value
	setSize account
	hasNull bool
	state   setState
	batch   keyBatch
}

// result is what a query gave.
type result struct {
	row []types.Value // of Scalar: the one row or nil
	is  types.Value   // of Exists and In
	sum summary       // of Any and All
}

// summary is what comparing with any or all of some values needs to know of them.
type summary struct {
	some, null bool // there is a value, a NULL
	min, max   types.Value
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
func (r *Runner) RunSubquery(ctx context.Context, q *expr.Subquery, outer, left []types.Value) (types.Value, error) {
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
	res, ok := s.known[string(key)]
	if !ok {
		s.env.Outer = outer
		if res, err = s.run(ctx, left); err != nil {
			return types.Value{}, err
		}
		if len(s.known) >= maxKnown {
			clear(s.known)
		}
		s.known[string(key)] = res
	}
	switch q.Kind {
	case expr.Scalar:
		if res.row == nil {
			return types.Value{}, nil
		}
		return res.row[q.Column], nil
	case expr.Any, expr.All:
		return res.sum.compare(q, left[0]), nil
	}
	return res.is, nil
}

func (r *Runner) subquery(q *expr.Subquery) (*subquery, error) {
	p, ok := q.Plan.(*plan.Plan)
	if !ok {
		return nil, sqlerr.Internal.New("a subquery has no plan")
	}
	if s := r.all[p]; s != nil {
		return s, nil
	}
	env := *r.rt.Env
	env.Runner = r
	rt := *r.rt
	rt.Env, rt.mem = &env, r.rt.memory()
	op, err := Build(p.Root, &rt)
	if err != nil {
		return nil, err
	}
	s := &subquery{Subquery: q, env: &env, op: op, known: map[string]result{}, setSize: account{memory: rt.mem}}
	for _, e := range q.Args {
		s.outer = append(s.outer, types.NewVector(e.Type(), 1))
	}
	if q.Kind == expr.In {
		for _, e := range q.Left {
			s.outer = append(s.outer, types.NewVector(e.Type(), 1))
		}
	}
	if r.all == nil {
		r.all = map[*plan.Plan]*subquery{}
	}
	r.all[p] = s
	return s, nil
}

// knownKey returns what a result depends on.
func (s *subquery) knownKey(outer, left []types.Value) []byte {
	s.key = s.key[:0]
	for i, v := range s.outer {
		v.Reset(v.Type)
		if i < len(outer) {
			v.AppendValue(outer[i])
		} else {
			v.AppendValue(left[i-len(outer)])
		}
		s.key = types.AppendGroupKey(s.key, v, 0)
	}
	return s.key
}

// run computes the result for the current outer values.
func (s *subquery) run(ctx context.Context, left []types.Value) (res result, err error) {
	defer func() {
		if e := s.op.Close(); err == nil {
			err = e
		}
	}()
	if err := s.op.Open(ctx); err != nil {
		return res, err
	}
	switch s.Kind {
	case expr.Exists:
		b, err := s.op.Next(ctx)
		if err != nil {
			return res, err
		}
		res.is = types.NewBool(b.Len > 0)
	case expr.Scalar:
		n := 0
		err = each(ctx, s.op, func(b *types.Batch) error {
			if n += b.Len; n > 1 {
				return sqlerr.SubqueryNo1Row.New("Subquery returns more than 1 row")
			}
			res.row = rowValues(b, 0)
			return nil
		})
	case expr.In:
		res.is, err = s.runIn(ctx, left)
	default:
		t := s.Left[0].Type()
		err = each(ctx, s.op, func(b *types.Batch) error {
			res.sum.add(t, b.Columns[0])
			return nil
		})
	}
	return res, err
}

// rowValues copies a row.
func rowValues(b *types.Batch, i int) []types.Value {
	row := make([]types.Value, len(b.Columns))
	for c, v := range b.Columns {
		row[c] = v.Value(i).Clone()
	}
	return row
}

// runIn looks for left among the rows.
func (s *subquery) runIn(ctx context.Context, left []types.Value) (types.Value, error) {
	maybe := false
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
		for i := range b.Len {
			switch s.same(left, func(c int) types.Value { return b.Columns[c].Value(i) }) {
			case isSame:
				return types.NewBool(true), nil
			case maybeSame:
				maybe = true
			}
		}
	}
	if maybe {
		return types.Value{}, nil
	}
	return types.NewBool(false), nil
}

type sameness uint8

const (
	notSame sameness = iota
	maybeSame
	isSame
)

// same compares the left row with another.
func (s *subquery) same(left []types.Value, right func(int) types.Value) sameness {
	res := isSame
	for c, l := range left {
		r := right(c)
		switch {
		case l.IsNull() || r.IsNull():
			res = maybeSame
		case types.Compare(s.Left[c].Type(), l, r) != 0:
			return notSame
		}
	}
	return res
}

// loadSet reads the rows of an IN.
func (s *subquery) loadSet(ctx context.Context) (err error) {
	defer func() {
		if e := s.op.Close(); err == nil {
			err = e
		}
	}()
	if err := s.op.Open(ctx); err != nil {
		return err
	}
	ts := exprTypes(s.Left)
	s.set = newKeyTable(ts)
	held := int64(0)
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
		s.batch.read(b.Columns[:len(ts)], b.Len)
		for i := range b.Len {
			null := s.batch.nulls[i]
			s.hasNull = s.hasNull || null
			if len(ts) > 1 {
				row := rowValues(b, i)
				s.rows = append(s.rows, row)
				for _, v := range row {
					held += int64(len(v.Bytes())) + 32
				}
			}
			if !null && s.set.find(&s.batch, i) < 0 {
				s.set.add(&s.batch, i)
			}
		}
		if s.setSize.set(s.set.bytes() + held); s.setSize.full() {
			s.set, s.rows = nil, nil
			s.setSize.set(0)
			s.state = setTooLarge
			return nil
		}
	}
}

// member tells whether left is in the set.
func (s *subquery) member(left []types.Value) types.Value {
	if s.set.len() == 0 && !s.hasNull {
		return types.NewBool(false)
	}
	null := false
	for i, l := range left {
		v := s.outer[i]
		v.Reset(v.Type)
		v.AppendValue(l)
		null = null || l.IsNull()
	}
	if !null {
		if s.batch.read(s.outer[:len(left)], 1); s.set.find(&s.batch, 0) >= 0 {
			return types.NewBool(true)
		}
		if !s.hasNull {
			return types.NewBool(false)
		}
	}
	if len(left) == 1 {
		return types.Value{}
	}
	for _, row := range s.rows {
		if s.same(left, func(c int) types.Value { return row[c] }) == maybeSame {
			return types.Value{}
		}
	}
	return types.NewBool(false)
}

// add takes note of a column's values.
func (m *summary) add(t types.Type, v *types.Vector) {
	for i := range v.Len() {
		if v.IsNull(i) {
			m.null = true
			continue
		}
		x := v.Value(i)
		if !m.some || types.Compare(t, x, m.min) < 0 {
			m.min = x.Clone()
		}
		if !m.some || types.Compare(t, x, m.max) > 0 {
			m.max = x.Clone()
		}
		m.some = true
	}
}

// compare returns left op ANY (values) or left op ALL (values).
func (m *summary) compare(q *expr.Subquery, left types.Value) types.Value {
	all := q.Kind == expr.All
	if !m.some && !m.null {
		return types.NewBool(all)
	}
	if left.IsNull() {
		return types.Value{}
	}
	decided := false // all but NULLs
	if m.some {
		t := q.Left[0].Type()
		min, max := types.Compare(t, left, m.min), types.Compare(t, left, m.max)
		// What is less than any value is less than the greatest; than all, than the least.
		less, greater := max, min
		if all {
			less, greater = min, max
		}
		switch q.Op {
		case expr.LT:
			decided = less < 0
		case expr.LE:
			decided = less <= 0
		case expr.GT:
			decided = greater > 0
		case expr.GE:
			decided = greater >= 0
		case expr.EQ:
			decided = min == 0 && max == 0 // of ALL: = ANY is IN
		case expr.NE:
			decided = min != 0 || max != 0 // of ANY
		}
		if decided != all {
			return types.NewBool(decided)
		}
	} else {
		decided = all
	}
	if m.null {
		return types.Value{}
	}
	return types.NewBool(decided)
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
