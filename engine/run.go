package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
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
