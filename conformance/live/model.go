package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// row is a row of the tables m and u. v is another number in every version of every
// row, so that a version tells which transaction wrote it.
type row struct {
	ID   int64
	Room *int64
	V    int64
	S    string
}

func (r row) String() string {
	room := "NULL"
	if r.Room != nil {
		room = fmt.Sprint(*r.Room)
	}
	return fmt.Sprintf("(%d, %s, %d, %s)", r.ID, room, r.V, r.S)
}

func equal(a, b row) bool { return a.String() == b.String() }

// contents are a table's rows, by id.
type contents map[int64]row

func (c contents) diff(other contents) string {
	ids := slices.Sorted(maps.Keys(c))
	for id := range other {
		if _, ok := c[id]; !ok {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		a, in := c[id]
		b, inOther := other[id]
		if in != inOther || !equal(a, b) {
			return fmt.Sprintf("row %d: %v (%v), want %v (%v)", id, a, in, b, inOther)
		}
	}
	return ""
}

// watch is a live query, and what tells whether a row is one of its.
type watch struct {
	name  string
	table string // "m" or "u"
	user  string
	where string
	args  []any
	has   func(row) bool
}

// query returns the live query's text. It also shows an expression, which the reader
// compares with what it has to be.
func (w *watch) query() string {
	q := "SELECT id, room, v, s, CONCAT(id + 1, UPPER(s)) FROM " + w.table
	if w.where != "" {
		q += " WHERE " + w.where
	}
	return q
}

func (w *watch) of(all contents) contents {
	some := contents{}
	for id, r := range all {
		if w.has(r) {
			some[id] = r
		}
	}
	return some
}

const rooms = 4

// newWatch returns number n of the kinds of live queries, of which number 0 has all rows.
func newWatch(rnd *rand.Rand, n int, table, user string) *watch {
	w := &watch{table: table, user: user}
	a, b := rnd.Int64N(rooms), rnd.Int64N(rooms)
	in := func(r row, room int64) bool { return r.Room != nil && *r.Room == room }
	switch n % 9 {
	case 0:
		w.has = func(row) bool { return true }
	case 1:
		w.where, w.args, w.has = "room = ?", []any{a}, func(r row) bool { return in(r, a) }
	case 2:
		w.where, w.has = "room IS NULL", func(r row) bool { return r.Room == nil }
	case 3:
		w.where, w.args, w.has = "v % 3 = ?", []any{a % 3}, func(r row) bool { return r.V%3 == a%3 }
	case 4:
		w.where, w.args, w.has = "room = ? AND id < ?", []any{a, b * 5}, func(r row) bool { return in(r, a) && r.ID < b*5 }
	case 5:
		w.where, w.args, w.has = "s = ?", []any{"ÄB"}, func(r row) bool { return strings.EqualFold(r.S, "ab") }
	case 6:
		w.where, w.args, w.has = "room > ?", []any{a}, func(r row) bool { return r.Room != nil && *r.Room > a }
	case 7:
		w.where, w.args, w.has = "room IN (?, ?)", []any{a, b}, func(r row) bool { return in(r, a) || in(r, b) }
	case 8:
		w.where, w.args, w.has = "NOT (room <=> ?) OR id = ?", []any{a, b}, func(r row) bool { return !in(r, a) || r.ID == b }
	}
	w.name = strings.TrimSpace(fmt.Sprintf("%s%s %s %v", table, user, w.where, w.args))
	return w
}

// event is what a reader got.
type event struct {
	Seq  uint64
	Kind string
	Row  row
	Old  *row
}

// session is what a reader got without beginning afresh: rows that were there, then
// changes.
type session struct {
	watch   *watch
	first   uint64 // the number that rows had which were there
	initial contents
	events  []event
	began   bool // a change came: all that was there is in initial
}

// add takes an event.
func (s *session) add(e event) error {
	if e.Kind == "initial" {
		if s.began {
			return fmt.Errorf("%s: a row that was there after changes: %v", s.watch.name, e.Row)
		}
		if e.Seq != s.first {
			return fmt.Errorf("%s: a row that was there has number %d, not %d", s.watch.name, e.Seq, s.first)
		}
		if old, twice := s.initial[e.Row.ID]; twice {
			return fmt.Errorf("%s: two rows that were there: %v, %v", s.watch.name, old, e.Row)
		}
		s.initial[e.Row.ID] = e.Row
		return nil
	}
	if n := len(s.events); n > 0 && s.events[n-1].Seq > e.Seq || e.Seq <= s.first {
		return fmt.Errorf("%s: change %d is out of order", s.watch.name, e.Seq)
	}
	s.began = true
	s.events = append(s.events, e)
	return nil
}

// rewind forgets the changes of the last commit, which may be incomplete, and returns
// the number to go on after; false: it has to begin afresh.
func (s *session) rewind() (uint64, bool) {
	n := len(s.events)
	if n == 0 {
		return 0, false
	}
	last := s.events[n-1].Seq
	for n > 0 && s.events[n-1].Seq == last {
		n--
	}
	s.events = s.events[:n]
	if n > 0 {
		return s.events[n-1].Seq, true
	}
	return s.first, true
}

// apply makes a change to what the session has.
func (s *session) apply(now contents, e event) error {
	was, had := now[e.Row.ID]
	bad := func(what string) error {
		return fmt.Errorf("%s: change %d: %s of %v: %s (it had %v)", s.watch.name, e.Seq, e.Kind, e.Row, what, was)
	}
	switch {
	case e.Kind == "insert" && had:
		return bad("it was there")
	case e.Kind != "insert" && !had:
		return bad("it was not there")
	case e.Kind != "insert" && (e.Old == nil || !equal(*e.Old, was)):
		return bad(fmt.Sprintf("before it is said to be %v", e.Old))
	case e.Kind == "delete" && !equal(e.Row, was):
		return bad("it is another row")
	}
	if e.Kind == "delete" {
		delete(now, e.Row.ID)
	} else {
		now[e.Row.ID] = e.Row
	}
	return nil
}

// now returns what the session has by now.
func (s *session) now() (contents, error) {
	now := maps.Clone(s.initial)
	for _, e := range s.events {
		if err := s.apply(now, e); err != nil {
			return nil, err
		}
	}
	return now, nil
}

// moment is what a table had from a commit on.
type moment struct {
	seq uint64
	all contents
}

// timeline is what a table had, in order.
type timeline []moment

// timelineOf makes the timeline of a table from a session that has all rows.
func timelineOf(s *session) (timeline, error) {
	now := maps.Clone(s.initial)
	line := timeline{{s.first, maps.Clone(now)}}
	for i, e := range s.events {
		if err := s.apply(now, e); err != nil {
			return nil, err
		}
		if i+1 == len(s.events) || s.events[i+1].Seq != e.Seq {
			line = append(line, moment{e.Seq, maps.Clone(now)})
		}
	}
	return line, nil
}

// check compares what a session has with what it should have, at every commit; up to the
// last one, if it was read to the end, else until it was left, which may have been in the
// middle of something.
func (s *session) check(line timeline, whole bool) error {
	if !whole {
		if _, ok := s.rewind(); !ok {
			return nil
		}
	}
	at := 0
	for at+1 < len(line) && line[at+1].seq <= s.first {
		at++
	}
	now := maps.Clone(s.initial)
	compare := func() error {
		if d := now.diff(s.watch.of(line[at].all)); d != "" {
			return fmt.Errorf("%s, which began at %d, at change %d: %s", s.watch.name, s.first, line[at].seq, d)
		}
		return nil
	}
	if err := compare(); err != nil {
		return err
	}
	for i := 0; i < len(s.events); {
		seq := s.events[i].Seq
		for at+1 < len(line) && line[at+1].seq < seq {
			at++
			if err := compare(); err != nil {
				return err
			}
		}
		if at+1 == len(line) || line[at+1].seq != seq {
			return fmt.Errorf("%s: there is no commit %d", s.watch.name, seq)
		}
		at++
		for ; i < len(s.events) && s.events[i].Seq == seq; i++ {
			if err := s.apply(now, s.events[i]); err != nil {
				return err
			}
		}
		if err := compare(); err != nil {
			return err
		}
	}
	for whole && at+1 < len(line) {
		at++
		if err := compare(); err != nil {
			return err
		}
	}
	return nil
}
