package engine

import (
	"strings"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// sqlModes is a set of MySQL's sql_modes.
type sqlModes uint32

// The modes that a session may have or lack.
const (
	realAsFloat sqlModes = 1 << iota
	pipesAsConcat
	ansiQuotes
	ignoreSpace
	onlyFullGroupBy
	ansi
	noDirInCreate
	noAutoValueOnZero // AUTO_INCREMENT columns keep a 0
	noBackslashEscapes
	strictTransTables
	strictAllTables
	noZeroInDate
	noZeroDate
	errorForDivisionByZero
	traditional
	noEngineSubstitution

	strict = strictTransTables | strictAllTables
	// defaultModes are MySQL 8's.
	defaultModes = onlyFullGroupBy | strictTransTables | noZeroInDate | noZeroDate | errorForDivisionByZero | noEngineSubstitution
)

// modeNames names the modes, in MySQL's order.
var modeNames = []struct {
	mode sqlModes
	name string
}{
	{realAsFloat, "REAL_AS_FLOAT"},
	{pipesAsConcat, "PIPES_AS_CONCAT"},
	{ansiQuotes, "ANSI_QUOTES"},
	{ignoreSpace, "IGNORE_SPACE"}, // a space before the parenthesis of a function's arguments is always ignored
	{onlyFullGroupBy, "ONLY_FULL_GROUP_BY"},
	{ansi, "ANSI"},
	{noDirInCreate, "NO_DIR_IN_CREATE"}, // there are no such directories
	{noAutoValueOnZero, "NO_AUTO_VALUE_ON_ZERO"},
	{noBackslashEscapes, "NO_BACKSLASH_ESCAPES"},
	{strictTransTables, "STRICT_TRANS_TABLES"},
	{strictAllTables, "STRICT_ALL_TABLES"},
	{noZeroInDate, "NO_ZERO_IN_DATE"},
	{noZeroDate, "NO_ZERO_DATE"},
	{errorForDivisionByZero, "ERROR_FOR_DIVISION_BY_ZERO"},
	{traditional, "TRADITIONAL"},
	{noEngineSubstitution, "NO_ENGINE_SUBSTITUTION"}, // other engines are refused in any mode
}

func getMode(s *Session) any {
	var names []string
	for _, m := range modeNames {
		if s.modes&m.mode != 0 {
			names = append(names, m.name)
		}
	}
	return strings.Join(names, ",")
}

// otherModes are MySQL's modes that are refused.
var otherModes = map[string]bool{
	"NO_UNSIGNED_SUBTRACTION": true, "ALLOW_INVALID_DATES": true,
	"HIGH_NOT_PRECEDENCE": true, "PAD_CHAR_TO_FULL_LENGTH": true, "TIME_TRUNCATE_FRACTIONAL": true,
}

func setMode(s *Session, v any) error {
	list, ok := v.(string)
	if !ok {
		return errWrongValue
	}
	var modes sqlModes
	for _, name := range strings.Split(strings.ToUpper(list), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if otherModes[name] {
			return sqlerr.Unsupported("sql_mode=%s", name)
		}
		known := false
		for _, m := range modeNames {
			if m.name == name {
				modes, known = modes|m.mode, true
			}
		}
		if !known {
			return sqlerr.WrongValueForVar.New("Variable 'sql_mode' can't be set to the value of '%s'", name)
		}
	}
	if modes&traditional != 0 {
		modes |= strict | noZeroInDate | noZeroDate | errorForDivisionByZero | noEngineSubstitution
	}
	if modes&ansi != 0 {
		modes |= realAsFloat | pipesAsConcat | ansiQuotes | ignoreSpace | onlyFullGroupBy
	}
	s.modes = modes
	return nil
}

// has reports whether the session has one of modes.
func (s *Session) has(modes sqlModes) bool { return s.modes&modes != 0 }

// zeroDates are those that the session may store.
func (s *Session) zeroDates() (z types.ZeroDates) {
	if !s.has(noZeroDate) {
		z |= types.WholeZeroDate
	}
	if !s.has(noZeroInDate) {
		z |= types.ZeroInDate
	}
	return z
}

// dialect is how the session's texts are read.
func (s *Session) dialect() parse.Dialect {
	return parse.Dialect{
		RealAsFloat: s.has(realAsFloat), PipesAsConcat: s.has(pipesAsConcat), ANSIQuotes: s.has(ansiQuotes), NoBackslashEscapes: s.has(noBackslashEscapes),
	}
}
