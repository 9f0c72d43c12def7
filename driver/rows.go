package driver

import (
	"context"
	"database/sql/driver"
	"io"
	"math"
	"reflect"
	"slices"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/types"
)

// rows walks through the batches of a result.
type rows struct {
	ctx   context.Context // of the query: database/sql gives Next none
	conn  *conn
	rows  *engine.Rows
	names []string
	batch *types.Batch
	next  int // row of batch
	// cells are the values of the rows before next that are not returned yet.
	cells, room []any
	few         [8]any // room for the values of small results
}

// cellRows is how many rows' values are made at once.
const cellRows = 32

var (
	_ driver.Rows                           = (*rows)(nil)
	_ driver.RowsNextResultSet              = (*rows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
	_ driver.RowsColumnTypeNullable         = (*rows)(nil)
	_ driver.RowsColumnTypeLength           = (*rows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*rows)(nil)
)

func newRows(ctx context.Context, c *conn, r *engine.Rows) *rows {
	rs := &rows{ctx: ctx, conn: c, rows: r}
	rs.enter()
	return rs
}

// enter begins with the current result set.
func (r *rows) enter() {
	columns := r.rows.Columns()
	r.names = make([]string, len(columns))
	for i := range columns {
		r.names[i] = columns[i].Name
	}
	r.batch, r.next, r.cells = nil, 0, nil
}

func (r *rows) Columns() []string { return r.names }

func (r *rows) Next(dest []driver.Value) error {
	if len(r.cells) == 0 {
		if err := r.fill(); err != nil {
			return err
		}
	}
	for i := range dest {
		dest[i] = r.cells[i]
	}
	r.cells = r.cells[len(dest):]
	return nil
}

// fill makes the values of some rows more.
func (r *rows) fill() error {
	for r.batch == nil || r.next >= r.batch.Len {
		b, err := r.rows.Next(r.ctx)
		if err != nil {
			return r.conn.check(err)
		}
		if b.Len == 0 {
			return io.EOF
		}
		r.batch, r.next = b, 0
	}
	zone, width := r.conn.session.Zone(), len(r.batch.Columns)
	n := min(cellRows, r.batch.Len-r.next)
	if r.room == nil {
		r.room = r.few[:0]
	}
	r.room = slices.Grow(r.room[:0], n*width)[:n*width]
	for i, c := range r.batch.Columns {
		types.GoColumn(c, r.next, r.next+n, zone, r.room[i:], width)
	}
	r.cells = r.room
	r.next += n
	return nil
}

func (r *rows) HasNextResultSet() bool { return r.rows.HasNextResultSet() }

func (r *rows) NextResultSet() error {
	ok, err := r.rows.NextResultSet(r.ctx)
	if err != nil {
		return r.conn.check(err)
	}
	if !ok {
		return io.EOF
	}
	r.enter()
	return nil
}

func (r *rows) Close() error { return r.rows.Close() }

func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	return r.rows.Columns()[i].Type.Name()
}

func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	c := r.rows.Columns()[i]
	return types.ScanType(c.Type, c.Nullable)
}

func (r *rows) ColumnTypeNullable(i int) (nullable, ok bool) {
	return r.rows.Columns()[i].Nullable, true
}

// ColumnTypeLength returns the declared length of strings: characters of text,
// bytes of binary columns.
func (r *rows) ColumnTypeLength(i int) (int64, bool) {
	t := r.rows.Columns()[i].Type
	switch {
	case !t.IsString():
		return 0, false
	case t.Size >= 0 && !t.IsSpatial():
		return int64(t.Size), true
	}
	return math.MaxInt64, true
}

// ColumnTypePrecisionScale returns DECIMAL's digits, and the fractional digits
// of seconds of TIME, DATETIME and TIMESTAMP as the scale.
func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	t := r.rows.Columns()[i].Type
	switch t.Kind {
	case types.Decimal:
		return int64(t.Size), int64(t.Scale), true
	case types.Time, types.DateTime, types.Timestamp:
		return int64(t.Scale), int64(t.Scale), true
	}
	return 0, 0, false
}
