package history

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// cycles finds those of the dependency graph and names their kinds.
func (c *checker) cycles() {
	only := func(kinds ...kind) func(int) []edge {
		return func(v int) []edge {
			var list []edge
			for _, e := range c.edges[v] {
				if slices.Contains(kinds, e.kind) {
					list = append(list, e)
				}
			}
			return list
		}
	}
	n := len(c.txns)
	for _, comp := range components(n, only(ww)) {
		c.cycle(G0, comp, only(ww), func(edge) bool { return true })
	}
	for _, comp := range components(n, only(ww, wr)) {
		c.cycle(G1c, comp, only(ww, wr), func(e edge) bool { return e.kind == wr })
	}
	all := only(ww, wr, rw)
	whole := components(n, all)
	if len(whole) == 0 {
		return
	}
	// A cycle with one rw: its end is reached from its head by ww and wr.
	for _, comp := range whole {
		for _, v := range comp {
			for _, e := range all(v) {
				if e.kind != rw {
					continue
				}
				if path := c.path(e.to, v, only(ww, wr)); path != nil {
					c.find(GSingle, "%s", c.text(append([]step{{v, e}}, path...)))
				}
			}
		}
	}
	c.nonAdjacent(whole, all)
	for _, comp := range whole {
		c.cycle(G2, comp, all, func(e edge) bool { return e.kind == rw })
	}
}

// nonAdjacent finds cycles of which no two rw follow one another. It walks pairs of a
// transaction and whether it was reached by rw.
func (c *checker) nonAdjacent(whole [][]int, all func(int) []edge) {
	next := func(v int) []edge {
		var list []edge
		for _, e := range all(v / 2) {
			switch {
			case e.kind != rw:
				list = append(list, edge{2 * e.to, e.kind, e.key})
			case v%2 == 0:
				list = append(list, edge{2*e.to + 1, e.kind, e.key})
			}
		}
		return list
	}
	for _, comp := range components(2*len(c.txns), next) {
		rws := 0
		in := map[int]bool{}
		for _, v := range comp {
			in[v] = true
		}
		for _, v := range comp {
			for _, e := range next(v) {
				if e.kind == rw && in[e.to] {
					rws++
				}
			}
		}
		if rws > 0 {
			c.find(GNonAdj, "%d transactions, among them T%d and T%d, depend on each other in a cycle without two rw in a row",
				len(comp), c.txns[comp[0]/2].ID, c.txns[comp[len(comp)-1]/2].ID)
		}
	}
}

// cycle notes a cycle of a component that has an edge which must be in it.
func (c *checker) cycle(a Anomaly, comp []int, next func(int) []edge, must func(edge) bool) {
	in := map[int]bool{}
	for _, v := range comp {
		in[v] = true
	}
	for _, v := range comp {
		for _, e := range next(v) {
			if in[e.to] && must(e) {
				if path := c.path(e.to, v, next); path != nil {
					c.find(a, "%s", c.text(append([]step{{v, e}}, path...)))
					return
				}
			}
		}
	}
}

// step is an edge and where it begins.
type step struct {
	from int
	edge
}

// path returns a shortest path, nil if there is none; an empty one from a
// transaction to itself.
func (c *checker) path(from, to int, next func(int) []edge) []step {
	if from == to {
		return []step{}
	}
	came := map[int]step{from: {}}
	queue := []int{from}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for _, e := range next(v) {
			if _, seen := came[e.to]; seen {
				continue
			}
			came[e.to] = step{v, e}
			if e.to == to {
				var path []step
				for at := to; at != from; at = came[at].from {
					path = append(path, came[at])
				}
				slices.Reverse(path)
				return path
			}
			queue = append(queue, e.to)
		}
	}
	return nil
}

func (c *checker) text(path []step) string {
	var b strings.Builder
	for _, s := range path {
		fmt.Fprintf(&b, "T%d -%v(%d)→ ", c.txns[s.from].ID, s.kind, s.key)
	}
	fmt.Fprintf(&b, "T%d", c.txns[path[0].from].ID)
	return b.String()
}

// components returns the strongly connected components of more than one vertex
// (Tarjan's algorithm, without recursion).
func components(n int, next func(int) []edge) [][]int {
	type frame struct {
		v     int
		edges []edge
	}
	index, low := make([]int, n), make([]int, n)
	on := make([]bool, n)
	var stack []int
	var out [][]int
	count := 0
	for root := range n {
		if index[root] != 0 {
			continue
		}
		var frames []frame
		enter := func(v int) {
			count++
			index[v], low[v], on[v] = count, count, true
			stack = append(stack, v)
			frames = append(frames, frame{v, next(v)})
		}
		enter(root)
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			if len(f.edges) > 0 {
				to := f.edges[0].to
				f.edges = f.edges[1:]
				if index[to] == 0 {
					enter(to)
				} else if on[to] {
					low[f.v] = min(low[f.v], index[to])
				}
				continue
			}
			v := f.v
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				parent := frames[len(frames)-1].v
				low[parent] = min(low[parent], low[v])
			}
			if low[v] != index[v] {
				continue
			}
			var comp []int
			for {
				w := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				on[w] = false
				comp = append(comp, w)
				if w == v {
					break
				}
			}
			if len(comp) > 1 {
				out = append(out, comp)
			}
		}
	}
	return out
}

// realTime checks that the single-operation transactions of each list, those that
// ran by themselves, are linearizable: since the order of versions is known, that
// is so if none sees or makes a version that is not newer than those which had
// been seen or made before it began.
func (c *checker) realTime() {
	type event struct {
		begin, end time.Duration
		version    int
		read       bool
		id         int
	}
	byKey := map[int][]event{}
	for i := range c.txns {
		t := &c.txns[i]
		if !t.Committed || len(t.Ops) != 1 {
			continue
		}
		o := t.Ops[0]
		e := event{begin: t.Begin, end: t.End, version: len(o.List), read: true, id: t.ID}
		if o.Append != 0 {
			e.read = false
			if e.version = slices.Index(c.lists[o.Key], o.Append) + 1; e.version == 0 {
				continue // lost, or the last
			}
		}
		byKey[o.Key] = append(byKey[o.Key], e)
	}
	for key, events := range byKey {
		ended := slices.Clone(events)
		slices.SortFunc(events, func(a, b event) int { return int(a.begin - b.begin) })
		slices.SortFunc(ended, func(a, b event) int { return int(a.end - b.end) })
		newest := event{version: -1}
		for _, e := range events {
			for len(ended) > 0 && ended[0].end < e.begin {
				if ended[0].version > newest.version {
					newest = ended[0]
				}
				ended = ended[1:]
			}
			if newest.version > e.version || !e.read && newest.version == e.version {
				c.find(RealTime, "T%d has version %d of list %d, though T%d had version %d before it began",
					e.id, e.version, key, newest.id, newest.version)
			}
		}
	}
}
