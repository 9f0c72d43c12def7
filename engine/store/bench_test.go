package store

import (
	"fmt"
	"testing"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// benchTable fills a table with n rows of about 100 bytes.
func benchTable(b *testing.B, n int) (*DB, *schema.Table) {
	db, err := Open(Config{InMemory: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	t := people(schema.Shared)
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Close()
	for i := 0; i < n; i += types.BatchRows {
		if c, err := tx.Shared(t).Insert(ctx, benchRows(t, i, types.BatchRows)); c != nil || err != nil {
			b.Fatal(c, err)
		}
		if err := tx.Commit(ctx, NoLog, nil); err != nil {
			b.Fatal(err)
		}
	}
	return db, t
}

func benchRows(t *schema.Table, from, n int) *types.Batch {
	rows := &types.Batch{}
	for _, ty := range t.Types() {
		rows.Columns = append(rows.Columns, types.NewVector(ty, n))
	}
	for i := from; i < from+n; i++ {
		rows.AppendRow([]types.Value{types.NewInt(int64(i)), types.NewString(fmt.Sprintf("user%08d@example.org", i*7919%1000003)),
			types.NewInt(int64(i % 100)), types.NewString("a note of some length on this person"), types.NewFloat(float64(i))})
	}
	return rows
}

func BenchmarkScan(b *testing.B) {
	db, t := benchTable(b, 100_000)
	for _, c := range []struct {
		name string
		req  ScanRequest
	}{
		{"count", ScanRequest{}},
		{"one number", ScanRequest{Columns: []int{4}}},
		{"all columns", ScanRequest{Columns: []int{0, 1, 2, 3, 4}}},
		{"covering index", ScanRequest{Index: &t.Indexes[1], Columns: []int{0, 2}}},
		{"fetching", ScanRequest{Index: &t.Indexes[1], Columns: []int{4}, Ranges: []KeyRange{{Low: values(7), High: values(7)}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			out := types.NewBatch(typesOf(t, c.req.Columns))
			n := 0
			for b.Loop() {
				tx, _ := db.Begin()
				s := tx.Shared(t).Scan(c.req)
				n += countRows(b, s, out)
				s.Close()
				tx.Close()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

func BenchmarkPoint(b *testing.B) {
	db, t := benchTable(b, 100_000)
	out := types.NewBatch(t.Types())
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919) % 100_000
		v := []types.Value{types.NewInt(int64(i))}
		tx, _ := db.Begin()
		s := tx.Shared(t).Scan(ScanRequest{Columns: []int{0, 1, 2, 3, 4}, Ranges: []KeyRange{{Low: v, High: v}}})
		if err := s.Next(ctx, out); err != nil || out.Len != 1 {
			b.Fatal(out.Len, err)
		}
		s.Close()
		tx.Close()
	}
}

func BenchmarkInsert(b *testing.B) {
	for _, n := range []int{1, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			db, t := benchTable(b, 0)
			b.ReportAllocs()
			from := 0
			for b.Loop() {
				rows := benchRows(t, from, n)
				from += n
				tx, _ := db.Begin()
				if c, err := tx.Shared(t).Insert(ctx, rows); c != nil || err != nil {
					b.Fatal(c, err)
				}
				if err := tx.Commit(ctx, NoLog, nil); err != nil {
					b.Fatal(err)
				}
				tx.Close()
			}
			b.ReportMetric(float64(from)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

// BenchmarkPacked reads packed rows, also with a twentieth of them updated since.
func BenchmarkPacked(b *testing.B) {
	const rows = 1 << 17
	db, t := benchTable(b, rows)
	packed := packTable(b, db, t, PackOptions{MinRows: 1, MaxShadow: 10})
	if err := db.Reclaim(ctx, &packed); err != nil {
		b.Fatal(err)
	}
	all := []int{0, 1, 2, 3, 4}
	point := func(i int) []KeyRange {
		v := []types.Value{types.NewInt(int64(i))}
		return []KeyRange{{Low: v, High: v}}
	}
	work := []struct {
		name string
		rows int // that each request is about
		req  func(i int) ScanRequest
	}{
		{"point", 1, func(i int) ScanRequest { return ScanRequest{Columns: all, Ranges: point(i)} }},
		{"100 points", 100, func(i int) ScanRequest {
			var list []KeyRange
			for k := range 100 {
				list = append(list, point(i/100+k*(rows/100))...)
			}
			return ScanRequest{Columns: all, Ranges: list}
		}},
		{"range of 100", 100, func(i int) ScanRequest {
			i = min(i, rows-100)
			return ScanRequest{Columns: all, Ranges: []KeyRange{{Low: values(i), High: values(i + 99)}}}
		}},
		{"index", rows / 100, func(i int) ScanRequest {
			v := values(i % 100)
			return ScanRequest{Index: &t.Indexes[1], Columns: []int{4}, Ranges: []KeyRange{{Low: v, High: v}}}
		}},
		{"one number", rows, func(int) ScanRequest { return ScanRequest{Columns: []int{4}} }},
		{"all columns", rows, func(int) ScanRequest { return ScanRequest{Columns: all} }},
	}
	for _, state := range []string{"packed", "updated"} {
		if state == "updated" {
			updateSome(b, db, t, rows)
		}
		for _, w := range work {
			b.Run(state+"/"+w.name, func(b *testing.B) {
				b.ReportAllocs()
				out := types.NewBatch(typesOf(t, w.req(0).Columns))
				i, n := 0, 0
				for b.Loop() {
					i = (i + 7919) % rows
					tx, _ := db.Begin()
					s := tx.Shared(t).Scan(w.req(i))
					n += countRows(b, s, out)
					s.Close()
					tx.Close()
				}
				if n < w.rows*b.N {
					b.Fatal(n, "rows")
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(n), "ns/row")
			})
		}
	}
}

// updateSome updates a twentieth of the rows of benchTable.
func updateSome(b *testing.B, db *DB, t *schema.Table, rows int) {
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Close()
	for i := 7; i < rows; i += 20 {
		old := benchRows(t, i, 1)
		new := benchRows(t, i, 1)
		new.Columns[4].Float64s[0]++
		if c, err := tx.Shared(t).Update(ctx, old, new); c != nil || err != nil {
			b.Fatal(c, err)
		}
	}
	if err := tx.Commit(ctx, NoLog, nil); err != nil {
		b.Fatal(err)
	}
}

// countRows reads a scanner to its end, into out, and returns how many rows it has.
func countRows(b *testing.B, s Scanner, out *types.Batch) (n int) {
	for {
		if err := s.Next(ctx, out); err != nil {
			b.Fatal(err)
		}
		if out.Len == 0 {
			return n
		}
		n += out.Len
	}
}
