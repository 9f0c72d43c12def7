package tables

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/types"
)

var (
	intT  = types.Type{Kind: types.Int, Size: -1, Collation: types.Int64Type.Collation}
	tinyT = types.Type{Kind: types.TinyInt, Size: -1, Collation: types.Int64Type.Collation}
	charT = types.Type{Kind: types.VarChar, Size: 5, Collation: types.DefaultCollation}
	now   = time.Date(2026, 7, 1, 12, 30, 15, 999_999_999, time.UTC)
)

// session is a transaction in which statements run.
type session struct {
	t        *testing.T
	tx       *store.Tx
	rt       *exec.Runtime
	warnings []string
	live     []sqlmeta.LiveQuery
}

func newSession(t *testing.T) *session {
	t.Helper()
	db, err := store.New(mem.Open(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		tx.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &session{t: t, tx: tx}
	s.rt = &exec.Runtime{
		Env: &expr.Env{Context: t.Context(), Now: now, Zone: time.UTC,
			Warn: func(err error) { s.warnings = append(s.warnings, err.Error()) }},
		Table: func(d *schema.Table) (store.Table, error) {
			if d.Kind == schema.System {
				return OpenSystem(d, tx, Access{Live: func() []sqlmeta.LiveQuery { return s.live }})
			}
			return tx.Shared(d), nil
		},
		IDs:     ids{tx},
		TempDir: t.TempDir(),
	}
	return s
}

type ids struct{ tx *store.Tx }

func (s ids) NextID(ctx context.Context, t *schema.Table, n int) (uint64, error) {
	return s.tx.NextID(ctx, t, "", n)
}

func (s ids) NextRowID(ctx context.Context, t *schema.Table, n int) (uint64, error) {
	return s.tx.NextRowID(ctx, t, "", n)
}

// table makes a definition; ids of columns and indexes are their places.
func table(id uint32, key []int, columns []schema.Column, indexes ...schema.Index) *schema.Table {
	t := &schema.Table{ID: 1000 + id, Namespace: "d", Name: "t", Kind: schema.Shared, Version: 1, PrimaryKey: key,
		Columns: columns, Indexes: indexes}
	if key == nil {
		t.PrimaryKey = []int{len(columns)}
		t.Columns = append(t.Columns, schema.Column{Name: schema.RowIDColumn, Type: types.Uint64Type, NotNull: true, Hidden: true})
	}
	for i := range t.Columns {
		t.Columns[i].ID = uint32(i + 1)
	}
	for i := range indexes {
		t.Indexes[i].ID = uint32(i + 1)
	}
	t.NextColumnID, t.NextIndexID = uint32(len(t.Columns)+1), uint32(len(indexes)+1)
	return t
}

// literal returns v as SQL would write it: int, string, float64 or nil.
func literal(v any) *expr.Literal {
	switch v := v.(type) {
	case int:
		return &expr.Literal{Value: types.NewInt(int64(v)), T: types.Int64Type}
	case string:
		return &expr.Literal{Value: types.NewString(v), T: types.TextType}
	case float64:
		return &expr.Literal{Value: types.NewFloat(v), T: types.Float64Type}
	}
	return &expr.Literal{T: types.NullType}
}

// values returns rows as a plan; a column's type is that of its first value that
// is not NULL.
func values(rows ...[]any) *plan.Values {
	n := &plan.Values{}
	for range rows[0] {
		n.T = append(n.T, types.NullType)
	}
	for _, row := range rows {
		var list []expr.Expr
		for c, v := range row {
			l := literal(v)
			if n.T[c].Kind == types.Null {
				n.T[c] = l.T
			}
			list = append(list, l)
		}
		n.Rows = append(n.Rows, list)
	}
	return n
}

func row(v ...any) []any { return v }

// insert runs an INSERT into all columns that are not hidden, or those named.
func (s *session) insert(t *schema.Table, mode plan.InsertMode, n plan.Node, columns ...int) (Result, error) {
	if columns == nil {
		for c := range t.Columns {
			if !t.Columns[c].Hidden {
				columns = append(columns, c)
			}
		}
	}
	return Insert(s.t.Context(), s.rt, &plan.Insert{Table: t, Input: n, Columns: columns, Mode: mode, Defaults: make([]expr.Expr, len(t.Columns))})
}

// want inserts rows and checks the result: affected/last insert id, * when generated.
func (s *session) want(t *schema.Table, mode plan.InsertMode, result string, rows ...[]any) {
	s.t.Helper()
	res, err := s.insert(t, mode, values(rows...))
	s.result(res, err, result)
}

func (s *session) result(res Result, err error, want string) {
	s.t.Helper()
	got := fmt.Sprintf("%d/%d", res.Affected, res.LastInsertID)
	if res.Generated {
		got += "*"
	}
	if err != nil {
		got = err.Error()
	}
	if got != want {
		s.t.Errorf("result %s, want %s", got, want)
	}
}

func scanAll(t *schema.Table) *plan.Scan {
	n := &plan.Scan{Table: t}
	for c := range t.Columns {
		n.Columns = append(n.Columns, c)
	}
	return n
}

// rows returns a plan's rows as text.
func (s *session) rows(n plan.Node) []string {
	s.t.Helper()
	op, err := exec.Build(n, s.rt)
	if err != nil {
		s.t.Fatal(err)
	}
	defer op.Close()
	if err := op.Open(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for {
		b, err := op.Next(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if b.Len == 0 {
			return out
		}
		for i := range b.Len {
			var cells []string
			for _, v := range b.Columns {
				cell := "NULL"
				if !v.IsNull(i) {
					cell = string(types.AppendText(nil, v.Type, v.Value(i)))
				}
				cells = append(cells, cell)
			}
			out = append(out, strings.Join(cells, "|"))
		}
	}
}

func (s *session) wantRows(t *schema.Table, want ...string) {
	s.t.Helper()
	if d := cmp.Diff(want, s.rows(scanAll(t))); d != "" {
		s.t.Errorf("rows (-want +got):\n%s", d)
	}
}

func (s *session) wantWarnings(want ...string) {
	s.t.Helper()
	if d := cmp.Diff(want, s.warnings); d != "" {
		s.t.Errorf("warnings (-want +got):\n%s", d)
	}
	s.warnings = nil
}

// people has an AUTO_INCREMENT key, a unique name and a number.
func people() *schema.Table {
	return table(1, []int{0}, []schema.Column{{Name: "id", Type: intT, NotNull: true, AutoIncrement: true},
		{Name: "name", Type: charT}, {Name: "n", Type: tinyT, NotNull: true}}, schema.Index{Name: "name", Columns: []int{1}, Unique: true})
}

func TestInsert(t *testing.T) {
	t.Parallel()
	s, d := newSession(t), people()
	s.want(d, plan.InsertPlain, "2/1*", row(nil, "a", 1), row(0, "b", 2))
	s.want(d, plan.InsertPlain, "1/10", row(10, "c", 3))
	s.want(d, plan.InsertPlain, "3/11*", row(nil, "d", 4), row(20, "e", 5), row(nil, nil, 6))
	s.wantRows(d, "1|a|1", "2|b|2", "10|c|3", "11|d|4", "20|e|5", "21|NULL|6")

	for _, c := range []struct {
		rows [][]any
		want string
	}{
		{[][]any{row(1, "z", 1)}, "Error 1062 (23000): Duplicate entry '1' for key 't.PRIMARY'"},
		{[][]any{row(30, "a", 1)}, "Error 1062 (23000): Duplicate entry 'a' for key 't.name'"},
		{[][]any{row(30, "z", nil)}, "Error 1048 (23000): Column 'n' cannot be null"},
		{[][]any{row(30, "y", 1), row(31, "z", 200)}, "Error 1264 (22003): Out of range value for column 'n' at row 2"},
		{[][]any{row(30, "toolong", 1)}, "Error 1406 (22001): Data too long for column 'name' at row 1"},
		{[][]any{row(30, "z", "x")}, "Error 1366 (HY000): Incorrect integer value: 'x' for column 'n' at row 1"},
	} {
		s.want(d, plan.InsertPlain, c.want, c.rows...)
	}
	_, err := Update(t.Context(), s.rt, &plan.Update{Table: d, Input: scanAll(d), Set: []plan.Assignment{{Column: 0, Value: literal(nil)}}})
	s.result(Result{}, err, "Error 1048 (23000): Column 'id' cannot be null")
	res, err := s.insert(d, plan.InsertPlain, values(row("q")), 1)
	s.result(res, err, "Error 1364 (HY000): Field 'n' doesn't have a default value")
	if e := sqlerr.As(err); e.Table != "d.t" || e.Column != "n" {
		t.Errorf("error is on %q %q", e.Table, e.Column)
	}
}

func TestInsertIgnore(t *testing.T) {
	t.Parallel()
	s, d := newSession(t), people()
	s.want(d, plan.InsertPlain, "1/5", row(5, "a", 1))
	s.want(d, plan.InsertIgnore, "2/7*", row(nil, "a", 1), row(nil, "toolong", 300), row(5, "x", 1), row(nil, "b", nil))
	s.wantRows(d, "5|a|1", "7|toolo|127", "8|b|0")
	s.wantWarnings("Error 1406 (22001): Data too long for column 'name' at row 2",
		"Error 1264 (22003): Out of range value for column 'n' at row 2",
		"Error 1048 (23000): Column 'n' cannot be null",
		"Error 1062 (23000): Duplicate entry 'a' for key 't.name'",
		"Error 1062 (23000): Duplicate entry '5' for key 't.PRIMARY'")
}

func TestReplace(t *testing.T) {
	t.Parallel()
	s, d := newSession(t), people()
	s.want(d, plan.InsertPlain, "3/3", row(1, "a", 1), row(2, "b", 2), row(3, "c", 3))
	s.want(d, plan.InsertReplace, "2/1", row(1, "a", 9))
	s.want(d, plan.InsertReplace, "3/2", row(2, "c", 5)) // takes the places of two rows
	s.want(d, plan.InsertReplace, "1/4*", row(nil, "d", 6))
	s.wantRows(d, "1|a|9", "2|c|5", "4|d|6")

	only := table(2, []int{0}, []schema.Column{{Name: "id", Type: intT, NotNull: true}})
	s.want(only, plan.InsertReplace, "1/0", row(1))
	s.want(only, plan.InsertReplace, "1/0", row(1)) // the same row again
}

func TestOnDuplicateKeyUpdate(t *testing.T) {
	t.Parallel()
	s, d := newSession(t), people()
	// n = n + VALUES(n), name = 'k<new n>'
	sum := &expr.Arith{Op: expr.Add, L: &expr.Column{Index: 2, T: tinyT}, R: &expr.Column{Index: 5, T: tinyT}, T: types.Int64Type}
	upsert := func(rows ...[]any) (Result, error) {
		return Insert(t.Context(), s.rt, &plan.Insert{Table: d, Input: values(rows...), Columns: []int{0, 1, 2},
			Mode: plan.InsertUpdate, OnDuplicate: []plan.Assignment{{Column: 2, Value: sum}}})
	}
	res, err := upsert(row(1, "a", 1), row(2, "b", 2))
	s.result(res, err, "2/2")
	res, err = upsert(row(1, "zz", 10), row(nil, "new", 5), row(2, "b", 0))
	s.result(res, err, "3/3*") // one changed (2), one new (1), one the same (0)
	s.wantRows(d, "1|a|11", "2|b|2", "3|new|5")
	_, err = upsert(row(1, "a", 120))
	s.result(Result{}, err, "Error 1264 (22003): Out of range value for column 'n' at row 1")
}

func TestUpdateAndDelete(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	stamp := types.Type{Kind: types.Timestamp, Size: -1, Scale: 3, Collation: types.Int64Type.Collation}
	d := table(3, nil, []schema.Column{{Name: "a", Type: intT}, {Name: "b", Type: intT},
		{Name: "at", Type: stamp, OnUpdate: "CURRENT_TIMESTAMP(3)"}}, schema.Index{Name: "a", Columns: []int{0}, Unique: true})
	s.want(d, plan.InsertPlain, "3/0", row(1, 1, nil), row(2, 2, nil), row(3, 3, nil))
	column := func(c int) expr.Expr { return &expr.Column{Index: c, T: d.Columns[c].Type, Null: true} }
	add := func(e expr.Expr, n int) expr.Expr {
		return &expr.Arith{Op: expr.Add, L: e, R: literal(n), T: types.Int64Type}
	}
	// a = 10 - a, b = a: b sees the new a. Row 2 has a = 8, row 3 conflicts not.
	swap := &expr.Arith{Op: expr.Sub, L: literal(10), R: column(0), T: types.Int64Type}
	res, err := Update(t.Context(), s.rt, &plan.Update{Table: d, Input: scanAll(d), Set: []plan.Assignment{{Column: 0, Value: swap}, {Column: 1, Value: column(0)}}})
	s.result(res, err, "3/0")
	if res.Matched != 3 {
		t.Errorf("matched %d", res.Matched)
	}
	stamped := "2026-07-01 12:30:15.999"
	s.wantRows(d, "9|9|"+stamped+"|1", "8|8|"+stamped+"|2", "7|7|"+stamped+"|3")

	// Nothing changes: no row counts, ON UPDATE does not fire.
	s.rt.Env.Now = now.Add(time.Hour)
	res, err = Update(t.Context(), s.rt, &plan.Update{Table: d, Input: scanAll(d), Set: []plan.Assignment{{Column: 0, Value: column(0)}}})
	s.result(res, err, "0/0")
	s.wantRows(d, "9|9|"+stamped+"|1", "8|8|"+stamped+"|2", "7|7|"+stamped+"|3")

	up := &plan.Update{Table: d, Input: scanAll(d), Set: []plan.Assignment{{Column: 0, Value: add(column(0), -1)}}}
	mark := s.tx.Mark()
	_, err = Update(t.Context(), s.rt, up)
	s.result(Result{}, err, "Error 1062 (23000): Duplicate entry '8' for key 't.a'")
	if e := sqlerr.As(err); e.Table != "d.t" || e.Constraint != "a" {
		t.Errorf("error is on %q %q", e.Table, e.Constraint)
	}
	s.tx.RollbackTo(mark)
	up.Ignore = true
	res, err = Update(t.Context(), s.rt, up)
	s.result(res, err, "1/0")
	s.wantWarnings("Error 1062 (23000): Duplicate entry '8' for key 't.a'", "Error 1062 (23000): Duplicate entry '7' for key 't.a'")

	two := &expr.Compare{Op: expr.GT, L: column(0), R: literal(6)}
	res, err = Delete(t.Context(), s.rt, &plan.Delete{Table: d, Input: &plan.Filter{Input: scanAll(d), Cond: two}})
	s.result(res, err, "2/0")
	if got := s.rows(scanAll(d)); len(got) != 1 || !strings.HasPrefix(got[0], "6|7|2026-07-01 13:30:15.999|") {
		t.Errorf("rows %q", got)
	}
}

func TestTimestampsAreStoredInUTC(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	stamp := types.Type{Kind: types.Timestamp, Size: -1, Collation: types.Int64Type.Collation}
	d := table(4, []int{0}, []schema.Column{{Name: "at", Type: stamp, NotNull: true}, {Name: "n", Type: intT}})
	tokyo := time.FixedZone("", 9*3600)
	s.rt.Env.Zone = tokyo
	s.want(d, plan.InsertPlain, "1/0", row("2026-01-02 03:04:05", 1))
	s.wantRows(d, "2026-01-02 03:04:05|1")
	equal := &plan.Scan{Table: d, Columns: []int{0}, Ranges: []plan.Range{{Low: []expr.Expr{literal("2026-01-02 03:04:05")}, High: []expr.Expr{literal("2026-01-02 03:04:05")}}}}
	if got := s.rows(equal); len(got) != 1 {
		t.Errorf("lookup by time: %q", got)
	}
	set := []plan.Assignment{{Column: 1, Value: literal(2)}}
	res, err := Update(t.Context(), s.rt, &plan.Update{Table: d, Input: scanAll(d), Set: set})
	s.result(res, err, "1/0")
	s.rt.Env.Zone = time.UTC
	s.wantRows(d, "2026-01-01 18:04:05|2")
	if got := s.rows(equal); len(got) != 0 {
		t.Errorf("lookup by another time: %q", got)
	}
	s.rt.Env.Zone = tokyo
	res, err = Insert(t.Context(), s.rt, &plan.Insert{Table: d, Input: values(row("2026-01-02 03:04:05", 7)), Columns: []int{0, 1}, Mode: plan.InsertUpdate,
		OnDuplicate: []plan.Assignment{{Column: 1, Value: &expr.Column{Index: 3, T: intT}}}})
	s.result(res, err, "2/0")
	s.wantRows(d, "2026-01-02 03:04:05|7")
}

func TestAutoIncrementExhausted(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	d := table(5, []int{0}, []schema.Column{{Name: "id", Type: tinyT, NotNull: true, AutoIncrement: true}, {Name: "n", Type: intT}})
	s.want(d, plan.InsertPlain, "1/126", row(126, 1))
	s.want(d, plan.InsertPlain, "1/127*", row(nil, 2))
	s.want(d, plan.InsertPlain, "Error 1062 (23000): Duplicate entry '127' for key 't.PRIMARY'", row(nil, 3))
}

// TestInsertSelect streams many rows, and reads the table as it was at the start.
func TestInsertSelect(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	d := table(6, []int{0}, []schema.Column{{Name: "id", Type: intT, NotNull: true, AutoIncrement: true}, {Name: "n", Type: intT}})
	s.want(d, plan.InsertPlain, "1/1*", row(nil, 1))
	n := 1
	for range 12 {
		res, err := s.insert(d, plan.InsertPlain, &plan.Scan{Table: d, Columns: []int{1}}, 1)
		s.result(res, err, fmt.Sprintf("%d/%d*", n, n+1))
		n *= 2
	}
	if got := len(s.rows(scanAll(d))); got != 4096 {
		t.Errorf("%d rows", got)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	d := table(7, []int{0}, []schema.Column{{Name: "id", Type: intT, NotNull: true}, {Name: "a", Type: charT, Default: "'x'"}, {Name: "b", Type: intT}})
	res, err := Insert(t.Context(), s.rt, &plan.Insert{Table: d, Input: values(row(1), row(2)), Columns: []int{0}, Mode: plan.InsertPlain,
		Defaults: []expr.Expr{nil, literal("x"), nil}})
	s.result(res, err, "2/0")
	s.wantRows(d, "1|x|NULL", "2|x|NULL")
}

func TestRowTooLarge(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	long := types.Type{Kind: types.LongText, Size: -1, Collation: types.DefaultCollation}
	d := table(8, []int{0}, []schema.Column{{Name: "id", Type: intT, NotNull: true}, {Name: "a", Type: long}})
	_, err := s.insert(d, plan.InsertPlain, values(row(1, "a"), row(2, strings.Repeat("x", MaxRowBytes+1))))
	if e := sqlerr.As(err); e == nil || e.Kind != sqlerr.RowTooLarge {
		t.Errorf("error %v", err)
	}
}

func TestSystemTables(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	if names := SystemNames(SystemNamespace); len(names) != 8 || !slices.IsSorted(names) {
		t.Errorf("names %q", names)
	}
	for _, name := range SystemNames(SystemNamespace) {
		d := System(SystemNamespace, strings.ToUpper(name))
		if d == nil || d.Name != name || d.Kind != schema.System {
			t.Fatalf("%s: %v", name, d)
		}
		s.wantRows(d)
		whole := make([]any, len(d.Columns))
		for i := range whole {
			whole[i] = 1
		}
		_, err := Delete(t.Context(), s.rt, &plan.Delete{Table: d, Input: values(row(whole...))})
		if e := sqlerr.As(err); e == nil || e.Kind != sqlerr.CommandDenied {
			t.Errorf("%s: deleting: %v", name, err)
		}
	}
	if System(SystemNamespace, "nothing") != nil {
		t.Error("a system table that is none")
	}
}
