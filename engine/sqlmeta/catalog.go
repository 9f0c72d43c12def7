package sqlmeta

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// FirstTableID is the first id that NextTableID gives out; those below are for
// tables that are not stored (schema.System).
const FirstTableID = 1000

// The counters.
const (
	catalogVersion byte = iota
	namespaceID
	tableID
)

// NamespaceByName returns a namespace, or BadDatabase.
func NamespaceByName(ctx context.Context, rd kv.Reader, name string) (*Namespace, error) {
	ns, err := Namespaces.find(ctx, rd, appendString(nil, name))
	if err == nil && ns == nil {
		err = sqlerr.BadDatabase.New("Unknown database '%s'", name)
	}
	return ns, err
}

// TableByName returns a table's record, or NoSuchTable.
func TableByName(ctx context.Context, rd kv.Reader, namespace, name string) (*Table, error) {
	t, err := Tables.find(ctx, rd, appendString(appendString(nil, namespace), name))
	if err == nil && t == nil {
		err = sqlerr.NoSuchTable.New("Table '%s.%s' doesn't exist", namespace, name).On(namespace + "." + name)
	}
	return t, err
}

// UserByName returns a user, or NoSuchRecord.
func UserByName(ctx context.Context, rd kv.Reader, name string) (*User, error) {
	u, err := Users.find(ctx, rd, appendString(nil, name))
	if err == nil && u == nil {
		err = Users.missing()
	}
	return u, err
}

// TablesIn calls f with the tables of a namespace by name until f fails.
func TablesIn(ctx context.Context, rd kv.Reader, namespace string, f func(*Table) error) error {
	return Tables.list(ctx, rd, appendString(nil, namespace), f)
}

// CurrentSchema returns the definition that a table's record points to.
func CurrentSchema(ctx context.Context, rd kv.Reader, t *Table) (*schema.Table, error) {
	s, err := TableSchemas.Get(ctx, rd, SchemaKey{t.ID, t.SchemaVersion})
	if err != nil {
		return nil, err
	}
	if s.Schema == nil {
		return nil, TableSchemas.corrupt("a record without schema")
	}
	return s.Schema, nil
}

// CatalogVersion returns the number of catalogue changes so far; plans made
// under another one are out of date.
func CatalogVersion(ctx context.Context, rd kv.Reader) (uint64, error) {
	return counter(ctx, rd, catalogVersion)
}

// BumpCatalogVersion counts a catalogue change and returns the new version.
func BumpCatalogVersion(ctx context.Context, rw kv.ReadWriter) (uint64, error) {
	return next(ctx, rw, catalogVersion, 1)
}

// NextTableID returns a table id that was never given out before, as far as
// committed transactions and this one go.
func NextTableID(ctx context.Context, rw kv.ReadWriter) (uint32, error) {
	return nextUint32(ctx, rw, tableID, FirstTableID)
}

// NextNamespaceID returns a namespace id that was never given out before.
func NextNamespaceID(ctx context.Context, rw kv.ReadWriter) (uint32, error) {
	return nextUint32(ctx, rw, namespaceID, 1)
}

// JobsNotDone calls f with the jobs that wait or run, in the order of their ids,
// until f fails.
func JobsNotDone(ctx context.Context, rd kv.Reader, f func(*Job) error) error {
	return Jobs.list(ctx, rd, []byte{0}, f)
}

// JobsDone calls f with the jobs that are over, in the order of their ids, until
// f fails.
func JobsDone(ctx context.Context, rd kv.Reader, f func(*Job) error) error {
	return Jobs.list(ctx, rd, []byte{1}, f)
}

func nextUint32(ctx context.Context, rw kv.ReadWriter, which byte, first uint64) (uint32, error) {
	n, err := next(ctx, rw, which, first)
	if err == nil && n > math.MaxUint32 {
		err = sqlerr.Internal.New("all table or namespace ids are used")
	}
	return uint32(n), err
}

func next(ctx context.Context, rw kv.ReadWriter, which byte, first uint64) (uint64, error) {
	n, err := counter(ctx, rw, which)
	if err != nil {
		return 0, err
	}
	n = max(n+1, first)
	rw.Put(kv.Meta, counterKey(which), binary.BigEndian.AppendUint64(nil, n))
	return n, nil
}

func counter(ctx context.Context, rd kv.Reader, which byte) (uint64, error) {
	v, ok, err := rd.Get(ctx, kv.Meta, counterKey(which))
	if err != nil || !ok {
		return 0, err
	}
	if len(v) != 8 {
		return 0, sqlerr.Corrupt.New("the catalogue has a damaged counter")
	}
	return binary.BigEndian.Uint64(v), nil
}

func counterKey(which byte) []byte { return []byte{space, counters, which} }

// CopyCounters copies the numbers given out so far, for a copy of tables that
// keep theirs.
func CopyCounters(ctx context.Context, from kv.Reader, to kv.Writer) error {
	for _, which := range []byte{catalogVersion, namespaceID, tableID} {
		n, err := counter(ctx, from, which)
		if err != nil {
			return err
		}
		to.Put(kv.Meta, counterKey(which), binary.BigEndian.AppendUint64(nil, n))
	}
	return nil
}
