package live

import (
	"context"
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
	off    bool // it has ended, and is not in the index any more

	mu      sync.Mutex
	from    uint64 // commits up to it are not delivered by the dispatcher
	filter  *expr.Evaluator
	env     *expr.Env // of filter
	state   state
	missed  place  // the first that it lacks, when behind; zero: it is at `at`
	err     error  // why it ended
	partly  uint64 // the commit of which queue got parts, and not yet the end
	queue   []delivery
	depth   int // changes in queue
	bytes   int // of the commits in queue
	changes uint64
	last    time.Time
	wake    chan struct{} // gets a value when there is something to do

	// Of who calls Next.
	using    sync.Mutex
	seq      uint64         // of the rows that were there
	first    bool           // rows that were there are to be delivered
	initial  exec.Operator  // that reads them; nil: not yet, or not any more
	rows     []*types.Batch // the last ones, in reverse
	open     bool           // the transaction is open
	at       place          // what comes next
	to       uint64         // the last commit that reader reads
	resumed  bool           // since a change that the caller named: nothing was delivered since
	reader   *store.LogReader
	decoder  *store.ChangeDecoder
	new, old *expr.Evaluator
	held     *types.Batch // whether more of its commit follows is not known yet
	ready    bool         // held is the last of its commit
	whole    bool         // what was returned ends a commit
}

// place is a place in a table's log.
type place struct {
	after uint64 // all of the commits up to this one was before
	parts uint32 // and so were so many parts of commit after + 1
}

type state uint8

const (
	live   state = iota // the dispatcher fills the buffer
	behind              // it does not: the log has more
	ended
)

// delivery is what changed for a subscription by one commit, or by a part of it.
type delivery struct {
	rows *store.ChangedRows // nil: a commit is over of which parts came before
	hits []hit
	part bool // more of the same commit may follow
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
		s.state, s.at.after, s.resumed = behind, *q.Options.From, true
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
	return sqlmeta.LiveQuery{ID: s.id, User: s.q.User, Connection: s.q.Connection, TableID: w.Table.ID, Namespace: w.Table.Namespace, Table: w.Table.Name,
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
// ChangesGone the rows that were there. Hub.detach has to follow.
func (s *Subscription) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != ended {
		s.state, s.err = ended, err
		s.signal()
	}
}

// end ends it.
func (s *Subscription) end(err error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.end(err, s)
}

// lose ends it if it needs a commit that is not in the log.
func (s *Subscription) lose(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != ended && seq > s.from {
		s.state = ended
		s.err = sqlerr.SubscriberSlow.New("Commit %d changed more rows than the table's log of changes takes; subscribe afresh", seq)
		s.signal()
	}
}

// miss tells that a commit, from its part of a number on, is not delivered, and has to be
// read from the log.
func (s *Subscription) miss(seq uint64, part uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == live && seq > s.from {
		s.state, s.missed = behind, place{seq - 1, part}
		s.signal()
	}
}

// offer puts into the buffer what the hits among rows change for it: rows are of a commit's
// part of number part. hits is the caller's. It reports whether these are the first rows of
// a commit of which more may follow.
func (s *Subscription) offer(rows *store.ChangedRows, hits []hit, part uint32, more bool) (begun bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != live || rows.Seq <= s.from {
		return false
	}
	hits, err := s.passing(rows, hits)
	switch {
	case err != nil:
		s.state, s.err = ended, err
	case len(hits) == 0:
		return false
	case s.depth+len(hits) > s.q.Options.Buffer, len(s.queue) > 0 && s.bytes+rows.Bytes > bufferBytes:
		s.state, s.missed = behind, place{rows.Seq - 1, part}
	default:
		s.queue = append(s.queue, delivery{rows: rows, hits: slices.Clone(hits), part: more})
		s.depth += len(hits)
		s.bytes += rows.Bytes
		if begun = more && s.partly != rows.Seq; begun {
			s.partly = rows.Seq
		}
	}
	s.signal()
	return begun
}

// over tells that a commit, of which it got parts, is over.
func (s *Subscription) over(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != live || s.partly != seq {
		return // it reads the end in the log
	}
	if n := len(s.queue); n > 0 {
		s.queue[n-1].part = false // this is of the same commit
	} else {
		s.queue = append(s.queue, delivery{})
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
