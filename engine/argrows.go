package engine

import (
	"context"
	"math"
	"unicode/utf8"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// ArgRows yields rows of arguments, each until the next call; nil ends them.
type ArgRows func() ([]Arg, error)

// ExecRows runs an INSERT or REPLACE whose parameters are in VALUES once for each row
// of arguments, as one statement: all or none. A column's arguments are of the types that
// its first ones have, or can be converted to them without loss; others are
// sqlerr.WrongArguments. Since the rows are had only once, a conflict that a statement
// would otherwise be run again for is an error (sqlerr.WriteConflict, LockDeadlock).
// next must not use the session.
func (s *Session) ExecRows(ctx context.Context, sql string, next ArgRows) (r Result, err error) {
	prepared, err := s.adHoc(ctx, sql)
	if err != nil {
		return r, err
	}
	st := prepared.text.statements[0]
	if err := takesRows(prepared.text, st); err != nil {
		return r, err
	}
	if err := s.enter(); err != nil {
		return r, err
	}
	defer s.engine.leave()
	if err := s.become(ctx); err != nil {
		return r, err
	}
	running := s.process.begin(ctx, st.SQL, s.namespace, s.user)
	defer func() {
		s.process.end(s.namespace)
		running.stop()
	}()
	rows := &argumentRows{next: next, t: make([]types.Type, st.Params)}
	if err := rows.look(); err != nil {
		return r, err
	}
	r, _, err = s.run(running, st, arguments{types: rows.t, rows: rows})
	return r, at(err, st)
}

func takesRows(t *text, st *parse.Statement) error {
	n, ok := st.AST.(*sqlparser.Insert)
	switch {
	case !ok || len(t.statements) > 1 || st.Returning != nil:
		return sqlerr.Unsupported("rows of arguments for anything but one INSERT or REPLACE")
	case t.named || len(st.UserVariables) > 0:
		return sqlerr.Unsupported("rows of arguments with named parameters or @variables")
	}
	if _, ok := n.Rows.(sqlparser.Values); !ok || st.Params == 0 {
		return sqlerr.WrongArguments.New("The statement has no VALUES with parameters")
	}
	return nil
}

// argumentRows are rows of arguments. The first ones decide the columns' types.
type argumentRows struct {
	next ArgRows
	t    []types.Type
	// ahead are the arguments of the rows that were looked at.
	ahead []Arg
	ended bool
	read  bool // some are used
	row   int  // the number of the last one that was had
	used  int  // how many are used
}

// begun reports whether rows are used, which cannot be had again.
func (a *argumentRows) begun() bool { return a != nil && a.read }

// take returns the next row, nil at the end.
func (a *argumentRows) take() ([]Arg, error) {
	if a.ended {
		return nil, nil
	}
	row, err := a.next()
	switch {
	case err != nil:
		a.ended = true
		return nil, err
	case row == nil:
		a.ended = true
		return nil, nil
	}
	if a.row++; len(row) != len(a.t) {
		a.ended = true
		return nil, sqlerr.WrongArguments.New("The statement has %d parameters, but row %d has %d arguments", len(a.t), a.row, len(row))
	}
	return row, nil
}

// look reads the first rows and decides the types.
func (a *argumentRows) look() error {
	for i := range a.t {
		a.t[i] = types.NullType
	}
	for range types.BatchRows {
		row, err := a.take()
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		for i := range row {
			a.t[i] = commonArgument(a.t[i], row[i].Type)
			row[i].Value = row[i].Value.Clone()
		}
		a.ahead = append(a.ahead, row...)
	}
	for i := range a.t {
		if a.t[i].Kind == types.Null {
			a.t[i] = types.TextType
		}
	}
	return nil
}

// commonArgument returns a type that takes arguments of both types.
func commonArgument(t, u types.Type) types.Type {
	switch {
	case t == u || u.Kind == types.Null:
		return t
	case t.Kind == types.Null:
		return u
	case t.IsInteger() && u.IsInteger():
		return types.Int64Type
	case t.IsNumeric() && u.IsNumeric():
		return types.Float64Type
	case t == types.BytesType && u == types.TextType, t == types.TextType && u == types.BytesType:
		return types.BytesType
	}
	return types.TextType
}

// fill adds the next rows to a batch, none at the end.
func (a *argumentRows) fill(ctx context.Context, b *types.Batch) error {
	a.read = true
	n := len(a.t)
	for b.Len < types.BatchRows {
		var row []Arg
		if len(a.ahead) > 0 {
			row, a.ahead = a.ahead[:n], a.ahead[n:]
		} else {
			if b.Len%64 == 0 { // next may take its time
				if err := interrupted(ctx); err != nil {
					return err
				}
			}
			var err error
			if row, err = a.take(); err != nil {
				return err
			}
			if row == nil {
				break
			}
		}
		for i, v := range b.Columns {
			if !appendArgument(v, &row[i]) {
				return sqlerr.WrongArguments.New("Argument %d of row %d is %s, those of the first rows are %s: give the values of a column one Go type", i+1, a.used+1, argumentKind(row[i].Type), argumentKind(a.t[i]))
			}
		}
		b.Len++
		a.used++
	}
	return nil
}

// maxExact is up to where all integers are float64s.
const maxExact = 1 << 53

// appendArgument adds an argument to a column. It returns false when its type does not
// have the value.
func appendArgument(v *types.Vector, a *Arg) bool {
	x, t := a.Value, a.Type
	if x.IsNull() || t == v.Type {
		v.AppendValue(x)
		return true
	}
	switch {
	case v.Type.IsInteger() && t.IsInteger():
		unsigned := v.Type.Physical() == types.PhysUint64
		switch {
		case unsigned == (x.Physical() == types.PhysUint64):
			v.AppendValue(x)
		case unsigned:
			if x.Int() < 0 {
				return false
			}
			v.AppendValue(types.NewUint(uint64(x.Int())))
		default:
			if x.Uint() > math.MaxInt64 {
				return false
			}
			v.AppendValue(types.NewInt(int64(x.Uint())))
		}
	case v.Type == types.Float64Type && t.IsInteger():
		if x.Physical() == types.PhysUint64 {
			if x.Uint() > maxExact {
				return false
			}
			v.AppendValue(types.NewFloat(float64(x.Uint())))
		} else {
			if x.Int() > maxExact || x.Int() < -maxExact {
				return false
			}
			v.AppendValue(types.NewFloat(float64(x.Int())))
		}
	case v.Type == types.BytesType && t == types.TextType:
		v.AppendBytes(x.Bytes())
	case v.Type == types.TextType:
		text := types.AppendText(nil, t, x)
		if t == types.BytesType && !utf8.Valid(text) {
			return false
		}
		v.AppendBytes(text)
	default:
		return false
	}
	return true
}

func argumentKind(t types.Type) string {
	switch {
	case t.IsInteger():
		return "an integer"
	case t == types.Float64Type:
		return "a float"
	case t == types.TextType:
		return "a string"
	case t == types.BytesType:
		return "bytes"
	case t == types.JSONType:
		return "JSON"
	}
	return "a time"
}
