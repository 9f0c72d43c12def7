package kv_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

// overMem returns an Overlay over a store that has n keys.
func overMem(t testing.TB, n int) *kv.Overlay {
	db := mem.Open()
	t.Cleanup(func() { db.Close() })
	kvtest.Write(t, db, func(b *kv.Batch) {
		for i := range n {
			b.Put(kv.Data, key(i), []byte("old"))
		}
	})
	return kv.NewOverlay(kvtest.Snapshot(t, db))
}

func key(i int) []byte { return fmt.Appendf(nil, "%06d", i) }

func TestOverlayRanges(t *testing.T) {
	t.Parallel()
	type span struct{ start, end string }
	for _, test := range []struct{ deleted, want []span }{
		{[]span{{"b", "d"}, {"f", "h"}}, []span{{"b", "d"}, {"f", "h"}}},
		{[]span{{"b", "d"}, {"d", "h"}}, []span{{"b", "h"}}},
		{[]span{{"d", "h"}, {"b", "d"}}, []span{{"b", "h"}}},
		{[]span{{"b", "d"}, {"c", "h"}}, []span{{"b", "h"}}},
		{[]span{{"b", "h"}, {"c", "d"}}, []span{{"b", "h"}}},
		{[]span{{"c", "d"}, {"b", "h"}}, []span{{"b", "h"}}},
		{[]span{{"b", "c"}, {"d", "e"}, {"f", "g"}, {"a", "f"}}, []span{{"a", "g"}}},
		{[]span{{"b", "c"}, {"d", "e"}, {"b", "d"}}, []span{{"b", "e"}}},
		{[]span{{"b", "c"}, {"b", "c"}, {"c", "b"}, {"x", ""}}, []span{{"b", "c"}}},
	} {
		o := overMem(t, 0)
		for _, s := range test.deleted {
			o.DeleteRange(kv.Data, []byte(s.start), []byte(s.end))
		}
		var got []span
		o.Ranges(func(s kv.Space, start, end []byte) {
			if s != kv.Data {
				t.Errorf("in space %v", s)
			}
			got = append(got, span{string(start), string(end)})
		})
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(span{})); diff != "" {
			t.Errorf("%v: %s", test.deleted, diff)
		}
	}
}

func TestOverlayBatch(t *testing.T) {
	t.Parallel()
	o := overMem(t, 0)
	o.Put(kv.Data, []byte("a"), []byte("1"))
	o.Put(kv.Data, []byte("b"), []byte("1"))
	o.Put(kv.Meta, []byte("m"), []byte{})
	o.Put(kv.Data, []byte("z"), []byte("1"))
	o.DeleteRange(kv.Data, []byte("a"), []byte("m"))
	o.Put(kv.Data, []byte("b"), []byte("2"))
	o.Delete(kv.Data, []byte("z"))
	want := []record{
		{kv.OpPut, kv.Meta, "m", ""},
		{kv.OpDeleteRange, kv.Data, "a", "m"},
		{kv.OpPut, kv.Data, "b", "2"},
		{kv.OpDelete, kv.Data, "z", ""},
	}
	if diff := cmp.Diff(want, records(o.Batch())); diff != "" {
		t.Error(diff)
	}
	var keys []string
	o.Keys(func(s kv.Space, key []byte) bool {
		keys = append(keys, s.String()+" "+string(key))
		return true
	})
	if diff := cmp.Diff([]string{"meta m", "data b", "data z"}, keys); diff != "" {
		t.Error(diff)
	}
}

func TestOverlaySize(t *testing.T) {
	t.Parallel()
	o := overMem(t, 0)
	if !o.Empty() || o.Size() != 0 {
		t.Fatalf("a new Overlay has %d bytes", o.Size())
	}
	fresh := o.Mark()
	o.Put(kv.Stream, []byte("k"), make([]byte, 1000))
	o.DeleteRange(kv.Meta, []byte("a"), []byte("b"))
	if o.Empty() || o.Size() < 1000 {
		t.Errorf("%d bytes", o.Size())
	}
	before := o.Size()
	o.Put(kv.Stream, []byte("k"), make([]byte, 500))
	if got := before - o.Size(); got != 500 {
		t.Errorf("a value 500 bytes shorter frees %d", got)
	}
	o.DeleteRange(kv.Stream, []byte("a"), []byte("z"))
	o.DeleteRange(kv.Stream, []byte("a"), []byte("z"))
	o.DeleteRange(kv.Meta, []byte("a"), []byte("c"))
	if o.Size() > 200 {
		t.Errorf("two ranges take %d bytes", o.Size())
	}
	if o.RollbackTo(fresh); !o.Empty() || o.Size() != 0 {
		t.Errorf("after a rollback: %d bytes", o.Size())
	}
}

func TestOverlayRebase(t *testing.T) {
	t.Parallel()
	db := mem.Open()
	defer db.Close()
	kvtest.Write(t, db, func(b *kv.Batch) { b.Put(kv.Data, []byte("a"), []byte("1")) })
	first := kvtest.Snapshot(t, db)
	defer first.Release()
	kvtest.Write(t, db, func(b *kv.Batch) { b.Put(kv.Data, []byte("a"), []byte("2")) })
	second := kvtest.Snapshot(t, db)
	defer second.Release()
	o := kv.NewOverlay(first)
	o.Put(kv.Data, []byte("b"), []byte("own"))
	old := o.Scan(kv.Data, kv.Range{})
	defer old.Close()
	o.Rebase(second)
	want := []kvtest.Pair{{Key: "a", Value: "2"}, {Key: "b", Value: "own"}}
	if diff := cmp.Diff(want, kvtest.Pairs(t, o, kv.Data, kv.Range{})); diff != "" {
		t.Error(diff)
	}
	if c, err := old.Next(t.Context()); err != nil || string(c.Value(0)) != "1" {
		t.Errorf("the open scan: %v", err)
	}
}

// A scan that meets changes far apart gets the stretches between at once.
func TestOverlayLongScan(t *testing.T) {
	t.Parallel()
	const n = 50_000
	for _, reverse := range []bool{false, true} {
		o := overMem(t, n)
		want := map[string]string{}
		for i := range n {
			want[string(key(i))] = "old"
		}
		for i := 500; i < n; i += 10_000 {
			o.Put(kv.Data, key(i), []byte("new"))
			want[string(key(i))] = "new"
			o.Delete(kv.Data, key(i+700))
			delete(want, string(key(i+700)))
			o.DeleteRange(kv.Data, key(i+1000), key(i+5000))
			o.Put(kv.Data, key(i+3000), []byte("back"))
			for j := i + 1000; j < i+5000; j++ {
				delete(want, string(key(j)))
			}
			want[string(key(i+3000))] = "back"
		}
		pairs := kvtest.Pairs(t, o, kv.Data, kv.Range{Reverse: reverse})
		got := map[string]string{}
		for i, p := range pairs {
			got[p.Key] = p.Value
			if i > 0 && (pairs[i-1].Key < p.Key) == reverse {
				t.Fatalf("%q follows %q", p.Key, pairs[i-1].Key)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func BenchmarkOverlayPut(b *testing.B) {
	o := overMem(b, 0)
	value := make([]byte, 100)
	for i := 0; b.Loop(); i++ {
		o.Put(kv.Data, key(i), value)
	}
}

// BenchmarkOverlayMark writes as single-row statements do: each in a mark of its own.
func BenchmarkOverlayMark(b *testing.B) {
	o := overMem(b, 0)
	value := make([]byte, 100)
	for i := 0; b.Loop(); i++ {
		o.Mark()
		o.Put(kv.Data, key(i), value)
		o.Forget()
	}
}
