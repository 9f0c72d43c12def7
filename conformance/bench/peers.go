package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/marcboeker/go-duckdb"
	"github.com/mattn/go-sqlite3"
	_ "modernc.org/sqlite"

	_ "github.com/kalamgo/kalam/driver"
)

// peer is a database under test, or a floor: what the work costs without one.
// All commit durably: Kalam and DuckDB by default, SQLite with its write-ahead
// log and synchronous=FULL.
type peer struct {
	name    string
	pkg     string // of the driver
	driver  string // as it is registered
	dsn     func(path string) string
	connect func(path string) (*sql.DB, error) // instead, if it is not registered
	dialect dialect
	conns   int // most connections; 0: one for each goroutine
	// absent names themes and workloads that the peer has no part in, by how they
	// begin, and why not.
	absent map[string]string
	most   int  // rows of a table at most; 0: any number
	many   bool // takes part only where several goroutines work

	floor bool
	raw   *raw // with RocksDB alone
	noop  *atomic.Pointer[reply]

	path      string
	db        *sql.DB
	state     state      // of the table t
	tuned     bool       // for TPC-H
	answered  [][]string // of the query that was last timed
	terminals *terminals // of TPC-C
}

// dialect is in what SQL differs.
type dialect uint8

const (
	mysql dialect = iota
	sqlite
	duck
)

const (
	kalamName  = "Kalam"
	cacheMB    = 256 // of each database
	most       = 64  // goroutines, and so connections
	noServer   = "is no database for many small writes: concurrent transactions on one table fail"
	noMemory   = "keeps nothing on disk"
	slowWrites = "looks at every row for each that it adds"
)

// peers returns Kalam first, then those it is compared with, then the floors.
func peers() []*peer {
	return []*peer{
		{name: kalamName, pkg: "github.com/kalamgo/kalam/driver", driver: "kalam", dsn: func(path string) string {
			return fmt.Sprintf("file:%s?cache_mb=%d", path, cacheMB)
		}},
		{name: "go-sqlite3", pkg: "github.com/mattn/go-sqlite3", driver: "sqlite3-tuned", dsn: mattn, dialect: sqlite, conns: 1},
		{name: "go-sqlite3, pool", pkg: "github.com/mattn/go-sqlite3", driver: "sqlite3-tuned", dsn: mattn, dialect: sqlite, many: true},
		{name: "modernc", pkg: "modernc.org/sqlite", driver: "sqlite", dialect: sqlite, conns: 1, dsn: func(path string) string {
			return "file:" + path + "?" + url.Values{
				"_pragma": {
					"journal_mode(WAL)", "synchronous(FULL)", "temp_store(MEMORY)", "case_sensitive_like(1)",
					fmt.Sprintf("cache_size(%d)", -cacheMB*1024), "busy_timeout(60000)",
				},
				"_txlock": {"immediate"},
			}.Encode()
		}},
		{name: "DuckDB", pkg: "github.com/marcboeker/go-duckdb", driver: "duckdb", dsn: func(path string) string { return path }, dialect: duck,
			absent: map[string]string{
				"TPC-C": noServer, "YCSB": noServer, "Writes": noServer, "Bulk load: prepared, a row": "its users have the appender",
			}},
		{name: "go-mysql-server", pkg: "github.com/dolthub/go-mysql-server", connect: memoryServer, most: 5_000, absent: map[string]string{
			"Writes": noMemory, "YCSB": noMemory, "TPC-C": noMemory, "TPC-H": noMemory, "Files": noMemory, "Bulk load": slowWrites,
		}},
		{name: "RocksDB", pkg: "github.com/linxGnu/grocksdb", floor: true, raw: &raw{}},
		{name: "no-op driver", floor: true, noop: &atomic.Pointer[reply]{}},
	}
}

func init() {
	sql.Register("sqlite3-tuned", &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		_, err := c.Exec("PRAGMA mmap_size = 1073741824; PRAGMA temp_store = MEMORY; PRAGMA case_sensitive_like = ON", nil)
		return err
	}})
}

