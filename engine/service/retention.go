package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// What is out of time is removed by jobs, a table at a time: deleted rows that can
// be restored no more, and events of streams that nobody sees any more. So are the
// events of ephemeral streams when nobody has a live query of them.
const (
	purgeJob = "purge_deleted"
	evictJob = "evict_events"
	endJob   = "end_events"
)

const (
	lookEvery  = time.Minute // for tables with something to remove
	purgeEvery = time.Hour   // of one table
	evictLeast = time.Minute // between evictions of one table, see evictEvery
	evictMost  = time.Hour
)

// removedRows and removedUsers bound what one transaction removes.
const (
	removedRows  = 10_000
	removedUsers = 1_000
)

// retention knows when tables were seen to.
type retention struct {
	mu   sync.Mutex
	last map[uint32]time.Time
}

// due reports whether it is time for a table, and notes that it was seen to.
func (r *retention) due(table uint32, every time.Duration, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.last[table]
	if known && now.Sub(last) < every {
		return false
	}
	if r.last == nil {
		r.last = map[uint32]time.Time{}
	}
	r.last[table] = now
	return true
}

// evictEvery is how often a stream's events are removed that are gone already.
func evictEvery(t *schema.Table) time.Duration {
	return min(max(t.Options.TTL(), evictLeast), evictMost)
}

func (c *Catalog) startRetention(s *jobs.Scheduler) {
	s.Register(jobs.Kind{Name: purgeJob, Run: c.onTable(c.PurgeDeleted)})
	s.Register(jobs.Kind{Name: evictJob, Run: c.onTable(c.EvictEvents)})
	s.Register(jobs.Kind{Name: endJob, Run: c.endEvents})
	s.Every(lookEvery, func(ctx context.Context) []sqlmeta.Job { return c.DueJobs(ctx, time.Now()) })
}

// onTable returns a job of one table; one that is not there any more needs none.
func (c *Catalog) onTable(f func(context.Context, *schema.Table, time.Time) (string, error)) func(context.Context, *jobs.Run) error {
	return func(ctx context.Context, r *jobs.Run) error {
		t, err := c.Table(ctx, r.Job.Namespace, r.Job.Table)
		if errors.Is(err, sqlerr.NoSuchTable) || errors.Is(err, sqlerr.BadDatabase) {
			return nil
		}
		if err == nil {
			r.Result, err = f(ctx, t, time.Now())
		}
		return err
	}
}

// DueJobs returns jobs for the tables that may have something to remove.
func (c *Catalog) DueJobs(ctx context.Context, now time.Time) []sqlmeta.Job {
	var list []sqlmeta.Job
	_ = c.eachStored(ctx, func(tx *store.Tx, t *schema.Table) error {
		kind, every := purgeJob, purgeEvery
		if t.Kind == schema.Stream {
			if t.Options.TTLSeconds == 0 {
				return nil
			}
			kind, every = evictJob, evictEvery(t)
		}
		some, err := tx.AllUsers(t).Has(ctx, t.Kind != schema.Stream)
		if err == nil && some && c.retention.due(t.ID, every, now) {
			list = append(list, sqlmeta.Job{Kind: kind, Namespace: t.Namespace, Table: t.Name})
		}
		return err
	})
	return list // others come the next time
}

// eachStored calls f with every table that has rows of its own.
func (c *Catalog) eachStored(ctx context.Context, f func(*store.Tx, *schema.Table) error) error {
	return c.read(func(tx *store.Tx) error {
		return sqlmeta.Tables.ScanAll(ctx, tx, func(r *sqlmeta.Table) error {
			if r.Kind == schema.Viewed {
				return nil
			}
			t, err := sqlmeta.CurrentSchema(ctx, tx, r)
			if err != nil {
				return err
			}
			return f(tx, t)
		})
	})
}

// PurgeDeleted removes for good a table's rows whose time to be restored is over.
func (c *Catalog) PurgeDeleted(ctx context.Context, t *schema.Table, now time.Time) (string, error) {
	if t.Kind == schema.Stream {
		return "", nil
	}
	before := now.Add(-t.Options.Retention())
	n, err := c.removal(ctx, t, "%d rows removed from %s", true, func(tx *store.Tx, t *schema.Table) (int64, error) {
		return tx.AllUsers(t).PurgeDeleted(ctx, before, removedRows)
	})
	return fmt.Sprintf("%d rows removed", n), err
}

// EvictEvents removes a stream's events whose time is over.
func (c *Catalog) EvictEvents(ctx context.Context, t *schema.Table, now time.Time) (string, error) {
	if t.Kind != schema.Stream || t.Options.TTLSeconds == 0 {
		return "", nil
	}
	n, err := c.evict(ctx, t, now.Add(-t.Options.TTL()))
	return fmt.Sprintf("events of %d users removed", n), err
}

// LeftEvents returns jobs for the ephemeral streams in which events are left from before
// the database was opened.
func (c *Catalog) LeftEvents(ctx context.Context, now time.Time) (list []sqlmeta.Job) {
	_ = c.eachStored(ctx, func(tx *store.Tx, t *schema.Table) error {
		if !t.Options.Ephemeral {
			return nil
		}
		some, err := tx.AllUsers(t).Has(ctx, false)
		if some {
			list = append(list, EndEvents(t, nil, now))
		}
		return err
	})
	return list // others go the next time
}

