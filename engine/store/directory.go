package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/store/segment"
)

// Rows of user and shared tables are kept in two places that are read as one: as
// pairs of their own, and packed into segments, which are columns of adjacent rows.
// A segment is told of by a record in kv.Meta, and has a block for each column in
// kv.Data (see package segment for both):
//
//	metaSegments | table (4) | [user] | elements          -> record
//	table (4) | segmentBlocks | [user] | elements | column id (4) [| number (2)] -> block
//
// The number is that of a column's second block, 1, and those after it. The elements
// are what the segment covers from; what it covers up to, inclusive, is in
// the record. No two cover the same keys. A row of its own lies over a packed row with
// the same key; its value may be rowGone, which hides that. Such pairs exist only under
// keys that a segment covers: a commit makes them of deleted rows, see Tx.settle.
//
// What is in the records is also in memory, as of each snapshot: a directory never
// changes, but is replaced by another in one step with the write that changes records.
// Only packing writes records one by one, see pack; DeleteRange removes them as it
// removes rows.
const (
	segmentBlocks = 0x7ffffffd // in place of an index id
	damagedBlocks = 0x7ffffffc // of segments that a repair took out
	rowGone       = 0x00       // the one byte of such a value

	// updatedColumn is under which id segments keep the time of rows' last change.
	updatedColumn = 0xffffffff
)

// isGone reports whether a row's value says that there is none.
func isGone(value []byte) bool { return len(value) == 1 && value[0] == rowGone }

// directory is the segments of each table, by its number in keys, in key order.
type directory map[uint32][]*packedRun

// packedRun is a segment: a run of packed rows.
type packedRun struct {
	table uint32
	// from and to are what it covers, inclusive, as keys of rows.
	from, to []byte
	rec      *segment.Record // nil: damaged
	user     []byte          // of the transaction that loaded it; else nil
	size     int             // bytes of record and blocks
	pairs    atomic.Uint32   // unknownPairs, somePairs or noPairs
	// Of commits that change pairs over it: how many are at work, and DB.written after the
	// last; see still. reads are those since then, see worth.
	writing        atomic.Int32
	written, reads atomic.Uint64
	// The first blocks by column, what was decoded of columns with one, the image and its
	// columns, and then the other blocks, from where more has it for each column.
	cached []cacheSlot
	more   []int // nil: there are none
}

// Whether there are pairs under keys that a segment covers. Commits note that there may
// be some before they write them, so whoever finds noPairs has a snapshot without.
const (
	unknownPairs = iota
	somePairs
	noPairs
)

func newPackedRun(table uint32, elements []byte, rec *segment.Record, size int) *packedRun {
	p := &packedRun{table: table, from: append(appendPrefix(nil, table, rowsIndex, nil), elements...), rec: rec, size: size}
	p.to = p.from
	if rec != nil {
		p.to = append(appendPrefix(nil, table, rowsIndex, nil), rec.Last...)
		slots := 3*len(rec.Columns) + 1
		for i := range rec.Columns {
			p.size += rec.Columns[i].Size
			if n := rec.Blocks(i) - 1; n > 0 {
				if p.more == nil {
					p.more = make([]int, len(rec.Columns))
				}
				p.more[i] = slots
				slots += n
			}
		}
		p.cached = make([]cacheSlot, slots)
	}
	return p
}

// blockSlot returns where in p.cached block k of column n is.
func (p *packedRun) blockSlot(n, k int) int {
	if k == 0 {
		return n
	}
	return p.more[n] + k - 1
}

// eachBlock calls f with the keys of all blocks in a table: k is the number of column n's.
func (p *packedRun) eachBlock(table uint32, f func(n, k int, key []byte) error) error {
	for n := range p.columns() {
		for k := range p.rec.Blocks(n) {
			if err := f(n, k, p.blockKey(table, p.rec.Columns[n].ID, k)); err != nil {
				return err
			}
		}
	}
	return nil
}

// columns returns the number of columns that have a block.
func (p *packedRun) columns() int {
	if p.rec == nil {
		return 0
	}
	return len(p.rec.Columns)
}

// elements returns what is left of a row's key without table and index.
func (p *packedRun) elements() []byte { return p.from[prefixBytes:] }

// recordKey returns under which key of kv.Meta the segment is.
func (p *packedRun) recordKey() []byte { return append(recordPrefix(p.table), p.elements()...) }

func recordPrefix(table uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{metaSegments}, table)
}

// blockKey returns under which key of kv.Data block k of a column is.
func (p *packedRun) blockKey(table, column uint32, k int) []byte {
	key := appendPrefix(make([]byte, 0, len(p.from)+4+2), table, segmentBlocks, nil)
	key = binary.BigEndian.AppendUint32(append(key, p.elements()...), column)
	if k > 0 {
		key = binary.BigEndian.AppendUint16(key, uint16(k))
	}
	return key
}

