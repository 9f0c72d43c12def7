package service

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/txn"
	"github.com/kalamgo/kalam/engine/types"
)

// Scope is what a statement that changes the catalogue runs in.
type Scope struct {
	Namespace  string // of names without one
	Durability store.Durability
	Now        time.Time
	User       string         // who runs it
	Role       rights.Role    // of User
	Zone       *time.Location // the session's, in which CHECKs see TIMESTAMPs
	// NoForeignKeys tells that foreign_key_checks is off.
	NoForeignKeys bool
	LockWait      time.Duration   // for tables' writers to end; 0: a default
	Locks         *txn.Tx         // that has the tables which the session has locked, or nil
	ZeroDates     types.ZeroDates // that DEFAULT may be
	// Warn takes notes, such as that a table was there already.
	Warn func(error)
	// Query is what the query of a view is planned in.
	Query plan.Options
	// restores tells that what is dropped is replaced: live queries end.
	restores bool
}

// name returns the namespace and name that a statement means. Nothing can be
// changed in the system namespace.
func (s Scope) name(t sqlparser.TableName) (name, error) {
	n := name{t.Qualifier.String(), t.Name.String()}
	if n.namespace == "" {
		n.namespace = s.Namespace
	}
	switch {
	case n.namespace == "":
		return n, sqlerr.NoDatabase.New("No database selected")
	case tables.IsSystem(n.namespace):
		return n, sqlerr.CommandDenied.New("Access denied to database '%s'", n.namespace)
	}
	return n, nil
}

// Run runs a statement that changes the catalogue, one that Check knows.
func (c *Catalog) Run(ctx context.Context, s Scope, ast sqlparser.Statement) error {
	switch n := ast.(type) {
	case *sqlparser.CreateDatabase:
		return c.createNamespace(ctx, s, n, nil)
	case *parse.CreateNamespace:
		return c.createNamespace(ctx, s, n.CreateDatabase, n.Options)
	case *parse.AlterNamespace:
		return c.alterNamespace(ctx, s, n)
	case *sqlparser.AlterDatabase:
		return c.alterDatabase(ctx, s, n)
	case *sqlparser.DropDatabase: // as in MySQL, with all that is in it
		return c.dropNamespace(ctx, s, n, true)
	case *parse.DropNamespace:
		return c.dropNamespace(ctx, s, n.DropDatabase, n.Cascade)
	case *sqlparser.CreateTable:
		return c.createTable(ctx, s, &parse.CreateTable{CreateTable: n})
	case *parse.CreateTable:
		return c.createTable(ctx, s, n)
	case *sqlparser.DropTable:
		return c.dropTables(ctx, s, n, "")
	case *parse.DropTable:
		return c.dropTables(ctx, s, n.DropTable, n.Kind)
	case *sqlparser.TruncateTable:
		return c.truncate(ctx, s, n)
	case *sqlparser.AlterTable:
		return c.alterTable(ctx, s, n, "")
	case *parse.AlterTable:
		return c.alterTable(ctx, s, n.AlterTable, n.Kind)
	case *parse.SetOptions:
		return c.setOptions(ctx, s, n)
	case *parse.CreateTrigger:
		return c.createTrigger(ctx, s, n)
	case *parse.DropTrigger:
		return c.dropTrigger(ctx, s, n)
	case *sqlparser.RenameTable:
		return c.renameTables(ctx, s, n)
	case *sqlparser.CreateView:
		return c.setView(ctx, s, n, false)
	case *sqlparser.AlterView:
		return c.setView(ctx, s, &sqlparser.CreateView{ViewName: n.ViewName, Algorithm: n.Algorithm, Definer: n.Definer,
			Security: n.Security, Columns: n.Columns, Select: n.Select, CheckOption: n.CheckOption}, true)
	case *sqlparser.DropView:
		return c.dropViews(ctx, s, n)
	}
	return sqlerr.Internal.New("no way to run a %T", ast)
}

