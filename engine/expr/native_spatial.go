package expr

import (
	"errors"
	"math"
	"strings"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/geometry"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// spatialCall returns the name and arguments of a spatial function that has syntax of
// its own; "" of other functions. Synonyms have one name.
func spatialCall(n sqlparser.Callable) (name string, args []sqlparser.Expr) {
	switch n := n.(type) {
	case *sqlparser.PointExpr:
		return "point", given(n.XCordinate, n.YCordinate)
	case *sqlparser.LineStringExpr:
		return "linestring", n.PointParams
	case *sqlparser.PolygonExpr:
		return "polygon", n.LinestringParams
	case *sqlparser.MultiPointExpr:
		return "multipoint", n.PointParams
	case *sqlparser.MultiLinestringExpr:
		return "multilinestring", n.LinestringParams
	case *sqlparser.MultiPolygonExpr:
		return "multipolygon", n.PolygonParams
	case *sqlparser.GeomFromTextExpr:
		return shortName(n.Type.ToString(), "fromtext"), given(n.WktText, n.Srid, n.AxisOrderOpt)
	case *sqlparser.GeomFromWKBExpr:
		return shortName(n.Type.ToString(), "fromwkb"), given(n.WkbBlob, n.Srid, n.AxisOrderOpt)
	case *sqlparser.GeomFormatExpr:
		return n.FormatType.ToString(), given(n.Geom, n.AxisOrderOpt)
	case *sqlparser.GeomPropertyFuncExpr:
		return n.Property.ToString(), given(n.Geom)
	case *sqlparser.PointPropertyFuncExpr:
		return n.Property.ToString(), given(n.Point, n.ValueToSet)
	case *sqlparser.LinestrPropertyFuncExpr:
		return n.Property.ToString(), given(n.Linestring, n.PropertyDefArg)
	case *sqlparser.PolygonPropertyFuncExpr:
		return strings.ToLower(n.Property.ToString()), given(n.Polygon, n.PropertyDefArg)
	case *sqlparser.GeomCollPropertyFuncExpr:
		return n.Property.ToString(), given(n.GeomColl, n.PropertyDefArg)
	case *sqlparser.GeoJSONFromGeomExpr:
		return "st_asgeojson", given(n.Geom, n.MaxDecimalDigits, n.Bitmask)
	case *sqlparser.GeomFromGeoJSONExpr:
		return "st_geomfromgeojson", given(n.GeoJSON, n.HigherDimHandlerOpt, n.Srid)
	}
	return "", nil
}

// shortNames are how types are called in the shorter of two functions' names.
var shortNames = map[string]string{
	"geometry": "geom", "geometrycollection": "geomcoll", "point": "point", "linestring": "line", "polygon": "poly",
	"multipoint": "mpoint", "multilinestring": "mline", "multipolygon": "mpoly",
}

// shortName returns the shorter name of a function, ST_GEOMFROMTEXT of ST_GEOMETRYFROMTEXT.
func shortName(name, end string) string {
	return "st_" + shortNames[strings.TrimSuffix(strings.TrimPrefix(name, "st_"), end)] + end
}

// spatialNatives are the functions that make geometries of texts and bytes, and these
// of geometries.
func spatialNatives() map[string]*native {
	natives := map[string]*native{
		"point":              {args: []types.Type{types.Float64Type}, result: spatialType(geometry.Point), eval: newPoint},
		"st_astext":          {args: []types.Type{types.NullType, types.TextType}, result: types.TextType, eval: asText},
		"st_asbinary":        {args: []types.Type{types.NullType, types.TextType}, result: types.BytesType, eval: asBinary},
		"st_asgeojson":       {args: []types.Type{types.NullType, types.Int64Type}, result: types.JSONType, eval: asGeoJSON},
		"st_geomfromgeojson": {args: []types.Type{types.NullType, types.Int64Type}, result: types.SpatialType, eval: fromGeoJSON},
	}
	for name, t := range map[string]geometry.Type{
		"geometry": geometry.Any, "geometrycollection": geometry.Collection, "point": geometry.Point, "linestring": geometry.LineString,
		"polygon": geometry.Polygon, "multipoint": geometry.MultiPoint, "multilinestring": geometry.MultiLineString,
		"multipolygon": geometry.MultiPolygon,
	} {
		result := spatialType(t)
		if t == geometry.Collection {
			result = types.SpatialType // a MULTIPOINT is one, too
		}
		args := []types.Type{types.NullType, types.Int64Type, types.TextType}
		natives["st_"+shortNames[name]+"fromtext"] = &native{args: args, result: result, eval: fromText(t)}
		natives["st_"+shortNames[name]+"fromwkb"] = &native{args: args, result: result, eval: fromWKB(t)}
		if t > geometry.Point {
			natives[name] = &native{args: anyArg, result: spatialType(t), eval: assemble(t)}
		}
	}
	natives["geomcollection"] = natives["geometrycollection"]
	return natives
}

// spatialType returns the type of geometries of type t.
func spatialType(t geometry.Type) types.Type {
	s := types.SpatialType
	s.Kind += types.Kind(t)
	return s
}

func (c *nativeCall) invalidGIS() error {
	return sqlerr.GISInvalidData.New("Invalid GIS data provided to function %s.", c.name)
}

// geometry reads argument i.
func (c *nativeCall) geometry(i int) (geometry.Geometry, error) {
	if !c.types[i].IsString() {
		return geometry.Geometry{}, c.invalidGIS()
	}
	g, err := geometry.Decode(c.args[i].Bytes())
	if err != nil {
		return g, c.invalidGIS()
	}
	return g, checkSRID(g.SRID)
}

// geometries reads the first n arguments, which are to be of one reference system.
func (c *nativeCall) geometries(n int) ([]geometry.Geometry, error) {
	list := make([]geometry.Geometry, n)
	for i := range list {
		var err error
		if list[i], err = c.geometry(i); err != nil {
			return nil, err
		}
		if a, b := list[0].SRID, list[i].SRID; a != b {
			return nil, sqlerr.GISDifferentSRIDs.New("Binary geometry function %s given two geometries of different srids: %d and %d, "+
				"which should have been identical.", c.name, a, b)
		}
	}
	return list, nil
}

func checkSRID(srid uint32) error {
	if !geometry.KnownSRID(srid) {
		return sqlerr.Unsupported("SRID %d", srid)
	}
	return nil
}

// srid returns argument i as a known reference system's number.
func (c *nativeCall) srid(i int) (uint32, error) {
	n := c.args[i].Int()
	if n < 0 || n > math.MaxUint32 {
		return 0, sqlerr.DataOutOfRange.New("SRID value is out of range in '%s'", c.name)
	}
	return uint32(n), checkSRID(uint32(n))
}

// swaps reports whether coordinates come or go in another order than the internal one.
// Argument i, if there is one, says so.
func (c *nativeCall) swaps(i int, g geometry.Geometry) (bool, error) {
	order := "srid-defined"
	if i < len(c.args) {
		for option := range strings.SplitSeq(string(c.args[i].Bytes()), ",") {
			key, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(option)), "=")
			switch {
			case key == "" && value == "":
			case key != "axis-order":
				return false, sqlerr.InvalidOptionKey.New("The option key '%s' in function %s is invalid.", key, c.name)
			case value != "lat-long" && value != "long-lat" && value != "srid-defined":
				return false, sqlerr.InvalidOptionValue.New("The option value '%s' for the option '%s' in function %s is invalid.", value, key, c.name)
			default:
				order = value
			}
		}
	}
	return g.IsGeographic() && order != "long-lat", nil
}

