package engine

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func textColumn(name string) plan.ResultColumn {
	return plan.ResultColumn{Name: name, Type: types.TextType, Nullable: true}
}

func intColumn(name string) plan.ResultColumn {
	return plan.ResultColumn{Name: name, Type: types.Int64Type, Nullable: true}
}

func textColumns(names ...string) []plan.ResultColumn {
	list := make([]plan.ResultColumn, len(names))
	for i, n := range names {
		list[i] = textColumn(n)
	}
	return list
}

func columnTypes(columns []plan.ResultColumn) []types.Type {
	ts := make([]types.Type, len(columns))
	for i := range columns {
		ts[i] = columns[i].Type
	}
	return ts
}

// listing returns a result set of given rows.
func (s *Session) listing(rows [][]types.Value, columns ...plan.ResultColumn) *resultSet {
	set := &resultSet{session: s, columns: columns}
	if len(rows) > 0 {
		b := types.NewBatch(columnTypes(columns))
		for _, r := range rows {
			b.AppendRow(r)
		}
		set.batches = []*types.Batch{b}
	}
	return set
}

// shown are the kinds of SHOW that there are.
var shown = map[sqlparser.ShowCommandType]bool{
	sqlparser.Database: true, sqlparser.Table: true, sqlparser.Column: true, sqlparser.Index: true,
	sqlparser.CreateTbl: true, sqlparser.CreateDb: true, sqlparser.CreateV: true, sqlparser.VariableSession: true, sqlparser.VariableGlobal: true,
	sqlparser.Warnings: true, sqlparser.Errors: true, sqlparser.StatusSession: true, sqlparser.StatusGlobal: true,
	sqlparser.Trigger: true, sqlparser.CreateTr: true,
}

func checkShow(n *sqlparser.Show, sql string) error {
	switch x := n.Internal.(type) {
	case *sqlparser.ShowBasic:
		if _, ok := listings[x.Command]; ok || shown[x.Command] {
			return nil
		}
	case *sqlparser.ShowCreate:
		if shown[x.Command] {
			return nil
		}
	}
	return sqlerr.Unsupported("%s", statementName(sql))
}

