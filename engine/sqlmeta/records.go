// Package sqlmeta keeps the system tables as typed records: users, namespaces,
// tables, table_schemas, storage_locations and jobs; and, beside them, tables'
// statistics. Those of live_queries are in memory only.
//
// All functions work on a kv.Reader or kv.ReadWriter, a store.Tx as a rule, so
// that records change in the same atomic write as the data they describe. They
// do not lock: statements that change the catalogue run one at a time.
//
// Records live in kv.Meta under keys that begin with the byte 1 (package store
// keeps its own keys there under others):
//
//	1 | table | 0 | primary key    -> format byte, JSON
//	1 | table | 1 | alternate key  -> primary key
//	1 | 0xff | counter             -> 8 bytes, big endian
package sqlmeta

import (
	"context"
	"encoding/json"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
)

const (
	space        = 1    // first byte of every key
	primary      = 0    // records
	alternate    = 1    // alternate keys
	recordFormat = 1    // first byte of a record
	counters     = 0xff // in place of a table
)

// Records is one system table: records R with key K and, where alt is set, a
// second unique key, a name.
type Records[K, R any] struct {
	name   string
	id     byte
	encode func(dst []byte, key K) []byte
	key    func(r *R) K
	alt    func(dst []byte, r *R) []byte
	taken  func(r *R) error // the error for a duplicate; nil: DupEntry
}

// Name returns the system table's name.
func (t *Records[K, R]) Name() string { return t.name }

// Insert adds r. A record with its key makes DupEntry, or the error that MySQL
// has for it (TableExists, CantCreateDatabase).
func (t *Records[K, R]) Insert(ctx context.Context, rw kv.ReadWriter, r *R) error {
	key := t.primaryKey(t.key(r))
	keys := [][]byte{key}
	if t.alt != nil {
		keys = append(keys, t.alternateKey(r))
	}
	found := make([][]byte, len(keys))
	if err := rw.MultiGet(ctx, kv.Meta, keys, found); err != nil {
		return err
	}
	for _, v := range found {
		if v != nil {
			return t.duplicate(r)
		}
	}
	return t.put(rw, keys, r)
}

// Get returns the record with a key, or NoSuchRecord.
func (t *Records[K, R]) Get(ctx context.Context, rd kv.Reader, key K) (*R, error) {
	v, ok, err := rd.Get(ctx, kv.Meta, t.primaryKey(key))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, t.missing()
	}
	return t.decode(v)
}

// Update replaces the record with r's key, which must be there; the alternate
// key may change.
func (t *Records[K, R]) Update(ctx context.Context, rw kv.ReadWriter, r *R) error {
	old, err := t.Get(ctx, rw, t.key(r))
	if err != nil {
		return err
	}
	keys := [][]byte{t.primaryKey(t.key(r))}
	if t.alt != nil {
		before, after := t.alternateKey(old), t.alternateKey(r)
		if string(before) != string(after) {
			if _, ok, err := rw.Get(ctx, kv.Meta, after); err != nil {
				return err
			} else if ok {
				return t.duplicate(r)
			}
			rw.Delete(kv.Meta, before)
			keys = append(keys, after)
		}
	}
	return t.put(rw, keys, r)
}

// Delete removes the record with a key, which must be there.
func (t *Records[K, R]) Delete(ctx context.Context, rw kv.ReadWriter, key K) error {
	r, err := t.Get(ctx, rw, key)
	if err != nil {
		return err
	}
	if t.alt != nil {
		rw.Delete(kv.Meta, t.alternateKey(r))
	}
	rw.Delete(kv.Meta, t.primaryKey(key))
	return nil
}

// ScanAll calls f with every record in key order until f fails.
func (t *Records[K, R]) ScanAll(ctx context.Context, rd kv.Reader, f func(*R) error) error {
	return scan(ctx, rd, []byte{space, t.id, primary}, func(v []byte) error {
		r, err := t.decode(v)
		if err != nil {
			return err
		}
		return f(r)
	})
}

// Last returns the record with the last key, nil when there is none.
func (t *Records[K, R]) Last(ctx context.Context, rd kv.Reader) (*R, error) {
	prefix := []byte{space, t.id, primary}
	end, _ := keyenc.AppendSuccessor(nil, prefix)
	s := rd.Scan(kv.Meta, kv.Range{Start: prefix, End: end, Reverse: true, Limit: 1})
	defer s.Close()
	c, err := s.Next(ctx)
	if err != nil || c.Len() == 0 {
		return nil, err
	}
	return t.decode(c.Value(0))
}

