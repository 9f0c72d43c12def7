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
	idle    time.Time           // since when it has had no subscription
	keep    time.Duration       // for how long changes are kept, by its options; 0: as others
	most    int64               // bytes of them; 0: as others
	users   map[string]listener // of an ephemeral stream
	pins    map[string]Pin
	touched []*Subscription // memory of dispatch
}

// listener is a user who has subscriptions of an ephemeral stream.
type listener struct {
	subs  int
	since time.Time
}

// Pin keeps the changes of a table for longer, whether anybody is subscribed or not. The
// table cannot be dropped, nor its columns changed, meanwhile.
type Pin struct {
	Retention time.Duration
	Bytes     int64
	Names     []uint32 // ids of columns that have to keep their names
}

// retention is for how long changes are kept, where others' are for so long.
func (t *table) retention(others time.Duration) time.Duration {
	d := cmp.Or(t.keep, others)
	for _, p := range t.pins {
		d = max(d, p.Retention)
	}
	return d
}

// room is how many bytes changes may take, where others' may take so many.
func (t *table) room(others int64) int64 {
	n := cmp.Or(t.most, others)
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
			t.users = map[string]listener{}
		}
		l := t.users[s.q.User]
		if l.subs++; l.subs == 1 {
			l.since = s.created
		}
		t.users[s.q.User] = l
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
		l := t.users[s.q.User]
		l.subs--
		t.users[s.q.User] = l
		if last = l.subs == 0; last {
			delete(t.users, s.q.User)
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

// all returns all subscriptions.
func (t *table) all() (list []*Subscription) {
	t.each(func(s *Subscription) { list = append(list, s) })
	return list
}

// dispatch gives changes, those of a commit's part of a number, to the subscriptions that
// they are for. It appends to begun those that got the first rows of a commit of which more
// follows, and returns those that may have ended.
func (t *table) dispatch(c *store.TableChanges, part uint32, begun *[]*Subscription) (touched []*Subscription) {
	touched = t.touched[:0]
	for _, g := range t.groups {
		rows, err := g.decoder.Decode(c)
		from := len(touched)
		if err != nil {
			g.index.each(func(s *Subscription) {
				s.fail(err)
				touched = append(touched, s)
			})
			continue
		}
		touched = g.index.match(rows, touched)
		for _, s := range touched[from:] {
			if s.offer(rows, s.hits, part, c.Part) {
				*begun = append(*begun, s)
			}
			s.hits = s.hits[:0]
		}
	}
	t.touched = touched
	return touched
}
