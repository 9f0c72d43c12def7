package exec

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// concat is GROUP_CONCAT. Of each group it keeps, in order, no more values than
// can show in a result of limit bytes.
type concat struct {
	separator string
	limit     int
	args      int // vectors whose texts are concatenated; the order's keys follow
	order     []types.Type
	desc      []bool
	text      bool // results are cut between characters
	warn      func(error)

	groups []concatGroup
	size   int64
	buf    []byte
	rows   int // emitted in the statement, for warnings
}

// concatGroup is a group's values: sorted up to sorted, and then in the order
// that they came.
type concatGroup struct {
	values []concatValue
	sorted int
	size   int // bytes of the texts and separators after them
	cut    bool
	seen   bool
}

type concatValue struct {
	text []byte
	keys []types.Value
}

func newConcat(a *expr.Aggregate, env *expr.Env) *concat {
	c := &concat{separator: a.Separator, limit: expr.DefaultGroupConcatMaxLen, args: len(a.Args),
		text: !a.T.IsBinary(), warn: env.Warn}
	if n := env.GroupConcatMaxLen; n > 0 {
		c.limit = int(min(n, maxConcat))
	}
	for _, k := range a.Order {
		c.order = append(c.order, k.Expr.Type())
		c.desc = append(c.desc, k.Desc)
	}
	return c
}

// maxConcat is the longest result, max_allowed_packet.
const maxConcat = 64 << 20

const concatValueBytes = 48

func (c *concat) grow(n int)   { c.groups = extend(c.groups, n) }
func (c *concat) bytes() int64 { return int64(cap(c.groups))*64 + c.size }

func (c *concat) drop(n int) {
	for i := range c.groups[:n] {
		for _, v := range c.groups[i].values {
			c.size -= v.bytes()
		}
	}
	c.groups = dropped(c.groups, n)
}

func (v *concatValue) bytes() int64 {
	n := int64(cap(v.text) + len(v.keys)*40 + concatValueBytes)
	for _, k := range v.keys {
		n += int64(len(k.Bytes()))
	}
	return n
}

func (c *concat) add(groups []int32, args []*types.Vector, n int) {
	for i := range n {
		if anyNull(args[:c.args], i) {
			continue
		}
		g := &c.groups[group(groups, i)]
		g.seen = true
		if g.cut && len(c.order) == 0 {
			continue
		}
		c.buf = c.buf[:0]
		for _, v := range args[:c.args] {
			c.buf = types.AppendText(c.buf, v.Type, v.Value(i))
		}
		if len(c.buf)+len(c.separator) == 0 {
			continue
		}
		v := concatValue{text: slices.Clone(c.buf)}
		for _, k := range args[c.args:] {
			v.keys = append(v.keys, k.Value(i).Clone())
		}
		g.values = append(g.values, v)
		g.size += len(v.text) + len(c.separator)
		c.size += v.bytes()
		if g.size-len(c.separator) > 2*c.limit {
			c.trim(g)
		}
	}
}

// trim drops the values that are beyond the limit.
func (c *concat) trim(g *concatGroup) {
	c.sort(g)
	size := 0
	for i := range g.values {
		if size-len(c.separator) > c.limit {
			for _, v := range g.values[i:] {
				c.size -= v.bytes()
			}
			clear(g.values[i:])
			g.values, g.sorted, g.size, g.cut = g.values[:i], i, size, true
			return
		}
		size += len(g.values[i].text) + len(c.separator)
	}
}

// sort puts a group's values in order; equal ones stay as they came.
func (c *concat) sort(g *concatGroup) {
	if len(c.order) > 0 && g.sorted < len(g.values) {
		slices.SortStableFunc(g.values, c.compare)
	}
	g.sorted = len(g.values)
}

func (c *concat) compare(a, b concatValue) int {
	for i, t := range c.order {
		if d := types.Compare(t, a.keys[i], b.keys[i]); d != 0 {
			if c.desc[i] {
				return -d
			}
			return d
		}
	}
	return 0
}

