package plan

import (
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/types"
)

// Inputs returns nothing: a scan is a leaf.
func (n *Scan) Inputs() []Node { return nil }

// Inputs returns nothing: values are a leaf.
func (n *Values) Inputs() []Node { return nil }

// Inputs returns the node's input.
func (n *Filter) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the node's input.
func (n *Project) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the left and the right side.
func (n *HashJoin) Inputs() []Node { return []Node{n.Left, n.Right} }

// Inputs returns the left and the right side.
func (n *MergeJoin) Inputs() []Node { return []Node{n.Left, n.Right} }

// Inputs returns the left side and the scan that is looked up in.
func (n *IndexJoin) Inputs() []Node { return []Node{n.Left, n.Right} }

// Inputs returns the left and the right side.
func (n *LoopJoin) Inputs() []Node { return []Node{n.Left, n.Right} }

// Inputs returns the left side and what runs for each of its rows.
func (n *Lateral) Inputs() []Node { return []Node{n.Left, n.Right} }

// Inputs returns the node's input.
func (n *Aggregate) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the node's input.
func (n *Rollup) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the node's input.
func (n *Window) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the node's input.
func (n *Sort) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the node's input.
func (n *Limit) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the node's input.
func (n *Distinct) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the parts.
func (n *Union) Inputs() []Node { return n.All }

// Inputs returns the node's input.
func (n *Repeat) Inputs() []Node { return []Node{n.Input} }

// Inputs returns Input.
func (n *JSONTable) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the seed, then the steps.
func (n *Recursive) Inputs() []Node { return append([]Node{n.Seed}, n.Steps...) }

// Inputs returns nothing: the rows are the recursion's.
func (n *Work) Inputs() []Node { return nil }

// Inputs returns the input, then what runs over its rows.
func (n *Spooled) Inputs() []Node {
	list := []Node{n.Input}
	for _, s := range n.Targets {
		list = append(list, s.Write)
	}
	return list
}

// Inputs returns the source of the rows.
func (n *Insert) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the source of the rows.
func (n *Update) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the source of the rows.
func (n *Delete) Inputs() []Node { return []Node{n.Input} }

// Inputs returns the source of the rows.
func (n *Restore) Inputs() []Node { return []Node{n.Input} }

// Types returns the types of the columns read.
func (n *Scan) Types() []types.Type {
	ts := make([]types.Type, len(n.Columns))
	for i, c := range n.Columns {
		ts[i] = n.Table.At(c).Type
	}
	return ts
}

// Types returns the input's types.
func (n *Lock) Types() []types.Type { return n.Input.Types() }

// Types returns T.
func (n *Values) Types() []types.Type { return n.T }

// Types returns the input's.
func (n *Filter) Types() []types.Type { return n.Input.Types() }

// Types returns those of Exprs.
func (n *Project) Types() []types.Type { return typesOf(n.Exprs) }

// Types returns those of the columns that Kind yields.
func (n *HashJoin) Types() []types.Type { return joinTypes(n.Kind, n.Left, n.Right) }

// Types returns those of the columns that Kind yields.
func (n *MergeJoin) Types() []types.Type { return joinTypes(n.Kind, n.Left, n.Right) }

// Types returns those of the columns that Kind yields.
func (n *IndexJoin) Types() []types.Type { return joinTypes(n.Kind, n.Left, n.Right) }

// Types returns those of the columns that Kind yields.
func (n *LoopJoin) Types() []types.Type { return joinTypes(n.Kind, n.Left, n.Right) }

// Types returns both sides' types.
func (n *Lateral) Types() []types.Type { return joinTypes(n.Kind, n.Left, n.Right) }

// Types returns the groups' types, then the aggregates'.
func (n *Aggregate) Types() []types.Type {
	ts := typesOf(n.GroupBy)
	for _, a := range n.Aggs {
		ts = append(ts, a.T)
	}
	return ts
}

// Types returns the input's, the keys' and the level's.
func (n *Rollup) Types() []types.Type {
	in := n.Input.Types()
	ts := in[:len(in):len(in)]
	for _, k := range n.Keys {
		ts = append(ts, k.T)
	}
	return append(ts, types.Int64Type)
}

// Types returns the input's and the functions'.
func (n *Window) Types() []types.Type {
	in := n.Input.Types()
	ts := in[:len(in):len(in)]
	for _, w := range n.Funcs {
		ts = append(ts, w.T)
	}
	return ts
}

// Types returns the input's.
func (n *Sort) Types() []types.Type { return n.Input.Types() }

// Types returns the input's.
func (n *Limit) Types() []types.Type { return n.Input.Types() }

// Types returns the input's.
func (n *Distinct) Types() []types.Type { return n.Input.Types() }

// Types returns those of the first part.
func (n *Union) Types() []types.Type { return n.All[0].Types() }

// Types returns the input's.
func (n *Repeat) Types() []types.Type { return n.Input.Types() }

// Types returns Input's types, then T.
func (n *JSONTable) Types() []types.Type { return slices.Concat(n.Input.Types(), n.T) }

// Types returns T.
func (n *Recursive) Types() []types.Type { return n.T }

// Types returns T.
func (n *Work) Types() []types.Type { return n.T }

// Types returns nil: there are no rows.
func (n *Spooled) Types() []types.Type { return nil }

// Types returns those of Returning.
func (n *Insert) Types() []types.Type { return typesOf(n.Returning) }

// Types returns those of Returning.
func (n *Update) Types() []types.Type { return typesOf(n.Returning) }

// Types returns those of Returning.
func (n *Delete) Types() []types.Type { return typesOf(n.Returning) }

// Types returns those of RETURNING.
func (n *Restore) Types() []types.Type { return typesOf(n.Returning) }

func typesOf(list []expr.Expr) []types.Type {
	ts := make([]types.Type, len(list))
	for i, e := range list {
		ts[i] = e.Type()
	}
	return ts
}

func joinTypes(kind JoinKind, left, right Node) []types.Type {
	l := left.Types()
	if kind.leftOnly() {
		return l
	}
	return append(l[:len(l):len(l)], right.Types()...)
}

// leftOnly reports whether a join yields left columns only.
func (k JoinKind) leftOnly() bool { return k == Semi || k == Anti }
