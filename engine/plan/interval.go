package plan

import (
	"unicode/utf8"

	"vitess.io/vitess/go/mysql/collations"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/types"
)

// interval bounds one column; a nil bound is open. The bounds are constant.
type interval struct {
	low, high     expr.Expr
	lowEx, highEx bool
	null          bool // NULL bounds stand for NULL
}

// point returns the interval of one value.
func point(e expr.Expr, null bool) interval { return interval{low: e, high: e, null: null} }

// isPoint reports whether the interval is one value's.
func (v *interval) isPoint() bool { return v.low != nil && v.low == v.high }

// intervals is what a condition says of one column.
type intervals struct {
	list  []interval
	exact bool // the condition holds for just the values in list
}

func (v *intervals) points() bool {
	for i := range v.list {
		if !v.list[i].isPoint() {
			return false
		}
	}
	return true
}

// maxIntervals bounds how many ranges a scan is given.
const maxIntervals = 10000

// intervalsOf returns the values of column id, of type t, that cond allows;
// false where it does not bound them.
func intervalsOf(cond expr.Expr, id int, t types.Type) (intervals, bool) {
	switch c := cond.(type) {
	case *expr.Compare:
		return compareIntervals(c, id, t)
	case *expr.InList:
		if !isColumn(c.Expr, id) || len(c.List) > maxIntervals {
			return intervals{}, false
		}
		v := intervals{exact: true}
		for _, e := range c.List {
			b, exact, ok := bound(e, t, c.Collation, true)
			if !ok {
				return intervals{}, false
			}
			v.list = append(v.list, point(b, false))
			v.exact = v.exact && exact
		}
		return v, true
	case *expr.Is:
		if c.Test == expr.IsNull && isColumn(c.Arg, id) {
			return intervals{[]interval{point(&expr.Literal{T: types.NullType}, true)}, true}, true
		}
	case *expr.Like:
		return likeInterval(c, id, t)
	case *expr.Or:
		all := intervals{exact: true}
		for _, a := range c.Args {
			v, ok := intervalsOfAll(expr.Conjuncts(a), id, t)
			if !ok || len(all.list)+len(v.list) > maxIntervals {
				return intervals{}, false
			}
			all.list = append(all.list, v.list...)
			all.exact = all.exact && v.exact
		}
		return all, true
	}
	return intervals{}, false
}

// intervalsOfAll is intervalsOf for the AND of conds.
func intervalsOfAll(conds []expr.Expr, id int, t types.Type) (intervals, bool) {
	v, used := boundColumn(conds, id, t)
	v.exact = len(used) == len(conds)
	return v, len(v.list) > 0
}

// boundColumn returns the values of a column that conds allow, no intervals if
// they do not bound it, and the conditions that the intervals imply.
func boundColumn(conds []expr.Expr, id int, t types.Type) (best intervals, used map[int]bool) {
	used = map[int]bool{}
	var span interval // of all comparisons with one bound
	bounded := -1     // the condition that best is of
	spanned := map[int]bool{}
	for i, c := range conds {
		v, ok := intervalsOf(c, id, t)
		if !ok {
			continue
		}
		if v.points() {
			if bounded < 0 || !best.points() || len(v.list) < len(best.list) {
				best, bounded = v, i
			}
			continue
		}
		if one := v.list[0]; len(v.list) == 1 {
			low, high := one.low != nil && span.low == nil, one.high != nil && span.high == nil
			if low {
				span.low, span.lowEx = one.low, one.lowEx
			}
			if high {
				span.high, span.highEx = one.high, one.highEx
			}
			if v.exact && low == (one.low != nil) && high == (one.high != nil) {
				spanned[i] = true
			}
			continue
		}
		if bounded < 0 {
			best, bounded = v, i
		}
	}
	if (span.low != nil || span.high != nil) && (bounded < 0 || !best.points()) {
		return intervals{list: []interval{span}}, spanned
	}
	if bounded >= 0 && best.exact {
		used[bounded] = true
	}
	return best, used
}

func compareIntervals(c *expr.Compare, id int, t types.Type) (intervals, bool) {
	op, e := c.Op, c.R
	if !isColumn(c.L, id) {
		if !isColumn(c.R, id) {
			return intervals{}, false
		}
		op, e = op.Flip(), c.L
	}
	equality := op == expr.EQ || op == expr.NullSafeEQ
	b, exact, ok := bound(e, t, c.Collation, equality)
	if !ok {
		return intervals{}, false
	}
	var v interval
	switch op {
	case expr.EQ, expr.NullSafeEQ:
		v = point(b, op == expr.NullSafeEQ)
	case expr.LT, expr.LE:
		v = interval{high: b, highEx: op == expr.LT}
	case expr.GT, expr.GE:
		v = interval{low: b, lowEx: op == expr.GT}
	default:
		return intervals{}, false
	}
	return intervals{[]interval{v}, exact}, true
}

func isColumn(e expr.Expr, id int) bool {
	c, ok := e.(*expr.Column)
	return ok && c.Index == id
}

