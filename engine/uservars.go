package engine

import (
	"bytes"
	"context"
	"maps"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// userVariable is the value of an @variable; its type is that of an integer,
// DECIMAL, DOUBLE, text or bytes.
type userVariable struct {
	t types.Type
	v types.Value
}

// setUserVariable sets a variable, by its name in lower case.
func (s *Session) setUserVariable(name string, t types.Type, v types.Value) {
	if s.userVariables == nil {
		s.userVariables = map[string]userVariable{}
	}
	if v.IsNull() {
		s.userVariables[name] = userVariable{types.NullType, types.Value{}}
		return
	}
	switch {
	case t.IsInteger() && t.Unsigned, t.Kind == types.Bit:
		t, v = types.Uint64Type, types.NewUint(v.Uint())
	case t.IsInteger(), t.Kind == types.Year:
		t, v = types.Int64Type, types.NewInt(int64(v.Uint()))
	case t.IsFloat():
		t = types.Float64Type
	case t.IsNumeric():
	case t.IsBinary():
		t = types.BytesType
	default:
		text := types.TextType
		if t.IsText() {
			text.Collation = t.Collation
		}
		t, v = text, types.NewBytes(types.AppendText(nil, t, v))
	}
	if v.Physical() == types.PhysBytes {
		v = types.NewBytes(bytes.Clone(v.Bytes()))
	}
	s.userVariables[name] = userVariable{t, v}
}

// sessionVariables are a session's @variables, for triggers.
type sessionVariables struct{ *Session }

// Get implements expr.UserVariables.
func (s sessionVariables) Get(name string) (types.Type, types.Value) {
	x, ok := s.userVariables[name]
	if !ok {
		x.t = types.NullType
	}
	return x.t, x.v
}

// Set implements expr.UserVariables. A statement that runs again has the variables as they
// were before, so it changes a copy.
func (s sessionVariables) Set(name string, t types.Type, v types.Value) {
	s.userVariables = maps.Clone(s.userVariables)
	s.setUserVariable(name, t, v)
}

// withVariables appends to a statement's arguments the values of the variables
// that it reads. Those that were never set are NULL.
func (s *Session) withVariables(st *parse.Statement, args arguments) arguments {
	n := len(args.values)
	if len(st.UserVariables) == 0 {
		return args
	}
	args.types, args.values = args.types[:n:n], args.values[:n:n]
	for _, name := range st.UserVariables {
		x, ok := s.userVariables[name]
		if !ok {
			x.t = types.NullType
		}
		args.types, args.values = append(args.types, x.t), append(args.values, x.v)
	}
	return args
}

// into gives the only row of a query to variables.
func (s *Session) into(ctx context.Context, set *resultSet, names []string) (Result, error) {
	defer set.close()
	if len(set.columns) != len(names) {
		return Result{}, sqlerr.WrongColumnsInSet.New("The used SELECT statements have a different number of columns")
	}
	b, err := set.next(ctx)
	if err != nil {
		return Result{}, err
	}
	if b.Len == 0 {
		s.warn(sqlerr.NoData.New("No data - zero rows fetched, selected, or processed"))
		return Result{}, nil
	}
	row := copyBatch(b)
	for more := b; row.Len == 1 && more.Len > 0; {
		if more, err = set.next(ctx); err != nil {
			return Result{}, err
		}
		row.Len += more.Len
	}
	if row.Len > 1 {
		return Result{}, sqlerr.TooManyRows.New("Result consisted of more than one row")
	}
	for i, c := range row.Columns {
		v := types.Value{}
		if !c.IsNull(0) {
			v = c.Value(0)
		}
		s.setUserVariable(names[i], c.Type, v)
	}
	return Result{RowsAffected: 1}, nil
}

// evaluate returns the value of an expression of statement st, whose arguments
// are args.
func (s *Session) evaluate(ctx context.Context, st *parse.Statement, e sqlparser.Expr, args arguments) (types.Type, types.Value, error) {
	one := &parse.Statement{
		AST:    &sqlparser.Select{SelectExprs: &sqlparser.SelectExprs{Exprs: []sqlparser.SelectExpr{&sqlparser.AliasedExpr{Expr: e}}}},
		SQL:    "SELECT " + sqlparser.String(e),
		Params: st.Params, Variables: st.Variables, UserVariables: st.UserVariables,
	}
	next := s.next
	set, err := s.query(ctx, one, args)
	s.next = next // what SET TRANSACTION said is for another one
	if err != nil {
		return types.NullType, types.Value{}, err
	}
	defer set.close()
	b, err := set.next(ctx)
	if err != nil || b.Len == 0 || b.Columns[0].IsNull(0) {
		return types.NullType, types.Value{}, err
	}
	c := b.Columns[0]
	v := c.Value(0)
	if v.Physical() == types.PhysBytes {
		v = types.NewBytes(bytes.Clone(v.Bytes()))
	}
	return c.Type, v, nil
}
