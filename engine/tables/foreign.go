package tables

import (
	"cmp"
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// maxActions is how many times foreign keys' actions may lead on, as in InnoDB.
const maxActions = 15

// link is a change of a table's rows that makes a foreign key act on others.
type link struct {
	table   uint32
	updates bool // else deletes
	depth   int
	above   *link
}

// updated reports whether l, or what led to it, updates a table.
func (l *link) updated(table uint32) bool {
	for ; l != nil; l = l.above {
		if l.updates && l.table == table {
			return true
		}
	}
	return false
}

// tiedUp reports whether foreign keys have a say in changes of the table.
func (w *writer) tiedUp() bool { return len(w.rules.Parents) > 0 || len(w.rules.Children) > 0 }

// tied opens a table that foreign keys tie to w's.
func (w *writer) tied(t *schema.Table) (store.Tied, error) {
	table := w.table
	if t.ID != w.schema.ID {
		var err error
		if table, err = w.rt.Table(t); err != nil {
			return nil, err
		}
	}
	tied, ok := table.(store.Tied)
	if !ok {
		return nil, sqlerr.Internal.New("foreign keys of table %s", t.QualifiedName()).On(t.QualifiedName())
	}
	return tied, nil
}

// orphans returns the rows that reference rows that are not there, in order;
// where old is given, only by values that changed.
func (w *writer) orphans(ctx context.Context, rows, old *types.Batch) ([]orphan, error) {
	var list []orphan
	for _, fk := range w.rules.Parents {
		v, err := valuesOf(rows, fk.Own, old)
		if err != nil {
			return nil, err
		}
		if len(v.keys) == 0 {
			continue
		}
		var parent store.Tied
		if fk.Parent != nil {
			if parent, err = w.tied(fk.Parent); err != nil {
				return nil, err
			}
		}
		more, err := orphansOf(ctx, v, parent, fk)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	slices.SortStableFunc(list, func(a, b orphan) int { return cmp.Compare(a.row, b.row) })
	return list, nil
}

func (o orphan) err() error {
	t := o.fk.Child
	return sqlerr.NoReferencedRow.New("Cannot add or update a child row: a foreign key constraint fails (%s)",
		plan.ForeignKeyText(t, o.fk.ForeignKey)).On(t.QualifiedName()).For(o.fk.Name)
}

func errReferenced(fk *plan.ForeignKey) error {
	return sqlerr.RowIsReferenced.New("Cannot delete or update a parent row: a foreign key constraint fails (%s)",
		plan.ForeignKeyText(fk.Child, fk.ForeignKey)).On(fk.Parent.QualifiedName()).For(fk.Name)
}

// CheckReferences finds out whether all rows of a table that is referenced to
// another by a new foreign key satisfy it.
func CheckReferences(ctx context.Context, child, parent store.Tied, fk *plan.ForeignKey) error {
	all := make([]int, len(fk.Child.Columns))
	for i := range all {
		all[i] = i
	}
	s := child.Scan(store.ScanRequest{Columns: all})
	defer s.Close()
	b := types.NewBatch(fk.Child.Types())
	for {
		if err := s.Next(ctx, b); err != nil || b.Len == 0 {
			return err
		}
		v, err := valuesOf(b, fk.Own, nil)
		if err != nil {
			return err
		}
		held, err := v.held(ctx, parent, fk.ByTo, fk.To, false)
		if err != nil {
			return err
		}
		if n := slices.Index(held, false); n >= 0 {
			return orphan{v.of[n][0], fk}.err()
		}
	}
}

// remove removes rows, as stored, and lets foreign keys act.
func (w *writer) remove(ctx context.Context, stored *types.Batch) error {
	if len(w.rules.Children) == 0 {
		return w.table.Delete(ctx, stored)
	}
	gone, err := w.leaving(ctx, stored, nil)
	if err != nil {
		return err
	}
	for i, fk := range w.rules.Children {
		if err := w.refuseOwn(fk, fk.OnDelete.Refuses(), gone[i]); err != nil {
			return err
		}
	}
	if err := w.table.Delete(ctx, stored); err != nil {
		return err
	}
	return w.act(ctx, gone, nil)
}

// leaving returns, for each foreign key to the table, the values of rows that
// go, or that rows in their place do not have, locked.
func (w *writer) leaving(ctx context.Context, old, new *types.Batch) ([]*keyValues, error) {
	own, err := w.tied(w.schema)
	if err != nil {
		return nil, err
	}
	list := make([]*keyValues, len(w.rules.Children))
	for i, fk := range w.rules.Children {
		if list[i], err = valuesOf(old, fk.To, new); err != nil {
			return nil, err
		}
		if err := list[i].lock(ctx, own, fk.To, true); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// refuseOwn refuses to change rows of the batch before others of it that
// reference them, or that reference themselves: rows change one after the
// other.
func (w *writer) refuseOwn(fk *plan.ForeignKey, refuses bool, gone *keyValues) error {
	if !refuses || !fk.ToItself() || len(gone.keys) == 0 {
		return nil
	}
	for i := range gone.rows.Len {
		n, err := gone.find(gone.rows, fk.Own, i)
		if err != nil {
			return err
		}
		if n >= 0 && int(gone.of[n][0]) <= i {
			return errReferenced(fk)
		}
	}
	return nil
}

// act does what foreign keys say when values are gone, for new rows if there
// are any in the place of old ones.
func (w *writer) act(ctx context.Context, gone []*keyValues, new *types.Batch) error {
	l := &link{table: w.schema.ID, updates: new != nil, above: w.link}
	if w.link != nil {
		l.depth = w.link.depth + 1
	}
	for i, fk := range w.rules.Children {
		if len(gone[i].keys) == 0 {
			continue
		}
		action := fk.OnDelete
		if new != nil {
			action = fk.OnUpdate
		}
		updates := action == schema.SetNull || new != nil
		if action.Refuses() || updates && l.updated(fk.Child.ID) {
			child, err := w.tied(fk.Child)
			if err != nil {
				return err
			}
			held, err := gone[i].held(ctx, child, fk.ByOwn, fk.Own, true)
			if err != nil {
				return err
			}
			if slices.Contains(held, true) {
				return errReferenced(fk)
			}
			continue
		}
		child, err := newWriter(w.rt, fk.Child, fk.OfChild, false, nil)
		if err != nil {
			return err
		}
		child.link = l
		if err := child.follow(ctx, fk, action, gone[i], new); err != nil {
			return err
		}
	}
	return nil
}

// follow changes the rows that reference values which are gone.
func (w *writer) follow(ctx context.Context, fk *plan.ForeignKey, action schema.Action, gone *keyValues, new *types.Batch) error {
	own, err := w.tied(w.schema)
	if err != nil {
		return err
	}
	refs := references{fk: fk, table: own, gone: gone, ranges: gone.ranges()}
	for {
		rows, err := refs.next(ctx)
		if err != nil || rows.Len == 0 {
			return err
		}
		if w.link.depth >= maxActions {
			return sqlerr.ForeignDepth.New("Foreign key cascade delete/update exceeds max depth of %d.", maxActions).On(w.name()).For(fk.Name)
		}
		if action == schema.Cascade && new == nil {
			if err := w.remove(ctx, rows); err != nil {
				return err
			}
			continue
		}
		changed := &types.Batch{Columns: slices.Clone(rows.Columns), Len: rows.Len}
		for k, c := range fk.Own {
			v := types.NewVector(w.schema.Columns[c].Type, rows.Len)
			for i := range rows.Len {
				if action == schema.SetNull {
					v.AppendNull()
					continue
				}
				n, err := gone.find(rows, fk.Own, i)
				if err != nil {
					return err
				}
				v.AppendValue(new.Columns[fk.To[k]].Value(int(gone.of[n][0])))
			}
			changed.Columns[c] = v
		}
		if w.generated != nil {
			if err := w.generated.Set(changed, w.assign); err != nil {
				return err
			}
		}
		conflict, err := w.change(ctx, rows, changed)
		if err != nil {
			return err
		}
		if conflict != nil {
			return w.duplicate(conflict, changed)
		}
	}
}

// references reads the rows that reference values, while those read before
// change so that they do not any more.
type references struct {
	fk     *plan.ForeignKey
	table  store.Tied
	gone   *keyValues
	ranges []store.KeyRange // those to read
	from   int              // the key of the first one
}

// next returns the next rows, none at the end.
func (r *references) next(ctx context.Context) (*types.Batch, error) {
	t := r.fk.Child
	rows := types.NewBatch(t.Types())
	if len(r.ranges) == 0 {
		return rows, nil
	}
	now, release, err := r.table.Latest()
	if err != nil {
		return nil, err
	}
	defer release()
	all := make([]int, len(t.Columns))
	for i := range all {
		all[i] = i
	}
	s := now.Scan(store.ScanRequest{Index: r.fk.ByOwn, Columns: all, Ranges: r.ranges})
	defer s.Close()
	if err := s.Next(ctx, rows); err != nil || rows.Len == 0 {
		return rows, err
	}
	return rows, r.goOn(rows)
}

// goOn sets the ranges to what comes after rows.
func (r *references) goOn(rows *types.Batch) error {
	t, last := r.fk.Child, rows.Len-1
	n, err := r.gone.find(rows, r.fk.Own, last)
	if err != nil {
		return err
	}
	if n < r.from {
		return sqlerr.Internal.New("rows of foreign key %s came out of order", r.fk.Name).On(t.QualifiedName())
	}
	key, own := t.Key(r.fk.ByOwn)
	r.ranges, r.from = r.ranges[n-r.from:], n
	if unique := r.fk.ByOwn == nil || r.fk.ByOwn.Unique; unique && own == len(r.fk.Own) {
		r.ranges, r.from = r.ranges[1:], n+1
		return nil
	}
	low := make([]types.Value, len(key))
	for i, k := range key {
		low[i] = rows.Columns[k.Column].Value(last).Clone()
	}
	r.ranges[0] = store.KeyRange{Low: low, LowExclusive: true, High: r.ranges[0].High}
	return nil
}

// change replaces rows, as stored, in order up to the first whose key is taken,
// and lets foreign keys act.
func (w *writer) change(ctx context.Context, old, new *types.Batch) (*store.Conflict, error) {
	if len(w.rules.Parents) == 0 && len(w.rules.Children) == 0 {
		return w.table.Update(ctx, old, new)
	}
	bad, err := w.orphans(ctx, new, old)
	if err != nil {
		return nil, err
	}
	gone, err := w.leaving(ctx, old, new)
	if err != nil {
		return nil, err
	}
	if old.Len > 1 && w.inSteps(bad, gone, old, new) {
		for i := range old.Len {
			c, err := w.change(ctx, old.Slice(i, i+1), new.Slice(i, i+1))
			if c != nil {
				c.Row = i
			}
			if c != nil || err != nil {
				return c, err
			}
		}
		return nil, nil
	}
	for i, fk := range w.rules.Children {
		if err := w.refuseOwn(fk, true, gone[i]); err != nil {
			return nil, err
		}
	}
	if len(bad) > 0 { // its keys may be taken
		n := int(bad[0].row) + 1
		old, new = old.Slice(0, n), new.Slice(0, n)
	}
	c, err := w.table.Update(ctx, old, new)
	switch {
	case err != nil:
		return nil, err
	case c == nil && len(bad) > 0:
		return nil, bad[0].err()
	case c != nil:
		old, new = old.Slice(0, c.Row), new.Slice(0, c.Row)
		if gone, err = w.leaving(ctx, old, new); err != nil {
			return nil, err
		}
	}
	return c, w.act(ctx, gone, new)
}

// inSteps reports whether rows have to be changed one after the other, because
// what happens to one may be seen by those after it.
func (w *writer) inSteps(bad []orphan, gone []*keyValues, old, new *types.Batch) bool {
	for _, o := range bad {
		if o.fk.ToItself() {
			return true
		}
	}
	for i, fk := range w.rules.Children {
		if len(gone[i].keys) == 0 {
			continue
		}
		if fk.ToItself() {
			return true
		}
		for r := range new.Len { // 1 becomes 2, 2 becomes 3
			if n, err := gone[i].find(new, fk.To, r); n >= 0 || err != nil {
				return true
			}
		}
	}
	return false
}
