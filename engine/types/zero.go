package types

import (
	"strings"

	"github.com/kalamgo/kalam/engine/geometry"
)

// Zero returns what MySQL stores under IGNORE, and in older rows of an added
// column, where a NOT NULL column gets no value: zero, the empty text, the first
// member of an ENUM.
func Zero(t Type) Value {
	switch t.Kind {
	case Enum:
		return NewUint(1)
	case JSON:
		return NewString("null")
	case Geometry, Point, LineString, Polygon, MultiPoint, MultiLineString, MultiPolygon, GeometryCollection:
		return NewBytes(geometry.Geometry{}.Encode()) // an empty collection; HasZero keeps it from being stored
	case UUID:
		return NewBytes(make([]byte, 16))
	case Binary:
		return NewBytes(make([]byte, max(t.Size, 0)))
	}
	switch t.Physical() {
	case PhysInt64:
		return NewInt(0)
	case PhysUint64:
		return NewUint(0)
	case PhysFloat64:
		return NewFloat(0)
	}
	if t.Kind == Decimal && t.Scale > 0 {
		return NewString("0." + strings.Repeat("0", t.Scale))
	}
	if t.Kind == Decimal {
		return NewString("0")
	}
	return NewBytes(nil)
}
