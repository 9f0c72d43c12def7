package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kalamgo/kalam"
)

// scale is a database of many users.
type scale struct {
	users, rows int
	dir         string
	progress    io.Writer
	rest        time.Duration // how long a database is left alone after it was loaded, see reopen
}

// What must hold of the figures.
const (
	mostSize = 1.2 // of the user table's bytes on disk, in those of the shared table
	mostTime = 1.5 // of a query's time with all users, in that with few
)

const (
	asked    = 2000 // how many users' queries are measured
	fewUsers = 1000 // what all users' times are compared with
)

// stage is what is measured at a number of users.
type stage struct {
	users            int
	rate             float64       // rows loaded a second since the stage before
	busy             time.Duration // a list while what the load left to do is done in the background
	cold             time.Duration // the first query of a user once that is over
	list, get, write time.Duration // those after it
	heap, resident   int64         // bytes
}

const (
	userTable   = "CREATE USER TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(60), body VARCHAR(200), KEY title (title))"
	sharedTable = "CREATE TABLE notes (user VARCHAR(60), id INT, title VARCHAR(60), body VARCHAR(200), PRIMARY KEY (user, id), KEY title (user, title))"
)

// run prints figures and returns how many goals they miss.
func (s *scale) run(ctx context.Context, out io.Writer) (failed int, err error) {
	if s.rows < 1 {
		return 0, errors.New("-rows must be positive")
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "tenancy"); err != nil {
			return 0, err
		}
		defer os.RemoveAll(s.dir)
	} else if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return 0, err
	}
	own, shared := filepath.Join(s.dir, "own"), filepath.Join(s.dir, "shared")
	if err := s.ownRows(ctx, out, own); err != nil {
		return 0, err
	}
	opened, first, ownSize, err := s.reopen(ctx, own)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "\nopened again in %v, the first query took %v\n", opened.Round(time.Millisecond), first.Round(time.Microsecond))
	rate, err := s.sharedRows(ctx, shared)
	if err != nil {
		return 0, err
	}
	_, _, sharedSize, err := s.reopen(ctx, shared)
	if err != nil {
		return 0, err
	}
	rows := float64(s.users * s.rows)
	fmt.Fprintf(out, "on disk: %s, %.1f bytes a row; in one shared table %s, %.1f bytes a row, loaded at %s rows/s\n\n",
		megabytes(ownSize), float64(ownSize)/rows, megabytes(sharedSize), float64(sharedSize)/rows, thousands(int(rate)))

	goal := func(name string, value, most float64) {
		word := "ok  "
		if value > most {
			word = "FAIL"
			failed++
		}
		fmt.Fprintf(out, "%s %s: %.2f, at most %.2f\n", word, name, value, most)
	}
	goal("size on disk against one shared table", float64(ownSize)/float64(sharedSize), mostSize)
	if s.users <= fewUsers {
		return failed, nil
	}
	few := filepath.Join(s.dir, "few")
	if err := s.fewRows(ctx, few); err != nil {
		return 0, err
	}
	for _, q := range []struct {
		name string
		ask  func(context.Context, *sql.DB) error
	}{{"list", s.list}, {"row", s.get}} {
		m, err := s.compare(ctx, few, own, q.ask)
		if err != nil {
			return 0, err
		}
		goal(fmt.Sprintf("time of one user's %s, %v with %s users against %v with %s", q.name, m[1], thousands(s.users), m[0], thousands(fewUsers)), float64(m[1])/float64(m[0]), mostTime)
	}
	return failed, nil
}

// fewRows makes a database of few users.
func (s *scale) fewRows(ctx context.Context, dir string) (err error) {
	db, err := s.create(ctx, dir, userTable)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return s.load(ctx, db, 0, fewUsers)
}

func userName(n int) string { return fmt.Sprintf("user-%07d@example.org", n) }

// ownRows loads the user table and measures at each power of ten.
func (s *scale) ownRows(ctx context.Context, out io.Writer, dir string) (err error) {
	db, err := s.create(ctx, dir, userTable)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	fmt.Fprintf(out, "%d rows of each user, each user's INSERT a transaction; times are medians of %d users picked at random:\n"+
		"right after the load, while it is compacted; once that is over the first for a user, which may have to read files,\n"+
		"and after it\n\n", s.rows, asked)
	fmt.Fprintf(out, "%10s %12s %12s %12s %12s %12s %12s %10s %10s\n", "users", "load rows/s", "busy list", "first list", "list of 10", "one row", "insert", "Go heap", "resident")
	from := 0
	for _, n := range s.counts() {
		begin := time.Now()
		if err := s.load(ctx, db, from, n); err != nil {
			return err
		}
		st := stage{users: n, rate: float64((n-from)*s.rows) / time.Since(begin).Seconds()}
		if err := s.measure(ctx, db, dir, &st); err != nil {
			return err
		}
		fmt.Fprintf(out, "%10s %12s %12v %12v %12v %12v %12v %10s %10s\n", thousands(n), thousands(int(st.rate)), st.busy, st.cold, st.list, st.get, st.write, megabytes(st.heap), megabytes(st.resident))
		from = n
	}
	return nil
}

