package store

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// A row's value, numbers little endian but uvarints:
//
//	1        rowFormat, plus what tells the width of an end
//	uvarint  schema version the row was written under
//	uvarint  length of the shape
//	shape    for each column id from 0 a nibble, low ones first, that tells how
//	         the column is kept: absent, 1, 2, 4 or 8 bytes, or bytes
//	8        time of the last change, microseconds since 1970
//	bitmap   a bit for each kept column in order of ids: NULL
//	fixed    the kept numbers in order of ids
//	1, 2, 4  for each kept column of bytes where its bytes end, from the first's start
//	bytes
//
// All of a table's rows of one schema version have the same shape, so that a
// reader finds out once where columns are. A column whose id a row lacks was
// added later, or is virtual. A number may be kept narrower than it is now. Columns of the primary key are in the row's key and are not
// kept, unless the key has a prefix of them or can't be decoded.
const (
	rowFormat  = 0x10
	wideEnds   = rowFormat | 0x01 // of 4 bytes
	narrowEnds = rowFormat | 0x02 // of 1 byte
)

// endWidth returns how many bytes an end takes in rows that begin with format, 0 if none
// does.
func endWidth(format byte) int {
	switch format {
	case narrowEnds:
		return 1
	case rowFormat:
		return 2
	case wideEnds:
		return 4
	}
	return 0
}

// How a column is kept in a row.
const (
	absent byte = iota
	width1
	width2
	width4
	width8
	inBytes
)

var errRow = errors.New("malformed row")

// dateShift is the bits of a packed DATE that are always zero.
const dateShift = 41

// storedColumn is a column that is kept in rows.
type storedColumn struct {
	ordinal int
	id      uint32
	kept    byte
	form
}

// form is how a number's 64 bits become its width's.
type form struct {
	phys  types.Physical
	float bool // of 4 bytes
	shift uint // dropped low bits
	sign  uint // 64 minus the width's bits, of signed numbers
}

// KeepsRows reports whether values of type from, as rows have them, are read as
// those of type to.
func KeepsRows(from, to types.Type) bool {
	a, f := keptAs(from)
	b, g := keptAs(to)
	return (a == inBytes) == (b == inBytes) && size(a) <= size(b) && f.phys == g.phys && f.float == g.float && f.shift == g.shift
}

// keptAs returns how values of t are kept in rows. For a column id it may only
// change as KeepsRows allows: else a column whose type changes gets a new id.
func keptAs(t types.Type) (byte, form) {
	f := form{phys: t.Physical()}
	kept := width8
	switch t.Kind {
	case types.TinyInt:
		kept = width1
	case types.SmallInt, types.Year, types.Enum:
		kept = width2
	case types.MediumInt, types.Int:
		kept = width4
	case types.Float:
		kept, f.float = width4, true
	case types.Date:
		kept, f.shift = width4, dateShift
	case types.Bit:
		kept = widthOf(t.Size)
	case types.Set:
		if t.Members != nil {
			kept = widthOf(len(t.Members.Names))
		}
	case types.Decimal:
		if t.Size <= 9 {
			kept = width4
		}
	}
	switch f.phys {
	case types.PhysBytes, types.PhysNull:
		return inBytes, f
	case types.PhysInt64:
		f.sign = uint(64 - 8*size(kept))
	}
	return kept, f
}

// widthOf returns the width that holds bits, 8 bytes when they are not known.
func widthOf(bits int) byte {
	switch {
	case bits < 0 || bits > 32:
		return width8
	case bits <= 8:
		return width1
	case bits <= 16:
		return width2
	default:
		return width4
	}
}

// size returns the bytes that a number takes; 0 for what is no number.
func size(kept byte) int {
	if kept == absent || kept >= inBytes {
		return 0
	}
	return 1 << (kept - width1)
}

// initRows sets up what rows of the layout's table are written with.
func (l *layout) initRows() {
	for c := range l.t.Columns {
		col := &l.t.Columns[c]
		if l.primary.whole(c) >= 0 && !col.Type.LossyKey() {
			continue
		}
		if col.Virtual {
			continue
		}
		kept, f := keptAs(col.Type)
		l.stored = append(l.stored, storedColumn{c, col.ID, kept, f})
	}
	slices.SortFunc(l.stored, func(a, b storedColumn) int { return int(a.id) - int(b.id) })
	l.setHead(l.t.Version)
}

