package driver

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// CheckNamedValue turns what a caller passed into what types.FromGo takes:
// Valuers are asked, pointers followed, derived types reduced to their kind.
func (c *conn) CheckNamedValue(nv *driver.NamedValue) error {
	if _, ok := nv.Value.(argumentRows); ok {
		return nil
	}
	v, err := plainValue(nv.Value)
	if err != nil {
		return sqlerr.WrongArguments.Wrap(err, "%v", err)
	}
	nv.Value = v
	return nil
}

// plainValue returns v as nil, int64, uint64, float64, bool, string, []byte,
// json.RawMessage or time.Time.
func plainValue(v any) (any, error) {
	switch x := v.(type) {
	case nil, int64, uint64, float64, bool, string, []byte, json.RawMessage, time.Time:
		return x, nil
	case int:
		return int64(x), nil
	case driver.Valuer:
		// A nil pointer with a value receiver's Valuer is NULL, as database/sql has it.
		if rv := reflect.ValueOf(x); rv.Kind() == reflect.Pointer && rv.IsNil() &&
			rv.Type().Elem().Implements(reflect.TypeFor[driver.Valuer]()) {
			return nil, nil
		}
		inner, err := x.Value()
		if err != nil {
			return nil, err
		}
		if _, again := inner.(driver.Valuer); again {
			return nil, fmt.Errorf("the Value method of %T returns another Valuer", v)
		}
		return plainValue(inner)
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Pointer:
		if rv.IsNil() {
			return nil, nil
		}
		return plainValue(rv.Elem().Interface())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return rv.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return rv.Uint(), nil
	case reflect.Float32:
		// Its shortest decimal form, not the float64 with the same bits: 0.1 stays 0.1.
		return float32(rv.Float()), nil
	case reflect.Float64:
		return rv.Float(), nil
	case reflect.Bool:
		return rv.Bool(), nil
	case reflect.String:
		return rv.String(), nil
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			if rv.IsNil() {
				return nil, nil
			}
			return rv.Bytes(), nil
		}
	case reflect.Array:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, rv.Len())
			reflect.Copy(reflect.ValueOf(b), rv)
			return b, nil
		}
	}
	return nil, fmt.Errorf("a %T cannot be a SQL value; give it a Value method (driver.Valuer)", v)
}

// notPlain reports whether plainValue has more to do than the engine has.
func notPlain(v any) bool {
	switch v.(type) {
	case nil, int, int64, uint64, float64, bool, string, []byte, json.RawMessage, time.Time:
		return false
	}
	return true
}

// args converts checked values to the engine's. They are the connection's until
// the next call.
func (c *conn) args(list []driver.NamedValue) ([]engine.Arg, error) {
	clear(c.params) // they may hold on to much
	c.params = slices.Grow(c.params[:0], len(list))
	zone := c.session.Zone()
	for i := range list {
		t, v, err := types.FromGo(list[i].Value, zone)
		if err != nil {
			return nil, err
		}
		c.params = append(c.params, engine.Arg{Name: list[i].Name, Type: t, Value: v})
	}
	return c.params, nil
}
