package plan

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// A statement that changes several tables, or one that it reads elsewhere as well,
// reads all of its rows before it writes: a Spooled keeps them for each table,
// every row of a table once, and runs an Update, Delete or Insert over them.

// forbid has subqueries that read one of tables refused, as MySQL does but in
// derived tables; the result takes it back.
func (b *builder) forbid(tables ...*schema.Table) (release func()) {
	old := b.forbidden
	b.forbidden = tables
	return func() { b.forbidden = old }
}

// checkRead refuses a table that a subquery may not read.
func (b *builder) checkRead(t *schema.Table) error {
	if b.inExpr > 0 && slices.Contains(b.forbidden, t) {
		return sqlerr.UpdateTableUsed.New("You can't specify target table '%s' for update in FROM clause", t.Name).On(t.QualifiedName())
	}
	return nil
}

// spooled has write, whose input yields the rows of t alone, read all of them
// first if the statement reads t elsewhere.
func (b *builder) spooled(p *Plan, input *Node) *Plan {
	if b.reads[p.Writes.ID] < 2 {
		return p
	}
	s := Spool{ID: b.spoolID(), Write: p.Root}
	in := *input
	for i := range in.Types() {
		s.Columns = append(s.Columns, i)
	}
	*input = &Work{Name: p.Writes.Name, ID: s.ID, T: in.Types()}
	p.Root = &Spooled{Input: in, Targets: []Spool{s}}
	return p
}

func (b *builder) spoolID() int {
	b.bound++ // of queries, whose numbers IDs are
	return b.bound
}

// changed is a table that a multi-table statement changes.
type changed struct {
	rel   *tableRel
	src   *source
	alias string
	set   []boundSet
}

func (c *changed) target() *target {
	return &target{from: &from{rel: c.rel, sources: []*source{c.src}, visible: c.src.cols}, rel: c.rel, rows: c.rel}
}

// boundSet is an assignment whose value is over the joined rows.
type boundSet struct {
	column int
	value  expr.Expr
}

// source returns the source that a column comes from.
func (f *from) source(id int) *source {
	for _, s := range f.sources {
		for _, c := range s.cols {
			if c.id == id {
				return s
			}
		}
	}
	return nil
}

// changedOf returns the entry of list for the table of src, a new one if there is none.
func changedOf(list []*changed, src *source, statement string) ([]*changed, *changed, error) {
	if src.rel == nil {
		return nil, nil, sqlerr.NonUpdatable.New("The target table %s of the %s is not updatable", src.alias, statement)
	}
	if src.rel.table.Kind == schema.System {
		return nil, nil, errSystem(src.rel.table)
	}
	for _, c := range list {
		if c.rel == src.rel {
			return list, c, nil
		}
	}
	c := &changed{rel: src.rel, src: src, alias: src.alias}
	return append(list, c), c, nil
}

func tablesOf(list []*changed) []*schema.Table {
	var tables []*schema.Table
	for _, c := range list {
		tables = append(tables, c.rel.table)
	}
	return tables
}

// multiUpdate plans an UPDATE of a join. Each row is changed once, by the first
// joined row that it is in; the values of other tables are those from before.
func (b *builder) multiUpdate(s *sqlparser.Update) (*Plan, error) {
	switch {
	case len(s.OrderBy) > 0:
		return nil, sqlerr.WrongUsage.New("Incorrect usage of UPDATE and ORDER BY")
	case s.Limit != nil:
		return nil, sqlerr.WrongUsage.New("Incorrect usage of UPDATE and LIMIT")
	}
	f := &frame{}
	fr, err := b.from(s.TableExprs, f)
	if err != nil {
		return nil, err
	}
	sc := &scope{b: b, frame: f, from: fr, clause: "field list"}
	var list []*changed
	owners := make([]*changed, len(s.Exprs))
	for i, u := range s.Exprs {
		e, err := sc.Resolve(u.Name)
		if err != nil {
			return nil, err
		}
		src := fr.source(e.(*expr.Column).Index)
		if src == nil {
			return nil, errSystemColumn(u.Name.Name.String())
		}
		if list, owners[i], err = changedOf(list, src, "UPDATE"); err == nil {
			err = noEvents(owners[i].rel.table)
		}
		if err != nil {
			return nil, err
		}
	}
	defer b.forbid(tablesOf(list)...)()
	for i, u := range s.Exprs {
		t := owners[i].rel.table
		to := owners[i].target()
		c, err := to.writable(u.Name.Name)
		if err != nil {
			return nil, err
		}
		if generated, err := generatedValue(t, c, u.Expr); err != nil {
			return nil, err
		} else if generated {
			continue // it is computed anyway
		}
		e, err := b.withDefaults(u.Expr, to, c)
		if err != nil {
			return nil, err
		}
		bound, err := b.bind(e, sc)
		if err != nil {
			return nil, err
		}
		owners[i].set = append(owners[i].set, boundSet{c, expr.ForColumn(bound, t.Columns[c].Type)})
	}
	return b.multi(fr, f, s.Where, list, rights.Update, func(c *changed, in *phys) (Node, *Node, error) {
		rules, err := b.rulesOf(c.rel.table)
		n := &Update{Table: c.rel.table, Rules: rules, Ignore: bool(s.Ignore)}
		for _, set := range c.set {
			n.Set = append(n.Set, Assignment{Column: set.column, Value: b.expr(set.value, in)})
		}
		return n, &n.Input, err
	})
}

