package store

import (
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Values gives the values of columns that rows do not have: of those that were
// added after the row was written, and of generated ones. It may be used from
// several goroutines at once.
type Values interface {
	// Initial returns the value of a column in rows that are older than it.
	Initial(t *schema.Table, column int) (types.Value, error)
	// Generator returns what computes a generated column.
	Generator(t *schema.Table, column int) (Generator, error)
}

// Generator computes a generated column's values. It is used by one goroutine.
type Generator interface {
	// Columns are the ordinals of the columns that the values depend on.
	Columns() []int
	// Append appends the values for rows of Columns to out. TIMESTAMPs are in UTC.
	Append(rows *types.Batch, out *types.Vector) error
}

// SetValues sets where the values come from that rows do not have. It is called
// before the database is used.
func (db *DB) SetValues(v Values) { db.values = v }

// zeroValues are the Values of a database without others.
type zeroValues struct{}

// Generator fails: there is nobody who could compute.
func (zeroValues) Generator(t *schema.Table, column int) (Generator, error) {
	return nil, sqlerr.Internal.New("no way to compute column %s", t.Columns[column].Name).On(t.QualifiedName())
}

// Initial returns NULL, or the type's zero for a NOT NULL column.
func (zeroValues) Initial(t *schema.Table, column int) (types.Value, error) {
	c := &t.Columns[column]
	switch {
	case c.Initial != "":
		return types.Value{}, sqlerr.Internal.New("no value for column %s of older rows", c.Name).
			On(t.QualifiedName()).In(c.Name)
	case !c.NotNull:
		return types.Value{}, nil
	}
	return types.Zero(c.Type), nil
}

// computed is a generated column of rows at hand.
type computed struct {
	gen    Generator
	source projection // of the columns that it depends on
	rows   *types.Batch
}

// generate appends column c of rows to out.
func (d *rowDecoder) generate(c int, keys, rows [][]byte, out *types.Vector) error {
	g := d.computed[c]
	if g == nil {
		gen, err := d.values.Generator(d.l.t, c)
		if err != nil {
			return err
		}
		g = &computed{gen: gen, source: d.l.newProjection(&d.l.primary, gen.Columns(), d.values),
			rows: types.NewBatch(typesOf(d.l.t, gen.Columns()))}
		if d.computed == nil {
			d.computed = map[int]*computed{}
		}
		d.computed[c] = g
	}
	g.rows.Reset()
	for i, t := range typesOf(d.l.t, g.gen.Columns()) {
		g.rows.Columns[i].Reset(t)
	}
	if err := g.source.decode(keys, rows, g.rows.Columns); err != nil {
		return err
	}
	g.rows.Len = len(rows)
	return g.gen.Append(g.rows, out)
}
