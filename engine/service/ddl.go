package service

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// DefaultNamespace is the namespace of sessions that name none. It is always there.
const DefaultNamespace = "default"

// Scope is what a statement that changes the catalogue runs in.
type Scope struct {
	Namespace  string // of names without one
	Durability store.Durability
	Now        time.Time
	User       string         // who runs it
	Zone       *time.Location // the session's, in which CHECKs see TIMESTAMPs
	// NoForeignKeys tells that foreign_key_checks is off.
	NoForeignKeys bool
	LockWait      time.Duration // for tables' writers to end; 0: a default
	// Warn takes notes, such as that a table was there already.
	Warn func(error)
	// Query is what the query of a view is planned in.
	Query plan.Options
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
		return c.createNamespace(ctx, s, n)
	case *sqlparser.DropDatabase:
		return c.dropNamespace(ctx, s, n)
	case *sqlparser.CreateTable:
		return c.createTable(ctx, s, n)
	case *sqlparser.DropTable:
		return c.dropTables(ctx, s, n)
	case *sqlparser.TruncateTable:
		return c.truncate(ctx, s, n)
	case *sqlparser.AlterTable:
		return c.alterTable(ctx, s, n)
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
	case *sqlparser.DropDatabase, *parse.DropTrigger, *sqlparser.TruncateTable, *sqlparser.RenameTable, *sqlparser.DropView:
	case *sqlparser.CreateView:
		err = checkView(n.Select)
	case *sqlparser.AlterView:
		err = checkView(n.Select)
	case *sqlparser.CreateDatabase:
		err = checkDatabaseOptions(n.CreateOptions)
	case *sqlparser.DropTable:
		if n.Temp {
			err = sqlerr.Unsupported("DROP TEMPORARY TABLE")
		}
	case *sqlparser.AlterTable:
		err = checkAlter(n)
	case *sqlparser.CreateTable:
		switch {
		case n.Temp:
			err = sqlerr.Unsupported("CREATE TEMPORARY TABLE")
		case n.Select != nil || n.IgnoreOrReplace != sqlparser.NoIgnoreOrReplace:
			err = sqlerr.Unsupported("CREATE TABLE ... SELECT")
		case n.OptLike == nil && n.TableSpec != nil:
			_, err = define("", n.Table.Name.String(), n.TableSpec, types.DefaultCollation)
		case n.OptLike == nil:
			err = sqlerr.TableMustHaveCols.New("A table must have at least 1 column")
		}
	default:
		return false, nil
	}
	return true, err
}

func checkDatabaseOptions(list []sqlparser.DatabaseOption) error {
	_, err := databaseCollation(list)
	return err
}

// databaseCollation returns the collation that a database's options ask for.
func databaseCollation(list []sqlparser.DatabaseOption) (collations.ID, error) {
	id := collations.ID(types.DefaultCollation)
	for _, o := range list {
		var err error
		switch o.Type {
		case sqlparser.CharacterSetType:
			_, err = charsetCollation(o.Value)
		case sqlparser.CollateType:
			id, err = tableCollation(o.Value)
		default:
			err = sqlerr.Unsupported("database option %s", o.Type.ToString())
		}
		if err != nil {
			return id, err
		}
	}
	return id, nil
}

// collationOption is the option of a namespace that names the collation of its
// tables which name none.
const collationOption = "collation"

// Collation returns the collation of a namespace's tables which name none.
func (c *Catalog) Collation(ctx context.Context, namespace string) (id collations.ID, err error) {
	err = c.read(func(tx *store.Tx) error {
		n, err := sqlmeta.NamespaceByName(ctx, tx, namespace)
		if err != nil || n.Options[collationOption] == "" {
			return err
		}
		id, err = types.LookupCollation(n.Options[collationOption])
		return err
	})
	if id == 0 {
		id = types.DefaultCollation
	}
	return id, err
}

