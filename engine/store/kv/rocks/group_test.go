//go:build cgo

package rocks

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/kalamgo/kalam/engine/store/kv"
)

func batchOf(keys ...string) []byte {
	var b kv.Batch
	for _, k := range keys {
		b.Put(kv.Data, []byte(k), []byte("value of "+k))
	}
	return b.Bytes()
}

// Writes that come while another is under way are written together, in their order.
func TestGroup(t *testing.T) {
	t.Parallel()
	var g group
	var written [][]byte
	begun, goOn := make(chan bool), make(chan bool)
	write := func(rep []byte) error {
		written = append(written, append([]byte(nil), rep...))
		begun <- true
		<-goOn
		if len(written) == 2 {
			return errors.New("no room")
		}
		return nil
	}
	var wg sync.WaitGroup
	errs := make([]error, 5)
	start := func(i int, keys ...string) {
		wg.Go(func() { errs[i] = g.write(batchOf(keys...), write) })
	}
	waiting := func(n int) {
		for {
			g.mu.Lock()
			have := len(g.waiting)
			g.mu.Unlock()
			if have == n {
				return
			}
			runtime.Gosched()
		}
	}
	start(0, "a")
	<-begun
	large := make([]byte, maxGroup)
	for i, keys := range [][]string{{"b", "c"}, {"d"}, {string(large)}, {"e"}} {
		start(1+i, keys...)
		waiting(1 + i)
	}
	for i := range 4 {
		goOn <- true
		if i < 3 {
			<-begun
		}
	}
	wg.Wait()
	want := [][]byte{batchOf("a"), batchOf("b", "c", "d"), batchOf(string(large)), batchOf("e")}
	for i := range want {
		if string(written[i]) != string(want[i]) {
			t.Errorf("write %d has %d bytes, want %d", i, len(written[i]), len(want[i]))
		}
	}
	for i, err := range errs {
		if failed := i == 1 || i == 2; (err != nil) != failed {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if g.led || len(g.waiting) > 0 {
		t.Error("the group is still led")
	}
}

// What many writers were told is written is there when the database is opened again.
func TestGroupsOnDisk(t *testing.T) {
	t.Parallel()
	cfg := Config{Path: t.TempDir() + "/db", Create: true}
	db, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 16, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				var b kv.Batch
				b.Put(kv.Data, fmt.Appendf(nil, "%d/%d", w, i), fmt.Append(nil, w*i))
				b.Put(kv.Meta, fmt.Append(nil, w), fmt.Append(nil, i))
				if err := db.Write(t.Context(), &b, kv.Sync); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	db.Close()
	if db, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Release()
	for w := range writers {
		for i := range each {
			v, _, err := snap.Get(t.Context(), kv.Data, fmt.Appendf(nil, "%d/%d", w, i))
			if err != nil || string(v) != fmt.Sprint(w*i) {
				t.Errorf("%d/%d: %q, %v", w, i, v, err)
			}
		}
		if v, _, err := snap.Get(t.Context(), kv.Meta, fmt.Append(nil, w)); err != nil || string(v) != fmt.Sprint(each-1) {
			t.Errorf("%d: %q, %v", w, v, err)
		}
	}
}
