package types

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"vitess.io/vitess/go/mysql/collations"
	"vitess.io/vitess/go/mysql/collations/colldata"
	"vitess.io/vitess/go/sqltypes"
	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/geometry"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// MySQL's limits of what a column type declares.
const (
	maxCharLength     = 255
	maxVarCharBytes   = 65535
	utf8mb4Bytes      = 4 // the most bytes of a character
	maxDecimalDigits  = 65
	maxDecimalScale   = 30
	maxEnumMembers    = 65535
	maxSetMembers     = 64
	maxFractionDigits = 6
	maxFloatDigits    = 24 // FLOAT(p) above is DOUBLE
	maxDoubleDigits   = 53
	maxMemberLength   = 255
)

var collationNames = collations.MySQL8()

// DateTimeType returns DATETIME(fsp).
func DateTimeType(fsp int) Type { return temporal(DateTime, fsp) }

// TimeType returns TIME(fsp).
func TimeType(fsp int) Type { return temporal(Time, fsp) }

// TimestampType returns TIMESTAMP(fsp).
func TimestampType(fsp int) Type { return temporal(Timestamp, fsp) }

// DateType, YearType and UUIDType have no parameters.
var (
	DateType = temporal(Date, 0)
	YearType = temporal(Year, 0)
	UUIDType = temporal(UUID, 0)
)

func temporal(k Kind, fsp int) Type {
	return Type{Kind: k, Size: -1, Scale: fsp, Collation: collations.CollationBinaryID}
}

// columnKinds are the names that a column type can have, in lower case.
var columnKinds = map[string]Kind{
	"bool": TinyInt, "boolean": TinyInt, "tinyint": TinyInt, "smallint": SmallInt, "mediumint": MediumInt,
	"int": Int, "integer": Int, "bigint": BigInt, "int1": TinyInt, "int2": SmallInt, "int3": MediumInt, "int4": Int, "int8": BigInt,
	"decimal": Decimal, "numeric": Decimal, "fixed": Decimal, "dec": Decimal,
	"float": Float, "float4": Float, "double": Double, "float8": Double, "real": Double, "bit": Bit,
	"char": Char, "varchar": VarChar, "tinytext": TinyText, "text": Text, "mediumtext": MediumText, "longtext": LongText,
	"binary": Binary, "varbinary": VarBinary, "tinyblob": TinyBlob, "blob": Blob, "mediumblob": MediumBlob, "longblob": LongBlob,
	"geometry": Geometry, "point": Point, "linestring": LineString, "polygon": Polygon,
	"multipoint": MultiPoint, "multilinestring": MultiLineString, "multipolygon": MultiPolygon,
	"geometrycollection": GeometryCollection, "geomcollection": GeometryCollection,
	"date": Date, "time": Time, "datetime": DateTime, "timestamp": Timestamp, "year": Year,
	"json": JSON, "enum": Enum, "set": Set, "uuid": UUID,
}

