// Package schema describes tables: columns, keys and indexes, as the catalogue
// keeps them and as stores, planner and handlers read them. Descriptions are
// immutable once made; a change makes a new one with a higher Version.
package schema

import (
	"slices"
	"strings"

	"vitess.io/vitess/go/mysql/collations"

	"github.com/kalamgo/kalam/engine/types"
)

// TableKind says which store keeps a table's rows.
type TableKind string

const (
	Shared TableKind = "shared" // one set of rows for all users
	User   TableKind = "user"   // each user has a private set of rows
	Stream TableKind = "stream" // time-ordered rows that expire
	System TableKind = "system" // rows made from the catalogue; read-only
	Viewed TableKind = "view"   // rows of a query, which Table.View has
)

// Table is a table's definition.
type Table struct {
	ID        uint32 // never used again after DROP
	Namespace string
	Name      string
	Kind      TableKind
	Version   uint32 // schema version, from 1
	Columns   []Column
	// PrimaryKey lists the ordinals of the key's columns. A table without one
	// has a hidden last column RowIDColumn, which is its key.
	PrimaryKey   []int
	PrimaryParts []Part  `json:",omitempty"` // see Index.Parts
	Indexes      []Index // the secondary ones
	Checks       []Check `json:",omitempty"`
	// ForeignKeys are those of this table, to others or itself.
	ForeignKeys []ForeignKey `json:",omitempty"`
	Triggers    []Trigger    `json:",omitempty"` // in the order in which they run
	Options     Options      `json:",omitzero"`
	Comment     string
	// Collation is that of text columns which name none; 0: types.DefaultCollation.
	Collation collations.ID `json:",omitempty"`
	// AutoIncrementStart is the AUTO_INCREMENT=n table option, 0 when not given.
	AutoIncrementStart uint64
	// Temporary tells that the table is a session's, in no catalogue.
	Temporary bool `json:"-"`
	// Storage is the number that keys of rows and entries begin with, when it is not
	// ID: rows that had to be written anew were given another one.
	Storage uint32 `json:",omitempty"`
	// NextColumnID and NextIndexID are the lowest numbers never given out.
	NextColumnID, NextIndexID uint32
	// View is the definition of a view, nil for tables. Its Columns have the names
	// of the view's columns, and their types when it was made.
	View *View `json:",omitempty"`
}

// View is what makes a view.
type View struct {
	// Select is the query: tables are named with their namespaces, and * is
	// written out, as it was understood when the view was made.
	Select string
	Check  CheckOption `json:",omitempty"`
	// As the statement had it; "": not at all. Rows are always those that the
	// asking user sees, as under SQL SECURITY INVOKER.
	Algorithm, Definer, Security string `json:",omitempty"`
	// DefinerID is the user whose rights the query has under SQL SECURITY DEFINER;
	// nil: the owner's.
	DefinerID *string `json:",omitempty"`
}

// CheckOption says which rows can't be written through a view.
type CheckOption string

const (
	NoCheck  CheckOption = ""
	Local    CheckOption = "LOCAL"    // those that its own WHERE keeps out
	Cascaded CheckOption = "CASCADED" // and those that the views under it keep out
)

// RowIDColumn is the name of the hidden BIGINT UNSIGNED key column of a table
// without primary key; its values are given out like AUTO_INCREMENT's.
const RowIDColumn = "_rowid"

// TimeColumn is the name of the hidden TIMESTAMP(6) column that leads a stream
// table's key: the event's time. A stream table's PrimaryKey is
// (TimeColumn, RowIDColumn), its last two columns, unless it names a temporal
// column of its own to lead it.
const TimeColumn = "_time"

// Names of system columns, see Table.System.
const (
	UpdatedColumn = "_updated" // TIMESTAMP(6): when the row was last changed
	DeletedColumn = "_deleted" // whether the row is one that can be restored
)

