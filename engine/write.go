package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/txn"
)

// maxRefused is how often the commit of a single serializable statement may be
// refused before it locks the tables that it reads.
const maxRefused = 2

// lockAll keeps other writers out of all tables of p.
func lockAll(ctx context.Context, t *transaction, p *plan.Plan) error {
	tables := slices.SortedFunc(slices.Values(p.Tables), func(a, b *schema.Table) int { return cmp.Compare(a.ID, b.ID) })
	for _, table := range tables {
		if table.Kind == schema.System {
			continue
		}
		if err := t.LockTable(ctx, table.ID, txn.Exclusive); err != nil {
			return err
		}
	}
	return nil
}

// lockTables keeps the definitions of the tables that p writes or locks rows of.
func lockTables(ctx context.Context, t *transaction, p *plan.Plan) error {
	if p.Writes != nil && p.Writes.Kind != schema.System {
		if err := t.LockTable(ctx, p.Writes.ID, txn.Shared); err != nil {
			return err
		}
	}
	for _, table := range p.Locks {
		if err := t.LockTable(ctx, table.ID, txn.Shared); err != nil {
			return err
		}
	}
	return nil
}

// write runs an INSERT, REPLACE, UPDATE or DELETE. The statement is atomic. The
// rows that it may return are kept until it is through.
func (s *Session) write(ctx context.Context, st *parse.Statement, args arguments) (Result, *resultSet, error) {
	t := s.tx
	single := t == nil
	opts := TxOptions{Isolation: RepeatableRead}
	if single {
		d := s.takeDefaults()
		if opts.ReadOnly = d.ReadOnly; d.Isolation == Serializable {
			opts.Isolation = Serializable
		}
		t = s.newTransaction(opts)
		defer func() { t.Rollback() }()
	} else if err := s.settle(ctx); err != nil {
		return Result{}, nil, err
	}
	if t.ReadOnly() {
		return Result{}, nil, sqlerr.ReadOnly.New("Cannot execute statement in a READ ONLY transaction.")
	}
	for refused := 0; ; {
		p, version, err := s.plan(ctx, st, args)
		if err != nil {
			return Result{}, nil, err
		}
		if p.Writes != nil && p.Writes.Kind == schema.System {
			return s.writeSystem(ctx, st, args)
		}
		if err := s.withinLocked(p.Plan); err != nil {
			return Result{}, nil, err
		}
		if err := s.safe(st.AST, p.Plan); err != nil {
			return Result{}, nil, err
		}
		if refused > maxRefused { // others are too fast: they have to wait
			err = lockAll(ctx, t, p.Plan)
		} else {
			err = lockTables(ctx, t, p.Plan)
		}
		if err != nil {
			return Result{}, nil, err
		}
		for _, tied := range p.Tied {
			if err := t.LockTable(ctx, tied.ID, txn.Shared); err != nil {
				return Result{}, nil, err
			}
		}
		ok, err := s.see(t, p.Plan, version)
		if err != nil {
			return Result{}, nil, err
		}
		if !ok {
			continue
		}
		var set *resultSet
		if p.Columns != nil {
			set = s.returned(p.Columns)
		}
		variables := s.userVariables // which triggers may set
		r, again, err := s.change(ctx, st, t, p, args, set)
		lost := false // the commit was refused
		if !again {
			t.fresh = false
			if err == nil && single {
				lost, err = s.finish(ctx, t)
				lost = lost && ctx.Err() == nil && !args.rows.begun()
			}
		}
		if again || lost {
			s.userVariables = variables
		}
		if set != nil && (again || err != nil) {
			set.close()
			set = nil
		}
		switch {
		case again:
			continue
		case lost:
			t.Rollback()
			t = s.newTransaction(opts)
			refused++
			continue
		}
		return r, set, err
	}
}

