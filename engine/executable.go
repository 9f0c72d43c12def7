package engine

import (
	"context"
	"runtime"
	"sync"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
)

// preparedPlan is a plan with the executables of it that are idle.
type preparedPlan struct {
	*plan.Plan
	idle *sync.Pool // of *executable; nil: its operators serve one execution
}

func newPreparedPlan(p *plan.Plan) *preparedPlan {
	if !exec.Rerunnable(p.Root) {
		return &preparedPlan{Plan: p}
	}
	return &preparedPlan{p, new(sync.Pool)}
}

// executable is a plan's operators with what they run in. To make it takes longer than
// a short query, so those of simple plans are kept for further executions.
type executable struct {
	session *Session
	tx      *transaction
	user    string

	rt     exec.Runtime
	env    expr.Env
	runner *exec.Runner
	op     exec.Operator // nil: not built yet
}

// executable returns one for a plan to run in transaction t.
func (s *Session) executable(ctx context.Context, p *preparedPlan, t *transaction, args arguments) *executable {
	if p.idle != nil {
		if x, _ := p.idle.Get().(*executable); x != nil && x.rt.MemoryBytes == s.memoryBytes() {
			x.prepare(ctx, s, t, args)
			return x
		}
	}
	x := s.newExecutable(ctx, t, args)
	x.rt.Rerun = p.idle != nil
	return x
}

func (s *Session) newExecutable(ctx context.Context, t *transaction, args arguments) *executable {
	x := &executable{}
	x.rt.Env, x.rt.Table = &x.env, x.openTable
	x.runner = exec.NewRunner(&x.rt)
	x.prepare(ctx, s, t, args)
	return x
}

// prepare makes it run, for another time, in transaction t of s.
func (x *executable) prepare(ctx context.Context, s *Session, t *transaction, args arguments) {
	x.session, x.tx, x.user = s, t, s.user
	x.env = expr.Env{
		Run:     x.env.Run + 1,
		Context: ctx, Params: args.values, Now: s.now(), Zone: s.zone,
		Database: s.namespace, User: s.user, ConnID: s.id, Node: s.engine.cfg.Node,
		LastInsertID: s.lastInsertID, RowCount: s.rowCount, FoundRows: s.foundRows,
		GroupConcatMaxLen: uint64(s.concatLen), KeepZero: s.has(noAutoValueOnZero),
		MaxRecursion: s.recursion, Locks: sessionLocks{s}, Variables: sessionVariables{s}, Runner: x.runner,
		Warn: s.onWarning, SetLastInsertID: s.onLastInsertID,
		QuietDivision: !s.has(errorForDivisionByZero), ZeroDates: s.zeroDates(),
	}
	x.rt.Lenient, x.rt.ZeroDates = !s.has(strict), s.zeroDates()
	x.rt.Workers = runtime.GOMAXPROCS(0)
	x.rt.MemoryBytes, x.rt.TempDir = s.memoryBytes(), s.engine.tempDir
}

func (x *executable) openTable(d *schema.Table) (store.Table, error) {
	return x.session.openTable(x.tx, d, x.user)
}

// putBack keeps a closed executable for the next execution of its plan, if it can serve one.
func (p *preparedPlan) putBack(x *executable) {
	if p.idle == nil {
		return
	}
	x.session, x.tx = nil, nil
	x.env = expr.Env{Run: x.env.Run}
	x.rt.Atomic, x.rt.IDs, x.rt.Returned, x.rt.Arguments = nil, nil, nil, nil
	p.idle.Put(x)
}
