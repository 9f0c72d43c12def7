package geometry

import (
	"errors"
	"fmt"
	"math"

	"github.com/peterstace/simplefeatures/geom"
)

// Functions of this file are of the plane; their callers refuse geographic
// coordinates. Those that return an error return ErrInvalid of shapes that are not
// valid where the library's algorithms do not bear these, and others where they fail.

// try calls f, which computes with the library. That panics where coordinates differ
// so much in size that it cannot tell on which side of a line a point is.
func try[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("geometry: %v", p)
		}
	}()
	return f()
}

// IsEmpty reports whether a geometry has no point.
func (g Geometry) IsEmpty() bool { return g.Shape.IsEmpty() }

// IsValid reports whether rings are simple and parts lie as their type wants, by the
// rules of OGC 06-103r4, 6.1.
func (g Geometry) IsValid() (bool, error) {
	return try(func() (bool, error) { return g.Shape.Validate() == nil, nil })
}

// ErrNotDefined is the error of asking whether a collection of several types is simple.
var ErrNotDefined = errors.New("geometry: not defined for collections")

// IsSimple reports whether a geometry meets itself nowhere but where its type lets
// it. It is ErrNotDefined for collections.
func (g Geometry) IsSimple() (bool, error) {
	return try(func() (bool, error) {
		simple, ok := g.Shape.IsSimple()
		if !ok {
			return false, ErrNotDefined
		}
		return simple, nil
	})
}

// IsClosed reports whether all of a geometry's lines end where they start; ok is false
// of what is no line.
func (g Geometry) IsClosed() (is, ok bool) {
	switch g.Type() {
	case LineString:
		return closed(g.Shape.MustAsLineString().Coordinates()), true
	case MultiLineString:
		for _, p := range parts(g.Shape) {
			if !closed(p.MustAsLineString().Coordinates()) {
				return false, true
			}
		}
		return true, true
	}
	return false, false
}

// Length returns the length of lines; ok is false of what is no line.
func (g Geometry) Length() (length float64, ok bool) {
	t := g.Type()
	return g.Shape.Length(), t == LineString || t == MultiLineString
}

// Area returns the area of polygons.
func (g Geometry) Area() float64 { return g.Shape.Area() }

// Dimension returns 0 for points, 1 for lines and 2 for areas, of a collection the
// largest of its parts'.
func (g Geometry) Dimension() int { return g.Shape.Dimension() }

// Centroid returns the centre of gravity of the parts of the highest dimension.
func (g Geometry) Centroid() (Geometry, error) {
	return try(func() (Geometry, error) { return g.With(g.Shape.Centroid().AsGeometry()), nil })
}

// ConvexHull returns the smallest convex shape around g.
func (g Geometry) ConvexHull() (Geometry, error) {
	return try(func() (Geometry, error) { return g.With(plain(g.Shape.ConvexHull())), nil })
}

// Envelope returns the rectangle around g with the corners in MySQL's order, or the
// line or point that it comes down to.
func (g Geometry) Envelope() Geometry {
	low, high, ok := g.Shape.Envelope().MinMaxXYs()
	if !ok {
		return g.With(geom.Geometry{})
	}
	return g.With(box(low, high))
}

// MakeEnvelope returns the rectangle with corners at two points, in the order that
// they give.
func MakeEnvelope(a, b Geometry) Geometry {
	p, _ := a.Shape.MustAsPoint().XY()
	q, _ := b.Shape.MustAsPoint().XY()
	return a.With(box(p, q))
}

func box(a, b geom.XY) geom.Geometry {
	switch {
	case a == b:
		return a.AsPoint().AsGeometry()
	case a.X == b.X || a.Y == b.Y:
		return geom.NewLineStringXY(a.X, a.Y, b.X, b.Y).AsGeometry()
	}
	return geom.NewPolygonXY([]float64{a.X, a.Y, b.X, a.Y, b.X, b.Y, a.X, b.Y, a.X, a.Y}).AsGeometry()
}

// Distance returns the distance of two geometries, of which none is empty.
func Distance(a, b Geometry) (float64, error) {
	return try(func() (float64, error) {
		d, _ := geom.Distance(a.Shape, b.Shape)
		return d, nil
	})
}

// EarthRadius is the mean radius in metres that distances on a sphere have for
// Cartesian coordinates, as in MySQL.
const EarthRadius = 6370986

// The semi-axes of WGS 84 in metres.
const (
	majorAxis = 6378137
	minorAxis = majorAxis * (1 - 1/298.257223563)
)

// MeanRadius is WGS 84's mean radius in metres.
const MeanRadius = (2*majorAxis + minorAxis) / 3

