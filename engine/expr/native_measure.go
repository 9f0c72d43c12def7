package expr

import (
	"errors"
	"math"

	"github.com/kalamgo/kalam/engine/geometry"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// measureNatives are the functions that tell of geometries, take them apart, relate
// and combine them.
func measureNatives() map[string]*native {
	one := func(result types.Type, eval func(c *nativeCall, g geometry.Geometry) (types.Value, error)) *native {
		return &native{args: []types.Type{types.NullType, types.Int64Type}, result: result, eval: func(c *nativeCall) (types.Value, error) {
			g, err := c.geometry(0)
			if err != nil {
				return types.Value{}, err
			}
			return eval(c, g)
		}}
	}
	// plane is one for functions that are of the plane alone.
	plane := func(result types.Type, eval func(c *nativeCall, g geometry.Geometry) (types.Value, error)) *native {
		return one(result, func(c *nativeCall, g geometry.Geometry) (types.Value, error) {
			if err := c.planar(g); err != nil {
				return types.Value{}, err
			}
			return eval(c, g)
		})
	}
	relation := func(eval func(c *nativeCall, a, b geometry.Geometry) (types.Value, error)) *native {
		return &native{args: anyArg, result: types.BoolType, eval: func(c *nativeCall) (types.Value, error) {
			list, err := c.geometries(2)
			if err != nil || list[0].IsEmpty() || list[1].IsEmpty() {
				return types.Value{}, err
			}
			if err := c.planar(list[0]); err != nil {
				return types.Value{}, err
			}
			return eval(c, list[0], list[1])
		}}
	}
	natives := map[string]*native{
		"st_geometrytype":     one(types.TextType, geometryType),
		"st_dimension":        one(types.Int64Type, dimension),
		"st_isempty":          one(types.BoolType, isEmpty),
		"st_issimple":         plane(types.BoolType, isSimple),
		"st_isvalid":          plane(types.BoolType, isValid),
		"st_validate":         plane(types.SpatialType, validate),
		"st_isclosed":         one(types.BoolType, isClosed),
		"st_numpoints":        one(types.Int64Type, countOf(geometry.Geometry.NumPoints)),
		"st_numgeometries":    one(types.Int64Type, countOf(geometry.Geometry.NumGeometries)),
		"st_numinteriorrings": one(types.Int64Type, countOf(geometry.Geometry.NumInteriorRings)),
		"st_pointn":           one(spatialType(geometry.Point), partOf(geometry.Geometry.PointN)),
		"st_geometryn":        one(types.SpatialType, partOf(geometry.Geometry.GeometryN)),
		"st_interiorringn":    one(spatialType(geometry.LineString), interiorRing),
		"st_exteriorring":     one(spatialType(geometry.LineString), exteriorRing),
		"st_startpoint":       one(spatialType(geometry.Point), startPoint),
		"st_endpoint":         one(spatialType(geometry.Point), endPoint),
		"st_swapxy":           one(types.SpatialType, swapXY),
		"st_length":           {args: []types.Type{types.NullType, types.TextType}, result: types.Float64Type, eval: length},
		"st_area":             plane(types.Float64Type, area),
		"st_centroid":         plane(spatialType(geometry.Point), centroid),
		"st_convexhull":       plane(types.SpatialType, convexHull),
		"st_envelope":         plane(types.SpatialType, envelope),
		"st_makeenvelope":     {args: anyArg, result: types.SpatialType, eval: makeEnvelope},
		"st_distance":         {args: []types.Type{types.NullType, types.NullType, types.TextType}, result: types.Float64Type, eval: distance},
		"st_distance_sphere":  {args: []types.Type{types.NullType, types.NullType, types.Float64Type}, result: types.Float64Type, eval: distanceSphere},
		"st_srid":             property(types.Int64Type, types.Uint64Type, sridOf),
		"st_x":                property(types.Float64Type, types.Float64Type, coordinate(false)),
		"st_y":                property(types.Float64Type, types.Float64Type, coordinate(true)),
		"st_longitude":        property(types.Float64Type, types.Float64Type, degree(false)),
		"st_latitude":         property(types.Float64Type, types.Float64Type, degree(true)),
		"st_crosses":          relation(crosses),
		"st_touches":          relation(touches),
		"mbrequals":           relation(boxes(geometry.Equals)),
		"mbrcovers":           relation(boxes(geometry.Covers)),
		"mbrcoveredby":        relation(boxes(geometry.CoveredBy)),
		"mbrtouches":          relation(boxes(geometry.Touches)),
	}
	for name, r := range map[string]geometry.Relation{
		"contains": geometry.Contains, "disjoint": geometry.Disjoint, "intersects": geometry.Intersects,
		"overlaps": geometry.Overlaps, "within": geometry.Within,
	} {
		natives["st_"+name] = relation(shapes(r))
		natives["mbr"+name] = relation(boxes(r))
	}
	natives["st_equals"] = relation(shapes(geometry.Equals))
	for name, o := range map[string]geometry.Overlay{
		"st_union": geometry.Union, "st_intersection": geometry.Intersection,
		"st_difference": geometry.Difference, "st_symdifference": geometry.SymmetricDifference,
	} {
		natives[name] = &native{args: anyArg, result: types.SpatialType, eval: overlay(o)}
	}
	return natives
}

// failed is the error of a computation.
func (c *nativeCall) failed(err error) error {
	if errors.Is(err, geometry.ErrInvalid) {
		return c.invalidGIS()
	}
	return sqlerr.GISUnknown.Wrap(err, "Unknown GIS error occurred in function %s.", c.name)
}

// planar refuses geometries with longitudes and latitudes.
func (c *nativeCall) planar(g geometry.Geometry) error {
	if g.IsGeographic() {
		return sqlerr.Unsupported("%s of geometries in SRID %d", construct(c.name), g.SRID)
	}
	return nil
}

// real returns a number that was computed.
func (c *nativeCall) real(f float64) (types.Value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return types.Value{}, sqlerr.DataOutOfRange.New("Result value is out of range in '%s'", c.name)
	}
	return types.NewFloat(f), nil
}

