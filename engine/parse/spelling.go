package parse

import (
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// edit puts text in the place of what the grammar lacks.
type edit struct {
	from, to int // in the whole text
	text     string
}

// token is a token before the one that is looked at.
type token struct {
	typ      int
	val      string
	from, to int // in the whole text; of one inside of /*! … */ they are not known
}

// is reports whether an unquoted token is a word; a @variable of that name is not.
func (t token) is(sql, word string) bool {
	return t.typ != sqlparser.AT_ID && t.typ != sqlparser.AT_AT_ID && t.from >= 0 && t.to <= len(sql) && strings.EqualFold(sql[t.from:t.to], word)
}

// replace notes that tokens from one to another stand for text.
func (p *piece) replace(from, to token, text string) {
	p.edits = append(p.edits, edit{from.from, to.to, text})
}

// respell notes what the grammar needs to be put otherwise at token t; recent
// are the two before it, the last one first.
func (p *piece) respell(sql string, t token, recent [2]token) {
	if p.windows.follows(t.typ, recent[0].typ) {
		p.replace(t, t, ", window") // the grammar wants WINDOW again
	}
	switch t.typ {
	case ',', ')', sqlparser.STRING, sqlparser.INTEGRAL, sqlparser.DECIMAL, sqlparser.FLOAT, sqlparser.NULL, sqlparser.VALUE_ARG:
		return // much of a long text
	}
	last := recent[0]
	switch {
	case p.tokens == 1 && t.is(sql, "do"):
		p.discards = true
		p.replace(t, t, "select")
	case p.tokens == 1 && p.restores:
		p.replace(t, t, "delete")
	case t.is(sql, "table") && (p.tokens == 1 || last.typ == sqlparser.AS || queries[p.verb] && last.typ != '.'):
		p.replace(t, t, "select * from")
	case p.tokens == 2 && t.typ == sqlparser.TABLES && last.typ == sqlparser.DROP:
		p.replace(t, t, "table")
	case p.tokens == 2 && t.typ == sqlparser.TABLE && (p.verb == sqlparser.LOCK || p.verb == sqlparser.UNLOCK):
		p.replace(t, t, "tables")
	case p.tokens == 2 && p.verb == sqlparser.SHOW && t.is(sql, "namespaces"):
		p.replace(t, t, "databases")
	case p.tokens == 3 && p.verb == sqlparser.SHOW && last.typ == sqlparser.CREATE && t.is(sql, "namespace"):
		p.replace(t, t, "database")
	case p.tokens == 2 && explains[p.verb] && t.is(sql, "undelete"):
		p.restores = true
		p.replace(t, t, "delete")
	case p.tokens == 2 && slices.ContainsFunc(ignoredWords[p.verb], func(w string) bool { return t.is(sql, w) }):
		p.replace(t, t, "")
	case p.verb == sqlparser.SET && t.typ == sqlparser.ASSIGNMENT_OPT && p.open == 0:
		p.edits = append(p.edits, edit{t.to - len(":="), t.to, "="})
	case p.verb == sqlparser.SET && p.open == 0 && t.is(sql, "timestamp") && (p.tokens == 2 || last.typ == ',' || last.typ == sqlparser.SESSION):
		p.replace(t, t, "`timestamp`") // a variable, and a keyword
	case nameless[t.typ] && !keywordOf(p.verb, t.typ) && t.from >= 0:
		p.replace(t, t, "`"+sql[t.from:t.to]+"`")
	case beginsKey[t.typ] && last.typ == '(' && p.makesTable(recent[1]):
		p.edits = append(p.edits, edit{t.from, t.from, "`" + noColumn + "` int, "})
		p.noColumn = true
	case t.is(sql, "dec") && last.typ != '.':
		p.replace(t, t, "decimal")
	case t.is(sql, "precision") && last.is(sql, "double"):
		p.replace(t, t, "")
	case t.typ == sqlparser.REAL && p.dialect.RealAsFloat:
		p.replace(t, t, "float")
	case t.is(sql, "serial") && p.namesColumn(sql, recent):
		p.replace(t, t, "bigint unsigned not null auto_increment unique")
	case t.typ == sqlparser.CONSTRAINT && last.typ == sqlparser.ALTER && p.tokens > 2:
		p.replace(t, t, "check") // only a CHECK can be altered
	case t.typ == '(' && last.is(sql, "mid") && last.to == t.from:
		p.replace(last, last, "substr")
	case t.typ == '(' && last.typ == sqlparser.GROUPING && p.verb != sqlparser.CREATE:
		p.replace(last, last, "`grouping`") // a keyword without a rule
	case t.typ == '(' && (last.is(sql, "btree") || last.is(sql, "hash")) && recent[1].is(sql, "using"):
		p.replace(recent[1], last, "")
	case t.is(sql, "all") && last.typ == '(' && aggregates[strings.ToLower(recent[1].val)]:
		p.replace(t, t, "") // COUNT(ALL x) is COUNT(x)
	case t.is(sql, "uuid") && p.verb == sqlparser.CREATE && p.namesColumn(sql, recent):
		// JSON stands for it; the AST is put right later.
		p.replace(t, t, "json")
		p.uuids = append(p.uuids, last.val)
	}
}

// nameless are words that may be names in MySQL, but not in the grammar.
var nameless = map[int]bool{sqlparser.NEXT: true, sqlparser.OFF: true, sqlparser.SAVEPOINT: true}

// keywordOf reports whether a word of nameless has its meaning in a statement.
func keywordOf(verb, word int) bool {
	switch verb {
	case sqlparser.SET, sqlparser.SAVEPOINT, sqlparser.ROLLBACK, sqlparser.RELEASE:
		return word != sqlparser.NEXT
	}
	return false
}

// noColumn stands for a column where CREATE TABLE … SELECT defines none before its keys,
// for the grammar wants one there.
const noColumn = "!none!"

// makesTable reports whether the parenthesis after token last, which is open, begins a
// table's definition.
func (p *piece) makesTable(last token) bool {
	return p.verb == sqlparser.CREATE && p.open == 1 && p.createsTable && last.typ != sqlparser.TABLE
}

// withoutColumn removes what stands for a column.
func withoutColumn(ast sqlparser.Statement) {
	if n, ok := ast.(*sqlparser.CreateTable); ok && n.TableSpec != nil {
		n.TableSpec.Columns = slices.DeleteFunc(n.TableSpec.Columns, func(c *sqlparser.ColumnDefinition) bool {
			return c.Name.EqualString(noColumn)
		})
	}
}

// explains are the statements that show another one's plan.
var explains = map[int]bool{sqlparser.EXPLAIN: true, sqlparser.DESCRIBE: true, sqlparser.DESC: true}

// queries are the first tokens of statements where TABLE t is a query.
var queries = map[int]bool{
	sqlparser.TABLE: true, sqlparser.SELECT: true, sqlparser.WITH: true, '(': true, sqlparser.DO: true,
	sqlparser.INSERT: true, sqlparser.REPLACE: true, sqlparser.UPDATE: true, sqlparser.DELETE: true,
}

// ignoredWords are words that may follow a statement's first one and ask for
// nothing that a transactional table does.
var ignoredWords = map[int][]string{
	sqlparser.INSERT:   {"low_priority", "high_priority", "delayed"},
	sqlparser.REPLACE:  {"low_priority", "delayed"},
	sqlparser.UPDATE:   {"low_priority"},
	sqlparser.DELETE:   {"low_priority", "quick"},
	sqlparser.BEGIN:    {"work"},
	sqlparser.COMMIT:   {"work"},
	sqlparser.ROLLBACK: {"work"},
}

// namesColumn reports whether the last token is the name of a column that is
// defined: CREATE TABLE t (a …, b …), ALTER TABLE t ADD [COLUMN] a ….
func (p *piece) namesColumn(sql string, recent [2]token) bool {
	switch before := recent[1]; {
	case beginsKey[recent[0].typ]:
		return false
	case p.verb == sqlparser.CREATE:
		return before.typ == '(' || before.typ == ','
	case p.verb == sqlparser.ALTER:
		return before.is(sql, "add") || before.is(sql, "column") || before.is(sql, "modify")
	}
	return false
}

// beginsKey are the words that begin an index or constraint in a table's
// definition, where a name comes next.
var beginsKey = map[int]bool{
	sqlparser.KEY: true, sqlparser.INDEX: true, sqlparser.UNIQUE: true, sqlparser.PRIMARY: true,
	sqlparser.CONSTRAINT: true, sqlparser.FOREIGN: true, sqlparser.CHECK: true,
	sqlparser.FULLTEXT: true, sqlparser.SPATIAL: true,
}

// aggregates are the functions whose argument ALL may stand before.
var aggregates = map[string]bool{
	"count": true, "sum": true, "avg": true, "min": true, "max": true, "bit_and": true, "bit_or": true, "bit_xor": true,
	"std": true, "stddev": true, "stddev_pop": true, "stddev_samp": true,
	"variance": true, "var_pop": true, "var_samp": true,
}

// edited returns the text of p with its edits made.
func (p *piece) edited(sql string) string {
	if p.edits == nil {
		return sql[p.start:p.end]
	}
	var b strings.Builder
	at := p.start
	for _, e := range p.edits {
		b.WriteString(sql[at:e.from])
		b.WriteString(e.text)
		at = e.to
	}
	b.WriteString(sql[at:p.end])
	return b.String()
}

// original returns where a byte of the edited text is in the whole text.
func (p *piece) original(at int) int {
	at += p.start
	for _, e := range p.edits {
		switch grown := len(e.text) - (e.to - e.from); {
		case at < e.from:
			return at
		case at < e.from+len(e.text):
			return e.from
		default:
			at -= grown
		}
	}
	return at
}

// windows finds the commas of WINDOW clauses.
type windows struct {
	depth int   // of parentheses
	open  []int // the depths of the clauses that are open
}

// follows reports whether token typ, which comes after last, is a comma before a
// further window.
func (w *windows) follows(typ, last int) bool {
	n := len(w.open)
	defined := n > 0 && w.open[n-1] == w.depth && last == ')'
	switch {
	case defined && typ != ',':
		w.open = w.open[:n-1]
	case typ == sqlparser.WINDOW:
		w.open = append(w.open, w.depth)
	}
	switch typ {
	case '(':
		w.depth++
	case ')':
		w.depth--
	}
	return defined && typ == ','
}

// parens finds the subqueries in FROM that are not followed by an alias.
type parens struct {
	open    []bool // what is open: a subquery in FROM?
	derived []int  // where subqueries in FROM end
}

// add takes note of token t; recent are those before it.
func (s *parens) add(t token, recent [2]token) {
	switch t.typ {
	case sqlparser.SELECT:
		if before := recent[1].typ; recent[0].typ == '(' && (before == sqlparser.FROM || before == sqlparser.JOIN) {
			s.open[len(s.open)-1] = true
		}
	case '(':
		s.open = append(s.open, false)
	case ')':
		if n := len(s.open) - 1; n >= 0 {
			if s.open[n] {
				s.derived = append(s.derived, t.to)
			}
			s.open = s.open[:n]
		}
	}
}

// unread are statements that the grammar lacks, by their first word, and the second
// where there are several.
var unread = map[string][]string{
	"GRANT": nil, "REVOKE": nil, "XA": nil, "HANDLER": nil, "INSTALL": nil, "UNINSTALL": nil, "SIGNAL": nil,
	"RESIGNAL": nil, "HELP": nil, "SHUTDOWN": nil, "RESTART": nil, "CLONE": nil, "BINLOG": nil, "RESET": nil,
	"CACHE": {"INDEX"}, "IMPORT": {"TABLE"},
	"CHANGE": {"MASTER", "REPLICATION"}, "START": {"REPLICA", "SLAVE", "GROUP_REPLICATION"}, "STOP": {"REPLICA", "SLAVE", "GROUP_REPLICATION"},
	"PURGE":  {"BINARY", "MASTER"},
	"CREATE": {"PROCEDURE", "FUNCTION", "EVENT", "ROLE", "SERVER", "TABLESPACE", "AGGREGATE"},
	"DROP":   {"FUNCTION", "EVENT", "ROLE", "SERVER", "TABLESPACE"},
	"ALTER":  {"TRIGGER", "FUNCTION", "EVENT", "ROLE", "SERVER", "TABLESPACE", "PROCEDURE"},
}

// explain returns a better error than a syntax error at a place in the whole
// text, where MySQL has one or knows the construct; else nil.
func (p *piece) explain(sql string, at int) error {
	for _, end := range p.parens.derived {
		if skipBlank(sql, end) == at {
			return sqlerr.DerivedNeedsAlias.New("Every derived table must have its own alias").At(at + 1)
		}
	}
	if next := strings.Fields(strings.ToUpper(sql[at:min(p.end, at+40)])); p.frames.groups != nil && len(next) > 1 && next[0] == "EXCLUDE" {
		return sqlerr.Unsupported("EXCLUDE").At(at + 1)
	}
	words := strings.Fields(strings.ToUpper(sql[p.start:min(p.end, p.start+200)]))
	if len(words) == 0 {
		return nil
	}
	before, here := " "+strings.ToUpper(sql[p.start:at]), strings.ToUpper(sql[at:p.end])
	if fields := strings.Fields(before); len(fields) > 0 {
		before = fields[len(fields)-1]
	}
	switch {
	case before == "AS" && strings.HasPrefix(here, "YEAR"):
		return sqlerr.Unsupported("CAST(... AS YEAR)").At(at + 1)
	case words[0] == "SET" && (before == "PERSIST" || before == "PERSIST_ONLY"):
		return sqlerr.Unsupported("SET %s", before).At(p.start + 1)
	case words[0] == "ALTER" && len(words) > 1 && words[1] == "TABLE" && strings.HasPrefix(here, "ORDER"):
		return sqlerr.Unsupported("ALTER TABLE ... ORDER BY").At(at + 1)
	}
	seconds, known := unread[words[0]]
	switch {
	case known && seconds == nil:
		return sqlerr.Unsupported("%s", words[0]).At(p.start + 1)
	case len(words) > 1 && slices.Contains(seconds, words[1]):
		return sqlerr.Unsupported("%s %s", words[0], words[1]).At(p.start + 1)
	case words[0] == "CREATE" && len(words) > 2 && strings.HasPrefix(words[1], "DEFINER"):
		return sqlerr.Unsupported("CREATE DEFINER").At(p.start + 1)
	}
	return nil
}
