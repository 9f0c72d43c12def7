package engine

import (
	"context"
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// twoWords are the first words of statements that the second word tells apart.
var twoWords = map[string]bool{
	"ALTER": true, "ANALYZE": true, "CHECK": true, "CREATE": true, "DROP": true, "FLUSH": true, "LOCK": true,
	"OPTIMIZE": true, "PACK": true, "RENAME": true, "REPAIR": true, "SHOW": true, "UNLOCK": true,
}

// statementName names a kind of statement for messages, by how its text begins.
func statementName(sql string) string {
	words := strings.Fields(strings.ToUpper(sql[:min(len(sql), 100)]))
	switch {
	case len(words) == 0:
		return "this statement"
	case len(words) > 1 && twoWords[words[0]]:
		return words[0] + " " + words[1]
	}
	return words[0]
}

// diagnostic reports whether a statement leaves the warnings of the one before,
// since it tells of them.
func diagnostic(st *parse.Statement) bool {
	switch st.AST.(type) {
	case *parse.ShowCount, *parse.Diagnostics:
		return true
	}
	if show, ok := st.AST.(*sqlparser.Show); ok {
		b, ok := show.Internal.(*sqlparser.ShowBasic)
		return ok && (b.Command == sqlparser.Warnings || b.Command == sqlparser.Errors)
	}
	counts := false
	if st.Variables {
		sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
			if v, ok := n.(*sqlparser.Variable); ok {
				name := v.Name.Lowered()
				counts = counts || name == "warning_count" || name == "error_count"
			}
			return !counts, nil
		}, st.AST)
	}
	return counts
}

// command runs a statement that has no plan.
func (s *Session) command(ctx context.Context, st *parse.Statement, args arguments) (r Result, set *resultSet, err error) {
	defer recovered(st.SQL, &err)
	if err := s.mayRun(ctx, st); err != nil {
		return r, nil, err
	}
	switch n := st.AST.(type) {
	case *sqlparser.Begin:
		opts, err := beginOptions(n)
		if err == nil {
			err = s.commit(ctx)
		}
		if err == nil {
			s.unlockTables()
			err = s.begin(ctx, opts)
		}
		if err == nil && slices.Contains(n.TxAccessModes, sqlparser.WithConsistentSnapshot) && s.tx.opts.Isolation >= RepeatableRead {
			s.tx.fresh = false
			err = s.startNow(s.tx)
		}
		return r, nil, err
	case *sqlparser.Commit, *sqlparser.Rollback:
		return r, nil, s.endTransaction(ctx, st)
	case *sqlparser.Savepoint:
		return r, nil, s.savepoint(ctx, n.Name.String())
	case *sqlparser.SRollback:
		return r, nil, s.rollbackTo(ctx, n.Name.String())
	case *sqlparser.Release:
		return r, nil, s.release(n.Name.String())
	case *sqlparser.Use:
		return r, nil, s.use(ctx, n.DBName.String())
	case *sqlparser.Set:
		return r, nil, s.set(ctx, st, n, args)
	case *sqlparser.LockTables:
		return r, nil, s.lockTables(ctx, n)
	case *sqlparser.UnlockTables:
		if s.locked != nil {
			err = s.commit(ctx)
			s.unlockTables()
		}
		return r, nil, err
	case *sqlparser.PrepareStmt:
		return r, nil, s.prepareNamed(ctx, st, n, args)
	case *sqlparser.DeallocateStmt:
		return r, nil, s.deallocate(n)
	case *sqlparser.Kill:
		return r, nil, s.engine.kill(ctx, s.user, n.ProcesslistID, n.Type != sqlparser.QueryType)
	case *parse.CreateUser, *parse.AlterUser, *parse.DropUser:
		return r, nil, s.changeUsers(ctx, st, args)
	case *parse.KillJob:
		return r, nil, s.engine.killJob(ctx, n)
	case *parse.KillLive:
		return r, nil, s.engine.live.Kill(n.ID, func(user string) bool { return s.engine.mayActAs(ctx, s.user, user) == nil })
	case *parse.Subscribe:
		set, err = s.follow(ctx, st, n, args)
	case *parse.CreateTopic, *parse.DropTopic, *parse.AddSource, *parse.DropSource, *parse.DropGroup, *parse.Consume, *parse.Ack, *parse.ShowTopics:
		set, err = s.topicStatement(ctx, st, args)
	case *sqlparser.Show:
		set, err = s.show(ctx, n, st.SQL)
	case *parse.Grant:
		return r, nil, s.grant(ctx, n)
	case *parse.DescribeHistory:
		set, err = s.history(ctx, n)
	case *parse.ShowGrants:
		set, err = s.showGrants(ctx, n)
	case *sqlparser.ExplainTab:
		set, err = s.describe(ctx, n)
	case *sqlparser.Flush:
		if err = checkFlush(n); err == nil {
			err = s.commit(ctx)
		}
	case *parse.ShowCount:
		set = s.showCount(n.Errors)
	case *parse.Diagnostics:
		return r, nil, s.diagnostics(n)
	case *parse.Analyze:
		set, err = s.analyze(ctx, n)
	case *sqlparser.ExplainStmt:
		set, err = s.explain(ctx, st, n, args)
	case *parse.ChecksumTable:
		set, err = s.checksums(ctx, n)
	case *parse.CheckTable, *parse.CheckDatabase, *parse.RepairTable, *parse.PackTable:
		set, err = s.maintain(ctx, st)
	case *parse.Backup, *parse.Restore, *parse.VerifyBackup:
		set, err = s.copies(ctx, st)
	default:
		r, err = s.changeCatalog(ctx, st, args)
	}
	return r, set, err
}

