package expr

import "github.com/kalamgo/kalam/engine/types"

// branchKernel evaluates CASE and COALESCE: each arm sees the rows that reach
// it only.
type branchKernel struct {
	scratch
	t     types.Type
	arms  []branch
	other *result // CASE's ELSE, nil for NULL
	rows  [2][]int32
	taken []int32
	from  []*types.Vector // for each row the vector that its value is in, nil for NULL
	at    []int32         // and where
}

// branch is an arm: for CASE a condition and a result, for COALESCE a result
// that is taken where it is not NULL.
type branch struct {
	cond *truth
	sub  *subset
	then *result
}

// result is an arm's value for the rows that take it.
type result struct {
	arg *operand
	sub *subset
}

func newResult(ev *Evaluator, e Expr, t types.Type) (*result, error) {
	arg, err := ev.operand(CastTo(e, t))
	if err != nil {
		return nil, err
	}
	return &result{arg: arg, sub: newSubset(e)}, nil
}

func (e *Case) compile(ev *Evaluator) (kernel, error) {
	k := &branchKernel{t: e.T}
	for _, w := range e.Whens {
		cond, err := newTruth(ev, w.Cond)
		if err != nil {
			return nil, err
		}
		then, err := newResult(ev, w.Then, e.T)
		if err != nil {
			return nil, err
		}
		k.arms = append(k.arms, branch{cond: cond, sub: newSubset(w.Cond), then: then})
	}
	if e.Else != nil {
		other, err := newResult(ev, e.Else, e.T)
		if err != nil {
			return nil, err
		}
		k.other = other
	}
	return k, nil
}

func (e *Coalesce) compile(ev *Evaluator) (kernel, error) {
	k := &branchKernel{t: e.T}
	for _, a := range e.Args {
		then, err := newResult(ev, a, e.T)
		if err != nil {
			return nil, err
		}
		k.arms = append(k.arms, branch{then: then})
	}
	return k, nil
}

func (k *branchKernel) eval(in *types.Batch) (*types.Vector, error) {
	n := in.Len
	k.from, k.at = sized(k.from, n), sized(k.at, n)
	clear(k.from)
	rows := k.rows[0][:0]
	for i := range n {
		rows = append(rows, int32(i))
	}
	k.rows[0] = rows
	for i := range k.arms {
		if len(rows) == 0 {
			break
		}
		a := &k.arms[i]
		rest := k.rows[1][:0]
		if a.cond == nil {
			if err := k.take(in, a.then, rows); err != nil {
				return nil, err
			}
			for _, row := range rows {
				if k.from[row] == nil {
					rest = append(rest, row)
				}
			}
		} else {
			t, err := a.cond.eval(a.sub.of(in, rows))
			if err != nil {
				return nil, err
			}
			k.taken = k.taken[:0]
			for j, row := range rows {
				if t[j] == isTrue {
					k.taken = append(k.taken, row)
				} else {
					rest = append(rest, row)
				}
			}
			if err := k.take(in, a.then, k.taken); err != nil {
				return nil, err
			}
		}
		k.rows[0], k.rows[1] = rest, rows
		rows = rest
	}
	if k.other != nil {
		if err := k.take(in, k.other, rows); err != nil {
			return nil, err
		}
	}
	k.vec.Reset(k.t)
	for i, v := range k.from {
		if v == nil {
			k.vec.AppendNull()
		} else {
			k.vec.AppendFrom(v, int(k.at[i]))
		}
	}
	return &k.vec, nil
}

// take evaluates r for rows and notes where their values are.
func (k *branchKernel) take(in *types.Batch, r *result, rows []int32) error {
	if len(rows) == 0 {
		return nil
	}
	v, err := r.arg.eval(r.sub.of(in, rows))
	if err != nil {
		return err
	}
	for j, row := range rows {
		if at := r.arg.at(j); !v.IsNull(at) {
			k.from[row], k.at[row] = v, int32(at)
		}
	}
	return nil
}
