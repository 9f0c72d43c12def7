package exec

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// scanAhead is a scan of m in parts.
func (m *memTable) scanAhead(parts int, filter expr.Expr) *plan.Scan {
	return &plan.Scan{Table: m.schema, Columns: []int{0, 1, 2, 3, 4, 5}, Filter: filter, Ahead: parts}
}

// TestAheadScan reads parts ahead: the rows come as one scan has them.
func TestAheadScan(t *testing.T) {
	t.Parallel()
	filter := compare(expr.GT, col(5, intT), lit(i(2), intT))
	for _, rows := range []int{0, 1, 5, 9000} {
		m := measured(rows, 7)
		for _, cond := range []expr.Expr{nil, filter} {
			rt := runtime(t, 0)
			m.use(t, rt)
			want := run(t, rt, m.scanAhead(0, cond))
			for _, parts := range []int{1, 2, 20} {
				rt := runtime(t, 0)
				m.use(t, rt)
				rt.Workers = 2
				op, err := Build(m.scanAhead(parts, cond), rt)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					wantRows(t, rowsOf(t, op), want...)
				}
			}
		}
	}
}

// TestAheadLeft leaves a scan after some rows, or before the first.
func TestAheadLeft(t *testing.T) {
	t.Parallel()
	m := measured(12000, 7)
	for _, batches := range []int{0, 1, 3, 9} {
		rt := runtime(t, 0)
		m.use(t, rt)
		rt.Workers = 3
		op, err := Build(m.scanAhead(12, nil), rt)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := op.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range batches {
				if b, err := op.Next(t.Context()); err != nil || b.Len == 0 {
					t.Fatalf("%d rows, %v", b.Len, err)
				}
			}
			if err := op.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAheadWarnings has parts that warn, fail, panic, and are interrupted: it is what comes
// first in the order of the rows that counts.
func TestAheadWarnings(t *testing.T) {
	t.Parallel()
	m := measured(9000, 7)
	cond := compare(expr.GE, expr.CastTo(col(1, textT), intT), lit(i(1), intT)) // warns of each text, and lets none pass
	warn := func(workers int) (list []string) {
		rt := runtime(t, 0)
		m.use(t, rt)
		rt.Workers = workers
		rt.Env.Warn = func(err error) { list = append(list, err.Error()) }
		run(t, rt, m.scanAhead(9, cond))
		return list
	}
	if got, want := warn(2), warn(0); len(want) < 1000 || !slices.Equal(got, want) {
		t.Errorf("%d warnings, not the %d of one scan", len(got), len(want))
	}

	// Of parts 3 and 5 the later one fails first.
	later := make(chan struct{})
	broken := errors.New("broken")
	for _, c := range []struct {
		fail func() error
		want func(error) bool
	}{
		{func() error { return broken }, func(err error) bool { return err == broken }},
		{func() error { panic("oh") }, func(err error) bool { return sqlerr.As(err).Kind == sqlerr.Internal }},
	} {
		rt := runtime(t, 0)
		m.use(t, rt)
		rt.Workers = 4
		rt.Table = func(*schema.Table) (store.Table, error) {
			return &failingTable{m, map[uint64]func() error{
				uint64(3 * len(m.rows) / 9): func() error { <-later; return c.fail() },
				uint64(5 * len(m.rows) / 9): func() error { close(later); return errors.New("later") },
			}}, nil
		}
		op, err := Build(m.scanAhead(9, nil), rt)
		if err != nil {
			t.Fatal(err)
		}
		if err := op.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = op.Next(t.Context())
		}
		if !c.want(err) {
			t.Errorf("error %v", err)
		}
		if err := op.Close(); err != nil {
			t.Fatal(err)
		}
		later = make(chan struct{})
	}

	rt := runtime(t, 0)
	m.use(t, rt)
	rt.Workers = 2
	op, err := Build(m.scanAhead(9, nil), rt)
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	if err := op.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = op.Next(ctx)
	wantKind(t, err, sqlerr.Interrupted)
}

// failingTable fails in the parts that begin at some rows.
type failingTable struct {
	*memTable
	fail map[uint64]func() error
}

func (f *failingTable) Scan(req store.ScanRequest) store.Scanner {
	sc := f.memTable.Scan(req)
	if len(req.Part.From) > 0 {
		if fail := f.fail[binary.BigEndian.Uint64(req.Part.From)]; fail != nil {
			return failingScanner{sc, fail}
		}
	}
	return sc
}

type failingScanner struct {
	store.Scanner
	fail func() error
}

func (f failingScanner) Next(context.Context, *types.Batch) error { return f.fail() }
