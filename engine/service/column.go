package service

import (
	"fmt"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// column adds a column.
func (d *definition) column(def *sqlparser.ColumnDefinition) error {
	c, err := d.columnOf(def)
	if err != nil {
		return err
	}
	return d.add(c)
}

// add adds a column.
func (d *definition) add(c schema.Column) error {
	if d.Column(c.Name) >= 0 {
		return errDupColumn(c.Name)
	}
	c.ID = d.NextColumnID
	d.NextColumnID++
	d.Columns = append(d.Columns, c)
	if len(d.Columns) > maxColumns {
		return sqlerr.TooManyFields.New("Too many columns")
	}
	return nil
}

func errDupColumn(name string) error {
	return sqlerr.DupFieldName.New("Duplicate column name '%s'", name).In(name)
}

// columnOf returns the column that a definition describes, without id.
func (d *definition) columnOf(def *sqlparser.ColumnDefinition) (c schema.Column, err error) {
	name := def.Name.String()
	if err := checkColumnName(name); err != nil {
		return c, err
	}
	o := def.Type.Options
	if o == nil {
		o = &sqlparser.ColumnTypeOptions{}
	}
	switch {
	case o.EngineAttribute != nil || o.SecondaryEngineAttribute != nil:
		return c, sqlerr.Unsupported("ENGINE_ATTRIBUTE")
	case o.KeyOpt == sqlparser.ColKeySpatialKey || o.KeyOpt == sqlparser.ColKeyFulltextKey:
		return c, sqlerr.Unsupported("FULLTEXT and SPATIAL indexes")
	}
	t, err := columnType(def.Type, name, d.collation)
	if err != nil {
		return c, err
	}
	c = schema.Column{Name: name, Type: t, NotNull: o.Null != nil && !*o.Null}
	if o.Invisible != nil && *o.Invisible {
		c.Hidden, c.Invisible = true, true
	}
	if o.KeyOpt == sqlparser.ColKeyPrimary || o.KeyOpt == sqlparser.ColKey {
		if o.Null != nil && *o.Null {
			return c, errPrimaryNull()
		}
		c.NotNull = true
	}
	if o.Comment != nil {
		if err := checkComment(o.Comment.Val, maxComment, "field '"+name+"'"); err != nil {
			return c, err
		}
		c.Comment = o.Comment.Val
	}
	if o.Autoincrement {
		if !t.IsInteger() && !t.IsFloat() || o.As != nil {
			return c, sqlerr.WrongColumnSpec.New("Incorrect column specifier for column '%s'", name).In(name)
		}
		if o.Null == nil {
			c.NotNull = true
		}
		c.AutoIncrement = true
	}
	if o.As != nil {
		if o.Default != nil || o.OnUpdate != nil {
			return c, sqlerr.WrongUsage.New("Incorrect usage of %s and generated column", map[bool]string{true: "DEFAULT", false: "ON UPDATE"}[o.Default != nil])
		}
		c.Generated, c.Virtual = expressionText(o.As), o.Storage != sqlparser.StoredStorage
		return c, nil
	}
	return c, setDefault(&c, o, d.zeroDates)
}

func checkColumnName(name string) error {
	if err := checkName(name, sqlerr.WrongColumnName, "column"); err != nil {
		return err
	}
	if schema.Reserved(name) {
		return sqlerr.WrongColumnName.New("Incorrect column name '%s'; it is that of a system column", name).In(name)
	}
	return nil
}

func errPrimaryNull() error {
	return sqlerr.PrimaryCantHaveNull.New("All parts of a PRIMARY KEY must be NOT NULL; if you need NULL in a key, use UNIQUE instead")
}

// expressionText prints an expression with all names quoted.
func expressionText(e sqlparser.Expr) string {
	b := sqlparser.NewTrackedBuffer(nil)
	b.SetEscapeAllIdentifiers()
	b.Myprintf("%v", e)
	return b.String()
}

// lookup returns the ordinal of a column that statements may name, or -1.
func (d *definition) lookup(name string) int {
	c := d.Column(name)
	if c >= 0 && d.Columns[c].Hidden && !d.Columns[c].Invisible {
		return -1
	}
	return c
}

// namedIn returns the names of columns in the SQL text of an expression.
func namedIn(text string) (names []string) {
	e, err := parse.ParseExpr(text)
	if err != nil {
		return nil
	}
	sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		if c, ok := n.(*sqlparser.ColName); ok {
			names = append(names, c.Name.Lowered())
		}
		return true, nil
	}, e)
	return names
}

