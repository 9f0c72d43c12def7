package engine

import (
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// sqlMode is what statements run in, MySQL 8's default, without fullGroupBy.
const sqlMode = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

// fullGroupBy is the part of MySQL 8's default mode that a session may do without.
const fullGroupBy = "ONLY_FULL_GROUP_BY"

func getMode(s *Session) any {
	mode := sqlMode
	if !s.partialGroupBy {
		mode = fullGroupBy + "," + mode
	}
	if s.keepZero {
		mode = keepZeroMode + "," + mode
	}
	return mode
}

// keepZeroMode makes AUTO_INCREMENT columns keep a 0.
const keepZeroMode = "NO_AUTO_VALUE_ON_ZERO"

// setMode accepts the modes that statements run in anyway, with and without
// fullGroupBy and keepZeroMode.
func setMode(s *Session, v any) error {
	list, ok := v.(string)
	if !ok {
		return errWrongValue
	}
	strict, partial, keepZero := false, true, false
	for _, m := range strings.Split(strings.ToUpper(list), ",") {
		switch m = strings.TrimSpace(m); m {
		case "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "TRADITIONAL":
			strict = true
		case fullGroupBy:
			partial = false
		case keepZeroMode:
			keepZero = true
		case "":
		default:
			if !strings.Contains(","+sqlMode+",", ","+m+",") {
				return sqlerr.Unsupported("sql_mode=%s", m)
			}
		}
	}
	if !strict {
		return sqlerr.Unsupported("sql_mode without STRICT_TRANS_TABLES")
	}
	s.partialGroupBy, s.keepZero = partial, keepZero
	return nil
}
