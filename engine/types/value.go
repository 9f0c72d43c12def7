package types

import "math"

// Value is one value in its type's physical form; the type is kept beside it.
// The zero Value is NULL. Bytes are shared, not copied, when a Value is.
type Value struct {
	phys Physical
	bits uint64
	data []byte
}

// NewInt returns a PhysInt64 value.
func NewInt(v int64) Value { return Value{phys: PhysInt64, bits: uint64(v)} }

// NewUint returns a PhysUint64 value.
func NewUint(v uint64) Value { return Value{phys: PhysUint64, bits: v} }

// NewFloat returns a PhysFloat64 value.
func NewFloat(v float64) Value { return Value{phys: PhysFloat64, bits: math.Float64bits(v)} }

// NewBytes returns a PhysBytes value that shares v; nil is the empty string.
func NewBytes(v []byte) Value { return Value{phys: PhysBytes, data: v} }

// NewString returns a PhysBytes value with a copy of v.
func NewString(v string) Value { return Value{phys: PhysBytes, data: []byte(v)} }

// NewBool returns 1 or 0.
func NewBool(v bool) Value {
	if v {
		return NewInt(1)
	}
	return NewInt(0)
}

// Physical returns how the value is held, PhysNull for NULL.
func (v Value) Physical() Physical { return v.phys }

// IsNull reports whether v is NULL.
func (v Value) IsNull() bool { return v.phys == PhysNull }

// Int returns a PhysInt64 value's number.
func (v Value) Int() int64 { return int64(v.bits) }

// Uint returns a PhysUint64 value's number.
func (v Value) Uint() uint64 { return v.bits }

// Float returns a PhysFloat64 value's number.
func (v Value) Float() float64 { return math.Float64frombits(v.bits) }

// Bytes returns a PhysBytes value's bytes, shared.
func (v Value) Bytes() []byte { return v.data }

// Clone returns v with bytes of its own.
func (v Value) Clone() Value {
	if v.phys == PhysBytes {
		v.data = append(make([]byte, 0, len(v.data)), v.data...)
	}
	return v
}
