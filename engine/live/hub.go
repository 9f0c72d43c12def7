// Package live runs live queries: subscriptions to the rows of a table.
//
//	commit ─ txn.Feed ─> queue ─ dispatcher ─> index ─> buffers of subscriptions ─ Next ─> subscriber
//	   └─ log of changes on disk ─────────────────────────────────────────┘ when a buffer is full, or to resume
//
// A commit hands its changed rows to the Hub, in the order of commits, and goes on. The
// dispatcher, a goroutine that exists while there is something to dispatch, finds the
// subscriptions that a row is for (match.go) and puts it into their buffers, which are
// bounded: a subscription whose buffer is full is behind, and reads what it lacks from
// the log once it has read its buffer. Commits that are large are not in the queue: the
// dispatcher reads them in the log. What it shows of rows it computes itself, where
// it is read.
package live

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// DefaultRetention is for how long changes are kept, and for how long those of a table
// are after its last subscription ended.
const DefaultRetention = time.Hour

// queueBytes is what may wait to be dispatched in memory.
const queueBytes = 64 << 20

// Hub is the live queries of a database. It may be used from several goroutines at once.
type Hub struct {
	db        *store.DB
	txns      *txn.Manager
	retention time.Duration
	readOnly  bool
	left      func(*schema.Table, string, time.Time)

	in incoming

	mu     sync.Mutex
	tables map[uint32]*table // by storage id
	subs   map[string]*Subscription
	nextID uint64
	closed bool
}

// incoming is what waits to be dispatched.
type incoming struct {
	mu      sync.Mutex
	queue   []message
	bytes   int
	running sync.WaitGroup
	on      bool // the dispatcher runs
	closed  bool
}

// message is changes of a table, or why its live queries end.
type message struct {
	changes store.TableChanges
	storage uint32
	end     error
}

// New returns the hub of a database, to which the manager hands commits; retention 0
// stands for DefaultRetention. It is called before the manager is used.
func New(db *store.DB, txns *txn.Manager, retention time.Duration, readOnly bool) *Hub {
	h := &Hub{db: db, txns: txns, retention: cmp.Or(retention, DefaultRetention), readOnly: readOnly,
		tables: map[uint32]*table{}, subs: map[string]*Subscription{}}
	txns.Feed(db.LastSeq(), h.push)
	return h
}

// push queues what a commit has changed.
func (h *Hub) push(list []store.TableChanges) {
	h.in.mu.Lock()
	defer h.in.mu.Unlock()
	for _, c := range list {
		if c.Rows != nil && h.in.bytes+c.Bytes > queueBytes {
			c.Rows = nil // who wants them reads the log
		}
		if c.Rows != nil {
			h.in.bytes += c.Bytes
		}
		h.in.queue = append(h.in.queue, message{changes: c, storage: c.Storage})
	}
	h.wake()
}

// endAll ends the live queries of a table after what was committed before.
func (h *Hub) endAll(storage uint32, err error) {
	h.in.mu.Lock()
	defer h.in.mu.Unlock()
	h.in.queue = append(h.in.queue, message{storage: storage, end: err})
	h.wake()
}

// wake lets the dispatcher run.
func (h *Hub) wake() {
	if !h.in.on && !h.in.closed {
		h.in.on = true
		h.in.running.Go(h.run)
	}
}

// run dispatches until nothing is left.
func (h *Hub) run() {
	for {
		h.in.mu.Lock()
		if len(h.in.queue) == 0 || h.in.closed {
			h.in.on = false
			h.in.queue = nil
			h.in.mu.Unlock()
			return
		}
		list := h.in.queue
		h.in.queue = nil
		h.in.mu.Unlock()
		for i := range list {
			m := &list[i]
			h.dispatch(m)
			if m.changes.Rows != nil {
				h.in.mu.Lock()
				h.in.bytes -= m.changes.Bytes
				h.in.mu.Unlock()
			}
			if m.end == nil && h.db.LogFull(m.storage) {
				// A failure shows when the log is read.
				_ = h.db.TrimLog(context.Background(), m.storage, time.Time{}, m.changes.Seq)
			}
			*m = message{}
		}
	}
}

func (h *Hub) dispatch(m *message) {
	c := &m.changes
	switch {
	case m.end != nil:
		h.with(m.storage, func(t *table) { h.end(m.end, t.all()...) })
	case c.Lost:
		h.with(m.storage, func(t *table) {
			t.last = c.Seq
			list := t.all()
			for _, s := range list {
				s.lose(c.Seq)
			}
			h.detach(list...)
		})
	case c.Rows == nil:
		h.replay(c)
	default:
		h.with(m.storage, func(t *table) {
			t.last = c.Seq
			h.deliver(t, c, 0, nil)
		})
	}
}

