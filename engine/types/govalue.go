package types

import (
	"database/sql"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"time"
	"unsafe"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// FromGo returns a Go value as SQL: nil, bools, integers, floats, string (text),
// []byte (binary), json.RawMessage (JSON) and time.Time (DATETIME(6) as loc's
// clocks show it). Bytes are shared, but JSON is written anew. Other types, and
// times outside years 0 to 9999, are sqlerr.WrongArguments.
func FromGo(x any, loc *time.Location) (Type, Value, error) {
	switch x := x.(type) {
	case nil:
		return NullType, Value{}, nil
	case bool:
		return BoolType, NewBool(x), nil
	case int:
		return Int64Type, NewInt(int64(x)), nil
	case int8:
		return Int64Type, NewInt(int64(x)), nil
	case int16:
		return Int64Type, NewInt(int64(x)), nil
	case int32:
		return Int64Type, NewInt(int64(x)), nil
	case int64:
		return Int64Type, NewInt(x), nil
	case uint:
		return Uint64Type, NewUint(uint64(x)), nil
	case uint8:
		return Uint64Type, NewUint(uint64(x)), nil
	case uint16:
		return Uint64Type, NewUint(uint64(x)), nil
	case uint32:
		return Uint64Type, NewUint(uint64(x)), nil
	case uint64:
		return Uint64Type, NewUint(x), nil
	case float32:
		return FromGo(float64(x), loc)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return NullType, Value{}, sqlerr.WrongArguments.New("A parameter is not a finite number: %v", x)
		}
		return Float64Type, NewFloat(x), nil
	case string:
		return TextType, NewBytes(unsafe.Slice(unsafe.StringData(x), len(x))), nil // nobody changes a value's bytes
	case json.RawMessage:
		if x == nil {
			return NullType, Value{}, nil
		}
		b, err := NormalizeJSON(make([]byte, 0, len(x)), x)
		if err != nil {
			return NullType, Value{}, err
		}
		return JSONType, NewBytes(b), nil
	case []byte:
		if x == nil {
			return NullType, Value{}, nil
		}
		return BytesType, NewBytes(x), nil
	case time.Time:
		t := x.In(loc).Round(time.Microsecond)
		if y := t.Year(); y < 0 || y > 9999 {
			return NullType, Value{}, sqlerr.WrongArguments.New("A parameter's year is not between 0 and 9999: %d", y)
		}
		return DateTimeType(6), NewInt(clock(t)), nil
	}
	return NullType, Value{}, sqlerr.WrongArguments.New("A parameter has the Go type %T, which has no SQL type", x)
}

// completed returns a packed date with January for a month that is zero, and the first for a
// day that is, as other drivers for Go do.
func completed(p int64) int64 {
	_, mo, d, _, _, _, _ := UnpackDateTime(p)
	if mo == 0 {
		p += packedMonth
	}
	if d == 0 {
		p += packedDay
	}
	return p
}

// Go returns v, of type t, as database/sql gives it to programs: nil, int64
// (uint64 when larger), float64 (of FLOAT the one that prints as the float32 does:
// 0.1, not 0.10000000149011612), time.Time in loc for DATE, DATETIME and
// TIMESTAMP (the zero Time for 0000-00-00), []byte for binary values, BIT and
// JSON, and string for all others. Bytes are shared with v.
func Go(t Type, v Value, loc *time.Location) any {
	switch v.phys {
	case PhysNull:
		return nil
	case PhysInt64:
		switch t.Kind {
		case Date, DateTime, Timestamp:
			if v.Int() == 0 {
				return time.Time{}
			}
			return PackedToTime(completed(v.Int()), loc)
		case Decimal, Time:
			return string(AppendText(nil, t, v))
		}
		return v.Int()
	case PhysUint64:
		switch t.Kind {
		case Bit:
			return AppendText(nil, t, v)
		case Enum, Set:
			return string(AppendText(nil, t, v))
		}
		if v.bits <= math.MaxInt64 {
			return int64(v.bits)
		}
		return v.bits
	case PhysFloat64:
		if t.Kind == Float {
			f, _ := strconv.ParseFloat(strconv.FormatFloat(v.Float(), 'g', -1, 32), 64)
			return f
		}
		return v.Float()
	}
	if t.IsBinary() || t.Kind == JSON {
		if v.data == nil {
			return []byte{} // nil would be NULL
		}
		return v.data
	}
	if t.Kind == UUID {
		return string(AppendText(nil, t, v))
	}
	return string(v.data)
}

// ScanType returns the Go type that a column's values are best scanned into.
func ScanType(t Type, nullable bool) reflect.Type {
	switch {
	case t.IsInteger() && t.Unsigned:
		return either[uint64, sql.Null[uint64]](nullable)
	case t.IsInteger() || t.Kind == Year:
		return either[int64, sql.NullInt64](nullable)
	case t.IsFloat():
		return either[float64, sql.NullFloat64](nullable)
	case t.Kind == Date || t.Kind == DateTime || t.Kind == Timestamp:
		return either[time.Time, sql.NullTime](nullable)
	case t.Kind == JSON:
		return reflect.TypeFor[json.RawMessage]()
	case t.IsBinary() || t.Kind == Bit:
		return reflect.TypeFor[[]byte]()
	case t.Kind == Null:
		return reflect.TypeFor[any]()
	}
	return either[string, sql.NullString](nullable)
}

func either[T, N any](nullable bool) reflect.Type {
	if nullable {
		return reflect.TypeFor[N]()
	}
	return reflect.TypeFor[T]()
}