// checkComputed checks the expressions of generated columns and defaults, all
// columns being there.
func (d *definition) checkComputed() error {
	for i := range d.Columns {
		c := &d.Columns[i]
		var err error
		switch {
		case c.Generated != "":
			err = d.checkGenerated(i)
		case strings.HasPrefix(c.Default, "("):
			err = d.checkDefault(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkGenerated checks the expression of generated column i.
func (d *definition) checkGenerated(i int) error {
	c := &d.Columns[i]
	e, err := parse.ParseExpr(c.Generated)
	if err != nil {
		return err
	}
	err = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch n := n.(type) {
		case *sqlparser.Variable, *sqlparser.Argument:
			return false, sqlerr.GeneratedVariable.New("Expression of generated column '%s' cannot refer user or system variables.", c.Name).In(c.Name)
		case *sqlparser.Subquery, sqlparser.AggrFunc, sqlparser.WindowFunc, *sqlparser.Default, *sqlparser.ValuesFuncExpr:
			return false, sqlerr.GeneratedFunction.New("Expression of generated column '%s' contains a disallowed function.", c.Name).In(c.Name)
		case *sqlparser.ColName:
			at := d.lookup(n.Name.String())
			switch {
			case at < 0:
				return false, errUnknownIn(n, "generated column function")
			case d.Columns[at].AutoIncrement:
				return false, sqlerr.GeneratedAuto.New("Generated column '%s' cannot refer to auto-increment column.", c.Name).In(c.Name)
			case d.Columns[at].Generated != "" && at >= i:
				return false, sqlerr.GeneratedNotPrior.New("Generated column can refer only to generated columns defined prior to it.").In(c.Name)
			}
		}
		return true, nil
	}, e)
	if err != nil {
		return err
	}
	bound, err := plan.BindRow(d.Table, e)
	if err != nil {
		return err
	}
	if f := expr.Impure(bound); f != "" {
		return sqlerr.GeneratedImpure.New("Expression of generated column '%s' contains a disallowed function: %s.", c.Name, f).In(c.Name)
	}
	return nil
}

// checkDefault checks the columns in the DEFAULT expression of column i.
func (d *definition) checkDefault(i int) error {
	c := &d.Columns[i]
	e, err := parse.ParseExpr(c.Default)
	if err != nil {
		return err
	}
	err = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		name, ok := n.(*sqlparser.ColName)
		if !ok {
			return true, nil
		}
		at := d.lookup(name.Name.String())
		switch {
		case at < 0:
			return false, errUnknownIn(name, "default value expression")
		case d.Columns[at].AutoIncrement:
			return false, sqlerr.DefaultAuto.New("Default value expression of column '%s' cannot refer to an auto-increment column.", c.Name).In(c.Name)
		case d.Columns[at].Generated != "", at >= i && strings.HasPrefix(d.Columns[at].Default, "("):
			return false, sqlerr.DefaultNotPrior.New("Default value expression of column '%s' cannot refer to a column defined after it if that column is a generated column or has an expression as default value.", c.Name).In(c.Name)
		}
		return true, nil
	}, e)
	if err != nil {
		return err
	}
	_, err = plan.BindRow(d.Table, e)
	return err
}

func errUnknownIn(n *sqlparser.ColName, where string) error {
	return sqlerr.UnknownColumn.New("Unknown column '%s' in '%s'", n.Name.String(), where).In(n.Name.String())
}

