package service

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/stats"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
	"github.com/kalamgo/kalam/engine/types"
)

// OnChange has f called, soon and once, when so much of a table has changed that
// its statistics are to be gathered anew; the next call comes after Analyze. It
// is called before the catalogue is used.
func (c *Catalog) OnChange(f func(*schema.Table)) { c.onChange = f }

// Statistics are out of date when more rows than this, and this part of all,
// have changed.
const (
	freshRows = 500
	freshPart = 5
)

// tell calls onChange when it is time to.
func (c *Catalog) tell(s *size) {
	if c.onChange == nil || s.table.Kind != schema.Shared || s.changed.Load() <= freshRows+max(s.rows.Load(), 0)/freshPart {
		return
	}
	if s.told.CompareAndSwap(false, true) {
		c.onChange(s.table)
	}
}

// Changed returns how many rows of a table have changed since its statistics were
// gathered, and whether that is half of those that it has.
func (c *Catalog) Changed(t *schema.Table) (rows int64, half bool) {
	s := c.size(t.ID)
	if s == nil {
		return 0, true
	}
	rows = s.changed.Load()
	return rows, rows > s.rows.Load()/2
}

// Analyze gathers and keeps a table's statistics; buckets are what is asked for
// of columns' histograms, by id, and kept for the times to come. pause is called
// now and then. Plans become out of date when force is set or the statistics are
// other ones than those before.
func (c *Catalog) Analyze(ctx context.Context, d store.Durability, t *schema.Table, buckets map[uint32]int, force bool, pause func()) error {
	size := c.size(t.ID)
	if size == nil || t.Kind != schema.Shared {
		return nil
	}
	size.told.Store(false)
	changed, before := size.changed.Load(), size.rows.Load()
	tx := c.txns.Begin(txn.Options{ReadOnly: true})
	defer tx.Rollback()
	if err := tx.Start(); err != nil {
		return err
	}
	wanted := size.stats.Load().Buckets()
	for id, n := range buckets {
		wanted[id] = n
	}
	s, err := gather(ctx, tx.Store(), t, before, wanted, pause)
	if err != nil {
		return err
	}
	tx.Rollback()
	if err := c.keep(ctx, d, size, s, force); err != nil {
		return err
	}
	// What was committed meanwhile is still to be counted.
	size.rows.Add(s.Rows - before)
	size.changed.Add(-changed)
	return nil
}

// DropHistogram forgets how a column's values are spread, until it is asked for.
func (c *Catalog) DropHistogram(ctx context.Context, d store.Durability, t *schema.Table, column uint32) error {
	size := c.size(t.ID)
	if size == nil {
		return nil
	}
	old := size.stats.Load()
	if old == nil {
		return nil
	}
	return c.keep(ctx, d, size, old.Without(column), true)
}

// keep stores a table's statistics, unless the table is gone, and plans with them.
func (c *Catalog) keep(ctx context.Context, d store.Durability, size *size, s *stats.Table, force bool) error {
	tx := c.txns.Begin(txn.Options{})
	defer tx.Rollback()
	// A table is not dropped meanwhile.
	if err := tx.LockTable(ctx, catalogLock, txn.Exclusive); err != nil {
		return err
	}
	if err := tx.Start(); err != nil {
		return err
	}
	if _, err := sqlmeta.Tables.Get(ctx, tx.Store(), size.table.ID); err != nil {
		if e := sqlerr.As(err); e != nil && e.Kind == sqlerr.NoSuchRecord {
			return nil
		}
		return err
	}
	if err := sqlmeta.PutStatistics(ctx, tx.Store(), size.table.ID, s); err != nil {
		return err
	}
	if err := tx.Commit(ctx, d); err != nil {
		return err
	}
	old := size.stats.Swap(s)
	if force || s.Changed(old) {
		c.outdate()
	}
	return nil
}

// sampleRows is how many rows the statistics of values are computed of.
const sampleRows = 20_000

