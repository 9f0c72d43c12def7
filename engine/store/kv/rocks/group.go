//go:build cgo

package rocks

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// group lets writes that wait for stable storage share a sync: while one is under way,
// those that come are collected, and then written together by the first of them.
//
// RocksDB would do the same. But its writers wait in C, where each keeps a thread, and
// one of Go's processors until the scheduler takes it back: so few of them come together.
type group struct {
	mu      sync.Mutex
	led     bool // a write is under way
	waiting []*groupWrite
	buf     []byte // of the leader
}

// groupWrite is a write that waits for the one that is under way.
type groupWrite struct {
	rep  []byte
	lead bool // it has to write, itself and others
	err  error
	done chan struct{} // gets a value once lead or err are set
}

// maxGroup is about how many bytes are written together.
const maxGroup = 1 << 20

var groupWrites = sync.Pool{New: func() any { return &groupWrite{done: make(chan struct{}, 1)} }}

// write writes rep, a batch, with the function that all writers of the group have.
func (g *group) write(rep []byte, write func(rep []byte) error) error {
	g.mu.Lock()
	if g.led {
		w := groupWrites.Get().(*groupWrite)
		w.rep = rep
		g.waiting = append(g.waiting, w)
		g.mu.Unlock()
		<-w.done
		lead, err := w.lead, w.err
		*w = groupWrite{done: w.done}
		groupWrites.Put(w)
		if !lead {
			return err
		}
		g.mu.Lock()
	}
	g.led = true
	others := g.take(maxGroup - len(rep))
	g.mu.Unlock()

	if len(others) > 0 {
		g.buf = append(g.buf[:0], rep...)
		n := binary.LittleEndian.Uint32(rep[kv.BatchHeader-4:])
		for _, w := range others {
			g.buf = append(g.buf, w.rep[kv.BatchHeader:]...)
			n += binary.LittleEndian.Uint32(w.rep[kv.BatchHeader-4:])
		}
		binary.LittleEndian.PutUint32(g.buf[kv.BatchHeader-4:], n)
		rep = g.buf
	}
	err := write(rep)

	g.mu.Lock()
	if len(g.waiting) > 0 {
		next := g.waiting[0]
		g.waiting = slices.Delete(g.waiting, 0, 1)
		next.lead = true
		next.done <- struct{}{}
	} else {
		g.led = false
	}
	g.mu.Unlock()
	for _, w := range others {
		w.err = err
		w.done <- struct{}{}
	}
	return err
}

// take returns the waiting writes that come next and have up to so many bytes.
func (g *group) take(room int) []*groupWrite {
	n := 0
	for n < len(g.waiting) && len(g.waiting[n].rep) <= room {
		room -= len(g.waiting[n].rep)
		n++
	}
	taken := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return taken
}