// covers reports whether a row's key is one that the segment may have.
func (p *packedRun) covers(key []byte) bool {
	return bytes.Compare(key, p.from) >= 0 && bytes.Compare(key, p.to) <= 0
}

// span returns what keys the segment covers.
func (p *packedRun) span() span { return span{start: p.from, end: edge(p.to, true)} }

// find returns the segment that covers the key of a row, or nil.
func find(runs []*packedRun, key []byte) *packedRun {
	i := sort.Search(len(runs), func(i int) bool { return bytes.Compare(runs[i].from, key) > 0 })
	if i > 0 && bytes.Compare(key, runs[i-1].to) <= 0 {
		return runs[i-1]
	}
	return nil
}

// overlapping returns those of runs that cover keys from start, inclusive, to end, exclusive.
func overlapping(runs []*packedRun, start, end []byte) []*packedRun {
	i := sort.Search(len(runs), func(i int) bool { return bytes.Compare(runs[i].to, start) >= 0 })
	n := sort.Search(len(runs), func(i int) bool { return bytes.Compare(runs[i].from, end) >= 0 })
	return runs[i:max(i, n)]
}

// segments is what a DB knows of its segments.
type segments struct {
	mu  sync.RWMutex // taken shared to take a snapshot, exclusively to change dir
	dir directory    // as of the last write
	// claims counts, by table, the transactions that make segments of what they load.
	claims     map[uint32]int
	rows       int // SegmentRows, but in tests
	page       int // pageBytes, but in tests
	ingest     int // ingestBytes, but in tests
	appendFrom int // the constant, but in tests
	cache      columnCache

	// locks keep commits that write a table and packing of it apart, by table.
	locks sync.Map
	// unlogged tells that there were commits without log. Packing has none either then: it
	// must not outlive what it packed. What comes after it may, if it is logged, so that
	// after a crash pairs tell of rows that are gone under keys that no segment covers:
	// stray tells that there may be such, also those of an earlier process.
	unlogged, stray atomic.Bool

	written   sync.Map // of *writtenPairs, by table
	onWritten func(table uint32)
	// packing has a lock for each table that one packs at a time.
	packing sync.Map
}

// lock returns the lock that commits of a table take shared.
func (s *segments) lock(table uint32) *sync.RWMutex { return lockIn(&s.locks, table) }

func lockIn(m *sync.Map, table uint32) *sync.RWMutex {
	l, ok := m.Load(table)
	if !ok {
		l, _ = m.LoadOrStore(table, new(sync.RWMutex))
	}
	return l.(*sync.RWMutex)
}

// enter takes tables' locks for a commit; the caller calls leave.
func (s *segments) enter(tables []uint32) (leave func()) {
	if len(tables) == 0 {
		return func() {}
	}
	tables = slices.Clone(tables)
	slices.Sort(tables) // in one order, so that nobody waits in a circle
	for _, t := range tables {
		s.lock(t).RLock()
	}
	return func() {
		for _, t := range tables {
			s.lock(t).RUnlock()
		}
	}
}

// current returns the directory of this moment.
func (s *segments) current() directory {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dir
}

// PackedRows returns how many rows the segments of a table have, by its number in keys.
func (db *DB) PackedRows(table uint32) (n int64) {
	for _, p := range db.segments.current()[table] {
		if p.rec != nil {
			n += int64(p.rec.Rows)
		}
	}
	return n
}

// change calls write, which changes records, and makes of the directory what
// then holds, as update does it for the one that it is given.
func (s *segments) change(write func() error, update func(directory)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := write(); err != nil {
		return err
	}
	dir := maps.Clone(s.dir)
	if dir == nil {
		dir = directory{}
	}
	update(dir)
	s.dir = dir
	return nil
}

// replace puts segments of a table in the place of others.
func (d directory) replace(table uint32, old, new []*packedRun) {
	list := make([]*packedRun, 0, len(d[table])+len(new))
	for _, p := range d[table] {
		if !slices.Contains(old, p) {
			list = append(list, p)
		}
	}
	list = append(list, new...)
	slices.SortFunc(list, func(a, b *packedRun) int { return bytes.Compare(a.from, b.from) })
	d.set(table, list)
}

// add adds those of runs that are of a table.
func (d directory) add(table uint32, runs []*packedRun) {
	mine := slices.DeleteFunc(slices.Clone(runs), func(p *packedRun) bool { return p.table != table })
	if len(mine) > 0 {
		d.replace(table, nil, mine)
	}
}