// FromColumnType returns the type that a column definition gives, its COLLATE
// included. The column's name is for error messages.
func FromColumnType(name string, ct *sqlparser.ColumnType) (Type, error) {
	word := strings.ToLower(ct.Type)
	kind, ok := columnKinds[word]
	if !ok {
		return Type{}, sqlerr.Unsupported("%s columns", strings.ToUpper(word)).In(name)
	}
	if ct.Zerofill {
		return Type{}, sqlerr.Unsupported("ZEROFILL").In(name)
	}
	t := Type{Kind: kind, Unsigned: ct.Unsigned, Size: -1, Collation: collations.CollationBinaryID}
	var err error
	switch {
	case t.IsInteger():
		// Display widths mean nothing, but TINYINT(1) is how BOOL is told.
		if word == "bool" || word == "boolean" || kind == TinyInt && !t.Unsigned && ct.Length != nil && *ct.Length == 1 {
			t.Size = 1
		}
	case kind == Decimal:
		t.Size, t.Scale, err = decimalSize(name, ct)
	case t.IsFloat():
		t.Kind, t.Size, t.Scale, err = floatSize(name, kind, ct)
	case kind == Bit:
		t.Unsigned = false
		t.Size, err = length(name, ct, 1, maxSetMembers)
		if err == nil && t.Size == 0 {
			err = sqlerr.InvalidSize.New("Invalid size for column '%s'.", name).In(name)
		}
	case t.IsTemporal() && kind != Date:
		if ct.Length != nil {
			if t.Scale = *ct.Length; t.Scale < 0 || t.Scale > maxFractionDigits {
				err = sqlerr.TooBigPrecision.New("Too-big precision %d specified for '%s'. Maximum is %d.", t.Scale, name, maxFractionDigits).In(name)
			}
		}
	case kind == Year:
		if ct.Length != nil && *ct.Length != 4 {
			err = sqlerr.InvalidYearLength.New("Supports only YEAR or YEAR(4) column.").In(name)
		}
	case t.IsSpatial():
		t.Size, err = srid(name, ct)
	case t.IsBinary():
		t.Kind, t.Size, err = stringSize(name, kind, ct, 1)
	case t.IsText() || kind == Enum || kind == Set:
		t, err = textType(name, t, ct)
	case kind == JSON:
		t.Collation = DefaultCollation
	}
	if err == nil && !t.IsSpatial() && ct.Options != nil && ct.Options.SRID != nil {
		err = sqlerr.WrongUsage.New("Incorrect usage of SRID and non-geometry column").In(name)
	}
	if err != nil {
		return Type{}, err
	}
	takesCollate := t.IsText() || t.Members != nil || t.IsBinary() && ct.Charset.Name != ""
	if o := ct.Options; o != nil && o.Collate != "" && !takesCollate && !strings.EqualFold(o.Collate, "binary") {
		return Type{}, sqlerr.Unsupported("COLLATE of %s", t.SQL()).In(name)
	}
	return t, nil
}

// length returns the declared length, or missing when there is none.
func length(name string, ct *sqlparser.ColumnType, missing, most int) (int, error) {
	if ct.Length == nil {
		return missing, nil
	}
	if n := *ct.Length; n >= 0 && n <= most {
		return n, nil
	}
	if ct.Type == "bit" || ct.Type == "BIT" {
		return 0, sqlerr.TooBigDisplayWidth.New("Display width out of range for column '%s' (max = %d)", name, most).In(name)
	}
	return 0, sqlerr.TooBigFieldLength.New("Column length too big for column '%s' (max = %d); use BLOB or TEXT instead", name, most).In(name)
}

// srid returns the spatial reference system that a column's values must have, -1
// where they may have any.
func srid(name string, ct *sqlparser.ColumnType) (int, error) {
	if ct.Options == nil || ct.Options.SRID == nil {
		return -1, nil
	}
	n, err := strconv.ParseUint(ct.Options.SRID.Val, 10, 32)
	switch {
	case err != nil:
		return -1, sqlerr.DataOutOfRange.New("SRID value is out of range in 'SRID'").In(name)
	case !geometry.KnownSRID(uint32(n)):
		return -1, sqlerr.Unsupported("SRID %d", n).In(name)
	}
	return int(n), nil
}

func decimalSize(name string, ct *sqlparser.ColumnType) (precision, scale int, err error) {
	precision = 10
	if ct.Length != nil && *ct.Length != 0 {
		precision = *ct.Length
	}
	if ct.Scale != nil {
		scale = *ct.Scale
	}
	switch {
	case scale > maxDecimalScale || scale < 0:
		err = sqlerr.TooBigScale.New("Too big scale %d specified for column '%s'. Maximum is %d.", scale, name, maxDecimalScale).In(name)
	case precision > maxDecimalDigits || precision < 0:
		err = sqlerr.TooBigPrecision.New("Too-big precision %d specified for '%s'. Maximum is %d.", precision, name, maxDecimalDigits).In(name)
	case scale > precision:
		err = sqlerr.MBiggerThanD.New("For float(M,D), double(M,D) or decimal(M,D), M must be >= D (column '%s').", name).In(name)
	}
	return precision, scale, err
}

