// Package jsondoc holds JSON documents as trees, paths in them, and what MySQL's
// JSON functions do with them.
//
// Vitess has such a tree too, but it takes texts that are no JSON, orders members as
// MySQL does not, and fails on wildcards in paths.
package jsondoc

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// Value is a JSON value. A document is changed through its values; they belong to
// one document each.
type Value struct {
	Kind    Kind
	Text    []byte   // a String's characters; of Null, Bool and Number what JSON has
	Items   []*Value // of an Array
	Members []Member // of an Object, in MySQL's order: by the key's length, then by its bytes
}

// Member is a member of an object.
type Member struct {
	Key   string
	Value *Value
}

// NewString returns a string.
func NewString(s []byte) *Value { return &Value{Kind: String, Text: s} }

// Parse reads a JSON text. Errors are sqlerr.InvalidJSON.
func Parse(text []byte) (*Value, error) {
	norm, err := types.NormalizeJSON(nil, text)
	if err != nil {
		return nil, err
	}
	return ParseNormal(norm), nil
}

// ParseNormal reads a text in MySQL's form, which values of type JSON are held in. The
// values share the text.
func ParseNormal(text []byte) *Value {
	p := reader{text}
	return p.value()
}

// reader reads what is known to be JSON; of damaged text it makes something.
type reader struct{ rest []byte }

// skip passes white space and the separators of c.
func (p *reader) skip(separators string) {
	p.rest = bytes.TrimLeft(p.rest, " \t\r\n"+separators)
}

func (p *reader) value() *Value {
	p.skip("")
	if len(p.rest) == 0 {
		return &Value{Text: []byte("null")}
	}
	switch p.rest[0] {
	case '"':
		return NewString(types.UnquoteJSON(p.quoted()))
	case '[':
		v := &Value{Kind: Array}
		for p.open(); !p.closes(']'); {
			v.Items = append(v.Items, p.value())
		}
		return v
	case '{':
		v := &Value{Kind: Object}
		for p.open(); !p.closes('}'); {
			key := types.UnquoteJSON(p.quoted())
			p.skip(":")
			v.Set(string(key), p.value())
		}
		return v
	}
	end := bytes.IndexAny(p.rest, ",]} \t\r\n")
	if end < 0 {
		end = len(p.rest)
	}
	end = max(end, 1)
	v := &Value{Kind: Number, Text: p.rest[:end:end]}
	p.rest = p.rest[end:]
	switch v.Text[0] {
	case 'n':
		v.Kind = Null
	case 't', 'f':
		v.Kind = Bool
	}
	return v
}

func (p *reader) open() { p.rest = p.rest[1:] }

// closes reports whether the array or object ends here, and passes its end.
func (p *reader) closes(end byte) bool {
	if p.skip(","); len(p.rest) == 0 {
		return true
	}
	if p.rest[0] == end {
		p.rest = p.rest[1:]
		return true
	}
	return false
}

// quoted passes a string and returns it with its quotes.
func (p *reader) quoted() []byte {
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			i++
		case '"':
			s := p.rest[:i+1]
			p.rest = p.rest[i+1:]
			return s
		}
	}
	s := p.rest
	p.rest = nil
	return s
}

func compareKeys(m Member, key string) int {
	if c := cmp.Compare(len(m.Key), len(key)); c != 0 {
		return c
	}
	return strings.Compare(m.Key, key)
}

// member returns the place of a key among an object's members, or where it would be.
func (v *Value) member(key string) (int, bool) {
	if n := len(v.Members); n == 0 || compareKeys(v.Members[n-1], key) < 0 {
		return n, false
	}
	return slices.BinarySearchFunc(v.Members, key, compareKeys)
}

// Get returns an object's member, nil if there is none.
func (v *Value) Get(key string) *Value {
	if i, ok := v.member(key); ok {
		return v.Members[i].Value
	}
	return nil
}

// Set gives an object a member, in the place of one that has its key.
func (v *Value) Set(key string, value *Value) {
	i, ok := v.member(key)
	if ok {
		v.Members[i].Value = value
		return
	}
	v.Members = slices.Insert(v.Members, i, Member{key, value})
}

// Append appends the value as MySQL prints it.
func (v *Value) Append(dst []byte) []byte {
	switch v.Kind {
	case String:
		return types.AppendJSONString(dst, v.Text)
	case Array:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = item.Append(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, m := range v.Members {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(types.AppendJSONString(dst, []byte(m.Key)), ": "...)
			dst = m.Value.Append(dst)
		}
		return append(dst, '}')
	}
	return append(dst, v.Text...)
}

// AppendPretty appends the value as JSON_PRETTY does, each item and member on a line.
func (v *Value) AppendPretty(dst []byte, indent int) []byte {
	line := func(depth int) {
		dst = append(dst, '\n')
		for range depth {
			dst = append(dst, "  "...)
		}
	}
	switch {
	case v.Kind == Array && len(v.Items) > 0:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			line(indent + 1)
			dst = item.AppendPretty(dst, indent+1)
		}
		line(indent)
		return append(dst, ']')
	case v.Kind == Object && len(v.Members) > 0:
		dst = append(dst, '{')
		for i, m := range v.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			line(indent + 1)
			dst = append(types.AppendJSONString(dst, []byte(m.Key)), ": "...)
			dst = m.Value.AppendPretty(dst, indent+1)
		}
		line(indent)
		return append(dst, '}')
	}
	return v.Append(dst)
}

// Scalar returns a scalar's text, a string's without quotes; ok is false of arrays and
// objects.
func (v *Value) Scalar() (text []byte, ok bool) { return v.Text, v.Kind < Array }

