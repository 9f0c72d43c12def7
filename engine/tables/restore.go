package tables

import (
	"context"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// restorer is a store.Table that keeps deleted rows aside.
type restorer interface {
	Restore(ctx context.Context, rows *types.Batch) (*store.Conflict, error)
}

// Restore brings the deleted rows of n.Input back, as if they had not been
// deleted: no trigger runs, but they have to be rows that the table may have now.
// When it fails, the caller takes back what was written before.
func Restore(ctx context.Context, rt *exec.Runtime, n *plan.Restore) (Result, error) {
	w, err := newWriter(rt, n.Table, &n.Rules, false, n.Returning)
	if err != nil {
		return Result{}, err
	}
	table, ok := w.table.(restorer)
	if !ok {
		return Result{}, sqlerr.Internal.New("table %s has no deleted rows", w.name()).On(w.name())
	}
	res, err := w.runStored(ctx, n.Input, func(rows, stored, _ *types.Batch) error {
		if err := notNull(n.Table, rows); err != nil {
			return err
		}
		if _, err := w.check(rows); err != nil {
			return err
		}
		bad, err := w.orphans(ctx, stored, nil)
		if err != nil {
			return err
		}
		if len(bad) > 0 {
			return bad[0].err()
		}
		c, err := table.Restore(ctx, stored)
		if err != nil {
			return err
		}
		if c != nil {
			return w.duplicate(c, stored)
		}
		w.res.Affected += int64(rows.Len)
		return w.written(ctx, rows)
	})
	// Where the option was taken back, there may be some until the job has removed them.
	if err == nil && res.Affected == 0 && n.Table.Options.RetentionHours == 0 {
		return Result{}, sqlerr.NothingKept.New("Table '%s' keeps no deleted rows: DELETE is final without DELETED_RETENTION_HOURS, which ALTER TABLE … SET gives it",
			w.name()).On(w.name())
	}
	return res, err
}

// notNull refuses rows with NULL where the table has none any more.
func notNull(t *schema.Table, rows *types.Batch) error {
	for c := range t.Columns {
		col := &t.Columns[c]
		if !col.NotNull || rows.Columns[c].Valid == nil {
			continue
		}
		for i := range rows.Len {
			if rows.Columns[c].IsNull(i) {
				return sqlerr.ColumnNotNull.New("Column '%s' cannot be null", col.Name).On(t.QualifiedName()).In(col.Name)
			}
		}
	}
	return nil
}
