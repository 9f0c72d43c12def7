package exec

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// scanReader reads a plan's scan over given ranges: filtered rows, TIMESTAMPs
// in the session's zone.
type scanReader struct {
	rt      *Runtime
	scan    *plan.Scan
	columns []int // the scan's, then further ones
	filter  *expr.Evaluator
	pushed  *scanFilter // what the store filters by, then instead of filter; or nil
	zoned   []int       // output columns that are TIMESTAMPs

	scanner store.Scanner
	spare   store.Scanner // closed
	after   store.Scanner // of the deleted rows, which come after the live ones; or nil
	in, out *types.Batch  // out: what the filter leaves of in
	sel     []int32
}

// newScanReader prepares a scan that also reads the columns in extra which the
// plan's does not have, after those.
func newScanReader(n *plan.Scan, rt *Runtime, extra []int) (*scanReader, error) {
	r := &scanReader{rt: rt, scan: n, columns: slices.Clip(n.Columns)}
	for _, c := range extra {
		if !slices.Contains(r.columns, c) {
			r.columns = append(r.columns, c)
		}
	}
	ts := r.types()
	r.in = emptyBatch(ts)
	for i, t := range ts {
		stored := i < len(n.Columns) && i >= len(n.Columns)-n.Stored
		if t.Kind == types.Timestamp && !stored && rt.Env.Zone != nil && rt.Env.Zone != time.UTC {
			r.zoned = append(r.zoned, i)
		}
	}
	if n.Filter == nil {
		return r, nil
	}
	r.out = emptyBatch(ts)
	var err error
	r.filter, err = expr.NewEvaluator(rt.Env, n.Filter)
	return r, err
}

// push leaves the filter, and those that others have for its columns, to the store, where that
// has the values that they are about.
func (r *scanReader) push(keys []scanKey) {
	if len(r.zoned) == 0 {
		r.pushed = newScanFilter(r.types(), keys, r.scan.Filter, r.filter)
	}
}

func (r *scanReader) types() []types.Type {
	ts := make([]types.Type, len(r.columns))
	for i, c := range r.columns {
		ts[i] = r.scan.Table.At(c).Type
	}
	return ts
}

// open starts a scan of the rows that req is about.
func (r *scanReader) open(req store.ScanRequest) error {
	if err := r.close(); err != nil {
		return err
	}
	t, err := r.rt.Table(r.scan.Table)
	if err != nil {
		return err
	}
	if req = r.request(req); r.rt.division != nil {
		var ok bool
		if req.Part, ok, err = r.rt.division.part(t, req, r.rt.part); !ok {
			return err
		}
	}
	req.Reuse, r.spare = r.spare, nil
	r.scanner = t.Scan(req)
	req.Reuse = nil
	if r.scan.Which == plan.LiveDeleted {
		req.Deleted = true
		r.after = t.Scan(req)
	}
	return nil
}

// request completes a request.
func (r *scanReader) request(req store.ScanRequest) store.ScanRequest {
	if r.filter != nil {
		req.Limit = 0
	}
	if r.pushed != nil {
		req.Filter = r.pushed
	}
	req.Index, req.Columns, req.Reverse, req.Deleted = r.scan.Index, r.columns, r.scan.Reverse, r.scan.Which == plan.Deleted
	return req
}

// Next returns the next rows that pass the filter.
func (r *scanReader) Next(ctx context.Context) (*types.Batch, error) {
	if r.scanner == nil {
		r.in.Reset()
		return r.in, nil
	}
	for {
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		err := r.scanner.Next(ctx, r.in)
		if err == nil && r.in.Len == 0 && r.after != nil {
			err = r.scanner.Close()
			r.scanner, r.after = r.after, nil
			if err == nil {
				err = r.scanner.Next(ctx, r.in)
			}
		}
		if err != nil || r.in.Len == 0 {
			return r.in, err
		}
		for _, c := range r.zoned {
			types.ConvertZoneVector(r.in.Columns[c], time.UTC, r.rt.Env.Zone)
		}
		if r.filter == nil || r.pushed != nil {
			return r.in, nil
		}
		if r.sel, err = r.filter.Select(r.in, r.sel[:0]); err != nil {
			return nil, err
		}
		switch len(r.sel) {
		case 0:
		case r.in.Len:
			return r.in, nil
		default:
			r.out.Gather(r.in, r.sel)
			return r.out, nil
		}
	}
}

