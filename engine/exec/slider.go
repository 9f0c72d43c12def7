package exec

import (
	"vitess.io/vitess/go/mysql/decimal"

	"github.com/kalamgo/kalam/engine/types"
)

// mergeable is an accumulator whose groups can be merged.
type mergeable interface {
	accumulator
	// clear makes a group one of no values.
	clear(g int)
	// merge adds the values of group from of an accumulator of the same kind, which may
	// be itself, to group to, after its own.
	merge(to int, of accumulator, from int)
}

// slider keeps the aggregate of a frame whose ends only move on, in constant
// time for each row on average and with memory for a block of rows and a state
// for each block: the two stacks of Tangwongsan, Hirzel and Schneider ("Low-
// latency sliding-window aggregation in worst-case constant time", 2017), the
// front one in two levels. Rows [lo, mid) are the front, aggregated from the
// rear: from each row of the block that lo is in to the block's end, and from
// the beginning of each later block to mid. Rows [mid, hi) are the back,
// aggregated in one group.
type slider struct {
	acc         mergeable
	f           *frameAggregate
	lo, mid, hi int
	block       int // whose rows' aggregates are there
	first       int // the block of the first of the blocks' aggregates
	slot        [1]int32
}

// The groups of a slider's accumulator.
const (
	sliderResult = 0
	sliderBack   = 1
	sliderRows   = 2                        // by row in the block
	sliderBlocks = sliderRows + sliderBlock // by block after first
	sliderSlots  = sliderBlocks             // at least
	sliderBlock  = 256
)

// move makes the result the aggregate of rows [lo, hi), neither less than before.
func (s *slider) move(w *window, lo, hi int) error {
	if lo >= s.hi { // nothing of the last frame is left
		s.mid, s.hi = lo, lo
		s.acc.clear(sliderBack)
	}
	if err := s.addAll(w, sliderBack, s.hi, hi); err != nil {
		return err
	}
	s.lo, s.hi = lo, hi
	switch {
	case s.lo >= s.mid && s.lo < s.hi:
		if err := s.flip(w); err != nil {
			return err
		}
	case s.lo < s.mid && s.lo/sliderBlock != s.block:
		if err := s.enter(w); err != nil {
			return err
		}
	}
	s.acc.clear(sliderResult)
	if s.lo < s.mid {
		s.acc.merge(sliderResult, s.acc, sliderRows+s.lo%sliderBlock)
		if next := s.lo/sliderBlock + 1; next*sliderBlock < s.mid {
			s.acc.merge(sliderResult, s.acc, sliderBlocks+next-s.first)
		}
	}
	if s.mid < s.hi {
		s.acc.merge(sliderResult, s.acc, sliderBack)
	}
	return nil
}

// flip makes all of the frame the front.
func (s *slider) flip(w *window) error {
	s.mid = s.hi
	s.acc.clear(sliderBack)
	s.first = s.lo/sliderBlock + 1
	last := (s.mid - 1) / sliderBlock
	s.f.grow(sliderBlocks + max(last-s.first+1, 0))
	for k := last; k >= s.first; k-- {
		slot := sliderBlocks + k - s.first
		s.acc.clear(slot)
		if err := s.addAll(w, slot, k*sliderBlock, min((k+1)*sliderBlock, s.mid)); err != nil {
			return err
		}
		if k < last {
			s.acc.merge(slot, s.acc, slot+1)
		}
	}
	return s.enter(w)
}

// enter aggregates the rows of the block that lo is in.
func (s *slider) enter(w *window) error {
	s.block = s.lo / sliderBlock
	end := min((s.block+1)*sliderBlock, s.mid)
	for i := end - 1; i >= s.lo; i-- {
		slot := sliderRows + i%sliderBlock
		s.acc.clear(slot)
		if err := s.addAll(w, slot, i, i+1); err != nil {
			return err
		}
		if i < end-1 {
			s.acc.merge(slot, s.acc, slot+1)
		}
	}
	return nil
}

// addAll adds rows [from, to) to a group.
func (s *slider) addAll(w *window, slot, from, to int) error {
	for ; from < to; from++ {
		s.slot[0] = int32(slot)
		if err := s.f.add(w, s.slot[:], from, from+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *count) clear(g int) { c.n[g] = 0 }
func (c *count) merge(to int, of accumulator, from int) {
	c.n[to] += of.(*count).n[from]
}

func (s *sumFloat) clear(g int) { s.sum[g], s.n[g] = 0, 0 }
func (s *sumFloat) merge(to int, of accumulator, from int) {
	o := of.(*sumFloat)
	s.sum[to] += o.sum[from]
	s.n[to] += o.n[from]
}

func (s *sumInt) clear(g int) { s.sum[g], s.n[g] = int128{}, 0 }
func (s *sumInt) merge(to int, of accumulator, from int) {
	o := of.(*sumInt)
	s.sum[to].add(o.sum[from])
	s.n[to] += o.n[from]
}

func (s *sumDecimal) clear(g int) {
	s.short.clear(g)
	if s.long != nil {
		s.long[g] = decimal.Decimal{}
	}
}
func (s *sumDecimal) merge(to int, of accumulator, from int) {
	o := of.(*sumDecimal)
	s.short.merge(to, &o.short, from)
	if o.long == nil {
		return
	}
	s.lengthen()
	s.long[to] = s.long[to].Add(o.long[from])
}

func (e *extreme[T]) clear(g int) { e.seen[g] = false }
func (e *extreme[T]) merge(to int, of accumulator, from int) {
	if o := of.(*extreme[T]); o.seen[from] {
		e.offer(to, o.best[from])
	}
}

func (e *extremeBytes) clear(g int) {
	e.size -= int64(len(e.best[g].Bytes()))
	e.best[g] = types.Value{}
}
func (e *extremeBytes) merge(to int, of accumulator, from int) {
	if v := of.(*extremeBytes).best[from]; !v.IsNull() {
		e.offer(to, v)
	}
}

func (b *bitwise) merge(to int, of accumulator, from int) { b.combine(to, of.(*bitwise).bits[from]) }

func (m *moments) clear(g int) { m.groups[g] = moment{} }

// merge is by Chan, Golub and LeVeque ("Updating formulae and a pairwise
// algorithm for computing sample variances", 1979).
func (m *moments) merge(to int, of accumulator, from int) {
	a, b := &m.groups[to], of.(*moments).groups[from]
	if b.n == 0 {
		return
	}
	n := a.n + b.n
	d := b.mean - a.mean
	a.m2 += b.m2 + d*d*float64(a.n)*float64(b.n)/float64(n)
	a.mean += d * float64(b.n) / float64(n)
	a.n = n
}
