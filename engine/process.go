package engine

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// process is what a session is doing, for other sessions to see and to stop.
type process struct {
	mu       sync.Mutex
	sql      string // of the statement that runs; "": none does
	since    time.Time
	database string
	stop     context.CancelFunc
	killed   atomic.Bool // the session may do no more
}

// begin notes that a text runs. It returns the context to run it in, and what
// is to be called when all its rows are read.
func (p *process) begin(ctx context.Context, sql, database string) (context.Context, context.CancelFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, p.stop = context.WithCancel(ctx)
	p.sql, p.since, p.database = sql, time.Now(), database
	return ctx, p.stop
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
		list = append(list, processInfo{s.id, s.cfg.User, s.process.database, s.process.sql, int64(time.Since(s.process.since) / time.Second)})
		s.process.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b processInfo) int { return cmp.Compare(a.id, b.id) })
	return list
}

func (s *Session) infoProcesses(add rowAdder) {
	for _, p := range s.engine.processes() {
		command, info, database, state := "Sleep", any(nil), any(nil), ""
		if p.sql != "" {
			command, info, state = "Query", p.sql, "executing"
		}
		if p.database != "" {
			database = p.database
		}
		add(p.id, p.user, "localhost", database, command, p.seconds, state, info)
	}
}

// kill stops the statement that session id runs, and with whole the session: it
// can do no more, and its transaction is rolled back when it ends.
func (e *Engine) kill(id uint64, whole bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.sessions {
		if s.id != id {
			continue
		}
		s.process.mu.Lock()
		defer s.process.mu.Unlock()
		if whole {
			s.process.killed.Store(true)
		}
		if s.process.stop != nil {
			s.process.stop()
		}
		return nil
	}
	return sqlerr.NoSuchThread.New("Unknown thread id: %d", id)
}
