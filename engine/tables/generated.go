package tables

import (
	"slices"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Generated columns are computed with TIMESTAMPs in UTC, so that their values do
// not depend on who reads or writes them.

// Generated computes the generated columns of a table's rows.
type Generated struct {
	columns []int
	eval    []*expr.Evaluator
}

// NewGenerated returns what computes the generated columns that want picks, nil
// standing for all; nil when there are none.
func NewGenerated(env *expr.Env, t *schema.Table, want func(column int) bool) (*Generated, error) {
	var g *Generated
	for c := range t.Columns {
		if t.Columns[c].Generated == "" || want != nil && !want(c) {
			continue
		}
		if g == nil {
			utc := *env
			utc.Zone, env = time.UTC, &utc
			g = &Generated{}
		}
		e, err := bindGenerated(t, c)
		if err != nil {
			return nil, err
		}
		ev, err := expr.NewEvaluator(env, e)
		if err != nil {
			return nil, err
		}
		g.columns, g.eval = append(g.columns, c), append(g.eval, ev)
	}
	return g, nil
}

// bindGenerated binds the expression of generated column c over t's whole rows.
func bindGenerated(t *schema.Table, c int) (expr.Expr, error) {
	e, err := parse.ParseExpr(t.Columns[c].Generated)
	if err != nil {
		return nil, sqlerr.Internal.Wrap(err, "generated column '%s' cannot be parsed", t.Columns[c].Name)
	}
	return plan.BindRow(t, e)
}

// Set computes the generated columns of whole rows, whose TIMESTAMPs are in UTC.
// assign converts values to a column's type.
func (g *Generated) Set(rows *types.Batch, assign func(v *types.Vector, column, n int) (*types.Vector, error)) error {
	for i, c := range g.columns {
		out, err := g.eval[i].Eval(rows)
		if err != nil {
			return err
		}
		if rows.Columns[c], err = assign(out[0], c, rows.Len); err != nil {
			return err
		}
	}
	return nil
}

// generate sets the generated columns of rows, which are in the session's zone.
func (w *writer) generate(rows *types.Batch) error {
	if w.generated == nil {
		return nil
	}
	utc := w.toUTC(rows)
	if err := w.generated.Set(utc, w.assign); err != nil {
		return err
	}
	if utc == rows {
		return nil
	}
	local := w.fromUTC(utc)
	for _, c := range w.generated.columns {
		rows.Columns[c] = local.Columns[c]
	}
	return nil
}

// Values is the store.Values of tables: literals and expressions of their definitions.
type Values struct {
	mu     sync.Mutex
	tables map[uint32]*tableValues
}

// tableValues are what was found out about a version of a table.
type tableValues struct {
	t       *schema.Table
	initial map[int]types.Value
	exprs   map[int]expr.Expr
}

// NewValues returns a source of values.
func NewValues() *Values { return &Values{tables: map[uint32]*tableValues{}} }

func (v *Values) of(t *schema.Table) *tableValues {
	tv := v.tables[t.ID]
	if tv == nil || tv.t != t {
		tv = &tableValues{t, map[int]types.Value{}, map[int]expr.Expr{}}
		v.tables[t.ID] = tv
	}
	return tv
}

// Initial implements store.Values.
func (v *Values) Initial(t *schema.Table, column int) (types.Value, error) {
	c := &t.Columns[column]
	if c.Initial == "" {
		return types.Value{}, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	tv := v.of(t)
	if x, ok := tv.initial[column]; ok {
		return x, nil
	}
	ast, err := parse.ParseExpr(c.Initial)
	if err != nil {
		return types.Value{}, err
	}
	e, err := (&expr.Binder{}).Bind(ast)
	if err != nil {
		return types.Value{}, err
	}
	x, err := expr.EvalConst(&expr.Env{Zone: time.UTC}, e)
	if err != nil {
		return types.Value{}, err
	}
	src, dst := types.NewVector(e.Type(), 1), types.NewVector(c.Type, 1)
	src.AppendValue(x)
	// Zero dates are no values that could be given.
	to := types.Target{Type: c.Type, Column: c.Name, Ignore: func(*sqlerr.Error) {}}
	if _, err := types.AssignVector(&to, src, dst); err != nil {
		return types.Value{}, err
	}
	x = dst.Value(0).Clone()
	tv.initial[column] = x
	return x, nil
}

// Generator implements store.Values.
func (v *Values) Generator(t *schema.Table, column int) (store.Generator, error) {
	v.mu.Lock()
	tv := v.of(t)
	e := tv.exprs[column]
	v.mu.Unlock()
	if e == nil {
		var err error
		if e, err = bindGenerated(t, column); err != nil {
			return nil, err
		}
		v.mu.Lock()
		tv.exprs[column] = e
		v.mu.Unlock()
	}
	g := &generator{table: t, column: column}
	expr.Walk(e, func(n expr.Expr) bool {
		if c, ok := n.(*expr.Column); ok && !slices.Contains(g.columns, c.Index) {
			g.columns = append(g.columns, c.Index)
		}
		return true
	})
	var err error
	g.eval, err = expr.NewEvaluator(&expr.Env{Zone: time.UTC}, e)
	return g, err
}

// generator is a store.Generator.
type generator struct {
	table   *schema.Table
	column  int
	columns []int
	eval    *expr.Evaluator
	whole   types.Batch
}

// Columns implements store.Generator.
func (g *generator) Columns() []int { return g.columns }

// Append implements store.Generator. What cannot be stored is adjusted, as what
// INSERT IGNORE stored was.
func (g *generator) Append(rows *types.Batch, out *types.Vector) error {
	if g.whole.Columns == nil {
		g.whole.Columns = make([]*types.Vector, len(g.table.Columns))
	}
	for i, c := range g.columns {
		g.whole.Columns[c] = rows.Columns[i]
	}
	g.whole.Len = rows.Len
	values, err := g.eval.Eval(&g.whole)
	if err != nil {
		return err
	}
	col := &g.table.Columns[g.column]
	to := types.Target{Type: col.Type, Column: col.Name, Ignore: func(*sqlerr.Error) {}}
	v := types.NewVector(col.Type, rows.Len)
	if _, err := types.AssignVector(&to, values[0], v); err != nil {
		return err
	}
	for i := range rows.Len {
		if col.NotNull && v.IsNull(i) {
			out.AppendValue(types.Zero(col.Type))
		} else {
			out.AppendFrom(v, i)
		}
	}
	return nil
}