// checkDependants refuses to drop or rename the named column where an
// expression of what stays refers to it.
func (d *definition) checkDependants(name string, gone func(column int) bool) error {
	low := strings.ToLower(name)
	for i := range d.Columns {
		c := &d.Columns[i]
		if gone(i) {
			continue
		}
		switch {
		case c.Generated != "" && slices.Contains(namedIn(c.Generated), low):
			if c.Hidden && !c.Invisible {
				return sqlerr.IndexDependency.New("Column '%s' has a functional index dependency and cannot be dropped or renamed.", name).In(name)
			}
			return sqlerr.GeneratedDependency.New("Column '%s' has a generated column dependency.", name).In(name)
		case strings.HasPrefix(c.Default, "(") && slices.Contains(namedIn(c.Default), low):
			return sqlerr.DefaultDependency.New("Column '%s' of table '%s' has a default value expression dependency and cannot be dropped or renamed.", name, d.Name).In(name)
		}
	}
	return nil
}

// hiddenPrefix begins the names of the columns that indexes on expressions are on.
const hiddenPrefix = "!hidden!"

// keyExpression adds the hidden generated column that a key part on an expression
// is on, and returns its ordinal.
func (d *definition) keyExpression(k *key, e sqlparser.Expr) (int, error) {
	if k.primary {
		return 0, sqlerr.FunctionalPrimary.New("The primary key cannot be a functional index")
	}
	if _, ok := e.(*sqlparser.ColName); ok {
		return 0, sqlerr.FunctionalColumn.New("Functional index on a column is not supported. Consider using a regular index instead.")
	}
	name := k.Name
	if name == "" {
		name = "functional_index"
	}
	i := len(d.Columns)
	d.Columns = append(d.Columns, schema.Column{ID: d.NextColumnID, Name: fmt.Sprintf("%s%d", hiddenPrefix, d.NextColumnID),
		Hidden: true, Generated: expressionText(e), Virtual: true})
	d.NextColumnID++
	if err := d.checkGenerated(i); err != nil {
		switch e := sqlerr.As(err); {
		case e == nil:
		case e.Kind == sqlerr.GeneratedAuto:
			return 0, sqlerr.FunctionalAuto.New("Functional index '%s' cannot refer to an auto-increment column.", name).For(name)
		case e.Kind == sqlerr.GeneratedImpure, e.Kind == sqlerr.GeneratedFunction, e.Kind == sqlerr.GeneratedVariable:
			return 0, sqlerr.FunctionalImpure.New("Expression of functional index '%s' contains a disallowed function.", name).For(name)
		case e.Kind == sqlerr.UnknownColumn:
			return 0, sqlerr.UnknownColumn.New("Unknown column '%s' in 'functional index'", e.Column).In(e.Column)
		}
		return 0, err
	}
	bound, err := plan.BindRow(d.Table, e)
	if err != nil {
		return 0, err
	}
	t := bound.Type()
	switch {
	case t.IsSpatial():
		return 0, sqlerr.SpatialFunctional.New("Spatial functional index is not supported.").For(name)
	case t.Kind == types.JSON, t.Kind >= types.TinyText && t.Kind <= types.LongText, t.Kind >= types.TinyBlob && t.Kind <= types.LongBlob:
		return 0, sqlerr.FunctionalLob.New("Cannot create a functional index on an expression that returns a BLOB or TEXT. Please consider using CAST.").For(name)
	case t.IsText() && t.Size < 0:
		t.Size = maxKeyBytes / 4
	case t.IsBinary() && t.Size < 0:
		t.Size = maxKeyBytes
	default:
		t = storable(t)
	}
	d.Columns[i].Type = t
	return i, nil
}

// storable returns the type of a column that has values of an expression's type.
func storable(t types.Type) types.Type {
	switch {
	case t.Kind == types.Null:
		t = types.TextType
		t.Size = 1
	case t.Kind == types.Decimal && t.Size < 0:
		t = types.DecimalType(65, max(t.Scale, 0))
	case t.IsTemporal() && t.Scale < 0:
		t.Scale = 6
	}
	return t
}

// selectedColumn returns the column that a table has for one of a query.
func selectedColumn(c schema.Column) schema.Column {
	c.Type = storable(c.Type)
	switch t := &c.Type; {
	case t.Size >= 0:
	case t.IsText() && t.Kind <= types.VarChar:
		t.Kind = types.LongText
	case t.IsBinary() && t.Kind <= types.VarBinary:
		t.Kind = types.LongBlob
	}
	if c.Type.IsString() && c.Type.Size < 0 && !strings.HasPrefix(c.Default, "(") {
		c.Default = "" // which only an expression can be
	}
	return c
}
