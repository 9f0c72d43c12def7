package parse

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Diagnostics is GET DIAGNOSTICS: what the statement before brought about or, with
// Condition, one of its conditions.
type Diagnostics struct {
	*sqlparser.OtherAdmin
	Stacked   bool           // of the condition that is handled
	Condition sqlparser.Expr // its number, or nil
	Items     []DiagnosticsItem
}

// DiagnosticsItem is what is asked for, in upper case, and where to put it.
type DiagnosticsItem struct {
	To   Assign // without value
	What string
}

// statementItems and conditionItems are what can be asked for.
var (
	statementItems = []string{"NUMBER", "ROW_COUNT"}
	conditionItems = []string{
		"CLASS_ORIGIN", "SUBCLASS_ORIGIN", "RETURNED_SQLSTATE", "MESSAGE_TEXT", "MYSQL_ERRNO", "CONSTRAINT_CATALOG", "CONSTRAINT_SCHEMA",
		"CONSTRAINT_NAME", "CATALOG_NAME", "SCHEMA_NAME", "TABLE_NAME", "COLUMN_NAME", "CURSOR_NAME",
	}
)

// diagnostics reads what comes after GET.
func (r *bodyReader) diagnostics() *Diagnostics {
	d := &Diagnostics{}
	if d.Stacked = r.take("STACKED"); !d.Stacked {
		r.take("CURRENT")
	}
	r.want("DIAGNOSTICS")
	known := statementItems
	if r.take("CONDITION") {
		known = conditionItems
		t := r.next()
		switch {
		case t.typ == sqlparser.INTEGRAL || t.typ == sqlparser.AT_ID || t.typ == sqlparser.ID:
			e, err := ParseExpr(r.sql[t.from:t.to])
			if err != nil {
				r.at--
				r.syntax()
			}
			d.Condition = e
		default:
			r.at--
			r.syntax()
		}
	}
	for {
		item := DiagnosticsItem{To: r.target()}
		r.want("=")
		at := r.at
		for _, name := range known {
			if r.take(name) {
				item.What = name
				break
			}
		}
		if r.at == at {
			r.syntax()
		}
		d.Items = append(d.Items, item)
		if r.err != nil || !r.take(",") {
			return d
		}
	}
}

// getDiagnostics reads p, a statement that begins with GET; nil: it is another one.
func (p *piece) getDiagnostics(sql string) (sqlparser.Statement, error) {
	r := newBodyReader(sql, p.start, p.end)
	r.next()
	if !r.is("DIAGNOSTICS") && !r.is("CURRENT") && !r.is("STACKED") {
		return nil, nil
	}
	d := r.diagnostics()
	r.wantEnd()
	for _, item := range d.Items {
		if r.err == nil && !item.To.Session {
			return nil, sqlerr.UndeclaredVariable.New("Undeclared variable: %s", strings.ToLower(item.To.Name))
		}
	}
	if _, word := d.Condition.(*sqlparser.ColName); word && r.err == nil {
		return nil, sqlerr.UndeclaredVariable.New("Undeclared variable: %s", sqlparser.String(d.Condition))
	}
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}
