package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// work is the mixed load.
type work struct {
	db         *sql.DB
	statements atomic.Int64
	stopped    atomic.Bool
	all        sync.WaitGroup
	mu         sync.Mutex
	errs       []error
}

const (
	rows  = 5000
	total = 10 * rows // the sum of what n begins with
)

func newWork(db *sql.DB) (*work, error) {
	_, err := db.Exec(`CREATE TABLE items (id INT PRIMARY KEY, n BIGINT NOT NULL, name VARCHAR(60) NOT NULL, payload VARBINARY(400),
		UNIQUE KEY by_name (name), KEY by_n (n, id));
		CREATE TABLE log (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6) NOT NULL, text VARCHAR(200), KEY by_at (at))`)
	for from := 0; err == nil && from < rows; from += 500 {
		var list []string
		for i := range 500 {
			list = append(list, fmt.Sprintf("(%d, 10, 'item %d', REPEAT('x', %d))", from+i, from+i, i%400))
		}
		_, err = db.Exec("INSERT INTO items VALUES " + strings.Join(list, ", "))
	}
	return &work{db: db}, err
}

// start starts the workers.
func (w *work) start() {
	for name, step := range map[string]func(context.Context, *rand.Rand) error{
		"points": w.points, "scans": w.scans, "updates": w.updates, "transfers": w.transfers, "more transfers": w.transfers,
		"log": w.log, "definitions": w.definitions, "indexes": w.indexes, "snapshots": w.snapshots, "cancelled": w.cancelled, "rollbacks": w.rollbacks,
	} {
		w.all.Go(func() {
			random := rand.New(rand.NewPCG(rand.Uint64(), 0))
			for !w.stopped.Load() {
				err := step(context.Background(), random)
				w.statements.Add(1)
				var e *sqlerr.Error
				if err != nil && !(errors.As(err, &e) && e.Retryable()) {
					w.mu.Lock()
					if len(w.errs) < 10 {
						w.errs = append(w.errs, fmt.Errorf("%s: %w", name, err))
					}
					w.mu.Unlock()
					return
				}
			}
		})
	}
}

func (w *work) stop() []error {
	w.stopped.Store(true)
	w.all.Wait()
	return w.errs
}

func (w *work) points(ctx context.Context, r *rand.Rand) error {
	var name string
	if err := w.db.QueryRowContext(ctx, "SELECT name FROM items WHERE id = ?", r.IntN(rows)).Scan(&name); err != nil {
		return err
	}
	var id int
	return w.db.QueryRowContext(ctx, "SELECT id FROM items WHERE name = ?", name).Scan(&id)
}

// scans reads a part of a result and leaves the rest.
func (w *work) scans(ctx context.Context, r *rand.Rand) error {
	list, err := w.db.QueryContext(ctx, "SELECT n % 7, COUNT(*), MAX(name), SUM(LENGTH(payload)) FROM items WHERE id > ? GROUP BY n % 7 ORDER BY 2", r.IntN(rows))
	if err != nil {
		return err
	}
	list.Next()
	return list.Close()
}

func (w *work) updates(ctx context.Context, r *rand.Rand) error {
	id := r.IntN(rows)
	_, err := w.db.ExecContext(ctx, "UPDATE items SET payload = REPEAT('y', ?) WHERE id BETWEEN ? AND ?", r.IntN(400), id, id+20)
	return err
}

// transfers moves n between two rows.
func (w *work) transfers(ctx context.Context, r *rand.Rand) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	a, b := r.IntN(rows), r.IntN(rows)
	for _, s := range []struct{ id, by int }{{min(a, b), 1}, {max(a, b), -1}} {
		if _, err := tx.ExecContext(ctx, "UPDATE items SET n = n + ? WHERE id = ?", s.by, s.id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// log appends, and removes what is old.
func (w *work) log(ctx context.Context, r *rand.Rand) error {
	res, err := w.db.ExecContext(ctx, "INSERT INTO log (at, text) VALUES (NOW(6), REPEAT('z', ?)), (NOW(6), 'short')", r.IntN(200))
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	if err == nil && r.IntN(50) == 0 {
		_, err = w.db.ExecContext(ctx, "DELETE FROM log WHERE id < ?", id-2000)
	}
	return err
}

func (w *work) definitions(ctx context.Context, r *rand.Rand) error {
	name := fmt.Sprintf("made_%d", r.Uint32())
	for _, s := range []string{
		"CREATE TABLE $ (a INT PRIMARY KEY, b VARCHAR(20), KEY (b))", "INSERT INTO $ SELECT id, name FROM items LIMIT 200",
		"ALTER TABLE $ ADD UNIQUE KEY u (b, a)", "TRUNCATE TABLE $", "DROP TABLE $",
	} {
		if _, err := w.db.ExecContext(ctx, strings.ReplaceAll(s, "$", name)); err != nil {
			return err
		}
	}
	time.Sleep(20 * time.Millisecond)
	return nil
}

func (w *work) indexes(ctx context.Context, _ *rand.Rand) error {
	if _, err := w.db.ExecContext(ctx, "CREATE INDEX extra ON items (payload, n)"); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	_, err := w.db.ExecContext(ctx, "DROP INDEX extra ON items")
	time.Sleep(200 * time.Millisecond)
	return err
}

// snapshots reads the same twice, with some time between.
func (w *work) snapshots(ctx context.Context, r *rand.Rand) error {
	tx, err := w.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var sums [2]int64
	for i := range sums {
		if err := tx.QueryRowContext(ctx, "SELECT SUM(n) FROM items").Scan(&sums[i]); err != nil {
			return err
		}
		time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
	}
	if sums[0] != total || sums[1] != total {
		return fmt.Errorf("the items have %d and %d in all", sums[0], sums[1])
	}
	return nil
}

func (w *work) cancelled(ctx context.Context, r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(3000))*time.Microsecond)
	defer cancel()
	var n int64
	err := w.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM items a JOIN items b ON a.n = b.n WHERE a.id < 300").Scan(&n)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func (w *work) rollbacks(ctx context.Context, r *rand.Rand) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM items WHERE id >= ? AND id < ? + 30", r.IntN(rows), r.IntN(rows))
	return errors.Join(err, tx.Rollback())
}

// audit checks the tables at the end.
func (w *work) audit(ctx context.Context) string {
	var n, count int64
	if err := w.db.QueryRowContext(ctx, "SELECT SUM(n), COUNT(*) FROM items").Scan(&n, &count); err != nil || n != total || count != rows {
		return fmt.Sprintf("%d items have %d: %v", count, n, err)
	}
	list, err := w.db.QueryContext(ctx, "CHECK DATABASE EXTENDED")
	if err != nil {
		return err.Error()
	}
	defer list.Close()
	for list.Next() {
		var table, op, kind, text string
		if err := list.Scan(&table, &op, &kind, &text); err != nil {
			return err.Error()
		}
		if kind != "status" {
			return table + ": " + text
		}
	}
	return ""
}