func (c *concat) emit(dst *types.Vector, from, to int) {
	for i := from; i < to; i++ {
		g := &c.groups[i]
		c.rows++
		if !g.seen {
			dst.AppendNull()
			continue
		}
		c.sort(g)
		c.buf = c.buf[:0]
		for k, v := range g.values {
			if k > 0 {
				c.buf = append(c.buf, c.separator...)
			}
			if c.buf = append(c.buf, v.text...); len(c.buf) > c.limit {
				break
			}
		}
		if len(c.buf) > c.limit {
			dst.AppendBytes(c.prefix())
			if c.warn != nil {
				c.warn(sqlerr.CutByGroupConcat.New("Row %d was cut by %s", c.rows, "GROUP_CONCAT()"))
			}
			continue
		}
		dst.AppendBytes(c.buf)
	}
}

// prefix returns as much of a result as the limit allows.
func (c *concat) prefix() []byte {
	n := c.limit
	for c.text && n > 0 && n > c.limit-utf8.UTFMax && !utf8.RuneStart(c.buf[n]) {
		n--
	}
	return c.buf[:n]
}

// jsonArray is JSON_ARRAYAGG: each group's text so far, without the last bracket.
type jsonArray struct {
	texts [][]byte
	size  int64
}

func (a *jsonArray) grow(n int)   { a.texts = extend(a.texts, n) }
func (a *jsonArray) bytes() int64 { return int64(cap(a.texts))*24 + a.size }

func (a *jsonArray) drop(n int) {
	for _, t := range a.texts[:n] {
		a.size -= int64(cap(t))
	}
	a.texts = dropped(a.texts, n)
}

func (a *jsonArray) add(groups []int32, args []*types.Vector, n int) {
	for i := range n {
		t := &a.texts[group(groups, i)]
		before := cap(*t)
		if len(*t) == 0 {
			*t = append(*t, '[')
		} else {
			*t = append(*t, ", "...)
		}
		*t = types.AppendJSON(*t, args[0].Type, args[0].Value(i))
		a.size += int64(cap(*t) - before)
	}
}

func (a *jsonArray) emit(dst *types.Vector, from, to int) {
	for _, t := range a.texts[from:to] {
		if len(t) == 0 {
			dst.AppendNull()
			continue
		}
		dst.AppendBytes(append(t, ']'))
	}
}

// jsonObject is JSON_OBJECTAGG: of several values of a name the last one counts.
type jsonObject struct {
	objects []map[string][]byte
	size    int64
	err     error
}

func (o *jsonObject) grow(n int)   { o.objects = extend(o.objects, n) }
func (o *jsonObject) bytes() int64 { return int64(cap(o.objects))*8 + o.size }

const memberBytes = 64 // of a map's entry, about

func (o *jsonObject) drop(n int) {
	for _, m := range o.objects[:n] {
		for k, v := range m {
			o.size -= int64(len(k) + len(v) + memberBytes)
		}
	}
	o.objects = dropped(o.objects, n)
}

func (o *jsonObject) add(groups []int32, args []*types.Vector, n int) {
	for i := range n {
		if args[0].IsNull(i) {
			o.err = sqlerr.JSONNullKey.New("JSON documents may not contain NULL member names.")
			return
		}
		m := &o.objects[group(groups, i)]
		if *m == nil {
			*m = map[string][]byte{}
		}
		name := args[0].BytesAt(i)
		old, known := (*m)[string(name)]
		if !known {
			o.size += int64(len(name) + memberBytes)
		}
		value := types.AppendJSON(nil, args[1].Type, args[1].Value(i))
		o.size += int64(len(value) - len(old))
		(*m)[string(name)] = value
	}
}

// failure implements failing.
func (o *jsonObject) failure() error { return o.err }

func (o *jsonObject) emit(dst *types.Vector, from, to int) {
	var buf []byte
	for _, m := range o.objects[from:to] {
		if m == nil {
			dst.AppendNull()
			continue
		}
		names := make([]string, 0, len(m))
		for k := range m {
			names = append(names, k)
		}
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
		})
		buf = append(buf[:0], '{')
		for i, k := range names {
			if i > 0 {
				buf = append(buf, ", "...)
			}
			buf = append(types.AppendJSONString(buf, []byte(k)), ": "...)
			buf = append(buf, m[k]...)
		}
		dst.AppendBytes(append(buf, '}'))
	}
}
