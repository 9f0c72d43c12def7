package store

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"vitess.io/vitess/go/mysql/collations"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

var ctx = context.Background()

// ciText is text that compares without regard to case.
var ciText = types.Type{Kind: types.VarChar, Size: 50, Collation: collations.CollationUtf8mb4ID}

// people is a table with all kinds of indexes.
func people(kind schema.TableKind) *schema.Table {
	return &schema.Table{
		ID: 1000, Namespace: "test", Name: "people", Kind: kind, Version: 1,
		Columns: []schema.Column{
			{ID: 1, Name: "id", Type: types.Int64Type, NotNull: true, AutoIncrement: true},
			{ID: 2, Name: "email", Type: types.TextType},
			{ID: 3, Name: "age", Type: types.Type{Kind: types.Int, Size: -1}},
			{ID: 4, Name: "note", Type: ciText},
			{ID: 5, Name: "weight", Type: types.Float64Type},
		},
		PrimaryKey: []int{0},
		Indexes: []schema.Index{
			{ID: 1, Name: "by_email", Columns: []int{1}, Unique: true},
			{ID: 2, Name: "by_age", Columns: []int{2, 1}},
			{ID: 3, Name: "by_note", Columns: []int{3}},
		},
		NextColumnID: 6, NextIndexID: 4,
	}
}

