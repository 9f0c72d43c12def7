package engine

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

func setSafeUpdates(s *Session, on bool) error {
	s.safeUpdates = on
	return nil
}

// safe refuses an UPDATE or DELETE that would look at all rows of its table, if
// sql_safe_updates says so.
func (s *Session) safe(ast sqlparser.Statement, p *plan.Plan) error {
	if !s.safeUpdates {
		return nil
	}
	switch n := ast.(type) {
	case *sqlparser.Update:
		if n.Limit != nil {
			return nil
		}
	case *sqlparser.Delete:
		if n.Limit != nil {
			return nil
		}
	default:
		return nil
	}
	if keyed(p.Root, p.Writes) {
		return nil
	}
	return sqlerr.UnsafeUpdate.New("You are using safe update mode and you tried to update a table without a WHERE that uses a KEY column.")
}

// keyed reports whether no scan under n reads the whole of table t without a condition on
// a column that an index begins with.
func keyed(n plan.Node, t *schema.Table) bool {
	if scan, ok := n.(*plan.Scan); ok && t != nil && scan.Table.ID == t.ID && scan.Ranges == nil {
		for _, c := range scan.Skip {
			begins := func(ix schema.Index) bool { return ix.Columns[0] == c.Column }
			if slices.ContainsFunc(t.Indexes, begins) || len(t.PrimaryKey) > 0 && t.PrimaryKey[0] == c.Column {
				return true
			}
		}
		return false
	}
	if j, ok := n.(*plan.IndexJoin); ok { // it looks rows of the right side up
		return keyed(j.Left, t)
	}
	for _, in := range n.Inputs() {
		if in != nil && !keyed(in, t) {
			return false
		}
	}
	return true
}
