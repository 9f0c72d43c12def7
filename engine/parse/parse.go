// Package parse turns SQL text into statements: Vitess's grammar for MySQL 8,
// with Kalam's additions.
package parse

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// MySQLVersion is the version whose grammar is understood; /*!80000 … */
// comments up to it are read.
const MySQLVersion = "8.0.40"

// maxDepth bounds how deep expressions and queries may be nested, for what
// comes after recurses over them. A chain of operators nests, too; one of AND
// or OR counts a quarter, since it becomes a list.
const maxDepth = 5000

// Statement is one parsed statement. It is immutable: who wants to change the
// AST clones it first.
type Statement struct {
	AST    sqlparser.Statement
	SQL    string // its text, without comments around it and the semicolon
	Offset int    // of SQL in the whole text, bytes

	Dialect Dialect // in which SQL was read

	// Params is the number of parameters; the AST has them as :v1 to :vN.
	Params int
	// First is the place of :v1 among the positional parameters of the whole
	// text.
	First int
	// Names are those of :v1 … when parameters are named, else nil.
	Names []string
	// Variables tells that the statement names @@variables.
	Variables bool
	// UserVariables are the names, in lower case, of the @variables that the
	// statement reads: the AST has them as parameters after its own Params.
	UserVariables []string
	// Into are the @variables of SELECT ... INTO.
	Into []string
	// Returning is the RETURNING clause of a statement that writes, or nil.
	Returning *Returning
	// Discards tells that the statement is DO: a query whose rows nobody gets.
	Discards bool
	// Chain tells that a transaction begins where COMMIT or ROLLBACK ends one.
	Chain bool
	// Locking are the locking clauses that the AST cannot have, see LockingOf.
	Locking []Locking
	// Restores tells that the DELETE of the AST stands for UNDELETE.
	Restores bool
	// Load is what the AST of LOAD DATA lacks.
	Load *LoadData
}

var parser = func() *sqlparser.Parser {
	p, err := sqlparser.New(sqlparser.Options{MySQLServerVersion: MySQLVersion})
	if err != nil {
		panic(err) // the version is a constant
	}
	return p
}()

// Parse parses the statements of a text, separated by semicolons. Empty ones
// are skipped; a text of nothing else is sqlerr.EmptyQuery. Other errors:
// sqlerr.Syntax, and WrongArguments for positional and named parameters mixed.
func Parse(sql string) ([]*Statement, error) { return Dialect{}.parse(sql) }

func (d Dialect) parse(sql string) ([]*Statement, error) {
	text := unwrapped(sql, ownComment)
	if commentedTrigger(sql) {
		text = unwrapped(text, versionComment)
	}
	text = quotedHosts(text)
	pieces, err := d.split(unlabelled(text))
	if err != nil {
		return nil, err
	}
	if len(pieces) == 0 {
		return nil, sqlerr.EmptyQuery.New("Query was empty")
	}
	list := make([]*Statement, 0, len(pieces))
	first, named := 0, false
	for i := range pieces {
		p := &pieces[i]
		named = named || p.names != nil
		st := &Statement{SQL: sql[p.start:p.end], Offset: p.start, First: first, Dialect: d}
		if err := st.parse(text, p); err != nil {
			return nil, err
		}
		first += p.positional
		list = append(list, st)
	}
	if named && first > 0 {
		return nil, sqlerr.WrongArguments.New("Positional (?) and named (:name) parameters cannot be mixed")
	}
	return list, nil
}

// unlabelled returns a text whose triggers have no labels that the tokenizer cannot read.
func unlabelled(sql string) string {
	if !strings.Contains(sql, ":") || !mentionsTrigger(sql) {
		return sql
	}
	return withoutLabels(sql)
}

// ParseExpr parses a single expression, such as a column's default.
func ParseExpr(sql string) (sqlparser.Expr, error) {
	e, err := parser.ParseExpr(sql)
	if err != nil {
		return nil, sqlerr.Syntax.Wrap(err, "Incorrect expression: %s", sql)
	}
	return e, nil
}

