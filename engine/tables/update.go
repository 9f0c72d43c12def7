package tables

import (
	"context"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Update changes the rows of n.Input. When it fails, the caller takes back what
// was written before.
func Update(ctx context.Context, rt *exec.Runtime, n *plan.Update) (Result, error) {
	w, err := newWriter(rt, n.Table, &n.Rules, n.Ignore)
	if err != nil {
		return Result{}, err
	}
	s, err := newSetter(rt.Env, n.Set)
	if err != nil {
		return Result{}, err
	}
	return w.runStored(ctx, n.Input, func(old, stored *types.Batch) error {
		w.res.Matched += int64(old.Len)
		rows, changed, err := w.apply(s, old, nil)
		if err == nil && len(changed) < old.Len {
			err = w.lock(ctx, stored)
		}
		if err != nil || len(changed) == 0 {
			return err
		}
		rows, old, stored = pick(rows, changed), pick(old, changed), pick(stored, changed)
		keep, err := w.check(rows)
		if err != nil {
			return err
		}
		if keep != nil {
			rows, old, stored = pick(rows, keep), pick(old, keep), pick(stored, keep)
		}
		utc := w.toUTC(rows)
		if utc != rows {
			w.keepStored(utc, rows, old, stored)
		}
		if err := w.checkSize(utc); err != nil {
			return err
		}
		return w.each(utc.Len, w.tiedUp(), func(from, to int) error {
			return w.update(ctx, stored.Slice(from, to), utc.Slice(from, to))
		})
	})
}

// lock locks rows, those too that an UPDATE leaves as they are.
func (w *writer) lock(ctx context.Context, stored *types.Batch) error {
	keys := &types.Batch{Len: stored.Len}
	for _, c := range w.schema.PrimaryKey {
		keys.Columns = append(keys.Columns, stored.Columns[c])
	}
	_, err := w.table.Lock(ctx, store.LockRequest{Keys: keys, Mode: store.LockExclusive}, nil)
	return err
}

// update replaces rows; with IGNORE those whose keys are taken stay.
func (w *writer) update(ctx context.Context, old, rows *types.Batch) error {
	for from := 0; from < rows.Len; {
		rest := rows.Slice(from, rows.Len)
		c, err := w.change(ctx, old.Slice(from, old.Len), rest)
		if err != nil {
			return err
		}
		if c == nil {
			w.res.Affected += int64(rest.Len)
			return nil
		}
		err = w.duplicate(c, rest)
		if !w.ignore {
			return err
		}
		w.warn(err)
		w.res.Affected += int64(c.Row)
		from += c.Row + 1
	}
	return nil
}
