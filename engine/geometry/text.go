package geometry

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/peterstace/simplefeatures/geom"
)

// names are the types' names in well-known text.
var names = map[string]Type{
	"POINT": Point, "LINESTRING": LineString, "POLYGON": Polygon, "MULTIPOINT": MultiPoint,
	"MULTILINESTRING": MultiLineString, "MULTIPOLYGON": MultiPolygon,
	"GEOMETRYCOLLECTION": Collection, "GEOMCOLLECTION": Collection,
}

// AppendText appends a shape as well-known text in MySQL's form.
func AppendText(dst []byte, s geom.Geometry) []byte {
	t := typeOf(s)
	name := t.String()
	if t == Collection {
		name = "GEOMETRYCOLLECTION"
		if len(parts(s)) == 0 {
			return append(dst, name+" EMPTY"...)
		}
	}
	return appendBody(append(dst, name...), s)
}

// appendBody appends what stands after a shape's name.
func appendBody(dst []byte, s geom.Geometry) []byte {
	dst = append(dst, '(')
	switch t := typeOf(s); t {
	case Point:
		xy, _ := s.MustAsPoint().XY()
		dst = appendPair(dst, xy)
	case LineString:
		seq := s.MustAsLineString().Coordinates()
		for i := range seq.Length() {
			dst = appendPair(comma(dst, i), seq.GetXY(i))
		}
	case Polygon:
		for i, r := range rings(s.MustAsPolygon()) {
			dst = appendBody(comma(dst, i), r.AsGeometry())
		}
	default:
		for i, p := range parts(s) {
			dst = comma(dst, i)
			if t == Collection {
				dst = AppendText(dst, p)
			} else {
				dst = appendBody(dst, p)
			}
		}
	}
	return append(dst, ')')
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

func appendPair(dst []byte, xy geom.XY) []byte {
	return appendNumber(append(appendNumber(dst, xy.X), ' '), xy.Y)
}

// appendNumber appends the shortest text that reads as f, with an exponent where
// MySQL writes one.
func appendNumber(dst []byte, f float64) []byte {
	if abs := max(f, -f); abs == 0 || abs >= 1e-15 && abs < 1e15 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	return append(dst[:n], bytes.Replace(dst[n:], []byte("e+"), []byte("e"), 1)...)
}

// ParseText reads a shape from well-known text. Names may be in any case.
func ParseText(s []byte) (geom.Geometry, error) {
	p := textParser{s: s}
	shape := p.tagged()
	p.space()
	if p.bad || len(p.s) > 0 {
		return geom.Geometry{}, ErrInvalid
	}
	return shape, nil
}

// textParser reads well-known text; after a fault it reads nothing more.
type textParser struct {
	s     []byte
	bad   bool
	depth int
}

func (p *textParser) space() { p.s = bytes.TrimLeft(p.s, " \t\n\r\v\f") }

// sign reads one character if it comes next.
func (p *textParser) sign(c byte) bool {
	p.space()
	if p.bad || len(p.s) == 0 || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

func (p *textParser) need(c byte) {
	if !p.sign(c) {
		p.bad = true
	}
}

// word reads a word in upper case, "" if there is none.
func (p *textParser) word() string {
	p.space()
	n := 0
	for n < len(p.s) && (p.s[n]|0x20 >= 'a' && p.s[n]|0x20 <= 'z') {
		n++
	}
	w := strings.ToUpper(string(p.s[:n]))
	p.s = p.s[n:]
	return w
}

// tagged reads a name and what it names.
func (p *textParser) tagged() geom.Geometry {
	t, ok := names[p.word()]
	p.depth++
	defer func() { p.depth-- }()
	if !ok || p.depth > maxDepth {
		p.bad = true
		return geom.Geometry{}
	}
	if t == Collection {
		before := p.s
		if p.word() == "EMPTY" {
			return assemble(Collection, nil)
		}
		p.s = before
	}
	return p.body(t)
}

// body reads what stands after a name.
func (p *textParser) body(t Type) geom.Geometry {
	p.need('(')
	if t == Collection && p.sign(')') {
		return assemble(Collection, nil)
	}
	switch t {
	case Point:
		xy := p.pair()
		p.need(')')
		return geom.NewPoint(geom.Coordinates{XY: xy, Type: geom.DimXY}).AsGeometry()
	case LineString:
		return geom.NewLineString(p.points(2)).AsGeometry()
	}
	var list []geom.Geometry
	var lines []geom.LineString
	for !p.bad {
		switch t {
		case Polygon:
			p.need('(')
			seq := p.points(4)
			p.bad = p.bad || !closed(seq)
			lines = append(lines, geom.NewLineString(seq))
		case MultiPoint:
			list = append(list, p.partPoint())
		case Collection:
			list = append(list, p.tagged())
		default:
			list = append(list, p.body(t.part()))
		}
		if !p.sign(',') {
			break
		}
	}
	p.need(')')
	switch {
	case p.bad:
		return geom.Geometry{}
	case t == Polygon:
		return geom.NewPolygon(lines).AsGeometry()
	}
	return assemble(t, list)
}

// partPoint reads a point of a MULTIPOINT, in parentheses or not.
func (p *textParser) partPoint() geom.Geometry {
	in := p.sign('(')
	xy := p.pair()
	if in {
		p.need(')')
	}
	return geom.NewPoint(geom.Coordinates{XY: xy, Type: geom.DimXY}).AsGeometry()
}

// points reads at least so many points up to the parenthesis that closes them.
func (p *textParser) points(least int) geom.Sequence {
	var xys []float64
	for !p.bad {
		xy := p.pair()
		if xys = append(xys, xy.X, xy.Y); !p.sign(',') {
			break
		}
	}
	p.need(')')
	p.bad = p.bad || len(xys) < 2*least
	return geom.NewSequence(xys, geom.DimXY)
}

func (p *textParser) pair() geom.XY {
	x := p.number()
	if rest := len(p.s); rest > 0 {
		p.space()
		p.bad = p.bad || len(p.s) == rest // nothing between the numbers
	}
	return geom.XY{X: x, Y: p.number()}
}

func (p *textParser) number() float64 {
	p.space()
	n := 0
	for n < len(p.s) && strings.IndexByte("0123456789+-.eE", p.s[n]) >= 0 {
		n++
	}
	f, err := strconv.ParseFloat(string(p.s[:n]), 64)
	if err != nil || p.bad {
		p.bad = true
		return 0
	}
	p.s = p.s[n:]
	return f
}
