package store

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/types"
)

// Keys of kv.Data and kv.Stream, numbers big endian:
//
//	table (4) | index (4) | [user] | elements
//
// The user is there in user and stream tables, escaped and terminated, so that
// no user's prefix is another's. The index is schema.PrimaryIndexID for rows,
// deletedRows for soft-deleted ones, setAside for those that a repair took out
// because they can't be read, and for entries the index's id, with repeatable
// set when keys of it need no lock.
//
//	rows                      key columns                     -> row (see row.go)
//
// Elements are in the direction that the index has for the column, those of other
// key columns in the primary key's; an element of a prefix is that prefix's.
//
//	entries                   index columns | other key columns -> nothing
//	entries of UNIQUE         index columns                   -> key columns
//	the same, with a NULL     index columns | other key columns -> key columns
const (
	rowsIndex   = uint32(schema.PrimaryIndexID)
	deletedRows = 0x7fffffff
	setAside    = 0x7ffffffe
	repeatable  = 0x80000000

	prefixBytes = 8 // of table and index
)

// maxKeyBytes is MySQL's limit for an index key.
const maxKeyBytes = 3072

// layout is how a table's rows and index entries are laid out.
type layout struct {
	t         *schema.Table
	types     []types.Type
	primary   keyDef
	secondary []keyDef // as t.Indexes
	counted   []int    // ordinals of the columns that have a sequence
	rowShape           // of new rows
}

// rowShape is which columns rows have, and how.
type rowShape struct {
	stored []storedColumn // by id
	shape  []byte         // what rows begin with after the format byte
}

// keyDef is the key of the rows or of an index's entries.
type keyDef struct {
	ix     *schema.Index // nil: the primary key
	id     uint32        // in keys
	unique bool
	parts  []part // the elements; entries of a unique index end after own unless one is NULL
	own    int    // the index's own parts, the first of parts
	pk     []int  // where in parts the primary key's are
}

// part is an element of a key.
type part struct {
	schema.KeyColumn
	t types.Type
}

func newLayout(t *schema.Table) *layout {
	l := &layout{t: t, types: t.Types()}
	l.primary = l.newKeyDef(nil)
	for i := range t.Indexes {
		l.secondary = append(l.secondary, l.newKeyDef(&t.Indexes[i]))
	}
	for c := range t.Columns {
		if t.Columns[c].AutoIncrement || t.HasRowID() && c == len(t.Columns)-1 {
			l.counted = append(l.counted, c)
		}
	}
	l.initRows()
	return l
}

func (l *layout) newKeyDef(ix *schema.Index) keyDef {
	d := keyDef{ix: ix, id: schema.PrimaryIndexID, unique: true}
	if ix != nil {
		d.id, d.unique = ix.ID, ix.Unique
	}
	if !d.unique {
		d.id |= repeatable
	}
	key, own := l.t.Key(ix)
	d.own = own
	for _, k := range key {
		d.parts = append(d.parts, part{k, l.types[k.Column]})
	}
	primary, _ := l.t.Key(nil)
	for _, k := range primary {
		d.pk = append(d.pk, schema.FindPart(key, k.Column, k.Prefix))
	}
	return d
}

// whole returns where a column is in the key as a whole, or -1.
func (d *keyDef) whole(column int) int {
	return slices.IndexFunc(d.parts, func(p part) bool { return p.Column == column && p.Prefix == 0 })
}

// append appends the element of value i of v.
func (p *part) append(dst []byte, v *types.Vector, i int) ([]byte, error) {
	start := len(dst)
	var err error
	if p.Prefix > 0 && !v.IsNull(i) {
		dst, err = keyenc.Append(dst, p.t, types.NewBytes(types.Prefix(p.t, v.BytesAt(i), p.Prefix)))
	} else {
		dst, err = keyenc.AppendFrom(dst, v, i)
	}
	if p.Desc {
		keyenc.Flip(dst[start:])
	}
	return dst, err
}

// appendValue appends the element of v, of which the key may have a prefix.
func (p *part) appendValue(dst []byte, v types.Value) ([]byte, error) {
	start := len(dst)
	if p.Prefix > 0 && !v.IsNull() {
		v = types.NewBytes(types.Prefix(p.t, v.Bytes(), p.Prefix))
	}
	dst, err := keyenc.Append(dst, p.t, v)
	if p.Desc {
		keyenc.Flip(dst[start:])
	}
	return dst, err
}

// skip returns what follows the element at the start of key.
func (p *part) skip(key []byte) ([]byte, error) {
	if p.Desc {
		return keyenc.SkipDesc(key, p.t)
	}
	return keyenc.Skip(key, p.t)
}

