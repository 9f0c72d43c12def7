package exec

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// filter keeps the rows for which a condition is true.
type filter struct {
	Operator // the input
	cond     *expr.Evaluator
	out      *types.Batch
	sel      []int32
}

func buildFilter(n *plan.Filter, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	if err != nil {
		return nil, err
	}
	cond, err := expr.NewEvaluator(rt.Env, n.Cond)
	return &filter{Operator: in, cond: cond, out: emptyBatch(n.Input.Types())}, err
}

func (f *filter) Next(ctx context.Context) (*types.Batch, error) {
	for {
		b, err := f.Operator.Next(ctx)
		if err != nil || b.Len == 0 {
			return b, err
		}
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		if f.sel, err = f.cond.Select(b, f.sel[:0]); err != nil {
			return nil, err
		}
		switch len(f.sel) {
		case 0:
		case b.Len:
			return b, nil
		default:
			f.out.Gather(b, f.sel)
			return f.out, nil
		}
	}
}

// project computes columns.
type project struct {
	Operator // the input
	exprs    *expr.Evaluator
	out      *types.Batch
}

func buildProject(n *plan.Project, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	if err != nil {
		return nil, err
	}
	exprs, err := expr.NewEvaluator(rt.Env, n.Exprs...)
	return &project{Operator: in, exprs: exprs, out: emptyBatch(n.Types())}, err
}

func (p *project) Next(ctx context.Context) (*types.Batch, error) {
	b, err := p.Operator.Next(ctx)
	if err != nil {
		return nil, err
	}
	p.out.Len = b.Len
	if b.Len > 0 {
		p.out.Columns, err = p.exprs.Eval(b)
	}
	return p.out, err
}

// rollup yields every batch once for each level.
type rollup struct {
	Operator // the input
	keys     []int
	in       *types.Batch // the batch that levels are made of
	level    int          // next
	out      *types.Batch
	nulls    []*types.Vector // of the keys' types
	levels   *types.Vector
}

func buildRollup(n *plan.Rollup, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	r := &rollup{Operator: in, out: emptyBatch(n.Types()), levels: types.NewVector(types.Int64Type, types.BatchRows)}
	for _, k := range n.Keys {
		r.keys = append(r.keys, k.Index)
		r.nulls = append(r.nulls, types.NewVector(k.T, 0))
	}
	return r, err
}

func (r *rollup) Open(ctx context.Context) error {
	r.in, r.level = nil, 0
	return r.Operator.Open(ctx)
}

func (r *rollup) Next(ctx context.Context) (*types.Batch, error) {
	if r.in == nil {
		b, err := r.Operator.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b.Len == 0 {
			r.out.Reset()
			return r.out, nil
		}
		r.in, r.level = b, 0
	}
	n := r.in.Len
	kept := len(r.keys) - r.level
	cols := slices.Clone(r.in.Columns)
	for i, k := range r.keys {
		v := r.in.Columns[k]
		if i >= kept {
			v = r.nulls[i]
			for v.Len() < n {
				v.AppendNull()
			}
			v = v.Slice(0, n)
		}
		cols = append(cols, v)
	}
	r.levels.Reset(r.levels.Type)
	for range n {
		r.levels.AppendInt(int64(r.level))
	}
	if r.level++; r.level > len(r.keys) {
		r.in = nil
	}
	return &types.Batch{Columns: append(cols, r.levels), Len: n}, nil
}

// limit passes on some rows after an offset.
type limit struct {
	Operator      // the input
	env           *expr.Env
	count, offset expr.Expr
	skip, left    int64
	none          *types.Batch
	found         func(rows int64) // nil: rows that are not wanted are not read
	rows          int64            // read so far
}

func buildLimit(n *plan.Limit, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	l := &limit{Operator: in, env: rt.Env, count: n.Count, offset: n.Offset, none: emptyBatch(n.Types())}
	if n.Counts {
		l.found = rt.Found
	}
	return l, err
}

func (l *limit) Open(ctx context.Context) (err error) {
	if l.left, err = rowCount(l.env, l.count, noLimit); err != nil {
		return err
	}
	l.rows = 0
	if l.skip, err = rowCount(l.env, l.offset, 0); err != nil || l.left == 0 && l.found == nil {
		return err
	}
	return l.Operator.Open(ctx)
}

func (l *limit) Next(ctx context.Context) (*types.Batch, error) {
	for l.left > 0 {
		b, err := l.Operator.Next(ctx)
		if err != nil {
			return b, err
		}
		if b.Len == 0 {
			break
		}
		l.rows += int64(b.Len)
		from := min(l.skip, int64(b.Len))
		to := min(int64(b.Len), from+min(l.left, int64(b.Len)))
		l.skip -= from
		l.left -= to - from
		if to > from {
			return b.Slice(int(from), int(to)), nil
		}
	}
	return l.none, l.countRest(ctx)
}