// load adds the rows of users from one number to before another.
func (s *scale) load(ctx context.Context, db *sql.DB, from, to int) error {
	insert, err := db.PrepareContext(ctx, "INSERT INTO notes (title, body) VALUES "+list("(?, ?)", s.rows))
	if err != nil {
		return err
	}
	defer insert.Close()
	return s.each(ctx, from, to, func(ctx context.Context, u int, rng *rand.Rand) error {
		var args []any
		for range s.rows {
			args = append(args, title(rng), body(rng))
		}
		_, err := insert.ExecContext(kalam.WithUser(ctx, userName(u)), args...)
		return err
	})
}

// counts are the numbers of users at which to measure.
func (s *scale) counts() (list []int) {
	for n := fewUsers; n < s.users; n *= 10 {
		list = append(list, n)
	}
	return append(list, s.users)
}

// sharedRows loads the same rows into one table and returns rows a second.
func (s *scale) sharedRows(ctx context.Context, dir string) (rate float64, err error) {
	db, err := s.create(ctx, dir, sharedTable)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	insert, err := db.PrepareContext(ctx, "INSERT INTO notes (user, id, title, body) VALUES "+list("(?, ?, ?, ?)", s.rows))
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	begin := time.Now()
	err = s.each(ctx, 0, s.users, func(ctx context.Context, u int, rng *rand.Rand) error {
		var args []any
		for i := range s.rows {
			args = append(args, userName(u), i+1, title(rng), body(rng))
		}
		_, err := insert.ExecContext(ctx, args...)
		return err
	})
	return float64(s.users*s.rows) / time.Since(begin).Seconds(), err
}

// open opens a database whose commits survive the process, as most are loaded.
func (s *scale) open(dir string) (*sql.DB, error) {
	return sql.Open("kalam", "file:"+dir+"?sync=normal")
}

// create makes a database with a table.
func (s *scale) create(ctx context.Context, dir, table string) (*sql.DB, error) {
	db, err := s.open(dir)
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, table); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// each calls f with the users from one number to before another, on all cores.
func (s *scale) each(ctx context.Context, from, to int, f func(context.Context, int, *rand.Rand) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next, done atomic.Int64
	next.Store(int64(from))
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				const some = 100
				first := int(next.Add(some)) - some
				for u := first; u < min(first+some, to); u++ {
					// The rows are the same in both tables.
					if err := f(ctx, u, rand.New(rand.NewPCG(uint64(u), 0))); err != nil {
						stop(err)
						return
					}
				}
				if done.Add(some); first >= to || ctx.Err() != nil {
					return
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		begin := time.Now()
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-finished:
				return
			case <-tick.C:
				n := int(done.Load())
				fmt.Fprintf(s.progress, "%s of %s users, %s rows/s\n", thousands(from+n), thousands(to), thousands(int(float64(n*s.rows)/time.Since(begin).Seconds())))
			}
		}
	}()
	wg.Wait()
	close(finished)
	return context.Cause(ctx)
}

// measure takes the times of some users' statements, and memory.
func (s *scale) measure(ctx context.Context, db *sql.DB, dir string, st *stage) error {
	rng := rand.New(rand.NewPCG(uint64(st.users), 1))
	// median returns the medians of a first call for a user and of the fastest of three
	// after it, which nothing interrupted.
	median := func(f func(ctx context.Context) error) (first, again time.Duration, err error) {
		times := [2][]time.Duration{make([]time.Duration, asked), make([]time.Duration, asked)}
		for i := range asked {
			user := kalam.WithUser(ctx, userName(rng.IntN(st.users)))
			for k := range 4 {
				begin := time.Now()
				if err := f(user); err != nil {
					return 0, 0, err
				}
				took := time.Since(begin)
				if k <= 1 {
					times[k][i] = took
				} else {
					times[1][i] = min(times[1][i], took)
				}
			}
		}
		for k := range times {
			slices.Sort(times[k])
		}
		return times[0][asked/2].Round(100 * time.Nanosecond), times[1][asked/2].Round(100 * time.Nanosecond), nil
	}
	list := func(ctx context.Context) error { return s.list(ctx, db) }
	var err error
	if _, st.busy, err = median(list); err != nil {
		return err
	}
	if _, err := settle(ctx, db, dir); err != nil {
		return err
	}
	var errs [3]error
	st.cold, st.list, errs[0] = median(list)
	_, st.get, errs[1] = median(func(ctx context.Context) error { return s.get(ctx, db) })
	tx := func(ctx context.Context) error { // undone, so that sizes stay
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO notes (title, body) VALUES ('t', 'b')")
		return errors.Join(err, tx.Rollback())
	}
	_, st.write, errs[2] = median(tx)
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	st.heap, st.resident = int64(m.HeapAlloc), resident()
	return errors.Join(errs[:]...)
}

