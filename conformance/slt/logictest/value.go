package logictest

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// format writes a value as sqllogictest compares it in a column of type I, R
// or T.
func format(kind byte, v any) string {
	if v == nil {
		return "NULL"
	}
	switch kind {
	case 'I':
		return integer(v)
	case 'R':
		return strconv.FormatFloat(float(v), 'f', 3, 64)
	}
	s := text(v)
	if s == "" {
		return "(empty)"
	}
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '@'
		}
	}
	return string(b)
}

// integer drops a fraction, as a C cast does, and takes the number at the
// beginning of a text.
func integer(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case bool:
		if v {
			return "1"
		}
		return "0"
	case float64:
		return strconv.FormatFloat(math.Trunc(v)+0, 'f', 0, 64) // -0 + 0 is 0
	case float32:
		return integer(float64(v))
	}
	s := text(v)
	digits := strings.TrimLeft(s, "+-")
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(digits)
	}
	digits = strings.TrimLeft(digits[:end], "0")
	switch {
	case digits == "":
		return "0"
	case strings.HasPrefix(s, "-"):
		return "-" + digits
	}
	return digits
}

func float(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		return v
	case float32:
		return float64(v)
	}
	f, err := strconv.ParseFloat(text(v), 64)
	if err != nil {
		return 0
	}
	return f
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return v.Format("2006-01-02 15:04:05.999999")
	}
	return fmt.Sprint(v)
}

// sortValues orders the values of rows of the given width in place.
func sortValues(values []string, width int, by Sort) {
	switch by {
	case ValueSort:
		slices.Sort(values)
	case RowSort:
		rows := slices.Collect(slices.Chunk(slices.Clone(values), width))
		slices.SortFunc(rows, slices.Compare[[]string])
		for i, row := range rows {
			copy(values[i*width:], row)
		}
	}
}

// hash is the MD5 of the values, each followed by a newline.
func hash(values []string) string {
	h := md5.New()
	for _, v := range values {
		io.WriteString(h, v)
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}
