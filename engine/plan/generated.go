package plan

import (
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
)

// Where an expression that an indexed generated column has stands in a condition
// or in ORDER BY, the column stands for it: that is how indexes on expressions,
// which are on hidden generated columns, are used.

// generatedExpr is the expression of an indexed generated column.
type generatedExpr struct {
	col  int // number
	expr expr.Expr
}

// indexedExprs returns the expressions of the generated columns of t that an
// index has, over column numbers.
func indexedExprs(t *schema.Table, first int) (list []generatedExpr, err error) {
	for i := range t.Columns {
		if t.Columns[i].Generated == "" || !indexed(t, i) {
			continue
		}
		ast, err := parse.ParseExpr(t.Columns[i].Generated)
		if err != nil {
			return nil, err
		}
		e, err := BindRow(t, ast)
		if err != nil {
			return nil, err
		}
		if e.Type() != t.Columns[i].Type && !keepsValues(e, &t.Columns[i]) {
			continue // its values are converted
		}
		list = append(list, generatedExpr{first + i, expr.MapColumns(e, func(c int) int { return first + c })})
	}
	return list, nil
}

// keepsValues reports whether the column of a hidden generated column has the
// values of its expression as they are, but for a length that is given.
func keepsValues(e expr.Expr, c *schema.Column) bool {
	t := e.Type()
	t.Size, t.Scale = c.Type.Size, c.Type.Scale
	return c.Hidden && !c.Invisible && t.Kind == c.Type.Kind && t.Unsigned == c.Type.Unsigned && t.Collation == c.Type.Collation
}

func indexed(t *schema.Table, column int) bool {
	for i := range t.Indexes {
		for _, c := range t.Indexes[i].Columns {
			if c == column {
				return true
			}
		}
	}
	return false
}

// columnFor returns the generated column that has the values of e, or false.
func (b *builder) columnFor(e expr.Expr) (int, bool) {
	for i := range b.generated {
		if g := &b.generated[i]; expr.Equal(g.expr, e) {
			return g.col, true
		}
	}
	return 0, false
}

// matched returns conditions with generated columns in place of their expressions.
func (b *builder) matched(conds []expr.Expr) []expr.Expr {
	if len(b.generated) == 0 {
		return conds
	}
	out := make([]expr.Expr, len(conds))
	for i, c := range conds {
		out[i] = expr.Rewrite(c, func(e expr.Expr) (expr.Expr, bool) {
			if col, ok := b.columnFor(e); ok {
				return b.ref(col), true
			}
			return nil, false
		})
	}
	return out
}