// list asks for a user's first rows, get for one.
func (s *scale) list(ctx context.Context, db *sql.DB) error {
	n, err := count(ctx, db, "SELECT id, title, body FROM notes ORDER BY id LIMIT 10")
	if err == nil && n < min(s.rows, 10) {
		err = fmt.Errorf("a user has %d rows", n)
	}
	return err
}

func (s *scale) get(ctx context.Context, db *sql.DB) error {
	n, err := count(ctx, db, "SELECT title, body FROM notes WHERE id = ?", 1)
	if err == nil && n != 1 {
		err = fmt.Errorf("a user has %d rows with id 1", n)
	}
	return err
}

// compare asks users of a database with few and of that with all in turn, so that what
// else the machine does slows both, and returns the medians of a user's fastest of three
// calls after the first: of few, of all.
func (s *scale) compare(ctx context.Context, few, all string, ask func(context.Context, *sql.DB) error) (medians [2]time.Duration, err error) {
	times := [2][]time.Duration{}
	users := [2]int{fewUsers, s.users}
	var dbs [2]*sql.DB
	for i, dir := range []string{few, all} {
		if dbs[i], err = s.open(dir); err != nil {
			return medians, err
		}
		defer dbs[i].Close()
	}
	rng := rand.New(rand.NewPCG(0, 1))
	for range asked {
		for i, db := range dbs {
			user := kalam.WithUser(ctx, userName(rng.IntN(users[i])))
			var best time.Duration
			for k := range 4 {
				begin := time.Now()
				if err := ask(user, db); err != nil {
					return medians, err
				}
				if took := time.Since(begin); k <= 1 || took < best {
					best = took
				}
			}
			times[i] = append(times[i], best)
		}
	}
	for i := range times {
		slices.Sort(times[i])
		medians[i] = times[i][asked/2]
	}
	return medians, nil
}

func count(ctx context.Context, db *sql.DB, query string, args ...any) (n int, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
	}
	return n, rows.Err()
}

// untilRest is when a database is at rest, and its job that compacts rows has come.
const untilRest = 150 * time.Second

// reopen opens a database again, which writes what is only in its log into tables,
// and returns how long that and a first query took, and its bytes once it has had rest and
// they settle.
func (s *scale) reopen(ctx context.Context, dir string) (opened, first time.Duration, size int64, err error) {
	db, err := s.open(dir)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	begin := time.Now()
	if err := db.PingContext(ctx); err != nil {
		return 0, 0, 0, err
	}
	opened = time.Since(begin)
	begin = time.Now()
	if _, err := count(kalam.WithUser(ctx, userName(s.users/2)), db, "SELECT id, title FROM notes ORDER BY id LIMIT 10"); err != nil {
		return 0, 0, 0, err
	}
	first = time.Since(begin)
	for begin, ran := time.Now(), 0; ran == 0 && time.Since(begin) < s.rest && ctx.Err() == nil; time.Sleep(time.Second) {
		if ran, err = count(ctx, db, "SELECT id FROM system.jobs WHERE kind = 'compact'"); err != nil {
			return 0, 0, 0, err
		}
	}
	size, err = settle(ctx, db, dir)
	return opened, first, size, err
}

// settle waits until nothing is done in the background and returns the bytes on disk.
func settle(ctx context.Context, db *sql.DB, dir string) (size int64, err error) {
	for same := 0; same < 5 && ctx.Err() == nil; time.Sleep(time.Second) {
		now, err := bytesIn(dir)
		if err != nil {
			return 0, err
		}
		running, err := count(ctx, db, "SELECT id FROM system.jobs WHERE state = 'running'")
		if err != nil {
			return 0, err
		}
		if same++; now != size || running > 0 {
			size, same = now, 0
		}
	}
	return size, ctx.Err()
}

// bytesIn returns the bytes of a directory's files.
func bytesIn(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // compacted away
		}
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// resident returns the process's memory in bytes, 0 where that is not known.
func resident() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(kb, 10, 64)
	return n << 10
}

func list(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+", ", n), ", ") }

var words = strings.Fields("the quick brown fox jumps over a lazy dog while seven grey wolves sleep below old stone walls and count their sheep in silence")

func text(rng *rand.Rand, n int) string {
	b := make([]string, n)
	for i := range b {
		b[i] = words[rng.IntN(len(words))]
	}
	return strings.Join(b, " ")
}

func title(rng *rand.Rand) string { return text(rng, 3) }
func body(rng *rand.Rand) string  { return text(rng, 15) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// thousands prints a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