// replay dispatches a commit that is not in memory: it reads the log, once for all, and lets
// others go on after each part.
func (h *Hub) replay(c *store.TableChanges) {
	subs := 0
	h.with(c.Storage, func(t *table) { t.last, subs = c.Seq, t.subs })
	if subs == 0 {
		return
	}
	var begun []*Subscription
	part, through := uint32(0), false
	r, err := h.db.ReadLog(context.Background(), c.Storage, c.Seq-1, 0, c.Seq, false)
	for err == nil && !through {
		var p *store.TableChanges
		if p, err = r.Next(context.Background()); err != nil || p == nil {
			break
		}
		if !h.with(c.Storage, func(t *table) { h.deliver(t, p, part, &begun) }) {
			break
		}
		through = !p.Part
		part++
	}
	if r != nil {
		r.Close()
	}
	if through {
		for _, s := range begun {
			s.over(c.Seq)
		}
		return
	}
	h.with(c.Storage, func(t *table) {
		t.each(func(s *Subscription) { s.miss(c.Seq, part) }) // they find out why
	})
}

func (h *Hub) deliver(t *table, c *store.TableChanges, part uint32, begun *[]*Subscription) {
	touched := t.dispatch(c, part, begun)
	h.detach(touched...)
	clear(touched)
}

// with calls f with a table, unless there is none any more. A panic of f ends its live
// queries.
func (h *Hub) with(storage uint32, f func(*table)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tables[storage]
	if t == nil || h.closed {
		return false
	}
	defer func() {
		if p := recover(); p != nil {
			h.end(sqlerr.Internal.Wrap(fmt.Errorf("%v\n%s", p, debug.Stack()), "Kalam failed: %v, in a live query", p), t.all()...)
		}
	}()
	f(t)
	return true
}

// end ends subscriptions. The caller holds h.mu.
func (h *Hub) end(err error, list ...*Subscription) {
	for _, s := range list {
		s.fail(err)
	}
	h.detach(list...)
}

// detach takes those of list that have ended out of the index: nothing is looked for for
// them, and nobody listens by them any more. The caller holds h.mu.
func (h *Hub) detach(list ...*Subscription) {
	for _, s := range list {
		if s.off || s.table == nil || s.alive() {
			continue
		}
		s.off = true
		if s.table.remove(s) && h.left != nil && !h.closed {
			h.left(s.q.Plan.Watch.Table, s.q.User, time.Now())
		}
	}
}

// Open subscribes. start begins the transaction that the query's rows are read in, unless the
// definition of the table has changed: then ok is false, and so is Open's.
func (h *Hub) Open(ctx context.Context, q Query, start func() error, while func(func() error) (bool, error)) (s *Subscription, ok bool, err error) {
	if s, err = newSubscription(h, q); err != nil {
		return nil, false, err
	}
	storage := q.Plan.Watch.Table.StorageID()
	for settled := false; !settled; {
		if err := h.txns.Settle(ctx, storage); err != nil {
			return nil, false, err
		}
		ok, err = while(func() (err error) {
			settled, err = h.txns.Between(ctx, storage, func() error {
				if err := start(); err != nil {
					return err
				}
				return h.register(ctx, s, storage)
			})
			return err
		})
		if !ok || err != nil {
			return nil, false, err
		}
	}
	if q.Options.From != nil {
		if err := s.resume(ctx); err != nil {
			s.Close()
			return nil, false, err
		}
	}
	return s, true, nil
}

// register makes a subscription part of the hub; no commit on its table is under way.
func (h *Hub) register(ctx context.Context, s *Subscription, storage uint32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed()
	}
	t, last, err := h.capture(ctx, storage)
	if err != nil {
		return err
	}
	h.nextID++
	s.id = fmt.Sprintf("live-%d", h.nextID)
	s.created = time.Now()
	s.table, s.seq, s.from = t, last, last
	h.subs[s.id] = s
	t.add(s)
	return nil
}

// unregister removes a subscription.
func (h *Hub) unregister(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs[s.id] == s {
		delete(h.subs, s.id)
	}
}

// OnLeft has f called when the last live query that a user has of an ephemeral stream
// ends. It has to be quick. OnLeft is called before the hub is used.
func (h *Hub) OnLeft(f func(t *schema.Table, user string, at time.Time)) { h.left = f }

// Watched reports whether a user has live queries of an ephemeral stream, and since when
// without a break.
func (h *Hub) Watched(t *schema.Table, user string) (since time.Time, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.tables[t.StorageID()]
	if w == nil {
		return time.Time{}, false
	}
	l := w.users[user]
	return l.since, l.subs > 0
}

// Close ends all subscriptions with sqlerr.Closed. What they hold of the database is given
// back by Release, when none is in use any more.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	for _, s := range h.subs {
		h.end(errClosed(), s)
	}
	h.mu.Unlock()
	h.in.mu.Lock()
	h.in.closed = true
	h.in.mu.Unlock()
	h.in.running.Wait()
}

