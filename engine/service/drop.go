package service

import (
	"context"
	"strconv"

	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// A table is dropped in two steps. The commit that removes its records queues a job,
// from then on nobody finds the table; the job removes what is kept of it, for all
// users. Numbers of tables are never used again, so a table of the same name can be
// made at once.

// dropTableJob is the kind of the jobs that remove what is kept of a dropped table.
const dropTableJob = "drop_table"

// drop removes a table with its records. Tables may reference it that go, too.
func (c *Catalog) drop(ctx context.Context, s Scope, tx *store.Tx, r *sqlmeta.Table, goes func(*sqlmeta.Table) bool) (*schema.Table, error) {
	t, err := sqlmeta.CurrentSchema(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	if t.Kind != schema.Viewed {
		if !s.restores {
			c.checks = append(c.checks, func() error { return c.live.Drop(t) })
		}
		c.gone = append(c.gone, t)
	}
	if !s.NoForeignKeys {
		if err := unreferenced(ctx, tx, t, goes, errDropReferenced(t)); err != nil {
			return nil, err
		}
	}
	for v := uint32(1); v <= r.SchemaVersion; v++ {
		err := sqlmeta.TableSchemas.Delete(ctx, tx, sqlmeta.SchemaKey{TableID: r.ID, Version: v})
		if e := sqlerr.As(err); err != nil && (e == nil || e.Kind != sqlerr.NoSuchRecord) {
			return nil, err
		}
	}
	if err := index(ctx, tx, t, nil); err != nil {
		return nil, err
	}
	if err := sqlmeta.Tables.Delete(ctx, tx, r.ID); err != nil {
		return nil, err
	}
	if !s.restores {
		onTable := func(g *sqlmeta.Grant) bool { return g.TableID == r.ID }
		if err := sqlmeta.RemoveGrants(ctx, tx, onTable); err != nil {
			return nil, err
		}
	}
	if t.Kind == schema.Viewed {
		return t, nil
	}
	if err := sqlmeta.PutStatistics(ctx, tx, r.ID, nil); err != nil {
		return nil, err
	}
	c.queued = true
	_, err = c.jobs.Add(ctx, tx, sqlmeta.Job{Kind: dropTableJob, Namespace: t.Namespace, Table: t.Name, Parameters: map[string]string{
		"table_id": formatID(t.ID), "storage_id": formatID(t.StorageID()), "kind": string(t.Kind),
	}})
	return t, err
}

// removeDropped removes what is kept of a dropped table.
func (c *Catalog) removeDropped(ctx context.Context, r *jobs.Run) error {
	t, err := droppedTable(&r.Job)
	if err != nil {
		return err
	}
	tx := c.txns.Begin(txn.Options{})
	defer tx.Rollback()
	if err := tx.Start(); err != nil {
		return err
	}
	r.Trace("removes rows, indexes and counters of table %d, stored as %d", t.ID, t.StorageID())
	if err := store.DropTable(ctx, tx.Store(), t); err != nil {
		return err
	}
	// A table whose DROP a crash takes back has its rows.
	if err := tx.Commit(ctx, c.db.AsLasting()); err != nil {
		return err
	}
	r.Result = "rows, indexes and counters removed"
	return nil
}

// dropped calls f with the dropped tables of which something may be kept still.
func dropped(ctx context.Context, tx *store.Tx, f func(*schema.Table)) error {
	return sqlmeta.JobsNotDone(ctx, tx, func(j *sqlmeta.Job) error {
		if j.Kind != dropTableJob {
			return nil
		}
		t, err := droppedTable(j)
		if err == nil {
			f(t)
		}
		return err
	})
}

// droppedTable returns as much of a dropped table's definition as its job tells.
func droppedTable(j *sqlmeta.Job) (*schema.Table, error) {
	id, err1 := parseID(j.Parameters["table_id"])
	storage, err2 := parseID(j.Parameters["storage_id"])
	if err1 != nil || err2 != nil {
		return nil, sqlerr.Corrupt.New("system.jobs has a damaged record of job %d", j.ID).On("system.jobs")
	}
	return &schema.Table{ID: id, Storage: storage, Namespace: j.Namespace, Name: j.Table, Kind: schema.TableKind(j.Parameters["kind"])}, nil
}

func formatID(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}
