package engine

import (
	"context"
	"maps"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// Isolation is a transaction's isolation level.
type Isolation uint8

// The isolation levels.
const (
	Default         Isolation = iota // the session's, which is RepeatableRead
	ReadUncommitted                  // as ReadCommitted
	ReadCommitted                    // each statement sees what was committed before it
	RepeatableRead                   // snapshot isolation
	Serializable                     // as if transactions ran one after the other
)

var isolationNames = map[Isolation]string{
	ReadUncommitted: "READ-UNCOMMITTED", ReadCommitted: "READ-COMMITTED",
	RepeatableRead: "REPEATABLE-READ", Serializable: "SERIALIZABLE",
}

// TxOptions says how a transaction runs.
type TxOptions struct {
	Isolation Isolation
	ReadOnly  bool
}

// transaction is a session's transaction: one that was begun, or one of a
// single statement.
type transaction struct {
	*txn.Tx
	opts    TxOptions
	version uint64 // of the catalogue, at the snapshot
	// fresh tells that no statement has seen the snapshot yet, so that a newer
	// one will do.
	fresh      bool
	stale      bool             // the snapshot is to be replaced by a newer one
	added      map[uint32]added // by table, for the catalogue's estimates
	savepoints []savepoint
	// ended is why the transaction was rolled back before its time. Nothing but
	// its end is possible then.
	ended error
}

type savepoint struct {
	name  string
	mark  store.Mark
	added map[uint32]added
}

// added is how many rows were added, less those removed, and how many were
// added, removed or changed.
type added struct{ rows, changed int64 }

func (s *Session) newTransaction(opts TxOptions) *transaction {
	return &transaction{Tx: s.engine.txns.Begin(s.txnOptions(opts)), opts: opts, fresh: true}
}

func (s *Session) txnOptions(opts TxOptions) txn.Options {
	return txn.Options{
		Spill: true, ReadOnly: opts.ReadOnly, Serializable: opts.Isolation == Serializable,
		LockWait: s.lockWait, TableWait: s.tableWait, Under: s.locks(),
	}
}

// reader returns a transaction for a single query.
func (s *Session) reader() *transaction {
	opts := TxOptions{Isolation: RepeatableRead, ReadOnly: true}
	t := s.spare
	if t == nil {
		return s.newTransaction(opts)
	}
	s.spare = nil
	t.Renew(s.txnOptions(opts))
	*t = transaction{Tx: t.Tx, opts: opts, fresh: true}
	return t
}

// Begin starts a transaction; one that is open is committed first, as by BEGIN.
func (s *Session) Begin(ctx context.Context, opts TxOptions) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.engine.leave()
	if err := s.become(ctx); err != nil {
		return err
	}
	if err := s.commit(ctx); err != nil {
		return err
	}
	s.unlockTables()
	return s.begin(ctx, opts)
}

func (s *Session) begin(ctx context.Context, opts TxOptions) error {
	if err := s.commit(ctx); err != nil {
		return err
	}
	defaults := s.takeDefaults()
	if opts.Isolation == Default {
		opts.Isolation = defaults.Isolation
	}
	opts.ReadOnly = opts.ReadOnly || defaults.ReadOnly
	s.tx = s.newTransaction(opts)
	return nil
}

// takeDefaults returns the options of a transaction that begins, which SET
// TRANSACTION may have given to it alone.
func (s *Session) takeDefaults() TxOptions {
	o := s.defaults
	if s.next != nil {
		o, s.next = *s.next, nil
	}
	return o
}

// InTransaction reports whether a transaction is open.
func (s *Session) InTransaction() bool { return s.tx != nil }

// Commit makes the transaction's changes permanent, all or none. The
// transaction is over also when it fails. Without transaction it does nothing.
func (s *Session) Commit(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.engine.leave()
	return s.commit(ctx)
}

func (s *Session) commit(ctx context.Context) error {
	t := s.tx
	if t == nil {
		return nil
	}
	err := t.ended
	if err == nil {
		err = s.settle(ctx)
	}
	s.tx = nil
	if err != nil {
		t.Rollback()
		return err
	}
	defer s.removeDropped()
	defer t.Rollback()
	_, err = s.finish(ctx, t)
	return err
}

