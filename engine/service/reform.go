package service

import (
	"context"
	"slices"
	"strings"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/types"
)

// reform makes a table's rows and entries those of its new definition. Most
// changes touch no row: old rows are read as the definition says. What must be
// built is built beside what is there, and counts with the definition's commit.
type reform struct {
	c   *Catalog
	s   Scope
	tx  *store.Tx
	old *schema.Table
	d   *definition

	rewrite bool            // write all rows anew
	build   []*schema.Index // to be built
	check   bool            // rows have to be looked at

	inDeleted bool // a deleted row did not allow the change
}

// plan finds out what there is to do, and completes the definition.
func (f *reform) plan(ctx context.Context) error {
	f.rewrite = f.d.rewrite || !sameKey(f.old, f.d.Table, nil, nil)
	for i := range f.d.Columns {
		c := &f.d.Columns[i]
		_, converted := f.d.source[c.ID]
		if !f.added(i) || converted || c.Name == schema.RowIDColumn {
			continue
		}
		if c.Generated != "" {
			f.check = f.check || !c.Virtual || c.NotNull
		} else if err := f.initial(ctx, c); err != nil {
			return err
		}
	}
	for _, old := range f.old.Columns {
		i := slices.IndexFunc(f.d.Columns, func(c schema.Column) bool { return c.ID == old.ID })
		f.check = f.check || i >= 0 && !old.NotNull && f.d.Columns[i].NotNull
	}
	f.check = f.check || len(newlyEnforced(f.old, f.d.Table)) > 0
	for i := range f.d.Indexes {
		ix := &f.d.Indexes[i]
		if before := indexByID(f.old, ix.ID); before != nil && !sameKey(f.old, f.d.Table, before, ix) {
			ix.ID = f.d.NextIndexID
			f.d.NextIndexID++
		}
		if ix.ID >= f.old.NextIndexID {
			f.build = append(f.build, ix)
		}
	}
	if !f.rewrite {
		return nil
	}
	// Everything is in the new rows.
	for i := range f.d.Columns {
		f.d.Columns[i].Initial = ""
	}
	var err error
	f.d.Storage, err = sqlmeta.NextTableID(ctx, f.tx)
	return err
}

func indexByID(t *schema.Table, id uint32) *schema.Index {
	i := slices.IndexFunc(t.Indexes, func(ix schema.Index) bool { return ix.ID == id })
	if i < 0 {
		return nil
	}
	return &t.Indexes[i]
}

// sameKey reports whether index a of table t has the same entries as b of u; nil
// stands for the primary keys.
func sameKey(t, u *schema.Table, a, b *schema.Index) bool {
	ka, na := t.Key(a)
	kb, nb := u.Key(b)
	if na != nb || len(ka) != len(kb) {
		return false
	}
	for i := range ka {
		x, y := &t.Columns[ka[i].Column], &u.Columns[kb[i].Column]
		if x.ID != y.ID || ka[i].Part != kb[i].Part || (x.Type.LossyKey() || y.Type.LossyKey()) && x.Type.Collation != y.Type.Collation {
			return false
		}
	}
	return a == nil || a.Unique == b.Unique
}