// piece is where a statement lies in the text and what its tokens tell.
type piece struct {
	dialect       Dialect
	piped         bool // there is a || that is CONCAT
	createsTable  bool // it is CREATE TABLE, whose definition may begin
	noColumn      bool // there is one that stands for none
	start, end    int
	positional    int
	names         []string // of named parameters, once each
	edits         []edit
	uuids         []string // columns of type UUID
	collate       string   // the last collation named
	primary       int      // number of times that PRIMARY stands there
	variables     bool     // there are @@variables
	userVariables bool     // there are @variables
	verb          int      // the first token
	tokens        int      // read so far
	discards      bool     // it is DO: a query whose rows nobody wants
	restores      bool     // it is UNDELETE
	returning     returning
	parens        parens
	windows       windows
	spelledType   spelledType
	setOps        setOps
	checks        columnChecks
	lockings      lockings
	frames        frames
	table         tableWords
	definer       bool // CREATE DEFINER
	isTrigger     bool // CREATE or DROP TRIGGER
	blocks        blocks
	// What expressions can nest by: the parentheses that are open at most, and
	// the number of words and operators.
	open, deepest, words int
}

// split finds the statements of a text.
func (d Dialect) split(sql string) ([]piece, error) {
	t := parser.NewStringTokenizer(sql)
	var pieces []piece
	p := piece{dialect: d}
	var recent [2]token // the tokens before, the last one first
	empty := true
	finish := func(end int) {
		if !empty {
			p.endChecks(sql)
			p.end = end
			p.setOps.finish(&p, min(recent[0].to, end))
			pieces = append(pieces, p)
		}
		p, recent, empty = piece{dialect: d}, [2]token{}, true
	}
	for {
		from := t.Pos
		typ, val := t.Scan()
		if empty {
			// Here the token begins, or the /*!80000 … that it stands in.
			p.start = skipBlank(sql, from)
		}
		switch typ {
		case sqlparser.LEX_ERROR:
			empty = false // the parser will tell what is wrong
			fallthrough
		case 0:
			finish(len(sql))
			return pieces, nil
		case ';':
			if p.isTrigger && p.blocks.add(";", typ) {
				continue
			}
			finish(t.Pos - 1)
			continue
		case sqlparser.COMMENT:
			continue
		}
		if empty {
			if p.restores = typ == sqlparser.ID && strings.EqualFold(val, "undelete"); p.restores {
				typ = sqlparser.DELETE
			}
			empty, p.verb = false, typ
		}
		p.tokens++
		one := token{typ, val, t.Pos - max(len(val), 1), t.Pos}
		if p.isTrigger {
			word := "@"
			if typ != sqlparser.AT_ID {
				word = strings.ToUpper(sql[max(one.from, 0):one.to]) // not what is within quotes
			}
			p.blocks.add(word, typ)
			if typ == sqlparser.VALUE_ARG {
				return nil, syntaxError(sql, t.Pos-len(val))
			}
			recent = [2]token{one, recent[0]}
			continue
		}
		p.isTrigger = typ == sqlparser.TRIGGER && (p.verb == sqlparser.CREATE && (p.tokens == 2 || p.definer) || p.verb == sqlparser.DROP && p.tokens == 2)
		p.createsTable = p.createsTable || typ == sqlparser.TABLE && p.verb == sqlparser.CREATE && p.tokens <= 3
		p.definer = p.definer || p.tokens == 2 && one.is(sql, "definer")
		if p.table.add(&p, sql, one, recent[0]) {
			recent = [2]token{one, recent[0]}
			continue
		}
		p.moveChecks(sql, one)
		p.returning.find(&p, one, recent[0])
		p.frames.add(&p, sql, one, recent)
		p.pipe(sql, one)
		p.respell(sql, one, recent)
		p.respellOption(sql, one, recent)
		p.respellType(sql, one, recent)
		p.parens.add(one, recent)
		p.setOps.add(&p, sql, one, recent)
		p.lockings.add(&p, one, recent[0])
		switch typ {
		case '(':
			p.open++
			p.deepest = max(p.deepest, p.open)
		case ')':
			p.open--
			p.createsTable = false // its definition was
		case ',', sqlparser.STRING, sqlparser.INTEGRAL, sqlparser.DECIMAL, sqlparser.FLOAT, sqlparser.NULL:
		default:
			p.words++
		}
		switch typ {
		case sqlparser.AT_ID:
			p.userVariables = true
		case sqlparser.AT_AT_ID:
			p.variables = true
		case sqlparser.VALUE_ARG:
			p.words-- // a literal, too
			if sql[t.Pos-1] == '?' {
				p.positional++
			} else if name := val[1:]; !slices.Contains(p.names, name) {
				p.names = append(p.names, name)
			}
		case sqlparser.LIST_ARG, sqlparser.OFFSET_ARG:
			return nil, syntaxError(sql, t.Pos-len(val))
		case sqlparser.PRIMARY:
			p.primary++
		}
		if recent[0].typ == sqlparser.COLLATE {
			p.collate = val
		}
		recent = [2]token{one, recent[0]}
	}
}

