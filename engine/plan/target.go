package plan

import (
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// target is what a statement writes: a table, or a table through views.
type target struct {
	from *from     // names as the statement knows them
	rel  *tableRel // the table
	rows logical   // the rows of rel that the statement sees, with the columns of from
	view *schema.Table
	// Of views: the conditions that rows of theirs meet, and those that WITH CHECK
	// OPTION wants of rows that are written.
	seen, check []expr.Expr
	computed    map[int]expr.Expr // columns of views, over rel's columns
}

// written returns e, which knows the target's columns, over the table's.
func (t *target) written(e expr.Expr) expr.Expr {
	if len(t.computed) == 0 {
		return e
	}
	return substitute(e, t.computed)
}

// target finds the table that a statement writes, which needs rights on it.
func (b *builder) target(te sqlparser.TableExpr, statement string, needs rights.Set) (*target, error) {
	at, ok := te.(*sqlparser.AliasedTableExpr)
	if !ok {
		return nil, sqlerr.Unsupported("multi-table %s", statement)
	}
	name, ok := at.Expr.(sqlparser.TableName)
	if !ok {
		return nil, sqlerr.Unsupported("%s of a derived table", statement)
	}
	if !(name.Qualifier.IsEmpty() && name.Name.String() == "dual") {
		t, err := b.table(name)
		if err == nil {
			err = b.need(t, needs)
		}
		if err != nil {
			return nil, err
		}
		if t.Kind == schema.Viewed {
			alias := at.As.String()
			if alias == "" {
				alias = t.Name
			}
			return b.viewTarget(t, alias, statement, needs)
		}
	}
	b.naming = true
	fr, err := b.aliased(at, &frame{})
	b.naming = false
	if err != nil {
		return nil, err
	}
	rel, ok := fr.rel.(*tableRel)
	if !ok {
		return nil, sqlerr.NoTablesUsed.New("No tables used")
	}
	if rel.table.Kind == schema.System {
		if b.o.SystemWrites == nil || b.inside != nil {
			return nil, errSystem(rel.table)
		}
		if err := b.o.SystemWrites(rel.table, needs); err != nil {
			return nil, err
		}
	}
	return &target{from: fr, rel: rel, rows: rel}, nil
}

func errSystem(t *schema.Table) error {
	return sqlerr.CommandDenied.New("System table '%s' cannot be written here", t.QualifiedName()).On(t.QualifiedName())
}

// columns are those of the target that a statement can name.
func (t *target) columns() []*sourceColumn { return t.from.sources[0].cols }

// ordinal returns which of the table's columns c is, -1 for a computed one.
func (t *target) ordinal(c *sourceColumn) int {
	if n := c.id - t.rel.first; n >= 0 && n < len(t.rel.table.Columns) {
		return n
	}
	return -1
}

// writable returns the ordinal of the column that a statement names to write.
func (t *target) writable(name sqlparser.IdentifierCI) (int, error) {
	for _, c := range t.columns() {
		if !name.EqualString(c.name) {
			continue
		}
		n := t.ordinal(c)
		if c.hidden && (n < 0 || !t.rel.table.Columns[n].Invisible) {
			continue
		}
		if n >= 0 {
			return n, nil
		}
		return 0, sqlerr.ColumnNotUpdatable.New("Column '%s' is not updatable", name.String()).On(t.view.QualifiedName()).In(name.String())
	}
	if t.view == nil && (t.rel.table.SystemColumn(name.String()) >= 0 || t.rel.table.Column(name.String()) >= 0 && schema.Reserved(name.String())) {
		return 0, errSystemColumn(name.String()).On(t.name())
	}
	return 0, sqlerr.UnknownColumn.New("Unknown column '%s' in 'field list'", name.String()).On(t.name()).In(name.String())
}

func errSystemColumn(name string) *sqlerr.Error {
	return sqlerr.ColumnNotUpdatable.New("System column '%s' cannot be written", name).In(name)
}

// name is the target's name for errors.
func (t *target) name() string {
	if t.view != nil {
		return t.view.QualifiedName()
	}
	return t.rel.table.QualifiedName()
}

// checkInsertable refuses an INSERT through a view that is not a plain choice of
// the table's columns.
func (t *target) checkInsertable() error {
	if t.view == nil {
		return nil
	}
	given := map[int]bool{}
	for _, c := range t.columns() {
		n := t.ordinal(c)
		if n < 0 || given[n] {
			return notInsertable(t.view, t.from.sources[0].alias)
		}
		given[n] = true
	}
	for i := range t.rel.table.Columns {
		if c := &t.rel.table.Columns[i]; !given[i] && c.NotNull && c.Default == "" && c.Generated == "" && !c.AutoIncrement && !c.Hidden {
			return sqlerr.NoViewFieldDefault.New("Field of view '%s' underlying table doesn't have a default value", t.name()).On(t.name())
		}
	}
	return nil
}

// viewCheck returns what the target's views want of rows that are written, nil if nothing.
func (b *builder) viewCheck(t *target) *ViewCheck {
	if len(t.check) == 0 {
		return nil
	}
	in := &phys{}
	for i := range t.rel.table.Columns {
		in.cols = append(in.cols, t.rel.first+i)
	}
	return &ViewCheck{View: t.name(), Cond: b.expr(expr.Conjunction(t.check...), in)}
}

// returning binds the RETURNING clause, if there is one, over the table's rows.
func (b *builder) returning(t *target) ([]expr.Expr, []ResultColumn, error) {
	r := b.o.Returning
	if r == nil {
		return nil, nil, nil
	}
	fr := t.from
	if len(fr.sources) > 1 { // the row alias of ON DUPLICATE KEY UPDATE means nothing here
		fr = &from{rel: fr.rel, sources: fr.sources[:1], visible: t.columns()}
	}
	items, err := b.items(r.List.Exprs, listTexts(r.SQL), fr, &scope{b: b, frame: &frame{}, from: fr, clause: "returning clause", written: true})
	if err != nil {
		return nil, nil, err
	}
	in := &phys{}
	for i := range t.rel.table.Columns {
		in.cols = append(in.cols, t.rel.first+i)
	}
	exprs := make([]expr.Expr, len(items))
	columns := make([]ResultColumn, len(items))
	for i, it := range items {
		columns[i] = ResultColumn{Name: it.name, Type: it.expr.Type(), Nullable: it.expr.Nullable()}
		if c, ok := it.expr.(*expr.Column); ok {
			columns[i].Table = b.cols[c.Index].table
		}
		exprs[i] = b.expr(t.written(it.expr), in)
	}
	return exprs, columns, nil
}
