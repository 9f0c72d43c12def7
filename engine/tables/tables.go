// Package tables runs the statements that change tables: INSERT, REPLACE,
// UPDATE and DELETE. It also shows the catalogue as the tables of namespace
// system.
package tables

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Result is what a statement did, counted as MySQL does.
type Result struct {
	Affected     int64    // rows added, changed or removed; REPLACE and ON DUPLICATE KEY UPDATE count 2 for a row that was there
	Matched      int64    // UPDATE: rows found, changed or not
	LastInsertID uint64   // the first AUTO_INCREMENT value generated, else the last one given, else 0
	Generated    bool     // LastInsertID was generated: LAST_INSERT_ID() returns it from now on
	Tables       []Change // of each table
}

// Change is what a statement did to a table.
type Change struct {
	Table   uint32 // its id
	Rows    int64  // by how many it has grown, as far as that is known
	Changed int64  // rows added, changed or removed
}

// Run runs an Insert, Update, Delete, Restore or Spooled. When it fails, the caller takes
// back what was written before.
func Run(ctx context.Context, rt *exec.Runtime, n plan.Node) (Result, error) {
	var table *schema.Table
	var res Result
	var err error
	grown := int64(0)
	switch n := n.(type) {
	case *plan.Spooled:
		return runSpooled(ctx, rt, n)
	case *plan.Insert:
		table = n.Table
		if res, err = Insert(ctx, rt, n); n.Mode == plan.InsertPlain || n.Mode == plan.InsertIgnore {
			grown = res.Affected
		}
	case *plan.Update:
		table = n.Table
		res, err = Update(ctx, rt, n)
	case *plan.Delete:
		table = n.Table
		res, err = Delete(ctx, rt, n)
		grown = -res.Affected
	case *plan.Restore:
		table = n.Table
		res, err = Restore(ctx, rt, n)
		grown = res.Affected
	default:
		return res, sqlerr.Internal.New("no way to run a %T", n)
	}
	if res.Affected != 0 {
		res.count(Change{table.ID, grown, res.Affected})
	}
	return res, err
}

// MaxRowBytes is the most bytes that a row's values may have, MySQL's default
// max_allowed_packet.
const MaxRowBytes = 64 << 20

// writer is what the statements that change a table share.
type writer struct {
	rt     *exec.Runtime
	schema *schema.Table
	table  store.Table
	rules  *plan.Rules
	checks []check
	// generated computes the generated columns; nil: there are none.
	generated *Generated
	link      *link // what makes a foreign key change the table's rows; nil: a statement
	late      bool  // NULL is looked for only when triggers have run
	ignore    bool  // errors of rows become warnings
	lenient   bool  // errors of values do
	wholeNull bool  // but not NULL where it may not be
	rows      int64 // of the input, before the current batch
	res       Result
	returning *expr.Evaluator // of the RETURNING clause, or nil
}

func newWriter(rt *exec.Runtime, t *schema.Table, rules *plan.Rules, ignore bool, returning []expr.Expr) (*writer, error) {
	w := &writer{rt: rt, schema: t, rules: rules, ignore: ignore, lenient: ignore || rt.Lenient}
	var err error
	if w.checks, err = newChecks(rt.Env, rules.Checks); err != nil {
		return nil, err
	}
	if w.generated, err = NewGenerated(rt.Env, t, nil); err != nil {
		return nil, err
	}
	if len(returning) > 0 {
		if w.returning, err = expr.NewEvaluator(rt.Env, returning...); err != nil {
			return nil, err
		}
	}
	w.table, err = rt.Table(t)
	return w, err
}

// written takes note of rows, in the session's zone, for the RETURNING clause.
func (w *writer) written(ctx context.Context, rows *types.Batch) error {
	if w.returning == nil || rows.Len == 0 {
		return nil
	}
	if s, ok := w.table.(*recordStore); ok {
		is, err := s.recorded(ctx, w.toUTC(rows))
		if err != nil {
			return err
		}
		rows = w.fromUTC(is)
	}
	out, err := w.returning.Eval(rows)
	if err != nil {
		return err
	}
	return w.rt.Returned(&types.Batch{Columns: out, Len: rows.Len})
}

