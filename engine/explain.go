package engine

import (
	"context"
	"errors"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// checkExplain refuses forms of EXPLAIN that Kalam does not have.
func checkExplain(n *sqlparser.ExplainStmt) error {
	switch n.Type {
	case sqlparser.EmptyType, sqlparser.TraditionalType, sqlparser.TreeType, sqlparser.JSONType:
	case sqlparser.AnalyzeType:
		if _, query := n.Statement.(sqlparser.TableStatement); !query {
			return sqlerr.Unsupported("EXPLAIN ANALYZE of what is no query")
		}
	default:
		return sqlerr.Unsupported("EXPLAIN %s", n.Type.ToString())
	}
	if !planned(n.Statement) {
		return sqlerr.Unsupported("EXPLAIN of this statement")
	}
	return nil
}

// explain prints a statement's plan: a row for each line, or one of JSON.
// EXPLAIN ANALYZE runs it.
func (s *Session) explain(ctx context.Context, st *parse.Statement, n *sqlparser.ExplainStmt, args arguments) (*resultSet, error) {
	if err := checkExplain(n); err != nil {
		return nil, err
	}
	lines, err := s.explained(ctx, st, n, args)
	if err != nil {
		return nil, err
	}
	var rows [][]types.Value
	for _, line := range lines {
		rows = append(rows, []types.Value{types.NewString(line)})
	}
	return s.listing(rows, textColumn("EXPLAIN")), nil
}

func (s *Session) explained(ctx context.Context, st *parse.Statement, n *sqlparser.ExplainStmt, args arguments) ([]string, error) {
	if n.Type == sqlparser.AnalyzeType {
		p, actual, err := s.watch(ctx, st, n.Statement, args)
		if err != nil {
			return nil, err
		}
		return plan.ExplainTree(p, actual), nil
	}
	p, err := s.build(ctx, n.Statement, st, args.types)
	if err != nil {
		return nil, err
	}
	switch n.Type {
	case sqlparser.TreeType:
		return plan.ExplainTree(p, nil), nil
	case sqlparser.JSONType:
		text, err := plan.ExplainJSON(p)
		return []string{text}, err
	}
	return plan.Explain(p), nil
}

// watch runs a query for nobody, and returns its plan with what the operators
// did.
func (s *Session) watch(ctx context.Context, st *parse.Statement, query sqlparser.Statement, args arguments) (*plan.Plan, map[plan.Node]*plan.Actual, error) {
	t := s.tx
	var opts TxOptions
	if t == nil {
		opts = s.takeDefaults()
		t = s.reader()
	}
	set := &resultSet{session: s, sql: st.SQL, tx: t, own: s.tx == nil}
	defer set.close()
	for {
		version := s.engine.catalog.Version()
		p, err := s.build(ctx, query, st, args.types)
		if err != nil {
			return nil, nil, err
		}
		if len(p.Locks) > 0 && set.own {
			s.takeLocker(set, opts)
			t = set.tx
		}
		if err := errors.Join(s.withinLocked(p), lockTables(ctx, t, p)); err != nil {
			return nil, nil, err
		}
		ok, err := s.see(t, p, version)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		x := s.newExecutable(ctx, t, args)
		x.rt.Watch = map[plan.Node]*plan.Actual{}
		err = set.start(ctx, x, &preparedPlan{Plan: p})
		t.fresh = false
		if err == nil {
			err = set.drain(ctx)
		}
		return p, x.rt.Watch, err
	}
}
