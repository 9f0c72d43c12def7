package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// DefaultMemoryBytes is the limit of a Runtime that has none.
const DefaultMemoryBytes = 256 << 20

// memory counts what the operators of an execution hold together.
type memory struct {
	limit, used int64
}

func (rt *Runtime) memory() *memory {
	if rt.mem == nil {
		rt.mem = &memory{limit: rt.MemoryBytes}
		if rt.mem.limit <= 0 {
			rt.mem.limit = DefaultMemoryBytes
		}
	}
	return rt.mem
}

// account is one holder's part of a memory.
type account struct {
	*memory
	held   int64
	actual *plan.Actual // of the operator, when it is watched
}

// account returns an account of the operator that is being built.
func (rt *Runtime) account() account { return account{memory: rt.memory(), actual: rt.actual} }

// set says how many bytes the account holds now.
func (a *account) set(n int64) {
	a.used += n - a.held
	if a.actual != nil {
		a.actual.Hold(n - a.held)
	}
	a.held = n
}

// full reports whether the holder has to spill: the execution is over its limit
// and the holder has more than a small share, which each may have so that all
// make progress.
func (a *account) full() bool {
	return a.used > a.limit && a.held > a.limit/16
}

// vectorBytes returns the memory that v's buffers take.
func vectorBytes(v *types.Vector) int64 {
	return int64(cap(v.Int64s)+cap(v.Uint64s)+cap(v.Float64s))*8 +
		int64(cap(v.Offsets))*4 + int64(cap(v.Data)+cap(v.Valid))
}

func batchBytes(b *types.Batch) int64 {
	var n int64
	for _, c := range b.Columns {
		n += vectorBytes(c)
	}
	return n
}

// checkEvery is the number of rows or comparisons after which loops ask whether
// the context has ended.
const checkEvery = 4096

// interrupted returns sqlerr.Interrupted once ctx has ended.
func interrupted(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return sqlerr.Interrupted.Wrap(err, "Query execution was interrupted")
	}
	return nil
}