// setHead sets what rows of a schema version begin with.
func (r *rowShape) setHead(version uint32) {
	var shape []byte
	for _, c := range r.stored {
		for int(c.id/2) >= len(shape) {
			shape = append(shape, 0)
		}
		shape[c.id/2] |= c.kept << (c.id % 2 * 4)
	}
	r.shape = binary.AppendUvarint(r.shape[:0], uint64(version))
	r.shape = binary.AppendUvarint(r.shape, uint64(len(shape)))
	r.shape = append(r.shape, shape...)
}

// keptIn returns c for rows that keep it in another width.
func (c storedColumn) keptIn(kept byte) storedColumn {
	c.kept = kept
	if c.phys == types.PhysInt64 {
		c.sign = uint(64 - 8*size(kept))
	}
	return c
}

// appendRow appends the value of row i of whole rows.
func (l *layout) appendRow(dst []byte, rows *types.Batch, i int, updated int64) ([]byte, error) {
	return l.appendRowAs(dst, &l.rowShape, rows, i, updated)
}

// appendRowAs is appendRow for rows that have the columns of a shape.
func (l *layout) appendRowAs(dst []byte, as *rowShape, rows *types.Batch, i int, updated int64) ([]byte, error) {
	data, ends := 0, 0
	for _, c := range as.stored {
		if c.kept == inBytes {
			ends++
			if v := rows.Columns[c.ordinal]; !v.IsNull(i) {
				data += len(v.BytesAt(i))
			}
		}
	}
	format := byte(rowFormat)
	switch {
	case data <= math.MaxUint8:
		format = narrowEnds
	case data > math.MaxUint16:
		format = wideEnds
	}
	width := endWidth(format)
	if data > math.MaxInt32 {
		return dst, sqlerr.RowTooLarge.New("Row size too large: %d bytes", data).On(l.t.QualifiedName())
	}
	dst = append(dst, format)
	dst = append(dst, as.shape...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(updated))
	nulls := len(dst)
	for range (len(as.stored) + 7) / 8 {
		dst = append(dst, 0)
	}
	for n, c := range as.stored {
		v := rows.Columns[c.ordinal]
		if v.IsNull(i) {
			dst[nulls+n/8] |= 1 << (n % 8)
			dst = append(dst, zeros[:size(c.kept)]...)
			continue
		}
		if c.kept == inBytes {
			continue
		}
		x, ok := c.pack(v, i)
		if !ok {
			return dst, l.outOfRange(c.ordinal)
		}
		dst = binary.LittleEndian.AppendUint64(dst, x)
		dst = dst[:len(dst)-8+size(c.kept)]
	}
	at := len(dst)
	for range ends {
		dst = append(dst, zeros[:width]...)
	}
	start := len(dst)
	for _, c := range as.stored {
		if c.kept != inBytes {
			continue
		}
		if v := rows.Columns[c.ordinal]; !v.IsNull(i) {
			dst = append(dst, v.BytesAt(i)...)
		}
		switch end := len(dst) - start; width {
		case 1:
			dst[at] = byte(end)
		case 2:
			binary.LittleEndian.PutUint16(dst[at:], uint16(end))
		default:
			binary.LittleEndian.PutUint32(dst[at:], uint32(end))
		}
		at += width
	}
	return dst, nil
}

// outOfRange is the error for a number that rows can't keep.
func (l *layout) outOfRange(ordinal int) error {
	name := l.t.Columns[ordinal].Name
	return sqlerr.Internal.New("value out of the range of column %s", name).On(l.t.QualifiedName()).In(name)
}

var zeros [8]byte

// pack returns number i of v in the low bytes of the column's width, and false
// when it doesn't fit.
func (c *storedColumn) pack(v *types.Vector, i int) (uint64, bool) {
	var x uint64
	switch c.phys {
	case types.PhysInt64:
		x = uint64(v.Int64s[i])
	case types.PhysUint64:
		x = v.Uint64s[i]
	case types.PhysFloat64:
		x = math.Float64bits(v.Float64s[i])
		if c.float {
			return uint64(math.Float32bits(float32(v.Float64s[i]))), true
		}
	}
	packed := x >> c.shift
	if n := size(c.kept); n < 8 {
		packed &= 1<<(8*n) - 1
	}
	return packed, c.unpack(packed) == x
}

