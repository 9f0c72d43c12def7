package expr

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"vitess.io/vitess/go/mysql/datetime"
	"vitess.io/vitess/go/mysql/decimal"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// dateAdd is DATE_ADD and its kin, with or without a calendar date. evalengine would compute
// with durations, which end after 292 years.
type dateAdd struct {
	unit datetime.IntervalType
	sub  bool
}

// dateAddOf returns the function that c, whose type is known, calls; nil: evalengine's.
func dateAddOf(c *Call, n *sqlparser.IntervalDateExpr) *native {
	from, by := c.Args[0].Type(), c.Args[1].Type()
	d := dateAdd{n.NormalizedUnit(), n.IsSubtraction()}
	switch {
	case from.Kind == types.Null || by.Kind == types.Null, by.Kind == types.JSON:
		return nil
	case from.IsNumeric() && d.unit.HasTimeParts() && c.T.IsString():
		// evalengine would take small numbers for times.
		c.Args = []Expr{CastTo(c.Args[0], dateTimeType), c.Args[1]}
	case from.IsString() != c.T.IsString(), !from.IsTemporal() && !from.IsString():
		return nil
	}
	return &native{result: c.T, eval: d.eval}
}

func (d dateAdd) eval(c *nativeCall) (types.Value, error) {
	from, to := c.types[0], c.e.T
	if to.Kind == types.Time {
		return d.time(c)
	}
	var v int64
	dateOnly := to.Kind == types.Date
	switch {
	case from.IsString():
		text := c.args[0].Bytes()
		var ok bool
		if v, ok = types.ParseDateTime(text, 6, nil); !ok {
			c.ev.warn(sqlerr.TruncatedWrongVal.New("Incorrect datetime value: '%s'", text))
			return types.Value{}, nil
		}
		dateOnly = !d.unit.HasTimeParts() && len(text) <= len("2020-01-01")
	case from.Kind == types.Time:
		v = temporalAs(c.args[0].Int(), from, temporalType(types.DateTime, 6), c.env)
	default:
		v = c.args[0].Int()
	}
	months, days, micros, ok := d.interval(c)
	if !ok {
		return types.Value{}, nil
	}
	at := unpack(v)
	switch {
	case !isWhole(v):
		return types.Value{}, nil
	case d.unit.HasTimeParts():
		at, ok = plusDays(at, days, micros)
	case d.unit.HasDayParts():
		at, ok = plusDays(at, days, 0)
	default:
		at, ok = plusMonths(at, months)
	}
	if !ok {
		return c.overflow()
	}
	if !to.IsString() {
		return types.NewInt(at.pack()), nil
	}
	t := temporalType(types.DateTime, 0)
	switch {
	case dateOnly:
		t = dateType
	case at.Micro != 0 || d.unit.NeedsPrecision():
		t.Scale = 6
	}
	return types.NewBytes(types.AppendText(nil, t, types.NewInt(at.pack()))), nil
}

// time adds to a TIME.
func (d dateAdd) time(c *nativeCall) (types.Value, error) {
	_, days, micros, ok := d.interval(c)
	if !ok {
		return types.Value{}, nil
	}
	const longest = (838*3600 + 59*60 + 59) * microsPerSecond
	if days > 40 || days < -40 || micros > 2*longest || micros < -2*longest {
		return c.overflowOf("time")
	}
	v := c.args[0].Int() + days*24*3600*microsPerSecond + micros
	if v > longest || v < -longest {
		return c.overflowOf("time")
	}
	return types.NewInt(v), nil
}

// plusMonths adds months; a day that the month lacks is its last.
func plusMonths(c civil, months int64) (civil, bool) {
	const all = 12 * 10000
	if months > all || months < -all {
		return c, false
	}
	at := int64(c.Year*12+c.Month-1) + months
	if at < 0 || at >= all {
		return c, false
	}
	c.Year, c.Month = int(at/12), int(at%12)+1
	c.Day = min(c.Day, daysIn(c.Year, c.Month))
	return c, true
}

func daysIn(year, month int) int {
	return civil{Year: year, Month: month + 1}.std().Day() // day 0 of the next month
}

// plusDays adds days, and less than a day in microseconds.
func plusDays(c civil, days, micros int64) (civil, bool) {
	const day = 24 * 3600 * microsPerSecond
	const most = 3652424 // days of the calendar
	if days > most || days < -most {
		return c, false
	}
	clock := clockMicros(c) + micros
	switch {
	case clock < 0:
		clock, days = clock+day, days-1
	case clock >= day:
		clock, days = clock-day, days+1
	}
	at := midnight(c)
	at.Day += int(days)
	at = civilOf(at.std())
	if at.Year < 1 || at.Year > 9999 { // of year 0 MySQL makes 0000-00-00
		return c, false
	}
	at.Hour, at.Minute, at.Second, at.Micro = int(clock/3600/microsPerSecond), int(clock/60/microsPerSecond%60), int(clock/microsPerSecond%60), int(clock%microsPerSecond)
	return at, true
}

