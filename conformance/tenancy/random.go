package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/kalamgo/kalam"
)

// tenants are the users of random statements.
var tenants = []string{"alice", "bob", "", "alice\x00", "alic", "alice2", "Alice", "аlice", "\xff", "\x00", strings.Repeat("a", 64<<10), "alice'--"}

// tenant is a user of the common database who has a database of his own, too,
// on which nobody else is: the model. Every statement runs on both.
type tenant struct {
	user     string
	rng      *rand.Rand
	prepared []*sql.Stmt // of common, by template
	owner    *sql.DB     // common; nil: the owner does nothing in the tenant's place
	common   *sql.DB
	alone    *sql.DB
	in       *[2]*sql.Tx // open transactions on both, or nil
	// quiet reports whether nobody has a transaction open, so that definitions need
	// not wait; nil: somebody may.
	quiet func() bool
	log   []string // the last statements
}

// template is a random statement; ? are parameters: i an id, n a number, t a title.
type template struct {
	weight     int
	text       string
	parameters string
}

var templates = []template{
	{10, "INSERT INTO notes (title, n) VALUES (?, ?)", "tn"},
	{6, "INSERT INTO notes (id, title, n) VALUES (?, ?, ?)", "itn"},
	{3, "INSERT INTO notes (title, n) VALUES (?, ?), (?, ?)", "tntn"},
	{3, "INSERT IGNORE INTO notes (id, title, n) VALUES (?, ?, ?), (?, ?, ?)", "itnitn"},
	{3, "INSERT INTO notes (id, title, n) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE n = n + 1, body = ?", "itnt"},
	{3, "REPLACE INTO notes (id, title, n) VALUES (?, ?, ?)", "itn"},
	{2, "INSERT INTO notes (title, n) SELECT CONCAT(title, '+'), n + ? FROM notes WHERE n < ? AND LENGTH(title) < 20", "nn"},
	{5, "UPDATE notes SET n = ? WHERE n > ?", "nn"},
	{3, "UPDATE notes SET title = ? WHERE id = ?", "ti"},
	{2, "UPDATE notes SET id = ? WHERE id = ?", "ii"},
	{2, "UPDATE notes a JOIN notes b ON a.id = b.id + 1 SET a.body = b.title WHERE a.n > ?", "n"},
	{5, "DELETE FROM notes WHERE id = ?", "i"},
	{3, "DELETE FROM notes WHERE n BETWEEN ? AND ? RETURNING id, title", "nn"},
	{1, "DELETE FROM notes", ""},
	{3, "UNDELETE FROM notes WHERE id = ?", "i"},
	{4, "INSERT INTO tags VALUES (?, ?)", "it"},
	{2, "INSERT INTO tags SELECT id, title FROM notes WHERE n > ?", "n"},
	{2, "DELETE FROM tags WHERE note = ?", "i"},
	{2, "UPDATE tags SET note = note + 1 WHERE note = ?", "i"},
	{1, "INSERT INTO kept VALUES (?)", "i"},
	{1, "DELETE FROM kept", ""},
	{3, "INSERT INTO loose VALUES (?)", "t"},
	{1, "DELETE FROM loose LIMIT 3", ""},
	{3, "INSERT INTO events VALUES (?, ?)", "nt"},
	{1, "DELETE FROM events WHERE k > ?", "n"},
	{2, "INSERT INTO titles (title) VALUES (?)", "t"},
	{2, "UPDATE small SET n = n + ?", "n"},
	{2, "DELETE FROM titles WHERE id = ?", "i"},

	{5, "SELECT * FROM notes ORDER BY id", ""},
	{4, "SELECT id, title, n, _deleted FROM notes ORDER BY id, title, n, body, _deleted", ""},
	{4, "SELECT * FROM notes WHERE id = ?", "i"},
	{3, "SELECT id, title FROM notes WHERE n > ? ORDER BY n DESC, id LIMIT 5", "n"},
	{3, "SELECT id FROM notes WHERE title = ?", "t"},
	{3, "SELECT COUNT(*), SUM(n), MIN(title), MAX(id) FROM notes WHERE n <> ?", "n"},
	{3, "SELECT n.id, t.tag FROM notes n LEFT JOIN tags t ON t.note = n.id WHERE n.id >= ? ORDER BY 1, 2", "i"},
	{2, "SELECT * FROM pairs ORDER BY 1, 2 LIMIT 20", ""},
	{2, "SELECT id FROM notes WHERE id IN (SELECT note FROM tags) AND n > ? ORDER BY id", "n"},
	{2, "SELECT id FROM notes n WHERE NOT EXISTS (SELECT 1 FROM tags t WHERE t.note = n.id AND t.tag > ?) ORDER BY id", "t"},
	{2, "SELECT r.name, (SELECT COUNT(*) FROM notes n WHERE n.n = r.id) FROM rooms r ORDER BY r.id", ""},
	{2, "SELECT n, COUNT(*) FROM notes GROUP BY n HAVING COUNT(*) > ? ORDER BY n", "n"},
	{2, "SELECT v FROM loose UNION SELECT v FROM events UNION SELECT tag FROM tags ORDER BY 1", ""},
	{2, "SELECT k, v FROM events", ""},
	{2, "SELECT k FROM events FORCE INDEX (k) WHERE k >= ? ORDER BY k", "n"},
	{2, "SELECT id, what FROM log ORDER BY id DESC LIMIT 10", ""},
	{1, "SELECT * FROM bin ORDER BY 1, 2", ""},
	{1, "SELECT LENGTH(CURRENT_USER()), LAST_INSERT_ID(), @@autocommit", ""},
	{1, "SELECT id FROM notes WHERE n > ? ORDER BY id FOR UPDATE", "n"},
	{1, "EXPLAIN SELECT * FROM notes WHERE n > ?", "n"},
	{1, "EXPLAIN ANALYZE SELECT a.id FROM notes a JOIN tags t ON t.note = a.id WHERE a.n > ?", "n"},
	{1, "CHECK TABLE notes, tags, loose, events EXTENDED", ""},
	{1, "SHOW TABLE STATUS LIKE 'notes'", ""},
}