// degrees returns the error of a geometry whose coordinates are no degrees: of an
// argument's, or of one that is read.
func (c *nativeCall) degrees(g geometry.Geometry, read bool) error {
	var out geometry.OutOfRange
	if !errors.As(g.CheckDegrees(), &out) {
		return nil
	}
	switch {
	case read && out.Latitude:
		return sqlerr.LatitudeOutOfRange.New("Latitude %f is out of range in function %s. It must be within [-90.000000, 90.000000].", out.Value, c.name)
	case read:
		return sqlerr.LongitudeOutOfRange.New("Longitude %f is out of range in function %s. It must be within (-180.000000, 180.000000].", out.Value, c.name)
	case out.Latitude:
		return sqlerr.ParamLatitude.New("A parameter of function %s contains a geometry with latitude %f, which is out of range. "+
			"It must be within [-90.000000, 90.000000].", c.name, out.Value)
	}
	return sqlerr.ParamLongitude.New("A parameter of function %s contains a geometry with longitude %f, which is out of range. "+
		"It must be within (-180.000000, 180.000000].", c.name, out.Value)
}

func geometryValue(g geometry.Geometry) types.Value { return types.NewBytes(g.Encode()) }

// imported finishes a shape that was read: its type, SRID and axes.
func (c *nativeCall) imported(g geometry.Geometry, want geometry.Type, format string) (types.Value, error) {
	if !want.Holds(g.Type()) {
		return types.Value{}, c.unexpected(format, g)
	}
	if len(c.args) > 1 {
		var err error
		if g.SRID, err = c.srid(1); err != nil {
			return types.Value{}, err
		}
	}
	swap, err := c.swaps(2, g)
	if err != nil {
		return types.Value{}, err
	}
	if swap {
		g = g.SwapXY()
	}
	if g.IsGeographic() {
		if err := c.degrees(g, true); err != nil {
			return types.Value{}, err
		}
	}
	return geometryValue(g), nil
}

// unexpected is the error of a geometry of the wrong type.
func (c *nativeCall) unexpected(want string, g geometry.Geometry) error {
	return sqlerr.UnexpectedGeometry.New("%s value is a geometry of unexpected type %s in %s.", want, g.Type(), c.name)
}

// fromText is ST_GeomFromText(wkt [, srid [, options]]) and its like for one type.
func fromText(t geometry.Type) func(c *nativeCall) (types.Value, error) {
	return func(c *nativeCall) (types.Value, error) {
		shape, err := geometry.ParseText(types.AppendText(nil, c.types[0], c.args[0]))
		if err != nil {
			return types.Value{}, c.invalidGIS()
		}
		return c.imported(geometry.Geometry{Shape: shape}, t, "WKT")
	}
}

