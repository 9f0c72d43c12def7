package geometry

import (
	"encoding/binary"
	"math"

	"github.com/peterstace/simplefeatures/geom"
)

// The internal form is the SRID in four bytes and the shape as well-known bytes
// (OGC 06-103r4, 8.2), all little-endian.
const (
	sridBytes   = 4
	headerBytes = 1 + 4 // byte order and type
	countBytes  = 4
	pointBytes  = 2 * 8
)

// Header returns the type and the SRID of a geometry in the internal form, which it
// does not check beyond that.
func Header(b []byte) (t Type, srid uint32, err error) {
	if len(b) < sridBytes+headerBytes+countBytes || b[sridBytes] != 1 {
		return 0, 0, ErrInvalid
	}
	t = Type(binary.LittleEndian.Uint32(b[sridBytes+1:]))
	if t < Point || t > Collection {
		return 0, 0, ErrInvalid
	}
	return t, binary.LittleEndian.Uint32(b), nil
}

// Decode reads the internal form.
func Decode(b []byte) (Geometry, error) {
	if len(b) < sridBytes {
		return Geometry{}, ErrInvalid
	}
	d := decoder{b: b[sridBytes:], littleOnly: true}
	shape, err := d.all()
	return Geometry{binary.LittleEndian.Uint32(b), shape}, err
}

// DecodeWKB reads a shape from well-known bytes of either byte order.
func DecodeWKB(b []byte) (geom.Geometry, error) {
	d := decoder{b: b}
	return d.all()
}

// Encode returns the internal form.
func (g Geometry) Encode() []byte {
	return AppendWKB(binary.LittleEndian.AppendUint32(nil, g.SRID), g.Shape)
}

// AppendWKB appends a shape as well-known bytes, little-endian.
func AppendWKB(dst []byte, s geom.Geometry) []byte {
	t := typeOf(s)
	dst = append(dst, 1)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(t))
	switch t {
	case Point:
		xy, _ := s.MustAsPoint().XY()
		return appendXY(dst, xy)
	case LineString:
		return appendLine(dst, s.MustAsLineString())
	case Polygon:
		list := rings(s.MustAsPolygon())
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(list)))
		for _, r := range list {
			dst = appendLine(dst, r)
		}
		return dst
	}
	list := parts(s)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(list)))
	for _, p := range list {
		dst = AppendWKB(dst, p)
	}
	return dst
}

func appendLine(dst []byte, l geom.LineString) []byte {
	seq := l.Coordinates()
	dst = binary.LittleEndian.AppendUint32(dst, uint32(seq.Length()))
	for i := range seq.Length() {
		dst = appendXY(dst, seq.GetXY(i))
	}
	return dst
}

func appendXY(dst []byte, xy geom.XY) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(xy.X))
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(xy.Y))
}

// decoder reads well-known bytes. It counts no more than there are bytes for, so that
// damaged counts take no memory. After a fault all is read as zero.
type decoder struct {
	b          []byte
	littleOnly bool
	bad        bool
	depth      int
}

func (d *decoder) all() (geom.Geometry, error) {
	s := d.shape(Any)
	if d.bad || len(d.b) > 0 {
		return geom.Geometry{}, ErrInvalid
	}
	return s, nil
}

func (d *decoder) take(n int) []byte {
	if len(d.b) < n {
		d.bad = true
	}
	if d.bad {
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

// count reads how many elements follow, each of so many bytes at least.
func (d *decoder) count(order binary.ByteOrder, least uint32, size int) int {
	n := order.Uint32(d.take(countBytes))
	if d.bad || n < least || uint64(n) > uint64(len(d.b)/size) {
		d.bad = true
		return 0
	}
	return int(n)
}

// shape reads a shape of type want.
func (d *decoder) shape(want Type) geom.Geometry {
	var order binary.ByteOrder = binary.LittleEndian
	switch b := d.take(1)[0]; {
	case b == 0 && !d.littleOnly:
		order = binary.BigEndian
	case b != 1:
		d.bad = true
	}
	t := Type(order.Uint32(d.take(4)))
	d.bad = d.bad || t < Point || t > Collection || want != Any && t != want
	d.depth++
	defer func() { d.depth-- }()
	if d.bad || d.depth > maxDepth {
		d.bad = true
		return geom.Geometry{}
	}
	switch t {
	case Point:
		return geom.NewPoint(geom.Coordinates{XY: d.xy(order), Type: geom.DimXY}).AsGeometry()
	case LineString:
		return geom.NewLineString(d.points(order, 2)).AsGeometry()
	case Polygon:
		list := make([]geom.LineString, d.count(order, 1, countBytes+4*pointBytes))
		for i := range list {
			seq := d.points(order, 4)
			d.bad = d.bad || !closed(seq)
			list[i] = geom.NewLineString(seq)
		}
		return geom.NewPolygon(list).AsGeometry()
	}
	least := uint32(1)
	if t == Collection {
		least = 0
	}
	var list []geom.Geometry // grows as parts are read: each level could claim all the bytes
	for range d.count(order, least, headerBytes+countBytes) {
		p := d.shape(t.part())
		if d.bad {
			return geom.Geometry{}
		}
		list = append(list, p)
	}
	return assemble(t, list)
}

func (d *decoder) xy(order binary.ByteOrder) geom.XY {
	return geom.XY{X: d.float(order), Y: d.float(order)}
}

func (d *decoder) float(order binary.ByteOrder) float64 {
	f := math.Float64frombits(order.Uint64(d.take(8)))
	d.bad = d.bad || !finite(f)
	return f
}

func (d *decoder) points(order binary.ByteOrder, least uint32) geom.Sequence {
	xys := make([]float64, 0, 2*d.count(order, least, pointBytes))
	for range cap(xys) {
		xys = append(xys, d.float(order))
	}
	return geom.NewSequence(xys, geom.DimXY)
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// closed reports whether a line ends where it starts.
func closed(seq geom.Sequence) bool {
	n := seq.Length()
	return n > 0 && seq.GetXY(0) == seq.GetXY(n-1)
}
