package exec

import (
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// frame finds the frame of each row in turn, rows [lo, hi). Neither end ever
// moves back.
type frame struct {
	whole        bool
	rows         bool
	groups       bool
	start, end   frameBound
	key          int // column
	desc         bool
	lo, hi       int
	first, after groupStart // of GROUPS: where lo and hi are
}

// groupStart is where a group of peers begins.
type groupStart struct{ row, group int }

type frameBound struct {
	expr.Bound
	limit  int // column
	offset int // rows
}

func newFrame(f *expr.Window, cols *windowColumns) *frame {
	if f.Frame == nil {
		return &frame{whole: true}
	}
	r := &frame{rows: f.Frame.Rows, groups: f.Frame.Groups, start: frameBound{Bound: f.Frame.Start}, end: frameBound{Bound: f.Frame.End}}
	if f.Frame.Key != nil {
		r.key, r.desc = cols.column(f.Frame.Key), f.Order[0].Desc
	}
	for _, b := range []*frameBound{&r.start, &r.end} {
		if b.Limit != nil {
			b.limit = cols.column(b.Limit)
		}
	}
	return r
}

func (f *frame) open(env *expr.Env) error {
	for _, b := range []*frameBound{&f.start, &f.end} {
		if b.Offset == nil || b.Offset.Type().Physical() == types.PhysBytes {
			continue // the end of a RANGE, checked when it was planned
		}
		n, ok, err := constInteger(env, b.Offset)
		if err != nil {
			return err
		}
		if (f.rows || f.groups) && !ok || ok && n < 0 {
			return sqlerr.IllegalFrame.New("Window '%s': frame start or end is negative, NULL or of non-integral type", expr.UnnamedWindow)
		}
		b.offset = int(min(n, maxOffset))
	}
	return nil
}

func (f *frame) begin() {
	f.lo, f.hi, f.first, f.after = 0, 0, groupStart{}, groupStart{}
}

// growing reports whether frames begin with the partition.
func (f *frame) growing() bool { return f.whole || f.start.Kind == expr.UnboundedPreceding }

// move finds the frame of w's current row.
func (f *frame) move(w *window) error {
	if f.whole {
		f.hi = w.rows.n
		return nil
	}
	if err := f.moveStart(w); err != nil {
		return err
	}
	if err := f.moveEnd(w); err != nil {
		return err
	}
	f.lo = min(f.lo, w.rows.n)
	f.hi = max(min(f.hi, w.rows.n), f.lo)
	return nil
}

func (f *frame) moveStart(w *window) (err error) {
	switch f.start.Kind {
	case expr.Preceding:
		if f.rows {
			f.lo = max(w.row-f.start.offset, 0)
			return nil
		}
		if f.groups {
			f.lo, err = f.first.pass(w, w.groups-f.start.offset)
			return err
		}
	case expr.CurrentRow:
		f.lo = w.peers
		if f.rows {
			f.lo = w.row
		}
		return nil
	case expr.Following:
		if f.rows {
			f.lo = w.row + f.start.offset
			return nil
		}
		if f.groups {
			f.lo, err = f.first.pass(w, w.groups+f.start.offset)
			return err
		}
	default:
		return nil
	}
	return f.advance(w, &f.lo, f.start.limit, 0)
}

func (f *frame) moveEnd(w *window) (err error) {
	switch f.end.Kind {
	case expr.Preceding:
		if f.rows {
			f.hi = w.row - f.end.offset + 1
			return nil
		}
		if f.groups {
			f.hi, err = f.after.pass(w, w.groups-f.end.offset+1)
			return err
		}
	case expr.CurrentRow:
		f.hi = w.peersEnd
		if f.rows {
			f.hi = w.row + 1
		}
		return nil
	case expr.Following:
		if f.rows {
			f.hi = w.row + f.end.offset + 1
			return nil
		}
		if f.groups {
			f.hi, err = f.after.pass(w, w.groups+f.end.offset+1)
			return err
		}
	default:
		f.hi = w.rows.n
		return nil
	}
	return f.advance(w, &f.hi, f.end.limit, 1)
}

// pass moves over groups of peers to group to, or to the end, and returns its first row.
func (g *groupStart) pass(w *window, to int) (int, error) {
	for ; g.group < to && g.row < w.rows.n; g.group++ {
		for g.row++; g.row < w.rows.n && w.order != nil; g.row++ {
			d, err := w.rows.compare(w.order, g.row-1, g.row)
			if err != nil {
				return 0, err
			}
			if d != 0 {
				break
			}
		}
		if w.order == nil {
			g.row = w.rows.n
		}
	}
	return g.row, nil
}

// advance moves an end over the rows whose key is before the current row's
// limit; below is 1 where those at the limit are passed too.
func (f *frame) advance(w *window, end *int, limit, below int) error {
	for ; *end < w.rows.n; *end++ {
		d, err := w.rows.compareColumns(*end, f.key, w.row, limit)
		if f.desc {
			d = -d
		}
		if err != nil || d >= below {
			return err
		}
	}
	return nil
}
