package expr

import (
	"bytes"
	"context"
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/types"
)

// Walk calls visit for e and, where it returns true, for e's operands.
func Walk(e Expr, visit func(Expr) bool) {
	if !visit(e) {
		return
	}
	for _, c := range e.Children() {
		Walk(c, visit)
	}
}

// Rewrite replaces subexpressions from the root down: where f returns true its
// result stands as it is; elsewhere the operands are rewritten. What does not
// change is shared with e.
func Rewrite(e Expr, f func(Expr) (Expr, bool)) Expr {
	if r, done := f(e); done {
		return r
	}
	old := e.Children()
	var list []Expr
	for i, c := range old {
		r := Rewrite(c, f)
		if r != c && list == nil {
			list = slices.Clone(old)
		}
		if list != nil {
			list[i] = r
		}
	}
	if list == nil {
		return e
	}
	return e.WithChildren(list)
}

// Equal reports whether two expressions are the same by structure: with equal
// columns they have equal values, functions like RAND() apart.
func Equal(a, b Expr) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || !sameNode(a, b) {
		return false
	}
	return slices.EqualFunc(a.Children(), b.Children(), Equal)
}

// sameNode compares two nodes without their operands.
func sameNode(a, b Expr) bool {
	switch a := a.(type) {
	case *Column:
		b, ok := b.(*Column)
		return ok && a.Index == b.Index
	case *Outer:
		b, ok := b.(*Outer)
		return ok && a.Index == b.Index
	case *Param:
		b, ok := b.(*Param)
		return ok && a.Index == b.Index
	case *Literal:
		b, ok := b.(*Literal)
		return ok && a.T == b.T && a.Hex == b.Hex && sameValue(a.Value, b.Value)
	case *Aggregate:
		b, ok := b.(*Aggregate)
		return ok && a.Func == b.Func && a.Distinct == b.Distinct && a.Separator == b.Separator &&
			a.T == b.T && len(a.Args) == len(b.Args) && sameDirections(a.Order, b.Order)
	case *Window:
		b, ok := b.(*Window)
		return ok && sameWindow(a, b)
	case *Subquery:
		b, ok := b.(*Subquery)
		return ok && a.Kind == b.Kind && a.Plan == b.Plan && a.Column == b.Column && a.Op == b.Op
	case *Compare:
		b, ok := b.(*Compare)
		return ok && a.Op == b.Op && a.Collation == b.Collation
	case *And:
		_, ok := b.(*And)
		return ok
	case *Or:
		_, ok := b.(*Or)
		return ok
	case *Xor:
		_, ok := b.(*Xor)
		return ok
	case *Not:
		_, ok := b.(*Not)
		return ok
	case *Is:
		b, ok := b.(*Is)
		return ok && a.Test == b.Test
	case *InList:
		b, ok := b.(*InList)
		return ok && a.Collation == b.Collation
	case *Like:
		b, ok := b.(*Like)
		return ok && a.Escape == b.Escape && a.Collation == b.Collation
	case *Arith:
		// Types may differ by the digits that arithmetic keeps, here and below.
		b, ok := b.(*Arith)
		return ok && a.Op == b.Op
	case *Neg:
		_, ok := b.(*Neg)
		return ok
	case *Case:
		b, ok := b.(*Case)
		return ok && a.T.Kind == b.T.Kind && len(a.Whens) == len(b.Whens)
	case *Coalesce:
		b, ok := b.(*Coalesce)
		return ok && a.T.Kind == b.T.Kind
	case *Cast:
		b, ok := b.(*Cast)
		return ok && a.T == b.T && a.Compared == b.Compared
	case *Call:
		b, ok := b.(*Call)
		return ok && a.Name == b.Name && a.T == b.T && a.native == b.native &&
			(a.tmpl == nil) == (b.tmpl == nil) &&
			(a.tmpl == nil || sqlparser.Equals.Expr(a.tmpl, b.tmpl))
	}
	return false
}

func sameDirections(a, b []SortKey) bool {
	return slices.EqualFunc(a, b, func(x, y SortKey) bool { return x.Desc == y.Desc })
}

func sameValue(a, b types.Value) bool {
	return a.Physical() == b.Physical() && a.Uint() == b.Uint() && bytes.Equal(a.Bytes(), b.Bytes())
}

// Conjuncts returns the conditions that e is the AND of; those of a nil e are none.
func Conjuncts(e Expr) []Expr {
	if e == nil {
		return nil
	}
	and, ok := e.(*And)
	if !ok {
		return []Expr{e}
	}
	var list []Expr
	for _, a := range and.Args {
		list = append(list, Conjuncts(a)...)
	}
	return list
}