// floatSize returns a FLOAT's or DOUBLE's kind, and its digits, -1 where they are not bounded.
func floatSize(name string, kind Kind, ct *sqlparser.ColumnType) (_ Kind, size, scale int, err error) {
	switch {
	case ct.Scale != nil && ct.Length != nil && *ct.Length == 0:
		return kind, -1, -1, nil
	case ct.Scale != nil:
		size, scale, err = decimalSize(name, &sqlparser.ColumnType{Length: ct.Length, Scale: ct.Scale})
		return kind, size, scale, err
	case kind == Double || ct.Length == nil || *ct.Length >= 0 && *ct.Length <= maxFloatDigits:
		return kind, -1, -1, nil
	case *ct.Length > maxDoubleDigits || *ct.Length < 0:
		return 0, 0, 0, sqlerr.WrongColumnSpec.New("Incorrect column specifier for column '%s'", name).In(name)
	}
	return Double, -1, -1, nil
}

// HasPlaces reports whether t is FLOAT(M,D) or DOUBLE(M,D): Size digits, Scale of them after
// the point.
func (t Type) HasPlaces() bool { return t.IsFloat() && t.Size > 0 && t.Scale >= 0 }

// DoubleWithPlaces returns the type of a computed DOUBLE that shows as many digits after the
// point, if MySQL has that many.
func DoubleWithPlaces(places int) Type {
	t := Float64Type
	if places >= 0 && places < 31 {
		t.Size, t.Scale = 17+places, places
	}
	return t
}

// stringSize returns a text or binary type's kind and length. TEXT(n) and
// BLOB(n) are the smallest of their family that holds n characters.
func stringSize(name string, kind Kind, ct *sqlparser.ColumnType, charBytes int) (Kind, int, error) {
	switch kind {
	case Char, Binary:
		n, err := length(name, ct, 1, maxCharLength)
		return kind, n, err
	case VarChar, VarBinary:
		if ct.Length == nil {
			return kind, 0, sqlerr.Syntax.New("You have an error in your SQL syntax: column '%s' of type %s needs a length", name, strings.ToUpper(ct.Type)).In(name)
		}
		n, err := length(name, ct, 0, maxVarCharBytes/charBytes)
		return kind, n, err
	case Text, Blob:
		if ct.Length == nil || *ct.Length == 0 {
			return kind, -1, nil
		}
		smallest := kind - 1
		for n := *ct.Length * charBytes; smallest < kind+2 && n > maxBytes(smallest); {
			smallest++
		}
		return smallest, -1, nil
	}
	return kind, -1, nil
}

// maxBytes is the most bytes that a value of a TEXT or BLOB kind has.
func maxBytes(k Kind) int {
	switch k {
	case TinyText, TinyBlob:
		return 1<<8 - 1
	case Text, Blob:
		return 1<<16 - 1
	case MediumText, MediumBlob:
		return 1<<24 - 1
	}
	return 1<<32 - 1
}

// textType completes a text, ENUM or SET type. CHARACTER SET binary makes its
// binary counterpart, as MySQL does.
func textType(name string, t Type, ct *sqlparser.ColumnType) (Type, error) {
	collate := ""
	if ct.Options != nil {
		collate = ct.Options.Collate
	}
	var err error
	if t.Collation, err = collation(ct.Charset, collate); err != nil {
		return Type{}, sqlerr.As(err).In(name)
	}
	if t.Kind == Enum || t.Kind == Set {
		t.Members, err = members(name, t, ct.EnumValues)
		return t, err
	}
	charBytes := utf8mb4Bytes
	if t.Collation == collations.CollationBinaryID {
		t.Kind += Binary - Char
		charBytes = 1
	}
	t.Kind, t.Size, err = stringSize(name, t.Kind, ct, charBytes)
	return t, err
}

func collation(cs sqlparser.ColumnCharset, collate string) (collations.ID, error) {
	charset := Charset(strings.Trim(cs.Name, "'"))
	switch charset {
	case "", "utf8mb4", "binary":
	default:
		return 0, sqlerr.Unsupported("CHARACTER SET %s", charset)
	}
	id := collations.ID(DefaultCollation)
	if charset == "binary" {
		id = collations.CollationBinaryID
	}
	if collate == "" {
		return id, nil
	}
	id, err := LookupCollation(strings.Trim(collate, "'"))
	if err == nil && charset != "" && (charset == "binary") != (id == collations.CollationBinaryID) {
		err = sqlerr.CollationMismatch.New("COLLATION '%s' is not valid for CHARACTER SET '%s'", collate, charset)
	}
	return id, err
}

