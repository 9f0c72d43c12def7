package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

var intType = types.Type{Kind: types.BigInt}

// ints returns statistics of a table with a column v, which has a value of f for
// each of n rows, NULL below 0, of which so many are sampled.
func ints(t *testing.T, n, sampled, buckets int, f func(i int) int64) *Column {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	b := types.NewBatch([]types.Type{intType})
	for _, i := range r.Perm(n)[:sampled] {
		if v := f(i); v < 0 {
			b.Columns[0].AppendNull()
		} else {
			b.Columns[0].AppendInt(v)
		}
		b.Len++
	}
	table := &schema.Table{Columns: []schema.Column{{ID: 7, Name: "v", Type: intType}}, PrimaryKey: []int{0}}
	s := Build(table, []int{0}, b, int64(n), map[uint32]int{7: buckets}, time.Unix(0, 0).UTC())
	return s.Columns[7]
}

func within(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	if math.Abs(got-want) > part*math.Max(math.Abs(want), 1e-9)+1e-12 {
		t.Errorf("%s: %v, want about %v", what, got, want)
	}
}

func TestDistinct(t *testing.T) {
	t.Parallel()
	within(t, "all of them", ints(t, 1000, 1000, 0, func(i int) int64 { return int64(i % 10) }).Distinct, 10, 0)
	within(t, "few", ints(t, 100_000, 5000, 0, func(i int) int64 { return int64(i % 10) }).Distinct, 10, 0)
	within(t, "unique", ints(t, 100_000, 5000, 0, func(i int) int64 { return int64(i) }).Distinct, 100_000, 0)
	within(t, "four each", ints(t, 100_000, 5000, 0, func(i int) int64 { return int64(i / 4) }).Distinct, 25_000, 0.3)
	within(t, "none", ints(t, 100, 100, 0, func(i int) int64 { return -1 }).Distinct, 0, 0)
	within(t, "of no rows", ints(t, 0, 0, 0, nil).Distinct, 0, 0)
}

func TestShares(t *testing.T) {
	t.Parallel()
	// A tenth NULL, half of them 5, the rest even from 0 to 100,000.
	c := ints(t, 100_000, 20_000, 0, func(i int) int64 {
		switch {
		case i%10 == 0:
			return -1
		case i%2 == 1:
			return 5
		}
		return int64(i)
	})
	within(t, "nulls", c.Nulls, 0.1, 0.1)
	within(t, "common", c.Equal(types.NewInt(5)), 0.5, 0.05)
	within(t, "rare", c.Equal(types.NewInt(50_002)), 1.0/100_000, 4) // the estimator errs towards few values
	within(t, "below all", c.Equal(types.NewInt(-4)), 0, 0)
	within(t, "above all", c.Equal(types.NewInt(1<<40)), 0, 0)
	within(t, "less than half", c.Less(types.NewInt(50_000)), 0.5+0.2, 0.05)
	within(t, "less than a quarter", c.Less(types.NewInt(25_000)), 0.5+0.1, 0.05)
	within(t, "less than the least", c.Less(types.NewInt(0)), 0, 0)
	within(t, "less than all", c.Less(types.NewInt(1<<40)), 0.9, 0.01)
	if len(c.Bounds) != defaultBuckets+1 || len(c.Common) != 1 {
		t.Errorf("%d bounds, %d common values", len(c.Bounds), len(c.Common))
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	c := ints(t, 10_000, 10_000, 8, func(i int) int64 { return int64(i) })
	if len(c.Bounds) != 9 || c.Bounds[0].Int() != 0 || c.Bounds[8].Int() != 9999 {
		t.Errorf("bounds %v", c.Bounds)
	}
	c = ints(t, 10_000, 10_000, NoHistogram, func(i int) int64 { return int64(i) })
	if c.Known() || c.Distinct != 10_000 {
		t.Errorf("%+v", c)
	}
	within(t, "average", c.Equal(types.NewInt(3)), 1e-4, 0.01)
	few := ints(t, 100, 100, 0, func(i int) int64 { return int64(i % 3) })
	if len(few.Common) != 3 || len(few.Bounds) != 0 {
		t.Errorf("%+v", few)
	}
	within(t, "one of three", few.Equal(types.NewInt(0)), 0.34, 0)
	within(t, "none of three", few.Equal(types.NewInt(4)), 0, 0)
}

func TestText(t *testing.T) {
	t.Parallel()
	text := types.Type{Kind: types.VarChar, Size: 2000, Collation: types.DefaultCollation}
	b := types.NewBatch([]types.Type{text})
	src := types.NewVector(text, 1)
	for i := range 1000 {
		src.AppendBytes([]byte(fmt.Sprintf("user-%04d", i)))
		Append(b.Columns[0], src, i)
		b.Len++
	}
	table := &schema.Table{Columns: []schema.Column{{ID: 1, Type: text}}, PrimaryKey: []int{0}}
	c := Build(table, []int{0}, b, 1000, nil, time.Time{}).Columns[1]
	within(t, "less", c.Less(types.NewString("user-0255")), 0.255, 0.05)
	// Long values keep a column without histogram, and are not kept whole.
	src.Reset(text)
	src.AppendBytes(make([]byte, 2000))
	Append(b.Columns[0], src, 0)
	b.Len++
	if n := len(b.Columns[0].BytesAt(1000)); n != maxValueBytes+1 {
		t.Errorf("%d bytes are kept", n)
	}
	if c := Build(table, []int{0}, b, 1001, nil, time.Time{}).Columns[1]; c.Known() || c.Distinct != 1001 {
		t.Errorf("%+v", c)
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	b := types.NewBatch([]types.Type{intType, intType})
	for i := range 1000 {
		b.Columns[0].AppendInt(int64(i / 100))
		b.Columns[1].AppendInt(int64(i % 100))
		b.Len++
	}
	table := &schema.Table{Columns: []schema.Column{{ID: 1, Type: intType}, {ID: 2, Type: intType}}, PrimaryKey: []int{0, 1},
		Indexes: []schema.Index{{ID: 3, Columns: []int{1}}}}
	s := Build(table, []int{0, 1}, b, 1000, nil, time.Time{})
	if d := cmp.Diff(map[uint32][]float64{0: {10, 1000}, 3: {100}}, s.Prefixes); d != "" {
		t.Error(d)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	all := values{types.NewInt(math.MinInt64), types.NewUint(math.MaxUint64), types.NewFloat(math.Inf(1)), types.NewFloat(0.1),
		types.NewBytes([]byte{0, 255}), types.NewBytes(nil), {}}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var back values
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(back) != fmt.Sprint(all) || back[5].IsNull() {
		t.Errorf("%v is read as %v", all, back)
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	with := func(rows int, shift int64) *Table {
		return &Table{Rows: int64(rows), Columns: map[uint32]*Column{1: ints(t, rows, rows, 0, func(i int) int64 { return int64(i) + shift })}}
	}
	for _, tt := range []struct {
		a, b *Table
		want bool
	}{
		{with(10, 0), nil, true},
		{with(10, 0), with(20, 0), false}, // few
		{with(1000, 0), with(1500, 0), false},
		{with(1000, 0), with(3000, 0), true},
		{with(1000, 0), with(1000, 5000), true},
	} {
		if got := tt.a.Changed(tt.b); got != tt.want {
			t.Errorf("%d rows and before %v: %v", tt.a.Rows, tt.b, got)
		}
	}
}
