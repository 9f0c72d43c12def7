package types

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// maxJSONDepth is MySQL's limit of nested arrays and objects.
const maxJSONDepth = 100

// NormalizeJSON appends the text that MySQL prints of a JSON text: object
// members sorted by key length and then bytes, the last of equal keys kept, ", "
// and ": " between, numbers as int64, uint64 or double. Errors are
// sqlerr.InvalidJSON; their messages name no column.
func NormalizeJSON(dst, src []byte) ([]byte, error) {
	n := len(dst)
	p := jsonReader{src: src}
	dst, ok := p.value(dst, 0)
	p.space()
	if ok && p.at == len(src) {
		return dst, nil
	}
	if p.why == "" {
		p.why = "Invalid value."
		if p.at == len(src) {
			p.why = "The document is empty."
			if len(src) > 0 {
				p.why = "Unexpected end of the document."
			}
		} else if ok {
			p.why = "The document root must not be followed by other values."
		}
	}
	return dst[:n], sqlerr.InvalidJSON.New("Invalid JSON text: %q at position %d.", p.why, p.at)
}

// jsonReader reads RFC 8259 JSON text and writes it in MySQL's form.
type jsonReader struct {
	src []byte
	at  int
	why string // what is wrong at position at, if known
}

func (p *jsonReader) space() {
	for p.at < len(p.src) && (p.src[p.at] == ' ' || p.src[p.at] == '\t' || p.src[p.at] == '\n' || p.src[p.at] == '\r') {
		p.at++
	}
}

// accept skips white space and then c, if it is next.
func (p *jsonReader) accept(c byte) bool {
	p.space()
	if p.at < len(p.src) && p.src[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *jsonReader) fail(why string, dst []byte) ([]byte, bool) {
	if p.why == "" {
		p.why = why
	}
	return dst, false
}

func (p *jsonReader) value(dst []byte, depth int) ([]byte, bool) {
	p.space()
	if p.at == len(p.src) {
		return dst, false
	}
	switch c := p.src[p.at]; c {
	case '{', '[':
		if depth == maxJSONDepth {
			return p.fail("The JSON document exceeds the maximum depth.", dst)
		}
		p.at++
		if c == '{' {
			return p.object(dst, depth+1)
		}
		return p.array(dst, depth+1)
	case '"':
		return p.string(dst)
	case 't', 'f', 'n':
		for _, word := range []string{"true", "false", "null"} {
			if bytes.HasPrefix(p.src[p.at:], []byte(word)) {
				p.at += len(word)
				return append(dst, word...), true
			}
		}
		return dst, false
	default:
		return p.number(dst)
	}
}

func (p *jsonReader) array(dst []byte, depth int) ([]byte, bool) {
	dst = append(dst, '[')
	if p.accept(']') {
		return append(dst, ']'), true
	}
	for {
		var ok bool
		if dst, ok = p.value(dst, depth); !ok {
			return dst, false
		}
		if p.accept(']') {
			return append(dst, ']'), true
		}
		if !p.accept(',') {
			return p.fail("Missing a comma or ] after an array element.", dst)
		}
		dst = append(dst, ", "...)
	}
}

type jsonMember struct{ key, value []byte } // quoted key and value, in MySQL's form

func (p *jsonReader) object(dst []byte, depth int) ([]byte, bool) {
	var members []jsonMember
	for more := !p.accept('}'); more; {
		p.space()
		if p.at == len(p.src) || p.src[p.at] != '"' {
			return p.fail("Missing a name for object member.", dst)
		}
		key, ok := p.string(nil)
		if !ok {
			return dst, false
		}
		if !p.accept(':') {
			return p.fail("Missing a colon after a name of object member.", dst)
		}
		value, ok := p.value(nil, depth)
		if !ok {
			return dst, false
		}
		members = append(members, jsonMember{key, value})
		if more = !p.accept('}'); more && !p.accept(',') {
			return p.fail("Missing a comma or } after an object member.", dst)
		}
	}
	// Keys are ordered by what they say, not by how they are escaped.
	slices.SortStableFunc(members, func(a, b jsonMember) int {
		x, y := UnquoteJSON(a.key), UnquoteJSON(b.key)
		if c := cmp.Compare(len(x), len(y)); c != 0 {
			return c
		}
		return bytes.Compare(x, y)
	})
	dst = append(dst, '{')
	first := true
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.key, members[i+1].key) {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(append(append(dst, m.key...), ": "...), m.value...)
	}
	return append(dst, '}'), true
}

