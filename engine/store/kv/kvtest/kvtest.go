// Package kvtest tests that a store keeps the contract of kv.
package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// Run tests stores that open returns, each empty and its own.
func Run(t *testing.T, open func(t *testing.T) kv.DB) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, db kv.DB)
	}{
		{"Spaces", testSpaces},
		{"Batch", testBatch},
		{"Snapshot", testSnapshot},
		{"Ownership", testOwnership},
		{"EmptyKeyAndValue", testEmpty},
		{"Ranges", testRanges},
		{"Chunks", testChunks},
		{"HugeValue", testHugeValue},
		{"MultiGet", testMultiGet},
		{"DeleteRange", testDeleteRange},
		{"Tombstones", testTombstones},
		{"Random", testRandom},
		{"Cancelled", testCancelled},
		{"Closed", testClosed},
		{"CloseWhileUsed", testCloseWhileUsed},
		{"Concurrent", testConcurrent},
		{"Overlay", testOverlay},
		{"Ingest", testIngest},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			t.Cleanup(func() {
				if st := db.Stats(); st.Snapshots != 0 || st.Scanners != 0 {
					t.Errorf("left over: %d snapshots, %d scanners", st.Snapshots, st.Scanners)
				}
				if err := db.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test.run(t, db)
		})
	}
}

// Pair is a key with its value.
type Pair struct{ Key, Value string }

