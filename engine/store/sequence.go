package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// sequence gives out a column's values: AUTO_INCREMENT's, or the hidden row
// id's; in user tables each user has one. All transactions share it, and what
// it gave out stays so, unless it was rolled back and the sequence had to make
// room for others': then it goes on after what rows have.
//
// A commit that used values saves the highest as a key of kv.Meta,
//
//	metaSequence | table (4) | column id (4) | user | value (8)
//
// and deletes those known to be saved before. Values are in keys because
// commits may be written in another order than they were made up: the highest
// key counts, whichever came last.
//
// The key's value is the AUTO_INCREMENT table option that was seen to, 8 bytes:
// another one than that raises the sequence. TRUNCATE leaves the value 0, or the
// key without user and value, so that the option no longer counts, as in MySQL.
type sequence struct {
	prefix []byte

	mu       sync.Mutex
	loaded   bool
	last     uint64   // given out last, or used by a row
	start    uint64   // the table option that last takes into account
	stored   []uint64 // what is saved, in the order in which it was; the highest counts
	removed  int      // how many were taken off the front of stored
	fleeting bool     // nothing is saved

	users int // transactions that use it; guarded by sequences.mu
}

// keptSequences is sequences.most, some megabytes.
const keptSequences = 1 << 13

// sequences are those in memory: all that transactions use, and some others.
type sequences struct {
	mu   sync.Mutex
	all  map[string]*sequence // by prefix
	most int                  // how many stay in memory that no transaction uses
}

func sequencePrefix(table, column uint32, user []byte) []byte {
	p := binary.BigEndian.AppendUint32([]byte{metaSequence}, table)
	p = binary.BigEndian.AppendUint32(p, column)
	return append(p, user...)
}

// use returns a sequence, which stays the one of its prefix until release.
func (s *sequences) use(prefix []byte) *sequence {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]*sequence{}
	}
	q := s.all[string(prefix)]
	if q == nil {
		q = &sequence{prefix: prefix}
		s.all[string(prefix)] = q
	}
	q.users++
	return q
}

// release ends what use began. Where there are very many sequences, one that nobody
// uses makes room.
func (s *sequences) release(q *sequence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.users--
	const tries = 8 // of those that a map begins with, which are others each time
	n := 0
	for p, old := range s.all {
		if n++; n > tries || len(s.all) <= s.most {
			break
		}
		if old.users == 0 && !old.ahead() {
			delete(s.all, p)
			break
		}
	}
}

// ahead reports whether q would begin at a lower number if it were loaded again,
// and what is of the same time as what was numbered could get the same number.
func (q *sequence) ahead() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fleeting && q.last >= uint64(time.Now().UnixMicro())
}

// NextID gives out n values in a row, which nobody else gets, for the table's
// AUTO_INCREMENT column, or for its hidden row id when it has none, and
// returns the first. user is the table's user, "" for a shared table.
// AutoIncExhausted is returned when 64 bits are used up; a column of fewer is
// for the caller to check.
func (tx *Tx) NextID(ctx context.Context, t *schema.Table, user string, n int) (uint64, error) {
	for c := range t.Columns {
		if t.Columns[c].AutoIncrement {
			return tx.nextValues(ctx, t, user, c, n)
		}
	}
	return tx.NextRowID(ctx, t, user, n)
}

// NextRowID is NextID for the hidden row id.
func (tx *Tx) NextRowID(ctx context.Context, t *schema.Table, user string, n int) (uint64, error) {
	if !t.HasRowID() {
		return 0, sqlerr.Internal.New("table %s has no sequence", t.QualifiedName()).On(t.QualifiedName())
	}
	return tx.nextValues(ctx, t, user, len(t.Columns)-1, n)
}

func (tx *Tx) nextValues(ctx context.Context, t *schema.Table, user string, column, n int) (uint64, error) {
	q, err := tx.relation(t, user).sequence(ctx, column)
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if n < 0 || uint64(n) > math.MaxUint64-q.last {
		return 0, sqlerr.AutoIncExhausted.New("Failed to read auto-increment value from storage engine").On(t.QualifiedName())
	}
	first := q.last + 1
	q.last += uint64(n)
	return first, nil
}

// sequence returns a column's sequence, loaded, and notes that tx uses it.
func (r *relation) sequence(ctx context.Context, column int) (*sequence, error) {
	all := &r.tx.db.sequences
	q := all.use(sequencePrefix(r.l.t.ID, r.l.t.Columns[column].ID, r.user))
	if _, ok := r.tx.touched[q]; ok {
		all.release(q)
		return q, nil
	}
	if err := q.ready(ctx, r, column); err != nil {
		all.release(q)
		return nil, err
	}
	if r.tx.touched == nil {
		r.tx.touched = map[*sequence]struct{}{}
	}
	r.tx.touched[q] = struct{}{}
	return q, nil
}

// ready loads q unless it is, and sees to the AUTO_INCREMENT table option.
func (q *sequence) ready(ctx context.Context, r *relation, column int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.loaded {
		if err := q.load(ctx, r, column); err != nil {
			return err
		}
		q.loaded = true
	}
	if t := r.l.t; t.Columns[column].AutoIncrement && t.AutoIncrementStart != q.start {
		q.start = t.AutoIncrementStart
		q.last = max(q.last, max(q.start, 1)-1)
	}
	return nil
}

