package store

import (
	"context"
	"errors"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Lock implements Table.
func (r *relation) Lock(ctx context.Context, req LockRequest, got []int32) ([]int32, error) {
	d, err := r.l.key(req.Index)
	if err != nil {
		return got, err
	}
	if !d.unique || len(req.Keys.Columns) != d.own {
		return got, sqlerr.Internal.New("lock of keys that do not identify rows of table %s", r.l.t.QualifiedName())
	}
	prefix := r.prefix(d)
	var key []byte
next:
	for i := range req.Keys.Len {
		key = append(key[:0], prefix...)
		for k, c := range req.Keys.Columns {
			if c.IsNull(i) {
				got = append(got, int32(i))
				continue next
			}
			if key, err = d.parts[k].append(key, c, i); err != nil {
				return got, err
			}
		}
		err := r.lock(ctx, key, req.Mode, req.Wait == WaitLocked)
		if req.Wait == SkipLocked && errors.Is(err, sqlerr.LockNoWait) {
			continue
		}
		if err != nil {
			return got, err
		}
		got = append(got, int32(i))
	}
	return got, nil
}
