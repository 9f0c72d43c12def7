package kv

import (
	"bytes"
	"context"
	"errors"
	"math/big"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Damage is a stretch of keys that can't be read: after From, before To.
type Damage struct {
	Space    Space
	From, To []byte // To is nil at the end of what was to be read
	Cause    error
}

// Tolerant returns db with scans, ascending ones, that pass over what can't be read
// and report it.
func Tolerant(db DB, report func(Damage)) DB { return tolerantDB{db, report} }

type tolerantDB struct {
	DB
	report func(Damage)
}

func (t tolerantDB) Snapshot() (Snapshot, error) {
	s, err := t.DB.Snapshot()
	if err != nil {
		return nil, err
	}
	return tolerantSnapshot{s, t.report}, nil
}

type tolerantSnapshot struct {
	Snapshot
	report func(Damage)
}

func (t tolerantSnapshot) Scan(s Space, r Range) Scanner {
	if r.Reverse {
		return t.Snapshot.Scan(s, r)
	}
	return &tolerantScanner{of: t.Snapshot, report: t.report, space: s, rng: r, next: bytes.Clone(r.Start), left: r.Limit}
}

// tolerantScanner reads in bulk until something can't be read, then key by key up to
// there and for a while after.
type tolerantScanner struct {
	of      Snapshot
	report  func(Damage)
	space   Space
	rng     Range
	next    []byte // where to go on
	bulk    Scanner
	one     Scanner // the last single read; its chunk may be in use
	careful int     // keys still to be read singly
	left    int     // of the limit
	done    bool
}

// carefulKeys is how many keys are read singly around damage: as many as a chunk may have.
const carefulKeys = 2048

// Next implements Scanner.
func (t *tolerantScanner) Next(ctx context.Context) (*Chunk, error) {
	for !t.done {
		c, err := t.read(ctx)
		switch {
		case err == nil && c.Len() == 0:
			t.done = true
		case err == nil:
			t.next = append(bytes.Clone(c.Key(c.Len()-1)), 0)
			if t.careful > 0 {
				t.careful--
			}
			if t.left > 0 {
				if t.left -= c.Len(); t.left <= 0 {
					t.done = true
				}
			}
			return c, nil
		case errors.Is(err, sqlerr.Interrupted) || errors.Is(err, sqlerr.Closed):
			return nil, err
		case t.bulk != nil:
			t.bulk.Close()
			t.bulk, t.careful = nil, carefulKeys
		default:
			if err := t.skip(ctx, err); err != nil {
				return nil, err
			}
		}
	}
	return &Chunk{}, nil
}

// read returns the next pairs: one, or a chunk.
func (t *tolerantScanner) read(ctx context.Context) (*Chunk, error) {
	if t.careful > 0 {
		if t.one != nil {
			t.one.Close()
		}
		t.one = t.of.Scan(t.space, t.from(t.next, 1))
		return t.one.Next(ctx)
	}
	if t.bulk == nil {
		t.bulk = t.of.Scan(t.space, t.from(t.next, t.left))
	}
	return t.bulk.Next(ctx)
}

func (t *tolerantScanner) from(start []byte, limit int) Range {
	r := t.rng
	r.Start, r.Limit = start, limit
	return r
}

// skip finds the next key that can be read: it goes ahead in steps that double, and
// from the first that leads somewhere back by halves.
func (t *tolerantScanner) skip(ctx context.Context, cause error) error {
	width := max(len(t.next), len(t.rng.End)) + 8
	number := func(key []byte) *big.Int {
		padded := make([]byte, width)
		copy(padded, key)
		return new(big.Int).SetBytes(padded)
	}
	key := func(n *big.Int) []byte { return n.FillBytes(make([]byte, width)) }
	start, end := number(t.next), new(big.Int).Lsh(big.NewInt(1), uint(8*width))
	if t.rng.End != nil {
		end = number(t.rng.End)
	}
	readable := func(n *big.Int) (bool, error) {
		if n.Cmp(end) >= 0 {
			return true, nil // nothing is left to be read
		}
		sc := t.of.Scan(t.space, t.from(key(n), 1))
		defer sc.Close()
		_, err := sc.Next(ctx)
		if errors.Is(err, sqlerr.Interrupted) || errors.Is(err, sqlerr.Closed) {
			return false, err
		}
		return err == nil, nil
	}
	low, high, step := start, new(big.Int), big.NewInt(1)
	for {
		high = new(big.Int).Add(start, step)
		ok, err := readable(high)
		if err != nil {
			return err
		}
		if ok {
			break
		}
		low = high
		step.Lsh(step, 1)
	}
	for one := big.NewInt(1); new(big.Int).Sub(high, low).Cmp(one) > 0; {
		middle := new(big.Int).Add(low, high)
		middle.Rsh(middle, 1)
		ok, err := readable(middle)
		if err != nil {
			return err
		}
		if ok {
			high = middle
		} else {
			low = middle
		}
	}
	d := Damage{Space: t.space, From: t.next, Cause: cause}
	if high.Cmp(end) >= 0 {
		t.done = true
	} else {
		d.To = key(high)
		t.next, t.careful = d.To, carefulKeys
	}
	t.report(d)
	return nil
}

// Close implements Scanner.
func (t *tolerantScanner) Close() error {
	t.done = true
	for _, s := range []Scanner{t.bulk, t.one} {
		if s != nil {
			s.Close()
		}
	}
	t.bulk, t.one = nil, nil
	return nil
}
