package service

import (
	"context"
	"fmt"
	"time"

	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/sqlmeta"
)

// When a database is at rest, its rows are brought to one place each: while much is
// written, the storage has them in some, where a read looks for them one after the other.
const compactJob = "compact"

// restWrites is how many writes there are in lookEvery, at most, of a database that is
// at rest.
const restWrites = 60

// rest finds out when a database is at rest.
type rest struct{ written uint64 }

// due reports whether few was written since it was called last. written counts writes.
func (r *rest) due(written uint64) bool {
	few := written-r.written <= restWrites
	r.written = written
	return few
}

func (c *Catalog) startCompaction(s *jobs.Scheduler) {
	s.Register(jobs.Kind{Name: compactJob, Run: func(ctx context.Context, r *jobs.Run) error {
		begin := time.Now()
		bytes, err := c.db.Compact(ctx)
		r.Result = fmt.Sprintf("%d bytes of rows in one place each, after %v", bytes, time.Since(begin).Round(time.Millisecond))
		return err
	}})
	var r rest
	s.Every(lookEvery, func(context.Context) []sqlmeta.Job {
		if !r.due(c.db.Written()) || !c.db.Scattered() {
			return nil
		}
		return []sqlmeta.Job{{Kind: compactJob}}
	})
}
