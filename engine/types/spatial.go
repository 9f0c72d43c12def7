package types

import (
	"github.com/kalamgo/kalam/engine/geometry"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// spatial stores geometries of the column's type and SRID. Bytes are one if they
// are in the internal form.
func (to *Target) spatial(from Type, v Value) (Value, *sqlerr.Error) {
	var shape geometry.Type
	var srid uint32
	err := geometry.ErrInvalid
	switch {
	case from.IsSpatial():
		shape, srid, err = geometry.Header(v.data)
	case from.IsString():
		var g geometry.Geometry
		if g, err = geometry.Decode(v.data); err == nil {
			shape, srid = g.Type(), g.SRID
		}
	}
	if err == nil && !geometry.KnownSRID(srid) {
		return Value{}, sqlerr.Unsupported("SRID %d", srid).In(to.Column)
	}
	switch {
	case err != nil || !to.Type.Shape().Holds(shape):
		return Value{}, sqlerr.NoGeometry.New("Cannot get geometry object from data you send to the GEOMETRY field").In(to.Column)
	case to.Type.Size >= 0 && srid != uint32(to.Type.Size):
		return Value{}, sqlerr.WrongSRIDForColumn.New("The SRID of the geometry does not match the SRID of the column '%s'. The SRID of the geometry is %d, "+
			"but the SRID of the column is %d. Consider changing the SRID of the geometry or the SRID property of the column.",
			to.Column, srid, to.Type.Size).In(to.Column)
	}
	return v, nil
}

// appendGeoJSON appends a geometry in the internal form as GeoJSON.
func appendGeoJSON(dst, b []byte) []byte {
	g, err := geometry.Decode(b)
	if err != nil {
		return appendJSONOpaque(dst, SpatialType, b)
	}
	out, _ := NormalizeJSON(dst, g.AppendJSON(nil, geometry.JSONOptions{Digits: -1}))
	return out
}

// HasZero reports whether there is a value that IGNORE can store for want of another.
func (t Type) HasZero() bool { return !t.IsSpatial() }
