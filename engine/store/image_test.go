package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// TestImages changes packed rows and scans them again and again. Scans backwards, which
// merge the pairs each time, say what is right.
func TestImages(t *testing.T) {
	t.Parallel()
	for _, kind := range []schema.TableKind{schema.Shared, schema.User} {
		for _, s := range append([]setup{memSetup("mem", false)}, nativeSetups()[:min(1, len(nativeSetups()))]...) {
			t.Run(fmt.Sprint(kind, " ", s.name), func(t *testing.T) {
				t.Parallel()
				testImages(t, s, people(kind))
			})
		}
	}
}

func testImages(t *testing.T, s setup, tab *schema.Table) {
	r := rand.New(rand.NewPCG(7, 8))
	db, err := New(s.open(t), Config{SegmentRows: 64, SegmentBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fresh := func(id int) mRow {
		return mRow{types.NewInt(int64(id)), types.NewString(fmt.Sprint("mail", id)), types.NewInt(r.Int64N(9)), types.NewString("n"), types.NewFloat(r.Float64())}
	}
	there := map[int]mRow{}
	write := func(n int) {
		tx := begin(t, db)
		defer tx.Close()
		p := tx.Rows(tab, "u")
		for range n {
			id := r.IntN(400)
			old, ok := there[id]
			row := fresh(id)
			one := func(row mRow) *types.Batch {
				b := types.NewBatch(tab.Types())
				b.AppendRow(row)
				return b
			}
			switch {
			case !ok:
				mustInsert(t, p, one(row))
				there[id] = row
			case r.IntN(2) == 0:
				if err := p.Delete(ctx, one(old)); err != nil {
					t.Fatal(err)
				}
				delete(there, id)
			default:
				if c, err := p.Update(ctx, one(old), one(row)); c != nil || err != nil {
					t.Fatal(c, err)
				}
				there[id] = row
			}
		}
		commit(t, tx)
	}
	requests := []ScanRequest{
		{Columns: []int{0, 1, 2, 3, 4}}, {Columns: []int{4}}, {}, {Columns: []int{2, 5}},
		{Columns: []int{0, 4}, Ranges: []KeyRange{{Low: values(90), High: values(310)}}},
		{Columns: []int{0, 1, 4, 5}, Filter: everyID(7)}, {Columns: []int{0, 3, 2}, Filter: everyID(40)},
		{Columns: []int{0, 2}, Only: []ColumnRanges{{Column: 2, Ranges: []KeyRange{{Low: values(3), High: values(20)}}}}},
	}
	all := func(tx *Tx, req ScanRequest, reverse bool) []string {
		req.Reverse = reverse
		var list []string
		for _, row := range scan(t, tx.Rows(tab, "u"), req) {
			list = append(list, row)
		}
		if reverse {
			slices.Reverse(list)
		}
		return list
	}
	made := 0
	points := func(tx *Tx) {
		for i := range 400 {
			if i%7 == 0 {
				continue
			}
			id := values(i)
			req := ScanRequest{Columns: []int{0, 4}, Ranges: []KeyRange{{Low: id, High: id}, {Low: values(i + 1), High: values(i + 1)}}}
			got := len(all(tx, req, false))
			want := 0
			for _, i := range []int{i, i + 1} {
				if _, ok := there[i]; ok {
					want++
				}
			}
			if got != want {
				t.Fatalf("%d rows with id %d and the next, not %d", got, i, want)
			}
		}
	}
	for round := range 30 {
		old := begin(t, db)
		write(1 + r.IntN(30))
		if round%10 == 0 {
			packTable(t, db, tab, PackOptions{MinRows: 10, MaxShadow: 60})
		}
		for range 3 {
			for _, tx := range []*Tx{begin(t, db), old} {
				for _, req := range requests {
					equal(t, fmt.Sprint("round ", round), all(tx, req, false), all(tx, req, true))
				}
				if tx != old {
					if got := len(all(tx, ScanRequest{}, false)); got != len(there) {
						t.Fatalf("%d rows, not %d", got, len(there))
					}
					points(tx)
					tx.Close()
				}
			}
		}
		for _, p := range db.segments.current()[tab.StorageID()] {
			if x := db.segments.cache.get(p, p.imageSlot()); x != nil && x.at == p.written.Load() && x.image.pairs.Len() > 0 {
				made++
			}
		}
		old.Close()
	}
	if made == 0 {
		t.Error("no images were made")
	}
}

// TestImagesWhileWritten has others write while rows are scanned: the sum stays the same.
func TestImagesWhileWritten(t *testing.T) {
	t.Parallel()
	db, err := New(memSetup("mem", false).open(t), Config{SegmentRows: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const rows, steps = 64, 150
	tab := people(schema.Shared)
	tx := begin(t, db)
	b := types.NewBatch(tab.Types())
	row := func(id, age int) mRow {
		return mRow{types.NewInt(int64(id)), {}, types.NewInt(int64(age)), {}, {}}
	}
	for i := range rows {
		b.AppendRow(row(i, 100))
	}
	mustInsert(t, tx.Shared(tab), b)
	commit(t, tx)
	tx.Close()
	packTable(t, db, tab, PackOptions{MinRows: 1})
	var work sync.WaitGroup
	for w := range 2 {
		work.Go(func() { // moves some from one row to another; each has rows of its own
			r, ages := rand.New(rand.NewPCG(1, uint64(w))), [rows]int{}
			for i := range ages {
				ages[i] = 100
			}
			for range steps {
				i, k := 2*r.IntN(rows/2)+w, 2*r.IntN(rows/2)+w
				if i == k {
					continue
				}
				tx, err := db.Begin()
				if err != nil {
					t.Error(err)
					return
				}
				old, new := types.NewBatch(tab.Types()), types.NewBatch(tab.Types())
				for _, x := range []int{i, k} {
					old.AppendRow(row(x, ages[x]))
				}
				ages[i], ages[k] = ages[i]-1, ages[k]+1
				for _, x := range []int{i, k} {
					new.AppendRow(row(x, ages[x]))
				}
				if c, err := tx.Shared(tab).Update(ctx, old, new); c != nil || err != nil {
					t.Error(c, err)
				}
				if err := tx.Commit(ctx, NoSync, nil); err != nil {
					t.Error(err)
				}
				tx.Close()
			}
		})
		work.Go(func() {
			for range steps {
				tx, err := db.Begin()
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					sum, n := int64(0), 0
					s := tx.Shared(tab).Scan(ScanRequest{Columns: []int{2}})
					out := types.NewBatch(typesOf(tab, []int{2}))
					for {
						if err := s.Next(ctx, out); err != nil {
							t.Error(err)
						}
						if out.Len == 0 {
							break
						}
						for _, x := range out.Columns[0].Int64s {
							sum += x
							n++
						}
					}
					s.Close()
					if n != rows || sum != 100*rows {
						t.Errorf("%d rows, sum %d", n, sum)
					}
				}
				tx.Close()
			}
		})
	}
	work.Wait()
}
