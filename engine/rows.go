package engine

import (
	"context"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Rows is a cursor over the result sets of a Query. The first result set is
// current at once. Rows sees the database as of its start, whatever the session
// does meanwhile. It is used by one goroutine, the session's.
type Rows struct {
	session *Session
	sets    []*resultSet // the current one first
	closed  bool
	running *textContext // the context of the text that they are of; or nil
}

// Columns describes the current result set; nil when no statement has rows.
func (r *Rows) Columns() []plan.ResultColumn {
	if len(r.sets) == 0 {
		return nil
	}
	return r.sets[0].columns
}

// Next returns the next rows of the current result set, an empty batch at its
// end, again and again. The batch is valid until the next call.
func (r *Rows) Next(ctx context.Context) (*types.Batch, error) {
	if r.closed {
		return nil, errClosed("result")
	}
	if len(r.sets) == 0 {
		return &types.Batch{}, nil
	}
	if err := r.session.enter(); err != nil {
		return nil, err
	}
	defer r.session.engine.leave()
	return r.sets[0].next(ctx)
}

// Endless reports whether the current result set is a live query's: its rows come as they
// are made, until ctx ends.
func (r *Rows) Endless() bool { return len(r.sets) > 0 && r.sets[0].endless }

// HasNextResultSet reports whether there is a result set after the current one.
func (r *Rows) HasNextResultSet() bool { return !r.closed && len(r.sets) > 1 }

// NextResultSet goes on to the next result set, or returns false.
func (r *Rows) NextResultSet(ctx context.Context) (bool, error) {
	if r.closed {
		return false, errClosed("result")
	}
	if len(r.sets) < 2 {
		return false, nil
	}
	if err := r.session.enter(); err != nil {
		return false, err
	}
	defer r.session.engine.leave()
	err := r.sets[0].close()
	r.sets = r.sets[1:]
	return err == nil, err
}

// Close gives back what the rows hold. It is idempotent.
func (r *Rows) Close() error {
	if r.closed {
		return nil
	}
	if r.session.engine.enter() != nil {
		r.closed = true
		return nil // the engine's Close did it
	}
	defer r.session.engine.leave()
	return r.close()
}

func (r *Rows) close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	delete(r.session.open, r)
	if r.running != nil {
		defer r.running.stop()
	}
	var first error
	for _, set := range r.sets {
		if err := set.close(); first == nil {
			first = err
		}
	}
	return first
}

// keep reads what is left of the result sets of the session's transaction. When that fails, Next will tell.
func (r *Rows) keep(ctx context.Context) {
	for _, set := range r.sets {
		if !set.own {
			set.keep(ctx, r.session.memoryBytes())
		}
	}
}

// resultSet is the rows of one statement: those of a running plan, or kept ones.
type resultSet struct {
	session *Session
	sql     string
	columns []plan.ResultColumn

	tx  *transaction
	own bool // tx is the set's alone, and ends with it
	// endless tells that the rows end with ctx only: they are a live query's.
	endless bool
	x       *executable
	from    *preparedPlan // that x goes back to; or nil
	op      exec.Operator // of x; nil: nothing is left but batches

	batches []*types.Batch  // to be returned before anything else
	kept    *exec.Spool     // or nil
	first   [1]*types.Batch // room for batches
	out     types.Batch     // what next returned: its reader may hold it while keep runs
	rows    int64           // returned so far
	most    *int64          // rows that are returned; nil: all
	found   *int64          // rows there would be without LIMIT, if they were counted
	// ctx is that of the statement, not of a call, so that KILL and
	// max_execution_time end it whenever they come.
	ctx    context.Context
	cancel context.CancelFunc // of ctx, if that is the set's alone; or nil
	err    error              // that ended the rows
}

// start begins a plan and computes its first batch.
func (s *resultSet) start(ctx context.Context, x *executable, p *preparedPlan) (err error) {
	defer func() {
		if err != nil {
			s.from = nil
		}
	}()
	defer recovered(s.sql, &err)
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancel(ctx)
	}
	if x.op == nil {
		if x.op, err = exec.Build(p.Root, &x.rt); err != nil {
			return err
		}
	}
	s.x, s.op, s.from = x, x.op, p
	if err := s.op.Open(ctx); err != nil {
		return err
	}
	b, err := s.op.Next(ctx)
	if err != nil {
		return err
	}
	if b.Len > 0 {
		s.batches = append(s.first[:0], b)
	} else {
		err = s.stop()
	}
	return err
}

