package stats

import (
	"encoding/json"
	"math"

	"github.com/kalamgo/kalam/engine/types"
)

// value is a types.Value that can be stored.
type value struct{ types.Value }

// stored is a value's form in JSON; all absent: NULL.
type stored struct {
	Int   *int64  `json:"i,omitempty"`
	Uint  *uint64 `json:"u,omitempty"`
	Float *uint64 `json:"f,omitempty"` // its bits: JSON has no NaN, and rounds
	Bytes *[]byte `json:"b,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (v value) MarshalJSON() ([]byte, error) {
	var s stored
	switch v.Physical() {
	case types.PhysInt64:
		x := v.Int()
		s.Int = &x
	case types.PhysUint64:
		x := v.Uint()
		s.Uint = &x
	case types.PhysFloat64:
		x := math.Float64bits(v.Float())
		s.Float = &x
	case types.PhysBytes:
		x := v.Bytes()
		if x == nil {
			x = []byte{}
		}
		s.Bytes = &x
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(b []byte) error {
	var s stored
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	switch {
	case s.Int != nil:
		v.Value = types.NewInt(*s.Int)
	case s.Uint != nil:
		v.Value = types.NewUint(*s.Uint)
	case s.Float != nil:
		v.Value = types.NewFloat(math.Float64frombits(*s.Float))
	case s.Bytes != nil:
		v.Value = types.NewBytes(*s.Bytes)
	default:
		v.Value = types.Value{}
	}
	return nil
}

// values are Values that can be stored.
type values []types.Value

// MarshalJSON implements json.Marshaler.
func (list values) MarshalJSON() ([]byte, error) {
	all := make([]value, len(list))
	for i, v := range list {
		all[i] = value{v}
	}
	return json.Marshal(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (list *values) UnmarshalJSON(b []byte) error {
	var all []value
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*list = make(values, len(all))
	for i, v := range all {
		(*list)[i] = v.Value
	}
	return nil
}
