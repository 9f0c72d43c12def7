package expr

import (
	"errors"
	"slices"
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
	case *sqlparser.LocateExpr:
		if n.Pos == nil {
			return b.nativeCall("locate", n.SubStr, n.Str)
		}
		return b.nativeCall("locate", n.SubStr, n.Str, n.Pos)
	case *sqlparser.JSONValueExpr:
		return b.jsonValue(n)
	case *sqlparser.PerformanceSchemaFuncExpr:
		if name := callName(n); natives[name] != nil {
			return b.nativeCall(name, n.Argument)
		}
	case *sqlparser.ConvertUsingExpr:
		return b.convertUsing(n)
	case *sqlparser.MatchExpr:
		return nil, notSupported(n)
	}
	name, args := jsonCall(n)
	if name == "" {
		name, args = spatialCall(n)
	}
	if name != "" {
		if functionsByName()[name] != nil {
			if err := checkFunction(name, len(args)); err != nil {
				return nil, err
			}
		}
		return b.nativeCall(name, args...)
	}
	name = callName(n)
	if f := functionsByName()[name]; f != nil && f.Refused {
		return nil, sqlerr.Unsupported("%s", construct(name))
	}
	return b.viaVitess(name, n)
}

// jsonCall returns the name and arguments of a JSON function whose arguments are a
// plain list; "" of other functions.
func jsonCall(n sqlparser.Callable) (name string, args []sqlparser.Expr) {
	list := given
	pairs := func(first []sqlparser.Expr, params []*sqlparser.JSONObjectParam) []sqlparser.Expr {
		for _, p := range params {
			first = append(first, p.Key, p.Value)
		}
		return first
	}
	switch n := n.(type) {
	case *sqlparser.JSONAttributesExpr:
		return n.Type.ToString(), list(n.JSONDoc, n.Path)
	case *sqlparser.JSONQuoteExpr:
		return "json_quote", list(n.StringArg)
	case *sqlparser.JSONUnquoteExpr:
		return "json_unquote", list(n.JSONValue)
	case *sqlparser.JSONArrayExpr:
		return "json_array", n.Params
	case *sqlparser.JSONObjectExpr:
		return "json_object", pairs(nil, n.Params)
	case *sqlparser.JSONContainsExpr:
		return "json_contains", append(list(n.Target, n.Candidate), n.PathList...)
	case *sqlparser.JSONContainsPathExpr:
		return "json_contains_path", append(list(n.JSONDoc, n.OneOrAll), n.PathList...)
	case *sqlparser.JSONExtractExpr:
		return "json_extract", append(list(n.JSONDoc), n.PathList...)
	case *sqlparser.JSONKeysExpr:
		return "json_keys", list(n.JSONDoc, n.Path)
	case *sqlparser.JSONOverlapsExpr:
		return "json_overlaps", list(n.JSONDoc1, n.JSONDoc2)
	case *sqlparser.JSONSearchExpr:
		return "json_search", append(list(n.JSONDoc, n.OneOrAll, n.SearchStr, n.EscapeChar), n.PathList...)
	case *sqlparser.JSONPrettyExpr:
		return "json_pretty", list(n.JSONVal)
	case *sqlparser.JSONStorageSizeExpr:
		return "json_storage_size", list(n.JSONVal)
	case *sqlparser.JSONStorageFreeExpr:
		return "json_storage_free", list(n.JSONVal)
	case *sqlparser.MemberOfExpr:
		return "member of", list(n.Value, n.JSONArr)
	case *sqlparser.JSONValueModifierExpr:
		return n.Type.ToString(), pairs(list(n.JSONDoc), n.Params)
	case *sqlparser.JSONValueMergeExpr:
		return n.Type.ToString(), append(list(n.JSONDoc), n.JSONDocList...)
	case *sqlparser.JSONRemoveExpr:
		return "json_remove", append(list(n.JSONDoc), n.PathList...)
	}
	return "", nil
}