// bound returns e as a bound for a column of type t that it is compared with
// under a collation; false where it is not constant, or where values do not
// compare in the order of t's index. exact: converted to t, e bounds the same
// values as the comparison.
func bound(e expr.Expr, t types.Type, collation collations.ID, equality bool) (b expr.Expr, exact, ok bool) {
	if !expr.IsConst(e) || !expr.Deterministic(e) {
		return nil, false, false
	}
	return key(e, t, collation, equality)
}

// key is bound for any expression.
func key(e expr.Expr, t types.Type, collation collations.ID, equality bool) (b expr.Expr, exact, ok bool) {
	from := e.Type()
	if lit, isLit := e.(*expr.Literal); isLit && lit.Hex && !t.IsBinary() {
		return nil, false, false
	}
	if from.Kind == types.Null {
		return e, true, true
	}
	switch {
	case t.IsInteger(), t.IsFloat(), t.Kind == types.Decimal, t.Kind == types.Bit, t.Kind == types.Year:
		exact = from.IsNumeric() && !from.IsFloat() && t.Kind != types.Float
		ok = from.IsNumeric() || from.IsText() && t.Kind != types.Year && t.Kind != types.Bit
		if !from.IsNumeric() || from.IsFloat() {
			// As doubles several of t's values may be equal.
			ok = ok && (expr.ExactBound(e, t) || roundTrips(t))
		}
	case t.IsText():
		if !from.IsText() || collation != t.Collation {
			return nil, false, false
		}
		if from.Collation != t.Collation {
			from.Collation = t.Collation
			e = expr.Fold(expr.CastTo(e, from))
		}
		exact, ok = true, true
	case t.IsBinary():
		ok = from.IsString() && collation == t.Collation
		exact = ok && t.Kind != types.Binary
	case t.Kind == types.Enum:
		ok = equality && from.IsText() && collation == t.Collation
	case t.Kind == types.UUID:
		ok = from.Kind == types.UUID || from.IsString()
		exact = from.Kind == types.UUID
	case t.Kind == types.Time:
		ok = from.Kind == types.Time || from.IsText()
		exact = from.Kind == types.Time
	case t.IsTemporal():
		ok = from.IsTemporal() && from.Kind != types.Time || from.IsText()
		exact = from.IsTemporal() && t.Kind != types.Timestamp
	}
	return e, exact, ok
}

// roundTrips reports whether different values of a numeric type are different
// doubles.
func roundTrips(t types.Type) bool {
	const doubleDigits = 15
	switch t.Kind {
	case types.BigInt, types.Bit:
		return false
	case types.Decimal:
		return t.Size <= doubleDigits
	}
	return true
}

// likeInterval bounds a column by the text that a LIKE pattern begins with.
// The characters that no wildcard precedes are compared in the order of their
// bytes, so that other collations do not qualify.
func likeInterval(c *expr.Like, id int, t types.Type) (intervals, bool) {
	lit, ok := c.Pattern.(*expr.Literal)
	if !ok || !isColumn(c.Expr, id) || !t.IsText() || t.LossyKey() || c.Collation != t.Collation ||
		lit.T.Physical() != types.PhysBytes || lit.Value.IsNull() || !utf8.Valid(lit.Value.Bytes()) {
		return intervals{}, false
	}
	var prefix []rune
	escaped, wild := false, false
	for _, r := range string(lit.Value.Bytes()) {
		if !escaped && r == c.Escape && c.Escape != 0 {
			escaped = true
			continue
		}
		if wild = !escaped && (r == '%' || r == '_'); wild {
			break
		}
		prefix = append(prefix, r)
		escaped = false
	}
	if len(prefix) == 0 {
		return intervals{}, false
	}
	v := interval{low: textLiteral(prefix, t)}
	if next := successor(prefix); next != nil {
		v.high, v.highEx = textLiteral(next, t), true
	}
	return intervals{list: []interval{v}}, true
}

// successor returns the least text above all that begin with prefix, nil if
// there is none.
func successor(prefix []rune) []rune {
	for n := len(prefix); n > 0; n-- {
		r := prefix[n-1] + 1
		if r == 0xd800 { // surrogates are no characters
			r = 0xe000
		}
		if r <= utf8.MaxRune {
			return append(append([]rune(nil), prefix[:n-1]...), r)
		}
	}
	return nil
}

func textLiteral(s []rune, t types.Type) expr.Expr {
	lit := &expr.Literal{Value: types.NewString(string(s)), T: types.TextType}
	lit.T.Collation = t.Collation
	return lit
}

// sameValues reports whether values of two types that are equal determine one
// another: 1 = '1' and 1 = '01', so that text does not stand for a number.
func sameValues(a, b types.Type) bool {
	switch {
	case a.IsText() && b.IsText():
		return a.Collation == b.Collation && !a.LossyKey()
	case a.IsNumeric() && b.IsNumeric():
		return a.IsFloat() == b.IsFloat()
	}
	return a.Kind == b.Kind
}

func notNull(t *schema.Table, cols []int) bool {
	for _, c := range cols {
		if !t.Columns[c].NotNull {
			return false
		}
	}
	return true
}
