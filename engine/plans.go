package engine

import (
	"context"
	"encoding/binary"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// planKey is all that a plan depends on.
type planKey struct {
	sql, namespace string
	version        uint64 // of the catalogue
	zone           *time.Location
	params         string // their types, see appendSignature
	fullGroupBy    bool
	noForeignKeys  bool
	zeroDates      types.ZeroDates
	dialect        parse.Dialect // of sql
	assumedRows    int64
	temporaries    uint64 // version of the session's temporary tables; 0: it has none
}

// planKey returns what a plan made now depends on.
func (s *Session) planKey(sql string, version uint64, signature []byte, dialect parse.Dialect, temporaries uint64) planKey {
	return planKey{
		sql, s.namespace, version, s.zone, string(signature), s.has(onlyFullGroupBy), s.noForeignKeys, s.zeroDates(), dialect,
		s.assumedRows, temporaries,
	}
}

// argumentColumns begins the signature of a plan for rows of arguments; no type's does.
const argumentColumns = 0xff

// appendSignature appends what tells a parameter's type from others.
func appendSignature(dst []byte, t types.Type) []byte {
	dst = append(dst, byte(t.Kind), boolByte(t.Unsigned))
	dst = binary.AppendVarint(dst, int64(t.Size))
	dst = binary.AppendVarint(dst, int64(t.Scale))
	return binary.AppendUvarint(dst, uint64(t.Collation))
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// plan returns the plan of a statement for arguments of the given types, and
// the version of the catalogue for which it holds.
func (s *Session) plan(ctx context.Context, st *parse.Statement, args arguments) (*preparedPlan, uint64, error) {
	var buf [64]byte
	signature := buf[:0]
	if args.rows != nil {
		signature = append(signature, argumentColumns)
	}
	for _, t := range args.types {
		signature = appendSignature(signature, t)
	}
	version := s.engine.catalog.Version()
	_, old := s.oldSnapshot()
	cacheable := !st.Variables && !old && s.making == nil
	if cacheable {
		p, ok := s.engine.plans.get(s.planKey(st.SQL, version, signature, st.Dialect, s.temporaries.version))
		if ok {
			return p, version, s.mayUse(ctx, p.Plan)
		}
	}
	built, err := s.buildFor(ctx, st.AST, st, args)
	if err != nil {
		return nil, 0, err
	}
	p := newPreparedPlan(built)
	if cacheable {
		key := s.planKey(st.SQL, version, signature, st.Dialect, s.temporaries.version)
		s.engine.plans.put(key, p, 1024+32*len(st.SQL)+len(signature))
	}
	return p, version, nil
}

// build plans a statement of st's text.
func (s *Session) build(ctx context.Context, ast sqlparser.Statement, st *parse.Statement, params []types.Type) (p *plan.Plan, err error) {
	return s.buildFor(ctx, ast, st, arguments{types: params})
}

func (s *Session) buildFor(ctx context.Context, ast sqlparser.Statement, st *parse.Statement, args arguments) (p *plan.Plan, err error) {
	defer recovered(st.SQL, &err)
	if st.Variables {
		if ast, err = s.replaceVariables(ast); err != nil {
			return nil, err
		}
	}
	o := s.planOptions(st.SQL, args.types)
	o.Arguments = args.rows != nil
	o.Allowed, o.SystemWrites = s.allowed(ctx), tables.MayWrite
	o.Returning, o.Locking, o.Load, o.Restores = st.Returning, st.Locking, st.Load, st.Restores
	return plan.Build(ctx, ast, o)
}

func (s *Session) planOptions(sql string, params []types.Type) plan.Options {
	o := plan.Options{
		Catalog: s.catalogue(), Namespace: s.namespace, Params: params, Zone: s.zone, SQL: sql,
		PartialGroupBy: !s.has(onlyFullGroupBy), NoForeignKeys: s.noForeignKeys, ZeroDates: s.zeroDates(), ColumnType: service.ColumnType,
		AssumedRows: s.assumedRows,
	}
	if s.temporaries.tables != nil || s.making != nil {
		o.Temporary = s.temporary
	}
	return o
}

// oldSnapshot returns the catalogue's version at the open transaction's snapshot if
// there are indexes that are younger.
func (s *Session) oldSnapshot() (version uint64, old bool) {
	t := s.tx
	if t == nil || !t.Started() || t.stale || t.opts.Isolation < RepeatableRead {
		return 0, false
	}
	return t.version, s.engine.catalog.HasYounger(t.version)
}

// catalogue returns what statements are planned by.
func (s *Session) catalogue() plan.Catalog {
	if v, old := s.oldSnapshot(); old {
		return s.engine.catalog.AsOf(v)
	}
	return s.engine.catalog
}

// check finds out whether a statement can run, without parameters. later tells
// that an earlier statement may still change what its names mean.
func (s *Session) check(ctx context.Context, st *parse.Statement, later bool) error {
	ast := st.AST
	if x, ok := ast.(*parse.ExecuteAs); ok {
		if err := checkAs(x); err != nil {
			return err
		}
		return at(s.checkOthers(ctx, x.Statement, later), x.Statement)
	}
	if x, ok := ast.(*parse.Subscribe); ok {
		err := s.checkSubscribe(ctx, x)
		if e := sqlerr.As(err); e != nil && (aboutValues[e.Kind] || later && aboutNames[e.Kind]) {
			return nil
		}
		return err
	}
	if x, ok := ast.(*sqlparser.ExplainStmt); ok {
		if err := checkExplain(x); err != nil {
			return err
		}
		ast = x.Statement
	}
	switch {
	case planned(ast):
		params := make([]types.Type, st.Params+len(st.UserVariables))
		for i := range params {
			params[i] = types.NullType
		}
		var err error
		if len(params) == 0 && ast == st.AST && !later {
			_, _, err = s.plan(ctx, st, arguments{})
		} else {
			_, err = s.build(ctx, ast, st, params)
		}
		if e := sqlerr.As(err); e != nil && (aboutValues[e.Kind] || later && aboutNames[e.Kind]) {
			return nil
		}
		return err
	case st.Params > 0 && !takesParameters(ast):
		return sqlerr.Unsupported("parameters in %s", statementName(st.SQL))
	}
	return checkCommand(st)
}

// checkOthers is check for a statement that another user will run, whose rights are
// not known yet: those of the owner do.
func (s *Session) checkOthers(ctx context.Context, st *parse.Statement, later bool) error {
	self := s.user
	s.user = SystemUser
	defer func() { s.user = self }()
	return s.check(ctx, st, later)
}

// takesParameters reports whether a statement without plan may have parameters.
func takesParameters(ast sqlparser.Statement) bool {
	if n := createOf(ast); n != nil {
		return n.Select != nil
	}
	switch ast.(type) {
	case *sqlparser.Set, *parse.CreateUser, *parse.AlterUser, *parse.DropUser, *parse.Consume, *parse.Ack:
		return true
	}
	return false
}

// planned reports whether a statement is run by a plan.
func planned(ast sqlparser.Statement) bool {
	switch ast.(type) {
	case sqlparser.TableStatement, *sqlparser.Insert, *sqlparser.Update, *sqlparser.Delete, *sqlparser.Load:
		return true
	}
	return false
}

// aboutValues are errors that may be due to parameters not having values yet.
var aboutValues = map[*sqlerr.Kind]bool{
	sqlerr.ColumnNotNull: true, sqlerr.BadNull: true, sqlerr.WrongArguments: true, sqlerr.OutOfRange: true,
	sqlerr.DataOutOfRange: true, sqlerr.DataTruncated: true, sqlerr.DivisionByZero: true, sqlerr.IncorrectValue: true,
	sqlerr.TruncatedWrongVal: true, sqlerr.DataTooLong: true, sqlerr.InvalidJSON: true, sqlerr.WrongValue: true,
}

// aboutNames are errors that an earlier statement may make go away.
var aboutNames = map[*sqlerr.Kind]bool{
	sqlerr.NoSuchTable: true, sqlerr.BadDatabase: true, sqlerr.NoDatabase: true, sqlerr.UnknownColumn: true,
	sqlerr.AmbiguousColumn: true, sqlerr.KeyNotFound: true, sqlerr.WrongColumnCount: true,
}

// changesNames reports whether names may mean something else after a statement.
func changesNames(ast sqlparser.Statement) bool {
	switch ast.(type) {
	case *sqlparser.Use, sqlparser.DDLStatement, sqlparser.DBDDLStatement:
		return true
	}
	return false
}