func (p *jsonReader) number(dst []byte) ([]byte, bool) {
	start, integer := p.at, true
	digits := func() bool {
		n := p.at
		for p.at < len(p.src) && '0' <= p.src[p.at] && p.src[p.at] <= '9' {
			p.at++
		}
		return p.at > n
	}
	next := func(set string) bool {
		if p.at < len(p.src) && bytes.IndexByte([]byte(set), p.src[p.at]) >= 0 {
			p.at++
			return true
		}
		return false
	}
	next("-")
	if !next("0") && !digits() {
		return dst, false
	}
	if next(".") {
		if integer = false; !digits() {
			return p.fail("Miss fraction part in number.", dst)
		}
	}
	if next("eE") {
		integer = false
		next("+-")
		if !digits() {
			return p.fail("Miss exponent in number.", dst)
		}
	}
	text := string(p.src[start:p.at])
	if integer {
		if text == "-0" {
			return append(dst, '0'), true
		}
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return append(dst, text...), true
		}
		if _, err := strconv.ParseUint(text, 10, 64); err == nil {
			return append(dst, text...), true
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return p.fail("Number too big to be stored in double.", dst)
	}
	return appendJSONFloat(dst, f), true
}

// appendJSONFloat appends a double so that it reads as a double again.
func appendJSONFloat(dst []byte, f float64) []byte {
	n := len(dst)
	dst = appendDouble(dst, f)
	if bytes.IndexByte(dst[n:], '.') < 0 && bytes.IndexByte(dst[n:], 'e') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// string reads a quoted string and appends it with the escapes MySQL prints.
func (p *jsonReader) string(dst []byte) ([]byte, bool) {
	p.at++
	dst = append(dst, '"')
	for p.at < len(p.src) {
		c := p.src[p.at]
		switch {
		case c == '"':
			p.at++
			return append(dst, '"'), true
		case c < 0x20:
			return p.fail("Invalid encoding in string.", dst)
		case c == '\\':
			r, ok := p.escape()
			if !ok {
				return p.fail("Invalid escape character in string.", dst)
			}
			dst = appendJSONRune(dst, r)
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			p.at++
		default:
			r, n := utf8.DecodeRune(p.src[p.at:])
			if r == utf8.RuneError && n == 1 {
				return p.fail("Invalid encoding in string.", dst)
			}
			dst = append(dst, p.src[p.at:p.at+n]...)
			p.at += n
		}
	}
	return p.fail("Missing a closing quotation mark in string.", dst)
}

func (p *jsonReader) escape() (rune, bool) {
	if p.at+1 >= len(p.src) {
		return 0, false
	}
	c := p.src[p.at+1]
	if c != 'u' {
		i := bytes.IndexByte([]byte(`"\/bfnrt`), c)
		if i < 0 {
			return 0, false
		}
		p.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), true
	}
	r, ok := p.hex4(p.at + 2)
	if !ok {
		return 0, false
	}
	p.at += 6
	switch {
	case r >= 0xd800 && r < 0xdc00:
		if p.at+1 >= len(p.src) || p.src[p.at] != '\\' || p.src[p.at+1] != 'u' {
			return 0, false
		}
		low, ok := p.hex4(p.at + 2)
		if !ok || low < 0xdc00 || low > 0xdfff {
			return 0, false
		}
		p.at += 6
		return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), true
	case r >= 0xdc00 && r < 0xe000:
		return 0, false
	}
	return r, true
}

func (p *jsonReader) hex4(at int) (rune, bool) {
	if at+4 > len(p.src) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.src[at:at+4]), 16, 16)
	return rune(n), err == nil
}

// AppendJSONString appends s, which is UTF-8, as a JSON string.
func AppendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, r := range string(s) {
		dst = appendJSONRune(dst, r)
	}
	return append(dst, '"')
}

// AppendJSON appends what JSON has for a value of type t: null, a boolean, a
// number, JSON as it is, GeoJSON of a geometry, and of all else its text as a string.
func AppendJSON(dst []byte, t Type, v Value) []byte {
	switch {
	case v.IsNull():
		return append(dst, "null"...)
	case t.Kind == JSON:
		return append(dst, v.data...)
	case t.IsFloat():
		return appendJSONFloat(dst, v.Float())
	case t == BoolType:
		return strconv.AppendBool(dst, v.Int() != 0)
	case t.IsInteger() || t.Kind == Year || t.Kind == Decimal:
		return AppendText(dst, t, v)
	case t.Kind == DateTime || t.Kind == Timestamp || t.Kind == Time:
		t.Scale = 6
	case t.IsSpatial():
		return appendGeoJSON(dst, v.data)
	case t.IsBinary() || t.Kind == Bit:
		return appendJSONOpaque(dst, t, AppendText(nil, t, v))
	}
	return AppendJSONString(dst, AppendText(nil, t, v))
}

// appendJSONOpaque appends bytes in base 64 after the number of MySQL's type.
func appendJSONOpaque(dst []byte, t Type, b []byte) []byte {
	number := 15 // VARCHAR
	switch t.Kind {
	case Binary:
		number = 254
	case TinyBlob, Blob, MediumBlob, LongBlob:
		number = 252
	case Bit:
		number = 16
	}
	dst = fmt.Appendf(dst, "\"base64:type%d:", number)
	return append(base64.StdEncoding.AppendEncode(dst, b), '"')
}

