package expr

import (
	"fmt"

	"vitess.io/vitess/go/mysql/datetime"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// zeroParts are the functions that take one number out of a date whose month or day is zero.
var zeroParts = map[string]func(c civil) int64{
	"year":       func(c civil) int64 { return int64(c.Year) },
	"quarter":    func(c civil) int64 { return int64(c.Month+2) / 3 },
	"month":      func(c civil) int64 { return int64(c.Month) },
	"day":        func(c civil) int64 { return int64(c.Day) },
	"dayofmonth": func(c civil) int64 { return int64(c.Day) },
}

// zeroHours are the functions of timeReaders that read times.
var zeroHours = map[string]struct{}{"hour": {}, "minute": {}, "second": {}, "microsecond": {}, "time_to_sec": {}}

// zeroDated returns c, a call of evalengine's function that reads date, so that it does what MySQL
// does with a month or day that is zero: evalengine takes January, or the first. Functions
// that take parts out of dates, and those that format them, take the zero; the others give
// NULL, with a warning of text.
func zeroDated(name string, date Expr, c *Call) Expr {
	_, hours := zeroHours[name]
	text := date.Type().IsString()
	if timeReaders[name] == nil || hours || !text && (!hasDate(date.Type()) || name == "unix_timestamp") {
		return c
	}
	part := zeroParts[name]
	args := []Expr{date, c}
	var of func(k *nativeCall, v int64) (types.Value, bool)
	switch {
	case name == "date":
		of = func(k *nativeCall, v int64) (types.Value, bool) {
			return types.NewInt(types.PackedDate(v)), !text || k.env.ZeroDates&types.ZeroInDate != 0
		}
	case name == "date_format":
		args = append(args, c.Args[1])
		of = func(k *nativeCall, v int64) (types.Value, bool) { return formatZeroDate(k.args[2], unpack(v)), true }
	case name == "monthname":
		of = func(k *nativeCall, v int64) (types.Value, bool) {
			if month := unpack(v).Month; month > 0 {
				return types.NewString(civil{Month: month, Day: 1}.std().Month().String()), true
			}
			return types.Value{}, true
		}
	case part != nil && c.T.Physical() == types.PhysInt64:
		of = func(_ *nativeCall, v int64) (types.Value, bool) { return types.NewInt(part(unpack(v))), true }
	case part != nil && c.T.Physical() == types.PhysUint64:
		of = func(_ *nativeCall, v int64) (types.Value, bool) { return types.NewUint(uint64(part(unpack(v)))), true }
	case !text:
		return c
	default:
		of = func(*nativeCall, int64) (types.Value, bool) { return types.Value{}, false }
	}
	n := &native{nulls: true, eval: func(k *nativeCall) (types.Value, error) {
		date := k.args[0]
		if date.IsNull() {
			return k.args[1], nil
		}
		v, zero := int64(0), false
		if text {
			v, zero = types.ParseIncomplete(date.Bytes(), 6)
		} else {
			v = date.Int()
			zero = !isWhole(v)
		}
		if !zero {
			return k.args[1], nil
		}
		out, ok := of(k, v)
		if !ok {
			k.ev.warn(sqlerr.TruncatedWrongVal.New("Incorrect datetime value: '%s'", date.Bytes()))
			return types.Value{}, nil
		}
		return out, nil
	}}
	return &Call{Name: name, Args: args, T: c.T, native: n, tmpl: &sqlparser.Offset{V: 1}}
}

// wholeDate returns e, a date that function name reads, with NULL for those of which the month or
// the day is zero, or 0000-00-00 for UNIX_TIMESTAMP, which is 0 then.
func wholeDate(name string, e Expr) Expr {
	n := &native{result: e.Type(), calendar: true, eval: func(c *nativeCall) (types.Value, error) { return c.args[0], nil }}
	if name == "unix_timestamp" {
		n.calendar, n.eval = false, func(c *nativeCall) (types.Value, error) {
			if !isWhole(c.args[0].Int()) {
				return types.NewInt(0), nil
			}
			return c.args[0], nil
		}
	}
	return &Call{Name: "date", Args: []Expr{e}, T: e.Type(), native: n, tmpl: &sqlparser.Offset{V: 0}}
}

// formatZeroDate is DATE_FORMAT of a date whose month or day is zero: it has no name of the month then.
// Days and weeks are counted as from the dates that would come before the first ones.
func formatZeroDate(format types.Value, at civil) types.Value {
	if format.IsNull() || len(format.Bytes()) == 0 {
		return types.Value{}
	}
	clock := civil{Year: 1, Month: 1, Day: 1, Hour: at.Hour, Minute: at.Minute, Second: at.Second, Micro: at.Micro}
	counted := at
	if at.Month == 0 { // MySQL counts it as 31 days before January
		counted.Month, counted.Day = 1, at.Day-31
	}
	counted = civilOf(counted.std())
	var out []byte
	text := format.Bytes()
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			out = append(out, text[i])
			continue
		}
		i++
		of := clock
		switch c := text[i]; c {
		case 'Y':
			out = appendDigits(out, at.Year, 4)
			continue
		case 'y':
			out = appendDigits(out, at.Year%100, 2)
			continue
		case 'm':
			out = appendDigits(out, at.Month, 2)
			continue
		case 'c':
			out = appendDigits(out, at.Month, 1)
			continue
		case 'd':
			out = appendDigits(out, at.Day, 2)
			continue
		case 'e':
			out = appendDigits(out, at.Day, 1)
			continue
		case 'M', 'b':
			if at.Month == 0 {
				return types.Value{}
			}
			of.Month = at.Month
		case 'D':
			if at.Day == 0 {
				out = append(out, "0th"...)
				continue
			}
			of.Day = at.Day
		case 'W', 'a', 'w':
			if at.Year == 0 && at.Month == 0 {
				return types.Value{}
			}
			of = counted
		case 'j', 'U', 'u', 'V', 'v', 'X', 'x':
			of = counted
		}
		part, err := datetime.Format("%"+string(text[i]), datetime.NewDateTimeFromStd(of.std()), 6)
		if err != nil {
			return types.Value{}
		}
		out = append(out, part...)
	}
	return types.NewBytes(out)
}

func appendDigits(dst []byte, n, width int) []byte {
	return fmt.Appendf(dst, "%0*d", width, n)
}
