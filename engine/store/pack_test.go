package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/store/segment"
	"github.com/kalamgo/kalam/engine/types"
)

// packTable packs all of a table that o says is worth it.
func packTable(t testing.TB, db *DB, tab *schema.Table, o PackOptions) Packed {
	t.Helper()
	var done Packed
	for from, n := []byte(nil), 0; ; n++ {
		next, err := db.Pack(ctx, tab, from, o, &done)
		if err != nil {
			t.Fatal(err)
		}
		if next == nil {
			return done
		}
		if bytes.Compare(next, from) <= 0 || n > 10000 {
			t.Fatalf("packing goes on at %x after %x", next, from)
		}
		from = next
	}
}

// packAll packs the tables.
func (m *machine) packAll() {
	o := PackOptions{MinRows: 1 + m.r.IntN(3), MaxShadow: m.r.IntN(3) * 20}
	for _, tab := range m.tables {
		if m.r.IntN(2) == 0 {
			done := packTable(m.t, m.db, tab.Table, o)
			m.say("pack %s %+v: %+v", tab.Name, o, done)
		}
	}
	checkSegments(m.t, m.db)
	m.checkCommitted()
}

// checkCommitted compares all that is committed with the model.
func (m *machine) checkCommitted() {
	tx, err := m.db.Begin()
	if err != nil {
		m.t.Fatal(err)
	}
	defer tx.Close()
	for _, tab := range m.tables {
		for _, user := range tab.users {
			table, req := tx.Rows(tab.Table, user), ScanRequest{Columns: tx.db.layout(tab.Table).allColumns()}
			parts, err := table.Parts(req, 1+m.r.IntN(4))
			m.check("parts", err)
			if len(parts) == 0 {
				parts = make([]Part, 1)
			}
			var got []string
			for _, req.Part = range parts {
				some, err := rows(table.Scan(req), tab.Types())
				m.check("scan", err)
				got = append(got, some...)
			}
			var want []string
			model := slices.Clone(m.committed[tab.Name+"\x00"+user])
			slices.SortFunc(model, func(a, b mRow) int { return compareBy(tab, primaryKey(tab), a, b) })
			for _, r := range model {
				want = append(want, showRow(r))
			}
			if !slices.Equal(got, want) {
				m.t.Errorf("committed rows of %s, user %q: got %q, want %q", tab.Name, user, got, want)
			}
		}
	}
}