// initial sets the value that old rows have in added column c.
func (f *reform) initial(ctx context.Context, c *schema.Column) error {
	switch {
	case c.AutoIncrement:
		f.rewrite = true
		return nil
	case c.Default == "":
		if !c.NotNull {
			return nil
		}
		if !c.Type.HasZero() {
			some, err := f.hasRows(ctx)
			if err == nil && some {
				err = sqlerr.NoGeometry.New("Cannot get geometry object from data you send to the GEOMETRY field").In(c.Name)
			}
			return err
		}
		if c.Type.IsTemporal() && c.Type.Kind != types.Time {
			// Zero is no date; it does where there are no rows.
			some, err := f.hasRows(ctx)
			if err != nil {
				return err
			}
			if some {
				zero := string(types.AppendText(nil, c.Type, types.Zero(c.Type)))
				what := map[types.Kind]string{types.Date: "date"}[c.Type.Kind]
				if what == "" {
					what = "datetime"
				}
				return sqlerr.TruncatedWrongVal.New("Incorrect %s value: '%s' for column '%s' at row 1", what, zero, c.Name).In(c.Name)
			}
		}
		c.Initial = string(types.AppendSQL(nil, c.Type, types.Zero(c.Type)))
		return nil
	}
	ast, err := parse.ParseExpr(c.Default)
	if err != nil {
		return err
	}
	e, err := plan.BindRow(f.d.Table, ast)
	if err != nil {
		return err
	}
	if !expr.IsConst(e) || !expr.Deterministic(e) {
		f.rewrite = true
		return nil
	}
	v, err := expr.EvalConst(f.env(ctx), e)
	if err != nil {
		return err
	}
	zone := f.env(ctx).Zone
	if v, err = types.Assign(&types.Target{Type: c.Type, Column: c.Name, Zone: zone, Now: f.s.Now, ZeroDates: types.AnyZeroDate}, e.Type(), v); err != nil {
		return err
	}
	if c.Type.Kind == types.Timestamp && !v.IsNull() {
		v = types.NewInt(types.ConvertZone(v.Int(), zone, time.UTC))
	}
	if !v.IsNull() {
		c.Initial = string(types.AppendSQL(nil, c.Type, v))
	}
	return nil
}

func (f *reform) hasRows(ctx context.Context) (bool, error) {
	s := f.tx.AllUsers(f.old).Scan(store.ScanRequest{Limit: 1})
	defer s.Close()
	b := &types.Batch{}
	err := s.Next(ctx, b, types.NewVector(types.BytesType, 1))
	return b.Len > 0, err
}

// env is what expressions are evaluated in.
func (f *reform) env(ctx context.Context) *expr.Env {
	zone := f.s.Zone
	if zone == nil {
		zone = time.UTC
	}
	return &expr.Env{Context: ctx, Now: f.s.Now, Zone: zone, Database: f.s.Namespace, Strict: true, Warn: f.s.Warn}
}

// allowed refuses an ALGORITHM or LOCK that the change cannot have. Writers wait
// while rows are written anew; readers never do.
func (f *reform) allowed(options []sqlparser.AlterOption) error {
	refuse := func(what, try string) error {
		return sqlerr.AlterAlgorithm.New("%s is not supported for this operation. Try %s.", what, try)
	}
	for _, o := range options {
		switch o := o.(type) {
		case sqlparser.AlgorithmValue:
			switch a := strings.ToUpper(string(o)); {
			case a == "INSTANT" && f.rewrite:
				return refuse("ALGORITHM=INSTANT", "ALGORITHM=COPY")
			case a == "INSTANT" && len(f.build) > 0:
				return refuse("ALGORITHM=INSTANT", "ALGORITHM=COPY/INPLACE")
			case a == "INPLACE" && f.rewrite:
				return refuse("ALGORITHM=INPLACE", "ALGORITHM=COPY")
			}
		case *sqlparser.LockOption:
			if o.Type == sqlparser.NoneType && f.rewrite {
				return refuse("LOCK=NONE", "LOCK=SHARED")
			}
		}
	}
	return nil
}

// run does what plan found; what it builds is outside of the transaction. The
// indexes may have been built ahead, and the rows looked at.
func (f *reform) run(ctx context.Context, ahead *ahead) error {
	if f.rewrite {
		return f.rebuild(ctx)
	}
	if ahead == nil {
		if err := f.checkRows(ctx); err != nil {
			return f.discreet(err)
		}
	}
	for i := range f.old.Indexes {
		if ix := &f.old.Indexes[i]; indexByID(f.d.Table, ix.ID) == nil {
			if err := store.DropIndex(ctx, f.tx, f.old, ix); err != nil {
				return err
			}
		}
	}
	if ahead != nil {
		if err := f.built(ahead.Finish(ctx)); err != nil {
			return err
		}
		ahead.Count(f.tx)
		return nil
	}
	if len(f.build) == 0 {
		return nil
	}
	return f.built(store.BuildIndexes(ctx, f.tx, f.d.Table, f.build...))
}

