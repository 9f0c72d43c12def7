package expr

import (
	"bytes"
	"math"
	"math/bits"
	"strings"

	"vitess.io/vitess/go/mysql/decimal"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func numberNatives() map[string]*native {
	return map[string]*native{
		"pow":     double(func(a []types.Value) float64 { return math.Pow(a[0].Float(), a[1].Float()) }),
		"power":   double(func(a []types.Value) float64 { return math.Pow(a[0].Float(), a[1].Float()) }),
		"exp":     double(func(a []types.Value) float64 { return math.Exp(a[0].Float()) }),
		"cot":     double(func(a []types.Value) float64 { return 1 / math.Tan(a[0].Float()) }),
		"degrees": double(func(a []types.Value) float64 { return a[0].Float() * (180 / math.Pi) }),
		"radians": double(func(a []types.Value) float64 { return a[0].Float() * (math.Pi / 180) }),
	}
}

// double is a function of doubles that may leave their range.
func double(f func(a []types.Value) float64) *native {
	return &native{args: []types.Type{types.Float64Type}, result: types.Float64Type, eval: func(c *nativeCall) (types.Value, error) {
		x := f(c.args)
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return types.Value{}, outOfRange(types.Float64Type, c.e)
		}
		return types.NewFloat(x), nil
	}}
}

// roundFloat is ROUND of a DOUBLE, halves to even.
var roundFloat = &native{
	args: []types.Type{types.Float64Type, types.Int64Type}, typed: roundedType,
	eval: func(c *nativeCall) (types.Value, error) {
		places := int64(0)
		if len(c.args) == 2 {
			places = min(max(c.args[1].Int(), -400), 400)
		}
		return types.NewFloat(roundDouble(c.args[0].Float(), places)), nil
	},
}

// roundedType returns the type of ROUND and TRUNCATE of a DOUBLE: with the digits that are asked for
// by a constant.
func roundedType(args []Expr) types.Type {
	if len(args) < 2 {
		return types.DoubleWithPlaces(0)
	}
	l, ok := args[1].(*Literal)
	if !ok || !l.T.IsInteger() || l.Value.IsNull() {
		return types.Float64Type
	}
	if l.T.Unsigned {
		return types.DoubleWithPlaces(int(min(l.Value.Uint(), maxScale+1)))
	}
	return types.DoubleWithPlaces(int(min(max(l.Value.Int(), 0), maxScale+1)))
}

// roundDouble rounds to digits after the point, halves to even.
func roundDouble(x float64, places int64) float64 {
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
	return r
}

// locales are those that FORMAT knows: what sets thousands apart, and the point.
var locales = map[string][2]string{
	"en_us": {",", "."}, "en_gb": {",", "."}, "ja_jp": {",", "."}, "zh_cn": {",", "."}, "zh_tw": {",", "."}, "ko_kr": {",", "."},
	"de_de": {".", ","},
}

// formatNumber is FORMAT(number, digits, locale): thousands are set apart.
func formatNumber(c *nativeCall) (types.Value, error) {
	if c.args[0].IsNull() || c.args[1].IsNull() {
		return types.Value{}, nil
	}
	v := types.NewVector(c.types[0], 1)
	v.AppendValue(c.args[0])
	places := int32(min(max(c.args[1].Int(), 0), maxScale))
	var d decimal.Decimal
	switch t := c.types[0]; {
	case t.IsFloat():
		d = decimal.NewFromFloatMySQL(roundDouble(c.args[0].Float(), int64(places)))
	case t.IsNumeric() || t.IsTemporal() || t.Kind == types.Enum || t.Kind == types.Set:
		d = decimalAt(v, 0)
	default:
		f, warning := parseFloat(v, 0)
		if warning != nil {
			c.ev.warn(warning)
		}
		d = decimal.NewFromFloatMySQL(roundDouble(f, int64(places)))
	}
	marks := locales["en_us"]
	if len(c.args) == 3 && !c.args[2].IsNull() {
		var ok bool
		if marks, ok = locales[strings.ToLower(string(c.args[2].Bytes()))]; !ok {
			return types.Value{}, sqlerr.Unsupported("locale %s", c.args[2].Bytes())
		}
	}
	text := string(d.Round(places).FormatMySQL(places))
	whole, frac, _ := strings.Cut(text, ".")
	digits := strings.TrimPrefix(whole, "-")
	var b strings.Builder
	b.WriteString(whole[:len(whole)-len(digits)])
	for i, ch := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(marks[0])
		}
		b.WriteRune(ch)
	}
	if frac != "" {
		b.WriteString(marks[1] + frac)
	}
	return types.NewString(b.String()), nil
}

