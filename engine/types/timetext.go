package types

import (
	"bytes"
	"time"
)

// parseResult says how well a text was a date or time.
type parseResult uint8

const (
	parsedWhole  parseResult = iota
	parsedPrefix             // something that is no part of it follows
	parsedNot                // no date or time, or one that does not exist
)

// parts are a text's numbers before they are checked.
type parts struct {
	field [7]int // year, month, day, hour, minute, second, microsecond
	nanos int    // below a microsecond, 0-999
}

// ParseDateTime reads a DATE or DATETIME as MySQL does: numbers with any
// punctuation between them, or 6, 8, 12 or 14 digits without; two-digit years are
// 1970-2069; a time after a space or T; a fraction, rounded half up to fsp digits;
// a time zone offset like +02:00, which turns the value to what clocks in loc show;
// with a nil loc there is no offset.
// ok is false when s is not wholly a date that exists; p is then the part that was
// understood, or 0. Zero dates are not dates here.
func ParseDateTime(s []byte, fsp int, loc *time.Location) (p int64, ok bool) {
	p, r := parseDateTime(s, fsp, loc)
	return p, r == parsedWhole
}

// ReadDateTime is ParseDateTime without zone offsets that tells texts that begin with a
// date, which p is then, from those that do not: part.
func ReadDateTime(s []byte, fsp int) (p int64, whole, part bool) {
	p, r := parseDateTime(s, fsp, nil)
	return p, r == parsedWhole, r != parsedNot
}

func parseDateTime(s []byte, fsp int, loc *time.Location) (int64, parseResult) {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	var f parts
	rest, ok := f.read(s)
	if !ok {
		return 0, parsedNot
	}
	offset, zoned := 0, false
	if len(rest) > 0 && loc != nil {
		if offset, zoned = parseOffset(rest); zoned {
			rest = nil
		}
	}
	p := PackDateTime(f.field[0], f.field[1], f.field[2], f.field[3], f.field[4], f.field[5], f.field[6])
	if f.field[1] > 12 || !ValidDateTime(p) {
		return 0, parsedNot
	}
	if zoned {
		p = ConvertZone(p, time.FixedZone("", offset), loc)
	}
	p = f.round(p, fsp)
	if !ValidDateTime(p) {
		return 0, parsedNot
	}
	if len(rest) > 0 {
		return p, parsedPrefix
	}
	return p, parsedWhole
}

// ParseIncomplete reads a date as ParseDateTime does, without zone offsets, if its month or
// day is zero, but not all of it.
func ParseIncomplete(s []byte, fsp int) (p int64, ok bool) {
	var f parts
	rest, ok := f.read(bytes.TrimFunc(s, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }))
	if !ok || len(rest) > 0 || f.field[1] > 12 || f.field[2] > 31 {
		return 0, false
	}
	p = PackDateTime(f.field[0], f.field[1], f.field[2], f.field[3], f.field[4], f.field[5], f.field[6])
	if !Incomplete(p) {
		return 0, false
	}
	day := PackedDate(p)
	p = f.round(p, fsp)
	return p, PackedDate(p) == day
}

// round rounds p to fsp digits, the digits below a microsecond included.
func (f *parts) round(p int64, fsp int) int64 {
	if fsp == 6 && f.nanos >= 500 {
		if f.field[6] < 999_999 {
			return p + 1
		}
		return RoundDateTime(p, 5)
	}
	return RoundDateTime(p, fsp)
}

