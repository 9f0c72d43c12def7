package tables

import (
	"context"
	"strings"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// fires reports whether there is a trigger of an event.
func (w *writer) fires(event string, before bool) bool {
	for _, t := range w.rules.Triggers {
		if t.Event == event && t.Before == before {
			return true
		}
	}
	return false
}

// before runs the triggers before a change of one row from old to new, in the
// session's zone; either may be nil. It returns what they make of new.
func (w *writer) before(ctx context.Context, event string, old, new *types.Batch) (*types.Batch, error) {
	for _, t := range w.rules.Triggers {
		if t.Event != event || !t.Before {
			continue
		}
		params, err := w.fire(ctx, t, old, new)
		if err != nil {
			return nil, err
		}
		if new == nil {
			continue
		}
		out := &types.Batch{Columns: make([]*types.Vector, len(new.Columns)), Len: 1}
		for c, v := range new.Columns {
			out.Columns[c] = types.NewVector(v.Type, 1)
			out.Columns[c].AppendValue(params[len(new.Columns)+c])
		}
		new = out
	}
	return new, nil
}

// after runs the triggers after a change of one row.
func (w *writer) after(ctx context.Context, event string, old, new *types.Batch) error {
	for _, t := range w.rules.Triggers {
		if t.Event != event || t.Before {
			continue
		}
		if _, err := w.fire(ctx, t, old, new); err != nil {
			return err
		}
	}
	return nil
}

// fire runs a trigger and returns its parameters at the end.
func (w *writer) fire(ctx context.Context, t *plan.Trigger, old, new *types.Batch) ([]types.Value, error) {
	n := len(t.Table.Columns)
	f := &firing{w: w, env: *w.rt.Env, rt: *w.rt, params: make([]types.Value, 2*n+len(t.Vars))}
	for i, b := range []*types.Batch{old, new} {
		if b == nil {
			continue
		}
		for c, v := range b.Columns {
			f.params[i*n+c] = v.Value(0).Clone()
		}
	}
	f.env.Params, f.rt.Env = f.params, &f.env
	// Its body means the same in every session.
	f.env.Strict, f.env.QuietDivision, f.env.ZeroDates, f.rt.Lenient, f.rt.ZeroDates = !w.ignore, false, 0, false, 0
	runner := exec.NewRunner(&f.rt)
	f.env.Runner = runner
	defer runner.Close()
	return f.params, f.run(ctx, t.Body)
}

// firing is a run of a trigger.
type firing struct {
	w      *writer
	rt     exec.Runtime
	env    expr.Env
	params []types.Value // see plan.Trigger

	active []*plan.Block // those with handlers around the statement that runs
	warned []error       // what that statement warned of: for a handler, or to be passed on
	// The condition that the innermost handler is for, and whether it is a warning; nil: there
	// is none.
	handled   error
	isWarning bool
}

// leaving is how a LEAVE or ITERATE gets to what it leaves.
type leaving struct{ *plan.Leave }

func (leaving) Error() string { return "LEAVE outside of its block" }

// left reports whether err comes from a LEAVE or, with iterate, ITERATE of a label.
func left(err error, label int, iterate bool) bool {
	l, ok := err.(leaving)
	return ok && l.Label == label && l.Iterate == iterate
}

func (f *firing) run(ctx context.Context, s plan.Step) error {
	switch s := s.(type) {
	case nil:
		return nil
	case plan.Steps:
		for _, one := range s {
			if err := f.run(ctx, one); err != nil {
				return err
			}
		}
		return nil
	case *plan.If:
		for i, cond := range s.Conds {
			ok, err := f.holds(cond)
			if err != nil {
				return f.handle(ctx, err)
			}
			if ok {
				return f.run(ctx, s.Arms[i])
			}
		}
		return f.run(ctx, s.Else)
	case *plan.While:
		return f.loop(ctx, s)
	case *plan.Block:
		return f.block(ctx, s)
	case *plan.Leave:
		return leaving{s}
	}
	f.warned = nil
	err := f.simple(ctx, s)
	switch {
	case len(f.active) == 0:
		for _, w := range f.warned { // in a handler
			f.w.warn(w)
		}
		return err
	case err != nil:
		return f.handle(ctx, err)
	case len(f.warned) == 0:
		return nil
	}
	warned := f.warned
	handled, next := f.find(ctx, warned[len(warned)-1], true)
	if !handled {
		for _, w := range warned {
			f.w.warn(w)
		}
	}
	return next
}

// simple runs a statement that has none in it.
func (f *firing) simple(ctx context.Context, s plan.Step) error {
	switch s := s.(type) {
	case *plan.Let:
		v, err := expr.EvalConst(&f.env, s.Value)
		if err != nil {
			return err
		}
		return f.let(s, s.Value.Type(), v)
	case *plan.Raise:
		return f.raise(s)
	case *plan.Diagnose:
		return f.diagnose(s)
	case *plan.Fail:
		return s.Err
	case *plan.Run:
		return f.statement(ctx, s)
	}
	return sqlerr.Internal.New("no way to run a %T", s)
}

func (f *firing) block(ctx context.Context, s *plan.Block) error {
	if s.Handlers != nil {
		f.env.Warn = func(err error) { f.warned = append(f.warned, err) }
		f.active = append(f.active, s)
		defer func() {
			if f.active = f.active[:len(f.active)-1]; len(f.active) == 0 {
				f.env.Warn = f.w.rt.Env.Warn
			}
		}()
	}
	if err := f.run(ctx, s.Body); !left(err, s.Label, false) {
		return err
	}
	return nil
}

// warn passes a warning on.
func (f *firing) warn(err error) {
	if f.env.Warn != nil {
		f.env.Warn(err)
	}
}

// unhandled are errors that no handler is for: the statement that fired the trigger has to
// end, or to run again.
var unhandled = map[*sqlerr.Kind]bool{
	sqlerr.Interrupted: true, sqlerr.QueryTimeout: true, sqlerr.Closed: true, sqlerr.Internal: true, sqlerr.Corrupt: true,
	sqlerr.WriteConflict: true, sqlerr.LockDeadlock: true, sqlerr.NotSupported: true,
}

// handle runs the handler of an error, and returns where to go on; err if there is none.
func (f *firing) handle(ctx context.Context, err error) error {
	if e := sqlerr.As(err); e == nil || unhandled[e.Kind] {
		return err
	}
	handled, next := f.find(ctx, err, false)
	if !handled {
		return err
	}
	return next
}

// find runs the handler of a condition: the one that fits best of the innermost block that
// has some.
func (f *firing) find(ctx context.Context, err error, warning bool) (handled bool, next error) {
	active := f.active
	for i := len(active) - 1; i >= 0; i-- {
		h := handlerOf(active[i].Handlers, err, warning)
		if h == nil {
			continue
		}
		outer, outerWarns := f.handled, f.isWarning
		f.active, f.handled, f.isWarning = active[:i:i], err, warning // the block's own are not for its handlers
		next = f.run(ctx, h.Body)
		f.active, f.handled, f.isWarning = active, outer, outerWarns
		if next == nil && !h.Continue {
			next = leaving{&plan.Leave{Label: active[i].Label}}
		}
		return true, next
	}
	return false, nil
}

// handlerOf returns the handler that fits a condition best: one of its number, its
// SQLSTATE, its class; nil if there is none.
func handlerOf(list []*plan.Handler, err error, warning bool) (best *plan.Handler) {
	e := sqlerr.As(err)
	if e == nil {
		return nil
	}
	class := "SQLEXCEPTION"
	switch {
	case e.Kind.State[:2] == "02":
		class = "NOT FOUND"
	case e.Kind.State[:2] == "01", warning:
		class = "SQLWARNING"
	}
	rank := 0
	for _, h := range list {
		for _, c := range h.For {
			r := 0
			switch {
			case c.Number > 0 && c.Number == int(e.Kind.Number):
				r = 3
			case c.State != "" && c.State == e.Kind.State:
				r = 2
			case c.Class == class:
				r = 1
			}
			if r > rank {
				best, rank = h, r
			}
		}
	}
	return best
}

// let gives a parameter a value, converted to its type, or a variable of the session.
func (f *firing) let(l *plan.Let, from types.Type, v types.Value) error {
	if l.Session {
		f.env.Variables.Set(l.Name, from, v)
		return nil
	}
	to := types.Target{Type: l.T, Column: l.Name, Row: int(f.w.rows) + 1, Zone: f.env.Zone, Now: f.env.Now}
	v, err := types.Assign(&to, from, v)
	if err != nil {
		return err
	}
	f.params[l.Param] = v.Clone()
	return nil
}

// holds evaluates a condition.
func (f *firing) holds(cond expr.Expr) (bool, error) {
	v, err := expr.EvalConst(&f.env, cond)
	return err == nil && !v.IsNull() && v.Int() != 0, err
}

func (f *firing) loop(ctx context.Context, s *plan.While) error {
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return sqlerr.Interrupted.Wrap(err, "Query execution was interrupted")
		}
		if s.Cond != nil && !(s.Until && first) {
			ok, err := f.holds(s.Cond)
			if err != nil {
				return f.handle(ctx, err)
			}
			if ok == s.Until {
				return nil
			}
		}
		switch err := f.run(ctx, s.Body); {
		case left(err, s.Label, false):
			return nil
		case err != nil && !left(err, s.Label, true):
			return err
		}
	}
}

