package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// Writes are the keys that a transaction has written, as of one moment. They may
// be used by several goroutines at once.
type Writes struct {
	overlay *kv.Overlay
	loaded  []*packedRun           // segments among the changes, of overlay
	sets    *[kv.NumSpaces]readSet // instead of overlay, when only ranges are known
}

// Writes returns what tx has written so far, after Finish.
func (tx *Tx) Writes() *Writes {
	if !tx.buffer.Spilled() {
		return &Writes{overlay: tx.buffer.Freeze(), loaded: tx.loaded}
	}
	w := &Writes{sets: new([kv.NumSpaces]readSet)}
	for _, t := range tx.tables {
		start := binary.BigEndian.AppendUint32(nil, t)
		for _, s := range []kv.Space{kv.Data, kv.Stream} {
			w.sets[s].add(span{start: start, end: edge(start, true)}, maxSpans)
		}
	}
	return w
}

// MergeWrites returns writes that stand for all in list, in bounded memory: there
// are keys in them that nobody wrote, between such that were, when those are many.
func MergeWrites(list []*Writes) *Writes {
	m := &Writes{sets: new([kv.NumSpaces]readSet)}
	for _, w := range list {
		if w.sets != nil {
			for s := range w.sets {
				for _, sp := range w.sets[s].spans {
					m.sets[s].add(sp, maxSpans)
				}
			}
			continue
		}
		w.overlay.Ranges(func(s kv.Space, start, end []byte) {
			m.sets[s].add(span{bytes.Clone(start), bytes.Clone(end), nil, nil}, maxSpans)
		})
		w.overlay.Keys(func(s kv.Space, key []byte) bool {
			m.sets[s].add(point(key), maxSpans)
			return true
		})
		for _, p := range w.loaded {
			m.sets[kv.Data].add(p.span(), maxSpans)
		}
	}
	for s := range m.sets {
		m.sets[s].finish()
	}
	return m
}

// Size returns about how many bytes of memory the writes take.
func (w *Writes) Size() int {
	if w.sets == nil {
		return w.overlay.Size()
	}
	n := 0
	for s := range w.sets {
		for _, sp := range w.sets[s].spans {
			n += len(sp.start) + len(sp.end) + spanBytes
		}
	}
	return n
}

// spanBytes is about what a span takes beside its keys.
const spanBytes = 128

// Len returns the number of keys; false when they are too many to be counted, and
// Tables has whose they are.
func (w *Writes) Len() (n int, counted bool) {
	if w.sets != nil {
		return 0, false
	}
	return w.overlay.Len(), true
}

// Tables calls f with the storage numbers of tables that were written as a whole, of
// which ranges of rows were removed, as by DeleteAll, or that were loaded; with the user
// where it is known that only a user's part was. f must not keep user.
func (w *Writes) Tables(f func(storage uint32, user []byte)) {
	if w.sets != nil {
		for _, sp := range w.sets[kv.Data].spans {
			f(binary.BigEndian.Uint32(sp.start), nil)
		}
		return
	}
	w.overlay.Ranges(func(s kv.Space, start, _ []byte) {
		if s == kv.Data && lockable(start) && len(start) >= prefixBytes/2 {
			f(binary.BigEndian.Uint32(start), nil)
		}
	})
	for i, p := range w.loaded {
		if i == 0 || w.loaded[i-1].table != p.table || !bytes.Equal(w.loaded[i-1].user, p.user) {
			f(p.table, p.user)
		}
	}
}

// Keys calls f with each key written that transactions can contend for: the
// catalogue's, and tables' primary and unique keys, as a Locker gets them
// (after a byte for the key space). f must not keep key. The keys must be counted.
func (w *Writes) Keys(f func(key []byte)) {
	var buf []byte
	w.overlay.Keys(func(s kv.Space, key []byte) bool {
		if s == kv.Meta && key[0] != metaSequence || s != kv.Meta && lockable(key) {
			buf = append(append(buf[:0], byte(s)), key...)
			f(buf)
		}
		return true
	})
}