func newDB(t *testing.T) *DB {
	t.Helper()
	db, err := New(mem.Open(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func begin(t *testing.T, db *DB) *Tx {
	t.Helper()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.Close)
	return tx
}

// value makes a Value of a Go one for a column of type ty.
func value(ty types.Type, v any) types.Value {
	switch v := v.(type) {
	case nil:
		return types.Value{}
	case int:
		if ty.Physical() == types.PhysUint64 {
			return types.NewUint(uint64(v))
		}
		return types.NewInt(int64(v))
	case float64:
		return types.NewFloat(v)
	case string:
		return types.NewString(v)
	}
	panic(fmt.Sprintf("value of %T", v))
}

func batch(t *schema.Table, rows ...[]any) *types.Batch {
	b := types.NewBatch(t.Types())
	for _, r := range rows {
		vs := make([]types.Value, len(r))
		for c := range r {
			vs[c] = value(t.Columns[c].Type, r[c])
		}
		b.AppendRow(vs)
	}
	return b
}

func show(v types.Value) string {
	switch v.Physical() {
	case types.PhysNull:
		return "NULL"
	case types.PhysInt64:
		return fmt.Sprint(v.Int())
	case types.PhysUint64:
		return fmt.Sprint(v.Uint())
	case types.PhysFloat64:
		return fmt.Sprint(v.Float())
	default:
		return fmt.Sprintf("%q", v.Bytes())
	}
}

func showRow(vs []types.Value) string {
	s := make([]string, len(vs))
	for i, v := range vs {
		s[i] = show(v)
	}
	return strings.Join(s, " ")
}

// rows reads a scan to its end.
func rows(s Scanner, ts []types.Type) ([]string, error) {
	defer s.Close()
	b := types.NewBatch(ts)
	got := []string{}
	for {
		if err := s.Next(ctx, b); err != nil {
			return got, err
		}
		if b.Len == 0 {
			return got, nil
		}
		for i := range b.Len {
			got = append(got, showRow(b.Row(i, nil)))
		}
	}
}

func scan(t *testing.T, tab Table, req ScanRequest) []string {
	t.Helper()
	got, err := rows(tab.Scan(req), typesOf(tab.Schema(), req.Columns))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustInsert(t *testing.T, tab Table, b *types.Batch) {
	t.Helper()
	c, err := tab.Insert(ctx, b)
	if c != nil || err != nil {
		t.Fatalf("Insert: %+v, %v", c, err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func values(vs ...any) []types.Value {
	out := make([]types.Value, len(vs))
	for i, v := range vs {
		out[i] = value(types.Int64Type, v)
	}
	return out
}

func TestScans(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	age, email, note := &people.Indexes[1], &people.Indexes[0], &people.Indexes[2]
	all := batch(people,
		[]any{1, "a@x", 30, "Ann", 1.5},
		[]any{2, "b@x", 20, "bob", nil},
		[]any{3, nil, nil, "ANN", -0.5},
		[]any{4, "d@x", 30, nil, 4.0},
		[]any{5, nil, 20, "Bob", math.Inf(1)},
	)
	tests := []struct {
		name string
		req  ScanRequest
		want []string
	}{
		{"all", ScanRequest{Columns: []int{0, 1, 2, 3, 4}}, []string{
			`1 "a@x" 30 "Ann" 1.5`, `2 "b@x" 20 "bob" NULL`, `3 NULL NULL "ANN" -0.5`, `4 "d@x" 30 NULL 4`, `5 NULL 20 "Bob" +Inf`}},
		{"count", ScanRequest{}, []string{"", "", "", "", ""}},
		{"key only, twice, reversed", ScanRequest{Columns: []int{0, 0}, Reverse: true}, []string{"5 5", "4 4", "3 3", "2 2", "1 1"}},
		{"one column", ScanRequest{Columns: []int{2}}, []string{"30", "20", "NULL", "30", "20"}},
		{"none", ScanRequest{Columns: []int{0}, Ranges: []KeyRange{}}, []string{}},
		{"range", ScanRequest{Columns: []int{0}, Ranges: []KeyRange{{Low: values(2), High: values(4), HighExclusive: true}}}, []string{"2", "3"}},
		{"open range", ScanRequest{Columns: []int{0}, Ranges: []KeyRange{{Low: values(2), LowExclusive: true}}}, []string{"3", "4", "5"}},
		{"ranges reversed", ScanRequest{Columns: []int{0}, Reverse: true, Ranges: []KeyRange{
			{High: values(1)}, {Low: values(3), High: values(4)}}}, []string{"4", "3", "1"}},
		{"empty range", ScanRequest{Columns: []int{0}, Ranges: []KeyRange{{Low: values(3), High: values(2)}}}, []string{}},
		{"points", ScanRequest{Columns: []int{0, 3}, Ranges: []KeyRange{
			{Low: values(1), High: values(1)}, {Low: values(3), High: values(3)}, {Low: values(9), High: values(9)}}}, []string{`1 "Ann"`, `3 "ANN"`}},
		{"points reversed", ScanRequest{Columns: []int{0}, Reverse: true, Ranges: []KeyRange{
			{Low: values(1), High: values(1)}, {Low: values(3), High: values(3)}}}, []string{"3", "1"}},
		{"limit", ScanRequest{Columns: []int{0}, Limit: 2}, []string{"1", "2"}},
		{"covering", ScanRequest{Index: age, Columns: []int{2, 1, 0}}, []string{
			`NULL NULL 3`, `20 NULL 5`, `20 "b@x" 2`, `30 "a@x" 1`, `30 "d@x" 4`}},
		{"covering prefix", ScanRequest{Index: age, Columns: []int{0}, Ranges: []KeyRange{{Low: values(20), High: values(20)}}}, []string{"5", "2"}},
		{"prefix after", ScanRequest{Index: age, Columns: []int{0}, Ranges: []KeyRange{{Low: values(20), LowExclusive: true}}}, []string{"1", "4"}},
		{"not NULL", ScanRequest{Index: age, Columns: []int{0}, Ranges: []KeyRange{{Low: values(nil), LowExclusive: true}}}, []string{"5", "2", "1", "4"}},
		{"into the key", ScanRequest{Index: age, Columns: []int{0}, Ranges: []KeyRange{
			{Low: values(20, nil, 3), High: values(20, nil, 9)}}}, []string{"5"}},
		{"fetching", ScanRequest{Index: age, Columns: []int{4, 0}, Reverse: true, Limit: 3}, []string{`4 4`, `1.5 1`, `NULL 2`}},
		{"unique covering", ScanRequest{Index: email, Columns: []int{1, 0}}, []string{
			`NULL 3`, `NULL 5`, `"a@x" 1`, `"b@x" 2`, `"d@x" 4`}},
		{"unique, its column only", ScanRequest{Index: email, Columns: []int{1}, Reverse: true}, []string{
			`"d@x"`, `"b@x"`, `"a@x"`, `NULL`, `NULL`}},
		{"unique points", ScanRequest{Index: email, Columns: []int{0, 3}, Ranges: []KeyRange{
			{Low: values("a@x"), High: values("a@x")}, {Low: values("d@x"), High: values("d@x")}}}, []string{`1 "Ann"`, `4 NULL`}},
		{"unique, into the key", ScanRequest{Index: email, Columns: []int{0}, Ranges: []KeyRange{
			{Low: values("a@x", 1), LowExclusive: true, High: values("d@x", 4), HighExclusive: true}}}, []string{"2"}},
		{"unique, into the key, in", ScanRequest{Index: email, Columns: []int{0}, Ranges: []KeyRange{
			{Low: values("a@x", 1), High: values("d@x", 3)}}}, []string{"1", "2"}},
		{"unique, NULL, into the key", ScanRequest{Index: email, Columns: []int{0}, Ranges: []KeyRange{
			{Low: values(nil, 4), High: values(nil, 9)}}}, []string{"5"}},
		{"lossy", ScanRequest{Index: note, Columns: []int{3, 0}, Ranges: []KeyRange{{Low: values("ann"), High: values("ann")}}}, []string{`"Ann" 1`, `"ANN" 3`}},
		{"lossy index, covered", ScanRequest{Index: note, Columns: []int{0}}, []string{"4", "1", "3", "2", "5"}},
	}
	for _, committed := range []bool{false, true} {
		db := newDB(t)
		tx := begin(t, db)
		tab := tx.Shared(people)
		mustInsert(t, tab, all)
		if committed {
			if err := tx.Commit(ctx, Sync, nil); err != nil {
				t.Fatal(err)
			}
			if err := tx.Refresh(); err != nil {
				t.Fatal(err)
			}
		}
		for _, test := range tests {
			if got := scan(t, tab, test.req); !cmp.Equal(got, test.want) {
				t.Errorf("%s (committed %v): %s", test.name, committed, cmp.Diff(test.want, got))
			}
		}
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	people := people(schema.User)
	tx := begin(t, newDB(t))
	tab := tx.User(people, "u")
	mustInsert(t, tab, batch(people, []any{1, "a", 1, nil, nil}, []any{2, nil, 1, nil, nil}, []any{3, nil, 1, nil, nil}))
	mustInsert(t, tx.User(people, "v"), batch(people, []any{1, "a", 1, nil, nil}))

	row := func(id int, email any) []any { return []any{id, email, 7, "n", 0.5} }
	type result struct {
		Row      int
		Index    string
		Existing string
		After    []string
	}
	for _, test := range []struct {
		name     string
		old, new *types.Batch
		want     result
	}{
		{"primary", nil, batch(people, row(9, "z"), row(1, "y"), row(10, "x")),
			result{1, "PRIMARY", `1 "a" 1 NULL NULL`, []string{`1 "a"`, `2 NULL`, `3 NULL`, `9 "z"`}}},
		{"unique", nil, batch(people, row(9, nil), row(10, nil), row(11, "a")),
			result{2, "by_email", `1 "a" 1 NULL NULL`, []string{`1 "a"`, `2 NULL`, `3 NULL`, `9 NULL`, `10 NULL`}}},
		{"within the batch", nil, batch(people, row(9, "q"), row(10, "q")),
			result{1, "by_email", `9 "q" 7 "n" 0.5`, []string{`1 "a"`, `2 NULL`, `3 NULL`, `9 "q"`}}},
		{"update up", batch(people, row(2, nil), row(3, nil)), batch(people, row(3, nil), row(4, nil)),
			result{0, "PRIMARY", `3 NULL 1 NULL NULL`, []string{`1 "a"`, `2 NULL`, `3 NULL`}}},
		{"update down", batch(people, row(3, nil), row(2, nil)), batch(people, row(4, "e"), row(3, "f")),
			result{-1, "", "", []string{`1 "a"`, `3 "f"`, `4 "e"`}}},
		{"update passes a unique key on", batch(people, row(1, "a"), row(2, nil)), batch(people, row(1, nil), row(2, "a")),
			result{-1, "", "", []string{`1 NULL`, `2 "a"`, `3 NULL`}}},
		{"update into a unique key", batch(people, row(2, nil), row(3, nil)), batch(people, row(2, "b"), row(3, "b")),
			result{1, "by_email", `2 "b" 7 "n" 0.5`, []string{`1 "a"`, `2 "b"`, `3 NULL`}}},
		{"row moves, unique key stays", batch(people, row(1, "a")), batch(people, row(8, "a")),
			result{-1, "", "", []string{`2 NULL`, `3 NULL`, `8 "a"`}}},
	} {
		m := tx.Mark()
		var c *Conflict
		var err error
		if test.old == nil {
			c, err = tab.Insert(ctx, test.new)
		} else {
			c, err = tab.Update(ctx, test.old, test.new)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := result{Row: -1, After: scan(t, tab, ScanRequest{Columns: []int{0, 1}})}
		if c != nil {
			got.Row, got.Index, got.Existing = c.Row, "PRIMARY", showRow(c.Existing)
			if c.Index != nil {
				got.Index = c.Index.Name
			}
		}
		equal(t, test.name, got, test.want)
		// Looking up by the unique index leads to the same rows.
		for _, r := range got.After {
			id, email, _ := strings.Cut(r, " ")
			if email == "NULL" {
				continue
			}
			v := values(strings.Trim(email, `"`))
			equal(t, test.name+": by email", scan(t, tab, ScanRequest{Index: &people.Indexes[0], Columns: []int{0},
				Ranges: []KeyRange{{Low: v, High: v}}}), []string{id})
		}
		tx.RollbackTo(m)
	}
	equal(t, "the other user's", scan(t, tx.User(people, "v"), ScanRequest{Columns: []int{0, 1}}), []string{`1 "a"`})
}

func TestKeyTooLong(t *testing.T) {
	t.Parallel()
	people := people(schema.Shared)
	tx := begin(t, newDB(t))
	_, err := tx.Shared(people).Insert(ctx, batch(people, []any{1, strings.Repeat("x", 3072), 1, nil, nil}))
	e := sqlerr.As(err)
	if e == nil || e.Kind != sqlerr.KeyTooLong || e.Table != "test.people" || e.Constraint != "by_email" {
		t.Errorf("got %v, %+v", err, e)
	}
}
