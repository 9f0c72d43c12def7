package types

import (
	"strconv"
	"time"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/sqltypes"
	querypb "vitess.io/vitess/go/vt/proto/query"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// vitessTypes are Vitess's types of our kinds; unsigned integers are in
// vitessUnsigned. Vitess knows UUIDs as their text.
var (
	vitessTypes = [...]querypb.Type{
		Null: querypb.Type_NULL_TYPE, TinyInt: querypb.Type_INT8, SmallInt: querypb.Type_INT16, MediumInt: querypb.Type_INT24,
		Int: querypb.Type_INT32, BigInt: querypb.Type_INT64, Decimal: querypb.Type_DECIMAL, Float: querypb.Type_FLOAT32,
		Double: querypb.Type_FLOAT64, Bit: querypb.Type_BIT, Char: querypb.Type_CHAR, VarChar: querypb.Type_VARCHAR,
		TinyText: querypb.Type_TEXT, Text: querypb.Type_TEXT, MediumText: querypb.Type_TEXT, LongText: querypb.Type_TEXT,
		Binary: querypb.Type_BINARY, VarBinary: querypb.Type_VARBINARY,
		TinyBlob: querypb.Type_BLOB, Blob: querypb.Type_BLOB, MediumBlob: querypb.Type_BLOB, LongBlob: querypb.Type_BLOB,
		Date: querypb.Type_DATE, Time: querypb.Type_TIME, DateTime: querypb.Type_DATETIME, Timestamp: querypb.Type_TIMESTAMP,
		Year: querypb.Type_YEAR, JSON: querypb.Type_JSON, Enum: querypb.Type_ENUM, Set: querypb.Type_SET, UUID: querypb.Type_CHAR,
	}
	vitessUnsigned = [...]querypb.Type{
		TinyInt: querypb.Type_UINT8, SmallInt: querypb.Type_UINT16, MediumInt: querypb.Type_UINT24,
		Int: querypb.Type_UINT32, BigInt: querypb.Type_UINT64,
	}
)

// VitessType returns t in Vitess's terms: the type, MySQL's column flags, and
// size and scale, 0 where t has none.
func VitessType(t Type) (typ querypb.Type, flags uint32, size, scale int32) {
	typ = vitessTypes[t.Kind]
	if t.Unsigned {
		flags |= uint32(querypb.MySqlFlag_UNSIGNED_FLAG)
		if t.IsInteger() {
			typ = vitessUnsigned[t.Kind]
		}
	}
	return typ, flags, int32(max(t.Size, 0)), int32(max(t.Scale, 0))
}

// TypeFromVitess returns the type that Vitess describes. The length of strings
// is not known to it, nor the members of an ENUM or SET: with nil members those are text.
func TypeFromVitess(typ querypb.Type, collation collations.ID, size, scale int32, unsigned bool, members *Members) Type {
	t := Type{Size: -1, Collation: collations.CollationBinaryID}
	for k, v := range vitessUnsigned {
		if v == typ && v != 0 {
			t.Kind, t.Unsigned = Kind(k), true
			return t
		}
	}
	switch typ {
	case querypb.Type_TEXT:
		t.Kind = Text
	case querypb.Type_BLOB:
		t.Kind = Blob
	case querypb.Type_CHAR: // which UUID has, too
		t.Kind = Char
	case querypb.Type_HEXNUM, querypb.Type_HEXVAL, querypb.Type_BITNUM:
		t.Kind = VarBinary
	default:
		for k, v := range vitessTypes {
			if v == typ {
				t.Kind = Kind(k)
				break
			}
		}
	}
	t.Unsigned = unsigned && (t.IsInteger() || t.IsFloat() || t.Kind == Decimal)
	switch {
	case (t.Kind == Enum || t.Kind == Set) && members == nil:
		t.Kind = VarChar
	case t.Kind == Enum || t.Kind == Set:
		t.Members = members
	case t.Kind == Decimal:
		t.Size, t.Scale = -1, int(scale)
		if size > 0 {
			t.Size = min(int(size), maxDecimalDigits)
		}
		t.Scale = max(min(t.Scale, maxDecimalScale), 0)
	case t.IsFloat():
		t.Scale = -1
	case t.IsTemporal() && t.Kind != Date:
		t.Scale = max(min(int(scale), maxFractionDigits), 0)
	case t.Kind == Bit && size > 0:
		t.Size = min(int(size), 64)
	case t.Kind == JSON:
		t.Collation = DefaultCollation
	}
	if t.IsText() || t.Members != nil {
		if t.Collation = collation; collation == collations.Unknown || collation == collations.CollationBinaryID {
			t.Collation = DefaultCollation
		}
	}
	return t
}

// ToVitess returns v, of type t, as Vitess has it: the type and MySQL's text.
// Bytes of text, binary, JSON and long DECIMALs are shared.
func ToVitess(t Type, v Value) sqltypes.Value {
	if v.IsNull() {
		return sqltypes.NULL
	}
	typ, _, _, _ := VitessType(t)
	switch {
	case v.phys == PhysBytes && t.Kind != UUID:
		return sqltypes.MakeTrusted(typ, v.data)
	case t.Kind == Float: // all of a float32's digits, which its text cuts off
		return sqltypes.MakeTrusted(typ, strconv.AppendFloat(nil, v.Float(), 'g', -1, 32))
	}
	return sqltypes.MakeTrusted(typ, AppendText(make([]byte, 0, 24), t, v))
}

// FromVitess returns Vitess's value as a value of type want, converted by
// Assign's rules with UTC as the zone where the types differ. Bytes are shared.
func FromVitess(x sqltypes.Value, want Type) (Value, error) {
	if x.IsNull() {
		return Value{}, nil
	}
	raw := x.Raw()
	if want.Physical() == PhysInt64 && want.IsInteger() && x.IsSigned() {
		if n, err := x.ToInt64(); err == nil {
			lo, hi := signedRange(want.Kind)
			if n >= lo && n <= hi {
				return NewInt(n), nil
			}
		}
	}
	from := TypeFromVitess(x.Type(), DefaultCollation, 0, 0, false, nil)
	var v Value
	switch {
	case x.Type() == querypb.Type_HEXNUM || x.Type() == querypb.Type_HEXVAL || x.Type() == querypb.Type_BITNUM:
		b, err := x.ToBytes()
		if err != nil {
			return Value{}, sqlerr.Internal.Wrap(err, "A value of the expression evaluator cannot be read: %v", err)
		}
		v = NewBytes(b)
	case from.IsFloat():
		f, err := x.ToFloat64()
		if err != nil {
			return Value{}, sqlerr.Internal.Wrap(err, "A value of the expression evaluator cannot be read: %v", err)
		}
		v = NewFloat(f)
	case from.Kind == Bit:
		from, v = BytesType, NewBytes(raw)
	case from.Kind == JSON && want.Kind == JSON:
		from, v = TextType, NewBytes(raw) // written in MySQL's form
	case from.IsString() || from.Kind == JSON:
		v = NewBytes(raw)
		if same := want.IsText() && from.IsText() || want.IsBinary() && from.IsBinary(); same && want.Size < 0 {
			return v, nil
		}
	case want.Kind == Time && from.Kind == Time, want.IsNumeric() && from.IsNumeric():
		from, v = TextType, NewBytes(raw)
	case from.IsTemporal():
		from.Scale = maxFractionDigits
		w, err := Assign(&Target{Type: from, Zone: time.UTC}, TextType, NewBytes(raw))
		if err != nil {
			return Value{}, err
		}
		v = w
	default:
		from, v = TextType, NewBytes(raw)
	}
	return Assign(&Target{Type: want, Column: "?", Row: 1, Zone: time.UTC}, from, v)
}
