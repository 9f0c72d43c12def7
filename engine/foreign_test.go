package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// modelKey is a foreign key of the model: column col of table from references
// the id of table to.
type modelKey struct {
	name               string
	from, to, col      int
	onDelete, onUpdate string
}

// modelRow has the values of columns a and b, 0 for NULL.
type modelRow [2]int

// foreignModel is a naive implementation of foreign keys.
type foreignModel struct {
	keys   []modelKey // by name
	tables []map[int]modelRow
}

func (m *foreignModel) clone() *foreignModel {
	c := &foreignModel{keys: m.keys}
	for _, t := range m.tables {
		n := map[int]modelRow{}
		for id, r := range t {
			n[id] = r
		}
		c.tables = append(c.tables, n)
	}
	return c
}

// children returns the rows that reference any of ids, in the order of the
// index.
func (m *foreignModel) children(k modelKey, ids []int) []int {
	var list []int
	for id, r := range m.tables[k.from] {
		if r[k.col] != 0 && slices.Contains(ids, r[k.col]) {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, func(a, b int) int {
		ra, rb := m.tables[k.from][a], m.tables[k.from][b]
		if ra[k.col] != rb[k.col] {
			return ra[k.col] - rb[k.col]
		}
		return a - b
	})
	return list
}

func refuses(action string) bool { return action == "RESTRICT" || action == "NO ACTION" }

func (m *foreignModel) remove(table int, ids []int) bool {
	for _, k := range m.keys {
		if k.to != table || k.from != table || !refuses(k.onDelete) {
			continue
		}
		for i, id := range ids {
			for _, later := range ids[i:] {
				if m.tables[table][later][k.col] == id {
					return false
				}
			}
		}
	}
	for _, id := range ids {
		delete(m.tables[table], id)
	}
	for _, k := range m.keys {
		if k.to != table {
			continue
		}
		list := m.children(k, ids)
		switch {
		case len(list) == 0:
		case refuses(k.onDelete):
			return false
		case k.onDelete == "CASCADE":
			if !m.remove(k.from, list) {
				return false
			}
		default:
			m.set(k, list, 0)
		}
	}
	return true
}

func (m *foreignModel) set(k modelKey, ids []int, to int) {
	for _, id := range ids {
		r := m.tables[k.from][id]
		r[k.col] = to
		m.tables[k.from][id] = r
	}
}

func (m *foreignModel) rename(table, id, to int) bool {
	r, ok := m.tables[table][id]
	if !ok || id == to {
		return true
	}
	if _, taken := m.tables[table][to]; taken {
		return false
	}
	for _, k := range m.keys {
		if k.to == table && k.from == table && len(m.children(k, []int{id})) > 0 {
			return false
		}
	}
	delete(m.tables[table], id)
	m.tables[table][to] = r
	for _, k := range m.keys {
		if k.to != table {
			continue
		}
		list := m.children(k, []int{id})
		switch {
		case len(list) == 0:
		case refuses(k.onUpdate):
			return false
		case k.onUpdate == "CASCADE":
			m.set(k, list, to)
		default:
			m.set(k, list, 0)
		}
	}
	return true
}

// parents reports whether what row r references is there.
func (m *foreignModel) parents(table, id int, r modelRow) bool {
	for _, k := range m.keys {
		if k.from != table || r[k.col] == 0 || k.to == table && r[k.col] == id {
			continue
		}
		if _, ok := m.tables[k.to][r[k.col]]; !ok {
			return false
		}
	}
	return true
}

func (m *foreignModel) String() string {
	var b strings.Builder
	for n, t := range m.tables {
		ids := []int{}
		for id := range t {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			fmt.Fprintf(&b, "t%d %d %d %d\n", n, id, t[id][0], t[id][1])
		}
	}
	return b.String()
}

// TestForeignKeysModel runs random statements on random foreign keys and compares
// with the model.
func TestForeignKeysModel(t *testing.T) {
	t.Parallel()
	const seeds, steps, tables = 25, 100, 3
	actions := []string{"RESTRICT", "NO ACTION", "CASCADE", "CASCADE", "SET NULL", "SET NULL"}
	for seed := range uint64(seeds) {
		rng := rand.New(rand.NewPCG(seed, 1))
		e := openMem(t, Config{})
		s := newSession(t, e, SessionConfig{})
		ctx := context.Background()
		m := &foreignModel{}
		for n := range tables {
			m.tables = append(m.tables, map[int]modelRow{})
			run(t, s, fmt.Sprintf("CREATE TABLE t%d (id INT PRIMARY KEY, a INT, b INT)", n))
		}
		for n := range 5 {
			k := modelKey{fmt.Sprintf("f%d", n), rng.IntN(tables), rng.IntN(tables), rng.IntN(2), actions[rng.IntN(6)], actions[rng.IntN(6)]}
			if slices.ContainsFunc(m.keys, func(o modelKey) bool { return o.from == k.from && o.col == k.col }) {
				continue
			}
			m.keys = append(m.keys, k)
			run(t, s, fmt.Sprintf("ALTER TABLE t%d ADD CONSTRAINT %s FOREIGN KEY (%c) REFERENCES t%d (id) ON DELETE %s ON UPDATE %s",
				k.from, k.name, 'a'+k.col, k.to, k.onDelete, k.onUpdate))
		}
		// By child, then by name, as the engine goes through them.
		var log []string
		for range steps {
			table, id := rng.IntN(tables), 1+rng.IntN(4)
			next, ok, sql := m.clone(), true, ""
			switch rng.IntN(6) {
			case 0:
				sql = fmt.Sprintf("DELETE FROM t%d WHERE id = %d", table, id)
				if _, there := m.tables[table][id]; there {
					ok = next.remove(table, []int{id})
				}
			case 1:
				to := 1 + rng.IntN(4)
				sql = fmt.Sprintf("UPDATE t%d SET id = %d WHERE id = %d", table, to, id)
				ok = next.rename(table, id, to)
			case 2:
				col, to := rng.IntN(2), rng.IntN(5)
				sql = fmt.Sprintf("UPDATE t%d SET %c = NULLIF(%d, 0) WHERE id = %d", table, 'a'+col, to, id)
				if r, there := m.tables[table][id]; there {
					old := r
					r[col] = to
					ok = old == r || next.parents(table, id, r)
					next.tables[table][id] = r
				}
			default:
				r := modelRow{rng.IntN(5), rng.IntN(5)}
				sql = fmt.Sprintf("INSERT INTO t%d VALUES (%d, NULLIF(%d, 0), NULLIF(%d, 0))", table, id, r[0], r[1])
				_, taken := m.tables[table][id]
				ok = !taken && next.parents(table, id, r)
				next.tables[table][id] = r
			}
			_, err := s.Exec(ctx, sql, nil)
			log = append(log, fmt.Sprintf("%s: %v", sql, err))
			if ok {
				m = next
			}
			got := ""
			for n := range tables {
				got += rowsText(t, s, fmt.Sprintf("SELECT 't%d', id, IFNULL(a, 0), IFNULL(b, 0) FROM t%d ORDER BY id", n, n))
			}
			if ok != (err == nil) || got != m.String() {
				t.Fatalf("seed %d, keys %+v:\n%s\ngot:\n%swant (%v):\n%s", seed, m.keys, strings.Join(log, "\n"), got, ok, m)
			}
		}
	}
}

// rowsText returns a query's rows, their values separated by blanks.
func rowsText(t testing.TB, s *Session, sql string) string {
	t.Helper()
	rows, err := s.Query(context.Background(), sql, nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	text, err := setText(rows)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	_, text, _ = strings.Cut(strings.ReplaceAll(text, " | ", " "), "\n")
	return text
}

// TestForeignKeysConcurrently adds references and removes what they are to at
// the same time, in statements and in transactions: no row is left that
// references nothing.
func TestForeignKeysConcurrently(t *testing.T) {
	t.Parallel()
	for name, open := range databases {
		for _, action := range []string{"RESTRICT", "CASCADE", "SET NULL"} {
			t.Run(name+"/"+action, func(t *testing.T) {
				t.Parallel()
				testForeignConcurrently(t, open(t), action)
			})
		}
	}
}

func testForeignConcurrently(t *testing.T, e *Engine, action string) {
	const goroutines, rounds, parents = 12, 60, 8
	ctx := context.Background()
	setup := newSession(t, e, SessionConfig{})
	run(t, setup, "CREATE TABLE p (id INT PRIMARY KEY, n INT)")
	run(t, setup, "CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE "+action+" ON UPDATE CASCADE)")
	for i := range parents {
		run(t, setup, fmt.Sprintf("INSERT INTO p VALUES (%d, 0)", i))
	}
	expected := []*sqlerr.Kind{sqlerr.RowIsReferenced, sqlerr.NoReferencedRow, sqlerr.WriteConflict, sqlerr.LockDeadlock, sqlerr.DupEntry}
	check := func(sql string, err error) {
		if err != nil && !slices.ContainsFunc(expected, func(k *sqlerr.Kind) bool { return errors.Is(err, k) }) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 2))
			s, err := e.NewSession(SessionConfig{LockWait: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for range rounds {
				id := rng.IntN(parents)
				sql := []string{
					fmt.Sprintf("INSERT INTO c (p) VALUES (%d), (%d)", id, rng.IntN(parents)),
					fmt.Sprintf("DELETE FROM p WHERE id = %d", id),
					fmt.Sprintf("INSERT IGNORE INTO p VALUES (%d, 0)", id),
					fmt.Sprintf("UPDATE p SET id = %d WHERE id = %d", rng.IntN(parents), id),
					fmt.Sprintf("UPDATE c SET p = %d WHERE p = %d LIMIT 2", id, rng.IntN(parents)),
					fmt.Sprintf("UPDATE p SET n = n + 1 WHERE id = %d", id),
				}[rng.IntN(6)]
				inside := rng.IntN(2) == 0
				if inside {
					if err := s.Begin(ctx, TxOptions{}); err != nil {
						t.Error(err)
					}
					if rng.IntN(2) == 0 {
						_, err := s.Exec(ctx, "UPDATE p SET n = n + 1 WHERE id = 0", nil)
						check("first", err)
					}
				}
				_, err := s.Exec(ctx, sql, nil)
				check(sql, err)
				if inside {
					time.Sleep(time.Duration(rng.IntN(300)) * time.Microsecond)
					if err := s.Commit(ctx); err != nil {
						check("COMMIT", err)
					}
				}
			}
		})
	}
	wg.Wait()
	if text := rowsText(t, setup, "SELECT c.* FROM c LEFT JOIN p ON p.id = c.p WHERE c.p IS NOT NULL AND p.id IS NULL"); text != "" {
		t.Errorf("rows that reference nothing:\n%s", text)
	}
	// The index says the same.
	if a, b := rowsText(t, setup, "SELECT COUNT(*), SUM(p) FROM c WHERE p >= 0"), rowsText(t, setup, "SELECT COUNT(*), SUM(p + 0) FROM c WHERE p + 0 >= 0"); a != b {
		t.Errorf("by index %sby scan %s", a, b)
	}
}

