package expr

import (
	"time"

	"vitess.io/vitess/go/mysql/datetime"

	"github.com/kalamgo/kalam/engine/types"
)

const microsPerSecond = 1_000_000

// civil is a packed date and time taken apart.
type civil struct{ Year, Month, Day, Hour, Minute, Second, Micro int }

func unpack(v int64) (c civil) {
	c.Year, c.Month, c.Day, c.Hour, c.Minute, c.Second, c.Micro = types.UnpackDateTime(v)
	return c
}

// pack returns the packed form of DATE and DATETIME.
func (c civil) pack() int64 {
	return types.PackDateTime(c.Year, c.Month, c.Day, c.Hour, c.Minute, c.Second, c.Micro)
}

// civilOf returns what calendar and clock show at t in t's zone.
func civilOf(t time.Time) civil {
	y, m, d := t.Date()
	return civil{y, int(m), d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / 1000}
}

// std returns the moment in UTC at which calendar and clock show c.
func (c civil) std() time.Time {
	return time.Date(c.Year, time.Month(c.Month), c.Day, c.Hour, c.Minute, c.Second, c.Micro*1000, time.UTC)
}

// midnight returns c's date.
func midnight(c civil) civil {
	return civil{Year: c.Year, Month: c.Month, Day: c.Day}
}

// clockMicros returns c's time of day in microseconds.
func clockMicros(c civil) int64 {
	return int64((c.Hour*60+c.Minute)*60+c.Second)*microsPerSecond + int64(c.Micro)
}

// splitTime returns a TIME's sign, hours, minutes, seconds and microseconds.
func splitTime(v int64) (negative bool, h, m, s, us int64) {
	if negative = v < 0; negative {
		v = -v
	}
	us = v % microsPerSecond
	v /= microsPerSecond
	return negative, v / 3600, v / 60 % 60, v % 60, us
}

// temporalNumber returns a temporal's number, YYYYMMDD, YYYYMMDDhhmmss or
// hhmmss, and its microseconds, of the same sign.
func temporalNumber(v int64, t types.Type) (n, micros int64) {
	if t.Kind == types.Time {
		neg, h, m, s, us := splitTime(v)
		n = h*10000 + m*100 + s
		if neg {
			return -n, -us
		}
		return n, us
	}
	c := unpack(v)
	n = int64(c.Year*10000 + c.Month*100 + c.Day)
	if t.Kind == types.Date {
		return n, 0
	}
	return n*1000000 + int64(c.Hour*10000+c.Minute*100+c.Second), int64(c.Micro)
}

// roundTemporal rounds a value to scale digits of a second, halves up.
func roundTemporal(v int64, t types.Type, scale int) int64 {
	if t.Kind == types.Time {
		unit := pow10[6-min(max(scale, 0), 6)]
		neg := v < 0
		m := (int64(magnitude(v)) + unit/2) / unit * unit
		if neg {
			return -m
		}
		return m
	}
	return types.RoundDateTime(v, scale)
}

// inRange reports whether a packed datetime is not beyond the year 9999, nor before 0.
func inRange(v int64) bool { return v >= 0 && unpack(v).Year <= 9999 }

// readTemporal is parseTemporal that tells whether the text at least begins with a value.
func readTemporal(b []byte, t types.Type) (v int64, whole, part bool) {
	switch t.Kind {
	case types.Time:
		return types.ReadTime(b, t.Scale)
	case types.Date:
		v, whole, part = types.ReadDateTime(b, 6)
		return types.PackedDate(v), whole, part
	}
	return types.ReadDateTime(b, t.Scale)
}

// parseTemporal reads text as a value of temporal type t, rounded to its scale.
// It knows no zone: a text with an offset is no value.
func parseTemporal(b []byte, t types.Type) (int64, bool) {
	switch t.Kind {
	case types.Time:
		return types.ParseTime(b, t.Scale)
	case types.Date:
		v, ok := types.ParseDateTime(b, 6, nil)
		return types.PackedDate(v), ok
	}
	return types.ParseDateTime(b, t.Scale, nil)
}

// parseZeroDate reads text as one of the dates that are not in the calendar.
func parseZeroDate(b []byte, t types.Type, which types.ZeroDates) (v int64, ok bool) {
	if t.Kind == types.Time || which == 0 {
		return 0, false
	}
	if which&types.WholeZeroDate != 0 && types.IsZeroDate(b) {
		return 0, true
	}
	if which&types.ZeroInDate != 0 {
		if v, ok = types.ParseIncomplete(b, t.Scale); ok && t.Kind == types.Date {
			v = types.PackedDate(v)
		}
	}
	return v, ok
}

// isWhole reports whether a packed date has a month and a day.
func isWhole(v int64) bool {
	c := unpack(v)
	return c.Month > 0 && c.Day > 0
}

func fromVitessDate(d datetime.Date) civil {
	return civil{Year: d.Year(), Month: d.Month(), Day: d.Day()}
}

func fromVitessDateTime(d datetime.DateTime) int64 {
	c := fromVitessDate(d.Date)
	c.Hour, c.Minute, c.Second, c.Micro = d.Time.Hour(), d.Time.Minute(), d.Time.Second(), d.Time.Nanosecond()/1000
	return c.pack()
}

func fromVitessTime(t datetime.Time) int64 {
	v := int64((t.Hour()*60+t.Minute())*60+t.Second())*microsPerSecond + int64(t.Nanosecond()/1000)
	if t.Neg() {
		return -v
	}
	return v
}

// numberToTemporal reads a number like 20240131 or 20240131093000.
func numberToTemporal(n, micros int64, t types.Type) (int64, bool) {
	v, ok := readNumber(n, micros, t)
	return v, ok && (t.Kind == types.Time || types.ValidDateTime(v))
}

func readNumber(n, micros int64, t types.Type) (int64, bool) {
	switch t.Kind {
	case types.Time:
		v, ok := datetime.ParseTimeInt64(n)
		return fromVitessTime(v) + micros, ok
	case types.Date:
		if v, ok := datetime.ParseDateInt64(n); ok {
			return fromVitessDate(v).pack(), true
		}
		v, ok := datetime.ParseDateTimeInt64(n)
		return fromVitessDate(v.Date).pack(), ok
	}
	if n < 101_000_000 { // no room for a time of day: MySQL's bound
		v, ok := datetime.ParseDateInt64(n)
		return fromVitessDate(v).pack(), ok
	}
	v, ok := datetime.ParseDateTimeInt64(n)
	return fromVitessDateTime(v) + micros, ok
}

// temporalAs converts between temporal types.
func temporalAs(v int64, from, to types.Type, env *Env) int64 {
	if to.Kind == types.Time && from.Kind != types.Time {
		return roundTemporal(clockMicros(unpack(v)), to, to.Scale)
	}
	if from.Scale > to.Scale && to.Kind != types.Date {
		v = roundTemporal(v, from, to.Scale)
	}
	switch {
	case from.Kind == types.Time && to.Kind != types.Time:
		today := midnight(civilOf(env.now())).std()
		c := civilOf(today.Add(time.Duration(v) * time.Microsecond))
		if to.Kind == types.Date {
			c = midnight(c)
		}
		return c.pack()
	case to.Kind == types.Date:
		return midnight(unpack(v)).pack()
	}
	return v
}

// zone returns the session's time zone.
func (env *Env) zone() *time.Location {
	if env.Zone == nil {
		return time.UTC
	}
	return env.Zone
}

// now returns the statement's time in the session's zone.
func (env *Env) now() time.Time { return env.Now.In(env.zone()) }