// checkCommand finds out whether a statement that has no plan can run.
func checkCommand(st *parse.Statement) error {
	switch n := st.AST.(type) {
	case *sqlparser.Begin:
		_, err := beginOptions(n)
		return err
	case *sqlparser.Show:
		return checkShow(n, st.SQL)
	case *sqlparser.Set:
		return checkSet(n)
	case *sqlparser.Flush:
		return checkFlush(n)
	case *parse.CreateUser:
		return checkUsers(n.Users)
	case *parse.AlterUser:
		return checkUsers(n.Users)
	case *sqlparser.Commit, *sqlparser.Rollback, *sqlparser.Savepoint, *sqlparser.SRollback, *sqlparser.Release,
		*sqlparser.Use, *parse.DropUser, *parse.Grant, *parse.ShowGrants, *parse.DescribeHistory, *sqlparser.ExplainTab, *parse.CheckTable, *parse.CheckDatabase, *parse.RepairTable, *parse.PackTable,
		*parse.Backup, *parse.Restore, *parse.VerifyBackup, *parse.Analyze, *parse.KillJob, *parse.KillLive, *parse.ShowCount, *parse.Diagnostics, *parse.ChecksumTable:
		return nil
	case *sqlparser.PrepareStmt, *sqlparser.ExecuteStmt, *sqlparser.DeallocateStmt, *sqlparser.Kill, *sqlparser.LockTables, *sqlparser.UnlockTables,
		*parse.CreateTopic, *parse.DropTopic, *parse.AddSource, *parse.DropSource, *parse.DropGroup, *parse.Consume, *parse.Ack, *parse.ShowTopics:
		return nil
	}
	if known, err := service.Check(st.AST); known {
		return err
	}
	return sqlerr.Unsupported("%s", statementName(st.SQL))
}

func beginOptions(n *sqlparser.Begin) (TxOptions, error) {
	var o TxOptions
	for _, m := range n.TxAccessModes {
		switch m {
		case sqlparser.ReadOnly:
			o.ReadOnly = true
		case sqlparser.WithConsistentSnapshot, sqlparser.ReadWrite:
		}
	}
	if len(n.TxAccessModes) > 1 && o.ReadOnly {
		for _, m := range n.TxAccessModes {
			if m == sqlparser.ReadWrite {
				return o, sqlerr.Syntax.New("You have an error in your SQL syntax; READ ONLY and READ WRITE exclude each other")
			}
		}
	}
	return o, nil
}

func (s *Session) use(ctx context.Context, namespace string) error {
	if err := s.engine.catalog.CheckNamespace(ctx, namespace); err != nil {
		return err
	}
	s.namespace = namespace
	return nil
}

// changeCatalog runs a statement that changes the catalogue. As in MySQL, it
// commits an open transaction first.
func (s *Session) changeCatalog(ctx context.Context, st *parse.Statement, args arguments) (r Result, err error) {
	if err := checkCommand(st); err != nil {
		return r, err
	}
	if done, r, err := s.changeTemporary(ctx, st, args); done || err != nil {
		return r, err
	}
	if err := s.writable(); err != nil {
		return r, err
	}
	if err := s.commit(ctx); err != nil {
		return r, err
	}
	if n := createOf(st.AST); n != nil && n.Select != nil {
		return s.createAs(ctx, st, n, args)
	}
	return r, s.runCatalog(ctx, st)
}

func (s *Session) runCatalog(ctx context.Context, st *parse.Statement) error {
	scope := s.scope()
	scope.Query = s.planOptions(st.SQL, nil)
	scope.Query.Allowed = s.allowed(ctx)
	if err := s.engine.catalog.Run(ctx, scope, st.AST); err != nil {
		return err
	}
	d, ok := st.AST.(sqlparser.DBDDLStatement)
	if !ok || d.GetDatabaseName() == "" || s.engine.catalog.CheckNamespace(ctx, d.GetDatabaseName()) == nil {
		return nil
	}
	// It was dropped.
	if err := s.engine.topics.DropAll(ctx, d.GetDatabaseName()); err != nil {
		return err
	}
	if d.GetDatabaseName() == s.namespace {
		s.namespace = ""
	}
	return nil
}

// checkFlush lets pass what there is nothing to flush for: rights count at once, and
// tables are never closed.
func checkFlush(n *sqlparser.Flush) error {
	for _, o := range n.FlushOptions {
		if !strings.EqualFold(o, "privileges") {
			return sqlerr.Unsupported("FLUSH %s", strings.ToUpper(o))
		}
	}
	switch {
	case n.WithLock:
		return sqlerr.Unsupported("FLUSH TABLES WITH READ LOCK")
	case n.ForExport:
		return sqlerr.Unsupported("FLUSH TABLES ... FOR EXPORT")
	}
	return nil
}
