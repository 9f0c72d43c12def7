package engine

import (
	"context"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// sqlMode is what statements run in, MySQL 8's default, without fullGroupBy.
const sqlMode = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

// fullGroupBy is the part of MySQL 8's default mode that a session may do without.
const fullGroupBy = "ONLY_FULL_GROUP_BY"

// variable is a system variable.
type variable struct {
	get func(s *Session) any // a string, int64 or nil
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
		return errWrongValue
	}
	return x
}

// charset is a variable that names the character set, utf8mb4.
func charset() variable {
	x := constant("utf8mb4")
	x.set = func(_ *Session, to any) error {
		if name, ok := to.(string); !ok || types.Charset(name) != "utf8mb4" {
			return errWrongValue
		}
		return nil
	}
	return x
}

// ignored is a variable whose value means nothing here.
func ignored(v any) variable {
	x := constant(v)
	x.set = func(*Session, any) error { return nil }
	return x
}

// errWrongValue stands for sqlerr.WrongValueForVar until the variable is named.
var errWrongValue = sqlerr.WrongValueForVar.New("wrong value")

var variables map[string]variable

func init() { // not a literal: some variables refer to others
	variables = map[string]variable{
		"autocommit":            {func(s *Session) any { return boolInt(s.autocommit) }, setAutocommit},
		"time_zone":             {func(s *Session) any { return zoneName(s.zone) }, setZone},
		"transaction_isolation": {func(s *Session) any { return isolationNames[s.defaults.Isolation] }, setIsolation},
		"transaction_read_only": {func(s *Session) any { return boolInt(s.defaults.ReadOnly) }, setReadOnly},
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
		"sql_safe_updates":         fixed(int64(0)),
		"sql_notes":                ignored(int64(1)),
		"group_concat_max_len":     {func(s *Session) any { return s.concatLen }, setConcatLen},
		"cte_max_recursion_depth":  {func(s *Session) any { return max(s.recursion, 0) }, setRecursion},
		"unique_checks":            ignored(int64(1)), // off permits a check less, and demands none
		"foreign_key_checks":       {func(s *Session) any { return boolInt(!s.noForeignKeys) }, setForeignKeys},
		"wait_timeout":             ignored(int64(28800)),
		"interactive_timeout":      ignored(int64(28800)),
		"net_write_timeout":        ignored(int64(60)),
		"net_read_timeout":         ignored(int64(30)),
		"default_storage_engine":   constant("Kalam"),
		"init_connect":             constant(""),
		"character_set_client":     charset(),
		"character_set_connection": charset(),
		"character_set_results":    charset(),
		"character_set_database":   charset(),
		"character_set_server":     charset(),
		"collation_connection":     fixed("utf8mb4_bin"),
		"collation_database":       fixed("utf8mb4_bin"),
		"collation_server":         fixed("utf8mb4_bin"),
		"names":                    charset(), // SET NAMES
		"charset":                  charset(), // SET CHARACTER SET
		"character set":            charset(),
	}
	for synonym, of := range map[string]string{
		"tx_isolation": "transaction_isolation", "tx_read_only": "transaction_read_only", "identity": "last_insert_id",
	} {
		variables[synonym] = variables[of]
	}
}

// statementOnly are in variables but not shown: SET has a syntax for them.
var statementOnly = map[string]bool{"names": true, "charset": true, "character set": true}

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

func setAutocommit(s *Session, v any) error {
	on, ok := truth(v)
	if !ok {
		return errWrongValue
	}
	if on && !s.autocommit {
		if err := s.commit(context.Background()); err != nil {
			return err
		}
	}
	s.autocommit = on
	return nil
}

func setForeignKeys(s *Session, v any) error {
	on, ok := truth(v)
	if !ok {
		return errWrongValue
	}
	s.noForeignKeys = !on
	return nil
}