// change makes the changes of p, or none. It reports whether the statement has
// to be run again: it met a conflict, and a newer snapshot will do because
// nobody has seen this one.
func (s *Session) change(ctx context.Context, st *parse.Statement, t *transaction, p *preparedPlan, args arguments, returned *resultSet) (r Result, again bool, err error) {
	mark := t.Store().Mark()
	var set uint64
	res, err := s.apply(ctx, st, t, p, args, returned, &set)
	if err == nil {
		if len(t.savepoints) == 0 {
			t.Store().Forget()
		}
		s.count(t, res)
		if res.Generated {
			s.lastInsertID = res.LastInsertID
		}
		if set != 0 {
			s.lastInsertID = set
			if !res.Generated {
				res.LastInsertID = set
			}
		}
		return Result{RowsAffected: res.Affected, LastInsertID: int64(res.LastInsertID)}, false, nil
	}
	t.Store().RollbackTo(mark)
	if !args.rows.begun() && s.again(ctx, t, err) {
		return r, true, nil
	}
	return r, false, err
}

// again reports whether a statement of t that failed with err is to run again, and
// sees that it will have a new snapshot: it met a conflict, and nobody relies on
// this snapshot.
func (s *Session) again(ctx context.Context, t *transaction, err error) bool {
	e := sqlerr.As(err)
	if e == nil || !t.fresh && t.opts.Isolation >= RepeatableRead || ctx.Err() != nil {
		return false
	}
	switch e.Kind {
	case sqlerr.WriteConflict:
		// The lock is held now, so that each attempt gets further.
	case sqlerr.LockDeadlock:
		if !t.fresh {
			return false
		}
		t.ReleaseLocks(0)
	default:
		return false
	}
	s.warnings = nil
	t.stale = true
	return true
}

func (s *Session) apply(ctx context.Context, st *parse.Statement, t *transaction, p *preparedPlan, args arguments, returned *resultSet, set *uint64) (tables.Result, error) {
	x := s.executable(ctx, p, t, args)
	x.env.SetLastInsertID = func(id uint64) { *set = id }
	if args.rows != nil {
		x.rt.Arguments = args.rows.fill
	}
	res, err := s.applyIn(ctx, st, t, p.Plan, x, returned)
	if err == nil {
		p.putBack(x)
	}
	return res, err
}

// applyIn makes the changes of p in an executable of transaction t.
func (s *Session) applyIn(ctx context.Context, st *parse.Statement, t *transaction, p *plan.Plan, x *executable, returned *resultSet) (res tables.Result, err error) {
	defer recovered(st.SQL, &err)
	rt := &x.rt
	if returned != nil {
		rt.Returned = returned.kept.Append
	}
	rt.IDs = sequences{t.Store(), s.user}
	rt.Atomic = func(f func() error) error {
		mark := t.Store().Mark()
		err := f()
		if err != nil {
			t.Store().RollbackTo(mark)
		}
		return err
	}
	defer x.runner.Close()
	return tables.Run(ctx, rt, p.Root)
}

// count notes how many rows a statement added or removed.
func (s *Session) count(t *transaction, res tables.Result) {
	for _, n := range res.Tables {
		if t.added == nil {
			t.added = map[uint32]added{}
		}
		before := t.added[n.Table]
		t.added[n.Table] = added{before.rows + n.Rows, before.changed + n.Changed}
	}
}

// sequences gives out a transaction's AUTO_INCREMENT values.
type sequences struct {
	tx   *store.Tx
	user string
}

func (q sequences) owner(t *schema.Table) string {
	if t.Kind == schema.Shared {
		return ""
	}
	return q.user
}

func (q sequences) NextID(ctx context.Context, t *schema.Table, n int) (uint64, error) {
	return q.tx.NextID(ctx, t, q.owner(t), n)
}

func (q sequences) NextRowID(ctx context.Context, t *schema.Table, n int) (uint64, error) {
	return q.tx.NextRowID(ctx, t, q.owner(t), n)
}
