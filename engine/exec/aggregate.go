package exec

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// aggregate groups rows by hash. When the groups do not fit into memory, rows of
// groups that are not there yet are set aside in partitions on disk, to be
// aggregated one after the other once those in memory are done with.
type aggregate struct {
	input    Operator
	eval     *expr.Evaluator // of the group's columns, then the arguments
	rowTypes []types.Type    // eval's
	groupBy  int             // columns of the group
	aggs     []aggregation

	source batchSource // evaluated rows; nil: between tasks
	level  int
	keys   *keyTable
	batch  keyBatch
	groups *rows // the groups' columns
	n      int   // groups
	mem    account
	file   spillFile
	aside  *partitioner
	work   []spillTask

	numbers  []int32 // of the batch's rows' groups
	sel, new []int32
	refs     []uint32
	part     *types.Batch // rows that were not set aside
	emitting bool
	chunk    int // of groups, to be emitted next
	first    int // its first group
	out      *types.Batch
}

// aggregation is one aggregate function of an aggregate.
type aggregation struct {
	acc      accumulator
	args     []int // columns of the evaluated row
	vectors  []*types.Vector
	distinct *dedup       // of the group's number and the arguments, or nil
	pairs    *types.Batch // what distinct decides on
}

// aggregateInput reads the evaluated rows of an aggregate's input.
type aggregateInput struct{ *aggregate }

func (in aggregateInput) Next(ctx context.Context) (*types.Batch, error) {
	b, err := in.input.Next(ctx)
	if err != nil || b.Len == 0 || len(in.rowTypes) == 0 {
		return b, err
	}
	cols, err := in.eval.Eval(b)
	return &types.Batch{Columns: cols, Len: b.Len}, err
}

func newAggregate(n *plan.Aggregate, rt *Runtime) (*aggregate, error) {
	in, err := Build(n.Input, rt)
	if err != nil {
		return nil, err
	}
	a := &aggregate{input: in, groupBy: len(n.GroupBy), out: emptyBatch(n.Types()),
		mem: rt.account(), file: rt.spillFile()}
	exprs := slices.Clone(n.GroupBy)
	for _, f := range n.Aggs {
		acc, args, err := newAccumulator(f, rt)
		if err != nil {
			return nil, err
		}
		g := aggregation{acc: acc}
		for _, e := range args {
			g.args = append(g.args, len(exprs))
			exprs = append(exprs, e)
		}
		if f.Distinct {
			ts := append([]types.Type{types.Int64Type}, exprTypes(args)...)
			g.pairs, g.distinct = emptyBatch(ts), newDedup(ts, 1+len(f.Args), rt)
		}
		a.aggs = append(a.aggs, g)
	}
	a.rowTypes = exprTypes(exprs)
	a.keys, a.groups = newKeyTable(a.rowTypes[:a.groupBy]), newRows(a.rowTypes[:a.groupBy])
	a.part = emptyBatch(a.rowTypes)
	if a.eval, err = expr.NewEvaluator(rt.Env, exprs...); err != nil {
		return nil, err
	}
	for _, g := range a.aggs {
		if _, ok := g.acc.(*sumDecimal); ok && g.distinct == nil {
			a.eval.Short(g.args[0])
		}
	}
	return a, nil
}

func buildAggregate(n *plan.Aggregate, rt *Runtime) (Operator, error) {
	if n.Parallel && rt.Workers > 1 && len(rt.keyFilters) == 0 {
		return newParallelAggregate(n, rt)
	}
	a, err := newAggregate(n, rt)
	if err != nil || !n.Ordered || a.groupBy == 0 {
		return a, err
	}
	return &orderedAggregate{aggregate: a, last: emptyBatch(a.groups.types)}, nil
}

func (a *aggregate) Open(ctx context.Context) error {
	a.level, a.source = 0, aggregateInput{a}
	return a.input.Open(ctx)
}