// find returns the record with an alternate key, nil when there is none.
func (t *Records[K, R]) find(ctx context.Context, rd kv.Reader, alt []byte) (*R, error) {
	p, ok, err := rd.Get(ctx, kv.Meta, append([]byte{space, t.id, alternate}, alt...))
	if err != nil || !ok {
		return nil, err
	}
	return t.at(ctx, rd, p)
}

// list calls f with every record whose alternate key begins with prefix, in
// that key's order.
func (t *Records[K, R]) list(ctx context.Context, rd kv.Reader, prefix []byte, f func(*R) error) error {
	return scan(ctx, rd, append([]byte{space, t.id, alternate}, prefix...), func(p []byte) error {
		r, err := t.at(ctx, rd, p)
		if err != nil {
			return err
		}
		return f(r)
	})
}

// at returns the record with an encoded key that an alternate key gave.
func (t *Records[K, R]) at(ctx context.Context, rd kv.Reader, encoded []byte) (*R, error) {
	v, ok, err := rd.Get(ctx, kv.Meta, append([]byte{space, t.id, primary}, encoded...))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, t.corrupt("a name without its record")
	}
	return t.decode(v)
}

func (t *Records[K, R]) put(rw kv.ReadWriter, keys [][]byte, r *R) error {
	v, err := json.Marshal(r)
	if err != nil {
		return sqlerr.Internal.Wrap(err, "cannot encode a record of system.%s", t.name)
	}
	rw.Put(kv.Meta, keys[0], append([]byte{recordFormat}, v...))
	for _, k := range keys[1:] {
		rw.Put(kv.Meta, k, keys[0][3:])
	}
	return nil
}

func (t *Records[K, R]) decode(v []byte) (*R, error) {
	if len(v) == 0 {
		return nil, t.corrupt("an empty record")
	}
	if v[0] > recordFormat {
		return nil, sqlerr.NewerFormat.New("system.%s has records of format %d; this Kalam reads up to %d",
			t.name, v[0], recordFormat).On("system." + t.name)
	}
	r := new(R)
	if v[0] != recordFormat {
		return nil, t.corrupt("a record of format 0")
	}
	if err := json.Unmarshal(v[1:], r); err != nil {
		return nil, sqlerr.Corrupt.Wrap(err, "system.%s has a damaged record", t.name).On("system." + t.name)
	}
	return r, nil
}

func (t *Records[K, R]) primaryKey(key K) []byte {
	return t.encode([]byte{space, t.id, primary}, key)
}

func (t *Records[K, R]) alternateKey(r *R) []byte {
	return t.alt([]byte{space, t.id, alternate}, r)
}

func (t *Records[K, R]) missing() error {
	return sqlerr.NoSuchRecord.New("Can't find record in '%s'", t.name).On("system." + t.name)
}

func (t *Records[K, R]) duplicate(r *R) error {
	if t.taken != nil {
		return t.taken(r)
	}
	return sqlerr.DupEntry.New("Duplicate entry '%v' for key '%s.PRIMARY'", t.key(r), t.name).
		On("system." + t.name).For("PRIMARY")
}

func (t *Records[K, R]) corrupt(what string) error {
	return sqlerr.Corrupt.New("system.%s has %s", t.name, what).On("system." + t.name)
}

// scan calls f with the value of every key that begins with prefix.
func scan(ctx context.Context, rd kv.Reader, prefix []byte, f func(value []byte) error) error {
	end, _ := keyenc.AppendSuccessor(nil, prefix)
	return values(ctx, rd, kv.Range{Start: prefix, End: end}, f)
}

// values calls f with the value of every key of a range.
func values(ctx context.Context, rd kv.Reader, of kv.Range, f func(value []byte) error) error {
	s := rd.Scan(kv.Meta, of)
	defer s.Close()
	for {
		c, err := s.Next(ctx)
		if err != nil || c.Len() == 0 {
			return err
		}
		for i := range c.Len() {
			if err := f(c.Value(i)); err != nil {
				return err
			}
		}
	}
}
