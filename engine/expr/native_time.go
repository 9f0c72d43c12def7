package expr

import (
	"bytes"
	"time"

	"vitess.io/vitess/go/mysql/datetime"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func timeNatives() map[string]*native {
	return map[string]*native{
		"datediff":      {args: []types.Type{dateType}, result: types.Int64Type, calendar: true, eval: dateDiff},
		"timestampdiff": {args: []types.Type{types.TextType, dateTimeType}, result: types.Int64Type, calendar: true, eval: timestampDiff},
		"extract":       {args: []types.Type{types.TextType, types.NullType}, result: types.Int64Type, eval: extract},
		"dayname":       {args: []types.Type{dateType}, result: types.TextType, calendar: true, eval: dayName},
		"timestamp":     {args: []types.Type{dateTimeType, timeType}, typed: timestampType, eval: timestamp},
		"timediff":      {args: anyArg, typed: timeDiffType, calendar: true, eval: timeDiff},
		"addtime":       {args: []types.Type{types.NullType, timeType}, typed: addTimeType, calendar: true, eval: addTime(1)},
		"subtime":       {args: []types.Type{types.NullType, timeType}, typed: addTimeType, calendar: true, eval: addTime(-1)},
		"time":          {args: anyArg, typed: timeDiffType, eval: timeOf},
		"time_format":   {args: []types.Type{timeType, types.TextType}, result: types.TextType, eval: timeFormat},
		"str_to_date":   {args: textArg, typed: strToDateType, eval: strToDate},
	}
}

// dateParts are the functions that take one number out of a date; of text
// evalengine does.
var dateParts = map[string]*native{
	"year":        datePart(func(c civil) int { return c.Year }),
	"quarter":     datePart(func(c civil) int { return (c.Month + 2) / 3 }),
	"month":       datePart(func(c civil) int { return c.Month }),
	"day":         datePart(func(c civil) int { return c.Day }),
	"dayofmonth":  datePart(func(c civil) int { return c.Day }),
	"hour":        datePart(func(c civil) int { return c.Hour }),
	"minute":      datePart(func(c civil) int { return c.Minute }),
	"second":      datePart(func(c civil) int { return c.Second }),
	"microsecond": datePart(func(c civil) int { return c.Micro }),
}

func datePart(f func(civil) int) *native {
	return &native{args: anyArg, result: types.Int64Type, notNull: true, eval: func(c *nativeCall) (types.Value, error) {
		return types.NewInt(int64(f(unpack(c.args[0].Int())))), nil
	}}
}

// days returns the day number of a packed date.
func days(v int64) int64 {
	c := unpack(v)
	return int64(datetime.MysqlDayNumber(c.Year, c.Month, c.Day))
}

func dateDiff(c *nativeCall) (types.Value, error) {
	return types.NewInt(days(c.args[0].Int()) - days(c.args[1].Int())), nil
}

// sinceZero returns a packed datetime as microseconds of MySQL's day count.
func sinceZero(v int64) int64 {
	return days(v)*24*3600*microsPerSecond + clockMicros(unpack(v))
}

func timestampDiff(c *nativeCall) (types.Value, error) {
	from, to := c.args[1].Int(), c.args[2].Int()
	micros := sinceZero(to) - sinceZero(from)
	per := int64(1)
	switch string(c.args[0].Bytes()) {
	case "year":
		return types.NewInt(monthsBetween(from, to) / 12), nil
	case "quarter":
		return types.NewInt(monthsBetween(from, to) / 3), nil
	case "month":
		return types.NewInt(monthsBetween(from, to)), nil
	case "week":
		per = 7 * 24 * 3600 * microsPerSecond
	case "day":
		per = 24 * 3600 * microsPerSecond
	case "hour":
		per = 3600 * microsPerSecond
	case "minute":
		per = 60 * microsPerSecond
	case "second":
		per = microsPerSecond
	}
	return types.NewInt(micros / per), nil
}

// monthsBetween counts whole months; a month is whole when the day and time of
// day are reached.
func monthsBetween(from, to int64) int64 {
	if to < from {
		return -monthsBetween(to, from)
	}
	a, b := unpack(from), unpack(to)
	n := int64((b.Year-a.Year)*12 + b.Month - a.Month)
	if b.Day < a.Day || b.Day == a.Day && clockMicros(b) < clockMicros(a) {
		n--
	}
	return n
}

// clock reads argument i as a TIME, or as a datetime where text is long enough for one.
func (c *nativeCall) clock(i int) (v int64, isTime, ok bool) {
	t := c.types[i]
	if text := c.args[i].Bytes(); t.IsString() && len(bytes.TrimSpace(text)) < 12 {
		v, _, ok = types.ReadTime(text, 6)
		return v, true, ok
	}
	return c.moment(i)
}

// moment reads argument i, text or temporal, as a datetime or a TIME.
func (c *nativeCall) moment(i int) (v int64, isTime, ok bool) {
	t := c.types[i]
	if t.IsTemporal() {
		return c.args[i].Int(), t.Kind == types.Time, true
	}
	text := types.AppendText(nil, t, c.args[i])
	if v, ok = parseTemporal(text, dateTimeType); ok && len(text) >= 8 && (text[2] != ':' && text[1] != ':') {
		return v, false, true
	}
	if v, ok = parseTemporal(text, timeType); ok {
		return v, true, true
	}
	return 0, false, false
}

func extract(c *nativeCall) (types.Value, error) {
	v, isTime, ok := c.moment(1)
	if !ok {
		return types.Value{}, nil
	}
	var at civil
	sign := int64(1)
	if isTime {
		neg, h, m, s, us := splitTime(v)
		if neg {
			sign = -1
		}
		at = civil{Day: int(h / 24), Hour: int(h % 24), Minute: int(m), Second: int(s), Micro: int(us)}
	} else {
		at = unpack(v)
	}
	hour := int64(at.Hour)
	if isTime {
		hour += int64(at.Day) * 24
	}
	day, minute, second, micro := int64(at.Day), int64(at.Minute), int64(at.Second), int64(at.Micro)
	var n int64
	switch string(c.args[0].Bytes()) {
	case "year":
		n = int64(at.Year)
	case "quarter":
		n = int64(at.Month+2) / 3
	case "month":
		n = int64(at.Month)
	case "week":
		if !isTime && !isWhole(v) {
			return types.Value{}, nil
		}
		n = int64(vitessDate(at).Week(0))
	case "day":
		n = day
	case "hour":
		n = hour
	case "minute":
		n = minute
	case "second":
		n = second
	case "microsecond":
		n = micro
	case "year_month":
		n = int64(at.Year*100 + at.Month)
	case "day_hour":
		n = day*100 + int64(at.Hour)
	case "day_minute":
		n = (day*100+int64(at.Hour))*100 + minute
	case "day_second":
		n = ((day*100+int64(at.Hour))*100+minute)*100 + second
	case "day_microsecond":
		n = (((day*100+int64(at.Hour))*100+minute)*100+second)*microsPerSecond + micro
	case "hour_minute":
		n = hour*100 + minute
	case "hour_second":
		n = (hour*100+minute)*100 + second
	case "hour_microsecond":
		n = ((hour*100+minute)*100+second)*microsPerSecond + micro
	case "minute_second":
		n = minute*100 + second
	case "minute_microsecond":
		n = (minute*100+second)*microsPerSecond + micro
	case "second_microsecond":
		n = second*microsPerSecond + micro
	}
	return types.NewInt(sign * n), nil
}

func vitessDate(c civil) datetime.Date { return datetime.NewDateFromStd(c.std()) }

func dayName(c *nativeCall) (types.Value, error) {
	return types.NewString(unpack(c.args[0].Int()).std().Weekday().String()), nil
}

func timestampType(args []Expr) types.Type {
	return temporalType(types.DateTime, mostDigits(args))
}

func timeDiffType(args []Expr) types.Type { return temporalType(types.Time, mostDigits(args)) }

// mostDigits returns the fractional digits of a second that the arguments have;
// text that is no literal may have six.
func mostDigits(args []Expr) int {
	scale := 0
	for _, a := range args {
		if c, ok := a.(*Cast); ok {
			a = c.Arg
		}
		l, literal := a.(*Literal)
		switch {
		case a.Type().IsTemporal():
			scale = max(scale, secondDigits(a))
		case literal && a.Type().IsString():
			scale = max(scale, int(datetime.SizeFromString(string(l.Value.Bytes()))))
		case a.Type().IsString():
			scale = 6
		}
	}
	return scale
}

// secondDigits returns the fractional digits of a temporal expression: those of
// a literal's value, else its type's.
func secondDigits(e Expr) int {
	l, ok := e.(*Literal)
	if !ok || l.Value.IsNull() {
		return e.Type().Scale
	}
	us := l.Value.Int()
	if e.Type().Kind != types.Time {
		us &= 1<<24 - 1
	}
	for scale := 0; scale < e.Type().Scale; scale++ {
		if us%pow10[6-scale] == 0 {
			return scale
		}
	}
	return e.Type().Scale
}

func timestamp(c *nativeCall) (types.Value, error) {
	if len(c.args) == 1 {
		return c.args[0], nil
	}
	if !isWhole(c.args[0].Int()) {
		return types.Value{}, nil
	}
	v := plusMicros(c.args[0].Int(), c.args[1].Int())
	if !inRange(v) {
		return c.overflow()
	}
	return types.NewInt(v), nil
}

// overflow is the result of a date that leaves the calendar: NULL, with a warning.
func (c *nativeCall) overflow() (types.Value, error) {
	return c.overflowOf("datetime")
}

// overflowOf is overflow of a time, or a datetime.
func (c *nativeCall) overflowOf(what string) (types.Value, error) {
	c.ev.warn(sqlerr.DatetimeOverflow.New("Datetime function: %s field overflow", what))
	return types.Value{}, nil
}

// plusMicros adds microseconds to a packed datetime.
func plusMicros(v, micros int64) int64 {
	return civilOf(unpack(v).std().Add(time.Duration(micros) * time.Microsecond)).pack()
}

func timeDiff(c *nativeCall) (types.Value, error) {
	a, aTime, ok1 := c.clock(0)
	b, bTime, ok2 := c.clock(1)
	if !ok1 || !ok2 || aTime != bTime {
		return types.Value{}, nil
	}
	if !aTime {
		a, b = sinceZero(a), sinceZero(b)
	}
	return types.NewInt(c.withinTime(a - b)), nil
}

// withinTime returns v, or the nearest TIME to it, with a warning.
func (c *nativeCall) withinTime(v int64) int64 {
	within := min(max(v, -types.MaxTime), types.MaxTime)
	if within != v {
		t := temporalType(types.Time, c.e.T.Scale)
		c.ev.warn(sqlerr.TruncatedWrongVal.New("Truncated incorrect time value: '%s'", types.AppendText(nil, t, types.NewInt(v))))
	}
	return within
}

func addTimeType(args []Expr) types.Type {
	t := args[0].Type()
	switch {
	case t.Kind == types.Time:
		return temporalType(types.Time, mostDigits(args))
	case t.IsTemporal():
		return temporalType(types.DateTime, mostDigits(args))
	}
	return types.TextType
}

func addTime(sign int64) func(c *nativeCall) (types.Value, error) {
	return func(c *nativeCall) (types.Value, error) {
		v, isTime, ok := c.clock(0)
		if !ok {
			return types.Value{}, nil
		}
		by := sign * c.args[1].Int()
		t := dateTimeType
		if isTime {
			v, t = c.withinTime(v+by), timeType
		} else {
			if v = plusMicros(v, by); !inRange(v) {
				return c.overflow()
			}
		}
		if c.types[0].IsTemporal() {
			return types.NewInt(v), nil
		}
		t.Scale = secondDigits(&Literal{Value: types.NewInt(v), T: t})
		if t.Scale > 0 {
			t.Scale = 6
		}
		return types.NewBytes(types.AppendText(nil, t, types.NewInt(v))), nil
	}
}

func timeFormat(c *nativeCall) (types.Value, error) {
	negative, hours, _, _, _ := splitTime(c.args[0].Int())
	v := c.args[0].Int()
	if negative {
		v = -v
	}
	t, _, state := datetime.ParseTime(string(types.AppendText(nil, timeType, types.NewInt(v))), 6)
	if state != datetime.TimeOK {
		return types.Value{}, nil
	}
	half := "AM"
	if hours%24 >= 12 {
		half = "PM"
	}
	// Which half of the day it is evalengine tells of hours up to 23 only.
	format := bytes.ReplaceAll(c.args[1].Bytes(), []byte("%r"), []byte("%h:%i:%s %p"))
	format = bytes.ReplaceAll(format, []byte("%p"), []byte(half))
	out, err := datetime.Format(string(format), datetime.DateTime{Time: t}, 6)
	if err != nil {
		return types.Value{}, nil
	}
	if negative {
		out = append([]byte("-"), out...)
	}
	return types.NewBytes(out), nil
}

// timeOf is TIME(moment).
func timeOf(c *nativeCall) (types.Value, error) {
	v, isTime, ok := c.clock(0)
	switch {
	case !ok:
		c.ev.warn(sqlerr.TruncatedWrongVal.New("Incorrect time value: '%s'", types.AppendText(nil, c.types[0], c.args[0])))
		return types.Value{}, nil
	case !isTime:
		v = clockMicros(unpack(v))
	}
	return types.NewInt(v), nil
}

// strToDateType is by what the format asks for, if it is a literal.
func strToDateType(args []Expr) types.Type {
	l, ok := args[1].(*Literal)
	if !ok || l.Value.IsNull() {
		return dateTimeType
	}
	return formatType(l.Value.Bytes())
}

// formatType returns the type of what a date format describes.
func formatType(format []byte) types.Type {
	var date, clock, fraction bool
	for i := 0; i+1 < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		switch format[i] {
		case 'f':
			clock, fraction = true, true
		case 'H', 'h', 'I', 'i', 'k', 'l', 'p', 'r', 'S', 's', 'T':
			clock = true
		case '%':
		default:
			date = true
		}
	}
	scale := 0
	if fraction {
		scale = 6
	}
	switch {
	case date && clock:
		return temporalType(types.DateTime, scale)
	case clock:
		return temporalType(types.Time, scale)
	}
	return temporalType(types.Date, 0)
}

// strToDate is STR_TO_DATE. Parts of a date that the format lacks are zero, which a mode allows.
func strToDate(c *nativeCall) (types.Value, error) {
	v, ok := parseFormat(string(c.args[0].Bytes()), string(c.args[1].Bytes()))
	isTime := formatType(c.args[1].Bytes()).Kind == types.Time
	noZeroDate := c.env.ZeroDates&types.WholeZeroDate == 0
	if !ok || noZeroDate && !isTime && (v.Year == 0 || v.Month == 0 || v.Day == 0) {
		if noZeroDate {
			c.ev.warn(sqlerr.WrongValueForType.New("Incorrect datetime value: '%s' for function str_to_date", c.args[0].Bytes()))
		}
		return types.Value{}, nil
	}
	if isTime {
		return types.NewInt(clockMicros(v)), nil
	}
	return types.NewInt(v.pack()), nil
}
