// Package jobs runs what a database does in the background. Every run is a record
// of system.jobs.
//
// A job is queued in the transaction that makes it necessary, as the removal of
// rows is by DROP TABLE: it exists if and only if that commits, and what waits or
// runs when the process ends runs again once the database is opened. Work that only
// serves speed, such as gathering statistics, is submitted instead: it has no record
// before it begins.
//
//	queued -> running -> completed | failed | cancelled
//	   ^---------'  after an error, a crash or the database's end
//
// Goroutines exist only while there is work, so that an idle database costs nothing.
package jobs

import (
	"context"
	"time"

	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/txn"
)

// Kind is a kind of job.
type Kind struct {
	Name string
	// Run does the work. It runs again after an error, and after a crash at any moment
	// of it; it ends soon when ctx does.
	Run func(ctx context.Context, r *Run) error
	// Attempts is how often it is tried; 0: 3.
	Attempts int
	// Required jobs are tried until they succeed and cannot be killed: without them
	// something would be left behind for good.
	Required bool
}

// Options bound what a Scheduler does.
type Options struct {
	Workers int           // jobs that run at once; 0: 2
	History int           // records of jobs of a kind that are over, so many stay; 0: 1,000
	Age     time.Duration // and for so long; 0: 30 days
	Backoff time.Duration // before a second attempt, doubled before each further one; 0: a second
}

// The defaults of Kind and Options.
const (
	defaultAttempts = 3
	defaultWorkers  = 2
	defaultHistory  = 1000
	defaultAge      = 30 * 24 * time.Hour
	defaultBackoff  = time.Second
	maxBackoff      = 10 * time.Minute
)

// trimEvery is after how many jobs the history is trimmed.
const trimEvery = 64

// New returns a scheduler of a database's jobs, which are read and written in
// transactions of txns. It runs nothing before Start.
func New(txns *txn.Manager, o Options) *Scheduler {
	set := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	set(&o.Workers, defaultWorkers)
	set(&o.History, defaultHistory)
	if o.Age == 0 {
		o.Age = defaultAge
	}
	if o.Backoff == 0 {
		o.Backoff = defaultBackoff
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Scheduler{txns: txns, options: o, ctx: ctx, cancel: cancel, kinds: map[string]*Kind{}, known: map[uint64]*task{}, sinceTrim: trimEvery - 1}
}

// Register adds a kind of job. It is called before Start.
func (s *Scheduler) Register(k Kind) {
	if k.Attempts == 0 {
		k.Attempts = defaultAttempts
	}
	s.kinds[k.Name] = &k
}

// same reports whether two jobs do the same work.
func same(a, b *sqlmeta.Job) bool {
	if a.Kind != b.Kind || a.Namespace != b.Namespace || a.Table != b.Table || len(a.Parameters) != len(b.Parameters) {
		return false
	}
	for k, v := range a.Parameters {
		if w, ok := b.Parameters[k]; !ok || v != w {
			return false
		}
	}
	return true
}
