package engine

import (
	"context"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// prepareNamed runs PREPARE. One that fails leaves no statement of the name, as
// in MySQL.
func (s *Session) prepareNamed(ctx context.Context, st *parse.Statement, n *sqlparser.PrepareStmt, args arguments) error {
	name := n.Name.Lowered()
	delete(s.prepared, name)
	t, v, err := s.evaluate(ctx, st, n.Statement, args)
	if err != nil {
		return err
	}
	sql := "NULL" // which is no statement
	if !v.IsNull() {
		sql = string(types.AppendText(nil, t, v))
	}
	text, err := s.engine.parse(sql, s.dialect())
	if err != nil {
		return err
	}
	switch text.statements[0].AST.(type) {
	case *sqlparser.PrepareStmt, *sqlparser.ExecuteStmt, *sqlparser.DeallocateStmt:
		return sqlerr.NotPreparable.New("This command is not supported in the prepared statement protocol yet")
	}
	if len(text.statements) > 1 {
		return sqlerr.Syntax.New("You have an error in your SQL syntax; PREPARE takes one statement")
	}
	if text.named {
		return sqlerr.Unsupported("named parameters in PREPARE")
	}
	if err := s.checkAll(ctx, text); err != nil {
		return err
	}
	if s.prepared == nil {
		s.prepared = map[string]*parse.Statement{}
	}
	s.prepared[name] = text.statements[0]
	return nil
}

// executed returns the statement that EXECUTE runs, and its arguments.
func (s *Session) executed(n *sqlparser.ExecuteStmt) (*parse.Statement, arguments, error) {
	st := s.prepared[n.Name.Lowered()]
	if st == nil {
		return nil, arguments{}, noHandler(n.Name, "EXECUTE")
	}
	if len(n.Arguments) != st.Params {
		return nil, arguments{}, sqlerr.WrongArguments.New("Incorrect arguments to EXECUTE")
	}
	var args arguments
	for _, v := range n.Arguments {
		x, ok := s.userVariables[v.Name.Lowered()]
		if !ok {
			x.t = types.NullType
		}
		args.types, args.values = append(args.types, x.t), append(args.values, x.v)
	}
	return st, args, nil
}

func (s *Session) deallocate(n *sqlparser.DeallocateStmt) error {
	name := n.Name.Lowered()
	if s.prepared[name] == nil {
		return noHandler(n.Name, "DEALLOCATE PREPARE")
	}
	delete(s.prepared, name)
	return nil
}

func noHandler(name sqlparser.IdentifierCI, to string) error {
	shown := name.String()
	if len(shown) > 64 {
		shown = strings.ToValidUTF8(shown[:64], "")
	}
	return sqlerr.UnknownStmtHandler.New("Unknown prepared statement handler (%s) given to %s", shown, to)
}
