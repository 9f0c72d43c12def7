package parse

import (
	"slices"
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// userVariables makes the @variables that a statement reads parameters after its
// own, and takes out INTO @a, …, so that what plans it knows of neither.
func (st *Statement) userVariables(p *piece) error {
	if !p.userVariables {
		return nil
	}
	if q, ok := st.AST.(sqlparser.TableStatement); ok {
		if err := st.takeInto(q, p); err != nil {
			return err
		}
	}
	var failed error
	replace := func(n sqlparser.SQLNode) sqlparser.SQLNode {
		return sqlparser.Rewrite(n, func(c *sqlparser.Cursor) bool {
			switch n := c.Node().(type) {
			case *sqlparser.SelectInto:
				return false
			case *sqlparser.AssignmentExpr:
				failed = sqlerr.Unsupported(":= outside of SET").At(p.start + 1)
				return false
			case *sqlparser.AliasedExpr:
				if v, ok := n.Expr.(*sqlparser.Variable); ok && v.Scope == sqlparser.VariableScope && n.As.IsEmpty() {
					n.As = sqlparser.NewIdentifierCI("@" + v.Name.String())
				}
			case *sqlparser.Variable:
				if n.Scope == sqlparser.VariableScope {
					c.Replace(sqlparser.NewArgument(st.userVariable(n)))
				}
			}
			return failed == nil
		}, nil)
	}
	switch n := st.AST.(type) {
	case *sqlparser.Set:
		for _, e := range n.Exprs {
			e.Expr = replace(e.Expr).(sqlparser.Expr)
		}
	case *sqlparser.PrepareStmt:
		n.Statement = replace(n.Statement).(sqlparser.Expr)
	case *sqlparser.ExecuteStmt:
		for _, v := range n.Arguments {
			st.userVariable(v)
		}
	default:
		replace(n)
		if st.Returning != nil {
			replace(st.Returning.List)
		}
	}
	return failed
}

// userVariable returns the name of the parameter that stands for a variable.
func (st *Statement) userVariable(v *sqlparser.Variable) string {
	name := v.Name.Lowered()
	i := slices.Index(st.UserVariables, name)
	if i < 0 {
		i = len(st.UserVariables)
		st.UserVariables = append(st.UserVariables, name)
	}
	return st.variableParameter(i)
}

// variableParameter names the parameter that stands for the variable UserVariables[i].
func (st *Statement) variableParameter(i int) string { return "v" + strconv.Itoa(st.Params+i+1) }

// takeInto moves the variables of a query's INTO to st.Into.
func (st *Statement) takeInto(q sqlparser.TableStatement, p *piece) error {
	var into **sqlparser.SelectInto
	for into == nil || *into == nil {
		switch n := q.(type) {
		case *sqlparser.Select:
			into = &n.Into
		case *sqlparser.Union:
			if into = &n.Into; n.Into == nil {
				q, into = n.Right, nil // where it stands at the end of a UNION
				continue
			}
		}
		break
	}
	if into == nil || *into == nil || (*into).Type != sqlparser.IntoVariables {
		return nil
	}
	for _, v := range (*into).VarList {
		if v.Scope != sqlparser.VariableScope {
			return sqlerr.UndeclaredVariable.New("Undeclared variable: %s", v.Name.String()).At(p.start + 1)
		}
		st.Into = append(st.Into, strings.ToLower(v.Name.String()))
	}
	*into = nil
	return nil
}