func mattn(path string) string {
	return "file:" + path + "?" + url.Values{
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_cache_size":   {fmt.Sprint(-cacheMB * 1024)},
		"_busy_timeout": {"60000"},
		"_txlock":       {"immediate"},
	}.Encode()
}

// takesPart tells whether p does w, which is of the theme of s.
func (p *peer) takesPart(s *section, w workload) bool {
	switch {
	case p.raw != nil:
		return w.raw != nil
	case p.noop != nil:
		return w.reply != nil
	case p.most > 0 && s.Rows > p.most, p.many && w.goroutines < 2:
		return false
	}
	for what := range p.absent {
		if strings.HasPrefix(s.Theme+": "+w.name, what) {
			return false
		}
	}
	return true
}

// pathIn is where the peer has its database in a directory.
func (p *peer) pathIn(dir string) string {
	return filepath.Join(dir, strings.ReplaceAll(p.name, " ", "-"))
}

func (p *peer) open(path string) (err error) {
	p.path = path
	switch {
	case p.raw != nil:
		return p.raw.open(p.path)
	case p.noop != nil:
		p.db = sql.OpenDB(noopConnector{p.noop})
	case p.connect != nil:
		p.db, err = p.connect(path)
	default:
		p.db, err = sql.Open(p.driver, p.dsn(path))
	}
	if err != nil {
		return err
	}
	p.db.SetMaxOpenConns(p.conns)
	p.db.SetMaxIdleConns(most)
	return p.db.Ping()
}

func (p *peer) close() error {
	if p.raw != nil {
		return p.raw.close()
	}
	return p.db.Close()
}

func (p *peer) exec(statements ...string) error {
	for _, s := range statements {
		if _, err := p.db.Exec(s); err != nil {
			return fmt.Errorf("%.100s: %w", s, err)
		}
	}
	return nil
}

// settle waits until jobs in the background, which follow upon much work, are
// over.
func (p *peer) settle() error {
	for p.packs() {
		var busy int
		if err := p.db.QueryRow("SELECT COUNT(*) FROM system.jobs WHERE state IN ('queued', 'running')").Scan(&busy); err != nil {
			return err
		}
		if busy == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// fill adds n rows to a table in the way that is fastest without files, or
// nearly so.
func (p *peer) fill(table string, n int, row func(id int) []any) error {
	if p.dialect == duck {
		return p.appendRows(table, n, row)
	}
	return p.insertRows(table, n, 100, row)
}

// insertRows adds n rows in one transaction by statements with some rows each.
func (p *peer) insertRows(table string, n, rows int, row func(id int) []any) error {
	tx, err := p.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	width := len(row(0))
	var stmt *sql.Stmt
	args := make([]any, 0, width*rows)
	for from := 0; from < n; from += rows {
		count := min(rows, n-from)
		if stmt == nil || count < rows {
			if stmt, err = tx.Prepare(insertText(table, width, count)); err != nil {
				return err
			}
			defer stmt.Close()
		}
		args = args[:0]
		for i := range count {
			args = append(args, row(from+i)...)
		}
		if _, err := stmt.Exec(args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func insertText(table string, width, rows int) string {
	row := "(?" + strings.Repeat(", ?", width-1) + ")"
	return "INSERT INTO " + table + " VALUES " + row + strings.Repeat(", "+row, rows-1)
}

// appendRows adds rows through DuckDB's appender.
func (p *peer) appendRows(table string, n int, row func(id int) []any) (err error) {
	conn, err := p.db.Conn(context.Background())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Raw(func(c any) (err error) {
		a, err := duckdb.NewAppenderFromConn(c.(driver.Conn), "", table)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, a.Close()) }()
		var values []driver.Value
		for id := range n {
			values = values[:0]
			for _, v := range row(id) {
				values = append(values, v)
			}
			if err := a.AppendRow(values...); err != nil {
				return err
			}
		}
		return nil
	})
}