// multiDelete plans a DELETE of rows of a join.
func (b *builder) multiDelete(s *sqlparser.Delete) (*Plan, error) {
	f := &frame{}
	fr, err := b.from(s.TableExprs, f)
	if err != nil {
		return nil, err
	}
	var list []*changed
	for _, name := range s.Targets {
		at := slices.IndexFunc(fr.sources, func(s *source) bool { return s.named(name) })
		if at < 0 {
			return nil, sqlerr.UnknownMultiTable.New("Unknown table '%s' in MULTI DELETE", name.Name.String())
		}
		known := len(list)
		if list, _, err = changedOf(list, fr.sources[at], "DELETE"); err != nil {
			return nil, err
		}
		if len(list) == known {
			return nil, sqlerr.NonUniqTable.New("Not unique table/alias: '%s'", name.Name.String())
		}
	}
	defer b.forbid(tablesOf(list)...)()
	return b.multi(fr, f, s.Where, list, rights.Delete, func(c *changed, _ *phys) (Node, *Node, error) {
		rules, err := b.rulesOf(c.rel.table)
		n := &Delete{Table: c.rel.table, Rules: rules, Ignore: bool(s.Ignore)}
		return n, &n.Input, err
	})
}

// multi plans the changes of list's tables in the rows of fr that meet where.
// write makes the statement for a table, over its columns and what else its
// assignments read, and tells where its input goes.
func (b *builder) multi(fr *from, f *frame, where *sqlparser.Where, list []*changed, needs rights.Set, write func(*changed, *phys) (Node, *Node, error)) (*Plan, error) {
	if b.o.Returning != nil {
		return nil, sqlerr.Unsupported("RETURNING of a statement with several tables")
	}
	rel := fr.rel
	if where != nil {
		conds, err := b.conditions(where.Expr, &scope{b: b, frame: f, from: fr, clause: "where clause"})
		if err != nil {
			return nil, err
		}
		rel = filtered(rel, conds)
	}
	for _, c := range list {
		if c.rel.which != Live {
			return nil, errDeleted(c.rel, "UPDATE and DELETE")
		}
	}
	for _, c := range list {
		if err := b.need(c.rel.table, needs); err != nil {
			return nil, err
		}
	}
	n := &Spooled{}
	p := &Plan{Root: n, Writes: list[0].rel.table}
	var ids []int
	for i, c := range list {
		t := c.rel.table
		row := &phys{} // of the table's columns and what assignments read of others
		for k := range t.Columns {
			row.cols = append(row.cols, c.rel.first+k)
		}
		kept := row.cols[:len(row.cols):len(row.cols)]
		key := t.PrimaryKey
		if i > 0 { // the row may have changed by then: it is looked up again
			kept = nil
			for _, k := range t.PrimaryKey {
				kept = append(kept, c.rel.first+k)
			}
			key = upTo(len(kept))
		}
		extra := colSet{}
		for _, set := range c.set {
			extra = extra.with(set.value)
		}
		for k := range t.Columns {
			delete(extra, c.rel.first+k)
		}
		row.cols = append(row.cols, sorted(extra)...)
		kept = append(kept, sorted(extra)...)
		s := Spool{ID: b.spoolID(), Key: key}
		w := &Work{Name: c.alias, ID: s.ID}
		for _, id := range kept {
			at := slices.Index(ids, id)
			if at < 0 {
				at, ids = len(ids), append(ids, id)
			}
			s.Columns = append(s.Columns, at)
			w.T = append(w.T, b.cols[id].t)
		}
		var input *Node
		var err error
		if s.Write, input, err = write(c, row); err != nil {
			return nil, err
		}
		if *input = w; i > 0 {
			*input = b.lookUp(w, c)
		}
		n.Targets = append(n.Targets, s)
		b.tie(t)
	}
	n.Input = b.root(rel, ids).node
	return p, nil
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// lookUp returns the rows of c's table for the primary keys that w begins with,
// followed by what else w has.
func (b *builder) lookUp(w *Work, c *changed) Node {
	t := c.rel.table
	scan := &Scan{Table: t, Alias: c.alias, Columns: upTo(len(t.Columns)), Rows: 1}
	join := &IndexJoin{Kind: Inner, Left: w, Right: scan}
	for i, k := range t.PrimaryKey {
		col := b.ref(c.rel.first + k)
		col.Index = i
		join.Keys = append(join.Keys, col)
	}
	row := &Project{Input: join}
	for k := range t.Columns {
		col := b.ref(c.rel.first + k)
		col.Index = len(w.T) + k
		row.Exprs = append(row.Exprs, col)
	}
	for i := len(t.PrimaryKey); i < len(w.T); i++ {
		row.Exprs = append(row.Exprs, &expr.Column{Index: i, Name: w.Name, T: w.T[i], Null: true})
	}
	return row
}
