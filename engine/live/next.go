package live

import (
	"context"
	"errors"
	"time"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Open implements exec.Operator.
func (s *Subscription) Open(context.Context) error { return nil }

// Next returns the next rows; it waits for them. The batch is valid until the next call.
// Errors, each again and again: sqlerr.Interrupted when ctx ends, Closed, ChangesGone,
// SubscriberSlow, LiveKilled, and those of the query's expressions.
func (s *Subscription) Next(ctx context.Context) (*types.Batch, error) {
	s.using.Lock()
	defer s.tidy()
	defer s.using.Unlock()
	for {
		b, err := s.next(ctx)
		if err != nil {
			return nil, err
		}
		if b != nil && b.Len > 0 {
			s.mu.Lock()
			s.changes += uint64(b.Len)
			s.last = time.Now()
			s.mu.Unlock()
			return b, nil
		}
	}
}

// next returns what there is, nil if that is nothing yet.
func (s *Subscription) next(ctx context.Context) (*types.Batch, error) {
	if s.first {
		b, err := s.nextInitial(ctx)
		if err != nil { // what it has delivered of them cannot be gone on with
			s.abandon(err)
		}
		return b, err
	}
	s.endInitial()
	if s.ready {
		return s.unhold(true), nil
	}
	s.mu.Lock()
	if len(s.queue) > 0 {
		d := s.queue[0]
		s.mu.Unlock()
		b, err := s.project(ctx, d)
		if err != nil {
			return nil, s.stumble(ctx, err)
		}
		s.mu.Lock()
		more := s.queue[0].part // it may have become the last meanwhile
		s.queue[0] = delivery{}
		s.queue = s.queue[1:]
		if s.depth -= len(d.hits); d.rows != nil {
			s.bytes -= d.rows.Bytes
		}
		s.mu.Unlock()
		s.resumed = false
		return s.hold(b, more), nil
	}
	state, err := s.state, s.err
	s.mu.Unlock()
	switch state {
	case ended:
		if s.held != nil {
			return s.unhold(false), nil
		}
		s.release()
		return nil, err
	case behind:
		return s.catchUp(ctx)
	}
	select {
	case <-s.wake:
		return nil, nil
	case <-ctx.Done():
		return nil, interrupted(ctx)
	}
}

func interrupted(ctx context.Context) error {
	return sqlerr.Interrupted.Wrap(ctx.Err(), "Query execution was interrupted")
}

// stumble ends it with an error at once, unless that is because ctx ended: then the next call
// goes on where it was.
func (s *Subscription) stumble(ctx context.Context, err error) error {
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	s.abandon(err)
	return nil
}

// abandon ends it with an error at once: what waits in the buffer is not delivered.
func (s *Subscription) abandon(err error) {
	s.end(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.queue, s.depth, s.bytes = err, nil, 0, 0
}

// hold returns what is to be delivered when b, nil or empty: nothing, comes next. It keeps
// the last rows of a commit back until it is known that they are: more tells that rows of the
// same commit may follow.
func (s *Subscription) hold(b *types.Batch, more bool) (out *types.Batch) {
	some := b != nil && b.Len > 0
	switch {
	case some && more, some && s.held != nil:
		out = s.unhold(false)
		s.held, s.ready = b, !more
	case some:
		s.whole, out = true, b
	case !more && s.held != nil:
		out = s.unhold(true)
	}
	return out
}

// unhold returns what hold has kept back, and whole tells of.
func (s *Subscription) unhold(whole bool) *types.Batch {
	b := s.held
	s.held, s.ready, s.whole = nil, false, whole
	return b
}

// nextInitial returns rows that were there.
func (s *Subscription) nextInitial(ctx context.Context) (*types.Batch, error) {
	s.mu.Lock()
	if s.state == ended && !errors.Is(s.err, sqlerr.ChangesGone) {
		err := s.err
		s.mu.Unlock()
		s.release()
		return nil, err
	}
	s.mu.Unlock()
	s.q.Runtime.Env.Context = ctx
	if s.initial == nil && s.rows == nil {
		op, err := exec.Build(s.q.Plan.Root, s.q.Runtime)
		if err == nil {
			s.initial = op
			err = op.Open(ctx)
		}
		if err == nil && s.q.Options.Last > 0 {
			err = s.readLast(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	if n := len(s.rows); n > 0 {
		b := s.rows[n-1]
		if s.rows = s.rows[:n-1]; n == 1 {
			s.endInitial()
		}
		return s.initialBatch(b), nil
	}
	b, err := s.initial.Next(ctx)
	if err != nil {
		return nil, err
	}
	if b.Len == 0 {
		s.endInitial()
		return nil, nil
	}
	return s.initialBatch(b), nil
}

// readLast reads the last rows, which come last first.
func (s *Subscription) readLast(ctx context.Context) error {
	for {
		b, err := s.initial.Next(ctx)
		if err != nil {
			return err
		}
		if b.Len == 0 {
			return nil
		}
		c := &types.Batch{Columns: make([]*types.Vector, len(b.Columns)), Len: b.Len}
		for i, v := range b.Columns {
			c.Columns[i] = types.NewVector(v.Type, b.Len)
			for n := b.Len - 1; n >= 0; n-- {
				c.Columns[i].AppendFrom(v, n)
			}
		}
		s.rows = append(s.rows, c)
	}
}

// endInitial ends the transaction of the rows that were there.
func (s *Subscription) endInitial() {
	s.first, s.rows = false, nil
	if s.initial != nil {
		s.initial.Close()
		s.initial = nil
	}
	if s.open {
		s.open = false
		s.q.Done()
		s.q.Done, s.q.Runtime.Table = nil, nil // they hold on to the transaction
	}
}

func (s *Subscription) initialBatch(b *types.Batch) *types.Batch {
	out := &types.Batch{Columns: []*types.Vector{types.NewVector(changeType, b.Len), types.NewVector(types.Uint64Type, b.Len)}, Len: b.Len}
	for range b.Len {
		out.Columns[0].AppendBytes([]byte(Initial))
		out.Columns[1].AppendUint(s.seq)
	}
	out.Columns = append(out.Columns, b.Columns...)
	if s.q.Options.Old {
		for _, c := range b.Columns {
			v := types.NewVector(c.Type, b.Len)
			for range b.Len {
				v.AppendNull()
			}
			out.Columns = append(out.Columns, v)
		}
	}
	return out
}

// resume begins to read the log after the change that the caller named.
func (s *Subscription) resume(ctx context.Context) error {
	s.endInitial()
	return s.readOn(ctx)
}

// readOn opens the log for what was dispatched by now.
func (s *Subscription) readOn(ctx context.Context) (err error) {
	s.hub.mu.Lock()
	s.to = max(s.table.last, s.at.after)
	s.hub.mu.Unlock()
	s.reader, err = s.hub.db.ReadLog(ctx, s.table.storage, s.at.after, s.at.parts, s.to, s.resumed)
	if err != nil && !s.resumed && errors.Is(err, sqlerr.ChangesGone) {
		err = sqlerr.SubscriberSlow.Wrap(err, "The live query was not read for too long: the changes after %d are not kept any more; subscribe afresh", s.at.after)
	}
	return err
}

// catchUp returns the next changes from the log, nil when there are none for it; at the
// log's end the dispatcher takes over again.
func (s *Subscription) catchUp(ctx context.Context) (*types.Batch, error) {
	if s.reader == nil {
		s.mu.Lock()
		if s.missed != (place{}) {
			s.at, s.missed = s.missed, place{}
		}
		s.mu.Unlock()
		if s.rejoin() {
			return nil, nil
		}
		if err := s.readOn(ctx); err != nil {
			return nil, s.stumble(ctx, err)
		}
	}
	c, err := s.reader.Next(ctx)
	if err != nil {
		return nil, s.stumble(ctx, err)
	}
	if c == nil {
		err := s.reader.Close()
		s.reader, s.at, s.resumed = nil, place{after: s.to}, false
		if err != nil {
			return nil, s.stumble(ctx, err)
		}
		return nil, nil
	}
	b, err := s.changed(ctx, c)
	if err != nil {
		return nil, s.stumble(ctx, err)
	}
	switch {
	case !c.Part:
		s.at = place{after: c.Seq}
	case s.at.after == c.Seq-1:
		s.at.parts++
	default:
		s.at = place{c.Seq - 1, 1}
	}
	s.resumed = false
	return s.hold(b, c.Part), nil
}

// changed returns what changes of the log change for it.
func (s *Subscription) changed(ctx context.Context, c *store.TableChanges) (*types.Batch, error) {
	if s.decoder == nil {
		s.decoder = s.hub.db.ChangeDecoder(s.q.Plan.Watch.Table, s.columns)
	}
	rows, err := s.decoder.Decode(c)
	if err != nil {
		return nil, err
	}
	if s.env != nil {
		s.env.Context = ctx
	}
	hits, err := s.passing(rows, s.ownHits(rows))
	if err != nil {
		return nil, err
	}
	return s.project(ctx, delivery{rows: rows, hits: hits})
}

// rejoin lets the dispatcher deliver again if there is nothing before what it does next.
func (s *Subscription) rejoin() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.table.last > s.at.after {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == behind {
		s.state, s.from = live, s.at.after
		if s.env != nil {
			s.env.Context = context.Background()
		}
	}
	return true
}

// ownHits returns what the index would find for it alone.
func (s *Subscription) ownHits(rows *store.ChangedRows) (hits []hit) {
	if s.never {
		return nil
	}
	at := positions(rows.Columns, s.shape.columns)
	has := func(b *types.Batch, i int, n int32) bool {
		return n >= 0 && string(s.shape.appendKey(nil, rows, b, i, int(n), at)) == s.key
	}
	for i := range rows.Len {
		h := hit{int32(i), has(rows.Old, i, rows.OldAt[i]), has(rows.New, i, rows.NewAt[i])}
		if h.old || h.new {
			hits = append(hits, h)
		}
	}
	return hits
}

// project returns what the query shows of changes, nil for those that change nothing
// of that.
func (s *Subscription) project(ctx context.Context, d delivery) (*types.Batch, error) {
	if len(d.hits) == 0 {
		return nil, nil
	}
	var newSel, oldSel []int32
	for _, h := range d.hits {
		if h.new {
			newSel = append(newSel, d.rows.NewAt[h.row])
		}
		if h.old {
			oldSel = append(oldSel, d.rows.OldAt[h.row])
		}
	}
	news, err := s.evaluate(ctx, &s.new, s.view(d.rows.Columns, d.rows.New, newSel))
	if err != nil {
		return nil, err
	}
	olds, err := s.evaluate(ctx, &s.old, s.view(d.rows.Columns, d.rows.Old, oldSel))
	if err != nil {
		return nil, err
	}
	width := len(s.q.Plan.Columns)
	out := &types.Batch{Columns: []*types.Vector{types.NewVector(changeType, len(d.hits)), types.NewVector(types.Uint64Type, len(d.hits))}}
	add := func(from []*types.Vector, at, n int) {
		for i, v := range from {
			if n < 0 {
				out.Columns[at+i].AppendNull()
			} else {
				out.Columns[at+i].AppendFrom(v, n)
			}
		}
	}
	for range s.copies() {
		for i := range s.q.Plan.Columns {
			out.Columns = append(out.Columns, types.NewVector(s.q.Plan.Columns[i].Type, len(d.hits)))
		}
	}
	n, o := 0, 0
	for _, h := range d.hits {
		kind, row, before := Insert, n, -1
		from := news
		switch {
		case h.old && h.new:
			kind, before = Update, o
			if same(news, n, olds, o) {
				n, o = n+1, o+1
				continue
			}
		case h.old:
			kind, row, before, from = Delete, o, o, olds
		}
		out.Columns[0].AppendBytes([]byte(kind))
		out.Columns[1].AppendUint(d.rows.Seq)
		add(from, 2, row)
		if s.q.Options.Old {
			add(olds, 2+width, before)
		}
		out.Len++
		if h.new {
			n++
		}
		if h.old {
			o++
		}
	}
	return out, nil
}

// copies returns how often the query's columns are delivered.
func (s *Subscription) copies() int {
	if s.q.Options.Old {
		return 2
	}
	return 1
}

// evaluate computes the query's columns.
func (s *Subscription) evaluate(ctx context.Context, ev **expr.Evaluator, in *types.Batch) (_ []*types.Vector, err error) {
	w := s.q.Plan.Watch
	if columns := plain(w.Exprs, in); columns != nil {
		return columns, nil
	}
	s.q.Runtime.Env.Context = ctx
	if *ev == nil {
		if *ev, err = expr.NewEvaluator(s.q.Runtime.Env, w.Exprs...); err != nil {
			return nil, err
		}
	}
	return (*ev).Eval(in)
}

// plain returns the values of expressions that are all columns, else nil.
func plain(list []expr.Expr, in *types.Batch) []*types.Vector {
	out := make([]*types.Vector, len(list))
	for i, e := range list {
		c, ok := e.(*expr.Column)
		if !ok {
			return nil
		}
		out[i] = in.Columns[c.Index]
	}
	return out
}

// same reports whether row i of a and row j of b have the same values.
func same(a []*types.Vector, i int, b []*types.Vector, j int) bool {
	for c := range a {
		x, y := a[c].Value(i), b[c].Value(j)
		if x.IsNull() != y.IsNull() {
			return false
		}
		if !x.IsNull() && !equal(x, y) {
			return false
		}
	}
	return true
}

func equal(x, y types.Value) bool {
	switch x.Physical() {
	case types.PhysInt64:
		return x.Int() == y.Int()
	case types.PhysUint64:
		return x.Uint() == y.Uint()
	case types.PhysFloat64:
		return x.Float() == y.Float()
	}
	return string(x.Bytes()) == string(y.Bytes())
}

// release gives back what it holds of the database.
func (s *Subscription) release() {
	s.endInitial()
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
}

// tidy gives back what it holds of the database if it has ended and nobody uses it: whoever
// owns it may not call Next again, nor Close for long.
func (s *Subscription) tidy() {
	s.mu.Lock()
	over := s.state == ended && !errors.Is(s.err, sqlerr.ChangesGone)
	s.mu.Unlock()
	if over && s.using.TryLock() {
		s.release()
		s.using.Unlock()
	}
}

// End makes Next return sqlerr.Closed. It may be called by any goroutine.
func (s *Subscription) End() { s.end(errEnded) }

// Close ends it. It is idempotent.
func (s *Subscription) Close() error {
	s.End()
	s.using.Lock()
	s.release()
	s.using.Unlock()
	s.hub.unregister(s)
	return nil
}

var errEnded = sqlerr.Closed.New("the live query is closed")
