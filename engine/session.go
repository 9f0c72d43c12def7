package engine

import (
	"cmp"
	"context"
	"time"

	"github.com/kalamgo/kalam/engine/expr"
	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/service"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
	"github.com/kalamgo/kalam/engine/txn"
	"github.com/kalamgo/kalam/engine/types"
)

// Durability is what a commit waits for.
type Durability = store.Durability

// The durabilities.
const (
	Sync   = store.Sync   // on stable storage: survives power loss
	NoSync = store.NoSync // handed to the operating system: survives the process
	NoLog  = store.NoLog  // in memory until flushed: may be lost with the process
)

// DefaultNamespace is the namespace of sessions that name none.
const DefaultNamespace = service.DefaultNamespace

// SystemUser is the user of sessions that name none: the local owner.
const SystemUser = service.Owner

// SessionConfig says how a session begins.
type SessionConfig struct {
	User       string         // "": SystemUser
	Password   string         // of User
	Namespace  string         // "": DefaultNamespace
	Zone       *time.Location // nil: UTC
	Durability Durability
	ReadOnly   bool // all its transactions are read-only
	// LockWait is how long to wait for the lock of a row or table; 0: Config's.
	LockWait time.Duration
	// MemoryBytes is what a statement may hold; 0: the engine's Config.
	MemoryBytes int64
	// Owner is whom Engine.EndSubscriptions names.
	Owner any
}

// Arg is an argument of a statement.
type Arg struct {
	Name  string // of a :name parameter; "": positional
	Type  types.Type
	Value types.Value // TIMESTAMPs in the session's zone
}

// Result is what a statement without rows did.
type Result struct {
	RowsAffected int64
	LastInsertID int64 // the first AUTO_INCREMENT value that the statement generated, or 0
}

// Session is one connection's state. It is used by one goroutine at a time.
type Session struct {
	engine *Engine
	cfg    SessionConfig
	id     uint64
	closed bool

	settings
	own     settings // of the session's own user, while statements are another's
	user    string   // whose statements run, see become
	process process
	args    arguments // memory for those of statements without rows
	tx      *transaction
	spare   *transaction // of a query that has ended, or nil
	open    map[*Rows]struct{}

	temporaries temporaries
	locked      *lockedTables // by LOCK TABLES, or nil
	making      *schema.Table // the table that a CREATE TABLE … SELECT fills; or nil

	userVariables map[string]userVariable
	prepared      map[string]*parse.Statement // by PREPARE
	lastInsertID  uint64
	rowCount      int64 // of the statement before; -1: it had rows
	foundRows     int64
	warnings      []error // of the statement before
	lastError     error   // the one of warnings that made it fail

	// The callbacks of every statement's expr.Env.
	onWarning      func(error)
	onLastInsertID func(uint64)
}

// settings are what USE and SET change.
type settings struct {
	namespace     string
	zone          *time.Location
	autocommit    bool
	modes         sqlModes
	noForeignKeys bool          // foreign_key_checks is off
	safeUpdates   bool          // sql_safe_updates
	defaults      TxOptions     // of transactions
	next          *TxOptions    // of the next one, by SET TRANSACTION
	concatLen     int64         // group_concat_max_len
	recursion     int64         // cte_max_recursion_depth; -1: 0
	lockWait      time.Duration // for a row's lock
	tableWait     time.Duration // for a table's
	selectLimit   *int64        // sql_select_limit; nil: none
	maxTime       time.Duration // max_execution_time; 0: none
	memory        int64         // mem_limit; 0: the engine's
	assumedRows   int64         // assumed_rows, of a table at least; 0: as counted
	timestamp     time.Time     // what NOW() is; zero: the clock's time
	remembered    map[string]int64
}

// NewSession opens a session. Errors: sqlerr.SignInDenied, BadDatabase.
func (e *Engine) NewSession(cfg SessionConfig) (*Session, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	if cfg.User == "" {
		cfg.User = SystemUser
	}
	var err error
	if cfg.User, err = e.catalog.SignIn(context.Background(), cfg.User, cfg.Password); err != nil {
		return nil, err
	}
	cfg.Password = ""
	return e.newSession(cfg)
}

