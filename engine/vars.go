package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// variable is a system variable.
type variable struct {
	get func(s *Session) any // a string, int64, json.Number (with a fraction) or nil
	// set takes a value; nil: the variable is read-only.
	set func(s *Session, v any) error
}

func constant(v any) variable { return variable{get: func(*Session) any { return v }} }

// fixed is a variable that can be set to the value that it has, and no other.
func fixed(v any) variable {
	x := constant(v)
	x.set = func(_ *Session, to any) error {
		if same(v, to) {
			return nil
		}
		return errOtherValue
	}
	return x
}

// charset is a variable that names the character set, utf8mb4.
func charset() variable {
	x := constant("utf8mb4")
	x.set = func(_ *Session, to any) error {
		name, ok := to.(string)
		switch {
		case !ok:
			return errWrongValue
		case types.Charset(name) == "utf8mb4":
			return nil
		case types.KnownCharset(name):
			return errOtherValue
		}
		return sqlerr.UnknownCharset.New("Unknown character set: '%s'", name)
	}
	return x
}

// resultCharset is character_set_results, which may also be NULL: results are as they are
// stored.
func resultCharset() variable {
	const name = "character_set_results"
	x, stored := charset(), remembered(name, 0, 0)
	return variable{
		func(s *Session) any {
			if stored.get(s) == int64(1) {
				return nil
			}
			return x.get(s)
		},
		func(s *Session, v any) error {
			if v != nil {
				if err := x.set(s, v); err != nil {
					return err
				}
			}
			return stored.set(s, boolInt(v == nil))
		},
	}
}

// remembered is a number, min at least, that means nothing here but is kept for
// who asks: it is about a connection to a server, or permits what is not done.
func remembered(name string, normal, min int64) variable {
	return variable{
		func(s *Session) any {
			if n, ok := s.remembered[name]; ok {
				return n
			}
			return normal
		},
		func(s *Session, v any) error {
			n, err := number(v, min)
			if err != nil {
				return err
			}
			s.remember(name, n)
			return nil
		},
	}
}

// remember keeps a variable's value.
func (s *Session) remember(name string, n int64) {
	kept := maps.Clone(s.remembered) // SET may have to go back
	if kept == nil {
		kept = map[string]int64{}
	}
	kept[name] = n
	s.remembered = kept
}

// toggle is a remembered ON or OFF.
func toggle(name string, normal int64) variable {
	x := remembered(name, normal, 0)
	keep := x.set
	x.set = switched(func(s *Session, on bool) error { return keep(s, boolInt(on)) })
	return x
}

// number reads a number; one below min is min, as in MySQL.
func number(v any, min int64) (int64, error) {
	n, ok := v.(int64)
	if !ok {
		return 0, errWrongType
	}
	return max(n, min), nil
}

// These stand for errors until the variable is named.
var (
	errWrongValue = sqlerr.WrongValueForVar.New("wrong value")
	errWrongType  = sqlerr.WrongTypeForVar.New("wrong type")
	errOtherValue = sqlerr.Unsupported("another value")
)

var variables map[string]variable