// Write applies what fill puts into a batch.
func Write(t testing.TB, db kv.DB, fill func(b *kv.Batch)) {
	t.Helper()
	var b kv.Batch
	fill(&b)
	if err := db.Write(t.Context(), &b, kv.NoSync); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// Snapshot returns a snapshot that the test's end releases.
func Snapshot(t testing.TB, db kv.DB) kv.Snapshot {
	t.Helper()
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	t.Cleanup(snap.Release)
	return snap
}

// Pairs returns what a scan returns.
func Pairs(t testing.TB, r kv.Reader, s kv.Space, rng kv.Range) []Pair {
	t.Helper()
	sc := r.Scan(s, rng)
	defer sc.Close()
	var pairs []Pair
	for {
		c, err := sc.Next(context.Background())
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		if c.Len() == 0 {
			if c, err := sc.Next(context.Background()); err != nil || c.Len() != 0 {
				t.Fatalf("Next after the end: %d pairs, %v", c.Len(), err)
			}
			return pairs
		}
		for i := range c.Len() {
			pairs = append(pairs, Pair{string(c.Key(i)), string(c.Value(i))})
		}
	}
}

func get(t *testing.T, r kv.Reader, s kv.Space, key string) (string, bool) {
	t.Helper()
	v, ok, err := r.Get(t.Context(), s, []byte(key))
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	if ok && v == nil || !ok && v != nil {
		t.Fatalf("Get(%q) = %v, %v", key, v, ok)
	}
	return string(v), ok
}

func put(b kv.Writer, key, value string) { b.Put(kv.Data, []byte(key), []byte(value)) }

func testSpaces(t *testing.T, db kv.DB) {
	Write(t, db, func(b *kv.Batch) {
		for s := range kv.NumSpaces {
			b.Put(s, []byte("k"), []byte(s.String()))
		}
	})
	snap := Snapshot(t, db)
	for s := range kv.NumSpaces {
		if v, ok := get(t, snap, s, "k"); v != s.String() || !ok {
			t.Errorf("%v: %q, %v", s, v, ok)
		}
		if diff := cmp.Diff([]Pair{{"k", s.String()}}, Pairs(t, snap, s, kv.Range{})); diff != "" {
			t.Errorf("%v: %s", s, diff)
		}
	}
}

func testBatch(t *testing.T, db kv.DB) {
	Write(t, db, func(b *kv.Batch) { put(b, "a", "0"); put(b, "b", "0"); put(b, "c", "0") })
	Write(t, db, func(b *kv.Batch) {
		put(b, "a", "1")
		b.Delete(kv.Data, []byte("a"))
		put(b, "b", "1")
		put(b, "b", "2")
		b.DeleteRange(kv.Data, []byte("c"), []byte("d"))
		put(b, "c1", "1")
		b.Delete(kv.Data, []byte("nothing"))
	})
	Write(t, db, func(*kv.Batch) {})
	want := []Pair{{"b", "2"}, {"c1", "1"}}
	if diff := cmp.Diff(want, Pairs(t, Snapshot(t, db), kv.Data, kv.Range{})); diff != "" {
		t.Error(diff)
	}
}

func testSnapshot(t *testing.T, db kv.DB) {
	var snaps []kv.Snapshot
	for i := range 5 {
		Write(t, db, func(b *kv.Batch) { put(b, "k", fmt.Sprint(i)); put(b, fmt.Sprint("k", i), "") })
		snaps = append(snaps, Snapshot(t, db))
	}
	Write(t, db, func(b *kv.Batch) { b.DeleteRange(kv.Data, []byte("k"), []byte("l")) })
	for i, snap := range snaps {
		if v, _ := get(t, snap, kv.Data, "k"); v != fmt.Sprint(i) {
			t.Errorf("snapshot %d has %q", i, v)
		}
		if n := len(Pairs(t, snap, kv.Data, kv.Range{})); n != i+2 {
			t.Errorf("snapshot %d has %d keys", i, n)
		}
	}
	// A scan goes on as of its snapshot.
	sc := snaps[4].Scan(kv.Data, kv.Range{})
	defer sc.Close()
	Write(t, db, func(b *kv.Batch) { put(b, "k3", "later") })
	c, err := sc.Next(t.Context())
	if err != nil || c.Len() != 6 || string(c.Value(4)) != "" {
		t.Errorf("got %d pairs, %v", c.Len(), err)
	}
	snaps[0].Release()
	snaps[0].Release()
}

func testOwnership(t *testing.T, db kv.DB) {
	key, value := []byte("key"), []byte("value")
	var b kv.Batch
	b.Put(kv.Data, key, value)
	key[0], value[0] = 'x', 'x'
	if err := db.Write(t.Context(), &b, kv.NoSync); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	put(&b, "other", "other")
	snap := Snapshot(t, db)
	v, _, _ := snap.Get(t.Context(), kv.Data, []byte("key"))
	copy(v, "XXXXX")
	values := make([][]byte, 2)
	if err := snap.MultiGet(t.Context(), kv.Data, [][]byte{[]byte("key"), []byte("key")}, values); err != nil {
		t.Fatal(err)
	}
	values[0] = append(values[0][:0], "YYYYYYYYYY"...)
	if string(values[1]) != "value" {
		t.Errorf("values share memory: %q", values[1])
	}
	if v, ok := get(t, snap, kv.Data, "key"); v != "value" || !ok {
		t.Errorf("got %q, %v", v, ok)
	}
	overlay := kv.NewOverlay(snap)
	put(overlay, "keys", "")
	for name, r := range map[string]kv.Reader{"snapshot": snap, "overlay": overlay} {
		for _, reverse := range []bool{false, true} {
			start, end := []byte("key"), []byte("key\x00")
			sc := r.Scan(kv.Data, kv.Range{Start: start, End: end, Reverse: reverse})
			copy(start, "zzz")
			copy(end, "aaa")
			if c, err := sc.Next(t.Context()); err != nil || c.Len() != 1 {
				t.Errorf("%s: a scan depends on its bounds' memory: %d pairs, %v", name, c.Len(), err)
			}
			sc.Close()
		}
	}
}

func testEmpty(t *testing.T, db kv.DB) {
	Write(t, db, func(b *kv.Batch) { put(b, "", "of the empty key"); put(b, "k", ""); put(b, "\x00", "\x00") })
	snap := Snapshot(t, db)
	for key, want := range map[string]string{"": "of the empty key", "k": "", "\x00": "\x00"} {
		if v, ok := get(t, snap, kv.Data, key); v != want || !ok {
			t.Errorf("%q: %q, %v", key, v, ok)
		}
	}
	values := make([][]byte, 4)
	keys := [][]byte{[]byte("k"), []byte("none"), nil, []byte("\x00")}
	if err := snap.MultiGet(t.Context(), kv.Data, keys, values); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{{}, nil, []byte("of the empty key"), {0}}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Error(diff)
	}
	all := []Pair{{"", "of the empty key"}, {"\x00", "\x00"}, {"k", ""}}
	if diff := cmp.Diff(all, Pairs(t, snap, kv.Data, kv.Range{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(all, Pairs(t, snap, kv.Data, kv.Range{Start: []byte{}})); diff != "" {
		t.Error(diff)
	}
	if got := Pairs(t, snap, kv.Data, kv.Range{End: []byte{}}); got != nil {
		t.Errorf("before the empty key: %v", got)
	}
}

func testRanges(t *testing.T, db kv.DB) {
	m := model{}
	Write(t, db, func(b *kv.Batch) {
		for i := range 300 {
			k, v := fmt.Sprintf("%03d", i*2), fmt.Sprint(i)
			put(b, k, v)
			m.put(k, v)
		}
	})
	snap := Snapshot(t, db)
	bounds := [][]byte{nil, []byte(""), []byte("000"), []byte("001"), []byte("100"), []byte("101"), []byte("597"), []byte("598"), []byte("599"), []byte("z")}
	for _, start := range bounds {
		for _, end := range bounds {
			for _, limit := range []int{0, 1, 64, 100} {
				for flags := range 8 {
					r := kv.Range{Start: start, End: end, Limit: limit, Reverse: flags&1 > 0, KeysOnly: flags&2 > 0, NoCache: flags&4 > 0}
					if diff := cmp.Diff(m.pairs(r), Pairs(t, snap, kv.Data, r)); diff != "" {
						t.Fatalf("%+v: %s", r, diff)
					}
				}
			}
		}
	}
}

func testChunks(t *testing.T, db kv.DB) {
	const n = 20_000
	m := model{}
	Write(t, db, func(b *kv.Batch) {
		for i := range n {
			k := fmt.Sprintf("%06d", i)
			v := string(bytes.Repeat([]byte{byte(i)}, i%300))
			put(b, k, v)
			m.put(k, v)
		}
	})
	snap := Snapshot(t, db)
	for _, reverse := range []bool{false, true} {
		r := kv.Range{Reverse: reverse}
		if diff := cmp.Diff(m.pairs(r), Pairs(t, snap, kv.Data, r)); diff != "" {
			t.Fatalf("reverse %v: %s", reverse, diff)
		}
		sc := snap.Scan(kv.Data, r)
		chunks := 0
		for {
			c, err := sc.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.Len() == 0 {
				break
			}
			chunks++
		}
		if err := errors.Join(sc.Close(), sc.Close()); err != nil {
			t.Error(err)
		}
		if chunks > n/200 {
			t.Errorf("%d pairs in %d chunks", n, chunks)
		}
	}
}

func testHugeValue(t *testing.T, db kv.DB) { HugeValue(t, db, 5<<20) }

// HugeValue tests a value of size bytes, a multiple of 16, among small ones.
func HugeValue(t *testing.T, db kv.DB, size int) {
	huge := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	Write(t, db, func(b *kv.Batch) {
		put(b, "a", "small")
		b.Put(kv.Data, []byte("b"), huge)
		put(b, "c", "small")
	})
	snap := Snapshot(t, db)
	sc := snap.Scan(kv.Data, kv.Range{})
	defer sc.Close()
	for i := 0; i < 3; {
		c, err := sc.Next(t.Context())
		if err != nil || c.Len() == 0 {
			t.Fatalf("at pair %d: %v", i, err)
		}
		for j := range c.Len() {
			want := []byte("small")
			if i == 1 {
				want = huge
			}
			if !bytes.Equal(c.Value(j), want) {
				t.Errorf("pair %d has another value", i)
			}
			i++
		}
	}
	if v, ok, err := snap.Get(t.Context(), kv.Data, []byte("b")); err != nil || !ok || !bytes.Equal(v, huge) {
		t.Errorf("Get: %d bytes, %v, %v", len(v), ok, err)
	}
}

func testMultiGet(t *testing.T, db kv.DB) {
	const n = 2000
	Write(t, db, func(b *kv.Batch) {
		for i := range n {
			put(b, fmt.Sprintf("%05d", i*2), fmt.Sprint("v", i*2))
		}
	})
	snap := Snapshot(t, db)
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, count := range []int{0, 1, 2, 31, 32, 33, 300, 1000} {
		for _, sorted := range []bool{false, true} {
			keys, want, values := make([][]byte, count), make([]string, count), make([][]byte, count)
			for i := range keys {
				values[i] = []byte("stale")
				keys[i] = fmt.Appendf(nil, "%05d", rnd.IntN(2*n+10)) // some twice
			}
			if sorted {
				slices.SortFunc(keys, bytes.Compare)
			}
			for i, k := range keys {
				want[i], _ = get(t, snap, kv.Data, string(k))
			}
			if err := snap.MultiGet(t.Context(), kv.Data, keys, values); err != nil {
				t.Fatal(err)
			}
			for i := range keys {
				if string(values[i]) != want[i] || (values[i] == nil) != (want[i] == "") {
					t.Fatalf("%d keys, sorted %v: %q has %q, want %q", count, sorted, keys[i], values[i], want[i])
				}
			}
		}
	}
}

func testDeleteRange(t *testing.T, db kv.DB) {
	Write(t, db, func(b *kv.Batch) {
		for _, k := range []string{"a", "b", "b\x00", "c", "d"} {
			put(b, k, k)
		}
	})
	Write(t, db, func(b *kv.Batch) {
		b.DeleteRange(kv.Data, []byte("c"), []byte("b")) // nothing
		b.DeleteRange(kv.Data, []byte("a"), []byte("a")) // nothing
		b.DeleteRange(kv.Data, []byte("d"), nil)         // nothing
		b.DeleteRange(kv.Data, []byte("b"), []byte("c"))
		b.DeleteRange(kv.Meta, nil, []byte("z")) // another space
	})
	want := []Pair{{"a", "a"}, {"c", "c"}, {"d", "d"}}
	if diff := cmp.Diff(want, Pairs(t, Snapshot(t, db), kv.Data, kv.Range{})); diff != "" {
		t.Error(diff)
	}
}

// testTombstones reads past keys that were deleted one by one.
func testTombstones(t *testing.T, db kv.DB) {
	const n = 30_000
	m := model{}
	Write(t, db, func(b *kv.Batch) {
		for i := range n {
			put(b, fmt.Sprintf("%06d", i), "old")
		}
	})
	Write(t, db, func(b *kv.Batch) {
		for i := range n {
			k := fmt.Sprintf("%06d", i)
			if i%10_000 == 5000 || i > 12_000 && i < 15_000 {
				m.put(k, "old")
			} else {
				b.Delete(kv.Data, []byte(k))
			}
		}
	})
	snap := Snapshot(t, db)
	for flags := range 4 {
		for _, limit := range []int{0, 1, 2, 3500} {
			r := kv.Range{Reverse: flags&1 > 0, KeysOnly: flags&2 > 0, Limit: limit}
			if diff := cmp.Diff(m.pairs(r), Pairs(t, snap, kv.Data, r)); diff != "" {
				t.Fatalf("%+v: %s", r, diff)
			}
			r.Start, r.End = []byte("000100"), []byte("029900")
			if diff := cmp.Diff(m.pairs(r), Pairs(t, snap, kv.Data, r)); diff != "" {
				t.Fatalf("%+v: %s", r, diff)
			}
		}
	}
}
