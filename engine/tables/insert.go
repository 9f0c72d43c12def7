package tables

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// inserter runs an INSERT or REPLACE.
type inserter struct {
	*writer
	plan     *plan.Insert
	source   []int             // for each column, its place in the input, or -1
	defaults []*expr.Evaluator // for each column, or nil
	later    []bool            // columns whose default depends on others
	auto     int               // the AUTO_INCREMENT column, or -1
	set      *setter           // ON DUPLICATE KEY UPDATE
	view     *viewCheck

	counted []bool // rows of the batch whose AUTO_INCREMENT value is generated
	local   *types.Batch
	extra   *types.Batch // what the batch has after the values

	// Of the batch: its whole rows, and their columns that are the input's.
	whole  types.Batch
	shared []types.Vector
}

// Insert adds the rows of n.Input. When it fails, the caller takes back what
// was written before.
func Insert(ctx context.Context, rt *exec.Runtime, n *plan.Insert) (Result, error) {
	in, err := takeInserter(rt, n)
	if err != nil {
		return Result{}, err
	}
	res, err := in.run(ctx, n.Input, func(b *types.Batch) error { return in.add(ctx, b) })
	if err == nil {
		in.keep()
	}
	return res, err
}

// takeInserter returns the inserter that an execution before kept, else a new one.
func takeInserter(rt *exec.Runtime, n *plan.Insert) (*inserter, error) {
	in, _ := rt.Writer.(*inserter)
	if rt.Writer = nil; in == nil || in.plan != n {
		return newInserter(rt, n)
	}
	in.lenient = in.ignore || rt.Lenient
	var err error
	in.table, err = rt.Table(n.Table)
	return in, err
}

// keep leaves the inserter to the next execution, if nothing in it is of this one alone:
// generated columns are computed in a copy of the environment.
func (in *inserter) keep() {
	if !in.rt.Rerun || in.generated != nil || len(in.rules.Triggers) > 0 {
		return
	}
	in.table, in.local, in.extra = nil, nil, nil
	in.res, in.rows = Result{}, 0
	clear(in.whole.Columns)
	clear(in.shared)
	in.rt.Writer = in
}

func newInserter(rt *exec.Runtime, n *plan.Insert) (*inserter, error) {
	w, err := newWriter(rt, n.Table, &n.Rules, n.Mode.Ignores(), n.Returning)
	if err != nil {
		return nil, err
	}
	columns := len(n.Table.Columns)
	in := &inserter{writer: w, plan: n, auto: -1, defaults: make([]*expr.Evaluator, columns), later: make([]bool, columns), shared: make([]types.Vector, columns)}
	in.whole.Columns = make([]*types.Vector, columns)
	for c := range n.Table.Columns {
		in.source = append(in.source, slices.Index(n.Columns, c))
		if n.Table.Columns[c].AutoIncrement {
			in.auto = c
		}
		if in.source[c] < 0 && c < len(n.Defaults) && n.Defaults[c] != nil {
			if in.defaults[c], err = expr.NewEvaluator(rt.Env, n.Defaults[c]); err != nil {
				return nil, err
			}
			in.later[c] = !expr.IsConst(n.Defaults[c])
		}
	}
	if in.set, err = newSetter(rt.Env, n.OnDuplicate); err != nil {
		return nil, err
	}
	if in.view, err = newViewCheck(rt.Env, n.Check); err != nil {
		return nil, err
	}
	if rows, ok := n.Input.(*plan.Values); ok && len(rows.Rows) == 1 && !w.ignore {
		w.wholeNull = true // as MySQL has it in all modes
	}
	w.late = w.fires("INSERT", true)
	return in, nil
}

// add inserts a batch of the input.
func (in *inserter) add(ctx context.Context, b *types.Batch) error {
	rows, err := in.complete(ctx, b)
	if err != nil {
		return err
	}
	in.extra = &types.Batch{Columns: b.Columns[len(in.plan.Columns):], Len: b.Len}
	if !in.stepwise() {
		return in.addRows(ctx, rows)
	}
	counted, extra := in.counted, in.extra
	for i := range rows.Len {
		if len(counted) > 0 {
			in.counted = counted[i : i+1]
		}
		in.extra = extra.Slice(i, i+1)
		if err := in.each(1, true, func(int, int) error { return in.addRows(ctx, rows.Slice(i, i+1)) }); err != nil {
			return err
		}
	}
	return nil
}

