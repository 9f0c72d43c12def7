package tables

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// runSpooled reads all rows of n's input, then runs its parts over them.
func runSpooled(ctx context.Context, rt *exec.Runtime, n *plan.Spooled) (res Result, err error) {
	spools := make([]*exec.Stash, len(n.Targets))
	in := n.Input.Types()
	for i := range n.Targets {
		t := &n.Targets[i]
		ts := make([]types.Type, len(t.Columns))
		for k, c := range t.Columns {
			ts[k] = in[c]
		}
		spools[i] = exec.NewStash(ts, t.Key, rt)
	}
	defer func() {
		for _, s := range spools {
			if e := s.Close(); err == nil {
				err = e
			}
		}
	}()
	if err := fill(ctx, rt, n, spools); err != nil {
		return res, err
	}
	for i := range n.Targets {
		t := &n.Targets[i]
		r, err := Run(ctx, rt.WithStash(t.ID, spools[i]), t.Write)
		if err != nil {
			return res, err
		}
		res.join(r)
	}
	return res, nil
}

// fill reads the input into the spools.
func fill(ctx context.Context, rt *exec.Runtime, n *plan.Spooled, spools []*exec.Stash) error {
	err := drain(ctx, rt, n.Input, !rt.Lenient && !ignores(n.Targets[0].Write), func(b *types.Batch) error {
		for i := range n.Targets {
			part := &types.Batch{Len: b.Len}
			for _, c := range n.Targets[i].Columns {
				part.Columns = append(part.Columns, b.Columns[c])
			}
			if err := spools[i].Add(part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range spools {
		if err := s.Finish(ctx); err != nil {
			return err
		}
	}
	return nil
}

func ignores(n plan.Node) bool {
	switch n := n.(type) {
	case *plan.Insert:
		return n.Mode.Ignores()
	case *plan.Update:
		return n.Ignore
	case *plan.Delete:
		return n.Ignore
	}
	return false
}

// join adds what a part of the statement did.
func (r *Result) join(part Result) {
	r.Affected += part.Affected
	r.Matched += part.Matched
	r.LastInsertID, r.Generated = part.LastInsertID, part.Generated
	r.count(part.Tables...)
}

// count adds what was done to tables.
func (r *Result) count(changes ...Change) {
	for _, c := range changes {
		i := slices.IndexFunc(r.Tables, func(o Change) bool { return o.Table == c.Table })
		if i < 0 {
			r.Tables = append(r.Tables, c)
			continue
		}
		r.Tables[i].Rows += c.Rows
		r.Tables[i].Changed += c.Changed
	}
}
