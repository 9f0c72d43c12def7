package parse

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// expr reads an expression up to one of words, outside of parentheses and
// CASE.
func (r *bodyReader) expr(words ...string) sqlparser.Expr {
	from := r.pos()
	depth := 0
	for ; !r.end(); r.next() {
		if depth == 0 {
			done := r.is(";")
			for _, w := range words {
				done = done || r.is(w)
			}
			if done {
				break
			}
		}
		switch {
		case r.is("("), r.is("CASE"):
			depth++
		case r.is(")"), r.is("END"):
			depth--
		}
	}
	if r.err != nil {
		return nil
	}
	text := r.sql[from:r.pos()]
	list, err := Parse("do (" + text + ")")
	if err != nil || len(list) != 1 {
		if e := sqlerr.As(err); e != nil && e.Kind != sqlerr.Syntax {
			r.err = err
			return nil
		}
		r.err = syntaxError(r.sql[:r.stop], from)
		return nil
	}
	q, ok := list[0].AST.(*sqlparser.Select)
	if !ok || len(q.SelectExprs.Exprs) != 1 {
		r.err = syntaxError(r.sql[:r.stop], from)
		return nil
	}
	one, ok := q.SelectExprs.Exprs[0].(*sqlparser.AliasedExpr)
	if !ok {
		r.err = syntaxError(r.sql[:r.stop], from)
		return nil
	}
	return r.vars(list[0], one.Expr).(sqlparser.Expr)
}

// vars puts the @variables back in the places of the parameters that n, a part of st, has
// for them. It refuses system variables.
func (r *bodyReader) vars(st *Statement, n sqlparser.SQLNode) sqlparser.SQLNode {
	return sqlparser.Rewrite(n, func(c *sqlparser.Cursor) bool {
		switch n := c.Node().(type) {
		case *sqlparser.Argument:
			for i, name := range st.UserVariables {
				if n.Name == st.variableParameter(i) {
					c.Replace(sqlparser.NewVariableExpression(name, sqlparser.SingleAt))
					return false
				}
			}
		case *sqlparser.Variable:
			r.refuse(sqlparser.String(n) + " in triggers")
		}
		return r.err == nil
	}, nil)
}

// query reads a statement of SQL, which ends at a semicolon.
func (r *bodyReader) query() any {
	verb := r.peek()
	from := r.pos()
	s := &SQL{}
	var text strings.Builder
	depth := 0
	for ; !r.end() && !(depth == 0 && r.is(";")); r.next() {
		switch {
		case r.is("("), r.is("CASE"):
			depth++
		case r.is(")"), r.is("END"):
			depth--
		}
		if depth < 0 {
			break
		}
		if depth == 0 && r.is("INTO") && verb.typ == sqlparser.SELECT && s.Into == nil {
			text.WriteString(r.sql[from:r.pos()])
			r.next()
			for {
				s.Into = append(s.Into, r.target())
				if !r.take(",") {
					break
				}
			}
			from = r.pos()
			r.at--
		}
	}
	if r.err != nil {
		return nil
	}
	text.WriteString(r.sql[from:r.pos()])
	list, err := Parse(text.String())
	switch e := sqlerr.As(err); {
	case e != nil && e.Kind == sqlerr.Syntax:
		r.err = syntaxError(r.sql[:r.stop], from)
		return nil
	case err != nil:
		r.err = err
		return nil
	}
	s.AST = list[0].AST
	locks := len(list[0].Locking) > 0
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch q := n.(type) {
		case *sqlparser.Select:
			locks = locks || q.Lock != sqlparser.NoLock
		case *sqlparser.Union:
			locks = locks || q.Lock != sqlparser.NoLock
		}
		return !locks, nil
	}, s.AST)
	if locks {
		r.err = sqlerr.Unsupported("FOR UPDATE and FOR SHARE in a trigger").At(from + 1)
		return nil
	}
	noRows := sqlerr.NoResultSet.New("Not allowed to return a result set from a trigger")
	switch s.AST.(type) {
	case *sqlparser.Insert, *sqlparser.Update, *sqlparser.Delete:
		if list[0].Returning != nil {
			r.err = noRows
			return nil
		}
	case sqlparser.TableStatement:
		if s.Into == nil && !list[0].Discards {
			r.err = noRows
			return nil
		}
	default:
		r.err = sqlerr.Unsupported("%s in a trigger", strings.ToUpper(verb.val)).At(from + 1)
		return nil
	}
	s.AST = r.vars(list[0], s.AST).(sqlparser.Statement)
	return s
}
