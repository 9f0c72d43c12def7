package plan

import (
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// File yields the rows of a text file, a column for each field.
type File struct {
	Path   string
	Format parse.FileFormat
	T      []types.Type // of text or bytes
	// Lenient makes rows with too few or too many fields a warning.
	Lenient bool
}

// Inputs returns nothing: a file is a leaf.
func (n *File) Inputs() []Node { return nil }

// Types returns T.
func (n *File) Types() []types.Type { return n.T }

// load plans LOAD DATA: an INSERT of what a file yields.
func (b *builder) load(d *parse.LoadData) (*Plan, error) {
	needs := rights.Insert
	if d.Replace {
		needs |= rights.Delete
	}
	to, err := b.target(&sqlparser.AliasedTableExpr{Expr: d.Table}, "LOAD DATA", needs)
	if err == nil {
		err = to.checkInsertable()
	}
	if err != nil {
		return nil, err
	}
	t := to.rel.table
	if t.Kind == schema.System {
		return nil, errSystem(t)
	}
	f := &File{Path: d.File, Format: d.Format, Lenient: d.Ignore || d.Local}
	if f.Format.Terminated == "" || f.Format.LinesTerminated == "" {
		return nil, sqlerr.Unsupported("LOAD DATA with fields or lines TERMINATED BY ''")
	}
	if f.Format.Charset, err = fileCharset(d.Format.Charset); err != nil {
		return nil, err
	}
	n := &Insert{Table: t, Mode: InsertPlain, Check: b.viewCheck(to)}
	switch {
	case d.Replace:
		n.Mode = InsertReplace
	case d.Ignore, d.Local:
		n.Mode = InsertIgnore
	}
	if n.Defaults, err = b.defaults(t); err != nil {
		return nil, err
	}
	if n.Rules, err = b.rulesOf(t); err != nil {
		return nil, err
	}
	fields, in, values, err := b.fields(to, d, f)
	if err != nil {
		return nil, err
	}
	if err := b.loadSet(to, d, fields, values); err != nil {
		return nil, err
	}
	p := &Project{Input: f}
	for c := range t.Columns {
		if v := values[c]; v != nil {
			if _, err := generatedValue(t, c, nil); err != nil {
				return nil, err
			}
			n.Columns = append(n.Columns, c)
			p.Exprs = append(p.Exprs, b.expr(v, in))
		}
	}
	n.Input = p
	return &Plan{Root: n, Writes: t}, nil
}

// fileCharset returns the name by which exec knows a character set.
func fileCharset(name string) (string, error) {
	switch strings.ToLower(name) {
	case "", "utf8mb4", "utf8mb3", "utf8", "ascii":
		return "utf8mb4", nil
	case "latin1", "binary":
		return strings.ToLower(name), nil
	}
	return "", sqlerr.Unsupported("LOAD DATA with CHARACTER SET %s", name)
}

// fields brings the file's fields into scope, a variable with its @, and returns them
// with what the table's columns get of them.
func (b *builder) fields(to *target, d *parse.LoadData, f *File) (*from, *phys, map[int]expr.Expr, error) {
	t, columns := to.rel.table, d.Columns
	if columns == nil {
		for _, c := range to.columns() {
			if !c.hidden {
				columns = append(columns, parse.LoadColumn{Name: c.name})
			}
		}
	}
	src, in := &source{}, &phys{}
	values := map[int]expr.Expr{}
	for _, c := range columns {
		name, of := "@"+c.Name, types.TextType
		at := -1
		if !c.Var {
			var err error
			if at, err = to.writable(sqlparser.NewIdentifierCI(c.Name)); err != nil {
				return nil, nil, nil, err
			}
			if values[at] != nil {
				return nil, nil, nil, sqlerr.FieldSpecTwice.New("Column '%s' specified twice", c.Name).On(to.name()).In(c.Name)
			}
			name = c.Name
			if k := t.Columns[at].Type.Kind; k == types.Binary || k == types.VarBinary {
				of = types.BytesType
			}
		}
		if f.Format.Charset == "binary" {
			of = types.BytesType
		}
		id := b.newColumn(name, of, true)
		src.cols = append(src.cols, &sourceColumn{name: name, id: id})
		in.cols = append(in.cols, id)
		f.T = append(f.T, of)
		if at >= 0 {
			values[at] = b.ref(id)
		}
	}
	return &from{sources: []*source{src}, visible: src.cols}, in, values, nil
}

// loadSet binds SET's assignments, which may use the fields.
func (b *builder) loadSet(to *target, d *parse.LoadData, fields *from, values map[int]expr.Expr) error {
	s := &scope{b: b, frame: &frame{}, from: fields, clause: "field list"}
	for _, a := range d.Set {
		at, err := to.writable(a.Name.Name)
		if err != nil {
			return err
		}
		e := sqlparser.Rewrite(sqlparser.Clone(a.Expr), nil, func(c *sqlparser.Cursor) bool {
			if v, ok := c.Node().(*sqlparser.Variable); ok && v.Scope == sqlparser.VariableScope {
				for _, known := range fields.visible {
					if strings.EqualFold(known.name, "@"+v.Name.String()) {
						c.Replace(sqlparser.NewColName(known.name))
					}
				}
			}
			return true
		}).(sqlparser.Expr)
		if e, err = b.withDefaults(e, to, at); err != nil {
			return err
		}
		bound, err := b.bind(e, s)
		if err != nil {
			return err
		}
		values[at] = expr.ForColumn(bound, to.rel.table.Columns[at].Type)
	}
	return nil
}
