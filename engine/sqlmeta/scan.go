package sqlmeta

import (
	"context"
	"encoding/binary"

	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// Bound is the first parts of a key: strings, uint32s and uint64s, as the key has
// them. Of alternate keys those of users and namespaces are the name, those of tables
// namespace and name.
type Bound []any

func (b Bound) encode(dst []byte) []byte {
	for _, part := range b {
		switch p := part.(type) {
		case string:
			dst = appendString(dst, p)
		case uint32:
			dst = binary.BigEndian.AppendUint32(dst, p)
		case uint64:
			dst = binary.BigEndian.AppendUint64(dst, p)
		}
	}
	return dst
}

// Scan calls f with the records whose key is not before low and not after high, in
// the order of keys, until f fails. A bound stands for all keys that begin with it;
// an empty one is open.
func (t *Records[K, R]) Scan(ctx context.Context, rd kv.Reader, low, high Bound, f func(*R) error) error {
	return t.between(ctx, rd, primary, low, high, func(v []byte) error {
		r, err := t.decode(v)
		if err != nil {
			return err
		}
		return f(r)
	})
}

// ScanNames is Scan by the alternate key.
func (t *Records[K, R]) ScanNames(ctx context.Context, rd kv.Reader, low, high Bound, f func(*R) error) error {
	return t.between(ctx, rd, alternate, low, high, func(p []byte) error {
		r, err := t.at(ctx, rd, p)
		if err != nil {
			return err
		}
		return f(r)
	})
}

func (t *Records[K, R]) between(ctx context.Context, rd kv.Reader, space2 byte, low, high Bound, f func(value []byte) error) error {
	start := low.encode([]byte{space, t.id, space2})
	end, _ := keyenc.AppendSuccessor(nil, high.encode([]byte{space, t.id, space2}))
	return values(ctx, rd, kv.Range{Start: start, End: end}, f)
}
