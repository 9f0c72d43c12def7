package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

func setZone(s *Session, v any) error {
	name, ok := v.(string)
	if !ok {
		return errWrongValue
	}
	z, err := s.engine.zone(name)
	if err == nil {
		s.zone = z
	}
	return err
}

// loadZone returns the time zone that a text names: +hh:mm, SYSTEM, UTC, or a
// place's.
func loadZone(name string) (*time.Location, error) {
	unknown := sqlerr.WrongValueForVar.New("Unknown or incorrect time zone: '%s'", name)
	switch {
	case strings.EqualFold(name, "SYSTEM"), strings.EqualFold(name, "UTC"):
		return time.UTC, nil
	case name == "" || strings.EqualFold(name, "Local"):
		return nil, unknown
	}
	if name[0] == '+' || name[0] == '-' {
		h, m, ok := strings.Cut(name[1:], ":")
		hours, err := strconv.ParseUint(h, 10, 8)
		minutes, err2 := strconv.ParseUint(m, 10, 8)
		offset := int(hours)*3600 + int(minutes)*60
		if !ok || err != nil || err2 != nil || len(m) != 2 || minutes > 59 || offset > 14*3600 || name[0] == '-' && offset >= 14*3600 {
			return nil, unknown
		}
		if name[0] == '-' {
			offset = -offset
		}
		return time.FixedZone(name, offset), nil
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknown
	}
	return z, nil
}

func zoneName(z *time.Location) string {
	if z == time.UTC {
		return "UTC"
	}
	return z.String()
}