// interval reads how much is to be added: months, or days and microseconds. It is not ok,
// with the warning that is due, when that is NULL.
func (d dateAdd) interval(c *nativeCall) (months, days, micros int64, ok bool) {
	var parts [7]int64 // year, month, day, hour, minute, second, microsecond
	negative := d.sub
	if d.unit.PartCount() > 1 {
		minus, fits := d.fields(types.AppendText(nil, c.types[1], c.args[1]), &parts)
		if !fits {
			return 0, 0, 0, false
		}
		negative = negative != minus
	} else {
		n, us := d.single(c)
		if n < 0 || us < 0 {
			negative, n, us = !negative, -n, -us
		}
		if n < 0 { // the least there is
			n = math.MaxInt64
		}
		switch {
		case d.unit == datetime.IntervalQuarter:
			parts[1] = timesWithin(n, 3)
		case d.unit == datetime.IntervalWeek:
			parts[2] = timesWithin(n, 7)
		default:
			parts[placeOf(d.unit)] = n
		}
		parts[6] += us
	}
	// Each part on its own may not leave the calendar.
	const most = 3652424
	for i, limit := range []int64{10000, 120000, most, most * 24, most * 24 * 60, most * 24 * 3600, math.MaxInt64} {
		if parts[i] > limit {
			what := "datetime"
			if c.e.T.Kind == types.Time {
				what = "time"
			}
			c.overflowOf(what)
			return 0, 0, 0, false
		}
	}
	months = parts[0]*12 + parts[1]
	seconds := parts[3]*3600 + parts[4]*60 + parts[5] + parts[6]/microsPerSecond
	days = parts[2] + seconds/(24*3600)
	micros = seconds%(24*3600)*microsPerSecond + parts[6]%microsPerSecond
	if negative {
		months, days, micros = -months, -days, -micros
	}
	return months, days, micros, true
}

// timesWithin is n times by, or the most there is.
func timesWithin(n, by int64) int64 {
	if n > math.MaxInt64/by {
		return math.MaxInt64
	}
	return n * by
}

// placeOf returns the place of a unit, which is one part, among those from year to
// microsecond.
func placeOf(unit datetime.IntervalType) int {
	for i, u := range intervalParts {
		if unit == u {
			return i
		}
	}
	return 0
}

var intervalParts = [...]datetime.IntervalType{
	datetime.IntervalYear, datetime.IntervalMonth, datetime.IntervalDay, datetime.IntervalHour, datetime.IntervalMinute,
	datetime.IntervalSecond, datetime.IntervalMicrosecond,
}

// fields reads an interval of several parts, the runs of digits in text, which are the last
// parts where they are few. It is not ok if they are too many.
func (d dateAdd) fields(text []byte, parts *[7]int64) (negative, ok bool) {
	text = bytes.TrimLeft(text, " ")
	if negative = len(text) > 0 && text[0] == '-'; negative {
		text = text[1:]
	}
	runs := bytes.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	var places []int
	for i, u := range intervalParts {
		if d.unit&u != 0 {
			places = append(places, i)
		}
	}
	if len(runs) > len(places) {
		return negative, false
	}
	for i, at := range places[len(places)-len(runs):] {
		n, err := strconv.ParseInt(string(runs[i]), 10, 64)
		if err != nil {
			return negative, false
		}
		if digits := len(runs[i]); at == 6 && digits < 6 {
			n *= pow10[6-digits]
		}
		parts[at] = n
	}
	return negative, true
}

// single reads an interval of one part, and of seconds the microseconds, of the same sign.
func (d dateAdd) single(c *nativeCall) (n, micros int64) {
	t, arg := c.types[1], c.args[1]
	v := types.NewVector(t, 1)
	v.AppendValue(arg)
	switch {
	case t.IsString() && d.unit == datetime.IntervalSecond:
		x, warning := parseDecimal(arg.Bytes())
		if warning != nil {
			c.ev.warn(warning)
		}
		return secondsOf(x)
	case t.IsString():
		text := strings.TrimLeft(string(arg.Bytes()), " \t\n")
		end := 0
		for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
			end++
		}
		if end < len(strings.TrimRight(text, " ")) {
			c.ev.warn(sqlerr.TruncatedWrongVal.New("Truncated incorrect INTEGER value: '%s'", arg.Bytes()))
		}
		n, _ = strconv.ParseInt(text[:end], 10, 64)
		return n, 0
	case t.Physical() == types.PhysUint64:
		return int64(arg.Uint()), 0
	case t.IsInteger():
		return arg.Int(), 0
	case t.IsFloat() && d.unit != datetime.IntervalSecond:
		return toInt64(decimal.NewFromFloatMySQL(math.RoundToEven(arg.Float()))), 0
	}
	x := decimalAt(v, 0)
	if d.unit == datetime.IntervalSecond {
		return secondsOf(x)
	}
	return toInt64(x.Round(0)), 0
}

// secondsOf returns a number of seconds, and of microseconds.
func secondsOf(x decimal.Decimal) (n, micros int64) {
	whole := x.Truncate(0)
	micros, _ = x.Sub(whole).Mul(decimal.New(1, 6)).Truncate(0).Int64()
	return toInt64(whole), micros
}

func toInt64(x decimal.Decimal) int64 {
	n, ok := x.Int64()
	switch {
	case ok:
		return n
	case x.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}
