package store

import (
	"context"
	"math"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store/kv"
	"github.com/kalamgo/kalam/engine/types"
)

// forever is later than all rows.
var forever = time.UnixMicro(math.MaxInt64)

// ForgetUser removes a user's rows of a table, those too that can be restored, and
// then the counters of what numbered them: about limit rows in a call, so that a
// transaction stays small. It returns how many it removed; none are left when
// there are none.
func (tx *Tx) ForgetUser(ctx context.Context, t *schema.Table, user string, limit int) (rows int64, err error) {
	r := tx.relation(t, user)
	sc := r.scan(ScanRequest{Columns: r.l.allColumns(), Limit: limit})
	defer sc.Close()
	b := types.NewBatch(r.l.types)
	for rows < int64(limit) {
		if err := sc.Next(ctx, b); err != nil {
			return 0, err
		}
		if b.Len == 0 {
			break
		}
		if err := r.remove(ctx, b, false); err != nil {
			return 0, err
		}
		rows += int64(b.Len)
	}
	if rows > 0 {
		return rows, nil
	}
	n, err := r.purge(ctx, forever, limit)
	if n > 0 || err != nil {
		return n, err
	}
	for _, c := range r.l.counted {
		p := sequencePrefix(t.ID, t.Columns[c].ID, r.user)
		key, err := firstKey(ctx, tx, kv.Meta, p, edge(p, true))
		if err != nil {
			return 0, err
		}
		if key != nil {
			tx.DeleteRange(kv.Meta, p, edge(p, true))
		}
	}
	return 0, kv.Cancelled(ctx)
}
