package plan

import (
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
)

// partCost is what a scan has to cost to be worth being read in parts: some 2 ms.
const partCost = 5000

// aheadRows is how many rows a part has that is read ahead.
const aheadRows = 1 << 14

// divisible reports whether a scan's parts may be read at the same time, and are worth it.
func (b *builder) divisible(n *Scan) bool {
	return n.Table.Kind != schema.System && n.Index == nil && n.Which == Live && n.Limit == nil && !n.Reverse && (n.Filter == nil || safe(n.Filter)) &&
		b.costs[n].Cost >= partCost
}

// safe reports whether e may be computed by several goroutines, in any order.
func safe(e expr.Expr) bool { return expr.Deterministic(e) && !expr.HasSubquery(e) }

// readAhead finds the scans below n that are to be read ahead: large ones whose rows are all
// read before the query has its first row, so that nothing is written meanwhile. drained
// tells that n's are.
func (b *builder) readAhead(n Node, drained bool) {
	switch n := n.(type) {
	case *Scan:
		if drained && b.divisible(n) {
			n.Ahead = int(min(b.tableRows(n.Table)/aheadRows, 1<<12)) + 2
		}
	case *Filter, *Project, *Distinct, *Rollup, *Window, *MergeJoin, *Union:
		for _, in := range n.Inputs() {
			b.readAhead(in, drained)
		}
	case *IndexJoin, *LoopJoin, *Lateral: // which may read the right side many times
		b.readAhead(n.Inputs()[0], drained)
	case *HashJoin:
		b.readAhead(n.Left, drained)
		b.readAhead(n.Right, true)
	case *Limit:
		b.readAhead(n.Input, false) // which may want few of the rows
	case *Sort:
		b.readAhead(n.Input, true)
	case *Aggregate:
		if !n.Parallel {
			b.readAhead(n.Input, drained || !n.Ordered)
		}
	}
}
