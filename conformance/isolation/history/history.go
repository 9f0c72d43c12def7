// Package history checks histories of concurrent transactions that append to
// lists and read them, in the manner of Elle (Kingsbury and Alvaro, "Elle:
// Inferring Isolation Anomalies from Experimental Observations", 2020).
//
// A list tells the order of its own versions: who reads it learns who appended
// before whom. So the dependencies between transactions can be inferred (ww: one
// overwrites another's version, wr: one reads it, rw: one reads the version that
// another overwrites), and each isolation level forbids cycles of some kinds.
package history

import (
	"fmt"
	"slices"
	"time"
)

// Op is one operation on a list.
type Op struct {
	Key    int
	Append int   // the element appended, unique in the history; 0: a read
	List   []int // what a read returned
}

// Txn is a transaction. Aborted ones matter, too: nobody may see what they did.
type Txn struct {
	ID         int
	Ops        []Op
	Committed  bool
	Unknown    bool // neither commit nor rollback is sure
	Begin, End time.Duration
}

// Anomaly is a class of what may go wrong.
type Anomaly string

// The anomalies, after Adya ("Weak Consistency", 1999) and Elle.
const (
	Garbage  Anomaly = "garbage"       // an element that nobody appended, or twice
	Internal Anomaly = "internal"      // a transaction does not see its own appends
	Orders   Anomaly = "incompatible"  // two reads tell different orders of a list
	Lost     Anomaly = "lost append"   // a committed append is in no later version
	G1a      Anomaly = "G1a"           // a read of what an aborted transaction did
	G1b      Anomaly = "G1b"           // a read of what another transaction did half way
	G0       Anomaly = "G0"            // a cycle of ww
	G1c      Anomaly = "G1c"           // a cycle of ww and wr
	GSingle  Anomaly = "G-single"      // a cycle with one rw: lost updates, read skew
	GNonAdj  Anomaly = "G-nonadjacent" // a cycle of which no two rw follow one another
	G2       Anomaly = "G2"            // any other cycle: write skew, phantoms
	RealTime Anomaly = "real-time"     // a single operation on a list sees a version older than one that was seen before it began
)

// Level is an isolation level by what it forbids.
type Level string

// The levels.
const (
	ReadCommitted Level = "read committed"
	Snapshot      Level = "snapshot"
	Serializable  Level = "serializable"
)

var always = []Anomaly{Garbage, Internal, Orders, Lost, G1a, G1b, G0, G1c, RealTime}

// Forbids reports whether an anomaly must not occur.
func (l Level) Forbids(a Anomaly) bool {
	switch {
	case slices.Contains(always, a):
		return true
	case l == Snapshot:
		return a == GSingle || a == GNonAdj
	}
	return l == Serializable
}

// Finding is an anomaly found.
type Finding struct {
	Anomaly Anomaly
	Text    string
}

// Check returns the anomalies of a history, at most a few of each kind. final is
// what all lists hold after the last transaction, nil when that was not read.
func Check(txns []Txn, final map[int][]int) []Finding {
	c := &checker{txns: txns, writers: map[int]place{}, lists: map[int][]int{}}
	c.appends()
	c.versions(final)
	c.reads()
	c.graph()
	c.cycles()
	c.realTime()
	return c.found
}

// place is where an element was appended.
type place struct {
	txn  int // index in txns
	last bool
}

type checker struct {
	txns    []Txn
	writers map[int]place // by element
	lists   map[int][]int // the longest version of each list
	edges   [][]edge      // by transaction
	found   []Finding
}

type kind uint8

const (
	ww kind = iota
	wr
	rw
)

func (k kind) String() string { return [...]string{"ww", "wr", "rw"}[k] }

type edge struct {
	to   int
	kind kind
	key  int
}

// fewOf is how many findings of a kind are kept.
const fewOf = 3

func (c *checker) find(a Anomaly, format string, args ...any) {
	n := 0
	for _, f := range c.found {
		if f.Anomaly == a {
			n++
		}
	}
	if n < fewOf {
		c.found = append(c.found, Finding{a, fmt.Sprintf(format, args...)})
	}
}

// appends finds out who appended what.
func (c *checker) appends() {
	for i := range c.txns {
		last := map[int]int{}
		for _, o := range c.txns[i].Ops {
			if o.Append != 0 {
				last[o.Key] = o.Append
			}
		}
		for _, o := range c.txns[i].Ops {
			if o.Append != 0 {
				c.writers[o.Append] = place{i, last[o.Key] == o.Append}
			}
		}
	}
}

