package expr

import (
	"bytes"

	"vitess.io/vitess/go/mysql/datetime"
	"vitess.io/vitess/go/vt/sqlparser"

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
	if read == nil || len(args) == 0 {
		return args
	}
	if !args[0].Type().IsString() {
		_, hours := zeroHours[name]
		if !hasDate(args[0].Type()) || hours {
			return args
		}
		return append([]Expr{wholeDate(name, args[0])}, args[1:]...)
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
