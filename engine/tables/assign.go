package tables

import (
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// assign converts src's n values for column c, in strict mode; else, and with IGNORE,
// to the nearest that the column can have, with a warning.
func (w *writer) assign(src *types.Vector, c, n int) (*types.Vector, error) {
	return w.assignIn(src, c, n, new(types.Vector))
}

// assignIn is assign that may use room.
func (w *writer) assignIn(src *types.Vector, c, n int, room *types.Vector) (*types.Vector, error) {
	v, err := w.convert(src, c, n, room)
	if err != nil || w.late || !w.schema.Columns[c].NotNull || v.Valid == nil {
		return v, err
	}
	return w.replaceNulls(v, &w.schema.Columns[c], n)
}

// convert is assignIn for a column that may be NULL. Where values are the column's as they
// are, it returns room, which shares src's memory.
func (w *writer) convert(src *types.Vector, c, n int, room *types.Vector) (*types.Vector, error) {
	col := &w.schema.Columns[c]
	to := types.Target{Type: col.Type, Column: col.Name, Row: int(w.rows) + 1, Zone: w.rt.Env.Zone, Now: w.rt.Env.Now, ZeroDates: w.rt.ZeroDates}
	if w.lenient {
		to.Ignore = func(e *sqlerr.Error) { w.warn(e.On(w.name())) }
	}
	if to.Takes(src) { // rows are only read
		*room = *src
		room.Type = col.Type
		return room, nil
	}
	v := types.NewVector(col.Type, n)
	if _, err := types.AssignVector(&to, src, v); err != nil {
		if e := sqlerr.As(err); e != nil {
			err = e.On(w.name())
		}
		return v, err
	}
	return v, nil
}

// replaceNulls refuses NULL in a column that may not have it; where errors of values are
// warnings, the type's zero takes its place.
func (w *writer) replaceNulls(v *types.Vector, col *schema.Column, n int) (*types.Vector, error) {
	out := types.NewVector(v.Type, n)
	for i := range n {
		if !v.IsNull(i) {
			out.AppendFrom(v, i)
			continue
		}
		err := sqlerr.ColumnNotNull.New("Column '%s' cannot be null", col.Name).On(w.name()).In(col.Name)
		if !w.lenient || w.wholeNull || !col.Type.HasZero() {
			return nil, err
		}
		w.warn(err)
		out.AppendValue(types.Zero(col.Type))
	}
	return out, nil
}
