package store

import (
	"context"

	"github.com/kalamgo/kalam/engine/store/kv"
)

// leastScattered is the part of rows' bytes, one of so many, that is worth to be
// brought to where the others are: for that, all of them may be written anew.
const leastScattered = 16

// Reclaim gives back the space that rows took before they were packed, if it is much:
// otherwise that waits until the storage comes to it by itself.
func (db *DB) Reclaim(ctx context.Context, done *Packed) error {
	c, ok := db.kv.(kv.Compacter)
	if !ok || done.start == nil || done.Rows < int64(db.segments.rows) {
		return nil
	}
	return c.Compact(ctx, kv.Data, done.start, done.end)
}

// Scattered reports whether reads of rows have to look in more than one place, and that
// is worth an end.
func (db *DB) Scattered() bool {
	c, ok := db.kv.(kv.Compacter)
	if !ok || db.readOnly {
		return false
	}
	bytes, total := c.Scattered(kv.Data)
	return bytes > total/leastScattered
}

// Compact brings each row to one place, and returns how many bytes there are.
func (db *DB) Compact(ctx context.Context) (bytes int64, err error) {
	c, ok := db.kv.(kv.Compacter)
	if !ok {
		return 0, nil
	}
	if err := c.Compact(ctx, kv.Data, nil, nil); err != nil {
		return 0, err
	}
	_, bytes = c.Scattered(kv.Data)
	return bytes, nil
}

// Written returns how often was written since the database was opened.
func (db *DB) Written() uint64 { return db.written.Load() }