// built returns the error of a build.
func (f *reform) built(conflict *store.Conflict, err error) error {
	if err != nil || conflict == nil {
		return f.discreet(err)
	}
	if f.old.Kind == schema.User {
		name := "PRIMARY"
		if conflict.Index != nil {
			name = conflict.Index.Name
		}
		return sqlerr.DupEntry.New("Duplicate entry among the rows of a user for key '%s.%s'", f.d.Name, name).On(f.d.QualifiedName()).For(name)
	}
	return tables.Duplicate(f.d.Table, conflict.Index, func(c int) types.Value { return conflict.Existing[c] })
}

// discreet returns an error about rows without what it quotes of them, when they
// are those of users.
func (f *reform) discreet(err error) error {
	e := sqlerr.As(err)
	if e == nil {
		return err
	}
	if f.old.Kind == schema.User && aboutValues[e.Kind] {
		e = e.Kind.New("Rows of a user do not allow the change of column '%s'", e.Column).On(f.d.QualifiedName()).In(e.Column)
		err = e
	}
	if f.inDeleted {
		e.Message += "; the row is a deleted one, which can be restored"
	}
	return err
}

// aboutValues are the errors that quote values.
var aboutValues = map[*sqlerr.Kind]bool{
	sqlerr.OutOfRange: true, sqlerr.DataOutOfRange: true, sqlerr.DataTruncated: true, sqlerr.DataTooLong: true, sqlerr.IncorrectValue: true,
	sqlerr.TruncatedWrongVal: true, sqlerr.InvalidJSON: true, sqlerr.InvalidJSONText: true, sqlerr.WrongValue: true, sqlerr.WrongValueForType: true,
	sqlerr.IllegalSetValue: true, sqlerr.InvalidCharacters: true, sqlerr.DatetimeOverflow: true,
}

// checkRows finds out whether old rows are rows of the new definition.
func (f *reform) checkRows(ctx context.Context) error {
	if !f.check {
		return nil
	}
	t := f.d.Table
	gen, err := tables.NewGenerated(f.env(ctx), t, f.added)
	if err != nil {
		return err
	}
	n := 0
	assign := func(v *types.Vector, column, rows int) (*types.Vector, error) {
		return f.assign(v, column, rows, n)
	}
	err = eachRow(ctx, f.tx, t, func(rows *types.Batch) error {
		if gen != nil {
			if err := gen.Set(rows, assign); err != nil {
				return err
			}
		}
		n += rows.Len
		return f.checkNulls(rows)
	})
	if err != nil {
		return err
	}
	return f.s.checkRows(ctx, f.tx, t, newlyEnforced(f.old, t))
}

// checkAhead returns a function that finds out whether some old rows are rows of the new
// definition, and may change them; nil: that can't be told by looking at rows alone.
func (f *reform) checkAhead(ctx context.Context) (func(rows *types.Batch) error, error) {
	gen, err := tables.NewGenerated(f.env(ctx), f.d.Table, f.added)
	if gen != nil || err != nil {
		return nil, err
	}
	satisfy, err := f.s.checker(ctx, f.d.Table, newlyEnforced(f.old, f.d.Table))
	return func(rows *types.Batch) error {
		if err := f.checkNulls(rows); err != nil {
			return err
		}
		return satisfy(rows)
	}, err
}

// added reports whether a column was not there before.
func (f *reform) added(column int) bool { return f.d.Columns[column].ID >= f.old.NextColumnID }

func (f *reform) checkNulls(rows *types.Batch) error {
	for c, v := range rows.Columns {
		if !f.d.Columns[c].NotNull || v.Valid == nil {
			continue
		}
		for i := range rows.Len {
			if v.IsNull(i) {
				return sqlerr.BadNull.New("Invalid use of NULL value").On(f.d.QualifiedName()).In(f.d.Columns[c].Name)
			}
		}
	}
	return nil
}