func (d directory) set(table uint32, list []*packedRun) {
	if d[table] = list; len(list) == 0 {
		delete(d, table)
	}
}

// removeRange takes out the segments whose records are from start, inclusive, to
// end, exclusive, in kv.Meta.
func (d directory) removeRange(start, end []byte) {
	for table := range d {
		p := recordPrefix(table)
		if bytes.Compare(edge(p, true), start) > 0 && bytes.Compare(p, end) < 0 {
			d.set(table, slices.DeleteFunc(slices.Clone(d[table]), func(r *packedRun) bool {
				k := r.recordKey()
				return bytes.Compare(k, start) >= 0 && bytes.Compare(k, end) < 0
			}))
		}
	}
}

// loadSegments reads the records of all segments.
func (db *DB) loadSegments(ctx context.Context) error {
	snap, err := db.kv.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Release()
	dir := directory{}
	err = eachPair(ctx, snap, kv.Meta, []byte{metaSegments}, func(key, value []byte) error {
		if len(key) < 1+4 {
			return keyenc.ErrMalformed
		}
		table := binary.BigEndian.Uint32(key[1:])
		rec, err := segment.ParseRecord(value)
		if err != nil {
			rec = nil // whoever reads the table finds out
		}
		dir[table] = append(dir[table], newPackedRun(table, bytes.Clone(key[1+4:]), rec, len(key)+len(value)))
		return nil
	})
	if err != nil {
		return err
	}
	_, stray, err := snap.Get(ctx, kv.Meta, []byte{metaUnlogged})
	if err != nil {
		return err
	}
	db.segments.stray.Store(stray)
	return db.segments.change(func() error { return nil }, func(d directory) { maps.Copy(d, dir) })
}

// durability returns what packing has to wait for.
func (s *segments) durability(ctx context.Context, db *DB) (Durability, error) {
	if !s.unlogged.Load() {
		return NoSync, nil
	}
	if !s.stray.Load() {
		var b kv.Batch
		b.Put(kv.Meta, []byte{metaUnlogged}, nil)
		if err := db.write(ctx, &b, Sync); err != nil {
			return NoLog, err
		}
		s.stray.Store(true)
	}
	return NoLog, nil
}

// AsLasting returns the durability of a commit that must not outlast those before it.
func (db *DB) AsLasting() Durability {
	if db.segments.unlogged.Load() {
		return NoLog
	}
	return NoSync
}

// runs returns the segments of a table as the transaction sees them: not those that
// it removed, and those that it has loaded.
func (tx *Tx) runs(table uint32) []*packedRun {
	list := tx.kept(table, tx.snap.dir[table])
	if len(tx.loaded) == 0 {
		return list
	}
	dir := directory{table: list}
	dir.add(table, tx.loaded)
	return dir[table]
}

// kept returns those of a list of a table's segments that the transaction has not
// removed.
func (tx *Tx) kept(table uint32, list []*packedRun) []*packedRun {
	if len(list) == 0 {
		return nil
	}
	if !tx.buffer.HasRanges(kv.Meta) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(r *packedRun) bool { return tx.buffer.InRange(kv.Meta, r.recordKey()) })
}

// removeRuns removes the segments of a table, those of one user where that is given.
func (tx *Tx) removeRuns(table uint32, user []byte) {
	p := append(recordPrefix(table), user...)
	tx.DeleteRange(kv.Meta, p, edge(p, true))
	p = appendPrefix(nil, table, segmentBlocks, user)
	tx.DeleteRange(kv.Data, p, edge(p, true))
	start := appendPrefix(nil, table, rowsIndex, user)
	tx.loaded = slices.DeleteFunc(slices.Clone(tx.loaded), func(r *packedRun) bool { return bytes.HasPrefix(r.from, start) })
}

// settle returns what of a row is written to the database: of a deleted one
// something only where a segment covers its key, in the directory as it will be. It
// notes that there are pairs over the segment.
type settle struct {
	dir     directory
	tx      *Tx
	written map[uint32]int64        // pairs of rows by table
	over    map[*packedRun]struct{} // what has pairs among them over it
}

// end comes when the commit is over, whether or not it failed.
func (s settle) end() {
	for p := range s.over {
		p.wrote(s.tx.db.written.Load())
	}
}

func (s settle) value(space kv.Space, key, value []byte) []byte {
	if space != kv.Data || !isRow(key) {
		return value
	}
	table := binary.BigEndian.Uint32(key)
	s.written[table]++
	p := find(s.dir[table], key)
	if p != nil {
		if _, ok := s.over[p]; !ok {
			s.over[p] = struct{}{}
			p.writes()
		}
	}
	if isGone(value) && p == nil {
		return nil
	}
	return value
}

