package store

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "seed of the metamorphic test; 0: from the clock")
	stepsFlag = flag.Int("steps", 400, "steps of the metamorphic test")
)

// A setup is a way to keep a database.
type setup struct {
	name string
	// open opens the database; the first time it is empty, then it must have
	// what it had.
	open func(t *testing.T) kv.DB
	// keep: closing would lose the data, so reopening leaves the kv.DB open.
	keep bool
	// restless: the database is opened anew after every commit.
	restless bool
	// pack: rows are packed, into segments of few, all the time.
	pack bool
	// load: rows that are appended are held back, and packed at once.
	load bool
}

// alone is a Locker for one who has the database alone.
type alone struct{}

func (alone) LockKey(context.Context, []byte, []byte, LockMode, bool) error { return nil }

func (alone) LockAlone(_ context.Context, _ uint32, user []byte, _ bool) (bool, error) {
	return len(user)%2 == 0, nil
}

func (alone) LockValues(context.Context, []byte, bool) error { return nil }

func (alone) Latest() bool { return true }

// setups returns the ways to keep a database that this build has.
func setups() []setup {
	var list []setup
	for _, how := range []setup{{}, {name: ", packing", pack: true}, {name: ", loading", pack: true, load: true}} {
		for _, s := range append(nativeSetups(), memSetup("mem", false), memSetup("mem, restless", true)) {
			s.name, s.pack, s.load = s.name+how.name, how.pack, how.load
			list = append(list, s)
		}
	}
	return list
}

func memSetup(name string, restless bool) setup {
	var store kv.DB
	return setup{name: name, keep: true, restless: restless, open: func(*testing.T) kv.DB {
		if store == nil {
			store = mem.Open()
		}
		return store
	}}
}

// TestMetamorphic runs one random history of operations under each setup and
// compares it with that of a model.
func TestMetamorphic(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for _, s := range setups() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			m := &machine{t: t, setup: s, r: rand.New(rand.NewPCG(seed, 0)), tables: randomTables()}
			m.reopen()
			for step := range *stepsFlag {
				if s.pack && m.r.IntN(5) == 0 {
					m.packAll()
				}
				if m.step(); t.Failed() {
					from := max(0, len(m.log)-25)
					t.Fatalf("step %d of seed %d; run again with -seed %[2]d -steps %d\n%s",
						step, seed, step+1, strings.Join(m.log[from:], "\n"))
				}
			}
			m.close()
		})
	}
}

// mTable is a table with the values its columns take.
type mTable struct {
	*schema.Table
	domains [][]types.Value
	users   []string
}

