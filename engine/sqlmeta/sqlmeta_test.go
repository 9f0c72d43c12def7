package sqlmeta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/stats"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

var ctx = context.Background()

// newOverlay returns a place to write to over an empty store.
func newOverlay(t *testing.T) *kv.Overlay {
	t.Helper()
	db := mem.Open()
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { snap.Release(); db.Close() })
	return kv.NewOverlay(snap)
}

var noon = time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.UTC)

// exercise runs a table through all its operations. a and b are records with
// keys in order, changed is another a.
func exercise[K, R any](t *testing.T, tab *Records[K, R], a, b, changed R, duplicate *sqlerr.Kind) {
	t.Run(tab.Name(), func(t *testing.T) {
		rw := newOverlay(t)
		all := func() []R {
			t.Helper()
			got := []R{}
			if err := tab.ScanAll(ctx, rw, func(r *R) error { got = append(got, *r); return nil }); err != nil {
				t.Fatal(err)
			}
			return got
		}
		is := func(what string, got, want any) {
			t.Helper()
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", what, d)
			}
		}
		fails := func(what string, err error, want *sqlerr.Kind) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", what, err, want)
			}
		}
		works := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		is("empty", all(), []R{})
		_, err := tab.Get(ctx, rw, tab.key(&a))
		fails("get missing", err, sqlerr.NoSuchRecord)
		fails("update missing", tab.Update(ctx, rw, &a), sqlerr.NoSuchRecord)
		fails("delete missing", tab.Delete(ctx, rw, tab.key(&a)), sqlerr.NoSuchRecord)
		works("insert b", tab.Insert(ctx, rw, &b))
		works("insert a", tab.Insert(ctx, rw, &a))
		fails("insert a again", tab.Insert(ctx, rw, &a), duplicate)
		is("both", all(), []R{a, b})
		got, err := tab.Get(ctx, rw, tab.key(&b))
		works("get b", err)
		is("b", *got, b)
		works("update", tab.Update(ctx, rw, &changed))
		is("updated", all(), []R{changed, b})
		works("update back", tab.Update(ctx, rw, &a))
		works("delete", tab.Delete(ctx, rw, tab.key(&a)))
		is("deleted", all(), []R{b})
		works("insert a anew", tab.Insert(ctx, rw, &a))

		stop := errors.New("stop")
		if err := tab.ScanAll(ctx, rw, func(*R) error { return stop }); err != stop {
			t.Errorf("ScanAll returns %v", err)
		}
		for _, v := range []string{"", "\x00{}", "\x01", "\x01{", "\x01[]"} {
			rw.Put(kv.Meta, tab.primaryKey(tab.key(&a)), []byte(v))
			_, err := tab.Get(ctx, rw, tab.key(&a))
			fails(fmt.Sprintf("get %q", v), err, sqlerr.Corrupt)
			if e := sqlerr.As(err); e == nil || e.Table != "system."+tab.Name() {
				t.Errorf("%q: %+v", v, e)
			}
			fails(fmt.Sprintf("scan %q", v), tab.ScanAll(ctx, rw, func(*R) error { return nil }), sqlerr.Corrupt)
		}
		rw.Put(kv.Meta, tab.primaryKey(tab.key(&a)), []byte("\x02"))
		_, err = tab.Get(ctx, rw, tab.key(&a))
		fails("get of a newer format", err, sqlerr.NewerFormat)
	})
}

