package expr

import (
	"context"
	"fmt"
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// columnKernel yields a column of the batch.
type columnKernel struct{ c *Column }

func (k columnKernel) eval(in *types.Batch) (*types.Vector, error) {
	if k.c.Index >= len(in.Columns) || in.Columns[k.c.Index] == nil {
		return nil, sqlerr.Internal.New("column %s (%d) is not in the batch of %d columns", k.c.Name, k.c.Index, len(in.Columns))
	}
	return in.Columns[k.c.Index], nil
}

func (e *Column) compile(*Evaluator) (kernel, error) { return columnKernel{e}, nil }

// valueKernel yields one value, repeated.
type valueKernel struct {
	scratch
	t     types.Type
	value func() (types.Value, error)
}

func (k *valueKernel) eval(in *types.Batch) (*types.Vector, error) {
	v, err := k.value()
	if err != nil {
		return nil, err
	}
	k.vec.Reset(k.t)
	for range in.Len {
		k.vec.AppendValue(v)
	}
	return &k.vec, nil
}

func (e *Literal) compile(*Evaluator) (kernel, error) {
	return &valueKernel{t: e.T, value: func() (types.Value, error) { return e.Value, nil }}, nil
}

func (e *Param) compile(ev *Evaluator) (kernel, error) {
	return &valueKernel{t: e.T, value: func() (types.Value, error) {
		return pick(ev.env.Params, e.Index, e)
	}}, nil
}

func (e *Outer) compile(ev *Evaluator) (kernel, error) {
	return &valueKernel{t: e.T, value: func() (types.Value, error) {
		return pick(ev.env.Outer, e.Index, e)
	}}, nil
}

func pick(list []types.Value, i int, e Expr) (types.Value, error) {
	if i >= len(list) {
		return types.Value{}, sqlerr.WrongArguments.New("no value is given for %s", e)
	}
	if t := e.Type(); !list[i].IsNull() && list[i].Physical() != t.Physical() {
		return types.Value{}, sqlerr.WrongArguments.New("the value for %s is not of its type", e)
	}
	return list[i], nil
}

func (e *Aggregate) compile(*Evaluator) (kernel, error) {
	return nil, sqlerr.Internal.New("aggregate %s was not planned", e)
}

// subqueryKernel asks the runner for each row.
type subqueryKernel struct {
	scratch
	ev   *Evaluator
	e    *Subquery
	args []*operand // of Args, then of Left
	row  []types.Value
}

func (e *Subquery) compile(ev *Evaluator) (kernel, error) {
	if ev.env.Runner == nil {
		return nil, sqlerr.Unsupported("a subquery here")
	}
	args, err := ev.operands(e.Children())
	if err != nil {
		return nil, err
	}
	return &subqueryKernel{ev: ev, e: e, args: args}, nil
}

func (k *subqueryKernel) eval(in *types.Batch) (*types.Vector, error) {
	vecs := make([]*types.Vector, len(k.args))
	for i, a := range k.args {
		v, err := a.eval(in)
		if err != nil {
			return nil, err
		}
		vecs[i] = v
	}
	ctx := k.ev.env.Context
	if ctx == nil {
		ctx = context.Background()
	}
	k.vec.Reset(k.e.T)
	for row := range in.Len {
		k.row = k.row[:0]
		for i, v := range vecs {
			k.row = append(k.row, v.Value(k.args[i].at(row)))
		}
		outer := len(k.e.Args)
		v, err := k.ev.env.Runner.RunSubquery(ctx, k.e, k.row[:outer:outer], k.row[outer:])
		if err != nil {
			return nil, err
		}
		k.vec.AppendValue(v)
	}
	return &k.vec, nil
}

// literalText prints a constant as SQL.
func literalText(e *Literal) string {
	text := string(types.AppendSQL(nil, e.T, e.Value))
	if !e.T.IsTemporal() || e.Value.IsNull() {
		return text
	}
	if e.T.Kind == types.Date || e.T.Kind == types.Time {
		return strings.ToLower(typeName(e.T)) + text
	}
	return "timestamp" + text
}

var kindNames = [...]string{
	types.Null: "NULL", types.TinyInt: "TINYINT", types.SmallInt: "SMALLINT", types.MediumInt: "MEDIUMINT",
	types.Int: "INT", types.BigInt: "BIGINT", types.Decimal: "DECIMAL", types.Float: "FLOAT", types.Double: "DOUBLE",
	types.Bit: "BIT", types.Char: "CHAR", types.VarChar: "VARCHAR", types.TinyText: "TINYTEXT", types.Text: "TEXT",
	types.MediumText: "MEDIUMTEXT", types.LongText: "LONGTEXT", types.Binary: "BINARY", types.VarBinary: "VARBINARY",
	types.TinyBlob: "TINYBLOB", types.Blob: "BLOB", types.MediumBlob: "MEDIUMBLOB", types.LongBlob: "LONGBLOB",
	types.Geometry: "GEOMETRY", types.Point: "POINT", types.LineString: "LINESTRING", types.Polygon: "POLYGON",
	types.MultiPoint: "MULTIPOINT", types.MultiLineString: "MULTILINESTRING", types.MultiPolygon: "MULTIPOLYGON",
	types.GeometryCollection: "GEOMCOLLECTION",
	types.Date:               "DATE", types.Time: "TIME", types.DateTime: "DATETIME", types.Timestamp: "TIMESTAMP", types.Year: "YEAR",
	types.JSON: "JSON", types.Enum: "ENUM", types.Set: "SET", types.UUID: "UUID",
}

// typeName returns a type's name for messages.
func typeName(t types.Type) string {
	if int(t.Kind) >= len(kindNames) {
		return fmt.Sprintf("type %d", t.Kind)
	}
	return kindNames[t.Kind]
}
