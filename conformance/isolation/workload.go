package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam"
	"github.com/kalamgo/kalam/conformance/isolation/history"
)

// workload has workers run random transactions that append to lists and read
// them, by key and by an index on groups of lists, which also sees what is not
// there yet.
type workload struct {
	db      *sql.DB
	level   sql.IsolationLevel
	seed    uint64
	workers int
	txns    int
	limit   time.Duration // 0: none
	define  bool          // indexes and columns come and go meanwhile
	shown   func(done int)

	begun   time.Time
	next    atomic.Int64 // transactions begun
	element atomic.Int64
	mu      sync.Mutex
	history []history.Txn
	err     error
	defined int // statements that changed the table
}

// Lists come in groups. Work goes on to new ones when lists have grown.
const (
	activeLists = 6
	perGroup    = 3
	perList     = 24 // appends, about
)

// run returns the history and the lists' last versions.
func (w *workload) run(ctx context.Context) ([]history.Txn, map[int][]int, error) {
	_, err := w.db.ExecContext(ctx, `
		DROP TABLE IF EXISTS lists;
		CREATE TABLE lists (k INT PRIMARY KEY, g INT NOT NULL, v TEXT NOT NULL, INDEX by_group (g))`)
	if err != nil {
		return nil, nil, err
	}
	if w.limit > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, w.limit+time.Minute)
		defer cancel()
	}
	w.begun = time.Now()
	working, stop := context.WithCancel(ctx)
	var workers, definer sync.WaitGroup
	for i := range w.workers {
		workers.Go(func() { w.work(working, rand.New(rand.NewPCG(w.seed, uint64(i)))) })
	}
	if w.define {
		definer.Go(func() { w.redefine(working) })
	}
	workers.Wait()
	stop()
	definer.Wait()
	if w.err != nil {
		return nil, nil, w.err
	}
	final := map[int][]int{}
	rows, err := w.db.QueryContext(ctx, "SELECT k, v FROM lists")
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k int
		var v string
		if err := rows.Scan(&k, &v); err != nil {
			return nil, nil, err
		}
		final[k] = parseList(v)
	}
	return w.history, final, errors.Join(rows.Err(), w.check(ctx))
}

// check returns an error when indexes don't agree with rows.
func (w *workload) check(ctx context.Context) error {
	rows, err := w.db.QueryContext(ctx, "CHECK TABLE lists EXTENDED")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var table, op, kind, text string
		if err := rows.Scan(&table, &op, &kind, &text); err != nil {
			return err
		}
		if kind == "error" {
			return fmt.Errorf("CHECK TABLE: %s", text)
		}
	}
	return rows.Err()
}

func (w *workload) fail(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.mu.Unlock()
}

func (w *workload) work(ctx context.Context, r *rand.Rand) {
	for {
		n := int(w.next.Add(1))
		w.mu.Lock()
		over := n > w.txns || w.err != nil || w.limit > 0 && time.Since(w.begun) > w.limit
		w.mu.Unlock()
		if over {
			return
		}
		if w.shown != nil && n%200 == 0 {
			w.shown(n)
		}
		t, undone, err := w.transaction(ctx, r, n)
		if err != nil {
			w.fail(err)
			return
		}
		w.mu.Lock()
		w.history = append(w.history, t)
		if undone.Ops != nil {
			w.history = append(w.history, undone)
		}
		w.mu.Unlock()
	}
}

// querier is a transaction, or a database for statements by themselves.
type querier interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// transaction runs a random one. What it took back to a savepoint is in undone,
// which nobody may see.
func (w *workload) transaction(ctx context.Context, r *rand.Rand, id int) (t, undone history.Txn, err error) {
	t = history.Txn{ID: id, Begin: time.Since(w.begun)}
	undone = history.Txn{ID: -id}
	defer func() { t.End = time.Since(w.begun) }()
	if r.IntN(4) == 0 { // a statement by itself never fails for others
		err = w.op(ctx, r, w.db, &t, true)
		t.Committed = err == nil
		if w.define && refused(err) {
			err = nil
		}
		return t, undone, err
	}
	opts := &sql.TxOptions{Isolation: w.level, ReadOnly: r.IntN(8) == 0}
	tx, err := w.db.BeginTx(ctx, opts)
	if err != nil {
		return t, undone, err
	}
	defer tx.Rollback()
	for range 1 + r.IntN(4) {
		if err = w.op(ctx, r, tx, &t, !opts.ReadOnly); err != nil {
			break
		}
		if !opts.ReadOnly && r.IntN(12) == 0 {
			if err = w.takeBack(ctx, r, tx, &undone); err != nil {
				break
			}
		}
	}
	switch {
	case err == nil && r.IntN(12) == 0:
		return t, undone, tx.Rollback()
	case err == nil:
		err = tx.Commit()
	}
	t.Committed = err == nil
	if refused(err) {
		err = nil
	}
	return t, undone, err
}

