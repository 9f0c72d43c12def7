package plan

import (
	"slices"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/jsondoc"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// JSONRows says what rows JSON_TABLE makes: one for each value that Path leads to, with
// Columns; under each, in turn, those of Nested, the columns of the others NULL, or one
// row where none of them has any.
type JSONRows struct {
	Path    *jsondoc.Path
	Columns []JSONColumn
	Nested  []*JSONRows
}

// JSONColumn is a column of JSON_TABLE.
type JSONColumn struct {
	Name string
	Type types.Type
	At   int // its place among all columns
	Kind JSONColumnKind
	Path *jsondoc.Path
	// Empty and Error say what it is where there is no value, or one that does not fit.
	Empty, Error JSONAnswer
}

// JSONColumnKind is what a column of JSON_TABLE holds.
type JSONColumnKind uint8

// The kinds of columns.
const (
	JSONValue   JSONColumnKind = iota // the value at the path
	JSONExists                        // whether there is one
	JSONOrdinal                       // the number of the row
)

// JSONAnswer is what ON EMPTY or ON ERROR asks for.
type JSONAnswer struct {
	Fails bool
	Value *jsondoc.Value // nil: NULL
}

// jsonTable binds JSON_TABLE, which makes rows for each row of in; its document may
// read the columns of the tables in known.
func (b *builder) jsonTable(te *sqlparser.JSONTableExpr, in logical, known *from, f *frame, outer bool) (*from, error) {
	alias := te.Alias.String()
	if alias == "" {
		return nil, sqlerr.DerivedNeedsAlias.New("Every table function must have an alias")
	}
	doc, err := b.bind(te.Expr, &scope{b: b, frame: f, from: known, clause: "a table function argument"})
	if err != nil {
		return nil, err
	}
	if doc, err = expr.JSONDocument(doc); err != nil {
		return nil, err
	}
	src := &source{alias: alias}
	rel := &jsonTableRel{in: in, doc: doc, outer: outer}
	if rel.table, err = b.jsonRows(te.Filter, te.Columns, src); err != nil {
		return nil, err
	}
	for _, c := range src.cols {
		rel.cols = append(rel.cols, c.id)
	}
	return &from{rel: rel, sources: []*source{src}, visible: src.cols}, nil
}

// jsonRows binds the columns at a path, adding them to src.
func (b *builder) jsonRows(path sqlparser.Expr, defs []*sqlparser.JtColumnDefinition, src *source) (*JSONRows, error) {
	rows := &JSONRows{}
	var err error
	if rows.Path, err = jsonPath(path); err != nil {
		return nil, err
	}
	for _, d := range defs {
		if d.JtNestedPath != nil {
			if b.depth++; b.depth > maxDepth {
				return nil, sqlerr.Unsupported("NESTED paths more than %d deep", maxDepth)
			}
			n, err := b.jsonRows(d.JtNestedPath.Path, d.JtNestedPath.Columns, src)
			if b.depth--; err != nil {
				return nil, err
			}
			rows.Nested = append(rows.Nested, n)
			continue
		}
		c := JSONColumn{At: len(src.cols)}
		if o := d.JtOrdinal; o != nil {
			c.Name, c.Kind, c.Type = o.Name.String(), JSONOrdinal, types.Type{Kind: types.Int, Unsigned: true, Size: -1, Collation: types.Int64Type.Collation}
		} else if err := c.define(d.JtPath); err != nil {
			return nil, err
		}
		for _, s := range src.cols {
			if strings.EqualFold(s.name, c.Name) {
				return nil, sqlerr.DupFieldName.New("Duplicate column name '%s'", c.Name).In(c.Name)
			}
		}
		b.cols = append(b.cols, column{table: src.alias, name: c.Name, t: c.Type, null: true})
		src.cols = append(src.cols, &sourceColumn{name: c.Name, id: len(b.cols) - 1})
		rows.Columns = append(rows.Columns, c)
	}
	return rows, nil
}

func (c *JSONColumn) define(d *sqlparser.JtPathColDef) (err error) {
	c.Name = d.Name.String()
	if d.JtColExists {
		c.Kind = JSONExists
	}
	if c.Type, err = types.FromColumnType(c.Name, d.Type); err != nil {
		return err
	}
	if c.Path, err = jsonPath(d.Path); err != nil {
		return err
	}
	if c.Empty, err = jsonAnswer(d.EmptyOnResponse); err != nil {
		return err
	}
	c.Error, err = jsonAnswer(d.ErrorOnResponse)
	return err
}

// jsonAnswer reads ON EMPTY or ON ERROR, whose DEFAULT is a JSON text.
func jsonAnswer(r *sqlparser.JtOnResponse) (a JSONAnswer, err error) {
	switch {
	case r == nil || r.ResponseType == sqlparser.NullJSONType:
		return a, nil
	case r.ResponseType == sqlparser.ErrorJSONType:
		a.Fails = true
		return a, nil
	}
	text, err := jsonText(r.Expr)
	if err == nil {
		a.Value, err = jsondoc.Parse([]byte(text))
	}
	return a, err
}

func jsonPath(e sqlparser.Expr) (*jsondoc.Path, error) {
	text, err := jsonText(e)
	if err != nil {
		return nil, err
	}
	return jsondoc.ParsePath([]byte(text))
}

func jsonText(e sqlparser.Expr) (string, error) {
	l, ok := e.(*sqlparser.Literal)
	if !ok || l.Type != sqlparser.StrVal {
		return "", sqlerr.Unsupported("%s where JSON_TABLE wants a text", sqlparser.String(e))
	}
	return l.Val, nil
}

func (b *builder) lowerJSONTable(l *jsonTableRel, need colSet, h hint) *phys {
	h.rows, h.limit = 0, nil
	in := b.lower(l.in, need.with(l.doc), h)
	out := *in
	n := &JSONTable{Input: in.node, Doc: b.expr(l.doc, in), Table: l.table, Outer: l.outer}
	for _, c := range l.cols {
		n.T = append(n.T, b.cols[c].t)
	}
	const fanOut = 10 // rows that a document is taken to make
	out.node, out.cols = n, slices.Concat(in.cols, l.cols)
	out.rows, out.cost = in.rows*fanOut, in.cost+in.rows*fanOut
	return &out
}
