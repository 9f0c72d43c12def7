package engine

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// process is what a session is doing, for other sessions to see and to stop.
type process struct {
	mu       sync.Mutex
	sql      string // of the statement that runs; "": none does
	since    time.Time
	database string
	user     string
	running  *textContext // the text that began last; or nil
	killed   atomic.Bool  // the session may do no more
}

// begin notes that a text runs. It returns the context to run it in, which is to be
// stopped when all its rows are read.
func (p *process) begin(ctx context.Context, sql, database, user string) *textContext {
	c := &textContext{Context: ctx}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = c
	p.sql, p.since, p.database, p.user = sql, time.Now(), database, user
	return c
}

// textContext is the context that a text's statements run in: it ends with the caller's,
// or when it is stopped. Until somebody waits for its end it costs less than one of
// package context's.
type textContext struct {
	context.Context // the caller's
	stopped         atomic.Bool

	mu     sync.Mutex
	waited context.Context // what Done is of, or nil
	cancel context.CancelFunc
}

func (c *textContext) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped.Store(true)
	if c.cancel != nil {
		c.cancel()
	}
}

// endsWith reports whether c ends when ctx does.
func (c *textContext) endsWith(ctx context.Context) bool {
	return reflect.TypeOf(ctx).Kind() == reflect.Pointer && (ctx == context.Context(c) || ctx == c.Context) || ctx.Done() == nil
}

// Err implements context.Context.
func (c *textContext) Err() error {
	if err := c.Context.Err(); err != nil || !c.stopped.Load() {
		return err
	}
	return context.Canceled
}

// Done implements context.Context.
func (c *textContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waited == nil {
		c.waited, c.cancel = context.WithCancel(c.Context)
		if c.stopped.Load() {
			c.cancel()
		}
	}
	return c.waited.Done()
}

// end notes that it ran; its rows may still be read.
func (p *process) end(database string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sql, p.since, p.database = "", time.Now(), database
}

// processInfo is a line of the process list.
type processInfo struct {
	id             uint64
	user, database string
	sql            string // "": it sleeps
	seconds        int64  // in this state
}

// processes lists the sessions by id.
func (e *Engine) processes() []processInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []processInfo
	for s := range e.sessions {
		s.process.mu.Lock()
		list = append(list, processInfo{s.id, s.process.user, s.process.database, s.process.sql, int64(time.Since(s.process.since) / time.Second)})
		s.process.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b processInfo) int { return cmp.Compare(a.id, b.id) })
	return list
}

// infoProcesses lists the sessions whose statements the session's user may see.
func (s *Session) infoProcesses(ctx context.Context, add rowAdder) error {
	for _, p := range s.engine.processes() {
		may, err := s.engine.outranks(ctx, s.user, p.user)
		if err != nil {
			return err
		}
		if !may && p.user != s.user {
			continue
		}
		command, info, database, state := "Sleep", any(nil), any(nil), ""
		if p.sql != "" {
			command, info, state = "Query", parse.Shown(p.sql), "executing"
		}
		if p.database != "" {
			database = p.database
		}
		add(p.id, p.user, "localhost", database, command, p.seconds, state, info)
	}
	return nil
}

// kill stops, for a user, the statement that session id runs, and with whole the
// session: it can do no more, and its transaction is rolled back when it ends.
func (e *Engine) kill(ctx context.Context, by string, id uint64, whole bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.sessions {
		if s.id != id {
			continue
		}
		s.process.mu.Lock()
		defer s.process.mu.Unlock()
		may, err := e.outranks(ctx, by, s.process.user)
		if err != nil {
			return err
		}
		if !may && by != s.process.user {
			return sqlerr.KillDenied.New("You are not owner of thread %d", id)
		}
		if whole {
			s.process.killed.Store(true)
		}
		if s.process.running != nil {
			s.process.running.stop()
		}
		return nil
	}
	return sqlerr.NoSuchThread.New("Unknown thread id: %d", id)
}

// killJob runs KILL JOB.
func (e *Engine) killJob(ctx context.Context, n *parse.KillJob) error {
	if e.cfg.ReadOnly {
		return sqlerr.ReadOnly.New("The database is open for reading only")
	}
	return e.jobs.Kill(ctx, n.ID)
}
