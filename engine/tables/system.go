package tables

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"vitess.io/vitess/go/mysql/collations"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// SystemNamespace is the namespace of the system tables.
const SystemNamespace = "system"

// systemTable is a table made from records of the catalogue.
type systemTable struct {
	schema *schema.Table
	// read calls add with each record's values, in the order of the key; those
	// outside of the ranges (nil: there are none) may be left out.
	read func(ctx context.Context, tx *store.Tx, ranges []store.KeyRange, add func(...types.Value)) error
}

// System returns the definition of a table of a system namespace, nil when there
// is none of that name.
func System(namespace, name string) *schema.Table {
	for _, t := range systemIn(namespace) {
		if strings.EqualFold(t.Name, name) {
			return t
		}
	}
	return nil
}

func systemIn(namespace string) []*schema.Table {
	if namespace != SystemNamespace {
		return informationTables
	}
	list := make([]*schema.Table, len(systemTables))
	for i, t := range systemTables {
		list[i] = t.schema
	}
	return list
}

// SystemNames returns the names of a system namespace's tables in order.
func SystemNames(namespace string) []string {
	var names []string
	for _, t := range systemIn(namespace) {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

// OpenSystem returns a system table as tx sees it, for reading. Times are in UTC.
func OpenSystem(t *schema.Table, tx *store.Tx) (store.Table, error) {
	for _, s := range systemTables {
		if s.schema.ID == t.ID {
			return &systemStore{table: s, tx: tx}, nil
		}
	}
	return nil, sqlerr.NoSuchTable.New("Table '%s' doesn't exist", t.QualifiedName()).On(t.QualifiedName())
}

// systemStore is a store.Table of a system table.
type systemStore struct {
	table *systemTable
	tx    *store.Tx
}

func (s *systemStore) Schema() *schema.Table { return s.table.schema }

func (s *systemStore) Scan(req store.ScanRequest) store.Scanner {
	return &systemScanner{store: s, req: req}
}

func (s *systemStore) denied() error {
	name := s.table.schema.QualifiedName()
	return sqlerr.CommandDenied.New("Table '%s' is read-only", name).On(name)
}

func (s *systemStore) Insert(context.Context, *types.Batch) (*store.Conflict, error) {
	return nil, s.denied()
}

func (s *systemStore) Update(context.Context, *types.Batch, *types.Batch) (*store.Conflict, error) {
	return nil, s.denied()
}

func (s *systemStore) Delete(context.Context, *types.Batch) error { return s.denied() }

func (s *systemStore) Lock(context.Context, store.LockRequest, []int32) ([]int32, error) {
	return nil, s.denied()
}

func (s *systemStore) DeleteAll(context.Context) error { return s.denied() }

// systemScanner reads all records at once and yields those in the ranges.
type systemScanner struct {
	store *systemStore
	req   store.ScanRequest
	rows  [][]types.Value // nil: not read yet
	read  bool
}

func (s *systemScanner) Next(ctx context.Context, b *types.Batch) error {
	b.Reset()
	if !s.read {
		if err := s.readAll(ctx); err != nil {
			return err
		}
		s.read = true
	}
	n := min(len(s.rows), types.BatchRows)
	for _, row := range s.rows[:n] {
		for i, c := range s.req.Columns {
			b.Columns[i].AppendValue(row[c])
		}
		b.Len++
	}
	s.rows = s.rows[n:]
	return nil
}

func (s *systemScanner) readAll(ctx context.Context) error {
	t := s.store.table
	if s.req.Deleted {
		return nil
	}
	err := t.read(ctx, s.store.tx, s.req.Ranges, func(row ...types.Value) {
		if s.req.Ranges == nil || slices.ContainsFunc(s.req.Ranges, func(r store.KeyRange) bool { return inRange(t.schema, row, &r) }) {
			s.rows = append(s.rows, row)
		}
	})
	if s.req.Reverse {
		slices.Reverse(s.rows)
	}
	if s.req.Limit > 0 && len(s.rows) > s.req.Limit {
		s.rows = s.rows[:s.req.Limit]
	}
	return err
}

func (s *systemScanner) Close() error {
	s.rows, s.read = nil, true
	return nil
}

// inRange reports whether a row's primary key is in r.
func inRange(t *schema.Table, row []types.Value, r *store.KeyRange) bool {
	compare := func(bound []types.Value) int {
		for i, v := range bound {
			c := t.PrimaryKey[i]
			if d := types.Compare(t.Columns[c].Type, row[c], v); d != 0 {
				return d
			}
		}
		return 0
	}
	low, high := compare(r.Low), compare(r.High)
	if len(r.Low) > 0 && (low < 0 || low == 0 && r.LowExclusive) {
		return false
	}
	return len(r.High) == 0 || high < 0 || high == 0 && !r.HighExclusive
}

// The types of system tables' columns.
var (
	nameType   = types.Type{Kind: types.VarChar, Size: 255, Collation: types.DefaultCollation}
	textType   = types.Type{Kind: types.Text, Size: -1, Collation: types.DefaultCollation}
	idType     = types.Type{Kind: types.Int, Unsigned: true, Size: -1, Collation: collations.CollationBinaryID}
	longIDType = types.Uint64Type
	timeType   = types.Type{Kind: types.DateTime, Size: -1, Scale: 6, Collation: collations.CollationBinaryID}
	jsonType   = types.JSONType
)

func define(id uint32, name string, key int, columns ...schema.Column) *schema.Table {
	t := &schema.Table{ID: id, Namespace: SystemNamespace, Name: name, Kind: schema.System, Version: 1,
		Columns: columns, NextColumnID: uint32(len(columns) + 1), NextIndexID: 1}
	for i := range columns {
		columns[i].ID = uint32(i + 1)
	}
	for i := range key {
		t.PrimaryKey = append(t.PrimaryKey, i)
	}
	return t
}

func required(name string, t types.Type) schema.Column {
	return schema.Column{Name: name, Type: t, NotNull: true}
}

func optional(name string, t types.Type) schema.Column { return schema.Column{Name: name, Type: t} }

// Values of records. Empty texts and options, and zero times, are NULL where the
// column is optional.

func text(s string) types.Value { return types.NewString(s) }

func number(n uint64) types.Value { return types.NewUint(n) }

func textOrNull(s string) types.Value {
	if s == "" {
		return types.Value{}
	}
	return text(s)
}

func timeOrNull(t time.Time) types.Value {
	if t.IsZero() {
		return types.Value{}
	}
	return types.NewInt(types.TimeToPacked(t.UTC(), 6))
}

func options(m map[string]string) (types.Value, error) {
	if len(m) == 0 {
		return types.Value{}, nil
	}
	return jsonValue(m)
}

func jsonValue(x any) (types.Value, error) {
	b, err := json.Marshal(x)
	if err == nil {
		b, err = types.NormalizeJSON(nil, b)
	}
	if err != nil {
		return types.Value{}, sqlerr.Internal.Wrap(err, "cannot show a record as JSON")
	}
	return types.NewBytes(b), nil
}

var systemTables = []*systemTable{
	{
		// Password hashes are not shown.
		define(1, "users", 1, required("id", nameType), required("name", nameType), required("role", nameType),
			optional("email", nameType), optional("created_at", timeType), optional("updated_at", timeType)),
		func(ctx context.Context, tx *store.Tx, _ []store.KeyRange, add func(...types.Value)) error {
			return sqlmeta.Users.ScanAll(ctx, tx, func(r *sqlmeta.User) error {
				add(text(r.ID), text(r.Name), text(r.Role), textOrNull(r.Email), timeOrNull(r.Created), timeOrNull(r.Updated))
				return nil
			})
		},
	},
	{
		define(2, "namespaces", 1, required("id", idType), required("name", nameType), optional("description", textType),
			optional("options", jsonType), optional("created_at", timeType), optional("updated_at", timeType)),
		func(ctx context.Context, tx *store.Tx, _ []store.KeyRange, add func(...types.Value)) error {
			return sqlmeta.Namespaces.ScanAll(ctx, tx, func(r *sqlmeta.Namespace) error {
				o, err := options(r.Options)
				add(number(uint64(r.ID)), text(r.Name), textOrNull(r.Description), o, timeOrNull(r.Created), timeOrNull(r.Updated))
				return err
			})
		},
	},
	{
		define(3, "tables", 1, required("id", idType), required("namespace", nameType), required("name", nameType),
			required("kind", nameType), required("schema_version", idType), optional("storage_id", nameType),
			optional("options", jsonType), optional("comment", textType),
			optional("created_at", timeType), optional("updated_at", timeType)),
		func(ctx context.Context, tx *store.Tx, _ []store.KeyRange, add func(...types.Value)) error {
			return sqlmeta.Tables.ScanAll(ctx, tx, func(r *sqlmeta.Table) error {
				o, err := options(r.Options)
				add(number(uint64(r.ID)), text(r.Namespace), text(r.Name), text(string(r.Kind)), number(uint64(r.SchemaVersion)),
					textOrNull(r.StorageID), o, textOrNull(r.Comment), timeOrNull(r.Created), timeOrNull(r.Updated))
				return err
			})
		},
	},
	{
		define(4, "table_schemas", 2, required("table_id", idType), required("version", idType),
			required("schema", jsonType), optional("created_at", timeType)),
		func(ctx context.Context, tx *store.Tx, _ []store.KeyRange, add func(...types.Value)) error {
			return sqlmeta.TableSchemas.ScanAll(ctx, tx, func(r *sqlmeta.TableSchema) error {
				s, err := jsonValue(r.Schema)
				add(number(uint64(r.TableID)), number(uint64(r.Version)), s, timeOrNull(r.Created))
				return err
			})
		},
	},
	{
		define(5, "storage_locations", 1, required("id", nameType), required("name", nameType), required("kind", nameType),
			required("uri", textType), optional("description", textType), optional("options", jsonType),
			optional("created_at", timeType), optional("updated_at", timeType)),
		func(ctx context.Context, tx *store.Tx, _ []store.KeyRange, add func(...types.Value)) error {
			return sqlmeta.StorageLocations.ScanAll(ctx, tx, func(r *sqlmeta.StorageLocation) error {
				o, err := options(r.Options)
				add(text(r.ID), text(r.Name), text(r.Kind), text(r.URI), textOrNull(r.Description), o,
					timeOrNull(r.Created), timeOrNull(r.Updated))
				return err
			})
		},
	},
	{
		define(6, "live_queries", 1, required("id", nameType), required("user", nameType), required("connection", longIDType),
			required("namespace", nameType), required("table", nameType), required("sql", textType),
			optional("options", jsonType), required("changes", longIDType),
			optional("created_at", timeType), optional("updated_at", timeType)),
		func(ctx context.Context, tx *store.Tx, _ []store.KeyRange, add func(...types.Value)) error {
			return sqlmeta.LiveQueries.ScanAll(ctx, tx, func(r *sqlmeta.LiveQuery) error {
				o, err := options(r.Options)
				add(text(r.ID), text(r.User), number(r.Connection), text(r.Namespace), text(r.Table), text(r.SQL), o,
					number(r.Changes), timeOrNull(r.Created), timeOrNull(r.Updated))
				return err
			})
		},
	},
	{
		define(7, "jobs", 1, required("id", longIDType), required("kind", nameType), required("state", nameType),
			optional("namespace", nameType), optional("table", nameType), optional("parameters", jsonType),
			optional("result", textType), optional("error", textType), optional("created_at", timeType),
			optional("started_at", timeType), optional("finished_at", timeType)),
		func(ctx context.Context, tx *store.Tx, _ []store.KeyRange, add func(...types.Value)) error {
			return sqlmeta.Jobs.ScanAll(ctx, tx, func(r *sqlmeta.Job) error {
				p, err := options(r.Parameters)
				add(number(r.ID), text(r.Kind), text(r.State), textOrNull(r.Namespace), textOrNull(r.Table), p,
					textOrNull(r.Result), textOrNull(r.Error), timeOrNull(r.Created), timeOrNull(r.Started), timeOrNull(r.Finished))
				return err
			})
		},
	},
}
