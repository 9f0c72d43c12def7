package live

import (
	"cmp"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
)

// table is a table whose changes are captured.
type table struct {
	storage uint32
	last    uint64 // the last commit on it that was dispatched
	groups  []*group
	subs    int
	idle    time.Time      // since when it has had no subscription
	keep    time.Duration  // for how long changes are kept, by its options; 0: as others
	most    int64          // bytes of them; 0: as others
	users   map[string]int // of an ephemeral stream: subscriptions of each user
	pins    map[string]Pin
}

// Pin keeps the changes of a table for longer, whether anybody is subscribed or not. The
// table cannot be dropped, nor its columns changed, meanwhile.
type Pin struct {
	Retention time.Duration
	Bytes     int64
}

// retention is for how long changes are kept, where others' are for so long.
func (t *table) retention(others time.Duration) time.Duration {
	d := cmp.Or(t.keep, others)
	for _, p := range t.pins {
		d = max(d, p.Retention)
	}
	return d
}

// room is how many bytes changes may take; 0: as others.
func (t *table) room() int64 {
	n := t.most
	for _, p := range t.pins {
		n = max(n, p.Bytes)
	}
	return n
}

// group is the subscriptions that know one definition of a table.
type group struct {
	def     *schema.Table
	columns []int // ordinals of the columns that they need, ascending
	decoder *store.ChangeDecoder
	index   index
	subs    int
}

// add adds a subscription.
func (t *table) add(s *Subscription) {
	w := s.q.Plan.Watch
	var g *group
	for _, other := range t.groups {
		if other.def == w.Table {
			g = other
		}
	}
	if g == nil {
		g = &group{def: w.Table}
		t.groups = append(t.groups, g)
	}
	if more := union(g.columns, s.columns); g.decoder == nil || len(more) > len(g.columns) {
		g.columns = more
		g.decoder = s.hub.db.ChangeDecoder(g.def, g.columns)
	}
	s.group = g
	g.subs++
	t.subs++
	if w.Table.Options.Ephemeral {
		if t.users == nil {
			t.users = map[string]int{}
		}
		t.users[s.q.User]++
	}
	g.index.add(s)
}

// union returns the numbers that are in a or b, ascending, as those are.
func union(a, b []int) []int {
	list := slices.Concat(a, b)
	slices.Sort(list)
	return slices.Compact(list)
}

// remove removes a subscription. It reports whether it was the user's last one of an
// ephemeral stream.
func (t *table) remove(s *Subscription) (last bool) {
	s.group.index.remove(s)
	if s.group.subs--; s.group.subs == 0 {
		t.groups = slices.DeleteFunc(t.groups, func(g *group) bool { return g == s.group })
	}
	if t.subs--; t.subs == 0 {
		t.idle = time.Now()
	}
	if s.group.def.Options.Ephemeral {
		if t.users[s.q.User]--; t.users[s.q.User] == 0 {
			delete(t.users, s.q.User)
			last = true
		}
	}
	return last
}

// each calls f with all subscriptions.
func (t *table) each(f func(*Subscription)) {
	for _, g := range t.groups {
		g.index.each(f)
	}
}

// dispatch gives changes to the subscriptions that they are for. touched is memory.
func (t *table) dispatch(c *store.TableChanges, touched []*Subscription) []*Subscription {
	if t.subs == 0 {
		return touched
	}
	if c.Rows == nil {
		t.each(func(s *Subscription) { s.miss(c.Seq) })
		return touched
	}
	for _, g := range t.groups {
		rows, err := g.decoder.Decode(c)
		if err != nil {
			g.index.each(func(s *Subscription) { s.fail(err) })
			continue
		}
		from := len(touched)
		touched = g.index.match(rows, touched)
		for _, s := range touched[from:] {
			s.offer(rows, s.hits)
			s.hits = s.hits[:0]
		}
	}
	return touched
}
