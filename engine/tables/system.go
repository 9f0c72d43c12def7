package tables

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitess.io/vitess/go/mysql/collations"

	"github.com/kalamgo/kalam/engine/rights"
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
	read   recordReader
	// writes are the statements that may change it, as in docs/system.md.
	writes  rights.Set
	instead string   // what to say in the place of the others
	sets    []string // the columns that UPDATE may set
}

// recordReader calls add with the values of the records whose key, or with byName
// alternate key, is between two bounds, in the order of that key; those that are not to
// be seen are left out.
type recordReader func(ctx context.Context, tx *store.Tx, byName bool, low, high sqlmeta.Bound, a *Access, add func([]types.Value)) error

// recordsOf returns a reader of records. show returns a function that makes a
// record's values, nil for those that are not to be seen.
func recordsOf[K, R any](records *sqlmeta.Records[K, R],
	show func(ctx context.Context, tx *store.Tx, see *Viewer) func(*R) ([]types.Value, error)) recordReader {
	return func(ctx context.Context, tx *store.Tx, byName bool, low, high sqlmeta.Bound, a *Access, add func([]types.Value)) error {
		values := show(ctx, tx, a.See)
		scan := records.Scan
		if byName {
			scan = records.ScanNames
		}
		return scan(ctx, tx, low, high, func(r *R) error {
			row, err := values(r)
			if row != nil && err == nil {
				add(row)
			}
			return err
		})
	}
}

// Viewer says which rows of the system tables who asks may see; nil: all.
type Viewer struct {
	// User is whose own rows are seen, of users and live queries.
	User string
	// Table reports whether a table may be seen, by its record.
	Table func(*sqlmeta.Table) (bool, error)
}

// sees reports whether a row of a user's may be seen.
func (v *Viewer) sees(user string) bool { return v == nil || v.User == user }

