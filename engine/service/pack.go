package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// Rows are packed by a job, a table at a time, when some thousands of a table's rows
// were written. It takes half of a core at most; rows that were written just now, which
// may well change again, wait.
const packJob = "pack"

// defaultPack is what the job packs.
var defaultPack = store.PackOptions{MinRows: store.SegmentRows / 2, MaxShadow: 25, Age: 5 * time.Second}

func (c *Catalog) startPacking(s *jobs.Scheduler) {
	c.Pack = defaultPack
	s.Register(jobs.Kind{Name: packJob, Attempts: 10, Run: func(ctx context.Context, r *jobs.Run) error {
		done, err := c.packSlowly(ctx, r.Job.Namespace, r.Job.Table)
		r.Result = fmt.Sprintf("%d segments made of %d rows, in the place of %d older ones", done.Segments, done.Rows, done.Replaced)
		switch {
		case errors.Is(err, sqlerr.LockWaitTimeout): // the table is being altered
			s.Submit(packOf(r.Job.Namespace, r.Job.Table), c.Pack.Age)
			return nil
		case err == nil && done.Young >= int64(c.Pack.MinRows):
			s.Submit(packOf(r.Job.Namespace, r.Job.Table), c.Pack.Age)
		}
		return err
	}})
	c.db.OnWritten(func(storage uint32) {
		time.AfterFunc(c.Pack.Age, func() {
			if t := c.stored(storage); t != nil {
				s.Submit(packOf(t.Namespace, t.Name), 0)
			}
		})
	})
	// What was written before the database was opened.
	var once sync.Once
	s.Every(lookEvery, func(ctx context.Context) (due []sqlmeta.Job) {
		once.Do(func() {
			_ = c.eachStored(ctx, func(tx *store.Tx, t *schema.Table) error {
				n, err := tx.AllUsers(t).Unpacked(ctx, c.Pack.MinRows)
				if n == c.Pack.MinRows && packs(t) {
					due = append(due, packOf(t.Namespace, t.Name))
				}
				return err
			})
		})
		return due
	})
}

func packOf(namespace, table string) sqlmeta.Job {
	return sqlmeta.Job{Kind: packJob, Namespace: namespace, Table: table}
}

// packs reports whether a table's rows are packed by the job.
func packs(t *schema.Table) bool { return t.Kind != schema.Stream && !t.Options.Unpacked }

// stored returns the table that has a number in keys and is packed by the job, of those
// in memory, as all that were written are; else nil.
func (c *Catalog) stored(storage uint32) *schema.Table {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, t := range c.tables {
		if t.StorageID() == storage && packs(t) {
			return t
		}
	}
	return nil
}

// packSlowly packs what of a table is worth it, with pauses as long as the work takes.
func (c *Catalog) packSlowly(ctx context.Context, namespace, table string) (store.Packed, error) {
	t, err := c.Table(ctx, namespace, table)
	if errors.Is(err, sqlerr.NoSuchTable) || errors.Is(err, sqlerr.BadDatabase) || err == nil && !packs(t) {
		return store.Packed{}, nil
	}
	if err != nil {
		return store.Packed{}, err
	}
	return c.pack(ctx, t, c.Pack, time.Second, func(took time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(took):
			return nil
		}
	})
}

// PackTable makes segments of all of a table's rows, of all users.
func (c *Catalog) PackTable(ctx context.Context, s Scope, table sqlparser.TableName) ([]Message, error) {
	n, t, failed := c.subject(ctx, s, table)
	if failed != nil {
		return failed, nil
	}
	if t.Kind == schema.Stream {
		return []Message{{n, msgNote, "Stream tables are not packed"}}, nil
	}
	done, err := c.pack(ctx, t, store.PackOptions{MinRows: 1}, s.LockWait, func(time.Duration) error { return nil })
	if err != nil {
		return c.unrepaired(n, nil, err)
	}
	text := fmt.Sprintf("%d segments made of %d rows", done.Segments, done.Rows)
	return []Message{{n, msgNote, text}, {n, msgStatus, "OK"}}, nil
}

// pack packs what of a table is worth it, and gives back the space, step by step: between two others may
// change the table's definition, and pause is called with how long the step took. wait
// is how long to wait for those who change it.
func (c *Catalog) pack(ctx context.Context, t *schema.Table, o store.PackOptions, wait time.Duration, pause func(time.Duration) error) (done store.Packed, err error) {
	var from []byte
	storage := t.StorageID()
	packed := c.Packed(t)
	defer func() {
		if c.Packed(t)-packed > 0.25 { // plans are others then
			c.outdate()
		}
	}()
	for {
		begin := time.Now()
		next, err := c.packOnce(ctx, t.ID, storage, from, o, wait, &done)
		if err != nil {
			return done, err
		}
		if next == nil {
			return done, c.db.Reclaim(ctx, &done)
		}
		from = next
		if err := pause(time.Since(begin)); err != nil {
			return done, err
		}
	}
}

func (c *Catalog) packOnce(ctx context.Context, id, storage uint32, from []byte, o store.PackOptions, wait time.Duration, done *store.Packed) ([]byte, error) {
	tx := c.txns.Begin(txn.Options{TableWait: wait})
	defer tx.Rollback()
	// The lock keeps the definition from now on what it is. The table's own lock is
	// none of packing's concern, which is in nobody's way: who alters the table would wait
	// for that in turns with writers, and find it taken each time.
	if err := tx.LockDefinition(ctx, id); err != nil {
		return nil, err
	}
	var t *schema.Table
	err := c.read(func(tx *store.Tx) error {
		r, err := sqlmeta.Tables.Get(ctx, tx, id)
		if err == nil {
			t, err = sqlmeta.CurrentSchema(ctx, tx, r)
		}
		return err
	})
	switch {
	case errors.Is(err, sqlerr.NoSuchRecord):
		return nil, nil
	case err != nil:
		return nil, err
	case t.StorageID() != storage:
		return nil, nil // its rows were written anew
	}
	return c.db.Pack(ctx, t, from, o, done)
}