// addRows inserts whole rows, one if there are triggers.
func (in *inserter) addRows(ctx context.Context, rows *types.Batch) error {
	var err error
	if in.late {
		if rows, err = in.triggered(ctx, rows); err != nil {
			return err
		}
	}
	for _, allowed := range []func() ([]int32, error){
		func() ([]int32, error) { return in.check(rows) },
		func() ([]int32, error) { return in.permitted(in.view, rows) },
	} {
		keep, err := allowed()
		if err != nil {
			return err
		}
		if keep != nil {
			rows, in.counted, in.extra = pick(rows, keep), pickBools(in.counted, keep), pick(in.extra, keep)
		}
	}
	if err := in.checkSize(rows); err != nil {
		return err
	}
	in.local = rows
	return in.put(ctx, in.toUTC(rows))
}

// triggered runs the triggers before a row is added.
func (in *inserter) triggered(ctx context.Context, row *types.Batch) (*types.Batch, error) {
	var given *types.Vector // what the trigger is not to see yet
	if in.auto >= 0 && in.counted[0] {
		given = row.Columns[in.auto]
		zero := types.NewVector(given.Type, 1)
		zero.AppendValue(types.Zero(given.Type))
		row = &types.Batch{Columns: slices.Clone(row.Columns), Len: 1}
		row.Columns[in.auto] = zero
	}
	out, err := in.before(ctx, "INSERT", nil, row)
	if err != nil {
		return nil, err
	}
	if given != nil {
		if v := out.Columns[in.auto]; v.IsNull(0) || v.Value(0).Uint() == 0 {
			out.Columns[in.auto] = given
		} else {
			in.counted[0] = false
		}
	}
	for c := range in.schema.Columns {
		col := &in.schema.Columns[c]
		if col.NotNull && col.Generated == "" && in.source[c] < 0 && in.defaults[c] == nil && !in.lenient && out.Columns[c].IsNull(0) {
			return nil, in.noDefault(col)
		}
	}
	if err := in.generate(out); err != nil {
		return nil, err
	}
	return in.checkNulls(out)
}

// stepwise reports whether rows are to be added one by one: what happens to one
// may matter to those after it.
func (in *inserter) stepwise() bool {
	if len(in.rules.Triggers) > 0 {
		return true
	}
	if in.ignore {
		return len(in.rules.Parents) > 0
	}
	itself := slices.ContainsFunc(in.rules.Parents, (*plan.ForeignKey).ToItself)
	return itself && in.plan.Mode != plan.InsertPlain
}

