package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam"
	"github.com/kalamgo/kalam/engine/sqlerr"
)

// childVariable has the data source name of a child; without it the program is
// the parent.
const childVariable = "KALAM_CRASH_CHILD"

// troubleVariable is set for a child whose statements may fail because of the
// file system. It ends with troubleStatus when it can't begin.
const (
	troubleVariable = "KALAM_CRASH_TROUBLE"
	troubleStatus   = 3
)

// troubled reports whether err is one that the file system's trouble may make.
func troubled(err error) bool {
	if os.Getenv(troubleVariable) == "" {
		return false
	}
	for _, k := range []*sqlerr.Kind{sqlerr.StorageIO, sqlerr.DiskFull, sqlerr.Corrupt, sqlerr.CantOpen} {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// The size of the workload.
const (
	accounts    = 20
	startAmount = 1000
	transferers = 4 // the first half of them in a chain
	lists       = 8
	appenders   = 2
	notesParts  = 3
	ddlRows     = 100
	loadRows    = 17_000 // more than a segment has, and so long that they are committed as files
)

// schema makes the tables. It may be interrupted anywhere.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL, changes INT NOT NULL,
		KEY by_balance (balance), KEY by_changes (changes, balance))`,
	`CREATE TABLE IF NOT EXISTS transfers (worker INT, seq BIGINT, src INT NOT NULL, dst INT NOT NULL, amount BIGINT NOT NULL,
		chain BIGINT, tag VARCHAR(40) NOT NULL, pad VARCHAR(200), PRIMARY KEY (worker, seq),
		UNIQUE KEY by_chain (chain), UNIQUE KEY by_tag (tag), KEY by_src (src, amount))`,
	`CREATE TABLE IF NOT EXISTS counter (id INT PRIMARY KEY, n BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS lists (id INT PRIMARY KEY, n INT NOT NULL, elements LONGTEXT NOT NULL, KEY by_n (n))`,
	`CREATE TABLE IF NOT EXISTS notes (id BIGINT AUTO_INCREMENT PRIMARY KEY, seq BIGINT NOT NULL, part INT NOT NULL, pad VARCHAR(300),
		UNIQUE KEY by_seq (seq, part))`,
	`CREATE TABLE IF NOT EXISTS loads (id BIGINT PRIMARY KEY, seq BIGINT NOT NULL, pad VARCHAR(600) NOT NULL, KEY by_seq (seq))`,
}

// fills are single statements, so that each table is full or empty.
func fills() []string {
	var rows, empty []string
	for i := range accounts {
		rows = append(rows, fmt.Sprintf("(%d, %d, 0)", i, startAmount))
	}
	for i := range lists {
		empty = append(empty, fmt.Sprintf("(%d, 0, '')", i))
	}
	return []string{
		"INSERT IGNORE INTO accounts VALUES " + strings.Join(rows, ", "),
		"INSERT IGNORE INTO counter VALUES (1, 0)",
		"INSERT IGNORE INTO lists VALUES " + strings.Join(empty, ", "),
	}
}

// worker is the state of a goroutine of the child.
type worker struct {
	db     *sql.DB
	random *rand.Rand
	stop   *atomic.Bool
	id     int
}

// say tells the parent. One write of a short line is atomic.
func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

// child works until its standard input ends, then closes the database and
// returns the exit status.
func child(dsn string) int {
	db, err := sql.Open("kalam", dsn)
	if err != nil {
		say("broken %v", err)
		return 1
	}
	for _, s := range append(schema, fills()...) {
		if _, err := db.Exec(s); troubled(err) {
			return troubleStatus
		} else if err != nil {
			say("broken %s: %v", s, err)
			return 1
		}
	}
	say("ready")
	// Contexts stay as they are: database/sql rolls back what they end in the
	// background, and would not have closed the database when Close returns.
	ctx := context.Background()
	var stop atomic.Bool
	go func() {
		bufio.NewReader(os.Stdin).ReadByte()
		stop.Store(true)
	}()
	var all sync.WaitGroup
	run := func(id int, loop func(*worker, context.Context) error) {
		all.Go(func() {
			w := &worker{db: db, random: rand.New(rand.NewPCG(rand.Uint64(), 0)), stop: &stop, id: id}
			err := loop(w, ctx)
			for troubled(err) && !stop.Load() {
				time.Sleep(time.Millisecond)
				err = loop(w, ctx) // which looks for how far it has got
			}
			if err != nil && !troubled(err) {
				say("broken worker %d: %v", id, err)
			}
		})
	}
	for i := range transferers {
		run(i, (*worker).transfer)
	}
	for i := range appenders {
		run(i, (*worker).appends)
	}
	run(0, (*worker).notes)
	run(0, (*worker).loads)
	run(0, (*worker).define)
	run(0, (*worker).index)
	run(0, (*worker).audit)
	run(0, (*worker).pack)
	all.Wait()
	if err := db.Close(); err != nil {
		say("broken Close: %v", err)
		return 1
	}
	say("closed")
	return 0
}

// pack makes segments of all rows again and again.
func (w *worker) pack(ctx context.Context) error {
	for !w.stop.Load() {
		rows, err := w.db.QueryContext(ctx, "PACK TABLE accounts, transfers, counter, lists, notes, loads")
		if err != nil {
			return err
		}
		for rows.Next() {
			var table, op, kind, text string
			if err := rows.Scan(&table, &op, &kind, &text); err != nil {
				return err
			}
			if strings.EqualFold(kind, "error") && os.Getenv(troubleVariable) == "" {
				say("broken PACK TABLE %s: %s", table, text)
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		time.Sleep(time.Duration(w.random.IntN(50)) * time.Millisecond)
	}
	return nil
}

// next returns the number after the last one that a query returns.
func (w *worker) next(ctx context.Context, query string, args ...any) (int64, error) {
	var n sql.NullInt64
	err := w.db.QueryRowContext(ctx, query, args...).Scan(&n)
	return n.Int64 + 1, err
}

// try runs f in a transaction until it gets through.
func (w *worker) try(ctx context.Context, f func(tx *sql.Tx) error) error {
	for {
		tx, err := w.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err = f(tx); err == nil {
			err = tx.Commit()
		} else {
			tx.Rollback()
		}
		var e *sqlerr.Error
		if err == nil || !errors.As(err, &e) || !e.Retryable() {
			return err
		}
	}
}

var padding = strings.Repeat("padding ", 25)

const noiseLen = 1 << 20

// noise is text that cannot be compressed, other in each place.
var noise = func() string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, noiseLen+600)
	for i := range b {
		b[i] = byte('0' + r.IntN(75))
	}
	return string(b)
}()

// transfer moves money, and tells of each transfer in a row. Transfers of the
// first half of the workers are numbered in the order of their commits.
func (w *worker) transfer(ctx context.Context) error {
	chained := w.id < transferers/2
	seq, err := w.next(ctx, "SELECT MAX(seq) FROM transfers WHERE worker = ?", w.id)
	for ; err == nil && !w.stop.Load(); seq++ {
		src, dst := w.random.IntN(accounts), w.random.IntN(accounts)
		amount := 1 + w.random.IntN(10)
		chain := sql.NullInt64{}
		err = w.try(ctx, func(tx *sql.Tx) error {
			if chained {
				if _, err := tx.ExecContext(ctx, "UPDATE counter SET n = n + 1 WHERE id = 1"); err != nil {
					return err
				}
				if err := tx.QueryRowContext(ctx, "SELECT n FROM counter WHERE id = 1").Scan(&chain); err != nil {
					return err
				}
			}
			for _, move := range []struct{ id, by int }{{src, -amount}, {dst, amount}} {
				if _, err := tx.ExecContext(ctx, "UPDATE accounts SET balance = balance + ?, changes = changes + 1 WHERE id = ?", move.by, move.id); err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, "INSERT INTO transfers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
				w.id, seq, src, dst, amount, chain, fmt.Sprintf("%d of %d", seq, w.id), padding[:w.random.IntN(len(padding))])
			return err
		})
		if err == nil {
			say("transfer %d %d", w.id, seq)
			if chained {
				say("chain %d", chain.Int64)
			}
		}
	}
	return err
}

// appends adds an element to two lists at once.
func (w *worker) appends(ctx context.Context) error {
	all, err := strings1(ctx, w.db, "SELECT elements FROM lists")
	seq := int64(1)
	for _, l := range all {
		elements, e := parseList(l)
		err = errors.Join(err, e)
		for _, x := range elements {
			if x.worker == w.id {
				seq = max(seq, x.seq+1)
			}
		}
	}
	for ; err == nil && !w.stop.Load(); seq++ {
		a, b := pick(w.id, seq)
		err = w.try(ctx, func(tx *sql.Tx) error {
			for _, id := range []int{a, b} {
				_, err := tx.ExecContext(ctx, "UPDATE lists SET elements = CONCAT(elements, ?), n = n + 1 WHERE id = ?", fmt.Sprintf("%d.%d;", w.id, seq), id)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			say("append %d %d", w.id, seq)
		}
	}
	return err
}

// pick returns the two lists that an element goes to.
func pick(worker int, seq int64) (a, b int) {
	n := rand.New(rand.NewPCG(uint64(worker), uint64(seq)))
	a = n.IntN(lists)
	return a, (a + 1 + n.IntN(lists-1)) % lists
}

// notes adds some rows with one autocommit statement, and removes old ones.
func (w *worker) notes(ctx context.Context) error {
	seq, err := w.next(ctx, "SELECT MAX(seq) FROM notes")
	for ; err == nil && !w.stop.Load(); seq++ {
		var rows []string
		for part := range notesParts {
			rows = append(rows, fmt.Sprintf("(%d, %d, '%s')", seq, part, padding))
		}
		if _, err = w.db.ExecContext(ctx, "INSERT INTO notes (seq, part, pad) VALUES "+strings.Join(rows, ", ")); err == nil {
			say("note %d", seq)
		}
		if err == nil && seq%8 == 0 {
			_, err = w.db.ExecContext(ctx, "DELETE FROM notes WHERE seq <= ?", seq-100)
		}
	}
	return err
}

// loads loads rows that are packed at once, changes some of them in the same transaction, and
// removes what is old; now and then all of it.
func (w *worker) loads(ctx context.Context) error {
	seq, err := w.next(ctx, "SELECT MAX(seq) FROM loads")
	for ; err == nil && !w.stop.Load(); seq++ {
		err = w.try(ctx, func(tx *sql.Tx) error {
			rows := func(yield func([]any, error) bool) {
				for i := range int64(loadRows) {
					if !yield([]any{seq*loadRows + i, seq, noise[i*601%noiseLen:][:600]}, nil) {
						return
					}
				}
			}
			if seq%7 == 0 {
				if _, err := tx.ExecContext(ctx, "DELETE FROM loads"); err != nil {
					return err
				}
			}
			if _, err := kalam.InsertRows(ctx, tx, "INSERT INTO loads VALUES (?, ?, ?)", rows); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE loads SET pad = 'changed' WHERE id % 5000 = 7 AND seq = ?", seq); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "DELETE FROM loads WHERE id % 5000 = 9 AND seq = ? OR seq < ?", seq, seq-2)
			return err
		})
		if err == nil {
			say("load %d", seq)
			time.Sleep(time.Duration(w.random.IntN(200)) * time.Millisecond)
		}
	}
	return err
}

// define makes a table, step by step, and drops it.
func (w *worker) define(ctx context.Context) error {
	names, err := strings1(ctx, w.db, "SHOW TABLES LIKE 'ddl\\_%'")
	for _, name := range names {
		if err == nil {
			if _, err = w.db.ExecContext(ctx, "DROP TABLE "+name); err != nil {
				break
			}
			say("define %s %d", strings.TrimPrefix(name, "ddl_"), len(definitions))
		}
	}
	for k := w.random.Uint32(); err == nil && !w.stop.Load(); k = w.random.Uint32() {
		for step, s := range definitions {
			if _, err = w.db.ExecContext(ctx, strings.ReplaceAll(s, "$", fmt.Sprint("ddl_", k))); err != nil {
				break
			}
			say("define %d %d", k, step+1)
		}
	}
	return err
}

// definitions are the steps of a table's life.
var definitions = []string{
	"CREATE TABLE $ (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(50), UNIQUE KEY u (b))",
	"INSERT INTO $ (a, b) VALUES " + func() string {
		var rows []string
		for i := range ddlRows {
			rows = append(rows, fmt.Sprintf("(%d, 'row %d')", i%10, i))
		}
		return strings.Join(rows, ", ")
	}(),
	"CREATE INDEX i ON $ (a)",
	"ALTER TABLE $ ADD UNIQUE KEY v (a, b), DROP KEY u",
	"TRUNCATE TABLE $",
	"DROP TABLE $",
}

// index adds indexes to the busiest table and drops them.
func (w *worker) index(ctx context.Context) error {
	if _, err := w.db.ExecContext(ctx, "DROP INDEX by_amount ON transfers"); err != nil && !errors.Is(err, sqlerr.CantDropKey) {
		return err
	}
	for n := 0; !w.stop.Load(); n++ {
		create := []string{"CREATE INDEX by_amount ON transfers (amount, dst)", "CREATE UNIQUE INDEX by_amount ON transfers (amount, worker DESC, seq)",
			"ALTER TABLE transfers ADD KEY by_amount ((src + dst), tag(5))"}[n%3]
		if _, err := w.db.ExecContext(ctx, create); err != nil {
			return err
		}
		if _, err := w.db.ExecContext(ctx, "DROP INDEX by_amount ON transfers"); err != nil {
			return err
		}
	}
	return nil
}

// audit reads the sum of all accounts, which never changes.
func (w *worker) audit(ctx context.Context) error {
	for !w.stop.Load() {
		var sum int64
		if err := w.db.QueryRowContext(ctx, "SELECT SUM(balance) FROM accounts").Scan(&sum); err != nil {
			return err
		}
		if sum != accounts*startAmount {
			return fmt.Errorf("the accounts have %d", sum)
		}
	}
	return nil
}

// strings1 returns the first column of a query.
func strings1(ctx context.Context, db *sql.DB, query string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