// refused reports whether a transaction failed as it may, because of others.
func refused(err error) bool { return errors.Is(err, kalam.ErrRetryable) }

// takeBack appends something and goes back to the savepoint before.
func (w *workload) takeBack(ctx context.Context, r *rand.Rand, tx *sql.Tx, undone *history.Txn) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT before"); err != nil {
		return err
	}
	key := w.key(r)
	if err := w.append(ctx, tx, undone, key); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "ROLLBACK TO before")
	return err
}

func (w *workload) key(r *rand.Rand) int {
	return int(w.element.Load())/(perList*activeLists)*activeLists/2 + r.IntN(activeLists)
}

// op runs an operation and notes it in t.
func (w *workload) op(ctx context.Context, r *rand.Rand, q querier, t *history.Txn, writes bool) error {
	key := w.key(r)
	if writes && r.IntN(2) == 0 {
		return w.append(ctx, q, t, key)
	}
	locking := ""
	if writes {
		locking = [...]string{"", "", "", "", " FOR SHARE", " FOR UPDATE"}[r.IntN(6)]
	}
	if _, single := q.(*sql.DB); single || r.IntN(2) == 0 {
		found, err := w.read(ctx, q, "SELECT k, v FROM lists WHERE k = ?"+locking, key)
		if err == nil {
			t.Ops = append(t.Ops, history.Op{Key: key, List: found[key]})
		}
		return err
	}
	group := key / perGroup
	found, err := w.read(ctx, q, "SELECT k, v FROM lists WHERE g = ?"+locking, group)
	for k := group * perGroup; err == nil && k < (group+1)*perGroup; k++ {
		t.Ops = append(t.Ops, history.Op{Key: k, List: found[k]})
	}
	return err
}

func (w *workload) append(ctx context.Context, q querier, t *history.Txn, key int) error {
	e := int(w.element.Add(1))
	// It may have been done though it fails, so that it is noted first.
	t.Ops = append(t.Ops, history.Op{Key: key, Append: e})
	_, err := q.ExecContext(ctx, `INSERT INTO lists (k, g, v) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE v = CONCAT(v, ',', VALUES(v))`, key, key/perGroup, strconv.Itoa(e))
	return err
}

func (w *workload) read(ctx context.Context, q querier, query string, arg int) (map[int][]int, error) {
	rows, err := q.QueryContext(ctx, query, arg)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[int][]int{}
	for rows.Next() {
		var k int
		var v string
		if err := rows.Scan(&k, &v); err != nil {
			return nil, err
		}
		found[k] = parseList(v)
	}
	return found, rows.Err()
}

func parseList(v string) []int {
	var list []int
	for _, s := range strings.Split(v, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			n = -1 // garbage, as the checker will find
		}
		list = append(list, n)
	}
	return list
}

// redefine changes the table's indexes and columns until ctx ends.
func (w *workload) redefine(ctx context.Context) {
	statements := []string{
		"CREATE INDEX by_group_and_key ON lists (g, k)", "DROP INDEX by_group ON lists", "CREATE INDEX by_group ON lists (g)",
		"DROP INDEX by_group_and_key ON lists", "ALTER TABLE lists ADD COLUMN extra INT NOT NULL DEFAULT 7",
		"CREATE UNIQUE INDEX by_all ON lists (extra, g, k)", "ALTER TABLE lists DROP INDEX by_group, ADD INDEX by_group (g DESC)",
		"ALTER TABLE lists DROP COLUMN extra, DROP INDEX by_all", "ALTER TABLE lists DROP INDEX by_group, ADD INDEX by_group (g)",
	}
	for i := 0; ctx.Err() == nil; i++ {
		_, err := w.db.ExecContext(ctx, statements[i%len(statements)])
		switch {
		case err == nil:
			w.mu.Lock()
			w.defined++
			w.mu.Unlock()
		case ctx.Err() != nil, errors.Is(err, kalam.ErrNotSupported), errors.Is(err, kalam.ErrRetryable):
		default:
			w.fail(fmt.Errorf("%s: %w", statements[i%len(statements)], err))
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}