// Check finds out, without looking at the catalogue, whether a statement that
// changes it is supported and makes sense. It reports whether ast is such a
// statement.
func Check(ast sqlparser.Statement) (known bool, err error) {
	switch n := ast.(type) {
	case *parse.CreateTrigger:
		err = checkTrigger(n)
	case *sqlparser.DropDatabase, *parse.DropNamespace, *parse.AlterNamespace, *parse.CreateNamespace, *parse.SetOptions, *parse.DropTrigger, *sqlparser.TruncateTable, *sqlparser.RenameTable, *sqlparser.DropView:
	case *sqlparser.CreateView:
		err = checkView(n.Select)
	case *sqlparser.AlterView:
		err = checkView(n.Select)
	case *sqlparser.CreateDatabase:
		err = checkDatabaseOptions(n.CreateOptions)
	case *sqlparser.AlterDatabase:
		if err = checkDatabaseOptions(n.AlterOptions); n.UpdateDataDirectory {
			err = sqlerr.Unsupported("UPGRADE DATA DIRECTORY NAME")
		}
	case *sqlparser.DropTable:
	case *parse.DropTable:
		return Check(n.DropTable)
	case *sqlparser.AlterTable:
		err = checkAlter(n)
	case *parse.AlterTable:
		err = checkAlter(n.AlterTable)
	case *parse.CreateTable:
		err = checkCreate(n)
	case *sqlparser.CreateTable:
		err = checkDefinition(n, schema.Shared, nil)
	default:
		return false, nil
	}
	return true, err
}

// checkDefinition finds out whether a CREATE TABLE makes sense. Of one with a query
// that is to be seen once its columns are known.
func checkDefinition(n *sqlparser.CreateTable, kind schema.TableKind, options []parse.Option) error {
	if err := checkProvisional(n, kind, len(options) > 0); err != nil {
		return err
	}
	switch {
	case n.OptLike != nil || n.Select != nil:
		return nil
	case n.TableSpec == nil:
		return sqlerr.TableMustHaveCols.New("A table must have at least 1 column")
	}
	_, err := define(blueprint{
		name: name{"", n.Table.Name.String()}, spec: n.TableSpec, collation: types.DefaultCollation,
		kind: kind, options: options, zeroDates: types.AnyZeroDate,
	})
	return err
}

func (c *Catalog) createTable(ctx context.Context, s Scope, n *parse.CreateTable) error {
	at, err := s.name(n.Table)
	if err != nil {
		return err
	}
	var t *schema.Table
	if n.OptLike == nil {
		if t, err = c.defined(ctx, s, at, n, nil); err != nil {
			return err
		}
	}
	stake := func() ([]*schema.Table, error) { return c.created(ctx, at, n.TableSpec) }
	return c.change(ctx, s, stake, func(tx *store.Tx) ([]*schema.Table, error) {
		if there, err := exists(ctx, s, tx, at, n); there || err != nil {
			return nil, err
		}
		if n.OptLike != nil {
			if t, err = c.copied(ctx, s, at, n); err != nil {
				return nil, err
			}
		}
		if t.ID, err = sqlmeta.NextTableID(ctx, tx); err != nil {
			return nil, err
		}
		return []*schema.Table{t}, c.record(ctx, s, tx, t)
	})
}

// exists reports whether a table or view of a name is there, which is an error unless
// that is a reason to do nothing: it is of the kind that the statement says.
func exists(ctx context.Context, s Scope, tx *store.Tx, at name, n *parse.CreateTable) (bool, error) {
	if _, err := sqlmeta.NamespaceByName(ctx, tx, at.namespace); err != nil {
		return false, err
	}
	r, err := sqlmeta.TableByName(ctx, tx, at.namespace, at.table)
	if err != nil {
		return false, nil
	}
	err = errTableExists(at)
	if !n.IfNotExists {
		return true, err
	}
	if saysKind(n.Kind, n.Options) {
		kind, err := kindOf(n.Kind, n.Options)
		if err == nil {
			err = isKind(at, r.Kind, string(kind))
		}
		if err != nil {
			return true, err
		}
	}
	s.Warn(err)
	return true, nil
}

func errTableExists(at name) error {
	return sqlerr.TableExists.New("Table '%s' already exists", at.table).On(at.namespace + "." + at.table)
}

// defined returns the table that a CREATE TABLE defines, with the columns of its query.
func (c *Catalog) defined(ctx context.Context, s Scope, at name, n *parse.CreateTable, selected []schema.Column) (*schema.Table, error) {
	kind, err := kindOf(n.Kind, n.Options)
	if err != nil {
		return nil, err
	}
	collation, err := c.Collation(ctx, at.namespace)
	if err != nil {
		return nil, err
	}
	spec := n.TableSpec
	if spec == nil {
		spec = &sqlparser.TableSpec{}
	}
	return define(blueprint{
		name: at, spec: spec, selected: selected, collation: collation, kind: kind, options: n.Options, zeroDates: s.ZeroDates,
	})
}

