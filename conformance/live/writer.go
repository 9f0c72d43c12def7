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

	"github.com/kalamgo/kalam"
)

const ids = 24

var tables = []string{
	"CREATE TABLE IF NOT EXISTS m (id INT PRIMARY KEY, room INT, v BIGINT NOT NULL, s VARCHAR(20) COLLATE utf8mb4_0900_ai_ci, KEY (room), UNIQUE KEY (v))",
	"CREATE USER TABLE IF NOT EXISTS u (id INT PRIMARY KEY, room INT, v BIGINT NOT NULL, s VARCHAR(20) COLLATE utf8mb4_0900_ai_ci)",
	"CREATE TABLE IF NOT EXISTS clock (id INT PRIMARY KEY, n BIGINT NOT NULL)",
	"INSERT IGNORE INTO clock VALUES (1, 0)",
	"GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO ROLE 'user'",
}

var users = []string{"ann", "bob"}

// written is what an attempt to run a transaction made.
type written struct {
	versions  map[int64]bool // that it gave to rows
	left      contents       // the rows of m that have one of these at its end
	committed bool
}

// writers run random transactions.
type writers struct {
	db       *sql.DB
	serial   bool // commits come one after the other, and history has each
	versions atomic.Int64
	commits  atomic.Int64

	mu      sync.Mutex
	history map[int64]map[string]contents // by the clock; of m, uann, ubob those that the transaction saw
	txns    []*written
}

// run runs transactions until ctx ends.
func (w *writers) run(ctx context.Context, rnd *rand.Rand) error {
	for ctx.Err() == nil {
		if err := w.transaction(ctx, rnd); err != nil && ctx.Err() == nil && !errors.Is(err, errRolledBack) {
			return err
		}
	}
	return nil
}

var errRolledBack = errors.New("rolled back")

