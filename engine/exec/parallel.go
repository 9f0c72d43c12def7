package exec

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// parallelAggregate groups the rows of a scan in parts at the same time, each part with
// operators of its own, and then puts the groups together: first those of the first part,
// so that their order is that of the rows. Should a part's groups take much memory, all
// is done again one row after the other.
type parallelAggregate struct {
	*aggregate // of the first part, which gets the others' groups
	rt         *Runtime
	parts      []*part
	merged     bool
}

// part is a part of the work.
type part struct {
	*aggregate
	rt     *Runtime
	warned warnings
}

// division is how the rows of a scan are divided into parts, which several scans read.
type division struct {
	n     int // parts at most
	found bool
	parts []store.Part
}

// part returns part i of the rows of a request, if there are so many.
func (d *division) part(t store.Table, req store.ScanRequest, i int) (p store.Part, ok bool, err error) {
	if !d.found {
		if d.parts, err = t.Parts(req, d.n); err != nil {
			return p, false, err
		}
		if d.found = true; len(d.parts) == 0 {
			d.parts = make([]store.Part, 1)
		}
	}
	if i >= len(d.parts) {
		return p, false, nil
	}
	return d.parts[i], true, nil
}

// warnings keeps those of a part until its turn comes.
type warnings struct {
	list []error
	more int // that came after as many as anybody wants to see
}

const mostWarnings = 1 << 16

func (w *warnings) add(err error) {
	if len(w.list) == mostWarnings {
		w.more++
		return
	}
	w.list = append(w.list, err)
}

// pass passes them on.
func (w *warnings) pass(warn func(error)) {
	for _, err := range w.list {
		warn(err)
	}
	for range w.more {
		warn(w.list[mostWarnings-1])
	}
	*w = warnings{}
}

// errManyGroups ends a part whose groups take more memory than it may.
var errManyGroups = errors.New("many groups")

func newParallelAggregate(n *plan.Aggregate, rt *Runtime) (Operator, error) {
	rt.memory() // which the first part shares
	p := &parallelAggregate{rt: rt}
	for i := range rt.Workers {
		r := *rt
		r.Env, r.part = new(expr.Env), i
		if i > 0 {
			r.mem = &memory{limit: rt.mem.limit / 16}
			if rt.Watch != nil {
				r.Watch, r.actual = map[plan.Node]*plan.Actual{}, nil
			}
		}
		a, err := newAggregate(n, &r)
		if err != nil {
			return nil, err
		}
		p.parts = append(p.parts, &part{aggregate: a, rt: &r})
	}
	p.aggregate = p.parts[0].aggregate
	return p, nil
}

// Open implements Operator.
func (p *parallelAggregate) Open(ctx context.Context) error {
	p.merged = false
	return p.open(ctx, p.parts)
}

// open opens the parts that are to share the work, in the environment of this execution.
func (p *parallelAggregate) open(ctx context.Context, parts []*part) error {
	rows := &division{n: len(parts)}
	for _, o := range parts {
		*o.rt.Env, o.rt.division, o.warned = *p.rt.Env, rows, warnings{}
		if o.rt.Env.Warn != nil {
			o.rt.Env.Warn = o.warned.add
		}
		if err := o.aggregate.Open(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Next implements Operator.
func (p *parallelAggregate) Next(ctx context.Context) (*types.Batch, error) {
	if !p.merged {
		err := p.work(ctx)
		if errors.Is(err, errManyGroups) {
			err = p.again(ctx)
		}
		p.pass()
		if err != nil {
			return nil, err
		}
		p.merged = true
	}
	return p.aggregate.Next(ctx)
}

// work does all parts.
func (p *parallelAggregate) work(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		running sync.WaitGroup
		once    sync.Once
		failure error // the first
	)
	read := func(a *aggregate) {
		if err := caught(func() error { return a.readAll(ctx) }); err != nil {
			once.Do(func() { failure = err })
			stop()
		}
	}
	for _, o := range p.parts[1:] {
		running.Go(func() { read(o.aggregate) })
	}
	read(p.aggregate)
	running.Wait()
	if failure != nil {
		return failure
	}
	for _, o := range p.parts[1:] {
		if err := p.take(o); err != nil {
			return err
		}
	}
	p.source, p.emitting, p.chunk, p.first = nil, true, 0, 0
	return nil
}

// caught calls f, which is run by a goroutine of its own, and returns its panic as an error.
func caught(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = sqlerr.Internal.Wrap(fmt.Errorf("%v\n%s", p, debug.Stack()), "Kalam failed: %v", p)
		}
	}()
	return f()
}

// readAll adds all rows to groups in memory.
func (a *aggregate) readAll(ctx context.Context) error {
	if a.groupBy == 0 {
		a.setGroups(1)
	}
	return each(ctx, a.source, func(b *types.Batch) error {
		if a.n > 0 && a.mem.full() {
			return errManyGroups
		}
		return a.consume(b)
	})
}

// take adds another part's groups.
func (p *parallelAggregate) take(o *part) error {
	var numbers []int32
	if p.groupBy == 0 {
		numbers = []int32{0}
	}
	for _, b := range o.groups.chunks {
		p.batch.readKeys(b.Columns, b.Len)
		numbers, p.new = p.keys.numbers(&p.batch, b.Len, numbers, p.new[:0])
		p.addGroups(b)
	}
	for i := range p.aggs {
		acc, of := p.aggs[i].acc.(mergeable), o.aggs[i].acc
		for from, to := range numbers {
			acc.merge(int(to), of, from)
		}
	}
	p.account()
	for n, of := range o.rt.Watch {
		p.rt.Watch[n].Join(of)
	}
	return o.forget()
}

// pass passes on what the parts warned of, as one after the other would have.
func (p *parallelAggregate) pass() {
	if warn := p.rt.Env.Warn; warn != nil {
		for _, o := range p.parts {
			o.warned.pass(warn)
		}
	}
}

// again begins anew, with the first part alone, which warns as it goes.
func (p *parallelAggregate) again(ctx context.Context) error {
	if err := p.Close(); err != nil {
		return err
	}
	for _, o := range p.parts {
		o.warned = warnings{}
	}
	if err := p.open(ctx, p.parts[:1]); err != nil {
		return err
	}
	p.parts[0].rt.Env.Warn = p.rt.Env.Warn
	return nil
}

// Close implements Operator.
func (p *parallelAggregate) Close() error {
	var err error
	for _, o := range p.parts {
		err = errors.Join(err, o.aggregate.Close())
	}
	return err
}
