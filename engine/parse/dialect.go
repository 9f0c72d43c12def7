package parse

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Dialect is what of MySQL's sql_mode says how a text is read. The zero value is
// MySQL's default.
type Dialect struct {
	RealAsFloat        bool // REAL is FLOAT
	PipesAsConcat      bool // || is CONCAT
	ANSIQuotes         bool // "x" is a name
	NoBackslashEscapes bool // a backslash stands for itself, and LIKE has no escape
}

// Parse is the function Parse for texts of the dialect.
func (d Dialect) Parse(sql string) ([]*Statement, error) {
	return d.parse(d.standard(sql))
}

// standard returns sql with its quotes as they are by default.
func (d Dialect) standard(sql string) string {
	if !(d.ANSIQuotes && strings.Contains(sql, `"`) || d.NoBackslashEscapes && strings.Contains(sql, `\`)) {
		return sql
	}
	var b strings.Builder
	for i := 0; i < len(sql); {
		end := i + 1
		switch rest := sql[i:]; {
		case rest[0] == '\'', rest[0] == '"', rest[0] == '`':
			end = i + d.quoted(&b, rest)
			i = end
			continue
		case rest[0] == '#', strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' '):
			end = after(sql, i, "\n")
		case strings.HasPrefix(rest, "/*") && !strings.HasPrefix(rest, versionComment) && !strings.HasPrefix(rest, ownComment):
			end = after(sql, i+2, "*/")
		}
		b.WriteString(sql[i:end])
		i = end
	}
	return b.String()
}

// after returns where the first end from at on is over, or sql.
func after(sql string, at int, end string) int {
	if i := strings.Index(sql[at:], end); i >= 0 {
		return at + i + len(end)
	}
	return len(sql)
}

// quoted writes the string or name that sql begins with, and returns its length.
func (d Dialect) quoted(b *strings.Builder, sql string) int {
	quote := sql[0]
	name := quote == '`' || quote == '"' && d.ANSIQuotes
	written := quote
	if name {
		written = '`'
	}
	b.WriteByte(written)
	for i := 1; i < len(sql); i++ {
		switch c := sql[i]; {
		case c == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
			if b.WriteByte(c); c == written {
				b.WriteByte(c)
			}
		case c == quote:
			b.WriteByte(written)
			return i + 1
		case c == '`' && name:
			b.WriteString("``")
		case c == '\\' && !name && d.NoBackslashEscapes:
			b.WriteString(`\\`)
		case c == '\\' && !name && i+1 < len(sql):
			i++
			b.WriteByte(c)
			b.WriteByte(sql[i])
		default:
			b.WriteByte(c)
		}
	}
	return len(sql) // it does not end
}

// The grammar has no operator ||: a || b is put as a ^ '||' ^ b, since ^ binds as
// tightly, and rewritten.
const pipes = "||"

// pipe notes that token t is ||.
func (p *piece) pipe(sql string, t token) {
	if p.dialect.PipesAsConcat && t.typ == sqlparser.OR && strings.HasSuffix(sql[:min(t.to, len(sql))], pipes) {
		p.edits = append(p.edits, edit{t.to - len(pipes), t.to, "^ '" + pipes + "' ^"})
		p.piped = true
	}
}

// rewrite gives a parsed statement the meaning that it has in p's dialect.
func (p *piece) rewrite(ast sqlparser.Statement) (sqlparser.Statement, error) {
	if !p.piped && !p.dialect.NoBackslashEscapes {
		return ast, nil
	}
	var failed error
	out := sqlparser.Rewrite(ast, nil, func(c *sqlparser.Cursor) bool {
		switch n := c.Node().(type) {
		case *sqlparser.ComparisonExpr:
			like := n.Operator == sqlparser.LikeOp || n.Operator == sqlparser.NotLikeOp
			if like && n.Escape == nil && p.dialect.NoBackslashEscapes {
				n.Escape = sqlparser.NewStrLiteral("")
			}
		case *sqlparser.BinaryExpr:
			left, ok := n.Left.(*sqlparser.BinaryExpr)
			if !ok || !p.piped || n.Operator != sqlparser.BitXorOp || !isPipes(left) {
				break
			}
			if x, ok := left.Left.(*sqlparser.BinaryExpr); ok && x.Operator == sqlparser.BitXorOp {
				failed = sqlerr.Unsupported("^ before ||").At(p.start + 1)
			}
			c.Replace(&sqlparser.FuncExpr{Name: sqlparser.NewIdentifierCI("concat"), Exprs: []sqlparser.Expr{left.Left, n.Right}})
		}
		return failed == nil
	})
	return out.(sqlparser.Statement), failed
}

func isPipes(e *sqlparser.BinaryExpr) bool {
	l, ok := e.Right.(*sqlparser.Literal)
	return ok && e.Operator == sqlparser.BitXorOp && l.Type == sqlparser.StrVal && l.Val == pipes
}

// refuse refuses bodies of triggers, which are kept as text, that mean something else
// by default.
func (d Dialect) refuse(c *CreateTrigger) error {
	switch {
	case d.PipesAsConcat && strings.Contains(c.Body, pipes):
		return sqlerr.Unsupported("|| in a trigger with PIPES_AS_CONCAT")
	case d.RealAsFloat && strings.Contains(strings.ToUpper(c.Body), "REAL"):
		return sqlerr.Unsupported("REAL in a trigger with REAL_AS_FLOAT")
	case d.NoBackslashEscapes && strings.Contains(strings.ToUpper(c.Body), "LIKE"):
		return sqlerr.Unsupported("LIKE in a trigger with NO_BACKSLASH_ESCAPES")
	}
	return nil
}