// Conjunction returns the AND of conditions: nil of none.
func Conjunction(list ...Expr) Expr {
	var all []Expr
	for _, e := range list {
		all = append(all, Conjuncts(e)...)
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &And{Args: all}
}

// Columns adds the indexes of the columns that e reads to set.
func Columns(e Expr, set map[int]bool) {
	Walk(e, func(e Expr) bool {
		if c, ok := e.(*Column); ok {
			set[c.Index] = true
		}
		return true
	})
}

// MapColumns returns e with each column's index replaced by f of it.
func MapColumns(e Expr, f func(int) int) Expr {
	return Rewrite(e, func(e Expr) (Expr, bool) {
		c, ok := e.(*Column)
		if !ok {
			return nil, false
		}
		i := f(c.Index)
		if i == c.Index {
			return c, true
		}
		n := *c
		n.Index = i
		return &n, true
	})
}

// IsConst reports whether e has one value in an execution: it has no columns,
// no aggregates and no function like RAND(). Parameters, outer values and NOW()
// are constant.
func IsConst(e Expr) bool {
	return !contains(e, func(e Expr) bool {
		switch e := e.(type) {
		case *Column, *Aggregate, *Window:
			return true
		case *Call:
			return e.perRow()
		}
		return false
	})
}

// Deterministic reports whether e has the same value for the same row: it has no
// function like RAND() or UUID().
func Deterministic(e Expr) bool {
	return !contains(e, func(e Expr) bool {
		c, ok := e.(*Call)
		return ok && c.perRow()
	})
}

// Impure returns the name of a function in e whose value depends on more than
// its operands: the time, the session or chance; "" when there is none.
func Impure(e Expr) string {
	name := ""
	Walk(e, func(e Expr) bool {
		if c, ok := e.(*Call); ok && (c.perRow() || c.native != nil && c.native.session || c.Name == "unix_timestamp" && len(c.Args) == 0) {
			name = c.Name
		}
		return name == ""
	})
	return name
}

// readsEnv reports whether what e is compiled to may depend on an Env.
func readsEnv(e Expr) bool {
	return contains(e, func(e Expr) bool {
		switch e.(type) {
		case *Column, *Literal, *Compare, *And, *Or, *Xor, *Not, *Is:
			return false
		}
		return true
	})
}

// HasAggregate reports whether e has an aggregate function.
func HasAggregate(e Expr) bool {
	return contains(e, func(e Expr) bool { _, ok := e.(*Aggregate); return ok })
}

// HasSubquery reports whether e has a subquery.
func HasSubquery(e Expr) bool {
	return contains(e, func(e Expr) bool { _, ok := e.(*Subquery); return ok })
}

func isClock(e Expr) bool { return e.Type().Kind == types.Time }

func contains(e Expr, is func(Expr) bool) bool {
	found := false
	Walk(e, func(e Expr) bool {
		found = found || is(e)
		return !found
	})
	return found
}

// Fold replaces what depends on nothing but literals by its value. A part that
// fails to evaluate stays, to fail if and when it is evaluated.
func Fold(e Expr) Expr {
	const maxFolded = 64 << 10 // bytes: plans are kept
	if _, ok := e.(*Literal); ok {
		return e
	}
	if foldable(e) {
		// What would warn stays too: the warning is due at each execution.
		warned := false
		env := &Env{Context: context.Background(), Strict: true, Warn: func(error) { warned = true }}
		if v, err := EvalConst(env, e); err == nil && !warned && len(v.Bytes()) <= maxFolded {
			l := &Literal{Value: v.Clone(), T: e.Type(), coercibility: int8(derive(e).strength.coercibility()) + 1}
			if x := exact(e); x != e {
				l.exact, _ = Fold(x).(*Literal)
			}
			return l
		}
	}
	old := e.Children()
	var list []Expr
	for i, c := range old {
		if f := Fold(c); f != c {
			if list == nil {
				list = slices.Clone(old)
			}
			list[i] = f
		}
	}
	if list != nil {
		e = e.WithChildren(list)
	}
	switch e := e.(type) {
	case *And:
		return foldJunction(e, e.Args, isTrue)
	case *Or:
		return foldJunction(e, e.Args, isFalse)
	}
	return e
}

// foldJunction drops the operands of an AND, or of an OR, that are known not to
// matter; one that decides is the result.
func foldJunction(e Expr, args []Expr, neutral byte) Expr {
	var rest []Expr
	for _, a := range args {
		l, ok := a.(*Literal)
		if !ok || l.T != types.BoolType || l.Value.IsNull() {
			rest = append(rest, a)
			continue
		}
		if (l.Value.Int() != 0) != (neutral == isTrue) {
			return l
		}
	}
	switch {
	case len(rest) == len(args):
		return e
	case len(rest) == 1 && rest[0].Type() == types.BoolType:
		return rest[0]
	case len(rest) == 0:
		return args[0]
	}
	return e.WithChildren(rest)
}

// foldable reports whether e depends on literals only. A TIME among dates takes
// its date from the clock.
func foldable(e Expr) bool {
	clock, date := false, false
	return !contains(e, func(e Expr) bool {
		t := e.Type()
		clock = clock || t.Kind == types.Time
		date = date || t.IsTemporal() && t.Kind != types.Time
		switch e := e.(type) {
		case *Column, *Outer, *Param, *Aggregate, *Window, *Subquery:
			return true
		case *Call:
			if !e.foldable() || e.native == nil && slices.ContainsFunc(e.Args, isClock) {
				return true // evalengine too takes a TIME's date from the clock
			}
		}
		return clock && date
	})
}
