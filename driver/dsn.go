package driver

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/kalamgo/kalam/engine"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// Sync says what a commit waits for.
type Sync uint8

const (
	SyncFull   Sync = iota // stable storage
	SyncNormal             // the operating system
	SyncOff                // memory
)

var syncNames = [...]string{"full", "normal", "off"}

// String returns the option's value in a data source name.
func (s Sync) String() string { return syncNames[s] }

// maxMB is the largest Config.CacheMB and WriteBufferMB, in megabytes, and MemLimit: a
// terabyte.
const maxMB = 1 << 20

// Config is a data source name in Go.
type Config struct {
	// Path is the database's directory; for a memory database its shared name,
	// or "" for one that belongs to the Connector alone.
	Path      string
	Memory    bool
	User      string // "": system
	Password  string // of User
	Namespace string // "": default
	Sync      Sync
	ReadOnly  bool
	MustExist bool           // refuse a path where no database is: create=false
	Loc       *time.Location // nil: UTC
	CacheMB   int            // 0: Kalam chooses
	LockWait  time.Duration  // for the lock of a row or table; 0: 50 seconds
	MemLimit  int64          // bytes that a statement may hold before it spills to files; 0: 256 MB
	// WriteBufferMB is how much is written before it goes from memory and log
	// to tables; 0: Kalam chooses.
	WriteBufferMB int
	JobHistory    int           // records of jobs that are over, so many are kept; 0: 1,000
	JobAge        time.Duration // and for so long; 0: 30 days
	Node          int           // number in SNOWFLAKE_ID(), 1 to 1023; 0: derived from machine and path
}

// ParseDSN reads a data source name. Errors are of the kind sqlerr.BadDSN.
func ParseDSN(dsn string) (Config, error) {
	switch {
	case dsn == "":
		return Config{}, sqlerr.BadDSN.New("the data source name is empty: give a path, or :memory:")
	case strings.IndexByte(dsn, 0) >= 0:
		return Config{}, sqlerr.BadDSN.New("the data source name %q holds a zero byte", shown(dsn))
	case dsn == ":memory:":
		return Config{Memory: true}, nil
	case strings.HasPrefix(dsn, "file:"):
		return parseURI(dsn)
	case strings.ContainsRune(dsn, '?'):
		return Config{}, sqlerr.BadDSN.New("the path %q holds a '?': to give options write file:%s", shown(dsn), shown(dsn))
	}
	return Config{Path: dsn}, nil
}

func parseURI(dsn string) (Config, error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return Config{}, sqlerr.BadDSN.Wrap(err, "the path of %q cannot be read: %v", shown(dsn), err)
	}
	// file:///abs is the URI form of /abs.
	if strings.HasPrefix(path, "//") {
		path = strings.TrimPrefix(path, "//")
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return Config{}, sqlerr.BadDSN.New("the options of %q cannot be read", shown(dsn))
	}
	c := Config{Path: path}
	if path == ":memory:" {
		c.Path, c.Memory = "", true
	}
	for name, values := range options {
		if len(values) > 1 {
			return Config{}, sqlerr.BadDSN.New("option %s is given %d times", name, len(values))
		}
		if err := c.setOption(name, values[0]); err != nil {
			return Config{}, err
		}
	}
	if c.Path == "" && !c.Memory {
		return Config{}, sqlerr.BadDSN.New("%q names no path", shown(dsn))
	}
	return c, nil
}

var passwordOption = regexp.MustCompile(`(?i)(pass[^=&]*=)[^&]*`)

// shown returns a data source name without its password.
func shown(dsn string) string { return passwordOption.ReplaceAllString(dsn, "$1…") }

// String returns the data source name without its password; FormatDSN has it.
func (c Config) String() string {
	if c.Password != "" {
		c.Password = "…"
	}
	return c.FormatDSN()
}