// newSession opens a session of a user, by its id, who has signed in.
func (e *Engine) newSession(cfg SessionConfig) (*Session, error) {
	if cfg.Namespace == "" {
		cfg.Namespace = DefaultNamespace
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	cfg.ReadOnly = cfg.ReadOnly || e.cfg.ReadOnly
	if err := e.catalog.CheckNamespace(context.Background(), cfg.Namespace); err != nil {
		return nil, err
	}
	s := &Session{engine: e, cfg: cfg, id: e.sessionIDs.Add(1), open: map[*Rows]struct{}{}}
	s.process.since, s.process.database, s.process.user = time.Now(), cfg.Namespace, cfg.User
	s.onWarning = s.warn
	s.onLastInsertID = func(id uint64) { s.lastInsertID = id }
	s.initialise()
	e.mu.Lock()
	e.sessions[s] = struct{}{}
	e.mu.Unlock()
	return s, nil
}

// initialise sets what statements can change.
func (s *Session) initialise() {
	wait := cmp.Or(s.cfg.LockWait, s.engine.cfg.LockWait, txn.DefaultLockWait)
	s.settings = settings{
		namespace: s.cfg.Namespace, zone: s.cfg.Zone, autocommit: true, modes: defaultModes,
		defaults: TxOptions{Isolation: RepeatableRead, ReadOnly: s.cfg.ReadOnly}, concatLen: expr.DefaultGroupConcatMaxLen,
		recursion: expr.DefaultMaxRecursion, lockWait: wait, tableWait: wait, memory: s.cfg.MemoryBytes,
	}
	s.user = s.cfg.User
	s.forget()
}

// enter begins a call of the session; Engine.leave ends it.
func (s *Session) enter() error {
	if s.closed || s.process.killed.Load() {
		return errClosed("session")
	}
	return s.engine.enter()
}

// Prepare parses and plans one or several statements. Syntax errors,
// unsupported SQL and unknown names fail here; names that an earlier statement
// of the same text may make are looked up when it runs.
func (s *Session) Prepare(ctx context.Context, sql string) (*Stmt, error) {
	return s.prepare(ctx, sql, 1)
}

// prepare parses a text, and checks it if it has at least so many statements.
func (s *Session) prepare(ctx context.Context, sql string, checked int) (*Stmt, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.engine.leave()
	if err := s.become(ctx); err != nil {
		return nil, err
	}
	t, err := s.engine.parse(sql, s.dialect())
	if err != nil {
		return nil, err
	}
	if len(t.statements) >= checked {
		if err := s.checkAll(ctx, t); err != nil {
			return nil, err
		}
	}
	return &Stmt{session: s, text: t}, nil
}

func (s *Session) checkAll(ctx context.Context, t *text) error {
	later := false
	for _, st := range t.statements {
		if err := s.check(ctx, st, later); err != nil {
			return at(err, st)
		}
		later = later || changesNames(st.AST)
	}
	return nil
}

// at moves an error's position from the statement to the whole text.
func at(err error, st *parse.Statement) error {
	if e := sqlerr.As(err); e != nil && e.Position > 0 && st.Offset > 0 {
		moved := *e
		moved.Position += st.Offset
		return &moved
	}
	return err
}

// Exec prepares and runs statements; the result is the last one's.
func (s *Session) Exec(ctx context.Context, sql string, args []Arg) (Result, error) {
	st, err := s.adHoc(ctx, sql)
	if err != nil {
		return Result{}, err
	}
	return st.Exec(ctx, args)
}

// Query prepares and runs statements; the rows are those of all statements
// that have some.
func (s *Session) Query(ctx context.Context, sql string, args []Arg) (*Rows, error) {
	st, err := s.adHoc(ctx, sql)
	if err != nil {
		return nil, err
	}
	return st.Query(ctx, args)
}

// adHoc is Prepare for a text that runs at once: a single statement is checked
// by being run.
func (s *Session) adHoc(ctx context.Context, sql string) (*Stmt, error) {
	return s.prepare(ctx, sql, 2)
}

// Zone returns the session's time zone, in which TIMESTAMP values are.
func (s *Session) Zone() *time.Location { return s.zone }

// Reset brings the session back to the state that NewSession gave it: open rows
// are closed, an open transaction is rolled back, and what USE and SET changed
// is undone.
func (s *Session) Reset() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.engine.leave()
	s.end()
	s.initialise()
	return nil
}

