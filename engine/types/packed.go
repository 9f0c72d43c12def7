package types

import "time"

// The units of a packed datetime (see the packed forms in type.go).
const (
	packedSecond = 1 << 24
	packedMinute = packedSecond << 6
	packedHour   = packedMinute << 6
	packedDay    = packedHour << 5
	packedMonth  = packedDay << 5
)

// MaxTime is the largest TIME, 838:59:59, in microseconds.
const MaxTime = (838*3600 + 59*60 + 59) * 1_000_000

// PackDateTime returns the packed form of a datetime. The parts are not checked.
func PackDateTime(year, month, day, hour, minute, second, micro int) int64 {
	return int64(year*13+month)*packedMonth + int64(day)*packedDay +
		int64(hour)*packedHour + int64(minute)*packedMinute + int64(second)*packedSecond + int64(micro)
}

// PackDate returns the packed form of a DATE.
func PackDate(year, month, day int) int64 { return PackDateTime(year, month, day, 0, 0, 0, 0) }

// UnpackDateTime returns the parts of a packed datetime.
func UnpackDateTime(p int64) (year, month, day, hour, minute, second, micro int) {
	ym := int(p / packedMonth)
	return ym / 13, ym % 13, int(p / packedDay & 31), int(p / packedHour & 31),
		int(p / packedMinute & 63), int(p / packedSecond & 63), int(p & (packedSecond - 1))
}

// PackedDate returns a packed datetime's date, at time zero.
func PackedDate(p int64) int64 { return p &^ (packedDay - 1) }

// PackedToTime returns the instant of a packed datetime that is read in loc. A
// time that loc skips moves forward by the gap. Zero dates give what time.Date
// makes of them.
func PackedToTime(p int64, loc *time.Location) time.Time {
	y, mo, d, h, mi, s, us := UnpackDateTime(p)
	return time.Date(y, time.Month(mo), d, h, mi, s, us*1000, loc)
}

// TimeToPacked packs what t's clock shows in its own zone, rounded half up to
// fsp digits of a second. A year outside 0-9999 cannot be packed in MySQL's
// range; callers check it (see ValidDateTime).
func TimeToPacked(t time.Time, fsp int) int64 {
	return clock(t.Round(time.Duration(pow10[9-fsp])))
}

func clock(t time.Time) int64 {
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	return PackDateTime(y, int(mo), d, h, mi, s, t.Nanosecond()/1000)
}

// ConvertZone reads a packed datetime in one zone and returns what clocks show
// in another. The zero datetime stays as it is.
func ConvertZone(p int64, from, to *time.Location) int64 {
	if from == to || p == 0 {
		return p
	}
	return clock(PackedToTime(p, from).In(to))
}

// ConvertZoneVector is ConvertZone in place for all values of a TIMESTAMP vector.
func ConvertZoneVector(v *Vector, from, to *time.Location) {
	if from == to {
		return
	}
	for i, p := range v.Int64s {
		if !v.IsNull(i) {
			v.Int64s[i] = ConvertZone(p, from, to)
		}
	}
}

// ValidDateTime reports whether p is a datetime that may be stored: a day of the
// calendar from year 0 to 9999, month and day not zero, and a time of day.
func ValidDateTime(p int64) bool {
	if p < 0 {
		return false
	}
	y, mo, d, h, mi, s, us := UnpackDateTime(p)
	return y <= 9999 && mo >= 1 && mo <= 12 && d >= 1 && d <= daysIn(y, mo) &&
		h < 24 && mi < 60 && s < 60 && us < 1_000_000
}

// Incomplete reports whether p is a date of which the month or the day is zero, but not
// the whole, with a time of day.
func Incomplete(p int64) bool {
	if p < packedDay {
		return false
	}
	y, mo, d, h, mi, s, us := UnpackDateTime(p)
	return (mo == 0 || d == 0) && y <= 9999 && (mo == 0 || d <= daysIn(y, mo)) && h < 24 && mi < 60 && s < 60 && us < 1_000_000
}

var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func daysIn(year, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return monthDays[month]
}

// RoundDateTime rounds a packed datetime half up to fsp digits of a second.
func RoundDateTime(p int64, fsp int) int64 {
	us := p & (packedSecond - 1)
	r := roundMicros(us, fsp)
	switch {
	case r == us:
		return p
	case r < 1_000_000:
		return p - us + r
	}
	p -= us
	switch _, _, _, h, mi, s, _ := UnpackDateTime(p); {
	case s < 59:
		return p + packedSecond
	case mi < 59:
		return p&^(packedMinute-1) + packedMinute
	case h < 23:
		return p&^(packedHour-1) + packedHour
	}
	return clock(PackedToTime(p, time.UTC).Add(time.Second))
}

// roundMicros rounds microseconds half away from zero to fsp digits of a second.
func roundMicros(us int64, fsp int) int64 {
	unit := int64(pow10[6-fsp])
	if us < 0 {
		return -((-us + unit/2) / unit * unit)
	}
	return (us + unit/2) / unit * unit
}

var pow10 = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return
}()
