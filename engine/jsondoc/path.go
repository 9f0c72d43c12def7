package jsondoc

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// Path is a JSON path: $ and the legs that lead from there. It is immutable.
type Path struct{ legs []leg }

type legKind uint8

const (
	memberLeg  legKind = iota // .name
	membersLeg                // .*
	cellLeg                   // [n], [last-n]
	rangeLeg                  // [m to n]
	cellsLeg                  // [*]
	anyLeg                    // **
)

type leg struct {
	kind     legKind
	name     string
	from, to index
}

// index is a place in an array, counted from its last item if last is set.
type index struct {
	n    int
	last bool
}

// in returns the place in an array of length items; it may be outside.
func (x index) in(length int) int {
	if x.last {
		return length - 1 - x.n
	}
	return x.n
}

// ParsePath reads a path. Errors are sqlerr.InvalidJSONPath.
func ParsePath(text []byte) (*Path, error) {
	p := pathReader{text: text}
	legs, ok := p.path()
	if !ok {
		return nil, sqlerr.InvalidJSONPath.New("Invalid JSON path expression. The error is around character position %d.",
			max(1, utf8.RuneCount(text[:min(p.at, len(text))])))
	}
	return &Path{legs}, nil
}

type pathReader struct {
	text []byte
	at   int
}

func (p *pathReader) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\n\r", p.text[p.at]) >= 0 {
		p.at++
	}
}

// accept passes white space and s, if that is next.
func (p *pathReader) accept(s string) bool {
	p.space()
	if bytes.HasPrefix(p.text[p.at:], []byte(s)) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *pathReader) path() (legs []leg, ok bool) {
	if !p.accept("$") {
		return nil, false
	}
	for p.space(); p.at < len(p.text); p.space() {
		l, ok := p.leg()
		if !ok {
			return nil, false
		}
		legs = append(legs, l)
	}
	return legs, len(legs) == 0 || legs[len(legs)-1].kind != anyLeg
}

func (p *pathReader) leg() (l leg, ok bool) {
	switch {
	case p.accept("**"):
		return leg{kind: anyLeg}, !bytes.HasPrefix(p.text[p.at:], []byte("*"))
	case p.accept("."):
		if p.accept("*") {
			return leg{kind: membersLeg}, true
		}
		l.name, ok = p.name()
		return l, ok
	case p.accept("["):
		if p.accept("*") {
			return leg{kind: cellsLeg}, p.accept("]")
		}
		l.kind = cellLeg
		if l.from, ok = p.index(); !ok {
			return l, false
		}
		if p.accept("to ") {
			l.kind = rangeLeg
			if l.to, ok = p.index(); !ok || l.from.last == l.to.last && (l.from.n > l.to.n) != l.from.last && l.from.n != l.to.n {
				return l, false
			}
		}
		return l, p.accept("]")
	}
	return l, false
}

func (p *pathReader) index() (x index, ok bool) {
	if p.accept("last") {
		if x.last = true; !p.accept("-") {
			return x, true
		}
	}
	p.space()
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	n, err := strconv.ParseUint(string(p.text[start:p.at]), 10, 32)
	x.n = int(n)
	return x, err == nil
}

// name reads a member's name: a JSON string or an identifier.
func (p *pathReader) name() (string, bool) {
	p.space()
	rest := p.text[p.at:]
	if len(rest) > 0 && rest[0] == '"' {
		r := reader{rest}
		quoted := r.quoted()
		p.at += len(quoted)
		if _, err := types.NormalizeJSON(nil, quoted); err != nil {
			return "", false
		}
		return string(types.UnquoteJSON(quoted)), true
	}
	n := 0
	for n < len(rest) {
		r, size := utf8.DecodeRune(rest[n:])
		if !identifierRune(r, n == 0) || r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	p.at += n
	return string(rest[:n]), n > 0
}

// identifierRune reports whether r can stand in an identifier of ECMAScript.
func identifierRune(r rune, first bool) bool {
	if r == '$' || r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) {
		return true
	}
	return !first && (unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc) || r == 0x200c || r == 0x200d)
}