// Charset returns a character set's name in lower case. utf8 and utf8mb3, which
// old dumps name, are utf8mb4, which has all their characters.
func Charset(name string) string {
	switch name = strings.ToLower(name); name {
	case "utf8", "utf8mb3":
		return "utf8mb4"
	}
	return name
}

// KnownCharset reports whether MySQL has a character set of that name.
func KnownCharset(name string) bool {
	return collationNames.DefaultCollationForCharset(strings.ToLower(name)) != collations.Unknown
}

// LookupCollation returns the utf8mb4 or binary collation of a name; one of
// utf8 or utf8mb3 is utf8mb4's of the same kind. Errors are
// sqlerr.UnknownCollation and sqlerr.NotSupported.
func LookupCollation(name string) (collations.ID, error) {
	charset, kind, _ := strings.Cut(strings.ToLower(name), "_")
	id := collationNames.LookupByName(strings.TrimSuffix(Charset(charset)+"_"+kind, "_"))
	if id == collations.Unknown {
		return 0, sqlerr.UnknownCollation.New("Unknown collation: '%s'", name)
	}
	if cs := collationNames.LookupCharsetName(id); cs != "utf8mb4" && cs != "binary" || colldata.Lookup(id) == nil {
		return 0, sqlerr.Unsupported("COLLATE %s", name)
	}
	return id, nil
}

// CollationName returns a collation's name, "" when it is unknown.
func CollationName(id collations.ID) string { return collationNames.LookupName(id) }

// CharsetName returns the name of a collation's character set, "" when it is unknown.
func CharsetName(id collations.ID) string { return collationNames.LookupCharsetName(id) }

// members returns the members of an ENUM or SET from their SQL literals.
func members(name string, t Type, literals []string) (*Members, error) {
	what, most := "ENUM", maxEnumMembers
	if t.Kind == Set {
		what, most = "SET", maxSetMembers
	}
	if len(literals) > most {
		return nil, sqlerr.TooManyMembers.New("Too many enumeration values for column %s.", name).In(name)
	}
	m := &Members{Names: make([]string, len(literals))}
	seen := make(map[string]bool, len(literals))
	for i, l := range literals {
		s, err := sqltypes.DecodeStringSQL(l)
		if err != nil {
			return nil, sqlerr.Syntax.Wrap(err, "You have an error in your SQL syntax near %s", l)
		}
		s = strings.TrimRight(s, " ")
		key := string(appendWeight(nil, Type{Kind: VarChar, Collation: t.Collation}, []byte(s)))
		switch {
		case seen[key]:
			return nil, sqlerr.DupValueInType.New("Column '%s' has duplicated value '%s' in %s", name, s, what).In(name)
		case t.Kind == Set && strings.Contains(s, ","):
			return nil, sqlerr.IllegalSetValue.New("Illegal set '%s' value found during parsing", s).In(name)
		case len([]rune(s)) > maxMemberLength:
			return nil, sqlerr.TooLongMember.New("Too long enumeration/set value for column %s.", name).In(name)
		}
		seen[key] = true
		m.Names[i] = s
	}
	return m, nil
}

var kindNames = [...]string{
	Null: "null", TinyInt: "tinyint", SmallInt: "smallint", MediumInt: "mediumint", Int: "int", BigInt: "bigint",
	Decimal: "decimal", Float: "float", Double: "double", Bit: "bit", Char: "char", VarChar: "varchar",
	TinyText: "tinytext", Text: "text", MediumText: "mediumtext", LongText: "longtext",
	Binary: "binary", VarBinary: "varbinary", TinyBlob: "tinyblob", Blob: "blob", MediumBlob: "mediumblob", LongBlob: "longblob",
	Geometry: "geometry", Point: "point", LineString: "linestring", Polygon: "polygon", MultiPoint: "multipoint",
	MultiLineString: "multilinestring", MultiPolygon: "multipolygon", GeometryCollection: "geomcollection",
	Date: "date", Time: "time", DateTime: "datetime", Timestamp: "timestamp", Year: "year",
	JSON: "json", Enum: "enum", Set: "set", UUID: "uuid",
}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// memberQuotes quotes members as MySQL's SHOW CREATE TABLE does.
var memberQuotes = strings.NewReplacer("'", "''", "\\", "\\\\", "\n", "\\n", "\r", "\\r", "\x00", "\\0")

