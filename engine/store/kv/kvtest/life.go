package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

func testCancelled(t *testing.T, db kv.DB) {
	Write(t, db, func(b *kv.Batch) {
		for i := range 10_000 {
			put(b, fmt.Sprint(i), "v")
		}
	})
	snap := Snapshot(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	overlay := kv.NewOverlay(snap)
	put(overlay, "5", "changed")
	scanners := []kv.Scanner{snap.Scan(kv.Data, kv.Range{}), overlay.Scan(kv.Data, kv.Range{})}
	for _, sc := range scanners {
		defer sc.Close()
		if _, err := sc.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	check := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, sqlerr.Interrupted) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, sc := range scanners {
		_, err := sc.Next(ctx)
		check("Next", err)
	}
	_, _, err := snap.Get(ctx, kv.Data, []byte("1"))
	check("Get", err)
	check("MultiGet", snap.MultiGet(ctx, kv.Data, make([][]byte, 1), make([][]byte, 1)))
	var b kv.Batch
	put(&b, "new", "")
	check("Write", db.Write(ctx, &b, kv.Sync))
	// A cancelled scan can go on.
	if c, err := scanners[0].Next(t.Context()); err != nil || c.Len() == 0 {
		t.Errorf("Next after a cancellation: %d, %v", c.Len(), err)
	}
}

func isClosed(t *testing.T, name string, err error) {
	t.Helper()
	if !errors.Is(err, sqlerr.Closed) {
		t.Errorf("%s: %v", name, err)
	}
}

func testClosed(t *testing.T, db kv.DB) {
	Write(t, db, func(b *kv.Batch) { put(b, "k", "v") })
	snap := Snapshot(t, db)
	scan := snap.Scan(kv.Data, kv.Range{})
	if st := db.Stats(); st.Snapshots != 1 || st.Scanners != 1 {
		t.Errorf("%+v", st)
	}
	if err := scan.Close(); err != nil {
		t.Error(err)
	}
	_, err := scan.Next(t.Context())
	isClosed(t, "Next", err)
	snap.Release()
	_, _, err = snap.Get(t.Context(), kv.Data, []byte("k"))
	isClosed(t, "Get", err)
	isClosed(t, "MultiGet", snap.MultiGet(t.Context(), kv.Data, [][]byte{[]byte("k")}, make([][]byte, 1)))
	scan = snap.Scan(kv.Data, kv.Range{})
	_, err = scan.Next(t.Context())
	isClosed(t, "Scan of a released snapshot", err)
	if err := errors.Join(scan.Close(), db.Close(), db.Close()); err != nil {
		t.Error(err)
	}
	_, err = db.Snapshot()
	isClosed(t, "Snapshot", err)
	var b kv.Batch
	put(&b, "k", "v")
	isClosed(t, "Write", db.Write(t.Context(), &b, kv.Sync))
	db.Stats()
}

// testCloseWhileUsed closes the store under readers and writers, which get
// Closed at some point and nothing worse.
func testCloseWhileUsed(t *testing.T, db kv.DB) {
	if kv.Invariants {
		t.Skip("Close panics on what is unreleased")
	}
	Write(t, db, func(b *kv.Batch) {
		for i := range 5000 {
			put(b, fmt.Sprint(i), "v")
		}
	})
	var wg sync.WaitGroup
	started := make(chan bool, 4)
	for i := range 4 {
		wg.Go(func() {
			var err error
			for round := 0; err == nil; round++ {
				if round == 3 {
					started <- true
				}
				err = use(t.Context(), db, i)
			}
			isClosed(t, "use", err)
		})
	}
	for range 4 {
		<-started
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func use(ctx context.Context, db kv.DB, i int) error {
	var b kv.Batch
	put(&b, fmt.Sprint("w", i), "v")
	if err := db.Write(ctx, &b, kv.NoSync); err != nil {
		return err
	}
	snap, err := db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Release()
	if _, _, err := snap.Get(ctx, kv.Data, []byte("17")); err != nil {
		return err
	}
	if err := snap.MultiGet(ctx, kv.Data, [][]byte{[]byte("17")}, make([][]byte, 1)); err != nil {
		return err
	}
	sc := snap.Scan(kv.Data, kv.Range{})
	defer sc.Close()
	for {
		c, err := sc.Next(ctx)
		if err != nil || c.Len() == 0 {
			return err
		}
	}
}

// testConcurrent has writers move amounts between keys, whose sum every
// snapshot finds unchanged.
func testConcurrent(t *testing.T, db kv.DB) {
	const keys, total = 50, 50 * 100
	Write(t, db, func(b *kv.Batch) {
		for i := range keys {
			put(b, fmt.Sprintf("%02d", i), "100")
		}
	})
	var wg sync.WaitGroup
	var mu sync.Mutex // of the writers: a batch sets what was read before
	for w := range 2 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 0))
			for range 100 {
				mu.Lock()
				snap, err := db.Snapshot()
				if err != nil {
					t.Error(err)
					mu.Unlock()
					return
				}
				var b kv.Batch
				from, to := fmt.Sprintf("%02d", rnd.IntN(keys)), fmt.Sprintf("%02d", rnd.IntN(keys))
				if from != to {
					put(&b, from, fmt.Sprint(amount(t, snap, from)-1))
					put(&b, to, fmt.Sprint(amount(t, snap, to)+1))
				}
				snap.Release()
				err = db.Write(t.Context(), &b, kv.NoSync)
				mu.Unlock()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 100 {
				snap, err := db.Snapshot()
				if err != nil {
					t.Error(err)
					return
				}
				sum := 0
				for i := range keys {
					sum += amount(t, snap, fmt.Sprintf("%02d", i))
				}
				snap.Release()
				if sum != total {
					t.Errorf("sum is %d", sum)
				}
			}
		})
	}
	wg.Wait()
}

func amount(t *testing.T, r kv.Reader, key string) int {
	v, _, err := r.Get(t.Context(), kv.Data, []byte(key))
	if err != nil {
		t.Error(err)
	}
	var n int
	fmt.Sscan(string(v), &n)
	return n
}
