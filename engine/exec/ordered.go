package exec

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/types"
)

// orderedAggregate groups rows that come sorted by group: it keeps the last
// group only, and yields groups as they end, in order.
type orderedAggregate struct {
	*aggregate
	last *types.Batch // the last group's columns, for the next batch
}

func (o *orderedAggregate) Next(ctx context.Context) (*types.Batch, error) {
	for o.source != nil {
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		b, err := o.source.Next(ctx)
		if err != nil {
			return nil, err
		}
		if b.Len == 0 {
			o.source = nil
			if err := o.finishDistinct(ctx); err != nil {
				return nil, err
			}
			if o.n > 0 {
				return o.emitGroups(o.n), nil
			}
			break
		}
		if err := o.consume(ctx, b); err != nil {
			return nil, err
		}
		if o.n > 1 {
			return o.emitGroups(o.n - 1), nil
		}
	}
	o.out.Len = 0
	return o.out, nil
}

// consume adds evaluated rows to their groups.
func (o *orderedAggregate) consume(ctx context.Context, b *types.Batch) error {
	o.batch.read(b.Columns[:o.groupBy], b.Len)
	o.numbers, o.new = o.numbers[:0], o.new[:0]
	n := o.n - 1
	for i := range b.Len {
		if i == 0 && o.keys.find(&o.batch, 0) < 0 || i > 0 && !o.batch.same(i-1, i) {
			o.new = append(o.new, int32(i))
			n++
		}
		o.numbers = append(o.numbers, int32(n))
	}
	o.keys.clear()
	o.keys.add(&o.batch, b.Len-1)
	o.addGroups(b)
	if !slices.ContainsFunc(o.aggs, func(g aggregation) bool { return g.distinct != nil }) {
		return o.accumulate(b, o.numbers)
	}
	// DISTINCT aggregates work on one group at a time.
	for from := 0; from < b.Len; {
		to := from + 1
		for to < b.Len && o.numbers[to] == o.numbers[from] {
			to++
		}
		if slices.Contains(o.new, int32(from)) {
			if err := o.finishDistinct(ctx); err != nil {
				return err
			}
		}
		if err := o.accumulate(b.Slice(from, to), o.numbers[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// emitGroups makes out the first n groups and forgets them.
func (o *orderedAggregate) emitGroups(n int) *types.Batch {
	refs := make([]uint32, 0, o.n)
	for c, b := range o.groups.chunks {
		for i := range b.Len {
			refs = append(refs, uint32(c<<refBits|i))
		}
	}
	cols := o.out.Columns[:o.groupBy]
	for c, v := range cols {
		o.groups.gather(v, c, refs[:n], false)
	}
	o.last.Reset()
	for c, v := range o.last.Columns {
		o.groups.gather(v, c, refs[n:], false)
	}
	o.last.Len = o.n - n
	o.groups.clear()
	o.groups.append(o.last, nil)
	o.emitAggs(0, n)
	for i := range o.aggs {
		o.aggs[i].acc.drop(n)
	}
	o.n -= n
	return o.out
}
