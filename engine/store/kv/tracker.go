package kv

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// Handle is a snapshot or scanner of a store, as its Tracker sees it.
type Handle interface {
	// Free gives back what the handle holds; later calls of its methods return
	// sqlerr.Closed. It is idempotent and waits for calls that run.
	Free()
	// Scanner tells a scanner from a snapshot.
	Scanner() bool
}

// Tracker knows a store's unreleased handles. The zero Tracker is ready to use,
// by several goroutines at once.
type Tracker struct {
	mu        sync.Mutex
	live      map[Handle][]uintptr // where it was made, with Invariants
	snapshots int64
	scanners  int64
	closed    bool
}

// Add notes h. It returns false, and does not, once Close was called.
func (t *Tracker) Add(h Handle) bool {
	var stack []uintptr
	if Invariants {
		stack = make([]uintptr, 16)
		stack = stack[:runtime.Callers(3, stack)]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	if t.live == nil {
		t.live = make(map[Handle][]uintptr)
	}
	t.live[h] = stack
	t.count(h, 1)
	return true
}

// Remove forgets h.
func (t *Tracker) Remove(h Handle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.live[h]; ok {
		delete(t.live, h)
		t.count(h, -1)
	}
}

func (t *Tracker) count(h Handle, n int64) {
	if h.Scanner() {
		t.scanners += n
	} else {
		t.snapshots += n
	}
}

// Counts returns the numbers of snapshots and scanners.
func (t *Tracker) Counts() (snapshots, scanners int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.snapshots, t.scanners
}

// Close frees the handles that are left and returns a description of them with
// where they were made, "" when there are none or without Invariants.
func (t *Tracker) Close() (leaks string) {
	t.mu.Lock()
	t.closed = true
	left := t.live
	t.live, t.snapshots, t.scanners = nil, 0, 0
	t.mu.Unlock()

	var b strings.Builder
	for h, stack := range left {
		h.Free()
		if !Invariants {
			continue
		}
		fmt.Fprintf(&b, "unreleased %T made at\n", h)
		for frames := runtime.CallersFrames(stack); ; {
			f, more := frames.Next()
			fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
			if !more {
				break
			}
		}
	}
	return b.String()
}
