package service

import (
	"strconv"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// bindConstant binds an expression without columns.
func bindConstant(e sqlparser.Expr) (expr.Expr, error) {
	b := expr.Binder{}
	return b.Bind(e)
}

// literal prints a constant as a literal of a column's type, if it can be stored
// there.
func literal(e sqlparser.Expr, c *schema.Column, zeroDates types.ZeroDates) (string, error) {
	bound, err := bindConstant(e)
	if err != nil {
		return "", err
	}
	v, err := expr.EvalConst(&expr.Env{Zone: time.UTC}, bound)
	if err != nil {
		return "", err
	}
	if v, err = types.Assign(&types.Target{Type: c.Type, Column: c.Name, ZeroDates: zeroDates}, bound.Type(), v); err != nil {
		return "", err
	}
	switch {
	case v.IsNull():
	case c.Type.Kind == types.Float && !c.Type.HasPlaces(): // all its digits
		return strconv.FormatFloat(v.Float(), 'g', -1, 32), nil
	case c.Type.IsFloat():
		return string(types.AppendText(nil, c.Type, v)), nil
	}
	return string(types.AppendSQL(nil, c.Type, v)), nil
}