func TestRecords(t *testing.T) {
	t.Parallel()
	options := map[string]string{"k": "v", "q": `"`}
	exercise(t, Users,
		User{ID: "", Name: "a", Role: "user", Created: noon}, User{ID: "\x00", Name: "b"},
		User{ID: "", Name: "c", Role: "dba", Email: "c@x", Updated: noon},
		sqlerr.CannotUser)
	exercise(t, Namespaces,
		Namespace{ID: 1, Name: "b", Created: noon}, Namespace{ID: 2, Name: "a", Options: options},
		Namespace{ID: 1, Name: "b", Description: "of b", Options: options},
		sqlerr.CantCreateDatabase)
	exercise(t, Tables,
		Table{ID: 255, Namespace: "n", Name: "t", Kind: schema.User, SchemaVersion: 1}, Table{ID: 256, Namespace: "n", Name: "T"},
		Table{ID: 255, Namespace: "n", Name: "renamed", SchemaVersion: 2, StorageID: "s", Options: options, Comment: "c", Created: noon},
		sqlerr.TableExists)
	tab := &schema.Table{ID: 1, Name: "t", Version: 2, Columns: []schema.Column{
		{ID: 1, Name: "e", Type: types.Type{Kind: types.Enum, Collation: types.DefaultCollation, Members: &types.Members{Names: []string{"x", "y"}}}, Default: "'x'"}},
		PrimaryKey: []int{0}, Indexes: []schema.Index{{ID: 1, Name: "i", Columns: []int{0}, Unique: true}}}
	exercise(t, TableSchemas,
		TableSchema{TableID: 1, Version: 2, Schema: tab, Created: noon}, TableSchema{TableID: 2, Version: 1, Schema: tab},
		TableSchema{TableID: 1, Version: 2, Schema: tab},
		sqlerr.DupEntry)
	exercise(t, StorageLocations,
		StorageLocation{ID: "a", Name: "x", Kind: "filesystem", URI: "/x"}, StorageLocation{ID: "b", Options: options},
		StorageLocation{ID: "a", Description: "d", Created: noon, Updated: noon},
		sqlerr.DupEntry)
	exercise(t, Jobs,
		Job{ID: 1, Kind: "evict", State: JobRunning, Started: noon}, Job{ID: 1 << 40, State: JobFailed, Error: "e"},
		Job{ID: 1, State: JobCompleted, Namespace: "n", Table: "t", Parameters: options, Result: "r", Finished: noon},
		sqlerr.DupEntry)
}

func TestNames(t *testing.T) {
	t.Parallel()
	rw := newOverlay(t)
	for i, n := range []struct{ namespace, name string }{{"a", "z"}, {"a", "t"}, {"a", "T"}, {"a\x00", "t"}, {"ab", "t"}, {"", "at"}} {
		if err := Tables.Insert(ctx, rw, &Table{ID: uint32(i), Namespace: n.namespace, Name: n.name}); err != nil {
			t.Fatal(err)
		}
	}
	list := func(namespace string) (names []string) {
		t.Helper()
		if err := TablesIn(ctx, rw, namespace, func(r *Table) error { names = append(names, r.Name); return nil }); err != nil {
			t.Fatal(err)
		}
		return names
	}
	lookup := func(namespace, name string) any {
		r, err := TableByName(ctx, rw, namespace, name)
		if err != nil {
			return sqlerr.As(err).Error()
		}
		return r.ID
	}
	is := func(got, want any) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	is(list("a"), []string{"T", "t", "z"})
	is(list("none"), []string(nil))
	is(lookup("a", "T"), uint32(2))
	is(lookup("", "at"), uint32(5))
	is(lookup("A", "t"), "Error 1146 (42S02): Table 'A.t' doesn't exist")

	// A new name frees the old one, and must be free itself.
	if err := Tables.Update(ctx, rw, &Table{ID: 1, Namespace: "a", Name: "z"}); !errors.Is(err, sqlerr.TableExists) {
		t.Errorf("rename to a taken name: %v", err)
	}
	if err := Tables.Update(ctx, rw, &Table{ID: 1, Namespace: "b", Name: "t"}); err != nil {
		t.Fatal(err)
	}
	is(lookup("a", "t"), "Error 1146 (42S02): Table 'a.t' doesn't exist")
	is(lookup("b", "t"), uint32(1))
	if err := Tables.Delete(ctx, rw, 1); err != nil {
		t.Fatal(err)
	}
	is(list("b"), []string(nil))

	// Another id under a taken name is refused and changes nothing.
	if err := Namespaces.Insert(ctx, rw, &Namespace{ID: 1, Name: "n"}); err != nil {
		t.Fatal(err)
	}
	if err := Namespaces.Insert(ctx, rw, &Namespace{ID: 2, Name: "n"}); !errors.Is(err, sqlerr.CantCreateDatabase) {
		t.Errorf("second namespace n: %v", err)
	}
	ns, err := NamespaceByName(ctx, rw, "n")
	if err != nil || ns.ID != 1 {
		t.Errorf("namespace n: %+v, %v", ns, err)
	}
	if _, err := NamespaceByName(ctx, rw, "N"); !errors.Is(err, sqlerr.BadDatabase) {
		t.Errorf("namespace N: %v", err)
	}
	if err := Users.Insert(ctx, rw, &User{ID: "1", Name: "root"}); err != nil {
		t.Fatal(err)
	}
	if u, err := UserByName(ctx, rw, "root"); err != nil || u.ID != "1" {
		t.Errorf("user: %+v, %v", u, err)
	}
	if _, err := UserByName(ctx, rw, "1"); !errors.Is(err, sqlerr.NoSuchRecord) {
		t.Errorf("user 1: %v", err)
	}

	// A name that leads nowhere is damage.
	rw.Delete(kv.Meta, Users.primaryKey("1"))
	if _, err := UserByName(ctx, rw, "root"); !errors.Is(err, sqlerr.Corrupt) {
		t.Errorf("name without record: %v", err)
	}
}

