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
// deletedRows for soft-deleted ones, and for entries the index's id, with
// repeatable set when keys of it need no lock.
//
//	rows                      key columns                     -> row (see row.go)
//	entries                   index columns | other key columns -> nothing
//	entries of UNIQUE         index columns                   -> key columns
//	the same, with a NULL     index columns | other key columns -> key columns
const (
	deletedRows = 0x7fffffff
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
	stored    []storedColumn
	counted   []int  // ordinals of the columns that have a sequence
	shape     []byte // what rows begin with after the format byte
}

// keyDef is the key of the rows or of an index's entries.
type keyDef struct {
	ix      *schema.Index // nil: the primary key
	id      uint32        // in keys
	unique  bool
	columns []int // ordinals of the elements; entries of a unique index end after own unless one is NULL
	types   []types.Type
	own     int   // the index's own columns, the first of columns
	pk      []int // where in columns the primary key's columns are
}

func newLayout(t *schema.Table) *layout {
	l := &layout{t: t, types: t.Types()}
	n := len(t.PrimaryKey)
	l.primary = keyDef{id: schema.PrimaryIndexID, unique: true, columns: t.PrimaryKey, own: n}
	l.primary.types = typesOf(t, t.PrimaryKey)
	for i := range n {
		l.primary.pk = append(l.primary.pk, i)
	}
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
	d := keyDef{ix: ix, id: ix.ID, unique: ix.Unique, own: len(ix.Columns)}
	if !ix.Unique {
		d.id |= repeatable
	}
	d.columns = slices.Clone(ix.Columns)
	for _, c := range l.t.PrimaryKey {
		if !slices.Contains(d.columns, c) {
			d.columns = append(d.columns, c)
		}
		d.pk = append(d.pk, slices.Index(d.columns, c))
	}
	d.types = typesOf(l.t, d.columns)
	return d
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
		ts[i] = t.Columns[c].Type
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
	for n, c := range d.columns {
		if n == d.own && whole {
			break
		}
		if n < d.own && d.ix != nil && rows.Columns[c].IsNull(i) {
			whole = false
		}
		if dst, err = keyenc.AppendFrom(dst, rows.Columns[c], i); err != nil {
			return dst, false, err
		}
	}
	if len(dst)-start > maxKeyBytes {
		return dst, false, sqlerr.KeyTooLong.New("Specified key was too long; max key length is %d bytes", maxKeyBytes)
	}
	return dst, whole, nil
}

// appendRowKey appends the elements of the primary key for an entry of d.
func (d *keyDef) appendRowKey(dst, key, value []byte) ([]byte, error) {
	if d.unique {
		return append(dst, value...), nil
	}
	var buf [16]int
	ends := buf[:0] // ends[n] is where element n ends
	rest := key
	for _, t := range d.types {
		var err error
		if rest, err = keyenc.Skip(rest, t); err != nil {
			return dst, err
		}
		ends = append(ends, len(key)-len(rest))
	}
	for _, n := range d.pk {
		start := 0
		if n > 0 {
			start = ends[n-1]
		}
		dst = append(dst, key[start:ends[n]]...)
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
	for _, complaint := range []error{keyenc.ErrMalformed, errRow, errOrphan} {
		if errors.Is(err, complaint) {
			return sqlerr.Corrupt.Wrap(err, "Table '%s' is damaged: %v", name, err).On(name)
		}
	}
	if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.Corrupt && e.Table == "" {
		e.On(name)
	}
	return err
}
