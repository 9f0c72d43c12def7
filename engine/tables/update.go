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
	w, err := newWriter(rt, n.Table, &n.Rules, n.Ignore, n.Returning)
	if err != nil {
		return Result{}, err
	}
	s, err := newSetter(rt.Env, n.Set)
	if err != nil {
		return Result{}, err
	}
	view, err := newViewCheck(rt.Env, n.Check)
	if err != nil {
		return Result{}, err
	}
	w.late = w.fires("UPDATE", true)
	return w.runStored(ctx, n.Input, func(old, stored, extra *types.Batch) error {
		w.res.Matched += int64(old.Len)
		if len(n.Rules.Triggers) > 0 {
			for i := range old.Len {
				more := extra
				if more != nil {
					more = more.Slice(i, i+1)
				}
				if err := w.updateOne(ctx, s, view, old.Slice(i, i+1), stored.Slice(i, i+1), more); err != nil {
					return err
				}
			}
			return nil
		}
		rows, changed, err := w.apply(s, old, extra)
		if err == nil && len(changed) < old.Len {
			err = w.lock(ctx, stored)
		}
		if err != nil {
			return err
		}
		kept, err := w.amend(ctx, view, rows, old, stored, changed)
		if err != nil || w.returning == nil {
			return err
		}
		return w.written(ctx, without(rows, kept))
	})
}

// updateOne changes a row and runs triggers.
func (w *writer) updateOne(ctx context.Context, s *setter, view *viewCheck, old, stored, extra *types.Batch) error {
	row, _, err := w.apply(s, old, extra)
	if err != nil {
		return err
	}
	return w.each(1, true, func(int, int) error {
		row, changed, err := w.beforeUpdate(ctx, old, row)
		if err == nil && len(changed) == 0 {
			err = w.lock(ctx, stored)
		}
		if err != nil {
			return err
		}
		kept, err := w.amend(ctx, view, row, old, stored, changed)
		if err != nil || len(kept) > 0 {
			return err
		}
		return w.updated(ctx, old, row)
	})
}

// updated is called when one row has become another.
func (w *writer) updated(ctx context.Context, old, row *types.Batch) error {
	if err := w.after(ctx, "UPDATE", old, row); err != nil {
		return err
	}
	return w.written(ctx, row)
}

// beforeUpdate runs the triggers before a row becomes another, and tells whether
// that is different.
func (w *writer) beforeUpdate(ctx context.Context, old, row *types.Batch) (_ *types.Batch, changed []int32, err error) {
	if row, err = w.before(ctx, "UPDATE", old, row); err != nil {
		return nil, nil, err
	}
	if err := w.generate(row); err != nil {
		return nil, nil, err
	}
	if row, err = w.checkNulls(row); err != nil {
		return nil, nil, err
	}
	all := make([]int, len(row.Columns))
	for i := range all {
		all[i] = i
	}
	if !sameIn(old, row, all, 0) {
		changed = []int32{0}
	}
	return row, changed, nil
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

// amend makes rows, of which changed differ from old, the table's in place of old.
// It returns those that IGNORE kept as they were.
func (w *writer) amend(ctx context.Context, view *viewCheck, rows, old, stored *types.Batch, changed []int32) (kept []int32, err error) {
	if len(changed) == 0 {
		return nil, nil
	}
	all := changed
	rows, old, stored = pick(rows, changed), pick(old, changed), pick(stored, changed)
	for _, allowed := range []func() ([]int32, error){
		func() ([]int32, error) { return w.check(rows) },
		func() ([]int32, error) { return w.permitted(view, rows) },
	} {
		keep, err := allowed()
		if err != nil {
			return nil, err
		}
		if keep != nil {
			rows, old, stored = pick(rows, keep), pick(old, keep), pick(stored, keep)
			left := make([]int32, len(keep))
			for i, k := range keep {
				left[i] = changed[k]
			}
			changed = left
		}
	}
	utc := w.toUTC(rows)
	if utc != rows {
		w.keepStored(utc, rows, old, stored)
	}
	if err := w.checkSize(utc); err != nil {
		return nil, err
	}
	var done []int32
	err = w.each(utc.Len, w.tiedUp(), func(from, to int) error {
		taken, err := w.update(ctx, stored.Slice(from, to), utc.Slice(from, to))
		if err != nil {
			return err
		}
		for i, k := range taken {
			taken[i] = changed[from+int(k)]
		}
		done = append(done, minus(changed[from:to], taken)...)
		return nil
	})
	return minus(all, done), err
}

// update replaces rows; with IGNORE those whose keys are taken, which it
// returns, stay.
func (w *writer) update(ctx context.Context, old, rows *types.Batch) (taken []int32, err error) {
	for from := 0; from < rows.Len; {
		rest := rows.Slice(from, rows.Len)
		c, err := w.change(ctx, old.Slice(from, old.Len), rest)
		if err != nil {
			return nil, err
		}
		if c == nil {
			w.res.Affected += int64(rest.Len)
			break
		}
		err = w.duplicate(c, rest)
		if !w.ignore {
			return nil, err
		}
		w.warn(err)
		w.res.Affected += int64(c.Row)
		taken = append(taken, int32(from+c.Row))
		from += c.Row + 1
	}
	return taken, nil
}

// minus returns the numbers of list that are not in out; both ascend.
func minus(list, out []int32) []int32 {
	var left []int32
	for _, i := range list {
		if len(out) > 0 && out[0] == i {
			out = out[1:]
			continue
		}
		left = append(left, i)
	}
	return left
}

// without returns the rows of b but for those listed, in ascending order.
func without(b *types.Batch, list []int32) *types.Batch {
	if len(list) == 0 {
		return b
	}
	every := make([]int32, b.Len)
	for i := range every {
		every[i] = int32(i)
	}
	return pick(b, minus(every, list))
}