// Many reports whether the path may lead to more than one value.
func (p *Path) Many() bool {
	return slices.ContainsFunc(p.legs, func(l leg) bool { return l.kind != memberLeg && l.kind != cellLeg })
}

// Select calls visit for the values that the path leads to in doc, each once, until it
// returns false. at is where a value stands, as a path, valid during the call; it is
// made if where is set.
func (p *Path) Select(doc *Value, where bool, visit func(v *Value, at []byte) bool) {
	w := walker{where: where, visit: visit}
	if p.Many() {
		w.seen = map[*Value]bool{}
	}
	w.walk(p.legs, doc, []byte{'$'})
}

// First returns the first value that the path leads to, nil if there is none.
func (p *Path) First(doc *Value) (found *Value) {
	p.Select(doc, false, func(v *Value, _ []byte) bool {
		found = v
		return false
	})
	return found
}

type walker struct {
	where bool
	seen  map[*Value]bool
	visit func(v *Value, at []byte) bool
}

// walk reports whether to go on.
func (w *walker) walk(legs []leg, v *Value, at []byte) bool {
	if len(legs) == 0 {
		if w.seen[v] {
			return true
		}
		if w.seen != nil {
			w.seen[v] = true
		}
		return w.visit(v, at)
	}
	l, rest := legs[0], legs[1:]
	switch l.kind {
	case memberLeg:
		if m := v.Get(l.name); m != nil {
			return w.walk(rest, m, w.member(at, l.name))
		}
	case membersLeg:
		for _, m := range v.Members {
			if !w.walk(rest, m.Value, w.member(at, m.Key)) {
				return false
			}
		}
	case cellLeg, rangeLeg, cellsLeg:
		n := len(v.Items)
		if v.Kind != Array {
			// A value is an array of itself here, but for [*].
			if from, to := l.cells(1); l.kind != cellsLeg && from == 0 && to >= 0 {
				return w.walk(rest, v, at)
			}
			return true
		}
		from, to := l.cells(n)
		for i := max(from, 0); i <= min(to, n-1); i++ {
			if !w.walk(rest, v.Items[i], w.cell(at, i)) {
				return false
			}
		}
	case anyLeg:
		if !w.walk(rest, v, at) {
			return false
		}
		for i, item := range v.Items {
			if !w.walk(legs, item, w.cell(at, i)) {
				return false
			}
		}
		for _, m := range v.Members {
			if !w.walk(legs, m.Value, w.member(at, m.Key)) {
				return false
			}
		}
	}
	return true
}

// cells returns the first and last place that a leg names in an array of n items.
func (l leg) cells(n int) (from, to int) {
	switch l.kind {
	case cellsLeg:
		return 0, n - 1
	case rangeLeg:
		return l.from.in(n), l.to.in(n)
	}
	return l.from.in(n), l.from.in(n)
}

func (w *walker) member(at []byte, key string) []byte {
	if !w.where {
		return nil
	}
	return appendMember(slices.Clip(at), key)
}

func appendMember(at []byte, key string) []byte {
	at = append(at, '.')
	first := true
	for _, r := range key {
		if !identifierRune(r, first) {
			return types.AppendJSONString(at, []byte(key))
		}
		first = false
	}
	if first {
		return append(at, `""`...)
	}
	return append(at, key...)
}

func (w *walker) cell(at []byte, i int) []byte {
	if !w.where {
		return nil
	}
	return append(strconv.AppendInt(append(slices.Clip(at), '['), int64(i), 10), ']')
}

// one returns the error of a path that may lead to more than one value where it must not.
func (p *Path) one() error {
	if p.Many() {
		return sqlerr.JSONPathWildcard.New("In this situation, path expressions may not contain the * and ** tokens or an array range.")
	}
	return nil
}

// Change is what a path's value is changed by.
type Change uint8