// end gives back all that the session holds of the database.
func (s *Session) end() {
	for r := range s.open {
		r.close()
	}
	if s.tx != nil {
		s.tx.Rollback()
		s.tx = nil
	}
	s.engine.named.releaseAll(s.id)
	s.dropTemporaries()
	s.unlockTables()
}

// Close rolls back an open transaction and ends the session. It is idempotent.
func (s *Session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.engine.enter() != nil {
		return nil // the engine's Close ended the session
	}
	defer s.engine.leave()
	s.end()
	s.engine.mu.Lock()
	delete(s.engine.sessions, s)
	s.engine.mu.Unlock()
	return nil
}

// Stmt is a prepared text of one or several statements. It belongs to its
// session.
type Stmt struct {
	session *Session
	text    *text
	closed  bool
}

// NumInput returns the number of positional parameters, -1 when they are named.
func (st *Stmt) NumInput() int {
	if st.text.named {
		return -1
	}
	return st.text.positional
}

// Exec runs all statements; the result is the last one's.
func (st *Stmt) Exec(ctx context.Context, args []Arg) (Result, error) {
	o, err := st.run(ctx, args, false)
	return o.Result, err
}

// Query runs all statements; the rows are those of all statements that have some.
func (st *Stmt) Query(ctx context.Context, args []Arg) (*Rows, error) {
	o, err := st.run(ctx, args, true)
	return o.rows, err
}

// Close drops the statement. It is idempotent.
func (st *Stmt) Close() error {
	st.closed = true
	return nil
}

// outcome is what a text did.
type outcome struct {
	Result
	rows *Rows // of Query
}

func (st *Stmt) run(ctx context.Context, args []Arg, query bool) (o outcome, err error) {
	if st.closed {
		return o, errClosed("statement")
	}
	s := st.session
	if err := s.enter(); err != nil {
		return o, err
	}
	defer s.engine.leave()
	if err := st.text.checkArgs(args); err != nil {
		return o, err
	}
	if err := s.become(ctx); err != nil {
		return o, err
	}
	running := s.process.begin(ctx, st.text.statements[0].SQL, s.namespace, s.user)
	ctx = running
	defer func() {
		s.process.end(s.namespace)
		if o.rows == nil || len(o.rows.sets) == 0 {
			running.stop()
		} else {
			o.rows.running = running
		}
	}()
	if query {
		o.rows = &Rows{session: s}
		s.open[o.rows] = struct{}{}
		defer func() {
			if err != nil {
				o.rows.close()
				o.rows = nil
			}
		}()
	}
	for i, one := range st.text.statements {
		var into arguments // of a query its rows are read later
		if !query {
			into = s.args
		}
		p, err := statementArgs(one, args, into)
		if err != nil {
			return o, err
		}
		if !query && len(p.values) > 0 {
			s.args = p
			defer clear(p.values) // they may hold on to much
		}
		result, set, err := s.run(ctx, one, p)
		if err != nil {
			return o, at(err, one)
		}
		o.Result = result
		switch {
		case set == nil:
			continue
		case set.endless && !query:
			err = sqlerr.Unsupported("SUBSCRIBE whose rows are not read: run it as a query")
		case set.endless && i < len(st.text.statements)-1:
			err = sqlerr.Unsupported("SUBSCRIBE before other statements")
		case !query:
			err = set.drain(ctx)
		case i < len(st.text.statements)-1:
			if err = set.keep(ctx, s.memoryBytes()); err == nil {
				o.rows.sets = append(o.rows.sets, set)
			}
		default:
			o.rows.sets = append(o.rows.sets, set)
		}
		if err != nil {
			set.close()
			return o, at(err, one)
		}
	}
	return o, nil
}
