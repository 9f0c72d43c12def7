package live

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/types"
)

// The bounds of a subscription's buffer.
const (
	DefaultBuffer = 1024    // changes
	bufferBytes   = 8 << 20 // of the commits that they are of
)

// Options say what a subscription delivers, and how.
type Options struct {
	// Last is how many of the rows that are there are delivered first; -1: all.
	Last int64
	// From resumes after a change that was delivered before; nil: does not resume. No
	// rows are delivered first then.
	From   *uint64
	Buffer int  // how many changes may wait in memory; 0: DefaultBuffer
	Old    bool // also what rows were before
}

// Query is what is subscribed to.
type Query struct {
	Plan       *plan.Plan // with a Watch
	Runtime    *exec.Runtime
	User       string
	Connection uint64
	Owner      any
	SQL        string
	Options    Options
	// Done is called when the rows that are there are read: the transaction of Runtime is
	// not needed any more.
	Done func()
}

// Columns describes the rows that a subscription delivers.
func (q *Query) Columns() []plan.ResultColumn {
	list := []plan.ResultColumn{{Name: "_change", Type: changeType}, {Name: "_seq", Type: types.Uint64Type}}
	list = append(list, q.Plan.Columns...)
	if q.Options.Old {
		for _, c := range q.Plan.Columns {
			c.Name, c.Nullable = "_old_"+c.Name, true
			list = append(list, c)
		}
	}
	return list
}

var changeType = types.Type{Kind: types.VarChar, Size: 7, Collation: types.DefaultCollation}

// The kinds of changes, as the column _change has them.
const (
	Initial = "initial" // the row was there when the subscription began
	Insert  = "insert"
	Update  = "update"
	Delete  = "delete"
)

// Subscription is a live query. Next and Close are called by one goroutine at a time. It
// is an exec.Operator whose rows do not end.
type Subscription struct {
	hub     *Hub
	q       Query
	id      string
	created time.Time
	columns []int // of the table, that it needs; ascending
	read    []int // where those of Watch.Read are among columns

	// Its place in the index; guarded by Hub.mu.
	table  *table
	group  *group
	shape  shape
	key    string
	never  bool // no row can be one of the query
	bucket *bucket
	place  int
	hits   []hit

	mu      sync.Mutex
	from    uint64 // commits up to it are not delivered by the dispatcher
	filter  *expr.Evaluator
	env     *expr.Env // of filter
	state   state
	missed  uint64 // the first commit that it lacks, when behind
	err     error  // why it ended
	queue   []delivery
	depth   int // changes in queue
	bytes   int // of the commits in queue
	changes uint64
	last    time.Time
	wake    chan struct{} // gets a value when there is something to do

	// Of the goroutine that calls Next.
	seq      uint64         // of the rows that were there
	first    bool           // rows that were there are to be delivered
	initial  exec.Operator  // that reads them; nil: not yet, or not any more
	rows     []*types.Batch // the last ones, in reverse
	open     bool           // the transaction is open
	cursor   uint64
	to       uint64
	resumed  bool // since a change that the caller named: nothing was delivered since
	reader   *store.LogReader
	decoder  *store.ChangeDecoder
	new, old *expr.Evaluator
	whole    bool // what was returned ends a commit
	out      *types.Batch
}

type state uint8

const (
	live   state = iota // the dispatcher fills the buffer
	behind              // it does not: the log has more
	ended
)

// delivery is what changed for a subscription by one commit.
type delivery struct {
	rows *store.ChangedRows
	hits []hit
	part bool // more of the same commit follows
}

func newSubscription(h *Hub, q Query) (*Subscription, error) {
	if q.Options.Buffer == 0 {
		q.Options.Buffer = DefaultBuffer
	}
	w := q.Plan.Watch
	s := &Subscription{hub: h, q: q, wake: make(chan struct{}, 1), open: true}
	values, ok, err := exec.Point(q.Runtime.Env, w.Table, w.Equal)
	if err != nil {
		return nil, err
	}
	s.never = !ok
	if s.shape.users = w.Table.Kind != schema.Shared; s.shape.users {
		s.key = string(store.EncodedUser(q.User))
	}
	key := []byte(s.key)
	for i, v := range values {
		c := w.Equal[i].Column
		s.shape.columns = append(s.shape.columns, c)
		if key, err = keyenc.Append(key, w.Table.Columns[c].Type, v); err != nil {
			return nil, err
		}
	}
	s.key = string(key)
	s.columns = union(w.Read, s.shape.columns)
	s.read = w.Read
	if w.Filter != nil {
		s.env = s.newEnv()
		if s.filter, err = expr.NewEvaluator(s.env, w.Filter); err != nil {
			return nil, err
		}
	}
	switch {
	case q.Options.From != nil:
		s.state, s.cursor, s.resumed = behind, *q.Options.From, true
	default:
		s.first = q.Options.Last != 0
	}
	return s, nil
}

