package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// A namespace is what MySQL calls a database: CREATE DATABASE and CREATE
// NAMESPACE make the same.

// DefaultNamespace is the namespace of sessions that name none. It is always there.
const DefaultNamespace = "default"

func checkDatabaseOptions(list []sqlparser.DatabaseOption) error {
	_, err := databaseCollation(list)
	return err
}

// databaseCollation returns the collation that a database's options ask for.
func databaseCollation(list []sqlparser.DatabaseOption) (collations.ID, error) {
	id := collations.ID(types.DefaultCollation)
	named := false
	for _, o := range list {
		var err error
		switch o.Type {
		case sqlparser.CharacterSetType:
			var of collations.ID
			if of, err = charsetCollation(o.Value); !named {
				id = of
			}
		case sqlparser.CollateType:
			id, err = tableCollation(o.Value)
			named = true
		case sqlparser.EncryptionType:
			if !strings.EqualFold(strings.Trim(o.Value, "'\""), "n") {
				err = sqlerr.Unsupported("ENCRYPTION")
			}
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

// NamespaceOptions returns what CREATE NAMESPACE says of a namespace besides its collation,
// by option's name.
func (c *Catalog) NamespaceOptions(ctx context.Context, namespace string) (map[string]string, error) {
	options := map[string]string{}
	err := c.read(func(tx *store.Tx) error {
		n, err := sqlmeta.NamespaceByName(ctx, tx, namespace)
		if err != nil {
			return err
		}
		if n.Description != "" {
			options["DESCRIPTION"] = n.Description
		}
		for name, value := range n.Options {
			if name != collationOption {
				options[strings.ToUpper(name)] = value
			}
		}
		return nil
	})
	return options, err
}

// CreateNamespace makes a namespace unless it is there.
func (c *Catalog) CreateNamespace(ctx context.Context, s Scope, namespace string) error {
	return c.createNamespace(ctx, s, &sqlparser.CreateDatabase{DBName: sqlparser.NewIdentifierCS(namespace), IfNotExists: true}, nil)
}

func (c *Catalog) createNamespace(ctx context.Context, s Scope, n *sqlparser.CreateDatabase, list []parse.Option) error {
	namespace := n.DBName.String()
	if err := checkName(namespace, sqlerr.WrongDatabaseName, "database"); err != nil {
		return err
	}
	exists := sqlerr.CantCreateDatabase.New("Can't create database '%s'; database exists", namespace)
	switch strings.ToLower(namespace) {
	case tables.SystemNamespace, tables.InformationSchema, "mysql", "performance_schema":
		return sqlerr.CommandDenied.New("Access denied to database '%s': the name is reserved", namespace)
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
		if err := setNamespaceOptions(r, list); err != nil {
			return nil, err
		}
		return nil, sqlmeta.Namespaces.Insert(ctx, tx, r)
	})
}

// dropNamespace drops a namespace; one with tables only if cascade is set.
func (c *Catalog) dropNamespace(ctx context.Context, s Scope, n *sqlparser.DropDatabase, cascade bool) error {
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
		if len(records) > 0 && !cascade {
			return nil, notEmpty(namespace, records)
		}
		var dropped []*schema.Table
		within := func(r *sqlmeta.Table) bool { return r.Namespace == namespace }
		for _, r := range records {
			t, err := c.drop(ctx, s, tx, r, within)
			if err != nil {
				return nil, err
			}
			dropped = append(dropped, t)
		}
		on := func(g *sqlmeta.Grant) bool { return g.Namespace == namespace }
		if err := sqlmeta.RemoveGrants(ctx, tx, on); err != nil {
			return nil, err
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

// setNamespaceOptions takes options over in a namespace's record: DESCRIPTION,
// COLLATION, and others that mean nothing to Kalam. An empty text takes one away.
func setNamespaceOptions(r *sqlmeta.Namespace, list []parse.Option) error {
	for i := range list {
		o := &list[i]
		if slices.ContainsFunc(list[:i], func(b parse.Option) bool { return b.Name == o.Name }) {
			return o.Errorf("%s is given twice", o.Name)
		}
		if o.Type == parse.NoValue {
			return o.Errorf("%s has no value", o.Name)
		}
		key := strings.ToLower(o.Name)
		switch key {
		case "description":
			text, err := textOption(o)
			if err != nil {
				return err
			}
			r.Description = text
			continue
		case collationOption:
			if o.Value == "" {
				break
			}
			id, err := tableCollation(o.Value)
			if err != nil {
				return err
			}
			o.Value = types.CollationName(id)
		}
		if o.Value == "" || o.Type == parse.Word && o.Value == "NULL" {
			delete(r.Options, key)
			continue
		}
		if r.Options == nil {
			r.Options = map[string]string{}
		}
		r.Options[key] = o.Value
	}
	return nil
}

func (c *Catalog) alterNamespace(ctx context.Context, s Scope, n *parse.AlterNamespace) error {
	namespace := n.DBName.String()
	if tables.IsSystem(namespace) {
		return sqlerr.CommandDenied.New("Access denied to database '%s'", namespace)
	}
	return c.change(ctx, s, noTables, func(tx *store.Tx) ([]*schema.Table, error) {
		r, err := sqlmeta.NamespaceByName(ctx, tx, namespace)
		if err != nil {
			return nil, err
		}
		if err := setNamespaceOptions(r, n.Options); err != nil {
			return nil, err
		}
		r.Updated = s.Now
		return nil, sqlmeta.Namespaces.Update(ctx, tx, r)
	})
}

// alterDatabase runs ALTER DATABASE, which gives later tables another collation.
func (c *Catalog) alterDatabase(ctx context.Context, s Scope, n *sqlparser.AlterDatabase) error {
	collation, err := databaseCollation(n.AlterOptions)
	if err != nil {
		return err
	}
	named := *n
	if named.DBName.IsEmpty() {
		named.DBName = sqlparser.NewIdentifierCS(s.Namespace)
	}
	if named.DBName.IsEmpty() {
		return sqlerr.NoDatabase.New("No database selected")
	}
	var list []parse.Option
	if slices.ContainsFunc(n.AlterOptions, func(o sqlparser.DatabaseOption) bool { return o.Type != sqlparser.EncryptionType }) {
		list = []parse.Option{{Name: strings.ToUpper(collationOption), Value: types.CollationName(collation), Type: parse.Text}}
	}
	return c.alterNamespace(ctx, s, &parse.AlterNamespace{AlterDatabase: &named, Options: list})
}

// notEmpty is the error for a namespace with tables.
func notEmpty(namespace string, records []*sqlmeta.Table) error {
	const most = 10
	var names []string
	for _, r := range records[:min(len(records), most)] {
		names = append(names, r.Name)
	}
	list := strings.Join(names, ", ")
	if more := len(records) - most; more > 0 {
		list = fmt.Sprintf("%s and %d more", list, more)
	}
	return sqlerr.DatabaseNotEmpty.New("Can't drop namespace '%s'; it has %s: say CASCADE to drop them, too", namespace, list)
}
