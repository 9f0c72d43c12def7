package exec

import (
	"context"
	"slices"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// indexJoin looks up the right rows for a batch of left rows at once and joins
// the two by hash. When the right rows do not fit into memory it takes fewer
// left rows at a time; those of one left row are taken in several passes.
type indexJoin struct {
	rt     *Runtime
	left   Operator
	keys   *expr.Evaluator
	bounds []bound // of the keys, for the index's columns
	key    keyColumns
	at     []int // where the reader's rows have the index's columns
	reader *scanReader
	m      *matcher
	table  *joinTable
	cand   hashCandidates
	mem    account

	batch   *types.Batch    // left rows
	values  []*types.Vector // their keys
	next    int             // the first left row that was not looked up yet
	step    int             // left rows to look up at a time
	part    *types.Batch    // the left rows that are looked up
	matched []bool          // those that have a match
	rest    bool            // the reader may have more right rows for part

	partKeys, rightKeys []*types.Vector
}

func buildIndexJoin(n *plan.IndexJoin, rt *Runtime) (Operator, error) {
	left, err := Build(n.Left, rt)
	if err != nil {
		return nil, err
	}
	j := &indexJoin{rt: rt, left: left, key: newKeyColumns(n.Right.Table, n.Right.Index), mem: rt.account()}
	exprs := make([]expr.Expr, len(n.Keys))
	for i, e := range n.Keys {
		b, err := newBound(e, j.key.types[i])
		if err != nil {
			return nil, err
		}
		j.bounds = append(j.bounds, b)
		j.values = append(j.values, types.NewVector(b.to, 0))
		exprs[i] = b.expr
	}
	if j.keys, err = expr.NewEvaluator(rt.Env, exprs...); err != nil {
		return nil, err
	}
	j.partKeys, j.rightKeys = make([]*types.Vector, len(exprs)), make([]*types.Vector, len(exprs))
	var own []int
	for _, p := range j.key.parts[:len(n.Keys)] {
		own = append(own, p.Column)
	}
	if j.reader, err = newScanReader(n.Right, rt, own); err != nil {
		return nil, err
	}
	j.reader.push(nil)
	for _, c := range own {
		j.at = append(j.at, slices.Index(j.reader.columns, c))
	}
	j.m, err = newMatcher(rt.Env, n.Kind, n.On, n.Left.Types(), n.Right.Types())
	j.table = newJoinTable(j.reader.types(), j.key.types[:len(n.Keys)])
	j.cand.one = j.m.leftOnly() && n.On == nil
	return j, err
}

func (j *indexJoin) Open(ctx context.Context) error {
	j.step = types.BatchRows
	return j.left.Open(ctx)
}

func (j *indexJoin) Next(ctx context.Context) (*types.Batch, error) {
	for {
		out, err := j.m.next(ctx)
		if err != nil || out.Len > 0 {
			return out, err
		}
		switch {
		case j.rest:
			if err = j.load(ctx); err == nil {
				j.match()
			}
		case j.batch != nil && j.next < j.batch.Len:
			err = j.lookUp(ctx)
		default:
			if j.batch, err = j.left.Next(ctx); err != nil || j.batch.Len == 0 {
				return out, err
			}
			j.next = 0
			err = j.convertKeys()
		}
		if err != nil {
			return nil, err
		}
	}
}

// convertKeys sets values to the batch's keys as the index has them; those that
// equal no value of their column become NULL, which matches nothing.
func (j *indexJoin) convertKeys() error {
	keys, err := j.keys.Eval(j.batch)
	if err != nil {
		return err
	}
	for c, v := range j.values {
		b := &j.bounds[c]
		if b.from == b.to {
			j.values[c] = keys[c]
			continue
		}
		v.Reset(b.to)
		for i := range j.batch.Len {
			if keys[c].IsNull(i) {
				v.AppendNull()
			} else if x, p := b.convert(keys[c].Value(i)); p == exact {
				v.AppendValue(x)
			} else {
				v.AppendNull()
			}
		}
	}
	return nil
}

// lookUp begins with the next step left rows.
func (j *indexJoin) lookUp(ctx context.Context) error {
	for {
		to := min(j.next+j.step, j.batch.Len)
		if err := j.reader.open(store.ScanRequest{Ranges: j.ranges(j.next, to)}); err != nil {
			return err
		}
		if err := j.load(ctx); err != nil {
			return err
		}
		if j.rest && j.step > 1 {
			j.step /= 2
			continue
		}
		j.part = j.batch.Slice(j.next, to)
		for c, v := range j.values {
			j.partKeys[c] = v.Slice(j.next, to)
		}
		j.matched = append(j.matched[:0], make([]bool, j.part.Len)...)
		j.next = to
		j.match()
		return nil
	}
}

// match joins part with the right rows that are loaded.
func (j *indexJoin) match() {
	j.cand.begin(j.table, j.partKeys, j.part.Len)
	j.m.begin(j.part, j.table.rows, &j.cand, j.matched, !j.rest)
}

// ranges returns the lookups for left rows [from, to), with every key once.
func (j *indexJoin) ranges(from, to int) []store.KeyRange {
	ranges := make([]store.KeyRange, 0, to-from)
	keys := make([]types.Value, 0, (to-from)*len(j.values))
rows:
	for i := from; i < to; i++ {
		first := len(keys)
		for _, v := range j.values {
			if v.IsNull(i) {
				keys = keys[:first]
				continue rows
			}
			keys = append(keys, v.Value(i))
		}
		k := keys[first:len(keys):len(keys)]
		j.key.toUTC(k, j.rt.Env.Zone)
		j.key.cut(k)
		ranges = append(ranges, store.KeyRange{Low: k, High: k})
	}
	return j.key.merge(ranges)
}

// load takes the reader's next rows, as many as fit into memory.
func (j *indexJoin) load(ctx context.Context) error {
	j.table.clear()
	for {
		b, err := j.reader.Next(ctx)
		if err != nil {
			return err
		}
		if j.rest = b.Len > 0; !j.rest {
			return j.reader.close()
		}
		for i, c := range j.at {
			j.rightKeys[i] = b.Columns[c]
		}
		j.table.add(b, j.rightKeys)
		if j.mem.set(j.table.bytes()); j.mem.full() {
			return nil
		}
	}
}

func (j *indexJoin) Close() error {
	j.table.clear()
	j.mem.set(0)
	j.batch, j.part, j.rest = nil, nil, false
	j.m.ended = true
	err := j.reader.close()
	if e := j.left.Close(); err == nil {
		err = e
	}
	return err
}