// versions finds the longest version of each list, of which all others have to be
// the beginning.
func (c *checker) versions(final map[int][]int) {
	longest := func(key int, list []int) {
		if len(list) > len(c.lists[key]) {
			c.lists[key] = list
		}
	}
	for i := range c.txns {
		if !c.txns[i].Committed {
			continue
		}
		own := map[int]int{}
		for _, o := range c.txns[i].Ops {
			if o.Append != 0 {
				own[o.Key]++
				continue
			}
			// Own appends may have been lost to others' in between at the end.
			longest(o.Key, o.List)
		}
	}
	for key, list := range final {
		longest(key, list)
	}
	for key, list := range c.lists {
		seen := map[int]bool{}
		for _, e := range list {
			if w, known := c.writers[e]; !known || seen[e] {
				c.find(Garbage, "list %d has element %d that nobody appended, or has it twice", key, e)
			} else if t := &c.txns[w.txn]; !t.Committed && !t.Unknown {
				c.find(G1a, "list %d has element %d of T%d, which was rolled back", key, e, t.ID)
			}
			seen[e] = true
		}
	}
	if final == nil {
		return
	}
	for i := range c.txns {
		t := &c.txns[i]
		for _, o := range t.Ops {
			if t.Committed && o.Append != 0 && !slices.Contains(final[o.Key], o.Append) {
				c.find(Lost, "T%d appended %d to list %d and committed: it is not there in the end", t.ID, o.Append, o.Key)
			}
		}
	}
}

// reads checks each read for itself.
func (c *checker) reads() {
	for i := range c.txns {
		t := &c.txns[i]
		own := map[int][]int{}
		for _, o := range t.Ops {
			if o.Append != 0 {
				own[o.Key] = append(own[o.Key], o.Append)
				continue
			}
			mine := own[o.Key]
			n := len(o.List) - len(mine)
			if n < 0 || !slices.Equal(o.List[n:], mine) {
				c.find(Internal, "T%d appended %v to list %d and then read %v", t.ID, mine, o.Key, o.List)
				continue
			}
			if !t.Committed {
				// What it saw of others must have been committed all the same.
				c.dirty(t, o, n)
				continue
			}
			c.dirty(t, o, n)
			if whole := c.lists[o.Key]; len(whole) < len(o.List) || !slices.Equal(whole[:len(o.List)], o.List) {
				c.find(Orders, "T%d read list %d as %v, others as %v", t.ID, o.Key, o.List, whole)
			}
		}
	}
}

// dirty looks at the first n elements of a read, which are of others.
func (c *checker) dirty(t *Txn, o Op, n int) {
	for k, e := range o.List[:n] {
		w, known := c.writers[e]
		if !known {
			c.find(Garbage, "T%d read element %d of list %d, which nobody appended", t.ID, e, o.Key)
			continue
		}
		by := &c.txns[w.txn]
		switch {
		case by == t:
			c.find(Internal, "T%d read its element %d of list %d before it appended it", t.ID, e, o.Key)
		case !by.Committed && !by.Unknown:
			c.find(G1a, "T%d read element %d of list %d of T%d, which was rolled back", t.ID, e, o.Key, by.ID)
		case k == n-1 && !w.last:
			c.find(G1b, "T%d read list %d up to element %d, after which T%d appended more", t.ID, o.Key, e, by.ID)
		}
	}
}

// graph infers the dependencies of committed transactions.
func (c *checker) graph() {
	c.edges = make([][]edge, len(c.txns))
	add := func(from, to int, k kind, key int) {
		if from != to {
			c.edges[from] = append(c.edges[from], edge{to, k, key})
		}
	}
	writer := func(key, at int) (int, bool) {
		list := c.lists[key]
		if at < 0 || at >= len(list) {
			return 0, false
		}
		w, ok := c.writers[list[at]]
		return w.txn, ok
	}
	for key, list := range c.lists {
		for k := 1; k < len(list); k++ {
			a, ok := writer(key, k-1)
			b, ok2 := writer(key, k)
			if ok && ok2 {
				add(a, b, ww, key)
			}
		}
	}
	for i := range c.txns {
		t := &c.txns[i]
		if !t.Committed {
			continue
		}
		own := map[int]int{}
		for _, o := range t.Ops {
			if o.Append != 0 {
				own[o.Key]++
				continue
			}
			n := len(o.List) - own[o.Key]
			if a, ok := writer(o.Key, n-1); ok {
				add(a, i, wr, o.Key)
			}
			if own[o.Key] > 0 {
				continue // the version that comes next is its own
			}
			if b, ok := writer(o.Key, n); ok {
				add(i, b, rw, o.Key)
			}
		}
	}
}
