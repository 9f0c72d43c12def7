// Package types holds SQL's types and values: what a column can be, one value
// (Value), a column of a batch (Vector), and a batch of rows (Batch).
//
// Vectors have Arrow's buffer layout: a validity bitmap, and either a buffer of
// fixed-width values or offsets and bytes.
package types

import (
	"unicode/utf8"

	"vitess.io/vitess/go/mysql/collations"

	"github.com/kalamgo/kalam/engine/geometry"
)

// Kind is a SQL type's name.
type Kind uint8

const (
	Null Kind = iota // the type of a bare NULL
	TinyInt
	SmallInt
	MediumInt
	Int
	BigInt
	Decimal
	Float
	Double
	Bit
	Char
	VarChar
	TinyText
	Text
	MediumText
	LongText
	Binary
	VarBinary
	TinyBlob
	Blob
	MediumBlob
	LongBlob
	Geometry // the spatial types, in the order of geometry.Type
	Point
	LineString
	Polygon
	MultiPoint
	MultiLineString
	MultiPolygon
	GeometryCollection
	Date
	Time
	DateTime
	Timestamp
	Year
	JSON
	Enum
	Set
	UUID
)

// Type is a SQL type with its parameters. Types are comparable with ==.
// Nullability belongs to columns and expressions, not to types.
type Type struct {
	Kind     Kind
	Unsigned bool // integers, and DECIMAL, FLOAT and DOUBLE UNSIGNED
	// Size is the length of CHAR, VARCHAR (characters), BINARY, VARBINARY
	// (bytes) and BIT (bits), the precision of DECIMAL, the display width of
	// TINYINT(1), which is how BOOL is spelt, and the SRID of spatial types.
	// -1: not given (expressions).
	Size int
	// Scale is DECIMAL's digits after the point, and the fractional second
	// digits (0-6) of TIME, DATETIME and TIMESTAMP. FLOAT and DOUBLE have -1.
	Scale int
	// Collation is that of text types, ENUM and SET; binary for others.
	Collation collations.ID
	Members   *Members // of ENUM and SET, else nil
}

// Members are an ENUM's or SET's values in order; types share one pointer.
type Members struct{ Names []string }

// Physical is how a type's values are held in vectors and Values.
type Physical uint8

const (
	PhysNull    Physical = iota // no value: the zero Value, and vectors of type Null
	PhysInt64                   // signed integers, YEAR; temporals packed; DECIMAL up to 18 digits scaled
	PhysUint64                  // unsigned integers, BIT, ENUM's index (from 1, 0 is the error value ''), SET's bits
	PhysFloat64                 // FLOAT (rounded to float32) and DOUBLE
	PhysBytes                   // text, binary, JSON (normalised text), UUID (16 bytes), DECIMAL over 18 digits (see below)
)

// The packed forms, all ordered as their values are:
//   - DATE, DATETIME and TIMESTAMP: MySQL's packed datetime,
//     (((((year*13+month)<<5|day)<<5|hour)<<6|minute)<<6|second)<<24|microsecond.
//     A DATE has time zero, so that DATE and DATETIME compare as integers.
//     TIMESTAMP is in the session's time zone in vectors, in UTC in storage.
//   - TIME: microseconds, negative for negative times.
//   - DECIMAL(p,s), p <= 18: the value times 10^s.
//   - DECIMAL(p,s), p > 18: MySQL's text with exactly s digits after the
//     point, no leading zeros but one before the point, "-" only if not zero.
//   - JSON: the text MySQL prints (sorted keys, ", " and ": ").
//   - spatial types: MySQL's internal form (package geometry).

// Physical returns how values of t are held.
func (t Type) Physical() Physical {
	switch t.Kind {
	case Null:
		return PhysNull
	case TinyInt, SmallInt, MediumInt, Int, BigInt:
		if t.Unsigned {
			return PhysUint64
		}
		return PhysInt64
	case Year, Date, Time, DateTime, Timestamp:
		return PhysInt64
	case Bit, Enum, Set:
		return PhysUint64
	case Float, Double:
		return PhysFloat64
	case Decimal:
		if t.Size >= 0 && t.Size <= MaxScaledDigits {
			return PhysInt64
		}
		return PhysBytes
	default:
		return PhysBytes
	}
}

