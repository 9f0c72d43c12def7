package jobs

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/store/kv/mem"
	"github.com/kalamgo/kalam/engine/txn"
)

func newTxns(t *testing.T) *txn.Manager {
	t.Helper()
	db, err := store.New(mem.Open(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return txn.New(db, 0)
}

// newScheduler returns one that was started.
func newScheduler(t *testing.T, txns *txn.Manager, o Options, kinds ...Kind) *Scheduler {
	t.Helper()
	if o.Backoff == 0 {
		o.Backoff = time.Millisecond
	}
	s := New(txns, o)
	for _, k := range kinds {
		s.Register(k)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// queue adds jobs in one transaction.
func queue(t *testing.T, s *Scheduler, list ...sqlmeta.Job) {
	t.Helper()
	err := s.write(t.Context(), func(tx *store.Tx) error {
		for _, j := range list {
			if _, err := s.Add(t.Context(), tx, j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Wake()
}

// records returns all jobs, without what changes from run to run.
func records(t *testing.T, txns *txn.Manager) (list []sqlmeta.Job) {
	t.Helper()
	tx := txns.Begin(txn.Options{ReadOnly: true})
	defer tx.Rollback()
	if err := tx.Start(); err != nil {
		t.Fatal(err)
	}
	err := sqlmeta.Jobs.ScanAll(t.Context(), tx.Store(), func(j *sqlmeta.Job) error {
		list = append(list, *j)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// until waits for something to be so.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for begin := time.Now(); !f(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// states returns the states of all jobs, and waits until none has another.
func waitFor(t *testing.T, txns *txn.Manager, states ...string) []sqlmeta.Job {
	t.Helper()
	var list []sqlmeta.Job
	until(t, strings.Join(states, ", "), func() bool {
		list = records(t, txns)
		var got []string
		for _, j := range list {
			got = append(got, j.State)
		}
		return cmp.Equal(got, states)
	})
	return list
}

func TestRecordOfRun(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	s := newScheduler(t, txns, Options{}, Kind{Name: "work", Run: func(_ context.Context, r *Run) error {
		r.Trace("step %d of %s", 1, r.Job.Parameters["what"])
		r.Result = "done it"
		return nil
	}})
	queue(t, s, sqlmeta.Job{Kind: "work", Namespace: "n", Table: "t", Parameters: map[string]string{"what": "all"}})
	j := waitFor(t, txns, sqlmeta.JobCompleted)[0]
	if j.ID != 1 || j.Kind != "work" || j.Namespace != "n" || j.Table != "t" || j.Parameters["what"] != "all" || j.Attempts != 1 ||
		j.Result != "done it" || j.Error != "" || !strings.Contains(j.Trace, "s attempt 1 begins\n") || !strings.Contains(j.Trace, "s step 1 of all\n") || !strings.HasSuffix(j.Trace, "s completed: done it\n") {
		t.Errorf("%+v", j)
	}
	if j.Created.IsZero() || j.Started.Before(j.Created) || j.Finished.Before(j.Started) {
		t.Errorf("created %v, started %v, finished %v", j.Created, j.Started, j.Finished)
	}
}

// A job that is added in a transaction that is rolled back does not exist.
func TestAddRolledBack(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	s := newScheduler(t, txns, Options{}, Kind{Name: "work", Run: func(context.Context, *Run) error { return nil }})
	stop := errors.New("stop")
	err := s.write(t.Context(), func(tx *store.Tx) error {
		if _, err := s.Add(t.Context(), tx, sqlmeta.Job{Kind: "work"}); err != nil {
			return err
		}
		return stop
	})
	s.Wake()
	if err != stop || len(records(t, txns)) != 0 {
		t.Errorf("%v, %v", err, records(t, txns))
	}
}

func TestWorkersAreBounded(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	var now, most atomic.Int32
	s := newScheduler(t, txns, Options{Workers: 3}, Kind{Name: "work", Run: func(context.Context, *Run) error {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		now.Add(-1)
		return nil
	}})
	queue(t, s, make([]sqlmeta.Job, 0)...)
	var list []sqlmeta.Job
	var want []string
	for range 20 {
		list, want = append(list, sqlmeta.Job{Kind: "work"}), append(want, sqlmeta.JobCompleted)
	}
	queue(t, s, list...)
	waitFor(t, txns, want...)
	if n := most.Load(); n < 2 || n > 3 {
		t.Errorf("%d jobs at once", n)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	var attempts atomic.Int32
	fails := func(_ context.Context, r *Run) error {
		attempts.Add(1)
		r.Trace("attempt")
		return errors.New("broken")
	}
	s := newScheduler(t, txns, Options{},
		Kind{Name: "fails", Run: fails},
		Kind{Name: "panics", Attempts: 1, Run: func(context.Context, *Run) error { panic("oh") }},
		Kind{Name: "required", Required: true, Run: func(_ context.Context, r *Run) error {
			if r.Job.Attempts < 5 {
				return errors.New("not yet")
			}
			return nil
		}})
	queue(t, s, sqlmeta.Job{Kind: "fails"}, sqlmeta.Job{Kind: "panics"}, sqlmeta.Job{Kind: "required"})
	list := waitFor(t, txns, sqlmeta.JobFailed, sqlmeta.JobFailed, sqlmeta.JobCompleted)
	if list[0].Attempts != 3 || list[0].Error != "broken" || attempts.Load() != 3 || !strings.Contains(list[0].Trace, "attempt") {
		t.Errorf("%+v, tried %d times", list[0], attempts.Load())
	}
	if !strings.Contains(list[1].Error, "oh") || !strings.Contains(list[1].Trace, "jobs_test.go") {
		t.Errorf("%+v", list[1])
	}
	if list[2].Attempts != 5 || list[2].Error != "" {
		t.Errorf("%+v", list[2])
	}
}

// TestAfterCrash starts a scheduler on the records that a crash leaves.
func TestAfterCrash(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	before := New(txns, Options{})
	err := before.write(t.Context(), func(tx *store.Tx) error {
		for id, j := range []sqlmeta.Job{
			{Kind: "work", State: sqlmeta.JobRunning, Attempts: 1},
			{Kind: "work", State: sqlmeta.JobQueued},
			{Kind: "work", State: sqlmeta.JobRunning, Attempts: 3},
			{Kind: "required", State: sqlmeta.JobRunning, Attempts: 30},
			{Kind: "work", State: sqlmeta.JobCancelled},
			{Kind: "of a newer Kalam", State: sqlmeta.JobQueued},
		} {
			j.ID = uint64(id + 1)
			if err := sqlmeta.Jobs.Insert(t.Context(), tx, &j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var ran atomic.Int32
	work := func(context.Context, *Run) error { ran.Add(1); return nil }
	s := newScheduler(t, txns, Options{}, Kind{Name: "work", Run: work}, Kind{Name: "required", Required: true, Run: work})
	done, failed := sqlmeta.JobCompleted, sqlmeta.JobFailed
	list := waitFor(t, txns, done, done, failed, done, sqlmeta.JobCancelled, sqlmeta.JobQueued)
	if ran.Load() != 3 || list[0].Attempts != 2 || list[2].Attempts != 3 || !strings.Contains(list[2].Error, "ended 3 times") {
		t.Errorf("%d ran; %+v", ran.Load(), list)
	}
	queue(t, s, sqlmeta.Job{Kind: "work"})
	if j := waitFor(t, txns, done, done, failed, done, sqlmeta.JobCancelled, sqlmeta.JobQueued, done)[6]; j.ID != 7 {
		t.Errorf("the next job has id %d", j.ID)
	}
}

// blocking is a kind whose runs last until they are interrupted.
func blocking(name string, began chan<- struct{}) Kind {
	return Kind{Name: name, Run: func(ctx context.Context, _ *Run) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}
}

func TestStopInterrupts(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	began := make(chan struct{}, 9)
	s := newScheduler(t, txns, Options{Workers: 1}, blocking("block", began))
	queue(t, s, sqlmeta.Job{Kind: "block"}, sqlmeta.Job{Kind: "block"})
	s.Submit(sqlmeta.Job{Kind: "block"}, time.Hour)
	<-began
	s.Stop()
	s.Stop()
	list := records(t, txns)
	if len(list) != 2 || list[0].State != sqlmeta.JobQueued || list[0].Attempts != 0 || list[1].State != sqlmeta.JobQueued {
		t.Errorf("%+v", list)
	}
	s.Submit(sqlmeta.Job{Kind: "block"}, 0)
	s.Wake()
	if len(s.tasks) > 0 && s.workers > 0 {
		t.Error("it runs on")
	}
	// It goes on with the next one.
	next := newScheduler(t, txns, Options{}, Kind{Name: "block", Run: func(context.Context, *Run) error { return nil }})
	waitFor(t, txns, sqlmeta.JobCompleted, sqlmeta.JobCompleted)
	next.Stop()
}

// TestNoGoroutines checks that a scheduler without work has none. It does not run
// beside others.
func TestNoGoroutines(t *testing.T) {
	txns := newTxns(t)
	before := runtime.NumGoroutine()
	s := newScheduler(t, txns, Options{}, Kind{Name: "work", Run: func(context.Context, *Run) error { return nil }})
	s.Every(time.Hour, func(context.Context) []sqlmeta.Job { return nil })
	queue(t, s, sqlmeta.Job{Kind: "work"})
	waitFor(t, txns, sqlmeta.JobCompleted)
	until(t, "the worker has ended", func() bool { return runtime.NumGoroutine() <= before })
	s.Stop()
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines more", n-before)
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	began := make(chan struct{}, 9)
	s := newScheduler(t, txns, Options{Workers: 1}, blocking("block", began),
		Kind{Name: "required", Required: true, Run: func(context.Context, *Run) error { return nil }})
	queue(t, s, sqlmeta.Job{Kind: "block"}, sqlmeta.Job{Kind: "block"}, sqlmeta.Job{Kind: "required"})
	<-began
	kill := func(id uint64, want *sqlerr.Kind) {
		t.Helper()
		err := s.Kill(t.Context(), id)
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("KILL JOB %d: %v", id, err)
		}
	}
	kill(9, sqlerr.NoSuchJob)
	kill(3, sqlerr.JobRequired)
	kill(2, nil)
	if j := records(t, txns)[1]; j.State != sqlmeta.JobCancelled || j.Finished.IsZero() {
		t.Errorf("killed while it waited: %+v", j)
	}
	kill(1, nil)
	waitFor(t, txns, sqlmeta.JobCancelled, sqlmeta.JobCancelled, sqlmeta.JobCompleted)
	kill(1, sqlerr.NoSuchJob)
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	var ran atomic.Int32
	s := newScheduler(t, txns, Options{}, Kind{Name: "work", Run: func(context.Context, *Run) error { ran.Add(1); return nil }})
	for range 5 { // the same as one that waits is none
		s.Submit(sqlmeta.Job{Kind: "work", Table: "a"}, 50*time.Millisecond)
	}
	s.Submit(sqlmeta.Job{Kind: "work", Table: "b"}, 50*time.Millisecond)
	s.Submit(sqlmeta.Job{Kind: "unknown"}, 0)
	if n := len(records(t, txns)); n != 0 {
		t.Errorf("%d records of jobs that have not begun", n)
	}
	waitFor(t, txns, sqlmeta.JobCompleted, sqlmeta.JobCompleted)
	if ran.Load() != 2 {
		t.Errorf("%d ran", ran.Load())
	}
}

func TestEvery(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	s := New(txns, Options{})
	var ran atomic.Int32
	s.Register(Kind{Name: "tick", Run: func(context.Context, *Run) error { ran.Add(1); return nil }})
	s.Every(time.Millisecond, func(context.Context) []sqlmeta.Job { return []sqlmeta.Job{{Kind: "tick"}} })
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "it ran three times", func() bool { return ran.Load() >= 3 })
	s.Stop()
	n := ran.Load()
	time.Sleep(5 * time.Millisecond)
	if ran.Load() != n {
		t.Error("it runs on after Stop")
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	txns := newTxns(t)
	s := New(txns, Options{History: 10, Age: time.Hour})
	err := s.write(t.Context(), func(tx *store.Tx) error {
		for id := range uint64(30) {
			j := sqlmeta.Job{ID: id + 1, Kind: "work", State: sqlmeta.JobCompleted, Finished: time.Now()}
			if id >= 15 && id < 25 {
				j.Finished = j.Finished.Add(-2 * time.Hour)
			}
			if id == 3 {
				j.Kind, j.State = "another", sqlmeta.JobQueued
			}
			if err := sqlmeta.Jobs.Insert(t.Context(), tx, &j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.trim(t.Context())
	var ids []uint64
	for _, j := range records(t, txns) {
		ids = append(ids, j.ID)
	}
	if d := cmp.Diff([]uint64{4, 26, 27, 28, 29, 30}, ids); d != "" {
		t.Error(d)
	}
	// However old, the last record stays, for its id.
	s.options.Age = time.Nanosecond
	s.trim(t.Context())
	if list := records(t, txns); len(list) != 2 || list[1].ID != 30 {
		t.Errorf("%+v", list)
	}
	// Jobs that end trim the history.
	s = newScheduler(t, txns, Options{Age: time.Nanosecond}, Kind{Name: "work", Run: func(context.Context, *Run) error { return nil }})
	queue(t, s, sqlmeta.Job{Kind: "work"})
	until(t, "the history is trimmed", func() bool {
		list := records(t, txns)
		return len(list) == 2 && list[1].ID == 31 && list[1].Done()
	})
}