// assign converts values for a column, with MySQL's strict errors; before is the
// number of rows before.
func (f *reform) assign(v *types.Vector, column, rows, before int) (*types.Vector, error) {
	c := &f.d.Columns[column]
	to := types.Target{Type: c.Type, Column: c.Name, Row: before + 1, Zone: f.s.Zone, Now: f.s.Now}
	out := types.NewVector(c.Type, rows)
	_, err := types.AssignVector(&to, v, out)
	if e := sqlerr.As(err); e != nil {
		err = e.On(f.d.QualifiedName())
	}
	return out, err
}

// rebuild writes all rows anew, under another storage number.
func (f *reform) rebuild(ctx context.Context) error {
	cv, err := f.converter(ctx)
	if err != nil {
		return err
	}
	conflict, err := store.Rebuild(ctx, f.tx, f.old, f.d.Table, cv.convert)
	if err := f.built(conflict, err); err != nil {
		return err
	}
	cv.saveCounters()
	return store.DropRows(ctx, f.tx, f.old)
}

// converter makes rows of the new definition.
type converter struct {
	f        *reform
	from     []int // the old column of each new one, or -1
	defaults []*expr.Evaluator
	initial  []types.Value
	gen      *tables.Generated
	checks   []*schema.Check
	violated []*expr.Evaluator
	rows     int
	counters map[counter]uint64 // the last number given
}

// counter is what numbers a column of a user's rows, "" where there are no users.
type counter struct {
	column int
	user   string
}

func (f *reform) converter(ctx context.Context) (*converter, error) {
	t := f.d.Table
	env := f.env(ctx)
	cv := &converter{f: f, defaults: make([]*expr.Evaluator, len(t.Columns)), initial: make([]types.Value, len(t.Columns)),
		counters: map[counter]uint64{}, checks: newlyEnforced(f.old, t)}
	for i := range t.Columns {
		c := &t.Columns[i]
		id := f.d.sourceOf(c.ID)
		cv.from = append(cv.from, slices.IndexFunc(f.old.Columns, func(o schema.Column) bool { return o.ID == id }))
		if cv.from[i] >= 0 || c.Generated != "" {
			continue
		}
		if c.NotNull {
			cv.initial[i] = types.Zero(c.Type)
		}
		if c.Default == "" {
			continue
		}
		ast, err := parse.ParseExpr(c.Default)
		if err != nil {
			return nil, err
		}
		e, err := plan.BindRow(t, ast)
		if err != nil {
			return nil, err
		}
		if cv.defaults[i], err = expr.NewEvaluator(env, e); err != nil {
			return nil, err
		}
	}
	for _, c := range cv.checks {
		e, err := plan.BindCheck(t, c)
		if err != nil {
			return nil, err
		}
		ev, err := expr.NewEvaluator(env, e)
		if err != nil {
			return nil, err
		}
		cv.violated = append(cv.violated, ev)
	}
	var err error
	cv.gen, err = tables.NewGenerated(env, t, nil)
	return cv, err
}

// convert is a store.Converter: it makes whole rows; TIMESTAMPs are in UTC.
func (cv *converter) convert(in *types.Batch, users *types.Vector, deleted bool) (*types.Batch, error) {
	out, err := cv.converted(in, users)
	cv.f.inDeleted = err != nil && deleted
	return out, err
}