// TestLargeCascade lets actions change more rows than a batch has, in several tables.
func TestLargeCascade(t *testing.T) {
	t.Parallel()
	s := newSession(t, openMem(t, Config{}), SessionConfig{})
	run(t, s, "CREATE TABLE a (id INT PRIMARY KEY)")
	run(t, s, "CREATE TABLE b (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE ON UPDATE CASCADE)")
	run(t, s, "CREATE TABLE c (id INT PRIMARY KEY, b INT, a INT, FOREIGN KEY (b) REFERENCES b (id) ON DELETE CASCADE, "+
		"FOREIGN KEY (a) REFERENCES a (id) ON DELETE SET NULL ON UPDATE CASCADE)")
	run(t, s, "CREATE TABLE d (c INT UNIQUE, FOREIGN KEY (c) REFERENCES c (id) ON DELETE SET NULL)")
	series := func(n int, row string) string {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = strings.ReplaceAll(row, "#", fmt.Sprint(i))
		}
		return strings.Join(rows, ",")
	}
	run(t, s, "INSERT INTO a VALUES (0), (1), (2)")
	run(t, s, "INSERT INTO b VALUES "+series(3000, "(#, # % 2)"))
	run(t, s, "INSERT INTO c VALUES "+series(9000, "(#, # % 3000, # % 3)"))
	run(t, s, "INSERT INTO d VALUES "+series(9000, "(#)"))
	run(t, s, "UPDATE a SET id = 10 WHERE id = 1")
	if got := rowsText(t, s, "SELECT COUNT(*), SUM(b.a), SUM(c.a) FROM c JOIN b ON c.b = b.id"); got != "9000 45000 36000\n" {
		t.Errorf("after UPDATE: %s", got)
	}
	run(t, s, "DELETE FROM a WHERE id = 10")
	for sql, want := range map[string]string{
		"SELECT COUNT(*), MAX(a) FROM b":                       "1500 0\n",
		"SELECT COUNT(*), COUNT(a), MAX(a), MAX(b % 2) FROM c": "4500 3000 2 0\n",
		"SELECT COUNT(*), COUNT(c), MAX(c % 2) FROM d":         "9000 4500 0\n",
	} {
		if got := rowsText(t, s, sql); got != want {
			t.Errorf("%s: %s", sql, got)
		}
	}
	run(t, s, "DELETE FROM a")
	if got := rowsText(t, s, "SELECT (SELECT COUNT(*) FROM b), (SELECT COUNT(*) FROM c), (SELECT COUNT(c) FROM d)"); got != "0 0 0\n" {
		t.Errorf("after DELETE: %s", got)
	}
}

