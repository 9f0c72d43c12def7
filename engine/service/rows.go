package service

import (
	"context"
	"math/bits"
	"sync/atomic"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/stats"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// Estimates of tables' sizes start from their statistics, or from a count of
// the first rows, and follow what statements add and remove.
const (
	countedRows = 16 << 10 // are counted when a table is first used
	manyRows    = 1 << 20  // is the estimate when there are more
	fewRows     = 1000     // is the least told to the planner without statistics: tables grow
)

// size is what is known of a table's contents.
type size struct {
	table   *schema.Table
	rows    atomic.Int64 // an estimate
	changed atomic.Int64 // rows added, removed and changed since stats
	told    atomic.Bool  // that much has changed
	stats   atomic.Pointer[stats.Table]
}

func newSize(ctx context.Context, tx *store.Tx, t *schema.Table) (*size, error) {
	s := &size{table: t}
	st, err := sqlmeta.Statistics(ctx, tx, t.ID)
	if err != nil {
		return nil, err
	}
	s.stats.Store(st)
	n, err := countFirst(ctx, tx, t)
	if n > countedRows && st != nil {
		n = max(st.Rows, countedRows)
	} else if n > countedRows {
		n = manyRows
		s.changed.Store(n) // statistics are wanted
	}
	s.rows.Store(n)
	return s, err
}

func (c *Catalog) size(table uint32) *size {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sizes[table]
}

// Rows implements plan.Catalog. Of tables of which each user has his own nothing
// is told: a plan is for all users, and shows what it was made for.
func (c *Catalog) Rows(t *schema.Table) int64 {
	if t.Kind == schema.User || t.Kind == schema.Stream {
		return fewRows
	}
	if s := c.size(t.ID); s != nil && s.stats.Load() != nil {
		return max(s.rows.Load(), 1)
	}
	return max(c.Estimate(t), fewRows)
}

// Packed implements plan.Catalog. Nothing is told of tables of which each user has his own,
// and of small ones.
func (c *Catalog) Packed(t *schema.Table) float64 {
	if t.Kind != schema.Shared {
		return 0
	}
	n := c.db.PackedRows(t.StorageID())
	if n < store.SegmentRows/2 {
		return 0
	}
	return min(1, float64(n)/float64(max(c.Estimate(t), 1)))
}

// Statistics implements plan.Catalog.
func (c *Catalog) Statistics(t *schema.Table) *stats.Table {
	if s := c.size(t.ID); s != nil {
		return s.stats.Load()
	}
	return nil
}

// Estimate returns about how many rows a table has.
func (c *Catalog) Estimate(t *schema.Table) int64 {
	if s := c.size(t.ID); s != nil {
		return max(s.rows.Load(), 0)
	}
	return 0
}

// AddRows tells that a commit added so many rows to a table, or removed them,
// and how many it changed in all. Once the table has outgrown the plans made for
// it, they are out of date.
func (c *Catalog) AddRows(table uint32, delta, changed int64) {
	s := c.size(table)
	if s == nil || s.table.Kind != schema.Shared {
		return
	}
	after := s.rows.Add(delta)
	if !s.table.Temporary && magnitude(after-delta) != magnitude(after) {
		c.outdate()
	}
	s.changed.Add(changed)
	c.tell(s)
}

// outdate makes all plans out of date.
func (c *Catalog) outdate() {
	c.mu.Lock()
	c.version.Add(1)
	c.mu.Unlock()
}

// magnitude is the number of times that n is 8 times fewRows.
func magnitude(n int64) int { return (bits.Len64(uint64(max(n/fewRows, 1))) - 1) / 3 }

// countFirst counts a table's rows, to some more than countedRows.
func countFirst(ctx context.Context, tx *store.Tx, t *schema.Table) (int64, error) {
	if t.Kind != schema.Shared {
		return 0, nil
	}
	s := tx.Shared(t).Scan(store.ScanRequest{Limit: countedRows + 1})
	defer s.Close()
	b := &types.Batch{}
	var n int64
	for n <= countedRows {
		if err := s.Next(ctx, b); err != nil {
			return 0, err
		}
		if b.Len == 0 {
			break
		}
		n += int64(b.Len)
	}
	return n, nil
}
