package engine

import (
	"strconv"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// diagnostics runs GET DIAGNOSTICS.
func (s *Session) diagnostics(n *parse.Diagnostics) error {
	if n.Stacked {
		return sqlerr.StackedNoHandler.New("GET STACKED DIAGNOSTICS when handler not active")
	}
	var condition error
	if n.Condition != nil {
		at, err := s.conditionNumber(n.Condition)
		if err != nil {
			return err
		}
		if at < 1 || at > int64(len(s.warnings)) {
			return sqlerr.InvalidConditionNumber.New("Invalid condition number")
		}
		condition = s.warnings[at-1]
	}
	for _, item := range n.Items {
		t, v := types.Int64Type, types.NewInt(s.rowCount)
		switch {
		case condition != nil:
			t, v = tables.Diagnostic(condition, item.What)
		case item.What == "NUMBER":
			v = types.NewInt(int64(len(s.warnings)))
		}
		s.setUserVariable(item.To.Name, t, v)
	}
	return nil
}

// conditionNumber reads a number, or one that a variable has.
func (s *Session) conditionNumber(e sqlparser.Expr) (int64, error) {
	switch e := e.(type) {
	case *sqlparser.Literal:
		if n, err := strconv.ParseInt(e.Val, 10, 64); err == nil {
			return n, nil
		}
	case *sqlparser.Variable:
		if x := s.userVariables[e.Name.Lowered()]; x.t.IsInteger() && !x.v.IsNull() {
			return x.v.Int(), nil
		}
	}
	return 0, sqlerr.InvalidConditionNumber.New("Invalid condition number")
}
