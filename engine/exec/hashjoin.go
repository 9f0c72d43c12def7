package exec

import (
	"context"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/plan"
	"github.com/kalamgo/kalam/engine/types"
)

// joinLevels is how often the rows of a hash join are divided before it takes
// what is still too large in several passes over the left rows.
const joinLevels = 4

// hashJoin is a hybrid Grace hash join (Shapiro, 1986): when the right rows do
// not fit into memory, both sides are divided by their keys' hashes into
// partitions on disk, which are joined one after the other.
type hashJoin struct {
	left, right           Operator
	leftTypes, rightTypes []types.Type
	leftKeys, rightKeys   *expr.Evaluator
	m                     *matcher
	table                 *joinTable
	cand                  hashCandidates
	mem                   account
	file                  spillFile
	leftFilters           []*joinFilter // of right keys, for the scans of left rows
	rightFilters          []*joinFilter // of left keys; nil: the right rows are read first
	early                 *queue        // of left rows then

	work    []joinTask
	level   int
	build   batchSource // right rows that are not loaded yet, or nil
	probe   batchSource // left rows, or nil: between tasks
	again   *spillStream
	matched []bool // of the rows of again, by pass
	at      int    // rows of again that were read in this pass
	later   bool   // this is not the first pass
}

// joinTask is a pair of partitions.
type joinTask struct {
	build, probe *spillStream
	level        int
}

func buildHashJoin(n *plan.HashJoin, rt *Runtime) (Operator, error) {
	lk, rk := comparableKeys(n.LeftKeys, n.RightKeys)
	var leftFilters, rightFilters []*joinFilter
	if n.Kind == plan.Inner || n.Kind == plan.Semi {
		leftFilters = joinFilters(n.Left, n.LeftKeys, lk, rt)
	}
	if n.LeftFirst {
		rightFilters = joinFilters(n.Right, n.RightKeys, rk, rt)
	}
	left, right, err := buildTwo(n.Left, n.Right, rt)
	if err != nil {
		return nil, err
	}
	j := &hashJoin{leftFilters: leftFilters, rightFilters: rightFilters, left: left, right: right, leftTypes: n.Left.Types(), rightTypes: n.Right.Types(),
		mem: rt.account(), file: rt.spillFile(), early: newQueue(n.Left.Types(), rt)}
	if j.leftKeys, err = expr.NewEvaluator(rt.Env, lk...); err != nil {
		return nil, err
	}
	if j.rightKeys, err = expr.NewEvaluator(rt.Env, rk...); err != nil {
		return nil, err
	}
	j.m, err = newMatcher(rt.Env, n.Kind, n.On, j.leftTypes, j.rightTypes)
	j.table = newJoinTable(j.rightTypes, exprTypes(rk))
	j.cand.one = j.m.leftOnly() && n.On == nil
	return j, err
}

// comparableKeys returns keys that are equal when their group keys are.
func comparableKeys(left, right []expr.Expr) (l, r []expr.Expr) {
	for i := range left {
		a, b := left[i], right[i]
		if s, t := a.Type(), b.Type(); s != t {
			c := expr.CompareType(s, t) // costs nothing where both are held as c is
			a, b = expr.Comparand(a, c), expr.Comparand(b, c)
		}
		l, r = append(l, a), append(r, b)
	}
	return l, r
}

func (j *hashJoin) Open(ctx context.Context) error {
	j.clearFilters()
	if err := j.early.clear(); err != nil {
		return err
	}
	var left batchSource = &lazy{op: j.left}
	if len(j.rightFilters) > 0 {
		var none bool
		var err error
		if left, none, err = j.readLeft(ctx); err != nil || none {
			j.build, j.probe = nil, nil
			return err
		}
	}
	if err := j.right.Open(ctx); err != nil {
		return err
	}
	if err := j.start(ctx, j.right, left, 0); err != nil {
		return err
	}
	return j.right.Close()
}

// start begins to join two sources: it loads the right rows or divides both.
func (j *hashJoin) start(ctx context.Context, build, probe batchSource, level int) error {
	j.level, j.later = level, false
	full, err := j.load(ctx, build)
	if err != nil {
		return err
	}
	if !full {
		j.build, j.probe = nil, probe
		if level == 0 {
			return j.filterLeft()
		}
		return nil
	}
	if level < joinLevels {
		return j.divide(ctx, build, probe)
	}
	j.build, j.probe = build, probe
	return nil
}