func (a *aggregate) Next(ctx context.Context) (*types.Batch, error) {
	for {
		if a.emitting {
			if a.emit() {
				return a.out, nil
			}
			a.emitting = false
			if err := a.forget(); err != nil {
				return nil, err
			}
		}
		if a.source == nil {
			if len(a.work) == 0 {
				a.out.Len = 0
				return a.out, nil
			}
			t := a.work[len(a.work)-1]
			a.work = a.work[:len(a.work)-1]
			a.source, a.level = a.file.source(t.stream, a.rowTypes), t.level
		}
		if err := a.run(ctx); err != nil {
			return nil, err
		}
	}
}

// run aggregates the source's rows.
func (a *aggregate) run(ctx context.Context) error {
	if a.groupBy == 0 {
		a.setGroups(1)
	}
	if err := each(ctx, a.source, a.consume); err != nil {
		return err
	}
	if err := a.finishDistinct(ctx); err != nil {
		return err
	}
	a.source, a.emitting, a.chunk, a.first = nil, true, 0, 0
	if a.aside == nil {
		return nil
	}
	var err error
	a.work, err = a.aside.tasks(a.work)
	a.aside = nil
	return err
}

func (a *aggregate) setGroups(n int) {
	a.n = n
	for i := range a.aggs {
		a.aggs[i].acc.grow(n)
	}
}

// consume adds evaluated rows to their groups.
func (a *aggregate) consume(b *types.Batch) error {
	if a.groupBy == 0 {
		return a.accumulate(b, nil)
	}
	a.batch.readKeys(b.Columns[:a.groupBy], b.Len)
	a.numbers, a.sel, a.new = a.numbers[:0], a.sel[:0], a.new[:0]
	if a.n == 0 || !a.mem.full() {
		a.numbers, a.new = a.keys.numbers(&a.batch, b.Len, a.numbers, a.new)
		a.addGroups(b)
		if err := a.accumulate(b, a.numbers); err != nil {
			return err
		}
		a.account()
		return nil
	}
	a.batch.hash()
	a.keys.fetch(&a.batch)
	var set *types.Batch // b, for setting rows aside
	for i := range b.Len {
		g := a.keys.find(&a.batch, i)
		if g < 0 {
			if a.aside == nil {
				a.aside = newPartitioner(&a.file, a.rowTypes, a.level)
			}
			if set == nil {
				set = a.declared(b)
			}
			if err := a.aside.add(set, i, a.batch.hashes[i]); err != nil {
				return err
			}
			continue
		}
		a.numbers, a.sel = append(a.numbers, g), append(a.sel, int32(i))
	}
	if len(a.sel) < b.Len {
		a.part.Gather(b, a.sel)
		b = a.part
	}
	if err := a.accumulate(b, a.numbers); err != nil {
		return err
	}
	a.account()
	return nil
}

// declared returns evaluated rows with the decimals that came short in the form that
// rowTypes tell.
func (a *aggregate) declared(b *types.Batch) *types.Batch {
	out := &types.Batch{Columns: slices.Clone(b.Columns), Len: b.Len}
	for c, v := range out.Columns {
		if t := a.rowTypes[c]; t.Physical() == types.PhysBytes && v.Type.Physical() == types.PhysInt64 {
			out.Columns[c] = types.NewVector(t, b.Len)
			for i := range b.Len {
				if v.IsNull(i) {
					out.Columns[c].AppendNull()
				} else {
					out.Columns[c].AppendBytes(types.AppendText(nil, v.Type, v.Value(i)))
				}
			}
		}
	}
	return out
}

// addGroups makes groups of the rows of b that new lists.
func (a *aggregate) addGroups(b *types.Batch) {
	if len(a.new) == 0 {
		return
	}
	cols := &types.Batch{Columns: b.Columns[:a.groupBy], Len: b.Len}
	if len(a.new) < b.Len {
		cols = emptyBatch(a.groups.types)
		cols.Gather(&types.Batch{Columns: b.Columns[:a.groupBy], Len: b.Len}, a.new)
	}
	a.refs = a.groups.append(cols, a.refs[:0])
	a.setGroups(a.n + len(a.new))
}

func (a *aggregate) account() {
	size := a.keys.bytes() + a.groups.bytes()
	for i := range a.aggs {
		size += a.aggs[i].acc.bytes()
	}
	a.mem.set(size)
}

