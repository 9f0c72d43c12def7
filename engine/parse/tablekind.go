package parse

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// The statements on tables with what the grammar lacks: the kind of table that
// they name, and WITH (options). Without either they are Vitess's alone.
type (
	// CreateTable is CREATE USER TABLE, or one with options.
	CreateTable struct {
		*sqlparser.CreateTable
		Kind    string // "user", "shared", "stream"; "": not said
		Options []Option
	}
	// DropTable is DROP USER TABLE.
	DropTable struct {
		*sqlparser.DropTable
		Kind string
	}
	// AlterTable is ALTER USER TABLE.
	AlterTable struct {
		*sqlparser.AlterTable
		Kind string
	}
	// SetOptions is ALTER TABLE t SET (options).
	SetOptions struct {
		*sqlparser.AlterTable
		Kind    string
		Options []Option
	}
)

// Option is one of WITH's options: NAME = value, or NAME alone.
type Option struct {
	Name  string // in capitals
	Value string
	Type  OptionType
	At    int // where it begins in the statement's text, from 1
}

// OptionType tells what an option's value is written as.
type OptionType uint8

// The types of values.
const (
	NoValue OptionType = iota
	Text               // 'text'
	Number             // 12
	Word               // TRUE
)

// tableKinds are the words that may stand before TABLE.
var tableKinds = []string{"user", "shared", "stream"}

// tableWords finds the kind and the options of a statement on a table.
type tableWords struct {
	kind  string
	first token // the word that may be a kind
	with  token // WITH that options may follow
	depth int   // of parentheses in the options; 0: outside of them
	from  int   // where the options' list begins in the whole text; 0: there is none
}

// add looks at token t of p, which comes after last. It reports whether t is
// one of the options', which nobody else is to see.
func (w *tableWords) add(p *piece, sql string, t, last token) bool {
	switch p.verb {
	case sqlparser.CREATE, sqlparser.DROP, sqlparser.ALTER:
	default:
		return false
	}
	if w.depth > 0 {
		switch t.typ {
		case '(':
			w.depth++
		case ')':
			if w.depth--; w.depth == 0 {
				p.replace(w.with, t, "")
			}
		}
		return true
	}
	switch {
	case p.tokens == 2:
		w.first = t
	case p.tokens == 3 && (t.typ == sqlparser.TABLE || t.typ == sqlparser.TABLES):
		for _, k := range tableKinds {
			if w.first.is(sql, k) {
				w.kind = k
				p.replace(w.first, w.first, "")
				if t.typ == sqlparser.TABLES {
					p.replace(t, t, "table")
				}
			}
		}
	case t.typ == sqlparser.WITH && p.open == 0 && p.verb == sqlparser.CREATE && (w.kind != "" || w.first.typ == sqlparser.TABLE):
		w.with = t
	case t.typ == '(' && last.typ == sqlparser.WITH && last == w.with && w.from == 0:
		w.depth, w.from = 1, t.from
		return true
	}
	return false
}

// wrap adds the kind and the options to a parsed statement.
func (w *tableWords) wrap(sql string, p *piece, ast sqlparser.Statement) (sqlparser.Statement, error) {
	var options []Option
	if w.from > 0 {
		r := p.reader(sql)
		for r.from < w.from-p.start {
			r.next()
		}
		if options = r.options(); r.failed {
			return nil, syntaxError(sql, p.start+r.from)
		}
	}
	switch n := ast.(type) {
	case *sqlparser.CreateTable:
		if w.kind != "" || options != nil {
			return &CreateTable{n, w.kind, options}, nil
		}
	case *sqlparser.DropTable:
		if w.kind != "" {
			return &DropTable{n, w.kind}, nil
		}
	case *sqlparser.AlterTable:
		if w.kind != "" {
			return &AlterTable{n, w.kind}, nil
		}
	}
	return ast, nil
}

// options reads a list of options in parentheses.
func (r *reader) options() []Option {
	list := []Option{}
	if !r.takeToken('(') {
		r.failed = true
	}
	for !r.failed {
		o := Option{Name: strings.ToUpper(r.raw()), At: r.from + 1}
		if !isWord(o.Name) {
			r.failed = true
			break
		}
		r.next()
		if r.takeToken('=') {
			o.Value = r.val
			switch {
			case r.typ == sqlparser.STRING:
				o.Type = Text
			case r.typ == sqlparser.INTEGRAL:
				o.Type = Number
			case isWord(r.raw()):
				o.Type, o.Value = Word, strings.ToUpper(r.raw())
			default:
				r.failed = true
				return nil
			}
			r.next()
		}
		list = append(list, o)
		if r.takeToken(')') {
			return list
		}
		if !r.takeToken(',') {
			r.failed = true
		}
	}
	return nil
}

// isWord reports whether a token as it is written is a word without quotes.
func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && s[i] != '_' && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

// takeToken goes past a token, if it is the current one.
func (r *reader) takeToken(typ int) bool {
	found := !r.failed && r.typ == typ
	if found {
		r.next()
	}
	return found
}

// setOptions reads ALTER [USER] TABLE t SET|WITH (options). It returns nil when
// the statement is another.
func (r *reader) setOptions() *SetOptions {
	n := &SetOptions{AlterTable: &sqlparser.AlterTable{}}
	for _, k := range tableKinds {
		if r.take(k) {
			n.Kind = k
			break
		}
	}
	if !r.take("table") {
		return nil
	}
	list := r.tables()
	if r.failed || len(list) != 1 || !r.take("set") && !r.take("with") || r.typ != '(' {
		return nil
	}
	n.Table = list[0]
	n.AlterTable.FullyParsed = true
	n.Options = r.options()
	return n
}

// Errorf returns an error about an option.
func (o *Option) Errorf(format string, args ...any) error {
	return sqlerr.WrongOption.New(format, args...).At(o.At)
}
