package parse

import (
	"slices"
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Subscribe is SUBSCRIBE TO SELECT … or SUBSCRIBE TO table [WHERE …], with
// [OPTIONS (name = value, …)].
type Subscribe struct {
	*sqlparser.OtherAdmin
	Query *Statement
	// Arguments are the places, among the parameters of the whole, of those of
	// Query.
	Arguments []int
	Options   []SubscribeOption
}

// SubscribeOption is an option of SUBSCRIBE.
type SubscribeOption struct {
	Name  string // in lower case
	Value string // a number, or "true" or "false"
	// Param is the place, among the parameters of the whole, of the one that the value
	// is; -1: it is none.
	Param int
	At    int // where the option stands, bytes
}

// KillLive is KILL LIVE QUERY 'id'.
type KillLive struct {
	*sqlparser.OtherAdmin
	ID string
}

// selectAll is what a table's name stands for.
const selectAll = "select * from "

// subscribe reads what comes after SUBSCRIBE. It returns nil when r failed.
func (r *reader) subscribe(p *piece, whole *Statement) (*Subscribe, error) {
	if !r.take("to") {
		r.failed = true
		return nil, nil
	}
	n := &Subscribe{}
	from, query := r.from, r.word("select") || r.word("with") || r.word("values") || r.word("table") || r.typ == '('
	if r.typ == 0 {
		r.failed = true
		return nil, nil
	}
	end := r.untilOptions()
	if r.failed {
		return nil, nil
	}
	text, shift := r.sql[from:end], from
	if !query {
		text, shift = selectAll+text, from-len(selectAll)
	}
	list, err := Parse(text)
	if e := sqlerr.As(err); e != nil && e.Position > 0 {
		return nil, e.At(max(e.Position+p.start+shift, p.start+from+1))
	}
	if err != nil {
		return nil, err
	}
	n.Query = list[0]
	n.Query.Offset += shift
	n.Query.First = 0
	whole.Params, whole.Names, whole.Variables = p.positional+len(p.names), p.names, p.variables
	for i := range n.Query.Params {
		if p.names != nil {
			n.Arguments = append(n.Arguments, slices.Index(p.names, n.Query.Names[i]))
		} else {
			n.Arguments = append(n.Arguments, i)
		}
	}
	if r.typ != 0 {
		n.Options = r.subscribeOptions(p)
	}
	return n, nil
}

// untilOptions goes to the OPTIONS clause or to the end, and returns where that is.
func (r *reader) untilOptions() (end int) {
	depth := 0
	for {
		switch r.typ {
		case 0:
			return len(r.sql)
		case sqlparser.LEX_ERROR:
			r.failed = true
			return 0
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && r.word("options") {
			at := r.from
			if r.next(); r.typ == '(' {
				return at
			}
			continue
		}
		r.next()
	}
}

// subscribeOptions reads a list of options in parentheses.
func (r *reader) subscribeOptions(p *piece) (list []SubscribeOption) {
	r.sign('(')
	for {
		o := SubscribeOption{Name: strings.ToLower(r.raw()), Param: -1, At: p.start + r.from}
		if strings.Trim(o.Name, "abcdefghijklmnopqrstuvwxyz_") != "" || o.Name == "" {
			r.failed = true
		}
		if !r.failed {
			r.next()
		}
		r.sign('=')
		switch {
		case r.failed:
		case r.typ == sqlparser.INTEGRAL:
			o.Value = r.val
			if _, err := strconv.ParseUint(r.val, 10, 64); err != nil {
				r.failed = true
			}
		case r.typ == sqlparser.VALUE_ARG:
			o.Param = r.param(p)
		case r.word("true"), r.word("false"):
			o.Value = strings.ToLower(r.raw())
		default:
			r.failed = true
		}
		if r.failed {
			return nil
		}
		r.next()
		list = append(list, o)
		if r.typ != ',' {
			r.sign(')')
			return list
		}
		r.next()
	}
}
