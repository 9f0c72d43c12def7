// Package engine is Kalam's SQL engine: it opens a database and runs SQL in
// sessions.
//
// A statement's way is one line: text -> plan cache (a hit skips the next two
// steps) -> parse -> plan -> operators -> table stores over one snapshot ->
// batches of rows.
package engine

import (
	"context"
	"hash/fnv"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam/engine/exec"
	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/live"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/tables"
	"github.com/kalamgo/kalam/engine/topic"
	"github.com/kalamgo/kalam/engine/txn"
)

// Config says which database to open.
type Config struct {
	Path       string // a directory
	InMemory   bool   // keep everything in memory; Path is not used
	ReadOnly   bool   // refuse writes with sqlerr.ReadOnly
	Create     bool   // make the database when it is missing
	CacheBytes int64  // block cache, and as much again for decoded columns of segments; 0: a default
	// WriteBufferBytes is what is written before it goes from memory and log to
	// tables; 0: a default.
	WriteBufferBytes int64

	// Node is the database's number in SNOWFLAKE_ID(), up to MaxNode; 0: derived from
	// the machine's name and the path.
	Node int

	// MemoryBytes is what a statement's sorts, joins and aggregations may hold
	// before they spill to temporary files; 0: a default.
	MemoryBytes int64
	// ChangeBytes is about what a transaction's changes may take before they go to
	// temporary files; 0: a default.
	ChangeBytes int64
	// LockWait is how long a row lock is waited for; 0: txn.DefaultLockWait.
	LockWait time.Duration
	// ChangeRetention is for how long changes of tables with live queries are kept; 0:
	// live.DefaultRetention. LogBytes is about what those of a table may take; 0: a
	// default.
	ChangeRetention time.Duration
	LogBytes        int64

	// JobHistory is how many records of jobs that are over are kept; 0: a default.
	JobHistory int
	// JobAge is for how long they are kept; 0: a default.
	JobAge time.Duration
}

// The bounds of the caches of parsed texts and of plans.
const (
	cacheEntries = 4096
	cacheBytes   = 64 << 20
)

// Engine is an open database. It may be used from several goroutines at once.
type Engine struct {
	cfg         Config
	db          *store.DB
	txns        *txn.Manager
	live        *live.Hub
	topics      *topic.Topics
	catalog     *service.Catalog
	temporaries atomic.Uint64 // versions of sessions' temporary tables that were given out

	texts   *cache[textKey, *text]
	plans   *cache[planKey, *preparedPlan]
	tempDir string
	started time.Time
	named   *namedLocks
	jobs    *jobs.Scheduler // not started of a database that is read only

	sessionIDs atomic.Uint64
	closed     atomic.Bool
	// gate is held for reading by every call that uses the database.
	gate sync.RWMutex

	mu       sync.Mutex
	sessions map[*Session]struct{}
	zones    map[string]*time.Location // by name, so that plans are shared
}

// Open opens the database that cfg describes. Opening one path twice in a
// process is for the caller to avoid. Errors: sqlerr.NoSuchDatabase,
// NotADatabase, NewerFormat, DatabaseInUse, CantOpen, Corrupt.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	db, err := store.Open(store.Config{
		Path: cfg.Path, InMemory: cfg.InMemory, ReadOnly: cfg.ReadOnly, Create: cfg.Create, CacheBytes: cfg.CacheBytes,
		WriteBufferBytes: cfg.WriteBufferBytes, TempDir: cfg.tempDir(), ChangeBytes: cfg.ChangeBytes,
		LogBytes: cfg.LogBytes,
	})
	if err != nil {
		return nil, err
	}
	e, err := open(ctx, cfg, db)
	if err != nil {
		db.Close()
		return nil, err
	}
	return e, nil
}

