package expr

import (
	"errors"
	"strings"

	"vitess.io/vitess/go/mysql/datetime"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// call binds a function call.
func (b *Binder) call(n sqlparser.Callable) (Expr, error) {
	switch n := n.(type) {
	case *sqlparser.FuncExpr:
		return b.function(n)
	case *sqlparser.ValuesFuncExpr:
		if s, ok := b.Scope.(ValuesScope); ok {
			return s.ResolveValues(n.Name)
		}
		return nil, notSupported(n)
	case *sqlparser.CurTimeFuncExpr:
		if n.Fsp < 0 || n.Fsp > 6 {
			return nil, sqlerr.WrongArguments.New("Too-big precision %d specified for '%s'. Maximum is 6.", n.Fsp, n.Name.Lowered())
		}
		name := n.Name.Lowered()
		return newNative(name, natives[name], []Expr{intLiteral(int64(n.Fsp))})
	case *sqlparser.TrimFuncExpr:
		trim := sqlparser.Expr(sqlparser.NewStrLiteral(" "))
		if n.TrimArg != nil {
			trim = n.TrimArg
		}
		return b.nativeCall(trimName(n), n.StringArg, trim)
	case *sqlparser.TimestampDiffExpr:
		return b.nativeCall("timestampdiff", sqlparser.NewStrLiteral(n.Unit.ToString()), n.Expr1, n.Expr2)
	case *sqlparser.ExtractFuncExpr:
		return b.nativeCall("extract", sqlparser.NewStrLiteral(n.IntervalType.ToString()), n.Expr)
	case *sqlparser.ConvertUsingExpr:
		if strings.EqualFold(n.Type, "utf8mb4") || strings.EqualFold(n.Type, "utf8") || strings.EqualFold(n.Type, "utf8mb3") {
			arg, err := b.bind(n.Expr)
			if err != nil {
				return nil, err
			}
			return CastTo(arg, types.TextType), nil
		}
		return b.viaVitess("convert", n)
	case *sqlparser.JSONAttributesExpr:
		name := n.Type.ToString()
		list := []sqlparser.Expr{n.JSONDoc}
		if n.Path != nil {
			list = append(list, n.Path)
		}
		if natives[name] == nil {
			return b.viaVitess(name, &sqlparser.FuncExpr{Name: sqlparser.NewIdentifierCI(name), Exprs: list})
		}
		return b.nativeCall(name, list...)
	case *sqlparser.MatchExpr:
		return nil, notSupported(n)
	case *sqlparser.JSONQuoteExpr:
		return b.nativeCall("json_quote", n.StringArg)
	case *sqlparser.JSONContainsExpr:
		return b.nativeCall("json_contains", append([]sqlparser.Expr{n.Target, n.Candidate}, n.PathList...)...)
	case *sqlparser.JSONValueModifierExpr:
		list := []sqlparser.Expr{n.JSONDoc}
		for _, p := range n.Params {
			list = append(list, p.Key, p.Value)
		}
		return b.nativeCall(n.Type.ToString(), list...)
	}
	return b.viaVitess(callName(n), n)
}

// callName returns the function's name in lower case.
func callName(n sqlparser.SQLNode) string {
	name, _, _ := strings.Cut(strings.ToLower(sqlparser.String(n)), "(")
	return name
}

// trimName returns the native function that trims as n does.
func trimName(n *sqlparser.TrimFuncExpr) string {
	switch {
	case n.TrimFuncType == sqlparser.LTrimType, n.Type == sqlparser.LeadingTrimType:
		return "ltrim"
	case n.TrimFuncType == sqlparser.RTrimType, n.Type == sqlparser.TrailingTrimType:
		return "rtrim"
	}
	return "trim"
}

// nativeCall binds the operands of a native function.
func (b *Binder) nativeCall(name string, list ...sqlparser.Expr) (Expr, error) {
	args, err := b.list(list)
	if err != nil {
		return nil, err
	}
	return newNative(name, natives[name], args)
}

func intLiteral(v int64) *Literal { return &Literal{Value: types.NewInt(v), T: types.Int64Type} }

// function binds name(args).
func (b *Binder) function(n *sqlparser.FuncExpr) (Expr, error) {
	name := n.Name.Lowered()
	if !n.Qualifier.IsEmpty() {
		return nil, sqlerr.UnknownFunction.New("FUNCTION %s does not exist", sqlparser.String(n.Qualifier)+"."+name)
	}
	if name == "grouping" {
		return b.grouping(n)
	}
	args, err := b.list(n.Exprs)
	if err != nil {
		return nil, err
	}
	count := func(want int) error {
		if len(args) != want {
			return wrongParamCount(name)
		}
		return nil
	}
	switch name {
	case "if":
		if err := count(3); err != nil {
			return nil, err
		}
		return &Case{Whens: []When{{args[0], args[1]}}, Else: args[2], T: commonTypeOf(args[1:])}, nil
	case "ifnull":
		if err := count(2); err != nil {
			return nil, err
		}
		return &Coalesce{args, commonTypeOf(args)}, nil
	case "coalesce":
		if len(args) == 0 {
			return nil, wrongParamCount(name)
		}
		return &Coalesce{args, commonTypeOf(args)}, nil
	case "nullif":
		if err := count(2); err != nil {
			return nil, err
		}
		same, err := NewCompare(EQ, args[0], args[1])
		if err != nil {
			return nil, err
		}
		t := args[0].Type()
		return &Case{Whens: []When{{same, &Literal{T: types.NullType}}}, Else: args[0], T: t}, nil
	case "isnull":
		if err := count(1); err != nil {
			return nil, err
		}
		return &Is{IsNull, args[0]}, nil
	case "mod":
		if err := count(2); err != nil {
			return nil, err
		}
		return newArith(Mod, args[0], args[1]), nil
	case "last_insert_id":
		if len(args) == 1 {
			return newNative(name, setLastInsertID, args)
		}
	case "unix_timestamp":
		if len(args) == 0 {
			return newNative(name, natives[name], args)
		}
	case "strcmp":
		if err := count(2); err != nil {
			return nil, err
		}
		t := types.TextType
		t.Collation = collationOf(args[0], args[1])
		return newNative(name, compareText, []Expr{CastTo(args[0], t), CastTo(args[1], t)})
	case "adddate", "subdate":
		// The form with a number of days; the one with INTERVAL has its own syntax.
		if err := count(2); err != nil {
			return nil, err
		}
		syntax := sqlparser.IntervalDateExprAdddate
		if name == "subdate" {
			syntax = sqlparser.IntervalDateExprSubdate
		}
		return b.viaVitess(name, &sqlparser.IntervalDateExpr{
			Syntax: syntax, Date: n.Exprs[0], Interval: n.Exprs[1], Unit: datetime.IntervalDay,
		})
	}
	if f := dateParts[name]; f != nil && len(args) == 1 && args[0].Type().IsTemporal() && args[0].Type().Kind != types.Time {
		return newNative(name, f, args)
	}
	if name == "round" && len(args) > 0 && numericType(args[0]).IsFloat() {
		return newNative(name, roundFloat, args)
	}
	if name != "unix_timestamp" && natives[name] != nil {
		return newNative(name, natives[name], args)
	}
	return b.viaVitess(name, n)
}

func wrongParamCount(name string) error {
	return sqlerr.WrongParamCount.New("Incorrect parameter count in the call to native function '%s'", name)
}

// viaVitess binds n, a function or operator that evalengine evaluates, its
// operands being the expressions directly under it.
func (b *Binder) viaVitess(name string, n sqlparser.Expr) (Expr, error) {
	var args []Expr
	var bindErr error
	tmpl := sqlparser.CopyOnRewrite(n, func(node, _ sqlparser.SQLNode) bool {
		_, isExpr := node.(sqlparser.Expr)
		return node == sqlparser.SQLNode(n) || !isExpr
	}, func(c *sqlparser.CopyOnWriteCursor) {
		e, isExpr := c.Node().(sqlparser.Expr)
		if !isExpr || c.Parent() == nil || bindErr != nil {
			return
		}
		arg, err := b.bind(e)
		if err != nil {
			bindErr = err
			return
		}
		args = append(args, arg)
		c.Replace(&sqlparser.Offset{V: len(args) - 1})
	}, nil)
	if bindErr != nil {
		return nil, bindErr
	}
	return newCall(name, args, tmpl.(sqlparser.Expr))
}

// newCall returns the call of tmpl, whose Offset i stands for args[i].
func newCall(name string, args []Expr, tmpl sqlparser.Expr) (Expr, error) {
	args = readableTime(name, args, tmpl)
	c := &Call{Name: name, Args: args, tmpl: tmpl, cache: &programCache{}}
	t, nullable, err := c.resultType()
	if err != nil {
		if !errors.Is(err, sqlerr.NotSupported) {
			return nil, err
		}
		if _, ok := tmpl.(*sqlparser.FuncExpr); ok && !lacks(name) {
			return nil, sqlerr.UnknownFunction.Wrap(err, "FUNCTION %s does not exist", name)
		}
		return nil, unsupported(err, "%s", construct(name))
	}
	c.T, c.NotNull = t, !nullable && !anyNullable(args)
	if t.IsFloat() {
		c.Args = asDoubles(args)
	}
	refine(c)
	switch name {
	case "round", "truncate", "ceil", "ceiling", "floor", "abs", "sign":
		// These see the digits that division has among other arithmetic.
		if x := exact(args[0]); x != args[0] {
			return c.WithChildren(append([]Expr{x}, args[1:]...)), nil
		}
	}
	return c, nil
}

// asDoubles returns args, FLOATs as DOUBLE: evalengine reads numbers as text, and
// that of a FLOAT has fewer digits than its value.
func asDoubles(args []Expr) []Expr {
	out := make([]Expr, len(args))
	for i, a := range args {
		if out[i] = a; a.Type().Kind == types.Float {
			out[i] = CastTo(a, types.Float64Type)
		}
	}
	return out
}

// refine sets the result types that evalengine does not derive as MySQL does,
// those above all that depend on the digits of decimals.
func refine(c *Call) {
	switch c.Name {
	case "regexp_replace", "regexp_substr", "json_unquote":
		c.T = types.TextType
	case "json_length", "json_depth":
		c.T = types.Int64Type
	case "crc32":
		c.T = types.Uint64Type
	case "char":
		if c.T.IsText() {
			c.T = types.TextType
		}
	case "left", "right", "lpad", "rpad", "reverse", "repeat", "replace", "insert":
		if c.T.IsText() && c.Args[0].Type().IsBinary() {
			c.T = types.BytesType
		}
	}
	if len(c.Args) == 0 {
		return
	}
	if n, ok := c.tmpl.(*sqlparser.IntervalDateExpr); ok && c.T.IsTemporal() && c.T.Kind != types.Date {
		c.T.Scale = max(secondDigits(c.Args[0]), intervalDigits(n, c.Args[1]))
		return
	}
	arg := numericType(c.Args[0])
	p, s := digitsOf(c.Args[0])
	switch c.Name {
	case "abs":
		if arg.Kind == types.Decimal {
			c.T = arg
		}
	case "ceil", "ceiling", "floor":
		if arg.Kind != types.Decimal {
			return
		}
		if c.T = decimalType(p-s+1, 0); p-s+1 <= types.MaxScaledDigits {
			c.T = types.Int64Type
		}
	case "round", "truncate":
		if arg.Kind != types.Decimal {
			return
		}
		places := 0
		if len(c.Args) == 2 {
			l, ok := c.Args[1].(*Literal)
			if !ok || !l.T.IsInteger() {
				c.T = decimalType(p+1, s)
				return
			}
			places = int(min(max(l.Value.Int(), 0), maxScale))
		}
		carry := 0
		if places < s && c.Name == "round" {
			carry = 1
		}
		c.T = decimalType(p-s+carry+places, places)
	case "sec_to_time", "from_unixtime", "maketime":
		if x := c.Args[len(c.Args)-1]; c.T.IsTemporal() {
			c.T.Scale = 6
			if t := numericType(x); isExact(t) {
				_, s := digitsOf(x)
				c.T.Scale = min(s, 6)
			}
		}
	case "greatest", "least":
		if t := commonTypeOf(c.Args); t.IsNumeric() {
			c.T = t
		}
	case "unix_timestamp":
		t := c.Args[0].Type()
		scale := 6
		switch l, ok := c.Args[0].(*Literal); {
		case t.IsTemporal():
			scale = t.Scale
		case isExact(t):
			scale = min(s, 6)
		case ok && t.IsString():
			scale = int(datetime.SizeFromString(string(l.Value.Bytes())))
		}
		if c.T = types.Int64Type; scale > 0 {
			c.T = decimalType(12+scale, scale)
		}
	}
}

// intervalDigits returns the fractional digits of a second that an interval has.
func intervalDigits(n *sqlparser.IntervalDateExpr, value Expr) int {
	t := value.Type()
	switch n.NormalizedUnit() {
	case datetime.IntervalMicrosecond, datetime.IntervalSecondMicrosecond, datetime.IntervalMinuteMicrosecond,
		datetime.IntervalHourMicrosecond, datetime.IntervalDayMicrosecond:
		return 6
	case datetime.IntervalSecond:
		switch {
		case t.Kind == types.Decimal:
			return min(t.Scale, 6)
		case t.IsInteger():
			return 0
		}
		return mostDigits([]Expr{value})
	}
	return 0
}

// cast binds CAST and CONVERT. Where they convert as MySQL does by itself they
// are a Cast, elsewhere a Call.
func (b *Binder) cast(n, operand sqlparser.Expr, to *sqlparser.ConvertType) (Expr, error) {
	arg, err := b.bind(operand)
	if err != nil {
		return nil, err
	}
	from := arg.Type()
	t, err := castType(to)
	if err != nil {
		return nil, err
	}
	if from.Kind == types.Null {
		return &Cast{Arg: arg, T: t}, nil
	}
	if arg = ForColumn(arg, t); arg.Type() != from {
		return &Cast{Arg: arg, T: t}, nil
	}
	own := false
	switch {
	case t.IsTemporal():
		own = true
	case t.Kind == types.Decimal:
		own = from.IsNumeric() && from.Kind != types.Bit || from.IsText()
	case t.IsFloat():
		own = from.IsNumeric() || from.IsString()
	case t.IsInteger():
		own = from.IsInteger() && from.Unsigned == t.Unsigned || from.IsFloat() && !t.Unsigned
	case t.IsString():
		own = to.Length == nil && from.Kind != types.Bit
	case t.Kind == types.JSON:
		own = from.Kind == types.JSON
	}
	if own {
		if from == t {
			return arg, nil
		}
		return &Cast{Arg: arg, T: t}, nil
	}
	e, err := b.viaVitess("cast", n)
	if err != nil {
		return nil, err
	}
	c := *e.(*Call)
	c.T = t
	return &c, nil
}

// castType returns the type that CAST … AS names.
func castType(n *sqlparser.ConvertType) (types.Type, error) {
	length := -1
	if n.Length != nil {
		length = *n.Length
	}
	name := strings.ToUpper(n.Type)
	if cs := strings.ToLower(n.Charset.Name); cs != "" && cs != "utf8mb4" && cs != "utf8" && cs != "utf8mb3" && cs != "binary" {
		return types.Type{}, sqlerr.Unsupported("CHARACTER SET %s", cs)
	}
	switch name {
	case "SIGNED", "SIGNED INTEGER":
		return types.Int64Type, nil
	case "UNSIGNED", "UNSIGNED INTEGER":
		return types.Uint64Type, nil
	case "CHAR", "NCHAR":
		t := types.TextType
		if strings.EqualFold(n.Charset.Name, "binary") {
			t = types.BytesType
		}
		t.Size = length
		return t, nil
	case "BINARY":
		t := types.BytesType
		t.Size = length
		return t, nil
	case "DOUBLE", "REAL":
		return types.Float64Type, nil
	case "FLOAT":
		t := types.Float64Type
		if length <= 24 {
			t.Kind = types.Float
		}
		return t, nil
	case "JSON":
		return types.JSONType, nil
	case "DATE":
		return temporalType(types.Date, 0), nil
	case "DATETIME", "TIME":
		if length > 6 {
			return types.Type{}, sqlerr.WrongArguments.New("Too-big precision %d specified. Maximum is 6.", length)
		}
		if name == "TIME" {
			return temporalType(types.Time, length), nil
		}
		return temporalType(types.DateTime, length), nil
	case "DECIMAL":
		p, s := 10, 0
		if n.Length != nil {
			p = length
		}
		if n.Scale != nil {
			s = *n.Scale
		}
		if p > maxPrecision || s > maxScale || s > p {
			return types.Type{}, sqlerr.WrongArguments.New("DECIMAL(%d,%d) has too many digits", p, s)
		}
		return decimalType(p, s), nil
	}
	return types.Type{}, sqlerr.Unsupported("CAST AS %s", name)
}