// copied returns the table that a CREATE TABLE ... LIKE defines.
func (c *Catalog) copied(ctx context.Context, s Scope, at name, n *parse.CreateTable) (*schema.Table, error) {
	like, err := s.source(n.OptLike.LikeTable)
	if err != nil {
		return nil, err
	}
	old, err := c.base(ctx, like)
	if err != nil {
		return nil, err
	}
	if err := checkName(at.table, sqlerr.WrongTableName, "table"); err != nil {
		return nil, err
	}
	t := copyOf(old)
	t.Namespace, t.Name, t.Version, t.AutoIncrementStart, t.Storage = at.namespace, at.table, 1, 0, 0
	t.ForeignKeys, t.Triggers = nil, nil // not copied, as in MySQL
	if err := isKind(like, t.Kind, n.Kind); err != nil {
		return nil, err
	}
	for i := range t.Checks {
		t.Checks[i].Name = fmt.Sprintf("%s_chk_%d", t.Name, i+1)
	}
	if t.Kind == schema.System {
		return nil, sqlerr.Unsupported("CREATE TABLE ... LIKE a system table")
	}
	return t, nil
}

// record puts a new table, which has its id, into the catalogue.
func (c *Catalog) record(ctx context.Context, s Scope, tx *store.Tx, t *schema.Table) error {
	if err := checkStorage(ctx, tx, t); err != nil {
		return err
	}
	r := &sqlmeta.Table{ID: t.ID, Namespace: t.Namespace, Name: t.Name, SchemaVersion: t.Version, Created: s.Now, Updated: s.Now}
	recorded(r, t)
	if err := sqlmeta.Tables.Insert(ctx, tx, r); err != nil {
		return err
	}
	if err := index(ctx, tx, nil, t); err != nil {
		return err
	}
	if err := (family{tx, s, t}).checkDefinitions(ctx, nil); err != nil {
		return err
	}
	c.kept = append(c.kept, t)
	return putSchema(ctx, tx, s, t)
}

// source returns the namespace and name of a table that is only read.
func (s Scope) source(t sqlparser.TableName) (name, error) {
	n := name{t.Qualifier.String(), t.Name.String()}
	if n.namespace == "" {
		n.namespace = s.Namespace
	}
	if n.namespace == "" {
		return n, sqlerr.NoDatabase.New("No database selected")
	}
	return n, nil
}

func copyOf(t *schema.Table) *schema.Table {
	c := *t
	c.Columns = append([]schema.Column(nil), t.Columns...)
	c.PrimaryKey = append([]int(nil), t.PrimaryKey...)
	c.Indexes = append([]schema.Index(nil), t.Indexes...)
	c.Checks = append([]schema.Check(nil), t.Checks...)
	c.ForeignKeys = append([]schema.ForeignKey(nil), t.ForeignKeys...)
	return &c
}

// putSchema adds the record of a definition.
func putSchema(ctx context.Context, tx *store.Tx, s Scope, t *schema.Table) error {
	return sqlmeta.TableSchemas.Insert(ctx, tx, &sqlmeta.TableSchema{TableID: t.ID, Version: t.Version, Schema: t, Created: s.Now})
}

// dropTables drops tables, which must be of a kind unless that is "".
func (c *Catalog) dropTables(ctx context.Context, s Scope, n *sqlparser.DropTable, kind string) error {
	var at []name
	for _, t := range n.FromTables {
		one, err := s.name(t)
		if err != nil {
			return err
		}
		for _, other := range at {
			if other == one {
				return sqlerr.NonUniqTable.New("Not unique table/alias: '%s'", one.table)
			}
		}
		at = append(at, one)
	}
	stake := func() ([]*schema.Table, error) {
		var list []*schema.Table
		var missing []string
		for _, n := range at {
			t, err := c.base(ctx, n)
			if e := sqlerr.As(err); e != nil && (e.Kind == sqlerr.NoSuchTable || e.Kind == sqlerr.BadDatabase || e.Kind == sqlerr.WrongObject) {
				missing = append(missing, n.namespace+"."+n.table)
				continue
			}
			if err != nil {
				return nil, err
			}
			list = append(list, t)
		}
		if missing != nil && !n.IfExists {
			return nil, unknownTables(missing)
		}
		return list, nil
	}
	var missing []string
	goes := func(r *sqlmeta.Table) bool { return slices.Contains(at, name{r.Namespace, r.Name}) }
	err := c.change(ctx, s, stake, func(tx *store.Tx) ([]*schema.Table, error) {
		var dropped []*schema.Table
		for _, n := range at {
			r, err := sqlmeta.TableByName(ctx, tx, n.namespace, n.table)
			if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.NoSuchTable || err == nil && r.Kind == schema.Viewed {
				missing = append(missing, n.namespace+"."+n.table)
				continue
			}
			if err == nil {
				err = isKind(n, r.Kind, kind)
			}
			if err != nil {
				return nil, err
			}
			t, err := c.drop(ctx, s, tx, r, goes)
			if err != nil {
				return nil, err
			}
			dropped = append(dropped, t)
		}
		return dropped, nil
	})
	for _, m := range missing {
		s.Warn(unknownTables([]string{m}))
	}
	return err
}

