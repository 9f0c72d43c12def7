package engine

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store"
)

// openLoading returns an engine that makes segments of 16 rows of loads, and packs
// nothing by itself.
func openLoading(t testing.TB) *Engine {
	e := openStore(t, Config{LockWait: time.Millisecond}, store.Config{SegmentRows: 16, TempDir: t.TempDir()})
	e.catalog.Pack = store.PackOptions{MinRows: 1 << 30, MaxShadow: 100, Age: time.Hour}
	return e
}

// loadValues are the rows (i, i*7) with i from, inclusive, to to, exclusive, as VALUES.
func loadValues(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, ", (%d, %d)", i, i*7)
	}
	return b.String()[2:]
}

func segmentsOf(t testing.TB, s *Session, table string) string {
	return query(t, s, "SELECT segments, `rows`, unpacked_rows, shadow_rows FROM `system`.segments WHERE `table` = '"+table+"'")
}

func checked(t testing.TB, s *Session, table string) {
	t.Helper()
	if got := query(t, s, "CHECK TABLE "+table); !strings.HasSuffix(got, "status|OK;") {
		t.Errorf("CHECK TABLE %s: %s", table, got)
	}
}

func TestLoadsArePacked(t *testing.T) {
	t.Parallel()
	e := openLoading(t)
	s, other := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	run(t, s, "CREATE TABLE t (id INT PRIMARY KEY, n INT, d INT DEFAULT 3, f FLOAT, g INT AS (n + 1) STORED, v INT AS (n * 2), UNIQUE KEY (n), KEY (d))")
	expect := func(on *Session, want string) {
		t.Helper()
		if got := query(t, on, "SELECT COUNT(*), SUM(id), SUM(n), SUM(d), SUM(g - n), SUM(v = 2 * n), COUNT(f) FROM t"); got != want {
			t.Errorf("rows are %s, not %s", got, want)
		}
	}
	run(t, s, "INSERT INTO t (id, n) VALUES "+loadValues(0, 100))
	if got := segmentsOf(t, s, "t"); got != "6|96|4|0;" {
		t.Errorf("segments are %s", got)
	}
	expect(other, "100|4950|34650|300|100|100|0;")

	// All of a transaction sees the rows, and nobody else does.
	run(t, s, "BEGIN")
	run(t, s, "INSERT INTO t (id, n, f) SELECT id + 1000, n + 7000, 0.1 FROM t ORDER BY id")
	expect(s, "200|109900|769300|600|200|200|100;")
	expect(other, "100|4950|34650|300|100|100|0;")
	run(t, s, "SAVEPOINT one")
	run(t, s, "UPDATE t SET d = 4 WHERE id BETWEEN 1010 AND 1019")
	run(t, s, "DELETE FROM t WHERE id IN (1003, 1040)")
	run(t, s, "INSERT INTO t (id, n) VALUES "+loadValues(2000, 2100))
	expect(s, fmt.Sprintf("298|%d|%d|904|298|298|98;", 109900-1003-1040+204950, 769300-7*(1003+1040)+7*204950))
	if got := query(t, s, "SELECT id, n, f FROM t WHERE n = 7147 UNION ALL SELECT id, n, f FROM t WHERE id IN (1040, 2050)"); got != "1021|7147|0.1;2050|14350|NULL;" {
		t.Errorf("rows are %s", got)
	}
	for _, failing := range []string{
		"INSERT INTO t (id, n) VALUES " + loadValues(3000, 3100) + ", (3200, 7)",                         // a taken key of an index
		"INSERT INTO t (id, n) VALUES " + loadValues(3000, 3100) + ", (3200, 21700), (3201, 1), (50, 2)", // of the rows
		"INSERT INTO t (id, n) VALUES " + loadValues(3000, 3100) + ", (3099, 9)",
	} {
		if _, err := s.Exec(t.Context(), failing, nil); !errors.Is(err, sqlerr.DupEntry) {
			t.Errorf("error is %v", err)
		}
	}
	expect(s, fmt.Sprintf("298|%d|%d|904|298|298|98;", 109900-1003-1040+204950, 769300-7*(1003+1040)+7*204950))
	run(t, s, "ROLLBACK TO one")
	expect(s, "200|109900|769300|600|200|200|100;")
	run(t, s, "COMMIT")
	expect(other, "200|109900|769300|600|200|200|100;")
	checked(t, s, "t")

	// A row a statement, undone in part.
	run(t, s, "BEGIN")
	for i := range 300 {
		if i == 150 {
			run(t, s, "SAVEPOINT half")
		}
		run(t, s, fmt.Sprintf("INSERT INTO t (id, n) VALUES (%d, %d)", 5000+i, 50000+i))
	}
	run(t, s, "ROLLBACK TO half")
	for i := range 100 {
		run(t, s, fmt.Sprintf("INSERT INTO t (id, n) VALUES (%d, %d)", 6000+i, 50200+i))
	}
	run(t, s, "COMMIT")
	if got := query(t, other, "SELECT COUNT(*), MIN(n), MAX(n), SUM(n) FROM t WHERE id >= 5000"); got != fmt.Sprintf("250|50000|50299|%d;", 250*50000+150*149/2+100*200+100*99/2) {
		t.Errorf("rows are %s", got)
	}
	checked(t, s, "t")
	// Rows over the segments of the same transaction, while others pack rows around them.
	run(t, s, "INSERT INTO t (id, n) VALUES (29999, 1), (30100, 2)")
	run(t, s, "BEGIN")
	run(t, s, "INSERT INTO t (id, n) VALUES "+loadValues(30000, 30096))
	run(t, s, "DELETE FROM t WHERE id IN (30007, 30095)")
	run(t, s, "UPDATE t SET d = 100 WHERE id = 30008")
	query(t, other, "PACK TABLE t")
	run(t, s, "COMMIT")
	if got := query(t, other, "SELECT COUNT(*), SUM(d), MAX(id) FROM t WHERE id > 29000"); got != fmt.Sprintf("96|%d|30100;", 95*3+100) {
		t.Errorf("rows are %s", got)
	}
	checked(t, s, "t")
	run(t, s, "BEGIN")
	run(t, s, "INSERT INTO t (id, n) VALUES "+loadValues(10000, 10100))
	run(t, s, "ROLLBACK")
	if got := query(t, s, "SELECT COUNT(*) FROM t WHERE id BETWEEN 10000 AND 10100"); got != "0;" {
		t.Errorf("%s rows are left", got)
	}
	checked(t, s, "t")
}