// The changes.
const (
	Set         Change = iota // JSON_SET: replaced or added
	Insert                    // JSON_INSERT: added
	Replace                   // JSON_REPLACE: replaced
	Remove                    // JSON_REMOVE
	ArrayAppend               // JSON_ARRAY_APPEND: put at the end of the array there
	ArrayInsert               // JSON_ARRAY_INSERT: put into the array, before what is there
)

// Apply changes doc where the path leads, by value, which belongs to doc then. Errors:
// sqlerr.JSONPathWildcard, JSONPathRoot, JSONPathNotCell.
func (p *Path) Apply(how Change, doc, value *Value) error {
	if err := p.one(); err != nil {
		return err
	}
	n := len(p.legs)
	switch {
	case n == 0 && how == Remove:
		return sqlerr.JSONPathRoot.New("The path expression '$' is not allowed in this context.")
	case how == ArrayInsert && (n == 0 || p.legs[n-1].kind != cellLeg):
		return sqlerr.JSONPathNotCell.New("A path expression is not a path to a cell in an array.")
	}
	hit, parent, at := p.find(doc, p.legs)
	switch how {
	case Set, Replace:
		if hit != nil {
			*hit = *value
			return nil
		}
	case Remove:
		switch {
		case hit == nil || parent == nil:
		case parent.Kind == Array:
			parent.Items = slices.Delete(parent.Items, at, at+1)
		default:
			parent.Members = slices.Delete(parent.Members, at, at+1)
		}
		return nil
	case ArrayAppend:
		if hit != nil {
			hit.wrap()
			hit.Items = append(hit.Items, value)
		}
		return nil
	}
	if how == Replace || how == Insert && hit != nil {
		return nil
	}
	// What is not there is added to what should hold it.
	l := p.legs[n-1]
	holder, _, _ := p.find(doc, p.legs[:n-1])
	switch {
	case holder == nil:
	case l.kind == memberLeg:
		if holder.Kind == Object {
			holder.Set(l.name, value)
		}
	case holder.Kind == Array:
		holder.insert(l.from, value)
	case how != ArrayInsert:
		holder.wrap()
		holder.insert(l.from, value)
	}
	return nil
}

// wrap makes v an array of itself, if it is none.
func (v *Value) wrap() {
	if v.Kind != Array {
		was := *v
		*v = Value{Kind: Array, Items: []*Value{&was}}
	}
}

// insert puts a value into an array, at its nearer end where the place is outside.
func (v *Value) insert(at index, value *Value) {
	i := min(max(at.in(len(v.Items)), 0), len(v.Items))
	v.Items = slices.Insert(v.Items, i, value)
}

// find returns the value that legs lead to, and what holds it, at which place; the
// document itself has no holder.
func (p *Path) find(v *Value, legs []leg) (hit, parent *Value, at int) {
	for _, l := range legs {
		switch {
		case l.kind == memberLeg:
			i, ok := v.member(l.name)
			if !ok {
				return nil, nil, 0
			}
			v, parent, at = v.Members[i].Value, v, i
		case v.Kind == Array:
			i := l.from.in(len(v.Items))
			if i < 0 || i >= len(v.Items) {
				return nil, nil, 0
			}
			v, parent, at = v.Items[i], v, i
		case l.from.in(1) != 0:
			return nil, nil, 0
		}
	}
	return v, parent, at
}

// Search calls visit with the path of each string in doc that match finds, until visit
// returns false.
func Search(doc *Value, at []byte, match func([]byte) bool, visit func(at []byte) bool) bool {
	w := walker{where: true}
	if doc.Kind == String {
		return !match(doc.Text) || visit(at)
	}
	for i, item := range doc.Items {
		if !Search(item, w.cell(at, i), match, visit) {
			return false
		}
	}
	for _, m := range doc.Members {
		if !Search(m.Value, w.member(at, m.Key), match, visit) {
			return false
		}
	}
	return true
}
