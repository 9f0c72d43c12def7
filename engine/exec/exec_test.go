package exec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

var (
	intT  = types.Int64Type
	textT = types.TextType
	null  = types.Value{}
)

func i(x int64) types.Value   { return types.NewInt(x) }
func s(x string) types.Value  { return types.NewString(x) }
func f(x float64) types.Value { return types.NewFloat(x) }

// relation is a Node whose rows are given: a Values node, or a batch at a time.
type relation struct {
	t    []types.Type
	rows [][]types.Value
}

// node returns the rows as a Values node.
func (r relation) node() *plan.Values {
	v := &plan.Values{T: r.t}
	for _, row := range r.rows {
		var list []expr.Expr
		for c, x := range row {
			list = append(list, &expr.Literal{Value: x, T: r.t[c]})
		}
		v.Rows = append(v.Rows, list)
	}
	return v
}

func col(k int, t types.Type) *expr.Column {
	return &expr.Column{Index: k, Name: fmt.Sprintf("c%d", k), T: t, Null: true}
}

func lit(v types.Value, t types.Type) expr.Expr { return &expr.Literal{Value: v, T: t} }

func compare(op expr.CompareOp, l, r expr.Expr) expr.Expr {
	return &expr.Compare{Op: op, L: l, R: r, Collation: types.DefaultCollation}
}

// runtime returns a Runtime that keeps spill files in a directory of the test
// and fails it when one is left.
func runtime(t *testing.T, memoryBytes int64) *Runtime {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("files left behind: %v %v", left, err)
		}
	})
	return &Runtime{Env: &expr.Env{Context: t.Context(), Zone: time.UTC, Now: time.Unix(1e9, 0)},
		MemoryBytes: memoryBytes, TempDir: dir}
}

// rowsOf runs an operator once and returns its rows as text.
func rowsOf(t *testing.T, op Operator) []string {
	t.Helper()
	var out []string
	if err := op.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		b, err := op.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b.Len == 0 {
			break
		}
		for r := range b.Len {
			out = append(out, rowText(b, r))
		}
	}
	if b, err := op.Next(t.Context()); err != nil || b.Len != 0 {
		t.Fatalf("Next after the end: %d rows, %v", b.Len, err)
	}
	if err := op.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func rowText(b *types.Batch, r int) string {
	var cells []string
	for _, v := range b.Columns {
		if v.Len() != b.Len {
			return fmt.Sprintf("column of %d values in a batch of %d", v.Len(), b.Len)
		}
		if v.IsNull(r) {
			cells = append(cells, "NULL")
		} else {
			cells = append(cells, string(types.AppendText(nil, v.Type, v.Value(r))))
		}
	}
	return strings.Join(cells, "|")
}

// run builds a plan and returns its rows, twice the same ones, by a Close
// before the first Open and a run after another.
func run(t *testing.T, rt *Runtime, n plan.Node) []string {
	t.Helper()
	op, err := Build(n, rt)
	if err != nil {
		t.Fatal(err)
	}
	if err := op.Close(); err != nil {
		t.Fatalf("Close without Open: %v", err)
	}
	first := rowsOf(t, op)
	second := rowsOf(t, op)
	if d := cmp.Diff(first, second); !slices.Equal(first, second) {
		t.Fatalf("rows of a second run differ:\n%s", d)
	}
	if err := op.Close(); err != nil {
		t.Fatalf("Close again: %v", err)
	}
	if used := rt.memory().used; used != 0 {
		t.Errorf("%d bytes are still counted after Close", used)
	}
	return first
}

// sorted returns a sorted copy.
func sorted(rows []string) []string {
	rows = slices.Clone(rows)
	slices.Sort(rows)
	return rows
}

// randomRelation returns n rows of (int, text, int): keys repeat, values may be
// NULL.
func randomRelation(rng *rand.Rand, n, keys int) relation {
	r := relation{t: []types.Type{intT, textT, intT}}
	for k := range n {
		row := []types.Value{i(rng.Int64N(int64(keys))), s(strings.Repeat("x", rng.IntN(20)) + fmt.Sprint(rng.IntN(keys))), i(int64(k))}
		if rng.IntN(10) == 0 {
			row[rng.IntN(2)] = null
		}
		r.rows = append(r.rows, row)
	}
	return r
}