// run calls f with every batch of a plan's rows.
func (w *writer) run(ctx context.Context, n plan.Node, f func(*types.Batch) error) (Result, error) {
	err := drain(ctx, w.rt, n, !w.lenient, func(b *types.Batch) error {
		err := f(b)
		w.rows += int64(b.Len)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	return w.res, nil
}

// drain calls f with every batch of a plan's rows; strict tells whether values
// that don't fit are errors.
func drain(ctx context.Context, rt *exec.Runtime, n plan.Node, strict bool, f func(*types.Batch) error) (err error) {
	defer func(before bool) { rt.Env.Strict = before }(rt.Env.Strict)
	rt.Env.Strict = strict
	op, err := rt.Source(n)
	if err != nil {
		return err
	}
	defer func() {
		if e := op.Close(); err == nil {
			err = e
		}
		if err == nil {
			rt.Keep(n, op)
		}
	}()
	if err := op.Open(ctx); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return sqlerr.Interrupted.Wrap(err, "Query execution was interrupted")
		}
		b, err := op.Next(ctx)
		if err != nil || b.Len == 0 {
			return err
		}
		if err := f(b); err != nil {
			return err
		}
	}
}

func (w *writer) warn(err error) {
	if w.rt.Env.Warn != nil {
		w.rt.Env.Warn(err)
	}
}

func (w *writer) name() string { return w.schema.QualifiedName() }

// Delete removes the rows of n.Input. When it fails, the caller takes back what
// was written before.
func Delete(ctx context.Context, rt *exec.Runtime, n *plan.Delete) (Result, error) {
	w, err := newWriter(rt, n.Table, &n.Rules, n.Ignore, n.Returning)
	if err != nil {
		return Result{}, err
	}
	return w.runStored(ctx, n.Input, func(rows, stored, _ *types.Batch) error {
		return w.each(stored.Len, len(n.Rules.Children) > 0, func(from, to int) error {
			if err := w.delete(ctx, rows.Slice(from, to), stored.Slice(from, to)); err != nil {
				return err
			}
			w.res.Affected += int64(to - from)
			return w.written(ctx, rows.Slice(from, to))
		})
	})
}

// delete removes rows, as the session sees them and as they are stored.
func (w *writer) delete(ctx context.Context, rows, stored *types.Batch) error {
	if len(w.rules.Triggers) == 0 {
		return w.remove(ctx, stored)
	}
	for i := range rows.Len {
		row := rows.Slice(i, i+1)
		if _, err := w.before(ctx, "DELETE", row, nil); err != nil {
			return err
		}
		if err := w.remove(ctx, stored.Slice(i, i+1)); err != nil {
			return err
		}
		if err := w.after(ctx, "DELETE", row, nil); err != nil {
			return err
		}
	}
	return nil
}

