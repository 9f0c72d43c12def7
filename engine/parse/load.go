package parse

import (
	"strconv"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// LoadData is a LOAD DATA statement, of which the grammar knows the name alone.
type LoadData struct {
	File            string
	Local           bool
	Replace, Ignore bool
	Table           sqlparser.TableName
	Format          FileFormat
	Columns         []LoadColumn // where the fields go; nil: to all columns
	Set             sqlparser.UpdateExprs
}

// LoadColumn is a column or, for SET, a variable that takes a field.
type LoadColumn struct {
	Name string
	Var  bool
}

// FileFormat says how rows stand in a file.
type FileFormat struct {
	Charset                        string // "": utf8mb4
	Terminated, Enclosed, Escaped  string // of fields
	LinesStarting, LinesTerminated string
	Skip                           int // lines before the first row
}

// loader reads the tokens of a LOAD DATA statement.
type loader struct {
	sql    string
	tokens []token
	at     int
}

// parseLoad reads the statement sql.
func parseLoad(sql string) (*LoadData, error) {
	l := &loader{sql: sql}
	t := parser.NewStringTokenizer(sql)
	for {
		typ, val := t.Scan()
		if typ == 0 || typ == ';' {
			break
		}
		if typ == sqlparser.COMMENT {
			continue
		}
		if typ == sqlparser.LEX_ERROR {
			return nil, syntaxError(sql, max(t.Pos-1, 0))
		}
		l.tokens = append(l.tokens, token{typ, val, t.Pos - max(len(val), 1), t.Pos})
	}
	d := &LoadData{Format: FileFormat{Terminated: "\t", Escaped: "\\", LinesTerminated: "\n"}}
	err := l.read(d)
	return d, err
}

// is reports whether the next token is a word; eat also passes it.
func (l *loader) is(word string) bool {
	return l.at < len(l.tokens) && l.tokens[l.at].typ != sqlparser.STRING && strings.EqualFold(l.text(l.tokens[l.at]), word)
}

func (l *loader) text(t token) string {
	if t.from < 0 {
		return ""
	}
	return l.sql[t.from:t.to]
}

func (l *loader) eat(words ...string) bool {
	for _, w := range words {
		if l.is(w) {
			l.at++
			return true
		}
	}
	return false
}

func (l *loader) wrong() error {
	if l.at < len(l.tokens) {
		return syntaxError(l.sql, max(l.tokens[l.at].from, 0))
	}
	return syntaxError(l.sql, len(l.sql))
}

func (l *loader) expect(words ...string) error {
	for _, w := range words {
		if !l.eat(w) {
			return l.wrong()
		}
	}
	return nil
}

func (l *loader) string(to *string) error {
	if l.at == len(l.tokens) || l.tokens[l.at].typ != sqlparser.STRING {
		return l.wrong()
	}
	*to = l.tokens[l.at].val
	l.at++
	return nil
}

// name reads an identifier.
func (l *loader) name() (string, error) {
	if l.at == len(l.tokens) {
		return "", l.wrong()
	}
	switch t := l.tokens[l.at]; {
	case t.typ == sqlparser.STRING || t.typ == sqlparser.INTEGRAL || t.typ < 128:
		return "", l.wrong()
	default:
		l.at++
		return t.val, nil
	}
}

func (l *loader) read(d *LoadData) error {
	if err := l.expect("load", "data"); err != nil {
		return err
	}
	l.eat("low_priority", "concurrent")
	d.Local = l.eat("local")
	if err := l.expect("infile"); err != nil {
		return err
	}
	if err := l.string(&d.File); err != nil {
		return err
	}
	if d.Replace = l.eat("replace"); !d.Replace {
		d.Ignore = l.eat("ignore")
	}
	if err := l.expect("into", "table"); err != nil {
		return err
	}
	name, err := l.name()
	if err != nil {
		return err
	}
	d.Table.Name = sqlparser.NewIdentifierCS(name)
	if l.eat(".") {
		d.Table.Qualifier = d.Table.Name
		if name, err = l.name(); err != nil {
			return err
		}
		d.Table.Name = sqlparser.NewIdentifierCS(name)
	}
	if l.is("partition") {
		return sqlerr.Unsupported("PARTITION")
	}
	if err := l.format(&d.Format); err != nil {
		return err
	}
	if l.eat("(") && !l.eat(")") {
		if err := l.columns(d); err != nil {
			return err
		}
	}
	if l.is("set") {
		return l.set(d)
	}
	if l.at < len(l.tokens) {
		return l.wrong()
	}
	return nil
}

func (l *loader) format(f *FileFormat) (err error) {
	if l.eat("character") {
		err = l.expect("set")
		if err == nil {
			f.Charset, err = l.name()
		}
	} else if l.eat("charset") {
		f.Charset, err = l.name()
	}
	if err != nil {
		return err
	}
	if l.eat("fields", "columns") {
		some := false
		for more := true; more; some = some || more {
			to := &f.Enclosed
			switch {
			case l.eat("terminated"):
				to = &f.Terminated
			case l.eat("optionally"):
				err = l.expect("enclosed")
			case l.eat("enclosed"):
			case l.eat("escaped"):
				to = &f.Escaped
			default:
				more = false
				continue
			}
			if err == nil {
				err = l.expect("by")
			}
			if err == nil {
				err = l.string(to)
			}
			if err != nil {
				return err
			}
		}
		if !some {
			return l.wrong()
		}
		if len(f.Enclosed) > 1 || len(f.Escaped) > 1 {
			return sqlerr.WrongFieldTerminators.New("Field separator argument is not what is expected; check the manual")
		}
	}
	if l.eat("lines") {
		some := false
		for more := true; more; some = some || more {
			to := &f.LinesTerminated
			switch {
			case l.eat("terminated"):
			case l.eat("starting"):
				to = &f.LinesStarting
			default:
				more = false
				continue
			}
			if err := l.expect("by"); err != nil {
				return err
			}
			if err := l.string(to); err != nil {
				return err
			}
		}
		if !some {
			return l.wrong()
		}
	}
	if l.eat("ignore") {
		if l.at == len(l.tokens) || l.tokens[l.at].typ != sqlparser.INTEGRAL {
			return l.wrong()
		}
		if f.Skip, err = strconv.Atoi(l.tokens[l.at].val); err != nil {
			return l.wrong()
		}
		l.at++
		if !l.eat("lines", "rows") {
			return l.wrong()
		}
	}
	return nil
}

func (l *loader) columns(d *LoadData) error {
	for {
		if l.at == len(l.tokens) {
			return l.wrong()
		}
		c := LoadColumn{Var: l.tokens[l.at].typ == sqlparser.AT_ID}
		var err error
		if c.Name, err = l.name(); err != nil {
			return err
		}
		c.Name = strings.TrimPrefix(c.Name, "@")
		d.Columns = append(d.Columns, c)
		if l.eat(")") {
			return nil
		}
		if err := l.expect(","); err != nil {
			return err
		}
	}
}

// set has the grammar read the assignments.
func (l *loader) set(d *LoadData) error {
	const before = "update t "
	from := l.tokens[l.at].from
	ast, err := parseStrict(before + l.sql[from:])
	u, ok := ast.(*sqlparser.Update)
	if err != nil || !ok || u.Where != nil || u.OrderBy != nil || u.Limit != nil {
		return l.wrong()
	}
	d.Set = u.Exprs
	return nil
}
