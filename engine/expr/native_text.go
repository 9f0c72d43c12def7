package expr

import (
	"bytes"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/types"
)

func textNatives() map[string]*native {
	return map[string]*native{
		"upper":           changeCase(bytes.ToUpper),
		"ucase":           changeCase(bytes.ToUpper),
		"lower":           changeCase(bytes.ToLower),
		"lcase":           changeCase(bytes.ToLower),
		"trim":            trimBy(true, true),
		"ltrim":           trimBy(true, false),
		"rtrim":           trimBy(false, true),
		"find_in_set":     {args: textArg, result: types.Int64Type, collates: true, compares: true, eval: findInSet},
		"strcmp":          {args: textArg, result: types.Int64Type, collates: true, compares: true, eval: compareText},
		"locate":          {args: []types.Type{types.TextType, types.TextType, types.Int64Type}, result: types.Int64Type, collates: true, compares: true, eval: locate},
		"field":           {args: anyArg, result: types.Int64Type, nulls: true, notNull: true, eval: field},
		"greatest":        {args: anyArg, typed: argType, eval: extreme(1)},
		"least":           {args: anyArg, typed: argType, eval: extreme(-1)},
		"substring_index": {args: []types.Type{types.TextType, types.TextType, types.Int64Type}, result: types.TextType, collates: true, eval: substringIndex},
		"format":          {args: []types.Type{types.NullType, types.Int64Type, types.TextType}, result: types.TextType, nulls: true, eval: formatNumber},
		"quote":           {args: textArg, result: types.TextType, collates: true, nulls: true, notNull: true, eval: quote},
	}
}

// changeCase is UPPER and LOWER; evalengine has no case for text under bytes order.
func changeCase(f func([]byte) []byte) *native {
	return &native{args: anyArg,
		typed: func(args []Expr) types.Type {
			if t := args[0].Type(); t.IsString() {
				return t
			}
			return types.TextType
		},
		eval: func(c *nativeCall) (types.Value, error) {
			text := types.AppendText(nil, c.types[0], c.args[0])
			if !c.types[0].IsBinary() {
				text = f(text)
			}
			return types.NewBytes(text), nil
		}}
}

// trimBy is TRIM and its kin: the second argument is cut off as often as it is there.
func trimBy(leading, trailing bool) *native {
	return &native{args: textArg, result: types.TextType, collates: true, eval: func(c *nativeCall) (types.Value, error) {
		text, cut := c.args[0].Bytes(), c.args[1].Bytes()
		for leading && len(cut) > 0 && bytes.HasPrefix(text, cut) {
			text = text[len(cut):]
		}
		for trailing && len(cut) > 0 && bytes.HasSuffix(text, cut) {
			text = text[:len(text)-len(cut)]
		}
		return types.NewBytes(text), nil
	}}
}

// compareText is STRCMP.
func compareText(c *nativeCall) (types.Value, error) {
	return types.NewInt(int64(sign(types.Compare(c.types[0], c.args[0], c.args[1])))), nil
}

// locate is LOCATE(part, text, position): under a collation, as MySQL does it, a part
// equals a piece of as many bytes.
func locate(c *nativeCall) (types.Value, error) {
	part, text, pos := c.args[0].Bytes(), c.args[1].Bytes(), int64(1)
	if len(c.args) == 3 {
		pos = c.args[2].Int()
	}
	binary := c.types[1].IsBinary()
	start := skipChars(text, pos-1, binary)
	if pos < 1 || start < 0 {
		return types.NewInt(0), nil
	}
	at := -1
	if collator, ok := c.types[0].Collator(); ok {
		for i := start; i+len(part) <= len(text); i++ {
			if (i == len(text) || utf8.RuneStart(text[i])) && collator.Same(text[i:i+len(part)], part) {
				at = i
				break
			}
			if err := c.ev.step(len(part)); err != nil {
				return types.Value{}, err
			}
		}
	} else if i := bytes.Index(text[start:], part); i >= 0 {
		at = start + i
	}
	switch {
	case at < 0:
		return types.NewInt(0), nil
	case binary:
		return types.NewInt(int64(at) + 1), nil
	}
	return types.NewInt(int64(utf8.RuneCount(text[:at])) + 1), nil
}