// definitions are statements that wait for all transactions.
var definitions = []string{"TRUNCATE TABLE loose", "TRUNCATE TABLE events", "TRUNCATE TABLE tags"}

var weights = func() (sum int) {
	for _, t := range templates {
		sum += t.weight
	}
	return sum
}()

func (t *tenant) pick() int {
	w := t.rng.IntN(weights)
	for i := range templates {
		if w -= templates[i].weight; w < 0 {
			return i
		}
	}
	return 0
}

func (t *tenant) arguments(parameters string) (args []any) {
	for _, p := range parameters {
		n := t.rng.IntN(15)
		switch p {
		case 't':
			args = append(args, fmt.Sprint("t", n))
		default:
			args = append(args, n)
		}
	}
	return args
}

// step runs a random statement, or begins or ends a transaction.
func (t *tenant) step(ctx context.Context) error {
	as := kalam.WithUser(ctx, t.user)
	switch r := t.rng.IntN(100); {
	case t.in == nil && r < 5:
		return t.begin(as)
	case t.in != nil && r < 20:
		return t.end(r < 13)
	case r < 22 && t.quiet != nil && t.quiet():
		statement := definitions[t.rng.IntN(len(definitions))]
		return t.compare(statement, nil, func(on int) (string, error) { return observe(as, []*sql.DB{t.common, t.alone}[on], statement) })
	}
	k := t.pick()
	args := t.arguments(templates[k].parameters)
	text := templates[k].text
	how := t.rng.IntN(4)
	return t.compare(text, args, func(on int) (string, error) {
		switch {
		case t.in != nil && how == 0 && on == 0 && t.prepared[k] != nil:
			return observeWith(as, text, bound{t.in[on].StmtContext(as, t.prepared[k])}, args)
		case t.in != nil:
			return observeWith(as, text, t.in[on], args)
		case on == 1:
			return observeWith(as, text, t.alone, args)
		case how == 0 && t.prepared[k] != nil:
			return observeWith(as, text, bound{t.prepared[k]}, args)
		case how == 1 && t.owner != nil && executable(text):
			return observeWith(ctx, "EXECUTE AS USER ? ("+text+")", t.owner, append([]any{t.user}, args...))
		default:
			return observeWith(as, text, t.common, args)
		}
	})
}

// executable reports whether EXECUTE AS USER takes a statement, and tells as much as
// the statement does.
func executable(text string) bool {
	return !strings.HasPrefix(text, "SHOW") && !strings.HasPrefix(text, "CHECK") && !strings.Contains(text, "LAST_INSERT_ID") && !strings.Contains(text, "UNDELETE")
}

func (t *tenant) begin(as context.Context) error {
	levels := []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable}
	o := &sql.TxOptions{Isolation: levels[t.rng.IntN(len(levels))]}
	var both [2]*sql.Tx
	for i, db := range []*sql.DB{t.common, t.alone} {
		tx, err := db.BeginTx(as, o)
		if err != nil {
			return err
		}
		both[i] = tx
	}
	t.in = &both
	t.note("BEGIN %v", o.Isolation)
	return nil
}

func (t *tenant) end(commit bool) error {
	both := t.in
	t.in = nil
	for _, tx := range both {
		end := tx.Rollback
		if commit {
			end = tx.Commit
		}
		if err := end(); err != nil {
			return t.failure(fmt.Errorf("commit %v: %w", commit, err))
		}
	}
	t.note("END commit %v", commit)
	return nil
}

func (t *tenant) note(format string, args ...any) {
	if len(t.log) >= 15 {
		t.log = t.log[1:]
	}
	t.log = append(t.log, fmt.Sprintf(format, args...))
}