// given returns those of a function's optional arguments that a call has.
func given(optional ...sqlparser.Expr) (args []sqlparser.Expr) {
	for _, e := range optional {
		if e != nil {
			args = append(args, e)
		}
	}
	return args
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
	if err := checkFunction(name, len(n.Exprs)); err != nil {
		return nil, err
	}
	if name == "get_format" {
		// Its first argument is a word of its own, which parses as a column's name.
		if word, ok := n.Exprs[0].(*sqlparser.ColName); ok && word.Qualifier.IsEmpty() {
			switch kind := word.Name.Lowered(); kind {
			case "date", "time", "datetime", "timestamp":
				return b.nativeCall(name, sqlparser.NewStrLiteral(kind), n.Exprs[1])
			}
		}
		return nil, sqlerr.WrongArguments.New("Incorrect arguments to get_format")
	}
	args, err := b.list(n.Exprs)
	if err != nil {
		return nil, err
	}
	if f := functionsByName()[name]; f != nil && f.Group == "Numbers" || name == "greatest" || name == "least" || name == "interval" {
		if err := noSpatial(name, args...); err != nil {
			return nil, err
		}
	}
	switch name {
	case "coercibility":
		return intLiteral(int64(StrengthOf(args[0]).coercibility())), nil
	case "if":
		return newCase([]When{{args[0], args[1]}}, args[2]), nil
	case "ifnull", "coalesce":
		t := commonTypeOf(args)
		return &Coalesce{precise(args, t), t}, nil
	case "nullif":
		same, err := NewCompare(EQ, args[0], args[1])
		if err != nil {
			return nil, err
		}
		t := args[0].Type()
		return &Case{Whens: []When{{same, &Literal{T: types.NullType}}}, Else: args[0], T: t}, nil
	case "isnull":
		return &Is{IsNull, args[0]}, nil
	case "mod":
		return newArith(Mod, args[0], args[1]), nil
	case "last_insert_id":
		if len(args) == 1 {
			return newNative(name, setLastInsertID, args)
		}
	case "unix_timestamp":
		if len(args) == 0 {
			return newNative(name, natives[name], args)
		}
	case "field", "greatest", "least":
		if args, err = sameType(name, args); err != nil {
			return nil, err
		}
	case "make_set", "export_set":
		// Bits, of a negative number too.
		args[0] = CastTo(args[0], integerType(numericType(args[0]).Unsigned))
	case "bit_count":
		arg, err := bitOperand(args[0])
		if err != nil {
			return nil, err
		}
		return newCall(name, []Expr{arg}, &sqlparser.FuncExpr{Name: n.Name, Exprs: []sqlparser.Expr{&sqlparser.Offset{V: 0}}})
	case "instr":
		return newNative("locate", natives["locate"], []Expr{args[1], args[0]})
	case "adddate", "subdate":
		// The form with a number of days; the one with INTERVAL has its own syntax.
		if len(args) != 2 {
			return nil, wrongParamCount(name)
		}
		syntax := sqlparser.IntervalDateExprAdddate
		if name == "subdate" {
			syntax = sqlparser.IntervalDateExprSubdate
		}
		return b.viaVitess(name, &sqlparser.IntervalDateExpr{
			Syntax: syntax, Date: n.Exprs[0], Interval: n.Exprs[1], Unit: datetime.IntervalDay,
		})
	}
	if f := dateParts[name]; f != nil && args[0].Type().IsTemporal() && args[0].Type().Kind != types.Time {
		return newNative(name, f, args)
	}
	if name == "round" && numericType(args[0]).IsFloat() {
		return newNative(name, roundFloat, args)
	}
	if name == "round" && len(args) == 2 && numericType(args[0]).IsInteger() {
		return newNative(name, roundInteger, []Expr{CastTo(args[0], numericType(args[0])), args[1]})
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
	if _, ok := tmpl.(*sqlparser.SubstrExpr); ok && slices.ContainsFunc(args, func(e Expr) bool { return e.Type().Kind == types.Null }) {
		return &Cast{Arg: &Literal{T: types.NullType}, T: types.TextType}, nil // evalengine does not expect it
	}
	if keepsText[name] || readsText[name] {
		args = slices.Clone(args)
		for i, a := range args {
			if a.Type().HasPlaces() {
				args[i] = CastTo(a, types.TextType)
			}
		}
	}
	if strings.HasPrefix(name, "regexp") && (args[0].Type().IsTemporal() || args[0].Type().IsNumeric()) {
		args = slices.Clone(args) // evalengine would take it for a binary string
		args[0] = CastTo(args[0], types.TextType)
	}
	texts := args
	args, tmpl, err := collateCall(name, readableTime(name, args, tmpl), tmpl)
	if err != nil {
		return nil, err
	}
	c := &Call{Name: name, Args: args, tmpl: tmpl, cache: &programCache{}}
	t, nullable, err := c.resultType()
	if err != nil {
		if !errors.Is(err, sqlerr.NotSupported) {
			return nil, err
		}
		return nil, unsupported(err, "%s", construct(name))
	}
	c.T, c.NotNull = t, !nullable && !anyNullable(args)
	refine(c)
	if t.IsFloat() {
		c.Args = asDoubles(args)
	}
	switch n := tmpl.(type) {
	case *sqlparser.IntervalDateExpr:
		c.native = dateAddOf(c, n)
	case *sqlparser.SubstrExpr:
		c.native = substringOf(c)
	}
	if keepsText[name] && c.T.IsText() {
		c.T.Collation = textOf(texts).Collation
		c.derived = &derivation{c.T.Collation, strongest(c.T.Collation, texts)}
	}
	switch name {
	case "round", "truncate", "ceil", "ceiling", "floor", "abs", "sign":
		// These see the digits that division has among other arithmetic.
		if x := exact(args[0]); x != args[0] {
			return c.WithChildren(append([]Expr{x}, args[1:]...)), nil
		}
	}
	if len(texts) > 0 {
		return zeroDated(name, texts[0], c), nil
	}
	return c, nil
}

// asDoubles returns args, FLOATs and those with a number of places as DOUBLE: evalengine reads numbers
// as text, and theirs has fewer digits than their value.
func asDoubles(args []Expr) []Expr {
	out := make([]Expr, len(args))
	for i, a := range args {
		if out[i] = a; a.Type().Kind == types.Float || a.Type().HasPlaces() {
			out[i] = CastTo(a, types.Float64Type)
		}
	}
	return out
}

// refine sets the result types that evalengine does not derive as MySQL does,
// those above all that depend on the digits of decimals.
func refine(c *Call) {
	switch c.Name {
	case "regexp_replace", "regexp_substr":
		c.T = types.TextType
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
		if arg.Kind == types.Decimal || arg.HasPlaces() {
			c.T = arg
		}
	case "ceil", "ceiling", "floor":
		if arg.Kind != types.Decimal {
			if c.T.IsFloat() {
				c.T = types.DoubleWithPlaces(0)
			}
			return
		}
		if c.T = decimalType(p-s+1, 0); p-s+1 <= types.MaxScaledDigits {
			c.T = types.Int64Type
		}
	case "round", "truncate":
		if arg.Kind != types.Decimal {
			if c.T.IsFloat() {
				c.T = roundedType(c.Args)
			}
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