func TestCounters(t *testing.T) {
	t.Parallel()
	rw := newOverlay(t)
	for n := range uint64(3) {
		table, err1 := NextTableID(ctx, rw)
		namespace, err2 := NextNamespaceID(ctx, rw)
		before, err4 := CatalogVersion(ctx, rw)
		after, err5 := BumpCatalogVersion(ctx, rw)
		if err := errors.Join(err1, err2, err4, err5); err != nil {
			t.Fatal(err)
		}
		if table != FirstTableID+uint32(n) || namespace != uint32(n)+1 || before != n || after != n+1 {
			t.Errorf("round %d: %d %d %d %d", n, table, namespace, before, after)
		}
	}
	rw.Put(kv.Meta, counterKey(tableID), bytes.Repeat([]byte{0xff}, 8)[:7])
	if _, err := NextTableID(ctx, rw); !errors.Is(err, sqlerr.Corrupt) {
		t.Errorf("damaged counter: %v", err)
	}
	rw.Put(kv.Meta, counterKey(tableID), []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	if _, err := NextTableID(ctx, rw); !errors.Is(err, sqlerr.Internal) {
		t.Errorf("no ids left: %v", err)
	}
}

func TestCurrentSchema(t *testing.T) {
	t.Parallel()
	rw := newOverlay(t)
	for v := range uint32(3) {
		s := &schema.Table{ID: 7, Name: fmt.Sprint("v", v), Version: v}
		if err := TableSchemas.Insert(ctx, rw, &TableSchema{TableID: 7, Version: v, Schema: s}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := CurrentSchema(ctx, rw, &Table{ID: 7, SchemaVersion: 1})
	if err != nil || s.Name != "v1" {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := CurrentSchema(ctx, rw, &Table{ID: 7, SchemaVersion: 9}); !errors.Is(err, sqlerr.NoSuchRecord) {
		t.Errorf("missing version: %v", err)
	}
	if err := TableSchemas.Update(ctx, rw, &TableSchema{TableID: 7, Version: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := CurrentSchema(ctx, rw, &Table{ID: 7, SchemaVersion: 2}); !errors.Is(err, sqlerr.Corrupt) {
		t.Errorf("record without schema: %v", err)
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	rw := newOverlay(t)
	get := func() *stats.Table {
		t.Helper()
		s, err := Statistics(ctx, rw, 7)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := get(); s != nil {
		t.Errorf("there is %+v", s)
	}
	one := &stats.Table{Rows: 3, At: noon, Prefixes: map[uint32][]float64{0: {3}},
		Columns: map[uint32]*stats.Column{1: {Type: types.Int64Type, Distinct: 2, Bounds: []types.Value{types.NewInt(1), types.NewInt(9)}}}}
	two := &stats.Table{Rows: 4, At: noon}
	for _, s := range []*stats.Table{one, two} {
		if err := PutStatistics(ctx, rw, 7, s); err != nil {
			t.Fatal(err)
		}
		if got := get(); fmt.Sprint(got) == "<nil>" || got.Rows != s.Rows || len(got.Columns) != len(s.Columns) || !got.At.Equal(noon) {
			t.Errorf("%+v is read as %+v", s, got)
		}
	}
	// Damaged statistics are none: they only make plans better.
	rw.Put(kv.Meta, statistics.primaryKey(7), []byte("\x01{"))
	if s := get(); s != nil {
		t.Errorf("damaged statistics are read as %+v", s)
	}
	if err := PutStatistics(ctx, rw, 7, nil); err != nil || get() != nil {
		t.Errorf("statistics are not deleted: %v", err)
	}
}