func randomTables() []*mTable {
	text := func(s ...string) []types.Value {
		var vs []types.Value
		for _, x := range s {
			vs = append(vs, types.NewString(x))
		}
		return vs
	}
	ints := func(from, to int64) []types.Value {
		var vs []types.Value
		for x := from; x <= to; x++ {
			vs = append(vs, types.NewInt(x))
		}
		return vs
	}
	null := types.Value{}
	shared := people(schema.Shared)
	emails := text("", "a", "a\x00", "b", "c", "d", "e", strings.Repeat("long", 200))
	notes := text("ann", "Ann", "ANN", "bob", "Bób", "")
	floats := []types.Value{null, types.NewFloat(0), types.NewFloat(-1), types.NewFloat(1e300), types.NewFloat(math.Inf(-1))}

	user := &schema.Table{ID: 1002, Namespace: "test", Name: "composite", Kind: schema.User, Version: 1,
		Columns: []schema.Column{
			{ID: 1, Name: "a", Type: types.Uint64Type},
			{ID: 5, Name: "n", Type: types.DecimalType(30, 2), NotNull: true},
			{ID: 3, Name: "b", Type: types.Float64Type},
			{ID: 9, Name: "name", Type: ciText, NotNull: true},
			{ID: 2, Name: "tiny", Type: types.Type{Kind: types.TinyInt, Size: -1}},
		},
		PrimaryKey: []int{3, 1},
		Indexes: []schema.Index{
			{ID: 1, Name: "ab", Columns: []int{0, 2}, Unique: true},
			{ID: 2, Name: "b_name", Columns: []int{2, 3}},
			{ID: 4, Name: "n", Columns: []int{1}, Unique: false},
		}}
	mixed := &schema.Table{ID: 1003, Namespace: "test", Name: "mixed", Kind: schema.Shared, Version: 1,
		Columns: []schema.Column{
			{ID: 1, Name: "a", Type: types.Int64Type, NotNull: true},
			{ID: 2, Name: "t", Type: types.TextType, NotNull: true},
			{ID: 3, Name: "ci", Type: ciText},
			{ID: 4, Name: "d", Type: types.DecimalType(30, 2)},
			{ID: 5, Name: "u", Type: types.TextType},
		},
		PrimaryKey: []int{0, 1}, PrimaryParts: []schema.Part{{Desc: true}, {Prefix: 2}},
		Indexes: []schema.Index{
			{ID: 1, Name: "d_a", Columns: []int{3, 0}, Parts: []schema.Part{{Desc: true}, {}}},
			{ID: 2, Name: "ci", Columns: []int{2, 1}, Parts: []schema.Part{{Prefix: 1, Desc: true}, {Desc: true}}},
			{ID: 3, Name: "u", Columns: []int{4, 3}, Parts: []schema.Part{{Prefix: 2}, {Desc: true}}, Unique: true},
			{ID: 5, Name: "t", Columns: []int{1}, Parts: []schema.Part{{Desc: true}}},
		}}
	words := text("", "b", "bc", "bcd", "b\x00", "Bó", "Bób", "óó", "óóó")
	return []*mTable{
		{mixed, [][]types.Value{ints(-2, 3), words, append(notes, null), {null, types.NewString("-1.00"), types.NewString("0.00"), types.NewString("10.50")},
			append(words, null)}, []string{""}},
		{shared, [][]types.Value{ints(-4, 40), append(emails, null, null, null, null, null, null, null, null), append(ints(0, 3), null), append(notes, null), floats}, []string{""}},
		{user, [][]types.Value{{null, types.NewUint(0), types.NewUint(math.MaxUint64), types.NewUint(7)},
			text("-12345678901234567890.50", "-1.00", "0.00", "0.50", "9.00", "10.00"), floats, notes, ints(-2, 2)},
			[]string{"", "u", "u\x00", "\xff"}},
	}
}

type mRow = []types.Value

// softStore is a Table with soft deletion.
type softStore interface {
	Table
	remove(_ context.Context, rows *types.Batch, keep bool) error
	Restore(context.Context, *types.Batch) (*Conflict, error)
	purge(_ context.Context, before time.Time, limit int) (int64, error)
}

// hidden is what a state's keys end with for the soft-deleted rows.
const hidden = "\x00 hidden"

// state is what the model says is in the database: rows by table and user.
type state map[string][]mRow

func (s state) clone() state {
	c := state{}
	for k, rows := range s {
		c[k] = slices.Clone(rows) // rows don't change
	}
	return c
}

// machine runs operations on a database and on the model.
type machine struct {
	t      *testing.T
	setup  setup
	r      *rand.Rand
	tables []*mTable
	log    []string

	db   *DB
	tx   *Tx
	open []*openScan

	committed, now state
	marks          []mark
}

type mark struct {
	m Mark
	s state
}

// openScan is a scan that goes on while others happen.
type openScan struct {
	s    Scanner
	ts   []types.Type
	want []string
}

func (m *machine) check(what string, err error) {
	if err != nil {
		m.t.Errorf("%s: %v", what, err)
	}
}

func (m *machine) close() {
	m.finishScans()
	if m.tx != nil {
		m.tx.Close()
	}
	switch {
	case m.db == nil:
	case m.setup.keep:
		m.db.wrote() // it gives its own snapshot back
	default:
		m.check("close", m.db.Close())
	}
}

