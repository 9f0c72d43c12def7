package store

import (
	"bytes"
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// Rows that a transaction appends to a table, in the order of keys and where the table
// has none, are held back: as columns, not as pairs. They become segments where they are
// enough and nobody else can write the table, or the user's part of it, and pairs
// otherwise. So large loads are packed at once, and who adds row after row in a
// transaction pays for a place at the end of some columns.
//
// What is read in the transaction is never behind: all that reads, other than the
// appending itself, has the rows put where they belong before. Marks know how many rows
// were held back, and go back to them.
//
// The segments are changes as any others, in the transaction's buffer, but for the
// directory: Tx.loaded are those that it will have more of with the commit. Packing keeps
// away from a table meanwhile, so that no two segments cover one key.

// appendFrom is after how many rows that follow one another it is likely that more will.
const appendFrom = 64

// tail is rows that are held back.
type tail struct {
	r       *relation
	columns []int           // ordinals of those that segments have
	stored  []*storedColumn // those, as rows have them; nil: in the key
	rows    *types.Batch
	updated *types.Vector
	bytes   int
	room    []byte // for blocks
	last    []byte // the key of the row appended last
	bound   []byte // up to where keys are free; nil: to the end
	closed  bool   // no more rows may be added
	marked  bool   // a mark has some of rows
}

// streak is how many rows were appended one after another to one part of a table.
type streak struct {
	table uint32
	last  []byte // key
	n     int
}

// appends returns the tail that the new rows, from to to of a batch, belong to the end
// of; nil: they are to be pairs of their own.
func (c *change) appends(ctx context.Context, new *types.Batch, from, to int) (*tail, error) {
	tx, t := c.r.tx, c.r.tx.tail
	if !c.ascends() || dataBytes(new, from, to) > hugeRow {
		tx.streak.n = 0
		return nil, c.r.leave(t)
	}
	first, last := c.new[0].keys[0], c.new[len(c.new)-1].keys[0]
	if t != nil && t.takes(c.r, first, last) {
		return t, nil
	}
	if err := c.r.leave(t); err != nil || !tx.follows(c.r, first, last, len(c.new)) || !c.r.holdsBack() {
		return nil, err
	}
	bound, err := c.r.freeUntil(ctx, first)
	if err != nil || bound != nil && bytes.Compare(last, bound) >= 0 {
		tx.streak.n = -16 * appendFrom // it would cost something each time
		return nil, err
	}
	if err := tx.settleTail(ctx, false); err != nil {
		return nil, err
	}
	tx.tail = newTail(c.r, bound)
	return tx.tail, nil
}

// ascends reports whether rows are to be inserted whose keys ascend.
func (c *change) ascends() bool {
	if c.old != nil {
		return false
	}
	for i := 1; i < len(c.new); i++ {
		if bytes.Compare(c.new[i-1].keys[0], c.new[i].keys[0]) >= 0 {
			return false
		}
	}
	return len(c.new) > 0
}

// dataBytes returns how many bytes rows from to to have beside numbers.
func dataBytes(rows *types.Batch, from, to int) (n int) {
	for _, v := range rows.Columns {
		if v != nil && len(v.Offsets) > 0 {
			n += int(v.Offsets[to] - v.Offsets[from])
		}
	}
	return n
}

// leave ends the tail of the relation's table, since its rows are changed in other
// ways than by appending.
func (r *relation) leave(t *tail) error {
	if t == nil || t.r.l.t.StorageID() != r.l.t.StorageID() {
		return nil
	}
	err := r.tx.settleTail(context.Background(), false)
	r.tx.tail = nil
	return err
}

// holdsBack reports whether rows of the table may be held back.
func (r *relation) holdsBack() bool {
	if !r.packs() || r.l.t.Options.Unpacked || r.tx.locker == nil || r.tx.reads != nil {
		return false
	}
	for _, p := range r.l.primary.parts {
		if p.t.Physical() == types.PhysFloat64 {
			return false // a key has no -0
		}
	}
	return true
}

// follows counts rows that follow those before, and reports whether they are many.
func (tx *Tx) follows(r *relation, first, last []byte, n int) bool {
	s := &tx.streak
	p := prefixLen(r.user)
	if s.table != r.l.t.StorageID() || len(s.last) < p || !bytes.Equal(s.last[:p], first[:p]) || bytes.Compare(s.last, first) >= 0 {
		s.table, s.n = r.l.t.StorageID(), min(s.n, 0)
	}
	s.last, s.n = append(s.last[:0], last...), s.n+n
	return s.n >= tx.db.segments.appendFrom
}

// freeUntil returns up to where no row has a key from first on, nor had one that the
// transaction, or a segment, has to hide; nil: none has.
func (r *relation) freeUntil(ctx context.Context, first []byte) ([]byte, error) {
	end := edge(r.prefix(&r.l.primary), true)
	bound, err := firstKey(ctx, &r.tx.buffer, r.space, first, end)
	if err != nil {
		return nil, err
	}
	if runs := overlapping(r.tx.runs(r.l.t.StorageID()), first, end); len(runs) > 0 && (bound == nil || bytes.Compare(runs[0].from, bound) < 0) {
		bound = runs[0].from
	}
	return bound, nil
}

func newTail(r *relation, bound []byte) *tail {
	own := *r
	t := &tail{r: &own, columns: packedColumns(r.l), bound: bound}
	for _, c := range t.columns {
		var stored *storedColumn
		if n := r.l.keptAt(c); n >= 0 {
			stored = &r.l.stored[n]
		}
		t.stored = append(t.stored, stored)
	}
	t.clear()
	return t
}

// clear makes place for as many rows again.
func (t *tail) clear() {
	if t.bytes = 0; t.rows != nil && !t.marked {
		t.rows.Reset()
		t.updated.Reset(updatedType)
		return
	}
	before := t.rows
	t.rows, t.marked = &types.Batch{}, false
	n := appendFrom
	if before != nil {
		n = max(before.Len, n)
	}
	for i, c := range t.columns {
		v := types.NewVector(t.r.l.types[c], n)
		if before != nil {
			v.Data = make([]byte, 0, len(before.Columns[i].Data))
		}
		t.rows.Columns = append(t.rows.Columns, v)
	}
	t.updated = types.NewVector(updatedType, n)
}

// takes reports whether rows of r with keys from first to last may be appended.
func (t *tail) takes(r *relation, first, last []byte) bool {
	return !t.closed && t.r.l == r.l && bytes.Equal(t.r.user, r.user) &&
		bytes.Compare(t.last, first) < 0 && (t.bound == nil || bytes.Compare(last, t.bound) < 0)
}

// add appends the first n of the new rows, which begin at row from of a batch.
func (t *tail) add(ctx context.Context, c *change, new *types.Batch, from, n int, now int64) error {
	most := t.r.tx.db.segments.rows
	for done := 0; done < n; {
		k := min(n-done, most-t.rows.Len)
		if err := t.addRange(new, from+done, from+done+k, now); err != nil {
			return err
		}
		done += k
		t.last = append(t.last[:0], c.new[done-1].keys[0]...)
		if t.rows.Len == most || t.bytes >= segmentBytes {
			if err := t.r.tx.settleTail(ctx, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// addRange appends whole rows from to to.
func (t *tail) addRange(rows *types.Batch, from, to int, now int64) error {
	for i, c := range t.columns {
		v := t.rows.Columns[i]
		start := v.Len()
		v.AppendRange(rows.Columns[c], from, to, false)
		if s := t.stored[i]; s != nil && !s.narrow(v, start) {
			return t.r.l.outOfRange(c)
		}
	}
	for range to - from {
		t.updated.AppendInt(now)
	}
	t.rows.Len += to - from
	t.bytes += 8*(to-from)*len(t.columns) + dataBytes(rows, from, to)
	return nil
}

// keptAt returns which of the stored columns one is, -1: none, it is in the key.
func (l *layout) keptAt(ordinal int) int {
	for n := range l.stored {
		if l.stored[n].ordinal == ordinal {
			return n
		}
	}
	return -1
}

// narrow makes of the numbers of v, from one on, what a row keeps of them. It returns
// false when that would not be the same number.
func (c *storedColumn) narrow(v *types.Vector, from int) bool {
	switch {
	case c.kept == inBytes:
	case c.float:
		for i, x := range v.Float64s[from:] {
			v.Float64s[from+i] = float64(float32(x))
		}
	case c.phys != types.PhysFloat64 && (size(c.kept) < 8 || c.shift > 0):
		for i := from; i < v.Len(); i++ {
			if _, ok := c.pack(v, i); !ok && !v.IsNull(i) {
				return false
			}
		}
	}
	return true
}

// settleTail puts the rows that are held back where they belong, if any. With lock it
// may lock the table for the segment that they become.
func (tx *Tx) settleTail(ctx context.Context, lock bool) error {
	t := tx.tail
	if t == nil || t.rows.Len == 0 {
		return nil
	}
	packs, err := t.packs(ctx, lock)
	if err != nil {
		return err
	}
	put := t.unpack
	if packs {
		put = t.pack
	}
	if err := put(); err != nil { // some of the rows may be there, some not
		tx.buffer.Fail(err)
		return err
	}
	t.clear()
	return nil
}

// packs reports whether the rows are to be a segment.
func (t *tail) packs(ctx context.Context, lock bool) (bool, error) {
	tx, table := t.r.tx, t.r.l.t.StorageID()
	if t.rows.Len < max(tx.db.segments.rows/2, 1) {
		return false, nil
	}
	alone, err := tx.locker.LockAlone(ctx, table, t.r.user, lock)
	if err != nil || !alone {
		return false, err
	}
	first, err := t.key(nil, 0)
	if err != nil {
		return false, err
	}
	return tx.claim(table, first, t.last), nil
}

// whole returns the rows with columns by ordinal; virtual ones lack.
func (t *tail) whole() *types.Batch { return wholeRows(t.r.l, t.columns, t.rows) }

// key appends the key of row i.
func (t *tail) key(dst []byte, i int) ([]byte, error) {
	dst = appendPrefix(dst, t.r.l.t.StorageID(), rowsIndex, t.r.user)
	dst, _, err := t.r.l.primary.appendKey(dst, t.whole(), i)
	return dst, err
}

// pack makes a segment of the rows.
func (t *tail) pack() error {
	tx := t.r.tx
	first, err := t.key(nil, 0)
	if err != nil {
		return err
	}
	run := makeRun(t.r.l, tx.db.segments.page, t.columns, t.rows, t.updated, first[prefixBytes:], bytes.Clone(t.last[prefixBytes:]), t.room[:0])
	run.user = t.r.user
	run.write(tx.Put) // which copies
	t.room = run.room
	tx.loaded = append(slices.Clip(tx.loaded), run.packedRun)
	return nil
}

// unpack makes pairs of the rows.
func (t *tail) unpack() error {
	var key, row []byte
	var err error
	buffer, rows := t.r.tx.change(), t.whole()
	prefix := appendPrefix(nil, t.r.l.t.StorageID(), rowsIndex, t.r.user)
	for i := range rows.Len {
		if key, _, err = t.r.l.primary.appendKey(append(key[:0], prefix...), rows, i); err != nil {
			return err
		}
		if row, err = t.r.l.appendRow(row[:0], rows, i, t.updated.Int64s[i]); err != nil {
			return err
		}
		buffer.Put(t.r.space, key, row)
	}
	return nil
}

// Finish puts the rows that are held back where they belong, for Commit. It may lock their
// table, so that a conflict with another transaction is possible.
func (tx *Tx) Finish(ctx context.Context) error { return tx.settleTail(ctx, true) }

// tailMark is how a tail was at a mark.
type tailMark struct {
	*tail
	rows    *types.Batch
	updated *types.Vector
	n       int
}

func (tx *Tx) markTail() tailMark {
	t := tx.tail
	if t == nil {
		return tailMark{}
	}
	t.marked = t.marked || t.rows.Len > 0
	return tailMark{t, t.rows, t.updated, t.rows.Len}
}

// restoreTail makes the tail what it was at a mark.
func (tx *Tx) restoreTail(m tailMark) error {
	switch {
	case m.tail == nil || m.n == 0:
		tx.tail = nil
		return nil
	case m.tail == tx.tail && m.rows == tx.tail.rows && m.n == m.rows.Len:
		return nil
	}
	// What is appended after the rows would change those of other marks.
	t := &tail{r: m.r, columns: m.columns, rows: m.rows.Slice(0, m.n), updated: m.updated.Slice(0, m.n), closed: true}
	tx.tail = t
	var err error
	t.last, err = t.key(nil, m.n-1)
	return err
}

// claim sees to it that packing leaves a table alone until the transaction ends. It
// returns false when there are segments where the transaction wants one.
func (tx *Tx) claim(table uint32, first, last []byte) bool {
	s := &tx.db.segments
	lock := s.lock(table)
	lock.RLock()
	defer lock.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(overlapping(tx.kept(table, s.dir[table]), first, edge(last, true))) > 0 {
		return false
	}
	if !slices.Contains(tx.claims, table) {
		if s.claims == nil {
			s.claims = map[uint32]int{}
		}
		s.claims[table]++
		tx.claims = append(tx.claims, table)
	}
	return true
}

// unclaim ends what claim began, and the transaction has loaded nothing.
func (tx *Tx) unclaim() {
	tx.loaded = nil
	if len(tx.claims) == 0 {
		return
	}
	s := &tx.db.segments
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, table := range tx.claims {
		if s.claims[table]--; s.claims[table] == 0 {
			delete(s.claims, table)
		}
	}
	tx.claims = nil
}

// isClaimed reports whether a transaction loads a table.
func (s *segments) isClaimed(table uint32) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.claims[table] > 0
}

// follow makes of a directory what it is once the transaction is committed.
func (tx *Tx) follow(dir directory) {
	tx.buffer.Ranges(func(s kv.Space, start, end []byte) {
		if s == kv.Meta {
			dir.removeRange(start, end)
		}
	})
	for _, table := range tx.claims {
		dir.add(table, tx.loaded)
	}
}

// unload makes pairs of the segments of a table that the transaction has loaded.
func (tx *Tx) unload(ctx context.Context, table uint32) error {
	mine := slices.DeleteFunc(slices.Clone(tx.loaded), func(p *packedRun) bool { return p.table != table })
	if len(mine) == 0 {
		return nil
	}
	v, err := tx.newView(new(view))
	if err != nil {
		return err
	}
	defer v.release()
	rd := &rowReader{Reader: v, db: tx.db, l: tx.layouts[table], blocks: v, runs: mine}
	for _, p := range mine {
		if err := tx.unloadRun(ctx, rd, p); err != nil {
			return rd.l.corrupt(err)
		}
	}
	tx.loaded = slices.DeleteFunc(slices.Clone(tx.loaded), func(p *packedRun) bool { return p.table == table })
	return nil
}

func (tx *Tx) unloadRun(ctx context.Context, rd *rowReader, p *packedRun) error {
	m := rd.merge(kv.Range{Start: p.from, End: edge(p.to, true)})
	defer m.close()
	for {
		st, err := m.next(ctx, types.BatchRows)
		if err != nil {
			return err
		}
		if st.from == st.to {
			break
		}
		if st.run == nil {
			continue // pairs stay as they are
		}
		if err := st.run.openKeys(ctx); err != nil {
			return err
		}
		if err := st.run.openRows(ctx, st.from, st.to); err != nil {
			return err
		}
		for i := st.from; i < st.to; i++ {
			key, err := st.run.keyAt(ctx, i)
			if err != nil {
				return err
			}
			row, err := st.run.row(ctx, i)
			if err != nil {
				return err
			}
			tx.change().Put(kv.Data, slices.Concat(st.prefix, key), row)
		}
		if err := tx.relieve(ctx); err != nil {
			return err
		}
	}
	tx.Delete(kv.Meta, p.recordKey())
	return p.eachBlock(p.table, func(_, _ int, key []byte) error {
		tx.Delete(kv.Data, key)
		return nil
	})
}
