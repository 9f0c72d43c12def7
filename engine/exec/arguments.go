package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// arguments yields the rows that Runtime.Arguments gives.
type arguments struct {
	rt  *Runtime
	out *types.Batch
}

func buildArguments(n *plan.Arguments, rt *Runtime) (Operator, error) {
	if rt.Arguments == nil {
		return nil, sqlerr.Internal.New("a plan for rows of arguments has none")
	}
	return &arguments{rt: rt, out: emptyBatch(n.T)}, nil
}

func (a *arguments) Open(context.Context) error { return nil }

func (a *arguments) Next(ctx context.Context) (*types.Batch, error) {
	a.out.Reset()
	return a.out, a.rt.Arguments(ctx, a.out)
}

func (a *arguments) Close() error { return nil }
