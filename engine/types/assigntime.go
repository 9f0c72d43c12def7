package types

import (
	"bytes"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// The range of TIMESTAMP: 1970-01-01 00:00:01 to 2038-01-19 03:14:07.999999 UTC.
var (
	minTimestamp = PackDateTime(1970, 1, 1, 0, 0, 1, 0)
	maxTimestamp = PackDateTime(2038, 1, 19, 3, 14, 7, 999_999)
)

// ZeroDates says which dates that are not in the calendar may be stored.
type ZeroDates uint8

const (
	WholeZeroDate ZeroDates = 1 << iota // 0000-00-00
	ZeroInDate                          // those of which the month or the day is zero, but not all is

	AnyZeroDate = WholeZeroDate | ZeroInDate
)

// temporal stores into DATE, TIME, DATETIME and TIMESTAMP. What is no date is
// TruncatedWrongVal, as is a TIMESTAMP out of range; zero dates are refused
// unless ZeroDates.
func (to *Target) temporal(from Type, v Value) (Value, *sqlerr.Error) {
	if to.Type.Kind == Time {
		us, r := to.timeOf(from, v)
		if r != parsedWhole {
			return NewInt(us), to.notTemporal(from, v)
		}
		return NewInt(us), nil
	}
	p, r := to.dateTimeOf(from, v)
	if r == parsedNot || !ValidDateTime(p) {
		if to.ZeroDates&WholeZeroDate != 0 && to.isZeroDate(from, v) {
			return NewInt(0), nil
		}
		if to.ZeroDates&ZeroInDate != 0 && to.Type.Kind != Timestamp {
			if p, ok := to.incompleteOf(from, v); ok {
				return NewInt(p), nil
			}
		}
		return NewInt(0), to.notTemporal(from, v)
	}
	switch to.Type.Kind {
	case Date:
		p = PackedDate(p)
	case Timestamp:
		u := ConvertZone(p, to.zone(), time.UTC)
		if u < minTimestamp || u > maxTimestamp {
			return NewInt(0), to.notTemporal(from, v)
		}
		// A time that the zone skips is none; IGNORE stores the instant it stands for.
		there := ConvertZone(u, time.UTC, to.zone())
		if there != p {
			return NewInt(there), to.notTemporal(from, v)
		}
	}
	if r != parsedWhole {
		return NewInt(p), to.notTemporal(from, v)
	}
	return NewInt(p), nil
}

// isZeroDate reports whether v says 0000-00-00, with or without a time of 00:00:00.
func (to *Target) isZeroDate(from Type, v Value) bool {
	switch {
	case from.Kind == Date || from.Kind == DateTime || from.Kind == Timestamp:
		return v.Int() == 0
	case from.Kind == Time:
		return false
	case from.IsString():
		return IsZeroDate(v.data)
	}
	n, us, ok := to.numberOf(from, v)
	return ok && n == 0 && us == 0
}

// incompleteOf returns v as a packed date if its month or day is zero.
func (to *Target) incompleteOf(from Type, v Value) (p int64, ok bool) {
	switch {
	case from.Kind == Date || from.Kind == DateTime:
		p, ok = v.Int(), Incomplete(v.Int())
	case from.Kind == Timestamp || from.Kind == Time:
		return 0, false
	case from.IsString():
		p, ok = ParseIncomplete(v.data, to.Type.Scale)
	default:
		n, us, isNumber := to.numberOf(from, v)
		if !isNumber || n < 0 {
			return 0, false
		}
		if p, ok = numberToDateTime(n); ok {
			p = RoundDateTime(p+us, to.Type.Scale)
			ok = Incomplete(p)
		}
	}
	if to.Type.Kind == Date {
		p = PackedDate(p)
	}
	return p, ok
}

// IsZeroDate reports whether a text is 0000-00-00, with or without a time of 00:00:00.
func IsZeroDate(text []byte) bool {
	var f parts
	rest, ok := f.read(bytes.TrimSpace(text))
	return ok && len(rest) == 0 && f.field == [7]int{}
}

func (to *Target) notTemporal(from Type, v Value) *sqlerr.Error {
	what := "datetime"
	if k := to.Type.Kind; k == Date || k == Time {
		what = k.String()
	}
	return to.incorrect(sqlerr.TruncatedWrongVal, what, from, v)
}

// dateTimeOf returns v as a packed datetime, rounded to the column's digits.
func (to *Target) dateTimeOf(from Type, v Value) (int64, parseResult) {
	fsp := to.Type.Scale
	switch {
	case from.Kind == Date || from.Kind == DateTime || from.Kind == Timestamp:
		return RoundDateTime(v.Int(), fsp), parsedWhole
	case from.Kind == Time:
		now := to.Now
		if now.IsZero() {
			now = time.Now()
		}
		day := PackedToTime(PackedDate(clock(now.In(to.zone()))), time.UTC)
		return RoundDateTime(clock(day.Add(time.Duration(v.Int())*time.Microsecond)), fsp), parsedWhole
	case from.IsString():
		return parseDateTime(v.data, fsp, to.zone())
	case from.Kind == JSON && jsonTypeOf(v.data) == jsonString:
		return parseDateTime(UnquoteJSON(v.data), fsp, to.zone())
	}
	n, us, ok := to.numberOf(from, v)
	if !ok || n < 0 {
		return 0, parsedNot
	}
	p, ok := numberToDateTime(n)
	if !ok {
		return 0, parsedNot
	}
	return RoundDateTime(p+us, fsp), parsedWhole
}

// timeOf returns v as a TIME, rounded to the column's digits.
func (to *Target) timeOf(from Type, v Value) (int64, parseResult) {
	fsp := to.Type.Scale
	switch {
	case from.Kind == Date:
		return 0, parsedWhole
	case from.Kind == DateTime || from.Kind == Timestamp:
		return timeOfDay(RoundDateTime(v.Int(), fsp)), parsedWhole
	case from.Kind == Time:
		us := roundMicros(v.Int(), fsp)
		return max(min(us, MaxTime), -MaxTime), parsedWhole
	case from.IsString():
		return parseTime(v.data, fsp)
	case from.Kind == JSON && jsonTypeOf(v.data) == jsonString:
		return parseTime(UnquoteJSON(v.data), fsp)
	}
	n, us, ok := to.numberOf(from, v)
	if !ok {
		return 0, parsedNot
	}
	neg := n < 0 || us < 0
	if neg {
		n, us = -n, -us
	}
	if n > 9_999_999 { // a datetime's number gives its time
		p, ok := numberToDateTime(n)
		if neg || !ok {
			return MaxTime * int64(1-2*btoi(neg)), parsedPrefix
		}
		return timeOfDay(RoundDateTime(p+us, fsp)), parsedWhole
	}
	if n%100 > 59 || n/100%100 > 59 {
		return 0, parsedNot
	}
	us = roundMicros((n/10000*3600+n/100%100*60+n%100)*1_000_000+us, fsp)
	r := parsedWhole
	if us > MaxTime {
		us, r = MaxTime, parsedPrefix
	}
	if neg {
		us = -us
	}
	return us, r
}

// numberOf returns a number's integer part and its fraction in microseconds,
// both negative when it is.
func (to *Target) numberOf(from Type, v Value) (n, micros int64, ok bool) {
	var x number
	if to.readNumber(&x, from, v, "", sqlerr.IncorrectValue) != nil {
		return 0, 0, false
	}
	x.round(6)
	if !x.fits(18) {
		return 0, 0, false
	}
	for i := range max(x.point, 0) + 6 {
		d := int64(x.digit(i+min(x.point, 0)) - '0')
		if i < x.point {
			n = n*10 + d
		} else {
			micros = micros*10 + d
		}
	}
	if x.neg {
		return -n, -micros, true
	}
	return n, micros, true
}

// numberToDateTime packs YYYYMMDD, YYMMDD, YYYYMMDDhhmmss and YYMMDDhhmmss
// numbers by the ranges in which MySQL accepts them; the parts are checked by the caller's ValidDateTime.
func numberToDateTime(n int64) (int64, bool) {
	date, clock := n, int64(0)
	switch {
	case n < 101:
		return 0, false
	case n > 99_991_231:
		date, clock = n/1_000_000, n%1_000_000
	}
	switch {
	case date <= 691_231: // 2000-2069
		date += 20_000_000
	case date < 700_101:
		return 0, false
	case date <= 991_231: // 1970-1999
		date += 19_000_000
	case date < 10_000_101 || date > 99_991_231:
		return 0, false
	}
	month := date / 100 % 100
	if month > 12 || date%100 > 31 || clock/10000 > 23 || clock/100%100 > 59 || clock%100 > 59 {
		return 0, false
	}
	return PackDateTime(int(date/10000), int(month), int(date%100), int(clock/10000), int(clock/100%100), int(clock%100), 0), true
}

// year stores into YEAR: 1901 to 2155 and 0; 1-69 are 2001-2069, 70-99 are
// 1970-1999, and the text '0' is 2000.
func (to *Target) year(from Type, v Value) (Value, *sqlerr.Error) {
	if from.Kind == Date || from.Kind == DateTime || from.Kind == Timestamp {
		y, _, _, _, _, _, _ := UnpackDateTime(v.Int())
		v, from = NewInt(int64(y)), Int64Type
	}
	wide := Target{Type: Int64Type, Column: to.Column, Row: to.Row}
	w, err := wide.integer(from, v)
	if err != nil {
		return NewInt(0), err
	}
	y := w.Int()
	switch {
	case y == 0 && from.IsString() && len(v.data) < 4, y > 0 && y < 70:
		y += 2000
	case y >= 70 && y < 100:
		y += 1900
	}
	if y != 0 && (y < 1901 || y > 2155) {
		return NewInt(0), to.outOfRange()
	}
	return NewInt(y), nil
}
