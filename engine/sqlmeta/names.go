package sqlmeta

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// NameKind is what a Name is of.
type NameKind string

// The kinds of names.
const (
	CheckName      NameKind = "check"
	ForeignKeyName NameKind = "foreign key"
	TriggerName    NameKind = "trigger"
)

// NameKey is the key of a Name. Names compare without regard to case.
type NameKey struct {
	Namespace string
	Kind      NameKind
	Name      string
}

// Name is a name that may be given once in a namespace, though what it names is
// part of a table's definition.
type Name struct {
	NameKey
	TableID uint32
}

// names finds the tables that names are of. It is no system table: it tells
// nothing that table_schemas does not.
var names = &Records[NameKey, Name]{
	name: "names", id: 0xf0,
	encode: func(dst []byte, k NameKey) []byte {
		return appendString(appendString(appendString(dst, k.Namespace), string(k.Kind)), strings.ToLower(k.Name))
	},
	key: func(r *Name) NameKey { return r.NameKey },
	taken: func(r *Name) error {
		switch r.Kind {
		case TriggerName:
			return sqlerr.TriggerExists.New("Trigger already exists")
		case ForeignKeyName:
			return sqlerr.ForeignDupName.New("Duplicate foreign key constraint name '%s'", r.Name).For(r.Name)
		}
		return sqlerr.CheckDupName.New("Duplicate check constraint name '%s'.", r.Name).For(r.Name)
	},
}

// AddName notes a name of a table's; sqlerr.CheckDupName, ForeignDupName.
func AddName(ctx context.Context, rw kv.ReadWriter, n Name) error { return names.Insert(ctx, rw, &n) }

// FindName returns a name; sqlerr.NoSuchRecord.
func FindName(ctx context.Context, rd kv.Reader, k NameKey) (*Name, error) {
	return names.Get(ctx, rd, k)
}

// RemoveName forgets a name.
func RemoveName(ctx context.Context, rw kv.ReadWriter, k NameKey) error {
	return names.Delete(ctx, rw, k)
}

// Reference tells that a table has foreign keys to another, which need not be
// there.
type Reference struct {
	Namespace, Table string // referenced
	Child            uint32
}

var references = &Records[Reference, Reference]{
	name: "references", id: 0xf1,
	encode: func(dst []byte, r Reference) []byte {
		return binary.BigEndian.AppendUint32(appendString(appendString(dst, r.Namespace), r.Table), r.Child)
	},
	key: func(r *Reference) Reference { return *r },
}

// AddReference notes a reference.
func AddReference(ctx context.Context, rw kv.ReadWriter, r Reference) error {
	return references.Insert(ctx, rw, &r)
}

// RemoveReference forgets a reference.
func RemoveReference(ctx context.Context, rw kv.ReadWriter, r Reference) error {
	return references.Delete(ctx, rw, r)
}

// ReferencesTo calls f with the tables that have foreign keys to a table, or to
// that name.
func ReferencesTo(ctx context.Context, rd kv.Reader, namespace, table string, f func(child uint32) error) error {
	prefix := appendString(appendString([]byte{space, references.id, primary}, namespace), table)
	return scan(ctx, rd, prefix, func(v []byte) error {
		r, err := references.decode(v)
		if err != nil {
			return err
		}
		return f(r.Child)
	})
}
