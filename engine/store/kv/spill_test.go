package kv_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

// spilling returns an overlay over db's present state, and closes what it opened.
func spilling(t *testing.T, db kv.DB) (*kv.Overlay, func()) {
	t.Helper()
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	o := kv.NewOverlay(snap)
	open := 0
	o.SetSpill(func() (kv.DB, func(), error) {
		open++
		return mem.Open(), func() { open-- }, nil
	})
	return o, func() {
		o.Reset()
		snap.Release()
		if open != 0 {
			t.Errorf("%d temporary stores are open", open)
		}
	}
}

// TestSpillRandom compares an overlay that spills at random moments with a map, and
// what is committed of it with that map again.
func TestSpillRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			testSpill(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

type model map[string]string // a byte for the space, then the key

func testSpill(t *testing.T, r *rand.Rand) {
	ctx := context.Background()
	db := mem.Open()
	defer db.Close()
	want := model{}
	key := func() (kv.Space, []byte) {
		// Some keys begin with others, which the order of spilled keys must bear.
		k := []byte{"abc"[r.IntN(3)], "\x00\xffx"[r.IntN(3)], byte(r.IntN(3))}[:1+r.IntN(3)]
		return kv.Space(r.IntN(int(kv.NumSpaces))), k
	}
	id := func(s kv.Space, k []byte) string { return string(append([]byte{byte(s)}, k...)) }
	var b kv.Batch
	for range 20 {
		s, k := key()
		b.Put(s, k, []byte("base"))
		want[id(s, k)] = "base"
	}
	if err := db.Write(ctx, &b, kv.NoSync); err != nil {
		t.Fatal(err)
	}
	o, done := spilling(t, db)
	defer done()

	type mark struct {
		m     kv.Mark
		state model
	}
	var marks []mark
	var frozen []mark // states that scans still see
	var views []*kv.Overlay
	for step := range 300 {
		switch n := r.IntN(100); {
		case n < 40:
			s, k := key()
			v := fmt.Sprint(step)
			o.Put(s, k, []byte(v))
			want[id(s, k)] = v
		case n < 60:
			s, k := key()
			o.Delete(s, k)
			delete(want, id(s, k))
		case n < 66:
			if err := o.Spill(ctx); err != nil {
				t.Fatal(err)
			}
		case n < 72:
			marks = append(marks, mark{o.Mark(), maps.Clone(want)})
		case n < 77 && len(marks) > 0:
			i := r.IntN(len(marks))
			o.RollbackTo(marks[i].m)
			want = maps.Clone(marks[i].state)
			marks = marks[:i+1]
		case n < 79:
			o.Forget()
			marks = nil
		case n < 82:
			views, frozen = append(views, o.Freeze()), append(frozen, mark{state: maps.Clone(want)})
		default:
			check(t, r, o, want)
		}
		if len(views) > 0 && r.IntN(10) == 0 {
			i := r.IntN(len(views))
			check(t, r, views[i], frozen[i].state)
			views[i].Release()
			views, frozen = slices.Delete(views, i, i+1), slices.Delete(frozen, i, i+1)
		}
	}
	for i, v := range views {
		check(t, r, v, frozen[i].state)
		v.Release()
	}
	check(t, r, o, want)
	if err := o.Err(); err != nil {
		t.Fatal(err)
	}
	if o.Spilled() || r.IntN(2) == 0 { // changes that are all in the tree have a source too
		if err := o.Spill(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var head kv.Batch
	head.Put(kv.Meta, []byte("head"), []byte("wins"))
	want[id(kv.Meta, []byte("head"))] = "wins"
	if o.CanSpill() {
		source, end := o.Source(&head)
		err := db.Ingest(ctx, "", source, nil)
		end()
		if err != nil {
			t.Fatal(err)
		}
		snap, err := db.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Release()
		check(t, r, snap, want)
	}
}

// check reads one key, some keys and a range in each space.
func check(t *testing.T, r *rand.Rand, rd kv.Reader, want model) {
	t.Helper()
	ctx := context.Background()
	for s := range kv.NumSpaces {
		var keys []string
		for k := range want {
			if k[0] == byte(s) {
				keys = append(keys, k[1:])
			}
		}
		slices.Sort(keys)
		rng := kv.Range{Reverse: r.IntN(2) == 0, KeysOnly: r.IntN(4) == 0}
		if r.IntN(2) == 0 {
			rng.Start, rng.End = []byte("a\x00"), []byte("c")
			keys = slices.DeleteFunc(keys, func(k string) bool { return k < "a\x00" || k >= "c" })
		}
		if rng.Reverse {
			slices.Reverse(keys)
		}
		if r.IntN(3) == 0 {
			rng.Limit = 1 + r.IntN(4)
			keys = keys[:min(rng.Limit, len(keys))]
		}
		sc := rd.Scan(s, rng)
		var got []string
		for {
			c, err := sc.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if c.Len() == 0 {
				break
			}
			for i := range c.Len() {
				k := string(c.Key(i))
				got = append(got, k)
				if v := string(c.Value(i)); !rng.KeysOnly && v != want[string([]byte{byte(s)})+k] {
					t.Fatalf("%v %q is %q, want %q", s, k, v, want[string([]byte{byte(s)})+k])
				}
			}
		}
		sc.Close()
		if rng.Limit > 0 {
			got = got[:min(len(got), rng.Limit)]
		}
		if !slices.Equal(got, keys) {
			t.Fatalf("%v %+v: keys %q, want %q", s, rng, got, keys)
		}
		probe := [][]byte{[]byte("a"), []byte("a\x00"), []byte("b\xff"), []byte("cx\x01"), []byte("c")}
		values := make([][]byte, len(probe))
		if err := rd.MultiGet(ctx, s, probe, values); err != nil {
			t.Fatal(err)
		}
		for i, k := range probe {
			w, ok := want[string([]byte{byte(s)})+string(k)]
			v, have, err := rd.Get(ctx, s, k)
			if err != nil || have != ok || string(v) != w || (values[i] != nil) != ok || string(values[i]) != w {
				t.Fatalf("%v %q is %q, %q, want %q %v; %v", s, k, v, values[i], w, ok, err)
			}
		}
	}
}