func (c *Config) setOption(name, value string) (err error) {
	switch name {
	case "user":
		if c.User = value; value == "" { // such as that of a missing name
			return badOption(name, value, "a user's name; the owner is user=system, or who is meant where there is no such option")
		}
	case "password":
		c.Password = value
	case "namespace":
		c.Namespace = value
	case "sync":
		for i, s := range syncNames {
			if s == value {
				c.Sync = Sync(i)
				return nil
			}
		}
		return badOption(name, value, "full, normal or off")
	case "readonly":
		c.ReadOnly, err = parseBool(name, value)
	case "create":
		var create bool
		create, err = parseBool(name, value)
		c.MustExist = !create
	case "loc":
		if c.Loc, err = time.LoadLocation(value); err != nil {
			return badOption(name, value, "a time zone such as UTC, Local or Europe/Oslo")
		}
	case "cache_mb":
		c.CacheMB, err = parseMB(name, value)
	case "mem_limit":
		c.MemLimit, err = parseSize(name, value)
	case "write_buffer_mb":
		c.WriteBufferMB, err = parseMB(name, value)
	case "node":
		if c.Node, err = strconv.Atoi(value); err != nil || c.Node < 1 || c.Node > engine.MaxNode {
			return badOption(name, value, "a number from 1 to 1023")
		}
	case "job_history":
		if c.JobHistory, err = strconv.Atoi(value); err != nil || c.JobHistory < 1 {
			return badOption(name, value, "a number from 1")
		}
	case "job_age":
		if c.JobAge, err = time.ParseDuration(value); err != nil || c.JobAge <= 0 {
			return badOption(name, value, "a duration such as 720h")
		}
	case "mode":
		if value != "memory" {
			return badOption(name, value, "memory")
		}
		c.Memory = true
	case "lock_wait_timeout":
		if c.LockWait, err = parseWait(value); err != nil {
			return badOption(name, value, "a number of seconds, or a duration such as 500ms")
		}
	default:
		return sqlerr.BadDSN.New("unknown option %q; known are user, password, namespace, sync, readonly, create, loc, cache_mb, mem_limit, write_buffer_mb, lock_wait_timeout, job_history, job_age, node, mode", name)
	}
	return err
}

func parseMB(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxMB {
		return 0, badOption(name, value, "a number of megabytes from 1 to 1048576")
	}
	return n, nil
}

// sizes are the units of a size; without one it is in megabytes.
var sizes = []struct {
	unit  string
	bytes int64
}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}, {"", 1 << 20}}

func parseSize(name, value string) (int64, error) {
	for _, s := range sizes {
		digits, ok := strings.CutSuffix(strings.ToUpper(value), s.unit)
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n > 0 && n <= maxMB<<20/s.bytes {
			return n * s.bytes, nil
		}
		break
	}
	return 0, badOption(name, value, "a number of megabytes from 1 to 1048576, or a size such as 64KB")
}

// formatSize is the inverse of parseSize.
func formatSize(n int64) string {
	switch {
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10)
	case n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + "KB"
	}
	return strconv.FormatInt(n, 10) + "B"
}

// parseWait reads a number of seconds or a duration.
func parseWait(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil {
		var n uint64
		if n, err = strconv.ParseUint(value, 10, 31); err == nil {
			d = time.Duration(n) * time.Second
		}
	}
	if err == nil && d <= 0 {
		err = strconv.ErrRange
	}
	return d, err
}

func parseBool(name, value string) (bool, error) {
	switch value {
	case "true", "1", "":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, badOption(name, value, "true or false")
}

func badOption(name, value, want string) error {
	return sqlerr.BadDSN.New("option %s=%s: give %s", name, value, want)
}

// FormatDSN returns the data source name that ParseDSN reads back as c.
func (c Config) FormatDSN() string {
	path := c.Path
	q := url.Values{}
	if c.Memory {
		if path == "" {
			path = ":memory:"
		} else {
			q.Set("mode", "memory")
		}
	}
	set := func(name, value string, given bool) {
		if given {
			q.Set(name, value)
		}
	}
	set("user", c.User, c.User != "")
	set("password", c.Password, c.Password != "")
	set("namespace", c.Namespace, c.Namespace != "")
	set("sync", c.Sync.String(), c.Sync != SyncFull)
	set("readonly", "true", c.ReadOnly)
	set("create", "false", c.MustExist)
	if c.Loc != nil {
		q.Set("loc", c.Loc.String())
	}
	set("lock_wait_timeout", c.LockWait.String(), c.LockWait != 0)
	set("cache_mb", strconv.Itoa(c.CacheMB), c.CacheMB != 0)
	set("mem_limit", formatSize(c.MemLimit), c.MemLimit != 0)
	set("write_buffer_mb", strconv.Itoa(c.WriteBufferMB), c.WriteBufferMB != 0)
	set("job_history", strconv.Itoa(c.JobHistory), c.JobHistory != 0)
	set("job_age", c.JobAge.String(), c.JobAge != 0)
	set("node", strconv.Itoa(c.Node), c.Node != 0)
	// The path is escaped wholly but for what makes it readable.
	escaped := strings.NewReplacer("%2F", "/", "%3A", ":").Replace(url.PathEscape(path))
	if strings.HasPrefix(escaped, "//") {
		escaped = "//" + escaped
	}
	dsn := "file:" + escaped
	if len(q) > 0 {
		dsn += "?" + q.Encode()
	}
	return dsn
}

// key names the engine that c opens: equal keys share one. A private memory
// database has none.
func (c Config) key() (string, error) {
	switch {
	case c.Memory && c.Path == "":
		return "", nil
	case c.Memory:
		return "memory:" + c.Path, nil
	}
	abs, err := filepath.Abs(c.Path)
	if err != nil {
		return "", sqlerr.CantOpen.Wrap(err, "cannot find the directory of %q: %v", c.Path, err)
	}
	// The database itself may not exist yet, or be a link.
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return "file:" + real, nil
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	return "file:" + abs, nil
}