// SphereDistance returns the least great-circle distance of the points of two
// POINTs or MULTIPOINTs, whose coordinates are longitudes and latitudes in degrees,
// on a sphere of a radius, in its unit (the haversine formula).
func SphereDistance(a, b Geometry, radius float64) float64 {
	least := math.Inf(1)
	for _, p := range points(a.Shape) {
		for _, q := range points(b.Shape) {
			least = min(least, haversine(p, q))
		}
	}
	return least * radius
}

func haversine(p, q geom.XY) float64 {
	const radian = math.Pi / 180
	lat := math.Sin((q.Y - p.Y) * radian / 2)
	long := math.Sin((q.X - p.X) * radian / 2)
	h := lat*lat + math.Cos(p.Y*radian)*math.Cos(q.Y*radian)*long*long
	return 2 * math.Asin(math.Sqrt(min(h, 1)))
}

// points returns all points of a shape, in order.
func points(s geom.Geometry) []geom.XY {
	seq := s.DumpCoordinates()
	list := make([]geom.XY, seq.Length())
	for i := range list {
		list[i] = seq.GetXY(i)
	}
	return list
}

// OutOfRange is the error of a longitude or latitude that there is not.
type OutOfRange struct {
	Latitude bool
	Value    float64
}

func (e OutOfRange) Error() string {
	return fmt.Sprintf("geometry: coordinate %g is out of range", e.Value)
}

// CheckDegrees returns OutOfRange if a coordinate is no longitude in (-180, 180] or no
// latitude in [-90, 90].
func (g Geometry) CheckDegrees() error {
	for _, p := range points(g.Shape) {
		switch {
		case p.X <= -180 || p.X > 180:
			return OutOfRange{false, p.X}
		case p.Y < -90 || p.Y > 90:
			return OutOfRange{true, p.Y}
		}
	}
	return nil
}

// SwapXY returns g with its coordinates exchanged.
func (g Geometry) SwapXY() Geometry { return g.With(g.Shape.FlipCoordinates()) }

// valid returns ErrInvalid if a or b is not valid.
func valid(a, b Geometry) error {
	for _, g := range []Geometry{a, b} {
		if is, err := g.IsValid(); err != nil {
			return err
		} else if !is {
			return ErrInvalid
		}
	}
	return nil
}

// A Relation is a condition on how two shapes lie to one another (DE-9IM).
type Relation func(a, b geom.Geometry) (bool, error)

// The relations of OGC 06-103r4, 6.1.15.
var (
	Contains   Relation = geom.Contains
	Crosses    Relation = geom.Crosses
	Disjoint   Relation = geom.Disjoint
	Equals     Relation = geom.Equals
	Intersects Relation = func(a, b geom.Geometry) (bool, error) { return geom.Intersects(a, b), nil }
	Overlaps   Relation = geom.Overlaps
	Touches    Relation = geom.Touches
	Within     Relation = geom.Within
	Covers     Relation = geom.Covers
	CoveredBy  Relation = geom.CoveredBy
)

// Related reports whether a relation holds.
func Related(r Relation, a, b Geometry) (bool, error) {
	if err := valid(a, b); err != nil {
		return false, err
	}
	return try(func() (bool, error) { return r(a.Shape, b.Shape) })
}

// BoxesRelated reports whether a relation holds for the geometries' envelopes.
func BoxesRelated(r Relation, a, b Geometry) (bool, error) {
	return try(func() (bool, error) { return r(a.Envelope().Shape, b.Envelope().Shape) })
}

// An Overlay makes one shape of two.
type Overlay func(a, b geom.Geometry) (geom.Geometry, error)

// The overlays of two shapes' points.
var (
	Union               Overlay = geom.Union
	Intersection        Overlay = geom.Intersection
	Difference          Overlay = geom.Difference
	SymmetricDifference Overlay = geom.SymmetricDifference
)

// Overlaid returns an overlay of two geometries, an empty collection where it has no point.
func Overlaid(o Overlay, a, b Geometry) (Geometry, error) {
	if err := valid(a, b); err != nil {
		return Geometry{}, err
	}
	return try(func() (Geometry, error) {
		s, err := o(a.Shape, b.Shape)
		return a.With(plain(s)), err
	})
}

// plain returns what the library made of shapes as one that has a form: without empty
// ones but the empty collection.
func plain(s geom.Geometry) geom.Geometry {
	if s.IsEmpty() {
		return geom.Geometry{}
	}
	t := typeOf(s)
	if t < MultiPoint {
		return s
	}
	var list []geom.Geometry
	for _, p := range parts(s) {
		if !p.IsEmpty() {
			list = append(list, plain(p))
		}
	}
	return assemble(t, list)
}