// newEnv returns an Env like the query's, for a goroutine of its own.
func (s *Subscription) newEnv() *expr.Env {
	env := *s.q.Runtime.Env
	env.Context, env.Runner, env.Warn, env.SetLastInsertID, env.Locks = context.Background(), nil, nil, nil, nil
	return &env
}

// Columns describes the rows that it delivers.
func (s *Subscription) Columns() []plan.ResultColumn { return s.q.Columns() }

// Seq returns the number of the last commit before it began: what is delivered comes
// after it.
func (s *Subscription) Seq() uint64 {
	if s.q.Options.From != nil {
		return *s.q.Options.From
	}
	return s.seq
}

// Old reports whether it also delivers what rows were before.
func (s *Subscription) Old() bool { return s.q.Options.Old }

// Whole reports whether nothing follows of the commit of the rows that Next returned.
func (s *Subscription) Whole() bool { return s.whole }

// ID returns what KILL LIVE QUERY names it by.
func (s *Subscription) ID() string { return s.id }

func (s *Subscription) info() sqlmeta.LiveQuery {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.q.Plan.Watch
	options := map[string]string{"buffer": strconv.Itoa(s.q.Options.Buffer)}
	if s.q.Options.Last >= 0 {
		options["last_rows"] = strconv.FormatInt(s.q.Options.Last, 10)
	}
	if s.q.Options.From != nil {
		options["from_seq_id"] = strconv.FormatUint(*s.q.Options.From, 10)
		delete(options, "last_rows")
	}
	if s.q.Options.Old {
		options["old"] = "true"
	}
	return sqlmeta.LiveQuery{ID: s.id, User: s.q.User, Connection: s.q.Connection, Namespace: w.Table.Namespace, Table: w.Table.Name,
		Query: s.q.SQL, Options: options, Changes: s.changes, Depth: uint64(s.depth), Created: s.created, Delivered: s.last}
}

// alive reports whether it has not ended.
func (s *Subscription) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != ended
}

// signal lets Next look again.
func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// fail ends it; what waits in the buffer is delivered before the error, and before
// ChangesGone the rows that were there.
func (s *Subscription) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != ended {
		s.state, s.err = ended, err
		s.signal()
	}
}

// miss tells that a commit is not delivered, and has to be read from the log.
func (s *Subscription) miss(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == live && seq > s.from {
		s.state, s.missed = behind, seq
		s.signal()
	}
}

// offer puts into the buffer what the hits among rows change for it. hits is the
// caller's.
func (s *Subscription) offer(rows *store.ChangedRows, hits []hit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != live || rows.Seq <= s.from {
		return
	}
	hits, err := s.passing(rows, hits)
	switch {
	case err != nil:
		s.state, s.err = ended, err
	case len(hits) == 0:
		return
	case s.depth+len(hits) > s.q.Options.Buffer, len(s.queue) > 0 && s.bytes+rows.Bytes > bufferBytes:
		s.state, s.missed = behind, rows.Seq
	default:
		s.queue = append(s.queue, delivery{rows: rows, hits: slices.Clone(hits)})
		s.depth += len(hits)
		s.bytes += rows.Bytes
	}
	s.signal()
}

// passing returns the hits of rows that pass the filter before or after, in place.
func (s *Subscription) passing(rows *store.ChangedRows, hits []hit) ([]hit, error) {
	if s.filter == nil {
		return hits, nil
	}
	select1 := func(b *types.Batch, at []int32, side func(*hit) *bool) error {
		var sel []int32
		for i := range hits {
			if *side(&hits[i]) {
				sel = append(sel, at[hits[i].row])
			}
		}
		if len(sel) == 0 {
			return nil
		}
		in := s.view(rows.Columns, b, sel)
		pass, err := s.filter.Select(in, nil)
		if err != nil {
			return err
		}
		n := int32(0)
		for i := range hits {
			if p := side(&hits[i]); *p {
				*p = len(pass) > 0 && pass[0] == n
				if *p {
					pass = pass[1:]
				}
				n++
			}
		}
		return nil
	}
	if err := select1(rows.Old, rows.OldAt, func(h *hit) *bool { return &h.old }); err != nil {
		return nil, err
	}
	if err := select1(rows.New, rows.NewAt, func(h *hit) *bool { return &h.new }); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(hits, func(h hit) bool { return !h.old && !h.new }), nil
}