// done tells of tables of which much was written, after the commit.
func (s settle) done() {
	of := &s.tx.db.segments
	if of.onWritten == nil {
		return
	}
	for table, n := range s.written {
		w, look := of.writtenOf(table), of.leastPacking()
		if now := w.count.Add(n); now/look != (now-n)/look && now >= max(of.worthPacking(table), w.passed.Load()/4) {
			w.count.Store(0)
			of.onWritten(table)
		}
	}
}

// worthPacking returns how many pairs of a table are to be written before it is packed: a
// segment's rows, or as many as may hide a quarter of those that are packed. (What a
// queue's rows hide lies before the row that is wanted next.)
func (s *segments) worthPacking(table uint32) int64 {
	packed := 0
	for _, run := range s.current()[table] {
		if run.rec == nil || packed/4 >= s.rows {
			break
		}
		packed += run.rec.Rows
	}
	if packed == 0 {
		return int64(s.rows)
	}
	return max(s.leastPacking(), int64(min(packed/4, s.rows)))
}

// leastPacking is how many pairs are written at least before a table is packed.
func (s *segments) leastPacking() int64 { return int64(max(1, s.rows/16)) }

// writtenPairs are pairs of a table's rows.
type writtenPairs struct {
	count  atomic.Int64 // written since OnWritten's function was called last
	passed atomic.Int64 // that packing passed last, and will again
}

func (s *segments) writtenOf(table uint32) *writtenPairs {
	w, ok := s.written.Load(table)
	if !ok {
		w, _ = s.written.LoadOrStore(table, new(writtenPairs))
	}
	return w.(*writtenPairs)
}

// passed notes how many pairs packing passed.
func (s *segments) passed(table uint32, n int64) { s.writtenOf(table).passed.Store(n) }

// OnWritten has f called, soon and not in the way of others, when so much of a table
// was written that packing is worth it; table is its number in keys. It is called
// before the database is used.
func (db *DB) OnWritten(f func(table uint32)) { db.segments.onWritten = f }

// Unpacked returns how many rows of a table are pairs of their own, limit at most.
func (s *AllUsersStore) Unpacked(ctx context.Context, limit int) (int, error) {
	p := packer{tx: s.relation.tx}
	prefix := appendPrefix(nil, s.relation.l.t.StorageID(), rowsIndex, nil)
	return p.count(ctx, prefix, edge(prefix, true), limit)
}

// SegmentStats are figures of a table's segments.
type SegmentStats struct {
	Segments int
	Rows     int64 // in them
	Bytes    int64 // of them
	Shadowed int64 // pairs under keys that they cover
	Unpacked int64 // other pairs
}

// Segments returns the figures. It reads the keys of the rows that are not packed.
func (s *AllUsersStore) Segments(ctx context.Context) (SegmentStats, error) {
	var st SegmentStats
	r := s.relation
	if !r.packs() {
		return st, nil
	}
	runs := r.tx.runs(r.l.t.StorageID())
	st.Segments = len(runs)
	for _, p := range runs {
		st.Bytes += int64(p.size)
		if p.rec != nil {
			st.Rows += int64(p.rec.Rows)
		}
	}
	prefix := appendPrefix(nil, r.l.t.StorageID(), rowsIndex, nil)
	sc := r.tx.Scan(r.space, kv.Range{Start: prefix, End: edge(prefix, true), KeysOnly: true, NoCache: true})
	defer sc.Close()
	for {
		c, err := sc.Next(ctx)
		if err != nil || c.Len() == 0 {
			return st, err
		}
		for i := range c.Len() {
			k := c.Key(i)
			for len(runs) > 0 && bytes.Compare(runs[0].to, k) < 0 {
				runs = runs[1:]
			}
			if len(runs) > 0 && bytes.Compare(runs[0].from, k) <= 0 {
				st.Shadowed++
			} else {
				st.Unpacked++
			}
		}
	}
}

// source is a kv.Source with rows settled.
func (s settle) source(src kv.Source) kv.Source {
	var out kv.Chunk
	return func(ctx context.Context) (kv.Space, *kv.Chunk, error) {
		space, c, err := src(ctx)
		if err != nil || space != kv.Data {
			return space, c, err
		}
		same := true
		for i := range c.Len() {
			if v := c.Value(i); v[0] == kv.TagPut && s.value(space, c.Key(i), v[1:]) == nil {
				same = false
			}
		}
		if same {
			return space, c, nil
		}
		out.Reset()
		for i := range c.Len() {
			v := c.Value(i)
			if len(v) == 2 && v[0] == kv.TagPut && s.value(space, c.Key(i), v[1:]) == nil {
				v = []byte{kv.TagDeleted}
			}
			out.Append(c.Key(i), v)
		}
		return space, &out, nil
	}
}