// Diagnostic returns what GET DIAGNOSTICS tells of a condition, by MySQL's name of the item.
func Diagnostic(condition error, item string) (types.Type, types.Value) {
	switch v := sqlerr.Diagnostic(condition, item).(type) {
	case int64:
		return types.Int64Type, types.NewInt(v)
	default:
		return types.TextType, types.NewString(v.(string))
	}
}

// diagnose runs GET DIAGNOSTICS, of the condition that is handled.
func (f *firing) diagnose(s *plan.Diagnose) error {
	if s.Stacked && f.handled == nil {
		return sqlerr.StackedNoHandler.New("GET STACKED DIAGNOSTICS when handler not active")
	}
	if s.Condition != nil {
		n, err := expr.EvalConst(&f.env, s.Condition)
		if err != nil {
			return err
		}
		if n.IsNull() || n.Int() != 1 || f.handled == nil {
			return sqlerr.InvalidConditionNumber.New("Invalid condition number")
		}
	}
	for i, what := range s.Items {
		t, value := types.Int64Type, types.NewInt(0)
		switch {
		case s.Condition != nil:
			t, value = Diagnostic(f.handled, what)
		case f.handled != nil:
			value = types.NewInt(1)
		}
		if err := f.let(&s.Into[i], t, value); err != nil {
			return err
		}
	}
	return nil
}