// shape returns a geometry that was computed.
func (c *nativeCall) shape(g geometry.Geometry) (types.Value, error) {
	v := geometryValue(g)
	if _, err := geometry.Decode(v.Bytes()); err != nil { // a coordinate is infinite
		return types.Value{}, sqlerr.DataOutOfRange.New("Result value is out of range in '%s'", c.name)
	}
	return v, nil
}

func geometryType(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	return types.NewString(g.Type().String()), nil
}

func dimension(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	return types.NewInt(int64(g.Dimension())), nil
}

func isEmpty(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	return types.NewBool(g.IsEmpty()), nil
}

func isSimple(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	if g.IsEmpty() {
		return types.NewBool(true), nil
	}
	simple, err := g.IsSimple()
	switch {
	case errors.Is(err, geometry.ErrNotDefined):
		return types.Value{}, sqlerr.Unsupported("%s of a GEOMETRYCOLLECTION", construct(c.name))
	case err != nil:
		return types.Value{}, c.failed(err)
	}
	return types.NewBool(simple), nil
}

func isValid(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	is, err := g.IsValid()
	if err != nil {
		return types.Value{}, c.failed(err)
	}
	return types.NewBool(is), nil
}

// validate is ST_Validate(g): g if it is valid, else NULL.
func validate(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	is, err := g.IsValid()
	switch {
	case err != nil:
		return types.Value{}, c.failed(err)
	case !is:
		return types.Value{}, nil
	}
	return c.args[0], nil
}

func isClosed(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	is, ok := g.IsClosed()
	if !ok {
		return types.Value{}, nil
	}
	return types.NewBool(is), nil
}

// countOf is a function that counts parts, NULL of geometries that have none.
func countOf(count func(geometry.Geometry) (int, bool)) func(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	return func(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
		n, ok := count(g)
		if !ok {
			return types.Value{}, nil
		}
		return types.NewInt(int64(n)), nil
	}
}

// partOf is a function that picks a part by number, NULL where there is none.
func partOf(pick func(geometry.Geometry, int64) (geometry.Geometry, bool)) func(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	return func(c *nativeCall, g geometry.Geometry) (types.Value, error) {
		return orNull(pick(g, c.args[1].Int()))
	}
}

func orNull(g geometry.Geometry, ok bool) (types.Value, error) {
	if !ok {
		return types.Value{}, nil
	}
	return geometryValue(g), nil
}

func interiorRing(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	if c.args[1].Int() < 1 {
		return types.Value{}, nil
	}
	return orNull(g.InteriorRingN(c.args[1].Int()))
}

func exteriorRing(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	return orNull(g.ExteriorRing())
}

func startPoint(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	return orNull(g.PointN(1))
}

func endPoint(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	n, _ := g.NumPoints()
	return orNull(g.PointN(int64(n)))
}

