package geometry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/peterstace/simplefeatures/geom"
)

// JSONOptions say what GeoJSON has beside the shape.
type JSONOptions struct {
	Digits    int  // after the point; negative: all that a coordinate has
	Box       bool // the bounding box
	ShortName bool // the reference system's name, EPSG:4326
	LongName  bool // the same as urn:ogc:def:crs:EPSG::4326, which counts if both are asked for
}

// AppendJSON appends a geometry as GeoJSON (RFC 7946; the reference system's name is
// of the format's older description).
func (g Geometry) AppendJSON(dst []byte, o JSONOptions) []byte {
	w := jsonWriter{dst, o.Digits}
	w.b = append(w.b, '{')
	if prefix := map[bool]string{true: "urn:ogc:def:crs:EPSG::", false: "EPSG:"}[o.LongName]; (o.LongName || o.ShortName) && g.SRID != Cartesian {
		w.b = fmt.Appendf(w.b, `"crs": {"type": "name", "properties": {"name": "%s%d"}}, `, prefix, g.SRID)
	}
	if low, high, ok := g.Shape.Envelope().MinMaxXYs(); ok && o.Box {
		w.b = append(w.b, `"bbox": [`...)
		w.numbers(low.X, low.Y, high.X, high.Y)
		w.b = append(w.b, `], `...)
	}
	w.members(g.Shape)
	return append(w.b, '}')
}

type jsonWriter struct {
	b      []byte
	digits int
}

var jsonNames = [...]string{Point: "Point", LineString: "LineString", Polygon: "Polygon", MultiPoint: "MultiPoint",
	MultiLineString: "MultiLineString", MultiPolygon: "MultiPolygon", Collection: "GeometryCollection"}

// members appends a shape's type and its coordinates or parts.
func (w *jsonWriter) members(s geom.Geometry) {
	t := typeOf(s)
	w.b = fmt.Appendf(w.b, `"type": "%s", `, jsonNames[t])
	if t != Collection {
		w.b = append(w.b, `"coordinates": `...)
		w.coordinates(s)
		return
	}
	w.b = append(w.b, `"geometries": `...)
	list(w, parts(s), func(p geom.Geometry) {
		w.b = append(w.b, '{')
		w.members(p)
		w.b = append(w.b, '}')
	})
}

func (w *jsonWriter) coordinates(s geom.Geometry) {
	switch typeOf(s) {
	case Point:
		xy, _ := s.MustAsPoint().XY()
		w.pair(xy)
	case LineString:
		seq := s.MustAsLineString().Coordinates()
		xys := make([]geom.XY, seq.Length())
		for i := range xys {
			xys[i] = seq.GetXY(i)
		}
		list(w, xys, w.pair)
	case Polygon:
		list(w, rings(s.MustAsPolygon()), func(r geom.LineString) { w.coordinates(r.AsGeometry()) })
	default:
		list(w, parts(s), w.coordinates)
	}
}

func list[T any](w *jsonWriter, of []T, each func(T)) {
	w.b = append(w.b, '[')
	for i, x := range of {
		if i > 0 {
			w.b = append(w.b, ", "...)
		}
		each(x)
	}
	w.b = append(w.b, ']')
}

func (w *jsonWriter) pair(xy geom.XY) {
	w.b = append(w.b, '[')
	w.numbers(xy.X, xy.Y)
	w.b = append(w.b, ']')
}

// numbers appends doubles, which have a point or an exponent.
func (w *jsonWriter) numbers(list ...float64) {
	for i, f := range list {
		if i > 0 {
			w.b = append(w.b, ", "...)
		}
		const most = 15 // digits after which rounding changes nothing of note
		if scale := math.Pow10(w.digits); w.digits >= 0 && w.digits <= most && finite(f*scale) {
			f = math.Round(f*scale) / scale
		}
		n := len(w.b)
		if w.b = appendNumber(w.b, f); !bytes.ContainsAny(w.b[n:], ".e") {
			w.b = append(w.b, ".0"...)
		}
	}
}

// HasHeight is the error of GeoJSON whose points have more than two coordinates.
type HasHeight struct{ Found int }