// each calls f with all n rows of a batch at once, or with one after the other
// where the errors of some are to be ignored: what f did to such a row is taken back.
func (w *writer) each(n int, fails bool, f func(from, to int) error) error {
	if !w.ignore || !fails {
		return f(0, n)
	}
	for i := range n {
		res := w.res
		err := w.rt.Atomic(func() error { return f(i, i+1) })
		if e := sqlerr.As(err); e != nil && ignorable[e.Kind] {
			w.res = res
			w.warn(err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ignorable are the errors of rows that IGNORE makes warnings of.
var ignorable = map[*sqlerr.Kind]bool{
	sqlerr.DupEntry: true, sqlerr.NoReferencedRow: true, sqlerr.RowIsReferenced: true, sqlerr.CheckViolated: true,
}

// runStored calls f with every batch of a plan's rows, whole ones of the table, as
// the session sees them and as they are stored, and the columns that come after those.
func (w *writer) runStored(ctx context.Context, n plan.Node, f func(rows, stored, extra *types.Batch) error) (Result, error) {
	var times []int // TIMESTAMP columns
	for c := range w.schema.Columns {
		if w.schema.Columns[c].Type.Kind == types.Timestamp {
			times = append(times, c)
		}
	}
	twice := false
	if len(times) > 0 && w.rt.Env.Zone != nil && w.rt.Env.Zone != time.UTC {
		n, twice = exec.WithStored(n, w.schema)
	}
	return w.run(ctx, n, func(b *types.Batch) error {
		whole := len(w.schema.Columns)
		rows := &types.Batch{Columns: b.Columns[:whole:whole], Len: b.Len}
		if !twice {
			return f(rows, w.toUTC(rows), &types.Batch{Columns: b.Columns[whole:], Len: b.Len})
		}
		stored := &types.Batch{Columns: slices.Clone(rows.Columns), Len: b.Len}
		for i, c := range times {
			stored.Columns[c] = b.Columns[whole+i]
		}
		return f(rows, stored, nil)
	})
}

// keepStored sets the TIMESTAMPs of utc that the session sees unchanged, in old
// and rows, to what is stored.
func (w *writer) keepStored(utc, rows, old, stored *types.Batch) {
	for c, v := range utc.Columns {
		if v.Type.Kind != types.Timestamp {
			continue
		}
		kept := types.NewVector(v.Type, utc.Len)
		for i := range utc.Len {
			if sameValue(rows.Columns[c], old.Columns[c], i) {
				kept.AppendFrom(stored.Columns[c], i)
			} else {
				kept.AppendFrom(v, i)
			}
		}
		utc.Columns[c] = kept
	}
}

// toUTC returns rows in the session's zone as they are stored.
func (w *writer) toUTC(b *types.Batch) *types.Batch { return w.convertZone(b, w.rt.Env.Zone, time.UTC) }

// fromUTC is the inverse of toUTC.
func (w *writer) fromUTC(b *types.Batch) *types.Batch {
	return w.convertZone(b, time.UTC, w.rt.Env.Zone)
}

// convertZone returns b with its TIMESTAMPs in another zone; the other columns
// are shared.
func (w *writer) convertZone(b *types.Batch, from, to *time.Location) *types.Batch {
	if w.rt.Env.Zone == nil || w.rt.Env.Zone == time.UTC {
		return b
	}
	out := &types.Batch{Columns: slices.Clone(b.Columns), Len: b.Len}
	for i, v := range b.Columns {
		if w.schema.Columns[i].Type.Kind == types.Timestamp {
			out.Columns[i] = copyVector(v, b.Len)
			types.ConvertZoneVector(out.Columns[i], from, to)
		}
	}
	return out
}

func copyVector(v *types.Vector, n int) *types.Vector {
	out := types.NewVector(v.Type, n)
	for i := range n {
		out.AppendFrom(v, i)
	}
	return out
}

// now returns the statement's time for a column of type t.
func (w *writer) now(t types.Type) types.Value { return w.moment(w.rt.Env.Now, t) }

// moment returns a time in the session's zone for a column of type t.
func (w *writer) moment(at time.Time, t types.Type) types.Value {
	zone := w.rt.Env.Zone
	if zone == nil {
		zone = time.UTC
	}
	unit := time.Second
	for range t.Scale {
		unit /= 10
	}
	return types.NewInt(types.TimeToPacked(at.In(zone).Truncate(unit), t.Scale))
}

// duplicate is the error for a taken key; row is the one that cannot be added.
func (w *writer) duplicate(c *store.Conflict, rows *types.Batch) error {
	return Duplicate(w.schema, c.Index, func(column int) types.Value { return rows.Columns[column].Value(c.Row) })
}

// Duplicate is the error for a key of t's index ix, nil standing for the primary
// key, that a row with the given values cannot have.
func Duplicate(t *schema.Table, ix *schema.Index, value func(column int) types.Value) error {
	name := "PRIMARY"
	if ix != nil {
		name = ix.Name
	}
	var text []byte
	key, own := t.Key(ix)
	for i, k := range key[:own] {
		if i > 0 {
			text = append(text, '-')
		}
		v, typ := value(k.Column), t.Columns[k.Column].Type
		switch {
		case v.IsNull():
			text = append(text, "NULL"...)
		case k.Prefix > 0:
			text = append(text, types.Prefix(typ, v.Bytes(), k.Prefix)...)
		default:
			text = types.AppendText(text, typ, v)
		}
	}
	return sqlerr.DupEntry.New("Duplicate entry '%s' for key '%s.%s'", strings.ToValidUTF8(string(text), "?"), t.Name, name).
		On(t.QualifiedName()).For(name)
}

// viewCheck is a WITH CHECK OPTION at work.
type viewCheck struct {
	view string
	eval *expr.Evaluator
}

// newViewCheck returns nil for nil.
func newViewCheck(env *expr.Env, c *plan.ViewCheck) (*viewCheck, error) {
	if c == nil {
		return nil, nil
	}
	ev, err := expr.NewEvaluator(env, c.Cond)
	return &viewCheck{c.View, ev}, err
}

// permitted returns which of rows, in the session's zone, c lets through; nil:
// all. It is an error that it does not, but with IGNORE.
func (w *writer) permitted(c *viewCheck, rows *types.Batch) (keep []int32, err error) {
	if c == nil {
		return nil, nil
	}
	keep, err = c.eval.Select(rows, []int32{})
	if err != nil || len(keep) == rows.Len {
		return nil, err
	}
	failed := sqlerr.ViewCheckFailed.New("CHECK OPTION failed '%s'", c.view).On(c.view)
	if !w.ignore {
		return nil, failed
	}
	for range rows.Len - len(keep) {
		w.warn(failed)
	}
	return keep, nil
}

// checkSize refuses rows that are too large.
func (w *writer) checkSize(b *types.Batch) error {
	total := 0
	for _, v := range b.Columns {
		total += len(v.Data)
	}
	if total <= MaxRowBytes {
		return nil
	}
	for i := range b.Len {
		size := 0
		for _, v := range b.Columns {
			if len(v.Offsets) > 0 {
				size += int(v.Offsets[i+1] - v.Offsets[i])
			}
		}
		if size > MaxRowBytes {
			return sqlerr.RowTooLarge.New("Row size too large: row %d has %d bytes, the maximum is %d",
				w.rows+int64(i)+1, size, MaxRowBytes).On(w.name())
		}
	}
	return nil
}

// setter computes a list of assignments.
type setter struct {
	set  []plan.Assignment
	eval []*expr.Evaluator
}

func newSetter(env *expr.Env, set []plan.Assignment) (*setter, error) {
	s := &setter{set: set}
	for _, a := range set {
		ev, err := expr.NewEvaluator(env, a.Value)
		if err != nil {
			return nil, err
		}
		s.eval = append(s.eval, ev)
	}
	return s, nil
}

// apply returns old with the assignments made, one after the other: each sees
// those before it. Rows further on in the input to the expressions, after old's
// columns, are extra's. changed tells which rows are different now; in them,
// columns with ON UPDATE CURRENT_TIMESTAMP that are not assigned to are set.
func (w *writer) apply(s *setter, old, extra *types.Batch) (rows *types.Batch, changed []int32, err error) {
	n := len(old.Columns)
	in := &types.Batch{Columns: slices.Clone(old.Columns), Len: old.Len}
	if extra != nil {
		in.Columns = append(in.Columns, extra.Columns...)
	}
	assigned := make([]bool, n)
	for i, a := range s.set {
		out, err := s.eval[i].Eval(in)
		if err != nil {
			return nil, nil, err
		}
		v, err := w.assign(out[0], a.Column, in.Len)
		if err != nil {
			return nil, nil, err
		}
		in.Columns[a.Column], assigned[a.Column] = v, true
	}
	rows = &types.Batch{Columns: in.Columns[:n:n], Len: in.Len}
	for i := range rows.Len {
		for c, set := range assigned {
			if set && !sameValue(old.Columns[c], rows.Columns[c], i) {
				changed = append(changed, int32(i))
				break
			}
		}
	}
	for c := range w.schema.Columns {
		col := &w.schema.Columns[c]
		if col.OnUpdate == "" || assigned[c] || len(changed) == 0 {
			continue
		}
		v := types.NewVector(col.Type, rows.Len)
		now, next := w.now(col.Type), changed
		for i := range rows.Len {
			if len(next) > 0 && int(next[0]) == i {
				v.AppendValue(now)
				next = next[1:]
			} else {
				v.AppendFrom(old.Columns[c], i)
			}
		}
		rows.Columns[c] = v
	}
	return rows, changed, w.generate(rows)
}

// sameValue reports whether value i of both is the same, byte for byte.
func sameValue(a, b *types.Vector, i int) bool {
	x, y := a.Value(i), b.Value(i)
	if x.Physical() != types.PhysBytes || y.Physical() != types.PhysBytes {
		return x.Physical() == y.Physical() && x.Uint() == y.Uint()
	}
	return string(x.Bytes()) == string(y.Bytes())
}

// pick returns the rows of b that sel lists.
func pick(b *types.Batch, sel []int32) *types.Batch {
	if len(sel) == b.Len {
		return b
	}
	out := &types.Batch{Columns: make([]*types.Vector, len(b.Columns))}
	for i, c := range b.Columns {
		out.Columns[i] = types.NewVector(c.Type, len(sel))
	}
	out.Gather(b, sel)
	return out
}