// load sets q to the highest of what is saved and what committed rows have.
func (q *sequence) load(ctx context.Context, r *relation, column int) error {
	t := r.l.t
	if t.Kind == schema.Stream {
		// Row ids tell apart rows of one microsecond. Starting from the clock
		// they differ from those before a restart without being saved.
		q.last, q.fleeting = uint64(time.Now().UnixMicro()), true
		return nil
	}
	q.last, q.start, q.stored = 0, 0, nil
	tx, err := r.tx.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Close()
	start, truncated, err := tx.Get(ctx, kv.Meta, sequencePrefix(t.ID, t.Columns[column].ID, nil))
	if err != nil {
		return err
	}
	if truncated {
		if q.start, err = number(start); err != nil {
			return r.l.corrupt(err)
		}
	}
	err = eachPair(ctx, tx, kv.Meta, q.prefix, func(key, start []byte) error {
		v := key[len(q.prefix):]
		if len(v) == 0 {
			return nil
		}
		var err, err2 error
		q.last, err = number(v)
		q.start, err2 = number(start)
		q.stored = append(q.stored, q.last)
		return errors.Join(err, err2)
	})
	if err != nil {
		return r.l.corrupt(err)
	}
	highest, err := tx.relationOf(r).highest(ctx, column)
	q.last = max(q.last, highest)
	return err
}

// number reads the 8 bytes that a sequence's values take.
func number(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, keyenc.ErrMalformed
	}
	return binary.BigEndian.Uint64(b), nil
}

func appendNumber(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(dst, n) }

// highest returns the highest value of a column, at least 0.
func (r *relation) highest(ctx context.Context, column int) (uint64, error) {
	req := ScanRequest{Columns: []int{column}}
	for d := range 1 + len(r.l.secondary) {
		if first := &r.l.def(d).parts[0]; first.Column == column {
			req.Index, req.Reverse, req.Limit = r.l.index(d), !first.Desc, 1
			break
		}
	}
	s := r.scan(req)
	defer s.Close()
	b := types.NewBatch(s.types)
	var highest uint64
	for {
		if err := s.Next(ctx, b); err != nil || b.Len == 0 {
			return highest, err
		}
		for i := range b.Len {
			highest = max(highest, counted(b.Columns[0], i))
		}
	}
}

// counted returns value i of an AUTO_INCREMENT column as its sequence counts.
func counted(v *types.Vector, i int) uint64 {
	if v.IsNull(i) {
		return 0
	}
	switch v.Type.Physical() {
	case types.PhysInt64:
		return uint64(max(v.Int64s[i], 0))
	case types.PhysUint64:
		return v.Uint64s[i]
	case types.PhysFloat64:
		switch x := v.Float64s[i]; {
		case x >= math.MaxUint64:
			return math.MaxUint64
		case x > 0:
			return uint64(x)
		}
	}
	return 0
}

// raise lets sequences go on after what rows from to to have.
func (r *relation) raise(ctx context.Context, rows *types.Batch, from, to int) error {
	for _, c := range r.l.counted {
		var highest uint64
		for i := from; i < to; i++ {
			highest = max(highest, counted(rows.Columns[c], i))
		}
		q, err := r.sequence(ctx, c)
		if err != nil {
			return err
		}
		q.mu.Lock()
		q.last = max(q.last, highest)
		q.mu.Unlock()
	}
	return nil
}

// savedSequence is a value that a commit saves.
type savedSequence struct {
	q       *sequence
	value   uint64
	removed int // it takes the place of what was saved up to then
}

// restart lets the sequences of a table begin at 1, with the commit.
func (r *relation) restart() {
	for _, c := range r.l.counted {
		p := sequencePrefix(r.l.t.ID, r.l.t.Columns[c].ID, r.user)
		r.tx.DeleteRange(kv.Meta, p, edge(p, true))
		r.tx.Put(kv.Meta, appendNumber(p, 0), appendNumber(nil, r.l.t.AutoIncrementStart))
	}
}

// save adds to b what tx's sequences have reached.
func (s *sequences) save(tx *Tx, b *kv.Batch) []savedSequence {
	var all []savedSequence
	for q := range tx.touched {
		q.mu.Lock()
		if !q.fleeting && q.last > 0 && (len(q.stored) == 0 || q.last > slices.Max(q.stored)) {
			for _, v := range q.stored {
				b.Delete(kv.Meta, q.key(v))
			}
			b.Put(kv.Meta, q.key(q.last), appendNumber(nil, q.start))
			all = append(all, savedSequence{q, q.last, q.removed + len(q.stored)})
		}
		q.mu.Unlock()
	}
	return all
}

// saved notes that save's values are written. Sequences whose saved values tx
// removed, and which it didn't use, start anew.
func (s *sequences) saved(tx *Tx, all []savedSequence) {
	for _, v := range all {
		v.q.mu.Lock()
		if n := v.removed - v.q.removed; n > 0 {
			v.q.stored, v.q.removed = v.q.stored[n:], v.removed
		}
		v.q.stored = append(v.q.stored, v.value)
		v.q.mu.Unlock()
	}
	tx.buffer.Ranges(func(space kv.Space, start, end []byte) {
		if space != kv.Meta {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for p, q := range s.all {
			if _, used := tx.touched[q]; !used && p >= string(start) && p < string(end) {
				delete(s.all, p)
			}
		}
	})
}

func (q *sequence) key(value uint64) []byte {
	return appendNumber(bytes.Clone(q.prefix), value)
}
