package exec

import (
	"context"
	"errors"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/jsondoc"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// jsonTable yields each input row with the rows that JSON_TABLE makes of a document.
// Those of one document are made together.
type jsonTable struct {
	Operator // the input
	n        *plan.JSONTable
	env      *expr.Env
	doc      *expr.Evaluator
	in       *types.Batch
	docs     *types.Vector
	row      int             // of in, the next
	current  []types.Value   // the row that is made
	made     [][]types.Value // of row-1, still to be yielded
	out      *types.Batch
}

func buildJSONTable(n *plan.JSONTable, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	if err != nil {
		return nil, err
	}
	doc, err := expr.NewEvaluator(rt.Env, n.Doc)
	return &jsonTable{Operator: in, n: n, env: rt.Env, doc: doc, current: make([]types.Value, len(n.T)), out: emptyBatch(n.Types())}, err
}

func (j *jsonTable) Open(ctx context.Context) error {
	j.in, j.row, j.made = nil, 0, nil
	return j.Operator.Open(ctx)
}

func (j *jsonTable) Next(ctx context.Context) (*types.Batch, error) {
	j.out.Reset()
	for j.out.Len < types.BatchRows {
		if len(j.made) > 0 {
			j.yield()
			continue
		}
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		if j.in == nil || j.row == j.in.Len {
			if j.out.Len > 0 {
				break // its values may be the input's
			}
			b, err := j.Operator.Next(ctx)
			if err != nil || b.Len == 0 {
				j.in = nil
				return j.out, err
			}
			docs, err := j.doc.Eval(b)
			if err != nil {
				return nil, err
			}
			j.in, j.docs, j.row = b, docs[0], 0
		}
		if err := j.make(); err != nil {
			return nil, err
		}
	}
	return j.out, nil
}

// yield moves rows that were made to out.
func (j *jsonTable) yield() {
	n := min(len(j.made), types.BatchRows-j.out.Len)
	width := len(j.in.Columns)
	for _, values := range j.made[:n] {
		for i, c := range j.in.Columns {
			j.out.Columns[i].AppendFrom(c, j.row-1)
		}
		for i, v := range values {
			j.out.Columns[width+i].AppendValue(v)
		}
	}
	j.out.Len += n
	j.made = j.made[n:]
}

// make makes the rows of the next input row.
func (j *jsonTable) make() error {
	doc := j.docs.Value(j.row)
	j.row++
	j.made = nil
	clear(j.current)
	if !doc.IsNull() {
		if _, err := j.expand(j.n.Table, jsondoc.ParseNormal(doc.Bytes())); err != nil {
			return err
		}
	}
	if len(j.made) == 0 && j.n.Outer {
		j.made = append(j.made, make([]types.Value, len(j.n.T)))
	}
	return nil
}

// expand makes the rows that rows says of doc and returns whether there are any.
func (j *jsonTable) expand(rows *plan.JSONRows, doc *jsondoc.Value) (any bool, err error) {
	number := uint64(0)
	rows.Path.Select(doc, false, func(v *jsondoc.Value, _ []byte) bool {
		number++
		for i := range rows.Columns {
			c := &rows.Columns[i]
			if j.current[c.At], err = j.value(c, v, number); err != nil {
				return false
			}
		}
		nested := false
		for _, n := range rows.Nested {
			some, e := j.expand(n, v)
			if err = e; err != nil {
				return false
			}
			nested = nested || some
		}
		if !nested {
			j.made = append(j.made, append([]types.Value(nil), j.current...))
		}
		return true
	})
	j.clear(rows)
	return number > 0, err
}

// clear makes the columns of rows NULL.
func (j *jsonTable) clear(rows *plan.JSONRows) {
	for i := range rows.Columns {
		j.current[rows.Columns[i].At] = types.Value{}
	}
}

// value returns column c of the row that v makes, the numberth.
func (j *jsonTable) value(c *plan.JSONColumn, v *jsondoc.Value, number uint64) (types.Value, error) {
	target := &types.Target{Type: c.Type, Column: c.Name, Row: 1, Zone: j.env.Zone, Now: j.env.Now}
	if c.Kind == plan.JSONOrdinal {
		return types.NewUint(number), nil
	}
	var found []*jsondoc.Value
	c.Path.Select(v, false, func(v *jsondoc.Value, _ []byte) bool {
		found = append(found, v)
		return true
	})
	if c.Kind == plan.JSONExists {
		return types.Assign(target, types.BoolType, types.NewBool(len(found) > 0))
	}
	at := &jsondoc.Value{Kind: jsondoc.Array, Items: found}
	switch len(found) {
	case 0:
		if c.Empty.Fails {
			return types.Value{}, sqlerr.JSONTableMissing.New("Missing value for JSON_TABLE column '%s'", c.Name)
		}
		return answer(c.Empty, target)
	case 1:
		at = found[0]
	}
	value, err := at.Assign(target)
	switch {
	case err == nil:
		return value, nil
	case !c.Error.Fails:
		return answer(c.Error, target)
	case errors.Is(err, sqlerr.MultipleJSONValues):
		return value, sqlerr.JSONTableNotScalar.Wrap(err, "Can't store an array or an object in the scalar JSON_TABLE column '%s'", c.Name)
	case errors.Is(err, sqlerr.OutOfRange), errors.Is(err, sqlerr.DataTooLong):
		return value, sqlerr.JSONTableOutOfRange.Wrap(err, "Value is out of range for JSON_TABLE's column '%s'", c.Name)
	}
	return value, err
}

// answer returns the value that ON EMPTY or ON ERROR gives.
func answer(a plan.JSONAnswer, to *types.Target) (types.Value, error) {
	if a.Value == nil {
		return types.Value{}, nil
	}
	return a.Value.Assign(to)
}