// transaction runs one. What was begun is brought to its end, also after ctx ended.
func (w *writers) transaction(ctx context.Context, rnd *rand.Rand) error {
	user := users[rnd.IntN(len(users))]
	ctx = kalam.WithUser(context.WithoutCancel(ctx), user)
	var n int64
	var seen map[string]contents
	var own *written
	err := kalam.RetryTx(ctx, w.db, nil, func(tx *sql.Tx) error {
		own = &written{versions: map[int64]bool{}, left: contents{}}
		w.mu.Lock()
		w.txns = append(w.txns, own)
		w.mu.Unlock()
		for range 1 + rnd.IntN(4) {
			if err := w.step(ctx, tx, rnd, own); err != nil {
				return err
			}
		}
		list, err := readAll(ctx, tx, "m")
		if err != nil {
			return err
		}
		for id, r := range list {
			if own.versions[r.V] {
				own.left[id] = r
			}
		}
		if !w.serial {
			if rnd.IntN(8) == 0 {
				return errRolledBack
			}
			return nil
		}
		if _, err := tx.ExecContext(ctx, "UPDATE clock SET n = n + 1 WHERE id = 1"); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT n FROM clock").Scan(&n); err != nil {
			return err
		}
		seen = map[string]contents{"m": list}
		if seen["u"+user], err = readAll(ctx, tx, "u"); err != nil {
			return err
		}
		if rnd.IntN(8) == 0 {
			return errRolledBack
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.commits.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	own.committed = true
	if w.serial {
		w.history[n] = seen
	}
	return nil
}

// step runs a random statement, with luck one that is undone.
func (w *writers) step(ctx context.Context, tx *sql.Tx, rnd *rand.Rand, own *written) error {
	if rnd.IntN(10) > 0 {
		return w.statement(ctx, tx, rnd, own)
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT sp"); err != nil {
		return err
	}
	if err := w.statement(ctx, tx, rnd, own); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "ROLLBACK TO sp")
	return err
}

// version returns the first of n new versions.
func (w *writers) version(own *written, n int64) int64 {
	first := w.versions.Add(n) - n
	for i := range n {
		own.versions[first+i] = true
	}
	return first
}

func (w *writers) statement(ctx context.Context, tx *sql.Tx, rnd *rand.Rand, own *written) error {
	table := []string{"m", "m", "u"}[rnd.IntN(3)]
	id := rnd.Int64N(ids)
	room := any(nil)
	if n := rnd.Int64N(rooms + 1); n < rooms {
		room = n
	}
	s := []string{"ab", "Ab", "cd", "ef"}[rnd.IntN(4)]
	exec := func(query string, args ...any) error {
		_, err := tx.ExecContext(ctx, strings.ReplaceAll(query, "TABLE_NAME", table), args...)
		if errors.Is(err, kalam.ErrDuplicateEntry) {
			return nil
		}
		return err
	}
	switch k := rnd.IntN(20); {
	case k < 5:
		return exec("INSERT INTO TABLE_NAME VALUES (?, ?, ?, ?)", id, room, w.version(own, 1), s)
	case k < 9:
		return exec("UPDATE TABLE_NAME SET room = ?, v = ?, s = ? WHERE id = ?", room, w.version(own, 1), s, id)
	case k < 11:
		return exec("DELETE FROM TABLE_NAME WHERE id = ?", id)
	case k < 13:
		return exec("REPLACE INTO TABLE_NAME VALUES (?, ?, ?, ?)", id, room, w.version(own, 1), s)
	case k < 15:
		return exec("INSERT INTO TABLE_NAME VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE room = ?, v = ?", id, room, w.version(own, 1), s, room, w.version(own, 1))
	case k < 17: // a row moves
		return exec("UPDATE TABLE_NAME SET id = ?, v = ? WHERE id = ?", rnd.Int64N(ids), w.version(own, 1), id)
	case k < 18: // many rows, each with a version of its own
		return exec("UPDATE TABLE_NAME SET room = ?, v = ? + id WHERE id > ?", room, w.version(own, ids), id)
	case k < 19:
		return exec("DELETE FROM TABLE_NAME WHERE room = ?", rnd.Int64N(rooms))
	}
	list, args := []string{}, []any{}
	for i := range int64(ids / 2) {
		list, args = append(list, "(?, ?, ?, ?)"), append(args, i, room, w.version(own, 1), s)
	}
	return exec("INSERT IGNORE INTO TABLE_NAME VALUES "+strings.Join(list, ", "), args...)
}

type queryer interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// readAll returns a table's rows.
func readAll(ctx context.Context, db queryer, table string) (contents, error) {
	rows, err := db.QueryContext(ctx, "SELECT id, room, v, s FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := contents{}
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.ID, &r.Room, &r.V, &r.S); err != nil {
			return nil, err
		}
		all[r.ID] = r
	}
	return all, rows.Err()
}

// checkAtomic compares what a session with all rows of m got with what transactions left:
// each commit is one transaction's, and all of it.
func (w *writers) checkAtomic(s *session) error {
	of := map[int64]*written{}
	missing := map[*written]bool{}
	for _, t := range w.txns {
		for v := range t.versions {
			of[v] = t
		}
		if t.committed && len(t.left) > 0 {
			missing[t] = true
		}
	}
	for i := 0; i < len(s.events); {
		seq, got := s.events[i].Seq, contents{}
		var by *written
		for ; i < len(s.events) && s.events[i].Seq == seq; i++ {
			e := s.events[i]
			if e.Kind == "delete" {
				continue
			}
			t := of[e.Row.V]
			switch {
			case t == nil:
				return fmt.Errorf("change %d: no transaction wrote %v", seq, e.Row)
			case !t.committed:
				return fmt.Errorf("change %d: %v was rolled back", seq, e.Row)
			case by != nil && by != t:
				return fmt.Errorf("change %d is of two transactions", seq)
			}
			by = t
			got[e.Row.ID] = e.Row
		}
		if by == nil {
			continue
		}
		if d := got.diff(by.left); d != "" {
			return fmt.Errorf("change %d is not all that the transaction wrote: %s", seq, d)
		}
		if !missing[by] {
			return fmt.Errorf("change %d: a transaction was delivered twice", seq)
		}
		delete(missing, by)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d transactions were not delivered", len(missing))
	}
	return nil
}
