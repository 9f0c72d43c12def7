package service

import (
	"strconv"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// setDefault sets a column's DEFAULT and ON UPDATE from its definition.
//
// Column.Default is the text of a literal of the column's type, CURRENT_TIMESTAMP[(n)], or any other
// expression in parentheses.
func setDefault(c *schema.Column, o *sqlparser.ColumnTypeOptions, zeroDates types.ZeroDates) error {
	if o.OnUpdate != nil {
		text := currentTimestamp(o.OnUpdate, c.Type)
		if text == "" {
			return sqlerr.InvalidOnUpdate.New("Invalid ON UPDATE clause for '%s' column", c.Name).In(c.Name)
		}
		c.OnUpdate = text
	}
	if o.Default == nil {
		return nil
	}
	invalid := sqlerr.InvalidDefault.New("Invalid default value for '%s'", c.Name).In(c.Name)
	if c.AutoIncrement {
		return invalid
	}
	if _, null := o.Default.(*sqlparser.NullVal); null {
		if c.NotNull {
			return invalid
		}
		return nil
	}
	if !o.DefaultLiteral {
		return setDefaultExpr(c, o.Default)
	}
	if isCurrentTimestamp(o.Default) {
		if c.Default = currentTimestamp(o.Default, c.Type); c.Default == "" {
			return invalid
		}
		return nil
	}
	if c.Type.Kind == types.JSON || c.Type.IsSpatial() || c.Type.IsString() && c.Type.Size < 0 {
		return sqlerr.BlobCantHaveDefault.New("BLOB, TEXT, GEOMETRY or JSON column '%s' can't have a default value", c.Name).In(c.Name)
	}
	text, err := literal(o.Default, c, zeroDates)
	if err != nil {
		invalid.Cause = err
		return invalid
	}
	c.Default = text
	return nil
}

// setDefaultExpr takes DEFAULT (e).
func setDefaultExpr(c *schema.Column, e sqlparser.Expr) error {
	columns := false
	err := sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch n.(type) {
		case *sqlparser.ColName:
			columns = true
		case *sqlparser.Variable, *sqlparser.Argument:
			return false, sqlerr.DefaultVariable.New("Default value expression of column '%s' cannot refer user or system variables.", c.Name).In(c.Name)
		case *sqlparser.Subquery, sqlparser.AggrFunc, sqlparser.WindowFunc, *sqlparser.Default, *sqlparser.ValuesFuncExpr:
			return false, sqlerr.DefaultFunction.New("Default value expression of column '%s' contains a disallowed function.", c.Name).In(c.Name)
		}
		return true, nil
	}, e)
	if err != nil {
		return err
	}
	if columns { // they are not all there yet
		c.Default = "(" + expressionText(e) + ")"
		return nil
	}
	if _, err := bindConstant(e); err != nil {
		return err
	}
	c.Default = "(" + sqlparser.String(e) + ")"
	return nil
}

// isCurrentTimestamp reports whether e is CURRENT_TIMESTAMP or a synonym.
func isCurrentTimestamp(e sqlparser.Expr) bool {
	f, ok := e.(*sqlparser.CurTimeFuncExpr)
	if !ok {
		return false
	}
	switch f.Name.Lowered() {
	case "current_timestamp", "now", "localtime", "localtimestamp":
		return true
	}
	return false
}

// currentTimestamp prints CURRENT_TIMESTAMP as a column of type t can have it,
// or returns "".
func currentTimestamp(e sqlparser.Expr, t types.Type) string {
	if !isCurrentTimestamp(e) || t.Kind != types.DateTime && t.Kind != types.Timestamp || e.(*sqlparser.CurTimeFuncExpr).Fsp != t.Scale {
		return ""
	}
	if t.Scale == 0 {
		return "CURRENT_TIMESTAMP"
	}
	return "CURRENT_TIMESTAMP(" + strconv.Itoa(t.Scale) + ")"
}
