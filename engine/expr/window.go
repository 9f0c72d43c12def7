package expr

import (
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// The window functions that are no aggregates.
const (
	RowNumber   AggFunc = "row_number"
	Rank        AggFunc = "rank"
	DenseRank   AggFunc = "dense_rank"
	PercentRank AggFunc = "percent_rank"
	CumeDist    AggFunc = "cume_dist"
	Ntile       AggFunc = "ntile"
	Lag         AggFunc = "lag"
	Lead        AggFunc = "lead"
	FirstValue  AggFunc = "first_value"
	LastValue   AggFunc = "last_value"
	NthValue    AggFunc = "nth_value"
)

// Window stands for a window function's value. It cannot be evaluated: the
// planner replaces it by a column of a window operator's output.
type Window struct {
	Func AggFunc // an aggregate function or one of the above
	// Args are the aggregate's; the value, of LAG and LEAD also the default.
	Args []Expr
	// N is the number of NTILE, LAG, LEAD and NTH_VALUE, constant for an
	// execution.
	N         Expr
	Partition []Expr
	Order     []SortKey
	Frame     *Frame // nil: the function is over the whole partition
	T         types.Type
	Null      bool
}

// Frame is the rows around the current one that a function is over.
type Frame struct {
	// The ends are counted in rows, or in groups of rows equal in order; else they are
	// distances of values.
	Rows, Groups bool
	Start, End   Bound
	// Key is the value that is ordered by, where an end of a RANGE is at a
	// distance, converted to the type of the ends' Limit.
	Key Expr
}

// Bound is an end of a frame.
type Bound struct {
	Kind   BoundKind
	Offset Expr // of Preceding and Following: rows, groups or distance, constant for an execution
	Limit  Expr // of these in a RANGE: the least or greatest Key of the frame
}

// BoundKind says where a frame ends. Kinds are in the order of the rows.
type BoundKind uint8

// The ends of frames. The current row of a RANGE or of GROUPS is all rows equal to it in order.
const (
	UnboundedPreceding BoundKind = iota
	Preceding
	CurrentRow
	Following
	UnboundedFollowing
)

// HasWindow reports whether e has a window function.
func HasWindow(e Expr) bool {
	return contains(e, func(e Expr) bool { _, ok := e.(*Window); return ok })
}

// Type returns the function's result type.
func (e *Window) Type() types.Type { return e.T }

// Nullable reports whether the function may be NULL.
func (e *Window) Nullable() bool { return e.Null }

// Children returns Args, Partition, Order's expressions, then the frame's.
func (e *Window) Children() []Expr {
	list := slices.Concat(e.Args, e.Partition)
	list = withExprs(list, e.Order)
	for _, p := range e.Frame.exprs() {
		list = append(list, *p)
	}
	return list
}

// exprs returns where a frame's expressions over the row are.
func (f *Frame) exprs() []*Expr {
	if f == nil || f.Key == nil {
		return nil
	}
	list := []*Expr{&f.Key}
	for _, b := range []*Bound{&f.Start, &f.End} {
		if b.Limit != nil {
			list = append(list, &b.Limit)
		}
	}
	return list
}

// WithChildren returns the function over other operands of the same types.
func (e *Window) WithChildren(c []Expr) Expr {
	n := *e
	cut := func(k int) []Expr {
		list := c[:k:k]
		c = c[k:]
		return list
	}
	n.Args, n.Partition = cut(len(e.Args)), cut(len(e.Partition))
	n.Order = withKeys(e.Order, cut(len(e.Order)))
	if e.Frame != nil {
		f := *e.Frame
		for i, p := range f.exprs() {
			*p = c[i]
		}
		n.Frame = &f
	}
	return &n
}

func (e *Window) compile(*Evaluator) (kernel, error) {
	return nil, sqlerr.Internal.New("window function %s was not planned", e)
}

// sameWindow compares two nodes without their operands.
func sameWindow(a, b *Window) bool {
	return a.Func == b.Func && len(a.Args) == len(b.Args) && len(a.Partition) == len(b.Partition) &&
		sameDirections(a.Order, b.Order) && sameConst(a.N, b.N) && sameFrame(a.Frame, b.Frame)
}

func sameFrame(a, b *Frame) bool {
	if a == nil || b == nil {
		return a == b
	}
	same := func(a, b Bound) bool { return a.Kind == b.Kind && sameConst(a.Offset, b.Offset) }
	return a.Rows == b.Rows && a.Groups == b.Groups && same(a.Start, b.Start) && same(a.End, b.End)
}

func sameConst(a, b Expr) bool { return a == nil && b == nil || a != nil && b != nil && Equal(a, b) }

// String returns the call as SQL text.
func (e *Window) String() string {
	args := slices.Clone(e.Args)
	if e.N != nil {
		args = slices.Insert(args, min(1, len(args)), e.N)
	}
	call := join(args, ", ")
	if e.Func == Count && len(args) == 0 {
		call = "*"
	}
	var spec []string
	if len(e.Partition) > 0 {
		spec = append(spec, "partition by "+join(e.Partition, ", "))
	}
	if len(e.Order) > 0 {
		spec = append(spec, "order by "+sortText(e.Order))
	}
	if e.Frame != nil {
		spec = append(spec, e.Frame.text())
	}
	return string(e.Func) + "(" + call + ") over (" + strings.Join(spec, " ") + ")"
}

func (f *Frame) text() string {
	unit := "range"
	switch {
	case f.Rows:
		unit = "rows"
	case f.Groups:
		unit = "groups"
	}
	return unit + " between " + f.Start.text() + " and " + f.End.text()
}

func (b *Bound) text() string {
	switch b.Kind {
	case UnboundedPreceding:
		return "unbounded preceding"
	case Preceding:
		return b.Offset.String() + " preceding"
	case Following:
		return b.Offset.String() + " following"
	case UnboundedFollowing:
		return "unbounded following"
	}
	return "current row"
}