// gather reads a table's keys, and whole rows picked at random. expected is
// about how many rows there are.
func gather(ctx context.Context, tx *store.Tx, t *schema.Table, expected int64, buckets map[uint32]int, pause func()) (*stats.Table, error) {
	s := &sample{table: t}
	for i := range t.Columns {
		if stats.Sampled(t.Columns[i].Type) {
			s.ordinals = append(s.ordinals, i)
			s.types = append(s.types, t.Columns[i].Type)
		}
	}
	s.rows = types.NewBatch(s.types)
	shared := tx.Shared(t)
	all := expected <= sampleRows
	if all {
		n, err := s.read(ctx, shared, nil, 2*sampleRows)
		if err != nil {
			return nil, err
		}
		if all = n <= 2*sampleRows; all {
			return stats.Build(t, s.ordinals, s.rows, n, buckets, time.Now().UTC()), nil
		}
		s.rows = types.NewBatch(s.types) // more than expected
	}
	keys, n, err := pickKeys(ctx, shared, t, pause)
	if err != nil {
		return nil, err
	}
	const group = 1000
	for part := range slices.Chunk(keys, group) {
		ranges := make([]store.KeyRange, len(part))
		for i, k := range part {
			ranges[i] = store.KeyRange{Low: k, High: k}
		}
		if _, err := s.read(ctx, shared, ranges, 0); err != nil {
			return nil, err
		}
		pause()
	}
	return stats.Build(t, s.ordinals, s.rows, n, buckets, time.Now().UTC()), nil
}

// sample is rows of a table, their long values cut.
type sample struct {
	table    *schema.Table
	ordinals []int
	types    []types.Type
	rows     *types.Batch
}

// read adds the rows of ranges and returns how many they are; with most above 0
// it stops soon after so many.
func (s *sample) read(ctx context.Context, from *store.SharedTableStore, ranges []store.KeyRange, most int64) (int64, error) {
	sc := from.Scan(store.ScanRequest{Ranges: ranges, Columns: s.ordinals})
	defer sc.Close()
	b := types.NewBatch(s.types)
	var n int64
	for most == 0 || n <= most {
		if err := sc.Next(ctx, b); err != nil {
			return n, err
		}
		if b.Len == 0 {
			break
		}
		n += int64(b.Len)
		for c, v := range b.Columns {
			for i := range b.Len {
				stats.Append(s.rows.Columns[c], v, i)
			}
		}
		s.rows.Len += b.Len
	}
	return n, nil
}

// pickKeys reads all primary keys, picks some at random, in order, and counts
// them.
func pickKeys(ctx context.Context, from *store.SharedTableStore, t *schema.Table, pause func()) ([][]types.Value, int64, error) {
	type picked struct {
		at  int64
		key []types.Value
	}
	var list []picked
	ts := make([]types.Type, len(t.PrimaryKey))
	for i, c := range t.PrimaryKey {
		ts[i] = t.Columns[c].Type
	}
	sc := from.Scan(store.ScanRequest{Columns: t.PrimaryKey})
	defer sc.Close()
	b := types.NewBatch(ts)
	var n int64
	for {
		if err := ctx.Err(); err != nil {
			return nil, 0, sqlerr.Interrupted.Wrap(err, "Query execution was interrupted")
		}
		if err := sc.Next(ctx, b); err != nil {
			return nil, 0, err
		}
		if b.Len == 0 {
			break
		}
		for i := range b.Len {
			n++
			to := len(list)
			if to == sampleRows {
				// Row n is among those picked with a chance of sampleRows in n.
				if k := rand.Int64N(n); k < sampleRows {
					to = int(k)
				} else {
					continue
				}
			} else {
				list = append(list, picked{})
			}
			key := make([]types.Value, len(ts))
			for c, v := range b.Columns {
				key[c] = v.Value(i).Clone()
			}
			list[to] = picked{n, key}
		}
		pause()
	}
	slices.SortFunc(list, func(a, b picked) int { return cmp.Compare(a.at, b.at) })
	keys := make([][]types.Value, len(list))
	for i := range list {
		keys[i] = list[i].key
	}
	return keys, n, nil
}