// read takes the numbers from s and returns what follows them.
func (f *parts) read(s []byte) (rest []byte, ok bool) {
	run := digitRun(s)
	if run == 0 {
		return s, false
	}
	// Digits without punctuation: YYMMDD, YYYYMMDD, and the same with hhmmss.
	// A point after a time starts a fraction.
	if next := s[run:]; len(next) == 0 || next[0] == '.' && run >= 12 || next[0] == 'T' && run >= 6 || isSpace(next[0]) && run >= 6 {
		return f.readDigits(s, run)
	}
	year, n := readInt(s, 4)
	if n != run {
		return s, false
	}
	f.field[0] = fullYear(year, n)
	s = s[n:]
	at := 1
	for ; at < 6 && len(s) > 0; at++ {
		sep := 0
		switch {
		case at == 3:
			if s[0] == 'T' || s[0] == 't' {
				sep = 1
			} else {
				for sep < len(s) && isSpace(s[sep]) {
					sep++
				}
				if sep == 0 && isPunct(s[0]) && s[0] != '+' && s[0] != '-' {
					sep = 1
				}
			}
		case at > 3 && (s[0] == '+' || s[0] == '-'): // a zone offset
		default:
			for sep < len(s) && isPunct(s[sep]) {
				sep++
			}
		}
		x, n := readInt(s[sep:], 2)
		if sep == 0 || n == 0 {
			break
		}
		f.field[at] = x
		s = s[sep+n:]
	}
	if at < 3 || at == 4 && len(s) > 0 && s[0] >= '0' && s[0] <= '9' {
		return s, false
	}
	if at == 6 {
		s = f.readFraction(s)
	}
	return s, true
}

func (f *parts) readDigits(s []byte, run int) (rest []byte, ok bool) {
	yearDigits := 2
	if run == 8 || run >= 14 {
		yearDigits = 4
	}
	rest = s[run:]
	s = s[:min(run, 14)]
	if run > 14 {
		return rest, false
	}
	year, n := readInt(s, yearDigits)
	f.field[0] = fullYear(year, n)
	s = s[n:]
	for at := 1; at < 6 && len(s) > 0; at++ {
		f.field[at], n = readInt(s, 2)
		s = s[n:]
	}
	if run <= 8 && len(rest) > 0 && rest[0] != '.' { // a time after the date
		t := rest[1:]
		var clock parts
		if left, ok := clock.readClock(t); ok {
			copy(f.field[3:], clock.field[3:])
			f.nanos = clock.nanos
			return left, true
		}
		return rest, true
	}
	return f.readFraction(rest), true
}

// readClock reads hh:mm[:ss[.fraction]] or hhmmss.
func (f *parts) readClock(s []byte) (rest []byte, ok bool) {
	if digitRun(s) >= 4 {
		for at := 3; at < 6; at++ {
			var n int
			f.field[at], n = readInt(s, 2)
			s = s[n:]
		}
		return f.readFraction(s), true
	}
	for at := 3; at < 6; at++ {
		x, n := readInt(s, 2)
		if n == 0 {
			return s, false
		}
		f.field[at] = x
		if s = s[n:]; len(s) == 0 || s[0] != ':' {
			return f.readFraction(s), at > 3
		}
		if at < 5 {
			s = s[1:]
		}
	}
	return f.readFraction(s), true
}

// readFraction reads a point and digits; digits after the ninth are dropped.
func (f *parts) readFraction(s []byte) []byte {
	if len(s) == 0 || s[0] != '.' {
		return s
	}
	n := digitRun(s[1:])
	nanos := 0
	for i := range 9 {
		nanos *= 10
		if i < n {
			nanos += int(s[1+i] - '0')
		}
	}
	f.field[6], f.nanos = nanos/1000, nanos%1000
	return s[1+n:]
}

