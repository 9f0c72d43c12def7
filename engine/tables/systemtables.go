package tables

import (
	"context"
	"strings"

	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Defaults of columns that INSERT may leave out.

func defaulting(c schema.Column, text string) schema.Column {
	c.Default = "'" + text + "'"
	return c
}

// secret is a column that can be written and never read.
func secret(name string) schema.Column {
	return schema.Column{Name: name, Type: secretType, Hidden: true, Invisible: true}
}

// named adds the unique index that a name is looked up by, sqlmeta's alternate key.
func named(t *schema.Table, columns ...string) *schema.Table {
	ix := schema.Index{ID: 1, Name: columns[len(columns)-1], Unique: true}
	for _, c := range columns {
		ix.Columns = append(ix.Columns, t.Column(c))
	}
	t.Indexes, t.NextIndexID = []schema.Index{ix}, 2
	return t
}

// flag is a BOOL.
func flag(b bool) types.Value {
	if b {
		return types.NewInt(1)
	}
	return types.NewInt(0)
}

// systemTables are the seven, read through sqlmeta alone.
var systemTables = []*systemTable{
	{
		schema: named(define(1, "users", 1, schema.Column{Name: "id", Type: nameType, NotNull: true, Default: "(`name`)"}, required("name", nameType), defaulting(required("role", nameType), "user"),
			optional("email", nameType), defaulting(required("has_password", types.BoolType), "0"), optional("created_at", timeType), optional("updated_at", timeType),
			secret("password")), "name"),
		writes: rights.Insert | rights.Update | rights.Delete,
		sets:   []string{"name", "role", "email", "password"},
		read: recordsOf(sqlmeta.Users, func(ctx context.Context, tx *store.Tx, see *Viewer) func(*sqlmeta.User) ([]types.Value, error) {
			return func(r *sqlmeta.User) ([]types.Value, error) {
				if !see.sees(r.ID) {
					return nil, nil
				}
				hash, err := sqlmeta.PasswordHash(ctx, tx, r.ID)
				return []types.Value{text(r.ID), text(r.Name), text(r.Role), textOrNull(r.Email), flag(hash != ""), timeOrNull(r.Created), timeOrNull(r.Updated), {}}, err
			}
		}),
	},
	{
		schema: named(define(2, "namespaces", 1, required("id", idType), required("name", nameType), optional("description", textType),
			optional("options", jsonType), optional("created_at", timeType), optional("updated_at", timeType)), "name"),
		writes: rights.Update, instead: "CREATE NAMESPACE and DROP NAMESPACE do that",
		sets: []string{"description", "options"},
		read: recordsOf(sqlmeta.Namespaces, func(context.Context, *store.Tx, *Viewer) func(*sqlmeta.Namespace) ([]types.Value, error) {
			return func(r *sqlmeta.Namespace) ([]types.Value, error) {
				o, err := options(r.Options)
				return []types.Value{number(uint64(r.ID)), text(r.Name), textOrNull(r.Description), o, timeOrNull(r.Created), timeOrNull(r.Updated)}, err
			}
		}),
	},
	{
		schema: named(define(3, "tables", 1, required("id", idType), required("namespace", nameType), required("name", nameType),
			required("kind", nameType), required("schema_version", idType), optional("storage_id", nameType),
			optional("options", jsonType), optional("comment", textType),
			optional("created_at", timeType), optional("updated_at", timeType)), "namespace", "name"),
		writes: rights.Update, instead: "CREATE TABLE and DROP TABLE do that",
		sets: []string{"storage_id", "options", "comment"},
		read: recordsOf(sqlmeta.Tables, func(_ context.Context, _ *store.Tx, see *Viewer) func(*sqlmeta.Table) ([]types.Value, error) {
			return func(r *sqlmeta.Table) ([]types.Value, error) {
				if seen, err := see.seesTable(r); !seen {
					return nil, err
				}
				o, err := ownOptions(r.Options)
				return []types.Value{number(uint64(r.ID)), text(r.Namespace), text(r.Name), text(string(r.Kind)), number(uint64(r.SchemaVersion)),
					textOrNull(r.StorageID), o, textOrNull(r.Comment), timeOrNull(r.Created), timeOrNull(r.Updated)}, err
			}
		}),
	},
	{
		schema: define(4, "table_schemas", 2, required("table_id", idType), required("version", idType),
			required("schema", jsonType), optional("created_at", timeType)),
		instead: "ALTER TABLE makes new versions",
		read: recordsOf(sqlmeta.TableSchemas, func(ctx context.Context, tx *store.Tx, see *Viewer) func(*sqlmeta.TableSchema) ([]types.Value, error) {
			return func(r *sqlmeta.TableSchema) ([]types.Value, error) {
				if see != nil {
					t, err := sqlmeta.Tables.Get(ctx, tx, r.TableID)
					if err != nil {
						return nil, err
					}
					if seen, err := see.seesTable(t); !seen {
						return nil, err
					}
				}
				s, err := jsonValue(r.Schema)
				return []types.Value{number(uint64(r.TableID)), number(uint64(r.Version)), s, timeOrNull(r.Created)}, err
			}
		}),
	},
	{
		schema: define(5, "storage_locations", 1, required("id", nameType), defaulting(required("name", nameType), ""),
			defaulting(required("kind", nameType), "filesystem"), required("uri", textType), optional("description", textType), optional("options", jsonType),
			defaulting(required("tables", longIDType), "0"), optional("created_at", timeType), optional("updated_at", timeType)),
		writes: rights.Insert | rights.Update | rights.Delete,
		sets:   []string{"name", "kind", "uri", "description", "options"},
		read: recordsOf(sqlmeta.StorageLocations, func(ctx context.Context, tx *store.Tx, _ *Viewer) func(*sqlmeta.StorageLocation) ([]types.Value, error) {
			var used map[string]uint64
			return func(r *sqlmeta.StorageLocation) ([]types.Value, error) {
				if used == nil {
					used = map[string]uint64{}
					err := sqlmeta.Tables.ScanAll(ctx, tx, func(t *sqlmeta.Table) error { used[t.StorageID]++; return nil })
					if err != nil {
						return nil, err
					}
				}
				o, err := options(r.Options)
				return []types.Value{text(r.ID), text(r.Name), text(r.Kind), text(r.URI), textOrNull(r.Description), o, number(used[r.ID]),
					timeOrNull(r.Created), timeOrNull(r.Updated)}, err
			}
		}),
	},
	{
		schema: define(6, "live_queries", 1, required("id", nameType), required("user", nameType), required("connection", longIDType),
			required("namespace", nameType), required("table", nameType), required("query", textType),
			optional("options", jsonType), required("changes", longIDType), required("queue_depth", longIDType),
			optional("created_at", timeType), optional("delivered_at", timeType)),
		instead: "live queries come and go with their connections, and by KILL LIVE QUERY",
		read:    liveQueries,
	},
	{
		schema: define(7, "jobs", 1, required("id", longIDType), required("kind", nameType), required("state", nameType),
			optional("namespace", nameType), optional("table", nameType), optional("parameters", jsonType),
			required("attempts", idType), optional("result", textType), optional("error", textType), optional("trace", textType),
			optional("created_at", timeType), optional("started_at", timeType), optional("finished_at", timeType)),
		writes: rights.Update, instead: "jobs are what Kalam does, and their records go by their age",
		sets: []string{"state"},
		read: recordsOf(sqlmeta.Jobs, func(context.Context, *store.Tx, *Viewer) func(*sqlmeta.Job) ([]types.Value, error) {
			return func(r *sqlmeta.Job) ([]types.Value, error) {
				p, err := options(r.Parameters)
				return []types.Value{number(r.ID), text(r.Kind), text(r.State), textOrNull(r.Namespace), textOrNull(r.Table), p,
					number(uint64(r.Attempts)), textOrNull(r.Result), textOrNull(r.Error), textOrNull(r.Trace), timeOrNull(r.Created), timeOrNull(r.Started),
					timeOrNull(r.Finished)}, err
			}
		}),
	},
	{
		schema: define(8, "segments", 1, required("table_id", idType), required("namespace", nameType), required("table", nameType),
			required("segments", longIDType), required("rows", longIDType), required("bytes", longIDType),
			required("unpacked_rows", longIDType), required("shadow_rows", longIDType), optional("shadow_ratio", types.Float64Type)),
		instead: "PACK TABLE packs a table's rows",
		read:    recordsOf(sqlmeta.Tables, segmentsOf),
	},
}

// liveQueries reads the live queries, which end with the process and are in memory.
func liveQueries(_ context.Context, _ *store.Tx, _ bool, _, _ sqlmeta.Bound, a *Access, add func([]types.Value)) error {
	for _, r := range a.Live() {
		if !a.See.sees(r.User) {
			continue
		}
		o, err := ownOptions(r.Options)
		if err != nil {
			return err
		}
		add([]types.Value{text(r.ID), text(r.User), number(r.Connection), text(r.Namespace), text(r.Table), text(r.Query), o,
			number(r.Changes), number(r.Depth), timeOrNull(r.Created), timeOrNull(r.Delivered)})
	}
	return nil
}

// Text returns a column's text after a change; "" for NULL.
func (c *RecordChange) Text(column string) string { return c.text(c.New, column) }

// Before returns a column's text before a change; "" for NULL.
func (c *RecordChange) Before(column string) string { return c.text(c.Old, column) }

func (c *RecordChange) text(row []types.Value, column string) string {
	i := c.Table.Column(column)
	if row[i].IsNull() {
		return ""
	}
	return string(types.AppendText(nil, c.Table.Columns[i].Type, row[i]))
}

// Given reports whether a column is not NULL after a change.
func (c *RecordChange) Given(column string) bool { return !c.New[c.Table.Column(column)].IsNull() }

// Changed reports whether an UPDATE changes a column.
func (c *RecordChange) Changed(column string) bool {
	i := c.Table.Column(column)
	return c.Old[i].IsNull() != c.New[i].IsNull() || !c.New[i].IsNull() && types.Compare(c.Table.Columns[i].Type, c.Old[i], c.New[i]) != 0
}

// Fixed returns a column that INSERT sets and that is none of names; "": there is
// none.
func (c *RecordChange) Fixed(names ...string) string {
next:
	for i := range c.Table.Columns {
		col := &c.Table.Columns[i]
		for _, n := range names {
			if strings.EqualFold(n, col.Name) {
				continue next
			}
		}
		given := !c.New[i].IsNull() && (col.Default == "" || c.Text(col.Name) != strings.Trim(col.Default, "'"))
		if given {
			return col.Name
		}
	}
	return ""
}

// segmentsOf makes the rows of system.segments: one for each table whose rows may be packed.
// What all users have in a table together is not for one of them to see.
func segmentsOf(ctx context.Context, tx *store.Tx, see *Viewer) func(*sqlmeta.Table) ([]types.Value, error) {
	return func(r *sqlmeta.Table) ([]types.Value, error) {
		if r.Kind != schema.Shared && (r.Kind != schema.User || see != nil) {
			return nil, nil
		}
		if seen, err := see.seesTable(r); !seen {
			return nil, err
		}
		t, err := sqlmeta.CurrentSchema(ctx, tx, r)
		if err != nil {
			return nil, err
		}
		s, err := tx.AllUsers(t).Segments(ctx)
		ratio := types.Value{}
		if s.Rows > 0 {
			ratio = types.NewFloat(float64(s.Shadowed) / float64(s.Rows))
		}
		return []types.Value{number(uint64(r.ID)), text(r.Namespace), text(r.Name), number(uint64(s.Segments)), number(uint64(s.Rows)),
			number(uint64(s.Bytes)), number(uint64(s.Unpacked)), number(uint64(s.Shadowed)), ratio}, err
	}
}