// CreateNamespace makes a namespace unless it is there.
func (c *Catalog) CreateNamespace(ctx context.Context, s Scope, namespace string) error {
	return c.createNamespace(ctx, s, &sqlparser.CreateDatabase{DBName: sqlparser.NewIdentifierCS(namespace), IfNotExists: true})
}

func (c *Catalog) createNamespace(ctx context.Context, s Scope, n *sqlparser.CreateDatabase) error {
	namespace := n.DBName.String()
	if err := checkName(namespace, sqlerr.WrongDatabaseName, "database"); err != nil {
		return err
	}
	exists := sqlerr.CantCreateDatabase.New("Can't create database '%s'; database exists", namespace)
	switch strings.ToLower(namespace) {
	case tables.SystemNamespace, tables.InformationSchema, "mysql", "performance_schema":
		return sqlerr.CommandDenied.New("Access denied to database '%s'", namespace)
	}
	return c.change(ctx, s, noTables, func(tx *store.Tx) ([]*schema.Table, error) {
		if _, err := sqlmeta.NamespaceByName(ctx, tx, namespace); err == nil {
			if n.IfNotExists {
				s.Warn(exists)
				return nil, nil
			}
			return nil, exists
		}
		id, err := sqlmeta.NextNamespaceID(ctx, tx)
		if err != nil {
			return nil, err
		}
		r := &sqlmeta.Namespace{ID: id, Name: namespace, Created: s.Now, Updated: s.Now}
		collation, err := databaseCollation(n.CreateOptions)
		if err != nil {
			return nil, err
		}
		if collation != types.DefaultCollation {
			r.Options = map[string]string{collationOption: types.CollationName(collation)}
		}
		return nil, sqlmeta.Namespaces.Insert(ctx, tx, r)
	})
}

func (c *Catalog) dropNamespace(ctx context.Context, s Scope, n *sqlparser.DropDatabase) error {
	namespace := n.DBName.String()
	switch {
	case tables.IsSystem(namespace), namespace == DefaultNamespace: // sessions begin in the default one
		return sqlerr.CommandDenied.New("Access denied to database '%s'; it cannot be dropped", namespace)
	}
	stake := func() ([]*schema.Table, error) {
		names, err := c.TableNames(ctx, namespace)
		if err != nil {
			return nil, err
		}
		var list []*schema.Table
		for _, n := range names {
			t, err := c.Table(ctx, namespace, n)
			if err != nil {
				return nil, err
			}
			list = append(list, t)
		}
		return list, nil
	}
	err := c.change(ctx, s, stake, func(tx *store.Tx) ([]*schema.Table, error) {
		ns, err := sqlmeta.NamespaceByName(ctx, tx, namespace)
		if err != nil {
			return nil, err
		}
		records, err := tablesIn(ctx, tx, namespace)
		if err != nil {
			return nil, err
		}
		var dropped []*schema.Table
		within := func(r *sqlmeta.Table) bool { return r.Namespace == namespace }
		for _, r := range records {
			t, err := s.drop(ctx, tx, r, within)
			if err != nil {
				return nil, err
			}
			dropped = append(dropped, t)
		}
		return dropped, sqlmeta.Namespaces.Delete(ctx, tx, ns.ID)
	})
	if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.BadDatabase {
		gone := sqlerr.CantDropDatabase.New("Can't drop database '%s'; database doesn't exist", namespace)
		if n.IfExists {
			s.Warn(gone)
			return nil
		}
		return gone
	}
	return err
}

