package expr

import (
	"bytes"
	"slices"

	"vitess.io/vitess/go/mysql/collations/colldata"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

func (e *Like) compile(ev *Evaluator) (kernel, error) {
	t := types.TextType
	t.Collation = e.Collation
	l, r := ev.known(e.Expr), ev.known(e.Pattern)
	if l.Type().Kind == types.Null || r.Type().Kind == types.Null {
		return &nullKernel{t: types.BoolType}, nil
	}
	coll := colldata.Lookup(e.Collation)
	if coll == nil {
		return nil, sqlerr.Unsupported("LIKE under collation %d", e.Collation)
	}
	return compileBinary(ev, CastTo(l, t), CastTo(r, t), func(l, r *operand) kernel {
		return &likeKernel{ev: ev, l: l, r: r, coll: coll, escape: e.Escape, bytewise: isBytewise(t)}
	})
}

type likeKernel struct {
	scratch
	ev       *Evaluator
	l, r     *operand
	coll     colldata.Collation
	escape   rune
	bytewise bool
	pattern  []byte
	match    func([]byte) bool
}

func (k *likeKernel) eval(in *types.Batch) (*types.Vector, error) {
	l, r, err := both(in, k.l, k.r)
	if err != nil {
		return nil, err
	}
	dst := k.ints(types.BoolType, in.Len)
	for i := range dst {
		p := r.BytesAt(k.r.at(i))
		if k.match == nil || !bytes.Equal(p, k.pattern) {
			k.pattern = append(k.pattern[:0], p...)
			k.match = k.matcher(k.pattern)
		}
		text := l.BytesAt(k.l.at(i))
		dst[i] = bit(k.match(text))
		if err := k.ev.step(4 * len(text)); err != nil {
			return nil, err
		}
	}
	return k.finishCompare(EQ, in.Len, l, r, k.l, k.r), nil
}

// matcher returns the test for a pattern. Under bytes order one of texts with % between
// them begins with the first, ends with the last, and has the others in turn.
func (k *likeKernel) matcher(p []byte) func([]byte) bool {
	if !k.bytewise || bytes.IndexByte(p, '_') >= 0 || bytes.ContainsRune(p, k.escape) {
		return k.coll.Wildcard(p, '_', '%', k.escape).Match
	}
	parts := bytes.Split(p, []byte("%"))
	if len(parts) == 1 {
		return func(b []byte) bool { return bytes.Equal(b, p) }
	}
	first, last := parts[0], parts[len(parts)-1]
	inner := slices.DeleteFunc(parts[1:len(parts)-1], func(p []byte) bool { return len(p) == 0 })
	return func(b []byte) bool {
		if len(b) < len(first)+len(last) || !bytes.HasPrefix(b, first) || !bytes.HasSuffix(b, last) {
			return false
		}
		b = b[len(first) : len(b)-len(last)]
		for _, part := range inner {
			at := bytes.Index(b, part)
			if at < 0 {
				return false
			}
			b = b[at+len(part):]
		}
		return true
	}
}