// skipBlank returns the first place from at on that is not blank.
func skipBlank(sql string, at int) int {
	for at < len(sql) && strings.IndexByte(" \t\r\n", sql[at]) >= 0 {
		at++
	}
	return min(at, len(sql))
}

// parse fills st from piece p of sql.
func (st *Statement) parse(sql string, p *piece) error {
	if ast, err := p.own(sql, st); ast != nil || err != nil {
		st.AST = ast
		return err
	}
	if p.isTrigger {
		var err error
		st.AST, err = p.trigger(sql)
		return err
	}
	text := p.edited(sql)
	clause := p.returning.cut(p, &text)
	ast, err := p.parse(sql, text, 0)
	if err != nil {
		return err
	}
	if clause > 0 {
		if st.Returning, err = p.returning.parse(sql, p, clause); err != nil {
			return err
		}
	}
	if d, ok := ast.(interface{ IsFullyParsed() bool }); ok && !d.IsFullyParsed() {
		return syntaxError(sql, p.start)
	}
	if p.noColumn {
		withoutColumn(ast)
	}
	if err := dropped(ast, p); err != nil {
		return err
	}
	for _, column := range p.uuids {
		markUUID(ast, column)
	}
	st.AST, st.Params, st.Names, st.Variables, st.Discards = ast, p.positional+len(p.names), p.names, p.variables, p.discards
	st.Restores = p.restores
	st.Locking = p.lockings.assign(ast)
	if !p.frames.assign(ast) {
		return syntaxError(sql, p.frames.at)
	}
	if st.AST, err = p.table.wrap(sql, p, ast); err != nil {
		return err
	}
	if _, ok := ast.(*sqlparser.Load); ok {
		if st.Params > 0 {
			return sqlerr.Unsupported("parameters in LOAD DATA")
		}
		if st.Load, err = parseLoad(sql[p.start:p.end]); err != nil {
			return err
		}
	}
	if err := st.finish(p); err != nil {
		return err
	}
	return st.userVariables(p)
}

// parse parses a part of p's edited text, which begins at byte from there.
func (p *piece) parse(sql, text string, from int) (sqlparser.Statement, error) {
	ast, err := parseStrict(text)
	if err == nil {
		return p.rewrite(ast)
	}
	// A blank at the end tells an error at the end from one in the last token.
	text += " "
	var at sqlparser.PositionedErr
	if _, again := parseStrict(text); errors.As(again, &at) {
		at := p.original(from + lastToken(text, at.Pos-1))
		if err := p.explain(sql, at); err != nil {
			return nil, err
		}
		return nil, syntaxError(sql, at)
	}
	return nil, sqlerr.Syntax.Wrap(err, "You have an error in your SQL syntax; %v", err).At(p.start + 1)
}

// parseStrict is Vitess's parser. On some broken texts, such as SET @@session.,
// it panics.
func parseStrict(text string) (ast sqlparser.Statement, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the statement is incomplete")
		}
	}()
	return parser.ParseStrictDDL(text)
}