// Touch reports whether a key of w is among what was read.
func (w *Writes) Touch(r *Reads) bool {
	found := false
	if w.sets != nil {
		for s := range r.sets {
			found = found || w.sets[s].touches(&r.sets[s])
		}
		return found
	}
	w.overlay.Ranges(func(s kv.Space, start, end []byte) {
		found = found || r.sets[s].meets(span{start: start, end: end})
	})
	if found {
		return true
	}
	if slices.ContainsFunc(w.loaded, func(p *packedRun) bool { return r.sets[kv.Data].meets(p.span()) }) {
		return true
	}
	if w.overlay.Len() <= 4*r.len() {
		w.overlay.Keys(func(s kv.Space, key []byte) bool {
			found = r.sets[s].has(key)
			return !found
		})
		return found
	}
	for s := range r.sets {
		for _, sp := range r.sets[s].spans {
			if w.overlay.Touches(kv.Space(s), kv.Range{Start: sp.start, End: sp.end}) {
				return true
			}
		}
	}
	return false
}

// Reads are the keys and ranges of keys, there or not, that a transaction has
// read of its snapshot.
type Reads struct {
	sets [kv.NumSpaces]readSet
	open []*trackedScanner
}

// readSet is what was read, or written, of one space.
type readSet struct {
	spans []span // low and high unused
	// wide has one span for each table's index once there are many.
	wide map[string]span
}

// maxSpans is how many spans are kept apart.
const maxSpans = 1 << 14

// Track makes the transaction note from now on what it reads.
func (tx *Tx) Track() {
	tx.reads = &Reads{}
	tx.rebase()
}

// Reads returns what was read so far, fit for Touch. The transaction must read
// nothing more.
func (tx *Tx) Reads() *Reads {
	r := tx.reads
	for _, sc := range r.open {
		sc.note()
	}
	r.open = nil
	for s := range r.sets {
		r.sets[s].finish()
	}
	return r
}

func (r *Reads) len() int {
	n := 0
	for s := range r.sets {
		n += len(r.sets[s].spans)
	}
	return n
}

// add notes a span, which becomes r's.
func (r *Reads) add(s kv.Space, sp span) {
	set := &r.sets[s]
	if set.wide != nil {
		set.widen(sp)
		return
	}
	if set.spans = append(set.spans, sp); len(set.spans) > maxSpans {
		set.wide = map[string]span{}
		for _, sp := range set.spans {
			set.widen(sp)
		}
		set.spans = nil
	}
}

func (r *Reads) point(s kv.Space, key []byte) { r.add(s, point(key)) }

// point returns the span of one key.
func point(key []byte) span {
	k := append(append(make([]byte, 0, len(key)+1), key...), 0)
	return span{start: k[:len(key):len(key)], end: k}
}

// add adds a span. When there are more than most, those that are next to one another
// become one, with what is between them.
func (s *readSet) add(sp span, most int) {
	if s.spans = append(s.spans, sp); len(s.spans) <= most {
		return
	}
	s.finish()
	if n := len(s.spans); n > most/2 {
		for i := 0; i < n; i += 2 {
			s.spans[i/2] = span{start: s.spans[i].start, end: s.spans[min(i+1, n-1)].end}
		}
		clear(s.spans[(n+1)/2:])
		s.spans = s.spans[:(n+1)/2]
	}
}

// widen adds a span to those of the same index.
func (s *readSet) widen(sp span) {
	id := string(sp.start[:min(prefixBytes, len(sp.start))])
	w, known := s.wide[id]
	if !known {
		s.wide[id] = sp
		return
	}
	if bytes.Compare(sp.start, w.start) < 0 {
		w.start = sp.start
	}
	if w.end != nil && (sp.end == nil || bytes.Compare(sp.end, w.end) > 0) {
		w.end = sp.end
	}
	s.wide[id] = w
}

