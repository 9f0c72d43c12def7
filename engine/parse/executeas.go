package parse

import (
	"slices"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// ExecuteAs is EXECUTE AS USER 'alice' (statement): the statement sees the
// tables of another user. The user may be a parameter.
type ExecuteAs struct {
	*sqlparser.OtherAdmin
	User      string
	Parameter bool // User is the first parameter
	Statement *Statement
	// Arguments are the places, among the parameters of the whole, of those of
	// Statement.
	Arguments []int
}

// executeAs reads the statement after its first words. It returns nil when r
// failed.
func (r *reader) executeAs(p *piece, whole *Statement) (*ExecuteAs, error) {
	n := &ExecuteAs{}
	switch r.typ {
	case sqlparser.VALUE_ARG:
		n.Parameter = true
		r.next()
	case sqlparser.HEX:
		b, err := sqlparser.NewHexLiteral(r.val).HexDecode()
		if err != nil {
			r.failed = true
			return nil, nil
		}
		n.User = string(b)
		r.next()
	case sqlparser.STRING:
		n.User = r.text()
	default:
		n.User = r.name()
	}
	from, end, depth := r.from+1, 0, 0
	if r.failed || r.typ != '(' {
		r.failed = true
		return nil, nil
	}
	for end == 0 {
		switch r.typ {
		case 0, sqlparser.LEX_ERROR:
			r.failed = true
			return nil, nil
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				end = r.from
			}
		}
		r.next()
	}
	if r.typ != 0 {
		r.failed = true
		return nil, nil
	}
	list, err := Parse(r.sql[from:end])
	if e := sqlerr.As(err); e != nil && e.Position > 0 {
		return nil, e.At(e.Position + p.start + from)
	}
	if err != nil {
		return nil, err
	}
	n.Statement = list[0]
	n.Statement.Offset += from
	n.Statement.First = 0
	whole.Params, whole.Names = p.positional+len(p.names), p.names
	for i := range n.Statement.Params {
		switch {
		case p.names != nil:
			n.Arguments = append(n.Arguments, slices.Index(p.names, n.Statement.Names[i]))
		case n.Parameter:
			n.Arguments = append(n.Arguments, i+1)
		default:
			n.Arguments = append(n.Arguments, i)
		}
	}
	return n, nil
}
