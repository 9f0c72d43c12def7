package store

import (
	"errors"
	"slices"

	"github.com/kalamgo/kalam/engine/types"
)

var (
	// errOrphan is the complaint about an index entry that leads nowhere.
	errOrphan = errors.New("index entry without row")
	// errRowKey is the complaint about a row under a key that isn't its own.
	errRowKey = errors.New("row under another key than its own")
)

// projection decodes a request's columns out of keys, values and rows.
type projection struct {
	key   elements   // columns from the key of a row or entry
	pk    elements   // columns from the value of a unique index's entry
	row   rowDecoder // columns from a row's value
	fetch bool       // the pairs are entries whose rows have to be fetched first
}

// newProjection plans how to read columns over key d.
func (l *layout) newProjection(d *keyDef, columns []int, values Values) projection {
	var p projection
	if d.ix != nil {
		p.fetch = slices.ContainsFunc(columns, func(c int) bool {
			return l.lossy(c) || d.whole(c) < 0
		})
	}
	if p.fetch {
		d = &l.primary
	}
	p.key = elements{parts: d.parts}
	if d.ix != nil && d.unique {
		p.key.parts = d.parts[:d.own]
		p.pk = elements{parts: l.primary.parts}
	}
	p.row = rowDecoder{l: l, values: values}
	p.row.want = make([]wanted, 0, len(columns))
	for out, c := range columns {
		if l.lossy(c) || !p.key.add(c, out) && !p.pk.add(c, out) {
			p.row.add(c, out)
		}
	}
	p.key.sort()
	p.pk.sort()
	return p
}

// lossy reports whether keys lack the values of a column, which may be a system
// column.
func (l *layout) lossy(c int) bool { return c < len(l.types) && l.types[c].LossyKey() }

// keysOnly reports whether values need not be read.
func (p *projection) keysOnly() bool { return !p.fetch && len(p.pk.wants) == 0 && len(p.row.want) == 0 }

// decode appends the columns of pairs to out.
func (p *projection) decode(keys, values [][]byte, out []*types.Vector) error {
	if err := p.key.decode(keys, out); err != nil {
		return err
	}
	if err := p.pk.decode(values, out); err != nil {
		return err
	}
	return p.row.decode(keys, values, out)
}

// elements reads columns out of encoded keys.
type elements struct {
	parts []part
	wants []element // by n
}

// element is an element of a key and the vector it goes to.
type element struct{ n, out int }

// add asks for column c to be put into vector out, if there is such an element.
func (e *elements) add(c, out int) bool {
	n := slices.IndexFunc(e.parts, func(p part) bool { return p.Column == c && p.Prefix == 0 })
	if n >= 0 {
		e.wants = append(e.wants, element{n, out})
	}
	return n >= 0
}

func (e *elements) sort() {
	slices.SortFunc(e.wants, func(a, b element) int { return a.n - b.n })
}

func (e *elements) decode(keys [][]byte, out []*types.Vector) error {
	if len(e.wants) == 0 {
		return nil
	}
	for _, rest := range keys {
		n := 0 // the element that rest begins with
		for i, w := range e.wants {
			var err error
			for ; n < w.n; n++ {
				if rest, err = e.parts[n].skip(rest); err != nil {
					return err
				}
			}
			next, err := e.parts[n].decode(rest, out[w.out])
			if err != nil {
				return err
			}
			if i+1 == len(e.wants) || e.wants[i+1].n > n {
				rest = next
				n++
			}
		}
	}
	return nil
}