// Release is the second part of Close.
func (h *Hub) Release() {
	h.mu.Lock()
	list := make([]*Subscription, 0, len(h.subs))
	for _, s := range h.subs {
		list = append(list, s)
	}
	h.mu.Unlock()
	for _, s := range list {
		s.using.Lock()
		s.release()
		s.using.Unlock()
	}
}

// EndOf ends the subscriptions of an owner, a connector that is closed.
func (h *Hub) EndOf(owner any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.subs {
		if s.q.Owner == owner {
			h.end(errClosed(), s)
		}
	}
}

func errClosed() error { return sqlerr.Closed.New("the database is closed") }

// List returns the live queries, by when they were made.
func (h *Hub) List() []sqlmeta.LiveQuery {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]sqlmeta.LiveQuery, 0, len(h.subs))
	for _, s := range h.subs {
		if !s.off {
			list = append(list, s.info())
		}
	}
	slices.SortFunc(list, func(a, b sqlmeta.LiveQuery) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Kill ends a live query of a user to whom may says yes. That there are others' is not told.
func (h *Hub) Kill(id string, may func(user string) bool) error {
	h.mu.Lock()
	s := h.subs[id]
	if s == nil || s.off || !may(s.q.User) {
		h.mu.Unlock()
		return sqlerr.NoSuchLive.New("There is no live query '%s'", id)
	}
	h.end(sqlerr.LiveKilled.New("The live query was ended by KILL LIVE QUERY"), s)
	h.mu.Unlock()
	s.tidy()
	return nil
}

// EndUser ends the live queries of a user who is no more.
func (h *Hub) EndUser(user string) {
	h.mu.Lock()
	var list []*Subscription
	for _, s := range h.subs {
		if s.q.User == user && !s.off {
			list = append(list, s)
		}
	}
	h.end(sqlerr.LiveKilled.New("The live query was ended: user '%s' was dropped", user), list...)
	h.mu.Unlock()
	for _, s := range list {
		s.tidy()
	}
}

// maxWatchers is how many live queries an error names.
const maxWatchers = 5

// refuse returns sqlerr.TableWatched if live queries of a table are among those that
// which picks.
func (h *Hub) refuse(t *schema.Table, which func(*Subscription) bool, what string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	watched := h.tables[t.StorageID()]
	if watched == nil {
		return nil
	}
	var by []*Subscription
	watched.each(func(s *Subscription) {
		if which(s) {
			by = append(by, s)
		}
	})
	if len(by) == 0 {
		return nil
	}
	slices.SortFunc(by, func(a, b *Subscription) int {
		return cmp.Or(cmp.Compare(len(a.id), len(b.id)), cmp.Compare(a.id, b.id))
	})
	var names []string
	for _, s := range by[:min(len(by), maxWatchers)] {
		names = append(names, fmt.Sprintf("'%s' of user '%s'", s.id, s.q.User))
	}
	list := strings.Join(names, ", ")
	if n := len(by) - maxWatchers; n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	return sqlerr.TableWatched.New("Cannot %s: it is watched by live queries: %s", what, list).On(t.QualifiedName())
}

// Drop returns sqlerr.TableWatched if live queries watch a table.
func (h *Hub) Drop(t *schema.Table) error {
	what := fmt.Sprintf("drop table '%s'", t.QualifiedName())
	if err := h.pinned(t, what); err != nil {
		return err
	}
	return h.refuse(t, func(*Subscription) bool { return true }, what)
}

// Alter returns sqlerr.TableWatched if live queries watch a column that a new definition lacks
// or has otherwise.
func (h *Hub) Alter(old, new *schema.Table) error {
	if old.StorageID() != new.StorageID() {
		if err := h.pinned(old, fmt.Sprintf("rebuild table '%s'", old.QualifiedName())); err != nil {
			return err
		}
	}
	for i := range old.Columns {
		c := &old.Columns[i]
		n := slices.IndexFunc(new.Columns, func(o schema.Column) bool { return o.ID == c.ID })
		if n >= 0 && new.Columns[n].Type == c.Type && new.Columns[n].Generated == c.Generated {
			if !strings.EqualFold(new.Columns[n].Name, c.Name) {
				if err := h.named(old, c); err != nil {
					return err
				}
			}
			continue
		}
		what := fmt.Sprintf("drop or change column '%s' of table '%s'", c.Name, old.QualifiedName())
		err := h.pinned(old, what)
		if err == nil {
			err = h.refuse(old, func(s *Subscription) bool { return s.q.Plan.Watch.Watches(c.ID) }, what)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Gone ends the live queries of a table whose rows are kept under another number
// now, or not at all.
func (h *Hub) Gone(t *schema.Table) {
	name := t.QualifiedName()
	h.mu.Lock()
	if w := h.tables[t.StorageID()]; w != nil && w.keep > 0 {
		w.keep, w.idle = 0, time.Now()
	}
	h.mu.Unlock()
	h.endAll(t.StorageID(), sqlerr.ChangesGone.New("Table '%s' was rebuilt or replaced; subscribe afresh", name).On(name))
}