func (m *machine) reopen() {
	m.close()
	var err error
	m.db, err = New(m.setup.open(m.t), Config{})
	if err != nil {
		m.t.Fatal(err)
	}
	if m.setup.pack {
		m.db.segments.rows = 2 + m.r.IntN(8)
		m.db.segments.page = 1 + m.r.IntN(40)
		m.db.segments.cache.budget = int64(m.r.IntN(8)) << 10
	}
	if m.committed == nil {
		m.committed = state{}
	}
	m.begin()
}

func (m *machine) begin() {
	var err error
	if m.tx, err = m.db.Begin(); err != nil {
		m.t.Fatal(err)
	}
	m.now, m.marks = m.committed.clone(), nil
	if m.setup.load {
		m.tx.SetLocker(alone{})
		m.db.segments.appendFrom = 1 + m.r.IntN(6)
	}
}

func (m *machine) step() {
	tab := m.tables[m.r.IntN(len(m.tables))]
	user := tab.users[m.r.IntN(len(tab.users))]
	key := tab.Name + "\x00" + user
	var store softStore
	if tab.Kind == schema.User {
		store = m.tx.User(tab.Table, user)
	} else {
		store = m.tx.Shared(tab.Table)
	}
	switch n := m.r.IntN(100); {
	case n < 25:
		m.insert(tab, store, key)
	case n < 37:
		m.update(tab, store, key)
	case n < 45:
		m.delete(tab, store, key)
	case n < 47:
		m.say("delete all of %q", key)
		m.check("DeleteAll", store.DeleteAll(ctx))
		delete(m.now, key)
		delete(m.now, key+hidden)
	case n < 48:
		m.restore(tab, store, key)
	case n < 49:
		m.say("purge %q", key)
		_, err := store.purge(ctx, time.Now().Add(time.Hour), math.MaxInt)
		m.check("purge", err)
		delete(m.now, key+hidden)
	case n < 82:
		m.scan(tab, store, key)
	case n < 87:
		m.say("mark")
		m.marks = append(m.marks, mark{m.tx.Mark(), m.now.clone()})
	case n < 90:
		if len(m.marks) > 0 {
			i := m.r.IntN(len(m.marks))
			m.say("roll back to mark %d", i)
			m.tx.RollbackTo(m.marks[i].m)
			m.now, m.marks = m.marks[i].s.clone(), m.marks[:i+1]
		}
	case n < 96:
		m.say("commit")
		m.check("Commit", m.tx.Commit(ctx, NoSync, nil))
		m.committed = m.now.clone()
		m.marks = nil
		if m.setup.restless {
			m.reopen()
		} else {
			m.check("Refresh", m.tx.Refresh())
		}
	case n < 98:
		m.say("abort")
		m.tx.Close()
		m.begin()
	default:
		m.say("reopen")
		m.reopen()
	}
}

func (m *machine) say(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *machine) randomRow(t *mTable) mRow {
	row := make(mRow, len(t.Columns))
	for c, d := range t.domains {
		row[c] = d[m.r.IntN(len(d))]
	}
	return row
}

// result describes what a write did.
func result(row int, index string, existing mRow) string {
	if index == "" {
		return "done"
	}
	return fmt.Sprintf("row %d: %s has %s", row, index, showRow(existing))
}