// MaxScaledDigits is the largest precision of a DECIMAL that is held as a
// scaled int64.
const MaxScaledDigits = 18

// DefaultCollation is that of text without a COLLATE: bytes order.
const DefaultCollation = collations.CollationUtf8mb4BinID

// The types of literals and results.
var (
	NullType    = Type{Kind: Null, Size: -1, Collation: collations.CollationBinaryID}
	Int64Type   = Type{Kind: BigInt, Size: -1, Collation: collations.CollationBinaryID}
	Uint64Type  = Type{Kind: BigInt, Unsigned: true, Size: -1, Collation: collations.CollationBinaryID}
	BoolType    = Type{Kind: TinyInt, Size: 1, Collation: collations.CollationBinaryID}
	Float64Type = Type{Kind: Double, Size: -1, Scale: -1, Collation: collations.CollationBinaryID}
	TextType    = Type{Kind: VarChar, Size: -1, Collation: DefaultCollation}
	BytesType   = Type{Kind: VarBinary, Size: -1, Collation: collations.CollationBinaryID}
	SpatialType = Type{Kind: Geometry, Size: -1, Collation: collations.CollationBinaryID}
	JSONType    = Type{Kind: JSON, Size: -1, Collation: DefaultCollation}
)

// DecimalType returns DECIMAL(precision, scale).
func DecimalType(precision, scale int) Type {
	return Type{Kind: Decimal, Size: precision, Scale: scale, Collation: collations.CollationBinaryID}
}

// IsInteger reports whether t is one of the integer types.
func (t Type) IsInteger() bool { return t.Kind >= TinyInt && t.Kind <= BigInt }

// IsFloat reports whether t is FLOAT or DOUBLE.
func (t Type) IsFloat() bool { return t.Kind == Float || t.Kind == Double }

// IsNumeric reports whether t is a number: integer, DECIMAL, FLOAT, DOUBLE, BIT or YEAR.
func (t Type) IsNumeric() bool {
	return t.Kind >= TinyInt && t.Kind <= Bit || t.Kind == Year
}

// IsText reports whether t is CHAR, VARCHAR or of the TEXT family.
func (t Type) IsText() bool { return t.Kind >= Char && t.Kind <= LongText }

// IsBinary reports whether t is BINARY, VARBINARY or of the BLOB family, or spatial,
// which is a BLOB that has a form.
func (t Type) IsBinary() bool { return t.Kind >= Binary && t.Kind <= GeometryCollection }

// IsSpatial reports whether t is GEOMETRY or one of its subtypes.
func (t Type) IsSpatial() bool { return t.Kind >= Geometry && t.Kind <= GeometryCollection }

// Shape returns which geometries a spatial type holds.
func (t Type) Shape() geometry.Type { return geometry.Type(t.Kind - Geometry) }

// IsString reports whether t is text or binary.
func (t Type) IsString() bool { return t.Kind >= Char && t.Kind <= GeometryCollection }

// IsTemporal reports whether t is DATE, TIME, DATETIME or TIMESTAMP.
func (t Type) IsTemporal() bool { return t.Kind >= Date && t.Kind <= Timestamp }

// LossyKey reports whether a value cannot be had back from its encoded key:
// text under a collation that is not bytes order.
func (t Type) LossyKey() bool {
	if !t.IsText() {
		return false
	}
	return t.Collation != collations.CollationUtf8mb4BinID && t.Collation != collations.CollationBinaryID
}

// Prefix returns the first n characters of a text of type t, or the first n bytes
// of other values.
func Prefix(t Type, b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	if !t.IsText() {
		return b[:n]
	}
	at := 0
	for ; n > 0 && at < len(b); n-- {
		_, size := utf8.DecodeRune(b[at:])
		at += size
	}
	return b[:at]
}