// TestLoadsOfUsers loads the tables of several users, one of them among others' writes.
func TestLoadsOfUsers(t *testing.T) {
	t.Parallel()
	e := openLoading(t)
	ann, bob := newSession(t, e, SessionConfig{User: "ann"}), newSession(t, e, SessionConfig{User: "bob"})
	root := newSession(t, e, SessionConfig{})
	run(t, root, "CREATE USER TABLE t (id BIGINT PRIMARY KEY AUTO_INCREMENT, n INT)")
	run(t, bob, "BEGIN")
	run(t, bob, "INSERT INTO t (n) VALUES (1)")
	values := strings.Repeat(", (1)", 100)[2:]
	run(t, ann, "BEGIN")
	run(t, ann, "INSERT INTO t (n) VALUES "+values)
	run(t, bob, "INSERT INTO t (n) VALUES "+values)
	run(t, bob, "COMMIT")
	run(t, ann, "COMMIT")
	for s, want := range map[*Session]string{ann: "100|100|5050;", bob: "101|101|5151;"} {
		if got := query(t, s, "SELECT COUNT(*), MAX(id), SUM(id) FROM t"); got != want {
			t.Errorf("rows are %s, not %s", got, want)
		}
	}
	checked(t, root, "t")
	if got := segmentsOf(t, root, "t"); got != "12|192|9|0;" {
		t.Errorf("segments are %s", got)
	}
}

