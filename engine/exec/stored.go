package exec

import (
	"slices"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// WithStored returns a plan for the same rows of t, whole ones, followed by
// their TIMESTAMPs once more as they are stored: where clocks are set back, two
// moments show as one in the session's zone. It returns n itself and false when
// n does not hand on t's rows as they are read.
func WithStored(n plan.Node, t *schema.Table) (plan.Node, bool) {
	var ok bool
	switch n := n.(type) {
	case *plan.Scan:
		if n.Table.ID != t.ID {
			return n, false
		}
		c := *n
		c.Columns = slices.Clone(n.Columns)
		for i := range t.Columns {
			if t.Columns[i].Type.Kind == types.Timestamp {
				c.Columns = append(c.Columns, i)
				c.Stored++
			}
		}
		return &c, true
	case *plan.Filter:
		c := *n
		c.Input, ok = WithStored(n.Input, t)
		return &c, ok
	case *plan.Sort:
		c := *n
		c.Input, ok = WithStored(n.Input, t)
		return &c, ok
	case *plan.Limit:
		c := *n
		c.Input, ok = WithStored(n.Input, t)
		return &c, ok
	case *plan.HashJoin:
		c := *n
		if n.On == nil && (n.Kind == plan.Semi || n.Kind == plan.Anti) {
			c.Left, ok = WithStored(n.Left, t)
		}
		return &c, ok
	case *plan.MergeJoin:
		c := *n
		if n.On == nil && (n.Kind == plan.Semi || n.Kind == plan.Anti) {
			c.Left, ok = WithStored(n.Left, t)
		}
		return &c, ok
	}
	return n, false
}