// TypeName returns what JSON_TYPE says of v.
func (v *Value) TypeName() string {
	switch v.Kind {
	case Null:
		return "NULL"
	case Bool:
		return "BOOLEAN"
	case String:
		return "STRING"
	case Array:
		return "ARRAY"
	case Object:
		return "OBJECT"
	}
	switch {
	case bytes.ContainsAny(v.Text, ".eE"):
		return "DOUBLE"
	case len(v.Text) > 19 || len(v.Text) == 19 && string(v.Text) > "9223372036854775807":
		if v.Text[0] != '-' {
			return "UNSIGNED INTEGER"
		}
	}
	return "INTEGER"
}

// Depth returns the levels of nesting, 1 of a scalar.
func (v *Value) Depth() int {
	depth := 0
	for _, item := range v.Items {
		depth = max(depth, item.Depth())
	}
	for _, m := range v.Members {
		depth = max(depth, m.Value.Depth())
	}
	return depth + 1
}

// Len returns the number of items or members, 1 of a scalar.
func (v *Value) Len() int {
	switch v.Kind {
	case Array:
		return len(v.Items)
	case Object:
		return len(v.Members)
	}
	return 1
}

// Equal reports whether a and b compare as equal.
func Equal(a, b *Value) bool {
	if a.Kind != b.Kind || a.Len() != b.Len() {
		return false
	}
	return types.Equal(types.JSONType, types.NewBytes(a.Append(nil)), types.NewBytes(b.Append(nil)))
}

// asArray returns an array's items, or v alone.
func (v *Value) asArray() []*Value {
	if v.Kind == Array {
		return v.Items
	}
	return []*Value{v}
}

// Contains is JSON_CONTAINS: an array has each item of an array that one of its items
// contains, and any other value that one does; an object has an object's members.
func (v *Value) Contains(item *Value) bool {
	switch {
	case v.Kind == Array:
		for _, want := range item.asArray() {
			if !slices.ContainsFunc(v.Items, func(have *Value) bool { return have.Contains(want) }) {
				return false
			}
		}
		return true
	case v.Kind == Object && item.Kind == Object:
		for _, m := range item.Members {
			if have := v.Get(m.Key); have == nil || !have.Contains(m.Value) {
				return false
			}
		}
		return true
	}
	return Equal(v, item)
}

// Has is MEMBER OF: whether v is item, or an array with it.
func (v *Value) Has(item *Value) bool {
	return slices.ContainsFunc(v.asArray(), func(have *Value) bool { return Equal(have, item) })
}

// Overlaps is JSON_OVERLAPS: whether two documents have an item or a member in common.
func Overlaps(a, b *Value) bool {
	if a.Kind == Object && b.Kind == Object {
		return slices.ContainsFunc(a.Members, func(m Member) bool {
			other := b.Get(m.Key)
			return other != nil && Equal(m.Value, other)
		})
	}
	return slices.ContainsFunc(a.asArray(), b.Has)
}

// MergePreserve is JSON_MERGE_PRESERVE: arrays are joined, members of one key merged,
// other values made arrays first. It changes a, and shares b's values.
func MergePreserve(a, b *Value) *Value {
	if a.Kind == Object && b.Kind == Object {
		for _, m := range b.Members {
			if have := a.Get(m.Key); have != nil {
				a.Set(m.Key, MergePreserve(have, m.Value))
			} else {
				a.Set(m.Key, m.Value)
			}
		}
		return a
	}
	return &Value{Kind: Array, Items: append(slices.Clip(a.asArray()), b.asArray()...)}
}

// MergePatch is JSON_MERGE_PATCH (RFC 7396): b's members take the places of a's, those
// that are null are taken away. It changes a, and shares b's values.
func MergePatch(a, b *Value) *Value {
	if b.Kind != Object {
		return b
	}
	if a.Kind != Object {
		a = &Value{Kind: Object}
	}
	for _, m := range b.Members {
		i, ok := a.member(m.Key)
		switch {
		case m.Value.Kind == Null && ok:
			a.Members = slices.Delete(a.Members, i, i+1)
		case m.Value.Kind == Null:
		case ok:
			a.Members[i].Value = MergePatch(a.Members[i].Value, m.Value)
		default:
			a.Set(m.Key, MergePatch(&Value{}, m.Value))
		}
	}
	return a
}

// CheckDepth returns sqlerr.JSONTooDeep of a document that is nested deeper than
// MySQL allows.
func (v *Value) CheckDepth() error {
	const most = 100
	if v.Depth() > most {
		return sqlerr.JSONTooDeep.New("The JSON document exceeds the maximum depth.")
	}
	return nil
}

// Assign returns v as a column has it: a string's text, a number, true and false as 1
// and 0 where no text is wanted, NULL for null. Errors: sqlerr.MultipleJSONValues of an
// array or object for a column of another type than JSON, and those of types.Assign.
func (v *Value) Assign(to *types.Target) (types.Value, error) {
	text, scalar := v.Scalar()
	switch {
	case to.Type.Kind == types.JSON:
		return types.NewBytes(v.Append(nil)), nil
	case v.Kind == Null:
		return types.Value{}, nil
	case !scalar:
		return types.Value{}, sqlerr.MultipleJSONValues.New("More than one value was found by 'json_value' on the specified path.")
	case v.Kind == Bool && !to.Type.IsString():
		n := int64(0)
		if text[0] == 't' {
			n = 1
		}
		return types.Assign(to, types.Int64Type, types.NewInt(n))
	}
	return types.Assign(to, types.TextType, types.NewBytes(text))
}