func swapXY(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	return geometryValue(g.SwapXY()), nil
}

// length is ST_Length(line [, unit]).
func length(c *nativeCall) (types.Value, error) {
	g, err := c.geometry(0)
	if err != nil {
		return types.Value{}, err
	}
	l, ok := g.Length()
	if !ok {
		return types.Value{}, nil
	}
	if err := c.inPlaneWithout(1, g); err != nil {
		return types.Value{}, err
	}
	return c.real(l)
}

// inPlaneWithout refuses geographic geometries, and a unit as argument i: the plane has none.
func (c *nativeCall) inPlaneWithout(i int, g geometry.Geometry) error {
	if err := c.planar(g); err != nil || len(c.args) <= i {
		return err
	}
	return sqlerr.UnknownLengthUnit.New("The geometry passed to function %s is in SRID 0, which doesn't specify a length unit. Can't convert to '%s'.",
		c.name, c.args[i].Bytes())
}

func area(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	if g.IsEmpty() {
		return types.Value{}, nil
	}
	if t := g.Type(); t != geometry.Polygon && t != geometry.MultiPolygon {
		return types.Value{}, c.unexpected("POLYGON/MULTIPOLYGON", g)
	}
	return c.real(g.Area())
}

func centroid(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	if g.IsEmpty() {
		return types.Value{}, nil
	}
	p, err := g.Centroid()
	if err != nil {
		return types.Value{}, c.failed(err)
	}
	return c.shape(p)
}

func convexHull(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	if g.IsEmpty() {
		return types.Value{}, nil
	}
	hull, err := g.ConvexHull()
	if err != nil {
		return types.Value{}, c.failed(err)
	}
	return c.shape(hull)
}

func envelope(_ *nativeCall, g geometry.Geometry) (types.Value, error) {
	return geometryValue(g.Envelope()), nil
}

// makeEnvelope is ST_MakeEnvelope(p, q).
func makeEnvelope(c *nativeCall) (types.Value, error) {
	list, err := c.geometries(2)
	if err != nil {
		return types.Value{}, err
	}
	if err := c.planar(list[0]); err != nil {
		return types.Value{}, err
	}
	if list[0].Type() != geometry.Point || list[1].Type() != geometry.Point {
		return types.Value{}, c.invalidGIS()
	}
	return geometryValue(geometry.MakeEnvelope(list[0], list[1])), nil
}

// distance is ST_Distance(a, b [, unit]).
func distance(c *nativeCall) (types.Value, error) {
	list, err := c.geometries(2)
	if err != nil || list[0].IsEmpty() || list[1].IsEmpty() {
		return types.Value{}, err
	}
	if err := c.inPlaneWithout(2, list[0]); err != nil {
		return types.Value{}, err
	}
	d, err := geometry.Distance(list[0], list[1])
	if err != nil {
		return types.Value{}, c.failed(err)
	}
	return c.real(d)
}

// distanceSphere is ST_Distance_Sphere(a, b [, radius]).
func distanceSphere(c *nativeCall) (types.Value, error) {
	list, err := c.geometries(2)
	if err != nil || list[0].IsEmpty() || list[1].IsEmpty() {
		return types.Value{}, err
	}
	for _, g := range list {
		if t := g.Type(); t != geometry.Point && t != geometry.MultiPoint {
			if err := c.planar(g); err != nil {
				return types.Value{}, err
			}
			return types.Value{}, sqlerr.NotForCartesian.New("%s(%s, %s) has not been implemented for Cartesian spatial reference systems.",
				c.name, list[0].Type(), list[1].Type())
		}
		if err := c.degrees(g, false); err != nil {
			return types.Value{}, err
		}
	}
	radius := float64(geometry.EarthRadius)
	if list[0].IsGeographic() {
		radius = geometry.MeanRadius
	}
	if len(c.args) > 2 {
		if radius = c.args[2].Float(); radius <= 0 {
			return types.Value{}, sqlerr.NonpositiveRadius.New("Invalid radius provided to function %s: Radius must be greater than zero.", c.name)
		}
	}
	return c.real(geometry.SphereDistance(list[0], list[1], radius))
}