// parseOffset reads +hh:mm or -hh:mm, up to 14:00, or Z, and returns seconds east of UTC.
func parseOffset(s []byte) (seconds int, ok bool) {
	if len(s) == 1 && (s[0] == 'Z' || s[0] == 'z') {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	h, n := readInt(s[1:3], 2)
	m, k := readInt(s[4:], 2)
	if n != 2 || k != 2 || m > 59 || h*60+m > 14*60 {
		return 0, false
	}
	seconds = h*3600 + m*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// readInt reads up to most digits.
func readInt(s []byte, most int) (x, n int) {
	for n < most && n < len(s) && s[n] >= '0' && s[n] <= '9' {
		x = x*10 + int(s[n]-'0')
		n++
	}
	return x, n
}

func digitRun(s []byte) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func isPunct(c byte) bool {
	return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z')
}

// fullYear completes a year of up to two digits: 70-99 are 19xx, 0-69 are 20xx.
func fullYear(y, digits int) int {
	switch {
	case digits > 2:
		return y
	case y < 70:
		return y + 2000
	}
	return y + 1900
}

// ParseTime reads a TIME as MySQL does: [-][days ]hh:mm[:ss[.fraction]], hhmmss,
// or a datetime, whose time it takes; the fraction is rounded half up to fsp digits.
// ok is false when s is not wholly a time within ±838:59:59; the result is then the part that was
// understood, clamped.
func ParseTime(s []byte, fsp int) (micros int64, ok bool) {
	micros, r := parseTime(s, fsp)
	return micros, r == parsedWhole
}

// ReadTime is to ParseTime as ReadDateTime is to ParseDateTime.
func ReadTime(s []byte, fsp int) (micros int64, whole, part bool) {
	micros, r := parseTime(s, fsp)
	return micros, r == parsedWhole, r != parsedNot
}

func parseTime(s []byte, fsp int) (int64, parseResult) {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	// A text of a datetime's length that is one gives its time of day.
	if len(s) >= 12 && digitRun(s) >= 4 {
		if p, r := parseDateTime(s, fsp, time.UTC); r != parsedNot {
			return timeOfDay(p), r
		}
		if p, ok := ParseIncomplete(s, fsp); ok {
			return timeOfDay(p), parsedWhole
		}
	}
	neg := false
	if len(s) > 0 && s[0] == '-' {
		neg, s = true, s[1:]
	}
	run := digitRun(s)
	if run == 0 || run > 10 {
		return 0, parsedNot
	}
	first, _ := readInt(s, run)
	s = s[run:]
	days, hours, minutes, seconds := 0, 0, 0, 0
	var f parts
	switch {
	case len(s) > 1 && isSpace(s[0]) && digitRun(s[1:]) > 0:
		days = first
		run = digitRun(s[1:])
		hours, _ = readInt(s[1:], min(run, 9))
		s = f.clockRest(s[1+run:], &minutes, &seconds)
	case len(s) > 0 && s[0] == ':':
		hours = first
		s = f.clockRest(s, &minutes, &seconds)
	default:
		hours, minutes, seconds = first/10000, first/100%100, first%100
		s = f.readFraction(s)
	}
	if minutes > 59 || seconds > 59 {
		return 0, parsedNot
	}
	result := parsedWhole
	if len(s) > 0 {
		result = parsedPrefix
	}
	total := (int64(min(days, 1000))*24+int64(min(hours, 10000)))*3600 + int64(minutes*60+seconds)
	us := total*1_000_000 + int64(f.field[6])
	if f.nanos >= 500 {
		us++
	}
	us = roundMicros(us, fsp)
	if us > MaxTime {
		us, result = MaxTime, max(result, parsedPrefix)
	}
	if neg {
		us = -us
	}
	return us, result
}

// clockRest reads :mm[:ss[.fraction]] and returns what follows.
func (f *parts) clockRest(s []byte, minutes, seconds *int) []byte {
	for _, into := range []*int{minutes, seconds} {
		if len(s) < 2 || s[0] != ':' {
			return s
		}
		x, n := readInt(s[1:], 2)
		if n == 0 {
			return s
		}
		*into = x
		s = s[1+n:]
	}
	return f.readFraction(s)
}

// timeOfDay returns a packed datetime's time in microseconds.
func timeOfDay(p int64) int64 {
	_, _, _, h, mi, s, us := UnpackDateTime(p)
	return int64(h*3600+mi*60+s)*1_000_000 + int64(us)
}
