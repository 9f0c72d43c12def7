package exec

import (
	"context"
	"time"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// watched is an operator that notes what it does. Its time is that of its
// inputs, too.
type watched struct {
	Operator
	actual *plan.Actual
}

func buildWatched(n plan.Node, rt *Runtime) (Operator, error) {
	a := rt.Watch[n]
	if a == nil {
		a = &plan.Actual{}
		rt.Watch[n] = a
	}
	outer := rt.actual
	rt.actual = a
	op, err := build(n, rt)
	rt.actual = outer
	if err != nil {
		return nil, err
	}
	return &watched{op, a}, nil
}

func (w *watched) Open(ctx context.Context) error {
	begin := time.Now()
	err := w.Operator.Open(ctx)
	w.actual.Loops++
	w.actual.Time += time.Since(begin)
	return err
}

func (w *watched) Next(ctx context.Context) (*types.Batch, error) {
	begin := time.Now()
	b, err := w.Operator.Next(ctx)
	w.actual.Time += time.Since(begin)
	if err == nil {
		w.actual.Rows += int64(b.Len)
	}
	return b, err
}
