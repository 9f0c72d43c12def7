package service

import (
	"context"
	"math/bits"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Estimates of tables' sizes start from a count of the first rows and follow
// what statements add and remove.
const (
	countedRows = 16 << 10 // are counted when a table is first used
	manyRows    = 1 << 20  // is the estimate when there are more
	fewRows     = 1000     // is the least told to the planner: tables grow
)

// Rows implements plan.Catalog.
func (c *Catalog) Rows(t *schema.Table) int64 { return max(c.Estimate(t), fewRows) }

// Estimate returns about how many rows a table has.
func (c *Catalog) Estimate(t *schema.Table) int64 {
	c.mu.RLock()
	n := c.rows[t.ID]
	c.mu.RUnlock()
	if n == nil {
		return 0
	}
	return max(n.Load(), 0)
}

// AddRows tells that a commit added so many rows to a table, or removed them.
// Once the table has outgrown the plans made for it, they are out of date.
func (c *Catalog) AddRows(table uint32, delta int64) {
	c.mu.RLock()
	n := c.rows[table]
	c.mu.RUnlock()
	if n == nil || delta == 0 {
		return
	}
	after := n.Add(delta)
	if magnitude(after-delta) != magnitude(after) {
		c.mu.Lock()
		c.version.Add(1)
		c.mu.Unlock()
	}
}

// magnitude is the number of times that n is 8 times fewRows.
func magnitude(n int64) int { return (bits.Len64(uint64(max(n/fewRows, 1))) - 1) / 3 }

// estimate sets a table's estimate; c.mu is held.
func (c *Catalog) estimate(table uint32, n int64) {
	c.rows[table] = &atomic.Int64{}
	c.rows[table].Store(n)
}

// firstEstimate counts a table's first rows.
func firstEstimate(ctx context.Context, tx *store.Tx, t *schema.Table) (int64, error) {
	if t.Kind != schema.Shared {
		return 0, nil
	}
	s := tx.Shared(t).Scan(store.ScanRequest{Limit: countedRows})
	defer s.Close()
	b := &types.Batch{}
	var n int64
	for n < countedRows {
		if err := s.Next(ctx, b); err != nil {
			return 0, err
		}
		if b.Len == 0 {
			return n, nil
		}
		n += int64(b.Len)
	}
	return manyRows, nil
}
