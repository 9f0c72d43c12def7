package parse

import (
	"regexp"
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// CreateTrigger is CREATE TRIGGER.
type CreateTrigger struct {
	*sqlparser.OtherAdmin

	Name        sqlparser.TableName
	Table       sqlparser.TableName
	IfNotExists bool
	Before      bool
	Event       string // INSERT, UPDATE or DELETE
	Follows     string // the trigger that it comes after, or ""
	Precedes    string // the trigger that it comes before, or ""
	Body        string // see ParseBody
	SQL         string // the statement without FOLLOWS and PRECEDES, which later triggers may make untrue
}

// DropTrigger is DROP TRIGGER.
type DropTrigger struct {
	*sqlparser.OtherAdmin

	Name     sqlparser.TableName
	IfExists bool
}

// blocks finds the semicolons within the body of a trigger.
type blocks struct {
	begun  bool     // the body has begun
	open   []string // BEGIN, IF, CASE, WHILE, REPEAT, or case: an expression
	start  bool     // a statement begins
	ended  bool     // END was the last token
	before string   // the last token
	skip   int      // tokens that are names
	label  bool     // the last token may be a label: it began a statement
	// handler tells that the statement is DECLARE … HANDLER, within which another begins.
	handler bool
}

// beginsBlock are the words that begin a statement with others in it.
var beginsBlock = map[string]bool{"BEGIN": true, "IF": true, "CASE": true, "WHILE": true, "REPEAT": true, "LOOP": true}

// add takes note of a token and reports whether it belongs to the body although it is a
// semicolon.
func (b *blocks) add(word string, typ int) bool {
	before := b.before
	b.before = word
	if !b.begun {
		b.begun, b.start = before == "EACH" && word == "ROW", true
		return false
	}
	if b.skip > 0 {
		b.skip--
		return false
	}
	if b.ended {
		b.ended = false
		switch word {
		case "IF", "CASE", "WHILE", "REPEAT", "LOOP":
			return false
		}
	}
	start := b.start || b.handler && beginsBlock[word]
	b.handler = b.handler && !start && word != ";" || word == "HANDLER" && (before == "CONTINUE" || before == "EXIT")
	b.start, b.label = typ == '~' && b.label, start
	push := func(kind string, next bool) { b.open, b.start = append(b.open, kind), next }
	top := ""
	if n := len(b.open); n > 0 {
		top = b.open[n-1]
	}
	switch word {
	case ";":
		b.start = true
		return top != ""
	case "FOLLOWS", "PRECEDES":
		if before == "ROW" {
			b.skip, b.start = 1, true
		}
	case "BEGIN", "REPEAT", "LOOP":
		if start {
			push(word, true)
		}
	case "IF", "WHILE":
		if start {
			push(word, false)
		}
	case "CASE":
		if start {
			push("CASE", false)
		} else {
			push("case", false)
		}
	case "THEN", "ELSE":
		b.start = top == "IF" || top == "CASE"
	case "DO":
		b.start = top == "WHILE"
	case "END":
		if top != "" {
			b.open = b.open[:len(b.open)-1]
		}
		b.ended = top != "case"
	}
	return false
}

// trigger parses the statement of a piece, CREATE or DROP TRIGGER.
func (p *piece) trigger(sql string) (sqlparser.Statement, error) {
	r := newBodyReader(sql, p.start, p.end)
	if r.take("DROP") {
		r.next() // TRIGGER
		d := &DropTrigger{IfExists: r.take("IF")}
		if d.IfExists {
			r.want("EXISTS")
		}
		d.Name = r.tableName()
		r.wantEnd()
		return d, r.err
	}
	r.next() // CREATE
	for !r.take("TRIGGER") && !r.end() {
		r.next() // DEFINER = user
	}
	c := &CreateTrigger{}
	if r.take("IF") {
		r.want("NOT")
		r.want("EXISTS")
		c.IfNotExists = true
	}
	c.Name = r.tableName()
	if c.Before = r.take("BEFORE"); !c.Before {
		r.want("AFTER")
	}
	switch {
	case r.take("INSERT"):
		c.Event = "INSERT"
	case r.take("UPDATE"):
		c.Event = "UPDATE"
	default:
		r.want("DELETE")
		c.Event = "DELETE"
	}
	r.want("ON")
	c.Table = r.tableName()
	r.want("FOR")
	r.want("EACH")
	r.want("ROW")
	order := r.pos()
	if r.take("FOLLOWS") {
		c.Follows = r.name()
	} else if r.take("PRECEDES") {
		c.Precedes = r.name()
	}
	if r.err != nil {
		return nil, r.err
	}
	c.SQL = sql[p.start:order] + sql[r.pos():p.end]
	c.Body = sql[r.pos():p.end]
	if r.end() {
		return nil, r.syntax()
	}
	r.statement()
	r.wantEnd()
	if r.err == nil {
		r.err = p.dialect.refuse(c)
	}
	return c, r.err
}

// The statements of bodies.
type (
	// Block is BEGIN … END, or the statements of an arm.
	Block struct {
		Label string
		List  []any
	}
	// Declare is DECLARE names type [DEFAULT value].
	Declare struct {
		Names   []string
		Type    *sqlparser.ColumnType
		Default sqlparser.Expr // or nil
	}
	// Assign is one of SET's assignments: to NEW.Name, to a variable of the session, whose
	// name is in lower case, or to one of the body.
	Assign struct {
		New, Session bool
		Name         string
		Value        sqlparser.Expr
	}
	// If is IF and CASE: the first arm whose condition is true, else Else.
	If struct {
		Conds []sqlparser.Expr
		Arms  []*Block
		Else  *Block // nil: there is none
		Case  bool   // without an arm that fits there is an error
	}
	// Loop is WHILE cond DO …, with Until REPEAT … UNTIL cond, and without Cond LOOP.
	Loop struct {
		Label string
		Cond  sqlparser.Expr
		Body  *Block
		Until bool
	}
	// Leave is LEAVE and ITERATE.
	Leave struct {
		Label   string
		Iterate bool
	}
	// Condition is what a handler is for: an error number, an SQLSTATE, a class of those
	// (SQLWARNING, NOT FOUND, SQLEXCEPTION), or a declared name of a condition.
	Condition struct {
		Number             int
		State, Class, Name string
	}
	// DeclareCondition is DECLARE name CONDITION FOR ….
	DeclareCondition struct {
		Name string
		Is   Condition
	}
	// DeclareHandler is DECLARE CONTINUE or EXIT HANDLER FOR … statement.
	DeclareHandler struct {
		Continue bool
		For      []Condition
		Body     any
	}
	// Signal is SIGNAL, or RESIGNAL, of the condition that is handled if it names none.
	Signal struct {
		Again   bool // RESIGNAL
		State   string
		Name    string         // of a condition, in the place of State
		Message sqlparser.Expr // or nil
		Number  sqlparser.Expr // or nil
	}
	// SQL is an INSERT, REPLACE, UPDATE, DELETE or, with Into, SELECT.
	SQL struct {
		AST  sqlparser.Statement
		Into []Assign // without values
	}
)

// ParseBody parses the body of a trigger.
func ParseBody(body string) (any, error) {
	r := newBodyReader(body, 0, len(body))
	s := r.statement()
	r.wantEnd()
	return s, r.err
}

// bodyReader reads the tokens of a body.
type bodyReader struct {
	sql    string
	tokens []token
	at     int
	stop   int // where the text ends
	labels []string
	err    error
}

func newBodyReader(sql string, start, end int) *bodyReader {
	r := &bodyReader{sql: sql, stop: end}
	t := parser.NewStringTokenizer(withoutLabels(sql[start:end]))
	for {
		before := t.Pos
		typ, val := t.Scan()
		switch typ {
		case 0:
			return r
		case sqlparser.LEX_ERROR: // fits nowhere
			r.tokens = append(r.tokens, token{from: skipBlank(sql, start+before), to: end})
			return r
		case sqlparser.COMMENT:
			continue
		}
		r.tokens = append(r.tokens, token{typ, val, skipBlank(sql, start+before), min(start+t.Pos, end)})
	}
}

func (r *bodyReader) end() bool { return r.err != nil || r.at >= len(r.tokens) }

func (r *bodyReader) peek() token {
	if r.end() {
		return token{from: -1}
	}
	return r.tokens[r.at]
}

func (r *bodyReader) next() token {
	t := r.peek()
	r.at++
	return t
}

// pos returns where the next token begins.
func (r *bodyReader) pos() int {
	if r.end() {
		return r.stop
	}
	return r.tokens[r.at].from
}

func (r *bodyReader) syntax() error {
	if r.err == nil {
		r.err = syntaxError(r.sql[:r.stop], r.pos())
	}
	return r.err
}

// is reports whether the next token is a word or a mark.
func (r *bodyReader) is(word string) bool {
	t := r.peek()
	return t.typ != sqlparser.STRING && t.is(r.sql, word)
}

func (r *bodyReader) take(word string) bool {
	if r.end() || !r.is(word) {
		return false
	}
	r.at++
	return true
}

func (r *bodyReader) want(word string) {
	if !r.take(word) {
		r.syntax()
	}
}

func (r *bodyReader) wantEnd() {
	r.take(";")
	if r.err == nil && r.at < len(r.tokens) {
		r.syntax()
	}
}

func (r *bodyReader) name() string {
	t := r.next()
	if t.val == "" || t.typ == sqlparser.STRING || t.typ < 256 {
		r.at--
		r.syntax()
	}
	return t.val
}

func (r *bodyReader) tableName() sqlparser.TableName {
	n := sqlparser.TableName{Name: sqlparser.NewIdentifierCS(r.name())}
	if r.take(".") {
		n.Qualifier = n.Name
		n.Name = sqlparser.NewIdentifierCS(r.name())
	}
	return n
}

// labels finds the colons of labels, which the tokenizer takes for those of parameters.
var labels = regexp.MustCompile("(?i)[a-z0-9_$`]:\\s*(?:begin|loop|while|repeat)\\b")

// withoutLabels returns a text of the same length with ~ in the place of the colons that
// labels have.
func withoutLabels(sql string) string {
	if !strings.Contains(sql, ":") {
		return sql
	}
	return labels.ReplaceAllStringFunc(sql, func(s string) string { return strings.Replace(s, ":", "~", 1) })
}

// label reads a label before a statement, if there is one.
func (r *bodyReader) label() string {
	if r.at+1 >= len(r.tokens) || !r.tokens[r.at+1].is(r.sql, ":") {
		return ""
	}
	name := r.name()
	r.next()
	for _, l := range r.labels {
		if strings.EqualFold(l, name) && r.err == nil {
			r.err = sqlerr.LabelRedefined.New("Redefining label %s", name)
		}
	}
	return name
}

// within reads what a label is of, to its end, where the label may stand again.
func (r *bodyReader) within(label string, read func()) {
	r.labels = append(r.labels, label)
	read()
	r.labels = r.labels[:len(r.labels)-1]
	if t := r.peek(); r.err == nil && t.typ == sqlparser.ID && !r.is(";") {
		if name := r.name(); !strings.EqualFold(name, label) && r.err == nil {
			r.err = sqlerr.LabelMismatch.New("End-label %s without match", name)
		}
	}
}

// loop reads a loop behind its first word.
func (r *bodyReader) loop(kind string) *Loop {
	l := &Loop{Until: kind == "REPEAT"}
	switch kind {
	case "WHILE":
		l.Cond = r.expr("DO")
		r.want("DO")
		l.Body = r.block("END")
	case "REPEAT":
		l.Body = r.block("UNTIL")
		r.want("UNTIL")
		l.Cond = r.expr("END")
	default:
		l.Body = r.block("END")
	}
	r.want("END")
	r.want(kind)
	return l
}

// statement reads a statement.
func (r *bodyReader) statement() any {
	if r.end() {
		r.syntax()
		return nil
	}
	label := r.label()
	for _, kind := range []string{"LOOP", "WHILE", "REPEAT"} {
		if r.take(kind) {
			var l *Loop
			r.within(label, func() { l = r.loop(kind) })
			l.Label = label
			return l
		}
	}
	switch {
	case r.take("BEGIN"):
		var b *Block
		r.within(label, func() {
			b = r.block("END")
			r.want("END")
		})
		b.Label = label
		return b
	case label != "":
		r.syntax()
		return nil
	case r.take("LEAVE"):
		return &Leave{Label: r.name()}
	case r.take("ITERATE"):
		return &Leave{Label: r.name(), Iterate: true}
	case r.take("DECLARE"):
		return r.declare()
	case r.take("SET"):
		return r.set()
	case r.take("IF"):
		return r.ifs()
	case r.take("CASE"):
		return r.cases()
	case r.take("SIGNAL"):
		return r.signal(false)
	case r.take("RESIGNAL"):
		return r.signal(true)
	}
	for _, word := range []string{"GET", "OPEN", "FETCH", "CLOSE", "RETURN"} {
		if r.is(word) {
			r.refuse(word + " in a trigger")
			return nil
		}
	}
	return r.query()
}

// block reads statements up to one of words.
func (r *bodyReader) block(words ...string) *Block {
	b := &Block{}
	for !r.end() {
		for _, w := range words {
			if r.is(w) {
				return b
			}
		}
		s := r.statement()
		if !r.take(";") {
			r.syntax()
			return b
		}
		b.List = append(b.List, s)
	}
	r.syntax()
	return b
}

func (r *bodyReader) declare() any {
	d := &Declare{Names: []string{r.name()}}
	for r.take(",") {
		d.Names = append(d.Names, r.name())
	}
	kind := strings.ToUpper(d.Names[0])
	switch {
	case r.is("CURSOR"):
		r.refuse("DECLARE CURSOR")
		return nil
	case r.take("CONDITION"):
		r.want("FOR")
		return &DeclareCondition{d.Names[0], r.condition()}
	case (kind == "CONTINUE" || kind == "EXIT") && r.take("HANDLER"):
		h := &DeclareHandler{Continue: kind == "CONTINUE"}
		r.want("FOR")
		h.For = append(h.For, r.condition())
		for r.take(",") {
			h.For = append(h.For, r.condition())
		}
		h.Body = r.statement()
		return h
	case r.is("HANDLER"): // UNDO
		r.refuse("DECLARE " + kind + " HANDLER")
		return nil
	}
	from := r.pos()
	for !r.end() && !r.is(";") && !r.is("DEFAULT") {
		r.next()
	}
	st, err := parseStrict("create table t (c " + r.sql[from:r.pos()] + ")")
	create, ok := st.(*sqlparser.CreateTable)
	if err != nil || !ok || len(create.TableSpec.Columns) != 1 {
		r.syntax()
		return nil
	}
	d.Type = create.TableSpec.Columns[0].Type
	if r.take("DEFAULT") {
		d.Default = r.expr(";")
	}
	return d
}

// condition reads what a handler or a condition's name is for.
func (r *bodyReader) condition() Condition {
	t := r.peek()
	switch {
	case r.take("SQLSTATE"):
		return Condition{State: r.state()}
	case t.typ == sqlparser.INTEGRAL:
		n, err := strconv.Atoi(r.next().val)
		if err != nil || n <= 0 {
			r.at--
			r.syntax()
		}
		return Condition{Number: n}
	case r.take("SQLWARNING"):
		return Condition{Class: "SQLWARNING"}
	case r.take("SQLEXCEPTION"):
		return Condition{Class: "SQLEXCEPTION"}
	case r.take("NOT"):
		r.want("FOUND")
		return Condition{Class: "NOT FOUND"}
	}
	return Condition{Name: r.name()}
}

// state reads what follows SQLSTATE.
func (r *bodyReader) state() string {
	r.take("VALUE")
	t := r.next()
	if t.typ != sqlparser.STRING || len(t.val) != 5 {
		r.at--
		r.syntax()
	}
	return t.val
}

func (r *bodyReader) refuse(what string) {
	if r.err == nil {
		r.err = sqlerr.Unsupported("%s", what).At(r.pos() + 1)
	}
}

func (r *bodyReader) set() any {
	b := &Block{}
	for {
		a := r.target()
		if !r.take("=") {
			r.want(":=")
		}
		a.Value = r.expr(",", ";")
		b.List = append(b.List, &a)
		if !r.take(",") {
			return b
		}
	}
}

// target reads what a value is assigned to.
func (r *bodyReader) target() Assign {
	switch t := r.peek(); t.typ {
	case sqlparser.AT_ID:
		r.next()
		return Assign{Session: true, Name: strings.ToLower(t.val)}
	case sqlparser.AT_AT_ID:
		r.refuse("@@variables in triggers")
	}
	a := Assign{Name: r.name()}
	if r.take(".") {
		if !strings.EqualFold(a.Name, "NEW") {
			r.at--
			r.syntax()
		}
		a.New, a.Name = true, r.name()
	}
	return a
}

func (r *bodyReader) ifs() any {
	n := &If{}
	for {
		n.Conds = append(n.Conds, r.expr("THEN"))
		r.want("THEN")
		n.Arms = append(n.Arms, r.block("ELSEIF", "ELSE", "END"))
		if r.take("ELSEIF") {
			continue
		}
		if r.take("ELSE") {
			n.Else = r.block("END")
		}
		r.want("END")
		r.want("IF")
		return n
	}
}

func (r *bodyReader) cases() any {
	n := &If{Case: true}
	var base sqlparser.Expr
	if !r.is("WHEN") {
		base = r.expr("WHEN")
	}
	for r.take("WHEN") {
		cond := r.expr("THEN")
		if base != nil {
			cond = &sqlparser.ComparisonExpr{Operator: sqlparser.EqualOp, Left: base, Right: cond}
		}
		n.Conds = append(n.Conds, cond)
		r.want("THEN")
		n.Arms = append(n.Arms, r.block("WHEN", "ELSE", "END"))
	}
	if r.take("ELSE") {
		n.Else = r.block("END")
	}
	r.want("END")
	r.want("CASE")
	return n
}

func (r *bodyReader) signal(again bool) any {
	s := &Signal{Again: again}
	switch {
	case r.take("SQLSTATE"):
		s.State = r.state()
	case again && (r.end() || r.is(";") || r.is("SET")):
	default:
		s.Name = r.name()
	}
	if !r.take("SET") {
		return s
	}
	for {
		item := strings.ToUpper(r.name())
		r.want("=")
		v := r.expr(",", ";")
		switch item {
		case "MESSAGE_TEXT":
			s.Message = v
		case "MYSQL_ERRNO":
			s.Number = v
		}
		if !r.take(",") {
			return s
		}
	}
}

// expr reads an expression up to one of words, outside of parentheses and
// CASE.
func (r *bodyReader) expr(words ...string) sqlparser.Expr {
	from := r.pos()
	depth := 0
	for ; !r.end(); r.next() {
		if depth == 0 {
			done := r.is(";")
			for _, w := range words {
				done = done || r.is(w)
			}
			if done {
				break
			}
		}
		switch {
		case r.is("("), r.is("CASE"):
			depth++
		case r.is(")"), r.is("END"):
			depth--
		}
	}
	if r.err != nil {
		return nil
	}
	text := r.sql[from:r.pos()]
	list, err := Parse("do (" + text + ")")
	if err != nil || len(list) != 1 {
		if e := sqlerr.As(err); e != nil && e.Kind != sqlerr.Syntax {
			r.err = err
			return nil
		}
		r.err = syntaxError(r.sql[:r.stop], from)
		return nil
	}
	q, ok := list[0].AST.(*sqlparser.Select)
	if !ok || len(q.SelectExprs.Exprs) != 1 {
		r.err = syntaxError(r.sql[:r.stop], from)
		return nil
	}
	one, ok := q.SelectExprs.Exprs[0].(*sqlparser.AliasedExpr)
	if !ok {
		r.err = syntaxError(r.sql[:r.stop], from)
		return nil
	}
	return r.vars(list[0], one.Expr).(sqlparser.Expr)
}

// vars puts the @variables back in the places of the parameters that n, a part of st, has
// for them. It refuses system variables.
func (r *bodyReader) vars(st *Statement, n sqlparser.SQLNode) sqlparser.SQLNode {
	return sqlparser.Rewrite(n, func(c *sqlparser.Cursor) bool {
		switch n := c.Node().(type) {
		case *sqlparser.Argument:
			for i, name := range st.UserVariables {
				if n.Name == st.variableParameter(i) {
					c.Replace(sqlparser.NewVariableExpression(name, sqlparser.SingleAt))
					return false
				}
			}
		case *sqlparser.Variable:
			r.refuse(sqlparser.String(n) + " in triggers")
		}
		return r.err == nil
	}, nil)
}

// query reads a statement of SQL, which ends at a semicolon.
func (r *bodyReader) query() any {
	verb := r.peek()
	from := r.pos()
	s := &SQL{}
	var text strings.Builder
	depth := 0
	for ; !r.end() && !(depth == 0 && r.is(";")); r.next() {
		switch {
		case r.is("("), r.is("CASE"):
			depth++
		case r.is(")"), r.is("END"):
			depth--
		}
		if depth < 0 {
			break
		}
		if depth == 0 && r.is("INTO") && verb.typ == sqlparser.SELECT && s.Into == nil {
			text.WriteString(r.sql[from:r.pos()])
			r.next()
			for {
				s.Into = append(s.Into, r.target())
				if !r.take(",") {
					break
				}
			}
			from = r.pos()
			r.at--
		}
	}
	if r.err != nil {
		return nil
	}
	text.WriteString(r.sql[from:r.pos()])
	list, err := Parse(text.String())
	switch e := sqlerr.As(err); {
	case e != nil && e.Kind == sqlerr.Syntax:
		r.err = syntaxError(r.sql[:r.stop], from)
		return nil
	case err != nil:
		r.err = err
		return nil
	}
	s.AST = list[0].AST
	locks := len(list[0].Locking) > 0
	_ = sqlparser.Walk(func(n sqlparser.SQLNode) (bool, error) {
		switch q := n.(type) {
		case *sqlparser.Select:
			locks = locks || q.Lock != sqlparser.NoLock
		case *sqlparser.Union:
			locks = locks || q.Lock != sqlparser.NoLock
		}
		return !locks, nil
	}, s.AST)
	if locks {
		r.err = sqlerr.Unsupported("FOR UPDATE and FOR SHARE in a trigger").At(from + 1)
		return nil
	}
	noRows := sqlerr.NoResultSet.New("Not allowed to return a result set from a trigger")
	switch s.AST.(type) {
	case *sqlparser.Insert, *sqlparser.Update, *sqlparser.Delete:
		if list[0].Returning != nil {
			r.err = noRows
			return nil
		}
	case sqlparser.TableStatement:
		if s.Into == nil && !list[0].Discards {
			r.err = noRows
			return nil
		}
	default:
		r.err = sqlerr.Unsupported("%s in a trigger", strings.ToUpper(verb.val)).At(from + 1)
		return nil
	}
	s.AST = r.vars(list[0], s.AST).(sqlparser.Statement)
	return s
}