func unknownTables(names []string) error {
	return sqlerr.UnknownTable.New("Unknown table '%s'", strings.Join(names, ",")).On(names[0])
}

// one returns a stake of one table.
func (c *Catalog) one(ctx context.Context, n name) func() ([]*schema.Table, error) {
	return func() ([]*schema.Table, error) {
		t, err := c.base(ctx, n)
		return []*schema.Table{t}, err
	}
}

func (c *Catalog) truncate(ctx context.Context, s Scope, n *sqlparser.TruncateTable) error {
	at, err := s.name(n.Table)
	if err != nil {
		return err
	}
	return c.change(ctx, s, c.one(ctx, at), func(tx *store.Tx) ([]*schema.Table, error) {
		t, err := c.Table(ctx, at.namespace, at.table)
		if err != nil {
			return nil, err
		}
		if !s.NoForeignKeys {
			if err := unreferenced(ctx, tx, t, func(*sqlmeta.Table) bool { return false }, errTruncateReferenced); err != nil {
				return nil, err
			}
		}
		if t.Kind != schema.Shared { // others keep their rows
			return nil, tx.Rows(t, s.User).DeleteAll(ctx)
		}
		if err := sqlmeta.PutStatistics(ctx, tx, t.ID, nil); err != nil {
			return nil, err
		}
		return []*schema.Table{t}, store.TruncateTable(ctx, tx, t)
	})
}

func (c *Catalog) renameTables(ctx context.Context, s Scope, n *sqlparser.RenameTable) error {
	var from, to []name
	for _, p := range n.TablePairs {
		a, err := s.name(p.FromTable)
		if err != nil {
			return err
		}
		b, err := s.name(p.ToTable)
		if err != nil {
			return err
		}
		if err := checkName(b.table, sqlerr.WrongTableName, "table"); err != nil {
			return err
		}
		from, to = append(from, a), append(to, b)
	}
	stake := func() ([]*schema.Table, error) {
		var list []*schema.Table
		for i, n := range from {
			// A later pair may name what an earlier one made.
			renamed := false
			for _, m := range to[:i] {
				renamed = renamed || m == n
			}
			if renamed {
				continue
			}
			t, err := c.Table(ctx, n.namespace, n.table)
			if err != nil {
				return nil, err
			}
			list = append(list, t)
		}
		return list, nil
	}
	return c.change(ctx, s, stake, func(tx *store.Tx) ([]*schema.Table, error) {
		var touched []*schema.Table
		for i := range from {
			if _, err := sqlmeta.NamespaceByName(ctx, tx, to[i].namespace); err != nil {
				return nil, err
			}
			r, err := sqlmeta.TableByName(ctx, tx, from[i].namespace, from[i].table)
			if err != nil {
				return nil, err
			}
			old, err := sqlmeta.CurrentSchema(ctx, tx, r)
			if err != nil {
				return nil, err
			}
			t := copyOf(old)
			t.Namespace, t.Name = to[i].namespace, to[i].table
			r.Namespace, r.Name = t.Namespace, t.Name
			f := family{tx, s, t}
			followed, err := f.follow(ctx, old)
			if err != nil {
				return nil, err
			}
			if err := newVersion(ctx, tx, s, r, t); err != nil {
				return nil, err
			}
			if err := f.checkDefinitions(ctx, old); err != nil {
				return nil, err
			}
			touched = append(append(touched, followed...), old, t)
		}
		return touched, nil
	})
}

// newVersion makes t, a changed copy, the current definition of r's table.
func newVersion(ctx context.Context, tx *store.Tx, s Scope, r *sqlmeta.Table, t *schema.Table) error {
	old, err := sqlmeta.CurrentSchema(ctx, tx, r)
	if err != nil {
		return err
	}
	if len(t.Triggers) > 0 && t.Namespace != old.Namespace {
		return sqlerr.TriggerWrongSchema.New("Trigger in wrong schema").On(old.QualifiedName())
	}
	renameGenerated(t, old.Name)
	if err := index(ctx, tx, old, t); err != nil {
		return err
	}
	t.Version = r.SchemaVersion + 1
	r.SchemaVersion, r.Updated = t.Version, s.Now
	recorded(r, t)
	if err := sqlmeta.Tables.Update(ctx, tx, r); err != nil {
		return err
	}
	return putSchema(ctx, tx, s, t)
}
