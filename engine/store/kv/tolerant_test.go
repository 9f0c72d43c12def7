package kv_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/kv/kvtest"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
)

// damaged is a DB some of whose keys can't be read: a scan that comes to one
// fails, and may take pairs before it along.
type damaged struct {
	kv.DB
	bad func(key []byte) bool
}

type damagedSnapshot struct {
	kv.Snapshot
	bad func(key []byte) bool
}

type damagedScanner struct {
	kv.Scanner
	bad func(key []byte) bool
}

func (d damaged) Snapshot() (kv.Snapshot, error) {
	s, err := d.DB.Snapshot()
	return damagedSnapshot{s, d.bad}, err
}

func (d damagedSnapshot) Scan(s kv.Space, r kv.Range) kv.Scanner {
	return damagedScanner{d.Snapshot.Scan(s, r), d.bad}
}

func (d damagedScanner) Next(ctx context.Context) (*kv.Chunk, error) {
	c, err := d.Scanner.Next(ctx)
	if err == nil {
		for i := range c.Len() {
			if d.bad(c.Key(i)) {
				return nil, sqlerr.Corrupt.New("a bad block")
			}
		}
	}
	return c, err
}

func TestTolerant(t *testing.T) {
	t.Parallel()
	const n = 3000
	for name, bad := range map[string]func(i int) bool{
		"none":      func(int) bool { return false },
		"first":     func(i int) bool { return i < 10 },
		"middle":    func(i int) bool { return i >= 1000 && i < 1200 },
		"last":      func(i int) bool { return i >= n-3 },
		"one":       func(i int) bool { return i == 1500 },
		"all":       func(int) bool { return true },
		"two":       func(i int) bool { return i/100 == 3 || i/100 == 20 },
		"scattered": func(i int) bool { return i%701 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := mem.Open()
			defer store.Close()
			prefix := []byte("some table ")
			kvtest.Write(t, store, func(b *kv.Batch) {
				for i := range n {
					b.Put(kv.Data, fmt.Appendf(bytes.Clone(prefix), "%06d", i), fmt.Append(nil, rand.Uint64()))
				}
				b.Put(kv.Data, []byte("zz other table"), nil)
			})
			number := func(key []byte) (i int) {
				if bytes.HasPrefix(key, prefix) {
					fmt.Sscanf(string(key[len(prefix):]), "%d", &i)
					return i
				}
				return -1
			}
			damages := 0
			db := kv.Tolerant(damaged{store, func(key []byte) bool { i := number(key); return i >= 0 && bad(i) }}, func(d kv.Damage) { damages++ })
			snap := kvtest.Snapshot(t, db)
			defer snap.Release()
			var got, want []int
			for _, p := range kvtest.Pairs(t, snap, kv.Data, kv.Range{Start: prefix, End: []byte("some tablf")}) {
				got = append(got, number([]byte(p.Key)))
			}
			runs := 0
			for i := range n {
				if !bad(i) {
					want = append(want, i)
				} else if i == 0 || !bad(i-1) {
					runs++
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if damages != runs {
				t.Errorf("%d stretches of damage, %d reported", runs, damages)
			}
		})
	}
}
