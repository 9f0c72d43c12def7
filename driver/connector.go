package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync"
	_ "time/tzdata" // time zones, also where the machine has no data on them

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

func init() { sql.Register("kalam", Driver{}) }

// Driver is the database/sql driver registered as "kalam".
type Driver struct{}

var (
	_ driver.Driver        = Driver{}
	_ driver.DriverContext = Driver{}
)

// Open opens one connection; database/sql uses OpenConnector instead.
func (d Driver) Open(dsn string) (driver.Conn, error) {
	c, err := d.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	defer c.(*Connector).Close() // the connection holds the engine from here on
	return c.Connect(context.Background())
}

// OpenConnector parses a data source name. Nothing is opened yet.
func (Driver) OpenConnector(dsn string) (driver.Connector, error) {
	cfg, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return NewConnector(cfg)
}

// Connector makes connections to one database, for sql.OpenDB. It opens the
// database with its first connection and keeps it open until Close.
type Connector struct {
	cfg Config

	mu     sync.Mutex
	engine *sharedEngine // nil until the first Connect
	closed bool
}

// NewConnector returns a connector for cfg.
func NewConnector(cfg Config) (*Connector, error) {
	if cfg.Path == "" && !cfg.Memory {
		return nil, sqlerr.BadDSN.New("Config has neither Path nor Memory")
	}
	if int(cfg.Sync) >= len(syncNames) {
		return nil, sqlerr.BadDSN.New("Config.Sync is %d", cfg.Sync)
	}
	if cfg.LockWait < 0 {
		return nil, sqlerr.BadDSN.New("Config.LockWait is %v; give a time, or 0 for 50 seconds", cfg.LockWait)
	}
	if cfg.CacheMB < 0 || cfg.CacheMB > maxMB {
		return nil, sqlerr.BadDSN.New("Config.CacheMB is %d; give up to %d, or 0 to let Kalam choose", cfg.CacheMB, maxMB)
	}
	if cfg.MemLimit < 0 || cfg.MemLimit > maxMB<<20 {
		return nil, sqlerr.BadDSN.New("Config.MemLimit is %d; give up to %d, or 0 for the default", cfg.MemLimit, int64(maxMB)<<20)
	}
	if cfg.WriteBufferMB < 0 || cfg.WriteBufferMB > maxMB {
		return nil, sqlerr.BadDSN.New("Config.WriteBufferMB is %d; give up to %d, or 0 to let Kalam choose", cfg.WriteBufferMB, maxMB)
	}
	if cfg.Node < 0 || cfg.Node > engine.MaxNode {
		return nil, sqlerr.BadDSN.New("Config.Node is %d; give 1 to %d, or 0 to have it derived", cfg.Node, engine.MaxNode)
	}
	if cfg.JobHistory < 0 || cfg.JobAge < 0 {
		return nil, sqlerr.BadDSN.New("Config.JobHistory is %d and JobAge %v; give more, or 0 for the defaults", cfg.JobHistory, cfg.JobAge)
	}
	return &Connector{cfg: cfg}, nil
}

// Driver returns the package's Driver.
func (c *Connector) Driver() driver.Driver { return Driver{} }

// Connect opens a connection. Errors: sqlerr.SignInDenied, DatabaseInUse, CantOpen,
// NoSuchDatabase, NotADatabase, NewerFormat, Corrupt.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	session, err := e.NewSession(engine.SessionConfig{
		User:        c.cfg.User,
		Password:    c.cfg.Password,
		Namespace:   c.cfg.Namespace,
		Zone:        c.cfg.Loc,
		Durability:  durability(c.cfg.Sync),
		ReadOnly:    c.cfg.ReadOnly,
		LockWait:    c.cfg.LockWait,
		MemoryBytes: c.cfg.MemLimit,
		Owner:       c,
	})
	if err != nil {
		e.release()
		return nil, err
	}
	return &conn{session: session, engine: e}, nil
}

func durability(s Sync) engine.Durability {
	switch s {
	case SyncNormal:
		return engine.NoSync
	case SyncOff:
		return engine.NoLog
	}
	return engine.Sync
}

// open returns the connector's engine with a reference for the caller.
func (c *Connector) open(ctx context.Context) (*sharedEngine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, sqlerr.Closed.New("the database is closed")
	}
	if c.engine == nil {
		e, err := acquire(ctx, c.cfg)
		if err != nil {
			return nil, err
		}
		c.engine = e
	}
	c.engine.retain()
	return c.engine, nil
}

// Close ends the connector's live queries and gives up its hold on the database, which
// closes once its connections, and all others', are closed too.
func (c *Connector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.engine == nil {
		return nil
	}
	c.engine.EndSubscriptions(c)
	return c.engine.release()
}

// sharedEngine is an engine with the number of connectors and connections that
// hold it.
type sharedEngine struct {
	*engine.Engine
	key      string // in engines; "" for a private one
	readOnly bool
	refs     int // guarded by enginesMu
}

// engines are the open ones by Config.key. The mutex is held while one opens
// or closes, so that a path is never opened beside itself.
var (
	enginesMu sync.Mutex
	engines   = map[string]*sharedEngine{}
)

// acquire returns the engine for cfg with one reference more.
func acquire(ctx context.Context, cfg Config) (*sharedEngine, error) {
	key, err := cfg.key()
	if err != nil {
		return nil, err
	}
	enginesMu.Lock()
	defer enginesMu.Unlock()
	if e := engines[key]; e != nil && key != "" {
		if e.readOnly && !cfg.ReadOnly {
			return nil, sqlerr.DatabaseInUse.New("%s is open with readonly in this process: close it there first, or open it with readonly here too", cfg.Path)
		}
		e.refs++
		return e, nil
	}
	// A memory database is made by who opens it first, and that one's
	// read-only wish concerns its sessions alone.
	readOnly := cfg.ReadOnly && !cfg.Memory
	opened, err := engine.Open(ctx, engine.Config{
		Path:       cfg.Path,
		InMemory:   cfg.Memory,
		ReadOnly:   readOnly,
		Create:     !cfg.MustExist && !readOnly || cfg.Memory,
		CacheBytes: int64(cfg.CacheMB) << 20,

		WriteBufferBytes: int64(cfg.WriteBufferMB) << 20,
		Node:             cfg.Node,
		JobHistory:       cfg.JobHistory,
		JobAge:           cfg.JobAge,
	})
	if err != nil {
		return nil, err
	}
	e := &sharedEngine{Engine: opened, key: key, readOnly: readOnly, refs: 1}
	// A path that did not exist may have a canonical name only now.
	if strings.HasPrefix(key, "file:") {
		if e.key, err = cfg.key(); err != nil {
			e.key = key
		}
	}
	if e.key != "" {
		engines[e.key] = e
	}
	return e, nil
}

func (e *sharedEngine) retain() {
	enginesMu.Lock()
	e.refs++
	enginesMu.Unlock()
}

func (e *sharedEngine) release() error {
	enginesMu.Lock()
	defer enginesMu.Unlock()
	if e.refs--; e.refs > 0 {
		return nil
	}
	if e.key != "" {
		delete(engines, e.key)
	}
	return e.Engine.Close()
}