func (e HasHeight) Error() string {
	return fmt.Sprintf("geometry: a point of %d coordinates", e.Found)
}

// ParseJSON reads a geometry, a feature or a collection of features from GeoJSON.
// flatten lets coordinates beyond the second be dropped, else they are HasHeight.
// srid is what its crs member names, WGS84 if it names none; ok is false of null.
func ParseJSON(doc []byte, flatten bool) (g Geometry, ok bool, err error) {
	var head struct{ CRS *jsonCRS }
	if json.Unmarshal(doc, &head) != nil {
		return g, false, ErrInvalid
	}
	if g.SRID, ok = head.CRS.srid(); !ok {
		return g, false, ErrInvalid
	}
	g.Shape, ok, err = jsonShape(doc, flatten, maxDepth)
	if err != nil || !ok {
		return g, false, err
	}
	g, err = Decode(g.Encode()) // checks what the library does not
	return g, err == nil, err
}

type jsonCRS struct {
	Type       string
	Properties struct{ Name string }
}

// srid returns the number of the reference system that c names.
func (c *jsonCRS) srid() (srid uint32, ok bool) {
	if c == nil {
		return WGS84, true
	}
	if c.Type != "name" {
		return 0, false
	}
	name := c.Properties.Name
	if name == "urn:ogc:def:crs:OGC:1.3:CRS84" {
		return WGS84, true
	}
	for _, prefix := range []string{"EPSG:", "urn:ogc:def:crs:EPSG::"} {
		if digits, found := strings.CutPrefix(name, prefix); found {
			n, err := strconv.ParseUint(digits, 10, 32)
			return uint32(n), err == nil
		}
	}
	return 0, false
}

// jsonShape reads a GeoJSON object that is no deeper than depth; ok is false of null and
// of a feature without geometry.
func jsonShape(doc []byte, flatten bool, depth int) (s geom.Geometry, ok bool, err error) {
	var o struct {
		Type        string
		Geometry    json.RawMessage
		Features    []json.RawMessage
		Coordinates json.RawMessage
		Geometries  []json.RawMessage
	}
	switch {
	case string(bytes.TrimSpace(doc)) == "null":
		return s, false, nil
	case depth == 0 || json.Unmarshal(doc, &o) != nil:
		return s, false, ErrInvalid
	}
	several := o.Geometries
	switch o.Type {
	case "Feature":
		if o.Geometry == nil {
			return s, false, ErrInvalid
		}
		return jsonShape(o.Geometry, flatten, depth-1)
	case "FeatureCollection":
		several = o.Features
		fallthrough
	case jsonNames[Collection]:
		if several == nil {
			return s, false, ErrInvalid
		}
		var list []geom.Geometry
		for _, one := range several {
			part, ok, err := jsonShape(one, flatten, depth-1)
			if err != nil {
				return s, false, err
			}
			if ok {
				list = append(list, part)
			}
		}
		return assemble(Collection, list), true, nil
	}
	const nesting = 4 // of a MultiPolygon's coordinates
	found, even := 2, true
	if coordinateCount(o.Coordinates, nesting, &found, &even); !even {
		return s, false, ErrInvalid
	}
	if found > 2 && !flatten {
		return s, false, HasHeight{found}
	}
	if s, err = geom.UnmarshalGeoJSON(doc, geom.NoValidate{}); err != nil || s.IsEmpty() {
		return geom.Geometry{}, false, ErrInvalid
	}
	return s.Force2D(), true, nil
}

// coordinateCount finds the largest number of coordinates that a point in arrays of so
// many levels has; even is false where one has fewer than two.
func coordinateCount(doc json.RawMessage, levels int, found *int, even *bool) {
	var inner []json.RawMessage
	if levels == 0 || json.Unmarshal(doc, &inner) != nil || len(inner) == 0 {
		return
	}
	if c := bytes.TrimSpace(inner[0]); len(c) > 0 && c[0] != '[' {
		*found, *even = max(*found, len(inner)), *even && len(inner) > 1
		return
	}
	for _, x := range inner {
		coordinateCount(x, levels-1, found, even)
	}
}
