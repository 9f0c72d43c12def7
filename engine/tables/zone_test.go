package tables

import (
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// TestClocksSetBack changes rows whose times show alike in the session's zone.
func TestClocksSetBack(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	s := newSession(t)
	d := table(9, []int{0}, []schema.Column{{Name: "at", Type: types.TimestampType(0), NotNull: true},
		{Name: "also", Type: types.TimestampType(0)}, {Name: "n", Type: intT}})
	// 02:30 in Berlin, before and after.
	s.want(d, plan.InsertPlain, "2/0", row("2026-10-25 00:30:00", "2026-10-25 00:30:00", 1), row("2026-10-25 01:30:00", "2026-10-25 01:30:00", 2))
	s.rt.Env.Zone = berlin
	s.wantRows(d, "2026-10-25 02:30:00|2026-10-25 02:30:00|1", "2026-10-25 02:30:00|2026-10-25 02:30:00|2")
	column := func(c int) expr.Expr { return &expr.Column{Index: c, T: d.Columns[c].Type, Null: true} }
	first := &expr.Compare{Op: expr.EQ, L: column(2), R: literal(1)}
	res, err := Update(t.Context(), s.rt, &plan.Update{Table: d, Input: &plan.Filter{Input: scanAll(d), Cond: first},
		Set: []plan.Assignment{{Column: 1, Value: column(1)}, {Column: 2, Value: literal(5)}}})
	s.result(res, err, "1/0")
	second := &expr.Compare{Op: expr.EQ, L: column(2), R: literal(2)}
	last := &plan.Limit{Input: &plan.Sort{Input: &plan.Filter{Input: scanAll(d), Cond: second}, Keys: []plan.SortKey{{Expr: column(0)}}}, Count: literal(1)}
	res, err = Delete(t.Context(), s.rt, &plan.Delete{Table: d, Input: last})
	s.result(res, err, "1/0")
	s.rt.Env.Zone = time.UTC
	s.wantRows(d, "2026-10-25 00:30:00|2026-10-25 00:30:00|5")
}