// show runs SHOW.
func (s *Session) show(ctx context.Context, n *sqlparser.Show, sql string) (*resultSet, error) {
	if err := checkShow(n, sql); err != nil {
		return nil, err
	}
	switch x := n.Internal.(type) {
	case *sqlparser.ShowCreate:
		return s.showCreate(ctx, x)
	}
	b := n.Internal.(*sqlparser.ShowBasic)
	var rows [][]types.Value
	var columns []plan.ResultColumn
	var err error
	switch b.Command {
	case sqlparser.Database:
		columns = textColumns("Database")
		rows, err = s.showDatabases(ctx)
	case sqlparser.Table:
		columns, rows, err = s.showTables(ctx, b)
	case sqlparser.Trigger:
		columns, rows, err = s.showTriggers(ctx, b)
	case sqlparser.Column, sqlparser.Index:
		t, e := s.table(ctx, b.Tbl, b.DbName.String())
		if e != nil {
			return nil, e
		}
		if b.Command == sqlparser.Column {
			if t, err = s.described(ctx, t); err != nil {
				return nil, err
			}
			columns, rows = showColumns(t, b.Full)
		} else {
			columns, rows = s.showIndexes(t)
		}
	case sqlparser.VariableSession, sqlparser.VariableGlobal:
		columns = textColumns("Variable_name", "Value")
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			if statementOnly[name] == "" {
				rows = append(rows, []types.Value{types.NewString(name), variables[name].text(s, name)})
			}
		}
	case sqlparser.StatusSession, sqlparser.StatusGlobal:
		columns = textColumns("Variable_name", "Value")
		rows = s.showStatus()
	case sqlparser.Warnings, sqlparser.Errors:
		return s.showWarnings(b)
	default: // one of listings
		columns, rows, err = s.showListed(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	return s.filter(ctx, b.Filter, columns, rows)
}

// filter keeps the rows that a LIKE, of the first column, or a WHERE lets through.
func (s *Session) filter(ctx context.Context, f *sqlparser.ShowFilter, columns []plan.ResultColumn, rows [][]types.Value) (*resultSet, error) {
	set := s.listing(rows, columns...)
	if f == nil || len(rows) == 0 && f.Filter == nil {
		return set, nil
	}
	cond := f.Filter
	if cond == nil {
		// Names compare without regard to case here.
		lower := func(e sqlparser.Expr) sqlparser.Expr {
			return &sqlparser.FuncExpr{Name: sqlparser.NewIdentifierCI("lower"), Exprs: []sqlparser.Expr{e}}
		}
		cond = &sqlparser.ComparisonExpr{
			Operator: sqlparser.LikeOp,
			Left:     lower(sqlparser.NewColName(columns[0].Name)),
			Right:    lower(sqlparser.NewStrLiteral(f.Like)),
		}
	}
	bound, err := (&expr.Binder{Scope: listScope{columns: columns}}).Bind(cond)
	if err != nil {
		return nil, err
	}
	env := &expr.Env{Context: ctx, Now: time.Now(), Zone: s.zone, Database: s.namespace, User: s.user, Warn: s.warn}
	ev, err := expr.NewEvaluator(env, bound)
	if err != nil || len(rows) == 0 {
		return set, err
	}
	sel, err := ev.Select(set.batches[0], nil)
	if err != nil {
		return nil, err
	}
	kept := types.NewBatch(columnTypes(columns))
	kept.Gather(set.batches[0], sel)
	set.batches = []*types.Batch{kept}
	if kept.Len == 0 {
		set.batches = nil
	}
	return set, nil
}

// listScope resolves the columns of a listing.
type listScope struct {
	columns []plan.ResultColumn
	expr.NoAggregates
}

func (l listScope) Resolve(name *sqlparser.ColName) (expr.Expr, error) {
	for i, c := range l.columns {
		if name.Qualifier.IsEmpty() && name.Name.EqualString(c.Name) {
			return &expr.Column{Index: i, Name: c.Name, T: c.Type, Null: true}, nil
		}
	}
	return nil, sqlerr.UnknownColumn.New("Unknown column '%s' in 'where clause'", sqlparser.String(name))
}

func (listScope) Subquery(expr.SubqueryKind, sqlparser.TableStatement, []expr.Expr) (*expr.Subquery, error) {
	return nil, sqlerr.Unsupported("subqueries in SHOW")
}

// table returns the table that a SHOW or DESCRIBE means.
func (s *Session) table(ctx context.Context, t sqlparser.TableName, namespace string) (*schema.Table, error) {
	if namespace == "" {
		namespace = t.Qualifier.String()
	}
	namespace, err := s.namespaceOr(namespace)
	if err != nil {
		return nil, err
	}
	if t := s.temporary(namespace, t.Name.String()); t != nil {
		return t, nil
	}
	d, err := s.engine.catalog.Table(ctx, namespace, t.Name.String())
	if err != nil {
		return nil, err
	}
	if seen, err := s.sees(ctx, d); err != nil {
		return nil, err
	} else if !seen {
		return nil, rights.Denied(rights.Select, s.user, d)
	}
	return d, nil
}

// namespaceOr returns the namespace, or the session's when it is "".
func (s *Session) namespaceOr(namespace string) (string, error) {
	if namespace == "" {
		namespace = s.namespace
	}
	if namespace == "" {
		return "", sqlerr.NoDatabase.New("No database selected")
	}
	return namespace, nil
}

func (s *Session) showDatabases(ctx context.Context) ([][]types.Value, error) {
	names, err := s.engine.catalog.Namespaces(ctx)
	var rows [][]types.Value
	for _, n := range names {
		rows = append(rows, []types.Value{types.NewString(n)})
	}
	return rows, err
}

// tableKind is what MySQL calls a table's kind.
func tableKind(t *schema.Table) string {
	switch t.Kind {
	case schema.System:
		return "SYSTEM VIEW"
	case schema.Viewed:
		return "VIEW"
	}
	return "BASE TABLE"
}

func (s *Session) showTables(ctx context.Context, b *sqlparser.ShowBasic) ([]plan.ResultColumn, [][]types.Value, error) {
	namespace, err := s.namespaceOr(b.DbName.String())
	if err != nil {
		return nil, nil, err
	}
	names, err := s.engine.catalog.TableNames(ctx, namespace)
	columns := textColumns("Tables_in_" + namespace)
	if b.Full {
		columns = append(columns, textColumn("Table_type"))
	}
	var rows [][]types.Value
	for _, n := range names {
		row := []types.Value{types.NewString(n)}
		if b.Full || s.user != SystemUser {
			t, err := s.engine.catalog.Table(ctx, namespace, n)
			if err != nil {
				return nil, nil, err
			}
			if seen, err := s.sees(ctx, t); err != nil {
				return nil, nil, err
			} else if !seen {
				continue
			}
			if !b.Full {
				rows = append(rows, row)
				continue
			}
			row = append(row, types.NewString(tableKind(t)))
		}
		rows = append(rows, row)
	}
	return columns, rows, err
}

func (s *Session) showStatus() [][]types.Value {
	e := s.engine
	e.mu.Lock()
	sessions := len(e.sessions)
	e.mu.Unlock()
	hits, misses, entries := e.plans.stats()
	st := e.db.Stats()
	var rows [][]types.Value
	for _, v := range []struct {
		name string
		n    int64
	}{
		{"Disk_bytes", st.DiskBytes},
		{"Log_bytes", st.LogBytes},
		{"Memory_bytes", st.MemoryBytes},
		{"Plan_cache_entries", int64(entries)},
		{"Plan_cache_hits", int64(hits)},
		{"Plan_cache_misses", int64(misses)},
		{"Threads_connected", int64(sessions)},
		{"Uptime", int64(time.Since(e.started) / time.Second)},
	} {
		rows = append(rows, []types.Value{types.NewString(v.name), types.NewString(strconv.FormatInt(v.n, 10))})
	}
	return rows
}

// showWarnings lists the errors and warnings of the statement before.
func (s *Session) showWarnings(b *sqlparser.ShowBasic) (*resultSet, error) {
	var rows [][]types.Value
	for _, w := range s.warnings {
		level, number, message := "Warning", int64(sqlerr.Internal.Number), w.Error()
		if e := sqlerr.As(w); e != nil {
			number, message = int64(e.Kind.Number), e.Message
		}
		if w == s.lastError {
			level = "Error"
		}
		if level == "Error" || b.Command == sqlparser.Warnings {
			rows = append(rows, []types.Value{types.NewString(level), types.NewInt(number), types.NewString(message)})
		}
	}
	if b.Limit != nil {
		from, err := limitNumber(b.Limit.Offset, 0)
		if err != nil {
			return nil, err
		}
		n, err := limitNumber(b.Limit.Rowcount, len(rows))
		if err != nil {
			return nil, err
		}
		rows = rows[min(from, len(rows)):]
		rows = rows[:min(n, len(rows))]
	}
	return s.listing(rows, textColumn("Level"), intColumn("Code"), textColumn("Message")), nil
}

// limitNumber reads a number of SHOW's LIMIT.
func limitNumber(e sqlparser.Expr, missing int) (int, error) {
	if e == nil {
		return missing, nil
	}
	if l, ok := e.(*sqlparser.Literal); ok && l.Type == sqlparser.IntVal {
		if n, err := strconv.Atoi(l.Val); err == nil {
			return n, nil
		}
	}
	return 0, sqlerr.Unsupported("LIMIT %s in SHOW", sqlparser.String(e))
}

// showCount counts the warnings, or errors, of the statement before.
func (s *Session) showCount(errors bool) *resultSet {
	name, n := "@@session.warning_count", int64(len(s.warnings))
	if errors {
		name, n = "@@session.error_count", boolInt(s.lastError != nil)
	}
	return s.listing([][]types.Value{{types.NewInt(n)}}, intColumn(name))
}

// describe runs DESCRIBE t.
func (s *Session) describe(ctx context.Context, n *sqlparser.ExplainTab) (*resultSet, error) {
	t, err := s.table(ctx, n.Table, "")
	if err != nil {
		return nil, err
	}
	if t, err = s.described(ctx, t); err != nil {
		return nil, err
	}
	columns, rows := showColumns(t, false)
	var f *sqlparser.ShowFilter
	if n.Wild != "" {
		f = &sqlparser.ShowFilter{Like: n.Wild}
	}
	return s.filter(ctx, f, columns, rows)
}
