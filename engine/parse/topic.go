package parse

import (
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// The statements of topics.
type (
	// CreateTopic is CREATE TOPIC [IF NOT EXISTS] topic [WITH (options)].
	CreateTopic struct {
		*sqlparser.OtherAdmin
		Name        sqlparser.TableName
		IfNotExists bool
		Options     []Option
	}
	// DropTopic is DROP TOPIC [IF EXISTS] topic.
	DropTopic struct {
		*sqlparser.OtherAdmin
		Name     sqlparser.TableName
		IfExists bool
	}
	// AddSource is ALTER TOPIC topic ADD SOURCE table [ON INSERT|UPDATE|DELETE]
	// [WHERE condition] [WITH (options)].
	AddSource struct {
		*sqlparser.OtherAdmin
		Name, Table sqlparser.TableName
		On          []string // "insert", "update" and "delete", those that are named
		Where       string   // the condition as it is written; "": none
		WhereAt     int      // where that begins in the whole text, bytes
		Options     []Option
	}
	// DropSource is ALTER TOPIC topic DROP SOURCE table.
	DropSource struct {
		*sqlparser.OtherAdmin
		Name, Table sqlparser.TableName
	}
	// DropGroup is ALTER TOPIC topic DROP GROUP g.
	DropGroup struct {
		*sqlparser.OtherAdmin
		Name  sqlparser.TableName
		Group *Operand
	}
	// Consume is CONSUME FROM topic [GROUP g] [FROM EARLIEST|LATEST|n] [LIMIT n].
	Consume struct {
		*sqlparser.OtherAdmin
		Name        sqlparser.TableName
		Group       *Operand // nil: none
		From, Limit *Operand // nil: none; From may be the word "earliest" or "latest"
	}
	// Ack is ACK topic GROUP g UPTO OFFSET n.
	Ack struct {
		*sqlparser.OtherAdmin
		Name   sqlparser.TableName
		Group  *Operand
		Offset *Operand
	}
	// ShowTopics is SHOW TOPICS, or SHOW TOPIC GROUPS.
	ShowTopics struct {
		*sqlparser.OtherAdmin
		Groups bool
	}
)

// Operand is a constant, or a parameter, of a statement.
type Operand struct {
	Text   string // of a string or a word
	Number uint64
	IsText bool
	// Param is the place among the statement's parameters of the one that it is; -1: it
	// is none.
	Param int
	At    int // where it stands in the whole text, bytes
}

// topicStatement reads a statement about topics that begins with CREATE, DROP or ALTER. It
// returns nil when the statement is another.
func (r *reader) topicStatement(p *piece, verb int) (sqlparser.Statement, error) {
	if !r.take("topic") {
		return nil, nil
	}
	switch verb {
	case sqlparser.CREATE:
		n := &CreateTopic{IfNotExists: r.words("if", "not", "exists"), Name: r.table()}
		if r.take("with") {
			n.Options = r.options()
		}
		return n, nil
	case sqlparser.DROP:
		return &DropTopic{IfExists: r.words("if", "exists"), Name: r.table()}, nil
	}
	name := r.table()
	add := r.take("add")
	if !add {
		r.want("drop")
		if r.take("group") {
			n := &DropGroup{Name: name, Group: r.operand(p)}
			r.failed = r.failed || n.Group.Param >= 0
			return n, nil
		}
	}
	r.want("source")
	table := r.table()
	if !add {
		return &DropSource{Name: name, Table: table}, nil
	}
	n := &AddSource{Name: name, Table: table}
	if r.take("on") {
		for {
			on := strings.ToLower(r.raw())
			if r.failed = r.failed || on != "insert" && on != "update" && on != "delete"; r.failed {
				return n, nil
			}
			r.next()
			n.On = append(n.On, on)
			if !r.takeToken('|') && !r.takeToken(',') && !r.takeToken(sqlparser.OR) {
				break
			}
		}
	}
	if r.take("where") {
		from := r.from
		n.Where, n.WhereAt = strings.TrimSpace(r.sql[from:r.untilWith()]), p.start+from
		if r.failed {
			return n, nil
		}
		if _, err := ParseExpr(n.Where); err != nil {
			return nil, sqlerr.As(err).At(n.WhereAt + 1)
		}
	}
	if r.take("with") {
		n.Options = r.options()
	}
	return n, nil
}

// table reads the name of a table or topic.
func (r *reader) table() sqlparser.TableName {
	list := r.tables()
	if r.failed = r.failed || len(list) != 1; r.failed {
		return sqlparser.TableName{}
	}
	return list[0]
}

// untilWith goes to WITH outside of parentheses or to the end, and returns where that is.
func (r *reader) untilWith() int {
	for depth := 0; r.typ != 0; r.next() {
		switch {
		case r.typ == sqlparser.LEX_ERROR:
			r.failed = true
			return 0
		case r.typ == '(':
			depth++
		case r.typ == ')':
			depth--
		case depth == 0 && r.word("with"):
			return r.from
		}
	}
	return len(r.sql)
}

// consume reads what comes after CONSUME.
func (r *reader) consume(p *piece, whole *Statement) *Consume {
	r.want("from")
	n := &Consume{Name: r.table()}
	if r.take("group") {
		n.Group = r.operand(p)
	}
	if r.take("from") {
		n.From = r.operand(p)
	}
	if r.take("limit") {
		n.Limit = r.operand(p)
	}
	whole.Params, whole.Names = p.positional+len(p.names), p.names
	return n
}

// ack reads what comes after ACK.
func (r *reader) ack(p *piece, whole *Statement) *Ack {
	n := &Ack{Name: r.table()}
	r.want("group")
	n.Group = r.operand(p)
	r.want("upto")
	r.want("offset")
	n.Offset = r.operand(p)
	whole.Params, whole.Names = p.positional+len(p.names), p.names
	return n
}

// operand reads a string, a word, a number or a parameter.
func (r *reader) operand(p *piece) *Operand {
	o := &Operand{Param: -1, At: p.start + r.from}
	switch {
	case r.failed:
	case r.typ == sqlparser.INTEGRAL:
		n, err := strconv.ParseUint(r.val, 10, 64)
		o.Number, r.failed = n, err != nil
	case r.typ == sqlparser.VALUE_ARG:
		o.Param = r.param(p)
	case r.typ == sqlparser.STRING:
		o.Text, o.IsText = r.val, true
	default:
		o.Text, o.IsText = r.name(), true
		return o
	}
	if !r.failed {
		r.next()
	}
	return o
}