func appendJSONRune(dst []byte, r rune) []byte {
	if r == '"' || r == '\\' {
		return append(dst, '\\', byte(r))
	}
	if r >= 0x20 {
		return utf8.AppendRune(dst, r)
	}
	if i := bytes.IndexByte([]byte("\b\f\n\r\t"), byte(r)); i >= 0 {
		return append(dst, '\\', "bfnrt"[i])
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
}

// UnquoteJSON returns the characters of a JSON string, those of damaged text as
// far as they go.
func UnquoteJSON(s []byte) []byte {
	if len(s) < 2 {
		return nil
	}
	if bytes.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1]
	}
	p := jsonReader{src: s[:len(s)-1], at: 1}
	out := make([]byte, 0, len(s))
	for p.at < len(p.src) {
		if c := p.src[p.at]; c != '\\' {
			out = append(out, c)
			p.at++
			continue
		}
		r, ok := p.escape()
		if !ok {
			break
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// The order of JSON values by type, as MySQL documents it, of those that text has.
const (
	jsonNull = iota
	jsonNumber
	jsonString
	jsonObject
	jsonArray
	jsonBool
)

func jsonTypeOf(s []byte) int {
	if len(s) == 0 {
		return jsonNull
	}
	switch s[0] {
	case 'n':
		return jsonNull
	case '"':
		return jsonString
	case '{':
		return jsonObject
	case '[':
		return jsonArray
	case 't', 'f':
		return jsonBool
	}
	return jsonNumber
}

// compareJSON orders two JSON texts in MySQL's form: by type, numbers by value,
// strings by bytes, arrays element by element, objects by their number of
// members and then by their members in order.
func compareJSON(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	ta, tb := jsonTypeOf(a), jsonTypeOf(b)
	if ta != tb {
		return cmp.Compare(ta, tb)
	}
	switch ta {
	case jsonNumber:
		return compareJSONNumber(a, b)
	case jsonString:
		return bytes.Compare(UnquoteJSON(a), UnquoteJSON(b))
	case jsonBool:
		return cmp.Compare(a[0], b[0]) // false before true
	case jsonArray, jsonObject:
		xs, ys := jsonParts(a), jsonParts(b)
		if ta == jsonObject && len(xs) != len(ys) {
			return cmp.Compare(len(xs), len(ys))
		}
		return slices.CompareFunc(xs, ys, compareJSON)
	}
	return 0
}

// jsonParts returns the elements of an array, or the keys and values of an
// object in turn, of a text in MySQL's form.
func jsonParts(s []byte) [][]byte {
	var parts [][]byte
	depth, start, quoted := 0, 1, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 1 && (c == ',' || c == ':'):
			parts = append(parts, s[start:i])
			start = min(i+2, len(s))
		case c == '}' || c == ']':
			if depth--; depth == 0 && i > start {
				parts = append(parts, s[start:i])
			}
		}
	}
	return parts
}

func compareJSONNumber(a, b []byte) int {
	x, xi := jsonInteger(a)
	y, yi := jsonInteger(b)
	if xi && yi {
		return x.compare(y)
	}
	f, _ := strconv.ParseFloat(string(a), 64)
	g, _ := strconv.ParseFloat(string(b), 64)
	if f == g && xi != yi {
		// An integer rounded up to a double that is beyond all integers.
		return (1 - 2*btoi(xi)) * (1 - 2*btoi(f < 0))
	}
	return cmp.Compare(f, g)
}

// jsonInt is an integer of int64's and uint64's ranges together.
type jsonInt struct {
	neg bool
	abs uint64
}

func (x jsonInt) compare(y jsonInt) int {
	switch {
	case x.neg != y.neg:
		return btoi(y.neg) - btoi(x.neg)
	case x.neg:
		return cmp.Compare(y.abs, x.abs)
	}
	return cmp.Compare(x.abs, y.abs)
}

// jsonInteger returns a number's exact integer value, if it has one in range:
// doubles without fraction are compared with integers exactly.
func jsonInteger(s []byte) (jsonInt, bool) {
	text := string(s)
	neg := len(text) > 0 && text[0] == '-'
	digits := text
	if neg {
		digits = text[1:]
	}
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		return jsonInt{neg && n != 0, n}, true
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || f != math.Trunc(f) || f >= 1<<64 {
		return jsonInt{}, false
	}
	return jsonInt{neg && f != 0, uint64(f)}, true
}

// appendJSONWeight appends bytes that are the same for JSON values that compare equal.
func appendJSONWeight(dst, s []byte) []byte {
	t := jsonTypeOf(s)
	dst = append(dst, byte(t))
	switch t {
	case jsonNumber:
		if n, ok := jsonInteger(s); ok {
			return binary.BigEndian.AppendUint64(append(dst, byte(btoi(n.neg))), n.abs)
		}
		f, _ := strconv.ParseFloat(string(s), 64)
		return binary.BigEndian.AppendUint64(append(dst, 2), normalBits(f))
	case jsonString:
		u := UnquoteJSON(s)
		return append(binary.BigEndian.AppendUint32(dst, uint32(len(u))), u...)
	case jsonBool:
		return append(dst, s[0])
	case jsonArray, jsonObject:
		parts := jsonParts(s)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(parts)))
		for _, part := range parts {
			dst = appendJSONWeight(dst, part)
		}
	}
	return dst
}
