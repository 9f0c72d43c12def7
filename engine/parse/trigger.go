package parse

import (
	"vitess.io/vitess/go/vt/sqlparser"
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
