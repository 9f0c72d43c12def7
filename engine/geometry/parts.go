package geometry

import "github.com/peterstace/simplefeatures/geom"

// Functions of this file return ok as false where a geometry has no such part; they
// count from 1, as SQL does.

// NewPoint returns a point.
func NewPoint(srid uint32, x, y float64) (g Geometry, ok bool) {
	return Geometry{srid, geom.NewPointXY(x, y).AsGeometry()}, finite(x) && finite(y)
}

// Assemble returns the geometry of type t that parts make up: points a line, lines a
// polygon. It is ErrInvalid where they do not.
func Assemble(t Type, srid uint32, of []Geometry) (Geometry, error) {
	want := t.part()
	switch t {
	case LineString:
		want = Point
	case Polygon:
		want = LineString
	}
	shapes := make([]geom.Geometry, len(of))
	for i, g := range of {
		if shapes[i] = g.Shape; want != Any && g.Type() != want {
			return Geometry{}, ErrInvalid
		}
	}
	g := Geometry{SRID: srid}
	switch t {
	case LineString:
		var xys []float64
		for _, s := range shapes {
			xy, _ := s.MustAsPoint().XY()
			xys = append(xys, xy.X, xy.Y)
		}
		g.Shape = geom.NewLineString(geom.NewSequence(xys, geom.DimXY)).AsGeometry()
	case Polygon:
		g.Shape = geom.NewPolygon(each(shapes, geom.Geometry.MustAsLineString)).AsGeometry()
	default:
		g.Shape = assemble(t, shapes)
	}
	return Decode(g.Encode()) // there may be too few parts, or rings that are not closed
}

// XY returns a point's coordinates.
func (g Geometry) XY() (x, y float64, ok bool) {
	if g.Type() != Point {
		return 0, 0, false
	}
	xy, _ := g.Shape.MustAsPoint().XY()
	return xy.X, xy.Y, true
}

// NumPoints returns how many points a line has.
func (g Geometry) NumPoints() (n int, ok bool) {
	if g.Type() != LineString {
		return 0, false
	}
	return g.Shape.MustAsLineString().Coordinates().Length(), true
}

// PointN returns a line's point.
func (g Geometry) PointN(n int64) (p Geometry, ok bool) {
	if count, ok := g.NumPoints(); !ok || n < 1 || n > int64(count) {
		return p, false
	}
	return g.With(g.Shape.MustAsLineString().Coordinates().GetXY(int(n - 1)).AsPoint().AsGeometry()), true
}

// NumGeometries returns how many parts a geometry of several has.
func (g Geometry) NumGeometries() (n int, ok bool) {
	return len(parts(g.Shape)), g.Type() >= MultiPoint
}

// GeometryN returns a part of a geometry of several.
func (g Geometry) GeometryN(n int64) (p Geometry, ok bool) {
	list := parts(g.Shape)
	if n < 1 || n > int64(len(list)) {
		return p, false
	}
	return g.With(list[n-1]), true
}

// NumInteriorRings returns how many holes a polygon has.
func (g Geometry) NumInteriorRings() (n int, ok bool) {
	if g.Type() != Polygon {
		return 0, false
	}
	return g.Shape.MustAsPolygon().NumInteriorRings(), true
}

// ExteriorRing returns a polygon's outline.
func (g Geometry) ExteriorRing() (r Geometry, ok bool) { return g.InteriorRingN(0) }

// InteriorRingN returns the outline of a polygon's hole, of number 0 the polygon's.
func (g Geometry) InteriorRingN(n int64) (r Geometry, ok bool) {
	if count, ok := g.NumInteriorRings(); !ok || n < 0 || n > int64(count) {
		return r, false
	}
	return g.With(rings(g.Shape.MustAsPolygon())[n].AsGeometry()), true
}