// Reserved reports whether no column can be given a name.
func Reserved(name string) bool {
	for _, n := range []string{RowIDColumn, TimeColumn, UpdatedColumn, DeletedColumn} {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// Column is a column of a table.
type Column struct {
	ID      uint32 // never used again within the table
	Name    string
	Type    types.Type
	NotNull bool
	// Default is the SQL text of the DEFAULT expression (a literal included),
	// "" when there is none. A nullable column without one has NULL.
	Default       string
	NoDefault     bool   `json:",omitempty"` // nullable, and yet without default
	OnUpdate      string // SQL text of ON UPDATE CURRENT_TIMESTAMP[(n)], or ""
	AutoIncrement bool
	Hidden        bool // not in SELECT *, not in INSERT without a column list
	Comment       string
	Invisible     bool `json:",omitempty"` // declared INVISIBLE: Hidden, but may be named
	// Generated is the SQL text of a generated column's expression, "" for others.
	Generated string `json:",omitempty"`
	Virtual   bool   `json:",omitempty"` // a generated column that rows do not keep
	// Initial is a literal of the value that rows older than the column have, ""
	// for NULL.
	Initial string `json:",omitempty"`
}

// Index is a secondary index.
type Index struct {
	ID      uint32 // unique within the table, from 1; 0 stands for the primary key
	Name    string
	Columns []int // ordinals in key order
	// Parts tells how the key has each of Columns; nil: whole and ascending.
	Parts   []Part `json:",omitempty"`
	Unique  bool
	Comment string
	// Invisible: not used by queries, but kept.
	Invisible bool `json:",omitempty"`
	BTree     bool `json:",omitempty"` // declared USING BTREE, which is what all are
}

// Part is how a key has a column.
type Part struct {
	Desc bool `json:",omitempty"`
	// Prefix is how many characters, of binary columns bytes, the key has of a
	// value; 0: all of it.
	Prefix int `json:",omitempty"`
}

// KeyColumn is an element of a key.
type KeyColumn struct {
	Column int // ordinal
	Part
}

// Key returns what the keys of an index's entries are made of, nil standing for
// the primary key: the index's own columns, the first own ones, and those of the
// primary key that are not among them as a whole.
func (t *Table) Key(ix *Index) (key []KeyColumn, own int) {
	if ix != nil {
		key = appendKey(make([]KeyColumn, 0, len(ix.Columns)+len(t.PrimaryKey)), ix.Columns, ix.Parts)
	}
	own = len(key)
	for _, k := range appendKey(nil, t.PrimaryKey, t.PrimaryParts) {
		if ix == nil || FindPart(key[:own], k.Column, k.Prefix) < 0 {
			key = append(key, k)
		}
	}
	if ix == nil {
		own = len(key)
	}
	return key, own
}

func appendKey(dst []KeyColumn, columns []int, parts []Part) []KeyColumn {
	for i, c := range columns {
		k := KeyColumn{Column: c}
		if parts != nil {
			k.Part = parts[i]
		}
		dst = append(dst, k)
	}
	return dst
}

// FindPart returns where a key has a column, or a prefix of it, or -1.
func FindPart(key []KeyColumn, column, prefix int) int {
	return slices.IndexFunc(key, func(k KeyColumn) bool { return k.Column == column && k.Prefix == prefix })
}

// Own returns the index's own key columns.
func (ix *Index) Own() []KeyColumn { return appendKey(nil, ix.Columns, ix.Parts) }

// PrimaryIndexID is the index id under which rows are kept.
const PrimaryIndexID = 0

// TextCollation returns the collation of text columns which name none.
func (t *Table) TextCollation() collations.ID {
	if t.Collation == 0 {
		return types.DefaultCollation
	}
	return t.Collation
}

// StorageID returns the number that the keys of rows and entries begin with.
func (t *Table) StorageID() uint32 {
	if t.Storage != 0 {
		return t.Storage
	}
	return t.ID
}

// QualifiedName returns namespace.table.
func (t *Table) QualifiedName() string { return t.Namespace + "." + t.Name }

// Column returns the ordinal of the named column, or -1. Names compare without
// regard to case, as in MySQL.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// Index returns the named secondary index, or nil.
func (t *Table) Index(name string) *Index {
	for i := range t.Indexes {
		if strings.EqualFold(t.Indexes[i].Name, name) {
			return &t.Indexes[i]
		}
	}
	return nil
}

// HasRowID reports whether the primary key is the hidden row id.
func (t *Table) HasRowID() bool {
	n := len(t.Columns)
	return n > 0 && t.Columns[n-1].Hidden && t.Columns[n-1].Name == RowIDColumn
}

// Types returns the columns' types.
func (t *Table) Types() []types.Type {
	ts := make([]types.Type, len(t.Columns))
	for i := range t.Columns {
		ts[i] = t.Columns[i].Type
	}
	return ts
}

// Covers reports whether index ix and the primary key, which every index entry
// holds, have all the listed columns. A column whose index key loses its value
// (a text under a collation other than bytes order) is not covered.
func (t *Table) Covers(ix *Index, columns []int) bool {
	if ix == nil {
		return true
	}
	key, _ := t.Key(ix)
	for _, c := range columns {
		if c >= len(t.Columns) || t.Columns[c].Type.LossyKey() || FindPart(key, c, 0) < 0 {
			return false
		}
	}
	return true
}

// systemColumns are what shared and user tables have besides their columns:
// every row has them, and no row keeps more for them. Their ordinals come after
// those of a table's own columns.
var systemColumns = []Column{
	{Name: UpdatedColumn, NotNull: true, Hidden: true, Type: types.Type{Kind: types.Timestamp, Size: -1, Scale: 6, Collation: collations.CollationBinaryID}},
	{Name: DeletedColumn, NotNull: true, Hidden: true, Type: types.Type{Kind: types.TinyInt, Size: 1, Collation: collations.CollationBinaryID}},
}

// SystemColumn returns the ordinal of a system column that t has, or -1.
func (t *Table) SystemColumn(name string) int {
	if t.Kind != Shared && t.Kind != User {
		return -1
	}
	for i := range systemColumns {
		if strings.EqualFold(systemColumns[i].Name, name) {
			return len(t.Columns) + i
		}
	}
	return -1
}

// At returns the column with an ordinal, which may be a system column's.
func (t *Table) At(ordinal int) *Column {
	if n := ordinal - len(t.Columns); n >= 0 {
		return &systemColumns[n]
	}
	return &t.Columns[ordinal]
}
