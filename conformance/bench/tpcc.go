package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	tpc "github.com/pingcap/go-tpc/pkg/workload"
	"github.com/pingcap/go-tpc/tpcc"
)

// terminals are TPC-C's, each with a connection of its own.
type terminals struct {
	work     tpc.Workloader
	contexts []context.Context
}

// transactions is TPC-C's standard mix without pauses, as go-tpc has it; the
// time is a transaction's. A database with one connection has one terminal,
// which does what all would: it is faster than terminals that wait for it.
func transactions(houses int) func(n sizes, _ int) []workload {
	return func(n sizes, _ int) (list []workload) {
		if houses > n.houses {
			return nil
		}
		for _, workers := range []int{1, 8, 32} {
			list = append(list, workload{
				name: fmt.Sprintf("a transaction of %d workers", workers), goroutines: workers, long: 10,
				setup: func(p *peer) error { return p.sitDown(houses, workers) },
				run:   func(p *peer, _, count int) error { return p.terminals.run(count) },
			})
		}
		return list
	}
}

// conflict is how a database that checks when it commits says: once more.
var conflict = regexp.MustCompile(`\(40001\)`)

func (t *terminals) run(count int) error {
	var done atomic.Int64
	var group sync.WaitGroup
	failed := make([]error, len(t.contexts))
	for i, ctx := range t.contexts {
		group.Go(func() {
			for failed[i] == nil && int(done.Add(1)) <= count {
				for attempt := 1; ; attempt++ {
					err := t.work.Run(ctx, i)
					if err == nil || attempt == 100 || !conflict.MatchString(err.Error()) {
						failed[i] = err
						break
					}
				}
			}
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

// sitDown makes the tables, once, and as many terminals as there are to be.
func (p *peer) sitDown(houses, workers int) (err error) {
	if p.terminals == nil {
		if p.dialect == sqlite {
			if err := p.db.Close(); err != nil {
				return err
			}
			p.db = sql.OpenDB(translator{p.db.Driver(), p.dsn(p.path)})
			p.db.SetMaxIdleConns(most)
		}
		if p.terminals, err = newTerminals(p.db, houses, 1); err == nil {
			err = quietly(func() error { return p.terminals.work.Prepare(p.terminals.contexts[0], 0) })
		}
		if err == nil {
			err = p.settle()
		}
		if err != nil {
			return err
		}
	}
	p.terminals.leave()
	if p.conns > 0 {
		workers = p.conns
	}
	p.terminals, err = newTerminals(p.db, houses, workers)
	return err
}

func newTerminals(db *sql.DB, houses, workers int) (*terminals, error) {
	w, err := tpcc.NewWorkloader(db, &tpcc.Config{
		Driver: "mysql", DBName: "bench", Threads: workers, Parts: 1, PartitionType: tpcc.PartitionTypeHash, Warehouses: houses, NoCheck: true,
		Isolation: int(sql.LevelReadCommitted), // all that is changed is read FOR UPDATE first; SQLite has one level
	})
	if err != nil {
		return nil, err
	}
	t := &terminals{work: w}
	for i := range workers {
		t.contexts = append(t.contexts, w.InitThread(context.Background(), i))
	}
	return t, nil
}

func (t *terminals) leave() {
	for i, ctx := range t.contexts {
		t.work.CleanupThread(ctx, i)
	}
}

// quietly does something that would talk of each table.
func quietly(do func() error) (err error) {
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	own := os.Stdout
	os.Stdout = out
	defer func() { os.Stdout = own; err = errors.Join(err, out.Close()) }()
	return do()
}

// translator opens connections to SQLite that take go-tpc's statements, which
// are MySQL's.
type translator struct {
	driver driver.Driver
	dsn    string
}

func (t translator) Driver() driver.Driver { return t.driver }

func (t translator) Connect(context.Context) (driver.Conn, error) {
	c, err := t.driver.Open(t.dsn)
	if err != nil {
		return nil, err
	}
	return translated{c.(sqliteConn)}, nil
}

type sqliteConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

type translated struct{ sqliteConn }

func (c translated) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.sqliteConn.PrepareContext(ctx, fromMySQL(query))
}

func (c translated) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.sqliteConn.ExecContext(ctx, fromMySQL(query), args)
}

func (c translated) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.sqliteConn.QueryContext(ctx, fromMySQL(query), args)
}

var (
	rowsIn  = regexp.MustCompile(`\) IN \(\s*\(`)
	indexIn = regexp.MustCompile(`,\s*INDEX (\w+) (\([^)]*\))`)
	madeFor = regexp.MustCompile(`TABLE IF NOT EXISTS (\w+)`)
)

// fromMySQL makes a statement of go-tpc SQLite's: indexes are statements of
// their own, lists of rows are VALUES, and no rows are locked, since the
// database is. Tables with a key are kept in its order, as Kalam's are.
func fromMySQL(query string) string {
	query = strings.TrimSuffix(query, " FOR UPDATE")
	query = rowsIn.ReplaceAllString(query, ") IN (VALUES (")
	table := madeFor.FindStringSubmatch(query)
	if table == nil {
		return query
	}
	indexes := indexIn.FindAllStringSubmatch(query, -1)
	query = indexIn.ReplaceAllString(query, "")
	if strings.Contains(query, "PRIMARY KEY") {
		query += " WITHOUT ROWID"
	}
	for _, index := range indexes {
		query += fmt.Sprintf("; CREATE INDEX %s ON %s %s", index[1], table[1], index[2])
	}
	return query
}
