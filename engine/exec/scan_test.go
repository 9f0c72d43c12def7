package exec

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// rangesText prints ranges as intervals: [1,2 .. 3) and so on.
func rangesText(ts []types.Type, ranges []store.KeyRange) string {
	var out []string
	bound := func(values []types.Value) string {
		var cells []string
		for k, v := range values {
			if v.IsNull() {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, string(types.AppendText(nil, ts[k], v)))
			}
		}
		return strings.Join(cells, ",")
	}
	for _, r := range ranges {
		open, end := "[", "]"
		if r.LowExclusive {
			open = "("
		}
		if r.HighExclusive {
			end = ")"
		}
		out = append(out, open+bound(r.Low)+" .. "+bound(r.High)+end)
	}
	return strings.Join(out, " ")
}

func TestRanges(t *testing.T) {
	t.Parallel()
	tiny := types.Type{Kind: types.TinyInt, Size: -1, Collation: intT.Collation}
	unsigned := types.Type{Kind: types.TinyInt, Unsigned: true, Size: -1, Collation: intT.Collation}
	dec := types.DecimalType(5, 2)
	wide := types.DecimalType(20, 2)
	single := types.Type{Kind: types.Float, Size: -1, Scale: -1, Collation: intT.Collation}
	enum := types.Type{Kind: types.Enum, Size: -1, Collation: types.DefaultCollation, Members: &types.Members{Names: []string{"red", "green"}}}
	d := func(unscaled int64, scale int) expr.Expr { return lit(i(unscaled), types.DecimalType(10, scale)) }
	n := func(x int64) expr.Expr { return lit(i(x), intT) }
	str := func(x string) expr.Expr { return lit(s(x), textT) }
	fl := func(x float64) expr.Expr { return lit(f(x), types.Float64Type) }
	null := lit(null, types.NullType)
	type r = plan.Range
	eq := func(e ...expr.Expr) r { return r{Low: e, High: e} }
	for _, c := range []struct {
		columns []types.Type // nullable ones, before the key
		ranges  []plan.Range
		want    string
	}{
		{[]types.Type{tiny}, []r{eq(n(5))}, "[5 .. 5]"},
		{[]types.Type{tiny}, []r{eq(d(25, 1))}, ""},
		{[]types.Type{tiny}, []r{{Low: []expr.Expr{d(25, 1)}, LowExclusive: true}}, "(2 .. ]"},
		{[]types.Type{tiny}, []r{{Low: []expr.Expr{d(-25, 1)}}}, "[-2 .. ]"},
		{[]types.Type{tiny}, []r{{High: []expr.Expr{d(25, 1)}, HighExclusive: true}}, "(NULL .. 2]"},
		{[]types.Type{tiny}, []r{{High: []expr.Expr{fl(-2.5)}}}, "(NULL .. -2)"},
		{[]types.Type{tiny}, []r{eq(n(300))}, ""},
		{[]types.Type{tiny}, []r{{Low: []expr.Expr{n(300)}}}, ""},
		{[]types.Type{tiny}, []r{{Low: []expr.Expr{n(-300)}}}, "(NULL .. ]"},
		{[]types.Type{tiny}, []r{{High: []expr.Expr{n(300)}}}, "(NULL .. ]"},
		{[]types.Type{tiny}, []r{{High: []expr.Expr{n(-300)}}}, ""},
		{[]types.Type{tiny}, []r{eq(str("7"))}, "[7 .. 7]"},
		{[]types.Type{tiny}, []r{eq(str("abc"))}, "[0 .. 0]"},
		{[]types.Type{tiny}, []r{eq(null)}, ""},
		{[]types.Type{tiny}, []r{{Low: []expr.Expr{null}, High: []expr.Expr{null}, NullOK: []bool{true}}}, "[NULL .. NULL]"},
		{[]types.Type{tiny}, []r{{Low: []expr.Expr{null}, LowExclusive: true, NullOK: []bool{true}}}, "(NULL .. ]"},
		{[]types.Type{unsigned}, []r{{Low: []expr.Expr{fl(-0.5)}}}, "(NULL .. ]"},
		{[]types.Type{unsigned}, []r{eq(lit(types.NewUint(1<<63), types.Uint64Type))}, ""},
		{[]types.Type{dec}, []r{eq(fl(1.1))}, "[1.10 .. 1.10]"},
		{[]types.Type{dec}, []r{eq(d(1005, 3))}, ""},
		{[]types.Type{dec}, []r{{Low: []expr.Expr{d(1005, 3)}}}, "(1.00 .. ]"},
		{[]types.Type{dec}, []r{{Low: []expr.Expr{n(1000)}}}, ""},
		{[]types.Type{dec}, []r{{High: []expr.Expr{n(1000)}}}, "(NULL .. ]"},
		{[]types.Type{wide}, []r{eq(d(-5, 3))}, ""},
		{[]types.Type{wide}, []r{{Low: []expr.Expr{d(-5, 3)}}}, "[0.00 .. ]"},
		{[]types.Type{types.Float64Type}, []r{eq(d(15, 1))}, "[1.5 .. 1.5]"},
		{[]types.Type{single}, []r{eq(fl(0.1))}, ""},
		{[]types.Type{single}, []r{eq(fl(0.5))}, "[0.5 .. 0.5]"},
		{[]types.Type{types.DateType}, []r{eq(str("2026-02-03 12:00:00"))}, ""},
		{[]types.Type{types.DateType}, []r{{Low: []expr.Expr{str("2026-02-03 12:00:00")}}}, "(2026-02-03 .. ]"},
		{[]types.Type{types.DateType}, []r{eq(str("2026-02-03"))}, "[2026-02-03 .. 2026-02-03]"},
		{[]types.Type{types.DateTimeType(0)}, []r{{High: []expr.Expr{str("2026-02-03 01:02:03.5")}, HighExclusive: true}}, "(NULL .. 2026-02-03 01:02:03]"},
		{[]types.Type{types.TimeType(0)}, []r{{Low: []expr.Expr{str("-00:00:00.5")}}}, "(-00:00:01 .. ]"},
		{[]types.Type{textT}, []r{eq(str("a"))}, "[a .. a]"},
		{[]types.Type{enum}, []r{eq(str("green"))}, "[green .. green]"},
		{[]types.Type{enum}, []r{eq(str("blue"))}, ""},
		// Two columns: a prefix of equalities, then a range.
		{[]types.Type{tiny, tiny}, []r{{Low: []expr.Expr{n(1)}, High: []expr.Expr{n(1), n(5)}}}, "(1,NULL .. 1,5]"},
		{[]types.Type{tiny, tiny}, []r{{Low: []expr.Expr{n(1), n(5)}, LowExclusive: true, High: []expr.Expr{n(1)}}}, "(1,5 .. 1]"},
		{[]types.Type{tiny, tiny}, []r{{Low: []expr.Expr{n(1), n(-999)}, High: []expr.Expr{n(1)}}}, "(1,NULL .. 1]"},
		{[]types.Type{tiny, tiny}, []r{{Low: []expr.Expr{n(1), n(999)}, High: []expr.Expr{n(1)}}}, ""},
		{[]types.Type{tiny, tiny}, []r{eq(d(15, 1), n(5))}, ""},
		// Several ranges are sorted and merged.
		{[]types.Type{tiny}, []r{eq(n(5)), eq(n(1)), eq(n(5)), {Low: []expr.Expr{n(4)}, High: []expr.Expr{n(9)}}}, "[1 .. 1] [4 .. 9]"},
		{[]types.Type{tiny}, []r{{Low: []expr.Expr{n(5)}}, {High: []expr.Expr{n(5)}, HighExclusive: true}}, "(NULL .. ]"},
		{[]types.Type{tiny}, []r{{Low: []expr.Expr{n(5)}, LowExclusive: true}, {High: []expr.Expr{n(5)}, HighExclusive: true}}, "(NULL .. 5) (5 .. ]"},
		{[]types.Type{tiny}, []r{{}}, "[ .. ]"},
		{[]types.Type{tiny}, []r{}, ""},
	} {
		def := &schema.Table{Namespace: "d", Name: "t", PrimaryKey: []int{len(c.columns)}}
		ix := &schema.Index{ID: 1, Name: "x"}
		for k, ct := range c.columns {
			def.Columns = append(def.Columns, schema.Column{Name: fmt.Sprint(k), Type: ct})
			ix.Columns = append(ix.Columns, k)
		}
		def.Columns = append(def.Columns, schema.Column{Name: "id", Type: intT, NotNull: true})
		set, err := newRangeSet(newKeyColumns(def, ix), c.ranges)
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		got, err := set.eval(&expr.Env{Context: t.Context(), Zone: time.UTC, Now: time.Unix(1e9, 0)})
		if err != nil {
			t.Error(err)
		}
		if text := rangesText(set.key.types, got); text != c.want {
			t.Errorf("ranges %q, want %q", text, c.want)
		}
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	stamp := types.TimestampType(0)
	def := &schema.Table{Namespace: "d", Name: "t", PrimaryKey: []int{0},
		Columns: []schema.Column{{Name: "id", Type: intT, NotNull: true}, {Name: "at", Type: stamp}}}
	m := &memTable{schema: def}
	for k := range 3000 {
		m.rows = append(m.rows, []types.Value{i(int64(k)), i(types.PackDateTime(2026, 1, 1+k%28, 20, 0, 0, 0))})
	}
	rt := runtime(t, 0)
	rt.Env.Zone = time.FixedZone("", 9*3600)
	rt.Env.Params = []types.Value{i(2990)}
	m.use(t, rt)
	ids := []int{0}
	param := []expr.Expr{&expr.Param{Index: 0, T: intT}}
	odd := compare(expr.EQ, &expr.Arith{Op: expr.Mod, L: col(0, intT), R: lit(i(2), intT), T: intT}, lit(i(1), intT))
	n := &plan.Scan{Table: def, Columns: ids, Ranges: []plan.Range{{Low: param}}, Filter: odd}
	wantRows(t, run(t, rt, n), "2991", "2993", "2995", "2997", "2999")
	n.Reverse, n.Limit = true, lit(i(2), intT)
	if got := run(t, rt, n); len(got) < 2 || got[0] != "2999" || got[1] != "2997" {
		t.Errorf("reverse: %q", got)
	}
	wantRows(t, run(t, rt, &plan.Scan{Table: def, Columns: []int{1, 0}, Ranges: []plan.Range{{High: []expr.Expr{lit(i(0), intT)}}}}), "2026-01-02 05:00:00|0")
	if got := run(t, rt, &plan.Scan{Table: def, Columns: ids}); len(got) != 3000 {
		t.Errorf("%d rows", len(got))
	}
	last := m.asked[len(m.asked)-1]
	last.Reuse = nil
	if d := cmp.Diff(store.ScanRequest{Columns: ids}, last); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
	count := &plan.Aggregate{Input: &plan.Scan{Table: def}, Aggs: []*expr.Aggregate{aggregateOf(t, expr.Count, false)}}
	wantRows(t, run(t, rt, count), "3000")
}

func TestSpillFile(t *testing.T) {
	t.Parallel()
	ts := []types.Type{intT, textT, types.Float64Type, types.Uint64Type, types.NullType}
	b := types.NewBatch(ts)
	for k := range 100 {
		b.AppendRow([]types.Value{i(int64(k)), s(strings.Repeat("x", k)), f(float64(k)), types.NewUint(uint64(k)), null})
		b.AppendRow(make([]types.Value, len(ts)))
	}
	want := ""
	for k := range b.Len {
		want += rowText(b, k) + "\n"
	}
	file := spillFile{dir: runtime(t, 0).TempDir}
	var stream spillStream
	part := b.Slice(150, 200)
	for _, x := range []*types.Batch{b, part} {
		if err := file.write(&stream, x); err != nil {
			t.Fatal(err)
		}
	}
	back := emptyBatch(ts)
	for k, rows := range []int{200, 50} {
		if err := file.read(&stream, k, back); err != nil || back.Len != rows {
			t.Fatalf("batch %d: %d rows, %v", k, back.Len, err)
		}
	}
	if err := file.read(&stream, 0, back); err != nil {
		t.Fatal(err)
	}
	got := ""
	for k := range back.Len {
		got += rowText(back, k) + "\n"
	}
	if got != want {
		t.Errorf("rows differ:\n%s", cmp.Diff(want, got))
	}
	if _, err := file.f.WriteAt([]byte{0xff}, stream.at[1]+20); err != nil {
		t.Fatal(err)
	}
	wantKind(t, file.read(&stream, 1, back), sqlerr.Corrupt)
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	missing := spillFile{dir: t.TempDir() + "/none"}
	wantKind(t, missing.write(&stream, b), sqlerr.StorageIO)
	wantKind(t, spillError(&os.PathError{Op: "write", Err: syscall.ENOSPC}), sqlerr.DiskFull)
}

// FuzzDecodeBatch decodes damaged batches: no panic, and what is accepted can
// be read.
func FuzzDecodeBatch(f *testing.F) {
	ts := []types.Type{intT, textT}
	b := types.NewBatch(ts)
	b.AppendRow([]types.Value{i(1), s("ab")})
	b.AppendRow([]types.Value{null, null})
	good := []byte{2, 0, 0, 0}
	for _, v := range b.Columns {
		good = appendVector(good, v)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		b := emptyBatch(ts)
		if decodeBatch(b, data) == nil {
			for k := range b.Len {
				rowText(b, k)
			}
		}
	})
}