// put adds rows, as they are stored.
func (in *inserter) put(ctx context.Context, rows *types.Batch) error {
	bad, err := in.orphans(ctx, rows, nil)
	if err != nil {
		return err
	}
	for from := 0; from < rows.Len; {
		for len(bad) > 0 && int(bad[0].row) < from {
			bad = bad[1:]
		}
		to := rows.Len
		if len(bad) > 0 {
			to = int(bad[0].row) + 1 // its keys may be taken
		}
		rest := rows.Slice(from, to)
		c, err := in.table.Insert(ctx, rest)
		if err != nil {
			return err
		}
		if c == nil && len(bad) > 0 {
			return bad[0].err()
		}
		if c == nil {
			return in.inserted(ctx, rows, from, rows.Len)
		}
		if err := in.inserted(ctx, rows, from, from+c.Row); err != nil {
			return err
		}
		row := rest.Slice(c.Row, c.Row+1)
		from += c.Row
		switch in.plan.Mode {
		case plan.InsertIgnore:
			in.warn(in.duplicate(c, rest))
			from++
		case plan.InsertReplace:
			err = in.replace(ctx, c, row) // and try the row again
		case plan.InsertUpdate, plan.InsertUpdateIgnore:
			local := &types.Batch{Columns: slices.Concat(in.local.Slice(from, from+1).Columns, in.extra.Slice(from, from+1).Columns), Len: 1}
			err = in.each(1, true, func(int, int) error { return in.updateExisting(ctx, c, local) })
			from++
		default:
			err = in.duplicate(c, rest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inserted counts rows [from, to), which were added.
func (in *inserter) inserted(ctx context.Context, rows *types.Batch, from, to int) error {
	if from == to {
		return nil
	}
	in.res.Affected += int64(to - from)
	in.noteID(rows, from, to)
	added := in.local.Slice(from, to) // one, if there are triggers
	if err := in.after(ctx, "INSERT", nil, added); err != nil {
		return err
	}
	return in.written(ctx, added)
}

// noteID finds out which AUTO_INCREMENT value rows [from, to) let the statement tell.
func (in *inserter) noteID(rows *types.Batch, from, to int) {
	if in.auto < 0 || in.res.Generated {
		return
	}
	v := rows.Columns[in.auto]
	for i := from; i < to; i++ {
		in.res.LastInsertID = v.Value(i).Uint()
		if in.counted[i] {
			in.res.Generated = true
			return
		}
	}
}

// replace removes the row that holds a key of the new one.
func (in *inserter) replace(ctx context.Context, c *store.Conflict, row *types.Batch) error {
	old := in.existing(c)
	// MySQL does not count the removal when nothing changes and no further key
	// could be taken.
	same := in.lastUnique(c.Index)
	for i := range old.Columns {
		same = same && (in.schema.Columns[i].Hidden || sameValue(old.Columns[i], row.Columns[i], 0))
	}
	if !same {
		in.res.Affected++
	}
	return in.delete(ctx, in.fromUTC(old), old)
}

// lastUnique reports whether no unique key comes after ix (nil: the primary key).
func (in *inserter) lastUnique(ix *schema.Index) bool {
	after := ix == nil
	for i := range in.schema.Indexes {
		other := &in.schema.Indexes[i]
		if after && other.Unique {
			return false
		}
		after = after || ix.ID == other.ID
	}
	return true
}

// existing returns the row that holds a taken key, as stored.
func (in *inserter) existing(c *store.Conflict) *types.Batch {
	b := types.NewBatch(in.schema.Types())
	b.AppendRow(c.Existing)
	return b
}

// updateExisting makes ON DUPLICATE KEY UPDATE's assignments to the row that
// holds a key of the new one, which is in the session's zone, with what comes after it.
func (in *inserter) updateExisting(ctx context.Context, c *store.Conflict, row *types.Batch) error {
	stored := in.existing(c)
	old := in.fromUTC(stored)
	if in.auto >= 0 && !in.res.Generated {
		in.res.LastInsertID = stored.Columns[in.auto].Value(0).Uint() // as mysql_insert_id() tells it
	}
	updated, changed, err := in.apply(in.set, old, row)
	if err != nil {
		return err
	}
	if len(in.rules.Triggers) > 0 {
		if updated, changed, err = in.beforeUpdate(ctx, old, updated); err != nil {
			return err
		}
	}
	if len(changed) == 0 {
		return in.updated(ctx, old, updated)
	}
	if keep, err := in.check(updated); err != nil || keep != nil {
		return err
	}
	if keep, err := in.permitted(in.view, updated); err != nil || keep != nil {
		return err
	}
	utc := in.toUTC(updated)
	if utc != updated {
		in.keepStored(utc, updated, old, stored)
	}
	if err := in.checkSize(utc); err != nil {
		return err
	}
	conflict, err := in.change(ctx, stored, utc)
	if err != nil {
		return err
	}
	if conflict != nil {
		return in.duplicate(conflict, utc)
	}
	in.res.Affected += 2
	return in.updated(ctx, old, updated)
}

// complete returns whole rows of the table for rows of the input: values
// converted, defaults and generated values filled in.
func (in *inserter) complete(ctx context.Context, b *types.Batch) (*types.Batch, error) {
	rows := &in.whole
	rows.Len = b.Len
	for c := range in.schema.Columns {
		var err error
		switch p := in.source[c]; {
		case in.schema.Columns[c].Generated != "", p < 0 && in.later[c]:
			rows.Columns[c] = nulls(in.schema.Columns[c].Type, b.Len)
		case p < 0:
			rows.Columns[c], err = in.defaultValues(c, b.Len)
		case c == in.auto: // NULL asks for a value
			rows.Columns[c], err = in.convert(b.Columns[p], c, b.Len, &in.shared[c])
		default:
			rows.Columns[c], err = in.assignIn(b.Columns[p], c, b.Len, &in.shared[c])
		}
		if err != nil {
			return nil, err
		}
	}
	for c, later := range in.later {
		if later && in.source[c] < 0 {
			out, err := in.defaults[c].Eval(rows)
			if err != nil {
				return nil, err
			}
			if rows.Columns[c], err = in.assign(out[0], c, b.Len); err != nil {
				return nil, err
			}
		}
	}
	if err := in.count(ctx, rows); err != nil {
		return nil, err
	}
	return rows, in.generate(rows)
}

func nulls(t types.Type, n int) *types.Vector {
	v := types.NewVector(t, n)
	for range n {
		v.AppendNull()
	}
	return v
}

// defaultValues returns n values for a column that the statement gives none.
func (in *inserter) defaultValues(c, n int) (*types.Vector, error) {
	col := &in.schema.Columns[c]
	if ev := in.defaults[c]; ev != nil {
		out, err := ev.Eval(&types.Batch{Len: n})
		if err != nil {
			return nil, err
		}
		return in.assign(out[0], c, n)
	}
	var fill types.Value
	switch {
	case col.Hidden && col.Name == schema.TimeColumn:
		fill = in.moment(time.Now(), col.Type) // when an event expires is not SET's to say
	case !col.NotNull && !col.NoDefault || col.AutoIncrement || col.Hidden && !col.Invisible || in.late && !in.lenient:
	case col.Type.Kind == types.Enum: // its first member, as in MySQL
		fill = types.Zero(col.Type)
	case in.lenient && col.Type.HasZero():
		in.warn(in.noDefault(col))
		fill = types.Zero(col.Type)
	default:
		return nil, in.noDefault(col)
	}
	v := types.NewVector(col.Type, n)
	for range n {
		v.AppendValue(fill)
	}
	return v, nil
}

func (in *inserter) noDefault(col *schema.Column) error {
	return sqlerr.NoDefault.New("Field '%s' doesn't have a default value", col.Name).On(in.name()).In(col.Name)
}

// count fills in AUTO_INCREMENT values, for NULL and as a rule 0, and row ids.
func (in *inserter) count(ctx context.Context, rows *types.Batch) error {
	n := rows.Len
	if in.schema.HasRowID() {
		first, err := in.rt.IDs.NextRowID(ctx, in.schema, n)
		if err != nil {
			return err
		}
		ids := types.NewVector(in.schema.Columns[len(in.schema.Columns)-1].Type, n)
		for i := range n {
			appendID(ids, first+uint64(i))
		}
		rows.Columns[len(rows.Columns)-1] = ids
	}
	if in.auto < 0 {
		return nil
	}
	in.counted = append(in.counted[:0], make([]bool, n)...)
	given := rows.Columns[in.auto]
	missing := 0
	for i := range n {
		if given.IsNull(i) || given.Value(i).Uint() == 0 && !in.rt.Env.KeepZero {
			in.counted[i] = true
			missing++
		}
	}
	if missing == 0 {
		return nil
	}
	ids := types.NewVector(given.Type, n)
	_, greatest := given.Type.IntegerRange()
	next, end := uint64(0), uint64(0) // reserved values
	used := uint64(0)                 // the greatest value given
	for i := range n {
		if !in.counted[i] {
			v := given.Value(i)
			ids.AppendValue(v)
			if v.Physical() == types.PhysUint64 || v.Int() > 0 {
				used = max(used, v.Uint())
			}
			continue
		}
		if next == end || next <= used {
			var err error
			if next, err = in.reserve(ctx, missing, used); err != nil {
				return err
			}
			end = next + uint64(missing)
		}
		// A type's greatest value is given out again and again, to be found
		// taken, as MySQL does.
		appendID(ids, min(next, greatest))
		next++
		missing--
	}
	rows.Columns[in.auto] = ids
	return nil
}

// reserve returns the first of n AUTO_INCREMENT values, all above used.
func (in *inserter) reserve(ctx context.Context, n int, used uint64) (uint64, error) {
	first, err := in.rt.IDs.NextID(ctx, in.schema, n)
	for err == nil && first <= used {
		// The sequence does not know yet of values that this batch is given.
		if last := first + uint64(n) - 1; last < used {
			skip := min(used-last, math.MaxInt64)
			if _, err = in.rt.IDs.NextID(ctx, in.schema, int(skip)); err != nil {
				break
			}
		}
		first, err = in.rt.IDs.NextID(ctx, in.schema, n)
	}
	return first, err
}

func appendID(v *types.Vector, id uint64) {
	if v.Type.Physical() == types.PhysUint64 {
		v.AppendUint(id)
	} else {
		v.AppendInt(int64(id))
	}
}
