package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// lateral yields each left row with the rows of a query that runs anew for it.
type lateral struct {
	left, right Operator
	kind        plan.JoinKind
	args        *expr.Evaluator // over the left row; nil: none
	on          *expr.Evaluator // nil: all rows
	env         *expr.Env       // right's

	batch   *types.Batch // of left rows
	outer   []*types.Vector
	row     int  // of batch, the one that right runs for
	open    bool // right runs
	matched bool

	in   *types.Batch // right rows, of which
	sel  []int32      // are wanted
	at   int          // those before are yielded
	max  int          // rows in a batch
	pair *types.Batch
	out  *types.Batch
}

func buildLateral(n *plan.Lateral, rt *Runtime) (Operator, error) {
	left, err := Build(n.Left, rt)
	if err != nil {
		return nil, err
	}
	env := *rt.Env
	inner := *rt
	inner.Env, inner.mem = &env, rt.memory()
	right, err := Build(n.Right, &inner)
	if err != nil {
		return nil, err
	}
	j := &lateral{left: left, right: right, kind: n.Kind, env: &env, pair: emptyBatch(n.Types()), out: emptyBatch(n.Types())}
	if len(n.Args) > 0 {
		if j.args, err = expr.NewEvaluator(rt.Env, n.Args...); err != nil {
			return nil, err
		}
	}
	if n.On != nil {
		j.on, err = expr.NewEvaluator(rt.Env, n.On)
	}
	return j, err
}

func (j *lateral) Open(ctx context.Context) error {
	j.batch, j.row, j.open, j.sel, j.at = nil, 0, false, j.sel[:0], 0
	return j.left.Open(ctx)
}

func (j *lateral) Next(ctx context.Context) (*types.Batch, error) {
	j.out.Reset()
	j.max = types.BatchRows
	for j.out.Len < j.max {
		if j.at < len(j.sel) {
			j.yield()
			continue
		}
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		if j.open {
			if err := j.read(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if j.batch == nil || j.row == j.batch.Len {
			if j.out.Len > 0 {
				break
			}
			if more, err := j.advance(ctx); err != nil || !more {
				return j.out, err
			}
		}
		if err := j.start(ctx); err != nil {
			return nil, err
		}
	}
	return j.out, nil
}

// advance reads the next left rows and reports whether there are any.
func (j *lateral) advance(ctx context.Context) (more bool, err error) {
	b, err := j.left.Next(ctx)
	if err != nil || b.Len == 0 {
		j.batch = nil
		return false, err
	}
	j.batch, j.row, j.outer = b, 0, nil
	if j.args != nil {
		j.outer, err = j.args.Eval(b)
	}
	return true, err
}

// start runs right for the current left row.
func (j *lateral) start(ctx context.Context) error {
	j.env.Outer = make([]types.Value, len(j.outer))
	for i, v := range j.outer {
		j.env.Outer[i] = v.Value(j.row)
	}
	j.open, j.matched = true, false
	return j.right.Open(ctx)
}

// read takes the next rows of right; after the last the next left row is due.
func (j *lateral) read(ctx context.Context) error {
	b, err := j.right.Next(ctx)
	if err != nil {
		return err
	}
	if b.Len == 0 {
		if j.kind == plan.Left && !j.matched {
			j.pairUp(j.out, nil, 0)
		}
		j.open = false
		j.row++
		return j.right.Close()
	}
	j.in, j.sel, j.at = b, j.sel[:0], 0
	if j.on == nil {
		for i := range b.Len {
			j.sel = append(j.sel, int32(i))
		}
	} else {
		j.pair.Reset()
		for i := range b.Len {
			j.pairUp(j.pair, b, i)
		}
		if j.sel, err = j.on.Select(j.pair, j.sel); err != nil {
			return err
		}
	}
	j.matched = j.matched || len(j.sel) > 0
	return nil
}

// yield moves right rows to out.
func (j *lateral) yield() {
	j.max = min(j.max, rowsPerBatch(maxRowBytes(j.batch)+maxRowBytes(j.in)))
	for ; j.at < len(j.sel) && j.out.Len < j.max; j.at++ {
		j.pairUp(j.out, j.in, int(j.sel[j.at]))
	}
}

// pairUp appends the current left row with row i of right, or with NULLs, to dst.
func (j *lateral) pairUp(dst, right *types.Batch, i int) {
	n := len(j.batch.Columns)
	for c, v := range dst.Columns {
		switch {
		case c < n:
			v.AppendFrom(j.batch.Columns[c], j.row)
		case right == nil:
			v.AppendNull()
		default:
			v.AppendFrom(right.Columns[c-n], i)
		}
	}
	dst.Len++
}

func (j *lateral) Close() error {
	j.batch, j.in, j.open, j.sel, j.at = nil, nil, false, j.sel[:0], 0
	return closeAll(j.left, j.right)
}