func init() { // not a literal: some variables refer to others
	variables = map[string]variable{
		"autocommit":            {func(s *Session) any { return boolInt(s.autocommit) }, switched(setAutocommit)},
		"time_zone":             {func(s *Session) any { return zoneName(s.zone) }, setZone},
		"transaction_isolation": {func(s *Session) any { return isolationNames[s.defaults.Isolation] }, setIsolation},
		"transaction_read_only": {func(s *Session) any { return boolInt(s.defaults.ReadOnly) }, switched(setReadOnly)},
		"sql_mode":              {getMode, setMode},
		"last_insert_id":        {func(s *Session) any { return int64(s.lastInsertID) }, nil},
		"warning_count":         {func(s *Session) any { return int64(len(s.warnings)) }, nil},
		"error_count":           {func(s *Session) any { return boolInt(s.lastError != nil) }, nil},
		"innodb_lock_wait_timeout": {
			func(s *Session) any { return wholeSeconds(s.lockWait) },
			func(s *Session, v any) error { return setWait(&s.lockWait, v) },
		},
		"lock_wait_timeout": { // for tables
			func(s *Session) any { return wholeSeconds(s.tableWait) },
			func(s *Session, v any) error { return setWait(&s.tableWait, v) },
		},

		"version":                  constant(parse.MySQLVersion + "-kalam"),
		"version_comment":          constant("Kalam"),
		"version_compile_os":       constant("Linux"),
		"license":                  constant("Apache-2.0"),
		"max_allowed_packet":       constant(int64(expr.MaxPacket)),
		"lower_case_table_names":   constant(int64(0)),
		"system_time_zone":         constant("UTC"),
		"performance_schema":       constant(int64(0)),
		"div_precision_increment":  fixed(int64(4)),
		"auto_increment_increment": fixed(int64(1)),
		"auto_increment_offset":    fixed(int64(1)),
		"sql_auto_is_null":         fixed(int64(0)),
		"sql_safe_updates":         {func(s *Session) any { return boolInt(s.safeUpdates) }, switched(setSafeUpdates)},
		"sql_notes":                toggle("sql_notes", 1), // there are no notes
		"sql_quote_show_create":    fixed(int64(1)),
		"sql_big_selects":          toggle("sql_big_selects", 1), // off refuses by max_join_size, which has no limit
		"sql_select_limit":         {getSelectLimit, setSelectLimit},
		"max_execution_time":       {func(s *Session) any { return s.maxTime.Milliseconds() }, setMaxTime},
		"timestamp":                {getTimestamp, setTimestamp},
		"insert_id":                fixed(int64(0)),
		"group_concat_max_len":     {func(s *Session) any { return s.concatLen }, setConcatLen},
		"cte_max_recursion_depth":  {func(s *Session) any { return max(s.recursion, 0) }, setRecursion},
		"mem_limit":                {func(s *Session) any { return s.memoryBytes() }, setMemLimit},
		"assumed_rows":             {func(s *Session) any { return s.assumedRows }, setAssumedRows},
		"unique_checks":            toggle("unique_checks", 1), // off permits a check less, and demands none
		"foreign_key_checks":       {func(s *Session) any { return boolInt(!s.noForeignKeys) }, switched(setForeignKeys)},
		"wait_timeout":             remembered("wait_timeout", 28800, 1),
		"interactive_timeout":      remembered("interactive_timeout", 28800, 1),
		"net_write_timeout":        remembered("net_write_timeout", 60, 1),
		"net_read_timeout":         remembered("net_read_timeout", 30, 1),
		"default_storage_engine":   constant("Kalam"),
		// What MySQL's optimizer and memory may do changes no answer, and here nothing.
		"explicit_defaults_for_timestamp": fixed(int64(1)),
		"tmp_table_size":                  remembered("tmp_table_size", 16<<20, 1024),
		"max_heap_table_size":             remembered("max_heap_table_size", 16<<20, 16384),
		"sort_buffer_size":                remembered("sort_buffer_size", 256<<10, 32<<10),
		"join_buffer_size":                remembered("join_buffer_size", 256<<10, 128),
		"read_buffer_size":                remembered("read_buffer_size", 128<<10, 8192),
		"read_rnd_buffer_size":            remembered("read_rnd_buffer_size", 256<<10, 1),
		"bulk_insert_buffer_size":         remembered("bulk_insert_buffer_size", 8<<20, 0),
		"init_connect":                    constant(""),
		"character_set_client":            charset(),
		"character_set_connection":        charset(),
		"character_set_results":           resultCharset(),
		"character_set_database":          charset(),
		"character_set_server":            charset(),
		"collation_connection":            fixed("utf8mb4_bin"),
		"collation_database":              fixed("utf8mb4_bin"),
		"collation_server":                fixed("utf8mb4_bin"),
		"names":                           charset(), // SET NAMES
		"charset":                         charset(), // SET CHARACTER SET
		"character set":                   charset(),
	}
	addClientVariables()
	for synonym, of := range map[string]string{
		"tx_isolation": "transaction_isolation", "tx_read_only": "transaction_read_only", "identity": "last_insert_id",
	} {
		variables[synonym] = variables[of]
	}
}

// statementOnly are in variables but not shown: SET has a syntax for them, as which
// messages name them.
var statementOnly = map[string]string{"names": "SET NAMES", "charset": "SET CHARACTER SET", "character set": "SET CHARACTER SET"}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// same compares a variable's value with one given.
func same(have, given any) bool {
	if h, ok := have.(string); ok {
		g, ok := given.(string)
		return ok && strings.EqualFold(h, g)
	}
	if b, ok := truth(given); ok && (have == int64(0) || have == int64(1)) {
		return boolInt(b) == have
	}
	return have == given
}

// truth reads a boolean variable's value: 0, 1, ON, OFF, TRUE, FALSE.
func truth(v any) (on, ok bool) {
	switch x := v.(type) {
	case int64:
		return x == 1, x == 0 || x == 1
	case string:
		switch strings.ToLower(x) {
		case "on", "true":
			return true, true
		case "off", "false":
			return false, true
		}
	}
	return false, false
}

// switched returns how a variable is set that is on or off.
func switched(set func(s *Session, on bool) error) func(*Session, any) error {
	return func(s *Session, v any) error {
		on, ok := truth(v)
		if !ok {
			return errWrongValue
		}
		return set(s, on)
	}
}

func setAutocommit(s *Session, on bool) error {
	if on && !s.autocommit {
		if err := s.commit(context.Background()); err != nil {
			return err
		}
	}
	s.autocommit = on
	return nil
}

func setForeignKeys(s *Session, on bool) error {
	s.noForeignKeys = !on
	return nil
}

func setReadOnly(s *Session, on bool) error {
	s.defaults.ReadOnly = on || s.cfg.ReadOnly
	return nil
}

func setIsolation(s *Session, v any) error {
	level, err := isolationOf(v)
	if err == nil {
		s.defaults.Isolation = level
	}
	return err
}

func isolationOf(v any) (Isolation, error) {
	name, _ := v.(string)
	for level, n := range isolationNames {
		if strings.EqualFold(strings.ReplaceAll(name, " ", "-"), n) {
			return level, nil
		}
	}
	return 0, errWrongValue
}

