package engine

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/txn"
	"github.com/kalamgo/kalam/engine/types"
)

// recovered turns a panic into sqlerr.Internal. It is deferred around all that
// works on a statement.
func recovered(sql string, err *error) {
	if p := recover(); p != nil {
		if sql = parse.Shown(sql); len(sql) > 1000 {
			sql = sql[:1000] + "…"
		}
		*err = sqlerr.Internal.Wrap(fmt.Errorf("%v\n%s", p, debug.Stack()), "Kalam failed: %v, running: %s", p, sql)
	}
}

func interrupted(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return sqlerr.Interrupted.Wrap(err, "Query execution was interrupted")
	}
	return nil
}

// arguments are those of one statement.
type arguments struct {
	types  []types.Type
	values []types.Value
	rows   *argumentRows // many rows of them, in place of values; or nil
}

// unsigned returns an argument that is an integer from 0 on.
func (a arguments) unsigned(i int) (n uint64, ok bool) {
	v := a.values[i]
	switch {
	case v.IsNull() || !a.types[i].IsInteger():
		return 0, false
	case v.Physical() == types.PhysUint64:
		return v.Uint(), true
	}
	return uint64(v.Int()), v.Int() >= 0
}

// checkArgs checks that args are as many, and named as, the text's parameters.
func (t *text) checkArgs(args []Arg) error {
	named := 0
	for i := range args {
		if args[i].Name != "" {
			named++
		}
	}
	switch {
	case t.named && named < len(args):
		return sqlerr.WrongArguments.New("The statement has named parameters; argument %d has no name", 1+firstUnnamed(args))
	case !t.named && named > 0:
		return sqlerr.WrongArguments.New("The statement has no named parameters")
	case !t.named && len(args) != t.positional:
		return sqlerr.WrongArguments.New("The statement has %d parameters, but %d arguments are given", t.positional, len(args))
	case t.named:
		for i := range args {
			if !t.hasParameter(args[i].Name) {
				return sqlerr.WrongArguments.New("The statement has no parameter :%s", args[i].Name)
			}
		}
	}
	return nil
}

func firstUnnamed(args []Arg) int {
	for i := range args {
		if args[i].Name == "" {
			return i
		}
	}
	return len(args)
}

func (t *text) hasParameter(name string) bool {
	for _, st := range t.statements {
		for _, n := range st.Names {
			if n == name {
				return true
			}
		}
	}
	return false
}

// statementArgs picks a statement's arguments out of those of the whole text. They
// lie in a's memory.
func statementArgs(st *parse.Statement, args []Arg, a arguments) (arguments, error) {
	if st.Params == 0 {
		return arguments{}, nil
	}
	a.types = slices.Grow(a.types[:0], st.Params)[:st.Params]
	a.values = slices.Grow(a.values[:0], st.Params)[:st.Params]
	for i := range st.Params {
		from := st.First + i
		if st.Names != nil {
			from = len(args)
			for k := range args {
				if args[k].Name == st.Names[i] {
					from = k
				}
			}
			if from == len(args) {
				return a, sqlerr.WrongArguments.New("Parameter :%s has no argument", st.Names[i])
			}
		}
		a.types[i], a.values[i] = args[from].Type, args[from].Value
	}
	return a, nil
}

// run runs one statement. Its result set, when it has one, is the caller's to
// close.
func (s *Session) run(ctx context.Context, st *parse.Statement, args arguments) (Result, *resultSet, error) {
	if err := interrupted(ctx); err != nil {
		return Result{}, nil, err
	}
	if s.tx != nil && s.tx.ended != nil {
		switch st.AST.(type) {
		case *sqlparser.Commit, *sqlparser.Rollback:
		default:
			return Result{}, nil, s.tx.ended
		}
	}
	if s.tx != nil {
		s.tx.SetLockWait(s.lockWait, s.tableWait)
	}
	if !diagnostic(st) {
		s.warnings, s.lastError = nil, nil
	}
	if x, ok := st.AST.(*sqlparser.ExecuteStmt); ok {
		var err error
		if st, args, err = s.executed(x); err != nil {
			s.failed(err)
			return Result{}, nil, err
		}
	}
	if x, ok := st.AST.(*parse.ExecuteAs); ok {
		if err := checkAs(x); err != nil {
			return Result{}, nil, err
		}
		return s.executeAs(ctx, x, args)
	}
	args = s.withVariables(st, args)
	var r Result
	var set *resultSet
	var err error
	if planned(st.AST) {
		if s.tx == nil && !s.autocommit {
			if err := s.begin(ctx, TxOptions{}); err != nil {
				return Result{}, nil, err
			}
		}
		if _, query := st.AST.(sqlparser.TableStatement); query {
			set, err = s.query(ctx, st, args)
			if err == nil && st.Into != nil {
				r, err = s.into(ctx, set, st.Into)
				set = nil
			}
			if err == nil && st.Discards {
				err = set.drain(ctx)
				set = nil
			}
		} else if err = s.mayReadFiles(ctx, st); err == nil {
			r, set, err = s.write(ctx, st, args)
		}
	} else {
		r, set, err = s.command(ctx, st, args)
	}
	switch {
	case err != nil:
		s.rowCount = -1
		s.failed(err)
	case set != nil && st.Returning == nil:
		s.rowCount = -1
	default:
		s.rowCount = r.RowsAffected
	}
	return r, set, err
}

// failed notes an error for SHOW WARNINGS, and ends a transaction that was
// chosen to break a deadlock.
func (s *Session) failed(err error) {
	s.warn(err)
	s.lastError = err
	if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.LockDeadlock && s.tx != nil && s.tx.ended == nil {
		s.settle(context.Background())
		s.tx.Rollback()
		s.tx.ended = err
	}
}