// dropped refuses what the grammar reads but leaves out of the AST: a collation
// after SET NAMES, and all but the last of a column's keys.
func dropped(ast sqlparser.Statement, p *piece) error {
	what := ""
	switch n := ast.(type) {
	case *sqlparser.Set:
		if p.collate != "" && !strings.EqualFold(p.collate, "utf8mb4_bin") {
			what = "SET NAMES ... COLLATE " + p.collate
		}
	case *sqlparser.CreateTable:
		if n.TableSpec == nil {
			break
		}
		keys := 0
		for _, c := range n.TableSpec.Columns {
			if c.Type.Options != nil && c.Type.Options.KeyOpt == sqlparser.ColKeyPrimary {
				keys++
			}
		}
		for _, ix := range n.TableSpec.Indexes {
			if ix.Info.Type == sqlparser.IndexTypePrimary {
				keys++
			}
		}
		if keys < p.primary {
			what = "PRIMARY KEY followed by UNIQUE"
		}
	}
	if what == "" {
		return nil
	}
	return sqlerr.Unsupported("%s", what).At(p.start + 1)
}

// finish walks over the AST, where it needs to: it numbers named parameters and
// refuses what is nested too deeply.
func (st *Statement) finish(p *piece) error {
	if p.names == nil && p.deepest+p.words < maxDepth/2 {
		return nil
	}
	depth, deep := 0, false // depth in quarters
	weight := func(n sqlparser.SQLNode) int {
		switch n.(type) {
		case *sqlparser.AndExpr, *sqlparser.OrExpr:
			return 1
		}
		return 4
	}
	enter := func(c *sqlparser.Cursor) bool {
		if depth >= 4*maxDepth {
			deep = true
			return false
		}
		depth += weight(c.Node())
		if a, ok := c.Node().(*sqlparser.Argument); ok {
			if i := slices.Index(p.names, a.Name); i >= 0 {
				a.Name = "v" + strconv.Itoa(i+1)
			}
		}
		return true
	}
	leave := func(c *sqlparser.Cursor) bool {
		depth -= weight(c.Node())
		return true
	}
	sqlparser.Rewrite(st.AST, enter, leave)
	if st.Returning != nil {
		depth = 0
		sqlparser.Rewrite(st.Returning.List, enter, leave)
	}
	if deep {
		return sqlerr.Unsupported("expressions nested more than %d deep", maxDepth).At(p.start + 1)
	}
	return nil
}

// markUUID makes a column of a CREATE TABLE a UUID.
func markUUID(ast sqlparser.Statement, column string) {
	c, ok := ast.(*sqlparser.CreateTable)
	if !ok || c.TableSpec == nil {
		return
	}
	for _, d := range c.TableSpec.Columns {
		if d.Name.EqualString(column) {
			d.Type.Type = "uuid"
		}
	}
}

// lastToken returns where the token that ends at pos begins in text, which has
// a blank at the end.
func lastToken(text string, pos int) int {
	t := parser.NewStringTokenizer(text)
	for {
		start := t.Pos
		typ, _ := t.Scan()
		if t.Pos >= pos || typ == 0 || typ == sqlparser.LEX_ERROR {
			if typ == 0 {
				return len(text) - 1
			}
			return skipBlank(text, start)
		}
	}
}

// syntaxError is MySQL's error for a token that does not fit, at a byte offset
// of the whole text.
func syntaxError(sql string, offset int) error {
	offset = min(max(offset, 0), len(sql))
	near := shownFrom(sql, offset)
	if len(near) > 80 {
		n := 80
		for n > 0 && !utf8.RuneStart(near[n]) {
			n--
		}
		near = near[:n]
	}
	line := 1 + strings.Count(sql[:offset], "\n")
	return sqlerr.Syntax.New("You have an error in your SQL syntax; check the manual that corresponds to MySQL 8.0 "+
		"for the right syntax to use near '%s' at line %d", near, line).At(offset + 1)
}