// finish commits a transaction; again tells that it can be run again.
func (s *Session) finish(ctx context.Context, t *transaction) (again bool, err error) {
	if again, err = t.TryCommit(ctx, s.cfg.Durability); err != nil {
		return again, err
	}
	for table, n := range t.added {
		s.engine.catalog.AddRows(table, n.rows, n.changed)
	}
	return false, nil
}

// endTransaction runs COMMIT and ROLLBACK, which may begin another transaction like the
// one that they end.
func (s *Session) endTransaction(ctx context.Context, st *parse.Statement) error {
	var opts TxOptions
	if s.tx != nil {
		opts = s.tx.opts
	}
	end := s.commit
	if _, ok := st.AST.(*sqlparser.Rollback); ok {
		end = s.rollback
	}
	if err := end(ctx); err != nil || !st.Chain {
		return err
	}
	s.unlockTables()
	return s.begin(ctx, opts)
}

// Rollback undoes the transaction's changes. Without transaction it does nothing.
func (s *Session) Rollback() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.engine.leave()
	return s.rollback(context.Background())
}

func (s *Session) rollback(ctx context.Context) error {
	if s.tx == nil {
		return nil
	}
	err := s.settle(ctx)
	s.tx.Rollback()
	s.tx = nil
	s.removeDropped()
	return err
}

// settle reads open rows to their end before the transaction whose state they
// show changes. It fails when ctx ends.
func (s *Session) settle(ctx context.Context) error {
	for r := range s.open {
		r.keep(ctx)
	}
	return interrupted(ctx)
}

// see gives the transaction its snapshot, or the statement its own where the
// isolation level says so. It reports false when the plan, made for version v of
// the catalogue, is out of date.
func (s *Session) see(t *transaction, p *plan.Plan, v uint64) (bool, error) {
	c := s.engine.catalog
	if !t.Started() || t.stale || t.opts.Isolation < RepeatableRead {
		ok, err := c.While(v, t.Refresh)
		if ok {
			t.version, t.stale = v, err != nil
		}
		return ok, err
	}
	if t.version == v {
		if p.Writes == nil {
			return true, nil
		}
		// A writer waited for its table, whose definition may have changed meanwhile. The
		// lock is to be had a moment before the change shows in the catalogue.
		return c.While(v, func() error { return nil })
	}
	for _, table := range p.Tables {
		if table.Kind != schema.System && table.Kind != schema.Viewed && c.ChangedSince(table, t.version) {
			name := table.QualifiedName()
			return false, sqlerr.TableDefChanged.New("Table definition has changed, please retry transaction (%s)", name).On(name)
		}
	}
	return c.Version() == v, nil
}

func (s *Session) savepoint(ctx context.Context, name string) error {
	if s.tx == nil {
		if s.autocommit {
			return nil // it would end with this statement
		}
		if err := s.begin(ctx, TxOptions{}); err != nil {
			return err
		}
	}
	t := s.tx
	if !t.Started() {
		if err := s.startNow(t); err != nil {
			return err
		}
	}
	if i := t.findSavepoint(name); i >= 0 {
		t.savepoints = append(t.savepoints[:i], t.savepoints[i+1:]...)
	}
	t.savepoints = append(t.savepoints, savepoint{name, t.Store().Mark(), maps.Clone(t.added)})
	return nil
}

func (s *Session) startNow(t *transaction) error {
	for {
		v := s.engine.catalog.Version()
		ok, err := s.engine.catalog.While(v, t.Start)
		if ok || err != nil {
			t.version = v
			return err
		}
	}
}

func (s *Session) rollbackTo(ctx context.Context, name string) error {
	i := s.tx.findSavepoint(name)
	if i < 0 {
		return errNoSavepoint(name)
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	p := s.tx.savepoints[i]
	s.tx.Store().RollbackTo(p.mark)
	s.tx.added = maps.Clone(p.added)
	s.tx.savepoints = s.tx.savepoints[:i+1]
	return nil
}

func (s *Session) release(name string) error {
	i := s.tx.findSavepoint(name)
	if i < 0 {
		return errNoSavepoint(name)
	}
	s.tx.savepoints = s.tx.savepoints[:i]
	return nil
}

func errNoSavepoint(name string) error {
	return sqlerr.NoSuchSavepoint.New("SAVEPOINT %s does not exist", name)
}

func (t *transaction) findSavepoint(name string) int {
	if t != nil {
		for i := range t.savepoints {
			if strings.EqualFold(t.savepoints[i].name, name) {
				return i
			}
		}
	}
	return -1
}
