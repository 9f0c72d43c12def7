package types

import (
	"bytes"
	"encoding/hex"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// parseDouble reads a number's text that is known to be well formed; too large
// a number is infinite.
func parseDouble(s []byte) float64 {
	f, _ := strconv.ParseFloat(strings.TrimSpace(string(s)), 64)
	return f
}

// textOf returns v's text; the bytes are v's own where it has them.
func textOf(from Type, v Value) []byte {
	if v.phys == PhysBytes && from.Kind != UUID {
		return v.data
	}
	return AppendText(nil, from, v)
}

func (to *Target) text(from Type, v Value) (Value, *sqlerr.Error) {
	s := textOf(from, v)
	var err *sqlerr.Error
	if n := validUTF8(s); n < len(s) {
		const most = 6 // bytes that the message shows
		shown := ""
		for _, c := range s[n:min(n+most, len(s))] {
			if c >= 0x20 && c < 0x7f {
				shown += string(rune(c))
			} else {
				shown += `\x` + strings.ToUpper(hex.EncodeToString([]byte{c}))
			}
		}
		if len(s)-n > most {
			shown += "..."
		}
		err = sqlerr.IncorrectValue.New("Incorrect string value: '%s' for column '%s' at row %d", shown, to.Column, to.Row).In(to.Column)
		s = s[:n]
	}
	keep := to.prefix(s)
	if len(bytes.TrimRight(s[keep:], " ")) > 0 && err == nil {
		err = to.tooLong()
	}
	s = s[:keep]
	if to.Type.Kind == Char {
		s = bytes.TrimRight(s, " ")
	}
	return NewBytes(s), err
}

// prefix returns how many bytes of a valid text the column takes.
func (to *Target) prefix(s []byte) int {
	if to.Type.Kind != Char && to.Type.Kind != VarChar {
		n := min(len(s), maxBytes(to.Type.Kind))
		for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		return n
	}
	if to.Type.Size < 0 || len(s) <= to.Type.Size {
		return len(s)
	}
	n := 0
	for range to.Type.Size {
		if n >= len(s) {
			break
		}
		_, w := utf8.DecodeRune(s[n:])
		n += w
	}
	return n
}

// validUTF8 returns the length of the valid text that s starts with.
func validUTF8(s []byte) int {
	if utf8.Valid(s) {
		return len(s)
	}
	n := 0
	for n < len(s) {
		r, w := utf8.DecodeRune(s[n:])
		if r == utf8.RuneError && w == 1 {
			break
		}
		n += w
	}
	return n
}

func (to *Target) binary(from Type, v Value) (Value, *sqlerr.Error) {
	s := textOf(from, v)
	if from.Kind == UUID {
		s = v.data
	}
	most := to.Type.Size
	if to.Type.Kind != Binary && to.Type.Kind != VarBinary {
		most = maxBytes(to.Type.Kind)
	}
	if most >= 0 && len(s) > most {
		return NewBytes(s[:most]), to.tooLong()
	}
	if to.Type.Kind == Binary && len(s) < most {
		padded := make([]byte, most)
		copy(padded, s)
		s = padded
	}
	return NewBytes(s), nil
}

// bit stores numbers as such, and the bytes of strings.
func (to *Target) bit(from Type, v Value) (Value, *sqlerr.Error) {
	size := to.Type.Size
	if size < 1 || size > 64 {
		size = 64
	}
	var x uint64
	fits := true
	switch {
	case from.IsString():
		s := bytes.TrimLeft(v.data, "\x00")
		if fits = len(s) <= 8; fits {
			for _, c := range s {
				x = x<<8 | uint64(c)
			}
		}
	default:
		wide := Target{Type: Int64Type, Column: to.Column, Row: to.Row}
		if v.phys == PhysUint64 {
			wide.Type = Uint64Type
		}
		w, err := wide.integer(from, v)
		if err != nil {
			return NewUint(0), err
		}
		x = w.bits
	}
	if !fits || bits.Len64(x) > size {
		return NewUint(lowBits(size)), to.tooLong()
	}
	return NewUint(x), nil
}

// lowBits returns a number with the low n bits set.
func lowBits(n int) uint64 { return ^uint64(0) >> (64 - n) }

// json stores text after checking it, and other values as what JSON has for them.
func (to *Target) json(from Type, v Value) (Value, *sqlerr.Error) {
	switch {
	case from.Kind == JSON:
		return v, nil
	case from.IsString():
		b, err := NormalizeJSON(make([]byte, 0, len(v.data)), v.data)
		if e := sqlerr.As(err); e != nil {
			e.Message = strings.TrimSuffix(e.Message, ".") + " in value for column '" + to.Column + "'."
			return NewBytes([]byte("null")), e.In(to.Column)
		}
		return NewBytes(b), nil
	}
	return NewBytes(AppendJSON(nil, from, v)), nil
}

// enum stores by name, under the column's collation, or by index.
func (to *Target) enum(from Type, v Value) (Value, *sqlerr.Error) {
	if from.Kind == Enum && v.bits == 0 { // another column's value for errors
		return v, nil
	}
	if !from.IsNumeric() || from.Kind == Bit {
		s := bytes.TrimRight(textOf(from, v), " ")
		if i := to.Type.member(s); i >= 0 {
			return NewUint(uint64(i) + 1), nil
		}
		if u, err := strconv.ParseUint(string(s), 10, 32); err == nil {
			return to.enumIndex(u)
		}
		return NewUint(0), to.truncated()
	}
	wide := Target{Type: Uint64Type}
	w, err := wide.integer(from, v)
	if err != nil {
		return NewUint(0), to.truncated()
	}
	return to.enumIndex(w.bits)
}

func (to *Target) enumIndex(u uint64) (Value, *sqlerr.Error) {
	if u == 0 || to.Type.Members == nil || u > uint64(len(to.Type.Members.Names)) {
		return NewUint(0), to.truncated()
	}
	return NewUint(u), nil
}

// member returns the position of an ENUM's or SET's member, or -1.
func (t Type) member(s []byte) int {
	if t.Members == nil {
		return -1
	}
	text := Type{Kind: VarChar, Collation: t.Collation}
	for i, name := range t.Members.Names {
		if name == string(s) || text.LossyKey() && compareBytes(text, []byte(name), s) == 0 {
			return i
		}
	}
	return -1
}

// set stores by names with commas between, or by bits.
func (to *Target) set(from Type, v Value) (Value, *sqlerr.Error) {
	n := 0
	if to.Type.Members != nil {
		n = len(to.Type.Members.Names)
	}
	var all uint64
	if n > 0 {
		all = lowBits(min(n, maxSetMembers))
	}
	var x uint64
	if !from.IsNumeric() || from.Kind == Bit {
		s := bytes.TrimRight(textOf(from, v), " ")
		known := true
		for len(s) > 0 {
			name, rest, more := bytes.Cut(s, []byte{','})
			if i := to.Type.member(name); i >= 0 {
				x |= 1 << i
			} else {
				known = false
			}
			if s = rest; more && len(rest) == 0 && to.Type.member(nil) < 0 {
				known = false
			}
		}
		if known {
			return NewUint(x), nil
		}
		u, err := strconv.ParseUint(string(textOf(from, v)), 10, 64)
		if err != nil {
			return NewUint(x), to.truncated()
		}
		x = u
	} else {
		wide := Target{Type: Uint64Type}
		w, err := wide.integer(from, v)
		if err != nil {
			return NewUint(0), to.truncated()
		}
		x = w.bits
	}
	if x&^all != 0 {
		return NewUint(x & all), to.truncated()
	}
	return NewUint(x), nil
}

func (to *Target) uuid(from Type, v Value) (Value, *sqlerr.Error) {
	if from.Kind == UUID {
		return v, nil
	}
	if from.IsBinary() && len(v.data) == 16 {
		return v, nil
	}
	if from.IsString() || from.Kind == JSON {
		s := v.data
		if from.Kind == JSON && jsonTypeOf(s) == jsonString {
			s = UnquoteJSON(s)
		}
		if id, ok := ParseUUID(s); ok {
			return NewBytes(id[:]), nil
		}
	}
	return NewBytes(make([]byte, 16)), to.incorrect(sqlerr.IncorrectValue, "uuid", from, v)
}

// ParseUUID reads a UUID: 32 hex digits, with hyphens or not, in braces or not.
func ParseUUID(s []byte) (id [16]byte, ok bool) {
	s = bytes.TrimSpace(s)
	if len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' {
		s = s[1 : len(s)-1]
	}
	var digits [32]byte
	switch len(s) {
	case 32:
		copy(digits[:], s)
	case 36:
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return id, false
		}
		n := copy(digits[:], s[:8])
		n += copy(digits[n:], s[9:13])
		n += copy(digits[n:], s[14:18])
		n += copy(digits[n:], s[19:23])
		copy(digits[n:], s[24:])
	default:
		return id, false
	}
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil
}