func (s *resultSet) next(ctx context.Context) (*types.Batch, error) {
	if s.most != nil && s.rows >= *s.most {
		s.batches = nil
		if err := s.stop(); err != nil {
			return nil, err
		}
		s.session.foundRows = s.foundRows()
		return &types.Batch{}, nil
	}
	b, err := s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	if s.most != nil && s.rows+int64(b.Len) > *s.most {
		b = b.Slice(0, int(*s.most-s.rows))
	}
	s.rows += int64(b.Len)
	s.session.foundRows = s.foundRows()
	s.out = *b
	return &s.out, nil
}

// foundRows is what FOUND_ROWS() tells afterwards.
func (s *resultSet) foundRows() int64 {
	if s.found != nil {
		return *s.found
	}
	return s.rows
}

func (s *resultSet) fetch(ctx context.Context) (b *types.Batch, err error) {
	if len(s.batches) > 0 {
		b, s.batches = s.batches[0], s.batches[1:]
		return b, nil
	}
	if s.err != nil {
		return nil, s.err
	}
	if s.kept != nil {
		return s.kept.Next()
	}
	if s.op == nil {
		return &types.Batch{}, nil
	}
	b, err = s.pull(ctx)
	if err != nil {
		s.err = err
		s.stop()
		return nil, err
	}
	if b.Len == 0 {
		return &types.Batch{}, s.stop() // b is no more the set's
	}
	return b, nil
}

func (s *resultSet) pull(ctx context.Context) (b *types.Batch, err error) {
	defer recovered(s.sql, &err)
	if t, ok := s.ctx.(*textContext); !ok || !t.endsWith(ctx) {
		if s.cancel == nil {
			s.ctx, s.cancel = context.WithCancel(s.ctx)
		}
		defer context.AfterFunc(ctx, s.cancel)()
	}
	s.x.env.Context = s.ctx
	b, err = s.op.Next(s.ctx)
	return b, s.named(err)
}

// named returns the error that tells why the statement was interrupted.
func (s *resultSet) named(err error) error {
	if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.Interrupted && context.Cause(s.ctx) == errMaxTime {
		return errMaxTime
	}
	return err
}

// keep reads the rows that are left: so many bytes into memory, others into a
// temporary file.
func (s *resultSet) keep(ctx context.Context, limit int64) error {
	if s.op == nil {
		return nil
	}
	s.out = *copyBatch(&s.out)
	kept := exec.NewSpool(limit, s.session.engine.tempDir)
	for s.op != nil {
		b, err := s.fetch(ctx)
		if err == nil {
			err = kept.Append(b)
		}
		if err != nil {
			s.err = err
			s.stop()
			kept.Close()
			return err // which s.next returns, too
		}
	}
	s.kept = kept
	return nil
}

// returned returns a result set for the rows of a RETURNING clause.
func (s *Session) returned(columns []plan.ResultColumn) *resultSet {
	return &resultSet{session: s, columns: columns, kept: exec.NewSpool(s.memoryBytes(), s.engine.tempDir)}
}

// drain runs the query to its end for nobody.
func (s *resultSet) drain(ctx context.Context) error {
	for {
		b, err := s.next(ctx)
		if err != nil || b.Len == 0 {
			s.close()
			return err
		}
	}
}

// stop ends the plan and gives back its snapshot.
func (s *resultSet) stop() (err error) {
	defer recovered(s.sql, &err)
	if s.op != nil {
		err = s.op.Close()
		s.op = nil
	}
	if s.x != nil {
		if e := s.x.runner.Close(); err == nil {
			err = e
		}
		if s.from != nil && err == nil && s.err == nil {
			s.from.putBack(s.x)
		}
		s.x = nil
	}
	if s.own && s.tx != nil {
		s.tx.Rollback()
		if s.tx.ReadOnly() {
			s.session.spare = s.tx
		}
	}
	s.tx = nil
	return err
}

func (s *resultSet) close() error {
	if s.cancel != nil {
		defer s.cancel()
	}
	s.batches = nil
	err := s.stop()
	if s.kept != nil {
		if e := s.kept.Close(); err == nil {
			err = e
		}
	}
	return err
}

func copyBatch(b *types.Batch) *types.Batch {
	c := &types.Batch{Columns: make([]*types.Vector, len(b.Columns)), Len: b.Len}
	for i, v := range b.Columns {
		c.Columns[i] = types.NewVector(v.Type, b.Len)
		for k := range b.Len {
			c.Columns[i].AppendFrom(v, k)
		}
	}
	return c
}