// skipChars returns where text goes on after n characters, or bytes; -1 where it has
// fewer.
func skipChars(text []byte, n int64, binary bool) int {
	if n < 0 || n > int64(len(text)) {
		return -1
	}
	if binary {
		return int(n)
	}
	at := 0
	for ; n > 0; n-- {
		if at == len(text) {
			return -1
		}
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

// field is FIELD(value, list…), of one type.
func field(c *nativeCall) (types.Value, error) {
	for i, a := range c.args[1:] {
		if !c.args[0].IsNull() && !a.IsNull() && types.Equal(c.types[0], c.args[0], a) {
			return types.NewInt(int64(i + 1)), nil
		}
	}
	return types.NewInt(0), nil
}

func argType(args []Expr) types.Type { return args[0].Type() }

// extreme is GREATEST and LEAST of arguments of one type.
func extreme(sign int) func(c *nativeCall) (types.Value, error) {
	return func(c *nativeCall) (types.Value, error) {
		best := c.args[0]
		for _, a := range c.args[1:] {
			if types.Compare(c.types[0], a, best)*sign > 0 {
				best = a
			}
		}
		return best, nil
	}
}

// sameType converts the arguments of FIELD, GREATEST and LEAST to the type that they
// compare in.
func sameType(name string, args []Expr) ([]Expr, error) {
	t := commonTypeOf(args)
	if name == "field" && !t.IsNumeric() && slices.ContainsFunc(args, func(a Expr) bool { return a.Type().IsNumeric() }) {
		t = types.Float64Type
	}
	if t.IsString() {
		id, err := collateForCompare(name, args...)
		if err != nil {
			return nil, err
		}
		t = collated(t, id)
		t.Size = -1
	}
	out := make([]Expr, len(args))
	for i, a := range args {
		out[i] = CastTo(a, t)
	}
	return out, nil
}

func findInSet(c *nativeCall) (types.Value, error) {
	same := bytes.Equal
	if collator, ok := c.types[0].Collator(); ok {
		same = collator.Same
	}
	if set := c.args[1].Bytes(); len(set) > 0 {
		for i, item := range bytes.Split(set, []byte(",")) {
			if same(item, c.args[0].Bytes()) {
				return types.NewInt(int64(i + 1)), nil
			}
		}
	}
	return types.NewInt(0), nil
}

func substringIndex(c *nativeCall) (types.Value, error) {
	text, delim, n := c.args[0].Bytes(), c.args[1].Bytes(), c.args[2].Int()
	if len(delim) == 0 || n == 0 {
		return types.NewBytes(nil), nil
	}
	end := 0
	if n > 0 {
		for ; n > 0; n-- {
			i := bytes.Index(text[end:], delim)
			if i < 0 {
				return c.args[0], nil
			}
			end += i + len(delim)
		}
		return types.NewBytes(text[:end-len(delim)]), nil
	}
	end = len(text)
	for ; n < 0; n++ {
		i := bytes.LastIndex(text[:end], delim)
		if i < 0 {
			return c.args[0], nil
		}
		end = i
	}
	return types.NewBytes(text[end+len(delim):]), nil
}

// substringOf is SUBSTRING(text, from[, length]) of a text and whole numbers, nil for others.
func substringOf(c *Call) *native {
	if t := c.Args[0].Type(); !t.IsString() || t.IsText() != c.T.IsText() {
		return nil
	}
	for _, a := range c.Args[1:] {
		if t := a.Type(); !t.IsInteger() || t.Unsigned {
			return nil
		}
	}
	return &native{eval: substring}
}

func substring(c *nativeCall) (types.Value, error) {
	text, from, length := c.args[0].Bytes(), c.args[1].Int(), int64(math.MaxInt64)
	if len(c.args) > 2 {
		length = c.args[2].Int()
	}
	t := c.types[0]
	if from < 0 {
		n := len(text)
		if t.IsText() {
			n = utf8.RuneCount(text)
		}
		from += int64(n) + 1
	}
	if from <= 0 || length <= 0 {
		return types.NewBytes(nil), nil
	}
	first := func(n int64) []byte { return types.Prefix(t, text, int(min(n, int64(len(text))))) }
	text = text[len(first(from-1)):]
	return types.NewBytes(first(length)), nil
}

func quote(c *nativeCall) (types.Value, error) {
	if c.args[0].IsNull() {
		return types.NewString("NULL"), nil
	}
	out := []byte{'\''}
	for _, ch := range c.args[0].Bytes() {
		switch ch {
		case '\'', '\\':
			out = append(out, '\\', ch)
		case 0:
			out = append(out, '\\', '0')
		case 26:
			out = append(out, '\\', 'Z')
		default:
			out = append(out, ch)
		}
	}
	return types.NewBytes(append(out, '\'')), nil
}

// toASCII is CONVERT(… USING ascii): what is not ASCII is a question mark.
var toASCII = &native{args: textArg, result: types.TextType, eval: func(c *nativeCall) (types.Value, error) {
	out := make([]byte, 0, len(c.args[0].Bytes()))
	for _, r := range string(c.args[0].Bytes()) {
		if r >= utf8.RuneSelf {
			r = '?'
		}
		out = append(out, byte(r))
	}
	return types.NewBytes(out), nil
}}

// complement is ~ of bytes; evalengine's changes them where they are.
var complement = &native{args: anyArg, result: types.BytesType, eval: func(c *nativeCall) (types.Value, error) {
	out := bytes.Clone(c.args[0].Bytes())
	for i := range out {
		out[i] = ^out[i]
	}
	return types.NewBytes(out), nil
}}
