package exec

import (
	"slices"

	"vitess.io/vitess/go/mysql/decimal"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// accumulator computes an aggregate function for many groups, numbered from 0.
type accumulator interface {
	// grow makes room for n groups.
	grow(n int)
	// add takes n rows of arguments: row i for group groups[i], or for group 0
	// when groups is nil. COUNT(*) has none.
	add(groups []int32, args []*types.Vector, n int)
	// emit appends the results of groups [from, to) to dst.
	emit(dst *types.Vector, from, to int)
	// drop forgets the first n groups; the others move down.
	drop(n int)
	// bytes is the memory taken.
	bytes() int64
}

// newAccumulator returns the accumulator for a and the arguments, converted to
// what it adds up.
func newAccumulator(a *expr.Aggregate, rt *Runtime) (accumulator, []expr.Expr, error) {
	if a.Func == expr.Count {
		return &count{}, a.Args, nil
	}
	arg := a.Args[0]
	t := arg.Type()
	switch a.Func {
	case expr.Min, expr.Max:
		return newExtreme(t, a.Func == expr.Max), a.Args, nil
	case expr.AnyValue:
		return &anyValue{}, a.Args, nil
	case expr.Sum, expr.Avg:
		acc, arg := newSum(a)
		return acc, []expr.Expr{arg}, nil
	case expr.BitAnd, expr.BitOr, expr.BitXor:
		if t.Physical() != types.PhysUint64 {
			arg = expr.CastTo(arg, types.Int64Type)
		}
		return &bitwise{op: a.Func}, []expr.Expr{arg}, nil
	case expr.StdPop, expr.StdSamp, expr.VarPop, expr.VarSamp:
		m := &moments{sample: a.Func == expr.StdSamp || a.Func == expr.VarSamp, root: a.Func == expr.StdPop || a.Func == expr.StdSamp}
		return m, []expr.Expr{expr.CastTo(arg, types.Float64Type)}, nil
	case expr.GroupConcat:
		return newConcat(a, rt.Env), a.Children(), nil
	case expr.JSONArrayAgg:
		return &jsonArray{}, a.Args, nil
	case expr.JSONObjectAgg:
		return &jsonObject{}, []expr.Expr{expr.CastTo(arg, types.TextType), a.Args[1]}, nil
	}
	return nil, nil, sqlerr.Unsupported("%s()", a.Func)
}

// newExtreme returns the accumulator of MIN or MAX.
func newExtreme(t types.Type, greatest bool) accumulator {
	sign := 1
	if greatest {
		sign = -1
	}
	switch t.Physical() {
	case types.PhysInt64:
		return &extreme[int64]{sign: sign, values: int64Values}
	case types.PhysUint64:
		return &extreme[uint64]{sign: sign, values: uint64Values}
	case types.PhysFloat64:
		return &extreme[float64]{sign: sign, values: float64Values}
	}
	return &extremeBytes{t: t, sign: sign}
}

// newSum returns the accumulator of SUM or AVG and what it adds up.
func newSum(a *expr.Aggregate) (accumulator, expr.Expr) {
	arg := a.Args[0]
	t := arg.Type()
	avg := a.Func == expr.Avg
	if a.T.IsFloat() {
		return &sumFloat{avg: avg}, expr.CastTo(arg, types.Float64Type)
	}
	if t.IsTemporal() {
		arg = expr.CastTo(arg, types.DecimalType(types.MaxScaledDigits+max(t.Scale, 0), max(t.Scale, 0)))
		t = arg.Type()
	}
	scale := 0
	if t.Kind == types.Decimal {
		scale = t.Scale
	}
	if t.Kind == types.Decimal && t.Scale-a.T.Scale > maxRounded {
		arg = expr.CastTo(arg, types.DecimalType(65, t.Scale))
		t = arg.Type()
	}
	exact := avg && a.T.Scale-scale > divScaleDigits
	if exact && t.Physical() == types.PhysUint64 {
		arg = expr.CastTo(arg, types.DecimalType(20, 0))
	}
	if exact || t.Physical() == types.PhysBytes {
		return &sumDecimal{short: sumInt{avg: avg, scale: scale}, exact: exact}, arg
	}
	return &sumInt{avg: avg, scale: scale}, arg
}

// extend returns s with n elements, the new ones zero.
func extend[T any](s []T, n int) []T {
	k := len(s)
	if n > cap(s) {
		s = slices.Grow(s, max(n-k, k)) // not by a quarter, as append would
	}
	s = s[:max(n, k)]
	clear(s[k:])
	return s
}

// dropped returns s without its first n elements.
func dropped[T any](s []T, n int) []T { return s[:copy(s, s[n:])] }

// group returns the group of value i.
func group(groups []int32, i int) int {
	if groups == nil {
		return 0
	}
	return int(groups[i])
}

// count is COUNT.
type count struct{ n []int64 }

func (c *count) grow(n int)   { c.n = extend(c.n, n) }
func (c *count) drop(n int)   { c.n = dropped(c.n, n) }
func (c *count) bytes() int64 { return int64(cap(c.n)) * 8 }

func (c *count) add(groups []int32, args []*types.Vector, n int) {
	nulls := slices.ContainsFunc(args, func(v *types.Vector) bool { return v.Valid != nil || v.Type.Kind == types.Null })
	if groups == nil && !nulls {
		c.n[0] += int64(n)
		return
	}
	if !nulls {
		for _, g := range groups[:n] {
			c.n[g]++
		}
		return
	}
	for i := range n {
		if !anyNull(args, i) {
			c.n[group(groups, i)]++
		}
	}
}

// anyNull reports whether row i has a NULL.
func anyNull(args []*types.Vector, i int) bool {
	for _, v := range args {
		if v.IsNull(i) {
			return true
		}
	}
	return false
}

func (c *count) emit(dst *types.Vector, from, to int) {
	for _, n := range c.n[from:to] {
		dst.AppendInt(n)
	}
}

// sumFloat is SUM or AVG of doubles.
type sumFloat struct {
	avg bool
	sum []float64
	n   []int64
}

func (s *sumFloat) grow(n int)   { s.sum, s.n = extend(s.sum, n), extend(s.n, n) }
func (s *sumFloat) drop(n int)   { s.sum, s.n = dropped(s.sum, n), dropped(s.n, n) }
func (s *sumFloat) bytes() int64 { return int64(cap(s.sum)+cap(s.n)) * 8 }

func (s *sumFloat) add(groups []int32, args []*types.Vector, n int) {
	arg := args[0]
	if arg.Type.Kind == types.Null {
		return
	}
	if groups == nil && arg.Valid == nil {
		sum := s.sum[0]
		for _, x := range arg.Float64s[:n] {
			sum += x
		}
		s.sum[0] = sum
		s.n[0] += int64(n)
		return
	}
	if arg.Valid == nil {
		groups, sum, count := groups[:n], s.sum, s.n[:len(s.sum)]
		for i, x := range arg.Float64s[:n] {
			g := groups[i]
			sum[g] += x
			count[g]++
		}
		return
	}
	for i, x := range arg.Float64s[:n] {
		if !arg.IsNull(i) {
			g := group(groups, i)
			s.sum[g] += x
			s.n[g]++
		}
	}
}

func (s *sumFloat) emit(dst *types.Vector, from, to int) {
	for g := from; g < to; g++ {
		switch {
		case s.n[g] == 0:
			dst.AppendNull()
		case s.avg:
			dst.AppendFloat(s.sum[g] / float64(s.n[g]))
		default:
			dst.AppendFloat(s.sum[g])
		}
	}
}

// maxRounded is how many digits of its values a sumInt may have to round away: those of
// divisions, which are added up before.
const maxRounded = 5

// sumInt is SUM or AVG of integers and scaled decimals, exact in 128 bits.
type sumInt struct {
	avg   bool
	scale int // of the values
	sum   []int128
	n     []int64
}

func (s *sumInt) grow(n int)   { s.sum, s.n = extend(s.sum, n), extend(s.n, n) }
func (s *sumInt) drop(n int)   { s.sum, s.n = dropped(s.sum, n), dropped(s.n, n) }
func (s *sumInt) bytes() int64 { return int64(cap(s.sum))*16 + int64(cap(s.n))*8 }

func (s *sumInt) add(groups []int32, args []*types.Vector, n int) {
	arg := args[0]
	switch arg.Type.Physical() {
	case types.PhysInt64:
		values := arg.Int64s[:n]
		if groups == nil && arg.Valid == nil {
			s.sum[0].addInts(values)
			s.n[0] += int64(n)
			return
		}
		if groups != nil && arg.Valid == nil {
			for i, x := range values {
				g := groups[i]
				s.sum[g].addInt(x)
				s.n[g]++
			}
			return
		}
		if arg.Valid == nil {
			groups := groups[:n]
			for i, x := range values {
				g := groups[i]
				s.sum[g].addInt(x)
				s.n[g]++
			}
			return
		}
		for i, x := range values {
			if !arg.IsNull(i) {
				g := group(groups, i)
				s.sum[g].addInt(x)
				s.n[g]++
			}
		}
	case types.PhysUint64:
		for i, x := range arg.Uint64s[:n] {
			if !arg.IsNull(i) {
				g := group(groups, i)
				s.sum[g].addUint(x)
				s.n[g]++
			}
		}
	}
}

func (s *sumInt) emit(dst *types.Vector, from, to int) {
	digits, by := dst.Type.Scale-s.scale, int64(1)
	for ; digits < 0; digits++ {
		by *= 10
	}
	for g := from; g < to; g++ {
		switch {
		case s.n[g] == 0:
			dst.AppendNull()
		case s.avg:
			appendInt128(dst, s.sum[g].average(s.n[g]*by, digits))
		case by > 1:
			appendInt128(dst, s.sum[g].average(by, 0))
		default:
			appendInt128(dst, s.sum[g])
		}
	}
}

// sumDecimal is SUM or AVG of decimals that are held as text, or as scaled integers
// where those of a batch are short (expr.Evaluator.Short).
type sumDecimal struct {
	short sumInt            // with the number of all values
	long  []decimal.Decimal // of those held as text; nil: there were none
	exact bool              // averages have more digits than AVG's type, cut off where division does
}

func (s *sumDecimal) grow(n int) {
	s.short.grow(n)
	if s.long != nil {
		s.long = extend(s.long, n)
	}
}

func (s *sumDecimal) drop(n int) {
	s.short.drop(n)
	switch {
	case len(s.short.n) == 0:
		s.long = nil
	case s.long != nil:
		s.long = dropped(s.long, n)
	}
}

func (s *sumDecimal) bytes() int64 { return s.short.bytes() + int64(cap(s.long))*80 }

func (s *sumDecimal) add(groups []int32, args []*types.Vector, n int) {
	arg := args[0]
	if arg.Type.Physical() == types.PhysInt64 {
		s.short.add(groups, args, n)
		return
	}
	s.lengthen()
	for i := range n {
		if arg.IsNull(i) {
			continue
		}
		g := group(groups, i)
		d, _ := decimal.NewFromMySQL(arg.BytesAt(i))
		s.long[g] = s.long[g].Add(d)
		s.short.n[g]++
	}
}

// lengthen makes room for sums of values that are held as text.
func (s *sumDecimal) lengthen() {
	if s.long == nil {
		s.long = make([]decimal.Decimal, len(s.short.n))
	}
}

// total returns a group's sum.
func (s *sumDecimal) total(g int) decimal.Decimal {
	var buf [80]byte
	d, _ := decimal.NewFromMySQL(s.short.sum[g].text(buf[:0], s.short.scale))
	if s.long == nil {
		return d
	}
	return d.Add(s.long[g])
}

func (s *sumDecimal) emit(dst *types.Vector, from, to int) {
	if s.long == nil && !s.exact {
		s.short.emit(dst, from, to)
		return
	}
	for g := from; g < to; g++ {
		switch n := s.short.n[g]; {
		case n == 0:
			dst.AppendNull()
		case s.short.avg:
			appendDecimal(dst, s.total(g).Div(decimal.NewFromInt(n), divScaleDigits))
		default:
			appendDecimal(dst, s.total(g))
		}
	}
}

// extreme is MIN (sign 1) or MAX (-1) of numbers.
type extreme[T int64 | uint64 | float64] struct {
	sign   int
	values func(*types.Vector) *[]T
	best   []T
	seen   []bool
}

func int64Values(v *types.Vector) *[]int64     { return &v.Int64s }
func uint64Values(v *types.Vector) *[]uint64   { return &v.Uint64s }
func float64Values(v *types.Vector) *[]float64 { return &v.Float64s }

func (e *extreme[T]) grow(n int)   { e.best, e.seen = extend(e.best, n), extend(e.seen, n) }
func (e *extreme[T]) drop(n int)   { e.best, e.seen = dropped(e.best, n), dropped(e.seen, n) }
func (e *extreme[T]) bytes() int64 { return int64(cap(e.best))*8 + int64(cap(e.seen)) }

func (e *extreme[T]) add(groups []int32, args []*types.Vector, n int) {
	arg := args[0]
	for i, x := range (*e.values(arg))[:n] {
		if arg.IsNull(i) {
			continue
		}
		e.offer(group(groups, i), x)
	}
}

func (e *extreme[T]) offer(g int, x T) {
	if b := e.best[g]; !e.seen[g] || e.sign > 0 && x < b || e.sign < 0 && x > b {
		e.best[g], e.seen[g] = x, true
	}
}

func (e *extreme[T]) emit(dst *types.Vector, from, to int) {
	for g := from; g < to; g++ {
		if !e.seen[g] {
			dst.AppendNull()
			continue
		}
		switch x := any(e.best[g]).(type) {
		case int64:
			dst.AppendInt(x)
		case uint64:
			dst.AppendUint(x)
		case float64:
			dst.AppendFloat(x)
		}
	}
}

// extremeBytes is MIN or MAX of values that are held as bytes.
type extremeBytes struct {
	t    types.Type
	sign int
	best []types.Value
	size int64
}

func (e *extremeBytes) grow(n int)   { e.best = extend(e.best, n) }
func (e *extremeBytes) bytes() int64 { return int64(cap(e.best))*40 + e.size }

func (e *extremeBytes) drop(n int) {
	e.best = dropped(e.best, n)
	e.size = 0
	for _, v := range e.best {
		e.size += int64(len(v.Bytes()))
	}
}

func (e *extremeBytes) add(groups []int32, args []*types.Vector, n int) {
	arg := args[0]
	for i := range n {
		if arg.IsNull(i) {
			continue
		}
		e.offer(group(groups, i), arg.Value(i))
	}
}

// offer takes a copy of v if it is the best value yet.
func (e *extremeBytes) offer(g int, v types.Value) {
	b := &e.best[g]
	if b.IsNull() || types.Compare(e.t, v, *b)*e.sign < 0 {
		e.size += int64(len(v.Bytes()) - len(b.Bytes()))
		*b = v.Clone()
	}
}

func (e *extremeBytes) emit(dst *types.Vector, from, to int) {
	for _, v := range e.best[from:to] {
		dst.AppendValue(v)
	}
}
