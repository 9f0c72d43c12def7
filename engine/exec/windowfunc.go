package exec

import (
	"math"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func newWindowFunc(f *expr.Window, cols *windowColumns, rt *Runtime) (windowFunc, error) {
	switch f.Func {
	case expr.RowNumber, expr.Rank, expr.DenseRank, expr.PercentRank, expr.CumeDist:
		return ranking(f.Func), nil
	case expr.Ntile:
		return &ntile{number: windowNumber{f: f, least: 1}}, nil
	case expr.Lag, expr.Lead:
		o := &offsetRow{number: windowNumber{f: f}, lag: f.Func == expr.Lag, column: cols.column(f.Args[0]), other: -1}
		if len(f.Args) > 1 {
			o.other = cols.column(f.Args[1])
		}
		return o, nil
	case expr.FirstValue, expr.LastValue, expr.NthValue:
		return &frameRow{number: windowNumber{f: f, least: 1}, last: f.Func == expr.LastValue,
			column: cols.column(f.Args[0]), frame: newFrame(f, cols)}, nil
	}
	a := &expr.Aggregate{Func: f.Func, Args: f.Args, T: f.T}
	acc, args, err := newAccumulator(a, rt)
	if err != nil {
		return nil, err
	}
	return &frameAggregate{acc: acc, args: cols.columns(args), frame: newFrame(f, cols)}, nil
}

// windowNumber is an argument that is the same for all rows.
type windowNumber struct {
	f     *expr.Window
	least int64
	n     int
}

// open evaluates the number; without one it is 1.
func (w *windowNumber) open(env *expr.Env) error {
	w.n = 1
	if w.f.N == nil {
		return nil
	}
	n, ok, err := constInteger(env, w.f.N)
	if err != nil {
		return err
	}
	if !ok || n < w.least {
		return sqlerr.WrongArguments.New("Incorrect arguments to %s", w.f.Func)
	}
	w.n = int(min(n, maxOffset))
	return nil
}

// maxOffset is as good as any greater number of rows.
const maxOffset = 1 << 48

// constInteger evaluates a constant; false: it is NULL or no integer.
func constInteger(env *expr.Env, e expr.Expr) (n int64, ok bool, err error) {
	v, err := expr.EvalConst(env, e)
	if err != nil || v.IsNull() || !e.Type().IsInteger() {
		return 0, false, err
	}
	if e.Type().Unsigned {
		return int64(min(v.Uint(), math.MaxInt64)), true, nil
	}
	return v.Int(), true, nil
}

// ranking is ROW_NUMBER, RANK, DENSE_RANK, PERCENT_RANK and CUME_DIST.
type ranking expr.AggFunc

func (ranking) open(*expr.Env) error { return nil }
func (ranking) begin()               {}

func (r ranking) value(w *window, dst *types.Vector) error {
	switch expr.AggFunc(r) {
	case expr.RowNumber:
		dst.AppendUint(uint64(w.row + 1))
	case expr.Rank:
		dst.AppendUint(uint64(w.peers + 1))
	case expr.DenseRank:
		dst.AppendUint(uint64(w.groups + 1))
	case expr.PercentRank:
		dst.AppendFloat(float64(w.peers) / float64(max(w.rows.n-1, 1)))
	default:
		dst.AppendFloat(float64(w.peersEnd) / float64(w.rows.n))
	}
	return nil
}

// ntile is NTILE: the first of the buckets have a row more where the number of
// rows is no multiple of theirs.
type ntile struct{ number windowNumber }

func (t *ntile) open(env *expr.Env) error { return t.number.open(env) }
func (*ntile) begin()                     {}

func (t *ntile) value(w *window, dst *types.Vector) error {
	size, larger := w.rows.n/t.number.n, w.rows.n%t.number.n
	bucket := w.row / (size + 1)
	if bucket >= larger {
		bucket = larger + (w.row-larger*(size+1))/size
	}
	dst.AppendUint(uint64(bucket + 1))
	return nil
}

// offsetRow is LAG and LEAD.
type offsetRow struct {
	number windowNumber
	lag    bool
	column int
	other  int // column of the value where there is no such row; -1: NULL
}

func (o *offsetRow) open(env *expr.Env) error { return o.number.open(env) }
func (*offsetRow) begin()                     {}

func (o *offsetRow) value(w *window, dst *types.Vector) error {
	row := w.row + o.number.n
	if o.lag {
		row = w.row - o.number.n
	}
	column := o.column
	if row < 0 || row >= w.rows.n {
		row, column = w.row, o.other
	}
	return w.appendFrom(dst, row, column)
}

// appendFrom appends a row's value of a column, NULL for -1.
func (w *window) appendFrom(dst *types.Vector, row, column int) error {
	if column < 0 {
		dst.AppendNull()
		return nil
	}
	b, i, err := w.rows.at(row)
	if err == nil {
		dst.AppendFrom(b.Columns[column], i)
	}
	return err
}

// frameRow is FIRST_VALUE, LAST_VALUE and NTH_VALUE.
type frameRow struct {
	number windowNumber
	last   bool
	column int
	frame  *frame
}

func (f *frameRow) open(env *expr.Env) error {
	if err := f.number.open(env); err != nil {
		return err
	}
	return f.frame.open(env)
}

func (f *frameRow) begin() { f.frame.begin() }

func (f *frameRow) value(w *window, dst *types.Vector) error {
	if err := f.frame.move(w); err != nil {
		return err
	}
	row := f.frame.lo + f.number.n - 1
	if f.last {
		row = f.frame.hi - 1
	}
	if row < f.frame.lo || row >= f.frame.hi {
		dst.AppendNull()
		return nil
	}
	return w.appendFrom(dst, row, f.column)
}

// frameAggregate is an aggregate over a frame. Where frames start with the
// partition, values are added as the frame grows; elsewhere a slider keeps
// account of those that leave it.
type frameAggregate struct {
	acc   accumulator
	args  []int
	frame *frame

	groups int // of acc
	done   int // rows that are in group 0, of a growing frame
	slider *slider
}

func (f *frameAggregate) open(env *expr.Env) error { return f.frame.open(env) }

func (f *frameAggregate) begin() {
	f.frame.begin()
	f.acc.drop(f.groups)
	f.groups, f.done, f.slider = 1, 0, nil
	f.acc.grow(1)
}

func (f *frameAggregate) value(w *window, dst *types.Vector) error {
	if err := f.frame.move(w); err != nil {
		return err
	}
	if err := f.compute(w); err != nil {
		return err
	}
	f.acc.emit(dst, 0, 1)
	return nil
}

// recomputed is the greatest number of rows of a frame that is computed anew for
// each row, in the order of the rows: sums of doubles depend on it.
const recomputed = 16

// compute makes group 0 the aggregate of the frame.
func (f *frameAggregate) compute(w *window) error {
	lo, hi := f.frame.lo, f.frame.hi
	if f.frame.growing() {
		err := f.add(w, nil, f.done, hi)
		f.done = max(f.done, hi)
		return err
	}
	m, ok := f.acc.(mergeable)
	if ok && hi-lo > recomputed {
		if f.slider == nil {
			f.slider = &slider{acc: m, f: f}
			f.grow(sliderSlots)
		}
		return f.slider.move(w, lo, hi)
	}
	if ok {
		m.clear(0)
	} else {
		f.acc.drop(1)
		f.acc.grow(1)
	}
	return f.add(w, nil, lo, hi)
}

// add adds rows [from, to) to the group that groups name, or to group 0.
func (f *frameAggregate) add(w *window, groups []int32, from, to int) error {
	return w.rows.each(f.args, from, to, func(args []*types.Vector, n int) error {
		var g []int32
		if groups != nil {
			g = groups[:n]
		}
		return addTo(f.acc, g, args, n)
	})
}

// grow makes room for n groups.
func (f *frameAggregate) grow(n int) {
	f.groups = max(f.groups, n)
	f.acc.grow(f.groups)
}