// view returns the columns that the query reads of some rows of b, which has those of some
// ordinals.
func (s *Subscription) view(columns []int, b *types.Batch, sel []int32) *types.Batch {
	w := s.q.Plan.Watch
	out := &types.Batch{Columns: make([]*types.Vector, len(w.Read)), Len: len(sel)}
	all := len(sel) == b.Len // each row is in sel once at most
	for i, c := range w.Read {
		at, _ := slices.BinarySearch(columns, c)
		v := b.Columns[at]
		zoned := v.Type.Kind == types.Timestamp && s.q.Runtime.Env.Zone != nil && s.q.Runtime.Env.Zone != time.UTC
		if !all || zoned {
			picked := types.NewVector(v.Type, len(sel))
			for _, n := range sel {
				picked.AppendFrom(v, int(n))
			}
			v = picked
		}
		if zoned {
			types.ConvertZoneVector(v, time.UTC, s.q.Runtime.Env.Zone)
		}
		out.Columns[i] = v
	}
	return out
}

// Open implements exec.Operator.
func (s *Subscription) Open(context.Context) error { return nil }

// Next returns the next rows; it waits for them. The batch is valid until the next call.
// Errors, each again and again: sqlerr.Interrupted when ctx ends, Closed, ChangesGone,
// SubscriberSlow, LiveKilled.
func (s *Subscription) Next(ctx context.Context) (*types.Batch, error) {
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
			s.fail(err)
		}
		return b, err
	}
	s.endInitial()
	s.mu.Lock()
	if len(s.queue) > 0 {
		d := s.queue[0]
		s.queue[0] = delivery{}
		s.queue = s.queue[1:]
		s.depth -= len(d.hits)
		s.bytes -= d.rows.Bytes
		s.mu.Unlock()
		s.resumed = false
		return s.project(ctx, d)
	}
	state, err := s.state, s.err
	s.mu.Unlock()
	switch state {
	case ended:
		s.release()
		return nil, err
	case behind:
		return s.catchUp(ctx)
	}
	select {
	case <-s.wake:
		return nil, nil
	case <-ctx.Done():
		return nil, sqlerr.Interrupted.Wrap(ctx.Err(), "Query execution was interrupted")
	}
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
	s.to = max(s.table.last, s.cursor)
	s.hub.mu.Unlock()
	s.reader, err = s.hub.db.ReadLog(ctx, s.table.storage, s.cursor, s.to, s.resumed)
	if err != nil && !s.resumed && errors.Is(err, sqlerr.ChangesGone) {
		err = sqlerr.SubscriberSlow.Wrap(err, "The live query was not read for too long: the changes after %d are not kept any more; subscribe afresh", s.cursor)
	}
	return err
}

// catchUp returns the next changes from the log, nil when there are none for it; at the
// log's end the dispatcher takes over again.
func (s *Subscription) catchUp(ctx context.Context) (*types.Batch, error) {
	if s.reader == nil {
		s.mu.Lock()
		if s.missed > 0 {
			s.cursor, s.missed = s.missed-1, 0
		}
		s.mu.Unlock()
		if s.rejoin() {
			return nil, nil
		}
		if err := s.readOn(ctx); err != nil {
			s.fail(err)
			return nil, nil
		}
	}
	c, err := s.reader.Next(ctx)
	if err != nil {
		return nil, err
	}
	if c == nil {
		err := s.reader.Close()
		s.reader, s.cursor, s.resumed = nil, s.to, false
		return nil, err
	}
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
	if err != nil || len(hits) == 0 {
		return nil, err
	}
	return s.project(ctx, delivery{rows, hits, c.Part})
}

// rejoin lets the dispatcher deliver again if there is nothing before what it does next.
func (s *Subscription) rejoin() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.table.last > s.cursor {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == behind {
		s.state, s.from = live, s.cursor
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
	s.whole = !d.part
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

// End makes Next return sqlerr.Closed. It may be called by any goroutine.
func (s *Subscription) End() { s.fail(errEnded) }

// Close ends it. It is idempotent.
func (s *Subscription) Close() error {
	s.End()
	s.release()
	s.hub.unregister(s)
	return nil
}

var errEnded = sqlerr.Closed.New("the live query is closed")