// unpack returns a number's 64 bits.
func (f *form) unpack(x uint64) uint64 {
	if f.float {
		return math.Float64bits(float64(math.Float32frombits(uint32(x))))
	}
	return uint64(int64(x<<f.sign)>>f.sign) << f.shift
}

// rowDecoder reads columns of rows into vectors.
type rowDecoder struct {
	l        *layout
	want     []wanted
	values   Values            // of columns that are absent in a row
	computed map[int]*computed // generated columns, by ordinal
	deleted  bool              // the rows are deleted ones

	// What all rows have in common whose schema version and shape head has, which follow
	// the format byte.
	head  []byte
	skip  int // to the bitmap
	nulls int // bytes of the bitmap
	fixed int // bytes of the numbers
	ends  int // number of columns of bytes
}

// wanted is a column to read.
type wanted struct {
	storedColumn
	out    int  // index of the vector
	system bool // it is a system column, which no shape has
	// Where the column is in rows that begin with head.
	in   byte // how it is kept there
	form form // of that
	null int  // its bit of the bitmap
	at   int  // number: offset among the fixed; bytes: index of its end
}

// add asks for a column to be put into vector out.
func (d *rowDecoder) add(column, out int) {
	w := wanted{storedColumn: storedColumn{ordinal: column, id: d.l.t.At(column).ID}, out: out}
	w.system = column >= len(d.l.types)
	if n := slices.IndexFunc(d.l.stored, func(s storedColumn) bool { return s.ordinal == column }); n >= 0 {
		w.storedColumn = d.l.stored[n]
	}
	d.want = append(d.want, w)
}

// decode appends the wanted columns of rows, whose keys are given, to out.
func (d *rowDecoder) decode(keys, rows [][]byte, out []*types.Vector) error {
	if len(d.want) == 0 {
		return nil
	}
	for len(rows) > 0 {
		if err := d.prepare(rows[0]); err != nil {
			return err
		}
		n := 0
		for _, r := range rows {
			if !d.alike(r) {
				break
			}
			// After this check all but the ends' values is known to be in bounds.
			width := endWidth(r[0])
			if width == 0 || len(r) < d.skip+d.nulls+d.fixed+d.ends*width {
				return errRow
			}
			n++
		}
		for i := range d.want {
			w := &d.want[i]
			var err error
			if w.system {
				d.appendSystem(w, rows[:n], out[w.out])
			} else if w.in == absent && d.l.t.Columns[w.ordinal].Generated != "" {
				err = d.generate(w.ordinal, keys[:n], rows[:n], out[w.out])
			} else {
				err = d.column(w, rows[:n], out[w.out])
			}
			if err != nil {
				return err
			}
		}
		keys, rows = keys[n:], rows[n:]
	}
	return nil
}

// appendSystem appends a system column of rows to v.
func (d *rowDecoder) appendSystem(w *wanted, rows [][]byte, v *types.Vector) {
	updated := d.l.t.At(w.ordinal).Name == schema.UpdatedColumn
	for _, r := range rows {
		switch {
		case updated:
			at := int64(binary.LittleEndian.Uint64(r[d.skip-8:]))
			v.AppendInt(types.TimeToPacked(time.UnixMicro(at).UTC(), 6))
		case d.deleted:
			v.AppendInt(1)
		default:
			v.AppendInt(0)
		}
	}
}

// alike reports whether a row has the columns that prepare found last.
func (d *rowDecoder) alike(row []byte) bool {
	n := len(d.head)
	return n > 0 && len(row) > n && string(row[1:1+n]) == string(d.head)
}