// load fills the table from build and reports whether it became full.
func (j *hashJoin) load(ctx context.Context, build batchSource) (full bool, err error) {
	j.table.clear()
	for {
		b, err := build.Next(ctx)
		if err != nil || b.Len == 0 {
			return false, err
		}
		keys, err := j.rightKeys.Eval(b)
		if err != nil {
			return false, err
		}
		j.table.add(b, keys)
		if j.mem.set(j.table.bytes()); j.mem.full() {
			return true, nil
		}
	}
}

// divide makes tasks of the table's rows, what is left of build, and probe.
func (j *hashJoin) divide(ctx context.Context, build, probe batchSource) error {
	b := newPartitioner(&j.file, j.rightTypes, j.level)
	for _, chunk := range j.table.rows.chunks {
		if err := j.distribute(b, chunk, j.rightKeys, false); err != nil {
			return err
		}
	}
	j.table.clear()
	j.mem.set(0)
	err := each(ctx, build, func(rows *types.Batch) error { return j.distribute(b, rows, j.rightKeys, false) })
	if err != nil {
		return err
	}
	if err := b.finish(); err != nil {
		return err
	}
	p := newPartitioner(&j.file, j.leftTypes, j.level)
	keepNulls := j.m.kind == plan.Left || j.m.kind == plan.Anti
	err = each(ctx, probe, func(rows *types.Batch) error { return j.distribute(p, rows, j.leftKeys, keepNulls) })
	if err != nil {
		return err
	}
	if err := p.finish(); err != nil {
		return err
	}
	for i := range p.streams {
		if p.streams[i].rows > 0 {
			j.work = append(j.work, joinTask{&b.streams[i], &p.streams[i], j.level + 1})
		}
	}
	return nil
}

func (j *hashJoin) distribute(p *partitioner, b *types.Batch, keys *expr.Evaluator, keepNulls bool) error {
	cols, err := keys.Eval(b)
	if err != nil {
		return err
	}
	k := &j.cand.keys
	k.read(cols, b.Len)
	for i := range b.Len {
		if k.nulls[i] && !keepNulls {
			continue
		}
		if err := p.add(b, i, k.hashes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (j *hashJoin) Next(ctx context.Context) (*types.Batch, error) {
	for {
		out, err := j.m.next(ctx)
		if err != nil || out.Len > 0 {
			return out, err
		}
		switch {
		case j.probe != nil:
			err = j.advance(ctx)
		case len(j.work) > 0:
			t := j.work[len(j.work)-1]
			j.work = j.work[:len(j.work)-1]
			j.again, j.at, j.matched = t.probe, 0, make([]bool, t.probe.rows)
			err = j.start(ctx, j.file.source(t.build, j.rightTypes), j.file.source(t.probe, j.leftTypes), t.level)
		default:
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// advance gives the matcher the next left rows, or goes to the next pass.
func (j *hashJoin) advance(ctx context.Context) error {
	if j.table.rows.n == 0 && !j.later && (j.m.kind == plan.Inner || j.m.kind == plan.Semi) {
		j.probe = nil
		return nil
	}
	b, err := j.probe.Next(ctx)
	if err != nil {
		return err
	}
	if b.Len > 0 {
		keys, err := j.leftKeys.Eval(b)
		if err != nil {
			return err
		}
		j.cand.begin(j.table, keys, b.Len)
		j.m.begin(b, j.table.rows, &j.cand, j.flags(b.Len), j.build == nil)
		return nil
	}
	if j.build == nil {
		j.probe = nil
		j.table.clear()
		j.mem.set(0)
		return nil
	}
	full, err := j.load(ctx, j.build)
	if !full {
		j.build = nil
	}
	j.probe, j.at, j.later = j.file.source(j.again, j.leftTypes), 0, true
	return err
}

// flags returns the match flags of the next n left rows.
func (j *hashJoin) flags(n int) []bool {
	if j.again == nil {
		j.matched = append(j.matched[:0], make([]bool, n)...)
		return j.matched
	}
	j.at += n
	return j.matched[j.at-n : j.at]
}

func (j *hashJoin) Close() error {
	j.table.clear()
	j.mem.set(0)
	j.work, j.build, j.probe, j.again, j.matched = nil, nil, nil, nil, nil
	j.m.ended = true
	err := j.early.clear()
	if e := closeAll(j.left, j.right, &j.file); err == nil {
		err = e
	}
	j.clearFilters() // which scans read ahead with
	return err
}