// property is a function that tells a property of a geometry, or with a second
// argument, of type set, returns the geometry with it changed.
func property(set, get types.Type, eval func(c *nativeCall, g geometry.Geometry) (types.Value, error)) *native {
	return &native{
		args: []types.Type{types.NullType, set},
		typed: func(args []Expr) types.Type {
			if len(args) == 1 {
				return get
			}
			return types.SpatialType
		},
		eval: func(c *nativeCall) (types.Value, error) {
			g, err := c.geometry(0)
			if err != nil {
				return types.Value{}, err
			}
			return eval(c, g)
		},
	}
}

// sridOf is ST_SRID(g [, srid]).
func sridOf(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	if len(c.args) == 1 {
		return types.NewUint(uint64(g.SRID)), nil
	}
	var err error
	if g.SRID, err = c.srid(1); err == nil && g.IsGeographic() {
		err = c.degrees(g, false)
	}
	if err != nil {
		return types.Value{}, err
	}
	return geometryValue(g), nil
}

// coordinate is ST_X(p [, x]) and ST_Y: a point's coordinate by the order of its
// reference system's axes.
func coordinate(second bool) func(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	return func(c *nativeCall, g geometry.Geometry) (types.Value, error) {
		return c.axis(g, second != g.IsGeographic())
	}
}

// degree is ST_Longitude(p [, x]) and ST_Latitude.
func degree(latitude bool) func(c *nativeCall, g geometry.Geometry) (types.Value, error) {
	return func(c *nativeCall, g geometry.Geometry) (types.Value, error) {
		if _, _, ok := g.XY(); ok && !g.IsGeographic() {
			return types.Value{}, sqlerr.NotGeographic.New("Function %s is only defined for geographic spatial reference systems, "+
				"but one of its arguments is in SRID %d, which is not geographic.", c.name, g.SRID)
		}
		return c.axis(g, latitude)
	}
}

// axis returns a point's x or y in the internal order, or the point with it changed to
// the second argument.
func (c *nativeCall) axis(g geometry.Geometry, second bool) (types.Value, error) {
	x, y, ok := g.XY()
	if !ok {
		return types.Value{}, c.unexpected("POINT", g)
	}
	of := &x
	if second {
		of = &y
	}
	if len(c.args) == 1 {
		return types.NewFloat(*of), nil
	}
	*of = c.args[1].Float()
	p, ok := geometry.NewPoint(g.SRID, x, y)
	if !ok {
		return types.Value{}, c.invalidGIS()
	}
	if p.IsGeographic() {
		if err := c.degrees(p, true); err != nil {
			return types.Value{}, err
		}
	}
	return geometryValue(p), nil
}

// shapes is a function that tells whether a relation holds.
func shapes(r geometry.Relation) func(c *nativeCall, a, b geometry.Geometry) (types.Value, error) {
	return func(c *nativeCall, a, b geometry.Geometry) (types.Value, error) {
		is, err := geometry.Related(r, a, b)
		if err != nil {
			return types.Value{}, c.failed(err)
		}
		return types.NewBool(is), nil
	}
}

// boxes is a function that tells whether a relation of envelopes holds.
func boxes(r geometry.Relation) func(c *nativeCall, a, b geometry.Geometry) (types.Value, error) {
	return func(c *nativeCall, a, b geometry.Geometry) (types.Value, error) {
		is, err := geometry.BoxesRelated(r, a, b)
		if err != nil {
			return types.Value{}, c.failed(err)
		}
		return types.NewBool(is), nil
	}
}

// crosses is ST_Crosses(a, b), which is not defined for areas that cross nor for points that
// are crossed.
func crosses(c *nativeCall, a, b geometry.Geometry) (types.Value, error) {
	if a.Dimension() == 2 || b.Dimension() == 0 {
		return types.Value{}, nil
	}
	return shapes(geometry.Crosses)(c, a, b)
}

// touches is ST_Touches(a, b), which is not defined for points alone.
func touches(c *nativeCall, a, b geometry.Geometry) (types.Value, error) {
	if a.Dimension() == 0 && b.Dimension() == 0 {
		return types.Value{}, nil
	}
	return shapes(geometry.Touches)(c, a, b)
}

// overlay is ST_Union(a, b) and its like.
func overlay(o geometry.Overlay) func(c *nativeCall) (types.Value, error) {
	return func(c *nativeCall) (types.Value, error) {
		list, err := c.geometries(2)
		if err != nil {
			return types.Value{}, err
		}
		if err := c.planar(list[0]); err != nil {
			return types.Value{}, err
		}
		g, err := geometry.Overlaid(o, list[0], list[1])
		if err != nil {
			return types.Value{}, c.failed(err)
		}
		return c.shape(g)
	}
}
