package service

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
)

// checkView refuses queries that no view can have.
func checkView(sel sqlparser.TableStatement) error {
	return sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch n.(type) {
		case *sqlparser.Variable, *sqlparser.Argument, *sqlparser.AssignmentExpr:
			return false, sqlerr.ViewHasVariable.New("View's SELECT contains a variable or parameter")
		case *sqlparser.SelectInto:
			return false, sqlerr.ViewHasInto.New("View's SELECT contains a 'INTO' clause")
		}
		return true, nil
	}, sel)
}

// setView runs CREATE VIEW and, where alter is set, ALTER VIEW.
func (c *Catalog) setView(ctx context.Context, s Scope, n *sqlparser.CreateView, alter bool) error {
	at, err := s.name(n.ViewName)
	if err != nil {
		return err
	}
	if err := checkName(at.table, sqlerr.WrongTableName, "table"); err != nil {
		return err
	}
	return c.change(ctx, s, noTables, func(tx *store.Tx) ([]*schema.Table, error) {
		if _, err := sqlmeta.NamespaceByName(ctx, tx, at.namespace); err != nil {
			return nil, err
		}
		r, err := sqlmeta.TableByName(ctx, tx, at.namespace, at.table)
		e := sqlerr.As(err)
		exists := err == nil
		switch {
		case e != nil && e.Kind == sqlerr.NoSuchTable && !alter:
		case err != nil:
			return nil, err
		case !alter && !n.IsReplace:
			return nil, sqlerr.TableExists.New("Table '%s' already exists", at.table).On(at.namespace + "." + at.table)
		case r.Kind != schema.Viewed:
			return nil, wrongObject(at, "VIEW")
		}
		v := &schema.Table{Namespace: at.namespace, Name: at.table, Kind: schema.Viewed, Version: 1}
		if exists {
			v.ID = r.ID
		} else if v.ID, err = sqlmeta.NextTableID(ctx, tx); err != nil {
			return nil, err
		}
		if err := s.defineView(ctx, v, n); err != nil {
			return nil, err
		}
		if exists {
			return []*schema.Table{v}, newVersion(ctx, tx, s, r, v)
		}
		err = sqlmeta.Tables.Insert(ctx, tx, &sqlmeta.Table{
			ID: v.ID, Namespace: v.Namespace, Name: v.Name, Kind: v.Kind, SchemaVersion: v.Version, Created: s.Now, Updated: s.Now,
		})
		if err != nil {
			return nil, err
		}
		return []*schema.Table{v}, putSchema(ctx, tx, s, v)
	})
}

// DefinerOf returns the user that DEFINER names in a statement of a user's.
func DefinerOf(d *sqlparser.Definer, user string) string {
	if d == nil {
		return user
	}
	switch name := strings.Trim(d.Name, "`'\""); strings.ToLower(name) {
	case "current_user", "current_user()":
		return user
	default:
		return name
	}
}