// open returns an engine over db, which is the engine's unless it fails.
func open(ctx context.Context, cfg Config, db *store.DB) (*Engine, error) {
	e := &Engine{
		cfg: cfg, db: db, txns: txn.New(db, cfg.LockWait), started: time.Now(), named: newNamedLocks(),
		texts:    newCache[textKey, *text](cacheEntries, cacheBytes),
		plans:    newCache[planKey, *preparedPlan](cacheEntries, cacheBytes),
		sessions: map[*Session]struct{}{},
		zones:    map[string]*time.Location{},
	}
	if e.cfg.Node == 0 {
		e.cfg.Node = derivedNode(cfg.Path)
	}
	db.SetValues(tables.NewValues())
	e.jobs = jobs.New(e.txns, jobs.Options{History: cfg.JobHistory, Age: cfg.JobAge})
	e.jobs.Register(jobs.Kind{Name: "analyze", Run: e.analyzeJob})
	e.live = live.New(db, e.txns, cfg.ChangeRetention, cfg.ReadOnly)
	e.catalog = service.New(db, e.txns, e.jobs, e.live)
	e.topics = topic.New(db, e.txns, e.live, e)
	if err := e.openTempDir(); err != nil {
		return nil, err
	}
	if !cfg.ReadOnly {
		if err := e.catalog.Sweep(ctx); err != nil {
			return nil, err
		}
		stored, err := e.catalog.Stored(ctx)
		if err == nil {
			err = e.live.Restore(ctx, stored)
		}
		if err != nil {
			return nil, err
		}
		e.live.OnLeft(func(t *schema.Table, user string, at time.Time) { e.jobs.Submit(service.EndEvents(t, &user, at), 0) })
		if err := e.topics.Restore(ctx); err != nil {
			return nil, err
		}
		scope := service.Scope{Now: time.Now().UTC(), Warn: func(error) {}}
		if err := e.catalog.CreateNamespace(ctx, scope, DefaultNamespace); err != nil {
			return nil, err
		}
	}
	if !cfg.ReadOnly {
		e.catalog.OnChange(e.analyzeLater)
		e.jobs.Every(trimEvery, func(ctx context.Context) []sqlmeta.Job {
			_ = e.live.Trim(ctx, time.Now()) // else the next time
			return nil
		})
		if err := e.jobs.Start(ctx); err != nil {
			return nil, err
		}
		for _, j := range e.catalog.LeftEvents(ctx, time.Now()) {
			e.jobs.Submit(j, 0)
		}
	}
	return e, nil
}

// MaxNode is the largest Config.Node.
const MaxNode = expr.MaxNode

// derivedNode returns a node for the database at path on this machine.
func derivedNode(path string) int {
	host, _ := os.Hostname()
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(host + "\x00" + path))
	return int(h.Sum32() % (MaxNode + 1))
}

// tempDir is the directory of the database's temporary files; "": it has none.
func (c *Config) tempDir() string {
	if c.InMemory || c.ReadOnly || c.Path == "" {
		return ""
	}
	return filepath.Join(c.Path, "kalam-tmp")
}

// openTempDir makes the directory of temporary files, empty.
func (e *Engine) openTempDir() error {
	if e.tempDir = e.cfg.tempDir(); e.tempDir == "" {
		e.tempDir = os.TempDir()
		return nil
	}
	// What a crash left behind is of no use.
	err := os.RemoveAll(e.tempDir)
	if err == nil {
		err = os.Mkdir(e.tempDir, 0o700)
	}
	if err != nil {
		return sqlerr.CantOpen.Wrap(err, "Can't make the directory of temporary files: %v", err)
	}
	return nil
}

// memoryBytes is what a statement may hold where its session does not say.
func (e *Engine) memoryBytes() int64 {
	if n := e.cfg.MemoryBytes; n > 0 {
		return n
	}
	return exec.DefaultMemoryBytes
}

// enter begins a call that uses the database; leave ends it.
func (e *Engine) enter() error {
	e.gate.RLock()
	if e.closed.Load() {
		e.gate.RUnlock()
		return errClosed("database")
	}
	return nil
}

func (e *Engine) leave() { e.gate.RUnlock() }

func errClosed(what string) error { return sqlerr.Closed.New("the %s is closed", what) }

// Close waits for running statements, those that wait for locks fail, ends all
// live queries and sessions and closes the database. Everything used afterwards fails with sqlerr.Closed. It is idempotent.
func (e *Engine) Close() error {
	if !e.closed.CompareAndSwap(false, true) {
		return nil
	}
	e.txns.Close()
	e.live.Close()
	e.jobs.Stop()
	e.gate.Lock()
	defer e.gate.Unlock()
	e.live.Release()
	for s := range e.sessions {
		s.end()
	}
	clear(e.sessions)
	if e.tempDir != os.TempDir() {
		os.RemoveAll(e.tempDir) // a next Open would, too
	}
	return e.db.Close()
}

// Closed reports whether Close was called.
func (e *Engine) Closed() bool { return e.closed.Load() }

// text is a parsed text of statements, shared by all sessions.
type text struct {
	statements []*parse.Statement
	positional int  // number of positional parameters
	named      bool // parameters have names
}

// parse returns a text's statements.
// textKey is all that a parsed text depends on.
type textKey struct {
	sql     string
	dialect parse.Dialect
}

func (e *Engine) parse(sql string, dialect parse.Dialect) (*text, error) {
	key := textKey{sql, dialect}
	if t, ok := e.texts.get(key); ok {
		return t, nil
	}
	list, err := dialect.Parse(sql)
	if err != nil {
		return nil, err
	}
	t := &text{statements: list}
	for _, st := range list {
		if st.Names != nil {
			t.named = true
		} else {
			t.positional += st.Params
		}
	}
	e.texts.put(key, t, 32*len(sql)) // an AST takes some ten times its text
	return t, nil
}

// zone returns the time zone of a name, one location for each.
func (e *Engine) zone(name string) (*time.Location, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if z := e.zones[name]; z != nil {
		return z, nil
	}
	z, err := loadZone(name)
	if err == nil {
		e.zones[name] = z
	}
	return z, err
}
