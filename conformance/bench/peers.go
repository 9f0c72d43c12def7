package main

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3"
	_ "modernc.org/sqlite"

	_ "github.com/kalamgo/kalam/driver"
)

// peer is a database under test. All commit durably: Kalam by default, SQLite
// with its write-ahead log and synchronous=FULL.
type peer struct {
	name   string
	driver string
	dsn    func(dir string) string
	key    string // type of an integer primary key
	pack   string // statement that packs the table; "": there is none
	db     *sql.DB
}

const cacheMB = 64

// peers returns Kalam first, then those it is compared with.
func peers() []*peer {
	return []*peer{
		{name: "kalam", driver: "kalam", key: "BIGINT PRIMARY KEY", pack: "PACK TABLE " + table, dsn: func(dir string) string {
			return fmt.Sprintf("file:%s?cache_mb=%d", filepath.Join(dir, "kalam.kdb"), cacheMB)
		}},
		// SQLite's rowid is its fastest key.
		{name: "go-sqlite3", driver: "sqlite3", key: "INTEGER PRIMARY KEY", dsn: func(dir string) string {
			return "file:" + filepath.Join(dir, "mattn.db") + "?" + url.Values{
				"_journal_mode": {"WAL"},
				"_synchronous":  {"FULL"},
				"_cache_size":   {fmt.Sprint(-cacheMB * 1024)},
				"_busy_timeout": {"5000"},
				"_txlock":       {"immediate"},
			}.Encode()
		}},
		{name: "modernc", driver: "sqlite", key: "INTEGER PRIMARY KEY", dsn: func(dir string) string {
			return "file:" + filepath.Join(dir, "modernc.db") + "?" + url.Values{
				"_pragma": {
					"journal_mode(WAL)", "synchronous(FULL)",
					fmt.Sprintf("cache_size(%d)", -cacheMB*1024), "busy_timeout(5000)",
				},
				"_txlock": {"immediate"},
			}.Encode()
		}},
	}
}

func (p *peer) open(dir string) (err error) {
	if p.db, err = sql.Open(p.driver, p.dsn(dir)); err != nil {
		return err
	}
	// The work is done by one goroutine, and one connection keeps its caches.
	p.db.SetMaxOpenConns(1)
	return p.db.Ping()
}

// createTable makes an empty table of the rows that row returns.
func (p *peer) createTable(name string) error {
	_, err := p.db.Exec("CREATE TABLE " + name + " (id " + p.key + ", n INT NOT NULL, x DOUBLE NOT NULL, s VARCHAR(100) NOT NULL)")
	return err
}

// row returns the values of the row with an id, about 100 bytes.
func row(id int) []any {
	return []any{id, id * 7919 % 10007, float64(id%1000) / 8,
		fmt.Sprintf("row %08d of a table with some text to make it as wide as tables are: %04d", id, id*31%9973)}
}