// TestForeignKeysAddedWhileWriting adds a foreign key again and again while rows that
// reference, and that are referenced, come and go: once it is there, no row references nothing.
func TestForeignKeysAddedWhileWriting(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		s := newSession(t, e, SessionConfig{LockWait: time.Minute})
		run(t, s, "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, p INT, KEY (p)); INSERT INTO p VALUES (0), (1), (2), (3), (4), (5)")
		var stop atomic.Bool
		var writers sync.WaitGroup
		defer writers.Wait()
		defer stop.Store(true)
		for g := range 3 {
			w := newSession(t, e, SessionConfig{LockWait: time.Minute})
			rng := rand.New(rand.NewPCG(uint64(g), 5))
			writers.Go(func() {
				for !stop.Load() {
					sql := fmt.Sprintf([]string{"DELETE FROM p WHERE id = %d", "INSERT IGNORE INTO p VALUES (%d)", "INSERT INTO c (p) VALUES (%d)", "DELETE FROM c WHERE p = %d"}[rng.IntN(4)], rng.IntN(6))
					_, err := w.Exec(context.Background(), sql, nil)
					if err != nil && !errors.Is(err, sqlerr.RowIsReferenced) && !errors.Is(err, sqlerr.NoReferencedRow) && !errors.Is(err, sqlerr.LockDeadlock) {
						t.Errorf("%s: %v", sql, err)
						return
					}
				}
			})
		}
		const orphans = "SELECT COUNT(*) FROM c LEFT JOIN p ON p.id = c.p WHERE p.id IS NULL"
		added := 0
		for i := 0; i < 40; i++ {
			_, err := s.Exec(t.Context(), "ALTER TABLE c ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id)", nil)
			if errors.Is(err, sqlerr.NoReferencedRow) {
				run(t, s, "DELETE FROM c")
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			added++
			wantText(t, query(t, s, orphans), "0;")
			run(t, s, "ALTER TABLE c DROP FOREIGN KEY f")
		}
		t.Logf("%d of 40 added", added)
	})
}
