// Package geometry holds what MySQL's spatial types are made of: their internal
// form, well-known text and bytes, GeoJSON, and what functions compute of them.
//
// Shapes are those of github.com/peterstace/simplefeatures, whose algorithms do
// the computing. They have two finite coordinates for each point, and of all types
// only a collection can be empty, as in MySQL.
package geometry

import (
	"errors"

	"github.com/peterstace/simplefeatures/geom"
)

// ErrInvalid is the error of bytes or text that are no geometry.
var ErrInvalid = errors.New("geometry: invalid data")

// The spatial reference systems that are known.
const (
	Cartesian = 0    // a plane without units
	WGS84     = 4326 // longitude and latitude in degrees; outside of the internal form latitude comes first
)

// KnownSRID reports whether there is a spatial reference system of that number.
func KnownSRID(srid uint32) bool { return srid == Cartesian || srid == WGS84 }

// Type is a geometry's type by its number in well-known bytes.
type Type uint32

// The types that can be instantiated.
const (
	Point Type = iota + 1
	LineString
	Polygon
	MultiPoint
	MultiLineString
	MultiPolygon
	Collection
)

// Any is the type of columns that hold geometries of all types.
const Any Type = 0

// String returns the type's name as ST_GeometryType gives it.
func (t Type) String() string {
	return [...]string{"GEOMETRY", "POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMCOLLECTION"}[t]
}

// Holds reports whether a geometry of type u is one of type t: any is a GEOMETRY,
// and those of several parts are collections.
func (t Type) Holds(u Type) bool {
	return t == u || t == Any || t == Collection && u >= MultiPoint
}

// Geometry is a shape in a spatial reference system. In one with longitude and
// latitude x is the longitude.
type Geometry struct {
	SRID  uint32
	Shape geom.Geometry
}

// Type returns the shape's type.
func (g Geometry) Type() Type { return typeOf(g.Shape) }

// With returns another shape in g's reference system.
func (g Geometry) With(shape geom.Geometry) Geometry { return Geometry{g.SRID, shape} }

// IsGeographic reports whether coordinates are longitudes and latitudes.
func (g Geometry) IsGeographic() bool { return g.SRID == WGS84 }

func typeOf(s geom.Geometry) Type {
	switch s.Type() {
	case geom.TypePoint:
		return Point
	case geom.TypeLineString:
		return LineString
	case geom.TypePolygon:
		return Polygon
	case geom.TypeMultiPoint:
		return MultiPoint
	case geom.TypeMultiLineString:
		return MultiLineString
	case geom.TypeMultiPolygon:
		return MultiPolygon
	}
	return Collection
}

// maxDepth is how deep collections may be within one another.
const maxDepth = 100

// parts returns the shapes that one of several parts is made of.
func parts(s geom.Geometry) []geom.Geometry {
	var list []geom.Geometry
	switch typeOf(s) {
	case MultiPoint:
		m := s.MustAsMultiPoint()
		for i := range m.NumPoints() {
			list = append(list, m.PointN(i).AsGeometry())
		}
	case MultiLineString:
		m := s.MustAsMultiLineString()
		for i := range m.NumLineStrings() {
			list = append(list, m.LineStringN(i).AsGeometry())
		}
	case MultiPolygon:
		m := s.MustAsMultiPolygon()
		for i := range m.NumPolygons() {
			list = append(list, m.PolygonN(i).AsGeometry())
		}
	case Collection:
		c := s.MustAsGeometryCollection()
		for i := range c.NumGeometries() {
			list = append(list, c.GeometryN(i))
		}
	}
	return list
}

// assemble is the inverse of parts; the parts have the types that t needs.
func assemble(t Type, list []geom.Geometry) geom.Geometry {
	switch t {
	case MultiPoint:
		return geom.NewMultiPoint(each(list, geom.Geometry.MustAsPoint)).AsGeometry()
	case MultiLineString:
		return geom.NewMultiLineString(each(list, geom.Geometry.MustAsLineString)).AsGeometry()
	case MultiPolygon:
		return geom.NewMultiPolygon(each(list, geom.Geometry.MustAsPolygon)).AsGeometry()
	}
	return geom.NewGeometryCollection(list).AsGeometry()
}

func each[T any](list []geom.Geometry, as func(geom.Geometry) T) []T {
	out := make([]T, len(list))
	for i, g := range list {
		out[i] = as(g)
	}
	return out
}

// part returns the type of the parts of a geometry of type t, Any of a collection's.
func (t Type) part() Type {
	if t == Collection {
		return Any
	}
	return t - MultiPoint + Point
}

// rings returns a polygon's rings, the exterior one first.
func rings(p geom.Polygon) []geom.LineString {
	list := []geom.LineString{p.ExteriorRing()}
	for i := range p.NumInteriorRings() {
		list = append(list, p.InteriorRingN(i))
	}
	return list
}
