package parse

import (
	"regexp"
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

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
	if r.take("GET") {
		d := r.diagnostics()
		for _, item := range d.Items {
			if item.What == "ROW_COUNT" {
				r.refuse("ROW_COUNT in a trigger")
			}
		}
		return d
	}
	for _, word := range []string{"OPEN", "FETCH", "CLOSE", "RETURN"} {
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
