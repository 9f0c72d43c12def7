package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
)

// Scheduler runs a database's jobs. It may be used from several goroutines at once.
type Scheduler struct {
	txns    *txn.Manager
	options Options
	kinds   map[string]*Kind

	ctx     context.Context // ends with Stop
	cancel  context.CancelFunc
	running sync.WaitGroup // goroutines

	mu        sync.Mutex
	on        bool   // between Start and Stop
	last      uint64 // the last id given out; 0: none yet
	known     map[uint64]*task
	tasks     []*task // all, in the order they came
	workers   int
	sinceTrim int
	periodic  []*time.Timer
}

// task is a job that waits or runs. The scheduler's mutex guards it, but for job
// while it runs.
type task struct {
	job     sqlmeta.Job // ID 0: it has no record yet
	kind    *Kind
	timer   *time.Timer // until it may run; nil: now
	cancel  context.CancelFunc
	running bool
	killed  bool
	over    chan struct{} // closed when the job is over
}

// Start runs the jobs that were queued or running when the database was closed, and
// those to come.
func (s *Scheduler) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = true
	return s.fill(ctx)
}

// Stop interrupts the jobs that run, which will go on when the database is opened
// again, and returns once they have ended. It is idempotent.
func (s *Scheduler) Stop() {
	s.mu.Lock()
	s.on = false
	for _, t := range s.tasks {
		if t.timer != nil {
			t.timer.Stop()
		}
	}
	for _, t := range s.periodic {
		t.Stop()
	}
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
}

// Add queues a job in a transaction and returns its id. The caller calls Wake once it
// is committed.
func (s *Scheduler) Add(ctx context.Context, tx *store.Tx, job sqlmeta.Job) (id uint64, err error) {
	s.mu.Lock()
	err = s.number(ctx, tx, &job)
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	job.State, job.Created = sqlmeta.JobQueued, time.Now().UTC()
	return job.ID, sqlmeta.Jobs.Insert(ctx, tx, &job)
}

// Wait returns once a job is over, whatever became of it, or sqlerr.Interrupted when
// ctx or the scheduler ends before.
func (s *Scheduler) Wait(ctx context.Context, id uint64) error {
	s.mu.Lock()
	t := s.known[id]
	s.mu.Unlock()
	if t == nil {
		return nil
	}
	select {
	case <-t.over:
		return nil
	case <-ctx.Done():
		return sqlerr.Interrupted.Wrap(ctx.Err(), "Query execution was interrupted; job %d goes on", id)
	case <-s.ctx.Done():
		return sqlerr.Closed.New("the database is closed; job %d will go on when it is opened", id)
	}
}

// number gives a job its id. The last record always stays, so ids never come twice.
func (s *Scheduler) number(ctx context.Context, tx *store.Tx, job *sqlmeta.Job) error {
	if s.last == 0 {
		j, err := sqlmeta.Jobs.Last(ctx, tx)
		if err != nil {
			return err
		}
		if j != nil {
			s.last = j.ID
		}
	}
	s.last++
	job.ID = s.last
	return nil
}

// Wake tells that a transaction with queued jobs was committed.
func (s *Scheduler) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What cannot be read now is found when the next job comes, or the database is
	// opened again.
	_ = s.fill(s.ctx)
}

// fill takes up the recorded jobs that are not over. A job is known until the record
// of its end is committed, so none is taken up twice.
func (s *Scheduler) fill(ctx context.Context) error {
	if !s.on {
		return nil
	}
	var found []*sqlmeta.Job
	err := s.txns.View(func(tx *store.Tx) error {
		return sqlmeta.JobsNotDone(ctx, tx, func(j *sqlmeta.Job) error {
			if s.known[j.ID] == nil {
				found = append(found, j)
			}
			return nil
		})
	})
	for _, j := range found {
		k := s.kinds[j.Kind]
		if k == nil { // of a newer Kalam
			continue
		}
		t := &task{job: *j, kind: k, over: make(chan struct{})}
		s.known[j.ID] = t
		s.tasks = append(s.tasks, t)
	}
	s.dispatch()
	return err
}

// Submit runs a job after a delay, unless one that does the same waits already. It
// has a record from when it begins.
func (s *Scheduler) Submit(job sqlmeta.Job, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[job.Kind]
	waits := func(t *task) bool { return !t.running && same(&t.job, &job) }
	if !s.on || k == nil || slices.ContainsFunc(s.tasks, waits) {
		return
	}
	job.State, job.Created = sqlmeta.JobQueued, time.Now().UTC()
	t := &task{job: job, kind: k, over: make(chan struct{})}
	s.tasks = append(s.tasks, t)
	s.after(t, delay)
}

