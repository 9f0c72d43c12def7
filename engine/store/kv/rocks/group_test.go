package rocks

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Those who come while a sync is under way share the next one, and its error.
func TestGroup(t *testing.T) {
	t.Parallel()
	var g group
	var wg sync.WaitGroup
	failed := errors.New("no room")
	begun, goOn := make(chan bool), make(chan error)
	syncs := 0
	do := func() error {
		syncs++
		begun <- true
		return <-goOn
	}
	errs := make([]error, 5)
	start := func(i int) { wg.Go(func() { errs[i] = g.sync(do) }) }
	start(0)
	<-begun
	for i := 1; i < len(errs); i++ {
		start(i)
		for waits := false; !waits; runtime.Gosched() {
			g.mu.Lock()
			waits = g.next != nil
			g.mu.Unlock()
		}
	}
	// The others may not have come so far as to wait, and need one more sync then.
	goOn <- nil
	for n := 0; ; n++ {
		done := make(chan bool)
		go func() { wg.Wait(); close(done) }()
		select {
		case <-begun:
			goOn <- failed
			continue
		case <-done:
		}
		break
	}
	if errs[0] != nil {
		t.Error(errs[0])
	}
	for _, err := range errs[1:] {
		if err != failed {
			t.Error(err)
		}
	}
	if syncs < 2 {
		t.Error("syncs:", syncs)
	}
}

// Each caller's work was done before the sync that it waited for began.
func TestGroupSyncsWhatWasDone(t *testing.T) {
	t.Parallel()
	var g group
	var mu sync.Mutex
	written, synced := map[string]bool{}, map[string]bool{}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				key := fmt.Sprint(i, "-", j)
				mu.Lock()
				written[key] = true
				mu.Unlock()
				err := g.sync(func() error {
					mu.Lock()
					defer mu.Unlock()
					for k := range written {
						synced[k] = true
					}
					clear(written)
					return nil
				})
				mu.Lock()
				if err != nil || !synced[key] {
					t.Error(key, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}