// defineView fills in what the statement says of view v.
func (s Scope) defineView(ctx context.Context, v *schema.Table, n *sqlparser.CreateView) error {
	d, err := plan.DefineView(ctx, n.Select, s.Query)
	if err != nil {
		return err
	}
	v.View = &schema.View{
		Select: d.Select, Check: schema.CheckOption(strings.ToUpper(n.CheckOption)),
		Algorithm: strings.ToUpper(n.Algorithm), Security: strings.ToUpper(n.Security),
	}
	if n.Definer != nil {
		v.View.Definer = strings.Trim(n.Definer.Name, "`'\"")
		if host := strings.Trim(n.Definer.Address, "`'\""); host != "" {
			v.View.Definer += "@" + host
		}
	}
	if v.View.Security == "DEFINER" {
		id := DefinerOf(n.Definer, s.User)
		if v.View.DefinerID = &id; n.Definer == nil {
			v.View.Definer = id + "@localhost"
		}
	}
	for _, t := range d.Tables {
		if t.ID == v.ID {
			return sqlerr.ViewRecursive.New("'%s' contains view recursion", v.QualifiedName()).On(v.QualifiedName())
		}
		if (t.Kind == schema.User || t.Kind == schema.Stream) && v.View.Security == "DEFINER" {
			return sqlerr.Unsupported("SQL SECURITY DEFINER of a view of %s, whose rows each user has for himself", t.QualifiedName())
		}
	}
	v.Columns, v.NextColumnID, v.NextIndexID = d.Columns, uint32(len(d.Columns)+1), 1
	if len(n.Columns) > 0 && len(n.Columns) != len(v.Columns) {
		return sqlerr.ViewColumnCount.New("In definition of view, derived table or common table expression, SELECT list and column names list have different column counts")
	}
	for i := range v.Columns {
		col := &v.Columns[i]
		col.ID, col.Default, col.OnUpdate, col.Comment = uint32(i+1), "", "", ""
		if len(n.Columns) > 0 {
			col.Name = n.Columns[i].String()
			if err := checkName(col.Name, sqlerr.WrongColumnName, "column"); err != nil {
				return err
			}
		} else if utf8.RuneCountInString(col.Name) > maxNameLength || strings.HasSuffix(col.Name, " ") || col.Name == "" {
			col.Name = fmt.Sprintf("Name_exp_%d", i+1) // of an expression
		}
		if slices.ContainsFunc(v.Columns[:i], func(o schema.Column) bool { return strings.EqualFold(o.Name, col.Name) }) {
			return sqlerr.DupFieldName.New("Duplicate column name '%s'", col.Name).In(col.Name)
		}
	}
	if v.View.Check != schema.NoCheck && !plan.Updatable(ctx, v, s.Query) {
		return sqlerr.NoCheckOption.New("CHECK OPTION on non-updatable view '%s'", v.QualifiedName()).On(v.QualifiedName())
	}
	if v.View.Algorithm == "MERGE" && !plan.Mergeable(v) {
		v.View.Algorithm = "UNDEFINED"
		s.Warn(sqlerr.ViewCannotMerge.New("View merge algorithm can't be used here for now (assumed undefined algorithm)"))
	}
	return nil
}

func wrongObject(n name, kind string) error {
	q := n.namespace + "." + n.table
	return sqlerr.WrongObject.New("'%s' is not %s", q, kind).On(q)
}

// base returns a table that is no view.
func (c *Catalog) base(ctx context.Context, n name) (*schema.Table, error) {
	t, err := c.Table(ctx, n.namespace, n.table)
	if err == nil && t.Kind == schema.Viewed {
		return nil, wrongObject(n, "BASE TABLE")
	}
	return t, err
}

func (c *Catalog) dropViews(ctx context.Context, s Scope, n *sqlparser.DropView) error {
	var at []name
	for _, t := range n.FromTables {
		one, err := s.name(t)
		if err != nil {
			return err
		}
		at = append(at, one)
	}
	var missing []string
	err := c.change(ctx, s, noTables, func(tx *store.Tx) ([]*schema.Table, error) {
		var dropped []*schema.Table
		for _, n := range at {
			r, err := sqlmeta.TableByName(ctx, tx, n.namespace, n.table)
			if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.NoSuchTable {
				missing = append(missing, n.namespace+"."+n.table)
				continue
			}
			if err != nil {
				return nil, err
			}
			if r.Kind != schema.Viewed {
				return nil, wrongObject(n, "VIEW")
			}
			v, err := c.drop(ctx, s, tx, r, func(*sqlmeta.Table) bool { return false })
			if err != nil {
				return nil, err
			}
			dropped = append(dropped, v)
		}
		if missing != nil && !n.IfExists {
			return nil, unknownTables(missing)
		}
		return dropped, nil
	})
	if err == nil {
		for _, m := range missing {
			s.Warn(unknownTables([]string{m}))
		}
	}
	return err
}
