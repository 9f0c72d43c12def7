package jobs

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
)

// Run is one run of a job. It is used by one goroutine.
type Run struct {
	Job   sqlmeta.Job // as it was when the run began
	begun time.Time
	trace strings.Builder
	// Result is what the record tells of a run that succeeds.
	Result string
}

// maxTrace is how many bytes of a trace are kept.
const maxTrace = 16 << 10

// Trace notes what the run does, for the record.
func (r *Run) Trace(format string, args ...any) {
	if r.trace.Len() < maxTrace {
		r.trace.WriteString(r.line(fmt.Sprintf(format, args...)))
	}
}

func (r *Run) line(text string) string {
	return fmt.Sprintf("%8.3fs %s\n", time.Since(r.begun).Seconds(), text)
}

type runKey struct{}

// Trace notes what the run does whose context ctx is, if it is any's.
func Trace(ctx context.Context, format string, args ...any) {
	if r, ok := ctx.Value(runKey{}).(*Run); ok {
		r.Trace(format, args...)
	}
}

// traced returns the trace, with its last line, which tells how the run ended.
func (r *Run) traced(end string) string {
	return r.noted() + r.line(end)
}

// noted returns what was noted, as far as it is kept.
func (r *Run) noted() string {
	text := r.trace.String()
	if len(text) <= maxTrace {
		return text
	}
	n := maxTrace
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…\n"
}

// run runs a task and notes what became of it.
func (s *Scheduler) run(ctx context.Context, t *task) {
	defer t.cancel()
	// Records are written also while the database closes.
	always := context.WithoutCancel(ctx)
	r := &Run{begun: time.Now()}
	err := s.begin(always, t)
	if err == nil {
		r.Job = t.job
		r.Trace("attempt %d begins", r.Job.Attempts)
		err = r.call(ctx, t.kind)
	}
	s.mu.Lock()
	killed, stopped := t.killed, s.ctx.Err() != nil
	s.mu.Unlock()
	job := t.job
	job.Error = ""
	var delay time.Duration
	if err != nil {
		job.Error = err.Error()
	}
	switch {
	case err == nil:
		job.State, job.Result = sqlmeta.JobCompleted, r.Result
	case killed:
		job.State, job.Error = sqlmeta.JobCancelled, "killed"
	case stopped:
		job.State, job.Error = sqlmeta.JobQueued, "the database was closed"
		job.Attempts--
	case t.kind.Required || job.Attempts < t.kind.Attempts:
		job.State, delay = sqlmeta.JobQueued, s.backoff(job.Attempts)
	default:
		job.State = sqlmeta.JobFailed
	}
	job.Trace = r.traced(endOf(&job))
	if job.Done() {
		job.Finished = time.Now().UTC()
	}
	if job.ID == 0 {
		// It has not begun, for its record could not be written.
	} else if err := s.keep(always, &job); err != nil && job.Done() {
		// It will run again, now or when the database is opened.
		job.State, job.Finished, delay = sqlmeta.JobQueued, time.Time{}, s.backoff(job.Attempts)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers--
	t.running = false
	if t.job = job; job.Done() || !s.on {
		s.forget(t)
	} else {
		s.after(t, delay)
	}
	if s.sinceTrim++; s.sinceTrim >= trimEvery && s.on {
		s.sinceTrim = 0
		s.running.Go(func() { s.trim(always) })
	}
	s.dispatch()
}

// endOf is how a run ended.
func endOf(j *sqlmeta.Job) string {
	switch {
	case j.Error == "" && j.Result == "":
		return j.State
	case j.Error == "":
		return j.State + ": " + j.Result
	case j.State == sqlmeta.JobQueued:
		return "to run again: " + j.Error
	}
	return j.State + ": " + j.Error
}

// begin records that a task runs.
func (s *Scheduler) begin(ctx context.Context, t *task) error {
	if t.job.Attempts >= t.kind.Attempts && !t.kind.Required {
		return sqlerr.Internal.New("the process ended %d times while the job ran", t.job.Attempts)
	}
	t.job.Attempts++
	t.job.State, t.job.Started = sqlmeta.JobRunning, time.Now().UTC()
	if t.job.ID > 0 {
		return s.keep(ctx, &t.job)
	}
	job := t.job
	err := s.write(ctx, func(tx *store.Tx) error {
		s.mu.Lock()
		err := s.number(ctx, tx, &job)
		s.mu.Unlock()
		if err != nil {
			return err
		}
		return sqlmeta.Jobs.Insert(ctx, tx, &job)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.job = job
	s.known[job.ID] = t
	return nil
}

// call runs the job's work. A panic is an error, with its stack in the trace.
func (r *Run) call(ctx context.Context, k *Kind) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.Trace("%v\n%s", p, debug.Stack())
			err = sqlerr.Internal.New("Kalam failed: %v", p)
		}
	}()
	return k.Run(context.WithValue(ctx, runKey{}, r), r)
}

// backoff is how long to wait after so many attempts.
func (s *Scheduler) backoff(attempts int) time.Duration {
	d := s.options.Backoff
	for range attempts - 1 {
		if d *= 2; d > maxBackoff {
			return maxBackoff
		}
	}
	return d
}

// trim removes the records of old jobs, but not the last record. Each kind has its own
// number of them, so that frequent ones do not crowd out what is rare.
func (s *Scheduler) trim(ctx context.Context) {
	_ = s.write(ctx, func(tx *store.Tx) error {
		var done []*sqlmeta.Job
		err := sqlmeta.JobsDone(ctx, tx, func(j *sqlmeta.Job) error {
			done = append(done, j)
			return nil
		})
		oldest := time.Now().Add(-s.options.Age)
		of := map[string]int{}
		for i, j := range slices.Backward(done) {
			if err != nil {
				return err
			}
			of[j.Kind]++
			if i < len(done)-1 && (of[j.Kind] > s.options.History || j.Finished.Before(oldest)) {
				err = sqlmeta.Jobs.Delete(ctx, tx, j.ID)
			}
		}
		return err
	})
}
