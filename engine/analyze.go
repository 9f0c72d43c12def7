package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/types"
)

// maxBuckets is the most that UPDATE HISTOGRAM may be asked for.
const maxBuckets = 1024

// analyze runs ANALYZE TABLE: a row tells of each table or histogram.
func (s *Session) analyze(ctx context.Context, n *parse.Analyze) (*resultSet, error) {
	if err := s.writable(); err != nil {
		return nil, err
	}
	if n.Histogram == "update" && (n.Buckets < 0 || n.Buckets > maxBuckets) {
		return nil, sqlerr.DataOutOfRange.New("Number of buckets value is out of range in 'ANALYZE TABLE'")
	}
	if err := s.commit(ctx); err != nil {
		return nil, err
	}
	var rows [][]types.Value
	for _, name := range n.Tables {
		namespace := name.Qualifier.String()
		if namespace == "" {
			namespace = s.namespace
		}
		if namespace == "" {
			return nil, sqlerr.NoDatabase.New("No database selected")
		}
		op := "analyze"
		if n.Histogram != "" {
			op = "histogram"
		}
		report := func(kind, format string, args ...any) {
			rows = append(rows, []types.Value{types.NewString(namespace + "." + name.Name.String()), types.NewString(op),
				types.NewString(kind), types.NewString(fmt.Sprintf(format, args...))})
		}
		err := s.analyzeTable(ctx, n, namespace, name.Name.String(), report)
		if gone(err) {
			report("Error", "%s", sqlerr.As(err).Message)
			report("status", "Operation failed")
		} else if err != nil {
			return nil, err
		}
	}
	return s.listing(rows, textColumns("Table", "Op", "Msg_type", "Msg_text")...), nil
}

func (s *Session) analyzeTable(ctx context.Context, n *parse.Analyze, namespace, table string, report func(kind, format string, args ...any)) error {
	t, err := s.engine.catalog.Table(ctx, namespace, table)
	switch {
	case err != nil:
		return err
	case t.Kind != schema.Shared:
		report("note", "The storage engine for the table doesn't support analyze")
		return nil
	case n.Histogram != "":
		return s.histograms(ctx, n, t, report)
	}
	err = s.engine.catalog.Analyze(ctx, s.cfg.Durability, t, nil, true, func() {})
	if err == nil {
		report("status", "OK")
	}
	return err
}

// histograms runs UPDATE HISTOGRAM and DROP HISTOGRAM on a table.
func (s *Session) histograms(ctx context.Context, n *parse.Analyze, t *schema.Table, report func(kind, format string, args ...any)) error {
	c := s.engine.catalog
	buckets := map[uint32]int{}
	for _, name := range n.Columns {
		i := t.Column(name)
		if i < 0 {
			report("Error", "The column '%s' does not exist.", name)
			continue
		}
		col := &t.Columns[i]
		if n.Histogram == "update" {
			buckets[col.ID] = n.Buckets
			if n.Buckets == 0 {
				buckets[col.ID] = 100
			}
			continue
		}
		st := c.Statistics(t)
		if st == nil || st.Columns[col.ID] == nil || !st.Columns[col.ID].Known() {
			report("Error", "No histogram statistics found for column '%s'.", col.Name)
			continue
		}
		if err := c.DropHistogram(ctx, s.cfg.Durability, t, col.ID); err != nil {
			return err
		}
		report("status", "Histogram statistics removed for column '%s'.", col.Name)
	}
	if len(buckets) == 0 {
		return nil
	}
	if err := c.Analyze(ctx, s.cfg.Durability, t, buckets, true, func() {}); err != nil {
		return err
	}
	for _, name := range n.Columns {
		if i := t.Column(name); i >= 0 {
			report("status", "Histogram statistics created for column '%s'.", t.Columns[i].Name)
		}
	}
	return nil
}

// analyzeDelay is how long a table's changes are waited for to settle, unless
// half of the table has changed.
const analyzeDelay = time.Second

// analyzeLater has the statistics gathered of a table that has changed much.
func (e *Engine) analyzeLater(t *schema.Table) {
	before, _ := e.catalog.Changed(t)
	time.AfterFunc(analyzeDelay, func() {
		if now, half := e.catalog.Changed(t); now != before && !half {
			e.analyzeLater(t) // it is being loaded
			return
		}
		e.jobs.Submit(sqlmeta.Job{Kind: "analyze", Namespace: t.Namespace, Table: t.Name}, 0)
	})
}

// analyzeJob gathers a table's statistics, taking no more than about half of the
// time.
func (e *Engine) analyzeJob(ctx context.Context, r *jobs.Run) error {
	t, err := e.catalog.Table(ctx, r.Job.Namespace, r.Job.Table)
	if gone(err) {
		r.Result = "the table is gone"
		return nil
	}
	if err != nil {
		return err
	}
	begin := time.Now()
	pause := func() {
		if took := time.Since(begin); took > 20*time.Millisecond {
			sleep(ctx, took)
			begin = time.Now()
		}
	}
	if err := e.catalog.Analyze(ctx, store.NoSync, t, nil, false, pause); err != nil {
		return err
	}
	if s := e.catalog.Statistics(t); s != nil {
		r.Result = fmt.Sprintf("%d rows", s.Rows)
	}
	return nil
}

// sleep waits; it reports false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