func (t *tenant) failure(err error) error {
	return fmt.Errorf("user %.20q: %w\nThe user's last statements:\n  %s", t.user, err, strings.Join(t.log, "\n  "))
}

// compare runs a statement on the common database and on the user's own.
func (t *tenant) compare(text string, args []any, run func(on int) (string, error)) error {
	t.note("%s %v", text, args)
	var got [2]string
	for i := range got {
		var err error
		got[i], err = run(i)
		var known *kalam.Error
		if err != nil && !errors.As(err, &known) || errors.Is(err, kalam.ErrInterrupted) {
			return t.failure(fmt.Errorf("%s: %w", text, err))
		}
	}
	if got[0] != got[1] {
		return t.failure(fmt.Errorf("%s %v: in the common database (+) it gives another answer than alone (-):\n%s", text, args, cmp.Diff(got[1], got[0])))
	}
	return nil
}

// same compares all that the user has.
func (t *tenant) same(ctx context.Context) error {
	if t.in != nil {
		if err := t.end(true); err != nil {
			return err
		}
	}
	var texts [2]strings.Builder
	for i, db := range []*sql.DB{t.common, t.alone} {
		if err := kalam.ExportUser(ctx, db, t.user, &texts[i]); err != nil {
			return t.failure(err)
		}
	}
	if d := cmp.Diff(texts[1].String(), texts[0].String()); d != "" {
		return t.failure(fmt.Errorf("in the common database the user has other rows (+) than alone (-): %s", d))
	}
	return nil
}

// newTenants returns users of one database. The caller closes it, and theirs.
func newTenants(ctx context.Context, seed uint64, as bool) (list []*tenant, close func() error, err error) {
	var all []*sql.DB
	close = func() (err error) {
		for _, db := range all {
			err = errors.Join(err, db.Close())
		}
		return err
	}
	start := func() (*sql.DB, error) {
		db, err := open()
		if err == nil {
			all = append(all, db)
			_, err = db.ExecContext(ctx, tenancySchema)
		}
		return db, err
	}
	common, err := start()
	if err != nil {
		return nil, close, err
	}
	// Statements are prepared once, by whoever comes first.
	prepared := make([]*sql.Stmt, len(templates))
	for i := range prepared {
		if i%2 == 0 {
			if prepared[i], err = common.PrepareContext(kalam.WithUser(ctx, tenants[i%len(tenants)]), templates[i].text); err != nil {
				return nil, close, err
			}
		}
	}
	for i, u := range tenants {
		alone, err := start()
		if err != nil {
			return nil, close, err
		}
		t := &tenant{user: u, rng: rand.New(rand.NewPCG(seed, uint64(i))), common: common, alone: alone, prepared: prepared}
		if as {
			t.owner = common
		}
		list = append(list, t)
	}
	return list, close, nil
}

// sequential runs statements of all users in turn, some within transactions that
// stay open while others go on.
func sequential(ctx context.Context, seed uint64, statements int) (err error) {
	list, close, err := newTenants(ctx, seed, true)
	defer func() { err = errors.Join(err, close()) }()
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 1<<32))
	quiet := func() bool {
		for _, t := range list {
			if t.in != nil {
				return false
			}
		}
		return true
	}
	for _, t := range list {
		t.quiet = quiet
	}
	for n := range statements {
		if n%500 == 499 {
			// A shared table changes for all.
			for i, db := range append([]*sql.DB{list[0].common}, alone(list)...) {
				if _, err := db.ExecContext(ctx, "REPLACE INTO rooms VALUES (?, ?)", n%13, fmt.Sprint("room ", n)); err != nil {
					return fmt.Errorf("database %d: %w", i, err)
				}
			}
		}
		if err := list[rng.IntN(len(list))].step(ctx); err != nil {
			return fmt.Errorf("statement %d: %w", n, err)
		}
	}
	for _, t := range list {
		if err := t.same(ctx); err != nil {
			return err
		}
	}
	return nil
}

func alone(list []*tenant) (dbs []*sql.DB) {
	for _, t := range list {
		dbs = append(dbs, t.alone)
	}
	return dbs
}

// concurrent runs statements of all users at the same time.
func concurrent(ctx context.Context, seed uint64, statements int) (err error) {
	list, close, err := newTenants(ctx, seed, false)
	defer func() { err = errors.Join(err, close()) }()
	if err != nil {
		return err
	}
	list[0].common.SetMaxOpenConns(len(list) - 2) // so that connections change hands
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, t := range list {
		wg.Go(func() {
			for range statements / len(list) {
				if errs[i] = t.step(ctx); errs[i] != nil {
					break
				}
			}
			if errs[i] == nil {
				errs[i] = t.same(ctx)
			}
			if t.in != nil {
				t.in[0].Rollback() // others wait for its connection
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
