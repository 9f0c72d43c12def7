package kvtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// model is a sorted map to compare with.
type model map[string]string

func (m model) pairs(r kv.Range) []Pair {
	var pairs []Pair
	for k, v := range m {
		if k >= string(r.Start) && (r.End == nil || k < string(r.End)) {
			if r.KeysOnly {
				v = ""
			}
			pairs = append(pairs, Pair{k, v})
		}
	}
	slices.SortFunc(pairs, func(a, b Pair) int {
		if r.Reverse {
			a, b = b, a
		}
		return bytes.Compare([]byte(a.Key), []byte(b.Key))
	})
	if r.Limit > 0 && len(pairs) > r.Limit {
		pairs = pairs[:r.Limit]
	}
	return pairs
}

func (m model) put(key, value string) { m[key] = value }

func (m model) deleteRange(start, end string) {
	for k := range m {
		if k >= start && k < end {
			delete(m, k)
		}
	}
}

// mutate makes a random change to w and m.
func mutate(rnd *rand.Rand, w kv.Writer, m model) {
	key := func() string { return fmt.Sprintf("%03d", rnd.IntN(400)) }
	switch k := key(); rnd.IntN(10) {
	default:
		v := fmt.Sprint(rnd.Uint64() % 1000)
		put(w, k, v)
		m.put(k, v)
	case 0, 1, 2:
		w.Delete(kv.Data, []byte(k))
		delete(m, k)
	case 3:
		end := key()
		if rnd.IntN(4) > 0 {
			end = k + "\x00" + key()
		}
		w.DeleteRange(kv.Data, []byte(k), []byte(end))
		m.deleteRange(k, end)
	}
}

// compare reads r in many ways and compares with m.
func compare(t *testing.T, rnd *rand.Rand, r kv.Reader, m model) {
	t.Helper()
	keys, values := make([][]byte, 40), make([][]byte, 40)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "%03d", rnd.IntN(400))
		want, wantOK := m[string(keys[i])]
		if v, ok := get(t, r, kv.Data, string(keys[i])); v != want || ok != wantOK {
			t.Fatalf("Get(%q) = %q, %v; want %q, %v", keys[i], v, ok, want, wantOK)
		}
	}
	if err := r.MultiGet(t.Context(), kv.Data, keys, values); err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if want, ok := m[string(k)]; string(values[i]) != want || ok != (values[i] != nil) {
			t.Fatalf("MultiGet has %q for %q; want %q, %v", values[i], k, want, ok)
		}
	}
	for range 8 {
		rng := kv.Range{Reverse: rnd.IntN(2) > 0, KeysOnly: rnd.IntN(4) == 0}
		if rnd.IntN(3) > 0 {
			rng.Start = keys[rnd.IntN(len(keys))]
		}
		if rnd.IntN(3) > 0 {
			rng.End = keys[rnd.IntN(len(keys))]
		}
		if rnd.IntN(3) == 0 {
			rng.Limit = 1 + rnd.IntN(100)
		}
		if diff := cmp.Diff(m.pairs(rng), Pairs(t, r, kv.Data, rng)); diff != "" {
			t.Fatalf("%+v: %s", rng, diff)
		}
	}
}

func testRandom(t *testing.T, db kv.DB) {
	rnd := rand.New(rand.NewPCG(3, 4))
	m := model{}
	for range 60 {
		Write(t, db, func(b *kv.Batch) {
			for range rnd.IntN(60) {
				mutate(rnd, b, m)
			}
		})
		snap := Snapshot(t, db)
		compare(t, rnd, snap, m)
		snap.Release()
	}
}

// testOverlay makes random changes in an Overlay over a filled store, with
// marks and rollbacks, and compares with a model throughout.
func testOverlay(t *testing.T, db kv.DB) {
	rnd := rand.New(rand.NewPCG(5, 6))
	m := model{}
	Write(t, db, func(b *kv.Batch) {
		for range 400 {
			mutate(rnd, b, m)
		}
	})
	for range 30 {
		snap := Snapshot(t, db)
		o := kv.NewOverlay(snap)
		type mark struct {
			state kv.Mark
			m     model
		}
		marks := []mark{{o.Mark(), clone(m)}}
		for range 15 {
			for range rnd.IntN(15) {
				mutate(rnd, o, m)
			}
			compare(t, rnd, o, m)
			// A scan shows the state that it was opened in.
			want, sc := m.pairs(kv.Range{}), o.Scan(kv.Data, kv.Range{})
			mutate(rnd, o, m)
			if diff := cmp.Diff(want, Pairs(t, scanned{o, sc}, kv.Data, kv.Range{})); diff != "" {
				t.Fatal(diff)
			}
			switch rnd.IntN(4) {
			case 0:
				marks = append(marks, mark{o.Mark(), clone(m)})
			case 1:
				i := rnd.IntN(len(marks))
				back := marks[i]
				marks = marks[:i+1]
				o.RollbackTo(back.state)
				m = clone(back.m)
			case 2:
				o.Forget()
				marks = []mark{{o.Mark(), clone(m)}}
			}
		}
		var b kv.Batch
		o.AppendTo(&b, nil)
		if err := db.Write(t.Context(), &b, kv.NoSync); err != nil {
			t.Fatal(err)
		}
		snap.Release()
		after := Snapshot(t, db)
		compare(t, rnd, after, m)
		if diff := cmp.Diff(m.pairs(kv.Range{}), Pairs(t, after, kv.Data, kv.Range{})); diff != "" {
			t.Fatal(diff)
		}
		after.Release()
	}
}

// scanned is a Reader whose scan is already open.
type scanned struct {
	kv.Reader
	scanner kv.Scanner
}

func (s scanned) Scan(kv.Space, kv.Range) kv.Scanner { return s.scanner }

func clone(m model) model {
	c := make(model, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}