func (f *firing) raise(s *plan.Raise) error {
	if s.Again && f.handled == nil {
		return sqlerr.ResignalNoHandler.New("RESIGNAL when handler not active")
	}
	kind := &sqlerr.Kind{Name: sqlerr.Signalled.Name, Number: sqlerr.Signalled.Number, State: s.State}
	message := "Unhandled user-defined exception condition"
	var cause error = sqlerr.Signalled
	warning := strings.HasPrefix(s.State, "01")
	switch {
	case s.State == "":
		e := sqlerr.As(f.handled)
		*kind, message = *e.Kind, e.Message
		cause, warning = f.handled, f.isWarning || strings.HasPrefix(kind.State, "01")
	case warning:
		kind.Number, message = 1642, "Unhandled user-defined warning condition"
	case s.State[:2] == "02":
		kind.Number, message = 1643, "Unhandled user-defined not found condition"
	}
	if s.Message != nil {
		v, err := expr.EvalConst(&f.env, expr.CastTo(s.Message, types.TextType))
		if err != nil {
			return err
		}
		message = string(v.Bytes())
	}
	if s.Number != nil {
		v, err := expr.EvalConst(&f.env, expr.CastTo(s.Number, types.Int64Type))
		if err != nil {
			return err
		}
		if v.Int() > 0 && v.Int() <= 65535 {
			kind.Number = uint16(v.Int())
		}
	}
	err := kind.Wrap(cause, "%s", message)
	if warning {
		f.warn(err)
		return nil
	}
	return err
}

// statement runs a statement of SQL.
func (f *firing) statement(ctx context.Context, s *plan.Run) error {
	if s.Plan.Writes == nil {
		return f.query(ctx, s)
	}
	var res Result
	run := func() (err error) {
		res, err = Run(ctx, &f.rt, s.Plan.Root)
		return err
	}
	var err error
	if len(f.active) > 0 {
		err = f.rt.Atomic(run) // a handler may go on
	} else {
		err = run()
	}
	if err == nil {
		f.w.res.count(res.Tables...)
	}
	return err
}

// query runs a SELECT. Without rows its variables stay as they are.
func (f *firing) query(ctx context.Context, s *plan.Run) error {
	op, err := exec.Build(s.Plan.Root, &f.rt)
	if err != nil {
		return err
	}
	defer op.Close()
	if err := op.Open(ctx); err != nil {
		return err
	}
	found := 0
	for {
		b, err := op.Next(ctx)
		if err != nil {
			return err
		}
		if b.Len == 0 {
			break
		}
		if s.Into == nil {
			continue
		}
		if found += b.Len; found > 1 {
			return sqlerr.TooManyRows.New("Result consisted of more than one row")
		}
		for i := range s.Into {
			v := b.Columns[i]
			if err := f.let(&s.Into[i], v.Type, v.Value(0)); err != nil {
				return err
			}
		}
	}
	if found == 0 && s.Into != nil {
		f.warn(sqlerr.NoData.New("No data - zero rows fetched, selected, or processed"))
	}
	return nil
}

// checkNulls refuses NULL in a row's columns that may not have it, once
// triggers have set what they set.
func (w *writer) checkNulls(row *types.Batch) (*types.Batch, error) {
	for c := range w.schema.Columns {
		col := &w.schema.Columns[c]
		if !col.NotNull || !row.Columns[c].IsNull(0) {
			continue
		}
		v, err := w.replaceNulls(row.Columns[c], col, row.Len)
		if err != nil {
			return nil, err
		}
		row.Columns[c] = v
	}
	return row, nil
}