func (m *machine) written(what string, c *Conflict, err error, want string) {
	m.check(what, err)
	got := "done"
	if c != nil {
		name := "PRIMARY"
		if c.Index != nil {
			name = c.Index.Name
		}
		got = result(c.Row, name, c.Existing)
	}
	m.say("%s: %s", what, got)
	if got != want {
		m.t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func (m *machine) insert(t *mTable, store Table, key string) {
	var rows []mRow
	for range 1 + m.r.IntN(4) {
		rows = append(rows, m.randomRow(t))
	}
	if m.r.IntN(4) == 0 { // as rows are appended
		for range 12 {
			rows = append(rows, m.randomRow(t))
		}
		compare := func(a, b mRow) int { return compareBy(t, primaryKey(t), a, b) }
		slices.SortFunc(rows, compare)
		rows = slices.CompactFunc(rows, func(a, b mRow) bool { return compare(a, b) == 0 })
	}
	b := types.NewBatch(t.Types())
	for _, row := range rows {
		b.AppendRow(row)
	}
	want := "done"
	for i := range b.Len {
		row := b.Row(i, nil)
		if name, held := taken(t, m.now[key], row); held != nil {
			want = result(i, name, held)
			break
		}
		m.now[key] = append(m.now[key], row)
	}
	c, err := store.Insert(ctx, b)
	m.written(fmt.Sprintf("insert into %q: %s", key, showBatch(b)), c, err, want)
}

func (m *machine) update(t *mTable, store Table, key string) {
	old, new := types.NewBatch(t.Types()), types.NewBatch(t.Types())
	for _, i := range m.some(len(m.now[key])) {
		old.AppendRow(m.now[key][i])
		row := slices.Clone(m.now[key][i])
		other := m.randomRow(t)
		for c := range row {
			if m.r.IntN(3) == 0 {
				row[c] = other[c]
			}
		}
		new.AppendRow(row)
	}
	want := "done"
	for i := range new.Len {
		row := new.Row(i, nil)
		at := slices.IndexFunc(m.now[key], func(r mRow) bool { return compareBy(t, primaryKey(t), r, old.Row(i, nil)) == 0 })
		rest := slices.Delete(slices.Clone(m.now[key]), at, at+1)
		if name, held := taken(t, rest, row); held != nil {
			want = result(i, name, held)
			break
		}
		m.now[key] = append(rest, row)
	}
	c, err := store.Update(ctx, old, new)
	m.written(fmt.Sprintf("update %q: %s to %s", key, showBatch(old), showBatch(new)), c, err, want)
}

func (m *machine) delete(t *mTable, store softStore, key string) {
	b := types.NewBatch(t.Types())
	gone := m.some(len(m.now[key]))
	for _, i := range gone {
		b.AppendRow(m.now[key][i])
	}
	var left []mRow
	for i, row := range m.now[key] {
		if !slices.Contains(gone, i) {
			left = append(left, row)
		}
	}
	m.now[key] = left
	if m.r.IntN(2) == 0 {
		m.say("delete from %q: %s", key, showBatch(b))
		m.check("Delete", store.Delete(ctx, b))
		return
	}
	m.say("hide from %q: %s", key, showBatch(b))
	m.check("remove", store.remove(ctx, b, true))
	// A row hidden before under the same key gives way.
	for i := range b.Len {
		row := b.Row(i, nil)
		m.now[key+hidden] = append(slices.DeleteFunc(slices.Clone(m.now[key+hidden]), func(r mRow) bool {
			return compareBy(t, primaryKey(t), r, row) == 0
		}), row)
	}
}

// restore brings hidden rows back, as long as their keys are free.
func (m *machine) restore(t *mTable, store softStore, key string) {
	b := types.NewBatch(t.Types())
	for _, i := range m.some(len(m.now[key+hidden])) {
		b.AppendRow(m.now[key+hidden][i])
	}
	want := "done"
	for i := range b.Len {
		row := b.Row(i, nil)
		if name, held := taken(t, m.now[key], row); held != nil {
			want = result(i, name, held)
			break
		}
		m.now[key] = append(m.now[key], row)
		m.now[key+hidden] = slices.DeleteFunc(slices.Clone(m.now[key+hidden]), func(r mRow) bool {
			return compareBy(t, primaryKey(t), r, row) == 0
		})
	}
	c, err := store.Restore(ctx, b)
	m.written(fmt.Sprintf("restore in %q: %s", key, showBatch(b)), c, err, want)
}

// some returns a few different numbers below n, in any order.
func (m *machine) some(n int) []int {
	p := m.r.Perm(n)
	return p[:min(n, m.r.IntN(4))]
}

func (m *machine) scan(t *mTable, store Table, key string) {
	var req ScanRequest
	columns := primaryKey(t)
	if n := m.r.IntN(len(t.Indexes) + 2); n > len(t.Indexes) {
		req.Deleted = true
		key += hidden
	} else if n > 0 {
		req.Index = &t.Indexes[n-1]
		columns, _ = t.Key(req.Index)
	}
	for c := range t.Columns {
		if m.r.IntN(2) == 0 {
			req.Columns = append(req.Columns, c)
		}
	}
	m.r.Shuffle(len(req.Columns), func(i, j int) { req.Columns[i], req.Columns[j] = req.Columns[j], req.Columns[i] })
	req.Reverse = m.r.IntN(3) == 0
	if m.r.IntN(3) == 0 {
		req.Limit = 1 + m.r.IntN(4)
	}
	req.Ranges = m.randomRanges(t, columns)

	rows := slices.Clone(m.now[key])
	slices.SortFunc(rows, func(a, b mRow) int { return compareBy(t, columns, a, b) })
	var want []string
	for _, r := range rows {
		in := req.Ranges == nil
		for _, kr := range req.Ranges {
			in = in || within(t, columns, r, kr)
		}
		if in {
			var out mRow
			for _, c := range req.Columns {
				out = append(out, r[c])
			}
			want = append(want, showRow(out))
		}
	}
	if req.Reverse {
		slices.Reverse(want)
	}
	name := "PRIMARY"
	if req.Index != nil {
		name = req.Index.Name
	}
	m.say("scan of %q by %s %v, columns %v, reverse %v, limit %d: %q", key, name, showRanges(req.Ranges), req.Columns, req.Reverse, req.Limit, want)
	s := &openScan{store.Scan(req), typesOf(t.Table, req.Columns), want}
	if req.Limit == 0 && m.r.IntN(4) == 0 {
		m.open = append(m.open, s)
		return
	}
	m.finish(s, req.Limit)
}

func (m *machine) finishScans() {
	for _, s := range m.open {
		m.finish(s, 0)
	}
	m.open = nil
}

// finish reads a scan to its end; with a limit it may return more rows.
func (m *machine) finish(s *openScan, limit int) {
	got, err := rows(s.s, s.ts)
	m.check("scan", err)
	want := s.want
	if limit > 0 && len(want) > limit && len(got) >= limit && len(got) <= len(want) {
		want = want[:len(got)]
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("scan: got %q, want %q", got, want)
	}
}

// randomRanges returns nil, or a few ranges in order that don't overlap.
func (m *machine) randomRanges(t *mTable, columns []schema.KeyColumn) []KeyRange {
	if m.r.IntN(4) == 0 {
		return nil
	}
	bound := func(n int) []types.Value {
		row := m.randomRow(t)
		var vs []types.Value
		for _, c := range columns[:n] {
			vs = append(vs, row[c.Column])
		}
		return vs
	}
	if m.r.IntN(3) == 0 { // single keys, whole or not
		n := 1 + m.r.IntN(len(columns))
		var points [][]types.Value
		for range m.r.IntN(5) {
			points = append(points, bound(n))
		}
		compare := func(a, b []types.Value) int { return comparePrefix(t, columns, a, b) }
		slices.SortFunc(points, compare)
		points = slices.CompactFunc(points, func(a, b []types.Value) bool { return compare(a, b) == 0 })
		ranges := []KeyRange{}
		for _, p := range points {
			ranges = append(ranges, KeyRange{Low: p, High: p})
		}
		return ranges
	}
	r := KeyRange{LowExclusive: m.r.IntN(2) == 0, HighExclusive: m.r.IntN(2) == 0}
	if m.r.IntN(3) > 0 {
		r.Low = bound(1 + m.r.IntN(len(columns)))
	}
	if m.r.IntN(3) > 0 {
		r.High = bound(1 + m.r.IntN(len(columns)))
	}
	return []KeyRange{r}
}