// SQL returns the type as SHOW CREATE TABLE prints it, without the collation.
func (t Type) SQL() string {
	s := t.Kind.String()
	switch {
	case t.Members != nil:
		b := append([]byte(s), '(')
		for i, name := range t.Members.Names {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '\'')
			b = append(append(b, memberQuotes.Replace(name)...), '\'')
		}
		return string(append(b, ')'))
	case t.Kind == Decimal && t.Size >= 0, t.HasPlaces():
		s = fmt.Sprintf("%s(%d,%d)", s, t.Size, t.Scale)
	case t.IsTemporal() && t.Kind != Date && t.Scale > 0:
		s = fmt.Sprintf("%s(%d)", s, t.Scale)
	case t.Size >= 0 && (t.Kind == Bit || t.Kind == TinyInt || t.Kind == Char || t.Kind == VarChar || t.Kind == Binary || t.Kind == VarBinary):
		s = fmt.Sprintf("%s(%d)", s, t.Size)
	}
	if t.Unsigned {
		s += " unsigned"
	}
	return s
}

// Name returns the type's name without parameters as DatabaseTypeName gives it:
// "VARCHAR", "UNSIGNED BIGINT", "GEOMETRY" of all spatial types.
func (t Type) Name() string {
	if t.IsSpatial() {
		t.Kind = Geometry
	}
	s := strings.ToUpper(t.Kind.String())
	if t.Unsigned && t.IsInteger() {
		return "UNSIGNED " + s
	}
	return s
}

// storedType is Type's form in the catalogue. Kinds are written by name.
type storedType struct {
	Kind      string   `json:"kind"`
	Unsigned  bool     `json:"unsigned,omitempty"`
	Size      *int     `json:"size,omitempty"`
	Scale     int      `json:"scale,omitempty"`
	Collation uint16   `json:"collation,omitempty"` // left out when binary
	Members   []string `json:"members,omitempty"`
}

// MarshalJSON writes the catalogue's form of a type.
func (t Type) MarshalJSON() ([]byte, error) {
	s := storedType{Kind: t.Kind.String(), Unsigned: t.Unsigned, Scale: t.Scale}
	if t.Size != -1 {
		s.Size = &t.Size
	}
	if t.Collation != collations.CollationBinaryID {
		s.Collation = uint16(t.Collation)
	}
	if t.Members != nil {
		s.Members = t.Members.Names
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote; other input is sqlerr.Corrupt.
func (t *Type) UnmarshalJSON(b []byte) error {
	var s storedType
	if err := json.Unmarshal(b, &s); err != nil {
		return sqlerr.Corrupt.Wrap(err, "A stored column type is damaged: %v", err)
	}
	kind, ok := Null, false
	for k, name := range kindNames {
		if name == s.Kind {
			kind, ok = Kind(k), true
		}
	}
	if !ok {
		return sqlerr.Corrupt.New("A stored column type is unknown: %q", s.Kind)
	}
	*t = Type{Kind: kind, Unsigned: s.Unsigned, Size: -1, Scale: s.Scale, Collation: collations.ID(s.Collation)}
	if s.Size != nil {
		t.Size = *s.Size
	}
	if s.Collation == 0 {
		t.Collation = collations.CollationBinaryID
	}
	if kind == Enum || kind == Set {
		t.Members = &Members{Names: s.Members}
	}
	fits := t.Scale >= -1 && (kind != Decimal || t.Size <= maxDecimalDigits && t.Scale >= 0 && (t.Size < 0 || t.Scale <= t.Size)) &&
		(!t.IsTemporal() || t.Scale >= 0 && t.Scale <= maxFractionDigits) &&
		(kind != Bit || t.Size <= 64) && (kind != Set || len(s.Members) <= maxSetMembers)
	if !fits {
		return sqlerr.Corrupt.New("A stored column type has impossible parameters: %s", b)
	}
	return nil
}