// loader is one of the sessions of TestLoadsAmongOthers, with what it sees and has
// written.
type loader struct {
	s          *Session
	in         bool // a transaction
	view       map[int]int
	wrote      map[int]bool
	savepoints []loader
}

func (l *loader) copy() loader {
	return loader{view: maps.Clone(l.view), wrote: maps.Clone(l.wrote)}
}

// TestLoadsAmongOthers runs random loads and other changes in transactions that are open
// at once, and compares what each sees with a model.
func TestLoadsAmongOthers(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	e := openLoading(t)
	admin := newSession(t, e, SessionConfig{})
	run(t, admin, "CREATE TABLE t (id INT PRIMARY KEY, n INT, KEY (n))")
	committed := map[int]int{}
	all := make([]*loader, 3)
	for i := range all {
		all[i] = &loader{s: newSession(t, e, SessionConfig{})}
	}
	var log []string
	failed := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("seed %d: %s\n%s", seed, fmt.Sprintf(format, args...), strings.Join(log[max(0, len(log)-40):], "\n"))
	}
	text := func(rows map[int]int) string {
		var b strings.Builder
		for _, id := range slices.Sorted(maps.Keys(rows)) {
			fmt.Fprintf(&b, "%d|%d;", id, rows[id])
		}
		return b.String()
	}
	for step := range 1500 {
		who := r.IntN(len(all))
		l := all[who]
		var sql string
		after := maps.Clone(l.view)
		if !l.in {
			after = maps.Clone(committed)
		}
		changed := map[int]bool{}
		put := func(id, n int) { after[id], changed[id] = n, true }
		dup := false
		switch n := r.IntN(100); {
		case n < 30: // a load
			from, count, by := r.IntN(3000), 1+r.IntN(90), 1+r.IntN(3)
			var rows []string
			for i := range count {
				id := from + i*by
				_, taken := after[id]
				dup = dup || taken
				put(id, step)
				rows = append(rows, fmt.Sprintf("(%d, %d)", id, step))
			}
			if r.IntN(8) == 0 {
				r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			}
			sql = "INSERT INTO t VALUES " + strings.Join(rows, ", ")
		case n < 45:
			id := r.IntN(3000)
			_, dup = after[id]
			put(id, step)
			sql = fmt.Sprintf("INSERT INTO t VALUES (%d, %d)", id, step)
		case n < 58:
			from := r.IntN(3000)
			to := from + r.IntN(200)
			for id := range after {
				if id >= from && id < to {
					put(id, step)
				}
			}
			sql = fmt.Sprintf("UPDATE t SET n = %d WHERE id >= %d AND id < %d", step, from, to)
		case n < 72:
			from := r.IntN(3000) - 500
			to := from + r.IntN(1+r.IntN(1000))
			for id := range after {
				if id >= from && id < to {
					changed[id] = true
				}
			}
			maps.DeleteFunc(after, func(id, _ int) bool { return changed[id] })
			sql = fmt.Sprintf("DELETE FROM t WHERE id >= %d AND id < %d", from, to)
		case n < 78 && l.in:
			sql = "SAVEPOINT s"
		case n < 81 && len(l.savepoints) > 0:
			sql = "ROLLBACK TO s"
		case n < 84:
			sql = "PACK TABLE t"
			log = append(log, sql)
			query(t, admin, sql)
			continue
		case n < 85:
			sql = "TRUNCATE TABLE t"
			if l.in || all[0].in || all[1].in || all[2].in {
				continue
			}
			for id := range after {
				changed[id] = true
			}
			clear(after)
		case l.in && n < 98:
			sql = "COMMIT"
		case l.in:
			sql = "ROLLBACK"
		case n < 93:
			continue
		default:
			sql = "BEGIN"
		}
		_, err := l.s.Exec(t.Context(), sql, nil)
		log = append(log, fmt.Sprintf("%d: %.60s: %v", who, sql, err))
		switch e := sqlerr.As(err); {
		case err == nil && dup:
			failed("a key was taken")
		case err != nil && dup && e.Kind == sqlerr.DupEntry, err != nil && e.Kind == sqlerr.LockWaitTimeout:
		case err != nil && (e.Kind == sqlerr.WriteConflict || e.Kind == sqlerr.LockDeadlock):
			if l.in {
				run(t, l.s, "ROLLBACK")
				*l = loader{s: l.s}
			}
		case err != nil:
			failed("%v", err)
		case sql == "BEGIN":
			*l = loader{s: l.s, in: true, view: maps.Clone(committed), wrote: map[int]bool{}}
			query(t, l.s, "SELECT COUNT(*) FROM t") // the snapshot
		case sql == "SAVEPOINT s":
			l.savepoints = []loader{l.copy()}
		case sql == "ROLLBACK TO s":
			c := l.savepoints[0].copy()
			l.view, l.wrote = c.view, c.wrote
		case sql == "ROLLBACK":
			*l = loader{s: l.s}
		case sql == "COMMIT":
			for id := range l.wrote {
				delete(committed, id)
				if n, ok := l.view[id]; ok {
					committed[id] = n
				}
			}
			*l = loader{s: l.s}
		case l.in:
			l.view = after
			maps.Copy(l.wrote, changed)
		default:
			committed = after
		}
		want := committed
		if l.in {
			want = l.view
		}
		if r.IntN(4) == 0 { // else what was appended is left as it is
			if got := query(t, l.s, "SELECT id, n FROM t ORDER BY id"); got != text(want) {
				failed("%d sees %s, not %s", who, got, text(want))
			}
			if got := query(t, l.s, "SELECT COUNT(*) FROM t FORCE INDEX (n) WHERE n >= 0"); got != fmt.Sprintf("%d;", len(want)) {
				failed("%d sees %s entries, not %d", who, got, len(want))
			}
		}
		if r.IntN(50) == 0 && !l.in {
			checked(t, admin, "t")
		}
	}
	for _, l := range all {
		if l.in {
			run(t, l.s, "ROLLBACK")
		}
	}
	if got := query(t, admin, "SELECT id, n FROM t ORDER BY id"); got != text(committed) {
		failed("rows are %s, not %s", got, text(committed))
	}
	checked(t, admin, "t")
}