// countRest reads the rows after those that are wanted, if they are to be counted.
func (l *limit) countRest(ctx context.Context) error {
	if l.found == nil {
		return nil
	}
	for {
		b, err := l.Operator.Next(ctx)
		if err != nil {
			return err
		}
		if b.Len == 0 {
			break
		}
		l.rows += int64(b.Len)
	}
	l.found(l.rows)
	return nil
}

// repeat yields each row a number of times.
type repeat struct {
	Operator // the input
	times    *expr.Evaluator
	in       *types.Batch
	left     []int64 // how often the rows of in are still to be yielded
	sel      []int32
	out      *types.Batch
}

func buildRepeat(n *plan.Repeat, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	if err != nil {
		return nil, err
	}
	times, err := expr.NewEvaluator(rt.Env, n.Times)
	return &repeat{Operator: in, times: times, out: emptyBatch(n.Types())}, err
}

func (r *repeat) Open(ctx context.Context) error {
	r.left = r.left[:0]
	return r.Operator.Open(ctx)
}

func (r *repeat) Next(ctx context.Context) (*types.Batch, error) {
	for {
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		r.sel = r.sel[:0]
		for i := range r.left {
			for ; r.left[i] > 0 && len(r.sel) < types.BatchRows; r.left[i]-- {
				r.sel = append(r.sel, int32(i))
			}
		}
		if len(r.sel) > 0 {
			r.out.Gather(r.in, r.sel)
			return r.out, nil
		}
		b, err := r.Operator.Next(ctx)
		if err != nil || b.Len == 0 {
			return b, err
		}
		n, err := r.times.Eval(b)
		if err != nil {
			return nil, err
		}
		r.in, r.left = b, r.left[:0]
		for i := range b.Len {
			r.left = append(r.left, n[0].Value(i).Int())
		}
	}
}

// union yields its inputs one after the other; one is open at a time.
type union struct {
	all  []Operator
	at   int
	open bool
	none *types.Batch
}

func buildUnion(n *plan.Union, rt *Runtime) (Operator, error) {
	u := &union{none: emptyBatch(n.Types())}
	for _, in := range n.All {
		op, err := Build(in, rt)
		if err != nil {
			return nil, err
		}
		u.all = append(u.all, op)
	}
	return u, nil
}

func (u *union) Open(context.Context) error {
	u.at, u.open = 0, false
	return nil
}

func (u *union) Next(ctx context.Context) (*types.Batch, error) {
	for u.at < len(u.all) {
		op := u.all[u.at]
		if !u.open {
			if err := op.Open(ctx); err != nil {
				return nil, err
			}
			u.open = true
		}
		b, err := op.Next(ctx)
		if err != nil || b.Len > 0 {
			return b, err
		}
		if err := op.Close(); err != nil {
			return nil, err
		}
		u.at, u.open = u.at+1, false
	}
	return u.none, nil
}

func (u *union) Close() error {
	u.at = len(u.all)
	var first error
	for _, op := range u.all {
		if err := op.Close(); first == nil {
			first = err
		}
	}
	return first
}

// values yields rows of expressions.
type values struct {
	env    *expr.Env
	rows   [][]expr.Expr
	params []int32 // instead, see plan.Values
	next   int
	out    *types.Batch
}

func buildValues(n *plan.Values, rt *Runtime) (Operator, error) {
	return &values{env: rt.Env, rows: n.Rows, params: n.Params, out: emptyBatch(n.T)}, nil
}

func (v *values) Open(context.Context) error {
	v.next = 0
	return nil
}

func (v *values) Next(ctx context.Context) (*types.Batch, error) {
	v.out.Reset()
	if err := interrupted(ctx); err != nil {
		return nil, err
	}
	if v.params != nil {
		v.takeParams()
		return v.out, nil
	}
	for size := 0; v.next < len(v.rows) && v.out.Len < types.BatchRows && size < types.BatchBytes; v.next++ {
		for c, e := range v.rows[v.next] {
			x, err := v.value(e)
			if err != nil {
				return nil, err
			}
			size += len(x.Bytes())
			v.out.Columns[c].AppendValue(x)
		}
		v.out.Len++
	}
	return v.out, nil
}

// takeParams adds the next rows of parameters to out.
func (v *values) takeParams() {
	width := len(v.out.Columns)
	given, from := v.env.Params, v.next
	for size := 0; v.next < len(v.rows) && v.next-from < types.BatchRows && size < types.BatchBytes; v.next++ {
		for _, p := range v.params[v.next*width:][:width] {
			size += len(given[p].Bytes())
		}
	}
	for c, col := range v.out.Columns {
		for i := from*width + c; i < v.next*width; i += width {
			col.AppendValue(given[v.params[i]])
		}
	}
	v.out.Len = v.next - from
}

func (v *values) value(e expr.Expr) (types.Value, error) {
	if p, ok := e.(*expr.Param); ok {
		return v.env.Params[p.Index], nil
	}
	return expr.EvalConst(v.env, e)
}

func (v *values) Close() error {
	v.next = len(v.rows)
	return nil
}