func (r *scanReader) close() error {
	if r.scanner == nil {
		return nil
	}
	s, after := r.scanner, r.after
	r.scanner, r.after = nil, nil
	err := s.Close()
	r.spare = s
	if after != nil {
		err = errors.Join(err, after.Close())
	}
	return err
}

// scan reads a table through an index.
type scan struct {
	*scanReader
	ranges *rangeSet    // nil: everything
	skip   []*rangeSet  // of single columns
	left   int64        // rows that are still wanted
	actual *plan.Actual // when it is watched
}

func buildScan(n *plan.Scan, rt *Runtime) (Operator, error) {
	if n.Ahead > 0 && rt.Workers > 1 && rt.division == nil {
		return newAheadScan(n, rt)
	}
	return newScan(n, rt)
}

func newScan(n *plan.Scan, rt *Runtime) (*scan, error) {
	r, err := newScanReader(n, rt, nil)
	if err != nil {
		return nil, err
	}
	s := &scan{scanReader: r}
	keys := rt.keyFilters[n]
	delete(rt.keyFilters, n)
	many := len(keys) > 0 || n.Ranges == nil || n.Rows > types.BatchRows
	if many && n.Limit == nil {
		r.push(keys)
	}
	if n.Ranges != nil {
		if s.ranges, err = newRangeSet(newKeyColumns(n.Table, n.Index), n.Ranges); err != nil {
			return nil, err
		}
	}
	for _, c := range n.Skip {
		set, err := newRangeSet(keyOf(n.Table, []schema.KeyColumn{{Column: c.Column}}), c.Ranges)
		if err != nil {
			return nil, err
		}
		s.skip = append(s.skip, set)
	}
	s.actual = rt.actual
	return s, nil
}

// only returns what values the rows must have of columns, see store.ScanRequest.
// The filter says the same again: warnings and errors are its concern.
func (s *scan) only() []store.ColumnRanges {
	if len(s.skip) == 0 {
		return nil
	}
	env := *s.rt.Env
	env.Warn, env.Strict = nil, false
	var list []store.ColumnRanges
	for _, set := range s.skip {
		if ranges, err := set.eval(&env); err == nil {
			list = append(list, store.ColumnRanges{Column: set.key.parts[0].Column, Ranges: ranges})
		}
	}
	return list
}

func (s *scan) Open(ctx context.Context) error {
	req, ok, err := s.begin()
	switch {
	case err != nil:
		return err
	case !ok:
		return s.close()
	}
	return s.open(req)
}

// begin returns what rows an execution reads, and whether there may be any.
func (s *scan) begin() (req store.ScanRequest, ok bool, err error) {
	if s.left, err = rowCount(s.rt.Env, s.scan.Limit, noLimit); err != nil {
		return req, false, err
	}
	if s.ranges != nil {
		if req.Ranges, err = s.ranges.eval(s.rt.Env); err != nil {
			return req, false, err
		}
	}
	if s.left == 0 || req.Ranges != nil && len(req.Ranges) == 0 {
		return req, false, nil
	}
	if s.left < noLimit {
		req.Limit = int(s.left)
	}
	if s.pushed != nil {
		s.pushed.begin()
	}
	req.Only = s.only()
	if s.actual != nil {
		req.Skipped = &s.actual.Skipped
	}
	return req, true, nil
}

func (s *scan) Next(ctx context.Context) (*types.Batch, error) {
	if s.left <= 0 {
		s.in.Reset()
		return s.in, nil
	}
	b, err := s.scanReader.Next(ctx)
	if err == nil {
		s.left -= int64(b.Len)
	}
	return b, err
}

func (s *scan) Close() error { return s.close() }

// noLimit is the row count of no LIMIT.
const noLimit = 1<<63 - 1

// rowCount evaluates a LIMIT or OFFSET; none is returned when there is none.
func rowCount(env *expr.Env, e expr.Expr, none int64) (int64, error) {
	if e == nil {
		return none, nil
	}
	v, err := expr.EvalConst(env, e)
	if err != nil {
		return 0, err
	}
	switch v.Physical() {
	case types.PhysInt64:
		if v.Int() >= 0 && e.Type().IsInteger() {
			return v.Int(), nil
		}
	case types.PhysUint64:
		return int64(min(v.Uint(), noLimit)), nil
	}
	return 0, sqlerr.WrongArguments.New("Incorrect arguments to LIMIT")
}
