package exec

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// aheadBatches is how many batches of a part may be ready.
const aheadBatches = 16

// aheadScan reads parts of a scan in goroutines before they are asked for. Its rows,
// warnings and errors come in the order of the scan. It opens the parts itself, so that
// nobody but its caller uses the transaction.
type aheadScan struct {
	*scan   // of all, where the rows are not divided
	readers []*partReader
	req     store.ScanRequest
	parts   []store.Part
	at      int // the part whose turn it is
	last    *types.Batch

	ctx     context.Context // of the goroutines, once they have begun
	stop    context.CancelFunc
	running sync.WaitGroup
}

// partReader reads one part after the other, each in a goroutine.
type partReader struct {
	*scan
	rt     *Runtime
	warned warnings
	ready  chan readRows
	free   chan *types.Batch
}

// readRows is what a read returned.
type readRows struct {
	*types.Batch // nil: none
	warned       warnings
	err          error
}

func newAheadScan(n *plan.Scan, rt *Runtime) (Operator, error) {
	keys := rt.keyFilters[n]
	whole, err := newScan(n, rt)
	if err != nil {
		return nil, err
	}
	a := &aheadScan{scan: whole}
	for range rt.Workers + 1 { // so that none waits for those that wait for their turn
		r := *rt
		r.Env, r.keyFilters = new(expr.Env), map[*plan.Scan][]scanKey{n: slices.Clone(keys)}
		if rt.actual != nil {
			r.actual = &plan.Actual{}
		}
		sc, err := newScan(n, &r)
		if err != nil {
			return nil, err
		}
		a.readers = append(a.readers, &partReader{scan: sc, rt: &r})
	}
	return a, nil
}

// Open implements Operator.
func (a *aheadScan) Open(ctx context.Context) error {
	if err := a.Close(); err != nil {
		return err
	}
	req, ok, err := a.scan.begin()
	if err != nil || !ok {
		return err
	}
	t, err := a.rt.Table(a.scan.scan.Table)
	if err != nil {
		return err
	}
	if a.parts, err = t.Parts(a.request(req), a.scan.scan.Ahead); err != nil {
		return err
	}
	if len(a.parts) == 0 {
		return a.scan.open(req)
	}
	a.req = req
	for _, r := range a.readers {
		*r.rt.Env, r.warned = *a.rt.Env, warnings{}
		r.free = make(chan *types.Batch, aheadBatches+1)
		if r.rt.Env.Warn != nil {
			r.rt.Env.Warn = r.warned.add
		}
		if r.pushed != nil {
			r.pushed.begin()
		}
	}
	return nil
}

// begin has a reader read a part, if there are so many.
func (a *aheadScan) begin(part int) error {
	if part >= len(a.parts) {
		return nil
	}
	r := a.readers[part%len(a.readers)]
	req := a.req
	req.Part = a.parts[part]
	if r.actual != nil {
		req.Skipped = &r.actual.Skipped
	}
	if err := r.scan.open(req); err != nil {
		return err
	}
	r.ready = make(chan readRows, aheadBatches)
	a.running.Go(func() { r.read(a.ctx) })
	return nil
}

// read reads the part that is open.
func (r *partReader) read(ctx context.Context) {
	defer close(r.ready)
	for {
		var b *types.Batch
		err := caught(func() (err error) {
			b, err = r.scanReader.Next(ctx)
			return err
		})
		out := readRows{warned: r.warned, err: err}
		r.warned = warnings{}
		if err == nil && b.Len > 0 {
			out.Batch = r.giveAway(b)
		}
		if out.Batch == nil && err == nil && out.warned.list == nil {
			return
		}
		select {
		case r.ready <- out:
		case <-ctx.Done():
			return
		}
		if out.Batch == nil {
			return
		}
	}
}

// giveAway returns the batch that Next returned, in whose place there is another then.
func (r *partReader) giveAway(b *types.Batch) *types.Batch {
	var other *types.Batch
	select {
	case other = <-r.free:
	default:
		other = emptyBatch(r.types())
	}
	if b == r.in {
		r.in = other
	} else {
		r.out = other
	}
	return b
}

// Next implements Operator.
func (a *aheadScan) Next(ctx context.Context) (*types.Batch, error) {
	if len(a.parts) == 0 {
		return a.scan.Next(ctx)
	}
	if a.ctx == nil {
		a.ctx, a.stop = context.WithCancel(ctx)
		for i := range a.readers {
			if err := a.begin(i); err != nil {
				return nil, err
			}
		}
	}
	for a.at < len(a.parts) {
		r := a.readers[a.at%len(a.readers)]
		if a.last != nil {
			select {
			case r.free <- a.last:
			default:
			}
			a.last = nil
		}
		out, ok := <-r.ready
		if ok {
			if warn := a.rt.Env.Warn; warn != nil {
				out.warned.pass(warn)
			}
			if a.last = out.Batch; out.err != nil || out.Batch != nil {
				return out.Batch, out.err
			}
			continue
		}
		if err := interrupted(ctx); err != nil { // before the part's end, perhaps
			return nil, err
		}
		if err := a.begin(a.at + len(a.readers)); err != nil {
			return nil, err
		}
		a.at++
	}
	a.in.Reset()
	return a.in, nil
}

// Close implements Operator.
func (a *aheadScan) Close() error {
	if a.stop != nil {
		a.stop()
		a.running.Wait()
	}
	err := a.scan.Close()
	for _, r := range a.readers {
		err = errors.Join(err, r.scan.Close())
		r.ready, r.free = nil, nil
		if r.actual != nil {
			a.actual.Skipped += r.actual.Skipped
			r.actual.Skipped = 0
		}
	}
	a.parts, a.at, a.last, a.ctx, a.stop = nil, 0, nil, nil, nil
	return err
}
