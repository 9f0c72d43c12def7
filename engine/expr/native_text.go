package expr

import (
	"bytes"
	"math"
	"strings"

	"vitess.io/vitess/go/mysql/decimal"
	"vitess.io/vitess/go/mysql/json"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func textNatives() map[string]*native {
	jsonArg := []types.Type{types.NullType}
	return map[string]*native{
		"upper":           changeCase(bytes.ToUpper),
		"ucase":           changeCase(bytes.ToUpper),
		"lower":           changeCase(bytes.ToLower),
		"lcase":           changeCase(bytes.ToLower),
		"trim":            trimBy(true, true),
		"ltrim":           trimBy(true, false),
		"rtrim":           trimBy(false, true),
		"find_in_set":     {min: 2, max: 2, args: textArg, result: types.Int64Type, eval: findInSet},
		"substring_index": {min: 3, max: 3, args: []types.Type{types.TextType, types.TextType, types.Int64Type}, result: types.TextType, eval: substringIndex},
		"format":          {min: 2, max: 2, args: []types.Type{types.NullType, types.Int64Type}, result: types.TextType, eval: formatNumber},
		"quote":           {min: 1, max: 1, args: textArg, result: types.TextType, nulls: true, notNull: true, eval: quote},
		"json_valid":      {min: 1, max: 1, args: jsonArg, result: types.BoolType, eval: jsonValid},
		"json_type":       {min: 1, max: 1, args: jsonArg, result: types.TextType, eval: jsonType},
		"json_quote":      {min: 1, max: 1, args: textArg, result: types.TextType, eval: jsonQuote},
		"json_contains":   {min: 2, max: 3, args: jsonArg, result: types.BoolType, eval: jsonContains},
		"json_set":        {min: 3, max: -1, args: jsonArg, result: types.JSONType, nulls: true, eval: jsonModify(json.Set)},
		"json_insert":     {min: 3, max: -1, args: jsonArg, result: types.JSONType, nulls: true, eval: jsonModify(json.Insert)},
		"json_replace":    {min: 3, max: -1, args: jsonArg, result: types.JSONType, nulls: true, eval: jsonModify(json.Replace)},
	}
}

// changeCase is UPPER and LOWER; evalengine has no case for text under bytes order.
func changeCase(f func([]byte) []byte) *native {
	return &native{min: 1, max: 1, args: anyArg,
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
	return &native{min: 2, max: 2, args: textArg, result: types.TextType, eval: func(c *nativeCall) (types.Value, error) {
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

// compareText is STRCMP of two texts of one collation.
var compareText = &native{
	min: 2, max: 2, args: anyArg, result: types.Int64Type,
	eval: func(c *nativeCall) (types.Value, error) {
		return types.NewInt(int64(sign(types.Compare(c.types[0], c.args[0], c.args[1])))), nil
	},
}

// roundFloat is ROUND of a DOUBLE, halves to even.
var roundFloat = &native{
	min: 1, max: 2, args: []types.Type{types.Float64Type, types.Int64Type}, result: types.Float64Type,
	eval: func(c *nativeCall) (types.Value, error) {
		x, places := c.args[0].Float(), int64(0)
		if len(c.args) == 2 {
			places = min(max(c.args[1].Int(), -400), 400)
		}
		by := math.Pow10(int(max(places, -places)))
		var r float64
		if places >= 0 {
			r = math.RoundToEven(x*by) / by
			if isInf(x*by) || isInf(r) {
				r = x
			}
		} else if r = math.RoundToEven(x/by) * by; isInf(r) {
			r = 0
		}
		return types.NewFloat(r), nil
	},
}

func findInSet(c *nativeCall) (types.Value, error) {
	if set := c.args[1].Bytes(); len(set) > 0 {
		for i, item := range bytes.Split(set, []byte(",")) {
			if bytes.Equal(item, c.args[0].Bytes()) {
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

// formatNumber is FORMAT(number, digits): thousands are set apart by commas.
func formatNumber(c *nativeCall) (types.Value, error) {
	v := types.NewVector(c.types[0], 1)
	v.AppendValue(c.args[0])
	var d decimal.Decimal
	if c.types[0].IsNumeric() || c.types[0].IsTemporal() {
		d = decimalAt(v, 0)
	} else {
		f, warning := parseFloat(v, 0)
		if warning != nil {
			c.ev.warn(warning)
		}
		d = decimal.NewFromFloatMySQL(f)
	}
	places := int32(min(max(c.args[1].Int(), 0), maxScale))
	text := string(d.Round(places).FormatMySQL(places))
	whole, frac, _ := strings.Cut(text, ".")
	digits := strings.TrimPrefix(whole, "-")
	var b strings.Builder
	b.WriteString(whole[:len(whole)-len(digits)])
	for i, ch := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(ch)
	}
	if frac != "" {
		b.WriteString("." + frac)
	}
	return types.NewString(b.String()), nil
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

// document reads argument i, JSON or text, as JSON.
func (c *nativeCall) document(i int) (*json.Value, error) {
	var p json.Parser
	v, err := p.ParseBytes(types.AppendText(nil, c.types[i], c.args[i]))
	if err != nil {
		return nil, sqlerr.InvalidJSON.Wrap(err, "Invalid JSON text in argument %d: %v", i+1, err)
	}
	return v, nil
}

// path reads argument i as a JSON path.
func (c *nativeCall) path(i int) (*json.Path, error) {
	var p json.PathParser
	text := types.AppendText(nil, c.types[i], c.args[i])
	if len(text) == 0 {
		return nil, sqlerr.InvalidJSON.New("Invalid JSON path expression: it is empty")
	}
	path, err := p.ParseBytes(text)
	if err != nil {
		return nil, sqlerr.InvalidJSON.Wrap(err, "Invalid JSON path expression: %v", err)
	}
	return path, nil
}

func jsonValid(c *nativeCall) (types.Value, error) {
	if t := c.types[0]; !t.IsText() && t.Kind != types.JSON {
		return types.NewBool(false), nil
	}
	_, err := c.document(0)
	return types.NewBool(err == nil), nil
}

func jsonType(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	name := strings.ToUpper(doc.Type().String())
	if doc.Type() == json.TypeNumber {
		switch doc.NumberType() {
		case json.NumberTypeSigned:
			name = "INTEGER"
		case json.NumberTypeUnsigned:
			name = "UNSIGNED INTEGER"
		case json.NumberTypeDecimal:
			name = "DECIMAL"
		default:
			name = "DOUBLE"
		}
	}
	return types.NewString(name), nil
}

func jsonQuote(c *nativeCall) (types.Value, error) {
	return types.NewBytes(json.NewString(string(c.args[0].Bytes())).MarshalTo(nil)), nil
}

func jsonContains(c *nativeCall) (types.Value, error) {
	doc, err := c.document(0)
	if err != nil {
		return types.Value{}, err
	}
	item, err := c.document(1)
	if err != nil {
		return types.Value{}, err
	}
	if len(c.args) == 3 {
		path, err := c.path(2)
		if err != nil {
			return types.Value{}, err
		}
		var at *json.Value
		path.Match(doc, true, func(v *json.Value) { at = v })
		if at == nil {
			return types.Value{}, nil
		}
		doc = at
	}
	return types.NewBool(contained(item, doc)), nil
}

// contained reports whether item is in doc as JSON_CONTAINS defines it: an array
// holds each of an array's items, an object each of an object's members, an
// array any scalar that is one of its items.
func contained(item, doc *json.Value) bool {
	if list, ok := doc.Array(); ok {
		if items, ok := item.Array(); ok {
			for _, i := range items {
				if !contained(i, doc) {
					return false
				}
			}
			return true
		}
		for _, v := range list {
			if contained(item, v) {
				return true
			}
		}
		return false
	}
	if obj, ok := doc.Object(); ok {
		members, ok := item.Object()
		if !ok {
			return false
		}
		all := true
		members.Visit(func(key string, v *json.Value) {
			have := obj.Get(key)
			all = all && have != nil && contained(v, have)
		})
		return all
	}
	if item.Type() != doc.Type() {
		return false
	}
	if item.Type() == json.TypeNumber {
		a, ok1 := item.Decimal()
		b, ok2 := doc.Decimal()
		return ok1 && ok2 && a.Equal(b)
	}
	return bytes.Equal(item.MarshalTo(nil), doc.MarshalTo(nil))
}

// jsonModify is JSON_SET, JSON_INSERT and JSON_REPLACE.
func jsonModify(how json.Transformation) func(c *nativeCall) (types.Value, error) {
	return func(c *nativeCall) (types.Value, error) {
		if c.args[0].IsNull() {
			return types.Value{}, nil
		}
		doc, err := c.document(0)
		if err != nil {
			return types.Value{}, err
		}
		for i := 1; i+1 < len(c.args); i += 2 {
			if c.args[i].IsNull() {
				return types.Value{}, nil
			}
			path, err := c.path(i)
			if err != nil {
				return types.Value{}, err
			}
			value := c.jsonValue(i + 1)
			if err := json.ApplyTransform(how, doc, []*json.Path{path}, []*json.Value{value}); err != nil {
				return types.Value{}, sqlerr.InvalidJSON.Wrap(err, "%v", err)
			}
		}
		return types.NewBytes(doc.MarshalTo(nil)), nil
	}
}

// jsonValue returns argument i as a JSON value: text is a string.
func (c *nativeCall) jsonValue(i int) *json.Value {
	v, t := c.args[i], c.types[i]
	text := func() string { return string(types.AppendText(nil, t, v)) }
	switch {
	case v.IsNull():
		return json.ValueNull
	case t == types.BoolType:
		if v.Int() != 0 {
			return json.ValueTrue
		}
		return json.ValueFalse
	case t.Kind == types.JSON:
		if doc, err := c.document(i); err == nil {
			return doc
		}
	case t.IsFloat():
		return json.NewNumber(text(), json.NumberTypeFloat)
	case t.Kind == types.Decimal:
		return json.NewNumber(text(), json.NumberTypeDecimal)
	case t.IsInteger() && t.Unsigned:
		return json.NewNumber(text(), json.NumberTypeUnsigned)
	case t.IsInteger() || t.Kind == types.Year:
		return json.NewNumber(text(), json.NumberTypeSigned)
	}
	return json.NewString(text())
}