// decode appends the value of the element at the start of key to v and returns
// what follows.
func (p *part) decode(key []byte, v *types.Vector) ([]byte, error) {
	if p.Desc {
		return keyenc.DecodeDesc(key, v)
	}
	return keyenc.Decode(key, v)
}

// key returns the definition of an index of the table, nil standing for the
// primary key.
func (l *layout) key(ix *schema.Index) (*keyDef, error) {
	if ix == nil {
		return &l.primary, nil
	}
	for i := range l.secondary {
		if l.secondary[i].ix.ID == ix.ID {
			return &l.secondary[i], nil
		}
	}
	return nil, sqlerr.Internal.New("table %s has no index %s", l.t.QualifiedName(), ix.Name).On(l.t.QualifiedName())
}

// allColumns returns the ordinals of all columns.
func (l *layout) allColumns() []int {
	all := make([]int, len(l.types))
	for i := range all {
		all[i] = i
	}
	return all
}

func typesOf(t *schema.Table, columns []int) []types.Type {
	ts := make([]types.Type, len(columns))
	for i, c := range columns {
		ts[i] = t.At(c).Type
	}
	return ts
}

// prefixLen returns how many bytes appendPrefix appends.
func prefixLen(user []byte) int { return 8 + len(user) }

// appendPrefix appends what the keys of a table's index (for one user, whose
// encoding is given) begin with.
func appendPrefix(dst []byte, table, index uint32, user []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, table)
	dst = binary.BigEndian.AppendUint32(dst, index)
	return append(dst, user...)
}

// lockable reports whether a key of kv.Data or kv.Stream is one that
// transactions can contend for: a row's, or a unique index's.
func lockable(key []byte) bool {
	return len(key) < prefixBytes || binary.BigEndian.Uint32(key[4:])&repeatable == 0
}

// appendKey appends d's elements for row i of whole rows. whole tells that
// they identify the row by the index's own columns alone: a key that no other
// row may have.
func (d *keyDef) appendKey(dst []byte, rows *types.Batch, i int) (key []byte, whole bool, err error) {
	start := len(dst)
	whole = d.unique
	for n := range d.parts {
		if n == d.own && whole {
			break
		}
		p := &d.parts[n]
		if n < d.own && d.ix != nil && rows.Columns[p.Column].IsNull(i) {
			whole = false
		}
		if dst, err = p.append(dst, rows.Columns[p.Column], i); err != nil {
			return dst, false, err
		}
	}
	if len(dst)-start > maxKeyBytes {
		return dst, false, sqlerr.KeyTooLong.New("Specified key was too long; max key length is %d bytes", maxKeyBytes)
	}
	return dst, whole, nil
}

// appendRowKey appends the elements of the primary key for an entry of d.
func (l *layout) appendRowKey(dst []byte, d *keyDef, key, value []byte) ([]byte, error) {
	if d.unique {
		return append(dst, value...), nil
	}
	var buf [16]int
	ends := buf[:0] // ends[n] is where element n ends
	rest := key
	for n := range d.parts {
		var err error
		if rest, err = d.parts[n].skip(rest); err != nil {
			return dst, err
		}
		ends = append(ends, len(key)-len(rest))
	}
	for i, n := range d.pk {
		start := 0
		if n > 0 {
			start = ends[n-1]
		}
		at := len(dst)
		dst = append(dst, key[start:ends[n]]...)
		if d.parts[n].Desc != l.primary.parts[i].Desc {
			keyenc.Flip(dst[at:])
		}
	}
	return dst, nil
}

// inKey says in err, when it is a user's, which key of the table it is about.
func (l *layout) inKey(err error, d *keyDef) error {
	if e := sqlerr.As(err); e != nil {
		e.On(l.t.QualifiedName()).For(d.name())
	}
	return err
}

// name returns the key's name as MySQL has it.
func (d *keyDef) name() string {
	if d.ix == nil {
		return "PRIMARY"
	}
	return d.ix.Name
}

// corrupt makes of a decoder's complaint, or of the storage's, an error that
// says which table is damaged.
func (l *layout) corrupt(err error) error {
	name := l.t.QualifiedName()
	for _, complaint := range []error{keyenc.ErrMalformed, errRow, errOrphan, errRowKey, errSegment} {
		if errors.Is(err, complaint) {
			return sqlerr.Corrupt.Wrap(err, "Table '%s' is damaged: %v", name, err).On(name)
		}
	}
	if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.Corrupt && e.Table == "" {
		e.On(name)
	}
	return err
}
