package engine

import (
	"context"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// variableOf returns the system variable that v names.
func variableOf(v *sqlparser.Variable) (string, variable, error) {
	name := v.Name.Lowered()
	x, ok := variables[name]
	if !ok {
		if kind, _, found := strings.Cut(name, "."); found && (kind == "persist" || kind == "persist_only") {
			return name, x, sqlerr.Unsupported("SET %s", strings.ToUpper(kind))
		}
		return name, x, sqlerr.UnknownSysVar.New("Unknown system variable '%s'", name)
	}
	return name, x, nil
}

// checkSet checks the names that a SET sets.
func checkSet(n *sqlparser.Set) error {
	for _, e := range n.Exprs {
		if e.Var.Scope == sqlparser.VariableScope {
			continue
		}
		name, v, err := variableOf(e.Var)
		switch {
		case err != nil:
			return err
		case e.Var.Scope == sqlparser.GlobalScope || e.Var.Scope == sqlparser.PersistSysScope || e.Var.Scope == sqlparser.PersistOnlySysScope:
			return sqlerr.Unsupported("SET GLOBAL")
		case v.set == nil:
			return sqlerr.VariableReadOnly.New("Variable '%s' is a read only variable", name)
		}
	}
	return nil
}

// set runs SET. Either all is set or nothing. User variables get values that
// were computed before any is set.
func (s *Session) set(ctx context.Context, st *parse.Statement, n *sqlparser.Set, args arguments) error {
	if err := checkSet(n); err != nil {
		return err
	}
	before := s.settings
	kept := maps.Clone(s.userVariables)
	for _, e := range n.Exprs {
		if err := s.setFrom(ctx, st, e, args); err != nil {
			s.settings, s.userVariables = before, kept
			switch err {
			case errWrongType:
				return sqlerr.WrongTypeForVar.New("Incorrect argument type to variable '%s'", e.Var.Name.Lowered())
			case errOtherValue:
				if words := statementOnly[e.Var.Name.Lowered()]; words != "" {
					return sqlerr.Unsupported("%s %s", words, strings.Trim(sqlparser.String(e.Expr), "'"))
				}
				return sqlerr.Unsupported("%s = %s", e.Var.Name.Lowered(), sqlparser.String(e.Expr))
			case errWrongValue:
				return sqlerr.WrongValueForVar.New("Variable '%s' can't be set to the value of '%s'", e.Var.Name.Lowered(), sqlparser.String(e.Expr))
			}
			return err
		}
	}
	return nil
}

// setFrom makes one of SET's assignments.
func (s *Session) setFrom(ctx context.Context, st *parse.Statement, e *sqlparser.SetExpr, args arguments) error {
	if e.Var.Scope == sqlparser.VariableScope {
		t, v, err := s.evaluate(ctx, st, e.Expr, args)
		if err == nil {
			s.setUserVariable(e.Var.Name.Lowered(), t, v)
		}
		return err
	}
	name, v, err := variableOf(e.Var)
	if err != nil {
		return err
	}
	value, err := s.value(ctx, st, e.Expr, v, args)
	if err != nil {
		return err
	}
	return s.setOne(e.Var.Scope, name, v, value)
}

func (s *Session) setOne(scope sqlparser.Scope, name string, v variable, value any) error {
	if scope != sqlparser.NextTxScope {
		return v.set(s, value)
	}
	// SET TRANSACTION concerns the next transaction only.
	if s.tx != nil {
		return sqlerr.CantChangeTx.New("Transaction characteristics can't be changed while a transaction is in progress")
	}
	next := s.defaults
	if s.next != nil {
		next = *s.next
	}
	kept := s.defaults
	s.defaults = next
	err := v.set(s, value)
	next, s.defaults = s.defaults, kept
	if err == nil {
		s.next = &next
	}
	return err
}

// value evaluates what a variable is set to: a word, DEFAULT, or an expression.
// It is an int64, a string, a json.Number or nil.
func (s *Session) value(ctx context.Context, st *parse.Statement, e sqlparser.Expr, v variable, args arguments) (any, error) {
	switch x := e.(type) {
	case *sqlparser.Literal:
		if x.Type == sqlparser.IntVal {
			n, err := strconv.ParseInt(x.Val, 10, 64)
			if err != nil {
				return x.Val, nil // too large
			}
			return n, nil
		}
		return x.Val, nil
	case sqlparser.BoolVal:
		return boolInt(bool(x)), nil
	case *sqlparser.NullVal:
		return nil, nil
	case *sqlparser.ColName: // an unquoted word
		return x.Name.String(), nil
	case *sqlparser.Default:
		fresh := &Session{engine: s.engine, cfg: s.cfg}
		fresh.initialise()
		fresh.timestamp = time.Unix(0, 0) // stands for the clock's
		return v.get(fresh), nil
	case *sqlparser.Variable:
		_, other, err := variableOf(x)
		if err != nil {
			return nil, err
		}
		return other.get(s), nil
	}
	t, value, err := s.evaluate(ctx, st, e, args)
	switch {
	case err != nil || value.IsNull():
		return nil, err
	case t.IsInteger() && t.Physical() == types.PhysInt64:
		return value.Int(), nil
	case t.IsInteger() && value.Uint() <= math.MaxInt64:
		return int64(value.Uint()), nil
	}
	return string(types.AppendText(nil, t, value)), nil
}