// prepare finds out where columns are in rows like row.
func (d *rowDecoder) prepare(row []byte) error {
	if d.alike(row) {
		return nil
	}
	d.head = d.head[:0]
	if len(row) == 0 || endWidth(row[0]) == 0 {
		return errRow
	}
	_, n := binary.Uvarint(row[1:])
	if n <= 0 {
		return errRow
	}
	rest := row[1+n:]
	length, n := binary.Uvarint(rest)
	if n <= 0 || length > uint64(len(rest)-n) {
		return errRow
	}
	rest = rest[n:]
	shape := rest[:length]
	for i := range d.want {
		d.want[i].in = absent
	}
	bit, fixed, ends := 0, 0, 0
	for id := range uint32(2 * len(shape)) {
		kept := shape[id/2] >> (id % 2 * 4) & 0xf
		if kept == absent {
			continue
		}
		if kept > inBytes {
			return errRow
		}
		for i := range d.want {
			if c := &d.want[i]; c.id == id {
				if (kept == inBytes) != (c.kept == inBytes) || size(kept) > size(c.kept) {
					return errRow
				}
				c.in, c.null, c.at, c.form = kept, bit, fixed, c.storedColumn.form
				if c.form.sign > 0 || c.phys == types.PhysInt64 {
					c.form.sign = uint(64 - 8*size(kept))
				}
				if kept == inBytes {
					c.at = ends
				}
			}
		}
		bit++
		if kept == inBytes {
			ends++
		}
		fixed += size(kept)
	}
	d.nulls, d.fixed, d.ends = (bit+7)/8, fixed, ends
	d.head = append(d.head, row[1:len(row)-len(rest)+int(length)]...)
	d.skip = 1 + len(d.head) + 8
	return nil
}

// column appends column c of rows to v.
func (d *rowDecoder) column(c *wanted, rows [][]byte, v *types.Vector) error {
	switch c.in {
	case absent:
		x, err := d.values.Initial(d.l.t, c.ordinal)
		if err != nil {
			return err
		}
		for range rows {
			v.AppendValue(x)
		}
		return nil
	case inBytes:
		return d.bytes(c, rows, v)
	}
	null, at, mask := d.skip+c.null/8, d.skip+d.nulls+c.at, byte(1)<<(c.null%8)
	for _, b := range rows {
		if b[null]&mask != 0 {
			v.AppendNull()
			continue
		}
		var x uint64
		switch c.in {
		case width1:
			x = uint64(b[at])
		case width2:
			x = uint64(binary.LittleEndian.Uint16(b[at:]))
		case width4:
			x = uint64(binary.LittleEndian.Uint32(b[at:]))
		default:
			x = binary.LittleEndian.Uint64(b[at:])
		}
		x = c.form.unpack(x)
		switch c.phys {
		case types.PhysInt64:
			v.AppendInt(int64(x))
		case types.PhysUint64:
			v.AppendUint(x)
		case types.PhysFloat64:
			v.AppendFloat(math.Float64frombits(x))
		}
	}
	return nil
}

func (d *rowDecoder) bytes(c *wanted, rows [][]byte, v *types.Vector) error {
	null, mask := d.skip+c.null/8, byte(1)<<(c.null%8)
	ends := d.skip + d.nulls + d.fixed
	for _, b := range rows {
		if b[null]&mask != 0 {
			v.AppendNull()
			continue
		}
		width := endWidth(b[0])
		data := ends + d.ends*width
		start, end := 0, endAt(b[ends:], width, c.at)
		if c.at > 0 {
			start = endAt(b[ends:], width, c.at-1)
		}
		if start > end || end > len(b)-data {
			return errRow
		}
		if len(v.Data)+end-start > math.MaxInt32 {
			return sqlerr.OutOfMemory.New("rows of more than 2 GiB in one batch").On(d.l.t.QualifiedName())
		}
		v.AppendBytes(b[data+start : data+end])
	}
	return nil
}

// endAt returns end n of those of a row.
func endAt(ends []byte, width, n int) int {
	switch width {
	case 1:
		return int(ends[n])
	case 2:
		return int(binary.LittleEndian.Uint16(ends[2*n:]))
	}
	return int(binary.LittleEndian.Uint32(ends[4*n:]))
}

// rowUpdated returns the time of a row's last change.
func rowUpdated(row []byte) (int64, error) {
	var d rowDecoder
	return d.updated(row)
}

// updated returns the time of a row's last change.
func (d *rowDecoder) updated(row []byte) (int64, error) {
	if err := d.prepare(row); err != nil {
		return 0, err
	}
	if len(row) < d.skip || endWidth(row[0]) == 0 {
		return 0, errRow
	}
	return int64(binary.LittleEndian.Uint64(row[d.skip-8:])), nil
}