// maxWarnings is how many warnings of a statement are kept, MySQL's
// max_error_count.
const maxWarnings = 1024

func (s *Session) warn(err error) {
	if len(s.warnings) < maxWarnings {
		s.warnings = append(s.warnings, err)
	}
}

func (s *Session) memoryBytes() int64 {
	if s.memory > 0 {
		return s.memory
	}
	return s.engine.memoryBytes()
}

// openTable opens a table in transaction t, as a user has it.
func (s *Session) openTable(t *transaction, d *schema.Table, user string) (store.Table, error) {
	switch d.Kind {
	case schema.Shared:
		return t.Store().Shared(d), nil
	case schema.User:
		return t.Store().User(d, user), nil
	case schema.Stream:
		events := t.Store().Stream(d, user)
		var since time.Time
		if d.Options.Ephemeral {
			var ok bool
			if since, ok = s.engine.live.Watched(d, user); !ok {
				return unheard{events}, events.Since(time.Now())
			}
		}
		if ttl := d.Options.TTL(); ttl > 0 {
			if from := time.Now().Add(-ttl); from.After(since) {
				since = from
			}
		}
		if since.IsZero() {
			return events, nil
		}
		return events, events.Since(since)
	case schema.System:
		if d.Namespace == tables.InformationSchema {
			return tables.OpenInformation(d, s.informationFor(user, d.Name)), nil
		}
		see, err := s.viewer(context.Background(), user)
		if err != nil {
			return nil, err
		}
		return tables.OpenSystem(d, t.Store(), tables.Access{See: see, Live: s.engine.liveQueries})
	}
	return nil, sqlerr.Internal.New("table %s is of unknown kind %s", d.QualifiedName(), d.Kind)
}

// unheard is a user's events in an ephemeral stream of which the user has no live query:
// further ones are lost, and those that are left, which are about to go, are not seen.
type unheard struct{ *store.StreamTableStore }

func (unheard) Insert(context.Context, *types.Batch) (*store.Conflict, error) { return nil, nil }

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

// query starts a query; its first batch is computed.
func (s *Session) query(ctx context.Context, st *parse.Statement, args arguments) (*resultSet, error) {
	t := s.tx
	var opts TxOptions
	if t == nil {
		opts = s.takeDefaults()
		t = s.reader()
	}
	set := &resultSet{session: s, sql: st.SQL, tx: t, own: s.tx == nil, ctx: ctx}
	if s.selectLimit != nil && unlimited(st.AST) {
		set.most = s.selectLimit
	}
	if s.maxTime > 0 {
		set.ctx, set.cancel = context.WithTimeoutCause(ctx, s.maxTime, errMaxTime)
		ctx = set.ctx
	}
	for {
		p, version, err := s.plan(ctx, st, args)
		if err != nil {
			err = set.named(err)
			set.close()
			return nil, err
		}
		if len(p.Locks) > 0 && set.own {
			s.takeLocker(set, opts)
		}
		again, err := s.queryOnce(ctx, set, p, version, args)
		if again {
			continue
		}
		if err != nil {
			err = set.named(err)
			set.close()
			return nil, err
		}
		return set, nil
	}
}

// takeLocker gives a query that locks rows a transaction that can, in the place of a reader.
func (s *Session) takeLocker(set *resultSet, opts TxOptions) {
	set.tx.Rollback()
	set.tx = s.newTransaction(TxOptions{Isolation: RepeatableRead, ReadOnly: opts.ReadOnly})
}

// unlimited reports whether sql_select_limit concerns a query: it has no LIMIT.
func unlimited(ast sqlparser.Statement) bool {
	switch n := ast.(type) {
	case *sqlparser.Select:
		return n.Limit == nil
	case *sqlparser.Union:
		return n.Limit == nil
	}
	return false
}

// errMaxTime is why a query's context ends after max_execution_time.
var errMaxTime = sqlerr.QueryTimeout.New("Query execution was interrupted, maximum statement execution time exceeded")

// queryOnce starts a query. It reports whether to start again, with a new plan or
// a new snapshot.
func (s *Session) queryOnce(ctx context.Context, set *resultSet, p *preparedPlan, version uint64, args arguments) (again bool, err error) {
	t := set.tx
	if err := s.withinLocked(p.Plan); err != nil {
		return false, err
	}
	if err := lockTables(ctx, t, p.Plan); err != nil {
		return false, err
	}
	if ok, err := s.see(t, p.Plan, version); !ok || err != nil {
		return err == nil, err
	}
	set.columns = p.Columns
	if p.Counts { // before anybody asks for the number
		t.fresh = false
		x := s.executable(ctx, p, t, args)
		set.found = new(int64)
		x.rt.Found = func(n int64) { *set.found = n }
		if err := set.start(ctx, x, p); err != nil {
			return false, err
		}
		return false, set.keep(ctx, s.memoryBytes())
	}
	if len(p.Locks) == 0 {
		t.fresh = false
		return false, set.start(ctx, s.executable(ctx, p, t, args), p)
	}
	// All rows are locked before the first is seen: there may be a conflict. Locks
	// that were had until then are kept.
	own := set.own
	set.own = false
	if err = set.start(ctx, s.executable(ctx, p, t, args), p); err == nil {
		err = set.keep(ctx, s.memoryBytes())
	}
	if err != nil && s.again(ctx, t, err) {
		fresh := resultSet{session: s, sql: set.sql, tx: t, own: own, most: set.most, ctx: set.ctx, cancel: set.cancel}
		set.cancel = nil // the context goes on
		set.close()
		*set = fresh
		return true, nil
	}
	t.fresh = false
	if own {
		t.Rollback()
	}
	return false, err
}

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