func (cv *converter) converted(in *types.Batch, users *types.Vector) (*types.Batch, error) {
	t := cv.f.d.Table
	out := &types.Batch{Columns: make([]*types.Vector, len(t.Columns)), Len: in.Len}
	var err error
	for c := range t.Columns {
		col := &t.Columns[c]
		switch {
		case cv.from[c] >= 0:
			out.Columns[c], err = cv.value(in.Columns[cv.from[c]], c, in.Len)
		case cv.counted(c):
			out.Columns[c] = cv.count(c, in.Len, users)
		default:
			v := types.NewVector(col.Type, in.Len)
			for range in.Len {
				v.AppendValue(cv.initial[c])
			}
			out.Columns[c] = v
		}
		if err != nil {
			return nil, err
		}
	}
	for c, ev := range cv.defaults {
		if ev == nil {
			continue
		}
		v, err := ev.Eval(out)
		if err != nil {
			return nil, err
		}
		if out.Columns[c], err = cv.stored(v[0], c, in.Len); err != nil {
			return nil, err
		}
	}
	if cv.gen != nil {
		assign := func(v *types.Vector, column, rows int) (*types.Vector, error) {
			return cv.f.assign(v, column, rows, cv.rows)
		}
		if err := cv.gen.Set(out, assign); err != nil {
			return nil, err
		}
	}
	cv.rows += in.Len
	for i, ev := range cv.violated {
		bad, err := ev.Select(cv.f.local(out), nil)
		if err != nil {
			return nil, err
		}
		if len(bad) > 0 {
			return nil, sqlerr.CheckViolated.New("Check constraint '%s' is violated.", cv.checks[i].Name).On(t.QualifiedName()).For(cv.checks[i].Name)
		}
	}
	return out, cv.f.checkNulls(out)
}

// local returns rows with their TIMESTAMPs in the session's zone.
func (f *reform) local(rows *types.Batch) *types.Batch {
	if f.s.Zone == nil || f.s.Zone == time.UTC {
		return rows
	}
	out := &types.Batch{Columns: slices.Clone(rows.Columns), Len: rows.Len}
	for c, v := range rows.Columns {
		if v.Type.Kind == types.Timestamp {
			out.Columns[c] = inZone(v, rows.Len, time.UTC, f.s.Zone)
		}
	}
	return out
}

func inZone(v *types.Vector, n int, from, to *time.Location) *types.Vector {
	out := types.NewVector(v.Type, n)
	for i := range n {
		out.AppendFrom(v, i)
	}
	types.ConvertZoneVector(out, from, to)
	return out
}

// value converts an old column's values for new column c.
func (cv *converter) value(v *types.Vector, c, n int) (*types.Vector, error) {
	to := cv.f.d.Columns[c].Type
	if v.Type == to {
		return v, nil
	}
	if zone := cv.f.s.Zone; v.Type.Kind == types.Timestamp && zone != nil {
		if to.Kind == types.Timestamp {
			return cv.f.assign(v, c, n, cv.rows)
		}
		v = inZone(v, n, time.UTC, zone)
	}
	return cv.stored(v, c, n)
}

// stored converts values for column c, a TIMESTAMP's from the session's zone.
func (cv *converter) stored(v *types.Vector, c, n int) (*types.Vector, error) {
	out, err := cv.f.assign(v, c, n, cv.rows)
	if zone := cv.f.s.Zone; err == nil && zone != nil && out.Type.Kind == types.Timestamp {
		types.ConvertZoneVector(out, zone, time.UTC)
	}
	return out, err
}

// counted reports whether a new column's values are numbers made up.
func (cv *converter) counted(c int) bool {
	col := &cv.f.d.Columns[c]
	return cv.from[c] < 0 && (col.AutoIncrement || col.Name == schema.RowIDColumn)
}

// count gives rows numbers, as AUTO_INCREMENT does: to each user's from 1.
func (cv *converter) count(column, n int, users *types.Vector) *types.Vector {
	t := cv.f.d.Columns[column].Type
	v := types.NewVector(t, n)
	for i := range n {
		k := counter{column: column}
		if users.Len() > 0 {
			k.user = string(users.BytesAt(i))
		}
		last, known := cv.counters[k]
		if !known {
			last = max(cv.f.d.AutoIncrementStart, 1) - 1
		}
		x := last + 1
		cv.counters[k] = x
		switch t.Physical() {
		case types.PhysUint64:
			v.AppendUint(x)
		case types.PhysFloat64:
			v.AppendFloat(float64(x))
		default:
			v.AppendInt(int64(x))
		}
	}
	return v
}

// saveCounters lets the numbers go on after those that were given.
func (cv *converter) saveCounters() {
	for k, last := range cv.counters {
		store.SaveSequence(cv.f.tx, cv.f.d.Table, k.user, k.column, last)
	}
}
