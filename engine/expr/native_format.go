package expr

import (
	"strings"
	"time"
)

// parseFormat reads text by a format of DATE_FORMAT's specifiers, as
// STR_TO_DATE does. Text after the format's end is ignored; a date that is not in
// the calendar is refused.
func parseFormat(text, format string) (c civil, ok bool) {
	p := formatParser{text: text}
	for i := 0; i < len(format); i++ {
		ch := format[i]
		switch {
		case ch == ' ':
			p.text = strings.TrimLeft(p.text, " ")
		case ch != '%' || i+1 == len(format):
			if !strings.HasPrefix(p.text, string(ch)) {
				return c, false
			}
			p.text = p.text[1:]
		default:
			i++
			if !p.spec(format[i]) {
				return c, false
			}
		}
	}
	return p.result()
}

type formatParser struct {
	text    string
	at      civil
	pm      bool
	twelve  bool // %h, %I, %l or %r was read
	yearDay int
}

// number reads up to width digits within low and high.
func (p *formatParser) number(width, low, high int, into *int) bool {
	p.text = strings.TrimLeft(p.text, " ")
	n, i := 0, 0
	for i < width && i < len(p.text) && p.text[i] >= '0' && p.text[i] <= '9' {
		n = n*10 + int(p.text[i]-'0')
		i++
	}
	p.text = p.text[i:]
	*into = n
	return i > 0 && n >= low && n <= high
}

// name reads one of the names, or of their first three letters; it returns its
// place from 1.
func (p *formatParser) name(full bool, name func(int) string, count int) (int, bool) {
	for i := 1; i <= count; i++ {
		n := name(i)
		if !full {
			n = n[:3]
		}
		if len(p.text) >= len(n) && strings.EqualFold(p.text[:len(n)], n) {
			p.text = p.text[len(n):]
			return i, true
		}
	}
	return 0, false
}

func monthName(i int) string { return time.Month(i).String() }
func dayOfWeek(i int) string { return time.Weekday(i - 1).String() }

func (p *formatParser) spec(s byte) (ok bool) {
	switch s {
	case 'Y':
		return p.number(4, 0, 9999, &p.at.Year)
	case 'y':
		ok = p.number(2, 0, 99, &p.at.Year)
		if p.at.Year < 70 {
			p.at.Year += 100
		}
		p.at.Year += 1900
		return ok
	case 'm', 'c':
		return p.number(2, 0, 12, &p.at.Month)
	case 'd', 'e':
		return p.number(2, 0, 31, &p.at.Day)
	case 'D':
		ok = p.number(2, 0, 31, &p.at.Day) && len(p.text) >= 2
		if ok {
			p.text = p.text[2:]
		}
		return ok
	case 'j':
		return p.number(3, 1, 366, &p.yearDay)
	case 'H', 'k':
		return p.number(2, 0, 23, &p.at.Hour)
	case 'h', 'I', 'l':
		p.twelve = true
		return p.number(2, 1, 12, &p.at.Hour)
	case 'i':
		return p.number(2, 0, 59, &p.at.Minute)
	case 's', 'S':
		return p.number(2, 0, 59, &p.at.Second)
	case 'f':
		before := len(p.text)
		ok = p.number(6, 0, 999999, &p.at.Micro)
		for width := before - len(p.text); width < 6; width++ {
			p.at.Micro *= 10
		}
		return ok
	case 'p':
		if len(p.text) < 2 {
			return false
		}
		half := strings.ToUpper(p.text[:2])
		p.text = p.text[2:]
		p.pm = half == "PM"
		return half == "AM" || p.pm
	case 'T':
		return p.spec('H') && p.literal(":") && p.spec('i') && p.literal(":") && p.spec('s')
	case 'r':
		return p.spec('h') && p.literal(":") && p.spec('i') && p.literal(":") && p.spec('s') && p.literal(" ") && p.spec('p')
	case 'M':
		p.at.Month, ok = p.name(true, monthName, 12)
		return ok
	case 'b':
		p.at.Month, ok = p.name(false, monthName, 12)
		return ok
	case 'W':
		_, ok = p.name(true, dayOfWeek, 7)
		return ok
	case 'a':
		_, ok = p.name(false, dayOfWeek, 7)
		return ok
	}
	return p.literal(string(s))
}

func (p *formatParser) literal(s string) bool {
	rest, ok := strings.CutPrefix(p.text, s)
	p.text = rest
	return ok
}

func (p *formatParser) result() (civil, bool) {
	c := p.at
	if p.twelve {
		c.Hour %= 12
		if p.pm {
			c.Hour += 12
		}
	}
	if p.yearDay > 0 {
		d := civilOf(time.Date(c.Year, 1, p.yearDay, 0, 0, 0, 0, time.UTC))
		c.Month, c.Day = d.Month, d.Day
	}
	if c.Month > 0 && c.Day > 0 {
		if d := civilOf(c.std()); d.Day != c.Day || d.Month != c.Month {
			return c, false
		}
	}
	return c, true
}
