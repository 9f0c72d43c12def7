package expr

import (
	"bytes"
	"strconv"

	"vitess.io/vitess/go/mysql/datetime"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// timeReaders are evalengine's functions whose first argument is a date or time,
// each with what rewrites text of MySQL's many forms in the one that evalengine reads.
var timeReaders = func() map[string]func([]byte) []byte {
	readers := map[string]func([]byte) []byte{}
	for _, name := range []string{
		"date", "year", "quarter", "month", "monthname", "day", "dayofmonth", "dayofweek", "dayofyear", "week",
		"weekday", "weekofyear", "yearweek", "last_day", "to_days", "to_seconds", "date_format", "unix_timestamp", "convert_tz",
	} {
		readers[name] = dateTimeText
	}
	for _, name := range []string{"hour", "minute", "second", "microsecond", "time_to_sec"} {
		readers[name] = timeText
	}
	return readers
}()

// readableTime returns the arguments of a function, text that it reads a date or time
// from in evalengine's form.
func readableTime(name string, args []Expr, tmpl sqlparser.Expr) []Expr {
	read := timeReaders[name]
	if _, ok := tmpl.(*sqlparser.IntervalDateExpr); ok {
		read = dateTimeText
	}
	if read == nil || len(args) == 0 || !args[0].Type().IsString() {
		return args
	}
	return append([]Expr{rewritten(args[0], read)}, args[1:]...)
}

// rewritten returns e, a text, with each value rewritten.
func rewritten(e Expr, with func([]byte) []byte) Expr {
	if l, ok := e.(*Literal); ok {
		if l.Value.IsNull() {
			return l
		}
		return &Literal{Value: types.NewBytes(with(l.Value.Bytes())), T: l.T}
	}
	n := &native{result: e.Type(), eval: func(c *nativeCall) (types.Value, error) {
		return types.NewBytes(with(c.args[0].Bytes())), nil
	}}
	return &Call{Name: "date", Args: []Expr{e}, T: e.Type(), NotNull: !e.Nullable(), native: n, tmpl: &sqlparser.Offset{V: 0}}
}

// dateTimeText returns a date as YYYY-MM-DD and one with a time as
// YYYY-MM-DD hh:mm:ss[.fraction]; what is none stays as it is.
func dateTimeText(b []byte) []byte {
	v, ok := types.ParseDateTime(b, 6, nil)
	if !ok {
		return b
	}
	t, text := dateType, bytes.TrimSpace(b)
	if clockMicros(unpack(v)) != 0 || bytes.ContainsAny(text, " Tt") || numberLength(text) > 8 {
		t = temporalType(types.DateTime, int(datetime.SizeFromString(string(text))))
	}
	return types.AppendText(nil, t, types.NewInt(v))
}

// timeText returns a time as hh:mm:ss[.fraction]; what is none stays as it is.
func timeText(b []byte) []byte {
	v, ok := types.ParseTime(b, 6)
	if !ok {
		return b
	}
	return types.AppendText(nil, temporalType(types.Time, int(datetime.SizeFromString(string(b)))), types.NewInt(v))
}

// zeroParts are the functions that take a date whose month or day is zero, with what they
// give of it; the others that read dates of text warn and give NULL.
var zeroParts = map[string]func(c civil) int64{
	"year":       func(c civil) int64 { return int64(c.Year) },
	"quarter":    func(c civil) int64 { return int64(c.Month+2) / 3 },
	"month":      func(c civil) int64 { return int64(c.Month) },
	"day":        func(c civil) int64 { return int64(c.Day) },
	"dayofmonth": func(c civil) int64 { return int64(c.Day) },
}

// zeroDated returns c, a call of a function that reads a date from text, so that it does
// what MySQL does with a month or day that is zero: evalengine takes January, or the first.
func zeroDated(name string, text Expr, c *Call) Expr {
	read := timeReaders[name]
	if _, hours := zeroHours[name]; read == nil || hours || !text.Type().IsString() {
		return c
	}
	part := zeroParts[name]
	n := &native{nulls: true, eval: func(k *nativeCall) (types.Value, error) {
		if k.args[0].IsNull() {
			return k.args[1], nil
		}
		b := k.args[0].Bytes()
		date, ok := zeroInDate(b)
		switch {
		case !ok:
			return k.args[1], nil
		case part != nil && c.T.Physical() == types.PhysInt64:
			return types.NewInt(part(date)), nil
		case part != nil && c.T.Physical() == types.PhysUint64:
			return types.NewUint(uint64(part(date))), nil
		}
		k.ev.warn(sqlerr.TruncatedWrongVal.New("Incorrect datetime value: '%s'", b))
		return types.Value{}, nil
	}}
	return &Call{Name: name, Args: []Expr{text, c}, T: c.T, native: n, tmpl: &sqlparser.Offset{V: 1}}
}

// zeroHours are the functions of timeReaders that read times.
var zeroHours = map[string]struct{}{"hour": {}, "minute": {}, "second": {}, "microsecond": {}, "time_to_sec": {}}

// zeroInDate reads YYYY-MM-DD, maybe with a time, if its month or day is zero, but not all.
func zeroInDate(b []byte) (c civil, ok bool) {
	b = bytes.TrimLeft(b, " ")
	if at := bytes.IndexAny(b, " T"); at >= 0 {
		b = b[:at]
	}
	parts := bytes.Split(b, []byte("-"))
	if len(parts) != 3 {
		return c, false
	}
	for i, to := range []*int{&c.Year, &c.Month, &c.Day} {
		n, err := strconv.ParseUint(string(parts[i]), 10, 16)
		if err != nil {
			return c, false
		}
		*to = int(n)
	}
	return c, c.Year+c.Month+c.Day > 0 && (c.Month == 0 || c.Day == 0) && c.Year < 10000 && c.Month <= 12 && c.Day <= 31
}