func setReadOnly(s *Session, v any) error {
	on, ok := truth(v)
	if !ok {
		return errWrongValue
	}
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

// variableOf returns the system variable that v names.
func variableOf(v *sqlparser.Variable) (string, variable, error) {
	name := v.Name.Lowered()
	x, ok := variables[name]
	if !ok {
		return name, x, sqlerr.UnknownSysVar.New("Unknown system variable '%s'", name)
	}
	return name, x, nil
}

// checkSet checks the names that a SET sets.
func checkSet(n *sqlparser.Set) error {
	for _, e := range n.Exprs {
		if e.Var.Scope == sqlparser.VariableScope {
			continue
		}
		name, v, err := variableOf(e.Var)
		switch {
		case err != nil:
			return err
		case e.Var.Scope == sqlparser.GlobalScope || e.Var.Scope == sqlparser.PersistSysScope || e.Var.Scope == sqlparser.PersistOnlySysScope:
			return sqlerr.Unsupported("SET GLOBAL")
		case v.set == nil:
			return sqlerr.VariableReadOnly.New("Variable '%s' is a read only variable", name)
		}
	}
	return nil
}

// set runs SET. Either all is set or nothing. User variables get values that
// were computed before any is set.
func (s *Session) set(ctx context.Context, st *parse.Statement, n *sqlparser.Set, args arguments) error {
	if err := checkSet(n); err != nil {
		return err
	}
	before := s.settings
	kept := maps.Clone(s.userVariables)
	for _, e := range n.Exprs {
		if err := s.setFrom(ctx, st, e, args); err != nil {
			s.settings, s.userVariables = before, kept
			if err == errWrongValue {
				return sqlerr.WrongValueForVar.New("Variable '%s' can't be set to the value of '%s'", e.Var.Name.Lowered(), sqlparser.String(e.Expr))
			}
			return err
		}
	}
	return nil
}

// setFrom makes one of SET's assignments.
func (s *Session) setFrom(ctx context.Context, st *parse.Statement, e *sqlparser.SetExpr, args arguments) error {
	if e.Var.Scope == sqlparser.VariableScope {
		t, v, err := s.evaluate(ctx, st, e.Expr, args)
		if err == nil {
			s.setUserVariable(e.Var.Name.Lowered(), t, v)
		}
		return err
	}
	name, v, err := variableOf(e.Var)
	if err != nil {
		return err
	}
	value, err := s.value(ctx, st, e.Expr, v, args)
	if err != nil {
		return err
	}
	return s.setOne(e.Var.Scope, name, v, value)
}

func (s *Session) setOne(scope sqlparser.Scope, name string, v variable, value any) error {
	if scope != sqlparser.NextTxScope {
		return v.set(s, value)
	}
	// SET TRANSACTION concerns the next transaction only.
	if s.tx != nil {
		return sqlerr.CantChangeTx.New("Transaction characteristics can't be changed while a transaction is in progress")
	}
	next := s.defaults
	if s.next != nil {
		next = *s.next
	}
	kept := s.defaults
	s.defaults = next
	err := v.set(s, value)
	next, s.defaults = s.defaults, kept
	if err == nil {
		s.next = &next
	}
	return err
}

// value evaluates what a variable is set to: a word, DEFAULT, or an expression.
// It is an int64, a string or nil.
func (s *Session) value(ctx context.Context, st *parse.Statement, e sqlparser.Expr, v variable, args arguments) (any, error) {
	switch x := e.(type) {
	case *sqlparser.Literal:
		if x.Type == sqlparser.IntVal {
			n, err := strconv.ParseInt(x.Val, 10, 64)
			if err != nil {
				return nil, errWrongValue
			}
			return n, nil
		}
		return x.Val, nil
	case sqlparser.BoolVal:
		return boolInt(bool(x)), nil
	case *sqlparser.NullVal:
		return nil, nil
	case *sqlparser.ColName: // an unquoted word
		return x.Name.String(), nil
	case *sqlparser.Default:
		fresh := &Session{engine: s.engine, cfg: s.cfg}
		fresh.initialise()
		return v.get(fresh), nil
	case *sqlparser.Variable:
		_, other, err := variableOf(x)
		if err != nil {
			return nil, err
		}
		return other.get(s), nil
	}
	t, value, err := s.evaluate(ctx, st, e, args)
	switch {
	case err != nil || value.IsNull():
		return nil, err
	case t.IsInteger() && t.Physical() == types.PhysInt64:
		return value.Int(), nil
	case t.IsInteger() && value.Uint() <= math.MaxInt64:
		return int64(value.Uint()), nil
	}
	return string(types.AppendText(nil, t, value)), nil
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
func (v variable) text(s *Session) types.Value {
	switch x := v.get(s).(type) {
	case int64:
		return types.NewString(strconv.FormatInt(x, 10))
	case string:
		return types.NewString(x)
	}
	return types.NewString("")
}
