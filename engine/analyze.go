package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
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
		if e := sqlerr.As(err); e != nil && (e.Kind == sqlerr.NoSuchTable || e.Kind == sqlerr.BadDatabase) {
			report("Error", "%s", e.Message)
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

// analyzer gathers statistics of tables that have changed much, one after the
// other, in a goroutine of its own.
type analyzer struct {
	engine *Engine
	cancel context.CancelFunc
	ended  chan struct{}
	wake   chan struct{}

	mu      sync.Mutex
	waiting []*schema.Table
}

// analyzeDelay is how long a table's changes are waited for to settle.
const analyzeDelay = time.Second

// startAnalyzer has the engine's catalogue tell it of tables.
func startAnalyzer(e *Engine) *analyzer {
	ctx, cancel := context.WithCancel(context.Background())
	a := &analyzer{engine: e, cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
	e.catalog.OnChange(a.add)
	go a.run(ctx)
	return a
}

// stop ends the goroutine and waits for its end.
func (a *analyzer) stop() {
	if a != nil {
		a.cancel()
		<-a.ended
	}
}

func (a *analyzer) add(t *schema.Table) {
	a.mu.Lock()
	a.waiting = append(a.waiting, t)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *analyzer) run(ctx context.Context) {
	defer close(a.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		}
		if !sleep(ctx, analyzeDelay) {
			return
		}
		a.mu.Lock()
		list := a.waiting
		a.waiting = nil
		a.mu.Unlock()
		for _, t := range list {
			a.analyze(ctx, t)
		}
	}
}

// analyze gathers a table's statistics, taking no more than about half of the
// time. What fails is left until the table changes again: statements fail
// better.
func (a *analyzer) analyze(ctx context.Context, t *schema.Table) (err error) {
	defer recovered("ANALYZE TABLE "+t.QualifiedName(), &err)
	e := a.engine
	// The definition may be a newer one by now.
	now, err := e.catalog.Table(ctx, t.Namespace, t.Name)
	if err != nil || now.ID != t.ID {
		return err
	}
	begin := time.Now()
	pause := func() {
		if took := time.Since(begin); took > 20*time.Millisecond {
			sleep(ctx, took)
			begin = time.Now()
		}
	}
	return e.catalog.Analyze(ctx, store.NoSync, now, nil, false, pause)
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