// roundInteger is ROUND of an integer to a place: halves away from zero.
var roundInteger = &native{
	args: []types.Type{types.NullType, types.Int64Type},
	typed: func(args []Expr) types.Type {
		return integerType(numericType(args[0]).Unsigned)
	},
	eval: func(c *nativeCall) (types.Value, error) {
		places := -c.args[1].Int()
		if places <= 0 {
			return c.args[0], nil
		}
		n, negative := c.args[0].Uint(), !c.e.T.Unsigned && c.args[0].Int() < 0
		if negative {
			n = magnitude(c.args[0].Int())
		}
		if places >= int64(len(pow10)) {
			n = 0
		} else {
			unit := uint64(pow10[places])
			up := n%unit >= unit-unit/2
			if n -= n % unit; up {
				if n > math.MaxUint64-unit {
					return types.Value{}, outOfRange(c.e.T, c.e)
				}
				n += unit
			}
		}
		switch {
		case c.e.T.Unsigned:
			return types.NewUint(n), nil
		case n > math.MaxInt64:
			return types.Value{}, outOfRange(c.e.T, c.e)
		case negative:
			return types.NewInt(-int64(n)), nil
		}
		return types.NewInt(int64(n)), nil
	},
}

var (
	castSigned   = &native{result: types.Int64Type, eval: castInteger}
	castUnsigned = &native{result: types.Uint64Type, eval: castInteger}

	castDecimalUnsigned = &native{result: types.Uint64Type, eval: castDecimal}
)

// castDecimal is CAST(decimal AS UNSIGNED): rounded, as far as it is a number of 64
// bits. A negative one is taken as unsigned by its bits.
func castDecimal(c *nativeCall) (types.Value, error) {
	v := types.NewVector(c.types[0], 1)
	v.AppendValue(c.args[0])
	d := decimalAt(v, 0).Round(0)
	n, fits := d.Uint64()
	if d.Sign() < 0 {
		var i int64
		if i, fits = d.Int64(); !fits {
			i = math.MinInt64
		}
		n = uint64(i)
	} else if !fits {
		n = math.MaxUint64
	}
	if !fits {
		c.ev.warn(sqlerr.TruncatedWrongVal.New("Truncated incorrect DECIMAL value: '%s'", types.AppendText(nil, c.types[0], c.args[0])))
	}
	return types.NewUint(n), nil
}

// castInteger is CAST(text AS SIGNED) and AS UNSIGNED: the integer that the text begins
// with, as far as it is one of 64 bits. A negative one is taken as unsigned by its bits.
func castInteger(c *nativeCall) (types.Value, error) {
	text := bytes.TrimSpace(c.args[0].Bytes())
	digits := bytes.TrimLeft(text, "+-")
	negative := len(text) > 0 && text[0] == '-'
	if len(text)-len(digits) > 1 {
		digits = nil
	}
	n, whole, end := uint64(0), true, 0
	for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
		hi, lo := bits.Mul64(n, 10)
		sum, carry := bits.Add64(lo, uint64(digits[end]-'0'), 0)
		if n = sum; hi+carry > 0 || !whole {
			n, whole = math.MaxUint64, false
		}
		end++
	}
	switch signed := !c.e.T.Unsigned; {
	case negative && n > 1<<63:
		n, whole = 1<<63, false
	case signed && !negative && n > math.MaxInt64:
		n, whole = math.MaxInt64, false
	}
	if negative {
		n = -n
	}
	if !whole || end == 0 || end < len(digits) {
		c.ev.warn(sqlerr.TruncatedWrongVal.New("Truncated incorrect INTEGER value: '%s'", c.args[0].Bytes()))
	}
	if c.e.T.Unsigned {
		return types.NewUint(n), nil
	}
	return types.NewInt(int64(n)), nil
}
