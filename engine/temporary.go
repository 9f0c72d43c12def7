package engine

import (
	"context"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// temporaries are the tables of CREATE TEMPORARY TABLE that a session has. They are
// tables like others, but for being in no catalogue: the session finds them first.
type temporaries struct {
	tables  map[ownName]*schema.Table
	version uint64          // another one whenever tables is; 0: there are none
	dropped []*schema.Table // in the open transaction, which may have written them
}

// ownName names a temporary table. A session runs statements of several users, who do
// not see each other's.
type ownName struct{ user, namespace, name string }

// makingNamespace qualifies the name by which a statement finds s.making.
const makingNamespace = "\x00"

// temporary returns the session's own table of a name, or nil.
func (s *Session) temporary(namespace, name string) *schema.Table {
	if namespace == makingNamespace {
		return s.making
	}
	return s.temporaries.tables[ownName{s.user, namespace, name}]
}

func (s *Session) setTemporary(t *schema.Table, there bool) {
	name := ownName{s.user, t.Namespace, t.Name}
	all := &s.temporaries
	if there {
		if all.tables == nil {
			all.tables = map[ownName]*schema.Table{}
		}
		all.tables[name] = t
	} else if delete(all.tables, name); len(all.tables) == 0 {
		all.tables = nil
	}
	if all.version = 0; all.tables != nil {
		all.version = s.engine.temporaries.Add(1)
	}
}

// createOf returns the CREATE TABLE that a statement is, or nil.
func createOf(ast sqlparser.Statement) *parse.CreateTable {
	switch n := ast.(type) {
	case *sqlparser.CreateTable:
		return &parse.CreateTable{CreateTable: n}
	case *parse.CreateTable:
		return n
	}
	return nil
}

// changeTemporary runs a statement about temporary tables, and reports whether it was
// one. Such statements do not end the transaction.
func (s *Session) changeTemporary(ctx context.Context, st *parse.Statement, args arguments) (done bool, r Result, err error) {
	if n := createOf(st.AST); n != nil {
		if n.Temp {
			r, err = s.createTemporary(ctx, st, n, args)
		}
		return n.Temp, r, err
	}
	if n, ok := st.AST.(*sqlparser.DropTable); ok {
		done, err = s.dropTemporary(ctx, n)
		return done, r, err
	}
	if s.temporaries.tables == nil {
		return false, r, nil
	}
	own := func(name sqlparser.TableName) *schema.Table {
		return s.temporary(s.qualifier(name), name.Name.String())
	}
	switch n := st.AST.(type) {
	case *sqlparser.TruncateTable:
		t := own(n.Table)
		if t == nil {
			return false, r, nil
		}
		if err = s.commit(ctx); err == nil {
			err = s.engine.catalog.Empty(ctx, t)
		}
		return true, r, err
	case *sqlparser.AlterTable:
		if own(n.Table) != nil {
			return true, r, sqlerr.Unsupported("ALTER TABLE of a temporary table")
		}
	case *parse.AlterTable:
		if own(n.Table) != nil {
			return true, r, sqlerr.Unsupported("ALTER TABLE of a temporary table")
		}
	case *parse.SetOptions:
		if own(n.Table) != nil {
			return true, r, sqlerr.Unsupported("ALTER TABLE of a temporary table")
		}
	case *parse.CreateTrigger:
		if own(n.Table) != nil {
			return true, r, sqlerr.TriggerOnTemporary.New("Trigger's '%s' is view or temporary table", n.Table.Name.String())
		}
	}
	return false, r, nil
}

func (s *Session) createTemporary(ctx context.Context, st *parse.Statement, n *parse.CreateTable, args arguments) (r Result, err error) {
	if s.cfg.ReadOnly {
		return r, s.writable()
	}
	if t := s.temporary(s.qualifier(n.Table), n.Table.Name.String()); t != nil {
		there := sqlerr.TableExists.New("Table '%s' already exists", t.Name).On(t.QualifiedName())
		if n.IfNotExists {
			s.warn(there)
			return r, nil
		}
		return r, there
	}
	if n.Select != nil {
		return s.createAs(ctx, st, n, args)
	}
	t, err := s.engine.catalog.Provisional(ctx, s.scope(), n, nil)
	if err == nil {
		s.setTemporary(t, true)
	}
	return r, err
}

// createAs runs a CREATE TABLE with a query. All see the table once it has the rows.
func (s *Session) createAs(ctx context.Context, st *parse.Statement, n *parse.CreateTable, args arguments) (r Result, err error) {
	if !n.Temp {
		if there, err := s.engine.catalog.Exists(ctx, s.scope(), n); there || err != nil {
			return r, err
		}
	}
	query, t, err := s.shapeOf(ctx, st, n, args)
	if err != nil {
		return r, err
	}
	kept := false
	defer func() {
		if !kept {
			s.engine.catalog.Abandon(context.WithoutCancel(ctx), t)
		}
	}()
	s.making = t
	defer func() { s.making = nil }()
	r, _, err = s.write(ctx, insertOf(st, n, query, t), args)
	if err != nil {
		return r, err
	}
	if n.Temp {
		kept = true
		s.setTemporary(t, true)
		return r, nil
	}
	kept, err = s.engine.catalog.Adopt(ctx, s.scope(), t, n)
	if !kept {
		r = Result{}
	}
	return r, err
}

// selected is a query and the names of its columns.
type selected struct {
	sqlparser.TableStatement
	columns sqlparser.Columns
}

// shapeOf makes the table of a CREATE TABLE with a query.
func (s *Session) shapeOf(ctx context.Context, st *parse.Statement, n *parse.CreateTable, args arguments) (q selected, t *schema.Table, err error) {
	defer recovered(st.SQL, &err)
	q.TableStatement = n.Select
	if st.Variables {
		ast, err := s.replaceVariables(n.Select)
		if err != nil {
			return q, nil, err
		}
		q.TableStatement = ast.(sqlparser.TableStatement)
	}
	o := s.planOptions(st.SQL, args.types)
	o.Allowed, o.Locking = s.allowed(ctx), st.Locking
	columns, err := plan.QueryColumns(ctx, q.TableStatement, o)
	if err != nil {
		return q, nil, err
	}
	for _, c := range columns {
		q.columns = append(q.columns, sqlparser.NewIdentifierCI(c.Name))
	}
	t, err = s.engine.catalog.Provisional(ctx, s.scope(), n, columns)
	return q, t, err
}

// insertOf returns the INSERT that fills t with the rows of a CREATE TABLE's query.
func insertOf(st *parse.Statement, n *parse.CreateTable, q selected, t *schema.Table) *parse.Statement {
	insert := *st
	ast := &sqlparser.Insert{
		Table:   sqlparser.NewAliasedTableExpr(sqlparser.NewTableNameWithQualifier(t.Name, makingNamespace), ""),
		Columns: q.columns, Rows: q.TableStatement.(sqlparser.InsertRows),
	}
	switch n.IgnoreOrReplace {
	case sqlparser.IgnoreType:
		ast.Ignore = true
	case sqlparser.ReplaceType:
		ast.Action = sqlparser.ReplaceAct
	}
	insert.AST, insert.Variables = ast, false
	return &insert
}

// dropTemporary runs a DROP TABLE as far as it names temporary tables, and reports
// whether that is all.
func (s *Session) dropTemporary(ctx context.Context, n *sqlparser.DropTable) (done bool, err error) {
	var own []*schema.Table
	var others sqlparser.TableNames
	for _, name := range n.FromTables {
		if t := s.temporary(s.qualifier(name), name.Name.String()); t != nil {
			own = append(own, t)
		} else {
			others = append(others, name)
		}
	}
	switch {
	case len(others) > 0 && !n.Temp && len(own) > 0:
		return true, sqlerr.Unsupported("DROP TABLE of temporary tables and others at once")
	case len(others) > 0 && !n.Temp:
		return false, nil
	case len(others) > 0:
		unknown := sqlerr.UnknownTable.New("Unknown table '%s.%s'", s.qualifier(others[0]), others[0].Name.String())
		if !n.IfExists {
			return true, unknown
		}
		s.warn(unknown)
	}
	if err := s.settle(ctx); err != nil {
		return true, err
	}
	for _, t := range own {
		s.setTemporary(t, false)
		s.temporaries.dropped = append(s.temporaries.dropped, t)
	}
	if s.tx == nil {
		s.removeDropped()
	}
	return true, nil
}

// removeDropped removes the rows of the temporary tables that were dropped. What remains
// when that fails goes when the database is opened.
func (s *Session) removeDropped() {
	for _, t := range s.temporaries.dropped {
		s.engine.catalog.Abandon(context.Background(), t)
	}
	s.temporaries.dropped = nil
}

// dropTemporaries drops the temporary tables of all users. No transaction is open.
func (s *Session) dropTemporaries() {
	for _, t := range s.temporaries.tables {
		s.temporaries.dropped = append(s.temporaries.dropped, t)
	}
	s.removeDropped()
	s.temporaries = temporaries{}
}