// fromWKB is ST_GeomFromWKB(wkb [, srid [, options]]) and its like for one type.
func fromWKB(t geometry.Type) func(c *nativeCall) (types.Value, error) {
	return func(c *nativeCall) (types.Value, error) {
		if from := c.types[0]; !from.IsString() || from.IsSpatial() {
			return types.Value{}, c.invalidGIS()
		}
		shape, err := geometry.DecodeWKB(c.args[0].Bytes())
		if err != nil {
			return types.Value{}, c.invalidGIS()
		}
		return c.imported(geometry.Geometry{Shape: shape}, t, "WKB")
	}
}

// exported reads a geometry with the axes as they are to be written.
func (c *nativeCall) exported() (geometry.Geometry, error) {
	g, err := c.geometry(0)
	if err != nil {
		return g, err
	}
	swap, err := c.swaps(1, g)
	if swap {
		g = g.SwapXY()
	}
	return g, err
}

// asText is ST_AsText(g [, options]).
func asText(c *nativeCall) (types.Value, error) {
	g, err := c.exported()
	if err != nil {
		return types.Value{}, err
	}
	return types.NewBytes(geometry.AppendText(nil, g.Shape)), nil
}

// asBinary is ST_AsBinary(g [, options]).
func asBinary(c *nativeCall) (types.Value, error) {
	g, err := c.exported()
	if err != nil {
		return types.Value{}, err
	}
	return types.NewBytes(geometry.AppendWKB(nil, g.Shape)), nil
}

// newPoint is POINT(x, y).
func newPoint(c *nativeCall) (types.Value, error) {
	g, ok := geometry.NewPoint(geometry.Cartesian, c.args[0].Float(), c.args[1].Float())
	if !ok {
		return types.Value{}, c.invalidGIS()
	}
	return geometryValue(g), nil
}

// assemble is LINESTRING(p, …) and its like.
func assemble(t geometry.Type) func(c *nativeCall) (types.Value, error) {
	return func(c *nativeCall) (types.Value, error) {
		list, err := c.geometries(len(c.args))
		if err != nil {
			return types.Value{}, err
		}
		srid := uint32(geometry.Cartesian)
		if len(list) > 0 {
			srid = list[0].SRID
		}
		g, err := geometry.Assemble(t, srid, list)
		if err != nil {
			return types.Value{}, c.invalidGIS()
		}
		return geometryValue(g), nil
	}
}

// asGeoJSON is ST_AsGeoJSON(g [, digits [, options]]).
func asGeoJSON(c *nativeCall) (types.Value, error) {
	g, err := c.geometry(0)
	if err != nil {
		return types.Value{}, err
	}
	const box, shortName, longName, all = 1, 2, 4, 7
	o := geometry.JSONOptions{Digits: -1}
	if len(c.args) > 1 {
		n := c.args[1].Int()
		if n < 0 || n > math.MaxUint32 {
			return types.Value{}, c.wrongOption(1, "max decimal digits")
		}
		o.Digits = int(n)
	}
	if len(c.args) > 2 {
		n := c.args[2].Int()
		if n < 0 || n > all {
			return types.Value{}, c.wrongOption(2, "options")
		}
		o.Box, o.ShortName, o.LongName = n&box != 0, n&shortName != 0, n&longName != 0
	}
	text, err := types.NormalizeJSON(nil, g.AppendJSON(nil, o))
	return types.NewBytes(text), err
}

func (c *nativeCall) wrongOption(i int, what string) error {
	return sqlerr.WrongValueForType.New("Incorrect %s value: '%d' for function %s", what, c.args[i].Int(), c.name)
}

// fromGeoJSON is ST_GeomFromGeoJSON(doc [, options [, srid]]).
func fromGeoJSON(c *nativeCall) (types.Value, error) {
	if _, err := c.document(0); err != nil {
		return types.Value{}, err
	}
	flatten := false
	if len(c.args) > 1 {
		n := c.args[1].Int()
		if n < 1 || n > 4 {
			return types.Value{}, c.wrongOption(1, "option")
		}
		flatten = n > 1 // 2 to 4 differ in what they would do if there were heights
	}
	g, ok, err := geometry.ParseJSON(c.args[0].Bytes(), flatten)
	var height geometry.HasHeight
	switch {
	case errors.As(err, &height):
		return types.Value{}, sqlerr.DimensionUnknown.New("Unsupported number of coordinate dimensions in function %s: Found %d, expected 2", c.name, height.Found)
	case err != nil:
		return types.Value{}, sqlerr.InvalidGeoJSON.New("Invalid GeoJSON data provided to function %s", c.name)
	case !ok:
		return types.Value{}, nil
	}
	if len(c.args) > 2 {
		g.SRID, err = c.srid(2)
	} else {
		err = checkSRID(g.SRID)
	}
	if err == nil && g.IsGeographic() {
		err = c.degrees(g, true)
	}
	if err != nil {
		return types.Value{}, err
	}
	return geometryValue(g), nil
}
