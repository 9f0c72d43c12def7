package livehttp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/kalamgo/kalam"
)

type startMessage struct {
	Type    string   `json:"type"`
	Columns []string `json:"columns"`
	Seq     uint64   `json:"seq"`
	Resumed bool     `json:"resumed"`
}

// errorMessage tells a browser why the live query ended: what Kalam says, and of other
// errors nothing.
func errorMessage(err error) []byte {
	m := struct {
		Type    string `json:"type"`
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{"error", 0, "the live query failed"}
	var known *kalam.Error
	if errors.As(err, &known) {
		m.Code, m.Message = int(known.Kind.Number), known.Message
	}
	text, _ := json.Marshal(m)
	return text
}

// eventMessage returns an event as JSON, its columns, which are of some types, in the query's
// order.
func eventMessage(e *kalam.Event, types []string) ([]byte, error) {
	b := append(make([]byte, 0, 256), `{"type":"`...)
	b = append(append(b, e.Change...), `","seq":`...)
	b = strconv.AppendUint(b, e.Seq, 10)
	if e.Last {
		b = append(b, `,"last":true`...)
	}
	b, err := appendRow(append(b, `,"row":`...), e.Columns, types, e.Values)
	if err == nil && e.Old != nil {
		b, err = appendRow(append(b, `,"old":`...), e.Columns, types, e.Old)
	}
	return append(b, '}'), err
}

func appendRow(b []byte, columns, types []string, values []any) ([]byte, error) {
	b = append(b, '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(columns[i])
		if err != nil {
			return nil, err
		}
		b = append(append(b, name...), ':')
		if doc, ok := v.([]byte); ok && types[i] == "JSON" {
			b = append(b, doc...)
		} else if b, err = appendValue(b, v); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// exact is the greatest number up to which a JavaScript number is every integer.
const exact = 1 << 53

func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case int64:
		if v < -exact || v > exact {
			return strconv.AppendQuote(b, strconv.FormatInt(v, 10)), nil
		}
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		if v > exact {
			return strconv.AppendQuote(b, strconv.FormatUint(v, 10)), nil
		}
		return strconv.AppendUint(b, v, 10), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return append(b, "null"...), nil
		}
	case []byte:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v)
		return append(b, '"'), nil
	case time.Time:
		return append(v.AppendFormat(append(b, '"'), time.RFC3339Nano), '"'), nil
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}