// memTable is a store.Table of given rows, in primary-key order.
type memTable struct {
	schema *schema.Table
	rows   [][]types.Value
	asked  []store.ScanRequest
	opened int // scanners that are open

	sorted   [][]types.Value
	sortedBy *schema.Index
}

func (m *memTable) Schema() *schema.Table { return m.schema }

func (m *memTable) Scan(req store.ScanRequest) store.Scanner {
	m.asked = append(m.asked, req)
	m.opened++
	sc := &memScanner{m: m, req: req}
	key := newKeyColumns(m.schema, req.Index)
	if m.sorted == nil || m.sortedBy != req.Index {
		m.sorted, m.sortedBy = slices.Clone(m.rows), req.Index
		slices.SortStableFunc(m.sorted, func(a, b []types.Value) int {
			for k, c := range key.parts {
				if d := types.Compare(key.types[k], a[c.Column], b[c.Column]); d != 0 {
					return d
				}
			}
			return 0
		})
	}
	for _, row := range m.sorted {
		if req.Ranges == nil || slices.ContainsFunc(req.Ranges, func(r store.KeyRange) bool { return key.contains(row, &r) }) {
			sc.rows = append(sc.rows, row)
		}
	}
	if req.Part.To != nil {
		sc.rows = sc.rows[binary.BigEndian.Uint64(req.Part.From):binary.BigEndian.Uint64(req.Part.To)]
	}
	if req.Reverse {
		slices.Reverse(sc.rows)
	}
	return store.Filtered(sc, req.Filter)
}

// Parts returns places in the list of rows.
func (m *memTable) Parts(req store.ScanRequest, n int) (parts []store.Part, err error) {
	req.Filter = nil
	sc := m.Scan(req).(*memScanner)
	all := len(sc.rows)
	place := func(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i*all/n)) }
	for i := range n {
		parts = append(parts, store.Part{From: place(i), To: place(i + 1)})
	}
	return parts, sc.Close()
}

// contains reports whether a row of the table is in r.
func (k *keyColumns) contains(row []types.Value, r *store.KeyRange) bool {
	key := make([]types.Value, 0, 4)
	for _, c := range k.parts {
		key = append(key, row[c.Column])
	}
	low := edge{r.Low, r.LowExclusive && len(r.Low) > 0}
	high := edge{r.High, !r.HighExclusive || len(r.High) == 0}
	before, after := edge{key, false}, edge{key, true}
	return k.compare(low, before) <= 0 && k.compare(after, high) <= 0
}

func (m *memTable) Insert(context.Context, *types.Batch) (*store.Conflict, error) { panic("not used") }
func (m *memTable) Update(context.Context, *types.Batch, *types.Batch) (*store.Conflict, error) {
	panic("not used")
}
func (m *memTable) Delete(context.Context, *types.Batch) error { panic("not used") }
func (m *memTable) DeleteAll(context.Context) error            { panic("not used") }
func (m *memTable) Lock(context.Context, store.LockRequest, []int32) ([]int32, error) {
	panic("not used")
}

type memScanner struct {
	m      *memTable
	req    store.ScanRequest
	rows   [][]types.Value
	closed bool
}

func (sc *memScanner) Next(ctx context.Context, b *types.Batch) error {
	b.Reset()
	for len(sc.rows) > 0 && b.Len < types.BatchRows {
		for k, c := range sc.req.Columns {
			b.Columns[k].AppendValue(sc.rows[0][c])
		}
		b.Len++
		sc.rows = sc.rows[1:]
	}
	return nil
}

func (sc *memScanner) Close() error {
	if !sc.closed {
		sc.closed = true
		sc.m.opened--
	}
	return nil
}

// use makes rt read m and checks that its scanners get closed.
func (m *memTable) use(t *testing.T, rt *Runtime) {
	rt.Table = func(*schema.Table) (store.Table, error) { return m, nil }
	t.Cleanup(func() {
		if m.opened != 0 {
			t.Errorf("%d scanners were not closed", m.opened)
		}
	})
}

func wantRows(t *testing.T, got []string, want ...string) {
	t.Helper()
	if slices.Equal(want, got) {
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
}

func wantKind(t *testing.T, err error, kind *sqlerr.Kind) {
	t.Helper()
	if e := sqlerr.As(err); e == nil || e.Kind != kind {
		t.Errorf("error %v, want %v", err, kind)
	}
}