// finish sorts the spans and makes one of those that meet.
func (s *readSet) finish() {
	for _, sp := range s.wide {
		s.spans = append(s.spans, sp)
	}
	s.wide = nil
	slices.SortFunc(s.spans, func(a, b span) int { return bytes.Compare(a.start, b.start) })
	n := 0
	for _, sp := range s.spans {
		switch {
		case n == 0 || s.spans[n-1].end != nil && bytes.Compare(sp.start, s.spans[n-1].end) > 0:
			s.spans[n] = sp
			n++
		case s.spans[n-1].end != nil && (sp.end == nil || bytes.Compare(sp.end, s.spans[n-1].end) > 0):
			s.spans[n-1].end = sp.end
		}
	}
	s.spans = s.spans[:n]
}

// has reports whether key is in a span.
func (s *readSet) has(key []byte) bool {
	i := sort.Search(len(s.spans), func(i int) bool { return bytes.Compare(s.spans[i].start, key) > 0 })
	return i > 0 && (s.spans[i-1].end == nil || bytes.Compare(key, s.spans[i-1].end) < 0)
}

// meets reports whether a span has keys in common with sp.
func (s *readSet) meets(sp span) bool {
	i := len(s.spans)
	if sp.end != nil {
		i = sort.Search(i, func(i int) bool { return bytes.Compare(s.spans[i].start, sp.end) >= 0 })
	}
	return i > 0 && (s.spans[i-1].end == nil || bytes.Compare(sp.start, s.spans[i-1].end) < 0)
}

// touches reports whether the sets have keys in common.
func (s *readSet) touches(o *readSet) bool {
	if len(o.spans) > len(s.spans) {
		s, o = o, s
	}
	return slices.ContainsFunc(o.spans, s.meets)
}

// tracked is a reader that notes what is read.
type tracked struct {
	kv.Reader
	reads *Reads
}

// Get implements kv.Reader.
func (t *tracked) Get(ctx context.Context, s kv.Space, key []byte) ([]byte, bool, error) {
	t.reads.point(s, key)
	return t.Reader.Get(ctx, s, key)
}

// MultiGet implements kv.Reader.
func (t *tracked) MultiGet(ctx context.Context, s kv.Space, keys, values [][]byte) error {
	for _, k := range keys {
		t.reads.point(s, k)
	}
	return t.Reader.MultiGet(ctx, s, keys, values)
}

// Scan implements kv.Reader.
func (t *tracked) Scan(s kv.Space, r kv.Range) kv.Scanner {
	sc := &trackedScanner{Scanner: t.Reader.Scan(s, r), reads: t.reads, space: s, reverse: r.Reverse}
	sc.all = span{start: append([]byte{}, r.Start...), end: bytes.Clone(r.End)}
	sc.span = span{start: sc.all.start, end: sc.all.start}
	if r.Reverse {
		sc.span = span{start: sc.all.end, end: sc.all.end}
	}
	t.reads.open = append(t.reads.open, sc)
	return sc
}

// trackedScanner notes how far it has come.
type trackedScanner struct {
	kv.Scanner
	reads     *Reads
	space     kv.Space
	reverse   bool
	span, all span
	closed    bool
}

// Next implements kv.Scanner.
func (t *trackedScanner) Next(ctx context.Context) (*kv.Chunk, error) {
	c, err := t.Scanner.Next(ctx)
	switch {
	case err != nil:
	case c.Len() == 0:
		t.span = t.all
	case t.reverse:
		t.span = span{start: bytes.Clone(c.Key(c.Len() - 1)), end: t.all.end}
	default:
		t.span.end = append(bytes.Clone(c.Key(c.Len()-1)), 0)
	}
	return c, err
}

// Close implements kv.Scanner.
func (t *trackedScanner) Close() error {
	if !t.closed {
		t.closed = true
		if i := slices.Index(t.reads.open, t); i >= 0 {
			t.reads.open = slices.Delete(t.reads.open, i, i+1)
			t.note()
		}
	}
	return t.Scanner.Close()
}

// note adds to the reads what the scan has passed.
func (t *trackedScanner) note() {
	if t.span.start != nil { // it has passed something
		t.reads.add(t.space, t.span)
	}
}