// accumulate adds evaluated rows to the groups numbered; nil: to the only one.
func (a *aggregate) accumulate(b *types.Batch, numbers []int32) error {
	for i := range a.aggs {
		g := &a.aggs[i]
		g.vectors = g.vectors[:0]
		for _, c := range g.args {
			g.vectors = append(g.vectors, b.Columns[c])
		}
		if g.distinct != nil {
			if err := g.addDistinct(numbers, b.Len); err != nil {
				return err
			}
			continue
		}
		if err := addTo(g.acc, numbers, g.vectors, b.Len); err != nil {
			return err
		}
	}
	return nil
}

// failing is an accumulator that cannot take all values.
type failing interface {
	// failure returns why it took no more of the values added last, or nil.
	failure() error
}

// addTo is acc.add; it returns what failed.
func addTo(acc accumulator, groups []int32, args []*types.Vector, n int) error {
	acc.add(groups, args, n)
	if f, ok := acc.(failing); ok {
		return f.failure()
	}
	return nil
}

// addDistinct adds rows to a DISTINCT aggregate: rows with NULL among what has
// to be distinct do not count.
func (g *aggregation) addDistinct(numbers []int32, n int) error {
	g.pairs.Reset()
	for i := range n {
		if anyNull(g.vectors[:g.distinct.width-1], i) {
			continue
		}
		g.pairs.Columns[0].AppendInt(int64(group(numbers, i)))
		for k, v := range g.vectors {
			g.pairs.Columns[k+1].AppendFrom(v, i)
		}
		g.pairs.Len++
	}
	sel, err := g.distinct.filter(g.pairs)
	if err != nil {
		return err
	}
	if len(sel) == g.pairs.Len {
		g.addValues(g.pairs)
		return nil
	}
	chosen := emptyBatch(g.distinct.types)
	chosen.Gather(g.pairs, sel)
	g.addValues(chosen)
	return nil
}

// addValues adds rows of group number and arguments.
func (g *aggregation) addValues(pairs *types.Batch) {
	numbers := make([]int32, pairs.Len)
	for i, x := range pairs.Columns[0].Int64s[:pairs.Len] {
		numbers[i] = int32(x)
	}
	g.acc.add(numbers, pairs.Columns[1:], pairs.Len)
}

// finishDistinct adds the rows that DISTINCT aggregates had set aside.
func (a *aggregate) finishDistinct(ctx context.Context) error {
	for i := range a.aggs {
		g := &a.aggs[i]
		if g.distinct == nil {
			continue
		}
		err := each(ctx, restSource{g.distinct}, func(b *types.Batch) error {
			g.addValues(b)
			return nil
		})
		if err != nil {
			return err
		}
		if err := g.distinct.reset(); err != nil {
			return err
		}
	}
	return nil
}

// restSource reads what a dedup set aside.
type restSource struct{ *dedup }

func (s restSource) Next(ctx context.Context) (*types.Batch, error) { return s.rest(ctx) }

// emit makes out the next groups and reports whether there are any.
func (a *aggregate) emit() bool {
	if a.first >= a.n {
		return false
	}
	n := a.n
	if a.groupBy > 0 {
		c := a.groups.chunks[a.chunk]
		a.chunk++
		n = c.Len
		copy(a.out.Columns, c.Columns)
	}
	a.emitAggs(a.first, a.first+n)
	a.first += n
	return true
}

// emitAggs sets out's aggregate columns for groups [from, to).
func (a *aggregate) emitAggs(from, to int) {
	for i, v := range a.out.Columns[a.groupBy:] {
		v.Reset(v.Type)
		a.aggs[i].acc.emit(v, from, to)
	}
	a.out.Len = to - from
}

// forget drops all groups.
func (a *aggregate) forget() error {
	a.keys.clear()
	a.groups.clear()
	for i := range a.aggs {
		a.aggs[i].acc.drop(a.n)
	}
	a.n = 0
	a.mem.set(0)
	return nil
}

func (a *aggregate) Close() error {
	err := a.forget()
	for i := range a.aggs {
		if d := a.aggs[i].distinct; d != nil {
			if e := d.reset(); err == nil {
				err = e
			}
		}
	}
	a.source, a.aside, a.work, a.emitting = nil, nil, nil, false
	if e := closeAll(a.input, &a.file); err == nil {
		err = e
	}
	return err
}