// seesTable reports whether a row about a table may be seen.
func (v *Viewer) seesTable(t *sqlmeta.Table) (bool, error) {
	if v == nil {
		return true, nil
	}
	return v.Table(t)
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

// Access is what the system tables are opened for.
type Access struct {
	See   *Viewer                    // who reads
	Live  func() []sqlmeta.LiveQuery // the live queries that there are, by id
	Write Writer                     // nil: they are only read
}

// OpenSystem returns a system table as tx sees it.
func OpenSystem(t *schema.Table, tx *store.Tx, a Access) (store.Table, error) {
	for _, s := range systemTables {
		if s.schema.ID == t.ID {
			return &recordStore{schema: s.schema, write: a.Write, read: func(ctx context.Context, req *store.ScanRequest, r *store.KeyRange, add func([]types.Value)) error {
				var low, high sqlmeta.Bound
				if r != nil {
					low, high = bound(t, req, r.Low), bound(t, req, r.High)
				}
				return s.read(ctx, tx, req.Index != nil, low, high, &a, add)
			}}, nil
		}
	}
	return nil, sqlerr.NoSuchTable.New("Table '%s' doesn't exist", t.QualifiedName()).On(t.QualifiedName())
}

// MayWrite returns an error unless a system table can be changed by statements that
// need rights.
func MayWrite(t *schema.Table, needs rights.Set) error {
	name := t.QualifiedName()
	for _, s := range systemTables {
		if s.schema.ID != t.ID || t.Namespace != SystemNamespace {
			continue
		}
		if lacks := needs & (rights.Insert | rights.Update | rights.Delete) &^ s.writes; lacks != 0 {
			return sqlerr.CommandDenied.New("%s of system table '%s' is not possible: %s", lacks.Names()[0], name, s.instead).On(name)
		}
		return nil
	}
	return sqlerr.CommandDenied.New("System table '%s' cannot be written", name).On(name)
}

// MaySet returns an error unless UPDATE may set a column of a system table.
func MaySet(t *schema.Table, column int) error {
	name, table := t.Columns[column].Name, t.QualifiedName()
	for _, s := range systemTables {
		if s.schema.ID == t.ID && slices.Contains(s.sets, name) {
			return nil
		}
	}
	return sqlerr.ColumnNotUpdatable.New("Column '%s' of '%s' cannot be written", name, table).On(table).In(name)
}

// RecordChange is what becomes of a row of a system table: without Old it is added, without
// New removed. Both have all of the table's columns.
type RecordChange struct {
	Table    *schema.Table
	Old, New []types.Value
}

// Writer makes a change, after it has looked whether it makes sense.
type Writer func(ctx context.Context, c RecordChange) error

// recordStore is a store.Table whose rows are made of records.
type recordStore struct {
	schema *schema.Table
	// read calls add with the rows in a range, nil: all; it may add others.
	read  func(ctx context.Context, req *store.ScanRequest, r *store.KeyRange, add func([]types.Value)) error
	write Writer // nil: it can't be written
}

func (s *recordStore) Schema() *schema.Table { return s.schema }

// recorded returns rows with what their records have, which is more than a statement says
// of them. Those of records that are gone stay as they are.
func (s *recordStore) recorded(ctx context.Context, rows *types.Batch) (*types.Batch, error) {
	out := types.NewBatch(s.schema.Types())
	for i := range rows.Len {
		row := rows.Row(i, nil)
		var r store.KeyRange
		for _, c := range s.schema.PrimaryKey {
			r.Low = append(r.Low, row[c])
		}
		r.High = r.Low
		if err := s.read(ctx, &store.ScanRequest{}, &r, func(is []types.Value) { row = is }); err != nil {
			return nil, err
		}
		out.AppendRow(row)
	}
	return out, nil
}

func (s *recordStore) Scan(req store.ScanRequest) store.Scanner {
	return store.Filtered(&recordScanner{store: s, req: req}, req.Filter)
}

// Parts implements store.Table: records are read by one scan.
func (s *recordStore) Parts(store.ScanRequest, int) ([]store.Part, error) { return nil, nil }

// bound returns as much of a range's bound as a key of records has.
func bound(t *schema.Table, req *store.ScanRequest, values []types.Value) sqlmeta.Bound {
	var b sqlmeta.Bound
	key, own := t.Key(req.Index)
	for i, v := range values {
		if i >= own || v.IsNull() {
			break
		}
		switch typ := t.Columns[key[i].Column].Type; typ {
		case idType:
			b = append(b, uint32(v.Uint()))
		case longIDType:
			b = append(b, v.Uint())
		default:
			b = append(b, string(v.Bytes()))
		}
	}
	return b
}

func (s *recordStore) denied() error {
	name := s.schema.QualifiedName()
	return sqlerr.CommandDenied.New("Table '%s' is read-only", name).On(name)
}

// each calls the writer for every row.
func (s *recordStore) each(ctx context.Context, old, new *types.Batch) error {
	if s.write == nil {
		return s.denied()
	}
	for i := range max(rowsOf(old), rowsOf(new)) {
		c := RecordChange{Table: s.schema}
		if old != nil {
			c.Old = old.Row(i, nil)
		}
		if new != nil {
			c.New = new.Row(i, nil)
		}
		if err := s.write(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func rowsOf(b *types.Batch) int {
	if b == nil {
		return 0
	}
	return b.Len
}

func (s *recordStore) Insert(ctx context.Context, rows *types.Batch) (*store.Conflict, error) {
	return nil, s.each(ctx, nil, rows)
}

func (s *recordStore) Update(ctx context.Context, old, new *types.Batch) (*store.Conflict, error) {
	return nil, s.each(ctx, old, new)
}

func (s *recordStore) Delete(ctx context.Context, rows *types.Batch) error {
	return s.each(ctx, rows, nil)
}

// Lock has nothing to do: who writes has locked the catalogue.
func (s *recordStore) Lock(_ context.Context, req store.LockRequest, got []int32) ([]int32, error) {
	if s.write == nil {
		return nil, s.denied()
	}
	for i := range req.Keys.Len {
		got = append(got, int32(i))
	}
	return got, nil
}

func (s *recordStore) DeleteAll(context.Context) error { return s.denied() }

// recordScanner reads the rows of its ranges at once and yields those that are in
// them.
type recordScanner struct {
	store *recordStore
	req   store.ScanRequest
	rows  [][]types.Value // nil: not read yet
	done  bool            // they are read
}

func (s *recordScanner) Next(ctx context.Context, b *types.Batch) error {
	b.Reset()
	if !s.done {
		if err := s.readAll(ctx); err != nil {
			return err
		}
		s.done = true
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

func (s *recordScanner) readAll(ctx context.Context) error {
	if s.req.Deleted {
		return nil
	}
	var err error
	if s.req.Ranges == nil {
		err = s.store.read(ctx, &s.req, nil, func(row []types.Value) { s.rows = append(s.rows, row) })
	}
	key, _ := s.store.schema.Key(s.req.Index)
	for i := range s.req.Ranges {
		r := &s.req.Ranges[i]
		if err != nil {
			break
		}
		err = s.store.read(ctx, &s.req, r, func(row []types.Value) {
			if inRange(s.store.schema, key, row, r) {
				s.rows = append(s.rows, row)
			}
		})
	}
	if s.req.Reverse {
		slices.Reverse(s.rows)
	}
	if s.req.Limit > 0 && len(s.rows) > s.req.Limit {
		s.rows = s.rows[:s.req.Limit]
	}
	if s.store.write != nil {
		for _, row := range s.rows {
			s.store.hint(row)
		}
	}
	return err
}

// hint gives a password that there is a value, which is not the password's, for an
// UPDATE to see that NULL changes it.
func (s *recordStore) hint(row []types.Value) {
	if c := s.schema.Column("password"); c >= 0 && row[s.schema.Column("has_password")].Int() != 0 {
		row[c] = types.NewString("\x00")
	}
}

func (s *recordScanner) Close() error {
	s.rows, s.done = nil, true
	return nil
}

// inRange reports whether a row's key is in r.
func inRange(t *schema.Table, key []schema.KeyColumn, row []types.Value, r *store.KeyRange) bool {
	compare := func(bound []types.Value) int {
		for i, v := range bound {
			c := key[i].Column
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
	timeType   = types.TimestampType(6)
	jsonType   = types.JSONType
	secretType = types.Type{Kind: types.VarBinary, Size: 1024, Collation: collations.CollationBinaryID}
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

// ownOptions are options that Kalam gives a meaning: their numbers and truths are such.
func ownOptions(m map[string]string) (types.Value, error) {
	if len(m) == 0 {
		return types.Value{}, nil
	}
	values := make(map[string]any, len(m))
	for name, v := range m {
		n, err := strconv.ParseInt(v, 10, 64)
		switch {
		case err == nil:
			values[name] = n
		case v == "TRUE", v == "FALSE":
			values[name] = v == "TRUE"
		default:
			values[name] = v
		}
	}
	return jsonValue(values)
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
