package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// window computes window functions, a partition after the other. A partition's
// rows are kept, on disk when memory is full, until all have been yielded.
type window struct {
	input     Operator
	width     int // columns of the input; computed ones follow in rows
	partition *rowOrder
	order     *rowOrder // nil: all rows of a partition are peers
	eval      *expr.Evaluator
	funcs     []windowFunc
	env       *expr.Env
	peering   bool // a function asks for peers

	rows     windowRows
	in       *types.Batch // rows not yet in a partition, from row at on
	at       int
	ended    bool // the input is
	emitting bool
	out      *types.Batch

	// The current row, its peers, the rows equal to it in order, and the number
	// of groups of peers before them.
	row, peers, peersEnd, groups int
}

// windowFunc computes a function for the rows of a partition in their order.
type windowFunc interface {
	// open prepares for a run.
	open(env *expr.Env) error
	// begin starts a partition.
	begin()
	// value appends the value for w's current row.
	value(w *window, dst *types.Vector) error
}

func buildWindow(n *plan.Window, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	if err != nil {
		return nil, err
	}
	ts := n.Input.Types()
	w := &window{input: in, width: len(ts), env: rt.Env, out: emptyBatch(n.Types()), partition: &rowOrder{}}
	for _, c := range n.Partition {
		w.partition.columns = append(w.partition.columns, c.Index)
		w.partition.desc = append(w.partition.desc, false)
	}
	if len(n.Order) > 0 {
		w.order = &rowOrder{}
		for _, k := range n.Order {
			w.order.columns = append(w.order.columns, k.Expr.(*expr.Column).Index)
			w.order.desc = append(w.order.desc, k.Desc)
		}
	}
	computed := &windowColumns{types: ts[:len(ts):len(ts)]}
	for _, f := range n.Funcs {
		wf, err := newWindowFunc(f, computed, rt)
		if err != nil {
			return nil, err
		}
		w.funcs = append(w.funcs, wf)
		w.peering = w.peering || f.Func != expr.RowNumber && f.Func != expr.Ntile && f.Func != expr.Lag && f.Func != expr.Lead
	}
	w.rows = windowRows{types: computed.types, mem: rt.account(), file: rt.spillFile(),
		keep: 4 + 4*len(n.Funcs)}
	w.eval, err = expr.NewEvaluator(rt.Env, computed.exprs...)
	return w, err
}

// windowColumns are the columns of the rows that window keeps: the input's and
// what functions need besides.
type windowColumns struct {
	types []types.Type
	exprs []expr.Expr // of the columns that follow the input's
}

// column returns the column that has e's values.
func (c *windowColumns) column(e expr.Expr) int {
	if col, ok := e.(*expr.Column); ok {
		return col.Index
	}
	width := len(c.types) - len(c.exprs)
	for i, known := range c.exprs {
		if known.Type() == e.Type() && expr.Equal(known, e) {
			return width + i
		}
	}
	c.types, c.exprs = append(c.types, e.Type()), append(c.exprs, e)
	return len(c.types) - 1
}

func (c *windowColumns) columns(list []expr.Expr) []int {
	cols := make([]int, len(list))
	for i, e := range list {
		cols[i] = c.column(e)
	}
	return cols
}

func (w *window) Open(ctx context.Context) error {
	w.in, w.at, w.ended, w.emitting = nil, 0, false, false
	for _, f := range w.funcs {
		if err := f.open(w.env); err != nil {
			return err
		}
	}
	return w.input.Open(ctx)
}

func (w *window) Next(ctx context.Context) (*types.Batch, error) {
	w.out.Reset()
	for {
		if w.emitting {
			full, err := w.emit(ctx)
			if err != nil || full {
				return w.out, err
			}
			w.emitting = false
		}
		if w.ended {
			return w.out, nil
		}
		if err := w.read(ctx); err != nil {
			return nil, err
		}
		w.row, w.peers, w.peersEnd, w.groups = 0, 0, 0, -1
		for _, f := range w.funcs {
			f.begin()
		}
		w.emitting = w.rows.n > 0
	}
}

// read takes the rows of the next partition.
func (w *window) read(ctx context.Context) error {
	if err := w.rows.reset(); err != nil {
		return err
	}
	for {
		if w.in == nil {
			if err := w.fetch(ctx); err != nil || w.ended {
				return err
			}
		}
		from, same := w.at, true
		for w.at < w.in.Len && same {
			if w.at > from {
				same = w.partition.compare(w.in, w.at-1, w.in, w.at, 0) == 0
			} else if w.rows.n > 0 {
				b, i, err := w.rows.at(w.rows.n - 1)
				if err != nil {
					return err
				}
				same = w.partition.compare(b, i, w.in, w.at, 0) == 0
			}
			if same {
				w.at++
			}
		}
		if err := w.rows.append(w.in, from, w.at); err != nil {
			return err
		}
		if !same {
			return nil
		}
		w.in = nil
	}
}

// fetch gets the input's next batch.
func (w *window) fetch(ctx context.Context) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	b, err := w.input.Next(ctx)
	if err != nil {
		return err
	}
	if b.Len == 0 {
		w.ended = true
		return nil
	}
	w.in, w.at = b, 0
	if len(w.rows.types) > w.width {
		cols, err := w.eval.Eval(b)
		if err != nil {
			return err
		}
		w.in = &types.Batch{Columns: append(b.Columns[:w.width:w.width], cols...), Len: b.Len}
	}
	return nil
}

// emit appends rows of the partition to out and reports whether that is full.
func (w *window) emit(ctx context.Context) (full bool, err error) {
	for w.row < w.rows.n {
		if w.out.Len >= types.BatchRows || batchBytes(w.out) >= types.BatchBytes {
			return true, nil
		}
		if err := interrupted(ctx); err != nil {
			return false, err
		}
		b, at, err := w.rows.at(w.row)
		if err != nil {
			return false, err
		}
		const step = 64
		n := min(b.Len-at, types.BatchRows-w.out.Len, step)
		for c, v := range w.out.Columns[:w.width] {
			appendRange(v, b.Columns[c], at, at+n)
		}
		for range n {
			if err := w.values(ctx); err != nil {
				return false, err
			}
			w.row++
		}
		w.out.Len += n
	}
	return false, nil
}

// values appends the functions' values for the current row.
func (w *window) values(ctx context.Context) error {
	if w.peering && w.row == w.peersEnd {
		w.peers = w.row
		w.groups++
		if err := w.findPeers(ctx); err != nil {
			return err
		}
	}
	for i, f := range w.funcs {
		if err := f.value(w, w.out.Columns[w.width+i]); err != nil {
			return err
		}
	}
	return nil
}

// findPeers sets peersEnd to the end of the current row's peers.
func (w *window) findPeers(ctx context.Context) error {
	if w.order == nil {
		w.peersEnd = w.rows.n
		return nil
	}
	for w.peersEnd++; w.peersEnd < w.rows.n; w.peersEnd++ {
		if w.peersEnd%checkEvery == 0 {
			if err := interrupted(ctx); err != nil {
				return err
			}
		}
		d, err := w.rows.compare(w.order, w.peersEnd-1, w.peersEnd)
		if err != nil || d != 0 {
			return err
		}
	}
	return nil
}

func (w *window) Close() error {
	w.in, w.ended, w.emitting = nil, true, false
	for _, f := range w.funcs {
		f.begin()
	}
	err := w.rows.reset()
	w.rows.chunks = nil
	if e := w.input.Close(); err == nil {
		err = e
	}
	return err
}