// checkSegments checks what holds of segments at any time.
func checkSegments(t *testing.T, db *DB) {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	// The directory in memory is that on disk.
	again := &DB{kv: db.kv}
	if err := again.loadSegments(ctx); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(again.segments.dir)), slices.Sorted(maps.Keys(tx.snap.dir))) {
		t.Fatalf("segments of tables %v, in memory of %v", maps.Keys(again.segments.dir), maps.Keys(tx.snap.dir))
	}
	blocks := map[string]bool{}
	for table, runs := range tx.snap.dir {
		disk := again.segments.dir[table]
		if len(disk) != len(runs) {
			t.Fatalf("%d segments on disk, %d in memory", len(disk), len(runs))
		}
		for i, r := range runs {
			if !bytes.Equal(r.from, disk[i].from) || !bytes.Equal(r.to, disk[i].to) || r.size != disk[i].size {
				t.Fatalf("segment %x to %x of %d bytes on disk is %x to %x of %d bytes in memory", disk[i].from, disk[i].to, disk[i].size, r.from, r.to, r.size)
			}
			if bytes.Compare(r.from, r.to) > 0 || i > 0 && bytes.Compare(runs[i-1].to, r.from) >= 0 {
				t.Fatalf("segment from %x to %x is out of order", r.from, r.to)
			}
			_ = r.eachBlock(table, func(_, _ int, key []byte) error {
				blocks[string(key)] = true
				return nil
			})
		}
	}
	err = eachPair(ctx, tx, kv.Data, nil, func(key, value []byte) error {
		if isRow(key) && isGone(value) && find(tx.snap.dir[binary.BigEndian.Uint32(key)], key) == nil {
			t.Errorf("key %x is gone, but no segment covers it", key)
		}
		if binary.BigEndian.Uint32(key[4:]) == segmentBlocks {
			if !blocks[string(key)] {
				t.Errorf("block %x is of no segment", key)
			}
			delete(blocks, string(key))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for k := range blocks {
		t.Errorf("block %x is not there", k)
	}
}

// TestPackWhileWritten packs a table all the time while it is written and read. Whoever
// has a snapshot must see each row once, as it was then, whatever is packed meanwhile.
func TestPackWhileWritten(t *testing.T) {
	t.Parallel()
	for _, kind := range []schema.TableKind{schema.Shared, schema.User} {
		for _, s := range append([]setup{memSetup("mem", false)}, nativeSetups()[:min(1, len(nativeSetups()))]...) {
			t.Run(fmt.Sprint(kind, " ", s.name), func(t *testing.T) {
				t.Parallel()
				db, err := New(s.open(t), Config{SegmentRows: 16, SegmentBytes: 1 << 14})
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				packWhileWritten(t, db, people(kind))
			})
		}
	}
}

func packWhileWritten(t *testing.T, db *DB, tab *schema.Table) {
	const steps, most = 120, 300
	var mu sync.Mutex // over a commit and what the model then is
	model := map[int64]mRow{}
	var end atomic.Bool
	var others sync.WaitGroup
	others.Go(func() {
		r := rand.New(rand.NewPCG(1, 1))
		for !end.Load() {
			packTable(t, db, tab, PackOptions{MinRows: 1 + r.IntN(20), MaxShadow: r.IntN(50)})
		}
	})
	for n := range 2 {
		others.Go(func() {
			r := rand.New(rand.NewPCG(2, uint64(n)))
			for !end.Load() && !t.Failed() {
				mu.Lock()
				tx, err := db.Begin()
				seen := maps.Clone(model)
				mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					readPacked(t, r, tx.Rows(tab, "u"), seen)
				}
				tx.Close()
			}
		})
	}
	r := rand.New(rand.NewPCG(3, 3))
	row := func(id int64) mRow {
		return mRow{types.NewInt(id), types.Value{}, types.NewInt(r.Int64N(1000)), types.NewString(fmt.Sprint("note ", r.IntN(9))), types.NewFloat(r.Float64())}
	}
	for range steps {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		store, next := tx.Rows(tab, "u"), maps.Clone(model)
		for range 1 + r.IntN(3) {
			old, new := types.NewBatch(tab.Types()), types.NewBatch(tab.Types())
			switch from := r.Int64N(most); r.IntN(3) {
			case 0:
				for id := from; id < from+r.Int64N(60); id++ {
					if next[id] == nil {
						next[id] = row(id)
						new.AppendRow(next[id])
					}
				}
				_, err = store.Insert(ctx, new)
			case 1:
				for id := from; id < from+r.Int64N(20); id++ {
					if next[id] != nil {
						old.AppendRow(next[id])
						next[id] = row(id)
						new.AppendRow(next[id])
					}
				}
				_, err = store.Update(ctx, old, new)
			default:
				for id := from; id < from+r.Int64N(40); id++ {
					if next[id] != nil {
						old.AppendRow(next[id])
						delete(next, id)
					}
				}
				err = store.Delete(ctx, old)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		readPacked(t, r, store, next)
		mu.Lock()
		err = tx.Commit(ctx, NoSync, nil)
		model = next
		mu.Unlock()
		tx.Close()
		if err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			break
		}
	}
	end.Store(true)
	others.Wait()
	checkSegments(t, db)
	if problems := check(t, db, tab, CheckOptions{Extended: true}); problems != "" {
		t.Error(problems)
	}
}

// readPacked reads some rows of a table in one of the ways there are and compares them
// with the model.
func readPacked(t *testing.T, r *rand.Rand, tab Table, model map[int64]mRow) {
	req := ScanRequest{Columns: []int{0, 2, 3, 4}, Reverse: r.IntN(2) == 0}
	low, high := r.Int64N(300), int64(1000)
	in := func(id int64) bool { return id >= low && id < high }
	switch r.IntN(4) {
	case 0:
		low = 0
	case 1:
		high = low + r.Int64N(100)
		req.Ranges = []KeyRange{{Low: []types.Value{types.NewInt(low)}, High: []types.Value{types.NewInt(high)}, HighExclusive: true}}
	case 2:
		wanted := map[int64]bool{}
		req.Ranges = []KeyRange{}
		for id := low; id < high; id += 1 + r.Int64N(20) {
			key := []types.Value{types.NewInt(id)}
			req.Ranges, wanted[id] = append(req.Ranges, KeyRange{Low: key, High: key}), true
		}
		in = func(id int64) bool { return wanted[id] }
	default:
		low = 0
		req.Index = &tab.Schema().Indexes[1]
	}
	every := int64(1)
	if r.IntN(2) == 0 {
		every = []int64{1, 2, 3, 40}[r.IntN(4)]
		req.Filter = everyID(every)
	}
	got, err := rows(tab.Scan(req), typesOf(tab.Schema(), req.Columns))
	if err != nil {
		t.Error(err)
		return
	}
	var want []string
	for id, row := range model {
		if in(id) && id%every == 0 {
			want = append(want, showRow(mRow{row[0], row[2], row[3], row[4]}))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("scan %v reverse %v, every %d: got %d rows %q, want %d %q", showRanges(req.Ranges), req.Reverse, every, len(got), got, len(want), want)
	}
}

// everyID is a RowFilter of rows whose first column is a multiple of a number.
type everyID int64

func (everyID) Reads() []int { return []int{0} }

func (f everyID) Select(b *types.Batch, sel []int32) ([]int32, error) {
	for i, id := range b.Columns[0].Int64s[:b.Len] {
		if id%int64(f) == 0 {
			sel = append(sel, int32(i))
		}
	}
	return sel, nil
}

// packedPeople returns a database with a packed table of some users and rows over it.
func packedPeople(t *testing.T, tab *schema.Table) *DB {
	t.Helper()
	db, err := New(mem.Open(), Config{SegmentRows: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for n := range 2 {
		tx := begin(t, db)
		for _, user := range []string{"u1", "u2"} {
			b := types.NewBatch(tab.Types())
			for i := range 50 {
				if i%10 == 5 == (n == 1) {
					b.AppendRow(mRow{types.NewInt(int64(i)), types.NewString(fmt.Sprint("mail", i)), types.NewInt(int64(i)), types.NewString("n"), {}})
				}
			}
			mustInsert(t, tx.Rows(tab, user), b)
			if n == 1 {
				if err := tx.Rows(tab, user).Delete(ctx, b.Slice(0, 2)); err != nil {
					t.Fatal(err)
				}
			}
			if tab.Kind == schema.Shared {
				break
			}
		}
		commit(t, tx)
		tx.Close()
		if n == 0 {
			packTable(t, db, tab, PackOptions{MinRows: 1})
		}
	}
	return db
}

// again opens what db lies in anew, as after a crash.
func again(t *testing.T, db *DB) (*DB, error) {
	db.wrote() // it gives its own snapshot back
	db, err := New(db.kv, Config{SegmentRows: 10})
	if err == nil {
		t.Cleanup(db.wrote)
	}
	return db, err
}

// contents returns the rows of a table.
func contents(t *testing.T, db *DB, tab *schema.Table) []string {
	t.Helper()
	tx := begin(t, db)
	defer tx.Close()
	var all []string
	for _, user := range []string{"u1", "u2"} {
		got, err := rows(tx.Rows(tab, user).Scan(ScanRequest{Columns: tx.db.layout(tab).allColumns()}), tab.Types())
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, got...); tab.Kind == schema.Shared {
			break
		}
	}
	return all
}

func TestCopyPacked(t *testing.T) {
	t.Parallel()
	for _, kind := range []schema.TableKind{schema.Shared, schema.User} {
		tab := people(kind)
		db := packedPeople(t, tab)
		want := contents(t, db, tab)
		tx := begin(t, db)
		for _, to := range []*DB{db, newDB(t)} {
			other := *tab
			other.ID = 77
			if err := CopyTable(ctx, tx, tab, to, other.ID, nil); err != nil {
				t.Fatal(err)
			}
			if got := contents(t, to, &other); !slices.Equal(got, want) {
				t.Errorf("copied %q, want %q", got, want)
			}
			checkSegments(t, to)
			if problems := check(t, to, &other, CheckOptions{Extended: true}); problems != "" {
				t.Error(problems)
			}
			if err := Abandon(ctx, to, other.ID); err != nil {
				t.Fatal(err)
			}
			if got := contents(t, to, &other); len(got) > 0 {
				t.Errorf("%q is left of a copy that was given up", got)
			}
			checkSegments(t, to)
		}
		tx.Close()
	}
}

// TestDamagedSegments damages segments behind the store's back: a check has to find
// it, reads have to fail, and a repair has to leave a table that is whole.
func TestDamagedSegments(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, want string
		plant      func(b *kv.Batch, r *packedRun, block []byte)
	}{
		{"block", "a block of column number 3 is damaged", func(b *kv.Batch, r *packedRun, block []byte) {
			block[len(block)/2] ^= 1
			b.Put(kv.Data, r.blockKey(r.table, 3, 0), block)
		}},
		{"lost block", "a block of column number 3 is lost", func(b *kv.Batch, r *packedRun, _ []byte) {
			b.Delete(kv.Data, r.blockKey(r.table, 3, 0))
		}},
		{"record", "The record of a segment can't be read", func(b *kv.Batch, r *packedRun, _ []byte) {
			b.Put(kv.Meta, r.recordKey(), []byte("x"))
		}},
		{"stray block", "There is a block that no segment has", func(b *kv.Batch, r *packedRun, block []byte) {
			b.Put(kv.Data, r.blockKey(r.table, 99, 0), block)
		}},
		{"keys", "its rows are out of order", func(b *kv.Batch, r *packedRun, _ []byte) {
			v := types.NewVector(types.Int64Type, r.rec.Rows)
			for i := range r.rec.Rows {
				v.AppendInt(int64(100 - i))
			}
			rec := *r.rec
			rec.Columns = slices.Clone(rec.Columns)
			block := segment.Append(nil, v)
			rec.Columns[0].Size = len(block)
			rec.Columns[0].Min, rec.Columns[0].Max = segment.Bounds(v)
			b.Put(kv.Data, r.blockKey(r.table, 1, 0), block)
			b.Put(kv.Meta, r.recordKey(), rec.Append(nil))
		}},
	} {
		for _, kind := range []schema.TableKind{schema.Shared, schema.User} {
			t.Run(fmt.Sprint(test.name, " ", kind), func(t *testing.T) {
				t.Parallel()
				tab := people(kind)
				db := packedPeople(t, tab)
				r := db.segments.dir[tab.ID][1]
				tx := begin(t, db)
				block, _, err := tx.Get(ctx, kv.Data, r.blockKey(r.table, 3, 0))
				tx.Close()
				if err != nil {
					t.Fatal(err)
				}
				var b kv.Batch
				test.plant(&b, r, block)
				if err := db.write(ctx, &b, NoSync); err != nil {
					t.Fatal(err)
				}
				db, err = again(t, db)
				if err != nil {
					t.Fatal(err)
				}
				if got := check(t, db, tab, CheckOptions{}); !strings.Contains(got, test.want) {
					t.Errorf("a check finds %q", got)
				}
				tx = begin(t, db)
				stray := test.name == "stray block"
				if test.name != "keys" {
					_, err = rows(tx.Rows(tab, "u1").Scan(ScanRequest{Columns: []int{2}}), typesOf(tab, []int{2}))
					if (err == nil) != stray || err != nil && !errors.Is(err, sqlerr.Corrupt) {
						t.Errorf("reading it: %v", err)
					}
				}
				tx.Close()
				tx = begin(t, db)
				defer tx.Close()
				var told []string
				if err := SetAside(ctx, tx, tab, func(p Problem) { told = append(told, p.String()) }); err != nil {
					t.Fatal(err)
				}
				if (len(told) == 0) != stray || !stray && !strings.Contains(told[0], "Segment was set aside") {
					t.Errorf("set aside: %q", told)
				}
				if err := DropLeftovers(ctx, tx, tab); err != nil {
					t.Fatal(err)
				}
				commit(t, tx)
				if !stray {
					checkSegments(t, db)
					if n := len(contents(t, db, tab)); n == 0 {
						t.Error("nothing is left")
					}
				}
				if got := check(t, db, tab, CheckOptions{}); strings.Contains(got, "PRIMARY") {
					t.Errorf("after the repair a check finds %q", got)
				}
			})
		}
	}
}

// Packing is due when a segment's rows were written, or as many as hide a quarter of what
// is packed already.
func TestOnWritten(t *testing.T) {
	t.Parallel()
	db, err := New(mem.Open(), Config{SegmentRows: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	due := 0
	db.OnWritten(func(uint32) { due++ })
	tab := people(schema.Shared)
	// Each row is a commit, in an order that is not the key's: no row is packed at once.
	rows := func(from, to int, change func(Table, *types.Batch)) {
		t.Helper()
		for id := to; id > from; id-- {
			tx := begin(t, db)
			change(tx.Shared(tab), batch(tab, []any{id, nil, nil, nil, nil}))
			commit(t, tx)
			tx.Close()
		}
	}
	insert := func(s Table, b *types.Batch) { mustInsert(t, s, b) }
	remove := func(s Table, b *types.Batch) {
		if err := s.Delete(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	rows(0, 63, insert)
	equal(t, "63 rows", due, 0)
	rows(63, 64, insert)
	equal(t, "64 rows", due, 1)
	packTable(t, db, tab, PackOptions{MinRows: 1})
	rows(0, 15, remove)
	equal(t, "64 packed, 15 removed", due, 1)
	rows(15, 16, remove)
	equal(t, "16 removed", due, 2)
	packTable(t, db, tab, PackOptions{MinRows: 1})
	rows(16, 26, remove)
	equal(t, "48 packed, 10 removed", due, 2)
	rows(26, 28, remove)
	equal(t, "12 removed", due, 3)
}