// TestLoadsConflict has transactions whose snapshots are older than a load.
func TestLoadsConflict(t *testing.T) {
	t.Parallel()
	e := openLoading(t)
	a, b := newSession(t, e, SessionConfig{}), newSession(t, e, SessionConfig{})
	run(t, a, "CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE TABLE o (id INT PRIMARY KEY)")
	run(t, a, "BEGIN; SELECT COUNT(*) FROM t")
	run(t, b, "INSERT INTO t VALUES "+loadValues(0, 100))
	if _, err := a.Exec(t.Context(), "INSERT INTO t VALUES (50, 1)", nil); !errors.Is(err, sqlerr.WriteConflict) {
		t.Errorf("insert of a loaded key: %v", err)
	}
	run(t, a, "ROLLBACK")
	if _, err := a.Exec(t.Context(), "INSERT INTO t VALUES (50, 1)", nil); !errors.Is(err, sqlerr.DupEntry) {
		t.Errorf("insert of a loaded key: %v", err)
	}

	run(t, a, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN; SELECT SUM(n) FROM t WHERE id BETWEEN 1010 AND 1020; INSERT INTO o VALUES (1)")
	run(t, b, "INSERT INTO t VALUES "+loadValues(1000, 1096))
	if got := segmentsOf(t, b, "t"); got != "12|192|4|0;" {
		t.Errorf("segments are %s", got)
	}
	if _, err := a.Exec(t.Context(), "COMMIT", nil); !errors.Is(err, sqlerr.WriteConflict) {
		t.Errorf("what a serializable transaction has read was loaded: %v", err)
	}
	run(t, a, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN; SELECT SUM(n) FROM t WHERE id BETWEEN 3000 AND 3020; INSERT INTO o VALUES (2)")
	run(t, b, "INSERT INTO t VALUES "+loadValues(2000, 2096))
	run(t, a, "COMMIT")
}