// drop removes a table with its records. Tables may reference it that go, too.
func (s Scope) drop(ctx context.Context, tx *store.Tx, r *sqlmeta.Table, goes func(*sqlmeta.Table) bool) (*schema.Table, error) {
	t, err := sqlmeta.CurrentSchema(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	if !s.NoForeignKeys {
		if err := unreferenced(ctx, tx, t, goes, errDropReferenced(t)); err != nil {
			return nil, err
		}
	}
	for v := uint32(1); v <= r.SchemaVersion; v++ {
		err := sqlmeta.TableSchemas.Delete(ctx, tx, sqlmeta.SchemaKey{TableID: r.ID, Version: v})
		if e := sqlerr.As(err); err != nil && (e == nil || e.Kind != sqlerr.NoSuchRecord) {
			return nil, err
		}
	}
	if err := index(ctx, tx, t, nil); err != nil {
		return nil, err
	}
	if err := sqlmeta.Tables.Delete(ctx, tx, r.ID); err != nil {
		return nil, err
	}
	if t.Kind == schema.Viewed {
		return t, nil
	}
	if err := sqlmeta.PutStatistics(ctx, tx, r.ID, nil); err != nil {
		return nil, err
	}
	return t, store.DropTable(ctx, tx, t)
}

func (c *Catalog) createTable(ctx context.Context, s Scope, n *sqlparser.CreateTable) error {
	at, err := s.name(n.Table)
	if err != nil {
		return err
	}
	var like name
	var t *schema.Table
	if n.OptLike != nil {
		if like, err = s.source(n.OptLike.LikeTable); err != nil {
			return err
		}
	} else {
		collation, err := c.Collation(ctx, at.namespace)
		if err != nil {
			return err
		}
		if t, err = define(at.namespace, at.table, n.TableSpec, collation); err != nil {
			return err
		}
	}
	stake := func() ([]*schema.Table, error) { return c.created(ctx, at, n.TableSpec) }
	return c.change(ctx, s, stake, func(tx *store.Tx) ([]*schema.Table, error) {
		if _, err := sqlmeta.NamespaceByName(ctx, tx, at.namespace); err != nil {
			return nil, err
		}
		if _, err := sqlmeta.TableByName(ctx, tx, at.namespace, at.table); err == nil {
			exists := sqlerr.TableExists.New("Table '%s' already exists", at.table).On(at.namespace + "." + at.table)
			if n.IfNotExists {
				s.Warn(exists)
				return nil, nil
			}
			return nil, exists
		}
		if n.OptLike != nil {
			old, err := c.base(ctx, like)
			if err != nil {
				return nil, err
			}
			if err := checkName(at.table, sqlerr.WrongTableName, "table"); err != nil {
				return nil, err
			}
			t = copyOf(old)
			t.Namespace, t.Name, t.Version, t.AutoIncrementStart, t.Storage = at.namespace, at.table, 1, 0, 0
			t.ForeignKeys, t.Triggers = nil, nil // not copied, as in MySQL
			for i := range t.Checks {
				t.Checks[i].Name = fmt.Sprintf("%s_chk_%d", t.Name, i+1)
			}
			if t.Kind == schema.System {
				return nil, sqlerr.Unsupported("CREATE TABLE ... LIKE a system table")
			}
		}
		if t.ID, err = sqlmeta.NextTableID(ctx, tx); err != nil {
			return nil, err
		}
		err := sqlmeta.Tables.Insert(ctx, tx, &sqlmeta.Table{
			ID: t.ID, Namespace: t.Namespace, Name: t.Name, Kind: t.Kind, SchemaVersion: t.Version,
			Comment: t.Comment, Created: s.Now, Updated: s.Now,
		})
		if err != nil {
			return nil, err
		}
		if err := index(ctx, tx, nil, t); err != nil {
			return nil, err
		}
		if err := (family{tx, s, t}).checkDefinitions(ctx, nil); err != nil {
			return nil, err
		}
		return []*schema.Table{t}, putSchema(ctx, tx, s, t)
	})
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

func (c *Catalog) dropTables(ctx context.Context, s Scope, n *sqlparser.DropTable) error {
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
			if err != nil {
				return nil, err
			}
			t, err := s.drop(ctx, tx, r, goes)
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
	r.SchemaVersion, r.Updated, r.Comment = t.Version, s.Now, t.Comment
	if err := sqlmeta.Tables.Update(ctx, tx, r); err != nil {
		return err
	}
	return putSchema(ctx, tx, s, t)
}
