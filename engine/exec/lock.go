package exec

import (
	"context"
	"time"

	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// lockRows passes on rows once they are locked.
type lockRows struct {
	Operator // the input
	rt       *Runtime
	plan     *plan.Lock
	tables   []store.Table
	left     int64        // rows still wanted
	batch    *types.Batch // the input's
	next     int          // in batch
	out      *types.Batch
	sel      []int32
}

func buildLock(n *plan.Lock, rt *Runtime) (Operator, error) {
	in, err := Build(n.Input, rt)
	if err != nil {
		return nil, err
	}
	l := &lockRows{Operator: in, rt: rt, plan: n, out: emptyBatch(n.Types())}
	return l, nil
}

func (l *lockRows) Open(ctx context.Context) (err error) {
	l.batch, l.next = nil, 0
	if l.left, err = rowCount(l.rt.Env, l.plan.Limit, noLimit); err != nil {
		return err
	}
	l.tables = l.tables[:0]
	for _, t := range l.plan.Targets {
		table, err := l.rt.Table(t.Table)
		if err != nil {
			return err
		}
		l.tables = append(l.tables, table)
	}
	return l.Operator.Open(ctx)
}

func (l *lockRows) Next(ctx context.Context) (*types.Batch, error) {
	for l.left > 0 {
		if l.batch == nil || l.next == l.batch.Len {
			b, err := l.Operator.Next(ctx)
			if err != nil || b.Len == 0 {
				return b, err
			}
			l.batch, l.next = b, 0
		}
		to := l.next + int(min(l.left, int64(l.batch.Len-l.next)))
		b, err := l.lock(ctx, l.batch.Slice(l.next, to))
		l.next = to
		if err != nil {
			return nil, err
		}
		if b.Len > 0 {
			l.left -= int64(b.Len)
			return b, nil
		}
	}
	l.out.Reset()
	return l.out, nil
}

// lock locks rows and returns those that it could.
func (l *lockRows) lock(ctx context.Context, b *types.Batch) (*types.Batch, error) {
	for i := range l.plan.Targets {
		t := &l.plan.Targets[i]
		keys := &types.Batch{Len: b.Len}
		for _, c := range t.Key {
			keys.Columns = append(keys.Columns, l.stored(b.Columns[c]))
		}
		var err error
		l.sel, err = l.tables[i].Lock(ctx, store.LockRequest{Keys: keys, Mode: t.Mode, Wait: t.Wait}, l.sel[:0])
		if err != nil {
			return nil, err
		}
		if len(l.sel) < b.Len {
			kept := emptyBatch(l.plan.Types())
			kept.Gather(b, l.sel)
			b = kept
		}
	}
	return b, nil
}

// stored returns a key's column as it is stored.
func (l *lockRows) stored(v *types.Vector) *types.Vector {
	zone := l.rt.Env.Zone
	if v.Type.Kind != types.Timestamp || zone == nil || zone == time.UTC {
		return v
	}
	out := types.NewVector(v.Type, v.Len())
	for i := range v.Len() {
		out.AppendFrom(v, i)
	}
	types.ConvertZoneVector(out, zone, time.UTC)
	return out
}

func (l *lockRows) Close() error {
	l.batch = nil
	return l.Operator.Close()
}