// wholeSeconds rounds up: a wait is no less than what is shown.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// setWait sets how long to wait for a lock, one second at least.
func setWait(wait *time.Duration, v any) error {
	n, ok := v.(int64)
	if !ok {
		return errWrongValue
	}
	const longest = 31536000 // MySQL's for tables: a year
	*wait = time.Duration(min(max(n, 1), longest)) * time.Second
	return nil
}

func getSelectLimit(s *Session) any {
	if s.selectLimit == nil {
		return "18446744073709551615"
	}
	return *s.selectLimit
}

// setSelectLimit sets how many rows a SELECT without LIMIT gives. More than an
// int64 holds is no limit.
func setSelectLimit(s *Session, v any) error {
	if text, ok := v.(string); ok {
		if _, err := strconv.ParseUint(text, 10, 64); err != nil {
			return errWrongType
		}
		s.selectLimit = nil
		return nil
	}
	n, err := number(v, 0)
	if err == nil {
		s.selectLimit = &n
	}
	return err
}

// setMaxTime sets for how many milliseconds a SELECT may run; 0: for ever.
func setMaxTime(s *Session, v any) error {
	n, err := number(v, 0)
	if err == nil {
		s.maxTime = time.Duration(min(n, math.MaxUint32)) * time.Millisecond
	}
	return err
}

// now is the time that statements see: the clock's, or what SET timestamp says.
func (s *Session) now() time.Time {
	if s.timestamp.IsZero() {
		return time.Now()
	}
	return s.timestamp
}

func getTimestamp(s *Session) any {
	t := s.now()
	return json.Number(fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000))
}

// setTimestamp sets the time that statements see; 0: the clock's.
func setTimestamp(s *Session, v any) error {
	text := fmt.Sprint(v)
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case v == nil || err != nil:
		return errWrongType
	case seconds < 0 || seconds > math.MaxInt32:
		return errWrongValue
	case seconds == 0:
		s.timestamp = time.Time{}
		return nil
	}
	whole, fraction, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	micro, err2 := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	if err != nil || err2 != nil { // 1e9
		sec, micro = int64(seconds), 0
	}
	s.timestamp = time.Unix(sec, micro*1000)
	return nil
}

// setConcatLen sets the length that GROUP_CONCAT cuts results to, 4 at least.
func setConcatLen(s *Session, v any) error {
	n, ok := v.(int64)
	if !ok {
		return errWrongValue
	}
	s.concatLen = max(n, 4)
	return nil
}

func setRecursion(s *Session, v any) error {
	n, ok := v.(int64)
	if !ok {
		return errWrongValue
	}
	if s.recursion = min(max(n, 0), 1<<32-1); s.recursion == 0 {
		s.recursion = -1
	}
	return nil
}

// setMemLimit sets how many bytes a statement may hold before it spills to files; 0:
// what the data source name says.
func setMemLimit(s *Session, v any) error {
	n, err := number(v, 0)
	if err == nil {
		s.memory = cmp.Or(n, s.cfg.MemoryBytes)
	}
	return err
}

// setAssumedRows sets how many rows the planner takes a table to have at least, which
// gives small tables the plans of large ones.
func setAssumedRows(s *Session, v any) error {
	n, err := number(v, 0)
	if err == nil {
		s.assumedRows = n
	}
	return err
}

// replaceVariables returns a copy of ast with the variables' values in their
// places. Result columns keep the names that they have with variables.
func (s *Session) replaceVariables(ast sqlparser.Statement) (sqlparser.Statement, error) {
	ast = sqlparser.Clone(ast)
	var failed error
	sqlparser.Rewrite(ast, func(c *sqlparser.Cursor) bool {
		switch n := c.Node().(type) {
		case *sqlparser.AliasedExpr:
			if v, ok := n.Expr.(*sqlparser.Variable); ok && n.As.IsEmpty() {
				n.As = sqlparser.NewIdentifierCI(sqlparser.String(v))
			}
		case *sqlparser.Variable:
			_, v, err := variableOf(n)
			if err != nil {
				failed = err
				return false
			}
			switch x := v.get(s).(type) {
			case int64:
				c.Replace(sqlparser.NewIntLiteral(strconv.FormatInt(x, 10)))
			case json.Number:
				c.Replace(sqlparser.NewDecimalLiteral(string(x)))
			case string:
				c.Replace(sqlparser.NewStrLiteral(x))
			default:
				c.Replace(&sqlparser.NullVal{})
			}
		}
		return true
	}, nil)
	return ast, failed
}

// text returns a variable's value as SHOW VARIABLES has it.
func (v variable) text(s *Session, name string) types.Value {
	switch x := v.get(s).(type) {
	case int64:
		if _, toggles := clientToggles[name]; toggles || slices.Contains(booleans, name) {
			return types.NewString(map[int64]string{0: "OFF", 1: "ON"}[x])
		}
		return types.NewString(strconv.FormatInt(x, 10))
	case json.Number:
		return types.NewString(string(x))
	case string:
		return types.NewString(x)
	}
	return types.NewString("")
}