// EndEvents returns the job that removes the events of before a time that a user, nil: any, has
// in an ephemeral stream.
func EndEvents(t *schema.Table, user *string, before time.Time) sqlmeta.Job {
	p := map[string]string{"before": before.UTC().Format(time.RFC3339Nano)}
	if user != nil {
		p["user"] = *user
	}
	return sqlmeta.Job{Kind: endJob, Namespace: t.Namespace, Table: t.Name, Parameters: p}
}

// endEvents runs it.
func (c *Catalog) endEvents(ctx context.Context, r *jobs.Run) error {
	before, err := time.Parse(time.RFC3339Nano, r.Job.Parameters["before"])
	if err != nil {
		return sqlerr.Corrupt.New("system.jobs has a damaged record of job %d", r.Job.ID).On("system.jobs")
	}
	return c.onTable(func(ctx context.Context, t *schema.Table, _ time.Time) (string, error) {
		if !t.Options.Ephemeral {
			return "", nil
		}
		user, one := r.Job.Parameters["user"]
		if !one {
			n, err := c.evict(ctx, t, before)
			return fmt.Sprintf("events of %d users removed", n), err
		}
		_, err := c.removal(ctx, t, "", true, func(tx *store.Tx, t *schema.Table) (int64, error) {
			return 0, tx.Stream(t, user).EvictBefore(ctx, before)
		})
		return "events removed", err
	})(ctx, r)
}

// evict removes a stream's events of before a time, and returns of how many users.
func (c *Catalog) evict(ctx context.Context, t *schema.Table, before time.Time) (int64, error) {
	var after *string
	return c.removal(ctx, t, "events of %d users removed from %s", true, func(tx *store.Tx, t *schema.Table) (n int64, err error) {
		after, n, err = tx.AllUsers(t).EvictBefore(ctx, before, after, removedUsers)
		if after == nil {
			return -n, err // the last ones
		}
		return n, err
	})
}

// RemoveUser removes what is kept of a user in all user and stream tables, for
// good. In each transaction it calls removes with how many rows it removes. Once it has returned nothing is left
// of what the user had, and what transactions had written that were open, when it began.
func (c *Catalog) RemoveUser(ctx context.Context, user string, removes func(tx *store.Tx, rows int64) error) error {
	var list []*schema.Table
	err := c.eachStored(ctx, func(_ *store.Tx, t *schema.Table) error {
		if t.Kind != schema.Shared {
			list = append(list, t)
		}
		return nil
	})
	for _, t := range list {
		if err != nil {
			break
		}
		// Those who are writing the user's rows have to end before.
		alone := func(tx *txn.Tx) error { return tx.LockUser(ctx, t.StorageID(), store.EncodedUser(user)) }
		_, err = c.removalUnder(ctx, t, alone, "%d rows removed from %s", false, func(tx *store.Tx, t *schema.Table) (int64, error) {
			n, err := tx.ForgetUser(ctx, t, user, removedRows)
			if n > 0 && err == nil {
				err = removes(tx, n)
			}
			return n, err
		})
	}
	return err
}

// removal calls f in one transaction after another until it removes nothing more
// or tells by a negative number that this was the last. It returns the sum. silent
// tells that nobody sees any more what is removed, step how a job notes it.
func (c *Catalog) removal(ctx context.Context, t *schema.Table, step string, silent bool, f func(*store.Tx, *schema.Table) (int64, error)) (sum int64, err error) {
	return c.removalUnder(ctx, t, func(*txn.Tx) error { return nil }, step, silent, f)
}

// removalUnder is removal whose transactions take further locks first.
func (c *Catalog) removalUnder(ctx context.Context, t *schema.Table, lock func(*txn.Tx) error, step string, silent bool, f func(*store.Tx, *schema.Table) (int64, error)) (sum int64, err error) {
	for {
		n, err := c.removeOnce(ctx, t, lock, silent, f)
		switch {
		case errors.Is(err, sqlerr.WriteConflict), errors.Is(err, sqlerr.LockDeadlock):
			continue // a newer snapshot shows what others did
		case err != nil:
			return sum, err
		}
		if n != 0 {
			jobs.Trace(ctx, step, max(n, -n), t.QualifiedName())
		}
		if sum += max(n, -n); n <= 0 {
			return sum, nil
		}
	}
}

func (c *Catalog) removeOnce(ctx context.Context, t *schema.Table, lock func(*txn.Tx) error, silent bool, f func(*store.Tx, *schema.Table) (int64, error)) (int64, error) {
	tx := c.txns.Begin(txn.Options{Silent: silent})
	defer tx.Rollback()
	if err := tx.LockTable(ctx, t.ID, txn.Shared); err != nil {
		return 0, err
	}
	if err := lock(tx); err != nil {
		return 0, err
	}
	if err := tx.Start(); err != nil {
		return 0, err
	}
	// The lock keeps the definition from now on what it is.
	r, err := sqlmeta.Tables.Get(ctx, tx.Store(), t.ID)
	if errors.Is(err, sqlerr.NoSuchRecord) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if t, err = sqlmeta.CurrentSchema(ctx, tx.Store(), r); err != nil {
		return 0, err
	}
	n, err := f(tx.Store(), t)
	if err != nil {
		return 0, err
	}
	return n, tx.Commit(ctx, store.NoSync)
}