// Every calls due in a goroutine again and again, with pauses of d between, and
// submits the jobs that it returns. It is called before Start.
func (s *Scheduler) Every(d time.Duration, due func(ctx context.Context) []sqlmeta.Job) {
	var timer *time.Timer
	tick := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ctx.Err() != nil {
			return
		}
		if !s.on {
			timer.Reset(d)
			return
		}
		s.running.Go(func() {
			for _, j := range due(s.ctx) {
				s.Submit(j, 0)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.on {
				timer.Reset(d)
			}
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	timer = time.AfterFunc(d, tick)
	s.periodic = append(s.periodic, timer)
}

// after lets a task run after a delay.
func (s *Scheduler) after(t *task, delay time.Duration) {
	t.timer = time.AfterFunc(delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.timer = nil
		s.dispatch()
	})
}

// dispatch starts workers for the tasks that may run.
func (s *Scheduler) dispatch() {
	for _, t := range s.tasks {
		if !s.on || s.workers == s.options.Workers {
			return
		}
		if t.running || t.timer != nil {
			continue
		}
		t.running = true
		ctx, cancel := context.WithCancel(s.ctx)
		t.cancel = cancel
		s.workers++
		s.running.Go(func() { s.run(ctx, t) })
	}
}

// Kill cancels a job that waits or runs; one that runs may take a moment to end.
// Errors: sqlerr.NoSuchJob, JobRequired.
func (s *Scheduler) Kill(ctx context.Context, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.killable(id)
	if err != nil {
		return err
	}
	t.killed = true
	if t.running {
		t.cancel()
		return nil
	}
	job := t.job
	job.State, job.Error, job.Finished = sqlmeta.JobCancelled, "killed", time.Now().UTC()
	if err := s.keep(ctx, &job); err != nil {
		t.killed = false
		return err
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	t.job = job
	s.forget(t)
	return nil
}

// MayKill returns the error that Kill would, for what is known now.
func (s *Scheduler) MayKill(id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.killable(id)
	return err
}

func (s *Scheduler) killable(id uint64) (*task, error) {
	t := s.known[id]
	if t == nil {
		return nil, sqlerr.NoSuchJob.New("Unknown job id: %d, or the job is over", id)
	}
	if t.kind.Required {
		return nil, sqlerr.JobRequired.New("Job %d (%s) cannot be killed: it removes what is no longer in use", id, t.kind.Name)
	}
	return t, nil
}

// Retry queues a job again that failed or was cancelled. The caller calls Wake once
// the transaction is committed.
func (s *Scheduler) Retry(ctx context.Context, tx *store.Tx, id uint64) error {
	j, err := sqlmeta.Jobs.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if j.State != sqlmeta.JobFailed && j.State != sqlmeta.JobCancelled {
		return sqlerr.NoSuchJob.New("Job %d is %s; those that failed or were cancelled can run again", id, j.State)
	}
	if s.kinds[j.Kind] == nil {
		return sqlerr.NoSuchJob.New("Job %d is of the unknown kind %s", id, j.Kind)
	}
	j.State, j.Attempts, j.Error, j.Result, j.Started, j.Finished = sqlmeta.JobQueued, 0, "", "", time.Time{}, time.Time{}
	return sqlmeta.Jobs.Update(ctx, tx, j)
}

// forget drops a task.
func (s *Scheduler) forget(t *task) {
	if t.job.Done() {
		close(t.over)
	}
	delete(s.known, t.job.ID)
	s.tasks = slices.DeleteFunc(s.tasks, func(x *task) bool { return x == t })
}

// write calls f and commits what it writes.
func (s *Scheduler) write(ctx context.Context, f func(*store.Tx) error) error {
	return s.txns.Update(ctx, store.NoSync, f)
}

// keep writes a job's record, which is there, but for the progress of its work.
func (s *Scheduler) keep(ctx context.Context, job *sqlmeta.Job) error {
	return s.write(ctx, func(tx *store.Tx) error {
		old, err := sqlmeta.Jobs.Get(ctx, tx, job.ID)
		if err != nil {
			return err
		}
		job.Progress = old.Progress
		return sqlmeta.Jobs.Update(ctx, tx, job)
	})
}

// Advance adds to a running job's progress, together with what tx commits of its work.
func Advance(ctx context.Context, tx *store.Tx, id uint64, n int64) error {
	j, err := sqlmeta.Jobs.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	j.Progress += n
	return sqlmeta.Jobs.Update(ctx, tx, j)
}
