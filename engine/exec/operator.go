// Package exec runs plans: an operator for each plan node, pulling batches.
package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Operator yields a node's rows. It is used by one goroutine.
type Operator interface {
	// Open starts a run. After Close it may be opened again, for a run with
	// another Env.Outer.
	Open(ctx context.Context) error
	// Next returns the next rows, an empty batch at the end, again and again.
	// The batch is the operator's and valid until the next call.
	Next(ctx context.Context) (*types.Batch, error)
	// Close frees what the run holds. It is idempotent and needs no Open.
	Close() error
}

// Runtime is what one execution of a plan runs in.
type Runtime struct {
	Env *expr.Env
	// Table opens a table in the statement's transaction.
	Table func(*schema.Table) (store.Table, error)
	// MemoryBytes is the memory that sorts, joins and aggregations of this
	// execution may hold together before they spill to files in TempDir.
	MemoryBytes int64
	TempDir     string
	// Workers is how many goroutines may work for an operator at once; 0: one.
	Workers int
	// Atomic runs f and takes back what it wrote when it fails; only writes use it.
	Atomic func(f func() error) error
	// IDs gives out AUTO_INCREMENT values and row ids; only writes use it.
	IDs IDs
	// Returned takes the rows of a write's RETURNING clause, which are the
	// caller's for the call only.
	Returned func(*types.Batch) error
	// Lenient makes writes store the nearest value that a column can have for one that
	// it cannot, with a warning: an sql_mode that is not strict.
	Lenient bool
	// ZeroDates are those that may be written.
	ZeroDates types.ZeroDates
	// Arguments fills a batch with the next rows of a plan.Arguments, none at the end.
	Arguments func(context.Context, *types.Batch) error
	// Found gets how many rows a plan.Limit that counts them has read.
	Found func(rows int64)

	// Watch, unless it is nil, gets what each operator does, of the plan and of
	// its subqueries.
	Watch map[plan.Node]*plan.Actual

	// Rerun tells that the Runtime serves one execution of a plan after the other.
	Rerun bool
	idle  idleSource
	// Writer is what package tables keeps for the next execution.
	Writer any

	// works are where the rows of plan.Work nodes are, by their ID.
	works map[int]func() batchSource
	// keyFilters are those that joins and sorts have for scans that are to be built.
	keyFilters map[*plan.Scan][]scanKey

	// division, unless it is nil, is that of the rows of a scan, which reads but one part
	// of them, by number.
	division *division
	part     int

	mem    *memory      // shared by the operators of the execution and its subqueries
	actual *plan.Actual // of the operator that is being built, when watched
}

// IDs gives out the values of a table's sequences. A sequence goes on after
// the highest value that a row was stored with, too.
type IDs interface {
	// NextID gives out n AUTO_INCREMENT values in a row and returns the first.
	// Errors: sqlerr.AutoIncExhausted.
	NextID(ctx context.Context, t *schema.Table, n int) (uint64, error)
	// NextRowID gives out n values of the hidden row id and returns the first.
	NextRowID(ctx context.Context, t *schema.Table, n int) (uint64, error)
}
